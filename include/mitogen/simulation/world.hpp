// SPDX-License-Identifier: BSL-1.0
#pragma once
// world.hpp: one simulated world, from its seed to its verdict.

#include <mitogen/base/config.hpp>
#include <mitogen/base/error.hpp>
#include <mitogen/base/function.hpp>
#include <mitogen/base/time.hpp>
#include <mitogen/simulation/chooser.hpp>
#include <mitogen/simulation/fault_injector.hpp>
#include <mitogen/simulation/faults.hpp>
#include <mitogen/simulation/kernel.hpp>
#include <mitogen/simulation/scheduler.hpp>
#include <mitogen/simulation/simulated.hpp>
#include <mitogen/simulation/trace.hpp>

#include <cstddef>
#include <cstdint>
#include <exception>
#include <memory>
#include <string>
#include <utility>

namespace mitogen::inline MITOGEN_ABI {
namespace simulation {

/// How a world is made.
struct world_options {
    std::uint64_t seed = 1;
    simulation::faults faults{};
    chooser* scheduling = nullptr;          ///< null: random_chooser, from the seed
    std::size_t trace_lines = 0;            ///< how many lines of what happened are kept
    std::uint64_t most_steps = 200'000'000; ///< after which a run is taken for endless
};

/// How a run went.
struct outcome {
    bool completed = false; ///< the body returned, and everything that it had started has ended
    std::string trouble{};  ///< else: what did not end, and what it waits for
    std::uint64_t hash = 0; ///< equal for equal runs
    std::uint64_t steps = 0;
    duration_ns elapsed = 0; ///< virtual
    std::uint64_t kills = 0; ///< faults that struck
    std::uint64_t cuts = 0;
};

/// A world in which programs run whose I/O policy is io::simulated: one thread at a time, in an
/// order that follows from a seed, in virtual time, with faults. The same seed gives the same run,
/// to the last step.
///
/// Threads: one real thread, from construction to destruction; several worlds may exist on several
/// threads.
class world {
    world_options options_;
    std::unique_ptr<chooser> own_chooser_;
    trace trace_;
    scheduler threads_;
    simulation::kernel kernel_;
    simulation::fault_injector injector_{kernel_};

    std::string who_waits() const {
        std::string text;
        int shown = 0;
        for (const auto& t : threads_.threads()) {
            if (++shown > 20) return text + "\n  ...";
            text += "\n  " + t->group->name + ", thread " + t->name + ": " +
                    (t->group->halted ? "stopped"
                     : t->waits_for   ? std::string("waits for ") + t->waits_for
                                      : "runs");
        }
        return text;
    }

    std::string left_behind() {
        std::string text;
        for (const auto& [pid, p] : kernel_.processes()) {
            if (!p->ended) text += "\n  " + p->group->name + " runs";
            if (p->ended && !p->reaped) text += "\n  " + p->group->name + " is a zombie";
        }
        if (const std::size_t open = kernel_.open_descriptors())
            text += "\n  " + std::to_string(open) + " descriptors are open";
        if (threads_.alive() != 0)
            text += "\n  " + std::to_string(threads_.alive()) + " threads:" + who_waits();
        return text;
    }

public:
    explicit world(world_options options)
        : options_(options),
          own_chooser_(options.scheduling ? nullptr
                                          : std::make_unique<random_chooser>(
                                                options.seed, options.faults.interrupt)),
          trace_(options.trace_lines),
          threads_(options.scheduling ? *options.scheduling : *own_chooser_, trace_),
          kernel_(threads_, options.faults, options.seed) {}
    explicit world(std::uint64_t seed) : world(world_options{.seed = seed}) {}
    world(world&&) = delete;

    /// What every process that is started does; see kernel::program.
    void set_program(unique_function<int(const os::spawn_options&, stdio)> program) {
        kernel_.program = std::move(program);
    }

    /// Runs `body` as the main thread of the world's first process, until it has returned and all
    /// it has started has ended. An exception that leaves a thread ends the run and comes out. May
    /// be called once.
    template <class Body>
    outcome run(Body body) {
        process_state& root = kernel_.boot(
            "root", [this, body = std::move(body)]() mutable { body(io::simulated(kernel_)); });
        injector_.enable();
        const bool returned = threads_.loop(
            options_.most_steps, [&] { return root.ended.has_value() || threads_.failure(); });
        outcome o;
        if (returned && !threads_.failure()) {
            injector_.disable();
            static_cast<void>(
                threads_.loop(options_.most_steps, [this] { return threads_.alive() == 0; }));
            o.trouble = left_behind();
            if (!o.trouble.empty()) o.trouble.insert(0, "left behind:");
        } else if (!returned) {
            o.trouble =
                (trace_.steps() >= options_.most_steps ? "it does not end:" : "everything waits:") +
                who_waits();
        }
        threads_.on_switch(nullptr);
        o.completed = o.trouble.empty();
        o.hash = trace_.hash();
        o.steps = trace_.steps();
        o.elapsed = threads_.now() - start_of_time;
        o.kills = injector_.kills();
        o.cuts = injector_.cuts();
        if (threads_.failure()) rethrow(threads_.failure());
        return o;
    }

    /// Calls `what` at a moment of virtual time, counted from the start of the run: for faults that
    /// are planned.
    void at(duration_ns since_start, unique_function<void()> what) {
        threads_.at(start_of_time + since_start, std::move(what));
    }

    /// From now on nothing goes wrong by chance, but for what is slow or partial anyway.
    void disable() { injector_.disable(); }

    simulation::kernel& kernel() noexcept { return kernel_; }
    const simulation::trace& log() const noexcept { return trace_; }

private:
    static void rethrow(std::exception_ptr e) { std::rethrow_exception(std::move(e)); }
};

} // namespace simulation
} // namespace mitogen::inline MITOGEN_ABI
