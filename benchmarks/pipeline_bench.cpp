// SPDX-License-Identifier: BSL-1.0
// pipeline_bench.cpp: small calls that do not wait for one another, beside the same bytes in
// batches through a pipe like theirs.
//
//   ./pipeline_bench [--rounds=7] [--calls=100000] [--json[=file]] [--smoke]
//   ./pipeline_bench --count=N [--depth=100] [loop|main|loop-fork|main-fork|no-reply]
//
// With --count: N calls and nothing else, for count_costs and profilers.
//
// Everything on one CPU; a second is one of CPU time, of both processes together.

#include "support/raw.hpp"
#include "support/report.hpp"

#include <mitogen/mitogen.hpp>

#include <vector>

int add_on_main(int a, int b) { return a + b; }
int add_on_loop(int a, int b) { return a + b; }
template <>
inline constexpr auto mitogen::run_on<&add_on_loop> = mitogen::on::loop;

namespace {

using namespace bench;

void check(int sum) {
    if (sum != 5) std::abort();
}

template <auto F>
void no_reply(const mitogen::context& child, std::size_t calls) {
    for (std::size_t i = 0; i < calls; ++i) child.call_no_reply<F>(2, 3);
    check(child.call<F>(2, 3)); // the last of them has run: calls of one thread keep their order
}

/// `depth` calls at once, then all their answers; again and again.
template <auto F>
void bursts(const mitogen::context& child, std::size_t calls, std::size_t depth) {
    std::vector<mitogen::future<int>> answers(depth);
    for (std::size_t done = 0; done < calls; done += depth) {
        for (auto& a : answers) a = child.call_async<F>(2, 3);
        for (auto& a : answers) check(a.get());
    }
}

/// `depth` calls in flight all the time: for each answer a new call.
template <auto F>
void window(const mitogen::context& child, std::size_t calls, std::size_t depth) {
    std::vector<mitogen::future<int>> answers(depth);
    for (auto& a : answers) a = child.call_async<F>(2, 3);
    for (std::size_t done = 0; done + depth < calls; ++done) {
        auto& oldest = answers[done % depth];
        check(oldest.get());
        oldest = child.call_async<F>(2, 3);
    }
    for (auto& a : answers) check(a.get());
}

void raw_bursts(raw::ends link, std::size_t calls, std::size_t depth) {
    std::vector<raw::message> messages(depth);
    for (std::size_t done = 0; done < calls; done += depth) {
        if (!raw::write_all(link.out, messages.data(), depth * sizeof(raw::message))) die("write");
        if (!raw::read_all(link.in, messages.data(), depth * sizeof(raw::message))) die("read");
    }
}

template <class Work>
void rate(rounds& all, const std::string& name, ::pid_t other, std::size_t calls, Work&& work) {
    const cpu_meter used(other);
    work();
    all.add(name, static_cast<double>(calls) / used.seconds());
}

void run(report& out) {
    const std::size_t count = out.count("rounds", 7, 1);
    const std::size_t most = out.count("calls", 100'000, 200);
    const std::size_t depths[] = {1, 10, 100, 1000};
    raw::peer echo(raw::channel::pipe, raw::serve_epoll);
    raw::peer sink(raw::channel::pipe,
                   [most](raw::ends link) { raw::serve_sink(link, most * sizeof(raw::message)); });
    mitogen::broker loop;
    mitogen::router root(loop);
    const auto child = root.local();
    const ::pid_t other = root.child_pid(child.id());

    rounds all;
    const auto named = [](const char* what, std::size_t depth) {
        return what + (", depth " + std::to_string(depth));
    };
    const auto calls_at = [most](std::size_t depth) {
        return depth < 10 ? most / 10 : most / depth * depth;
    };
    for (std::size_t r = 0; r < count; ++r) {
        for (const std::size_t depth : depths) {
            const std::size_t calls = calls_at(depth);
            if (depth > most) continue;
            rate(all, named("raw batches", depth), echo.pid(), calls,
                 [&] { raw_bursts(echo.here, calls, depth); });
            rate(all, named("call_async on::loop", depth), other, calls,
                 [&] { bursts<&add_on_loop>(child, calls, depth); });
            rate(all, named("call_async on::main", depth), other, calls,
                 [&] { bursts<&add_on_main>(child, calls, depth); });
            rate(all, named("sliding window on::main", depth), other, calls,
                 [&] { window<&add_on_main>(child, calls, depth); });
        }
        rate(all, "raw one way, 1000 at once", sink.pid(), most, [&] {
            std::vector<raw::message> messages(1000);
            for (std::size_t left = most; left;) {
                const std::size_t part = std::min<std::size_t>(left, 1000);
                if (!raw::write_all(sink.here.out, messages.data(), part * sizeof(raw::message)))
                    die("write");
                left -= part;
            }
            char done;
            if (!raw::read_all(sink.here.in, &done, 1)) die("read");
        });
        rate(all, "call_no_reply on::loop", other, most,
             [&] { no_reply<&add_on_loop>(child, most); });
        rate(all, "call_no_reply on::main", other, most,
             [&] { no_reply<&add_on_main>(child, most); });
    }
    for (const std::size_t depth : depths) {
        if (depth > most) continue;
        const target wanted = depth == 100 ? value_at_least(0.8e6, 2.5e6) : target{};
        for (const char* what : {"call_async on::loop", "call_async on::main"})
            out.add(all, named(what, depth), named("raw batches", depth), "calls/s", wanted);
        out.add(all, named("sliding window on::main", depth), named("raw batches", depth),
                "calls/s");
    }
    for (const char* what : {"call_no_reply on::loop", "call_no_reply on::main"})
        out.add(all, what, "raw one way, 1000 at once", "calls/s", value_at_least(1e6, 8e6));
}

/// Calls and nothing else.
int count_only(const report& out) {
    const std::size_t calls = out.count("count", 0, 0);
    const std::size_t depth = out.count("depth", 100, 100);
    const std::string kind = out.words().empty() ? "loop" : out.words().front();
    mitogen::broker loop;
    mitogen::router root(loop);
    const auto child = kind.find("fork") != std::string::npos ? root.fork() : root.local();
    if (kind == "no-reply") {
        no_reply<&add_on_main>(child, calls);
    } else if (kind.substr(0, 4) == "loop") {
        bursts<&add_on_loop>(child, calls, depth);
    } else {
        bursts<&add_on_main>(child, calls, depth);
    }
    return 0;
}

} // namespace

int main(int argc, char** argv) {
    mitogen::init(argc, argv);
    report out(argc, argv);
    placement().pin(true);
    if (out.has("count")) return count_only(out);
    run(out);
    return out.finish();
}
