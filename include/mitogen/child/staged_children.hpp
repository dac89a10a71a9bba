// SPDX-License-Identifier: BSL-1.0
#pragma once
// staged_children.hpp: what a router has for children that are sent their program, and for tools
// that ask questions.

#include <mitogen/base/config.hpp>
#include <mitogen/boot/boot_plan.hpp>
#include <mitogen/boot/bootstrap_io.hpp>
#include <mitogen/boot/prompts/login_prompts.hpp>
#include <mitogen/boot/prompts/prompt_router.hpp>
#include <mitogen/boot/staging.hpp>
#include <mitogen/call/any_method.hpp>
#include <mitogen/child/child_stderr.hpp>
#include <mitogen/loop/broker_engine.hpp>
#include <mitogen/node/router_core.hpp>
#include <mitogen/program/program_compressor.hpp>
#include <mitogen/program/program_fetch.hpp>
#include <mitogen/program/program_files.hpp>
#include <mitogen/program/program_server.hpp>

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
    std::shared_ptr<program_compressor<Io>> compressor_;
    prompt_router<Io> prompt_router_;
    program_server<Io> programs_;

public:
    staged_children(core& node, staging_options options)
        : node_(node), payloads_(options.payloads),
          above_(std::make_shared<program_fetch<Io>>(node)),
          compressor_(std::make_shared<program_compressor<Io>>(node.loop())),
          prompt_router_(node, std::move(options.on_prompt)),
          programs_(node, *above_, payloads_, std::move(options.serves)) {}

    staged_children(staged_children&&) = delete;

    void install(boot_plan& plan) override {
        prompt_router_.install(plan);
        if (!plan.staged) return;
        plan.compressor = compressor_;
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
        node_.loop().run([this] { compressor_->close(); });
        prompt_router_.close();
    }

    void abandon() noexcept override {
        compressor_->abandon();
        above_->abandon();
        programs_.abandon();
    }
};

template <class Io>
MITOGEN_COLD std::unique_ptr<staging<Io>> make_staging(basic_router_core<Io>& node,
                                                       staging_options options) {
    return std::make_unique<staged_children<Io>>(node, std::move(options));
}

template <class Io>
MITOGEN_COLD std::unique_ptr<questions> make_questions(broker_engine<Io>& loop, boot_plan& plan,
                                                       child_stderr<Io>& err,
                                                       bootstrap_io<Io>& channel) {
    return std::make_unique<login_prompts<Io>>(loop, plan, err, channel);
}

/// See any_method.hpp: called by what the program's own files hold.
template <class Io>
MITOGEN_COLD void name_staging() noexcept {
    static constexpr staging_maker<Io> maker{&make_staging<Io>, &make_questions<Io>};
    staging_maker<Io>::named.store(&maker, std::memory_order_release);
}

} // namespace detail
} // namespace mitogen::inline MITOGEN_ABI
