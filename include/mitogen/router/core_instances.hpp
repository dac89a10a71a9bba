// SPDX-License-Identifier: BSL-1.0
#pragma once
// core_instances.hpp: the templates that files without the core expect to find compiled: in the
// file that holds it.

#include <mitogen/base/config.hpp>
#include <mitogen/child/staged_children.hpp>
#include <mitogen/command/group_command.hpp>
#include <mitogen/command/run_command.hpp>
#include <mitogen/debug/debugger.hpp>
#include <mitogen/group/names/name_set_body.hpp>
#include <mitogen/io/native.hpp>
#include <mitogen/join/join.hpp>
#include <mitogen/join/listener.hpp>
#include <mitogen/loop/broker_body.hpp>
#include <mitogen/method/attach.hpp>
#include <mitogen/method/command.hpp>
#include <mitogen/method/container/buildah.hpp>
#include <mitogen/method/container/docker.hpp>
#include <mitogen/method/container/incus.hpp>
#include <mitogen/method/container/jail.hpp>
#include <mitogen/method/container/kubectl.hpp>
#include <mitogen/method/container/lxc.hpp>
#include <mitogen/method/container/lxd.hpp>
#include <mitogen/method/container/podman.hpp>
#include <mitogen/method/fork.hpp>
#include <mitogen/method/local.hpp>
#include <mitogen/method/namespace/chroot.hpp>
#include <mitogen/method/namespace/nsenter.hpp>
#include <mitogen/method/privilege/doas.hpp>
#include <mitogen/method/privilege/su.hpp>
#include <mitogen/method/privilege/sudo.hpp>
#include <mitogen/method/slurm.hpp>
#include <mitogen/method/ssh.hpp>
#include <mitogen/remote/serializable_method.hpp>
#include <mitogen/router/init.hpp>
#include <mitogen/router/router_body.hpp>

#include <memory>
#include <string>

#if defined(MITOGEN_SOURCE)

namespace mitogen::inline MITOGEN_ABI {

#define MITOGEN_INSTANTIATE(Io)                                                                    \
    template class basic_broker<Io>;                                                               \
    template router::router(basic_broker<Io>&, router_options);                                    \
    template result<std::unique_ptr<router>> router::make(basic_broker<Io>&, router_options);      \
    template result<listener> router::try_listen<Io>(const std::string&, listen_options);          \
    template result<joined> try_join<Io>(const std::string&, const join_options&);                 \
    template void init<Io>(int, char**);                                                           \
    template void detail::name_staging<Io>() noexcept;                                             \
    template void detail::name_debugger<Io>() noexcept;                                            \
    template void detail::stop_here<Io>(const detail::code_place&);                                \
    template task<void> detail::stop_task_here<Io>(detail::code_place);                            \
    template std::string detail::dump_below<Io>(mitogen::node&);                                   \
    template result<void> try_debug_client<Io>(const std::string&);                                \
    template class detail::whole_program<Io>;

MITOGEN_INSTANTIATE(io::poll)
#if defined(__linux__)
MITOGEN_INSTANTIATE(io::epoll)
#endif
#if MITOGEN_HAS_KQUEUE
MITOGEN_INSTANTIATE(io::kqueue)
#endif
#undef MITOGEN_INSTANTIATE

template class basic_name_set<>;

namespace detail {

template result<command_result> run_command<void>(mitogen::node&, context_id, const call_options&,
                                                  command_words, run_options&);
template group_results<command_result> run_group_command<void>(const group&, const group_settings&,
                                                               command_words, run_options&);
template void add_watched<>(std::string_view, void*, const watched_type&);
template void remove_watched<>(std::string_view) noexcept;

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
