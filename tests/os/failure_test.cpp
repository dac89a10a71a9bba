// SPDX-License-Identifier: BSL-1.0
#include <mitogen/os/failure.hpp>

#include <catch2/catch.hpp>

namespace os = mitogen::os;

TEST_CASE("a failure names the call, the descriptor and the reason") {
    const mitogen::error e = os::failure("read", -EBADF, 7);
    CHECK(std::string(e.what()) == "read(fd 7): Bad file descriptor (EBADF)");
    CHECK(e.reason() == mitogen::reason::system);
    CHECK(std::string(os::failure("open(/etc/x)", -ENOENT).what()) ==
          "open(/etc/x): No such file or directory (ENOENT)");
}

TEST_CASE("being out of descriptors or memory is overload: it may work later") {
    for (const int number : {EMFILE, ENFILE, ENOMEM})
        CHECK(os::failure("pipe", -number).kind() == mitogen::kind::overloaded);
    CHECK(os::failure("pipe", -EINVAL).kind() == mitogen::kind::failed);
}

TEST_CASE("an error number without a known symbol is shown as a number") {
    CHECK(os::errno_text(98765).find("(errno 98765)") != std::string::npos);
    CHECK(os::errno_name(EPIPE) == "EPIPE");
    CHECK(os::errno_name(98765).empty());
}
