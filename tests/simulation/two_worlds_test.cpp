// SPDX-License-Identifier: BSL-1.0
// One program, whose functions are no templates, with children that are processes and on simulated
// hosts.
#include <catch2/catch.hpp>
#include <chrono>
#include <mitogen/mitogen.hpp>
#include <mitogen/simulation.hpp>
#include <stdexcept>
#include <string>
#include <unistd.h>
#include <utility>
#include <vector>

namespace two_worlds {

using namespace std::chrono_literals;
namespace sim = mitogen::simulation;

int add(int a, int b) { return a + b; }
int sum_of(mitogen::receiver<int> numbers) {
    int sum = 0;
    while (const auto n = numbers.try_get()) sum += *n;
    return sum;
}
int doubles(mitogen::dialog<void(int, int)>& peer) {
    peer.started();
    int count = 0;
    for (const int n : peer) {
        peer.send(2 * n);
        ++count;
    }
    return count;
}
mitogen::generator<int> count_to(int last) {
    for (int i = 1; i <= last; ++i) co_yield i;
}
mitogen::task<int> later(int n) {
    co_await mitogen::sleep_for(1ms);
    co_return n;
}
int fails() { throw std::runtime_error("as ordered"); }
std::vector<std::string> names_below(mitogen::router& here, const std::string& name) {
    std::vector<std::string> names;
    for (const mitogen::context& c : here.contexts()) names.push_back(c.name());
    names.push_back(name);
    return names;
}

/// What the program has seen.
struct seen {
    int answering = 0;
    int dialog = 0;
    int streamed = 0;
    int awaited = 0;
    int in_nursery = 0;
    std::string failure;
    std::vector<std::string> below;
};

/// The program: asks all hosts, and has everything done by the first that answers.
seen survey(mitogen::router& router, const std::vector<mitogen::any_method>& hosts) {
    seen s;
    std::vector<mitogen::future<mitogen::context>> coming;
    for (const auto& host : hosts) coming.push_back(router.connect_async(host));
    std::vector<mitogen::context> up;
    for (auto& one : coming)
        if (auto context = one.try_get()) up.push_back(*context);
    for (const mitogen::context& c : up)
        if (c.within(60s).try_call<&add>(1, 2).value_or(0) == 3) ++s.answering;
    const mitogen::context& first = up.at(0);
    auto talk = first.open<&doubles>();
    for (int i = 1; i <= 10; ++i) {
        talk.send(i);
        s.dialog += talk.receive();
    }
    talk.close();
    s.dialog += talk.result();
    for (const int n : first.stream<&count_to>(100)) s.streamed += n;
    s.awaited = first.call_async<&later>(7).get();
    s.failure = first.try_call<&fails>().error().message();
    mitogen::nursery nursery(router);
    auto one = nursery.start<&add>(hosts.front(), 20, 1);
    auto two = nursery.start<&add>(first, 20, 1);
    nursery.join();
    s.in_nursery = one.get() + two.get();
    const mitogen::context deep = first.connect(hosts.front());
    s.below = first.call<&names_below>(deep.name());
    return s;
}

void check(const seen& s) {
    CHECK(s.dialog == 120);
    CHECK(s.streamed == 5050);
    CHECK(s.awaited == 7);
    CHECK(s.in_nursery == 42);
    CHECK(s.failure == "as ordered");
    CHECK(s.below == std::vector<std::string>{"a", "a.a"});
}

} // namespace two_worlds

namespace {
using namespace two_worlds;

TEST_CASE("a program that is no template runs with real children") {
    mitogen::broker loop;
    mitogen::router router(loop);
    const seen s = survey(router, {mitogen::local{.name = "a"}, mitogen::fork_options{.name = "b"},
                                   mitogen::local{.name = "c", .executable = "/no/such/program"}});
    CHECK(s.answering == 2);
    check(s);
}

TEST_CASE("the same program runs in a simulated world, where the fleet decides who answers") {
    for (std::uint64_t seed = 1; seed <= 20; ++seed) {
        CAPTURE(seed);
        sim::fleet fleet(seed);
        fleet.refuses("b");
        seen s;
        const sim::outcome o = fleet.run([&](mitogen::router& router) {
            s = survey(router,
                       {sim::host{.name = "a"}, sim::host{.name = "b"}, sim::host{.name = "c"}});
        });
        INFO(o.trouble);
        CHECK(o.completed);
        CHECK(s.answering == 2);
        check(s);
    }
}

TEST_CASE("a simulated world runs inside of a program that has real children") {
    mitogen::broker loop;
    mitogen::router router(loop);
    const mitogen::context real = router.local();
    int simulated = 0;
    const sim::outcome o = sim::fleet(7).run([&](mitogen::router& inside) {
        simulated = inside.connect(sim::host{.name = "x"}).call<&add>(40, 2);
    });
    CHECK(o.completed);
    CHECK(simulated == 42);
    CHECK(real.call<&add>(simulated, 1) == 43);
}

TEST_CASE("in a simulated world there are no processes of the system: what needs them is refused") {
    const sim::outcome o = sim::fleet(1).run([](mitogen::router& router) {
        const auto forked = router.try_fork();
        if (forked || forked.error().reason() != mitogen::reason::misuse)
            throw std::runtime_error("it forks");
        const int copy = ::dup(0); // taken over
        const mitogen::attach stream{.open = [copy] { return std::pair(copy, copy); }};
        const auto attached = router.try_connect(stream);
        if (attached || attached.error().reason() != mitogen::reason::misuse)
            throw std::runtime_error("it attaches");
        const auto listening = router.try_listen("/tmp/none/socket");
        if (listening || listening.error().reason() != mitogen::reason::misuse)
            throw std::runtime_error("it listens");
    });
    INFO(o.trouble);
    CHECK(o.completed);
}

} // namespace
