// SPDX-License-Identifier: BSL-1.0
#pragma once
// signal.hpp: what the library does about signals: survive SIGPIPE, let children's ends be known,
// keep handlers off its threads.

#include <mitogen/base/config.hpp>

#include <csignal>
#include <initializer_list>

#include <pthread.h>
#include <signal.h>

namespace mitogen::inline MITOGEN_ABI {
namespace os {

/// Keeps SIGPIPE from ending this process, unless the program has already decided about it: a write
/// to a link whose far end has gone must be an error (EPIPE). By a handler that does nothing: what
/// the program starts itself (system, popen, fork and exec) has the default again, which it would
/// not have if the signal were ignored.
inline void ignore_sigpipe() noexcept {
    struct ::sigaction now {};
    if (::sigaction(SIGPIPE, nullptr, &now) != 0 || (now.sa_flags & SA_SIGINFO) ||
        now.sa_handler != SIG_DFL)
        return;
    now.sa_handler = [](int) {};
    now.sa_flags = SA_RESTART;
    static_cast<void>(::sigaction(SIGPIPE, &now, nullptr));
}

/// Sets SIGCHLD back to its default if it is ignored (SA_NOCLDWAIT included): some programs start
/// others that way, and the system then throws away how a child ended before anybody can ask.
/// Handlers stay what they are.
inline void keep_exit_statuses() noexcept {
    struct ::sigaction now {};
    if (::sigaction(SIGCHLD, nullptr, &now) != 0) return;
    const bool ignored = !(now.sa_flags & SA_SIGINFO) && now.sa_handler == SIG_IGN;
    if (!ignored && !(now.sa_flags & SA_NOCLDWAIT)) return;
    if (ignored) now.sa_handler = SIG_DFL;
    now.sa_flags &= ~SA_NOCLDWAIT;
    static_cast<void>(::sigaction(SIGCHLD, &now, nullptr));
}

/// All signals but those that report a fault of the thread itself: were these blocked, a crash
/// would bypass the handlers that debuggers, sanitizers and crash reporters install.
inline ::sigset_t blockable_signals() noexcept {
    ::sigset_t set;
    ::sigfillset(&set);
    for (const int s : {SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGTRAP, SIGABRT, SIGSYS})
        ::sigdelset(&set, s);
    return set;
}

/// Blocks every blockable signal for the calling thread, and for threads that it starts meanwhile;
/// restores the mask at the end.
class block_all_signals {
    ::sigset_t before_;

public:
    block_all_signals() noexcept {
        const ::sigset_t all = blockable_signals();
        static_cast<void>(::pthread_sigmask(SIG_BLOCK, &all, &before_));
    }
    block_all_signals(const block_all_signals&) = delete;
    block_all_signals& operator=(const block_all_signals&) = delete;
    ~block_all_signals() { static_cast<void>(::pthread_sigmask(SIG_SETMASK, &before_, nullptr)); }
};

/// The calling thread gets it. In a signal handler, too.
inline void unblock_signal(int number) noexcept {
    ::sigset_t only;
    ::sigemptyset(&only);
    ::sigaddset(&only, number);
    static_cast<void>(::pthread_sigmask(SIG_UNBLOCK, &only, nullptr));
}

/// Has this process do what is the signal's default, whatever handles or blocks it: end, as a rule.
/// In a signal handler, too.
inline void raise_default(int number) noexcept {
    static_cast<void>(::signal(number, SIG_DFL));
    unblock_signal(number);
    static_cast<void>(::raise(number));
}

} // namespace os
} // namespace mitogen::inline MITOGEN_ABI
