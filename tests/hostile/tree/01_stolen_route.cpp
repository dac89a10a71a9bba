// SPDX-License-Identifier: BSL-1.0
// A neighbour (child, or program that joined with authority::none) announces ids that it was not
// given; the next context of the root gets one of them, its own route is refused without a word,
// and its calls, secrets included, go to the thief. g++ -std=c++20 -I single_include
// 01_stolen_route.cpp -pthread && ./a.out        expected: exit 0, "stored 14"
#include "raw_joiner.hpp"

#include <atomic>
#include <cstdio>
#include <string>
#include <thread>
namespace mg = mitogen;
using namespace std::chrono_literals;
static std::string store(mg::secret s) { return "stored " + std::to_string(s.size()); }
int main(int argc, char** argv) {
    mg::init(argc, argv);
    mg::log::set_sink([](const mg::log::record&) {});
    mg::broker b;
    mg::router r(b);
    const std::string dir = "/tmp/case01." + std::to_string(getpid());
    auto door = r.listen(dir + "/s", {.authority = mg::authority::none});
    const raw_joiner thief(door.path(), "thief");
    for (mg::context_id id = thief.id + 1; id < thief.id + 20; ++id)
        thief.put(thief.message(
            mg::handles::add_route, 0,
            mg::encode(id, thief.id, std::string("stolen"), std::uint64_t{1})));
    usleep(100000);
    std::string heard;
    std::thread listens([&] {
        char c[65536];
        for (ssize_t k; (k = read(thief.fd, c, sizeof c)) > 0;)
            heard.append(c, static_cast<std::size_t>(k));
    });
    auto victim = r.local({.name = "victim"});
    auto x = victim.within(1s).try_call<&store>(mg::secret("hunter2-secret"));
    std::printf("context %u is called \"%s\"; the call: %s\n", victim.id(), victim.name().c_str(),
                x ? x->c_str() : x.error().what());
    shutdown(thief.fd, SHUT_RDWR);
    listens.join();
    const bool stolen = heard.find("hunter2-secret") != std::string::npos;
    std::printf("the thief has read the secret: %s\n", stolen ? "YES" : "no");
    door.close();
    rmdir(dir.c_str());
    return x && !stolen ? 0 : 1;
}
