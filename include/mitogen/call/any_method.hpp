// SPDX-License-Identifier: BSL-1.0
#pragma once
// any_method.hpp: a connection method as a value, whatever its type.

#include <mitogen/base/config.hpp>
#include <mitogen/base/limits.hpp>
#include <mitogen/base/result.hpp>
#include <mitogen/base/static_registry.hpp>
#include <mitogen/codec/buffer.hpp>
#include <mitogen/fwd.hpp>
#include <mitogen/io/native_name.hpp>

#include <concepts>
#include <memory>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>

namespace mitogen::inline MITOGEN_ABI {

class reader;

/// A way to start a child: an options struct with the members that all have, and plan(), which
/// turns it into what is to be executed.
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
    /// by which contexts ask each other for it; empty if it can't be carried out elsewhere
    std::string_view name;
    /// What is to be executed. `inherited`: the limits, if the method says nothing of them.
    result<boot_plan> (*plan)(const void* method, const limits& inherited);
    /// The message that asks another context for it; an error if it can't be carried out there.
    result<buffer> (*encode)(const void* method);
    /// What an encoded one wants executed.
    result<boot_plan> (*plan_encoded)(reader& encoded, const limits& inherited);
};

/// Those of `Method`.
template <class Method>
const method_operations& operations_of() noexcept;

/// A method that this program names, and so can be asked for. Process-wide, as the remote functions
/// are: a static initialiser enters it.
class known_method {
    const known_method* before_ = nullptr;
    const method_operations& (*operations_)() noexcept;

    inline static constinit static_registry<known_method> all{};

public:
    explicit known_method(const method_operations& (*of)() noexcept) noexcept : operations_(of) {
        all.add(*this, [this](const known_method* before) { before_ = before; });
    }
    known_method(const known_method&) = delete;

    const known_method* before() const noexcept { return before_; }
    const method_operations& operations() const noexcept { return operations_(); }

    static const known_method* find(std::string_view name) noexcept {
        return all.find([name](const known_method& m) { return m.operations().name == name; });
    }
};
template <class Method>
inline const known_method known{&operations_of<Method>};

/// Made before main if the program names the method: specialised by what has something to do there.
template <class Method>
struct method_hook {};
template <class Method>
inline const method_hook<Method> hooked{};

/// From now on routers under `Io` have what children need that are sent their program, or whose
/// tools ask questions. Part of the core; a program that does not call it carries none of that.
template <class Io>
void name_staging() noexcept;

template <class Io> // so that files that name no such method do not compile what it calls
struct staging_registration {
    staging_registration() noexcept { name_staging<Io>(); }
};

/// Made before main if the program names a method that needs that: all do, but those that say
/// `static constexpr bool starts_directly = true`.
template <class Method>
struct staging_hook : staging_registration<io::native> {};
template <class Method>
    requires requires { requires Method::starts_directly; }
struct staging_hook<Method> {};
template <class Method>
inline const staging_hook<Method> staged{};

} // namespace detail

/// Holds any connection method:
/// `std::vector<mitogen::any_method> hosts{mitogen::local{}, mitogen::ssh{.hostname = "web1"}}`. A
/// cheap value; copies share the method. Threads: distinct objects safe.
class any_method {
    std::shared_ptr<const void> method_;
    const detail::method_operations* operations_;

public:
    template <connection_method Method>
    any_method(Method method)
        : method_(std::make_shared<const Method>(std::move(method))),
          operations_(&detail::operations_of<Method>()) {
        (void)&detail::known<Method>;
        (void)&detail::hooked<Method>;
        (void)&detail::staged<Method>;
    }

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
