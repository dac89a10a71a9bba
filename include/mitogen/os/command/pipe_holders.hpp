// SPDX-License-Identifier: BSL-1.0
#pragma once
// pipe_holders.hpp: which processes hold a pipe open.

#include <mitogen/base/config.hpp>
#include <mitogen/os/file.hpp>

#include <cstddef>
#include <cstdlib>
#include <string>
#include <vector>

#include <dirent.h>
#include <sys/stat.h>
#include <unistd.h>

namespace mitogen::inline MITOGEN_ABI {
namespace os {

/// "PID NAME" of the processes but this one that have an end of the pipe `fd` open, at most `most`,
/// as far as this user may see that: of its own processes, where there is /proc.
template <class = void> // compiled where it is used
MITOGEN_COLD std::vector<std::string> holders_of_pipe(int fd, std::size_t most) {
    std::vector<std::string> found;
    struct ::stat s {};
    ::DIR* const all = ::fstat(fd, &s) == 0 ? ::opendir("/proc") : nullptr;
    if (!all) return found;
    const std::string wanted = "pipe:[" + std::to_string(s.st_ino) + "]";
    const std::string own = std::to_string(::getpid());
    while (const ::dirent* process = ::readdir(all)) {
        const std::string pid = process->d_name;
        if (found.size() == most) break;
        if (pid[0] < '1' || pid[0] > '9' || pid == own) continue;
        const std::string files = "/proc/" + pid + "/fd";
        ::DIR* const open = ::opendir(files.c_str());
        if (!open) continue;
        bool holds = false;
        while (const ::dirent* file = holds ? nullptr : ::readdir(open)) {
            char name[64];
            const auto n =
                ::readlink((files + "/" + file->d_name).c_str(), name, sizeof name);
            holds = n > 0 && wanted == std::string(name, static_cast<std::size_t>(n));
        }
        ::closedir(open);
        if (!holds) continue;
        std::string name = small_file(("/proc/" + pid + "/comm").c_str());
        if (!name.empty() && name.back() == '\n') name.pop_back();
        found.push_back(pid + " " + name);
    }
    ::closedir(all);
    return found;
}

} // namespace os
} // namespace mitogen::inline MITOGEN_ABI
