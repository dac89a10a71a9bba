// SPDX-License-Identifier: BSL-1.0
#pragma once
// own_frames.hpp: the calling thread's stack as frames that can be sent to whoever has the symbols.

#include <mitogen/base/config.hpp>
#include <mitogen/debug/frames/frame.hpp>
#include <mitogen/os/process/backtrace.hpp>
#include <mitogen/os/program/loaded_modules.hpp>

#include <algorithm>
#include <array>
#include <cstddef>
#include <span>
#include <vector>

namespace mitogen::inline MITOGEN_ABI {
namespace detail {

/// Addresses of this process as frames, at most `most_frames`. Code that no file has (of a
/// just-in-time compiler) is of a module "[unknown]". Threads: any. Blocks: as
/// os::loaded_modules().
template <class = void> // compiled where it is used
MITOGEN_COLD std::vector<frame>
frames_at(std::span<const os::code_address> addresses,
          const std::vector<os::loaded_module>& modules = os::loaded_modules()) {
    std::vector<frame> all;
    addresses = addresses.first(std::min(addresses.size(), most_frames));
    all.reserve(addresses.size());
    for (const os::code_address& each : addresses) {
        // a call of what never returns may be the last instruction of all
        const auto code = each.value - (each.is_return && each.value > 0 ? 1 : 0);
        if (const os::loaded_module* const found = os::module_of(modules, code))
            all.push_back({found->build_id, found->path, each.value - found->base, each.is_return});
        else
            all.push_back({{}, "[unknown]", each.value, each.is_return});
    }
    return all;
}

/// The stack of the calling thread, whoever calls this first, but without the `skip` innermost
/// frames. Threads: any. Blocks: as os::loaded_modules().
template <class = void> // compiled where it is used
MITOGEN_COLD std::vector<frame> own_frames(std::size_t skip = 0) {
    std::array<os::code_address, most_frames> addresses;
    const std::size_t found = os::walk_stack(addresses, skip + 1); // this function's own too
    return frames_at(std::span(addresses).first(found));
}

} // namespace detail
} // namespace mitogen::inline MITOGEN_ABI
