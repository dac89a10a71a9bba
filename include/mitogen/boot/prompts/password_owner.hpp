// SPDX-License-Identifier: BSL-1.0
#pragma once
// password_owner.hpp: whom a password is for, of a tool that may pass others on the way there.

#include <mitogen/base/config.hpp>

#include <cstddef>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace mitogen::inline MITOGEN_ABI {

namespace detail {

/// Whom a password is for, as the questions of that one say who asks.
struct password_owner {
    std::string name{}; ///< "mia@web1"; "@web1": whoever it is there
    /// others may ask on the way to it, and what says nothing of who asks may be theirs
    bool others_may_ask = true;
};

/// How a tool's questions are told from those of whoever is passed on the way.
struct owner_lookup {
    /// What the owner is called unless a configuration says otherwise.
    password_owner likely{};
    /// Prints whom the tool would connect to.
    std::vector<std::string> argv{};
    /// The owner by what that has printed; an empty name if it has not said.
    password_owner (*read)(std::string_view printed) = nullptr;
    /// Who asks, by a line that asks or precedes the question; empty: it does not say.
    std::string (*asker)(std::string_view line) = nullptr;
    /// The tool has not always said who asks: why an older one cannot be trusted with this.
    /// Null: this one does.
    const char* cannot_tell = nullptr;
};

/// True of a name that is `whole`, or what a tool that shortens users and hosts makes of it.
inline bool names_owner(std::string_view asker, std::string_view whole) {
    // readpass.c and sshconnect2.c of OpenSSH before 8.5: "%.30s@%.128s's password: "
    constexpr std::size_t longest_user = 30;
    constexpr std::size_t longest_host = 128;
    if (asker.empty()) return false;
    const std::size_t at = whole.rfind('@');
    if (at == 0) return asker.size() > whole.size() && asker.ends_with(whole);
    if (asker == whole || at == std::string_view::npos) return asker == whole;
    std::string cut(whole.substr(0, at).substr(0, longest_user));
    cut.append("@").append(whole.substr(at + 1).substr(0, longest_host));
    return asker == cut;
}

} // namespace detail
} // namespace mitogen::inline MITOGEN_ABI
