// SPDX-License-Identifier: BSL-1.0
#include <mitogen/sys/call.hpp>
#include <mitogen/sys/fd.hpp>
#include <mitogen/sys/file.hpp>
#include <mitogen/sys/program_kind.hpp>

#include <catch2/catch.hpp>
#include <cerrno>
#include <fcntl.h>
#include <string>
#include <unistd.h>

namespace {

namespace sys = mitogen::sys;

sys::unique_fd nameless() {
    const long rc = sys::nameless_file();
    REQUIRE(rc > 2);
    return sys::unique_fd(static_cast<int>(rc));
}

} // namespace

TEST_CASE("a file without a name holds what is written to it") {
    const sys::unique_fd file = nameless();
    CHECK(sys::descriptor_flags(file.get()) == FD_CLOEXEC);
    CHECK(sys::file_size(file.get()) == 0);
    REQUIRE(sys::write(file.get(), "abcdef", 6) == 6);
    CHECK(sys::file_size(file.get()) == 6);
    char read[6];
    CHECK(sys::pread(file.get(), read, sizeof read, 0) == 6);
    CHECK(std::string(read, 6) == "abcdef");
}

TEST_CASE("a file that is opened once more has a position of its own") {
    const sys::unique_fd file = nameless();
    REQUIRE(sys::write(file.get(), "abcdef", 6) == 6);
    const sys::unique_fd again(static_cast<int>(sys::reopen_to_read(file.get())));
    REQUIRE(again);
    CHECK(sys::same_file(file.get(), again.get()));
    char read[3];
    CHECK(sys::read(again.get(), read, sizeof read) == 3);
    CHECK(std::string(read, 3) == "abc");
#if defined(__linux__)
    CHECK(sys::write(file.get(), "g", 1) == 1);
    CHECK(sys::file_size(file.get()) == 7);
#endif
    CHECK(sys::reopen_to_read(-1) < 0);
}

TEST_CASE("the stamp of a file changes when it is written to") {
    const sys::unique_fd file = nameless();
    sys::file_stamp before;
    sys::file_stamp after;
    REQUIRE(sys::stamp_file(file.get(), before) == 0);
    REQUIRE(sys::stamp_file(file.get(), after) == 0);
    CHECK(before == after);
    REQUIRE(sys::write(file.get(), "x", 1) == 1);
    REQUIRE(sys::stamp_file(file.get(), after) == 0);
    CHECK(before != after);
    const sys::unique_fd other = nameless();
    REQUIRE(sys::write(other.get(), "x", 1) == 1);
    REQUIRE(sys::stamp_file(other.get(), before) == 0);
    CHECK(before != after);
    CHECK(sys::stamp_file(-1, after) == -EBADF);
}

TEST_CASE("a shell's pattern for machines needs no quotes") {
    CHECK(sys::machine_pattern("Linux s390x") == "Linux?s390x");
    CHECK(sys::machine_pattern("Linux x86_64") == "Linux?x86_64|Linux?amd64");
    CHECK(sys::machine_pattern("Linux i686") == "Linux?i686|Linux?i?86|Linux?x86_64");
    CHECK(sys::machine_pattern("FreeBSD x86_64") == "FreeBSD?x86_64|FreeBSD?amd64");
    CHECK(sys::machine_pattern("a$(b)'c\"d;e|f) *\\g\n") == "a??b??c?d?e?f????g?");
    CHECK(sys::machine_pattern("") == "");
}
