// SPDX-License-Identifier: BSL-1.0
#include <mitogen/sys/failure.hpp>

#include <catch2/catch.hpp>

namespace sys = mitogen::sys;

TEST_CASE("a failure names the call, the descriptor and the reason") {
    const mitogen::error e = sys::failure("read", -EBADF, 7);
    CHECK(std::string(e.what()) == "read(fd 7): Bad file descriptor (EBADF)");
    CHECK(e.reason() == mitogen::reason::system);
    CHECK(std::string(sys::failure("open(/etc/x)", -ENOENT).what()) == "open(/etc/x): No such file or directory (ENOENT)");
}

TEST_CASE("being out of descriptors or memory is overload: it may work later") {
    for (const int number : {EMFILE, ENFILE, ENOMEM}) CHECK(sys::failure("pipe", -number).kind() == mitogen::kind::overloaded);
    CHECK(sys::failure("pipe", -EINVAL).kind() == mitogen::kind::failed);
}

TEST_CASE("an error number without a known symbol is shown as a number") {
    CHECK(sys::errno_text(98765).find("(errno 98765)") != std::string::npos);
    CHECK(sys::errno_name(EPIPE) == "EPIPE");
    CHECK(sys::errno_name(98765).empty());
}
