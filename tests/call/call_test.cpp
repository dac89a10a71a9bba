// SPDX-License-Identifier: BSL-1.0
#include "../generic/context_functions.hpp"
#include "../generic/raw_link.hpp"
#include "../generic/tree.hpp"

#include <algorithm>
#include <catch2/catch.hpp>
#include <map>
#include <memory>
#include <mitogen/mitogen.hpp>
#include <new>
#include <numeric>
#include <optional>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

namespace call_test {

using generic::contains;
using generic::shared_pipe;
using generic::tree;

struct point {
    int x = 0;
    int y = 0;
    friend bool operator==(const point&, const point&) = default;
};
struct custom_error : std::runtime_error {
    using std::runtime_error::runtime_error;
};
struct not_an_exception {};

std::uint32_t id_of(mitogen::context c) { return c.id(); }
std::size_t count_of(const std::vector<mitogen::context>& all) { return all.size(); }
int use(mitogen::sender<int>) { return 0; }
mitogen::context same(mitogen::context c) { return c; }

int calls_so_far() {
    static int calls = 0;
    return ++calls;
}
point moved(const point& p, int by) { return {p.x + by, p.y + by}; }
std::uint64_t sum(std::span<const std::uint32_t> numbers) {
    return std::accumulate(numbers.begin(), numbers.end(), std::uint64_t{0});
}
struct job {
    std::unique_ptr<int> number{};
    std::string name{};
};
int number_of(const job& j) { return j.number ? *j.number : 0; }
int value_of(mitogen::router&, const std::unique_ptr<int>& p) { return p ? *p : 0; }
std::unique_ptr<int> doubled(std::unique_ptr<int> value) {
    if (value) *value *= 2;
    return value;
}
std::map<std::string, std::vector<int>>
grouped(const std::vector<std::pair<std::string, int>>& items) {
    std::map<std::string, std::vector<int>> out;
    for (const auto& [name, value] : items) out[name].push_back(value);
    return out;
}
std::string_view longest(const std::vector<std::string_view>& words) {
    static std::string kept;
    for (const auto& w : words)
        if (w.size() > kept.size()) kept = w;
    return kept;
}
void append_to(int fd, int value, int times) {
    for (int i = 0; i < times; ++i)
        if (::write(fd, &value, sizeof value) != sizeof value) throw std::runtime_error("pipe");
}
[[noreturn]] void fail(int how) {
    switch (how) {
    case 0: throw std::invalid_argument("how is 0");
    case 1: throw custom_error("mine");
    case 2: throw 42;
    case 3: throw not_an_exception{};
    case 4: throw std::runtime_error(std::string(1u << 20, 'm'));
    case 5: throw std::runtime_error("Größe \xE2\x82\xAC \xF0\x9F\x98\x80 – \x01");
    case 6: throw std::bad_alloc();
    case 7: try { throw std::logic_error("inner");
        } catch (...) {
            std::throw_with_nested(std::runtime_error("outer"));
        }
    case 8: throw "a literal";
    default: throw std::runtime_error(std::string((64u << 10) - 1, 'a') + "\xE2\x82\xAC and more");
    }
}

mitogen::context_id who_calls(const mitogen::caller& who, std::string text, mitogen::router& here) {
    if (text != "x" || who.id != who.auth) return mitogen::no_context;
    return who.id + 1000 * here.id();
}
bool told_to_stop(std::stop_token stop) { return stop.stop_requested() || !stop.stop_possible(); }
mitogen::context pass_on(mitogen::context c) { return c; }
mitogen::context pass_on_in_loop(mitogen::context c) { return c; }
mitogen::context make_child(mitogen::router& here, std::string name) {
    return here.local({.name = std::move(name)});
}
int ask(mitogen::context other, int a, int b) { return other.call<&generic::add>(a, b); }
std::string ask_parent(mitogen::router& here, mitogen::context_id parent) {
    const auto r = here.context_by_id(parent).try_call<&generic::add>(1, 1);
    return r ? "answered"
             : std::to_string(static_cast<int>(r.error().reason())) + " " + r.error().what();
}
std::string wait_on_loop(mitogen::context other) {
    std::string out;
    const auto note = [&](const mitogen::error& e) {
        out += std::to_string(static_cast<int>(e.reason())) + " ";
    };
    note(generic::thrown_by([&] { other.call<&generic::add>(1, 1); }));
    const auto r = other.try_call<&generic::add>(1, 1);
    if (!r) note(r.error());
    auto answer = other.call_async<&generic::add>(1, 1);
    note(generic::thrown_by([&] { answer.get(); }));
    note(generic::thrown_by([&] { answer.get_for(std::chrono::seconds(1)); }));
    return out;
}
std::string connect_on_loop(mitogen::router& here) {
    const auto a = here.try_local();
    const auto b = here.try_fork();
    return std::to_string(a ? 0 : static_cast<int>(a.error().reason())) + " " +
           std::to_string(b ? 0 : static_cast<int>(b.error().reason())) + " " +
           std::to_string(here.contexts().size());
}
std::size_t contexts_below(mitogen::router& here) { return here.contexts().size(); }

} // namespace call_test

template <>
inline constexpr auto mitogen::run_on<&call_test::pass_on_in_loop> = mitogen::on::loop;
template <>
inline constexpr auto mitogen::run_on<&call_test::wait_on_loop> = mitogen::on::loop;
template <>
inline constexpr auto mitogen::run_on<&call_test::connect_on_loop> = mitogen::on::loop;

namespace {
using namespace call_test;

TEST_CASE("arguments and results of all kinds arrive as they were") {
    tree t;
    mitogen::context child = t.root.local();
    CHECK(child.call<&moved>(point{1, 2}, 10) == point{11, 12});
    CHECK(child.call<&sum>(std::vector<std::uint32_t>{1, 2, 3}) == 6);
    const std::array<std::uint32_t, 2> two{7, 8};
    CHECK(child.call<&sum>(two) == 15);
    CHECK(child.call<&sum>(std::vector<std::uint32_t>(1u << 20, 3u)) == 3u << 20);
    std::unique_ptr<int> result = child.call<&doubled>(std::make_unique<int>(21));
    REQUIRE(result);
    CHECK(*result == 42);
    CHECK_FALSE(child.call<&doubled>(nullptr));
    const job one{std::make_unique<int>(5), "a"}; // what cannot be copied is looked at where it is
    CHECK(child.call<&number_of>(one) == 5);
    CHECK(child.call<&value_of>(one.number) == 5);
    const std::vector<std::pair<std::string, int>> items{{"a", 1}, {"b", 2}, {"a", 3}};
    CHECK(child.call<&grouped>(items) ==
          std::map<std::string, std::vector<int>>{{"a", {1, 3}}, {"b", {2}}});
    const std::string longest_word =
        child.call<&longest>(std::vector<std::string_view>{"one", "three", "two"});
    CHECK(longest_word == "three");
    const char* literal = "abc"; // converts as for a local call
    CHECK(child.call<&generic::length>(literal) == 3);
    CHECK(child.call<&generic::add>(short{2}, 'a') == 2 + 'a');
}

TEST_CASE("each call is executed exactly once") {
    tree t;
    mitogen::context child = t.root.local();
    for (int i = 1; i <= 100; ++i) CHECK(child.call<&calls_so_far>() == i);
    for (int i = 0; i < 50; ++i) child.call_no_reply<&calls_so_far>();
    CHECK(child.call<&calls_so_far>() == 151);
}

TEST_CASE("calls of one caller run one after the other and in order on the main thread") {
    shared_pipe order;
    tree t;
    mitogen::context child = t.root.local();
    std::vector<std::thread> callers;
    for (int who = 0; who < 3; ++who) {
        callers.emplace_back([&, who] {
            std::vector<mitogen::future<void>> all;
            for (int i = 0; i < 100; ++i) {
                if (i % 3 == 0) {
                    child.call_no_reply<&append_to>(order.write_end(), who * 1000 + i, 1);
                } else {
                    all.push_back(
                        child.call_async<&append_to>(order.write_end(), who * 1000 + i, 1));
                }
            }
            for (auto& f : all) f.get();
        });
    }
    for (auto& c : callers) c.join();
    child.call<&generic::add>(0, 0); // behind the last call without an answer
    int last[3] = {-1, -1, -1};
    for (int n = 0; n < 300; ++n) {
        int value = 0;
        REQUIRE(::read(order.read_end(), &value, sizeof value) == sizeof value);
        const int who = value / 1000;
        CHECK(value % 1000 == last[who] + 1);
        last[who] = value % 1000;
    }
}

TEST_CASE("a large argument does not hold up small calls, and what its own thread sends stays "
          "behind it") {
    shared_pipe large_arrived;
    tree t;
    mitogen::context child = t.root.local();
    const std::string large(64u << 20, 'z');
    mitogen::future<std::size_t> slow;
    std::thread other([&] { slow = child.call_async<&generic::length>(large); });
    other.join();
    int small_answers = 0;
    while (!slow.done()) {
        if (child.call<&generic::add_on_loop>(1, 1) == 2 && !slow.done()) ++small_answers;
    }
    CHECK(small_answers > 0);
    CHECK(slow.get() == large.size());
    auto first = child.call_async<&generic::length>(large);
    auto second = child.call_async<&generic::add>(1, 2); // same lane: FIFO
    CHECK(second.get() == 3);
    CHECK(first.done());
}

TEST_CASE("an exception arrives with its type, its message and its place") {
    tree t;
    mitogen::context child = t.root.local({.name = "far"});
    const auto failure = [&](int how) {
        return generic::thrown_by([&] { child.call<&fail>(how); });
    };
    CHECK_THROWS_AS(child.call<&fail>(0), mitogen::call_error);
    const mitogen::error standard = failure(0);
    CHECK(standard.reason() == mitogen::reason::remote_exception);
    CHECK(standard.detail().type == "std::invalid_argument");
    CHECK(standard.message() == "how is 0");
    CHECK(standard.detail().place == "far");
    CHECK(contains(standard.what(), "far"));
    CHECK(failure(1).detail().type == "call_test::custom_error");
    CHECK(failure(1).message() == "mine");
    CHECK(failure(2).detail().type == "int");
    CHECK(failure(3).detail().type == "call_test::not_an_exception");
    CHECK(failure(6).detail().type == "std::bad_alloc");
    CHECK(contains(failure(7).message(), "outer"));
    CHECK(failure(8).message() == "a literal");
    CHECK(child.call<&generic::add>(1, 1) == 2); // none of them has hurt it
}

TEST_CASE("the text of an exception is cut at a limit and stays what it is") {
    tree t;
    mitogen::context child = t.root.local();
    const mitogen::error cut = generic::thrown_by([&] { child.call<&fail>(4); });
    CHECK(cut.reason() == mitogen::reason::remote_exception);
    CHECK(cut.detail().type == "std::runtime_error");
    CHECK(cut.message().size() > 1000);
    CHECK(cut.message().size() < 128u << 10);
    CHECK(contains(cut.message(), "cut"));
    CHECK(generic::thrown_by([&] { child.call<&fail>(5); }).message() ==
          "Größe \xE2\x82\xAC \xF0\x9F\x98\x80 – \x01");
    // Not in the middle of a character.
    const mitogen::error inside = generic::thrown_by([&] { child.call<&fail>(99); });
    // only the ellipsis of the mark
    CHECK(inside.message().find('\xE2') == inside.message().find("\xE2\x80\xA6"));
}

TEST_CASE("parameters that mean something only where the function runs are supplied there") {
    tree t;
    mitogen::context child = t.root.local();
    CHECK(child.call<&who_calls>("x") == t.root.id() + 1000 * child.id());
    CHECK_FALSE(child.call<&told_to_stop>());
}

TEST_CASE("contexts travel as arguments and results") {
    tree t;
    mitogen::context child = t.root.local({.name = "middle"});
    CHECK(child.call<&pass_on>(child) == child);
    CHECK(child.call<&pass_on_in_loop>(child) == child);
    CHECK(child.call<&pass_on>(mitogen::context{}) == mitogen::context{});
    mitogen::context grandchild = child.call<&make_child>("leaf");
    CHECK(grandchild.id() != child.id());
    CHECK(grandchild.name() == "middle.leaf");
    CHECK(grandchild.call<&generic::add>(20, 22) == 42);
    CHECK(child.call<&ask>(grandchild, 1, 2) == 3);
    CHECK(child.call<&contexts_below>() == 1);
    const mitogen::error through_two = generic::thrown_by([&] { grandchild.call<&fail>(0); });
    CHECK(through_two.detail().place == "middle.leaf");
    CHECK(through_two.detail().context == grandchild.id());
}

TEST_CASE("a child that calls its parent, or a sibling, is refused and does not wait") {
    tree t;
    mitogen::context child = t.root.local();
    mitogen::context sibling = t.root.local();
    const auto refused = [](const std::string& said) {
        const int reason = std::stoi(said);
        return reason == static_cast<int>(mitogen::reason::refused_by_policy) ||
               reason == static_cast<int>(mitogen::reason::invalid_handle);
    };
    const std::string by_root = child.call<&ask_parent>(t.root.id());
    INFO(by_root);
    CHECK(refused(by_root));
    const std::string by_sibling = child.call<&ask_parent>(sibling.id());
    INFO(by_sibling);
    CHECK(std::stoi(by_sibling) == static_cast<int>(mitogen::reason::refused_by_policy));
    mitogen::context grandchild = child.call<&make_child>("leaf");
    const std::string by_child = grandchild.call<&ask_parent>(child.id());
    INFO(by_child);
    CHECK(std::stoi(by_child) == static_cast<int>(mitogen::reason::refused_by_policy));
    CHECK(std::stoi(child.call<&ask_parent>(4711)) == static_cast<int>(mitogen::reason::no_route));
}

TEST_CASE("an empty context refers to nothing, and says so") {
    const mitogen::context nothing;
    CHECK_THROWS_AS(nothing.call<&generic::add>(1, 1), mitogen::logic_error);
    CHECK_THROWS_AS(nothing.call_async<&generic::add>(1, 1), mitogen::logic_error);
    CHECK_THROWS_AS(nothing.call_no_reply<&calls_so_far>(), mitogen::logic_error);
    CHECK_THROWS_AS(nothing.ping(), mitogen::logic_error);
    CHECK_THROWS_AS(nothing.shutdown(), mitogen::logic_error);
    const mitogen::result<int> r = nothing.try_call<&generic::add>(1, 1); // never throws
    REQUIRE_FALSE(r.has_value());
    CHECK(r.error().reason() == mitogen::reason::misuse);
}

TEST_CASE("a function on the loop that would wait for an answer is told so") {
    tree t;
    mitogen::context child = t.root.local();
    mitogen::context grandchild = child.call<&make_child>("leaf");
    const std::string misuse = std::to_string(static_cast<int>(mitogen::reason::misuse)) + " ";
    CHECK(child.call<&wait_on_loop>(grandchild) == misuse + misuse + misuse + misuse);
    CHECK(child.call<&connect_on_loop>() == misuse + misuse + "1");
    CHECK(child.call<&generic::add>(1, 1) == 2);
    CHECK(child.call<&contexts_below>() == 1);
}

TEST_CASE("what is larger than the limits is refused, to whoever sent it") {
    mitogen::limits small;
    small.message_bytes = 1u << 20;
    tree t({.limits = small});
    mitogen::context child = t.root.local();
    CHECK_THROWS_AS(child.call<&generic::length>(std::string(2u << 20, 'x')),
                    mitogen::overloaded_error);
    CHECK_THROWS_AS(child.call<&generic::repeat>("x", 2u << 20), mitogen::overloaded_error);
    CHECK(child.call<&generic::length>(std::string(1000, 'x')) == 1000);
}

TEST_CASE("a child's own limits hold for what its parent sends") {
    mitogen::limits small;
    small.message_bytes = 4096;
    tree t;
    mitogen::context child = t.root.local({.limits = small});
    // in fragments
    CHECK_THROWS_AS(child.call<&generic::length>(std::string(1u << 20, 'x')),
                    mitogen::overloaded_error);
    // in one frame
    CHECK_THROWS_AS(child.call<&generic::length>(std::string(10'000, 'x')),
                    mitogen::overloaded_error);
    CHECK(child.call<&generic::length>(std::string(1000, 'x')) == 1000);
}

TEST_CASE("what belongs to another router is not sent, and names nothing there") {
    tree here, there;
    const mitogen::context a = here.root.local({.name = "a"});
    const mitogen::context c = there.root.local({.name = "c"});
    REQUIRE(a.id() == c.id());
    CHECK(a != c);
    CHECK(a == here.root.context_by_id(a.id()));
    CHECK(mitogen::context() == mitogen::context());
    const auto refused = [](const mitogen::error& e) {
        INFO(e.what());
        CHECK(e == mitogen::reason::misuse);
        CHECK(contains(e.what(), "another router"));
    };
    refused(c.try_call<&id_of>(a).error());
    refused(c.call_async<&id_of>(a).try_get().error());
    refused(c.try_call<&count_of>(std::vector<mitogen::context>{c, a}).error());
    refused(c.try_send(mitogen::handle<mitogen::context>{5002}, a).error());
    mitogen::receiver<int> numbers(here.root);
    refused(c.try_call<&use>(numbers.to_sender()).error());
    CHECK_THROWS_AS(c.call<&id_of>(a), mitogen::logic_error);
    CHECK(a.call<&id_of>(a) == a.id());
    CHECK(a.call<&same>(a) == a);
    CHECK(c.call<&count_of>(std::vector<mitogen::context>{c, {}}) == 2);
}

TEST_CASE("no more calls wait for an answer than the limit says") {
    mitogen::limits few;
    few.open_calls = 3;
    shared_pipe started, go_on;
    tree t({.limits = few});
    mitogen::context child = t.root.local();
    std::vector<mitogen::future<int>> waiting;
    for (int i = 0; i < 3; ++i)
        waiting.push_back(
            child.call_async<&generic::hold>(started.write_end(), go_on.read_end(), i));
    const mitogen::result<int> refused = child.try_call<&generic::add>(1, 1);
    REQUIRE_FALSE(refused.has_value());
    CHECK(refused.error().reason() == mitogen::reason::overloaded);
    for (int i = 0; i < 3; ++i) go_on.post();
    for (int i = 0; i < 3; ++i) CHECK(waiting[static_cast<std::size_t>(i)].get() == i);
    CHECK(child.call<&generic::add>(1, 1) == 2);
}

TEST_CASE("a message to a handle waits while the link holds too much") {
    mitogen::limits bounds;
    bounds.queue_bytes = 300'000;
    generic::above_raw_link a(bounds);
    constexpr int count = 40;
    std::uint64_t most = 0;
    std::thread sends([&] {
        for (int i = 0; i < count; ++i) {
            a.child().send(mitogen::handle<std::string>{1200}, std::string(100'000, 'x'));
            most = std::max(most, a.peer_link->transport->queued());
        }
    });
    // nobody reads: it gets there
    std::uint64_t unread = 0;
    while (unread < bounds.queue_bytes) {
        unread = a.peer_link->transport->queued();
        std::this_thread::yield();
    }
    for (int i = 0; i < count; ++i) REQUIRE(a.peer.receive());
    sends.join();
    most = std::max(most, unread); // what was read before it was looked at does not count there
    CHECK(most >= bounds.queue_bytes);
    CHECK(most < bounds.queue_bytes + 200'000);
}

} // namespace
