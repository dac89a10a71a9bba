// SPDX-License-Identifier: BSL-1.0
#pragma once
// prompt_line.hpp: what was typed at the debugger's prompt, and the help about it.

#include <mitogen/base/config.hpp>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <string_view>

namespace mitogen::inline MITOGEN_ABI {
namespace detail {

/// What a line asks for.
enum class prompt_verb : std::uint8_t {
    nothing, ///< an empty line
    where,   ///< the stack, without the library's own functions
    frames,  ///< all of it
    up,
    down,
    frame, ///< one frame, by its number
    contexts,
    threads,
    dump,
    print,
    set,
    break_at,
    remove_break,
    detach, ///< leaves it to others, as it stands
    go_on,
    quit,
    help,
    unknown,
};

struct prompt_word {
    std::string_view name;
    prompt_verb verb;
};

/// The words of the prompt; behind some the short form. From gdb and pdb, where those agree.
inline constexpr prompt_word prompt_words[] = {
    {"where", prompt_verb::where},     {"bt", prompt_verb::where},
    {"frames", prompt_verb::frames},   {"frame", prompt_verb::frame},
    {"f", prompt_verb::frame},         {"up", prompt_verb::up},
    {"u", prompt_verb::up},            {"down", prompt_verb::down},
    {"d", prompt_verb::down},          {"contexts", prompt_verb::contexts},
    {"threads", prompt_verb::threads}, {"tasks", prompt_verb::threads},
    {"dump", prompt_verb::dump},       {"detach", prompt_verb::detach},
    {"print", prompt_verb::print},     {"p", prompt_verb::print},
    {"set", prompt_verb::set},         {"break", prompt_verb::break_at},
    {"b", prompt_verb::break_at},      {"delete", prompt_verb::remove_break},
    {"continue", prompt_verb::go_on},
    {"c", prompt_verb::go_on},         {"next", prompt_verb::go_on},
    {"n", prompt_verb::go_on},         {"quit", prompt_verb::quit},
    {"q", prompt_verb::quit},          {"help", prompt_verb::help},
    {"h", prompt_verb::help},          {"?", prompt_verb::help},
};

inline constexpr std::string_view prompt_help =
    "where              the stack of the thread that has stopped; `frames` has the library's too\n"
    "up, down, frame N  another frame of it\n"
    "contexts           the contexts of the tree, and which of them wait for this terminal\n"
    "threads            what runs in this context, and what waits there for what\n"
    "dump               the same of every context of the tree, with its links\n"
    "print NAME         a variable that the program watches: mitogen::watch(\"NAME\", variable)\n"
    "set NAME VALUE     the same, changed: numbers, enumerations, strings\n"
    "break FUNCTION     stop where calls of it begin in this context; `break` lists these\n"
    "delete FUNCTION    no more\n"
    "continue           go on; the next one that has stopped is shown (also: Ctrl-D)\n"
    "quit               go on with an error, mitogen::debugger_quit, which the caller gets\n"
    "Ctrl-C twice within two seconds ends the program.\n"
    "At a second terminal (mitogen-debug) `detach` and Ctrl-D leave it as it stands.\n";

/// One line, taken apart.
struct prompt_line {
    prompt_verb verb = prompt_verb::nothing;
    std::string_view rest{}; ///< behind the first word, without blanks around it

    static constexpr std::string_view trim(std::string_view text) {
        while (!text.empty() && (text.front() == ' ' || text.front() == '\t'))
            text.remove_prefix(1);
        while (!text.empty() && (text.back() == ' ' || text.back() == '\t' || text.back() == '\r'))
            text.remove_suffix(1);
        return text;
    }

    static constexpr prompt_line read(std::string_view text) {
        text = trim(text);
        if (text.empty()) return {};
        const std::size_t end = std::min(text.find_first_of(" \t"), text.size());
        const std::string_view name = text.substr(0, end);
        prompt_line line{prompt_verb::unknown, trim(text.substr(end))};
        for (const prompt_word& w : prompt_words)
            if (w.name == name) line.verb = w.verb;
        return line;
    }
};

} // namespace detail
} // namespace mitogen::inline MITOGEN_ABI
