// SPDX-License-Identifier: BSL-1.0
#pragma once
// fwd.hpp: the names of the call layer.

#include <mitogen/base/config.hpp>

namespace mitogen::inline MITOGEN_ABI {

struct boot_info;
struct command_result;
struct boot_plan;
struct connect_progress;
struct run_options;

class any_method;
class node;
class chain;
class context;
class group;
class router;

template <class T>
class future;
template <class T>
class sender;
template <class T>
class receiver;
template <class T>
class remote_range;
template <class Shape>
class dialog;
template <class Shape, class Result>
class open_dialog;

/// The node behind a router.
inline mitogen::node& node_of(router& of) noexcept;

namespace detail {

class inbox;
class outbox;

} // namespace detail
// The options of connection methods, for the members that make children.
struct local;
struct fork_options;
struct ssh;
struct link_options;
struct sudo;
struct su;
struct doas;
struct docker;
struct podman;
struct buildah;
struct kubectl;
struct lxc;
struct lxd;
struct incus;
struct jail;
struct chroot_options;
struct nsenter;
struct slurm;
struct command;

using local_options = local;
using ssh_options = ssh;
using sudo_options = sudo;
using su_options = su;
using doas_options = doas;
using docker_options = docker;
using podman_options = podman;
using buildah_options = buildah;
using kubectl_options = kubectl;
using lxc_options = lxc;
using lxd_options = lxd;
using incus_options = incus;
using jail_options = jail;
using nsenter_options = nsenter;
using slurm_options = slurm;
using command_options = command;

} // namespace mitogen::inline MITOGEN_ABI
