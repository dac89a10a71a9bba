// SPDX-License-Identifier: BSL-1.0
#pragma once
// debugging.hpp: what a router knows of its debugger; the rest is compiled if the program names it.

#include <mitogen/base/config.hpp>
#include <mitogen/base/error.hpp>
#include <mitogen/base/result.hpp>
#include <mitogen/debug/stop_report.hpp>
#include <mitogen/node/router_core.hpp>
#include <mitogen/os/mutex.hpp>
#include <mitogen/task/task.hpp>

#include <algorithm>
#include <atomic>
#include <memory>
#include <mutex>
#include <new>
#include <utility>
#include <vector>

namespace mitogen::inline MITOGEN_ABI {
namespace detail {

/// Where threads and tasks of this process stop: one router's.
class stopping_place {
public:
    virtual ~stopping_place() = default;
    /// Stops the calling thread, unless nobody debugs. An error if it shall not go on as if nothing
    /// had been there. Threads: any; on the loop the log says that it cannot.
    virtual result<void> stop(stop_report report) = 0;
    /// The same of a task, which is on its loop.
    virtual task<void> stop_task(stop_report report) = 0;
    /// True if somebody debugs, as far as is known here. Never blocks.
    virtual bool armed() const noexcept = 0;
};

/// Those of this process, the newest last.
template <class = void> // compiled where it is used
class basic_stopping_places {
    io::posix_mutex mutex_;
    std::vector<std::shared_ptr<stopping_place>> all_;

public:
    void add(std::shared_ptr<stopping_place> one) {
        const std::lock_guard lock(mutex_);
        all_.push_back(std::move(one));
    }
    void remove(const stopping_place* one) noexcept {
        const std::lock_guard lock(mutex_);
        std::erase_if(all_, [&](const auto& each) { return each.get() == one; });
    }
    std::shared_ptr<stopping_place> newest() {
        const std::lock_guard lock(mutex_);
        return all_.empty() ? nullptr : all_.back();
    }
    /// In a copy of the process made by fork(), where a thread that is not there may hold the lock.
    void forget() noexcept {
        mutex_.renew();
        all_.clear();
    }
};

using stopping_places = basic_stopping_places<>;

/// A router's debugger.
template <class Io>
class debugging : public stopping_place {
public:
    /// This context is about to end: what stands in it goes on; of a root the log says whom its
    /// end will wait for. Threads: any.
    virtual void context_ends() = 0;
    /// Waits until nobody stands at the root's prompt or waits for it; nobody stops any more.
    /// Threads: any but the loop.
    virtual void close() = 0;
    /// In a child made by fork(): closes descriptors and forgets threads.
    virtual void abandon() noexcept = 0;
};

/// Makes one, in a program that names it. Process-wide: a static initialiser sets it, see
/// name_debugger().
template <class Io>
struct debugger_maker {
    std::shared_ptr<debugging<Io>> (*make)(basic_router_core<Io>& node, bool is_root);

    inline static constinit std::atomic<const debugger_maker*> named{nullptr};
};

} // namespace detail
} // namespace mitogen::inline MITOGEN_ABI
