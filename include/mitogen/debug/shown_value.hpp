// SPDX-License-Identifier: BSL-1.0
#pragma once
// shown_value.hpp: values as a person reads them at a prompt, and simple ones as he types them.

#include <mitogen/base/config.hpp>
#include <mitogen/codec/codec.hpp>
#include <mitogen/codec/reflect/fields.hpp>
#include <mitogen/codec/reflect/members.hpp>
#include <mitogen/codec/shapes.hpp>

#include <charconv>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <system_error>
#include <tuple>
#include <type_traits>
#include <utility>

namespace mitogen::inline MITOGEN_ABI {
namespace detail {

/// A text that grows to a bound, and says so if there was more.
class shown_text {
    std::string text_;
    bool cut_ = false;

public:
    static constexpr std::size_t most = 4096;

    bool full() const noexcept { return cut_; }
    void put(std::string_view more) {
        if (cut_) return;
        const std::size_t room = most - text_.size();
        cut_ = more.size() > room;
        text_.append(more.substr(0, room));
        if (cut_) text_ += "...";
    }
    /// In quotes, with what is no visible character written out.
    void quote(std::string_view text) {
        constexpr std::string_view digits = "0123456789abcdef";
        put("\"");
        for (const char c : text) {
            if (full()) return;
            const auto byte = static_cast<unsigned char>(c);
            if (c == '"' || c == '\\') put("\\");
            if (c == '\n') {
                put("\\n");
            } else if (byte < 0x20 || byte == 0x7f) {
                put("\\x");
                put(digits.substr(byte >> 4, 1));
                put(digits.substr(byte & 15u, 1));
            } else {
                put({&c, 1});
            }
        }
        put("\"");
    }
    std::string take() { return std::move(text_); }
};

template <class T>
concept text_like = std::convertible_to<const T&, std::string_view>;
template <class T>
concept range_like = requires(const T& c) {
    c.begin() != c.end();
};
template <class T>
concept maybe_like = requires(const T& c) {
    static_cast<bool>(c);
    *c;
};
template <class T>
concept tuple_like = requires {
    std::tuple_size<T>::value;
};

template <class T>
void show(shown_text& to, const T& value);

template <class Tuple>
void show_all(shown_text& to, const Tuple& values, const std::string_view* names) {
    std::apply(
        [&](const auto&... each) {
            std::size_t i = 0;
            const auto one = [&](const auto& v) {
                if (i != 0) to.put(", ");
                if (names) {
                    to.put(names[i]);
                    to.put(": ");
                }
                ++i;
                show(to, v);
            };
            to.put("{");
            (one(each), ...);
            to.put("}");
        },
        values);
}

template <class T>
void show_members(shown_text& to, const T& value) {
    if constexpr (wire::listed_class<T>) {
        std::apply(
            [&](auto... pointer) {
                show_all(to, std::tie(wire::reach(value, pointer)...), nullptr);
            },
            wire::members_of<T>().pointers);
    } else {
        [&]<std::size_t... I>(std::index_sequence<I...>) {
            static constexpr std::string_view names[] = {wire::field_name<T, I>.view()...};
            show_all(to, wire::tie_fields(const_cast<T&>(value)), names);
        }
        (std::make_index_sequence<wire::field_count<T>>{});
    }
}

template <class T>
consteval bool has_fields() {
    if constexpr (wire::listed_class<T>)
        return true;
    else if constexpr (std::is_aggregate_v<T> && std::is_class_v<T>)
        return wire::find_field_problem<T>() == wire::field_problem::none && !std::is_empty_v<T>;
    else
        return false;
}

/// Adds the value to the text. What has no form that is known here is shown by its size.
template <class T>
void show(shown_text& to, const T& value) {
    if (to.full()) return;
    if constexpr (std::is_same_v<T, bool>) {
        to.put(value ? "true" : "false");
    } else if constexpr (std::is_same_v<T, char>) {
        to.put("'");
        to.put({&value, 1});
        to.put("'");
    } else if constexpr (std::is_enum_v<T>) {
        show(to, static_cast<std::underlying_type_t<T>>(value));
    } else if constexpr (std::is_floating_point_v<T>) {
        char digits[64];
        const auto end = std::to_chars(digits, digits + sizeof digits, static_cast<double>(value));
        to.put({digits, static_cast<std::size_t>(end.ptr - digits)});
    } else if constexpr (std::is_integral_v<T>) {
        to.put(std::to_string(+value));
    } else if constexpr (text_like<T>) {
        to.quote(std::string_view(value));
    } else if constexpr (range_like<T>) {
        to.put("[");
        bool first = true;
        for (const auto& each : value) {
            if (to.full()) break;
            if (!std::exchange(first, false)) to.put(", ");
            show(to, each);
        }
        to.put("]");
    } else if constexpr (std::is_pointer_v<T>) {
        to.put(value ? "a pointer" : "null");
    } else if constexpr (maybe_like<T>) {
        if (value)
            show(to, *value);
        else
            to.put("none");
    } else if constexpr (tuple_like<T>) {
        show_all(to, value, nullptr);
    } else if constexpr (has_fields<T>()) {
        show_members(to, value);
    } else {
        to.put("(" + std::to_string(sizeof(T)) + " bytes)");
    }
}

/// True of what can be typed: numbers, bool, enumerations, strings.
template <class T>
concept can_be_typed = std::is_arithmetic_v<T> || std::is_enum_v<T> || std::same_as<T, std::string>;

/// Reads a value of that type; false if the text is none, or it is out of its range. A string may
/// stand in quotes.
template <can_be_typed T>
bool read_typed(std::string_view text, T& value) {
    if constexpr (std::is_same_v<T, std::string>) {
        if (text.size() >= 2 && text.front() == '"' && text.back() == '"')
            text = text.substr(1, text.size() - 2);
        value = text;
        return true;
    } else if constexpr (std::is_same_v<T, bool>) {
        if (text != "true" && text != "false" && text != "1" && text != "0") return false;
        value = text == "true" || text == "1";
        return true;
    } else if constexpr (std::is_enum_v<T>) {
        std::underlying_type_t<T> number{};
        if (!read_typed(text, number)) return false;
        value = static_cast<T>(number);
        return true;
    } else if constexpr (std::is_same_v<T, char>) {
        if (text.size() == 3 && text.front() == '\'' && text.back() == '\'')
            text = text.substr(1, 1);
        if (text.size() != 1) return false;
        value = text[0];
        return true;
    } else {
        T number{};
        const auto read = std::from_chars(text.data(), text.data() + text.size(), number);
        if (read.ec != std::errc() || read.ptr != text.data() + text.size()) return false;
        value = number;
        return true;
    }
}

} // namespace detail
} // namespace mitogen::inline MITOGEN_ABI
