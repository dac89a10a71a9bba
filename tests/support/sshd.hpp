// SPDX-License-Identifier: BSL-1.0
#pragma once
// sshd.hpp: an ssh server for the length of a test, with keys of its own, on 127.0.0.1, 127.0.0.2
// and 127.0.0.3.

#include "support/internals.hpp"
#include "support/scratch.hpp"
#include "support/soon.hpp"

#include <catch2/catch.hpp>
#include <cstdlib>
#include <ctime>
#include <fcntl.h>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>
#include <unistd.h>
#include <utility>
#include <vector>

namespace support {

/// Runs tools/with_sshd, which does the work, until this object goes: its pipe closes even when the
/// test is killed.
class sshd {
    mitogen::os::kill_on_destroy_process runner_;
    mitogen::os::unique_fd lifeline_;
    std::string dir_;
    std::string port_;

    static std::string script() {
        namespace fs = std::filesystem;
        const fs::path path = fs::absolute(__FILE__).parent_path().parent_path().parent_path() /
                              "tools" / "with_sshd";
        if (!fs::exists(path)) FAIL("not there: " << path << "; compile with absolute paths");
        return path.string();
    }

public:
    sshd() {
        mitogen::os::unique_fd child_in;
        mitogen::os::unique_fd out;
        mitogen::os::unique_fd child_out;
        REQUIRE(mitogen::os::pipe(child_in, lifeline_) >= 0);
        REQUIRE(mitogen::os::pipe(out, child_out) >= 0);
        mitogen::os::spawn_options options;
        options.path = script();
        options.argv = {options.path, "sh", "-c",
                        "echo \"$MITOGEN_SSHD_DIR $MITOGEN_SSHD_PORT\"; exec cat >/dev/null"};
        options.in = child_in.get();
        options.out = child_out.get();
        options.err = 2;
        runner_ = mitogen::os::spawn(options).value();
        child_in.reset();
        child_out.reset();
        std::string said;
        for (char c = 0; ::read(out.get(), &c, 1) == 1 && c != '\n';) said += c;
        const auto blank = said.find(' ');
        if (blank == std::string::npos) {
            runner_.wait();
            FAIL("no ssh server, see above; tools/setup installs what is needed");
        }
        dir_ = said.substr(0, blank);
        port_ = said.substr(blank + 1);
    }
    sshd(const sshd&) = delete;
    sshd& operator=(const sshd&) = delete;
    ~sshd() {
        lifeline_.reset();
        runner_.wait();
    }

    /// Its directory: see tools/with_sshd for what lies there.
    const std::string& dir() const { return dir_; }
    std::string home() const { return dir_ + "/home"; }
    std::uint16_t port() const { return static_cast<std::uint16_t>(std::atoi(port_.c_str())); }

    /// How to log in there.
    mitogen::ssh host(std::string hostname = "127.0.0.1") const {
        mitogen::ssh how;
        how.hostname = std::move(hostname);
        how.ssh_args = {"-F", dir_ + "/ssh_config"};
        return how;
    }

    /// How to log in where `shell`, a program, is the login shell.
    mitogen::ssh with_login_shell(const std::string& shell) const {
        mitogen::ssh how = host("127.0.0.2");
        how.ssh_args.insert(how.ssh_args.end(), {"-o", "SetEnv MITOGEN_LOGIN=" + shell});
        return how;
    }

    /// As with_login_shell(), for a shell made of these lines of sh; `exec sh "$@"` runs the
    /// command.
    mitogen::ssh with_login_script(const std::string& body) const {
        return with_login_shell(write_script(dir_ + "/login", body));
    }

    /// Without configuration and keys: the options say everything.
    mitogen::ssh bare_host(std::string hostname = "127.0.0.1") const {
        mitogen::ssh how;
        how.hostname = std::move(hostname);
        how.port = port();
        how.ssh_args = {"-F", "none",
                        "-o", "UserKnownHostsFile " + dir_ + "/known_hosts",
                        "-o", "IdentityAgent none"};
        return how;
    }

    /// What is still there of what ran there: processes, and directories of the first stage. Waits
    /// a little for it to go.
    std::string left_behind() const {
        std::string found;
        soon([&] { return (found = look_around()).empty(); });
        return found;
    }

private:
    std::string look_around() const {
        namespace fs = std::filesystem;
        std::string found;
        const std::string sign = "MITOGEN_SSHD_TARGET=" + dir_;
        std::error_code ignored;
        for (const auto& entry : fs::directory_iterator("/proc", ignored)) {
            std::ifstream environment(entry.path() / "environ", std::ios::binary);
            const std::string text{std::istreambuf_iterator<char>(environment), {}};
            if (text.find(sign) == std::string::npos) continue;
            std::ifstream command(entry.path() / "cmdline", std::ios::binary);
            found += "process " + entry.path().filename().string() + ": " +
                     std::string{std::istreambuf_iterator<char>(command), {}} + "\n";
        }
        for (const auto& entry : fs::recursive_directory_iterator(home(), ignored))
            if (entry.path().filename().string().starts_with("mitogen-"))
                found += entry.path().string() + "\n";
        return found;
    }
};

} // namespace support
