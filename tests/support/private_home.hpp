// SPDX-License-Identifier: BSL-1.0
#pragma once
// private_home.hpp: a home directory for as long as the tests run: what first stages keep there is not left to who runs the
// tests.

#include <cstdlib>
#include <filesystem>
#include <string>
#include <system_error>
#include <unistd.h>

namespace support {

/// The home of this process and of all that it starts and that does not get another one.
class private_home {
    std::string dir_;
    pid_t owner_ = ::getpid();

public:
    private_home() {
        std::string name = (std::filesystem::temp_directory_path() / "mitogen_home.XXXXXX").string();
        if (!::mkdtemp(name.data())) return; // then the tests that need one say so
        dir_ = name;
        ::setenv("HOME", dir_.c_str(), 1);
        ::unsetenv("XDG_CACHE_HOME");
    }
    private_home(const private_home&) = delete;
    private_home& operator=(const private_home&) = delete;
    ~private_home() {
        std::error_code ignored;
        if (!dir_.empty() && ::getpid() == owner_) std::filesystem::remove_all(dir_, ignored);
    }
};

} // namespace support
