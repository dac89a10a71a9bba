// SPDX-License-Identifier: BSL-1.0
#pragma once
// writer.hpp: the half of a link that writes: any thread queues, one at a time writes, and room is
// waited for here.

#include <mitogen/base/config.hpp>
#include <mitogen/base/limits.hpp>
#include <mitogen/base/time.hpp>
#include <mitogen/link/flush_mode.hpp>
#include <mitogen/loop/broker_engine.hpp>
#include <mitogen/loop/watch_table.hpp>
#include <mitogen/loop/work_queue.hpp>
#include <mitogen/protocol/message.hpp>
#include <mitogen/protocol/send_queue.hpp>
#include <mitogen/sync/waiter.hpp>

#include <atomic>
#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <mutex>
#include <span>
#include <utility>
#include <vector>

namespace mitogen::inline MITOGEN_ABI {

namespace detail {

template <class Io>
class basic_transport;

/// Part of a basic_transport, which says what its functions do, and lives as long.
///
/// Whoever finds the writer free writes; others leave their bytes with the one that does (flat
/// combining). Nobody ever blocks in a write: what the descriptor does not take is written by the
/// loop when it does. (Two ends that block in write() against each other hang: a UNIX socket is
/// full after 278 small writes, whatever SO_SNDBUF says.)
///
/// Threads: push(), queued() and bytes_out() any; the waits any but the loop; the rest the loop.
template <class Io>
class basic_writer {
    using transport = basic_transport<Io>;

    struct source : event_source {
        basic_writer* self;
    };
    struct task : loop_task {
        basic_writer* self;
    };

    transport& transport_;
    broker_engine<Io>& broker_;
    typename Io::descriptor out_;
    source source_{};

    typename Io::mutex mutex_; // guards what follows
    send_queue queue_;
    send_batch batch_;           // in the hands of whoever set writing_
    std::uint64_t in_batch_ = 0; // its size when it was taken
    bool writing_ = false;
    bool refusing_ = false; // nothing more is taken
    long write_error_ = 0;
    std::uint64_t queue_limit_;
    std::vector<waiter<Io>*> room_waiters_;
    std::vector<std::weak_ptr<transport>> paused_; // whose readers wait for room here
    std::atomic<std::uint64_t> room_epoch_{0};
    task task_{};
    std::shared_ptr<transport> posted_; // keeps this alive while task_ is posted
    enum class errand : std::uint8_t { none, flush, await_writable, fail } errand_ = errand::none;

    std::atomic<std::uint64_t> bytes_out_{0};

    static constexpr int max_rounds = 16;

public:
    basic_writer(transport& whole, broker_engine<Io>& loop, typename Io::descriptor out,
                 const limits& bounds)
        : transport_(whole), broker_(loop), out_(std::move(out)), mutex_(loop.io()),
          queue_limit_(bounds.queue_bytes) {
        source_.fd = out_.get();
        source_.self = this;
        source_.ready = [](event_source& s, bool, bool) {
            basic_writer& self = *static_cast<source&>(s).self;
            const auto keep = self.transport_.shared_from_this();
            self.writable();
        };
        task_.self = this;
        task_.run = [](loop_task& t) { static_cast<task&>(t).self->run_errand(); };
    }

    basic_writer(basic_writer&&) = delete;

    /// Calls `add(queue)` and, if `when` says so, writes. False if nothing more is taken.
    template <class Add>
    bool push(Add&& add, flush_mode when) {
        std::unique_lock lock(mutex_);
        if (refusing_) return false;
        add(queue_);
        if (writing_) return true; // whoever writes takes it along
        writing_ = true;
        if (when == flush_mode::now) {
            drain(lock);
            return true;
        }
        post(errand::flush); // writing_ stays set for the loop
        return !refusing_;
    }

    /// Passes on a frame; `over_limit`: more waits now than limits::queue_bytes.
    bool forward(const header& h, std::span<const std::byte> payload, bool& over_limit) {
        return push(
            [&](send_queue& queue) {
                queue.forward(h, payload);
                over_limit = backlog() > queue_limit_;
            },
            flush_mode::soon);
    }

    /// Writes what was left to the loop.
    void write_instead() {
        std::unique_lock lock(mutex_);
        if (!posted_ || errand_ != errand::flush) return;
        errand_ = errand::none;
        drain(lock);
    }

    void hold(transport& sender) {
        const std::lock_guard lock(mutex_);
        if (refusing_ || &sender == &transport_) return;
        for (const auto& reader : paused_)
            if (reader.lock().get() == &sender) return;
        paused_.push_back(sender.weak_from_this());
        sender.pause();
    }

    bool wait_for_room(instant deadline) {
        waiter<Io> wake(broker_.io());
        std::unique_lock lock(mutex_);
        return refusing_ || backlog() < queue_limit_ || sleep(wake, lock, deadline);
    }

    bool wait_written(instant deadline) {
        for (;;) {
            waiter<Io> wake(broker_.io());
            std::unique_lock lock(mutex_);
            if (refusing_ || (!writing_ && queue_.empty())) return true;
            if (!sleep(wake, lock, deadline)) return false;
        }
    }

    /// Bytes that wait to be written; those of a write that is under way are counted until all of
    /// it is done.
    std::uint64_t queued() {
        const std::lock_guard lock(mutex_);
        return backlog();
    }
    std::uint64_t bytes_out() const noexcept { return bytes_out_.load(std::memory_order_relaxed); }

    /// From now on nothing is taken, and nobody waits.
    void refuse() {
        const std::lock_guard lock(mutex_);
        refusing_ = true;
        wake_room_waiters();
    }

    /// Behind refuse().
    void close() {
        broker_.unwatch(source_);
        const std::lock_guard lock(mutex_);
        // else the thread that writes closes it
        if (!writing_ || source_.interest == io::interest::write) out_.reset();
    }

    void abandon() noexcept { out_.reset(); }

private:
    std::uint64_t backlog() const noexcept { return queue_.queued() + in_batch_; } // under mutex_

    /// Sleeps until room is made; false at the deadline. `lock` is given up meanwhile.
    bool sleep(waiter<Io>& wake, std::unique_lock<typename Io::mutex>& lock, instant deadline) {
        room_waiters_.push_back(&wake);
        const std::uint64_t epoch = room_epoch_.load(std::memory_order_relaxed);
        lock.unlock();
        const typename basic_waits<Io>::entry here(broker_.waits(), {"room on a link"},
                                                   broker_.io().now());
        const bool room = broker_.wait_in_scope(wake, deadline, false, [&] {
            return room_epoch_.load(std::memory_order_acquire) != epoch;
        });
        lock.lock();
        std::erase(room_waiters_, &wake);
        return room;
    }

    /// Asks the loop to go on, in the place of the caller, who holds writing_. Under mutex_.
    void post(errand what) {
        errand_ = what;
        if (posted_) return;
        posted_ = transport_.shared_from_this();
        if (broker_.post(task_)) return;
        posted_.reset(); // the loop has ended: nothing will be written any more
        refusing_ = true;
        wake_room_waiters();
    }

    void run_errand() {
        std::shared_ptr<transport> keep; // outlives the lock
        std::unique_lock lock(mutex_);
        keep = std::move(posted_);
        if (errand_ == errand::none) return; // somebody else has done it, or is at it
        if (transport_.is_closed()) return out_.reset();
        if (errand_ == errand::flush) return drain(lock);
        const errand what = errand_;
        const long failure = write_error_;
        lock.unlock();
        if (what == errand::await_writable) return await_writable();
        transport_.cannot_write(failure);
    }

    void await_writable() {
        const long rc = source_.watched ? broker_.change(source_, io::interest::write)
                                        : broker_.watch(source_, io::interest::write);
        if (rc < 0) cannot_watch(rc);
    }

    void writable() {
        if (const long rc = broker_.change(source_, io::interest::none); rc < 0)
            return cannot_watch(rc);
        std::unique_lock lock(mutex_);
        drain(lock);
    }

    /// Nobody will ever go on: the caller holds writing_.
    void cannot_watch(long rc) {
        transport_.cannot_watch(rc);
        out_.reset();
    }

    /// Writes until nothing is left or the descriptor is full. The caller holds writing_. `lock` is
    /// given up for each write.
    void drain(std::unique_lock<typename Io::mutex>& lock) {
        for (int rounds = 0;; ++rounds) {
            if (batch_.empty()) {
                if (refusing_) return drop_output();
                const bool more = queue_.take(batch_);
                in_batch_ = batch_.size();
                if (!more) {
                    writing_ = false;
                    if (somebody_waits()) wake_room_waiters();
                    return;
                }
                // others keep adding: let the loop go on with it
                if (rounds == max_rounds) return post(errand::flush);
                if (somebody_waits() && backlog() < queue_limit_ / 2) wake_room_waiters();
            }
            ::iovec pieces[3];
            int count = 0;
            batch_.pieces([&](const std::byte* data, std::size_t size) {
                pieces[count++] = {const_cast<std::byte*>(data), size};
            });
            lock.unlock();
            const long n = broker_.io().writev(out_.get(), pieces, count);
            lock.lock();
            if (n == -EAGAIN || n == -EWOULDBLOCK) return post(errand::await_writable);
            if (n < 0) {
                write_error_ = n;
                return post(errand::fail);
            }
            batch_.consume(static_cast<std::size_t>(n));
            bytes_out_.fetch_add(static_cast<std::uint64_t>(n), std::memory_order_relaxed);
        }
    }

    /// The transport was closed while this thread was writing. Under mutex_.
    void drop_output() {
        writing_ = false;
        out_.reset();
    }

    bool somebody_waits() const noexcept { return !room_waiters_.empty() || !paused_.empty(); }

    /// Under mutex_. Those who wait for room on the loop go on there.
    void wake_room_waiters() {
        for (const auto& reader : std::exchange(paused_, {})) {
            broker_.defer([reader] {
                if (const auto sender = reader.lock()) sender->resume();
            });
        }
        room_epoch_.fetch_add(1, std::memory_order_release);
        for (waiter<Io>* w : room_waiters_) w->notify();
        room_waiters_.clear();
    }
};

} // namespace detail
} // namespace mitogen::inline MITOGEN_ABI
