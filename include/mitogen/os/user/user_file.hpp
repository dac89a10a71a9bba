// SPDX-License-Identifier: BSL-1.0
#pragma once
// user_file.hpp: users as /etc/passwd and /etc/group tell them, read without the C library: in
// another root directory its lookups would load modules from there.

#include <mitogen/base/config.hpp>

#include <array>
#include <charconv>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace mitogen::inline MITOGEN_ABI {
namespace os {

/// One user, and the groups that he is in, his own first.
struct user_entry {
    std::uint32_t uid = 0;
    std::uint32_t gid = 0;
    std::string home{};
    std::string shell{};
    std::vector<std::uint32_t> groups{};
};

namespace detail {

// The next line of `text`, which is cut off there.
inline std::string_view next_line(std::string_view& text) {
    const std::size_t end = text.find('\n');
    const std::string_view line = text.substr(0, end);
    text.remove_prefix(end == std::string_view::npos ? text.size() : end + 1);
    return line;
}

// The fields of a line. False if there are fewer than N; the last one has all the rest.
template <std::size_t N>
MITOGEN_COLD bool split_fields(std::string_view line, char by,
                               std::array<std::string_view, N>& fields) {
    for (std::size_t i = 0; i + 1 < N; ++i) {
        const std::size_t end = line.find(by);
        if (end == std::string_view::npos) return false;
        fields[i] = line.substr(0, end);
        line.remove_prefix(end + 1);
    }
    fields[N - 1] = line;
    return true;
}

// 2^32 - 1 is no id: it means "unchanged" to the system.
inline std::optional<std::uint32_t> id_number(std::string_view digits) {
    std::uint32_t value = 0;
    const auto [end, failed] = std::from_chars(digits.data(), digits.data() + digits.size(), value);
    if (digits.empty() || failed != std::errc() || end != digits.data() + digits.size() ||
        value == UINT32_MAX)
        return std::nullopt;
    return value;
}

inline bool lists(std::string_view members, std::string_view name) {
    while (!members.empty()) {
        const std::size_t end = members.find(',');
        if (members.substr(0, end) == name) return true;
        members.remove_prefix(end == std::string_view::npos ? members.size() : end + 1);
    }
    return false;
}

} // namespace detail

/// The user of that name in the texts of /etc/passwd and /etc/group; nothing if there is none.
/// Lines that are no entries are passed over. At most 65536 groups, the kernel's limit
/// (NGROUPS_MAX).
MITOGEN_COLD
inline std::optional<user_entry> find_user(std::string_view passwd, std::string_view group,
                                           std::string_view name) {
    constexpr std::size_t most_groups = 65536;
    while (!passwd.empty()) {
        std::array<std::string_view, 7> f; // name, password, uid, gid, comment, home, shell
        if (!detail::split_fields(detail::next_line(passwd), ':', f) || f[0] != name ||
            name.empty())
            continue;
        const auto uid = detail::id_number(f[2]);
        const auto gid = detail::id_number(f[3]);
        if (!uid || !gid) continue;
        user_entry found{*uid, *gid, std::string(f[5]), std::string(f[6]), {*gid}};
        while (!group.empty() && found.groups.size() < most_groups) {
            std::array<std::string_view, 4> g; // name, password, gid, members
            if (!detail::split_fields(detail::next_line(group), ':', g) ||
                !detail::lists(g[3], name))
                continue;
            if (const auto id = detail::id_number(g[2]); id && *id != *gid)
                found.groups.push_back(*id);
        }
        return found;
    }
    return std::nullopt;
}

} // namespace os
} // namespace mitogen::inline MITOGEN_ABI
