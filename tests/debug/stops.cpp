// SPDX-License-Identifier: BSL-1.0
// A program whose contexts stop at the debugger's prompt in one of several ways, for
// terminal_test.py, which types there.
//
//   stops WHERE WHAT      WHERE: root, or the methods one after the other: local.ssh.sudo
#include <algorithm>
#include <chrono>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <mitogen/mitogen.hpp>
#include <stdexcept>
#include <stop_token>
#include <string>
#include <string_view>
#include <thread>
#include <unistd.h>
#include <vector>

namespace stops {

using namespace std::chrono_literals;

struct box {
    int left;
    std::string name;
};

int once(int n) {
    int doubled = 2 * n;
    box b{n, "first\n"};
    mitogen::watch("doubled", doubled);
    mitogen::watch("b", b);
    mitogen::breakpoint();
    return doubled;
}

int again(int times) {
    for (int i = 0; i < times; ++i) mitogen::breakpoint();
    return times;
}

/// Says so behind it, so that whoever looks sees in which order they went on.
int twice(int number) {
    for (int i = 0; i < 2; ++i) {
        mitogen::breakpoint();
        std::printf("went on: %d\n", number);
        std::fflush(stdout);
        std::this_thread::sleep_for(150ms); // the others have their turn: what is looked at
    }
    return number;
}

int throws(int n) {
    if (n > 0) throw std::runtime_error("thrown at " + std::to_string(n));
    return n;
}

int pid() { return ::getpid(); }
int add(int a, int b) { return a + b; }

/// Waits until it is cancelled, and says so.
void idles() {
    try {
        mitogen::sleep_for(1h);
    } catch (const mitogen::error&) {
        std::puts("idle one: cleaned up");
        std::fflush(stdout);
        throw;
    }
}

/// Does not end by itself any more, once it goes on.
void hangs() {
    std::signal(SIGTERM, SIG_IGN);
    mitogen::breakpoint();
    for (;;) ::pause();
}

void fails_soon() {
    mitogen::sleep_for(800ms);
    throw std::runtime_error("the failure");
}

int two_threads() {
    std::thread other([] { mitogen::breakpoint(); });
    mitogen::breakpoint();
    other.join();
    return 2;
}

mitogen::task<int> task_stops(int n) {
    co_await mitogen::async_breakpoint();
    co_return n;
}

int on_the_loop() {
    mitogen::breakpoint();
    return 1;
}

/// The context at the end of that way.
mitogen::context at(mitogen::router& r, std::string_view way) {
    if (way == "root") return r.myself();
    mitogen::context last = r.myself();
    while (!way.empty()) {
        const std::string method(way.substr(0, way.find('.')));
        way.remove_prefix(std::min(way.size(), method.size() + 1));
        if (method == "ssh")
            last = last.ssh({.hostname = "127.0.0.1"});
        else if (method == "sudo")
            last = last.sudo({.username = "nobody"});
        else
            last = last.local();
    }
    return last;
}

/// In this program itself there is no call: its main thread stops.
template <auto F, class... Args>
auto run(const mitogen::context& c, mitogen::router& r, Args... args) {
    if (c.id() == r.id()) return F(args...);
    return c.call<F>(args...);
}

} // namespace stops

template <>
inline constexpr auto mitogen::run_on<&stops::on_the_loop> = mitogen::on::loop;

namespace {

using namespace stops;

void result(int n) { std::printf("result %d\n", n); }

int body(mitogen::router& r, std::string_view way, std::string_view what) {
    const mitogen::context c = at(r, way);
    if (what == "once") {
        result(run<&once>(c, r, 21));
    } else if (what == "again") {
        result(run<&again>(c, r, 10));
    } else if (what == "calls") {
        result(c.call<&once>(1));
        for (int i = 0; i < 3; ++i) {
            const auto sum = c.try_call<&add>(i, 1);
            std::printf("add: %s\n", sum ? std::to_string(*sum).c_str() : sum.error().what());
        }
        result(c.call<&once>(2));
    } else if (what == "throws") {
        result(run<&throws>(c, r, 3));
    } else if (what == "twice") {
        std::vector<mitogen::future<int>> all;
        std::vector<mitogen::context> more{c, at(r, way == "root" ? "local" : way), r.local()};
        for (int i = 0; i < 3; ++i) {
            if (more[static_cast<std::size_t>(i)].id() == r.id()) more[0] = r.local();
            all.push_back(more[static_cast<std::size_t>(i)].call_async<&twice>(i));
        }
        int sum = 0;
        for (auto& f : all) sum += f.get();
        result(sum);
    } else if (what == "nursery") { // the holder stands while the nursery fails
        mitogen::nursery n{r};
        const mitogen::context idle = n.local();
        n.start<&idles>(idle);
        n.start<&once>(c, 21);
        n.start<&fails_soon>(n.local());
        n.join();
    } else if (what == "hangs") {
        mitogen::nursery n{r, {.grace = 500ms}};
        const mitogen::context own = n.local();
        n.start<&hangs>(own);
        n.start<&fails_soon>(n.local());
        n.join();
    } else if (what == "cancel_queued") {
        auto first = c.call_async<&once>(1);
        const mitogen::context second = r.local();
        mitogen::sleep_for(1s); // for the prompt to be the first one's
        const auto e = second.within(1s).try_call<&once>(2);
        (void)second.call<&add>(1, 2); // its thread has left the function, and its place
        std::printf("queued: %s\n", e ? "no error" : "ended");
        std::fflush(stdout);
        result(first.get());
    } else if (what == "killed") {
        const int victim = c.call<&pid>();
        auto first = c.call_async<&once>(1);
        mitogen::sleep_for(1s); // for the prompt to be the first one's
        auto second = r.local().call_async<&once>(4);
        mitogen::sleep_for(1s);
        std::printf("kills\n");
        std::fflush(stdout);
        ::kill(victim, SIGKILL);
        const auto lost = first.try_get();
        std::printf("lost: %s\n", lost ? "no" : lost.error().what());
        result(second.get());
    } else if (what == "silent") { // nobody is lost while one stands there
        auto first = c.call_async<&once>(1);
        const mitogen::context other = r.local();
        int slow = 0;
        for (int i = 0; i < 40; ++i) {
            const auto begin = std::chrono::steady_clock::now();
            (void)other.call<&add>(1, 2);
            if (std::chrono::steady_clock::now() - begin > 100ms) ++slow;
            mitogen::sleep_for(100ms);
        }
        std::printf("slow: %d\n", slow);
        std::fflush(stdout);
        result(first.get());
    } else if (what == "body_throws") {
        auto first = c.call_async<&once>(1);
        mitogen::sleep_for(1s);
        throw mitogen::error(mitogen::reason::cancelled, "the body's own"); // no prompt of its own
    } else if (what == "returns") { // without waiting for it
        c.call_no_reply<&once>(1);
        mitogen::sleep_for(1s);
    } else if (what == "threads") {
        result(run<&two_threads>(c, r));
    } else if (what == "task") {
        auto f = c.call_async<&task_stops>(5);
        mitogen::sleep_for(500ms);
        std::printf("others: %d\n", c.call<&add>(1, 2));
        std::fflush(stdout);
        result(f.get());
    } else if (what == "loop") {
        result(c.call<&on_the_loop>());
    } else if (what == "two") {
        auto first = c.call_async<&once>(1);
        auto second = r.local().call_async<&twice>(2);
        result(first.get() + second.get());
    } else if (what == "many") {
        std::vector<mitogen::future<int>> all;
        for (int i = 0; i < 50; ++i) all.push_back(r.local().call_async<&once>(1));
        int sum = 0;
        for (auto& f : all) sum += f.get();
        result(sum);
    }
    return 0;
}

} // namespace

int main(int argc, char** argv) {
    mitogen::init(argc, argv);
    if (argc != 3) {
        std::fputs("usage: stops WHERE WHAT\n", stderr);
        return 2;
    }
    if (std::string_view(argv[1]) == "client") { // of the tree that listens there
        mitogen::debug_client(argv[2]);
        return 0;
    }
    if (std::string_view(argv[2]) == "silent") { // what says nothing for half a second is lost
        mitogen::broker loop;
        mitogen::router_options options;
        options.rules.heartbeat = {.interval = 100'000'000, .limit = 500'000'000};
        mitogen::router root(loop, options);
        return body(root, argv[1], argv[2]);
    }
    try {
        return mitogen::run(argc, argv,
                            [&](mitogen::router& r) { return body(r, argv[1], argv[2]); });
    } catch (const std::exception& e) {
        std::printf("body: %s\n", e.what());
        return 1;
    }
}
