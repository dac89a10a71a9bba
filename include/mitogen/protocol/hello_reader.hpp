// SPDX-License-Identifier: BSL-1.0
#pragma once
// hello_reader.hpp: finds the first words of the other side, from its bytes, before a link carries
// frames.

#include <mitogen/base/config.hpp>
#include <mitogen/codec/writer.hpp>
#include <mitogen/protocol/handshake.hpp>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>

namespace mitogen::inline MITOGEN_ABI {
namespace handshake {

/// Whose words a hello_reader expects, and how many.
struct hello_rules {
    speaker who = speaker::program;
    std::size_t most = size_limit; ///< bytes of a payload
    /// Other output may come before the mark, and a shell may speak first. Else the first wrong
    /// byte is noticed.
    bool after_noise = true;
};

/// Reads a hello, a welcome, a request to join or its answer, whichever way it is cut into pieces.
/// Bytes in, findings out: it knows no descriptor.
class hello_reader {
    hello_rules rules_;
    std::string bytes_; // from the last mark on, or what might be the beginning of one
    std::string noise_; // what came before it; the first kilobytes are kept for messages
    std::size_t noise_size_ = 0;
    std::string text_;
    std::size_t payload_size_ = 0; // once it is known

    static constexpr std::size_t noise_kept = 4096;
    static constexpr std::size_t longest_text = 1024;
    static constexpr std::size_t front = mark.size() + 6; // speaker, protocol, length

public:
    enum class finding : std::uint8_t {
        nothing,       ///< it goes on: see missing()
        stage,         ///< text() is what a shell said
        hello,         ///< payload() is there, and rest() is what came behind it
        wrong_version, ///< the program there was built with a library that speaks otherwise
        wrong,         ///< what comes makes no sense here
    };

    explicit hello_reader(hello_rules rules = {}) : rules_(rules) {}

    /// Adds bytes that arrived.
    void feed(std::span<const std::byte> bytes) {
        bytes_.append(reinterpret_cast<const char*>(bytes.data()), bytes.size());
    }

    /// Looks for the next message. What it has found as a `stage` is gone the next time; a `hello`
    /// stays.
    MITOGEN_COLD finding look() {
        if (!find_mark()) return misses_mark() ? finding::wrong : finding::nothing;
        const std::string_view said = std::string_view(bytes_).substr(mark.size());
        if (said.empty()) return finding::nothing;
        if (rules_.after_noise && said[0] == static_cast<char>(speaker::shell))
            return read_stage(said);
        if (said[0] != static_cast<char>(rules_.who)) return finding::wrong;
        if (said.size() < 2) return finding::nothing;
        if (static_cast<std::uint8_t>(said[1]) != protocol) return finding::wrong_version;
        if (bytes_.size() < front) return finding::nothing;
        std::uint32_t length;
        wire::load(data() + mark.size() + 2, length);
        if (length > rules_.most) return finding::wrong;
        payload_size_ = length;
        return bytes_.size() < front + payload_size_ ? finding::nothing : finding::hello;
    }

    /// The shell's words after a `stage`: " SYSTEM MACHINE".
    const std::string& text() const noexcept { return text_; }
    /// After `hello`.
    std::span<const std::byte> payload() const noexcept { return {data() + front, payload_size_}; }
    /// After `hello`: bytes that belong to the frames behind it.
    std::span<const std::byte> rest() const noexcept {
        return {data() + front + payload_size_, bytes_.size() - front - payload_size_};
    }
    /// After `nothing`: so many bytes at least come before there is a `hello`. Who reads no more
    /// than that reads no frames. After noise it does not matter.
    std::size_t missing() const noexcept {
        const std::size_t whole = front + payload_size_;
        return noise_size_ != 0 ? noise_limit : whole - std::min(bytes_.size(), whole - 1);
    }
    /// After `nothing`: true if a part of the expected hello has come.
    bool begun() const noexcept {
        return bytes_.size() > mark.size() && std::string_view(bytes_).starts_with(mark) &&
               bytes_[mark.size()] == static_cast<char>(rules_.who);
    }
    /// What was printed before the mark, or instead of it; cut to some kilobytes.
    std::string noise() const {
        if (begun()) return noise_;
        return noise_ + bytes_.substr(0, noise_kept - std::min(noise_kept, noise_.size()));
    }

private:
    const std::byte* data() const noexcept {
        return reinterpret_cast<const std::byte*>(bytes_.data());
    }

    void skip(std::size_t count) {
        noise_size_ += count;
        noise_.append(bytes_, 0, std::min(count, noise_kept - std::min(noise_kept, noise_.size())));
        bytes_.erase(0, count);
    }

    /// True if the mark has come: then it stands first in bytes_. Noise before it is skipped.
    bool find_mark() {
        if (!rules_.after_noise) return std::string_view(bytes_).starts_with(mark);
        const std::size_t at = bytes_.find(mark);
        const bool found = at != std::string::npos;
        // Without it a tail is kept that may be its beginning.
        skip(found ? at : bytes_.size() - std::min(bytes_.size(), mark.size() - 1));
        return found;
    }

    /// Without the mark so far: true if it will not come any more, or not soon enough.
    bool misses_mark() const noexcept {
        return rules_.after_noise ? noise_size_ > noise_limit
                                  : !mark.starts_with(std::string_view(bytes_));
    }

    finding read_stage(std::string_view said) {
        const std::size_t end = said.find('\n');
        if (end == std::string_view::npos)
            return said.size() > longest_text ? finding::wrong : finding::nothing;
        text_ = std::string(said.substr(1, end - 1));
        bytes_.erase(0, mark.size() + end + 1);
        return finding::stage;
    }
};

} // namespace handshake
} // namespace mitogen::inline MITOGEN_ABI
