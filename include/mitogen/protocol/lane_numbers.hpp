// SPDX-License-Identifier: BSL-1.0
#pragma once
// lane_numbers.hpp: by which number the hops between know a thread of the program that sends.

#include <mitogen/base/config.hpp>

#include <cstddef>
#include <cstdint>
#include <vector>

namespace mitogen::inline MITOGEN_ABI {

namespace detail {

/// Numbers for the lanes of a send_queue. They travel in the upper bits of header::stream, below
/// which are the bits that tell a source's large messages apart. A hop keeps the order of what has
/// one source, one destination and one lane.
///
/// A lane keeps its number for ever. There are few numbers: the first lanes have one each, all
/// further ones share 0, and are then one lane to the hops, which costs waiting, not order.
class lane_numbers {
    std::vector<const void*> known_; // the lane of number n at n - 1

public:
    static constexpr unsigned shift = 26;
    static constexpr std::uint32_t stream_mask = (std::uint32_t{1} << shift) - 1;
    static constexpr std::size_t most = (std::size_t{1} << (32 - shift)) - 1;

    /// The number of `lane`, in the bits that carry it.
    std::uint32_t number(const void* lane) {
        for (std::size_t i = 0; i < known_.size(); ++i)
            if (known_[i] == lane) return static_cast<std::uint32_t>(i + 1) << shift;
        if (known_.size() == most) return 0;
        known_.push_back(lane);
        return static_cast<std::uint32_t>(known_.size()) << shift;
    }

    /// The lane's bits of a header::stream.
    static constexpr std::uint32_t lane_of(std::uint32_t stream) noexcept {
        return stream & ~stream_mask;
    }
};

} // namespace detail
} // namespace mitogen::inline MITOGEN_ABI
