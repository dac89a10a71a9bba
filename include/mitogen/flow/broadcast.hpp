// SPDX-License-Identifier: BSL-1.0
#pragma once
// broadcast.hpp: one stream of items for many readers in this context.

#include <mitogen/base/config.hpp>
#include <mitogen/base/error.hpp>
#include <mitogen/base/function.hpp>
#include <mitogen/base/result.hpp>
#include <mitogen/base/time.hpp>
#include <mitogen/flow/flow_wait.hpp>
#include <mitogen/flow/item/item_codec.hpp>
#include <mitogen/flow/item/item_range.hpp>
#include <mitogen/flow/watchers.hpp>
#include <mitogen/fwd.hpp>
#include <mitogen/scope/interrupted.hpp>
#include <mitogen/sync/host.hpp>
#include <mitogen/task/task.hpp>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <iterator>
#include <memory>
#include <mutex>
#include <optional>
#include <utility>
#include <vector>

namespace mitogen::inline MITOGEN_ABI {

/// What becomes of an item that a subscriber has not taken when the ring is full.
enum class broadcast_mode : std::uint8_t {
    lossy,    ///< it is lost for that one, who is told how many it has missed: nobody waits
    lossless, ///< it stays, and those who want a further one wait for the slowest
};

/// Gives each item of a `Source` (a receiver, a remote range, a dialog) to every subscriber. The
/// last items are kept in a ring. If it is full, a subscriber that is slow is told how many items
/// it has missed, and goes on with the oldest that is there; the fastest misses nothing. Or, with
/// broadcast_mode::lossless, none misses any: whoever wants the next item waits until the slowest
/// has taken the oldest, and goes on at once if that one is closed, destroyed, or gone with the
/// scope that it was in. Items are taken from the source only when somebody wants the next, so that
/// the source is throttled as it would be by one reader.
///
/// There is no thread of its own: whichever subscriber needs the next item first takes it from the
/// source, for all of them. A thread that reads with several lossless subscribers in turn must not
/// wait with one for what another has to make room for. Threads: subscribers from any, each by one
/// at a time. The source is this object's from now on, and goes with it.
template <class Source>
class broadcast {
public:
    using value_type = typename Source::value_type;

private:
    struct entry {
        value_type item;
        std::size_t unread; // lossless: by so many
    };
    struct shared : std::enable_shared_from_this<shared> {
        Source source;
        const std::size_t capacity;
        const bool lossless;
        mitogen::node& node;
        detail::mutex mutex;
        detail::condition changed{};
        std::deque<entry> ring{};
        std::uint64_t first = 0;    // number of ring.front()
        std::size_t readers = 0;    // subscribers that are not closed
        bool taking = false;        // somebody waits for the source
        std::optional<error> end{}; // what follows the last item
        detail::watchers told{};    // of select, to be run when there is another item
        bool listening = false;     // to the source, for these

        shared(mitogen::node& here, Source from, std::size_t most, broadcast_mode mode)
            : source(std::move(from)), capacity(most), lossless(mode == broadcast_mode::lossless),
              node(here), mutex(here) {}

        std::uint64_t next() const noexcept { return first + ring.size(); }
        bool has(std::uint64_t number) const noexcept { return number < next() || end; }
        bool has_room() const noexcept { return !lossless || ring.size() < capacity; }

        /// Waits until item `wanted`, or the end, is there, or `closed` is set. False at the
        /// deadline.
        bool await(std::unique_lock<detail::mutex>& lock, std::uint64_t wanted, instant deadline,
                   const bool& closed) {
            while (!has(wanted) && !closed) {
                const auto ready = [&] {
                    return has(wanted) || closed || (!taking && has_room());
                };
                if (!ready()) {
                    if (node.on_loop() || !changed.wait(lock, node, deadline, ready,
                                                         {"an item of a broadcast"}))
                        return false;
                    continue;
                }
                taking = true;
                lock.unlock();
                result<value_type> item = take(deadline);
                if (!enter(lock, std::move(item))) return false;
            }
            return true;
        }

        /// What was taken, by the one that takes; false if that was nothing. Locks.
        bool enter(std::unique_lock<detail::mutex>& lock, result<value_type> item) {
            lock.lock();
            taking = false;
            changed.notify_all();
            if (item) {
                if (!lossless && ring.size() == capacity) {
                    ring.pop_front();
                    ++first;
                }
                ring.push_back(entry{std::move(*item), readers});
                drop_read();
            } else if (item.error().reason() == reason::timeout ||
                       detail::why_interrupted(node.now())) {
                return false;
            } else {
                end = item.error();
            }
            detail::watchers tell = told.take();
            lock.unlock();
            tell.run();
            lock.lock();
            return true;
        }

        // ---- lossless: who has read what

        /// Drops what everybody has read; true if that was something. Under the mutex.
        bool drop_read() {
            bool some = false;
            while (lossless && !ring.empty() && ring.front().unread == 0) {
                ring.pop_front();
                ++first;
                some = true;
            }
            return some;
        }

        /// What waits for room goes on.
        void go_on(std::unique_lock<detail::mutex>& lock) {
            changed.notify_all();
            if (told.empty()) return;
            look(lock, next());
            if (!told.empty() && !end) listen(lock);
        }

        /// One more reads from item `number` on, or one less. Under the mutex.
        void add_reader(std::uint64_t number) {
            ++readers;
            for (std::uint64_t n = std::max(number, first); n < next(); ++n) ++at(n).unread;
        }
        void remove_reader(std::unique_lock<detail::mutex>& lock, std::uint64_t number) {
            --readers;
            for (std::uint64_t n = std::max(number, first); n < next(); ++n) --at(n).unread;
            drop_read();
            go_on(lock);
        }
        entry& at(std::uint64_t number) { return ring[static_cast<std::size_t>(number - first)]; }

        /// The item for one who takes it now.
        value_type read(std::unique_lock<detail::mutex>& lock, std::uint64_t number) {
            entry& e = at(number);
            const bool last = --e.unread == 0 && lossless;
            value_type item = last ? std::move(e.item) : e.item;
            if (last && drop_read()) go_on(lock);
            return item;
        }

        // ---- for select and tasks

        /// Takes what the source has, if nobody does.
        void look(std::unique_lock<detail::mutex>& lock, std::uint64_t wanted) {
            if (has(wanted) || taking || !has_room()) return;
            taking = true;
            lock.unlock();
            if (source.ready()) return static_cast<void>(enter(lock, take(0)));
            lock.lock();
            taking = false;
            changed.notify_all();
        }

        /// Has the source say when there is something to take. While there is no room for it,
        /// go_on() does when there is.
        void listen(std::unique_lock<detail::mutex>& lock) {
            if (!has_room() || std::exchange(listening, true)) return;
            lock.unlock();
            source.then([weak = this->weak_from_this()] {
                if (const auto self = weak.lock()) self->heard();
            }, this);
            lock.lock();
        }
        void heard() {
            std::unique_lock lock(mutex);
            listening = false;
            look(lock, next());
            if (!told.empty() && !end) listen(lock);
        }

        result<value_type> take(instant deadline) {
            if (deadline == never) return source.try_get();
            const instant now = node.now();
            return source.try_get_for(
                std::chrono::nanoseconds(deadline > now ? deadline - now : 0));
        }
    };

    std::shared_ptr<shared> shared_;

public:
    /// `capacity`: items that are kept for those who are slower than the fastest, at least 1.
    broadcast(router& node, Source source, std::size_t capacity,
              broadcast_mode mode = broadcast_mode::lossy)
        : shared_(std::make_shared<shared>(node_of(node), std::move(source),
                                           std::max<std::size_t>(capacity, 1), mode)) {}

    /// One reader, who begins with the next item that is taken from the source. Copies read on
    /// their own from there.
    class subscriber {
        friend class broadcast;
        std::shared_ptr<shared> shared_; // null in one that was moved from
        std::uint64_t next_ = 0;
        std::uint64_t missed_ = 0;
        bool closed_ = false; // under the mutex

        /// For a task: until there is an item, or the end.
        template <bool Throws>
        class item_wait final : public detail::flow_wait<subscriber> {
        public:
            explicit item_wait(subscriber& of) noexcept : detail::flow_wait<subscriber>(of) {}

            auto await_resume() {
                if constexpr (Throws) {
                    this->check();
                    return this->end().get_until(0).value();
                } else {
                    if (!this->end().ready())
                        return result<typename broadcast::value_type>(*this->scope().cancelled());
                    return this->end().get_until(0);
                }
            }
        };
        template <bool Throws>
        struct next_item {
            subscriber& of;
            item_wait<Throws> operator co_await() const noexcept { return item_wait<Throws>(of); }
        };

        explicit subscriber(std::shared_ptr<shared> from) : shared_(std::move(from)) {
            const std::lock_guard lock(shared_->mutex);
            next_ = shared_->next();
            shared_->add_reader(next_);
        }

        result<typename broadcast::value_type> get_until(instant deadline) {
            std::unique_lock lock(shared_->mutex);
            if (!shared_->await(lock, next_, deadline, closed_)) {
                if (shared_->node.on_loop() && deadline > shared_->node.now())
                    return error(reason::misuse,
                                 "a function that runs on the loop waits for an item");
                return detail::wait_ended(shared_->node.now(), deadline,
                                          shared_->has_room()
                                              ? "no item came before the deadline"
                                              : "a slower subscriber has made no room for another "
                                                "item before the deadline");
            }
            if (closed_) return error(reason::end_of_stream, "the subscriber has been closed");
            if (next_ < shared_->first) {
                missed_ += shared_->first - next_;
                next_ = shared_->first;
            }
            if (next_ == shared_->next()) return *shared_->end;
            return shared_->read(lock, next_++);
        }

    public:
        using value_type = typename broadcast::value_type;

        subscriber(const subscriber& other) : shared_(other.shared_) {
            if (!shared_) return;
            const std::lock_guard lock(shared_->mutex);
            next_ = other.next_;
            missed_ = other.missed_;
            closed_ = other.closed_;
            if (!closed_) shared_->add_reader(next_);
        }
        subscriber(subscriber&& other) noexcept
            : shared_(std::move(other.shared_)), next_(other.next_), missed_(other.missed_),
              closed_(other.closed_) {}
        subscriber& operator=(subscriber other) noexcept {
            std::swap(shared_, other.shared_);
            std::swap(next_, other.next_);
            std::swap(missed_, other.missed_);
            std::swap(closed_, other.closed_);
            return *this;
        }
        ~subscriber() {
            if (shared_) close();
        }

        /// Takes nothing any more, so that nobody waits for it: receive() says
        /// reason::end_of_stream. If it waits for the source at this moment, on another thread, it
        /// says so behind the next item. Again: nothing. Threads: any. Never blocks.
        void close() {
            std::unique_lock lock(shared_->mutex);
            if (std::exchange(closed_, true)) return;
            shared_->remove_reader(lock, next_);
        }

        /// The next item; waits for it. Errors: as the source's, every time.
        value_type receive() { return try_receive().value(); }
        /// The same, with the error as a value.
        result<value_type> try_receive() { return get_until(never); }
        /// The same, waiting for `span` at most, 0 never: reason::timeout.
        template <class Rep, class Period>
        value_type receive_for(std::chrono::duration<Rep, Period> span) {
            return try_receive_for(span).value();
        }
        template <class Rep, class Period>
        result<value_type> try_receive_for(std::chrono::duration<Rep, Period> span) {
            return get_until(detail::after(shared_->node.now(), detail::to_ns(span)));
        }
        /// The next item, or nothing at the end.
        std::optional<value_type> next() { return detail::item_or_end(try_receive()).value(); }
        result<std::optional<value_type>> try_next() { return detail::item_or_end(try_receive()); }

        /// For tasks: `co_await s.async_receive()`, as receive(), and so on.
        next_item<true> async_receive() { return {*this}; }
        next_item<false> async_try_receive() { return {*this}; }
        task<std::optional<value_type>> async_next() {
            co_return detail::item_or_end(co_await async_try_receive()).value();
        }

        /// The same as receive() and those beside it.
        value_type get() { return receive(); }
        result<value_type> try_get() { return try_receive(); }
        template <class Rep, class Period>
        result<value_type> try_get_for(std::chrono::duration<Rep, Period> span) {
            return try_receive_for(span);
        }

        /// For select. What is not taken yet from the source is taken.
        bool ready() {
            std::unique_lock lock(shared_->mutex);
            if (!closed_) shared_->look(lock, next_);
            return closed_ || shared_->has(next_);
        }
        bool ended() {
            const std::lock_guard lock(shared_->mutex);
            return closed_ || (shared_->end && next_ == shared_->next());
        }
        void then(unique_function<void()> go, const void* key = nullptr) {
            {
                std::unique_lock lock(shared_->mutex);
                if (!closed_) shared_->look(lock, next_);
                if (!closed_ && !shared_->has(next_)) {
                    shared_->told.add(key, std::move(go));
                    return shared_->listen(lock);
                }
            }
            go();
        }
        /// False if there is nothing to forget: it has run, or is about to.
        bool forget(const void* key) {
            detail::watchers gone; // destroyed without the lock
            const std::lock_guard lock(shared_->mutex);
            gone = shared_->told.take(key);
            return !gone.empty();
        }
        mitogen::node& port() const noexcept { return shared_->node; }

        /// How many items this one has missed since it was last asked: they lie before the item
        /// that was got last. None in a lossless broadcast.
        std::uint64_t missed() noexcept { return std::exchange(missed_, 0); }

        /// Iterates to the end; an error is thrown.
        detail::item_iterator<subscriber> begin() {
            return detail::item_iterator<subscriber>(*this);
        }
        std::default_sentinel_t end() const noexcept { return {}; }
    };

    subscriber subscribe() const { return subscriber(shared_); }
};

template <class Source>
broadcast(router&, Source, std::size_t, broadcast_mode = broadcast_mode::lossy)
    -> broadcast<Source>;

} // namespace mitogen::inline MITOGEN_ABI
