// SPDX-License-Identifier: BSL-1.0
#pragma once
// waiting_line.hpp: of a broker without a thread: those who wait until they may lead, one after the other.

#include <mitogen/base/config.hpp>
#include <mitogen/sync/waiter.hpp>

#include <mutex>

namespace mitogen::inline MITOGEN_ABI {

/// Threads that want to lead while another one does, first come first woken. Threads: any.
template <class Io>
class basic_waiting_line {
    typename Io::mutex mutex_;

public:
    explicit basic_waiting_line(Io& io) : mutex_(io) {}

    /// A thread stands in the line as long as this lives.
    class place {
        friend basic_waiting_line;

        basic_waiting_line& line_;
        waiter<Io>& mine_;
        place* behind_ = nullptr;

    public:
        place(basic_waiting_line& line, waiter<Io>& mine) : line_(line), mine_(mine) {
            const std::lock_guard lock(line_.mutex_);
            place** last = &line_.first_;
            while (*last) last = &(*last)->behind_;
            *last = this;
        }
        place(place&&) = delete;
        ~place() {
            const std::lock_guard lock(line_.mutex_);
            place** at = &line_.first_;
            while (*at != this) at = &(*at)->behind_;
            *at = behind_;
        }
    };

    /// Somebody may lead now.
    void wake_first() noexcept {
        const std::lock_guard lock(mutex_);
        if (first_) first_->mine_.notify();
    }

private:
    place* first_ = nullptr; // linked through them
};

} // namespace mitogen::inline MITOGEN_ABI
