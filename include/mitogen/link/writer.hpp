// SPDX-License-Identifier: BSL-1.0
#pragma once
// writer.hpp: the half of a link that writes: any thread queues, one at a time writes, and room is
// waited for here.

#include <mitogen/base/config.hpp>
#include <mitogen/base/limits.hpp>
#include <mitogen/base/time.hpp>
#include <mitogen/io/policy.hpp>
#include <mitogen/link/flush_mode.hpp>
#include <mitogen/loop/broker_engine.hpp>
#include <mitogen/loop/timer.hpp>
#include <mitogen/loop/watch_table.hpp>
#include <mitogen/loop/work_queue.hpp>
#include <mitogen/protocol/message.hpp>
#include <mitogen/protocol/send_queue.hpp>
#include <mitogen/sync/waiter.hpp>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <mutex>
#include <optional>
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
/// What is queued is on an account: of the link that it came from, or, if it answers what came
/// from the far end, of this link itself; else of this context. limits::queue_bytes holds for each
/// of them alone, so that nobody waits because of somebody else.
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
    bool indebted_ = false; // the far end is to be read no longer, or is not
    long write_error_ = 0;
    std::uint64_t queue_limit_;
    std::vector<waiter<Io>*> room_waiters_;
    // who is not read until what it has to pay for here has become less
    struct held {
        const transport* key; // of reader
        const transport* payer;
        std::weak_ptr<transport> reader;
    };
    std::vector<held> held_;
    std::atomic<std::uint64_t> room_epoch_{0};
    std::atomic<bool> full_{false}; // of this context's own
    task task_{};
    std::shared_ptr<transport> posted_; // keeps this alive while task_ is posted
    enum class errand : std::uint8_t { none, flush, await_writable, await_reading, fail } errand_ =
        errand::none;
    timer reading_look_{}; // at whether what others have sent was read
    duration_ns look_in_ = shortest_look;
    std::size_t unread_then_ = 0;

    std::atomic<std::uint64_t> bytes_out_{0};

    static constexpr int max_rounds = 16;
    static constexpr duration_ns shortest_look = 100'000; // twice as long while nothing is read
    static constexpr duration_ns longest_look = 20'000'000;

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
        reading_look_.fire = [this] {
            const auto keep = transport_.shared_from_this();
            std::unique_lock lock(mutex_);
            if (writing_) return;
            writing_ = true;
            drain(lock);
        };
    }

    basic_writer(basic_writer&&) = delete;

    /// Calls `add(queue)` and, if `when` says so, writes. False if nothing more is taken.
    template <class Add>
    bool push(Add&& add, flush_mode when) {
        std::unique_lock lock(mutex_);
        if (refusing_) return false;
        add(queue_);
        if (!full_.load(std::memory_order_relaxed) && own() >= queue_limit_)
            full_.store(true, std::memory_order_relaxed);
        if (writing_) return true; // whoever writes takes it along
        writing_ = true;
        if (when == flush_mode::now) {
            drain(lock);
            return true;
        }
        post(errand::flush); // writing_ stays set for the loop
        return !refusing_;
    }

    /// Passes on a frame of `sender` on the account of `payer`. Returns what is on that now, in
    /// units of limits::queue_bytes, or nothing if nothing more is taken.
    std::optional<std::uint64_t> forward(const header& h, std::span<const std::byte> payload,
                                         const transport* sender, const transport* payer) {
        std::uint64_t charged = 0;
        if (!push(
                [&](send_queue& queue) {
                    queue.forward(h, payload, sender, payer);
                    charged = queue.charged(payer);
                },
                flush_mode::soon))
            return std::nullopt;
        return charged / queue_limit_;
    }

    /// Under mutex_, of what was added on the far end's account: true for the first one that is too
    /// much.
    bool newly_indebted() noexcept {
        if (indebted_ || queue_.charged(&transport_) <= queue_limit_) return false;
        return indebted_ = true;
    }

    /// Writes what was left to the loop.
    void write_instead() {
        std::unique_lock lock(mutex_);
        if (!posted_ || errand_ != errand::flush) return;
        errand_ = errand::none;
        drain(lock);
    }

    /// Does not read from `reader` while too much is on the account of `payer` here.
    void hold(transport& reader, const transport& payer) {
        const std::lock_guard lock(mutex_);
        const bool written = refusing_ || may_go_on(&payer); // meanwhile
        if (&payer == &transport_) indebted_ = !written;
        if (written) return;
        for (const held& h : held_)
            if (h.key == &reader) return;
        held_.push_back({&reader, &payer, reader.weak_from_this()});
        reader.pause();
    }

    /// True if somebody is held who has only answered the far end.
    bool holds_others() {
        const std::lock_guard lock(mutex_);
        return std::any_of(held_.begin(), held_.end(), [this](const held& h) {
            return h.payer == &transport_ && h.key != &transport_;
        });
    }

    bool full() const noexcept { return full_.load(std::memory_order_relaxed); }

    bool wait_for_room(instant deadline) {
        if (!full()) return true;
        waiter<Io> wake(broker_.io());
        std::unique_lock lock(mutex_);
        return refusing_ || own() < queue_limit_ || sleep(wake, lock, deadline);
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
        broker_.cancel_timer(reading_look_);
        broker_.unwatch(source_);
        const std::lock_guard lock(mutex_);
        // else the thread that writes closes it
        if (!writing_ || source_.interest == io::interest::write) out_.reset();
    }

    void abandon() noexcept { out_.reset(); }

private:
    // under mutex_
    std::uint64_t backlog() const noexcept { return queue_.queued() + in_batch_; }
    std::uint64_t own() const noexcept { return backlog() - queue_.charged(); }
    bool may_go_on(const transport* payer) const noexcept {
        return queue_.charged(payer) <= queue_limit_ / 2;
    }

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

    /// Asks the loop to go on, in the place of the caller, who holds writing_; or to look again
    /// later whether what stands in lines may go out, if nobody holds it. Under mutex_.
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
        if (errand_ == errand::await_reading) { // the only one without writing_
            if (!transport_.is_closed())
                broker_.set_timer(reading_look_, after(broker_.io().now(), look_in_));
            look_in_ = std::min(2 * look_in_, longest_look);
            return;
        }
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
                const bool more = queue_.take(batch_, room_for_lines());
                in_batch_ = batch_.size();
                if (!more) {
                    writing_ = false;
                    if (!queue_.empty()) post(errand::await_reading);
                    make_room();
                    if (!room_waiters_.empty()) wake_sleepers(); // some wait for that
                    return;
                }
                // others keep adding: let the loop go on with it
                if (rounds == max_rounds) return post(errand::flush);
                make_room();
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

    /// How much more of what stands in lines may go out, beside what lies unread. Under mutex_.
    std::size_t room_for_lines() {
        const std::optional<std::size_t> most = queue_.most_unread();
        if (!most) [[likely]]
            return 0;
        std::size_t unread = 0;
        if constexpr (io::has_unread<Io>) unread = broker_.io().unread(out_.get());
        if (std::exchange(unread_then_, unread) != unread) look_in_ = shortest_look;
        return unread < *most ? *most - unread : 0;
    }

    /// The transport was closed while this thread was writing. Under mutex_.
    void drop_output() {
        writing_ = false;
        out_.reset();
    }

    /// Under mutex_: something has been written.
    void make_room() {
        if (!held_.empty()) release_held();
        if (!full_.load(std::memory_order_relaxed) || own() >= queue_limit_ / 2) return;
        full_.store(false, std::memory_order_relaxed);
        if (!room_waiters_.empty()) wake_sleepers();
    }

    /// Under mutex_. Who was held goes on on the loop.
    void release_held() {
        std::erase_if(held_, [this](const held& h) {
            if (!refusing_ && !may_go_on(h.payer)) return false;
            if (h.payer == &transport_) indebted_ = false;
            broker_.defer([reader = h.reader] {
                if (const auto sender = reader.lock()) sender->resume();
            });
            return true;
        });
    }

    /// Under mutex_, behind `refusing_`: nobody waits any longer.
    void wake_room_waiters() {
        full_.store(false, std::memory_order_relaxed);
        release_held();
        wake_sleepers();
    }

    void wake_sleepers() {
        room_epoch_.fetch_add(1, std::memory_order_release);
        for (waiter<Io>* w : room_waiters_) w->notify();
        room_waiters_.clear();
    }
};

} // namespace detail
} // namespace mitogen::inline MITOGEN_ABI
