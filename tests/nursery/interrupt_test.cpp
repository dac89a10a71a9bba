// SPDX-License-Identifier: BSL-1.0
// Signals: a whole tree in a process of its own gets them, SIGINT from its terminal if it has one.
#include "../generic/forked.hpp"
#include "../generic/tree.hpp"

#include <atomic>
#include <catch2/catch.hpp>
#include <chrono>
#include <csignal>
#include <cstdlib>
#include <fcntl.h>
#include <mitogen/mitogen.hpp>
#include <stop_token>
#include <string>
#include <sys/ioctl.h>
#include <sys/wait.h>
#include <termios.h>
#include <unistd.h>
#include <utility>

namespace interrupt_test {

using generic::shared_pipe;

int told_by_signal = -1;

/// Works until it is told to stop, then cleans up. Says so, and would say so if a signal came to
/// this process.
int cleans_up(int started, int cleaned, int signalled, std::stop_token stop) {
    told_by_signal = signalled;
    ::signal(SIGINT, [](int) { shared_pipe::post(told_by_signal); });
    shared_pipe woken;
    const std::stop_callback wake(stop, [&] { woken.post(); });
    shared_pipe::post(started);
    woken.wait();
    shared_pipe::post(cleaned);
    return 1;
}
/// Hears that it is to stop, and does not.
void stays(int started, int asked, std::stop_token stop) {
    ::signal(SIGTERM, SIG_IGN);
    const std::stop_callback heard(stop, [&] { shared_pipe::post(asked); });
    shared_pipe::post(started);
    for (;;) ::pause();
}
int copy(int started, int stopped, std::stop_token stop) {
    shared_pipe woken;
    const std::stop_callback wake(stop, [&] { woken.post(); });
    shared_pipe::post(started);
    woken.wait();
    shared_pipe::post(stopped);
    return 1;
}

} // namespace interrupt_test

namespace {
using namespace interrupt_test;
using namespace std::chrono_literals;
using generic::tree;
using mitogen::reason;

/// A pseudo-terminal.
class terminal {
    int master_ = ::posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC);

public:
    terminal() {
        if (master_ < 0 || ::grantpt(master_) != 0 || ::unlockpt(master_) != 0)
            throw std::runtime_error("no terminal");
    }
    terminal(const terminal&) = delete;
    ~terminal() { ::close(master_); }

    /// Makes it the terminal of this process, which leads a session of its own from now on.
    void take() const {
        ::setsid();
        // of a session's leader: becomes its terminal
        const int mine = ::open(::ptsname(master_), O_RDWR | O_CLOEXEC);
        if (mine < 0 || ::ioctl(mine, TIOCSCTTY, 0) != 0)
            throw std::runtime_error("cannot take the terminal");
    }
    /// What Ctrl-C sends.
    void press_interrupt() const {
        if (::write(master_, "\x03", 1) != 1) throw std::runtime_error("cannot type");
    }
};

/// Runs `root` in a process of its own, and `meanwhile` here, with its number. What the first
/// returned.
template <class Root, class Meanwhile>
int root_process(Root root, Meanwhile meanwhile) {
    const ::pid_t pid = ::fork();
    if (pid == 0) {
        int code = 100;
        try {
            for (const int n : {SIGINT, SIGTERM, SIGHUP}) ::signal(n, SIG_DFL);
            code = root();
        } catch (const std::exception&) {}
        ::_exit(code);
    }
    meanwhile(pid);
    int status = 0;
    while (::waitpid(pid, &status, 0) < 0) {}
    return WIFEXITED(status) ? WEXITSTATUS(status) : 200 + WTERMSIG(status);
}

/// 0 if join() says that the signal has cancelled the nursery.
int joined(mitogen::nursery& n, const char* signal = "SIGINT") {
    const mitogen::result<void> ended = n.try_join();
    if (ended) return 1;
    if (ended.error().reason() != reason::cancelled) return 2;
    return generic::contains(ended.error().what(), signal) ? 0 : 3;
}

} // namespace

TEST_CASE(
    "Ctrl-C at the terminal reaches the root only, which cancels its nursery; clean-ups run") {
    shared_pipe started, cleaned, signalled;
    const terminal console;
    const int code = root_process(
        [&] {
            console.take();
            tree t;
            mitogen::nursery n{t.root, {.grace = 1h, .interrupt = true}};
            for (int i = 0; i < 2; ++i)
                n.start<&cleans_up>(n.local(), started.write_end(), cleaned.write_end(),
                                    signalled.write_end());
            return joined(n);
        },
        [&](int) {
            for (int i = 0; i < 2; ++i) started.wait();
            console.press_interrupt();
        });
    CHECK(code == 0);
    cleaned.wait();
    cleaned.wait();
    CHECK(signalled.empty());
}

TEST_CASE("a second SIGINT skips the grace") {
    mitogen::router_options quick_end;
    quick_end.timeouts = {.grace = 3'600'000'000'000,
                          .after_term = 100'000'000,
                          .for_status = 100'000'000,
                          .for_link = 100'000'000};
    SECTION("while tasks are asked to stop") {
        shared_pipe started, asked;
        const int code = root_process(
            [&] {
                tree t(quick_end);
                mitogen::nursery n{t.root, {.grace = 1h, .interrupt = true}};
                n.start<&stays>(n.local(), started.write_end(), asked.write_end());
                return joined(n);
            },
            [&](int root) {
                started.wait();
                ::kill(root, SIGINT);
                asked.wait();
                ::kill(root, SIGINT);
            });
        CHECK(code == 0);
    }
    SECTION("while contexts are asked to end") {
        shared_pipe started, asked, heard;
        const int code = root_process(
            [&] {
                told_by_signal = heard.write_end();
                ::signal(SIGINT, [](int) { shared_pipe::post(told_by_signal); });
                tree t(quick_end);
                mitogen::nursery n{t.root, {.grace = 0ms, .interrupt = true}};
                const mitogen::context child = n.local();
                // no task: nothing is known of it
                child.call_no_reply<&stays>(started.write_end(), asked.write_end());
                started.wait();
                return joined(n) == 1 ? 0 : 1; // it was over before: nothing was cancelled
            },
            [&](int root) {
                asked.wait(); // join() ends the context
                for (int i = 0; i < 2; ++i) {
                    ::kill(root, SIGINT);
                    heard.wait();
                }
            });
        CHECK(code == 0);
    }
}

TEST_CASE(
    "a handler of the program's own is called as well, and is back when the nursery has ended") {
    static std::atomic<int> own_calls{0};
    static const auto own = [](int) { ++own_calls; };
    shared_pipe started, stopped;
    const int code = root_process(
        [&] {
            void (*const handler)(int) = own;
            ::signal(SIGINT, handler);
            {
                tree t;
                mitogen::nursery n{t.root, {.interrupt = true}};
                n.start<&copy>(n.local(), started.write_end(), stopped.write_end());
                if (const int wrong = joined(n)) return wrong;
            }
            if (own_calls != 1) return 10;
            return ::signal(SIGINT, SIG_DFL) == handler ? 0 : 11;
        },
        [&](int root) {
            started.wait();
            ::kill(root, SIGINT);
        });
    CHECK(code == 0);
}

TEST_CASE(
    "nurseries inside each other end together, and one that does not ask for it is left alone") {
    shared_pipe started, stopped;
    const int code = root_process(
        [&] {
            tree t;
            mitogen::nursery outer{t.root, {.interrupt = true}};
            mitogen::nursery other{t.root};
            {
                mitogen::nursery inner{t.root, {.interrupt = true}};
                inner.start<&copy>(inner.local(), started.write_end(), stopped.write_end());
                outer.start<&copy>(outer.local(), started.write_end(), stopped.write_end());
                if (const int wrong = joined(inner)) return wrong;
            }
            if (const int wrong = joined(outer)) return wrong + 10;
            return other.stopping() ? 20 : 0;
        },
        [&](int root) {
            for (int i = 0; i < 2; ++i) started.wait();
            ::kill(root, SIGINT);
        });
    CHECK(code == 0);
    for (int i = 0; i < 2; ++i) stopped.wait();
}

TEST_CASE("SIGINT as a call on the loop: it stops a call by its token") {
    shared_pipe started, stopped;
    const int code = root_process(
        [&] {
            tree t;
            const mitogen::context child = t.root.local();
            std::stop_source source;
            bool on_loop = false;
            const mitogen::on_interrupt guard(t.root, [&](int count) {
                on_loop = t.loop.on_loop() && count == 1;
                source.request_stop();
            });
            const auto left = child.with(source.get_token())
                                  .try_call<&copy>(started.write_end(), stopped.write_end());
            if (left || left.error().reason() != reason::cancelled) return 1;
            child.ping().get(); // it goes on
            return on_loop ? 0 : 2;
        },
        [&](int root) {
            started.wait();
            ::kill(root, SIGINT);
        });
    CHECK(code == 0);
    stopped.wait();
}

TEST_CASE("a fork child does not hear of its parent's interruption, and none of its watches is "
          "left there") {
    shared_pipe started, stopped;
    const int code = root_process(
        [&] {
            tree t;
            mitogen::nursery n{t.root, {.interrupt = true}};
            n.start<&copy>(n.fork(), started.write_end(), stopped.write_end());
            return joined(n);
        },
        [&](int root) {
            started.wait();
            ::kill(root, SIGINT);
        });
    CHECK(code == 0);
    stopped.wait();
}

TEST_CASE("the signals that a nursery names cancel it, and wake its body") {
    const auto [number, name] =
        GENERATE(std::pair<int, const char*>{SIGTERM, "SIGTERM"}, std::pair{SIGHUP, "SIGHUP"});
    shared_pipe started, stopped;
    const int code = root_process(
        [&, number = number, name = name] {
            tree t;
            {
                mitogen::nursery outer{t.root, {.signals = {SIGHUP, SIGTERM}}};
                mitogen::nursery n{t.root, {.signals = {SIGTERM, SIGHUP}}};
                const mitogen::context child = n.local();
                const auto call =
                    child.try_call<&copy>(started.write_end(), stopped.write_end());
                if (call || call.error().reason() != reason::cancelled) return 4;
                if (call.error().radius() != mitogen::cancel_radius::nursery) return 5;
                if (const int wrong = joined(n, name)) return wrong;
                if (const int wrong = joined(outer, name)) return wrong + 10;
            }
            return ::signal(number, SIG_IGN) == SIG_DFL ? 0 : 6; // what was there is back
        },
        [&, number = number](int root) {
            started.wait();
            ::kill(root, number);
        });
    CHECK(code == 0);
    stopped.wait();
}

TEST_CASE("a second signal skips the grace, whichever it is") {
    mitogen::router_options quick_end;
    quick_end.timeouts = {.grace = 3'600'000'000'000,
                          .after_term = 100'000'000,
                          .for_status = 100'000'000,
                          .for_link = 100'000'000};
    shared_pipe started, asked;
    const int code = root_process(
        [&] {
            tree t(quick_end);
            mitogen::nursery n{t.root,
                               {.grace = 1h, .interrupt = true, .signals = {SIGTERM, SIGHUP}}};
            n.start<&stays>(n.local(), started.write_end(), asked.write_end());
            return joined(n, "SIGHUP");
        },
        [&](int root) {
            started.wait();
            ::kill(root, SIGHUP);
            asked.wait();
            ::kill(root, SIGINT);
        });
    CHECK(code == 0);
}

TEST_CASE("on_signal calls a function with the number and the count, as often as there are "
          "signals") {
    const int code = root_process(
        [&] {
            tree t;
            const shared_pipe heard;
            std::atomic<int> numbers{0}, counts{0}, calls{0};
            const mitogen::on_signal both{t.root, {SIGHUP, SIGTERM}, [&](int number, int count) {
                                              numbers = number;
                                              counts = count;
                                              heard.post();
                                          }};
            const mitogen::on_signal number{t.root, {SIGHUP}, [&](int n) {
                                                calls += n == SIGHUP;
                                                heard.post();
                                            }};
            const mitogen::on_signal none{t.root, {SIGTERM, SIGHUP}, [&] { heard.post(); }};
            for (int i = 1; i <= 5; ++i) { // more than a nursery would survive
                ::raise(SIGHUP);
                for (int n = 0; n < 3; ++n) heard.wait();
                if (numbers != SIGHUP || counts != i || calls != i) return i;
            }
            ::raise(SIGTERM);
            for (int n = 0; n < 2; ++n) heard.wait();
            return numbers == SIGTERM && counts == 6 && calls == 5 ? 0 : 10;
        },
        [](int) {});
    CHECK(code == 0);
}

TEST_CASE("on_signal stops a scope, and says as a value what cannot be heard") {
    shared_pipe started, stopped;
    const int code = root_process(
        [&] {
            tree t;
            const mitogen::context child = t.root.local();
            mitogen::scope work;
            const mitogen::on_signal guard{t.root, {SIGINT, SIGTERM}, [&] { work.cancel(); }};
            const auto left = child.try_call<&copy>(started.write_end(), stopped.write_end());
            return !left && left.error().reason() == reason::cancelled ? 0 : 1;
        },
        [&](int root) {
            started.wait();
            ::kill(root, SIGTERM);
        });
    CHECK(code == 0);
    stopped.wait();
    tree t;
    const auto wrong = mitogen::on_signal::make(t.root, {SIGKILL}, [] {});
    CHECK(wrong.error().reason() == reason::misuse);
    CHECK_THROWS_AS(mitogen::on_signal(t.root, {0}, [] {}), mitogen::logic_error);
    const auto right = mitogen::on_signal::make(t.root, {SIGHUP}, [] {});
    CHECK(right.has_value());
}
