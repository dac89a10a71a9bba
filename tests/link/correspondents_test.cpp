// SPDX-License-Identifier: BSL-1.0
#include <mitogen/link/correspondents.hpp>

#include <catch2/catch.hpp>
#include <cstddef>
#include <memory>

namespace {

using mitogen::context_id;

struct end : std::enable_shared_from_this<end> {
    mitogen::detail::basic_correspondents<end>::partners talks{};
};
using correspondents = mitogen::detail::basic_correspondents<end>;

TEST_CASE("who has sent to a context is told of its end, once") {
    correspondents all;
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
    correspondents all;
    auto a = std::make_shared<end>();
    all.note(*a, 7);
    a.reset();
    CHECK(all.end(7).empty());
}

TEST_CASE("a link that sends to more than can be remembered is told of every end") {
    correspondents all;
    const auto a = std::make_shared<end>();
    for (context_id id = 1; id <= 10 * correspondents::most_partners; ++id) all.note(*a, id);
    CHECK(a->talks.count == correspondents::most_partners);
    CHECK(all.end(123'456).size() == 1);
    CHECK(all.end(1).size() >= 1);
}

} // namespace
