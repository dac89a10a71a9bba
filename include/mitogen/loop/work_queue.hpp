// SPDX-License-Identifier: BSL-1.0
#pragma once
// work_queue.hpp: what other threads hand to the loop, in the order in which it runs, and the
// moment from which it takes no more.

#include <mitogen/base/config.hpp>
#include <mitogen/base/function.hpp>
#include <mitogen/loop/loop_task.hpp>

#include <atomic>
#include <mutex>
#include <utility>
#include <vector>

namespace mitogen::inline MITOGEN_ABI {

namespace detail {

/// Posted tasks and deferred functions. Tasks run first, in the order of posting, then functions.
/// Wakes nobody: that is left to whoever adds. Threads: as marked.
template <class Io>
class basic_work_queue {
    typename Io::mutex mutex_;
    loop_task* first_ = nullptr;
    loop_task* last_ = nullptr;
    std::vector<unique_function<void()>> deferred_;
    // deferred_ of the iteration that is under way; the loop's
    std::vector<unique_function<void()>> running_;
    bool refusing_ = false; // no more work is accepted
    std::atomic<bool> pending_{false};

public:
    explicit basic_work_queue(Io& io) : mutex_(io) {}

    /// True if there is something to run. Threads: any.
    bool pending() const noexcept { return pending_.load(std::memory_order_acquire); }

    /// Adds a task, unless it waits already. False once the queue is closed. Threads: any.
    bool post(loop_task& task) {
        const std::lock_guard lock(mutex_);
        if (refusing_) return false;
        if (task.posted) return true;
        task.posted = true;
        task.next = nullptr;
        (last_ ? last_->next : first_) = &task;
        last_ = &task;
        pending_.store(true, std::memory_order_release);
        return true;
    }

    /// Adds a function. False, without keeping it, once the queue is closed. Threads: any.
    bool add(unique_function<void()>&& work) {
        const std::lock_guard lock(mutex_);
        if (refusing_) return false;
        deferred_.push_back(std::move(work));
        pending_.store(true, std::memory_order_release);
        return true;
    }

    /// Takes back a task that has not run. Threads: loop.
    void withdraw(loop_task& task) noexcept {
        const std::lock_guard lock(mutex_);
        if (!task.posted) return;
        loop_task* before = nullptr;
        for (loop_task* t = first_; t; before = t, t = t->next) {
            if (t != &task) continue;
            (before ? before->next : first_) = t->next;
            if (last_ == t) last_ = before;
            break;
        }
        task.posted = false;
    }

    /// Runs one task, or all functions that are deferred at this moment, each through
    /// `guarded(callable)`. Threads: loop.
    template <class Guarded>
    void run_some(Guarded&& guarded) {
        loop_task* task;
        {
            const std::lock_guard lock(mutex_);
            // One at a time: a task that runs may post, withdraw or destroy the ones behind it.
            task = first_;
            if (task) {
                first_ = task->next;
                if (!first_) last_ = nullptr;
                task->posted = false;
            } else {
                running_.swap(deferred_);
            }
            pending_.store(first_ || !deferred_.empty(), std::memory_order_relaxed);
        }
        if (task) return guarded([task] { task->run(*task); });
        for (auto& work : running_) guarded(work);
        running_.clear();
    }

    /// Takes no more if nothing waits, or `anyway`. Returns true if it takes no more. Threads:
    /// loop.
    bool close(bool anyway) {
        const std::lock_guard lock(mutex_);
        refusing_ = refusing_ || anyway || (!first_ && deferred_.empty());
        return refusing_;
    }
};

} // namespace detail
} // namespace mitogen::inline MITOGEN_ABI
