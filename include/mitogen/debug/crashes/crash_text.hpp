// SPDX-License-Identifier: BSL-1.0
#pragma once
// crash_text.hpp: reads what a process has said on stderr of its crash.

#include <mitogen/base/config.hpp>
#include <mitogen/child/child_stderr.hpp>
#include <mitogen/debug/frames/frame.hpp>
#include <mitogen/debug/frames/symbolizer.hpp>
#include <mitogen/link/visible_text.hpp>
#include <mitogen/os/crash/crash_report.hpp>

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace mitogen::inline MITOGEN_ABI {
namespace detail {

/// A crash, in the words of whoever crashed.
struct crash_text {
    std::string signal{}; ///< "signal 11, SIGSEGV, address 0x10, thread 4711"; can be shown
    std::vector<frame> frames{};
};

/// What there is before a report stands in the same line if it had no newline.
inline crash_part crash_part_of(std::string_view line) noexcept {
    if (line.starts_with(os::crash_frame_mark)) return crash_part::frame;
    return line.find(os::crash_mark) != line.npos ? crash_part::head : crash_part::none;
}

/// Nothing if the line is none of a frame.
template <class = void> // compiled where it is used
MITOGEN_COLD std::optional<frame> read_crash_frame(std::string_view line) {
    if (!line.starts_with(os::crash_frame_mark)) return std::nullopt;
    line.remove_prefix(os::crash_frame_mark.size());
    const auto word = [&line] {
        const std::string_view first = line.substr(0, line.find(' '));
        line.remove_prefix(first.size() + (first.size() < line.size()));
        return first;
    };
    frame one;
    if (!read_hex(word(), one.offset)) return std::nullopt;
    const std::string_view how = word();
    if (how != "r" && how != "i") return std::nullopt;
    one.is_call_site = how == "r";
    const std::string_view id = word();
    if (id.empty()) return std::nullopt;
    if (id != "-") one.build_id = id;
    one.module = line;
    return one;
}

/// The last report in `text`. Whatever else stands there is passed over.
template <class = void> // compiled where it is used
MITOGEN_COLD crash_text read_crash(std::string_view text) {
    constexpr std::size_t longest = 200;
    crash_text found;
    while (!text.empty()) {
        const std::string_view line = text.substr(0, text.find('\n'));
        text.remove_prefix(line.size() + (line.size() < text.size()));
        if (const std::size_t at = line.rfind(os::crash_mark); at != line.npos) {
            constexpr std::string_view word = "signal ";
            found = {visible_name(line.substr(at + os::crash_mark.size() - word.size()), longest),
                     {}};
        } else if (auto one = read_crash_frame(line);
                   one && found.frames.size() < os::most_crash_frames) {
            found.frames.push_back(std::move(*one));
        }
    }
    return found;
}

} // namespace detail
} // namespace mitogen::inline MITOGEN_ABI
