#!/usr/bin/env python3
# SPDX-License-Identifier: BSL-1.0
"""Compiles, links and runs small programs in the three ways in which a program can have the library: headers only, the
core in a file of its own (MITOGEN_SOURCE), and files that only call it (MITOGEN_SEPARATE).

usage: modes.py PART --cxx COMPILER --work DIR

    core        compiles the core that all parts but the first three and `single` link
    headers, separate, source
                each front, which comes first and so must not need the others, with these after it, in that mode
    single      the single header: two files and the core; what must not link; both macros
    small       what a file that only calls has in it, and what of the core is linked to it
    options     files compiled with other options than the core: which change no layout
    method      a connection method of the program's own in a file that only calls
    visibility  errors thrown in a library that hides its names
    simulation  a program in a simulated world, which instantiates the core's templates for it
"""
import argparse
import concurrent.futures
import os
import re
import subprocess
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.dirname(os.path.dirname(HERE))
INCLUDE = os.path.join(ROOT, "include")
SINGLE = os.path.join(ROOT, "single_include")
SEPARATE = "-DMITOGEN_SEPARATE"
SOURCE = "-DMITOGEN_SOURCE"
WARNINGS = ["-Wall", "-Wextra", "-Wpedantic", "-Wconversion", "-Wshadow", "-Werror"]
# The core must do without what a user's file has, and the other way round.
OPTIONS = ["-DNDEBUG", "-fno-exceptions", "-fno-rtti", "-D_GLIBCXX_ASSERTIONS", "-std=c++23", "-O2", "-fvisibility=hidden",
           "-fsanitize=address", "-fsanitize=undefined"]
# These do change what classes hold, so files with and without them must not link.
OTHER_LAYOUT = ["-fsanitize=thread", "-D_GLIBCXX_DEBUG"]


class Failure(Exception):
    """What is wrong, for a person."""


class Build:
    def __init__(self, cxx, work):
        self.cxx = cxx
        self.work = work
        os.makedirs(work, exist_ok=True)

    def path(self, name):
        return os.path.join(self.work, name)

    def attempt(self, *arguments):
        return subprocess.run([self.cxx, "-std=c++20", *arguments], capture_output=True, text=True, cwd=self.work)

    def call(self, *arguments):
        done = self.attempt(*arguments)
        if done.returncode:
            raise Failure(f"{self.cxx} {' '.join(arguments)}\n" + "\n".join((done.stdout + done.stderr).splitlines()[:20]))

    def compile(self, source, to, *options, include=INCLUDE):
        self.call("-O0", "-I", include, *WARNINGS, *options, "-c", os.path.join(HERE, source), "-o", self.path(to))
        return self.path(to)

    def link(self, to, *arguments):
        self.call(*arguments, "-pthread", "-o", self.path(to))
        return self.path(to)

    def must_not_link(self, text, *arguments):
        done = self.attempt(*arguments, "-pthread", "-o", self.path("unwanted"))
        if not done.returncode:
            raise Failure(f"these link, and must not: {' '.join(arguments)}")
        if text not in done.stderr:
            raise Failure(f"the linker does not say {text}:\n" + "\n".join(done.stderr.splitlines()[:20]))

    def run(self, program, *arguments):
        done = subprocess.run([program, *arguments], capture_output=True, text=True, timeout=120)
        if done.returncode:
            raise Failure(f"{' '.join([program, *arguments])}: status {done.returncode}\n{done.stdout}{done.stderr}")

    def core(self, to="core.o", include=INCLUDE):
        # as CMakeLists.txt has it: the linker takes the functions that a program uses
        source = self.path("core.cpp")
        with open(source, "w", encoding="utf-8") as file:
            file.write("#include <mitogen/mitogen.hpp>\n")
        return self.compile(source, to, SOURCE, "-ffunction-sections", "-fdata-sections", "-fPIC", include=include)

    def symbols(self, file):
        """The demangled functions that are defined in an object file or a program."""
        text = subprocess.run(["nm", "-C", "--defined-only", file], capture_output=True, text=True, check=True).stdout
        return [line.split(" ", 2)[2] for line in text.splitlines() if re.match(r"\w+ [TtWw] ", line)]


def at_once(function, items):
    with concurrent.futures.ThreadPoolExecutor(2) as pool:
        for done in [pool.submit(function, item) for item in items]:
            done.result()


def fronts(build, *mode):
    folder = os.path.join(INCLUDE, "mitogen")
    names = sorted(name for name in os.listdir(folder) if name.endswith(".hpp") and name != "core.hpp")
    if len(names) < 15:
        raise Failure(f"only {len(names)} fronts in {folder}")

    def one(name):
        unit = build.path(f"{name[:-4]}{''.join(mode)[1:]}.cpp")
        with open(unit, "w", encoding="utf-8") as file:
            file.writelines(f"#include <mitogen/{each}>\n" for each in [name, *names])
        build.call("-I", INCLUDE, *WARNINGS, *mode, "-fsyntax-only", unit)

    at_once(one, names)


def single(build):
    core = build.core("single_core.o", SINGLE)
    calls, twice = (build.compile(name + ".cpp", f"single_{name}.o", SEPARATE, "-DMITOGEN_ONE_HEADER", include=SINGLE)
                    for name in ("calls", "twice"))
    build.run(build.link("single", calls, twice, core))
    build.must_not_link("MITOGEN_SOURCE", calls, twice)
    headers_only = build.compile("asks.cpp", "single_other.o", include=SINGLE)
    build.must_not_link("ask_one", build.compile("wants_answer.cpp", "single_wants.o", SEPARATE, include=SINGLE), twice, headers_only,
                        core)
    both = build.attempt("-I", SINGLE, SEPARATE, SOURCE, "-fsyntax-only", "-x", "c++", "-include", "mitogen/mitogen.hpp", "/dev/null")
    if not both.returncode or "MITOGEN_SOURCE is for the one file" not in both.stderr:
        raise Failure("both macros at once: no error that says so")


def small(build):
    calls = build.compile("only_calls.cpp", "only_calls.o", SEPARATE, "-O1")
    size = subprocess.run(["size", calls], capture_output=True, text=True, check=True).stdout
    text = int(size.splitlines()[1].split()[0])
    if text >= 60000:
        raise Failure(f"{text} bytes of code in a file that only makes a child and calls")
    core = re.compile(r"epoll|poller|spawn|bootstrap|route_table|basic_router_core")
    found = [name for name in build.symbols(calls) if core.search(name)]
    if found:
        raise Failure("parts of the core are compiled in a file that only calls: " + "; ".join(found[:5]))

    linked = build.symbols(build.link("only_calls", "-Wl,--gc-sections", calls, build.path("core.o")))
    if not any("bootstrap" in name for name in linked):
        raise Failure("nothing of the core is linked: this would find nothing in any program")
    # the classes and functions of what it does not name; types of members, like prompt_callback, are not meant
    unused = re.compile(r"detail::(first_stage|login_prompts|open_question|prompt_router|nsenter_main|nsenter_child|program_server|"
                        r"program_fetch|receiving_stage|memory_stage)\b|(^|::)(basic_listener|prompt_matcher|ssh|sudo|su|doas|nsenter|docker)::")
    found = [name for name in linked if unused.search(name) and "shared_ptr" not in name and "unique_function" not in name]
    if found:
        raise Failure("a program that makes local children only carries: " + "; ".join(found[:5]))
    build.run(build.path("only_calls"))


def options(build):
    twice = build.compile("twice.cpp", "twice.o", SEPARATE)

    def one(option):
        name = re.sub(r"\W", "_", option)
        calls = build.compile("calls.cpp", f"calls{name}.o", SEPARATE, option)
        sanitizer = [option] if "sanitize" in option else []
        build.run(build.link(f"calls{name}", *sanitizer, calls, twice, build.path("core.o")))

    at_once(one, OPTIONS)
    for option in OTHER_LAYOUT:
        calls = build.compile("calls.cpp", "calls_other.o", SEPARATE, option)
        build.must_not_link("mitogen::v", option, calls, twice, build.path("core.o"))


def method(build):
    own = build.compile("own_method.cpp", "own_method.o", SEPARATE)
    build.run(build.link("own_method", own, build.path("core.o")))


def visibility(build):
    hidden = ["-fvisibility=hidden", "-fvisibility-inlines-hidden", "-fPIC"]
    library = build.compile("throws.cpp", "throws.o", *hidden)
    build.link("throws.so", "-shared", library)
    for name, mode, core in (("headers", [], []), ("separate", [SEPARATE], [build.path("core.o")])):
        program = build.compile("catches.cpp", f"catches_{name}.o", *mode, *hidden)
        # a library of the same mode meets the same types
        build.link(f"throws_{name}.so", "-shared", build.compile("throws.cpp", f"throws_{name}.o", *mode, *hidden), *core)
        build.run(build.link(f"catches_{name}", program, *core, "-ldl"), build.path(f"throws_{name}.so"))


def simulation(build):
    fleet = build.compile(os.path.join(ROOT, "examples", "simulated_fleet.cpp"), "fleet.o", SEPARATE)
    build.run(build.link("fleet", fleet, build.path("core.o")))


PARTS = {
    "core": lambda build: build.core(),
    "headers": fronts,
    "separate": lambda build: fronts(build, SEPARATE),
    "source": lambda build: fronts(build, SOURCE),
    "single": single,
    "small": small,
    "options": options,
    "method": method,
    "visibility": visibility,
    "simulation": simulation,
}


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("part", choices=PARTS)
    parser.add_argument("--cxx", required=True)
    parser.add_argument("--work", required=True)
    given = parser.parse_args()
    try:
        PARTS[given.part](Build(given.cxx, given.work))
    except Failure as wrong:
        print(f"modes: {given.part}: {wrong}", file=sys.stderr)
        return 1
    print(f"modes: {given.part}: ok")
    return 0


sys.exit(main())
