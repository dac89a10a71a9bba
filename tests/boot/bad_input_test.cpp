// SPDX-License-Identifier: BSL-1.0
// What children may say and do that they should not. A child is this program again; what it does is
// told by an environment variable, before main() begins.
#include "../generic/context_functions.hpp"
#include "../generic/raw_link.hpp"
#include "../support/engine.hpp"
#include "../support/sanitized.hpp"
#include "../support/scratch.hpp"
#include "../support/soon.hpp"

#include <catch2/catch.hpp>
#include <csignal>
#include <cstdlib>
#include <cstring>
#include <fcntl.h>
#include <mitogen/mitogen.hpp>
#include <optional>
#include <random>
#include <string>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <thread>
#include <unistd.h>
#include <vector>

namespace bad_input_test {

mitogen::sender<int> subscribe() { return {}; }
mitogen::context whom() { return {}; }

void say(int fd, std::string_view text) {
    if (::write(fd, text.data(), text.size()) < 0) ::_exit(9);
}

/// What this process does instead of running main().
int misbehave() {
    const char* how = std::getenv("MITOGEN_TEST_CHILD");
    if (!how) return 0;
    const std::string_view what = how;
    ::unsetenv("MITOGEN_TEST_CHILD");
    namespace handshake = mitogen::handshake;
    const auto hello = [] {
        mitogen::buffer b = mitogen::handshake::encode_hello({"build", "machine", 1});
        return std::string(reinterpret_cast<const char*>(b.data()), b.size());
    };
    if (what == "exit 0") ::_exit(0);
    if (what == "exit 3") {
        say(2, "a library is missing\nreally");
        ::_exit(3);
    }
    if (what == "die") ::raise(SIGKILL);
    if (what == "noise") {
        say(1, "Welcome to \xF5\xA6mito the machine\nYou have mail.\n");
        say(2, "motd on stderr\n");
        return 0; // and then main()
    }
    if (what == "endless noise") {
        const std::string line(1000, '#');
        for (;;) say(1, line + "\n");
    }
    if (what == "silence") {
        say(2, "thinking\n");
        for (;;) ::pause();
    }
    if (what == "says one thing") {
        say(2, "the only words\n");
        generic::shared_pipe::post(std::atoi(std::getenv("MITOGEN_TEST_PIPE")));
        for (;;) ::pause();
    }
    if (what == "other protocol") {
        std::string h = hello();
        h[handshake::mark.size() + 1] = 99;
        say(1, h);
        for (;;) ::pause();
    }
    if (what == "long hello") {
        std::string h = hello();
        std::memset(h.data() + handshake::mark.size() + 2, 0xff, 4);
        say(1, h);
        for (;;) ::pause();
    }
    if (what == "bad hello") {
        std::string h = hello();
        h.back() = 'x';
        std::memset(h.data() + handshake::mark.size() + 6, 0xee,
                    h.size() - handshake::mark.size() - 6);
        say(1, h);
        for (;;) ::pause();
    }
    if (what == "half hello") {
        say(1, hello().substr(0, hello().size() / 2));
        ::_exit(4);
    }
    if (what == "garbage after hello") {
        say(1, hello() + std::string(100, 'g'));
        for (;;) ::pause();
    }
    if (what == "closes its pipes") {
        ::close(0);
        ::close(1);
        ::close(2);
        for (;;) ::pause();
    }
    return 0;
}
const int misbehaves = misbehave();

/// Children that are started while it lives do `what`.
class misbehaviour {
public:
    explicit misbehaviour(const char* what) { ::setenv("MITOGEN_TEST_CHILD", what, 1); }
    misbehaviour(const misbehaviour&) = delete;
    misbehaviour& operator=(const misbehaviour&) = delete;
    ~misbehaviour() { ::unsetenv("MITOGEN_TEST_CHILD"); }
};

} // namespace bad_input_test

namespace {
using namespace bad_input_test;
using namespace std::chrono_literals;
using generic::above_raw_link;
using generic::contains;
using generic::shared_pipe;
using generic::tree;
using mitogen::reason;
namespace handles = mitogen::handles;

/// The error of a connection attempt.
mitogen::error refusal(const mitogen::local& options = {}) {
    mitogen::router_options quick;
    quick.timeouts = {.grace = 50'000'000,
                      .after_term = 50'000'000,
                      .for_status = 50'000'000,
                      .for_link = 50'000'000};
    tree t(quick);
    const mitogen::result<mitogen::context> r = t.root.try_local(options);
    if (r) return {reason::none, "it came up"};
    CHECK(t.root.contexts().empty());
    CHECK(support::open_answers(t.root) == 0);
    return r.error();
}
mitogen::error refusal_of(const char* what, const mitogen::local& options = {}) {
    const misbehaviour child(what);
    return refusal(options);
}

TEST_CASE("a program that is not there, or cannot be executed, is named") {
    const mitogen::error missing = refusal({.executable = "/nonexistent"});
    CHECK(missing.reason() == reason::payload);
    CHECK(contains(missing.what(), "/nonexistent"));
    CHECK(contains(missing.what(), "ENOENT"));
    const mitogen::error no_program = refusal({.executable = "/etc/passwd"});
    CHECK(no_program.reason() == reason::payload);
    CHECK_THROWS_AS(mitogen::raise(no_program), mitogen::payload_error);
    const mitogen::error directory = refusal({.executable = "/etc"});
    CHECK(directory.reason() == reason::payload);
}

TEST_CASE("a program that ends without calling init is told apart from one that is killed") {
    const mitogen::error ended = refusal_of("exit 0");
    CHECK(ended.reason() == reason::no_init);
    CHECK(contains(ended.what(), "main() did not call mitogen::init"));
    CHECK(ended.detail().status.text() == "exit status 0");
    const mitogen::error failed = refusal_of("exit 3");
    CHECK(contains(failed.what(), "exit status 3"));
    CHECK(contains(failed.what(), "a library is missing"));
    CHECK(contains(failed.what(), "really"));
    const mitogen::error killed = refusal_of("die");
    CHECK(killed.reason() == reason::end_of_file);
    CHECK(contains(killed.what(), "signal 9"));
    CHECK(refusal({.executable = "/bin/true"}).reason() == reason::no_init);
    // said on stderr
    CHECK(contains(refusal({.executable = "/bin/cat"}).what(), "unrecognized option"));
}

TEST_CASE("what is printed before the hello is skipped") {
    generic::log_capture log;
    tree t;
    std::optional<mitogen::context> child;
    {
        const misbehaviour noisy("noise");
        child = t.root.local();
    }
    CHECK(child->call<&generic::add>(1, 1) == 2);
    CHECK(log.wait_for("motd on stderr"));
}

TEST_CASE(
    "what a child said that did not come up is in the error, and the log does not repeat it") {
    generic::log_capture log;
    CHECK(contains(refusal_of("exit 3").what(), "a library is missing\n  really"));
    CHECK(contains(refusal({.executable = "/bin/cat"}).what(), "unrecognized option"));
    CHECK(refusal_of("silence", {.connect_timeout = 200ms}).reason() == reason::connect_timeout);
    for (const generic::logged& r : log.records()) FAIL_CHECK(r.logger << ": " << r.text);
}

TEST_CASE("what a child said whose start was given up goes to the log: no error quotes it") {
    generic::log_capture log;
    std::optional<mitogen::future<mitogen::context>> starting;
    {
        tree t;
        shared_pipe said;
        ::setenv("MITOGEN_TEST_PIPE", std::to_string(said.write_end()).c_str(), 1);
        {
            const misbehaviour quiet("says one thing");
            starting = t.root.connect_async(mitogen::local{});
        }
        ::unsetenv("MITOGEN_TEST_PIPE");
        CHECK(said.wait());
        t.root.close();
        const auto r = starting->try_get();
        REQUIRE_FALSE(r.has_value());
        CHECK(r.error().reason() == reason::broker_exited);
        starting.reset();
    }
    CHECK(log.wait_for("the only words"));
}

TEST_CASE("endless noise, silence and closed pipes end with the deadline or before it") {
    const mitogen::error noise = refusal_of("endless noise");
    CHECK(noise.reason() == reason::connect);
    CHECK(contains(noise.what(), "###"));
    const mitogen::error silence = refusal_of("silence", {.connect_timeout = 2s});
    CHECK(silence.reason() == reason::connect_timeout);
    CHECK(contains(silence.what(), "2000 ms"));
    CHECK(contains(silence.what(), "thinking"));
    const mitogen::error closed = refusal_of("closes its pipes");
    CHECK(closed.reason() != reason::none);
}

TEST_CASE("of a tool whose connection fails nothing stays, nor of what it has started") {
    const std::string then = GENERATE("wait; :", "exit 3", "kill -9 $$");
    CAPTURE(then);
    const support::scratch dir;
    const std::string fifo = dir / "held";
    REQUIRE(::mkfifo(fifo.c_str(), 0600) == 0);
    const int held = ::open(fifo.c_str(), O_RDONLY | O_NONBLOCK | O_CLOEXEC);
    REQUIRE(held >= 0);
    tree t;
    const std::string starts =
        "{ echo x; : >begun; exec sleep 1000; } >held 2>&1 </dev/null & "
        "while [ ! -e begun ]; do :; done; ";
    const auto refused = t.root.try_connect(mitogen::command{
        .argv = {"sh", "-c", "cd " + dir.path() + "; " + starts + then}, .connect_timeout = 1s});
    CHECK_FALSE(refused);
    char said[8];
    CHECK(::read(held, said, sizeof said) == 2); // it had begun
    // nobody has it open
    CHECK(support::soon([&] { return ::read(held, said, sizeof said) == 0; }));
    ::close(held);
}

TEST_CASE("a hello that makes no sense is refused") {
    const mitogen::error other = refusal_of("other protocol");
    CHECK(other.reason() == reason::connect);
    CHECK(contains(other.what(), "protocol"));
    CHECK(refusal_of("long hello").reason() == reason::connect);
    CHECK(refusal_of("bad hello").reason() == reason::connect);
    const mitogen::error half = refusal_of("half hello");
    CHECK(half.detail().status.text() == "exit status 4");
}

TEST_CASE("a child that sends garbage instead of frames is lost, with the reason") {
    tree t;
    std::optional<mitogen::result<mitogen::context>> child;
    {
        const misbehaviour garbage("garbage after hello");
        child = t.root.try_local();
    }
    mitogen::error why(reason::none, "");
    if (*child) {
        const auto r = (**child).try_call<&generic::add>(1, 1);
        REQUIRE_FALSE(r.has_value());
        why = r.error();
    } else {
        why = child->error();
    }
    CHECK(why.reason() == reason::link_corrupt);
    CHECK(contains(why.what(), "corrupt"));
}

TEST_CASE("without descriptors nothing is started and nothing is left") {
    // In a process of its own: the limit would hurt others.
    std::fflush(nullptr);
    const ::pid_t pid = ::fork();
    if (pid == 0) {
        int code = 0;
        {
            mitogen::broker loop;
            mitogen::router root(loop);
            // A sanitizer looks at what is used for the first time, by way of a pipe.
            (void)root.try_local().value().shutdown().get();
            const int lowest_free = ::dup(2);
            ::close(lowest_free);
            for (int spare = 0; spare < 12; ++spare) {
                const ::rlimit few{static_cast<::rlim_t>(lowest_free + spare), 20000};
                ::setrlimit(RLIMIT_NOFILE, &few);
                const auto r = root.try_local();
                const int free_now = ::dup(2);
                if (free_now >= 0) ::close(free_now);
                if (r) {
                    // enough of them
                    const auto sum = (*r).try_call<&generic::add>(1, 1);
                    if (!sum && support::sanitized) { // the child had none left for its pipe
                        (void)r->shutdown().try_get();
                        continue;
                    }
                    code |= sum ? 16 : 1;
                    if (!sum) std::fprintf(stderr, "a call fails: %s\n", sum.error().what());
                    break;
                }
                if (r.error().kind() != mitogen::kind::overloaded) {
                    std::fprintf(stderr, "with %d descriptors: %s\n", spare, r.error().what());
                    code |= 2;
                }
                if (spare > 0 && free_now != lowest_free) code |= 4;
            }
        }
        ::_exit(code);
    }
    int status = 0;
    REQUIRE(::waitpid(pid, &status, 0) == pid);
    REQUIRE(WIFEXITED(status));
    CHECK(WEXITSTATUS(status) == 16);
}

// ---- frames

TEST_CASE("bytes that are no frames close the link, with the reason") {
    std::byte good[mitogen::detail::header_layout::size];
    mitogen::detail::write_header(good, above_raw_link::to_root(handles::ping));
    for (std::size_t at = 0; at < sizeof good; ++at) {
        above_raw_link a;
        std::byte bad[sizeof good];
        std::memcpy(bad, good, sizeof good);
        bad[at] ^= std::byte{0x40};
        auto waiting = a.child().call_async<&generic::add>(1, 1);
        a.peer.write(bad, sizeof bad);
        INFO("byte " << at);
        CHECK(a.lost().reason() == reason::link_corrupt);
        const auto r = waiting.try_get();
        REQUIRE_FALSE(r.has_value());
        CHECK(r.error().reason() == reason::link_corrupt);
    }
}

TEST_CASE("a frame that announces more than a fragment holds closes the link") {
    above_raw_link a;
    auto h = a.to_root(handles::ping);
    h.length = 0xffff'fff0;
    a.peer.send(h);
    CHECK(a.lost().reason() == reason::link_corrupt);
}

TEST_CASE("a link that ends in the middle of a frame has simply ended") {
    above_raw_link a;
    auto h = a.to_root(handles::ping);
    h.length = 1000;
    a.peer.send(h, std::vector<std::byte>(10));
    a.peer.close();
    CHECK(a.lost().reason() == reason::respondent_lost);
}

TEST_CASE("random bytes never do more than close the link") {
    const unsigned seed = 20260102;
    INFO("seed " << seed);
    std::mt19937 random(seed);
    for (int round = 0; round < 100; ++round) {
        above_raw_link a;
        std::vector<std::byte> bytes(random() % 5000 + 40);
        for (auto& b : bytes) b = static_cast<std::byte>(random());
        bytes[0] = mitogen::detail::header_layout::magic;
        bytes[1] = round % 2 ? mitogen::detail::header_layout::version : bytes[1];
        a.peer.write(bytes.data(), bytes.size());
        CHECK(a.lost().reason() == reason::link_corrupt);
    }
}

TEST_CASE("random frames with valid headers are refused one by one, and the link lives on") {
    const unsigned seed = 20260103;
    INFO("seed " << seed);
    std::mt19937 random(seed);
    generic::log_capture quiet;
    above_raw_link a;
    const mitogen::handle_id known[] = {100, 101, 102,  103,        104,
                                        105, 106, 110,  111,        112,
                                        113, 999, 1000, 1ull << 32, (1ull << 32) | 1};
    std::thread reader([&] { // what the root answers is not looked at, but taken
        while (const auto f = a.peer.receive())
            if (f->head.handle == 7'000'000'000) return;
    });
    for (int round = 0; round < 20'000; ++round) {
        mitogen::header h;
        h.dst = random() % 3 ? 0 : static_cast<mitogen::context_id>(random() % 4);
        h.src = random() % 3 ? 1 : static_cast<mitogen::context_id>(random() % 4);
        h.auth = random() % 3 ? 1 : static_cast<mitogen::context_id>(random() % 4);
        h.handle = known[random() % std::size(known)];
        h.reply_to = random() % 2 ? 0 : known[random() % std::size(known)] + random() % 3;
        h.stream = random() % 8;
        constexpr std::uint8_t flags[] = {0, 0, 0, 8, 1, 3, 5, 9};
        h.flags = flags[random() % 8];
        std::vector<std::byte> payload(random() % (round % 50 ? 64 : 20'000));
        for (auto& b : payload) b = static_cast<std::byte>(random());
        REQUIRE(a.peer.send(h, payload));
    }
    a.peer.send(a.to_root(4711, 7'000'000'000));
    reader.join();
    auto answer = a.child().ping();
    const auto asked = a.peer.receive();
    REQUIRE(asked);
    auto h = a.to_root(asked->head.reply_to);
    a.peer.send(h);
    CHECK_NOTHROW(answer.get());
}

TEST_CASE("fragments that nobody announced are dropped, and announcements do not cost memory") {
    generic::log_capture quiet;
    above_raw_link a;
    auto h = a.to_root(handles::forward_log, 7'000'000'000);
    h.flags = mitogen::detail::message_flags::fragment | mitogen::detail::message_flags::last;
    h.stream = 3;
    a.peer.send(h, std::vector<std::byte>(100));
    CHECK(quiet.wait_for("stray fragment"));

    std::thread reader([&] {
        int refused = 0;
        while (const auto f = a.peer.receive()) {
            if (f->head.handle == 7'000'000'000 &&
                mitogen::decode_error(f->payload).kind() == mitogen::kind::overloaded)
                ++refused;
            if (f->head.handle == 7'000'000'001) break;
        }
        CHECK(refused > 90'000);
    });
    // 100,000 messages of just under the limit, of which nothing else ever comes.
    h.flags = mitogen::detail::message_flags::fragment | mitogen::detail::message_flags::first;
    for (unsigned i = 0; i < 100'000; ++i) {
        h.stream = 100 + i;
        const mitogen::buffer size = mitogen::encode(std::uint64_t{i % 2 ? (127u << 20) : ~0ull});
        REQUIRE(a.peer.send(h, size));
    }
    a.peer.send(a.to_root(4711, 7'000'000'001));
    reader.join();
    ::rusage used{};
    ::getrusage(RUSAGE_SELF, &used);
    CHECK(used.ru_maxrss < 2'000'000); // KiB; what was announced is 6 TiB
}

TEST_CASE("a message that is larger than announced, or smaller, is dropped") {
    for (const std::size_t sent : {std::size_t{99}, std::size_t{101}, std::size_t{60'000}}) {
        generic::log_capture log;
        above_raw_link a;
        auto h = a.to_root(handles::add_route);
        h.stream = 5;
        h.flags = mitogen::detail::message_flags::fragment | mitogen::detail::message_flags::first;
        a.peer.send(h, mitogen::encode(std::uint64_t{100}));
        h.flags = mitogen::detail::message_flags::fragment | mitogen::detail::message_flags::last;
        a.peer.send(h, std::vector<std::byte>(sent));
        CHECK(log.wait_for("stray"));
    }
}

TEST_CASE("a flood of what is refused makes few lines in the log") {
    generic::log_capture log;
    above_raw_link a;
    for (int i = 0; i < 1000; ++i) a.peer.send(a.to_root(handles::call_function));
    CHECK(log.wait_for("1000 refusals of what it says so far"));
    CHECK(log.wait_until([](const auto& all) { return all.size() == 4; }));
}

TEST_CASE("nobody speaks for others") {
    generic::log_capture log;
    above_raw_link a;
    auto h = a.to_root(handles::forward_log, 7'000'000'000);
    h.src = 2;
    a.peer.send(h);
    CHECK(a.peer.error_for(7'000'000'000).reason() == reason::unauthorised);
    h.src = 1;
    h.auth = 0; // the root's authority
    a.peer.send(h);
    CHECK(a.peer.error_for(7'000'000'000).reason() == reason::unauthorised);
    h = a.to_root(handles::ping, 7'000'000'000); // for parents only
    a.peer.send(h);
    CHECK(a.peer.error_for(7'000'000'000).reason() == reason::refused_by_policy);
    h = a.to_root(handles::call_function, 7'000'000'000);
    a.peer.send(h);
    CHECK(a.peer.error_for(7'000'000'000).reason() != reason::none);
    CHECK(log.wait_for("as context 2"));
}

TEST_CASE("log records are looked at where they enter") {
    generic::log_capture log;
    above_raw_link a;
    const auto say = [&](mitogen::context_id origin, const std::string& text) {
        a.peer.send(a.to_root(handles::forward_log),
                    mitogen::encode(origin, std::uint8_t{3}, std::string("shop"), text,
                                    std::uint64_t{0}));
    };
    say(0, "as the root");
    say(9, "as somebody else");
    say(1, "\x1b[2J\nmitogen: all is well \xff \xE2\x80\xAE");
    say(1, std::string(100'000, 'x'));
    say(1, "the last");
    CHECK(log.wait_for("the last"));
    bool shown = false;
    for (const auto& r : log.records()) {
        CHECK_FALSE(contains(r.text, "as the root"));
        CHECK_FALSE(contains(r.text, "as somebody else"));
        CHECK(r.text.size() <= 64u << 10);
        if (contains(r.text, "all is well")) {
            CHECK(r.text == "\\x1b[2J\\nmitogen: all is well \\xff \\u202e");
            shown = true;
        }
    }
    CHECK(shown);
    CHECK(log.wait_for("refused a log record of context 0 from context 1"));
    CHECK(a.peer_link->refusals == 2);
}

TEST_CASE("an address in an answer leads to nobody but its sender") {
    generic::log_capture quiet;
    above_raw_link a;
    const auto next_call = [&] { // behind what a sender that was taken says at its end
        auto asked = a.peer.receive();
        while (asked && asked->head.handle != handles::call_function) asked = a.peer.receive();
        return asked;
    };
    const auto answered = [&](mitogen::context_id where, mitogen::handle_id port) {
        auto got = a.child().call_async<&subscribe>();
        const auto asked = next_call();
        if (!asked) return std::string("no call");
        a.peer.send(a.to_root(asked->head.reply_to),
                    mitogen::encode(where, port, std::uint32_t{1}));
        const auto said = got.try_get();
        return said ? std::string("taken") : std::string(said.error().what());
    };
    constexpr mitogen::handle_id port = (mitogen::handle_id{1} << 32) | mitogen::detail::flow_bit;
    CHECK(contains(answered(0, port), "a sender of another context"));
    CHECK(contains(answered(2, port), "a sender of another context"));
    CHECK(contains(answered(1, handles::shutdown), "a handle that no channel has"));
    CHECK(contains(answered(1, 2000), "a handle that no channel has"));
    CHECK(contains(answered(1, 5'000'000'000), "a handle that no channel has"));
    CHECK(answered(1, port) == "taken");
    auto named = a.child().call_async<&whom>();
    const auto asked = next_call();
    REQUIRE(asked);
    a.peer.send(a.to_root(asked->head.reply_to), mitogen::encode(mitogen::context_id{2}));
    CHECK(contains(std::string(named.try_get().error().what()), "not below its sender"));
}

TEST_CASE("an answer from somebody else than who was asked is refused") {
    generic::log_capture quiet;
    above_raw_link a;
    a.t.loop.engine().run([&] {
        support::engine(a.t.root).routes().add({2, 1, "below raw", 0, a.peer_link});
    });
    auto answer = a.child().ping();
    const auto asked = a.peer.receive();
    REQUIRE(asked);
    auto h = a.to_root(asked->head.reply_to, 7'000'000'000);
    h.src = 2;
    h.auth = 2;
    a.peer.send(h);
    CHECK(a.peer.error_for(7'000'000'000).reason() == reason::unexpected_reply);
    CHECK_FALSE(answer.done());
    h = a.to_root(asked->head.reply_to);
    a.peer.send(h, std::vector<std::byte>(3)); // too long for a void
    CHECK_THROWS_AS(answer.get(), mitogen::codec_error);
    h.flags = mitogen::detail::message_flags::failed;
    a.peer.send(h, std::vector<std::byte>(3)); // late, and nonsense
    auto again = a.child().ping();
    const auto asked_again = a.peer.receive();
    REQUIRE(asked_again);
    h = a.to_root(asked_again->head.reply_to);
    h.flags = mitogen::detail::message_flags::failed;
    a.peer.send(h, std::vector<std::byte>(3)); // an error that does not decode
    CHECK_THROWS_AS(again.get(), mitogen::codec_error);
}

} // namespace
