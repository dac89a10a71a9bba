// SPDX-License-Identifier: BSL-1.0
#pragma once
// nsenter.hpp: a child in the namespaces of a process on this machine.

#include <mitogen/base/config.hpp>
#include <mitogen/base/limits.hpp>
#include <mitogen/base/on.hpp>
#include <mitogen/base/result.hpp>
#include <mitogen/base/time.hpp>
#include <mitogen/boot/boot_plan.hpp>
#include <mitogen/method/exec_style.hpp>
#include <mitogen/method/namespace/nsenter_options.hpp>
#include <mitogen/method/namespace/nsenter_plan.hpp>
#include <mitogen/os/process/namespaces.hpp>

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <tuple>
#include <utility>
#include <vector>

namespace mitogen::inline MITOGEN_ABI {

namespace detail {

/// How the first process of a container is found: by a tool, and the line of shell that has it
/// print the number.
struct container_pid {
    std::string tool;
    std::string_view ask; ///< "$1" is the tool, "$2" the container

    /// For nsenter(1), for `sh -c SCRIPT sh TOOL CONTAINER NSENTER ARGUMENTS…`: becomes nsenter,
    /// with that process as its target. In a process of its own, because a tool may take its time.
    std::string script() const {
        return "p=$(" + std::string(ask) + ")||exit $?;case $p in \"\"|0|*[!0-9]*)echo \"" +
               std::string(no_leader_text) +
               "\" >&2;exit 1;;esac;n=$3;shift 3;exec \"$n\" --target \"$p\" \"$@\"";
    }
};

MITOGEN_COLD inline container_pid container_pid_of(container_kind kind) {
    constexpr std::string_view inspect = "exec \"$1\" inspect \"--format={{.State.Pid}}\" \"$2\"";
    constexpr std::string_view info = "\"$1\" info \"$2\"|sed -n \"s/^ *[Pp][Ii][Dd]: *//p\"";
    switch (kind) {
    case container_kind::podman: return {"podman", inspect};
    case container_kind::lxc: return {"lxc-info", "exec \"$1\" --name \"$2\" --pid --no-humanize"};
    case container_kind::lxd: return {"lxc", info};
    case container_kind::incus: return {"incus", info};
    case container_kind::machinectl:
        return {"machinectl", "\"$1\" show --property=Leader \"$2\"|sed \"s/^Leader=//\""};
    default: return {"docker", inspect};
    }
}

} // namespace detail

namespace detail {

/// Plans what the options say.
struct planned_nsenter : nsenter {
    explicit planned_nsenter(const nsenter& options) : nsenter(options) {}

    /// What is to be executed.
    MITOGEN_COLD result<boot_plan> plan() const {
        if ((pid != 0) == !container.empty())
            return error(reason::misuse, "nsenter: give either .pid, or .container and its .kind");
        if (pid < 0) return error(reason::misuse, "nsenter: pid is negative");
        if (container.empty() != (kind == container_kind::none))
            return error(reason::misuse, "nsenter: .container and .kind go together");
        for (const std::string& n : namespaces)
            if (!os::is_namespace(n))
                return error(reason::misuse,
                             "nsenter: there is no kind of namespace called \"" + n + "\"");
        return nsenter_path.empty() ? plan_to_enter() : plan_of_tool();
    }

private:
    std::string target() const { return container.empty() ? std::to_string(pid) : container; }

    MITOGEN_COLD result<boot_plan> plan_to_enter() const {
        detail::nsenter_child what;
        what.pid = pid;
        what.namespaces = namespaces;
        what.username = username;
        if (!container.empty()) {
            const detail::container_pid how = detail::container_pid_of(kind);
            what.ask = how.ask;
            what.tool = tool_path.empty() ? how.tool : tool_path;
            what.container = container;
        }
        return detail::nsenter_plan(static_cast<const nsenter&>(*this), std::move(what), target());
    }

    MITOGEN_COLD result<boot_plan> plan_of_tool() const {
        detail::exec_style tool(method_name, container.empty() ? nsenter_path : "sh",
                                "nsenter_path");
        if (container.empty()) {
            tool.add({"--target", std::to_string(pid)});
        } else {
            const detail::container_pid how = detail::container_pid_of(kind);
            tool.add({"-c", how.script(), "sh"})
                .add_required("tool_path", tool_path.empty() ? how.tool : tool_path);
            tool.add_required("container", container).add_required("nsenter_path", nsenter_path);
        }
        if (namespaces.empty()) tool.add({"--all", "--root"});
        for (const std::string& n : namespaces) tool.add({"--" + n});
        tool.add({"--"});
        if (username.empty()) {
            tool.add_stage(connect_timeout);
        } else {
            tool.add({"su", "-s", "/bin/sh", "-c",
                      detail::first_stage_script(detail::patience_for(to_ns(connect_timeout)))})
                .add_required("username", username);
        }
        return tool.plan(*this, target());
    }
};

} // namespace detail

MITOGEN_INLINE result<boot_plan> nsenter::plan() const {
    return detail::planned_nsenter(*this).plan();
}

} // namespace mitogen::inline MITOGEN_ABI
