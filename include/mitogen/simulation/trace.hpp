// SPDX-License-Identifier: BSL-1.0
#pragma once
// trace.hpp: what happened in a simulated world: a number that two equal runs share, and, on
// request, the words.

#include <mitogen/base/config.hpp>
#include <mitogen/base/time.hpp>

#include <cstddef>
#include <cstdint>
#include <deque>
#include <string>
#include <string_view>

namespace mitogen::inline MITOGEN_ABI {
namespace simulation {

/// Every step of a run, condensed. Words are kept only if somebody wants to read them: they cost
/// more than the run.
class trace {
    std::uint64_t hash_ = 0xCBF2'9CE4'8422'2325u;
    std::uint64_t steps_ = 0;
    std::size_t kept_;
    std::deque<std::string> lines_;

public:
    /// Keeps the last `lines` lines.
    explicit trace(std::size_t lines = 0) noexcept : kept_(lines) {}

    /// Equal for equal runs, on every machine and with every compiler. FNV-1a over 64-bit words.
    std::uint64_t hash() const noexcept { return hash_; }
    /// Steps so far.
    std::uint64_t steps() const noexcept { return steps_; }
    /// True if words are kept.
    bool verbose() const noexcept { return kept_ != 0; }
    /// The last lines.
    const std::deque<std::string>& lines() const noexcept { return lines_; }

    /// One step: when, of which thread, which, and about what.
    void step(instant at, std::uint32_t thread, char what, std::uint64_t subject) noexcept {
        ++steps_;
        for (const std::uint64_t word :
             {static_cast<std::uint64_t>(at),
              std::uint64_t{thread} << 8 | static_cast<unsigned char>(what), subject})
            hash_ = (hash_ ^ word) * 0x0000'0100'0000'01B3u;
    }

    /// A line for people. Ask verbose() before composing it.
    void say(instant at, std::string_view who, std::string_view what) {
        if (!verbose()) return;
        std::string line = std::to_string(at / 1000);
        line.insert(0, line.size() < 12 ? 12 - line.size() : 0, ' ');
        line.append(" us  ").append(who).append("  ").append(what);
        lines_.push_back(std::move(line));
        if (lines_.size() > kept_) lines_.pop_front();
    }
};

} // namespace simulation
} // namespace mitogen::inline MITOGEN_ABI
