// SPDX-License-Identifier: BSL-1.0
#pragma once
// memory_stage.hpp: what receives a program into memory, on a target whose directories take none.

#include <mitogen/base/config.hpp>
#include <mitogen/base/time.hpp>
#include <mitogen/boot/first_stage.hpp>
#include <mitogen/program/payload.hpp>

#include <cstdint>
#include <string>
#include <string_view>

namespace mitogen::inline MITOGEN_ABI {
namespace detail {

/// What the stages say on stderr when they must give up; how all of it begins.
inline constexpr std::string_view stage_words_begin = "mitogen: ";
inline constexpr std::string_view no_place_text = "mitogen: no directory for programs";
inline constexpr std::string_view no_room_text = "mitogen: no room for the program";
inline constexpr std::string_view short_program_text = "mitogen: incomplete program";

/// How a program is sent.
struct transfer {
    std::int64_t size = 0; ///< bytes that are sent
    /// what undoes their compression, "gzip" or "zstd"; empty: they are the program
    std::string_view tool{};
    bool keep = true; ///< it may stay in a cache
    /// for how long it is waited for, if it goes to memory; 0: for ever
    std::int64_t patience_s = 0;
    std::string_view machine{}; ///< what the target says of itself: "Linux x86_64"
};

/// The number of the system call memfd_create, for programs with pointers of 8 and of 4 bytes; 0:
/// unknown.
struct memfd_number {
    std::string_view machine;
    int wide;
    int narrow;
};

/// From the kernel's tables: arch/*/{entry,kernel,tools}/**/syscall*.tbl and
/// include/uapi/asm-generic/unistd.h. The numbers of mips are those of its ABIs n64 and o32.
inline constexpr memfd_number memfd_numbers[] = {
    {"x86_64", 319, 356},     {"i686", 0, 356},       {"aarch64", 279, 385},
    {"aarch64_be", 279, 385}, {"arm", 0, 385},        {"armeb", 0, 385},
    {"riscv64", 279, 279},    {"riscv32", 0, 279},    {"loongarch64", 279, 279},
    {"loongarch32", 0, 279},  {"ppc64le", 360, 360},  {"ppc64", 360, 360},
    {"ppc", 0, 360},          {"s390x", 350, 350},    {"s390", 0, 350},
    {"sparc64", 348, 348},    {"mips64", 5314, 4354}, {"mips", 0, 4354},
    {"m68k", 0, 353},
};

/// That of a machine which says `there` of itself, as `uname -sm` prints it. Nothing known: both
/// are 0.
constexpr memfd_number memfd_number_of(std::string_view there) {
    if (!there.starts_with("Linux ")) return {{}, 0, 0};
    there.remove_prefix(6);
    if (there.size() == 4 && there[0] == 'i' && there.ends_with("86")) there = "i686";
    // armv7l, armv5tejl, armv7b
    if (there.starts_with("armv")) there = there.ends_with('b') ? "armeb" : "arm";
    for (const memfd_number& n : memfd_numbers)
        if (n.machine == there) return n;
    return {{}, 0, 0};
}

/// In Python. Arguments, as of the next: what is wrong with the directories, the SHA-256, and how
/// many bytes are sent.
MITOGEN_COLD inline std::string python_stage(const transfer& how) {
    std::string s = "import "
                    "os,sys,hashlib,signal,subprocess;sys.excepthook=lambda*a:print(sys.argv[1],"
                    "file=sys.stderr);";
    s += "signal.signal(signal.SIGALRM,lambda*a:sys.exit(\"" + std::string(no_parent_text) +
         "\"));signal.alarm(" + std::to_string(how.patience_s) + ");";
    s += "d=open(0,\"rb\",closefd=False).read(int(sys.argv[3]));signal.alarm(0);";
    if (!how.tool.empty())
        s += "d=subprocess.run([\"" + std::string(how.tool) +
             "\",\"-dc\"],input=d,stdout=-1).stdout;";
    s += "hashlib.sha256(d).hexdigest()==sys.argv[2]or sys.exit(\"" +
         std::string(short_program_text) + "\");";
    s += "f=os.memfd_create(\"mitogen\");w=open(f,\"wb\",closefd=False);w.write(d);w.flush();";
    // which Python ignores
    s += "[signal.signal(i,signal.SIG_DFL)for i in(signal.SIGPIPE,signal.SIGXFSZ)];";
    return s + "os.execv(\"/proc/self/fd/%d\"%f,[\"mitogen\",\"" + std::string(child_argument) +
           "\"])";
}

/// The same in Perl, which knows the system call only by its number. What undoes the compression,
/// or finds the digest if the module for that is missing, opens the memory by its name in /proc.
/// The file's first descriptor does not count as open for writing: what is executed must not be.
MITOGEN_COLD inline std::string perl_stage(const transfer& how, const memfd_number& number) {
    std::string s =
        "sub f{print STDERR \"$_[0]\\n\";exit 1}($w,$h,$n)=@ARGV;$SIG{PIPE}=\"IGNORE\";";
    s += "$SIG{ALRM}=sub{f(\"" + std::string(no_parent_text) + "\")};";
    s += "$m=\"mitogen\";$f=syscall(length(pack(\"p\",undef))>4?" + std::to_string(number.wide) +
         ":" + std::to_string(number.narrow) + ",$m,1);$p=\"/proc/$$/fd/$f\";"; // 1: MFD_CLOEXEC
    s += "$f>2&&readlink($p)=~/^.memfd:mitogen/&&(eval{require Digest::SHA}||!system(\"command -v "
         "sha256sum>/dev/null\"))||f($w);";
    s += how.tool.empty() ? "open(O,\">\",$p)"
                          : "open(O,\"|" + std::string(how.tool) + " -dc >$p\")";
    s += "||f($w);binmode O;alarm " + std::to_string(how.patience_s) + ";";
    s += "while($n>0&&($r=sysread(STDIN,$b,$n>65536?65536:$n))>0){$n-=$r;print O $b}alarm 0;close "
         "O;";
    s += "$d=eval{require "
         "Digest::SHA;Digest::SHA->new(256)->addfile($p,\"b\")->hexdigest}||`sha256sum <$p`;";
    s += "substr($d,0,64)eq$h||f(\"" + std::string(short_program_text) +
         "\");$SIG{PIPE}=\"DEFAULT\";";
    return s + "exec{\"/proc/self/fd/$f\"}\"mitogen\",\"" + std::string(child_argument) +
           "\";f($w)";
}

/// For a shell that has found no directory for the program: it becomes one of them, if it can, and
/// else says why not: $2.
inline std::string memory_stage(const program_identity& program, const transfer& how) {
    const std::string arguments =
        "' \"$2\" " + program.sha256 + " " + std::to_string(how.size) + ";";
    std::string s =
        "python3 -Ic \"import os;os.memfd_create\" </dev/null 2>/dev/null&&exec python3 -Ic '" +
        python_stage(how) + arguments;
    if (const memfd_number number = memfd_number_of(how.machine); number.narrow)
        s += "perl -e 1 </dev/null 2>/dev/null&&exec perl -e '" + perl_stage(how, number) +
             arguments;
    return s + "echo \"$2\" >&2;exit 1;";
}

} // namespace detail
} // namespace mitogen::inline MITOGEN_ABI
