// SPDX-License-Identifier: BSL-1.0
#pragma once
// waits.hpp: the threads that wait for something other than an answer, for whoever asks what does
// not go on.

#include <mitogen/base/config.hpp>
#include <mitogen/base/time.hpp>
#include <mitogen/scope/cancel_scope.hpp>
#include <mitogen/sync/host.hpp>

#include <mutex>
#include <vector>

namespace mitogen::inline MITOGEN_ABI {
namespace detail {

/// The waits that are under way beside one loop. Entering costs an uncontended lock, for a thread
/// that is about to sleep. Threads: any.
template <class Io>
class basic_waits {
public:
    /// One of them.
    struct wait {
        wait_subject what{};
        const scope_worker* who = nullptr; ///< to be compared, never used; null: no scope's
        instant since = 0;
    };

private:
    typename Io::mutex mutex_;

public:
    explicit basic_waits(Io& io) : mutex_(io) {}

    /// The calling thread waits as long as this lives.
    class entry {
        friend basic_waits;

        basic_waits& all_;
        const wait wait_;
        entry* next_ = nullptr; // under the mutex
        entry* previous_ = nullptr;

    public:
        entry(basic_waits& all, const wait_subject& what, instant now)
            : all_(all), wait_{what, this_worker, now} {
            const std::lock_guard lock(all_.mutex_);
            next_ = all_.first_;
            if (next_) next_->previous_ = this;
            all_.first_ = this;
        }
        entry(entry&&) = delete;
        ~entry() {
            const std::lock_guard lock(all_.mutex_);
            (previous_ ? previous_->next_ : all_.first_) = next_;
            if (next_) next_->previous_ = previous_;
        }
    };

    /// All of them, the last that began first; `most` at most.
    std::vector<wait> all(std::size_t most) {
        std::vector<wait> found;
        const std::lock_guard lock(mutex_);
        for (const entry* e = first_; e && found.size() < most; e = e->next_)
            found.push_back(e->wait_);
        return found;
    }

private:
    entry* first_ = nullptr;
};

} // namespace detail
} // namespace mitogen::inline MITOGEN_ABI
