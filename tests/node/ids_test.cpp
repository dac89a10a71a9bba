// SPDX-License-Identifier: BSL-1.0
// Numbers of contexts, if contexts are processes.
#include "../generic/tree.hpp"

#include <catch2/catch.hpp>
#include <mitogen/mitogen.hpp>

namespace ids_test {

/// So many attempts to make a child, none of which succeeds, but each of which takes a number.
/// Returns how many failed.
int fail_to_connect(mitogen::router& here, int count) {
    int failed = 0;
    for (int i = 0; i < count; ++i) failed += !here.try_local({.executable = "/etc/passwd"});
    return failed;
}
mitogen::context_id id_of_new_child(mitogen::router& here) { return here.local().id(); }

} // namespace ids_test

namespace {
using namespace ids_test;
using generic::tree;

TEST_CASE("a child asks for its next block of ids while it has a hundred left, and not before it "
          "makes children") {
    tree t;
    const mitogen::context idle = t.root.local();
    const mitogen::context busy = t.root.local();
    CHECK(idle.id() == 1);
    CHECK(busy.id() == 2);
    CHECK(id_of_new_child(t.root) == 3);
    CHECK(busy.call<&fail_to_connect>(900) == 900); // 4 to 903, of 4 to 1003
    CHECK(id_of_new_child(t.root) == 1004);
    CHECK(busy.call<&fail_to_connect>(1) == 1);
    // the next block has left the root before the answer came
    CHECK(id_of_new_child(t.root) == 2005);
    CHECK(busy.call<&fail_to_connect>(99) == 99);
    CHECK(busy.call<&id_of_new_child>() == 1005);
    CHECK(idle.call<&id_of_new_child>() == 2006);
}

} // namespace
