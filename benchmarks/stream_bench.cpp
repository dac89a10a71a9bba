// SPDX-License-Identifier: BSL-1.0
// stream_bench.cpp: items of a remote range and of a dialog, beside the same bytes through a pipe
// like theirs.
//
//   ./stream_bench [--rounds=7] [--items=200000] [--bytes=1073741824] [--json[=file]] [--smoke]
//
// Everything on one CPU; a second is one of CPU time, of both processes together.

#include "support/raw.hpp"
#include "support/report.hpp"

#include <mitogen/mitogen.hpp>

#include <cstdint>
#include <cstdlib>
#include <memory>
#include <string>
#include <vector>

namespace {

using namespace bench;

mitogen::generator<int> numbers(std::size_t n) {
    for (std::size_t i = 0; i < n; ++i) co_yield 5;
}
mitogen::generator<mitogen::blob> blobs(std::size_t n, std::size_t size) {
    const std::string text(size, 'x');
    const mitogen::blob item{std::string_view(text)};
    for (std::size_t i = 0; i < n; ++i) co_yield item;
}
/// Sends back what it receives.
int echo(mitogen::dialog<void(int, int)>& peer) {
    peer.started();
    int sum = 0;
    for (const int v : peer) {
        peer.send(v);
        sum += v;
    }
    return sum;
}

void check(bool good) {
    if (!good) std::abort();
}

template <class Work>
void rate(rounds& all, const std::string& name, ::pid_t other, double amount, Work&& work) {
    const cpu_meter used(other);
    work();
    all.add(name, amount / used.seconds());
}

/// `pieces` times `size` bytes arrive, each read on its own.
void take(raw::ends link, std::size_t pieces, std::size_t size) {
    std::vector<char> bytes(size);
    for (std::size_t i = 0; i < pieces; ++i)
        if (!raw::read_all(link.in, bytes.data(), size)) die("read");
}
/// The far end of it: writes them when it is told to.
void give(raw::ends link, std::size_t size) {
    const std::vector<char> bytes(size);
    std::uint64_t pieces = 0;
    while (raw::read_all(link.in, &pieces, sizeof pieces))
        for (; pieces > 0; --pieces)
            if (!raw::write_all(link.out, bytes.data(), size)) return;
}
void ask(raw::ends link, std::uint64_t pieces, std::size_t size) {
    if (!raw::write_all(link.out, &pieces, sizeof pieces)) die("write");
    take(link, pieces, size);
}

void run(report& out) {
    const std::size_t count = out.count("rounds", 7, 1);
    const std::size_t items = out.count("items", 200'000, 500);
    const std::size_t bytes = out.count("bytes", std::size_t{1} << 30, std::size_t{1} << 20);
    const std::size_t sizes[] = {1000, 64'000, 1'000'000};
    constexpr std::size_t small = 64; // what a frame with an int takes on the link, about
    raw::peer answering(raw::channel::pipe, raw::serve_epoll);
    raw::peer plain(raw::channel::pipe, [](raw::ends link) { give(link, small); });
    std::vector<std::unique_ptr<raw::peer>> large;
    for (const std::size_t size : sizes)
        large.push_back(std::make_unique<raw::peer>(raw::channel::pipe,
                                                    [size](raw::ends link) { give(link, size); }));
    mitogen::broker loop;
    mitogen::router router(loop);
    const mitogen::context child = router.local();
    const ::pid_t pid = router.child_pid(child.id());
    rounds all;
    for (std::size_t round = 0; round < count; ++round) {
        rate(all, "raw small", plain.pid(), static_cast<double>(items),
             [&] { ask(plain.here, items, small); });
        rate(all, "range of int", pid, static_cast<double>(items), [&] {
            std::size_t got = 0;
            for (const int v : child.stream<&numbers>(items)) got += v == 5;
            check(got == items);
        });
        const std::size_t turns = items / 10;
        rate(all, "raw, to and fro", answering.pid(), static_cast<double>(turns), [&] {
            raw::message one{};
            for (std::size_t i = 0; i < turns; ++i) {
                if (!raw::write_all(answering.here.out, &one, sizeof one)) die("write");
                if (!raw::read_all(answering.here.in, &one, sizeof one)) die("read");
            }
        });
        rate(all, "dialog, to and fro", pid, static_cast<double>(turns), [&] {
            auto d = child.open<&echo>();
            for (std::size_t i = 0; i < turns; ++i) {
                d.send(5);
                check(d.receive() == 5);
            }
        });
        for (std::size_t i = 0; i < std::size(sizes); ++i) {
            const std::size_t pieces = bytes / sizes[i] + 1;
            const double mib = static_cast<double>(pieces * sizes[i]) / (1 << 20);
            const std::string name = std::to_string(sizes[i]);
            rate(all, "raw " + name, large[i]->pid(), mib,
                 [&] { ask(large[i]->here, pieces, sizes[i]); });
            rate(all, "range of " + name, pid, mib, [&] {
                std::size_t got = 0;
                for (const mitogen::blob& b : child.stream<&blobs>(pieces, sizes[i]))
                    got += b.size();
                check(got == pieces * sizes[i]);
            });
        }
    }
    out.add(all, "range of int", "raw small", "items/s");
    out.add(all, "dialog, to and fro", "raw, to and fro", "turns/s");
    for (const std::size_t size : sizes)
        out.add(all, "range of " + std::to_string(size), "raw " + std::to_string(size), "MiB/s");
}

} // namespace

int main(int argc, char** argv) {
    mitogen::init(argc, argv);
    report out(argc, argv);
    placement().pin(true);
    run(out);
    return out.finish();
}
