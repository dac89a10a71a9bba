// SPDX-License-Identifier: BSL-1.0
#pragma once
// run_options.hpp: how a command is run in another context, and what has become of it.

#include <mitogen/base/config.hpp>
#include <mitogen/base/error_detail.hpp>
#include <mitogen/base/function.hpp>
#include <mitogen/base/time.hpp>
#include <mitogen/call/context.hpp>

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

namespace mitogen::inline MITOGEN_ABI {

/// Why a line of a command's output is handed over.
enum class line_end : std::uint8_t {
    newline, ///< it is complete
    pause,   ///< it has stood there unfinished for half a second: a prompt, a progress bar
    limit,   ///< it is longer than 64 KiB
    end,     ///< nothing follows: the output has ended without a newline
};

/// Is given the lines of a command's output, without their newlines:
/// `[](std::string_view line) { … }`, or `[](std::string_view line, line_end why) { … }` to be told
/// of those that go on (line_end::pause and limit). What follows such a piece is the rest of its
/// line. Each may have the context where the command runs in front, for those of a group:
/// `[](const mitogen::context& who, std::string_view line) { … }`.
class line_callback {
    unique_function<void(const context&, std::string_view, line_end)> call_{};
    bool told_why_ = false;

    template <class F, class... Args>
    static constexpr bool takes = std::is_invocable_v<F&, Args...>;

public:
    line_callback() = default;
    template <class F>
        requires(takes<F, std::string_view> || takes<F, std::string_view, line_end> ||
                 takes<F, const context&, std::string_view> ||
                 takes<F, const context&, std::string_view, line_end>)
    line_callback(F call)
        : told_why_(takes<F, std::string_view, line_end> ||
                    takes<F, const context&, std::string_view, line_end>) {
        if constexpr (takes<F, const context&, std::string_view, line_end>)
            call_ = std::move(call);
        else if constexpr (takes<F, const context&, std::string_view>)
            call_ = [f = std::move(call)](const context& who, std::string_view text,
                                          line_end) mutable { f(who, text); };
        else if constexpr (takes<F, std::string_view, line_end>)
            call_ = [f = std::move(call)](const context&, std::string_view text,
                                          line_end why) mutable { f(text, why); };
        else
            call_ = [f = std::move(call)](const context&, std::string_view text,
                                          line_end) mutable { f(text); };
    }

    explicit operator bool() const noexcept { return static_cast<bool>(call_); }
    /// Whether it is told of lines that go on. One that is not is given no empty rest of these.
    bool told_why() const noexcept { return told_why_; }
    void operator()(const context& who, std::string_view text, line_end why) {
        call_(who, text, why);
    }
};

/// The options of context::run and context::exec.
struct run_options {
    /// what it can read, any bytes; nothing: /dev/null. A command that does not read it is no error
    std::string input{};
    std::string directory{}; ///< where it begins; empty: where its context is
    /// on top of the variables that its context has: "NAME=VALUE" sets, "NAME" removes
    std::vector<std::string> environment{};
    bool inherit_environment = true; ///< false: it has only `environment`
    /// it has a terminal of its own, 24 lines of 80 columns, that echoes nothing: all that it says
    /// is in `out`
    bool pty = false;
    /// after that its process group is ended, which is a result; 0: none
    std::chrono::milliseconds time_limit{0};
    /// lines of its standard output and standard error as they come, by the thread that waits. As
    /// long as one runs the command waits, once the buffers on the way are full
    line_callback line{};
    line_callback error_line{};
    /// what is kept of each of its two outputs: the first half of that many bytes, and the last
    std::uint64_t output_bytes = std::uint64_t{16} << 20;
    /// what it has started in the background goes on; else that is ended with it
    bool leave_running = false;
};

/// What has become of a command.
struct command_result {
    exit_status status{};      ///< 127: there is no such program; 126: it cannot be executed
    std::string out{};         ///< what it has written to its standard output, any bytes
    std::string err{};         ///< the same of its standard error; empty with a pty
    bool timed_out = false;    ///< its time limit was reached, and it was ended
    std::uint64_t out_cut = 0; ///< bytes that are missing in the middle of `out`
    std::uint64_t err_cut = 0;
    /// "PID NAME" of what goes on and holds one of its outputs open: it has left the process group,
    /// or was left running. At most 16, where that can be seen: with /proc, of the same user
    std::vector<std::string> left{};

    /// True if it has returned 0 within its time.
    bool success() const noexcept { return status.success() && !timed_out; }
};

} // namespace mitogen::inline MITOGEN_ABI
