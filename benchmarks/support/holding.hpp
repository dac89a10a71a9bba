// SPDX-License-Identifier: BSL-1.0
#pragma once
// holding.hpp: what a process holds: memory, descriptors, threads. From Linux's /proc.

#include <cstddef>
#include <cstdio>
#include <string>

#include <dirent.h>
#include <sys/types.h>
#include <unistd.h>

namespace bench {

/// Memory of a process that it shares with no other, KiB (Private_Clean and Private_Dirty of
/// smaps_rollup); 0 if it is gone.
inline double private_kib(::pid_t pid) {
    std::FILE* const file =
        std::fopen(("/proc/" + std::to_string(pid) + "/smaps_rollup").c_str(), "r");
    if (!file) return 0;
    double sum = 0;
    char line[256];
    while (std::fgets(line, sizeof line, file)) {
        long kib = 0;
        if (std::sscanf(line, "Private_Clean: %ld", &kib) == 1 ||
            std::sscanf(line, "Private_Dirty: %ld", &kib) == 1)
            sum += static_cast<double>(kib);
    }
    std::fclose(file);
    return sum;
}

/// How many entries a directory has, but for "." and "..".
inline std::size_t entries(const char* path) {
    ::DIR* const directory = ::opendir(path);
    if (!directory) return 0;
    std::size_t n = 0;
    while (::readdir(directory)) ++n;
    ::closedir(directory);
    return n - 2;
}

/// Descriptors of this process.
// the directory itself
inline double open_descriptors() { return static_cast<double>(entries("/proc/self/fd")) - 1; }

} // namespace bench
