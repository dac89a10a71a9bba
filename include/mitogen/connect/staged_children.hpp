// SPDX-License-Identifier: BSL-1.0
#pragma once
// staged_children.hpp: what a router has for children that are sent their program, and for tools
// that ask questions.

#include <mitogen/base/config.hpp>
#include <mitogen/connect/boot/boot_channel.hpp>
#include <mitogen/connect/boot/boot_plan.hpp>
#include <mitogen/connect/boot/interview.hpp>
#include <mitogen/connect/boot/staging.hpp>
#include <mitogen/connect/logs/child_stderr.hpp>
#include <mitogen/connect/methods/any_method.hpp>
#include <mitogen/connect/programs/program_fetch.hpp>
#include <mitogen/connect/programs/program_files.hpp>
#include <mitogen/connect/programs/program_press.hpp>
#include <mitogen/connect/programs/program_server.hpp>
#include <mitogen/connect/prompting.hpp>
#include <mitogen/loop/broker_engine.hpp>
#include <mitogen/route/router_core.hpp>

#include <atomic>
#include <memory>
#include <utility>
#include <vector>

namespace mitogen::inline MITOGEN_ABI {
namespace detail {

/// Programs come from here and from above, are compressed here, and are given to children that ask;
/// questions go to this program's person, or to the context that wants the child.
template <class Io>
class staged_children final : public staging<Io> {
    using core = basic_router_core<Io>;

    core& node_;
    const std::vector<payload>& payloads_;
    std::shared_ptr<program_fetch<Io>> above_; // both shared with the plans
    std::shared_ptr<program_press<Io>> press_;
    prompting<Io> prompting_;
    program_server<Io> programs_;

public:
    staged_children(core& node, staging_options options)
        : node_(node), payloads_(options.payloads),
          above_(std::make_shared<program_fetch<Io>>(node)),
          press_(std::make_shared<program_press<Io>>(node.loop())),
          prompting_(node, std::move(options.on_prompt)),
          programs_(node, *above_, payloads_, std::move(options.serves)) {}

    staged_children(staged_children&&) = delete;

    void attend(boot_plan& plan) override {
        prompting_.attend(plan);
        if (!plan.staged) return;
        plan.press = press_;
        plan.source = above_;
        plan.others = open_payloads(*plan.program, plan.program_path, payloads_);
    }

    void ask_there(boot_plan& plan, const header& request) override {
        plan.ask = [&node = node_, request](prompt question) {
            ask_whom_it_is_for<Io>(node, request, std::move(question));
        };
    }

    void begin_closing() override {
        node_.loop().defer([this] { above_->close(); });
    }

    void close() override {
        node_.loop().run([this] { press_->close(); });
        prompting_.close();
    }

    void abandon() noexcept override {
        press_->abandon();
        above_->abandon();
        programs_.abandon();
    }
};

template <class Io>
MITOGEN_COLD std::unique_ptr<staging<Io>> make_staging(basic_router_core<Io>& node, staging_options options) {
    return std::make_unique<staged_children<Io>>(node, std::move(options));
}

template <class Io>
MITOGEN_COLD std::unique_ptr<questions> make_questions(broker_engine<Io>& loop, boot_plan& plan, child_stderr<Io>& err,
                                                       boot_channel<Io>& channel) {
    return std::make_unique<interview<Io>>(loop, plan, err, channel);
}

/// See any_method.hpp: called by what the program's own files hold.
template <class Io>
MITOGEN_COLD void name_staging() noexcept {
    static constexpr staging_maker<Io> maker{&make_staging<Io>, &make_questions<Io>};
    staging_maker<Io>::named.store(&maker, std::memory_order_release);
}

} // namespace detail
} // namespace mitogen::inline MITOGEN_ABI
