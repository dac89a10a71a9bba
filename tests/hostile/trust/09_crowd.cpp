// SPDX-License-Identifier: BSL-1.0
// It makes a sibling answer it, and does not read: the parent stops reading from the sibling, for
// good.
#include "raw.hpp"
int add(int a, int b) { return a + b; }
int main(int argc, char** argv) {
    mitogen::init(argc, argv);
    mitogen::broker loop;
    mitogen::router_options o;
    o.limits.queue_bytes = 8 << 20;
    mitogen::router root(loop, o);
    const auto honest = root.local({.name = "honest"}); // 1
    hostile bad(root, [](raw& h) {
        // no such handle: answered dead, to this one
        for (int i = 0; i < part(400'000); ++i) h.put(h.to(1, 5'000'000, 5'000'000'000));
        h.flush();
        for (;;) {
            h.put(h.to(0, H::heartbeat));
            if (!h.flush()) return;
            std::this_thread::sleep_for(100ms);
        }
    });
    std::this_thread::sleep_for(part(5s));
    const auto said = honest.within(5s).try_call<&add>(1, 2);
    if (!said) unsafe(std::string("a call of the sibling, 5 s later: ") + said.error().what());
    return safe("the sibling answers");
}
