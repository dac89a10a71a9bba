// SPDX-License-Identifier: BSL-1.0
// hop_bench.cpp: what each further hop adds to a small call, beside a message that as many raw
// relays pass on; and a small call beside a large transfer on the same links.
//
//   ./hop_bench [--pin | --no-pin] [--rounds=7] [--calls=2000] [--hops=5] [--mib=256]
//   [--json[=file]] [--smoke]
//   ./hop_bench --only-hops, --only-transfer [--no-blob]
//
// Without --pin and --no-pin it does both: everything on one CPU, then on all. A raw relay is a
// process with one thread and one epoll object that watches both of its neighbours and passes on
// what it reads.

#include "support/raw.hpp"
#include "support/report.hpp"

#include <mitogen/mitogen.hpp>

#include <atomic>
#include <deque>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

int add_on_main(int a, int b) { return a + b; }
int add_on_loop(int a, int b) { return a + b; }
std::size_t take_blob(mitogen::blob bytes) { return bytes.size(); }
std::size_t take_view(std::string_view bytes) { return bytes.size(); }
template <>
inline constexpr auto mitogen::run_on<&add_on_loop> = mitogen::on::loop;
template <>
inline constexpr auto mitogen::run_on<&take_view> = mitogen::on::pool;

namespace {

using namespace bench;

void check(bool right) {
    if (!right) std::abort();
}

/// Between two links: what comes on one leaves on the other.
void serve_relay(raw::ends up, raw::ends down) {
    const int epoll = ::epoll_create1(EPOLL_CLOEXEC);
    for (const int fd : {up.in, down.in}) {
        raw::set_nonblocking(fd);
        ::epoll_event e{};
        e.events = EPOLLIN;
        e.data.fd = fd;
        if (::epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &e) != 0) die("epoll_ctl");
    }
    std::vector<char> bytes(1 << 18);
    for (;;) {
        ::epoll_event events[2];
        const int n = ::epoll_wait(epoll, events, 2, -1);
        for (int i = 0; i < n; ++i) {
            const int from = events[i].data.fd;
            const ssize_t got = ::read(from, bytes.data(), bytes.size());
            if (got < 0 && errno == EAGAIN) continue;
            if (got <= 0) return;
            if (!raw::write_all(from == up.in ? down.out : up.out, bytes.data(),
                                static_cast<std::size_t>(got)))
                return;
        }
    }
}

/// The end of a chain of `hops` raw processes; all but the last one pass on.
void serve_chain(raw::ends up, std::size_t hops) {
    if (hops <= 1) return raw::serve_epoll(up);
    const raw::peer next(raw::channel::pipe,
                         [hops](raw::ends link) { serve_chain(link, hops - 1); });
    serve_relay(up, next.here);
}

/// A chain of raw processes, and this end of it.
struct raw_chain {
    raw::peer first;
    raw::caller end;

    explicit raw_chain(std::size_t hops)
        : first(raw::channel::pipe, [hops](raw::ends link) { serve_chain(link, hops); }),
          end(first.here) {}
};

std::string hops_text(std::size_t n) { return std::to_string(n) + (n == 1 ? " hop" : " hops"); }

void measure_hops(report& out, bool pinned) {
    const std::string tag = pinned ? ", pinned" : ", all CPUs";
    const std::size_t hops = out.count("hops", 5, 3);
    const std::size_t calls = out.count("calls", 2000, 20);
    std::deque<raw_chain> raw;
    for (std::size_t n = 1; n <= hops; ++n) raw.emplace_back(n);
    mitogen::broker loop;
    mitogen::router root(loop);
    std::vector<mitogen::context> chain{root.local()};
    while (chain.size() < hops) chain.push_back(chain.back().local());
    rounds all;
    samples times;
    for (std::size_t r = out.count("rounds", 7, 1); r; --r) {
        double raw_before = 0;
        double loop_before = 0;
        double main_before = 0;
        for (std::size_t n = 1; n <= hops; ++n) {
            rounds one;
            const mitogen::context& c = chain[n - 1];
            const auto measure = [&](const char* what, auto call) {
                measure_each(times, calls, call);
                one.add(what, times.quantile_us(0.5));
            };
            measure("raw", [&] { raw[n - 1].end.call(); });
            measure("loop", [&] { check(c.call<&add_on_loop>(2, 3) == 5); });
            measure("main", [&] { check(c.call<&add_on_main>(2, 3) == 5); });
            const std::string text = hops_text(n) + tag;
            all.add("raw, " + text, one.middle("raw"));
            all.add("call on::loop, " + text, one.middle("loop"));
            all.add("call on::main, " + text, one.middle("main"));
            // the mean of the further hops: one alone is smaller than the noise
            if (n == hops && hops > 1) {
                const auto further = static_cast<double>(hops - 1);
                all.add("raw, a further hop" + tag, (one.middle("raw") - raw_before) / further);
                all.add("call on::loop, a further hop" + tag,
                        (one.middle("loop") - loop_before) / further);
                all.add("call on::main, a further hop" + tag,
                        (one.middle("main") - main_before) / further);
            }
            if (n > 1) continue;
            raw_before = one.middle("raw");
            loop_before = one.middle("loop");
            main_before = one.middle("main");
        }
    }
    for (std::size_t n = 1; n <= hops; ++n) {
        const std::string text = hops_text(n) + tag;
        out.add(all, "call on::loop, " + text, "raw, " + text, "us");
        out.add(all, "call on::main, " + text, "raw, " + text, "us");
    }
    const target wanted = pinned ? ratio_at_most(0, 1.1) : target{};
    out.add(all, "call on::loop, a further hop" + tag, "raw, a further hop" + tag, "us", wanted);
    out.add(all, "call on::main, a further hop" + tag, "raw, a further hop" + tag, "us", wanted);
}

/// How the large bytes travel.
enum class load { many_calls, one_blob };

/// Small calls of the grandchild, and of the context between, while large ones go to the
/// grandchild.
struct transfer {
    const mitogen::context& hop;
    const mitogen::context& far;
    std::size_t bytes;
    load how;

    /// All of it. Returns how long it took, s.
    double send() const {
        const std::uint64_t begin = now();
        if (how == load::one_blob) {
            check(far.call<&take_blob>(mitogen::blob(std::string(bytes, 'x'))) == bytes);
        } else {
            constexpr std::size_t each = 4 << 20;
            const std::string part(std::min(each, bytes), 'x');
            std::vector<mitogen::future<std::size_t>> under_way; // two at a time: back to back
            for (std::size_t sent = 0; sent < bytes; sent += part.size()) {
                if (under_way.size() == 2) {
                    check(under_way.front().get() == part.size());
                    under_way.erase(under_way.begin());
                }
                under_way.push_back(far.call_async<&take_view>(part));
            }
            for (auto& f : under_way) check(f.get() == part.size());
        }
        return static_cast<double>(now() - begin) / 1e9;
    }

    /// Small calls until `stop`; one of far and one of the hop, in turn.
    void small(samples& of_far, samples& of_hop, const std::atomic<bool>& stop,
               std::size_t at_most) const {
        of_far.clear(at_most);
        of_hop.clear(at_most);
        for (std::size_t i = 0; i < at_most && !stop.load(std::memory_order_relaxed); ++i) {
            std::uint64_t begin = now();
            check(far.call<&add_on_loop>(2, 3) == 5);
            of_far.add(now() - begin);
            begin = now();
            check(hop.call<&add_on_loop>(2, 3) == 5);
            of_hop.add(now() - begin);
        }
    }
};

void measure_transfer(report& out, bool pinned, load how) {
    const std::string tag = std::string(how == load::one_blob ? ", one blob" : ", 4 MiB calls") +
                            (pinned ? ", pinned" : ", all CPUs");
    const std::size_t bytes = out.count("mib", 256, 8) << 20;
    mitogen::broker loop;
    mitogen::router_options options;
    options.limits.message_bytes =
        std::max<std::uint64_t>(options.limits.message_bytes, bytes + (1 << 20));
    options.limits.queue_bytes =
        std::max<std::uint64_t>(options.limits.queue_bytes, bytes + (2 << 20));
    mitogen::router root(loop, options);
    const mitogen::context hop = root.local();
    const mitogen::context far = hop.local();
    const transfer t{hop, far, bytes, how};
    constexpr double fragment = 128 * 1024;
    rounds all;
    samples of_far;
    samples of_hop;
    for (std::size_t r = out.count("rounds", 3, 1); r; --r) {
        std::atomic<bool> stop{false};
        t.small(of_far, of_hop, stop, out.count("calls", 2000, 20));
        for (const auto& [q, text] : {std::pair(0.5, " p50"), std::pair(0.99, " p99")}) {
            all.add("idle, grandchild" + tag + text, of_far.quantile_us(q));
            all.add("idle, child" + tag + text, of_hop.quantile_us(q));
        }
        double alone_s = t.send();
        alone_s = t.send();
        double beside_s = 0;
        std::thread sender([&] {
            beside_s = t.send();
            stop = true;
        });
        t.small(of_far, of_hop, stop, 10'000'000);
        sender.join();
        for (const auto& [q, text] :
             {std::pair(0.5, " p50"), std::pair(0.99, " p99"), std::pair(1.0, " max")}) {
            all.add("beside, grandchild" + tag + text, of_far.quantile_us(q));
            all.add("beside, child" + tag + text, of_hop.quantile_us(q));
        }
        const double fragment_us = alone_s * 1e6 * fragment / static_cast<double>(bytes);
        all.add("one fragment" + tag, fragment_us);
        all.add("transfer alone" + tag, static_cast<double>(bytes) / alone_s / (1 << 20));
        all.add("transfer beside calls" + tag, static_cast<double>(bytes) / beside_s / (1 << 20));
        for (const char* who : {"grandchild", "child"}) {
            const std::string idle = std::string("idle, ") + who + tag + " p99";
            rounds& a = all;
            a.add(std::string("fragment + 2 x idle p99, ") + who + tag,
                  fragment_us + 2 * a.middle(idle));
        }
    }
    for (const char* who : {"grandchild", "child"}) {
        const std::string name = who + tag;
        out.add(all, "beside, " + name + " p50", "idle, " + name + " p50", "us");
        out.add(all, "beside, " + name + " p99", "fragment + 2 x idle p99, " + name, "us",
                ratio_at_most(0, 1));
        out.add("idle, " + name + " p99", all.middle("idle, " + name + " p99"), "us");
        out.add("beside, " + name + " max", all.middle("beside, " + name + " max"), "us");
    }
    out.add("one fragment" + tag, all.middle("one fragment" + tag), "us");
    out.add(all, "transfer beside calls" + tag, "transfer alone" + tag, "MiB/s");
}

void run(report& out, bool pinned) {
    if (!out.has("only-transfer")) measure_hops(out, pinned);
    if (out.has("only-hops")) return;
    measure_transfer(out, pinned, load::many_calls);
    if (!out.has("no-blob")) measure_transfer(out, pinned, load::one_blob);
}

} // namespace

int main(int argc, char** argv) {
    mitogen::init(argc, argv);
    report out(argc, argv);
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
