// SPDX-License-Identifier: BSL-1.0
#pragma once
// Functions that two translation units of the tests register, and what one tells the other.
#include <mitogen/mitogen.hpp>

#include <cstdint>

namespace registry_functions {

int in_two_files(int x);
template <std::uint64_t N>
int added(int x) {
    return x + static_cast<int>(N);
}
inline constexpr auto doubled = [](int x) { return 2 * x; };

/// The entries as identity_test.cpp sees them.
struct seen {
    const mitogen::detail::function_entry* plain;
    const mitogen::detail::function_entry* instance;
    const mitogen::detail::function_entry* closure;
};
seen from_the_other_file();

} // namespace registry_functions

template <>
inline constexpr auto mitogen::run_on<&registry_functions::in_two_files> = mitogen::on::pool;
