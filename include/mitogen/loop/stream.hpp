// SPDX-License-Identifier: BSL-1.0
#pragma once
// stream.hpp: one link to another context: framing, a receiving and a sending side, and the queue between callers and the wire.

#include <mitogen/base/config.hpp>
#include <mitogen/base/error.hpp>
#include <mitogen/base/limits.hpp>
#include <mitogen/loop/broker.hpp>
#include <mitogen/loop/silence.hpp>
#include <mitogen/sync/waiter.hpp>
#include <mitogen/sys/call.hpp>
#include <mitogen/wire/buffer.hpp>
#include <mitogen/wire/frame_reader.hpp>
#include <mitogen/wire/message.hpp>
#include <mitogen/wire/send_queue.hpp>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <mutex>
#include <span>
#include <string>
#include <utility>
#include <vector>

namespace mitogen::inline MITOGEN_ABI {

/// When a message leaves.
enum class urgency : std::uint8_t {
    now,  ///< the caller is about to wait for the answer: written by the calling thread if nobody else is writing
    soon, ///< more may follow: gathered, and written by the loop
};

/// One link. Created unstarted; start() on the loop begins to read.
///
/// Whoever finds the sending side free writes; others leave their bytes with the one that does (flat combining). Nobody ever
/// blocks in a write: what the descriptor does not take is written by the loop when it does. (Two ends that block in write()
/// against each other hang: a UNIX socket is full after 278 small writes, whatever SO_SNDBUF says.)
///
/// Threads: send() and wait_for_room() any; the rest the loop. Owned by shared_ptr: callers may hold it while the loop lets go.
template <class Io>
class basic_stream : public std::enable_shared_from_this<basic_stream<Io>> {
public:
    /// What a stream tells its owner, on the loop. Also the sink of its frame_reader.
    struct owner {
        virtual void frame(basic_stream& from, const header& h, std::span<const std::byte> payload) = 0;
        virtual std::byte* reserve(basic_stream& from, const header& h) = 0;
        virtual void reserved_complete(basic_stream& from, const header& h) = 0;
        /// The link is closed; `why` is text for people, `cause` the reason for those who wait.
        virtual void closed(basic_stream& from, reason cause, const std::string& why) = 0;
        /// Nothing was sent for a while or, with `answer`, nothing was heard: send something small; see heartbeat.
        virtual void quiet(basic_stream& from, bool answer) { (void)from, (void)answer; }

    protected:
        ~owner() = default;
    };

private:
    using descriptor = typename Io::descriptor;

    struct source : event_source {
        basic_stream* self;
    };
    struct task : loop_task {
        basic_stream* self;
    };
    /// Adapts `owner` to what frame_reader wants.
    struct sink {
        basic_stream& self;
        void frame(const header& h, std::span<const std::byte> payload) { self.owner_->frame(self, h, payload); }
        std::byte* reserve(const header& h) { return self.owner_->reserve(self, h); }
        void reserved_complete(const header& h) { self.owner_->reserved_complete(self, h); }
        bool stopped() const { return self.closed_; }
    };

    basic_broker<Io>& broker_;
    owner* owner_;
    descriptor in_;
    descriptor out_;
    source in_source_{};
    source out_source_{};
    frame_reader reader_;
    bool closed_ = false;
    int pauses_ = 0; // streams that are too full to take what is read here
    silence silence_;
    timer look_{}; // at whether the other side shows signs of life

    typename Io::mutex mutex_; // guards what follows
    send_queue queue_;
    send_batch batch_;           // in the hands of whoever set writing_
    std::uint64_t in_batch_ = 0; // its size when it was taken
    bool writing_ = false;
    bool refusing_ = false; // nothing more is taken
    long write_error_ = 0;
    std::uint64_t queue_limit_;
    std::vector<waiter<Io>*> room_waiters_;
    std::vector<std::weak_ptr<basic_stream>> held_; // whose readers wait for room here
    std::atomic<std::uint64_t> room_epoch_{0};
    task task_{};
    std::shared_ptr<basic_stream> posted_; // keeps this alive while task_ is posted
    enum class errand : std::uint8_t { flush, await_writable, fail } errand_ = errand::flush;

    std::atomic<std::uint64_t> bytes_in_{0};
    std::atomic<std::uint64_t> bytes_out_{0};

public:
    basic_stream(basic_broker<Io>& loop, owner& to, descriptor in, descriptor out, const limits& bounds,
                 const heartbeat& beat = {0, 0})
        : broker_(loop), owner_(&to), in_(std::move(in)), out_(std::move(out)), silence_(beat), mutex_(loop.io()),
          queue_limit_(bounds.queue_bytes) {
        look_.fire = [this] {
            const auto keep = this->shared_from_this();
            look();
        };
        in_source_.fd = in_.get();
        in_source_.self = this;
        in_source_.ready = [](event_source& s, bool, bool) {
            const auto keep = static_cast<source&>(s).self->shared_from_this(); // a frame may make the owner let go
            keep->readable();
        };
        out_source_.fd = out_.get();
        out_source_.self = this;
        out_source_.ready = [](event_source& s, bool, bool) {
            const auto keep = static_cast<source&>(s).self->shared_from_this();
            keep->writable();
        };
        task_.self = this;
        task_.run = [](loop_task& t) { static_cast<task&>(t).self->run_errand(); };
    }

    basic_stream(basic_stream&&) = delete;

    /// Begins to read. 0 or -errno. Threads: loop.
    long start() {
        if (silence_.on()) broker_.set_slow_timer(look_, silence_.begin(broker_.io().now()));
        return broker_.watch(in_source_, io::interest::read);
    }

    /// Hands bytes that were read before the stream took over (behind a handshake) to the framing. Threads: loop.
    void inject(std::span<const std::byte> bytes) {
        const auto keep = this->shared_from_this();
        while (!bytes.empty() && !closed_) {
            read_target targets[2];
            const int n = reader_.prepare(targets);
            std::size_t used = 0;
            for (int i = 0; i < n; ++i) {
                const std::size_t part = std::min(bytes.size(), targets[i].size);
                std::memcpy(targets[i].data, bytes.data(), part);
                bytes = bytes.subspan(part);
                used += part;
            }
            received(used);
        }
    }

    /// Queues a message and, if `when` says so, writes it. Returns false where the stream is closed: nothing was taken.
    /// `lane`: see send_queue. Threads: any. Never blocks.
    bool send(const header& h, std::span<const std::byte> payload, const void* lane, urgency when) {
        return enqueue([&] { queue_.push(h, payload, lane); }, when);
    }
    bool send(const header& h, buffer&& payload, const void* lane, urgency when) {
        return enqueue([&] { queue_.push(h, std::move(payload), lane); }, when);
    }
    /// Passes on a frame of somebody else's.
    bool forward(const header& h, std::span<const std::byte> payload) {
        bool crowded = false;
        return forward(h, payload, crowded);
    }
    /// As well; `crowded`: more waits now than limits::queue_bytes, and whoever it comes from should be held.
    bool forward(const header& h, std::span<const std::byte> payload, bool& crowded) {
        return enqueue(
            [&] {
                queue_.forward(h, payload);
                crowded = backlog() > queue_limit_;
            },
            urgency::soon);
    }

    /// Nothing more is read from `sender` until half of the limit is free again here, or this is closed. Threads: loop.
    void hold(basic_stream& sender) {
        const std::lock_guard lock(mutex_);
        if (refusing_ || &sender == this) return;
        for (const auto& held : held_)
            if (held.lock().get() == &sender) return;
        held_.push_back(sender.weak_from_this());
        sender.pause();
    }

    /// Sleeps until the queue is below its limit; at once where it is. False at the deadline. Threads: any but the loop.
    bool wait_for_room(instant deadline) {
        waiter<Io> wake(broker_.io());
        std::unique_lock lock(mutex_);
        if (refusing_ || backlog() < queue_limit_) return true;
        room_waiters_.push_back(&wake);
        const std::uint64_t epoch = room_epoch_.load(std::memory_order_relaxed);
        lock.unlock();
        const bool room =
            broker_.wait(wake, deadline, false, [&] { return room_epoch_.load(std::memory_order_acquire) != epoch; });
        lock.lock();
        std::erase(room_waiters_, &wake);
        return room;
    }

    /// Sleeps until everything is written; false at the deadline, true also where the stream is closed. Threads: any but the
    /// loop.
    bool wait_written(instant deadline) {
        for (;;) {
            waiter<Io> wake(broker_.io());
            std::unique_lock lock(mutex_);
            if (refusing_ || (!writing_ && queue_.empty())) return true;
            room_waiters_.push_back(&wake);
            const std::uint64_t epoch = room_epoch_.load(std::memory_order_relaxed);
            lock.unlock();
            const bool moved =
                broker_.wait(wake, deadline, false, [&] { return room_epoch_.load(std::memory_order_acquire) != epoch; });
            lock.lock();
            std::erase(room_waiters_, &wake);
            if (!moved) return false;
        }
    }

    /// Bytes that wait to be written; those of a write that is under way are counted until all of it is done.
    std::uint64_t queued() {
        const std::lock_guard lock(mutex_);
        return backlog();
    }
    std::uint64_t bytes_in() const noexcept { return bytes_in_.load(std::memory_order_relaxed); }
    std::uint64_t bytes_out() const noexcept { return bytes_out_.load(std::memory_order_relaxed); }
    /// Threads: loop.
    bool is_closed() const noexcept { return closed_; }

    /// Closes both sides and tells the owner, once. Threads: loop.
    void close(reason cause, const std::string& why) {
        if (closed_) return;
        closed_ = true;
        const auto keep = this->shared_from_this();
        {
            const std::lock_guard lock(mutex_);
            refusing_ = true;
            wake_room_waiters();
        }
        broker_.cancel_slow_timer(look_);
        broker_.unwatch(in_source_);
        broker_.unwatch(out_source_);
        close_descriptors();
        owner_->closed(*this, cause, why);
    }

    /// In a child made by fork(): closes the descriptors and nothing else.
    void abandon() noexcept {
        in_.reset();
        out_.reset();
    }

private:
    /// Once in a heartbeat's interval: is the other side there, and does it know that this one is?
    void look() {
        const instant now = broker_.io().now();
        if (pauses_) silence_.excuse();
        const silence::finding f = silence_.look(now, bytes_in(), bytes_out());
        if (f.lost)
            return close(reason::respondent_lost, "no sign of life for " + std::to_string(silence_.lasts() / 1'000'000) + " ms");
        if ((!f.heard || !f.sent) && queued() == 0) owner_->quiet(*this, !f.heard); // else it would only wait in the queue
        if (!closed_) broker_.set_slow_timer(look_, silence_.next_look(now));
    }

    std::uint64_t backlog() const noexcept { return queue_.queued() + in_batch_; } // under mutex_

    void close_descriptors() {
        in_.reset();
        const std::lock_guard lock(mutex_);
        if (!writing_ || out_source_.interest == io::interest::write) out_.reset(); // else the thread that writes closes it
    }

    template <class Push>
    bool enqueue(Push&& push, urgency when) {
        std::unique_lock lock(mutex_);
        if (refusing_) return false;
        push();
        if (writing_) return true; // whoever writes takes it along
        writing_ = true;
        if (when == urgency::now) {
            lock.unlock();
            drain();
        } else {
            post(errand::flush); // writing_ stays set for the loop
            return !refusing_;
        }
        return true;
    }

    /// Asks the loop to go on with the sending side, which the caller holds. Under mutex_.
    void post(errand what) {
        errand_ = what;
        if (posted_) return;
        posted_ = this->shared_from_this();
        if (broker_.post(task_)) return;
        posted_.reset(); // the loop has ended: nothing will be written any more
        refusing_ = true;
        wake_room_waiters();
    }

    void run_errand() {
        std::unique_lock lock(mutex_);
        const auto keep = std::move(posted_);
        posted_ = nullptr;
        const errand what = errand_;
        const long failure = write_error_;
        lock.unlock();
        if (closed_) return out_.reset();
        switch (what) {
        case errand::flush: drain(); break;
        case errand::await_writable: await_writable(); break;
        case errand::fail:
            // What the peer said before it went is still there to be read: the answer that somebody waits for may be among it.
            for (int go = 0; go < max_rounds && in_source_.watched && readable(); ++go) {}
            close(reason::respondent_lost, "cannot write: " + sys::errno_text(static_cast<int>(-failure)));
            break;
        }
    }

    void await_writable() {
        const long rc = out_source_.watched ? broker_.change(out_source_, io::interest::write)
                                            : broker_.watch(out_source_, io::interest::write);
        if (rc < 0) cannot_watch(rc);
    }

    void writable() {
        if (const long rc = broker_.change(out_source_, io::interest::none); rc < 0) return cannot_watch(rc);
        drain();
    }

    /// The sending side, which the caller holds, can go on no more.
    void cannot_watch(long rc) {
        close(reason::respondent_lost, "cannot watch the link: " + sys::errno_text(static_cast<int>(-rc)));
        out_.reset();
    }

    /// Writes until nothing is left or the descriptor is full. The caller holds writing_.
    void drain() {
        for (int rounds = 0;; ++rounds) {
            if (batch_.empty()) {
                const std::lock_guard lock(mutex_);
                if (refusing_) return drop_output();
                const bool more = queue_.take(batch_);
                in_batch_ = batch_.size();
                if (!more) {
                    writing_ = false;
                    if (somebody_waits()) wake_room_waiters();
                    return;
                }
                if (rounds == max_rounds) return post(errand::flush); // others keep adding: let the loop go on with it
                if (somebody_waits() && backlog() < queue_limit_ / 2) wake_room_waiters();
            }
            ::iovec pieces[3];
            int count = 0;
            batch_.pieces([&](const std::byte* data, std::size_t size) {
                pieces[count++] = {const_cast<std::byte*>(data), size};
            });
            const long n = broker_.io().writev(out_.get(), pieces, count);
            if (n < 0) {
                const std::lock_guard lock(mutex_);
                if (n == -EAGAIN || n == -EWOULDBLOCK) return post(errand::await_writable);
                write_error_ = n;
                return post(errand::fail);
            }
            batch_.consume(static_cast<std::size_t>(n));
            bytes_out_.fetch_add(static_cast<std::uint64_t>(n), std::memory_order_relaxed);
        }
    }

    static constexpr int max_rounds = 16;

    /// The stream was closed while this thread was writing. Under mutex_.
    void drop_output() {
        writing_ = false;
        out_.reset();
    }

    bool somebody_waits() const noexcept { return !room_waiters_.empty() || !held_.empty(); }

    void pause() {
        if (pauses_++ == 0 && in_source_.watched) static_cast<void>(broker_.change(in_source_, io::interest::none));
    }

    void resume() {
        if (--pauses_ != 0 || closed_ || !in_source_.watched) return;
        if (const long rc = broker_.change(in_source_, io::interest::read); rc < 0)
            close(reason::respondent_lost, "cannot watch the link: " + sys::errno_text(static_cast<int>(-rc)));
    }

    /// Under mutex_. Those who wait for room on the loop go on there.
    void wake_room_waiters() {
        for (const auto& held : std::exchange(held_, {})) {
            broker_.defer([held] {
                if (const auto sender = held.lock()) sender->resume();
            });
        }
        room_epoch_.fetch_add(1, std::memory_order_release);
        for (waiter<Io>* w : room_waiters_) w->notify();
        room_waiters_.clear();
    }

    /// True if there may be more to read.
    bool readable() {
        // One read for each readiness: asking again would be a system call for nothing, unless the descriptor has shown that it
        // has plenty.
        for (int reads = 0; reads < 8 && !closed_ && !pauses_; ++reads) {
            read_target targets[2];
            const int n = reader_.prepare(targets);
            ::iovec pieces[2];
            std::size_t room = 0;
            for (int i = 0; i < n; ++i) {
                pieces[i] = {targets[i].data, targets[i].size};
                room += targets[i].size;
            }
            const long got = n == 1 ? broker_.io().read(in_.get(), targets[0].data, targets[0].size)
                                    : broker_.io().readv(in_.get(), pieces, n);
            if (got == -EAGAIN || got == -EWOULDBLOCK) return false;
            if (got <= 0) {
                close(reason::respondent_lost,
                      got == 0 ? "the link ended" : "cannot read: " + sys::errno_text(static_cast<int>(-got)));
                return false;
            }
            const bool full = static_cast<std::size_t>(got) == room || n == 2;
            received(static_cast<std::size_t>(got));
            if (!full) return false;
        }
        return !closed_ && !pauses_;
    }

    void received(std::size_t count) {
        bytes_in_.fetch_add(count, std::memory_order_relaxed);
        sink to{*this};
        if (const char* wrong = reader_.commit(count, to))
            close(reason::link_corrupt, std::string("the link is corrupt: ") + wrong);
    }
};

} // namespace mitogen::inline MITOGEN_ABI
