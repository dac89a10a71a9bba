// SPDX-License-Identifier: BSL-1.0
#pragma once
// router_options.hpp: how a router is made.

#include <mitogen/base/config.hpp>
#include <mitogen/base/limits.hpp>
#include <mitogen/boot/prompts/prompt.hpp>
#include <mitogen/child/shutdown_timeouts.hpp>
#include <mitogen/program/payload_option.hpp>

#include <cstdint>
#include <vector>

namespace mitogen::inline MITOGEN_ABI {

/// How a router is made.
struct router_options {
    mitogen::limits limits{};       ///< for this context and all below it
    shutdown_timeouts timeouts{};   ///< how long children may take to end
    std::uint32_t pool_threads = 4; ///< most threads that a child gives to on::pool functions
    tree_rules rules{};             ///< for the whole tree
    /// this program, built for machines of other kinds; for all below, too
    std::vector<payload> payloads{};
    /// Gets the questions that no option of a connection answers, also those of children that other
    /// contexts are asked to make. On the loop: it must not block.
    prompt_callback on_prompt{};
};

} // namespace mitogen::inline MITOGEN_ABI
