// SPDX-License-Identifier: BSL-1.0
#pragma once
// login_prompts.hpp: carries questions of a tool to whoever answers them, and the answers to where
// the tool reads them.

#include <mitogen/base/config.hpp>
#include <mitogen/base/error.hpp>
#include <mitogen/base/function.hpp>
#include <mitogen/boot/boot_plan.hpp>
#include <mitogen/boot/bootstrap_io.hpp>
#include <mitogen/boot/prompts/open_question.hpp>
#include <mitogen/boot/prompts/prompt.hpp>
#include <mitogen/boot/prompts/prompt_matcher.hpp>
#include <mitogen/boot/prompts/tool_output.hpp>
#include <mitogen/boot/staging.hpp>
#include <mitogen/child/child_stderr.hpp>
#include <mitogen/loop/broker_engine.hpp>

#include <memory>
#include <string>
#include <string_view>
#include <utility>

namespace mitogen::inline MITOGEN_ABI {
namespace detail {

/// Answers the questions of the tool that comes before the first stage, if the plan foresees any.
///
/// Threads: loop.
template <class Io>
class login_prompts final : public questions {
    detail::broker_engine<Io>& loop_;
    boot_plan& plan_;
    child_stderr<Io>& err_;
    bootstrap_io<Io>& channel_;
    unique_function<void(const error&)> failed_;
    std::shared_ptr<open_question<Io>> open_;   // put to a person
    std::unique_ptr<tool_output<Io>> looks_up_; // whose the password is
    bool over_ = false;

public:
    /// All outlive this.
    login_prompts(detail::broker_engine<Io>& loop, boot_plan& plan, child_stderr<Io>& err,
                  bootstrap_io<Io>& channel)
        : loop_(loop), plan_(plan), err_(err), channel_(channel) {}

    login_prompts(login_prompts&&) = delete;
    ~login_prompts() override { login_prompts::close(); }

    /// Hears what the tool prints, from now on. One that reads its stdin may ask on its stdout.
    /// `failed` is called if there is no answer; it may end the attempt, and is the last that is
    /// done here.
    void begin(unique_function<void(const error&)> failed) override {
        failed_ = std::move(failed);
        plan_.prompts->person_there(static_cast<bool>(plan_.ask));
        err_.listen([this](std::string_view heard) { hear(heard); });
        if (plan_.prompts->where() == prompt_matcher::reads::input)
            channel_.listen([this](std::string_view heard) { hear(heard); });
    }

    /// The attempt has failed: no more questions, and no more answers.
    void close() override {
        over_ = true;
        looks_up_.reset();
        withdraw();
    }

    /// Masks in `words` and in all that is kept of stderr what was typed: a tool may repeat what it
    /// was told.
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

    void abandon() noexcept override {
        if (looks_up_) looks_up_->abandon();
    }

private:
    /// It asks no more.
    bool past() const {
        return over_ || channel_.protocol().stage_seen() || channel_.protocol().hello_seen();
    }

    void hear(std::string_view heard) {
        if (!past()) react(plan_.prompts->hear(heard));
    }

    MITOGEN_COLD void react(prompt_matcher::reaction what) {
        prompt_matcher& tool = *plan_.prompts;
        switch (what) {
        case prompt_matcher::reaction::nothing: return;
        case prompt_matcher::reaction::ask: return ask();
        case prompt_matcher::reaction::withdraw: return withdraw();
        case prompt_matcher::reaction::look_up: return look_up();
        case prompt_matcher::reaction::answer: type(tool.answer().reveal()); [[fallthrough]];
        case prompt_matcher::reaction::decline: type("\n"); break;
        case prompt_matcher::reaction::give_up: {
            over_ = true;
            const error why(tool.why(), plan_.what + ": " + tool.trouble());
            return failed_(why);
        }
        }
        withdraw(); // a person's, if the tool has asked something else meanwhile
        err_.question_answered();
    }

    void type(std::string_view text) {
        if (plan_.prompts->where() == prompt_matcher::reads::input) return channel_.type(text);
        err_.type(text);
    }

    void look_up() {
        withdraw();
        looks_up_ = std::make_unique<tool_output<Io>>(loop_);
        const auto found = [this](const std::string& printed) {
            looks_up_.reset();
            if (!past()) react(plan_.prompts->found(printed));
        };
        if (!looks_up_->begin(plan_.prompts->lookup().argv, found)) found({});
    }

    void ask() {
        withdraw();
        open_ =
            std::make_shared<open_question<Io>>(loop_, [this](prompt_outcome how, secret answer) {
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
