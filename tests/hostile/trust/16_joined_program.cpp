// SPDX-License-Identifier: BSL-1.0
// A program that has joined through a listener, with authority::none, takes the route of the next
// child as a child does. And what tree_rules{.unidirectional} keeps siblings from.
#include "raw.hpp"
#include <sys/un.h>
std::string keep(std::string s) { return "kept by the honest child: " + std::to_string(s.size()); }
int add(int a, int b) { return a + b; }
static raw join(const std::string& path) {
    raw h{::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0)};
    sockaddr_un a{};
    a.sun_family = AF_UNIX;
    std::strcpy(a.sun_path, path.c_str());
    if (::connect(h.fd, reinterpret_cast<sockaddr*>(&a), sizeof a)) std::abort();
    const auto q = mitogen::joining::encode_request({mitogen::os::build_id(), 1, "joined"});
    h.write(q.data(), q.size());
    mitogen::handshake::hello_reader ear(mitogen::joining::answer_rules);
    mitogen::joining::answer said;
    for (std::byte b; h.read(&b, 1);)
        if (ear.feed({&b, 1}); ear.look() == mitogen::handshake::hello_reader::finding::hello &&
                               mitogen::joining::decode_answer(ear.payload(), said))
            break;
    h.id = said.id;
    return h;
}
int main(int argc, char** argv) {
    mitogen::init(argc, argv);
    bool stolen = false, passed = false;
    {
        mitogen::broker loop;
        mitogen::router root(loop);
        const std::string path = "/tmp/sec-cases-" + std::to_string(::getpid()) + "/sock";
        auto l = root.listen(path);
        raw h = join(path);
        std::thread t([&] {
            h.add_route(h.id + 1, h.id, "mine");
            h.flush();
            h.listen([&](raw::frame& f) {
                if (f.head.handle != H::call_function) return;
                h.put({.dst = 0, .src = f.head.dst, .auth = f.head.dst, .handle = f.head.reply_to},
                      mitogen::encode(std::string("stolen")));
                h.flush();
            });
        });
        std::this_thread::sleep_for(300ms);
        const auto honest = root.local({.name = "honest"});
        const auto said = honest.within(5s).try_call<&keep>("password");
        std::printf("joined program, then a new child is asked: %s\n",
                    said ? said->c_str() : said.error().what());
        stolen = !said || !said->starts_with("kept");
        ::shutdown(h.fd, SHUT_RDWR);
        t.join();
    }
    {
        mitogen::broker loop;
        mitogen::router_options o;
        o.limits.queue_bytes = 8 << 20;
        o.rules.unidirectional = true;
        mitogen::router root(loop, o);
        const auto honest = root.local({.name = "honest"}); // 1
        std::atomic<int> refused{0};
        hostile bad(root, [&](raw& h) {
            std::thread([&] {
                h.listen([&](raw::frame& f) {
                    if (f.head.handle == 5'000'000'000 && f.head.src == 0) ++refused;
                });
            }).detach();
            for (int i = 0; i < 1000; ++i) h.put(h.to(1, 5'000'000, 5'000'000'000));
            h.flush();
            std::this_thread::sleep_for(2s);
        });
        std::this_thread::sleep_for(1s);
        passed = refused == 1000 && honest.within(5s).try_call<&add>(1, 2).has_value();
        std::printf("unidirectional: %d of 1000 messages to the sibling refused by the root; the "
                    "sibling answers: %s\n",
                    refused.load(), passed ? "yes" : "no");
    }
    if (stolen || !passed)
        unsafe(stolen ? "a joined program has stolen the route of a child"
                      : "unidirectional does not hold");
    return safe("both hold");
}
