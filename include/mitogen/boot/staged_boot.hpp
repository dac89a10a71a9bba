// SPDX-License-Identifier: BSL-1.0
#pragma once
// staged_boot.hpp: how a child begins as a shell that is sent the program, reached through the
// plans of the methods that do so: a program that names none of them carries nothing of it.

#include <mitogen/base/config.hpp>
#include <mitogen/boot/boot_plan.hpp>
#include <mitogen/boot/memory_stage.hpp>
#include <mitogen/boot/program_choice.hpp>
#include <mitogen/boot/receiving_stage.hpp>
#include <mitogen/os/fd.hpp>
#include <mitogen/program/compressor.hpp>
#include <mitogen/program/payload.hpp>

#include <string>
#include <string_view>
#include <vector>

namespace mitogen::inline MITOGEN_ABI {
namespace detail {

/// What the parent of such a child does beside talking to it.
struct staged_boot {
    /// Adds the builds that contexts above have, and tells the first stage what program it may find
    /// on its machine.
    void (*prepare)(boot_plan& plan, const std::vector<payload_file>& further);
    /// The program for the machine that the first stage has named.
    choice (*choose)(const boot_plan& plan, std::string_view machine);
    /// Those with which the program may be compressed, as the first stage says what it has.
    std::vector<std::string_view> (*tools)(const stage_words& said);
    /// The line of shell that receives `program`; empty if that cannot be read.
    std::string (*receive)(const os::unique_fd& program, const transfer& how);
};

inline void prepare_staged(boot_plan& plan, const std::vector<payload_file>& further) {
    add_payloads(plan, further);
    name_program(plan);
}

inline std::vector<std::string_view> tools_of(const stage_words& said) {
    std::vector<std::string_view> tools;
    for (const compression_tool& tool : compression_tools)
        if (said.has(tool.name)) tools.push_back(tool.name);
    return tools;
}

inline std::string receive_program(const os::unique_fd& program, const transfer& how) {
    const program_identity* identity = identity_of(program.get());
    return identity ? receiving_stage(*identity, how) : std::string();
}

/// The one way that there is: see first_stage.hpp.
inline constexpr staged_boot by_a_shell{&prepare_staged, &choose_program, &tools_of,
                                        &receive_program};

} // namespace detail
} // namespace mitogen::inline MITOGEN_ABI
