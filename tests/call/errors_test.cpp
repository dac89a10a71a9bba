// SPDX-License-Identifier: BSL-1.0
#include "../generic/context_functions.hpp"
#include "../generic/tree.hpp"

#include <catch2/catch.hpp>
#include <chrono>
#include <csignal>
#include <exception>
#include <memory>
#include <mitogen/mitogen.hpp>
#include <new>
#include <stdexcept>
#include <stop_token>
#include <string>
#include <unistd.h>
#include <vector>

namespace errors_test {

using namespace std::chrono_literals;
using mitogen::error;
using mitogen::kind;
using mitogen::reason;

struct trouble : std::runtime_error {
    using std::runtime_error::runtime_error;
};
struct unknown_trouble : std::runtime_error {
    using std::runtime_error::runtime_error;
};
[[maybe_unused]] constexpr auto& registered = mitogen::rethrowable<trouble>;

int boom(int which) {
    switch (which) {
    case 0: throw std::out_of_range("boom");
    case 1: throw trouble("own");
    case 2: throw unknown_trouble("stranger");
    case 3: throw std::bad_alloc();
    case 4: throw 42;
    default: throw std::string("text");
    }
}
int deaf(std::stop_token stop) {
    generic::shared_pipe woken;
    const std::stop_callback wake(stop, [&] { woken.post(); });
    woken.wait();
    return 1;
}
int chained() {
    try {
        boom(0);
    } catch (...) {
        std::throw_with_nested(std::runtime_error("cannot begin"));
    }
    return 1;
}
mitogen::result<int> says_no() { return error(reason::codec, "no"); }
int misuses() { throw mitogen::logic_error(reason::misuse, "wrong use"); }
mitogen::generator<int> ends_oddly(mitogen::router&) {
    co_yield 1;
    // what a receive() that nobody catches throws
    throw mitogen::channel_error(reason::end_of_stream, "of another stream");
}

/// What goes wrong in a child of the context that runs this, or in this one.
int fails(mitogen::router& here, std::string what) {
    if (what == "says no") return says_no().value();
    if (what == "misuse") return misuses();
    auto below = here.local({.name = "leaf"});
    if (what == "lost") below.call<&generic::end_by_exit>(9);
    if (what == "crash") below.call<&generic::end_by_signal>(SIGSEGV);
    if (what == "late") return below.within(50ms).call<&deaf>();
    if (what == "boom") return below.call<&boom>(0);
    if (what == "chained") return below.call<&chained>();
    if (what == "cancelled") {
        auto f = below.call_async<&deaf>();
        f.cancel();
        return f.get();
    }
    std::vector<error> failed; // a nursery would cancel some of these, or all but one
    for (int i = 0; i < 25; ++i) failed.push_back(below.try_call<&boom>(0).error());
    mitogen::raise(mitogen::group_errors(failed));
}
/// The same, one level further down.
int passes(mitogen::router& here, std::string what) {
    return here.local({.name = "low"}).call<&fails>(what);
}

error failure_of(mitogen::context& c, const std::string& what, bool far) {
    const auto r = far ? c.try_call<&passes>(what) : c.try_call<&fails>(what);
    REQUIRE(!r);
    return r.error();
}

template <class Expected>
bool raised_as(const error& e) {
    try {
        mitogen::raise(e);
    } catch (const Expected&) {
        return true;
    } catch (...) {
        return false;
    }
}

bool says(const error& e, const std::string& text) { return generic::contains(e.what(), text); }

} // namespace errors_test

using namespace errors_test;

TEST_CASE("an error stays what it is, whatever number of contexts it passes") {
    generic::tree tree;
    auto top = tree.root.local({.name = "top"});
    for (const bool far : {false, true}) {
        INFO("one level more: " << far);
        const std::string at = far ? "top.low" : "top";
        {
            const error e = failure_of(top, "lost", far);
            CHECK(e.kind() == kind::disconnected);
            CHECK(e.reason() == reason::respondent_lost);
            REQUIRE(e.status());
            CHECK(e.status()->code == 9);
            CHECK(says(e, "[generic::end_by_exit in " + at + ".leaf, passed on by"));
            REQUIRE(e.hops().size() == (far ? 2u : 1u));
            CHECK(e.hops()[0].text() == "errors_test::fails in " + at);
        }
        {
            const error e = failure_of(top, "late", far);
            CHECK(e.kind() == kind::overloaded);
            CHECK(e.reason() == reason::timeout);
            CHECK(says(e, "no answer within 50 ms [errors_test::deaf in " + at + ".leaf, "));
        }
        {
            const error e = failure_of(top, "boom", far);
            CHECK(e.reason() == reason::remote_exception);
            CHECK(e.detail().type == "std::out_of_range");
            CHECK(e.message() == "boom");
            REQUIRE(e.hops().size() == (far ? 3u : 2u));
            CHECK(e.hops()[0].text() == "errors_test::boom in " + at + ".leaf");
            CHECK(e.hops().back().text() ==
                  (far ? "errors_test::passes in top" : "errors_test::fails in top"));
        }
        {
            const error e = failure_of(top, "several", far);
            CHECK(e.reason() == reason::several);
            REQUIRE(e.members().size() >= 1);
            for (const error& one : e.members()) {
                CHECK(one.detail().type == "std::out_of_range");
                CHECK(one.detail().place == at + ".leaf");
            }
        }
        {
            const error e = failure_of(top, "cancelled", far);
            CHECK(e.reason() == reason::cancelled);
            CHECK(e.canceller() != mitogen::no_context);
            CHECK(e.canceller() != mitogen::root_id);
            CHECK(e.radius() == mitogen::cancel_radius::call);
        }
        {
            const error e = failure_of(top, "chained", far);
            CHECK(e.detail().type == "std::runtime_error");
            REQUIRE(e.causes().size() == 1);
            CHECK(e.causes()[0].detail().type == "std::out_of_range");
            CHECK(says(e, "cannot begin"));
            CHECK(says(e, "because: std::out_of_range: boom"));
        }
        CHECK(failure_of(top, "says no", far).reason() == reason::codec);
        CHECK(failure_of(top, "misuse", far).reason() == reason::misuse);
        CHECK(raised_as<mitogen::logic_error>(failure_of(top, "misuse", far)));
    }
}

TEST_CASE("an error that arises here names the function and its context") {
    generic::tree tree;
    auto web = tree.root.local({.name = "web7"});
    SECTION("a time-out") {
        auto call = web.call_async<&deaf>();
        const error e = call.try_get_for(1ms).error();
        CHECK(e.reason() == reason::timeout);
        CHECK(says(e, "[errors_test::deaf in web7]"));
        CHECK(e.hops().empty());
    }
    SECTION("a cancellation") {
        auto call = web.call_async<&deaf>();
        call.cancel();
        const error e = call.try_get().error();
        CHECK(says(e, "[errors_test::deaf in web7]"));
        CHECK(e.canceller() == mitogen::root_id);
    }
    SECTION("a crash, with its signal") {
        const auto ended = web.try_call<&generic::end_by_signal>(SIGSEGV);
        CHECK(says(ended.error(), "[generic::end_by_signal in web7] (signal 11, SIGSEGV)"));
        // it is remembered, with the path that it had
        CHECK(says(web.try_call<&deaf>().error(), "[errors_test::deaf in web7]"));
        CHECK(says(web.try_call_no_reply<&deaf>().error(), "[errors_test::deaf in web7]"));
    }
    SECTION("a loss on the way") {
        auto far = web.local({.name = "disk"});
        auto call = far.call_async<&deaf>();
        web.disconnect();
        const error e = call.try_get().error();
        CHECK(e.kind() == kind::disconnected);
        CHECK(says(e, "[errors_test::deaf in web7.disk]"));
    }
}

TEST_CASE("children that nobody has named differ") {
    generic::tree tree;
    auto a = tree.root.local(), b = tree.root.local();
    CHECK(a.name() == "local." + std::to_string(a.id()));
    CHECK(a.name() != b.name());
}

TEST_CASE("what a function threw is thrown again as what it was") {
    generic::tree tree;
    auto child = tree.root.local();
    const auto thrown = [&](int which) { return child.try_call<&boom>(which).error(); };
    CHECK_THROWS_AS(thrown(0).rethrow_as<std::out_of_range>(), std::out_of_range);
    CHECK_THROWS_AS((thrown(0).rethrow_as<trouble, std::out_of_range>()), std::out_of_range);
    CHECK_THROWS_AS(thrown(2).rethrow_as<unknown_trouble>(), unknown_trouble);
    CHECK_THROWS_WITH(thrown(0).rethrow_as<>(), "boom");
    CHECK_THROWS_AS(thrown(0).rethrow_as<>(), std::out_of_range);
    CHECK_THROWS_AS(thrown(1).rethrow_as<>(), trouble);
    CHECK_THROWS_AS(thrown(3).rethrow_as<>(), std::bad_alloc);
    CHECK_NOTHROW(thrown(0).rethrow_as<std::logic_error>()); // no other than its own
    CHECK_NOTHROW(thrown(2).rethrow_as<>());                 // not registered
    CHECK_NOTHROW(thrown(4).rethrow_as<>());
    CHECK(thrown(4).detail().type == "int");
    CHECK(thrown(5).message() == "text");
    CHECK_NOTHROW(error(reason::timeout, "late").rethrow_as<>());
}

TEST_CASE("a failure that looks like the end of a stream does not end one in silence") {
    generic::tree tree;
    auto child = tree.root.local();
    int items = 0;
    std::string said;
    try {
        for (int v : child.stream<&ends_oddly>()) items += v;
    } catch (const mitogen::channel_error& e) {
        said = e.what();
    }
    CHECK(items == 1);
    CHECK(generic::contains(said, "of another stream"));
}
