// SPDX-License-Identifier: BSL-1.0
#pragma once
// unique_names.hpp: strings in the order in which they came, each once, found by their text.

#include <mitogen/base/config.hpp>

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace mitogen::inline MITOGEN_ABI {
namespace detail {

/// Strings in order, and a table of their places. The table has no copies of them: a million names
/// take 40 MiB, if they are as short as those of hosts.
template <class = void>
class unique_names {
    std::vector<std::string> names_;
    std::vector<std::uint32_t> slots_; // a place + 1, or 0; a power of two, at most half of it used
    std::uint64_t bytes_ = 0;          // of names_; of what was moved from: nothing

    std::size_t slot_of(std::string_view name) const noexcept;
    void grow();

public:
    static constexpr std::size_t nowhere = static_cast<std::size_t>(-1);

    const std::vector<std::string>& all() const noexcept { return names_; }
    /// The sum of their lengths.
    std::uint64_t bytes() const noexcept { return names_.empty() ? 0 : bytes_; }
    /// The place of a name; `nowhere` if it is not there.
    std::size_t find(std::string_view name) const noexcept;
    /// Adds it at the end; its place, or the one that it has already. Fewer than 2^31 names.
    std::size_t add(std::string name);
    /// Makes room for so many in all.
    void reserve(std::size_t count) { names_.reserve(count); }
};

} // namespace detail
} // namespace mitogen::inline MITOGEN_ABI
