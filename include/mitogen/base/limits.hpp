// SPDX-License-Identifier: BSL-1.0
#pragma once
// limits.hpp: every bound that the library puts on what a peer or a caller may make it hold.

#include <mitogen/base/config.hpp>
#include <mitogen/base/time.hpp>

#include <cstddef>
#include <cstdint>

namespace mitogen::inline MITOGEN_ABI {

/// Bounds, inherited by every context below the one if they are set. Reaching one is an error of
/// kind `overloaded` (or a `codec_error`, for the two that concern decoding) for whoever caused it;
/// never a crash and never unbounded memory.
struct limits {
    std::uint64_t message_bytes = 128u << 20; ///< largest payload of one message, in bytes
    /// unsent bytes that one link may hold on each account: of this context, and of every link
    std::uint64_t queue_bytes = 256u << 20;
    std::uint32_t nesting = 64;               ///< depth of values inside values while decoding
    std::uint32_t elements = 1u << 28;        ///< elements of one container while decoding
    /// calls that one context may have waiting for an answer
    std::uint32_t open_calls = 1u << 20;
    /// on the way in one channel, stream or dialog: what a window grows to
    std::uint32_t window_bytes = 4u << 20;
    /// on the way in all channels, streams and dialogs together that end in one context: the more
    /// of them there are the smaller their windows, down to 1 KiB; then further ones are refused.
    /// Besides it each may hold one item, however large that is
    std::uint64_t flow_bytes = 256u << 20;
    std::uint32_t routes = 1u << 16; ///< contexts below one child, all levels together

    friend bool operator==(const limits&, const limits&) = default;
};

namespace detail {
/// Longest name that a context may have, in bytes.
inline constexpr std::size_t most_name = 256;
} // namespace detail

/// How the two ends of a link make sure of each other. If either is 0 they do not.
struct heartbeat {
    /// if nothing was sent or heard for so long, something is sent
    duration_ns interval = 15'000'000'000;
    /// a link on which nothing at all was heard for so long is lost
    duration_ns limit = 60'000'000'000;

    bool on() const noexcept { return interval > 0 && limit > 0; }
    /// How often to look: often enough that some of what is sent may come late.
    duration_ns step() const noexcept {
        return interval < limit / 4 ? interval : (limit < 4 ? 1 : limit / 4);
    }

    friend bool operator==(const heartbeat&, const heartbeat&) = default;
};

/// When the log says that something does not go on. `never` or 0: it does not.
struct warnings {
    /// one piece of work on a loop, so that nothing else runs there: a function `on::loop`, a task
    /// between two of its waits, a handler, a log sink
    duration_ns blocked_loop = 1'000'000'000;
    /// calls that wait for the main thread or the pool of a context, which runs the same all that
    /// time; a long call that nothing waits behind is none
    duration_ns queued_call = 5'000'000'000;

    friend bool operator==(const warnings&, const warnings&) = default;
};

/// What holds for a whole tree: set at its root, and inherited by every context below.
struct tree_rules {
    mitogen::heartbeat heartbeat{};
    /// contexts talk to those above and below them only, never to siblings
    bool unidirectional = false;
    mitogen::warnings warnings{};
    /// breakpoint() stops its thread; MITOGEN_DEBUG=1 in the environment of the root says the same
    bool debug = false;

    friend bool operator==(const tree_rules&, const tree_rules&) = default;
};

} // namespace mitogen::inline MITOGEN_ABI
