// SPDX-License-Identifier: BSL-1.0
#pragma once
// prompt_router.hpp: brings questions that only a person can answer to the context that asked for
// the connection, and the answers back.

#include <mitogen/base/config.hpp>
#include <mitogen/base/error.hpp>
#include <mitogen/base/ids.hpp>
#include <mitogen/base/log.hpp>
#include <mitogen/boot/boot_plan.hpp>
#include <mitogen/boot/prompts/open_question.hpp>
#include <mitogen/boot/prompts/prompt.hpp>
#include <mitogen/boot/prompts/prompt_matcher.hpp>
#include <mitogen/call/future.hpp>
#include <mitogen/child/text_tail.hpp>
#include <mitogen/codec/codec.hpp>
#include <mitogen/codec/secret.hpp>
#include <mitogen/node/call_table.hpp>
#include <mitogen/node/node.hpp>
#include <mitogen/node/router_core.hpp>
#include <mitogen/protocol/handle.hpp>
#include <mitogen/protocol/message.hpp>

#include <algorithm>
#include <exception>
#include <memory>
#include <string>
#include <utility>
#include <vector>

namespace mitogen::inline MITOGEN_ABI {
namespace detail {

/// Puts questions to the person whom this program has, if it has one: those of tools that run here,
/// and those of tools that other contexts run because this one asked them for a child.
///
/// Threads: loop, but for the constructor and close(). The router outlives it.
template <class Io>
class prompt_router {
    using core = basic_router_core<Io>;

    struct order {
        context_id from;
        handle_id number; // what the request to connect is answered to
        int questions = 0;
        std::shared_ptr<open_question<Io>> open{};
    };

    core& node_;
    prompt_callback on_prompt_;
    std::vector<order> orders_; // that have led to questions
    bool closed_ = false;

    static constexpr std::size_t longest_text = 1024;

    MITOGEN_COLD void put(prompt question) {
#if MITOGEN_HAS_EXCEPTIONS
        try {
            on_prompt_(std::move(question));
        } catch (const std::exception& e) {
            log::write(log::level::error,
                       std::string("router_options::on_prompt has thrown: ") + e.what());
        } catch (...) {
            log::write(log::level::error,
                       "router_options::on_prompt has thrown what is not a std::exception");
        }
#else
        on_prompt_(std::move(question));
#endif
    }

    /// True while this context waits for what it asked `from` to connect.
    bool ordered(context_id from, handle_id number) {
        arrival what;
        basic_outstanding_call<Io>* p = node_.outstanding().find(number, from, what);
        if (!p) return false;
        const bool is_order = p->subject == &connect_request;
        p->release();
        return is_order;
    }

    MITOGEN_COLD order& order_of(context_id from, handle_id number) {
        std::erase_if(orders_, [&](const order& o) {
            if (ordered(o.from, o.number)) return false;
            if (o.open) o.open->close();
            return true;
        });
        const auto known = std::find_if(orders_.begin(), orders_.end(), [&](const order& o) {
            return o.from == from && o.number == number;
        });
        return known != orders_.end() ? *known : orders_.emplace_back(order{from, number});
    }

    /// A tool that another context runs has a question: the number that the answer to the order
    /// comes to, what is being connected, and the question's text. What is declined is answered
    /// with auth_required.
    MITOGEN_COLD void serve(const message& m) {
        reader r(m.payload);
        handle_id number{};
        std::string what;
        std::string text;
        if (!decode(r, number, what, text) || !r.finish())
            return node_.reply_dead(m.head, error(reason::bad_arguments, r.failure_text()));
        if (closed_ || !ordered(m.src(), number))
            return node_.reply_dead(
                m.head, error(reason::refused_by_policy, "context " + std::to_string(m.src()) +
                                                             " was not asked to connect anything"));
        order& o = order_of(m.src(), number);
        if (o.open) o.open->close();
        if (++o.questions > prompt_matcher::most_questions)
            return node_.reply_dead(
                m.head, error(reason::overloaded, "too many questions for one connection"));
        o.open = std::make_shared<open_question<Io>>(
            node_.loop(),
            [this, request = m.head, number](prompt_outcome how, const secret& answer) {
                if (ordered(request.src, number)) reply(request, how, answer);
            });
        put(prompt(presentable(std::move(what)), presentable(std::move(text)), o.open,
                   node_.place_of(m.src())));
    }

    void reply(const header& request, prompt_outcome how, const secret& answer) {
        if (how != prompt_outcome::answered)
            return node_.reply_dead(request, error(reason::auth_required, "nobody has answered"));
        node_.reply(request, encode(answer), 0);
    }

    /// What another machine wants to be shown.
    static std::string presentable(std::string text) {
        text.resize(std::min(text.size(), longest_text));
        defuse(text);
        return text;
    }

public:
    /// `on_prompt` may be empty: then this does nothing.
    prompt_router(core& node, prompt_callback on_prompt)
        : node_(node), on_prompt_(std::move(on_prompt)) {
        if (on_prompt_)
            (void)node.add_raw_handler(handles::prompt, {.from = senders::anyone},
                                       [this](const message& m) { serve(m); });
    }

    prompt_router(prompt_router&&) = delete;

    /// Whoever carries out the plan asks here, unless it knows better. Threads: any.
    void install(boot_plan& plan) {
        if (on_prompt_ && plan.prompts && !plan.ask)
            plan.ask = [this](prompt question) { put(std::move(question)); };
    }

    /// No answers from now on. Threads: any but the loop.
    void close() {
        if (!on_prompt_) return;
        const auto end = [this] {
            closed_ = true;
            for (const order& o : std::exchange(orders_, {}))
                if (o.open) o.open->close();
        };
        if (!node_.loop().run(end)) end();
    }
};

/// Puts the question of a tool that runs here to the context that sent `request` to
/// handles::connect. Threads: loop.
template <class Io>
MITOGEN_COLD void ask_whom_it_is_for(basic_router_core<Io>& node, const header& request,
                                     prompt question) {
    outstanding_call& p =
        node.ask({.to = request.src,
                  .handle = handles::prompt,
                  .how = mitogen::detail::question::manner::pass,
                  .payload = encode(request.reply_to, question.what(), question.text())});
    const auto answer = std::make_shared<future<secret>>(&p, node, decode_environment{});
    prompt_access::when_over(question, [weak = std::weak_ptr(answer)] {
        if (const auto late = weak.lock())
            (void)late->state()->fail(error(reason::cancelled, "the attempt is over"));
    });
    answer->then([answer, question = std::make_shared<prompt>(std::move(question))] {
        result<secret> said = answer->outcome();
        answer->state()->payload().reset();
        if (said) return question->answer(std::move(*said));
        if (said.error().reason() == reason::auth_required) return question->decline();
        prompt_access::nobody(*question);
    });
}

} // namespace detail
} // namespace mitogen::inline MITOGEN_ABI
