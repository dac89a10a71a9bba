// SPDX-License-Identifier: BSL-1.0
#include <catch2/catch.hpp>
#include <mitogen/mitogen.hpp>
#include <mitogen/simulation.hpp>
#include <string>
#include <utility>
#include <vector>

// What a child does before it is a context: it says hello, and waits for the answer, but not for
// ever.

namespace {

namespace handshake = mitogen::handshake;
namespace log = mitogen::log;
namespace os = mitogen::os;
using mitogen::detail::child_ends;

/// What is logged while it lives.
struct complaints {
    std::vector<std::string> texts;
    complaints() {
        log::set_sink([this](const log::record& r) { texts.emplace_back(r.text); });
    }
    complaints(const complaints&) = delete;
    complaints& operator=(const complaints&) = delete;
    ~complaints() { log::set_sink({}); }
};

/// A child's pipes, and its parent's ends of them.
template <class Io>
struct pipes {
    typename Io::descriptor to, from;
    child_ends<Io> child;

    explicit pipes(Io& io) {
        REQUIRE(io.pipe(child.in, to) == 0);
        REQUIRE(io.pipe(from, child.out) == 0);
    }
};

TEMPLATE_TEST_CASE("a child does not wait for ever for a parent that says nothing", "",
                   mitogen::io::epoll, mitogen::io::poll) {
    const complaints heard;
    TestType io;
    pipes<TestType> p(io);
    handshake::hello_reader reader;
    constexpr mitogen::duration_ns patience = 30'000'000;
    const mitogen::instant begin = io.now();
    SECTION("nothing at all") {}
    SECTION("or not enough") {
        const mitogen::buffer answer = handshake::encode_welcome({.ancestors = {0}, .name = "x"});
        REQUIRE(io.write_all(p.to.get(), answer.data(), answer.size() - 1));
    }
    CHECK_FALSE(mitogen::detail::shake_hands(io, p.child, reader, patience));
    CHECK(mitogen::detail::after(begin, patience) <= io.now());
    CHECK(heard.texts == std::vector<std::string>{"the parent does not answer the hello"});
}

TEMPLATE_TEST_CASE("a child hears its parent's answer, and the end", "", mitogen::io::epoll,
                   mitogen::io::poll) {
    const complaints heard;
    TestType io;
    pipes<TestType> p(io);
    handshake::hello_reader reader;
    SECTION("the answer") {
        const mitogen::buffer answer = handshake::encode_welcome({.ancestors = {0}, .name = "x"});
        REQUIRE(io.write_all(p.to.get(), answer.data(), answer.size()));
        const auto welcome = mitogen::detail::shake_hands(io, p.child, reader);
        REQUIRE(welcome);
        CHECK(welcome->name == "x");
    }
    SECTION("and leaves to the link what follows it") {
        const mitogen::buffer answer = handshake::encode_welcome({.ancestors = {0}, .name = "x"});
        REQUIRE(io.write_all(p.to.get(), answer.data(), answer.size()));
        REQUIRE(io.write_all(p.to.get(), "frames", 6));
        REQUIRE(mitogen::detail::shake_hands(io, p.child, reader));
        CHECK(reader.rest().empty());
        char next[10];
        CHECK(io.read(p.child.in.get(), next, sizeof next) == 6);
    }
    SECTION("the end") {
        p.to.reset();
        CHECK_FALSE(mitogen::detail::shake_hands(io, p.child, reader));
    }
    SECTION("of what no poller takes") {
        p.child.in =
            typename TestType::descriptor(static_cast<int>(os::open_to_read("/proc/self/exe")));
        CHECK_FALSE(mitogen::detail::shake_hands(io, p.child, reader)); // noise
    }
    CHECK(heard.texts.empty());
}

TEST_CASE("a child of a parent that is stopped ends by itself") {
    const complaints heard;
    mitogen::simulation::world world({.seed = 1});
    world.set_program([](const os::spawn_options&, mitogen::simulation::stdio ends) {
        log::set_sink([](const log::record&) {}); // its own
        mitogen::io::simulated io;
        mitogen::detail::serve_as_child<mitogen::io::simulated>(
            io, {mitogen::io::simulated_descriptor(io.kernel(), ends.in),
                 mitogen::io::simulated_descriptor(io.kernel(), ends.out)});
        return 0;
    });
    const auto run = world.run([](mitogen::io::simulated io) {
        pipes<mitogen::io::simulated> p(io);
        auto child =
            io.spawn({.path = "child", .in = p.child.in.get(), .out = p.child.out.get()}).value();
        p.child = {};
        CHECK(child.wait() == mitogen::exit_status{});
    });
    INFO(run.trouble);
    CHECK(run.completed);
    CHECK(run.elapsed >= mitogen::detail::welcome_patience);
    CHECK(run.elapsed < 2 * mitogen::detail::welcome_patience);
}

} // namespace
