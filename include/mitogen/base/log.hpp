// SPDX-License-Identifier: BSL-1.0
#pragma once
// log.hpp: where the library's own records, and those of its children, go.

#include <mitogen/base/config.hpp>
#include <mitogen/base/function.hpp>
#include <mitogen/base/ids.hpp>

#include <atomic>
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

inline void to_stderr(const record& r) {
    // One write per line, so that lines of several threads do not mix.
    std::string line;
    line.reserve(r.place.size() + r.logger.size() + r.text.size() + 8);
    if (!r.place.empty()) line.append("[").append(r.place).append("] ");
    if (r.logger == "mitogen") line.append("mitogen: ");
    line.append(r.text).append("\n");
    std::fwrite(line.data(), 1, line.size(), stderr);
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
/// stderr. Threads: any.
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
    static sink standard(&detail::to_stderr);
    auto* to = detail::here().current.load(std::memory_order_acquire);
    return to && to->call ? to->call : standard;
}

/// How many records the sinks of this process have answered with an exception. They are lost;
/// stderr has told so of the first. Threads: any.
inline std::uint64_t sink_failures() noexcept {
    return detail::here().sink_failures.load(std::memory_order_relaxed);
}

/// Hands one record to the sink, whatever its level.
inline void emit(const record& r) {
    if (detail::in_sink) return detail::to_stderr(r);
#if MITOGEN_HAS_EXCEPTIONS
    try {
        detail::call_sink(current(), r);
    } catch (...) {
        detail::count_sink_failure();
    }
#else
    detail::call_sink(current(), r);
#endif
}

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
