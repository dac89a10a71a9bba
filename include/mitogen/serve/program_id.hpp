// SPDX-License-Identifier: BSL-1.0
#pragma once
// program_id.hpp: what a program is for the other contexts of its tree: the same number means the
// same function in two of them only if both have the same file and the same list of functions.

#include <mitogen/base/config.hpp>
#include <mitogen/call/function_entry.hpp>
#include <mitogen/call/registry.hpp>
#include <mitogen/link/build_hash.hpp>
#include <mitogen/os/program/executable.hpp>

#include <cstdint>
#include <string>

namespace mitogen::inline MITOGEN_ABI {
namespace detail {

/// This program as it stood when its first context began. What is registered later (by a library
/// that is loaded then), or in another list (by a library that keeps its symbols to itself), has no
/// number that others know, and is called by its key.
///
/// Threads: any.
class program_id {
    std::string text_;
    build_hash hash_;
    std::uint32_t count_ = 0;

    MITOGEN_COLD program_id() {
        std::string names;
        for (const function_entry* entry : registry::entries()) {
            names += entry->identity();
            names += '\n';
            ++count_;
        }
        // A linker can be told to give two builds one id, and a shared library may be another one
        // on another machine: hence the functions too, in their order.
        text_ = os::build_id() + "/" + std::to_string(count_) + "/" +
                std::to_string(hash_build(names));
        hash_ = hash_build(text_);
    }

public:
    /// Made by the first call, which takes some microseconds per function.
    MITOGEN_COLD static const program_id& own() {
        static const program_id id;
        return id;
    }

    /// What it says of itself in a handshake.
    const std::string& text() const noexcept { return text_; }
    /// What others are compared with.
    build_hash hash() const noexcept { return hash_; }
    /// How many functions have a number that others know: those below it.
    std::uint32_t count() const noexcept { return count_; }
};

} // namespace detail
} // namespace mitogen::inline MITOGEN_ABI
