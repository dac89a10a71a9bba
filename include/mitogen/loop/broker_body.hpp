// SPDX-License-Identifier: BSL-1.0
#pragma once
// broker_body.hpp: what basic_broker does, by its engine.

#include <mitogen/base/config.hpp>
#include <mitogen/base/error.hpp>
#include <mitogen/base/function.hpp>
#include <mitogen/base/result.hpp>
#include <mitogen/io/construction.hpp>
#include <mitogen/io/policy.hpp>
#include <mitogen/loop/activity/activity.hpp>
#include <mitogen/loop/broker.hpp>
#include <mitogen/loop/broker_engine.hpp>

#include <memory>
#include <utility>

namespace mitogen::inline MITOGEN_ABI {
namespace detail {

MITOGEN_COLD inline error no_outer_loop() {
    return error(
        reason::misuse,
        "only a broker without a thread (broker_options::thread) is driven by another loop");
}

} // namespace detail

template <class Io>
basic_broker<Io>::basic_broker(std::unique_ptr<detail::broker_engine<Io>> engine) noexcept
    : engine_(std::move(engine)) {}
template <class Io>
basic_broker<Io>::basic_broker() : basic_broker(broker_options{}, Io{}) {}
template <class Io>
basic_broker<Io>::basic_broker(Io io) : basic_broker(broker_options{}, std::move(io)) {}
template <class Io>
basic_broker<Io>::basic_broker(broker_options how) : basic_broker(how, Io{}) {}
template <class Io>
basic_broker<Io>::basic_broker(broker_options how, Io io)
    : engine_(std::make_unique<detail::broker_engine<Io>>(how, std::move(io))) {}
template <class Io>
basic_broker<Io>::~basic_broker() = default;

template <class Io>
result<std::unique_ptr<basic_broker<Io>>> basic_broker<Io>::make(broker_options how) {
    const detail::construction trying;
    auto engine = std::make_unique<detail::broker_engine<Io>>(how, Io{});
    if (const error* why = trying.failure()) return *why;
    return std::unique_ptr<basic_broker>(new basic_broker(std::move(engine)));
}

template <class Io>
void basic_broker<Io>::shutdown() {
    engine_->shutdown();
}
template <class Io>
void basic_broker<Io>::join() {
    engine_->join();
}
template <class Io>
bool basic_broker<Io>::on_loop() const noexcept {
    return engine_->on_loop();
}
template <class Io>
bool basic_broker<Io>::defer(unique_function<void()> work) {
    return engine_->defer([work = std::move(work)]() mutable {
        const detail::at_work here(detail::named_work, "work that was given to broker::defer()");
        work();
    });
}
template <class Io>
int basic_broker<Io>::fd() {
    if constexpr (io::has_outer_loop<Io>)
        return engine_->fd();
    else
        raise(detail::no_outer_loop());
}
template <class Io>
void basic_broker<Io>::poll() {
    if constexpr (io::has_outer_loop<Io>)
        engine_->poll();
    else
        raise(detail::no_outer_loop());
}

} // namespace mitogen::inline MITOGEN_ABI
