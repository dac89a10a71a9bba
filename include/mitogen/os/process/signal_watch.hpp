// SPDX-License-Identifier: BSL-1.0
#pragma once
// signal_watch.hpp: signals as bytes in a pipe, for as long as somebody wants to hear of them.

#include <mitogen/base/config.hpp>
#include <mitogen/base/error.hpp>
#include <mitogen/base/result.hpp>
#include <mitogen/os/call.hpp>
#include <mitogen/os/failure.hpp>
#include <mitogen/os/fd.hpp>
#include <mitogen/os/process/signal_set.hpp>

#include <array>
#include <atomic>
#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <utility>

#include <sched.h>
#include <signal.h>
#include <unistd.h>

namespace mitogen::inline MITOGEN_ABI {
namespace os {

/// When signals that a watch hears end the process as they would without it, so that one that hangs
/// can be ended.
enum class last_resort : std::uint8_t {
    third,        ///< from its third one on
    third_unread, ///< from the third one on that waits to be taken
    never, ///< they do not; nor does anybody else hear them while the watch lasts
};

/// The one handler of the signals that are watched, and whom it tells. One for the process, as
/// signals are.
class watched_signals {
    static constexpr int most = 64; // watches at once
    struct place {
        std::atomic<int> read{0};
        std::atomic<int> write{0}; // 0: the place is free; a watch's ends are above stdio
        std::atomic<std::uint64_t> which{0};
        std::atomic<int> heard{0};
        std::atomic<bool> alone{false}; // nobody else hears them
    };
    struct action {
        struct ::sigaction former {};
        int watches = 0; // under the lock
    };
    std::array<place, most> places_{};
    std::array<action, signal_set::highest + 1> actions_{};
    // the process whose watches these are; a copy made by fork() has none
    std::atomic<int> owner_{0};
    std::atomic<int> holder_{0}; // the process one of whose threads adds or removes one
    std::atomic<int> inside_{0}; // handlers that look at places_

    /// Held while watches are added or removed. A fork may have copied it in the hands of a thread
    /// that does not exist there.
    class holder_lock {
        std::atomic<int>& holder_;

    public:
        explicit holder_lock(watched_signals& all) noexcept : holder_(all.holder_) {
            const int me = ::getpid();
            for (int other = holder_.load();
                 other == me || !holder_.compare_exchange_weak(other, me); other = holder_.load())
                static_cast<void>(::sched_yield());
        }
        holder_lock(holder_lock&&) = delete;
        ~holder_lock() { holder_.store(0); }
    };

    static bool is_own(const struct ::sigaction& now) noexcept {
        return (now.sa_flags & SA_SIGINFO) && now.sa_sigaction == &watched_signals::handle;
    }
    static std::uint64_t bit(int number) noexcept { return std::uint64_t{1} << (number - 1); }
    action& of(int number) noexcept { return actions_[static_cast<std::size_t>(number)]; }

    static void handle(int number, ::siginfo_t* info, void* where);

    /// True if its default does not end a process.
    static bool is_harmless(int number) noexcept {
        return number == SIGCHLD || number == SIGURG || number == SIGWINCH || number == SIGCONT ||
               number == SIGTSTP || number == SIGTTIN || number == SIGTTOU;
    }

    void install(int number) noexcept {
        struct ::sigaction now {};
        static_cast<void>(::sigaction(number, nullptr, &now));
        if (is_own(now)) return; // a copy made by fork()
        of(number).former = now;
        if (!(now.sa_flags & SA_SIGINFO) && now.sa_handler == SIG_IGN) return;
        struct ::sigaction ours {};
        ours.sa_sigaction = &watched_signals::handle;
        ours.sa_flags = SA_SIGINFO | SA_RESTART | (now.sa_flags & SA_ONSTACK);
        ours.sa_mask = now.sa_mask;
        static_cast<void>(::sigaction(number, &ours, nullptr));
    }

    void restore(int number) noexcept {
        struct ::sigaction now {};
        if (::sigaction(number, nullptr, &now) == 0 && is_own(now))
            static_cast<void>(::sigaction(number, &of(number).former, nullptr));
    }

    template <class Do>
    static void each(std::uint64_t which, Do what) {
        for (int n = 1; n <= signal_set::highest; ++n)
            if (which & bit(n)) what(n);
    }

public:
    static constexpr std::size_t nowhere = most;

    /// Its place; nowhere if there is no room.
    std::size_t add(int read_end, int write_end, std::uint64_t which, bool alone) noexcept {
        const holder_lock lock(*this);
        // the first, or a copy that somebody else has made by fork(2)
        if (const int me = ::getpid(); owner_.load() != me) {
            for (place& p : places_) p.write.store(0);
            for (action& a : actions_) a.watches = 0;
            inside_.store(0);
            owner_.store(me);
        }
        for (std::size_t i = 0; i < places_.size(); ++i) {
            place& p = places_[i];
            if (p.write.load() > 0) continue;
            p.heard.store(0);
            p.alone.store(alone);
            p.which.store(which);
            p.read.store(read_end);
            p.write.store(write_end);
            each(which, [&](int n) {
                if (of(n).watches++ == 0) install(n);
            });
            return i;
        }
        return nowhere;
    }

    /// Afterwards no handler writes there.
    void remove(std::size_t at) noexcept {
        const holder_lock lock(*this);
        places_[at].write.store(0);
        each(places_[at].which.load(), [&](int n) {
            if (--of(n).watches == 0) restore(n);
        });
        while (inside_.load() != 0) static_cast<void>(::sched_yield());
    }

    /// So many that a watch had heard are read.
    void taken(std::size_t at, int count) noexcept { places_[at].heard.fetch_sub(count); }

    /// In a child made by fork(): the parent's watches are none of its own.
    void forget() noexcept {
        const holder_lock lock(*this);
        for (place& p : places_) {
            const int write_end = p.write.exchange(0);
            if (write_end <= 0) continue;
            static_cast<void>(::close(write_end));
            static_cast<void>(::close(p.read.load()));
        }
        inside_.store(0);
        for (int n = 1; n <= signal_set::highest; ++n)
            if (std::exchange(of(n).watches, 0) > 0) restore(n);
    }
};

inline constinit watched_signals all_watched_signals{};

// Only what POSIX allows in a handler (signal-safety(7)).
inline void watched_signals::handle(int number, ::siginfo_t* info, void* where) {
    watched_signals& all = all_watched_signals;
    const int before = errno;
    all.inside_.fetch_add(1);
    const bool copy = all.owner_.load() != ::getpid();
    bool ends = copy;
    bool taken = false;
    for (const bool alone : {true, false}) {
        if (copy || taken) break;
        const auto byte = static_cast<unsigned char>(number);
        for (place& p : all.places_) {
            const int to = p.write.load();
            if (to <= 0 || !(p.which.load() & bit(number)) || p.alone.load() != alone) continue;
            taken = alone;
            if (!alone && p.heard.fetch_add(1) >= 2) ends = true;
            if (::write(to, &byte, 1) < 0) continue; // it is full of them
        }
    }
    const struct ::sigaction former = all.of(number).former;
    all.inside_.fetch_sub(1);
    if (taken) {
        // nobody else's
    } else if (former.sa_flags & SA_SIGINFO) {
        former.sa_sigaction(number, info, where);
    } else if (former.sa_handler != SIG_DFL && former.sa_handler != SIG_IGN) {
        former.sa_handler(number);
    } else if (ends && !is_harmless(number)) {
        static_cast<void>(::sigaction(number, &former, nullptr));
        static_cast<void>(::raise(number)); // comes when this handler returns
    }
    errno = before;
}

/// The signal by which people ask a program what it is at.
inline constexpr int dump_number = SIGUSR1;

/// True if nobody in this process has said what becomes of that signal.
inline bool is_default(int number) noexcept {
    struct ::sigaction now {};
    return ::sigaction(number, nullptr, &now) == 0 && !(now.sa_flags & SA_SIGINFO) &&
           now.sa_handler == SIG_DFL;
}

/// While it exists, each of these signals that this process gets becomes a byte that can be read
/// from fd(). A handler that the program has is called as well. If it has none, the third signal
/// ends the process as ever: see last_resort. One that is ignored stays so. The last watch of a
/// signal to go restores what was there before, unless the program has changed it since.
///
/// Threads: any. Throws: error with reason::system without descriptors; overloaded_error with 64
/// others; logic_error for what is no signal, cannot be handled, or reports a fault of the program.
class signal_watch {
    unique_fd read_end_;
    unique_fd write_end_;
    last_resort ends_;
    std::size_t place_ = watched_signals::nowhere;

    static bool can_be_watched(int number) noexcept {
        for (const int no : {SIGKILL, SIGSTOP, SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGTRAP, SIGABRT,
                             SIGSYS})
            if (number == no) return false;
        return true;
    }

public:
    /// One that hears nothing before begin().
    explicit signal_watch(last_resort ends = last_resort::third) noexcept : ends_(ends) {}
    explicit signal_watch(signal_set which, last_resort ends = last_resort::third)
        : signal_watch(ends) {
        begin(which).value();
    }
    signal_watch(signal_watch&&) = delete;
    ~signal_watch() {
        if (place_ != watched_signals::nowhere) all_watched_signals.remove(place_);
    }

    /// Once. The error is what the constructor throws.
    result<void> begin(signal_set which) {
        int wrong = which.misfit();
        for (int n = 1; n <= signal_set::highest; ++n)
            if (which.contains(n) && !can_be_watched(n)) wrong = n;
        if (wrong)
            return error(reason::misuse, "signal " + std::to_string(wrong) +
                                             " cannot be watched: it is none, cannot be handled, "
                                             "or reports a fault of the program");
        long rc = pipe(read_end_, write_end_);
        if (rc >= 0) rc = move_above_stdio(read_end_);
        if (rc >= 0) rc = move_above_stdio(write_end_);
        if (rc >= 0) rc = set_nonblocking(read_end_.get(), true);
        if (rc >= 0) rc = set_nonblocking(write_end_.get(), true);
        if (rc < 0) return failure("a pipe for signals", rc);
        place_ = all_watched_signals.add(read_end_.get(), write_end_.get(), which.bits(),
                                         ends_ == last_resort::never);
        if (place_ == watched_signals::nowhere)
            return error(reason::overloaded, "too many watch for signals at once");
        return {};
    }

    /// Readable after a signal; nonblocking.
    int fd() const noexcept { return read_end_.get(); }

    /// The next signals that have come, in order: at most as many as there is room for; how many.
    std::size_t take(std::span<unsigned char> numbers) noexcept {
        const long n = read(read_end_.get(), numbers.data(), numbers.size());
        if (n <= 0) return 0;
        if (ends_ == last_resort::third_unread)
            all_watched_signals.taken(place_, static_cast<int>(n));
        return static_cast<std::size_t>(n);
    }
};

} // namespace os
} // namespace mitogen::inline MITOGEN_ABI
