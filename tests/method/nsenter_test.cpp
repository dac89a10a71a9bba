// SPDX-License-Identifier: BSL-1.0
#include "generic/forked.hpp"
#include "generic/inject.hpp"
#include "support/companion.hpp"
#include "support/private_users.hpp"
#include "support/refusal.hpp"
#include "support/scratch.hpp"
#include "support/soon.hpp"

#include <catch2/catch.hpp>
#include <cerrno>
#include <csignal>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <grp.h>
#include <mitogen/mitogen.hpp>
#ifdef MITOGEN_SEPARATE // else the umbrella has it
#include <mitogen/method/namespace/nsenter_child.hpp>
#endif
#include <optional>
#include <string>
#include <sys/utsname.h>
#include <unistd.h>
#include <vector>

#if defined(__linux__)

namespace {

using support::companion;
using support::refusal;
using support::scratch;
using tree = support::quiet_tree;
namespace fs = std::filesystem;
using namespace std::chrono_literals;
using Catch::Contains;

const std::vector<std::string> kinds{"user", "cgroup", "ipc", "uts", "net", "pid", "mount", "time"};

/// The namespaces of a process, in the order of `kinds`: "net:[4026531840]".
std::vector<std::string> namespaces_of(const std::string& pid) {
    std::vector<std::string> all;
    for (const std::string& kind : kinds) {
        std::error_code none;
        const std::string file = kind == "mount" ? "mnt" : kind;
        all.push_back(fs::read_symlink("/proc/" + pid + "/ns/" + file, none).string());
    }
    return all;
}

// ---- what runs over there

std::vector<std::string> own_namespaces() { return namespaces_of("self"); }
int own_pid() { return ::getpid(); }
bool file_exists(const std::string& path) { return ::access(path.c_str(), F_OK) == 0; }
std::string directory() { return fs::current_path().string(); }
std::string variable(const std::string& name) {
    const char* value = std::getenv(name.c_str());
    return value ? value : "unset";
}
std::vector<unsigned> ids() {
    std::vector<unsigned> all{::getuid(), ::geteuid(), ::getgid(), ::getegid()};
    std::vector<gid_t> groups(static_cast<std::size_t>(::getgroups(0, nullptr)));
    groups.resize(
        static_cast<std::size_t>(::getgroups(static_cast<int>(groups.size()), groups.data())));
    for (const gid_t g : groups) all.push_back(g);
    return all;
}
void die_by(int signal) { ::raise(signal); }
void leave_with(int status) { ::_exit(status); }
void hang() {
    for (;;) ::pause();
}

// ---- helpers

bool is_root() {
    if (::getuid() == 0) return true;
    WARN("left out: takes root");
    return false;
}

/// A process with namespaces of its own, made by unshare with these options; `script` runs there
/// first.
companion process_with(std::vector<std::string> options, const std::string& script = "true") {
    std::vector<std::string> argv{"unshare"};
    argv.insert(argv.end(), options.begin(), options.end());
    argv.insert(argv.end(), {"sh", "-c", script + " && echo ready; exec sleep 1000"});
    return companion(std::move(argv), "ready");
}

/// Has nothing of its own but a new pid namespace, in which it is the first process.
companion first_process(std::vector<std::string> more = {}, const std::string& script = "true") {
    std::vector<std::string> options{"--pid", "--fork", "--kill-child", "--mount-proc"};
    options.insert(options.end(), more.begin(), more.end());
    return process_with(std::move(options), script);
}

/// The process that has started it.
int parent_of(int child) {
    std::ifstream status("/proc/" + std::to_string(child) + "/status");
    std::string word;
    int parent = 0;
    while (status >> word)
        if (word == "PPid:") status >> parent;
    return parent;
}

/// The processes in the pid namespace of another one.
std::vector<int> neighbours_of(int pid) {
    std::vector<int> all;
    const fs::path home = fs::read_symlink("/proc/" + std::to_string(pid) + "/ns/pid");
    for (const auto& entry : fs::directory_iterator("/proc")) {
        const std::string name = entry.path().filename().string();
        std::error_code none;
        if (name.find_first_not_of("0123456789") == std::string::npos &&
            fs::read_symlink(entry.path() / "ns/pid", none) == home)
            all.push_back(std::stoi(name));
    }
    return all;
}

/// A context that runs as an ordinary user, at home in `dir`: this one's, if it is one.
mitogen::context ordinary(tree& t, const scratch& dir) {
    if (::getuid() != 0) return t.router.local();
    REQUIRE(::chown(dir.path().c_str(), 65534, 65534) == 0);
    return t.router.command({.argv = {"setpriv", "--reuid=65534", "--regid=65534", "--clear-groups",
                                      "env", "HOME=" + dir.path()}});
}

/// As process_with(), by an ordinary user.
companion ordinary_process_with(std::vector<std::string> options,
                                const std::string& script = "true") {
    std::vector<std::string> argv;
    if (::getuid() == 0) argv = {"setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"};
    argv.push_back("unshare");
    argv.insert(argv.end(), options.begin(), options.end());
    argv.insert(argv.end(), {"sh", "-c", script + " && echo ready; exec sleep 1000"});
    return companion(std::move(argv), "ready");
}

} // namespace

// ---- as root

TEST_CASE("a child enters all namespaces of a process, and its directories", "[nsenter]") {
    if (!is_root()) return;
    const auto inner =
        first_process({"-muinC", "-T"}, "mount -t tmpfs none /mnt && : >/mnt/marker && cd /mnt");
    tree t;
    SECTION("from the root") {
        auto child = t.router.nsenter({.pid = inner.child()});
        CHECK(child.call<&own_namespaces>() == namespaces_of(std::to_string(inner.child())));
        CHECK(child.call<&file_exists>("/mnt/marker"));
        CHECK(child.call<&directory>() == "/mnt");
        CHECK(child.local().call<&own_namespaces>() ==
              namespaces_of(std::to_string(inner.child())));
        CHECK(child.shutdown().get().success());
    }
    SECTION("from another context") {
        auto parent = t.router.local();
        auto child = parent.nsenter({.pid = inner.child()});
        CHECK(child.name() == parent.name() + ".nsenter." + std::to_string(inner.child()));
        CHECK(child.call<&own_namespaces>() == namespaces_of(std::to_string(inner.child())));
    }
    SECTION("from a context that was sent its program") {
        auto parent = t.router.command({.argv = {"env"}});
        auto child = parent.nsenter({.pid = inner.child()});
        CHECK(child.call<&own_namespaces>() == namespaces_of(std::to_string(inner.child())));
    }
    CHECK_FALSE(file_exists("/mnt/marker"));
}

TEST_CASE("a child enters those namespaces that are named", "[nsenter]") {
    if (!is_root()) return;
    const auto inner = first_process({"-Ur", "-muinC", "-T"});
    const auto theirs = namespaces_of(std::to_string(inner.child()));
    const auto ours = own_namespaces();
    tree t;
    const auto entered = [&](std::vector<std::string> wanted) {
        auto child = t.router.nsenter({.pid = inner.child(), .namespaces = wanted});
        const auto found = child.call<&own_namespaces>();
        for (std::size_t i = 0; i < kinds.size(); ++i) {
            INFO(kinds[i]);
            const bool in = std::find(wanted.begin(), wanted.end(), kinds[i]) != wanted.end();
            CHECK(theirs[i] != ours[i]);
            // Its /proc is that of the pid namespace, which does not know who came from elsewhere.
            if (!found[i].empty())
                CHECK(found[i] == (in ? theirs[i] : ours[i]));
            else
                CHECK(wanted == std::vector<std::string>{"mount"});
        }
        CHECK(child.shutdown().get().success());
    };
    for (const std::string& kind : kinds) {
        INFO("entering " << kind);
        entered({kind});
    }
    entered({"mount", "pid"});
    entered({"user", "net", "uts"});
}

TEST_CASE("a child in another pid namespace ends as one does here", "[nsenter]") {
    if (!is_root()) return;
    const auto inner = first_process();
    tree t({.grace = 200'000'000, .after_term = 100'000'000});
    auto child = t.router.nsenter({.pid = inner.child(), .name = "in"});
    CHECK(child.call<&own_pid>() < 100);
    const auto there = neighbours_of(inner.child());
    REQUIRE(there.size() == 2);
    const int process = there[0] == inner.child() ? there[1] : there[0];
    const int outside = parent_of(process);
    CHECK(parent_of(outside) == ::getpid());
    SECTION("by itself") { CHECK(child.shutdown().get().success()); }
    SECTION("with a status") {
        const auto lost = child.try_call<&leave_with>(7);
        REQUIRE(!lost);
        CHECK(lost.error().detail().status == mitogen::exit_status{7, 0});
    }
    SECTION("by a signal") {
        const int signal = GENERATE(SIGKILL, SIGTERM, SIGSEGV);
        const auto lost = child.try_call<&die_by>(signal);
        REQUIRE(!lost);
        CHECK(lost.error().detail().status == mitogen::exit_status{0, signal});
    }
    SECTION("by a signal to what stands in for it, also by one that cannot be passed on") {
        const int signal = GENERATE(SIGTERM, SIGKILL);
        auto hanging = child.call_async<&hang>();
        REQUIRE(::kill(outside, signal) == 0);
        const auto lost = hanging.try_get();
        REQUIRE(!lost);
        CHECK(lost.error().detail().status == mitogen::exit_status{0, signal});
    }
    SECTION("when it is stopped, in time") { REQUIRE(::kill(process, SIGSTOP) == 0); }
    t.router.close();
    CHECK(support::soon(
        [&] { return neighbours_of(inner.child()) == std::vector<int>{inner.child()}; }));
}

TEST_CASE("a child has the root directory of a process that has another one", "[nsenter]") {
    if (!is_root()) return;
    if (!fs::exists("/bin/busybox")) {
        WARN("left out: busybox is not installed; tools/setup does that");
        return;
    }
    const scratch dir;
    fs::create_directories(dir / "root/bin");
    fs::copy_file("/bin/busybox", dir / "root/bin/busybox");
    std::ofstream(dir / "root/marker") << "x";
    const std::string copy_libraries = "for l in $(ldd /bin/busybox | grep -o '/[^ ]*'); do mkdir "
                                       "-p \"$0$(dirname $l)\" && cp $l \"$0$l\" || exit; done;";
    const companion inner(
        {"sh", "-c",
         copy_libraries +
             "exec chroot \"$0\" /bin/busybox sh -c 'echo ready; exec /bin/busybox sleep 1000'",
         dir / "root"},
        "ready");
    tree t;
    SECTION("in which there is no sh") {
        const auto e = refusal(t.router, mitogen::nsenter{.pid = inner.pid()});
        CHECK(e.reason() == mitogen::reason::payload);
        CHECK_THAT(e.what(), Contains("no sh that can be executed there") && Contains("ENOENT"));
        CHECK(e.detail().status == mitogen::exit_status{127, 0});
    }
    SECTION("in which there is no user") {
        const auto e = refusal(t.router, mitogen::nsenter{.pid = inner.pid(), .username = "root"});
        CHECK(e.reason() == mitogen::reason::resolve);
        CHECK_THAT(e.what(), Contains("no such user: root"));
    }
    SECTION("in which there is a sh that says where it is") {
        fs::create_symlink("busybox", dir / "root/bin/sh");
        fs::create_symlink("busybox", dir / "root/bin/uname");
        const auto e = refusal(t.router, mitogen::nsenter{.pid = inner.pid()});
        // no /dev/null, no tools: but the shell has spoken
        CHECK(e.reason() == mitogen::reason::payload);
        CHECK_THAT(e.what(), !Contains("no sh that can be executed"));
    }
    SECTION("but not where only another namespace is named") {
        auto child = t.router.nsenter({.pid = inner.pid(), .namespaces = {"uts"}});
        CHECK_FALSE(child.call<&file_exists>("/marker"));
    }
}

TEST_CASE("a child becomes a user that is known in there", "[nsenter]") {
    if (!is_root()) return;
    const std::string how = GENERATE("", "nsenter");
    const auto inner = process_with(
        {"-m"},
        "mount -t tmpfs none /mnt && cp /etc/passwd /etc/group /mnt/ && "
        "echo 'mia:x:4001:4002::/mnt/home/mia:/bin/bash' >>/mnt/passwd && "
        "echo 'mias:x:4002:' >>/mnt/group && echo 'band:x:4003:ole,mia' >>/mnt/group && "
        "mkdir -p /mnt/home/mia && chown 4001:4002 /mnt/home/mia && chmod 700 /mnt/home/mia && "
        "mount --bind /mnt/passwd /etc/passwd && mount --bind /mnt/group /etc/group");
    tree t;
    SECTION("only in there") {
        if (!how.empty()) return; // her account is no whole one for su
        auto child = t.router.nsenter({.pid = inner.pid(), .username = "mia"});
        CHECK(child.call<&ids>() == std::vector<unsigned>{4001, 4001, 4002, 4002, 4002, 4003});
        CHECK(child.call<&variable>("HOME") == "/mnt/home/mia");
        CHECK(child.call<&variable>("LOGNAME") == "mia");
        CHECK(child.call<&variable>("USER") == "mia");
        CHECK(child.call<&variable>("SHELL") == "/bin/bash");
        CHECK(child.call<&directory>() == "/mnt/home/mia");
        CHECK(child.shutdown().get().success());
    }
    SECTION("everywhere") {
        auto child = t.router.nsenter(
            {.pid = inner.pid(), .username = "nobody", .nsenter_path = how, .keep_program = false});
        CHECK(child.call<&ids>()[0] == 65534);
    }
    SECTION("or is refused") {
        const auto e = refusal(
            t.router,
            mitogen::nsenter{.pid = inner.pid(), .username = "no-such-user", .nsenter_path = how});
        CHECK(e.reason() == mitogen::reason::resolve);
        CHECK_THAT(e.what(), Contains("it has no such user"));
    }
}

TEST_CASE("root of a user namespace is what one becomes there", "[nsenter]") {
    if (!is_root()) return;
    const auto inner = process_with({"-Um"});
    for (const char* map : {"uid_map", "gid_map"})
        std::ofstream("/proc/" + std::to_string(inner.pid()) + "/" + map) << "0 100000 1000";
    tree t;
    // he is nobody in the directories of this machine
    auto child = t.router.nsenter({.pid = inner.pid(), .keep_program = false});
    CHECK(child.call<&ids>() == std::vector<unsigned>{0, 0, 0, 0});
}

// ---- as an ordinary user

TEST_CASE("an ordinary user enters a user namespace of his own", "[nsenter]") {
    const scratch dir;
    tree t;
    auto user = ordinary(t, dir);
    SECTION("with all others") {
        const companion inner = ordinary_process_with(
            {"-Ur", "-muin", "--pid", "--fork", "--kill-child", "--mount-proc"},
            "mount -t tmpfs none /mnt && : >/mnt/marker");
        const int pid = inner.child();
        auto child = user.nsenter({.pid = pid});
        CHECK(child.call<&own_namespaces>() == user.call<&namespaces_of>(std::to_string(pid)));
        CHECK(child.call<&file_exists>("/mnt/marker"));
        CHECK(child.call<&ids>()[0] == 0);
        CHECK(child.shutdown().get().success());
        auto root = user.nsenter({.pid = pid, .username = "root", .keep_program = false});
        CHECK(root.call<&ids>()[0] == 0);
        CHECK(root.call<&variable>("LOGNAME") == "root");
        const auto e = refusal(user, mitogen::nsenter{.pid = pid, .namespaces = {"uts"}});
        CHECK(e.reason() == mitogen::reason::auth_required);
        CHECK_THAT(e.what(),
                   Contains("its uts namespace") && Contains("by sudo") && Contains("EPERM"));
    }
    SECTION("alone") {
        const companion inner = ordinary_process_with({"-Ur"});
        CHECK(user.nsenter({.pid = inner.pid()}).call<&ids>()[0] == 0);
    }
    SECTION("in which nobody is known") {
        const companion inner = ordinary_process_with({"-U"});
        CHECK(user.nsenter({.pid = inner.pid()}).call<&ids>()[0] == 65534);
    }
}

TEST_CASE("an ordinary user may not enter what is not his", "[nsenter]") {
    if (!is_root()) return;
    const auto inner = process_with({"-mu"});
    const scratch dir;
    tree t;
    auto user = ordinary(t, dir);
    const auto e = refusal(user, mitogen::nsenter{.pid = inner.pid()});
    CHECK(e.reason() == mitogen::reason::auth_required);
    CHECK_THAT(e.what(), Contains("may not enter its namespaces") && Contains("EACCES") &&
                             Contains("exit status 1"));
}

TEST_CASE("there is no entering where nobody is", "[nsenter]") {
    tree t;
    const std::string how = GENERATE("", "nsenter");
    const auto e = refusal(t.router, mitogen::nsenter{.pid = 2'000'000'000, .nsenter_path = how});
    CHECK(e.reason() == mitogen::reason::resolve);
    CHECK_THAT(e.what(), Contains("no process of that number"));
}

// ---- containers

TEST_CASE("the first process of a container is asked for before its namespaces are entered",
          "[nsenter]") {
    if (!is_root()) return;
    using mitogen::container_kind;
    const scratch dir;
    const auto inner = process_with({"-u"}, "hostname inner");
    tree t;
    const auto enter = [&](container_kind kind, const std::string& asked, const std::string& answer,
                           std::chrono::milliseconds limit = 30s) {
        const std::string tool =
            dir.script("info", "[ \"$*\" = '" + asked +
                                   "' ] || { echo \"asked for $*\" >&2; exit 64; }\n" + answer);
        return t.router.try_nsenter(
            {.container = "c", .kind = kind, .tool_path = tool, .connect_timeout = limit});
    };
    const std::string pid = std::to_string(inner.pid());
    const auto is_inside = [&](const mitogen::result<mitogen::context>& child) {
        if (!child) FAIL_CHECK(child.error().what());
        return child && child->call<&own_namespaces>() == namespaces_of(pid);
    };
    const std::string inspect = "inspect --format={{.State.Pid}} c";
    SECTION("docker") { CHECK(is_inside(enter(container_kind::docker, inspect, "echo " + pid))); }
    SECTION("podman") { CHECK(is_inside(enter(container_kind::podman, inspect, "echo " + pid))); }
    SECTION("lxc") {
        CHECK(is_inside(enter(container_kind::lxc, "--name c --pid --no-humanize", "echo " + pid)));
    }
    SECTION("lxd") {
        CHECK(is_inside(enter(container_kind::lxd, "info c", "echo Name: c; echo Pid: " + pid)));
    }
    SECTION("incus") {
        CHECK(is_inside(enter(container_kind::incus, "info c", "echo Name: c; echo PID: " + pid)));
    }
    SECTION("machinectl") {
        CHECK(is_inside(
            enter(container_kind::machinectl, "show --property=Leader c", "echo Leader=" + pid)));
    }
    SECTION("one that does not run") {
        const std::string answer = GENERATE("echo 0\n", "echo\n", "true\n", "echo 12x\n",
                                            "echo -1\n", "echo 99999999999\n");
        const auto child = enter(container_kind::docker, inspect, answer);
        REQUIRE(!child);
        CHECK(child.error().reason() == mitogen::reason::connection_refused);
        CHECK_THAT(child.error().what(), Contains("nsenter c: it is not running"));
    }
    SECTION("one that does not exist") {
        const auto child =
            enter(container_kind::docker, inspect, "echo 'Error: No such object: c' >&2; exit 1\n");
        REQUIRE(!child);
        CHECK(child.error().reason() == mitogen::reason::resolve);
        CHECK_THAT(child.error().what(),
                   Contains("none of that name") && Contains("No such object: c"));
    }
    SECTION("one whose tool hangs, which ends then") {
        const auto child = enter(container_kind::docker, inspect,
                                 "echo $$ >" + (dir / "pid") + "\nexec sleep 1000\n", 2s);
        REQUIRE(!child);
        CHECK(child.error().reason() == mitogen::reason::connect_timeout);
        CHECK_THAT(child.error().what(), Contains("tells the container's process"));
        int tool = 0;
        std::ifstream(dir / "pid") >> tool;
        REQUIRE(tool > 0);
        // it has no line of arguments any more: it is gone, or a zombie of somebody else
        CHECK(support::soon([&] {
            std::string line;
            std::ifstream("/proc/" + std::to_string(tool) + "/cmdline") >> line;
            return line.empty();
        }));
    }
    SECTION("one whose tool is not there") {
        const auto e = refusal(t.router, mitogen::nsenter{.container = "c",
                                                          .kind = container_kind::docker,
                                                          .tool_path = dir / "none"});
        CHECK(e.reason() == mitogen::reason::connect);
        CHECK_THAT(e.what(), Contains("tool_path"));
    }
}

// ---- without anything being entered

TEST_CASE("explain says what would be entered, and as whom", "[nsenter]") {
    tree t;
    const std::string run =
        "run: sh -c '" +
        mitogen::detail::first_stage_script(mitogen::detail::patience_for(30'000'000'000)) +
        "'\nname: nsenter.";
    CHECK_THAT(t.router.explain(mitogen::nsenter{.pid = 7}),
               Catch::StartsWith("enter: all namespaces and the root directory of process 7\n" +
                                 run + "7\n"));
    CHECK_THAT(t.router.explain(
                   mitogen::nsenter{.pid = 7, .namespaces = {"net", "uts"}, .username = "mia"}),
               Catch::StartsWith("enter: the namespaces net, uts of process 7, as its user mia\n"));
    CHECK_THAT(
        t.router.explain(mitogen::nsenter{.pid = 7, .namespaces = {"mount"}}),
        Catch::StartsWith("enter: the namespaces mount and the root directory of process 7\n"));
    CHECK_THAT(t.router.explain(
                   mitogen::nsenter{.container = "web", .kind = mitogen::container_kind::podman}),
               Catch::StartsWith("enter: all namespaces and the root directory of the first "
                                 "process of container web, as podman tells it\n"));
    CHECK_THAT(t.router.explain(mitogen::nsenter{.pid = 7, .nsenter_path = "nsenter"}),
               Catch::StartsWith("run: nsenter --target 7 "));
}

TEST_CASE("what is to be entered survives being made into arguments", "[nsenter]") {
    const mitogen::detail::nsenter_child what{
        7, "ask", "tool", "box", {"net", "mount"}, "mia", {"sh", "-c", "true"}};
    const auto back = mitogen::detail::nsenter_child::from(what.arguments("title"));
    REQUIRE(back);
    CHECK(back->arguments("title") == what.arguments("title"));
    CHECK(back->namespaces == what.namespaces);
    CHECK(back->command == what.command);
    CHECK_FALSE(mitogen::detail::nsenter_child::from({"title", "--mitogen-enter", "7"}));
}

// ---- system calls that fail

namespace {

struct attempt {
    int code = 0;
    std::string said;
};

/// Enters and prints "arrived" there, while the call of that name fails once, after `skip` that do
/// not; all in a process of its own.
attempt enter_with_fault(const mitogen::detail::nsenter_child& what, const char* call, long rc,
                         int skip) {
    mitogen::os::unique_fd in;
    mitogen::os::unique_fd out;
    REQUIRE(mitogen::os::pipe(in, out) >= 0);
    std::vector<std::string> arguments = what.arguments("title");
    std::vector<char*> argv;
    for (std::string& a : arguments) argv.push_back(a.data());
    attempt made;
    const pid_t pid = ::fork();
    REQUIRE(pid >= 0);
    if (pid == 0) {
        ::dup2(out.get(), 1);
        ::dup2(out.get(), 2);
        const generic::inject fault(call, rc, skip, 1);
        mitogen::detail::enter_and_execute(static_cast<int>(argv.size()), argv.data());
        ::_exit(99);
    }
    out.reset();
    char block[512];
    for (ssize_t n = 0; (n = ::read(in.get(), block, sizeof block)) > 0;)
        made.said.append(block, static_cast<std::size_t>(n));
    int status = 0;
    REQUIRE(::waitpid(pid, &status, 0) == pid);
    made.code = WIFEXITED(status) ? WEXITSTATUS(status) : 200 + WTERMSIG(status);
    return made;
}

} // namespace

TEST_CASE("whatever system call fails, a child arrives as it should or says why it does not",
          "[nsenter]") {
    if (!is_root()) return;
    const auto inner = first_process({"-muinC"});
    mitogen::detail::nsenter_child what;
    what.pid = inner.child();
    what.username = "nobody";
    what.command = {"sh", "-c", "echo arrived; id -u"};
    const bool asking = GENERATE(false, true);
    if (asking) {
        what.ask = "echo " + std::to_string(std::exchange(what.pid, 0));
        what.tool = "tool";
    }
    CHECK(enter_with_fault(what, "none", 0, 0).said == "arrived\n65534\n");
    // Those after which nobody may arrive; of each, the first.
    for (const char* call : {"open", "openat", "fchdir", "chroot", "pipe", "fork", "setgroups",
                             "setgid", "setuid", "setenv", "execvp"}) {
        CAPTURE(call, asking);
        const auto made = enter_with_fault(what, call, -EPERM, 0);
        CHECK(made.code != 0);
        CHECK_THAT(made.said, !Contains("arrived"));
        // its sh does not run, and says so by its status
        const bool lookup = asking && std::string(call) == "execvp";
        if (!lookup) CHECK_THAT(made.said, Catch::StartsWith("mitogen: "));
    }
    for (const char* call :
         {"open", "openat", "prctl", "setns", "fchdir", "chroot", "pipe", "fork", "read",
          "setgroups", "setgid", "setuid", "setenv", "execvp", "dup_to", "waitpid"}) {
        for (int skip = 0; skip < 6; ++skip) {
            const long rc = skip % 2 == 0 ? -ENOMEM : -EPERM;
            CAPTURE(call, rc, skip, asking);
            const auto made = enter_with_fault(what, call, rc, skip);
            CAPTURE(made.said);
            if (made.code == 0)
                CHECK(made.said == "arrived\n65534\n");
            else
                CHECK_THAT(made.said, !Contains("arrived"));
        }
        CAPTURE(call, asking);
        CHECK(enter_with_fault(what, call, -EINTR, 0).said == "arrived\n65534\n");
    }
    CHECK(neighbours_of(inner.child()) == std::vector<int>{inner.child()});
}

#endif
