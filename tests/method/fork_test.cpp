// SPDX-License-Identifier: BSL-1.0
#include "../generic/context_functions.hpp"
#include "../generic/tree.hpp"
#include "../support/sanitized.hpp"

#include <algorithm>
#include <atomic>
#include <catch2/catch.hpp>
#include <cstdio>
#include <fcntl.h>
#include <mitogen/mitogen.hpp>
#include <stdexcept>
#include <string>
#include <thread>
#include <unistd.h>
#include <utility>
#include <vector>

namespace fork_test {

int memory = 1;
int remembered() { return memory; }
int set_memory(int value) { return std::exchange(memory, value); }
bool is_open(int fd) { return ::fcntl(fd, F_GETFD) >= 0; }
int open_above_stdio() {
    int count = 0;
    for (int fd = 3; fd < 1024; ++fd) count += is_open(fd) ? 1 : 0;
    return count;
}
mitogen::context fork_here(mitogen::router& here) { return here.fork(); }
void die_at_start() { ::_exit(5); }
void change_memory() { memory = 77; }
void log_at_start() {
    mitogen::log::write(mitogen::log::level::error, "start", "hello of on_start");
    std::puts("printed by on_start");
}
void print_much_at_start() { // more than a pipe holds, and nobody reads yet
    for (int i = 0; i < 50'000; ++i) std::printf("line %d of on_start\n", i);
}
void print_lines() {
    std::puts("first of two");
    std::puts("second of two");
}
/// Some of this process's threads log all the time while it forks.
std::string fork_while_logging(mitogen::router& here) {
    std::atomic<bool> over{false};
    std::vector<std::thread> threads;
    for (int n = 0; n < 3; ++n)
        threads.emplace_back([&] {
            while (!over) mitogen::log::write(mitogen::log::level::error, "x", "a line");
        });
    std::string said = "up";
    for (int i = 0; i < 10 && said == "up"; ++i) {
        const auto child = here.try_fork({.on_start = &log_at_start});
        if (!child) said = child.error().message();
    }
    over = true;
    for (std::thread& t : threads) t.join();
    return said;
}
/// Leaves a thread that waits for a line for ever, and so has stdin's lock.
void wait_for_a_line() {
    static int ends[2] = {-1, -1};
    if (::pipe(ends) != 0 || ::dup2(ends[0], 0) < 0) return;
    std::thread([] { (void)std::getchar(); }).detach();
    while (::ftrylockfile(stdin) == 0) {
        ::funlockfile(stdin);
        std::this_thread::yield();
    }
}
void print_without_flushing(int fd) {
    std::fputs("x", ::fdopen(fd, "w")); // as one that was opened and never closed
}

} // namespace fork_test

namespace {
using namespace fork_test;
using generic::log_capture;
using generic::shared_pipe;
using generic::tree;

/// A thread that waits for a byte in a stream, and has the stream's lock meanwhile.
class waiting_reader {
    shared_pipe pipe_;
    std::FILE* stream_;
    std::thread thread_;

public:
    waiting_reader() : stream_(::fdopen(::dup(pipe_.read_end()), "r")) {
        if (!stream_) throw std::runtime_error("fdopen");
        thread_ = std::thread([this] { (void)std::fgetc(stream_); });
        while (::ftrylockfile(stream_) == 0) {
            ::funlockfile(stream_);
            std::this_thread::yield();
        }
    }
    waiting_reader(waiting_reader&&) = delete;
    ~waiting_reader() {
        pipe_.post();
        thread_.join();
        std::fclose(stream_);
    }
};

TEST_CASE("a fork child has its parent's memory as it was, and a copy of its own") {
    memory = 42;
    tree t;
    mitogen::context child = t.root.fork();
    memory = 43;
    CHECK(child.call<&set_memory>(44) == 42);
    CHECK(child.call<&remembered>() == 44);
    CHECK(memory == 43);
    const std::string captured = "captured by nobody"; // but the closure's type exists in both
    CHECK(child.call<[](std::string_view s) { return s.size(); }>(captured) == captured.size());
    memory = 1;
}

TEST_CASE("a fork child keeps the program's descriptors, and none of the library's") {
    shared_pipe ours;
    tree t;
    std::vector<mitogen::context> siblings;
    for (int i = 0; i < 4; ++i) siblings.push_back(t.root.local());
    mitogen::context first = t.root.fork();
    CHECK(first.call<&is_open>(ours.read_end()));
    const int alone = first.call<&open_above_stdio>();
    for (int i = 0; i < 4; ++i) siblings.push_back(t.root.fork());
    // The same number, however many children its parent has.
    CHECK(t.root.fork().call<&open_above_stdio>() == alone);
    // A sibling's end is seen: nobody else holds its pipes.
    CHECK(siblings[0].shutdown().get().success());
}

TEST_CASE("what is in stdio's buffers is written once") {
    shared_pipe exited;
    std::FILE* file = ::fdopen(::dup(exited.write_end()), "w");
    REQUIRE(file);
    std::fputs("x", file); // stays in the buffer
    {
        tree t;
        mitogen::context child = t.root.fork();
        CHECK(child.shutdown().get().success());
    }
    std::fclose(file);
    exited.close_write_end();
    CHECK(exited.wait());
    CHECK_FALSE(exited.wait());
}

TEST_CASE("on_start runs first in the child, and only there") {
    memory = 1;
    tree t;
    CHECK(t.root.fork({.name = "seeded", .on_start = &change_memory}).call<&remembered>() == 77);
    CHECK(memory == 1);
    const auto dead = t.root.try_fork({.on_start = &die_at_start});
    REQUIRE_FALSE(dead.has_value());
    CHECK(dead.error().detail().status.code == 5);
    CHECK(t.root.fork().call<&remembered>() == 1);
}

TEST_CASE("any context can fork, and fork children can make children") {
    tree t;
    mitogen::context local = t.root.local();
    mitogen::context forked = local.call<&fork_here>();
    CHECK(forked.call<&generic::add>(1, 2) == 3);
    mitogen::context below = forked.call<&fork_here>();
    CHECK(below.call<&generic::add>(2, 2) == 4);
    mitogen::context top = t.root.fork();
    CHECK(top.call<&fork_here>().call<&generic::add>(3, 2) == 5);
}

TEST_CASE("a context is told to fork, and its copy has its memory") {
    memory = 1;
    tree t;
    const mitogen::context child = t.root.local({.name = "child"});
    child.call<&set_memory>(5);
    const mitogen::context copy = child.fork({.name = "copy"});
    CHECK(copy.name() == "child.copy");
    CHECK(copy.call<&remembered>() == 5);
    CHECK(copy.call<&generic::process_id>() != child.call<&generic::process_id>());
    const mitogen::context fresh = copy.local({.name = "fresh"});
    CHECK(fresh.name() == "child.copy.fresh");
    CHECK(fresh.call<&remembered>() == 1);
    const auto by_value = child.try_fork();
    REQUIRE(by_value.has_value());
    CHECK(by_value->name().starts_with("child.fork."));
    CHECK(t.root.contexts().size() == 4);
}

TEST_CASE("what runs first in the copy can't be a function of another process") {
    memory = 1;
    tree t;
    const mitogen::context child = t.root.local();
    const auto refused = child.try_fork({.on_start = &change_memory});
    REQUIRE_FALSE(refused.has_value());
    CHECK(refused.error().reason() == mitogen::reason::misuse);
    CHECK(generic::contains(refused.error().message(), "on_start"));
    CHECK(t.root.contexts().size() == 1);
    // this process
    CHECK(t.root.myself().fork({.on_start = &change_memory}).call<&remembered>() == 77);
}

TEST_CASE("any kind of child is made by a method held as a value, here and in another context") {
    tree t;
    std::vector<mitogen::any_method> methods{mitogen::local{.name = "local"},
                                             mitogen::fork_options{.name = "forked"}};
    methods.push_back(methods.front()); // a copy
    std::vector<mitogen::future<mitogen::context>> coming;
    for (const mitogen::any_method& how : methods) coming.push_back(t.root.connect_async(how));
    std::vector<std::string> names;
    for (auto& one : coming) names.push_back(one.get().name());
    CHECK(names == std::vector<std::string>{"local", "forked", "local"});
    const mitogen::context child = t.root.connect(methods.front());
    for (const mitogen::any_method& how : methods)
        CHECK(child.connect(how).call<&generic::add>(2, 3) == 5);
    const mitogen::any_method stream = mitogen::attach{.open = [] { return std::pair(0, 1); }};
    const auto refused = child.try_connect(stream); // descriptors of this process
    REQUIRE_FALSE(refused.has_value());
    CHECK(refused.error().reason() == mitogen::reason::misuse);
    CHECK(child.call<&generic::add>(1, 1) == 2);
}

TEST_CASE("forking while other threads call and wait") {
    tree t;
    mitogen::context busy = t.root.local();
    std::atomic<bool> over{false};
    std::atomic<int> wrong{0};
    std::vector<std::thread> callers;
    for (int n = 0; n < 3; ++n) {
        callers.emplace_back([&] {
            while (!over)
                if (busy.call<&generic::add>(1, 1) != 2) ++wrong;
        });
    }
    for (int i = 0; i < 10; ++i) CHECK(t.root.fork().call<&generic::add>(i, 1) == i + 1);
    over = true;
    for (auto& c : callers) c.join();
    CHECK(wrong == 0);
}

TEST_CASE("forking waits for nobody who waits for input, and neither does the child") {
    const waiting_reader somebody;
    tree t;
    const mitogen::context other = t.root.local();
    const mitogen::context child = t.root.fork();
    CHECK(child.call<&generic::add>(1, 2) == 3);
    CHECK(other.call<&generic::add>(2, 2) == 4);
    CHECK(child.call<&fork_here>().call<&generic::add>(2, 3) == 5);
    CHECK(child.shutdown().get().success());
}

TEST_CASE("a child ends although a thread of it waits for input") {
    tree t;
    const mitogen::context child = GENERATE(false, true) ? t.root.fork() : t.root.local();
    child.call<&wait_for_a_line>();
    CHECK(child.shutdown().get().success());
}

TEST_CASE("lines that threads write meanwhile are written once, whatever forks") {
    shared_pipe lines;
    std::FILE* const out = ::fdopen(::dup(lines.write_end()), "w");
    REQUIRE(out);
    std::string got;
    std::thread collector([&] {
        char bytes[4096];
        for (ssize_t n; (n = ::read(lines.read_end(), bytes, sizeof bytes)) > 0;)
            got.append(bytes, static_cast<std::size_t>(n));
    });
    std::atomic<bool> over{false};
    std::atomic<long> written{0};
    std::vector<std::thread> writers;
    for (int n = 0; n < 4; ++n)
        writers.emplace_back([&] {
            while (!over) {
                std::fprintf(out, "%ld\n", written++);
                std::this_thread::yield();
            }
        });
    {
        tree t;
        // another thread may hold a lock of AddressSanitizer's allocator when a copy is made, which
        // that copy waits for without end (clang 14): fewer copies, fewer of these
        constexpr int copies = support::sanitized ? 3 : 20;
        for (int i = 0; i < copies; ++i) {
            const auto end = t.root.fork().shutdown().get();
            INFO(end.text());
            CHECK(end.success());
        }
    }
    over = true;
    for (std::thread& w : writers) w.join();
    std::fclose(out);
    lines.close_write_end();
    collector.join();
    CHECK(std::count(got.begin(), got.end(), '\n') == written);
}

TEST_CASE("what a fork child has written to a stream of its own is flushed at its end") {
    shared_pipe file;
    tree t;
    const mitogen::context child = t.root.fork();
    child.call<&print_without_flushing>(file.write_end());
    CHECK(child.shutdown().get().success());
    CHECK(file.wait());
}

TEST_CASE("what on_start logs and prints arrives, and it may print any amount") {
    log_capture log;
    tree t;
    const mitogen::context child = t.root.fork({.on_start = &log_at_start});
    CHECK(log.wait_for("hello of on_start"));
    CHECK(log.wait_for("printed by on_start"));
    CHECK(child.call<&generic::add>(1, 2) == 3);
    const mitogen::context chatty = t.root.fork({.on_start = &print_much_at_start});
    CHECK(chatty.call<&generic::add>(1, 2) == 3);
    CHECK(log.wait_for("line 0 of on_start"));
}

TEST_CASE("on_start may log although other threads of the parent do") {
    log_capture log;
    tree t;
    CHECK(t.root.local().call<&fork_while_logging>() == "up");
    CHECK(log.wait_for("hello of on_start"));
}

TEST_CASE("each line that a fork child prints comes at once, whatever its parent has printed") {
    log_capture log;
    std::fflush(stdout);
    const int stdout_before = ::dup(1);
    REQUIRE(stdout_before >= 0);
    std::FILE* const file = std::tmpfile(); // as `program > file`
    REQUIRE(file);
    REQUIRE(::dup2(::fileno(file), 1) == 1);
    std::puts("the parent prints first");
    {
        tree t;
        const mitogen::context child = t.root.fork();
        child.call<&print_lines>();
        CHECK(log.wait_for("first of two"));
        CHECK(log.wait_for("second of two"));
        CHECK(child.call<&fork_here>().call<&generic::add>(1, 2) == 3);
    }
    std::fflush(stdout);
    ::dup2(stdout_before, 1);
    ::close(stdout_before);
    std::fclose(file);
}

} // namespace
