// SPDX-License-Identifier: BSL-1.0
// Groups in simulated worlds: what a group is asked, each of its members is asked as if alone.
#include "mishaps.hpp"
#include "seeds.hpp"

#include <algorithm>
#include <catch2/catch.hpp>
#include <cstdint>
#include <map>
#include <mitogen/simulation.hpp>
#include <mutex>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

namespace group_simulation {

namespace sim = mitogen::simulation;
constexpr std::int64_t ms = 1'000'000;

/// What each context has executed, in order: its processes are all in this one.
std::mutex mutex;
std::map<mitogen::context_id, std::vector<int>> executed;

bool goes_wrong(mitogen::context_id who, int number) {
    return (who * 31 + static_cast<unsigned>(number) * 17) % 11 == 0;
}
std::uint64_t value_of(mitogen::context_id who, int number) {
    return std::uint64_t{who} * 1000 + static_cast<unsigned>(number);
}
std::uint64_t does(mitogen::router& here, int number) {
    const mitogen::context_id who = here.myself().id();
    {
        const std::lock_guard lock(mutex);
        executed[who].push_back(number);
    }
    if (number % 3 == 0) sim::sleep_for(static_cast<std::int64_t>(who % 5 + 1) * ms);
    if (goes_wrong(who, number)) throw std::runtime_error("boom");
    return value_of(who, number);
}
std::uint64_t plus(std::uint64_t a, std::uint64_t b) { return a + b; }

bool has_executed(mitogen::context_id who, int number) {
    const std::lock_guard lock(mutex);
    const std::vector<int>& all = executed[who];
    return std::find(all.begin(), all.end(), number) != all.end();
}

/// One world: single calls and those of groups by one thread, each with a number of its own.
class world {
    mitogen::router& root_;
    sim::random dice_;
    const bool mishaps_;
    std::vector<mitogen::context> all_;
    std::map<mitogen::context_id, std::vector<int>> sent_; // and not cancelled
    int number_ = 0;

public:
    std::string trouble;

    world(mitogen::router& root, std::uint64_t seed, bool mishaps)
        : root_(root), dice_(seed), mishaps_(mishaps) {}

    void run() {
        const std::int64_t contexts = dice_.between(2, 8);
        for (std::int64_t i = 0; i < contexts; ++i) {
            const sim::host method{.name = "h" + std::to_string(i)};
            const auto made = all_.empty() || dice_.chance(0.4)
                                  ? root_.try_connect(method)
                                  : all_[dice_.below(all_.size())].try_connect(method);
            if (made) all_.push_back(*made);
        }
        if (all_.empty()) return;
        for (int step = 0; step < 12 && trouble.empty(); ++step) {
            ++number_;
            if (dice_.chance(0.3))
                call_one();
            else
                call_group();
        }
        for (const mitogen::context& who : all_) // behind all that was not waited for
            (void)who.try_call<&does>(0);
        compare();
    }

private:
    void wrong(const std::string& what) {
        if (trouble.empty()) trouble = "number " + std::to_string(number_) + ": " + what;
    }

    mitogen::group some() {
        std::vector<mitogen::context> chosen;
        for (std::int64_t i = dice_.between(1, 10); i > 0; --i)
            chosen.push_back(all_[dice_.below(all_.size())]);
        return mitogen::group(chosen);
    }

    void call_one() {
        const mitogen::context who = all_[dice_.below(all_.size())];
        sent_[who.id()].push_back(number_);
        if (dice_.chance(0.5))
            (void)who.try_call_no_reply<&does>(number_);
        else
            judge(who, who.try_call<&does>(number_), mitogen::call_phase::answered);
    }

    void judge(const mitogen::context& who, const mitogen::result<std::uint64_t>& value,
               mitogen::call_phase phase) {
        const bool ran = has_executed(who.id(), number_);
        if (value) {
            if (*value != value_of(who.id(), number_)) wrong("another value");
            if (!ran) wrong("a value of what has not run");
        } else if (value.error() == mitogen::reason::remote_exception) {
            if (!goes_wrong(who.id(), number_) || !ran) wrong("an exception that was not thrown");
        } else if (value.error() != mitogen::reason::withheld &&
                   value.error() != mitogen::reason::cancelled &&
                   (!mishaps_ || !mishaps::excusable(value.error()))) {
            wrong(value.error().what());
        }
        if (phase == mitogen::call_phase::not_sent && ran) wrong("what was not sent has run");
    }

    template <class Results>
    void judge_all(const Results& results, const mitogen::group& whole, bool all_of_them) {
        std::vector<mitogen::context_id> order;
        for (const auto& one : results) {
            judge(one.who, one.value, one.phase);
            order.push_back(one.who.id());
        }
        if (!all_of_them) return;
        std::vector<mitogen::context_id> expected;
        for (const mitogen::context& who : whole) expected.push_back(who.id());
        if (order != expected) wrong("not a result for each member, in order");
    }

    void expect(const mitogen::group& whole) {
        for (const mitogen::context& who : whole) sent_[who.id()].push_back(number_);
    }

    void call_group() {
        const mitogen::group whole = some();
        switch (dice_.below(8)) {
        case 0:
            expect(whole);
            return judge_all(whole.call<&does>(number_), whole, true);
        case 1: {
            expect(whole);
            std::size_t count = 0;
            for (auto&& one : whole.stream<&does>(number_)) {
                judge(one.who, one.value, one.phase);
                ++count;
            }
            if (count != whole.size()) wrong("not a result for each member");
            return;
        }
        case 2: {
            expect(whole);
            auto calls = whole.call_async<&does>(number_);
            return judge_all(calls.get(), whole, true);
        }
        case 3: expect(whole); return (void)whole.call_no_reply<&does>(number_);
        case 4: return reduce(whole);
        case 5: return judge_all(whole.first(2).call<&does>(number_), whole, false);
        case 6:
            return judge_all(
                whole.in_batches(2).allow_failures(dice_.below(3)).call<&does>(number_), whole,
                true);
        default:
            return judge_all(whole.at_once(2).allow_failures(1).cancel_running().call<&does>(
                                 number_),
                             whole, true);
        }
    }

    void reduce(const mitogen::group& whole) {
        expect(whole);
        const auto total = whole.allow_failures(mitogen::percent(100))
                               .reduce<&plus>()
                               .call<&does>(number_);
        std::uint64_t sum = 0;
        std::size_t failed = 0;
        for (const mitogen::context& who : whole) {
            if (goes_wrong(who.id(), number_))
                ++failed;
            else
                sum += value_of(who.id(), number_);
        }
        if (mishaps_) return;
        if (failed == whole.size() ? total.has_value() : !total || *total != sum)
            wrong("another total");
    }

    /// Each context has executed what it was sent in the order in which it was sent, once; those
    /// whose calls may have been cancelled, a part of it.
    void compare() {
        const std::lock_guard lock(mutex);
        for (const mitogen::context& who : all_) {
            std::vector<int> order = executed[who.id()];
            order.erase(std::remove(order.begin(), order.end(), 0), order.end());
            if (std::adjacent_find(order.begin(), order.end(), std::greater_equal<>()) !=
                order.end())
                wrong("executed twice, or in another order");
            if (mishaps_) continue;
            for (const int number : sent_[who.id()])
                if (std::find(order.begin(), order.end(), number) == order.end())
                    wrong("not executed");
        }
    }
};

TEST_CASE("what a group is asked, each member is asked as if alone") {
    const std::string which = GENERATE("none", "kill", "cut", "freeze", "all");
    for (std::uint64_t seed = 1; seed <= seeds(2000); ++seed) {
        CAPTURE(which, seed);
        sim::fleet fleet({.seed = seed, .faults = mishaps::faults_of(which)});
        std::string trouble;
        const sim::outcome o = fleet.run([&](mitogen::router& root) {
            mitogen::log::set_sink([](const mitogen::log::record&) {});
            executed.clear();
            world one(root, seed, which != "none");
            one.run();
            trouble = one.trouble;
        });
        INFO(o.trouble);
        CHECK(trouble == "");
        REQUIRE(o.completed);
    }
}

} // namespace group_simulation
