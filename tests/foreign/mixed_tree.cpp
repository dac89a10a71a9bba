// SPDX-License-Identifier: BSL-1.0
// Four machines deep, each reached in another way: ssh, sudo, a network namespace, and there a
// machine of another kind. Calls go there and back across all of them, and what fails there says
// where it was.
// expect: 127.0.0.1: big-endian 0, this network 1
// expect: sudo: big-endian 0, this network 1
// expect: namespace: big-endian 0, this network 0
// expect: other machine: big-endian 1, this network 0
// expect: sum over the whole tree: 55
// expect: std::runtime_error: lost [mixed_tree::fail in ssh.127.0.0.1.sudo.root.namespace.other]
#include <mitogen/mitogen.hpp>

#include <bit>
#include <cstdio>
#include <cstdlib>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include <unistd.h>

namespace mixed_tree {

/// Byte order, and the network namespace's number.
std::pair<bool, std::string> place() {
    char name[64] = {};
    if (::readlink("/proc/self/ns/net", name, sizeof name - 1) < 0) std::perror("readlink");
    return {std::endian::native == std::endian::big, name};
}
int sum(std::vector<int> all) {
    int s = 0;
    for (const int x : all) s += x;
    return s;
}
void fail() { throw std::runtime_error("lost"); }

} // namespace mixed_tree

using namespace mixed_tree;

int main(int argc, char** argv) {
    mitogen::init(argc, argv);
    std::string here = __FILE__;
    here.resize(here.rfind('/') + 1);
    if (!std::getenv("MITOGEN_SSH_HOST")) { // once more, beside an ssh server
        const std::string script = here + "../../tools/with_sshd";
        ::execl(script.c_str(), script.c_str(), argv[0], nullptr);
        std::perror(script.c_str());
        return 1;
    }
    mitogen::broker broker;
    mitogen::router router(broker);
    const std::string own = place().second;

    auto host = router.ssh({.hostname = "127.0.0.1"});
    auto root = host.sudo({.keep_program = false});
    auto apart =
        root.command({.argv = {"unshare", "-n"}, .name = "namespace", .keep_program = false});
    // The program for that machine lies beside this one; the three contexts between fetch it from
    // here.
    auto other =
        apart.command({.argv = {here + "on_s390x"}, .name = "other", .keep_program = false});

    int total = 0;
    int value = 0;
    for (const auto& [name, c] : {std::pair{"127.0.0.1", host},
                                  {"sudo", root},
                                  {"namespace", apart},
                                  {"other machine", other}}) {
        const auto [big, network] = c.call<&place>();
        std::printf("%s: big-endian %d, this network %d\n", name, big, network == own);
    }
    for (const auto& c : {host, root, apart, other, host, root, apart, other, host, root})
        total += c.call<&sum>(std::vector{++value});
    std::printf("sum over the whole tree: %d\n", total);
    try {
        other.call<&fail>();
    } catch (const mitogen::call_error& e) {
        std::printf("%s\n", e.what());
    }
}
