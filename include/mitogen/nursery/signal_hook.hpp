// SPDX-License-Identifier: BSL-1.0
#pragma once
// signal_hook.hpp: what on_signal holds.

#include <mitogen/base/config.hpp>
#include <mitogen/base/error.hpp>
#include <mitogen/base/function.hpp>
#include <mitogen/base/result.hpp>
#include <mitogen/loop/bound_source.hpp>
#include <mitogen/node/node.hpp>
#include <mitogen/nursery/on_signal.hpp>
#include <mitogen/os/failure.hpp>
#include <mitogen/os/process/signal_set.hpp>
#include <mitogen/os/process/signal_watch.hpp>
#include <mitogen/router/router.hpp>

#include <csignal>
#include <cstddef>
#include <memory>
#include <utility>

namespace mitogen::inline MITOGEN_ABI {
namespace detail {

/// What on_signal holds. Threads: as that.
class signal_hook {
    mitogen::node& node_;
    unique_function<void(int, int)> go_;
    int count_ = 0; // loop
    os::signal_watch signals_;
    bound_source<signal_hook> ready_;
    bool watched_ = false;

    void on_signals() {
        unsigned char numbers[64];
        while (const std::size_t n = signals_.take(numbers))
            for (std::size_t i = 0; i < n; ++i) go_(numbers[i], ++count_);
    }

public:
    signal_hook(mitogen::node& node, unique_function<void(int, int)> go, os::last_resort ends)
        : node_(node), go_(std::move(go)), signals_(ends) {}
    signal_hook(signal_hook&&) = delete;
    ~signal_hook() {
        if (watched_) node_.unwatch(ready_);
    }

    /// Once.
    result<void> begin(signal_set which) {
        if (!node_.watches_descriptors())
            return error(reason::misuse, "this I/O policy knows no signals");
        if (const result<void> watched = signals_.begin(which); !watched) return watched;
        on_ready<&signal_hook::on_signals>(ready_, *this, signals_.fd());
        if (const long rc = node_.watch(ready_); rc < 0)
            return os::failure("watch for signals", rc);
        watched_ = true;
        return {};
    }
};

} // namespace detail

MITOGEN_INLINE on_signal::on_signal() noexcept = default;
MITOGEN_INLINE on_signal::~on_signal() = default;

MITOGEN_INLINE result<void> on_signal::begin(router& node, signal_set which,
                                             unique_function<void(int, int)> go, bool three) {
    hook_ = std::make_unique<detail::signal_hook>(node.node(), std::move(go),
                                                  three ? os::last_resort::third
                                                        : os::last_resort::third_unread);
    return hook_->begin(which);
}

MITOGEN_INLINE on_signal::on_signal(router& node, signal_set which,
                                    unique_function<void(int, int)> go, bool three) {
    begin(node, which, std::move(go), three).value();
}

MITOGEN_INLINE result<std::unique_ptr<on_signal>>
on_signal::make_with(router& node, signal_set which, unique_function<void(int, int)> go) {
    std::unique_ptr<on_signal> made(new on_signal);
    if (result<void> begun = made->begin(node, which, std::move(go), false); !begun)
        return begun.error();
    return made;
}

MITOGEN_INLINE on_interrupt::on_interrupt(router& node, unique_function<void(int)> go)
    : signals_(node, {SIGINT},
               unique_function<void(int, int)>(
                   [go = std::move(go)](int, int count) mutable { go(count); }),
               true) {}

} // namespace mitogen::inline MITOGEN_ABI
