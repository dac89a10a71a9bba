// SPDX-License-Identifier: BSL-1.0
#pragma once
// runtime_directory.hpp: where the sockets of this user's running programs lie.

#include <mitogen/base/config.hpp>
#include <mitogen/base/result.hpp>
#include <mitogen/os/call.hpp>
#include <mitogen/os/fd.hpp>
#include <mitogen/os/local_socket.hpp>

#include <algorithm>
#include <cstdlib>
#include <string>
#include <string_view>
#include <vector>

#include <dirent.h>
#include <sys/file.h>
#include <sys/un.h>
#include <unistd.h>

namespace mitogen::inline MITOGEN_ABI {
namespace os {

/// The directories where they may lie, the best first: below $XDG_RUNTIME_DIR (XDG Base Directory
/// Specification), which not every session has, and below /tmp.
MITOGEN_COLD inline std::vector<std::string> runtime_directories() {
    std::vector<std::string> all;
    const char* const session = std::getenv("XDG_RUNTIME_DIR");
    if (session && *session == '/') all.push_back(std::string(session) + "/mitogen");
    all.push_back("/tmp/mitogen-" + std::to_string(::geteuid()));
    return all;
}

/// The files in a directory whose names begin so, as paths, sorted. None if it cannot be read.
MITOGEN_COLD inline std::vector<std::string> files_in(const std::string& directory,
                                                      std::string_view beginning) {
    std::vector<std::string> found;
    ::DIR* const all = ::opendir(directory.c_str());
    if (!all) return found;
    while (const ::dirent* const entry = ::readdir(all))
        if (std::string_view(entry->d_name).starts_with(beginning))
            found.push_back(directory + "/" + entry->d_name);
    static_cast<void>(::closedir(all));
    std::sort(found.begin(), found.end());
    return found;
}

/// Removes sockets that processes have left there which are gone. Others that begin to listen in
/// that directory wait meanwhile.
MITOGEN_COLD inline void remove_dead_sockets(const std::string& directory,
                                             std::string_view beginning) {
    const std::vector<std::string> all = files_in(directory, beginning);
    if (all.empty()) return;
    const result<unique_fd> held = detail::open_private_directory(all.front());
    if (!held) return;
    if (checked("flock", held->get(), [&] { return ::flock(held->get(), LOCK_EX); }) < 0) return;
    for (const std::string& path : all) {
        ::sockaddr_un address;
        if (detail::local_address(path, address) >= 0)
            static_cast<void>(detail::remove_stale(path, address));
    }
}

/// The number of this process.
inline long own_process() noexcept { return ::getpid(); }

} // namespace os
} // namespace mitogen::inline MITOGEN_ABI
