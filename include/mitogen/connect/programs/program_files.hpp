// SPDX-License-Identifier: BSL-1.0
#pragma once
// program_files.hpp: what an executable file is for, and where the builds of a program for other machines are.

#include <mitogen/base/config.hpp>
#include <mitogen/connect/programs/payload.hpp>
#include <mitogen/sys/executable.hpp>
#include <mitogen/sys/failure.hpp>
#include <mitogen/sys/fd.hpp>
#include <mitogen/sys/file.hpp>
#include <mitogen/sys/machine.hpp>
#include <mitogen/sys/program_kind.hpp>

#include <memory>
#include <string>
#include <vector>

namespace mitogen::inline MITOGEN_ABI {
namespace detail {

/// True for this program's own file, whatever its path is.
inline bool is_own_program(const sys::unique_fd& program) {
    return sys::same_file(program.get(), sys::self_executable().get());
}

/// What machines a program is for, as `uname -sm` says it; empty where that cannot be told.
inline std::string kind_of(const sys::unique_fd& program) {
    std::string kind = sys::program_kind(program.get());
    if (kind.empty() && is_own_program(program)) kind = sys::machine_text();
    return kind;
}

/// The builds of `program` for other machines: those of `payloads`, which are of no use where it is another program than this
/// one; and those that lie beside it, "tool.Linux-aarch64" beside "tool". `path`: where it was opened; empty: this program's own.
MITOGEN_COLD
inline std::vector<payload_file> open_payloads(const sys::unique_fd& program, const std::string& path,
                                               const std::vector<payload>& payloads) {
    std::vector<payload_file> opened;
    const auto open = [&opened](const payload& p, bool wanted) {
        const long rc = sys::open_to_read(p.path.c_str());
        if (rc < 0 && !wanted) return;
        payload_file& added = opened.emplace_back(payload_file{p});
        if (rc < 0)
            added.trouble = std::string(sys::failure("cannot open the payload for " + p.machine + ", " + p.path, rc).message());
        else added.file = std::make_shared<sys::unique_fd>(static_cast<int>(rc));
    };
    if (is_own_program(program))
        for (const payload& p : payloads) open(p, true);
    const std::string beside = path.empty() ? sys::self_path() : path;
    if (beside.empty()) return opened;
    for (const std::string& machine : sys::known_machines()) open({"Linux " + machine, beside + ".Linux-" + machine}, false);
    return opened;
}

} // namespace detail
} // namespace mitogen::inline MITOGEN_ABI
