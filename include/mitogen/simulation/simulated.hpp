// SPDX-License-Identifier: BSL-1.0
#pragma once
// simulated.hpp: the I/O policy of a simulated world.

#include <mitogen/base/config.hpp>
#include <mitogen/base/error.hpp>
#include <mitogen/base/function.hpp>
#include <mitogen/base/result.hpp>
#include <mitogen/base/time.hpp>
#include <mitogen/io/policy.hpp>
#include <mitogen/simulation/kernel.hpp>

#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

namespace mitogen::inline MITOGEN_ABI {
namespace io {

class simulated;

/// A descriptor of the process in which it was made.
class simulated_descriptor {
    simulation::kernel* kernel_ = nullptr;
    int fd_ = -1;

public:
    simulated_descriptor() = default;
    simulated_descriptor(simulation::kernel& k, int fd) noexcept : kernel_(&k), fd_(fd) {}
    simulated_descriptor(simulated_descriptor&& other) noexcept : kernel_(other.kernel_), fd_(std::exchange(other.fd_, -1)) {}
    simulated_descriptor& operator=(simulated_descriptor&& other) noexcept {
        if (this != &other) {
            reset();
            kernel_ = other.kernel_;
            fd_ = std::exchange(other.fd_, -1);
        }
        return *this;
    }
    ~simulated_descriptor() { reset(); }

    int get() const noexcept { return fd_; }
    explicit operator bool() const noexcept { return fd_ >= 0; }
    int release() noexcept { return std::exchange(fd_, -1); }
    void reset() noexcept {
        if (const int fd = std::exchange(fd_, -1); fd >= 0) kernel_->close(fd);
    }
};

/// A simulated child process; as sys::process.
class simulated_process {
    simulation::kernel* kernel_ = nullptr;
    std::uint32_t pid_ = 0;
    simulated_descriptor watch_;
    std::optional<exit_status> status_;

public:
    simulated_process() = default;
    simulated_process(simulation::kernel& k, std::uint32_t pid) : kernel_(&k), pid_(pid) {
        const int fd = k.open(k.find(pid)->exit_watch);
        if (fd >= 0) watch_ = simulated_descriptor(k, fd);
    }
    simulated_process(simulated_process&& other) noexcept
        : kernel_(other.kernel_), pid_(std::exchange(other.pid_, 0)), watch_(std::move(other.watch_)),
          status_(std::exchange(other.status_, std::nullopt)) {}
    simulated_process& operator=(simulated_process&& other) noexcept {
        if (this != &other) {
            stop();
            kernel_ = other.kernel_;
            pid_ = std::exchange(other.pid_, 0);
            watch_ = std::move(other.watch_);
            status_ = std::exchange(other.status_, std::nullopt);
        }
        return *this;
    }
    ~simulated_process() { stop(); }

    int pid() const noexcept { return pid_ ? static_cast<int>(pid_) : -1; }
    int poll_fd() const noexcept { return watch_.get(); }
    bool running() const noexcept { return pid_ && !status_; }
    std::optional<exit_status> try_wait() {
        if (running()) {
            status_ = kernel_->reap(pid_);
            if (status_) watch_.reset();
        }
        return status_;
    }
    exit_status wait() {
        while (running() && !try_wait()) {
            simulation::file& end = *kernel_->find(pid_)->exit_watch;
            end.sleep_on(*kernel_->threads().current());
            kernel_->threads().block("the end of a process");
            end.awake(*kernel_->threads().current());
        }
        return status_.value_or(exit_status{-1, 0});
    }
    long signal(int number) { return running() ? kernel_->signal(pid_, number) : 0; }
    void forget() noexcept {
        pid_ = 0;
        watch_.reset();
        status_.reset();
    }
    void stop() noexcept {
        if (!running()) return;
        static_cast<void>(signal(9));
        static_cast<void>(wait());
    }
};

/// As posix_mutex. Whoever finds it free takes it: no order among those who wait.
class simulated_mutex {
    simulation::kernel* kernel_;
    bool locked_ = false;
    std::vector<simulation::thread*> waiting_;

public:
    explicit simulated_mutex(simulated& io) noexcept;
    simulated_mutex(simulated_mutex&&) = delete;

    void lock() {
        kernel_->threads().point('l');
        while (locked_) {
            waiting_.push_back(kernel_->threads().current());
            kernel_->threads().block("a mutex");
        }
        locked_ = true;
    }
    bool try_lock() {
        kernel_->threads().point('l');
        return !std::exchange(locked_, true);
    }
    void unlock() {
        locked_ = false;
        for (simulation::thread* t : std::exchange(waiting_, {})) kernel_->threads().wake(*t);
        kernel_->threads().point('u');
    }
};

/// As posix_parker.
class simulated_parker {
    simulation::kernel* kernel_;
    bool token_ = false;
    simulation::thread* asleep_ = nullptr;

public:
    explicit simulated_parker(simulated& io) noexcept;
    simulated_parker(simulated_parker&&) = delete;

    void park() { static_cast<void>(park_until(never)); }
    bool park_until(instant deadline) {
        simulation::scheduler& threads = kernel_->threads();
        threads.point('P');
        while (!token_ && (deadline == never || threads.now() < deadline)) {
            asleep_ = threads.current();
            threads.block("a parker", deadline);
            asleep_ = nullptr;
        }
        return std::exchange(token_, false);
    }
    void unpark() noexcept {
        token_ = true;
        if (asleep_) kernel_->threads().wake(*asleep_);
        kernel_->threads().point('U');
    }
};

/// As eventfd_waker.
class simulated_waker {
    simulation::kernel* kernel_;
    std::shared_ptr<simulation::flag> flag_ = std::make_shared<simulation::flag>();
    simulated_descriptor fd_;

public:
    explicit simulated_waker(simulated& io);
    simulated_waker(simulated_waker&&) = delete;

    int fd() const noexcept { return fd_.get(); }
    void wake() noexcept {
        flag_->raise(kernel_->threads());
        kernel_->threads().point('w');
    }
    void drain() noexcept {
        kernel_->threads().point('d');
        flag_->lower();
    }
    void recreate() {}
};

/// As epoll_poller, with a gate.
class simulated_poller final : simulation::observer {
    struct registration {
        std::uint64_t token;
        interest what;
    };

    simulation::kernel* kernel_;
    simulated_descriptor reserved_[3]; // what an epoll poller holds
    std::map<int, registration> registered_;
    std::set<int> hot_; // may be ready: to be looked at
    int last_ = -1;     // the last one reported
    simulation::thread* waiting_ = nullptr;
    simulation::thread* at_gate_ = nullptr;
    bool gate_open_ = true;
    bool kicked_ = false;

    void changed(int fd) override {
        hot_.insert(fd);
        if (waiting_) kernel_->threads().wake(*waiting_);
        if (gate_open_ && at_gate_) kernel_->threads().wake(*at_gate_);
    }

    bool is_ready(int fd, const registration& r) const {
        const simulation::file* f = kernel_->at(fd);
        return f && ((wants_read(r.what) && f->readable()) || (wants_write(r.what) && f->writable()));
    }

    bool any_ready() {
        for (auto at = hot_.begin(); at != hot_.end();) {
            const auto r = registered_.find(*at);
            if (r != registered_.end() && is_ready(r->first, r->second)) return true;
            at = hot_.erase(at);
        }
        return false;
    }

    int collect(event* out, int capacity) {
        int n = 0;
        auto at = hot_.upper_bound(last_); // where the last wait stopped: each has its turn
        for (std::size_t left = hot_.size(); left != 0 && n < capacity; --left) {
            if (at == hot_.end()) at = hot_.begin();
            const auto r = registered_.find(*at);
            if (r == registered_.end() || !is_ready(r->first, r->second)) {
                at = hot_.erase(at);
                continue;
            }
            const simulation::file* f = kernel_->at(r->first);
            out[n++] = {r->second.token, f->readable(), f->writable()};
            last_ = *at++;
        }
        if (n == 0 && !registered_.empty() && kernel_->numbers().chance(kernel_->faults().spurious_readiness)) {
            auto r = registered_.begin();
            std::advance(r, static_cast<std::ptrdiff_t>(kernel_->numbers().below(registered_.size())));
            if (r->second.what != interest::none)
                out[n++] = {r->second.token, wants_read(r->second.what), wants_write(r->second.what)};
        }
        for (int i = n - 1; i > 0; --i) std::swap(out[i], out[kernel_->numbers().below(static_cast<std::uint64_t>(i) + 1)]);
        return n;
    }

    instant deadline_of(duration_ns timeout) const {
        return timeout < 0 ? never : after(kernel_->threads().now(), timeout);
    }

public:
    static constexpr bool has_gate = true;
    static constexpr bool any_thread_registers = true;

    explicit simulated_poller(simulated& io);
    simulated_poller(simulated_poller&&) = delete;
    ~simulated_poller() {
        for (const auto& [fd, r] : registered_)
            if (simulation::file* f = kernel_->at(fd)) f->forget(*this, fd);
    }

    long add(int fd, std::uint64_t token, interest i) {
        simulation::file* f = kernel_->at(fd);
        if (!f) return -EBADF;
        if (!registered_.emplace(fd, registration{token, i}).second) return -EEXIST;
        f->observe(*this, fd, *kernel_->self().group);
        changed(fd);
        return 0;
    }
    long modify(int fd, std::uint64_t token, interest i) {
        const auto r = registered_.find(fd);
        if (r == registered_.end()) return -ENOENT;
        r->second = {token, i};
        changed(fd);
        return 0;
    }
    void remove(int fd) {
        if (registered_.erase(fd) == 0) return;
        hot_.erase(fd);
        if (simulation::file* f = kernel_->at(fd)) f->forget(*this, fd);
    }
    int wait(event* out, int capacity, duration_ns timeout) {
        simulation::scheduler& threads = kernel_->threads();
        threads.point('e');
        const instant deadline = deadline_of(timeout);
        for (;;) {
            if (const int n = collect(out, capacity); n != 0) return n;
            if (timeout == 0 || threads.now() >= deadline) return 0;
            if (kernel_->numbers().chance(kernel_->faults().early_wait)) return 0;
            waiting_ = threads.current();
            threads.block("a poller", deadline);
            waiting_ = nullptr;
        }
    }
    void recreate() {}

    void open_gate() noexcept {
        gate_open_ = true;
        if (at_gate_ && any_ready()) kernel_->threads().wake(*at_gate_);
        kernel_->threads().point('g');
    }
    void close_gate() noexcept { gate_open_ = false; }
    void kick_gate() noexcept {
        kicked_ = true;
        if (at_gate_) kernel_->threads().wake(*at_gate_);
        kernel_->threads().point('K');
    }
    bool wait_gate(duration_ns timeout) {
        simulation::scheduler& threads = kernel_->threads();
        threads.point('G');
        const instant deadline = deadline_of(timeout);
        for (;;) {
            if (std::exchange(kicked_, false)) return true;
            if (gate_open_ && any_ready()) return true;
            if (threads.now() >= deadline) return false;
            at_gate_ = threads.current();
            threads.block("a poller's gate", deadline);
            at_gate_ = nullptr;
        }
    }
};

/// As posix_thread.
class simulated_thread {
    struct link {
        bool finished = false;
        simulation::thread* joiner = nullptr;
    };

    simulation::kernel* kernel_ = nullptr;
    std::shared_ptr<link> link_;

public:
    simulated_thread() = default;
    simulated_thread(simulated& io, const char* name, unique_function<void()> body);
    simulated_thread(simulated_thread&& other) noexcept = default;
    simulated_thread& operator=(simulated_thread&& other) noexcept {
        if (this != &other) {
            join();
            kernel_ = other.kernel_;
            link_ = std::move(other.link_);
        }
        return *this;
    }
    ~simulated_thread() { join(); }

    void join() noexcept {
        const auto joined = std::exchange(link_, nullptr);
        while (joined && !joined->finished) {
            joined->joiner = kernel_->threads().current();
            kernel_->threads().block("the end of a thread");
        }
    }
    bool joinable() const noexcept { return link_ != nullptr; }
    void forget() noexcept { link_.reset(); }
};

/// The policy of a simulated world: virtual time, threads that are fibers of one real thread, pipes and processes that exist in
/// memory only, and faults. A handle; every copy is equal. Made by simulation::world.
///
/// Threads: the world's only.
class simulated {
    simulation::kernel* kernel_;

    /// One transfer of several parts: only the first may sleep, and nobody comes in between.
    template <class First, class Rest>
    static long in_parts(const ::iovec* parts, int count, First&& first, Rest&& rest) {
        long done = 0;
        for (int i = 0; i < count; ++i) {
            if (parts[i].iov_len == 0) continue;
            const long n = done == 0 ? first(parts[i]) : rest(parts[i]);
            if (n <= 0) return done ? done : n;
            done += n;
            if (static_cast<std::size_t>(n) < parts[i].iov_len) break;
        }
        return done;
    }

public:
    using descriptor = simulated_descriptor;
    using process = simulated_process;
    using poller = simulated_poller;
    using waker = simulated_waker;
    using parker = simulated_parker;
    using mutex = simulated_mutex;
    using thread = simulated_thread;

    /// A simulated process has no fork().
    static constexpr bool can_fork = false;

    /// The world in which this is called: only inside of one.
    simulated() noexcept : kernel_(simulation::kernel::here()) {}
    explicit simulated(simulation::kernel& k) noexcept : kernel_(&k) {}

    simulation::kernel& kernel() const noexcept { return *kernel_; }

    instant now() const noexcept { return kernel_->threads().now(); }
    const void* self() const noexcept { return kernel_->threads().current(); }
    void relax() const { kernel_->threads().point('y'); }

    long read(int fd, void* to, std::size_t size) const { return kernel_->read(fd, to, size); }
    long write(int fd, const void* from, std::size_t size) const { return kernel_->write(fd, from, size); }
    long readv(int fd, const ::iovec* parts, int count) const {
        return in_parts(
            parts, count, [&](const ::iovec& part) { return kernel_->read(fd, part.iov_base, part.iov_len); },
            [&](const ::iovec& part) { return kernel_->at(fd)->read(part.iov_base, part.iov_len); });
    }
    long writev(int fd, const ::iovec* parts, int count) const {
        return in_parts(
            parts, count, [&](const ::iovec& part) { return kernel_->write(fd, part.iov_base, part.iov_len); },
            [&](const ::iovec& part) { return kernel_->at(fd)->write(part.iov_base, part.iov_len); });
    }
    result<process> spawn(const sys::spawn_options& options) const {
        result<std::uint32_t> pid = kernel_->spawn(options);
        if (!pid) return pid.error();
        return process(*kernel_, *pid);
    }

    long pipe(descriptor& read_end, descriptor& write_end) const {
        int in = -1;
        int out = -1;
        const long rc = kernel_->pipe(in, out);
        if (rc < 0) return rc;
        read_end = descriptor(*kernel_, in);
        write_end = descriptor(*kernel_, out);
        return 0;
    }
    long set_nonblocking(int fd, bool on) const { return kernel_->set_nonblocking(fd, on); }
    void enlarge(int) const noexcept {}
    long read_waiting(int fd, void* to, std::size_t size) const { return kernel_->read(fd, to, size, true); }
    bool write_all(int fd, const void* from, std::size_t size) const {
        const auto* p = static_cast<const char*>(from);
        while (size != 0) {
            const long n = kernel_->write(fd, p, size, true);
            if (n <= 0) return false;
            p += n;
            size -= static_cast<std::size_t>(n);
        }
        return true;
    }
    int own_pid() const noexcept { return static_cast<int>(kernel_->self().pid); }
    std::string own_name() const { return "simulated:" + std::to_string(kernel_->self().pid); }
    bool can_spawn_self() const noexcept { return true; }
    void signal_self(int number) const { static_cast<void>(kernel_->signal(kernel_->self().pid, number)); }
    void set_title(const std::string& title) const { kernel_->self().group->name = title; }
    descriptor capture_stdout() const { return {}; }
    void release_stdout() const noexcept {}

    /// Sleeps, in virtual time: for functions that take a while.
    void sleep_for(duration_ns span) const { static_cast<void>(kernel_->threads().block("sleep_for", after(now(), span))); }
    /// Never returns: for functions that hang.
    [[noreturn]] void hang() const {
        for (;;) static_cast<void>(kernel_->threads().block("hang"));
    }
    /// Ends this simulated process as by SIGKILL: for functions that crash.
    [[noreturn]] void crash() const {
        signal_self(9);
        hang();
    }
};

inline simulated_mutex::simulated_mutex(simulated& io) noexcept : kernel_(&io.kernel()) {}
inline simulated_parker::simulated_parker(simulated& io) noexcept : kernel_(&io.kernel()) {}
inline simulated_waker::simulated_waker(simulated& io) : kernel_(&io.kernel()) {
    const int fd = kernel_->open(flag_);
    if (fd < 0) raise(error(reason::overloaded, "simulated: no descriptor left for a waker"));
    fd_ = simulated_descriptor(*kernel_, fd);
}
inline simulated_poller::simulated_poller(simulated& io) : kernel_(&io.kernel()) {
    for (simulated_descriptor& d : reserved_) {
        const int fd = kernel_->open(std::make_shared<simulation::flag>());
        if (fd < 0) raise(error(reason::overloaded, "simulated: no descriptor left for a poller"));
        d = simulated_descriptor(*kernel_, fd);
    }
}
inline simulated_thread::simulated_thread(simulated& io, const char* name, unique_function<void()> body)
    : kernel_(&io.kernel()), link_(std::make_shared<link>()) {
    simulation::scheduler& threads = kernel_->threads();
    threads.start(kernel_->self().group, name, [&threads, link = link_, body = std::move(body)]() mutable {
        body();
        body.reset();
        link->finished = true;
        if (link->joiner) threads.wake(*link->joiner);
    });
    threads.point('t');
}

static_assert(policy<simulated>);

} // namespace io
} // namespace mitogen::inline MITOGEN_ABI
