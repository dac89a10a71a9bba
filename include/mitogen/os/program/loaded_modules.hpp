// SPDX-License-Identifier: BSL-1.0
#pragma once
// loaded_modules.hpp: the program and the libraries whose code is in this process's memory, with
// what tells their builds apart.

#include <mitogen/base/config.hpp>
#include <mitogen/os/call.hpp>
#include <mitogen/os/fd.hpp>
#include <mitogen/os/file.hpp>
#include <mitogen/os/program/executable.hpp>

#include <cstddef>
#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include <fcntl.h>
#include <unistd.h>
#if __has_include(<link.h>)
#include <link.h>
#endif
#if __has_include(<dlfcn.h>)
#include <dlfcn.h>
#endif

namespace mitogen::inline MITOGEN_ABI {
namespace os {

/// The program, or a library.
struct loaded_module {
    std::string build_id{}; ///< the linker's, in hex; empty if it made none
    std::string path{};     ///< as the loader tells it; empty: the program itself
    std::uintptr_t base = 0; ///< what its file calls address 0
    std::uintptr_t code_begin = 0; ///< all of its code is from here
    std::uintptr_t code_end = 0;   ///< to here
};

namespace detail {

#if defined(__linux__) && __has_include(<link.h>) && defined(PT_NOTE)
// Where a segment lies. False if no part of the file that is in memory holds it.
inline bool is_loaded(const ::dl_phdr_info& object, std::uintptr_t at, std::size_t size) {
    for (int i = 0; i < object.dlpi_phnum; ++i) {
        const auto& segment = object.dlpi_phdr[i];
        if (segment.p_type == PT_LOAD && at >= segment.p_vaddr && size <= segment.p_filesz &&
            at - segment.p_vaddr <= segment.p_filesz - size)
            return true;
    }
    return false;
}

MITOGEN_COLD inline loaded_module module_of_object(const ::dl_phdr_info& object) {
    constexpr std::size_t most_digits = 128; // SHA-512, more than any linker makes
    loaded_module found;
    found.base = object.dlpi_addr;
    for (int i = 0; i < object.dlpi_phnum; ++i) {
        const auto& segment = object.dlpi_phdr[i];
        const auto begin = static_cast<std::uintptr_t>(segment.p_vaddr);
        const auto size = static_cast<std::size_t>(segment.p_filesz);
        if (segment.p_type == PT_LOAD && (segment.p_flags & PF_X) != 0) {
            if (found.code_end == 0) found.code_begin = found.base + begin;
            found.code_end = found.base + begin + static_cast<std::size_t>(segment.p_memsz);
        } else if (segment.p_type == PT_NOTE && found.build_id.empty() &&
                   is_loaded(object, begin, size)) {
            found.build_id =
                find_build_id(reinterpret_cast<const unsigned char*>(found.base + begin), size);
            if (found.build_id.size() > most_digits) found.build_id.clear();
        }
    }
    return found;
}

template <class = void>
struct object_collector {
    static int add(::dl_phdr_info* object, std::size_t, void* to) {
        auto& found = *static_cast<std::vector<loaded_module>*>(to);
        loaded_module one = module_of_object(*object);
        // of the program musl tells the name that it was started by
        if (!found.empty() && object->dlpi_name) one.path = object->dlpi_name;
        found.push_back(std::move(one));
        return 0;
    }
};
#endif

} // namespace detail

/// All of them as they are now, the program first. Nothing where it is not known how: always but on
/// Linux. Threads: any. Blocks: for the loader's lock, while another thread loads a library.
template <class = void> // compiled where it is used
MITOGEN_COLD std::vector<loaded_module> loaded_modules() {
    std::vector<loaded_module> all;
#if defined(__linux__) && __has_include(<link.h>) && defined(PT_NOTE)
    static_cast<void>(::dl_iterate_phdr(&detail::object_collector<>::add, &all));
#endif
    return all;
}

/// The one that has the code at `address`; null if none has.
inline const loaded_module* module_of(const std::vector<loaded_module>& all,
                                      std::uintptr_t address) noexcept {
    for (const loaded_module& each : all)
        if (address >= each.code_begin && address < each.code_end) return &each;
    return nullptr;
}

/// A path by which another program finds the file of this one, as it was when it was started
/// (self_executable): its own path, or a descriptor of ours if another file lies there now. Empty
/// if the system can't tell. Threads: any.
MITOGEN_COLD inline std::string path_of_self() {
    std::string path = self_path();
    const int held = self_executable().get();
    const unique_fd there(static_cast<int>(os::open(path.c_str(), O_RDONLY | O_NONBLOCK)));
    if (held < 0 || (there && same_file(there.get(), held))) return path;
#if defined(__linux__)
    return "/proc/" + std::to_string(::getpid()) + "/fd/" + std::to_string(held);
#else
    return {};
#endif
}

/// A name that the loader itself knows for code, which is only what libraries offer to others.
struct exported_name {
    std::string name{};       ///< as the linker writes it; empty: none is known
    std::uintptr_t begin = 0; ///< where what is named begins
};

/// The exported name of what `address` is in. None where asking would take another library:
/// the C library of Linux had it in one of its own until glibc 2.34. Threads: any.
MITOGEN_COLD inline exported_name exported_name_at([[maybe_unused]] std::uintptr_t address) {
#if defined(__linux__) && __has_include(<dlfcn.h>) && defined(RTLD_DEFAULT) &&                     \
    (!defined(__GLIBC__) || __GLIBC__ > 2 || __GLIBC_MINOR__ >= 34)
    ::Dl_info found{};
    if (::dladdr(reinterpret_cast<const void*>(address), &found) != 0 && found.dli_sname)
        return {found.dli_sname, reinterpret_cast<std::uintptr_t>(found.dli_saddr)};
#endif
    return {};
}

} // namespace os
} // namespace mitogen::inline MITOGEN_ABI
