// SPDX-License-Identifier: BSL-1.0
#pragma once
// handshake.hpp: the first words between a child and its parent: the child's hello, and the parent's answer that makes it a
// context.

#include <mitogen/base/config.hpp>
#include <mitogen/base/ids.hpp>
#include <mitogen/base/limits.hpp>
#include <mitogen/base/log.hpp>
#include <mitogen/rpc/function_entry.hpp>
#include <mitogen/wire/buffer.hpp>
#include <mitogen/wire/codec.hpp>
#include <mitogen/wire/inherited.hpp>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace mitogen::inline MITOGEN_ABI {

/// The argument that tells a program that it was started as a child; mitogen::init looks for it.
inline constexpr std::string_view child_argument = "--mitogen-child";

namespace handshake {

/// Stands before everything a child says, so that it is found behind whatever login shells and programs print. Not valid UTF-8,
/// and no text.
inline constexpr std::string_view mark = "\xF5\xA6mitogen\xA6\xF5";

/// What follows the mark: who speaks.
enum class speaker : std::uint8_t {
    shell = '1',   ///< the first stage: "1 SYSTEM MACHINE\n" in text, then it reads the program
    program = '2', ///< the program, or its parent: u8 protocol version, u32 length, hello or welcome
    joiner = 'j',  ///< who joins a tree, or who admits it, in the same form: see joining.hpp
};

inline constexpr std::uint8_t protocol = 1;

/// Most that a child may print before the mark.
inline constexpr std::size_t noise_limit = 1 << 20;

/// Most bytes of a hello or its answer.
inline constexpr std::size_t size_limit = 1 << 20;

/// What a child says of itself.
struct hello {
    std::string build{};   ///< build id
    std::string machine{}; ///< "Linux x86_64"
    std::uint32_t pid = 0;
};

/// What its parent makes of it.
struct welcome {
    context_id id = no_context;
    std::vector<context_id> ancestors{};
    std::string name{};
    std::string title{};
    std::string build{}; ///< the parent's
    std::uint8_t log_level = 0;
    std::uint32_t pool_threads = 0;
    std::int64_t grace_ns = 0; ///< how long its functions may take to stop
    limits bounds{};
    tree_rules rules{};
    log::bounds logs{};
    on executor = on::main; ///< of functions that do not say where they run
};

/// Mark, speaker, protocol, length and payload.
MITOGEN_COLD inline buffer marked(speaker who, const buffer& payload) {
    std::byte front[6];
    writer w(front);
    w.put_u8(static_cast<std::uint8_t>(who));
    w.put_u8(protocol);
    w.put_count(payload.size());
    buffer out;
    out.append(mark.data(), mark.size());
    out.append(front, sizeof front);
    out.append(payload.data(), payload.size());
    return out;
}

inline buffer encode_hello(const hello& h) {
    return marked(speaker::program, mitogen::encode(h.build, h.machine, h.pid));
}

inline buffer encode_welcome(const welcome& w) {
    return marked(speaker::program, mitogen::encode(w.id, w.ancestors, w.name, w.title, w.build, w.log_level, w.pool_threads,
                                                    w.grace_ns, w.bounds, w.rules, w.logs, w.executor));
}

inline bool decode_hello(std::span<const std::byte> bytes, hello& h) {
    reader r(bytes);
    return mitogen::decode(r, h.build, h.machine, h.pid) && r.finish();
}

inline bool decode_welcome(std::span<const std::byte> bytes, welcome& w) {
    reader r(bytes);
    return mitogen::decode(r, w.id, w.ancestors, w.name, w.title, w.build, w.log_level, w.pool_threads, w.grace_ns,
                           w.bounds, w.rules, w.logs, w.executor) &&
           r.finish();
}

/// Finds what a child says among what else it prints. Bytes in, findings out.
class listener {
    std::string bytes_; // from the last mark on, or what might be the beginning of one
    std::string noise_; // what came before it; the first kilobytes are kept for messages
    std::size_t noise_size_ = 0;

    void skip(std::size_t count) {
        noise_size_ += count;
        noise_.append(bytes_, 0, std::min(count, noise_kept - std::min(noise_kept, noise_.size())));
        bytes_.erase(0, count);
    }

    static constexpr std::size_t noise_kept = 4096;
    static constexpr std::size_t front = mark.size() + 6;

public:
    enum class finding : std::uint8_t { nothing, stage, hello, wrong };

    /// Adds bytes that arrived.
    void feed(std::span<const std::byte> bytes) { bytes_.append(reinterpret_cast<const char*>(bytes.data()), bytes.size()); }

    /// Looks for the next message. `stage`: text() is what the shell said. `hello`: payload() is the hello, and rest() is what
    /// came behind it.
    MITOGEN_COLD finding look() {
        const std::size_t at = bytes_.find(mark);
        if (at == std::string::npos) {
            // Keep a tail that may be the mark's beginning.
            const std::size_t keep = std::min(bytes_.size(), mark.size() - 1);
            skip(bytes_.size() - keep);
            return noise_size_ > noise_limit ? finding::wrong : finding::nothing;
        }
        skip(at);
        const std::string_view said = std::string_view(bytes_).substr(mark.size());
        if (said.empty()) return finding::nothing;
        if (said[0] == static_cast<char>(speaker::shell)) {
            const std::size_t end = said.find('\n');
            if (end == std::string_view::npos) return said.size() > 1024 ? finding::wrong : finding::nothing;
            text_ = std::string(said.substr(1, end - 1));
            bytes_.erase(0, mark.size() + end + 1);
            return finding::stage;
        }
        if (said[0] != static_cast<char>(speaker::program)) return finding::wrong;
        if (said.size() < 6) return finding::nothing;
        if (static_cast<std::uint8_t>(said[1]) != protocol) {
            wrong_protocol_ = true;
            return finding::wrong;
        }
        std::uint32_t length;
        wire::load(reinterpret_cast<const std::byte*>(said.data() + 2), length);
        if (length > size_limit) return finding::wrong;
        missing_ = front + length - std::min(bytes_.size(), front + length);
        if (missing_ != 0) return finding::nothing;
        payload_begin_ = front;
        payload_size_ = length;
        return finding::hello;
    }

    /// The shell's words after a `stage`: " SYSTEM MACHINE".
    const std::string& text() const noexcept { return text_; }
    /// After `hello`.
    std::span<const std::byte> payload() const noexcept {
        return {reinterpret_cast<const std::byte*>(bytes_.data()) + payload_begin_, payload_size_};
    }
    /// After `hello`: bytes that belong to the frames behind it.
    std::span<const std::byte> rest() const noexcept {
        return {reinterpret_cast<const std::byte*>(bytes_.data()) + payload_begin_ + payload_size_,
                bytes_.size() - payload_begin_ - payload_size_};
    }
    /// After `nothing`: so many bytes at least come before there is a `hello`. Who reads no more than that reads no frames. Where
    /// there is noise, it does not matter.
    std::size_t missing() const noexcept {
        if (noise_size_ != 0) return noise_limit;
        return missing_ ? missing_ : front - std::min(bytes_.size(), front - 1);
    }
    /// What was printed before the mark, or instead of it; cut to some kilobytes.
    std::string noise() const { return noise_ + bytes_.substr(0, noise_kept - std::min(noise_kept, noise_.size())); }
    bool wrong_protocol() const noexcept { return wrong_protocol_; }

private:
    std::string text_;
    std::size_t payload_begin_ = 0;
    std::size_t payload_size_ = 0;
    std::size_t missing_ = 0; // once its length is known
    bool wrong_protocol_ = false;
};

} // namespace handshake
} // namespace mitogen::inline MITOGEN_ABI
