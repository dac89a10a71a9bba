// SPDX-License-Identifier: BSL-1.0
#include "../generic/inject.hpp"

#include <mitogen/io/epoll.hpp>
#include <mitogen/link/transport.hpp>
#include <mitogen/loop/broker_engine.hpp>
#include <mitogen/loop/watch_table.hpp>
#include <mitogen/os/call.hpp>

#include <catch2/catch.hpp>
#include <cerrno>
#include <condition_variable>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#if defined(__linux__)

namespace {

using io_type = mitogen::io::epoll;
namespace io = mitogen::io;
namespace os = mitogen::os;
using mitogen::detail::event_source;

/// Notes the tokens that it is given, and fails where told to.
struct noting_poller {
    std::vector<std::uint64_t> tokens{};
    long answer = 0;
    long add(int, std::uint64_t token, io::interest) {
        tokens.push_back(token);
        return answer;
    }
    long modify(int, std::uint64_t, io::interest) { return answer; }
    void remove(int) {}
};
struct noting_io {
    using poller = noting_poller;
};

TEST_CASE(
    "an event finds the descriptor that it is about, and nothing once that is watched no longer") {
    noting_poller poller;
    mitogen::detail::basic_watch_table<noting_io> table(poller);
    event_source a, b;
    CHECK(table.add(a, io::interest::read) == 0);
    CHECK(table.add(b, io::interest::read) == 0);
    CHECK(table.find(poller.tokens[0]) == &a);
    CHECK(table.find(poller.tokens[1]) == &b);
    CHECK(table.find(0) == nullptr); // the waker's
    CHECK(table.find(77) == nullptr);
    table.remove(a);
    CHECK_FALSE(a.watched);
    CHECK(table.find(poller.tokens[0]) == nullptr);
    CHECK(table.add(a, io::interest::read) == 0); // the same slot again
    CHECK(table.find(poller.tokens[0]) == nullptr);
    CHECK(table.find(poller.tokens[2]) == &a);
}

TEST_CASE("what the poller refuses is reported, and changes nothing") {
    noting_poller poller;
    mitogen::detail::basic_watch_table<noting_io> table(poller);
    event_source a;
    poller.answer = -ENOSPC;
    CHECK(table.add(a, io::interest::read) == -ENOSPC);
    CHECK_FALSE(a.watched);
    CHECK(table.find(poller.tokens[0]) == nullptr);
    CHECK(table.change(a, io::interest::write) == 0); // not watched: nothing to change
    poller.answer = 0;
    CHECK(table.add(a, io::interest::read) == 0);
    poller.answer = -ENOMEM;
    CHECK(table.change(a, io::interest::read) == 0); // it is so already
    CHECK(table.change(a, io::interest::write) == -ENOMEM);
    CHECK(a.interest == io::interest::read);
    poller.answer = 0;
    CHECK(table.change(a, io::interest::write) == 0);
    CHECK(a.interest == io::interest::write);
}

struct closing : mitogen::detail::basic_transport<io_type>::owner {
    using stream = mitogen::detail::basic_transport<io_type>;
    std::mutex mutex;
    std::condition_variable changed;
    std::string why;
    void frame(stream&, const mitogen::header&, std::span<const std::byte>) override {}
    std::byte* reserve(stream&, const mitogen::header&) override { return nullptr; }
    void reserved_complete(stream&, const mitogen::header&) override {}
    void closed(stream&, mitogen::reason, const std::string& text) override {
        const std::lock_guard lock(mutex);
        why = text;
        changed.notify_all();
    }
};

TEST_CASE("a link that can't be watched from the start is closed at once, and says why") {
    mitogen::detail::broker_engine<io_type> loop;
    os::unique_fd in, out, far_in, far_out;
    REQUIRE(os::pipe(in, far_out) == 0);
    REQUIRE(os::pipe(far_in, out) == 0);
    const int numbers[2] = {in.get(), out.get()};
    closing end;
    const auto link = std::make_shared<closing::stream>(loop, end, std::move(in), std::move(out),
                                                        mitogen::limits{});
    bool closed = false;
    loop.run([&] {
        const generic::inject fault("epoll_ctl", -ENOMEM);
        link->start();
        closed = link->is_closed();
    });
    CHECK(closed);
    CHECK(end.why.find("cannot watch the link") != std::string::npos);
    CHECK(end.why.find("ENOMEM") != std::string::npos);
    CHECK_FALSE(link->send({.dst = 1}, std::span<const std::byte>(), nullptr,
                           mitogen::detail::flush_mode::now));
    for (const int fd : numbers) CHECK(os::set_nonblocking(fd, true) == -EBADF);
}

TEST_CASE("a link that can't be watched for room to write is closed, and says why") {
    using stream = closing::stream;
    mitogen::detail::broker_engine<io_type> loop;
    os::unique_fd in, out, far_in, far_out;
    REQUIRE(os::pipe(in, far_out) == 0);
    REQUIRE(os::pipe(far_in, out) == 0);
    os::set_nonblocking(in.get(), true);
    os::set_nonblocking(out.get(), true);
    const int full = out.get();
    closing end;
    const auto link =
        std::make_shared<stream>(loop, end, std::move(in), std::move(out), mitogen::limits{});
    loop.run([&] { link->start(); });
    // Fills the pipe, so that the stream watches it, and empties it, so that the stream stops to
    // watch it.
    const std::vector<std::byte> block(100'000);
    for (int round = 0; round < 2; ++round)
        link->send({.dst = 1}, mitogen::buffer(std::span(block)), nullptr,
                   mitogen::detail::flush_mode::now);
    loop.run([] {});
    REQUIRE(link->queued() > 0);
    {
        const generic::inject fault("epoll_ctl", -ENOMEM);
        std::vector<std::byte> sink(1u << 20);
        REQUIRE(os::read(far_in.get(), sink.data(), sink.size()) > 0);
        std::unique_lock lock(end.mutex);
        end.changed.wait(lock, [&] { return !end.why.empty(); });
    }
    CHECK(end.why.find("cannot watch the link") != std::string::npos);
    CHECK(end.why.find("ENOMEM") != std::string::npos);
    loop.run([] {});
    CHECK(os::set_nonblocking(full, true) == -EBADF); // closed, although it was being written to
}

} // namespace

#endif
