// SPDX-License-Identifier: BSL-1.0
#pragma once
// poll.hpp: the policy that every POSIX system can run.

#include <mitogen/base/config.hpp>
#include <mitogen/base/time.hpp>
#include <mitogen/io/policy.hpp>
#include <mitogen/io/posix.hpp>
#include <mitogen/os/poll.hpp>

#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <type_traits>
#include <vector>

namespace mitogen::inline MITOGEN_ABI {
namespace io {

/// Readiness by poll(2): no kernel object, no descriptor; each wait costs time in proportion to the
/// number of descriptors.
///
/// Threads: one, the one that waits, for everything.   Throws: std::bad_alloc.
class poll_poller {
    static constexpr std::size_t nowhere = static_cast<std::size_t>(-1);

    struct owner {
        std::uint64_t token;
        int fd;
    };

    std::vector<::pollfd> entries_;
    std::vector<owner> owners_;      // of the entries with the same index
    std::vector<std::size_t> index_; // by descriptor: where its entry is
    // the scan for ready entries begins here, so that low ones don't starve high ones
    std::size_t next_ = 0;

    std::size_t find(int fd) const noexcept {
        const auto i = static_cast<std::size_t>(fd);
        return fd >= 0 && i < index_.size() ? index_[i] : nowhere;
    }

    static void set(::pollfd& entry, int fd, interest i) noexcept {
        // poll() reports failures even if nothing was asked for; a negative descriptor is the way
        // to be left alone.
        entry.fd = i == interest::none ? -1 : fd;
        entry.events =
            static_cast<short>((wants_read(i) ? POLLIN : 0) | (wants_write(i) ? POLLOUT : 0));
        entry.revents = 0;
    }

public:
    static constexpr bool has_gate = false;
    static constexpr bool any_thread_registers = false;

    template <class Io>
    explicit poll_poller(Io&) noexcept {}
    poll_poller(poll_poller&&) = delete;

    /// Registers a descriptor. 0 or -errno: -EEXIST if it is registered, -EBADF if it is negative.
    long add(int fd, std::uint64_t token, interest i) {
        if (fd < 0) return -EBADF;
        if (find(fd) != nowhere) return -EEXIST;
        const auto slot = static_cast<std::size_t>(fd);
        if (slot >= index_.size()) index_.resize(slot + 1, nowhere);
        index_[slot] = entries_.size();
        set(entries_.emplace_back(), fd, i);
        owners_.push_back({token, fd});
        return 0;
    }

    /// Changes the token and the interest of a registered descriptor. 0, or -ENOENT.
    long modify(int fd, std::uint64_t token, interest i) {
        const std::size_t at = find(fd);
        if (at == nowhere) return -ENOENT;
        set(entries_[at], fd, i);
        owners_[at].token = token;
        return 0;
    }

    /// Forgets a descriptor.
    void remove(int fd) {
        const std::size_t at = find(fd);
        if (at == nowhere) return;
        const std::size_t last = entries_.size() - 1;
        if (at != last) {
            entries_[at] = entries_[last];
            owners_[at] = owners_[last];
            index_[static_cast<std::size_t>(owners_[at].fd)] = at;
        }
        index_[static_cast<std::size_t>(fd)] = nowhere;
        entries_.pop_back();
        owners_.pop_back();
    }

    /// Waits for events; see io::has_poller.
    int wait(event* out, int capacity, duration_ns timeout) {
        const long ready = os::poll(entries_.data(), entries_.size(), timeout);
        if (ready <= 0) return static_cast<int>(ready);
        int n = 0;
        const std::size_t size = entries_.size();
        std::size_t at = next_ < size ? next_ : 0;
        for (std::size_t seen = 0; seen < size && n < capacity && n < ready;
             ++seen, at = at + 1 < size ? at + 1 : 0) {
            const short e = entries_[at].revents;
            if (e == 0) continue;
            const bool over = (e & (POLLERR | POLLHUP | POLLNVAL)) != 0;
            out[n++] = {owners_[at].token, over || (e & POLLIN) != 0, over || (e & POLLOUT) != 0};
        }
        next_ = at;
        return n;
    }

    /// In the child after fork: nothing is registered.
    void recreate() {
        entries_.clear();
        owners_.clear();
        index_.clear();
        next_ = 0;
    }
};

/// The policy that uses poll(2).
struct poll : posix {
    using poller = poll_poller;
};

static_assert(policy<poll>);
static_assert(std::is_empty_v<poll>);

} // namespace io
} // namespace mitogen::inline MITOGEN_ABI
