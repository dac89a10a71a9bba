// SPDX-License-Identifier: BSL-1.0
#pragma once
// select.hpp: waits for whichever of several things is ready first.

#include <mitogen/base/config.hpp>
#include <mitogen/base/error.hpp>
#include <mitogen/base/result.hpp>
#include <mitogen/base/time.hpp>
#include <mitogen/call/future.hpp>
#include <mitogen/node/node.hpp>
#include <mitogen/scope/interrupted.hpp>
#include <mitogen/sync/host.hpp>

#include <algorithm>
#include <cstddef>
#include <deque>
#include <iterator>
#include <memory>
#include <mutex>
#include <type_traits>
#include <utility>
#include <vector>

namespace mitogen::inline MITOGEN_ABI {

/// Futures, tasks of a nursery, receivers, streams, dialogs and subscribers, of which some thread
/// wants to know which is ready. A future or a task is told once; the others each time that there
/// is an item to take, and once when they have ended. Refers to them: they must outlive it, or its
/// remove(), and not move.
///
/// What next() costs does not depend on how many there are. Fair: what was told last comes last
/// when several are ready. Threads: one at a time. Blocks: next() and iteration, not on the loop.
class select {
    struct signal;

public:
    /// One of the sources.
    class source {
        friend class select;
        void* object_;
        std::size_t tag_;
        bool (*ready_)(void*);
        bool (*over_)(void*); // it will not be ready again after this
        void (*then_)(void*, unique_function<void()>, const void* key);
        void (*forget_)(void*, const void* key);
        bool removed_ = false;
        bool armed_ = false; // under the signal's mutex: it will say that it may be ready

        template <class Source>
        source(Source& from, std::size_t tag)
            : object_(&from), tag_(tag),
              ready_([](void* s) { return is_ready(*static_cast<Source*>(s)); }),
              over_([](void* s) { return is_over(*static_cast<Source*>(s)); }),
              then_([](void* s, unique_function<void()> go, const void* key) {
                  arm(*static_cast<Source*>(s), std::move(go), key);
              }),
              forget_([](void* s, const void* key) { disarm(*static_cast<Source*>(s), key); }) {}

    public:
        /// True if it is `other`.
        template <class Source>
        bool is(const Source& other) const noexcept {
            return object_ == static_cast<const void*>(&other);
        }

        /// What add() was given for it; else how many were added before it.
        std::size_t tag() const noexcept { return tag_; }
    };

    template <class First, class... Rest>
    explicit select(First& first, Rest&... rest)
        : port_(&first.port()), signal_(std::make_shared<signal>(*port_)) {
        add(first);
        (add(rest), ...);
    }
    select(select&&) = delete;
    ~select() {
        for (const auto& s : sources_)
            if (!s->removed_) forget(*s);
    }

    /// One more.
    template <class Source>
    void add(Source& from) {
        add(from, added_);
    }
    /// One more, with a number by which its source::tag() tells it.
    template <class Source>
    void add(Source& from, std::size_t tag) {
        ++added_;
        sources_.push_back(std::shared_ptr<source>(new source(from, tag)));
        watch(sources_.back());
    }

    /// It is not waited for any more, whether it is ready or not. False if it is not among them.
    template <class Source>
    bool remove(const Source& gone) {
        const auto at = std::find_if(sources_.begin(), sources_.end(),
                                     [&](const auto& s) { return s->is(gone); });
        if (at == sources_.end()) return false;
        forget(**at);
        drop(*at);
        return true;
    }

    /// How many may still become ready.
    std::size_t size() const noexcept { return sources_.size(); }

    /// Which is ready; waits for one. Its value, or its error, is then to be had from the object
    /// itself, without waiting. Errors, thrown: channel_error with reason::end_of_stream if none is
    /// left; cancelled_error, timeout_error, if the caller's scope ends.
    source& next() { return *try_next().value(); }
    /// The same, with the error as a value.
    result<source*> try_next() { return try_next_until(never); }

    /// The same, waiting for `span` at most, 0 never: reason::timeout.
    template <class Rep, class Period>
    source& next_for(std::chrono::duration<Rep, Period> span) {
        return *try_next_for(span).value();
    }
    template <class Rep, class Period>
    result<source*> try_next_for(std::chrono::duration<Rep, Period> span) {
        return try_next_until(detail::after(port_->now(), detail::to_ns(span)));
    }

    /// next() until none is left.
    class iterator {
        select* from_ = nullptr;
        source* at_ = nullptr;

    public:
        using value_type = source;
        using difference_type = std::ptrdiff_t;
        using iterator_category = std::input_iterator_tag;

        iterator() = default;
        explicit iterator(select& from) : from_(&from) { ++*this; }
        source& operator*() const noexcept { return *at_; }
        iterator& operator++() {
            const auto next = from_->try_next_until(never);
            if (!next && !detail::is_end(next.error())) raise(next.error());
            at_ = next ? *next : nullptr;
            return *this;
        }
        void operator++(int) { ++*this; }
        friend bool operator==(const iterator& i, std::default_sentinel_t) noexcept {
            return i.at_ == nullptr;
        }
    };
    iterator begin() { return iterator(*this); }
    std::default_sentinel_t end() const noexcept { return {}; }

private:
    // What the sources' callbacks reach, which may come when the select is gone.
    struct signal {
        detail::mutex mutex;
        detail::condition changed;
        std::deque<std::shared_ptr<source>> told; // under the mutex: those that may be ready

        explicit signal(const mitogen::node& host) : mutex(host) {}

        void tell(const std::shared_ptr<source>& s) {
            const std::lock_guard lock(mutex);
            if (!std::exchange(s->armed_, false)) return;
            told.push_back(s);
            changed.notify_all();
        }
    };

    mitogen::node* port_;
    std::shared_ptr<signal> signal_;
    std::vector<std::shared_ptr<source>> sources_;
    std::size_t added_ = 0;
    std::shared_ptr<source> given_; // what next() has returned last

    template <class Source>
    static constexpr bool comes_once = std::is_base_of_v<detail::future_base, Source>;

    template <class Source>
    static bool is_ready(Source& s) {
        if constexpr (comes_once<Source>) {
            return s.done();
        } else {
            return s.ready();
        }
    }
    template <class Source>
    static bool is_over(Source& s) {
        if constexpr (comes_once<Source>) {
            return s.done();
        } else {
            return s.ended();
        }
    }
    template <class Source>
    static void arm(Source& s, unique_function<void()> go, const void* key) {
        if constexpr (comes_once<Source>) {
            s.then(std::move(go)); // the future keeps it until then
        } else {
            s.then(std::move(go), key);
        }
    }
    template <class Source>
    static void disarm(Source& s, const void* key) {
        if constexpr (!comes_once<Source>) s.forget(key);
    }

    /// It says when it may be ready: at once, if it is.
    void watch(const std::shared_ptr<source>& s) {
        {
            const std::lock_guard lock(signal_->mutex);
            if (std::exchange(s->armed_, true)) return;
        }
        s->then_(s->object_, [to = signal_, s] { to->tell(s); }, signal_.get());
    }

    void forget(source& s) {
        {
            const std::lock_guard lock(signal_->mutex);
            s.removed_ = true;
            if (!std::exchange(s.armed_, false)) return;
        }
        s.forget_(s.object_, signal_.get());
    }

    void drop(const std::shared_ptr<source>& gone) {
        const auto at = std::find(sources_.begin(), sources_.end(), gone);
        if (at == sources_.end()) return;
        std::swap(*at, sources_.back());
        sources_.pop_back();
    }

    /// What was given last may be ready again.
    void take_back() {
        const std::shared_ptr<source> last = std::move(given_);
        if (last && !last->removed_) watch(last);
    }

    result<source*> try_next_until(instant deadline) {
        take_back();
        for (;;) {
            if (sources_.empty())
                return error(reason::end_of_stream, "nothing is left to wait for");
            std::shared_ptr<source> told;
            {
                std::unique_lock lock(signal_->mutex);
                const auto some = [this] { return !signal_->told.empty(); };
                if (!some()) {
                    if (port_->on_loop())
                        return error(reason::misuse, "a function that runs on the loop waits for "
                                                     "what only the loop could bring");
                    if (!signal_->changed.wait(lock, *port_, deadline, some, {"a select"})) {
                        lock.unlock();
                        return detail::wait_ended(port_->now(), deadline,
                                                  "nothing was ready before the deadline");
                    }
                }
                told = std::move(signal_->told.front());
                signal_->told.pop_front();
            }
            if (told->removed_) continue;
            if (!told->ready_(told->object_)) { // somebody else has taken its item
                watch(told);
                continue;
            }
            given_ = told;
            if (told->over_(told->object_)) {
                told->removed_ = true;
                drop(told);
            }
            return told.get();
        }
    }
};

/// Futures or tasks of a nursery, in the order in which they are done: `for (auto& f :
/// mitogen::as_completed(all)) use(f.get());`. Refers to them: they must outlive it and not move.
/// Threads: one at a time. Blocks: iteration, not on the loop; it ends as select's does.
template <class Range>
class as_completed {
    std::vector<std::remove_reference_t<decltype(*std::begin(std::declval<Range&>()))>*> all_;
    std::unique_ptr<select> ready_;

public:
    explicit as_completed(Range& these) {
        for (auto& each : these) all_.push_back(&each);
        if (all_.empty()) return;
        ready_ = std::make_unique<select>(*all_.front());
        for (std::size_t i = 1; i < all_.size(); ++i) ready_->add(*all_[i]);
    }

    /// The next one that is done, or none if all have been.
    class iterator {
        as_completed* from_;
        select::iterator at_{};

    public:
        using value_type = std::remove_pointer_t<typename decltype(all_)::value_type>;
        using difference_type = std::ptrdiff_t;
        using iterator_category = std::input_iterator_tag;

        explicit iterator(as_completed& from) : from_(&from) {
            if (from.ready_) at_ = from.ready_->begin();
        }
        value_type& operator*() const noexcept { return *from_->all_[(*at_).tag()]; }
        iterator& operator++() {
            ++at_;
            return *this;
        }
        void operator++(int) { ++*this; }
        friend bool operator==(const iterator& i, std::default_sentinel_t) noexcept {
            return i.at_ == std::default_sentinel;
        }
    };
    iterator begin() { return iterator(*this); }
    std::default_sentinel_t end() const noexcept { return {}; }
};

} // namespace mitogen::inline MITOGEN_ABI
