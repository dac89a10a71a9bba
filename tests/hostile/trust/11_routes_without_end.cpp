// SPDX-License-Identifier: BSL-1.0
// Routes with names of 1 MiB, and reasons of 50 MiB why routes are gone: both are kept without
// bound.
#include "raw.hpp"
int main(int argc, char** argv) {
    mitogen::init(argc, argv);
    for (int round = 0; round < 2; ++round) {
        mitogen::broker loop;
        mitogen::router root(loop);
        hostile bad(root, [round](raw& h) {
            std::thread([&h] { h.listen(); }).detach();
            for (context_id i = 0; i < 1000; ++i)
                if (round == 0 ? !h.add_route(1'000'000 + i, h.id, std::string(1 << 20, 'n'))
                               : i < 20 && !(h.add_route(1'000'000 + i, h.id) &&
                                             h.del_route(1'000'000 + i, 50u << 20)))
                    return;
            h.flush();
            std::this_thread::sleep_for(part(1s));
        });
        const long before = rss_mib();
        for (int i = 0; i < part(200); ++i) {
            std::this_thread::sleep_for(50ms);
            if (rss_mib() > before + 600)
                unsafe(std::string(round ? "reasons" : "names") + ": the parent holds " +
                       std::to_string(rss_mib() - before) + " MiB");
        }
    }
    return safe("bounded");
}
