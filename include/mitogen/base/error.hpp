// SPDX-License-Identifier: BSL-1.0
#pragma once
// error.hpp: everything that can go wrong, as one value type with a small class for each thing a
// caller may want to catch.

#include <mitogen/base/config.hpp>
#include <mitogen/base/error_detail.hpp>
#include <mitogen/base/ids.hpp>

#include <atomic>
#include <cstddef>
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

namespace detail {
template <class... E>
struct rethrower; // base/rethrow.hpp
}

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

public:
    explicit error(error_detail detail);
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

    /// The whole error on one or more lines: type, message, last lines of stderr, function and
    /// path, exit status, causes.
    const char* what() const noexcept override { return shared_->detail.what.c_str(); }

    /// The same on one line of at most 400 bytes, for a log or a table: type, first line of
    /// the message, function and path, exit status.
    std::string summary() const;

    /// Machine-readable cause.
    enum reason reason() const noexcept { return shared_->detail.why; }

    /// What to do about it.
    enum kind kind() const noexcept {
        switch (shared_->detail.why) {
        case reason::message_too_large:
        case reason::overloaded:
        case reason::timeout:
        case reason::deadline:
        case reason::withheld:
        case reason::connect_timeout: return kind::overloaded;
        case reason::no_route:
        case reason::respondent_lost:
        case reason::broker_exited:
        case reason::sender_closed:
        case reason::link_corrupt:
        case reason::connection_refused:
        case reason::restarted:
        case reason::end_of_file: return kind::disconnected;
        case reason::invalid_handle:
        case reason::unknown_function:
        case reason::signature_mismatch: return kind::unimplemented;
        case reason::several: return kind_of_members();
        default:
            return shared_->detail.unknown_reason.empty() ? kind::failed
                                                          : shared_->detail.unknown_kind;
        }
    }

    /// The message alone.
    std::string_view message() const noexcept { return shared_->detail.text; }

    /// Everything that is known.
    const error_detail& detail() const noexcept { return shared_->detail; }

    /// The errors that this one stands for (see error_group); empty if it is one error itself.
    const std::vector<error>& members() const noexcept { return listed(shared_->detail.members); }

    /// What it was nested around by std::throw_with_nested, the outermost first; empty otherwise.
    const std::vector<error>& causes() const noexcept { return listed(shared_->detail.causes); }

    /// Exit status of the process that was lost, or nullptr if it is not known or none was lost.
    const exit_status* status() const noexcept {
        return shared_->detail.has_status ? &shared_->detail.status : nullptr;
    }

    /// Of a cancellation, and of what is lost or refused because a context was ended: the context
    /// that asked for it; no_context if nobody did.
    context_id canceller() const noexcept { return shared_->detail.canceller; }

    /// Of the same: what was cancelled or ended.
    cancel_radius radius() const noexcept { return shared_->detail.radius; }

    /// The remote functions that it has left on its way here, the innermost first: of an exception,
    /// where it was thrown. Empty of an error that arose here.
    const std::vector<error_hop>& hops() const noexcept { return shared_->detail.hops; }

    /// True if it is the same error as `other`, or both are what one error has become for several
    /// calls that it has ended.
    bool same_as(const error& other) const noexcept { return origin() == other.origin(); }

    /// Throws it as an `E` with the same message, if it is an exception of exactly one of these
    /// types: `e.rethrow_as<std::out_of_range, app::trouble>()`. With no type: as any of the
    /// exceptions of the standard library, or one that the program has registered, see
    /// mitogen::rethrowable. Returns if it is none of them. Each `E` is constructible from a
    /// std::string. Needs exceptions and RTTI.
    template <class... E>
    void rethrow_as() const {
        detail::rethrower<E...>::run(*this);
    }

    /// `e == reason::timeout` is short for `e.reason() == reason::timeout`.
    friend bool operator==(const error& e, enum reason why) noexcept {
        return e.shared_->detail.why == why;
    }

private:
    enum kind kind_of_members() const noexcept; // theirs if it is one, else failed

    static const std::vector<error>&
    listed(const std::shared_ptr<const std::vector<error>>& all) noexcept;
    const error_detail* origin() const noexcept {
        const error_detail& d = shared_->detail;
        return d.original ? &d.original->detail() : &d;
    }
};

inline const std::vector<error>&
error::listed(const std::shared_ptr<const std::vector<error>>& all) noexcept {
    static const std::vector<error> none;
    return all ? *all : none;
}

inline enum kind error::kind_of_members() const noexcept {
    for (const error& one : members())
        if (one.kind() != members().front().kind()) return kind::failed;
    return members().empty() ? kind::failed : members().front().kind();
}

inline error::error(error_detail d) {
    const auto indented = [](const error& one) {
        std::string text;
        for (const char c : std::string_view(one.what()))
            text.append(c == '\n' ? "\n     " : std::string(1, c));
        return text;
    };
    if (d.members && d.text.empty()) {
        d.text = std::to_string(d.members->size()) + " errors:";
        std::size_t number = 0;
        for (const error& one : *d.members)
            d.text += "\n  " + std::to_string(++number) + ". " + indented(one);
    }
    if (d.what.empty()) {
        d.what = detail::compose_what(d, d.text);
        if (d.causes)
            for (const error& one : *d.causes) d.what += "\n  because: " + indented(one);
    }
    shared_ = new shared{std::move(d)};
}

MITOGEN_COLD inline std::string error::summary() const {
    const error_detail& d = shared_->detail;
    std::string text = detail::one_line(d.text, 160);
    if (d.members) {
        text = std::to_string(d.members->size()) + " errors";
        if (!d.members->empty())
            text += ", the first: " + detail::one_line(d.members->front().summary(), 160);
    }
    return detail::one_line(detail::compose_what(d, text), 400);
}

/// One error for several. The members of a group among them become members themselves; one that is
/// there already is not added again. A group of one is that one. `errors` is not empty.
///
/// The result has reason::several and members(), and is thrown as error_group. A result<T> can hold
/// it as any other error.
MITOGEN_COLD inline error group_errors(const std::vector<error>& errors) {
    auto members = std::make_shared<std::vector<error>>();
    const auto add = [&](const error& one) {
        for (const error& there : *members)
            if (there.same_as(one)) return;
        members->push_back(one);
    };
    for (const error& e : errors) {
        if (e.members().empty()) {
            add(e);
        } else {
            for (const error& one : e.members()) add(one);
        }
    }
    if (members->size() == 1) return members->front();
    error_detail d;
    d.why = reason::several;
    d.members = std::move(members);
    return error(std::move(d));
}

/// A remote function threw. type() is the demangled type of what it threw, message() its what().
class call_error : public error {
public:
    using error::error;
    explicit call_error(const error& e) : error(e) {}
    /// Demangled type of the remote exception, for instance "std::out_of_range".
    std::string_view type() const noexcept { return detail().type; }
    /// The context that threw it.
    context_id context() const noexcept { return detail().context; }
    /// Text of the remote backtrace; empty if the build has none.
    std::string_view backtrace() const noexcept { return detail().backtrace; }
};

/// A message could not be delivered, or whoever should have answered is gone.
class channel_error : public error {
public:
    using error::error;
    explicit channel_error(const error& e) : error(e) {}
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
    /// canceller(): no_context if nobody asked for it: a deadline, the end of the program.
    context_id by() const noexcept { return canceller(); }
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

/// A call or a piece of work that was one of several was not begun: too many others had failed,
/// enough had succeeded, or nobody was left to do it.
class withheld_error : public error {
public:
    explicit withheld_error(const error& e) : error(e) {}
};

/// Somebody has typed `quit` at a prompt of the debugger: what breakpoint() throws there.
class debugger_quit : public error {
public:
    explicit debugger_quit(const error& e) : error(e) {}
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

namespace detail {

/// True if `e` says that nothing follows. What a remote function has failed with may say so of
/// something else.
inline bool is_end(const error& e) noexcept {
    return e.reason() == reason::end_of_stream && e.hops().empty();
}

} // namespace detail

/// The error of what context `who` has cancelled.
inline error cancelled_by(context_id who, cancel_radius what, std::string text) {
    return error(error_detail{
        .why = reason::cancelled, .text = std::move(text), .canceller = who, .radius = what});
}

/// The error of what is lost or refused because context `who` has ended a context; no_context if
/// nobody has asked for that.
inline error ended_by(enum reason why, context_id who, std::string text) {
    return error(error_detail{.why = why,
                              .text = std::move(text),
                              .canceller = who,
                              .radius = cancel_radius::context});
}

/// As cancelled_by(), as the callee sees it: `caller` does not want the call any more, alone or
/// with all of its nursery. `when`: goes behind the text.
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
    case reason::timeout:
    case reason::deadline: throw timeout_error(e);
    case reason::cancelled: throw cancelled_error(e);
    case reason::bad_arguments:
    case reason::codec: throw codec_error(e);
    case reason::signature_mismatch: throw signature_error(e);
    case reason::overloaded:
    case reason::message_too_large: throw overloaded_error(e);
    case reason::misuse: throw logic_error(e);
    case reason::debugger_quit: throw debugger_quit(e);
    case reason::several: throw error_group(e);
    case reason::withheld: throw withheld_error(e);
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
