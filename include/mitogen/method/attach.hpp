// SPDX-License-Identifier: BSL-1.0
#pragma once
// attach.hpp: a child at the far end of a byte stream that is there already.

#include <mitogen/base/config.hpp>
#include <mitogen/base/limits.hpp>
#include <mitogen/base/on.hpp>
#include <mitogen/base/result.hpp>
#include <mitogen/base/time.hpp>
#include <mitogen/boot/boot_plan.hpp>
#include <mitogen/method/attach_options.hpp>
#include <mitogen/method/error_patterns.hpp>
#include <mitogen/method/method.hpp>
#include <mitogen/os/call.hpp>
#include <mitogen/os/failure.hpp>
#include <mitogen/os/fd.hpp>
#include <mitogen/protocol/handshake.hpp>

#include <memory>
#include <optional>
#include <string>
#include <utility>

namespace mitogen::inline MITOGEN_ABI {

namespace detail {

inline error explain_attached(const boot_plan& plan, const boot_failure& f) {
    if (f.what == boot_failure::how::confused) return explain_boot(plan, f);
    const std::string advice = "; a program that calls mitogen::init must run at its far end, "
                               "started with the one argument " +
                               std::string(child_argument) +
                               ", its stdin and stdout being the stream";
    if (f.what == boot_failure::how::timed_out)
        return because(plan, f, reason::connect_timeout,
                       "no hello within " + std::to_string(plan.timeout / 1'000'000) +
                           " ms (connect_timeout)" + advice);
    return because(plan, f, reason::end_of_file, "it ended before the child said hello" + advice);
}

/// Descriptors that are closed unless somebody takes them.
struct given_stream {
    os::unique_fd in;
    os::unique_fd out;
};

} // namespace detail

MITOGEN_COLD MITOGEN_INLINE result<boot_plan> attach::plan() const {
    boot_plan p;
    p.what = "attached stream";
    p.name = "attached";
    p.name_takes_id = true;
    p.attached = true;
    p.explain = &detail::explain_attached;
    detail::apply_common(*this, p);
    if (!open)
        return error(reason::misuse,
                     "attach: .open is empty: it must give the two descriptors of the stream");
    const result<std::pair<int, int>> ends = open();
    if (!ends) return ends.error();
    if (ends->first < 0 || ends->second < 0)
        return error(reason::misuse, "attach: a descriptor is negative");
    const os::unique_fd given_in(ends->first);
    const os::unique_fd given_out(ends->second == ends->first ? -1 : ends->second);
    for (const auto& [fd, end] :
         {std::pair(ends->first, &p.attached_in), std::pair(ends->second, &p.attached_out)}) {
        const long rc = os::dup_above(fd, 3); // close-on-exec
        if (rc < 0) return os::failure("attach", rc, fd);
        end->reset(static_cast<int>(rc));
    }
    return p;
}

MITOGEN_INLINE attach link_options::taking(int fd_in, int fd_out) const {
    attach method{.open = {},
                  .name = name,
                  .connect_timeout = connect_timeout,
                  .executor = executor,
                  .limits = limits,
                  .may_detach = may_detach};
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
