// SPDX-License-Identifier: BSL-1.0
#include <mitogen/codec/block_cache.hpp>
#include <mitogen/codec/buffer.hpp>

#include <catch2/catch.hpp>
#include <cstddef>
#include <cstdlib>
#include <set>
#include <thread>
#include <utility>

namespace {

using cache = mitogen::wire::block_cache;
constexpr std::size_t one = 1u << 20;

/// The cache is the thread's: each test has its own.
template <class Body>
void on_fresh_thread(Body body) {
    std::thread(body).join();
}

TEST_CASE("a block that was given comes back") {
    bool came_back = false, empty_before = false, empty_after = false;
    on_fresh_thread([&] {
        std::size_t size = one;
        empty_before = cache::take(size) == nullptr;
        void* block = std::malloc(one);
        cache::give(block, one);
        size = one / 2;
        void* again = cache::take(size);
        came_back = again == block && size == one;
        size = one;
        empty_after = cache::take(size) == nullptr;
        std::free(again);
    });
    CHECK(empty_before);
    CHECK(came_back);
    CHECK(empty_after);
}

TEST_CASE("a block that is too small or much too large is not handed out") {
    bool small = true, large = true;
    on_fresh_thread([&] {
        cache::give(std::malloc(one), one);
        std::size_t size = one + 1;
        small = cache::take(size) != nullptr;
        size = one / 4 - 1;
        large = cache::take(size) != nullptr;
    });
    CHECK_FALSE(small);
    CHECK_FALSE(large);
}

TEST_CASE("the cache is bounded in blocks and in bytes") {
    int many = 0, big = 0;
    on_fresh_thread([&] {
        for (int i = 0; i < 50; ++i) cache::give(std::malloc(one), one);
        std::size_t size = one;
        while (void* block = cache::take(size)) {
            std::free(block);
            ++many;
        }
        cache::give(std::malloc(9 * one), 9 * one);
        size = 9 * one;
        if (void* block = cache::take(size)) {
            std::free(block);
            ++big;
        }
    });
    CHECK(many > 0);
    CHECK(many <= 8);
    CHECK(big == 0);
}

TEST_CASE("large buffers share blocks, small ones do not") {
    const void* first = nullptr;
    const void* second = nullptr;
    on_fresh_thread([&] {
        {
            mitogen::buffer b(one);
            first = b.data();
        }
        mitogen::buffer b(one);
        second = b.data();
        b[one - 1] = std::byte{1};
    });
    CHECK(first == second);
}

TEST_CASE("a block may be given back by a thread that is at its end") {
    struct late {
        mitogen::buffer b;
        ~late() { b.reset(); }
    };
    on_fresh_thread([] {
        static thread_local late last; // destroyed after the cache, which is first used below
        last.b = mitogen::buffer(one);
        mitogen::buffer(one).reset();
    });
    SUCCEED("the sanitizers see what is freed twice or never");
}

} // namespace
