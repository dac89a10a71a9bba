// SPDX-License-Identifier: BSL-1.0
// What a tree logs: where records come from, which are made, and what happens when there are too
// many.
#include "../generic/tree.hpp"

#include <catch2/catch.hpp>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <memory>
#include <mitogen/mitogen.hpp>
#ifdef MITOGEN_SEPARATE // else the umbrella has it
#include <mitogen/child/child_stderr.hpp>
#include <mitogen/loop/broker_engine.hpp>
#endif
#include <string>
#include <string_view>
#include <unistd.h>
#include <utility>
#include <vector>

namespace logs_test {

namespace log = mitogen::log;

mitogen::context make_child(mitogen::router& here) { return here.local({.name = "inner"}); }

void log_with_sink(log::sink& out, std::string_view text) {
    out({log::level::info, mitogen::no_context, {}, "shop.cart", text});
}
void log_at_all_levels(std::string_view logger) {
    for (const auto l :
         {log::level::debug, log::level::info, log::level::warning, log::level::error})
        log::write(l, logger, "level " + std::to_string(static_cast<int>(l)));
}
void set_level(std::uint8_t least) { log::set_level(static_cast<log::level>(least)); }
std::uint8_t level_here() { return static_cast<std::uint8_t>(log::threshold()); }
void set_rate(std::uint64_t lines_per_second, std::uint32_t seconds) {
    log::set_bounds({.lines_per_second = lines_per_second, .seconds_at_once = seconds});
}
std::uint64_t rate_here() { return log::current_bounds().lines_per_second; }

/// Writes so many numbered lines.
void print_lines(int fd, std::uint32_t count) {
    std::string text;
    for (std::uint32_t i = 0; i < count; ++i) text += "line " + std::to_string(i) + "\n";
    for (std::size_t done = 0; done < text.size();) {
        const ssize_t n = ::write(fd, text.data() + done, text.size() - done);
        if (n > 0) done += static_cast<std::size_t>(n);
    }
}
void log_lines(std::uint32_t count) {
    for (std::uint32_t i = 0; i < count; ++i)
        log::write(log::level::error, "line " + std::to_string(i));
}
void log_large(std::uint32_t size) { log::write(log::level::error, "big", std::string(size, 'b')); }
int echo(int x) { return x; }
int shell(const std::string& command) { return std::system(command.c_str()); }
/// Memory of this process that is in use, in bytes.
std::uint64_t memory() {
    unsigned long long all = 0;
    unsigned long long resident = 0;
    std::FILE* f = std::fopen("/proc/self/statm", "r");
    if (!f) return 0;
    if (std::fscanf(f, "%llu %llu", &all, &resident) != 2) resident = 0;
    std::fclose(f);
    return resident * static_cast<std::uint64_t>(::sysconf(_SC_PAGESIZE));
}

} // namespace logs_test

namespace {
using namespace logs_test;
using generic::contains;
using generic::log_capture;
using generic::logged;
using generic::tree;

// Sanitizers keep what was freed for a while.
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
constexpr bool memory_tells = false;
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
constexpr bool memory_tells = false;
#else
constexpr bool memory_tells = true;
#endif
#else
constexpr bool memory_tells = true;
#endif

struct restore_level {
    log::level least = log::threshold();
    log::bounds bounds = log::current_bounds();
    ~restore_level() {
        log::set_level(least);
        log::set_bounds(bounds);
    }
};

/// What is known about one flood: the lines that came, and how many are said to be lost.
struct account {
    std::vector<std::uint64_t> lines;
    std::uint64_t lost = 0;
    std::uint64_t notices = 0;

    explicit account(const std::vector<logged>& all) {
        for (const logged& r : all) {
            if (r.text.starts_with("line ")) lines.push_back(std::stoull(r.text.substr(5)));
            if (!contains(r.text, " dropped (")) continue;
            lost += std::stoull(r.text);
            ++notices;
        }
    }
    std::uint64_t all() const { return lines.size() + lost; }
    bool in_order() const {
        for (std::size_t i = 1; i < lines.size(); ++i)
            if (lines[i] <= lines[i - 1]) return false;
        return true;
    }
    /// The first of them came, without a gap.
    bool earliest(std::uint64_t count) const {
        for (std::uint64_t i = 0; i < count; ++i)
            if (i >= lines.size() || lines[i] != i) return false;
        return true;
    }
};

TEST_CASE("a function logs under a name of its own, and the root sees where it ran") {
    const restore_level back;
    log::set_level(log::level::info);
    log_capture log;
    mitogen::context_id ids[2] = {};
    {
        tree t;
        mitogen::context outer = t.root.local({.name = "outer"});
        mitogen::context inner = outer.call<&make_child>();
        ids[0] = outer.id();
        ids[1] = inner.id();
        outer.call<&log_with_sink>("from outer");
        inner.call<&log_with_sink>("from inner");
        inner.call<&log_at_all_levels>("shop.till");
    }
    const auto all = log.records();
    const auto find = [&](std::string_view text) {
        for (const logged& r : all)
            if (r.text == text) return r;
        return logged{};
    };
    for (int i = 0; i < 2; ++i) {
        const logged r = find(i ? "from inner" : "from outer");
        CHECK(r.context == ids[i]);
        CHECK(r.place == (i ? "outer.inner" : "outer"));
        CHECK(r.logger == "shop.cart");
        CHECK(r.level == log::level::info);
    }
    CHECK(find("level 0").text.empty()); // the root's level at the time when the child was made
    for (const char* text : {"level 1", "level 2", "level 3"}) {
        const logged r = find(text);
        CHECK(r.text == text);
        CHECK(r.context == ids[1]);
        CHECK(r.logger == "shop.till");
    }
    CHECK(find("level 3").level == log::level::error);
}

TEST_CASE("children begin with their parent's level, and may have one of their own") {
    const restore_level back;
    log::set_level(log::level::error);
    log_capture log;
    {
        tree t;
        mitogen::context outer = t.root.local();
        CHECK(outer.call<&level_here>() == static_cast<std::uint8_t>(log::level::error));
        outer.call<&log_at_all_levels>("quiet");
        log::set_level(log::level::debug); // of this process only
        CHECK(outer.call<&level_here>() == static_cast<std::uint8_t>(log::level::error));
        outer.call<&set_level>(std::uint8_t{0});
        mitogen::context inner = outer.call<&make_child>();
        CHECK(inner.call<&level_here>() == 0);
        inner.call<&log_at_all_levels>("loud");
    }
    int quiet = 0;
    int loud = 0;
    for (const logged& r : log.records()) {
        quiet += r.logger == "quiet" ? 1 : 0;
        loud += r.logger == "loud" ? 1 : 0;
    }
    CHECK(quiet == 1);
    CHECK(loud == 4);
}

TEST_CASE("a context that prints without end loses lines, which is said; calls go on") {
    const int fd = GENERATE(1, 2, 0); // 0: its own records
    const restore_level back;
    log_capture log;
    constexpr std::uint32_t many = 300'000;
    mitogen::context_id id = 0;
    {
        tree t;
        if (fd == 2) log::set_bounds({.lines_per_second = 1000, .seconds_at_once = 2});
        mitogen::context child = t.root.local({.name = "chatty"});
        id = child.id();
        child.call<&set_rate>(std::uint64_t{1000}, 2u);
        CHECK(child.call<&rate_here>() == 1000);
        auto flood =
            fd ? child.call_async<&print_lines>(fd, many) : child.call_async<&log_lines>(many);
        flood.get();
        CHECK(child.call<&echo>(7) == 7);
    }
    const account a(log.records());
    CHECK(a.all() == many); // nothing is lost without a word
    CHECK(a.in_order());
    CHECK(a.earliest(2000));
    CHECK(a.lost > 0);
    CHECK(a.notices < 100);
    for (const logged& r : log.records()) {
        CHECK(r.context == id);
        CHECK(r.place == "chatty");
        if (!contains(r.text, " dropped (")) continue;
        INFO(r.text);
        CHECK(r.level == log::level::warning);
        CHECK(r.logger == "mitogen");
        CHECK(contains(r.text, fd == 1   ? " of stdout "
                               : fd == 2 ? " of stderr "
                                         : " log records "));
        CHECK(contains(r.text, "more than 1000 lines or "));
    }
}

TEST_CASE(
    "a process that never stops printing starves no call, fills no memory, and hinders no end") {
    const int fd = GENERATE(1, 2);
    const restore_level back;
    log_capture log;
    {
        tree t;
        if (fd == 2) log::set_bounds({.lines_per_second = 1000, .seconds_at_once = 1});
        mitogen::context child = t.root.local();
        child.call<&set_rate>(std::uint64_t{1000}, 1u);
        const std::uint64_t before = memory() + child.call<&memory>();
        REQUIRE(child.call<&shell>("yes >&" + std::to_string(fd) + " & exit 0") == 0);
        CHECK(log.wait_for(" dropped ("));
        for (int i = 0; i < 100; ++i) REQUIRE(child.call<&echo>(i) == i);
        const std::uint64_t after = memory() + child.call<&memory>();
        if (memory_tells) CHECK(after < before + (50u << 20));
    } // the end of the pipe ends it
    std::size_t lines = 0;
    for (const logged& r : log.records()) lines += r.text == "y" ? 1u : 0u;
    CHECK(lines >= 1000);
}

TEST_CASE("what was dropped is said soon, also where nothing more is printed") {
    const int fd = GENERATE(1, 2);
    const restore_level back;
    log_capture log;
    tree t;
    if (fd == 2) log::set_bounds({.lines_per_second = 1, .seconds_at_once = 5});
    mitogen::context child = t.root.local();
    child.call<&set_rate>(std::uint64_t{1}, 5u);
    child.call<&print_lines>(fd, 1000u);
    CHECK(log.wait_until([](const auto& all) { return account(all).all() == 1000; }));
    const account a(log.records());
    CHECK(a.earliest(5));
    CHECK(a.notices > 0);
}

TEST_CASE("each way has a rate of its own: what floods stdout silences no record") {
    log_capture log;
    {
        tree t;
        mitogen::context child = t.root.local();
        child.call<&set_rate>(std::uint64_t{100}, 1u);
        child.call<&print_lines>(1, 10'000u);
        child.call<&log_large>(10u);
        child.call<&print_lines>(2, 500u); // the parent's rate
    }
    std::size_t on_stderr = 0;
    bool own = false;
    for (const logged& r : log.records()) {
        on_stderr += r.logger == "stderr" ? 1u : 0u;
        own = own || r.logger == "big";
    }
    CHECK(own);
    CHECK(on_stderr == 500);
}

TEST_CASE("a record is cut where it is larger than any link should carry at once") {
    log_capture log;
    {
        tree t;
        t.root.local().call<&log_large>(10u << 20);
    }
    REQUIRE(log.records().size() == 1);
    CHECK(log.records()[0].text == std::string(64u << 10, 'b'));
}

TEST_CASE(
    "what a child prints on stderr before it is up is kept up to a bound, the earliest first") {
    log_capture log;
    mitogen::detail::broker_engine<mitogen::io::native> loop;
    generic::shared_pipe pipe;
    // more than a megabyte, not more than the rate allows at once
    constexpr std::uint32_t many = 60'000;
    std::unique_ptr<mitogen::detail::child_stderr<mitogen::io::native>> heard;
    long begun = -1;
    loop.run([&] {
        mitogen::io::native::descriptor end(::dup(pipe.read_end()));
        if (loop.io().set_nonblocking(end.get(), true) < 0) return;
        heard = std::make_unique<mitogen::detail::child_stderr<mitogen::io::native>>(
            loop, std::move(end), 7u, "wordy");
        begun = heard->begin();
    });
    REQUIRE(begun >= 0);
    print_lines(pipe.write_end(), many); // returns when all but what a pipe holds was read
    pipe.close_write_end();
    CHECK(log.records().empty());
    loop.run([&] {
        (void)heard->last_words();
        heard->show();
        heard->finish();
        heard.reset();
    });
    const account a(log.records());
    CHECK(a.all() == many);
    CHECK(a.earliest(10'000));
    CHECK(a.lines.size() < 20'000); // a megabyte, with what each costs
    REQUIRE(a.notices == 1);
    CHECK(contains(log.records().back().text, "more than is kept until it is up"));
}

} // namespace
