// SPDX-License-Identifier: BSL-1.0
#pragma once
// handshake.hpp: the first words between a child and its parent: the child's hello, and the
// parent's answer that makes it a context.

#include <mitogen/base/config.hpp>
#include <mitogen/base/ids.hpp>
#include <mitogen/base/limits.hpp>
#include <mitogen/base/log.hpp>
#include <mitogen/base/on.hpp>
#include <mitogen/codec/buffer.hpp>
#include <mitogen/codec/codec.hpp>
#include <mitogen/protocol/inherited.hpp>

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

/// Stands before everything a child says, so that it is found behind whatever login shells and
/// programs print. Not valid UTF-8, and no text.
inline constexpr std::string_view mark = "\xF5\xA6mitogen\xA6\xF5";

/// What follows the mark: who speaks.
enum class speaker : std::uint8_t {
    shell = '1', ///< the first stage: "1 SYSTEM MACHINE\n" in text, then it reads the program
    /// the program, or its parent: u8 protocol version, u32 length, hello or welcome
    program = '2',
    joiner = 'j', ///< who joins a tree, or who admits it, in the same form: see joining.hpp
};

inline constexpr std::uint8_t protocol = 2;

/// Most that a child may print before the mark.
inline constexpr std::size_t noise_limit = 1 << 20;

/// Most bytes of a hello or its answer.
inline constexpr std::size_t size_limit = 1 << 20;

/// What a child says of itself.
struct hello {
    std::string build{};   ///< build id / how many functions / hash of their identities
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
    on executor = on::main; ///< of functions that have no run_on of their own
    std::vector<std::string> above{}; ///< the names of those above it, from below the root
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
    return marked(speaker::program, mitogen::encode(w.id, w.ancestors, w.name, w.title, w.build,
                                                    w.log_level, w.pool_threads, w.grace_ns,
                                                    w.bounds, w.rules, w.logs, w.executor,
                                                    w.above));
}

inline bool decode_hello(std::span<const std::byte> bytes, hello& h) {
    reader r(bytes);
    return mitogen::decode(r, h.build, h.machine, h.pid) && r.finish();
}

inline bool decode_welcome(std::span<const std::byte> bytes, welcome& w) {
    reader r(bytes);
    return mitogen::decode(r, w.id, w.ancestors, w.name, w.title, w.build, w.log_level,
                           w.pool_threads, w.grace_ns, w.bounds, w.rules, w.logs, w.executor,
                           w.above) &&
           r.finish();
}

} // namespace handshake
} // namespace mitogen::inline MITOGEN_ABI
