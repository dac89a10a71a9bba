// SPDX-License-Identifier: BSL-1.0
#pragma once
// nursery_watch.hpp: what belongs to a nursery although somebody else holds its result: a dialog or
// a stream that was opened in it, a task that was spawned in it.

#include <mitogen/base/config.hpp>
#include <mitogen/base/error.hpp>
#include <mitogen/base/ids.hpp>
#include <mitogen/call/future.hpp>
#include <mitogen/node/node.hpp>
#include <mitogen/node/outstanding_call.hpp>
#include <mitogen/nursery/nursery_hub.hpp>
#include <mitogen/nursery/nursery_member.hpp>
#include <mitogen/nursery/nursery_result.hpp>
#include <mitogen/sync/host.hpp>
#include <mitogen/task/node_task_scope.hpp>
#include <mitogen/task/task.hpp>

#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <utility>

namespace mitogen::inline MITOGEN_ABI {
namespace detail {

/// A call whose future somebody else has. Left early by whoever holds it, it is no failure.
class nursery_watch final : public nursery_member {
    outstanding_call& call_;

    std::shared_ptr<nursery_watch> self() {
        return std::static_pointer_cast<nursery_watch>(this->shared_from_this());
    }

    void answered() {
        const error* why = call_.failure();
        // with a context that somebody else has ended, it has not left
        const bool left = why && why->reason() == reason::cancelled && !nursery_->stopped() &&
                          (why->radius() != cancel_radius::context ||
                           why->canceller() == nursery_->node().id());
        nursery_->ended(*this, left ? nullptr : why);
    }

public:
    nursery_watch(std::shared_ptr<nursery_hub> nursery, outstanding_call& call)
        : nursery_member(std::move(nursery)), call_(call) {
        call_.retain();
    }
    ~nursery_watch() { call_.release(); }

    /// Begins. If the nursery takes nothing any more the call is cancelled.
    void begin() {
        std::optional<error> why;
        if (!nursery_->add(self(), why)) return ask_to_stop(*why);
        call_.then([me = self()] { me->answered(); });
        nursery_->begun(*this);
    }

    void ask_to_stop(const error&) override { nursery_->node().cancel_call(call_); }
    void give_up(const error& why) override {
        if (call_.fail(why)) nursery_->node().cancel_call(call_);
    }
    context_id where() override { return call_.respondent(); }
};

/// The exception that is being handled. Inside a catch block.
error caught_error();

/// A task of this program. Keeps itself until it has ended.
template <class T>
class nursery_spawn final : public nursery_result<T>, public node_task_scope {
    mitogen::detail::mutex mutex_;
    std::optional<task<T>> body_;
    std::shared_ptr<nursery_spawn> self_; // while it runs
    std::optional<result<T>> value_;

    std::shared_ptr<nursery_spawn> self() {
        return std::static_pointer_cast<nursery_spawn>(this->shared_from_this());
    }

    void ended() override { // of its coroutine
        const auto keep = std::move(self_);
#if MITOGEN_HAS_EXCEPTIONS
        try {
            keep_value();
        } catch (...) {
            value_.emplace(caught_error());
        }
#else
        keep_value();
#endif
        body_.reset();
        const error* why = value_->has_value() ? nullptr : &value_->error();
        this->nursery_->ended(*this, why);
    }

    void keep_value() {
        if constexpr (std::is_void_v<T>) {
            body_->take();
            value_.emplace();
        } else {
            value_.emplace(body_->take());
        }
    }

public:
    nursery_spawn(std::shared_ptr<nursery_hub> nursery, task<T> body)
        : nursery_result<T>(nursery), node_task_scope(nursery->node()), mutex_(nursery->node()),
          body_(std::move(body)) {}

    void begin() {
        std::optional<error> why;
        if (!this->nursery_->add(self(), why)) return this->nursery_->ended(*this, &*why);
        const bool runs = this->nursery_->node().defer([me = self()] {
            me->self_ = me;
            me->body_->start(*me);
        });
        if (!runs) {
            const error gone(reason::broker_exited, "the loop has ended");
            return this->nursery_->ended(*this, &gone);
        }
        this->nursery_->begun(*this);
    }

    void ask_to_stop(const error& why) override {
        this->nursery_->node().add_work([me = self(), why] { me->task_scope::cancel(why); });
    }
    void give_up(const error&) override {} // it must end: what it waits for has
    context_id where() override { return no_context; }

    result<T> outcome() override {
        if (const error* why = this->failure()) return *why;
        return std::move(*value_);
    }
};

} // namespace detail
} // namespace mitogen::inline MITOGEN_ABI
