// SPDX-License-Identifier: BSL-1.0
#pragma once
// nsenter.hpp: a child in the namespaces of a process on this machine.

#include <mitogen/base/config.hpp>
#include <mitogen/base/limits.hpp>
#include <mitogen/base/result.hpp>
#include <mitogen/base/time.hpp>
#include <mitogen/connect/boot/boot_plan.hpp>
#include <mitogen/connect/methods/entering_plan.hpp>
#include <mitogen/connect/methods/exec_style.hpp>
#include <mitogen/rpc/function_entry.hpp>
#include <mitogen/sys/namespaces.hpp>

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <tuple>
#include <utility>
#include <vector>

namespace mitogen::inline MITOGEN_ABI {

/// What a container is, whose first process nsenter shall find.
enum class container_kind : std::uint8_t { none, docker, podman, lxc, lxd, incus, machinectl };

namespace detail {

/// How the first process of a container is found: by a tool, and the line of shell that has it print the number.
struct leader_lookup {
    std::string tool;
    std::string_view ask; ///< "$1" is the tool, "$2" the container

    /// For nsenter(1), for `sh -c SCRIPT sh TOOL CONTAINER NSENTER ARGUMENTS…`: becomes nsenter, with that process as its target.
    /// In a process of its own, because a tool may take its time.
    std::string script() const {
        return "p=$(" + std::string(ask) + ")||exit $?;case $p in \"\"|0|*[!0-9]*)echo \"" + std::string(no_leader_text) +
               "\" >&2;exit 1;;esac;n=$3;shift 3;exec \"$n\" --target \"$p\" \"$@\"";
    }
};

MITOGEN_COLD inline leader_lookup leader_lookup_of(container_kind kind) {
    constexpr std::string_view inspect = "exec \"$1\" inspect \"--format={{.State.Pid}}\" \"$2\"";
    constexpr std::string_view info = "\"$1\" info \"$2\"|sed -n \"s/^ *[Pp][Ii][Dd]: *//p\"";
    switch (kind) {
    case container_kind::podman: return {"podman", inspect};
    case container_kind::lxc: return {"lxc-info", "exec \"$1\" --name \"$2\" --pid --no-humanize"};
    case container_kind::lxd: return {"lxc", info};
    case container_kind::incus: return {"incus", info};
    case container_kind::machinectl: return {"machinectl", "\"$1\" show --property=Leader \"$2\"|sed \"s/^Leader=//\""};
    default: return {"docker", inspect};
    }
}

} // namespace detail

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

    /// What is to be executed. A template, so that only who uses it knows how to enter.
    template <class Self = nsenter>
    MITOGEN_COLD result<boot_plan> plan() const {
        if ((pid != 0) == !container.empty())
            return error(reason::misuse, "nsenter: give either .pid, or .container and its .kind");
        if (pid < 0) return error(reason::misuse, "nsenter: pid is negative");
        if (container.empty() != (kind == container_kind::none))
            return error(reason::misuse, "nsenter: .container and .kind go together");
        for (const std::string& n : namespaces)
            if (!sys::is_namespace(n))
                return error(reason::misuse, "nsenter: there is no kind of namespace called \"" + n + "\"");
        return nsenter_path.empty() ? plan_to_enter<Self>() : plan_of_tool();
    }

private:
    std::string target() const { return container.empty() ? std::to_string(pid) : container; }

    template <class Self>
    MITOGEN_COLD result<boot_plan> plan_to_enter() const {
        detail::entering what;
        what.pid = pid;
        what.namespaces = namespaces;
        what.username = username;
        if (!container.empty()) {
            const detail::leader_lookup how = detail::leader_lookup_of(kind);
            what.ask = how.ask;
            what.tool = tool_path.empty() ? how.tool : tool_path;
            what.container = container;
        }
        return detail::entering_plan(static_cast<const Self&>(*this), std::move(what), target());
    }

    MITOGEN_COLD result<boot_plan> plan_of_tool() const {
        detail::exec_style tool(method_name, container.empty() ? nsenter_path : "sh", "nsenter_path");
        if (container.empty()) {
            tool.add({"--target", std::to_string(pid)});
        } else {
            const detail::leader_lookup how = detail::leader_lookup_of(kind);
            tool.add({"-c", how.script(), "sh"}).add_required("tool_path", tool_path.empty() ? how.tool : tool_path);
            tool.add_required("container", container).add_required("nsenter_path", nsenter_path);
        }
        if (namespaces.empty()) tool.add({"--all", "--root"});
        for (const std::string& n : namespaces) tool.add({"--" + n});
        tool.add({"--"});
        if (username.empty()) {
            tool.add_stage(connect_timeout);
        } else {
            tool.add({"su", "-s", "/bin/sh", "-c", detail::first_stage_script(detail::patience_for(to_ns(connect_timeout)))})
                .add_required("username", username);
        }
        return tool.plan(*this, target());
    }
};

/// The options of basic_router::nsenter().
using nsenter_options = nsenter;

} // namespace mitogen::inline MITOGEN_ABI
