// SPDX-License-Identifier: BSL-1.0
#pragma once
// canonical_name.hpp: turns what compilers and demanglers print for a function into one spelling.
//
// Three dialects are read: the demangler of libstdc++ (GNU libiberty), that of libc++abi (LLVM),
// and the __PRETTY_FUNCTION__ text of gcc and clang. They differ in `&`, parentheses and return
// types around names, the order of `const`, names of integers, suffixes of literals, default
// template arguments, inline and anonymous namespaces. All texts come from this program, none from
// a peer.

#include <mitogen/base/config.hpp>

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

namespace mitogen::inline MITOGEN_ABI {
namespace detail {

constexpr bool is_digit(char c) noexcept { return c >= '0' && c <= '9'; }
constexpr bool is_word(char c) noexcept {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || is_digit(c) || c == '_' ||
           c == '$' || (c & 0x80) != 0;
}

inline constexpr std::string_view anonymous = "(anonymous namespace)";

inline std::string_view trimmed(std::string_view text) noexcept {
    while (text.starts_with(' ')) text.remove_prefix(1);
    while (text.ends_with(' ')) text.remove_suffix(1);
    return text;
}

// If the word at `at` is `operator`: the end of the operator's name; else `at`.
inline std::size_t operator_end(std::string_view text, std::size_t at) noexcept {
    constexpr std::string_view word = "operator";
    if (!text.substr(at).starts_with(word) || (at > 0 && is_word(text[at - 1]))) return at;
    std::size_t end = at + word.size();
    if (end == text.size() || is_word(text[end]) || text[end] == ' ') return at;
    const auto symbol = text.substr(end, 2);
    if (symbol == "()" || symbol == "[]") return end + 2;
    while (end < text.size() &&
           std::string_view("+-*/%^&|~!=<>,\"").find(text[end]) != std::string_view::npos)
        ++end;
    return end;
}

// The index behind the unit that begins at `at`: a bracketed group, a character literal, an
// operator's name, or one character.
inline std::size_t unit_end(std::string_view text, std::size_t at) noexcept {
    const std::size_t after_operator = operator_end(text, at);
    if (after_operator != at) return after_operator;
    if (text[at] == '\'' && at + 2 < text.size() &&
        (text[at + 1] == '\\' || text[at + 2] == '\'')) {
        const std::size_t close = text.find('\'', at + 1 + (text[at + 1] == '\\' ? 2u : 1u));
        return close == std::string_view::npos ? text.size() : close + 1;
    }
    const std::size_t kind = std::string_view("(<[{").find(text[at]);
    if (kind == std::string_view::npos) return at + 1;
    const char close = ")>]}"[kind];
    for (std::size_t i = at + 1; i < text.size();) {
        if (text[i] == close) return i + 1;
        i = unit_end(text, i);
    }
    return text.size();
}

// True if `text` is one group from its first character to its last.
inline bool is_group(std::string_view text) noexcept {
    return text.starts_with('(') && unit_end(text, 0) == text.size();
}

inline std::vector<std::string_view> split_at_commas(std::string_view text) {
    std::vector<std::string_view> parts;
    std::size_t begin = 0;
    for (std::size_t i = 0; i < text.size();) {
        if (text[i] == ',') {
            parts.push_back(trimmed(text.substr(begin, i - begin)));
            begin = i + 1;
        }
        i = unit_end(text, i);
    }
    if (const auto last = trimmed(text.substr(begin)); !last.empty()) parts.push_back(last);
    return parts;
}

// The qualified name in the declaration of a function: `int ns::f<1>(int) const` gives `ns::f<1>`.
inline std::string_view declared_name(std::string_view text) noexcept {
    std::size_t begin = 0;
    for (std::size_t i = 0; i < text.size();) {
        const std::size_t end = unit_end(text, i);
        if (text[i] == ' ') {
            begin = end;
        } else if (text[i] == '(' && text.substr(i, anonymous.size()) != anonymous) {
            std::string_view rest = text.substr(end);
            if (rest.starts_with('(')) { // a function that returns a pointer to a function
                std::string_view inner = text.substr(i + 1, end - i - 2);
                while (inner.starts_with('*') || inner.starts_with('&') || inner.starts_with(' '))
                    inner.remove_prefix(1);
                return declared_name(inner);
            }
            if (rest.starts_with(" const")) rest.remove_prefix(6);
            const bool enclosing = rest.starts_with("::"); // the function that a local class is in
            const bool in_result = rest.starts_with(' ') && rest.size() > 1 &&
                                   (is_word(rest[1]) || rest[1] == '(') &&
                                   !rest.starts_with(" volatile") &&
                                   !rest.starts_with(" noexcept") && !rest.starts_with(" requires");
            if (!enclosing && !in_result) return text.substr(begin, i - begin);
        } else if (end != i + 1 && text[i] == 'o' && text.substr(end).starts_with(" <")) {
            i = end + 1; // `operator< <int>`
            continue;
        }
        i = end;
    }
    return text.substr(begin);
}

std::string canonical_type(std::string_view text);
std::string canonical_name(std::string_view text);

// A character literal as its number, an integer without its suffix, anything else unchanged.
inline std::string canonical_literal(std::string_view text) {
    if (text.size() >= 3 && text.starts_with('\'')) {
        if (text[1] != '\\')
            return std::to_string(static_cast<int>(static_cast<signed char>(text[1])));
        int octal = 0;
        for (std::size_t i = 2; i + 1 < text.size() && is_digit(text[i]); ++i)
            octal = octal * 8 + (text[i] - '0');
        // in the order of their codes, from 7 on; gcc also writes \' and \\.
        constexpr std::string_view escapes = "abtnvfr";
        if (const auto at = escapes.find(text[2]); at != std::string_view::npos)
            return std::to_string(at + 7);
        return std::to_string(is_digit(text[2]) ? octal : static_cast<int>(text[2]));
    }
    while (!text.empty() && std::string_view("uUlL").find(text.back()) != std::string_view::npos)
        text.remove_suffix(1);
    return std::string(text);
}

inline std::string canonical_argument(std::string_view text) {
    if (text.starts_with('&')) { // the address of a function or an object
        text = trimmed(text.substr(1));
        if (is_group(text) && text != anonymous) text = text.substr(1, text.size() - 2);
        return canonical_name(declared_name(text));
    }
    const bool negative = text.starts_with('-');
    if (text.starts_with('\'') || is_digit(text[negative ? 1 : 0])) return canonical_literal(text);
    // a literal with its type: only an enumeration keeps it
    if (text.starts_with('(') && !text.starts_with(anonymous)) {
        const std::size_t end = unit_end(text, 0);
        const auto type = canonical_type(text.substr(1, end - 2));
        if (end == text.size()) return "(" + type + ")";
        const auto value = canonical_literal(text.substr(end));
        const bool is_integer = (type.starts_with('i') || type.starts_with('u')) &&
                                type.find_first_not_of("0123456789", 1) == std::string::npos;
        return is_integer || type == "char" ? value : "(" + type + ")" + value;
    }
    return canonical_type(text);
}

// True for what the standard gives as the default if `first` is the first argument: gcc does not
// always print those.
inline bool is_default(std::string_view argument, std::string_view first) noexcept {
    if (argument.starts_with("std::allocator<")) return true;
    for (const std::string_view name :
         {"char_traits", "less", "hash", "equal_to", "default_delete"}) {
        const std::string_view rest = argument.substr(argument.starts_with("std::") ? 5 : 0);
        if (rest.size() == name.size() + first.size() + 2 && rest.starts_with(name) &&
            rest.substr(name.size() + 1, first.size()) == first) {
            return true;
        }
    }
    return false;
}

inline std::string canonical_arguments(std::string_view inside, bool of_std) {
    std::vector<std::string> arguments;
    for (const auto part : split_at_commas(inside)) arguments.push_back(canonical_argument(part));
    while (of_std && arguments.size() > 1 && is_default(arguments.back(), arguments.front()))
        arguments.pop_back();
    std::string out = "<";
    for (const auto& argument : arguments) {
        if (out.size() > 1) out += ',';
        out += argument;
    }
    return out + ">";
}

// True for namespaces that say how a library was built, not what the thing is: our own inline
// namespace, std::__cxx11, std::__1, ….
inline bool is_hidden_namespace(std::string_view component, std::string_view before) noexcept {
    if (before == "mitogen::")
        return component.size() > 2 && component[0] == 'v' && is_digit(component[1]);
    return before.starts_with("std::") && (component.starts_with("__") || component == "_V2");
}

inline std::string canonical_name(std::string_view text) {
    std::string out;
    for (std::size_t i = text.starts_with("::") ? 2 : 0; i < text.size();) {
        std::size_t end = i;
        std::string component;
        while (end < text.size() && !text.substr(end).starts_with("::") &&
               !(text[end] == '<' && end > i)) {
            const std::size_t next = unit_end(text, end);
            if (text[end] == '(' && end > i)
                component += "()"; // an enclosing function: its parameters tell nothing here
            else if (text[end] != '[' && text[end] != ' ')
                component += text.substr(end, next - end); // `[abi:cxx11]` goes
            else if (end == i || text[end] != '[')
                component += text[end];
            end = next;
        }
        if (component == "{anonymous}") component = anonymous;
        if (i == 0 && component == "main" && text.substr(end).starts_with("::"))
            component = "main()"; // it has no mangled parameters
        const bool last = end >= text.size() || text[end] == '<';
        if (last || !is_hidden_namespace(component, out)) {
            out += component;
            if (end < text.size() && text[end] == '<') {
                const std::size_t close = unit_end(text, end);
                out += canonical_arguments(text.substr(end + 1, close - end - 2),
                                           out.starts_with("std::"));
                end = close;
            }
            if (out == "std::basic_string<char>") out = "std::string";
            if (out == "std::basic_string_view<char>") out = "std::string_view";
            if (text.substr(end).starts_with("::")) out += "::";
        }
        i = end + (text.substr(end).starts_with("::") ? 2
                   : (end < text.size() && end == i)  ? 1
                                                      : 0);
    }
    return out;
}

// The words of an arithmetic type, in any order: `long unsigned int` is u64 or u32, by the width of
// long here.
struct arithmetic_words {
    int longs = 0, shorts = 0, chars = 0, ints = 0, doubles = 0, wides = 0, is_signed = 0,
        is_unsigned = 0;

    bool take(std::string_view word) noexcept {
        const struct {
            std::string_view name;
            int& count;
        } words[] = {{"long", longs},       {"short", shorts},        {"char", chars},
                     {"int", ints},         {"double", doubles},      {"__int128", wides},
                     {"signed", is_signed}, {"unsigned", is_unsigned}};
        for (const auto& known : words) {
            if (word == known.name) return ++known.count, true;
        }
        return false;
    }

    bool any() const noexcept {
        return longs || shorts || chars || ints || doubles || wides || is_signed || is_unsigned;
    }

    std::string name() const {
        if (doubles) return longs ? "long double" : "f64";
        if (chars && !is_signed && !is_unsigned) return "char";
        const std::size_t bytes = chars       ? 1
                                  : shorts    ? sizeof(short)
                                  : wides     ? 16
                                  : longs > 1 ? sizeof(long long)
                                  : longs     ? sizeof(long)
                                              : sizeof(int);
        return (is_unsigned ? "u" : "i") + std::to_string(bytes * 8);
    }
};

// What follows the name in a type: pointers, references, arrays, parameter lists.
inline std::string canonical_declarator(std::string_view text) {
    std::string out;
    for (std::size_t i = 0; i < text.size();) {
        const std::size_t end = unit_end(text, i);
        if (text[i] == '(') {
            const auto inside = trimmed(text.substr(i + 1, end - i - 2));
            out += '(';
            if (inside.starts_with('*') || inside.starts_with('&') || inside.ends_with("::*")) {
                out += canonical_declarator(inside);
            } else {
                for (const auto part : split_at_commas(inside)) {
                    if (out.back() != '(') out += ',';
                    out += canonical_type(part);
                }
            }
            out += ')';
        } else if (text[i] == '[') {
            out += "[" + canonical_literal(text.substr(i + 1, end - i - 2)) + "]";
        } else if (text[i] != ' ') {
            if (i > 0 && text[i - 1] == ' ' && is_word(text[i]) && !out.empty()) out += ' ';
            out += text.substr(i, end - i);
        }
        i = end;
    }
    return out;
}

inline std::string canonical_type(std::string_view text) {
    arithmetic_words arithmetic;
    bool is_const = false;
    bool is_volatile = false;
    std::string name;
    std::size_t i = 0;
    while (i < text.size()) {
        const bool special = text.substr(i).starts_with(anonymous) || text[i] == '{' ||
                             text[i] == '<' || text[i] == ':' || text[i] == '\'';
        if (text[i] == ' ') {
            ++i;
            continue;
        }
        if (!is_word(text[i]) && !special) break;
        std::size_t end = i;
        while (end < text.size() && text[end] != ' ') { // one word: a keyword or a qualified name
            const bool open = text[end] == '(';
            const std::size_t next = unit_end(text, end);
            if (open && !text.substr(end).starts_with(anonymous) &&
                !text.substr(next).starts_with("::"))
                break;
            if (text[end] == '*' || text[end] == '&' ||
                (text[end] == '[' && !text.substr(end).starts_with("[abi:")))
                break;
            end = next;
        }
        const auto word = text.substr(i, end - i);
        if (word == "const")
            is_const = true;
        else if (word == "volatile")
            is_volatile = true;
        else if (word == "float")
            name = "f32";
        else if (!arithmetic.take(word))
            name += (name.empty() ? "" : " ") + canonical_name(word);
        i = end;
    }
    if (arithmetic.any()) name = arithmetic.name() + name;
    return name + (is_const ? " const" : "") + (is_volatile ? " volatile" : "") +
           canonical_declarator(text.substr(i));
}

// The name of a function, or of the class of a function object, that was printed as a template
// argument.
inline std::string canonical_function(std::string_view text) {
    constexpr std::string_view closure = "<lambda closure object>"; // gcc
    if (text.starts_with(closure)) {
        text.remove_prefix(closure.size());
        if (text.ends_with("()")) text.remove_suffix(2);
        return canonical_name(text);
    }
    if (text.starts_with("(lambda")) return std::string(text); // clang: the place in the source
    if (text.starts_with('&')) text.remove_prefix(1);
    if (is_group(text)) text = text.substr(1, text.size() - 2);
    if (text.ends_with("{}")) return canonical_name(text.substr(0, text.size() - 2));
    return canonical_name(declared_name(text));
}

// True if the same source may give this text another meaning, or this function another text, in
// another build: closures, anonymous namespaces, what is declared inside a function.
inline bool names_within_one_build(std::string_view name) noexcept {
    for (const std::string_view sign : {")::", "$_", "{lambda", "<lambda", "'lambda", "(lambda",
                                        "{unnamed", "<unnamed", "'unnamed"}) {
        if (name.find(sign) != std::string_view::npos) return true;
    }
    return false;
}

} // namespace detail
} // namespace mitogen::inline MITOGEN_ABI
