// SPDX-License-Identifier: BSL-1.0
#include <mitogen/os/local/line_socket.hpp>

#include <catch2/catch.hpp>
#include <string>
#include <string_view>
#include <sys/socket.h>
#include <thread>
#include <utility>

namespace {

using mitogen::os::line_socket;
using mitogen::os::unique_fd;
using event = line_socket::event;

/// One end as the library has it, and the other as a program has it.
struct both_ends {
    unique_fd theirs;
    line_socket ours;

    both_ends() : both_ends(make()) {}

    void say(std::string_view text) const {
        REQUIRE(mitogen::os::send_some(theirs.get(), text) == static_cast<long>(text.size()));
    }

private:
    struct two {
        unique_fd a;
        unique_fd b;
    };
    static two make() {
        int ends[2];
        REQUIRE(::socketpair(AF_UNIX, SOCK_STREAM, 0, ends) == 0);
        two made{unique_fd(ends[0]), unique_fd(ends[1])};
        REQUIRE(mitogen::os::set_nonblocking(ends[1], true) >= 0);
        return made;
    }
    explicit both_ends(two made) : theirs(std::move(made.a)), ours(std::move(made.b)) {
        REQUIRE(ours.begin() == 0);
    }
};

TEST_CASE("lines come one by one, however they were sent, and Ctrl-D among them") {
    both_ends one;
    line_socket& ours = one.ours;
    std::string line;
    one.say("list\nattach 1\nwh");
    CHECK(ours.read(line) == event::line);
    CHECK(line == "list");
    CHECK(ours.read(line) == event::line);
    CHECK(line == "attach 1");
    one.say("ere\n\x04\n\n");
    CHECK(ours.read(line) == event::line);
    CHECK(line == "where");
    CHECK(ours.read(line) == event::end_of_file);
    CHECK(ours.read(line) == event::line);
    CHECK(line.empty());
}

TEST_CASE("a line without an end is not kept") {
    both_ends one;
    std::string line;
    std::thread sender([&] {
        const std::string much(100'000, 'x');
        for (std::string_view left = much; !left.empty();) {
            const long n = mitogen::os::send_some(one.theirs.get(), left);
            if (n > 0) left.remove_prefix(static_cast<std::size_t>(n));
        }
        (void)mitogen::os::send_some(one.theirs.get(), "\nlist\n");
    });
    CHECK(one.ours.read(line) == event::line);
    CHECK(line.size() <= 2 * 4096);
    CHECK(one.ours.read(line) == event::line);
    CHECK(line == "list");
    sender.join();
}

TEST_CASE("the other end goes, and whoever writes there is told and not killed") {
    both_ends one;
    std::string line;
    one.theirs.reset();
    CHECK(one.ours.read(line) == event::hung_up);
    CHECK_FALSE(one.ours.write("text"));
}

TEST_CASE("who waits for the other end can be woken, as a reader and as a writer") {
    both_ends one;
    std::string line;
    std::thread waker([&] { one.ours.wake(); });
    CHECK(one.ours.read(line) == event::woken);
    waker.join();
    const std::string much(std::size_t{16} << 20, 'x'); // more than a socket keeps
    one.ours.wake();
    CHECK_FALSE(one.ours.write(much));
    CHECK(one.ours.read(line) == event::woken);
}

} // namespace
