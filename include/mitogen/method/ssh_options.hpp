// SPDX-License-Identifier: BSL-1.0
#pragma once
// ssh_options.hpp: a child on another machine, through the system's ssh.

#include <mitogen/base/config.hpp>
#include <mitogen/base/limits.hpp>
#include <mitogen/base/result.hpp>
#include <mitogen/base/time.hpp>
#include <mitogen/call/any_method.hpp>
#include <mitogen/call/function_entry.hpp>
#include <mitogen/codec/secret.hpp>

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <tuple>
#include <vector>

namespace mitogen::inline MITOGEN_ABI {

/// What to do about host keys that are not known.
enum class host_keys : std::uint8_t {
    enforce, ///< refuse unknown and changed ones
    accept,  ///< remember unknown ones, refuse changed ones
    ignore,  ///< accept any, remember none: for machines that are made anew all the time
};

/// A process on another machine. Uses the system's ssh with the user's keys, agent and
/// configuration, and asks nothing. If a password is given or `interactive` is set, ssh is started
/// at a terminal of its own: it is told the password when it asks, and its other questions go to
/// router_options::on_prompt.
struct ssh {
    /// as ssh takes it: a name, an address, or an alias from its configuration
    std::string hostname{};
    std::string username{};      ///< empty: as ssh decides
    std::uint16_t port = 0;      ///< 0: as ssh decides
    std::string identity_file{}; ///< private key; empty: as ssh decides
    /// with identity_file: no other keys, such as the agent's, are tried
    bool identities_only = true;
    /// empty: keys and the like only. Only the host that is to be reached is told, and none that is
    /// passed on the way: its questions have its name, or that of its HostName or HostKeyAlias
    /// (`ssh -G`). What others ask goes to router_options::on_prompt
    secret password{};
    /// questions that no option answers go to router_options::on_prompt
    bool interactive = false;
    host_keys check_host_keys = host_keys::enforce;
    std::string ssh_path = "ssh";        ///< the client to run
    std::vector<std::string> ssh_args{}; ///< further arguments, before the host name
    /// "user@host:port", several with commas; empty: as ssh decides
    std::string proxy_jump{};
    /// the agent here serves programs there; false: as ssh decides
    bool forward_agent = false;
    /// 1 to 3: what ssh says of its work goes to the child's stderr; 0: errors only
    int debug_level = 0;
    bool compression = false;
    std::chrono::seconds keepalive_interval{15}; ///< 0: none
    int keepalive_count = 3;                     ///< intervals without answer until ssh gives up

    std::string name{}; ///< of the context; empty: "ssh.<hostname>"
    /// from start to hello, login and transfer included
    std::chrono::milliseconds connect_timeout{30'000};
    /// the program to run there, by path here; empty: this one
    std::string executable{};
    /// of functions there that have no run_on of their own
    on executor = on::main;
    /// for it and all below it; empty: this context's own
    std::optional<mitogen::limits> limits{};
    bool may_detach = false; ///< it may leave the tree and go on alone: router::detach()
    /// there, in a cache: the next connection sends none
    bool keep_program = true;

    static constexpr std::string_view method_name = "ssh";
    template <class Self>
    static constexpr auto fields(Self& self) {
        return std::tie(self.hostname, self.username, self.port, self.identity_file,
                        self.identities_only, self.password, self.interactive, self.check_host_keys,
                        self.ssh_path, self.ssh_args, self.proxy_jump, self.forward_agent,
                        self.debug_level, self.compression, self.keepalive_interval,
                        self.keepalive_count, self.name, self.connect_timeout, self.executable,
                        self.executor, self.limits, self.may_detach, self.keep_program);
    }

    /// What is to be executed.
    result<boot_plan> plan() const;
    /// The command that is executed, first stage included.
    std::vector<std::string> arguments() const;
};

/// The options of router::ssh().
using ssh_options = ssh;

} // namespace mitogen::inline MITOGEN_ABI
