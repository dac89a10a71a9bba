// SPDX-License-Identifier: BSL-1.0
// Refused messages are logged one by one, without bound, on the loop; the default sink writes to
// stderr and blocks. Where nobody reads stderr quickly enough (a pager, a terminal that is stopped,
// a slow journal) one child that is refused holds up everybody.
#include "raw.hpp"
int add(int a, int b) { return a + b; }
int main(int argc, char** argv) {
    mitogen::init(argc, argv);
    mitogen::broker loop;
    mitogen::router root(loop);
    const auto honest = root.local({.name = "honest"});
    int p[2];
    if (::pipe(p) || ::dup2(p[1], 2) < 0) return 2; // nobody reads it
    hostile bad(root, [](raw& h) {
        std::thread([&h] { h.listen(); }).detach();
        for (int i = 0; i < 20'000 && h.put(h.to(0, H::call_function)); ++i) {}
        h.flush();
        std::this_thread::sleep_for(10s);
    });
    std::this_thread::sleep_for(1s);
    std::thread([] {
        std::this_thread::sleep_for(8s);
        unsafe("a call of the honest child, with a deadline of 3 s, has not returned after 8 s: "
               "the loop is in write(2)");
    }).detach();
    const auto said = honest.within(3s).try_call<&add>(1, 2);
    if (!said) unsafe(std::string("a call of the honest child: ") + said.error().what());
    return safe("the honest child's call returned");
}
