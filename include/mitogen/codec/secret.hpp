// SPDX-License-Identifier: BSL-1.0
#pragma once
// secret.hpp: a string that is not printed and is not left behind in memory.

#include <mitogen/base/config.hpp>
#include <mitogen/codec/reader.hpp>
#include <mitogen/codec/shapes.hpp>
#include <mitogen/codec/signature.hpp>
#include <mitogen/codec/text.hpp>
#include <mitogen/codec/wipe.hpp>
#include <mitogen/codec/writer.hpp>

#include <cstddef>
#include <cstring>
#include <memory>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>

namespace mitogen::inline MITOGEN_ABI {

/// A password or a key. Nothing prints it and nothing converts it back but reveal(); its memory is
/// overwritten when it is destroyed or assigned to, and so is that of the messages which carry it.
/// It cannot answer for the string that it was made from, nor for registers that the system puts by
/// (the dynamic loader does, unless the program is linked with -z now).
class secret {
    std::unique_ptr<char[]> text_; // not a std::string: moving one would leave short texts behind
    std::size_t size_ = 0;

    void wipe() noexcept {
        if (text_) detail::wipe(text_.get(), size_);
    }

public:
    secret() = default;
    secret(std::string_view text)
        : text_(text.empty() ? nullptr : new char[text.size()]), size_(text.size()) {
        if (size_ != 0) std::memcpy(text_.get(), text.data(), size_);
    }
    secret(const char* text) : secret(std::string_view(text)) {}
    secret(const std::string& text) : secret(std::string_view(text)) {}
    secret(const secret& other) : secret(other.reveal()) {}
    secret(secret&& other) noexcept
        : text_(std::move(other.text_)), size_(std::exchange(other.size_, 0)) {}
    secret& operator=(secret other) noexcept {
        std::swap(text_, other.text_);
        std::swap(size_, other.size_);
        return *this;
    }
    ~secret() { wipe(); }

    bool empty() const noexcept { return size_ == 0; }
    std::size_t size() const noexcept { return size_; }

    /// The text, valid as long as this object.
    std::string_view reveal() const noexcept { return {text_.get(), size_}; }

    /// Takes as long for texts that begin alike as for others.
    friend bool operator==(const secret& a, const secret& b) noexcept {
        if (a.size_ != b.size_) return false;
        unsigned difference = 0;
        for (std::size_t i = 0; i < a.size_; ++i)
            difference |= static_cast<unsigned char>(a.text_[i] ^ b.text_[i]);
        return difference == 0;
    }
};

template <>
struct codec<secret> {
    static constexpr std::size_t least = 4;

    static std::size_t size(const secret& text) noexcept { return 4 + text.size(); }
    static void encode(writer& w, const secret& text) noexcept {
        if (!text.empty()) w.note_secret();
        codec<std::string_view>::encode(w, text.reveal());
    }
    static bool decode(reader& r, secret& text) {
        std::string_view view;
        if (!codec<std::string_view>::decode(r, view)) [[unlikely]]
            return r.expected(&signature);
        text = secret(view);
        return true;
    }
    static void signature(signature_sink& s) { s.put("secret"); }
};

static_assert(!std::is_convertible_v<secret, std::string_view> &&
              !std::is_convertible_v<secret, std::string>);

} // namespace mitogen::inline MITOGEN_ABI
