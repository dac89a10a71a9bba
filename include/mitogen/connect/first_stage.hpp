// SPDX-License-Identifier: BSL-1.0
#pragma once
// first_stage.hpp: the line of shell that receives a program on a machine where nothing of ours is, and becomes it.

#include <mitogen/base/config.hpp>
#include <mitogen/connect/handshake.hpp>
#include <mitogen/sys/executable.hpp>
#include <mitogen/sys/fd.hpp>
#include <mitogen/sys/file.hpp>
#include <mitogen/sys/machine.hpp>
#include <mitogen/sys/program_kind.hpp>
#include <mitogen/sys/stdio.hpp>

#include <string>
#include <string_view>

namespace mitogen::inline MITOGEN_ABI {
namespace detail {

/// What the first stage says on stderr when it must give up.
inline constexpr std::string_view no_place_text = "mitogen: no directory for programs";
inline constexpr std::string_view short_program_text = "mitogen: incomplete program";

/// The descriptor through which the first stage executes the program.
inline constexpr int program_descriptor = 9;

/// The first stage: POSIX sh, one line without single quotes, for `sh -c`.
///
/// It says the mark and the machine, and only then is anything sent to it: a size on a line of its own (`read` takes it byte by
/// byte, so that nothing behind it is lost), then that many bytes. They go to a file in a fresh directory that only this user can
/// enter. A directory that is mounted noexec shows when the file is not executable (`[ -x ]` asks access(2), which says so on
/// Linux). File and directory are removed before the first byte arrives, so that nothing is left behind whoever dies; the program
/// is executed through its descriptor. Where there is no /proc it is executed by name, and removes itself (leave_first_stage);
/// until then a trap does. Only `head` has the file open for writing, because nothing can be executed that is open for writing,
/// and the shell must not open it so for itself: mksh 59c keeps a copy of what `exec 8>&-` closes (c_exec in
/// funcs.c, when the copy is descriptor 10). At the end of its input `read` fails, or the program is short, and it exits: it
/// never waits for a parent that is gone.
inline std::string first_stage_script() {
    // The command line must not contain the mark, lest an echo of it be taken for the child's voice: octal escapes for what is no
    // text, and an empty argument in the middle, because some shells' echo undoes escapes.
    std::string mark;
    for (const char c : handshake::mark) {
        const auto byte = static_cast<unsigned char>(c);
        if (byte < 0x80) {
            mark += c;
        } else {
            mark += {'\\', static_cast<char>('0' + (byte >> 6)), static_cast<char>('0' + ((byte >> 3) & 7)),
                     static_cast<char>('0' + (byte & 7))};
        }
    }
    mark.insert(mark.size() / 2, "%s");
    const auto give_up = [](std::string_view text) { return "{ echo \"" + std::string(text) + "\" >&2;exit 1;};"; };
    std::string s = "umask 077;printf \"" + mark + "1 %s\\n\" \"\" \"$(uname -sm)\";";
    s += "read -r n||exit 1;";
    s += "for d in \"$XDG_RUNTIME_DIR\" \"$HOME/.cache\" \"$TMPDIR\" /tmp /var/tmp /dev/shm \"$HOME\";do ";
    s += "[ -n \"$d\" ]&&d=$d/mitogen-$$&&mkdir \"$d\" 2>/dev/null||continue;";
    s += "p=$d/m;(:>\"$p\")2>/dev/null&&chmod 700 \"$p\"&&[ -x \"$p\" ]&&break;rm -rf \"$d\";p=;done;";
    s += "[ -n \"$p\" ]||" + give_up(no_place_text);
    s += "trap \"rm -rf \\\"\\$d\\\"\" 0;trap \"exit 1\" 1 2 13 15;";
    s += "exec 9<\"$p\";[ -r /proc/self/fd/9 ]&&p=/proc/self/fd/9&&rm -rf \"$d\"&&trap - 0;";
    s += "head -c \"$n\" >\"$p\";";
    s += "[ $(($(wc -c <&9))) = \"$n\" ]||" + give_up(short_program_text);
    s += "exec \"$p\" " + std::string(child_argument);
    return s;
}

/// The same as one command for a login shell of any kind: tcsh and fish see only `exec sh -c '…'`.
inline std::string first_stage_command() { return "exec sh -c '" + first_stage_script() + "'"; }

/// What machine a program is for, as `uname -sm` says it; empty where that cannot be told.
inline std::string kind_of_program(const sys::unique_fd& program) {
    std::string kind = sys::program_kind(program.get());
    if (kind.empty() && sys::same_file(program.get(), sys::self_executable().get())) kind = sys::machine_text();
    return kind;
}

/// Why the program must not be sent to the target, which says `there` of itself ("Linux aarch64"); empty where nothing speaks
/// against it. A shell that cannot execute a program may take it for a script, so that it is better not to try.
inline std::string why_unfit(const sys::unique_fd& program, std::string_view there) {
    const std::string kind = kind_of_program(program);
    if (kind.empty() || sys::machine_runs(there, kind)) return {};
    return "the target is " + (there.empty() ? "of an unknown kind" : std::string(there)) + ", and this program was built for " +
           kind + "; give `.executable` a program that runs there";
}

/// The same program for a target that says `there` of itself, where it lies beside the one at `path`; else empty.
inline sys::unique_fd program_beside(const std::string& path, std::string_view there) {
    if (path.empty() || there.empty()) return {};
    for (const std::string& candidate : sys::paths_of_kinds(path, there)) {
        const long rc = sys::open_to_read(candidate.c_str());
        if (rc < 0) continue;
        sys::unique_fd found(static_cast<int>(rc));
        if (why_unfit(found, there).empty()) return found;
    }
    return {};
}

/// In a child, at its start: closes and removes what the first stage could not, being itself replaced by this program.
inline void leave_first_stage(const char* path) {
    const int own = sys::self_executable().get();
    if (own != program_descriptor && sys::same_file(own, program_descriptor)) sys::unique_fd(program_descriptor).reset();
    const std::string directory = "/mitogen-" + std::to_string(sys::own_pid()); // exec keeps the shell's number
    const std::string_view shown = path ? std::string_view(path) : std::string_view();
    if (!shown.ends_with(directory + "/m")) return;
    (void)sys::remove_file(path);
    (void)sys::remove_directory(std::string(shown.substr(0, shown.size() - 2)).c_str());
}

} // namespace detail
} // namespace mitogen::inline MITOGEN_ABI
