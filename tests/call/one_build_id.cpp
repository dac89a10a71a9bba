// SPDX-License-Identifier: BSL-1.0
// Two builds to which the linker has given one build id: a call reaches the function that it names.
// usage: one_build_id OTHER_BUILD
#include <mitogen/mitogen.hpp>

#ifdef ONE_BUILD_ID_LATER
int added_later(int x) { return -x; }
[[maybe_unused]] static auto& exported = mitogen::remote<&added_later>;
#endif
int add_one(int x) { return x + 1; }
int times_ten(int x) { return 10 * x; }

int main(int argc, char** argv) {
    return mitogen::run(argc, argv, [&](mitogen::router& router) {
        auto child = router.local({.executable = argv[argc - 1]});
        return child.call<&add_one>(4) == 5 && child.call<&times_ten>(4) == 40 ? 0 : 1;
    });
}
