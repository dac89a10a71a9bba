// SPDX-License-Identifier: BSL-1.0
#pragma once
// nsenter_options.hpp: a child in the namespaces of a process on this machine.

#include <mitogen/base/config.hpp>
#include <mitogen/base/limits.hpp>
#include <mitogen/base/result.hpp>
#include <mitogen/base/time.hpp>
#include <mitogen/call/any_method.hpp>
#include <mitogen/call/function_entry.hpp>

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

/// A process in the namespaces of another one on this machine, and under its root directory. That
/// one is given by its number, or as a container, whose first process a tool is asked for. Exactly
/// one of the two. Takes root, or a user namespace of one's own. The process that is started enters
/// them itself; no tool is needed.
struct nsenter {
    int pid = 0;                                ///< a process
    std::string container{};                    ///< or a container that runs
    container_kind kind = container_kind::none; ///< what kind of container
    /// the tool that tells its first process; empty: the usual one of its kind
    std::string tool_path{};
    /// some of "mount", "uts", "ipc", "net", "pid", "user", "cgroup", "time";
    std::vector<std::string> namespaces{};
    ///< empty: all. The root directory comes with "mount"
    /// as in /etc/passwd there; empty: root of a user namespace, else this one
    std::string username{};
    /// the nsenter of util-linux, if that shall do it; then by the su that is there
    std::string nsenter_path{};

    /// of the context; empty: "nsenter.<container or pid>"
    std::string name{};
    std::chrono::milliseconds connect_timeout{30'000}; ///< from start to hello, transfer included
    /// the program to run there, by path here; empty: this one
    std::string executable{};
    /// of functions there that have no run_on of their own
    on executor = on::main;
    /// for it and all below it; empty: this context's own
    std::optional<mitogen::limits> limits{};
    bool may_detach = false; ///< it may leave the tree and go on alone: router::detach()
    /// in a cache there: the next connection sends none
    bool keep_program = true;

    static constexpr std::string_view method_name = "nsenter";
    template <class Self>
    static constexpr auto fields(Self& self) {
        return std::tie(self.pid, self.container, self.kind, self.tool_path, self.namespaces,
                        self.username, self.nsenter_path, self.name, self.connect_timeout,
                        self.executable, self.executor, self.limits, self.may_detach,
                        self.keep_program);
    }

    /// What is to be executed.
    result<boot_plan> plan() const;
};

/// The options of router::nsenter().
using nsenter_options = nsenter;

namespace detail {

/// What runs if this program was started to enter the namespaces of another process: set before
/// main if the program names the method. Others, which are sent over connections too, do not carry
/// its code.
inline constinit std::atomic<void (*)(int argc, char** argv)> enter_main{nullptr};
[[noreturn]] void enter_and_execute(int argc, char** argv);

template <>
struct method_hook<nsenter> {
    method_hook() noexcept { enter_main = &enter_and_execute; }
};

} // namespace detail
} // namespace mitogen::inline MITOGEN_ABI
