// SPDX-License-Identifier: BSL-1.0
#pragma once
// scratch.hpp: a directory for the length of a test, and scripts in it.

#include <catch2/catch.hpp>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>
#include <system_error>
#include <unistd.h>

namespace support {

/// A script that a test writes, executable.
inline std::string write_script(const std::filesystem::path& path, const std::string& body) {
    std::ofstream(path) << "#!/bin/sh\n" << body;
    std::filesystem::permissions(path, std::filesystem::perms::owner_all);
    return path.string();
}

/// A directory that goes with this object, and all that is in it.
class scratch {
    std::string dir_;

public:
    scratch() {
        std::string name = (std::filesystem::temp_directory_path() / "scratch.XXXXXX").string();
        REQUIRE(::mkdtemp(name.data()));
        dir_ = name;
    }
    scratch(const scratch&) = delete;
    scratch& operator=(const scratch&) = delete;
    ~scratch() {
        std::error_code ignored;
        std::filesystem::remove_all(dir_, ignored);
    }
    std::string operator/(const std::string& name) const { return dir_ + "/" + name; }
    const std::string& path() const { return dir_; }

    /// What a file there holds.
    std::string text(const std::string& name) const {
        std::ifstream file(*this / name);
        return {std::istreambuf_iterator<char>(file), {}};
    }

    /// An executable script of sh.
    std::string script(const std::string& name, const std::string& body) const {
        return write_script(*this / name, body);
    }
};

} // namespace support
