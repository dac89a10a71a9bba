// SPDX-License-Identifier: BSL-1.0
// A child announces a route to the id that the next child will get. The next child's calls then go
// to it.
#include "raw.hpp"
std::string keep(std::string s) { return "kept by the honest child: " + std::to_string(s.size()); }
int main(int argc, char** argv) {
    mitogen::init(argc, argv);
    mitogen::broker loop;
    mitogen::router root(loop);
    hostile bad(root, [](raw& h) {
        h.add_route(h.id + 1, h.id, "mine");
        h.flush();
        h.listen([&](raw::frame& f) {
            if (f.head.handle != H::call_function) return;
            h.put({.dst = 0, .src = f.head.dst, .auth = f.head.dst, .handle = f.head.reply_to},
                  mitogen::encode(std::string("stolen by the hostile child")));
            h.flush();
        });
    });
    std::this_thread::sleep_for(200ms);
    const auto honest = root.local({.name = "honest"});
    const auto said = honest.within(5s).try_call<&keep>("password");
    if (!said || !said->starts_with("kept"))
        unsafe("the honest child was asked; the answer: " +
               (said ? *said : std::string(said.error().what())));
    return safe(*said);
}
