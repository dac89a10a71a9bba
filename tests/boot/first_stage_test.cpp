// SPDX-License-Identifier: BSL-1.0
#include "support/first_stage.hpp"

#include <algorithm>
#include <catch2/catch.hpp>
#include <csignal>
#include <cstdlib>
#include <fcntl.h>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <memory>
#include <mitogen/mitogen.hpp>
#include <optional>
#include <string>
#include <sys/stat.h>
#include <unistd.h>
#include <utility>
#include <vector>

namespace {

namespace fs = std::filesystem;
using support::bare_stage;
using support::find_program;
using support::playground;
using support::staged;

int add(int a, int b) { return a + b; }

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

bool open_program_descriptor() {
    return mitogen::os::same_file(mitogen::detail::program_descriptor,
                                  mitogen::os::self_executable().get());
}

std::string directory_of_program() {
    std::error_code none;
    return fs::read_symlink("/proc/self/exe", none).parent_path().string();
}

/// A first stage on this machine that uses `place`, and what its child answers.
int use(const playground& place, std::vector<std::string> more = {}, std::string executable = {},
        bool keep = true) {
    mitogen::broker broker;
    mitogen::router router(broker);
    staged how{.environment = place.environment(),
               .executable = std::move(executable),
               .keep_program = keep};
    how.environment.insert(how.environment.end(), more.begin(), more.end());
    auto child = router.connect(how);
    const int sum = child.call<&add>(2, 3);
    (void)child.shutdown().get();
    return sum;
}

} // namespace

TEST_CASE("the first stage is short, and one line without its mark") {
    const std::string command = mitogen::detail::first_stage_command(35);
    // the kind of machine with the longest pattern, and a program
    const std::string arm = "case $2 in " + mitogen::os::machine_pattern("Linux aarch64") +
                            ")set $1 \"$2\" " + std::string(64, '0') + " 4294967295;;esac;";
    CHECK(command.size() + arm.size() < 1024);
    CHECK(command.find('\n') == std::string::npos);
    CHECK(command.find('!') == std::string::npos); // history in some shells, even within quotes
    CHECK(command.find(mitogen::handshake::mark) == std::string::npos);
    CHECK(std::count(command.begin(), command.end(), '\'') == 2);
}

const std::vector<std::string> shells{"/bin/dash", "/bin/bash", "/usr/bin/mksh", "/usr/bin/zsh",
                                      "/bin/busybox"};

TEST_CASE("the first stage becomes the program under any POSIX shell, and leaves nothing where it "
          "shall not") {
    const std::string shell = GENERATE(from_range(shells));
    CAPTURE(shell);
    if (!fs::exists(shell)) {
        WARN("left out: " << shell << " is not installed");
        return;
    }
    playground place;
    place.put("sh", shell);
    // some shells treat the first free descriptor from 10 on differently from others
    const nothing_inherited as_under_sshd;
    {
        mitogen::broker broker;
        mitogen::router router(broker);
        auto child =
            router.connect(staged{.environment = place.environment(), .keep_program = false});
        CHECK(child.call<&add>(2, 3) == 5);
        CHECK(child.call<&directory_of_program>().starts_with(place.home() + "/.cache/mitogen-"));
        CHECK(place.left_behind().empty());
        CHECK(child.shutdown().get().success());
    }
    CHECK(place.left_behind().empty());
    CHECK_FALSE(fs::exists(place.cache()));
}

TEST_CASE("a program is sent once, under any POSIX shell") {
    const std::string shell = GENERATE(from_range(shells));
    CAPTURE(shell);
    if (!fs::exists(shell)) {
        WARN("left out: " << shell << " is not installed");
        return;
    }
    playground place;
    place.put("sh", shell);
    place.script("head", "echo head >>" + place.home() + "/../log; exec " + find_program("head") +
                             " \"$@\"\n");
    const nothing_inherited as_under_sshd;
    mitogen::broker broker;
    mitogen::router router(broker);
    std::string first;
    for (int i = 0; i < 3; ++i) {
        auto child = router.connect(staged{.environment = place.environment()});
        CHECK(child.call<&add>(2, 3) == 5);
        CHECK(child.call<&directory_of_program>() == place.cache());
        CHECK(child.call<&open_program_descriptor>() == false);
        if (i == 0) first = place.log();
        CHECK(child.shutdown().get().success());
        CHECK(place.left_behind().empty());
    }
    CHECK(place.programs().size() == 1);
    CHECK(fs::status(place.cache()).permissions() == fs::perms::owner_all);
    CHECK_FALSE(first.empty()); // it was received with it
    CHECK(place.log() == first);
}

TEST_CASE("many first stages at once do not disturb one another") {
    playground place;
    mitogen::broker broker;
    mitogen::router router(broker);
    std::vector<mitogen::future<mitogen::context>> coming;
    for (int i = 0; i < 12; ++i)
        coming.push_back(router.connect_async(staged{.environment = place.environment()}));
    for (auto& c : coming) CHECK(c.get().call<&add>(2, 3) == 5);
    CHECK(place.left_behind().empty());
}

TEST_CASE("a program that cannot be executed is not tried for ever") {
    playground place;
    const std::string nothing = place.home() + "/../nothing";
    std::ofstream(nothing) << "\x7f"
                              "ELF, but not really";
    mitogen::broker broker;
    mitogen::router router(broker);
    const auto child =
        router.try_connect(staged{.environment = place.environment(), .executable = nothing});
    REQUIRE(!child);
    CHECK_THROWS_AS(mitogen::raise(child.error()), mitogen::payload_error);
    CHECK(std::string(child.error().what()).find("cannot execute the program") !=
          std::string::npos);
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
    const bool keep = GENERATE(false, true);
    const std::string line = bare_stage::sending(keep);
    const std::string heard =
        GENERATE_COPY(std::string(), std::string("h=1"), line.substr(0, line.size() - 1), line,
                      line + "x", line + std::string(999, 'x'), std::string("\n"),
                      std::string("nonsense\n"), std::string("exit 3\n"), std::string("if\n"));
    CAPTURE(heard);
    playground place;
    bare_stage stage(place);
    stage.say(heard);
    stage.to.reset();
    const std::string said = stage.rest();
    if (heard != "\n") CHECK_FALSE(stage.wait().success());
    CHECK(said.find(std::string(mitogen::handshake::mark) + "1 " + mitogen::os::machine_text() +
                    ";") == 0);
    CHECK(place.left_behind().empty());
    CHECK(place.programs().empty());
}

TEST_CASE("the first stage does not wait for ever for a parent that says no more") {
    const std::string timeout = GENERATE("coreutils", "busybox", "none");
    CAPTURE(timeout);
    if (timeout == "busybox" && !fs::exists("/bin/busybox")) {
        WARN("left out: busybox is not installed");
        return;
    }
    struct waiting {
        playground place{};
        std::string shell{};
        std::string heard{};
        std::optional<bare_stage> stage{};
    };
    std::vector<std::unique_ptr<waiting>> all; // at the same time: each takes a second
    for (const std::string& shell : shells) {
        if (!fs::exists(shell)) continue;
        for (const bool keep : {false, true}) {
            const std::string line = bare_stage::sending(keep);
            const std::string packed = mitogen::detail::receiving_stage(
                {std::string(64, '0'), 0, 1000}, {.size = 1000, .tool = "gzip", .keep = keep});
            for (const std::string& heard :
                 {std::string(), line.substr(0, 100), line, line + "xxx", packed + "xxx"}) {
                waiting& w = *all.emplace_back(std::make_unique<waiting>());
                w.shell = shell;
                w.heard = heard;
                w.place.put("sh", shell);
                if (timeout == "busybox") w.place.put("timeout", "/bin/busybox");
                if (timeout == "none") w.place.script("timeout", "exit 127\n");
                w.stage.emplace(w.place, std::vector<std::string>{}, 1);
                w.stage->say(heard);
            }
        }
    }
    for (const auto& w : all) {
        CAPTURE(w->shell, w->heard);
        CHECK_THAT(w->stage->rest(), Catch::Contains(std::string(mitogen::detail::no_parent_text)));
        CHECK(w->stage->wait() == mitogen::exit_status{.code = 1});
        CHECK(w->place.left_behind().empty());
        CHECK(w->place.programs().empty());
    }
}

TEST_CASE("without timeout the first stage receives a program as well") {
    const std::string shell = GENERATE(from_range(shells));
    CAPTURE(shell);
    if (!fs::exists(shell)) {
        WARN("left out: " << shell << " is not installed");
        return;
    }
    playground place;
    place.put("sh", shell);
    place.script("timeout", "exit 127\n");
    CHECK(use(place) == 5);
    CHECK(use(place, {}, {}, false) == 5);
    CHECK(place.left_behind().empty());
}

TEST_CASE("a program arrives whole through the timeout of busybox") {
    if (!fs::exists("/bin/busybox")) {
        WARN("left out: busybox is not installed");
        return;
    }
    playground place;
    place.put("timeout", "/bin/busybox");
    CHECK(use(place) == 5);
    CHECK(use(place, {}, {}, false) == 5);
    CHECK(place.left_behind().empty());
}

TEST_CASE("a first stage that is killed while it receives leaves nothing") {
    const int signal = GENERATE(SIGKILL, SIGTERM, SIGHUP);
    playground place;
    bare_stage stage(place);
    stage.send(3, false);
    REQUIRE(stage.receiving("/m (deleted)"));
    stage.kill(signal);
    stage.to.reset();
    CHECK_FALSE(stage.wait().success());
    CHECK(place.left_behind().empty());
}

TEST_CASE("a first stage that is killed while it receives leaves nothing outside of its cache") {
    const int signal = GENERATE(SIGKILL, SIGTERM, SIGHUP);
    playground place;
    bare_stage stage(place);
    stage.send(3, true);
    REQUIRE(stage.receiving("." + std::to_string(stage.pid())));
    stage.kill(signal);
    stage.to.reset();
    CHECK_FALSE(stage.wait().success());
    for (const std::string& left : place.left_behind())
        CHECK(left.starts_with(place.cache() + "/."));
    CHECK(place.left_behind().size() == (signal == SIGKILL ? 1 : 0));
}

TEST_CASE("a full disk is an error that says so") {
    playground place;
    const bool early = GENERATE(true, false);
    place.script(
        "head",
        std::string(early ? "" : "[ -p /dev/stdin ]||exec " + find_program("head") + " \"$@\"\n") +
            "echo 'head: error writing: No space left on device' >&2; exit 1\n");
    bare_stage stage(place);
    stage.send(1000, GENERATE(false, true));
    stage.to.reset();
    CHECK_THAT(stage.rest(),
               Catch::Contains(std::string(early ? mitogen::detail::no_room_text
                                                 : mitogen::detail::short_program_text)));
    CHECK_FALSE(stage.wait().success());
    CHECK(place.left_behind().empty());
    CHECK(place.programs().empty());
}

TEST_CASE("a child that was executed by name removes itself") {
    playground place;
    const std::string pid = "$$"; // exec keeps it
    const std::string dir = place.home() + "/mitogen-";
    mitogen::os::spawn_options options;
    options.path = "/bin/sh";
    options.argv = {"sh", "-c",
                    "mkdir " + dir + pid + " && cp /proc/" + std::to_string(::getpid()) + "/exe " +
                        dir + pid + "/m && exec " + dir + pid + "/m " +
                        std::string(mitogen::child_argument)};
    options.out = 2;
    mitogen::os::unique_fd ours;
    mitogen::os::unique_fd theirs;
    REQUIRE(mitogen::os::pipe(ours, theirs) >= 0);
    options.out = theirs.get();
    // its input is /dev/null: it ends after its hello
    mitogen::os::kill_on_destroy_process child = mitogen::os::spawn(options).value();
    theirs.reset();
    CHECK(child.wait().success());
    CHECK(place.left_behind().empty());
}

TEST_CASE("a machine runs what is made for it") {
    using mitogen::os::machine_runs;
    CHECK(machine_runs("Linux x86_64", "Linux x86_64"));
    CHECK(machine_runs("Linux x86_64", "Linux i686"));
    CHECK(machine_runs("Linux i586", "Linux i686"));
    CHECK(machine_runs("Linux armv7l", "Linux arm"));
    CHECK(machine_runs("FreeBSD amd64", "FreeBSD x86_64"));
    CHECK_FALSE(machine_runs("Linux i686", "Linux x86_64"));
    CHECK_FALSE(machine_runs("Linux x86_64", "Linux aarch64"));
    CHECK_FALSE(machine_runs("FreeBSD x86_64", "Linux x86_64"));
    CHECK_FALSE(machine_runs("", "Linux x86_64"));
    CHECK(mitogen::os::program_kind(mitogen::os::self_executable().get()) ==
          mitogen::os::machine_text());
    CHECK(mitogen::os::program_kind(-1) == "");
}

// ---- the cache

namespace {

std::string contents(const std::string& path) {
    std::ifstream file(path, std::ios::binary);
    std::string text;
    std::string piece(1 << 20, '\0'); // programs are large
    do {
        file.read(piece.data(), static_cast<std::streamsize>(piece.size()));
        text.append(piece, 0, static_cast<std::size_t>(file.gcount()));
    } while (file);
    return text;
}

} // namespace

TEST_CASE("what is in the cache is checked before it is used, and replaced where it is wrong") {
    playground place;
    const bool bare = GENERATE(false, true); // without sha256sum, cksum checks
    CAPTURE(bare);
    if (bare) place.script("sha256sum", "exit 127\n");
    CHECK(use(place) == 5);
    REQUIRE(place.programs().size() == 1);
    const std::string kept = place.programs()[0];
    const std::string whole = contents(kept);
    CHECK(whole == contents("/proc/self/exe"));
    SECTION("truncated") { fs::resize_file(kept, whole.size() - 1); }
    SECTION("empty") { fs::resize_file(kept, 0); }
    SECTION("one byte is another") {
        std::fstream file(kept, std::ios::binary | std::ios::in | std::ios::out);
        file.seekp(static_cast<std::streamoff>(whole.size() / 2));
        file.put(static_cast<char>(whole[whole.size() / 2] ^ 1));
    }
    SECTION("longer") { std::ofstream(kept, std::ios::binary | std::ios::app) << "x"; }
    SECTION("not executable") { fs::permissions(kept, fs::perms::owner_read); }
    SECTION("not readable") { fs::permissions(kept, fs::perms::owner_exec); }
    SECTION("gone") { fs::remove(kept); }
    SECTION("the probe beside it is gone") { fs::remove(place.cache() + "/x"); }
    CHECK(use(place) == 5);
    CHECK(contents(kept) == whole);
    CHECK(fs::status(kept).permissions() ==
          (::getuid() == 0 && fs::status(kept).permissions() == fs::perms::owner_exec
               ? fs::perms::owner_exec
               : fs::perms::owner_all));
    CHECK(fs::exists(place.cache() + "/x"));
    CHECK(place.left_behind().empty());
}

TEST_CASE("a cache that cannot be used is done without") {
    playground place;
    std::vector<std::string> more;
    const std::string elsewhere = place.home() + "/elsewhere";
    SECTION("because it is a file") { std::ofstream(place.cache()) << "x"; }
    SECTION("because it is a link") {
        fs::create_directory(elsewhere);
        fs::create_directory_symlink(elsewhere, place.cache());
    }
    SECTION("because it leads nowhere") { fs::create_symlink(elsewhere, place.cache()); }
    if (::getuid() == 0) {
        SECTION("because it is another user's") {
            fs::create_directory(place.cache());
            REQUIRE(::chown(place.cache().c_str(), 12345, 12345) == 0);
        }
    }
    const auto before = place.left_behind();
    for (int i = 0; i < 2; ++i) {
        CHECK(use(place) == 5);
        CHECK(place.left_behind() == before);
        CHECK_FALSE(fs::exists(elsewhere + "/x"));
        CHECK(fs::exists("/var/tmp/" + place.shared_cache() + "/x")); // the next one
    }
}

TEST_CASE("what is another user's in a cache is not executed, and what has no end is not opened") {
    playground place;
    REQUIRE(use(place) == 5);
    REQUIRE(place.programs().size() == 1);
    const std::string program = place.programs()[0];
    const std::string probe = place.cache() + "/x";
    const std::string deed = place.home() + "/../deed";
    const auto of_another = [&](const std::string& path) {
        std::ofstream(path) << "#!/bin/sh\ntouch " << deed << "\n";
        REQUIRE(::chown(path.c_str(), 12345, 12345) == 0);
        REQUIRE(::chmod(path.c_str(), 0777) == 0);
    };
    REQUIRE(::chmod(place.cache().c_str(), 0777) == 0);
    if (::getuid() == 0) {
        SECTION("the probe") { of_another(probe); }
        SECTION("the program, whatever is in it") {
            REQUIRE(::chown(program.c_str(), 12345, 12345) == 0);
        }
        SECTION("another program") { of_another(program); }
    }
    SECTION("a FIFO for a probe") {
        fs::remove(probe);
        REQUIRE(::mkfifo(probe.c_str(), 0777) == 0);
    }
    SECTION("a FIFO for a program") {
        fs::remove(program);
        REQUIRE(::mkfifo(program.c_str(), 0777) == 0);
    }
    for (int i = 0; i < 2; ++i) CHECK(use(place) == 5);
    CHECK_FALSE(fs::exists(deed));
    struct stat is = {};
    for (const std::string& path : {probe, program}) {
        REQUIRE(::lstat(path.c_str(), &is) == 0);
        CHECK(S_ISREG(is.st_mode));
        CHECK(is.st_uid == ::getuid());
    }
    CHECK(fs::status(place.cache()).permissions() == fs::perms::owner_all);
}

TEST_CASE("root leaves no program where another user can put one in its place") {
    if (::getuid() != 0) return;
    playground place;
    const std::string ours = GENERATE("", "/.cache", "/.cache/mitogen"); // what is root's
    if (!ours.empty()) fs::create_directories(place.home() + ours);
    REQUIRE(::chown(place.home().c_str(), 12345, 12345) == 0);
    if (ours.empty()) REQUIRE(::chown((place.home() + "/.cache").c_str(), 12345, 12345) == 0);
    for (int i = 0; i < 2; ++i) CHECK(use(place) == 5);
    CHECK(place.programs().empty());
    CHECK(place.left_behind().empty());
    CHECK(fs::exists("/var/tmp/" + place.shared_cache() + "/x"));
}

TEST_CASE("the cache is where XDG_CACHE_HOME says, made if need be") {
    playground place;
    const std::string there = place.home() + "/a b'c\"d $HOME";
    CHECK(use(place, {"XDG_CACHE_HOME=" + there}) == 5);
    CHECK(fs::exists(fs::path(there) / "mitogen" / "x"));
    CHECK_FALSE(fs::exists(place.cache()));
    fs::remove_all(place.home() + "/.cache");
    CHECK(use(place) == 5);
    CHECK(place.programs().size() == 1);
    CHECK(fs::status(place.home() + "/.cache").permissions() == fs::perms::owner_all);
}

TEST_CASE("the cache keeps the programs that were used last") {
    playground place;
    CHECK(use(place) == 5);
    REQUIRE(place.programs().size() == 1);
    const std::string kept = place.programs()[0];
    const auto now = fs::file_time_type::clock::now();
    for (int i = 0; i < 12; ++i) {
        const std::string name =
            place.cache() + "/" + std::string(62, 'a') + std::to_string(10 + i);
        std::ofstream(name) << "old";
        fs::last_write_time(name, now - std::chrono::hours(100 - i));
        timespec times[2] = {{.tv_sec = 1'000'000 + i, .tv_nsec = 0},
                             {.tv_sec = 1'000'000, .tv_nsec = 0}};
        REQUIRE(::utimensat(AT_FDCWD, name.c_str(), times, 0) == 0);
    }
    const std::string forgotten = place.cache() + "/.aaa.host.1";
    const std::string present = place.cache() + "/.bbb.host.1";
    std::ofstream(forgotten) << "x";
    std::ofstream(present) << "x";
    fs::last_write_time(forgotten, now - std::chrono::hours(72));
    CHECK(use(place) == 5); // nothing is tidied up if nothing is installed
    CHECK(place.programs().size() == 15);
    fs::remove(kept);
    CHECK(use(place) == 5);
    CHECK(fs::exists(kept));
    CHECK_FALSE(fs::exists(forgotten));
    CHECK(fs::exists(present));
    CHECK(fs::exists(place.cache() + "/" + std::string(62, 'a') + "21"));
    CHECK_FALSE(fs::exists(place.cache() + "/" + std::string(62, 'a') + "10"));
    // eight programs, and what somebody may be writing at the moment
    CHECK(place.programs().size() == 9);
}

TEST_CASE("the first stage makes do with the tools that are there") {
    const std::string missing =
        GENERATE("head", "sha256sum", "sha256sum cksum", "ls tail find grep", "mv", "zstd gzip");
    CAPTURE(missing);
    playground place;
    const std::string bin = place.home() + "/../tools";
    fs::create_directory(bin);
    for (const char* tool :
         {"sh", "uname", "mkdir", "rm", "rmdir", "chmod", "head", "wc", "mv", "sha256sum", "cksum",
          "ls", "tail", "find", "grep", "zstd", "gzip", "dd"})
        if ((" " + missing + " ").find(" " + std::string(tool) + " ") == std::string::npos)
            fs::create_symlink(find_program(tool), bin + "/" + tool);
    if (missing == "head") { // byte by byte: let it be a small program
        bare_stage stage(place, {"PATH=" + bin});
        stage.send(1000, true);
        stage.to.reset();
        CHECK_THAT(stage.rest(),
                   !Catch::Contains(std::string(mitogen::detail::short_program_text)));
        CHECK(place.programs().size() == 1);
        CHECK_FALSE(stage.wait().success()); // it is no program
        return;
    }
    for (int i = 0; i < 2; ++i) CHECK(use(place, {"PATH=" + bin}) == 5);
    for (const std::string& left : place.left_behind()) CHECK(left == "");
}

// ---- compression

namespace {

/// While it lives, programs are looked for in a directory of the playground first, or only there.
class search_path {
    std::string before_ = std::getenv("PATH");

public:
    explicit search_path(const std::string& now) { ::setenv("PATH", now.c_str(), 1); }
    search_path(const search_path&) = delete;
    search_path& operator=(const search_path&) = delete;
    ~search_path() { ::setenv("PATH", before_.c_str(), 1); }
};

} // namespace

TEST_CASE("a program is compressed once for all who need it, as the target can undo it") {
    const std::string tool = GENERATE("zstd", "gzip");
    CAPTURE(tool);
    playground here;
    playground there;
    const std::string other = tool == "zstd" ? "gzip" : "zstd";
    here.script(tool, "echo \"$1\" >>" + here.home() + "/../log; exec " + find_program(tool) +
                          " \"$@\"\n");
    there.script(tool, "cat >" + there.home() + "/../sent.$$; exec " + find_program(tool) +
                           " -dc <" + there.home() + "/../sent.$$\n");
    if (other == "zstd") here.script(other, "echo it is broken >&2; exit 3\n");
    const search_path first(here.path());
    const bool keep = GENERATE(false, true);
    {
        mitogen::broker broker;
        mitogen::router router(broker);
        const staged how{
            .environment = there.environment(), .keep_program = keep, .compress_program = true};
        std::vector<mitogen::future<mitogen::context>> coming;
        for (int i = 0; i < 3; ++i) coming.push_back(router.connect_async(how));
        for (auto& c : coming) CHECK(c.get().call<&add>(2, 3) == 5);
        CHECK(router.connect(how).call<&add>(2, 3) == 5);
    }
    CHECK(here.log() == (tool == "zstd" ? "-qc3\n" : "-c1\n"));
    CHECK(there.left_behind().empty());
}

TEST_CASE("a program is sent as it is where it cannot be compressed") {
    playground here;
    playground there;
    std::string path = here.path();
    SECTION("because no tool is here") { path = here.home(); }
    SECTION("because the tools fail") {
        here.script("zstd", "echo nonsense; exit 1\n");
        here.script("gzip", "kill -9 $$\n");
    }
    SECTION("because that makes it larger") {
        here.script("zstd", "cat; cat /proc/$PPID/exe\n");
        here.script("gzip", "cat; cat /proc/$PPID/exe\n");
    }
    const staged how{.environment = there.environment(), .compress_program = true};
    const search_path now(path);
    mitogen::broker broker;
    mitogen::router router(broker);
    CHECK(router.connect(how).call<&add>(2, 3) == 5);
    CHECK(there.left_behind().empty());
}

TEST_CASE("what the target cannot decompress is an error") {
    playground there;
    const std::string broken =
        GENERATE("exit 1", "echo nonsense", "kill -9 $$", "cat", "head -c 1000");
    CAPTURE(broken);
    there.script("zstd", broken + "\n");
    mitogen::broker broker;
    mitogen::router router(broker);
    const staged how{.environment = there.environment(),
                     .keep_program = GENERATE(false, true),
                     .compress_program = true};
    const auto child = router.try_connect(how);
    REQUIRE(!child);
    CHECK_THAT(child.error().what(),
               Catch::Contains(std::string(mitogen::detail::short_program_text)));
    CHECK(there.left_behind().empty());
    CHECK(there.programs().empty());
}

TEST_CASE("a router that goes while a program is compressed leaves nothing") {
    playground here;
    playground there;
    REQUIRE(::mkfifo((here.home() + "/begun").c_str(), 0600) == 0);
    here.script("zstd", "echo begun >" + here.home() + "/begun; exec sleep 1000\n");
    const search_path first(here.path());
    mitogen::broker broker;
    mitogen::router router(broker);
    auto coming =
        router.connect_async(staged{.environment = there.environment(), .compress_program = true});
    CHECK(contents(here.home() + "/begun") == "begun\n"); // waits for it
    SECTION("with the router") { router.close(); }
    SECTION("although the child is given up before") {
        coming = {};
        router.close();
    }
}
