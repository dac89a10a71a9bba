// SPDX-License-Identifier: BSL-1.0
#pragma once
// bootstrap.hpp: one attempt to bring up a child whose process runs: all that is said before the
// link, and who waits for it.

#include <mitogen/base/config.hpp>
#include <mitogen/base/error.hpp>
#include <mitogen/base/function.hpp>
#include <mitogen/base/ids.hpp>
#include <mitogen/boot/boot_plan.hpp>
#include <mitogen/boot/bootstrap_io.hpp>
#include <mitogen/boot/bootstrap_protocol.hpp>
#include <mitogen/boot/staging.hpp>
#include <mitogen/child/child_stderr.hpp>
#include <mitogen/child/text_tail.hpp>
#include <mitogen/codec/codec.hpp>
#include <mitogen/node/router_core.hpp>
#include <mitogen/protocol/handshake.hpp>

#include <atomic>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

namespace mitogen::inline MITOGEN_ABI {
namespace detail {

/// The dialogue with the child, the questions of the tool that leads there, and the answer to
/// whoever wants the child, which is given once.
///
/// Threads: loop, but for the constructor.
template <class Io>
class bootstrap {
    using core = basic_router_core<Io>;
    using channel = bootstrap_io<Io>;

    core& router_;
    boot_plan& plan_;
    child_stderr<Io>& err_;
    channel channel_;
    std::unique_ptr<questions> questions_; // of the tool that leads there, if it may ask any
    basic_outstanding_call<Io>* answer_;   // null once it is given

public:
    using outcome = typename channel::outcome;

    /// Takes over one reference to `answer`. `over` is told once how the dialogue has ended,
    /// `unanswered` why a question has no answer; both may end the attempt. The rest outlives this.
    bootstrap(core& node, boot_plan& plan, const handshake::welcome& welcome, child_stderr<Io>& err,
              typename Io::descriptor in, typename Io::descriptor out,
              basic_outstanding_call<Io>* answer, unique_function<void(outcome)> over,
              unique_function<void(const error&)> unanswered)
        : router_(node), plan_(plan), err_(err),
          channel_(node.loop(), std::move(in), std::move(out), plan, welcome, std::move(over)),
          answer_(answer) {
        const staging_maker<Io>* const named =
            staging_maker<Io>::named.load(std::memory_order_acquire);
        if (!plan.prompts || !named) return;
        questions_ = named->ask(node.loop(), plan, err, channel_);
        questions_->begin(std::move(unanswered));
    }

    bootstrap(bootstrap&&) = delete;

    /// Begins to listen. 0 or -errno.
    long begin() { return channel_.begin(); }

    /// What was said.
    const bootstrap_protocol& protocol() const noexcept { return channel_.protocol(); }

    /// Has `call` called when the answer is given, by this or by somebody who gives the child up.
    void when_answered(unique_function<void()> call) {
        router_.outstanding().then(*answer_, std::move(call));
    }
    /// True if somebody has given it up.
    bool given_up() const noexcept { return answer_ && answer_->done(); }
    /// True until refuse() or accept().
    bool unanswered() const noexcept { return answer_ != nullptr; }

    /// Hello and welcome are exchanged: gives the descriptors away, what the child says and what it
    /// hears, and forgets what only a start needs.
    auto take() {
        if (questions_) questions_->finish();
        plan_.program.reset();
        plan_.others.clear();
        plan_.on_progress = {};
        return channel_.take();
    }

    /// Answers with the child's id. False if nobody wants it any more.
    bool accept(context_id id) {
        const buffer value = encode(id);
        const bool wanted = router_.outstanding().complete(*answer_, value, nullptr);
        std::exchange(answer_, nullptr)->release();
        err_.show();
        return wanted;
    }

    /// Answers with an error, unless there was an answer.
    void refuse(const error& why) {
        if (!answer_) return;
        err_.show();
        router_.outstanding().fail(*answer_, why);
        std::exchange(answer_, nullptr)->release();
    }

    /// No more questions, no more answers, nothing more is said: the child sees the end, should it
    /// still live.
    void end() {
        if (questions_) questions_->close();
        channel_.close();
    }

    /// The error that a failure means. What the tool and the child have printed stands in it, and
    /// is shown nowhere else.
    MITOGEN_COLD
    error explain(boot_failure::how what, const std::optional<exit_status>& status,
                  std::string detail = {}) {
        if (questions_) questions_->close(); // what it prints from now on is for the error only
        boot_failure f;
        f.what = what;
        f.detail = std::move(detail);
        f.stage_seen = protocol().stage_seen();
        f.program_sent = protocol().program_sent();
        f.hello_begun = protocol().hello_begun();
        if (!plan_.attached) f.status = status;
        f.words = err_.last_words();
        err_.drop();
        text_tail printed;
        printed.feed(protocol().noise(), [](std::string_view) {});
        if (const std::string noise = printed.text(); !noise.empty())
            f.words += (f.words.empty() ? "" : "\n  ") + noise;
        if (questions_) questions_->mask(f.words);
        return plan_.explain ? plan_.explain(plan_, f) : explain_boot(plan_, f);
    }

    /// In a child made by fork(): closes the descriptors.
    void abandon() noexcept {
        if (questions_) questions_->abandon();
        channel_.abandon();
    }
};

} // namespace detail
} // namespace mitogen::inline MITOGEN_ABI
