// SPDX-License-Identifier: BSL-1.0
#include "support/refusal.hpp"
#include "support/soon.hpp"
#include "support/sshd.hpp"

#include <algorithm>
#include <arpa/inet.h>
#include <catch2/catch.hpp>
#include <chrono>
#include <csignal>
#include <filesystem>
#include <fstream>
#include <mitogen/mitogen.hpp>
#include <mutex>
#include <netinet/in.h>
#include <stop_token>
#include <string>
#include <sys/socket.h>
#include <sys/utsname.h>
#include <thread>
#include <tuple>
#include <unistd.h>
#include <vector>

namespace {

using support::thrown_refusal;
using tree = support::quiet_tree;
using namespace std::chrono_literals;
using Catch::Contains;

// ---- what runs over there

using machine = std::tuple<std::string, std::string, unsigned>; // kernel, host name, user

machine describe_machine() {
    utsname u{};
    ::uname(&u);
    return {u.release, u.nodename, ::getuid()};
}

int add(int a, int b) { return a + b; }
std::string agent_socket() {
    const char* const path = std::getenv("SSH_AUTH_SOCK");
    return path ? path : "none";
}
int parent_process() { return ::getppid(); }
void die() { std::raise(SIGKILL); }
void mumble_and_die() {
    std::fputs("last words\n", stderr);
    std::fflush(stderr);
    std::raise(SIGKILL);
}
/// A process that outlives this one, with its stderr. Its number.
int start_in_background() {
    const ::pid_t pid = ::fork();
    if (pid == 0) {
        ::execlp("sleep", "sleep", "3600", nullptr);
        ::_exit(127);
    }
    return pid;
}
/// An exit handler that says how the program ends.
void end_with(int code) {
    static int with;
    with = code;
    std::atexit([] { ::_exit(with); });
}
void wait_for_stop(std::stop_token stop) {
    while (!stop.stop_requested()) std::this_thread::sleep_for(5ms);
}
std::size_t length(const std::string& text) { return text.size(); }

/// Descriptors that a program started from here would inherit, besides 0, 1 and 2.
std::vector<int> inheritable_descriptors() {
    std::vector<int> found;
    for (int fd = 3; fd < 256; ++fd) {
        const int flags = ::fcntl(fd, F_GETFD);
        if (flags >= 0 && !(flags & FD_CLOEXEC)) found.push_back(fd);
    }
    return found;
}

int add_through_ssh_with_closed_stdio(mitogen::router& router, std::vector<std::string> ssh_args) {
    for (const int fd : {0, 1, 2}) ::close(fd);
    return router.ssh({.hostname = "127.0.0.1", .ssh_args = std::move(ssh_args)})
        .call<&add>(20, 22);
}

// ---- helpers

/// A TCP socket on a free port of 127.0.0.1 that nobody listens on, unless told to.
class tcp_port {
    mitogen::os::unique_fd socket_{::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)};
    sockaddr_in address_{};

public:
    tcp_port() {
        address_.sin_family = AF_INET;
        address_.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
        socklen_t size = sizeof address_;
        REQUIRE(::bind(socket_.get(), reinterpret_cast<sockaddr*>(&address_), size) == 0);
        REQUIRE(::getsockname(socket_.get(), reinterpret_cast<sockaddr*>(&address_), &size) == 0);
    }
    void listen() { REQUIRE(::listen(socket_.get(), 8) == 0); }
    std::uint16_t number() const { return ntohs(address_.sin_port); }
};

bool installed(const std::string& program) {
    if (std::filesystem::exists(program)) return true;
    WARN("left out: " << program << " is not installed");
    return false;
}

} // namespace

// ---- what works

TEST_CASE("functions run on a host that is reached with ssh") {
    const support::sshd target;
    {
        tree t;
        auto host = t.router.ssh(target.host());
        CHECK(host.name() == "ssh.127.0.0.1");
        CHECK(host.call<&add>(2, 3) == 5);
        CHECK(host.call<&describe_machine>() == describe_machine());
        CHECK(host.call<&parent_process>() != ::getpid());
        CHECK(host.call<&length>(std::string(3'000'000, 'x')) == 3'000'000);
        CHECK(host.call<&inheritable_descriptors>().empty());
        CHECK(host.shutdown().get().success());
    }
    CHECK(target.left_behind() == "");
}

TEST_CASE("the options alone say how to log in") {
    const support::sshd target;
    tree t;
    mitogen::ssh how = target.bare_host();
    how.identity_file = target.dir() + "/key";
    how.username = mitogen::os::identity_text().substr(0, mitogen::os::identity_text().find('@'));
    how.compression = true;
    auto host = t.router.ssh(how);
    CHECK(host.name() == "ssh.127.0.0.1:" + std::to_string(target.port()));
    CHECK(host.call<&add>(2, 3) == 5);
}

TEST_CASE("one thread brings up many hosts at once") {
    const support::sshd target;
    {
        tree t;
        const char* hosts[] = {"127.0.0.1", "127.0.0.2", "127.0.0.3"};
        const char* wanted = std::getenv("MITOGEN_TEST_HOSTS"); // more than the default takes long
        const int count = wanted ? std::atoi(wanted) : 9;
        std::vector<mitogen::future<mitogen::context>> coming;
        for (int i = 0; i < count; ++i) {
            mitogen::ssh how = target.host(hosts[i % 3]);
            how.name = "host" + std::to_string(i);
            coming.push_back(t.router.connect_async(how));
        }
        int sum = 0;
        for (auto& c : coming) sum += c.get().call<&add>(1, 1);
        CHECK(sum == 2 * count);
        CHECK(t.router.contexts().size() == static_cast<std::size_t>(count));
    }
    CHECK(target.left_behind() == "");
}

TEST_CASE("a child with closed standard descriptors reaches further hosts") {
    const support::sshd target;
    {
        tree t;
        auto child = t.router.local();
        CHECK(child.call<&add_through_ssh_with_closed_stdio>(target.host().ssh_args) == 42);
    }
    CHECK(target.left_behind() == "");
}

TEST_CASE("what a login shell prints does no harm") {
    const support::sshd target;
    {
        tree t;
        SECTION("its start-up file") {
            std::ofstream(target.home() + "/.bashrc")
                << "echo welcome to the machine; printf 'no newline\\365\\246mito'\n";
            CHECK(t.router.ssh(target.host()).call<&add>(2, 3) == 5);
        }
        SECTION("much, and on both outputs") {
            auto host = t.router.ssh(target.with_login_script(
                "i=0; while [ $i -lt 3000 ]; do echo \"$i: a line that is of no use to anybody at "
                "all\"; i=$((i+1)); done\n"
                "echo 'mind the gap' >&2; head -c 5000 /dev/urandom; exec sh \"$@\"\n"));
            CHECK(host.call<&add>(2, 3) == 5);
        }
        SECTION("an echo of the command itself") {
            CHECK(t.router.ssh(target.with_login_script("echo \"$2\"; exec sh \"$@\"\n"))
                      .call<&add>(2, 3) == 5);
        }
    }
    CHECK(target.left_behind() == "");
}

TEST_CASE("any login shell will do") {
    const std::string shell =
        GENERATE("/bin/dash", "/usr/bin/tcsh", "/usr/bin/fish", "/usr/bin/zsh", "/usr/bin/mksh");
    CAPTURE(shell);
    if (!installed(shell)) return;
    const support::sshd target;
    {
        tree t;
        CHECK(t.router.ssh(target.with_login_shell(shell)).call<&add>(2, 3) == 5);
    }
    CHECK(target.left_behind() == "");
}

TEST_CASE("busybox is system enough") {
    if (!installed("/bin/busybox") && !installed("/usr/bin/busybox")) return;
    const support::sshd target;
    {
        tree t;
        auto host = t.router.ssh(target.with_login_script(
            "mkdir -p \"$HOME/busybox\" && busybox --install -s \"$HOME/busybox\"\n"
            "PATH=$HOME/busybox exec sh \"$@\"\n"));
        CHECK(host.call<&add>(2, 3) == 5);
    }
    CHECK(target.left_behind() == "");
}

namespace {

/// What ssh is started with, but for its name, what keeps people's own configuration out of it, and
/// the first stage.
std::vector<std::string> arguments_of(const mitogen::ssh& how) {
    std::vector<std::string> a = how.arguments();
    REQUIRE(a.size() > 4);
    const std::string host = a[a.size() - 2];
    const auto own = std::find(a.begin(), a.end(), "ClearAllForwardings yes");
    REQUIRE(own != a.end());
    a.erase(own - 1, a.end());
    a.push_back(host);
    a.erase(a.begin());
    return a;
}

} // namespace

TEST_CASE("ssh's options are options") {
    using words = std::vector<std::string>;
    const words rest{"-o", "Compression no",
                     "-o", "ServerAliveInterval 15",
                     "-o", "ServerAliveCountMax 3",
                     "-o", "StrictHostKeyChecking yes",
                     "-T", "web"};
    const auto before_rest = [&](words w) {
        w.insert(w.end(), rest.begin(), rest.end());
        return w;
    };
    CHECK(arguments_of({.hostname = "web"}) ==
          before_rest({"-o", "LogLevel ERROR", "-o", "BatchMode yes"}));
    CHECK(arguments_of({.hostname = "web", .password = "p"}) ==
          before_rest(
              {"-o", "LogLevel ERROR", "-o", "BatchMode no", "-o", "NumberOfPasswordPrompts 1"}));
    CHECK(arguments_of({.hostname = "web", .password = "p", .interactive = true}) ==
          before_rest(
              {"-o", "LogLevel ERROR", "-o", "BatchMode no", "-o", "NumberOfPasswordPrompts 3"}));
    CHECK(arguments_of({.hostname = "web", .interactive = true}) ==
          before_rest(
              {"-o", "LogLevel ERROR", "-o", "BatchMode no", "-o", "NumberOfPasswordPrompts 3"}));
    CHECK(arguments_of({.hostname = "web", .identity_file = "/key"}) ==
          before_rest({"-o", "LogLevel ERROR", "-o", "BatchMode yes", "-o", "IdentitiesOnly yes",
                       "-i", "/key"}));
    CHECK(arguments_of({.hostname = "web", .identity_file = "/key", .identities_only = false}) ==
          before_rest({"-o", "LogLevel ERROR", "-o", "BatchMode yes", "-i", "/key"}));
    CHECK(arguments_of({.hostname = "web", .identities_only = true}) ==
          before_rest({"-o", "LogLevel ERROR", "-o", "BatchMode yes"}));
    CHECK(arguments_of({.hostname = "web",
                        .username = "mia",
                        .port = 2222,
                        .proxy_jump = "a@b:22,c",
                        .forward_agent = true}) ==
          before_rest({"-o", "LogLevel ERROR", "-o", "BatchMode yes", "-l", "mia", "-p", "2222",
                       "-J", "a@b:22,c", "-o", "ForwardAgent yes"}));
    for (const int level : {1, 2, 3})
        CHECK(arguments_of({.hostname = "web", .debug_level = level}) ==
              before_rest({"-" + std::string(static_cast<std::size_t>(level), 'v'), "-o",
                           "BatchMode yes"}));
    CHECK(arguments_of({.hostname = "web",
                        .check_host_keys = mitogen::host_keys::accept,
                        .ssh_args = {"-4"},
                        .compression = true,
                        .keepalive_interval = 0s}) ==
          words{"-o", "LogLevel ERROR", "-o", "BatchMode yes", "-o", "Compression yes", "-o",
                "StrictHostKeyChecking accept-new", "-T", "-4", "web"});
    CHECK(
        mitogen::ssh{.hostname = "web", .proxy_jump = "-oProxyCommand=x"}.plan().error().reason() ==
        mitogen::reason::misuse);
    for (const int level : {-1, 4})
        CHECK(mitogen::ssh{.hostname = "web", .debug_level = level}.plan().error().reason() ==
              mitogen::reason::misuse);
}

TEST_CASE("what people configure for their own sessions does no harm") {
    const support::sshd target;
    {
        tree t;
        const auto reaches = [&](const std::vector<std::string>& lines) {
            mitogen::ssh how = target.host();
            const std::string config = target.dir() + "/for_people";
            std::ofstream out(config);
            std::ifstream common(how.ssh_args.at(1));
            out << common.rdbuf();
            for (const std::string& line : lines) out << line << '\n';
            out.close();
            how.ssh_args.at(1) = config;
            auto host = t.router.try_ssh(how);
            if (!host) WARN(host.error().what());
            return host && host->call<&add>(2, 3) == 5;
        };
        CHECK(reaches({"RemoteCommand bash -l"}));
        CHECK(reaches({"RequestTTY force", "LocalForward 127.0.0.1:1 127.0.0.1:1",
                       "ExitOnForwardFailure yes"}));
        const auto knows = mitogen::os::program_words({"forkafterauthentication"}).of("ssh");
        if (!knows[0]) return;
        CHECK(reaches({"StdinNull yes"}));
        CHECK(reaches({"SessionType none"}));
    }
    CHECK(target.left_behind() == "");
}

TEST_CASE("a host behind another one is reached through that") {
    const support::sshd target;
    {
        tree t;
        mitogen::ssh how = target.host("127.0.0.1");
        how.proxy_jump = "127.0.0.3";
        CHECK(t.router.ssh(how).call<&add>(2, 3) == 5);
        how.proxy_jump = "no-such-host.invalid";
        CHECK(thrown_refusal<mitogen::connect_error>(t.router, how).reason() ==
              mitogen::reason::resolve);
    }
    CHECK(target.left_behind() == "");
}

TEST_CASE("what ssh says of its work arrives as the child's stderr") {
    const support::sshd target;
    std::mutex mutex;
    std::string log;
    {
        tree t;
        mitogen::log::set_sink([&](const mitogen::log::record& r) {
            const std::lock_guard lock(mutex);
            log.append(r.logger).append(": ").append(r.text).append("\n");
        });
        mitogen::ssh how = target.host();
        how.debug_level = 1;
        auto host = t.router.ssh(how);
        CHECK(host.call<&add>(2, 3) == 5);
        host.shutdown().get();
    }
    CHECK_THAT(log, Contains("stderr: debug1: "));
}

TEST_CASE("an agent here serves programs there where that is wanted") {
    if (!installed("/usr/bin/ssh-agent")) return;
    const support::sshd target;
    const std::string socket = target.dir() + "/agent";
    mitogen::os::spawn_options options;
    options.path = "/bin/sh";
    options.argv = {"sh", "-c", "exec ssh-agent -D -a \"$1\" >/dev/null", "sh", socket};
    auto agent = mitogen::os::spawn(options).value();
    REQUIRE(support::soon([&] { return std::filesystem::exists(socket); }));
    {
        tree t;
        mitogen::ssh how = target.host();
        const std::string client = support::write_script(
            target.dir() + "/ssh", "SSH_AUTH_SOCK='" + socket + "' exec ssh \"$@\"\n");
        how.ssh_path = client;
        how.ssh_args.insert(how.ssh_args.end(), {"-o", "IdentityAgent SSH_AUTH_SOCK"});
        CHECK(t.router.ssh(how).call<&agent_socket>() == "none");
        how.forward_agent = true;
        CHECK(t.router.ssh(how).call<&agent_socket>() != "none");
    }
    agent.signal(SIGTERM);
    agent.wait();
    CHECK(target.left_behind() == "");
}

// ---- no connection, and why

TEST_CASE("a server that takes no more logins at once is overloaded") {
    const support::scratch dir;
    tree t;
    for (const char* said : {"kex_exchange_identification: read: Connection reset by peer",
                             "kex_exchange_identification: Connection closed by remote host"}) {
        mitogen::ssh how;
        how.hostname = "web";
        how.ssh_path = support::write_script(
            dir / "ssh", std::string("echo '") + said + "' >&2; exit 255\n");
        const auto none = t.router.try_ssh(how);
        REQUIRE_FALSE(none);
        CHECK(none.error().kind() == mitogen::kind::overloaded);
        CHECK_THAT(none.error().what(), Contains("MaxStartups"));
    }
}

TEST_CASE("what ssh complains about arrives as a typed error") {
    const support::sshd target;
    {
        tree t;
        SECTION("a host name without address") {
            const auto e = thrown_refusal<mitogen::connect_error>(
                t.router, target.host("no-such-host.invalid"));
            CHECK(e.reason() == mitogen::reason::resolve);
            CHECK_THAT(e.what(),
                       Contains("ssh no-such-host.invalid: the host name has no address") &&
                           Contains("it said:"));
        }
        SECTION("a port where nobody listens") {
            const tcp_port silent;
            mitogen::ssh how = target.bare_host();
            how.port = silent.number();
            const auto e = thrown_refusal<mitogen::connect_error>(t.router, how);
            CHECK(e.reason() == mitogen::reason::connection_refused);
            CHECK(e.kind() == mitogen::kind::disconnected);
        }
        SECTION("a server that never says anything") {
            tcp_port silent;
            silent.listen();
            mitogen::ssh how = target.bare_host();
            how.port = silent.number();
            how.connect_timeout = 300ms;
            const auto e = thrown_refusal<mitogen::connect_error>(t.router, how);
            CHECK(e.reason() == mitogen::reason::connect_timeout);
            CHECK_THAT(e.what(), Contains("300 ms") && Contains("does not answer"));
        }
        SECTION("a key that opens nothing") {
            mitogen::ssh how = target.bare_host();
            how.identity_file = target.dir() + "/wrong_key";
            CHECK(thrown_refusal<mitogen::auth_error>(t.router, how).reason() ==
                  mitogen::reason::auth_incorrect);
        }
        SECTION("no key") {
            mitogen::ssh how = target.bare_host();
            how.ssh_args.insert(how.ssh_args.end(), {"-o", "IdentityFile none"});
            const auto e = thrown_refusal<mitogen::auth_error>(t.router, how);
            CHECK(e.reason() == mitogen::reason::auth_required);
            CHECK_THAT(e.what(), Contains("Permission denied"));
        }
        SECTION("a client that is not there") {
            mitogen::ssh how = target.host();
            how.ssh_path = "/usr/nowhere/ssh";
            const auto e = thrown_refusal<mitogen::connect_error>(t.router, how);
            CHECK_THAT(e.what(), Contains("/usr/nowhere/ssh") && Contains("ENOENT"));
        }
        SECTION("a host name that would be an option") {
            CHECK(thrown_refusal<mitogen::logic_error>(t.router, target.host("-oProxyCommand=id"))
                      .reason() == mitogen::reason::misuse);
            CHECK(thrown_refusal<mitogen::logic_error>(t.router, target.host("")).reason() ==
                  mitogen::reason::misuse);
        }
    }
    CHECK(target.left_behind() == "");
}

TEST_CASE("unknown and changed host keys are refused, learnt or ignored, as asked") {
    const support::sshd target;
    tree t;
    const std::string known = target.dir() + "/known";
    mitogen::ssh how = target.host();
    how.ssh_args.insert(how.ssh_args.begin(), {"-o", "UserKnownHostsFile " + known});

    const auto unknown = thrown_refusal<mitogen::host_key_error>(t.router, how);
    CHECK(unknown.reason() == mitogen::reason::host_key);
    CHECK_THAT(unknown.what(), Contains("is unknown"));
    CHECK_FALSE(std::filesystem::exists(known));

    how.check_host_keys = mitogen::host_keys::ignore;
    CHECK(t.router.ssh(how).call<&add>(2, 3) == 5);
    CHECK_FALSE(std::filesystem::exists(known));

    how.check_host_keys = mitogen::host_keys::accept;
    CHECK(t.router.ssh(how).call<&add>(2, 3) == 5);
    CHECK(std::filesystem::exists(known));
    how.check_host_keys = mitogen::host_keys::enforce;
    CHECK(t.router.ssh(how).call<&add>(2, 3) == 5);

    std::ifstream key(target.dir() + "/wrong_key.pub");
    std::string type;
    std::string base64;
    key >> type >> base64;
    std::ofstream(known) << "[127.0.0.1]:" << target.port() << ' ' << type << ' ' << base64 << '\n';
    for (const auto check : {mitogen::host_keys::enforce, mitogen::host_keys::accept}) {
        how.check_host_keys = check;
        CHECK_THAT(thrown_refusal<mitogen::host_key_error>(t.router, how).what(),
                   Contains("another one than it was"));
    }
    how.check_host_keys = mitogen::host_keys::ignore;
    CHECK(t.router.ssh(how).call<&add>(2, 3) == 5);
}

TEST_CASE("what is wrong on the host arrives as a typed error") {
    const support::sshd target;
    {
        tree t;
        SECTION("a login shell that ends at once") {
            const auto e = thrown_refusal<mitogen::eof_error>(
                t.router, target.with_login_script("echo This account is closed.; exit 1\n"));
            CHECK_THAT(e.what(), Contains("login shell") && Contains("This account is closed.") &&
                                     Contains("exit status 1"));
        }
        SECTION("a login shell that is not there") {
            CHECK_THAT(thrown_refusal<mitogen::eof_error>(
                           t.router, target.with_login_shell("/usr/nowhere/shell"))
                           .what(),
                       Contains("/usr/nowhere/shell"));
        }
        SECTION("a login shell that never gets to our command") {
            mitogen::ssh how = target.with_login_script("read -r forever\n");
            how.connect_timeout = 1500ms;
            CHECK(thrown_refusal<mitogen::connect_error>(t.router, how).reason() ==
                  mitogen::reason::connect_timeout);
        }
        SECTION("another architecture") {
            support::write_script(target.dir() + "/bin/uname", "echo Linux riscv32\n");
            const auto e = thrown_refusal<mitogen::payload_error>(
                t.router,
                target.with_login_script("PATH=" + target.dir() + "/bin:$PATH exec sh \"$@\"\n"));
            CHECK_THAT(e.what(), Contains("the target is Linux riscv32") &&
                                     Contains("built for " + mitogen::os::machine_text()));
        }
        SECTION("a file that may not become large enough") {
            const auto e = thrown_refusal<mitogen::payload_error>(
                t.router, target.with_login_script("ulimit -f 64; exec sh \"$@\"\n"));
            CHECK_THAT(e.what(), Contains("room for the program: is a disk full"));
        }
        if (::getuid() == 0) {
            const std::string everywhere =
                "p=$(readlink -f \"$(command -v python3)\") && mount --bind /bin/false \"$p\"; "
                "mount --bind /bin/false \"$(command -v perl)\"; for d "
                "in /tmp /var/tmp /dev/shm; do mount -t tmpfs -o ";
            SECTION("a full disk") {
                const auto e = thrown_refusal<mitogen::payload_error>(
                    t.router, target.with_login_script(
                                  "exec unshare -m sh -c '" + everywhere +
                                  "size=64k none $d; done; HOME= exec sh \"$@\"' sh \"$@\"\n"));
                CHECK_THAT(e.what(), Contains("room for the program: is a disk full"));
            }
            SECTION("no directory whose programs may run") {
                const std::string options = GENERATE("noexec", "ro");
                const auto e = thrown_refusal<mitogen::payload_error>(
                    t.router,
                    target.with_login_script("exec unshare -m sh -c '" + everywhere + options +
                                             " none $d; done; HOME= exec sh \"$@\"' sh \"$@\"\n"));
                CHECK_THAT(e.what(), Contains("no directory"));
            }
        }
    }
    CHECK(target.left_behind() == "");
}

TEST_CASE("a program that cannot run there is refused or explained") {
    const support::sshd target;
    const std::string program = target.dir() + "/program";
    {
        tree t;
        mitogen::ssh how = target.host();
        how.executable = program;
        // An ELF header (elf(5)) of a 64-bit little-endian program for the machine at offset 18,
        // and nothing behind it.
        std::string header("\x7f"
                           "ELF\2\1\1",
                           7);
        header.resize(64);
        header[16] = 2;
        SECTION("for another machine: without trying") {
            header[18] = static_cast<char>(183);
            std::ofstream(program, std::ios::binary) << header;
            CHECK_THAT(thrown_refusal<mitogen::payload_error>(t.router, how).what(),
                       Contains("built for Linux aarch64"));
        }
        SECTION("damaged") {
            if (!mitogen::os::machine_text().ends_with("x86_64")) return;
            header[18] = 62;
            std::ofstream(program, std::ios::binary) << header << std::string(5000, '#');
            CHECK_THAT(thrown_refusal<mitogen::payload_error>(t.router, how).what(),
                       Contains("cannot run there"));
        }
        SECTION("that does not know this library") {
            support::write_script(program, "echo hello; exit 3\n");
            const auto e = thrown_refusal<mitogen::payload_error>(t.router, how);
            CHECK(e.reason() == mitogen::reason::no_init);
            CHECK_THAT(e.what(), Contains("did not call mitogen::init") && Contains("hello"));
        }
        SECTION("that is not there") {
            CHECK_THAT(thrown_refusal<mitogen::payload_error>(t.router, how).what(),
                       Contains(program) && Contains("ENOENT"));
        }
    }
    CHECK(target.left_behind() == "");
}

// ---- connections that end

TEST_CASE("a connection that is cut in the middle of a call fails the call") {
    const support::sshd target;
    {
        tree t;
        auto host = t.router.ssh(target.host());
        const int session = host.call<&parent_process>();
        auto answer = host.call_async<&wait_for_stop>();
        host.ping().get();
        REQUIRE(::kill(session, SIGKILL) == 0);
        try {
            answer.get();
            FAIL("it returns");
        } catch (const mitogen::channel_error& e) {
            CHECK(e.reason() == mitogen::reason::respondent_lost);
            CHECK_THAT(e.what(), Contains("ssh.127.0.0.1") && Contains("exit status 255"));
            REQUIRE(e.status());
            CHECK(e.status()->code == 255);
        }
        CHECK_FALSE(host.alive());
        CHECK_THROWS_AS(host.call<&add>(1, 1), mitogen::channel_error);
        CHECK(t.router.ssh(target.host()).call<&add>(2, 3) == 5);
    }
    CHECK(target.left_behind() == "");
}

TEST_CASE("a program that is killed there takes its calls with it, and its last words arrive") {
    const support::sshd target;
    {
        tree t;
        CHECK_THROWS_AS(t.router.ssh(target.host()).call<&die>(), mitogen::channel_error);
        CHECK_THROWS_WITH(t.router.ssh(target.host()).call<&mumble_and_die>(),
                          Contains("last words"));
    }
    CHECK(target.left_behind() == "");
}

TEST_CASE("what a function leaves running over there does not hold up the end of its context") {
    const support::sshd target;
    {
        constexpr mitogen::duration_ns hour = 3'600'000'000'000;
        mitogen::broker loop; // nothing is due to a deadline but this
        mitogen::router router(loop, {.timeouts = {.grace = hour,
                                                   .after_term = hour,
                                                   .for_status = 100'000'000,
                                                   .for_link = hour}});
        auto host = router.ssh(target.host());
        const bool further = GENERATE(false, true);
        CAPTURE(further);
        auto where = further ? host.ssh(target.host()) : host;
        const int job = where.call<&start_in_background>();
        CHECK(where.shutdown().get() == mitogen::exit_status{.code = 0, .signal = 0});
        CHECK_FALSE(where.alive());
        CHECK(::kill(job, 0) == 0); // it goes on
        CHECK(::kill(job, SIGKILL) == 0);
        if (further) CHECK(host.shutdown().get().success());
    }
    CHECK(target.left_behind() == "");
}

TEST_CASE("the exit status of a context over there is that of its program") {
    const support::sshd target;
    {
        tree t;
        auto host = t.router.ssh(target.host());
        host.call<&end_with>(7);
        CHECK(host.shutdown().get() == mitogen::exit_status{.code = 7, .signal = 0});
    }
    CHECK(target.left_behind() == "");
}

TEST_CASE("a router that goes while hosts are coming up leaves nothing") {
    const support::sshd target;
    {
        tree t;
        std::vector<mitogen::future<mitogen::context>> coming;
        for (int i = 0; i < 4; ++i) coming.push_back(t.router.connect_async(target.host()));
        t.router.close();
        for (auto& c : coming) CHECK_FALSE(c.try_get().has_value());
    }
    CHECK(target.left_behind() == "");
}
