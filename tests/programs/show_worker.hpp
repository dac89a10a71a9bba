// SPDX-License-Identifier: BSL-1.0
#pragma once
// show_worker.hpp: a child, and what it has said until it was gone.
#include <mitogen/mitogen.hpp>

#include <cstdio>
#include <mutex>
#include <string>
#include <vector>

/// Runs `F` in a child, ends that, and prints its lines and how it has ended.
template <auto F>
void show_worker() {
    static std::mutex guard;
    static std::vector<std::string> lines;
    mitogen::log::set_sink([](const mitogen::log::record& r) {
        const std::lock_guard lock(guard);
        lines.push_back(std::string(r.place) + ": " + std::string(r.text));
    });
    std::string ended;
    {
        mitogen::broker loop;
        mitogen::router router(loop);
        mitogen::context child = router.local({.name = "worker"});
        child.call<F>();
        ended = child.shutdown().get().text();
    }
    mitogen::log::set_sink({});
    for (const std::string& line : lines) std::puts(line.c_str());
    std::puts(ended.c_str());
}
