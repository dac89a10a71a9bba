// SPDX-License-Identifier: BSL-1.0
// Two routes, each below the other: context::name() and path() do not return.
#include "raw.hpp"
int main(int argc, char** argv) {
    mitogen::init(argc, argv);
    mitogen::broker loop;
    mitogen::router root(loop);
    hostile bad(root, [](raw& h) {
        h.add_route(1'000'010, h.id, "a");
        h.add_route(1'000'011, 1'000'010, "b");
        h.del_route(1'000'010);
        h.add_route(1'000'010, 1'000'011, "a");
        h.flush();
        h.listen();
    });
    std::this_thread::sleep_for(300ms);
    std::thread([] {
        std::this_thread::sleep_for(3s);
        unsafe("context::name() has not returned after 3 s, " + std::to_string(rss_mib()) + " MiB");
    }).detach();
    for (const auto& c : root.contexts()) std::printf("%s\n", c.name().c_str());
    return safe("the names are there");
}
