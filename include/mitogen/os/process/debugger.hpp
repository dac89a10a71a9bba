// SPDX-License-Identifier: BSL-1.0
#pragma once
// debugger.hpp: whether a process is held: by a debugger, or because it was stopped.

#include <mitogen/base/config.hpp>
#include <mitogen/os/call.hpp>
#include <mitogen/os/fd.hpp>

#include <cstddef>
#include <cstdlib>
#include <string>
#include <string_view>

#include <fcntl.h>
#include <signal.h>
#include <sys/types.h>
#include <unistd.h>

namespace mitogen::inline MITOGEN_ABI {
namespace os {

namespace detail {

/// What proc(5) says of a process.
struct process_state {
    bool held = false; ///< stopped, or traced: gdb, lldb or strace is attached to its main thread
    ::pid_t parent = 0; ///< 0: not known
};

/// The value of `key`, which has a newline in front of it and a tab behind.
inline std::string_view status_value(std::string_view all, std::string_view key) {
    const std::size_t at = all.find(key);
    if (at == all.npos) return {};
    all.remove_prefix(at + key.size());
    return all.substr(0, all.find('\n'));
}

/// Knows nothing if there is no such file, as on BSD and macOS.
inline process_state state_of_process(::pid_t pid) {
    const unique_fd file(
        static_cast<int>(open(("/proc/" + std::to_string(pid) + "/status").c_str(), O_RDONLY)));
    if (!file) return {};
    char text[1024]; // these are among the first lines, which are short
    const long size = read(file.get(), text, sizeof text);
    const std::string_view all(text, size > 0 ? static_cast<std::size_t>(size) : 0);
    const std::string_view state = status_value(all, "\nState:\t").substr(0, 1);
    const std::string_view tracer = status_value(all, "\nTracerPid:\t");
    const std::string parent(status_value(all, "\nPPid:\t"));
    return {state == "T" || state == "t" || (!tracer.empty() && tracer != "0"),
            static_cast<::pid_t>(std::strtol(parent.c_str(), nullptr, 10))};
}

} // namespace detail

/// True if `pid`, a process of this machine, is held: a debugger is attached to it, or it was
/// stopped, as by Ctrl-Z; or so is a process between it and its ancestor `top`, that one included.
/// False if it is not below `top`. With 0 for `top` the nearest ancestors count: those who start a
/// context for another one (sudo and its monitor, a shell) are no more. Always false where there is
/// no proc(5), as on BSD and macOS. Blocks: never.
inline bool is_held(::pid_t pid, ::pid_t top) {
    constexpr int most_levels = 4;
    bool held = false;
    for (int level = 0; level < most_levels && pid > 1; ++level) {
        const detail::process_state found = detail::state_of_process(pid);
        held = held || found.held;
        if (pid == top) return held;
        pid = found.parent;
    }
    return held && top == 0;
}

/// A thread that a native debugger traces stops in it; false of any other, which goes on. Threads:
/// any.
inline bool trap_if_traced() {
    const bool traced = detail::state_of_process(::getpid()).held;
    if (traced) static_cast<void>(::raise(SIGTRAP));
    return traced;
}

/// The process that has started this one, or whoever has taken it over since.
inline int parent_pid() noexcept { return ::getppid(); }

} // namespace os
} // namespace mitogen::inline MITOGEN_ABI
