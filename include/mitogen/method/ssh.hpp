// SPDX-License-Identifier: BSL-1.0
#pragma once
// ssh.hpp: a child on another machine, through the system's ssh.

#include <mitogen/base/config.hpp>
#include <mitogen/base/limits.hpp>
#include <mitogen/base/on.hpp>
#include <mitogen/base/result.hpp>
#include <mitogen/base/time.hpp>
#include <mitogen/boot/boot_plan.hpp>
#include <mitogen/boot/first_stage.hpp>
#include <mitogen/boot/prompts/password_owner.hpp>
#include <mitogen/boot/prompts/prompt_matcher.hpp>
#include <mitogen/boot/staged_boot.hpp>
#include <mitogen/codec/secret.hpp>
#include <mitogen/method/error_patterns.hpp>
#include <mitogen/method/method.hpp>
#include <mitogen/method/ssh_options.hpp>
#include <mitogen/os/program/program_words.hpp>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <tuple>
#include <utility>
#include <vector>

namespace mitogen::inline MITOGEN_ABI {

namespace detail {

/// Plans what the options say.
struct planned_ssh : ssh {
    explicit planned_ssh(const ssh& options) : ssh(options) {}

    /// What is to be executed.
    MITOGEN_COLD result<boot_plan> plan() const {
        if (hostname.empty()) return error(reason::misuse, "ssh: hostname is empty");
        for (const std::string* host : {&hostname, &proxy_jump})
            if (host->starts_with('-'))
                return error(reason::misuse,
                             "ssh: the " +
                                 std::string(host == &hostname ? "hostname" : "proxy_jump") +
                                 " \"" + *host +
                                 "\" begins with a dash, which ssh would take for an option");
        if (debug_level < 0 || debug_level > 3)
            return error(reason::misuse, "ssh: debug_level is not one of 0, 1, 2 and 3");
        if (auto why = detail::untypable(password, method_name)) return std::move(*why);
        boot_plan p;
        p.what = "ssh " + hostname;
        p.name =
            "ssh." + hostname + (port && port != 22 ? ":" + std::to_string(port) : std::string());
        detail::apply_common(*this, p);
        auto program = detail::open_program(executable);
        if (!program) return program.error();
        p.program = std::move(*program);
        p.staged = &detail::by_a_shell;
        p.is_client = true;
        p.compress_program = !compression && !is_here(hostname);
        p.start.path = ssh_path;
        p.start.argv = arguments();
        if (may_ask()) {
            p.prompts = std::make_shared<prompt_matcher>(&recognise, password,
                                                         prompt_matcher::reads::terminal);
            p.prompts->for_owner(whose_password());
            p.start.environment = {"SSH_ASKPASS_REQUIRE"}; // it shall ask here
            // the ssh that leads to that host gets no BatchMode, and shall not ask at our terminal
        } else if (!proxy_jump.empty()) {
            p.start.environment = {"SSH_ASKPASS=/bin/false", "SSH_ASKPASS_REQUIRE=force"};
        }
        p.explain = &explain;
        return p;
    }

    /// The command that is executed, first stage included.
    MITOGEN_COLD std::vector<std::string> arguments() const {
        std::vector<std::string> a = login_arguments();
        a.push_back(detail::first_stage_command(detail::patience_for(to_ns(connect_timeout))));
        return a;
    }

private:
    /// The same without what is executed there.
    MITOGEN_COLD std::vector<std::string> login_arguments() const {
        std::vector<std::string> a{ssh_path};
        const auto option = [&a](std::string text) {
            a.push_back("-o");
            a.push_back(std::move(text));
        };
        if (debug_level > 0)
            a.push_back("-" + std::string(static_cast<std::size_t>(debug_level), 'v'));
        else
            option("LogLevel ERROR");
        option(may_ask() ? "BatchMode no" : "BatchMode yes");
        if (may_ask())
            option(interactive ? "NumberOfPasswordPrompts 3" : "NumberOfPasswordPrompts 1");
        if (!username.empty()) a.insert(a.end(), {"-l", username});
        if (port) a.insert(a.end(), {"-p", std::to_string(port)});
        if (!identity_file.empty()) {
            if (identities_only) option("IdentitiesOnly yes");
            a.insert(a.end(), {"-i", identity_file});
        }
        if (!proxy_jump.empty()) a.insert(a.end(), {"-J", proxy_jump});
        if (forward_agent) option("ForwardAgent yes");
        option(compression ? "Compression yes" : "Compression no");
        if (keepalive_interval.count() > 0) {
            option("ServerAliveInterval " + std::to_string(keepalive_interval.count()));
            option("ServerAliveCountMax " + std::to_string(keepalive_count));
        }
        switch (check_host_keys) {
        case host_keys::enforce: option("StrictHostKeyChecking yes"); break;
        case host_keys::accept: option("StrictHostKeyChecking accept-new"); break;
        case host_keys::ignore:
            option("StrictHostKeyChecking no");
            option("UserKnownHostsFile /dev/null");
            option("GlobalKnownHostsFile /dev/null");
            break;
        }
        a.push_back("-T"); // a terminal would mangle bytes
        a.insert(a.end(), ssh_args.begin(), ssh_args.end());
        // What people configure for their own sessions. The first value counts: ssh_args win.
        option("ClearAllForwardings yes");
        const newer_words has = newer();
        if (has.remote_command) option("RemoteCommand none");
        if (has.session_type) {
            option("SessionType default");
            option("StdinNull no");
            option("ForkAfterAuthentication no");
        }
        a.push_back(hostname);
        return a;
    }

    /// What that ssh has: RemoteCommand (since OpenSSH 7.6) and the three options that say what a
    /// session is (8.7), without which these would end it with an error; and the name of who asks
    /// in front of the questions of a server (8.5).
    struct newer_words {
        bool remote_command;
        bool session_type;
        bool names_asker;
    };
    MITOGEN_COLD newer_words newer() const {
        static os::program_words known({"remotecommand", "forkafterauthentication", "(%s@%s) "});
        const std::vector<bool> has = known.of(ssh_path);
        return {has[0], has[1], has[2]};
    }

    /// The host that is to be reached, and not one before it, by the name that its questions have.
    MITOGEN_COLD owner_lookup whose_password() const {
        owner_lookup l;
        l.likely.name = username + "@" + in_small_letters(hostname);
        l.likely.others_may_ask = !proxy_jump.empty();
        l.argv = login_arguments();
        l.argv.insert(l.argv.begin() + 1, "-G"); // ssh(1): what the configuration comes to
        l.read = &read_configuration;
        l.asker = &asker_of;
        if (!newer().names_asker)
            l.cannot_tell =
                "this ssh, older than OpenSSH 8.5, does not say whose questions it puts";
        return l;
    }

    static std::string in_small_letters(std::string_view text) {
        std::string small(text);
        for (char& c : small)
            if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
        return small;
    }

    /// Whom `ssh -G` would connect to.
    MITOGEN_COLD static password_owner read_configuration(std::string_view printed) {
        password_owner owner;
        owner.others_may_ask = false;
        std::string_view user;
        std::string_view host;
        for (std::string_view left = printed; !left.empty();) {
            const std::string_view line = left.substr(0, left.find('\n'));
            left.remove_prefix(std::min(line.size() + 1, left.size()));
            const std::string_view key = line.substr(0, line.find(' '));
            const std::string_view value = line.substr(std::min(key.size() + 1, line.size()));
            if (key == "user") user = value;
            if (key == "hostname" && host.empty()) host = value;
            if (key == "hostkeyalias") host = value;
            if ((key == "proxyjump" || key == "proxycommand") && value != "none")
                owner.others_may_ask = true;
        }
        if (!user.empty() && !host.empty())
            owner.name.append(user).append("@").append(host);
        return owner;
    }

    /// Who asks, in ssh's own words: "(mia@web1) " before what a server says (sshconnect2.c), or
    /// "mia@web1's password: ".
    static std::string asker_of(std::string_view line) {
        constexpr std::string_view own = "'s password: ";
        if (line.starts_with('(')) {
            const std::string_view name = line.substr(1, line.find(") ") - 1);
            return std::string(line.find(") ") != line.npos && name.find('@') != name.npos
                                   ? name
                                   : std::string_view());
        }
        return std::string(line.ends_with(own) ? line.substr(0, line.size() - own.size())
                                               : std::string_view());
    }

    bool may_ask() const noexcept { return interactive || !password.empty(); }

    /// What it asks; its own questions are not translated. Those of the server, which may be in any
    /// language, have "(user@host) " before them (sshconnect2.c, since OpenSSH 8.5).
    static prompt_kind recognise(std::string_view line) {
        if (detail::mentions(line, "(yes/no")) return prompt_kind::host_key;
        if (!detail::ends_as_question(line)) return prompt_kind::none;
        if (line.starts_with("Enter passphrase for")) return prompt_kind::passphrase;
        if (detail::mentions(line, "password")) return prompt_kind::password;
        const std::size_t shut = line.find(") ");
        return line[0] == '(' && line.find('@') < shut && shut != std::string_view::npos
                   ? prompt_kind::other
                   : prompt_kind::none;
    }

    /// True of what is this machine by its name: memory is faster than any compressor.
    static bool is_here(std::string_view host) noexcept {
        return host == "localhost" || host == "::1" || host.starts_with("127.");
    }

    static constexpr std::string_view takes_no_more =
        "the server has closed the connection before it said who it is: it takes no more logins at "
        "once (MaxStartups in its configuration; connect to fewer at a time), or none from here";

    /// What ssh says before it has run our command. The messages are part of OpenSSH's source
    /// (sshconnect*.c, readconf.c, misc.c) and not translated.
    static constexpr detail::error_pattern error_patterns_of_ssh[] = {
        {"REMOTE HOST IDENTIFICATION HAS CHANGED", reason::host_key,
         "the host key is another one than it was; where that is right, remove the old one with "
         "ssh-keygen -R"},
        {"Host key verification failed", reason::host_key,
         "the host key is unknown; see ssh-keyscan(1), or set check_host_keys"},
        {"dbclient: Ignoring unknown", reason::connect,
         "ssh_path is the client of dropbear, which lacks options that this needs; use that of "
         "OpenSSH"},
        {"Permission denied", reason::auth_required,
         "authentication failed: no key was accepted, and none of the other methods may ask; set "
         ".password or .interactive"},
        {"Too many authentication failures", reason::auth_incorrect,
         "authentication failed: too many keys were tried; set identity_file"},
        {"Could not resolve hostname", reason::resolve, "the host name has no address"},
        {"Connection refused", reason::connection_refused, "nothing listens there"},
        {"timed out", reason::connect_timeout, "the host does not answer"},
        {"No route to host", reason::connect, "the network does not reach it"},
        {"Network is unreachable", reason::connect, "the network does not reach it"},
        // last: so does a jump host that does not reach the target, which says why
        {"_exchange_identification: read: Connection reset", reason::overloaded, takes_no_more},
        {"_exchange_identification: Connection closed", reason::overloaded, takes_no_more},
    };

    /// Why the questions that it has asked, or has not asked, let nobody in. An empty error if it
    /// may have been a key.
    MITOGEN_COLD static error explain_questions(const boot_plan& plan, const boot_failure& f) {
        const prompt_matcher& asked = *plan.prompts;
        const auto because = [&](enum reason why, const std::string& text) {
            return detail::because(plan, f, why, "authentication failed: " + text);
        };
        if (asked.answered_by_person())
            return because(reason::auth_incorrect, "what was answered is incorrect");
        if (asked.answered()) return because(reason::auth_incorrect, "the password is incorrect");
        if (!asked.password().empty())
            return because(reason::auth_incorrect, "nobody asked for the password");
        if (!asked.question().empty())
            return because(reason::auth_required, "nobody answered its question \"" +
                                                      asked.question() +
                                                      "\"; see router_options::on_prompt");
        return error(reason::none, "");
    }

    /// What ssh and the first stage said, as one of the errors that a caller can act on.
    MITOGEN_COLD static error explain(const boot_plan& plan, const boot_failure& f) {
        using how = boot_failure::how;
        if (f.what == how::timed_out) {
            const std::string ms =
                std::to_string(plan.timeout / 1'000'000) + " ms (connect_timeout): ";
            const std::string waits = plan.prompts ? plan.prompts->waiting_text() : std::string();
            return detail::because(
                plan, f, reason::connect_timeout,
                "no hello within " + ms +
                    (!waits.empty() ? waits
                     : f.stage_seen
                         ? "the login went well; sending the program, or its start, takes longer "
                           "than that"
                         : "the host does not answer, or the login takes longer than that"));
        }
        if (f.what == how::confused) return detail::explain_boot(plan, f);
        // ssh(1), EXIT STATUS; everything else is the remote command's
        constexpr int connection_failed = 255;
        if (f.stage_seen) return detail::explain_stage(plan, f, connection_failed);
        if (const detail::error_pattern* s =
                detail::known_error_pattern(error_patterns_of_ssh, f)) {
            if (s->why == reason::auth_required && plan.prompts)
                if (const error why = explain_questions(plan, f); why.reason() != reason::none)
                    return why;
            const auto& argv = plan.start.argv;
            const bool key_given = std::find(argv.begin(), argv.end(), "-i") != argv.end();
            if (s->why != reason::auth_required || !key_given)
                return detail::because(plan, f, s->why, s->meaning);
            return detail::because(
                plan, f, reason::auth_incorrect,
                "authentication failed: the key of identity_file is not accepted there");
        }
        return detail::because(plan, f, reason::end_of_file,
                               f.status && !f.status->signal && f.status->code != connection_failed
                                   ? "the login shell there ended before it ran our command"
                                   : detail::no_hello_text);
    }
};

} // namespace detail

MITOGEN_INLINE result<boot_plan> ssh::plan() const { return detail::planned_ssh(*this).plan(); }
MITOGEN_INLINE std::vector<std::string> ssh::arguments() const {
    return detail::planned_ssh(*this).arguments();
}

} // namespace mitogen::inline MITOGEN_ABI
