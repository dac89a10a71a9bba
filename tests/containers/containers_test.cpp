// SPDX-License-Identifier: BSL-1.0
// The methods that run a tool, each with the real tool and its daemon, in namespaces that are
// entered by `nsenter`.
#include "support/companion.hpp"
#include "support/refusal.hpp"
#include "support/soon.hpp"

#include <algorithm>
#include <catch2/catch.hpp>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <mitogen/mitogen.hpp>
#include <optional>
#include <string>
#include <unistd.h>
#include <utility>
#include <vector>

#if defined(__linux__)

namespace {

using support::refusal;
namespace fs = std::filesystem;
using Catch::Contains;
using mitogen::reason;
using namespace std::chrono_literals;

// ---- what runs over there

bool file_exists(const std::string& path) { return ::access(path.c_str(), F_OK) == 0; }
std::vector<unsigned> ids() { return {::getuid(), ::getgid()}; }
std::string variable(const std::string& name) {
    const char* value = std::getenv(name.c_str());
    return value ? value : "unset";
}
/// The command lines of the processes that it can see.
std::vector<std::string> processes() {
    std::vector<std::string> found;
    for (const auto& entry : fs::directory_iterator("/proc")) {
        if (entry.path().filename().string().find_first_not_of("0123456789") != std::string::npos)
            continue;
        std::ifstream file(entry.path() / "cmdline", std::ios::binary);
        std::string line(4096, 0);
        // fails if it ends meanwhile
        file.read(line.data(), static_cast<std::streamsize>(line.size()));
        line.resize(static_cast<std::size_t>(file.gcount()));
        for (char& c : line) c = c == 0 ? ' ' : c;
        if (!line.empty()) found.push_back(line); // else it has ended, and is about to be reaped
    }
    std::sort(found.begin(), found.end());
    return found;
}
std::string printed_by(const std::string& command) {
    std::string text;
    FILE* const out = ::popen(command.c_str(), "r");
    for (int c = 0; out && (c = std::fgetc(out)) != EOF;) text += static_cast<char>(c);
    if (out) ::pclose(out);
    return text;
}
std::string large(std::size_t size) { return std::string(size, 'x'); }

// ---- helpers

bool possible(const std::vector<std::string>& tools) {
    if (::getuid() != 0) {
        WARN("left out: takes root");
        return false;
    }
    for (const std::string& tool : tools) {
        if (std::system(("command -v " + tool + " >/dev/null").c_str()) == 0) continue;
        WARN("left out: " << tool
                          << " is not installed; tools/setup does that, for docker, podman and "
                             "buildah with --containers");
        return false;
    }
    return true;
}

std::string script() { return (fs::absolute(__FILE__).parent_path() / "start").string(); }

/// The control groups of what a test starts, which outlive their processes.
class control_groups {
    std::string name_;

    /// Removes what is empty. What is frozen (a container that is paused) does not even die. True
    /// if nothing is left.
    bool remove() const {
        std::vector<fs::path> found;
        std::error_code none;
        // the one there is, or one for each controller in there
        std::vector<fs::path> hierarchies{"/sys/fs/cgroup"};
        for (const auto& entry : fs::directory_iterator("/sys/fs/cgroup", none))
            hierarchies.push_back(entry.path());
        for (const fs::path& hierarchy : hierarchies) {
            const fs::path top = hierarchy / name_;
            if (!fs::exists(top, none)) continue;
            found.push_back(top);
            for (const auto& entry : fs::recursive_directory_iterator(top, none))
                if (entry.is_directory(none)) found.push_back(entry.path());
        }
        bool all = true;
        // what is within comes first
        for (auto group = found.rbegin(); group != found.rend(); ++group) {
            if (fs::exists(*group / "freezer.state", none))
                std::ofstream(*group / "freezer.state") << "THAWED";
            if (::rmdir(group->c_str()) < 0) all = false;
        }
        return all;
    }

public:
    explicit control_groups(std::string name) : name_(std::move(name)) {}
    control_groups(const control_groups&) = delete;
    ~control_groups() {
        if (!support::soon([&] { return remove(); }))
            FAIL_CHECK("control groups are left: " << name_);
    }
    const std::string& name() const { return name_; }
};

/// What tests/containers/start starts, and a context beside it.
struct place {
    control_groups groups{"mitogen-test-" + std::to_string(::getpid())};
    support::companion daemon;
    support::quiet_tree tree;
    mitogen::context inside;
    std::vector<std::string> before;

    explicit place(const std::string& kind)
        : daemon({"unshare", "-mn", "--pid", "--fork", "--kill-child", "--mount-proc", script(),
                  kind, fs::read_symlink("/proc/self/exe").string(), groups.name()},
                 "ready"),
          inside(tree.router.nsenter({.pid = daemon.child(), .name = kind})),
          before(inside.call<&processes>()) {}

    /// What every child in a container can do; then it ends, and nothing of it is left.
    void use(mitogen::context child, std::vector<unsigned> user) {
        CHECK(child.call<&file_exists>("/marker"));
        CHECK(child.call<&ids>() == user);
        CHECK(child.call<&large>(3'000'000).size() == 3'000'000);
        CHECK(child.local().call<&file_exists>("/marker"));
        CHECK(child.shutdown().get().success());
        CHECK(settled() == before);
    }

    std::vector<std::string> settled() {
        auto now = inside.call<&processes>();
        support::soon([&] { return (now = inside.call<&processes>()) == before; });
        return now;
    }

    template <class Method>
    void refuses(reason why, const std::string& words, const Method& how) {
        const auto e = refusal(inside, how);
        CAPTURE(e.what());
        CHECK(e.reason() == why);
        CHECK_THAT(e.what(), Contains(words));
    }
};

const std::vector<unsigned> root{0, 0};
const std::vector<unsigned> mia{4001, 4002};

} // namespace

TEST_CASE("podman", "[containers]") {
    if (!possible({"podman", "runc", "busybox"})) return;
    using mitogen::podman;
    place p("podman");
    const std::string tool = "/mnt/bin/podman";
    p.use(p.inside.podman({.container = "web", .podman_path = tool}), root);
    p.use(p.inside.podman({.container = "web", .username = "mia", .podman_path = tool}), mia);
    p.refuses(reason::resolve, "none of that name",
              podman{.container = "nix", .podman_path = tool});
    p.refuses(reason::connection_refused, "not running",
              podman{.container = "stopped", .podman_path = tool});
    p.refuses(reason::resolve, "no such user",
              podman{.container = "web", .username = "ole", .podman_path = tool});

    const auto kind = mitogen::container_kind::podman;
    p.use(p.inside.nsenter({.container = "web", .kind = kind, .tool_path = tool}), root);
    p.use(
        p.inside.nsenter({.container = "web", .kind = kind, .tool_path = tool, .username = "mia"}),
        mia);
    p.refuses(reason::resolve, "none of that name",
              mitogen::nsenter{.container = "nix", .kind = kind, .tool_path = tool});
    p.refuses(reason::connection_refused, "not running",
              mitogen::nsenter{.container = "stopped", .kind = kind, .tool_path = tool});
}

TEST_CASE("docker", "[containers]") {
    if (!possible({"dockerd", "docker", "busybox"})) return;
    using mitogen::docker;
    place p("docker");
    const std::string tool = "/mnt/bin/docker";
    p.use(p.inside.docker({.container = "web", .docker_path = tool}), root);
    p.use(p.inside.docker({.container = "web", .username = "mia", .docker_path = tool}), mia);
    p.use(p.inside.docker({.image = "box", .username = "mia", .docker_path = tool}), mia);
    p.refuses(reason::resolve, "none of that name",
              docker{.container = "nix", .docker_path = tool});
    p.refuses(reason::resolve, "image", docker{.image = "nix", .docker_path = tool});
    p.refuses(reason::connection_refused, "not running",
              docker{.container = "stopped", .docker_path = tool});
    p.refuses(reason::connection_refused, "paused",
              docker{.container = "paused", .docker_path = tool});
    p.refuses(reason::resolve, "no such user",
              docker{.container = "web", .username = "ole", .docker_path = tool});

    const auto kind = mitogen::container_kind::docker;
    p.use(p.inside.nsenter({.container = "web", .kind = kind, .tool_path = tool}), root);
    p.refuses(reason::resolve, "none of that name",
              mitogen::nsenter{.container = "nix", .kind = kind, .tool_path = tool});
    p.refuses(reason::connection_refused, "not running",
              mitogen::nsenter{.container = "stopped", .kind = kind, .tool_path = tool});
}

TEST_CASE("buildah", "[containers]") {
    if (!possible({"buildah", "busybox"})) return;
    using mitogen::buildah;
    place p("buildah");
    const std::string tool = "/mnt/bin/buildah";
    p.use(p.inside.buildah({.container = "web", .buildah_path = tool}), root);
    p.use(p.inside.buildah({.container = "web", .username = "mia", .buildah_path = tool}), mia);
    p.refuses(reason::resolve, "none of that name",
              buildah{.container = "nix", .buildah_path = tool});
    p.refuses(reason::resolve, "no such user",
              buildah{.container = "web", .username = "ole", .buildah_path = tool});
}

TEST_CASE("slurm", "[containers]") {
    if (!possible({"slurmctld", "slurmd", "srun", "munged"})) return;
    using mitogen::slurm;
    place p("slurm");
    const std::string tool = "/mnt/bin/srun";
    auto child = p.inside.slurm({.srun_path = tool});
    CHECK(child.call<&variable>("SLURM_NTASKS") == "1");
    CHECK(child.call<&variable>("SLURM_JOB_PARTITION") == "debug");
    CHECK(child.call<&large>(3'000'000).size() == 3'000'000);
    CHECK(child.shutdown().get().success());
    auto named = p.inside.slurm({.args = {"--job-name=mine", "-p", "debug"}, .srun_path = tool});
    CHECK(named.call<&variable>("SLURM_JOB_NAME") == "mine");
    CHECK(named.local().call<&variable>("SLURM_JOB_NAME") == "mine");
    CHECK(named.shutdown().get().success());
    p.refuses(reason::resolve, "no such partition",
              slurm{.args = {"-p", "nix"}, .srun_path = tool});
    p.refuses(reason::connect, "gives no resources",
              slurm{.args = {"-w", "nix"}, .srun_path = tool});
    p.refuses(reason::connect_timeout, "waiting for resources",
              slurm{.args = {"-c", "4096"}, .srun_path = tool, .connect_timeout = 1s});
    CHECK(p.settled() == p.before);
    // the job that waited is gone from the queue
    CHECK(p.inside.call<&printed_by>("/mnt/bin/squeue --noheader").empty());
}

TEST_CASE("dropbear", "[containers]") {
    if (!possible({"dropbear", "ssh", "ssh-keyscan"})) return;
    place p("dropbear");
    mitogen::ssh how{
        .hostname = "127.0.0.1", .username = "root", .port = 2200, .identity_file = "/mnt/key"};
    how.ssh_args = {"-F", "none", "-o", "UserKnownHostsFile /mnt/known_hosts"};
    SECTION("a server of it") {
        for (int times = 0; times < 2; ++times) { // the second time it has the program
            auto child = p.inside.ssh(how);
            CHECK(child.call<&ids>() == root);
            CHECK(child.call<&variable>("HOME") == "/mnt/home");
            CHECK(child.call<&large>(3'000'000).size() == 3'000'000);
            CHECK(child.local().call<&ids>() == root);
            CHECK(p.inside.call<&file_exists>("/mnt/home/.cache/mitogen"));
            CHECK(child.shutdown().get().success());
        }
        CHECK(p.settled() == p.before);
    }
    SECTION("a server of it, which does not know the key") {
        how.identity_file = "/mnt/wrong_key";
        CHECK(refusal(p.inside, how).kind() == mitogen::kind::failed);
        CHECK_THAT(refusal(p.inside, how).what(), Contains("Permission denied (publickey"));
    }
    SECTION("a client of it, which has other options than ours") {
        how.ssh_path = "dbclient";
        const auto e = refusal(p.inside, how);
        CHECK(e.reason() == reason::connect);
        CHECK_THAT(e.what(), Contains("the client of dropbear") &&
                                 Contains("Ignoring unknown configuration option"));
    }
}

#endif
