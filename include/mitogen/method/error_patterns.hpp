// SPDX-License-Identifier: BSL-1.0
#pragma once
// error_patterns.hpp: what is printed when a child does not come up, and what it means.

#include <mitogen/base/config.hpp>
#include <mitogen/base/error.hpp>
#include <mitogen/boot/boot_plan.hpp>
#include <mitogen/boot/receiving_stage.hpp>

#include <cstddef>
#include <string>
#include <string_view>
#include <utility>

namespace mitogen::inline MITOGEN_ABI {
namespace detail {

/// Words that tell why a child did not come up, and what they mean.
struct error_pattern {
    std::string_view text;
    reason why;
    std::string_view meaning;
};

/// What the first stage, the shell that runs it, or the dynamic loader says. The path is the one by
/// which the program is executed.
inline constexpr error_pattern error_patterns_of_stage[] = {
    {no_parent_text, reason::connect_timeout,
     "the program did not arrive there in time: does anything hold up the connection?"},
    {no_place_text, reason::payload, "no directory there may hold programs that can be run"},
    {no_room_text, reason::payload,
     "no directory there has room for the program: is a disk full, or the size of files limited?"},
    {short_program_text, reason::payload, "the program did not arrive whole: is the disk full?"},
    {"Exec format error", reason::payload, "the program cannot run there: wrong architecture"},
    {"GLIBC", reason::payload,
     "the program cannot run there: the C library is older than the one it was built for; link it "
     "statically (-static)"},
    {"error while loading shared libraries", reason::payload,
     "the program cannot run there: a shared library is missing; link it statically (-static)"},
    {"/proc/self/fd/9: not found", reason::payload,
     "the program cannot run there: its dynamic loader is missing (another C library?); link it "
     "statically (-static)"},
    {"/proc/self/fd/9: No such file", reason::payload,
     "the program cannot run there: its dynamic loader is missing (another C library?); link it "
     "statically (-static)"},
    {"/proc/self/fd/9: ", reason::payload, "the program cannot run there"},
    {"No space left on device", reason::payload,
     "the program did not arrive whole: the disk is full"},
};

inline constexpr std::string_view no_hello_text =
    "the connection ended before the child said hello";

/// The first of them that was printed, or null.
template <std::size_t N>
const error_pattern* known_error_pattern(const error_pattern (&error_patterns)[N],
                                         const boot_failure& f) {
    for (const error_pattern& s : error_patterns)
        if (f.words.find(s.text) != std::string::npos) return &s;
    return nullptr;
}

/// The error, with what was printed and the exit status.
inline error because(const boot_plan& plan, const boot_failure& f, reason why,
                     std::string_view meaning) {
    error_detail d;
    d.why = why;
    d.text = plan.what + ": " + std::string(meaning) + quoted_words(f);
    d.has_status = f.status.has_value();
    if (f.status) d.status = *f.status;
    return error(std::move(d));
}

/// What went wrong after the first stage has spoken. `tool_failed`: the exit status by which the
/// tool that was started here says that it failed itself; with any other it passes on that of the
/// command.
inline error explain_stage(const boot_plan& plan, const boot_failure& f, int tool_failed = -1) {
    if (const error_pattern* s = known_error_pattern(error_patterns_of_stage, f))
        return because(plan, f, s->why, s->meaning);
    if (f.status && !f.status->signal && f.status->code != tool_failed)
        return explain_boot(plan, f);
    return because(plan, f, reason::end_of_file, no_hello_text);
}

} // namespace detail
} // namespace mitogen::inline MITOGEN_ABI
