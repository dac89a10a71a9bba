// SPDX-License-Identifier: BSL-1.0
// ssh_bench.cpp: what it takes until a host that is reached with ssh has answered its first call,
// beside `ssh host true`; and how many bytes that takes.
//
//   tools/with_sshd ./ssh_bench [--rounds=7] [--json[=file]] [--smoke]
//
// Without a server of its own it measures nothing. "cached": the host has the program; "sent": it
// has not, and may not keep it.

#include "support/report.hpp"

#include <mitogen/mitogen.hpp>

#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <string>

int add(int a, int b) { return a + b; }

namespace {

using namespace bench;

double time_ms(auto&& work) {
    const std::uint64_t begin = now();
    work();
    return static_cast<double>(now() - begin) / 1e6;
}

struct host {
    std::string dir = std::getenv("MITOGEN_SSHD_DIR");

    /// A client that counts what it is sent.
    std::string counting_client() const {
        const std::string path = dir + "/counting_ssh";
        std::ofstream(path) << "#!/bin/sh\ntee \"" + dir + "/sent\" | ssh \"$@\"\n";
        std::filesystem::permissions(path, std::filesystem::perms::owner_all);
        return path;
    }

    mitogen::ssh options(bool keep, bool compress) const {
        mitogen::ssh how;
        how.hostname = compress ? "elsewhere" : "127.0.0.1"; // what is here is sent as it is
        how.ssh_args = {"-F", dir + "/ssh_config",
                        "-o", "HostName 127.0.0.1",
                        "-o", "HostKeyAlias [127.0.0.1]:" + port()};
        how.keep_program = keep;
        return how;
    }

    static std::string port() { return std::getenv("MITOGEN_SSHD_PORT"); }
};

void first_call(mitogen::router& root, const mitogen::ssh& how) {
    auto child = root.ssh(how);
    if (child.call<&add>(2, 3) != 5) std::abort();
}

void plain_ssh(const mitogen::ssh& how, const std::string& host) {
    mitogen::os::spawn_options start;
    start.path = "ssh";
    start.argv = {"ssh", "-T"};
    start.argv.insert(start.argv.end(), how.ssh_args.begin(), how.ssh_args.end());
    start.argv.insert(start.argv.end(), {host, "true"});
    if (!mitogen::os::spawn(start).value().wait().success()) std::abort();
}

double bytes_sent(mitogen::router& root, const host& target, mitogen::ssh how) {
    how.ssh_path = target.counting_client();
    (void)root.ssh(how).shutdown().get();
    return static_cast<double>(std::filesystem::file_size(target.dir + "/sent"));
}

void run(report& out) {
    const std::size_t count = out.count("rounds", 7, 1);
    const host target;
    mitogen::broker loop;
    mitogen::router root(loop);
    // the programs' pages are in memory, and it is in the cache
    first_call(root, target.options(true, false));
    first_call(root, target.options(false, true)); // it is compressed
    rounds all;
    for (std::size_t r = 0; r < count; ++r) {
        all.add("ssh host true",
                time_ms([&] { plain_ssh(target.options(true, false), "127.0.0.1"); }));
        all.add("first call, cached",
                time_ms([&] { first_call(root, target.options(true, false)); }));
        all.add("first call, sent",
                time_ms([&] { first_call(root, target.options(false, false)); }));
        all.add("first call, sent compressed",
                time_ms([&] { first_call(root, target.options(false, true)); }));
    }
    out.add(all, "first call, cached", "ssh host true", "ms", ratio_at_most(1.5, 1.1));
    out.add(all, "first call, sent", "ssh host true", "ms");
    out.add(all, "first call, sent compressed", "ssh host true", "ms");
    out.add("bytes of the program",
            static_cast<double>(mitogen::os::file_size(mitogen::os::self_executable().get())), "");
    out.add("bytes to the host until it is up and has ended, cached",
            bytes_sent(root, target, target.options(true, false)), "");
    out.add("the same, sent", bytes_sent(root, target, target.options(false, false)), "");
    out.add("the same, sent compressed", bytes_sent(root, target, target.options(false, true)), "");
}

} // namespace

int main(int argc, char** argv) {
    mitogen::init(argc, argv);
    report out(argc, argv);
    if (std::getenv("MITOGEN_SSHD_DIR"))
        run(out);
    else
        std::fputs("no server: run it with tools/with_sshd\n", stderr);
    return out.finish();
}
