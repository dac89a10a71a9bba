// SPDX-License-Identifier: BSL-1.0
// Dialogs that a nursery begins again: what each end of them sees.
#include "../generic/context_functions.hpp"
#include "../generic/tree.hpp"

#include <catch2/catch.hpp>
#include <chrono>
#include <csignal>
#include <mitogen/mitogen.hpp>
#include <stdexcept>
#include <string>
#include <thread>
#include <unistd.h>
#include <utility>

namespace restarted_dialog_test {

using generic::shared_pipe;

/// Each run takes a turn: f fails and d dies behind its second item, n does not begin, and without
/// one it sends back what it receives. Returns how many that were.
int echoes(mitogen::dialog<int(int, int)>& peer, int turns) {
    char turn = 0;
    if (::read(turns, &turn, 1) != 1) turn = 'e';
    if (turn == 'n') throw std::runtime_error("not begun");
    peer.started(::getpid());
    int count = 0;
    for (const int v : peer) {
        if (++count == 2 && turn != 'e') {
            if (turn == 'd') ::raise(SIGKILL);
            peer.send(-v);
            throw std::runtime_error("boom");
        }
        peer.send(v);
    }
    return count;
}
/// Sends much more than fits a window; fails at the end, but in its last run.
int floods(mitogen::dialog<void(int, int)>& peer, int turns) {
    char turn = 0;
    const bool fails = ::read(turns, &turn, 1) == 1;
    peer.started();
    for (int i = 0; i < 20'000; ++i) peer.send(i);
    if (fails) throw std::runtime_error("boom");
    for (const int v : peer) return v; // waits for the opener's close()
    return 7;
}
int waits(mitogen::dialog<void(int, int)>& peer, int ended) {
    peer.started();
    const auto item = peer.try_receive();
    shared_pipe::post(ended);
    return item ? 1 : 2;
}

} // namespace restarted_dialog_test

namespace {
using namespace restarted_dialog_test;
using namespace std::chrono_literals;
using generic::contains;
using generic::tree;
using mitogen::reason;

constexpr mitogen::restart_policy at_once{.first_delay = 0ms};

/// What the runs do; without a turn they are well.
struct turn_pipe : shared_pipe {
    explicit turn_pipe(const std::string& turns) {
        if (::write(write_end(), turns.data(), turns.size()) < 0) throw std::runtime_error("write");
        close_write_end();
    }
};

/// The dialog fails behind two items; each direction hears of it once, then goes on.
template <class Dialog>
void goes_through_a_restart(Dialog& d, const std::string& cause) {
    d.send(1);
    REQUIRE(d.receive() == 1);
    d.send(2);
    if (cause == "boom") REQUIRE(d.receive() == -2); // what has come before the end is there
    const mitogen::error told = d.try_receive().error();
    CHECK(told.reason() == reason::restarted);
    CHECK(told.kind() == mitogen::kind::disconnected);
    CHECK(contains(told.what(), "of 2 items that were sent"));
    CHECK(contains(told.what(), cause));
    REQUIRE(told.causes().size() == 1);
    CHECK(d.try_send(3).error().reason() == reason::restarted);
    d.send(4);
    REQUIRE(d.receive() == 4);
}

TEST_CASE("a dialog whose function fails is begun again in its context, and both directions are "
          "told once") {
    tree t;
    const turn_pipe turns("f");
    mitogen::nursery n{t.root};
    const mitogen::context child = n.local();
    auto d = n.restarting(at_once).open<&echoes>(child, turns.read_end());
    CHECK(d.runs_so_far() == 1);
    const int pid = d.started();
    goes_through_a_restart(d, "boom");
    CHECK(d.runs_so_far() == 2);
    CHECK(d.started() == pid);
    d.close();
    CHECK(d.try_receive().error().reason() == reason::end_of_stream);
    CHECK(d.try_receive().error().reason() == reason::end_of_stream);
    CHECK(d.result() == 1);
    CHECK(d.result() == 1);
    CHECK_NOTHROW(n.join());
}

TEST_CASE("with a method each run of a dialog has a context of its own; runs that do not begin are "
          "passed over") {
    tree t;
    const turn_pipe turns("ndn");
    mitogen::nursery n{t.root};
    auto d = n.restarting(at_once).open<&echoes>(mitogen::local{}, turns.read_end());
    CHECK(d.runs_so_far() == 2);
    const int pid = d.started();
    goes_through_a_restart(d, "signal 9");
    CHECK(d.runs_so_far() == 4);
    CHECK(d.started() != pid);
    d.close();
    CHECK(d.result() == 1);
    CHECK_NOTHROW(n.join());
}

TEST_CASE("when no further run is allowed the dialog and its nursery have the last error") {
    tree t;
    const turn_pipe turns("ff");
    mitogen::nursery n{t.root};
    auto d = n.restarting({.limit = 1, .first_delay = 0ms})
                 .open<&echoes>(n.local(), turns.read_end());
    goes_through_a_restart(d, "boom");
    d.send(5);
    REQUIRE(d.receive() == -5);
    for (int i = 0; i < 2; ++i) CHECK(d.try_receive().error().message() == "boom");
    for (int i = 0; i < 2; ++i) CHECK(d.try_send(6).error().message() == "boom");
    CHECK(d.try_result().error().message() == "boom");
    CHECK(n.try_join().error().message() == "boom");
}

TEST_CASE("a dialog that never begins fails open() with its last error") {
    tree t;
    const turn_pipe turns("nnn");
    mitogen::nursery n{t.root};
    const auto d = n.restarting({.limit = 2, .first_delay = 0ms})
                       .try_open<&echoes>(mitogen::local{}, turns.read_end());
    CHECK(d.error().message() == "not begun");
    CHECK(n.try_join().error().message() == "not begun");
}

TEST_CASE("between an end and the next beginning waits end in time, with their scope, or when the "
          "dialog is cancelled") {
    tree t;
    const turn_pipe turns("f");
    mitogen::nursery n{t.root};
    auto d = n.restarting({.first_delay = 1h}).open<&echoes>(n.local(), turns.read_end());
    for (const int v : {1, 2}) d.send(v);
    for (int i = 0; i < 2; ++i) (void)d.receive();
    CHECK(d.try_receive().error().reason() == reason::restarted);
    CHECK(d.try_receive_for(0s).error().reason() == reason::timeout);
    CHECK(d.try_result_for(1ms).error().reason() == reason::timeout);
    CHECK(d.try_send(1).error().reason() == reason::restarted);
    CHECK(d.try_send_for(1, 1ms).error().reason() == reason::timeout);
    {
        mitogen::scope ended;
        ended.cancel();
        CHECK(d.try_receive().error().reason() == reason::cancelled);
    }
    std::thread other([&] { d.cancel(); });
    CHECK(d.try_receive().error().reason() == reason::cancelled);
    other.join();
    CHECK(d.try_send(1).error().reason() == reason::cancelled);
    CHECK_NOTHROW(n.join());
}

TEST_CASE(
    "the result of a restarted dialog is that of its last run; close() holds for all of them") {
    tree t;
    const turn_pipe turns("ff");
    mitogen::nursery n{t.root};
    auto d = n.restarting(at_once).open<&floods>(n.local(), turns.read_end());
    d.close();
    CHECK(d.result() == 7);
    CHECK(d.runs_so_far() == 3);
    CHECK_NOTHROW(n.join());
}

TEST_CASE("a restarted dialog ends with its handle, and with its nursery; neither is a failure of "
          "the nursery") {
    tree t;
    shared_pipe ended;
    SECTION("its handle") {
        mitogen::nursery n{t.root};
        const mitogen::context child = n.local();
        { auto d = n.restarting(at_once).open<&waits>(child, ended.write_end()); }
        ended.wait();
        CHECK(child.call<&generic::add>(1, 2) == 3);
        CHECK_NOTHROW(n.join());
    }
    SECTION("its nursery") {
        mitogen::nursery n{t.root};
        auto d = n.restarting(at_once).open<&waits>(n.local(), ended.write_end());
        n.cancel();
        ended.wait();
        CHECK_NOTHROW(n.join());
        const auto late = n.restarting(at_once).try_open<&waits>(mitogen::local{},
                                                                 ended.write_end());
        CHECK_FALSE(late.has_value());
    }
}

} // namespace
