// SPDX-License-Identifier: BSL-1.0
// Who waits for himself is told so, with the whole way round, in the place of waiting for ever.
#include "../generic/tree.hpp"

#include <catch2/catch.hpp>
#include <chrono>
#include <mitogen/mitogen.hpp>
#include <string>

namespace cycle_test {

using namespace std::chrono_literals;

int add(int a, int b) { return a + b; }

int call_itself(mitogen::router& here) { return here.myself().call<&add>(1, 2); }
int get_from_itself(mitogen::router& here) {
    auto answer = here.myself().call_async<&add>(1, 2);
    return answer.get();
}
/// Is told, and goes on.
int recover(mitogen::router& here) {
    const auto got = here.myself().try_call<&add>(1, 2);
    return got ? 0 : got.error().reason() == mitogen::reason::misuse ? 1 : 2;
}
int within_a_time(mitogen::router& here) {
    return here.myself().within(1h).call<&add>(1, 2);
}
int get_within_a_time(mitogen::router& here) {
    auto answer = here.myself().within(1h).call_async<&add>(1, 2);
    return answer.get();
}
int through_argument(mitogen::context here) { return here.call<&add>(1, 2); }
mitogen::generator<int> count(int n) {
    for (int i = 0; i < n; ++i) co_yield i;
}
mitogen::generator<int> count_on_main(int n) { return count(n); }
int sum_of_own(mitogen::router& here) {
    int sum = 0;
    for (const int n : here.myself().stream<&count>(3)) sum += n;
    return sum;
}
int sum_of_own_on_main(mitogen::router& here) {
    int sum = 0;
    for (const int n : here.myself().stream<&count_on_main>(3)) sum += n;
    return sum;
}
int talk(mitogen::dialog<void(int, int)>& peer) {
    peer.started();
    return peer.receive();
}
int talk_on_main(mitogen::dialog<void(int, int)>& peer) { return talk(peer); }
int talk_to_itself(mitogen::router& here) {
    auto d = here.myself().open<&talk>();
    d.send(3);
    return d.result();
}
int talk_to_itself_on_main(mitogen::router& here) {
    return here.myself().open<&talk_on_main>().result();
}
int look_for_a_time(mitogen::router& here) {
    auto answer = here.myself().call_async<&add>(1, 2);
    const auto got = answer.try_get_for(50ms);
    return got ? 0 : got.error().reason() == mitogen::reason::timeout ? 1 : 2;
}

int add_in_pool(mitogen::router& here) { return here.myself().call<&add>(1, 2); }
mitogen::task<int> add_in_task(mitogen::router& here) {
    co_return co_await here.myself().call_async<&add>(1, 2);
}
int through_pool(mitogen::router& here) { return here.myself().call<&add_in_pool>(); }
int through_task(mitogen::router& here) { return here.myself().call<&add_in_task>(); }
int pool_and_task(mitogen::router& here) { return here.myself().call<&add_in_task>(); }
int through_both(mitogen::router& here) { return here.myself().call<&pool_and_task>(); }

/// Waits for the main thread, on which somebody else is.
int hold(int begun, int go_on) {
    generic::shared_pipe::post(begun);
    return generic::shared_pipe::wait(go_on);
}

} // namespace cycle_test

template <>
inline constexpr auto mitogen::run_on<&cycle_test::add_in_pool> = mitogen::on::pool;
template <>
inline constexpr auto mitogen::run_on<&cycle_test::pool_and_task> = mitogen::on::pool;
template <>
inline constexpr auto mitogen::run_on<&cycle_test::count_on_main> = mitogen::on::main;
template <>
inline constexpr auto mitogen::run_on<&cycle_test::talk_on_main> = mitogen::on::main;

namespace {

using namespace cycle_test;
using generic::contains;

template <auto F>
std::string refusal(const mitogen::context& c) {
    const mitogen::result<int> got = c.try_call<F>();
    REQUIRE_FALSE(got);
    CHECK(got.error().reason() == mitogen::reason::misuse);
    return got.error().what();
}

TEST_CASE("a function on the main thread that waits for that thread is told so") {
    generic::tree t;
    const auto web = t.root.local({.name = "web7"});
    CHECK(contains(refusal<&call_itself>(web),
                   "it would wait for itself, for ever: cycle_test::add, which waits for the main "
                   "thread, which runs cycle_test::call_itself, which waits for that answer"));
    CHECK(contains(refusal<&get_from_itself>(web), "which runs cycle_test::get_from_itself, which "
                                                   "waits for that answer"));
    CHECK(web.call<&recover>() == 1);
    CHECK(web.call<&add>(2, 3) == 5); // and nothing is left behind
}

TEST_CASE("so is one that does it by way of the pool and of tasks") {
    generic::tree t;
    const auto web = t.root.local({.name = "web7"});
    // where the way round begins depends on who was the last to wait
    const std::string pool = refusal<&through_pool>(web);
    CHECK(contains(pool, "it would wait for itself, for ever: cycle_test::"));
    CHECK(contains(pool, "cycle_test::add, which waits for the main thread, which runs "
                         "cycle_test::through_pool, which waits for "));
    CHECK(contains(pool, "cycle_test::add_in_pool, which waits for "));
    const std::string task = refusal<&through_task>(web);
    CHECK(contains(task, "which runs cycle_test::through_task, which waits for "));
    CHECK(contains(task, "cycle_test::add_in_task, which waits for "));
    const std::string both = refusal<&through_both>(web);
    for (const char* link : {"cycle_test::add, which waits for the main thread, which runs "
                             "cycle_test::through_both, which waits for ",
                             "cycle_test::pool_and_task, which waits for ",
                             "cycle_test::add_in_task, which waits for "})
        CHECK(contains(both, link));
}

TEST_CASE("whoever only looks for a time waits for that time") {
    generic::tree t;
    const auto web = t.root.local({.name = "web7"});
    CHECK(web.call<&look_for_a_time>() == 1);
}

TEST_CASE("a deadline, its own or that of the call around it, is not waited for") {
    generic::tree t;
    const auto web = t.root.local({.name = "web7"});
    CHECK(contains(refusal<&within_a_time>(web), "which runs cycle_test::within_a_time"));
    CHECK(contains(refusal<&get_within_a_time>(web), "which runs cycle_test::get_within_a_time"));
    const auto timed = web.within(1h);
    for (const auto& got :
         {timed.try_call<&call_itself>(), timed.try_call<&get_from_itself>(),
          timed.try_call<&through_pool>(), timed.try_call<&through_argument>(web)}) {
        REQUIRE_FALSE(got);
        CHECK(got.error().reason() == mitogen::reason::misuse);
    }
    CHECK(timed.call<&add_in_pool>() == 3);
    CHECK(timed.call<&add>(2, 3) == 5);
}

TEST_CASE("streams and dialogs of a context with itself work, or are refused at once") {
    generic::tree t;
    const auto web = t.root.local({.name = "web7"});
    CHECK(web.call<&sum_of_own>() == 3);
    CHECK(web.call<&talk_to_itself>() == 3);
    CHECK(contains(refusal<&sum_of_own_on_main>(web), "cycle_test::count_on_main, which waits for "
                                                      "the main thread, which runs "));
    CHECK(contains(refusal<&talk_to_itself_on_main>(web),
                   "cycle_test::talk_on_main, which waits for the main thread, which runs "));
    CHECK_FALSE(web.within(1h).try_call<&sum_of_own_on_main>());
    CHECK_FALSE(web.within(1h).try_call<&talk_to_itself_on_main>());
}

TEST_CASE("whoever waits for a main thread that is not his goes on when it is free") {
    const generic::shared_pipe begun;
    const generic::shared_pipe go_on;
    generic::tree t;
    const auto web = t.root.local({.name = "web7"});
    CHECK(web.call<&add_in_pool>() == 3);
    CHECK(web.call<&add_in_task>() == 3);
    auto first = web.call_async<&hold>(begun.write_end(), go_on.read_end());
    CHECK(begun.wait());
    auto pool = web.call_async<&add_in_pool>();
    auto task = web.call_async<&add_in_task>();
    web.ping().get();
    CHECK_FALSE(pool.done());
    CHECK_FALSE(task.done());
    go_on.post();
    CHECK(first.get() == 1);
    CHECK(pool.get() == 3);
    CHECK(task.get() == 3);
}

} // namespace
