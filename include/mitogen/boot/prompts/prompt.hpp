// SPDX-License-Identifier: BSL-1.0
#pragma once
// prompt.hpp: a question that only a person can answer, on its way to whoever has that person.

#include <mitogen/base/config.hpp>
#include <mitogen/base/function.hpp>
#include <mitogen/codec/secret.hpp>

#include <cstdint>
#include <memory>
#include <string>
#include <type_traits>
#include <utility>

namespace mitogen::inline MITOGEN_ABI {

namespace detail {

/// What has become of a question that was put to somebody.
enum class prompt_outcome : std::uint8_t {
    answered,
    declined, ///< somebody was asked, and does not answer
    nobody,   ///< there is nobody to ask
};

/// Where what becomes of a question is told, at most once.
class answer_taker {
public:
    /// Ignored, and wiped, if no answer is wanted any more. Threads: any.
    virtual void take(prompt_outcome how, secret answer) noexcept = 0;
    /// Has `over` called on the loop when no answer is wanted any more, if there was none. Threads:
    /// loop.
    virtual void when_over(unique_function<void()> over) = 0;

protected:
    ~answer_taker() = default;
};

struct prompt_access;

} // namespace detail

/// A question that a tool asks before it lets anybody in, and that no option answers: a one-time
/// code, a passphrase, a password that was not given. Moves; does not copy. Keep it and answer it
/// later, from any thread: to drop it is to decline. What comes after the attempt to connect is
/// over is ignored; the router may be gone by then. An answer is forgotten once it was typed.
///
/// Threads: one at a time. Blocks: never.
class prompt {
    friend struct detail::prompt_access;

    std::string what_;
    std::string text_;
    std::string place_;
    std::shared_ptr<detail::answer_taker> to_;

    void settle(detail::prompt_outcome how, secret answer) noexcept {
        if (const auto to = std::exchange(to_, nullptr)) to->take(how, std::move(answer));
    }

public:
    prompt() = default;
    /// `place`: see place().
    prompt(std::string what, std::string text, std::shared_ptr<detail::answer_taker> to,
           std::string place = {}) noexcept
        : what_(std::move(what)), text_(std::move(text)), place_(std::move(place)),
          to_(std::move(to)) {}
    prompt(prompt&&) noexcept = default;
    prompt& operator=(prompt&& other) noexcept {
        if (this == &other) return *this;
        decline();
        what_ = std::move(other.what_);
        text_ = std::move(other.text_);
        place_ = std::move(other.place_);
        to_ = std::move(other.to_);
        return *this;
    }
    ~prompt() { decline(); }

    /// What is being connected: "ssh web1". In the words of the context that asks: see place().
    const std::string& what() const noexcept { return what_; }

    /// The path of the context that asks, "rack3.web7", as this program knows it, whatever that
    /// context says; empty for a tool that runs here. Show it: what() and text() of another context
    /// may say anything.
    const std::string& place() const noexcept { return place_; }

    /// The question as the tool asks it, its last line: "(mia@web1) Verification code: ". What it
    /// says may come from another machine; control characters are replaced.
    const std::string& text() const noexcept { return text_; }

    /// Types it, and Enter. With control characters in it the attempt ends with a logic_error. The
    /// same question again means that it was wrong. Nothing happens if this was answered or
    /// declined before.
    void answer(secret text) noexcept { settle(detail::prompt_outcome::answered, std::move(text)); }

    /// There will be no answer: the attempt ends with auth_error. Only a key's passphrase can be
    /// done without.
    void decline() noexcept { settle(detail::prompt_outcome::declined, {}); }
};

/// Who is asked: `void(prompt)`, called on the loop, which it must not block. Copies share one
/// callable.
class prompt_callback {
    std::shared_ptr<unique_function<void(prompt)>> call_;

public:
    prompt_callback() = default;
    prompt_callback(std::nullptr_t) noexcept {}
    template <class F>
        requires(!std::is_same_v<std::remove_cvref_t<F>, prompt_callback>)
    prompt_callback(F&& call)
        : call_(std::make_shared<unique_function<void(prompt)>>(std::forward<F>(call))) {}

    explicit operator bool() const noexcept { return call_ != nullptr; }
    void operator()(prompt question) const { (*call_)(std::move(question)); }
};

namespace detail {

/// What a context does with a question that it hands on.
struct prompt_access {
    static void nobody(prompt& question) noexcept { question.settle(prompt_outcome::nobody, {}); }
    static void when_over(prompt& question, unique_function<void()> over) {
        if (question.to_) question.to_->when_over(std::move(over));
    }
};

} // namespace detail
} // namespace mitogen::inline MITOGEN_ABI
