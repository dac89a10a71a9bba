// SPDX-License-Identifier: BSL-1.0
#pragma once
// remote_range.hpp: what a remote generator yields, as a range.

#include <mitogen/base/config.hpp>
#include <mitogen/base/error.hpp>
#include <mitogen/base/result.hpp>
#include <mitogen/base/time.hpp>
#include <mitogen/kit/generator.hpp>
#include <mitogen/rpc/call.hpp>
#include <mitogen/rpc/flow_wait.hpp>
#include <mitogen/rpc/future.hpp>
#include <mitogen/rpc/fwd.hpp>
#include <mitogen/rpc/inbox.hpp>
#include <mitogen/rpc/item_codec.hpp>
#include <mitogen/rpc/item_range.hpp>

#include <iterator>
#include <memory>
#include <utility>

namespace mitogen::inline MITOGEN_ABI {

/// The items of one call of a function that returns generator<T>. The function runs ahead by a window (wire::flow_window) of what
/// is taken here. Leaving the range cancels it: the generator is destroyed where it stands, at its next co_yield.
///
/// Moves; does not copy. Threads: one at a time. Blocks: get() and iteration, not from functions that run on the loop.
template <class T, class Io>
class [[nodiscard]] basic_remote_range {
    using inbox = rpc::detail::basic_inbox<Io>;

    std::shared_ptr<inbox> inbox_;
    basic_future<void, Io> end_;

public:
    using value_type = typename rpc::detail::received_item<T>::type;
    using policy = Io;

    /// For call_methods::stream: `end` is the answer to the call that fills `items`.
    basic_remote_range(std::shared_ptr<inbox> items, basic_future<void, Io> end)
        : inbox_(std::move(items)), end_(std::move(end)) {
        rpc::detail::end_with(inbox_, end_);
    }
    basic_remote_range(basic_remote_range&&) noexcept = default;
    basic_remote_range& operator=(basic_remote_range&&) = delete;
    ~basic_remote_range() {
        if (inbox_) cancel();
    }

    /// The next item; waits for it. Errors, thrown: channel_error with reason::end_of_stream at the end; what the generator
    /// threw, as call_error; channel_error where the context is lost.
    value_type get() { return try_get().value(); }
    /// The same, with the error as a value.
    result<value_type> try_get() { return rpc::detail::next_item<value_type>(*inbox_, never); }

    /// As get() and try_get(), waiting at most `span`: timeout_error, reason::timeout.
    template <class Rep, class Period>
    value_type get_for(std::chrono::duration<Rep, Period> span) {
        return try_get_for(span).value();
    }
    template <class Rep, class Period>
    result<value_type> try_get_for(std::chrono::duration<Rep, Period> span) {
        return rpc::detail::next_item<value_type>(*inbox_, after(inbox_->node().now(), to_ns(span)));
    }

    /// For tasks: as get() and try_get().
    rpc::detail::next_item_of<value_type, Io> async_get() { return {*inbox_}; }
    rpc::detail::next_item_of<value_type, Io, false> async_try_get() { return {*inbox_}; }

    /// As basic_receiver's.
    bool ready() const { return inbox_->ready(); }
    bool ended() const { return inbox_->ended(); }
    void then(unique_function<void()> go, const void* key = nullptr) const { inbox_->then(std::move(go), key); }
    void forget(const void* key) const { inbox_->forget(key); }
    call_port& port() const noexcept { return inbox_->node(); }

    /// Stops the function. What has arrived can still be taken, and is followed by the end.
    void cancel() {
        inbox_->close(error(reason::end_of_stream, "the stream has been left"), false);
        end_.cancel();
    }

    /// Iterates to the end; an error is thrown.
    item_iterator<basic_remote_range> begin() { return item_iterator<basic_remote_range>(*this); }
    std::default_sentinel_t end() const noexcept { return {}; }
};

template <class Target, class Io>
template <auto F, class... Args>
auto call_methods<Target, Io>::stream(Args&&... args) const {
    using item = typename function_traits<F>::result::value_type;
    const auto items =
        rpc::detail::basic_inbox<Io>::make(static_cast<basic_router<Io>&>(self().port()), rpc::detail::inbox_use::stream);
    awaited& p = begin_flow<F, rpc::detail::verb::stream>(items->open_port(self().id()), std::forward<Args>(args)...);
    return basic_remote_range<item, Io>(items, basic_future<void, Io>(&p, self().port(), self().environment()));
}

} // namespace mitogen::inline MITOGEN_ABI
