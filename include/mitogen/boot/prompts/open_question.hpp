// SPDX-License-Identifier: BSL-1.0
#pragma once
// open_question.hpp: brings an answer that may come from any thread, and at any time, to the loop
// that waits for it.

#include <mitogen/base/config.hpp>
#include <mitogen/base/function.hpp>
#include <mitogen/boot/prompts/prompt.hpp>
#include <mitogen/codec/secret.hpp>
#include <mitogen/loop/broker_engine.hpp>

#include <memory>
#include <mutex>
#include <utility>

namespace mitogen::inline MITOGEN_ABI {
namespace detail {

/// Shared by a prompt and whoever waits for its answer; the prompt may outlive the loop.
template <class Io>
class open_question final : public answer_taker,
                            public std::enable_shared_from_this<open_question<Io>> {
    Io io_;
    typename Io::mutex mutex_;
    // null once no answer is wanted; under mutex_
    detail::broker_engine<Io>* loop_;
    unique_function<void(prompt_outcome, secret)> settled_; // loop's
    unique_function<void()> over_;                          // loop's

public:
    /// `settled` is called on the loop, at most once.
    open_question(detail::broker_engine<Io>& loop,
                  unique_function<void(prompt_outcome, secret)> settled)
        : io_(loop.io()), mutex_(io_), loop_(&loop), settled_(std::move(settled)) {}

    open_question(open_question&&) = delete;

    void take(prompt_outcome how, secret answer) noexcept override {
        const std::lock_guard lock(mutex_); // the loop cannot go meanwhile
        if (!loop_) return;
        (void)loop_->defer(
            [self = this->shared_from_this(), how, answer = std::move(answer)]() mutable {
                self->settle(how, std::move(answer));
            });
    }

    void when_over(unique_function<void()> over) override {
        if (settled_) over_ = std::move(over);
    }

    /// No answer is wanted any more. Threads: loop.
    void close() {
        leave_loop();
        settled_.reset();
        if (auto over = std::exchange(over_, {})) over();
    }

private:
    void leave_loop() {
        const std::lock_guard lock(mutex_);
        loop_ = nullptr;
    }

    void settle(prompt_outcome how, secret answer) {
        if (!settled_) return; // closed meanwhile: the answer is wiped
        leave_loop();
        over_.reset();
        auto settled = std::exchange(settled_, {});
        settled(how, std::move(answer));
    }
};

} // namespace detail
} // namespace mitogen::inline MITOGEN_ABI
