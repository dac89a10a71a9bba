// SPDX-License-Identifier: BSL-1.0
#pragma once
// call.hpp: turns `ctx.call<&fn>(args…)` into a message and its answer into a value.

#include <mitogen/base/config.hpp>
#include <mitogen/base/error.hpp>
#include <mitogen/call/function_entry.hpp>
#include <mitogen/call/future.hpp>
#include <mitogen/call/identity.hpp>
#include <mitogen/call/traits.hpp>
#include <mitogen/codec/codec.hpp>
#include <mitogen/codec/wipe.hpp>
#include <mitogen/fwd.hpp>
#include <mitogen/node/node.hpp>
#include <mitogen/protocol/call_frame.hpp>
#include <mitogen/protocol/handle.hpp>
#include <mitogen/scope/interrupted.hpp>

#include <cstddef>
#include <optional>
#include <span>
#include <string>
#include <type_traits>
#include <utility>

namespace mitogen::inline MITOGEN_ABI {

namespace detail {

/// What a call of `F` gives its caller.
template <auto F>
using result_of =
    typename owned_result<typename wire_result<typename function_traits<F>::result>::type>::type;

// The names of these templates and their arguments are what the compiler prints above the messages.
template <auto Function, std::size_t Given, std::size_t Expected>
struct argument_count {
    static_assert(Given == Expected,
                  "mitogen: wrong number of arguments for this remote Function (Given, Expected); "
                  "parameters that are "
                  "supplied where it runs (router&, caller&, std::stop_token) are not passed");
    static constexpr bool checked = Given == Expected;
};

/// True if the argument converts, or is an object of the parameter's own type, such as one that can
/// only be moved, which the function takes by reference to const.
template <auto Function, std::size_t Position, class Given, class Parameter>
consteval bool takes_argument() {
    if constexpr (std::is_convertible_v<Given, Parameter>)
        return true;
    else if constexpr (std::is_same_v<std::remove_cvref_t<Given>, Parameter>)
        return std::is_same_v<declared_parameter<Function, Position - 1>, const Parameter&>;
    else
        return false;
}

template <auto Function, std::size_t Position, class Given, class Parameter>
struct argument_of {
    static constexpr bool checked = takes_argument<Function, Position, Given, Parameter>();
    static_assert(checked,
                  "mitogen: this argument (counted from 1 by Position) does not convert to the "
                  "Parameter of the remote Function; "
                  "it would not compile as a local call either");
};

/// What is wrong with a call on a default-constructed context.
MITOGEN_COLD inline error empty_target() {
    return error(
        reason::misuse,
        "this mitogen::context is empty: it was default-constructed, and refers to no context");
}

/// The argument as the parameter's type: itself if it is that already, else converted as for a
/// local call.
template <class Parameter, class Given>
decltype(auto) as_parameter(Given&& given) {
    if constexpr (std::is_same_v<std::remove_cvref_t<Given>, Parameter>) {
        return static_cast<const Parameter&>(given);
    } else {
        return static_cast<Parameter>(std::forward<Given>(given));
    }
}

/// How a function is used; what it takes and returns decides how it can be.
enum class verb : unsigned char { call, stream, open };

template <auto Function, verb Used>
struct wanted_verb {
    using traits = function_traits<Function>;
    static constexpr bool opened = traits::dialogs > 0;
    static constexpr bool streamed = is_item_range<typename traits::result>;
    static_assert(!(Used == verb::call && opened),
                  "mitogen: this Function takes a dialog: open<&fn>(args...) it");
    static_assert(!(Used == verb::call && streamed),
                  "mitogen: this Function returns a generator: stream<&fn>(args...) it");
    static_assert(Used != verb::stream || streamed,
                  "mitogen: only a Function that returns generator<T> can be streamed: call it");
    static_assert(
        Used != verb::open || opened,
        "mitogen: only a Function that takes a dialog can be opened: call it, or stream it");
    static_assert(traits::dialogs <= 1 && !(opened && streamed),
                  "mitogen: a Function has one dialog, or returns a generator, or neither");
    static constexpr bool checked = true;
};

/// The encoded arguments of a call and the frame in front of them: small ones on the stack, so that
/// a small call allocates nothing.
class call_message {
    alignas(16) std::byte small_[512];
    buffer large_;
    std::size_t size_ = 0;
    bool secret_ = false;

public:
    /// Room for `size` bytes.
    std::byte* reserve(std::size_t size) {
        size_ = size;
        if (size <= sizeof small_) return small_;
        large_.resize(size);
        return large_.data();
    }

    call_message() = default;
    call_message(const call_message&) = delete;
    ~call_message() {
        if (secret_) [[unlikely]]
            mitogen::detail::wipe(small_, sizeof small_);
    }

    /// They are not to be left behind in memory.
    void keep_secret() {
        secret_ = true;
        if (size_ <= sizeof small_) large_.append(small_, size_);
        large_.keep_secret();
    }

    /// All of them, to send.
    outgoing_bytes bytes() {
        if (!secret_ && size_ <= sizeof small_) return std::span<const std::byte>(small_, size_);
        return std::move(large_);
    }
};

/// The frame for a call of `function` in `to`. False with `why` if it cannot be called there.
inline bool frame_for(mitogen::node& port, context_id to, const function_entry& function,
                      const call_options& options, call_frame& frame, std::optional<error>& why) {
    frame.function = function.index();
    if (!port.calls_by_number(to, &function, function.index())) {
        const result<std::uint64_t> key = port.key_of(&function, to);
        if (!key) {
            why.emplace(key.error());
            return false;
        }
        frame.flags |= call_frame::by_key;
        frame.function = *key;
    }
    const duration_ns left =
        in_timed_scope() ? time_left(options.within, port.now()) : options.within;
    if (left != never) {
        frame.flags |= call_frame::has_deadline;
        if (left != options.within) frame.flags |= call_frame::inherits_deadline;
        frame.time_left = left;
    }
    if (options.chain) {
        frame.flags |= call_frame::has_chain;
        frame.chain = options.chain;
    }
    if (options.flow.port) {
        frame.flags |= call_frame::has_flow;
        frame.flow = options.flow;
    }
    return true;
}

/// Encodes a call of `F` into `message`.
template <auto F, class... Args>
bool compose(call_message& message, std::optional<error>& why, mitogen::node& port, context_id to,
             const call_options& options, const Args&... args) {
    call_frame frame;
    if (!frame_for(port, to, entry_of<F>(), options, frame, why)) return false;
    const std::size_t front = frame.size();
    writer w(message.reserve(front + encoded_size(args...)), to, &port);
    frame.write(w);
    encode(w, args...);
    if (w.failure()) [[unlikely]] {
        why.emplace(reason::misuse, w.failure());
        return false;
    }
    if (w.has_secret()) [[unlikely]]
        message.keep_secret();
    return true;
}

template <auto F, class... Ws, class... Args>
bool convert_and_compose(type_list<Ws...>, call_message& message, std::optional<error>& why,
                         mitogen::node& port, context_id to, const call_options& options,
                         Args&&... args) {
    return compose<F>(message, why, port, to, options,
                      as_parameter<Ws>(std::forward<Args>(args))...);
}

template <auto F, class Wire, class Given>
struct check_arguments;
template <auto F, class... Ws, class... Gs>
struct check_arguments<F, type_list<Ws...>, type_list<Gs...>> {
    template <std::size_t... Is>
    static constexpr bool each(std::index_sequence<Is...>) {
        return (argument_of<F, Is + 1, Gs, Ws>::checked && ... && true);
    }
    static constexpr bool checked = [] {
        if constexpr (argument_count<F, sizeof...(Gs), sizeof...(Ws)>::checked)
            return each(std::index_sequence_for<Ws...>{});
        return false;
    }();
};

} // namespace detail

/// The ways to call a function, shared by contexts, deadlines and chains. `Target` offers valid(),
/// port(), id(), options() and environment().
template <class Target>
class call_methods {
    const Target& self() const noexcept { return static_cast<const Target&>(*this); }

    /// Encodes a call. False with `why` if it cannot be made.
    template <auto F, detail::verb Verb = detail::verb::call, class... Args>
    bool compose(detail::call_message& message, std::optional<error>& why,
                 const detail::call_options& options, Args&&... args) const {
        static_cast<void>(detail::wanted_verb<F, Verb>::checked);
        using wire = typename detail::function_traits<F>::wire_parameters;
        if constexpr (detail::function_traits<F>::what_is_wrong != detail::fault::none) {
            detail::check_function<F>(); // says what is wrong; the arguments are beside the point
            return false;
        } else if constexpr (detail::check_arguments<F, wire,
                                                     detail::type_list<Args...>>::checked) {
            return detail::convert_and_compose<F>(wire{}, message, why, self().port(), self().id(),
                                                  options, std::forward<Args>(args)...);
        } else {
            return false;
        }
    }

    /// Begins a call whose items come through `flow`.
    template <auto F, detail::verb Verb, class... Args>
    outstanding_call& begin_flow(const result<detail::flow_address>& flow, Args&&... args) const {
        if (!flow) return self().port().refuse_call(self().id(), flow.error());
        detail::call_message message;
        std::optional<error> why;
        detail::call_options options = self().options();
        options.flow = *flow;
        if (!compose<F, Verb>(message, why, options, std::forward<Args>(args)...))
            return self().port().refuse_call(self().id(), std::move(*why));
        return submit(message, detail::entry_of<F>(), detail::question::manner::gather, &options);
    }

    /// Sends a call that wants an answer.
    outstanding_call& submit(detail::call_message& message, const detail::function_entry& function,
                             detail::question::manner how,
                             const detail::call_options* guards) const {
        return self().port().ask({.to = self().id(),
                                  .handle = handles::call_function,
                                  .how = how,
                                  .payload = message.bytes(),
                                  .subject = &function,
                                  .options = guards});
    }

public:
    /// For those who begin a dialog in their own way: `begin` makes what they get of its items and
    /// its answer. See flow/open_dialog.hpp.
    template <auto F, class Begin, class... Args>
    auto open_as(Begin begin, Args&&... args) const;

    /// Calls `F(args…)` in the other context and waits for its result.
    /// Errors, thrown: call_error if the function threw; channel_error if the context is lost;
    /// timeout_error, cancelled_error; codec_error; signature_error; overloaded_error. Not from a
    /// function that runs on::loop.
    template <auto F, class... Args>
    detail::result_of<F> call(Args&&... args) const {
        return try_call<F>(std::forward<Args>(args)...).value();
    }

    /// The same, with the error as a value.
    template <auto F, class... Args>
    result<detail::result_of<F>> try_call(Args&&... args) const {
        if (!self().valid()) return detail::empty_target();
        detail::call_message message;
        std::optional<error> why;
        if (!compose<F>(message, why, self().options(), std::forward<Args>(args)...))
            return std::move(*why);
        mitogen::node& port = self().port();
        outstanding_call& p = submit(message, detail::entry_of<F>(), detail::question::manner::wait,
                                     &self().options());
        future<detail::result_of<F>> answer(&p, port, self().environment());
        port.await_call(p, self().options());
        return answer.outcome();
    }

    /// Starts a call and returns its answer-to-be. Calls that are started one after the other
    /// travel together. Blocks only while the link's queue is full.
    template <auto F, class... Args>
    future<detail::result_of<F>> call_async(Args&&... args) const {
        detail::call_message message;
        std::optional<error> why;
        mitogen::node& port = self().port();
        outstanding_call& p =
            compose<F>(message, why, self().options(), std::forward<Args>(args)...)
                ? submit(message, detail::entry_of<F>(), detail::question::manner::gather,
                         &self().options())
                : port.refuse_call(self().id(), std::move(*why));
        return future<detail::result_of<F>>(&p, port, self().environment());
    }

    /// Calls without an answer: what the function returns or throws is dropped there (an exception
    /// is logged). Throws if the context is known to be lost.
    template <auto F, class... Args>
    void call_no_reply(Args&&... args) const {
        try_call_no_reply<F>(std::forward<Args>(args)...).value();
    }
    /// The same, with the error as a value.
    template <auto F, class... Args>
    result<void> try_call_no_reply(Args&&... args) const {
        if (!self().valid()) return detail::empty_target();
        detail::call_message message;
        std::optional<error> why;
        if (!compose<F>(message, why, self().options(), std::forward<Args>(args)...))
            return std::move(*why);
        result<void> told =
            self().port().tell(self().id(), handles::call_function, message.bytes(), true);
        if (told) return told;
        return self().port().describe(told.error(), &detail::entry_of<F>(), self().id());
    }

    /// Starts a function that returns generator<T> and returns what it yields as a range,
    /// remote_range<T>: see flow/remote_range.hpp.
    template <auto F, class... Args>
    auto stream(Args&&... args) const;

    /// Starts a function that takes a dialog and returns the other end of it when the function has
    /// called started(): see flow/open_dialog.hpp. Errors, thrown: as call's, of a function that
    /// ends before.
    template <auto F, class... Args>
    auto open(Args&&... args) const;
    /// The same, with the error as a value.
    template <auto F, class... Args>
    auto try_open(Args&&... args) const;
    /// For tasks: `auto d = co_await ctx.open_async<&fn>(args…)`. The function is started at once.
    template <auto F, class... Args>
    auto open_async(Args&&... args) const;
};

} // namespace mitogen::inline MITOGEN_ABI
