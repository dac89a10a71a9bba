// SPDX-License-Identifier: BSL-1.0
#pragma once
// task_condition.hpp: a condition variable that threads and tasks wait on.

#include <mitogen/base/config.hpp>
#include <mitogen/base/error.hpp>
#include <mitogen/base/function.hpp>
#include <mitogen/base/time.hpp>
#include <mitogen/loop/timer.hpp>
#include <mitogen/sync/host.hpp>
#include <mitogen/task/task_scope.hpp>

#include <coroutine>
#include <mutex>
#include <optional>
#include <utility>
#include <vector>

namespace mitogen::inline MITOGEN_ABI {
namespace detail {

/// As condition, also for tasks. Threads: as that.
class task_condition {
    condition threads_;
    std::vector<task_wait*> tasks_; // under the mutex

    class wait_of_task final : task_wait {
        task_condition& on_;
        mutex& mutex_;
        unique_function<bool()> ready_;
        duration_ns span_;
        instant until_ = 0;
        bool late_ = false;
        timer timer_{};

        bool happened() override {
            const std::lock_guard lock(mutex_);
            return late_ || ready_();
        }
        void arm() override {
            if (span_ != never && until_ == 0) {
                until_ = after(scope().port().now(), span_);
                timer_.fire = [this] {
                    late_ = true;
                    wake_once();
                };
                scope().set_timer(timer_, until_);
            }
            const std::lock_guard lock(mutex_);
            if (ready_()) return wake();
            on_.tasks_.push_back(this);
        }
        void give_up(const error&, bool armed) override {
            if (armed) wake_once();
        }
        void wake_once() { // unless somebody has
            const std::lock_guard lock(mutex_);
            if (std::erase(on_.tasks_, static_cast<task_wait*>(this)) > 0) wake();
        }

    public:
        wait_of_task(task_condition& on, mutex& guard, unique_function<bool()> ready,
                     duration_ns span)
            : on_(on), mutex_(guard), ready_(std::move(ready)), span_(span) {}

        bool await_ready() const noexcept { return false; }
        template <class Promise>
        void await_suspend(std::coroutine_handle<Promise> waiting) {
            begin(*waiting.promise().scope, waiting);
        }
        std::optional<error> await_resume() {
            if (timer_.is_set()) scope().cancel_timer(timer_);
            if (happened()) return std::nullopt;
            return *scope().cancelled();
        }
    };

public:
    /// As condition's.
    template <class Ready>
    bool wait(std::unique_lock<mutex>& lock, sync_host& host, instant deadline, Ready&& ready,
              const wait_subject& what = {}) {
        return threads_.wait(lock, host, deadline, ready, what);
    }

    /// In a task: waits until `ready()` holds, which is asked with the mutex locked, or for `span`
    /// at most. Gives why a scope of the task has ended that, if it has.
    struct until {
        task_condition& on;
        mutex& guard;
        unique_function<bool()> ready;
        duration_ns span = never;

        wait_of_task operator co_await() && {
            return wait_of_task(on, guard, std::move(ready), span);
        }
    };

    /// Whoever waits looks again. With the mutex locked.
    void notify_all() {
        threads_.notify_all();
        for (task_wait* w : std::exchange(tasks_, {})) w->wake();
    }
};

} // namespace detail
} // namespace mitogen::inline MITOGEN_ABI
