// SPDX-License-Identifier: BSL-1.0
#pragma once
// account_book.hpp: how many bytes are on whose account.

#include <mitogen/base/config.hpp>

#include <cstdint>
#include <vector>

namespace mitogen::inline MITOGEN_ABI {

namespace detail {

/// Bytes by who pays for them; what nobody pays for is not counted. Few pay at one time: a linear
/// search beats a table.
class account_book {
    struct entry {
        const void* payer;
        std::uint64_t bytes;
    };

    std::vector<entry> entries_;
    std::uint64_t sum_ = 0;

public:
    void add(const void* payer, std::uint64_t bytes) {
        if (!payer) return;
        sum_ += bytes;
        for (entry& e : entries_) {
            if (e.payer != payer) continue;
            e.bytes += bytes;
            return;
        }
        entries_.push_back({payer, bytes});
    }

    /// Takes away all that is in `paid`, which was counted here before, and empties that.
    void settle(account_book& paid) noexcept {
        if (paid.sum_ == 0) return;
        for (const entry& p : paid.entries_)
            for (entry& e : entries_)
                if (e.payer == p.payer) e.bytes -= p.bytes;
        std::erase_if(entries_, [](const entry& e) { return e.bytes == 0; });
        sum_ -= paid.sum_;
        paid.clear();
    }

    /// Moves all that is in `from` here.
    void take(account_book& from) {
        if (from.sum_ == 0) return;
        for (const entry& e : from.entries_) add(e.payer, e.bytes);
        from.clear();
    }

    void clear() noexcept {
        entries_.clear();
        sum_ = 0;
    }

    /// On one account.
    std::uint64_t of(const void* payer) const noexcept {
        for (const entry& e : entries_)
            if (e.payer == payer) return e.bytes;
        return 0;
    }
    /// On all of them.
    std::uint64_t sum() const noexcept { return sum_; }
};

} // namespace detail
} // namespace mitogen::inline MITOGEN_ABI
