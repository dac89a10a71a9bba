// SPDX-License-Identifier: BSL-1.0
#pragma once
// nsenter_main.hpp: how init() finds what runs if this program was started to enter the namespaces
// of another process.

#include <mitogen/base/config.hpp>

#include <string_view>

namespace mitogen::inline MITOGEN_ABI {
namespace detail {

/// The first argument of a program that shall do so.
inline constexpr std::string_view enter_argument = "--mitogen-enter";

// What is printed if it fails: errors are told apart by these words.
inline constexpr std::string_view no_leader_text = "mitogen: the container has no process";
inline constexpr std::string_view no_process_text = "mitogen: no such process: ";
inline constexpr char not_permitted_text[] = "mitogen: not permitted: ";
inline constexpr std::string_view no_user_there_text = "mitogen: no such user: ";
inline constexpr std::string_view not_executed_text = "mitogen: cannot execute ";
inline constexpr char cannot_enter_text[] = "mitogen: cannot enter: ";

} // namespace detail
} // namespace mitogen::inline MITOGEN_ABI
