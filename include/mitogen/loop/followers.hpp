// SPDX-License-Identifier: BSL-1.0
#pragma once
// followers.hpp: of a broker without a thread: those who wait until they may lead, one after the
// other (Leader/Followers, POSA2).

#include <mitogen/base/config.hpp>
#include <mitogen/sync/waiter.hpp>

#include <mutex>

namespace mitogen::inline MITOGEN_ABI {

namespace detail {

/// Threads that want to lead while another one does, first come first woken. Threads: any.
template <class Io>
class basic_followers {
    typename Io::mutex mutex_;

public:
    explicit basic_followers(Io& io) : mutex_(io) {}

    /// A thread stands in the followers as long as this lives.
    class place {
        friend basic_followers;

        basic_followers& followers_;
        waiter<Io>& mine_;
        place* behind_ = nullptr;

    public:
        place(basic_followers& followers, waiter<Io>& mine) : followers_(followers), mine_(mine) {
            const std::lock_guard lock(followers_.mutex_);
            place** last = &followers_.first_;
            while (*last) last = &(*last)->behind_;
            *last = this;
        }
        place(place&&) = delete;
        ~place() {
            const std::lock_guard lock(followers_.mutex_);
            place** at = &followers_.first_;
            while (*at != this) at = &(*at)->behind_;
            *at = behind_;
        }
    };

    /// Somebody may lead now.
    void promote_first() noexcept {
        const std::lock_guard lock(mutex_);
        if (first_) first_->mine_.notify();
    }

private:
    place* first_ = nullptr; // linked through them
};

} // namespace detail
} // namespace mitogen::inline MITOGEN_ABI
