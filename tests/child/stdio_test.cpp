// SPDX-License-Identifier: BSL-1.0
#include "../generic/context_functions.hpp"
#include "../generic/tree.hpp"

#include <algorithm>
#include <catch2/catch.hpp>
#include <cerrno>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <fcntl.h>
#include <mitogen/mitogen.hpp>
#include <optional>
#include <poll.h>
#include <string>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>
#include <vector>

namespace stdio_test {

void print(std::string_view to_stdout, std::string_view to_stderr) {
    std::fwrite(to_stdout.data(), 1, to_stdout.size(), stdout);
    std::fwrite(to_stderr.data(), 1, to_stderr.size(), stderr);
}
bool write_at_once(int fd, std::uint32_t size) {
    std::string text;
    const std::string line(99, 'w');
    while (text.size() + 100 <= size) text += line + "\n";
    std::size_t done = 0;
    while (done < text.size()) {
        const ssize_t n = ::write(fd, text.data() + done, text.size() - done);
        if (n < 0) return false; // blocking mode: no EAGAIN
        done += static_cast<std::size_t>(n);
    }
    return true;
}
int shell(const std::string& command) { return std::system(command.c_str()); }
std::string descriptors() {
    struct stat null {};
    struct stat in {};
    if (::stat("/dev/null", &null) != 0 || ::fstat(0, &in) != 0) return "no stdin";
    std::string out = null.st_rdev == in.st_rdev ? "null" : "other";
    for (const int fd : {1, 2}) {
        struct stat s {};
        if (::fstat(fd, &s) != 0 || !S_ISFIFO(s.st_mode)) return out + " no pipe";
        if (::fcntl(fd, F_GETFL) & O_NONBLOCK) return out + " nonblocking";
        if (::fcntl(fd, F_GETFD) & FD_CLOEXEC) return out + " close-on-exec";
    }
    return out;
}
std::string title() {
    std::string out;
    if (std::FILE* f = std::fopen("/proc/self/cmdline", "r")) {
        char bytes[512] = {};
        out.assign(bytes, std::fread(bytes, 1, sizeof bytes - 1, f));
        std::fclose(f);
    }
    return out;
}
void log_it(std::string_view text) { mitogen::log::write(mitogen::log::level::error, text); }
constexpr int many_lines = 3000; // more than a pipe holds
mitogen::task<int> print_in_a_task() {
    for (int i = 0; i < many_lines; ++i)
        std::printf("line %d of a task, long enough for a pipe to be full soon\n", i);
    co_return many_lines;
}
inline constexpr mitogen::handle<int> poke{5001};
void print_in_a_handler(mitogen::router& here) {
    here.add_handler(poke, [](const mitogen::message&, int lines) {
        for (int i = 0; i < lines; ++i)
            std::printf("line %d of a handler, long enough for a pipe to be full soon\n", i);
    });
}
void print_until(int fd) { // somebody posts
    for (pollfd ready{fd, POLLIN, 0}; ::poll(&ready, 1, 0) == 0;)
        std::puts("a line of the main thread, which fills the pipe");
}
int print_one_line() { return std::puts("a line on the loop"); }
void say_and_abort(int n) {
    mitogen::log::write(mitogen::log::level::warning, "record " + std::to_string(n));
    std::printf("line %d\n", n);
    std::abort();
}
void say_and_fault() {
    std::puts("before the fault");
    ::raise(SIGSEGV);
}
mitogen::context make_child(mitogen::router& here) { return here.local({.name = "inner"}); }

} // namespace stdio_test

template <>
inline constexpr auto mitogen::run_on<&stdio_test::print_one_line> = mitogen::on::loop;

namespace {
using namespace stdio_test;
using generic::contains;
using generic::log_capture;
using generic::logged;
using generic::tree;

std::vector<logged> of(const std::vector<logged>& all, std::string_view logger) {
    std::vector<logged> out;
    for (const logged& r : all)
        if (r.logger == logger) out.push_back(r);
    return out;
}

TEST_CASE("a child's stdin is empty, its stdout and stderr are pipes as programs expect them") {
    const bool forked = GENERATE(false, true);
    tree t;
    mitogen::context child = forked ? t.root.fork() : t.root.local();
    CHECK(child.call<&descriptors>() == "null");
}

TEST_CASE("lines of stdout and stderr arrive with their context, a last one without newline too") {
    const bool forked = GENERATE(false, true);
    log_capture log;
    mitogen::context_id id = 0;
    {
        tree t;
        mitogen::context child =
            forked ? t.root.fork({.name = "talker"}) : t.root.local({.name = "talker"});
        id = child.id();
        child.call<&print>("one\ntwo\n", "three\nfour\n");
        CHECK(log.wait_until([](const auto& all) {
            return of(all, "stdout").size() >= 2 && of(all, "stderr").size() >= 2;
        }));
        child.call<&print>("five", "six");
        child.call<&log_it>("seven");
    }
    const auto out = of(log.records(), "stdout");
    const auto err = of(log.records(), "stderr");
    REQUIRE(out.size() == 3);
    REQUIRE(err.size() == 3);
    CHECK(out[0].text == "one");
    CHECK(out[1].text == "two");
    CHECK(out[2].text == "five");
    CHECK(err[0].text == "three");
    CHECK(err[1].text == "four");
    CHECK(err[2].text == "six");
    for (const auto& r : {out[0], err[0], err[2]}) {
        CHECK(r.context == id);
        CHECK(r.place == "talker");
    }
    const auto own = of(log.records(), "mitogen");
    REQUIRE(own.size() == 1);
    CHECK(own[0].text == "seven");
    CHECK(own[0].context == id);
    CHECK(own[0].level == mitogen::log::level::error);
}

TEST_CASE("a megabyte in one go neither blocks nor fails") {
    const int fd = GENERATE(1, 2);
    const char* logger = fd == 1 ? "stdout" : "stderr";
    log_capture log;
    tree t;
    mitogen::context child = t.root.local();
    CHECK(child.call<&write_at_once>(fd, 1u << 20));
    CHECK(log.wait_until(
        [&](const auto& all) { return of(all, logger).size() == (1u << 20) / 100; }));
    for (const auto& r : of(log.records(), logger)) {
        if (r.text != std::string(99, 'w')) FAIL_CHECK("a damaged line: " << r.text);
    }
}

TEST_CASE(
    "what a child's own children print arrives, also what they print after it has ended its call") {
    log_capture log;
    tree t;
    mitogen::context child = t.root.local();
    CHECK(child.call<&shell>("echo from a shell; echo to stderr >&2") == 0);
    CHECK(log.wait_for("from a shell"));
    CHECK(log.wait_for("to stderr"));
    CHECK(child.call<&shell>("(read x <&-; echo later) &") == 0);
    CHECK(log.wait_for("later"));
    CHECK(child.call<&shell>("cat") == 0); // stdin is at its end
}

TEST_CASE("what a grandchild prints comes up under its own name") {
    log_capture log;
    mitogen::context_id id = 0;
    {
        tree t;
        mitogen::context child = t.root.local({.name = "outer"});
        mitogen::context inner = child.call<&make_child>();
        id = inner.id();
        inner.call<&print>("inner out\n", "inner err\n");
        inner.call<&log_it>("inner log");
        CHECK(log.wait_for("inner out"));
        CHECK(log.wait_for("inner err"));
        CHECK(log.wait_for("inner log"));
    }
    for (const auto& r : log.records()) {
        INFO(r.text);
        CHECK(r.context == id);
        CHECK(r.place == "outer.inner");
    }
}

TEST_CASE("the last words of a grandchild arrive, whether or not they end a line") {
    log_capture log;
    tree t;
    const mitogen::context inner = t.root.local().call<&make_child>();
    inner.call<&print>("last on stdout", "last on stderr");
    CHECK(inner.shutdown().get().success());
    CHECK(log.wait_for("last on stdout"));
    CHECK(log.wait_for("last on stderr"));
    const mitogen::context crashing = t.root.local().call<&make_child>();
    CHECK_FALSE(crashing.try_call<&say_and_abort>(77).has_value());
    CHECK(log.wait_for("record 77"));
    CHECK(log.wait_for("line 77"));
}

/// While it lives, programs that are started leave faults to who handles them without a sanitizer.
class without_sanitizers_handlers {
    struct variable {
        const char* name;
        std::optional<std::string> before;
    };
    variable all_[2] = {{"ASAN_OPTIONS", {}}, {"TSAN_OPTIONS", {}}};

public:
    without_sanitizers_handlers() {
        for (variable& v : all_) {
            if (const char* const now = std::getenv(v.name)) v.before = now;
            ::setenv(v.name, (v.before.value_or("") + ":handle_segv=0").c_str(), 1);
        }
    }
    without_sanitizers_handlers(const without_sanitizers_handlers&) = delete;
    ~without_sanitizers_handlers() {
        for (const variable& v : all_)
            if (v.before)
                ::setenv(v.name, v.before->c_str(), 1);
            else
                ::unsetenv(v.name);
    }
};

TEST_CASE("what a child has logged and printed before it crashes arrives") {
    log_capture log;
    tree t;
    for (int n = 0; n < 10; ++n) {
        const auto lost = t.root.local().try_call<&say_and_abort>(n);
        REQUIRE_FALSE(lost.has_value());
        CHECK(lost.error().detail().status.signal == SIGABRT);
        CHECK(log.wait_for("record " + std::to_string(n)));
        CHECK(log.wait_for("line " + std::to_string(n)));
    }
    const without_sanitizers_handlers plain;
    const auto lost = t.root.local().try_call<&say_and_fault>();
    REQUIRE_FALSE(lost.has_value());
    CHECK(log.wait_for("before the fault"));
}

TEST_CASE("control characters of a child do not reach the terminal") {
    log_capture log;
    tree t;
    mitogen::context child = t.root.local();
    child.call<&print>("\x1b[31mred\r\n", "bell\a\n");
    CHECK(log.wait_for("?[31mred"));
    CHECK(log.wait_for("bell?"));
}

TEST_CASE("the process title shows the context's name") {
    tree t;
    mitogen::context child = t.root.local({.name = "web1"});
    const std::string shown = child.call<&title>();
    INFO(shown);
    CHECK(contains(shown, "mitogen:web1"));
}

TEST_CASE("a task and a handler print more than a pipe holds") {
    log_capture log;
    tree t;
    const mitogen::context child = t.root.local();
    CHECK(child.call<&print_in_a_task>() == many_lines);
    CHECK(log.wait_for("line 2999 of a task"));
    child.call<&print_in_a_handler>();
    child.send(poke, many_lines);
    CHECK(log.wait_for("line 2999 of a handler"));
    CHECK(child.call<&generic::add>(1, 2) == 3);
}

TEST_CASE("the loop prints although the pipe is full of what the main thread prints") {
    log_capture log;
    generic::shared_pipe over;
    tree t;
    const mitogen::context child = t.root.local();
    auto busy = child.call_async<&print_until>(over.read_end());
    CHECK(log.wait_for("a line of the main thread"));
    for (int i = 0; i < 100; ++i) CHECK(child.call<&print_one_line>() >= 0);
    over.post();
    busy.get();
    CHECK(child.shutdown().get().success());
}

TEST_CASE("a program that was started without 0, 1 or 2 has children all the same") {
    for (int closed = 1; closed < 8; ++closed) {
        std::fflush(nullptr);
        const ::pid_t pid = ::fork();
        if (pid == 0) {
            for (int fd = 0; fd < 3; ++fd)
                if (closed & (1 << fd)) ::close(fd);
            int code = 1;
            try {
                mitogen::log::set_sink([](const mitogen::log::record&) {});
                tree t;
                mitogen::context child = t.root.local();
                mitogen::context copy = t.root.fork();
                const std::string big(1u << 20, 'b');
                if (child.call<&generic::length>(big) == big.size() &&
                    copy.call<&generic::length>(big) == big.size() &&
                    child.call<&descriptors>() == "null" && copy.call<&descriptors>() == "null")
                    code = 0;
            } catch (const std::exception&) {
                code = 2;
            }
            ::_exit(code);
        }
        int status = 0;
        REQUIRE(::waitpid(pid, &status, 0) == pid);
        INFO("closed: " << closed);
        CHECK(WIFEXITED(status));
        CHECK(WEXITSTATUS(status) == 0);
    }
}

} // namespace
