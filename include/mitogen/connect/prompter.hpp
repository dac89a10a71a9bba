// SPDX-License-Identifier: BSL-1.0
#pragma once
// prompter.hpp: the questions that a tool asks before it lets anybody in, and who answers them with what.

#include <mitogen/base/config.hpp>
#include <mitogen/base/error.hpp>
#include <mitogen/wire/secret.hpp>

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

namespace mitogen::inline MITOGEN_ABI {

/// What a line asks for that a tool has printed and not ended.
enum class prompt_kind : std::uint8_t {
    none,       ///< it is no question, or not yet
    password,   ///< the password
    passphrase, ///< that of a key, which is not the password: answered with nothing, so that the tool goes on without the key
    host_key,   ///< whether a host is the right one
    other,      ///< anything else: the password in another language, or what only a person can answer, a code that is used once
};

/// Answers a tool's questions with a password, at most once. Bytes in, answers out: it reads and writes nothing itself.
class prompter {
public:
    /// Knows the questions of one tool. Gets what stands on a line so far, up to a kilobyte.
    using recogniser = prompt_kind (*)(std::string_view line);

    /// Where the tool reads the answer.
    enum class reads : std::uint8_t {
        terminal, ///< at its terminal
        input,    ///< on its stdin where that is a pipe: byte by byte, up to the end of the line
    };

    /// What is to be done about bytes that were heard.
    enum class reaction : std::uint8_t {
        nothing,
        answer,  ///< type password() and a newline
        decline, ///< type a newline
        give_up, ///< why() and trouble() say why
    };

private:
    recogniser recognise_ = nullptr;
    secret password_;
    reads where_ = reads::terminal;
    std::string answered_line_; // the question
    enum reason why_ = reason::none;
    std::string trouble_;
    std::string line_;

    static constexpr std::size_t longest_line = 1024;

public:
    prompter(recogniser recognise, secret password, reads where)
        : recognise_(recognise), password_(std::move(password)), where_(where) {}

    /// Adds what the tool has printed. After a reaction other than `nothing` the line counts as ended.
    reaction hear(std::string_view bytes) {
        for (const char c : bytes) {
            if (c == '\n' || c == '\r') {
                line_.clear();
            } else if (line_.size() < longest_line) {
                line_ += c;
            }
        }
        const prompt_kind asked = recognise_(line_);
        if (asked == prompt_kind::none) return reaction::nothing;
        const std::string line = std::exchange(line_, {});
        switch (asked) {
        case prompt_kind::none: break;
        case prompt_kind::passphrase: return reaction::decline;
        case prompt_kind::host_key: return give_up(reason::host_key, "the host key is unknown");
        case prompt_kind::password:
        case prompt_kind::other:
            if (password_.empty()) return give_up(reason::auth_required, "a password is required; set .password");
            if (!answered()) {
                answered_line_ = line;
                return reaction::answer;
            }
            if (asked == prompt_kind::password || line == answered_line_)
                return give_up(reason::auth_incorrect, "the password is incorrect");
            return give_up(reason::auth_required, "it asks \"" + line + "\" as well, which a password does not answer");
        }
        return reaction::nothing;
    }

    /// The password.
    const secret& password() const noexcept { return password_; }
    /// Where answers go.
    reads where() const noexcept { return where_; }
    /// True once the password was asked for, and there was one.
    bool answered() const noexcept { return !answered_line_.empty(); }
    /// Of `give_up`: the reason.
    enum reason why() const noexcept { return why_; }
    /// Of `give_up`: in words.
    const std::string& trouble() const noexcept { return trouble_; }

private:
    reaction give_up(enum reason why, std::string text) {
        why_ = why;
        trouble_ = std::move(text);
        return reaction::give_up;
    }
};

namespace detail {

/// Why nobody can type that password, if so: what the line editor of a terminal would take for a key.
inline std::optional<error> untypable(const secret& password, std::string_view method) {
    for (const char c : password.reveal())
        if (static_cast<unsigned char>(c) < 0x20 || c == 0x7f)
            return error(reason::misuse, std::string(method) + ": the password contains a control character");
    return std::nullopt;
}

/// True for a line that ends as questions do: with a colon, and blanks perhaps.
inline bool ends_as_question(std::string_view line) noexcept {
    const std::size_t last = line.find_last_not_of(' ');
    return last != std::string_view::npos && line[last] == ':';
}

/// True where `line` contains `word`, whatever the case of its letters. `word` is in small letters.
inline bool mentions(std::string_view line, std::string_view word) noexcept {
    const auto small = [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c; };
    for (std::size_t at = 0; at + word.size() <= line.size(); ++at) {
        std::size_t same = 0;
        while (same < word.size() && small(line[at + same]) == word[same]) ++same;
        if (same == word.size()) return true;
    }
    return false;
}

/// Knows "Password: ", and whatever PAM makes of it, of a tool that speaks English.
inline prompt_kind ask_for_password(std::string_view line) noexcept {
    return ends_as_question(line) && mentions(line, "password") ? prompt_kind::password : prompt_kind::none;
}

/// Overwrites every `word` in `text` with asterisks.
inline void mask(std::string& text, std::string_view word) {
    if (word.empty()) return;
    for (std::size_t at = 0; (at = text.find(word, at)) != std::string::npos;) text.replace(at, word.size(), "***"), at += 3;
}

} // namespace detail
} // namespace mitogen::inline MITOGEN_ABI
