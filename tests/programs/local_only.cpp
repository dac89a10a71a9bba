// SPDX-License-Identifier: BSL-1.0
// A program that starts local children only carries nothing of the methods that it does not name:
// what they say is not in its file.
// flags: -g0
#include <mitogen/mitogen.hpp>

#include <algorithm>
#include <cstdio>
#include <fstream>
#include <iterator>
#include <string>

static int add(int a, int b) { return a + b; }

/// The words backwards, so that they do not stand in the file because this looks for them.
static bool contains(const std::string& file, std::string backwards) {
    std::reverse(backwards.begin(), backwards.end());
    return file.find(backwards) != std::string::npos;
}

static void look(const char* own) {
    std::ifstream in(own, std::ios::binary);
    const std::string file{std::istreambuf_iterator<char>(in), {}};
    std::printf("local: %s\n", contains(file, "dlihc lacol")
                                   ? "there"
                                   : "missing"); // else this would find nothing in any file
    const char* const words[][2] = {{"ssh", "wen-tpecca gnikcehCyeKtsoHtcirtS"},
                                    {"first stage", "mus652ahs v- dnammoc"},
                                    {"questions", "tpmorp_no::snoitpo_retuor"},
                                    {"programs", "margorp eht hctef tonnac"},
                                    {"namespaces", "retne tonnac :negotim"},
                                    {"listener", "nioj ot detcennoc taht margorp a"}};
    for (const auto& [what, backwards] : words)
        if (contains(file, backwards)) std::printf("%s: there\n", what);
}

int main(int argc, char** argv) {
    return mitogen::run(argc, argv, [&](mitogen::router& router) {
        std::printf("%d\n", router.local().call<&add>(2, 3));
        look(argv[0]);
    });
}
// expect: 5
// expect: local: there
