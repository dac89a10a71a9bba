// SPDX-License-Identifier: BSL-1.0
#pragma once
// elastic_threads.hpp: threads for work that holds its thread: as many as there is work, up to a
// limit; those that have none for a while end.

#include <mitogen/base/config.hpp>
#include <mitogen/base/function.hpp>
#include <mitogen/base/result.hpp>
#include <mitogen/base/time.hpp>
#include <mitogen/io/construction.hpp>
#include <mitogen/sync/latch.hpp>

#include <cstddef>
#include <iterator>
#include <list>
#include <mutex>
#include <utility>
#include <vector>

namespace mitogen::inline MITOGEN_ABI {
namespace detail {

/// Runs each `Work` at once, on a thread that has none. Threads: submit() and join() one at a time.
template <class Work, class Io>
class elastic_threads {
    using thread = typename Io::thread;
    using place = typename std::list<thread>::iterator;

    static constexpr duration_ns idle_time = 5'000'000'000;

    Io& io_;
    unique_function<void(Work)> run_;
    std::size_t limit_;
    basic_latch<Work, Io> queue_;
    typename Io::mutex mutex_;
    std::list<thread> threads_;   // under mutex_, as all that follows
    std::vector<place> finished_; // have left the queue for good
    std::size_t idle_ = 0;        // threads that wait for work, or are about to take some
    std::size_t promised_ = 0;    // work that is put, or about to be, and not taken
    std::size_t alive_ = 0;

    enum class next : unsigned char { work, wait, end };

    /// What the calling thread, whose wait is over, does next.
    next after_wait(bool got, place self) {
        const std::lock_guard lock(mutex_);
        --idle_;
        if (got) {
            --promised_;
            return next::work;
        }
        if (promised_ > 0 && !queue_.closed()) return next::wait;
        --alive_;
        finished_.push_back(self);
        return next::end;
    }

    void serve(place self) {
        for (;;) {
            {
                const std::lock_guard lock(mutex_);
                ++idle_;
            }
            result<Work> got = queue_.try_get_until(after(io_.now(), idle_time));
            switch (after_wait(got.has_value(), self)) {
            case next::work: run_(std::move(*got)); break;
            case next::wait: break;
            case next::end: return;
            }
        }
    }

    /// One more thread. False if the machine allows none. Under mutex_.
    bool start_thread() {
        threads_.emplace_back();
        const place self = std::prev(threads_.end());
        const construction started;
        *self = thread(io_, "mitogen-flow", [this, self] { serve(self); });
        if (started.failure()) {
            threads_.pop_back();
            return false;
        }
        ++alive_;
        return true;
    }

    void join_finished() {
        std::list<thread> ended;
        {
            const std::lock_guard lock(mutex_);
            for (const place& p : finished_) ended.splice(ended.end(), threads_, p);
            finished_.clear();
        }
        for (thread& t : ended) t.join();
    }

public:
    elastic_threads(Io& io, std::size_t limit, unique_function<void(Work)> run)
        : io_(io), run_(std::move(run)), limit_(limit), queue_(io), mutex_(io) {}
    elastic_threads(elastic_threads&&) = delete;

    /// Runs it on a thread of its own. False, with nothing done, if there are too many, or the
    /// machine allows none. Never blocks.
    bool submit(Work work) {
        join_finished();
        {
            const std::lock_guard lock(mutex_);
            if (idle_ <= promised_) {
                if (alive_ >= limit_ || !start_thread()) return false;
            }
            ++promised_;
        }
        queue_.put(std::move(work));
        return true;
    }

    /// Takes back work that no thread has taken; `drop` gets each.
    template <class Drop>
    void drain(Drop&& drop) {
        while (result<Work> left = queue_.try_get_until(0)) {
            {
                const std::lock_guard lock(mutex_);
                --promised_;
            }
            drop(std::move(*left));
        }
    }

    /// Waits until every thread has done what it does; submit() must not follow.
    void join() {
        queue_.close();
        for (;;) {
            std::list<thread> all;
            {
                const std::lock_guard lock(mutex_);
                all.swap(threads_);
                finished_.clear();
            }
            if (all.empty()) return;
            for (thread& t : all) t.join();
        }
    }
};

} // namespace detail
} // namespace mitogen::inline MITOGEN_ABI
