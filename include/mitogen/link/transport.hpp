// SPDX-License-Identifier: BSL-1.0
#pragma once
// transport.hpp: one link to another context: reads and takes frames apart, writes by way of its
// writer, and ends once.

#include <mitogen/base/config.hpp>
#include <mitogen/base/error.hpp>
#include <mitogen/base/limits.hpp>
#include <mitogen/codec/buffer.hpp>
#include <mitogen/link/heartbeat_monitor.hpp>
#include <mitogen/link/writer.hpp>
#include <mitogen/loop/broker_engine.hpp>
#include <mitogen/os/call.hpp>
#include <mitogen/protocol/frame_reader.hpp>
#include <mitogen/protocol/message.hpp>
#include <mitogen/protocol/send_queue.hpp>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <utility>

namespace mitogen::inline MITOGEN_ABI {

namespace detail {

/// One link. Created unstarted; start() on the loop begins to read.
///
/// Threads: send() and wait_for_room() any; the rest the loop. Owned by shared_ptr: callers may
/// hold it while the loop lets go.
template <class Io>
class basic_transport : public std::enable_shared_from_this<basic_transport<Io>> {
public:
    /// What a transport tells its owner, on the loop. Also the sink of its frame_reader.
    struct owner {
        virtual void frame(basic_transport& from, const header& h,
                           std::span<const std::byte> payload) = 0;
        virtual std::byte* reserve(basic_transport& from, const header& h) = 0;
        virtual void reserved_complete(basic_transport& from, const header& h) = 0;
        /// The link is closed; `why` is text for people, `cause` the reason for those who wait.
        virtual void closed(basic_transport& from, reason cause, const std::string& why) = 0;
        /// Nothing was sent for a while or, with `answer`, nothing was heard: send something small;
        /// see heartbeat.
        virtual void quiet(basic_transport& from, bool answer) { (void)from, (void)answer; }
        /// Nothing was heard since the last look. True if that has a reason that will pass: the
        /// link gets as much time again.
        virtual bool is_held(basic_transport& from) { return (void)from, false; }
        /// How many times the heartbeat's limit it may be that nothing can be written: who waits
        /// for somebody further down does not read either.
        virtual std::uint32_t patience(basic_transport& from) { return (void)from, 1; }

    protected:
        ~owner() = default;
    };

private:
    friend class basic_writer<Io>;
    using descriptor = typename Io::descriptor;

    struct source : event_source {
        basic_transport* self;
    };
    /// Adapts `owner` to what frame_reader wants.
    struct sink {
        basic_transport& self;
        bool to_its_end = false; // however long it takes
        int frames = 0;
        instant since = 0; // the turn

        void frame(const header& h, std::span<const std::byte> payload) {
            ++frames;
            self.owner_->frame(self, h, payload);
        }
        std::byte* reserve(const header& h) { return self.owner_->reserve(self, h); }
        void reserved_complete(const header& h) { self.owner_->reserved_complete(self, h); }
        bool stopped() {
            if (self.closed_) return true;
            return frames >= frames_between_looks && !to_its_end && turn_is_over();
        }

    private:
        /// Frames differ: what they cost is seen from time to time.
        bool turn_is_over() {
            if (frames % frames_between_looks != 0) return false;
            if (frames >= most_frames) return true;
            const instant now = self.broker_.io().now();
            if (frames == frames_between_looks) since = now;
            return now - since >= turn;
        }
    };

    broker_engine<Io>& broker_;
    owner* owner_;
    descriptor in_;
    source in_source_{};
    frame_reader reader_;
    bool closed_ = false;
    bool given_up_ = false;
    int pauses_ = 0; // transports that are too full to take what is read here
    const bool pays_; // for its answers
    heartbeat_monitor monitor_;
    timer next_turn_{}; // if more has been read than one turn takes
    timer look_{}; // at whether the other side shows signs of life
    timer unread_look_{}; // at whether it reads what others have answered
    std::uint64_t out_then_ = 0;

    std::atomic<std::uint64_t> bytes_in_{0};
    // several frames came at once: those who answer them, or go on, do that at once as well
    std::atomic<bool> batching_{false};
    basic_writer<Io> writer_;

    static constexpr int last_reads = 16;
    // How long the frames of one link may take, before those of others have their turn. One that is
    // about to be answered waits for a turn of each link that sends without end; a turn costs the
    // loop another look at its descriptors, 1 µs.
    static constexpr duration_ns turn = 50'000;
    static constexpr int frames_between_looks = 16; // at the clock
    static constexpr int most_frames = 1024;
    // in units of limits::queue_bytes. What has been asked within one of them is at most that in
    // errors, which are larger than the requests: nobody is to be held because of those
    static constexpr std::uint64_t most_unread_answers = 8;
    static constexpr duration_ns most_unread_time = 1'000'000'000;
    // from as many on gathering costs less than a write for each
    static constexpr int batching_from = 4;
    // what is passed on leaves at the end of the iteration
    static constexpr std::size_t most_at_once = 2 * fragment_bytes;

public:
    basic_transport(broker_engine<Io>& loop, owner& to, descriptor in, descriptor out,
                    const limits& bounds, const heartbeat& beat = {0, 0},
                    bool pays_for_answers = false)
        : broker_(loop), owner_(&to), in_(std::move(in)), pays_(pays_for_answers), monitor_(beat),
          writer_(*this, loop, std::move(out), bounds) {
        look_.fire = [this] {
            const auto keep = this->shared_from_this();
            look();
        };
        next_turn_.fire = [this] {
            const auto keep = this->shared_from_this();
            if (!pauses_) go_on();
        };
        in_source_.fd = in_.get();
        in_source_.self = this;
        in_source_.ready = [](event_source& s, bool, bool) {
            // a frame may make the owner let go
            const auto keep = static_cast<source&>(s).self->shared_from_this();
            keep->readable();
        };
    }

    basic_transport(basic_transport&&) = delete;

    /// Begins to read; closes itself if it cannot. Threads: loop.
    void start() {
        if (monitor_.on()) broker_.set_slow_timer(look_, monitor_.begin(broker_.io().now()));
        if (const long rc = broker_.watch(in_source_, io::interest::read); rc < 0) cannot_watch(rc);
    }

    /// Hands bytes that were read before the transport took over (behind a handshake) to the
    /// framing. Threads: loop.
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
            received(used, true);
        }
    }

    /// Queues a message and, if `when` says so, writes it. Returns false if the transport is
    /// closed: nothing was taken. `lane`: see send_queue. `answers`: something that came from the
    /// far end; if that does not read its answers, and pays for them, it is not read either.
    /// Threads: any. Never blocks.
    bool send(const header& h, std::span<const std::byte> payload, const void* lane,
              flush_mode when, bool answers = false) {
        return put(when, answers, [&](send_queue& queue, const void* payer) {
            queue.push(h, payload, lane, payer);
        });
    }
    bool send(const header& h, buffer&& payload, const void* lane, flush_mode when,
              bool answers = false) {
        return put(when, answers, [&](send_queue& queue, const void* payer) {
            queue.push(h, std::move(payload), lane, payer);
        });
    }

    /// Passes on a frame that came from `sender`, on the account of that link, or of this one,
    /// which has asked for it (`answers`). Whose is over limits::queue_bytes then is not read until
    /// half of that is free again here, or this is closed; nor is who answers far more than that.
    /// Threads: loop.
    bool forward(const header& h, std::span<const std::byte> payload, basic_transport& sender,
                 bool answers = false) {
        basic_transport& payer = answers ? *this : sender;
        const std::optional<std::uint64_t> limits = writer_.forward(h, payload, &sender, &payer);
        if (limits && *limits > 0) [[unlikely]] {
            writer_.hold(payer, payer);
            if (answers && *limits >= most_unread_answers) hold_who_answers(sender);
        }
        return limits.has_value();
    }

    /// True if more of this context's own waits than it may. Threads: any.
    bool full() const noexcept { return writer_.full(); }

    /// Sleeps until that is below its limit; at once if it is. False at the deadline.
    /// Threads: any but the loop.
    bool wait_for_room(instant deadline) { return writer_.wait_for_room(deadline); }

    /// Writes what was left to the loop, for which it is too long until then. Threads: any. Never
    /// blocks.
    void write_instead() { writer_.write_instead(); }

    /// Sleeps until everything is written; false at the deadline, true also if the transport is
    /// closed. Threads: any but the loop.
    bool wait_written(instant deadline) { return writer_.wait_written(deadline); }

    /// Bytes that wait to be written; those of a write that is under way are counted until all of
    /// it is done.
    std::uint64_t queued() { return writer_.queued(); }
    std::uint64_t bytes_in() const noexcept { return bytes_in_.load(std::memory_order_relaxed); }
    std::uint64_t bytes_out() const noexcept { return writer_.bytes_out(); }
    /// Threads: loop.
    bool is_closed() const noexcept { return closed_; }

    /// Closes both sides and tells the owner, once. Threads: loop.
    void close(reason cause, const std::string& why) {
        if (closed_) return;
        closed_ = true;
        const auto keep = this->shared_from_this();
        writer_.refuse();
        broker_.cancel_slow_timer(look_);
        broker_.cancel_timer(unread_look_);
        broker_.cancel_timer(next_turn_);
        broker_.unwatch(in_source_);
        in_.reset();
        writer_.close();
        owner_->closed(*this, cause, why);
    }

    /// True if it was closed because the other side gave no sign of life. Threads: loop.
    bool given_up() const noexcept { return given_up_; }

    /// In a child made by fork(): closes the descriptors and nothing else.
    void abandon() noexcept {
        in_.reset();
        writer_.abandon();
    }

private:
    /// If many threads make one call after the other over this link, they are gathered too.
    flush_mode batched(flush_mode when) const noexcept {
        return batching_.load(std::memory_order_relaxed) ? flush_mode::soon : when;
    }

    /// `sender` is read no longer, but for good only if what it has sent is read, however slowly:
    /// it has only answered.
    void hold_who_answers(basic_transport& sender) {
        writer_.hold(sender, *this);
        if (unread_look_.is_set()) return;
        unread_look_.fire = [this] {
            const auto keep = this->shared_from_this();
            if (!writer_.holds_others()) return;
            if (bytes_out() == out_then_)
                return close(reason::respondent_lost,
                             "it does not read the answers that it has asked for");
            look_at_unread();
        };
        look_at_unread();
    }

    void look_at_unread() {
        out_then_ = bytes_out();
        broker_.set_timer(unread_look_, after(broker_.io().now(), most_unread_time));
    }

    template <class Add>
    bool put(flush_mode when, bool answers, Add&& add) {
        const void* const payer = answers && pays_ ? this : nullptr;
        bool too_much = false;
        const bool taken = writer_.push(
            [&](send_queue& queue) {
                add(queue, payer);
                too_much = payer && writer_.newly_indebted();
            },
            batched(when));
        if (too_much) [[unlikely]]
            broker_.defer([weak = this->weak_from_this()] {
                if (const auto self = weak.lock()) self->writer_.hold(*self, *self);
            });
        return taken;
    }

    /// Once in a heartbeat's interval: is the other side there, and does it know that this one is?
    void look() {
        const instant now = broker_.io().now();
        if (pauses_) monitor_.excuse();
        const bool waits = queued() > 0;
        heartbeat_monitor::finding f =
            monitor_.look(now, bytes_in(), bytes_out(), waits, owner_->patience(*this));
        // asked before it is too late: it may be let go just before the limit
        if ((!f.heard || (waits && !f.sent)) && owner_->is_held(*this)) {
            monitor_.excuse();
            monitor_.excuse_reading();
            f.lost = f.stuck = false;
        }
        given_up_ = f.lost || f.stuck;
        if (f.lost)
            return close(reason::respondent_lost, "no sign of life for " + in_ms(monitor_.lasts()));
        if (f.stuck)
            return close(reason::respondent_lost, "it has not read what waits for it for " +
                                                      in_ms(monitor_.unread_for()));
        // else it would only wait in the queue
        if ((!f.heard || !f.sent) && queued() == 0) owner_->quiet(*this, !f.heard);
        if (!closed_) broker_.set_slow_timer(look_, monitor_.next_look(now));
    }

    static std::string in_ms(duration_ns span) { return std::to_string(span / 1'000'000) + " ms"; }

    void cannot_watch(long rc) {
        close(reason::respondent_lost,
              "cannot watch the link: " + os::errno_text(static_cast<int>(-rc)));
    }

    void cannot_write(long rc) {
        // What the peer said before it went is still there to be read: the answer that somebody
        // waits for may be among it.
        for (int go = 0; go < last_reads && in_source_.watched && readable(true); ++go) {}
        close(reason::respondent_lost, "cannot write: " + os::errno_text(static_cast<int>(-rc)));
    }

    void pause() {
        if (pauses_++ == 0 && in_source_.watched)
            static_cast<void>(broker_.change(in_source_, io::interest::none));
    }

    void resume() {
        if (--pauses_ != 0 || closed_ || !in_source_.watched) return;
        if (reader_.stopped()) broker_.set_timer(next_turn_, broker_.io().now());
        if (const long rc = broker_.change(in_source_, io::interest::read); rc < 0)
            cannot_watch(rc);
    }

    /// True if there may be more to read. `to_its_end`: all that is read is delivered now.
    bool readable(bool to_its_end = false) {
        if (reader_.stopped()) {
            if (!to_its_end) return true; // its next turn comes
            go_on(true);
        }
        // One read for each readiness: asking again would be a system call for nothing, unless the
        // descriptor has shown that it has plenty.
        for (std::size_t taken = 0;
             taken < most_at_once && !closed_ && !pauses_ && !reader_.stopped();) {
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
                      got == 0 ? "the link ended"
                               : "cannot read: " + os::errno_text(static_cast<int>(-got)));
                return false;
            }
            const bool full = static_cast<std::size_t>(got) == room || n == 2;
            received(static_cast<std::size_t>(got), to_its_end);
            taken += static_cast<std::size_t>(got);
            if (!full) return false;
        }
        return !closed_ && !pauses_;
    }

    void received(std::size_t count, bool to_its_end) {
        bytes_in_.fetch_add(count, std::memory_order_relaxed);
        sink to{*this, to_its_end};
        delivered(to, reader_.commit(count, to));
    }

    /// What has been read already.
    void go_on(bool to_its_end = false) {
        sink to{*this, to_its_end};
        delivered(to, reader_.go_on(to));
    }

    void delivered(const sink& to, const char* wrong) {
        batching_.store(to.frames >= batching_from, std::memory_order_relaxed);
        if (wrong) return close(reason::link_corrupt, std::string("the link is corrupt: ") + wrong);
        if (reader_.stopped() && !closed_) [[unlikely]]
            broker_.set_timer(next_turn_, broker_.io().now());
    }
};

} // namespace detail
} // namespace mitogen::inline MITOGEN_ABI
