// SPDX-License-Identifier: BSL-1.0
#include <mitogen/node/dead_messages.hpp>

#include <catch2/catch.hpp>

namespace {

namespace dead_message = mitogen::dead_message;
using mitogen::header;
using mitogen::reason;

const header message{.dst = 4, .src = 2, .auth = 7, .handle = 1000};

TEST_CASE("the sender of a refused message is told who refused it, and why") {
    CHECK(dead_message::no_route(4, 1).message() == "no route to context 4, my id is 1");
    CHECK(dead_message::no_route(4, 1).reason() == reason::no_route);
    CHECK(dead_message::between_siblings(message, 1).message() ==
          "routing mode prevents forward from context 2 to context 4 via context 1");
    CHECK(dead_message::no_handler(message, 4).message() ==
          "nothing is registered under handle 1000 of context 4");
    CHECK(dead_message::too_large(100, 4).message() ==
          "the message is larger than the 100 bytes that context 4 accepts");
    CHECK(dead_message::too_many(4).reason() == reason::overloaded);
    CHECK(dead_message::late_answer().reason() == reason::invalid_handle);
    CHECK(dead_message::false_source(message, 3).message() ==
          "context 3 may not send as context 2 on the authority of context 7");
    CHECK(dead_message::not_taken(message, 4, "it sleeps").message() ==
          "handle 1000 of context 4 refused the message: it sleeps");
    CHECK(dead_message::upward_call(message, 4).message() ==
          "context 2 may not call functions of context 4: only contexts above context 4 may");
    CHECK(dead_message::unexpected_answer().reason() == reason::unexpected_reply);
    CHECK(dead_message::handler_threw("oh").message() == "the handler threw: oh");
}

} // namespace
