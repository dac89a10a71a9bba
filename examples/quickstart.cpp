// SPDX-License-Identifier: BSL-1.0
// Calls functions of this file in another process: on this machine, or on every host that is named,
// all at once.
//
//   g++ -std=c++20 -O2 -I single_include examples/quickstart.cpp -o quickstart
//   ./quickstart                  a child on this machine
//   ./quickstart web1 web2 db     over ssh, with your keys and configuration; nothing needs to be
//                                 installed there
#include <mitogen/mitogen.hpp>

#include <algorithm>
#include <cstdio>
#include <ctime>
#include <stdexcept>
#include <string>
#include <sys/statvfs.h>
#include <sys/utsname.h>
#include <thread>
#include <tuple>
#include <unistd.h>
#include <vector>

// What runs elsewhere: ordinary functions. Arguments and results are any types that the library
// knows how to send.

static int add(int a, int b) { return a + b; }
static int process_id() { return ::getpid(); }
static std::vector<std::string> sorted(std::vector<std::string> words) {
    std::sort(words.begin(), words.end());
    return words;
}
static double divide(double a, double b) {
    return b == 0 ? throw std::domain_error("division by zero") : a / b;
}

// kernel, load, hours up, free GiB of /, cores
using health = std::tuple<std::string, double, long, double, unsigned>;
static health look() {
    utsname system{};
    ::uname(&system);
    double load = 0;
    ::getloadavg(&load, 1);
    timespec up{};
    ::clock_gettime(CLOCK_MONOTONIC, &up);
    struct statvfs disk {};
    ::statvfs("/", &disk);
    const double free_gib =
        static_cast<double>(disk.f_bavail) * static_cast<double>(disk.f_frsize) / (1 << 30);
    return {system.release, load, up.tv_sec / 3600, free_gib, std::thread::hardware_concurrency()};
}

static void one_child(mitogen::router& router) {
    mitogen::context child = router.local(); // another process, running this program
    std::printf("2 + 3 = %d\n", child.call<&add>(2, 3));
    std::printf("in another process: %s\n", child.call<&process_id>() != ::getpid() ? "yes" : "no");
    for (const std::string& word :
         child.call<&sorted>(std::vector<std::string>{"pear", "apple", "fig"}))
        std::puts(word.c_str());
    std::printf("a lambda: %d\n", child.call<[](int x) { return 2 * x; }>(21));
    try {
        child.call<&divide>(1, 0);
    } catch (const mitogen::call_error& e) { // thrown there, caught here
        std::printf("%s: %s\n", std::string(e.type()).c_str(), std::string(e.message()).c_str());
    }
}

static void table(mitogen::router& router, const std::vector<std::string>& hosts) {
    // what ssh complains about is in the table
    mitogen::log::set_sink([](const mitogen::log::record&) {});
    std::vector<mitogen::future<mitogen::context>> coming;
    for (const std::string& host : hosts)
        coming.push_back(router.connect_async(mitogen::ssh{.hostname = host}));

    std::printf("%-20s %-24s %6s %8s %10s %5s\n", "host", "kernel", "load", "up", "free on /",
                "cores");
    for (std::size_t i = 0; i < hosts.size(); ++i) {
        const mitogen::result<mitogen::context> host = coming[i].try_get();
        const mitogen::result<health> answer = host ? host->try_call<&look>() : host.error();
        if (answer) {
            const auto& [kernel, load, hours, gib, cores] = *answer;
            std::printf("%-20s %-24s %6.2f %6ld h %6.1f GiB %5u\n", hosts[i].c_str(),
                        kernel.c_str(), load, hours, gib, cores);
        } else {
            std::string why = answer.error().what();
            std::replace(why.begin(), why.end(), '\n', ' ');
            std::printf("%-20s %s\n", hosts[i].c_str(), why.c_str());
        }
    }
}

int main(int argc, char** argv) {
    // run() makes a router, and ends all children when the body returns. In a child it never
    // returns.
    return mitogen::run(argc, argv, [&](mitogen::router& router) {
        argc < 2 ? one_child(router) : table(router, {argv + 1, argv + argc});
    });
}
// expect: 2 + 3 = 5
// expect: in another process: yes
// expect: apple
// expect: fig
// expect: pear
// expect: a lambda: 42
// expect: std::domain_error: division by zero
