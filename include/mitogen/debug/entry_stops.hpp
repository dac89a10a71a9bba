// SPDX-License-Identifier: BSL-1.0
#pragma once
// entry_stops.hpp: remote functions of this process at whose beginning calls stop: `break` at the
// debugger's prompt.

#include <mitogen/base/config.hpp>
#include <mitogen/call/function_entry.hpp>
#include <mitogen/call/invocation.hpp>
#include <mitogen/call/registry.hpp>
#include <mitogen/debug/process_wide.hpp>
#include <mitogen/loop/activity/activity.hpp>
#include <mitogen/os/mutex.hpp>
#include <mitogen/serve/incoming_calls.hpp>

#include <map>
#include <mutex>
#include <string>
#include <string_view>
#include <utility>

namespace mitogen::inline MITOGEN_ABI {
namespace detail {

/// All of this process. An entry calls run() in the function's place while it is in here, so that a
/// call of any other costs nothing. Threads: any.
template <class Lazy = void> // compiled where it is used
class basic_entry_stops {
    using thunk = void (*)(invocation&);

    struct stop {
        thunk function; // what the entry calls else
        bool set;
    };
    io::posix_mutex mutex_;
    // under mutex_: once in here an entry stays, as a call of it may be about to begin
    std::map<const function_entry*, stop> all_;

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
        std::string text;
        for (const auto& [entry, at] : all_)
            if (at.set) text += entry->name() + "\n";
        return text.empty() ? "no call stops where it begins; `break FUNCTION`" : text;
    }

public:
    /// Stops the calling thread, for the debugger of this process. Throws what ends the call.
    void (*stop_thread)(const std::string& function) = nullptr;

    std::string add(std::string_view name) {
        if (name.empty()) return names();
        const function_entry* const e = find(name);
        if (!e) return unknown(name);
        if (e->where == on::loop || e->where == on::task)
            return e->name() + " runs on the loop, which must not stop";
        const std::lock_guard lock(mutex_);
        if (const auto at = all_.find(e); at == all_.end())
            all_.emplace(e, stop{e->replace(&run), true});
        else if (!std::exchange(at->second.set, true))
            e->replace(&run);
        return "calls of " + e->name() + " stop where they begin";
    }

    std::string remove(std::string_view name) {
        const function_entry* const e = find(name);
        const std::lock_guard lock(mutex_);
        const auto at = all_.find(e);
        if (at == all_.end() || !std::exchange(at->second.set, false))
            return "calls of \"" + std::string(name) + "\" do not stop";
        e->replace(at->second.function);
        return "calls of " + e->name() + " stop no more";
    }

    /// In a copy of the process made by fork(), where a thread that is not there may hold the lock.
    void forget() noexcept {
        mutex_.renew();
        for (const auto& [entry, at] : all_) entry->replace(at.function);
        all_.clear();
    }

private:
    static void run(invocation& inv);

    thunk function_of(const function_entry* e) {
        const std::lock_guard lock(mutex_);
        return all_.at(e).function;
    }
};

using entry_stops = basic_entry_stops<>;

template <class Lazy>
void basic_entry_stops<Lazy>::run(invocation& inv) {
    // on the loop, where it cannot stop but is told so, it has no call
    const function_entry* const e =
        inv.call ? static_cast<incoming_call*>(inv.call)->entry
                 : reinterpret_cast<const function_entry*>(loop_here->now().of);
    auto& all = process_wide<entry_stops>();
    all.stop_thread(e->name());
    all.function_of(e)(inv);
}

} // namespace detail
} // namespace mitogen::inline MITOGEN_ABI
