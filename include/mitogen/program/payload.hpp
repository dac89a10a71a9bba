// SPDX-License-Identifier: BSL-1.0
#pragma once
// payload.hpp: the programs that may be sent to a target, and how the target knows them again.

#include <mitogen/base/checksum.hpp>
#include <mitogen/base/config.hpp>
#include <mitogen/base/static_registry.hpp>
#include <mitogen/os/call.hpp>
#include <mitogen/os/fd.hpp>
#include <mitogen/os/file.hpp>
#include <mitogen/program/payload_option.hpp>

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <utility>

namespace mitogen::inline MITOGEN_ABI {

namespace detail {

/// What a program is, by its bytes: so a target knows whether it has it.
struct program_identity {
    std::string sha256{}; ///< 64 hex digits
    std::uint32_t crc = 0;
    std::int64_t size = 0;

    /// The same for the first stage, which compares what sha256sum or, if there is none, cksum
    /// prints with the patterns $h and $k.
    std::string settings() const {
        return "h=" + sha256 + ";k=" + std::to_string(crc) + "?" + std::to_string(size) + ";";
    }
};

/// A payload that was opened, or why it could not be; or one that is not here.
struct payload_file {
    payload what{};
    std::shared_ptr<os::unique_fd> file{};
    std::string trouble{};
    /// a context above has it: it is fetched when it is needed
    std::optional<program_identity> above{};
};

/// What was found out about a file. Process-wide, because it takes some milliseconds for each
/// megabyte; never forgotten, because there are few programs. A file that is written to is another
/// one.
class known_program {
    os::file_stamp stamp_;
    program_identity identity_;
    const known_program* before_ = nullptr;

    inline static constinit static_registry<known_program> all{};

public:
    known_program(const os::file_stamp& stamp, program_identity identity)
        : stamp_(stamp), identity_(std::move(identity)) {}

    const known_program* before() const noexcept { return before_; }

    static const program_identity* find(const os::file_stamp& stamp) noexcept {
        const known_program* const known =
            all.find([&](const known_program& p) { return p.stamp_ == stamp; });
        return known ? &known->identity_ : nullptr;
    }

    static const program_identity* add(const os::file_stamp& stamp, program_identity identity) {
        auto* const added = new known_program(stamp, std::move(identity));
        all.add(*added, [added](const known_program* before) { added->before_ = before; });
        return &added->identity_;
    }
};

/// The identity of an open file; null if it cannot be read. The first call for a file reads all of
/// it; the later ones none. Threads: any.
MITOGEN_COLD inline const program_identity* identity_of(int fd) {
    os::file_stamp stamp;
    if (os::stamp_file(fd, stamp) < 0) return nullptr;
    if (const program_identity* known = known_program::find(stamp)) return known;
    constexpr std::size_t chunk = 64 * 1024;
    const std::unique_ptr<std::byte[]> bytes(new std::byte[chunk]);
    sha256 digest;
    cksum crc;
    program_identity found;
    for (;;) {
        const long n = os::pread(fd, bytes.get(), chunk, found.size);
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
