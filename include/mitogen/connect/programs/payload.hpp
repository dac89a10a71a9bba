// SPDX-License-Identifier: BSL-1.0
#pragma once
// payload.hpp: the programs that may be sent to a target, and how the target knows them again.

#include <mitogen/base/checksum.hpp>
#include <mitogen/base/config.hpp>
#include <mitogen/sys/call.hpp>
#include <mitogen/sys/fd.hpp>
#include <mitogen/sys/file.hpp>

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <utility>

namespace mitogen::inline MITOGEN_ABI {

/// A program to send to machines that this program was not built for: the same source, built for them.
struct payload {
    std::string machine{}; ///< what `uname -sm` prints there: "Linux aarch64"
    std::string path{};    ///< of the program, here
};

namespace detail {

/// What a program is, by its bytes: so a target knows whether it has it.
struct program_identity {
    std::string sha256{}; ///< 64 hex digits
    std::uint32_t crc = 0;
    std::int64_t size = 0;

    /// The same for the first stage, which compares what sha256sum or, where there is none, cksum prints with the patterns $h and
    /// $k.
    std::string settings() const { return "h=" + sha256 + ";k=" + std::to_string(crc) + "?" + std::to_string(size) + ";"; }
};

/// A payload that was opened, or why it could not be; or one that is not here.
struct payload_file {
    payload what{};
    std::shared_ptr<sys::unique_fd> file{};
    std::string trouble{};
    std::optional<program_identity> above{}; ///< a context above has it: it is fetched when it is needed
};

/// What was found out about a file. Process-wide, because it takes some milliseconds for each megabyte; never forgotten, because
/// there are few programs. A file that is written to is another one.
struct known_program {
    sys::file_stamp stamp{};
    program_identity identity{};
    const known_program* before = nullptr;

    inline static constinit std::atomic<const known_program*> newest{nullptr};

    static const program_identity* find(const sys::file_stamp& stamp) noexcept {
        const known_program* at = newest.load(std::memory_order_acquire);
        while (at && at->stamp != stamp) at = at->before;
        return at ? &at->identity : nullptr;
    }

    static const program_identity* add(const sys::file_stamp& stamp, program_identity identity) {
        auto* const node = new known_program{stamp, std::move(identity), newest.load(std::memory_order_acquire)};
        while (!newest.compare_exchange_weak(node->before, node, std::memory_order_acq_rel)) {}
        return &node->identity;
    }
};

/// The identity of an open file; null where it cannot be read. The first call for a file reads all of it; the later ones none.
/// Threads: any.
MITOGEN_COLD inline const program_identity* identity_of(int fd) {
    sys::file_stamp stamp;
    if (sys::stamp_file(fd, stamp) < 0) return nullptr;
    if (const program_identity* known = known_program::find(stamp)) return known;
    constexpr std::size_t chunk = 64 * 1024;
    const std::unique_ptr<std::byte[]> bytes(new std::byte[chunk]);
    sha256 digest;
    cksum crc;
    program_identity found;
    for (;;) {
        const long n = sys::pread(fd, bytes.get(), chunk, found.size);
        if (n < 0) return nullptr;
        if (n == 0) break;
        const std::span<const std::byte> piece(bytes.get(), static_cast<std::size_t>(n));
        digest.feed(piece);
        crc.feed(piece);
        found.size += n;
    }
    found.sha256 = digest.finish();
    found.crc = crc.value();
    return known_program::add(stamp, std::move(found));
}

} // namespace detail
} // namespace mitogen::inline MITOGEN_ABI
