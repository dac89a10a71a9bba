// SPDX-License-Identifier: BSL-1.0
#pragma once
// symbol_table.hpp: whether the file of a program names all of its functions, or was stripped.

#include <mitogen/base/config.hpp>
#include <mitogen/os/call.hpp>
#include <mitogen/os/fd.hpp>

#include <cstdint>
#include <cstring>

#include <fcntl.h>
#if __has_include(<link.h>)
#include <link.h>
#endif

namespace mitogen::inline MITOGEN_ABI {
namespace os {

/// True if the file at `path`, of this kind of machine, has the symbol table that strip(1) removes.
/// False if it can't be read, and where it is not known how: always but on Linux. Threads: any.
/// Blocks: for the file.
MITOGEN_COLD inline bool has_symbol_table([[maybe_unused]] const char* path) {
#if defined(__linux__) && __has_include(<link.h>) && defined(ELFMAG)
    const unique_fd file(static_cast<int>(os::open(path, O_RDONLY | O_NONBLOCK | O_NOCTTY)));
    ElfW(Ehdr) begin{};
    if (!file || os::pread(file.get(), &begin, sizeof begin, 0) < static_cast<long>(sizeof begin) ||
        std::memcmp(begin.e_ident, ELFMAG, SELFMAG) != 0)
        return false;
    for (int i = 0; i < begin.e_shnum; ++i) { // 16 bits
        ElfW(Shdr) section{};
        const auto at = begin.e_shoff + static_cast<std::uint64_t>(i) * begin.e_shentsize;
        const long n = os::pread(file.get(), &section, sizeof section, static_cast<::off_t>(at));
        if (n < static_cast<long>(sizeof section)) return false;
        if (section.sh_type == SHT_SYMTAB) return true;
    }
#endif
    return false;
}

} // namespace os
} // namespace mitogen::inline MITOGEN_ABI
