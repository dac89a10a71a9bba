// SPDX-License-Identifier: BSL-1.0
#pragma once
// breakpoint.hpp: stops a thread or a task, in whatever context of the tree, for a person at the
// root's terminal.

#include <mitogen/base/config.hpp>
#include <mitogen/debug/code_place.hpp>
#include <mitogen/fwd.hpp>
#include <mitogen/io/native_name.hpp>
#include <mitogen/node/node.hpp>
#include <mitogen/task/task.hpp>

#include <string>

namespace mitogen::inline MITOGEN_ABI {
namespace detail {

/// From now on routers under `Io` have a debugger. Part of the core; a program that does not call
/// it carries nothing of that.
template <class Io>
void name_debugger() noexcept;

/// Made before main if the program names the debugger.
template <class Io>
struct debugger_registration {
    debugger_registration() noexcept { name_debugger<Io>(); }
};
template <class Io>
inline const debugger_registration<Io> debugger_named{};

template <class Io>
void stop_here(const code_place& where);
template <class Io>
task<void> stop_task_here(code_place where);
template <class Io>
std::string dump_below(mitogen::node& from);

} // namespace detail

/// Stops the calling thread until somebody at the terminal of the root says `continue`: there is
/// one prompt at a time in the whole tree, `(mitogen CONTEXT) `, and who stops meanwhile waits its
/// turn. `help` there says what can be typed.
///
/// Nothing happens unless the tree is debugged: MITOGEN_DEBUG=1 in the environment of the root, or
/// tree_rules::debug; a thread that a native debugger traces gets its SIGTRAP then. In a root
/// without a terminal the log has a report, and the thread goes on. While the context stands or
/// waits there, nobody ends it or takes its silence for a loss, nor those that lead to it.
///
/// Not on the loop's thread, which must not stop: there the log says so, and it goes on; see
/// run_on, and async_breakpoint() for tasks. Threads: any other. Blocks: yes. Errors, thrown:
/// debugger_quit, if `quit` was typed; cancelled_error or timeout_error, if a scope of the thread
/// ends while it waits for its turn. Without exceptions it goes on then.
template <class Io = io::native> // so that files that stop nowhere do not compile what it calls
void breakpoint(detail::code_place where = detail::code_place::here()) {
    static_cast<void>(&detail::debugger_named<Io>);
    detail::stop_here<Io>(where);
}

/// For a program that stops nowhere by itself: exceptions that leave its functions are shown at the
/// terminal if the tree is debugged. It may stand anywhere, and need not run.
template <class Io = io::native>
void use_debugger() noexcept {
    static_cast<void>(&detail::debugger_named<Io>);
}

/// What this context and all below it are at, as text: links and what waits on them, calls, flows,
/// threads and tasks with what they wait for; each context behind the one that has made it. All are
/// asked at once, and who does not answer within a second is named. Of contexts whose program names
/// the debugger, armed or not. Not on the loop. Blocks: for a second at most.
template <class Io = io::native>
std::string dump(router& from) {
    static_cast<void>(&detail::debugger_named<Io>);
    return detail::dump_below<Io>(node_of(from));
}

/// The same of a task: `co_await mitogen::async_breakpoint()`. The others of its loop go on.
template <class Io = io::native>
task<void> async_breakpoint(detail::code_place where = detail::code_place::here()) {
    static_cast<void>(&detail::debugger_named<Io>);
    return detail::stop_task_here<Io>(where);
}

} // namespace mitogen::inline MITOGEN_ABI
