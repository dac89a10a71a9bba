// SPDX-License-Identifier: BSL-1.0
#pragma once
// reader.hpp: takes values out of bytes that somebody else wrote, and remembers the first thing
// that was wrong with them.

#include <mitogen/base/config.hpp>
#include <mitogen/base/error.hpp>
#include <mitogen/base/limits.hpp>
#include <mitogen/codec/signature.hpp>
#include <mitogen/codec/writer.hpp>

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <memory>
#include <new>
#include <span>
#include <string>

namespace mitogen::inline MITOGEN_ABI {

/// A position in received bytes. Failure is sticky: the first one is kept, and nothing can be taken
/// afterwards.
///
/// Views that were decoded point into the bytes or into memory that the reader owns: both must
/// outlive them. Threads: one at a time. Blocks: never. Throws: nothing but std::bad_alloc.
class reader {
    using signature_function = void (*)(signature_sink&);

    struct owned_block {
        owned_block* next;
        void* memory;
        std::size_t count = 0;
        std::size_t align;
        void (*destroy)(void*, std::size_t);
    };

    // Elements that take no bytes cost the sender nothing, and memory here: few of them are enough
    // for every honest use.
    static constexpr std::uint32_t most_empty = 1u << 16;

    // Memory for what is decoded: enough for every type whose elements are no larger than so many
    // times their bytes, and for some of any type.
    static constexpr std::uint64_t memory_factor = 64;
    static constexpr std::uint64_t memory_free = 16u << 20;

    // so that taking no bytes from no bytes is not the null of a failure
    static constexpr std::byte nothing{};

    const std::byte* at_;
    const std::byte* end_;
    const std::byte* begin_;
    std::size_t size_;
    std::uint32_t depth_left_;
    std::uint32_t elements_;
    std::uint32_t empty_left_;
    std::uint64_t memory_left_;
    void* environment_;
    owned_block* blocks_ = nullptr;
    const char* what_ = nullptr;
    std::uint64_t value_ = 0;
    std::size_t offset_ = 0;
    bool has_value_ = false;
    signature_function expected_ = nullptr;

    MITOGEN_COLD bool fail_at(const char* what, std::uint64_t value, bool has_value,
                              std::size_t offset) noexcept {
        if (what_) return false;
        what_ = what;
        value_ = value;
        has_value_ = has_value;
        offset_ = offset;
        end_ = at_; // nothing remains
        return false;
    }

    MITOGEN_COLD const std::byte* short_of(std::size_t wanted) noexcept {
        fail_at("the bytes end too early, missing", wanted - remaining(), true, offset());
        return nullptr;
    }

    MITOGEN_COLD bool bad_count(std::size_t count, std::size_t least) noexcept {
        return count > elements_ ? fail_at("more elements than limits::elements allows:", count,
                                           true, offset() - 4)
               : least == 0
                   ? fail_at("more elements that take no bytes than one message may have:", count,
                             true, offset() - 4)
                   : fail_at("more elements than the bytes that follow can hold:", count, true,
                             offset() - 4);
    }

    MITOGEN_COLD bool over_budget(std::uint64_t bytes) noexcept {
        return fail_at("more memory than 64 times the message's bytes, and 16 MiB, for elements of",
                       bytes, true, offset());
    }

public:
    /// Reads `bytes` under `bounds` (nesting, elements). `environment` is for types that need the
    /// place that decodes them.
    explicit reader(std::span<const std::byte> bytes, const limits& bounds = {},
                    void* environment = nullptr) noexcept
        : at_(bytes.data() ? bytes.data() : &nothing), end_(at_ + bytes.size()), begin_(at_),
          size_(bytes.size()), depth_left_(bounds.nesting), elements_(bounds.elements),
          empty_left_(bounds.elements < most_empty ? bounds.elements : most_empty),
          memory_left_(memory_free + memory_factor * bytes.size()), environment_(environment) {}

    reader(reader&&) = delete;

    ~reader() {
        while (blocks_) {
            owned_block* next = blocks_->next;
            if (blocks_->destroy) blocks_->destroy(blocks_->memory, blocks_->count);
            ::operator delete (blocks_->memory, std::align_val_t{blocks_->align});
            delete blocks_;
            blocks_ = next;
        }
    }

    /// False once something was wrong.
    bool ok() const noexcept { return what_ == nullptr; }

    /// Bytes that were not taken yet; 0 after a failure.
    std::size_t remaining() const noexcept { return static_cast<std::size_t>(end_ - at_); }

    /// Bytes taken so far.
    std::size_t offset() const noexcept { return static_cast<std::size_t>(at_ - begin_); }

    /// The byte that take() would return next.
    const std::byte* here() const noexcept { return at_; }

    /// What the constructor was given.
    void* environment() const noexcept { return environment_; }

    /// The next `size` bytes, or null (and a failure) where fewer remain.
    const std::byte* take(std::size_t size) noexcept {
        if (size > remaining()) [[unlikely]]
            return short_of(size);
        const std::byte* here = at_;
        at_ += size;
        return here;
    }

    /// A scalar in its own width.
    template <class T>
    bool take_scalar(T& value) noexcept {
        const std::byte* from = take(sizeof(T));
        if (!from) [[unlikely]]
            return false;
        wire::load(from, value);
        return true;
    }

    /// A length: of elements that take at least `least` bytes each on the wire. A length that the
    /// remaining bytes cannot back is a failure, so that whatever is reserved for it is paid for by
    /// the sender. Elements that take none are counted over the whole message: at most 65,536 (and
    /// limits::elements). `each`: bytes of memory that an element is about to take, see charge().
    bool take_count(std::size_t& count, std::size_t least, std::size_t each = 0) noexcept {
        std::uint32_t wire_count = 0;
        if (!take_scalar(wire_count)) [[unlikely]]
            return false;
        count = wire_count;
        if (wire_count > elements_ || std::uint64_t{wire_count} * least > remaining()) [[unlikely]]
            return bad_count(wire_count, least);
        if (least == 0) {
            if (wire_count > empty_left_) [[unlikely]]
                return bad_count(wire_count, least);
            empty_left_ -= wire_count;
        }
        return each == 0 || charge(std::uint64_t{wire_count} * each);
    }

    /// Counts `bytes` of memory that are about to be taken because of what was read. All that one
    /// reader has counted may be 64 times the bytes that it reads, and 16 MiB; beyond that it is a
    /// failure: few bytes shall not become much memory.
    bool charge(std::uint64_t bytes) noexcept {
        if (bytes > memory_left_) [[unlikely]]
            return over_budget(bytes);
        memory_left_ -= bytes;
        return true;
    }

    /// A number of bits, eight to a byte, that the remaining bytes hold; a failure otherwise.
    bool take_bit_count(std::size_t& count) noexcept {
        std::uint32_t wire_count = 0;
        if (!take_scalar(wire_count)) [[unlikely]]
            return false;
        count = wire_count;
        if (count > elements_) [[unlikely]]
            return bad_count(count, 1);
        if ((count + 7) / 8 > remaining()) [[unlikely]]
            return short_of((count + 7) / 8) != nullptr;
        return true;
    }

    /// Goes one level deeper; false (and a failure) if that is deeper than limits::nesting. Pair it
    /// with leave().
    bool enter() noexcept {
        if (depth_left_ == 0) [[unlikely]]
            return fail("nested deeper than limits::nesting allows");
        --depth_left_;
        return true;
    }

    void leave() noexcept { ++depth_left_; }

    /// Records the failure `what` (a literal) at the current position. Always returns false.
    MITOGEN_COLD bool fail(const char* what) noexcept { return fail_at(what, 0, false, offset()); }

    /// Records the failure `what` (a literal) and the offending value, which began `back` bytes
    /// ago. Always returns false.
    MITOGEN_COLD bool fail(const char* what, std::uint64_t value, std::size_t back) noexcept {
        return fail_at(what, value, true, offset() - back);
    }

    /// Adds to a failure which type was expected there; the innermost one is kept. Always returns
    /// false.
    MITOGEN_COLD bool expected(signature_function type) noexcept {
        if (!expected_) expected_ = type;
        return false;
    }

    /// True if all went well and no byte is left over; otherwise there is a failure afterwards.
    bool finish() noexcept {
        if (!ok()) return false;
        return remaining() == 0 || fail("bytes left over:", remaining(), 0);
    }

    /// The failure in words: what was wrong, at which byte, and what was expected. `whole` writes
    /// the type that was to be decoded: &wire::write_signature<T>.
    MITOGEN_COLD std::string failure_text(signature_function whole = nullptr) const {
        signature_sink out;
        signature_sink outer;
        out.put("cannot decode");
        if (whole) {
            whole(outer);
            out.put(' ').put(outer.text());
        }
        out.put(": ").put(what_ ? what_ : "no failure");
        if (has_value_) out.put(' ').put_number(value_);
        out.put(" at byte ").put_number(offset_).put(" of ").put_number(size_);
        if (expected_) {
            signature_sink inner;
            expected_(inner);
            if (inner.text() != outer.text()) out.put(", expected ").put(inner.text());
        }
        return out.take();
    }

    /// The failure as an error with reason::codec.
    MITOGEN_COLD error failure(signature_function whole = nullptr) const {
        return error(reason::codec, failure_text(whole));
    }

    /// `count` value-initialised objects that live as long as the reader. The caller has checked
    /// that the payload justifies them.
    template <class T>
    T* hold(std::size_t count) {
        if (count == 0) return nullptr;
        void* memory = ::operator new (count * sizeof(T), std::align_val_t{alignof(T)});
        T* first = static_cast<T*>(memory);
        blocks_ = new owned_block{blocks_, memory, 0, alignof(T), nullptr};
        if constexpr (std::is_trivially_default_constructible_v<T> &&
                      std::is_trivially_destructible_v<T>) {
            return first; // the caller fills it
        } else {
            blocks_->destroy = [](void* from, std::size_t n) {
                std::destroy_n(static_cast<T*>(from), n);
            };
            for (; blocks_->count < count; ++blocks_->count)
                ::new (static_cast<void*>(first + blocks_->count)) T();
            return first;
        }
    }
};

/// Goes one level deeper for a scope; test it before going on.
class depth_guard {
    reader& reader_;
    bool entered_;

public:
    explicit depth_guard(reader& r) noexcept : reader_(r), entered_(r.enter()) {}
    depth_guard(depth_guard&&) = delete;
    ~depth_guard() {
        if (entered_) reader_.leave();
    }
    explicit operator bool() const noexcept { return entered_; }
};

} // namespace mitogen::inline MITOGEN_ABI
