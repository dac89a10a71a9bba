// SPDX-License-Identifier: BSL-1.0
#pragma once
// work_guard.hpp: those whose things live on a loop, which therefore cannot end before they have.

#include <mitogen/base/config.hpp>
#include <mitogen/base/function.hpp>

#include <mutex>
#include <utility>

namespace mitogen::inline MITOGEN_ABI {

namespace detail {

/// Somebody who needs a loop: a router.
class work_guard {
    template <class Io>
    friend class basic_work_guards;

    unique_function<void()> end_;
    bool told_ = false; // under the registry's mutex, as next_ is
    work_guard* next_ = nullptr;

public:
    /// `end` begins what leads to basic_broker::leave(). It is called once, and must not block nor
    /// leave itself.
    explicit work_guard(unique_function<void()> end) : end_(std::move(end)) {}
    work_guard(work_guard&&) = delete;
};

/// The users of one loop. Threads: any.
template <class Io>
class basic_work_guards {
    typename Io::mutex mutex_;
    work_guard* first_ = nullptr; // linked through them: they stay if they are until they leave
    bool ending_ = false;

    void tell() { // under mutex_: nobody leaves meanwhile
        for (work_guard* u = first_; u; u = u->next_)
            if (!std::exchange(u->told_, true)) u->end_();
    }

public:
    explicit basic_work_guards(Io& io) : mutex_(io) {}

    /// From now on the loop waits for `user`, who is told at once if it is to end already.
    void enter(work_guard& user) {
        const std::lock_guard lock(mutex_);
        work_guard** last = &first_;
        while (*last) last = &(*last)->next_;
        user.next_ = nullptr;
        *last = &user;
        if (ending_) tell();
    }

    /// `user` needs it no more, and is not told from now on. True if the loop is to end and that
    /// was the last.
    bool leave(work_guard& user) {
        const std::lock_guard lock(mutex_);
        work_guard** at = &first_;
        while (*at && *at != &user) at = &(*at)->next_;
        if (!*at) return false;
        *at = user.next_;
        return ending_ && !first_;
    }

    /// The loop shall end: tells everybody. True if there is nobody.
    bool end() {
        const std::lock_guard lock(mutex_);
        ending_ = true;
        tell();
        return !first_;
    }

    /// True once end() was called.
    bool ending() {
        const std::lock_guard lock(mutex_);
        return ending_;
    }
};

} // namespace detail
} // namespace mitogen::inline MITOGEN_ABI
