// SPDX-License-Identifier: BSL-1.0
#pragma once
// nsenter.hpp: a child in the namespaces of a process on this machine.

#include <mitogen/base/config.hpp>
#include <mitogen/base/limits.hpp>
#include <mitogen/base/result.hpp>
#include <mitogen/base/time.hpp>
#include <mitogen/connect/methods/any_method.hpp>
#include <mitogen/rpc/function_entry.hpp>

#include <atomic>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <tuple>
#include <vector>

namespace mitogen::inline MITOGEN_ABI {

/// What a container is, whose first process nsenter shall find.
enum class container_kind : std::uint8_t { none, docker, podman, lxc, lxd, incus, machinectl };

/// A process in the namespaces of another one on this machine, and under its root directory. That one is given by its number, or
/// as a container, whose first process a tool is asked for. Exactly one of the two. Takes root, or a user namespace of one's own.
/// The process that is started enters them itself; no tool is needed.
struct nsenter {
    int pid = 0;                                ///< a process
    std::string container{};                    ///< or a container that runs
    container_kind kind = container_kind::none; ///< what kind of container
    std::string tool_path{};                    ///< the tool that tells its first process; empty: the usual one of its kind
    std::vector<std::string> namespaces{};      ///< some of "mount", "uts", "ipc", "net", "pid", "user", "cgroup", "time";
                                                ///< empty: all. The root directory comes with "mount"
    std::string username{};                     ///< as in /etc/passwd there; empty: root of a user namespace, else this one
    /// the nsenter of util-linux, where that shall do it; then by the su that is there
    std::string nsenter_path{};

    std::string name{};                                ///< of the context; empty: "nsenter.<container or pid>"
    std::chrono::milliseconds connect_timeout{30'000}; ///< from start to hello, transfer included
    std::string executable{};                          ///< the program to run there, by path here; empty: this one
    on executor = on::main;                            ///< of functions there that do not say where they run: see run_on
    std::optional<mitogen::limits> limits{};           ///< for it and all below it; empty: this context's own
    bool keep_program = true;                          ///< in a cache there: the next connection sends none

    static constexpr std::string_view method_name = "nsenter";
    template <class Self>
    static constexpr auto fields(Self& self) {
        return std::tie(self.pid, self.container, self.kind, self.tool_path, self.namespaces, self.username, self.nsenter_path,
                        self.name, self.connect_timeout, self.executable, self.executor, self.limits, self.keep_program);
    }

    /// What is to be executed.
    result<boot_plan> plan() const;
};

/// The options of router::nsenter().
using nsenter_options = nsenter;

namespace detail {

/// What runs where this program was started to enter the namespaces of another process: set before main if the program names the
/// method. Others, which are sent over connections too, do not carry its code.
inline constinit std::atomic<void (*)(int argc, char** argv)> enter_main{nullptr};
[[noreturn]] void enter_and_execute(int argc, char** argv);

template <>
struct method_hook<nsenter> {
    method_hook() noexcept { enter_main = &enter_and_execute; }
};

} // namespace detail
} // namespace mitogen::inline MITOGEN_ABI
