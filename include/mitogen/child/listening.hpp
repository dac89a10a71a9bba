// SPDX-License-Identifier: BSL-1.0
#pragma once
// listening.hpp: what a router knows of the programs that join it; the rest is compiled if listen()
// is called.

#include <mitogen/base/config.hpp>
#include <mitogen/base/ids.hpp>
#include <mitogen/base/limits.hpp>
#include <mitogen/base/time.hpp>

#include <cstdint>
#include <optional>
#include <string>

namespace mitogen::inline MITOGEN_ABI {

template <class Io>
class basic_outstanding_call;

namespace detail {

/// Who listens, and who has joined. Threads: loop, but for close() and finish().
template <class Io>
class listening {
public:
    virtual ~listening() = default;
    /// Listens no more, asks everybody to leave, and waits until they have. Before the router
    /// closes. Not on the loop.
    virtual void close() = 0;
    /// Waits for the functions that were called. After the router has closed.
    virtual void finish() = 0;
    /// Cuts the link of a context that has joined; false if there is none of that id.
    virtual bool disconnect(context_id id, const std::string& why) = 0;
    /// Asks it to leave, and answers `left` when it has, taking over one reference; false if there
    /// is none of that id.
    virtual bool shut_down(context_id id, const error& why,
                           basic_outstanding_call<Io>* left) = 0;
    /// In a child made by fork(): closes all descriptors.
    virtual void abandon() noexcept = 0;
};

} // namespace detail
} // namespace mitogen::inline MITOGEN_ABI
