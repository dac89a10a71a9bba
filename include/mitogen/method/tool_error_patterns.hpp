// SPDX-License-Identifier: BSL-1.0
#pragma once
// tool_error_patterns.hpp: what tools that run a command in a container, a pod or a jail say when
// they cannot, and what to do about it.

#include <mitogen/base/config.hpp>
#include <mitogen/base/error.hpp>
#include <mitogen/boot/boot_plan.hpp>
#include <mitogen/method/error_patterns.hpp>
#include <mitogen/method/namespace/nsenter_main.hpp>

#include <string>
#include <string_view>

namespace mitogen::inline MITOGEN_ABI {
namespace detail {

inline constexpr std::string_view no_such_target_text =
    "there is none of that name; is it spelt right, and may this user see it?";
inline constexpr std::string_view not_running_text = "it is not running; start it first";
inline constexpr std::string_view no_service_text =
    "the tool does not reach its service; does that run, and at the address that the tool uses?";
inline constexpr std::string_view no_shell_text =
    "there is no sh that can be executed there, which the first stage needs";
inline constexpr std::string_view no_user_text = "it has no such user";
inline constexpr std::string_view not_allowed_text =
    "this user may not do that here; connect from a context that may, for instance by sudo";

/// The first that fits counts, so that words which may be part of other messages come late.
inline constexpr error_pattern error_patterns_of_tools[] = {
    // docker, podman, buildah
    {"Cannot connect to the Docker daemon", reason::connection_refused, no_service_text},
    {"Cannot connect to Podman", reason::connection_refused, no_service_text},
    {"permission denied while trying to connect", reason::auth_required, not_allowed_text},
    {"unable to find user", reason::resolve, no_user_text},
    {"nknown user", reason::resolve, no_user_text}, // su, in its several shapes
    {"does not exist or the user entry", reason::resolve, no_user_text},
    {"no matching entries in passwd file", reason::resolve, no_user_text},
    {"executable file not found", reason::payload, no_shell_text},
    {"executable file `sh` not found", reason::payload, no_shell_text},
    {"exec: \"sh\":", reason::payload, no_shell_text},
    {"pull access denied", reason::resolve,
     "there is no image of that name, or only for who is logged in to its registry"},
    {"manifest unknown", reason::resolve, "the registry has no image of that name and tag"},
    {"Unable to find image", reason::resolve, "the image is not here, and cannot be fetched"},
    {"o such image", reason::resolve, "there is no image of that name"},
    {"o such container", reason::resolve, no_such_target_text},
    {"o such object", reason::resolve, no_such_target_text},
    {"o container with name or ID", reason::resolve, no_such_target_text},
    {"container not known", reason::resolve, no_such_target_text},
    {"is not running", reason::connection_refused, not_running_text},
    {"is paused", reason::connection_refused, "it is paused; unpause it first"},
    {"container state improper", reason::connection_refused, not_running_text},
    // kubectl
    {"You must be logged in to the server", reason::auth_required,
     "the cluster does not know this user; see `kubectl config`"},
    {"(Unauthorized)", reason::auth_required,
     "the cluster does not know this user; see `kubectl config`"},
    {"(Forbidden)", reason::auth_required,
     "the cluster does not let this user do that; it takes the verb create on pods/exec"},
    {"(NotFound)", reason::resolve, "there is no such pod, or no such namespace; see .ns"},
    {"is not valid for pod", reason::resolve,
     "the pod has no container of that name; see .container"},
    {"container not found", reason::connection_refused,
     "the pod has no such container, or it does not run yet"},
    {"completed pod", reason::connection_refused, not_running_text},
    {"ontainerCreating", reason::connection_refused, "it is not running yet"},
    {"did you specify the right host or port", reason::connection_refused, no_service_text},
    {"Unable to connect to the server", reason::connection_refused, no_service_text},
    // lxc-attach, lxc-info, lxc, incus, machinectl
    {"Failed to get init pid", reason::connection_refused,
     "there is none of that name, or it is not running"},
    {"Failed to get attach context", reason::connection_refused,
     "there is none of that name, or it is not running"},
    {"doesn't exist", reason::resolve, no_such_target_text},
    {"nstance not found", reason::resolve, no_such_target_text},
    {"Error: not found", reason::resolve, no_such_target_text},
    {"No machine ", reason::resolve, no_such_target_text},
    {"unix.socket", reason::connection_refused, no_service_text},
    {no_leader_text, reason::connection_refused, not_running_text},
    // jexec, chroot, nsenter
    {"Operation not permitted", reason::auth_required, not_allowed_text},
    {"jail \"", reason::resolve, no_such_target_text}, // jexec: jail "x" not found
    {"cannot change root directory", reason::resolve,
     "the root is no directory that this user may change to"},
    // busybox
    {"can't change root directory", reason::resolve,
     "the root is no directory that this user may change to"},
    {"stat of /proc/", reason::resolve,
     "there is no process of that number, or this user may not look into it"},
    {"cannot open /proc/", reason::resolve,
     "there is no process of that number, or this user may not look into it"},
    // busybox
    {"can't open '/proc/", reason::resolve,
     "there is no process of that number, or this user may not look into it"},
    {"failed to run command", reason::payload, no_shell_text},
    {"failed to execute sh", reason::payload, no_shell_text},
    // srun
    {"invalid partition", reason::resolve, "there is no such partition; see `sinfo`"},
    {"Unable to contact slurm controller", reason::connection_refused, no_service_text},
    {"Unable to allocate resources", reason::connect, "slurm gives no resources for it"},
    // what several of them say
    {"ermission denied", reason::auth_required, not_allowed_text},
};

/// What such a tool and the first stage said, as one of the errors that a caller can act on.
MITOGEN_COLD inline error explain_tool(const boot_plan& plan, const boot_failure& f) {
    using how = boot_failure::how;
    if (f.what == how::timed_out) {
        const std::string ms = std::to_string(plan.timeout / 1'000'000) + " ms (connect_timeout): ";
        return because(plan, f, reason::connect_timeout,
                       "no hello within " + ms +
                           (f.stage_seen ? "our shell runs there; sending the program, or its "
                                           "start, takes longer than that"
                                         : "our shell did not speak: " + plan.start.path +
                                               " hangs, or waits for something"));
    }
    if (f.what == how::confused) return explain_boot(plan, f);
    // as docker, podman, chroot, env and others say that they failed themselves
    constexpr int tool_failed = 125;
    if (f.stage_seen) return explain_stage(plan, f, tool_failed);
    if (const error_pattern* s = known_error_pattern(error_patterns_of_tools, f))
        return because(plan, f, s->why, s->meaning);
    if (f.status && not_executed(*f.status))
        return because(plan, f, reason::payload,
                       "a program was not found or could not be executed: sh there, or one that " +
                           plan.start.path + " runs");
    return because(plan, f, reason::end_of_file,
                   plan.start.path + " ended before it ran our shell");
}

} // namespace detail
} // namespace mitogen::inline MITOGEN_ABI
