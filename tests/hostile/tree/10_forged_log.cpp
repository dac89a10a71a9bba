// SPDX-License-Identifier: BSL-1.0
// A context can make log records in the name of any other context below the root (forwarded_log.hpp
// looks only whether the origin is known, not whether it lies behind that link); and control
// characters of records and names reach the terminal of the root through the default sink and
// describe(). expected: exit 0
#include <mitogen/mitogen.hpp>

#include <atomic>
#include <cstdio>
#include <string>
#include <unistd.h>
namespace mg = mitogen;
static std::atomic<int> forged{0};
static void forge(mg::router& here, mg::context_id of) { // what a hostile child can send
    (void)here.node().tell(0, mg::handles::forward_log,
                           mg::encode(of, std::uint8_t{3}, std::string("mitogen"),
                                      std::string("I am somebody else"), std::uint64_t{0}),
                           false);
}
int main(int argc, char** argv) {
    mg::init(argc, argv);
    mg::log::set_sink([](const mg::log::record& r) {
        if (r.text == "I am somebody else" && r.place == "honest") ++forged;
    });
    int rc = 0;
    {
        mg::broker b;
        mg::router r(b);
        auto honest = r.local({.name = "honest"}),
             liar = r.local({.name = "liar\x1b[31m\nmitogen: all is well"});
        liar.call<&forge>(honest.id());
        usleep(200000);
        std::printf("a record of \"liar\" was shown as one of \"honest\": %s\n",
                    forged ? "YES" : "no");
        const std::string text = r.describe();
        const bool esc = text.find('\x1b') != std::string::npos;
        std::printf("escape sequences in describe(): %s\n", esc ? "YES" : "no");
        rc = forged || esc;
    }
    return rc;
}
