// SPDX-License-Identifier: BSL-1.0
#include <mitogen/debug/frames/frame_names.hpp>
#include <mitogen/debug/frames/own_frames.hpp>

#include "../generic/inject.hpp"
#include "support/scratch.hpp"

#include <mitogen/codec/codec.hpp>

#include <catch2/catch.hpp>
#include <cerrno>
#include <cstdint>
#include <cstdlib>
#include <fstream>
#include <string>
#include <vector>

#include <unistd.h>

namespace os = mitogen::os;
using mitogen::detail::frame;
using mitogen::detail::name_frames;
using mitogen::detail::named_frame;
using named_stack = std::vector<std::vector<named_frame>>;

#if defined(__linux__)
// Not in the unnamed namespace: of what one file has alone compilers and tools tell less.
namespace named {

[[gnu::noinline]] void stay() {
    asm volatile("" ::: "memory");
}

constexpr std::uint32_t line_of_plain = __LINE__ + 2;
[[gnu::noinline]] std::vector<frame> plain_function(int) {
    std::vector<frame> found = mitogen::detail::own_frames();
    stay();
    return found;
}

template <class T>
[[gnu::noinline]] std::vector<frame> template_function(T) {
    std::vector<frame> found = mitogen::detail::own_frames();
    stay();
    return found;
}

constexpr std::uint32_t line_of_inlined = __LINE__ + 2;
[[gnu::always_inline]] inline std::vector<frame> inlined_function(int i) {
    std::vector<frame> found = mitogen::detail::own_frames();
    if (i > 0) stay();
    return found;
}

constexpr std::uint32_t line_of_outer = __LINE__ + 2;
[[gnu::noinline]] std::vector<frame> outer_function(int i) {
    std::vector<frame> found = inlined_function(i);
    stay();
    return found;
}

} // namespace named

namespace {

using named::outer_function;
using named::plain_function;
using named::stay;

constexpr mitogen::duration_ns patience = 60'000'000'000; // machines that run the tests are busy

bool contains(const std::string& text, const std::string& part) {
    return text.find(part) != std::string::npos;
}

/// Whether the tools are here, and this program was compiled with -g.
bool has_lines() {
    static const bool found = name_frames(plain_function(1), patience).at(0).at(0).line > 0;
    if (!found) WARN("no addr2line, no llvm-symbolizer, or no debug information: not tested");
    return found;
}

TEST_CASE("a frame is named by its function, file and line") {
    if (!has_lines()) return;
    const std::vector<frame> frames = plain_function(1);
    const named_stack names = name_frames(frames, patience);
    REQUIRE(names.size() == frames.size());
    REQUIRE(names[0].size() == 1);
    CHECK(contains(names[0][0].function, "plain_function(int)"));
    CHECK(names[0][0].file.ends_with("frame_names_test.cpp"));
    CHECK(names[0][0].line == named::line_of_plain);
    CHECK_FALSE(names[0][0].inlined);
    bool main_found = false;
    for (const auto& each : names) {
        REQUIRE_FALSE(each.empty());
        for (const named_frame& one : each) {
            CHECK_FALSE(one.function.empty());
            main_found = main_found || one.function == "main";
        }
        CHECK_FALSE(each.back().inlined);
    }
    CHECK(main_found);
}

TEST_CASE("an inlined function is named before the one that it is inlined into") {
    if (!has_lines()) return;
    const named_stack names = name_frames(outer_function(1), patience);
    REQUIRE(names.at(0).size() == 2);
    CHECK(contains(names[0][0].function, "inlined_function"));
    CHECK(names[0][0].line == named::line_of_inlined);
    CHECK(names[0][0].inlined);
    CHECK(contains(names[0][1].function, "outer_function(int)"));
    CHECK(names[0][1].line == named::line_of_outer);
    CHECK_FALSE(names[0][1].inlined);
}

TEST_CASE("instances of templates and lambdas are named") {
    if (!has_lines()) return;
    const named_stack names = name_frames(named::template_function(1.5), patience);
    CHECK(contains(names.at(0).at(0).function, "template_function<double>(double)"));
    constexpr std::uint32_t line = __LINE__ + 2;
    const auto lambda = [](int) __attribute__((noinline)) {
        std::vector<frame> found = mitogen::detail::own_frames();
        stay();
        return found;
    };
    const named_stack of_lambda = name_frames(lambda(1), patience);
    CHECK(contains(of_lambda.at(0).back().function, "operator()"));
    CHECK(of_lambda[0][0].line == line);
}

/// For as long as it lives no program is found.
class without_path {
    std::string before_ = std::getenv("PATH");

public:
    explicit without_path(const std::string& instead) {
        ::setenv("PATH", instead.c_str(), 1);
    }
    without_path(const without_path&) = delete;
    without_path& operator=(const without_path&) = delete;
    ~without_path() { ::setenv("PATH", before_.c_str(), 1); }
};

#if defined(__clang__) // -g1 of clang++ has no functions but in tables of lines
constexpr bool names_are_known = false;
#else
constexpr bool names_are_known = true;
#endif

TEST_CASE("one tool is asked where the other is missing, or does not answer") {
    if (!has_lines()) return;
    for (const std::string tool : {"addr2line", "llvm-symbolizer"}) {
        const std::string found = "/usr/bin/" + tool;
        if (::access(found.c_str(), X_OK) != 0) continue;
        INFO(tool);
        const support::scratch dir;
        dir.script(tool, "exec " + found + " \"$@\"");
        for (const char* broken : {"", "echo 0x1; echo nonsense; exit 1"}) {
            if (*broken) dir.script(tool == "addr2line" ? "llvm-symbolizer" : "addr2line", broken);
            const without_path only(dir.path());
            const named_stack names = name_frames(outer_function(1), patience);
            REQUIRE(names.at(0).size() == 2);
            if (tool != "addr2line" || names_are_known) // it takes no name from tables of lines
                CHECK(contains(names[0][0].function, "inlined_function"));
            CHECK(names[0][0].line == named::line_of_inlined);
            if (tool != "addr2line" || names_are_known)
                CHECK(contains(names[0][1].function, "outer_function(int)"));
            CHECK(names[0][1].line == named::line_of_outer);
        }
    }
}

TEST_CASE("without a tool a frame is a place in a module, or an exported name") {
    const support::scratch dir;
    const without_path none(dir.path());
    std::vector<frame> frames = plain_function(1);
    const frame in_library{"", "/lib/x/libfoo.so.1", 0x12ab, true};
    frames.push_back(in_library);
    const named_stack names = name_frames(frames, patience);
    REQUIRE(names.size() == frames.size());
    for (const auto& each : names) {
        REQUIRE(each.size() == 1);
        CHECK(contains(each[0].function, "+0x"));
        CHECK(each[0].file.empty());
    }
    CHECK(names.back()[0].function == "libfoo.so.1+0x12ab");
}

TEST_CASE("a tool that hangs or prints for ever is ended in time") {
    const support::scratch dir;
    for (const char* body : {"exec /bin/sleep 1000", "/bin/sleep 1000", "exec /usr/bin/yes"}) {
        dir.script("addr2line", body);
        dir.script("llvm-symbolizer", body);
        const without_path only(dir.path());
        const mitogen::instant begin = os::monotonic_now();
        const named_stack names = name_frames(plain_function(1), 100'000'000);
        CHECK(os::monotonic_now() - begin < patience);
        CHECK(contains(names.at(0).at(0).function, "+0x"));
    }
}

TEST_CASE("a tool that can't be started names nothing") {
    for (const char* call : {"pipe", "posix_spawn", "open"}) {
        const generic::inject fault(call, -EMFILE, 0, 100);
        CHECK(contains(name_frames(plain_function(1), patience).at(0).at(0).function, "+0x"));
    }
}

TEST_CASE("a build that is not ours is not named by ours, nor is a place without code") {
    std::vector<frame> frames = plain_function(1);
    frames.resize(1);
    for (const char* id : {"0123456789abcdef", "x", "\n"}) {
        frames[0].build_id = id;
        frames[0].module = "/tmp/../etc/pass\nwd\x1b[2J";
        frames[0].offset = 0xfedcba9876543210;
        const named_stack names = name_frames(frames, patience);
        CHECK(names.at(0).at(0).function == "pass\\nwd\\x1b[2J+0xfedcba9876543210");
    }
    const std::string own_id = os::loaded_modules().at(0).build_id;
    for (const std::uint64_t offset : {UINT64_MAX, UINT64_MAX - 1, std::uint64_t{0}}) {
        for (const bool is_call_site : {false, true}) {
            const frame nowhere{own_id, "", offset, is_call_site};
            const named_stack names = name_frames({&nowhere, 1}, patience);
            CHECK(names.at(0).at(0).function ==
                  "program+" + mitogen::detail::hex_text(offset));
        }
    }
    // without an id, only the program itself may be ours
    const std::uint64_t code = plain_function(1).at(0).offset;
    const frame library{"", "libfoo.so", code, true};
    CHECK(name_frames({&library, 1}, patience).at(0).at(0).function ==
          "libfoo.so+" + mitogen::detail::hex_text(code));
}

TEST_CASE("a million frames, and texts without end, are cut off") {
    const std::vector<frame> many(1'000'000);
    CHECK(name_frames(many, patience).size() == mitogen::detail::most_frames);
    const frame endless{std::string(10'000'000, 'a'), std::string(10'000'000, '\n'), 1, true};
    const named_stack names = name_frames({&endless, 1}, patience);
    CHECK(names.at(0).at(0).function.size() < 200);
    const frame odd{"", std::string("a\0b/c\xff\xfe", 7), 1, false};
    CHECK(name_frames({&odd, 1}, patience).at(0).at(0).function == "c\\xff\\xfe+0x1");
}

TEST_CASE("addresses that no file holds are of an unknown module") {
    const os::code_address nowhere[] = {{0, true}, {1, false}, {UINTPTR_MAX, true}};
    const std::vector<frame> frames = mitogen::detail::frames_at(nowhere);
    REQUIRE(frames.size() == 3);
    CHECK(frames[2].module == "[unknown]");
    CHECK(name_frames(frames, patience).at(1).at(0).function == "[unknown]+0x1");
    CHECK(mitogen::detail::frames_at(std::vector<os::code_address>(1000)).size() ==
          mitogen::detail::most_frames);
}

TEST_CASE("a frame travels as it is") {
    const std::vector<frame> frames = plain_function(1);
    const auto bytes = mitogen::encode(frames);
    const auto back = mitogen::decode<std::vector<frame>>(bytes).value();
    REQUIRE(back.size() == frames.size());
    CHECK(back[0].build_id == frames[0].build_id);
    CHECK(back[0].module == frames[0].module);
    CHECK(back[0].offset == frames[0].offset);
    CHECK(back[0].is_call_site);
}

/// One for each line.
std::vector<frame> read_frames(std::ifstream file) {
    std::vector<frame> frames;
    for (frame one; file >> one.build_id >> one.offset >> one.is_call_site;) {
        if (one.build_id == "-") one.build_id.clear();
        frames.push_back(one);
    }
    return frames;
}

// Run by the next test, in a copy of this program without symbols.
TEST_CASE("frames of a copy", "[.frames_of_a_copy]") {
    const char* const to = std::getenv("MITOGEN_TEST_FRAMES");
    REQUIRE(to);
    std::ofstream file(to);
    for (const frame& each : outer_function(1)) {
        if (!each.module.empty()) break; // the program's own are enough
        file << (each.build_id.empty() ? "-" : each.build_id) << " " << each.offset << " "
             << each.is_call_site << "\n";
    }
}

TEST_CASE("frames of a stripped copy are named by the build that has the symbols") {
    if (!has_lines()) return;
    const support::scratch dir;
    const auto stripped = os::output_within(
        {.path = "strip", .argv = {"strip", "-o", dir / "copy", os::path_of_self()}},
        {.patience = patience});
    if (!stripped || !stripped->status.success()) {
        WARN("no strip here: not tested");
        return;
    }
    const auto run = os::output_within({.path = dir / "copy",
                                        .argv = {"copy", "[.frames_of_a_copy]"},
                                        .environment = {"MITOGEN_TEST_FRAMES=" + (dir / "frames")}},
                                       {.patience = patience});
    REQUIRE(run);
    INFO(run->text);
    CHECK(run->status.success());
    const std::vector<frame> frames = read_frames(std::ifstream(dir / "frames"));
    REQUIRE_FALSE(frames.empty());
    const named_stack names = name_frames(frames, patience);
    REQUIRE(names.at(0).size() == 2);
    CHECK(contains(names[0][0].function, "inlined_function"));
    CHECK(names[0][0].line == named::line_of_inlined);
    CHECK(contains(names[0][1].function, "outer_function(int)"));
    CHECK(names[0][1].line == named::line_of_outer);
}

TEST_CASE("what a tool prints is read as far as it makes sense") {
    const std::uint64_t asked[] = {0x10, 0x20, 0x30};
    const auto read = [&](const char* text) { return mitogen::detail::read_symbols(text, asked); };
    const named_stack all = read("0x0000000000000010\nf(int)\n/a b:c.cpp:12 (discriminator 3)\n"
                                 "g\n/b.cpp:?\n0x20\n??\n??:0\n0x30\nh\n??:?\n");
    REQUIRE(all[0].size() == 2);
    CHECK(all[0][0].function == "f(int)");
    CHECK(all[0][0].file == "/a b:c.cpp");
    CHECK(all[0][0].line == 12);
    CHECK(all[0][0].inlined);
    CHECK(all[0][1].file.empty());
    CHECK(all[0][1].line == 0);
    CHECK_FALSE(all[0][1].inlined);
    CHECK(all[1].empty());
    CHECK(all[2].at(0).function == "h");
    CHECK(all[2][0].file.empty());

    for (const char* other : {"", "\n", "nonsense\n\n\n", "0x", "0x10", "0x10\n", "0x10\nf\n",
                              "0x10\nf\na.cpp:1", "0x11\nf\na.cpp:1\n", "0x10g\nf\na.cpp:1\n",
                              "0x11111111111111111\nf\na:1\n"})
        CHECK(read(other)[0].empty());
    CHECK(read("0x10\nf\na.cpp:99999999999999999999\n")[0].at(0).file == "a.cpp");
    CHECK(read("0x10\nf\na.cpp:0\n")[0].at(0).file.empty());
    CHECK(read("0x10\nf\nno line\n")[0].at(0).file.empty());
    CHECK(read("0x10\nf\na:1\n0x20\ng\nb:2\n0x30\nh\nc:3\n0x40\ni\nd:4\n")[2].at(0).line == 3);

    std::string deep = "0x10\n";
    for (int i = 0; i < 1000; ++i) deep += "f" + std::to_string(i) + "\na:1\n";
    const named_stack cut = read(deep.c_str());
    CHECK(cut[0].size() == mitogen::detail::most_inlined);
    CHECK(cut[0].back().function == "f999");
    CHECK_FALSE(cut[0].back().inlined);
    CHECK(cut[0][cut[0].size() - 2].inlined);
    const std::string endless = "0x10\n" + std::string(1'000'000, 'f') + "\na:1\n";
    CHECK(read(endless.c_str())[0].at(0).function.size() == mitogen::detail::most_code_text);
}

} // namespace
#endif
