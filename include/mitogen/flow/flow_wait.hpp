// SPDX-License-Identifier: BSL-1.0
#pragma once
// flow_wait.hpp: how a task waits for an item, or for room for one.

#include <mitogen/base/config.hpp>
#include <mitogen/base/error.hpp>
#include <mitogen/base/result.hpp>
#include <mitogen/call/future.hpp>
#include <mitogen/codec/buffer.hpp>
#include <mitogen/flow/flow_end.hpp>
#include <mitogen/flow/item/item_codec.hpp>
#include <mitogen/task/task.hpp>
#include <mitogen/task/task_scope.hpp>

#include <coroutine>
#include <type_traits>
#include <utility>

namespace mitogen::inline MITOGEN_ABI {
namespace detail {

/// A wait for an end of a flow, an inbox or an outbox. Whoever refers to the end must stay until
/// then.
template <class End>
class flow_wait : protected task_wait {
    End& end_;

    bool happened() override { return end_.ready(); }
    void arm() final {
        end_.then([this] { wake(); }, this);
    }
    void give_up(const error&, bool armed) final {
        if (armed && end_.forget(this)) wake(); // else it is on its way
    }

protected:
    explicit flow_wait(End& end) noexcept : end_(end) {}
    ~flow_wait() = default;

    End& end() const noexcept { return end_; }

public:
    bool await_ready() { return happened(); }
    template <class Promise>
    void await_suspend(std::coroutine_handle<Promise> waiting) {
        this->begin(*waiting.promise().scope, waiting);
    }
};

/// For the next item; with `Value` void, only until there is one, or the end. Without `Throws` its
/// error is a value.
template <class Value, bool Throws>
class item_wait final : public flow_wait<inbox> {
public:
    explicit item_wait(inbox& in) noexcept : flow_wait<inbox>(in) {}

    auto await_resume() {
        if constexpr (std::is_void_v<Value>) {
            this->check();
        } else if constexpr (Throws) {
            this->check();
            return next_item<Value>(this->end(), 0).value();
        } else {
            if (!this->end().ready()) return result<Value>(*this->scope().cancelled());
            return next_item<Value>(this->end(), 0);
        }
    }
};

/// Until there is credit for an item, with which it is sent at once.
template <bool Throws>
class room_wait final : public flow_wait<outbox> {
    buffer frame_;
    bool sent_ = false;

    bool happened() override {
        outbox& out = this->end();
        if (sent_ || frame_.size() > out.node().bounds().message_bytes) return true;
        sent_ = out.pass_on(frame_);
        return sent_ || out.closed();
    }

    result<void> outcome() {
        if (sent_) return {};
        if (!happened()) return *this->scope().cancelled();
        // says what is wrong
        return sent_ ? result<void>() : this->end().send(std::move(frame_), 0);
    }

public:
    room_wait(outbox& out, buffer frame) noexcept
        : flow_wait<outbox>(out), frame_(std::move(frame)) {}

    auto await_resume() {
        if constexpr (Throws) {
            outcome().value();
        } else {
            return outcome();
        }
    }
};

/// What the async_ members return: movable, as g++ wants what is awaited; the wait itself is not.
template <class Value, bool Throws = true>
struct next_item_of {
    inbox& in;
    item_wait<Value, Throws> operator co_await() const noexcept {
        return item_wait<Value, Throws>(in);
    }
};
template <bool Throws = true>
struct sending {
    outbox& out;
    buffer frame;
    room_wait<Throws> operator co_await() && noexcept {
        return room_wait<Throws>(out, std::move(frame));
    }
};

/// Until a future is done, with a value or an error. A task that is cancelled gives the call up.
class answer_wait final : task_wait {
    future_base& answer_;

    bool happened() override { return answer_.done(); }
    void arm() override {
        waits_for_answer(*answer_.state());
        answer_.then([this] { wake(); });
    }
    void give_up(const error& why, bool) override { answer_.abandon(why); }

public:
    explicit answer_wait(future_base& answer) noexcept : answer_(answer) {}

    bool await_ready() const noexcept { return answer_.done(); }
    template <class Promise>
    void await_suspend(std::coroutine_handle<Promise> waiting) {
        begin(*waiting.promise().scope, waiting);
    }
    void await_resume() const noexcept {}
};
struct completion_of {
    future_base& answer;
    answer_wait operator co_await() const noexcept { return answer_wait(answer); }
};

} // namespace detail
} // namespace mitogen::inline MITOGEN_ABI
