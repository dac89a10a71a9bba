// SPDX-License-Identifier: BSL-1.0
#include <mitogen/base/result.hpp>

#include <catch2/catch.hpp>
#include <memory>
#include <string>
#include <utility>

namespace {

using mitogen::error;
using mitogen::reason;
using mitogen::result;

result<int> half(int x) {
    if (x % 2) return error(reason::misuse, "odd");
    return x / 2;
}

result<void> check(bool good) {
    if (!good) return error(reason::overloaded, "too many");
    return {};
}

TEST_CASE("a result is a value or an error") {
    CHECK(half(4).has_value());
    CHECK(*half(4) == 2);
    CHECK(half(4).value() == 2);
    const result<int> failed = half(3);
    CHECK_FALSE(failed);
    CHECK(failed.error().reason() == reason::misuse);
    CHECK(failed.value_or(9) == 9);
    CHECK(half(4).value_or(9) == 2);
}

TEST_CASE("asking a failed result for its value throws the error as its own class") {
    CHECK_THROWS_AS(half(3).value(), mitogen::logic_error);
    const result<int> failed = half(3);
    CHECK_THROWS_AS(failed.value(), mitogen::logic_error);
    CHECK_THROWS_AS(check(false).value(), mitogen::overloaded_error);
    CHECK_NOTHROW(check(true).value());
}

TEST_CASE("a result without value is a success by default") {
    CHECK(result<void>());
    CHECK_FALSE(check(false));
    CHECK(check(false).error().message() == "too many");
}

TEST_CASE("a result hands out what can only be moved") {
    result<std::unique_ptr<int>> r = std::make_unique<int>(4);
    const std::unique_ptr<int> taken = std::move(r).value();
    CHECK(*taken == 4);
    result<std::string> text = std::string("abc");
    CHECK(text->size() == 3);
    const std::string moved = *std::move(text);
    CHECK(moved == "abc");
}

} // namespace
