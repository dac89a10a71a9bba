// SPDX-License-Identifier: BSL-1.0
#pragma once
// run.hpp: where a program says that it is one; and the whole of a simple program in one call.

#include <mitogen/base/config.hpp>
#include <mitogen/io/native_name.hpp>
#include <mitogen/router/router.hpp>

#include <memory>
#include <type_traits>
#include <utility>

namespace mitogen::inline MITOGEN_ABI {

/// Call it first thing in main(). Returns at once in the program that a user started; never returns
/// in one that was started as a child: that one serves its parent and exits, with its static
/// objects destroyed and its exit handlers run. A child finds out by its first argument, and runs
/// under the I/O policy `Io`, a native one.
///
/// A program may have been started with SIGCHLD ignored, which would lose how its children end:
/// that is undone. One that ignores it later has decided so itself.
template <class Io = io::native>
void init(int argc, char** argv);

namespace detail {

/// What run() holds: a broker and a router.
template <class Io>
class whole_program {
    struct parts;
    std::unique_ptr<parts> parts_;

public:
    whole_program();
    whole_program(whole_program&&) = delete;
    ~whole_program();
    /// False, with the error in the log, if there can be none, and there are no exceptions.
    bool made() const noexcept { return parts_ != nullptr; }
    router& root() noexcept;
    /// True if what the body throws is shown to somebody first, by show(). Then by show(), inside a
    /// catch block.
    static bool debugged() noexcept;
    static void show() noexcept;
};

#if MITOGEN_HAS_EXCEPTIONS
/// Runs the body of a program that is debugged: what it throws is shown where it leaves it.
template <class Go>
MITOGEN_COLD int run_debugged(void (*show)() noexcept, Go& go) {
    try {
        return go();
    } catch (...) {
        show();
        throw;
    }
}
#endif

} // namespace detail

/// init(), a broker, a router, and `body(router)`; then the end of all children. Returns the exit
/// status for main(): what the body returns if that is an int, else 0; 70 if there can be no
/// broker, if there are no exceptions. An exception of the body leaves run() after everything is
/// shut down.
template <class Body>
int run(int argc, char** argv, Body&& body) {
    init(argc, argv);
    detail::whole_program<io::native> whole;
    if (!whole.made()) return 70; // EX_SOFTWARE of sysexits.h
    const auto go = [&]() __attribute__((noinline)) -> int {
        if constexpr (std::is_convertible_v<std::invoke_result_t<Body, router&>, int>) {
            return std::forward<Body>(body)(whole.root());
        } else {
            std::forward<Body>(body)(whole.root());
            return 0;
        }
    };
#if MITOGEN_HAS_EXCEPTIONS
    using program = detail::whole_program<io::native>;
    if (program::debugged()) return detail::run_debugged(&program::show, go);
#endif
    return go();
}

} // namespace mitogen::inline MITOGEN_ABI
