// SPDX-License-Identifier: BSL-1.0
#pragma once
// person.hpp: somebody who is asked questions, for tests.

#include <catch2/catch.hpp>
#include <chrono>
#include <condition_variable>
#include <deque>
#include <memory>
#include <mitogen/mitogen.hpp>
#include <mutex>
#include <string>
#include <utility>
#include <vector>

namespace support {

/// Answers at once from a list, in the order of the questions; without a list, keeps the questions
/// until the test takes them.
class person {
    struct state {
        std::mutex mutex;
        std::condition_variable arrived;
        std::deque<std::string> answers;
        std::deque<mitogen::prompt> open;
        std::vector<std::string> asked;
    };
    std::shared_ptr<state> state_ = std::make_shared<state>(); // the router's callable has it too

public:
    person() = default;
    explicit person(std::deque<std::string> answers) { state_->answers = std::move(answers); }

    /// For router_options::on_prompt.
    mitogen::prompt_callback callback() const {
        return [s = state_](mitogen::prompt question) {
            const std::lock_guard lock(s->mutex);
            s->asked.push_back(question.what() + "|" + question.text());
            if (s->answers.empty()) {
                s->open.push_back(std::move(question));
                s->arrived.notify_all();
            } else {
                question.answer(mitogen::secret(s->answers.front()));
                s->answers.pop_front();
            }
        };
    }

    /// All questions so far, as "what|text".
    std::vector<std::string> asked() const {
        const std::lock_guard lock(state_->mutex);
        return state_->asked;
    }

    /// Waits for the next question that nobody has answered.
    mitogen::prompt next() const {
        std::unique_lock lock(state_->mutex);
        if (!state_->arrived.wait_for(lock, std::chrono::seconds(20),
                                      [&] { return !state_->open.empty(); })) {
            lock.unlock();
            FAIL("nothing was asked");
        }
        mitogen::prompt question = std::move(state_->open.front());
        state_->open.pop_front();
        return question;
    }
};

} // namespace support
