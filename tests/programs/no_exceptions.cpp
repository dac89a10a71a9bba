// SPDX-License-Identifier: BSL-1.0
// flags: -fno-exceptions -fno-rtti
// Without exceptions every failure is a value: nothing aborts, whatever fails. The verbs of
// everything that can be waited for: try_x waits as x does, and a span of 0 never waits.
#include <mitogen/mitogen.hpp>

#include <chrono>
#include <csignal>
#include <cstdio>
#include <stop_token>
#include <sys/resource.h>

using namespace std::chrono_literals;
using mitogen::reason;

static int add(int a, int b) { return a + b; }
static int die(int) {
    std::raise(SIGKILL);
    return 0;
}
// Held up until the caller sends the word: what it returns cannot come before.
static int held(mitogen::dialog<void(int, int)>& peer) {
    if (!peer.try_started()) return -1;
    const int word = peer.try_receive().value_or(-1);
    (void)peer.try_send(word + 1);
    return word + 2;
}
// Until it is cancelled.
static int waits(std::stop_token stop) {
    mitogen::latch<int> never_filled;
    const std::stop_callback end(stop, [&] { never_filled.close(); });
    return never_filled.try_get().value_or(5);
}
static void fill(mitogen::sender<int> out) {
    for (int i = 0; i < 3; ++i)
        if (!out.try_send(i)) return;
}
static mitogen::generator<int> items() {
    co_yield 6;
    co_yield 7;
}
static mitogen::result<int> even(int n) {
    if (n % 2 == 0) return n;
    return mitogen::error(reason::misuse, "odd");
}
static mitogen::result<void> allowed(bool yes) {
    if (yes) return {};
    return mitogen::error(reason::auth_required, "no");
}
static mitogen::task<mitogen::result<int>> even_later(int n) { co_return even(n); }

static int failures = 0;
static void check(bool good, const char* what) {
    if (good) return;
    std::printf("%s\n", what);
    ++failures;
}
template <class Result>
static bool timed_out(const Result& r) {
    return !r && r.error() == reason::timeout;
}

static void results(mitogen::context child) {
    check(child.try_call<&even>(4).value_or(0) == 4, "result<int> with a value");
    const auto odd = child.try_call<&even>(3);
    check(!odd && odd.error() == reason::misuse && odd.error().message() == "odd",
          "result<int> with an error");
    check(child.try_call<&allowed>(true).has_value(), "result<void> without an error");
    const auto no = child.try_call<&allowed>(false);
    check(!no && no.error() == reason::auth_required, "result<void> with an error");
    check(child.try_call<&even_later>(2).value_or(0) == 2, "task<result<int>> with a value");
    const auto later = child.try_call<&even_later>(1);
    check(!later && later.error() == reason::misuse, "task<result<int>> with an error");
    auto order = child.chain();
    check(!order.try_call<&even>(1), "an error in a chain");
    check(!order.try_call<&add>(1, 2), "what follows it in the chain");
    order.reset();
    check(order.try_call<&add>(1, 2).has_value(), "a chain that has been reset");
    check(child.try_call_no_reply<&even>(1).has_value(), "an error that nobody asked for");
    check(child.try_call<&add>(1, 1).value_or(0) == 2, "a call after it");
}

static void calls_and_tasks(mitogen::router& router, mitogen::context child) {
    auto f = child.call_async<&waits>();
    check(timed_out(f.try_get_for(0s)) && !f.wait_for(0s), "future: 0 does not wait");
    check(timed_out(f.try_get_for(1ms)) && !f.done(), "future: it goes on after a timeout");
    f.cancel();
    check(f.done() && !f.try_get(), "future: cancelled");
    mitogen::nursery crew{router};
    auto t = crew.start<&waits>(child);
    check(timed_out(t.try_get_for(0s)) && !t.wait_for(0s), "task: 0 does not wait");
    check(timed_out(crew.try_join_for(1ms)), "nursery: timeout");
    auto more = crew.start<&add>(mitogen::local_options{}, 1, 2); // that child is busy
    check(more.try_get().value_or(0) == 3, "nursery: it goes on after a timeout");
    t.cancel();
    check(crew.try_join().has_value(), "nursery: the end");
    mitogen::latch<int> slot;
    check(timed_out(slot.try_get_for(0s)) && timed_out(slot.try_get_for(1ms)), "latch: timeout");
    check(slot.put(3) && slot.try_get_for(0s).value_or(0) == 3, "latch: an item");
    slot.close();
    check(!slot.put(4) && !slot.try_get(), "latch: closed");
}

static void flows(mitogen::router& router, mitogen::context child) {
    mitogen::receiver<int> in{router};
    check(timed_out(in.try_receive_for(0s)) && timed_out(in.try_receive_for(1ms)),
          "receiver: timeout");
    check(child.try_call<&fill>(in.to_sender()).has_value(), "a sender as an argument");
    check(in.try_receive().value_or(-1) == 0 && in.next().value_or(-1) == 1, "receiver: items");
    const auto third = in.try_next();
    check(third && third->value_or(-1) == 2, "receiver: try_next");
    const auto end = in.try_next();
    check(end && !*end, "receiver: the end is no error of try_next");
    const auto after_end = in.try_receive_for(0s);
    check(!after_end && after_end.error() == reason::end_of_stream, "receiver: the end");
    auto stream = child.stream<&items>();
    check(stream.try_receive().value_or(0) == 6 && stream.try_get().value_or(0) == 7, "stream");
    auto d = child.try_open<&held>();
    check(d.has_value(), "open");
    if (!d) return;
    check(timed_out(d->try_receive_for(0s)) && timed_out(d->try_receive_for(1ms)),
          "dialog: timeout");
    check(timed_out(d->try_result_for(0s)), "dialog: its result has not come");
}

static void dialog(mitogen::context child) {
    auto d = child.try_open<&held>();
    check(d && d->try_send_for(9, 1s) && d->try_receive().value_or(0) == 10, "dialog: items");
    check(d && d->try_result().value_or(0) == 11 && d->try_result_for(0s), "dialog: result");
    mitogen::sender<int> nowhere;
    check(!nowhere.try_send(1) && !nowhere.try_send_for(1, 0s), "a sender to nowhere");
}

static void losses(mitogen::router& router) {
    auto dying = router.try_local();
    check(dying && !dying->try_call<&die>(1), "a child that dies");
    check(dying && !dying->try_call<&add>(1, 2), "a call to the dead");
    check(dying && !dying->try_call_no_reply<&add>(1, 2), "a call to the dead, without reply");
    const mitogen::context empty;
    check(!empty.try_send(mitogen::handle<int>{2001}, 1), "send to nobody");
    check(!empty.try_call<&add>(1, 2) && !empty.try_boot_info(), "a call to nobody");
    check(!router.try_connect(mitogen::command{.argv = {"/no/such/program"}}), "no such program");
    const auto number = mitogen::handle<int>{2002};
    const auto nothing = [](const mitogen::message&, int) {};
    check(router.try_add_handler(number, nothing).has_value(), "a handler");
    check(!router.try_add_handler(number, nothing), "the same handle twice");
    mitogen::receiver<int> in{router};
    mitogen::select one{in};
    check(timed_out(one.try_next_for(0s)), "select: timeout");
    in.close();
    check(one.try_next().has_value() && !one.try_next(), "select: the end, and nothing is left");
}

static void no_descriptors(mitogen::router& router) {
    rlimit before{};
    ::getrlimit(RLIMIT_NOFILE, &before);
    rlimit none = before;
    none.rlim_cur = 3;
    ::setrlimit(RLIMIT_NOFILE, &none);
    check(!mitogen::broker::make(), "a broker without descriptors");
    check(!router.try_local(), "a child without descriptors");
    ::setrlimit(RLIMIT_NOFILE, &before);
    const auto made = mitogen::broker::make();
    check(made && mitogen::router::make(**made), "a broker and a router with them");
    check(router.try_local().has_value(), "a child with them");
}

int main(int argc, char** argv) {
    return mitogen::run(argc, argv, [](mitogen::router& router) {
        auto child = router.try_local();
        if (!child) return 1;
        results(*child);
        calls_and_tasks(router, *child);
        flows(router, *child);
        dialog(*child);
        losses(router);
        no_descriptors(router);
        std::printf("failures: %d\n", failures);
        return failures;
    });
}
// expect: failures: 0
