// SPDX-License-Identifier: BSL-1.0
// Searches a directory tree on several machines at once (here: children on this one): what each
// finds comes in as it is found, and whoever is slow to read throttles all of them.
//
// expect: usr/share/doc/a.txt
// expect: usr/share/doc/b.txt
// expect: var/log/c.txt
// expect: 3 found, 2 searchers
#include <mitogen/mitogen.hpp>

#include <cstdio>
#include <set>
#include <string>
#include <string_view>
#include <vector>

namespace {

struct finding {
    std::string searcher;
    std::string path;
};

/// A stand-in for a file system.
std::vector<std::string> files_below(std::string_view root) {
    if (root == "usr") return {"usr/bin/x", "usr/share/doc/a.txt", "usr/share/doc/b.txt"};
    return {"var/cache/y", "var/log/c.txt"};
}

void search(std::string root, std::string suffix, mitogen::sender<finding> found) {
    for (const std::string& path : files_below(root))
        if (path.ends_with(suffix)) found.send({root, path});
} // the last copy of the sender goes, and with it this part of the channel

} // namespace

int main(int argc, char** argv) {
    return mitogen::run(argc, argv, [](mitogen::router& router) {
        mitogen::receiver<finding> in{router};
        for (const char* root : {"usr", "var"})
            router.local({.name = root}).call_no_reply<&search>(root, ".txt", in.to_sender());
        std::set<std::string> paths;
        std::set<std::string> searchers;
        for (const finding& f : in) { // ends when the last of them has ended
            paths.insert(f.path);
            searchers.insert(f.searcher);
        }
        for (const std::string& path : paths) std::puts(path.c_str());
        std::printf("%zu found, %zu searchers\n", paths.size(), searchers.size());
    });
}
