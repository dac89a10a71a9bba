// SPDX-License-Identifier: BSL-1.0
#pragma once
// commands.hpp: run and exec of contexts and groups, as far as files compile them that use them.

#include <mitogen/base/config.hpp>
#include <mitogen/base/error.hpp>
#include <mitogen/base/result.hpp>
#include <mitogen/call/context.hpp>
#include <mitogen/command/run_options.hpp>
#include <mitogen/group/group_call.hpp>
#include <mitogen/group/group_results.hpp>
#include <mitogen/group/group_settings.hpp>
#include <mitogen/node/node.hpp>

#include <string>
#include <type_traits>
#include <utility>
#include <vector>

namespace mitogen::inline MITOGEN_ABI {

namespace detail {

/// A text for a shell, or a program and its arguments.
struct command_words {
    bool shell = false;
    std::vector<std::string> words{};
};

/// Compiled in the core: see run_command.hpp.
template <class T>
result<command_result> run_command(mitogen::node& node, context_id where,
                                   const call_options& options, command_words what,
                                   run_options& how);

/// Compiled in the core: see group_command.hpp.
template <class T>
group_results<command_result> run_group_command(const group& whole, const group_settings& how,
                                                command_words what, run_options& options);

template <class Target, class Options>
result<command_result> run_command_in(const command_methods<Target>& in, command_words what,
                                      Options& how) {
    const Target& to = static_cast<const Target&>(in);
    if (!to.valid()) return empty_target();
    return run_command<void>(to.port(), to.id(), to.options(), std::move(what), how);
}

} // namespace detail

template <class Target>
template <class Options>
result<command_result>
command_methods<Target>::try_run(std::string text, std::type_identity_t<Options> options) const {
    detail::command_words what{.shell = true};
    what.words.push_back(std::move(text));
    return detail::run_command_in(*this, std::move(what), options);
}

template <class Target>
template <class Options>
command_result command_methods<Target>::run(std::string text,
                                            std::type_identity_t<Options> options) const {
    return try_run<Options>(std::move(text), std::move(options)).value();
}

template <class Target>
template <class Options>
result<command_result>
command_methods<Target>::try_exec(std::string program, std::vector<std::string> arguments,
                                  std::type_identity_t<Options> options) const {
    arguments.insert(arguments.begin(), std::move(program));
    return detail::run_command_in(*this, {.shell = false, .words = std::move(arguments)}, options);
}

template <class Target>
template <class Options>
command_result command_methods<Target>::exec(std::string program,
                                             std::vector<std::string> arguments,
                                             std::type_identity_t<Options> options) const {
    return try_exec<Options>(std::move(program), std::move(arguments), std::move(options)).value();
}

template <class Target>
template <class Options>
group_results<command_result>
group_calls<Target>::run(std::string text, std::type_identity_t<Options> options) const {
    detail::command_words what{.shell = true};
    what.words.push_back(std::move(text));
    return detail::run_group_command<void>(self().whole(), self().settings(), std::move(what),
                                           options);
}

template <class Target>
template <class Options>
group_results<command_result>
group_calls<Target>::exec(std::string program, std::vector<std::string> arguments,
                          std::type_identity_t<Options> options) const {
    arguments.insert(arguments.begin(), std::move(program));
    return detail::run_group_command<void>(self().whole(), self().settings(),
                                           {.shell = false, .words = std::move(arguments)},
                                           options);
}

} // namespace mitogen::inline MITOGEN_ABI
