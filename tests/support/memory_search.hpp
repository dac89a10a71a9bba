// SPDX-License-Identifier: BSL-1.0
#pragma once
// memory_search.hpp: looks for a text in all memory that this process can write. Linux.

#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <fcntl.h>
#include <mitogen/mitogen.hpp>
#include <random>
#include <stdexcept>
#include <string>
#include <string_view>
#include <sys/mman.h>
#include <unistd.h>

namespace support {

/// A text that no part of the program holds, but for what reveal() returns: kept with all bits
/// inverted.
class hidden_text {
    std::string inverted_;

public:
    explicit hidden_text(std::size_t size) {
        std::random_device entropy;
        for (std::size_t i = 0; i < size; ++i)
            inverted_ += static_cast<char>(~('a' + entropy() % 26));
    }

    const std::string& inverted() const { return inverted_; }

    mitogen::secret reveal() const {
        std::string plain(inverted_.size(), '\0');
        for (std::size_t i = 0; i < plain.size(); ++i) plain[i] = static_cast<char>(~inverted_[i]);
        mitogen::secret result{std::string_view(plain)};
        mitogen::detail::wipe(plain.data(), plain.size());
        return result;
    }
};

/// How often the text of which these are the inverted bytes is found in the memory of this process.
/// Nothing of it is left behind by looking. Only its first bytes count: `most`.
inline int occurrences_in_memory(const std::string& inverted, std::size_t most = 24) {
    constexpr std::size_t window = 1 << 20;
    const std::string_view wanted = std::string_view(inverted).substr(0, most);
    void* const mapped =
        ::mmap(nullptr, window, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (mapped == MAP_FAILED) throw std::runtime_error("no memory to search with");
    char* const here = static_cast<char*>(mapped);
    const int memory = ::open("/proc/self/mem", O_RDONLY | O_CLOEXEC);
    std::FILE* const maps = std::fopen("/proc/self/maps", "re");
    int found = 0;
    char line[512];
    while (maps && std::fgets(line, sizeof line, maps)) {
        char* end = nullptr;
        const std::uint64_t first = std::strtoull(line, &end, 16);
        const std::uint64_t last = std::strtoull(end + 1, &end, 16);
        const auto own = reinterpret_cast<std::uintptr_t>(mapped);
        // larger: a sanitizer's, and mostly empty
        if (std::strncmp(end, " rw", 3) != 0 || last - first > 1u << 30) continue;
        for (std::uint64_t at = first; at < last; at += window - wanted.size()) {
            if (at < own + window && at + window > own) continue; // adjacent maps are one line
            const std::size_t size =
                last - at < window ? static_cast<std::size_t>(last - at) : window;
            const ssize_t got = ::pread(memory, here, size, static_cast<off_t>(at));
            const char* const behind = here + (got < static_cast<ssize_t>(wanted.size())
                                                   ? 0
                                                   : got - static_cast<ssize_t>(wanted.size()) + 1);
            for (const char* p = here; p < behind; ++p) {
                p = static_cast<const char*>(std::memchr(p, static_cast<char>(~wanted[0]),
                                                         static_cast<std::size_t>(behind - p)));
                if (!p) break;
                std::size_t same = 1;
                while (same < wanted.size() && p[same] == static_cast<char>(~wanted[same])) ++same;
                found += same == wanted.size();
            }
        }
    }
    if (maps) std::fclose(maps);
    if (memory >= 0) ::close(memory);
    ::munmap(mapped, window);
    if (!maps || memory < 0) throw std::runtime_error("cannot read this process's memory");
    return found;
}

} // namespace support
