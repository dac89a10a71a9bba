// SPDX-License-Identifier: BSL-1.0
#pragma once
// frame.hpp: one frame of a thread's stack: as it travels, and as it is shown.

#include <mitogen/base/config.hpp>

#include <cstddef>
#include <cstdint>
#include <string>

namespace mitogen::inline MITOGEN_ABI {
namespace detail {

/// Frames of one stack that are taken, sent and named; what is further out is left out.
inline constexpr std::size_t most_frames = 256;

/// A place in the code of some build, which whoever has a copy of that build with its symbols can
/// name. Where it comes from another context, all of it is what that context says.
struct frame {
    std::string build_id{}; ///< of the module, in hex; empty if its linker made none
    /// where its file lay there: to be shown, not to be opened; empty: the program itself
    std::string module{};
    std::uint64_t offset = 0; ///< from where the module is loaded: the address in its file
    bool is_call_site = false; ///< what a call returns to: the call itself is before it
};

/// What a frame is in the source.
struct named_frame {
    std::string function{}; ///< with its namespaces and parameters; or "module+0x12ab"
    std::string file{};     ///< empty: not known
    std::uint32_t line = 0; ///< counted from 1; 0: not known, like the file
    bool inlined = false;   ///< its code stands in that of the next one
};

} // namespace detail
} // namespace mitogen::inline MITOGEN_ABI
