// SPDX-License-Identifier: BSL-1.0
// What few bytes must not do to the program that decodes them: fill its memory, or take its time.
#include "codec_samples.hpp"

#include <mitogen/codec/codec.hpp>

#include <catch2/catch.hpp>

#include <array>
#include <cmath>
#include <cstdint>
#include <deque>
#include <limits>
#include <list>
#include <map>
#include <memory>
#include <new>
#include <optional>
#include <queue>
#include <set>
#include <string>
#include <tuple>
#include <unordered_map>
#include <unordered_set>
#include <utility>
#include <variant>
#include <vector>

namespace {

template <class T>
std::string refusal(std::span<const std::byte> bytes) {
    mitogen::reader r(bytes);
    auto value = std::make_unique<T>();
    if (mitogen::decode(r, *value) && r.finish()) return "accepted";
    return r.failure_text(&mitogen::wire::write_signature<T>);
}

bool says(const std::string& text, const char* part) {
    return text.find(part) != std::string::npos;
}

constexpr const char* too_much = "more memory than 64 times the message's bytes, and 16 MiB";

// A count, and as many bytes of zeros as asked for.
std::vector<std::byte> zeros(std::uint32_t count, std::size_t bytes) {
    std::vector<std::byte> out(4 + bytes);
    mitogen::writer(out.data()).put_count(count);
    return out;
}

// Each holds one that claims all that is left, as deep as may be.
struct nest {
    std::vector<nest> inner{};
};

// Counts what it does; all its keys have one hash.
struct one_hash {
    static inline std::size_t compared = 0;
    std::size_t operator()(std::uint64_t) const noexcept { return 7; }
    bool operator()(std::uint64_t a, std::uint64_t b) const noexcept {
        ++compared;
        return a == b;
    }
};

struct place {
    double x = 0;
    int y = 0;
    auto operator<=>(const place&) const = default;
};

template <class Container, class... Keys>
std::string refusal_of_keys(const Keys&... keys) {
    return refusal<Container>(
        mitogen::encode(std::uint32_t{sizeof...(Keys)}, keys...));
}

} // namespace

TEST_CASE("few bytes do not become much memory") {
    using page = std::array<char, 4096>;
    CHECK(says(refusal<std::vector<std::optional<page>>>(zeros(1 << 20, 1 << 20)), too_much));
    CHECK(says(refusal<std::deque<std::optional<page>>>(zeros(1 << 20, 1 << 20)), too_much));
    CHECK(says(refusal<std::list<std::optional<page>>>(zeros(1 << 20, 1 << 20)), too_much));
    CHECK(says(refusal<std::span<const std::optional<page>>>(zeros(1 << 20, 1 << 20)), too_much));
    using empty_million = std::array<std::monostate, 1'000'000>;
    CHECK(says(refusal<std::vector<empty_million>>(zeros(65'536, 0)), too_much));
    CHECK(says(refusal<std::vector<std::optional<empty_million>>>(zeros(100, 100)), too_much));
    // Bytes of ones: each element is a pointer to a page.
    std::vector<std::byte> ones(4 + (1 << 16) * 2, std::byte{0});
    mitogen::writer(ones.data()).put_count(1 << 16);
    for (std::size_t i = 4; i < ones.size(); i += 2) ones[i] = std::byte{1};
    CHECK(says(refusal<std::vector<std::unique_ptr<std::optional<page>>>>(ones), too_much));
    // A deque takes a block although it is empty.
    CHECK(says(refusal<std::vector<std::deque<int>>>(zeros(1 << 18, 4 << 18)), too_much));
    CHECK(says(refusal<std::vector<std::pair<int, std::queue<int>>>>(zeros(1 << 18, 8 << 18)),
               too_much));
}

TEST_CASE("elements inside elements do not each claim all bytes that are left") {
    std::vector<std::byte> bytes(1 << 20);
    std::size_t at = 0;
    for (; at < 60 * 4; at += 4)
        mitogen::writer(bytes.data() + at)
            .put_count(static_cast<std::uint32_t>((bytes.size() - at - 4) / 4));
    CHECK(says(refusal<nest>(bytes), too_much));
}

TEST_CASE("honest values have the memory that they need") {
    using page = std::array<char, 4096>;
    std::vector<std::optional<page>> sparse(3000);
    CHECK(refusal<decltype(sparse)>(mitogen::encode(sparse)) == "accepted");
    std::multiset<std::uint8_t> small;
    for (int i = 0; i < 300'000; ++i) small.insert(small.end(), static_cast<std::uint8_t>(i >> 11));
    CHECK(refusal<decltype(small)>(mitogen::encode(small)) == "accepted");
    const std::vector<std::map<int, std::string>> maps(200'000);
    CHECK(refusal<std::vector<std::map<int, std::string>>>(mitogen::encode(maps)) == "accepted");
    const std::list<std::vector<std::string>> lists(200'000);
    CHECK(refusal<std::list<std::vector<std::string>>>(mitogen::encode(lists)) == "accepted");
}

TEST_CASE("keys that all have one hash are refused before they cost much") {
    using set = std::unordered_set<std::uint64_t, one_hash, one_hash>;
    using map = std::unordered_map<std::uint64_t, char, one_hash, one_hash>;
    using multimap = std::unordered_multimap<std::uint64_t, char, one_hash, one_hash>;
    std::vector<std::uint64_t> keys(80'000);
    std::vector<std::pair<std::uint64_t, char>> pairs(keys.size());
    for (std::size_t i = 0; i < keys.size(); ++i) pairs[i].first = keys[i] = i;
    one_hash::compared = 0;
    CHECK(says(refusal<set>(mitogen::encode(keys)), "too many keys have the same hash"));
    CHECK(says(refusal<map>(mitogen::encode(pairs)), "too many keys have the same hash"));
    CHECK(says(refusal<multimap>(mitogen::encode(pairs)), "too many keys have the same hash"));
    CHECK(one_hash::compared < 200 * keys.size());
}

TEST_CASE("keys of a usual hash are accepted, many equal ones of a multimap too") {
    std::unordered_map<std::string, int> words;
    for (int i = 0; i < 50'000; ++i) words[std::to_string(i)] = i;
    CHECK(refusal<decltype(words)>(mitogen::encode(words)) == "accepted");
    std::unordered_multimap<std::uint32_t, int> few;
    for (int i = 0; i < 50'000; ++i) few.emplace(i % 3, i);
    const auto back = mitogen::decode<decltype(few)>(mitogen::encode(few));
    REQUIRE(back);
    CHECK(*back == few);
}

TEST_CASE("a key that is not equal to itself is refused") {
    const double nan = std::numeric_limits<double>::quiet_NaN();
    constexpr const char* why = "a key that is not equal to itself (NaN)";
    CHECK(says(refusal_of_keys<std::set<double>>(1.0, nan), why));
    CHECK(says(refusal_of_keys<std::multiset<float>>(std::nanf("")), why));
    CHECK(says(refusal_of_keys<std::unordered_set<double>>(nan, 2.0), why));
    CHECK(says(refusal_of_keys<std::map<double, char>>(std::pair(nan, 'x')), why));
    CHECK(says(refusal_of_keys<std::unordered_map<double, char>>(std::pair(nan, 'x')), why));
    CHECK(says(refusal_of_keys<std::set<std::pair<int, double>>>(std::pair(1, nan)), why));
    CHECK(says(refusal_of_keys<std::set<std::vector<double>>>(std::vector{1.0, nan}), why));
    CHECK(says(refusal_of_keys<std::set<std::optional<double>>>(std::optional(nan)), why));
    CHECK(says(refusal_of_keys<std::set<std::variant<int, double>>>(
                   std::variant<int, double>(nan)),
               why));
    CHECK(says(refusal_of_keys<std::set<place>>(place{nan, 1}), why));
    CHECK(refusal_of_keys<std::set<place>>(place{1, 1}, place{0, 1}) == "accepted");
}
