// SPDX-License-Identifier: BSL-1.0
#include "support/first_stage.hpp"

#include <algorithm>
#include <catch2/catch.hpp>
#include <cctype>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <mitogen/mitogen.hpp>
#include <set>
#include <string>
#include <string_view>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>
#include <utility>
#include <vector>

extern char** environ;

namespace {

namespace fs = std::filesystem;
using support::playground;
using support::staged;

std::vector<std::string> variables() {
    std::vector<std::string> all;
    for (char** v = environ; *v; ++v) all.emplace_back(*v);
    return all;
}

std::string working_directory() {
    return fs::current_path().string();
}

int mask_of_files() {
    const mode_t mask = ::umask(0);
    ::umask(mask);
    return static_cast<int>(mask);
}

int priority() {
    return ::getpriority(PRIO_PROCESS, 0);
}

std::vector<std::uint64_t> limits_of_process() {
    std::vector<std::uint64_t> all;
    for (const auto what : {RLIMIT_CORE, RLIMIT_CPU, RLIMIT_DATA, RLIMIT_FSIZE, RLIMIT_STACK}) {
        rlimit limit{};
        ::getrlimit(what, &limit);
        all.insert(all.end(), {limit.rlim_cur, limit.rlim_max});
    }
    return all;
}

std::string output_of(const std::string& command) {
    std::FILE* const said = ::popen(command.c_str(), "r");
    std::string text;
    for (int c; (c = std::fgetc(said)) != EOF;) text += static_cast<char>(c);
    ::pclose(said);
    return text;
}

/// What a program that a function starts finds of signals: which are blocked, and which ignored.
std::string signals_of_programs() {
    return output_of("exec grep -E '^Sig(Ign|Blk):' /proc/self/status");
}

/// What shells set themselves, whatever they execute.
bool is_the_shells(const std::string& name) {
    static const std::set<std::string> all{"_",       "SHLVL",  "PWD",  "OLDPWD",
                                           "IFS",     "OPTIND", "PS4",  "LINENO",
                                           "LOGNAME", "PATH",   "HOME", "ZSH_VERSION"};
    return all.count(name) != 0;
}

/// All that could be the name of a variable in what our shells execute, and each single letter.
std::set<std::string> names_in_our_stages() {
    const mitogen::detail::program_identity program{std::string(64, 'f'), 1, 1000};
    std::string text = mitogen::detail::first_stage_command(35);
    for (const bool keep : {false, true})
        for (const char* tool : {"", "gzip"})
            text += mitogen::detail::receiving_stage(
                program, {.size = 1000, .tool = tool, .keep = keep, .machine = "Linux x86_64"});
    std::set<std::string> names;
    std::string name;
    for (const char c : text + ' ') {
        if (std::isalnum(static_cast<unsigned char>(c)) || c == '_') {
            name += c;
        } else {
            if (!name.empty() && !std::isdigit(static_cast<unsigned char>(name[0])))
                names.insert(name);
            name.clear();
        }
    }
    for (const std::string_view letters :
         {"abcdefghijklmnopqrstuvwxyz", "ABCDEFGHIJKLMNOPQRSTUVWXYZ"})
        for (const char c : letters) names.insert(std::string(1, c));
    for (const char* used : {"XDG_CACHE_HOME", "XDG_RUNTIME_DIR", "TMPDIR"}) names.erase(used);
    std::erase_if(names, is_the_shells);
    return names;
}

/// The ways by which a program comes to a target and is executed there.
enum class way { sent, kept, there_already, in_memory };

/// A child that has come up that way, and what is asked of it.
template <class Ask>
void ask_child(way how, const std::string& shell, const std::vector<std::string>& more, Ask ask,
               const std::string& login = "/bin/sh") {
    if (!fs::exists(shell)) {
        WARN("left out: " << shell << " is not installed");
        return;
    }
    playground place;
    place.put("sh", shell);
    mitogen::broker broker;
    mitogen::router router(broker);
    staged method{.environment = place.environment(),
                  .shell = login,
                  .keep_program = how != way::sent};
    method.environment.insert(method.environment.end(), more.begin(), more.end());
    if (how == way::there_already) (void)router.connect(method).shutdown().get();
    if (how == way::in_memory) { // no file can be made executable
        if (!fs::exists("/usr/bin/python3")) {
            WARN("left out: there is no Python");
            return;
        }
        place.script("chmod", "exit 1\n");
    }
    auto child = router.connect(method);
    CHECK((child.boot_info().payload_bytes_sent == 0) == (how == way::there_already));
    ask(child);
    (void)child.shutdown().get();
}

/// Each shell with each way, one after the other.
std::pair<std::string, way> each_way() {
    const std::string shell = GENERATE(as<std::string>(), "/bin/dash", "/bin/bash", "/usr/bin/mksh",
                                       "/usr/bin/zsh", "/bin/busybox");
    const way how = GENERATE(way::sent, way::kept, way::there_already, way::in_memory);
    return {shell, how};
}

} // namespace

TEST_CASE("a child has every variable that its shell was given, whatever our shell needs itself") {
    const auto [shell, how] = each_way();
    const std::set<std::string> names = names_in_our_stages();
    REQUIRE(names.count("z") == 1);
    REQUIRE(names.count("timeout") == 1);
    std::vector<std::string> given;
    for (const std::string& name : names) given.push_back(name + "=of the user, for " + name);
    ask_child(how, shell, given, [&](mitogen::context& child) {
        const std::vector<std::string> there = child.call<&variables>();
        for (const std::string& one : given) {
            CAPTURE(one);
            CHECK(std::count(there.begin(), there.end(), one) == 1);
        }
        for (const std::string& one : there) { // and none of ours
            const std::string name = one.substr(0, one.find('='));
            if (std::getenv(name.c_str()) || names.count(name) != 0 || is_the_shells(name))
                continue;
            CHECK(one.find("XDG_") == 0);
        }
    });
}

TEST_CASE(
    "a child has the umask, the directory, the limits and the signals that its shell was given") {
    const auto [shell, how] = each_way();
    const int mask = GENERATE(002, 077);
    CAPTURE(mask);
    const support::scratch elsewhere;
    const std::string before = working_directory();
    fs::current_path(elsewhere.path());
    const mode_t umask_before = ::umask(static_cast<mode_t>(mask));
    const auto restore = [&] {
        ::umask(umask_before);
        fs::current_path(before);
    };
    try {
        ask_child(how, shell, {}, [&](mitogen::context& child) {
            CHECK(child.call<&mask_of_files>() == mask);
            CHECK(child.call<&working_directory>() == elsewhere.path());
            CHECK(child.call<&priority>() == priority());
            CHECK(child.call<&limits_of_process>() == limits_of_process());
        });
    } catch (...) {
        restore();
        throw;
    }
    restore();
}

TEST_CASE("signals are ignored and blocked in a child as in what a login shell starts") {
    const auto [shell, how] = each_way();
    const std::string ignored = GENERATE(as<std::string>(), "", "HUP INT QUIT TERM USR1");
    CAPTURE(ignored);
    const support::scratch directory;
    const std::string login = directory.script(
        "login", (ignored.empty() ? "" : "trap '' " + ignored + "\n") + "exec /bin/sh \"$@\"\n");
    const std::string without =
        output_of(login + " -c \"exec grep -E '^Sig(Ign|Blk):' /proc/self/status\"");
    ask_child(
        how, shell, {},
        [&](mitogen::context& child) { CHECK(child.call<&signals_of_programs>() == without); },
        login);
}
