// SPDX-License-Identifier: BSL-1.0
#pragma once
// codec_samples.hpp: types of every kind for the tests of the codec, and one value that holds them
// all.

#include <mitogen/codec/codec.hpp>

// After mitogen's own headers, as a program may have it.
#include <boost/describe.hpp>

#include <array>
#include <bitset>
#include <chrono>
#include <complex>
#include <cstdint>
#include <deque>
#include <filesystem>
#include <forward_list>
#include <list>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <span>
#include <string>
#include <string_view>
#include <system_error>
#include <tuple>
#include <unordered_map>
#include <unordered_set>
#include <variant>
#include <vector>

namespace samples {

enum class plain_enum : std::int16_t { a = -2, b = 5 };
enum class mode : std::uint8_t { idle, busy = 7 };
BOOST_DESCRIBE_ENUM(mode, idle, busy)

struct point {
    double x = 0, y = 0;
    friend bool operator==(const point&, const point&) = default;
};

// Seven bytes in memory are padding.
struct padded {
    std::int8_t small = 0;
    std::int64_t large = 0;
    std::int8_t last = 0;
    friend bool operator==(const padded&, const padded&) = default;
};

// The first four members lie side by side, the string interrupts them.
struct runs {
    std::uint16_t a = 0, b = 0;
    float c = 0;
    std::string text{};
    std::uint32_t d = 0;
    std::uint8_t e = 0;
    std::uint16_t f = 0; // a byte of padding before it
    friend bool operator==(const runs&, const runs&) = default;
};

struct empty {
    friend bool operator==(const empty&, const empty&) = default;
};

struct node {
    int value = 0;
    std::vector<node> kids{};
    friend bool operator==(const node&, const node&) = default;
};

struct chain {
    std::unique_ptr<chain> next{};
};

struct disk {
    std::string name{};
    std::uint64_t free_bytes = 0;
    friend bool operator==(const disk&, const disk&) = default;
};
BOOST_DESCRIBE_STRUCT(disk, (), (name, free_bytes))

class account {
    std::string owner_;
    long long cents_ = 0;
    BOOST_DESCRIBE_CLASS(account, (), (), (), (owner_, cents_))

public:
    account() = default;
    account(std::string owner, long long cents) : owner_(std::move(owner)), cents_(cents) {}
    friend bool operator==(const account&, const account&) = default;
};

class savings : private account {
    double rate_ = 0;
    char code_[4] = {};
    BOOST_DESCRIBE_CLASS(savings, (account), (), (), (rate_, code_))

public:
    savings() = default;
    savings(account a, double rate, std::string_view code) : account(std::move(a)), rate_(rate) {
        code.copy(code_, 4);
    }
    friend bool operator==(const savings& a, const savings& b) {
        return static_cast<const account&>(a) == static_cast<const account&>(b) &&
               a.rate_ == b.rate_ && std::string_view(a.code_, 4) == std::string_view(b.code_, 4);
    }
};

// Described in another order than declared.
struct swapped {
    std::int32_t x = 0, y = 0;
    friend bool operator==(const swapped&, const swapped&) = default;
};
BOOST_DESCRIBE_STRUCT(swapped, (), (y, x))

struct straight {
    float x = 0, y = 0;
    friend bool operator==(const straight&, const straight&) = default;
};
BOOST_DESCRIBE_STRUCT(straight, (), (x, y))

class celsius {
    double degrees_ = 0;

public:
    celsius() = default;
    explicit celsius(double degrees) : degrees_(degrees) {}
    double degrees() const { return degrees_; }
    friend bool operator==(const celsius&, const celsius&) = default;
};

struct everything {
    bool flag = false;
    std::int64_t number = 0;
    plain_enum one = plain_enum::b;
    mode two = mode::busy;
    std::string text{};
    std::u16string wide{};
    runs mixed{};
    padded hole{};
    disk described{};
    savings based{};
    std::vector<point> points{};
    std::vector<bool> bits{};
    std::deque<std::string> deque{};
    std::list<padded> list{};
    std::forward_list<int> forward{};
    std::set<std::string> set{};
    std::multiset<int> multiset{};
    std::map<std::string, std::optional<int>> map{};
    std::multimap<int, std::string> multimap{};
    std::unordered_map<int, std::string> hashed{};
    std::unordered_set<std::string> hashed_set{};
    std::array<std::string, 2> array{};
    std::pair<int, std::string> pair{};
    std::tuple<char, float, std::string> tuple{};
    std::variant<int, std::string, point> variant{};
    std::bitset<11> bitset{};
    std::chrono::milliseconds span{};
    std::chrono::system_clock::time_point moment{};
    std::filesystem::path path{};
    std::complex<float> complex{};
    std::error_code error{};
    node tree{};
    mitogen::blob blob{};
    mitogen::secret secret{};
    celsius custom{};
    empty nothing{};
    friend bool operator==(const everything&, const everything&) = default;
};

inline everything make_everything() {
    everything e;
    e.flag = true;
    e.number = -5'000'000'000;
    e.one = plain_enum::a;
    e.text = "hello, world: longer than what fits in place";
    e.wide = u"w\u00efde";
    e.mixed = {1, 2, 3.5f, "mixed", 4, 5, 6};
    e.hole = {-1, 1'000'000'000'000, 7};
    e.described = {"/dev/sda", 42};
    e.based = savings(account("ada", 1234), 0.5, "code");
    e.points = {{1, 2}, {3, 4}};
    e.bits = {true, false, true, true, false, false, false, false, true};
    e.deque = {"a", "", "ccc"};
    e.list = {{1, 2, 3}, {4, 5, 6}};
    e.forward = {7, 8, 9};
    e.set = {"x", "y", "z"};
    e.multiset = {1, 1, 2};
    e.map = {{"one", 1}, {"none", std::nullopt}};
    e.multimap = {{1, "first"}, {1, "second"}, {2, "third"}};
    e.hashed = {{1, "one"}, {2, "two"}};
    e.hashed_set = {"p", "q"};
    e.array = {"left", "right"};
    e.pair = {3, "pair"};
    e.tuple = {'c', 1.5f, "tuple"};
    e.variant = point{5, 6};
    e.bitset = std::bitset<11>(0b101'0000'0011);
    e.span = std::chrono::milliseconds(250);
    e.moment = std::chrono::system_clock::time_point(std::chrono::seconds(1'600'000'000));
    e.path = "/etc/hosts";
    e.complex = {1, -1};
    e.error = std::make_error_code(std::errc::no_such_file_or_directory);
    e.tree = {1, {{2, {{3, {}}}}, {4, {}}}};
    e.blob = mitogen::blob("blob");
    e.secret = "hunter2";
    e.custom = celsius(36.6);
    return e;
}

} // namespace samples

template <>
struct mitogen::codec<samples::celsius> {
    static std::size_t size(const samples::celsius& t) {
        return mitogen::encoded_size(t.degrees());
    }
    static void encode(mitogen::writer& w, const samples::celsius& t) {
        mitogen::encode(w, t.degrees());
    }
    static bool decode(mitogen::reader& r, samples::celsius& t) {
        double degrees = 0;
        if (!mitogen::decode(r, degrees)) return false;
        if (degrees < -273.15) return r.fail("colder than possible");
        t = samples::celsius(degrees);
        return true;
    }
    static void signature(mitogen::signature_sink& s) { s.put("celsius"); }
};
