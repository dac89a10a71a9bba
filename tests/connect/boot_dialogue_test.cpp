// SPDX-License-Identifier: BSL-1.0
#include <mitogen/connect/boot_dialogue.hpp>
#include <mitogen/connect/methods/method.hpp>
#include <mitogen/connect/outgoing.hpp>
#include <mitogen/connect/payload.hpp>
#include <mitogen/sys/file.hpp>
#include <mitogen/sys/machine.hpp>

#include <algorithm>
#include <catch2/catch.hpp>
#include <cerrno>
#include <cstddef>
#include <cstdio>
#include <cstdlib>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <unistd.h>

namespace {

namespace handshake = mitogen::handshake;
using mitogen::detail::boot_dialogue;
using mitogen::detail::outgoing;
using progress = outgoing::progress;
using turn = boot_dialogue::turn;

/// A descriptor that takes `room` bytes, some at a time.
struct narrow_io {
    std::string taken{};
    std::size_t room = 0;
    std::size_t at_once = 1000;
    long failure = -EAGAIN; // once there is no room

    long write(int, const void* from, std::size_t size) {
        const std::size_t n = std::min({size, room, at_once});
        if (n == 0) return failure;
        taken.append(static_cast<const char*>(from), n);
        room -= n;
        return static_cast<long>(n);
    }
};

/// A file without a name.
struct file {
    mitogen::sys::unique_fd fd;

    explicit file(const std::string& text) {
        char name[] = "/tmp/mitogen-test-XXXXXX";
        fd.reset(::mkstemp(name));
        REQUIRE(fd);
        ::unlink(name);
        REQUIRE(::write(fd.get(), text.data(), text.size()) == static_cast<ssize_t>(text.size()));
    }
};

std::span<const std::byte> bytes(std::string_view text) { return std::as_bytes(std::span(text.data(), text.size())); }
std::string text_of(const mitogen::buffer& b) { return {reinterpret_cast<const char*>(b.data()), b.size()}; }
std::string hello_text() { return text_of(handshake::encode_hello({"build", "Linux x86_64", 77})); }
mitogen::buffer some(std::string_view text) { return mitogen::buffer(bytes(text)); }

TEST_CASE("what there is to say is written as the descriptor takes it") {
    outgoing out;
    narrow_io io;
    CHECK(out.write(io, 1) == progress::written); // nothing
    out.say(some("welcome"));
    CHECK(out.write(io, 1) == progress::waiting);
    io.room = 3;
    CHECK(out.write(io, 1) == progress::waiting);
    io.room = 100;
    CHECK(out.write(io, 1) == progress::written);
    CHECK(io.taken == "welcome");
    out.say(some("more"));
    io.room = 0;
    io.failure = -EPIPE;
    CHECK(out.write(io, 1) == progress::closed);
}

TEST_CASE("a program goes out behind its line, piece by piece") {
    std::string text;
    for (int i = 0; text.size() < 200'000; ++i) text += std::to_string(i) + " ";
    const file program(text);
    outgoing out;
    narrow_io io;
    out.send_program(program.fd.get(), "a line\n");
    int turns = 0;
    for (progress p = progress::waiting; p == progress::waiting && turns < 100; ++turns) {
        io.room = 10'000;
        p = out.write(io, 1);
    }
    CHECK(turns == 21);
    CHECK(io.taken == "a line\n" + text);
}

TEST_CASE("a program that becomes shorter, or cannot be read, is trouble") {
    const file program(std::string(100'000, 'p'));
    narrow_io io;
    outgoing out;
    out.send_program(program.fd.get(), "a line\n");
    io.room = 10;
    CHECK(out.write(io, 1) == progress::waiting);
    REQUIRE(::ftruncate(program.fd.get(), 5) == 0);
    io.room = 1 << 20;
    CHECK(out.write(io, 1) == progress::unreadable);
    CHECK(out.trouble() == "it has become shorter");
    outgoing nothing;
    nothing.send_program(-1, "");
    CHECK(nothing.write(io, 1) == progress::unreadable);
    CHECK(nothing.trouble().find("EBADF") != std::string::npos);
}

TEST_CASE("an executed child says hello and is answered") {
    const mitogen::boot_plan plan;
    boot_dialogue talk(plan);
    narrow_io io{.room = 1000};
    const std::string all = "motd\n" + hello_text() + "frames";
    CHECK(talk.next() == turn::listen);
    talk.feed(bytes(std::string_view(all).substr(0, 20)));
    CHECK(talk.next() == turn::listen);
    talk.feed(bytes(std::string_view(all).substr(20)));
    REQUIRE(talk.next() == turn::hello);
    CHECK(talk.next() == turn::listen);
    CHECK(talk.hello_seen());
    CHECK_FALSE(talk.stage_seen());
    CHECK(talk.said().pid == 77);
    CHECK(talk.noise().starts_with("motd\n"));
    CHECK(talk.rest().size() == 6);
    const handshake::welcome answer{.id = 7, .ancestors = {0}, .name = "child"};
    talk.welcome(answer);
    CHECK(talk.write(io, 1) == progress::written);
    CHECK(io.taken == text_of(handshake::encode_welcome(answer)));
}

TEST_CASE("a staged child is sent the program first") {
    mitogen::boot_plan plan;
    plan.staged = true;
    plan.program = mitogen::detail::open_program("").value();
    boot_dialogue talk(plan);
    narrow_io io{.room = 100};
    const std::string stage = std::string(handshake::mark) + "1 " + mitogen::sys::machine_text() + ";\n";
    talk.feed(bytes(stage));
    REQUIRE(talk.next() == turn::write);
    CHECK(talk.write(io, 1) == progress::waiting);
    CHECK(talk.stage_seen());
    CHECK(io.taken.starts_with(mitogen::detail::identity_of(plan.program->get())->settings()));
    io.room = std::size_t{1} << 40;
    io.at_once = io.room;
    CHECK(talk.write(io, 1) == progress::written);
    const auto size = static_cast<std::size_t>(mitogen::sys::file_size(plan.program->get()));
    CHECK(io.taken.find('\n') == io.taken.size() - size - 1);
    talk.feed(bytes(hello_text()));
    CHECK(talk.next() == turn::hello);
}

TEST_CASE("a target that has the program is sent none") {
    mitogen::boot_plan plan;
    plan.staged = true;
    plan.program = mitogen::detail::open_program("").value();
    boot_dialogue talk(plan);
    narrow_io io{.room = 100};
    const std::string stage = std::string(handshake::mark) + "1 " + mitogen::sys::machine_text() + ";kept\n";
    SECTION("whose words come first") {
        talk.feed(bytes(stage));
        CHECK(talk.next() == turn::listen);
        CHECK(talk.write(io, 1) == progress::written);
        talk.feed(bytes(hello_text()));
    }
    SECTION("and says both at once") { talk.feed(bytes(stage + hello_text())); }
    CHECK(talk.next() == turn::hello);
    CHECK(talk.stage_seen());
    CHECK(io.taken.empty());
}

TEST_CASE("what makes no sense ends the dialogue, with the reason") {
    mitogen::boot_plan plan;
    const std::string stage = std::string(handshake::mark) + "1 Vax vax; gzip\n";
    {
        boot_dialogue talk(plan);
        talk.feed(bytes(stage));
        CHECK(talk.next() == turn::confused);
        CHECK(talk.trouble().find("shell") != std::string::npos);
    }
    {
        boot_dialogue talk(plan);
        std::string other = hello_text();
        other[handshake::mark.size() + 1] = 99;
        talk.feed(bytes(other));
        CHECK(talk.next() == turn::confused);
        CHECK(talk.trouble().find("another version") != std::string::npos);
    }
    plan.staged = true;
    plan.program = mitogen::detail::open_program("").value();
    boot_dialogue talk(plan);
    talk.feed(bytes(stage));
    CHECK(talk.next() == turn::unfit);
    CHECK(talk.trouble().find("the target is Vax vax, and") != std::string::npos);
}

} // namespace
