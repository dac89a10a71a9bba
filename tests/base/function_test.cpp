// SPDX-License-Identifier: BSL-1.0
#include <mitogen/base/function.hpp>

#include <array>
#include <catch2/catch.hpp>
#include <memory>
#include <string>
#include <type_traits>
#include <utility>

namespace {

using mitogen::unique_function;

/// Counts how many of it exist.
struct counted {
    static inline int alive = 0;
    counted() { ++alive; }
    counted(const counted&) { ++alive; }
    counted(counted&&) noexcept { ++alive; }
    counted& operator=(const counted&) = default;
    ~counted() { --alive; }
};

/// May throw when it moves: must not live inside the object, which moves without throwing.
struct throwing_move {
    int value = 0;
    explicit throwing_move(int v) : value(v) {}
    throwing_move(throwing_move&& other) noexcept(false) : value(other.value) {}
    int operator()() const { return value; }
};

int twice(int x) { return 2 * x; }

TEST_CASE("a function runs what it was given") {
    unique_function<int(int)> f = twice;
    CHECK(f(21) == 42);
    f = [](int x) { return x + 1; };
    CHECK(f(1) == 2);
}

TEST_CASE("a function of no result takes a callable that returns something") {
    int calls = 0;
    unique_function<void()> f = [&calls] { return ++calls; };
    f();
    std::array<char, 200> large{};
    unique_function<void()> on_heap = [&calls, large] { return calls + large[0]; };
    on_heap();
    CHECK(calls == 1);
}

TEST_CASE("a function may hold what cannot be copied") {
    auto owned = std::make_unique<int>(7);
    unique_function<int()> f = [owned = std::move(owned)] { return *owned; };
    unique_function<int()> g = std::move(f);
    CHECK_FALSE(static_cast<bool>(f));
    CHECK(g() == 7);
    STATIC_REQUIRE_FALSE(std::is_copy_constructible_v<unique_function<int()>>);
    STATIC_REQUIRE(std::is_nothrow_move_constructible_v<unique_function<int()>>);
}

TEST_CASE("a function destroys what it holds exactly once") {
    counted::alive = 0;
    {
        unique_function<void()> small = [c = counted()] { (void)c; };
        std::array<char, 100> padding{};
        unique_function<void()> large = [c = counted(), padding] { (void)c, (void)padding; };
        CHECK(counted::alive == 2);
        unique_function<void()> moved = std::move(small);
        CHECK(counted::alive == 2);
        moved = std::move(large);
        CHECK(counted::alive == 1);
        moved.reset();
        CHECK(counted::alive == 0);
        CHECK_FALSE(static_cast<bool>(moved));
        moved = [c = counted()] { (void)c; };
        auto& same = moved;
        moved = std::move(same);
        CHECK(counted::alive == 1);
        CHECK(static_cast<bool>(moved));
    }
    CHECK(counted::alive == 0);
}

TEST_CASE("a callable whose move may throw is kept outside, and works") {
    unique_function<int()> f = throwing_move(5);
    unique_function<int()> g = std::move(f);
    CHECK(g() == 5);
}

TEST_CASE("an empty function says so") {
    unique_function<void()> none;
    unique_function<void()> null = nullptr;
    CHECK_FALSE(static_cast<bool>(none));
    CHECK_FALSE(static_cast<bool>(null));
}

TEST_CASE("arguments are passed on as what they are") {
    unique_function<std::string(std::string&&, const std::string&, int&)> f =
        [](std::string&& a, const std::string& b, int& n) {
            n = 3;
            return std::move(a) + b;
        };
    std::string a = "left", b = "right";
    int n = 0;
    CHECK(f(std::move(a), b, n) == "leftright");
    CHECK(n == 3);
}

} // namespace
