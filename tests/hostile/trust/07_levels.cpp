// SPDX-License-Identifier: BSL-1.0
// Nested routes: each adds 1.5 s to the time that the child has before it is killed. 20 of them:
// the router's end takes half a minute. (An attached child has no process; the time is the same.)
#include "raw.hpp"
int main(int argc, char** argv) {
    mitogen::init(argc, argv);
    mitogen::broker loop;
    std::optional<mitogen::router> root(std::in_place, loop);
    hostile bad(*root, [](raw& h) {
        context_id above = h.id;
        for (context_id i = 0; i < 20; ++i) h.add_route(500'000 + i, above), above = 500'000 + i;
        h.flush();
        h.listen(); // and does not leave when it is asked to
    });
    std::this_thread::sleep_for(300ms);
    std::thread([] {
        std::this_thread::sleep_for(8s);
        unsafe(
            "the router's end takes longer than 8 s (promised: 3 s, and 1 s until it is killed)");
    }).detach();
    root.reset();
    return safe("the router has ended in time");
}
