// SPDX-License-Identifier: BSL-1.0
#pragma once
// on_signal.hpp: signals of the system as calls on the loop.

#include <mitogen/base/config.hpp>
#include <mitogen/base/function.hpp>
#include <mitogen/base/result.hpp>
#include <mitogen/os/process/signal_set.hpp>
#include <mitogen/router/router.hpp>

#include <memory>
#include <type_traits>
#include <utility>

namespace mitogen::inline MITOGEN_ABI {
namespace detail {

class signal_hook;

/// A function of a signal's number and of how many there have been, from one that takes less.
template <class F>
unique_function<void(int, int)> signal_function(F go) {
    if constexpr (std::is_invocable_v<F&, int, int>) {
        return unique_function<void(int, int)>(std::move(go));
    } else if constexpr (std::is_invocable_v<F&, int>) {
        return [go = std::move(go)](int number, int) mutable { go(number); };
    } else {
        static_assert(std::is_invocable_v<F&>,
                      "mitogen: on_signal calls a function with the number of the signal and how "
                      "many there have been: (int, int), (int) or ()");
        return [go = std::move(go)](int, int) mutable { go(); };
    }
}

} // namespace detail

/// While it exists, each of these signals of this process is a call of `go` on the loop, with its
/// number and how many of them there have been, all together: `on_signal guard{router, {SIGTERM,
/// SIGHUP}, [&](int number, int count) { … }}`. A function that takes less is called with less: the
/// number, or nothing.
///
/// A handler that the program has is called as well. If it has none and the loop does not come to
/// `go`, the third signal that waits ends the process as ever. Signals that are ignored stay so,
/// SIGHUP under nohup for instance. What was there before is restored at the end. Any number of
/// these, and of nurseries with nursery_options::signals, hear each signal. Children have process
/// groups of their own: signals of the terminal reach the root alone, and those that are sent with
/// kill(1), the process that they are sent to.
///
/// Threads: any. `go` runs on the loop, and must not block. Errors, thrown: without descriptors;
/// overloaded_error with 64 others; a logic_error under an I/O policy that knows no signals, and
/// for SIGKILL, SIGSTOP and those that report a fault. The router must outlive it.
class on_signal {
    std::unique_ptr<detail::signal_hook> hook_;

    on_signal() noexcept;

public:
    template <class F>
    on_signal(router& node, signal_set which, F go)
        : on_signal(node, which, detail::signal_function(std::move(go)), false) {}
    /// With `three`, the third one ends the process in any case, if the program has no handler.
    on_signal(router& node, signal_set which, unique_function<void(int, int)> go, bool three);
    on_signal(on_signal&&) = delete;
    ~on_signal();

    /// The same, with the error as a value.
    template <class F>
    static result<std::unique_ptr<on_signal>> make(router& node, signal_set which, F go) {
        return make_with(node, which, detail::signal_function(std::move(go)));
    }

private:
    result<void> begin(router& node, signal_set which, unique_function<void(int, int)> go,
                       bool three);
    static result<std::unique_ptr<on_signal>> make_with(router& node, signal_set which,
                                                        unique_function<void(int, int)> go);
};

/// While it exists, each SIGINT of this process is a call of `go` on the loop, with how many there
/// have been: 1, 2, … The first is the request to end what is under way, for instance by firing a
/// stop token; the second, to take no more time for it. Children have process groups of their own,
/// so that Ctrl-C at the terminal reaches nobody but the root.
///
/// As on_signal of SIGINT; but if the program has no handler, the third signal ends the process in
/// any case. Nurseries have it built in: nursery_options::interrupt.
class on_interrupt {
    on_signal signals_;

public:
    on_interrupt(router& node, unique_function<void(int)> go);
    on_interrupt(on_interrupt&&) = delete;
    ~on_interrupt() = default;
};

} // namespace mitogen::inline MITOGEN_ABI
