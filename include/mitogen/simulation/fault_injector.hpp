// SPDX-License-Identifier: BSL-1.0
#pragma once
// fault_injector.hpp: faults that come over a simulated world by chance.

#include <mitogen/base/config.hpp>
#include <mitogen/base/function.hpp>
#include <mitogen/base/time.hpp>
#include <mitogen/simulation/faults.hpp>
#include <mitogen/simulation/kernel.hpp>

#include <cmath>
#include <cstdint>
#include <string>
#include <utility>

namespace mitogen::inline MITOGEN_ABI {
namespace simulation {

/// Kills, stops, cuts and silences at random moments, as the world's faults say.
class fault_injector {
    kernel& world_;
    bool armed_ = false;
    std::uint64_t kills_ = 0;
    std::uint64_t cuts_ = 0;

    /// Calls `what` again and again, at the moments of a Poisson process.
    void strike(double per_second, unique_function<void()> what) {
        if (per_second <= 0) return;
        const double uniform = static_cast<double>(world_.numbers().next() >> 11) * 0x1p-53;
        const auto span = static_cast<duration_ns>(-std::log(1.0 - uniform) / per_second * 1e9);
        world_.threads().at(detail::after(world_.threads().now(), span),
                            [this, per_second, what = std::move(what)]() mutable {
                                if (!armed_) return;
                                what();
                                strike(per_second, std::move(what));
                            });
    }

    template <class Found>
    auto one_of(const Found& found) {
        return found.empty() ? typename Found::value_type()
                             : found[world_.numbers().below(found.size())];
    }

    void kill() {
        process_state* const p = one_of(world_.running());
        if (!p) return;
        ++kills_;
        world_.say("fault: kills " + p->group->name);
        world_.kill(*p);
    }

    void freeze() {
        process_state* const p = one_of(world_.running());
        if (!p || p->group->halted) return;
        world_.say("fault: stops " + p->group->name);
        scheduler& threads = world_.threads();
        threads.halt(*p->group);
        const duration_ns span =
            world_.numbers().between(world_.faults().least_freeze, world_.faults().most_freeze);
        threads.at(detail::after(threads.now(), span), [&world = world_, pid = p->pid] {
            if (process_state* again = world.find(pid)) world.threads().resume(*again->group);
        });
    }

    void cut() {
        const auto pipe = one_of(world_.links());
        if (!pipe || pipe->cut_after) return;
        ++cuts_;
        pipe->cut_after = world_.numbers().below(4096);
        world_.say("fault: will cut pipe " + std::to_string(pipe->number) + " after " +
                   std::to_string(*pipe->cut_after) + " bytes");
        if (*pipe->cut_after == 0) world_.cut(*pipe);
    }

    void clock_jump() {
        const duration_ns span = world_.numbers().between(0, world_.faults().most_jump);
        world_.say("fault: the clock leaps " + std::to_string(span / 1000) + " us");
        world_.threads().clock_jump(span);
    }

    void silence() {
        const auto pipe = one_of(world_.links());
        if (!pipe) return;
        world_.say("fault: pipe " + std::to_string(pipe->number) + " loses everything");
        pipe->silent = true;
        if (pipe->writer) pipe->writer->changed(world_.threads());
    }

public:
    explicit fault_injector(kernel& world) noexcept : world_(world) {}
    fault_injector(fault_injector&&) = delete;

    /// From now on they strike.
    void enable() {
        armed_ = true;
        const faults& f = world_.faults();
        strike(f.kills_per_second, [this] { kill(); });
        strike(f.freezes_per_second, [this] { freeze(); });
        strike(f.cuts_per_second, [this] { cut(); });
        strike(f.jumps_per_second, [this] { clock_jump(); });
        strike(f.silences_per_second, [this] { silence(); });
    }

    /// Nothing strikes any more. A cut that has not come to its byte yet does not happen.
    void disable() {
        armed_ = false;
        for (const auto& pipe : world_.links()) pipe->cut_after.reset();
    }

    std::uint64_t kills() const noexcept { return kills_; }
    std::uint64_t cuts() const noexcept { return cuts_; }
};

} // namespace simulation
} // namespace mitogen::inline MITOGEN_ABI
