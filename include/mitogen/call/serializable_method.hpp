// SPDX-License-Identifier: BSL-1.0
#pragma once
// serializable_method.hpp: which connection methods another context can be asked to use.

#include <mitogen/base/config.hpp>
#include <mitogen/call/any_method.hpp>

#include <concepts>
#include <string_view>
#include <tuple>

namespace mitogen::inline MITOGEN_ABI {

/// A method that one context may ask another one to use: `context.connect(method)`. It has a name
/// that both programs know, `static constexpr std::string_view method_name`, and says what travels:
/// `fields(m)` is a std::tie of members with codecs.
template <class Method>
concept serializable_method = connection_method<Method> && requires(Method& m, const Method& sent) {
    { Method::method_name } -> std::convertible_to<std::string_view>;
    std::tuple_size<decltype(Method::fields(m))>::value;
    std::tuple_size<decltype(Method::fields(sent))>::value;
};

} // namespace mitogen::inline MITOGEN_ABI
