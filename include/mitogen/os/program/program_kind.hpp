// SPDX-License-Identifier: BSL-1.0
#pragma once
// program_kind.hpp: what machine an executable file is for, and whether a machine can run it,
// before it is sent there.

#include <mitogen/base/config.hpp>
#include <mitogen/os/call.hpp>

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace mitogen::inline MITOGEN_ABI {
namespace os {

namespace detail {

/// A machine by its number in an ELF header, and its names by word size and byte order.
struct elf_machine {
    unsigned number;
    const char* narrow_little;
    const char* narrow_big;
    const char* wide_little;
    const char* wide_big;
};
inline constexpr elf_machine elf_machines[] = {
    {3, "i686", "", "", ""},
    {4, "", "m68k", "", ""},
    {8, "mips", "mips", "mips64", "mips64"},
    {20, "", "ppc", "", ""},
    {21, "", "", "ppc64le", "ppc64"},
    {22, "", "s390", "", "s390x"},
    {40, "arm", "armeb", "", ""},
    {43, "", "", "", "sparc64"},
    {62, "", "", "x86_64", ""},
    {183, "", "", "aarch64", "aarch64_be"},
    {243, "riscv32", "", "riscv64", ""},
    {258, "loongarch32", "", "loongarch64", ""},
};

} // namespace detail

/// A file's system and machine as `uname -sm` says them, "Linux x86_64"; empty for what is no ELF
/// file or for an unknown machine. Numbers from elf(5) and the gABI's list of machines; system V's
/// OSABI (0) is taken for Linux.
MITOGEN_COLD inline std::string program_kind(int fd) {
    unsigned char h[20];
    if (os::pread(fd, h, sizeof h, 0) != static_cast<long>(sizeof h)) return {};
    if (std::string_view(reinterpret_cast<const char*>(h), 4) != "\x7f"
                                                                 "ELF")
        return {};
    const bool wide = h[4] == 2;
    const bool big = h[5] == 2;
    const unsigned machine = big ? h[18] * 256u + h[19] : h[19] * 256u + h[18];
    const char* system = h[7] == 9    ? "FreeBSD "
                         : h[7] == 2  ? "NetBSD "
                         : h[7] == 12 ? "OpenBSD "
                                      : "Linux ";
    for (const detail::elf_machine& k : detail::elf_machines) {
        if (k.number != machine) continue;
        const char* name =
            wide ? (big ? k.wide_big : k.wide_little) : (big ? k.narrow_big : k.narrow_little);
        return *name ? std::string(system) + name : std::string();
    }
    return {};
}

/// True if a machine that says `there` of itself runs programs of `kind`; both as `uname -sm`
/// spells it.
MITOGEN_COLD inline bool machine_runs(std::string_view there, std::string_view kind) {
    if (there == kind) return true;
    const auto machine_of = [](std::string_view text) { return text.substr(text.find(' ') + 1); };
    if (there.substr(0, there.find(' ')) != kind.substr(0, kind.find(' '))) return false;
    const std::string_view machine = machine_of(there);
    const std::string_view wanted = machine_of(kind);
    if (wanted == "i686")
        return machine == "x86_64" ||
               (machine.size() == 4 && machine[0] == 'i' && machine.substr(2) == "86");
    // armv6l, armv7l, armv8l
    if (wanted == "arm") return machine.substr(0, 3) == "arm" || machine == "aarch64";
    if (wanted == "mips") return machine == "mips64";
    if (wanted == "x86_64") return machine == "amd64"; // the BSDs' names
    if (wanted == "aarch64") return machine == "arm64" || machine == "evbarm";
    return false;
}

/// A shell's pattern for what `uname -sm` prints on machines that run programs of `kind`: at most
/// what machine_runs() says, and at least `kind` itself. No character of it needs quotes in a
/// `case`.
MITOGEN_COLD inline std::string machine_pattern(std::string_view kind) {
    std::string pattern;
    for (const char c : kind) {
        const bool plain = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
                           (c >= '0' && c <= '9') || c == '_' || c == '.';
        pattern += plain ? c : '?';
    }
    const std::size_t blank = kind.find(' ');
    if (blank == std::string_view::npos) return pattern;
    const std::string system = pattern.substr(0, blank + 1);
    const std::string_view machine = kind.substr(blank + 1);
    const auto or_else = [&](std::string_view other) {
        pattern += "|" + system + std::string(other);
    };
    if (machine == "i686") or_else("i?86"), or_else("x86_64");
    if (machine == "arm") or_else("armv*"), or_else("aarch64");
    if (machine == "mips") or_else("mips64");
    if (machine == "x86_64") or_else("amd64");
    if (machine == "aarch64") or_else("arm64"), or_else("evbarm");
    return pattern;
}

/// What machines a program may be for, as `uname -m` spells them: those of program_kind().
inline std::vector<std::string> known_machines() {
    std::vector<std::string> all;
    for (const detail::elf_machine& m : detail::elf_machines) {
        for (const char* const name : {m.narrow_little, m.narrow_big, m.wide_little, m.wide_big})
            if (*name && (all.empty() || all.back() != name)) all.emplace_back(name);
    }
    return all;
}

} // namespace os
} // namespace mitogen::inline MITOGEN_ABI
