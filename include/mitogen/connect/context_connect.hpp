// SPDX-License-Identifier: BSL-1.0
#pragma once
// context_connect.hpp: the members of context that make children of it, wherever in the tree it is.

#include <mitogen/base/config.hpp>
#include <mitogen/connect/methods/local.hpp>
#include <mitogen/connect/methods/method.hpp>
#include <mitogen/connect/methods/ssh.hpp>
#include <mitogen/connect/router.hpp>
#include <mitogen/connect/travelling.hpp>
#include <mitogen/route/call_port.hpp>
#include <mitogen/rpc/context.hpp>
#include <mitogen/wire/handle.hpp>

#include <string>
#include <utility>

namespace mitogen::inline MITOGEN_ABI {

template <class Io>
template <class Method>
basic_future<basic_context<Io>, Io> basic_context<Io>::connect_async(const Method& method) const {
    static_assert(travelling_method<Method>,
                  "mitogen: this connection Method cannot be used in another context: it must be a connection_method that has "
                  "method_name and fields(), as travelling_method says (mitogen/connect/travelling.hpp)");
    if constexpr (travelling_method<Method>) {
        call_port& at = port();
        if (id_ == at.id()) return node().connect_async(method);
        awaited& p = at.ask(
            {.to = id_, .handle = handles::connect, .payload = detail::encode_method(method), .subject = &connect_request});
        return basic_future<basic_context, Io>(&p, at, environment());
    } else {
        return {};
    }
}

template <class Io>
template <class Method>
result<basic_context<Io>> basic_context<Io>::try_connect(const Method& method) const {
    if (!valid()) return rpc::detail::empty_target();
    if (port().on_loop()) return detail::waits_for_child();
    return connect_async(method).try_get();
}

template <class Io>
template <class Method>
basic_context<Io> basic_context<Io>::connect(const Method& method) const {
    return try_connect(method).value();
}

template <class Io>
template <class... Methods>
std::string basic_context<Io>::explain(const Methods&... methods) const {
    return node().explain(methods...);
}

template <class Io>
mitogen::boot_info basic_context<Io>::boot_info() const {
    return node().descendants().info_of_boot(id_);
}

template <class Io>
basic_context<Io> basic_context<Io>::local() const {
    return try_connect(local_options{}).value();
}

template <class Io>
basic_context<Io> basic_context<Io>::local(const local_options& options) const {
    return try_connect(options).value();
}

template <class Io>
result<basic_context<Io>> basic_context<Io>::try_local() const {
    return try_connect(local_options{});
}

template <class Io>
result<basic_context<Io>> basic_context<Io>::try_local(const local_options& options) const {
    return try_connect(options);
}

template <class Io>
basic_context<Io> basic_context<Io>::ssh(const ssh_options& options) const {
    return try_connect(options).value();
}

template <class Io>
result<basic_context<Io>> basic_context<Io>::try_ssh(const ssh_options& options) const {
    return try_connect(options);
}

} // namespace mitogen::inline MITOGEN_ABI
