// SPDX-License-Identifier: BSL-1.0
// transport.ipp: what every stream promises, over pipes and over sockets. Included with
// MITOGEN_TEST_IO set to a policy and MITOGEN_TEST_NAME to its name in quotes.
#include "inject.hpp"

#include <mitogen/link/transport.hpp>
#include <mitogen/loop/broker_engine.hpp>
#include <mitogen/os/call.hpp>
#include <mitogen/os/process/signal.hpp>
#include <mitogen/protocol/assembler.hpp>

#include <algorithm>
#include <atomic>
#include <catch2/catch.hpp>
#include <condition_variable>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <utility>
#include <vector>

namespace {
namespace stream_test {

using io_type = MITOGEN_TEST_IO;
using broker = mitogen::detail::broker_engine<io_type>;
using stream = mitogen::detail::basic_transport<io_type>;
using descriptor = io_type::descriptor;
using mitogen::buffer;
using mitogen::detail::flush_mode;
using mitogen::header;
using mitogen::detail::message_flags;
using mitogen::never;
using mitogen::reason;
namespace os = mitogen::os;

enum class medium { pipes, sockets };

const int lanes[8] = {};

buffer filled(std::size_t size, int with) {
    buffer b(size);
    if (size) std::memset(b.data(), with, size);
    return b;
}

/// One end: remembers what arrives and how it closes.
struct end : stream::owner {
    struct message {
        header head;
        std::size_t size;
        int filling;
    };

    std::mutex mutex;
    std::condition_variable changed;
    std::vector<message> got;
    int closings = 0;
    reason cause = reason::none;
    std::string why;
    mitogen::detail::assembler parts; // loop's
    std::atomic<bool> direct{true};
    std::function<void(stream&)> on_frame, on_closed;
    std::shared_ptr<stream> link;

    void keep(const header& h, std::span<const std::byte> p) {
        const bool even = std::all_of(p.begin(), p.end(), [&](std::byte b) { return b == p[0]; });
        const std::lock_guard lock(mutex);
        got.push_back({h, p.size(), p.empty() ? 0 : even ? static_cast<int>(p[0]) : -1});
        changed.notify_all();
    }
    void part(const header& h, mitogen::detail::assembler::outcome what) {
        if (what != mitogen::detail::assembler::outcome::complete) return;
        const mitogen::detail::assembled whole = parts.take(h);
        keep(whole.head, whole.payload);
    }
    void frame(stream& from, const header& h, std::span<const std::byte> p) override {
        if (!(h.flags & message_flags::fragment)) {
            keep(h, p);
        } else if (h.flags & message_flags::first) {
            part(h, parts.announce(h, p, 1u << 30));
        } else {
            part(h, parts.add(h, p));
        }
        if (on_frame) on_frame(from);
    }
    std::byte* reserve(stream&, const header& h) override {
        return direct && (h.flags & (message_flags::fragment | message_flags::first)) ==
                             message_flags::fragment
                   ? parts.reserve(h)
                   : nullptr;
    }
    void reserved_complete(stream&, const header& h) override { part(h, parts.complete(h)); }
    void closed(stream& from, reason r, const std::string& text) override {
        if (on_closed) on_closed(from);
        const std::lock_guard lock(mutex);
        ++closings;
        cause = r;
        why = text;
        changed.notify_all();
    }

    void wait_for(std::size_t count) {
        std::unique_lock lock(mutex);
        changed.wait(lock, [&] { return got.size() >= count || closings; });
        CHECK(got.size() >= count);
    }
    std::size_t count() {
        const std::lock_guard lock(mutex);
        return got.size();
    }
    void wait_closed() {
        std::unique_lock lock(mutex);
        changed.wait(lock, [&] { return closings > 0; });
    }
};

/// Two loops with a stream between them; the second end may stay raw descriptors that the test
/// reads and writes itself.
struct world {
    broker here, there;
    end a, b;
    descriptor raw_in, raw_out;

    explicit world(medium m, bool raw = false, mitogen::limits bounds = {}) {
        os::ignore_sigpipe();
        descriptor to_b_read, to_b_write, to_a_read, to_a_write;
        if (m == medium::pipes) {
            REQUIRE(os::pipe(to_b_read, to_b_write) == 0);
            REQUIRE(os::pipe(to_a_read, to_a_write) == 0);
        } else {
            REQUIRE(os::socket_pair(to_a_read, to_b_read) == 0);
            to_b_write.reset(static_cast<int>(os::dup_above(to_a_read.get(), 3)));
            to_a_write.reset(static_cast<int>(os::dup_above(to_b_read.get(), 3)));
        }
        for (const descriptor* d : {&to_a_read, &to_b_write}) os::set_nonblocking(d->get(), true);
        a.link =
            std::make_shared<stream>(here, a, std::move(to_a_read), std::move(to_b_write), bounds);
        if (raw) {
            raw_in = std::move(to_b_read);
            raw_out = std::move(to_a_write);
        } else {
            for (const descriptor* d : {&to_b_read, &to_a_write})
                os::set_nonblocking(d->get(), true);
            b.link = std::make_shared<stream>(there, b, std::move(to_b_read), std::move(to_a_write),
                                              bounds);
            there.run([&] { b.link->start(); });
        }
        here.run([&] { a.link->start(); });
    }
    ~world() {
        close();
        here.run([] {});
        there.run([] {});
    }
    void close() {
        here.run([&] {
            if (a.link) a.link->close(reason::broker_exited, "the test is over");
        });
        there.run([&] {
            if (b.link) b.link->close(reason::broker_exited, "the test is over");
        });
    }
    /// Reads exactly so many bytes of the raw end.
    std::vector<std::byte> read(std::size_t size) {
        std::vector<std::byte> bytes(size);
        for (std::size_t at = 0; at < size;) {
            const long n = os::read(raw_in.get(), bytes.data() + at, size - at);
            REQUIRE(n > 0);
            at += static_cast<std::size_t>(n);
        }
        return bytes;
    }
    bool send(std::size_t size, int with, flush_mode when, int lane = 0, std::uint32_t dst = 1) {
        return a.link->send({.dst = dst, .src = static_cast<std::uint32_t>(lane)},
                            filled(size, with), &lanes[lane], when);
    }
};

medium both_media() { return GENERATE(medium::pipes, medium::sockets); }

TEST_CASE(MITOGEN_TEST_NAME ": messages of any size arrive whole and in order") {
    const medium m = both_media();
    const flush_mode when = GENERATE(flush_mode::now, flush_mode::soon);
    world w(m);
    w.b.direct = when == flush_mode::now;
    std::vector<std::size_t> sizes{0,       1,       100,       8191, 8192,      65'536,
                                   131'072, 131'073, 1'000'000, 5,    3'000'000, 0};
    for (std::size_t i = 0; i < sizes.size(); ++i)
        REQUIRE(w.send(sizes[i], static_cast<int>(i + 1), when));
    w.b.wait_for(sizes.size());
    for (std::size_t i = 0; i < sizes.size(); ++i) {
        CHECK(w.b.got[i].size == sizes[i]);
        CHECK(w.b.got[i].filling == (sizes[i] ? static_cast<int>(i + 1) : 0));
    }
    CHECK(w.a.link->wait_written(never));
    CHECK(w.a.link->queued() == 0);
    CHECK(w.a.link->bytes_out() == w.b.link->bytes_in());
}

TEST_CASE(MITOGEN_TEST_NAME ": many threads send at once, and each one's messages stay in order") {
    const medium m = both_media();
    world w(m);
    constexpr int threads = 4, each = 400;
    std::vector<std::thread> all;
    for (int t = 0; t < threads; ++t) {
        all.emplace_back([&, t] {
            for (int i = 0; i < each; ++i) {
                const std::size_t size = i % 50 == 0 ? 300'000 : i % 7 == 0 ? 10'000 : 20;
                w.a.link->send({.dst = 1,
                                .src = static_cast<std::uint32_t>(t),
                                .handle = static_cast<std::uint64_t>(i)},
                               filled(size, t + 1), &lanes[t],
                               i % 3 ? flush_mode::soon : flush_mode::now);
            }
        });
    }
    for (std::thread& t : all) t.join();
    w.b.wait_for(threads * each);
    REQUIRE(w.b.got.size() == threads * each);
    std::vector<std::uint64_t> next(threads, 0);
    for (const auto& got : w.b.got) {
        CHECK(got.head.handle == next[got.head.src]++);
        CHECK(got.filling == static_cast<int>(got.head.src) + 1);
    }
}

TEST_CASE(MITOGEN_TEST_NAME ": small messages pass a large one that is under way") {
    const medium m = both_media();
    world w(m, true);
    REQUIRE(w.send(20'000'000, 'L', flush_mode::now, 0)); // far more than the descriptor takes
    for (int i = 0; i < 10; ++i) REQUIRE(w.send(10, 's', flush_mode::now, 1));
    // Look at the frames until the first small one: little of the large message may have come
    // before it.
    std::size_t large = 0;
    header h;
    do {
        const auto bytes = w.read(mitogen::detail::header_layout::size);
        REQUIRE(mitogen::detail::read_header(bytes.data(), h) == nullptr);
        w.read(h.length);
        if (h.flags & message_flags::fragment) large += h.length;
    } while (h.flags & message_flags::fragment);
    CHECK(large <= 3 * mitogen::detail::fragment_bytes);
}

TEST_CASE(MITOGEN_TEST_NAME ": writes that are taken in part, or not at all, are continued") {
    const medium m = both_media();
    world w(m);
    static std::atomic<int> calls;
    calls = 0;
    os::fault = [](const char* name, int) -> long {
        return std::strcmp(name, "writev") == 0 && ++calls % 3 ? -EAGAIN : 0;
    };
    for (int i = 0; i < 200; ++i)
        w.send(static_cast<std::size_t>(i) * 500, i + 1,
               i % 2 ? flush_mode::now : flush_mode::soon);
    w.b.wait_for(200);
    os::fault = nullptr;
    for (int i = 1; i < 200; ++i) CHECK(w.b.got[static_cast<std::size_t>(i)].filling == i + 1);
    CHECK(calls > 3);
}

TEST_CASE(MITOGEN_TEST_NAME
          ": after several frames that came at once what threads send is gathered") {
    const medium m = both_media();
    world w(m, true);
    static thread_local bool mine = false;
    static std::atomic<int> written_here;
    mine = true;
    written_here = 0;
    // how many of three messages this thread writes itself, after so many have come
    const auto answered_by = [&](int frames) {
        const std::size_t before = w.a.count();
        std::vector<std::byte> bytes(static_cast<std::size_t>(frames) *
                                     mitogen::detail::header_layout::size);
        for (int i = 0; i < frames; ++i)
            mitogen::detail::write_header(bytes.data() + static_cast<std::size_t>(i) *
                                                             mitogen::detail::header_layout::size,
                                          header{.dst = 1});
        REQUIRE(os::write_all(w.raw_out.get(), bytes.data(), bytes.size()));
        w.a.wait_for(before + static_cast<std::size_t>(frames));
        w.here.run([] {}); // the turn that has read them is over
        written_here = 0;
        os::fault = [](const char* name, int) -> long {
            return written_here += mine && std::strcmp(name, "writev") == 0, 0;
        };
        for (int i = 0; i < 3; ++i) {
            CHECK(w.send(10, 'x', flush_mode::now));
            if (!w.a.link->wait_written(never)) break;
        }
        os::fault = nullptr;
        return written_here.load();
    };
    CHECK(answered_by(1) == 3);
    CHECK(answered_by(20) == 0);
    CHECK(answered_by(1) == 3);
    mine = false;
}

TEST_CASE(MITOGEN_TEST_NAME
          ": the end of the link is reported once, with what had arrived before") {
    const medium m = both_media();
    world w(m);
    w.send(100'000, 'x', flush_mode::now);
    w.send(10, 'y', flush_mode::now);
    CHECK(w.a.link->wait_written(never));
    w.here.run([&] { w.a.link->close(reason::sender_closed, "enough"); });
    CHECK(w.a.cause == reason::sender_closed);
    CHECK(w.a.why == "enough");
    w.b.wait_closed();
    CHECK(w.b.got.size() == 2);
    CHECK(w.b.cause == reason::respondent_lost);
    CHECK(w.b.why == "the link ended");
    CHECK_FALSE(w.send(1, 'z', flush_mode::now));
    CHECK(w.a.link->wait_written(0)); // nothing is left to wait for
    CHECK(w.a.link->wait_for_room(0));
    w.close();
    CHECK(w.a.closings == 1);
    CHECK(w.b.closings == 1);
}

TEST_CASE(MITOGEN_TEST_NAME ": bytes that are no frame close the link") {
    const medium m = both_media();
    world w(m, true);
    const char junk[] = "Segmentation fault (core dumped), says somebody on our line\n";
    REQUIRE(os::write(w.raw_out.get(), junk, sizeof junk) == sizeof junk);
    w.a.wait_closed();
    CHECK(w.a.cause == reason::link_corrupt);
    CHECK(w.a.why.find("not a frame") != std::string::npos);
}

TEST_CASE(MITOGEN_TEST_NAME ": a stream may be closed and let go from within its callbacks") {
    const medium m = both_media();
    world w(m);
    w.there.run([&] {
        w.b.on_frame = [&](stream& s) { s.close(reason::cancelled, "in the callback"); };
        w.b.on_closed = [&](stream&) { w.b.link.reset(); }; // the last reference that anyone holds
    });
    for (int i = 0; i < 20; ++i) w.send(10, 'x', flush_mode::soon);
    w.b.wait_closed();
    CHECK(w.b.got.size() == 1);
    CHECK(w.b.cause == reason::cancelled);
    w.a.wait_closed();
}

TEST_CASE(MITOGEN_TEST_NAME ": bytes that came behind a handshake are frames too") {
    const medium m = both_media();
    world w(m, true);
    std::vector<std::byte> bytes;
    for (unsigned i = 0; i < 3; ++i) {
        const std::size_t at = bytes.size();
        bytes.resize(at + mitogen::detail::header_layout::size + 90'000, std::byte{'i'});
        mitogen::detail::write_header(bytes.data() + at, {.dst = i, .length = 90'000});
    }
    const std::size_t early = bytes.size() - 50'000;
    w.here.run([&] { w.a.link->inject(std::span(bytes).first(early)); });
    CHECK(w.a.count() == 2);
    for (std::size_t at = early; at < bytes.size();) {
        const long n = os::write(w.raw_out.get(), bytes.data() + at, bytes.size() - at);
        REQUIRE(n > 0);
        at += static_cast<std::size_t>(n);
    }
    w.a.wait_for(3);
}

TEST_CASE(MITOGEN_TEST_NAME
          ": a write error closes the link, after what the peer had said was read") {
    const medium m = both_media();
    world w(m, true);
    // The peer answers and goes; we write before we have looked.
    std::vector<std::byte> last_words(mitogen::detail::header_layout::size);
    mitogen::detail::write_header(last_words.data(), {.dst = 1, .handle = 77});
    w.here.paused([&] {
        static_cast<void>(os::write(w.raw_out.get(), last_words.data(), last_words.size()));
        w.raw_out.reset();
        w.raw_in.reset();
        const generic::inject fault("writev", -EPIPE);
        w.send(10, 'x', flush_mode::now);
    });
    w.a.wait_closed();
    REQUIRE(w.a.got.size() == 1);
    CHECK(w.a.got[0].head.handle == 77);
    CHECK(w.a.cause == reason::respondent_lost);
}

TEST_CASE(MITOGEN_TEST_NAME ": a write error alone names itself") {
    const medium m = both_media();
    world w(m, true);
    {
        const generic::inject fault("writev", -EIO);
        w.send(10, 'x', flush_mode::now);
    }
    w.a.wait_closed();
    CHECK(w.a.why.find("EIO") != std::string::npos);
    CHECK_FALSE(w.send(10, 'x', flush_mode::soon));
}

TEST_CASE(MITOGEN_TEST_NAME ": a sender waits where the link holds too much, until it holds less") {
    const medium m = both_media();
    mitogen::limits bounds;
    bounds.queue_bytes = 1'000'000;
    world w(m, true, bounds);
    CHECK(w.a.link->wait_for_room(0));
    int sent = 0;
    while (w.a.link->wait_for_room(0)) {
        REQUIRE(w.send(100'000, 'x', flush_mode::now));
        REQUIRE(++sent < 100); // nobody reads: what the descriptor and the limit hold is all
    }
    CHECK(w.a.link->queued() >= bounds.queue_bytes);
    CHECK(w.a.link->queued() < bounds.queue_bytes + 200'000);
    CHECK_FALSE(w.a.link->wait_written(0));
    std::atomic<bool> room{false};
    std::thread waits([&] { room = w.a.link->wait_for_room(never); });
    std::atomic<bool> written{false};
    std::thread waits_longer([&] { written = w.a.link->wait_written(never); });
    w.read(static_cast<std::size_t>(sent) * (100'000 + mitogen::detail::header_layout::size));
    waits.join();
    waits_longer.join();
    CHECK(room);
    CHECK(written);
    CHECK(w.a.link->queued() == 0);
}

TEST_CASE(MITOGEN_TEST_NAME ": closing releases everyone who waits for room") {
    const medium m = both_media();
    mitogen::limits bounds;
    bounds.queue_bytes = 100'000;
    for (int round = 0; round < 10; ++round) {
        world w(m, true, bounds);
        while (w.a.link->wait_for_room(0)) w.send(100'000, 'x', flush_mode::now);
        std::atomic<int> released{0};
        std::vector<std::thread> all;
        for (int t = 0; t < 3; ++t) {
            all.emplace_back([&] { released += w.a.link->wait_for_room(never); });
            all.emplace_back([&] { released += w.a.link->wait_written(never); });
        }
        w.here.defer([&] { w.a.link->close(reason::cancelled, "closed"); });
        for (std::thread& t : all) t.join();
        CHECK(released == 6);
    }
}

TEST_CASE(MITOGEN_TEST_NAME ": a stream may be closed while other threads write to it") {
    const medium m = both_media();
    for (int round = 0; round < 40; ++round) {
        world w(m);
        std::atomic<int> accepted{0};
        std::vector<std::thread> all;
        for (int t = 0; t < 3; ++t) {
            all.emplace_back([&, t] {
                for (int i = 0;; ++i) {
                    if (!w.send(i % 10 ? 50 : 200'000, 'x',
                                i % 2 ? flush_mode::now : flush_mode::soon, t))
                        return;
                    ++accepted;
                }
            });
        }
        while (accepted < 50) std::this_thread::yield();
        if (round % 2) {
            w.here.defer([&] { w.a.link->close(reason::cancelled, "closed"); });
        } else {
            // an EPIPE for whoever writes
            w.there.defer([&] { w.b.link->close(reason::cancelled, "closed"); });
        }
        for (std::thread& t : all) t.join();
        w.a.wait_closed();
        w.b.wait_closed();
    }
}

TEST_CASE(MITOGEN_TEST_NAME ": the receiving side is served while others send without end") {
    const medium m = both_media();
    world w(m);
    std::atomic<bool> stop{false};
    std::thread floods([&] {
        while (!stop) {
            w.send(1000, 'f', flush_mode::soon);
            if (w.a.link->queued() > 4'000'000) std::this_thread::yield();
        }
    });
    for (int i = 0; i < 20; ++i) {
        w.b.link->send({.dst = 2}, filled(10, 'q'), &lanes[0], flush_mode::now);
        w.a.wait_for(static_cast<std::size_t>(i) + 1);
    }
    stop = true;
    floods.join();
}

TEST_CASE(MITOGEN_TEST_NAME ": two links that bring much at once take turns") {
    constexpr std::size_t frames = 1500; // which a pipe holds, and one read takes
    broker loop;
    end ends[2];
    descriptor far_in[2], far_out[2];
    std::vector<int> order; // loop's
    for (int i = 0; i < 2; ++i) {
        descriptor in, out;
        REQUIRE(os::pipe(in, far_out[i]) == 0);
        REQUIRE(os::pipe(far_in[i], out) == 0);
        os::set_nonblocking(in.get(), true);
        os::set_nonblocking(out.get(), true);
        ends[i].on_frame = [&order, i](stream&) { order.push_back(i); };
        ends[i].link = std::make_shared<stream>(loop, ends[i], std::move(in), std::move(out),
                                                mitogen::limits{});
        std::vector<std::byte> bytes(frames * mitogen::detail::header_layout::size);
        for (std::size_t at = 0; at < bytes.size(); at += mitogen::detail::header_layout::size)
            mitogen::detail::write_header(bytes.data() + at, {.dst = 1});
        REQUIRE(os::write(far_out[i].get(), bytes.data(), bytes.size()) ==
                static_cast<long>(bytes.size()));
    }
    loop.run([&] {
        for (end& e : ends) e.link->start();
    });
    for (end& e : ends) e.wait_for(frames);
    loop.run([&] {
        for (end& e : ends) e.link->close(reason::broker_exited, "the test is over");
        CHECK(order.size() == 2 * frames);
        const auto other = std::find(order.begin(), order.end(), 1 - order.front());
        CHECK(other - order.begin() <= 1024); // as many as a turn has at most
    });
}

TEST_CASE(MITOGEN_TEST_NAME
          ": a stream whose loop has ended takes nothing and keeps nobody waiting") {
    const medium m = both_media();
    mitogen::limits bounds;
    bounds.queue_bytes = 100'000;
    world w(m, true, bounds);
    while (w.a.link->wait_for_room(0)) w.send(100'000, 'x', flush_mode::now);
    w.here.shutdown();
    w.here.join();
    world other(m, true, bounds);
    other.here.shutdown();
    other.here.join();
    CHECK_FALSE(other.send(10, 'x', flush_mode::soon)); // only the loop could have written it
    CHECK(other.a.link->wait_written(never));
    CHECK(other.a.link->wait_for_room(never));
}

} // namespace stream_test
} // namespace
