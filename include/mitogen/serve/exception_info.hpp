// SPDX-License-Identifier: BSL-1.0
#pragma once
// exception_info.hpp: what can be said about the exception that is being handled, for the one who
// waits in another process; and how that becomes an exception again.

#include <mitogen/base/config.hpp>
#include <mitogen/base/error.hpp>
#include <mitogen/base/rethrow.hpp>

#include <exception>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#if MITOGEN_HAS_EXCEPTIONS
#include <cxxabi.h>

#include <new>
#include <stdexcept>
#include <typeinfo>
#endif

#include <cstdlib>

namespace mitogen::inline MITOGEN_ABI {

namespace detail {

/// `d` has left a remote function by an exception or as its result: it is about that function, if
/// it is about none yet.
MITOGEN_COLD inline void add_hop(error_detail& d, const error_hop& hop) {
    if (d.members) {
        d.text.clear(); // composed anew
    } else if (d.function.empty() && d.hops.empty() && d.place.empty()) {
        d.function = hop.function;
        d.place = hop.path;
        d.context = hop.context;
    }
    d.hops.push_back(hop);
    d.what.clear(); // composed anew
    d.original = nullptr;
}

/// The same of an error.
MITOGEN_COLD inline error with_hop(const error& e, const error_hop& hop) {
    error_detail d = e.detail();
    add_hop(d, hop);
    return error(std::move(d));
}

} // namespace detail

#if MITOGEN_HAS_EXCEPTIONS

namespace detail {

inline void erase_all(std::string& text, std::string_view what) {
    for (std::size_t at; (at = text.find(what)) != std::string::npos;) text.erase(at, what.size());
}

/// The demangled name of a type, without the inline namespaces of standard libraries and of this
/// one.
inline std::string readable_type(const char* mangled) {
    int status = 0;
    char* plain = abi::__cxa_demangle(mangled, nullptr, nullptr, &status);
    std::string text = status == 0 && plain ? plain : mangled;
    std::free(plain);
    for (const std::string_view hidden : {"__cxx11::", "__1::"}) erase_all(text, hidden);
    const std::string_view ours = "mitogen::v";
    if (const std::size_t at = text.find(ours); at != std::string::npos) {
        const std::size_t end = text.find("::", at + ours.size());
        if (end != std::string::npos) text.erase(at + 9, end + 2 - (at + 9));
    }
    return text;
}

/// Levels of nested exceptions that are looked into.
inline constexpr unsigned most_causes = 8;

/// The exception that is being handled, as far as it says itself. Inside a catch block.
MITOGEN_COLD inline error_detail describe_current_exception(unsigned depth) {
    error_detail d;
    d.why = reason::remote_exception;
    std::string type;
    if (const std::type_info* thrown = abi::__cxa_current_exception_type())
        type = readable_type(thrown->name());
    const auto look_into = [&]([[maybe_unused]] const auto& e) {
#if defined(__cpp_rtti)
        const auto* nested = dynamic_cast<const std::nested_exception*>(&e);
        if (!nested || !nested->nested_ptr() || depth == most_causes) return;
        // its type is the helper's that std::throw_with_nested makes of it
        if (type.starts_with("std::_Nested_exception<") || type.starts_with("std::__nested<")) {
            type.erase(0, type.find('<') + 1);
            type.resize(type.find_last_not_of("> ") + 1);
        }
        auto causes = std::make_shared<std::vector<error>>();
        try {
            nested->rethrow_nested();
        } catch (...) {
            error_detail inner = describe_current_exception(depth + 1);
            if (inner.causes) {
                const auto further = std::exchange(inner.causes, nullptr);
                causes->push_back(error(std::move(inner)));
                causes->insert(causes->end(), further->begin(), further->end());
            } else {
                causes->push_back(error(std::move(inner)));
            }
        }
        d.causes = std::move(causes);
#endif
    };
    try {
        throw;
    } catch (const error& e) {
        d = e.detail(); // it is what it was, wherever it came from
        d.what.clear();
        d.original = nullptr;
        look_into(e);
        if (d.type.empty() && !type.starts_with("mitogen::")) d.type = type;
        return d;
    } catch (const std::exception& e) {
        d.text = e.what();
        look_into(e);
    } catch (const char* text) {
        d.text = text;
    } catch (const std::string& text) {
        d.text = text;
    } catch (...) {
        d.text = "not a std::exception";
    }
    d.type = std::move(type);
    return d;
}

} // namespace detail

/// The exception that is being handled, as an error to send to the caller. Call it inside a catch
/// block. `left`: the function that it has left, and the context.
MITOGEN_COLD inline error current_exception_as_error(const error_hop& left) {
    return detail::with_hop(error(detail::describe_current_exception(0)), left);
}

#if defined(__cpp_rtti)
namespace detail {

MITOGEN_INLINE bool names_type(std::string_view readable, const char* mangled) {
    return !readable.empty() && readable == readable_type(mangled);
}

/// One that says what the other one said, although its class has no text.
template <class E>
struct with_text final : E {
    std::string text;
    explicit with_text(std::string said) : text(std::move(said)) {}
    const char* what() const noexcept override { return text.c_str(); }
};
template <class E>
void rethrow_with_text(const error& e) {
    if (names_type(e.detail().type, typeid(E).name()))
        throw with_text<E>(std::string(e.message()));
}

MITOGEN_INLINE void rethrow_standard(const error& e) {
    rethrower<std::logic_error, std::domain_error, std::invalid_argument, std::length_error,
              std::out_of_range, std::runtime_error, std::range_error, std::overflow_error,
              std::underflow_error>::run(e);
    rethrow_with_text<std::bad_alloc>(e);
    rethrow_with_text<std::bad_array_new_length>(e);
    rethrow_with_text<std::bad_cast>(e);
    rethrow_with_text<std::bad_exception>(e);
    rethrow_with_text<std::exception>(e);
}

} // namespace detail
#endif
#endif

} // namespace mitogen::inline MITOGEN_ABI
