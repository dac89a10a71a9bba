// SPDX-License-Identifier: BSL-1.0
#include <mitogen/io/epoll.hpp>
#include <mitogen/os/pipe_size.hpp>

#define MITOGEN_TEST_IO mitogen::io::epoll
#define MITOGEN_TEST_NAME "epoll"
#include "../generic/broker.ipp"
#include "../generic/transport.ipp"

namespace {

TEST_CASE("a turn reads no more than the next ones can wait for, however much there is") {
    using namespace stream_test;
    broker loop({.thread = false});
    descriptor in, far_out, out, far_in;
    REQUIRE(os::pipe(in, far_out) == 0);
    REQUIRE(os::pipe(far_in, out) == 0);
    // and it is full: as if it were filled while it is read
    os::enlarge_pipe(far_out.get(), 1u << 20);
    REQUIRE(os::set_nonblocking(in.get(), true) == 0);
    REQUIRE(os::set_nonblocking(far_out.get(), true) == 0);
    constexpr std::size_t each = 1000;
    std::vector<std::byte> frame(mitogen::detail::header_layout::size + each);
    mitogen::detail::write_header(frame.data(), {.dst = 1, .handle = 1, .length = each});
    std::size_t written = 0;
    while (os::write(far_out.get(), frame.data(), frame.size()) == static_cast<long>(frame.size()))
        ++written;
    if (written * each < 6 * mitogen::detail::fragment_bytes) {
        WARN("left out: this user's pipes may not hold 1 MiB");
        return;
    }
    end here;
    here.link =
        std::make_shared<stream>(loop, here, std::move(in), std::move(out), mitogen::limits{});
    loop.run([&] { here.link->start(); });
    loop.poll();
    CHECK(here.count() > 0);
    CHECK(here.count() * each < 4 * mitogen::detail::fragment_bytes);
    while (here.count() < written) loop.poll();
    loop.run([&] { here.link->close(reason::respondent_lost, "done"); });
}

} // namespace
