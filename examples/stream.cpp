// SPDX-License-Identifier: BSL-1.0
// Follows a log on another machine and stops at the first line that matters: the remote function is
// an ordinary coroutine, which runs only as far ahead as its reader takes its lines, and is
// destroyed if it stands when the reader leaves.
//
// expect: info: started
// expect: info: listening on port 80
// expect: error: disk full
// expect: the file was closed: yes
#include <mitogen/mitogen.hpp>

#include <cstdio>
#include <string>
#include <string_view>

namespace {

mitogen::latch<bool> closed;

/// A stand-in for a file that never ends.
class log_file {
    int line_ = 0;

public:
    ~log_file() { closed.put(true); }
    std::string next() {
        constexpr const char* first[] = {"info: started", "info: listening on port 80",
                                         "error: disk full"};
        return line_ < 3 ? first[line_++] : "info: nothing new";
    }
};

mitogen::generator<std::string> follow() {
    for (log_file file;;) {
        const std::string line = file.next();
        co_yield line;
    }
}
bool was_closed() { return closed.get(); } // soon: the reader does not wait for it

} // namespace

int main(int argc, char** argv) {
    return mitogen::run(argc, argv, [](mitogen::router& router) {
        mitogen::context web = router.local({.name = "web1"});
        for (const std::string& line : web.stream<&follow>()) {
            std::puts(line.c_str());
            if (line.starts_with("error")) break;
        }
        std::printf("the file was closed: %s\n", web.call<&was_closed>() ? "yes" : "no");
    });
}
