// SPDX-License-Identifier: BSL-1.0
#pragma once
// kill_points.hpp: the places between two messages in all that simulated processes say to each
// other, and what strikes at one of them.

#include <mitogen/protocol/message.hpp>
#include <mitogen/simulation.hpp>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <map>
#include <utility>
#include <vector>

namespace kill_points {

namespace sim = mitogen::simulation;

/// After so many bytes in a pipe, which is known by its number: equal in equal worlds.
struct place {
    std::uint32_t pipe = 0;
    std::size_t offset = 0;
    std::uint32_t child = 0; ///< the later process of the two that it connects
};

/// Writes down what is said in one world.
class recorder final : public sim::write_observer {
    struct talk {
        std::uint32_t child = 0;
        std::vector<std::byte> bytes{};
        std::vector<std::size_t> writes{}; // where each one ends
    };
    std::map<std::uint32_t, talk> pipes_;

    /// Where the frames of a pipe begin, which the first words of a link come before: the first
    /// place from which headers lead to the very end.
    static std::size_t first_frame(const talk& t, std::vector<std::size_t>& ends) {
        const std::size_t size = t.bytes.size();
        for (std::size_t begin = 0; begin < size; ++begin) {
            ends.clear();
            std::size_t at = begin;
            mitogen::header h;
            while (size - at >= mitogen::detail::header_layout::size &&
                   !mitogen::detail::read_header(t.bytes.data() + at, h) &&
                   size - at - mitogen::detail::header_layout::size >= h.length) {
                at += mitogen::detail::header_layout::size + h.length;
                ends.push_back(at);
            }
            if (at == size) return begin;
        }
        ends.clear();
        return size;
    }

public:
    std::size_t most(const sim::pipe_state&, std::size_t size) override { return size; }
    void written(sim::pipe_state& to, const void* from, std::size_t size) override {
        if (to.from_process == to.to_process) return;
        talk& t = pipes_[to.number];
        t.child = std::max(to.from_process, to.to_process);
        const auto* bytes = static_cast<const std::byte*>(from);
        t.bytes.insert(t.bytes.end(), bytes, bytes + size);
        t.writes.push_back(t.bytes.size());
    }

    /// The end of each message, and of each part of the words before them.
    std::vector<place> boundaries() const {
        std::vector<place> all;
        std::vector<std::size_t> ends;
        for (const auto& [number, t] : pipes_) {
            const std::size_t begin = first_frame(t, ends);
            for (const std::size_t end : t.writes)
                if (end <= begin) all.push_back({number, end, t.child});
            for (const std::size_t end : ends) all.push_back({number, end, t.child});
        }
        return all;
    }
};

/// What happens at a place.
struct strike {
    place where;
    /// the process that is killed; 0: the link between those two that speak there is cut
    std::uint32_t killed = 0;
};

/// Does it, in a world that was equal up to there.
class striker final : public sim::write_observer {
    sim::kernel& world_;
    const strike what_;
    std::size_t written_ = 0;
    bool done_ = false;
    bool struck_ = false;

public:
    striker(sim::kernel& world, strike what) : world_(world), what_(what) {}

    /// The world has come to that place.
    bool done() const noexcept { return done_; }
    /// There was something to kill or to cut.
    bool struck() const noexcept { return struck_; }

    std::size_t most(const sim::pipe_state& to, std::size_t size) override {
        if (to.number != what_.where.pipe || done_) return size;
        return std::min(size, what_.where.offset - written_);
    }
    void written(sim::pipe_state& to, const void*, std::size_t size) override {
        if (to.number != what_.where.pipe || done_) return;
        written_ += size;
        if (written_ != what_.where.offset) return;
        done_ = true;
        if (what_.killed) {
            const sim::process_state* victim = world_.find(what_.killed);
            struck_ = victim && !victim->ended;
            static_cast<void>(world_.signal(what_.killed, 9));
            return;
        }
        const auto ends = std::minmax(to.from_process, to.to_process);
        for (const auto& pipe : world_.links())
            if (std::minmax(pipe->from_process, pipe->to_process) == ends) {
                struck_ = true;
                world_.cut(*pipe);
            }
    }
};

} // namespace kill_points
