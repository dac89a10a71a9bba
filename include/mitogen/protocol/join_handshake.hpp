// SPDX-License-Identifier: BSL-1.0
#pragma once
// join_handshake.hpp: the first words between a program that joins a tree and the context that
// listens for it.

#include <mitogen/base/config.hpp>
#include <mitogen/base/ids.hpp>
#include <mitogen/base/limits.hpp>
#include <mitogen/codec/buffer.hpp>
#include <mitogen/codec/codec.hpp>
#include <mitogen/protocol/handshake.hpp>
#include <mitogen/protocol/hello_reader.hpp>
#include <mitogen/protocol/inherited.hpp>

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

namespace mitogen::inline MITOGEN_ABI {
namespace joining {

/// How a request to join is read, and its answer: neither side says anything else before.
inline constexpr handshake::hello_rules request_rules{handshake::speaker::joiner, 4096, false};
inline constexpr handshake::hello_rules answer_rules{handshake::speaker::joiner, 1 << 20, false};

/// Longest name that a program may give itself, in bytes.
inline constexpr std::size_t name_limit = detail::most_name;

/// What a program that wants to join says of itself.
struct request {
    std::string build{}; ///< as handshake::hello's
    std::uint32_t pid = 0;
    std::string name{}; ///< empty: the listener chooses
};

/// What becomes of it.
struct answer {
    /// an encoded error; empty: it is admitted, and the rest holds
    std::vector<std::byte> refusal{};
    context_id id = no_context;
    std::vector<context_id> ancestors{}; ///< the listener first, the root last
    std::string name{};
    std::string build{}; ///< the listener's
    limits bounds{};
    tree_rules rules{};
    std::vector<std::string> above{}; ///< as handshake::welcome's
};

inline buffer encode_request(const request& r) {
    return handshake::marked(handshake::speaker::joiner, mitogen::encode(r.build, r.pid, r.name));
}

inline bool decode_request(std::span<const std::byte> bytes, request& out) {
    reader r(bytes);
    return mitogen::decode(r, out.build, out.pid, out.name) && r.finish() &&
           out.name.size() <= name_limit;
}

inline buffer encode_answer(const answer& a) {
    return handshake::marked(
        handshake::speaker::joiner,
        mitogen::encode(a.refusal, a.id, a.ancestors, a.name, a.build, a.bounds, a.rules,
                        a.above));
}

inline bool decode_answer(std::span<const std::byte> bytes, answer& a) {
    reader r(bytes);
    return mitogen::decode(r, a.refusal, a.id, a.ancestors, a.name, a.build, a.bounds, a.rules,
                           a.above) &&
           r.finish() && (!a.refusal.empty() || (a.id != no_context && !a.ancestors.empty()));
}

} // namespace joining
} // namespace mitogen::inline MITOGEN_ABI
