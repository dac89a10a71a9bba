// SPDX-License-Identifier: BSL-1.0
#pragma once
// program_choice.hpp: which program a target is sent: the one that is asked for, or, if that cannot
// run there, another build.

#include <mitogen/base/config.hpp>
#include <mitogen/boot/boot_plan.hpp>
#include <mitogen/boot/first_stage.hpp>
#include <mitogen/os/fd.hpp>
#include <mitogen/os/program/program_kind.hpp>
#include <mitogen/program/payload.hpp>
#include <mitogen/program/program_files.hpp>

#include <algorithm>
#include <cstddef>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace mitogen::inline MITOGEN_ABI {
namespace detail {

/// What a first stage says of its machine, behind the mark: " Linux x86_64;/usr/bin/gzip", as far
/// as it has something to decompress with, and one word more if it has the program.
struct stage_words {
    std::string_view machine{};
    std::string_view tools{};
    bool kept = false;

    explicit stage_words(std::string_view said) {
        if (said.starts_with(' ')) said.remove_prefix(1);
        const std::size_t end = said.find(';');
        machine = said.substr(0, end);
        if (end == std::string_view::npos) return;
        tools = said.substr(end + 1);
        kept = has(kept_word);
    }

    /// True if it can undo what `tool` has compressed.
    bool has(std::string_view tool) const noexcept {
        const std::string words = " " + std::string(tools) + " ";
        const std::string last = std::string(tool) + " "; // of a path, or all of it
        return words.find("/" + last) != std::string::npos ||
               words.find(" " + last) != std::string::npos;
    }
};

/// A program, or why there is none.
struct choice {
    const os::unique_fd* file = nullptr;
    const program_identity* above = nullptr; ///< in its place: what is to be fetched first
    std::string trouble{};
};

/// The program for the target, which says `there` of itself ("Linux aarch64"). A shell that cannot
/// execute a program may take it for a script, so that it is better not to try.
MITOGEN_COLD inline choice choose_program(const boot_plan& plan, std::string_view there) {
    const std::string kind = kind_of(*plan.program);
    if (kind.empty() || os::machine_runs(there, kind)) return {plan.program.get()};
    for (const payload_file& other : plan.others) {
        if (!os::machine_runs(there, other.what.machine)) continue;
        if (other.above) return {nullptr, &*other.above};
        if (!other.file) return {nullptr, nullptr, other.trouble};
        const std::string other_kind = kind_of(*other.file);
        if (other_kind.empty() || os::machine_runs(there, other_kind)) return {other.file.get()};
        return {nullptr, nullptr,
                "the target is " + std::string(there) + ", and the payload for " +
                    other.what.machine + ", " + other.what.path + ", was built for " + other_kind};
    }
    std::string known;
    for (const payload_file& other : plan.others)
        known += (known.empty() ? "" : ", ") + other.what.machine;
    return {nullptr, nullptr,
            "the target is " + (there.empty() ? "of an unknown kind" : std::string(there)) +
                ", and this program was built for " + kind +
                (known.empty() ? "" : "; there are others for " + known) +
                "; build it for such machines too (mitogen_payload in CMake, or "
                "router_options::payloads), or give "
                "`.executable` a program that runs there"};
}

/// Adds what is for machines that a plan has no program for.
inline void add_payloads(boot_plan& plan, const std::vector<payload_file>& further) {
    const std::string own = kind_of(*plan.program);
    for (const payload_file& f : further) {
        const auto same = [&f](const payload_file& other) {
            return other.what.machine == f.what.machine;
        };
        if (f.what.machine != own && std::none_of(plan.others.begin(), plan.others.end(), same))
            plan.others.push_back(f);
    }
}

/// Tells the first stage of a plan what program it will become, so that it can look for it there.
/// Reads programs that it sees for the first time.
MITOGEN_COLD inline void name_program(boot_plan& plan) {
    if (!plan.keep_program) return;
    std::string arms;
    const auto add = [&arms](const std::string& pattern, const program_identity* program) {
        if (!program) return;
        arms += pattern + ")set $1 \"$2\" " + program->sha256 + " " +
                std::to_string(program->crc) + ";;";
    };
    const std::string kind = kind_of(*plan.program);
    add(kind.empty() ? "*" : os::machine_pattern(kind), identity_of(plan.program->get()));
    for (const payload_file& other : plan.others) {
        if (other.file)
            add(os::machine_pattern(other.what.machine), identity_of(other.file->get()));
        if (other.above) add(os::machine_pattern(other.what.machine), &*other.above);
    }
    if (arms.empty()) return;
    for (std::string& argument : plan.start.argv) {
        const std::size_t at = argument.find(no_program);
        if (at == std::string::npos) continue;
        // A script that had to do without dollar signs has them in octal: see without_dollars().
        const std::string what = "case $2 in " + arms + "esac;";
        argument.insert(at + no_program.size(),
                        argument.find('$') == std::string::npos ? in_octal(what) : what);
    }
}

} // namespace detail
} // namespace mitogen::inline MITOGEN_ABI
