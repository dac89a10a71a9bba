// SPDX-License-Identifier: BSL-1.0
// Waits that never wake: on_disconnect() of a context that never was, of one that was lost more
// than 1024 losses ago, of a sibling to which nothing was sent; and a handler bound to a sibling
// that has sent and died. It ends with 0.
#include <atomic>
#include <csignal>
#include <cstdio>
#include <mitogen/mitogen.hpp>
#include <unistd.h>
namespace mg = mitogen;
static int own_pid() { return getpid(); }
static void send_to(mg::context other) { other.send(mg::handle<int>{5002}, 1); }
// 1: told, 10: the handler got a dead message, 100: it is known to be gone
static int watch(mg::router& here, mg::context other) {
    static std::atomic<int> told{0}, got{0}, dead{0};
    other.on_disconnect([](const mg::error&) { ++told; });
    here.add_handler(mg::handle<int>{5002},
                     [](const mg::message& m, auto...) { (m.dead() ? dead : got)++; },
                     {.from = mg::senders::anyone, .respondent = other.id()});
    for (int i = 0; i < 150 && !(told && dead); ++i) usleep(10000);
    return (told ? 1 : 0) + (dead ? 10 : 0) + (other.alive() ? 0 : 100) + (got ? 1000 : 0);
}
int main(int argc, char** argv) {
    mg::init(argc, argv);
    mg::broker b;
    mg::router r(b);
    std::atomic<int> never_was{0}, old{0};
    r.context_by_id(123456).on_disconnect([&](const mg::error&) { ++never_was; });
    auto a = r.local(), s = r.local();
    auto f = a.call_async<&watch>(s);
    usleep(300000);
    s.call<&send_to>(a);
    kill(s.call<&own_pid>(), SIGKILL);
    const int sibling = f.get();
    auto first = r.fork();
    first.shutdown().get();
    for (int i = 0; i < 1100; ++i) r.fork().shutdown().get();
    first.on_disconnect([&](const mg::error&) { ++old; });
    usleep(300000);
    std::printf("never was: told %d; lost 1100 losses ago: told %d; sibling: told %d, handler got "
                "a message %d and a dead message %d, alive() false %d\n",
                never_was.load(), old.load(), sibling % 10, sibling / 1000, sibling / 10 % 10,
                sibling / 100 % 10);
    return never_was == 1 && old == 1 && sibling == 1111 ? 0 : 1;
}
