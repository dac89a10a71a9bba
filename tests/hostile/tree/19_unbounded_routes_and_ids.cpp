// SPDX-License-Identifier: BSL-1.0
// flags: -O2
// One who has joined with authority::none can (a) make the root grow without bound by announcing
// routes with long names, (b) use up all context ids of the tree in seconds, for ever (semantics
// 1.4). Needs about 10 s. expected: exit 0
#include <mitogen/mitogen.hpp>

#include <atomic>
#include <cstdio>
#include <cstring>
#include <fstream>
#include <poll.h>
#include <string>
#include <sys/socket.h>
#include <sys/un.h>
#include <thread>
#include <unistd.h>
namespace mg = mitogen;
static long rss() {
    std::ifstream f("/proc/self/statm");
    long a, r;
    f >> a >> r;
    return r * 4 / 1024;
}
static void put(int fd, const void* p, std::size_t n) {
    for (const char* at = static_cast<const char*>(p); n;) {
        ssize_t k = send(fd, at, n, MSG_NOSIGNAL);
        if (k <= 0) return;
        at += k;
        n -= static_cast<std::size_t>(k);
    }
}
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
    int rc = 0;
    {
        mg::broker b;
        mg::router r(b);
        auto kid = r.local();
        const std::string dir = "/tmp/case19." + std::to_string(getpid());
        auto door = r.listen(dir + "/s", {.authority = mg::authority::none});
        int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
        sockaddr_un a{};
        a.sun_family = AF_UNIX;
        strcpy(a.sun_path, door.path().c_str());
        if (connect(fd, reinterpret_cast<sockaddr*>(&a), sizeof a)) return 9;
        const mg::buffer q = mg::joining::encode_request({mg::os::build_id(), 1, "glutton"});
        put(fd, q.data(), q.size());
        std::string front(mg::handshake::mark.size() + 6, 0);
        get(fd, front.data(), front.size());
        std::uint32_t n;
        memcpy(&n, front.data() + front.size() - 4, 4);
        std::string p(n, 0);
        get(fd, p.data(), n);
        mg::joining::answer w;
        if (!mg::joining::decode_answer({reinterpret_cast<const std::byte*>(p.data()), p.size()},
                                        w))
            return 9;
        std::thread eater([fd] { static char c[1 << 20]; while (read(fd, c, sizeof c) > 0) {} });
        const auto say = [&](mg::handle_id handle, mg::handle_id reply, const mg::buffer& payload) {
            mg::header h{.dst = 0, .src = w.id, .auth = w.id, .handle = handle, .reply_to = reply};
            h.length = static_cast<std::uint32_t>(payload.size());
            std::string all(40, 0);
            mg::detail::write_header(reinterpret_cast<std::byte*>(all.data()), h);
            all.append(reinterpret_cast<const char*>(payload.data()), payload.size());
            return all;
        };
        const long before = rss();
        for (int i = 0; i < 3000; ++i) {
            const std::string s = say(mg::handles::add_route, 0,
                                      mg::encode(static_cast<mg::context_id>(2000000000 - i), w.id,
                                                 std::string(100000, 'n'), std::uint64_t{1}));
            put(fd, s.data(), s.size());
        }
        usleep(500000);
        std::printf("3000 announced routes: the root has grown by %ld MiB\n", rss() - before);
        rc |= rss() - before > 100;
        std::string batch;
        for (int i = 0; i < 2000; ++i) batch += say(mg::handles::allocate_id, 60000, {});
        for (int i = 0; i < 2200; ++i) put(fd, batch.data(), batch.size());
        auto x = kid.try_local();
        std::printf("4.4 million requests for ids: a child of a child: %s\n",
                    x ? "fine" : x.error().what());
        rc |= !x;
        shutdown(fd, SHUT_RDWR);
        eater.join();
        close(fd);
        door.close();
        rmdir(dir.c_str());
    }
    return rc;
}
