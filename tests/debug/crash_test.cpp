// SPDX-License-Identifier: BSL-1.0
#include <mitogen/mitogen.hpp>
#ifdef MITOGEN_SEPARATE
#include <mitogen/base/config.hpp>
#include <mitogen/debug/crashes/crash_text.hpp>
#include <mitogen/debug/frames/frame_names.hpp>
#include <mitogen/debug/frames/own_frames.hpp>
#include <mitogen/os/program/loaded_modules.hpp>
#endif

#include "support/sanitized.hpp"

#include <algorithm>
#include <atomic>
#include <catch2/catch.hpp>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <mutex>
#include <stdexcept>
#include <string>
#include <sys/mman.h>
#include <thread>
#include <vector>

// Not in the unnamed namespace: their names are looked for.
namespace crashes {

int* volatile nowhere = nullptr;
volatile int sink = 0;

[[maybe_unused]] constexpr int line_of_store = __LINE__ + 2;
[[gnu::noinline]] void stores() {
    *nowhere = 1;
    sink = sink + 1;
}

void in_call() { stores(); }

void in_thread() {
    std::thread([] { stores(); }).join();
}

[[gnu::noinline]] void calls_abort() { std::abort(); }
void aborts() { calls_abort(); }

void throws_in_thread() {
    std::thread([] { throw std::runtime_error("nobody catches it"); }).join();
}

[[gnu::noinline]] void throws() { throw std::runtime_error("promised not to"); }
[[gnu::noinline]] void promises() noexcept { throws(); }
void breaks_promise() { promises(); }

[[gnu::noinline]] int recurses(int n) {
    volatile char used[512];
    used[0] = static_cast<char>(n);
    return n < 0 ? n : recurses(n + 1) + used[0];
}
void overflows() { sink = recurses(1); }
void overflows_in_pool() { sink = recurses(1); }

/// The first page of a file that has none.
[[gnu::noinline]] void stores_behind_end() {
    std::FILE* const file = std::tmpfile();
    void* const page = ::mmap(nullptr, 1, PROT_READ | PROT_WRITE, MAP_SHARED, ::fileno(file), 0);
    *static_cast<volatile char*>(page) = 1;
    sink = sink + 1;
}
void faults_on_bus() { stores_behind_end(); }

[[gnu::noinline]] void is_no_instruction() {
#if defined(__x86_64__) || defined(__i386__)
    asm volatile("ud2");
#else
    std::raise(SIGILL);
#endif
    sink = sink + 1;
}
void executes_nonsense() { is_no_instruction(); }

[[gnu::noinline]] int divides(int by) {
#if defined(__x86_64__) || defined(__i386__)
    volatile int whole = 7; // of a constant a compiler divides without dividing
    return whole / by;
#else
    return std::raise(SIGFPE) + by;
#endif
}
void divides_by_zero() { sink = divides(sink); }

struct half_made {
    half_made() { early(); }
    virtual ~half_made() = default;
    [[gnu::noinline]] void early() {
        work();
        sink = sink + 1;
    }
    virtual void work() = 0;
};
struct whole : half_made {
    void work() override { sink = sink + 1; }
};
[[gnu::noinline]] void calls_pure_virtual() {
    whole made;
    made.work();
}
void uses_half_made() { calls_pure_virtual(); }

struct dies_last {
    ~dies_last() {
        if (armed) stores();
    }
    bool armed = false;
};
dies_last at_exit;
void dies_behind_main() { at_exit.armed = true; }

/// While others are in malloc() and hold a mutex.
void in_busy_process() {
    std::atomic<int> ready{0};
    std::mutex held;
    std::thread holder([&] {
        const std::lock_guard lock(held);
        for (;; ++ready) std::free(std::malloc(static_cast<std::size_t>(ready % 5000 + 1)));
    });
    while (ready < 1000) std::this_thread::yield();
    stores();
    holder.join();
}

} // namespace crashes

template <>
inline constexpr auto mitogen::run_on<&crashes::in_busy_process> = mitogen::on::pool;
template <>
inline constexpr auto mitogen::run_on<&crashes::overflows_in_pool> = mitogen::on::pool;

namespace {

using mitogen::detail::crash_text;
using mitogen::detail::read_crash;

bool contains(const std::string& text, const std::string& part) {
    return text.find(part) != std::string::npos;
}

/// What the log says meanwhile.
class heard {
    std::mutex mutex_;
    std::string crashes_, all_;

public:
    heard() {
        mitogen::log::set_sink([this](const mitogen::log::record& r) {
            const std::lock_guard lock(mutex_);
            all_.append(r.text).append("\n");
            if (r.text.find(" crashed: signal ") != r.text.npos)
                crashes_.append(r.text).append("\n");
        });
    }
    heard(const heard&) = delete;
    ~heard() { mitogen::log::set_sink({}); }
    std::string crashes() {
        const std::lock_guard lock(mutex_);
        return crashes_;
    }
    std::string all() {
        const std::lock_guard lock(mutex_);
        return all_;
    }
};

struct outcome {
    std::string error, crashes, all;
};

template <auto F>
outcome crash(bool debug, bool chain = false) {
    mitogen::use_debugger();
    heard log;
    outcome o;
    {
        mitogen::broker loop;
        mitogen::router_options options;
        options.rules.debug = debug;
        mitogen::router root(loop, options);
        const mitogen::context child = chain ? root.local().local() : root.local();
        const auto said = child.try_call<F>();
        if (!said) o.error = said.error().what();
    } // until then the log is complete
    o.crashes = log.crashes();
    o.all = log.all();
    return o;
}

#if defined(__linux__) && !defined(MITOGEN_TEST_SANITIZED)

void check(const outcome& o, const std::string& signal, const std::string& function) {
    INFO(o.error);
    INFO(o.all);
    CHECK(contains(o.error, signal));
    CHECK_FALSE(contains(o.error, "mitogen frame"));
    CHECK_FALSE(contains(o.all, "mitogen frame"));
    CHECK(contains(o.crashes, signal));
    CHECK(contains(o.crashes, ", thread "));
    CHECK(contains(o.crashes, "#0"));
    CHECK(contains(o.crashes, function));
}

/// Of what is compiled without -g only the functions are known.
bool has_lines() {
    static const bool found = mitogen::detail::name_frames(mitogen::detail::own_frames())
                                  .at(0)
                                  .at(0)
                                  .line > 0;
    return found;
}
std::string at_store() { return has_lines() ? "crashes::stores() at " : "crashes::stores()"; }
std::string store_line() {
    return has_lines() ? "crash_test.cpp:" + std::to_string(crashes::line_of_store)
                       : "crashes::stores()";
}

TEST_CASE("a fault is reported with its address, its function and its line") {
    const outcome o = crash<&crashes::in_call>(true);
    check(o, "SIGSEGV", at_store());
    CHECK(contains(o.error, "address 0x0"));
    CHECK(contains(o.crashes, "address 0x0"));
    CHECK(contains(o.crashes, "#0  " + at_store()));
    CHECK(contains(o.crashes, store_line()));
    CHECK(contains(o.crashes, "crashes::in_call()"));
}

TEST_CASE("a fault in a thread of the program is reported") {
    check(crash<&crashes::in_thread>(true), "SIGSEGV", store_line());
}

TEST_CASE("abort() is reported") {
    check(crash<&crashes::aborts>(true), "SIGABRT", "crashes::calls_abort()");
}

TEST_CASE("an exception that nobody catches in a thread is reported where it was thrown") {
    const outcome o = crash<&crashes::throws_in_thread>(true);
    check(o, "SIGABRT", "crashes::throws_in_thread()");
    CHECK(contains(o.error, "nobody catches it"));
}

TEST_CASE("an exception that leaves a noexcept function is reported") {
    const outcome o = crash<&crashes::breaks_promise>(true);
    check(o, "SIGABRT", "crashes::promises()");
    CHECK(contains(o.error, "promised not to"));
}

TEST_CASE("the end of the stack is reported") {
    check(crash<&crashes::overflows>(true), "SIGSEGV", "crashes::recurses(int)");
}

TEST_CASE("the end of the stack of a thread of the pool is reported") {
    check(crash<&crashes::overflows_in_pool>(true), "SIGSEGV", "crashes::recurses(int)");
}

TEST_CASE("other signals of a fault are reported as what they are") {
    SECTION("memory behind the end of a file") {
        check(crash<&crashes::faults_on_bus>(true), "SIGBUS", "crashes::stores_behind_end()");
    }
    SECTION("no instruction") {
        check(crash<&crashes::executes_nonsense>(true), "SIGILL", "crashes::is_no_instruction()");
    }
    SECTION("a division by zero") {
        check(crash<&crashes::divides_by_zero>(true), "SIGFPE", "crashes::divides(int)");
    }
}

TEST_CASE("a pure virtual call is reported") {
    const outcome o = crash<&crashes::uses_half_made>(true);
    check(o, "SIGABRT", "crashes::half_made::");
    CHECK(contains(o.error, "pure virtual method called"));
}

TEST_CASE("a fault in a static destructor is reported") {
    const outcome o = crash<&crashes::dies_behind_main>(true);
    INFO(o.all);
    CHECK(o.error.empty()); // it has answered before
    CHECK(contains(o.crashes, "SIGSEGV"));
    CHECK(contains(o.crashes, store_line()));
}

TEST_CASE("a fault is reported while another thread holds locks, in a thread of the pool") {
    check(crash<&crashes::in_busy_process>(true), "SIGSEGV", store_line());
}

TEST_CASE("a crash further down is named by the root") {
    check(crash<&crashes::in_call>(true, true), "SIGSEGV", store_line());
}

#endif

TEST_CASE("of a tree that nobody debugs nothing is reported") {
    const outcome o = crash<&crashes::aborts>(false);
    CHECK(contains(o.error, "SIGABRT"));
    CHECK_FALSE(contains(o.error, "mitogen crash"));
    CHECK_FALSE(contains(o.all, "mitogen"));
    CHECK(o.crashes.empty());
}

TEST_CASE("of a report only what makes sense is read") {
    const auto frames = [](const std::string& line) { return read_crash(line).frames.size(); };
    const std::string mark(mitogen::os::crash_frame_mark);
    CHECK(frames(mark + "0x12 r abcd /lib/x y.so") == 1);
    const crash_text two = read_crash("words mitogen crash: signal 6, SIGABRT, thread 1\x1b[2J\n" +
                                      mark + "0x12 i - \n" + mark + "0x13 r ab /lib/x y.so");
    CHECK(two.signal == "signal 6, SIGABRT, thread 1\\x1b[2J");
    REQUIRE(two.frames.size() == 2);
    CHECK(two.frames[0].build_id.empty());
    CHECK(two.frames[0].module.empty());
    CHECK_FALSE(two.frames[0].is_call_site);
    CHECK(two.frames[1].module == "/lib/x y.so");
    for (const char* odd :
         {"", "0x", "12 r ab", "0x12", "0x12 x ab /l", "0x12 r", "0xfffffffffffffffff r a b"})
        CHECK(frames(mark + odd) == 0);
    std::string many;
    for (int i = 0; i < 1000; ++i) many += mark + "0x1 r ab x\n";
    CHECK(frames(many) == mitogen::os::most_crash_frames);
    CHECK(read_crash("mitogen crash: signal " + std::string(10'000, 'x')).signal.size() <= 200);
}

} // namespace
