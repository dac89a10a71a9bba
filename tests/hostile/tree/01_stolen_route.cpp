// SPDX-License-Identifier: BSL-1.0
// A neighbour (child, or program that joined with authority::none) announces ids that it was not
// given; the next context of the root gets one of them, its own route is refused without a word,
// and its calls, secrets included, go to the thief. g++ -std=c++20 -I single_include
// 01_stolen_route.cpp -pthread && ./a.out        expected: exit 0, "stored 14"
#include <mitogen/mitogen.hpp>

#include <atomic>
#include <cstdio>
#include <cstring>
#include <string>
#include <sys/socket.h>
#include <sys/un.h>
#include <thread>
#include <unistd.h>
namespace mg = mitogen;
using namespace std::chrono_literals;
static std::string store(mg::secret s) { return "stored " + std::to_string(s.size()); }
static void get(int fd, void* p, std::size_t n) {
    for (char* at = static_cast<char*>(p); n;) {
        ssize_t k = read(fd, at, n);
        if (k <= 0) _exit(9);
        at += k;
        n -= static_cast<std::size_t>(k);
    }
}
int main(int argc, char** argv) {
    mg::init(argc, argv);
    mg::log::set_sink([](const mg::log::record&) {});
    mg::broker b;
    mg::router r(b);
    const std::string dir = "/tmp/case01." + std::to_string(getpid());
    auto door = r.listen(dir + "/s", {.authority = mg::authority::none});
    // the thief: a program that joins by hand
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    sockaddr_un a{};
    a.sun_family = AF_UNIX;
    strcpy(a.sun_path, door.path().c_str());
    if (connect(fd, reinterpret_cast<sockaddr*>(&a), sizeof a)) return 9;
    const mg::buffer q = mg::joining::encode_request({mg::os::build_id(), 1, "thief"});
    (void)!write(fd, q.data(), q.size());
    std::string front(mg::handshake::mark.size() + 6, 0);
    get(fd, front.data(), front.size());
    std::uint32_t n;
    memcpy(&n, front.data() + front.size() - 4, 4);
    std::string p(n, 0);
    get(fd, p.data(), n);
    mg::joining::answer w;
    if (!mg::joining::decode_answer({reinterpret_cast<const std::byte*>(p.data()), p.size()}, w))
        return 9;
    for (mg::context_id id = w.id + 1; id < w.id + 20; ++id) {
        const mg::buffer payload = mg::encode(id, w.id, std::string("stolen"), std::uint64_t{1});
        mg::header h{.dst = 0, .src = w.id, .auth = w.id, .handle = mg::handles::add_route};
        h.length = static_cast<std::uint32_t>(payload.size());
        std::byte bytes[40];
        mg::detail::write_header(bytes, h);
        (void)!write(fd, bytes, 40);
        (void)!write(fd, payload.data(), payload.size());
    }
    usleep(100000);
    std::string heard;
    std::thread thief([&] {
        char c[65536];
        for (ssize_t k; (k = read(fd, c, sizeof c)) > 0;)
            heard.append(c, static_cast<std::size_t>(k));
    });
    auto victim = r.local({.name = "victim"});
    auto x = victim.within(1s).try_call<&store>(mg::secret("hunter2-secret"));
    std::printf("context %u is called \"%s\"; the call: %s\n", victim.id(), victim.name().c_str(),
                x ? x->c_str() : x.error().what());
    shutdown(fd, SHUT_RDWR);
    thief.join();
    close(fd);
    const bool stolen = heard.find("hunter2-secret") != std::string::npos;
    std::printf("the thief has read the secret: %s\n", stolen ? "YES" : "no");
    door.close();
    rmdir(dir.c_str());
    return x && !stolen ? 0 : 1;
}
