// SPDX-License-Identifier: BSL-1.0
// It asks for answers and reads none. All of them wait in the parent's memory; limits::queue_bytes
// (here 8 MiB) does not hold.
#include "raw.hpp"
int main(int argc, char** argv) {
    mitogen::init(argc, argv);
    mitogen::broker loop;
    mitogen::router_options o;
    o.limits.queue_bytes = 8 << 20;
    mitogen::router root(loop, o);
    hostile bad(root, [](raw& h) { while (h.put(h.to(0, H::heartbeat, 5'000'000'000))) {} });
    const long before = rss_mib();
    for (int i = 0; i < part(100); ++i) {
        std::this_thread::sleep_for(50ms);
        if (rss_mib() > before + 200)
            unsafe("the parent holds " + std::to_string(rss_mib() - before) +
                   " MiB of answers after " + std::to_string(i * 50) + " ms");
    }
    return safe("the parent holds " + std::to_string(rss_mib() - before) + " MiB");
}
