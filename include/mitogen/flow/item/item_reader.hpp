// SPDX-License-Identifier: BSL-1.0
#pragma once
// item_reader.hpp: how items are taken from an inbox, by threads and by tasks: what receivers and
// remote ranges share.

#include <mitogen/base/config.hpp>
#include <mitogen/base/function.hpp>
#include <mitogen/base/result.hpp>
#include <mitogen/base/time.hpp>
#include <mitogen/flow/flow_end.hpp>
#include <mitogen/flow/flow_wait.hpp>
#include <mitogen/flow/item/item_codec.hpp>
#include <mitogen/flow/item/item_range.hpp>
#include <mitogen/node/node.hpp>
#include <mitogen/task/task.hpp>

#include <iterator>
#include <memory>
#include <optional>
#include <utility>

namespace mitogen::inline MITOGEN_ABI {
namespace detail {

/// The end of a flow at which items of type `T` come out. Moves; does not copy.
///
/// Threads: one at a time. Blocks: all that receive, but with a span of 0, and iteration; not from
/// functions that run on the loop.
template <class T>
class item_reader {
protected:
    std::shared_ptr<inbox> inbox_; // null in one that was moved from

    explicit item_reader(std::shared_ptr<inbox> items) noexcept : inbox_(std::move(items)) {}
    item_reader(item_reader&&) noexcept = default;
    item_reader& operator=(item_reader&&) = delete;
    ~item_reader() = default;

public:
    using value_type = typename received_item<T>::type;

    /// The next item; waits for it. Errors, thrown: channel_error with reason::end_of_stream at the
    /// end; channel_error if a context that sends is lost; codec_error; what a generator threw, as
    /// call_error.
    value_type receive() { return try_receive().value(); }
    /// The same, with the error as a value.
    result<value_type> try_receive() { return next_item<value_type>(*inbox_, never); }

    /// The next item, or nothing at the end; waits for it. Errors, thrown: as receive()'s, but for
    /// the end.
    std::optional<value_type> next() { return item_or_end(try_receive()).value(); }
    /// The same, with the error as a value.
    result<std::optional<value_type>> try_next() { return item_or_end(try_receive()); }

    /// As receive(), but waits at most `span`, 0 for what is there now: timeout_error.
    template <class Rep, class Period>
    value_type receive_for(std::chrono::duration<Rep, Period> span) {
        return try_receive_for(span).value();
    }
    /// The same, with the error as a value: reason::timeout.
    template <class Rep, class Period>
    result<value_type> try_receive_for(std::chrono::duration<Rep, Period> span) {
        return try_receive_until(after(inbox_->node().now(), to_ns(span)));
    }
    /// The same, until a moment on the clock of the I/O policy.
    value_type receive_until(instant deadline) { return try_receive_until(deadline).value(); }
    result<value_type> try_receive_until(instant deadline) {
        return next_item<value_type>(*inbox_, deadline);
    }

    /// For tasks: `co_await r.async_receive()`, as receive(), and so on.
    next_item_of<value_type> async_receive() { return {*inbox_}; }
    next_item_of<value_type, false> async_try_receive() { return {*inbox_}; }
    task<std::optional<value_type>> async_next() {
        co_return item_or_end(co_await async_try_receive()).value();
    }

    /// The same as receive() and those beside it, in the words of a future.
    value_type get() { return receive(); }
    result<value_type> try_get() { return try_receive(); }
    template <class Rep, class Period>
    value_type get_for(std::chrono::duration<Rep, Period> span) {
        return receive_for(span);
    }
    template <class Rep, class Period>
    result<value_type> try_get_for(std::chrono::duration<Rep, Period> span) {
        return try_receive_for(span);
    }
    next_item_of<value_type> async_get() { return async_receive(); }
    next_item_of<value_type, false> async_try_get() { return async_try_receive(); }

    /// True if get() would not wait.
    bool ready() const { return inbox_->ready(); }

    /// True once there is nothing more to get.
    bool ended() const { return inbox_->ended(); }

    /// Runs `go` as soon as there is an item or the end: now, or on the thread that brings it,
    /// normally the loop. With a `key`, until forget(key).
    void then(unique_function<void()> go, const void* key = nullptr) const {
        inbox_->then(std::move(go), key);
    }
    void forget(const void* key) const { inbox_->forget(key); }

    mitogen::node& port() const noexcept { return inbox_->node(); }

    /// Iterates to the end; an error is thrown.
    item_iterator<item_reader> begin() { return item_iterator<item_reader>(*this); }
    std::default_sentinel_t end() const noexcept { return {}; }
};

} // namespace detail
} // namespace mitogen::inline MITOGEN_ABI
