// SPDX-License-Identifier: BSL-1.0
#pragma once
// latch.hpp: a queue that threads sleep on. First come, first served, for items and for sleepers.

#include <mitogen/base/config.hpp>
#include <mitogen/base/error.hpp>
#include <mitogen/base/result.hpp>
#include <mitogen/base/time.hpp>
#include <mitogen/scope/interrupted.hpp>
#include <mitogen/scope/thread_worker.hpp>
#include <mitogen/sync/waiter.hpp>

#include <atomic>
#include <concepts>
#include <cstddef>
#include <deque>
#include <memory>
#include <mutex>
#include <optional>
#include <utility>

namespace mitogen::inline MITOGEN_ABI {

/// Hands each item to exactly one thread.
///
/// An item that is put while threads sleep goes to the one that has slept longest, at once and by
/// name: a thread that comes later cannot take it, and a sleeper whose deadline passes in the same
/// moment still gets it. close() wakes everyone with an error, also when items are left. Sleeping
/// holds no descriptor. (What this replaces: Mitogen's Latch, whose history is four bugs in exactly
/// these places.)
///
/// In a copy of the process (fork) it holds the items, and nothing of threads that are not there;
/// if one of these was just changing it, it is empty there.
///
/// Threads: any. Blocks: get() and those beside it, but with a span of 0. Destroy it only when no
/// thread is inside.
template <class T, class Io>
class basic_latch {
    struct sleeper {
        detail::waiter<Io> wake;
        std::optional<T> item{};
        std::atomic<bool> served{false}; // an item or the end has come; written under the lock
        sleeper* next = nullptr;

        explicit sleeper(Io& io) : wake(io) {}
    };

    Io& io_;
    typename Io::mutex mutex_;
    std::deque<T> items_;      // not empty only while nobody sleeps
    sleeper* first_ = nullptr; // longest asleep
    sleeper* last_ = nullptr;
    bool closed_ = false;

    // of the process whose threads sleep in it
    static constexpr unsigned renewing = static_cast<unsigned>(-1);
    std::atomic<unsigned> copies_{copies()};

    unsigned copies() const noexcept {
        if constexpr (requires(Io& io) { io.copies(); })
            return io_.copies();
        else
            return 0;
    }

    std::unique_lock<typename Io::mutex> lock() {
        if (const unsigned now = copies(); copies_.load(std::memory_order_acquire) != now)
            [[unlikely]] enter_copy(now);
        return std::unique_lock(mutex_);
    }

    /// In a copy of the process, where no thread is left that slept in it, or has held its lock.
    MITOGEN_COLD void enter_copy(unsigned now) {
        unsigned seen = copies_.load(std::memory_order_acquire);
        if (seen != renewing && seen != now && copies_.compare_exchange_strong(seen, renewing)) {
            first_ = last_ = nullptr;
            if (mutex_.try_lock()) {
                mutex_.unlock();
            } else { // a thread was changing it: what is in it is not to be trusted
                std::construct_at(&mutex_, io_);
                std::construct_at(&items_);
            }
            return copies_.store(now, std::memory_order_release);
        }
        while (copies_.load(std::memory_order_acquire) != now) io_.relax();
    }

    static error closed_error() { return error(reason::sender_closed, "the latch is closed"); }

    void unlink(sleeper* gone) noexcept {
        sleeper* before = nullptr;
        for (sleeper* s = first_; s; before = s, s = s->next) {
            if (s != gone) continue;
            (before ? before->next : first_) = s->next;
            if (last_ == s) last_ = before;
            return;
        }
    }

public:
    explicit basic_latch(Io& io) : io_(io), mutex_(io) {}
    basic_latch(basic_latch&&) = delete;

    /// Adds a copy of an item, as the next one does.
    bool put(const T& item)
        requires std::copy_constructible<T>
    {
        return put(T(item));
    }
    /// Adds an item, or hands it to the thread that has slept longest. False, with the item
    /// untouched, once closed.
    bool put(T&& item) {
        const auto held = lock();
        if (closed_) return false;
        if (sleeper* s = first_) {
            s->item.emplace(std::move(item)); // may throw: then the sleeper keeps its place
            first_ = s->next;
            if (!first_) last_ = nullptr;
            s->served.store(true, std::memory_order_release);
            s->wake.notify(); // under the lock: the sleeper takes it before its stack frame goes
        } else {
            items_.push_back(std::move(item));
        }
        return true;
    }

    /// The next item; sleeps as long as it takes. Errors, thrown: channel_error, once closed.
    T get() { return try_get().value(); }
    /// The same, with the error as a value.
    result<T> try_get() { return try_get_until(never); }

    /// As get(), but sleeps at most `span`; 0 never does. Errors, thrown: timeout_error.
    template <class Rep, class Period>
    T get_for(std::chrono::duration<Rep, Period> span) {
        return try_get_for(span).value();
    }
    /// The same, with the error as a value.
    template <class Rep, class Period>
    result<T> try_get_for(std::chrono::duration<Rep, Period> span) {
        return try_get_until(detail::after(io_.now(), detail::to_ns(span)));
    }

    /// The same, until a moment on the clock of the I/O policy; one in the past still takes an item
    /// that is there.
    T get_until(instant deadline) { return try_get_until(deadline).value(); }
    result<T> try_get_until(instant deadline) {
        return try_get_until(deadline,
                             [this](detail::waiter<Io>& wake, instant until, auto&& ready) {
                                 detail::sleep_in_scopes(
                                     io_, wake, until, ready, [&wake](instant end, auto&& ended) {
                                         while (!ended())
                                             if (!wake.sleep_until(end)) return ended();
                                         return true;
                                     });
                             });
    }

    /// The same; `sleep(waiter, deadline, ready)` does the sleeping, and returns when ready() or at
    /// the deadline.
    template <class Sleep>
    result<T> try_get_until(instant deadline, Sleep&& sleep) {
        sleeper self(io_);
        {
            const auto held = lock();
            if (closed_) return closed_error();
            if (!items_.empty()) {
                T item(std::move(items_.front()));
                items_.pop_front();
                return item;
            }
            (last_ ? last_->next : first_) = &self;
            last_ = &self;
        }
        sleep(self.wake, deadline, [&self] { return self.served.load(std::memory_order_acquire); });
        const auto held = lock();
        if (self.item) return std::move(*self.item);
        if (closed_) return closed_error();
        unlink(&self);
        return detail::wait_ended(io_.now(), deadline, "no item came before the deadline");
    }

    /// Wakes every sleeper with an error; every later get and put fails. Items that are left are
    /// dropped with the latch.
    void close() {
        const auto held = lock();
        closed_ = true;
        for (sleeper* s = first_; s;) {
            // before notify: afterwards the sleeper may be gone once the lock is free
            sleeper* next = s->next;
            s->served.store(true, std::memory_order_release);
            s->wake.notify();
            s = next;
        }
        first_ = last_ = nullptr;
    }

    /// Items that wait for a thread.
    std::size_t size() {
        const auto held = lock();
        return items_.size();
    }

    bool closed() {
        const auto held = lock();
        return closed_;
    }
};

} // namespace mitogen::inline MITOGEN_ABI
