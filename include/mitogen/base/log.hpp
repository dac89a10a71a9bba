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
    context_id context;      ///< where it comes from
    std::string_view place;  ///< that context's name; empty for this process
    std::string_view logger; ///< "mitogen", "stdout", "stderr", or the program's own name for it
    std::string_view text;
};

/// What receives records. Called on the loop's thread or on the thread that logs, one at a time per thread: it must be
/// thread-safe and must not block.
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
};
inline constinit state global{}; // never destroyed: exit handlers log too

/// Where many processes are simulated in one: the state of the one that this thread runs at the moment, set by the scheduler.
inline thread_local constinit state* ambient = nullptr;

/// The state of a simulated process, which owns its sinks: nothing of that process may log any more when it goes.
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
} // namespace detail

/// Replaces the sink for this process; an empty one brings back the default, which writes to stderr. Threads: any.
inline void set_sink(sink to) {
    detail::state& here = detail::here();
    auto* next = new detail::installed_sink{std::move(to), here.current.load(std::memory_order_relaxed)};
    while (!here.current.compare_exchange_weak(next->previous, next, std::memory_order_acq_rel)) {}
}

/// Records below `least` are not made. Default: warning. Lines that a child writes to stdout or stderr always pass.
inline void set_level(level least) noexcept { detail::here().threshold.store(least, std::memory_order_relaxed); }

/// What set_level() has set.
inline level threshold() noexcept { return detail::here().threshold.load(std::memory_order_relaxed); }

/// True if a record of that level would be made: ask before composing an expensive text.
inline bool enabled(level l) noexcept { return l >= threshold(); }

/// The sink that is in use. In a child it sends records up the tree. Stays valid; set_sink() makes another one current.
inline sink& current() {
    static sink standard(&detail::to_stderr);
    auto* to = detail::here().current.load(std::memory_order_acquire);
    return to && to->call ? to->call : standard;
}

/// Hands one record to the sink, whatever its level.
inline void emit(const record& r) { current()(r); }

/// Makes a record of this process under the logger "mitogen".
inline void write(level l, std::string_view text) {
    if (enabled(l)) emit({l, no_context, {}, "mitogen", text});
}

} // namespace log
} // namespace mitogen::inline MITOGEN_ABI
