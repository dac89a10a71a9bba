// SPDX-License-Identifier: BSL-1.0
#pragma once
// call.hpp: turns `ctx.call<&fn>(args…)` into a message and its answer into a value.

#include <mitogen/base/config.hpp>
#include <mitogen/base/error.hpp>
#include <mitogen/base/time.hpp>
#include <mitogen/rpc/call_frame.hpp>
#include <mitogen/rpc/future.hpp>
#include <mitogen/rpc/fwd.hpp>
#include <mitogen/rpc/identity.hpp>
#include <mitogen/rpc/registry.hpp>
#include <mitogen/rpc/traits.hpp>
#include <mitogen/wire/codec.hpp>

#include <cstddef>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <tuple>
#include <type_traits>
#include <utility>

#if defined(__cpp_lib_jthread)
#include <stop_token>
#endif

namespace mitogen::inline MITOGEN_ABI {

/// How one call is made.
struct call_options {
    duration_ns within = never; ///< time the answer may take; never: any
    std::uint64_t chain = 0;    ///< 0: none
#if defined(__cpp_lib_jthread)
    std::stop_token stop{}; ///< cancels the call
#endif
};

namespace rpc::detail {

/// What a call of `F` gives its caller.
template <auto F>
using result_of = typename owned_result<typename wire_result<typename function_traits<F>::result>::type>::type;

// The names of these templates and their arguments are what the compiler prints above the messages.
template <auto Function, std::size_t Given, std::size_t Expected>
struct argument_count {
    static_assert(Given == Expected,
                  "mitogen: wrong number of arguments for this remote Function (Given, Expected); parameters that are "
                  "supplied where it runs (router&, caller&, std::stop_token) are not passed");
    static constexpr bool checked = Given == Expected;
};

template <auto Function, std::size_t Position, class Given, class Parameter>
struct argument_of {
    static_assert(std::is_convertible_v<Given, Parameter>,
                  "mitogen: this argument (counted from 1 by Position) does not convert to the Parameter of the remote Function; "
                  "it would not compile as a local call either");
    static constexpr bool checked = std::is_convertible_v<Given, Parameter>;
};

/// What is wrong with a call on a default-constructed context.
MITOGEN_COLD inline error empty_target() {
    return error(reason::misuse, "this mitogen::context is empty: it was default-constructed, and refers to no context");
}

/// The argument as the parameter's type: itself where it is that already, else converted as for a local call.
template <class Parameter, class Given>
decltype(auto) as_parameter(Given&& given) {
    if constexpr (std::is_same_v<std::remove_cvref_t<Given>, Parameter>) {
        return static_cast<const Parameter&>(given);
    } else {
        return static_cast<Parameter>(std::forward<Given>(given));
    }
}

/// A message under construction: small ones on the stack, so that a small call allocates nothing.
class call_message {
    alignas(16) std::byte small_[512];
    buffer large_;
    std::size_t size_ = 0;

public:
    std::byte* reserve(std::size_t size) {
        size_ = size;
        if (size <= sizeof small_) return small_;
        large_.resize(size);
        return large_.data();
    }

    template <class Io>
    result<void> send(basic_router_core<Io>& node, const header& h, urgency when) {
        if (size_ <= fragment_bytes)
            return node.send(h, std::span<const std::byte>(size_ <= sizeof small_ ? small_ : large_.data(), size_), when);
        return node.send(h, std::move(large_), when);
    }
};

/// Sends a call. `message` has room for the frame in front and holds the arguments behind it. Not a template over the function:
/// shared by all.
template <class Io>
result<basic_pending<Io>*> submit(basic_router_core<Io>& node, context_id to, const function_entry& function, call_frame frame,
                                  call_message& message, std::byte* begin, urgency when, bool wants_reply) {
    writer w(begin);
    frame.write(w);
    basic_pending<Io>* p = nullptr;
    if (wants_reply) {
        std::optional<error> why;
        p = node.answers().open(to, why);
        if (!p) return std::move(*why);
        p->subject = &function;
    }
    const header h{
        .dst = to, .src = node.id(), .auth = node.id(), .handle = handles::call_function, .reply_to = p ? p->handle() : 0};
    if (result<void> sent = message.send(node, h, when); !sent) {
        if (!p) return sent.error();
        node.answers().fail(*p, sent.error());
    }
    return p;
}

/// The frame for a call of `function` in `to`, or why it cannot be called there.
template <class Io>
result<call_frame> frame_for(basic_router_core<Io>& node, context_id to, const function_entry& function,
                             const call_options& options) {
    call_frame frame;
    if (node.same_build(to)) {
        frame.function = function.index();
    } else {
        if (!function.stable_name()) {
            return error(reason::unknown_function, function.name() + " can be named only within one build, and context " +
                                                       std::to_string(to) +
                                                       " runs another; give it a name that both know: template <> inline "
                                                       "constexpr std::string_view mitogen::name_of<&f> = \"…\";");
        }
        frame.flags |= call_frame::by_key;
        frame.function = function.key();
    }
    if (options.within != never) {
        frame.flags |= call_frame::has_deadline;
        frame.time_left = options.within;
    }
    if (options.chain) {
        frame.flags |= call_frame::has_chain;
        frame.chain = options.chain;
    }
    return frame;
}

/// Encodes and sends one call of `F`.
template <auto F, class Io, class... Args>
result<basic_pending<Io>*> start(basic_router_core<Io>& node, context_id to, const call_options& options, urgency when,
                                 bool wants_reply, const Args&... args) {
    const function_entry& function = entry_of<F>();
    const result<call_frame> frame = frame_for(node, to, function, options);
    if (!frame) return frame.error();
    call_message message;
    const std::size_t front = frame->size();
    std::byte* begin = message.reserve(front + encoded_size(args...));
    writer w(begin + front);
    encode(w, args...);
    return submit(node, to, function, *frame, message, begin, when, wants_reply);
}

template <auto F, class Io, class... Ws, class... Args>
result<basic_pending<Io>*> convert_and_start(basic_router_core<Io>& node, context_id to, const call_options& options,
                                             urgency when, bool wants_reply, type_list<Ws...>, Args&&... args) {
    return start<F>(node, to, options, when, wants_reply, as_parameter<Ws>(std::forward<Args>(args))...);
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
        if constexpr (argument_count<F, sizeof...(Gs), sizeof...(Ws)>::checked) return each(std::index_sequence_for<Ws...>{});
        return false;
    }();
};

} // namespace rpc::detail

/// The ways to call a function, shared by contexts, deadlines and chains. `Target` offers valid(), core(), id(), options() and
/// environment().
template <class Target, class Io>
class call_methods {
    const Target& self() const noexcept { return static_cast<const Target&>(*this); }

    template <auto F, class... Args>
    result<basic_pending<Io>*> begin(const call_options& options, urgency when, bool wants_reply, Args&&... args) const {
        using wire = typename function_traits<F>::wire_parameters;
        if constexpr (function_traits<F>::what_is_wrong != rpc::detail::fault::none) {
            rpc::detail::check_function<F>(); // says what is wrong; the arguments are beside the point
            return error(reason::misuse, "unreachable: refused at compile time");
        } else if constexpr (rpc::detail::check_arguments<F, wire, type_list<Args...>>::checked) {
            return rpc::detail::convert_and_start<F>(self().core(), self().id(), options, when, wants_reply, wire{},
                                                     std::forward<Args>(args)...);
        } else {
            return error(reason::misuse, "unreachable: refused at compile time");
        }
    }

public:
    /// Calls `F(args…)` in the other context and waits for its result.
    /// Errors, thrown: call_error where the function threw; channel_error where the context is lost; timeout_error,
    /// cancelled_error; codec_error; signature_error; overloaded_error. Not from a function that runs on::loop.
    template <auto F, class... Args>
    rpc::detail::result_of<F> call(Args&&... args) const {
        return try_call<F>(std::forward<Args>(args)...).value();
    }

    /// The same, with the error as a value.
    template <auto F, class... Args>
    result<rpc::detail::result_of<F>> try_call(Args&&... args) const {
        if (!self().valid()) return rpc::detail::empty_target();
        const call_options& options = self().options();
        basic_router_core<Io>& core = self().core();
        if (core.loop().on_loop())
            return error(reason::misuse, "a function that runs on the loop makes a call and waits for it, which would stop the "
                                         "loop; run it on::main or on::pool, or co_await call_async");
        result<basic_pending<Io>*> sent = begin<F>(options, urgency::now, true, std::forward<Args>(args)...);
        if (!sent) return sent.error();
        basic_future<rpc::detail::result_of<F>, Io> answer(*sent, core, self().environment());
        wait(answer, options);
        return answer.outcome();
    }

    /// Starts a call and returns its answer-to-be. Calls that are started one after the other travel together. Blocks only while
    /// the link's queue is full.
    template <auto F, class... Args>
    basic_future<rpc::detail::result_of<F>, Io> call_async(Args&&... args) const {
        const call_options& options = self().options();
        basic_router_core<Io>& core = self().core();
        core.wait_for_room(self().id());
        result<basic_pending<Io>*> sent = begin<F>(options, urgency::soon, true, std::forward<Args>(args)...);
        if (!sent) sent = core.failed_answer(self().id(), sent.error());
        basic_future<rpc::detail::result_of<F>, Io> answer(*sent, core, self().environment());
        guard(**sent, options);
        return answer;
    }

    /// Calls without an answer: what the function returns or throws is dropped there (an exception is logged). Throws where the
    /// context is known to be lost.
    template <auto F, class... Args>
    void call_no_reply(Args&&... args) const {
        self().core().wait_for_room(self().id());
        const result<basic_pending<Io>*> sent = begin<F>(self().options(), urgency::soon, false, std::forward<Args>(args)...);
        if (!sent) raise(sent.error());
    }

private:
    template <class Future>
    void wait(Future& answer, const call_options& options) const {
        instant deadline = never;
        if (options.within != never) deadline = after(self().core().loop().io().now(), options.within);
#if defined(__cpp_lib_jthread)
        if (options.stop.stop_possible()) {
            const std::stop_callback on_stop(options.stop, [&answer] { answer.cancel(); });
            if (!answer.wait_until(deadline)) give_up(answer, options);
            return;
        }
#endif
        if (!answer.wait_until(deadline)) give_up(answer, options);
    }

    template <class Future>
    static void give_up(Future& answer, const call_options& options) {
        answer.abandon(timeout(options));
    }

    static error timeout(const call_options& options) {
        return error(reason::timeout, "no answer within " + std::to_string(options.within / 1'000'000) + " ms");
    }

    /// Deadline and stop token of a call that nobody waits for yet.
    void guard(basic_pending<Io>& p, const call_options& options) const {
        basic_router_core<Io>& core = self().core();
        if (options.within != never) core.expire(p, after(core.loop().io().now(), options.within), timeout(options));
#if defined(__cpp_lib_jthread)
        if (options.stop.stop_possible()) {
            p.retain();
            struct on_stop {
                basic_router_core<Io>& core;
                basic_pending<Io>& p;
                void operator()() const {
                    basic_router_core<Io>& node = core; // failing the call destroys this object
                    basic_pending<Io>& call = p;
                    call.retain();
                    if (node.answers().fail(call, error(reason::cancelled, "cancelled by its caller's stop token"))) {
                        node.cancel_call(call);
                    }
                    call.release();
                }
            };
            auto callback = std::make_unique<std::stop_callback<on_stop>>(options.stop, on_stop{core, p});
            core.answers().then(p, [callback = std::move(callback), &p]() mutable {
                callback.reset();
                p.release();
            });
        }
#endif
    }
};

} // namespace mitogen::inline MITOGEN_ABI
