// SPDX-License-Identifier: BSL-1.0
#pragma once
// interrupt.hpp: SIGINT, which a terminal sends to the root alone, as a call on the loop.

#include <mitogen/base/config.hpp>
#include <mitogen/base/function.hpp>
#include <mitogen/router/router.hpp>

#include <memory>
#include <utility>

namespace mitogen::inline MITOGEN_ABI {
namespace detail {

class interrupt_hook;

} // namespace detail

/// While it exists, each SIGINT of this process is a call of `go` on the loop, with how many there
/// have been: 1, 2, … The first is the request to end what is under way, for instance by firing a
/// stop token; the second, to take no more time for it. Children have process groups of their own,
/// so that Ctrl-C at the terminal reaches nobody but the root.
///
/// A handler that the program has is called as well. If it has none, the third signal ends the
/// process. Where SIGINT is ignored it stays so. What was there before is restored at the end.
/// Nurseries have it built in: nursery_options::interrupt. Threads: any. `go` runs on the loop, and
/// must not block. Errors, thrown: without descriptors; a logic_error under an I/O policy that
/// knows no signals. The router must outlive it.
class on_interrupt {
    std::unique_ptr<detail::interrupt_hook> hook_;

public:
    on_interrupt(router& node, unique_function<void(int)> go);
    on_interrupt(on_interrupt&&) = delete;
    ~on_interrupt();
};

} // namespace mitogen::inline MITOGEN_ABI
