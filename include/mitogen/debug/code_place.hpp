// SPDX-License-Identifier: BSL-1.0
#pragma once
// code_place.hpp: where in the source a call stands.

#include <mitogen/base/config.hpp>

#include <cstdint>

namespace mitogen::inline MITOGEN_ABI {
namespace detail {

/// As std::source_location, which clang 14 does not have.
struct code_place {
    const char* function;
    const char* file;
    std::uint32_t line;

    /// As a default argument: of whoever calls that function.
    static constexpr code_place here(const char* function = __builtin_FUNCTION(),
                                     const char* file = __builtin_FILE(),
                                     std::uint32_t line = __builtin_LINE()) noexcept {
        return {function, file, line};
    }
};

} // namespace detail
} // namespace mitogen::inline MITOGEN_ABI
