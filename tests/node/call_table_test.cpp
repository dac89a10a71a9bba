// SPDX-License-Identifier: BSL-1.0
#include <mitogen/io/native.hpp>
#include <mitogen/node/call_table.hpp>

#include <atomic>
#include <catch2/catch.hpp>
#include <cstddef>
#include <optional>
#include <set>
#include <span>
#include <string>
#include <thread>
#include <vector>

namespace {

using io_type = mitogen::io::native;
using table = mitogen::detail::basic_call_table<io_type>;
using open_call = mitogen::basic_outstanding_call<io_type>;
using mitogen::detail::arrival;
using mitogen::error;
using mitogen::reason;

struct world {
    io_type io{};
    table::owner answers;
    explicit world(std::uint32_t limit = 1000) : answers(table::make(io, limit)) {}

    open_call* open(mitogen::context_id from = 1) {
        std::optional<error> why;
        open_call* p = answers->open(from, why);
        REQUIRE(p);
        return p;
    }
};

std::span<const std::byte> bytes(const char* text) {
    return std::as_bytes(std::span(text, std::char_traits<char>::length(text)));
}

TEST_CASE("an answer completes what it was awaited by, once") {
    world w;
    open_call* p = w.open();
    CHECK_FALSE(p->done());
    CHECK(w.answers->respondent_of(p->handle()) == 1);
    arrival what;
    open_call* found = w.answers->find(p->handle(), 1, what);
    REQUIRE(found == p);
    CHECK(what == arrival::expected);
    CHECK(w.answers->complete(*found, bytes("value"), nullptr));
    CHECK_FALSE(w.answers->complete(*found, bytes("again"), nullptr));
    CHECK_FALSE(w.answers->fail(*found, error(reason::timeout, "late")));
    found->release();
    CHECK(p->done());
    CHECK(p->failure() == nullptr);
    CHECK(p->payload().size() == 5);
    CHECK(w.answers->open_count() == 0);
    p->release();
}

TEST_CASE("an answer from somebody else is a stranger's") {
    world w;
    open_call* p = w.open(3);
    arrival what;
    CHECK(w.answers->find(p->handle(), 4, what) == nullptr);
    CHECK(what == arrival::strange);
    CHECK(w.answers->complete(p->handle(), 4, bytes("false"), nullptr) == arrival::strange);
    CHECK_FALSE(p->done());
    w.answers->fail(*p, error(reason::timeout, "x"));
    CHECK(w.answers->find(p->handle(), 3, what) == nullptr); // too late is not strange
    CHECK(what == arrival::late);
    CHECK(w.answers->complete(p->handle(), 3, bytes("late"), nullptr) == arrival::late);
    CHECK(w.answers->respondent_of(p->handle()) == mitogen::no_context);
    CHECK(p->failure()->reason() == reason::timeout);
    p->release();
}

TEST_CASE("a handle is never the same twice, and an old one finds nothing") {
    world w;
    std::set<mitogen::handle_id> seen;
    mitogen::handle_id old = 0;
    for (int i = 0; i < 1000; ++i) {
        open_call* p = w.open();
        CHECK(p->handle() > UINT32_MAX);
        CHECK(seen.insert(p->handle()).second);
        if (old) CHECK(w.answers->complete(old, 1, bytes("old"), nullptr) == arrival::late);
        old = p->handle();
        CHECK(w.answers->complete(old, 1, bytes("new"), nullptr) == arrival::expected);
        CHECK(p->payload().size() == 3);
        p->release();
    }
    arrival what;
    CHECK(w.answers->find(mitogen::handle_id{1} << 32 | 12345, 1, what) == nullptr);
    CHECK(what == arrival::late);
    CHECK(w.answers->respondent_of(mitogen::handle_id{1} << 32 | 12345) == mitogen::no_context);
}

TEST_CASE("handles of answers cannot be guessed from others, nor from another run") {
    world w, again;
    std::set<mitogen::handle_id> upper, later;
    for (int i = 0; i < 300; ++i) {
        open_call* p = w.open();
        open_call* q = again.open();
        CHECK(mitogen::detail::is_reply_handle(p->handle()));
        upper.insert(p->handle() >> 32);
        later.insert(q->handle() >> 32);
        w.answers->fail(*p, error(reason::cancelled, "x"));
        again.answers->fail(*q, error(reason::cancelled, "x"));
        p->release();
        q->release();
    }
    CHECK(upper.size() == 300); // one slot: none comes twice
    CHECK(*upper.rbegin() - *upper.begin() > 0x4000'0000u);
    int shared = 0;
    for (const mitogen::handle_id one : later) shared += static_cast<int>(upper.count(one));
    CHECK(shared < 3);
}

TEST_CASE("an answer may be large, and may be handed over with its buffer") {
    world w;
    const std::string large(100'000, 'x');
    open_call* copied = w.open();
    open_call* moved = w.open();
    mitogen::buffer whole(bytes(large.c_str()));
    const std::byte* where = whole.data();
    CHECK(w.answers->complete(copied->handle(), 1, bytes(large.c_str()), nullptr) ==
          arrival::expected);
    CHECK(w.answers->complete(moved->handle(), 1, whole, &whole) == arrival::expected);
    CHECK(copied->payload().size() == large.size());
    CHECK(moved->payload().data() == where);
    copied->release();
    moved->release();
    open_call* next = w.open();
    CHECK(next->payload().empty());
    w.answers->fail(*next, error(reason::cancelled, ""));
    next->release();
}

TEST_CASE("a slot is not used again while somebody still looks at it") {
    world w;
    open_call* p = w.open();
    w.answers->complete(*p, bytes("kept"), nullptr);
    open_call* other = w.open();
    CHECK(other != p);
    CHECK(p->payload().size() == 4);
    p->release();
    open_call* third = w.open();
    CHECK(third == p);
    CHECK_FALSE(third->done());
    CHECK(third->payload().empty());
    for (open_call* q : {other, third}) {
        w.answers->fail(*q, error(reason::cancelled, ""));
        q->release();
    }
}

TEST_CASE("no more answers than the limit are awaited, and none after the end") {
    world w(2);
    open_call* a = w.open();
    open_call* b = w.open();
    std::optional<error> why;
    CHECK(w.answers->open(1, why) == nullptr);
    CHECK(why->reason() == reason::overloaded);
    w.answers->complete(*a, {}, nullptr);
    open_call* c = w.open(); // although nobody has looked at `a` yet
    w.answers->refuse();
    why.reset();
    CHECK(w.answers->open(1, why) == nullptr);
    CHECK(why->reason() == reason::broker_exited);
    w.answers->fail_all(mitogen::no_context, error(reason::broker_exited, "end"));
    for (open_call* p : {a, b, c}) p->release();
}

TEST_CASE("all that one context was asked fails together") {
    world w;
    open_call* a = w.open(1);
    open_call* b = w.open(2);
    open_call* c = w.open(1);
    w.answers->fail_all(1, error(reason::respondent_lost, "gone"));
    CHECK(a->done());
    CHECK_FALSE(b->done());
    CHECK(c->failure()->reason() == reason::respondent_lost);
    w.answers->fail_all(mitogen::no_context, error(reason::broker_exited, "end"));
    CHECK(b->failure()->reason() == reason::broker_exited);
    for (open_call* p : {a, b, c}) p->release();
}

TEST_CASE("continuations run once, in order, before or after completion") {
    world w;
    std::string order;
    open_call* p = w.open();
    w.answers->then(*p, [&] { order += 'a'; });
    w.answers->then(*p, [&] { order += 'b'; });
    w.answers->then(*p, [&] { order += 'c'; });
    CHECK(order.empty());
    w.answers->complete(*p, {}, nullptr);
    CHECK(order == "abc");
    w.answers->then(*p, [&] { order += 'd'; });
    CHECK(order == "abcd");
    p->release();
}

TEST_CASE("a continuation may ask again") {
    world w;
    open_call* p = w.open(1);
    open_call* next = nullptr;
    w.answers->then(*p, [&] { next = w.open(2); });
    w.answers->fail_all(1, error(reason::respondent_lost, "gone"));
    REQUIRE(next);
    CHECK_FALSE(next->done());
    w.answers->complete(*next, {}, nullptr);
    next->release();
    p->release();
}

TEST_CASE("an answer outlives the table's owner") {
    world w;
    open_call* p = w.open();
    w.answers->fail_all(mitogen::no_context, error(reason::broker_exited, "end"));
    w.answers.reset();
    CHECK(p->failure()->reason() == reason::broker_exited);
    p->release(); // the last one frees the table; the sanitizers look
}

TEST_CASE("a hundred thousand abandoned calls leave the table empty and small") {
    world w;
    std::set<open_call*> slots;
    for (int i = 0; i < 100'000; ++i) {
        open_call* p = w.open();
        slots.insert(p);
        w.answers->fail(*p, error(reason::cancelled, ""));
        p->release();
    }
    CHECK(w.answers->open_count() == 0);
    CHECK(slots.size() == 1);
}

TEST_CASE("answer, error and giving up may compete: one wins, everyone sees it") {
    world w(100);
    constexpr int rounds = 3000;
    std::atomic<int> wins{0}, continued{0};
    std::atomic<mitogen::handle_id> handle{0};
    std::atomic<int> round{0}, left{0};
    std::vector<std::thread> threads;
    for (int t = 0; t < 2; ++t) {
        threads.emplace_back([&, t] {
            for (int i = 1; i <= rounds; ++i) {
                while (round.load(std::memory_order_acquire) < i) std::this_thread::yield();
                arrival what;
                if (t) {
                    wins +=
                        w.answers->complete(handle, 1, bytes("v"), nullptr) == arrival::expected;
                } else if (open_call* p = w.answers->find(handle, 1, what)) {
                    wins += w.answers->fail(*p, error(reason::cancelled, "c"));
                    p->release();
                }
                --left;
            }
        });
    }
    for (int i = 1; i <= rounds; ++i) {
        open_call* p = w.open(1);
        handle = p->handle();
        left = 2;
        round.store(i, std::memory_order_release);
        w.answers->then(*p, [&] { ++continued; });
        if (i % 3 == 0) wins += w.answers->fail(*p, error(reason::timeout, "t"));
        // whoever has won may still be at it
        while (!p->done()) p->wake.sleep_until(mitogen::never);
        CHECK((p->failure() != nullptr || p->payload().size() == 1));
        p->release();
        while (left) std::this_thread::yield();
    }
    for (std::thread& t : threads) t.join();
    CHECK(wins == rounds);
    CHECK(continued == rounds);
    CHECK(w.answers->open_count() == 0);
}

} // namespace
