// SPDX-License-Identifier: BSL-1.0
#pragma once
// receiving_stage.hpp: the line of shell that a first stage without the program is sent, to receive
// it.

#include <mitogen/base/config.hpp>
#include <mitogen/boot/first_stage.hpp>
#include <mitogen/boot/memory_stage.hpp>
#include <mitogen/program/payload.hpp>

#include <string>
#include <string_view>

namespace mitogen::inline MITOGEN_ABI {
namespace detail {

/// A function `g` for POSIX sh that takes so many bytes; the rest of its arguments are a command to
/// do it with.
inline std::string taking_function() {
    return "g(){ l=$1;shift;if command -v head >/dev/null;then \"$@\" head -c $l;"
           "else \"$@\" dd ibs=1 obs=65536 count=$l 2>/dev/null;fi;};";
}

/// A subshell that makes a file for the program and prints its name, or else what is wrong with the
/// last place.
///
/// A directory will do when nobody else can put another one in its place, be it further up (a):
/// all that its real path leads through is this user's, or nobody can rename what is this user's in
/// it. For root only its own will do: what it may write to may be anybody's. And when an empty file
/// can be executed there, which shells do without starting anything, but for busybox without a
/// /proc: a script is tried then. And when there is room: zeros are written first, if there are
/// any. So a program that has been sent finds its place. What is made is this user's alone.
MITOGEN_COLD inline std::string place_for(const program_identity& program, const transfer& how) {
    std::string s = program.settings() + "s=" + std::to_string(program.size) +
                    ";n=" + std::to_string(how.size) + ";umask 77;" + taking_function();
    // a: whether a directory, which is there, stays where it is.
    s += "a(){ e=$(cd -P \"$1\" 2>/dev/null&&pwd -P)||return 1;while [ -n \"$e\" ];do [ -O \"$e\" "
         "]||{ "
         "[ ! -O / ]&&[ -k \"$e\" -o ! -w \"$e\" ];}||return 1;e=${e%/*};done;};";
    // f: makes the file $p. w: what was wrong with the last place.
    s += "w=\"" + std::string(no_place_text) + "\";";
    s += "f(){ (set -C;:>\"$p\")2>/dev/null&&chmod 700 \"$p\"&&[ -x \"$p\" ]&&{ \"$p\"||{ echo "
         "\"#!/bin/sh\" >\"$p\"&&\"$p\";};} </dev/null 2>/dev/null||return 1;";
    s += "[ ! -c /dev/zero ]||(g $s </dev/zero >\"$p\")2>/dev/null&&return 0;w=\"" +
         std::string(no_room_text) + "\";return 1;};";
    s += "p=;";
    if (how.keep) {
        s += "u=mitogen.$LOGNAME;x=$XDG_CACHE_HOME;for c in \"${x:+$x/mitogen}\" "
             "\"${HOME:+$HOME/.cache/mitogen}\" \"/var/tmp/$u\" \"/tmp/$u\" \"/dev/shm/$u\";do ";
        s += "[ -n \"$c\" ]||continue;d=${c%/*};[ -d \"$d\" ]||{ a \"${d%/*}/\"&&mkdir "
             "\"$d\";};a \"$d\"||continue;[ -d \"$c\" ]||mkdir \"$c\";";
        s += "[ ! -h \"$c\" ]&&c=$(cd -P \"$c\"&&[ -O . ]&&pwd -P)&&a \"$c\"&&chmod 700 "
             "\"$c\"||continue;";
        s += "p=$c/.$h.$(uname -n).$$;f&&break;rm -f \"$p\";rmdir \"$c\";p=;done 2>/dev/null;";
    }
    s += "[ -n \"$p\" ]||for d in \"$XDG_RUNTIME_DIR\" \"$HOME/.cache\" \"$TMPDIR\" /tmp /var/tmp "
         "/dev/shm \"$HOME\";do ";
    s += "[ -n \"$d\" ]&&a \"$d\"&&d=$d/mitogen-$$&&mkdir \"$d\" "
         "2>/dev/null||continue;p=$d/m;f&&break;rm "
         "-rf \"$d\";p=;done;";
    return s + "printf %s \"${p:-$w}\"";
}

/// A subshell that takes the program from the link, in no more than $1 allows, to the file of which
/// $2 is a name. Nothing else has that open for writing.
MITOGEN_COLD inline std::string taking(const transfer& how) {
    std::string s = "t=$1;p=$2;" + watching_function() + taking_function();
    s += "i(){ g " + std::to_string(how.size) + " $t||case $? in 124|143)echo \"" +
         std::string(no_parent_text) + "\" >&2;esac;};";
    if (!how.tool.empty()) return s + "i|" + std::string(how.tool) + " -dc >\"$p\"";
    // what watches, busybox's timeout or w, would have the file open for a moment longer:
    // without cat nothing watches
    return s + "case $t in *-f*)i >\"$p\";;*)if command -v cat >/dev/null;then i|cat >\"$p\";else "
               "t=;i >\"$p\";fi;esac";
}

/// Subshells that put a program that is complete into its cache, of which $2 is a name, and tidy up
/// there.
MITOGEN_COLD inline std::string keeping(const program_identity& program) {
    std::string s = "[ \"$2\" != \"$3\" ]||if mv -f \"$2\" \"${2%/*}/" + program.sha256 +
                    "\" 2>/dev/null;then set \"$1\" \"${2%/*}/" + program.sha256 +
                    "\";set \"$1\" \"$2\" \"$2\";";
    s += "(umask 77;cd \"${2%/*}\"&&{ [ -f x -a -O x -a ! -s x ]||{ rm -f x;:>x;chmod 700 x;};";
    s += "ls -tu|grep -v x|tail -n +9|while read -r f;do rm -f \"$f\";done;";
    s += "find . -name \".?*\" -type f -mtime +0 -exec rm -f {} \\;;})</dev/null >/dev/null 2>&1;";
    return s + "elif [ -r /proc/self/fd/9 ];then rm -f \"$2\";fi;";
}

/// Has signals end the shell by way of its trap for the end. What was ignored before it came stays
/// so: shells see to that themselves, but for zsh, where a trap would set it back for the program.
/// There a program is asked, which is killed or not; no subshell, which zsh has ignore less.
MITOGEN_COLD inline std::string ending_by_signals() {
    std::string s = "case $ZSH_VERSION in \"\")trap \"exit 1\" 1 2 13 15;;*)";
    for (const char* signal : {"1", "2", "13", "15"}) {
        s += "sh -c \"kill -" + std::string(signal) + " \\$\\$;exit 3\" 2>/dev/null;";
        s += "[ $? = 3 ]||trap \"exit 1\" " + std::string(signal) + ";";
    }
    return s + "esac;";
}

/// What a first stage does to receive `program`; one line, executed by the first stage's own shell,
/// and followed by the program.
///
/// As in the first stage, that shell has no variables: its parameters are $1, with what it waits no
/// longer than it shall ("timeout 35"), $2, the file, and $3, what is to be removed with it.
///
/// A file for it is made before anything is read. In the first cache that can be used: under a name
/// of its own, from which it is moved into place once it is complete. Else, or if it shall not be
/// kept, in a fresh directory, which is removed with it before the first byte arrives, if there is
/// a /proc; it is executed through its descriptor then, and nothing is left behind whoever dies. If
/// no directory will do, memory does, if the target has Python or Perl (memory_stage.hpp). Without
/// a /proc it is executed by name, and removes itself (leave_first_stage); until then a trap does.
///
/// Only `head`, or what decompresses, has the file open for writing, because nothing can be
/// executed that is open for writing, and the shell must not open it so for itself: mksh 59c keeps
/// a copy of what `exec 8>&-` closes (c_exec in funcs.c, when the copy is descriptor 10). What is
/// executed has been read back and checked. The caches keep the eight programs that were used last,
/// as far as the file system notes reading; what was left there by a shell that was killed goes
/// after a day.
MITOGEN_COLD
inline std::string receiving_stage(const program_identity& program, const transfer& how) {
    std::string s = "set \"$*\" \"$(" + place_for(program, how) + ")\";";
    s += "case $2 in \"" + std::string(stage_words_begin) + "\"*)" + memory_stage(program, how) +
         "esac;";
    // the directory that was made for it alone, if there is one
    s +=
        "case $2 in */mitogen-$$/m)set \"$1\" \"$2\" \"${2%/m}\";;*)set \"$1\" \"$2\" \"$2\";esac;";
    s += "trap \"rm -rf \\\"\\$3\\\"\" 0;" + ending_by_signals() + "exec 9<\"$2\";";
    s += "[ \"$2\" != \"$3\" -a -r /proc/self/fd/9 ]&&rm -rf \"$3\"&&set \"$1\" /proc/self/fd/9 "
         "\"\";";
    s += "(" + taking(how) + ");";
    s += "case $( (sha256sum||cksum)2>/dev/null <&9) in " + program.sha256 + "?*|" +
         std::to_string(program.crc) + "?" + std::to_string(program.size) + "*);;*)false;esac||";
    s += "{ ! command -v sha256sum&&! command -v cksum&&[ $(($(wc -c <&9))) = " +
         std::to_string(program.size) + " ];}>/dev/null||{ echo \"" +
         std::string(short_program_text) + "\" >&2;exit 1;};";
    if (how.keep) s += keeping(program);
    s += "[ -r /proc/self/fd/9 ]&&exec /proc/self/fd/9 " + std::string(child_argument) + ";";
    return s + "exec \"$2\" " + std::string(child_argument) + "\n";
}

} // namespace detail
} // namespace mitogen::inline MITOGEN_ABI
