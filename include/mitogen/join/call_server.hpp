// SPDX-License-Identifier: BSL-1.0
#pragma once
// call_server.hpp: executes calls in a program whose main thread has something else to do.

#include <mitogen/base/config.hpp>
#include <mitogen/base/error.hpp>
#include <mitogen/base/ids.hpp>
#include <mitogen/call/invocation.hpp>
#include <mitogen/node/router_core.hpp>
#include <mitogen/protocol/handle.hpp>
#include <mitogen/serve/dispatcher.hpp>

#include <cstddef>
#include <string>
#include <utility>

namespace mitogen::inline MITOGEN_ABI {

namespace detail {

/// A dispatcher with a thread of its own in the place of the main thread. Threads: any.
template <class Io>
class call_server {
    /// Its handlers go with it, also if the thread cannot be started.
    struct registered {
        basic_router_core<Io>& node;
        ~registered() {
            for (const handle_id h : {handles::call_function, handles::cancel_call,
                                      handles::explain_call, handles::forget_chain})
                node.remove_handler(h);
        }
    };

    basic_dispatcher<Io> dispatcher_;
    registered handlers_;
    typename Io::thread main_;

public:
    call_server(basic_router_core<Io>& node, std::string name, std::size_t pool_threads)
        : dispatcher_(node, std::move(name), pool_threads), handlers_{node},
          main_(node.loop().io(), "mitogen-main", [this] { dispatcher_.serve(); }) {}

    call_server(call_server&&) = delete;

    /// No more calls; those that run are told to stop. Never blocks.
    void stop(const error& why) { dispatcher_.stop(why); }

    /// After stop(): waits for the functions that run.
    void join() {
        main_.join();
        dispatcher_.join_pool();
    }
};

} // namespace detail
} // namespace mitogen::inline MITOGEN_ABI
