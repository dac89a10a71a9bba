// SPDX-License-Identifier: BSL-1.0
#pragma once
// nsenter_child.hpp: this program, started to enter the namespaces of a process and to execute a
// command there.

#include <mitogen/base/config.hpp>
#include <mitogen/base/result.hpp>
#include <mitogen/method/namespace/nsenter_main.hpp>
#include <mitogen/method/namespace/nsenter_options.hpp>
#include <mitogen/os/failure.hpp>
#include <mitogen/os/file.hpp>
#include <mitogen/os/process/fork.hpp>
#include <mitogen/os/process/init_proxy.hpp>
#include <mitogen/os/process/namespaces.hpp>
#include <mitogen/os/process/output_of.hpp>
#include <mitogen/os/stdio/stdio.hpp>
#include <mitogen/os/user/credentials.hpp>
#include <mitogen/os/user/user_file.hpp>

#include <cerrno>
#include <charconv>
#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace mitogen::inline MITOGEN_ABI {
namespace detail {

/// What to enter, and what to execute there. It travels as arguments of the program.
struct nsenter_child {
    int pid = 0; ///< a process
    /// or a line of shell that prints its number: "$1" is the tool, "$2" the container
    std::string ask{};
    std::string tool{}; ///< which knows that
    std::string container{};
    std::vector<std::string> namespaces{}; ///< names of some; empty: all
    std::string username{};                ///< as known in there; empty: none is changed
    std::vector<std::string> command{};

    static constexpr std::size_t command_at = 8; ///< among the arguments

    /// All arguments; the zeroth is `title`.
    std::vector<std::string> arguments(const std::string& title) const {
        std::string kinds;
        for (const std::string& n : namespaces) kinds += (kinds.empty() ? "" : ",") + n;
        std::vector<std::string> all{
            title,   std::string(enter_argument), std::to_string(pid), ask, tool, container, kinds,
            username};
        all.insert(all.end(), command.begin(), command.end());
        return all;
    }

    /// What they say; nothing if they make no sense.
    MITOGEN_COLD static std::optional<nsenter_child> from(const std::vector<std::string>& all) {
        if (all.size() <= command_at) return std::nullopt;
        nsenter_child e{number_of(all[2]), all[3], all[4], all[5], {}, all[7], {}};
        for (std::string_view rest = all[6]; !rest.empty();) {
            const std::size_t end = rest.find(',');
            e.namespaces.emplace_back(rest.substr(0, end));
            rest.remove_prefix(end == std::string_view::npos ? rest.size() : end + 1);
        }
        e.command.assign(all.begin() + command_at, all.end());
        return e;
    }

    /// The number of a process, as a tool prints it; 0 if it is none.
    static int number_of(std::string_view text) {
        while (text.ends_with('\n')) text.remove_suffix(1);
        int number = 0;
        const auto [end, failed] = std::from_chars(text.data(), text.data() + text.size(), number);
        return failed == std::errc() && end == text.data() + text.size() && number > 0 ? number : 0;
    }
};

#if defined(__linux__)

/// Does what an `entering` says, step by step, each of which may be the last. Runs alone in its
/// process.
class entrance {
    const nsenter_child& what_;
    os::init_proxy outside_;
    os::namespaces_of target_;

    [[noreturn]] static void give_up(std::string_view kind, const std::string& why, int code = 1) {
        const std::string line = std::string(kind) + why + "\n";
        static_cast<void>(os::write_all(2, line.data(), line.size()));
        os::exit_now(code);
    }

    [[noreturn]] static void give_up(const std::string& step, long rc) {
        const bool forbidden = rc == -EPERM || rc == -EACCES;
        give_up(forbidden ? not_permitted_text : cannot_enter_text,
                step + ": " + os::errno_text(static_cast<int>(-rc)));
    }

    /// The process whose namespaces they are.
    int target() const {
        if (what_.ask.empty()) return what_.pid;
        const result<os::printed> said =
            os::output_of({"sh", "-c", what_.ask, "sh", what_.tool, what_.container});
        if (!said) give_up(cannot_enter_text, std::string(said.error().message()));
        // it has said why
        if (!said->status.success()) os::exit_now(said->status.code ? said->status.code : 1);
        if (const int pid = nsenter_child::number_of(said->text)) return pid;
        give_up(no_leader_text, {});
    }

    MITOGEN_COLD void enter() {
        const int pid = target();
        auto failed = target_.open(pid, what_.namespaces);
        if (failed && failed->absent) give_up(no_process_text, std::to_string(pid));
        if (!failed) failed = target_.enter();
        if (!failed) return;
        const char* const hint = failed->rc == -EINVAL || failed->rc == -EUSERS
                                     ? "; has this program started threads before main()?"
                                     : "";
        give_up(failed->what + " (process " + std::to_string(pid) + ")" + hint, failed->rc);
    }

    /// Only processes that are started from now on are in a pid namespace that was entered.
    void step_in() {
        const long rc = target_.pid_entered() ? outside_.step_behind() : 0;
        if (rc == -ENOMEM) give_up(no_process_text, "the pid namespace has lost its first process");
        if (rc < 0) give_up("fork", rc);
    }

    MITOGEN_COLD void switch_user(const std::string& name) {
        const auto user =
            os::find_user(os::small_file("/etc/passwd"), os::small_file("/etc/group"), name);
        if (!user) give_up(no_user_there_text, name);
        long rc = target_.groups_denied() ? 0 : os::set_groups(user->groups);
        if (rc < 0) give_up("setgroups", rc);
        if ((rc = os::set_group(user->gid)) < 0) give_up("setgid " + std::to_string(user->gid), rc);
        if ((rc = os::set_user(user->uid)) < 0) give_up("setuid " + std::to_string(user->uid), rc);
        if ((rc = os::set_login_variables(name, *user)) < 0) give_up("setenv", rc);
        os::change_directory(user->home);
    }

    /// In a user namespace, whoever entered it rules, but is nobody. If it has no root, that is how
    /// it stays.
    void become_root() {
        long rc = target_.groups_denied() ? 0 : os::set_groups({});
        if (rc >= 0) rc = os::set_group(0);
        if (rc >= 0 || rc == -EINVAL) rc = os::set_user(0);
        if (rc < 0 && rc != -EINVAL) give_up("becoming its root", rc);
    }

public:
    explicit entrance(const nsenter_child& what) : what_(what) {}

    [[noreturn]] void run() {
        enter();
        step_in();
        if (!what_.username.empty())
            switch_user(what_.username);
        else if (target_.user_entered())
            become_root();
        if (!outside_.tie()) os::exit_now(1);
        const long rc = os::execute(what_.command);
        give_up(not_executed_text, what_.command[0] + ": " + os::errno_text(static_cast<int>(-rc)),
                rc == -ENOENT ? 127 : 126);
    }
};

#endif

/// For main(): the arguments are those of an `entering`. Never returns.
[[noreturn]] MITOGEN_COLD MITOGEN_INLINE void enter_and_execute(int argc, char** argv) {
    const auto what = nsenter_child::from(std::vector<std::string>(argv, argv + argc));
    if (!what) os::exit_now(2);
#if defined(__linux__)
    entrance(*what).run();
#else
    const std::string line = std::string(cannot_enter_text) + "this system has no namespaces\n";
    static_cast<void>(os::write_all(2, line.data(), line.size()));
    os::exit_now(1);
#endif
}

} // namespace detail
} // namespace mitogen::inline MITOGEN_ABI
