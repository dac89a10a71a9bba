// SPDX-License-Identifier: BSL-1.0
#include "../generic/context_functions.hpp"
#include "../generic/raw_link.hpp"
#include "../generic/tree.hpp"
#include "../support/soon.hpp"

#include <algorithm>
#include <catch2/catch.hpp>
#include <chrono>
#include <csignal>
#include <cstdint>
#include <memory>
#include <mitogen/mitogen.hpp>
#include <string>
#include <string_view>
#include <thread>
#include <utility>
#include <vector>

namespace channel_test {

using generic::shared_pipe;
using namespace std::chrono_literals;
using mitogen::receiver;
using mitogen::sender;

void produce(sender<int> out, int from, int count) {
    for (int i = 0; i < count; ++i) out.send(from + i);
}
void produce_text(sender<std::string> out, int count, int bytes) {
    for (int i = 0; i < count; ++i)
        out.send(std::string(static_cast<std::size_t>(bytes), static_cast<char>('a' + i % 26)));
}
void produce_views(sender<std::string_view> out) {
    for (const char* word : {"some", "words"}) out.send(word);
}
void drop(sender<int>) {}
std::string use_later(sender<int> out, int ready, int go_on) {
    out.send(1);
    shared_pipe::post(ready);
    shared_pipe::wait(go_on);
    for (int i = 0; i < 1'000'000; ++i)
        if (const auto sent = out.try_send(i); !sent)
            return std::to_string(static_cast<int>(sent.error().reason()));
    return "never told";
}
/// Sends until it is told why not, beginning when it is told to.
int sends_when_told(sender<int> out, int go_on) {
    shared_pipe::wait(go_on);
    for (int i = 0; i < 1'000'000; ++i)
        if (const auto sent = out.try_send(i); !sent)
            return static_cast<int>(sent.error().reason());
    return -1;
}
/// How many it can send without waiting, and why not more.
std::pair<int, int> send_without_waiting(sender<std::string> out, int bytes) {
    const std::string item(static_cast<std::size_t>(bytes), 'x');
    for (int i = 0;; ++i)
        if (const auto sent = out.try_send_for(item, 0s); !sent)
            return {i, static_cast<int>(sent.error().reason())};
}
std::pair<int, int> send_on_loop(sender<std::string> out, int bytes) {
    return send_without_waiting(std::move(out), bytes);
}
int receive_on_loop(mitogen::router& here) {
    receiver<int> in{here};
    return static_cast<int>(in.try_get().error().reason());
}
/// Sends one and waits for ever.
void send_and_hang(sender<int> out, int sent) {
    out.send(7);
    shared_pipe::post(sent);
    for (;;) ::pause();
}
mitogen::context child_of(mitogen::router& here) { return here.local({.name = "below"}); }
/// Hands the sender on.
void pass_on(sender<int> out, mitogen::context below, int count) {
    out.send(-1);
    below.call<&produce>(out, 0, count);
}
void pass_on_text(sender<std::string> out, mitogen::context below, int count, int bytes) {
    below.call<&produce_text>(std::move(out), count, bytes);
}
void pass_on_to_the_lost(sender<int> out, mitogen::router& here, int sent) {
    mitogen::context below = here.local({.name = "below"});
    auto call = below.call_async<&send_and_hang>(std::move(out), sent);
    shared_pipe dummy;
    ::kill(here.child_pid(below.id()), SIGKILL);
    (void)call.try_get();
}
/// A channel whose receiver is there: its sender is the result.
struct kept {
    std::unique_ptr<receiver<int>> in;
};
kept here_kept;
sender<int> hear(mitogen::router& here) {
    here_kept.in = std::make_unique<receiver<int>>(here);
    return here_kept.in->to_sender();
}
int sum_of_heard() {
    int sum = 0;
    for (const int v : *here_kept.in) sum += v;
    here_kept.in.reset();
    return sum;
}
std::vector<sender<int>> two_senders(std::vector<sender<int>> given) {
    for (std::size_t i = 0; i < given.size(); ++i) given[i].send(static_cast<int>(i));
    return {};
}
void refuses_arguments(sender<int>, std::vector<std::uint8_t>) {}

mitogen::generator<int> flow_counts(int to) {
    for (int i = 0; i < to; ++i) co_yield i;
}
int flow_dialog(mitogen::dialog<void(int, int)>& peer) {
    peer.started();
    return 1;
}

} // namespace channel_test

template <>
inline constexpr auto mitogen::run_on<&channel_test::send_on_loop> = mitogen::on::loop;
template <>
inline constexpr auto mitogen::run_on<&channel_test::receive_on_loop> = mitogen::on::loop;
template <>
inline constexpr auto mitogen::run_on<&channel_test::use_later> = mitogen::on::pool;
template <>
inline constexpr auto mitogen::run_on<&channel_test::produce> = mitogen::on::pool;

namespace {
using namespace channel_test;
using generic::thrown_by;
using generic::tree;
using mitogen::reason;
using mitogen::wire::flow_frame;

template <class Receiver>
auto all_of(Receiver& in) {
    std::vector<typename Receiver::value_type> all;
    for (auto& v : in) all.push_back(std::move(v));
    return all;
}
std::vector<int> counted(int count) {
    std::vector<int> all;
    for (int i = 0; i < count; ++i) all.push_back(i);
    return all;
}

TEST_CASE("a sender is an argument like any other; when its last copy goes the receiver has "
          "reached its end") {
    tree t;
    mitogen::context child = t.root.local();
    receiver<int> in{t.root};
    child.call_no_reply<&produce>(in.to_sender(), 0, 10'000);
    CHECK(all_of(in) == counted(10'000));
    for (int i = 0; i < 3; ++i) CHECK(in.try_get().error().reason() == reason::end_of_stream);
    CHECK(in.ended());
    child.call_no_reply<&produce>(in.to_sender(), 0, 3); // a new sender: it goes on
    CHECK(all_of(in) == counted(3));
}

TEST_CASE("a sender that is dropped without use is closed, wherever that is") {
    tree t;
    mitogen::context child = t.root.local();
    receiver<int> in{t.root};
    CHECK(in.try_get_for(0s).error().reason() == reason::timeout);
    child.call<&drop>(in.to_sender());
    CHECK(in.try_get().error().reason() == reason::end_of_stream);
    receiver<int> here{t.root};
    { const auto unused = here.to_sender(); }
    CHECK(here.try_get().error().reason() == reason::end_of_stream);
    receiver<int> held{t.root};
    const auto out = held.to_sender();
    child.call<&drop>(out); // it was sent: what remains here does not count
    CHECK(held.try_get().error().reason() == reason::end_of_stream);
}

TEST_CASE("a channel within one context") {
    tree t;
    receiver<std::string> in{t.root};
    auto out = in.to_sender();
    std::thread filler([out = std::move(out)] {
        for (int i = 0; i < 1000; ++i) (void)out.try_send(std::string(10'000, 'x'));
        out.close();
        out.close();
    });
    CHECK(all_of(in).size() == 1000);
    filler.join();
    const sender<int> nothing;
    CHECK(nothing.try_send(1).error().reason() == reason::sender_closed);
}

TEST_CASE(
    "many senders fill one receiver: each in its order, and one that is done early ends nothing") {
    tree t;
    std::vector<mitogen::context> children{t.root.local(), t.root.local(), t.root.fork()};
    receiver<int> in{t.root};
    std::vector<mitogen::future<void>> done;
    for (int n = 0; n < 3; ++n) {
        done.push_back(children[static_cast<std::size_t>(n)].call_async<&produce>(
            in.to_sender(), n * 10'000, 2'000));
        if (n == 0) done.back().get(); // before the next one is made
    }
    std::vector<int> next{0, 10'000, 20'000};
    for (const int v : in) {
        int& expected = next[static_cast<std::size_t>(v / 10'000)];
        REQUIRE(v == expected);
        ++expected;
    }
    CHECK(next == std::vector<int>{2'000, 12'000, 22'000});
}

TEST_CASE("the loss of one of several senders is told once, and the others go on") {
    shared_pipe sent, ready, go_on;
    tree t;
    mitogen::context lost = t.root.local();
    mitogen::context other = t.root.local();
    receiver<int> in{t.root};
    auto hanging = lost.call_async<&send_and_hang>(in.to_sender(), sent.write_end());
    const auto stays = in.to_sender();
    CHECK(in.get() == 7);
    CHECK(sent.wait());
    ::kill(t.root.child_pid(lost.id()), SIGKILL);
    CHECK(in.try_get().error().reason() == reason::respondent_lost);
    other.call<&produce>(in.to_sender(), 0, 3);
    for (int i = 0; i < 3; ++i) CHECK(in.get() == i);
    stays.send(9);
    CHECK(in.get() == 9);
    stays.close();
    CHECK(in.try_get().error().reason() == reason::end_of_stream);
    CHECK(hanging.try_get().error().reason() == reason::respondent_lost);
}

TEST_CASE("a sender for a context that is gone, or was never there, ends with the reason") {
    tree t;
    mitogen::context child = t.root.local();
    child.shutdown().get();
    receiver<int> in{t.root};
    const auto lost = child.call_async<&drop>(in.to_sender());
    CHECK(in.try_get().error().reason() == reason::respondent_lost);
    CHECK(in.try_get().error().reason() == reason::end_of_stream);
    const auto unknown = t.root.context_by_id(4711).call_async<&drop>(in.to_sender());
    CHECK(in.try_get().error().reason() == reason::no_route);
}

TEST_CASE("who sends to a receiver that is closed is told, also where it waits") {
    shared_pipe ready, go_on;
    tree t;
    mitogen::context child = t.root.local();
    const std::string told = std::to_string(static_cast<int>(reason::sender_closed));
    std::optional<mitogen::future<std::string>> answer;
    {
        receiver<int> in{t.root};
        answer = child.call_async<&use_later>(in.to_sender(), ready.write_end(), go_on.read_end());
        CHECK(ready.wait());
        CHECK(in.get() == 1);
    }
    go_on.post();
    CHECK(answer->get() == told);
    receiver<std::string> full{t.root};
    auto waiting = child.call_async<&produce_text>(full.to_sender(), 1000, 10'000);
    CHECK(full.get().size() == 10'000);
    full.close();
    CHECK(waiting.try_get().error().message() == "the receiver has been closed");
    while (full.try_get()) continue; // what had arrived
    CHECK(full.try_get().error().reason() == reason::end_of_stream);
    CHECK(full.to_sender().try_send("x").error().reason() == reason::sender_closed);
}

TEST_CASE("what comes for a flow that has ended is counted and dropped") {
    shared_pipe go_on;
    tree t;
    const mitogen::context child = t.root.local();
    const auto late = [&] { return t.root.status().front().late_frames; };
    mitogen::receiver<int> r{t.root};
    auto sending = child.call_async<&sends_when_told>(r.to_sender(), go_on.read_end());
    r.close();
    CHECK(late() == 0);
    go_on.post();
    // it was told, although what it had sent was dropped
    CHECK(sending.get() == static_cast<int>(reason::sender_closed));
    CHECK(late() > 0);
    CHECK(generic::contains(t.root.describe(), " late frames"));
}

TEST_CASE("limits say how much may be on the way") {
    tree t{{.limits = {.window_bytes = 5000}}};
    receiver<std::string> in{t.root};
    const auto [count, why] = t.root.local().call<&send_without_waiting>(in.to_sender(), 1000);
    CHECK(why == static_cast<int>(reason::timeout));
    CHECK(count == 5); // the last one is larger than what is left
    CHECK(all_of(in).size() == 5);
    receiver<int> fast{t.root}; // its window does not grow beyond that, and everything arrives
    auto call = t.root.local().call_async<&produce>(fast.to_sender(), 0, 10'000);
    CHECK(all_of(fast).size() == 10'000);
    call.get();
}

TEST_CASE("the more flows there are the smaller their windows; when there is none left a flow is "
          "refused, until others have ended") {
    // half of it for the smallest windows, 1 KiB each, half to share
    tree t{{.limits = {.flow_bytes = 8 * 1024}}};
    mitogen::context child = t.root.local();
    std::vector<receiver<std::string>> in;
    std::vector<mitogen::sender<std::string>> out;
    for (int i = 0; i < 8; ++i) {
        in.emplace_back(t.root);
        out.push_back(in.back().to_sender());
        CHECK(child.call<&send_without_waiting>(out.back(), 1000).first == 1);
    }
    SECTION("a channel: its receiver is told, and the sender is closed") {
        receiver<std::string> more{t.root};
        CHECK(child.call<&send_without_waiting>(more.to_sender(), 1).first == 0);
        CHECK(more.try_receive().error().reason() == reason::overloaded);
        CHECK(more.try_receive().error().reason() == reason::end_of_stream);
    }
    SECTION("a stream") {
        CHECK(child.stream<&flow_counts>(1).try_receive().error().reason() == reason::overloaded);
    }
    SECTION("a dialog, here or there") {
        CHECK(child.try_open<&flow_dialog>().error().reason() == reason::overloaded);
    }
    // what has come and is not taken still counts
    for (auto& o : out) o = {};
    receiver<std::string> still_none{t.root};
    CHECK(child.call<&send_without_waiting>(still_none.to_sender(), 1).first == 0);
    CHECK(still_none.try_receive().error().reason() == reason::overloaded);
    for (auto& r : in) CHECK(all_of(r).size() == 1);
    in.clear();
    CHECK(support::soon(
        [&] { // the loop may not have let go of the last one yet
            receiver<std::string> again{t.root};
            return child.call<&send_without_waiting>(again.to_sender(), 1000).first == 1;
        },
        generic::plenty));
    CHECK(child.stream<&flow_counts>(1).receive() == 0);
    CHECK(child.open<&flow_dialog>().result() == 1);
}

TEST_CASE(
    "a sender without credit says so, at once where it must not wait, and on the loop always") {
    tree t;
    mitogen::context child = t.root.local();
    receiver<std::string> in{t.root};
    const auto [count, why] = child.call<&send_without_waiting>(in.to_sender(), 1000);
    CHECK(why == static_cast<int>(reason::timeout));
    CHECK(count >= 200); // 256 KiB
    CHECK(count <= 260);
    CHECK(static_cast<int>(all_of(in).size()) == count);
    const auto [loop_count, loop_why] = child.call<&send_on_loop>(in.to_sender(), 100'000);
    CHECK(loop_why == static_cast<int>(reason::overloaded));
    CHECK(loop_count == 3); // the last one is larger than what is left
    CHECK(static_cast<int>(all_of(in).size()) == loop_count);
    CHECK(child.call<&receive_on_loop>() == static_cast<int>(reason::misuse));
}

TEST_CASE("items of any size, and views") {
    tree t;
    mitogen::context child = t.root.local();
    receiver<std::string> in{t.root};
    for (const int size : {0, 300'000, 8 << 20}) {
        auto done = child.call_async<&produce_text>(in.to_sender(), 4, size);
        for (int i = 0; i < 4; ++i)
            CHECK(in.get() ==
                  std::string(static_cast<std::size_t>(size), static_cast<char>('a' + i)));
        CHECK(in.try_get().error().reason() == reason::end_of_stream);
    }
    receiver<std::string_view> views{t.root};
    child.call_no_reply<&produce_views>(views.to_sender());
    const std::vector<std::string> words = all_of(views);
    CHECK(words == std::vector<std::string>{"some", "words"});
}

TEST_CASE("a sender is also a result, and may be inside of something; what is received there is in "
          "that context") {
    tree t;
    mitogen::context child = t.root.local();
    {
        const sender<int> out = child.call<&hear>();
        for (int i = 1; i <= 100; ++i) out.send(i);
    }
    CHECK(child.call<&sum_of_heard>() == 5050);
    receiver<int> in{t.root};
    child.call<&two_senders>(std::vector<sender<int>>{in.to_sender(), in.to_sender()});
    CHECK(in.get() + in.get() == 1);
    CHECK(in.try_get().error().reason() == reason::end_of_stream);
}

TEST_CASE("a sender that was received can be sent on: items pass through, with their flow control, "
          "their end and their errors") {
    shared_pipe sent;
    tree t;
    mitogen::context middle = t.root.local();
    mitogen::context below = middle.call<&child_of>();
    receiver<int> in{t.root};
    auto done = middle.call_async<&pass_on>(in.to_sender(), below, 5'000);
    CHECK(in.get() == -1);
    CHECK(all_of(in) == counted(5'000));
    done.get();
    receiver<std::string> texts{t.root};
    auto large = middle.call_async<&pass_on_text>(texts.to_sender(), below, 40, 1 << 20);
    const std::vector<std::string> got = all_of(texts);
    CHECK(got.size() == 40);
    CHECK(std::all_of(got.begin(), got.end(),
                      [](const std::string& s) { return s.size() == 1u << 20; }));
    large.get();
    receiver<int> from_the_lost{t.root};
    auto lost =
        middle.call_async<&pass_on_to_the_lost>(from_the_lost.to_sender(), sent.write_end());
    bool told = false;
    for (auto next = from_the_lost.try_get();; next = from_the_lost.try_get()) {
        if (next) continue;
        if (next.error().reason() == reason::end_of_stream) break;
        told = next.error().reason() == reason::respondent_lost;
    }
    CHECK(told);
    lost.get();
}

TEST_CASE("a receiver that nobody sends to wakes when the router closes") {
    tree t;
    receiver<int> in{t.root};
    std::optional<mitogen::error> why;
    std::thread waiter([&] { why = in.try_get().error(); });
    t.root.close();
    waiter.join();
    CHECK(why->reason() == reason::broker_exited);
}

/// A receiver in the root, and a sender for it in the hands of the test.
struct hostile {
    generic::log_capture log;
    generic::above_raw_link t;
    receiver<int> in{t.t.root};
    mitogen::future<void> call;
    mitogen::context_id where = 99;
    mitogen::handle_id port = 0;
    std::uint32_t window = 0;

    hostile() : call(t.child().call_async<&drop>(in.to_sender())) {
        const auto frame = t.peer.receive();
        mitogen::reader r(std::span<const std::byte>(frame->payload).last(16));
        mitogen::decode(r, where, port, window);
    }
    template <class... Values>
    void say(flow_frame kind, const Values&... values) {
        const mitogen::buffer bytes = mitogen::encode(static_cast<std::uint8_t>(kind), values...);
        t.peer.send(t.to_root(port, 77), std::span<const std::byte>(bytes.data(), bytes.size()));
    }
    mitogen::error told() { return t.peer.error_for(77); }
};

TEST_CASE("a sender that does not keep to the rules is closed, and told why; nobody else is hurt") {
    hostile h;
    CHECK(h.where == 0);
    CHECK(h.window == mitogen::wire::flow_window);
    h.say(flow_frame::item, 1);
    CHECK(h.in.get() == 1);
    SECTION("what is no part of a flow") { h.say(static_cast<flow_frame>(200)); }
    SECTION("what only receivers say") { h.say(flow_frame::credit, std::uint64_t{1}); }
    SECTION("nothing at all") { h.t.peer.send(h.t.to_root(h.port, 77)); }
    SECTION("the beginning of a dialog") {
        h.say(flow_frame::begun, mitogen::handle_id{1}, std::uint32_t{1});
    }
    SECTION("an end that does not decode") { h.say(flow_frame::end); }
    SECTION("an end before what was sent") { h.say(flow_frame::end, std::uint64_t{0}); }
    SECTION("more than it had credit for") {
        const std::string large(100'000, 'x');
        for (int i = 0; i < 4; ++i) h.say(flow_frame::item, large);
    }
    CHECK(h.told().reason() == reason::refused_by_policy);
    mitogen::result<int> next = h.in.try_get();
    while (next.error().reason() == reason::codec) next = h.in.try_get(); // no int
    CHECK(next.error().reason() == reason::refused_by_policy);
    CHECK(h.in.try_get().error().reason() == reason::end_of_stream);
    CHECK(h.log.wait_for("closed a flow"));
}

TEST_CASE("an item that is behind the end that counts it is waited for; one that nobody counted is "
          "none") {
    hostile h;
    h.say(flow_frame::end, std::uint64_t{2});
    h.say(flow_frame::item, 1);
    h.say(flow_frame::item, 2);
    CHECK(h.in.get() == 1);
    CHECK(h.in.get() == 2);
    CHECK(h.in.try_get().error().reason() == reason::end_of_stream);
    h.say(flow_frame::item, 3);
    CHECK(h.told().reason() == reason::invalid_handle);
}

TEST_CASE("only the context that has been given a sender can send to its port") {
    hostile h;
    const mitogen::result<void> sent = h.t.t.root.node().send(h.t.t.root.node().address(0, h.port),
                                                              mitogen::encode(std::uint8_t{0}, 1),
                                                              mitogen::detail::flush_mode::soon);
    CHECK(sent);
    CHECK(h.log.wait_for("it takes messages from another context only"));
    h.say(flow_frame::end, std::uint64_t{0});
    CHECK(h.in.try_get().error().reason() == reason::end_of_stream);
}

TEST_CASE(
    "a receiver in the hands of somebody hostile: credit without end, and nonsense, do no harm") {
    generic::log_capture log;
    generic::above_raw_link t;
    auto call = t.child().call_async<&hear>();
    const auto frame = t.peer.receive();
    constexpr mitogen::handle_id port = 0x5555'8000'0001; // bit 31: of a flow
    mitogen::header answer = t.to_root(frame->head.reply_to);
    const mitogen::buffer value =
        mitogen::encode(mitogen::context_id{1}, port, std::uint32_t{1000});
    t.peer.send(answer, std::span<const std::byte>(value.data(), value.size()));
    const sender<int> out = call.get();
    out.send(1);
    const auto first = t.peer.receive();
    CHECK(first->head.handle == port);
    const auto say = [&](std::uint8_t kind, auto... values) {
        const mitogen::buffer bytes = mitogen::encode(kind, values...);
        t.peer.send(t.to_root(first->head.reply_to),
                    std::span<const std::byte>(bytes.data(), bytes.size()));
    };
    out.send(2);
    say(16, UINT64_MAX);
    say(16, UINT64_MAX);
    say(16);
    say(99);
    for (int i = 0; i < 1000; ++i) out.send(i); // it may
    say(17);
    while (out.try_send(1)) continue;
    CHECK(out.try_send(1).error().reason() == reason::sender_closed);
}

} // namespace
