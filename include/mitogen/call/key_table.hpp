// SPDX-License-Identifier: BSL-1.0
#pragma once
// key_table.hpp: finds functions by the hash of their identity, and those that cannot be told apart
// by it.

#include <mitogen/base/config.hpp>
#include <mitogen/call/function_entry.hpp>

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

namespace mitogen::inline MITOGEN_ABI {
namespace detail {

// A hash table with open addressing, at most half full. Filled by one thread, then only read.
class key_table {
    struct place {
        const function_entry* entry = nullptr;
        // several functions have this key: none of them can be called by it
        bool is_ambiguous = false;
    };
    std::vector<place> places_{place{}};
    std::vector<std::string> duplicates_;
    std::size_t count_ = 0;

    std::size_t find_place(std::uint64_t key) const {
        std::size_t at = static_cast<std::size_t>(key) & (places_.size() - 1);
        while (places_[at].entry && places_[at].entry->key() != key)
            at = (at + 1) & (places_.size() - 1);
        return at;
    }

    void add(const function_entry& entry) {
        const function_texts& texts = entry.texts();
        if (!texts.is_stable) return;
        place& to = places_[find_place(texts.key)];
        if (!to.entry) {
            to.entry = &entry;
            return;
        }
        const function_texts& other = to.entry->texts();
        to.is_ambiguous = true;
        if (other.identity != texts.identity)
            duplicates_.push_back(other.identity + " and " + texts.identity + " (equal keys)");
        else if (other.is_exact && texts.is_exact)
            duplicates_.push_back(texts.identity);
    }

public:
    // the table in whose place this one came; somebody may still be reading it
    const key_table* superseded = nullptr;

    explicit key_table(const std::vector<const function_entry*>& entries) : count_(entries.size()) {
        std::size_t places = 2;
        while (places < 2 * entries.size()) places *= 2;
        places_.resize(places);
        for (const function_entry* entry : entries) add(*entry);
    }

    const function_entry* find(std::uint64_t key) const {
        const place& found = places_[find_place(key)];
        return found.is_ambiguous ? nullptr : found.entry;
    }

    std::size_t size() const noexcept { return count_; } // entries that it was made from
    const std::vector<std::string>& duplicates() const noexcept { return duplicates_; }
};

} // namespace detail
} // namespace mitogen::inline MITOGEN_ABI
