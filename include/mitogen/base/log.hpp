// SPDX-License-Identifier: BSL-1.0
#pragma once
// log.hpp: where the library's own records, and those of its children, go.

#include <mitogen/base/config.hpp>
#include <mitogen/base/function.hpp>
#include <mitogen/base/ids.hpp>

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <string>
#include <string_view>
#include <utility>

namespace mitogen::inline MITOGEN_ABI {
namespace log {

/// Severity, least first.
enum class level : std::uint8_t { debug, info, warning, error };

/// One line. The views are valid only while the sink runs.
struct record {
    mitogen::log::level level;
    context_id context;      ///< who has written it
    std::string_view place;  ///< that context's path, "bastion.web1"; empty for this process
    std::string_view logger; ///< "mitogen", "stdout", "stderr", or the program's own name for it
    std::string_view text;   ///< of a child at most 64 KiB; of what it prints at most 8 KiB
};

/// How much each context may log on each of its three ways: its stdout, its stderr, and its own
/// records. What is more is dropped and counted, and a record of level warning says how much was
/// lost.
///
/// The rates are far above what anybody reads, and cost the processes above a few percent of their
/// time. Nobody waits for a log to be read: a program that prints more than its parents take loses
/// lines, not time.
struct bounds {
    std::uint64_t lines_per_second = 10'000;   ///< 0: any number
    std::uint64_t bytes_per_second = 4u << 20; ///< and 64 for each line; 0: any number
    /// so much of the rates may come in one go; at least 1
    std::uint32_t seconds_at_once = 10;
    /// unsent log records that one link may hold; at most half of limits::queue_bytes
    std::uint64_t queue_bytes = 16u << 20;

    friend bool operator==(const bounds&, const bounds&) = default;
};

/// What receives records. Called on the loop's thread or on the thread that logs, one at a time per
/// thread: it must be thread-safe and must not block. What it throws is caught and counted, see
/// sink_failures(). What is logged inside it goes to stderr.
using sink = unique_function<void(const record&)>;

namespace detail {
struct installed_sink {
    sink call;
    installed_sink* previous; // kept: a thread may still be inside it
};

/// The sink and the level of one process.
struct state {
    std::atomic<installed_sink*> current{nullptr};
    std::atomic<level> threshold{level::warning};
    std::atomic<std::uint64_t> lines_per_second{bounds{}.lines_per_second};
    std::atomic<std::uint64_t> bytes_per_second{bounds{}.bytes_per_second};
    std::atomic<std::uint32_t> seconds_at_once{bounds{}.seconds_at_once};
    std::atomic<std::uint64_t> queue_bytes{bounds{}.queue_bytes};
    std::atomic<std::uint64_t> sink_failures{0};
};
inline constinit state global{}; // never destroyed: exit handlers log too

/// If many processes are simulated in one: the state of the one that this thread runs at the
/// moment, set by the scheduler.
inline thread_local constinit state* ambient = nullptr;

/// The state of a simulated process, which owns its sinks: nothing of that process may log any more
/// when it goes.
struct owned_state : state {
    owned_state() = default;
    owned_state(const owned_state&) = delete;
    owned_state& operator=(const owned_state&) = delete;
    ~owned_state() {
        for (installed_sink* s = current.load(); s;) delete std::exchange(s, s->previous);
    }
};

/// The state in force.
inline state& here() noexcept { return ambient ? *ambient : global; }

/// The sink that set_sink() has set; null: the default.
inline sink* own_sink() noexcept {
    auto* const to = here().current.load(std::memory_order_acquire);
    return to && to->call ? &to->call : nullptr;
}

/// Writes what it can without waiting, and returns how much that was: see os/stdio/stderr.hpp,
/// which puts it here. Null in a program of nothing but this header.
using stderr_writer = std::size_t (*)(const char* text, std::size_t size) noexcept;
inline constinit std::atomic<stderr_writer> write_now{nullptr};

/// What standard error has not taken.
struct stderr_losses {
    std::atomic<std::uint64_t> all{0};
    std::atomic<std::uint64_t> untold{0};
    std::atomic<bool> torn{false}; // the last line has no end
};
inline constinit stderr_losses unread{};

/// Puts a line to standard error, or counts it.
inline void put_line(std::string line) {
    const stderr_writer now = write_now.load(std::memory_order_acquire);
    if (!now) return (void)std::fwrite(line.data(), 1, line.size(), stderr);
    const std::uint64_t lost = unread.untold.exchange(0, std::memory_order_relaxed);
    const bool torn = unread.torn.exchange(false, std::memory_order_relaxed);
    if (lost)
        line.insert(0, "mitogen: " + std::to_string(lost) +
                           " lines of the log are missing here: standard error was not read\n");
    if (torn) line.insert(0, "\n");
    const std::size_t written = now(line.data(), line.size());
    if (written == line.size()) return;
    unread.all.fetch_add(1, std::memory_order_relaxed);
    unread.untold.fetch_add(lost + 1, std::memory_order_relaxed);
    if (written || torn) unread.torn.store(true, std::memory_order_relaxed);
}

/// The default sink. Does not wait for whoever reads standard error: a pager, a terminal that is
/// stopped.
inline void to_stderr(const record& r) {
    // One write per line, so that lines of several threads do not mix.
    std::string line;
    line.reserve(r.place.size() + r.logger.size() + r.text.size() + 16);
    if (!r.place.empty()) line.append("[").append(r.place).append("] ");
    if (r.logger == "mitogen") line.append("mitogen: ");
    line.append(r.text).append("\n");
    put_line(std::move(line));
}

/// True while this thread is inside a sink.
inline thread_local constinit bool in_sink = false;

/// Calls the sink.
inline void call_sink(sink& to, const record& r) {
    if (ambient) return to(r); // a simulated thread may be another one when it returns
    struct inside {
        inside() noexcept { in_sink = true; }
        ~inside() { in_sink = false; }
    } const mark;
    to(r);
}

/// The sink has thrown.
MITOGEN_COLD inline void count_sink_failure() {
    if (here().sink_failures.fetch_add(1, std::memory_order_relaxed) == 0)
        to_stderr({level::error, no_context, {}, "mitogen",
                   "the log sink has thrown an exception; what it does not take is lost"});
}
} // namespace detail

/// Replaces the sink for this process; an empty one brings back the default, which writes to
/// stderr and waits for nobody: what is not read is lost, see unread_lines(). Threads: any.
inline void set_sink(sink to) {
    detail::state& here = detail::here();
    auto* next =
        new detail::installed_sink{std::move(to), here.current.load(std::memory_order_relaxed)};
    while (!here.current.compare_exchange_weak(next->previous, next, std::memory_order_acq_rel)) {}
}

/// Records below `least` are not made. Default: warning. Lines that a child writes to stdout or
/// stderr always pass.
inline void set_level(level least) noexcept {
    detail::here().threshold.store(least, std::memory_order_relaxed);
}

/// What set_level() has set.
inline level threshold() noexcept {
    return detail::here().threshold.load(std::memory_order_relaxed);
}

/// True if a record of that level would be made: ask before composing an expensive text.
inline bool enabled(level l) noexcept { return l >= threshold(); }

/// Of what somebody else may do again and again: true if the `count`th time is to be logged, which
/// is the first, the tenth, the hundredth and so on. A flood makes few lines.
constexpr bool worth_a_line(std::uint64_t count) noexcept {
    while (count >= 10 && count % 10 == 0) count /= 10;
    return count == 1;
}

/// Sets the bounds for what this process logs and prints, and for what its children print on
/// stderr. Threads: any.
inline void set_bounds(const bounds& to) noexcept {
    detail::state& here = detail::here();
    here.lines_per_second.store(to.lines_per_second, std::memory_order_relaxed);
    here.bytes_per_second.store(to.bytes_per_second, std::memory_order_relaxed);
    here.seconds_at_once.store(to.seconds_at_once, std::memory_order_relaxed);
    here.queue_bytes.store(to.queue_bytes, std::memory_order_relaxed);
}

/// What set_bounds() has set.
inline bounds current_bounds() noexcept {
    const detail::state& here = detail::here();
    return {here.lines_per_second.load(std::memory_order_relaxed),
            here.bytes_per_second.load(std::memory_order_relaxed),
            here.seconds_at_once.load(std::memory_order_relaxed),
            here.queue_bytes.load(std::memory_order_relaxed)};
}

/// The sink that is in use. In a child it sends records up the tree. Stays valid; set_sink() makes
/// another one current.
inline sink& current() {
    static sink& standard = *new sink(&detail::to_stderr); // static destructors log too
    sink* const own = detail::own_sink();
    return own ? *own : standard;
}

/// How many lines the default sink has not shown, because standard error was not read. The next one
/// that is shown says so. Threads: any.
inline std::uint64_t unread_lines() noexcept {
    return detail::unread.all.load(std::memory_order_relaxed);
}

/// How many records the sinks of this process have answered with an exception. They are lost;
/// stderr has told so of the first. Threads: any.
inline std::uint64_t sink_failures() noexcept {
    return detail::here().sink_failures.load(std::memory_order_relaxed);
}

/// Hands one record to the sink, whatever its level.
inline void emit(const record& r) {
    if (detail::in_sink) return detail::to_stderr(r);
    sink* const own = detail::own_sink();
    if (!own) return detail::to_stderr(r);
#if MITOGEN_HAS_EXCEPTIONS
    try {
        detail::call_sink(*own, r);
    } catch (...) {
        detail::count_sink_failure();
    }
#else
    detail::call_sink(*own, r);
#endif
}

namespace detail {
/// In a child made by fork(): the sink is the parent's, with locks that threads of the parent may
/// hold. Until the child has its own, records go to its stderr, which the parent reads.
inline void begin_copy() {
    in_sink = false;
    set_sink({});
}
} // namespace detail

/// Makes a record of this process under the logger "mitogen".
inline void write(level l, std::string_view text) {
    if (enabled(l)) emit({l, no_context, {}, "mitogen", text});
}

/// Makes a record of this process under the program's own `logger`, in any context: it arrives at
/// the root's sink.
inline void write(level l, std::string_view logger, std::string_view text) {
    if (enabled(l)) emit({l, no_context, {}, logger, text});
}

} // namespace log
} // namespace mitogen::inline MITOGEN_ABI
