// SPDX-License-Identifier: BSL-1.0
#pragma once
// credentials.hpp: this process becomes another user; and executes another program.

#include <mitogen/base/config.hpp>
#include <mitogen/os/call.hpp>
#include <mitogen/os/fault.hpp>
#include <mitogen/os/user/user_file.hpp>

#include <cstdint>
#include <cstdlib>
#include <string>
#include <vector>

#include <sys/types.h>
#include <unistd.h>
#if defined(__linux__)
#include <sys/syscall.h>
#endif

namespace mitogen::inline MITOGEN_ABI {
namespace os {

#if defined(__linux__)
/// Sets the groups that a process is in besides its own; of this thread alone. 0 or -errno.
inline long set_groups(const std::vector<std::uint32_t>& groups) {
#if defined(SYS_setgroups32)
    constexpr long number = SYS_setgroups32; // the other one has 16 bits for each
#else
    constexpr long number = SYS_setgroups;
#endif
    // Without <grp.h>: its `group` would be ambiguous wherever a program has one of its own.
    return checked("setgroups", -1,
                   [&] { return ::syscall(number, groups.size(), groups.data()); });
}
#endif

/// Sets the group, for good. 0 or -errno.
inline long set_group(std::uint32_t gid) {
    return checked("setgid", -1, [=] { return ::setgid(gid); });
}

/// Sets the user, for good. 0 or -errno.
inline long set_user(std::uint32_t uid) {
    return checked("setuid", -1, [=] { return ::setuid(uid); });
}

/// What programs expect that were started by a login: HOME, SHELL, LOGNAME and USER. 0 or -errno.
MITOGEN_COLD inline long set_login_variables(const std::string& name, const user_entry& user) {
    const auto set = [](const char* variable, const char* value) {
        return checked("setenv", -1, [=] { return ::setenv(variable, value, 1); });
    };
    long rc = set("HOME", user.home.empty() ? "/" : user.home.c_str());
    if (rc >= 0) rc = set("SHELL", user.shell.empty() ? "/bin/sh" : user.shell.c_str());
    if (rc >= 0) rc = set("LOGNAME", name.c_str());
    if (rc >= 0) rc = set("USER", name.c_str());
    return rc;
}

/// Changes the working directory to `path`, or, if that is not possible, to the root directory.
inline void change_directory(const std::string& path) {
    if (path.empty() || ::chdir(path.c_str()) < 0)
        if (::chdir("/") < 0) return; // this process stays in its place
}

/// Becomes another program, which is searched for in PATH. Returns only on failure: -errno.
inline long execute(const std::vector<std::string>& argv) {
    std::vector<char*> list;
    for (const std::string& a : argv) list.push_back(const_cast<char*>(a.c_str()));
    list.push_back(nullptr);
    return checked("execvp", -1, [&] { return ::execvp(list[0], list.data()); });
}

} // namespace os
} // namespace mitogen::inline MITOGEN_ABI
