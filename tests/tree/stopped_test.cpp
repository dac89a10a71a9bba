// SPDX-License-Identifier: BSL-1.0
// Processes that are stopped take no signal but SIGKILL and notice no link that ends: those above
// them have to see to their end.
#include "../generic/context_functions.hpp"
#include "../generic/tree.hpp"

#include <catch2/catch.hpp>
#include <cerrno>
#include <chrono>
#include <csignal>
#include <mitogen/mitogen.hpp>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <thread>
#include <unistd.h>
#include <vector>

namespace stopped_test {

/// Waits for another context, whatever it is told itself.
int wait_for(mitogen::router& here, int started, mitogen::context_id other) {
    generic::shared_pipe::post(started);
    return here.context_by_id(other).call<&generic::process_id>();
}

} // namespace stopped_test

namespace {
using namespace stopped_test;
using generic::shared_pipe;
using generic::tree;

/// While it lives, processes whose parent has ended are this one's: the kernel then does not end
/// those that are stopped.
class reaper {
public:
    reaper() { REQUIRE(::prctl(PR_SET_CHILD_SUBREAPER, 1) == 0); }
    reaper(const reaper&) = delete;
    reaper& operator=(const reaper&) = delete;
    ~reaper() { ::prctl(PR_SET_CHILD_SUBREAPER, 0); }

    /// True once there is no such process, or it has ended and only its status was left.
    static bool ended(int pid) {
        return ::waitpid(pid, nullptr, WNOHANG) == pid || (::kill(pid, 0) != 0 && errno == ESRCH);
    }
};

mitogen::router_options expedited() {
    mitogen::router_options o;
    o.timeouts.grace = 300'000'000;
    o.timeouts.after_term = 100'000'000;
    return o;
}

TEST_CASE("the end of a tree leaves nobody behind who is stopped") {
    const std::size_t victim = GENERATE(std::size_t{0}, std::size_t{1}, std::size_t{2});
    const bool waited_for = GENERATE(false, true);
    CAPTURE(victim, waited_for);
    const generic::log_capture quiet;
    const reaper orphans;
    shared_pipe started;
    std::vector<int> pids;
    {
        tree t(expedited());
        std::vector<mitogen::context> chain{t.root.local()};
        while (chain.size() < 3) chain.push_back(chain.back().local());
        for (const mitogen::context& c : chain) pids.push_back(c.call<&generic::process_id>());
        ::kill(pids[victim], SIGSTOP);
        if (waited_for && victim > 0) {
            auto waiting =
                chain[victim - 1].call_async<&wait_for>(started.write_end(), chain[victim].id());
            CHECK(started.wait());
            t.root.close();
            CHECK_FALSE(waiting.try_get().has_value());
        }
    }
    // Those below one that was killed end by themselves; all others are gone already.
    const auto limit = std::chrono::steady_clock::now() + generic::plenty;
    for (std::size_t i = 0; i < pids.size(); ++i) {
        INFO("level " << i + 1);
        if (i <= victim) CHECK(reaper::ended(pids[i]));
        while (!reaper::ended(pids[i]) && std::chrono::steady_clock::now() < limit)
            std::this_thread::yield();
        CHECK(std::chrono::steady_clock::now() < limit);
        ::kill(pids[i], SIGKILL);
    }
}

} // namespace
