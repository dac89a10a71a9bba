// SPDX-License-Identifier: BSL-1.0
#pragma once
// program_files.hpp: what an executable file is for, and where the builds of a program for other
// machines are.

#include <mitogen/base/config.hpp>
#include <mitogen/os/failure.hpp>
#include <mitogen/os/fd.hpp>
#include <mitogen/os/file.hpp>
#include <mitogen/os/machine.hpp>
#include <mitogen/os/program/executable.hpp>
#include <mitogen/os/program/program_kind.hpp>
#include <mitogen/program/payload.hpp>

#include <memory>
#include <string>
#include <vector>

namespace mitogen::inline MITOGEN_ABI {
namespace detail {

/// True for this program's own file, whatever its path is.
inline bool is_own_program(const os::unique_fd& program) {
    return os::same_file(program.get(), os::self_executable().get());
}

/// What machines a program is for, as `uname -sm` says it; empty if that cannot be told.
inline std::string kind_of(const os::unique_fd& program) {
    std::string kind = os::program_kind(program.get());
    if (kind.empty() && is_own_program(program)) kind = os::machine_text();
    return kind;
}

/// The builds of `program` for other machines: those of `payloads`, which are of no use if it is
/// another program than this one; and those that lie beside it, "tool.Linux-aarch64" beside "tool".
/// `path`: what was opened; empty: this program's own.
MITOGEN_COLD
inline std::vector<payload_file> open_payloads(const os::unique_fd& program,
                                               const std::string& path,
                                               const std::vector<payload>& payloads) {
    std::vector<payload_file> opened;
    const auto open = [&opened](const payload& p, bool wanted) {
        const long rc = os::open_to_read(p.path.c_str());
        if (rc < 0 && !wanted) return;
        payload_file& added = opened.emplace_back(payload_file{p});
        if (rc < 0)
            added.trouble = std::string(
                os::failure("cannot open the payload for " + p.machine + ", " + p.path, rc)
                    .message());
        else
            added.file = std::make_shared<os::unique_fd>(static_cast<int>(rc));
    };
    if (is_own_program(program))
        for (const payload& p : payloads) open(p, true);
    const std::string beside = path.empty() ? os::self_path() : path;
    if (beside.empty()) return opened;
    for (const std::string& machine : os::known_machines())
        open({"Linux " + machine, beside + ".Linux-" + machine}, false);
    return opened;
}

} // namespace detail
} // namespace mitogen::inline MITOGEN_ABI
