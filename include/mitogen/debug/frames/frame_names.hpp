// SPDX-License-Identifier: BSL-1.0
#pragma once
// frame_names.hpp: names the frames of another context's stack from this process's own copy of the
// same build, which has the symbols that the other one may lack.

#include <mitogen/base/config.hpp>
#include <mitogen/base/time.hpp>
#include <mitogen/debug/frames/frame.hpp>
#include <mitogen/debug/frames/symbolizer.hpp>
#include <mitogen/link/visible_text.hpp>
#include <mitogen/os/call.hpp>
#include <mitogen/os/program/loaded_modules.hpp>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <cxxabi.h>

namespace mitogen::inline MITOGEN_ABI {
namespace detail {

/// "libfoo.so+0x12ab": what is left of a frame that nobody can name.
template <class = void> // compiled where it is used
MITOGEN_COLD std::string module_and_offset(const frame& of) {
    constexpr std::size_t most_module = 100;
    constexpr std::size_t most_read = 4096; // PATH_MAX; what is longer is no path
    std::string_view name(of.module);
    if (name.size() > most_read) name.remove_prefix(name.size() - most_read);
    name.remove_prefix(name.rfind('/') + 1); // npos + 1 is 0
    return (of.module.empty() ? "program" : visible_name(name, most_module)) + "+" +
           hex_text(of.offset);
}

/// The module of ours that is of the same build, and has code where the frame says so; null: there
/// is none. Of builds without an id only our program itself is taken for another's, as a child
/// usually runs it.
inline const os::loaded_module* own_module_of(const frame& of,
                                              const std::vector<os::loaded_module>& own) noexcept {
    for (std::size_t i = 0; i < own.size(); ++i) {
        const os::loaded_module& each = own[i];
        if (each.build_id != of.build_id) continue;
        if (each.build_id.empty() && (i != 0 || !of.module.empty())) continue;
        const std::uint64_t begin = each.code_begin - each.base;
        const std::uint64_t end = each.code_end - each.base;
        // what is returned to may be behind the last instruction
        if (of.offset >= begin + of.is_call_site && of.offset < end + of.is_call_site) return &each;
    }
    return nullptr;
}

/// "function(int)+0x1b" of what our loader knows itself; empty if it knows nothing of it.
template <class = void> // compiled where it is used
MITOGEN_COLD std::string exported_name_of(const frame& of, const os::loaded_module& own) {
    const auto address = own.base + static_cast<std::uintptr_t>(of.offset);
    const os::exported_name found = os::exported_name_at(address - of.is_call_site);
    if (found.name.empty() || found.begin < own.code_begin || found.begin > address) return {};
    int status = 0;
    const std::unique_ptr<char, void (*)(void*)> readable(
        abi::__cxa_demangle(found.name.c_str(), nullptr, nullptr, &status), &std::free);
    return visible_name(readable ? std::string_view(readable.get()) : found.name, most_code_text) +
           "+" + hex_text(address - found.begin);
}

/// Of each frame, the functions that are inlined there, innermost first, and the one whose code it
/// is: never nothing. What is beyond `most_frames` is left out.
///
/// A frame is named if its build is one that this process has loaded too, and by that copy of it
/// alone: no file is opened because a frame names it. The lines come from a tool in PATH (see
/// symbols_of), which runs once for each module. What it can't name is shown by the exported symbol
/// before it, or as "module+0x12ab".
/// Threads: any, but not the loop's; not while another thread changes the environment. Blocks: for
/// the tools, at most for `patience` in all.
template <class = void> // compiled where it is used
MITOGEN_COLD std::vector<std::vector<named_frame>>
name_frames(std::span<const frame> frames, duration_ns patience = 6'000'000'000) {
    frames = frames.first(std::min(frames.size(), most_frames));
    const instant deadline = after(os::monotonic_now(), patience);
    const std::vector<os::loaded_module> own = os::loaded_modules();
    std::vector<const os::loaded_module*> homes;
    for (const frame& each : frames) homes.push_back(own_module_of(each, own));

    std::vector<std::vector<named_frame>> names(frames.size());
    for (const os::loaded_module& module : own) {
        std::vector<std::uint64_t> addresses;
        std::vector<std::size_t> places;
        for (std::size_t i = 0; i < frames.size(); ++i) {
            if (homes[i] != &module) continue;
            addresses.push_back(frames[i].offset - frames[i].is_call_site);
            places.push_back(i);
        }
        if (places.empty()) continue;
        const std::string path = &module == &own[0] ? os::path_of_self() : module.path;
        if (!path.starts_with('/')) continue; // the kernel's vdso has no file
        auto found = symbols_of(path, addresses, deadline);
        for (std::size_t i = 0; i < places.size(); ++i) names[places[i]] = std::move(found[i]);
    }
    for (std::size_t i = 0; i < frames.size(); ++i) {
        if (names[i].empty()) names[i].emplace_back();
        for (named_frame& each : names[i]) {
            if (!each.function.empty()) continue;
            if (homes[i]) each.function = exported_name_of(frames[i], *homes[i]);
            if (each.function.empty()) each.function = module_and_offset(frames[i]);
        }
    }
    return names;
}

} // namespace detail
} // namespace mitogen::inline MITOGEN_ABI
