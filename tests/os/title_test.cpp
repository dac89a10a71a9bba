// SPDX-License-Identifier: BSL-1.0
#include <mitogen/os/process/title.hpp>

#include <catch2/catch.hpp>
#include <cstdio>
#include <vector>
#if defined(__linux__)
#include <sys/prctl.h>
#endif

namespace {

/// Arguments laid out as the kernel does, with something of the environment behind them.
struct arguments {
    std::vector<char> bytes;
    std::vector<char*> argv;
    std::size_t room = 0; // of the strings with their NULs

    explicit arguments(const std::vector<std::string>& words) {
        for (const std::string& w : words)
            bytes.insert(bytes.end(), w.c_str(), w.c_str() + w.size() + 1);
        room = bytes.size();
        const std::string behind = "HOME=/";
        bytes.insert(bytes.end(), behind.c_str(), behind.c_str() + behind.size() + 1);
        char* at = bytes.data();
        for (const std::string& w : words) {
            argv.push_back(at);
            at += w.size() + 1;
        }
        argv.push_back(nullptr);
    }
    std::string behind() const { return bytes.data() + room; }
    void title(const std::string& text) {
        mitogen::os::set_process_title(static_cast<int>(argv.size()) - 1, argv.data(), text);
    }
};

/// Gives the calling thread its name back.
struct name_guard {
#if defined(__linux__)
    char name[16] = {};
    name_guard() { ::prctl(PR_GET_NAME, name, 0, 0, 0); }
    ~name_guard() { ::prctl(PR_SET_NAME, name, 0, 0, 0); }
#endif
};

TEST_CASE("a title replaces all arguments and leaves nothing of them") {
    const name_guard guard;
    arguments a({"/usr/bin/program", "--secret", "hunter2"});
    a.title("mitogen:web1");
    CHECK(std::string(a.bytes.data()) == "mitogen:web1");
    for (std::size_t i = 12; i < a.room; ++i) CHECK(a.bytes[i] == 0);
    CHECK(a.behind() == "HOME=/");
}

TEST_CASE("a title that is too long is cut and stays within the arguments") {
    const name_guard guard;
    arguments a({"ab", "c"});
    a.title("mitogen:a-long-name");
    CHECK(std::string(a.bytes.data()) == "mito");
    CHECK(a.behind() == "HOME=/");
    a.title("");
    CHECK(std::string(a.bytes.data()).empty());
    CHECK(a.behind() == "HOME=/");
}

TEST_CASE("arguments that the program has replaced are not overwritten") {
    const name_guard guard;
    arguments a({"program", "one"});
    char other[] = "elsewhere";
    a.argv[1] = other;
    a.title("mitogen:something");
    CHECK(std::string(other) == "elsewhere");
    CHECK(std::string(a.bytes.data()) == "mitogen");
    CHECK(std::string(a.bytes.data() + 8) == "one");
    mitogen::os::set_process_title(0, nullptr, "x"); // no arguments at all
}

#if defined(__linux__)
TEST_CASE("the calling thread is named after the title") {
    const name_guard guard;
    arguments a({"program"});
    a.title("mitogen:a-long-name");
    char name[16] = {};
    ::prctl(PR_GET_NAME, name, 0, 0, 0);
    CHECK(std::string(name) == "mitogen:a-long-");
}
#endif

} // namespace
