// SPDX-License-Identifier: BSL-1.0
#pragma once
// program_choice.hpp: whether a target can run the program, and whether it has it.

#include <mitogen/base/config.hpp>
#include <mitogen/connect/boot_plan.hpp>
#include <mitogen/connect/first_stage.hpp>
#include <mitogen/connect/payload.hpp>
#include <mitogen/sys/executable.hpp>
#include <mitogen/sys/fd.hpp>
#include <mitogen/sys/file.hpp>
#include <mitogen/sys/machine.hpp>
#include <mitogen/sys/program_kind.hpp>

#include <cstddef>
#include <string>
#include <string_view>

namespace mitogen::inline MITOGEN_ABI {
namespace detail {

/// What a first stage says of its machine, behind the mark: " Linux x86_64;kept", or " Linux x86_64; zstd gzip".
struct stage_words {
    std::string_view machine{};
    std::string_view tools{};
    bool kept = false;

    explicit stage_words(std::string_view said) {
        if (said.starts_with(' ')) said.remove_prefix(1);
        const std::size_t end = said.rfind(';');
        machine = said.substr(0, end);
        if (end == std::string_view::npos) return;
        tools = said.substr(end + 1);
        kept = tools == kept_word;
    }

    /// True if it can undo what `tool` has compressed.
    bool has(std::string_view tool) const noexcept {
        return (std::string(tools) + " ").find(" " + std::string(tool) + " ") != std::string::npos;
    }
};

/// What machines a program is for, as `uname -sm` says it; empty where that cannot be told.
inline std::string kind_of(const sys::unique_fd& program) {
    std::string kind = sys::program_kind(program.get());
    if (kind.empty() && sys::same_file(program.get(), sys::self_executable().get())) kind = sys::machine_text();
    return kind;
}

/// A program, or why there is none.
struct choice {
    const sys::unique_fd* file = nullptr;
    std::string trouble{};
};

/// The program for the target, which says `there` of itself ("Linux aarch64"). A shell that cannot execute a program may take it
/// for a script, so that it is better not to try.
inline choice choose_program(const boot_plan& plan, std::string_view there) {
    const std::string kind = kind_of(*plan.program);
    if (kind.empty() || sys::machine_runs(there, kind)) return {plan.program.get()};
    return {nullptr, "the target is " + (there.empty() ? "of an unknown kind" : std::string(there)) +
                         ", and this program was built for " + kind +
                         "; give `.executable` a program that runs there"};
}

/// Tells the first stage of a plan what program it will become, so that it can look for it there. Reads programs that it sees for
/// the first time.
inline void name_program(boot_plan& plan) {
    if (!plan.keep_program) return;
    const program_identity* program = identity_of(plan.program->get());
    if (!program) return;
    const std::string kind = kind_of(*plan.program);
    const std::string arms = (kind.empty() ? "*" : sys::machine_pattern(kind)) + ")" + program->settings() + ";";
    const std::string named = std::string(no_program) + "case $m in " + arms + "esac;";
    for (std::string& argument : plan.start.argv)
        if (const std::size_t at = argument.find(no_program); at != std::string::npos)
            argument.replace(at, no_program.size(), named);
}

} // namespace detail
} // namespace mitogen::inline MITOGEN_ABI
