// SPDX-License-Identifier: BSL-1.0
#pragma once
// machine.hpp: what kind of machine this is, and who runs here.

#include <mitogen/base/config.hpp>

#include <cstdlib>
#include <string>

#include <sys/utsname.h>
#include <unistd.h>

namespace mitogen::inline MITOGEN_ABI {
namespace sys {

/// "Linux x86_64": what `uname -sm` prints.
inline std::string machine_text() {
    ::utsname u{};
    if (::uname(&u) < 0) return "unknown";
    return std::string(u.sysname) + " " + u.machine;
}

/// "user@host:pid" of this process: the default name by which its children show whose they are.
inline std::string identity_text() {
    ::utsname u{};
    static_cast<void>(::uname(&u));
    // Not getpwuid(): in a statically linked program glibc would load the shared libraries of another glibc for it.
    const char* user = std::getenv("USER");
    if (!user || !*user) user = std::getenv("LOGNAME");
    const std::string name = user && *user ? std::string(user) : "uid" + std::to_string(::getuid());
    return name + "@" + u.nodename + ":" + std::to_string(::getpid());
}

} // namespace sys
} // namespace mitogen::inline MITOGEN_ABI
