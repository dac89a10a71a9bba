// SPDX-License-Identifier: BSL-1.0
#pragma once
// dead_messages.hpp: the words in which a router refuses a message, for its sender and, if nobody
// should have sent it, for the log.

#include <mitogen/base/config.hpp>
#include <mitogen/base/error.hpp>
#include <mitogen/base/ids.hpp>
#include <mitogen/base/log.hpp>
#include <mitogen/protocol/handle.hpp>
#include <mitogen/protocol/message.hpp>

#include <cstddef>
#include <cstdint>
#include <string>

namespace mitogen::inline MITOGEN_ABI {
/// Each returns what the sender is told; `here` is the context that refuses.
namespace dead_message {

MITOGEN_COLD inline error no_route(context_id to, context_id here) {
    return error(reason::no_route, "no route to context " + std::to_string(to) + ", my id is " +
                                       std::to_string(here));
}

MITOGEN_COLD inline error between_siblings(const header& h, context_id here) {
    return error(reason::unidirectional, "routing mode prevents forward from context " +
                                             std::to_string(h.src) + " to context " +
                                             std::to_string(h.dst) + " via context " +
                                             std::to_string(here));
}

/// Its sender or authority does not lie in the direction that it came from.
MITOGEN_COLD inline error false_source(const header& h, context_id neighbour) {
    return error(reason::unauthorised,
                 "context " + std::to_string(neighbour) + " may not send as context " +
                     std::to_string(h.src) + " on the authority of context " +
                     std::to_string(h.auth));
}

/// This context does not send it.
MITOGEN_COLD inline error too_large_to_send(std::size_t size, std::uint64_t most) {
    return error(reason::message_too_large, "the message has " + std::to_string(size) +
                                                " bytes, more than limits::message_bytes (" +
                                                std::to_string(most) +
                                                ") allows; send it in parts");
}

/// It has arrived, or begins to.
MITOGEN_COLD inline error too_large(std::uint64_t most, context_id here) {
    return error(reason::message_too_large, "the message is larger than the " +
                                                std::to_string(most) + " bytes that context " +
                                                std::to_string(here) + " accepts");
}

MITOGEN_COLD inline error too_many(context_id here) {
    return error(reason::overloaded,
                 "context " + std::to_string(here) + " receives too many large messages at once");
}

MITOGEN_COLD inline error no_handler(const header& h, context_id here) {
    return error(reason::invalid_handle, "nothing is registered under handle " +
                                             std::to_string(h.handle) + " of context " +
                                             std::to_string(here));
}

/// This context is at its end.
MITOGEN_COLD inline error closed(context_id here) {
    return error(reason::broker_exited, "context " + std::to_string(here) + " is shutting down");
}

/// There is a handler, which does not take it.
MITOGEN_COLD inline error not_taken(const header& h, context_id here, const char* why) {
    const std::string handle =
        "handle " + std::to_string(h.handle) + " of context " + std::to_string(here);
    return error(reason::refused_by_policy, handle + " refused the message: " + why);
}

/// Functions are called from above only, whether a context has any or not.
MITOGEN_COLD inline error upward_call(const header& h, context_id callee) {
    const std::string here = "context " + std::to_string(callee);
    const std::string caller = "context " + std::to_string(h.src);
    return error(reason::refused_by_policy, caller + " may not call functions of " + here +
                                                ": only contexts above " + here + " may");
}

/// An answer of somebody who was not asked.
MITOGEN_COLD inline error unexpected_answer() {
    return error(reason::unexpected_reply, "this context was not asked");
}

/// Nobody waits any more: normal after a timeout.
MITOGEN_COLD inline error late_answer() {
    return error(reason::invalid_handle, "nobody waits for this answer any more");
}

MITOGEN_COLD inline error handler_threw(const std::string& what) {
    return error(reason::remote_exception, "the handler threw: " + what);
}

} // namespace dead_message
} // namespace mitogen::inline MITOGEN_ABI
