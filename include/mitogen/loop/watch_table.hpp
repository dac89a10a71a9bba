// SPDX-License-Identifier: BSL-1.0
#pragma once
// watch_table.hpp: the descriptors that the loop watches, and which of them an event is about.

#include <mitogen/base/config.hpp>
#include <mitogen/io/policy.hpp>

#include <cstddef>
#include <cstdint>
#include <vector>

namespace mitogen::inline MITOGEN_ABI {

namespace detail {

/// A descriptor that the loop watches. Lives inside whatever owns the descriptor; unwatch it before
/// it dies.
struct event_source {
    /// called on the loop
    void (*ready)(event_source& self, bool readable, bool writable) = nullptr;
    int fd = -1;
    std::uint32_t slot = 0; ///< maintained by the loop
    io::interest interest = io::interest::none;
    bool watched = false;
};

/// Watched descriptors by slot. A token is a slot and how often it was used: events of a descriptor
/// that is watched no longer find nothing. Slot 0 belongs to the waker. Threads: loop.
template <class Io>
class basic_watch_table {
    struct slot {
        event_source* source = nullptr;
        std::uint32_t generation = 0;
    };

    typename Io::poller& poller_;
    std::vector<slot> slots_{std::vector<slot>(1)};
    std::vector<std::uint32_t> free_;

    std::uint64_t token(std::uint32_t index) const noexcept {
        return static_cast<std::uint64_t>(slots_[index].generation) << 32 | index;
    }

public:
    explicit basic_watch_table(typename Io::poller& poller) : poller_(poller) {}

    /// Begins to watch. 0 or -errno.
    long add(event_source& source, io::interest what) {
        std::uint32_t index;
        if (free_.empty()) {
            index = static_cast<std::uint32_t>(slots_.size());
            slots_.push_back({});
        } else {
            index = free_.back();
            free_.pop_back();
        }
        source.slot = index;
        slots_[index].source = &source;
        if (const long rc = poller_.add(source.fd, token(index), what); rc < 0) {
            slots_[index].source = nullptr;
            free_.push_back(index);
            return rc;
        }
        source.interest = what;
        source.watched = true;
        return 0;
    }

    /// Changes what a watched descriptor is watched for. 0, or -errno with nothing changed.
    long change(event_source& source, io::interest what) {
        if (!source.watched || source.interest == what) return 0;
        const long rc = poller_.modify(source.fd, token(source.slot), what);
        if (rc < 0) return rc;
        source.interest = what;
        return 0;
    }

    /// Stops watching. Nothing happens if it is not watched.
    void remove(event_source& source) noexcept {
        if (!source.watched) return;
        source.watched = false;
        poller_.remove(source.fd);
        slot& s = slots_[source.slot];
        s.source = nullptr;
        ++s.generation;
        free_.push_back(source.slot);
    }

    /// Whom an event is about; null if that is watched no longer.
    event_source* find(std::uint64_t token) const noexcept {
        const auto index = static_cast<std::uint32_t>(token);
        if (index >= slots_.size()) return nullptr;
        const slot& s = slots_[index];
        return s.generation == static_cast<std::uint32_t>(token >> 32) ? s.source : nullptr;
    }
};

} // namespace detail
} // namespace mitogen::inline MITOGEN_ABI
