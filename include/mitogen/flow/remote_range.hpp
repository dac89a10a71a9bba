// SPDX-License-Identifier: BSL-1.0
#pragma once
// remote_range.hpp: what a remote generator yields, as a range.

#include <mitogen/base/config.hpp>
#include <mitogen/base/error.hpp>
#include <mitogen/call/call.hpp>
#include <mitogen/call/future.hpp>
#include <mitogen/flow/flow_end.hpp>
#include <mitogen/flow/generator.hpp>
#include <mitogen/flow/item/item_reader.hpp>
#include <mitogen/fwd.hpp>

#include <memory>
#include <utility>

namespace mitogen::inline MITOGEN_ABI {

/// The items of one call of a function that returns generator<T>. The function runs ahead by a
/// window (wire::flow_window) of what is taken here. Leaving the range cancels it: the generator is
/// destroyed if it stands, at its next co_yield.
///
/// Moves; does not copy. Threads: one at a time. Blocks: get() and iteration, not from functions
/// that run on the loop.
template <class T>
class [[nodiscard]] remote_range : public detail::item_reader<T> {
    using detail::item_reader<T>::inbox_;

    future<void> end_;

public:
    /// For call_methods::stream: `end` is the answer to the call that fills `items`.
    remote_range(std::shared_ptr<detail::inbox> items, future<void> end)
        : detail::item_reader<T>(std::move(items)), end_(std::move(end)) {
        detail::end_with(inbox_, end_);
    }
    remote_range(remote_range&&) noexcept = default;
    remote_range& operator=(remote_range&&) = delete;
    ~remote_range() {
        if (inbox_) cancel();
    }

    /// The call that it is.
    outstanding_call* state() const noexcept { return end_.state(); }

    /// Stops the function. What has arrived can still be taken, and is followed by the end.
    void cancel() {
        inbox_->close(error(reason::end_of_stream, "the stream has been left"), false);
        end_.cancel();
    }
};

template <class Target>
template <auto F, class... Args>
auto call_methods<Target>::stream(Args&&... args) const {
    using item = typename detail::function_traits<F>::result::value_type;
    const auto items = detail::inbox::make(self().port(), detail::inbox_use::stream);
    outstanding_call& p = begin_flow<F, detail::verb::stream>(items->open_port(self().id()),
                                                              std::forward<Args>(args)...);
    return remote_range<item>(items, future<void>(&p, self().port(), self().environment()));
}

} // namespace mitogen::inline MITOGEN_ABI
