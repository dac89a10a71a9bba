// SPDX-License-Identifier: BSL-1.0
#pragma once
// any_method.hpp: a connection method as a value, whatever its type.

#include <mitogen/base/config.hpp>
#include <mitogen/base/limits.hpp>
#include <mitogen/base/result.hpp>
#include <mitogen/wire/buffer.hpp>

#include <concepts>
#include <memory>
#include <string>
#include <type_traits>
#include <utility>

namespace mitogen::inline MITOGEN_ABI {

struct boot_plan;

/// A way to start a child: an options struct with the members that all have, and plan(), which turns it into what is to be
/// executed.
template <class Method>
concept connection_method = requires(const Method& m) {
    { m.name } -> std::convertible_to<std::string>;
    m.connect_timeout;
    m.limits;
    { &Method::plan } -> std::same_as<result<boot_plan> (Method::*)() const>;
};

namespace detail {

/// What any_method can do with the method that it holds.
struct method_operations {
    /// What is to be executed. `inherited`: the limits, if the method says nothing of them.
    result<boot_plan> (*plan)(const void* method, const limits& inherited);
    /// The message that asks another context for it; an error if it can't be carried out there.
    result<buffer> (*encode)(const void* method);
};

/// Those of `Method`.
template <class Method>
const method_operations& operations_of() noexcept;

} // namespace detail

/// Holds any connection method: `std::vector<mitogen::any_method> hosts{mitogen::local{}, mitogen::ssh{.hostname = "web1"}}`. A
/// cheap value; copies share the method. Threads: distinct objects safe.
class any_method {
    std::shared_ptr<const void> method_;
    const detail::method_operations* operations_;

public:
    template <connection_method Method>
    any_method(Method method)
        : method_(std::make_shared<const Method>(std::move(method))), operations_(&detail::operations_of<Method>()) {}

    /// For whoever carries it out; see method_operations.
    const detail::method_operations& operations() const noexcept { return *operations_; }
    const void* get() const noexcept { return method_.get(); }
};

namespace detail {

/// A method, or any_method, which holds one.
template <class T>
concept method_or_any = connection_method<T> || std::same_as<T, any_method>;

} // namespace detail

} // namespace mitogen::inline MITOGEN_ABI
