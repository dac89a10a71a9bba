// SPDX-License-Identifier: BSL-1.0
#pragma once
// prompt_matcher.hpp: the questions that a tool asks before it lets anybody in, and who answers
// them with what.

#include <mitogen/base/config.hpp>
#include <mitogen/base/error.hpp>
#include <mitogen/boot/prompts/password_owner.hpp>
#include <mitogen/boot/prompts/prompt.hpp>
#include <mitogen/child/text_tail.hpp>
#include <mitogen/codec/secret.hpp>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <initializer_list>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace mitogen::inline MITOGEN_ABI {

namespace detail {

/// What a line asks for that a tool has printed and not ended.
enum class prompt_kind : std::uint8_t {
    none,     ///< it is no question, or not yet
    password, ///< the password
    /// that of a key, which is not the password: if nobody answers, the tool goes on without the
    /// key
    passphrase,
    host_key, ///< whether a host is the right one
    /// anything else: the password in another language, or what only a person can answer, a code
    /// that is used once
    other,
    unsure, ///< it ends as a question, and that is all that is known
};

/// False for what the line editor of a terminal would take for a key.
inline bool is_typable(const secret& text) noexcept {
    for (const char c : text.reveal())
        if (static_cast<unsigned char>(c) < 0x20 || c == 0x7f) return false;
    return true;
}

/// Why nobody can type a method's password, if so.
inline std::optional<error> untypable(const secret& password, std::string_view method) {
    if (is_typable(password)) return std::nullopt;
    return error(reason::misuse,
                 std::string(method) + ": the password contains a control character");
}

/// True for a line that ends in one of these, and blanks perhaps.
inline bool ends_in(std::string_view line, std::initializer_list<std::string_view> ends) noexcept {
    line = line.substr(0, line.find_last_not_of(' ') + 1);
    return std::any_of(ends.begin(), ends.end(),
                       [line](std::string_view end) { return line.ends_with(end); });
}

/// True for a line that ends as questions for passwords do: with a colon, be it one as wide as
/// Chinese characters.
inline bool ends_as_question(std::string_view line) noexcept {
    return ends_in(line, {":", "\xEF\xBC\x9A"});
}

/// Answers a tool's questions: with a password, at most once; the others are a person's, if there
/// is one. Bytes in, answers out: it reads and writes nothing itself.
class prompt_matcher {
public:
    /// Knows the questions of one tool. Gets what stands on a line so far, up to a kilobyte.
    using recogniser = prompt_kind (*)(std::string_view line);

    /// What the tool reads the answer from.
    enum class reads : std::uint8_t {
        terminal, ///< at its terminal
        input,    ///< on its stdin if that is a pipe: byte by byte, up to the end of the line
    };

    /// What is to be done about bytes that were heard.
    enum class reaction : std::uint8_t {
        nothing,
        answer,  ///< type answer() and a newline
        look_up, ///< run what lookup() says, and give found() what it prints
        decline, ///< type a newline
        /// put question() to a person, in the place of any before, and say to settle() what comes
        /// of it
        ask,
        withdraw, ///< what was put to a person was no question
        give_up,  ///< why() and trouble() say why
    };

    static constexpr int most_questions = 32; ///< that are put to a person in one attempt

private:
    recogniser recognise_ = nullptr;
    secret password_;
    reads where_ = reads::terminal;
    bool person_there_ = false;
    bool asking_ = false;          // a person has the question
    bool typing_password_ = false; // what answer() is
    int asked_ = 0;                // how often
    std::string line_;             // so far
    prompt_kind kind_{};           // of the question
    std::string question_;         // the latest
    std::string password_asked_;   // the question that the password was typed for
    std::vector<secret> given_;    // a person's answers
    owner_lookup lookup_;          // if others may ask
    password_owner owner_;         // once that is looked up
    std::string asker_;            // of the question, or of lines before it
    enum class lookup_state : std::uint8_t { none, runs, done } looked_up_{};
    enum reason why_ = reason::none;
    std::string trouble_;

    static constexpr std::size_t longest_line = 1024;

public:
    prompt_matcher(recogniser recognise, secret password, reads where)
        : recognise_(recognise), password_(std::move(password)), where_(where) {}

    /// The password is typed to nobody but its owner. Without this, to whoever asks.
    void for_owner(owner_lookup lookup) { lookup_ = std::move(lookup); }

    /// Whether a person can be asked. False at first.
    void person_there(bool yes) noexcept { person_there_ = yes; }

    /// Adds what the tool has printed. After a reaction other than `nothing` and `withdraw` the
    /// line counts as ended.
    MITOGEN_COLD reaction hear(std::string_view bytes) {
        for (const char c : bytes) {
            if (c == '\n' || c == '\r') {
                note_asker();
                line_.clear();
            } else if (line_.size() < longest_line) {
                line_ += c;
            }
        }
        const prompt_kind asked = kind_of(line_);
        if (asked == prompt_kind::none) {
            const bool was_no_question = asking_ && kind_ == prompt_kind::unsure && !bytes.empty();
            if (was_no_question) asking_ = false;
            return was_no_question ? reaction::withdraw : reaction::nothing;
        }
        kind_ = asked;
        note_asker();
        question_ = presentable(std::exchange(line_, {}));
        asking_ = false;
        if (kind_ == prompt_kind::host_key)
            return give_up(reason::host_key, "the host key is unknown");
        if ((kind_ == prompt_kind::password || kind_ == prompt_kind::other) && !password_.empty() &&
            password_asked_.empty()) {
            return judge();
        }
        return refuse();
    }

    /// What was asked for with `look_up`.
    const owner_lookup& lookup() const noexcept { return lookup_; }
    /// What came of that; nothing, if it could not be run.
    MITOGEN_COLD reaction found(std::string_view printed) {
        looked_up_ = lookup_state::done;
        owner_ = lookup_.read(printed);
        if (owner_.name.empty()) owner_ = lookup_.likely;
        return judge();
    }

    /// What has become of a question that was put to a person.
    MITOGEN_COLD reaction settle(prompt_outcome how, secret answer) {
        if (!std::exchange(asking_, false)) return reaction::nothing;
        switch (how) {
        case prompt_outcome::answered:
            if (!is_typable(answer))
                return give_up(reason::misuse,
                               "the answer to " + quoted() + " contains a control character");
            given_.push_back(std::move(answer));
            typing_password_ = false;
            return type(reaction::answer);
        case prompt_outcome::declined:
            if (kind_ == prompt_kind::passphrase) return type(reaction::decline);
            if (question_ == password_asked_)
                return give_up(reason::auth_incorrect, "the password is incorrect");
            return give_up(reason::auth_required, "nobody answered its question " + quoted());
        case prompt_outcome::nobody: break;
        }
        person_there_ = false;
        return unanswered();
    }

    /// What is to be typed after `answer`.
    const secret& answer() const noexcept { return typing_password_ ? password_ : given_.back(); }
    /// The question that is to be put to a person. Nothing in it was typed here, and there are no
    /// control characters.
    const std::string& question() const noexcept { return question_; }
    /// If a person has it, and has not answered: so in words. Else empty.
    std::string waiting_text() const {
        return asking_ ? "nobody has answered its question " + quoted() + " yet" : std::string();
    }
    /// Where answers go.
    reads where() const noexcept { return where_; }
    /// True once something was typed that should have let somebody in.
    bool answered() const noexcept { return !password_asked_.empty() || !given_.empty(); }
    /// True once a person has answered.
    bool answered_by_person() const noexcept { return !given_.empty(); }
    /// The password; empty: there is none.
    const secret& password() const noexcept { return password_; }
    /// Of `give_up`: the reason.
    enum reason why() const noexcept { return why_; }
    /// Of `give_up`: in words.
    const std::string& trouble() const noexcept { return trouble_; }

    /// Calls `call(const secret&)` for all that must not be shown.
    template <class Call>
    void for_each_secret(Call&& call) const {
        call(password_);
        for (const secret& s : given_) call(s);
    }

private:
    prompt_kind kind_of(std::string_view line) const {
        const prompt_kind known = recognise_(line);
        return known == prompt_kind::none && person_there_ &&
                       ends_in(line, {":", "?", "\xEF\xBC\x9A"})
                   ? prompt_kind::unsure
                   : known;
    }

    /// More than one name is nobody's: what is printed behind the name of who asks is theirs, and
    /// may lie.
    void note_asker() {
        if (!lookup_.asker) return;
        const std::string name = lookup_.asker(line_);
        if (!name.empty() && name != asker_) asker_ += (asker_.empty() ? "" : ", ") + name;
    }

    /// What asks after an answer may be another.
    reaction type(reaction how) {
        asker_.clear();
        return how;
    }

    reaction type_password() {
        password_asked_ = question_;
        typing_password_ = true;
        return type(reaction::answer);
    }

    /// Whether the question for the password is its owner's.
    MITOGEN_COLD reaction judge() {
        const bool names_count = !lookup_.cannot_tell;
        if (!lookup_.asker || (names_count && names_owner(asker_, lookup_.likely.name)))
            return type_password();
        if (looked_up_ != lookup_state::done) {
            const bool runs = std::exchange(looked_up_, lookup_state::runs) == lookup_state::runs;
            return runs ? reaction::nothing : reaction::look_up;
        }
        const bool is_owners = names_count && !asker_.empty() ? names_owner(asker_, owner_.name)
                                                              : !owner_.others_may_ask;
        return is_owners ? type_password() : refuse();
    }

    /// The password is no answer to it.
    reaction refuse() { return person_there_ ? ask() : unanswered(); }

    reaction ask() {
        if (++asked_ > most_questions)
            return give_up(reason::auth_required,
                           "it asks without end; the last question was " + quoted());
        asking_ = true;
        return reaction::ask;
    }

    /// What is done if there is no person.
    MITOGEN_COLD reaction unanswered() {
        const std::string hint = "router_options::on_prompt";
        switch (kind_) {
        case prompt_kind::passphrase: return type(reaction::decline);
        case prompt_kind::password:
        case prompt_kind::other:
            if (question_ == password_asked_)
                return give_up(reason::auth_incorrect, "the password is incorrect");
            if (password_asked_.empty() && !password_.empty()) return give_up_of_another(hint);
            if (password_asked_.empty() && kind_ == prompt_kind::password)
                return give_up(reason::auth_required,
                               "a password is required; set .password or " + hint);
            if (password_asked_.empty())
                return give_up(reason::auth_required,
                               "it asks " + quoted() + "; set .password or " + hint);
            if (kind_ == prompt_kind::password)
                return give_up(reason::auth_incorrect,
                               "the password is incorrect, or another one is wanted: it asks " +
                                   quoted() + " as well; see " + hint);
            return give_up(reason::auth_required,
                           "it asks " + quoted() +
                               " as well, which a password does not answer; set " + hint);
        default: return reaction::nothing; // it may yet go on by itself
        }
    }

    /// A password is there, and was not typed.
    MITOGEN_COLD reaction give_up_of_another(const std::string& hint) {
        const std::string& owner = owner_.name;
        std::string text = "it asks " + quoted() + ", and the password is for " +
                           (owner.starts_with('@') ? owner.substr(1) : owner);
        if (lookup_.cannot_tell) text.append(": ").append(lookup_.cannot_tell);
        return give_up(reason::auth_required,
                       text + "; for who is passed on the way use a key, or set " + hint);
    }

    reaction give_up(enum reason why, std::string text) {
        why_ = why;
        trouble_ = std::move(text);
        return reaction::give_up;
    }

    std::string quoted() const {
        return "\"" + question_.substr(0, question_.find_last_not_of(' ') + 1) + "\"";
    }

    std::string presentable(std::string line) const {
        for_each_secret([&](const secret& s) { mask(line, s.reveal()); });
        defuse(line);
        return line;
    }
};

/// True where `line` contains `word`, whatever the case of its letters. `word` is in small letters.
inline bool mentions(std::string_view line, std::string_view word) noexcept {
    const auto small = [](char c) {
        return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
    };
    for (std::size_t at = 0; at + word.size() <= line.size(); ++at) {
        std::size_t same = 0;
        while (same < word.size() && small(line[at + same]) == word[same]) ++same;
        if (same == word.size()) return true;
    }
    return false;
}

/// Knows "Password: ", and whatever PAM makes of it, of a tool that speaks English.
inline prompt_kind ask_for_password(std::string_view line) noexcept {
    return ends_as_question(line) && mentions(line, "password") ? prompt_kind::password
                                                                : prompt_kind::none;
}

} // namespace detail
} // namespace mitogen::inline MITOGEN_ABI
