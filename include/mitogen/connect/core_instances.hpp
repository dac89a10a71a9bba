// SPDX-License-Identifier: BSL-1.0
#pragma once
// core_instances.hpp: the templates that files without the core expect to find compiled: in the file that holds it.

#include <mitogen/base/config.hpp>
#include <mitogen/connect/init.hpp>
#include <mitogen/connect/joining/join.hpp>
#include <mitogen/connect/joining/listener.hpp>
#include <mitogen/connect/methods/attach.hpp>
#include <mitogen/connect/methods/buildah.hpp>
#include <mitogen/connect/methods/chroot.hpp>
#include <mitogen/connect/methods/command.hpp>
#include <mitogen/connect/methods/doas.hpp>
#include <mitogen/connect/methods/docker.hpp>
#include <mitogen/connect/methods/fork.hpp>
#include <mitogen/connect/methods/incus.hpp>
#include <mitogen/connect/methods/jail.hpp>
#include <mitogen/connect/methods/kubectl.hpp>
#include <mitogen/connect/methods/local.hpp>
#include <mitogen/connect/methods/lxc.hpp>
#include <mitogen/connect/methods/lxd.hpp>
#include <mitogen/connect/methods/nsenter.hpp>
#include <mitogen/connect/methods/podman.hpp>
#include <mitogen/connect/methods/slurm.hpp>
#include <mitogen/connect/methods/ssh.hpp>
#include <mitogen/connect/methods/su.hpp>
#include <mitogen/connect/methods/sudo.hpp>
#include <mitogen/connect/router_body.hpp>
#include <mitogen/connect/staged_children.hpp>
#include <mitogen/connect/travelling.hpp>
#include <mitogen/io/native.hpp>
#include <mitogen/loop/broker_body.hpp>

#include <memory>
#include <string>

#if defined(MITOGEN_SOURCE)

namespace mitogen::inline MITOGEN_ABI {

#define MITOGEN_INSTANTIATE(Io)                                                                     \
    template class basic_broker<Io>;                                                               \
    template router::router(basic_broker<Io>&, router_options);                                    \
    template result<std::unique_ptr<router>> router::make(basic_broker<Io>&, router_options);      \
    template result<listener> router::try_listen<Io>(const std::string&, listen_options);          \
    template result<joined> try_join<Io>(const std::string&, const join_options&);                 \
    template void init<Io>(int, char**);                                                           \
    template void detail::name_staging<Io>() noexcept;                                             \
    template class detail::whole_program<Io>;

MITOGEN_INSTANTIATE(io::poll)
#if defined(__linux__)
MITOGEN_INSTANTIATE(io::epoll)
#endif
#if MITOGEN_HAS_KQUEUE
MITOGEN_INSTANTIATE(io::kqueue)
#endif
#undef MITOGEN_INSTANTIATE

namespace detail {

template const method_operations& operations_of<attach>() noexcept;
template const method_operations& operations_of<buildah>() noexcept;
template const method_operations& operations_of<chroot_options>() noexcept;
template const method_operations& operations_of<command>() noexcept;
template const method_operations& operations_of<doas>() noexcept;
template const method_operations& operations_of<docker>() noexcept;
template const method_operations& operations_of<fork_options>() noexcept;
template const method_operations& operations_of<incus>() noexcept;
template const method_operations& operations_of<jail>() noexcept;
template const method_operations& operations_of<kubectl>() noexcept;
template const method_operations& operations_of<local>() noexcept;
template const method_operations& operations_of<lxc>() noexcept;
template const method_operations& operations_of<lxd>() noexcept;
template const method_operations& operations_of<nsenter>() noexcept;
template const method_operations& operations_of<podman>() noexcept;
template const method_operations& operations_of<slurm>() noexcept;
template const method_operations& operations_of<ssh>() noexcept;
template const method_operations& operations_of<su>() noexcept;
template const method_operations& operations_of<sudo>() noexcept;

} // namespace detail
} // namespace mitogen::inline MITOGEN_ABI

#endif
