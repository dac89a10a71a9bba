// SPDX-License-Identifier: BSL-1.0
#include "../generic/context_functions.hpp"
#include "../generic/tree.hpp"

#include <catch2/catch.hpp>
#include <chrono>
#include <csignal>
#include <memory>
#include <mitogen/mitogen.hpp>
#ifdef MITOGEN_SEPARATE // else the umbrella has it
#include <mitogen/loop/broker_engine.hpp>
#endif
#include <string>
#include <thread>
#include <vector>

namespace select_test {

using generic::shared_pipe;
using namespace std::chrono_literals;
using mitogen::receiver;
using mitogen::sender;

mitogen::generator<int> count(int n) {
    for (int i = 0; i < n; ++i) co_yield i;
}
int relay(mitogen::dialog<void(int, int)>& peer) {
    peer.started();
    int sum = 0;
    for (const int v : peer) {
        peer.send(v);
        sum += v;
    }
    return sum;
}
void produce(sender<int> out, int n) {
    for (int i = 0; i < n; ++i) out.send(i);
}
int select_on_loop(mitogen::router& here) {
    receiver<int> in{here};
    const auto held = in.to_sender();
    mitogen::select either{in};
    return static_cast<int>(either.try_next_for(10s).error().reason());
}

} // namespace select_test

template <>
inline constexpr auto mitogen::run_on<&select_test::select_on_loop> = mitogen::on::loop;
template <>
inline constexpr auto mitogen::run_on<&select_test::relay> = mitogen::on::pool;
template <>
inline constexpr auto mitogen::run_on<&select_test::produce> = mitogen::on::pool;

namespace {
using namespace select_test;
using generic::thrown_by;
using generic::tree;
using mitogen::reason;

TEST_CASE("of several calls the one that is answered is ready, whichever that is") {
    shared_pipe started, first, second;
    tree t;
    mitogen::context a = t.root.local();
    mitogen::context b = t.root.local();
    auto slow = a.call_async<&generic::hold>(started.write_end(), first.read_end(), 1);
    auto quick = b.call_async<&generic::hold>(started.write_end(), second.read_end(), 2);
    mitogen::select either{slow, quick};
    CHECK(either.size() == 2);
    CHECK(either.try_next_for(0s).error().reason() == reason::timeout);
    CHECK(either.try_next_for(5ms).error().reason() == reason::timeout);
    second.post();
    CHECK(either.next().is(quick));
    CHECK(quick.done());
    CHECK(quick.get() == 2);
    CHECK(either.size() == 1); // a future is told once
    first.post();
    CHECK(either.next().is(slow));
    CHECK(either.size() == 0);
    CHECK(thrown_by([&] { either.next(); }).reason() == reason::end_of_stream);
}

TEST_CASE("receivers, streams, dialogs and calls together: every item is told, and each end once") {
    shared_pipe started, go_on;
    tree t;
    mitogen::context child = t.root.local();
    mitogen::context other = t.root.local();
    receiver<int> in{t.root};
    auto producing = child.call_async<&produce>(in.to_sender(), 100);
    auto stream = other.stream<&count>(100);
    auto talk = child.open<&relay>();
    auto held = t.root.fork().call_async<&generic::add>(1, 2);
    for (int i = 0; i < 20; ++i) talk.send(i);
    talk.close();
    mitogen::select any{in, stream, talk, held};
    int items = 0, streamed = 0, talked = 0, answers = 0;
    int ends = 0;
    for (auto& ready : any) {
        const auto take = [&](auto& from, int& counted) {
            const auto got = from.try_get();
            if (got) {
                CHECK(*got == counted);
                ++counted;
            } else {
                CHECK(got.error().reason() == reason::end_of_stream);
                ++ends;
            }
        };
        if (ready.is(in)) take(in, items);
        if (ready.is(stream)) take(stream, streamed);
        if (ready.is(talk)) take(talk, talked);
        if (ready.is(held))
            answers += held.try_get().has_value() ||
                       held.try_get().error().reason() == reason::respondent_lost;
    }
    CHECK(items == 100);
    CHECK(streamed == 100);
    CHECK(talked == 20);
    CHECK(answers == 1);
    CHECK(ends == 3);
    producing.get();
}

TEST_CASE("when several are ready, what was told last comes last") {
    tree t;
    receiver<int> a{t.root}, b{t.root}, c{t.root};
    const auto to_a = a.to_sender(), to_b = b.to_sender(), to_c = c.to_sender();
    for (int i = 0; i < 30; ++i) {
        to_a.send(i);
        to_b.send(i);
        to_c.send(i);
    }
    t.loop.engine().run([] {}); // what was sent within this context has arrived
    mitogen::select any{a, b, c};
    std::string order;
    for (int i = 0; i < 90; ++i) {
        auto& ready = any.next();
        for (auto* one : {&a, &b, &c}) {
            if (!ready.is(*one)) continue;
            order += one == &a ? 'a' : one == &b ? 'b' : 'c';
            one->get();
        }
    }
    std::string fair;
    for (int i = 0; i < 30; ++i) fair += "abc";
    CHECK(order == fair);
    CHECK(any.try_next_for(0s).error().reason() == reason::timeout);
}

TEST_CASE("an error makes ready like a value; what is lost is told, and the rest goes on") {
    shared_pipe started, never;
    tree t;
    mitogen::context lost = t.root.local();
    receiver<int> in{t.root};
    const auto out = in.to_sender();
    auto dying = lost.call_async<&generic::hold>(started.write_end(), never.read_end(), 1);
    mitogen::select any{in, dying};
    CHECK(started.wait());
    ::kill(t.root.child_pid(lost.id()), SIGKILL);
    CHECK(any.next().is(dying));
    CHECK(dying.try_get().error().reason() == reason::respondent_lost);
    out.send(5);
    CHECK(any.next().is(in));
    CHECK(in.get() == 5);
    out.close();
    CHECK(any.next().is(in)); // its end
    CHECK(any.size() == 0);
}

TEST_CASE("a select may go before what it has waited for, again and again") {
    tree t;
    receiver<int> in{t.root};
    auto out = in.to_sender();
    for (int i = 0; i < 10'000; ++i) {
        mitogen::select one{in};
        CHECK(one.try_next_for(0s).error().reason() == reason::timeout);
    }
    out.send(1);
    mitogen::select one{in};
    CHECK(one.next().is(in));
    CHECK(in.get() == 1);
}

TEST_CASE("a select that waits is woken by another thread's item") {
    tree t;
    receiver<int> a{t.root}, b{t.root};
    const auto to_a = a.to_sender(), to_b = b.to_sender();
    std::thread sender([&] {
        for (int i = 0; i < 500; ++i) (void)(i % 2 ? to_a : to_b).try_send(i);
    });
    mitogen::select any{a, b};
    int sum = 0;
    for (int i = 0; i < 500; ++i) sum += any.next().is(a) ? a.get() : b.get();
    sender.join();
    CHECK(sum == 499 * 500 / 2);
}

TEST_CASE("a select on the loop that would wait is an error") {
    tree t;
    CHECK(t.root.local().call<&select_on_loop>() == static_cast<int>(reason::misuse));
}

} // namespace
