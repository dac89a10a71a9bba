// SPDX-License-Identifier: BSL-1.0
#include "support/companion.hpp"
#include "support/refusal.hpp"
#include "support/scratch.hpp"

#include <catch2/catch.hpp>
#include <csignal>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <mitogen/mitogen.hpp>
#ifdef MITOGEN_SEPARATE // else the umbrella has it
#include <mitogen/boot/explain_plan.hpp>
#include <mitogen/method/exec_style.hpp>
#include <mitogen/remote/serializable_method.hpp>
#endif
#include <optional>
#include <string>
#include <sys/utsname.h>
#include <tuple>
#include <unistd.h>
#include <vector>

namespace {

using support::companion;
using support::thrown_refusal;
using tree = support::quiet_tree;
namespace fs = std::filesystem;
using namespace std::chrono_literals;
using Catch::Contains;

// ---- what runs over there

int add(int a, int b) { return a + b; }
bool file_exists(const std::string& path) { return ::access(path.c_str(), F_OK) == 0; }
std::string host_name() {
    utsname u{};
    ::uname(&u);
    return u.nodename;
}
unsigned user_number() { return ::getuid(); }

// ---- helpers

struct scratch : support::scratch {
    /// A tool that insists on these arguments in front of `sh`, one blank before each, and executes
    /// the rest.
    std::string tool(const std::string& expected) const {
        return script(
            "tool",
            "said=\nwhile [ $# -gt 0 ] && [ \"$1\" != sh ]; do said=\"$said $1\"; shift; done\n"
            "[ \"$said\" = '" +
                expected + "' ] || { echo \"called with$said\" >&2; exit 64; }\nexec \"$@\"\n");
    }
};

/// The command line with blanks between its arguments, and STAGE for the first stage.
template <class Method>
std::string command_of(const Method& method) {
    const auto plan = method.plan();
    if (!plan) return plan.error().what();
    CHECK(plan->staged);
    CHECK(plan->start.path == plan->start.argv.at(0));
    std::string line;
    for (const std::string& a : plan->start.argv)
        line += (line.empty() ? "" : " ") +
                (a == mitogen::detail::first_stage_script(35) ? "STAGE" : a);
    return line;
}

template <class Method>
std::string default_name(const Method& method) {
    return method.plan().value().name;
}

/// Why the options are refused; fails the test if they are not.
template <class Method>
std::string refusal_of(const Method& method) {
    const auto plan = mitogen::detail::plan_of(method, {});
    if (plan) return "accepted";
    CHECK(plan.error().reason() == mitogen::reason::misuse);
    return plan.error().what();
}

/// One of each method, with every option of its own at another value than its default.
auto one_of_each() {
    using namespace mitogen;
    return std::tuple{
        docker{.container = "c", .username = "u", .docker_path = "tool"},
        docker{.image = "i", .username = "u", .docker_path = "tool"},
        podman{.container = "c", .username = "u", .podman_path = "tool"},
        buildah{.container = "c", .username = "u", .buildah_path = "tool"},
        kubectl{.pod = "p",
                .container = "c",
                .ns = "n",
                .kubectl_args = {"--context=x"},
                .kubectl_path = "tool"},
        lxc{.container = "c", .lxc_attach_path = "tool"},
        lxd{.container = "c", .lxc_path = "tool"},
        incus{.container = "c", .incus_path = "tool"},
        jail{.container = "c", .username = "u", .jexec_path = "tool"},
        mitogen::chroot_options{.root = "/c", .username = "u", .chroot_path = "tool"},
        nsenter{.pid = 7, .namespaces = {"net"}, .username = "u", .nsenter_path = "tool"},
        nsenter{.container = "c",
                .kind = container_kind::lxc,
                .tool_path = "info",
                .nsenter_path = "tool"},
        nsenter{.pid = 7, .namespaces = {"net", "mount"}, .username = "u"},
        nsenter{.container = "c", .kind = container_kind::lxc, .tool_path = "info"},
        slurm{.args = {"-p", "x"}, .srun_path = "tool"},
        command{.argv = {"tool", "x"}},
    };
}

template <class F>
void for_each_method(F f) {
    std::apply([&](auto... method) { (f(method), ...); }, one_of_each());
}

/// Real containers take root.
bool may(const std::string& what) {
    if (::getuid() == 0) return true;
    WARN("left out: " << what << " takes root");
    return false;
}

} // namespace

// ---- command lines

TEST_CASE("each method and option has its command line") {
    using namespace mitogen;
    CHECK(command_of(docker{.container = "web"}) == "docker exec --interactive web sh -c STAGE");
    CHECK(command_of(docker{.container = "web", .username = "u:g"}) ==
          "docker exec --interactive --user=u:g web sh -c STAGE");
    CHECK(command_of(docker{.image = "debian:12"}) ==
          "docker run --interactive --rm debian:12 sh -c STAGE");
    CHECK(command_of(docker{.image = "i", .username = "u"}) ==
          "docker run --interactive --user=u --rm i sh -c STAGE");
    CHECK(command_of(docker{.container = "c", .docker_path = "/d"}) ==
          "/d exec --interactive c sh -c STAGE");

    CHECK(command_of(podman{.container = "c"}) == "podman exec --interactive -- c sh -c STAGE");
    CHECK(command_of(podman{.container = "c", .username = "u"}) ==
          "podman exec --user=u --interactive -- c sh -c STAGE");
    CHECK(command_of(podman{.container = "c", .podman_path = "/p"}) ==
          "/p exec --interactive -- c sh -c STAGE");

    CHECK(command_of(buildah{.container = "c"}) == "buildah run -- c sh -c STAGE");
    CHECK(command_of(buildah{.container = "c", .username = "u"}) ==
          "buildah run --user=u -- c sh -c STAGE");
    CHECK(command_of(buildah{.container = "c", .buildah_path = "/b"}) == "/b run -- c sh -c STAGE");

    CHECK(command_of(kubectl{.pod = "p"}) == "kubectl exec --stdin p -- sh -c STAGE");
    CHECK(command_of(kubectl{.pod = "p", .container = "c"}) ==
          "kubectl exec --stdin --container=c p -- sh -c STAGE");
    CHECK(command_of(kubectl{.pod = "deploy/web",
                             .ns = "n",
                             .kubectl_args = {"--context", "prod"},
                             .kubectl_path = "/k"}) ==
          "/k --context prod --namespace=n exec --stdin deploy/web -- sh -c STAGE");

    CHECK(command_of(lxc{.container = "c"}) == "lxc-attach --clear-env --name c -- sh -c STAGE");
    CHECK(command_of(lxc{.container = "c", .lxc_attach_path = "/l"}) ==
          "/l --clear-env --name c -- sh -c STAGE");
    CHECK(command_of(lxd{.container = "r:c"}) ==
          "lxc exec --mode=non-interactive r:c -- sh -c STAGE");
    CHECK(command_of(lxd{.container = "c", .lxc_path = "/l"}) ==
          "/l exec --mode=non-interactive c -- sh -c STAGE");
    CHECK(command_of(incus{.container = "c"}) ==
          "incus exec --mode=non-interactive c -- sh -c STAGE");
    CHECK(command_of(incus{.container = "c", .incus_path = "/i"}) ==
          "/i exec --mode=non-interactive c -- sh -c STAGE");

    CHECK(command_of(jail{.container = "c"}) == "/usr/sbin/jexec c sh -c STAGE");
    CHECK(command_of(jail{.container = "c", .username = "u"}) ==
          "/usr/sbin/jexec -U u c sh -c STAGE");
    CHECK(command_of(jail{.container = "c", .jexec_path = "/j"}) == "/j c sh -c STAGE");

    CHECK(command_of(mitogen::chroot_options{.root = "/r"}) == "chroot /r sh -c STAGE");
    CHECK(command_of(mitogen::chroot_options{.root = "/r", .username = "u:g"}) ==
          "chroot --userspec=u:g /r sh -c STAGE");
    CHECK(command_of(mitogen::chroot_options{.root = "/r", .chroot_path = "/c"}) ==
          "/c /r sh -c STAGE");

    CHECK(command_of(slurm{}) == "srun --unbuffered --ntasks=1 sh -c STAGE");
    CHECK(command_of(slurm{.args = {"-p", "debug"}, .srun_path = "/s"}) ==
          "/s --unbuffered --ntasks=1 -p debug sh -c STAGE");
    CHECK(command_of(command{.argv = {"env", "-i"}}) == "env -i sh -c STAGE");
}

TEST_CASE("the tool nsenter takes a process, or the first one of a container") {
    using namespace mitogen;
    CHECK(command_of(nsenter{.pid = 7, .nsenter_path = "nsenter"}) ==
          "nsenter --target 7 --all --root -- sh -c STAGE");
    CHECK(
        command_of(nsenter{.pid = 7, .namespaces = {"net", "mount"}, .nsenter_path = "nsenter"}) ==
        "nsenter --target 7 --net --mount -- sh -c STAGE");
    CHECK(command_of(nsenter{.pid = 7, .username = "u", .nsenter_path = "nsenter"}) ==
          "nsenter --target 7 --all --root -- su -s /bin/sh -c STAGE u");
    CHECK(command_of(nsenter{.pid = 7, .nsenter_path = "/n"}) ==
          "/n --target 7 --all --root -- sh -c STAGE");

    const auto lookup = [](container_kind kind, const std::string& tool_path = {}) {
        const auto argv =
            nsenter{.container = "c", .kind = kind, .tool_path = tool_path, .nsenter_path = "/n"}
                .plan()
                ->start.argv;
        REQUIRE(argv.size() == 13);
        CHECK(std::vector(argv.begin() + 5, argv.begin() + 12) ==
              std::vector<std::string>{"c", "/n", "--all", "--root", "--", "sh", "-c"});
        CHECK(argv[0] + argv[1] + argv[3] == "sh-csh");
        return argv[4];
    };
    CHECK(lookup(container_kind::docker) == "docker");
    CHECK(lookup(container_kind::podman) == "podman");
    CHECK(lookup(container_kind::lxc) == "lxc-info");
    CHECK(lookup(container_kind::lxd) == "lxc");
    CHECK(lookup(container_kind::incus) == "incus");
    CHECK(lookup(container_kind::machinectl) == "machinectl");
    CHECK(lookup(container_kind::docker, "/d") == "/d");
}

TEST_CASE("contexts are named after the method and its target") {
    using namespace mitogen;
    CHECK(default_name(docker{.container = "web"}) == "docker.web");
    CHECK(default_name(docker{.image = "debian:12"}) == "docker.debian:12");
    CHECK(default_name(kubectl{.pod = "p", .container = "c"}) == "kubectl.p");
    CHECK(default_name(mitogen::chroot_options{.root = "/srv/x"}) == "chroot./srv/x");
    CHECK(default_name(nsenter{.pid = 7}) == "nsenter.7");
    CHECK(default_name(nsenter{.container = "c", .kind = container_kind::lxc}) == "nsenter.c");
    CHECK(default_name(slurm{}) == "slurm");
    CHECK(default_name(command{.argv = {"/usr/bin/env", "-i"}}) == "command.env");
}

TEST_CASE("every method has the options that all have") {
    for_each_method([](auto method) {
        CAPTURE(decltype(method)::method_name);
        CHECK(method.plan()->timeout == 30'000'000'000);
        CHECK(method.plan()->name.starts_with(decltype(method)::method_name));
        method.name = "mine";
        method.connect_timeout = 5s;
        method.limits.emplace().message_bytes = 4711;
        const auto plan = method.plan().value();
        CHECK(plan.name == "mine");
        CHECK(plan.timeout == 5'000'000'000);
        CHECK(plan.bounds.message_bytes == 4711);
        CHECK(plan.program->get() == mitogen::os::self_executable().get());
        method.executable = "/bin/sh";
        CHECK(mitogen::os::same_file(method.plan()->program->get(),
                                     mitogen::os::unique_fd(::open("/bin/sh", O_RDONLY)).get()));
        method.executable = "/usr/nowhere/program";
        CHECK(method.plan().error().reason() == mitogen::reason::payload);
    });
}

TEST_CASE("every option of every method arrives in the context that is asked") {
    for_each_method([](auto method) {
        CAPTURE(decltype(method)::method_name);
        method.name = "mine";
        method.connect_timeout = 5s;
        method.limits.emplace().message_bytes = 4711;
        method.executable = "/bin/sh";
        const auto here = method.plan().value();
        const mitogen::buffer sent = mitogen::detail::encode_method(method).value();
        const auto there = mitogen::detail::plan_from(sent, {}).value();
        CHECK(there.start.argv == here.start.argv);
        CHECK(there.what == here.what);
        CHECK(there.name == "mine");
        CHECK(there.timeout == here.timeout);
        CHECK(there.bounds.message_bytes == 4711);
        CHECK(mitogen::os::same_file(there.program->get(), here.program->get()));
    });
}

// ---- refused before anything is run

TEST_CASE("what a tool would misunderstand is refused") {
    using namespace mitogen;
    CHECK_THAT(refusal_of(docker{}), Contains("either .container") && Contains(".image"));
    CHECK_THAT(refusal_of(docker{.container = "a", .image = "b"}), Contains("either .container"));
    CHECK_THAT(refusal_of(podman{}), Contains("podman: container is empty"));
    CHECK_THAT(refusal_of(buildah{}), Contains("container is empty"));
    CHECK_THAT(refusal_of(kubectl{.container = "c"}), Contains("pod is empty"));
    CHECK_THAT(refusal_of(lxc{}), Contains("container is empty"));
    CHECK_THAT(refusal_of(lxd{}), Contains("container is empty"));
    CHECK_THAT(refusal_of(incus{}), Contains("container is empty"));
    CHECK_THAT(refusal_of(jail{}), Contains("container is empty"));
    CHECK_THAT(refusal_of(mitogen::chroot_options{}), Contains("root is empty"));
    CHECK_THAT(refusal_of(command{}), Contains("argv is empty"));
    CHECK_THAT(refusal_of(command{.argv = {""}}), Contains("argv[0] is empty"));
    CHECK_THAT(refusal_of(docker{.container = "a", .docker_path = ""}),
               Contains("docker_path is empty"));
    CHECK_THAT(refusal_of(slurm{.srun_path = ""}), Contains("srun_path is empty"));

    const std::string option = "--privileged";
    const auto as_option = Contains("\"--privileged\", which begins with a dash");
    CHECK_THAT(refusal_of(docker{.container = option}), as_option && Contains("container is"));
    CHECK_THAT(refusal_of(docker{.image = option}), as_option && Contains("image is"));
    CHECK_THAT(refusal_of(docker{.container = "c", .username = option}),
               as_option && Contains("username is"));
    CHECK_THAT(refusal_of(podman{.container = option}), as_option);
    CHECK_THAT(refusal_of(buildah{.container = option}), as_option);
    CHECK_THAT(refusal_of(kubectl{.pod = option}), as_option);
    CHECK_THAT(refusal_of(kubectl{.pod = "p", .container = option}), as_option);
    CHECK_THAT(refusal_of(kubectl{.pod = "p", .ns = option}), as_option && Contains("ns is"));
    CHECK_THAT(refusal_of(lxc{.container = option}), as_option);
    CHECK_THAT(refusal_of(lxd{.container = option}), as_option);
    CHECK_THAT(refusal_of(incus{.container = option}), as_option);
    CHECK_THAT(refusal_of(jail{.container = option}), as_option);
    CHECK_THAT(refusal_of(jail{.container = "c", .username = option}), as_option);
    CHECK_THAT(refusal_of(mitogen::chroot_options{.root = option}), as_option);
    CHECK_THAT(refusal_of(nsenter{.container = option, .kind = container_kind::lxc}), as_option);
    CHECK_THAT(refusal_of(nsenter{.pid = 7, .username = option}), as_option);

    const std::string cut("web\0--privileged", 16);
    CHECK_THAT(refusal_of(docker{.container = cut}), Contains("zero byte"));
    CHECK_THAT(refusal_of(slurm{.args = {cut}}), Contains("zero byte"));
    CHECK_THAT(refusal_of(ssh{.hostname = cut}), Contains("zero byte"));
    CHECK_THAT(refusal_of(sudo{.username = cut}), Contains("zero byte"));

    CHECK_THAT(refusal_of(nsenter{}), Contains("either .pid"));
    CHECK_THAT(refusal_of(nsenter{.pid = 7, .container = "c", .kind = container_kind::lxc}),
               Contains("either .pid"));
    CHECK_THAT(refusal_of(nsenter{.pid = -7}), Contains("negative"));
    CHECK_THAT(refusal_of(nsenter{.container = "c"}), Contains("go together"));
    CHECK_THAT(refusal_of(nsenter{.pid = 7, .kind = container_kind::lxc}), Contains("go together"));
    CHECK_THAT(refusal_of(nsenter{.pid = 7, .namespaces = {"network"}}), Contains("\"network\""));
}

TEST_CASE("a refusal is the same from a router, a context and a nursery") {
    tree t;
    mitogen::nursery nursery{t.router};
    auto child = t.router.local();
    const auto here = t.router.try_docker({});
    const auto there = child.try_docker({});
    const auto owned = nursery.try_docker({});
    REQUIRE((!here && !there && !owned));
    for (const auto& e : {here.error(), there.error(), owned.error()})
        CHECK(e.reason() == mitogen::reason::misuse);
    CHECK_THAT(there.error().what(), Contains("[in local."));
    CHECK_THROWS_AS(t.router.docker({}), mitogen::logic_error);
}

// ---- children through tools that only pretend

TEST_CASE("a child comes up through each tool that is called as expected") {
    const scratch dir;
    tree t;
    mitogen::router& router = t.router;
    mitogen::context child;
    SECTION("docker") {
        child =
            router.docker({.container = "web", .docker_path = dir.tool(" exec --interactive web")});
    }
    SECTION("docker image") {
        child = router.docker({.image = "i", .docker_path = dir.tool(" run --interactive --rm i")});
    }
    SECTION("podman") {
        child =
            router.podman({.container = "c", .podman_path = dir.tool(" exec --interactive -- c")});
    }
    SECTION("buildah") {
        child = router.buildah({.container = "c", .buildah_path = dir.tool(" run -- c")});
    }
    SECTION("kubectl") {
        child = router.kubectl({.pod = "p", .kubectl_path = dir.tool(" exec --stdin p --")});
    }
    SECTION("lxc") {
        child =
            router.lxc({.container = "c", .lxc_attach_path = dir.tool(" --clear-env --name c --")});
    }
    SECTION("lxd") {
        child = router.lxd(
            {.container = "c", .lxc_path = dir.tool(" exec --mode=non-interactive c --")});
    }
    SECTION("incus") {
        child = router.incus(
            {.container = "c", .incus_path = dir.tool(" exec --mode=non-interactive c --")});
    }
    SECTION("jail") {
        child = router.jail({.container = "c", .username = "u", .jexec_path = dir.tool(" -U u c")});
    }
    SECTION("chroot") { child = router.chroot({.root = "/c", .chroot_path = dir.tool(" /c")}); }
    SECTION("nsenter") {
        child = router.nsenter({.pid = 7, .nsenter_path = dir.tool(" --target 7 --all --root --")});
    }
    SECTION("slurm") {
        child = router.slurm(
            {.args = {"-p", "x"}, .srun_path = dir.tool(" --unbuffered --ntasks=1 -p x")});
    }
    SECTION("command") { child = router.command({.argv = {dir.tool(" a b  c"), "a b", "", "c"}}); }
    CHECK(child.call<&add>(2, 3) == 5);
    CHECK(child.shutdown().get().success());
}

TEST_CASE("a child comes up through a tool that is called in another child") {
    const scratch dir;
    tree t;
    auto parent = t.router.local();
    auto child =
        parent.docker({.container = "web", .docker_path = dir.tool(" exec --interactive web")});
    CHECK(child.name() == parent.name() + ".docker.web");
    auto grandchild = child.command({.argv = {"nice", "-n", "1"}});
    CHECK(grandchild.name() == child.name() + ".command.nice");
    CHECK(grandchild.call<&add>(2, 3) == 5);

    const auto missing = parent.try_podman({.container = "c", .podman_path = dir / "missing"});
    REQUIRE(!missing);
    CHECK_THAT(missing.error().what(), Contains("missing") && Contains("[in local."));
}

TEST_CASE("a nursery owns what comes up through a tool") {
    const scratch dir;
    tree t;
    mitogen::nursery nursery{t.router};
    auto child =
        nursery.podman({.container = "c", .podman_path = dir.tool(" exec --interactive -- c")});
    CHECK(child.call<&add>(2, 3) == 5);
    nursery.join();
    CHECK_FALSE(child.alive());
}

TEST_CASE("the first process of a container is asked for as its kind of tool answers") {
    using mitogen::container_kind;
    const scratch dir;
    tree t;
    const auto enter = [&](container_kind kind, const std::string& asked,
                           const std::string& answer) {
        const std::string tool =
            dir.script("info", "[ \"$*\" = '" + asked +
                                   "' ] || { echo \"asked for $*\" >&2; exit 64; }\n" + answer);
        return t.router.try_nsenter({.container = "c",
                                     .kind = kind,
                                     .tool_path = tool,
                                     .nsenter_path = dir.tool(" --target 4711 --all --root --")});
    };
    const auto comes_up = [](const mitogen::result<mitogen::context>& child) {
        if (!child) FAIL_CHECK(child.error().what());
        return child && child->call<&add>(2, 3) == 5;
    };
    SECTION("docker") {
        CHECK(comes_up(
            enter(container_kind::docker, "inspect --format={{.State.Pid}} c", "echo 4711\n")));
    }
    SECTION("podman") {
        CHECK(comes_up(
            enter(container_kind::podman, "inspect --format={{.State.Pid}} c", "echo 4711\n")));
    }
    SECTION("lxc") {
        CHECK(comes_up(enter(container_kind::lxc, "--name c --pid --no-humanize", "echo 4711\n")));
    }
    SECTION("lxd") {
        CHECK(comes_up(enter(container_kind::lxd, "info c",
                             "echo Name: c; echo Pid: 4711; echo Processes: 3\n")));
    }
    SECTION("incus") {
        CHECK(comes_up(enter(container_kind::incus, "info c", "echo Name: c; echo PID: 4711\n")));
    }
    SECTION("machinectl") {
        CHECK(comes_up(
            enter(container_kind::machinectl, "show --property=Leader c", "echo Leader=4711\n")));
    }
    SECTION("one that does not run") {
        const std::string answer =
            GENERATE("echo 0\n", "echo\n", "true\n", "echo 12x\n", "echo -1\n");
        const auto child =
            enter(container_kind::docker, "inspect --format={{.State.Pid}} c", answer);
        REQUIRE(!child);
        CHECK(child.error().reason() == mitogen::reason::connection_refused);
        CHECK_THAT(child.error().what(), Contains("nsenter c: it is not running"));
    }
    SECTION("one that does not exist") {
        const auto child = enter(container_kind::docker, "inspect --format={{.State.Pid}} c",
                                 "echo 'Error: No such object: c' >&2; exit 1\n");
        REQUIRE(!child);
        CHECK(child.error().reason() == mitogen::reason::resolve);
        CHECK_THAT(child.error().what(),
                   Contains("none of that name") && Contains("No such object: c"));
    }
}

// ---- tools that fail

TEST_CASE("what a tool complains about arrives as a typed error with its words") {
    using mitogen::reason;
    struct complaint {
        std::string words;
        int status;
        reason why;
        std::string meaning;
    };
    const complaint said = GENERATE(values<complaint>({
        {"Error response from daemon: No such container: web", 1, reason::resolve,
         "none of that name"},
        {"Error: no container with name or ID \"web\" found: no such container", 125,
         reason::resolve, "none of that name"},
        {"Error: reading build container \"web\": container not known", 125, reason::resolve,
         "none of that name"},
        {"Error response from daemon: container 1067a1d3 is not running", 1,
         reason::connection_refused, "start it first"},
        {"Error response from daemon: Container web is paused, unpause the container before exec",
         1, reason::connection_refused, "unpause it"},
        {"Error: can only create exec sessions on running containers: container state improper",
         255, reason::connection_refused, "start it first"},
        {"Cannot connect to the Docker daemon at unix:///var/run/docker.sock. Is the docker daemon "
         "running?",
         1, reason::connection_refused, "does not reach its service"},
        {"permission denied while trying to connect to the Docker daemon socket", 1,
         reason::auth_required, "may not do that"},
        {"unable to find user web: no matching entries in passwd file", 126, reason::resolve,
         "no such user"},
        {"Error: determining run uid: user: unknown user error looking up user \"alice\"", 125,
         reason::resolve, "no such user"},
        {"OCI runtime exec failed: exec failed: unable to start container process: exec: \"sh\": "
         "executable file not found in "
         "$PATH",
         127, reason::payload, "no sh"},
        {"Unable to find image 'web:latest' locally\ndocker: Error response from daemon: pull "
         "access denied for web",
         125, reason::resolve, "no image of that name"},
        {"Unable to find image 'web:latest' locally\ndocker: Error response from daemon: dial tcp: "
         "no such host",
         125, reason::resolve, "image is not here"},
        {"Error from server (NotFound): pods \"web\" not found", 1, reason::resolve, "no such pod"},
        {"Error from server (BadRequest): container c is not valid for pod web", 1, reason::resolve,
         ".container"},
        {"Error from server (Forbidden): pods \"web\" is forbidden: User \"u\" cannot create", 1,
         reason::auth_required, "pods/exec"},
        {"error: You must be logged in to the server (Unauthorized)", 1, reason::auth_required,
         "kubectl config"},
        {"The connection to the server localhost:8080 was refused - did you specify the right host "
         "or port?",
         1, reason::connection_refused, "does not reach its service"},
        {"lxc-attach: web: ../src/lxc/attach.c: get_attach_context: 406 Connection refused - "
         "Failed to get init pid",
         1, reason::connection_refused, "not running"},
        {"Error: Instance not found", 1, reason::resolve, "none of that name"},
        {"Error: Instance is not running", 1, reason::connection_refused, "start it first"},
        {"jexec: jail \"web\" not found", 1, reason::resolve, "none of that name"},
        {"chroot: cannot change root directory to '/web': No such file or directory", 125,
         reason::resolve, "no directory"},
        {"chroot: cannot change root directory to '/web': Operation not permitted", 125,
         reason::auth_required, "may not do that"},
        {"chroot: failed to run command 'sh': No such file or directory", 127, reason::payload,
         "no sh"},
        {"nsenter: stat of /proc/4711/ns/user failed: No such file or directory", 1,
         reason::resolve, "no process of that number"},
        {"nsenter: reassociate to namespace 'ns/net' failed: Operation not permitted", 1,
         reason::auth_required, "may not do that"},
        {"srun: error: invalid partition specified: web", 1, reason::resolve, "no such partition"},
        {"srun: error: Unable to allocate resources: Unable to contact slurm controller (connect "
         "failure)",
         1, reason::connection_refused, "does not reach its service"},
        {"something else", 1, reason::end_of_file, "ended before it ran our shell"},
        {"something else", 125, reason::end_of_file, "ended before it ran our shell"},
        {"something else", 126, reason::payload, "could not be executed"},
        {"something else", 127, reason::payload, "not found"},
    }));
    CAPTURE(said.words, said.status);
    const scratch dir;
    tree t;
    const std::string tool = dir.script("tool", "cat >&2 <<'END'\n" + said.words + "\nEND\nexit " +
                                                    std::to_string(said.status) + "\n");
    const auto e = thrown_refusal<mitogen::connect_error>(
        t.router, mitogen::docker{.container = "web", .docker_path = tool});
    CHECK(e.reason() == said.why);
    const std::string last_line = said.words.substr(said.words.rfind('\n') + 1);
    CHECK_THAT(e.what(), Contains("docker web: ") && Contains(said.meaning) && Contains(last_line));
    CHECK(e.detail().status == mitogen::exit_status{said.status, 0});
}

TEST_CASE("tools that say nothing, hang, are killed or are not there") {
    const scratch dir;
    tree t;
    mitogen::docker how{.container = "web", .docker_path = dir / "tool"};
    SECTION("silent") {
        dir.script("tool", "exit 0\n");
        CHECK_THAT(thrown_refusal<mitogen::eof_error>(t.router, how).what(),
                   Contains("ended before it ran our shell"));
    }
    SECTION("hanging") {
        dir.script("tool", "echo waiting for the lock >&2; exec sleep 1000\n");
        how.connect_timeout = 300ms;
        const auto e = thrown_refusal<mitogen::connect_error>(t.router, how);
        CHECK(e.reason() == mitogen::reason::connect_timeout);
        CHECK_THAT(e.what(),
                   Contains("no hello within 300 ms") && Contains("our shell did not speak"));
    }
    SECTION("killed") {
        dir.script("tool", "kill -9 $$\n");
        const auto e = thrown_refusal<mitogen::eof_error>(t.router, how);
        CHECK(e.detail().status.signal == SIGKILL);
    }
    SECTION("not there") {
        const auto e = thrown_refusal<mitogen::connect_error>(t.router, how);
        CHECK(e.reason() == mitogen::reason::connect);
        CHECK_THAT(e.what(), Contains("docker web: cannot start") && Contains("ENOENT") &&
                                 Contains("installed here"));
    }
    SECTION("hanging, with something to undo") {
        const bool stubborn = GENERATE(false, true);
        dir.script(
            "tool",
            "trap '" +
                std::string(stubborn ? ":" : "echo undone >" + (dir / "undone") + "; exit 1") +
                "' TERM\necho waiting >&2\nwhile :; do sleep 0.1; done\n");
        // time to set its trap
        const mitogen::slurm job{.srun_path = dir / "tool", .connect_timeout = 2s};
        CHECK(thrown_refusal<mitogen::connect_error>(t.router, job).reason() ==
              mitogen::reason::connect_timeout);
        t.router.close();
        CHECK(fs::exists(dir / "undone") == !stubborn);
    }
    SECTION("failing after our shell has spoken") {
        dir.script("tool", "printf '\\365\\246mit%sogen\\246\\3651 %s\\n' '' \"$(uname -sm)\"\n"
                           "read -r size; echo the pod was evicted >&2; exit 125\n");
        const auto e = thrown_refusal<mitogen::eof_error>(t.router, how);
        CHECK_THAT(e.what(), Contains("ended before the child said hello") &&
                                 Contains("the pod was evicted"));
    }
    SECTION("failing while the program is sent, with whatever status") {
        dir.script("tool", "printf '\\365\\246mit%sogen\\246\\3651 %s\\n' '' \"$(uname -sm)\"\n"
                           "head -c 10000 >/dev/null; echo lost the pod >&2; exit 1\n");
        const auto e = thrown_refusal<mitogen::eof_error>(t.router, how);
        CHECK_THAT(e.what(),
                   Contains("ended while the program was sent") && Contains("lost the pod"));
        CHECK_THAT(e.what(), !Contains("mitogen::init"));
        CHECK(e.detail().status == mitogen::exit_status{1, 0});
    }
    SECTION("failing after that: who it was cannot be told") {
        dir.script("tool", "printf '\\365\\246mit%sogen\\246\\3651 %s\\n' '' \"$(uname -sm)\"\n"
                           "read -r line; n=${line#*;n=}; head -c \"${n%%;*}\" >/dev/null; echo "
                           "lost the pod >&2; exit 1\n");
        const auto e = thrown_refusal<mitogen::payload_error>(t.router, how);
        CHECK(e.reason() == mitogen::reason::no_init);
        CHECK_THAT(e.what(), Contains("the program was sent") &&
                                 Contains("did not call mitogen::init") &&
                                 Contains(how.docker_path + " failed") && Contains("lost the pod"));
        CHECK(e.detail().status == mitogen::exit_status{1, 0});
    }
    SECTION("passing on that our program does not run") {
        dir.script("tool", "shift 3; exec \"$@\"\n");
        how.executable = dir.script("program", "echo wrong program; exit 3\n");
        const auto e = thrown_refusal<mitogen::payload_error>(t.router, how);
        CHECK(e.reason() == mitogen::reason::no_init);
        CHECK_THAT(e.what(), Contains("did not call mitogen::init") && Contains("wrong program"));
    }
}

// ---- the real tools

TEST_CASE("a child comes up within another root directory") {
    if (!may("chroot(8)")) return;
    const scratch dir;
    const std::string root = dir / "root";
    fs::create_directory(root);
    std::ofstream(root + "/marker") << "x";
    // A mount namespace of its own, in which the root directory has the system's programs; it goes
    // with the child.
    const std::string tool =
        dir.script("chroot", "exec unshare -m sh -c 'for d in bin usr lib lib64 dev proc; do\n"
                             "[ ! -e /$d ] || { mkdir $0/$d; mount --rbind /$d $0/$d; }; done\n"
                             "mkdir $0/tmp; mount -t tmpfs none $0/tmp\n"
                             "exec chroot \"$@\"' " +
                                 root + " \"$@\"\n");
    tree t;
    SECTION("as root") {
        auto child = t.router.chroot({.root = root, .chroot_path = tool});
        CHECK(child.call<&file_exists>("/marker"));
        CHECK_FALSE(file_exists("/marker"));
        CHECK(child.local().call<&file_exists>("/marker"));
        CHECK(child.shutdown().get().success());
    }
    SECTION("as another user") {
        auto child =
            t.router.chroot({.root = root, .username = "65534:65534", .chroot_path = tool});
        CHECK(child.call<&user_number>() == 65534);
        CHECK(child.call<&file_exists>("/marker"));
    }
    SECTION("that is none") {
        const auto e = thrown_refusal<mitogen::connect_error>(
            t.router, mitogen::chroot_options{.root = dir / "missing"});
        CHECK(e.reason() == mitogen::reason::resolve);
    }
    SECTION("without a shell") {
        CHECK_THAT(
            thrown_refusal<mitogen::payload_error>(t.router, mitogen::chroot_options{.root = root})
                .what(),
            Contains("no sh"));
    }
}

TEST_CASE("a child comes up in an LXC container") {
    if (!may("lxc-start(1)")) return;
    if (!fs::exists("/usr/bin/lxc-create")) {
        WARN("left out: lxc is not installed; tools/setup does that");
        return;
    }
    const scratch dir;
    std::ofstream(dir / "config") << "lxc.net.0.type = empty\nlxc.apparmor.profile = unconfined\n";
    fs::create_directory(dir / "lxc");
    const auto tool = [&](const std::string& name) {
        return dir.script(name, "exec " + name + " -P " + (dir / "lxc") + " \"$@\"\n");
    };
    REQUIRE(std::system((tool("lxc-create") + " -n box -t busybox -f " + (dir / "config") +
                         " >/dev/null 2>&1")
                            .c_str()) == 0);
    const std::string attach = tool("lxc-attach");
    {
        // It dies with the process that starts it.
        const companion container({"sh", "-c",
                                   "lxc-wait -P \"$1\" -n box -s RUNNING -t 20 && echo ready &\n"
                                   "exec lxc-start -F -P \"$1\" -n box </dev/null 2>/dev/null",
                                   "sh", dir / "lxc"},
                                  "ready");
        tree t;
        SECTION("by lxc-attach") {
            auto child = t.router.lxc({.container = "box", .lxc_attach_path = attach});
            CHECK(child.call<&host_name>() == "box");
            CHECK(child.local().call<&host_name>() == "box");
            CHECK(child.shutdown().get().success());
        }
        SECTION("by nsenter") {
            const std::string how = GENERATE("", "nsenter");
            auto child = t.router.nsenter({.container = "box",
                                           .kind = mitogen::container_kind::lxc,
                                           .tool_path = tool("lxc-info"),
                                           .nsenter_path = how});
            CHECK(child.call<&host_name>() == "box");
            CHECK(child.shutdown().get().success());
        }
        SECTION("but not in one that does not exist") {
            const mitogen::lxc how{.container = "crate", .lxc_attach_path = attach};
            CHECK(thrown_refusal<mitogen::connect_error>(t.router, how).reason() ==
                  mitogen::reason::connection_refused);
            const mitogen::nsenter entering{.container = "crate",
                                            .kind = mitogen::container_kind::lxc,
                                            .tool_path = tool("lxc-info")};
            CHECK(thrown_refusal<mitogen::connect_error>(t.router, entering).reason() ==
                  mitogen::reason::resolve);
        }
    }
}

// ---- what would be run

TEST_CASE("explain says what would be run, and runs nothing") {
    const scratch dir;
    tree t;
    const std::string tool = dir.script("a tool", ": >'" + (dir / "was run") + "'\n");
    const mitogen::docker how{.container = "it's", .docker_path = tool, .connect_timeout = 5s};
    const std::string text = t.router.explain(how);
    CHECK_THAT(text, Contains("run: '" + tool + "' exec --interactive 'it'\\''s' sh -c '" +
                              mitogen::detail::first_stage_script(10) + "'\n"));
    CHECK_THAT(text, Contains("name: docker.it's\n") && Contains("timeout: 5000 ms\n"));
    const auto size = fs::file_size(fs::read_symlink("/proc/self/exe"));
    CHECK_THAT(text, Contains("program: this one, " + std::to_string(size) + " bytes, sent"));
    CHECK_FALSE(fs::exists(dir / "was run"));

    mitogen::docker other = how;
    other.executable = dir.script("program", "exit 1\n");
    CHECK_THAT(t.router.explain(other),
               Contains("program: " + other.executable + ", 17 bytes, sent"));
    CHECK_THAT(t.router.explain(mitogen::local{}),
               Contains("name: local\n") && Contains("executed here"));

    auto child = t.router.local();
    CHECK(child.explain(how) == text);
    CHECK(t.router.try_explain(mitogen::docker{}).error().reason() == mitogen::reason::misuse);
    CHECK_THROWS_AS(t.router.explain(mitogen::docker{}), mitogen::logic_error);

    const mitogen::ssh host{.hostname = "web1"};
    const mitogen::sudo user{.username = "postgres"};
    CHECK(t.router.explain(host, user, how) == "this context:\n" + t.router.explain(host) +
                                                   "in ssh.web1:\n" + t.router.explain(user) +
                                                   "in sudo.postgres:\n" + text);
    const auto wrong = t.router.try_explain(host, mitogen::docker{}, user);
    CHECK_THAT(wrong.error().what(), Contains("docker: "));
}

TEST_CASE("what explain quotes is what a shell reads") {
    CHECK(mitogen::detail::quoted_for_shell("--user=me:us") == "--user=me:us");
    CHECK(mitogen::detail::quoted_for_shell("") == "''");
    const std::vector<std::string> words{"a b", "it's", "$HOME", "`id`", "new\nline",
                                         "*",   "\\",   "\"",    "~",    "plain"};
    mitogen::os::spawn_options shell;
    mitogen::os::unique_fd in;
    mitogen::os::unique_fd out;
    REQUIRE(mitogen::os::pipe(in, out) >= 0);
    shell.path = "/bin/sh";
    shell.argv = {"sh", "-c", "printf '%s|' " + mitogen::detail::quoted_for_shell(words)};
    shell.out = out.get();
    auto process = mitogen::os::spawn(shell).value();
    out.reset();
    std::string said(1000, '\0');
    said.resize(static_cast<std::size_t>(
        std::max(0l, mitogen::os::read(in.get(), said.data(), said.size()))));
    CHECK(process.wait().success());
    std::string expected;
    for (const auto& w : words) expected += w + "|";
    CHECK(said == expected);
}
