// SPDX-License-Identifier: BSL-1.0
#pragma once
// block_cache.hpp: keeps a few large blocks of memory for the next large message.

#include <mitogen/base/config.hpp>

#include <cstddef>
#include <cstdlib>

namespace mitogen::inline MITOGEN_ABI {
namespace wire {

/// One thread's spare blocks.
///
/// A fresh block of 1 MiB costs 256 page faults, together about 350 µs: more than carrying its
/// contents to another process and back. malloc gives such blocks back to the system each time, so
/// the library keeps a few. At most `most_bytes` for each thread that has sent or received large
/// messages; freed when the thread ends.
class block_cache {
    struct block {
        void* memory;
        std::size_t capacity;
    };

    static constexpr std::size_t most_blocks = 4;
    static constexpr std::size_t most_bytes = 8u << 20;

    struct store {
        block blocks[most_blocks];
        std::size_t count;
        std::size_t bytes;
        bool closed; // the thread is at its end
    };
    struct closer {
        ~closer() {
            store& s = here();
            while (s.count) std::free(s.blocks[--s.count].memory);
            s.closed = true;
        }
    };

    static store& here() noexcept {
        static thread_local constinit store s{};
        return s;
    }

public:
    /// Blocks below this are left to malloc alone.
    static constexpr std::size_t least = 256 * 1024;

    /// A spare block of at least `capacity` bytes, which is set to its size; or null.
    static void* take(std::size_t& capacity) noexcept {
        store& s = here();
        for (std::size_t i = 0; i < s.count; ++i) {
            const block b = s.blocks[i];
            if (b.capacity < capacity || b.capacity / 4 > capacity) continue;
            s.blocks[i] = s.blocks[--s.count];
            s.bytes -= b.capacity;
            capacity = b.capacity;
            return b.memory;
        }
        return nullptr;
    }

    /// Keeps a block, or frees it.
    static void give(void* memory, std::size_t capacity) noexcept {
        static thread_local closer at_exit;
        (void)&at_exit;
        store& s = here();
        if (s.closed || s.count == most_blocks || s.bytes + capacity > most_bytes)
            return std::free(memory);
        s.blocks[s.count++] = {memory, capacity};
        s.bytes += capacity;
    }
};

} // namespace wire
} // namespace mitogen::inline MITOGEN_ABI
