// SPDX-License-Identifier: BSL-1.0
#pragma once
// client_line.hpp: what was typed at a second terminal, and the help about it.

#include <mitogen/base/config.hpp>
#include <mitogen/base/error.hpp>
#include <mitogen/base/result.hpp>
#include <mitogen/debug/terminal/prompt_line.hpp>
#include <mitogen/group/names/name_set.hpp>
#include <mitogen/group/names/name_set_body.hpp>
#include <mitogen/link/visible_text.hpp>

#include <algorithm>
#include <charconv>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>

namespace mitogen::inline MITOGEN_ABI {
namespace detail {

/// What a line asks for.
enum class client_verb : std::uint8_t {
    nothing, ///< an empty line
    list,
    attach,
    cast,
    contexts,
    dump,
    help,
    quit, ///< leaves this terminal
};

inline constexpr std::string_view client_help =
    "list               what has stopped: number, context, host, process, thread, where, how long\n"
    "attach N           its prompt; the terminal that is there is told, and left\n"
    "cast SET COMMAND   a command of the prompt to what has stopped in each context of a set, as\n"
    "                   web[1-40],db or all: where, frames, threads, print, set, break, delete,\n"
    "                   continue, quit\n"
    "continue all       the same as cast all continue\n"
    "contexts           the contexts of the tree, and what has stopped in them\n"
    "dump               what each of them is at, with its links\n"
    "quit               leaves this terminal (also: Ctrl-D); what has stopped stays so\n"
    "At an attached prompt `detach` and Ctrl-D lead back here; `help` there says what else.\n";

/// The contexts that a line names.
class context_choice {
    std::optional<name_set> names_; // none: all

public:
    context_choice() = default;

    /// "all", or as name_set.
    static result<context_choice> read(std::string_view text) {
        context_choice made;
        if (text == "all") return made;
        result<name_set> names = name_set::parse(text);
        if (!names) return names.error();
        if (names->empty()) return error(reason::bad_arguments, "an empty set of contexts");
        made.names_.emplace(std::move(*names));
        return made;
    }

    /// By its path, "local.1.web3", or the last name of that.
    bool has(std::string_view path) const {
        const std::size_t dot = path.rfind('.');
        return !names_ || names_->contains(path) ||
               (dot != path.npos && names_->contains(path.substr(dot + 1)));
    }
};

/// One line, taken apart.
struct client_line {
    client_verb verb = client_verb::nothing;
    std::uint64_t number = 0; ///< attach
    context_choice to{};      ///< cast
    prompt_line command{};    ///< cast

    /// An error in one line for what is no command.
    static result<client_line> read(std::string_view text) {
        text = prompt_line::trim(text);
        const auto [name, rest] = first_word(text);
        if (name.empty()) return client_line{};
        if (name == "attach" || name == "a") return read_attach(rest);
        if (name == "cast") return read_cast(rest);
        if (name == "continue" || name == "c") {
            if (rest != "all")
                return wrong("continue all; to go on with one: attach N, then continue");
            return client_line{client_verb::cast, 0, {}, {prompt_verb::go_on}};
        }
        for (const auto& [known, verb] : {std::pair{"list", client_verb::list},
                                          {"l", client_verb::list},
                                          {"contexts", client_verb::contexts},
                                          {"dump", client_verb::dump},
                                          {"help", client_verb::help},
                                          {"h", client_verb::help},
                                          {"?", client_verb::help},
                                          {"quit", client_verb::quit},
                                          {"q", client_verb::quit}}) {
            if (name != known) continue;
            if (!rest.empty()) return wrong(std::string(known) + " stands alone");
            return client_line{verb};
        }
        return wrong("\"" + visible_name(text, 80) + "\" is no command; `help` lists them");
    }

private:
    static error wrong(std::string text) { return error(reason::bad_arguments, std::move(text)); }

    static std::pair<std::string_view, std::string_view> first_word(std::string_view text) {
        const std::size_t end = std::min(text.find_first_of(" \t"), text.size());
        return {text.substr(0, end), prompt_line::trim(text.substr(end))};
    }

    static result<client_line> read_attach(std::string_view rest) {
        std::uint64_t number = 0;
        const auto read = std::from_chars(rest.data(), rest.data() + rest.size(), number);
        if (read.ec != std::errc() || read.ptr != rest.data() + rest.size() || number == 0)
            return wrong("attach N: a number of those that `list` shows");
        return client_line{client_verb::attach, number};
    }

    static result<client_line> read_cast(std::string_view rest) {
        const auto [set, typed] = first_word(rest);
        if (typed.empty()) return wrong("cast SET COMMAND: as in cast web[1-40] where");
        result<context_choice> to = context_choice::read(set);
        if (!to) return wrong(std::string(to.error().message()));
        const prompt_line command = prompt_line::read(typed);
        switch (command.verb) {
        case prompt_verb::where:
        case prompt_verb::frames:
        case prompt_verb::threads:
        case prompt_verb::go_on:
        case prompt_verb::quit:
            if (!command.rest.empty()) return wrong("nothing stands behind that command");
            break;
        case prompt_verb::print:
        case prompt_verb::set:
        case prompt_verb::remove_break:
            if (command.rest.empty()) return wrong("something is missing behind that command");
            break;
        case prompt_verb::break_at: break;
        default:
            return wrong("\"" + visible_name(typed, 80) +
                         "\" cannot be cast; `help` says what can");
        }
        return client_line{client_verb::cast, 0, std::move(*to), command};
    }
};

} // namespace detail
} // namespace mitogen::inline MITOGEN_ABI
