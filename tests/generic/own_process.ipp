// SPDX-License-Identifier: BSL-1.0
// own_process.ipp: what policies that run in processes of the operating system promise about their
// own. Included with MITOGEN_TEST_IO set to a policy and MITOGEN_TEST_NAME to its name in quotes.
#include "forked.hpp"

#include <mitogen/io/main_arguments.hpp>
#include <mitogen/io/policy.hpp>

#include <catch2/catch.hpp>
#include <csignal>
#include <cstddef>
#include <cstdio>
#include <string>
#include <unistd.h>

namespace {
namespace own_process_test {

using io_type = MITOGEN_TEST_IO;

TEST_CASE(MITOGEN_TEST_NAME ": a process knows its number, and a copy its own") {
    io_type io;
    CHECK(io.own_pid() == ::getpid());
    CHECK(io.own_name().ends_with(":" + std::to_string(::getpid())));
    CHECK(generic::forked([&] { return io.own_pid() == ::getpid() ? 0 : 1; }) == 0);
    STATIC_REQUIRE(mitogen::io::can_fork<io_type>);
}

TEST_CASE(MITOGEN_TEST_NAME ": a process can end itself by a signal") {
    io_type io;
    CHECK(generic::forked([&] {
              ::signal(SIGTERM, SIG_DFL);
              io.signal_self(SIGTERM);
              for (;;) ::pause();
              return 0;
          }) == 200 + SIGTERM);
}

TEST_CASE(MITOGEN_TEST_NAME
          ": a program can start itself once it has called init, and has a title from then on") {
    CHECK(generic::forked([] {
              io_type io;
              mitogen::io::main_arguments = {};
              io.set_title("no arguments to overwrite");
              if (io.can_spawn_self()) return 1;
              static char name[] = "as long as a command line";
              static char* arguments[] = {name, nullptr};
              mitogen::io::main_arguments = {.argc = 1, .argv = arguments, .known = true};
              io.set_title("mitogen:x");
              return io.can_spawn_self() && std::string(name) == "mitogen:x" ? 0 : 2;
          }) == 0);
}

TEST_CASE(MITOGEN_TEST_NAME
          ": what is printed can be read until stdout is released, then it goes to stderr") {
    CHECK(generic::forked([] {
              io_type io;
              const auto end = io.capture_stdout();
              if (end.get() <= 2) return 1;
              std::fputs("a line\nand the beginning of another", stdout);
              io.release_stdout();
              std::string got;
              char bytes[256];
              for (long n; (n = io.read_waiting(end.get(), bytes, sizeof bytes)) > 0;)
                  got.append(bytes, static_cast<std::size_t>(n));
              if (got != "a line\nand the beginning of another") return 2;
              int ends[2]; // of what is standard error then
              if (::pipe(ends) != 0 || ::dup2(ends[1], 2) != 2) return 3;
              io.release_stdout();
              std::puts("later");
              return ::read(ends[0], bytes, sizeof bytes) == 6 ? 0 : 4;
          }) == 0);
}

} // namespace own_process_test
} // namespace
