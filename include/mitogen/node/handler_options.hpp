// SPDX-License-Identifier: BSL-1.0
#pragma once
// handler_options.hpp: how a handler of messages is registered.

#include <mitogen/base/config.hpp>
#include <mitogen/base/function.hpp>
#include <mitogen/base/ids.hpp>

#include <cstdint>

namespace mitogen::inline MITOGEN_ABI {

struct message;

/// Whose messages a handler takes.
enum class senders : std::uint8_t {
    parents, ///< only messages sent on the authority of this context or one above it
    anyone,  ///< every context of the tree
};

/// How a handler is registered.
struct handler_options {
    senders from = senders::parents;
    bool persist = true; ///< false: removed before its one message
    /// only this context's messages; gets a dead message when that context is lost
    context_id respondent = no_context;
};

namespace detail {

/// What is called for each message of a handle, on the loop.
using raw_handler = unique_function<void(const message&)>;

} // namespace detail
} // namespace mitogen::inline MITOGEN_ABI
