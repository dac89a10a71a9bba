// SPDX-License-Identifier: BSL-1.0
#pragma once
// prompt_terminal.hpp: where a session's prompt stands: this program's terminal, or what a test
// puts in its place.

#include <mitogen/base/config.hpp>
#include <mitogen/os/terminal.hpp>

#include <memory>
#include <string>
#include <string_view>

namespace mitogen::inline MITOGEN_ABI {
namespace detail {

/// As os::terminal.
class prompt_terminal {
public:
    using event = os::terminal::event;

    virtual ~prompt_terminal() = default;
    /// False: it cannot be used now.
    virtual bool begin() = 0;
    virtual void end() = 0;
    virtual event read(std::string& line) = 0;
    virtual bool write(std::string_view text) = 0;
    /// Threads: any.
    virtual void wake() noexcept = 0;
    /// A second Ctrl-C: the program ends as it would by that. After end().
    virtual void interrupt_program() noexcept = 0;
    /// In a copy of the process made by fork().
    virtual void abandon() noexcept = 0;
};

/// Makes one for a session; null if there is none. Threads: the session's.
using terminal_opener = std::unique_ptr<prompt_terminal> (*)();

/// This program's own.
template <class = void> // compiled where it is used
class basic_own_terminal final : public prompt_terminal {
    os::terminal terminal_;

public:
    /// Null if there is none.
    static std::unique_ptr<prompt_terminal> open() {
        auto made = std::make_unique<basic_own_terminal>();
        return made->terminal_.open() < 0 ? nullptr : std::move(made);
    }
    bool begin() override { return terminal_.begin() >= 0; }
    void end() override { terminal_.end(); }
    event read(std::string& line) override { return terminal_.read(line); }
    bool write(std::string_view text) override { return terminal_.write(text); }
    void wake() noexcept override { terminal_.wake(); }
    void interrupt_program() noexcept override { os::interrupt_self(); }
    void abandon() noexcept override { terminal_.abandon(); }
};

using own_terminal = basic_own_terminal<>;

} // namespace detail
} // namespace mitogen::inline MITOGEN_ABI
