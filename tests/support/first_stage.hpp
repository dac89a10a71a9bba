// SPDX-License-Identifier: BSL-1.0
#pragma once
// first_stage.hpp: the first stage on this machine, with a home of its own, for tests.

#include "support/internals.hpp"
#include "support/scratch.hpp"
#include "support/soon.hpp"

#include <catch2/catch.hpp>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>
#include <unistd.h>
#include <vector>

namespace support {

namespace fs = std::filesystem;

/// A private directory in which the first stage finds everything that it may use.
class playground {
    scratch dir_;

public:
    playground() {
        fs::create_directories(home() + "/.cache");
        fs::create_directories(dir_ / "bin");
    }
    playground(const playground&) = delete;
    playground& operator=(const playground&) = delete;
    ~playground() {
        std::error_code ignored;
        for (const char* shared : {"/var/tmp/", "/tmp/", "/dev/shm/"})
            fs::remove_all(shared + shared_cache(), ignored);
    }

    std::string home() const { return dir_ / "home"; }
    std::string cache() const { return home() + "/.cache/mitogen"; }
    /// The name of caches outside of the home.
    std::string shared_cache() const { return "mitogen." + user(); }
    std::string user() const { return fs::path(dir_.path()).filename().string(); }
    std::vector<std::string> environment() const {
        return {"LOGNAME=" + user(), "HOME=" + home(), "XDG_RUNTIME_DIR", "TMPDIR",
                "XDG_CACHE_HOME",    "PATH=" + path()};
    }
    std::string path() const { return dir_ / "bin:" + std::getenv("PATH"); }

    /// Where put() and script() put something of that name.
    std::string bin(const std::string& name) const { return dir_ / ("bin/" + name); }

    /// Makes `program` the system's `name`.
    void put(const std::string& name, const std::string& program) {
        fs::create_symlink(program, bin(name));
    }

    /// As put(), for a script.
    void script(const std::string& name, const std::string& body) {
        write_script(bin(name), body);
    }

    /// What scripts have noted in it.
    std::string log() const {
        return dir_.text("log");
    }

    /// All but the cache and the programs in it.
    std::vector<std::string> left_behind() const {
        std::vector<std::string> found;
        for (const auto& entry : fs::recursive_directory_iterator(home())) {
            const fs::path& path = entry.path();
            const bool cached = path.parent_path() == cache() &&
                                (path.filename() == "x" || path.filename().string().size() == 64);
            if (path.filename() != ".cache" && path != cache() && !cached)
                found.push_back(path.string());
        }
        return found;
    }

    /// The programs in the cache.
    std::vector<std::string> programs() const {
        std::vector<std::string> found;
        if (fs::exists(cache()))
            for (const auto& entry : fs::directory_iterator(cache()))
                if (entry.path().filename() != "x") found.push_back(entry.path().string());
        return found;
    }
};

/// The first stage on this machine, as a connection method.
struct staged {
    std::vector<std::string> environment{};
    std::string shell = "/bin/sh";
    std::string name{};
    std::chrono::milliseconds connect_timeout{20'000};
    std::string executable{};
    std::optional<mitogen::limits> limits{};
    bool keep_program = true;
    bool compress_program = false;

    mitogen::result<mitogen::boot_plan> plan() const {
        mitogen::boot_plan p;
        p.what = "staged child";
        p.name = "staged";
        mitogen::detail::apply_common(*this, p);
        p.program = mitogen::detail::open_program(executable).value();
        p.staged = &mitogen::detail::by_a_shell;
        p.compress_program = compress_program;
        p.start.path = shell;
        p.start.argv = {shell, "-c",
                        mitogen::detail::first_stage_command(mitogen::detail::patience_for(
                            mitogen::detail::to_ns(connect_timeout)))};
        p.start.environment = environment;
        return p;
    }
};

/// The first stage alone, with a parent that can do anything.
class bare_stage {
    mitogen::os::kill_on_destroy_process process_;

public:
    mitogen::os::unique_fd to;
    mitogen::os::unique_fd from;

    explicit bare_stage(const playground& place, const std::vector<std::string>& more = {},
                        int patience_s = 100) {
        mitogen::os::unique_fd child_in;
        mitogen::os::unique_fd child_out;
        REQUIRE(mitogen::os::pipe(child_in, to) >= 0);
        REQUIRE(mitogen::os::pipe(from, child_out) >= 0);
        mitogen::os::spawn_options options;
        options.path = "/bin/sh";
        options.argv = {"sh", "-c", mitogen::detail::first_stage_command(patience_s)};
        options.environment = place.environment();
        options.environment.insert(options.environment.end(), more.begin(), more.end());
        options.in = child_in.get();
        options.out = child_out.get();
        options.err = child_out.get();
        process_ = mitogen::os::spawn(options).value();
    }

    void say(const std::string& text) {
        REQUIRE(mitogen::os::write_all(to.get(), text.data(), text.size()));
    }

    /// How a program of 1000 x is sent, and its first `bytes`.
    void send(std::size_t bytes, bool keep) { say(sending(keep) + std::string(bytes, 'x')); }
    static std::string sending(bool keep) {
        // as sha256sum and cksum say
        return mitogen::detail::receiving_stage(
            {"44f8354494a5ba03ba1792a8d3e9c534c47a9181980fde7a3f44b06ef2ae7c7f", 3999126958, 1000},
            {.size = 1000, .keep = keep});
    }

    /// Waits until it has opened the file that receives the program.
    bool receiving(const std::string& ending) const {
        const std::string link = "/proc/" + std::to_string(process_.pid()) + "/fd/9";
        return soon([&] {
            std::error_code none;
            return fs::read_symlink(link, none).string().ends_with(ending);
        });
    }

    int pid() const { return static_cast<int>(process_.pid()); }
    void kill(int signal) { process_.signal(signal); }
    mitogen::exit_status wait() { return process_.wait(); }

    /// Everything that it says until it ends.
    std::string rest() {
        std::string text;
        char bytes[512];
        for (long n; (n = mitogen::os::read(from.get(), bytes, sizeof bytes)) > 0;)
            text.append(bytes, static_cast<std::size_t>(n));
        return text;
    }
};

/// Where the shell finds a program.
inline std::string find_program(const std::string& name) {
    std::string path = std::getenv("PATH");
    for (std::size_t end; !path.empty(); path.erase(0, end == std::string::npos ? end : end + 1)) {
        end = path.find(':');
        if (fs::exists(path.substr(0, end) + "/" + name)) return path.substr(0, end) + "/" + name;
    }
    FAIL(name << " is not there");
    return {};
}

} // namespace support
