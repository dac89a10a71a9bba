// SPDX-License-Identifier: BSL-1.0
#pragma once
// fleet.hpp: whole trees of contexts in one simulated world, on hosts whose fate is known
// beforehand.

#include <mitogen/base/config.hpp>
#include <mitogen/base/limits.hpp>
#include <mitogen/base/result.hpp>
#include <mitogen/base/time.hpp>
#include <mitogen/boot/boot_plan.hpp>
#include <mitogen/call/context.hpp>
#include <mitogen/child/staged_children.hpp>
#include <mitogen/loop/broker_body.hpp>
#include <mitogen/method/method.hpp>
#include <mitogen/router/child_main.hpp>
#include <mitogen/router/router_body.hpp>
#include <mitogen/simulation/simulated.hpp>
#include <mitogen/simulation/world.hpp>

#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <tuple>
#include <utility>

namespace mitogen::inline MITOGEN_ABI {
namespace simulation {

/// The loop under the policy io::simulated; everything else that a program uses is the same under
/// every policy.
using broker = basic_broker<io::simulated>;

/// The connection method of simulated worlds: `router.connect(simulation::host{.name = "web1"})`.
/// What becomes of a host of that name is decided by the fleet; one that it does not know is in
/// good health.
struct host {
    std::string name{};                                ///< of the host and of the context
    std::chrono::milliseconds connect_timeout{30'000}; ///< from start to hello, in virtual time
    std::string executable{};                          ///< has no meaning here
    /// of functions there that have no run_on of their own
    on executor = on::main;
    /// for it and all below it; empty: this context's own
    std::optional<mitogen::limits> limits{};

    static constexpr std::string_view method_name = "simulated host";
    template <class Self>
    static constexpr auto fields(Self& self) {
        return std::tie(self.name, self.connect_timeout, self.executable, self.executor,
                        self.limits);
    }

    result<boot_plan> plan() const {
        boot_plan p;
        p.what = "host " + name;
        p.name = "host";
        mitogen::detail::apply_common(*this, p);
        p.start.path = name;
        p.start.argv = {name};
        return p;
    }
};

/// Simulated machines, and a program that runs on one of them and calls its functions on the
/// others.
///
/// Threads: one real thread.
class fleet {
    struct fate {
        enum class kind : std::uint8_t { refuses, silent, dies, hangs } what = kind::silent;
        duration_ns when = 0;
        std::string words{};
        int code = 0;
    };

    simulation::world world_;
    std::map<std::string, fate> fates_;

    int live(const std::string& name, stdio ends) {
        io::simulated io;
        const auto found = fates_.find(name);
        if (found != fates_.end()) {
            const fate& f = found->second;
            switch (f.what) {
            case fate::kind::refuses:
                static_cast<void>(io.write_all(ends.err, f.words.data(), f.words.size()));
                return f.code;
            case fate::kind::silent: io.hang();
            case fate::kind::dies: later(f.when, 9); break;
            case fate::kind::hangs: later(f.when, 19); break;
            }
        }
        kernel& k = io.kernel();
        mitogen::detail::serve_as_child<io::simulated>(
            io, {io::simulated_descriptor(k, ends.in), io::simulated_descriptor(k, ends.out)});
        return 0;
    }

    void later(duration_ns when, int signal) {
        kernel& k = world_.kernel();
        k.threads().at(k.threads().now() + when, [&k, pid = k.self().pid, signal] {
            static_cast<void>(k.signal(pid, signal));
        });
    }

public:
    explicit fleet(world_options options) : world_(options) {
        world_.set_program([this](const os::spawn_options& start, stdio ends) {
            return live(start.argv.empty() ? std::string() : start.argv.front(), ends);
        });
    }
    explicit fleet(std::uint64_t seed) : fleet(world_options{.seed = seed}) {}

    /// Whoever connects to that host gets no further than this: what the client says on stderr, and
    /// its exit code.
    void refuses(const std::string& host, std::string words = "Connection refused\n",
                 int code = 255) {
        fates_[host] = {fate::kind::refuses, 0, std::move(words), code};
    }
    /// It takes the connection and never says a word.
    void never_answers(const std::string& host) { fates_[host] = {fate::kind::silent, 0, {}, 0}; }
    /// Its process is killed so long after it was started.
    void dies_after(const std::string& host, duration_ns span) {
        fates_[host] = {fate::kind::dies, span, {}, 0};
    }
    /// Its process stops, as by SIGSTOP, so long after it was started.
    void hangs_after(const std::string& host, duration_ns span) {
        fates_[host] = {fate::kind::hangs, span, {}, 0};
    }

    /// Runs `body(mitogen::router&)` as the program that owns the tree. May be called once. Throws
    /// what the body throws.
    template <class Body>
    outcome run(Body&& body, router_options options = {}) {
        return world_.run([&](io::simulated io) {
            simulation::broker loop(io);
            router root(loop, options);
            body(root);
        });
    }

    /// For faults that are planned, and for the trace.
    simulation::world& world() noexcept { return world_; }
};

/// Sleeps in virtual time. For functions that a simulated context runs.
inline void sleep_for(duration_ns span) { io::simulated().sleep_for(span); }

} // namespace simulation
} // namespace mitogen::inline MITOGEN_ABI
