// SPDX-License-Identifier: BSL-1.0
#include "../generic/tree.hpp"
#include "../support/soon.hpp"

#include <algorithm>
#include <atomic>
#include <catch2/catch.hpp>
#include <cerrno>
#include <chrono>
#include <csignal>
#include <cstdint>
#include <cstdio>
#include <mitogen/mitogen.hpp>
#include <string>
#include <string_view>
#include <sys/stat.h>
#include <thread>
#include <unistd.h>
#include <utility>
#include <vector>

namespace commands_test {

using namespace std::chrono_literals;

/// True once a process is gone, or is a zombie that nobody reaps.
bool gone(int pid) {
    return support::soon([&] {
        char state = 'X';
        if (std::FILE* f = std::fopen(("/proc/" + std::to_string(pid) + "/stat").c_str(), "r")) {
            static_cast<void>(!std::fscanf(f, "%*d (%*[^)]) %c", &state));
            std::fclose(f);
        }
        return state == 'X' || state == 'Z';
    });
}
bool runs(int pid) { return ::kill(pid, 0) == 0; }

/// Where a command runs: in a child, in a child of that, or here.
mitogen::context place(generic::tree& t, const std::string& way) {
    if (way == "here") return t.root.myself();
    mitogen::context child = t.root.local();
    return way == "child" ? child : child.local();
}

int pid_here() { return ::getpid(); }

TEST_CASE("a command's status, outputs and input come as they are") {
    generic::tree t;
    const std::string way = GENERATE("here", "child", "grandchild");
    CAPTURE(way);
    const mitogen::context at = place(t, way);

    SECTION("status") {
        CHECK(at.run("true").success());
        CHECK(at.run("exit 3").status.code == 3);
        CHECK(at.run("false; true").success()); // no -e
        CHECK(at.run("false | true").success());
        const auto killed = at.run("kill -9 $$");
        CHECK(killed.status.signal == 9);
        CHECK_FALSE(killed.success());
        CHECK_FALSE(killed.timed_out);
        CHECK(at.run("kill -PIPE $$; echo lives").status.signal == SIGPIPE);
    }
    SECTION("outputs") {
        const auto both = at.run("printf 'a\\0b\\377'; printf oops >&2");
        CHECK(both.out == std::string("a\0b\xff", 4));
        CHECK(both.err == "oops");
        CHECK(both.out_cut == 0);
    }
    SECTION("input") {
        CHECK(at.run("cat", {.input = "x\ny"}).out == "x\ny");
        CHECK(at.run("readlink /proc/self/fd/0").out == "/dev/null\n");
        std::string large(1u << 20, 'x');
        large[7] = '\0';
        CHECK(at.run("cat", {.input = large}).out == large);
        const auto unread = at.run("exec <&-; echo done", {.input = large});
        CHECK(unread.out == "done\n");
        CHECK(unread.success());
        CHECK(at.run("head -c 3", {.input = large}).out == "xxx");
    }
    SECTION("exec goes to no shell") {
        CHECK(at.exec("printf", {"%s|", "a b", "$HOME", ""}).out == "a b|$HOME||");
        CHECK(at.exec("/bin/echo").out == "\n");
    }
    SECTION("no such program") {
        const auto missing = at.exec("no-such-program", {"x"});
        CHECK(missing.status.code == 127);
        CHECK(missing.err.find("no-such-program") != std::string::npos);
        CHECK(at.exec("/etc/passwd").status.code == 126);
        CHECK(at.run("no-such-program-either").status.code == 127);
    }
    SECTION("directory and variables") {
        CHECK(at.run("pwd", {.directory = "/usr"}).out == "/usr\n");
        const auto nowhere = at.try_run("pwd", {.directory = "/no/such/place"});
        REQUIRE_FALSE(nowhere);
        CHECK(nowhere.error() == mitogen::reason::system);
        CHECK(std::string(nowhere.error().what()).find("/no/such/place") != std::string::npos);
        CHECK(at.run("echo $A-${HOME+set}", {.environment = {"A=1", "HOME"}}).out == "1-\n");
        CHECK(at.exec("env", {}, {.environment = {"A=1"}, .inherit_environment = false}).out ==
              "A=1\n");
    }
    SECTION("long texts") {
        const std::string filler(200u << 10, 'x');
        CHECK(at.run("echo " + filler + " | wc -c; echo $0 $#").out ==
              std::to_string(filler.size() + 1) + "\n/bin/sh 0\n");
        const auto refused = at.try_exec("echo", {filler});
        REQUIRE_FALSE(refused);
        CHECK(refused.error() == mitogen::reason::message_too_large);
    }
    SECTION("a zero byte is no part of a command") {
        const auto refused = at.try_run(std::string("echo \0", 6));
        REQUIRE_FALSE(refused);
        CHECK(refused.error() == mitogen::reason::misuse);
    }
}

TEST_CASE("a command inherits what a login gives") {
    generic::tree t;
    const mitogen::context at = GENERATE_COPY(values<std::string>({"here", "child"})) == "here"
                                    ? t.root.myself()
                                    : t.root.local();
    // but for the directory that ls reads
    CHECK(at.run("ls /proc/self/fd | wc -l").out == "4\n");
    const std::string ignored = at.run("sed -n 's/^SigIgn:.//p' /proc/self/status").out;
    CHECK((std::stoull(ignored, nullptr, 16) & 0x7fffffff) == 0); // the C library has its own above
    const std::string blocked = at.run("sed -n 's/^SigBlk:.//p' /proc/self/status").out;
    CHECK(std::stoull(blocked, nullptr, 16) == 0);
    const std::string group = at.run("cut -d' ' -f5 /proc/$$/stat; echo $$").out;
    CHECK(std::stoi(group) == std::stoi(group.substr(group.find('\n'))));
}

TEST_CASE("a command has a terminal only if it is asked for") {
    generic::tree t;
    const mitogen::context at = t.root.local();
    const std::string test = "for fd in 0 1 2; do test -t $fd && echo yes || echo no; done";
    CHECK(at.run(test).out == "no\nno\nno\n");
    const auto with = at.run(test + "; echo error >&2; stty size; exit 4", {.pty = true});
    CHECK(with.out == "yes\nyes\nyes\nerror\n24 80\n");
    CHECK(with.err.empty());
    CHECK(with.status.code == 4);
    CHECK(at.run("cat", {.pty = true}).out.empty());
    CHECK(at.run("cat; echo end", {.input = "a\nb", .pty = true}).out == "a\nbend\n");
    CHECK(at.exec("no-such-program", {}, {.pty = true}).status.code == 127);
}

TEST_CASE("lines come as they are said") {
    generic::tree t;
    const mitogen::context at = place(t, GENERATE("here", "child"));
    std::vector<std::string> lines;
    std::vector<mitogen::line_end> ends;
    const auto take = [&](std::string_view text, mitogen::line_end why) {
        lines.emplace_back(text);
        ends.push_back(why);
    };
    using mitogen::line_end;

    SECTION("cut at newlines only, the rest at the end") {
        at.run("printf 'one\\r\\n\\ntwo'", {.line = take});
        CHECK(lines == std::vector<std::string>{"one\r", "", "two"});
        CHECK(ends == std::vector{line_end::newline, line_end::newline, line_end::end});
    }
    SECTION("each output has its own") {
        std::string errors;
        at.run("echo out; echo err >&2", {.line = take, .error_line = [&](std::string_view e) {
                                              errors += e;
                                          }});
        CHECK(lines == std::vector<std::string>{"out"});
        CHECK(errors == "err");
    }
    SECTION("a long one in pieces") {
        at.run("head -c 70000 /dev/zero; echo", {.line = take});
        REQUIRE(lines.size() == 2);
        CHECK(lines[0].size() == 65536);
        CHECK(lines[1].size() == 70000 - 65536);
        CHECK(ends == std::vector{line_end::limit, line_end::newline});
    }
    SECTION("a prompt is shown") {
        // it goes on when the prompt has been seen
        char path[] = "/tmp/mitogen-test-XXXXXX";
        REQUIRE(::mkdtemp(path));
        const std::string fifo = std::string(path) + "/fifo";
        REQUIRE(::mkfifo(fifo.c_str(), 0600) == 0);
        const auto seen = at.run("printf 'name? '; read answer < " + fifo + "; echo $answer",
                                 {.line = [&](std::string_view text, line_end why) {
                                     take(text, why);
                                     if (why != line_end::pause) return;
                                     std::FILE* f = std::fopen(fifo.c_str(), "w");
                                     std::fputs("me\n", f);
                                     std::fclose(f);
                                 }});
        ::unlink(fifo.c_str());
        ::rmdir(path);
        CHECK(seen.out == "name? me\n");
        CHECK(lines == std::vector<std::string>{"name? ", "me"});
        CHECK(ends == std::vector{line_end::pause, line_end::newline});
    }
    SECTION("what a callback throws ends the command") {
        CHECK_THROWS_AS(at.run("echo $$; exec sleep 4712",
                               {.line = [&](std::string_view text) {
                                   lines.emplace_back(text);
                                   throw std::runtime_error("no");
                               }}),
                        std::runtime_error);
        CHECK(gone(std::stoi(lines.at(0))));
    }
}

TEST_CASE("output of any length passes through bounded memory") {
    generic::tree t;
    const mitogen::context at = place(t, GENERATE("here", "grandchild"));
    constexpr std::uint64_t most = 100'000;
    std::uint64_t lines = 0;
    const auto done = at.run("yes 0123456789abcdef | head -c 102000000",
                             {.line = [&](std::string_view) { ++lines; }, .output_bytes = most});
    CHECK(done.success());
    CHECK(lines == 6'000'000);
    CHECK(done.out.size() == most);
    CHECK(done.out_cut == 102'000'000 - most);
    CHECK(done.out.substr(0, 17) == "0123456789abcdef\n");
    CHECK(done.out.substr(done.out.size() - 17) == "0123456789abcdef\n");
}

TEST_CASE("a time limit that is reached is a result") {
    generic::tree t;
    const mitogen::context at = place(t, GENERATE("here", "child"));
    int sleeper = 0;
    const auto late =
        at.run("sleep 4711 & echo $!; wait",
               {.time_limit = 200ms, .line = [&](std::string_view text) {
                    sleeper = std::stoi(std::string(text));
                }});
    CHECK(late.timed_out);
    CHECK(late.status.signal == SIGTERM);
    CHECK(std::stoi(late.out) == sleeper);
    CHECK(gone(sleeper));

    const auto deaf =
        at.run("trap '' TERM; echo $$; while :; do sleep 1; done", {.time_limit = 200ms});
    CHECK(deaf.timed_out);
    CHECK(deaf.status.signal == SIGKILL);
    CHECK(gone(std::stoi(deaf.out)));
}

TEST_CASE("what a command leaves running") {
    generic::tree t;
    const mitogen::context at = place(t, GENERATE("here", "child"));
    SECTION("ends with it") {
        const auto done = at.run("sleep 4711 & echo $!");
        CHECK(done.success());
        CHECK(gone(std::stoi(done.out)));
    }
    SECTION("goes on if that is wanted, and delays nothing") {
        const auto done = at.run("sleep 4711 & echo $!", {.leave_running = true});
        CHECK(done.success());
        CHECK(runs(std::stoi(done.out)));
        ::kill(std::stoi(done.out), SIGKILL);
    }
    SECTION("has left its group: delays nothing") {
        const auto done = at.run("{ setsid sh -c 'echo $$ >&2; echo; exec sleep 4711' & } | "
                                 "{ read -r out; exit 5; }");
        CHECK(done.status.code == 5);
        REQUIRE_FALSE(done.err.empty());
        CHECK(runs(std::stoi(done.err)));
        CHECK(done.left == std::vector{done.err.substr(0, done.err.size() - 1) + " sleep"});
        ::kill(std::stoi(done.err), SIGKILL);
    }
}

TEST_CASE("a command that is cancelled ends, and its error says what it had said") {
    generic::tree t;
    const mitogen::context at = place(t, GENERATE("here", "child"));
    int pid = 0;
    SECTION("by its scope") {
        mitogen::scope work;
        const auto cut =
            at.try_run("echo $$; exec sleep 4711", {.line = [&](std::string_view text) {
                           pid = std::stoi(std::string(text));
                           work.cancel();
                       }});
        REQUIRE_FALSE(cut);
        CHECK(cut.error() == mitogen::reason::cancelled);
        CHECK(std::string(cut.error().what()).find(std::to_string(pid)) != std::string::npos);
    }
    SECTION("by a stop token") {
        std::stop_source stop;
        const auto cut =
            at.with(stop.get_token())
                .try_run("echo $$; exec sleep 4711", {.line = [&](std::string_view text) {
                             pid = std::stoi(std::string(text));
                             stop.request_stop();
                         }});
        REQUIRE_FALSE(cut);
        CHECK(cut.error() == mitogen::reason::cancelled);
    }
    SECTION("by the deadline of the call") {
        const auto cut = at.within(300ms).try_run(
            "echo $$; exec sleep 4711",
            {.line = [&](std::string_view text) { pid = std::stoi(std::string(text)); }});
        REQUIRE_FALSE(cut);
        CHECK(cut.error().kind() == mitogen::kind::overloaded);
    }
    CHECK(gone(pid));
}

TEST_CASE("nothing of a command outlives the context where it runs") {
    generic::tree t;
    const mitogen::context child = t.root.local();
    const mitogen::context at = GENERATE(0, 1) == 0 ? child : child.local();
    const int context_pid = at.call<&pid_here>();
    int pid = 0;
    int background = 0;
    const auto cut = at.try_run("sleep 4711 & echo $!; echo $$; wait; sleep 4711",
                                {.line = [&](std::string_view text) {
                                    (background ? pid : background) = std::stoi(std::string(text));
                                    if (pid) ::kill(context_pid, SIGKILL);
                                }});
    REQUIRE_FALSE(cut);
    CHECK(cut.error().kind() == mitogen::kind::disconnected);
    CHECK(gone(pid));
    CHECK(gone(background));
}

int run_and_tell(mitogen::router& here, int to) {
    mitogen::context below = here.local();
    below.run("echo $$; exec sleep 4711", {.line = [&](std::string_view text) {
                  const int pid = std::stoi(std::string(text));
                  static_cast<void>(!::write(to, &pid, sizeof pid));
              }});
    return 0;
}

TEST_CASE("nothing of a command outlives its caller") {
    generic::tree t;
    generic::shared_pipe told;
    const mitogen::context middle = t.root.local();
    const int middle_pid = middle.call<&pid_here>();
    auto answer = middle.call_async<&run_and_tell>(told.write_end());
    int pid = 0;
    REQUIRE(::read(told.read_end(), &pid, sizeof pid) == sizeof pid);
    CHECK(runs(pid));
    ::kill(middle_pid, SIGKILL);
    CHECK_FALSE(answer.try_get());
    CHECK(gone(pid));
}

TEST_CASE("many commands at once") {
    generic::tree t;
    const mitogen::context at = t.root.local();
    constexpr int many = 50;
    std::atomic<int> good{0};
    std::vector<std::thread> threads;
    for (int i = 0; i < many; ++i)
        threads.emplace_back([&, i] {
            const std::string text = std::to_string(i);
            const auto done = at.run("cat; exit " + text, {.input = text});
            if (done.out == text && done.status.code == i) ++good;
        });
    for (std::thread& one : threads) one.join();
    CHECK(good == many);
}

TEST_CASE("a command that the system refuses is an error") {
    generic::tree t;
    static constinit std::atomic<const char*> refused{nullptr};
    refused = GENERATE("fork", "pipe");
    mitogen::os::fault = [](const char* name, int) -> long {
        return std::string_view(name) == refused.load() ? -EMFILE : 0;
    };
    const auto done = t.root.myself().try_run("true");
    mitogen::os::fault = nullptr;
    REQUIRE_FALSE(done);
    CHECK(done.error() == mitogen::reason::overloaded);
}

TEST_CASE("an empty context runs nothing") {
    const auto refused = mitogen::context().try_run("true");
    REQUIRE_FALSE(refused);
    CHECK(refused.error() == mitogen::reason::misuse);
}

} // namespace commands_test
