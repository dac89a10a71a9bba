// SPDX-License-Identifier: BSL-1.0
// Uses a bit of everything that passes between a user's file and the core: calls, errors, flows,
// dialogs, tasks, nurseries. Throws nothing itself, so that it compiles without exceptions.
#if defined(MITOGEN_ONE_HEADER)
#include <mitogen/mitogen.hpp>
#else
#include <mitogen/call.hpp>
#include <mitogen/channel.hpp>
#include <mitogen/dialog.hpp>
#include <mitogen/nursery.hpp>
#include <mitogen/run.hpp>
#include <mitogen/stream.hpp>
#include <mitogen/task.hpp>
#endif

#include <atomic>
#include <chrono>
#include <cstdio>
#include <string>
#include <utility>

using namespace std::chrono_literals;

int twice(int n);

static int failures = 0;
static void check(bool good, const char* what) {
    if (good) return;
    std::printf("%s: wrong\n", what);
    ++failures;
}

static void three(mitogen::sender<int> out) {
    for (int i = 1; i < 4; ++i)
        if (!out.try_send(i)) return;
}
static int talk(mitogen::dialog<int(int, std::string)>& peer) {
    if (!peer.try_started(5)) return -1;
    int sum = 0;
    for (;;) {
        const auto n = peer.try_next();
        if (!n || !*n) return sum;
        sum += **n;
        if (!peer.try_send("x")) return -1;
    }
}
static mitogen::generator<int> items() {
    co_yield 1;
    co_yield 2;
}
static mitogen::task<int> later(int n) { co_return n + 1; }
static mitogen::result<int> refuses(int) {
    return mitogen::error(mitogen::reason::misuse, "not today");
}

static void calls(mitogen::context child) {
    check(child.try_call<&twice>(21).value_or(0) == 42, "call");
    check(child.try_call<&later>(7).value_or(0) == 8, "task");
    const auto refused = child.try_call<&refuses>(1);
    check(!refused && refused.error().message() == "not today", "error");
    check(child.within(60s).try_call<&twice>(2).value_or(0) == 4, "deadline");
    check(child.chain().try_call<&twice>(1).value_or(0) == 2, "chain");
    auto f = child.call_async<&twice>(4);
    auto g = child.call_async<&twice>(5);
    mitogen::select either(f, g);
    int sum = 0;
    while (const auto next = either.try_next())
        sum += ((*next)->is(f) ? f.try_get() : g.try_get()).value_or(0);
    check(sum == 18, "select");
    std::atomic<int> seen{0};
    auto h = child.call_async<&twice>(6);
    h.then([&seen] { seen = 1; });
    check(h.try_get().value_or(0) == 12, "future");
}

static void flows(mitogen::router& router, mitogen::context child) {
    mitogen::receiver<int> in{router};
    check(child.try_call<&three>(in.to_sender()).has_value(), "sender as an argument");
    int sum = 0;
    for (;;) {
        const auto n = in.try_next();
        if (!n || !*n) break;
        sum += **n;
    }
    check(sum == 6, "receiver");
    if (auto d = child.try_open<&talk>()) {
        check(d->started() == 5 && d->try_send(4), "dialog");
        check(d->try_receive().value_or("") == "x", "dialog's item");
        d->close();
        check(d->try_result().value_or(0) == 4, "dialog's result");
    } else {
        check(false, "open");
    }
    auto stream = child.stream<&items>();
    check(stream.try_receive().value_or(0) + stream.try_receive().value_or(0) == 3, "stream");
}

int main(int argc, char** argv) {
    return mitogen::run(argc, argv, [](mitogen::router& router) {
        auto child = router.try_local();
        if (!child) return 1;
        calls(*child);
        flows(router, *child);
        mitogen::nursery crew{router};
        const auto t = crew.start<&twice>(*child, 8);
        check(crew.try_join().has_value() && t.try_get().value_or(0) == 16, "nursery");
        check(child->shutdown().try_get().has_value(), "shutdown");
        check(!child->try_call<&twice>(1), "a call to what is gone");
        return failures;
    });
}
