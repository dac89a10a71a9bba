// SPDX-License-Identifier: BSL-1.0
#pragma once
// machine.hpp: what kind of machine this is, and who runs here.

#include <mitogen/base/config.hpp>

#include <cstdlib>
#include <string>

#include <pwd.h>
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
    const char* user = std::getenv("USER");
    std::string name;
    if (user && *user) {
        name = user;
    } else if (const ::passwd* entry = ::getpwuid(::getuid())) {
        name = entry->pw_name;
    } else {
        name = std::to_string(::getuid());
    }
    return name + "@" + u.nodename + ":" + std::to_string(::getpid());
}

} // namespace sys
} // namespace mitogen::inline MITOGEN_ABI
