// SPDX-License-Identifier: BSL-1.0
#pragma once
// program_words.hpp: whether a tool on this machine knows an option, without running it.

#include <mitogen/base/config.hpp>
#include <mitogen/os/file.hpp>
#include <mitogen/os/mutex.hpp>

#include <algorithm>
#include <cstddef>
#include <cstdlib>
#include <mutex>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace mitogen::inline MITOGEN_ABI {
namespace os {

namespace detail {

/// The contents of the program `name`: a path, or searched for in PATH as execvp(3) does. A script
/// is taken for a wrapper of the next program of that name in PATH.
MITOGEN_COLD inline std::string program_contents(const std::string& name) {
    const std::size_t slash = name.rfind('/');
    if (slash != std::string::npos) {
        std::string own = small_file(name.c_str());
        return own.starts_with("#!") ? program_contents(name.substr(slash + 1)) : own;
    }
    const char* const path = std::getenv("PATH");
    for (std::string_view left = path ? path : "/usr/bin:/bin"; !left.empty();) {
        const std::size_t end = std::min(left.find(':'), left.size());
        const std::string folder(left.substr(0, end));
        std::string found = small_file(((folder.empty() ? "." : folder) + "/" + name).c_str());
        if (!found.empty() && !found.starts_with("#!")) return found;
        left.remove_prefix(std::min(end + 1, left.size()));
    }
    return {};
}

} // namespace detail

/// Which of some words the files of programs contain: the names of a tool's options stand in it as
/// they are. Each file is read once.
///
/// Threads: any. Blocks: while a file is read, some milliseconds.
class program_words {
    io::posix_mutex mutex_;
    std::vector<std::string_view> words_;
    std::vector<std::pair<std::string, std::vector<bool>>> known_;

public:
    /// `words`: at least one character each; they outlive this.
    explicit program_words(std::vector<std::string_view> words) : words_(std::move(words)) {}

    /// For each word whether the program `name`, a path or searched for in PATH, has it. A program
    /// that cannot be read has none.
    MITOGEN_COLD std::vector<bool> of(const std::string& name) {
        const std::lock_guard lock(mutex_);
        for (const auto& [program, has] : known_)
            if (program == name) return has;
        const std::string contents = detail::program_contents(name);
        std::vector<bool> has;
        for (const std::string_view word : words_)
            has.push_back(contents.find(word) != std::string::npos);
        known_.emplace_back(name, has);
        return has;
    }
};

} // namespace os
} // namespace mitogen::inline MITOGEN_ABI
