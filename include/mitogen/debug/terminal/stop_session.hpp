// SPDX-License-Identifier: BSL-1.0
#pragma once
// stop_session.hpp: one of the tree's stops at a terminal.

#include <mitogen/base/config.hpp>
#include <mitogen/base/log.hpp>
#include <mitogen/base/result.hpp>
#include <mitogen/debug/stop_report.hpp>
#include <mitogen/debug/terminal/prompt_session.hpp>
#include <mitogen/debug/terminal/prompt_terminal.hpp>
#include <mitogen/debug/terminal/tree_stops.hpp>
#include <mitogen/debug/tree_dump.hpp>

#include <mutex>
#include <optional>
#include <string>
#include <string_view>

namespace mitogen::inline MITOGEN_ABI {
namespace detail {

/// What its context says to a line that was typed, as text that can be shown.
template <class Io>
std::string shown_answer(tree_stops<Io>& stops, const tree_stop& s, std::string_view line) {
    const result<std::string> said = stops.ask(s, line);
    return said ? shown_lines(*said) : std::string(said.error().what());
}

/// Runs the session of a stop that `by` attends to. Threads: any but the loop. Blocks: until it is
/// over; finish() says so to the others.
template <class Io>
session_end run_session(tree_stops<Io>& stops, tree_stop& s, const attendant& by,
                        prompt_terminal& here, bool may_detach) {
    prompt_source from{
        [&](std::string_view line) { return shown_answer(stops, s, line); },
        [&] { return stops.contexts(); },
        [&] { return dump_tree(stops.node()); },
        [&] { return stops.over(s, by); },
        [&] { return stops.node().now(); },
        may_detach,
        [&](const std::string& screen) {
            const std::lock_guard lock(stops.access());
            if (s.by == &by) s.screen = screen;
        },
    };
    const result<std::string> stands = stops.ask(s, terminal_granted);
    if (!stands && stands.error().reason() == reason::timeout) {
        if (may_detach) {
            (void)here.write(s.place + " does not answer\n");
            return session_end::detached;
        }
        // it may be told so later, and must not wait for what is said here then
        log::write(log::level::warning, s.place + ": " + stop_view(s.report).text() +
                                            "; it goes on, as its context does not answer");
        return session_end::go_on;
    }
    if (!stands) return session_end::gone;
    std::string screen;
    {
        const std::lock_guard lock(stops.access());
        screen = s.screen;
    }
    return prompt_session(here, from, s.report, s.place).run(screen);
}

} // namespace detail
} // namespace mitogen::inline MITOGEN_ABI
