// SPDX-License-Identifier: BSL-1.0
#include "support/first_stage.hpp"
#include "support/soon.hpp"

#include <catch2/catch.hpp>
#include <chrono>
#include <csignal>
#include <filesystem>
#include <fstream>
#include <mitogen/mitogen.hpp>
#include <optional>
#include <string>
#include <unistd.h>
#include <utility>
#include <vector>

// What links and processes may do to a start: they end, at any byte and at any step; they trickle;
// they say too much. Every attempt ends, long before its time is up, and nothing of it stays there
// but what is in the cache.

namespace {

namespace fs = std::filesystem;
using Catch::Contains;
using support::find_program;
using support::playground;
using support::staged;

int add(int a, int b) { return a + b; }
int own_number() { return ::getpid(); }

/// A program that arrives and runs, small: what is tried here need not know this library.
const std::string small = "/bin/true";

/// A program as a tool starts it that is there already: nothing is sent.
struct present {
    std::vector<std::string> argv{};
    std::vector<std::string> environment{};
    std::string name{};
    std::chrono::milliseconds connect_timeout{20'000};
    std::string executable{};
    std::optional<mitogen::limits> limits{};

    mitogen::result<mitogen::boot_plan> plan() const {
        mitogen::boot_plan p;
        p.what = "present child";
        p.name = "present";
        mitogen::detail::apply_common(*this, p);
        p.start.path = argv[0];
        p.start.argv = argv;
        p.start.environment = environment;
        return p;
    }
};

/// Why it does not come up; nothing if it does, and adds.
template <class Method>
std::optional<mitogen::error> attempt(const Method& how) {
    // what they complain of is in the errors
    mitogen::log::set_sink([](const mitogen::log::record&) {});
    std::optional<mitogen::error> why;
    {
        mitogen::broker broker;
        mitogen::router router(broker);
        auto child = router.try_connect(how);
        const auto sum =
            child ? child->template try_call<&add>(2, 3) : mitogen::result<int>(child.error());
        if (!sum)
            why = sum.error();
        else
            CHECK(*sum == 5);
    }
    mitogen::log::set_sink({});
    return why;
}

/// A file of /proc; empty if its process has ended meanwhile, which stream iterators would throw
/// for.
std::string text_of(const fs::path& path) {
    std::ifstream file(path, std::ios::binary);
    std::string text(1 << 16, '\0');
    file.read(text.data(), static_cast<std::streamsize>(text.size()));
    text.resize(static_cast<std::size_t>(file.gcount()));
    return text;
}

/// The processes there, which all have its home.
std::string running_now(const playground& place) {
    std::string found;
    std::error_code ignored;
    for (const auto& entry : fs::directory_iterator("/proc", ignored)) {
        if (text_of(entry.path() / "environ").find("HOME=" + place.home() + '\0') !=
            std::string::npos)
            found += text_of(entry.path() / "cmdline").substr(0, 100) + "\n";
    }
    return found;
}

/// The same. Waits a little for them to go.
std::string running(const playground& place) {
    std::string found;
    support::soon([&] { return (found = running_now(place)).empty(); });
    return found;
}

/// A command line for `argv`, whose stdin and stdout pass through these filters. What ends first
/// ends the link: no shell waits for the others.
std::string filtered(const std::string& in, const std::string& argv, const std::string& out) {
    return "exec bash -c 'exec 3<&0; exec " + out + " < <(exec " + argv + " < <(exec " + in +
           " <&3 3<&-) 3<&-) 3<&-' bash \"$@\"\n";
}

/// How a child of this program is started.
std::string own_command() {
    return fs::read_symlink("/proc/self/exe").string() + " " + std::string(mitogen::child_argument);
}

void check_nothing_left(const playground& place) {
    CHECK(running(place) == "");
    for (const std::string& left : place.left_behind())
        CHECK_THAT(left, Catch::StartsWith(place.cache() + "/."));
}

} // namespace

TEST_CASE("what the first stage says may end after any byte") {
    playground place;
    staged how{.environment = place.environment(), .executable = small};
    const std::size_t line =
        mitogen::handshake::mark.size() + mitogen::os::machine_text().size() + 4;
    constexpr std::size_t tools = 60; // at most: paths of zstd and gzip
    for (std::size_t heard = 0; heard < line + tools + 10; ++heard) {
        CAPTURE(heard);
        how.shell = place.bin("cut");
        place.script("cut", filtered("cat", "sh \"$@\"",
                                     "dd bs=1 count=" + std::to_string(heard) + " 2>/dev/null"));
        const auto why = attempt(how);
        REQUIRE(why);
        CAPTURE(why->what());
        CHECK(why->reason() != mitogen::reason::connect_timeout);
        if (heard < line) {
            CHECK(place.programs().empty());
            CHECK(why->reason() == mitogen::reason::end_of_file); // nobody has spoken
        }
        CHECK(running(place) == ""); // also of this attempt: some end a little later than the link
        // it has arrived, but does not know this library
        if (heard > line + tools) CHECK(place.programs().size() == 1);
    }
    check_nothing_left(place);
}

TEST_CASE("what the program says may end after any byte") {
    playground place;
    present how{.environment = place.environment()};
    std::size_t heard = 0;
    for (;; ++heard) {
        CAPTURE(heard);
        REQUIRE(heard < 1000);
        how.argv = {"/bin/sh", "-c",
                    filtered("cat", own_command(),
                             "dd bs=1 count=" + std::to_string(heard) + " 2>/dev/null")};
        const auto why = attempt(how);
        if (why) CHECK(why->reason() != mitogen::reason::connect_timeout);
        // its hello was complete, and it cannot answer
        if (why && why->reason() == mitogen::reason::respondent_lost) break;
        REQUIRE(why);
    }
    CHECK(heard > 50);
    check_nothing_left(place);
}

TEST_CASE("whatever is killed while a program arrives, the attempt ends and nothing is left") {
    const std::string tool =
        GENERATE("uname", "timeout", "mkdir", "chmod", "head", "zstd", "sha256sum", "mv", "ls");
    const std::string victim = GENERATE("$$", "$PPID");
    CAPTURE(tool, victim);
    playground place;
    place.script(tool, "echo " + tool + " >>" + place.home() + "/../log\nkill -9 " + victim +
                           "\nexec " + find_program(tool) + " \"$@\"\n");
    staged how{.environment = place.environment(),
               .executable = small,
               .keep_program = GENERATE(true, false)};
    if (tool == "zstd") { // a program that is large enough for it
        how.executable = "/bin/bash";
        how.compress_program = true;
    }
    const auto why = attempt(how);
    if (how.keep_program) CHECK_FALSE(place.log().empty()); // some are needed for the cache alone
    REQUIRE(why);
    CAPTURE(why->what());
    CHECK(why->reason() != mitogen::reason::connect_timeout);
    CHECK(running(place) == "");
    for (const std::string& left : place.left_behind()) // a shell that is killed removes nothing
        CHECK_THAT(left, Catch::StartsWith(place.cache() + "/.") || Contains("/mitogen-"));
}

namespace {

/// In the context that is killed meanwhile.
void connect_there(mitogen::router& here, const std::vector<std::string>& environment,
                   const std::string& executable) {
    static_cast<void>(
        here.try_connect(staged{.environment = environment, .executable = executable}));
}

} // namespace

TEST_CASE("a parent may be killed while its child comes up, and nothing is left") {
    const std::string tool =
        GENERATE("uname", "timeout", "mkdir", "chmod", "head", "sha256sum", "mv", "ls");
    CAPTURE(tool);
    playground place;
    mitogen::log::set_sink([](const mitogen::log::record&) {});
    {
        mitogen::broker broker;
        mitogen::router router(broker);
        auto parent = router.local();
        place.script(tool, "kill -9 " + std::to_string(parent.call<&own_number>()) + "\nexec " +
                               find_program(tool) + " \"$@\"\n");
        const auto lost = parent.try_call<&connect_there>(place.environment(), small);
        REQUIRE(!lost);
        CHECK(lost.error().reason() == mitogen::reason::respondent_lost);
        CHECK(lost.error().detail().status.signal == SIGKILL);
    }
    mitogen::log::set_sink({});
    check_nothing_left(place);
}

TEST_CASE("without timeout, what watches the first stage holds nothing of it, and ends behind it") {
    const std::string shell = GENERATE("dash", "bash", "mksh", "zsh", "busybox");
    const bool complete = GENERATE(true, false);
    const bool sending = GENERATE(true, false);
    CAPTURE(shell, complete, sending);
    playground place;
    place.put("sh", find_program(shell));
    const std::string asleep = place.home() + "/../asleep";
    std::ofstream(asleep).close();
    place.script("timeout", "exit 127\n");
    place.script("sleep", "echo $1 >>" + place.home() + "/../log\nwhile [ -e " + asleep +
                              " ]; do " + find_program("sleep") + " 0.05; done\n");
    if (complete) {
        CHECK_FALSE(attempt(staged{.environment = place.environment(), .keep_program = sending}));
    } else {
        support::bare_stage stage(place);
        if (sending) {
            stage.send(3, true);
            REQUIRE(stage.receiving("." + std::to_string(stage.pid())));
        }
        REQUIRE(support::soon([&] { return !place.log().empty(); }));
        stage.to.reset();
        (void)stage.rest(); // to its end
        CHECK(stage.wait().code == 1);
    }
    CHECK(place.log().starts_with("1\n"));
    CHECK(running_now(place) != "");
    fs::remove(asleep);
    check_nothing_left(place);
}

TEST_CASE("a link that trickles is slow, and nothing else") {
    playground place;
    SECTION("towards the target") {
        place.script("trickle", filtered("dd bs=1 2>/dev/null", "sh \"$@\"", "cat"));
        const auto why = attempt(staged{.environment = place.environment(),
                                        .shell = place.bin("trickle"),
                                        .executable = small});
        REQUIRE(why);
        // it has arrived, and knows nothing of this library
        CHECK(why->reason() == mitogen::reason::no_init);
        CHECK(place.programs().size() == 1);
    }
    SECTION("both ways") {
        present how{.environment = place.environment()};
        how.argv = {"/bin/sh", "-c",
                    filtered("dd bs=1 2>/dev/null", own_command(), "dd bs=1 2>/dev/null")};
        CHECK_FALSE(attempt(how));
    }
    check_nothing_left(place);
}

TEST_CASE("what a login prints is skipped, up to a limit") {
    playground place;
    present how{.environment = place.environment()};
    const int bytes = GENERATE(0, 1, 100'000, 1'000'000, 3'000'000);
    CAPTURE(bytes);
    how.argv = {"/bin/sh", "-c",
                "head -c " + std::to_string(bytes) + " /dev/zero | tr \"\\000\" x; exec " +
                    own_command()};
    const auto why = attempt(how);
    CHECK(why.has_value() == (bytes > static_cast<int>(mitogen::handshake::noise_limit)));
    if (why) CHECK_THAT(why->what(), Contains("too much that makes no sense"));
    check_nothing_left(place);
}

TEST_CASE("a disk that fills while the program arrives is an error that says so") {
    if (::getuid() != 0) {
        WARN("left out: mounts need root");
        return;
    }
    playground place;
    // The first use of head is to see whether there is room.
    place.script("head",
                 "[ ! -p /dev/stdin ] || cat /dev/zero >$HOME/.cache/other 2>/dev/null\nexec " +
                     find_program("head") + " \"$@\"\n");
    place.script("private_sh", "exec unshare -m sh -c 'mount -t tmpfs -o size=1m none " +
                                   place.home() +
                                   " && mkdir $HOME/.cache && exec sh \"$@\"' sh \"$@\"\n");
    const auto why = attempt(staged{
        .environment = place.environment(), .shell = place.bin("private_sh"), .executable = small});
    REQUIRE(why);
    CHECK_THAT(why->what(), Contains(std::string(mitogen::detail::short_program_text)));
    check_nothing_left(place);
}

TEST_CASE("a limit for the size of files is an error that says so") {
    playground place;
    place.script("limited_sh", "ulimit -f 16; exec sh \"$@\"\n"); // blocks of 512 bytes
    const auto why = attempt(staged{.environment = place.environment(),
                                    .shell = place.bin("limited_sh"),
                                    .executable = small,
                                    .keep_program = GENERATE(true, false)});
    REQUIRE(why);
    CHECK_THAT(why->what(), Contains(std::string(mitogen::detail::no_room_text)));
    check_nothing_left(place);
}

TEST_CASE("without a tool that the first stage needs there is an error, and nothing is left") {
    const std::string missing =
        GENERATE("head dd", "wc", "chmod", "mkdir", "rm", "uname", "sha256sum", "cksum", "rmdir",
                 "cat", "timeout", "find", "sha256sum cksum wc");
    CAPTURE(missing);
    playground place;
    const std::string bin = place.home() + "/../tools";
    fs::create_directory(bin);
    for (const char* const tool :
         {"sh", "uname", "mkdir", "rm", "rmdir", "chmod", "head", "wc", "mv", "sha256sum", "cksum",
          "ls", "tail", "find", "grep", "dd", "cat", "timeout"})
        if ((" " + missing + " ").find(" " + std::string(tool) + " ") == std::string::npos)
            fs::create_symlink(find_program(tool), bin + "/" + tool);
    staged how{.environment = place.environment(),
               .executable = small,
               .keep_program = GENERATE(true, false)};
    how.environment.back() = "PATH=" + bin;
    const auto why = attempt(how);
    REQUIRE(why);
    CAPTURE(why->what());
    CHECK(why->reason() != mitogen::reason::connect_timeout);
    CHECK(running(place) == "");
    for (const std::string& left : place.left_behind())
        CHECK((missing == "rm" || left.starts_with(place.cache() + "/.")));
}
