// SPDX-License-Identifier: BSL-1.0
// A context that sends whatever it likes makes nobody above or beside it run anything.
#include "../support/engine.hpp"

#include <mitogen/protocol/call_frame.hpp>
#include <mitogen/simulation.hpp>

#include <catch2/catch.hpp>
#include <chrono>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

namespace {

namespace sim = mitogen::simulation;
using mitogen::context_id;
using mitogen::handle_id;
using mitogen::header;
using mitogen::detail::message_flags;

int deeds = 0; // of the whole world: one real thread

void deed() { ++deeds; }
void deed_of_the_loop() { ++deeds; }
std::uint32_t twice(std::uint32_t x) { return 2 * x; }

/// Sends frames as no honest context does.
void misbehave(mitogen::router& router, std::uint64_t seed, std::uint32_t count,
               std::vector<context_id> others) {
    sim::random dice(seed);
    others.push_back(router.id());
    others.push_back(mitogen::no_context);
    const auto somebody = [&] {
        return dice.chance(0.9) ? others[dice.below(others.size())]
                                : static_cast<context_id>(dice.below(5000));
    };
    const auto handle = [&]() -> handle_id {
        switch (dice.below(6)) {
        case 0:
        case 1: return mitogen::handles::call_function;
        case 2:
        case 3: return 98 + dice.below(24);
        // an answer that somebody may be waiting for
        case 4: return (1 + dice.below(4)) << 32 | dice.below(40);
        default: return dice.below(3000);
        }
    };
    constexpr std::uint8_t kinds[] = {0,
                                      0,
                                      0,
                                      message_flags::failed,
                                      message_flags::fragment,
                                      message_flags::fragment | message_flags::first,
                                      message_flags::fragment | message_flags::last};
    for (std::uint32_t i = 0; i < count; ++i) {
        std::vector<std::byte> payload(64);
        mitogen::writer w(payload.data());
        mitogen::detail::call_frame call;
        call.function = dice.below(12);
        call.write(w);
        payload.resize(call.size());
        if (dice.chance(0.3)) {
            payload.resize(dice.below(100));
            for (std::byte& b : payload) b = static_cast<std::byte>(dice.below(256));
        }
        header h{.dst = somebody(), .src = somebody(), .auth = somebody(), .handle = handle()};
        h.reply_to = dice.chance(0.2) ? 0 : dice.chance(0.2) ? mitogen::is_dead : handle();
        h.length = static_cast<std::uint32_t>(payload.size());
        h.stream = static_cast<std::uint32_t>(dice.below(4));
        h.flags = kinds[dice.below(sizeof kinds)];
        if (dice.chance(0.2)) { // what its parent might believe
            const bool added = dice.chance(0.6);
            const mitogen::buffer notice = mitogen::encode_error({mitogen::reason::no_route, "?"});
            const mitogen::buffer claim =
                added ? mitogen::encode(somebody(), somebody(), std::string("mine"),
                                        mitogen::detail::build_hash{1})
                      : mitogen::encode(somebody(), std::span<const std::byte>(notice));
            payload.assign(claim.begin(), claim.end());
            h = {.dst = router.node().ancestors().front(),
                 .src = router.id(),
                 .auth = router.id(),
                 .handle = added ? mitogen::handles::add_route : mitogen::handles::del_route};
            h.length = static_cast<std::uint32_t>(payload.size());
        }
        support::engine<mitogen::io::simulated>(router).parent()->transport->forward(
            h, payload, *support::engine<mitogen::io::simulated>(router).parent()->transport);
        if (dice.chance(0.01)) mitogen::io::simulated().sleep_for(1'000'000);
    }
}

mitogen::context child_of(mitogen::router& router, const std::string& name) {
    return router.connect(sim::host{.name = name});
}

void one_world(std::uint64_t seed, bool deep) {
    deeds = 0;
    sim::fleet fleet(seed);
    const sim::outcome o = fleet.run([&](mitogen::router& root) {
        mitogen::log::set_sink([](const mitogen::log::record&) {}); // refusals are expected here
        const mitogen::context beside = child_of(root, "beside");
        const mitogen::context below_it = beside.call<&child_of>("below it");
        const mitogen::context above = deep ? child_of(root, "above") : root.myself();
        const mitogen::context bad = deep ? above.call<&child_of>("bad") : child_of(root, "bad");
        const std::vector<context_id> others{root.id(), beside.id(), below_it.id(), above.id()};
        auto done = bad.call_async<&misbehave>(seed, 400, others);
        for (std::uint32_t i = 0; i < 20; ++i) {
            CHECK(beside.call<&twice>(i) == 2 * i);
            CHECK(below_it.call<&twice>(i) == 2 * i);
        }
        static_cast<void>(done.try_get()); // it may have spoiled its own answer, or its link
        for (const mitogen::context& c : {beside, below_it}) CHECK(c.call<&twice>(21u) == 42);
        if (deep) CHECK(above.call<&twice>(21u) == 42);
        CHECK(deeds == 0);
        beside.call<&deed>();
        beside.call<&deed_of_the_loop>();
        CHECK(deeds == 2); // the counter works
    });
    CHECK(o.trouble.empty());
}

TEST_CASE("whatever a child sends, its parent and its siblings run nothing") {
    for (std::uint64_t seed = 1; seed <= 100; ++seed) {
        CAPTURE(seed);
        one_world(seed, false);
    }
}

TEST_CASE("whatever a grandchild sends, nobody above or beside it runs anything") {
    for (std::uint64_t seed = 1; seed <= 100; ++seed) {
        CAPTURE(seed);
        one_world(seed, true);
    }
}

} // namespace

template <>
inline constexpr auto mitogen::run_on<&deed_of_the_loop> = mitogen::on::loop;
