// SPDX-License-Identifier: BSL-1.0
#pragma once
// signature.hpp: composes the canonical text of a wire type, at run time and only when somebody
// asks for it.

#include <mitogen/base/config.hpp>

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>

namespace mitogen::inline MITOGEN_ABI {

/// How a `T` becomes bytes: specialise it for a type that has no codec. Static members:
/// `size(const T&)`, the bytes that it takes; `encode(writer&, const T&)`, which writes as many;
/// `decode(reader&, T&)`, false if the bytes are none; `signature(signature_sink&)`, its name.
template <class T>
struct codec;

namespace wire {
// One mutable byte per type, known by its address. It is not const because linkers and optimisers
// may merge equal constants.
template <class T>
inline char type_mark = 0;
} // namespace wire

/// Receives the signature of a type, piece by piece. The same text comes from every compiler, word
/// size and byte order.
///
/// A type that contains itself is written once; inside itself it is `^n`, n being the number of
/// values to step out of: `struct node { std::vector<node> kids; }` is `{[^2]}`.
class signature_sink {
    struct frame {
        const void* mark;
        const frame* outer;
    };

    std::string text_;
    const frame* inner_ = nullptr;

    bool refer_back(const void* mark) {
        std::uint64_t distance = 1;
        for (const frame* at = inner_; at; at = at->outer, ++distance) {
            if (at->mark == mark) {
                put('^').put_number(distance);
                return true;
            }
        }
        return false;
    }

    void add(const void* mark, void (*signature)(signature_sink&)) {
        if (refer_back(mark)) return;
        const frame here{mark, inner_};
        inner_ = &here;
        signature(*this);
        inner_ = here.outer;
    }

public:
    signature_sink& put(char c) {
        text_.push_back(c);
        return *this;
    }

    signature_sink& put(std::string_view text) {
        text_.append(text);
        return *this;
    }

    /// A number in decimal.
    signature_sink& put_number(std::uint64_t number) { return put(std::to_string(number)); }

    /// The signature of `T`, or a reference back to it if we are inside a `T` already.
    template <class T>
    signature_sink& add() {
        if constexpr (std::is_class_v<T>) {
            add(&wire::type_mark<T>, &codec<T>::signature);
        } else {
            codec<T>::signature(*this);
        }
        return *this;
    }

    /// The signatures of `Ts`, separated by `separator`.
    template <class... Ts>
    signature_sink& list([[maybe_unused]] char separator) {
        [[maybe_unused]] const std::size_t begin = text_.size();
        (((text_.size() == begin ? *this : put(separator)).template add<Ts>()), ...);
        return *this;
    }

    /// What was written so far.
    const std::string& text() const noexcept { return text_; }

    /// The text; the sink is empty afterwards.
    std::string take() noexcept { return std::move(text_); }
};

namespace wire {
/// The signatures of `Ts`, in parentheses if there is not exactly one.
template <class... Ts>
void write_signature(signature_sink& s) {
    if constexpr (sizeof...(Ts) == 1)
        s.list<Ts...>(',');
    else
        s.put('(').template list<Ts...>(',').put(')');
}
} // namespace wire

} // namespace mitogen::inline MITOGEN_ABI
