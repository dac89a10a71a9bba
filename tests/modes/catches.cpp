// SPDX-License-Identifier: BSL-1.0
// Loads the library that its argument names, and catches by type what that throws.
#include <mitogen/mitogen.hpp>

#include <cstdio>
#include <dlfcn.h>
#include <exception>

template <class Error>
static bool throws(void (*thrower)(int), int which, mitogen::reason why) {
    try {
        thrower(which);
    } catch (const Error& e) {
        return e == why;
    } catch (const std::exception& e) { std::printf("another type: %s\n", e.what()); }
    return false;
}

int main(int, char** argv) {
    void* library = ::dlopen(argv[1], RTLD_NOW | RTLD_LOCAL);
    if (!library) return std::printf("%s\n", ::dlerror()), 1;
    const auto thrower = reinterpret_cast<void (*)(int)>(::dlsym(library, "throw_error"));
    const bool good =
        thrower && throws<mitogen::timeout_error>(thrower, 0, mitogen::reason::timeout) &&
        throws<mitogen::channel_error>(thrower, 1, mitogen::reason::respondent_lost) &&
        throws<mitogen::connect_error>(thrower, 2, mitogen::reason::connect) &&
        throws<mitogen::error>(thrower, 3, mitogen::reason::misuse);
    return good ? 0 : 1;
}
