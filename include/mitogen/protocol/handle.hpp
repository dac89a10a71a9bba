// SPDX-License-Identifier: BSL-1.0
#pragma once
// handle.hpp: numbers with the types of what may be sent to them, and the library's own.

#include <mitogen/base/config.hpp>
#include <mitogen/base/ids.hpp>

#include <cstdint>

namespace mitogen::inline MITOGEN_ABI {

/// A receiver of messages whose payload is `Args...`. Declare one as
/// `inline constexpr mitogen::handle<std::string, int> progress{2001};`.
///
/// Sender and receiver use the same declaration, so that the compiler checks both. The program's
/// own numbers begin at 1000.
template <class... Args>
struct handle {
    handle_id number;
};

/// The library's own handles. The names and numbers below 112 follow Mitogen's protocol
/// (mitogen/core.py) if the meaning is the same.
namespace handles {
/// run a function; payload: see protocol/call_frame.hpp
inline constexpr handle_id call_function = 101;
inline constexpr handle_id forward_log = 102; ///< a log record of a child
inline constexpr handle_id add_route = 103;   ///< a context has come up below the sender
inline constexpr handle_id del_route = 104;   ///< a context has gone
/// a block of ids is asked for, of the parent; answered
inline constexpr handle_id allocate_id = 105;
inline constexpr handle_id shutdown = 106;     ///< end this context and everything below it
inline constexpr handle_id detaching = 109;    ///< a child asks its parent to let it go; answered
inline constexpr handle_id forget_chain = 110; ///< a call chain begins anew, or has ended
inline constexpr handle_id cancel_call = 111;  ///< the sender no longer waits for one of its calls
inline constexpr handle_id explain_call = 112; ///< say why a function key is unknown
inline constexpr handle_id ping = 113;         ///< answered at once, by the loop
/// make a child there; payload: see remote/serializable_method.hpp
inline constexpr handle_id connect = 114;
/// between neighbours: a sign of life; answered if it asks for that
inline constexpr handle_id heartbeat = 115;
/// end a child of that context, or cut its link; answered with its exit status
inline constexpr handle_id end_child = 116;
/// to the parent: this context ends in order, and has nothing more to say
inline constexpr handle_id farewell = 117;
/// a tool's question; payload: see boot/prompts/prompt_router.hpp; answered with a secret
inline constexpr handle_id prompt = 118;
/// to a program that joins: it is a context of the tree now
inline constexpr handle_id admitted = 119;
/// what a parent has of its child's program for other machines
inline constexpr handle_id list_programs = 120;
inline constexpr handle_id read_program = 121; ///< a piece of one of them
/// a child wants to be told, by del_route, when a context elsewhere is lost
inline constexpr handle_id watch_route = 122;
/// to the root: a thread stops, and wants its debugger; answered when it shall go on. Without an
/// answer: it waits no more
inline constexpr handle_id stop = 123;
/// of the root's debugger to a context that has stopped; payload: see debug/stop_report.hpp;
/// answered
inline constexpr handle_id ask_stopped = 124;
/// a context below stands in a debugger: nobody ends it, nor those that lead to it
inline constexpr handle_id hold = 125;
/// to the root: a child of the sender has said where it crashed; payload: its number,
/// its name, and that text
inline constexpr handle_id crash = 126;
} // namespace handles

} // namespace mitogen::inline MITOGEN_ABI
