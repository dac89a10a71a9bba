// SPDX-License-Identifier: BSL-1.0
#pragma once
// program_source.hpp: gets this program's builds for other machines from the contexts above, if
// this one has none.

#include <mitogen/base/config.hpp>
#include <mitogen/base/function.hpp>
#include <mitogen/base/result.hpp>
#include <mitogen/os/fd.hpp>
#include <mitogen/program/payload.hpp>

#include <memory>
#include <string>
#include <vector>

namespace mitogen::inline MITOGEN_ABI {

struct boot_plan;

namespace detail {

/// Whoever gets programs from further up.
class program_source {
public:
    using found = unique_function<void(const std::vector<payload_file>&)>;
    using fetched = unique_function<void(const result<std::shared_ptr<os::unique_fd>>&)>;

    virtual ~program_source() = default;
    /// Adds to a staged plan what the contexts above have for machines that this one has no program
    /// for, and has `done` called, at once or later on the loop. The plan stays if it is until
    /// then. Threads: any.
    virtual void complete(boot_plan& plan, unique_function<void()> done) = 0;
    /// Has `done` called on the loop, at once or later, with what the contexts above have:
    /// descriptions, no files. Threads: loop.
    virtual void look_up(found done) = 0;
    /// Has `done` called on the loop, at once or later, with one of those, by its SHA-256, or why
    /// it cannot be had. It is fetched once, however many ask for it. Threads: loop.
    virtual void fetch(const std::string& sha256, fetched done) = 0;
};

} // namespace detail
} // namespace mitogen::inline MITOGEN_ABI
