// SPDX-License-Identifier: BSL-1.0
#pragma once
// title.hpp: what ps and top show for this process.

#include <mitogen/base/config.hpp>

#include <cstddef>
#include <cstring>
#include <string>
#include <string_view>

#if defined(__linux__)
#include <sys/prctl.h>
#endif

namespace mitogen::inline MITOGEN_ABI {
namespace os {

/// Shows `title` as this process's command line and, cut to 15 bytes, as the calling thread's name
/// (the process's, on the main thread).
///
/// Overwrites the memory that argv's strings occupy, and stays within it: `argv` must be the one
/// that main() was given, and the arguments can't be read afterwards. A title that is longer is
/// cut. Threads: the main thread, while no other reads argv. Blocks: never.
inline void set_process_title(int argc, char** argv, std::string_view title) {
#if defined(__linux__)
    const std::string name(title.substr(0, 15)); // TASK_COMM_LEN - 1
    static_cast<void>(::prctl(PR_SET_NAME, name.c_str(), 0, 0, 0));
#endif
    if (argc <= 0 || argv == nullptr || argv[0] == nullptr) return;
    // The kernel lays the strings out back to back; a program may have replaced some by others,
    // which are not ours to overwrite.
    char* const begin = argv[0];
    char* end = begin + std::strlen(begin) + 1;
    for (int i = 1; i < argc && argv[i] == end; ++i) end += std::strlen(argv[i]) + 1;
    // the last byte stays 0: else Linux reads on into the environment
    const std::size_t room = static_cast<std::size_t>(end - begin) - 1;
    const std::size_t used = title.size() < room ? title.size() : room;
    if (used > 0) std::memmove(begin, title.data(), used);
    std::memset(begin + used, 0, room + 1 - used);
}

} // namespace os
} // namespace mitogen::inline MITOGEN_ABI
