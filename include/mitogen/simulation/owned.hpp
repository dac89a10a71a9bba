// SPDX-License-Identifier: BSL-1.0
#pragma once
// owned.hpp: descriptors and processes of a simulated world, as values.

#include <mitogen/base/config.hpp>
#include <mitogen/simulation/kernel.hpp>

#include <cstdint>
#include <optional>
#include <utility>

namespace mitogen::inline MITOGEN_ABI {
namespace io {

/// A descriptor of the process in which it was made.
class simulated_descriptor {
    simulation::kernel* kernel_ = nullptr;
    int fd_ = -1;

public:
    simulated_descriptor() = default;
    simulated_descriptor(simulation::kernel& k, int fd) noexcept : kernel_(&k), fd_(fd) {}
    simulated_descriptor(simulated_descriptor&& other) noexcept
        : kernel_(other.kernel_), fd_(std::exchange(other.fd_, -1)) {}
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

/// A simulated child process; as os::kill_on_destroy_process.
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
        : kernel_(other.kernel_), pid_(std::exchange(other.pid_, 0)),
          watch_(std::move(other.watch_)), status_(std::exchange(other.status_, std::nullopt)) {}
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
        while (running() && !try_wait())
            kernel_->sleep_until_changed(*kernel_->find(pid_)->exit_watch, "the end of a process");
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

} // namespace io
} // namespace mitogen::inline MITOGEN_ABI
