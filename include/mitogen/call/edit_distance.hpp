// SPDX-License-Identifier: BSL-1.0
#pragma once
// edit_distance.hpp: how far apart two names are, for "did you mean".

#include <mitogen/base/config.hpp>

#include <cstddef>
#include <string_view>
#include <vector>

namespace mitogen::inline MITOGEN_ABI {
namespace detail {

/// Least number of characters to insert, delete or replace (Levenshtein; computed as Wagner and
/// Fischer 1974, one row at a time). Only the first 512 characters of either count: one of the two
/// may come from a peer.
inline std::size_t edit_distance(std::string_view a, std::string_view b) {
    constexpr std::size_t longest = 512;
    a = a.substr(0, longest);
    b = b.substr(0, longest);
    std::vector<std::size_t> row(b.size() + 1);
    for (std::size_t j = 0; j <= b.size(); ++j) row[j] = j;
    for (std::size_t i = 0; i < a.size(); ++i) {
        std::size_t diagonal = row[0]; // the previous row, one column to the left
        row[0] = i + 1;
        for (std::size_t j = 0; j < b.size(); ++j) {
            const std::size_t above = row[j + 1];
            const std::size_t shorter = (above < row[j] ? above : row[j]) + 1;
            const std::size_t replaced = diagonal + (a[i] == b[j] ? 0 : 1);
            row[j + 1] = shorter < replaced ? shorter : replaced;
            diagonal = above;
        }
    }
    return row[b.size()];
}

} // namespace detail
} // namespace mitogen::inline MITOGEN_ABI
