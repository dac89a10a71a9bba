// SPDX-License-Identifier: BSL-1.0
// A child does not read. within(1s).call_async() to it does not return once limits::queue_bytes are
// waiting; and calls that wait for their answer are queued beyond that limit.
#include "raw.hpp"
std::size_t take(std::string s) { return s.size(); }
int main(int argc, char** argv) {
    mitogen::init(argc, argv);
    mitogen::broker loop;
    mitogen::router_options o;
    o.limits.queue_bytes = 8 << 20;
    mitogen::router root(loop, o);
    hostile bad(root, [](raw& h) {
        for (;;) {
            h.put(h.to(0, H::heartbeat));
            if (!h.flush()) return;
            std::this_thread::sleep_for(100ms);
        }
    });
    const std::string big(1 << 20, 'b');
    const long before = rss_mib();
    for (int i = 0; i < 100; ++i) (void)bad.context.within(1ms).try_call<&take>(big);
    const long held = rss_mib() - before;
    std::atomic<bool> back{false};
    std::thread t([&] {
        (void)bad.context.within(1s).call_async<&take>("x").try_get();
        back = true;
    });
    for (int i = 0; i < 500 && !back; ++i) std::this_thread::sleep_for(10ms);
    if (!back || held > 60)
        unsafe("100 calls of 1 MiB with a limit of 8 MiB: " + std::to_string(held) +
               " MiB are held; within(1s).call_async() " +
               (back ? "returned" : "has not returned after 5 s"));
    t.join();
    return safe("bounded");
}
