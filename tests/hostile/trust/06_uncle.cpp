// SPDX-License-Identifier: BSL-1.0
// A grandchild claims the id of its parent's sibling: its parent believes it, and takes its answers
// for that sibling's.
// Here the hostile child is below `mid`, which is a real process; so this one is a child program of
// its own (environment HOSTILE).
#include "raw.hpp"
std::string ask(mitogen::router& r, mitogen::context uncle) {
    mitogen::outstanding_call& p = r.node().ask(
        {.to = uncle.id(), .handle = H::heartbeat, .how = mitogen::detail::question::manner::pass});
    mitogen::future<std::string> f(&p, r.node(), mitogen::detail::decode_environment{&r.node()});
    auto got = f.try_get();
    return got ? *got : std::string(got.error().what());
}
static std::vector<std::unique_ptr<hostile>>& all() {
    static std::vector<std::unique_ptr<hostile>> v;
    return v;
}
void adopt(mitogen::router& r, mitogen::context uncle) {
    all().push_back(std::make_unique<hostile>(r, [id = uncle.id()](raw& h) {
        // its parent is not the root: say so in the frames
        const auto b = mitogen::encode(id, h.id, std::string("uncle"),
                                       mitogen::detail::hash_build(mitogen::os::build_id()));
        h.put(h.to(1, H::add_route), b);
        h.flush();
        h.listen([&](raw::frame& f) {
            if (f.head.dst != id || !f.head.reply_to) return;
            h.put({.dst = f.head.src, .src = id, .auth = id, .handle = f.head.reply_to},
                  mitogen::encode(std::string("stolen by the nephew")));
            h.flush();
        });
    }));
}
void release() { all().clear(); }
int main(int argc, char** argv) {
    mitogen::init(argc, argv);
    mitogen::broker loop;
    mitogen::router root(loop);
    const auto mid = root.local({.name = "mid"});     // 1
    const auto uncle = root.local({.name = "uncle"}); // 2
    mid.call<&adopt>(uncle);
    std::this_thread::sleep_for(300ms);
    const std::string said = mid.call<&ask>(uncle);
    mid.call_no_reply<&release>();
    if (said.find("stolen") != said.npos) unsafe("mid asked its sibling; the answer: " + said);
    return safe("mid asked its sibling; the answer: " + said);
}
