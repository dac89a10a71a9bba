// SPDX-License-Identifier: BSL-1.0
// A reader that stops must not fill anybody's memory, and nothing may be lost once it goes on.
#include <algorithm>
#include <catch2/catch.hpp>
#include <cstdint>
#include <mitogen/simulation.hpp>
#include <string>
#include <vector>

namespace {

namespace sim = mitogen::simulation;

constexpr mitogen::handle<std::uint32_t, std::vector<std::byte>> parcels{2001};
constexpr std::size_t parcel_bytes = 50'000;
constexpr std::uint64_t limit = 256 * 1024;

struct tally {
    std::uint32_t received = 0;
    bool in_order = true;
};
thread_local tally* counted = nullptr;

void receive_parcels(mitogen::router& here) {
    here.add_handler(parcels, [](const mitogen::message&, std::uint32_t number,
                                 const std::vector<std::byte>& bytes) {
        counted->in_order =
            counted->in_order && number == counted->received && bytes.size() == parcel_bytes;
        ++counted->received;
    });
}

/// The most that waits for any link of the context that runs this, within twenty seconds.
std::uint64_t longest_queue(mitogen::router& here) {
    std::uint64_t most = 0;
    for (int i = 0; i < 20; ++i) {
        sim::sleep_for(1'000'000'000);
        for (const mitogen::context_status& s : here.status()) most = std::max(most, s.queue_bytes);
    }
    return most;
}

} // namespace

TEST_CASE(
    "a stopped reader bounds what waits for it at every hop, and gets everything once it goes on") {
    const std::uint64_t seed = GENERATE(range<std::uint64_t>(1, 20));
    CAPTURE(seed);
    constexpr std::uint32_t count = 100; // twenty times what one queue takes
    tally seen;
    counted = &seen;
    std::uint64_t most_here = 0;
    std::uint64_t most_there = 0;
    bool throttled = false;
    sim::fleet fleet(
        {.seed = seed, .faults = {.partial_transfer = 0.2, .most_latency = 1'000'000}});
    mitogen::router_options options;
    options.limits.queue_bytes = limit;
    options.rules.heartbeat.interval = 0; // a stopped reader is not lost here
    const sim::outcome o = fleet.run(
        [&](mitogen::router& root) {
            mitogen::io::simulated io;
            const mitogen::context relay = root.connect(sim::host{.name = "relay"});
            const mitogen::context reader = relay.connect(sim::host{.name = "reader"});
            reader.call<&receive_parcels>();
            sim::process_state* stopped = nullptr;
            for (sim::process_state* p : io.kernel().running())
                if (p->group->name.find("reader") != std::string::npos) stopped = p;
            REQUIRE(stopped);
            io.kernel().signal(stopped->pid, 19);
            // in time: soon nothing passes the full relay
            auto there = relay.call_async<&longest_queue>();
            std::uint32_t sent = 0;
            mitogen::io::simulated::thread sender(io, "sender", [&] {
                const std::vector<std::byte> bytes(parcel_bytes);
                for (; sent < count; ++sent) reader.send(parcels, sent, bytes);
            });
            most_here = longest_queue(root);
            most_there = there.get();
            throttled = sent < count && seen.received == 0;
            io.kernel().signal(stopped->pid, 18);
            sender.join();
            while (seen.received < count) io.sleep_for(1'000'000'000);
        },
        options);
    counted = nullptr;
    INFO(o.trouble);
    CHECK(o.completed);
    CHECK(throttled);
    CHECK(seen.in_order);
    CHECK(seen.received == count);
    // One message more may be under way when the limit is reached.
    CHECK(most_here < limit + 2 * parcel_bytes);
    CHECK(most_there < limit + 2 * parcel_bytes);
    CHECK(most_there > limit / 2);
}
