// SPDX-License-Identifier: BSL-1.0
#pragma once
// generator.hpp: a coroutine that yields values, one each time somebody asks for the next.

#include <mitogen/base/config.hpp>
#include <mitogen/base/result.hpp>
#include <mitogen/call/invocation.hpp>
#include <mitogen/call/traits.hpp>
#include <mitogen/codec/codec.hpp>
#include <mitogen/flow/item/item_codec.hpp>

#include <coroutine>
#include <cstddef>
#include <exception>
#include <iterator>
#include <memory>
#include <type_traits>
#include <utility>

namespace mitogen::inline MITOGEN_ABI {

/// What a coroutine returns that says `co_yield` any number of times. A remote function that
/// returns one is called with `context.stream<&fn>(args…)`: it runs as its caller takes what it
/// yields. Parameters by reference live as long as the generator there; elsewhere, as in every
/// coroutine, they must be taken by value.
///
/// Moves; does not copy. Iterate it once. Its end destroys the coroutine if it stands. Threads: one
/// at a time.
template <class T>
class [[nodiscard]] generator {
public:
    using value_type = std::remove_cvref_t<T>;

    class promise_type {
        friend class generator;
        // in the coroutine's frame, or in the expression that it yields
        const value_type* value_ = nullptr;
#if MITOGEN_HAS_EXCEPTIONS
        std::exception_ptr failure_;
#endif

    public:
        generator get_return_object() {
            return generator(std::coroutine_handle<promise_type>::from_promise(*this));
        }
        std::suspend_always initial_suspend() const noexcept { return {}; }
        std::suspend_always final_suspend() const noexcept { return {}; }
        std::suspend_always yield_value(const value_type& value) noexcept {
            value_ = std::addressof(value);
            return {};
        }
        void return_void() const noexcept {}
        void unhandled_exception() noexcept {
#if MITOGEN_HAS_EXCEPTIONS
            failure_ = std::current_exception();
#endif
        }
        void await_transform() = delete; // a generator waits for nothing
    };

    /// Throws what the coroutine throws.
    class iterator {
        std::coroutine_handle<promise_type> at_{};

    public:
        using value_type = generator::value_type;
        using difference_type = std::ptrdiff_t;
        using iterator_category = std::input_iterator_tag;

        iterator() = default;
        explicit iterator(std::coroutine_handle<promise_type> at) : at_(at) { ++*this; }

        const value_type& operator*() const noexcept { return *at_.promise().value_; }
        iterator& operator++() {
            at_.resume();
#if MITOGEN_HAS_EXCEPTIONS
            if (at_.done() && at_.promise().failure_)
                std::rethrow_exception(std::exchange(at_.promise().failure_, nullptr));
#endif
            return *this;
        }
        void operator++(int) { ++*this; }
        friend bool operator==(const iterator& i, std::default_sentinel_t) noexcept {
            return i.at_.done();
        }
    };

    generator(generator&& other) noexcept : coroutine_(std::exchange(other.coroutine_, nullptr)) {}
    generator& operator=(generator other) noexcept {
        std::swap(coroutine_, other.coroutine_);
        return *this;
    }
    ~generator() {
        if (coroutine_) coroutine_.destroy();
    }

    iterator begin() { return iterator(coroutine_); }
    std::default_sentinel_t end() const noexcept { return {}; }

private:
    std::coroutine_handle<promise_type> coroutine_;

    explicit generator(std::coroutine_handle<promise_type> made) noexcept : coroutine_(made) {}
};

namespace detail {

template <class T>
inline constexpr bool is_item_range<generator<T>> = true;

/// Items of type `T`, in a signature. No value has this type.
template <class T>
struct item_stream {};

template <class T>
struct wire_result<generator<T>> {
    using type = item_stream<std::remove_cvref_t<T>>;
};

} // namespace detail

template <class T>
struct codec<detail::item_stream<T>> {
    static constexpr bool is_fixed = true;
    static constexpr std::size_t fixed_size = 0;
    static constexpr std::size_t least = 0;
    static std::size_t size(const detail::item_stream<T>&) noexcept { return 0; }
    static void encode(writer&, const detail::item_stream<T>&) noexcept {}
    static bool decode(reader&, detail::item_stream<T>&) noexcept { return true; }
    static void signature(signature_sink& out) {
        out.put("stream<");
        codec<T>::signature(out);
        out.put('>');
    }
};

namespace detail {

template <class T>
struct item_range_result<generator<T>> {
    static void run(invocation& inv, generator<T> items) {
        const std::unique_ptr<item_sink> sink = open_item_sink(inv);
        for (const auto& item : items) {
            buffer bytes;
            const char* const why = encode_item(bytes, inv.who.id, inv.environment.node, item);
            const result<void> sent =
                why ? error(reason::misuse, why) : sink->send(std::move(bytes));
            if (sent) continue;
            inv.failure = sent.error();
            return;
        }
    }
};

} // namespace detail
} // namespace mitogen::inline MITOGEN_ABI
