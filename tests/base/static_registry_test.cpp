// SPDX-License-Identifier: BSL-1.0
#include <mitogen/base/static_registry.hpp>

#include <catch2/catch.hpp>
#include <memory>
#include <set>
#include <thread>
#include <vector>

namespace {

class numbered;
extern constinit mitogen::detail::static_registry<numbered> early;

class numbered {
    const numbered* before_ = nullptr;

public:
    int value;
    int number = -1;

    explicit numbered(int v) noexcept : value(v) {}
    numbered(mitogen::detail::static_registry<numbered>& to, int v) noexcept : value(v) {
        join(to);
    }
    numbered(const numbered&) = delete;

    void join(mitogen::detail::static_registry<numbered>& to) noexcept {
        to.add(*this, [this](const numbered* before) {
            before_ = before;
            number = before ? before->number + 1 : 0;
        });
    }
    const numbered* before() const noexcept { return before_; }
};

// They join it before its own definition, and in the order of this file.
const numbered first(early, 10);
const numbered second(early, 20);
constinit mitogen::detail::static_registry<numbered> early;
const numbered third(early, 20);

std::size_t length(const mitogen::detail::static_registry<numbered>& all) {
    std::size_t count = 0;
    for (const numbered* n = all.newest(); n; n = n->before()) ++count;
    return count;
}

TEST_CASE("static objects join a registry before it is initialised, in their order") {
    CHECK(early.newest() == &third);
    CHECK(third.before() == &second);
    CHECK(second.before() == &first);
    CHECK(first.before() == nullptr);
    CHECK(first.number == 0);
    CHECK(third.number == 2);
}

TEST_CASE("of those that fit, the one that joined last is found") {
    const auto find = [](int value) {
        return early.find([value](const numbered& n) { return n.value == value; });
    };
    CHECK(find(20) == &third);
    CHECK(find(10) == &first);
    CHECK(find(30) == nullptr);
    const mitogen::detail::static_registry<numbered> empty;
    CHECK(empty.newest() == nullptr);
    CHECK(empty.find([](const numbered&) { return true; }) == nullptr);
}

TEST_CASE("objects that join from many threads are all there, and none has another one's number") {
    constexpr std::size_t threads = 4;
    constexpr std::size_t each = 2'000;
    mitogen::detail::static_registry<numbered> all;
    std::vector<std::unique_ptr<numbered>> kept;
    for (std::size_t i = 0; i < threads * each; ++i)
        kept.push_back(std::make_unique<numbered>(static_cast<int>(i)));
    std::vector<std::thread> joining;
    for (std::size_t t = 0; t < threads; ++t)
        joining.emplace_back([&, t] {
            for (std::size_t i = 0; i < each; ++i) kept[t * each + i]->join(all);
        });
    for (std::thread& t : joining) t.join();
    CHECK(length(all) == threads * each);
    std::set<int> numbers;
    for (const auto& n : kept) numbers.insert(n->number);
    CHECK(numbers.size() == threads * each);
    CHECK(*numbers.rbegin() == static_cast<int>(threads * each) - 1);
}

} // namespace
