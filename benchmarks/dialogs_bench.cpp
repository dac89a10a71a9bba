// SPDX-License-Identifier: BSL-1.0
// dialogs_bench.cpp: thousands of dialogs with one child at once, each a task at both ends: how
// long, and how much memory; also if their functions send without end and nobody receives.
//
//   ./dialogs_bench [--dialogs=10000] [--items=10] [--rounds=3] [--json[=file]] [--smoke]

#include "support/holding.hpp"
#include "support/report.hpp"

#include <mitogen/mitogen.hpp>

#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <vector>

#include <unistd.h>

namespace dialogs_bench {

using bench::ms_since;
using bench::private_kib;

/// Sends back what it receives; returns how many that were.
mitogen::task<int> echo(mitogen::dialog<void(int, int)>& peer) {
    peer.started();
    int count = 0;
    while (const auto item = co_await peer.async_try_receive()) {
        co_await peer.async_send(*item);
        ++count;
    }
    co_return count;
}

/// Sends as much as it may.
mitogen::task<int> flood(mitogen::dialog<void(int, int)>& peer) {
    peer.started();
    for (int i = 0;; ++i) co_await peer.async_send(i);
}

using open_dialog = mitogen::open_dialog<void(int, int), int>;

mitogen::task<void> exchange(open_dialog& d, int items) {
    for (int i = 0; i < items; ++i) {
        co_await d.async_send(i);
        if (co_await d.async_receive() != i) std::abort();
    }
}
mitogen::task<int> end(open_dialog& d) {
    d.close();
    co_return co_await d.async_result();
}

void one_round(bench::rounds& all, mitogen::router& root, std::size_t dialogs, int items) {
    auto child = root.local();
    const int pid = root.child_pid(child.id());
    const double here = private_kib(::getpid());
    const double there = private_kib(pid);
    std::vector<open_dialog> open;
    const std::uint64_t begin = bench::now();
    {
        std::vector<mitogen::spawned<open_dialog>> coming;
        for (std::size_t i = 0; i < dialogs; ++i)
            coming.push_back(mitogen::spawn(root, child.open_async<&echo>()));
        for (auto& c : coming) open.push_back(c.get());
    }
    all.add("open", ms_since(begin));
    const auto each = static_cast<double>(dialogs);
    // later it is there already
    if (!all.has("memory here")) all.add("memory here", (private_kib(::getpid()) - here) / each);
    all.add("memory there", (private_kib(pid) - there) / each);
    const std::uint64_t exchanging = bench::now();
    {
        std::vector<mitogen::spawned<void>> busy;
        for (open_dialog& d : open) busy.push_back(mitogen::spawn(root, exchange(d, items)));
        for (auto& b : busy) b.get();
    }
    all.add("exchange", ms_since(exchanging));
    const std::uint64_t ending = bench::now();
    {
        std::vector<mitogen::spawned<int>> busy;
        for (open_dialog& d : open) busy.push_back(mitogen::spawn(root, end(d)));
        for (auto& b : busy)
            if (b.get() != items) std::abort();
    }
    all.add("end", ms_since(ending));
    open.clear();
    if (!child.shutdown().get().success()) std::abort();
}

/// What a process holds once it holds no more than a moment ago, KiB.
double settled_kib(int pid) {
    double now = private_kib(pid);
    for (double before = -1; now - before > 512;) {
        before = now;
        mitogen::sleep_for(std::chrono::milliseconds(500));
        now = private_kib(pid);
    }
    return now;
}

/// Nobody receives: what waits is bounded by the windows of all flows together. `here`: what this
/// process held at its start.
void one_flood(bench::rounds& all, mitogen::router& root, std::size_t dialogs, double here) {
    auto child = root.local();
    const int pid = root.child_pid(child.id());
    const double there = private_kib(pid);
    std::vector<open_dialog> open;
    {
        std::vector<mitogen::spawned<open_dialog>> coming;
        for (std::size_t i = 0; i < dialogs; ++i)
            coming.push_back(mitogen::spawn(root, child.open_async<&flood>()));
        for (auto& c : coming) open.push_back(c.get());
    }
    all.add("flooded here", (settled_kib(::getpid()) - here) / 1024);
    all.add("flooded there", (settled_kib(pid) - there) / 1024);
    for (open_dialog& d : open) d.cancel_on_exit();
    child.disconnect();
}

} // namespace dialogs_bench

int main(int argc, char** argv) {
    mitogen::init(argc, argv);
    bench::report out(argc, argv);
    const std::size_t dialogs = out.count("dialogs", 10'000, 500);
    const std::size_t items = out.count("items", 10, 2);
    bench::rounds all;
    mitogen::broker loop;
    mitogen::router root(loop);
    const double at_start = bench::private_kib(::getpid());
    for (std::size_t r = out.count("rounds", 3, 1); r; --r)
        dialogs_bench::one_round(all, root, dialogs, static_cast<int>(items));
    dialogs_bench::one_flood(all, root, dialogs, at_start);
    const std::string many = std::to_string(dialogs);
    const double exchanges = static_cast<double>(dialogs * items);
    out.add("open " + many + " dialogs", all.middle("open"), "ms");
    out.add("one item there and back, in all of them", all.middle("exchange") * 1000 / exchanges,
            "us");
    out.add("end " + many + " dialogs", all.middle("end"), "ms");
    out.add("memory of the opener for each", all.middle("memory here"), "KiB");
    out.add("memory of the child for each", all.middle("memory there"), "KiB");
    out.add("memory of the opener, all flooded", all.middle("flooded here"), "MiB");
    out.add("memory of the child, all flooded", all.middle("flooded there"), "MiB");
    return out.finish();
}
