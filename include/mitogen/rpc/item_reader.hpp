// SPDX-License-Identifier: BSL-1.0
#pragma once
// item_reader.hpp: how items are taken from an inbox, by threads and by tasks: what receivers and remote ranges share.

#include <mitogen/base/config.hpp>
#include <mitogen/base/function.hpp>
#include <mitogen/base/result.hpp>
#include <mitogen/base/time.hpp>
#include <mitogen/route/call_port.hpp>
#include <mitogen/rpc/flow_wait.hpp>
#include <mitogen/rpc/flow_end.hpp>
#include <mitogen/rpc/item_codec.hpp>
#include <mitogen/rpc/item_range.hpp>

#include <iterator>
#include <memory>
#include <utility>

namespace mitogen::inline MITOGEN_ABI {
namespace rpc::detail {

/// The end of a flow at which items of type `T` come out. Moves; does not copy.
///
/// Threads: one at a time. Blocks: get(), and iteration; not from functions that run on the loop.
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

    /// The next item; waits for it. Errors, thrown: channel_error with reason::end_of_stream at the end; channel_error where a
    /// context that sends is lost; codec_error; what a generator threw, as call_error.
    value_type get() { return try_get().value(); }
    /// The same, with the error as a value.
    result<value_type> try_get() { return next_item<value_type>(*inbox_, never); }

    /// As get(), but waits at most `span`: timeout_error.
    template <class Rep, class Period>
    value_type get_for(std::chrono::duration<Rep, Period> span) {
        return try_get_for(span).value();
    }
    /// As try_get(), but waits at most `span`, 0 for what is there now: reason::timeout.
    template <class Rep, class Period>
    result<value_type> try_get_for(std::chrono::duration<Rep, Period> span) {
        return next_item<value_type>(*inbox_, after(inbox_->node().now(), to_ns(span)));
    }

    /// For tasks: `co_await r.async_get()`, as get(); async_try_get() with the error as a value.
    next_item_of<value_type> async_get() { return {*inbox_}; }
    next_item_of<value_type, false> async_try_get() { return {*inbox_}; }

    /// True where get() would not wait.
    bool ready() const { return inbox_->ready(); }

    /// True once there is nothing more to get.
    bool ended() const { return inbox_->ended(); }

    /// Runs `go` as soon as there is an item or the end: now, or on the thread that brings it, normally the loop. With a `key`,
    /// until forget(key).
    void then(unique_function<void()> go, const void* key = nullptr) const { inbox_->then(std::move(go), key); }
    void forget(const void* key) const { inbox_->forget(key); }

    call_port& port() const noexcept { return inbox_->node(); }

    /// Iterates to the end; an error is thrown.
    item_iterator<item_reader> begin() { return item_iterator<item_reader>(*this); }
    std::default_sentinel_t end() const noexcept { return {}; }
};

} // namespace rpc::detail
} // namespace mitogen::inline MITOGEN_ABI
