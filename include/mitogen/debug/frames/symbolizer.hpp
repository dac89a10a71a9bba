// SPDX-License-Identifier: BSL-1.0
#pragma once
// symbolizer.hpp: asks the tool that comes with a compiler which lines of the source some addresses
// of a file are.

#include <mitogen/base/config.hpp>
#include <mitogen/base/time.hpp>
#include <mitogen/debug/frames/frame.hpp>
#include <mitogen/link/visible_text.hpp>
#include <mitogen/os/call.hpp>
#include <mitogen/os/process/output_of.hpp>
#include <mitogen/os/program/symbol_table.hpp>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace mitogen::inline MITOGEN_ABI {
namespace detail {

/// What of a text that names code is kept: names that templates make have no end.
inline constexpr std::size_t most_code_text = 1024;
/// Functions that are inlined into one another at one address, of which are shown so many.
inline constexpr std::size_t most_inlined = 64;

inline std::string hex_text(std::uint64_t number) {
    std::string digits;
    do digits += "0123456789abcdef"[number & 15u];
    while ((number >>= 4) != 0);
    std::reverse(digits.begin(), digits.end());
    return "0x" + digits;
}

/// False if `text` is something else than "0x" and digits.
inline bool read_hex(std::string_view text, std::uint64_t& number) noexcept {
    if (!text.starts_with("0x") || text.size() < 3 || text.size() > 18) return false;
    number = 0;
    for (const char c : text.substr(2)) {
        const int digit = c >= '0' && c <= '9' ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
        if (digit < 0) return false;
        number = number << 4 | static_cast<unsigned>(digit);
    }
    return true;
}

/// "a/b.cpp:12 (discriminator 3)"; what is not known is "??", "?" or 0.
inline void read_line_of_code(std::string_view text, named_frame& to) {
    text = text.substr(0, text.find(" (discriminator "));
    const std::size_t colon = text.rfind(':');
    const std::string_view file = text.substr(0, colon);
    if (colon == text.npos || file.empty() || file.starts_with("??")) return;
    std::uint32_t line = 0;
    for (const char c : text.substr(colon + 1)) {
        if (c < '0' || c > '9' || line > UINT32_MAX / 10 - 1) break;
        line = line * 10 + static_cast<std::uint32_t>(c - '0');
    }
    if (line == 0) return; // the file may be an object file then
    to.file = visible_name(file, most_code_text);
    to.line = line;
}

/// What addr2line -a -f -i prints for `addresses`: of each, itself, and then the function and the
/// line for every function that is inlined there and the one that holds them all. Those that are
/// not in it, and all behind where it is cut off, are left without names.
template <class = void> // compiled where it is used
MITOGEN_COLD std::vector<std::vector<named_frame>>
read_symbols(std::string_view text, std::span<const std::uint64_t> addresses) {
    std::vector<std::vector<named_frame>> all(addresses.size());
    std::size_t count = 0; // of addresses that have been read
    std::string_view function;
    for (std::size_t end = 0; (end = text.find('\n')) != text.npos; text.remove_prefix(end + 1)) {
        const std::string_view line = text.substr(0, end);
        std::uint64_t address = 0;
        if (function.empty() && read_hex(line, address)) {
            if (count == addresses.size() || address != addresses[count]) return all;
            ++count;
        } else if (count == 0) {
            return all; // not what was asked for
        } else if (function.empty()) {
            function = line;
        } else {
            auto& names = all[count - 1];
            named_frame one;
            if (!function.starts_with("??")) one.function = visible_name(function, most_code_text);
            read_line_of_code(line, one);
            function = {};
            if (names.size() == most_inlined) names.pop_back(); // the outermost one is the last
            if (!names.empty()) names.back().inlined = true;
            if (!one.function.empty() || !one.file.empty()) names.push_back(std::move(one));
        }
    }
    return all;
}

inline std::ptrdiff_t lines_known(const std::vector<std::vector<named_frame>>& names) {
    return std::count_if(names.begin(), names.end(), [](const auto& each) {
        return !each.empty() && each.back().line > 0;
    });
}

/// Names addresses of the file at `path`, which is one of this program's own and trusted, by
/// llvm-symbolizer or addr2line, where PATH has one. No names where there is neither, the file has
/// no symbols, or `deadline` has passed. Threads: as os::spawn(). Blocks: until then.
template <class = void> // compiled where it is used
MITOGEN_COLD std::vector<std::vector<named_frame>>
symbols_of(const std::string& path, std::span<const std::uint64_t> addresses, instant deadline) {
    constexpr std::size_t most_printed = 4 << 20;
    // addr2line, which g++ brings with it, reads all of a file first, a second for each 10 MB, and
    // gives some inlined functions of one file alone (static ones) the name of what is around them.
    // So it is the second.
    const std::vector<std::string> tools[] = {
        {"llvm-symbolizer", "--output-style=GNU", "-a", "-f", "-C", "-i", "-e", path},
        {"addr2line", "-a", "-f", "-C", "-i", "-e", path}};
    std::vector<std::vector<named_frame>> best(addresses.size());
    for (const std::vector<std::string>& tool : tools) {
        os::spawn_options options;
        options.path = tool[0];
        options.argv = tool;
        // somebody waits for the answer: nothing is to be fetched from elsewhere for it
        options.environment = {"DEBUGINFOD_URLS", "LC_ALL=C"};
        for (const std::uint64_t each : addresses) options.argv.push_back(hex_text(each));
        const duration_ns left = deadline - os::monotonic_now();
        if (left <= 0) break;
        const duration_ns part = &tool == &tools[0] ? left / 2 : left; // that the other has a turn
        const auto said = os::output_within(options, {.bytes = most_printed, .patience = part});
        if (!said) continue;
        auto names = read_symbols(said->text, addresses);
        const auto known = [](const auto& each) { return !each.empty(); };
        const bool first = std::none_of(best.begin(), best.end(), known);
        if (first || lines_known(names) > lines_known(best)) best = std::move(names);
        if (said->status.success() && lines_known(best) > 0) break;
    }
    if (os::has_symbol_table(path.c_str())) return best;
    // what has no line is named by the exported symbol before it then, however far that is
    for (auto& each : best)
        std::erase_if(each, [](const named_frame& one) { return one.line == 0; });
    return best;
}

} // namespace detail
} // namespace mitogen::inline MITOGEN_ABI
