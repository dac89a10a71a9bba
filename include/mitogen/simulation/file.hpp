// SPDX-License-Identifier: BSL-1.0
#pragma once
// file.hpp: what a simulated descriptor can stand for.

#include <mitogen/base/config.hpp>
#include <mitogen/base/time.hpp>
#include <mitogen/simulation/scheduler.hpp>

#include <algorithm>
#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <optional>
#include <utility>
#include <vector>

namespace mitogen::inline MITOGEN_ABI {
namespace simulation {

/// Somebody who wants to know that a file may have become ready.
class observer {
public:
    virtual void changed(int fd) = 0;

protected:
    ~observer() = default;
};

/// Something that can be ready for reading or writing.
class file {
    struct observation {
        observer* who;
        int fd;
        const thread_group* group; // once it has ended, `who` may be gone without a word
    };

    std::vector<observation> observers_;
    std::vector<thread*> sleepers_; // in blocking calls

public:
    virtual ~file() = default;
    virtual bool readable() const = 0;
    virtual bool writable() const = 0;
    /// A count, 0 at the end, or -errno; never blocks.
    virtual long read(void*, std::size_t) { return -EBADF; }
    virtual long write(const void*, std::size_t) { return -EBADF; }
    /// The last descriptor is closed.
    virtual void closed() {}

    bool nonblocking = false;
    /// of all processes; a thread that was killed in a transfer still refers to the file
    std::uint32_t descriptors = 0;

    void observe(observer& who, int fd, const thread_group& group) {
        observers_.push_back({&who, fd, &group});
    }
    void forget(observer& who, int fd) noexcept {
        std::erase_if(observers_,
                      [&](const observation& o) { return o.who == &who && o.fd == fd; });
    }
    void sleep_on(thread& t) { sleepers_.push_back(&t); }
    void awake(thread& t) noexcept { std::erase(sleepers_, &t); }

    /// Tells everyone who waits for it.
    void changed(scheduler& threads) {
        for (const observation& o : observers_)
            if (!o.group->ended) o.who->changed(o.fd);
        for (thread* t : sleepers_) threads.wake(*t);
    }
};

/// Becomes readable at some moment: a waker, or the end of a process.
class flag final : public file {
    bool up_ = false;

public:
    bool readable() const override { return up_; }
    bool writable() const override { return false; }
    bool up() const noexcept { return up_; }
    void lower() noexcept { up_ = false; }
    void raise(scheduler& threads) {
        if (!std::exchange(up_, true)) changed(threads);
    }
};

/// The bytes of one direction of a link, on their way and arrived.
class pipe_state {
    struct flight {
        instant arrives;
        std::size_t bytes;
    };

    std::vector<char> bytes_;
    std::size_t head_ = 0;
    std::size_t arrived_ = 0; // of bytes_ from head_ on
    std::vector<flight> flying_;
    instant last_arrival_ = 0;

public:
    std::uint32_t number = 0;
    std::size_t capacity = 64 * 1024;
    duration_ns latency = 0;
    std::uint64_t bytes_per_second = 0;
    std::optional<std::uint64_t> cut_after; ///< bytes until it is cut
    /// everything written is lost, the end as well, and nothing says so
    bool silent = false;
    bool open_for_reading = true;
    bool open_for_writing = true;
    file* reader = nullptr;
    file* writer = nullptr;
    std::uint32_t from_process = 0; ///< whose output it is
    std::uint32_t to_process = 0;

    std::size_t buffered() const noexcept { return bytes_.size() - head_; }
    /// What a write could take: nothing before a page is free, as in Linux; else every byte that is
    /// read would be one write.
    std::size_t room() const noexcept {
        const std::size_t free = buffered() < capacity ? capacity - buffered() : 0;
        return free >= std::min<std::size_t>(capacity, 4096) ? free : 0;
    }
    std::size_t arrived() const noexcept { return arrived_; }
    bool at_end() const noexcept { return !open_for_writing && !silent && buffered() == 0; }
    bool delayed() const noexcept { return latency != 0 || bytes_per_second != 0; }

    /// Appends; returns when they arrive.
    instant put(const void* from, std::size_t size, instant now) {
        if (head_ > 64 * 1024 && head_ > bytes_.size() / 2) {
            bytes_.erase(bytes_.begin(), bytes_.begin() + static_cast<std::ptrdiff_t>(head_));
            head_ = 0;
        }
        const auto* p = static_cast<const char*>(from);
        bytes_.insert(bytes_.end(), p, p + size);
        if (!delayed()) {
            arrived_ += size;
            return now;
        }
        const duration_ns span =
            bytes_per_second ? static_cast<duration_ns>(size * 1'000'000'000ull / bytes_per_second)
                             : 0;
        last_arrival_ = std::max({last_arrival_ + span, now + latency + span, now + 1});
        flying_.push_back({last_arrival_, size});
        return last_arrival_;
    }

    /// What has arrived by now.
    void arrive(instant now) {
        std::size_t landed = 0;
        for (; landed < flying_.size() && flying_[landed].arrives <= now; ++landed)
            arrived_ += flying_[landed].bytes;
        flying_.erase(flying_.begin(), flying_.begin() + static_cast<std::ptrdiff_t>(landed));
    }

    void take(void* to, std::size_t size) noexcept {
        std::memcpy(to, bytes_.data() + head_, size);
        head_ += size;
        arrived_ -= size;
        if (head_ == bytes_.size()) {
            bytes_.clear();
            head_ = 0;
        }
    }
};

/// Sees all that is written to pipes: for faults at an exact place in what two processes say.
class write_observer {
public:
    /// How many of the `size` bytes that come next the pipe takes in this write: 1 at least.
    virtual std::size_t most(const pipe_state& to, std::size_t size) = 0;
    /// They are in the pipe now, or on their way. May kill and cut; called by the thread that
    /// writes, which does not return if its own process is killed by kernel::signal().
    virtual void written(pipe_state& to, const void* from, std::size_t size) = 0;

protected:
    ~write_observer() = default;
};

} // namespace simulation
} // namespace mitogen::inline MITOGEN_ABI
