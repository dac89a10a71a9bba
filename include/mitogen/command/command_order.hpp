// SPDX-License-Identifier: BSL-1.0
#pragma once
// command_order.hpp: what travels between whoever runs a command and the context where it runs.

#include <mitogen/base/config.hpp>
#include <mitogen/base/error_detail.hpp>
#include <mitogen/base/time.hpp>
#include <mitogen/codec/codec.hpp>
#include <mitogen/flow/dialog.hpp>

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

namespace mitogen::inline MITOGEN_ABI {
namespace detail {

/// What is to be run.
struct command_order {
    std::vector<std::string> words{}; ///< the arguments, or one text for a shell
    bool shell = false;
    std::string directory{};
    std::vector<std::string> environment{};
    bool inherit_environment = true;
    bool pty = false;
    bool leave_running = false;
    bool has_input = false;
    duration_ns time_limit = 0; ///< 0: none
};

/// A piece of what it reads.
struct command_input {
    std::string bytes{};
    bool last = false;
};

/// What it says, or that it would take more input.
struct command_said {
    enum : std::uint8_t { out, err, wants_input };
    std::uint8_t what = out;
    std::string bytes{};
};

/// How it has ended.
struct command_ended {
    exit_status status{};
    bool timed_out = false;
    std::vector<std::string> left{}; ///< as command_result::left
};

using command_dialog = dialog<void(command_input, command_said)>;

/// In one item.
inline constexpr std::size_t command_piece = 64u << 10;

} // namespace detail
} // namespace mitogen::inline MITOGEN_ABI
