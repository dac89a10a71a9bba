// SPDX-License-Identifier: BSL-1.0
#pragma once
// backtrace.hpp: the stack of the calling thread as addresses of code, which need no symbols here.

#include <mitogen/base/config.hpp>

#include <cstddef>
#include <cstdint>
#include <span>

#if defined(__linux__) && __has_include(<unwind.h>)
#include <unwind.h>
#define MITOGEN_HAS_UNWIND 1
#else
#define MITOGEN_HAS_UNWIND 0
#endif

namespace mitogen::inline MITOGEN_ABI {
namespace os {

/// A place in code as it lies in this process's memory.
struct code_address {
    std::uintptr_t value = 0;
    /// true: what a call returns to, which may be another line's or another function's code
    /// already: the call itself is before it; false: the instruction that a signal came at
    bool is_return = false;
};

namespace detail {

#if MITOGEN_HAS_UNWIND
struct stack_walk {
    std::span<code_address> to;
    std::size_t skip;
    std::size_t found = 0;
};

// Any answer but _URC_NO_REASON ends the walk.
inline ::_Unwind_Reason_Code on_stack_frame(::_Unwind_Context* context, void* to) noexcept {
    auto& walk = *static_cast<stack_walk*>(to);
    if (walk.skip > 0) {
        --walk.skip;
        return ::_URC_NO_REASON;
    }
    if (walk.found == walk.to.size()) return ::_URC_END_OF_STACK;
    int before = 0; // set in a signal's frame: the address is that of the next instruction
    const auto address = static_cast<std::uintptr_t>(::_Unwind_GetIPInfo(context, &before));
    if (address == 0) return ::_URC_END_OF_STACK; // how some C libraries end a thread's stack
    walk.to[walk.found++] = {address, before == 0};
    return ::_URC_NO_REASON;
}
#endif

} // namespace detail

/// Fills `to` with the stack of the calling thread, the caller of this function first, but without
/// the `skip` innermost frames, and returns how many addresses there are. Stops where the unwind
/// tables end, as in code that was compiled without any, and where `to` is full. Nothing where it
/// is not known how: always but on Linux. Allocates nothing. Threads: any. Blocks: never (the
/// loader's lock may be taken).
[[gnu::noinline]] inline std::size_t walk_stack([[maybe_unused]] std::span<code_address> to,
                                                [[maybe_unused]] std::size_t skip = 0) noexcept {
#if MITOGEN_HAS_UNWIND
    detail::stack_walk walk{to, skip + 1}; // the first frame is this function's own
    static_cast<void>(::_Unwind_Backtrace(&detail::on_stack_frame, &walk));
    return walk.found;
#else
    return 0;
#endif
}

} // namespace os
} // namespace mitogen::inline MITOGEN_ABI

#undef MITOGEN_HAS_UNWIND
