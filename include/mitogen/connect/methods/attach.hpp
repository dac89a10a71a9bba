// SPDX-License-Identifier: BSL-1.0
#pragma once
// attach.hpp: a child at the far end of a byte stream that is there already.

#include <mitogen/base/config.hpp>
#include <mitogen/base/limits.hpp>
#include <mitogen/base/result.hpp>
#include <mitogen/base/time.hpp>
#include <mitogen/connect/boot/boot_plan.hpp>
#include <mitogen/connect/boot/handshake.hpp>
#include <mitogen/connect/methods/method.hpp>
#include <mitogen/connect/methods/symptoms.hpp>
#include <mitogen/rpc/function_entry.hpp>
#include <mitogen/sys/call.hpp>
#include <mitogen/sys/failure.hpp>
#include <mitogen/sys/fd.hpp>

#include <optional>
#include <string>
#include <utility>

namespace mitogen::inline MITOGEN_ABI {

/// Of a child whose byte stream the program has made itself.
struct link_options {
    std::string name{};                                ///< of the context; empty: "attached"
    std::chrono::milliseconds connect_timeout{30'000}; ///< until its hello
    on executor = on::main;                            ///< of functions there that do not say where they run: see run_on
    std::optional<mitogen::limits> limits{};           ///< for it and all below it; empty: this context's own
};

namespace detail {

inline error explain_attached(const boot_plan& plan, const boot_failure& f) {
    if (f.what == boot_failure::how::confused) return explain_boot(plan, f);
    const std::string advice = "; a program that calls mitogen::init must run at its far end, started with the one argument " +
                               std::string(child_argument) + ", its stdin and stdout being the stream";
    if (f.what == boot_failure::how::timed_out)
        return because(plan, f, reason::connect_timeout,
                       "no hello within " + std::to_string(plan.timeout / 1'000'000) + " ms (connect_timeout)" + advice);
    return because(plan, f, reason::end_of_file, "it ended before the child said hello" + advice);
}

/// What is known about such a child. `inherited`: the limits, where the options say nothing of them.
MITOGEN_COLD inline boot_plan plan_to_attach(const link_options& options, const limits& inherited) {
    boot_plan p;
    p.what = "attached stream";
    p.name = "attached";
    p.bounds = inherited;
    p.attached = true;
    p.explain = &explain_attached;
    apply_common(options, p);
    return p;
}

/// Both directions of a stream, as a link wants them: two descriptors of its own, close-on-exec, nonblocking.
struct stream_ends {
    sys::unique_fd in;
    sys::unique_fd out;
};

/// Takes over two descriptors, which may be one; they are closed also where that fails.
template <class Io>
MITOGEN_COLD result<stream_ends> take_stream(Io& io, int fd_in, int fd_out) {
    if (fd_in < 0 || fd_out < 0) return error(reason::misuse, "attach: a descriptor is negative");
    const sys::unique_fd given_in(fd_in);
    const sys::unique_fd given_out(fd_out == fd_in ? -1 : fd_out);
    stream_ends ends;
    for (const auto& [fd, end] : {std::pair(fd_in, &ends.in), std::pair(fd_out, &ends.out)}) {
        long rc = sys::dup_above(fd, 3); // close-on-exec
        if (rc >= 0) {
            end->reset(static_cast<int>(rc));
            rc = io.set_nonblocking(end->get(), true);
        }
        if (rc < 0) return sys::failure("attach", rc, fd);
    }
    return ends;
}

} // namespace detail
} // namespace mitogen::inline MITOGEN_ABI
