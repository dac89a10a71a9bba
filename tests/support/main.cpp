// SPDX-License-Identifier: BSL-1.0
// The main of every test executable. A pass through a test case fails where it leaves a descriptor,
// a thread or a child.
#define CATCH_CONFIG_EXTERNAL_INTERFACES // for the listener
#include "clean_environment.hpp"
#include "leak_check.hpp"
#include "private_home.hpp"

#include <catch2/catch.hpp>
#include <csignal>
#include <cstdio>
#include <cstring>
#include <mitogen/mitogen.hpp>
#ifdef MITOGEN_SEPARATE // else the umbrella has it
#include <mitogen/os/program/executable.hpp>
#endif
#include <string>
#include <thread>
#include <unistd.h>

int run_tests(int argc, char** argv); // catch.cpp

namespace {

char current_test[256]; // for the handler, which may not allocate
pid_t runner;

/// Says in which test case the program dies. The signal is raised again by the return, with its
/// default action.
void on_fatal_signal(int) {
    if (::getpid() != runner) return;
    const char text[] = "\nkilled by a signal in the test case: ";
    if (::write(2, text, sizeof text - 1) < 0 ||
        ::write(2, current_test, std::strlen(current_test)) < 0)
        return;
    if (::write(2, "\n", 1) < 0) return;
}

void install_handlers() {
    runner = ::getpid();
    for (const int number : {SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGABRT}) {
        struct sigaction old {};
        // a sanitizer's says more
        if (::sigaction(number, nullptr, &old) != 0 || old.sa_handler != SIG_DFL) continue;
        struct sigaction ours {};
        ours.sa_handler = on_fatal_signal;
        ours.sa_flags = static_cast<int>(SA_RESETHAND);
        ::sigaction(number, &ours, nullptr);
    }
}

/// Compares at the ends of the outermost section, which is the test case itself: each path through
/// its sections is one pass.
class leak_listener : public Catch::TestEventListenerBase {
    support::census before_;
    int depth_ = 0;

public:
    using TestEventListenerBase::TestEventListenerBase;

    void testCaseStarting(const Catch::TestCaseInfo& info) override {
        TestEventListenerBase::testCaseStarting(info);
        depth_ = 0;
        std::strncpy(current_test, info.name.c_str(), sizeof current_test - 1);
    }

    void sectionStarting(const Catch::SectionInfo& info) override {
        TestEventListenerBase::sectionStarting(info);
        if (depth_++ == 0) before_ = support::take_census();
    }

    void sectionEnded(const Catch::SectionStats& stats) override {
        TestEventListenerBase::sectionEnded(stats);
        if (--depth_ > 0) return;
        std::string text;
        for (const std::string& line : support::settled_differences(before_)) text += "\n  " + line;
        if (text.empty()) return;
        support::end_children_since(before_);
        FAIL_CHECK("the test case leaves something behind:" << text);
    }
};
CATCH_REGISTER_LISTENER(leak_listener)

} // namespace

int main(int argc, char** argv) {
    support::open_standard_descriptors();
    // The library starts this program again as a child: then init() does not return.
#if __has_include("../../include/mitogen/router/init.hpp")
    mitogen::init(argc, argv);
#endif
    support::clean_environment();
    // What is opened once for the life of the process is opened before anybody counts.
#if __has_include("../../include/mitogen/os/program/executable.hpp")
    mitogen::os::self_executable();
#endif
    const support::private_home home;
    std::thread([] {}).join(); // a sanitizer's own thread starts with the first one
    install_handlers();
    const int failed = run_tests(argc, argv);
    const std::string left = home.left_elsewhere();
    if (!left.empty())
        std::fprintf(stderr, "tests have left programs in caches that others use:\n%s",
                     left.c_str());
    return failed != 0 ? failed : left.empty() ? 0 : 1;
}
