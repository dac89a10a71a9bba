// SPDX-License-Identifier: BSL-1.0
#pragma once
// connect_methods.hpp: the members that make a child, once for all who make children: routers,
// contexts and nurseries.

#include <mitogen/base/config.hpp>
#include <mitogen/base/result.hpp>
#include <mitogen/call/any_method.hpp>
#include <mitogen/fwd.hpp>
#include <mitogen/node/node.hpp>

#include <cstddef>
#include <initializer_list>
#include <optional>
#include <type_traits>
#include <utility>

namespace mitogen::inline MITOGEN_ABI {

namespace detail {

/// What is wrong with making a child on the loop, and waiting for it.
MITOGEN_COLD inline error waits_for_child() {
    return error(reason::misuse, "a function that runs on the loop makes a child and waits for it; "
                                 "run it on::main or on::pool, "
                                 "or use connect_async");
}

} // namespace detail

/// How many are made at a time by connect_all().
struct connect_all_options {
    std::size_t at_once = 32; ///< one at least
};

/// A base of those who make children: `Maker` has
/// `begin_child(any_method, making_options) -> future<context>` and `cannot_wait()`; a context
/// restricts by `accepts<Method>` which methods it takes; a nursery says in `arrived(result)` what
/// has come of waiting for a child. Each method is a struct of options.
///
/// All block until the child is up, but for connect_async. The try_ forms return the error that the
/// others throw. Threads: as those of `Maker`; a function that runs on the loop can only use
/// connect_async.
template <class Maker, class Context = context>
class connect_methods {
    const Maker& maker() const noexcept { return static_cast<const Maker&>(*this); }

protected:
    static result<Context> arrived(result<Context> up) { return up; }

public:
    /// Any method, by its options: `router.connect(mitogen::ssh{.hostname = "web1"})`.
    template <class Method>
    Context connect(const Method& method) const {
        return try_connect(method).value();
    }
    template <class Method>
    result<Context> try_connect(const Method& method) const {
        if (std::optional<error> why = maker().cannot_wait()) return std::move(*why);
        return maker().arrived(connect_async(method).try_get());
    }

    /// Begins to connect and returns at once: start hundreds, then wait for each. Errors come out
    /// of the future. To drop it before the child is up is to end the child.
    template <class Method>
    future<Context> connect_async(const Method& method) const {
        static_assert(Maker::template accepts<Method>::value);
        return maker().begin_child(any_method(method), {});
    }
    /// The same; `progress` is called on the loop whenever there is news, and must not block.
    template <class Method>
    future<Context> connect_async(const Method& method,
                                  unique_function<void(const connect_progress&)> progress) const {
        static_assert(Maker::template accepts<Method>::value);
        return maker().begin_child(any_method(method), {.on_progress = std::move(progress)});
    }

    /// Makes a child by each of these methods, and waits until each is up or has failed: a group of
    /// all, in their order. What could not be connected is a member too, whose calls fail with why:
    /// `router.connect_all(hosts, {.at_once = 8})`. Needs mitogen/group.hpp.
    template <class Methods>
    group connect_all(const Methods& methods, connect_all_options options = {}) const;
    template <class Method>
    group connect_all(std::initializer_list<Method> methods,
                      connect_all_options options = {}) const;
    /// The same; an error is a logic_error: it was called on the loop.
    template <class Methods>
    result<group> try_connect_all(const Methods& methods, connect_all_options options = {}) const;

    /// A new process on the same machine, running the same program.
    template <class Options = local_options>
    Context local(const std::type_identity_t<Options>& options = {}) const {
        return connect(options);
    }
    template <class Options = local_options>
    result<Context> try_local(const std::type_identity_t<Options>& options = {}) const {
        return try_connect(options);
    }

    /// A copy of the process, made by fork(): has its memory, but none of its threads. Cheaper to
    /// start than local() for small processes.
    template <class Options = fork_options>
    Context fork(const std::type_identity_t<Options>& options = {}) const {
        return connect(options);
    }
    template <class Options = fork_options>
    result<Context> try_fork(const std::type_identity_t<Options>& options = {}) const {
        return try_connect(options);
    }

    /// A process on another machine, reached with the system's ssh; nothing of ours needs to be
    /// there.
    Context ssh(const ssh_options& options) const { return connect(options); }
    result<Context> try_ssh(const ssh_options& options) const { return try_connect(options); }

    /// A child that is there already: a program that calls mitogen::init, started by whoever and
    /// wherever with the one argument `mitogen::child_argument`, whose stdin and stdout are the far
    /// end of a byte stream (a socket, a serial line, another library's connection). `fd_in` is
    /// what it says, `fd_out` what it hears; both may be one. They are taken over, closed also if
    /// this fails, and become nonblocking. No process of it is known here: it ends with its link,
    /// and the exit status is 0. They are descriptors of this process: a context that is not this
    /// one refuses them.
    template <class Options = link_options>
    Context attach(int fd_in, int fd_out, const std::type_identity_t<Options>& options = {}) const {
        return try_attach(fd_in, fd_out, options).value();
    }
    template <class Options = link_options>
    result<Context> try_attach(int fd_in, int fd_out,
                               const std::type_identity_t<Options>& options = {}) const {
        return try_connect(options.taking(fd_in, fd_out));
    }

    /// A process of another user of the same machine, root if none is named:
    /// `sudo({.username = "postgres"})`.
    Context sudo(const sudo_options& options) const { return connect(options); }
    result<Context> try_sudo(const sudo_options& options) const { return try_connect(options); }

    /// The same by su, which wants that user's password.
    Context su(const su_options& options) const { return connect(options); }
    result<Context> try_su(const su_options& options) const { return try_connect(options); }

    /// The same by OpenBSD's doas.
    Context doas(const doas_options& options) const { return connect(options); }
    result<Context> try_doas(const doas_options& options) const { return try_connect(options); }

    /// A process in a Docker container that runs, or in a new one: `docker({.container = "web"})`,
    /// `docker({.image = "debian"})`.
    Context docker(const docker_options& options) const { return connect(options); }
    result<Context> try_docker(const docker_options& options) const { return try_connect(options); }

    /// A process in a Podman container that runs.
    Context podman(const podman_options& options) const { return connect(options); }
    result<Context> try_podman(const podman_options& options) const { return try_connect(options); }

    /// A process in a working container of Buildah.
    Context buildah(const buildah_options& options) const { return connect(options); }
    result<Context> try_buildah(const buildah_options& options) const {
        return try_connect(options);
    }

    /// A process in a pod of a Kubernetes cluster.
    Context kubectl(const kubectl_options& options) const { return connect(options); }
    result<Context> try_kubectl(const kubectl_options& options) const {
        return try_connect(options);
    }

    /// A process in an LXC container that runs.
    Context lxc(const lxc_options& options) const { return connect(options); }
    result<Context> try_lxc(const lxc_options& options) const { return try_connect(options); }

    /// A process in an instance of LXD that runs.
    Context lxd(const lxd_options& options) const { return connect(options); }
    result<Context> try_lxd(const lxd_options& options) const { return try_connect(options); }

    /// A process in an instance of Incus that runs.
    Context incus(const incus_options& options) const { return connect(options); }
    result<Context> try_incus(const incus_options& options) const { return try_connect(options); }

    /// A process in a FreeBSD jail.
    Context jail(const jail_options& options) const { return connect(options); }
    result<Context> try_jail(const jail_options& options) const { return try_connect(options); }

    /// A process with another root directory.
    Context chroot(const chroot_options& options) const { return connect(options); }
    result<Context> try_chroot(const chroot_options& options) const { return try_connect(options); }

    /// A process in the namespaces of another one: `nsenter({.pid = 4711})`,
    /// `nsenter({.container = "web", .kind = container_kind::docker})`.
    Context nsenter(const nsenter_options& options) const { return connect(options); }
    result<Context> try_nsenter(const nsenter_options& options) const {
        return try_connect(options);
    }

    /// A process on a node of a Slurm cluster.
    Context slurm(const slurm_options& options) const { return connect(options); }
    result<Context> try_slurm(const slurm_options& options) const { return try_connect(options); }

    /// A process by any program that runs a command elsewhere and passes its stdin and stdout on:
    /// `command({.argv = {"env", "-i"}})`.
    Context command(const command_options& options) const { return connect(options); }
    result<Context> try_command(const command_options& options) const {
        return try_connect(options);
    }
};

} // namespace mitogen::inline MITOGEN_ABI
