// SPDX-License-Identifier: BSL-1.0
#include "../generic/context_functions.hpp"
#include "../generic/tree.hpp"
#include "../support/engine.hpp"

#include <catch2/catch.hpp>
#include <chrono>
#include <csignal>
#include <cstdint>
#include <memory>
#include <mitogen/mitogen.hpp>
#include <optional>
#include <stdexcept>
#include <string>
#include <string_view>
#include <thread>
#include <unistd.h>
#include <vector>

namespace dialog_test {

using generic::shared_pipe;
using namespace std::chrono_literals;

using ints = mitogen::dialog<std::string(int, int)>;
using texts = mitogen::dialog<void(std::string, std::string)>;

/// Sends back what it receives, and returns how many that were.
int echo(ints& peer, std::string greeting) {
    peer.started(greeting);
    int count = 0;
    for (const int v : peer) {
        peer.send(v);
        ++count;
    }
    return count;
}
std::string echo_text(texts& peer) {
    peer.started();
    std::string last;
    for (std::string& v : peer) {
        peer.send(v);
        last = std::move(v);
    }
    return last;
}
std::string reason_of(mitogen::result<void> r) {
    return r ? "none" : std::to_string(static_cast<int>(r.error().reason()));
}
/// What each misuse is answered with.
std::string misuse(ints& peer) {
    std::string all = reason_of(peer.try_send(1)) + " ";
    const auto got = peer.try_receive();
    all += reason_of(got ? mitogen::result<void>() : got.error()) + " ";
    all += reason_of(peer.try_started("x")) + " ";
    all += reason_of(peer.try_started("y"));
    return all;
}
int fails_first(ints&) { throw std::out_of_range("before it began"); }
int never_starts(ints&) { return 5; }
int fails_later(ints& peer) {
    peer.started("x");
    for (int i = 0; i < 3; ++i) peer.send(i);
    throw std::runtime_error("in the middle");
}
int fails_begun(ints& peer) {
    peer.started("x");
    throw std::runtime_error("in the middle");
}
/// Fails as a function further down does.
int passes_on_failure(ints& peer, mitogen::context below) {
    peer.started("x");
    return below.open<&fails_later>().result();
}
/// Closes its own direction, and goes on.
int closes(ints& peer) {
    peer.started("x");
    peer.send(1);
    peer.close();
    peer.close();
    int sum = 0;
    for (const int v : peer) sum += v;
    return sum;
}
/// Closes, and fails when it is told to.
int closes_and_fails(ints& peer) {
    peer.started("x");
    peer.close();
    for (const int v : peer) static_cast<void>(v);
    throw std::runtime_error("after closing");
}
int sends_many(texts& peer, int count, int bytes) {
    peer.started();
    const std::string item(static_cast<std::size_t>(bytes), 'x');
    for (int i = 0; i < count; ++i) peer.send(item);
    return count;
}
/// From threads of its own, which have ended when it returns.
int sends_from_threads(texts& peer, int threads, int count, int bytes) {
    peer.started();
    std::vector<std::thread> all;
    for (int t = 0; t < threads; ++t)
        all.emplace_back([&] {
            for (int i = 0; i < count; ++i)
                (void)peer.try_send(std::string(static_cast<std::size_t>(bytes), 'x'));
        });
    for (std::thread& t : all) t.join();
    return threads * count;
}
/// Waits until it is cancelled; says so, waits for leave to go, and says that it has gone.
struct says_when_gone {
    int gone;
    ~says_when_gone() { shared_pipe::post(gone); }
};
int waits(ints& peer, int gone) {
    peer.started("x");
    const says_when_gone last{gone};
    for (const int v : peer) static_cast<void>(v);
    return 1;
}
int waits_on_pool(ints& peer, int gone) { return waits(peer, gone); }
int cleans_up_slowly(ints& peer, int cleaning, int go_on) {
    peer.started("x");
    const auto end = peer.try_receive();
    shared_pipe::post(cleaning);
    shared_pipe::wait(go_on);
    end.value();
    return 1;
}
int echo_on_pool(ints& peer, std::string greeting) { return echo(peer, greeting); }
int swallows(ints& peer, int saw) {
    peer.started("x");
    const auto end = peer.try_receive();
    shared_pipe::post(saw);
    return end ? -1 : static_cast<int>(end.error().reason());
}
int fails_to_clean_up(ints& peer) {
    peer.started("x");
    (void)peer.try_receive();
    throw std::runtime_error("cannot clean up");
}
int starts_never(ints& peer, int running, int stopped, std::stop_token stop) {
    (void)peer;
    return generic::until_stopped(running, stopped, stop);
}
/// Blocks for credit.
int floods(texts& peer) {
    peer.started();
    for (;;) peer.send(std::string(100'000, 'x'));
}
int waits_for_pipe(ints& peer, int running, int go_on) {
    peer.started("x");
    peer.close();
    shared_pipe::post(running);
    shared_pipe::wait(go_on);
    return 1;
}
/// Runs in a middle context: opens a dialog further down and says how it ended there, then waits.
void opens_below(mitogen::router& here, int running, int ended) {
    mitogen::context below = here.local({.name = "below"});
    auto d = below.open<&waits>(ended);
    shared_pipe::post(running);
    (void)d.result();
}
mitogen::context child_of(mitogen::router& here, std::string name) {
    return here.local({.name = std::move(name)});
}
/// Somebody who did not open it tries to cancel a call there, whichever it is.
void cancels_for_others(mitogen::router& here, mitogen::context below) {
    for (std::uint64_t generation = 1; generation < 30; ++generation)
        for (std::uint64_t slot = 0; slot < 8; ++slot)
            here.node()
                .tell(below.id(), mitogen::handles::cancel_call,
                      mitogen::encode(generation << 32 | slot), false)
                .value();
    below.ping().get();
}
/// A view of the message would not outlive it: the callee holds a string.
std::size_t measures(mitogen::dialog<std::string_view(std::string_view, std::string_view)>& peer) {
    peer.started("started");
    static_assert(std::is_same_v<decltype(peer.receive()), std::string>);
    std::vector<std::string> kept;
    for (const std::string& v : peer) kept.push_back(v);
    std::size_t sum = 0;
    for (const std::string& v : kept) {
        sum += v.size();
        peer.send(std::string_view(v).substr(0, 1));
    }
    return sum;
}
std::unique_ptr<int>
owner(mitogen::dialog<void(std::unique_ptr<int>, std::unique_ptr<int>)>& peer) {
    peer.started();
    std::unique_ptr<int> last;
    for (std::unique_ptr<int>& v : peer) last = std::move(v);
    return last;
}
/// Sends what it gets through a sender that it is sent.
int uses_sender(mitogen::dialog<mitogen::context(mitogen::sender<int>, mitogen::context)>& peer,
                mitogen::router& here) {
    const mitogen::context me = here.context_by_id(here.id());
    peer.started(me);
    int count = 0;
    for (mitogen::sender<int>& out : peer) out.send(++count);
    peer.send(me);
    return count;
}
std::string waits_on_loop(mitogen::context other) {
    std::string all;
    const auto note = [&](const mitogen::error& e) {
        all += std::to_string(static_cast<int>(e.reason())) + " ";
    };
    note(other.try_open<&echo>("x").error());
    auto stream = other.stream<[](int n) -> mitogen::generator<int> { co_yield n; }>(1);
    note(stream.try_get().error());
    return all;
}
bool alive() { return true; }

} // namespace dialog_test

template <>
inline constexpr auto mitogen::run_on<&dialog_test::waits_on_pool> = mitogen::on::pool;
template <>
inline constexpr auto mitogen::run_on<&dialog_test::cleans_up_slowly> = mitogen::on::pool;
template <>
inline constexpr auto mitogen::run_on<&dialog_test::echo_on_pool> = mitogen::on::pool;
template <>
inline constexpr auto mitogen::run_on<&dialog_test::waits_on_loop> = mitogen::on::loop;

namespace {
using namespace dialog_test;
using generic::contains;
using generic::thrown_by;
using generic::tree;
using mitogen::reason;

std::string code(reason r) { return std::to_string(static_cast<int>(r)); }

TEST_CASE("open() returns when the function has called started(), with its typed value") {
    tree t;
    mitogen::context child = t.root.local();
    auto d = child.open<&echo>("hello");
    CHECK(d.started() == "hello");
    for (int i = 0; i < 100; ++i) {
        d.send(i);
        CHECK(d.receive() == i);
    }
    d.close();
    CHECK(d.result() == 100);
}

TEST_CASE("started() twice, and the use of a dialog before it, are logic errors") {
    tree t;
    mitogen::context child = t.root.local();
    const std::string misused = code(reason::misuse);
    auto d = child.open<&misuse>();
    CHECK(d.started() == "x");
    CHECK(d.result() == misused + " " + misused + " none " + misused);
}

TEST_CASE("a function that ends before started() fails open(): with its error, or with one that "
          "names it") {
    tree t;
    mitogen::context child = t.root.local();
    const mitogen::error thrown = thrown_by([&] { static_cast<void>(child.open<&fails_first>()); });
    CHECK(thrown.detail().type == "std::out_of_range");
    CHECK(thrown.message() == "before it began");
    const auto silent = child.try_open<&never_starts>();
    REQUIRE_FALSE(silent);
    CHECK(silent.error().reason() == reason::misuse);
    CHECK(contains(silent.error().what(), "never_starts"));
    CHECK(contains(silent.error().what(), "started()"));
    CHECK(support::open_answers(t.root) == 0);
}

TEST_CASE(
    "the end of a stream comes at once and every time; a remote error that is known wins over it") {
    tree t;
    mitogen::context child = t.root.local();
    {
        auto d = child.open<&closes>();
        CHECK(d.receive() == 1);
        for (int i = 0; i < 10; ++i)
            CHECK(d.try_receive().error().reason() == reason::end_of_stream);
        for (int i = 0; i < 10; ++i)
            CHECK(d.try_receive_for(0s).error().reason() == reason::end_of_stream);
        d.send(20); // the other direction goes on
        d.send(22);
        d.close();
        CHECK(d.result() == 42);
        CHECK(d.try_receive().error().reason() == reason::end_of_stream);
        CHECK(d.try_send(1).error().reason() == reason::sender_closed);
    }
    {
        auto d = child.open<&fails_later>();
        // what came before the error is not lost
        for (int i = 0; i < 3; ++i) CHECK(d.receive() == i);
        for (int i = 0; i < 3; ++i) CHECK(d.try_receive().error().message() == "in the middle");
        CHECK(d.outcome().error().message() == "in the middle");
    }
    auto d = child.open<&closes_and_fails>();
    CHECK(d.try_receive().error().reason() == reason::end_of_stream);
    d.close();
    CHECK(d.outcome().error().message() == "after closing");
    CHECK(d.try_receive().error().message() == "after closing");
}

TEST_CASE("giving up a pending receive neither closes the stream nor loses an item") {
    tree t;
    mitogen::context child = t.root.local();
    auto d = child.open<&echo>("");
    std::thread sender([&] {
        for (int i = 0; i < 100; ++i) (void)d.try_send(i);
    });
    int timeouts = 0;
    for (int next = 0; next < 100;) {
        const auto got = d.try_receive_for(std::chrono::microseconds(timeouts % 50));
        if (got) {
            REQUIRE(*got == next);
            ++next;
        } else {
            REQUIRE(got.error().reason() == reason::timeout);
            ++timeouts;
        }
    }
    sender.join();
    CHECK(d.try_receive_for(0s).error().reason() == reason::timeout);
    d.close();
    CHECK(d.result() == 100);
}

TEST_CASE("close() may be called again, and what the other end sends still comes") {
    tree t;
    mitogen::context child = t.root.local();
    auto d = child.open<&echo>("");
    for (int i = 0; i < 50; ++i) d.send(i);
    for (int i = 0; i < 3; ++i) d.close();
    CHECK(d.try_send(1).error().reason() == reason::sender_closed);
    for (int i = 0; i < 50; ++i) CHECK(d.receive() == i);
    CHECK(d.try_receive().error().reason() == reason::end_of_stream);
    CHECK(d.result() == 50);
}

TEST_CASE(
    "result() drops what was not received, however much it is, and is the same object every time") {
    tree t;
    mitogen::context child = t.root.local();
    auto d = child.open<&sends_many>(300, 50'000); // 15 MB, through a window of 256 KiB
    CHECK(d.receive().size() == 50'000);
    CHECK(d.result() == 300);
    CHECK(&d.result() == &d.result());
    CHECK(d.try_receive().error().reason() == reason::end_of_stream);
    auto failing = child.open<&fails_later>();
    CHECK(thrown_by([&] { failing.result(); }).message() == "in the middle");
    CHECK(&failing.outcome().error().detail() == &failing.outcome().error().detail());
    CHECK(&thrown_by([&] { failing.result(); }).detail() == &failing.outcome().error().detail());
    auto owning = child.open<&owner>();
    owning.send(std::make_unique<int>(7));
    owning.close();
    const std::unique_ptr<int>& same = owning.result(); // nothing has to be copied
    CHECK(*same == 7);
    CHECK(child.open<&sends_many>(1, 1).result() == 1);
}

TEST_CASE("the end of a scope closes and waits; one that an exception leaves cancels and waits") {
    shared_pipe gone, saw;
    tree t;
    mitogen::context child = t.root.local();
    {
        auto d = child.open<&waits>(gone.write_end());
        CHECK(gone.empty());
    }
    CHECK_FALSE(gone.empty());
    CHECK(gone.wait());
    const auto leave = [&] {
        auto d = child.open<&waits>(gone.write_end());
        throw std::runtime_error("the local one");
    };
    CHECK_THROWS_WITH(leave(), "the local one");
    CHECK_FALSE(gone.empty());
    CHECK(gone.wait());
    {
        auto d = child.open<&swallows>(saw.write_end());
        d.cancel_on_exit();
    }
    CHECK_FALSE(saw.empty());
    CHECK(child.call<&alive>());
}

TEST_CASE("an error that nobody looks at at the end of a scope is logged") {
    generic::log_capture log;
    tree t;
    mitogen::context child = t.root.local();
    { auto d = child.open<&fails_later>(); }
    CHECK(log.wait_for("in the middle"));
}

TEST_CASE("an error that the program has seen, or has brought about, is not logged") {
    generic::log_capture log;
    tree t;
    mitogen::context child = t.root.local();
    {
        auto received = child.open<&fails_begun>();
        CHECK(received.try_receive().error().message() == "in the middle");
        auto sent = child.open<&fails_begun>();
        while (sent.try_send(1)) {}
        auto iterated = child.open<&fails_begun>();
        CHECK_THROWS_AS(iterated.next(), mitogen::call_error);
        auto awaited = child.open<&fails_begun>();
        const auto wait = [](auto& d) -> mitogen::task<bool> {
            co_return bool(co_await d.async_try_receive());
        };
        CHECK_FALSE(mitogen::block_on(t.root, wait(awaited)));
    }
    {
        shared_pipe saw;
        auto cancelled = child.open<&swallows>(saw.write_end());
        cancelled.cancel();
    }
    CHECK(log.records().empty());
    { auto unseen = child.open<&fails_begun>(); }
    CHECK(log.wait_for("in the middle"));
}

TEST_CASE("cancel() is over when the function has left its scope; the context goes on, and the "
          "error says who cancelled") {
    shared_pipe gone;
    tree t;
    mitogen::context child = t.root.local();
    auto d = child.open<&waits>(gone.write_end());
    d.cancel();
    CHECK_FALSE(gone.empty());
    REQUIRE_FALSE(d.outcome());
    CHECK(d.outcome().error().reason() == reason::cancelled);
    const mitogen::cancelled_error why(d.outcome().error());
    CHECK(why.by() == t.root.id());
    CHECK(why.radius() == mitogen::cancel_radius::call);
    CHECK(contains(d.outcome().error().what(), "the call was cancelled by its caller"));
    d.cancel(); // nothing more happens
    CHECK(child.call<&alive>());
    auto failing = child.open<&fails_to_clean_up>();
    failing.cancel();
    CHECK(failing.outcome().error().message() == "cannot clean up"); // cancelling masks no error
}

TEST_CASE("a function that returns a value although it is cancelled has returned it, and its "
          "stream has ended") {
    shared_pipe saw;
    tree t;
    mitogen::context child = t.root.local();
    auto d = child.open<&swallows>(saw.write_end());
    d.cancel();
    CHECK(d.result() == static_cast<int>(reason::cancelled));
    CHECK(d.try_receive().error().reason() == reason::end_of_stream);
    auto ended = child.open<&echo>("");
    ended.close();
    CHECK(ended.result() == 0);
    ended.cancel(); // too late: the value stands
    CHECK(ended.result() == 0);
}

TEST_CASE("only whoever opened a dialog can cancel it") {
    tree t;
    mitogen::context middle = t.root.local();
    mitogen::context below = middle.call<&child_of>("below");
    auto d = below.open<&echo>("");
    middle.call<&cancels_for_others>(below);
    d.send(1);
    CHECK(d.receive() == 1);
    d.close();
    CHECK(d.result() == 1);
}

TEST_CASE("a clean-up that takes its time delays no other dialog on the same link") {
    shared_pipe cleaning, go_on;
    tree t;
    mitogen::context child = t.root.local();
    auto slow = child.open<&cleans_up_slowly>(cleaning.write_end(), go_on.read_end());
    auto quick = child.open<&echo_on_pool>("");
    std::thread canceller([&] { slow.cancel(); });
    CHECK(cleaning.wait());
    for (int i = 0; i < 100; ++i) {
        quick.send(i);
        CHECK(quick.receive() == i);
    }
    CHECK_NOTHROW(child.ping().get());
    go_on.post();
    canceller.join();
    CHECK(slow.outcome().error().reason() == reason::cancelled);
    quick.close();
    CHECK(quick.result() == 100);
}

/// Kills the child once `work` waits in it, and returns what `work` has come to.
template <class Work>
mitogen::error lost_during(mitogen::context child, tree& t, shared_pipe* running, Work work) {
    std::optional<mitogen::error> why;
    std::thread waiter([&] { why = work(); });
    if (running) running->wait();
    ::kill(t.root.child_pid(child.id()), SIGKILL);
    waiter.join();
    return *why;
}

TEST_CASE("whoever waits for a peer that is killed is told why, in each state of a dialog") {
    shared_pipe running, never;
    tree t;
    mitogen::context child = t.root.local();
    const auto expect_lost = [&](const mitogen::error& e) {
        CHECK(e.reason() == reason::respondent_lost);
        CHECK(e.detail().status.signal == SIGKILL);
    };
    SECTION("opening") {
        expect_lost(lost_during(child, t, &running, [&] {
            return child.try_open<&starts_never>(running.write_end(), never.write_end()).error();
        }));
    }
    SECTION("receiving") {
        auto d = child.open<&echo>("");
        expect_lost(lost_during(child, t, nullptr, [&] { return d.try_receive().error(); }));
        expect_lost(d.try_receive().error()); // every time
        expect_lost(d.try_send(1).error());
        expect_lost(d.outcome().error());
    }
    SECTION("sending, without credit") {
        auto d = child.open<&swallows>(never.write_end());
        auto big = child.try_open<&echo_on_pool>(std::string(10, 'x'));
        expect_lost(lost_during(child, t, nullptr, [&]() -> mitogen::error {
            for (;;)
                if (const auto sent = big->try_send(1); !sent) return sent.error();
        }));
        expect_lost(d.outcome().error());
        expect_lost(big->outcome().error());
    }
    SECTION("closed, waiting for what is still to come and for the result") {
        auto d = child.open<&waits_for_pipe>(running.write_end(), never.read_end());
        d.close();
        expect_lost(lost_during(child, t, &running, [&] { return d.outcome().error(); }));
        expect_lost(d.try_receive().error()); // a known error wins over the end
    }
    SECTION("cancelling") {
        auto d = child.open<&cleans_up_slowly>(running.write_end(), never.read_end());
        expect_lost(lost_during(child, t, &running, [&] {
            d.cancel();
            return d.outcome().error();
        }));
    }
    CHECK(support::open_answers(t.root) == 0);
}

TEST_CASE("the loss of whoever opened a dialog ends its function") {
    shared_pipe running, ended;
    tree t;
    mitogen::context middle = t.root.local();
    auto busy = middle.call_async<&opens_below>(running.write_end(), ended.write_end());
    CHECK(running.wait());
    CHECK(ended.empty());
    ::kill(t.root.child_pid(middle.id()), SIGKILL);
    CHECK(ended.wait()); // the function has left its scope
    CHECK(busy.try_get().error().reason() == reason::respondent_lost);
}

TEST_CASE(
    "a deadline ends the opening of a dialog, and a dialog that has begun; the function is told") {
    shared_pipe running, stopped;
    tree t;
    mitogen::context child = t.root.local();
    const auto late =
        child.within(1s).try_open<&starts_never>(running.write_end(), stopped.write_end());
    REQUIRE_FALSE(late);
    CHECK(late.error().reason() == reason::deadline);
    CHECK(stopped.wait());
    auto d = child.within(1s).open<&waits>(stopped.write_end());
    CHECK(d.try_receive().error().reason() == reason::deadline);
    CHECK(d.outcome().error().reason() == reason::deadline);
    CHECK(stopped.wait());
    CHECK(child.call<&alive>());
}

TEST_CASE("a dialog with a context further away is like any other; errors come through the hops, "
          "and the loss of one on the way") {
    tree t;
    mitogen::context middle = t.root.local({.name = "middle"});
    mitogen::context below = middle.call<&child_of>("below");
    auto d = below.open<&echo_text>();
    for (const int size : {0, 1, 1000, 300'000, 3'000'000}) {
        const std::string item(static_cast<std::size_t>(size), 'x');
        d.send(item);
        CHECK(d.receive() == item);
    }
    d.close();
    CHECK(d.result().size() == 3'000'000);
    auto failing = below.open<&fails_later>();
    CHECK(failing.outcome().error().message() == "in the middle");
    CHECK(failing.outcome().error().detail().context == below.id());
    CHECK(contains(failing.outcome().error().what(), "below"));
    auto lost = below.open<&echo>("");
    std::thread killer([&, pid = t.root.child_pid(middle.id())] { ::kill(pid, SIGKILL); });
    CHECK(lost.try_receive().error().reason() == reason::respondent_lost);
    CHECK(lost.outcome().error().reason() == reason::respondent_lost);
    killer.join();
}

TEST_CASE("items are larger than any window, in both directions at once") {
    tree t;
    mitogen::context child = t.root.local();
    auto d = child.open<&echo_text>();
    const std::string item(8u << 20, 'y');
    std::thread sender([&] {
        for (int i = 0; i < 5; ++i) (void)d.try_send(item);
        d.close();
    });
    int count = 0;
    bool good = true;
    for (const std::string& back : d) {
        good = good && back == item;
        ++count;
    }
    sender.join();
    CHECK(good);
    CHECK(count == 5);
    CHECK(d.result() == item);
}

TEST_CASE("an item that is larger than a message may be is refused, and the dialog goes on") {
    mitogen::router_options options;
    options.limits.message_bytes = 100'000;
    tree t(options);
    mitogen::context child = t.root.local();
    auto d = child.open<&echo_text>();
    CHECK(d.try_send(std::string(100'000, 'x')).error().reason() == reason::message_too_large);
    d.send("small");
    CHECK(d.receive() == "small");
    d.close();
    CHECK(d.result() == "small");
}

TEST_CASE("what threads of the function have sent before it returned arrives, although a large "
          "item is overtaken by the answer") {
    tree t;
    mitogen::context child = t.root.local();
    for (int round = 0; round < 10; ++round) {
        auto d = child.open<&sends_from_threads>(3, 2, 1 << 20);
        int count = 0;
        for (const std::string& item : d) count += item.size() == 1u << 20;
        CHECK(count == 6);
        CHECK(d.result() == 6);
    }
}

TEST_CASE("a function that is cancelled in the middle of a large item leaves its link in order") {
    const char* const many = std::getenv("MITOGEN_TEST_MANY"); // the target `cancel_long`
    const int times = many ? std::atoi(many) : 50;
    tree t;
    mitogen::context child = t.root.local();
    for (int i = 0; i < times; ++i) {
        auto d = child.open<&sends_many>(1'000'000, 8 << 20);
        if (i % 2) CHECK(d.receive().size() == 8u << 20);
        d.cancel();
        REQUIRE_FALSE(d.outcome());
        CHECK(d.outcome().error().reason() == reason::cancelled);
        CHECK(child.call<&generic::add>(i, 1) == i + 1);
    }
}

TEST_CASE(
    "whoever opened a dialog cancels it while it sends a large item, and its link stays in order") {
    tree t;
    mitogen::context child = t.root.local();
    const std::string item(8 << 20, 'x');
    for (int i = 0; i < 20; ++i) {
        auto d = child.open<&echo_text>();
        std::thread sender([&] {
            while (d.try_send(item)) {} // until it is told that nobody receives any more
        });
        if (i % 2) CHECK(d.receive().size() == item.size());
        d.cancel();
        sender.join();
        CHECK(d.outcome().error().reason() == reason::cancelled);
        CHECK(child.call<&generic::add>(i, 1) == i + 1);
    }
}

TEST_CASE("an error that passes through several contexts keeps the text and the place of each") {
    tree t;
    mitogen::context middle = t.root.local({.name = "middle"});
    mitogen::context below = middle.call<&child_of>("below");
    auto d = middle.open<&passes_on_failure>(below);
    const mitogen::error& why = d.outcome().error();
    CHECK(why.detail().context == below.id()); // where it was thrown
    CHECK(why.detail().place == "middle.below");
    CHECK(why.detail().type == "std::runtime_error");
    REQUIRE(why.hops().size() == 2);
    CHECK(why.hops()[1].context == middle.id());
    CHECK(why.hops()[1].path == "middle");
    const std::string text = why.what();
    INFO(text);
    CHECK(contains(text, "in the middle"));
    CHECK(contains(text, " in middle.below, passed on by "));
    CHECK(&thrown_by([&] { d.result(); }).detail() == &why.detail());
}

TEST_CASE("views become what owns its memory, and values that move only stay so") {
    tree t;
    mitogen::context child = t.root.local();
    auto d = child.open<&measures>();
    static_assert(std::is_same_v<std::remove_cvref_t<decltype(d.started())>, std::string>);
    CHECK(d.started() == "started");
    for (const char* text : {"one", "two", "three"}) d.send(std::string_view(text));
    d.close();
    std::string initials;
    for (const std::string& v : d) initials += v;
    CHECK(initials == "ott");
    CHECK(d.result() == 11);
}

TEST_CASE("senders and contexts travel in items and in started()") {
    tree t;
    mitogen::context child = t.root.local();
    mitogen::receiver<int> numbers{t.root};
    auto d = child.open<&uses_sender>();
    CHECK(d.started().id() == child.id());
    for (int i = 0; i < 3; ++i) d.send(numbers.to_sender());
    tree elsewhere;
    const mitogen::receiver<int> theirs(elsewhere.root);
    CHECK(d.try_send(theirs.to_sender()).error() == reason::misuse); // of another router
    CHECK_THROWS_AS(d.async_send(theirs.to_sender()), mitogen::logic_error);
    d.close();
    std::vector<int> got;
    for (const int v : numbers) got.push_back(v);
    CHECK(got == std::vector<int>{1, 2, 3});
    CHECK(d.receive() == child);
    CHECK(d.result() == 3);
}

TEST_CASE("a function on the loop that would wait gets an error that says so") {
    tree t;
    mitogen::context middle = t.root.local();
    mitogen::context below = middle.call<&child_of>("below");
    const std::string misused = code(reason::misuse);
    CHECK(middle.call<&waits_on_loop>(below) == misused + " " + misused + " ");
}

TEST_CASE("many dialogs at once leave nothing behind") {
    tree t;
    mitogen::context child = t.root.local();
    shared_pipe gone;
    std::atomic<int> wrong{0};
    std::vector<std::thread> threads;
    for (int n = 0; n < 3; ++n)
        threads.emplace_back([&, n] {
            for (int i = 0; i < 30; ++i) {
                auto d = child.open<&echo_on_pool>(std::to_string(n));
                if (d.started() != std::to_string(n)) ++wrong;
                d.send(i);
                if (i % 3 == 0) {
                    d.cancel();
                    continue;
                }
                if (d.receive() != i) ++wrong;
                d.close();
                if (d.result() != 1) ++wrong;
            }
        });
    for (std::thread& thread : threads) thread.join();
    CHECK(wrong == 0);
    CHECK(support::open_answers(t.root) == 0);
}

} // namespace
