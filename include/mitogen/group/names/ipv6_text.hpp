// SPDX-License-Identifier: BSL-1.0
#pragma once
// ipv6_text.hpp: tells IPv6 addresses from other text.

#include <mitogen/base/config.hpp>
#include <mitogen/group/names/number_ranges.hpp>

#include <algorithm>
#include <cstddef>
#include <optional>
#include <string_view>

namespace mitogen::inline MITOGEN_ABI {
namespace detail {

/// True for four numbers of one byte, without zeros before them.
template <class = void>
bool is_dotted(std::string_view text) noexcept {
    std::size_t octets = 0;
    for (std::size_t from = 0; from <= text.size(); ++octets) {
        const std::string_view octet = text.substr(from, text.find('.', from) - from);
        if (octet.empty() || octet.size() > 3 || is_padded(octet) ||
            !std::all_of(octet.begin(), octet.end(), is_decimal) || decimal_value(octet) > 255)
            return false;
        from += octet.size() + 1;
    }
    return octets == 4;
}

/// How many groups of an IPv6 address this is, which may be none; nothing if it is malformed. The
/// dotted form of the last 32 bits counts as two.
template <class = void>
std::optional<std::size_t> count_groups(std::string_view text, bool may_be_dotted) noexcept {
    std::size_t groups = 0;
    if (text.empty()) return groups;
    for (std::size_t at = 0;;) {
        const std::string_view group = text.substr(at, text.find(':', at) - at);
        at += group.size();
        if (may_be_dotted && at == text.size() && is_dotted(group)) return groups + 2;
        const auto is_hex = [](char c) {
            return is_decimal(c) || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F');
        };
        if (group.empty() || group.size() > 4 || !std::all_of(group.begin(), group.end(), is_hex))
            return std::nullopt;
        ++groups;
        if (at == text.size()) return groups;
        ++at; // the colon
    }
}

/// True for an IPv6 address (RFC 4291, 2.2), with a zone behind it or without.
template <class = void>
bool is_ipv6(std::string_view text) noexcept {
    const std::size_t percent = text.find('%');
    if (percent != std::string_view::npos) {
        const std::string_view zone = text.substr(percent + 1);
        if (zone.empty() ||
            zone.find_first_not_of("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
                                   "0123456789._~-") != std::string_view::npos)
            return false;
        text = text.substr(0, percent);
    }
    const std::size_t gap = text.find("::");
    if (gap == std::string_view::npos) return count_groups(text, true) == std::size_t{8};
    const std::optional<std::size_t> before = count_groups(text.substr(0, gap), false);
    const std::optional<std::size_t> behind = count_groups(text.substr(gap + 2), true);
    return before && behind && *before + *behind <= 7;
}

} // namespace detail
} // namespace mitogen::inline MITOGEN_ABI
