// SPDX-License-Identifier: BSL-1.0
#pragma once
// joining.hpp: the first words between a program that joins a tree and the context that listens for it.

#include <mitogen/base/config.hpp>
#include <mitogen/base/ids.hpp>
#include <mitogen/base/limits.hpp>
#include <mitogen/connect/boot/handshake.hpp>
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
namespace joining {

/// Most bytes of a request to join, and of its answer.
inline constexpr std::size_t request_limit = 4096;
inline constexpr std::size_t answer_limit = 1 << 20;

/// Longest name that a program may give itself, in bytes.
inline constexpr std::size_t name_limit = 256;

/// What a program that wants to join says of itself.
struct request {
    std::string build{}; ///< build id
    std::uint32_t pid = 0;
    std::string name{}; ///< empty: the listener chooses
};

/// What becomes of it.
struct answer {
    std::vector<std::byte> refusal{}; ///< an encoded error; empty: it is admitted, and the rest holds
    context_id id = no_context;
    std::vector<context_id> ancestors{}; ///< the listener first, the root last
    std::string name{};
    std::string build{}; ///< the listener's
    limits bounds{};
    tree_rules rules{};
};

inline buffer encode_request(const request& r) {
    return handshake::marked(handshake::speaker::joiner, mitogen::encode(r.build, r.pid, r.name));
}

inline bool decode_request(std::span<const std::byte> bytes, request& out) {
    reader r(bytes);
    return mitogen::decode(r, out.build, out.pid, out.name) && r.finish() && out.name.size() <= name_limit;
}

inline buffer encode_answer(const answer& a) {
    return handshake::marked(handshake::speaker::joiner,
                             mitogen::encode(a.refusal, a.id, a.ancestors, a.name, a.build, a.bounds, a.rules));
}

inline bool decode_answer(std::span<const std::byte> bytes, answer& a) {
    reader r(bytes);
    return mitogen::decode(r, a.refusal, a.id, a.ancestors, a.name, a.build, a.bounds, a.rules) && r.finish() &&
           (!a.refusal.empty() || (a.id != no_context && !a.ancestors.empty()));
}

/// Puts together what the other side says. Unlike a child it says nothing else: the first wrong byte is noticed.
class listening_ear {
    std::string bytes_;
    std::size_t limit_;

    static constexpr std::size_t front = handshake::mark.size() + 6;

public:
    enum class finding : std::uint8_t {
        incomplete,
        whole,         ///< payload() is there
        wrong_version, ///< the program there was built with a library that speaks otherwise
        wrong,         ///< not what is said here
    };

    explicit listening_ear(std::size_t limit) : limit_(limit) {}

    /// Adds bytes that arrived, and says what they are.
    MITOGEN_COLD finding hear(std::span<const std::byte> bytes) {
        bytes_.append(reinterpret_cast<const char*>(bytes.data()), bytes.size());
        const std::string_view all = bytes_;
        const std::size_t compared = std::min(all.size(), handshake::mark.size());
        if (all.substr(0, compared) != handshake::mark.substr(0, compared)) return finding::wrong;
        if (all.size() > compared && all[compared] != static_cast<char>(handshake::speaker::joiner)) return finding::wrong;
        if (all.size() > compared + 1 && static_cast<std::uint8_t>(all[compared + 1]) != handshake::protocol)
            return finding::wrong_version;
        if (all.size() < front) return finding::incomplete;
        if (size() > limit_) return finding::wrong;
        return all.size() < front + size() ? finding::incomplete : finding::whole;
    }

    /// After `incomplete`: so many bytes at least are still to come. Who reads no more than that reads no frames.
    std::size_t missing() const noexcept {
        return (bytes_.size() < front ? front : front + size()) - bytes_.size();
    }
    /// After `whole`.
    std::span<const std::byte> payload() const noexcept { return {data() + front, size()}; }
    /// After `whole`: what came behind it.
    std::span<const std::byte> rest() const noexcept { return {data() + front + size(), bytes_.size() - front - size()}; }

private:
    const std::byte* data() const noexcept { return reinterpret_cast<const std::byte*>(bytes_.data()); }
    std::size_t size() const noexcept {
        std::uint32_t n;
        wire::load(data() + handshake::mark.size() + 2, n);
        return n;
    }
};

} // namespace joining
} // namespace mitogen::inline MITOGEN_ABI
