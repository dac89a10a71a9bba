// SPDX-License-Identifier: BSL-1.0
#pragma once
// call_frame.hpp: what stands before the arguments in a message to CALL_FUNCTION.

#include <mitogen/base/config.hpp>
#include <mitogen/base/time.hpp>
#include <mitogen/codec/reader.hpp>
#include <mitogen/codec/writer.hpp>
#include <mitogen/protocol/flow.hpp>

#include <cstddef>
#include <cstdint>

namespace mitogen::inline MITOGEN_ABI {

namespace detail {

/// Which function, by when, and in which chain.
///
/// Layout, little-endian: flags u8, then the function's index u32 (equal builds) or key u64, then
/// where flagged the time that is left u64 in nanoseconds, the chain's number u64, and if the
/// caller takes items: port u64 and window u32. Time that is left, not a moment: two machines'
/// clocks need not agree.
struct call_frame {
    enum flag : std::uint8_t {
        by_key = 1,
        has_deadline = 2,
        has_chain = 4,
        has_flow = 8,
        inherits_deadline = 16, ///< it is that of what the caller itself does, and not this call's
    };

    static constexpr std::size_t max_size = 1 + 8 + 8 + 8 + 12;

    std::uint8_t flags = 0;
    std::uint64_t function = 0;
    duration_ns time_left = 0;
    std::uint64_t chain = 0;
    flow_address flow{};

    std::size_t size() const noexcept {
        return 1u + (flags & by_key ? 8u : 4u) + (flags & has_deadline ? 8u : 0u) +
               (flags & has_chain ? 8u : 0u) + (flags & has_flow ? 12u : 0u);
    }

    void write(writer& w) const noexcept {
        w.put_u8(flags);
        if (flags & by_key) {
            w.put_scalar(function);
        } else {
            w.put_scalar(static_cast<std::uint32_t>(function));
        }
        if (flags & has_deadline) w.put_scalar(time_left);
        if (flags & has_chain) w.put_scalar(chain);
        if (flags & has_flow) {
            w.put_scalar(flow.port);
            w.put_scalar(flow.window);
        }
    }

    bool read_flow(reader& r) noexcept {
        return r.take_scalar(flow.port) && r.take_scalar(flow.window) &&
               (is_port(flow.port) || r.fail("a call whose items go to a handle of no flow"));
    }

    bool read(reader& r) noexcept {
        if (!r.take_scalar(flags)) return false;
        if (flags & ~(by_key | has_deadline | has_chain | has_flow | inherits_deadline))
            return r.fail("a call with unknown flags");
        if (flags & by_key) {
            if (!r.take_scalar(function)) return false;
        } else {
            std::uint32_t index;
            if (!r.take_scalar(index)) return false;
            function = index;
        }
        return (!(flags & has_deadline) || r.take_scalar(time_left)) &&
               (!(flags & has_chain) || r.take_scalar(chain)) &&
               (!(flags & has_flow) || read_flow(r));
    }
};

} // namespace detail
} // namespace mitogen::inline MITOGEN_ABI
