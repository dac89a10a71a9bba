// SPDX-License-Identifier: BSL-1.0
#pragma once
// attach_options.hpp: a child at the far end of a byte stream that is there already.

#include <mitogen/base/config.hpp>
#include <mitogen/base/limits.hpp>
#include <mitogen/base/result.hpp>
#include <mitogen/base/time.hpp>
#include <mitogen/call/any_method.hpp>
#include <mitogen/call/function_entry.hpp>

#include <functional>
#include <optional>
#include <string>
#include <utility>

namespace mitogen::inline MITOGEN_ABI {

struct attach;

/// Of a child whose byte stream the program has made itself.
struct link_options {
    std::string name{};                                ///< of the context; empty: "attached"
    std::chrono::milliseconds connect_timeout{30'000}; ///< until its hello
    /// of functions there that have no run_on of their own
    on executor = on::main;
    /// for it and all below it; empty: this context's own
    std::optional<mitogen::limits> limits{};
    bool may_detach = false; ///< it may leave the tree and go on alone: router::detach()

    /// As a method, which takes over these descriptors.
    attach taking(int fd_in, int fd_out) const;
};

/// A child at the far end of a byte stream that this program opens when it is wanted, and again
/// when a nursery begins it again: a serial line, a socket, another library's connection. There
/// runs a program that calls mitogen::init, started with the one argument
/// `mitogen::child_argument`, whose stdin and stdout the stream is.
struct attach {
    /// Opens it: the descriptor of what the child says, and of what it hears, which may be one.
    /// They are taken over. Called by whoever connects; it may block that thread, and must not
    /// throw.
    std::function<result<std::pair<int, int>>()> open{};

    std::string name{};                                ///< of the context; empty: "attached"
    std::chrono::milliseconds connect_timeout{30'000}; ///< until its hello
    /// of functions there that have no run_on of their own
    on executor = on::main;
    /// for it and all below it; empty: this context's own
    std::optional<mitogen::limits> limits{};
    bool may_detach = false; ///< it may leave the tree and go on alone: router::detach()

    static constexpr bool starts_directly = true;

    /// Opens the stream.
    result<boot_plan> plan() const;
};

} // namespace mitogen::inline MITOGEN_ABI
