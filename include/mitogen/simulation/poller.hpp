// SPDX-License-Identifier: BSL-1.0
#pragma once
// poller.hpp: readiness of simulated descriptors.

#include <mitogen/base/config.hpp>
#include <mitogen/base/error.hpp>
#include <mitogen/base/time.hpp>
#include <mitogen/io/policy.hpp>
#include <mitogen/simulation/file.hpp>
#include <mitogen/simulation/kernel.hpp>
#include <mitogen/simulation/owned.hpp>
#include <mitogen/simulation/scheduler.hpp>

#include <cerrno>
#include <cstdint>
#include <iterator>
#include <map>
#include <memory>
#include <set>
#include <utility>

namespace mitogen::inline MITOGEN_ABI {
namespace io {

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
        return f &&
               ((wants_read(r.what) && f->readable()) || (wants_write(r.what) && f->writable()));
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
        if (n == 0 && !registered_.empty() &&
            kernel_->numbers().chance(kernel_->faults().spurious_readiness)) {
            auto r = registered_.begin();
            std::advance(r,
                         static_cast<std::ptrdiff_t>(kernel_->numbers().below(registered_.size())));
            if (r->second.what != interest::none)
                out[n++] = {r->second.token, wants_read(r->second.what),
                            wants_write(r->second.what)};
        }
        for (int i = n - 1; i > 0; --i)
            std::swap(out[i], out[kernel_->numbers().below(static_cast<std::uint64_t>(i) + 1)]);
        return n;
    }

    instant deadline_of(duration_ns timeout) const {
        return timeout < 0 ? never : detail::after(kernel_->threads().now(), timeout);
    }

public:
    static constexpr bool has_gate = true;
    static constexpr bool any_thread_registers = true;

    template <class Io>
    explicit simulated_poller(Io& io) : kernel_(&io.kernel()) {
        for (simulated_descriptor& d : reserved_) {
            const int fd = kernel_->open(std::make_shared<simulation::flag>());
            if (fd < 0)
                raise(error(reason::overloaded, "simulated: no descriptor left for a poller"));
            d = simulated_descriptor(*kernel_, fd);
        }
    }
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

} // namespace io
} // namespace mitogen::inline MITOGEN_ABI
