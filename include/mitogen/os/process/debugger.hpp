// SPDX-License-Identifier: BSL-1.0
#pragma once
// debugger.hpp: whether a debugger holds a process.

#include <mitogen/base/config.hpp>
#include <mitogen/os/call.hpp>
#include <mitogen/os/fd.hpp>

#include <cstddef>
#include <string>
#include <string_view>

#include <fcntl.h>
#include <sys/types.h>
#include <unistd.h>

namespace mitogen::inline MITOGEN_ABI {
namespace os {

/// True if `pid`, a process of this machine, is traced: gdb, lldb or strace is attached to its main
/// thread. From proc(5), TracerPid; false if there is no such file, as on BSD and macOS. Blocks:
/// never.
inline bool is_traced(::pid_t pid) {
    const unique_fd file(
        static_cast<int>(open(("/proc/" + std::to_string(pid) + "/status").c_str(), O_RDONLY)));
    if (!file) return false;
    char text[1024]; // it is the eighth line, and the first ones are short
    const long size = read(file.get(), text, sizeof text);
    const std::string_view all(text, size > 0 ? static_cast<std::size_t>(size) : 0);
    constexpr std::string_view key = "\nTracerPid:\t";
    const std::size_t at = all.find(key);
    return at != all.npos && at + key.size() < all.size() && all[at + key.size()] != '0';
}

/// The process that has started this one, or whoever has taken it over since.
inline int parent_pid() noexcept { return ::getppid(); }

} // namespace os
} // namespace mitogen::inline MITOGEN_ABI
