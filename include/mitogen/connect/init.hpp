// SPDX-License-Identifier: BSL-1.0
#pragma once
// init.hpp: where a program says that it is one; and the whole of a simple program in one call.

#include <mitogen/base/config.hpp>
#include <mitogen/base/log.hpp>
#include <mitogen/connect/boot/first_stage.hpp>
#include <mitogen/connect/boot/handshake.hpp>
#include <mitogen/connect/child_main.hpp>
#include <mitogen/connect/child_pipes.hpp>
#include <mitogen/connect/enter_main.hpp>
#include <mitogen/connect/router.hpp>
#include <mitogen/io/main_arguments.hpp>
#include <mitogen/io/native.hpp>
#include <mitogen/rpc/registry.hpp>
#include <mitogen/sys/executable.hpp>
#include <mitogen/sys/signal.hpp>
#include <mitogen/sys/stdio.hpp>

#include <cstdlib>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>

namespace mitogen::inline MITOGEN_ABI {

/// Call it first thing in main(). Returns at once in the program that a user started; never returns in one that was started as a
/// child: that one serves its parent and exits, with its static objects destroyed and its exit handlers run. A child finds out by
/// its first argument, and runs under the I/O policy `Io`, a native one.
///
/// A program may have been started with SIGCHLD ignored, which would lose how its children end: that is undone. One that ignores
/// it later has decided so itself.
template <class Io = io::native>
MITOGEN_COLD void init(int argc, char** argv) {
    const std::string_view first = argc < 2 ? std::string_view() : std::string_view(argv[1]);
    if (const auto enter = detail::enter_main.load(); enter && first == detail::enter_argument) enter(argc, argv);
    io::main_arguments = {.argc = argc, .argv = argv, .known = true};
    sys::keep_exit_statuses();
    sys::self_executable(); // opened now: the file may be replaced while we run
    if (first != child_argument) {
        for (const std::string& same : registry::duplicates()) {
            log::write(log::level::warning,
                       "two remote functions cannot be told apart between different builds: " + same +
                           "; name one: template <> inline constexpr std::string_view mitogen::name_of<&f> = \"…\";");
        }
        return;
    }
    detail::leave_first_stage(argv[0]);
    detail::child_ends<Io> ends{sys::take_stdio(0), sys::take_stdio(1)};
    if (ends.in && ends.out) detail::serve_as_child<Io>(Io{}, std::move(ends));
    std::exit(0);
}

/// init(), a broker, a router, and `body(router)`; then the end of all children. Returns the exit status for main(): what the
/// body returns if that is an int, else 0. An exception of the body leaves run() after everything is shut down.
template <class Body>
int run(int argc, char** argv, Body&& body) {
    init(argc, argv);
    broker loop;
    router root(loop);
    if constexpr (std::is_convertible_v<std::invoke_result_t<Body, router&>, int>) {
        return std::forward<Body>(body)(root);
    } else {
        std::forward<Body>(body)(root);
        return 0;
    }
}

} // namespace mitogen::inline MITOGEN_ABI
