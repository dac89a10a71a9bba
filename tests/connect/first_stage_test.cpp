// SPDX-License-Identifier: BSL-1.0
#include <algorithm>
#include <catch2/catch.hpp>
#include <csignal>
#include <cstdlib>
#include <fcntl.h>
#include <filesystem>
#include <fstream>
#include <mitogen/mitogen.hpp>
#include <poll.h>
#include <string>
#include <unistd.h>
#include <vector>

namespace {

namespace fs = std::filesystem;

int add(int a, int b) { return a + b; }

/// A private directory in which the first stage finds everything that it may use.
class playground {
    std::string dir_;

public:
    playground() {
        std::string name = (fs::temp_directory_path() / "first_stage.XXXXXX").string();
        REQUIRE(::mkdtemp(name.data()));
        dir_ = name;
        fs::create_directories(home() + "/.cache");
        fs::create_directories(dir_ + "/bin");
    }
    playground(const playground&) = delete;
    playground& operator=(const playground&) = delete;
    ~playground() {
        std::error_code ignored;
        fs::remove_all(dir_, ignored);
    }

    std::string home() const { return dir_ + "/home"; }
    std::vector<std::string> environment() const { return {"HOME=" + home(), "XDG_RUNTIME_DIR", "TMPDIR", "PATH=" + path()}; }
    std::string path() const { return dir_ + "/bin:" + std::getenv("PATH"); }

    /// Makes `program` the system's `name`.
    void put(const std::string& name, const std::string& program) { fs::create_symlink(program, dir_ + "/bin/" + name); }

    /// As put(), for a script.
    void script(const std::string& name, const std::string& body) {
        std::ofstream(dir_ + "/bin/" + name) << "#!/bin/sh\n" << body;
        fs::permissions(dir_ + "/bin/" + name, fs::perms::owner_all);
    }

    std::vector<std::string> left_behind() const {
        std::vector<std::string> found;
        for (const auto& entry : fs::recursive_directory_iterator(home()))
            if (entry.path().filename() != ".cache") found.push_back(entry.path().string());
        return found;
    }
};

/// While it lives, children inherit only stdin, stdout and stderr, whatever the harness has open.
class nothing_inherited {
    std::vector<int> kept_;

public:
    nothing_inherited() {
        for (int fd = 3; fd < 1024; ++fd) {
            if (::fcntl(fd, F_GETFD) != 0) continue;
            ::fcntl(fd, F_SETFD, FD_CLOEXEC);
            kept_.push_back(fd);
        }
    }
    nothing_inherited(const nothing_inherited&) = delete;
    nothing_inherited& operator=(const nothing_inherited&) = delete;
    ~nothing_inherited() {
        for (const int fd : kept_) ::fcntl(fd, F_SETFD, 0);
    }
};

/// The first stage on this machine, as a connection method.
struct staged {
    std::vector<std::string> environment{};
    std::string shell = "/bin/sh";
    std::string name{};
    std::chrono::milliseconds connect_timeout{20'000};
    std::string executable{};
    std::optional<mitogen::limits> limits{};

    mitogen::result<mitogen::boot_plan> plan() const {
        mitogen::boot_plan p;
        p.what = "staged child";
        p.name = "staged";
        mitogen::detail::apply_common(*this, p);
        p.program = mitogen::detail::open_program(executable).value();
        p.staged = true;
        p.start.path = shell;
        p.start.argv = {shell, "-c", mitogen::detail::first_stage_command()};
        p.start.environment = environment;
        return p;
    }
};

/// The first stage alone, with a parent that can do anything.
class bare_stage {
    mitogen::sys::process process_;

public:
    mitogen::sys::unique_fd to;
    mitogen::sys::unique_fd from;

    explicit bare_stage(const playground& place) {
        mitogen::sys::unique_fd child_in;
        mitogen::sys::unique_fd child_out;
        REQUIRE(mitogen::sys::pipe(child_in, to) >= 0);
        REQUIRE(mitogen::sys::pipe(from, child_out) >= 0);
        mitogen::sys::spawn_options options;
        options.path = "/bin/sh";
        options.argv = {"sh", "-c", mitogen::detail::first_stage_command()};
        options.environment = place.environment();
        options.in = child_in.get();
        options.out = child_out.get();
        options.err = child_out.get();
        process_ = mitogen::sys::spawn(options).value();
    }

    void say(const std::string& text) { REQUIRE(mitogen::sys::write_all(to.get(), text.data(), text.size())); }

    /// Waits until it has opened the file that receives the program.
    bool receiving() const {
        const std::string link = "/proc/" + std::to_string(process_.pid()) + "/fd/9";
        for (int tries = 0; tries < 5000; ++tries) {
            std::error_code none;
            if (fs::read_symlink(link, none).string().ends_with("/m (deleted)")) return true;
            ::poll(nullptr, 0, 1);
        }
        return false;
    }

    void kill(int signal) { process_.signal(signal); }
    mitogen::exit_status wait() { return process_.wait(); }

    /// Everything that it says until it ends.
    std::string rest() {
        std::string text;
        char bytes[512];
        for (long n; (n = mitogen::sys::read(from.get(), bytes, sizeof bytes)) > 0;)
            text.append(bytes, static_cast<std::size_t>(n));
        return text;
    }
};

std::string directory_of_program() {
    std::error_code none;
    return fs::read_symlink("/proc/self/exe", none).parent_path().string();
}

} // namespace

TEST_CASE("the first stage is short, and one line without its mark") {
    const std::string command = mitogen::detail::first_stage_command();
    CHECK(command.size() < 1024);
    CHECK(command.find('\n') == std::string::npos);
    CHECK(command.find('!') == std::string::npos); // history in some shells, even within quotes
    CHECK(command.find(mitogen::handshake::mark) == std::string::npos);
    CHECK(std::count(command.begin(), command.end(), '\'') == 2);
}

TEST_CASE("the first stage becomes the program under any POSIX shell, and leaves nothing") {
    const std::string shell = GENERATE("/bin/dash", "/bin/bash", "/usr/bin/mksh", "/usr/bin/zsh", "/bin/busybox");
    CAPTURE(shell);
    if (!fs::exists(shell)) {
        WARN("left out: " << shell << " is not installed");
        return;
    }
    playground place;
    place.put("sh", shell);
    const nothing_inherited as_under_sshd; // some shells treat the first free descriptor from 10 on differently from others
    {
        mitogen::broker broker;
        mitogen::router router(broker);
        auto child = router.connect(staged{.environment = place.environment()});
        CHECK(child.call<&add>(2, 3) == 5);
        CHECK(child.call<&directory_of_program>().starts_with(place.home() + "/.cache/mitogen-"));
        CHECK(place.left_behind().empty());
        CHECK(child.shutdown().get().success());
    }
    CHECK(place.left_behind().empty());
}

TEST_CASE("many first stages at once do not disturb one another") {
    playground place;
    mitogen::broker broker;
    mitogen::router router(broker);
    std::vector<mitogen::future<mitogen::context>> coming;
    for (int i = 0; i < 12; ++i) coming.push_back(router.connect_async(staged{.environment = place.environment()}));
    for (auto& c : coming) CHECK(c.get().call<&add>(2, 3) == 5);
    CHECK(place.left_behind().empty());
}

TEST_CASE("a program that cannot be executed is not tried for ever") {
    playground place;
    const std::string nothing = place.home() + "/../nothing";
    std::ofstream(nothing) << "\x7f" "ELF, but not really";
    mitogen::broker broker;
    mitogen::router router(broker);
    const auto child = router.try_connect(staged{.environment = place.environment(), .executable = nothing});
    REQUIRE(!child);
    CHECK_THROWS_AS(mitogen::raise(child.error()), mitogen::payload_error);
    CHECK(std::string(child.error().what()).find("cannot execute the program") != std::string::npos);
    CHECK(place.left_behind().empty());
}

TEST_CASE("a directory that cannot be used is passed over") {
    playground place;
    auto environment = place.environment();
    SECTION("because it is not there") { fs::remove(place.home() + "/.cache"); }
    SECTION("because its name is unusual") {
        fs::create_directory(place.home() + "/a b'c\"d $HOME");
        environment[1] = "XDG_RUNTIME_DIR=" + place.home() + "/a b'c\"d $HOME";
    }
    SECTION("because it is none") {
        std::ofstream(place.home() + "/file") << "x";
        environment[1] = "XDG_RUNTIME_DIR=" + place.home() + "/file";
    }
    mitogen::broker broker;
    mitogen::router router(broker);
    CHECK(router.connect(staged{.environment = environment}).call<&add>(2, 3) == 5);
    for (const auto& left : place.left_behind()) CHECK(left.find("mitogen-") == std::string::npos);
}

TEST_CASE("the first stage ends with its input, wherever that ends") {
    const std::string heard = GENERATE("", "12", "1000\n", "1000\nabc", "nonsense\n", "-5\nabc");
    CAPTURE(heard);
    playground place;
    bare_stage stage(place);
    stage.say(heard);
    stage.to.reset();
    const std::string said = stage.rest();
    CHECK_FALSE(stage.wait().success());
    CHECK(said.find(std::string(mitogen::handshake::mark) + "1 " + mitogen::sys::machine_text() + "\n") == 0);
    CHECK(place.left_behind().empty());
}

TEST_CASE("a first stage that is killed while it receives leaves nothing") {
    const int signal = GENERATE(SIGKILL, SIGTERM, SIGHUP);
    playground place;
    bare_stage stage(place);
    stage.say("1000\nabc");
    REQUIRE(stage.receiving());
    stage.kill(signal);
    stage.to.reset();
    CHECK_FALSE(stage.wait().success());
    CHECK(place.left_behind().empty());
}

TEST_CASE("a full disk is an error that says so") {
    playground place;
    place.script("head", "echo 'head: error writing: No space left on device' >&2; exit 1\n");
    bare_stage stage(place);
    stage.say("1000\n" + std::string(1000, 'x'));
    stage.to.reset();
    CHECK_THAT(stage.rest(), Catch::Contains(std::string(mitogen::detail::short_program_text)));
    CHECK_FALSE(stage.wait().success());
    CHECK(place.left_behind().empty());
}

TEST_CASE("a child that was executed by name removes itself") {
    playground place;
    const std::string pid = "$$"; // exec keeps it
    const std::string dir = place.home() + "/mitogen-";
    mitogen::sys::spawn_options options;
    options.path = "/bin/sh";
    options.argv = {"sh", "-c",
                    "mkdir " + dir + pid + " && cp /proc/" + std::to_string(::getpid()) + "/exe " + dir + pid + "/m && exec " +
                        dir + pid + "/m " + std::string(mitogen::child_argument)};
    options.out = 2;
    mitogen::sys::unique_fd ours;
    mitogen::sys::unique_fd theirs;
    REQUIRE(mitogen::sys::pipe(ours, theirs) >= 0);
    options.out = theirs.get();
    mitogen::sys::process child = mitogen::sys::spawn(options).value(); // its input is /dev/null: it ends after its hello
    theirs.reset();
    CHECK(child.wait().success());
    CHECK(place.left_behind().empty());
}

TEST_CASE("a machine runs what is made for it") {
    using mitogen::sys::machine_runs;
    CHECK(machine_runs("Linux x86_64", "Linux x86_64"));
    CHECK(machine_runs("Linux x86_64", "Linux i686"));
    CHECK(machine_runs("Linux i586", "Linux i686"));
    CHECK(machine_runs("Linux armv7l", "Linux arm"));
    CHECK(machine_runs("FreeBSD amd64", "FreeBSD x86_64"));
    CHECK_FALSE(machine_runs("Linux i686", "Linux x86_64"));
    CHECK_FALSE(machine_runs("Linux x86_64", "Linux aarch64"));
    CHECK_FALSE(machine_runs("FreeBSD x86_64", "Linux x86_64"));
    CHECK_FALSE(machine_runs("", "Linux x86_64"));
    CHECK(mitogen::sys::program_kind(mitogen::sys::self_executable().get()) == mitogen::sys::machine_text());
    CHECK(mitogen::sys::program_kind(-1) == "");
}
