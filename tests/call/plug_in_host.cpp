// SPDX-License-Identifier: BSL-1.0
// Whatever libraries a program and its child have loaded, in whatever order: a call from one of
// them reaches the function that it names, or is refused. Linked with and without the program's
// symbols exported: without, a library has a list of functions of its own.
// usage: plug_in_host LIBRARY OTHER_LIBRARY
#include <cstdio>
#include <dlfcn.h>
#include <mitogen/mitogen.hpp>
#include <string>

static bool erased = false;
static int erase() { // what the numbers of a library's functions mean in the program
    erased = true;
    return 1;
}
static bool has_erased() { return erased; }
static bool load(std::string path) { return ::dlopen(path.c_str(), RTLD_NOW | RTLD_GLOBAL); }

static bool calls_right(const char* path, const mitogen::context& child) {
    void* const library = ::dlopen(path, RTLD_NOW | RTLD_GLOBAL);
    if (!library) return std::puts(::dlerror()) < 0;
    using function = bool(const mitogen::context&);
    return reinterpret_cast<function*>(::dlsym(library, "refused_or_right"))(child);
}

int main(int argc, char** argv) {
    return mitogen::run(argc, argv, [&](mitogen::router& router) {
        if (argc < 0) router.local().call<&erase>(); // never
        int wrong = 0;
        const auto check = [&](bool is_right, int loaded, int called) {
            if (is_right) return;
            std::printf("wrong: child has library %d, %d was called\n", loaded, called);
            ++wrong;
        };
        // in the first round each library is called from for the first time, then the lists are
        // full
        for (int loaded = 0; loaded < argc; ++loaded) {
            const mitogen::context child = router.local();
            if (loaded > 0) check(child.call<&load>(std::string(argv[loaded])), loaded, 0);
            for (int called = 1; called < argc; ++called)
                check(calls_right(argv[called], child), loaded, called);
            check(!child.call<&has_erased>(), loaded, 0);
        }
        return wrong;
    });
}
