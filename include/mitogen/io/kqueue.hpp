// SPDX-License-Identifier: BSL-1.0
#pragma once
// kqueue.hpp: the policy for BSD and macOS; empty elsewhere.

#include <mitogen/base/config.hpp>
#include <mitogen/base/error.hpp>
#include <mitogen/base/result.hpp>
#include <mitogen/base/time.hpp>
#include <mitogen/io/construction.hpp>
#include <mitogen/io/policy.hpp>
#include <mitogen/io/posix.hpp>
#include <mitogen/io/waker.hpp>
#include <mitogen/os/call.hpp>
#include <mitogen/os/kqueue.hpp>
#include <mitogen/os/mutex.hpp>

#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <type_traits>
#include <utility>
#include <vector>
#if MITOGEN_HAS_KQUEUE
#include <mutex>
#endif

namespace mitogen::inline MITOGEN_ABI {
namespace io {

#if MITOGEN_HAS_KQUEUE

/// Readiness by kqueue(2), level-triggered.
///
/// A descriptor that is ready both ways is two kernel events; they become one if they arrive
/// together, else two. Threads: wait() one at a time; recreate() alone; the rest any. Throws:
/// error(kind::overloaded) when out of descriptors.
class kqueue_poller {
    struct registration {
        std::uint64_t token = 0;
        interest wanted = interest::none;
        bool known = false;
        os::unique_fd writing; // only for libkqueue, see write_ident()
    };

    os::unique_fd queue_;
    posix_mutex mutex_;
    // by descriptor: an event's user data has no room for 64 bits everywhere
    std::vector<registration> known_;

    void open() {
        const long rc = os::kqueue_create();
        if (rc < 0) mitogen::detail::construction::fail(os::failure("kqueue", rc));
        queue_.reset(static_cast<int>(rc));
    }

    long change(int fd, int ident, int filter, unsigned flags) {
        return os::kqueue_change(queue_.get(), ident, filter, flags, 0, fd);
    }

    // The descriptor to register for writing: libkqueue refuses reading and writing on one, so
    // there it is a duplicate.
    static long write_ident([[maybe_unused]] registration& r, int fd) {
#if defined(LIBKQUEUE)
        if (r.writing) return r.writing.get();
        const long copy = os::dup_above(fd, 3);
        if (copy >= 0) r.writing.reset(static_cast<int>(copy));
        return copy;
#else
        return fd;
#endif
    }

    // Makes the kernel's registrations those of `wanted`; on failure the ones that were there stay.
    long apply(registration& r, int fd, interest wanted) {
        long rc = 0;
        if (wants_read(wanted) != wants_read(r.wanted)) {
            rc = change(fd, fd, EVFILT_READ, wants_read(wanted) ? EV_ADD : EV_DELETE);
            if (rc < 0) return rc;
        }
        if (wants_write(wanted) && !wants_write(r.wanted)) {
            rc = write_ident(r, fd);
            if (rc >= 0) rc = change(fd, static_cast<int>(rc), EVFILT_WRITE, EV_ADD);
            if (rc < 0 && wants_read(wanted) && !wants_read(r.wanted))
                static_cast<void>(change(fd, fd, EVFILT_READ, EV_DELETE));
            if (rc < 0) return rc;
        } else if (!wants_write(wanted) && wants_write(r.wanted)) {
            // before the duplicate is closed
            static_cast<void>(
                change(fd, r.writing ? r.writing.get() : fd, EVFILT_WRITE, EV_DELETE));
            r.writing.reset();
        }
        r.wanted = wanted;
        return 0;
    }

    registration* find(int fd) noexcept {
        const auto i = static_cast<std::size_t>(fd);
        return fd >= 0 && i < known_.size() && known_[i].known ? &known_[i] : nullptr;
    }

public:
    static constexpr bool has_gate = false;
    static constexpr bool any_thread_registers = true;

    template <class Io>
    explicit kqueue_poller(Io& io) : mutex_(io) {
        open();
    }
    kqueue_poller(kqueue_poller&&) = delete;

    /// Registers a descriptor. 0 or -errno: -EEXIST if it is registered, -EBADF if it is not open.
    long add(int fd, std::uint64_t token, interest i) {
        if (fd < 0) return -EBADF;
        const std::lock_guard lock(mutex_);
        if (find(fd)) return -EEXIST;
        if (static_cast<std::size_t>(fd) >= known_.size())
            known_.resize(static_cast<std::size_t>(fd) + 1);
        registration& r = known_[static_cast<std::size_t>(fd)];
        const long rc = apply(r, fd, i);
        r.known = rc >= 0;
        r.token = token;
        return rc;
    }

    /// Changes the token and the interest of a registered descriptor. 0 or -errno.
    long modify(int fd, std::uint64_t token, interest i) {
        const std::lock_guard lock(mutex_);
        registration* r = find(fd);
        if (!r) return -ENOENT;
        r->token = token;
        return apply(*r, fd, i);
    }

    /// Forgets a descriptor, which must still be open.
    void remove(int fd) {
        const std::lock_guard lock(mutex_);
        registration* r = find(fd);
        if (!r) return;
        static_cast<void>(apply(*r, fd, interest::none));
        *r = {};
    }

    /// Waits for events; see io::has_poller. One system call.
    int wait(event* out, int capacity, duration_ns timeout) {
        constexpr int most = 128;
        struct ::kevent ready[most];
        const long n =
            os::kqueue_wait(queue_.get(), ready, capacity < most ? capacity : most, timeout);
        if (n <= 0) return static_cast<int>(n);
        int made = 0;
        const std::lock_guard lock(mutex_);
        for (long i = 0; i < n; ++i) {
            const registration* r =
                find(static_cast<int>(reinterpret_cast<std::intptr_t>(ready[i].udata)));
            if (!r) continue; // removed by another thread meanwhile
            if (made == 0 || out[made - 1].token != r->token)
                out[made++] = {r->token, false, false};
            (ready[i].filter == EVFILT_READ ? out[made - 1].readable : out[made - 1].writable) =
                true;
        }
        return made;
    }

    /// In the child after fork: a kqueue of its own, with nothing registered.
    void recreate() {
        known_.clear();
#if !defined(LIBKQUEUE)
        // the kernel has closed it: the number may already belong to something else
        static_cast<void>(queue_.release());
#endif
        queue_.reset();
        open();
    }
};

#if defined(LIBKQUEUE)
/// libkqueue accepts pipes, sockets and terminals, but neither pidfd nor eventfd: processes are as
/// on a system that has no such thing.
class unwatched_process : public os::kill_on_destroy_process {
public:
    using os::kill_on_destroy_process::kill_on_destroy_process;
    explicit unwatched_process(os::kill_on_destroy_process&& p) noexcept
        : os::kill_on_destroy_process(std::move(p)) {}

    /// None: always -1.
    int poll_fd() const noexcept { return -1; }
};
#endif

/// The policy that uses kqueue(2).
struct kqueue : posix {
    using poller = kqueue_poller;
    using waker = pipe_waker;
#if defined(LIBKQUEUE)
    using process = unwatched_process;

    /// As os::spawn.
    result<process> spawn(const os::spawn_options& options) const {
        auto made = os::spawn(options);
        if (!made) return made.error();
        return process(std::move(*made));
    }
#endif
};

static_assert(policy<kqueue>);
static_assert(std::is_empty_v<kqueue>);

#endif

} // namespace io
} // namespace mitogen::inline MITOGEN_ABI
