// SPDX-License-Identifier: BSL-1.0
// A tree three levels deep: gateways make the machines behind them, side by side; the program at
// the top calls all of them. With host names as arguments each is a gateway, reached with ssh; the
// machines behind it are processes there.
// expect: site0.machine0 has 1 parent below the top
// expect: site0.machine1 has 1 parent below the top
// expect: site1.machine0 has 1 parent below the top
// expect: site1.machine1 has 1 parent below the top
// expect: a machine that is not there: payload, in site1
#include <mitogen/mitogen.hpp>

#include <cstdio>
#include <string>
#include <vector>

static int parents_below_the_top(mitogen::router& here) {
    return static_cast<int>(here.ancestors().size()) - 1;
}

int main(int argc, char** argv) {
    return mitogen::run(argc, argv, [&](mitogen::router& router) {
        std::vector<mitogen::future<mitogen::context>> coming;
        for (int i = 1; i < argc; ++i)
            coming.push_back(router.connect_async(mitogen::ssh{.hostname = argv[i]}));
        for (int i = 0; argc == 1 && i < 2; ++i)
            coming.push_back(
                router.connect_async(mitogen::local{.name = "site" + std::to_string(i)}));
        std::vector<mitogen::context> sites;
        for (auto& site : coming) sites.push_back(site.get());

        // The sites do the work of connecting, at the same time; a site that is busy with a
        // function does it as well.
        std::vector<mitogen::future<mitogen::context>> behind;
        for (const mitogen::context& site : sites)
            for (const char* name : {"machine0", "machine1"})
                behind.push_back(site.connect_async(mitogen::local{.name = name}));

        for (auto& machine : behind) {
            const mitogen::context m = machine.get();
            std::printf("%s has %d parent below the top\n", m.name().c_str(),
                        m.call<&parents_below_the_top>());
        }

        // What goes wrong there is told here, with the place.
        const auto missing = sites.back().try_local({.executable = "/no/such/program"});
        if (!missing && missing.error().reason() == mitogen::reason::payload)
            std::printf("a machine that is not there: payload, in %s\n",
                        missing.error().detail().place.c_str());
    });
}
