// SPDX-License-Identifier: BSL-1.0
#pragma once
// pty.hpp: pseudo terminals, for programs that ask their questions at a terminal and nowhere else.

#include <mitogen/base/config.hpp>
#include <mitogen/os/call.hpp>
#include <mitogen/os/fd.hpp>

#include <cerrno>
#include <string>
#include <utility>

#include <fcntl.h>
#include <stdlib.h>
#include <termios.h>
#include <unistd.h>

namespace mitogen::inline MITOGEN_ABI {
namespace os {

/// A pseudo terminal that echoes nothing and passes on what is printed as it is. As long as
/// `terminal` is open, `master` sees no end.
struct pty {
    /// this side: reads what is printed there, writes what is typed. Its close hangs the terminal
    /// up
    unique_fd master;
    unique_fd terminal; ///< the terminal itself; not this process's controlling one
    std::string path;   ///< of the terminal, for whoever opens it: spawn_options::terminal
};

/// Opens one, with both descriptors above 2, blocking and close-on-exec. 0 or -errno; then `p` is
/// as it was.
MITOGEN_COLD inline long open_pty(pty& p) {
    pty made;
#if defined(__linux__)
    constexpr int flags = O_RDWR | O_NOCTTY | O_CLOEXEC;
#else
    constexpr int flags = O_RDWR | O_NOCTTY;
#endif
    long rc = checked("posix_openpt", -1, [] { return ::posix_openpt(flags); });
    if (rc < 0) return rc;
    made.master.reset(static_cast<int>(rc));
    rc = set_cloexec(made.master.get(), true);
    if (rc >= 0) rc = move_above_stdio(made.master);
    if (rc >= 0)
        rc = checked("grantpt", made.master.get(), [&] { return ::grantpt(made.master.get()); });
    if (rc >= 0)
        rc = checked("unlockpt", made.master.get(), [&] { return ::unlockpt(made.master.get()); });
    if (rc < 0) return rc;
    char path[128] = {};
#if defined(__linux__)
    const int named = ::ptsname_r(made.master.get(), path, sizeof path);
    if (named != 0) return named < 0 ? -errno : -named;
    made.path = path;
#else
    static_cast<void>(path);
    const char* const name = ::ptsname(made.master.get());
    if (!name) return -ENOTTY;
    made.path = name;
#endif
    rc = open(made.path.c_str(), O_RDWR | O_NOCTTY);
    if (rc < 0) return rc;
    made.terminal.reset(static_cast<int>(rc));
    rc = move_above_stdio(made.terminal);
    ::termios mode{};
    if (rc >= 0)
        rc = checked("tcgetattr", made.terminal.get(),
                     [&] { return ::tcgetattr(made.terminal.get(), &mode); });
    if (rc < 0) return rc;
    mode.c_lflag &= ~static_cast<::tcflag_t>(ECHO | ECHOE | ECHOK | ECHONL);
    mode.c_oflag &= ~static_cast<::tcflag_t>(OPOST);
    rc = checked("tcsetattr", made.terminal.get(),
                 [&] { return ::tcsetattr(made.terminal.get(), TCSANOW, &mode); });
    if (rc < 0) return rc;
    p = std::move(made);
    return 0;
}

} // namespace os
} // namespace mitogen::inline MITOGEN_ABI
