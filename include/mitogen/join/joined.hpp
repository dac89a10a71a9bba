// SPDX-License-Identifier: BSL-1.0
#pragma once
// joined.hpp: a program's place in a tree that was running before.

#include <mitogen/base/config.hpp>
#include <mitogen/base/ids.hpp>
#include <mitogen/base/result.hpp>
#include <mitogen/base/time.hpp>
#include <mitogen/boot/prompts/prompt.hpp>
#include <mitogen/call/context.hpp>
#include <mitogen/io/native_name.hpp>
#include <mitogen/router/router.hpp>

#include <cstdint>
#include <memory>
#include <string>
#include <utility>

namespace mitogen::inline MITOGEN_ABI {

/// How a program joins a tree.
struct join_options {
    std::string name{};                                ///< of the context; empty: "client.<pid>"
    std::chrono::milliseconds connect_timeout{30'000}; ///< until it is a context
    /// most threads that on::pool functions get here
    std::uint32_t pool_threads = 4;
    prompt_callback on_prompt{}; ///< see router_options
};

namespace detail {

/// A program that has joined, whatever its I/O policy.
class joined_place {
public:
    virtual ~joined_place() = default;
    virtual mitogen::router& router() noexcept = 0;
    virtual context_id parent() const noexcept = 0;
    virtual bool alive() const noexcept = 0;
};

} // namespace detail

/// A program's place in a tree that it has joined. Moves. Its end leaves the tree: what it makes
/// below itself ends first, and functions that run here for others are told to stop, and waited
/// for.
///
/// Functions that others call here run on a thread of their own (on::main), on a pool, or on the
/// loop. Losing the tree fails everything that waits for it with a channel_error; so do later
/// calls.
class joined {
    std::unique_ptr<detail::joined_place> in_;

public:
    /// For join().
    explicit joined(std::unique_ptr<detail::joined_place> in) : in_(std::move(in)) {}

    /// This context: makes children, finds contexts by their ids.
    mitogen::router& router() noexcept { return in_->router(); }

    /// The context that listens. It can be called if the listener grants authority::parent.
    context parent() noexcept { return router().context_by_id(in_->parent()); }

    /// False once the tree is lost. Threads: any.
    bool alive() const noexcept { return in_->alive(); }
};

/// Joins the tree that listens at `path` (see router::listen), and so becomes a context of it,
/// below the one that listens. Needs no init(): it starts nothing. Both may be different programs:
/// functions are then found by name. Blocks: up to connect_timeout. Errors: connect_error; a
/// logic_error for options that can't be.
template <class Io = io::native>
result<joined> try_join(const std::string& path, const join_options& options = {});
/// The same; throws if it fails.
template <class Io = io::native>
joined join(const std::string& path, const join_options& options = {}) {
    return try_join<Io>(path, options).value();
}

} // namespace mitogen::inline MITOGEN_ABI
