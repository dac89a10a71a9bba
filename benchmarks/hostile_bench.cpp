// SPDX-License-Identifier: BSL-1.0
// hostile_bench.cpp: a small call of a child, while another child sends without end what does most
// harm: half of the calls and all but one in a hundred take how long, and how much memory the
// parent comes to hold. Held against calls beside nothing; the first two rows are what it costs
// that other threads keep processors busy, which floods do too.
//
//   ./hostile_bench [--ms=1000] [--rounds=3] [--json[=file]] [--smoke]

#include "../tests/hostile/trust/raw.hpp"
#include "support/report.hpp"

#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <span>
#include <string>
#include <thread>
#include <vector>

namespace hostile_bench {

int add(int a, int b) { return a + b; }

struct flood {
    const char* name;
    void (*life)(raw&);
};

constexpr context_id healthy = 1; // the first child

void until_closed(raw& h, header what, std::span<const std::byte> payload = {}) {
    while (h.put(what, payload)) {}
}

/// Uses a processor until the link ends.
void keep_busy(raw& h) {
    char c;
    while (::recv(h.fd, &c, 1, MSG_DONTWAIT | MSG_PEEK) != 0)
        for (volatile int i = 0; i < 100'000;) i = i + 1;
}

const flood floods[] = {
    {"a busy processor", &keep_busy},
    {"two busy processors", // as where the flood also keeps the healthy child, or a thread, busy
     [](raw& h) {
         std::thread second([&h] { keep_busy(h); });
         keep_busy(h);
         second.join();
     }},
    {"refused frames", [](raw& h) { until_closed(h, h.to(0, 5'000'000)); }},
    {"requests, answers unread",
     [](raw& h) { until_closed(h, h.to(0, H::heartbeat, 5'000'000'000)); }},
    {"frames to the healthy child", [](raw& h) { until_closed(h, h.to(healthy, 5'000'000)); }},
    {"healthy child answers it, unread",
     [](raw& h) { until_closed(h, h.to(healthy, 5'000'000, 5'000'000'000)); }},
    {"ids",
     [](raw& h) {
         std::thread([&h] { h.listen(); }).detach();
         until_closed(h, h.to(0, H::allocate_id, 5'000'000'000));
     }},
    {"routes, nested",
     [](raw& h) {
         context_id above = h.id;
         for (context_id i = 1'000'000; h.add_route(i, above); ++i) above = i;
     }},
    {"routes come and go",
     [](raw& h) {
         for (context_id i = 1'000'000; h.add_route(i, h.id) && h.del_route(i, 200); ++i) {}
     }},
    {"names of 1 MiB",
     [](raw& h) {
         const std::string name(1 << 20, 'n');
         for (context_id i = 1'000'000; h.add_route(i, h.id, name); ++i) {}
     }},
    {"empty fragments of 4,096 messages", [](raw& h) { h.begin_messages(4096); }},
    {"messages of 64 MiB",
     [](raw& h) {
         const std::vector<std::byte> bytes(64 << 20);
         while (h.message(h.to(0, 5'000'000), bytes)) {}
     }},
    {"log records",
     [](raw& h) {
         const auto record = mitogen::encode(h.id, std::uint8_t{3}, std::string("mitogen"),
                                             std::string("many"), std::uint64_t{0});
         until_closed(h, h.to(0, H::forward_log), record);
     }},
    {"records of 1 MiB, control characters",
     [](raw& h) {
         const auto record = mitogen::encode(h.id, std::uint8_t{3}, std::string("mitogen"),
                                             std::string(1 << 20, '\x1b'), std::uint64_t{0});
         while (h.message(h.to(0, H::forward_log), record)) {}
     }},
};

/// What a call of the healthy child takes for `ms`, and by how much the memory grew at most.
struct finding {
    double half_us, most_us, grown_mib;
};

finding measure(const mitogen::context& healthy_child, std::uint64_t ms) {
    const long before = rss_mib();
    long most = before;
    bench::samples times;
    const std::uint64_t end = bench::now() + ms * 1'000'000;
    for (std::uint64_t begin = bench::now(), look = 0; begin < end;) {
        if (healthy_child.call<&add>(1, 2) != 3) std::abort();
        const std::uint64_t done = bench::now();
        times.add(done - begin);
        if (done > look) most = std::max(most, rss_mib()), look = done + 10'000'000;
        begin = bench::now();
    }
    return {times.quantile_us(0.5), times.quantile_us(0.99),
            static_cast<double>(std::max(most, rss_mib()) - before)};
}

int run(int argc, char** argv) {
    bench::report out(argc, argv);
    const std::uint64_t ms = out.count("ms", 1000, 20);
    const std::size_t rounds = out.count("rounds", 3, 1);
    bench::rounds all;
    mitogen::log::set_sink([](const mitogen::log::record&) {});
    for (std::size_t round = 0; round < rounds; ++round) {
        for (const flood& f : floods) {
            mitogen::broker loop;
            mitogen::router root(loop);
            const mitogen::context child = root.local({.name = "healthy"});
            (void)measure(child, ms / 10 + 1);
            const finding alone = measure(child, ms);
            all.add(std::string(f.name) + ": alone, half", alone.half_us);
            all.add(std::string(f.name) + ": alone, 99 %", alone.most_us);
            hostile bad(root, f.life);
            const finding beside = measure(child, ms);
            all.add(std::string(f.name) + ": half", beside.half_us);
            all.add(std::string(f.name) + ": 99 %", beside.most_us);
            all.add(std::string(f.name) + ": memory", beside.grown_mib);
        }
    }
    for (const flood& f : floods) {
        const std::string name = f.name;
        out.add(all, name + ": half", name + ": alone, half", "us");
        out.add(all, name + ": 99 %", name + ": alone, 99 %", "us", bench::ratio_at_most(0, 10));
        out.add(name + ": memory", all.middle(name + ": memory"), "MiB");
    }
    return out.finish();
}

} // namespace hostile_bench

int main(int argc, char** argv) {
    mitogen::init(argc, argv);
    return hostile_bench::run(argc, argv);
}
