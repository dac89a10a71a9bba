// SPDX-License-Identifier: BSL-1.0
#pragma once
// call_port.hpp: all that a call needs of the router, behind virtual functions: a file that only makes calls compiles no router.

#include <mitogen/base/config.hpp>
#include <mitogen/base/error.hpp>
#include <mitogen/base/ids.hpp>
#include <mitogen/base/limits.hpp>
#include <mitogen/base/result.hpp>
#include <mitogen/base/time.hpp>
#include <mitogen/route/awaited.hpp>
#include <mitogen/wire/buffer.hpp>
#include <mitogen/wire/flow.hpp>

#include <cstddef>
#include <cstdint>
#include <span>

#if defined(__cpp_lib_jthread)
#include <stop_token>
#endif

namespace mitogen::inline MITOGEN_ABI {

/// The bytes of a message that is being sent: shown, or handed over with their buffer. Used at once, never kept.
struct outgoing_bytes {
    std::span<const std::byte> bytes{};
    buffer* whole = nullptr; ///< may be taken; null: `bytes` are copied

    outgoing_bytes() = default;
    outgoing_bytes(std::nullptr_t) noexcept {}
    outgoing_bytes(std::span<const std::byte> shown) noexcept : bytes(shown) {}
    outgoing_bytes(const buffer& shown) noexcept : bytes(shown.data(), shown.size()) {}
    outgoing_bytes(buffer&& given) noexcept : bytes(given.data(), given.size()), whole(&given) {}

    std::size_t size() const noexcept { return bytes.size(); }
};

/// How one call is made.
struct call_options {
    duration_ns within = never; ///< time the answer may take; never: any
    std::uint64_t chain = 0;    ///< 0: none
    flow_address flow{};        ///< where the caller takes items
#if defined(__cpp_lib_jthread)
    std::stop_token stop{}; ///< cancels the call
#endif
};

/// The question::subject of a request to handles::connect.
inline constexpr char connect_request = 0;

/// A message that wants an answer.
struct question {
    enum class manner : std::uint8_t {
        wait,   ///< await() or await_call() comes next, whatever has happened; refused on the loop, which it would stop
        gather, ///< more may follow; waits first while the link's queue is full
        pass,   ///< as gather, but never waits
    };

    context_id to = no_context;
    handle_id handle = 0;
    manner how = manner::gather;
    outgoing_bytes payload{};
    const void* subject = nullptr;         ///< awaited::subject
    const call_options* options = nullptr; ///< deadline and stop token of a call that is not waited for; null: none
};

/// The router as calls, futures and contexts see it. Exactly one class implements it, basic_router_core: what it costs is an
/// indirect call where a message is sent and where a thread waits. Threads: any.
class call_port {
protected:
    context_id id_ = root_id;
    limits limits_;

    explicit call_port(const limits& bounds) noexcept : limits_(bounds) {}
    ~call_port() = default;

public:
    /// This context's id.
    context_id id() const noexcept { return id_; }
    const limits& bounds() const noexcept { return limits_; }

    /// Finds the key by which `subject` is called in `to`, which runs another build. Set by the layer above.
    result<std::uint64_t> (*key_of)(const void* subject, context_id to) = nullptr;

    /// True if `id` is known to run the same build as this context. Also where nobody is there: that it is lost, not what it
    /// runs, is what a caller must hear.
    virtual bool same_build(context_id id) = 0;
    /// Sends a question. What goes wrong becomes the answer. The caller holds one reference.
    virtual awaited& ask(const question& what) = 0;
    /// Sends a message that wants no answer; with `for_room` waits first while the link's queue is full.
    virtual result<void> tell(context_id to, handle_id handle, outgoing_bytes payload, bool for_room) = 0;
    /// Sleeps until the answer is there or the deadline passes; returns done(). Not on the loop.
    virtual bool await(awaited& answer, instant deadline) = 0;
    /// Waits for the answer to a call; gives it up as the options say.
    virtual void await_call(awaited& answer, const call_options& options) = 0;
    /// An answer from `from` that is an error already.
    virtual awaited& refuse_call(context_id from, error why) = 0;
    /// Tells whoever was asked that nobody waits for the answer any more.
    virtual void cancel_call(awaited& answer) = 0;

    /// Something to wait for that no message completes: whoever knows of it says fail(). The caller holds one reference.
    virtual awaited& open_event() = 0;

    virtual bool on_loop() const noexcept = 0;
    virtual instant now() const noexcept = 0;
};

} // namespace mitogen::inline MITOGEN_ABI
