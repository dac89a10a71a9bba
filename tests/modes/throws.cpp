// SPDX-License-Identifier: BSL-1.0
// A library of which only one name is seen: it throws the library's errors by type.
#include <mitogen/mitogen.hpp>

extern "C" [[gnu::visibility("default")]] void throw_error(int which);
void throw_error(int which) {
    switch (which) {
    case 0: mitogen::raise(mitogen::error(mitogen::reason::timeout, "too late"));
    case 1: mitogen::raise(mitogen::error(mitogen::reason::respondent_lost, "gone"));
    case 2: throw mitogen::connect_error(mitogen::error(mitogen::reason::connect, "no"));
    default: mitogen::raise(mitogen::error(mitogen::reason::misuse, "never"));
    }
}
