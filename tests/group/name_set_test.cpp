// SPDX-License-Identifier: BSL-1.0
#include <mitogen/base/error.hpp>
#include <mitogen/base/result.hpp>
#include <mitogen/group/names/name_pattern.hpp>
#include <mitogen/group/names/name_set.hpp>
#include <mitogen/group/names/name_set_body.hpp>
#include <mitogen/group/names/unique_names.hpp>

#include <algorithm>
#include <catch2/catch.hpp>
#include <cstddef>
#include <cstdint>
#include <iterator>
#include <random>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>

namespace {

using mitogen::name_set;
using mitogen::reason;
using strings = std::vector<std::string>;

static_assert(std::is_nothrow_move_constructible_v<name_set>);

strings names_of(std::string_view text) { return name_set(text).names(); }

/// What the error says behind "names, column ".
std::string refused(std::string_view text) {
    const mitogen::result<name_set> set = name_set::parse(text);
    if (set) return "no error: " + set->fold();
    CHECK(set.error().reason() == reason::bad_arguments);
    CHECK(set.error().kind() == mitogen::kind::failed);
    const std::string message(set.error().message());
    const std::string prefix = "names, column ";
    CHECK(message.starts_with(prefix));
    return message.substr(std::min(prefix.size(), message.size()));
}

TEST_CASE("patterns stand for names in order") {
    struct pattern {
        std::string_view text;
        strings names;
    };
    const pattern all[] = {
        {"web", {"web"}},
        {"web1", {"web1"}},
        {"web[1]", {"web1"}},
        {"web[1-3]", {"web1", "web2", "web3"}},
        {"web[3-3]", {"web3"}},
        {"web[1,3,5-7]", {"web1", "web3", "web5", "web6", "web7"}},
        {"web[5,1-2]", {"web5", "web1", "web2"}},
        {"web[1-7/2]", {"web1", "web3", "web5", "web7"}},
        {"web[1-8/3,2]", {"web1", "web4", "web7", "web2"}},
        {"web[1-3/9]", {"web1"}},
        {"web[01-03]", {"web01", "web02", "web03"}},
        {"web[09-11]", {"web09", "web10", "web11"}},
        {"web[098-101/2]", {"web098", "web100"}},
        {"web[098-1001/900]", {"web098", "web998"}},
        {"web[99-101]", {"web99", "web100", "web101"}},
        {"web[08-9]", {"web08", "web09"}},
        {"web[0-1,00-01]", {"web0", "web1", "web00", "web01"}},
        {"rack[1-2]n[1-3]", {"rack1n1", "rack1n2", "rack1n3", "rack2n1", "rack2n2", "rack2n3"}},
        {"a[1-2][3-4]b", {"a13b", "a14b", "a23b", "a24b"}},
        {"[8-10]", {"8", "9", "10"}},
        {"a,b[1-2],c", {"a", "b1", "b2", "c"}},
        {"a b[1-2]\tc\nd", {"a", "b1", "b2", "c", "d"}},
        {"  a ,b , c  ", {"a", "b", "c"}},
        {"web1,web01,web001", {"web1", "web01", "web001"}},
        {"b,a,b,a[1-2],a2", {"b", "a", "a1", "a2"}},
        {"@web[0-1]", {"@web0", "@web1"}},
        {"user@web-[1-2].example.org:22",
         {"user@web-1.example.org:22", "user@web-2.example.org:22"}},
        {"[::1]", {"[::1]"}},
        {"[::]", {"[::]"}},
        {"user@[fe80::1]", {"user@[fe80::1]"}},
        {"[2001:db8:0:1:2:3:4:5]:22,x", {"[2001:db8:0:1:2:3:4:5]:22", "x"}},
        {"[fe80::1%eth0]", {"[fe80::1%eth0]"}},
        {"[::ffff:10.0.0.1]n[1-2]", {"[::ffff:10.0.0.1]n1", "[::ffff:10.0.0.1]n2"}},
        {"fe80::1", {"fe80::1"}},
        {"gpu=0,a/b,50%", {"gpu=0", "a/b", "50%"}},
        {"b\xC3\xBC"
         "cher[1-2]",
         {"b\xC3\xBC"
          "cher1",
          "b\xC3\xBC"
          "cher2"}},
        {"n[999999999999999998-999999999999999999]",
         {"n999999999999999998", "n999999999999999999"}},
        {"n[0-999999999999999999/999999999999999999]", {"n0", "n999999999999999999"}},
        {"n[000000000000000001]", {"n000000000000000001"}},
    };
    for (const pattern& p : all) {
        CAPTURE(p.text);
        CHECK(names_of(p.text) == p.names);
        const name_set set(p.text);
        CHECK(name_set::parse(set.fold()).value() == set);
    }
}

TEST_CASE("what is no pattern is refused, with the column") {
    struct pattern {
        std::string_view text;
        std::string_view error;
    };
    using namespace std::string_view_literals;
    const pattern all[] = {
        {"web[5-1]", "5: a range that runs backwards"},
        {"web[1,07-05]", "7: a range that runs backwards"},
        {"web[1-3", "4: a bracket that is not closed"},
        {"web[", "4: a bracket that is not closed"},
        {"web]", "4: a closing bracket without an opening one"},
        {"web[1-3]]", "9: a closing bracket without an opening one"},
        {"web[]", "4: an empty bracket"},
        {"web[,1]", "5: a number is missing"},
        {"web[1,]", "7: a number is missing"},
        {"web[1,,2]", "7: a number is missing"},
        {"web[-3]", "5: a number is missing"},
        {"web[1-]", "7: a number is missing"},
        {"web[1--3]", "7: a number is missing"},
        {"web[a]", "5: a number is missing"},
        {"web[1a]", "6: neither a number nor a comma, dash or slash between numbers"},
        {"web[1-3-5]", "8: neither a number nor a comma, dash or slash between numbers"},
        {"web[0x10]", "6: neither a number nor a comma, dash or slash between numbers"},
        {"web[1 ,2]", "6: neither a number nor a comma, dash or slash between numbers"},
        {"web[1, 2]", "7: a number is missing"},
        {"web[1[2]]", "6: neither a number nor a comma, dash or slash between numbers"},
        {"web[1-4/0]", "9: a step of 0"},
        {"web[1-4/]", "9: a number is missing"},
        {"web[1-4/-1]", "9: a number is missing"},
        {"web[4/2]", "6: a step without a range"},
        {"web[1-4/2/2]", "10: neither a number nor a comma, dash or slash between numbers"},
        {"web[1-010]", "5: a range whose two ends are padded differently"},
        {"web[01-002]", "5: a range whose two ends are padded differently"},
        {"web[001-02]", "5: a range whose two ends are padded differently"},
        {"host[gpu=0-3]", "6: named dimensions are not known; write a bracket for each"},
        {",a", "1: a name is missing"},
        {"a,", "3: a name is missing"},
        {"a,,b", "3: a name is missing"},
        {"a, ,b", "4: a name is missing"},
        {",", "1: a name is missing"},
        {"-a", "1: a name that begins with a dash"},
        {"a,-oProxyCommand=x", "3: a name that begins with a dash"},
        {"-[1-3]", "1: a name that begins with a dash"},
        {"a\x1B[1m", "2: a control character"},
        {"a\0b"sv, "2: a control character"},
        {"a\r\nb", "2: a control character"},
        {"a\x7F", "2: a control character"},
        {"a\xC2\x9B" "1m", "2: a control character"},
        {"web[\x01]", "5: a number is missing"},
        {"web[1:3]", "4: a bracket with a colon, and no IPv6 address"},
        {"[::1-3]", "1: a bracket with a colon, and no IPv6 address"},
        {"[:1]", "1: a bracket with a colon, and no IPv6 address"},
        {"[:::]", "1: a bracket with a colon, and no IPv6 address"},
        {"[1::2::3]", "1: a bracket with a colon, and no IPv6 address"},
        {"[1:2:3:4:5:6:7:8:9]", "1: a bracket with a colon, and no IPv6 address"},
        {"[1:2:3:4::5:6:7:8]", "1: a bracket with a colon, and no IPv6 address"},
        {"[fe80::12345]", "1: a bracket with a colon, and no IPv6 address"},
        {"[fe80::1%]", "1: a bracket with a colon, and no IPv6 address"},
        {"[fe80::1%\x1B]", "1: a bracket with a colon, and no IPv6 address"},
        {"[::256.0.0.1]", "1: a bracket with a colon, and no IPv6 address"},
        {"[::1.2.3]", "1: a bracket with a colon, and no IPv6 address"},
        {"[::1.2.3.]", "1: a bracket with a colon, and no IPv6 address"},
        {"n[1000000000000000000]", "3: a number of more than 18 digits"},
        {"n[1-99999999999999999999999999]", "5: a number of more than 18 digits"},
        {"n[1-5/1000000000000000000]", "7: a number of more than 18 digits"},
        {"n[0-999999999999999999]", "3: more than 1000000 names"},
        {"n[1-1000001]", "3: more than 1000000 names"},
        {"n[1-999999,1-2]", "12: more than 1000000 names"},
        {"n[1-1001]m[1-1000]", "1: more than 1000000 names"},
        {"x,n[1-1000000]", "3: more than 1000000 names"},
        {"n[1-600000] n[1-600000]", "13: more than 1000000 names"},
        {"n[1-1000000]m[1-1000000]o[1-1000000]p[1-1000000]", "1: more than 1000000 names"},
    };
    for (const pattern& p : all) {
        CAPTURE(p.text);
        CHECK(refused(p.text) == p.error);
    }
    CHECK_THROWS_AS(name_set("web[5-1]"), mitogen::codec_error);
}

TEST_CASE("long names are refused before there are many of them") {
    const std::string text = std::string(300, 'x') + "[1-1000000]";
    CHECK(refused("\n" + text) == "2: names of more than 256 MiB in all");
    CHECK(name_set(std::string(200, 'x') + "[1-1000]").size() == 1000);
}

TEST_CASE("the length of names is known before they are made") {
    const std::uint32_t seed = std::random_device{}();
    CAPTURE(seed);
    std::mt19937 random(seed);
    const auto below = [&](std::size_t limit) { return random() % limit; };
    for (int i = 0; i < 500; ++i) {
        std::string text;
        for (std::size_t brackets = below(3) + 1; brackets-- > 0;) {
            const std::size_t first = below(2) ? below(12) : below(1200);
            const std::string zeros(below(3), '0');
            text += "n[" + zeros + std::to_string(first) + "-" +
                    std::to_string(first + below(2) * below(2000)) + "/" +
                    std::to_string(1 + below(99)) + ",7]";
        }
        CAPTURE(text);
        mitogen::detail::name_pattern<> pattern(text);
        if (!pattern.next(20'000)) continue;
        std::uint64_t count = 0;
        std::uint64_t bytes = 0;
        pattern.expand([&](const std::string& name) {
            ++count;
            bytes += name.size();
        });
        REQUIRE(pattern.count() == count);
        REQUIRE(pattern.bytes() == bytes);
    }
}

TEST_CASE("what was moved from has no names, and no bytes") {
    mitogen::detail::unique_names<> names;
    names.add("abc");
    CHECK(names.bytes() == 3);
    const mitogen::detail::unique_names<> moved = std::move(names);
    CHECK(moved.bytes() == 3);
    CHECK(names.bytes() == 0); // NOLINT: so it is said
    names.add("x");
    CHECK(names.bytes() == 1);
    CHECK(names.find("abc") == mitogen::detail::unique_names<>::nowhere);
}

TEST_CASE("a text without names is the empty set, and never all") {
    for (const std::string_view text : {"", " ", " \t\n"}) {
        const name_set set(text);
        CHECK(set.empty());
        CHECK(set.begin() == set.end());
        CHECK(set.fold().empty());
        CHECK(set == name_set());
    }
    CHECK_FALSE(name_set("a") == name_set());
    CHECK(name_set("a").intersect({}).empty());
    CHECK(name_set().subtract(name_set("a")).empty());
}

TEST_CASE("a million names") {
    const name_set set("web[1-1000000]");
    CHECK(set.size() == name_set::most_names);
    CHECK(set.contains("web1000000"));
    CHECK_FALSE(set.contains("web0"));
    CHECK(set.fold() == "web[1-1000000]");
    CHECK(set.try_unite(name_set("web7")).value().size() == set.size());
    const mitogen::result<name_set> larger = set.try_unite(name_set("db"));
    REQUIRE_FALSE(larger);
    CHECK(larger.error().reason() == reason::bad_arguments);
    name_set copy = set;
    CHECK_FALSE(copy.try_insert("db"));
    CHECK_FALSE(copy.try_insert("web7").value());
}

TEST_CASE("sets are ordered, and compared without order") {
    const name_set a("web[1-4],db");
    const name_set b("db,x,web[3-5]");
    CHECK(a.unite(b).names() == strings{"web1", "web2", "web3", "web4", "db", "x", "web5"});
    CHECK(b.unite(a).names() == strings{"db", "x", "web3", "web4", "web5", "web1", "web2"});
    CHECK(a.unite(b) == b.unite(a));
    CHECK(a.subtract(b).names() == strings{"web1", "web2"});
    CHECK(b.intersect(a).names() == strings{"db", "web3", "web4"});
    CHECK(a[4] == "db");
    CHECK(strings(b.begin(), b.end()) == b.names());
    CHECK_FALSE(a == b);
    CHECK_FALSE(name_set("web1") == name_set("web01"));
    CHECK(a.slice({.first = 1, .count = 2}).names() == strings{"web2", "web3"});
    CHECK(a.slice({.first = 4}).names() == strings{"db"});
    CHECK(a.slice({.first = 5}).empty());
    CHECK(a.slice({.first = 99, .count = 1}).empty());
    CHECK(a.slice({.count = 0}).empty());
    CHECK(a.slice({}) == a);
}

TEST_CASE("ranks are picked as a list") {
    const name_set set("a[0-9],b");
    CHECK(set.pick("").empty());
    CHECK(set.pick("3").names() == strings{"a3"});
    CHECK(set.pick("10,0-2,8-9/5,1").names() == strings{"b", "a0", "a1", "a2", "a8"});
    CHECK(set.pick("0-99/100").names() == strings{"a0"});
    for (const std::string_view ranks :
         {"11", "0-11", "x", "1,", "-1", "2-1", "0-999999999999999999", " 1", "[1]", "1-2/0"}) {
        CAPTURE(ranks);
        const mitogen::result<name_set> picked = set.try_pick(ranks);
        REQUIRE_FALSE(picked);
        CHECK(picked.error().reason() == reason::bad_arguments);
    }
    CHECK(set.try_pick("1,5-11").error().message() ==
          "names, column 3: rank 11 in a set of 11 names");
    CHECK_THROWS_AS(set.pick("11"), mitogen::codec_error);
    CHECK_FALSE(name_set().try_pick("0"));
}

TEST_CASE("single names are inserted as they are") {
    name_set set;
    CHECK(set.insert("web1"));
    CHECK_FALSE(set.insert("web1"));
    CHECK(set.insert("[::1]"));
    CHECK(set.names() == strings{"web1", "[::1]"});
    for (const std::string_view name : {"", " ", "a b", " a", "a ", "a,b", "a,", "-a", "web[1]",
                                        "web[1-2]", "[1]", "a\x1B", "a["}) {
        CAPTURE(name);
        CHECK_FALSE(set.try_insert(name));
    }
    CHECK_THROWS_AS(set.insert("a,b"), mitogen::codec_error);
    CHECK(set.size() == 2);

    name_set moved = std::move(set);
    CHECK(moved.size() == 2);
    set = name_set(); // NOLINT: what was moved from may be assigned to
    CHECK(set.insert("x"));
    CHECK(set.names() == strings{"x"});
}

TEST_CASE("a set folds to the usual short text") {
    const std::pair<std::string_view, std::string_view> all[] = {
        {"web1,web2,web3,web5,db", "web[1-3,5],db"},
        {"db,web5,web3,web2,web1", "db,web[1-3,5]"},
        {"web1", "web1"},
        {"web1,web10,web9", "web[1,9-10]"},
        {"web01,web02,web1,web2", "web[1-2,01-02]"},
        {"web[1-12],web[01-09]", "web[1-12,01-09]"},
        {"web[08-11]", "web[08-11]"},
        {"web[098-101]", "web[098-101]"},
        {"web[1-9/2]", "web[1,3,5,7,9]"},
        {"rack[1-2]n[1-3]", "rack[1-2]n[1-3]"},
        {"rack1n1,rack1n2,rack2n1", "rack1n[1-2],rack2n1"},
        {"rack1n1,rack3n1,rack2n[1-2]", "rack[1,3]n1,rack2n[1-2]"},
        {"a[1-2]b[3-4]c[5-6]", "a[1-2]b[3-4]c[5-6]"},
        {"ip-10-0-1-[5-7]", "ip-10-0-1-[5-7]"},
        {"[fe80::1],[fe80::2]", "[fe80::1],[fe80::2]"},
        {"u1@[::1],u2@[::1]", "u[1-2]@[::1]"},
        {"[1-3]", "[1-3]"},
        {"x1234567890123456789,x1234567890123456790", "x1234567890123456789,x1234567890123456790"},
        {"1.2.3.4.5.6.7.8.[9-10]", "1.2.3.4.5.6.7.8.[9-10]"},
        {"[1-2].2.3.4.5.6.7.8.9", "1.2.3.4.5.6.7.8.9,2.2.3.4.5.6.7.8.9"},
    };
    for (const auto& [text, folded] : all) {
        CAPTURE(text);
        CHECK(name_set(text).fold() == folded);
        CHECK(name_set(folded) == name_set(text));
    }
}

class random_names {
    std::mt19937 random_;

public:
    explicit random_names(std::uint32_t seed) : random_(seed) {}

    std::size_t below(std::size_t limit) { return random_() % limit; }

    std::string number() {
        static constexpr std::uint64_t near[] = {0, 8, 98, 998, 999'999'999'999'999'990};
        std::string digits = std::to_string(near[below(below(9) ? 4 : 5)] + below(8));
        return std::string(below(2) ? 0 : std::min(below(4), 18 - digits.size()), '0') + digits;
    }

    std::string name() {
        static constexpr std::string_view texts[] = {
            "a", "b-", ".", "[::1]", "@", "f::2", "=%/", "\xC3\xBC", "00", "12345678901234567890"};
        std::string out = below(8) ? std::string(texts[below(2)]) : "";
        for (std::size_t parts = below(4); parts-- > 0;)
            out += below(3) ? number() : std::string(texts[below(std::size(texts))]);
        return out.empty() ? "x" : out.starts_with('-') ? "y" + out : out;
    }

    name_set set() {
        name_set out;
        for (std::size_t count = below(60); count-- > 0;) out.insert(name());
        return out;
    }
};

TEST_CASE("whatever set is folded, its text is that set again") {
    const std::uint32_t seed = std::random_device{}();
    CAPTURE(seed);
    random_names random(seed);
    for (int i = 0; i < 2000; ++i) {
        const name_set set = random.set();
        const std::string text = set.fold();
        CAPTURE(text);
        const mitogen::result<name_set> again = name_set::parse(text);
        REQUIRE(again);
        REQUIRE(*again == set);
        REQUIRE(again->fold() == name_set(again->fold()).fold());
    }
}

TEST_CASE("operations are those of sets, in order") {
    const std::uint32_t seed = std::random_device{}();
    CAPTURE(seed);
    random_names random(seed);
    const auto filtered = [](const name_set& of, const name_set& by, bool wanted) {
        strings out;
        for (const std::string& name : of) {
            const bool found = std::find(by.begin(), by.end(), name) != by.end();
            if (found == wanted) out.push_back(name);
        }
        return out;
    };
    for (int i = 0; i < 300; ++i) {
        const name_set a = random.set();
        const name_set b = random.set();
        strings both = a.names();
        for (const std::string& name : filtered(b, a, false)) both.push_back(name);
        REQUIRE(a.unite(b).names() == both);
        REQUIRE(a.subtract(b).names() == filtered(a, b, false));
        REQUIRE(a.intersect(b).names() == filtered(a, b, true));
        REQUIRE(a.subtract(b).unite(a.intersect(b)) == a);
        const std::size_t first = random.below(70);
        const std::size_t count = random.below(70);
        strings some;
        for (std::size_t r = first; r < std::min(a.size(), first + count); ++r)
            some.push_back(a[r]);
        REQUIRE(a.slice({.first = first, .count = count}).names() == some);
    }
}

TEST_CASE("a bracket with a colon holds what inet_pton takes for an address") {
    const std::uint32_t seed = std::random_device{}();
    CAPTURE(seed);
    random_names random(seed);
    constexpr std::string_view addresses[] = {"::",
                                              "::1",
                                              "fe80::1",
                                              "1:2:3:4:5:6:7:8",
                                              "::ffff:10.0.0.255",
                                              "1:2:3:4:5:6:1.2.3.4",
                                              "1::8",
                                              "1:2:3:4:5:6:7::",
                                              "::2:3:4:5:6:7:8",
                                              "abcd:EF01::"};
    constexpr std::string_view bytes = "0129afFg:::...";
    int valid = 0;
    for (int i = 0; i < 20000; ++i) {
        std::string text(addresses[random.below(std::size(addresses))]);
        for (std::size_t changes = random.below(4); changes-- > 0;) {
            const std::size_t at = random.below(text.size() + 1);
            const std::size_t end =
                at + random.below(std::min<std::size_t>(3, text.size() - at + 1));
            const std::string_view by = bytes.substr(random.below(bytes.size()), random.below(3));
            text = text.substr(0, at) + std::string(by) + text.substr(end);
        }
        if (text.find(':') == std::string::npos) continue;
        CAPTURE(text);
        in6_addr address{};
        const bool expected = inet_pton(AF_INET6, text.c_str(), &address) == 1;
        REQUIRE(name_set::parse("[" + text + "]").has_value() == expected);
        valid += expected;
    }
    CHECK(valid > 1000);
}

TEST_CASE("any bytes are names or an error with a column in them") {
    const std::uint32_t seed = std::random_device{}();
    CAPTURE(seed);
    random_names random(seed);
    constexpr std::string_view bytes = "ab019-,/[]:=% \t\x01\xC2\x80.@";
    for (int i = 0; i < 20000; ++i) {
        std::string text;
        for (std::size_t size = random.below(14); size-- > 0;)
            text += bytes[random.below(bytes.size())];
        CAPTURE(text);
        const mitogen::result<name_set> set = name_set::parse(text);
        if (set) {
            REQUIRE(name_set::parse(set->fold()).value() == *set);
            std::uint64_t sum = 0;
            for (const std::string& name : *set) {
                REQUIRE(mitogen::result<bool>(name_set().try_insert(name)).value());
                sum += name.size();
            }
            REQUIRE(sum <= name_set::most_bytes);
            continue;
        }
        const std::string message(set.error().message());
        const std::string prefix = "names, column ";
        REQUIRE(message.starts_with(prefix));
        const std::size_t column = std::stoul(message.substr(prefix.size()));
        REQUIRE(column >= 1);
        REQUIRE(column <= text.size() + 1);
    }
}

} // namespace
