// SPDX-License-Identifier: BSL-1.0
#include "../generic/context_functions.hpp"
#include "../generic/raw_link.hpp"
#include "../support/soon.hpp"

#include <algorithm>
#include <catch2/catch.hpp>
#include <cstring>
#include <mitogen/mitogen.hpp>
#include <random>
#include <string>
#include <thread>
#include <vector>

namespace dispatcher_test {

int square(int x) { return x * x; }
int square_on_pool(int x) { return x * x; }
int square_on_loop(int x) { return x * x; }
int hold_on_pool(int started, int go_on, int value) { return generic::meet(started, go_on, value); }
std::size_t total(const std::vector<std::string>& all) { return all.size(); }

} // namespace dispatcher_test

template <>
inline constexpr auto mitogen::run_on<&dispatcher_test::square_on_pool> = mitogen::on::pool;
template <>
inline constexpr auto mitogen::run_on<&dispatcher_test::hold_on_pool> = mitogen::on::pool;
template <>
inline constexpr auto mitogen::run_on<&dispatcher_test::square_on_loop> = mitogen::on::loop;

namespace {
using namespace dispatcher_test;
using generic::below_raw_link;
using generic::contains;
using generic::shared_pipe;
using mitogen::reason;
namespace handles = mitogen::handles;

constexpr mitogen::handle_id answer = 5'000'000'000;

template <class T>
T value_of(const generic::raw_frame& f) {
    return mitogen::decode<T>(f.payload).value();
}

/// A call is finished a moment after its answer is written.
bool settles_at(below_raw_link& b, std::size_t open_calls) {
    return support::soon([&] { return b.dispatcher.open_calls() == open_calls; }, generic::plenty);
}

TEST_CASE("a call is answered exactly once, wherever it runs") {
    below_raw_link b;
    int n = 0;
    for (const auto& bytes :
         {b.call_of<&square>(7), b.call_of<&square_on_pool>(7), b.call_of<&square_on_loop>(7)}) {
        b.peer.send(b.to_child(handles::call_function, answer + static_cast<unsigned>(n++)), bytes);
    }
    b.peer.send(b.to_child(handles::ping, answer + 100));
    std::vector<mitogen::handle_id> answered;
    for (int i = 0; i < 4; ++i) {
        const auto f = b.peer.receive();
        REQUIRE(f);
        if (f->head.handle < answer + 100) CHECK(value_of<int>(*f) == 49);
        answered.push_back(f->head.handle);
    }
    std::sort(answered.begin(), answered.end());
    CHECK(answered ==
          std::vector<mitogen::handle_id>{answer, answer + 1, answer + 2, answer + 100});
}

TEST_CASE("what is no call is answered with what is wrong with it") {
    below_raw_link b;
    const auto said = [&](std::span<const std::byte> bytes) {
        b.peer.send(b.to_child(handles::call_function, answer), bytes);
        return b.peer.error_for(answer);
    };
    const auto whole = b.call_of<&square>(7);
    for (std::size_t size = 0; size < whole.size(); ++size) {
        INFO(size);
        CHECK(said(std::span(whole).first(size)).reason() == reason::bad_arguments);
    }
    auto longer = whole;
    longer.push_back(std::byte{0});
    CHECK(said(longer).reason() == reason::bad_arguments);
    CHECK(contains(said(longer).message(), "square"));
    auto flags = whole;
    flags[0] = std::byte{0x80};
    CHECK(said(flags).reason() == reason::bad_arguments);

    mitogen::detail::call_frame unknown;
    unknown.function = 0x7fff'ffff;
    CHECK(said(b.call_bytes(unknown)).reason() == reason::unknown_function);
    unknown.flags = mitogen::detail::call_frame::by_key;
    unknown.function = 0x0123'4567'89AB'CDEF;
    CHECK(said(b.call_bytes(unknown)).reason() == reason::unknown_function);

    // Announces 4 billion strings, and has none.
    const mitogen::error huge = said(b.call_of<&total>(std::uint32_t{0xffff'ffff}));
    CHECK(huge.reason() == reason::bad_arguments);
    CHECK(contains(huge.message(), "argument 1"));
    CHECK(contains(huge.message(), "total"));
    CHECK(settles_at(b, 0));
}

TEST_CASE("random calls are refused or answered, and leave nothing") {
    const unsigned seed = 20260101;
    INFO("seed " << seed);
    std::mt19937 random(seed);
    below_raw_link b;
    int answers = 0;
    for (int round = 0; round < 2000; ++round) {
        auto bytes = b.call_of<&total>(std::vector<std::string>{"a", "bc", "def"});
        if (round % 2) bytes.resize(random() % (bytes.size() + 1));
        for (unsigned hits = random() % 4; hits > 0 && !bytes.empty(); --hits)
            bytes[random() % std::min<std::size_t>(bytes.size(), 40)] =
                static_cast<std::byte>(random());
        // the function stays what it is, or unknown: what else is in this program is not to be
        // called
        if (bytes.size() > 4) {
            bytes[0] = bytes[0] & std::byte{0xfe};
            const auto index = mitogen::detail::entry_of<&total>().index();
            std::memcpy(bytes.data() + 1, &index, 4);
        }
        b.peer.send(b.to_child(handles::call_function, answer + static_cast<unsigned>(round)),
                    bytes);
        const auto f = b.peer.receive();
        REQUIRE(f);
        CHECK(f->head.handle == answer + static_cast<unsigned>(round));
        ++answers;
    }
    CHECK(answers == 2000);
    b.peer.send(b.to_child(handles::ping, answer));
    CHECK(b.peer.receive());
    CHECK(settles_at(b, 0));
}

TEST_CASE("a cancelled call that waits is removed and never runs; it is answered all the same") {
    shared_pipe started, go_on, ran;
    below_raw_link b;
    b.peer.send(b.to_child(handles::call_function, answer),
                b.call_of<&generic::hold>(started.write_end(), go_on.read_end(), 1));
    CHECK(started.wait());
    const int again = ran.write_end();
    b.peer.send(b.to_child(handles::call_function, answer + 1),
                b.call_of<&generic::hold>(again, go_on.read_end(), 2));
    const mitogen::buffer which = mitogen::encode(mitogen::handle_id{answer + 1});
    b.peer.send(b.to_child(handles::cancel_call), which);
    CHECK(b.peer.error_for(answer + 1).reason() == reason::cancelled); // while the first still runs
    CHECK(settles_at(b, 1));
    go_on.post();
    const auto f = b.peer.receive();
    REQUIRE(f);
    CHECK(value_of<int>(*f) == 1);
    CHECK(ran.empty());
}

TEST_CASE("a call that waits for the pool and is cancelled does not run") {
    shared_pipe started, go_on, ran;
    below_raw_link b; // two threads
    for (unsigned i = 0; i < 2; ++i)
        b.peer.send(b.to_child(handles::call_function, answer + i),
                    b.call_of<&hold_on_pool>(started.write_end(), go_on.read_end(), 1));
    CHECK(started.wait());
    CHECK(started.wait());
    b.peer.send(b.to_child(handles::call_function, answer + 2),
                b.call_of<&hold_on_pool>(ran.write_end(), go_on.read_end(), 2));
    b.peer.send(b.to_child(handles::cancel_call), mitogen::encode(mitogen::handle_id{answer + 2}));
    b.peer.send(b.to_child(handles::ping, answer + 3)); // behind the cancellation
    CHECK(b.peer.receive()->head.handle == answer + 3);
    go_on.post();
    go_on.post();
    CHECK(b.peer.error_for(answer + 2).reason() == reason::cancelled);
    CHECK(ran.empty());
}

TEST_CASE("a call whose time is over before it begins does not run") {
    shared_pipe ran, go_on;
    below_raw_link b;
    mitogen::detail::call_frame frame;
    frame.function = mitogen::detail::entry_of<&generic::hold>().index();
    frame.flags = mitogen::detail::call_frame::has_deadline;
    for (const mitogen::duration_ns left :
         {mitogen::duration_ns{0}, mitogen::duration_ns{-5}, INT64_MIN}) {
        frame.time_left = left;
        b.peer.send(b.to_child(handles::call_function, answer),
                    b.call_bytes(frame, ran.write_end(), go_on.read_end(), 1));
        CHECK(b.peer.error_for(answer).reason() == reason::timeout);
    }
    CHECK(ran.empty());
}

TEST_CASE("whoever has no authority here is refused, and so is whoever forges one") {
    below_raw_link b;
    auto h = b.to_child(handles::call_function, answer);
    h.src = 7; // a sibling, on its own authority
    h.auth = 7;
    b.peer.send(h, b.call_of<&square>(7));
    CHECK(b.peer.error_for(answer).reason() == reason::refused_by_policy);
    h.src = 1; // ourselves
    b.peer.send(h, b.call_of<&square>(7));
    CHECK(b.peer.error_for(answer).reason() == reason::unauthorised);
    b.peer.send(b.to_child(4711, answer));
    CHECK(b.peer.error_for(answer).reason() == reason::invalid_handle);
    // an answer that nobody waits for, which wants an answer
    b.peer.send(b.to_child(answer + 9, answer));
    CHECK(b.peer.error_for(answer).reason() == reason::invalid_handle);
    auto elsewhere = b.to_child(handles::ping, answer);
    elsewhere.dst = 99;
    b.peer.send(elsewhere);
    CHECK(b.peer.error_for(answer).reason() == reason::no_route);
}

TEST_CASE("calls that still wait at the end are answered") {
    shared_pipe started, go_on;
    {
        below_raw_link b;
        generic::raw_link& peer = b.peer;
        for (unsigned i = 0; i < 6; ++i) {
            peer.send(b.to_child(handles::call_function, answer + i),
                      b.call_of<&hold_on_pool>(started.write_end(), go_on.read_end(), 1));
        }
        for (unsigned i = 6; i < 9; ++i) {
            peer.send(b.to_child(handles::call_function, answer + i),
                      b.call_of<&generic::hold>(started.write_end(), go_on.read_end(), 1));
        }
        // two of the pool, one of the main thread
        for (int i = 0; i < 3; ++i) CHECK(started.wait());
        peer.send(b.to_child(handles::ping, answer + 50));
        CHECK(peer.receive()->head.handle == answer + 50);
        b.loop.run([&] { b.dispatcher.stop(mitogen::error(reason::broker_exited, "stopped")); });
        for (int i = 0; i < 3; ++i) go_on.post();
        b.main.join();
        b.dispatcher.join_pool();
        CHECK(b.dispatcher.open_calls() == 0);
        int values = 0, refused = 0;
        for (int i = 0; i < 9; ++i) {
            const auto f = peer.receive();
            REQUIRE(f);
            if (f->head.dead() || (f->head.flags & mitogen::detail::message_flags::failed)) {
                CHECK(mitogen::decode_error(f->payload).reason() == reason::broker_exited);
                ++refused;
            } else {
                ++values;
            }
        }
        CHECK(values == 3);
        CHECK(refused == 6);
        b.main = std::thread([] {});
    }
}

TEST_CASE("a hundred thousand calls that are given up leave both tables empty") {
    shared_pipe started, go_on;
    below_raw_link b;
    generic::raw_link& peer = b.peer;
    constexpr unsigned many = 100'000;
    peer.send(b.to_child(handles::call_function, answer),
              b.call_of<&generic::hold>(started.write_end(), go_on.read_end(), 1));
    CHECK(started.wait());
    std::thread drain([&] {
        unsigned cancelled = 0;
        while (cancelled < many) {
            const auto f = peer.receive();
            if (!f) break;
            if (f->head.flags & mitogen::detail::message_flags::failed) ++cancelled;
        }
        CHECK(cancelled == many);
    });
    const auto bytes = b.call_of<&square>(1);
    for (unsigned i = 1; i <= many; ++i)
        peer.send(b.to_child(handles::call_function, answer + i), bytes);
    for (unsigned i = 1; i <= many; ++i)
        peer.send(b.to_child(handles::cancel_call),
                  mitogen::encode(mitogen::handle_id{answer + i}));
    drain.join();
    CHECK(settles_at(b, 1));
    go_on.post();
    REQUIRE(peer.receive());
    peer.send(b.to_child(handles::ping, answer));
    REQUIRE(peer.receive());
    CHECK(settles_at(b, 0));
}

TEST_CASE("calls that wait hold no more bytes than they may") {
    shared_pipe started, go_on;
    mitogen::limits bounds;
    bounds.queue_bytes = 1000;
    below_raw_link b(bounds);
    b.peer.send(b.to_child(handles::call_function, answer),
                b.call_of<&hold_on_pool>(started.write_end(), go_on.read_end(), 1));
    REQUIRE(started.wait());
    const auto large = b.call_of<&total>(std::vector<std::string>{std::string(2000, 'x')});
    b.peer.send(b.to_child(handles::call_function, answer + 1), large);
    const mitogen::error why = b.peer.error_for(answer + 1);
    CHECK(why.reason() == reason::overloaded);
    CHECK(contains(why.message(), "bytes"));
    // a small one has room
    b.peer.send(b.to_child(handles::call_function, answer + 2), b.call_of<&square>(7));
    auto f = b.peer.receive();
    REQUIRE(f);
    CHECK(value_of<int>(*f) == 49);
    go_on.post();
    REQUIRE(b.peer.receive());
    REQUIRE(settles_at(b, 0));
    b.peer.send(b.to_child(handles::call_function, answer + 3), large); // alone it may be larger
    f = b.peer.receive();
    REQUIRE(f);
    CHECK(value_of<std::size_t>(*f) == 1);
}

} // namespace
