// SPDX-License-Identifier: BSL-1.0
#pragma once
// status.hpp: the tree as one context sees it, and what it is at, as data and as text.

#include <mitogen/base/config.hpp>
#include <mitogen/base/ids.hpp>
#include <mitogen/base/time.hpp>

#include <cstddef>
#include <cstdint>
#include <string>

namespace mitogen::inline MITOGEN_ABI {

/// What one context knows of another. Times and bytes are of the link between the two, and known
/// only if there is one.
struct context_status {
    /// How the other one stands to this context.
    enum class place : std::uint8_t {
        self,   ///< it is this context
        parent, ///< above it, at the other end of a link
        child,  ///< below it, at the other end of a link
        below,  ///< reached through a child
    };

    context_id id = no_context;
    context_id parent = no_context; ///< who made it; no_context: not known here
    std::string name{};             ///< empty: not known here
    place where = place::below;
    std::size_t pending_calls = 0; ///< of this context, that it has not answered
    std::uint64_t queue_bytes = 0; ///< that wait to be written to it
    std::uint64_t bytes_in = 0;    ///< ever read from it
    std::uint64_t bytes_out = 0;   ///< ever written to it
    duration_ns uptime = 0;        ///< of the link
    /// of the last heartbeat that was answered; never: there was none
    duration_ns round_trip = never;
    /// of place::self: messages that came for a call or flow that had ended, and were dropped
    std::uint64_t late_frames = 0;

    /// One line of text, without its end.
    MITOGEN_COLD std::string text() const {
        static constexpr const char* places[] = {"self", "parent", "child", "below"};
        std::string line = "context " + std::to_string(id) +
                           (name.empty() ? "" : " \"" + name + "\"") + ": " +
                           places[static_cast<std::size_t>(where)];
        if (where == place::below)
            line += parent == no_context ? "" : " context " + std::to_string(parent);
        if (pending_calls) line += ", " + std::to_string(pending_calls) + " pending calls";
        if (late_frames) line += ", " + std::to_string(late_frames) + " late frames";
        if (where != place::parent && where != place::child) return line;
        line += ", " + std::to_string(queue_bytes) + " bytes queued, up for " +
                std::to_string(uptime / 1'000'000) + " ms";
        if (round_trip != never)
            line += ", round trip " + std::to_string(round_trip / 1'000) + " us";
        return line;
    }
};

/// Something that runs in this context, or waits there for something.
struct activity {
    std::string who{};  ///< "the main thread", "a task", or what it runs
    std::string does{}; ///< "runs count for context 0", "waits for the answer to add in web7"
    context_id context = no_context; ///< the other one that it is about
    /// At least: nobody looks at a clock when a call is made, so what is seen for the first time
    /// may have lasted for any time. 0: it is seen for the first time.
    duration_ns lasts = 0;

    /// One line of text, without its end.
    MITOGEN_COLD std::string text() const {
        std::string line = who + " " + does;
        if (lasts >= 1'000'000)
            line += ", for " + std::to_string(lasts / 1'000'000) + " ms or more";
        return line;
    }
};

} // namespace mitogen::inline MITOGEN_ABI
