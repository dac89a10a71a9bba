// SPDX-License-Identifier: BSL-1.0
#pragma once
// private_home.hpp: a home directory for as long as the tests run: what first stages keep there is
// not left to who runs the tests.

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
    std::filesystem::file_time_type begin_ = std::filesystem::file_time_type::clock::now();

public:
    private_home() {
        std::string name =
            (std::filesystem::temp_directory_path() / "mitogen_home.XXXXXX").string();
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

    /// Programs as large as this one that have come since into caches which all users of this
    /// machine share: a test has not given its first stage a place of its own. One line for each.
    std::string left_elsewhere() const {
        namespace fs = std::filesystem;
        std::string found;
        std::error_code ignored;
        const auto size = fs::file_size("/proc/self/exe", ignored);
        if (ignored) return found;
        for (const char* const shared : {"/var/tmp", "/tmp", "/dev/shm"}) {
            for (const auto& cache : fs::directory_iterator(shared, ignored)) {
                const std::string name = cache.path().filename().string();
                // tests remove the latter
                if (!name.starts_with("mitogen.") || name.starts_with("mitogen.first_stage."))
                    continue;
                for (const auto& program : fs::directory_iterator(cache.path(), ignored))
                    if (program.is_regular_file(ignored) && program.file_size(ignored) == size &&
                        program.last_write_time(ignored) > begin_)
                        found += program.path().string() + "\n";
            }
        }
        return found;
    }
};

} // namespace support
