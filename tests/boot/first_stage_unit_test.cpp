// SPDX-License-Identifier: BSL-1.0
#include <mitogen/boot/first_stage.hpp>
#include <mitogen/boot/memory_stage.hpp>
#include <mitogen/boot/program_choice.hpp>
#include <mitogen/boot/receiving_stage.hpp>
#include <mitogen/os/call.hpp>
#include <mitogen/os/machine.hpp>
#include <mitogen/os/process/process.hpp>
#include <mitogen/os/program/executable.hpp>
#include <mitogen/os/program/program_kind.hpp>
#include <mitogen/program/payload.hpp>

#include "support/scratch.hpp"

#include <algorithm>
#include <catch2/catch.hpp>
#include <chrono>
#include <cstdint>
#include <cstdlib>
#include <filesystem>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <sys/syscall.h>
#include <vector>

namespace {

namespace os = mitogen::os;

struct outcome {
    std::string out;
    std::string err;
    mitogen::exit_status status{};
};

std::string read_all(int fd) {
    std::string text;
    char bytes[4096];
    for (long n; (n = os::read(fd, bytes, sizeof bytes)) > 0;)
        text.append(bytes, static_cast<std::size_t>(n));
    return text;
}

/// Runs the first stage under a shell, as a login shell would, and gives it `input` and the end.
outcome run_stage(const std::string& shell, std::string_view input,
                  std::vector<std::string> environment = {}) {
    os::unique_fd in_read, in_write, out_read, out_write, err_read, err_write;
    REQUIRE(os::pipe(in_read, in_write) == 0);
    REQUIRE(os::pipe(out_read, out_write) == 0);
    REQUIRE(os::pipe(err_read, err_write) == 0);
    os::spawn_options options;
    options.path = shell;
    options.argv = {shell, "-c", mitogen::detail::first_stage_command(35)};
    options.environment = std::move(environment);
    options.in = in_read.get();
    options.out = out_write.get();
    options.err = err_write.get();
    auto child = os::spawn(options);
    REQUIRE(child);
    in_read.reset();
    out_write.reset();
    err_write.reset();
    // less than a pipe holds
    REQUIRE(os::write(in_write.get(), input.data(), input.size()) ==
            static_cast<long>(input.size()));
    in_write.reset();
    outcome got;
    got.out = read_all(out_read.get());
    got.err = read_all(err_read.get());
    got.status = child->wait();
    return got;
}

mitogen::detail::program_identity identity(const std::string& text) {
    mitogen::detail::sha256 digest;
    mitogen::detail::cksum crc;
    const auto bytes = std::as_bytes(std::span(text.data(), text.size()));
    digest.feed(bytes);
    crc.feed(bytes);
    return {digest.finish(), crc.value(), static_cast<std::int64_t>(text.size())};
}

/// What is sent to a first stage: of a program, these bytes.
std::string sending(const std::string& program, std::string_view bytes, bool keep = false) {
    const auto size = static_cast<std::int64_t>(program.size());
    return mitogen::detail::receiving_stage(identity(program), {.size = size, .keep = keep}) +
           std::string(bytes);
}

bool is_there(const char* shell) {
    return std::system((std::string("command -v ") + shell + " >/dev/null 2>&1").c_str()) == 0;
}

TEST_CASE("the first stage is one short line that every login shell can pass on") {
    const std::string line = mitogen::detail::first_stage_command(35);
    CHECK(line.size() < 1024);
    CHECK(line.find('\n') == std::string::npos);
    CHECK(line.starts_with("exec sh -c '"));
    CHECK(std::count(line.begin(), line.end(), '\'') == 2);
    CHECK(line.back() == '\'');
    CHECK(line.find('!') == std::string::npos); // history expansion of csh, also inside quotes
    for (const char c : line) CHECK((c >= 0x20 && c < 0x7f));
    CHECK(line.find(mitogen::handshake::mark) == std::string::npos);
}

TEST_CASE("the first stage stays short where it is told what program it becomes") {
    mitogen::boot_plan plan;
    plan.program = std::shared_ptr<os::unique_fd>(std::shared_ptr<void>(), &os::self_executable());
    plan.start.argv = {mitogen::detail::first_stage_command(1'000'005)};
    mitogen::detail::name_program(plan);
    CHECK(plan.start.argv[0].find(mitogen::detail::identity_of(plan.program->get())->sha256) !=
          std::string::npos);
    CHECK(plan.start.argv[0].size() < 1024);
}

TEST_CASE("those who wait for a parent wait longer than it does, and not for ever") {
    using mitogen::detail::to_ns;
    using mitogen::detail::patience_for;
    using std::chrono::milliseconds;
    CHECK(patience_for(to_ns(milliseconds(30'000))) == 35);
    CHECK(patience_for(to_ns(milliseconds(30'999))) == 35);
    CHECK(patience_for(to_ns(milliseconds(0))) == 5);
    CHECK(patience_for(to_ns(milliseconds(-1))) == 5);
    CHECK(patience_for(to_ns(milliseconds::max())) == 1'000'005);
}

TEST_CASE("the number of memfd_create is known for every machine that programs are known for") {
    using mitogen::detail::memfd_number_of;
    for (const std::string& machine : os::known_machines()) {
        CAPTURE(machine);
        CHECK(memfd_number_of("Linux " + machine).narrow > 0);
        CHECK((memfd_number_of("Linux " + machine).wide > 0) ==
              // as these names have it
              (machine.find("64") != std::string::npos || machine == "s390x"));
    }
    CHECK(memfd_number_of("Linux i586").narrow == 356);
    CHECK(memfd_number_of("Linux armv7l").narrow == 385);
    CHECK(memfd_number_of("Linux armv7b").narrow == 385);
    CHECK(memfd_number_of("FreeBSD x86_64").narrow == 0);
    CHECK(memfd_number_of("").narrow == 0);
#ifdef SYS_memfd_create
    const auto own = memfd_number_of(os::machine_text());
    CHECK((sizeof(void*) == 8 ? own.wide : own.narrow) == SYS_memfd_create);
#endif
}

TEST_CASE("the first stage says who it is, and ends when nothing comes") {
    for (const char* shell :
         {"sh", "bash", "dash", "busybox", "tcsh", "fish", "zsh", "ksh", "mksh"}) {
        if (!is_there(shell) || std::string_view(shell) == "busybox") continue;
        INFO(shell);
        const outcome got = run_stage(shell, "");
        CHECK(got.out.starts_with(std::string(mitogen::handshake::mark) + "1 "));
        CHECK(got.out.ends_with("\n"));
        CHECK_FALSE(got.status.success());
    }
}

TEST_CASE("the first stage executes what it is sent, with its arguments, and leaves nothing") {
    const std::string program = "#!/bin/sh\necho \"ran $1 with $(cat)\"\n";
    const support::scratch directory;
    const outcome got = run_stage("sh", sending(program, program + "the rest"),
                                  {"XDG_RUNTIME_DIR=" + directory.path()});
    CHECK(got.out.find("ran --mitogen-child with the rest") != std::string::npos);
    CHECK(got.err.empty());
    CHECK(got.status.success());
    // A script is executed by name, and so the program itself would have to remove the file.
}

TEST_CASE("the first stage refuses a program that is cut short, and leaves nothing") {
    const support::scratch directory;
    const outcome got = run_stage("sh", sending(std::string(1000, 'x'), "short"),
                                  {"XDG_RUNTIME_DIR=" + directory.path()});
    CHECK(got.err.find(mitogen::detail::short_program_text) != std::string::npos);
    CHECK_FALSE(got.status.success());
    CHECK(std::filesystem::is_empty(directory.path()));
}

} // namespace
