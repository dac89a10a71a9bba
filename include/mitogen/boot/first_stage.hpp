// SPDX-License-Identifier: BSL-1.0
#pragma once
// first_stage.hpp: the line of shell that is executed on a machine where nothing of ours runs, and
// becomes the program.

#include <mitogen/base/config.hpp>
#include <mitogen/base/time.hpp>
#include <mitogen/os/fd.hpp>
#include <mitogen/os/file.hpp>
#include <mitogen/os/program/executable.hpp>
#include <mitogen/os/stdio/stdio.hpp>
#include <mitogen/protocol/handshake.hpp>

#include <algorithm>
#include <cstdint>
#include <string>
#include <string_view>

namespace mitogen::inline MITOGEN_ABI {
namespace detail {

/// The descriptor through which the program is executed.
inline constexpr int program_descriptor = 9;

/// Stands in the first stage for the identity of the program, its third and fourth parameter, until
/// that is known: see name_program(). What it says itself is that of no program.
inline constexpr std::string_view no_program = " - -;";

/// A character as printf of a shell takes it: a backslash and three octal digits.
inline std::string octal_escape(char c) {
    const auto byte = static_cast<unsigned char>(c);
    const auto digit = [byte](int shift) {
        return static_cast<char>('0' + ((byte >> shift) & 7));
    };
    return {'\\', digit(6), digit(3), digit(0)};
}

/// What a text becomes where special characters of the shell are written in octal, as
/// without_dollars() does it with the whole script.
MITOGEN_COLD inline std::string in_octal(std::string_view text) {
    std::string out;
    for (const char c : text) {
        if (c == '%') {
            out += "%%";
        } else if (c == '$' || c == '\\' || c == '"' || c == '`') {
            out += octal_escape(c);
        } else {
            out += c;
        }
    }
    return out;
}

/// What the first stage says last, behind the machine and the names of what it can decompress with,
/// if it has the program. A command that each shell has: see there.
inline constexpr std::string_view kept_word = ":";

/// What the stages say on stderr when their parent leaves them waiting.
inline constexpr std::string_view no_parent_text = "mitogen: no parent";

/// For how many seconds what runs on a target waits for a parent with that connect_timeout, each
/// time: by then the parent has given up for certain. A connection may stay open although nobody is
/// there: the parent is stopped, or its network is gone.
constexpr std::int64_t patience_for(duration_ns connect_timeout) {
    constexpr std::int64_t longest = 1'000'000; // eleven days; some tools read it as an int
    return std::clamp<std::int64_t>(connect_timeout / 1'000'000'000, 0, longest) + 5;
}

/// A function `w` for POSIX sh, which does what timeout(1) does, for targets that have none: its
/// first argument says for how many seconds. A subshell looks once a second whether what it watches
/// is still there, and ends with it.
inline std::string watching_function() {
    return "w(){ sh -c \"(exec <&- >&- 2>&-;i=\\$0;while sleep 1&&"
           "kill -\\$(((i-=1)?0:15)) \\$\\$;do :;done)&exec \\\"\\$@\\\"\" \"$@\";};";
}

/// The mark of the first stage as a format for printf. The command line must not contain the mark,
/// lest an echo of it be taken for the child's voice: octal escapes for what is no text, and an
/// empty argument in the middle, because some shells' echo undoes escapes.
MITOGEN_COLD inline std::string mark_format() {
    std::string mark;
    for (const char c : handshake::mark)
        mark += static_cast<unsigned char>(c) < 0x80 ? std::string(1, c) : octal_escape(c);
    mark.insert(mark.size() / 2, "%s");
    return mark;
}

/// The first stage: POSIX sh, one line without single quotes, for `sh -c`.
///
/// The shell that becomes the program has no variable and no function of its own: a name that the
/// user has exported would reach the program with our value. It keeps what it must know in its
/// parameters ($1: the name of descriptor 9, $2: the machine, $3 and $4: the program's identity,
/// $5: where it may lie), and all else happens in subshells, which may use any name; nor do umask
/// and working directory change elsewhere.
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
/// second. So does w.
MITOGEN_COLD inline std::string first_stage_script(std::int64_t patience_s) {
    const std::string kept(kept_word);
    std::string s = "set /proc/self/fd/9 \"$(uname -sm)\"" + std::string(no_program);
    // What is no file has no end, and what `exec` cannot open ends the shell.
    s += "set \"$@\" \"$(u=mitogen.$LOGNAME;for c in \"$XDG_CACHE_HOME/mitogen\" "
         "\"$HOME/.cache/mitogen\" /var/tmp/$u /tmp/$u /dev/shm/$u;do "
         "cd \"$c\">&2&&[ -f x -a -f $3 -a -r $3 ]&&exec 9<x&&[ -O $1 ]&&"
         "{ [ -s $1 ]||$1 9<&9;}&&pwd&&break;done 2>/dev/null)\";";
    s += "[ \"$5\" ]&&exec 9<\"$5/$3\"&&[ -O $1 -a -x $1 ]&&"
         "case $( (sha256sum||cksum)2>/dev/null <&9) in $3*|$4\\ *)set $1 \"$2\" " +
         kept + ";;esac;";
    s += "printf \"" + mark_format() + "1 %s;\" \"\" \"$2\";";
    s += "echo $(command -v zstd;command -v gzip;command -v $3);";
    s += "[ $3 = " + kept + " ]&&exec $1 " + std::string(child_argument) + ";";
    s += "eval \"$(y=" + std::to_string(patience_s) + ";" + watching_function();
    s += "for t in \"timeout --f $y\" \"timeout $y\" \"w $y\";do $t sh -c : "
         "2>/dev/null&&break;done;";
    s += "echo set $t;$t sh -c \"read -r s&&printf %s \\\"\\$s\\\"\"||{ [ $? -gt 9 ]&&echo \"" +
         std::string(no_parent_text) + "\">&2;echo exit 1;})\"";
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
