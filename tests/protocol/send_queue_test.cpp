// SPDX-License-Identifier: BSL-1.0
#include <mitogen/protocol/assembler.hpp>
#include <mitogen/protocol/send_queue.hpp>

#include <algorithm>
#include <catch2/catch.hpp>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <random>
#include <span>
#include <string>
#include <utility>
#include <vector>

namespace {

using mitogen::buffer;
using mitogen::detail::fragment_bytes;
using mitogen::header;
using mitogen::detail::header_layout;
using mitogen::detail::message_flags;

const int lanes[4] = {};

buffer filled(std::size_t size, unsigned char with) {
    buffer b(size);
    if (size) std::memset(b.data(), with, size);
    return b;
}

std::span<const std::byte> text(const char* s) {
    return std::as_bytes(std::span(s, std::strlen(s)));
}

template <class Sink>
void read_frames(mitogen::detail::frame_reader& reader, Sink& sink, const std::byte* data,
                 std::size_t size) {
    while (size) {
        mitogen::detail::read_target targets[2];
        reader.prepare(targets);
        const std::size_t part = std::min(size, targets[0].size);
        std::memcpy(targets[0].data, data, part);
        REQUIRE(reader.commit(part, sink) == nullptr);
        data += part;
        size -= part;
    }
}

/// What a peer makes of the bytes: messages in the order of their completion, and the frames.
struct peer {
    struct whole {
        header head;
        std::size_t size;
        unsigned char filling;
    };
    mitogen::detail::frame_reader reader;
    mitogen::detail::assembler parts;
    std::vector<header> frames;
    std::vector<whole> messages;

    void frame(const header& h, std::span<const std::byte> p) {
        frames.push_back(h);
        const auto finished = [&](const header& head, std::span<const std::byte> all) {
            const bool even =
                std::all_of(all.begin(), all.end(), [&](std::byte b) { return b == all[0]; });
            REQUIRE(even);
            messages.push_back(
                {head, all.size(),
                 all.empty() ? static_cast<unsigned char>(0) : static_cast<unsigned char>(all[0])});
        };
        if (!(h.flags & message_flags::fragment)) return finished(h, p);
        if (h.flags & message_flags::first) {
            REQUIRE(parts.announce(h, p, 1u << 30) == mitogen::detail::assembler::outcome::stored);
            return;
        }
        const auto what = parts.add(h, p);
        REQUIRE(what != mitogen::detail::assembler::outcome::stray);
        if (what != mitogen::detail::assembler::outcome::complete) return;
        const mitogen::detail::assembled a = parts.take(h);
        finished(a.head, a.payload);
    }
    std::byte* reserve(const header&) { return nullptr; }
    void reserved_complete(const header&) {}
    bool stopped() const { return false; }

    void feed(const std::byte* data, std::size_t size) { read_frames(reader, *this, data, size); }
};

/// Passes on what it reads.
struct hop {
    mitogen::detail::frame_reader reader;
    mitogen::detail::send_queue queue;

    void frame(const header& h, std::span<const std::byte> p) { queue.forward(h, p, this); }
    std::byte* reserve(const header&) { return nullptr; }
    void reserved_complete(const header&) {}
    bool stopped() const { return false; }
    void feed(const std::byte* data, std::size_t size) { read_frames(reader, *this, data, size); }
};

/// Writes one batch, at most `step` bytes a time.
template <class To>
void transmit(mitogen::detail::send_batch& batch, To& to,
              std::size_t step = static_cast<std::size_t>(-1)) {
    while (!batch.empty()) {
        std::size_t sent = 0;
        int pieces = 0;
        batch.pieces([&](const std::byte* data, std::size_t size) {
            ++pieces;
            const std::size_t part = std::min(size, step - sent);
            to.feed(data, part);
            sent += part;
        });
        REQUIRE(pieces <= 3);
        REQUIRE(sent > 0);
        batch.consume(sent);
    }
}

void transmit_all(mitogen::detail::send_queue& queue, peer& to,
                  std::size_t step = static_cast<std::size_t>(-1)) {
    mitogen::detail::send_batch batch;
    while (queue.take(batch)) transmit(batch, to, step);
}

/// The handles of the frames in a batch, in their order.
std::vector<mitogen::handle_id> handles_in(const mitogen::detail::send_batch& batch) {
    struct {
        std::vector<mitogen::handle_id> handles{};

        void frame(const header& h, std::span<const std::byte>) { handles.push_back(h.handle); }
        std::byte* reserve(const header&) { return nullptr; }
        void reserved_complete(const header&) {}
        bool stopped() const { return false; }
    } sink;
    mitogen::detail::frame_reader reader;
    batch.pieces([&](const std::byte* data, std::size_t size) {
        read_frames(reader, sink, data, size);
    });
    return sink.handles;
}

/// Those of the next batch, of which lines may give that much; none if there is none.
std::vector<mitogen::handle_id> next_handles(mitogen::detail::send_queue& queue,
                                             std::size_t of_lines = 4096) {
    mitogen::detail::send_batch batch;
    return queue.take(batch, of_lines) ? handles_in(batch) : std::vector<mitogen::handle_id>{};
}

/// Those of all frames, in the order in which they leave.
std::vector<mitogen::handle_id> handles_sent(mitogen::detail::send_queue& queue) {
    std::vector<mitogen::handle_id> all;
    mitogen::detail::send_batch batch;
    while (queue.take(batch)) {
        const std::vector<mitogen::handle_id> part = handles_in(batch);
        all.insert(all.end(), part.begin(), part.end());
    }
    return all;
}

TEST_CASE("small messages leave in one batch, in order") {
    mitogen::detail::send_queue queue;
    CHECK(queue.empty());
    for (std::uint32_t i = 0; i < 50; ++i) queue.push({.dst = i}, text("abc").first(0), &lanes[0]);
    CHECK(queue.queued() == 50 * header_layout::size);
    CHECK_FALSE(queue.empty());
    mitogen::detail::send_batch batch;
    REQUIRE(queue.take(batch));
    CHECK(queue.empty());
    CHECK(queue.queued() == 0);
    peer to;
    transmit(batch, to, 33);
    CHECK(batch.left() == 0);
    REQUIRE(to.messages.size() == 50);
    for (std::uint32_t i = 0; i < 50; ++i) CHECK(to.messages[i].head.dst == i);
    CHECK_FALSE(queue.take(batch));
}

TEST_CASE("a large message leaves in fragments, and small ones of other lanes pass between them") {
    mitogen::detail::send_queue queue;
    queue.push({.dst = 1, .handle = 5, .flags = message_flags::failed},
               filled(3 * fragment_bytes + 5, 'L'), &lanes[0]);
    peer to;
    mitogen::detail::send_batch batch;
    for (unsigned char i = 0; i < 4; ++i) {
        queue.push({.dst = 1}, filled(1, static_cast<unsigned char>('a' + i)), &lanes[1]);
        REQUIRE(queue.take(batch));
        transmit(batch, to, 50'000);
        REQUIRE(to.messages.size() >= std::size_t{i} + 1);
        CHECK(to.messages[i].filling == 'a' + i); // not behind the large one
    }
    REQUIRE(to.messages.size() == 5);
    CHECK(to.messages[4].filling == 'L');
    CHECK(to.messages[4].size == 3 * fragment_bytes + 5);
    CHECK(to.messages[4].head.handle == 5);
    CHECK(to.messages[4].head.flags == message_flags::failed);
    CHECK_FALSE(queue.take(batch));
    CHECK(queue.queued() == 0);
}

TEST_CASE("what a lane sends to one destination stays in order behind its large message") {
    mitogen::detail::send_queue queue;
    queue.push({.dst = 1}, filled(2 * fragment_bytes, '1'), &lanes[0]);
    queue.push({.dst = 1}, filled(10, '2'), &lanes[0]);
    queue.push({.dst = 1}, filled(2 * fragment_bytes, '3'), &lanes[0]);
    queue.push({.dst = 1}, filled(10, '4'), &lanes[0]);
    queue.push({.dst = 1}, filled(2 * fragment_bytes, '5'), &lanes[0]);
    queue.push({.dst = 2}, filled(10, 'x'), &lanes[0]); // another destination
    queue.push({.dst = 1}, filled(10, 'y'), &lanes[1]); // another lane
    peer to;
    transmit_all(queue, to);
    std::string order, same_lane;
    for (const auto& m : to.messages) {
        order += static_cast<char>(m.filling);
        if (m.filling <= '9') same_lane += static_cast<char>(m.filling);
    }
    CHECK(same_lane == "12345");
    CHECK(order.substr(0, 2) == "xy");
    CHECK(queue.empty());
    CHECK(queue.queued() == 0);
}

TEST_CASE("a secret travels in memory of its own, and what its lane sends stays behind it") {
    const auto hidden = [](std::size_t size, unsigned char with) {
        buffer b = filled(size, with);
        b.keep_secret();
        return b;
    };
    mitogen::detail::send_queue queue;
    queue.push({.dst = 1}, filled(10, '1'), &lanes[0]);
    queue.push({.dst = 1, .flags = message_flags::failed}, hidden(24, '2'), &lanes[0]);
    queue.push({.dst = 1}, filled(10, '3'), &lanes[0]);
    queue.push({.dst = 1}, hidden(2 * fragment_bytes, '4'), &lanes[0]);
    queue.push({.dst = 1}, hidden(24, '5'), &lanes[0]);
    queue.push({.dst = 1}, filled(10, '6'), &lanes[0]);
    hop middle;
    mitogen::detail::send_batch batch;
    while (queue.take(batch)) transmit(batch, middle);
    CHECK(queue.queued() == 0);
    peer to;
    transmit_all(middle.queue, to);
    REQUIRE(to.messages.size() == 6);
    for (std::size_t i = 0; i < 6; ++i) CHECK(to.messages[i].filling == '1' + i);
    CHECK(to.messages[1].size == 24);
    CHECK(to.messages[1].head.flags == message_flags::failed);
    for (const header& h : to.frames) {
        const bool fragment = h.flags & message_flags::fragment;
        // the whole ones are the other three
        CHECK(static_cast<bool>(h.flags & message_flags::secret) == fragment);
    }
}

TEST_CASE("a secret that was passed on is overwritten before its memory is used for the next") {
    const std::uint8_t flag = GENERATE(message_flags::fragment, message_flags::secret);
    mitogen::detail::send_queue queue;
    queue.forward({.dst = 1, .length = 24, .flags = flag}, filled(24, 'S'),
                  &lanes);
    mitogen::detail::send_batch batch;
    REQUIRE(queue.take(batch));
    const std::byte* memory = nullptr;
    batch.pieces([&](const std::byte* data, std::size_t size) {
        if (size == 24) memory = data;
    });
    REQUIRE(memory);
    CHECK(*memory == std::byte{'S'});
    batch.consume(batch.size());
    CHECK_FALSE(queue.take(batch));
    CHECK((*memory == std::byte{'S'}) == (flag == message_flags::fragment));
}

TEST_CASE("several large messages take turns") {
    mitogen::detail::send_queue queue;
    for (std::uint32_t i = 0; i < 3; ++i)
        queue.push({.dst = 1}, filled(4 * fragment_bytes, static_cast<unsigned char>('a' + i)),
                   &lanes[i]);
    peer to;
    transmit_all(queue, to);
    CHECK(to.messages.size() == 3);
    // Neither waits for another: each of the first three announcements comes before any second
    // part.
    std::vector<std::uint32_t> streams;
    for (const header& h : to.frames)
        if (!(h.flags & message_flags::first)) streams.push_back(h.stream);
    REQUIRE(streams.size() == 12);
    for (std::size_t i = 3; i < 12; ++i) CHECK(streams[i] == streams[i - 3]);
}

TEST_CASE("a forwarded fragment stays as it is") {
    mitogen::detail::send_queue queue;
    header h{.dst = 4, .src = 9, .auth = 9, .handle = 3, .reply_to = 2, .length = 3, .stream = 77};
    h.flags = message_flags::fragment | message_flags::last;
    queue.forward(h, text("abc"), &lanes);
    mitogen::detail::send_batch batch;
    REQUIRE(queue.take(batch));
    std::vector<std::byte> bytes;
    batch.pieces([&](const std::byte* data, std::size_t size) {
        bytes.insert(bytes.end(), data, data + size);
    });
    std::vector<std::byte> expected(header_layout::size);
    mitogen::detail::write_header(expected.data(), h);
    expected.insert(expected.end(), text("abc").begin(), text("abc").end());
    CHECK(bytes == expected);
}

TEST_CASE(
    "what is passed on does not wait for the fragments of a message that is still coming in") {
    mitogen::detail::send_queue queue;
    header part{.dst = 4, .src = 9, .auth = 9, .handle = 3, .stream = 7};
    part.flags = message_flags::fragment;
    const header small{.dst = 4, .src = 9, .auth = 9, .handle = 5, .length = 1};
    for (int i = 0; i < 10; ++i) {
        part.length = 3;
        queue.forward(part, text("abc"), &lanes);
    }
    queue.forward(small, text("s"), &lanes);
    std::vector<mitogen::handle_id> order = handles_sent(queue);
    CHECK(order.front() == 5);
    CHECK(order.size() == 11);

    // behind the last fragment it may be of the same lane, and stays behind it; so does what
    // follows it
    part.flags = message_flags::fragment | message_flags::last;
    queue.forward(part, text("abc"), &lanes);
    queue.forward(small, text("s"), &lanes);
    // of another source
    queue.forward({.dst = 4, .src = 8, .auth = 8, .handle = 6, .length = 1}, text("t"),
                  &lanes);
    queue.forward({.dst = 4, .src = 9, .auth = 9, .handle = 7, .length = 1}, text("u"),
                  &lanes);
    order = handles_sent(queue);
    CHECK(order == std::vector<mitogen::handle_id>{6, 3, 5, 7});
    CHECK(queue.empty());
    CHECK(queue.queued() == 0);
}

TEST_CASE("what is passed on overtakes all that is of other lanes") {
    mitogen::detail::send_queue source;
    hop middle;
    mitogen::detail::send_batch batch;
    const auto pass_on = [&] {
        while (source.take(batch)) transmit(batch, middle);
    };
    for (int i = 0; i < 5; ++i)
        source.push({.dst = 4, .src = 9, .handle = 1}, filled(3 * fragment_bytes, 'a'), &lanes[0]);
    pass_on();
    source.push({.dst = 4, .src = 9, .handle = 2}, text("s"), &lanes[0]);
    source.push({.dst = 4, .src = 9, .handle = 3}, text("t"), &lanes[1]);
    pass_on();
    const std::vector<mitogen::handle_id> order = handles_sent(middle.queue);
    REQUIRE(order.size() == 5 * 4 + 2);
    CHECK(order.front() == 3);
    CHECK(order.back() == 2);
}

TEST_CASE("a lane has a number of its own, or one that it shares with all that came too late") {
    mitogen::detail::lane_numbers numbers;
    const std::vector<int> many(2 * mitogen::detail::lane_numbers::most);
    std::vector<std::uint32_t> given;
    for (const int& lane : many) given.push_back(numbers.number(&lane));
    for (std::size_t i = 0; i < many.size(); ++i) {
        CAPTURE(i);
        CHECK(numbers.number(&many[i]) == given[i]);
        CHECK(mitogen::detail::lane_numbers::lane_of(given[i]) == given[i]);
        CHECK((given[i] == 0) == (i >= mitogen::detail::lane_numbers::most));
        if (given[i]) CHECK(std::count(given.begin(), given.end(), given[i]) == 1);
    }
}

TEST_CASE("what one lane sends keeps its order through a hop, whatever its sizes") {
    const unsigned seed = GENERATE(range(1u, 60u));
    // the second: many share a number
    const std::size_t count = GENERATE(std::size_t{3}, 2 * mitogen::detail::lane_numbers::most);
    CAPTURE(seed, count);
    const std::vector<int> threads(count);
    std::mt19937 random(seed);
    mitogen::detail::send_queue source;
    hop middle;
    mitogen::detail::send_batch from_source;
    mitogen::detail::send_batch from_middle;
    peer to;
    std::vector<unsigned char> next(count);
    const auto pass_on = [&] {
        if (source.take(from_source)) transmit(from_source, middle);
    };
    const auto deliver = [&] {
        if (middle.queue.take(from_middle)) transmit(from_middle, to);
    };
    for (int i = 0; i < 300; ++i) {
        switch (random() % 4) {
        case 0:
        case 1: {
            const std::size_t lane = random() % count;
            const std::size_t size =
                random() % 3 == 0 ? fragment_bytes * (1 + random() % 4) + 1 : 1 + random() % 100;
            // the handle says which lane, the bytes how many it has sent before
            source.push({.dst = 4, .src = 9, .auth = 9, .handle = lane + 1},
                        filled(size, next[lane]++), &threads[lane]);
            break;
        }
        case 2: pass_on(); break;
        default: deliver();
        }
    }
    while (!source.empty()) pass_on();
    while (!middle.queue.empty()) deliver();
    std::vector<unsigned char> expected(count);
    for (const auto& m : to.messages) CHECK(m.filling == expected[m.head.handle - 1]++);
    CHECK(expected == next);
    CHECK(middle.queue.queued() == 0);
}

TEST_CASE("what is queued is counted exactly, however long the queue is never empty") {
    mitogen::detail::send_queue queue;
    peer to;
    mitogen::detail::send_batch batch;
    // keeps it from being empty
    queue.push({.dst = 9}, filled(40 * fragment_bytes, 'z'), &lanes[3]);
    for (int i = 0; i < 20; ++i) {
        queue.push({.dst = 1}, filled(fragment_bytes + 1, 'b'), &lanes[0]);
        REQUIRE(queue.take(batch));
        transmit(batch, to);
    }
    std::uint64_t sent_of_large = 0, whole = 0;
    for (const header& h : to.frames)
        if ((h.flags & message_flags::fragment) && !(h.flags & message_flags::first))
            sent_of_large += h.length;
    for (const header& h : to.frames)
        if (h.flags & message_flags::first) ++whole;
    const std::uint64_t pushed = 40 * fragment_bytes + 20 * (fragment_bytes + 1);
    const std::uint64_t unannounced = 21 - whole;
    CHECK(queue.queued() == pushed - sent_of_large + unannounced * header_layout::size);
    transmit_all(queue, to);
    CHECK(queue.queued() == 0);
}

TEST_CASE("a burst does not keep its memory") {
    mitogen::detail::send_queue queue;
    for (int i = 0; i < 100; ++i) queue.push({.dst = 1}, filled(fragment_bytes, 'x'), &lanes[0]);
    mitogen::detail::send_batch batch;
    peer to;
    REQUIRE(queue.take(batch));
    CHECK(batch.size() > 100 * fragment_bytes);
    transmit(batch, to);
    CHECK_FALSE(queue.take(batch));
    CHECK(batch.empty());
    CHECK(to.messages.size() == 100);
}

TEST_CASE(
    "random traffic of several lanes arrives complete and in order per lane and destination") {
    const unsigned seed = 4242;
    INFO("seed " << seed);
    std::mt19937 random(seed);
    mitogen::detail::send_queue queue;
    peer to;
    std::uint64_t number = 0;
    std::vector<std::pair<std::uint64_t, std::size_t>> sent; // handle, size
    for (int round = 0; round < 120; ++round) {
        for (unsigned n = random() % 4; n > 0; --n) {
            const std::size_t size =
                random() % 4 == 0 ? random() % (3 * fragment_bytes) : random() % 200;
            const auto lane = random() % 4;
            header h{.dst = static_cast<std::uint32_t>(random() % 2),
                     .src = static_cast<std::uint32_t>(lane),
                     .handle = ++number};
            sent.emplace_back(number, size);
            queue.push(h, filled(size, 'r'), &lanes[lane]);
        }
        mitogen::detail::send_batch batch;
        if (queue.take(batch)) transmit(batch, to, 1 + random() % 200'000);
    }
    transmit_all(queue, to);
    REQUIRE(to.messages.size() == sent.size());
    std::uint64_t last[4][2] = {};
    for (const auto& m : to.messages) {
        CHECK(m.head.handle > last[m.head.src][m.head.dst]);
        last[m.head.src][m.head.dst] = m.head.handle;
        CHECK(m.size == sent[m.head.handle - 1].second);
    }
    CHECK(to.parts.pending() == 0);
}

TEST_CASE("nobody waits behind what another one sends without end") {
    mitogen::detail::send_queue queue;
    const int links[3] = {};
    for (mitogen::handle_id i = 0; i < 10'000; ++i)
        queue.forward({.dst = 4, .src = 8, .handle = 100'000 + i, .length = 1}, text("x"),
                      &links[0]);
    // of another link, and of this side
    queue.forward({.dst = 4, .src = 9, .handle = 1, .length = 1}, text("y"), &links[1]);
    queue.push({.dst = 4, .handle = 2}, text("z"), &lanes[0]);
    const std::vector<mitogen::handle_id> first = next_handles(queue);
    CHECK(first.size() < 300);
    CHECK(std::count(first.begin(), first.end(), 1u) == 1);
    CHECK(std::count(first.begin(), first.end(), 2u) == 1);
    // lines share: two that are as long as each other send as much
    for (mitogen::handle_id i = 0; i < 10'000; ++i)
        queue.forward({.dst = 4, .src = 9, .handle = 200'000 + i, .length = 1}, text("y"),
                      &links[1]);
    (void)next_handles(queue);
    const std::vector<mitogen::handle_id> shared = next_handles(queue);
    const auto others = std::count_if(shared.begin(), shared.end(),
                                      [](mitogen::handle_id h) { return h >= 200'000; });
    CHECK(others * 2 == static_cast<std::ptrdiff_t>(shared.size()));
    CHECK(others > 10);
}

TEST_CASE("what one link sends stays in its order, in a line or not, fragments and secrets too") {
    mitogen::detail::send_queue queue;
    std::mt19937 random(GENERATE(range(1u, 21u)));
    const int links[2] = {};
    mitogen::handle_id next[2] = {};
    mitogen::handle_id seen[2] = {};
    std::size_t sent = 0;
    const auto look = [&](const std::vector<mitogen::handle_id>& handles) {
        for (const mitogen::handle_id h : handles) {
            const bool second = h >= 1'000'000;
            CHECK(h == (second ? 1'000'000 : 0) + seen[second]++);
            ++sent;
        }
    };
    for (int i = 0; i < 4000; ++i) {
        const bool second = random() % 4 == 0;
        header h{.dst = 4,
                 .src = second ? 8u : 9u,
                 .handle = (second ? 1'000'000u : 0u) + next[second]++};
        switch (random() % 100) {
        case 0: h.flags = message_flags::fragment | message_flags::last; break;
        case 1: h.flags = message_flags::secret; break;
        default: break;
        }
        h.length = static_cast<std::uint32_t>(random() % 300);
        queue.forward(h, filled(h.length, 'x'), &links[second], &links[second]);
        if (random() % 200 == 0) look(handles_sent(queue));
        if (random() % 50 == 0) look(next_handles(queue, random() % 3000));
    }
    look(handles_sent(queue));
    CHECK(sent == 4000);
    CHECK(queue.empty());
    CHECK(queue.queued() == 0);
    CHECK(queue.charged() == 0);
}

TEST_CASE("what may lie unread is so many frames, of the size of those in lines") {
    mitogen::detail::send_queue queue;
    CHECK_FALSE(queue.most_unread());
    for (int i = 0; i < 1000; ++i)
        queue.forward({.dst = 4, .src = 8, .length = 60}, filled(60, 'x'), &lanes[0]);
    const auto small = queue.most_unread();
    REQUIRE(small);
    CHECK(*small == 128 * (header_layout::size + 60));
    // nothing of the line, but what is not in one
    mitogen::detail::send_batch batch;
    REQUIRE(queue.take(batch, 0)); // what came before there was a line
    CHECK_FALSE(queue.take(batch, 0));
    queue.push({.dst = 4, .handle = 2}, text("z"), &lanes[0]);
    CHECK(next_handles(queue, 0) == std::vector<mitogen::handle_id>{2});
    CHECK_FALSE(queue.empty());
    (void)handles_sent(queue);
    CHECK(queue.empty());
    CHECK_FALSE(queue.most_unread());
}

TEST_CASE("the errors that one context is answered are nobody else's to wait for") {
    mitogen::detail::send_queue queue;
    for (int i = 0; i < 10'000; ++i)
        queue.push({.dst = 7, .handle = 5, .reply_to = mitogen::is_dead}, text("dead"), &lanes[0]);
    queue.push({.dst = 3, .handle = 6, .reply_to = mitogen::is_dead}, text("dead"), &lanes[0]);
    queue.push({.dst = 3, .handle = 1}, text("result"), &lanes[0]);
    const std::vector<mitogen::handle_id> first = next_handles(queue);
    CHECK(first.size() < 300);
    CHECK(std::count(first.begin(), first.end(), 1u) == 1);
    CHECK(std::count(first.begin(), first.end(), 6u) == 1);
    CHECK(handles_sent(queue).size() + first.size() == 10'002);
}

} // namespace
