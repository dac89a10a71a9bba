// SPDX-License-Identifier: BSL-1.0
// ssh_hosts_bench.cpp: two hundred hosts at once from one thread, over real ssh to a server on this
// machine: connected, called, ended; beside as many `ssh host true` at once.
//
//   ./ssh_hosts_bench [--rounds=1] [--hosts=200] [--json[=file]] [--smoke]
//
// Brings its own server (tools/with_sshd), which takes most of the time: both ends share the
// machine's CPUs.

#include "support/holding.hpp"
#include "support/raw.hpp"
#include "support/report.hpp"

#include <mitogen/mitogen.hpp>

#include <string>

#include <spawn.h>
#include <sys/resource.h>

extern char** environ;

int add(int a, int b) { return a + b; }

namespace {

using namespace bench;

std::string host(std::size_t i) { return "127.0.0." + std::to_string(1 + i % 3); }

void raw_logins(rounds& all, std::size_t hosts) {
    const std::uint64_t begin = now();
    std::vector<::pid_t> clients(hosts);
    for (std::size_t i = 0; i < hosts; ++i) {
        std::string name = host(i);
        char program[] = "ssh";
        char batch[] = "-oBatchMode=yes";
        char command[] = "true";
        char* argv[] = {program, batch, name.data(), command, nullptr};
        if (::posix_spawnp(&clients[i], "ssh", nullptr, nullptr, argv, environ) != 0) die("ssh");
    }
    double failed = 0;
    for (const ::pid_t pid : clients) {
        int status = 0;
        ::waitpid(pid, &status, 0);
        failed += status != 0;
    }
    all.add("raw, all of it", ms_since(begin));
    all.add("raw, failed", failed);
}

void our_hosts(rounds& all, std::size_t hosts) {
    mitogen::broker loop;
    mitogen::router root(loop);
    const double descriptors = open_descriptors();
    const std::uint64_t begin = now();
    std::vector<mitogen::future<mitogen::context>> coming;
    for (std::size_t i = 0; i < hosts; ++i)
        coming.push_back(root.connect_async(
            mitogen::ssh{.hostname = host(i), .connect_timeout = std::chrono::minutes(5)}));
    all.add("descriptors", (open_descriptors() - descriptors) / static_cast<double>(hosts));
    std::vector<mitogen::context> up;
    double failed = 0;
    for (auto& c : coming) {
        if (const auto r = c.try_get()) {
            up.push_back(*r);
        } else {
            ++failed;
            std::fprintf(stderr, "%s\n", r.error().what());
        }
    }
    all.add("connected", ms_since(begin));
    std::vector<mitogen::future<int>> sums;
    for (const auto& c : up) sums.push_back(c.call_async<&add>(2, 3));
    for (auto& s : sums) failed += s.get() != 5;
    all.add("called", ms_since(begin));
    const std::uint64_t ending = now();
    root.close();
    all.add("ended", ms_since(ending));
    all.add("all of it", ms_since(begin));
    all.add("failed", failed);
}

} // namespace

int main(int argc, char** argv) {
    mitogen::init(argc, argv);
    if (!std::getenv("MITOGEN_SSH_HOST")) {
        const std::string here = __FILE__;
        const std::string script = here.substr(0, here.rfind('/')) + "/../tools/with_sshd";
        std::vector<char*> all{const_cast<char*>(script.c_str()), argv[0]};
        all.insert(all.end(), argv + 1, argv + argc + 1);
        ::execv(script.c_str(), all.data());
        die(script.c_str());
    }
    report out(argc, argv);
    ::rlimit files;
    ::getrlimit(RLIMIT_NOFILE, &files);
    files.rlim_cur = files.rlim_max;
    ::setrlimit(RLIMIT_NOFILE, &files);
    const std::size_t hosts = out.count("hosts", 200, 2);
    rounds all;
    for (std::size_t r = out.count("rounds", 1, 1); r; --r) {
        raw_logins(all, hosts);
        our_hosts(all, hosts);
    }
    out.add(all, "all of it", "raw, all of it", "ms");
    out.add("connected", all.middle("connected"), "ms");
    out.add("first answer of all", all.middle("called"), "ms");
    out.add("ended", all.middle("ended"), "ms");
    out.add("failed", all.middle("failed"), "");
    out.add("descriptors of the parent for each host", all.middle("descriptors"), "");
    return out.finish();
}
