// SPDX-License-Identifier: BSL-1.0
#pragma once
// select.hpp: waits for whichever of several things is ready first.

#include <mitogen/base/config.hpp>
#include <mitogen/base/error.hpp>
#include <mitogen/base/result.hpp>
#include <mitogen/base/time.hpp>
#include <mitogen/call/future.hpp>
#include <mitogen/node/node.hpp>
#include <mitogen/node/outstanding_call.hpp>
#include <mitogen/scope/interrupted.hpp>

#include <atomic>
#include <cstddef>
#include <deque>
#include <iterator>
#include <memory>
#include <optional>
#include <type_traits>
#include <utility>

namespace mitogen::inline MITOGEN_ABI {

/// Futures, receivers, streams and dialogs, of which some thread wants to know which is ready. A
/// future is told once; the others each time that there is an item to take, and once when they have
/// ended. Refers to them: they must outlive it and not move.
///
/// Fair: what was told last comes last when several are ready. Threads: one at a time. Blocks:
/// next() and iteration, not on the loop.
class select {
    // What a source's callback reaches, which may come when the select is gone.
    struct signal {
        std::atomic<outstanding_call*> event{nullptr}; // who waits, with a reference

        void fire() {
            if (outstanding_call* e = event.exchange(nullptr)) {
                e->fail(error(reason::none, "ready"));
                e->release();
            }
        }
    };

public:
    /// One of the sources.
    class source {
        friend class select;
        void* object_;
        bool (*ready_)(void*);
        bool (*over_)(void*); // it will not be ready again after this
        void (*then_)(void*, unique_function<void()>, const void* key);
        void (*forget_)(void*, const void* key);
        std::shared_ptr<std::atomic<bool>> armed_ = std::make_shared<std::atomic<bool>>(false);

        template <class Source>
        explicit source(Source& from)
            : object_(&from), ready_([](void* s) { return is_ready(*static_cast<Source*>(s)); }),
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
    };

    template <class First, class... Rest>
    explicit select(First& first, Rest&... rest) : port_(&first.port()) {
        add(first);
        (add(rest), ...);
    }
    select(select&&) = delete;
    ~select() {
        for (source& s : sources_)
            if (*s.armed_) s.forget_(s.object_, signal_.get());
    }

    /// One more.
    template <class Source>
    void add(Source& from) {
        sources_.push_back(source(from));
    }

    /// How many may still become ready.
    std::size_t size() const noexcept { return sources_.size(); }

    /// Which is ready; waits for one. Its value, or its error, is then to be had from the object
    /// itself, without waiting. Errors, thrown: channel_error with reason::end_of_stream if none is
    /// left.
    source& next() { return *try_next().value(); }
    /// The same, with the error as a value.
    result<source*> try_next() { return try_next_until(never); }

    /// The same, waiting for `span` at most, with the error as a value: reason::timeout.
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
    mitogen::node* port_;
    std::deque<source> sources_; // the one that was told last is the last
    std::optional<source> told_; // and will not be ready again
    std::shared_ptr<signal> signal_ = std::make_shared<signal>();

    template <class Source>
    static bool is_ready(Source& s) {
        if constexpr (std::is_base_of_v<detail::future_base, Source>) {
            return s.done();
        } else {
            return s.ready();
        }
    }
    template <class Source>
    static bool is_over(Source& s) {
        if constexpr (std::is_base_of_v<detail::future_base, Source>) {
            return s.done();
        } else {
            return s.ended();
        }
    }

    template <class Source>
    static void arm(Source& s, unique_function<void()> go, const void* key) {
        if constexpr (std::is_base_of_v<detail::future_base, Source>) {
            s.then(std::move(go)); // comes once, and the future keeps it until then
        } else {
            s.then(std::move(go), key);
        }
    }
    template <class Source>
    static void disarm(Source& s, const void* key) {
        if constexpr (!std::is_base_of_v<detail::future_base, Source>) s.forget(key);
    }

    /// A source that is ready, or null.
    source* find() {
        for (auto at = sources_.begin(); at != sources_.end(); ++at) {
            if (!at->ready_(at->object_)) continue;
            source found = std::move(*at);
            sources_.erase(at);
            if (found.over_(found.object_)) return &told_.emplace(std::move(found));
            return &sources_.emplace_back(std::move(found));
        }
        return nullptr;
    }

    void arm_all() {
        for (source& s : sources_) {
            if (s.armed_->exchange(true)) continue;
            const auto go = [armed = s.armed_, wake = signal_] {
                armed->store(false);
                wake->fire();
            };
            s.then_(s.object_, go, signal_.get());
        }
    }

    result<source*> try_next_until(instant deadline) {
        for (;;) {
            if (source* ready = find()) return ready;
            if (sources_.empty())
                return error(reason::end_of_stream, "nothing is left to wait for");
            if (port_->on_loop())
                return error(
                    reason::misuse,
                    "a function that runs on the loop waits for what only the loop could bring");
            outstanding_call& event = port_->open_event();
            event.retain();
            signal_->event.store(&event);
            arm_all();
            const bool in_time = port_->await(event, deadline);
            if (outstanding_call* unused = signal_->event.exchange(nullptr)) unused->release();
            if (!in_time) event.fail(error(reason::timeout, ""));
            event.release();
            if (in_time) continue;
            if (auto ended = detail::why_interrupted(port_->now(), deadline))
                return std::move(*ended);
            return error(reason::timeout, "nothing was ready before the deadline");
        }
    }
};

} // namespace mitogen::inline MITOGEN_ABI
