// SPDX-License-Identifier: BSL-1.0
#include <mitogen/codec/buffer.hpp>

#include <catch2/catch.hpp>

#include <cstring>
#include <span>
#include <string_view>
#include <type_traits>
#include <utility>

using mitogen::buffer;

namespace {
std::string_view text(const buffer& b) {
    return {reinterpret_cast<const char*>(b.data()), b.size()};
}
} // namespace

static_assert(!std::is_copy_constructible_v<buffer> &&
              std::is_nothrow_move_constructible_v<buffer>);

TEST_CASE("a buffer keeps its bytes while it grows") {
    buffer b;
    CHECK(b.empty());
    CHECK(b.data() == nullptr);
    for (int i = 0; i < 1000; ++i) b.append("abc", 3);
    REQUIRE(b.size() == 3000);
    CHECK(b.capacity() >= 3000);
    for (std::size_t i = 0; i < 3000; i += 3) REQUIRE(text(b).substr(i, 3) == "abc");
}

TEST_CASE("clear keeps the memory of a buffer and reset gives it back") {
    buffer b(100);
    const std::size_t capacity = b.capacity();
    b.clear();
    CHECK(b.empty());
    CHECK(b.capacity() == capacity);
    b.reset();
    CHECK(b.capacity() == 0);
    CHECK(b.data() == nullptr);
}

TEST_CASE("moving a buffer takes its memory and leaves it empty") {
    buffer a;
    a.append("hello", 5);
    const std::byte* where = a.data();
    buffer b = std::move(a);
    CHECK(b.data() == where);
    CHECK(text(b) == "hello");
    CHECK(a.empty()); // NOLINT(bugprone-use-after-move): that it is empty is promised
    CHECK(a.capacity() == 0);
    buffer c;
    c.append("old", 3);
    c = std::move(b);
    CHECK(text(c) == "hello");
    CHECK(b.empty()); // NOLINT(bugprone-use-after-move)
}

TEST_CASE("a buffer that keeps a secret overwrites it before the memory is used again") {
    buffer b;
    b.append("hidden", 6);
    buffer open;
    open.append("public", 6);
    b.keep_secret();
    for (buffer* each : {&b, &open}) {
        each->resize(4); // what is behind the end counts too
        each->clear();
    }
    CHECK_FALSE(b.is_secret());
    b.resize(6);
    open.resize(6);
    CHECK(text(b) == std::string_view("\0\0\0\0\0\0", 6));
    CHECK(text(open) == "public");
}

TEST_CASE("a secret stays one where its buffer grows, or moves") {
    buffer a;
    a.append("hidden", 6);
    a.keep_secret();
    a.resize(1000);
    buffer b = std::move(a);
    CHECK(b.is_secret());
    CHECK_FALSE(a.is_secret()); // NOLINT(bugprone-use-after-move): that it is empty is promised
    buffer c;
    c = std::move(b);
    CHECK(c.is_secret());
    CHECK(text(c).substr(0, 6) == "hidden");
    c.reset();
    CHECK_FALSE(c.is_secret());
}

TEST_CASE("extend returns where the new bytes of a buffer begin") {
    buffer b;
    b.append("ab", 2);
    std::memcpy(b.extend(2), "cd", 2);
    CHECK(text(b) == "abcd");
    b.append(nullptr, 0);
    CHECK(b.size() == 4);
}

TEST_CASE("reserve does not change the size of a buffer, nor shrink it") {
    buffer b;
    b.append("ab", 2);
    b.reserve(1000);
    CHECK(b.capacity() >= 1000);
    CHECK(text(b) == "ab");
    const std::byte* where = b.data();
    b.reserve(10);
    b.resize(1000);
    CHECK(b.data() == where);
}

TEST_CASE("a buffer converts to spans of its bytes") {
    buffer b;
    b.append("xyz", 3);
    std::span<std::byte> writable = b;
    writable[1] = std::byte{'Y'};
    std::span<const std::byte> readable = b;
    CHECK(readable.size() == 3);
    CHECK(text(buffer(readable)) == "xYz");
}
