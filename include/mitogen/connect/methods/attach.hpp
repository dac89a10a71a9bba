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

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <utility>

namespace mitogen::inline MITOGEN_ABI {

struct attach;

/// Of a child whose byte stream the program has made itself.
struct link_options {
    std::string name{};                                ///< of the context; empty: "attached"
    std::chrono::milliseconds connect_timeout{30'000}; ///< until its hello
    on executor = on::main;                            ///< of functions there that do not say where they run: see run_on
    std::optional<mitogen::limits> limits{};           ///< for it and all below it; empty: this context's own

    /// As a method, which takes over these descriptors.
    attach taking(int fd_in, int fd_out) const;
};

/// A child at the far end of a byte stream that this program opens when it is wanted, and again when a nursery begins it again: a
/// serial line, a socket, another library's connection. There runs a program that calls mitogen::init, started with the one
/// argument `mitogen::child_argument`, whose stdin and stdout the stream is.
struct attach {
    /// Opens it: the descriptor of what the child says, and of what it hears, which may be one. They are taken over. Called by
    /// whoever connects; it may block that thread, and must not throw.
    std::function<result<std::pair<int, int>>()> open{};

    std::string name{};                                ///< of the context; empty: "attached"
    std::chrono::milliseconds connect_timeout{30'000}; ///< until its hello
    on executor = on::main;                            ///< of functions there that do not say where they run: see run_on
    std::optional<mitogen::limits> limits{};           ///< for it and all below it; empty: this context's own

    /// Opens the stream.
    result<boot_plan> plan() const;
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

/// Descriptors that are closed unless somebody takes them.
struct given_stream {
    sys::unique_fd in;
    sys::unique_fd out;
};

} // namespace detail

inline result<boot_plan> attach::plan() const {
    boot_plan p;
    p.what = "attached stream";
    p.name = "attached";
    p.attached = true;
    p.explain = &detail::explain_attached;
    detail::apply_common(*this, p);
    if (!open) return error(reason::misuse, "attach: .open is empty: it must give the two descriptors of the stream");
    const result<std::pair<int, int>> ends = open();
    if (!ends) return ends.error();
    if (ends->first < 0 || ends->second < 0) return error(reason::misuse, "attach: a descriptor is negative");
    const sys::unique_fd given_in(ends->first);
    const sys::unique_fd given_out(ends->second == ends->first ? -1 : ends->second);
    for (const auto& [fd, end] : {std::pair(ends->first, &p.attached_in), std::pair(ends->second, &p.attached_out)}) {
        const long rc = sys::dup_above(fd, 3); // close-on-exec
        if (rc < 0) return sys::failure("attach", rc, fd);
        end->reset(static_cast<int>(rc));
    }
    return p;
}

inline attach link_options::taking(int fd_in, int fd_out) const {
    attach method{.open = {}, .name = name, .connect_timeout = connect_timeout, .executor = executor, .limits = limits};
    const auto given = std::make_shared<detail::given_stream>();
    if (fd_in >= 0) given->in.reset(fd_in);
    if (fd_out >= 0 && fd_out != fd_in) given->out.reset(fd_out);
    method.open = [given, fd_in, fd_out]() -> result<std::pair<int, int>> {
        (void)given->in.release();
        (void)given->out.release();
        return std::pair(fd_in, fd_out);
    };
    return method;
}

} // namespace mitogen::inline MITOGEN_ABI
