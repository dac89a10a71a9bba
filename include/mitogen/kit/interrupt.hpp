// SPDX-License-Identifier: BSL-1.0
#pragma once
// interrupt.hpp: SIGINT, which a terminal sends to the root alone, as a call on the loop.

#include <mitogen/base/config.hpp>
#include <mitogen/base/error.hpp>
#include <mitogen/base/function.hpp>
#include <mitogen/connect/router.hpp>
#include <mitogen/io/policy.hpp>
#include <mitogen/loop/bound_source.hpp>
#include <mitogen/loop/broker.hpp>
#include <mitogen/sys/failure.hpp>
#include <mitogen/sys/interrupt.hpp>

#include <utility>

namespace mitogen::inline MITOGEN_ABI {

/// While it exists, each SIGINT of this process is a call of `go` on the loop, with how many there have been: 1, 2, … The first
/// is the request to end what is under way, for instance by firing a stop token; the second, to take no more time for it.
/// Children have process groups of their own, so that Ctrl-C at the terminal reaches nobody but the root.
///
/// A handler that the program has is called as well. Where it has none, the third signal ends the process. Where SIGINT is
/// ignored it stays so. What was there before is restored at the end. Nurseries have it built in: nursery_options::interrupt.
/// Threads: any. `go` runs on the loop, and must not block. Errors, thrown: without descriptors. The router must outlive it.
template <class Io = io::native>
    requires io::has_local_sockets<Io>
class basic_on_interrupt {
    basic_broker<Io>& loop_;
    unique_function<void(int)> go_;
    int count_ = 0; // loop
    sys::interrupt_watch signals_;
    bound_source<basic_on_interrupt> ready_;

    void on_signal() {
        for (int news = signals_.take(); news > 0; --news) go_(++count_);
    }

public:
    basic_on_interrupt(basic_router<Io>& node, unique_function<void(int)> go) : loop_(node.loop()), go_(std::move(go)) {
        on_ready<&basic_on_interrupt::on_signal>(ready_, *this, signals_.fd());
        long rc = 0;
        loop_.run([&] { rc = loop_.watch(ready_, io::interest::read); });
        if (rc < 0) raise(sys::failure("watch for SIGINT", rc));
    }
    basic_on_interrupt(basic_on_interrupt&&) = delete;
    ~basic_on_interrupt() {
        loop_.run([&] { loop_.unwatch(ready_); });
    }
};

namespace detail {

/// basic_on_interrupt<Io>, named without being formed: for policies that have none.
template <class Io>
struct lazy_on_interrupt {
    using type = basic_on_interrupt<Io>;
};

} // namespace detail

/// On the router with this platform's best poller.
using on_interrupt = basic_on_interrupt<>;

} // namespace mitogen::inline MITOGEN_ABI
