// SPDX-License-Identifier: BSL-1.0
#include "support/scratch.hpp"

#include <mitogen/os/call.hpp>
#include <mitogen/os/fd.hpp>
#include <mitogen/os/file.hpp>
#include <mitogen/os/program/program_kind.hpp>

#include <catch2/catch.hpp>
#include <cerrno>
#include <fcntl.h>
#include <filesystem>
#include <fstream>
#include <string>
#include <sys/stat.h>
#include <unistd.h>

namespace {

namespace os = mitogen::os;

os::unique_fd nameless() {
    const long rc = os::nameless_file();
    REQUIRE(rc > 2);
    return os::unique_fd(static_cast<int>(rc));
}

TEST_CASE("a small file is read whole; what is none is empty") {
    const support::scratch dir;
    std::ofstream(dir / "file") << std::string(10'000, 'x');
    CHECK(os::small_file((dir / "file").c_str()) == std::string(10'000, 'x'));
    CHECK(os::small_file((dir / "none").c_str()).empty());
    CHECK(os::small_file(dir.path().c_str()).empty());
    REQUIRE(::mkfifo((dir / "pipe").c_str(), 0600) == 0);
    CHECK(os::small_file((dir / "pipe").c_str()).empty()); // without waiting for a writer
    CHECK(os::small_file("/dev/zero").empty());
    std::filesystem::resize_file(dir / "file", std::uintmax_t{17} << 20);
    CHECK(os::small_file((dir / "file").c_str()).empty());
}

} // namespace

TEST_CASE("a file without a name holds what is written to it") {
    const os::unique_fd file = nameless();
    CHECK(os::descriptor_flags(file.get()) == FD_CLOEXEC);
    CHECK(os::file_size(file.get()) == 0);
    REQUIRE(os::write(file.get(), "abcdef", 6) == 6);
    CHECK(os::file_size(file.get()) == 6);
    char read[6];
    CHECK(os::pread(file.get(), read, sizeof read, 0) == 6);
    CHECK(std::string(read, 6) == "abcdef");
}

TEST_CASE("a file that is opened once more has a position of its own") {
    const os::unique_fd file = nameless();
    REQUIRE(os::write(file.get(), "abcdef", 6) == 6);
    const os::unique_fd again(static_cast<int>(os::reopen_to_read(file.get())));
    REQUIRE(again);
    CHECK(os::same_file(file.get(), again.get()));
    char read[3];
    CHECK(os::read(again.get(), read, sizeof read) == 3);
    CHECK(std::string(read, 3) == "abc");
#if defined(__linux__)
    CHECK(os::write(file.get(), "g", 1) == 1);
    CHECK(os::file_size(file.get()) == 7);
#endif
    CHECK(os::reopen_to_read(-1) < 0);
}

TEST_CASE("the stamp of a file changes when it is written to") {
    const os::unique_fd file = nameless();
    os::file_stamp before;
    os::file_stamp after;
    REQUIRE(os::stamp_file(file.get(), before) == 0);
    REQUIRE(os::stamp_file(file.get(), after) == 0);
    CHECK(before == after);
    REQUIRE(os::write(file.get(), "x", 1) == 1);
    REQUIRE(os::stamp_file(file.get(), after) == 0);
    CHECK(before != after);
    const os::unique_fd other = nameless();
    REQUIRE(os::write(other.get(), "x", 1) == 1);
    REQUIRE(os::stamp_file(other.get(), before) == 0);
    CHECK(before != after);
    CHECK(os::stamp_file(-1, after) == -EBADF);
}

TEST_CASE("a shell's pattern for machines needs no quotes") {
    CHECK(os::machine_pattern("Linux s390x") == "Linux?s390x");
    CHECK(os::machine_pattern("Linux x86_64") == "Linux?x86_64|Linux?amd64");
    CHECK(os::machine_pattern("Linux i686") == "Linux?i686|Linux?i?86|Linux?x86_64");
    CHECK(os::machine_pattern("FreeBSD x86_64") == "FreeBSD?x86_64|FreeBSD?amd64");
    CHECK(os::machine_pattern("a$(b)'c\"d;e|f) *\\g\n") == "a??b??c?d?e?f????g?");
    CHECK(os::machine_pattern("") == "");
}
