// SPDX-License-Identifier: BSL-1.0
#pragma once
// travelling.hpp: connection methods on their way to the context that shall use them.

#include <mitogen/base/config.hpp>
#include <mitogen/base/error.hpp>
#include <mitogen/base/limits.hpp>
#include <mitogen/base/result.hpp>
#include <mitogen/base/static_registry.hpp>
#include <mitogen/connect/boot/boot_plan.hpp>
#include <mitogen/connect/methods/method.hpp>
#include <mitogen/wire/codec.hpp>
#include <mitogen/wire/inherited.hpp>

#include <concepts>
#include <cstddef>
#include <span>
#include <string>
#include <string_view>
#include <tuple>

namespace mitogen::inline MITOGEN_ABI {

/// A method that one context may ask another one to use: `context.connect(method)`. It has a name that both programs know,
/// `static constexpr std::string_view method_name`, and says what travels: `fields(m)` is a std::tie of members with codecs.
template <class Method>
concept travelling_method = connection_method<Method> && requires(Method& m, const Method& sent) {
    { Method::method_name } -> std::convertible_to<std::string_view>;
    std::tuple_size<decltype(Method::fields(m))>::value;
    std::tuple_size<decltype(Method::fields(sent))>::value;
};

namespace detail {

/// A method that this program can be asked for. Process-wide, as the remote functions are: a static initialiser links it into the
/// list where the program names the method.
class known_method {
    const known_method* before_ = nullptr;

    inline static constinit static_registry<known_method> all{};

public:
    const std::string_view name;
    /// What an encoded one wants executed.
    result<boot_plan> (*const plan)(reader&, const limits& inherited);

    known_method(std::string_view called,
                 result<boot_plan> (*make)(reader&, const limits&)) noexcept
        : name(called), plan(make) {
        all.add(*this, [this](const known_method* before) { before_ = before; });
    }
    known_method(const known_method&) = delete;

    const known_method* before() const noexcept { return before_; }

    static const known_method* find(std::string_view name) noexcept {
        return all.find([name](const known_method& m) { return m.name == name; });
    }
};

template <class Method>
result<boot_plan> plan_encoded(reader& r, const limits& inherited) {
    Method method{};
    const bool decoded = std::apply([&](auto&... members) { return mitogen::decode(r, members...); }, Method::fields(method));
    if (!decoded || !r.finish())
        return error(reason::bad_arguments, "the options of the connection method \"" + std::string(Method::method_name) +
                                                "\" do not decode: " + r.failure_text() +
                                                "; the two programs are of different versions");
    return plan_of(method, inherited);
}

/// To name it is to make the program know the method.
template <class Method>
inline const known_method knows{Method::method_name, &plan_encoded<Method>};

/// The payload of a message to handles::connect: the method's name and its fields.
template <class Method>
buffer encode_method(const Method& method) {
    (void)&knows<Method>; // the same program runs there
    return std::apply([](const auto&... members) { return encode(std::string_view(Method::method_name), members...); },
                      Method::fields(method));
}

/// What such a message wants executed.
inline result<boot_plan> plan_from(std::span<const std::byte> payload, const limits& inherited) {
    reader r(payload, inherited);
    std::string_view name;
    if (!decode(r, name)) return error(reason::bad_arguments, "not a connection method: " + r.failure_text());
    if (const known_method* method = known_method::find(name)) return method->plan(r, inherited);
    return error(reason::unknown_function,
                 "this program does not know the connection method \"" + std::string(name.substr(0, 100)) +
                     "\": it is another build than the one that asks, and does not use the method itself");
}

} // namespace detail
} // namespace mitogen::inline MITOGEN_ABI
