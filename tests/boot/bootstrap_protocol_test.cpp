// SPDX-License-Identifier: BSL-1.0
#include <mitogen/base/function.hpp>
#include <mitogen/boot/bootstrap_protocol.hpp>
#include <mitogen/boot/first_stage.hpp>
#include <mitogen/boot/outgoing.hpp>
#include <mitogen/boot/program_choice.hpp>
#include <mitogen/method/method.hpp>
#include <mitogen/os/file.hpp>
#include <mitogen/os/machine.hpp>
#include <mitogen/program/compressor.hpp>
#include <mitogen/program/payload.hpp>

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
#include <vector>

namespace {

namespace handshake = mitogen::handshake;
using mitogen::detail::bootstrap_protocol;
using mitogen::detail::outgoing;
using progress = outgoing::progress;
using turn = bootstrap_protocol::turn;

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
    mitogen::os::unique_fd fd;

    explicit file(const std::string& text) {
        char name[] = "/tmp/mitogen-test-XXXXXX";
        fd.reset(::mkstemp(name));
        REQUIRE(fd);
        ::unlink(name);
        REQUIRE(::write(fd.get(), text.data(), text.size()) == static_cast<ssize_t>(text.size()));
    }
};

std::span<const std::byte> bytes(std::string_view text) {
    return std::as_bytes(std::span(text.data(), text.size()));
}
std::string text_of(const mitogen::buffer& b) {
    return {reinterpret_cast<const char*>(b.data()), b.size()};
}
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
    mitogen::boot_plan plan;
    bootstrap_protocol talk(plan);
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
    plan.staged = &mitogen::detail::by_a_shell;
    plan.program = mitogen::detail::open_program("").value();
    bootstrap_protocol talk(plan);
    narrow_io io{.room = 200}; // for the questions, and not for the program
    const std::string stage =
        std::string(handshake::mark) + "1 " + mitogen::os::machine_text() + ";\n";
    talk.feed(bytes(stage));
    REQUIRE(talk.next() == turn::write);
    CHECK(talk.write(io, 1) == progress::waiting);
    CHECK(talk.stage_seen());
    CHECK(io.taken.find(mitogen::detail::identity_of(plan.program->get())->settings()) !=
          std::string::npos);
    io.room = std::size_t{1} << 40;
    io.at_once = io.room;
    CHECK(talk.write(io, 1) == progress::written);
    const auto size = static_cast<std::size_t>(mitogen::os::file_size(plan.program->get()));
    CHECK(io.taken.find('\n') == io.taken.size() - size - 1);
    talk.feed(bytes(hello_text()));
    CHECK(talk.next() == turn::hello);
}

/// Compresses at once, or not at all.
struct quick_press : mitogen::detail::compressor {
    std::shared_ptr<mitogen::os::unique_fd> result{};
    std::vector<std::string_view> asked{};

    void
    make(const mitogen::os::unique_fd&, std::vector<std::string_view> tools,
         mitogen::unique_function<void(const mitogen::detail::compressed_program&)> done) override {
        asked = tools;
        done({result, result ? "gzip" : ""});
    }
};

TEST_CASE("a program is compressed on the way where the target can undo it") {
    mitogen::boot_plan plan;
    const auto press = std::make_shared<quick_press>();
    plan.compressor = press;
    plan.staged = &mitogen::detail::by_a_shell;
    plan.compress_program = true;
    const std::string text(1000, 'p');
    plan.program = std::make_shared<mitogen::os::unique_fd>(::dup(file(text).fd.get()));
    bootstrap_protocol talk(plan);
    narrow_io io{.room = 100'000, .at_once = 100'000};
    const auto meet = [&](const std::string& tools) {
        talk.feed(bytes(std::string(handshake::mark) + "1 Linux x86_64;" + tools + "\n"));
        return talk.next();
    };
    const auto sent = [&] {
        talk.compress_program(
            [&talk](const mitogen::detail::compressed_program& how) { talk.send(how); });
        CHECK(talk.write(io, 1) == progress::written);
        return io.taken;
    };
    SECTION("in the way that both know") {
        REQUIRE(meet(" zstd gzip") == turn::compress);
        press->result = std::make_shared<mitogen::os::unique_fd>(::dup(file("small").fd.get()));
        CHECK(sent().ends_with("\nsmall"));
        CHECK(press->asked == std::vector<std::string_view>{"zstd", "gzip"});
        CHECK(io.taken.find(";s=1000;n=5;") != std::string::npos);
        CHECK(io.taken.find("|gzip -dc") != std::string::npos);
    }
    SECTION("if that works here") {
        REQUIRE(meet(" gzip") == turn::compress);
        CHECK(sent().ends_with("\n" + text));
        CHECK(io.taken.find(";s=1000;n=1000;") != std::string::npos);
        CHECK(io.taken.find("|gzip") == std::string::npos);
    }
    SECTION("and not where it knows none") { CHECK(meet("") == turn::write); }
    SECTION("and not where it is not wanted") {
        plan.compress_program = false;
        CHECK(meet(" gzip") == turn::write);
    }
    SECTION("and not where it is there already") {
        CHECK(meet(" gzip " + std::string(mitogen::detail::kept_word)) == turn::listen);
    }
    CHECK(talk.stage_seen());
}

TEST_CASE("a target that has the program is sent none") {
    mitogen::boot_plan plan;
    plan.staged = &mitogen::detail::by_a_shell;
    plan.program = mitogen::detail::open_program("").value();
    bootstrap_protocol talk(plan);
    narrow_io io{.room = 100};
    const std::string stage =
        std::string(handshake::mark) + "1 " + mitogen::os::machine_text() + ";/bin/gzip " +
        std::string(mitogen::detail::kept_word) + "\n";
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

TEST_CASE("a machine of another kind is sent the program that was built for it") {
    const auto elf = [](char machine) { // elf(5): 64 bits, little-endian
        std::string header("\x7f"
                           "ELF\2\1\1",
                           7);
        header.resize(64);
        header[16] = 2;
        header[18] = machine;
        return header;
    };
    const file arm(elf(static_cast<char>(183)));
    const file mistaken(elf(62));
    const auto share = [](const file& f) {
        return std::make_shared<mitogen::os::unique_fd>(::dup(f.fd.get()));
    };
    mitogen::boot_plan plan;
    plan.staged = &mitogen::detail::by_a_shell;
    plan.program = share(mistaken);
    plan.others = {{{"Linux aarch64", "/arm"}, share(arm), {}},
                   {{"Linux s390x", "/big"}, share(mistaken), {}},
                   {{"Linux ppc64le", "/gone"}, nullptr, "it is gone"}};
    const auto meet = [&](const std::string& machine, std::string& trouble) {
        bootstrap_protocol talk(plan);
        narrow_io io{.room = 10'000, .at_once = 10'000};
        talk.feed(bytes(std::string(handshake::mark) + "1 " + machine + ";\n"));
        const turn t = talk.next();
        trouble = talk.trouble();
        if (t == turn::write) CHECK(talk.write(io, 1) == progress::written);
        return io.taken;
    };
    std::string trouble;
    CHECK(meet("Linux x86_64", trouble).ends_with("\n" + elf(62)));
    CHECK(meet("Linux aarch64", trouble).ends_with("\n" + elf(static_cast<char>(183))));
    CHECK(trouble.empty());
    CHECK(meet("Linux s390x", trouble).empty());
    CHECK(trouble == "the target is Linux s390x, and the payload for Linux s390x, /big, was built "
                     "for Linux x86_64");
    CHECK(meet("Linux ppc64le", trouble).empty());
    CHECK(trouble == "it is gone");
    CHECK(meet("Linux riscv64", trouble).empty());
    CHECK(trouble.find("there are others for Linux aarch64, Linux s390x, Linux ppc64le;") !=
          std::string::npos);
}

TEST_CASE("a first stage is told what it may have, for each kind of machine") {
    const std::string name = "/tmp/mitogen-test-payload-" + std::to_string(::getpid());
    REQUIRE(std::system(("echo some program >" + name).c_str()) == 0);
    mitogen::boot_plan plan;
    plan.program = mitogen::detail::open_program("").value();
    plan.start.argv = {"tool", mitogen::detail::first_stage_script(35)};
    const std::string before = plan.start.argv[1];
    const auto open = [&plan](const std::vector<mitogen::payload>& payloads) {
        plan.others = mitogen::detail::open_payloads(*plan.program, plan.program_path, payloads);
    };
    SECTION("where it may be kept") {
        open(
            {{"Linux aarch64", name}, {"Odd $(machine)", name}, {"Linux s390x", "/tmp/not/there"}});
        mitogen::detail::name_program(plan);
        const std::string& script = plan.start.argv[1];
        // as sha256sum and cksum say
        const std::string arm =
            ")set $1 \"$2\" ce7c16b7be254e5b236236155bed37ac29e3bdee460d69d96f99249a20efca19 "
            "3420577238;;";
        CHECK(script.find(mitogen::detail::identity_of(plan.program->get())->sha256) !=
              std::string::npos);
        CHECK(script.find("Linux?aarch64|Linux?arm64|Linux?evbarm" + arm) != std::string::npos);
        CHECK(script.find("Odd???machine?" + arm) != std::string::npos);
        CHECK(script.find("s390x") == std::string::npos);
        CHECK(std::system(("sh -nc '" + script + "'").c_str()) == 0);
        CHECK(plan.others[2].trouble.find(
                  "cannot open the payload for Linux s390x, /tmp/not/there") != std::string::npos);
    }
    SECTION("where a context above has one, where there is none here") {
        open({{"Linux aarch64", name}});
        const auto above = [](const char* machine) {
            return mitogen::detail::payload_file{
                {machine, {}}, nullptr, {}, mitogen::detail::program_identity{machine, 7, 8}};
        };
        mitogen::detail::add_payloads(plan, {above("Linux aarch64"), above("Linux m68k"),
                                             above(mitogen::os::machine_text().c_str())});
        REQUIRE(plan.others.size() == 2);
        mitogen::detail::name_program(plan);
        CHECK(plan.start.argv[1].find("Linux?m68k)set $1 \"$2\" Linux m68k 7;;") !=
              std::string::npos);
        const mitogen::detail::choice chosen = mitogen::detail::choose_program(plan, "Linux m68k");
        REQUIRE(chosen.above);
        CHECK(chosen.above->size == 8);
        CHECK(mitogen::detail::choose_program(plan, "Linux aarch64").file);
    }
    SECTION("where nothing shall be kept") {
        plan.keep_program = false;
        open({{"Linux aarch64", name}});
        mitogen::detail::name_program(plan);
        CHECK(plan.start.argv[1] == before);
        CHECK(plan.others.size() == 1);
    }
    SECTION("where another program is asked for") {
        plan.program = mitogen::detail::open_program("/bin/sh").value();
        open({{"Linux aarch64", name}});
        mitogen::detail::name_program(plan);
        CHECK(plan.others.empty());
    }
    SECTION("where one lies beside the program") {
        const std::string beside = name + ".Linux-s390x";
        REQUIRE(std::system(("echo some program >" + beside).c_str()) == 0);
        plan.program = mitogen::detail::open_program(name).value();
        plan.program_path = name;
        open({});
        ::unlink(beside.c_str());
        REQUIRE(plan.others.size() == 1);
        CHECK(plan.others[0].what.machine == "Linux s390x");
        CHECK(plan.others[0].what.path == beside);
    }
    ::unlink(name.c_str());
}

TEST_CASE("what makes no sense ends the dialogue, with the reason") {
    mitogen::boot_plan plan;
    const std::string stage = std::string(handshake::mark) + "1 Vax vax; gzip\n";
    {
        bootstrap_protocol talk(plan);
        talk.feed(bytes(stage));
        CHECK(talk.next() == turn::confused);
        CHECK(talk.trouble().find("shell") != std::string::npos);
    }
    {
        bootstrap_protocol talk(plan);
        std::string other = hello_text();
        other[handshake::mark.size() + 1] = 99;
        talk.feed(bytes(other));
        CHECK(talk.next() == turn::confused);
        CHECK(talk.trouble().find("another version") != std::string::npos);
    }
    plan.staged = &mitogen::detail::by_a_shell;
    plan.program = mitogen::detail::open_program("").value();
    bootstrap_protocol talk(plan);
    talk.feed(bytes(stage));
    CHECK(talk.next() == turn::unfit);
    CHECK(talk.trouble().find("the target is Vax vax, and") != std::string::npos);
}

} // namespace
