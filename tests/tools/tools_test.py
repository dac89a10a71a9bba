#!/usr/bin/env python3
# SPDX-License-Identifier: BSL-1.0
"""Runs the checks under tools/ on small trees with one fault each: a check that cannot fail is none."""
import os
import shutil
import subprocess
import tempfile
import unittest

TOOLS = os.path.join(os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__)))), "tools")
TOP = "// SPDX-License-Identifier: BSL-1.0\n#pragma once\n// a header.\n\n"
VERSION = "".join(f"#define MITOGEN_VERSION_{part} {number}\n" for part, number in (("MAJOR", 0), ("MINOR", 1), ("PATCH", 0)))
CONFIG = "#include <mitogen/base/version.hpp>\n#include <version>\n#define MITOGEN_ABI v1\n#if MITOGEN_NEVER\n#define MITOGEN_SOMETIMES 1\n#endif\n"


class Tree(unittest.TestCase):
    def setUp(self):
        self.root = tempfile.mkdtemp()
        self.addCleanup(shutil.rmtree, self.root)
        shutil.copytree(TOOLS, os.path.join(self.root, "tools"), ignore=shutil.ignore_patterns("__pycache__"))
        self.put("CHANGELOG.md", "## [0.1.0]\n")
        self.header("base/version.hpp", VERSION)
        self.header("base/config.hpp", CONFIG)
        self.header("io/poll.hpp", "#include <mitogen/base/config.hpp>\n\n#include <poll.h>\n\ninline int f() { return ::poll(nullptr, 0, 0); }\n")

    def put(self, name, text):
        path = os.path.join(self.root, name)
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path, "w", encoding="utf-8") as file:
            file.write(text)

    def get(self, name):
        with open(os.path.join(self.root, name), encoding="utf-8") as file:
            return file.read()

    def header(self, name, body):
        self.put("include/mitogen/" + name, TOP + body)

    def tool(self, *command):
        run = subprocess.run([os.path.join(self.root, "tools", command[0]), *command[1:]], cwd=self.root,
                             stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        return run.returncode, run.stdout

    def passes(self, *command):
        code, output = self.tool(*command)
        self.assertEqual(code, 0, output)

    def fails(self, text, *command):
        code, output = self.tool(*command)
        self.assertNotEqual(code, 0, output)
        self.assertIn(text, output)


class Amalgamate(Tree):
    def test_writes_what_it_then_accepts(self):
        self.passes("amalgamate")
        self.passes("amalgamate", "--check")
        single = self.get("single_include/mitogen/mitogen.hpp")
        self.assertEqual(single.count("#pragma once"), 1)
        self.assertEqual(single.count("SPDX"), 1)
        self.assertEqual(single.count("#define MITOGEN_ABI"), 1)
        self.assertNotIn("#include <mitogen/", single)
        self.assertLess(single.index("#include <version>"), single.index("---- mitogen/"))
        self.assertIn("#undef MITOGEN_SOMETIMES", self.get("include/mitogen/base/undef.hpp"))

    def test_is_deterministic(self):
        self.passes("amalgamate")
        first = self.get("single_include/mitogen/mitogen.hpp")
        os.remove(os.path.join(self.root, "single_include/mitogen/mitogen.hpp"))
        self.passes("amalgamate")
        self.assertEqual(first, self.get("single_include/mitogen/mitogen.hpp"))

    def test_notices_a_stale_file(self):
        self.passes("amalgamate")
        self.header("base/new.hpp", "#include <mitogen/base/config.hpp>\n")
        self.fails("is stale", "amalgamate", "--check")

    def test_keeps_conditional_includes_of_others_in_place(self):
        self.header("base/a.hpp", "#ifdef __FreeBSD__\n#include <sys/event.h>\n#endif\n")
        self.passes("amalgamate")
        self.assertIn("#ifdef __FreeBSD__\n#include <sys/event.h>\n#endif", self.get("single_include/mitogen/mitogen.hpp"))

    def test_refuses_an_unknown_header(self):
        self.header("base/a.hpp", "#include <mitogen/base/nothing.hpp>\n")
        self.fails("no such header", "amalgamate")

    def test_refuses_a_conditional_internal_include(self):
        self.header("base/a.hpp", "#if 1\n#include <mitogen/base/config.hpp>\n#endif\n")
        self.fails("inside #if", "amalgamate")

    def test_refuses_a_quoted_include(self):
        self.header("base/a.hpp", '#include "config.hpp"\n')
        self.fails("write internal includes as", "amalgamate")

    def test_refuses_a_header_that_nothing_reaches(self):
        self.header("base/detail/lonely.hpp", "")
        self.fails("not reached", "amalgamate")

    def test_refuses_a_circle(self):
        self.header("base/a.hpp", "#include <mitogen/base/b.hpp>\n")
        self.header("base/b.hpp", "#include <mitogen/base/a.hpp>\n")
        self.fails("circle", "amalgamate")

    def test_refuses_a_foreign_macro(self):
        self.header("base/a.hpp", "#define LEAK 1\n")
        self.fails("LEAK", "amalgamate")

    def test_finds_a_macro_that_the_text_hides(self):
        self.header("base/a.hpp", "#def\\\nine MITOGEN_LEAK 1\n")
        self.fails("MITOGEN_LEAK leaks", "amalgamate")


class Levels(Tree):
    def test_accepts_lower_levels(self):
        self.header("codec/a.hpp", "#include <mitogen/base/config.hpp>\n#include <cstdint>\n")
        self.passes("check_levels")

    def test_refuses_higher_levels_and_peers(self):
        self.header("codec/a.hpp", "#include <mitogen/io/poll.hpp>\n")
        self.fails("must not include io", "check_levels")
        self.header("codec/a.hpp", "")
        self.header("sync/a.hpp", "#include <mitogen/io/poll.hpp>\n")
        self.fails("must not include io", "check_levels")

    def test_refuses_details_of_others(self):
        self.header("codec/detail/a.hpp", "")
        self.header("call/a.hpp", "#include <mitogen/codec/detail/a.hpp>\n")
        self.fails("belongs to codec alone", "check_levels")

    def test_refuses_posix_and_heavy_headers(self):
        self.header("codec/a.hpp", "#include <unistd.h>\n")
        self.fails("only in os/ and io/", "check_levels")
        self.header("codec/a.hpp", "#include <iostream>\n")
        self.fails("too heavy", "check_levels")

    def test_ignores_comments(self):
        self.header("codec/a.hpp", "/*\n#include <unistd.h>\n*/\n")
        self.passes("check_levels")


class PolicyBypass(Tree):
    def test_finds_threads_clocks_and_calls(self):
        for text in ("std::mutex m;", "auto t = std::chrono::steady_clock::now();", "auto n = ::read(0, nullptr, 0);", "std::thread t;"):
            self.header("loop/a.hpp", text + "\n")
            self.fails("from the I/O policy", "check_policy_bypass")

    def test_lets_policies_members_and_comments_pass(self):
        self.header("io/a.hpp", "std::mutex m;\n")
        self.header("loop/a.hpp", "// std::mutex\nauto n = io.read(0, p, 1); auto m = os::read(0, p, 1); auto s = \"::read(\";\n")
        self.passes("check_policy_bypass")


class Files(Tree):
    def test_accepts_a_clean_tree(self):
        self.put("README.md", "see https://example.org/home/page, /usr/bin/env and [docs](docs/a.md)\n\n```sh\ntools/setup && tools/test\n```\n")
        self.passes("check_tree")

    def test_refuses_paths_of_one_machine(self):
        self.put("docs/a.md", "see " + "/some" + "where/else\n")
        self.fails("path of one machine", "check_tree")

    def test_refuses_paths_out_of_the_tree(self):
        self.put("docs/a.md", "see " + "../" * 2 + "other\n")
        self.fails("path outside the tree", "check_tree")
        self.put("docs/a.md", "see ../README.md\n")
        self.passes("check_tree")

    def test_refuses_untidy_cpp(self):
        self.put("tests/a.cpp", "int x;\n")
        self.fails("SPDX", "check_tree")
        self.header("base/a.hpp", "#include <vector>\n#include <string>\n")
        self.fails("stands after", "check_tree")
        self.header("base/a.hpp", "// " + "x" * 100 + "\n")
        self.fails("103 columns", "check_tree")

    def test_mends_long_lines_but_not_directions(self):
        expect = "// expect: " + "x " * 100 + "y\n"
        self.put("tests/a.cpp", expect + TOP.split("\n")[0] + "\n// " + "word " * 40 + "end\n// of it.\nint x; // " + "why " * 33 + "so\n")
        self.fails("columns", "check_tree")
        self.passes("check_tree", "--fix")
        mended = self.get("tests/a.cpp")
        self.assertTrue(mended.startswith(expect))
        self.assertIn("word end of it.\n", mended)
        self.assertIn("so\nint x;\n", mended)

    def test_wants_each_reason_explained(self):
        self.header("base/error_detail.hpp", "enum class reason { none = 0, lost = 1 /* x = 2 */ };\n")
        self.put("docs/errors.md", "`none`\n\n| `lost` | gone |\n")
        self.passes("check_tree")
        self.put("docs/errors.md", "`none`, and `lost`\n")
        self.fails("says nothing of reason::lost", "check_tree")

    def test_compares_readme_and_ci(self):
        self.put("README.md", "tools/setup; tools/test\n")
        self.fails("no line that reads exactly", "check_tree")


class Cmake(Tree):
    def check(self, text):
        self.put("CMakeLists.txt", "# Works with CMake 3.16.\ncmake_minimum_required(VERSION 3.16)\n" + text + "\n")
        return ("check_cmake",)

    def test_accepts_what_is_old_enough(self):
        self.passes(*self.check("file(GLOB_RECURSE a CONFIGURE_DEPENDS b)\nforeach(a IN LISTS b)\nendforeach()\nlist(POP_FRONT a b)"))
        self.passes(*self.check("# cmake_path(GET a FILENAME b)\ncmake_minimum_required(VERSION 3.25)\ncmake_path(GET a FILENAME b)"))

    def test_finds_what_is_newer(self):
        for text, word in (("cmake_path(GET a FILENAME b)", "cmake_path"), ("option(A \"\" ${PROJECT_IS_TOP_LEVEL})", "PROJECT_IS_TOP_LEVEL"),
                           ("target_sources(m INTERFACE FILE_SET HEADERS)", "FILE_SET"), ("file(CONFIGURE OUTPUT a CONTENT b)", "CONFIGURE"),
                           ("execute_process(COMMAND a COMMAND_ERROR_IS_FATAL ANY)", "COMMAND_ERROR_IS_FATAL"),
                           ("include(CheckLinkerFlag)\ncheck_linker_flag(CXX a b)", "CheckLinkerFlag"),
                           ("foreach(a IN ZIP_LISTS b c)\nendforeach()", "ZIP_LISTS"), ("target_link_options(a PRIVATE $<HOST_LINK:-s>)", "HOST_LINK")):
            self.fails(f"{word} came after CMake 3.16", *self.check(text))


class Snippets(Tree):
    """With a library of two names, so that it takes no time."""

    def setUp(self):
        super().setUp()
        self.put("tools/snippets.ipp", "namespace mitogen {\n" + "template <auto F> inline constexpr int run_on = 0;\n"
                 "template <class T = void> struct task {};\n}\nnamespace snippets {\nextern int given;\nstruct thing {};\n}\n")

    def page(self, *blocks, name="docs/page.md"):
        self.put(name, "# Page\n\n" + "\n".join(f"Text.\n\n```cpp\n{block}\n```\n" for block in blocks))

    def test_accepts_programs_and_fragments(self):
        self.page("int main() { return 0; }", "int next = given + 1;\nnext = 3;", "#define A 1\nstatic int a = A;")
        self.passes("check_snippets")

    def test_names_page_and_line(self):
        self.page("int a = given;", "int b = given;\nint c = unknown;")
        self.fails("docs/page.md:13:", "check_snippets")
        self.page("int main() {\n    return unknown;\n}")
        self.fails("docs/page.md:7:", "check_snippets")
        self.page("#include <nowhere.hpp>")
        self.fails("docs/page.md:6:", "check_snippets")

    def test_warnings_count(self):
        self.page("unsigned u = 1;\nif (u < given) u = 2;")
        self.fails("sign", "check_snippets")

    def test_declarations_go_before_statements_and_last_for_the_page(self):
        self.page("f(point{1});\nstruct point { int x; };\nvoid f(point);\nif (given) { f({2}); } else { f({3}); }",
                  "point p{4};\nf(p);", "struct point {};\nvoid f(point p) { (void)p; }\nf(point{});")
        self.passes("check_snippets")
        self.page("point q{};", name="docs/other.md") # no other page sees them
        self.fails("docs/other.md:6:", "check_snippets")

    def test_specialises_templates_of_the_library(self):
        self.page("int f(int x) { return x; }\ntemplate <> inline constexpr int mitogen::run_on<&f> = 1;\n"
                  "static_assert(mitogen::run_on<&f> == 1);",
                  "template <> inline constexpr int mitogen::run_on<thing{}> = 2;")
        self.passes("check_snippets")

    def test_leaves_out_what_an_ellipsis_stands_for(self):
        self.page("auto f = [](int x) { … };\nf(1);")
        self.passes("check_snippets")

    def test_refuses_a_block_without_end(self):
        self.put("docs/page.md", "```cpp\nint a;\n")
        self.fails("without an end", "check_snippets")


@unittest.skipUnless(shutil.which("doxygen"), "no doxygen")
class Reference(Tree):
    HEADER = """namespace mitogen::inline MITOGEN_ABI {
/// Sends `x`; see call().
template <class Io> class basic_chain {
    int hidden_;
public:
    /// Adds it.
    void add(int x);
    bool try_add(int x);
    int none = 0; ///< of them | there are
};
/// What people write.
using chain = basic_chain<int>;
/// Why.
enum class reason : unsigned { lost = 3 /**< it is gone */ };
namespace detail { struct secret_part {}; }
namespace log {
/// Writes.
void write(int level);
}
}
"""

    def setUp(self):
        super().setUp()
        os.remove(os.path.join(self.root, "include/mitogen/io/poll.hpp"))
        self.header("call/chain.hpp", self.HEADER)
        self.pages("chain", "reason")

    def pages(self, *names):
        self.put("tools/reference_pages.py", f"PAGES = {{'call': ('Calls', 'About calls.', {list(names)!r}), "
                 "'log': ('Logs', 'About logs.', ['mitogen::log::*'])}\n")

    def test_writes_what_it_then_accepts(self):
        self.passes("reference")
        self.passes("reference", "--check")
        page = self.get("docs/reference/call.md")
        for text in ("## chain", "Sends `x`; see call().", "void add(int x);\nbool try_add(int x);", "| `int none = 0` | of them \\| there are |",
                     "| `lost` | 3 | it is gone |"):
            self.assertIn(text, page)
        for text in ("hidden_", "secret_part"):
            self.assertNotIn(text, page)
        self.assertIn("## log::write", self.get("docs/reference/log.md"))
        self.assertIn("[chain](call.md#chain)", self.get("docs/reference/README.md"))

    def test_wants_a_page_and_a_comment_for_each_name(self):
        self.passes("reference")
        self.header("call/more.hpp", "namespace mitogen {\nint more();\n}\n")
        self.fails("call/more.hpp:6: more has no page", "reference", "--check")
        self.fails("call/more.hpp:6: more has no /// comment", "reference", "--check")
        code, output = self.tool("reference", "--left")
        self.assertEqual((code, output), (0, "mitogen/call/more.hpp: more\n"))

    def test_notices_stale_pages(self):
        self.passes("reference")
        self.header("call/chain.hpp", self.HEADER.replace("Adds it.", "Adds one."))
        self.fails("docs/reference/call.md: not what the headers say", "reference", "--check")
        self.header("call/chain.hpp", self.HEADER.replace("chain", "line"))
        self.pages("line", "reason")
        self.fails("chain is not a public name", "reference", "--check")
        self.fails("line is missing", "reference", "--check")

    def test_refuses_a_table_that_names_what_there_is_not(self):
        self.pages("chain", "reason", "gone")
        self.fails("lists gone", "reference", "--check")


class CompileFail(Tree):
    def check(self, text):
        self.put("a.cpp", text)
        return "check_compile_fail", os.path.join(self.root, "a.cpp")

    def test_wants_failure_text_and_mended_success(self):
        bad = '#ifndef FIXED\nstatic_assert(false, "sorry, no");\n#endif\n'
        self.passes(*self.check("// expect: sorry, no\n" + bad))
        self.passes(*self.check("// expect: {excuse me|sorry}, no\n" + bad))
        self.fails("does not say: other", *self.check("// expect: other\n" + bad))
        self.fails("no line", *self.check(bad))
        self.fails("compiles, and must not", *self.check("// expect: x\n"))
        self.fails("must compile with -DFIXED", *self.check('// expect: sorry\nstatic_assert(false, "sorry");\n'))


class Output(Tree):
    def test_compares_lines_and_status(self):
        self.put("a.cpp", "// expect: one two\n// args: 'one two'\n")
        self.passes("check_output", "a.cpp", "/bin/echo")
        self.fails("+ ", "check_output", "a.cpp", "/bin/cat")
        self.put("a.cpp", "")
        self.fails("status 1", "check_output", "a.cpp", "/bin/false")

    def test_runs_programs_in_an_environment_of_its_own(self):
        self.put("a.cpp", "// expect: C.UTF-8 none 0022 /usr/local/sbin 0000000000000000\n")
        self.put("a.sh", "#!/bin/sh\n"
                 "echo $LANG ${ODD-none} $(umask) ${PATH%%:*} $(sed -n 's/^SigIgn:\\t//p' /proc/self/status)\n")
        os.chmod(os.path.join(self.root, "a.sh"), 0o755)
        self.passes("check_output", "a.cpp", os.path.join(self.root, "a.sh"))
        command = [os.path.join(self.root, "tools", "check_output"), os.path.join(self.root, "a.cpp"), os.path.join(self.root, "a.sh")]
        shell = 'trap "" PIPE HUP; umask 077; LANG=tr_TR ODD=1 exec "$@" <&-'
        run = subprocess.run(["sh", "-c", shell, "sh", *command], capture_output=True, text=True)
        self.assertEqual(run.returncode, 0, run.stdout + run.stderr)


class Cleanly(Tree):
    def test_passes_on_what_is_meant_and_nothing_else(self):
        says = ('echo $PATH $LANG $TERM ${ODD-none} ${CXXFLAGS-none} $MITOGEN_X $https_proxy $(umask) $(ls /proc/self/fd | wc -l) '
                "$(sed -n 's/^SigIgn:\\t//p' /proc/self/status); cat")
        odd = 'trap "" PIPE HUP; umask 077; exec 7</dev/null "$@" <&-'
        variables = {"PATH": "/dev/null:/usr/bin:/bin", "ODD": "1", "CXXFLAGS": "-w", "MITOGEN_X": "x", "https_proxy": "p", "LC_ALL": "tr_TR",
                     "POSIXLY_CORRECT": "1"}
        run = subprocess.run(["sh", "-c", odd, "sh", os.path.join(self.root, "tools", "cleanly"), "sh", "-c", says], env=variables,
                             capture_output=True, text=True)
        self.assertEqual(run.stdout, "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin C.UTF-8 dumb none none x p 0022 4 "
                                     "0000000000000000\n", run.stderr)

    def test_setup_and_test_use_it(self):
        for tool in ("setup", "test"):
            with open(os.path.join(TOOLS, tool), encoding="utf-8") as file:
                self.assertIn(f'exec tools/cleanly tools/{tool} "$@"', file.read())


unittest.main()
