// SPDX-License-Identifier: BSL-1.0
#include <mitogen/base/error.hpp>
#include <mitogen/codec/buffer.hpp>
#include <mitogen/codec/codec.hpp>
#include <mitogen/protocol/error_notice.hpp>

#include <catch2/catch.hpp>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <random>
#include <span>
#include <string>
#include <utility>
#include <vector>

namespace {

using mitogen::buffer;
using mitogen::decode_error;
using mitogen::encode_error;
using mitogen::error;
using mitogen::error_detail;
using mitogen::kind;
using mitogen::reason;

error passed_on(const error& e) { return decode_error(encode_error(e)); }

error full() {
    error_detail d;
    d.why = reason::cancelled;
    d.text = "text";
    d.type = "app::trouble";
    d.place = "rack3.web7";
    d.function = "add";
    d.backtrace = "#0 add";
    d.context = 7;
    d.canceller = 2;
    d.radius = mitogen::cancel_radius::nursery;
    d.status = {3, 9};
    d.has_status = true;
    d.hops = {{7, "rack3.web7", "add"}, {3, "rack3", "sum"}};
    d.causes = std::make_shared<std::vector<error>>(
        std::vector<error>{error(reason::timeout, "late"), error(reason::codec, "odd")});
    return error(d);
}

void check_equal(const error& a, const error& b, int depth = 0) {
    REQUIRE(depth < 20);
    CHECK(std::string(a.what()) == b.what());
    CHECK(a.reason() == b.reason());
    CHECK(a.kind() == b.kind());
    CHECK(a.detail().type == b.detail().type);
    CHECK(a.detail().backtrace == b.detail().backtrace);
    CHECK(a.detail().context == b.detail().context);
    CHECK(a.canceller() == b.canceller());
    CHECK(a.radius() == b.radius());
    CHECK(a.detail().has_status == b.detail().has_status);
    CHECK(a.detail().status == b.detail().status);
    CHECK(a.hops() == b.hops());
    REQUIRE(a.members().size() == b.members().size());
    for (std::size_t i = 0; i < a.members().size(); ++i)
        check_equal(a.members()[i], b.members()[i], depth + 1);
    REQUIRE(a.causes().size() == b.causes().size());
    for (std::size_t i = 0; i < a.causes().size(); ++i)
        check_equal(a.causes()[i], b.causes()[i], depth + 1);
}

} // namespace

TEST_CASE("an error arrives with all that is known of it, however often it is passed on") {
    const error group = mitogen::group_errors({full(), error(reason::respondent_lost, "gone")});
    for (const error& sent : {error(reason::no_route, ""), full(), group})
        check_equal(passed_on(passed_on(passed_on(sent))), sent);
}

TEST_CASE("each of 25 members, and of a thousand, arrives") {
    for (const int count : {25, 1000}) {
        std::vector<error> all;
        for (int i = 0; i < count; ++i)
            all.push_back(error(reason::codec, "number " + std::to_string(i)));
        const error group = passed_on(mitogen::group_errors(all));
        REQUIRE(group.members().size() == static_cast<std::size_t>(count));
        CHECK(group.members().back().message() == "number " + std::to_string(count - 1));
    }
}

TEST_CASE("what is too much is cut by the sender, between characters, and says so") {
    SECTION("a text") {
        std::string accents;
        while (accents.size() < 200'000) accents += "\xC3\xA9";
        const error cut = passed_on(error(reason::codec, accents));
        const std::string said(cut.message());
        REQUIRE(said.size() <= mitogen::detail::error_text_bytes);
        REQUIRE(said.ends_with(" […cut]"));
        const std::string kept = said.substr(0, said.rfind(" […cut]"));
        CHECK(kept.size() > 60'000);
        CHECK(kept == accents.substr(0, kept.size()));
        CHECK(kept.size() % 2 == 0);
    }
    SECTION("members") {
        std::vector<error> all;
        for (int i = 0; i < 3000; ++i)
            all.push_back(error(reason::timeout, std::string(5000, 'x')));
        const buffer bytes = encode_error(mitogen::group_errors(all));
        CHECK(bytes.size() <= mitogen::detail::error_notice_bytes);
        const error group = decode_error(bytes);
        CHECK(group.members().size() <= mitogen::detail::error_tree_nodes);
        CHECK(group.members().size() > 1000);
        CHECK(group.kind() == kind::overloaded);
        CHECK(std::string(group.members().back().message()) ==
              std::to_string(3001 - group.members().size()) +
                  " more errors, which are left out");
    }
    SECTION("functions that it has left, and depth") {
        error_detail d;
        for (unsigned i = 0; i < 2 * mitogen::detail::error_tree_hops; ++i)
            d.hops.push_back({i, std::string(5'000, 'p'), "f"});
        error deep(d);
        for (unsigned i = 0; i < 2 * mitogen::detail::error_tree_depth; ++i) {
            error_detail outer;
            outer.why = reason::codec;
            outer.causes = std::make_shared<std::vector<error>>(std::vector<error>{deep});
            deep = error(outer);
        }
        for (const error& sent : {error(d), deep}) {
            const buffer bytes = encode_error(sent);
            CHECK(bytes.size() <= mitogen::detail::error_notice_bytes);
            CHECK(decode_error(bytes).reason() == sent.reason());
        }
        CHECK(passed_on(error(d)).hops().size() <= mitogen::detail::error_tree_hops);
    }
    SECTION("everything at once") {
        error_detail d = full().detail();
        d.what.clear();
        d.text = d.type = d.place = d.function = d.backtrace = std::string(1'000'000, 'x');
        const error large(d);
        const buffer bytes = encode_error(mitogen::group_errors({large, error(d), large}));
        CHECK(bytes.size() <= mitogen::detail::error_notice_bytes);
        CHECK(decode_error(bytes).members().size() == 2);
    }
}

TEST_CASE("a reason that only a newer program knows keeps its name and its kind") {
    error_detail d;
    d.why = static_cast<reason>(60000);
    d.text = "come back tomorrow";
    d.unknown_reason = "quota";
    d.unknown_kind = kind::overloaded;
    const error known_later = passed_on(passed_on(error(d)));
    CHECK(static_cast<int>(known_later.reason()) == 60000);
    CHECK(known_later.kind() == kind::overloaded);
    CHECK(std::string(known_later.what()) == "quota: come back tomorrow");
}

TEST_CASE("what a newer version writes behind what is known is passed over") {
    const buffer now = encode_error(error(reason::timeout, "late"));
    const std::span<const std::byte> bytes(now);
    const std::span<const std::byte> one = bytes.subspan(5); // version, length
    const auto with_version = [&](std::uint8_t version) {
        buffer longer(one);
        const buffer more = mitogen::encode(std::string("more"));
        longer.append(more.data(), more.size());
        buffer all = mitogen::encode(version);
        const buffer framed = mitogen::encode(std::span<const std::byte>(longer));
        all.append(framed.data(), framed.size());
        return all;
    };
    CHECK(decode_error(with_version(2)).message() == "late");
    CHECK(decode_error(with_version(2)).reason() == reason::timeout);
    CHECK(decode_error(with_version(1)).reason() == reason::bad_arguments);
    CHECK(decode_error(with_version(0)).reason() == reason::bad_arguments);
}

TEST_CASE("bytes that are no error are an error that says so") {
    const buffer good = encode_error(mitogen::group_errors({full(), full()}));
    for (std::size_t size = 0; size < good.size(); ++size)
        CHECK(decode_error(std::span<const std::byte>(good).first(size)).reason() ==
              reason::bad_arguments);
    // Any byte may be another one: nothing is read outside, and the result can be used.
    std::minstd_rand random(7);
    for (int i = 0; i < 20'000; ++i) {
        std::vector<std::byte> bad(good.data(), good.data() + good.size());
        for (int n = 0; n < 3; ++n)
            bad[random() % bad.size()] = static_cast<std::byte>(random() & 0xFF);
        const error e = decode_error(bad);
        CHECK(e.summary().size() < 1000);
    }
    // A count that announces more than there can be takes no memory.
    CHECK(decode_error(std::vector<std::byte>(1000, std::byte{0xFF})).reason() ==
          reason::bad_arguments);
}

TEST_CASE("who knows a path better completes it, in members and hops as well") {
    mitogen::detail::path_finder finder{[](void*, mitogen::context_id id) {
                                            return id == 7 ? std::string("top.rack3.web7")
                                                           : std::string();
                                        },
                                        nullptr};
    const error mended = decode_error(
        encode_error(mitogen::group_errors({full(), error(reason::codec, "")})), finder);
    CHECK(mended.members()[0].detail().place == "top.rack3.web7");
    CHECK(mended.members()[0].hops()[0].path == "top.rack3.web7");
    CHECK(mended.members()[0].hops()[1].path == "rack3");
}
