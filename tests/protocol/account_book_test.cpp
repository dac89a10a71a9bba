// SPDX-License-Identifier: BSL-1.0
#include <mitogen/protocol/account_book.hpp>
#include <mitogen/protocol/send_queue.hpp>

#include <catch2/catch.hpp>
#include <cstddef>
#include <cstdint>
#include <utility>
#include <vector>

namespace {

using mitogen::header;
using mitogen::detail::account_book;
using mitogen::detail::fragment_bytes;
using mitogen::detail::send_batch;
using mitogen::detail::send_queue;

constexpr int a = 1;
constexpr int b = 2;
constexpr std::size_t head = mitogen::detail::header_layout::size;

TEST_CASE("each payer has a sum of its own, and what is settled is gone") {
    account_book all;
    account_book part;
    all.add(&a, 100);
    all.add(&b, 7);
    all.add(&a, 1);
    all.add(nullptr, 1000); // nobody pays
    CHECK(all.of(&a) == 101);
    CHECK(all.of(&b) == 7);
    CHECK(all.sum() == 108);
    part.add(&a, 101);
    part.add(&b, 3);
    all.settle(part);
    CHECK(all.of(&a) == 0);
    CHECK(all.of(&b) == 4);
    CHECK(all.sum() == 4);
    CHECK(part.sum() == 0);
    part.take(all);
    CHECK(part.of(&b) == 4);
    CHECK(all.sum() == 0);
}

TEST_CASE("what is queued stays on its account until the batch after it is taken") {
    send_queue queue;
    const std::vector<std::byte> bytes(60);
    queue.push({.dst = 1}, bytes, &a);
    queue.push({.dst = 1}, bytes, &a, &a);
    queue.forward({.dst = 1, .src = 5}, bytes, &b, &b);
    CHECK(queue.charged(&a) == head + 60);
    CHECK(queue.charged(&b) == head + 60);
    CHECK(queue.charged() == 2 * (head + 60)); // its own is on none
    send_batch batch;
    REQUIRE(queue.take(batch));
    CHECK(queue.queued() == 0);
    CHECK(queue.charged() == 2 * (head + 60)); // not written yet
    batch.consume(batch.left());
    CHECK_FALSE(queue.take(batch));
    CHECK(queue.charged() == 0);
}

TEST_CASE("a large message leaves its account part by part, and what is held behind it as well") {
    send_queue queue;
    mitogen::buffer large;
    large.resize(3 * fragment_bytes);
    queue.push({.dst = 1}, std::move(large), &a, &a);
    queue.push({.dst = 1}, std::vector<std::byte>(10), &a, &b); // behind it
    CHECK(queue.charged(&a) == head + 3 * fragment_bytes);
    send_batch batch;
    std::uint64_t before = queue.charged(&a);
    for (int part = 0; part < 3; ++part) {
        REQUIRE(queue.take(batch));
        batch.consume(batch.left());
        if (part > 0) {
            CHECK(queue.charged(&a) < before);
        }
        before = queue.charged(&a);
        CHECK(queue.charged(&b) == head + 10);
    }
    while (queue.take(batch)) batch.consume(batch.left());
    CHECK(queue.charged() == 0);
}

} // namespace
