// SPDX-License-Identifier: BSL-1.0
#pragma once
// interview.hpp: carries what a prompter says to where the tool that asks will read it.

#include <mitogen/base/config.hpp>
#include <mitogen/connect/boot_channel.hpp>
#include <mitogen/connect/child_stderr.hpp>
#include <mitogen/connect/prompter.hpp>

#include <optional>
#include <string>
#include <string_view>

namespace mitogen::inline MITOGEN_ABI {
namespace detail {

/// Answers the questions of the tool that comes before the first stage, where the plan foresees any.
///
/// Threads: loop.
template <class Io>
class interview {
    std::optional<prompter>& tool_;
    child_stderr<Io>& err_;
    boot_channel<Io>& channel_;

    void type(std::string_view text) {
        if (tool_->where() == prompter::reads::input) return channel_.type(text);
        err_.type(text);
    }

public:
    /// All outlive this.
    interview(std::optional<prompter>& tool, child_stderr<Io>& err, boot_channel<Io>& channel)
        : tool_(tool), err_(err), channel_(channel) {}

    /// Has `heard` called with what the tool prints, which is to call answer(). One that reads its stdin may ask on its stdout.
    template <class Heard>
    void begin(Heard heard) {
        if (!tool_) return;
        err_.listen(heard);
        if (tool_->where() == prompter::reads::input) channel_.listen(heard);
    }

    /// The tool has printed something. False where there is no answer: the prompter knows why.
    bool answer(std::string_view heard) {
        if (channel_.dialogue().stage_seen() || channel_.dialogue().hello_seen()) return true; // it asks no more
        switch (tool_->hear(heard)) {
        case prompter::reaction::nothing: return true;
        case prompter::reaction::answer: type(tool_->password().reveal()); [[fallthrough]];
        case prompter::reaction::decline: type("\n"); break;
        case prompter::reaction::give_up: return false;
        }
        err_.question_answered();
        return true;
    }

    /// Masks the password in `words` and in all that is kept of stderr: a tool may repeat what it was told.
    void mask(std::string& words) {
        if (!tool_) return;
        err_.mask(tool_->password().reveal());
        detail::mask(words, tool_->password().reveal());
    }

    /// No more questions. Wipes the password.
    void finish() {
        std::string none;
        mask(none);
        err_.listen({});
        tool_.reset();
    }
};

} // namespace detail
} // namespace mitogen::inline MITOGEN_ABI
