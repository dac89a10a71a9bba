// SPDX-License-Identifier: BSL-1.0
#pragma once
// interrupt_hook.hpp: what on_interrupt holds.

#include <mitogen/base/config.hpp>
#include <mitogen/base/error.hpp>
#include <mitogen/base/function.hpp>
#include <mitogen/loop/bound_source.hpp>
#include <mitogen/node/node.hpp>
#include <mitogen/nursery/interrupt.hpp>
#include <mitogen/os/failure.hpp>
#include <mitogen/os/process/interrupt.hpp>
#include <mitogen/router/router.hpp>

#include <memory>
#include <utility>

namespace mitogen::inline MITOGEN_ABI {
namespace detail {

/// What on_interrupt holds. Threads: as that.
class interrupt_hook {
    mitogen::node& node_;
    unique_function<void(int)> go_;
    int count_ = 0; // loop
    os::interrupt_watch signals_;
    bound_source<interrupt_hook> ready_;

    void on_signal() {
        for (int news = signals_.take(); news > 0; --news) go_(++count_);
    }

public:
    interrupt_hook(mitogen::node& node, unique_function<void(int)> go)
        : node_(node), go_(std::move(go)) {
        on_ready<&interrupt_hook::on_signal>(ready_, *this, signals_.fd());
        if (const long rc = node_.watch(ready_); rc < 0) raise(os::failure("watch for SIGINT", rc));
    }
    interrupt_hook(interrupt_hook&&) = delete;
    ~interrupt_hook() { node_.unwatch(ready_); }
};

} // namespace detail

MITOGEN_INLINE on_interrupt::on_interrupt(router& node, unique_function<void(int)> go) {
    if (!node.node().watches_descriptors())
        raise(error(reason::misuse, "this I/O policy knows no signals: there is no SIGINT"));
    hook_ = std::make_unique<detail::interrupt_hook>(node.node(), std::move(go));
}
MITOGEN_INLINE on_interrupt::~on_interrupt() = default;

} // namespace mitogen::inline MITOGEN_ABI
