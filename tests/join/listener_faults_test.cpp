// SPDX-License-Identifier: BSL-1.0
// What a listener and those who join do when the system has no more to give.
#include "../generic/context_functions.hpp"
#include "../generic/inject.hpp"
#include "../generic/tree.hpp"
#include "support/scratch.hpp"

#include <catch2/catch.hpp>
#include <cerrno>
#include <mitogen/mitogen.hpp>
#include <string>

namespace {

using generic::inject;
using generic::tree;
using mitogen::reason;

struct listening_tree {
    support::scratch folder;
    tree t;
    std::string socket = folder / "socket";

    listening_tree() {
        t.root.listen(socket, {.authority = mitogen::authority::parent});
    }
    ~listening_tree() { t.root.close(); }
};

TEST_CASE("a listener that finds no descriptor tries again, and nobody who waits is lost") {
    generic::log_capture log;
    listening_tree l;
    for (const long rc : {-EMFILE, -ENFILE, -ENOMEM}) {
        const inject fault("accept", rc, 0, 1);
        mitogen::joined me = mitogen::join(l.socket);
        CHECK(me.parent().call<&generic::add>(1, 1) == 2);
        CHECK(fault.hit());
    }
    CHECK(log.wait_for("accept"));
    const inject gone("accept", -ECONNABORTED, 0, 1);
    CHECK(mitogen::join(l.socket).alive());
}

TEST_CASE("a connection whose user cannot be told, or that cannot be taken over, is refused; the "
          "next one is not") {
    generic::log_capture log;
    listening_tree l;
    for (const char* name : {"peer_user", "dup_above"}) {
        INFO(name);
        {
            const inject fault(name, -EMFILE);
            CHECK_FALSE(mitogen::try_join(l.socket).has_value());
        }
        CHECK(mitogen::join(l.socket).parent().call<&generic::add>(1, 1) == 2);
    }
}

TEST_CASE("without threads nobody joins, and nothing is left") {
    listening_tree l;
    for (int skip = 0; skip < 2; ++skip) { // the loop's, and the one that executes calls
        const inject fault("pthread_create", -EAGAIN, skip, 1);
        CHECK_THROWS_AS(mitogen::join(l.socket), mitogen::overloaded_error);
    }
    CHECK(mitogen::join(l.socket).parent().call<&generic::add>(1, 1) == 2);
}

} // namespace
