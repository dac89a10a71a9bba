// SPDX-License-Identifier: BSL-1.0
#pragma once
// boot_plan.hpp: what a connection method has to say about how its child is started, and what its
// failures mean.

#include <mitogen/base/config.hpp>
#include <mitogen/base/error.hpp>
#include <mitogen/base/function.hpp>
#include <mitogen/base/limits.hpp>
#include <mitogen/base/on.hpp>
#include <mitogen/base/time.hpp>
#include <mitogen/boot/prompts/prompt.hpp>
#include <mitogen/call/boot_progress.hpp>
#include <mitogen/os/process/process.hpp>
#include <mitogen/program/compressor.hpp>
#include <mitogen/program/payload.hpp>
#include <mitogen/program/program_source.hpp>

#include <cstddef>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace mitogen::inline MITOGEN_ABI {

namespace detail {

class prompt_matcher;

struct staged_boot;

} // namespace detail

/// Everything that is known when a child did not come up.
struct boot_failure {
    enum class how : std::uint8_t { ended, timed_out, confused };

    /// the connection ended; the deadline passed; what it said makes no sense
    how what = how::ended;
    bool stage_seen = false;   ///< the shell on the target has spoken
    bool program_sent = false; ///< it has, or was written, all of the program
    bool hello_begun = false;  ///< the child has begun to say hello
    std::string detail{};      ///< of `confused`: in words
    /// last lines of stderr and stdout, most telling first; may be empty
    std::string words{};
    std::optional<exit_status> status{}; ///< of the process that was started here, if it has ended
};

/// One way to start one child. Made by a connection method; executed by basic_child.
struct boot_plan {
    std::string what{};        ///< for messages: "local child", "ssh web1"
    std::string name{};        ///< of the context, if the caller gave none
    bool name_takes_id = false; ///< that is a word for all of them: ".<id>" makes it distinct
    os::spawn_options start{}; ///< descriptors are filled in later
    /// what `start` does before it executes its own last arguments, in words
    std::string enters{};
    /// where these begin; 0: `start` is what is executed
    std::size_t command_at = 0;
    /// How a POSIX shell, which speaks first, is sent the program: &detail::by_a_shell. Null: the
    /// program is there, and speaks first.
    const detail::staged_boot* staged = nullptr;
    bool attached = false;        ///< nothing is started: its stream is there already
    os::unique_fd attached_in{};  ///< of such a one: what it says
    os::unique_fd attached_out{}; ///< what it hears
    /// nothing is executed: it is a copy of this process
    bool forks = false;
    void (*on_start)() = nullptr;             ///< of such a one: called first in the child
    std::shared_ptr<os::unique_fd> program{}; ///< what it is sent
    /// path of that; empty: this program's own
    std::string program_path{};
    /// what is sent to machines that the program was not built for
    std::vector<detail::payload_file> others{};
    /// completes those of `others`, and gets what is not here
    std::shared_ptr<detail::program_source> source{};
    /// compresses it, if that is worth it; may be null
    std::shared_ptr<detail::compressor> compressor{};
    bool compress_program = false; ///< the way there is likely slower than compressing
    /// if it comes to nothing, what is started has something to undo: SIGTERM comes first
    bool clears_up = false;
    /// what is started is a client, of which nothing is needed once the child has ended in order
    bool is_client = false;
    bool keep_program = true; ///< it may stay in a cache there, for the next time
    /// the error that a failure means
    error (*explain)(const boot_plan&, const boot_failure&) = nullptr;
    /// what to do if `start` cannot be started
    std::string if_missing{};
    /// of a tool that may ask questions at its terminal
    std::shared_ptr<detail::prompt_matcher> prompts{};
    /// puts them to a person, on the loop; may be empty
    unique_function<void(prompt)> ask{};
    /// on the loop; may be empty
    unique_function<void(const connect_progress&)> on_progress{};
    duration_ns timeout = 30'000'000'000; ///< from start to hello
    limits bounds{};
    bool may_detach = false; ///< the child may go on without this context
    on executor = on::main;             ///< of functions that have no run_on of their own
    std::shared_ptr<void> keep_alive{}; ///< let go of when the process is reaped, or was never made

    /// True if it starts this program, or another build of it, and not `.executable` or what is
    /// there already.
    bool runs_this_program() const noexcept { return program_path.empty() && !attached && !forks; }
};

namespace detail {

inline std::string quoted_words(const boot_failure& f) {
    return f.words.empty() ? std::string() : "; it said:\n  " + f.words;
}

inline std::string status_text(const boot_failure& f) {
    return f.status ? " (" + f.status->text() + ")" : std::string();
}

/// True if a shell ended so because it could not execute the program. POSIX says 126 for a program
/// that is there; zsh says 127.
inline bool not_executed(const exit_status& s) noexcept {
    return s.signal == 0 && (s.code == 126 || s.code == 127);
}

/// What a deadline that has passed means if nothing more special is known.
inline error explain_timeout(const boot_plan& plan, const boot_failure& f) {
    const std::string ms = std::to_string(plan.timeout / 1'000'000);
    const std::string_view meaning =
        !plan.staged   ? "the program was started, but main() did not call mitogen::init, or "
                         "something before it hangs"
        : f.stage_seen ? "sending the program, or its start, takes longer than that"
                       : "no shell has spoken there";
    return error(reason::connect_timeout, plan.what + ": no hello within " + ms +
                                              " ms (connect_timeout): " + std::string(meaning) +
                                              quoted_words(f));
}

/// What a failure means if nothing more special is known.
MITOGEN_COLD inline error explain_boot(const boot_plan& plan, const boot_failure& f) {
    switch (f.what) {
    case boot_failure::how::timed_out: return explain_timeout(plan, f);
    case boot_failure::how::confused:
        return error(reason::connect, plan.what + ": " + f.detail + quoted_words(f));
    case boot_failure::how::ended: break;
    }
    error_detail d;
    d.has_status = f.status.has_value();
    if (d.has_status) d.status = *f.status;
    if (f.status && f.status->signal) {
        d.why = reason::end_of_file;
        d.text = plan.what + ": died before it said hello" + quoted_words(f);
    } else if (f.hello_begun) {
        d.why = reason::end_of_file;
        d.text = plan.what + ": the connection ended in the middle of its hello" + quoted_words(f);
    } else if (plan.staged && !f.stage_seen) {
        d.why = reason::end_of_file;
        d.text = plan.what + ": the connection ended before a shell spoke there" + quoted_words(f);
    } else if (f.stage_seen && f.status && not_executed(*f.status)) {
        d.why = reason::payload;
        d.text = plan.what + ": the target cannot execute the program that it was sent" +
                 quoted_words(f);
    } else if (f.stage_seen && !f.program_sent) {
        d.why = reason::end_of_file;
        d.text = plan.what + ": the connection ended while the program was sent" + quoted_words(f);
        // whose exit status it is cannot be told: most tools pass on that of the program
    } else if (f.stage_seen) {
        d.why = reason::no_init;
        d.text = plan.what +
                 ": the program was sent, and the connection ended before its hello: main() did "
                 "not call mitogen::init "
                 "first thing, or ended before that, or " +
                 plan.start.path + " failed" + quoted_words(f);
    } else {
        d.why = reason::no_init;
        d.text = plan.what +
                 ": the program was started, but main() did not call mitogen::init; call it first "
                 "thing in main, or use mitogen::run" +
                 quoted_words(f);
    }
    return error(std::move(d));
}

} // namespace detail
} // namespace mitogen::inline MITOGEN_ABI
