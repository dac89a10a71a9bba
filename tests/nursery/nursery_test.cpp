// SPDX-License-Identifier: BSL-1.0
#include "../generic/context_functions.hpp"
#include "../generic/tree.hpp"
#include "../support/engine.hpp"

#include <catch2/catch.hpp>
#include <cerrno>
#include <chrono>
#include <csignal>
#include <mitogen/mitogen.hpp>
#ifdef MITOGEN_SEPARATE // else the umbrella has it
#include <mitogen/boot/boot_plan.hpp>
#include <mitogen/method/method.hpp>
#include <mitogen/remote/serializable_method.hpp>
#endif
#include <optional>
#include <set>
#include <stdexcept>
#include <stop_token>
#include <string>
#include <unistd.h>
#include <vector>

namespace nursery_test {

int boom(int n) { throw std::runtime_error("boom " + std::to_string(n)); }
int boom_on_pool(int n) { return boom(n); }
/// Fails when it is told to.
int boom_later(int started, int go_on, int n) {
    generic::shared_pipe::post(started);
    generic::shared_pipe::wait(go_on);
    throw std::runtime_error("boom " + std::to_string(n));
}
int echo(int n) { return n; }
/// Never ends, whatever it is told.
void hang(int started, bool ignore_sigterm) {
    if (ignore_sigterm) ::signal(SIGTERM, SIG_IGN);
    generic::shared_pipe::post(started);
    for (;;) ::pause();
}
/// Has tasks and contexts of its own, as long as it is wanted.
void own_nursery(int started, int stopped, mitogen::router& here, std::stop_token stop) {
    mitogen::nursery inner{here, {.stop = stop}};
    inner.start<&generic::until_stopped>(inner.local(), started, stopped);
    inner.join();
}
/// Fails in two children of its own.
void fail_twice(mitogen::router& here) {
    generic::shared_pipe started, go_on;
    mitogen::nursery inner{here};
    for (int i = 0; i < 2; ++i)
        inner.start<&boom_later>(inner.connect(mitogen::local{.name = "inner"}),
                                 started.write_end(), go_on.read_end(), i);
    for (int i = 0; i < 2; ++i) started.wait();
    for (int i = 0; i < 2; ++i) go_on.post();
    inner.join();
}
/// With what it was cancelled.
mitogen::task<mitogen::cancel_radius> cancelled_with(int started) {
    generic::shared_pipe::post(started);
    try {
        co_await mitogen::sleep_for(std::chrono::hours(1));
    } catch (const mitogen::cancelled_error& e) {
        co_return e.radius();
    }
    co_return mitogen::cancel_radius::none;
}
/// Cancels a call of its own, and lets the error of that pass.
void cancels_its_own(mitogen::router& here) {
    auto below = here.local({.name = "below"});
    auto call = below.call_async<&echo>(1);
    if (call.wait_until(0)) throw std::runtime_error("it was too quick");
    call.cancel();
    call.get();
}
/// Stops when it is told to, and says that this went wrong.
int fail_to_stop(int started, std::stop_token stop) {
    generic::shared_pipe woken;
    const std::stop_callback wake(stop, [&] { woken.post(); });
    generic::shared_pipe::post(started);
    woken.wait();
    throw std::runtime_error("cannot clean up");
}

/// Starts a shell that does what the text says instead of saying hello.
struct shell {
    std::string name{};
    std::chrono::milliseconds connect_timeout{30'000};
    std::string executable{};
    std::optional<mitogen::limits> limits{};
    std::string script{};

    mitogen::result<mitogen::boot_plan> plan() const {
        mitogen::boot_plan p;
        p.what = "shell";
        p.name = "shell";
        mitogen::detail::apply_common(*this, p);
        p.start.path = "/bin/sh";
        p.start.argv = {"sh", "-c", script};
        return p;
    }
};
shell silent() { return {.script = "exec sleep 1000"}; }

} // namespace nursery_test

template <>
inline constexpr auto mitogen::run_on<&nursery_test::boom_on_pool> = mitogen::on::pool;

namespace {
using namespace nursery_test;
using namespace std::chrono_literals;
using generic::contains;
using generic::shared_pipe;
using generic::tree;
using mitogen::reason;

mitogen::router_options expedited() {
    mitogen::router_options o;
    o.timeouts = {.grace = 100'000'000,
                  .after_term = 100'000'000,
                  .for_status = 100'000'000,
                  .for_link = 100'000'000};
    return o;
}
mitogen::router_options patient() {
    mitogen::router_options o;
    constexpr mitogen::duration_ns hour = 3'600'000'000'000;
    o.timeouts = {.grace = hour, .after_term = hour, .for_status = hour, .for_link = hour};
    return o;
}
const mitogen::nursery_options patient_nursery{.grace = 1h};

/// The texts of the members of a group, or of the only error.
std::multiset<std::string> messages(const mitogen::error& e) {
    std::multiset<std::string> all;
    for (const mitogen::error& one : e.members()) all.emplace(one.message());
    if (e.members().empty()) all.emplace(e.message());
    return all;
}
std::multiset<std::string> booms(int count) {
    std::multiset<std::string> all;
    for (int i = 0; i < count; ++i) all.insert("boom " + std::to_string(i));
    return all;
}
bool exists(int pid) { return ::kill(pid, 0) == 0 || errno != ESRCH; }

TEST_CASE("a nursery waits for its tasks, and its contexts are reaped when it ends") {
    tree t(patient());
    int pid = 0;
    {
        mitogen::nursery n{t.root, patient_nursery};
        const mitogen::context child = n.local();
        pid = child.call<&generic::process_id>();
        auto five = n.start<&generic::add>(child, 2, 3);
        mitogen::nursery_task<std::string> text =
            n.start<&generic::repeat>(child.within(60s), "ab", 2u);
        n.join();
        CHECK(five.done());
        CHECK(five.get() == 5);
        CHECK(text.get() == "abab");
        CHECK_FALSE(child.alive());
        CHECK_FALSE(exists(pid));
        CHECK_NOTHROW(n.join());
    }
    CHECK(t.root.contexts().empty());
}

TEST_CASE("a nursery that is left without join() waits as well") {
    shared_pipe started, go_on;
    tree t(patient());
    std::optional<mitogen::nursery_task<int>> held;
    {
        mitogen::nursery n{t.root, patient_nursery};
        held = n.start<&generic::hold>(n.local(), started.write_end(), go_on.read_end(), 7);
        go_on.post();
    }
    REQUIRE(held->done());
    CHECK(held->get() == 7);
}

TEST_CASE("a nursery that is left without join() logs what went wrong") {
    generic::log_capture log;
    tree t(patient());
    {
        mitogen::nursery n{t.root, patient_nursery};
        n.start<&boom>(n.local(), 1);
    }
    CHECK(log.wait_for("boom 1"));
}

TEST_CASE("a nursery that is left without join() logs nothing that was seen, nor behind an "
          "exception") {
    generic::log_capture log;
    tree t(patient());
    {
        mitogen::nursery n{t.root, patient_nursery};
        auto task = n.start<&boom>(n.local(), 1);
        CHECK(generic::contains(task.try_get().error().message(), "boom 1"));
    }
    try {
        mitogen::nursery n{t.root, patient_nursery};
        auto task = n.start<&boom>(n.local(), 2);
        task.wait_for(generic::plenty);
        throw std::domain_error("body");
    } catch (const std::domain_error&) {}
    CHECK(log.records().empty());
}

TEST_CASE("the first failure cancels the others and arrives as it was") {
    shared_pipe started, stopped, go_on;
    tree t(patient());
    mitogen::nursery n{t.root, patient_nursery};
    auto other =
        n.start<&generic::until_stopped>(n.local(), started.write_end(), stopped.write_end());
    CHECK(started.wait());
    n.start<&boom_later>(n.local(), started.write_end(), go_on.read_end(), 1);
    CHECK(started.wait());
    go_on.post();
    CHECK(stopped.wait()); // before join(): nobody has to wait for that
    CHECK(n.stopping());
    const mitogen::error e = generic::thrown_by([&] { n.join(); });
    CHECK(e.reason() == reason::remote_exception);
    CHECK(e.message() == "boom 1");
    CHECK(e.detail().type == "std::runtime_error");
    CHECK(e.members().empty());
    CHECK(other.get() == 1); // it had a value in spite of all
    CHECK_THROWS_AS(n.join(), mitogen::call_error);
    CHECK(t.root.contexts().empty());
}

TEST_CASE("25 failing children give exactly 25 members") {
    constexpr int count = 25;
    tree t(patient());
    mitogen::nursery n{t.root, patient_nursery};
    SECTION("each as soon as it is there, while others come up") {
        const mitogen::shield body(generic::plenty); // the first failure ends no wait of it
        for (int i = 0; i < count; ++i) n.start<&boom>(n.local(), i);
    }
    SECTION("when all are there") {
        std::vector<mitogen::future<mitogen::context>> coming;
        std::vector<mitogen::context> up;
        for (int i = 0; i < count; ++i) coming.push_back(n.connect_async(mitogen::local{}));
        for (auto& c : coming) up.push_back(c.get());
        for (int i = 0; i < count; ++i) n.start<&boom>(up[static_cast<std::size_t>(i)], i);
    }
    try {
        n.join();
        FAIL("no error");
    } catch (const mitogen::error_group& e) {
        CHECK(e.members().size() == count);
        CHECK(messages(e) == booms(count));
        CHECK(e.reason() == reason::several);
        CHECK(contains(e.what(), "25 errors"));
        CHECK(contains(e.what(), "boom 17"));
    }
}

TEST_CASE("children that are killed are one member each, with their status, however many tasks "
          "they had") {
    constexpr int count = 5;
    shared_pipe started, never;
    generic::log_capture quiet;
    tree t(patient());
    mitogen::nursery n{t.root, patient_nursery};
    std::vector<int> pids;
    for (int i = 0; i < count; ++i) {
        const mitogen::context child = n.local();
        pids.push_back(t.root.child_pid(child.id()));
        n.start<&generic::hold>(child, started.write_end(), never.read_end(), i);
        CHECK(started.wait());
        n.start<&generic::add>(child, i, i); // behind it
    }
    // so that none of them hears of another one's end
    for (const int pid : pids) ::kill(pid, SIGSTOP);
    for (const int pid : pids) ::kill(pid, SIGKILL);
    const mitogen::result<void> ended = n.try_join();
    REQUIRE_FALSE(ended);
    CHECK(ended.error().members().size() == count);
    CHECK(ended.error().kind() == mitogen::kind::disconnected);
    for (const mitogen::error& one : ended.error().members()) {
        CHECK(one.reason() == reason::respondent_lost);
        CHECK(one.detail().status.signal == SIGKILL);
    }
}

TEST_CASE("a context that is lost fails its nursery, also where no task runs in it") {
    shared_pipe started, stopped;
    generic::log_capture quiet;
    tree t(patient());
    mitogen::nursery n{t.root, patient_nursery};
    const mitogen::context idle = n.local();
    n.start<&generic::until_stopped>(n.local(), started.write_end(), stopped.write_end());
    CHECK(started.wait());
    ::kill(t.root.child_pid(idle.id()), SIGKILL);
    CHECK(stopped.wait());
    const mitogen::error e = generic::thrown_by([&] { n.join(); });
    CHECK(e.reason() == reason::respondent_lost);
    CHECK(e.detail().status.signal == SIGKILL);
    CHECK(e.detail().context == idle.id());
}

TEST_CASE("a context that is shut down before its nursery ends is no failure") {
    tree t(patient());
    mitogen::nursery n{t.root, patient_nursery};
    const mitogen::context gone = n.local();
    CHECK(gone.shutdown().get().success());
    auto sum = n.start<&generic::add>(n.local(), 1, 1);
    CHECK_NOTHROW(n.join());
    CHECK(sum.get() == 2);
}

TEST_CASE("an error that comes of being cancelled is kept, a cancellation is not") {
    shared_pipe started, stopped;
    tree t(patient());
    mitogen::nursery n{t.root, patient_nursery};
    n.start<&fail_to_stop>(n.local(), started.write_end());
    CHECK(started.wait());
    const mitogen::context busy = n.local();
    n.start<&generic::until_stopped>(busy, started.write_end(), stopped.write_end());
    CHECK(started.wait());
    auto waiting = n.start<&echo>(busy, 1); // is taken out of the queue
    auto first = n.start<&boom>(n.local(), 1);
    // what it was cancelled for
    CHECK(generic::thrown_by([&] { waiting.get(); }).message() == "boom 1");
    CHECK(generic::thrown_by([&] { first.get(); }).message() == "boom 1");
    const mitogen::error e = generic::thrown_by([&] { n.join(); });
    CHECK(messages(e) == std::multiset<std::string>{"boom 1", "cannot clean up"});
}

TEST_CASE("a task that its holder cancels is no failure") {
    shared_pipe started, stopped;
    tree t(patient());
    mitogen::nursery n{t.root, patient_nursery};
    const mitogen::context child = n.local();
    auto running =
        n.start<&generic::until_stopped>(child, started.write_end(), stopped.write_end());
    auto waiting = n.start<&echo>(child, 1);
    CHECK(started.wait());
    waiting.cancel();
    CHECK(generic::thrown_by([&] { waiting.get(); }).reason() == reason::cancelled);
    CHECK_FALSE(n.stopping());
    running.cancel();
    CHECK(stopped.wait());
    CHECK(running.get() == 1);
    CHECK_NOTHROW(n.join());
}

TEST_CASE("a cancellation that nobody on this side has asked for is an error") {
    tree t(patient());
    mitogen::nursery n{t.root, patient_nursery};
    n.start<&cancels_its_own>(n.local());
    try {
        n.join();
        FAIL("no error");
    } catch (const mitogen::cancelled_error& e) {
        CHECK(e.by() != t.root.id());
        CHECK(e.radius() == mitogen::cancel_radius::call);
    }
    CHECK(n.stopping());
}

TEST_CASE("a cancellation names its radius, here and where the function runs") {
    using mitogen::cancel_radius;
    shared_pipe started, held, never;
    tree t(patient());
    mitogen::nursery n{t.root, patient_nursery};
    const mitogen::context child = n.local();
    auto alone = n.start<&cancelled_with>(child, started.write_end());
    auto with_all = n.start<&cancelled_with>(child, started.write_end());
    auto blocking = n.start<&generic::hold>(child, started.write_end(), never.read_end(), 1);
    auto behind = n.start<&echo>(child, 1);
    for (int i = 0; i < 3; ++i) CHECK(started.wait());
    alone.cancel();
    CHECK(alone.get() == cancel_radius::call);
    SECTION("the nursery") {
        n.cancel();
        CHECK(with_all.get() == cancel_radius::nursery);
        const mitogen::cancelled_error why(generic::thrown_by([&] { behind.get(); }));
        CHECK(why.by() == t.root.id());
        CHECK(why.radius() == cancel_radius::nursery);
    }
    SECTION("a call") {
        behind.cancel();
        const mitogen::cancelled_error why(generic::thrown_by([&] { behind.get(); }));
        CHECK(why.by() == t.root.id());
        CHECK(why.radius() == cancel_radius::call);
        with_all.cancel();
    }
    never.post();
    CHECK(blocking.get() == 1);
    CHECK_NOTHROW(n.join());
    // A context that ends cancels what runs there.
    const mitogen::context last = t.root.local();
    auto there = last.call_async<&cancelled_with>(started.write_end());
    CHECK(started.wait());
    last.shutdown().get();
    CHECK(there.get() == cancel_radius::context);
}

TEST_CASE("a child that does not stop is ended by force") {
    const bool ignores_sigterm = GENERATE(false, true);
    shared_pipe started;
    tree t(expedited());
    mitogen::nursery n{t.root, {.grace = 50ms}};
    const mitogen::context stubborn = n.local();
    auto hanging = n.start<&hang>(stubborn, started.write_end(), ignores_sigterm);
    const int pid = t.root.child_pid(stubborn.id());
    CHECK(started.wait());
    n.start<&boom>(n.local(), 1);
    const mitogen::error e = generic::thrown_by([&] { n.join(); });
    CHECK(e.message() == "boom 1"); // and nothing of what that has brought about
    CHECK(e.members().empty());
    CHECK_FALSE(exists(pid));
    CHECK(generic::thrown_by([&] { hanging.get(); }).message() == "boom 1");
}

TEST_CASE("a stopped child is ended by force") {
    shared_pipe started, never;
    tree t(expedited());
    mitogen::nursery n{t.root, {.grace = 50ms}};
    const mitogen::context stopped = n.local();
    n.start<&generic::hold>(stopped, started.write_end(), never.read_end(), 1);
    CHECK(started.wait());
    ::kill(t.root.child_pid(stopped.id()), SIGSTOP);
    n.start<&boom>(n.local(), 1);
    CHECK(generic::thrown_by([&] { n.join(); }).message() == "boom 1");
}

TEST_CASE("a task in a context that is not the nursery's is cancelled; the context stays") {
    shared_pipe started, stopped, go_on;
    tree t(patient());
    const mitogen::context outside = t.root.local();
    SECTION("and it stops") {
        mitogen::nursery n{t.root, patient_nursery};
        n.start<&generic::until_stopped>(outside, started.write_end(), stopped.write_end());
        CHECK(started.wait());
        n.start<&boom>(n.local(), 1);
        CHECK(generic::thrown_by([&] { n.join(); }).message() == "boom 1");
        CHECK(stopped.wait());
    }
    SECTION("or is given up") {
        mitogen::nursery n{t.root, {.grace = 50ms}};
        auto held = n.start<&generic::hold>(outside, started.write_end(), go_on.read_end(), 1);
        CHECK(started.wait());
        n.start<&boom>(n.local(), 1);
        CHECK(generic::thrown_by([&] { n.join(); }).message() == "boom 1");
        CHECK(generic::thrown_by([&] { held.get(); }).message() == "boom 1");
        go_on.post();
    }
    CHECK(outside.call<&echo>(3) == 3);
}

TEST_CASE("a task cancelled while its context is still connecting reaps that too") {
    tree t(patient());
    mitogen::nursery n{t.root, patient_nursery};
    auto never_up = n.start<&echo>(silent(), 1);
    auto forgotten = n.connect_async(silent());
    SECTION("because another one fails") {
        n.start<&boom>(mitogen::local{}, 1);
        CHECK(generic::thrown_by([&] { never_up.get(); }).message() == "boom 1");
        CHECK(generic::thrown_by([&] { n.join(); }).message() == "boom 1");
        CHECK(generic::thrown_by([&] { forgotten.get(); }).message() == "boom 1");
    }
    SECTION("because its nursery is cancelled") {
        n.cancel();
        CHECK(generic::thrown_by([&] { never_up.get(); }).reason() == reason::cancelled);
        CHECK(generic::thrown_by([&] { forgotten.get(); }).reason() == reason::cancelled);
        CHECK_NOTHROW(n.join());
    }
    SECTION("because its holder cancels it") {
        never_up.cancel();
        CHECK(generic::thrown_by([&] { never_up.get(); }).reason() == reason::cancelled);
        CHECK_NOTHROW(n.join()); // nobody waits for the other one any more
        CHECK(generic::thrown_by([&] { forgotten.get(); }).reason() == reason::cancelled);
    }
    CHECK(support::open_answers(t.root) == 0);
}

TEST_CASE("a child that dies before it reports in fails its start with status and stderr") {
    tree t(patient());
    const shell dying{.script = "echo last words >&2; kill -9 $$"};
    mitogen::nursery n{t.root, patient_nursery};
    SECTION("as a task") {
        shared_pipe started, stopped;
        n.start<&generic::until_stopped>(n.local(), started.write_end(), stopped.write_end());
        CHECK(started.wait());
        auto failing = n.start<&echo>(dying, 1);
        CHECK(stopped.wait());
        const mitogen::error e = generic::thrown_by([&] { n.join(); });
        CHECK(e.reason() == reason::end_of_file);
        CHECK(e.detail().status.signal == SIGKILL);
        CHECK(contains(e.what(), "last words"));
        CHECK_THROWS_AS(failing.get(), mitogen::connect_error);
    }
    SECTION("as a context: that is its maker's affair, not the nursery's") {
        const auto failed = n.try_connect(dying);
        REQUIRE_FALSE(failed);
        CHECK(failed.error().detail().status.signal == SIGKILL);
        CHECK(contains(failed.error().what(), "last words"));
        CHECK_NOTHROW(n.join());
    }
}

TEST_CASE("many tasks on contexts that are made for them") {
    tree t(patient());
    mitogen::nursery n{t.root, patient_nursery};
    std::vector<mitogen::nursery_task<int>> all;
    for (int i = 0; i < 8; ++i)
        all.push_back(n.start<&generic::add>(mitogen::local{.name = "worker"}, i, 1));
    int sum = 0;
    for (auto& one : all) sum += one.get();
    CHECK(sum == 36);
    n.join();
}

TEST_CASE("a fork child belongs to its nursery as any other context") {
    shared_pipe started, stopped;
    tree t(patient());
    mitogen::nursery n{t.root, patient_nursery};
    const mitogen::context child = n.fork();
    const int pid = t.root.child_pid(child.id());
    n.start<&generic::until_stopped>(child, started.write_end(), stopped.write_end());
    CHECK(started.wait());
    SECTION("it ends with it") {
        n.start<&boom>(n.local(), 1);
        CHECK(generic::thrown_by([&] { n.join(); }).message() == "boom 1");
    }
    SECTION("its loss is a failure") {
        generic::log_capture quiet;
        ::kill(pid, SIGKILL);
        CHECK(generic::thrown_by([&] { n.join(); }).detail().status.signal == SIGKILL);
    }
    CHECK_FALSE(exists(pid));
}

TEST_CASE("what the pool executes begins where it can, and is heard") {
    constexpr int count = 4; // as many as the pool has threads
    tree t(patient());
    mitogen::nursery n{t.root, patient_nursery};
    const mitogen::context child = n.local();
    for (int i = 0; i < count; ++i) n.start<&boom_on_pool>(child, i);
    CHECK(messages(generic::thrown_by([&] { n.join(); })) == booms(count));
}

TEST_CASE("an exception of the body cancels what runs and leaves as it was") {
    shared_pipe started, stopped;
    tree t(patient());
    try {
        mitogen::nursery n{t.root, patient_nursery};
        n.start<&generic::until_stopped>(n.local(), started.write_end(), stopped.write_end());
        auto forgotten = n.connect_async(silent());
        CHECK(started.wait());
        throw std::logic_error("from the body");
    } catch (const std::logic_error& e) {
        CHECK(std::string(e.what()) == "from the body");
    }
    CHECK(stopped.wait());
    CHECK(t.root.contexts().empty());
}

TEST_CASE("cancel() stops everything and is no error of join()") {
    shared_pipe started, stopped;
    tree t(patient());
    mitogen::nursery n{t.root, patient_nursery};
    const mitogen::context child = n.local();
    n.start<&generic::until_stopped>(child, started.write_end(), stopped.write_end());
    CHECK(started.wait());
    n.cancel();
    CHECK(stopped.wait());
    CHECK(generic::thrown_by([&] { n.local(); }).reason() == reason::cancelled);
    CHECK(generic::thrown_by([&] { n.start<&echo>(child, 1).get(); }).reason() ==
          reason::cancelled);
    CHECK_NOTHROW(n.join());
    CHECK_FALSE(child.alive());
}

TEST_CASE("a stop token cancels a nursery, and join() says so") {
    shared_pipe started, stopped;
    tree t(patient());
    std::stop_source source;
    mitogen::nursery n{t.root, {.grace = 1h, .stop = source.get_token()}};
    n.start<&generic::until_stopped>(n.local(), started.write_end(), stopped.write_end());
    CHECK(started.wait());
    SECTION("where nothing else went wrong") {
        source.request_stop();
        CHECK_THROWS_AS(n.join(), mitogen::cancelled_error);
    }
    SECTION("but it does not hide an error") {
        n.start<&fail_to_stop>(n.local(), started.write_end());
        CHECK(started.wait());
        source.request_stop();
        CHECK(generic::thrown_by([&] { n.join(); }).message() == "cannot clean up");
    }
    CHECK(stopped.wait());
}

TEST_CASE("nothing can be added to a nursery that has ended") {
    tree t(patient());
    const mitogen::context outside = t.root.local();
    mitogen::nursery n{t.root, patient_nursery};
    n.join();
    CHECK_THROWS_AS(n.local(), mitogen::logic_error);
    CHECK_THROWS_AS(n.start<&echo>(outside, 1).get(), mitogen::logic_error);
    CHECK_THROWS_AS(n.start<&echo>(mitogen::local{}, 1).get(), mitogen::logic_error);
    CHECK_NOTHROW(n.join());
}

TEST_CASE("nurseries inside nurseries: groups become flat, and who is inside ends first") {
    shared_pipe started, go_on;
    tree t(patient());
    mitogen::nursery outer{t.root, patient_nursery};
    SECTION("in the same scope") {
        try {
            mitogen::nursery inner{t.root, patient_nursery};
            for (int i = 0; i < 3; ++i)
                inner.start<&boom_later>(inner.local(), started.write_end(), go_on.read_end(), i);
            for (int i = 0; i < 3; ++i) started.wait();
            for (int i = 0; i < 3; ++i) go_on.post();
            inner.join();
            FAIL("no error");
        } catch (const mitogen::error_group& e) {
            CHECK(messages(e) == booms(3));
        }
        CHECK(t.root.contexts().empty());
        CHECK_NOTHROW(outer.join());
    }
    SECTION("in a function of another context, which throws what they threw") {
        outer.start<&fail_twice>(outer.local());
        const mitogen::error e = generic::thrown_by([&] { outer.join(); });
        CHECK(e.reason() == mitogen::reason::several);
        REQUIRE(e.members().size() == 2);
        CHECK(e.members()[1].detail().type == "std::runtime_error");
        CHECK(contains(e.what(), "boom 0"));
        CHECK(contains(e.what(), "boom 1"));
    }
    SECTION("in a function of another context, which is cancelled") {
        shared_pipe stopped;
        outer.start<&own_nursery>(outer.local(), started.write_end(), stopped.write_end());
        CHECK(started.wait());
        outer.start<&boom>(outer.local(), 1);
        CHECK(generic::thrown_by([&] { outer.join(); }).message() == "boom 1");
        CHECK(stopped.wait());
    }
}

TEST_CASE("a router that is closed ends the tasks of a nursery with it") {
    shared_pipe started, never;
    tree t(expedited());
    mitogen::nursery n{t.root, {.grace = 50ms}};
    n.start<&generic::hold>(n.local(), started.write_end(), never.read_end(), 1);
    CHECK(started.wait());
    t.root.close();
    CHECK(generic::thrown_by([&] { n.join(); }).kind() == mitogen::kind::disconnected);
}

} // namespace
