// SPDX-License-Identifier: BSL-1.0
#pragma once
// machine.hpp: what kind of machine this is, and who runs here.

#include <mitogen/base/config.hpp>

#include <algorithm>
#include <cstddef>
#include <cstdio>
#include <cstdlib>
#include <string>

#include <sys/utsname.h>
#include <unistd.h>

namespace mitogen::inline MITOGEN_ABI {
namespace os {

/// "Linux x86_64": what `uname -sm` prints.
inline std::string machine_text() {
    ::utsname u{};
    if (::uname(&u) < 0) return "unknown";
    return std::string(u.sysname) + " " + u.machine;
}

/// The name of a user by /etc/passwd, or "uid1000" if that has none. Not getpwuid(): in a
/// statically linked program glibc would load the shared libraries of another glibc for it.
MITOGEN_COLD inline std::string user_name(unsigned uid) {
    const std::string number = std::to_string(uid);
    std::string text;
    if (std::FILE* const users = std::fopen("/etc/passwd", "re")) {
        char piece[4096];
        while (const std::size_t n = std::fread(piece, 1, sizeof piece, users))
            text.append(piece, n);
        static_cast<void>(std::fclose(users));
    }
    for (std::size_t at = 0, end = 0; at < text.size(); at = end + 1) { // name:password:uid:…
        end = std::min(text.find('\n', at), text.size());
        const std::size_t name = text.find(':', at);
        const std::size_t second = name < end ? text.find(':', name + 1) : end;
        if (second < end && text.compare(second + 1, number.size() + 1, number + ":") == 0)
            return text.substr(at, name - at);
    }
    return "uid" + number;
}

/// What this host calls itself.
inline std::string host_name() {
    ::utsname u{};
    static_cast<void>(::uname(&u));
    return u.nodename;
}

/// "user@host:pid" of this process: the default name by which its children show whose they are.
inline std::string identity_text() {
    ::utsname u{};
    static_cast<void>(::uname(&u));
    const char* user = std::getenv("USER");
    const std::string name = user && *user ? std::string(user) : user_name(::getuid());
    return name + "@" + u.nodename + ":" + std::to_string(::getpid());
}

} // namespace os
} // namespace mitogen::inline MITOGEN_ABI
