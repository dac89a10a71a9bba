// SPDX-License-Identifier: BSL-1.0
// call_bench.cpp: what one small call to a local child costs, beside what two processes need to say
// the same to each other.
//
//   ./call_bench [--pin | --no-pin] [--rounds=7] [--calls=4000] [--threads] [--json[=file]]
//   [--smoke]
//   ./call_bench --count=N raw|loop|main|loop-fork|main-fork      N calls and nothing else, for
//                                                                 count_costs and profilers
//
// Without --pin and --no-pin it does both: everything on one CPU (work is what is measured), then
// on all (waking a sleeping CPU is).

#include "support/raw.hpp"
#include "support/report.hpp"

#include <mitogen/mitogen.hpp>

#include <optional>
#include <thread>

int add_on_main(int a, int b) { return a + b; }
int add_on_loop(int a, int b) { return a + b; }
template <>
inline constexpr auto mitogen::run_on<&add_on_loop> = mitogen::on::loop;

namespace {

using namespace bench;

void check(int sum) {
    if (sum != 5) std::abort();
}

template <class Call>
void latency(rounds& all, const std::string& name, samples& times, std::size_t calls, Call&& call) {
    measure_each(times, calls, call);
    all.add(name + " p50", times.quantile_us(0.5));
    all.add(name + " p99", times.quantile_us(0.99));
}

/// Calls for each second, with `threads` callers of `calls` each. `call(thread)`.
template <class Call>
double throughput(std::uint32_t threads, std::size_t calls, Call&& call) {
    std::atomic<std::uint32_t> ready{0};
    raw::signal go_on[64];
    std::vector<std::thread> callers;
    for (std::uint32_t t = 0; t < threads; ++t) {
        callers.emplace_back([&, t] {
            call(t);
            ready.fetch_add(1);
            go_on[t].wait();
            for (std::size_t i = 0; i < calls; ++i) call(t);
        });
    }
    while (ready.load() != threads) std::this_thread::yield();
    const std::uint64_t begin = now();
    for (std::uint32_t t = 0; t < threads; ++t) go_on[t].set();
    for (std::thread& t : callers) t.join();
    return static_cast<double>(calls * threads) * 1e9 / static_cast<double>(now() - begin);
}

void run(report& out, bool pinned) {
    const std::string tag = pinned ? ", pinned" : ", all CPUs";
    const std::size_t count = out.count("rounds", 7, 1);
    const std::size_t calls = out.count("calls", 4000, 20);

    raw::peer epoll_peer(raw::channel::pipe, raw::serve_epoll);
    raw::peer classic_peer(raw::channel::pipe, raw::serve_classic);
    raw::peer gathering_peer(raw::channel::pipe, raw::serve_inline);
    raw::caller epoll_caller(epoll_peer.here);
    raw::classic_client classic(classic_peer.here, 1);
    raw::classic_client gathering(gathering_peer.here, 64);
    mitogen::broker loop;
    mitogen::router root(loop);
    const auto child = root.local();

    rounds all;
    samples times;
    const std::uint32_t crowds[] = {1, 8, 32};
    for (std::size_t r = 0; r < count; ++r) {
        latency(all, "raw epoll pipe" + tag, times, calls, [&] { epoll_caller.call(); });
        latency(all, "call on::loop" + tag, times, calls,
                [&] { check(child.call<&add_on_loop>(2, 3)); });
        latency(all, "call on::main" + tag, times, calls,
                [&] { check(child.call<&add_on_main>(2, 3)); });
        latency(all, "raw classic broker" + tag, times, calls, [&] { classic.call(0); });
    }
    for (std::size_t r = 0; r < count; ++r) {
        for (const std::uint32_t threads : crowds) {
            const std::string who =
                ", " + std::to_string(threads) + (threads == 1 ? " thread" : " threads") + tag;
            const std::size_t each = calls / threads + 1;
            all.add("raw gathering broker" + who,
                    throughput(threads, each, [&](std::uint32_t t) { gathering.call(t); }));
            all.add("on::loop" + who, throughput(threads, each, [&](std::uint32_t) {
                        check(child.call<&add_on_loop>(2, 3));
                    }));
            all.add("on::main" + who, throughput(threads, each, [&](std::uint32_t) {
                        check(child.call<&add_on_main>(2, 3));
                    }));
        }
    }

    const auto ours = [&](const char* where, const char* quantile) {
        return "call on::" + std::string(where) + tag + quantile;
    };
    const auto theirs = [&](const char* what, const char* quantile) {
        return "raw " + std::string(what) + tag + quantile;
    };
    out.add(all, ours("loop", " p50"), theirs("epoll pipe", " p50"), "us",
            pinned ? ratio_at_most(2, 1.25) : target{});
    out.add(all, ours("main", " p50"), theirs("epoll pipe", " p50"), "us",
            pinned ? ratio_at_most(3.2, 1.4) : target{});
    out.add(all, ours("loop", " p99"), theirs("epoll pipe", " p99"), "us");
    out.add(all, ours("main", " p99"), theirs("epoll pipe", " p99"), "us");
    out.add(all, ours("loop", " p50"), theirs("classic broker", " p50"), "us");
    out.add(all, ours("main", " p50"), theirs("classic broker", " p50"), "us");
    for (const std::uint32_t threads : crowds) {
        const std::string who =
            ", " + std::to_string(threads) + (threads == 1 ? " thread" : " threads") + tag;
        const target wanted = threads == 32 && pinned ? ratio_at_least(0, 0.8) : target{};
        out.add(all, "on::loop" + who, "raw gathering broker" + who, "calls/s", wanted);
        out.add(all, "on::main" + who, "raw gathering broker" + who, "calls/s", wanted);
    }
}

/// Calls and nothing else.
int count_only(const report& out) {
    const std::size_t calls = out.count("count", 0, 0);
    const std::string kind = out.words().empty() ? "loop" : out.words().front();
    placement().pin(true);
    if (kind == "raw") {
        raw::peer peer(raw::channel::pipe, raw::serve_epoll);
        raw::caller caller(peer.here);
        for (std::size_t i = 0; i < calls; ++i) caller.call();
        return 0;
    }
    mitogen::broker loop;
    mitogen::router root(loop);
    const auto child = kind.find("fork") != std::string::npos ? root.fork() : root.local();
    if (kind.substr(0, 4) == "loop") {
        for (std::size_t i = 0; i < calls; ++i) check(child.call<&add_on_loop>(2, 3));
    } else {
        for (std::size_t i = 0; i < calls; ++i) check(child.call<&add_on_main>(2, 3));
    }
    return 0;
}

} // namespace

int main(int argc, char** argv) {
    mitogen::init(argc, argv);
    report out(argc, argv);
    if (out.has("count")) return count_only(out);
    const placement cpus;
    if (!out.has("no-pin")) {
        cpus.pin(true);
        run(out, true);
    }
    if (!out.has("pin")) {
        cpus.pin(false);
        run(out, false);
    }
    return out.finish();
}
