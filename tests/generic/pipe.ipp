// SPDX-License-Identifier: BSL-1.0
// pipe.ipp: what every policy's pipes and blocking transfers promise. Included with MITOGEN_TEST_IO
// set to a policy and MITOGEN_TEST_NAME to its name in quotes.
#include "forked.hpp"
#include "inject.hpp"

#include <mitogen/io/policy.hpp>
#include <mitogen/os/call.hpp>
#include <mitogen/os/process/signal.hpp>

#include <catch2/catch.hpp>
#include <cerrno>
#include <cstddef>
#include <fcntl.h>
#include <string>
#include <unistd.h>

namespace {
namespace pipe_test {

using io_type = MITOGEN_TEST_IO;

struct both_ends {
    io_type io;
    io_type::descriptor to_read;
    io_type::descriptor to_write;

    both_ends() { REQUIRE(io.pipe(to_read, to_write) == 0); }
};

TEST_CASE(MITOGEN_TEST_NAME ": a pipe carries bytes to its end, and is nobody else's") {
    both_ends p;
    CHECK(p.to_read.get() > 2);
    CHECK(p.to_write.get() > 2);
    CHECK(mitogen::os::descriptor_flags(p.to_read.get()) == FD_CLOEXEC);
    CHECK(mitogen::os::descriptor_flags(p.to_write.get()) == FD_CLOEXEC);
    CHECK(p.io.write_all(p.to_write.get(), "abc", 3));
    char bytes[8] = {};
    CHECK(p.io.read_waiting(p.to_read.get(), bytes, 2) == 2);
    p.to_write.reset();
    CHECK(p.io.read_waiting(p.to_read.get(), bytes + 2, 6) == 1);
    CHECK(std::string(bytes) == "abc");
    CHECK(p.io.read_waiting(p.to_read.get(), bytes, 8) == 0);
}

TEST_CASE(MITOGEN_TEST_NAME
          ": a pipe is above standard input, output and error also where those are closed") {
    CHECK(generic::forked([] {
              for (int fd = 0; fd < 3; ++fd) ::close(fd);
              io_type io;
              io_type::descriptor to_read, to_write;
              if (io.pipe(to_read, to_write) != 0) return 1;
              return to_read.get() > 2 && to_write.get() > 2 &&
                             mitogen::os::descriptor_flags(0) == -EBADF
                         ? 0
                         : 2;
          }) == 0);
}

TEST_CASE(MITOGEN_TEST_NAME ": where there can be no pipe both ends are empty") {
    io_type io;
    io_type::descriptor to_read, to_write;
    {
        const generic::inject fault("pipe", -EMFILE);
        CHECK(io.pipe(to_read, to_write) == -EMFILE);
        CHECK(fault.hit());
    }
    CHECK_FALSE(to_read);
    CHECK_FALSE(to_write);
    CHECK(generic::forked([&] { // both have to be moved, and the second cannot
              for (int fd = 0; fd < 3; ++fd) ::close(fd);
              const generic::inject fault("dup_above", -EMFILE, 1);
              return io.pipe(to_read, to_write) == -EMFILE && !to_read && !to_write ? 0 : 1;
          }) == 0);
}

TEST_CASE(MITOGEN_TEST_NAME ": read_waiting waits, also where the descriptor does not") {
    for (const bool nonblocking : {false, true}) {
        both_ends p;
        char byte = 0;
        if (nonblocking) {
            REQUIRE(p.io.set_nonblocking(p.to_read.get(), true) >= 0);
            CHECK(p.io.read(p.to_read.get(), &byte, 1) == -EAGAIN);
        }
        io_type::thread writer(p.io, "writer", [&] { p.io.write(p.to_write.get(), "x", 1); });
        CHECK(p.io.read_waiting(p.to_read.get(), &byte, 1) == 1);
        CHECK(byte == 'x');
        writer.join();
        REQUIRE(p.io.set_nonblocking(p.to_read.get(), false) >= 0);
        p.to_write.reset();
        CHECK(p.io.read(p.to_read.get(), &byte, 1) == 0);
    }
    io_type io;
    char byte;
    CHECK(io.read_waiting(-1, &byte, 1) == -EBADF);
}

TEST_CASE(MITOGEN_TEST_NAME ": write_all writes more than a pipe holds") {
    for (const bool nonblocking : {false, true}) {
        both_ends p;
        p.io.enlarge(p.to_write.get()); // a hint: nothing depends on it
        if (nonblocking) REQUIRE(p.io.set_nonblocking(p.to_write.get(), true) >= 0);
        const std::string text(3u << 20, 'w');
        std::string got;
        io_type::thread reader(p.io, "reader", [&] {
            char bytes[4096];
            for (long n; (n = p.io.read_waiting(p.to_read.get(), bytes, sizeof bytes)) > 0;)
                got.append(bytes, static_cast<std::size_t>(n));
        });
        CHECK(p.io.write_all(p.to_write.get(), text.data(), text.size()));
        p.to_write.reset();
        reader.join();
        CHECK(got == text);
    }
}

TEST_CASE(MITOGEN_TEST_NAME ": write_all fails where nobody reads") {
    mitogen::os::ignore_sigpipe();
    both_ends p;
    p.to_read.reset();
    CHECK_FALSE(p.io.write_all(p.to_write.get(), "x", 1));
    p.io.enlarge(-1);
    CHECK(p.io.set_nonblocking(-1, true) == -EBADF);
}

} // namespace pipe_test
} // namespace
