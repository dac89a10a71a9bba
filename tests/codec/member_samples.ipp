// SPDX-License-Identifier: BSL-1.0
// member_samples.ipp: types whose members are found in other ways with Boost than without, and what
// is said of them. Included by two files; each names a namespace in MEMBER_SAMPLES, because the
// types of one name differ.

#include "member_report.hpp"

#include <mitogen/codec/codec.hpp>

#ifndef MITOGEN_NO_DESCRIBE
#include <boost/describe.hpp>
#else
#define BOOST_DESCRIBE_STRUCT(...)
#define BOOST_DESCRIBE_CLASS(name, bases, open, inherited, ...)                                    \
public:                                                                                            \
    static constexpr auto mitogen_members() { return mitogen::list(MEMBER_SAMPLES_POINTERS); }
#endif

#include <array>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <tuple>
#include <vector>

namespace MEMBER_SAMPLES {

struct point {
    double x = 0, y = 0;
    friend bool operator==(const point&, const point&) = default;
};

// Described with Boost, an aggregate without.
struct disk {
    std::string mount{};
    std::uint64_t free_bytes = 0;
    friend bool operator==(const disk&, const disk&) = default;
};
BOOST_DESCRIBE_STRUCT(disk, (), (mount, free_bytes))

// Described with Boost, listed without.
class account {
    std::string owner_;
    long long cents_ = 0;
#define MEMBER_SAMPLES_POINTERS &account::owner_, &account::cents_
    BOOST_DESCRIBE_CLASS(account, (), (), (), (owner_, cents_))
#undef MEMBER_SAMPLES_POINTERS

public:
    account() = default;
    account(std::string owner, long long cents) : owner_(std::move(owner)), cents_(cents) {}
    friend bool operator==(const account&, const account&) = default;
};

// An aggregate here and there, listed outside in one more form.
struct straight {
    float x = 0, y = 0;
    friend bool operator==(const straight&, const straight&) = default;
};
struct listed_straight {
    float x = 0, y = 0;
    friend bool operator==(const listed_straight&, const listed_straight&) = default;
};

struct nested {
    disk first{};
    std::vector<account> accounts{};
    std::array<point, 2> points{};
    std::optional<straight> maybe{};
    std::tuple<> nothing{};
    friend bool operator==(const nested&, const nested&) = default;
};

struct tree {
    std::string name{};
    std::vector<tree> kids{};
    friend bool operator==(const tree&, const tree&) = default;
};

struct owner {
    std::unique_ptr<int> number{};
    friend bool operator==(const owner& a, const owner& b) {
        return a.number && b.number && *a.number == *b.number;
    }
};

struct empty {
    friend bool operator==(const empty&, const empty&) = default;
};

struct widest {
    std::int8_t a1{}, a2{}, a3{}, a4{}, a5{}, a6{}, a7{}, a8{};
    std::int8_t a9{}, a10{}, a11{}, a12{}, a13{}, a14{}, a15{}, a16{};
    std::int8_t b1{}, b2{}, b3{}, b4{}, b5{}, b6{}, b7{}, b8{};
    std::int8_t b9{}, b10{}, b11{}, b12{}, b13{}, b14{}, b15{};
    std::string last{};
    friend bool operator==(const widest&, const widest&) = default;
};

enum class mode : std::uint8_t { idle, busy = 7 };
#ifndef MITOGEN_NO_DESCRIBE
BOOST_DESCRIBE_ENUM(mode, idle, busy)
#endif

struct machine {
    mode now = mode::idle;
    std::string name{};
    friend bool operator==(const machine&, const machine&) = default;
};

} // namespace MEMBER_SAMPLES

template <>
inline constexpr auto mitogen::members<MEMBER_SAMPLES::listed_straight> =
    mitogen::list(&MEMBER_SAMPLES::listed_straight::x, &MEMBER_SAMPLES::listed_straight::y);

namespace MEMBER_SAMPLES {

template <class T>
member_report report(std::string type, const T& value) {
    const mitogen::buffer bytes = mitogen::encode(value);
    member_report said{std::move(type), mitogen::signature_of<T>(), {}, false};
    for (const std::byte b : std::span<const std::byte>(bytes)) {
        const auto digits = std::to_integer<unsigned>(b);
        said.bytes += "0123456789abcdef"[digits >> 4];
        said.bytes += "0123456789abcdef"[digits & 15];
    }
    const auto back = mitogen::decode<T>(bytes);
    said.survives = back && *back == value;
    return said;
}

inline std::vector<member_report> report_all() {
    struct local {
        int inside = 0;
        bool operator==(const local&) const = default;
    };
    widest wide;
    wide.a1 = 1;
    wide.b15 = 15;
    wide.last = "end";
    std::vector<member_report> all;
    all.push_back(report("disk", disk{"/srv", 7}));
    all.push_back(report("account", account("ada", -2)));
    all.push_back(report("straight", straight{1, 2}));
    all.push_back(report("listed_straight", listed_straight{1, 2}));
    all.push_back(
        report("nested", nested{{"/", 1}, {account("b", 1)}, {{{1, 2}, {3, 4}}}, {{5, 6}}, {}}));
    all.push_back(report("tree", tree{"root", {{"leaf", {}}}}));
    all.push_back(report("owner", owner{std::make_unique<int>(3)}));
    all.push_back(report("empty", empty{}));
    all.push_back(report("widest", wide));
    all.push_back(report("machine", machine{mode::busy, "m"}));
    all.push_back(report("local", local{9}));
    return all;
}

} // namespace MEMBER_SAMPLES
