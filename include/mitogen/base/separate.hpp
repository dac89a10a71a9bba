// SPDX-License-Identifier: BSL-1.0
#pragma once
// separate.hpp: has the linker say what to do if a program has no core.

#include <mitogen/base/config.hpp>

#if defined(MITOGEN_SOURCE)
extern "C" const char
    mitogen_core_is_missing_link_mitogen_compiled_or_define_MITOGEN_SOURCE_in_one_file = 0;
#elif defined(MITOGEN_SEPARATE)
extern "C" const char
    mitogen_core_is_missing_link_mitogen_compiled_or_define_MITOGEN_SOURCE_in_one_file;

namespace mitogen::inline MITOGEN_ABI {
namespace detail {

/// In each file that only calls: refers to what only the core defines.
[[gnu::used]] static const char* const wants_core =
    &mitogen_core_is_missing_link_mitogen_compiled_or_define_MITOGEN_SOURCE_in_one_file;

} // namespace detail
} // namespace mitogen::inline MITOGEN_ABI
#endif
