// SPDX-License-Identifier: BSL-1.0
#pragma once
// exception_info.hpp: what can be said about the exception that is being handled, for the one who
// waits in another process.

#include <mitogen/base/config.hpp>
#include <mitogen/base/error.hpp>

#include <exception>
#include <string>
#include <string_view>
#include <utility>

#if MITOGEN_HAS_EXCEPTIONS
#include <cxxabi.h>

#include <typeinfo>
#endif

#include <cstdlib>

namespace mitogen::inline MITOGEN_ABI {

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

} // namespace detail

/// The exception that is being handled, as an error to send to the caller. Call it inside a catch
/// block. `place`, `where`: name and id of the context that threw it.
inline error current_exception_as_error(std::string_view place, context_id where) {
    error_detail d;
    d.why = reason::remote_exception;
    d.context = where;
    d.place = place;
    if (const std::type_info* type = abi::__cxa_current_exception_type())
        d.type = detail::readable_type(type->name());
    try {
        throw;
    } catch (const cancelled_error& e) {
        d = e.detail();
    } catch (const error& e) {
        d.text = e.what();
        d.backtrace = e.detail().backtrace;
    } catch (const std::exception& e) {
        d.text = e.what();
    } catch (const char* text) {
        d.text = text;
    } catch (const std::string& text) {
        d.text = text;
    } catch (...) {
        d.text = "not a std::exception";
    }
    return error(std::move(d));
}

#endif

} // namespace mitogen::inline MITOGEN_ABI
