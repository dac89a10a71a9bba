// SPDX-License-Identifier: BSL-1.0
#pragma once
// interrupt.hpp: SIGINT as bytes in a pipe, for as long as somebody wants to hear of it.

#include <mitogen/base/config.hpp>
#include <mitogen/base/error.hpp>
#include <mitogen/os/call.hpp>
#include <mitogen/os/failure.hpp>
#include <mitogen/os/fd.hpp>

#include <array>
#include <atomic>
#include <cerrno>
#include <utility>

#include <sched.h>
#include <signal.h>
#include <unistd.h>

namespace mitogen::inline MITOGEN_ABI {
namespace os {

/// The one handler of SIGINT and whom it tells. One for the process, as signals are.
class interrupts {
    static constexpr int most = 64; // watches at once
    struct ends {
        std::atomic<int> read{-1};
        std::atomic<int> write{-1}; // -1: the place is free
    };
    std::array<ends, most> places_{};
    // the process whose watches these are; a copy made by fork() has none
    std::atomic<int> owner_{0};
    std::atomic<int> holder_{0}; // the process one of whose threads adds or removes one
    std::atomic<int> inside_{0}; // handlers that look at places_
    std::atomic<int> heard_{0};  // signals since the handler was installed
    int watches_ = 0;            // under the lock
    struct ::sigaction former_ {};

    /// Held while watches are added or removed. A fork may have copied it in the hands of a thread
    /// that does not exist there.
    class holder_lock {
        std::atomic<int>& holder_;

    public:
        explicit holder_lock(interrupts& all) noexcept : holder_(all.holder_) {
            const int me = ::getpid();
            for (int other = holder_.load();
                 other == me || !holder_.compare_exchange_weak(other, me); other = holder_.load())
                static_cast<void>(::sched_yield());
        }
        holder_lock(holder_lock&&) = delete;
        ~holder_lock() { holder_.store(0); }
    };

    static bool is_own(const struct ::sigaction& action) noexcept {
        return (action.sa_flags & SA_SIGINFO) && action.sa_sigaction == &interrupts::handle;
    }

    static void handle(int number, ::siginfo_t* info, void* where);

    void install() noexcept {
        heard_.store(0);
        struct ::sigaction now {};
        static_cast<void>(::sigaction(SIGINT, nullptr, &now));
        if (is_own(now)) return; // a copy made by fork()
        former_ = now;
        if (!(now.sa_flags & SA_SIGINFO) && now.sa_handler == SIG_IGN) return;
        struct ::sigaction ours {};
        ours.sa_sigaction = &interrupts::handle;
        ours.sa_flags = SA_SIGINFO | SA_RESTART | (now.sa_flags & SA_ONSTACK);
        ours.sa_mask = now.sa_mask;
        static_cast<void>(::sigaction(SIGINT, &ours, nullptr));
    }

    void restore() noexcept {
        struct ::sigaction now {};
        if (::sigaction(SIGINT, nullptr, &now) == 0 && is_own(now))
            static_cast<void>(::sigaction(SIGINT, &former_, nullptr));
    }

public:
    /// True if there was room.
    bool add(int read_end, int write_end) noexcept {
        const holder_lock lock(*this);
        // the first, or a copy that somebody else has made by fork(2)
        if (const int me = ::getpid(); owner_.load() != me) {
            for (ends& place : places_) place.write.store(-1);
            inside_.store(0);
            watches_ = 0;
            owner_.store(me);
        }
        for (ends& place : places_) {
            if (place.write.load() >= 0) continue;
            place.read.store(read_end);
            place.write.store(write_end);
            if (watches_++ == 0) install();
            return true;
        }
        return false;
    }

    /// Afterwards no handler writes there.
    void remove(int write_end) noexcept {
        const holder_lock lock(*this);
        for (ends& place : places_)
            if (place.write.load() == write_end) place.write.store(-1);
        if (--watches_ == 0) restore();
        while (inside_.load() != 0) static_cast<void>(::sched_yield());
    }

    /// In a child made by fork(): the parent's watches are none of its own.
    void forget() noexcept {
        const holder_lock lock(*this);
        for (ends& place : places_) {
            const int write_end = place.write.exchange(-1);
            if (write_end < 0) continue;
            static_cast<void>(::close(write_end));
            static_cast<void>(::close(place.read.load()));
        }
        inside_.store(0);
        if (std::exchange(watches_, 0) > 0) restore();
    }
};

inline constinit interrupts all_interrupts{};

// Only what POSIX allows in a handler (signal-safety(7)).
inline void interrupts::handle(int number, ::siginfo_t* info, void* where) {
    interrupts& all = all_interrupts;
    const int before = errno;
    all.inside_.fetch_add(1);
    const bool ours = all.owner_.load() == ::getpid();
    for (ends& place : all.places_) {
        const int to = ours ? place.write.load() : -1;
        if (to >= 0 && ::write(to, "", 1) < 0) continue; // it is full of them
    }
    const struct ::sigaction former = all.former_;
    all.inside_.fetch_sub(1);
    if (former.sa_flags & SA_SIGINFO) {
        former.sa_sigaction(number, info, where);
    } else if (former.sa_handler != SIG_DFL && former.sa_handler != SIG_IGN) {
        former.sa_handler(number);
    } else if (!ours || all.heard_.fetch_add(1) >= 2) {
        static_cast<void>(::sigaction(number, &former, nullptr));
        static_cast<void>(::raise(number)); // comes when this handler returns
    }
    errno = before;
}

/// While it exists, each SIGINT that this process gets becomes a byte that can be read from fd(). A
/// handler that the program has is called as well. If it has none, the third signal ends the
/// process as ever, so that one that hangs can be ended. If the signal is ignored it stays so. The
/// last watch to go restores what was there before, unless the program has changed it since.
///
/// Threads: any. Throws: error with reason::system without descriptors; overloaded_error with 64
/// others.
class interrupt_watch {
    unique_fd read_end_;
    unique_fd write_end_;

public:
    interrupt_watch() {
        long rc = pipe(read_end_, write_end_);
        if (rc >= 0) rc = move_above_stdio(read_end_);
        if (rc >= 0) rc = move_above_stdio(write_end_);
        if (rc >= 0) rc = set_nonblocking(read_end_.get(), true);
        if (rc >= 0) rc = set_nonblocking(write_end_.get(), true);
        if (rc < 0) raise(failure("a pipe for SIGINT", rc));
        if (!all_interrupts.add(read_end_.get(), write_end_.get()))
            raise(error(reason::overloaded, "too many watch for SIGINT at once"));
    }
    interrupt_watch(interrupt_watch&&) = delete;
    ~interrupt_watch() { all_interrupts.remove(write_end_.get()); }

    /// Readable after a signal; nonblocking.
    int fd() const noexcept { return read_end_.get(); }

    /// How many signals there were since the last time.
    int take() noexcept {
        char bytes[64];
        int count = 0;
        for (long n = 0; (n = read(read_end_.get(), bytes, sizeof bytes)) > 0;)
            count += static_cast<int>(n);
        return count;
    }
};

} // namespace os
} // namespace mitogen::inline MITOGEN_ABI
