// SPDX-License-Identifier: BSL-1.0
// Secrets do not stay in the memory of those whom they pass.
#include "support/memory_search.hpp"
#include "support/person.hpp"
#include "support/scratch.hpp"
#include "support/sshd.hpp"

#include <catch2/catch.hpp>
#include <cstddef>
#include <mitogen/mitogen.hpp>
#include <string>
#include <utility>
#include <vector>

namespace {

using support::hidden_text;
using support::occurrences_in_memory;

int find(std::string inverted) { return occurrences_in_memory(inverted); }

mitogen::secret next_to(mitogen::secret text) { return text; }

std::size_t length_of(mitogen::secret text, std::string inverted) {
    if (occurrences_in_memory(inverted) == 0) throw std::logic_error("the search finds nothing");
    return text.size();
}

/// A sudo that asks for a password and then twice for a code. It writes what it was told to
/// `dir`/told.
mitogen::sudo asking_sudo(const support::scratch& dir) {
    mitogen::sudo how;
    how.sudo_path = dir.script(
        "sudo", "ask() { printf '%s' \"$1\" >/dev/tty; read -r word </dev/tty; echo \"$word\" >>'" +
                    dir / "told" +
                    "'; }\n"
                    "ask \"$2\"; ask 'Code: '; ask 'Another code: '\n"
                    "while [ \"$1\" != -- ]; do shift; done; shift; exec \"$@\"\n");
    return how;
}

} // namespace

TEST_CASE("passwords and answers are left in no memory that they pass") {
    const support::scratch dir;
    const support::person who;
    const hidden_text password(24);
    const hidden_text code(24);
    {
        mitogen::broker loop;
        mitogen::router root{loop, {.on_prompt = who.callback()}};
        mitogen::context hop = root.local();
        mitogen::context relay = hop.local();

        mitogen::sudo how = asking_sudo(dir);
        how.password = password.reveal();
        CHECK(find(password.inverted()) > 0); // as long as it lives
        auto coming = relay.connect_async(how);
        mitogen::prompt first = who.next();
        CHECK(relay.call<&find>(password.inverted()) > 0); // it knows what it must not show
        CHECK(hop.call<&find>(password.inverted()) == 0);
        how.password = {};
        CHECK(find(password.inverted()) == 0);

        mitogen::secret answer = code.reveal();
        CHECK(find(code.inverted()) > 0);
        first.answer(std::move(answer));
        mitogen::prompt second = who.next();
        CHECK(relay.call<&find>(code.inverted()) > 0);
        CHECK(hop.call<&find>(code.inverted()) == 0);
        CHECK(find(code.inverted()) == 0);
        second.answer("246810");

        coming.get();
        for (const mitogen::context& c : {hop, relay}) {
            CHECK(c.call<&find>(password.inverted()) == 0);
            CHECK(c.call<&find>(code.inverted()) == 0);
        }
        CHECK(find(password.inverted()) == 0);
        CHECK(find(code.inverted()) == 0);
    }
    CHECK(dir.text("told") == std::string(password.reveal().reveal()) + "\n" +
                                  std::string(code.reveal().reveal()) + "\n246810\n");
}

TEST_CASE("secrets that are arguments and results are left in no memory that they pass") {
    const std::size_t size = GENERATE(24u, 3000u, 700'000u);
    INFO(size << " bytes");
    const hidden_text text(size);
    mitogen::broker loop;
    mitogen::router root{loop};
    mitogen::context hop = root.local();
    mitogen::context far = hop.local();
    {
        const mitogen::secret sent = text.reveal();
        CHECK(far.call<&length_of>(sent, text.inverted()) == size);
        const mitogen::secret back = far.call<&next_to>(sent);
        CHECK((back == sent));
        CHECK(far.call_async<&length_of>(sent, text.inverted()).get() == size);
        CHECK(find(text.inverted()) > 0);
    }
    CHECK(find(text.inverted()) == 0);
    CHECK(hop.call<&find>(text.inverted()) == 0);
    CHECK(far.call<&find>(text.inverted()) == 0);
}
