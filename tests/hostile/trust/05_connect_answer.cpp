// SPDX-License-Identifier: BSL-1.0
// Asked to make a child, the hostile child answers with the id of a sibling. Who ends "its" child
// ends the sibling.
#include "raw.hpp"
int add(int a, int b) { return a + b; }
int main(int argc, char** argv) {
    mitogen::init(argc, argv);
    mitogen::broker loop;
    mitogen::router root(loop);
    const auto honest = root.local({.name = "honest"}); // 1
    hostile bad(root, [&](raw& h) {
        h.listen([&](raw::frame& f) {
            if (f.head.handle != H::connect) return;
            h.put(h.to(0, f.head.reply_to), mitogen::encode(context_id{1}));
            h.flush();
        });
    });
    const auto c = bad.context.try_local();
    if (c && c->id() == honest.id()) {
        (void)c->shutdown().try_get();
        unsafe(
            std::string("bad.local() is the sibling; ending it: ") +
            (honest.within(5s).try_call<&add>(1, 2) ? "the sibling lives" : "the sibling is dead"));
    }
    return safe("the answer was refused");
}
