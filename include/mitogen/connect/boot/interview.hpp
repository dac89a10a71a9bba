// SPDX-License-Identifier: BSL-1.0
#pragma once
// interview.hpp: carries questions of a tool to whoever answers them, and the answers to where the tool reads them.

#include <mitogen/base/config.hpp>
#include <mitogen/base/error.hpp>
#include <mitogen/base/function.hpp>
#include <mitogen/connect/boot/boot_channel.hpp>
#include <mitogen/connect/boot/boot_plan.hpp>
#include <mitogen/connect/boot/staging.hpp>
#include <mitogen/connect/logs/child_stderr.hpp>
#include <mitogen/connect/prompts/open_question.hpp>
#include <mitogen/connect/prompts/prompt.hpp>
#include <mitogen/connect/prompts/prompter.hpp>
#include <mitogen/loop/broker_engine.hpp>

#include <memory>
#include <string>
#include <string_view>
#include <utility>

namespace mitogen::inline MITOGEN_ABI {
namespace detail {

/// Answers the questions of the tool that comes before the first stage, where the plan foresees any.
///
/// Threads: loop.
template <class Io>
class interview final : public questions {
    detail::broker_engine<Io>& loop_;
    boot_plan& plan_;
    child_stderr<Io>& err_;
    boot_channel<Io>& channel_;
    unique_function<void(const error&)> failed_;
    std::shared_ptr<open_question<Io>> open_; // put to a person
    bool over_ = false;

public:
    /// All outlive this.
    interview(detail::broker_engine<Io>& loop, boot_plan& plan, child_stderr<Io>& err, boot_channel<Io>& channel)
        : loop_(loop), plan_(plan), err_(err), channel_(channel) {}

    interview(interview&&) = delete;
    ~interview() override { interview::close(); }

    /// Hears what the tool prints, from now on. One that reads its stdin may ask on its stdout. `failed` is called where there is
    /// no answer; it may end the attempt, and is the last that is done here.
    void begin(unique_function<void(const error&)> failed) override {
        failed_ = std::move(failed);
        plan_.prompts->person_there(static_cast<bool>(plan_.ask));
        err_.listen([this](std::string_view heard) { hear(heard); });
        if (plan_.prompts->where() == prompter::reads::input) channel_.listen([this](std::string_view heard) { hear(heard); });
    }

    /// The attempt has failed: no more questions, and no more answers.
    void close() override {
        over_ = true;
        withdraw();
    }

    /// Masks in `words` and in all that is kept of stderr what was typed: a tool may repeat what it was told.
    void mask(std::string& words) override {
        if (!plan_.prompts) return; // wiped
        plan_.prompts->for_each_secret([&](const secret& typed) {
            err_.mask(typed.reveal());
            detail::mask(words, typed.reveal());
        });
    }

    /// The child is up: no more questions. Wipes the password and all answers.
    void finish() override {
        close();
        std::string none;
        mask(none);
        err_.listen({});
        plan_.prompts.reset();
        plan_.ask.reset();
    }

private:
    /// It asks no more.
    bool past() const { return over_ || channel_.dialogue().stage_seen() || channel_.dialogue().hello_seen(); }

    void hear(std::string_view heard) {
        if (!past()) react(plan_.prompts->hear(heard));
    }

    MITOGEN_COLD void react(prompter::reaction what) {
        prompter& tool = *plan_.prompts;
        switch (what) {
        case prompter::reaction::nothing: return;
        case prompter::reaction::ask: return ask();
        case prompter::reaction::withdraw: return withdraw();
        case prompter::reaction::answer: type(tool.answer().reveal()); [[fallthrough]];
        case prompter::reaction::decline: type("\n"); break;
        case prompter::reaction::give_up: {
            over_ = true;
            const error why(tool.why(), plan_.what + ": " + tool.trouble());
            return failed_(why);
        }
        }
        withdraw(); // a person's, where the tool has asked something else meanwhile
        err_.question_answered();
    }

    void type(std::string_view text) {
        if (plan_.prompts->where() == prompter::reads::input) return channel_.type(text);
        err_.type(text);
    }

    void ask() {
        withdraw();
        open_ = std::make_shared<open_question<Io>>(loop_, [this](prompt_outcome how, secret answer) {
            open_.reset();
            if (!past()) react(plan_.prompts->settle(how, std::move(answer)));
        });
        plan_.ask(prompt(plan_.what, plan_.prompts->question(), open_));
    }

    void withdraw() {
        if (const auto open = std::exchange(open_, nullptr)) open->close();
    }
};

} // namespace detail
} // namespace mitogen::inline MITOGEN_ABI
