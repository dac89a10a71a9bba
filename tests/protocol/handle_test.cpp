// SPDX-License-Identifier: BSL-1.0
#include <mitogen/protocol/handle.hpp>

#include <catch2/catch.hpp>
#include <set>
#include <string>
#include <type_traits>

namespace {

inline constexpr mitogen::handle<std::string, int> progress{2001};

TEST_CASE("a handle carries its types and its number") {
    STATIC_REQUIRE(progress.number == 2001);
    STATIC_REQUIRE_FALSE(std::is_same_v<decltype(progress), const mitogen::handle<int>>);
}

TEST_CASE("the library's own handles differ, and leave the program's range and the marks alone") {
    namespace h = mitogen::handles;
    const std::set<mitogen::handle_id> all{h::call_function, h::forward_log, h::add_route,
                                           h::del_route,     h::allocate_id, h::shutdown,
                                           h::forget_chain,  h::cancel_call, h::explain_call,
                                           h::ping,          h::connect,     h::heartbeat};
    CHECK(all.size() == 12);
    for (const mitogen::handle_id one : all) {
        CHECK(one >= 100);
        CHECK(one < mitogen::first_dynamic_handle);
        CHECK(one != mitogen::is_dead);
    }
}

} // namespace
