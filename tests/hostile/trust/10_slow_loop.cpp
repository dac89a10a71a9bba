// SPDX-License-Identifier: BSL-1.0
// 4096 announced messages, then empty fragments of the last of them: each is looked for among all.
// Calls of others wait.
#include "raw.hpp"
int add(int a, int b) { return a + b; }
int main(int argc, char** argv) {
    mitogen::init(argc, argv);
    mitogen::broker loop;
    mitogen::router root(loop);
    const auto honest = root.local({.name = "honest"});
    const auto measure = [&] {
        int n = 0;
        for (const double end = now_s() + part(3.0); now_s() < end; ++n)
            (void)honest.try_call<&add>(1, 2);
        return n;
    };
    const int quiet = measure();
    int flood = 0;
    {
        // as many frames, which cost nothing
        hostile plain(root, [](raw& h) { while (h.put(h.to(0, H::shutdown))) {} });
        flood = measure();
    }
    hostile bad(root, [](raw& h) { h.begin_messages(4096); });
    const int n = measure();
    const std::string text = "calls of the sibling: " + std::to_string(quiet) + " alone, " +
                             std::to_string(flood) + " beside a flood of refused frames, " +
                             std::to_string(n) + " beside the fragments";
    if (n < flood / 10) unsafe(text);
    return safe(text);
}
