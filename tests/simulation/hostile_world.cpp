// SPDX-License-Identifier: BSL-1.0
#include "hostile_world.hpp"

#include "../support/engine.hpp"

#include <chrono>
#include <mitogen/protocol/call_frame.hpp>
#include <span>
#include <utility>
#include <vector>

namespace hostile_world {

namespace sim = mitogen::simulation;
namespace H = mitogen::handles;
using namespace std::chrono_literals;
using mitogen::buffer;
using mitogen::context_id;
using mitogen::handle_id;
using mitogen::header;
using mitogen::detail::message_flags;

// ---- what healthy contexts do

int deeds = 0; // of the whole world: one real thread

void deed() { ++deeds; }
void deed_of_the_loop() { ++deeds; }
std::uint32_t twice(std::uint32_t x) { return 2 * x; }
mitogen::generator<std::uint32_t> numbers(std::uint32_t count) {
    for (std::uint32_t i = 0; i < count; ++i) co_yield i;
}

mitogen::context child_of(mitogen::router& router, const std::string& name) {
    return router.connect(sim::host{.name = name});
}

// ---- what the hostile one does

/// Makes up messages: of handles, ids and payloads that there are, mostly.
class liar {
    sim::random dice_;
    std::vector<context_id> others_;
    context_id self_;
    context_id parent_;

    context_id somebody() {
        return dice_.chance(0.9) ? others_[dice_.below(others_.size())]
                                 : static_cast<context_id>(dice_.below(5000));
    }
    /// A port, or an answer that somebody may be waiting for.
    handle_id port() {
        return (1 + dice_.below(4)) << 32 | (dice_.chance(0.5) ? 0 : 1u << 31) | dice_.below(40);
    }
    handle_id handle() {
        switch (dice_.below(6)) {
        case 0:
        case 1: return H::call_function;
        case 2:
        case 3: return 98 + dice_.below(26);
        case 4: return port();
        default: return dice_.below(3000);
        }
    }
    std::string name() { return std::string(dice_.below(4) * 100, dice_.chance(0.5) ? 'n' : '\n'); }

    static std::vector<std::byte> bytes(const buffer& b) { return {b.begin(), b.end()}; }
    static std::vector<std::byte> notice(context_id of) {
        const buffer why = mitogen::encode_error({mitogen::reason::respondent_lost, "?"});
        return bytes(mitogen::encode(of, std::span<const std::byte>(why)));
    }

    std::vector<std::byte> call() {
        std::vector<std::byte> payload(64);
        mitogen::writer w(payload.data());
        mitogen::detail::call_frame frame;
        frame.function = dice_.below(12);
        frame.write(w);
        payload.resize(frame.size());
        return payload;
    }
    std::vector<std::byte> flow_message() {
        constexpr std::uint8_t kinds[] = {0, 1, 2, 3, 4, 16, 17};
        const std::uint8_t kind = kinds[dice_.below(sizeof kinds)];
        return bytes(mitogen::encode(kind, dice_.chance(0.5) ? dice_.below(100) : ~0ull));
    }
    std::vector<std::byte> noise() {
        std::vector<std::byte> payload(dice_.below(100));
        for (std::byte& b : payload) b = static_cast<std::byte>(dice_.below(256));
        return payload;
    }

    /// What honest contexts send to that handle.
    std::vector<std::byte> payload_for(handle_id h) {
        switch (h) {
        case H::call_function: return call();
        case H::forward_log:
            return bytes(
                mitogen::encode(somebody(), std::uint8_t{3}, name(), name(), dice_.below(9)));
        case H::add_route:
            return bytes(mitogen::encode(somebody(), somebody(), name(),
                                         mitogen::detail::build_hash{1}));
        case H::del_route: return notice(somebody());
        case H::allocate_id:
        case H::detaching:
        case H::heartbeat:
        case H::ping:
        case H::farewell:
        case H::list_programs: return {};
        case H::shutdown: return bytes(mitogen::encode(dice_.chance(0.5), somebody()));
        case H::forget_chain:
        case H::cancel_call:
        case H::explain_call: return bytes(mitogen::encode(port()));
        case H::connect: return bytes(mitogen::encode(std::string("host"), name()));
        case H::end_child: return bytes(mitogen::encode(somebody(), dice_.chance(0.5)));
        case H::prompt: return bytes(mitogen::encode(name(), name(), dice_.chance(0.5)));
        case H::read_program: return bytes(mitogen::encode(name(), dice_.below(1000), 1u));
        case H::watch_route: return bytes(mitogen::encode(somebody()));
        default: return h >> 32 && dice_.chance(0.7) ? flow_message() : noise();
        }
    }

public:
    liar(std::uint64_t seed, std::vector<context_id> others, context_id self, context_id parent)
        : dice_(seed), others_(std::move(others)), self_(self), parent_(parent) {
        others_.push_back(self);
        others_.push_back(mitogen::no_context);
    }

    sim::random& dice() { return dice_; }

    header next(std::vector<std::byte>& payload) {
        constexpr std::uint8_t flags[] = {0,
                                          0,
                                          0,
                                          0,
                                          message_flags::failed,
                                          message_flags::fragment,
                                          message_flags::fragment | message_flags::first,
                                          message_flags::fragment | message_flags::last};
        header h{.dst = somebody(), .src = somebody(), .auth = somebody(), .handle = handle()};
        if (dice_.chance(0.5)) h.src = h.auth = self_; // honest about that
        if (dice_.chance(0.3)) {                       // to those who might believe it
            h.dst = parent_;
            h.handle = dice_.chance(0.6) ? H::add_route : H::del_route;
        }
        h.reply_to = dice_.chance(0.2) ? 0 : dice_.chance(0.2) ? mitogen::is_dead : port();
        h.stream = static_cast<std::uint32_t>(dice_.below(4));
        h.flags = flags[dice_.below(sizeof flags)];
        payload = dice_.chance(0.8) ? payload_for(h.handle) : noise();
        h.length = static_cast<std::uint32_t>(payload.size());
        return h;
    }
};

void misbehave(mitogen::router& router, std::uint64_t seed, std::uint32_t count,
               std::vector<context_id> others) {
    liar next(seed, std::move(others), router.id(), router.node().ancestors().front());
    std::vector<std::byte> payload;
    for (std::uint32_t i = 0; i < count; ++i) {
        const header h = next.next(payload);
        const auto parent = support::engine<mitogen::io::simulated>(router).parent();
        if (!parent) return; // it has cut its own link
        parent->transport->forward(h, payload, *parent->transport);
        if (next.dice().chance(0.01)) mitogen::io::simulated().sleep_for(1'000'000);
    }
}

// ---- one world

/// The first thing that is wrong.
class verdict {
    std::string wrong_;

public:
    void fail(const std::string& what) {
        if (wrong_.empty()) wrong_ = what;
    }
    const std::string& wrong() const { return wrong_; }

    /// A call of somebody healthy.
    void ask(const mitogen::context& whom, std::uint32_t x) {
        const auto said = whom.within(1s).try_call<&twice>(x);
        if (!said)
            fail("context " + std::to_string(whom.id()) + ": " + said.error().what());
        else if (*said != 2 * x)
            fail("context " + std::to_string(whom.id()) + " says " + std::to_string(*said));
    }

    void take_items(const mitogen::context& whom) {
        std::uint32_t expected = 0;
        try {
            for (const std::uint32_t item : whom.within(1s).stream<&numbers>(20u))
                if (item != expected++) fail("an item is " + std::to_string(item));
        } catch (const mitogen::error& e) {
            fail(std::string("a stream: ") + e.what());
        }
        if (expected != 20) fail("of 20 items " + std::to_string(expected) + " have come");
    }
};

sim::outcome run(std::uint64_t seed, std::size_t trace_lines, std::string* trace) {
    const bool deep = seed % 2;
    deeds = 0;
    verdict v;
    bool ending = false; // which outlives the tree, as v does
    sim::fleet fleet({.seed = seed, .trace_lines = trace_lines});
    sim::outcome o = fleet.run([&](mitogen::router& root) {
        mitogen::log::set_sink([](const mitogen::log::record&) {}); // refusals are expected here
        const mitogen::context beside = child_of(root, "beside");
        const mitogen::context below_it = beside.call<&child_of>("below it");
        const mitogen::context above = deep ? child_of(root, "above") : root.myself();
        const mitogen::context bad = deep ? above.call<&child_of>("bad") : child_of(root, "bad");
        std::vector<mitogen::context> healthy{beside, below_it};
        if (deep) healthy.push_back(above);
        for (const mitogen::context& c : healthy)
            c.on_disconnect([&, id = c.id()](const mitogen::error& why) {
                if (!ending) v.fail("context " + std::to_string(id) + " is lost: " + why.what());
            });
        const std::vector<context_id> others{root.id(), beside.id(), below_it.id(), above.id()};
        auto done = bad.call_async<&misbehave>(seed, 400u, others);
        for (std::uint32_t i = 0; i < 10; ++i)
            for (const mitogen::context& c : healthy) v.ask(c, i);
        // who makes contexts and sends items while that goes on
        if (const auto more = beside.within(1s).try_call<&child_of>("more"))
            v.ask(*more, 7);
        else
            v.fail(std::string("no child: ") + more.error().what());
        v.take_items(below_it);
        static_cast<void>(done.try_get()); // it may have spoiled its own answer, or its link
        for (const mitogen::context& c : healthy) {
            v.ask(c, 21);
            if (!c.alive()) v.fail("context " + std::to_string(c.id()) + " is not alive");
        }
        if (deeds != 0) v.fail("something runs that nobody healthy has called");
        beside.call<&deed>();
        beside.call<&deed_of_the_loop>();
        if (deeds != 2) v.fail("the counter does not work");
        ending = true;
    });
    if (trace)
        for (const std::string& line : fleet.world().log().lines()) *trace += line + "\n";
    if (o.trouble.empty()) o.trouble = v.wrong();
    return o;
}

} // namespace hostile_world

template <>
inline constexpr auto mitogen::run_on<&hostile_world::deed_of_the_loop> = mitogen::on::loop;
