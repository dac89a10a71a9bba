// SPDX-License-Identifier: BSL-1.0
#pragma once
// broker.hpp: the loop that routers live on, as a program holds it.

#include <mitogen/base/config.hpp>
#include <mitogen/base/function.hpp>
#include <mitogen/base/result.hpp>
#include <mitogen/io/native_name.hpp>

#include <memory>
#include <type_traits>
#include <utility>

namespace mitogen::inline MITOGEN_ABI {

/// How a loop is driven.
struct broker_options {
    /// false: it has no thread of its own; a program's other loop drives it: see basic_broker::poll
    bool thread = true;
};

namespace detail {

template <class Io>
class broker_engine;

} // namespace detail

/// The loop that every link, timer and route of a program belongs to, under the I/O policy `Io`.
/// Its routers must not outlive it; the destructor ends the loop and joins its thread.
///
/// Threads: any, but for the destructor. Errors of the constructors, thrown: overloaded_error,
/// without descriptors or threads; a logic_error for a policy whose loop needs a thread.
template <class Io = io::native>
class basic_broker {
    std::unique_ptr<detail::broker_engine<Io>> engine_;

    explicit basic_broker(std::unique_ptr<detail::broker_engine<Io>> engine) noexcept;

public:
    using policy = Io;

    basic_broker();
    explicit basic_broker(Io io);
    explicit basic_broker(broker_options how);
    basic_broker(broker_options how, Io io);
    basic_broker(basic_broker&&) = delete;
    ~basic_broker();

    /// The same, with the error as a value.
    static result<std::unique_ptr<basic_broker>> make(broker_options how = {});

    /// Ends the loop: closes the routers on it, all at once, and ends when everything that was
    /// accepted has run. From then on only the loop itself may add work, so that what it has begun
    /// can end. Never blocks.
    void shutdown();
    /// Waits until the loop has ended. Not on the loop.
    void join();
    /// True on the thread that runs the loop at this moment.
    bool on_loop() const noexcept;
    /// Runs `work` on the loop, soon and in order. False, without keeping it, once the loop is
    /// ending.
    bool defer(unique_function<void()> work);
    /// Of a broker without a thread, as router's: a descriptor that is readable when poll() has
    /// something to do. A logic_error of others.
    int fd();
    /// Does what there is to do, and does not wait.
    void poll();

    /// For what lives on the loop.
    detail::broker_engine<Io>& engine() noexcept { return *engine_; }
};

/// The loop with this platform's best I/O policy.
using broker = basic_broker<>;

} // namespace mitogen::inline MITOGEN_ABI
