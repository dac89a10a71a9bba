// SPDX-License-Identifier: BSL-1.0
// The same with handle 101 (call_function): an int that the parent sends becomes a call of the
// sibling's function of that number, on the parent's authority. And with the parent itself as the
// target: a handler for parents only runs.
#include "raw.hpp"
void deed() { FILE* f = std::fopen("/tmp/sec-cases-deed", "w"); if (f) std::fclose(f); }
mitogen::sender<int> subscribe() { return {}; }
int main(int argc, char** argv) {
    mitogen::init(argc, argv);
    ::unlink("/tmp/sec-cases-deed");
    mitogen::broker loop;
    mitogen::router root(loop);
    std::atomic<int> ran{0};
    root.add_handler(mitogen::handle<std::uint8_t, int>{2000},
                     [&](const mitogen::message&, std::uint8_t, int) { ++ran; });
    [[maybe_unused]] const auto honest = root.local({.name = "honest"}); // 1
    int calls = 0;
    hostile bad(root, [&](raw& h) {
        h.listen([&](raw::frame& f) {
            if (f.head.handle != H::call_function) return;
            h.put(h.to(0, f.head.reply_to),
                  ++calls == 1
                      ? mitogen::encode(context_id{1}, handle_id{H::call_function},
                                        std::uint32_t{1 << 20})
                      : mitogen::encode(context_id{0}, handle_id{2000}, std::uint32_t{1 << 20}));
            h.flush();
        });
    });
    const int number = static_cast<int>(mitogen::detail::entry_of<&deed>().index());
    for (int round = 0; round < 2; ++round) {
        auto s = bad.context.try_call<&subscribe>();
        if (s) (void)s->try_send(number);
    }
    std::this_thread::sleep_for(500ms);
    const bool done = ::access("/tmp/sec-cases-deed", F_OK) == 0;
    if (done || ran)
        unsafe(std::string(done ? "deed() ran in the sibling; " : "") +
               (ran ? "the root's handler for parents only ran" : ""));
    return safe("nothing ran");
}
