// SPDX-License-Identifier: BSL-1.0
#pragma once
// entry_stops.hpp: remote functions of this process at whose beginning calls stop: `break` at the
// debugger's prompt.

#include <mitogen/base/config.hpp>
#include <mitogen/call/function_entry.hpp>
#include <mitogen/call/invocation.hpp>
#include <mitogen/call/registry.hpp>
#include <mitogen/loop/activity/activity.hpp>
#include <mitogen/os/mutex.hpp>
#include <mitogen/serve/incoming_calls.hpp>

#include <map>
#include <mutex>
#include <new>
#include <string>
#include <string_view>

namespace mitogen::inline MITOGEN_ABI {
namespace detail {

/// All of this process. An entry calls run() in the function's place while it is in here, so that a
/// call of any other costs nothing. Threads: any.
template <class Lazy = void> // compiled where it is used
class basic_entry_stops {
    using thunk = void (*)(invocation&);

    io::posix_mutex mutex_;
    std::map<const function_entry*, thunk> all_; // with what the entry called before

    /// By its name, or the last part of it; null if there is none, or more than one.
    static const function_entry* find(std::string_view name) {
        const function_entry* found = nullptr;
        for (const function_entry* e : registry::entries()) {
            const std::string_view full = e->name();
            if (full == name) return e;
            const bool last = full.size() > name.size() + 2 && full.ends_with(name) &&
                              full.substr(0, full.size() - name.size()).ends_with("::");
            if (!last) continue;
            if (found) return nullptr;
            found = e;
        }
        return found;
    }

    static std::string unknown(std::string_view name) {
        std::string text = "no remote function \"" + std::string(name) +
                           "\" in this context, or more than one; there are";
        constexpr std::size_t most_named = 20;
        std::size_t count = 0;
        for (const function_entry* e : registry::entries())
            if (count++ < most_named) text += "\n    " + e->name();
        if (count > most_named) text += "\n    and " + std::to_string(count - most_named) + " more";
        return text;
    }

    std::string names() {
        const std::lock_guard lock(mutex_);
        if (all_.empty()) return "no call stops where it begins; `break FUNCTION`";
        std::string text;
        for (const auto& [entry, call] : all_) text += entry->name() + "\n";
        return text;
    }

public:
    /// Stops the calling thread, for the debugger of this process. Throws what ends the call.
    void (*stop)(const std::string& function) = nullptr;

    std::string add(std::string_view name) {
        if (name.empty()) return names();
        const function_entry* const e = find(name);
        if (!e) return unknown(name);
        if (e->where == on::loop || e->where == on::task)
            return e->name() + " runs on the loop, which must not stop";
        const std::lock_guard lock(mutex_);
        if (!all_.contains(e)) all_.emplace(e, e->replace(&run));
        return "calls of " + e->name() + " stop where they begin";
    }

    std::string remove(std::string_view name) {
        const function_entry* const e = find(name);
        const std::lock_guard lock(mutex_);
        const auto at = all_.find(e);
        if (at == all_.end()) return "calls of \"" + std::string(name) + "\" do not stop";
        e->replace(at->second);
        stopped_.insert(*at); // a call may be about to begin
        all_.erase(at);
        return "calls of " + e->name() + " stop no more";
    }

    /// In a copy of the process made by fork(), where a thread that is not there may hold the lock.
    void forget() noexcept {
        new (&mutex_) io::posix_mutex;
        for (const auto& [entry, call] : all_) entry->replace(call);
        all_.clear();
    }

private:
    std::map<const function_entry*, thunk> stopped_; // once

    static void run(invocation& inv);

    thunk call_of(const function_entry* e) {
        const std::lock_guard lock(mutex_);
        const auto at = all_.find(e);
        return at != all_.end() ? at->second : stopped_.at(e);
    }
};

using entry_stops = basic_entry_stops<>;

/// Never destroyed: threads may outlive main().
template <class = void>
entry_stops& stops_at_entry() {
    static entry_stops& all = *new entry_stops;
    return all;
}

template <class Lazy>
void basic_entry_stops<Lazy>::run(invocation& inv) {
    // on the loop, where it cannot stop but is told so, it has no call
    const function_entry* const e =
        inv.call ? static_cast<incoming_call*>(inv.call)->entry
                 : reinterpret_cast<const function_entry*>(loop_here->now().of);
    stops_at_entry().stop(e->name());
    stops_at_entry().call_of(e)(inv);
}

} // namespace detail
} // namespace mitogen::inline MITOGEN_ABI
