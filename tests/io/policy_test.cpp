// SPDX-License-Identifier: BSL-1.0
#include <mitogen/io/native.hpp>
#include <mitogen/io/policy.hpp>

#include <catch2/catch.hpp>

namespace io = mitogen::io;

namespace {

struct without_waker : io::poll {
    struct waker {};
};
struct with_half_a_gate : io::poll {
    struct poller : io::poll::poller {
        using io::poll::poller::poller;
        static constexpr bool has_gate = true;
        void open_gate() {}
    };
};
struct without_pipes : io::poll {
    void pipe() {}
};
struct without_waiting : io::poll {
    int read_waiting(int, void*, std::size_t) { return 0; }
};
struct without_number : io::poll {
    void own_pid() {}
};
struct without_stdout : io::poll {
    bool capture_stdout() { return false; }
};
struct without_copies : io::poll {
    static constexpr bool can_fork = false;
};
struct with_other_process : io::poll {
    struct process {};
};

TEST_CASE("what a bag lacks is visible by name") {
    STATIC_REQUIRE(io::policy<io::native>);
    STATIC_REQUIRE(io::policy<io::poll>);
    STATIC_REQUIRE_FALSE(io::policy<without_waker>);
    STATIC_REQUIRE_FALSE(io::has_waker<without_waker>);
    STATIC_REQUIRE(io::has_poller<without_waker>);
    STATIC_REQUIRE_FALSE(io::policy<with_half_a_gate>);
    STATIC_REQUIRE(io::has_poller<with_half_a_gate>);
    STATIC_REQUIRE_FALSE(io::has_usable_gate<with_half_a_gate>);
    STATIC_REQUIRE_FALSE(io::has_process<with_other_process>);
    STATIC_REQUIRE_FALSE(io::has_spawn<with_other_process>);
    STATIC_REQUIRE_FALSE(io::policy<int>);
    STATIC_REQUIRE_FALSE(io::has_pipe<without_pipes>);
    STATIC_REQUIRE_FALSE(io::has_blocking_transfer<without_waiting>);
    STATIC_REQUIRE_FALSE(io::has_own_process<without_number>);
    STATIC_REQUIRE_FALSE(io::has_stdout<without_stdout>);
    STATIC_REQUIRE_FALSE(io::policy<without_pipes>);
    STATIC_REQUIRE_FALSE(io::policy<without_waiting>);
    STATIC_REQUIRE_FALSE(io::policy<without_number>);
    STATIC_REQUIRE_FALSE(io::policy<without_stdout>);
}

TEST_CASE(
    "whether processes can be copied is a fact of the policy, and no part of what all must have") {
    STATIC_REQUIRE(io::can_fork<io::native>);
    STATIC_REQUIRE(io::policy<without_copies>);
    STATIC_REQUIRE_FALSE(io::can_fork<without_copies>);
    STATIC_REQUIRE_FALSE(io::can_fork<int>);
}

TEST_CASE("an interest is made of reading and writing") {
    CHECK(io::make_interest(false, false) == io::interest::none);
    CHECK(io::make_interest(true, false) == io::interest::read);
    CHECK(io::make_interest(false, true) == io::interest::write);
    CHECK(io::make_interest(true, true) == io::interest::both);
    CHECK((io::wants_read(io::interest::both) && io::wants_write(io::interest::both)));
    CHECK_FALSE(io::wants_write(io::interest::read));
}

} // namespace
