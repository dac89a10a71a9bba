// SPDX-License-Identifier: BSL-1.0
#pragma once
// broadcast.hpp: one stream of items for many readers in this context, none of whom holds up the
// others.

#include <mitogen/base/config.hpp>
#include <mitogen/base/error.hpp>
#include <mitogen/base/function.hpp>
#include <mitogen/base/result.hpp>
#include <mitogen/base/time.hpp>
#include <mitogen/flow/item/item_codec.hpp>
#include <mitogen/flow/item/item_range.hpp>
#include <mitogen/flow/watchers.hpp>
#include <mitogen/fwd.hpp>
#include <mitogen/scope/interrupted.hpp>
#include <mitogen/sync/host.hpp>

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

/// Gives each item of a `Source` (a receiver, a remote range, a dialog) to every subscriber. The
/// last items are kept in a ring: a subscriber that is so slow that the ring has gone on is told
/// how many items it has missed, and goes on with the oldest that is there. The fastest misses
/// nothing: items are taken from the source only when somebody wants the next, so that the source
/// is throttled as it would be by one reader.
///
/// There is no thread of its own: whichever subscriber needs the next item first takes it from the
/// source, for all of them. Threads: subscribers from any, each by one at a time. The source is
/// this object's from now on, and goes with it.
template <class Source>
class broadcast {
public:
    using value_type = typename Source::value_type;

private:
    struct shared : std::enable_shared_from_this<shared> {
        Source source;
        std::size_t capacity;
        mitogen::node& node;
        detail::mutex mutex;
        detail::condition changed{};
        std::deque<value_type> ring{};
        std::uint64_t first = 0;    // number of ring.front()
        bool taking = false;        // somebody waits for the source
        std::optional<error> end{}; // what follows the last item
        detail::watchers told;      // of select, to be run when there is another item
        bool listening = false;     // to the source, for these

        shared(mitogen::node& here, Source from, std::size_t most)
            : source(std::move(from)), capacity(most), node(here), mutex(here) {}

        std::uint64_t next() const noexcept { return first + ring.size(); }
        bool has(std::uint64_t number) const noexcept { return number < next() || end; }

        /// Waits until item `wanted`, or the end, is there. False at the deadline.
        bool await(std::unique_lock<detail::mutex>& lock, std::uint64_t wanted, instant deadline) {
            while (!has(wanted)) {
                const auto ready = [&] { return has(wanted) || !taking; };
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
                if (ring.size() == capacity) {
                    ring.pop_front();
                    ++first;
                }
                ring.push_back(std::move(*item));
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

        /// Takes what the source has, if nobody does.
        void look(std::unique_lock<detail::mutex>& lock, std::uint64_t wanted) {
            if (has(wanted) || taking) return;
            taking = true;
            lock.unlock();
            if (source.ready()) return static_cast<void>(enter(lock, take(0)));
            lock.lock();
            taking = false;
            changed.notify_all();
        }

        /// Has the source say when there is something to take.
        void listen(std::unique_lock<detail::mutex>& lock) {
            if (std::exchange(listening, true)) return;
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
    /// `capacity`: items that are kept for those who are slower than the fastest.
    broadcast(router& node, Source source, std::size_t capacity)
        : shared_(std::make_shared<shared>(node_of(node), std::move(source),
                                           std::max<std::size_t>(capacity, 1))) {}

    /// One reader, who begins with the next item that is taken from the source. Copies read on
    /// their own from there.
    class subscriber {
        friend class broadcast;
        std::shared_ptr<shared> shared_;
        std::uint64_t next_;
        std::uint64_t missed_ = 0;

        explicit subscriber(std::shared_ptr<shared> from) : shared_(std::move(from)) {
            const std::lock_guard lock(shared_->mutex);
            next_ = shared_->next();
        }

        result<typename broadcast::value_type> get_until(instant deadline) {
            std::unique_lock lock(shared_->mutex);
            if (!shared_->await(lock, next_, deadline)) {
                if (shared_->node.on_loop())
                    return error(reason::misuse,
                                 "a function that runs on the loop waits for an item");
                return detail::wait_ended(shared_->node.now(), deadline,
                                          "no item came before the deadline");
            }
            if (next_ < shared_->first) {
                missed_ += shared_->first - next_;
                next_ = shared_->first;
            }
            if (next_ == shared_->next()) return *shared_->end;
            return shared_->ring[static_cast<std::size_t>(next_++ - shared_->first)];
        }

    public:
        using value_type = typename broadcast::value_type;

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
            shared_->look(lock, next_);
            return shared_->has(next_);
        }
        bool ended() {
            const std::lock_guard lock(shared_->mutex);
            return shared_->end && next_ == shared_->next();
        }
        void then(unique_function<void()> go, const void* key = nullptr) {
            {
                std::unique_lock lock(shared_->mutex);
                shared_->look(lock, next_);
                if (!shared_->has(next_)) {
                    shared_->told.add(key, std::move(go));
                    return shared_->listen(lock);
                }
            }
            go();
        }
        void forget(const void* key) {
            detail::watchers gone; // destroyed without the lock
            const std::lock_guard lock(shared_->mutex);
            gone = shared_->told.take(key);
        }
        mitogen::node& port() const noexcept { return shared_->node; }

        /// How many items this one has missed since it was last asked: they lie before the item
        /// that was got last.
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
broadcast(router&, Source, std::size_t) -> broadcast<Source>;

} // namespace mitogen::inline MITOGEN_ABI
