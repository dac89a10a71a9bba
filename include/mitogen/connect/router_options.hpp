// SPDX-License-Identifier: BSL-1.0
#pragma once
// router_options.hpp: how a router is made.

#include <mitogen/base/config.hpp>
#include <mitogen/base/limits.hpp>
#include <mitogen/connect/ending_patience.hpp>
#include <mitogen/connect/programs/payload_option.hpp>
#include <mitogen/connect/prompts/prompt.hpp>

#include <cstdint>
#include <vector>

namespace mitogen::inline MITOGEN_ABI {

/// How a router is made.
struct router_options {
    mitogen::limits limits{};       ///< for this context and all below it
    ending_patience patience{};     ///< how long children may take to end
    std::uint32_t pool_threads = 4; ///< most threads that a child gives to on::pool functions
    tree_rules rules{};             ///< for the whole tree
    std::vector<payload> payloads{}; ///< this program, built for machines of other kinds; for all below, too
    /// Gets the questions that no option of a connection answers, also those of children that other contexts are asked to make.
    /// On the loop: it must not block.
    prompt_callback on_prompt{};
};

} // namespace mitogen::inline MITOGEN_ABI
