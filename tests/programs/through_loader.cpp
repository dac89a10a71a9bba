// SPDX-License-Identifier: BSL-1.0
// A program that is started as an argument of the dynamic loader, as bundles do: /proc/self/exe is
// the loader then, and no child may become that.
// expect: 5
#include <mitogen/mitogen.hpp>

#include <cstdio>
#include <link.h>
#include <string>
#include <sys/auxv.h>
#include <unistd.h>

static int add(int a, int b) { return a + b; }

/// The loader that this program asks for; empty if it needs none.
static std::string loader() {
    std::string path;
    ::dl_iterate_phdr(
        [](::dl_phdr_info* object, std::size_t, void* to) {
            for (int i = 0; i < object->dlpi_phnum; ++i)
                if (object->dlpi_phdr[i].p_type == PT_INTERP)
                    *static_cast<std::string*>(to) = reinterpret_cast<const char*>(
                        object->dlpi_addr + object->dlpi_phdr[i].p_vaddr);
            return 1;
        },
        &path);
    return path;
}

int main(int argc, char** argv) {
    const std::string path = argc == 1 && ::getauxval(AT_BASE) != 0 ? loader() : std::string();
    if (!path.empty()) {
        ::execl(path.c_str(), path.c_str(), argv[0], static_cast<char*>(nullptr));
        return 1;
    }
    return mitogen::run(argc, argv, [](mitogen::router& router) {
        std::printf("%d\n", router.local().call<&add>(2, 3));
    });
}
