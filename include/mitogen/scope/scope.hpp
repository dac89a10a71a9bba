// SPDX-License-Identifier: BSL-1.0
#pragma once
// scope.hpp: scopes that a program enters by hand, shields against those around it, and how a
// thread that the program starts joins one.

#include <mitogen/base/config.hpp>
#include <mitogen/base/error.hpp>
#include <mitogen/base/log.hpp>
#include <mitogen/base/result.hpp>
#include <mitogen/base/time.hpp>
#include <mitogen/scope/cancel_scope.hpp>
#include <mitogen/scope/scope_link.hpp>
#include <mitogen/scope/thread_worker.hpp>

#include <list>
#include <memory>
#include <optional>
#include <utility>
#include <vector>

#if defined(__cpp_lib_jthread)
#include <stop_token>
#endif

namespace mitogen::inline MITOGEN_ABI {

/// The scopes that a thread or task works for at one moment, to hand to another thread: see
/// this_scope(). A cheap value. Threads: any.
class scope_handle {
    friend class scope;
    std::vector<std::shared_ptr<detail::scope_link>> links_; // outermost first

    friend scope_handle this_scope();

public:
    /// Of no scope: nothing ends what is joined to it.
    scope_handle() = default;
};

/// The scopes that the calling thread works for: of the remote function that it runs, of the
/// nurseries whose body it runs, and those entered by hand. A thread that the function starts makes
/// a scope of it: `std::thread([in = mitogen::this_scope()] { mitogen::scope joined{in}; … })`.
/// Never blocks.
inline scope_handle this_scope() {
    scope_handle made;
    for (detail::cancel_scope* s = detail::this_worker ? detail::this_worker->innermost : nullptr;
         s; s = s->outer()) {
        if (s->has_left()) continue;
        detail::scope_link& link = s->link();
        link.retain();
        made.links_.emplace(made.links_.begin(), &link,
                            [](detail::scope_link* l) { l->release(); });
        if (s->shields()) break;
    }
    return made;
}

/// While it exists, what its thread or task waits for in this library (a call, an item, a context,
/// a nursery, a latch, sleep_for) also ends when the scope is cancelled, or when its time is over;
/// calls that are made in it end with it, and carry what is left of its time. An error says so:
/// cancelled_error, timeout_error. Every later wait in it fails as well. It lies in the scope of
/// the function that runs, and ends with that too.
///
/// Made and destroyed by the same thread or task, the innermost first: otherwise it ends no wait
/// any more, and an error is logged that names both. Threads: cancel() any. Never blocks.
class scope {
    class entered final : public detail::counted_scope {};

    std::unique_ptr<entered, detail::counted_scope::drop> own_{new entered};
    detail::scope_worker* worker_;
    std::list<detail::following_scope> followed_;
#if defined(__cpp_lib_jthread)
    struct canceller {
        scope* of;
        void operator()() const { of->cancel(); }
    };
    std::optional<std::stop_callback<canceller>> on_stop_;
#endif

    void enter(instant deadline) {
        worker_->retain();
        own_->reset(deadline);
        own_->enter(*worker_);
    }

public:
    /// A scope without end, but by cancel().
    scope() : worker_(&detail::worker_here()) { enter(never); }
    /// Its time is over after `span`, counted from now.
    template <class Rep, class Period>
    explicit scope(std::chrono::duration<Rep, Period> span)
        : worker_(&detail::worker_here()) {
        enter(detail::after(worker_->now(), detail::to_ns(span)));
    }
    /// For a thread that does something for a scope of another thread: what it waits for ends with
    /// that. Once that one has been left: reason::misuse.
    explicit scope(const scope_handle& of) : worker_(&detail::worker_here()) {
        for (const auto& link : of.links_) followed_.emplace_back(*link).enter_here(*worker_);
        enter(never);
    }
#if defined(__cpp_lib_jthread)
    /// Is cancelled by a stop token.
    explicit scope(std::stop_token stop) : scope() {
        if (stop.stop_possible()) on_stop_.emplace(std::move(stop), canceller{this});
    }
#endif
    scope(scope&&) = delete;

    ~scope() {
#if defined(__cpp_lib_jthread)
        on_stop_.reset();
#endif
        const bool here = detail::this_worker == worker_;
        if (!here || worker_->innermost != own_.get())
            log::write(log::level::error,
                       here ? "a mitogen::scope was left while one that was made later is still "
                              "entered: leave the innermost first"
                            : "a mitogen::scope was left by another thread or task than the one "
                              "that had entered it");
        own_->leave(here ? worker_ : nullptr);
        for (detail::following_scope& f : followed_) f.leave_here(*worker_);
        worker_->release();
    }

    /// Ends what is waited for in it, and every later wait. Again: nothing happens. Threads: any,
    /// while it exists.
    void cancel() noexcept { own_->cancel(cancel_radius::call, no_context); }

    /// True once it was cancelled by cancel() or its stop token.
    bool cancelled() const noexcept { return own_->is_cancelled(); }
    /// True once its own time is over.
    bool late() const noexcept { return own_->deadline() <= worker_->now(); }
};

/// While it exists, for `bound` at most, what its thread or task waits for is not ended by the
/// scopes around it: for what must be done although the function was cancelled. Its own calls
/// travel without the deadlines of those scopes. After `bound` these count again.
///
/// Made and destroyed by the same thread or task. Never blocks.
class shield {
    struct until_bound final : detail::cancel_scope {};

    detail::scope_worker* const worker_ = detail::this_worker;
    until_bound own_;

public:
    template <class Rep, class Period>
    explicit shield(std::chrono::duration<Rep, Period> bound) {
        if (!worker_) return; // nothing is around it
        own_.reset(never, detail::after(worker_->now(), detail::to_ns(bound)));
        own_.enter(*worker_);
    }
    shield(shield&&) = delete;
    ~shield() {
        if (worker_) own_.leave(worker_);
    }
};

/// Why every wait of the calling thread or task would end now: its scope is cancelled, or late. For
/// work that waits for nothing, and asks now and then. Never blocks.
inline result<void> check_scope() {
    if (!detail::this_worker) return {};
    if (auto why = detail::why_interrupted(detail::this_worker->now())) return std::move(*why);
    return {};
}

} // namespace mitogen::inline MITOGEN_ABI
