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

/// What a first stage does to receive `program`; one line, executed by the first stage's own shell,
/// and followed by the program.
///
/// A file for it is made before anything is read. In the first cache that can be used: under a name
/// of its own, from which it is moved into place once it is complete. Else, or if it shall not be
/// kept, in a fresh directory, which is removed with it before the first byte arrives, if there is
/// a /proc; it is executed through its descriptor then, and nothing is left behind whoever dies. If
/// no directory will do, memory does, if the target has Python or Perl (memory_stage.hpp). Without
/// a /proc it is executed by name, and removes itself (leave_first_stage); until then a trap does.
/// A directory will do when nobody else can put another one in its place, be it further up (a):
/// all that its real path leads through is this user's, or nobody can rename what is this user's in
/// it. For root only its own will do: what it may write to may be anybody's. And when an empty file
/// can be executed there, which shells do without starting anything, and when there is room: zeros
/// are written first. So a program that has been sent finds its place.
///
/// Only `head`, or what decompresses, has the file open for writing, because nothing can be
/// executed that is open for writing, and the shell must not open it so for itself: mksh 59c keeps
/// a copy of what `exec 8>&-` closes (c_exec in funcs.c, when the copy is descriptor 10). What is
/// executed has been read back and checked. The caches keep the eight programs that were used last,
/// as far as the file system notes reading; what was left there by a shell that was killed goes
/// after a day.
MITOGEN_COLD
inline std::string receiving_stage(const program_identity& program, const transfer& how) {
    const auto give_up = [](std::string_view text) {
        return "{ echo \"" + std::string(text) + "\" >&2;exit 1;};";
    };
    std::string s = program.settings() + "s=" + std::to_string(program.size) +
                    ";n=" + std::to_string(how.size) + ";";
    // What is made here is this user's alone; the program's umask is the login's.
    s += "j=$(umask);umask 77;";
    // g: takes so many bytes; the rest of its arguments are a command to do it with. i: takes the
    // program with $t, see first_stage.hpp.
    s += "g(){ l=$1;shift;if command -v head >/dev/null;then \"$@\" head -c $l;"
         "else \"$@\" dd ibs=1 obs=65536 count=$l 2>/dev/null;fi;};";
    s +=
        "i(){ g $n $t||case $? in 124|143)echo \"" + std::string(no_parent_text) + "\" >&2;esac;};";
    // a: whether a directory, which is there, stays where it is.
    s += "a(){ e=$(cd -P \"$1\" 2>/dev/null&&pwd -P)||return 1;while [ -n \"$e\" ];do [ -O \"$e\" "
         "]||{ "
         "[ ! -O / ]&&[ -k \"$e\" -o ! -w \"$e\" ];}||return 1;e=${e%/*};done;};";
    // f: makes the file $p. w: what was wrong with the last place.
    s += "w=\"" + std::string(no_place_text) + "\";";
    s += "f(){ (set -C;:>\"$p\")2>/dev/null&&chmod 700 \"$p\"&&[ -x \"$p\" ]&&\"$p\" </dev/null "
         "2>/dev/null||return 1;";
    s += "(g $s </dev/zero >\"$p\")2>/dev/null&&return 0;w=\"" + std::string(no_room_text) +
         "\";return 1;};";
    s += "p=;d=;";
    if (how.keep) {
        s += "for c do [ -n \"$c\" ]||continue;d=${c%/*};[ -d \"$d\" ]||{ a \"${d%/*}/\"&&mkdir "
             "\"$d\";};a \"$d\"||continue;[ -d \"$c\" ]||mkdir \"$c\";";
        s += "[ ! -h \"$c\" ]&&c=$(cd -P \"$c\"&&[ -O . ]&&pwd -P)&&a \"$c\"&&chmod 700 "
             "\"$c\"||continue;";
        s += "p=$c/.$h.$(uname -n).$$;f&&break;rm -f \"$p\";rmdir \"$c\";p=;done 2>/dev/null;d=;";
    }
    s += "[ -n \"$p\" ]||for d in \"$XDG_RUNTIME_DIR\" \"$HOME/.cache\" \"$TMPDIR\" /tmp /var/tmp "
         "/dev/shm \"$HOME\";do ";
    s += "[ -n \"$d\" ]&&a \"$d\"&&d=$d/mitogen-$$&&mkdir \"$d\" "
         "2>/dev/null||continue;p=$d/m;f&&break;rm "
         "-rf \"$d\";p=;done;";
    s += "[ -n \"$p\" ]||{ umask $j;" + memory_stage(how) + "};";
    s += "trap \"rm -rf \\\"\\${d:-\\$p}\\\"\" 0;trap \"exit 1\" 1 2 13 15;exec 9<\"$p\";q=$p;";
    s += "[ -r /proc/self/fd/9 ]&&{ q=/proc/self/fd/9;[ -n \"$d\" ]&&p=$q&&rm -rf \"$d\";};";
    if (!how.tool.empty()) {
        s += "(i|" + std::string(how.tool) + " -dc >\"$p\");";
        // what watches, busybox's timeout or w, would have the file open for a moment longer:
        // without cat nothing watches
    } else {
        s += "case $t in *-f*)(i >\"$p\");;*)if command -v cat >$o;then (i|cat >\"$p\");else t=;(i "
             ">\"$p\");fi;esac;";
    }
    s += "v <&9||{ ! command -v sha256sum&&! command -v cksum&&[ $(($(wc -c <&9))) = $s "
         "];}>/dev/null||" +
         give_up(short_program_text);
    if (how.keep) {
        s += "[ -n \"$d\" ]||if mv -f \"$p\" \"$c/$h\" 2>/dev/null;then [ \"$q\" = \"$p\" "
             "]&&q=$c/$h;p=$c/$h;";
        s += "[ -f \"$c/x\" -a -O \"$c/x\" ]||{ rm -f \"$c/x\";(:>\"$c/x\");chmod 700 "
             "\"$c/x\";};";
        s += "(cd \"$c\"&&{ ls -tu|grep -v x|tail -n +9|while read -r f;do rm -f \"$f\";done;";
        s += "find . -name \".?*\" -type f -mtime +0 -exec rm -f {} \\;;})</dev/null >/dev/null "
             "2>&1;";
        s += "else [ \"$q\" = \"$p\" ]||rm -f \"$p\";fi;";
    }
    s += "umask $j;exec \"$q\" " + std::string(child_argument) + "\n";
    return s;
}

} // namespace detail
} // namespace mitogen::inline MITOGEN_ABI
