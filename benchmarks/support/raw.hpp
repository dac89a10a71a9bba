// SPDX-License-Identifier: BSL-1.0
#pragma once
// raw.hpp: the baselines: two processes and a pipe or a socket, with nothing of the library between
// them.

#include "report.hpp"

#include <atomic>
#include <cerrno>
#include <condition_variable>
#include <csignal>
#include <cstddef>
#include <deque>
#include <mutex>
#include <thread>
#include <vector>

#include <fcntl.h>
#include <poll.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

namespace bench::raw {

/// One side of a connection; a socket is both.
struct ends {
    int in = -1;
    int out = -1;
};

inline void set_nonblocking(int fd) {
    if (::fcntl(fd, F_SETFL, ::fcntl(fd, F_GETFL) | O_NONBLOCK) < 0) die("fcntl");
}

/// Writes all of it, whether the descriptor blocks or not.
inline bool write_all(int fd, const void* data, std::size_t size) {
    auto* at = static_cast<const char*>(data);
    while (size) {
        const ssize_t n = ::write(fd, at, size);
        if (n < 0 && errno == EAGAIN) {
            ::pollfd room{fd, POLLOUT, 0};
            ::poll(&room, 1, -1);
            continue;
        }
        if (n <= 0) return false;
        at += n;
        size -= static_cast<std::size_t>(n);
    }
    return true;
}

/// Reads exactly `size` bytes from a blocking descriptor. False at the end.
inline bool read_all(int fd, void* data, std::size_t size) {
    auto* at = static_cast<char*>(data);
    while (size) {
        const ssize_t n = ::read(fd, at, size);
        if (n <= 0) return false;
        at += n;
        size -= static_cast<std::size_t>(n);
    }
    return true;
}

enum class channel { pipe, big_pipe, socket };

/// A process at the far end of a channel that runs `serve(ends)`. Make it before the library starts
/// a thread.
class peer {
    ::pid_t pid_ = -1;

public:
    ends here;

    template <class Serve>
    peer(channel kind, Serve serve) {
        ends there;
        int a[2];
        int b[2];
        if (kind == channel::socket) {
            if (::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, a) != 0) die("socketpair");
            here = {a[0], a[0]};
            there = {a[1], a[1]};
        } else {
            if (::pipe2(a, O_CLOEXEC) != 0 || ::pipe2(b, O_CLOEXEC) != 0) die("pipe2");
            here = {b[0], a[1]};
            there = {a[0], b[1]};
            if (kind == channel::big_pipe) {
                ::fcntl(a[0], F_SETPIPE_SZ, 1 << 20);
                ::fcntl(b[0], F_SETPIPE_SZ, 1 << 20);
            }
        }
        pid_ = ::fork();
        if (pid_ < 0) die("fork");
        if (pid_ == 0) {
            ::prctl(PR_SET_PDEATHSIG, SIGKILL);
            close_all(here);
            serve(there);
            ::_exit(0);
        }
        close_all(there);
    }
    peer(peer&&) = delete;
    ::pid_t pid() const { return pid_; }
    ~peer() {
        ::kill(pid_, SIGKILL);
        ::waitpid(pid_, nullptr, 0);
        close_all(here);
    }

    static void close_all(ends e) {
        ::close(e.in);
        if (e.out != e.in) ::close(e.out);
    }
};

/// A small message: about what a call with two ints and its answer need, headers included.
struct message {
    std::uint32_t caller = 0;
    char rest[60] = {};
};
static_assert(sizeof(message) == 64);

/// Waits for input with epoll, which watches this one descriptor.
class epoll_input {
    int epoll_;
    int fd_;

public:
    explicit epoll_input(int fd) : epoll_(::epoll_create1(EPOLL_CLOEXEC)), fd_(fd) {
        set_nonblocking(fd);
        ::epoll_event e{};
        e.events = EPOLLIN;
        if (::epoll_ctl(epoll_, EPOLL_CTL_ADD, fd, &e) != 0) die("epoll_ctl");
    }
    epoll_input(epoll_input&&) = delete;
    ~epoll_input() { ::close(epoll_); }

    /// Sleeps until there is something, then reads it.
    std::size_t read(void* data, std::size_t size) {
        ::epoll_event e;
        for (;;) {
            if (::epoll_wait(epoll_, &e, 1, -1) < 0) continue;
            const ssize_t n = ::read(fd_, data, size);
            if (n >= 0) return static_cast<std::size_t>(n);
            if (errno != EAGAIN) return 0;
        }
    }
};

/// Server: one thread, epoll_wait, read, write.
inline void serve_epoll(ends link) {
    epoll_input input(link.in);
    std::vector<char> bytes(1 << 20);
    for (;;) {
        const std::size_t n = input.read(bytes.data(), bytes.size());
        if (n == 0 || !write_all(link.out, bytes.data(), n)) return;
    }
}

/// Server: takes `size` bytes whole, then sends them back, as a function that returns its argument
/// must.
inline void serve_echo(ends link, std::size_t size) {
    std::vector<char> bytes(size);
    while (read_all(link.in, bytes.data(), size) && write_all(link.out, bytes.data(), size)) {}
}

/// Server: swallows `size` bytes and answers one.
inline void serve_sink(ends link, std::size_t size) {
    std::vector<char> bytes(std::size_t{1} << 20);
    for (;;) {
        for (std::size_t left = size; left;) {
            const ssize_t n = ::read(link.in, bytes.data(), std::min(left, bytes.size()));
            if (n <= 0) return;
            left -= static_cast<std::size_t>(n);
        }
        if (!write_all(link.out, "", 1)) return;
    }
}

/// The I/O thread of a classic remote-call runtime: others append messages and wake it; it writes
/// what has gathered with one call, and reads what has arrived.
class classic_broker {
    ends link_;
    int epoll_;
    int wake_;
    std::mutex mutex_;
    std::vector<message> out_;
    bool woken_ = false;
    bool stop_ = false;

    void watch(int fd) {
        ::epoll_event e{};
        e.events = EPOLLIN;
        e.data.fd = fd;
        if (::epoll_ctl(epoll_, EPOLL_CTL_ADD, fd, &e) != 0) die("epoll_ctl");
    }

    void ring() {
        const std::uint64_t one = 1;
        if (::write(wake_, &one, sizeof one) != sizeof one) die("eventfd");
    }

public:
    explicit classic_broker(ends link)
        : link_(link), epoll_(::epoll_create1(EPOLL_CLOEXEC)),
          wake_(::eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC)) {
        set_nonblocking(link.in);
        watch(link.in);
        watch(wake_);
    }
    classic_broker(classic_broker&&) = delete;
    ~classic_broker() {
        ::close(epoll_);
        ::close(wake_);
    }

    void post(const message& m) {
        {
            const std::lock_guard lock(mutex_);
            out_.push_back(m);
            if (std::exchange(woken_, true)) return;
        }
        ring();
    }

    void stop() {
        {
            const std::lock_guard lock(mutex_);
            stop_ = true;
        }
        ring();
    }

    /// Calls `arrived(message)` for each; `turned()` after each read's worth.
    template <class Arrived, class Turned>
    void run(Arrived arrived, Turned turned) {
        std::vector<message> writing;
        std::vector<char> in(64 * 1024);
        std::size_t have = 0;
        for (;;) {
            ::epoll_event events[2];
            const int n = ::epoll_wait(epoll_, events, 2, -1);
            for (int i = 0; i < n; ++i) {
                if (events[i].data.fd == wake_) {
                    std::uint64_t count;
                    (void)!::read(wake_, &count, sizeof count);
                    {
                        const std::lock_guard lock(mutex_);
                        if (stop_) return;
                        woken_ = false;
                        writing.swap(out_);
                    }
                    if (!write_all(link_.out, writing.data(), writing.size() * sizeof(message)))
                        return;
                    writing.clear();
                    continue;
                }
                const ssize_t got = ::read(link_.in, in.data() + have, in.size() - have);
                if (got < 0 && errno == EAGAIN) continue;
                if (got <= 0) return;
                have += static_cast<std::size_t>(got);
                std::size_t at = 0;
                for (; have - at >= sizeof(message); at += sizeof(message)) {
                    message m;
                    std::memcpy(&m, in.data() + at, sizeof m);
                    arrived(m);
                }
                std::memmove(in.data(), in.data() + at, have - at);
                have -= at;
                turned();
            }
        }
    }
};

/// One end of a ping-pong with whoever answers each message: write, epoll_wait, read.
class caller {
    ends link_;
    epoll_input input_;

public:
    explicit caller(ends link) : link_(link), input_(link.in) {}
    void call() {
        message m;
        if (!write_all(link_.out, &m, sizeof m)) die("write");
        for (std::size_t got = 0; got < sizeof m;) {
            const std::size_t n = input_.read(&m, sizeof m);
            if (n == 0) die("read");
            got += n;
        }
    }
};

/// Something one thread waits for.
class signal {
    std::mutex mutex_;
    std::condition_variable changed_;
    bool set_ = false;

public:
    void set() {
        {
            const std::lock_guard lock(mutex_);
            set_ = true;
        }
        changed_.notify_one();
    }
    void wait() {
        std::unique_lock lock(mutex_);
        changed_.wait(lock, [&] { return set_; });
        set_ = false;
    }
};

/// Server of a classic runtime: the I/O thread hands each message to a worker, and the worker hands
/// the answer back.
inline void serve_classic(ends link) {
    classic_broker broker(link);
    std::mutex mutex;
    std::condition_variable changed;
    std::deque<message> calls;
    std::thread([&] {
        for (;;) {
            message m;
            {
                std::unique_lock lock(mutex);
                changed.wait(lock, [&] { return !calls.empty(); });
                m = calls.front();
                calls.pop_front();
            }
            broker.post(m);
        }
    }).detach();
    broker.run(
        [&](const message& m) {
            {
                const std::lock_guard lock(mutex);
                calls.push_back(m);
            }
            changed.notify_one();
        },
        [] {});
    ::_exit(0); // the worker still uses what is on this stack
}

/// Server that executes on its I/O thread; the answers to one read leave with one write.
inline void serve_inline(ends link) { serve_epoll(link); }

/// Client of a classic runtime, for any number of callers.
class classic_client {
    classic_broker broker_;
    std::deque<signal> answered_;
    std::thread thread_;

public:
    classic_client(ends link, std::size_t callers) : broker_(link), answered_(callers) {
        thread_ = std::thread([this] {
            broker_.run([this](const message& m) { answered_[m.caller].set(); }, [] {});
        });
    }
    ~classic_client() {
        broker_.stop();
        thread_.join();
    }
    void call(std::uint32_t caller) {
        message m;
        m.caller = caller;
        broker_.post(m);
        answered_[caller].wait();
    }
};

} // namespace bench::raw
