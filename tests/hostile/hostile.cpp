// SPDX-License-Identifier: BSL-1.0
// hostile.cpp: the programs of trust/ and fuzz.cpp as one program, which takes the name of one of
// them: each is a program of its own for whoever reads or tries it, and the library is instantiated
// once for all of them. A name that begins with a number is c_01_... here.

#include "trust/raw.hpp" // and all that the programs include, which is not to be inside of these

#include <atomic>
#include <memory>
#include <optional>
#include <random>
#include <string>
#include <string_view>
#include <sys/un.h>

namespace c_01_future_route {
#include "trust/01_future_route.cpp"
}
namespace c_02_fail_everybodys_calls {
#include "trust/02_fail_everybodys_calls.cpp"
}
namespace c_03_sender_kills_sibling {
#include "trust/03_sender_kills_sibling.cpp"
}
namespace c_04_sender_calls_function {
#include "trust/04_sender_calls_function.cpp"
}
namespace c_05_connect_answer {
#include "trust/05_connect_answer.cpp"
}
namespace c_06_uncle {
#include "trust/06_uncle.cpp"
}
namespace c_07_levels {
#include "trust/07_levels.cpp"
}
namespace c_08_never_reads {
#include "trust/08_never_reads.cpp"
}
namespace c_09_crowd {
#include "trust/09_crowd.cpp"
}
namespace c_10_slow_loop {
#include "trust/10_slow_loop.cpp"
}
namespace c_11_routes_without_end {
#include "trust/11_routes_without_end.cpp"
}
namespace c_12_names_in_a_circle {
#include "trust/12_names_in_a_circle.cpp"
}
namespace c_13_logs {
#include "trust/13_logs.cpp"
}
namespace c_14_deadline_ignored {
#include "trust/14_deadline_ignored.cpp"
}
namespace c_15_default_sink_blocks {
#include "trust/15_default_sink_blocks.cpp"
}
namespace c_16_joined_program {
#include "trust/16_joined_program.cpp"
}
namespace c_fuzz {
#include "fuzz.cpp"
}

int main(int argc, char** argv) {
    mitogen::init(argc, argv); // a child goes no further
    static constexpr struct {
        std::string_view name;
        int (*run)(int, char**);
    } programs[] = {
        {"01_future_route", &c_01_future_route::main},
        {"02_fail_everybodys_calls", &c_02_fail_everybodys_calls::main},
        {"03_sender_kills_sibling", &c_03_sender_kills_sibling::main},
        {"04_sender_calls_function", &c_04_sender_calls_function::main},
        {"05_connect_answer", &c_05_connect_answer::main},
        {"06_uncle", &c_06_uncle::main},
        {"07_levels", &c_07_levels::main},
        {"08_never_reads", &c_08_never_reads::main},
        {"09_crowd", &c_09_crowd::main},
        {"10_slow_loop", &c_10_slow_loop::main},
        {"11_routes_without_end", &c_11_routes_without_end::main},
        {"12_names_in_a_circle", &c_12_names_in_a_circle::main},
        {"13_logs", &c_13_logs::main},
        {"14_deadline_ignored", &c_14_deadline_ignored::main},
        {"15_default_sink_blocks", &c_15_default_sink_blocks::main},
        {"16_joined_program", &c_16_joined_program::main},
        {"fuzz", &c_fuzz::main},
    };
    for (const auto& p : programs)
        if (argc > 1 && p.name == argv[1]) return p.run(argc, argv);
    std::fprintf(stderr, "usage: hostile NAME, of one of the programs beside this one\n");
    return 2;
}
