// SPDX-License-Identifier: BSL-1.0
#pragma once
// exec_style.hpp: what methods share that run a tool here, which runs a command elsewhere and
// passes its stdin and stdout on unchanged.

#include <mitogen/base/config.hpp>
#include <mitogen/base/error.hpp>
#include <mitogen/base/result.hpp>
#include <mitogen/base/time.hpp>
#include <mitogen/boot/boot_plan.hpp>
#include <mitogen/boot/first_stage.hpp>
#include <mitogen/boot/staged_boot.hpp>
#include <mitogen/method/method.hpp>
#include <mitogen/method/tool_error_patterns.hpp>

#include <initializer_list>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace mitogen::inline MITOGEN_ABI {
namespace detail {

/// Puts together the command line of such a tool, and refuses what the tool would misunderstand.
/// The names that it says in errors are those of the options.
class exec_style {
    std::string method_;
    std::vector<std::string> argv_;
    std::optional<error> trouble_;

    void refuse(const std::string& why) {
        if (!trouble_) trouble_.emplace(reason::misuse, method_ + ": " + why);
    }

    /// If a value begins with a dash, many tools take it for an option, whatever stands before it.
    bool fits(const std::string& option, const std::string& value) {
        if (value.starts_with('-')) {
            refuse(option + " is \"" + value + "\", which begins with a dash: " + argv_[0] +
                   " would take it for an option");
            return false;
        }
        return true;
    }

public:
    /// `tool` is the value of the option `path_option`.
    exec_style(std::string_view method, const std::string& tool, std::string_view path_option)
        : method_(method), argv_{tool} {
        if (tool.empty()) refuse(std::string(path_option) + " is empty");
    }

    /// Arguments as they are: ours, and those that the user wrote as arguments.
    exec_style& add(const std::vector<std::string>& arguments) {
        argv_.insert(argv_.end(), arguments.begin(), arguments.end());
        return *this;
    }

    /// The value of an option that must be given, behind `prefix` in one argument.
    exec_style& add_required(const std::string& option, const std::string& value,
                             const std::string& prefix = {}) {
        if (value.empty()) refuse(option + " is empty");
        if (fits(option, value)) argv_.push_back(prefix + value);
        return *this;
    }

    /// The value of one that may be empty, and is left out then. A prefix that ends with a blank is
    /// an argument of its own.
    exec_style& add_optional(const std::string& option, const std::string& value,
                             const std::string& prefix) {
        if (value.empty() || !fits(option, value)) return *this;
        if (!prefix.ends_with(' ')) return add({prefix + value});
        return add({prefix.substr(0, prefix.size() - 1), value});
    }

    /// The rest of the command: `sh -c` and the first stage.
    exec_style& add_stage(std::chrono::milliseconds connect_timeout) {
        return add({"sh", "-c", first_stage_script(patience_for(to_ns(connect_timeout)))});
    }

    /// What is to be executed. `target`: of messages and of the context's name; may be empty.
    template <class Method>
    MITOGEN_COLD result<boot_plan> plan(const Method& method, const std::string& target) {
        for (const std::string& argument : argv_)
            if (argument.find('\0') != std::string::npos)
                refuse("an argument contains a zero byte, where it would end");
        if (trouble_) return *trouble_;
        boot_plan p;
        p.what = method_ + (target.empty() ? "" : " " + target);
        p.name = method_ + (target.empty() ? "" : "." + target);
        apply_common(method, p);
        auto program = open_program(method.executable);
        if (!program) return program.error();
        p.program = std::move(*program);
        p.staged = &by_a_shell;
        p.start.path = argv_[0];
        p.start.argv = argv_;
        p.explain = &explain_tool;
        p.if_missing = "is " + argv_[0] + " installed here? The options say where to look for it";
        return p;
    }
};

} // namespace detail
} // namespace mitogen::inline MITOGEN_ABI
