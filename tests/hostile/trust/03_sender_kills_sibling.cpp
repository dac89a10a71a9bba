// SPDX-License-Identifier: BSL-1.0
// A call of the hostile child returns a sender that points to handle 106 (shutdown) of a sibling.
// The parent only drops it.
#include "raw.hpp"
int add(int a, int b) { return a + b; }
mitogen::sender<int> subscribe() { return {}; }
int main(int argc, char** argv) {
    mitogen::init(argc, argv);
    mitogen::broker loop;
    mitogen::router root(loop);
    const auto honest = root.local({.name = "honest"}); // 1
    hostile bad(root, [&](raw& h) {
        h.listen([&](raw::frame& f) {
            if (f.head.handle != H::call_function) return;
            h.put(h.to(0, f.head.reply_to),
                  mitogen::encode(context_id{1}, handle_id{H::shutdown}, std::uint32_t{1 << 20}));
            h.flush();
        });
    });
    (void)bad.context.try_call<&subscribe>();
    std::this_thread::sleep_for(500ms);
    const auto said = honest.within(5s).try_call<&add>(1, 2);
    if (!said) unsafe(std::string("the sibling is gone: ") + said.error().what());
    return safe("the sibling lives");
}
