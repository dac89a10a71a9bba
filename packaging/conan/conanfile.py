# SPDX-License-Identifier: BSL-1.0
"""The recipe for Conan 2: conan create packaging/conan"""
import os
import re

from conan import ConanFile
from conan.errors import ConanInvalidConfiguration
from conan.tools.build import check_min_cppstd
from conan.tools.cmake import CMake, cmake_layout
from conan.tools.files import copy, load, rmdir


class Mitogen(ConanFile):
    name = "mitogen"
    description = "Typed calls into processes, hosts and containers, with nothing installed there"
    license = "BSL-1.0"
    topics = ("rpc", "ssh", "processes", "containers", "header-only")
    settings = "os", "arch", "compiler", "build_type"
    options = {"compiled": [True, False], "boost": [True, False]}
    default_options = {"compiled": False, "boost": False}
    generators = "CMakeToolchain", "CMakeDeps"

    def _tree(self):
        return os.path.join(self.recipe_folder, os.pardir, os.pardir)

    def set_version(self):
        text = load(self, os.path.join(self._tree(), "include", "mitogen", "base", "version.hpp"))
        parts = (re.search(rf"MITOGEN_VERSION_{part} (\d+)", text) for part in ("MAJOR", "MINOR", "PATCH"))
        self.version = ".".join(part.group(1) for part in parts)

    def export_sources(self):
        for pattern in ("CMakeLists.txt", "LICENSE", "cmake/*", "include/*", "src/*"):
            copy(self, pattern, self._tree(), self.export_sources_folder)

    def requirements(self):
        if self.options.boost:
            self.requires("boost/[>=1.81]", transitive_headers=True)

    def validate(self):
        check_min_cppstd(self, 20)
        if self.settings.os == "Windows":
            raise ConanInvalidConfiguration("mitogen needs POSIX")

    def layout(self):
        cmake_layout(self)

    def package_id(self):
        if not self.options.compiled:
            self.info.clear()

    def build(self):
        variables = {"MITOGEN_TESTS": False, "MITOGEN_PROGRAMS": False, "MITOGEN_EXAMPLES": False, "MITOGEN_BOOST": bool(self.options.boost),
                     "MITOGEN_COMPILED": bool(self.options.compiled)}
        if self.options.boost:
            variables["MITOGEN_BOOST_INCLUDE"] = self.dependencies["boost"].cpp_info.includedirs[0]
        cmake = CMake(self)
        cmake.configure(variables=variables)
        cmake.build()

    def package(self):
        CMake(self).install()
        for folder in ("lib/cmake", "lib/pkgconfig", "share"): # Conan writes its own
            rmdir(self, os.path.join(self.package_folder, folder))
        copy(self, "payload.cmake", os.path.join(self.source_folder, "cmake"), os.path.join(self.package_folder, "lib", "cmake"))
        copy(self, "LICENSE", self.source_folder, os.path.join(self.package_folder, "licenses"))

    def package_info(self):
        self.cpp_info.set_property("cmake_file_name", "mitogen")
        self.cpp_info.set_property("cmake_target_name", "mitogen::all") # mitogen::mitogen is one of the components
        self.cpp_info.set_property("cmake_build_modules", [os.path.join("lib", "cmake", "payload.cmake")])
        headers = self.cpp_info.components["headers"]
        headers.set_property("cmake_target_name", "mitogen::mitogen")
        headers.set_property("pkg_config_name", "mitogen")
        headers.libdirs, headers.bindirs = [], []
        headers.system_libs = ["pthread"]
        if self.options.boost:
            headers.requires = ["boost::headers"]
        if self.options.compiled:
            compiled = self.cpp_info.components["compiled"]
            compiled.set_property("cmake_target_name", "mitogen::compiled")
            compiled.set_property("pkg_config_name", "mitogen-compiled")
            compiled.requires = ["headers"]
            compiled.libs = ["mitogen"]
            compiled.bindirs = []
            compiled.defines = ["MITOGEN_SEPARATE"]
            if not self.options.boost:
                compiled.defines += ["MITOGEN_NO_PFR", "MITOGEN_NO_DESCRIBE"]
            if self.settings.os in ("Linux", "FreeBSD"):
                compiled.exelinkflags = compiled.sharedlinkflags = ["-Wl,--gc-sections"]
