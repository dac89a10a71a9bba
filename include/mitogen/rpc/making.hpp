// SPDX-License-Identifier: BSL-1.0
#pragma once
// making.hpp: the members that make a child by one of the methods that run a tool, once for all who make children.

#include <mitogen/base/config.hpp>
#include <mitogen/base/result.hpp>

namespace mitogen::inline MITOGEN_ABI {

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
struct chroot;
struct nsenter;
struct slurm;
struct command;

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
using chroot_options = chroot;
using nsenter_options = nsenter;
using slurm_options = slurm;
using command_options = command;

/// A base of whoever has connect(method) and try_connect(method): a router, a context, a nursery. `Maker` is const where those
/// are; `Context` is what they return. Each method is a struct of options in mitogen/connect/methods/.
///
/// To call one takes its header, which the umbrella has. All block until the child is up. The try_ forms return the error that
/// the others throw. Threads: as those of `Maker`.
template <class Maker, class Context>
class making {
    Maker& maker() const noexcept { return const_cast<Maker&>(static_cast<const Maker&>(*this)); }

public:
    /// A process of another user of the same machine, root where none is named: `sudo({.username = "postgres"})`.
    Context sudo(const sudo_options& options) const { return maker().connect(options); }
    result<Context> try_sudo(const sudo_options& options) const { return maker().try_connect(options); }

    /// The same by su, which wants that user's password.
    Context su(const su_options& options) const { return maker().connect(options); }
    result<Context> try_su(const su_options& options) const { return maker().try_connect(options); }

    /// The same by OpenBSD's doas.
    Context doas(const doas_options& options) const { return maker().connect(options); }
    result<Context> try_doas(const doas_options& options) const { return maker().try_connect(options); }

    /// A process in a Docker container that runs, or in a new one: `docker({.container = "web"})`, `docker({.image = "debian"})`.
    Context docker(const docker_options& options) const { return maker().connect(options); }
    result<Context> try_docker(const docker_options& options) const { return maker().try_connect(options); }

    /// A process in a Podman container that runs.
    Context podman(const podman_options& options) const { return maker().connect(options); }
    result<Context> try_podman(const podman_options& options) const { return maker().try_connect(options); }

    /// A process in a working container of Buildah.
    Context buildah(const buildah_options& options) const { return maker().connect(options); }
    result<Context> try_buildah(const buildah_options& options) const { return maker().try_connect(options); }

    /// A process in a pod of a Kubernetes cluster.
    Context kubectl(const kubectl_options& options) const { return maker().connect(options); }
    result<Context> try_kubectl(const kubectl_options& options) const { return maker().try_connect(options); }

    /// A process in an LXC container that runs.
    Context lxc(const lxc_options& options) const { return maker().connect(options); }
    result<Context> try_lxc(const lxc_options& options) const { return maker().try_connect(options); }

    /// A process in an instance of LXD that runs.
    Context lxd(const lxd_options& options) const { return maker().connect(options); }
    result<Context> try_lxd(const lxd_options& options) const { return maker().try_connect(options); }

    /// A process in an instance of Incus that runs.
    Context incus(const incus_options& options) const { return maker().connect(options); }
    result<Context> try_incus(const incus_options& options) const { return maker().try_connect(options); }

    /// A process in a FreeBSD jail.
    Context jail(const jail_options& options) const { return maker().connect(options); }
    result<Context> try_jail(const jail_options& options) const { return maker().try_connect(options); }

    /// A process with another root directory.
    Context chroot(const chroot_options& options) const { return maker().connect(options); }
    result<Context> try_chroot(const chroot_options& options) const { return maker().try_connect(options); }

    /// A process in the namespaces of another one: `nsenter({.pid = 4711})`, `nsenter({.container = "web", .kind =
    /// container_kind::docker})`.
    Context nsenter(const nsenter_options& options) const { return maker().connect(options); }
    result<Context> try_nsenter(const nsenter_options& options) const { return maker().try_connect(options); }

    /// A process on a node of a Slurm cluster.
    Context slurm(const slurm_options& options) const { return maker().connect(options); }
    result<Context> try_slurm(const slurm_options& options) const { return maker().try_connect(options); }

    /// A process by any program that runs a command elsewhere and passes its stdin and stdout on: `command({.argv = {"env",
    /// "-i"}})`.
    Context command(const command_options& options) const { return maker().connect(options); }
    result<Context> try_command(const command_options& options) const { return maker().try_connect(options); }
};

} // namespace mitogen::inline MITOGEN_ABI
