// SPDX-License-Identifier: BSL-1.0
#pragma once
// executable.hpp: this program's own file, held open because the one on disk may be replaced while
// it runs, and the build's identity.

#include <mitogen/base/config.hpp>
#include <mitogen/os/call.hpp>
#include <mitogen/os/fd.hpp>

#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstring>
#include <memory>
#include <string>

#include <fcntl.h>
#include <unistd.h>
#if __has_include(<link.h>)
#include <link.h>
#endif
#if defined(__linux__) && __has_include(<sys/auxv.h>)
#include <sys/auxv.h>
#endif
#if !defined(__linux__) && __has_include(<sys/sysctl.h>)
#include <sys/sysctl.h>
#include <sys/types.h>
#endif
#if defined(__APPLE__) && __has_include(<mach-o/dyld.h>)
#include <mach-o/dyld.h>
#endif

namespace mitogen::inline MITOGEN_ABI {
namespace os {

namespace detail {

#if defined(__linux__) && __has_include(<link.h>) && defined(AT_BASE)
/// The program's path if the dynamic loader was started with it as its argument, as bundles do
/// (`ld-linux.so ./program`): /proc/self/exe is the loader then. Else empty.
MITOGEN_COLD inline std::string loaded_program() {
    if (::getauxval(AT_BASE) != 0) return {}; // the kernel has loaded both
    const void* at = nullptr;
    static_cast<void>(::dl_iterate_phdr(
        [](::dl_phdr_info* object, std::size_t, void* to) {
            for (int i = 0; i < object->dlpi_phnum; ++i) // a static program has no loader
                if (object->dlpi_phdr[i].p_type == PT_INTERP)
                    *static_cast<const void**>(to) = object->dlpi_phdr;
            return 1; // the first object is the program
        },
        &at));
    if (!at) return {};
    std::FILE* const maps = std::fopen("/proc/self/maps", "re");
    if (!maps) return {};
    std::string path;
    char line[4096 + 100]; // PATH_MAX, and what stands before it: proc(5)
    while (path.empty() && std::fgets(line, sizeof line, maps)) {
        unsigned long begin = 0, end = 0;
        int name = 0;
        if (std::sscanf(line, "%lx-%lx %*s %*s %*s %*s %n", &begin, &end, &name) < 2 || name == 0)
            continue;
        const auto address = reinterpret_cast<std::uintptr_t>(at);
        if (address < begin || address >= end || line[name] != '/') continue;
        path = line + name;
        path.erase(path.find_last_not_of('\n') + 1);
    }
    std::fclose(maps);
    return path;
}
#else
inline std::string loaded_program() { return {}; }
#endif

#if defined(__linux__) && __has_include(<link.h>) && defined(AT_EXECFN)
/// True if the file at `path` begins as this program does: its program headers are those that are
/// in memory.
MITOGEN_COLD inline bool is_this_program(const char* path) {
    struct headers {
        const void* at = nullptr;
        std::size_t size = 0;
    } own;
    static_cast<void>(::dl_iterate_phdr(
        [](::dl_phdr_info* object, std::size_t, void* to) {
            *static_cast<headers*>(to) = {object->dlpi_phdr,
                                          object->dlpi_phnum * sizeof *object->dlpi_phdr};
            return 1; // the first object is the program
        },
        &own));
    const unique_fd file(static_cast<int>(os::open(path, O_RDONLY | O_NONBLOCK | O_NOCTTY)));
    ElfW(Ehdr) begin{};
    if (!file || own.size == 0) return false;
    if (os::pread(file.get(), &begin, sizeof begin, 0) != static_cast<long>(sizeof begin))
        return false;
    std::string there(own.size, '\0');
    const long n =
        os::pread(file.get(), there.data(), own.size, static_cast<::off_t>(begin.e_phoff));
    return n == static_cast<long>(own.size) && std::memcmp(there.data(), own.at, own.size) == 0;
}

/// The name that this program was executed by, for systems where no /proc is mounted; empty if that
/// does not lead to it. Asked for once, early: it may be relative.
MITOGEN_COLD inline const std::string& executed_name() {
    static const std::string name = [] {
        const auto* const said = reinterpret_cast<const char*>(::getauxval(AT_EXECFN));
        if (!said || !is_this_program(said)) return std::string();
        if (*said == '/') return std::string(said);
        char here[4096]; // PATH_MAX
        return ::getcwd(here, sizeof here) ? here + std::string("/") + said : std::string();
    }();
    return name;
}
#else
inline std::string executed_name() { return {}; }
#endif

MITOGEN_COLD inline std::string own_path() {
#if defined(__APPLE__) && __has_include(<mach-o/dyld.h>)
    std::uint32_t size = 0;
    static_cast<void>(::_NSGetExecutablePath(nullptr, &size));
    std::string path(size, '\0');
    return size > 0 && ::_NSGetExecutablePath(path.data(), &size) == 0 ? std::string(path.c_str())
                                                                       : std::string();
#elif !defined(__linux__) && defined(KERN_PROC_PATHNAME)
    int name[4] = {CTL_KERN, KERN_PROC, KERN_PROC_PATHNAME, -1};
    char path[4096] = {};
    std::size_t size = sizeof path - 1;
    return ::sysctl(name, 4, path, &size, nullptr, 0) == 0 ? std::string(path) : std::string();
#elif defined(__linux__)
    const std::string loaded = loaded_program();
    if (!loaded.empty()) return loaded;
    const std::string proc = "/proc/self/exe";
    if (::access(proc.c_str(), F_OK) == 0) return proc;
    const std::string name = executed_name();
    return name.empty() ? proc : name;
#else
    return "/proc/curproc/file";
#endif
}

inline unique_fd open_self() {
    unique_fd fd(static_cast<int>(os::open(own_path().c_str(), O_RDONLY)));
    static_cast<void>(move_above_stdio(fd));
    return fd;
}

inline std::string hex(const unsigned char* bytes, std::size_t size) {
    static constexpr char digits[] = "0123456789abcdef";
    std::string out;
    for (std::size_t i = 0; i < size; ++i)
        out.append({digits[bytes[i] >> 4], digits[bytes[i] & 15]});
    return out;
}

// The descriptor of the GNU build-id note among the notes at `at`, as hex; empty if there is none.
MITOGEN_COLD inline std::string find_build_id(const unsigned char* at, std::size_t size) {
    struct note {
        std::uint32_t name_size, data_size, type;
    };
    constexpr std::uint32_t build_id_type = 3; // NT_GNU_BUILD_ID, elf(5)
    while (size >= sizeof(note)) {
        note n;
        std::memcpy(&n, at, sizeof n);
        const std::size_t name = (std::size_t{n.name_size} + 3) & ~std::size_t{3};
        const std::size_t data = (std::size_t{n.data_size} + 3) & ~std::size_t{3};
        if (name > size || data > size || sizeof n + name + data > size) return {};
        if (n.type == build_id_type && n.name_size == 4 &&
            std::memcmp(at + sizeof n, "GNU", 4) == 0) {
            return hex(at + sizeof n + name, n.data_size);
        }
        at += sizeof n + name + data;
        size -= sizeof n + name + data;
    }
    return {};
}

#if __has_include(<link.h>) && defined(PT_NOTE)
MITOGEN_COLD inline std::string note_build_id() {
    std::string out;
    static_cast<void>(::dl_iterate_phdr(
        [](::dl_phdr_info* object, std::size_t, void* to) {
            for (int i = 0; i < object->dlpi_phnum; ++i) {
                const auto& segment = object->dlpi_phdr[i];
                if (segment.p_type != PT_NOTE) continue;
                // the place that it is mapped to
                const auto* at =
                    reinterpret_cast<const unsigned char*>(object->dlpi_addr + segment.p_vaddr);
                auto& found = *static_cast<std::string*>(to);
                found = find_build_id(at, static_cast<std::size_t>(segment.p_filesz));
                if (!found.empty()) break;
            }
            return 1; // the first object is the program itself; the others are libraries
        },
        &out));
    return out;
}
#else
inline std::string note_build_id() { return {}; }
#endif

// 64 bits over the contents of a file: multiply and fold per 8-byte word, the mixer of MurmurHash3
// (A. Appleby, public domain) at the end.
MITOGEN_COLD inline std::uint64_t content_hash(int fd) {
    constexpr std::size_t chunk = 1 << 16;
    const std::unique_ptr<unsigned char[]> bytes(new unsigned char[chunk]);
    std::uint64_t h = 0x9e37'79b9'7f4a'7c15;
    ::off_t offset = 0;
    for (;;) {
        const long n = os::pread(fd, bytes.get(), chunk, offset);
        if (n <= 0) break;
        for (std::size_t i = 0; i < static_cast<std::size_t>(n); i += 8) {
            std::uint64_t word = 0;
            const std::size_t left = static_cast<std::size_t>(n) - i;
            std::memcpy(&word, bytes.get() + i, left < 8 ? left : 8);
            h = (h ^ word) * 0xff51'afd7'ed55'8ccd;
            h ^= h >> 32;
        }
        offset += n;
    }
    h ^= static_cast<std::uint64_t>(offset);
    h = (h ^ (h >> 33)) * 0xc4ce'b9fe'1a85'ec53;
    return h ^ (h >> 33);
}

} // namespace detail

/// This program's executable, open for reading, above 2 and close-on-exec. Opened by the first
/// call, which should therefore come early; empty if the system can't tell (no /proc). Never
/// closed. Threads: any.
inline unique_fd& self_executable() {
    static unique_fd fd = detail::open_self();
    return fd;
}

/// Where this program's executable lay when it was started; empty if the system can't tell, or if
/// it has been removed. Threads: any.
MITOGEN_COLD inline std::string self_path() {
    std::string path = detail::own_path();
#if defined(__linux__)
    if (path != "/proc/self/exe") return path;
    std::string target(4096, '\0'); // PATH_MAX
    const long n = ::readlink(path.c_str(), target.data(), target.size());
    path = n > 0 ? target.substr(0, static_cast<std::size_t>(n)) : std::string();
    if (path.ends_with(" (deleted)")) path.clear();
#endif
    return path;
}

/// Identifies this build: the linker's GNU build id in hex (usually 40 digits), else 16 hex digits
/// that hash the executable's contents. Equal ids mean equal code. Computed by the first call.
/// Threads: any.
MITOGEN_COLD inline const std::string& build_id() {
    static const std::string id = [] {
        std::string found = detail::note_build_id();
        if (!found.empty()) return found;
        const std::uint64_t h = detail::content_hash(self_executable().get());
        unsigned char bytes[8];
        for (int i = 0; i < 8; ++i) bytes[i] = static_cast<unsigned char>(h >> (56 - 8 * i));
        return detail::hex(bytes, sizeof bytes);
    }();
    return id;
}

} // namespace os
} // namespace mitogen::inline MITOGEN_ABI
