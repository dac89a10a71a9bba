// SPDX-License-Identifier: BSL-1.0
#pragma once
// first_stage.hpp: the line of shell that receives a program on a machine where nothing of ours is, and becomes it.

#include <mitogen/base/config.hpp>
#include <mitogen/connect/handshake.hpp>

#include <string>
#include <string_view>

namespace mitogen::inline MITOGEN_ABI {
namespace detail {

/// What the first stage says on stderr when it must give up.
inline constexpr std::string_view no_place_text = "mitogen: no directory for programs";
inline constexpr std::string_view short_program_text = "mitogen: incomplete program";

/// The first stage. POSIX sh; one argument of one line, so that it survives tcsh and fish as login shells: they see only `exec sh
/// -c '…'`.
///
/// It says the mark and the machine, and only then is anything sent to it: a size on a line of its own (`read` takes it byte by
/// byte, so that nothing behind it is lost), then that many bytes, which go to a file of a fresh directory that only this user
/// can enter. The file is opened, removed, and executed through its descriptor: nothing is left behind, whatever happens later.
/// Where there is no /proc it is executed by name and stays. A directory that is mounted noexec shows when the file is not
/// executable (`[ -x ]` asks access(2), which says so on Linux). At the end of its input `read` fails and it exits: it never
/// waits for a parent that is gone.
inline std::string first_stage_command() {
    // The mark in octal escapes: the command line itself must not contain it, lest an echo of it be taken for the child's voice.
    std::string mark;
    for (const char c : handshake::mark) {
        const auto byte = static_cast<unsigned char>(c);
        mark += {'\\', static_cast<char>('0' + (byte >> 6)), static_cast<char>('0' + ((byte >> 3) & 7)),
                 static_cast<char>('0' + (byte & 7))};
    }
    return "exec sh -c '"
           "umask 077;"
           "printf \"" +
           mark +
           "1 %s\\n\" \"$(uname -sm)\";"
           "read -r n || exit 1;"
           "for d in \"$XDG_RUNTIME_DIR\" \"$HOME/.cache\" \"$TMPDIR\" /tmp /var/tmp /dev/shm \"$HOME\";do "
           "[ -n \"$d\" ] && d=$d/mitogen-$$ && mkdir \"$d\" 2>/dev/null || continue;"
           "f=$d/m;: >\"$f\";chmod 700 \"$f\";[ -x \"$f\" ] && break;rm -rf \"$d\";f=;done;"
           "[ -n \"$f\" ] || { echo \"" +
           std::string(no_place_text) +
           "\" >&2;exit 1;};"
           "head -c \"$n\" >\"$f\";"
           "[ $(($(wc -c <\"$f\"))) = \"$n\" ] || { rm -rf \"$d\";echo \"" +
           std::string(short_program_text) +
           "\" >&2;exit 1;};"
           "[ -r /proc/self/fd/0 ] && exec 9<\"$f\" && rm -rf \"$d\" && exec /proc/self/fd/9 " +
           std::string(child_argument) +
           ";"
           "exec \"$f\" " +
           std::string(child_argument) + "'";
}

} // namespace detail
} // namespace mitogen::inline MITOGEN_ABI
