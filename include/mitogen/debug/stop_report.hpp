// SPDX-License-Identifier: BSL-1.0
#pragma once
// stop_report.hpp: what a thread that stops says of itself to the root's debugger, what that asks
// it, and how it goes on.

#include <mitogen/base/config.hpp>
#include <mitogen/base/ids.hpp>
#include <mitogen/debug/frames/frame.hpp>

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace mitogen::inline MITOGEN_ABI {
namespace detail {

/// Why a thread has stopped. The numbers travel.
enum class stop_cause : std::uint8_t {
    breakpoint = 0, ///< breakpoint() was called
    exception = 1,  ///< a remote function has thrown
};

/// How it goes on. The numbers travel.
enum class stop_outcome : std::uint8_t {
    go_on = 0, ///< as if nothing had been there
    quit = 1,  ///< with an error of reason::debugger_quit
};

/// One thread that has stopped. Sent to handles::stop. A message to the same handle that wants no
/// answer has the ticket alone: that thread waits no more.
struct stop_report {
    std::uint64_t ticket = 0; ///< its number in that context, never the same twice
    std::uint8_t cause = 0;   ///< a stop_cause
    std::uint64_t thread = 0; ///< the system's number of it
    bool is_task = false;     ///< it is a task that stands, and its thread goes on
    std::uint64_t process = 0;
    std::string host{}; ///< as that calls itself
    std::string function{};   ///< where it stands; empty if that is not known
    std::string file{};
    std::uint32_t line = 0;
    std::string text{}; ///< what was thrown
    std::vector<frame> frames{}; ///< the innermost first

    /// Most bytes of each text.
    static constexpr std::size_t longest_text = 1024;
};

/// The first word of what the root asks of a thread that has stopped: it has the terminal now. Any
/// other text is a line that was typed there. Sent to handles::ask_stopped behind the ticket, and
/// answered with a text.
inline constexpr std::string_view terminal_granted = "granted";
/// With 0 for the ticket, of the context itself: what it is at.
inline constexpr std::string_view tree_dump_wanted = "dump";

} // namespace detail
} // namespace mitogen::inline MITOGEN_ABI
