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
    const std::string_view wanted = argc > 1 ? argv[1] : "";
    if (wanted == "01_future_route") return c_01_future_route::main(argc, argv);
    if (wanted == "02_fail_everybodys_calls") return c_02_fail_everybodys_calls::main(argc, argv);
    if (wanted == "03_sender_kills_sibling") return c_03_sender_kills_sibling::main(argc, argv);
    if (wanted == "04_sender_calls_function") return c_04_sender_calls_function::main(argc, argv);
    if (wanted == "05_connect_answer") return c_05_connect_answer::main(argc, argv);
    if (wanted == "06_uncle") return c_06_uncle::main(argc, argv);
    if (wanted == "07_levels") return c_07_levels::main(argc, argv);
    if (wanted == "08_never_reads") return c_08_never_reads::main(argc, argv);
    if (wanted == "09_crowd") return c_09_crowd::main(argc, argv);
    if (wanted == "10_slow_loop") return c_10_slow_loop::main(argc, argv);
    if (wanted == "11_routes_without_end") return c_11_routes_without_end::main(argc, argv);
    if (wanted == "12_names_in_a_circle") return c_12_names_in_a_circle::main(argc, argv);
    if (wanted == "13_logs") return c_13_logs::main(argc, argv);
    if (wanted == "14_deadline_ignored") return c_14_deadline_ignored::main(argc, argv);
    if (wanted == "15_default_sink_blocks") return c_15_default_sink_blocks::main(argc, argv);
    if (wanted == "16_joined_program") return c_16_joined_program::main(argc, argv);
    if (wanted == "fuzz") return c_fuzz::main(argc, argv);
    std::fprintf(stderr, "usage: hostile NAME, of one of the programs beside this one\n");
    return 2;
}
