// SPDX-License-Identifier: BSL-1.0
#include <mitogen/protocol/frame_reader.hpp>

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
using mitogen::detail::frame_reader;
using mitogen::header;
using mitogen::detail::header_layout;
using mitogen::detail::read_target;

struct received {
    header head;
    std::vector<std::byte> payload;
};

std::vector<std::byte> pattern(std::size_t size, unsigned seed) {
    std::vector<std::byte> out(size);
    for (std::size_t i = 0; i < size; ++i)
        out[i] = static_cast<std::byte>((i * 31 + seed) >> (i % 5));
    return out;
}

void put(std::vector<std::byte>& to, header h, const std::vector<std::byte>& payload) {
    h.length = static_cast<std::uint32_t>(payload.size());
    const std::size_t at = to.size();
    to.resize(at + header_layout::size);
    mitogen::detail::write_header(to.data() + at, h);
    to.insert(to.end(), payload.begin(), payload.end());
}

/// Frames to 0, 1 and so on, each with a pattern of its own.
std::vector<std::byte> numbered_frames(unsigned count, std::size_t size) {
    std::vector<std::byte> bytes;
    for (unsigned i = 0; i < count; ++i) put(bytes, {.dst = i}, pattern(size, i));
    return bytes;
}

/// Takes every frame; reserves for those whose number is in `direct`.
struct sink {
    std::vector<received> got;
    bool direct = false;
    std::size_t stop_after = static_cast<std::size_t>(-1);
    std::vector<std::byte> reserved;
    int reservations = 0;

    void frame(const header& h, std::span<const std::byte> p) {
        got.push_back({h, {p.begin(), p.end()}});
    }
    std::byte* reserve(const header& h) {
        if (!direct) return nullptr;
        ++reservations;
        reserved.assign(h.length, std::byte{0});
        return reserved.data();
    }
    void reserved_complete(const header& h) { got.push_back({h, std::exchange(reserved, {})}); }
    bool stopped() const { return got.size() >= stop_after; }
};

/// Gives `bytes` to the reader in pieces of at most `step`, and returns what it says.
std::string feed(frame_reader& reader, sink& to, std::span<const std::byte> bytes,
                 std::size_t step) {
    while (!bytes.empty()) {
        mitogen::detail::read_target targets[2];
        const int n = reader.prepare(targets);
        std::size_t given = 0;
        for (int i = 0; i < n; ++i) {
            if (targets[i].size == 0) return "no room";
            const std::size_t part = std::min({bytes.size(), targets[i].size, step - given});
            std::memcpy(targets[i].data, bytes.data(), part);
            bytes = bytes.subspan(part);
            given += part;
        }
        if (const char* wrong = reader.commit(given, to)) return wrong;
    }
    return {};
}

TEST_CASE("frames come out whole whatever the pieces in which bytes arrive") {
    const bool direct = GENERATE(false, true);
    std::vector<std::byte> bytes;
    std::vector<std::vector<std::byte>> payloads;
    unsigned number = 0;
    for (const std::size_t size :
         {std::size_t{0}, std::size_t{1}, std::size_t{39}, std::size_t{8191}, std::size_t{8192},
          std::size_t{100'000}, mitogen::detail::fragment_bytes, std::size_t{0},
          mitogen::detail::fragment_bytes, mitogen::detail::fragment_bytes, std::size_t{64 * 1024},
          std::size_t{17}}) {
        payloads.push_back(pattern(size, number));
        put(bytes, {.dst = number, .handle = 1000 + number}, payloads.back());
        ++number;
    }
    for (const std::size_t step :
         {std::size_t{1}, std::size_t{7}, std::size_t{40}, std::size_t{4096}, std::size_t{65536},
          std::size_t{200'000}, bytes.size()}) {
        INFO("step " << step << " direct " << direct);
        frame_reader reader;
        sink to;
        to.direct = direct;
        REQUIRE(feed(reader, to, bytes, step).empty());
        REQUIRE(to.got.size() == payloads.size());
        bool equal = true;
        for (std::size_t i = 0; i < payloads.size(); ++i)
            equal = equal && to.got[i].head.dst == i && to.got[i].payload == payloads[i];
        CHECK(equal);
        if (direct && step == 4096) CHECK(to.reservations >= 5);
    }
}

TEST_CASE("the payload of a secret frame is not left in the reader's memory") {
    const bool secret = GENERATE(false, true);
    const bool direct = GENERATE(false, true);
    const std::size_t size = GENERATE(24u, 9000u);
    frame_reader reader;
    sink to;
    to.direct = direct;
    const std::vector<std::byte> payload(size, std::byte{'S'});
    std::vector<std::byte> bytes;
    put(bytes, {.flags = secret ? mitogen::detail::message_flags::secret : std::uint8_t{0}},
        payload);
    mitogen::detail::read_target targets[2];
    reader.prepare(targets);
    const read_target memory = targets[0];
    std::memset(memory.data, 0, memory.size); // it may have been another reader's
    // Its beginning first, behind so much else that it is moved when the rest is waited for.
    std::vector<std::byte> before;
    put(before, {}, std::vector<std::byte>(70'000));
    REQUIRE(feed(reader, to, before, before.size()).empty());
    before.clear();
    put(before, {}, std::vector<std::byte>(100));
    before.insert(before.end(), bytes.begin(), bytes.begin() + 60);
    REQUIRE(feed(reader, to, before, before.size()).empty());
    REQUIRE(feed(reader, to, std::span(bytes).subspan(60), 70).empty());
    REQUIRE(to.got.size() == 3);
    CHECK(to.got.back().payload == payload);
    INFO("direct " << direct << ", " << size << " bytes");
    CHECK((std::count(memory.data, memory.data + memory.size, std::byte{'S'}) == 0) == secret);
}

TEST_CASE("random frames in random pieces arrive in order") {
    const unsigned seed = 777;
    INFO("seed " << seed);
    std::mt19937 random(seed);
    std::vector<std::byte> bytes;
    std::vector<std::vector<std::byte>> payloads;
    for (unsigned i = 0; i < 300; ++i) {
        const std::size_t size =
            random() % 20 == 0 ? random() % (mitogen::detail::fragment_bytes + 1) : random() % 300;
        payloads.push_back(pattern(size, i));
        put(bytes, {.src = i}, payloads.back());
    }
    frame_reader reader;
    sink to;
    std::span<const std::byte> left(bytes);
    while (!left.empty()) {
        to.direct = random() % 2;
        const std::size_t step = std::min<std::size_t>(left.size(), 1 + random() % 100'000);
        REQUIRE(feed(reader, to, left.first(step), 1 + random() % 100'000).empty());
        left = left.subspan(step);
    }
    REQUIRE(to.got.size() == payloads.size());
    bool equal = true;
    for (std::size_t i = 0; i < payloads.size(); ++i)
        equal = equal && to.got[i].head.src == i && to.got[i].payload == payloads[i];
    CHECK(equal);
}

TEST_CASE("a frame longer than a fragment closes the link, before its payload is waited for") {
    std::vector<std::byte> bytes(header_layout::size);
    mitogen::detail::write_header(bytes.data(), {.length = mitogen::detail::fragment_bytes + 1});
    frame_reader reader;
    sink to;
    CHECK(feed(reader, to, bytes, bytes.size()).find("longer") != std::string::npos);
}

TEST_CASE("bytes that are no frame are refused, and frames before them delivered") {
    std::vector<std::byte> bytes;
    put(bytes, {.dst = 1}, pattern(10, 1));
    bytes.resize(bytes.size() + header_layout::size, std::byte{'x'});
    frame_reader reader;
    sink to;
    CHECK(feed(reader, to, bytes, 13).find("not a frame") != std::string::npos);
    CHECK(to.got.size() == 1);
}

TEST_CASE("a receiver that has stopped gets no more frames") {
    const std::vector<std::byte> bytes = numbered_frames(5, 10);
    frame_reader reader;
    sink to;
    to.stop_after = 2;
    CHECK(feed(reader, to, bytes, bytes.size()).empty());
    CHECK(to.got.size() == 2);
    CHECK(reader.stopped());
}

TEST_CASE("what a receiver did not want to have at once it gets later") {
    const std::vector<std::byte> bytes = numbered_frames(50, 100);
    frame_reader reader;
    sink to;
    to.stop_after = 7;
    CHECK(feed(reader, to, std::span(bytes).first(bytes.size() - 30), bytes.size()).empty());
    CHECK(to.got.size() == 7);
    while (reader.stopped()) {
        to.stop_after += 10;
        CHECK(reader.go_on(to) == nullptr);
    }
    CHECK(to.got.size() == 49); // the last one is not here yet
    to.stop_after = 100;
    CHECK(feed(reader, to, std::span(bytes).last(30), bytes.size()).empty());
    REQUIRE(to.got.size() == 50);
    for (unsigned i = 0; i < 50; ++i) {
        CHECK(to.got[i].head.dst == i);
        CHECK(to.got[i].payload == pattern(100, i));
    }
}

} // namespace
