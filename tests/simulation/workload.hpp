// SPDX-License-Identifier: BSL-1.0
#pragma once
// workload.hpp: one simulated tree under load and faults, and everything that must hold about it.

#include <cstdint>
#include <map>
#include <mitogen/simulation.hpp>
#include <stdexcept>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace workload {

namespace sim = mitogen::simulation;

struct settings {
    std::uint64_t seed = 1;
    unsigned contexts = 6;
    unsigned threads = 3; ///< of the root, that call
    unsigned rounds = 8;  ///< of calls, by each of them
    std::string profile = "all";
    std::size_t trace_lines = 0;
};

/// What functions have noted about their execution.
struct ledger {
    struct entry {
        int executed = 0;
        bool answered = false; ///< with a value
    };
    std::vector<entry> calls;
    /// by thread of the root and callee: for the order
    std::map<std::pair<std::uint32_t, std::uint32_t>, std::uint32_t> last;
    std::string disorder;

    static ledger*& here() {
        static thread_local ledger* current = nullptr;
        return current;
    }
    std::uint32_t open() {
        calls.emplace_back();
        return static_cast<std::uint32_t>(calls.size() - 1);
    }
};

[[noreturn]] inline void fail(const std::string& what) { throw std::runtime_error(what); }

/// What comes of one call.
struct order {
    std::uint32_t call;
    std::uint32_t thread;
    std::uint32_t callee;
    std::uint32_t sequence;
    std::int64_t nap_ns;
};

inline std::uint32_t execute(const order& o) {
    ledger& l = *ledger::here();
    ++l.calls.at(o.call).executed;
    if (o.nap_ns > 0) sim::sleep_for(o.nap_ns);
    return o.call * 3 + 1;
}

inline std::uint32_t in_order(order o) {
    ledger& l = *ledger::here();
    std::uint32_t& last = l.last[{o.thread, o.callee}];
    if (o.sequence <= last)
        l.disorder = "call " + std::to_string(o.sequence) + " ran behind " + std::to_string(last);
    last = o.sequence;
    return execute(o);
}
inline std::uint32_t in_pool(order o) { return execute(o); }
inline std::uint32_t on_the_loop(order o) {
    o.nap_ns = 0;
    return execute(o);
}
inline std::vector<std::byte> reflect(order o, std::vector<std::byte> bytes) {
    execute(o);
    return bytes;
}
inline void throws(order o) {
    execute(o);
    throw std::runtime_error("as ordered");
}

/// Makes children of a router's context, or of another one; all at once. `wait`: gets the result of
/// one future.
template <class Parent, class Wait>
std::vector<mitogen::context> grow_at(Parent& parent, std::uint32_t first, std::uint32_t count,
                                      Wait&& wait) {
    std::vector<mitogen::future<mitogen::context>> coming;
    for (std::uint32_t i = 0; i < count; ++i)
        coming.push_back(parent.connect_async(sim::host{.name = "h" + std::to_string(first + i)}));
    std::vector<mitogen::context> up;
    for (auto& c : coming)
        if (auto child = wait(c)) up.push_back(*child);
    return up;
}

/// Makes children of the context that runs it.
inline std::vector<mitogen::context> grow(mitogen::router& router, std::uint32_t first,
                                          std::uint32_t count) {
    return grow_at(router, first, count, [](auto& coming) { return coming.try_get(); });
}

/// The faults that belong to one or more names, joined by +; fails for unknown ones.
sim::faults faults_of(std::string_view profile);

/// Runs one seed. Throws where something that must hold does not.
sim::outcome run(const settings& s, std::string* trace = nullptr);

} // namespace workload

template <>
inline constexpr auto mitogen::run_on<&workload::in_pool> = mitogen::on::pool;
template <>
inline constexpr auto mitogen::run_on<&workload::on_the_loop> = mitogen::on::loop;
