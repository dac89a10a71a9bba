// SPDX-License-Identifier: BSL-1.0
// Descriptors, pipes, processes, and what a policy makes of them.
#include <mitogen/simulation/world.hpp>

#include <array>
#include <catch2/catch.hpp>
#include <cerrno>
#include <string>
#include <vector>

namespace {

namespace sim = mitogen::simulation;
using io_type = mitogen::io::simulated;
using mitogen::io::interest;

constexpr mitogen::duration_ns ms = 1'000'000;

struct link {
    io_type::descriptor in, out;
    explicit link(io_type io) { REQUIRE(io.pipe(in, out) == 0); }
    sim::pipe_state& state(io_type io) const {
        return *dynamic_cast<sim::pipe_end*>(io.kernel().at(in.get()))->pipe();
    }
};

/// Up to `size` bytes, or what read() returned instead as text.
std::string take(io_type io, const io_type::descriptor& from, std::size_t size = 100) {
    std::string bytes(size, '?');
    const long n = io.read(from.get(), bytes.data(), size);
    return n < 0 ? std::to_string(n) : bytes.substr(0, static_cast<std::size_t>(n));
}
long give(io_type io, const io_type::descriptor& to, const std::string& bytes) {
    return io.write(to.get(), bytes.data(), bytes.size());
}

/// Runs the body as the first process of a world.
sim::outcome in_world(
    const sim::faults& faults, mitogen::unique_function<void(io_type)> body,
    mitogen::unique_function<int(const mitogen::os::spawn_options&, sim::stdio)> program = {}) {
    sim::world w({.seed = 1, .faults = faults});
    if (program) w.set_program(std::move(program));
    const sim::outcome o = w.run([&](io_type io) { body(io); });
    INFO(o.trouble);
    CHECK(o.completed);
    return o;
}

TEST_CASE(
    "a pipe gives back the bytes in order, then says that it is empty, then that it has ended") {
    in_world({}, [](io_type io) {
        link l(io);
        CHECK(give(io, l.out, "one ") == 4);
        CHECK(give(io, l.out, "two") == 3);
        CHECK(give(io, l.out, "") == 0);
        CHECK(take(io, l.in, 2) == "on");
        CHECK(take(io, l.in) == "e two");
        REQUIRE(io.set_nonblocking(l.in.get(), true) == 0);
        CHECK(take(io, l.in) == std::to_string(-EAGAIN));
        give(io, l.out, "last");
        l.out.reset();
        CHECK(take(io, l.in) == "last");
        CHECK(take(io, l.in).empty());
        CHECK(take(io, l.in).empty());
        CHECK(io.read(99, nullptr, 0) == -EBADF);
        CHECK(io.write(l.in.get(), "x", 1) == -EBADF);
        CHECK(io.set_nonblocking(99, true) == -EBADF);
    });
}

TEST_CASE("a pipe whose reader is gone says so, and a full one says that it is full") {
    in_world({.pipe_bytes = 10'000}, [](io_type io) {
        link l(io);
        REQUIRE(io.set_nonblocking(l.out.get(), true) == 0);
        CHECK(give(io, l.out, std::string(9'000, 'x')) == 9'000);
        long more = 0;
        for (long n = 0; (n = give(io, l.out, "yyy")) > 0;) more += n;
        CHECK(more <= 1'000);
        CHECK(give(io, l.out, "z") == -EAGAIN);
        CHECK(take(io, l.in, 8'000).size() == 8'000);
        CHECK(give(io, l.out, "z") == 1);
        l.in.reset();
        CHECK(give(io, l.out, "z") == -EPIPE);
    });
}

TEST_CASE(
    "a read that has to wait sleeps until there is something, whatever the descriptor's mode") {
    in_world({}, [](io_type io) {
        link l(io);
        std::string first, second;
        io_type::thread writer(io, "writer", [&] {
            io.sleep_for(5 * ms);
            give(io, l.out, "a");
            io.sleep_for(5 * ms);
            give(io, l.out, "b");
        });
        const mitogen::instant start = io.now();
        CHECK(take(io, l.in) == "a");
        CHECK(io.now() - start == 5 * ms);
        REQUIRE(io.set_nonblocking(l.in.get(), true) == 0);
        char c = 0;
        CHECK(io.read_waiting(l.in.get(), &c, 1) == 1);
        CHECK(c == 'b');
        CHECK(io.now() - start == 10 * ms);
    });
}

TEST_CASE("a transfer of several parts does not sleep once it has begun") {
    in_world({}, [](io_type io) {
        link l(io);
        char a[3], b[3];
        ::iovec parts[] = {{a, 3}, {nullptr, 0}, {b, 3}};
        const ::iovec hello[] = {{const_cast<char*>("hel"), 3}, {const_cast<char*>("lo!"), 3}};
        CHECK(io.writev(l.out.get(), hello, 1) == 3);
        CHECK(io.readv(l.in.get(), parts, 3) == 3);
        CHECK(io.writev(l.out.get(), hello, 2) == 6);
        CHECK(io.readv(l.in.get(), parts, 3) == 6);
        CHECK(std::string(b, 3) == "lo!");
    });
}

TEST_CASE("write_all sleeps until everything is written, or the reader is gone") {
    in_world({.pipe_bytes = 5'000}, [](io_type io) {
        link l(io);
        std::size_t got = 0;
        io_type::thread reader(io, "reader", [&] {
            while (got < 100'000) got += take(io, l.in, 3'000).size();
            l.in.reset();
        });
        const std::string bytes(100'000, 'x');
        CHECK(io.write_all(l.out.get(), bytes.data(), bytes.size()));
        reader.join();
        CHECK(got == 100'000);
        CHECK_FALSE(io.write_all(l.out.get(), bytes.data(), bytes.size()));
    });
}

TEST_CASE(
    "bytes take as long as latency and bandwidth say, and arrive although the writer has gone") {
    in_world({.least_latency = 10 * ms, .most_latency = 10 * ms, .bytes_per_second = 1'000'000},
             [](io_type io) {
                 link l(io);
                 const mitogen::instant start = io.now();
                 give(io, l.out, std::string(5'000, 'x')); // 5 ms on the line
                 l.out.reset();
                 CHECK(take(io, l.in, 10'000).size() == 5'000);
                 CHECK(io.now() - start == 15 * ms);
                 CHECK(take(io, l.in).empty());
             });
    in_world({.bytes_per_second = 1'000'000}, [](io_type io) {
        link l(io);
        const mitogen::instant start = io.now();
        for (int i = 0; i < 10; ++i) give(io, l.out, std::string(1'000, 'x'));
        std::size_t got = 0;
        while (got < 10'000) got += take(io, l.in).size();
        CHECK(io.now() - start == 10 * ms);
    });
}

TEST_CASE("a pipe can be cut at a byte: the reader gets what came before, then the end, the writer "
          "an error") {
    in_world({}, [](io_type io) {
        link l(io);
        l.state(io).cut_after = 5;
        CHECK(give(io, l.out, "123") == 3);
        CHECK(give(io, l.out, "4567") == 2);
        CHECK(give(io, l.out, "67") == -EPIPE);
        CHECK(take(io, l.in) == "12345");
        CHECK(take(io, l.in).empty());
    });
}

TEST_CASE("a silent pipe takes everything and gives nothing") {
    in_world({}, [](io_type io) {
        link l(io);
        give(io, l.out, "before");
        l.state(io).silent = true;
        for (int i = 0; i < 100; ++i) CHECK(give(io, l.out, std::string(4'096, 'x')) == 4'096);
        CHECK(take(io, l.in) == "before");
        REQUIRE(io.set_nonblocking(l.in.get(), true) == 0);
        CHECK(take(io, l.in) == std::to_string(-EAGAIN));
    });
}

TEST_CASE("partial transfers lose nothing and change no order") {
    in_world({.partial_transfer = 0.9}, [](io_type io) {
        link l(io);
        std::string sent, got;
        for (int i = 0; i < 2'000; ++i) sent += static_cast<char>('a' + i % 26);
        int reads = 0;
        io_type::thread reader(io, "reader", [&] {
            for (std::string part; !(part = take(io, l.in)).empty(); got += part) ++reads;
        });
        CHECK(io.write_all(l.out.get(), sent.data(), sent.size()));
        l.out.reset();
        reader.join();
        CHECK(got == sent);
        CHECK(reads > 25); // of 100 bytes at most
    });
}

TEST_CASE("descriptors run out, and a pipe that can't be made leaves nothing") {
    in_world({.most_descriptors = 5}, [](io_type io) {
        link a(io), b(io);
        io_type::descriptor in, out;
        CHECK(io.pipe(in, out) == -EMFILE);
        CHECK(io.kernel().open_descriptors() == 4);
        CHECK_FALSE(in);
        CHECK_THROWS_AS(io_type::poller(io), mitogen::error);
        CHECK(io.kernel().open_descriptors() == 4);
        io_type::waker w(io);
        CHECK_THROWS_AS(io_type::waker(io), mitogen::error);
    });
}

TEST_CASE("a process gets its three descriptors, and its exit code arrives") {
    in_world(
        {},
        [](io_type io) {
            link to(io), from(io);
            auto child =
                io.spawn({.path = "echo", .in = to.in.get(), .out = from.out.get()}).value();
            to.in.reset();
            from.out.reset();
            CHECK(child.running());
            CHECK(child.pid() == 2);
            CHECK(give(io, to.out, "hello") == 5);
            to.out.reset();
            CHECK(take(io, from.in) == "hello");
            CHECK(take(io, from.in).empty()); // the child's end is closed with it
            CHECK(child.wait() == mitogen::exit_status{.code = 7});
            CHECK_FALSE(child.running());
            CHECK(child.try_wait() == mitogen::exit_status{.code = 7});
        },
        [](const mitogen::os::spawn_options& how, sim::stdio ends) {
            io_type io;
            char bytes[10];
            const long n = io.read(ends.in, bytes, 10);
            io.write(ends.out, bytes, static_cast<std::size_t>(n));
            return how.path == "echo" && ends.err < 0 && io.own_pid() == 2 ? 7 : 1;
        });
}

TEST_CASE("a process can be killed, stopped and let go on") {
    int ticks = 0;
    in_world(
        {},
        [&](io_type io) {
            auto child = io.spawn({.path = "ticks"}).value();
            io.sleep_for(10 * ms);
            CHECK(ticks > 5);
            CHECK(child.signal(19) == 0);
            const int before = ticks;
            io.sleep_for(100 * ms);
            CHECK(ticks == before);
            CHECK(child.signal(18) == 0);
            io.sleep_for(10 * ms);
            CHECK(ticks > before);
            CHECK_FALSE(child.try_wait());
            child.signal(15);
            CHECK(child.wait() == mitogen::exit_status{.code = 0, .signal = 15});
            const int last = ticks;
            io.sleep_for(10 * ms);
            CHECK(ticks == last);
            auto other = io.spawn({.path = "ticks"}).value();
            other.signal(19);
            other = {}; // kills it although it is stopped, and waits for it
        },
        [&](const mitogen::os::spawn_options&, sim::stdio) {
            io_type io;
            io_type::thread beside(io, "beside", [&] { io_type().hang(); });
            for (;; ++ticks) io.sleep_for(ms);
            return 0;
        });
}

TEST_CASE("a process that crashes or stops itself does not come back from it") {
    in_world(
        {},
        [&](io_type io) {
            auto child = io.spawn({.path = "crash"}).value();
            CHECK(child.wait() == mitogen::exit_status{.code = 0, .signal = 9});
        },
        [&](const mitogen::os::spawn_options&, sim::stdio) -> int { io_type().crash(); });
}

TEST_CASE("what a killed process held is closed") {
    in_world(
        {},
        [&](io_type io) {
            link l(io);
            auto child = io.spawn({.path = "hang", .out = l.out.get()}).value();
            l.out.reset();
            io.sleep_for(ms);
            child.signal(9);
            CHECK(take(io, l.in).empty());
            child.wait();
            l.in.reset();
            CHECK(io.kernel().open_descriptors() == 0);
        },
        [&](const mitogen::os::spawn_options&, sim::stdio) -> int {
            io_type io;
            io_type::poller poller(io);
            link l(io);
            io.hang();
        });
}

TEST_CASE("faults strike, at the same moments for the same seed") {
    const auto run = [] {
        sim::world w({.seed = 5, .faults = {.kills_per_second = 20}});
        w.set_program(
            [](const mitogen::os::spawn_options&, sim::stdio) -> int { io_type().hang(); });
        return w.run([](io_type io) {
            for (int i = 0; i < 10; ++i) io.spawn({.path = "hang"}).value().wait();
        });
    };
    const sim::outcome first = run();
    INFO(first.trouble);
    CHECK(first.completed);
    CHECK(first.kills == 10);
    CHECK(run().hash == first.hash);
}

TEST_CASE("a process that can't be started is an error") {
    in_world({.spawn_failure = 1}, [](io_type io) { CHECK_FALSE(io.spawn({.path = "x"})); });
}

TEST_CASE("a poller sees what becomes readable or writable, a waker, and the end of a process") {
    in_world(
        {},
        [](io_type io) {
            io_type::poller poller(io);
            io_type::waker waker(io);
            link l(io);
            std::array<mitogen::io::event, 4> events;
            const auto wait = [&](mitogen::duration_ns timeout) {
                return poller.wait(events.data(), 4, timeout);
            };
            REQUIRE(poller.add(l.in.get(), 1, interest::read) == 0);
            REQUIRE(poller.add(waker.fd(), 2, interest::read) == 0);
            CHECK(poller.add(waker.fd(), 2, interest::read) == -EEXIST);
            CHECK(poller.modify(l.out.get(), 2, interest::read) == -ENOENT);
            CHECK(poller.add(99, 2, interest::read) == -EBADF);
            CHECK(wait(0) == 0);
            const mitogen::instant start = io.now();
            CHECK(wait(7 * ms) == 0);
            CHECK(io.now() - start == 7 * ms);
            io_type::thread other(io, "other", [&] {
                io.sleep_for(ms);
                give(io, l.out, "x");
                io.sleep_for(ms);
                waker.wake();
                waker.wake();
            });
            REQUIRE(wait(-1) == 1);
            CHECK(events[0].token == 1);
            take(io, l.in);
            REQUIRE(wait(-1) == 1);
            CHECK(events[0].token == 2);
            waker.drain();
            other.join();
            waker.drain();
            CHECK(wait(0) == 0);
            auto child = io.spawn({.path = "x"}).value();
            REQUIRE(poller.add(child.poll_fd(), 3, interest::read) == 0);
            REQUIRE(wait(-1) == 1);
            CHECK(events[0].token == 3);
            for (const int fd : {l.in.get(), waker.fd(), child.poll_fd()}) poller.remove(fd);
            CHECK(child.wait() == mitogen::exit_status{.code = 3});
        },
        [](const mitogen::os::spawn_options&, sim::stdio) { return 3; });
}

TEST_CASE("a poller may report what is not there, and end early, where that is asked for") {
    in_world({.spurious_readiness = 0.3, .early_wait = 0.3}, [](io_type io) {
        io_type::poller poller(io);
        link l(io);
        REQUIRE(poller.add(l.in.get(), 1, interest::read) == 0);
        std::array<mitogen::io::event, 4> events;
        int nothing = 0, spurious = 0;
        const mitogen::instant start = io.now();
        for (int i = 0; i < 100; ++i)
            ++(poller.wait(events.data(), 4, ms) == 0 ? nothing : spurious);
        CHECK(nothing > 10);
        CHECK(spurious > 10);
        CHECK(io.now() - start < 100 * ms);
        poller.remove(l.in.get());
    });
}

} // namespace
