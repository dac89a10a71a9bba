// SPDX-License-Identifier: BSL-1.0
// ADD_ROUTE and DEL_ROUTE of id 0xffffffff: every call that the parent waits for fails, whomever it
// asked.
#include "raw.hpp"
int slow() { std::this_thread::sleep_for(1s); return 7; }
int main(int argc, char** argv) {
    mitogen::init(argc, argv);
    mitogen::broker loop;
    mitogen::router root(loop);
    const auto honest = root.local({.name = "honest"});
    hostile bad(root, [](raw& h) {
        std::this_thread::sleep_for(300ms);
        h.add_route(mitogen::no_context, h.id);
        h.del_route(mitogen::no_context);
        h.flush();
        h.listen();
    });
    const auto said = honest.try_call<&slow>();
    if (!said) unsafe(std::string("a call of the honest child failed: ") + said.error().what());
    return safe("the honest child's call was not disturbed");
}
