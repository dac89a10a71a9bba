// SPDX-License-Identifier: BSL-1.0
#pragma once
// host.hpp: how threads exclude and wait for one another if the I/O policy is not part of the type.

#include <mitogen/base/config.hpp>
#include <mitogen/base/ids.hpp>
#include <mitogen/base/time.hpp>
#include <mitogen/os/mutex.hpp>

#include <atomic>
#include <memory>
#include <mutex>
#include <utility>

namespace mitogen::inline MITOGEN_ABI {
namespace detail {

class condition;
class mutex;

/// Refers to a callable that says whether something holds; for the time of one call.
class predicate {
    void* of_;
    bool (*holds_)(void*);

public:
    template <class F>
    predicate(F& callable) noexcept
        : of_(const_cast<void*>(static_cast<const void*>(&callable))),
          holds_([](void* f) -> bool { return (*static_cast<F*>(f))(); }) {}
    bool operator()() const { return holds_(of_); }
};

/// What a thread waits for, in words that stay, and whose it is.
struct wait_subject {
    const char* what = "something";
    context_id whose = no_context; ///< no_context: nobody's, or that is not known
    const char* relation = "of";   ///< between the two
};

/// The mutex of an I/O policy whose threads are not the system's.
class foreign_mutex {
public:
    virtual ~foreign_mutex() = default;
    virtual void lock() = 0;
    virtual void unlock() = 0;
};

/// Where threads wait: one node of the tree, which drives its loop with a thread that has to wait
/// anyway. Threads: any.
class sync_host {
public:
    /// The moment on the clock of its policy.
    virtual instant now() const noexcept = 0;
    /// True on the thread that runs its loop at this moment: nothing may wait there.
    virtual bool on_loop() const noexcept = 0;
    /// A mutex of its policy; null if the system's is the one.
    virtual std::unique_ptr<foreign_mutex> make_mutex() const = 0;
    /// Sleeps on `on` until `ready()` holds, which is asked with `lock` held, the deadline passes,
    /// or a scope of the caller ends it: see condition::wait. `what`: for people.
    virtual bool sleep(condition& on, std::unique_lock<mutex>& lock, instant deadline,
                       predicate ready, const wait_subject& what) = 0;

protected:
    ~sync_host() = default;
};

/// A mutex; not recursive. Threads: any.
class mutex {
    io::posix_mutex native_;
    std::unique_ptr<foreign_mutex> foreign_;

public:
    explicit mutex(const sync_host& host) : foreign_(host.make_mutex()) {}

    void lock() {
        if (foreign_) [[unlikely]]
            return foreign_->lock();
        native_.lock();
    }
    void unlock() {
        if (foreign_) [[unlikely]]
            return foreign_->unlock();
        native_.unlock();
    }
};

/// A condition variable whose sleepers may drive the loop.
///
/// Threads: any but the loop. Destroy it only when no thread is inside.
class condition {
public:
    /// One thread that sleeps.
    class sleeper {
        friend class condition;
        sleeper* next_ = nullptr;

    public:
        virtual void notify() noexcept = 0;

    protected:
        ~sleeper() = default;
    };

private:
    sleeper* first_ = nullptr; // under the mutex

public:
    condition() = default;
    condition(condition&&) = delete;

    /// Sleeps until `ready()` holds, which is asked with the mutex locked, the deadline passes, or
    /// a scope of the caller ends it: see why_interrupted(). Returns what ready() says at the end.
    /// `lock` holds the mutex before and after. The end of the loop alone wakes nobody: ready()
    /// must become true by it.
    template <class Ready>
    bool wait(std::unique_lock<mutex>& lock, sync_host& host, instant deadline, Ready&& ready,
              const wait_subject& what = {}) {
        return ready() || host.sleep(*this, lock, deadline, predicate(ready), what);
    }

    /// Wakes everyone who sleeps on it. With the mutex locked: a sleeper is gone once it has it.
    void notify_all() noexcept {
        for (sleeper* s = first_; s; s = s->next_) s->notify();
    }

    /// For sync_host::sleep. With the mutex locked.
    void enter(sleeper& s) noexcept {
        s.next_ = first_;
        first_ = &s;
    }
    void leave(sleeper& s) noexcept {
        sleeper** at = &first_;
        while (*at != &s) at = &(*at)->next_;
        *at = s.next_;
    }
};

/// Something that happens once. Threads: any; wait() not on the loop.
class event {
    mutex mutex_;
    condition changed_;
    std::atomic<bool> raised_{false};

public:
    explicit event(const sync_host& host) : mutex_(host) {}

    bool raised() const noexcept { return raised_.load(std::memory_order_acquire); }

    void raise() {
        const std::lock_guard lock(mutex_);
        raised_.store(true, std::memory_order_release);
        changed_.notify_all();
    }

    /// Sleeps until it has happened or the deadline passes; returns raised().
    bool wait(sync_host& host, instant deadline) {
        if (raised()) return true;
        std::unique_lock lock(mutex_);
        return changed_.wait(lock, host, deadline, [this] { return raised(); });
    }
};

} // namespace detail
} // namespace mitogen::inline MITOGEN_ABI
