// SPDX-License-Identifier: BSL-1.0
#include <mitogen/os/process/backtrace.hpp>
#include <mitogen/os/program/loaded_modules.hpp>

#include <algorithm>
#include <array>
#include <catch2/catch.hpp>
#include <csignal>
#include <cstdlib>
#include <cstring>
#include <string>
#include <vector>

namespace os = mitogen::os;

#if defined(__linux__)
namespace {

// What the compiler can't see through, so that no frame is inlined or replaced by its last call.
[[gnu::noinline]] void stay() {
    asm volatile("" ::: "memory");
}

[[gnu::noinline]] std::size_t walk_here(std::span<os::code_address> to, std::size_t skip) {
    const std::size_t found = os::walk_stack(to, skip);
    stay();
    return found;
}

[[gnu::noinline]] std::size_t deep(int levels, std::span<os::code_address> to) {
    const std::size_t found = levels > 0 ? deep(levels - 1, to) : walk_here(to, 0);
    stay();
    return found;
}

template <class F>
std::uintptr_t address_of(F* function) {
    return reinterpret_cast<std::uintptr_t>(function);
}

TEST_CASE("a stack begins with whoever asks for it, then with who has called that") {
    std::array<os::code_address, 64> all;
    const std::size_t found = walk_here(all, 0);
    REQUIRE(found > 2);
    CHECK(all[0].is_return);
    const std::uintptr_t begin = address_of(&walk_here);
    CHECK(all[0].value > begin);
    CHECK(all[0].value < begin + 4096);

    std::array<os::code_address, 64> rest;
    REQUIRE(walk_here(rest, 1) == found - 1);
    CHECK(rest[1].value == all[2].value); // the call that rest[0] returns to is another one
    CHECK(walk_here(rest, 1000) == 0);
}

TEST_CASE("a stack that is deeper than there is room is cut off") {
    std::array<os::code_address, 16> all;
    CHECK(deep(100, all) == all.size());
    CHECK(all[5].value == all[6].value); // of the same call again and again
    CHECK(os::walk_stack({}) == 0);
    std::vector<os::code_address> many(300);
    CHECK(deep(100, many) > 100);
}

std::array<os::code_address, 64> at_signal;
std::size_t found_at_signal = 0;
void on_signal(int) {
    found_at_signal = os::walk_stack(at_signal);
}

TEST_CASE("through a signal handler, what was interrupted is no place that is returned to") {
    const auto before = std::signal(SIGUSR1, &on_signal);
    std::raise(SIGUSR1);
    std::signal(SIGUSR1, before);
    REQUIRE(found_at_signal > 2);
    CHECK(std::count_if(at_signal.begin(),
                        at_signal.begin() + static_cast<std::ptrdiff_t>(found_at_signal),
                        [](const os::code_address& each) { return !each.is_return; }) == 1);
}

TEST_CASE("the program is the first module, and has no path; libraries have one") {
    const std::vector<os::loaded_module> all = os::loaded_modules();
    REQUIRE_FALSE(all.empty());
    CHECK(all[0].path.empty());
    const std::string id = os::detail::note_build_id();
    CHECK(all[0].build_id == id);
    for (const os::loaded_module& each : all) {
        CHECK(each.code_begin >= each.base);
        CHECK(each.build_id.find_first_not_of("0123456789abcdef") == std::string::npos);
        if (&each != &all[0]) CHECK_FALSE(each.path.empty());
    }
    CHECK(os::module_of(all, address_of(&walk_here)) == &all[0]);
    CHECK(os::module_of(all, 0) == nullptr);
    CHECK(os::module_of(all, UINTPTR_MAX) == nullptr);
    const int on_stack = 0;
    CHECK(os::module_of(all, reinterpret_cast<std::uintptr_t>(&on_stack)) == nullptr);
}

TEST_CASE("the file of this program is found by another one") {
    const std::string path = os::path_of_self();
    REQUIRE(path.starts_with('/'));
    CHECK(path.find("/proc/self/") == std::string::npos);
    const os::unique_fd file(static_cast<int>(os::open(path.c_str(), O_RDONLY)));
    CHECK(os::same_file(file.get(), os::self_executable().get()));
}

TEST_CASE("what a library exports has a name, and what is nowhere has none") {
    const auto known = os::exported_name_at(address_of(&std::abort) + 1);
#if !defined(__GLIBC__) || __GLIBC__ > 2 || __GLIBC_MINOR__ >= 34
    if (os::loaded_modules().size() > 1) CHECK_FALSE(known.name.empty()); // else it is linked in
#endif
    CHECK(known.begin <= address_of(&std::abort) + 1);
    CHECK(os::exported_name_at(1).name.empty());
    CHECK(os::exported_name_at(UINTPTR_MAX).name.empty());
}

} // namespace
#endif
