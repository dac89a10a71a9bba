// SPDX-License-Identifier: BSL-1.0
#pragma once
// first_stage.hpp: the line of shell that is executed on a machine where nothing of ours runs, and
// becomes the program.

#include <mitogen/base/config.hpp>
#include <mitogen/base/time.hpp>
#include <mitogen/os/fd.hpp>
#include <mitogen/os/file.hpp>
#include <mitogen/os/program/executable.hpp>
#include <mitogen/os/stdio.hpp>
#include <mitogen/protocol/handshake.hpp>

#include <algorithm>
#include <cstdint>
#include <string>
#include <string_view>

namespace mitogen::inline MITOGEN_ABI {
namespace detail {

/// The descriptor through which the program is executed.
inline constexpr int program_descriptor = 9;

/// Stands in the first stage for the identity of the program, until that is known: see
/// name_program(). What it says itself is that of no program.
inline constexpr std::string_view no_program = "h=-;k=-;";

/// What the first stage says behind the machine if it has the program; else the names of what it
/// can decompress with.
inline constexpr std::string_view kept_word = "k";

/// What the stages say on stderr when their parent leaves them waiting.
inline constexpr std::string_view no_parent_text = "mitogen: no parent";

/// For how many seconds what runs on a target waits for a parent with that connect_timeout, each
/// time: by then the parent has given up for certain. A connection may stay open although nobody is
/// there: the parent is stopped, or its network is gone.
constexpr std::int64_t patience_for(duration_ns connect_timeout) {
    constexpr std::int64_t longest = 1'000'000; // eleven days; some tools read it as an int
    return std::clamp<std::int64_t>(connect_timeout / 1'000'000'000, 0, longest) + 5;
}

/// The first stage: POSIX sh, one line without single quotes, for `sh -c`.
///
/// It looks whether the program is in one of its caches: the file's name is its SHA-256, and its
/// contents are checked. The empty program `x` beside it tells whether programs may be executed
/// there: `[ -x ]` does not know of noexec in every shell. Somebody else may be able to swap any of
/// the names (root, say, finds the cache of the user whose HOME it has): so each of the two files
/// is opened once, and that it is this user's, what is in it, and to execute it goes through its
/// descriptor, by /proc. Without a /proc the program is sent each time. Then the first stage says
/// the mark, the machine, and that it has the program or what it can decompress with. If it has it,
/// it becomes the program, without waiting for anything; else it reads a line of further shell (see
/// receiving_stage.hpp), which is followed by the program. Nothing is sent to it before the mark,
/// and `read` takes a line byte by byte: nothing behind it is lost. At the end of its input it
/// exits, and also when nothing comes for that many seconds: it never waits for a parent that is
/// gone. What timeout(1) executes stays in the foreground (--f) if it can, so that it may read from
/// a terminal; busybox's has no word for that, and leaves a process without descriptors for a
/// second. So does w, which does the same if there is no timeout: a subshell looks once a second
/// whether what it watches is still there, and ends with it.
MITOGEN_COLD inline std::string first_stage_script(std::int64_t patience_s) {
    // The command line must not contain the mark, lest an echo of it be taken for the child's
    // voice: octal escapes for what is no text, and an empty argument in the middle, because some
    // shells' echo undoes escapes.
    std::string mark;
    for (const char c : handshake::mark) {
        const auto byte = static_cast<unsigned char>(c);
        if (byte < 0x80) {
            mark += c;
        } else {
            mark +=
                {'\\', static_cast<char>('0' + (byte >> 6)),
                 static_cast<char>('0' + ((byte >> 3) & 7)), static_cast<char>('0' + (byte & 7))};
        }
    }
    mark.insert(mark.size() / 2, "%s");
    std::string s = "m=$(uname -sm);u=mitogen.$LOGNAME;x=$XDG_CACHE_HOME;z=;o=/dev/null;"
                    "q=/proc/self/fd/9;" +
                    std::string(no_program);
    s += "v(){ case \"$( (sha256sum||cksum)2>$o)\" in $h?*|$k*);;*)false;esac;};";
    s += "set -- \"${x:+$x/mitogen}\" \"${HOME:+$HOME/.cache/mitogen}\" \"/var/tmp/$u\" "
         "\"/tmp/$u\" \"/dev/shm/$u\";";
    s += "for t in zstd gzip;do command -v $t>$o&&z=\"$z $t\";done;";
    // e: opens a file of this user's. What is no file has no end, and what `exec` cannot open ends
    // the shell.
    s += "e(){ [ -f \"$1\" -a -r \"$1\" ]&&exec 9<\"$1\"&&[ -O $q ];};";
    s += "for c do e \"$c/x\"&&{ [ -s $q ]||$q 9<&9 2>$o;}&&e \"$c/$h\"&&[ -x $q ]&&v <&9&&z=" +
         std::string(kept_word) + "&&break;done;";
    s += "printf \"" + mark + "1 %s;%s\\n\" \"\" \"$m\" \"$z\";";
    s += "case $z in " + std::string(kept_word) +
         ")exec $q " + std::string(child_argument) + ";esac;";
    s += "y=" + std::to_string(patience_s) +
         ";w(){ sh -c \"(exec <&- >&- 2>&-;i=$y;while sleep 1&&"
         "kill -\\$(((i-=1)?0:15)) \\$\\$;do :;done)&exec \\\"\\$@\\\"\" w \"$@\";};";
    s += "for t in \"timeout --f $y\" \"timeout $y\" w;do $t sh -c : 2>$o&&break;done;";
    s += "s=$($t sh -c \"read -r s&&printf %s \\\"\\$s\\\"\")||{ case $? in 1?*)echo \"" +
         std::string(no_parent_text) + "\">&2;esac;exit 1;};eval \"$s\"";
    return s;
}

/// The same as one command for a login shell of any kind: tcsh and fish see only `exec sh -c '…'`.
inline std::string first_stage_command(std::int64_t patience_s) {
    return "exec sh -c '" + first_stage_script(patience_s) + "'";
}

/// In a child, at its start: closes and removes what the first stage could not, being itself
/// replaced by this program.
inline void leave_first_stage(const char* path) {
    const int own = os::self_executable().get();
    if (own != program_descriptor && os::same_file(own, program_descriptor))
        os::unique_fd(program_descriptor).reset();
    // exec keeps the shell's number
    const std::string directory = "/mitogen-" + std::to_string(os::own_pid());
    const std::string_view shown = path ? std::string_view(path) : std::string_view();
    if (!shown.ends_with(directory + "/m")) return;
    (void)os::remove_file(path);
    (void)os::remove_directory(std::string(shown.substr(0, shown.size() - 2)).c_str());
}

} // namespace detail
} // namespace mitogen::inline MITOGEN_ABI
