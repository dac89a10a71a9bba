#!/usr/bin/env python3
# SPDX-License-Identifier: BSL-1.0
"""Carries out packaging/conan without Conan: the recipe's methods in the order in which `conan create` calls them, with stand-ins
for what they import, and then the test package against what the recipe says about itself.

usage: conan_steps.py RECIPE_DIR WORK_DIR COMPILER compiled|headers
"""
import fnmatch
import importlib.util
import os
import shutil
import subprocess
import sys
import types
from collections import defaultdict
from types import SimpleNamespace


class Configuration(Exception):
    pass


class Information:
    """cpp_info, or one of its components."""

    def __init__(self):
        self.properties, self.requires, self.libs, self.system_libs, self.defines = {}, [], [], [], []
        self.exelinkflags, self.sharedlinkflags = [], []
        self.includedirs, self.libdirs, self.bindirs = ["include"], ["lib"], ["bin"]

    def set_property(self, name, value):
        self.properties[name] = value


class Recipe:
    def __init__(self):
        self.cpp_info = Information()
        self.cpp_info.components = defaultdict(Information)
        self.info = SimpleNamespace(clear=lambda: None)
        self.required = []

    def requires(self, name, **_):
        self.required.append(name)


def run(*command):
    subprocess.run(command, check=True)


def copy(_, pattern, src, dst):
    for folder, _, names in os.walk(src):
        for name in names:
            path = os.path.relpath(os.path.join(folder, name), src)
            if fnmatch.fnmatch(path, pattern):
                os.makedirs(os.path.dirname(os.path.join(dst, path)), exist_ok=True)
                shutil.copy2(os.path.join(src, path), os.path.join(dst, path))


class CMake:
    """The part that CMakeToolchain plays is an option for each variable."""

    def __init__(self, recipe):
        self.recipe = recipe

    def configure(self, variables=None):
        said = [f"-D{name}={value}" for name, value in (variables or {}).items()]
        run("cmake", "-G", "Ninja", "-S", self.recipe.source_folder, "-B", self.recipe.build_folder, "-D", "CMAKE_BUILD_TYPE=Release",
            "-D", f"CMAKE_CXX_COMPILER={self.recipe.cxx}", "-D", "CMAKE_CXX_FLAGS=-O0", *said, *self.recipe.cmake_arguments)

    def build(self):
        run("cmake", "--build", self.recipe.build_folder)

    def install(self):
        run("cmake", "--install", self.recipe.build_folder, "--prefix", self.recipe.package_folder)


def stand_ins():
    def module(name, **members):
        sys.modules[name] = types.ModuleType(name)
        sys.modules[name].__dict__.update(members)

    def read(_, path):
        with open(path, encoding="utf-8") as file:
            return file.read()

    module("conan", ConanFile=Recipe)
    module("conan.errors", ConanInvalidConfiguration=Configuration)
    module("conan.tools")
    module("conan.tools.build", check_min_cppstd=lambda recipe, standard: None, can_run=lambda recipe: True)
    module("conan.tools.cmake", CMake=CMake, cmake_layout=lambda recipe: None)
    module("conan.tools.files", copy=copy, load=read, rmdir=lambda _, path: shutil.rmtree(path, ignore_errors=True))


def recipe_of(folder, work, cxx):
    spec = importlib.util.spec_from_file_location("recipe", os.path.join(folder, "conanfile.py"))
    loaded = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(loaded)
    kinds = [kind for kind in vars(loaded).values() if isinstance(kind, type) and issubclass(kind, Recipe) and kind is not Recipe]
    recipe = kinds[0]()
    recipe.recipe_folder, recipe.cxx, recipe.cmake_arguments = folder, cxx, []
    for name in ("export_sources", "build", "package"):
        os.makedirs(os.path.join(work, name))
        setattr(recipe, name + "_folder", os.path.join(work, name))
    recipe.source_folder = recipe.export_sources_folder
    recipe.settings = SimpleNamespace(os="Linux", arch="x86_64", compiler="gcc", build_type="Release")
    recipe.run = lambda command, env=None: run(command)
    recipe.cpp = SimpleNamespace(build=SimpleNamespace(bindir=recipe.build_folder))
    return recipe


def write_package(recipe, folder):
    """What CMakeDeps makes of cpp_info: a package file with an imported target for each component."""
    root, lines = recipe.package_folder, []
    for name, part in recipe.cpp_info.components.items():
        target = part.properties["cmake_target_name"]
        needed = [recipe.cpp_info.components[other].properties["cmake_target_name"] for other in part.requires if "::" not in other]
        libraries = [os.path.join(root, folder, f"lib{lib}.a") for folder in part.libdirs for lib in part.libs]
        for path in libraries + [os.path.join(root, include) for include in part.includedirs]:
            if not os.path.exists(path):
                sys.exit(f"component {name}: no {path}")
        lines += [f"add_library({target} INTERFACE IMPORTED)",
                  f"target_include_directories({target} INTERFACE {' '.join(os.path.join(root, i) for i in part.includedirs)})",
                  f"target_compile_definitions({target} INTERFACE {' '.join(part.defines)})",
                  f"target_link_options({target} INTERFACE {' '.join(part.exelinkflags)})",
                  f"target_link_libraries({target} INTERFACE {' '.join(libraries + part.system_libs + needed)})"]
    for path in recipe.cpp_info.properties.get("cmake_build_modules", []):
        lines.append(f"include({os.path.join(root, path)})")
    os.makedirs(folder)
    with open(os.path.join(folder, recipe.cpp_info.properties["cmake_file_name"] + "-config.cmake"), "w", encoding="utf-8") as file:
        file.write("\n".join(lines) + "\n")


def main(folder, work, cxx, mode):
    folder, work = os.path.abspath(folder), os.path.abspath(work)
    shutil.rmtree(work, ignore_errors=True)
    stand_ins()
    recipe = recipe_of(folder, os.path.join(work, "recipe"), cxx)
    if set(recipe.default_options) != set(recipe.options):
        sys.exit("an option without a default")
    recipe.options = SimpleNamespace(compiled=mode == "compiled", boost=False)
    recipe.set_version()
    recipe.export_sources()
    recipe.requirements()
    recipe.validate()
    recipe.layout()
    recipe.package_id()
    recipe.build()
    recipe.package()
    recipe.package_info()
    if recipe.required or not os.path.exists(os.path.join(recipe.package_folder, "licenses", "LICENSE")):
        sys.exit("it requires something, or has no licence")
    write_package(recipe, os.path.join(work, "generators"))

    recipe.settings.os = "Windows"
    try:
        recipe.validate()
        sys.exit("it lets Windows pass")
    except Configuration:
        pass

    consumer = recipe_of(os.path.join(folder, "test_package"), os.path.join(work, "consumer"), cxx)
    consumer.tested_reference_str = f"mitogen/{recipe.version}"
    consumer.source_folder = consumer.recipe_folder
    consumer.cmake_arguments = ["-D", f"CMAKE_PREFIX_PATH={os.path.join(work, 'generators')}", "-D", "CMAKE_CXX_STANDARD=20"]
    consumer.requirements()
    consumer.layout()
    consumer.build()
    consumer.test()
    print(f"mitogen/{recipe.version} ({mode})")


if len(sys.argv) != 5:
    print(__doc__.strip())
    sys.exit(2)
main(*sys.argv[1:])
