// SPDX-License-Identifier: BSL-1.0
#pragma once
// compressor.hpp: compresses programs before they are sent over a link that is slower than that,
// once each.

#include <mitogen/base/config.hpp>
#include <mitogen/base/function.hpp>
#include <mitogen/os/fd.hpp>

#include <cstdint>
#include <memory>
#include <string_view>
#include <vector>

namespace mitogen::inline MITOGEN_ABI {
namespace detail {

/// A compressed program, or nothing.
struct compressed_program {
    std::shared_ptr<os::unique_fd> file{}; ///< null: it is to be sent as it is
    std::string_view tool{};               ///< what undoes it
};

/// Whoever compresses programs.
class compressor {
public:
    virtual ~compressor() = default;
    /// Has `done` called on the loop, at once or later, with `program` so compressed that one of
    /// `tools` undoes it; with nothing if that is not possible or not worth it. Threads: loop.
    virtual void make(const os::unique_fd& program, std::vector<std::string_view> tools,
                      unique_function<void(const compressed_program&)> done) = 0;
};

/// The tools, the better first. Level 1 of gzip: the others cost more time than they save on most
/// links.
struct compression_tool {
    std::string_view name;
    std::string_view options;
};
inline constexpr compression_tool compression_tools[] = {{"zstd", "-qc3"}, {"gzip", "-c1"}};

/// Smaller programs are sent as they are.
inline constexpr std::int64_t least_pressed = 64 * 1024;

} // namespace detail
} // namespace mitogen::inline MITOGEN_ABI
