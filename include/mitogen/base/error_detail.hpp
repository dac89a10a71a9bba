// SPDX-License-Identifier: BSL-1.0
#pragma once
// error_detail.hpp: what is known about an error, and how it is put into words.

#include <mitogen/base/config.hpp>
#include <mitogen/base/ids.hpp>

#include <csignal>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace mitogen::inline MITOGEN_ABI {

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
    several = 68,  ///< more than one thing went wrong: see error::members()
    deadline = 69, ///< the time given to a whole dialog or stream is over: it has ended
    /// the function of a dialog is called again: what was on the way to it is lost
    restarted = 70,
    debugger_quit = 71, ///< somebody has typed `quit` at a prompt of the debugger
    withheld = 72,      ///< one of several: it was not begun, since enough had failed or succeeded
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

/// One context that an error has passed on its way, and the function there that it has left.
struct error_hop {
    context_id context = no_context; ///< its id
    /// names from below the root down to it, joined by dots, as far as they are known
    std::string path{};
    std::string function{}; ///< name of the function; empty if none was called

    /// "add in rack3.web7".
    std::string text() const {
        const std::string place =
            !path.empty() || context == no_context ? path : "context " + std::to_string(context);
        if (function.empty() || place.empty()) return function + place;
        return function + " in " + place;
    }

    friend bool operator==(const error_hop&, const error_hop&) = default;
};

/// All that is known about one error. Shared, never changed after construction.
struct error_detail {
    reason why = reason::none;
    std::string text{}; ///< the message, without type or place
    std::string type{}; ///< demangled type of a remote exception, else empty
    /// path of the context that it is about: where a function threw, who is lost, who did not
    /// answer; empty if it is about none
    std::string place{};
    std::string backtrace{};           ///< of a remote exception, if the build has one
    context_id context = no_context;   ///< id of the context that it is about
    /// of a cancellation, or of the end of a context: the context that asked for it
    context_id canceller = no_context;
    cancel_radius radius = cancel_radius::none;
    exit_status status{}; ///< of a lost peer, where `has_status`
    bool has_status = false;
    /// what what() returns; composed from the rest when empty
    std::string what{};
    std::shared_ptr<const std::vector<error>> members{}; ///< of several errors: each of them
    std::string function{};           ///< name of the remote function that it is about, else empty
    std::vector<error_hop> hops{};    ///< the functions that it has left, the innermost first
    std::shared_ptr<const std::vector<error>> causes{}; ///< what it was nested around
    /// of a reason that only a newer program knows: its name there, and what to do about it
    std::string unknown_reason{};
    kind unknown_kind = kind::failed;
    /// the same error, before it was told whose call it is
    std::shared_ptr<const error> original{};
};

/// The name of a reason as it stands in the source, for instance "timeout"; empty for one that this
/// program does not know.
MITOGEN_COLD inline std::string_view reason_name(reason why) noexcept {
    switch (why) {
    case reason::none: return "none";
    case reason::invalid_handle: return "invalid_handle";
    case reason::refused_by_policy: return "refused_by_policy";
    case reason::unexpected_reply: return "unexpected_reply";
    case reason::message_too_large: return "message_too_large";
    case reason::no_route: return "no_route";
    case reason::unidirectional: return "unidirectional";
    case reason::respondent_lost: return "respondent_lost";
    case reason::broker_exited: return "broker_exited";
    case reason::sender_closed: return "sender_closed";
    case reason::unauthorised: return "unauthorised";
    case reason::bad_arguments: return "bad_arguments";
    case reason::unknown_function: return "unknown_function";
    case reason::signature_mismatch: return "signature_mismatch";
    case reason::overloaded: return "overloaded";
    case reason::cancelled: return "cancelled";
    case reason::remote_exception: return "remote_exception";
    case reason::link_corrupt: return "link_corrupt";
    case reason::end_of_stream: return "end_of_stream";
    case reason::timeout: return "timeout";
    case reason::codec: return "codec";
    case reason::misuse: return "misuse";
    case reason::system: return "system";
    case reason::several: return "several";
    case reason::deadline: return "deadline";
    case reason::restarted: return "restarted";
    case reason::debugger_quit: return "debugger_quit";
    case reason::withheld: return "withheld";
    case reason::connect: return "connect";
    case reason::connect_timeout: return "connect_timeout";
    case reason::resolve: return "resolve";
    case reason::connection_refused: return "connection_refused";
    case reason::no_init: return "no_init";
    case reason::end_of_file: return "end_of_file";
    case reason::auth_required: return "auth_required";
    case reason::auth_incorrect: return "auth_incorrect";
    case reason::host_key: return "host_key";
    case reason::payload: return "payload";
    }
    return {};
}

namespace detail {

/// ", SIGSEGV" for a signal that has that name here; empty for others.
MITOGEN_COLD inline std::string_view signal_suffix(int number) noexcept {
    switch (number) {
    case SIGABRT: return ", SIGABRT";
    case SIGFPE: return ", SIGFPE";
    case SIGILL: return ", SIGILL";
    case SIGINT: return ", SIGINT";
    case SIGSEGV: return ", SIGSEGV";
    case SIGTERM: return ", SIGTERM";
#ifdef SIGBUS
    case SIGBUS: return ", SIGBUS";
#endif
#ifdef SIGHUP
    case SIGHUP: return ", SIGHUP";
#endif
#ifdef SIGKILL
    case SIGKILL: return ", SIGKILL";
#endif
#ifdef SIGPIPE
    case SIGPIPE: return ", SIGPIPE";
#endif
#ifdef SIGSYS
    case SIGSYS: return ", SIGSYS";
#endif
#ifdef SIGXCPU
    case SIGXCPU: return ", SIGXCPU";
#endif
    default: return {};
    }
}

/// "SIGTERM", or "signal 35" for one without a name here.
MITOGEN_COLD inline std::string signal_text(int number) {
    const std::string_view named = signal_suffix(number);
    return named.empty() ? "signal " + std::to_string(number) : std::string(named.substr(2));
}

/// What what() says of an error, before its causes.
MITOGEN_COLD inline std::string compose_what(const error_detail& d, std::string_view text) {
    std::string out;
    if (!d.unknown_reason.empty()) out += d.unknown_reason + ": ";
    if (!d.type.empty()) out += d.type + ": ";
    out += text;
    const error_hop about{d.context, d.place, d.function};
    std::string where;
    if (!d.place.empty() || !d.function.empty())
        where = (d.function.empty() ? "in " : "") + about.text();
    for (const error_hop& hop : d.hops) {
        if (hop == about) continue;
        where += (where.empty() ? "" : ", passed on by ") + hop.text();
    }
    if (!where.empty()) out += " [" + where + "]";
    if (d.has_status) {
        out += " (" + d.status.text();
        if (d.status.signal) out += signal_suffix(d.status.signal);
        out += ")";
    }
    return out;
}

/// `text` as one line of at most `most` bytes: what would break it or change a terminal becomes a
/// blank, and it is cut between characters.
MITOGEN_COLD inline std::string one_line(std::string_view text, std::size_t most) {
    std::string out;
    for (const char c : text.substr(0, text.find('\n'))) {
        const auto byte = static_cast<unsigned char>(c);
        out += byte < 0x20 || byte == 0x7F ? ' ' : c;
    }
    if (out.size() <= most) return out;
    std::size_t end = most;
    while (end > 0 && (static_cast<unsigned char>(out[end]) & 0xC0) == 0x80) --end;
    out.resize(end);
    return out + "...";
}

} // namespace detail

} // namespace mitogen::inline MITOGEN_ABI
