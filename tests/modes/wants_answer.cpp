// SPDX-License-Identifier: BSL-1.0
// The program that calls what asks.cpp has.
#include <mitogen/mitogen.hpp>

int ask_one(mitogen::context& c);

int main(int argc, char** argv) {
    return mitogen::run(argc, argv, [](mitogen::router& router) {
        mitogen::context child = router.local();
        return ask_one(child) == 2 ? 0 : 1;
    });
}
