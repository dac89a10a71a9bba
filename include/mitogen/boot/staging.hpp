// SPDX-License-Identifier: BSL-1.0
#pragma once
// staging.hpp: what only the children need that are sent their program, or whose tools ask
// questions: reached through a pointer that is set if the program names such a method, so that
// others carry nothing of it.

#include <mitogen/base/config.hpp>
#include <mitogen/base/error.hpp>
#include <mitogen/base/function.hpp>
#include <mitogen/base/ids.hpp>
#include <mitogen/boot/boot_plan.hpp>
#include <mitogen/boot/prompts/prompt.hpp>
#include <mitogen/loop/broker_engine.hpp>
#include <mitogen/node/router_core.hpp>
#include <mitogen/program/payload.hpp>
#include <mitogen/protocol/message.hpp>

#include <atomic>
#include <memory>
#include <string>
#include <vector>

namespace mitogen::inline MITOGEN_ABI {
namespace detail {

template <class Io>
class bootstrap_io;
template <class Io>
class child_stderr;

/// The questions that the tool of one boot attempt asks. Threads: loop.
class questions {
public:
    virtual ~questions() = default;
    /// Hears what the tool prints, from now on. `failed` is called if a question has no answer;
    /// it may end the attempt.
    virtual void begin(unique_function<void(const error&)> failed) = 0;
    /// The attempt has failed: no more questions, and no more answers.
    virtual void close() = 0;
    /// Masks in `words` what was typed.
    virtual void mask(std::string& words) = 0;
    /// The child is up: no more questions. Forgets all answers.
    virtual void finish() = 0;
    /// In a child made by fork(): what runs is not ours.
    virtual void abandon() noexcept = 0;
};

/// A router's half: the programs that its children are sent or ask for, and the person who is
/// asked.
///
/// Threads: loop, but where marked.
template <class Io>
class staging {
public:
    virtual ~staging() = default;
    /// Adds to a plan what is known here of programs, and who answers questions. Threads: any.
    virtual void install(boot_plan& plan) = 0;
    /// Questions of the plan's tool go to the context that sent `request` to handles::connect.
    virtual void ask_there(boot_plan& plan, const header& request) = 0;
    /// Nobody waits for programs from above any more. Threads: any.
    virtual void begin_closing() = 0;
    /// No answers from now on, and nothing is under way any more. After the children. Threads: any
    /// but the loop.
    virtual void close() = 0;
    /// In a child made by fork(): closes descriptors and forgets processes.
    virtual void abandon() noexcept = 0;
};

/// What a router gives it. All outlive it.
struct staging_options {
    const std::vector<payload>& payloads;
    prompt_callback on_prompt;
    unique_function<bool(context_id)>
        serves; ///< whether a context is a child that runs this program
};

/// Makes both, in a program that needs them. Process-wide: a static initialiser sets it, see
/// name_staging().
template <class Io>
struct staging_maker {
    std::unique_ptr<staging<Io>> (*make)(basic_router_core<Io>& node, staging_options options);
    std::unique_ptr<questions> (*ask)(broker_engine<Io>& loop, boot_plan& plan,
                                      child_stderr<Io>& err, bootstrap_io<Io>& channel);

    inline static constinit std::atomic<const staging_maker*> named{nullptr};
};

} // namespace detail
} // namespace mitogen::inline MITOGEN_ABI
