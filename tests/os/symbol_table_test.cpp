// SPDX-License-Identifier: BSL-1.0
#include <mitogen/os/process/output_of.hpp>
#include <mitogen/os/program/loaded_modules.hpp>
#include <mitogen/os/program/symbol_table.hpp>

#include "support/scratch.hpp"

#include <catch2/catch.hpp>
#include <fstream>
#include <string>

namespace os = mitogen::os;

#if defined(__linux__)
namespace {

TEST_CASE("a file that was stripped has no symbol table") {
    const support::scratch dir;
    const std::string path = os::path_of_self();
    if (os::has_symbol_table(path.c_str())) {
        const auto stripped = os::output_within(
            {.path = "strip", .argv = {"strip", "-o", dir / "copy", path}}, {});
        if (stripped && stripped->status.success())
            CHECK_FALSE(os::has_symbol_table((dir / "copy").c_str()));
    }
    for (const std::string text : {"", "\177ELF", "#!/bin/sh\n"}) {
        std::ofstream(dir / "other") << text;
        CHECK_FALSE(os::has_symbol_table((dir / "other").c_str()));
    }
    std::ofstream(dir / "broken") << "\177ELF" << std::string(1000, '\xff');
    CHECK_FALSE(os::has_symbol_table((dir / "broken").c_str()));
    CHECK_FALSE(os::has_symbol_table((dir / "none").c_str()));
    CHECK_FALSE(os::has_symbol_table(dir.path().c_str()));
}

} // namespace
#endif
