// SPDX-License-Identifier: BSL-1.0
#pragma once
// primitives.hpp: how simulated threads exclude, put to sleep, interrupt and start one another.

#include <mitogen/base/config.hpp>
#include <mitogen/base/error.hpp>
#include <mitogen/base/function.hpp>
#include <mitogen/base/time.hpp>
#include <mitogen/simulation/file.hpp>
#include <mitogen/simulation/kernel.hpp>
#include <mitogen/simulation/owned.hpp>
#include <mitogen/simulation/scheduler.hpp>

#include <memory>
#include <utility>
#include <vector>

namespace mitogen::inline MITOGEN_ABI {
namespace io {

/// As posix_mutex. Whoever finds it free takes it: no order among those who wait.
class simulated_mutex {
    simulation::kernel* kernel_;
    bool locked_ = false;
    std::vector<simulation::thread*> waiting_;

public:
    template <class Io>
    explicit simulated_mutex(Io& io) noexcept : kernel_(&io.kernel()) {}
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
    template <class Io>
    explicit simulated_parker(Io& io) noexcept : kernel_(&io.kernel()) {}
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
    template <class Io>
    explicit simulated_waker(Io& io) : kernel_(&io.kernel()) {
        const int fd = kernel_->open(flag_);
        if (fd < 0) raise(error(reason::overloaded, "simulated: no descriptor left for a waker"));
        fd_ = simulated_descriptor(*kernel_, fd);
    }
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
    template <class Io>
    simulated_thread(Io& io, const char* name, unique_function<void()> body)
        : kernel_(&io.kernel()), link_(std::make_shared<link>()) {
        simulation::scheduler& threads = kernel_->threads();
        threads.start(kernel_->self().group, name,
                      [&threads, link = link_, body = std::move(body)]() mutable {
                          body();
                          body.reset();
                          link->finished = true;
                          if (link->joiner) threads.wake(*link->joiner);
                      });
        threads.point('t');
    }
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

} // namespace io
} // namespace mitogen::inline MITOGEN_ABI
