// SPDX-License-Identifier: BSL-1.0
#pragma once
// breakpoint.hpp: stops a thread or a task, in whatever context of the tree, for a person at the
// root's terminal.

#include <mitogen/base/config.hpp>
#include <mitogen/debug/code_place.hpp>
#include <mitogen/io/native_name.hpp>
#include <mitogen/task/task.hpp>

namespace mitogen::inline MITOGEN_ABI {
namespace detail {

/// From now on routers under `Io` have a debugger. Part of the core; a program that does not call
/// it carries nothing of that.
template <class Io>
void name_debugger() noexcept;

/// Made before main if the program names the debugger.
struct debugger_registration {
    debugger_registration() noexcept { name_debugger<io::native>(); }
};
template <class Part = void> // so that files that stop nowhere do not compile what it calls
inline const debugger_registration debugger_named{};

void stop_here(const code_place& where);
task<void> stop_task_here(code_place where);

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
inline void breakpoint(detail::code_place where = detail::code_place::here()) {
    static_cast<void>(&detail::debugger_named<>);
    detail::stop_here(where);
}

/// For a program that stops nowhere by itself: exceptions that leave its functions are shown at the
/// terminal if the tree is debugged. It may stand anywhere, and need not run.
inline void use_debugger() noexcept { static_cast<void>(&detail::debugger_named<>); }

/// The same of a task: `co_await mitogen::async_breakpoint()`. The others of its loop go on.
inline task<void>
async_breakpoint(detail::code_place where = detail::code_place::here()) {
    static_cast<void>(&detail::debugger_named<>);
    return detail::stop_task_here(where);
}

} // namespace mitogen::inline MITOGEN_ABI
