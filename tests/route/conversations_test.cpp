// SPDX-License-Identifier: BSL-1.0
#include <mitogen/route/conversations.hpp>

#include <catch2/catch.hpp>
#include <cstddef>
#include <memory>

namespace {

using mitogen::context_id;

struct end : std::enable_shared_from_this<end> {
    mitogen::basic_conversations<end>::partners talks{};
};
using conversations = mitogen::basic_conversations<end>;

TEST_CASE("who has sent to a context is told of its end, once") {
    conversations all;
    const auto a = std::make_shared<end>(), b = std::make_shared<end>();
    all.note(*a, 7);
    all.note(*a, 8);
    all.note(*a, 7);
    all.note(*b, 7);
    CHECK(all.end(9).empty());
    CHECK(all.end(7).size() == 2);
    CHECK(all.end(7).empty());
    REQUIRE(all.end(8).size() == 1);
    CHECK(a->talks.count == 0);
    all.note(*a, 7);
    CHECK(all.end(7).size() == 1);
}

TEST_CASE("a link that is gone is told nothing") {
    conversations all;
    auto a = std::make_shared<end>();
    all.note(*a, 7);
    a.reset();
    CHECK(all.end(7).empty());
}

TEST_CASE("a link that sends to more than can be remembered is told of every end") {
    conversations all;
    const auto a = std::make_shared<end>();
    for (context_id id = 1; id <= 10 * conversations::most_partners; ++id) all.note(*a, id);
    CHECK(a->talks.count == conversations::most_partners);
    CHECK(all.end(123'456).size() == 1);
    CHECK(all.end(1).size() >= 1);
}

} // namespace
