// SPDX-License-Identifier: BSL-1.0
#pragma once
// error.hpp: everything that can go wrong, as one value type with a small class for each thing a
// caller may want to catch.

#include <mitogen/base/config.hpp>
#include <mitogen/base/ids.hpp>

#include <atomic>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <exception>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace mitogen::inline MITOGEN_ABI {

template <class T>
class result;

/// What the caller should do about an error (the four classes of the KJ library's exceptions).
enum class kind : std::uint8_t {
    /// the operation itself is wrong or went wrong; repeating it unchanged will not help
    failed,
    overloaded,    ///< a limit or a deadline was reached; may succeed later
    disconnected,  ///< the other side is gone; may succeed over a new connection
    unimplemented, ///< the other side does not know what was asked for
};

/// Why, exactly. The numbers travel in dead messages and are never reassigned.
enum class reason : std::uint16_t {
    none = 0,
    // Why a message could not be delivered or answered: these travel in dead messages.
    invalid_handle = 1,      ///< nothing is registered under that handle
    refused_by_policy = 2,   ///< the handle's policy does not accept this sender
    unexpected_reply = 3,    ///< a reply from a context that was not asked
    message_too_large = 4,   ///< over limits::message_bytes
    no_route = 5,            ///< no context of that id is known here
    unidirectional = 6,      ///< routing mode forbids forwarding between these two
    respondent_lost = 7,     ///< the context that should have answered is gone
    broker_exited = 8,       ///< the loop that would have delivered it has stopped
    sender_closed = 9,       ///< the sending end of a channel was closed explicitly
    unauthorised = 10,       ///< the caller has no authority over this context
    bad_arguments = 11,      ///< the payload does not decode as what the receiver expects
    unknown_function = 12,   ///< no such function in the receiving program
    signature_mismatch = 13, ///< same name, other signature
    overloaded = 14,         ///< a limit of the receiving side was reached
    cancelled = 15,          ///< cancelled by the caller, a deadline or an enclosing scope
    remote_exception = 16,   ///< the function threw
    link_corrupt = 17,       ///< bytes on a link that are not a valid frame; the link is closed
    end_of_stream = 18,      ///< no more items: everything that was sent has been received
    // Local ones.
    timeout = 64,
    codec = 65,
    misuse = 66,  ///< a precondition of this library's interface was broken
    system = 67,  ///< a system call failed
    several = 68, ///< more than one thing went wrong: see error::members()
    connect = 80, ///< a child could not be started or reached
    connect_timeout = 81,
    /// the host name has no address; there is no container, pod, image or user of that name
    resolve = 82,
    connection_refused = 83, ///< nothing listens there; the container does not run
    no_init = 84,            ///< started, but main() did not call mitogen::init
    end_of_file = 85,        ///< the connection ended before the child said hello
    auth_required = 86,      ///< credentials are missing, or this user may not do that
    auth_incorrect = 87,
    host_key = 88,
    payload = 89, ///< the program could not be delivered to, or run on, the target
};

/// How a process ended.
struct exit_status {
    int code = 0;   ///< what it returned or passed to exit(); meaningless when `signal` is set
    int signal = 0; ///< the signal that killed it, or 0

    /// True for a return of 0.
    bool success() const noexcept { return code == 0 && signal == 0; }

    /// "exit status 3" or "signal 9".
    std::string text() const {
        return signal ? "signal " + std::to_string(signal) : "exit status " + std::to_string(code);
    }

    friend bool operator==(const exit_status&, const exit_status&) = default;
};

/// What a cancellation ends. The numbers travel, and are never reassigned.
enum class cancel_radius : std::uint8_t {
    none = 0,    ///< nothing was cancelled
    call = 1,    ///< one call, stream, dialog or task, and nothing else
    nursery = 2, ///< everything that one nursery owns
    context = 3, ///< everything that runs in a context, or the making of it
};

class error;

/// All that is known about one error. Shared, never changed after construction.
struct error_detail {
    reason why = reason::none;
    std::string text{};                ///< the message, without type or place
    std::string type{};                ///< demangled type of a remote exception, else empty
    std::string place{};               ///< name of the context that it happened in, else empty
    std::string backtrace{};           ///< of a remote exception, if the build has one
    context_id context = no_context;   ///< id of the context that it happened in
    context_id canceller = no_context; ///< of a cancellation: the context that asked for it
    cancel_radius radius = cancel_radius::none;
    exit_status status{}; ///< of a lost peer, where `has_status`
    bool has_status = false;
    /// what what() returns; composed from the rest when empty
    std::string what{};
    std::shared_ptr<const std::vector<error>> members{}; ///< of several errors: each of them
};

/// An error. A cheap, copyable value (one reference-counted pointer); also the base class of
/// everything this library throws.
///
/// Threads: as std::exception_ptr; copies may be used from different threads.
class error : public std::exception {
    struct shared {
        error_detail detail;
        std::atomic<std::uint32_t> references{1};
    };
    // null in one that was moved from, and in the result<void> of a success
    shared* shared_ = nullptr;

    template <class T>
    friend class result;
    error() = default;

    static std::string compose(const error_detail& d) {
        std::string out;
        if (!d.type.empty()) out += d.type + ": ";
        out += d.text;
        if (!d.place.empty()) out += " [in " + d.place + "]";
        if (d.has_status) out += " (" + d.status.text() + ")";
        return out;
    }

public:
    explicit error(error_detail detail) {
        if (detail.what.empty()) detail.what = compose(detail);
        shared_ = new shared{std::move(detail)};
    }
    error(enum reason why, std::string text)
        : error(error_detail{.why = why, .text = std::move(text)}) {}

    error(const error& other) noexcept : std::exception(other), shared_(other.shared_) {
        if (shared_) shared_->references.fetch_add(1, std::memory_order_relaxed);
    }
    error(error&& other) noexcept : shared_(std::exchange(other.shared_, nullptr)) {}
    error& operator=(error other) noexcept {
        std::swap(shared_, other.shared_);
        return *this;
    }
    ~error() override {
        if (shared_ && shared_->references.fetch_sub(1, std::memory_order_acq_rel) == 1)
            delete shared_;
    }

    /// The whole error on one or more lines: type, message, place, exit status, last lines of
    /// stderr.
    const char* what() const noexcept override { return shared_->detail.what.c_str(); }

    /// Machine-readable cause.
    enum reason reason() const noexcept { return shared_->detail.why; }

    /// What to do about it.
    enum kind kind() const noexcept {
        switch (shared_->detail.why) {
        case reason::message_too_large:
        case reason::overloaded:
        case reason::timeout:
        case reason::connect_timeout: return kind::overloaded;
        case reason::no_route:
        case reason::respondent_lost:
        case reason::broker_exited:
        case reason::sender_closed:
        case reason::link_corrupt:
        case reason::connection_refused:
        case reason::end_of_file: return kind::disconnected;
        case reason::invalid_handle:
        case reason::unknown_function:
        case reason::signature_mismatch: return kind::unimplemented;
        case reason::several: return kind_of_members();
        default: return kind::failed;
        }
    }

    /// The message alone.
    std::string_view message() const noexcept { return shared_->detail.text; }

    /// Everything that is known.
    const error_detail& detail() const noexcept { return shared_->detail; }

    /// The errors that this one stands for (see error_group); empty if it is one error itself.
    const std::vector<error>& members() const noexcept;

    /// `e == reason::timeout` is short for `e.reason() == reason::timeout`.
    friend bool operator==(const error& e, enum reason why) noexcept {
        return e.shared_->detail.why == why;
    }

private:
    enum kind kind_of_members() const noexcept; // theirs if it is one, else failed
};

inline const std::vector<error>& error::members() const noexcept {
    static const std::vector<error> none;
    return shared_->detail.members ? *shared_->detail.members : none;
}

inline enum kind error::kind_of_members() const noexcept {
    for (const error& one : members())
        if (one.kind() != members().front().kind()) return kind::failed;
    return members().empty() ? kind::failed : members().front().kind();
}

/// A remote function threw. type() is the demangled type of what it threw, message() its what().
class call_error : public error {
public:
    using error::error;
    explicit call_error(const error& e) : error(e) {}
    /// Demangled type of the remote exception, for instance "std::out_of_range".
    std::string_view type() const noexcept { return detail().type; }
    /// The place that threw it.
    context_id context() const noexcept { return detail().context; }
    /// Text of the remote backtrace; empty if the build has none.
    std::string_view backtrace() const noexcept { return detail().backtrace; }
};

/// A message could not be delivered, or whoever should have answered is gone.
class channel_error : public error {
public:
    using error::error;
    explicit channel_error(const error& e) : error(e) {}
    /// Exit status of the lost peer, or nullptr if it is not known.
    const exit_status* status() const noexcept {
        return detail().has_status ? &detail().status : nullptr;
    }
};

/// A deadline passed.
class timeout_error : public error {
public:
    using error::error;
    explicit timeout_error(const error& e) : error(e) {}
};

/// Cancelled by this side, a deadline or an enclosing scope.
class cancelled_error : public error {
public:
    using error::error;
    explicit cancelled_error(const error& e) : error(e) {}
    /// The context that asked for it; no_context if nobody did: a deadline, the end of the program.
    context_id by() const noexcept { return detail().canceller; }
    /// What was cancelled: this call alone, or more.
    cancel_radius radius() const noexcept { return detail().radius; }
};

/// A child could not be started or reached.
class connect_error : public error {
public:
    using error::error;
    explicit connect_error(const error& e) : error(e) {}
};

/// The target refused our credentials (reason auth_incorrect) or wanted some that were not given
/// (auth_required).
class auth_error : public connect_error {
public:
    using connect_error::connect_error;
};

/// The host key is unknown or has changed.
class host_key_error : public connect_error {
public:
    using connect_error::connect_error;
};

/// The program could not be delivered to the target, or cannot run there.
class payload_error : public connect_error {
public:
    using connect_error::connect_error;
};

/// The connection ended before the child said hello.
class eof_error : public connect_error {
public:
    using connect_error::connect_error;
};

/// Bytes do not decode as the type that is expected.
class codec_error : public error {
public:
    using error::error;
    explicit codec_error(const error& e) : error(e) {}
};

/// Both programs know the function, with different signatures; what() prints both. Nothing was
/// executed.
class signature_error : public error {
public:
    using error::error;
    explicit signature_error(const error& e) : error(e) {}
};

/// A limit was reached.
class overloaded_error : public error {
public:
    using error::error;
    explicit overloaded_error(const error& e) : error(e) {}
};

/// The program broke a precondition of this library.
class logic_error : public error {
public:
    using error::error;
    explicit logic_error(const error& e) : error(e) {}
};

/// Several things went wrong: members() has them, in the order in which they did. None of them is a
/// group itself.
class error_group : public error {
public:
    using error::error;
    explicit error_group(const error& e) : error(e) {}
};

/// The error of what context `who` has cancelled.
inline error cancelled_by(context_id who, cancel_radius what, std::string text) {
    return error(error_detail{
        .why = reason::cancelled, .text = std::move(text), .canceller = who, .radius = what});
}

/// The same, as the callee sees it: `caller` does not want the call any more, alone or with all of
/// its nursery. `when`: goes behind the text.
inline error cancelled_by_caller(context_id caller, cancel_radius what, const char* when = "") {
    const char* const of = what == cancel_radius::nursery
                               ? "the call was cancelled with its caller's nursery, in context "
                               : "the call was cancelled by its caller, context ";
    return cancelled_by(caller, what, of + std::to_string(caller) + when);
}

/// Throws `e` as the class that belongs to its reason. Without exceptions: prints it and aborts.
[[noreturn]] MITOGEN_COLD inline void raise(const error& e) {
#if MITOGEN_HAS_EXCEPTIONS
    switch (e.reason()) {
    case reason::remote_exception: throw call_error(e);
    case reason::timeout: throw timeout_error(e);
    case reason::cancelled: throw cancelled_error(e);
    case reason::bad_arguments:
    case reason::codec: throw codec_error(e);
    case reason::signature_mismatch: throw signature_error(e);
    case reason::overloaded:
    case reason::message_too_large: throw overloaded_error(e);
    case reason::misuse: throw logic_error(e);
    case reason::several: throw error_group(e);
    case reason::connect:
    case reason::connect_timeout:
    case reason::resolve:
    case reason::connection_refused: throw connect_error(e);
    case reason::auth_required:
    case reason::auth_incorrect: throw auth_error(e);
    case reason::host_key: throw host_key_error(e);
    case reason::no_init:
    case reason::payload: throw payload_error(e);
    case reason::end_of_file: throw eof_error(e);
    case reason::none:
    case reason::system: throw error(e);
    default: throw channel_error(e);
    }
#else
    std::fprintf(stderr,
                 "mitogen: %s\nmitogen: built without exceptions; use the try_ form of the call "
                 "that failed\n",
                 e.what());
    std::abort();
#endif
}

} // namespace mitogen::inline MITOGEN_ABI
