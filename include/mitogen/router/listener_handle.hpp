// SPDX-License-Identifier: BSL-1.0
#pragma once
// listener_handle.hpp: a socket that programs can join through, and how it is made.

#include <mitogen/base/config.hpp>
#include <mitogen/base/limits.hpp>
#include <mitogen/base/time.hpp>

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <utility>

namespace mitogen::inline MITOGEN_ABI {

/// What a program that joins may do.
enum class authority : std::uint8_t {
    none,   ///< it may be called, and use the handles that take messages from anyone
    parent, ///< as the context that listens: it may also call that, and whatever is below that
};

/// How a context listens for programs that join it.
struct listen_options {
    mitogen::authority authority = mitogen::authority::none;
    std::chrono::milliseconds handshake_timeout{5'000}; ///< from connecting to being a context
    /// connected and no context yet. Others wait for one of them to go on; who has said nothing for
    /// 50 ms gives way to them
    std::uint32_t most_waiting = 32;
    /// for those who join; empty: this context's own
    std::optional<mitogen::limits> limits{};
};

namespace detail {

/// One open socket of a router.
class open_listener {
public:
    virtual ~open_listener() = default;
    virtual void close() = 0;
};

} // namespace detail

/// A socket that programs can join through: see router::listen. A cheap copyable value; the socket
/// stays open until close(), or the router's end, whatever becomes of this.
///
/// Threads: any. The router outlives it.
class listener {
    std::shared_ptr<detail::open_listener> socket_;
    std::string path_;

public:
    /// For router::listen.
    listener(std::shared_ptr<detail::open_listener> socket, std::string path)
        : socket_(std::move(socket)), path_(std::move(path)) {}

    const std::string& path() const noexcept { return path_; }

    /// Listens no more, and removes the socket. Who has joined stays.
    void close() { socket_->close(); }
};

} // namespace mitogen::inline MITOGEN_ABI
