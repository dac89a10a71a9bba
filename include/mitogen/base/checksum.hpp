// SPDX-License-Identifier: BSL-1.0
#pragma once
// checksum.hpp: the two checksums of a file that a bare machine can compute as well: SHA-256, and
// that of cksum(1).

#include <mitogen/base/config.hpp>

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>
#include <string>

namespace mitogen::inline MITOGEN_ABI {
namespace detail {

/// SHA-256 of bytes that arrive piece by piece: what sha256sum(1) prints. FIPS 180-4, sections
/// 4.1.2, 4.2.2, 5.1.1, 5.3.3, 6.2.
class sha256 {
    static constexpr std::size_t block_size = 64;
    static constexpr std::uint32_t k[64] = {
        0x428a2f98, 0x71374491, 0xb5c0fbcf, 0xe9b5dba5, 0x3956c25b, 0x59f111f1, 0x923f82a4,
        0xab1c5ed5, 0xd807aa98, 0x12835b01, 0x243185be, 0x550c7dc3, 0x72be5d74, 0x80deb1fe,
        0x9bdc06a7, 0xc19bf174, 0xe49b69c1, 0xefbe4786, 0x0fc19dc6, 0x240ca1cc, 0x2de92c6f,
        0x4a7484aa, 0x5cb0a9dc, 0x76f988da, 0x983e5152, 0xa831c66d, 0xb00327c8, 0xbf597fc7,
        0xc6e00bf3, 0xd5a79147, 0x06ca6351, 0x14292967, 0x27b70a85, 0x2e1b2138, 0x4d2c6dfc,
        0x53380d13, 0x650a7354, 0x766a0abb, 0x81c2c92e, 0x92722c85, 0xa2bfe8a1, 0xa81a664b,
        0xc24b8b70, 0xc76c51a3, 0xd192e819, 0xd6990624, 0xf40e3585, 0x106aa070, 0x19a4c116,
        0x1e376c08, 0x2748774c, 0x34b0bcb5, 0x391c0cb3, 0x4ed8aa4a, 0x5b9cca4f, 0x682e6ff3,
        0x748f82ee, 0x78a5636f, 0x84c87814, 0x8cc70208, 0x90befffa, 0xa4506ceb, 0xbef9a3f7,
        0xc67178f2};

    std::uint32_t state_[8] = {0x6a09e667, 0xbb67ae85, 0x3c6ef372, 0xa54ff53a,
                               0x510e527f, 0x9b05688c, 0x1f83d9ab, 0x5be0cd19};
    unsigned char block_[block_size]; // what is left of the last piece
    std::size_t filled_ = 0;
    std::uint64_t total_ = 0;

    void take(const unsigned char* at) noexcept {
        std::uint32_t w[64];
        for (int t = 0; t < 16; ++t, at += 4)
            w[t] = (std::uint32_t{at[0]} << 24) | (std::uint32_t{at[1]} << 16) |
                   (std::uint32_t{at[2]} << 8) | at[3];
        for (int t = 16; t < 64; ++t) {
            const std::uint32_t a = w[t - 15];
            const std::uint32_t b = w[t - 2];
            w[t] = w[t - 16] + w[t - 7] +
                   (((a >> 7) | (a << 25)) ^ ((a >> 18) | (a << 14)) ^ (a >> 3)) +
                   (((b >> 17) | (b << 15)) ^ ((b >> 19) | (b << 13)) ^ (b >> 10));
        }
        std::uint32_t a = state_[0], b = state_[1], c = state_[2], d = state_[3];
        std::uint32_t e = state_[4], f = state_[5], g = state_[6], h = state_[7];
        for (int t = 0; t < 64; ++t) {
            const std::uint32_t one =
                h + (((e >> 6) | (e << 26)) ^ ((e >> 11) | (e << 21)) ^ ((e >> 25) | (e << 7))) +
                (g ^ (e & (f ^ g))) + k[t] + w[t];
            const std::uint32_t two =
                (((a >> 2) | (a << 30)) ^ ((a >> 13) | (a << 19)) ^ ((a >> 22) | (a << 10))) +
                ((a & b) | (c & (a | b)));
            h = g, g = f, f = e, e = d + one, d = c, c = b, b = a, a = one + two;
        }
        state_[0] += a, state_[1] += b, state_[2] += c, state_[3] += d;
        state_[4] += e, state_[5] += f, state_[6] += g, state_[7] += h;
    }

public:
    /// Adds bytes.
    void feed(std::span<const std::byte> bytes) noexcept {
        const auto* at = reinterpret_cast<const unsigned char*>(bytes.data());
        std::size_t left = bytes.size();
        total_ += left;
        while (left > 0) {
            if (filled_ == 0 && left >= block_size) {
                take(at);
                at += block_size;
                left -= block_size;
                continue;
            }
            const std::size_t n = left < block_size - filled_ ? left : block_size - filled_;
            std::memcpy(block_ + filled_, at, n);
            filled_ += n;
            at += n;
            left -= n;
            if (filled_ == block_size) take(block_), filled_ = 0;
        }
    }

    /// The digest as 64 hex digits. Nothing may be added afterwards.
    std::string finish() {
        const std::uint64_t bits = total_ * 8;
        block_[filled_++] = 0x80;
        if (filled_ > block_size - 8) {
            std::memset(block_ + filled_, 0, block_size - filled_);
            take(block_);
            filled_ = 0;
        }
        std::memset(block_ + filled_, 0, block_size - 8 - filled_);
        for (int i = 0; i < 8; ++i)
            block_[block_size - 1 - static_cast<std::size_t>(i)] =
                static_cast<unsigned char>(bits >> (8 * i));
        take(block_);
        static constexpr char digits[] = "0123456789abcdef";
        std::string out;
        for (const std::uint32_t word : state_)
            for (int shift = 28; shift >= 0; shift -= 4) out += digits[(word >> shift) & 15];
        return out;
    }
};

struct cksum_table {
    std::uint32_t of[256]{};

    constexpr cksum_table() {
        for (std::uint32_t i = 0; i < 256; ++i) {
            std::uint32_t c = i << 24;
            for (int bit = 0; bit < 8; ++bit)
                c = (c & 0x80000000) != 0 ? (c << 1) ^ 0x04c11db7 : c << 1;
            of[i] = c;
        }
    }
};

/// The checksum that cksum(1) prints, of bytes that arrive piece by piece. POSIX.1-2017, cksum,
/// "EXTENDED DESCRIPTION".
class cksum {
    static constexpr cksum_table steps{};

    std::uint32_t crc_ = 0;
    std::uint64_t total_ = 0;

    static std::uint32_t step(std::uint32_t crc, std::uint32_t byte) noexcept {
        return (crc << 8) ^ steps.of[(crc >> 24) ^ byte];
    }

public:
    /// Adds bytes.
    void feed(std::span<const std::byte> bytes) noexcept {
        total_ += bytes.size();
        std::uint32_t crc = crc_;
        for (const std::byte b : bytes) crc = step(crc, std::to_integer<std::uint32_t>(b));
        crc_ = crc;
    }

    /// The checksum so far.
    std::uint32_t value() const noexcept {
        std::uint32_t crc = crc_;
        for (std::uint64_t n = total_; n != 0; n >>= 8)
            crc = step(crc, static_cast<std::uint32_t>(n & 255));
        return ~crc;
    }
};

} // namespace detail
} // namespace mitogen::inline MITOGEN_ABI
