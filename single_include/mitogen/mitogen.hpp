// SPDX-License-Identifier: BSL-1.0
#pragma once
// mitogen 0.1.0, the whole library in one file. Written by tools/amalgamate from include/; do not edit.

#include <algorithm>
#include <array>
#include <atomic>
#include <bit>
#include <bitset>
#include <cerrno>
#include <concepts>
#include <coroutine>
#include <csignal>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <deque>
#include <exception>
#include <initializer_list>
#include <iterator>
#include <limits>
#include <map>
#include <memory>
#include <mutex>
#include <new>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <system_error>
#include <tuple>
#include <type_traits>
#include <unordered_map>
#include <utility>
#include <variant>
#include <vector>
#include <version>

#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <spawn.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <sys/types.h>
#include <sys/uio.h>
#include <sys/un.h>
#include <sys/utsname.h>
#include <sys/wait.h>
#include <termios.h>
#include <time.h>
#include <unistd.h>

// ---- mitogen/base/version.hpp ----
// version.hpp: the one place where the version is written.

#define MITOGEN_VERSION_MAJOR 0
#define MITOGEN_VERSION_MINOR 1
#define MITOGEN_VERSION_PATCH 0

// ---- mitogen/base/config.hpp ----
// config.hpp: what the compiler, the platform and the optional libraries offer, decided once.
//
// Macros set here are internal and are undefined again by the umbrella headers; that is why this file has no guard. A user may
// set, for the whole program:
//   MITOGEN_NO_PFR, MITOGEN_NO_DESCRIBE   do without Boost.PFR or Boost.Describe although they are on the include path
// The choice is part of the inline namespace: two translation units that disagree do not link into one silent mixture.

#if !defined(__cplusplus) || __cplusplus < 202002L
#error "mitogen: needs C++20; compile with -std=c++20"
#endif

#if defined(__cpp_exceptions)
#define MITOGEN_HAS_EXCEPTIONS 1
#else
#define MITOGEN_HAS_EXCEPTIONS 0
#endif

#if defined(__cpp_rtti)
#define MITOGEN_HAS_RTTI 1
#else
#define MITOGEN_HAS_RTTI 0
#endif

#if !defined(MITOGEN_NO_PFR) && __has_include(<boost/pfr/core.hpp>)
#define MITOGEN_HAS_PFR 1
#else
#define MITOGEN_HAS_PFR 0
#endif

#if !defined(MITOGEN_NO_DESCRIBE) && __has_include(<boost/describe/members.hpp>)
#define MITOGEN_HAS_DESCRIBE 1
#else
#define MITOGEN_HAS_DESCRIBE 0
#endif

// The inline namespace: v<major>_<minor>, then p (PFR) and d (Describe) where they are in use.
#if MITOGEN_HAS_PFR && MITOGEN_HAS_DESCRIBE
#define MITOGEN_ABI v0_1_pd
#elif MITOGEN_HAS_PFR
#define MITOGEN_ABI v0_1_p
#elif MITOGEN_HAS_DESCRIBE
#define MITOGEN_ABI v0_1_d
#else
#define MITOGEN_ABI v0_1
#endif

// Which sanitizer watches: GCC says so in macros of its own, clang by __has_feature.
#if defined(__SANITIZE_ADDRESS__)
#define MITOGEN_ASAN 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define MITOGEN_ASAN 1
#endif
#endif
#ifndef MITOGEN_ASAN
#define MITOGEN_ASAN 0
#endif
#if defined(__SANITIZE_THREAD__)
#define MITOGEN_TSAN 1
#elif defined(__has_feature)
#if __has_feature(thread_sanitizer)
#define MITOGEN_TSAN 1
#endif
#endif
#ifndef MITOGEN_TSAN
#define MITOGEN_TSAN 0
#endif

#define MITOGEN_COLD [[gnu::cold, gnu::noinline]]

// ---- mitogen/base/checksum.hpp ----
// checksum.hpp: the two checksums of a file that a bare machine can compute as well: SHA-256, and that of cksum(1).

namespace mitogen::inline MITOGEN_ABI {
namespace detail {

/// SHA-256 of bytes that arrive piece by piece: what sha256sum(1) prints. FIPS 180-4, sections 4.1.2, 4.2.2, 5.1.1, 5.3.3, 6.2.
class sha256 {
    static constexpr std::size_t block_size = 64;
    static constexpr std::uint32_t k[64] = {
        0x428a2f98, 0x71374491, 0xb5c0fbcf, 0xe9b5dba5, 0x3956c25b, 0x59f111f1, 0x923f82a4, 0xab1c5ed5, 0xd807aa98, 0x12835b01,
        0x243185be, 0x550c7dc3, 0x72be5d74, 0x80deb1fe, 0x9bdc06a7, 0xc19bf174, 0xe49b69c1, 0xefbe4786, 0x0fc19dc6, 0x240ca1cc,
        0x2de92c6f, 0x4a7484aa, 0x5cb0a9dc, 0x76f988da, 0x983e5152, 0xa831c66d, 0xb00327c8, 0xbf597fc7, 0xc6e00bf3, 0xd5a79147,
        0x06ca6351, 0x14292967, 0x27b70a85, 0x2e1b2138, 0x4d2c6dfc, 0x53380d13, 0x650a7354, 0x766a0abb, 0x81c2c92e, 0x92722c85,
        0xa2bfe8a1, 0xa81a664b, 0xc24b8b70, 0xc76c51a3, 0xd192e819, 0xd6990624, 0xf40e3585, 0x106aa070, 0x19a4c116, 0x1e376c08,
        0x2748774c, 0x34b0bcb5, 0x391c0cb3, 0x4ed8aa4a, 0x5b9cca4f, 0x682e6ff3, 0x748f82ee, 0x78a5636f, 0x84c87814, 0x8cc70208,
        0x90befffa, 0xa4506ceb, 0xbef9a3f7, 0xc67178f2};

    std::uint32_t state_[8] = {0x6a09e667, 0xbb67ae85, 0x3c6ef372, 0xa54ff53a, 0x510e527f, 0x9b05688c, 0x1f83d9ab, 0x5be0cd19};
    unsigned char block_[block_size]; // what is left of the last piece
    std::size_t held_ = 0;
    std::uint64_t total_ = 0;

    void take(const unsigned char* at) noexcept {
        std::uint32_t w[64];
        for (int t = 0; t < 16; ++t, at += 4)
            w[t] = (std::uint32_t{at[0]} << 24) | (std::uint32_t{at[1]} << 16) | (std::uint32_t{at[2]} << 8) | at[3];
        for (int t = 16; t < 64; ++t) {
            const std::uint32_t a = w[t - 15];
            const std::uint32_t b = w[t - 2];
            w[t] = w[t - 16] + w[t - 7] + (((a >> 7) | (a << 25)) ^ ((a >> 18) | (a << 14)) ^ (a >> 3)) +
                   (((b >> 17) | (b << 15)) ^ ((b >> 19) | (b << 13)) ^ (b >> 10));
        }
        std::uint32_t a = state_[0], b = state_[1], c = state_[2], d = state_[3];
        std::uint32_t e = state_[4], f = state_[5], g = state_[6], h = state_[7];
        for (int t = 0; t < 64; ++t) {
            const std::uint32_t one = h + (((e >> 6) | (e << 26)) ^ ((e >> 11) | (e << 21)) ^ ((e >> 25) | (e << 7))) +
                                      (g ^ (e & (f ^ g))) + k[t] + w[t];
            const std::uint32_t two =
                (((a >> 2) | (a << 30)) ^ ((a >> 13) | (a << 19)) ^ ((a >> 22) | (a << 10))) + ((a & b) | (c & (a | b)));
            h = g, g = f, f = e, e = d + one, d = c, c = b, b = a, a = one + two;
        }
        state_[0] += a, state_[1] += b, state_[2] += c, state_[3] += d;
        state_[4] += e, state_[5] += f, state_[6] += g, state_[7] += h;
    }

public:
    /// Adds bytes.
    void feed(std::span<const std::byte> bytes) noexcept {
        const auto* at = reinterpret_cast<const unsigned char*>(bytes.data());
        std::size_t left = bytes.size();
        total_ += left;
        while (left > 0) {
            if (held_ == 0 && left >= block_size) {
                take(at);
                at += block_size;
                left -= block_size;
                continue;
            }
            const std::size_t n = left < block_size - held_ ? left : block_size - held_;
            std::memcpy(block_ + held_, at, n);
            held_ += n;
            at += n;
            left -= n;
            if (held_ == block_size) take(block_), held_ = 0;
        }
    }

    /// The digest as 64 hex digits. Nothing may be added afterwards.
    std::string finish() {
        const std::uint64_t bits = total_ * 8;
        block_[held_++] = 0x80;
        if (held_ > block_size - 8) {
            std::memset(block_ + held_, 0, block_size - held_);
            take(block_);
            held_ = 0;
        }
        std::memset(block_ + held_, 0, block_size - 8 - held_);
        for (int i = 0; i < 8; ++i)
            block_[block_size - 1 - static_cast<std::size_t>(i)] = static_cast<unsigned char>(bits >> (8 * i));
        take(block_);
        static constexpr char digits[] = "0123456789abcdef";
        std::string out;
        for (const std::uint32_t word : state_)
            for (int shift = 28; shift >= 0; shift -= 4) out += digits[(word >> shift) & 15];
        return out;
    }
};

struct cksum_table {
    std::uint32_t of[256]{};

    constexpr cksum_table() {
        for (std::uint32_t i = 0; i < 256; ++i) {
            std::uint32_t c = i << 24;
            for (int bit = 0; bit < 8; ++bit) c = (c & 0x80000000) != 0 ? (c << 1) ^ 0x04c11db7 : c << 1;
            of[i] = c;
        }
    }
};

/// The checksum that cksum(1) prints, of bytes that arrive piece by piece. POSIX.1-2017, cksum, "EXTENDED DESCRIPTION".
class cksum {
    static constexpr cksum_table steps{};

    std::uint32_t crc_ = 0;
    std::uint64_t total_ = 0;

    static std::uint32_t step(std::uint32_t crc, std::uint32_t byte) noexcept {
        return (crc << 8) ^ steps.of[(crc >> 24) ^ byte];
    }

public:
    /// Adds bytes.
    void feed(std::span<const std::byte> bytes) noexcept {
        total_ += bytes.size();
        std::uint32_t crc = crc_;
        for (const std::byte b : bytes) crc = step(crc, std::to_integer<std::uint32_t>(b));
        crc_ = crc;
    }

    /// The checksum so far.
    std::uint32_t value() const noexcept {
        std::uint32_t crc = crc_;
        for (std::uint64_t n = total_; n != 0; n >>= 8) crc = step(crc, static_cast<std::uint32_t>(n & 255));
        return ~crc;
    }
};

} // namespace detail
} // namespace mitogen::inline MITOGEN_ABI

// ---- mitogen/base/ids.hpp ----
// ids.hpp: the numbers that name contexts and handles.

namespace mitogen::inline MITOGEN_ABI {

/// Names one context in the tree. The root of every tree is 0; the parent that makes a child assigns the child's id.
using context_id = std::uint32_t;

/// The root's id.
inline constexpr context_id root_id = 0;

/// No context: what a default-constructed `context` refers to.
inline constexpr context_id no_context = 0xffff'ffff;

/// Names one receiver of messages inside a context. Below 100 reserved; 100 to 999 the library's own; from 1000 the program's;
/// from 2^32 pending replies. 64 bits wide, because a number is never reused: at a million calls per second 32 bits last 71
/// minutes.
using handle_id = std::uint64_t;

/// Written as `reply_to` in a message that reports why another message could not be delivered ("dead message").
inline constexpr handle_id is_dead = 999;

/// The first handle that a program may choose itself, or that the router chooses for it.
inline constexpr handle_id first_dynamic_handle = 1000;

} // namespace mitogen::inline MITOGEN_ABI

// ---- mitogen/base/error.hpp ----
// error.hpp: everything that can go wrong, as one value type with a small class for each thing a caller may want to catch.

namespace mitogen::inline MITOGEN_ABI {

template <class T>
class result;

/// What the caller should do about an error (the four classes of the KJ library's exceptions).
enum class kind : std::uint8_t {
    failed,        ///< the operation itself is wrong or went wrong; repeating it unchanged will not help
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
    resolve = 82,            ///< the host name has no address; there is no container, pod, image or user of that name
    connection_refused = 83, ///< nothing listens there; the container does not run
    no_init = 84,     ///< started, but main() did not call mitogen::init
    end_of_file = 85, ///< the connection ended before the child said hello
    auth_required = 86, ///< credentials are missing, or this user may not do that
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
    std::string text() const { return signal ? "signal " + std::to_string(signal) : "exit status " + std::to_string(code); }

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
    std::string place{};               ///< name of the context where it happened, else empty
    std::string backtrace{};           ///< of a remote exception, where the build has one
    context_id context = no_context;   ///< id of the context where it happened
    context_id canceller = no_context; ///< of a cancellation: the context that asked for it
    cancel_radius radius = cancel_radius::none;
    exit_status status{};              ///< of a lost peer, where `has_status`
    bool has_status = false;
    std::string what{};                                  ///< what what() returns; composed from the rest when empty
    std::shared_ptr<const std::vector<error>> members{}; ///< of several errors: each of them
};

/// An error. A cheap, copyable value (one reference-counted pointer); also the base class of everything this library throws.
///
/// Threads: as std::exception_ptr; copies may be used from different threads.
class error : public std::exception {
    struct shared {
        error_detail detail;
        std::atomic<std::uint32_t> references{1};
    };
    shared* shared_ = nullptr; // null in one that was moved from, and in the result<void> of a success

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
    error(enum reason why, std::string text) : error(error_detail{.why = why, .text = std::move(text)}) {}

    error(const error& other) noexcept : std::exception(other), shared_(other.shared_) {
        if (shared_) shared_->references.fetch_add(1, std::memory_order_relaxed);
    }
    error(error&& other) noexcept : shared_(std::exchange(other.shared_, nullptr)) {}
    error& operator=(error other) noexcept {
        std::swap(shared_, other.shared_);
        return *this;
    }
    ~error() override {
        if (shared_ && shared_->references.fetch_sub(1, std::memory_order_acq_rel) == 1) delete shared_;
    }

    /// The whole error on one or more lines: type, message, place, exit status, last lines of stderr.
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

    /// The errors that this one stands for (see error_group); empty where it is one error itself.
    const std::vector<error>& members() const noexcept;

private:
    enum kind kind_of_members() const noexcept; // theirs where it is one, else failed
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
    /// Where it was thrown.
    context_id context() const noexcept { return detail().context; }
    /// Text of the remote backtrace; empty where the build has none.
    std::string_view backtrace() const noexcept { return detail().backtrace; }
};

/// A message could not be delivered, or whoever should have answered is gone.
class channel_error : public error {
public:
    using error::error;
    explicit channel_error(const error& e) : error(e) {}
    /// Exit status of the lost peer, or nullptr where it is not known.
    const exit_status* status() const noexcept { return detail().has_status ? &detail().status : nullptr; }
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
    /// The context that asked for it; no_context where nobody did: a deadline, the end of the program.
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

/// The target refused our credentials (reason auth_incorrect) or wanted some that were not given (auth_required).
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

/// Both programs know the function, with different signatures; what() prints both. Nothing was executed.
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

/// Several things went wrong: members() has them, in the order in which they did. None of them is a group itself.
class error_group : public error {
public:
    using error::error;
    explicit error_group(const error& e) : error(e) {}
};

/// The error of what context `who` has cancelled.
inline error cancelled_by(context_id who, cancel_radius what, std::string text) {
    return error(error_detail{.why = reason::cancelled, .text = std::move(text), .canceller = who, .radius = what});
}

/// The same, as the callee sees it: `caller` does not want the call any more, alone or with all of its nursery. `when`: goes
/// behind the text.
inline error cancelled_by_caller(context_id caller, cancel_radius what, const char* when = "") {
    const char* const of = what == cancel_radius::nursery ? "the call was cancelled with its caller's nursery, in context "
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
    std::fprintf(stderr, "mitogen: %s\nmitogen: built without exceptions; use the try_ form of the call that failed\n", e.what());
    std::abort();
#endif
}

} // namespace mitogen::inline MITOGEN_ABI

// ---- mitogen/base/error_group.hpp ----
// error_group.hpp: makes one error of several.

namespace mitogen::inline MITOGEN_ABI {

/// One error for several. The members of a group among them become members themselves; one that is there already, as the same
/// object, is not added again. A group of one is that one. `errors` is not empty.
///
/// The result has reason::several and members(), and is thrown as error_group. A result<T> can hold it as any other error.
inline error group_errors(const std::vector<error>& errors) {
    auto members = std::make_shared<std::vector<error>>();
    const auto add = [&](const error& one) {
        for (const error& there : *members)
            if (&there.detail() == &one.detail()) return;
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
    d.text = std::to_string(members->size()) + " errors:";
    std::size_t number = 0;
    for (const error& one : *members) {
        d.text += "\n  " + std::to_string(++number) + ". ";
        for (const char c : std::string_view(one.what())) d.text.append(c == '\n' ? "\n     " : std::string(1, c));
    }
    d.members = std::move(members);
    return error(std::move(d));
}

} // namespace mitogen::inline MITOGEN_ABI

// ---- mitogen/base/function.hpp ----
// function.hpp: a move-only callable. Small ones are stored in place, so that handing work to the loop does not allocate.

namespace mitogen::inline MITOGEN_ABI {

template <class Signature>
class unique_function;

/// A move-only `std::function`. Callables of up to six pointers that move without throwing live inside the object.
///
/// Calling an empty one is undefined: test with `explicit operator bool` first.
template <class R, class... Args>
class unique_function<R(Args...)> {
    static constexpr std::size_t capacity = 6 * sizeof(void*);

    struct table {
        R (*call)(void*, Args&&...);
        void (*move)(void* to, void* from) noexcept; // constructs at `to`, destroys at `from`
        void (*destroy)(void*) noexcept;
    };

    alignas(std::max_align_t) std::byte storage_[capacity];
    const table* table_ = nullptr;

    template <class F>
    static constexpr bool fits = sizeof(F) <= capacity &&
                                 alignof(F) <= alignof(std::max_align_t) && std::is_nothrow_move_constructible_v<F>;

    template <class F>
    static R invoke(F& callable, Args&&... args) {
        if constexpr (std::is_void_v<R>) {
            static_cast<void>(callable(std::forward<Args>(args)...)); // it may return what nobody wants
        } else {
            return callable(std::forward<Args>(args)...);
        }
    }

    template <class F>
    static constexpr table in_place{
        [](void* self, Args&&... args) -> R { return invoke(*static_cast<F*>(self), std::forward<Args>(args)...); },
        [](void* to, void* from) noexcept {
            ::new (to) F(std::move(*static_cast<F*>(from)));
            static_cast<F*>(from)->~F();
        },
        [](void* self) noexcept { static_cast<F*>(self)->~F(); }};

    template <class F>
    static constexpr table on_heap{
        [](void* self, Args&&... args) -> R { return invoke(**static_cast<F**>(self), std::forward<Args>(args)...); },
        [](void* to, void* from) noexcept { *static_cast<F**>(to) = *static_cast<F**>(from); },
        [](void* self) noexcept { delete *static_cast<F**>(self); }};

public:
    unique_function() = default;
    unique_function(std::nullptr_t) noexcept {}

    template <class F>
        requires(!std::is_same_v<std::remove_cvref_t<F>, unique_function> && std::is_invocable_r_v<R, std::decay_t<F>&, Args...>)
    unique_function(F&& callable) {
        using stored = std::decay_t<F>;
        if constexpr (fits<stored>) {
            ::new (static_cast<void*>(storage_)) stored(std::forward<F>(callable));
            table_ = &in_place<stored>;
        } else {
            ::new (static_cast<void*>(storage_)) stored*(new stored(std::forward<F>(callable)));
            table_ = &on_heap<stored>;
        }
    }

    unique_function(unique_function&& other) noexcept : table_(std::exchange(other.table_, nullptr)) {
        if (table_) table_->move(storage_, other.storage_);
    }

    unique_function& operator=(unique_function&& other) noexcept {
        if (this != &other) {
            reset();
            table_ = std::exchange(other.table_, nullptr);
            if (table_) table_->move(storage_, other.storage_);
        }
        return *this;
    }

    ~unique_function() { reset(); }

    /// Destroys the callable; the object is empty afterwards.
    void reset() noexcept {
        if (table_) std::exchange(table_, nullptr)->destroy(storage_);
    }

    explicit operator bool() const noexcept { return table_ != nullptr; }

    R operator()(Args... args) { return table_->call(storage_, std::forward<Args>(args)...); }
};

} // namespace mitogen::inline MITOGEN_ABI

// ---- mitogen/base/time.hpp ----
// time.hpp: moments and spans as the loop counts them, without the cost of the whole of <chrono>.

#if __has_include(<bits/chrono.h>)
#include <bits/chrono.h> // libstdc++: std::chrono::duration and the clocks alone; <chrono> also brings <sstream> and time zones
#else
#include <chrono>
#endif

namespace mitogen::inline MITOGEN_ABI {

/// A moment on the I/O policy's monotonic clock, in nanoseconds from an arbitrary start.
using instant = std::int64_t;

/// A span of time in nanoseconds.
using duration_ns = std::int64_t;

/// The moment that never comes: no deadline.
inline constexpr instant never = INT64_MAX;

/// `now + span`, or `never` where that would overflow.
constexpr instant after(instant now, duration_ns span) noexcept { return now > 0 && span >= never - now ? never : now + span; }

/// Any std::chrono::duration in nanoseconds, saturated instead of overflowing.
template <class Rep, class Period>
constexpr duration_ns to_ns(std::chrono::duration<Rep, Period> span) noexcept {
    using seconds = std::chrono::duration<double>;
    const double rough = std::chrono::duration_cast<seconds>(span).count();
    if (rough > 9.0e9) return never;
    if (rough < -9.0e9) return -never;
    return std::chrono::duration_cast<std::chrono::nanoseconds>(span).count();
}

} // namespace mitogen::inline MITOGEN_ABI

// ---- mitogen/base/limits.hpp ----
// limits.hpp: every bound that the library puts on what a peer or a caller may make it hold.

namespace mitogen::inline MITOGEN_ABI {

/// Bounds, inherited by every context below the one where they are set. Reaching one is an error of kind `overloaded` (or a
/// `codec_error`, for the two that concern decoding) for whoever caused it; never a crash and never unbounded memory.
struct limits {
    std::uint64_t message_bytes = 128u << 20; ///< largest payload of one message, in bytes
    std::uint64_t queue_bytes = 256u << 20;   ///< unsent bytes that one link may hold
    std::uint32_t nesting = 64;               ///< depth of values inside values while decoding
    std::uint32_t elements = 1u << 28;        ///< elements of one container while decoding
    std::uint32_t open_calls = 1u << 20;      ///< calls that one context may have waiting for an answer

    friend bool operator==(const limits&, const limits&) = default;
};

/// How the two ends of a link make sure of each other. Where either is 0 they do not.
struct heartbeat {
    duration_ns interval = 15'000'000'000; ///< where nothing was sent or heard for so long, something is sent
    duration_ns limit = 60'000'000'000;    ///< a link on which nothing at all was heard for so long is lost

    bool on() const noexcept { return interval > 0 && limit > 0; }
    /// How often to look: often enough that some of what is sent may come late.
    duration_ns step() const noexcept { return interval < limit / 4 ? interval : (limit < 4 ? 1 : limit / 4); }

    friend bool operator==(const heartbeat&, const heartbeat&) = default;
};

/// What holds for a whole tree: set at its root, and inherited by every context below.
struct tree_rules {
    mitogen::heartbeat heartbeat{};
    bool unidirectional = false; ///< contexts talk to those above and below them only, never to siblings

    friend bool operator==(const tree_rules&, const tree_rules&) = default;
};

} // namespace mitogen::inline MITOGEN_ABI

// ---- mitogen/base/log.hpp ----
// log.hpp: where the library's own records, and those of its children, go.

namespace mitogen::inline MITOGEN_ABI {
namespace log {

/// Severity, least first.
enum class level : std::uint8_t { debug, info, warning, error };

/// One line. The views are valid only while the sink runs.
struct record {
    mitogen::log::level level;
    context_id context;      ///< where it comes from
    std::string_view place;  ///< that context's name; empty for this process
    std::string_view logger; ///< "mitogen", "stdout", "stderr", or the program's own name for it
    std::string_view text;   ///< of a child at most 64 KiB; of what it prints at most 8 KiB
};

/// How much each context may log on each of its three ways: its stdout, its stderr, and its own records. What is more is dropped
/// and counted, and a record of level warning says how much was lost.
///
/// The rates are far above what anybody reads, and cost the processes above a few percent of their time. Nobody waits for a log
/// to be read: a program that prints more than its parents take loses lines, not time.
struct bounds {
    std::uint64_t lines_per_second = 10'000;   ///< 0: any number
    std::uint64_t bytes_per_second = 4u << 20; ///< and 64 for each line; 0: any number
    std::uint32_t seconds_at_once = 10;        ///< so much of the rates may come in one go; at least 1
    std::uint64_t queue_bytes = 16u << 20;     ///< unsent log records that one link may hold; at most half of limits::queue_bytes

    friend bool operator==(const bounds&, const bounds&) = default;
};

/// What receives records. Called on the loop's thread or on the thread that logs, one at a time per thread: it must be
/// thread-safe and must not block.
using sink = unique_function<void(const record&)>;

namespace detail {
struct installed_sink {
    sink call;
    installed_sink* previous; // kept: a thread may still be inside it
};

/// The sink and the level of one process.
struct state {
    std::atomic<installed_sink*> current{nullptr};
    std::atomic<level> threshold{level::warning};
    std::atomic<std::uint64_t> lines_per_second{bounds{}.lines_per_second};
    std::atomic<std::uint64_t> bytes_per_second{bounds{}.bytes_per_second};
    std::atomic<std::uint32_t> seconds_at_once{bounds{}.seconds_at_once};
    std::atomic<std::uint64_t> queue_bytes{bounds{}.queue_bytes};
};
inline constinit state global{}; // never destroyed: exit handlers log too

/// Where many processes are simulated in one: the state of the one that this thread runs at the moment, set by the scheduler.
inline thread_local constinit state* ambient = nullptr;

/// The state of a simulated process, which owns its sinks: nothing of that process may log any more when it goes.
struct owned_state : state {
    owned_state() = default;
    owned_state(const owned_state&) = delete;
    owned_state& operator=(const owned_state&) = delete;
    ~owned_state() {
        for (installed_sink* s = current.load(); s;) delete std::exchange(s, s->previous);
    }
};

/// The state in force.
inline state& here() noexcept { return ambient ? *ambient : global; }

inline void to_stderr(const record& r) {
    // One write per line, so that lines of several threads do not mix.
    std::string line;
    line.reserve(r.place.size() + r.logger.size() + r.text.size() + 8);
    if (!r.place.empty()) line.append("[").append(r.place).append("] ");
    if (r.logger == "mitogen") line.append("mitogen: ");
    line.append(r.text).append("\n");
    std::fwrite(line.data(), 1, line.size(), stderr);
}
} // namespace detail

/// Replaces the sink for this process; an empty one brings back the default, which writes to stderr. Threads: any.
inline void set_sink(sink to) {
    detail::state& here = detail::here();
    auto* next = new detail::installed_sink{std::move(to), here.current.load(std::memory_order_relaxed)};
    while (!here.current.compare_exchange_weak(next->previous, next, std::memory_order_acq_rel)) {}
}

/// Records below `least` are not made. Default: warning. Lines that a child writes to stdout or stderr always pass.
inline void set_level(level least) noexcept { detail::here().threshold.store(least, std::memory_order_relaxed); }

/// What set_level() has set.
inline level threshold() noexcept { return detail::here().threshold.load(std::memory_order_relaxed); }

/// True if a record of that level would be made: ask before composing an expensive text.
inline bool enabled(level l) noexcept { return l >= threshold(); }

/// Sets the bounds for what this process logs and prints, and for what its children print on stderr. Threads: any.
inline void set_bounds(const bounds& to) noexcept {
    detail::state& here = detail::here();
    here.lines_per_second.store(to.lines_per_second, std::memory_order_relaxed);
    here.bytes_per_second.store(to.bytes_per_second, std::memory_order_relaxed);
    here.seconds_at_once.store(to.seconds_at_once, std::memory_order_relaxed);
    here.queue_bytes.store(to.queue_bytes, std::memory_order_relaxed);
}

/// What set_bounds() has set.
inline bounds current_bounds() noexcept {
    const detail::state& here = detail::here();
    return {here.lines_per_second.load(std::memory_order_relaxed), here.bytes_per_second.load(std::memory_order_relaxed),
            here.seconds_at_once.load(std::memory_order_relaxed), here.queue_bytes.load(std::memory_order_relaxed)};
}

/// The sink that is in use. In a child it sends records up the tree. Stays valid; set_sink() makes another one current.
inline sink& current() {
    static sink standard(&detail::to_stderr);
    auto* to = detail::here().current.load(std::memory_order_acquire);
    return to && to->call ? to->call : standard;
}

/// Hands one record to the sink, whatever its level.
inline void emit(const record& r) { current()(r); }

/// Makes a record of this process under the logger "mitogen".
inline void write(level l, std::string_view text) {
    if (enabled(l)) emit({l, no_context, {}, "mitogen", text});
}

/// Makes a record of this process under the program's own `logger`, in any context: it arrives at the root's sink.
inline void write(level l, std::string_view logger, std::string_view text) {
    if (enabled(l)) emit({l, no_context, {}, logger, text});
}

} // namespace log
} // namespace mitogen::inline MITOGEN_ABI

// ---- mitogen/base/result.hpp ----
// result.hpp: a value or the error that took its place.

namespace mitogen::inline MITOGEN_ABI {

/// A `T` or an `error`: what every `try_` function returns. The shape follows std::expected, which C++20 lacks.
///
/// `operator*` and `->` need a value (check first); value() throws the error instead.
template <class T>
class [[nodiscard]] result {
    union {
        T value_;
        mitogen::error error_;
    };
    bool has_;

    template <class Other>
    void construct(Other&& other) {
        has_ = other.has_;
        if (has_) {
            std::construct_at(&value_, std::forward<Other>(other).value_);
        } else {
            std::construct_at(&error_, std::forward<Other>(other).error_);
        }
    }
    /// Where a move throws in the middle of an assignment: there is something to destroy, and nothing else.
    struct empty_until_done {
        result& self;
        bool done = false;
        ~empty_until_done() {
            if (done) return;
            ::new (static_cast<void*>(std::addressof(self.error_))) mitogen::error();
            self.has_ = false;
        }
    };

    void destroy() noexcept {
        if (has_) {
            value_.~T();
        } else {
            error_.~error();
        }
    }

public:
    using value_type = T;

    result(T value) : value_(std::move(value)), has_(true) {}
    result(mitogen::error e) : error_(std::move(e)), has_(false) {}
    result(const result& other) requires std::is_copy_constructible_v<T> { construct(other); }
    result(result&& other) noexcept(std::is_nothrow_move_constructible_v<T>) { construct(std::move(other)); }
    result& operator=(result other) noexcept(std::is_nothrow_move_constructible_v<T>) {
        destroy();
        empty_until_done self{*this};
        construct(std::move(other));
        self.done = true;
        return *this;
    }
    ~result() { destroy(); }

    bool has_value() const noexcept { return has_; }
    explicit operator bool() const noexcept { return has_; }

    T& operator*() & noexcept { return value_; }
    const T& operator*() const& noexcept { return value_; }
    T&& operator*() && noexcept { return std::move(value_); }
    T* operator->() noexcept { return std::addressof(value_); }
    const T* operator->() const noexcept { return std::addressof(value_); }

    /// The error; only where there is no value.
    const mitogen::error& error() const noexcept { return error_; }

    /// The value; throws the error (as the class that belongs to it) where there is none.
    T& value() & {
        if (!has_value()) raise(error());
        return **this;
    }
    T&& value() && {
        if (!has_value()) raise(error());
        return std::move(**this);
    }
    const T& value() const& {
        if (!has_value()) raise(error());
        return **this;
    }

    template <class U>
    T value_or(U&& other) const& {
        return has_value() ? **this : static_cast<T>(std::forward<U>(other));
    }
};

/// Success without a value, or an `error`.
template <>
class [[nodiscard]] result<void> {
    mitogen::error error_; // an empty one on success: a result<void> is two words, and success costs no allocation

public:
    using value_type = void;

    result() = default;
    result(mitogen::error e) : error_(std::move(e)) {}

    bool has_value() const noexcept { return error_.shared_ == nullptr; }
    explicit operator bool() const noexcept { return has_value(); }
    void operator*() const noexcept {}

    /// The error; only where the operation failed.
    const mitogen::error& error() const noexcept { return error_; }

    /// Returns on success; throws the error otherwise.
    void value() const {
        if (!has_value()) raise(error_);
    }
};

} // namespace mitogen::inline MITOGEN_ABI

// ---- mitogen/sys/failure.hpp ----
// failure.hpp: a failed system call as an error that says which call, on which descriptor, and why.

namespace mitogen::inline MITOGEN_ABI {
namespace sys {

/// The symbol of an error number ("EBADF"); empty for those that this library never meets.
inline std::string_view errno_name(int number) noexcept {
    switch (number) {
#define MITOGEN_ERRNO(name) \
    case name: return #name;
        MITOGEN_ERRNO(E2BIG) MITOGEN_ERRNO(EACCES) MITOGEN_ERRNO(EADDRINUSE) MITOGEN_ERRNO(EAFNOSUPPORT) MITOGEN_ERRNO(EAGAIN)
        MITOGEN_ERRNO(EBADF) MITOGEN_ERRNO(EBUSY) MITOGEN_ERRNO(ECHILD) MITOGEN_ERRNO(ECONNABORTED) MITOGEN_ERRNO(ECONNREFUSED)
        MITOGEN_ERRNO(ECONNRESET) MITOGEN_ERRNO(EEXIST) MITOGEN_ERRNO(EFAULT) MITOGEN_ERRNO(EFBIG) MITOGEN_ERRNO(EHOSTUNREACH)
        MITOGEN_ERRNO(EINTR) MITOGEN_ERRNO(EINVAL) MITOGEN_ERRNO(EIO) MITOGEN_ERRNO(EISDIR) MITOGEN_ERRNO(ELOOP)
        MITOGEN_ERRNO(EMFILE) MITOGEN_ERRNO(EMSGSIZE) MITOGEN_ERRNO(ENAMETOOLONG) MITOGEN_ERRNO(ENFILE) MITOGEN_ERRNO(ENODEV)
        MITOGEN_ERRNO(ENOENT) MITOGEN_ERRNO(ENOEXEC) MITOGEN_ERRNO(ENOMEM) MITOGEN_ERRNO(ENOSPC) MITOGEN_ERRNO(ENOSYS)
        MITOGEN_ERRNO(ENOTCONN) MITOGEN_ERRNO(ENOTDIR) MITOGEN_ERRNO(ENOTSOCK) MITOGEN_ERRNO(ENOTTY) MITOGEN_ERRNO(ENXIO)
        MITOGEN_ERRNO(EOPNOTSUPP) MITOGEN_ERRNO(EPERM) MITOGEN_ERRNO(EPIPE) MITOGEN_ERRNO(EROFS) MITOGEN_ERRNO(ESRCH)
        MITOGEN_ERRNO(ETIMEDOUT) MITOGEN_ERRNO(ETXTBSY) MITOGEN_ERRNO(EXDEV)
#undef MITOGEN_ERRNO
    default: return {};
    }
}

namespace detail {
// strerror_r comes in two shapes: POSIX returns int and fills the buffer, GNU returns the text.
inline const char* strerror_text(int rc, const char* buffer) noexcept { return rc == 0 ? buffer : "unknown error"; }
inline const char* strerror_text(const char* text, const char*) noexcept { return text; }
} // namespace detail

/// The text for an error number: "Bad file descriptor (EBADF)". Threads: any.
inline std::string errno_text(int number) {
    char buffer[128] = {};
    std::string out = detail::strerror_text(::strerror_r(number, buffer, sizeof buffer), buffer);
    const std::string_view name = errno_name(number);
    out += " (";
    out += name.empty() ? "errno " + std::to_string(number) : std::string(name);
    return out += ")";
}

/// The error for a call that returned `rc` (a negative errno): "read(fd 7): Bad file descriptor (EBADF)".
/// `expression` is the name of the call, or already the whole call where `fd` is -1 ("open(/etc/x)").
/// Its reason is `overloaded` where the machine or the process is out of descriptors or memory (it may work later), else
/// `system`.
MITOGEN_COLD inline error failure(std::string_view expression, long rc, int fd = -1) {
    const int number = static_cast<int>(-rc);
    std::string text(expression);
    if (fd >= 0) text += "(fd " + std::to_string(fd) + ")";
    text += ": " + errno_text(number);
    const bool exhausted = number == EMFILE || number == ENFILE || number == ENOMEM;
    return {exhausted ? reason::overloaded : reason::system, std::move(text)};
}

} // namespace sys
} // namespace mitogen::inline MITOGEN_ABI

// ---- mitogen/sys/fault.hpp ----
// fault.hpp: the one shape of a system call: repeated after EINTR, -errno on failure, failed on purpose by tests.

#if defined(MITOGEN_FAULTS)
#include <atomic>
#endif

namespace mitogen::inline MITOGEN_ABI {
namespace sys {

/// Decides the fate of one system call in a test: 0 lets it happen, -errno is returned to the caller in its place.
/// `name` is the name of the wrapper in namespace mitogen::sys; `fd` the descriptor it concerns, or -1. -EINTR makes the wrapper
/// repeat the call, and so consult the hook again. The hook runs on the thread that makes the call.
using fault_hook = long (*)(const char* name, int fd);

#if defined(MITOGEN_FAULTS)
/// The hook of this process; null: none. Exists only where MITOGEN_FAULTS is defined, which must then hold for the whole program.
inline constinit std::atomic<fault_hook> fault{nullptr};
#endif

namespace detail {
inline long injected([[maybe_unused]] const char* name, [[maybe_unused]] int fd) {
#if defined(MITOGEN_FAULTS)
    if (const fault_hook hook = fault.load(std::memory_order_acquire)) return hook(name, fd);
#endif
    return 0;
}
} // namespace detail

/// Makes one system call: `call()` returns -1 and sets errno on failure. Repeats it after EINTR. Returns its result, or -errno.
template <class Call>
long checked(const char* name, int fd, Call call) {
    for (;;) {
        long rc = detail::injected(name, fd);
        if (rc == 0) {
            rc = static_cast<long>(call());
            if (rc >= 0) return rc;
            rc = -static_cast<long>(errno);
        }
        if (rc != -EINTR) return rc;
    }
}

/// As checked(), for calls that must not be repeated blindly after EINTR because time has passed: returns -EINTR instead.
template <class Call>
long checked_once(const char* name, int fd, Call call) {
    if (const long rc = detail::injected(name, fd)) return rc;
    const long rc = static_cast<long>(call());
    return rc >= 0 ? rc : -static_cast<long>(errno);
}

} // namespace sys
} // namespace mitogen::inline MITOGEN_ABI

// ---- mitogen/sys/fd.hpp ----
// fd.hpp: one owned file descriptor.

namespace mitogen::inline MITOGEN_ABI {
namespace sys {

/// Owns one descriptor and closes it. Empty when get() is -1.
///
/// Threads: distinct objects: safe; shared objects: unsafe.   Blocks: as close(2): never for pipes, sockets and kernel objects.
class unique_fd {
    int fd_ = -1;

public:
    unique_fd() = default;
    /// Takes ownership of `fd`; any negative number is an empty object.
    explicit unique_fd(int fd) noexcept : fd_(fd < 0 ? -1 : fd) {}
    unique_fd(unique_fd&& other) noexcept : fd_(other.release()) {}
    unique_fd& operator=(unique_fd&& other) noexcept {
        if (this != &other) reset(other.release());
        return *this;
    }
    ~unique_fd() { reset(); }

    /// The descriptor, or -1.
    int get() const noexcept { return fd_; }

    /// Gives up ownership: returns the descriptor and leaves the object empty.
    [[nodiscard]] int release() noexcept { return std::exchange(fd_, -1); }

    /// Closes what is owned and takes `fd` instead.
    void reset(int fd = -1) noexcept {
        // close() is never repeated after EINTR: Linux and FreeBSD have freed the number by then, and another thread may own it.
        if (fd_ >= 0) static_cast<void>(::close(fd_));
        fd_ = fd < 0 ? -1 : fd;
    }

    explicit operator bool() const noexcept { return fd_ >= 0; }
};

static_assert(!std::is_copy_constructible_v<unique_fd> && std::is_nothrow_move_assignable_v<unique_fd>);
static_assert(sizeof(unique_fd) == sizeof(int));

} // namespace sys
} // namespace mitogen::inline MITOGEN_ABI

// ---- mitogen/sys/call.hpp ----
// call.hpp: the system calls on descriptors, each >= 0 or -errno, each repeated after EINTR.

#if defined(__linux__)
#include <sys/eventfd.h>
#endif

namespace mitogen::inline MITOGEN_ABI {
/// System calls, as thin as they can be. A `long` result is >= 0 on success and a negative errno on failure; EINTR is never seen.
/// Threads: any.   Blocks: as the call of the same name does on that descriptor.
namespace sys {

/// read(2): number of bytes, 0 at the end.
inline long read(int fd, void* to, std::size_t size) {
    return checked("read", fd, [=] { return ::read(fd, to, size); });
}

/// write(2): number of bytes, possibly fewer than `size`.
inline long write(int fd, const void* from, std::size_t size) {
    return checked("write", fd, [=] { return ::write(fd, from, size); });
}

/// readv(2): number of bytes over all of `count` parts (at most IOV_MAX), 0 at the end.
inline long readv(int fd, const ::iovec* parts, int count) {
    return checked("readv", fd, [=] { return ::readv(fd, parts, count); });
}

/// writev(2): number of bytes, possibly fewer than all of `count` parts (at most IOV_MAX) hold.
inline long writev(int fd, const ::iovec* parts, int count) {
    return checked("writev", fd, [=] { return ::writev(fd, parts, count); });
}

/// pread(2): as read(), at `offset` bytes from the start, without moving the file position.
inline long pread(int fd, void* to, std::size_t size, ::off_t offset) {
    return checked("pread", fd, [=] { return ::pread(fd, to, size, offset); });
}

/// Sets or clears close-on-exec.
inline long set_cloexec(int fd, bool on) {
    return checked("set_cloexec", fd, [=] { return ::fcntl(fd, F_SETFD, on ? FD_CLOEXEC : 0); });
}

/// The descriptor's flags (FD_CLOEXEC or 0); -EBADF where it is not open.
inline long descriptor_flags(int fd) {
    return checked("descriptor_flags", fd, [=] { return ::fcntl(fd, F_GETFD); });
}

/// Sets or clears O_NONBLOCK. It belongs to the open file description: every process that shares it is affected.
inline long set_nonblocking(int fd, bool on) {
    return checked("set_nonblocking", fd, [=] {
        const int flags = ::fcntl(fd, F_GETFL);
        if (flags < 0) return flags;
        const int wanted = on ? flags | O_NONBLOCK : flags & ~O_NONBLOCK;
        return wanted == flags ? 0 : ::fcntl(fd, F_SETFL, wanted);
    });
}

/// A duplicate of `fd` with the lowest free number that is at least `least`, close-on-exec.
inline long dup_above(int fd, int least) {
    return checked("dup_above", fd, [=] { return ::fcntl(fd, F_DUPFD_CLOEXEC, least); });
}

/// Makes `to` a duplicate of `from`, without close-on-exec; closes what `to` was. With from == to it only clears close-on-exec.
inline long dup_to(int from, int to) {
    return checked("dup_to", from, [=] { return from == to ? ::fcntl(to, F_SETFD, 0) : ::dup2(from, to); });
}

/// Moves a descriptor above 2, where standard input, output and error can't be mistaken for it. Keeps it where it is on failure.
inline long move_above_stdio(unique_fd& fd) {
    if (fd.get() < 0 || fd.get() > 2) return 0;
    const long moved = dup_above(fd.get(), 3);
    if (moved >= 0) fd.reset(static_cast<int>(moved));
    return moved < 0 ? moved : 0;
}

/// open(2), close-on-exec. `mode` counts only with O_CREAT.
inline long open(const char* path, int flags, ::mode_t mode = 0) {
    return checked("open", -1, [=] { return ::open(path, flags | O_CLOEXEC, mode); });
}

/// A pipe: what is written to `write_end` can be read from `read_end`. Both blocking and close-on-exec.
inline long pipe(unique_fd& read_end, unique_fd& write_end) {
    int fds[2] = {-1, -1};
    const long rc = checked("pipe", -1, [&] {
#if defined(__APPLE__)
        return ::pipe(fds);
#else
        return ::pipe2(fds, O_CLOEXEC);
#endif
    });
    if (rc < 0) return rc;
    read_end.reset(fds[0]);
    write_end.reset(fds[1]);
#if defined(__APPLE__) // no pipe2: a process that another thread starts in between inherits both
    static_cast<void>(set_cloexec(fds[0], true));
    static_cast<void>(set_cloexec(fds[1], true));
#endif
    return 0;
}

/// Two connected AF_UNIX stream sockets, blocking and close-on-exec.
inline long socket_pair(unique_fd& one, unique_fd& other) {
    int fds[2] = {-1, -1};
    const long rc = checked("socket_pair", -1, [&] {
#if defined(SOCK_CLOEXEC)
        return ::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds);
#else
        return ::socketpair(AF_UNIX, SOCK_STREAM, 0, fds);
#endif
    });
    if (rc < 0) return rc;
    one.reset(fds[0]);
    other.reset(fds[1]);
#if !defined(SOCK_CLOEXEC)
    static_cast<void>(set_cloexec(fds[0], true));
    static_cast<void>(set_cloexec(fds[1], true));
#endif
    return 0;
}

#if defined(__linux__)
/// eventfd(2): a counter that starts at `start`; nonblocking and close-on-exec.
inline long eventfd(unsigned start) {
    return checked("eventfd", -1, [=] { return ::eventfd(start, EFD_NONBLOCK | EFD_CLOEXEC); });
}
#endif

/// Nanoseconds on the monotonic clock (CLOCK_MONOTONIC: stops while the machine is suspended on Linux). Never fails.
inline instant monotonic_now() noexcept {
    ::timespec t{};
    static_cast<void>(::clock_gettime(CLOCK_MONOTONIC, &t));
    return static_cast<instant>(t.tv_sec) * 1'000'000'000 + static_cast<instant>(t.tv_nsec);
}

/// A span as the kernel wants it; negative spans become 0.
inline ::timespec to_timespec(duration_ns span) noexcept {
    ::timespec t{};
    if (span < 0) span = 0;
    const duration_ns seconds = span / 1'000'000'000;
    // A 32-bit time_t ends at 68 years: waiting that long is waiting for ever.
    t.tv_sec = sizeof(t.tv_sec) < 8 && seconds > INT32_MAX ? INT32_MAX : static_cast<decltype(t.tv_sec)>(seconds);
    t.tv_nsec = static_cast<decltype(t.tv_nsec)>(span % 1'000'000'000);
    return t;
}

/// A span in whole milliseconds, rounded up so that a sleep never ends before its deadline; -1 (no limit) for negative spans.
inline int to_poll_ms(duration_ns span) noexcept {
    if (span < 0) return -1;
    if (span >= duration_ns{INT32_MAX} * 1'000'000) return INT32_MAX;
    return static_cast<int>((span + 999'999) / 1'000'000);
}

} // namespace sys
} // namespace mitogen::inline MITOGEN_ABI

// ---- mitogen/sys/file.hpp ----
// file.hpp: the little that the library needs to know about files.

namespace mitogen::inline MITOGEN_ABI {
namespace sys {

/// Opens a file for reading, close-on-exec: a descriptor or -errno.
inline long open_to_read(const char* path) { return open(path, O_RDONLY); }

/// Size in bytes of an open file, or -errno.
inline std::int64_t file_size(int fd) {
    struct ::stat s {};
    if (::fstat(fd, &s) < 0) return -static_cast<std::int64_t>(errno);
    return s.st_size;
}

/// True if both descriptors are open and refer to one file.
inline bool same_file(int a, int b) {
    struct ::stat s {};
    struct ::stat t {};
    return ::fstat(a, &s) == 0 && ::fstat(b, &t) == 0 && s.st_dev == t.st_dev && s.st_ino == t.st_ino;
}

/// What changes when a file is replaced, or written to.
struct file_stamp {
    std::uint64_t device = 0;
    std::uint64_t inode = 0;
    std::int64_t size = 0;
    std::int64_t modified_ns = 0;
    std::int64_t changed_ns = 0;

    friend bool operator==(const file_stamp&, const file_stamp&) = default;
};

/// The stamp of an open file. 0 or -errno.
inline long stamp_file(int fd, file_stamp& to) {
    struct ::stat s {};
    if (::fstat(fd, &s) < 0) return -long{errno};
    const auto ns = [](const auto& t) { return std::int64_t{t.tv_sec} * 1'000'000'000 + t.tv_nsec; };
#if defined(__APPLE__)
    to = {static_cast<std::uint64_t>(s.st_dev), s.st_ino, s.st_size, ns(s.st_mtimespec), ns(s.st_ctimespec)};
#else
    to = {static_cast<std::uint64_t>(s.st_dev), s.st_ino, s.st_size, ns(s.st_mtim), ns(s.st_ctim)};
#endif
    return 0;
}

/// Removes a file. 0 or -errno.
inline long remove_file(const char* path) { return ::unlink(path) < 0 ? -long{errno} : 0; }

/// Removes an empty directory. 0 or -errno.
inline long remove_directory(const char* path) { return ::rmdir(path) < 0 ? -long{errno} : 0; }

} // namespace sys
} // namespace mitogen::inline MITOGEN_ABI

// ---- mitogen/connect/payload.hpp ----
// payload.hpp: the programs that may be sent to a target, and how the target knows them again.

namespace mitogen::inline MITOGEN_ABI {

/// A program to send to machines that this program was not built for: the same source, built for them.
struct payload {
    std::string machine{}; ///< what `uname -sm` prints there: "Linux aarch64"
    std::string path{};    ///< of the program, here
};

namespace detail {

/// A payload that was opened, or why it could not be.
struct payload_file {
    payload what{};
    std::shared_ptr<sys::unique_fd> file{};
    std::string trouble{};
};

/// What a program is, by its bytes: so a target knows whether it has it.
struct program_identity {
    std::string sha256{}; ///< 64 hex digits
    std::uint32_t crc = 0;
    std::int64_t size = 0;

    /// The same for the first stage, which compares what sha256sum or, where there is none, cksum prints with the patterns $h and
    /// $k.
    std::string settings() const { return "h=" + sha256 + ";k=" + std::to_string(crc) + "?" + std::to_string(size) + ";"; }
};

/// What was found out about a file. Process-wide, because it takes some milliseconds for each megabyte; never forgotten, because
/// there are few programs. A file that is written to is another one.
struct known_program {
    sys::file_stamp stamp{};
    program_identity identity{};
    const known_program* before = nullptr;

    inline static constinit std::atomic<const known_program*> newest{nullptr};

    static const program_identity* find(const sys::file_stamp& stamp) noexcept {
        const known_program* at = newest.load(std::memory_order_acquire);
        while (at && at->stamp != stamp) at = at->before;
        return at ? &at->identity : nullptr;
    }

    static const program_identity* add(const sys::file_stamp& stamp, program_identity identity) {
        auto* const node = new known_program{stamp, std::move(identity), newest.load(std::memory_order_acquire)};
        while (!newest.compare_exchange_weak(node->before, node, std::memory_order_acq_rel)) {}
        return &node->identity;
    }
};

/// The identity of an open file; null where it cannot be read. The first call for a file reads all of it; the later ones none.
/// Threads: any.
inline const program_identity* identity_of(int fd) {
    sys::file_stamp stamp;
    if (sys::stamp_file(fd, stamp) < 0) return nullptr;
    if (const program_identity* known = known_program::find(stamp)) return known;
    constexpr std::size_t chunk = 64 * 1024;
    const std::unique_ptr<std::byte[]> bytes(new std::byte[chunk]);
    sha256 digest;
    cksum crc;
    program_identity found;
    for (;;) {
        const long n = sys::pread(fd, bytes.get(), chunk, found.size);
        if (n < 0) return nullptr;
        if (n == 0) break;
        const std::span<const std::byte> piece(bytes.get(), static_cast<std::size_t>(n));
        digest.feed(piece);
        crc.feed(piece);
        found.size += n;
    }
    found.sha256 = digest.finish();
    found.crc = crc.value();
    return known_program::add(stamp, std::move(found));
}

} // namespace detail
} // namespace mitogen::inline MITOGEN_ABI

// ---- mitogen/wire/signature.hpp ----
// signature.hpp: composes the canonical text of a wire type, at run time and only when somebody asks for it.

namespace mitogen::inline MITOGEN_ABI {

template <class T>
struct codec;

namespace wire {
// One mutable byte per type, known by its address. It is not const because linkers and optimisers may merge equal constants.
template <class T>
inline char type_mark = 0;
} // namespace wire

/// Receives the signature of a type, piece by piece. The same text comes from every compiler, word size and byte order.
///
/// A type that contains itself is written once; inside itself it is `^n`, n being the number of values to step out of:
/// `struct node { std::vector<node> kids; }` is `{[^2]}`.
class signature_sink {
    struct frame {
        const void* mark;
        const frame* outer;
    };

    std::string text_;
    const frame* inner_ = nullptr;

    bool refer_back(const void* mark) {
        std::uint64_t distance = 1;
        for (const frame* at = inner_; at; at = at->outer, ++distance) {
            if (at->mark == mark) {
                put('^').put_number(distance);
                return true;
            }
        }
        return false;
    }

    void add(const void* mark, void (*signature)(signature_sink&)) {
        if (refer_back(mark)) return;
        const frame here{mark, inner_};
        inner_ = &here;
        signature(*this);
        inner_ = here.outer;
    }

public:
    signature_sink& put(char c) {
        text_.push_back(c);
        return *this;
    }

    signature_sink& put(std::string_view text) {
        text_.append(text);
        return *this;
    }

    /// A number in decimal.
    signature_sink& put_number(std::uint64_t number) { return put(std::to_string(number)); }

    /// The signature of `T`, or a reference back to it if we are inside a `T` already.
    template <class T>
    signature_sink& add() {
        if constexpr (std::is_class_v<T>) {
            add(&wire::type_mark<T>, &codec<T>::signature);
        } else {
            codec<T>::signature(*this);
        }
        return *this;
    }

    /// The signatures of `Ts`, separated by `separator`.
    template <class... Ts>
    signature_sink& list([[maybe_unused]] char separator) {
        [[maybe_unused]] const std::size_t begin = text_.size();
        (((text_.size() == begin ? *this : put(separator)).template add<Ts>()), ...);
        return *this;
    }

    /// What was written so far.
    const std::string& text() const noexcept { return text_; }

    /// The text; the sink is empty afterwards.
    std::string take() noexcept { return std::move(text_); }
};

namespace wire {
/// The signatures of `Ts`, in parentheses where there is not exactly one.
template <class... Ts>
void write_signature(signature_sink& s) {
    if constexpr (sizeof...(Ts) == 1) s.list<Ts...>(',');
    else s.put('(').template list<Ts...>(',').put(')');
}
} // namespace wire

} // namespace mitogen::inline MITOGEN_ABI

// ---- mitogen/wire/writer.hpp ----
// writer.hpp: stores values as little-endian bytes where room has been made for them.

namespace mitogen::inline MITOGEN_ABI {

namespace wire {
/// True where an object's bytes are the wire's bytes. Hosts of mixed byte order do not exist any more.
inline constexpr bool little = std::endian::native == std::endian::little;
static_assert(little || std::endian::native == std::endian::big);

/// Writes a scalar as little-endian bytes, at any alignment.
template <class T>
inline void store(std::byte* to, const T& value) noexcept {
    if constexpr (little || sizeof(T) == 1) {
        std::memcpy(to, &value, sizeof(T));
    } else {
        std::byte native[sizeof(T)];
        std::memcpy(native, &value, sizeof(T));
        for (std::size_t i = 0; i < sizeof(T); ++i) to[i] = native[sizeof(T) - 1 - i];
    }
}

/// Reads a scalar from little-endian bytes, at any alignment.
template <class T>
inline void load(const std::byte* from, T& value) noexcept {
    if constexpr (little || sizeof(T) == 1) {
        std::memcpy(&value, from, sizeof(T));
    } else {
        std::byte native[sizeof(T)];
        for (std::size_t i = 0; i < sizeof(T); ++i) native[i] = from[sizeof(T) - 1 - i];
        std::memcpy(&value, native, sizeof(T));
    }
}

// Most strings are short, and a call of memcpy with a length that is not a constant costs more than copying them: two moves that
// overlap cover each range of lengths.
inline void copy_text(std::byte* to, const void* bytes, std::size_t size) noexcept {
#if !defined(__OPTIMIZE_SIZE__)
    const auto* from = static_cast<const std::byte*>(bytes);
    if (size - 8 <= 8) { // 8 to 16
        std::uint64_t head;
        std::uint64_t tail;
        std::memcpy(&head, from, 8);
        std::memcpy(&tail, from + size - 8, 8);
        std::memcpy(to, &head, 8);
        std::memcpy(to + size - 8, &tail, 8);
        return;
    }
    if (size - 4 <= 3) { // 4 to 7
        std::uint32_t head;
        std::uint32_t tail;
        std::memcpy(&head, from, 4);
        std::memcpy(&tail, from + size - 4, 4);
        std::memcpy(to, &head, 4);
        std::memcpy(to + size - 4, &tail, 4);
        return;
    }
#endif
    if (size != 0) std::memcpy(to, bytes, size);
}
} // namespace wire

/// Stores into memory that is known to be large enough: encoded_size() was asked before. Nothing is checked.
class writer {
    std::byte* at_;
    context_id destination_;

public:
    /// `destination`: the context that the bytes are for, where it is known.
    explicit writer(void* to, context_id destination = no_context) noexcept
        : at_(static_cast<std::byte*>(to)), destination_(destination) {}

    /// The context that the bytes are for; no_context where nobody has said it.
    context_id destination() const noexcept { return destination_; }

    /// Where the next byte goes.
    std::byte* at() const noexcept { return at_; }

    /// Passes over `size` bytes, for the caller to fill; returns where they begin.
    std::byte* skip(std::size_t size) noexcept {
        std::byte* here = at_;
        at_ += size;
        return here;
    }

    /// Copies `size` bytes as they are.
    void put(const void* bytes, std::size_t size) noexcept {
        if (size != 0) std::memcpy(at_, bytes, size); // the pointer may be null when there is nothing to copy
        at_ += size;
    }

    /// Copies `size` bytes, expected to be few.
    void put_text(const void* bytes, std::size_t size) noexcept {
        wire::copy_text(at_, bytes, size);
        at_ += size;
    }

    /// A scalar in its own width, little-endian.
    template <class T>
    void put_scalar(const T& value) noexcept {
        wire::store(at_, value);
        at_ += sizeof(T);
    }

    void put_u8(std::uint8_t value) noexcept { put_scalar(value); }

    /// A length. Containers of 2^32 elements and more cannot be sent: a message is at most limits::message_bytes long.
    void put_count(std::size_t count) noexcept { put_scalar(static_cast<std::uint32_t>(count)); }
};

} // namespace mitogen::inline MITOGEN_ABI

// ---- mitogen/wire/reader.hpp ----
// reader.hpp: takes values out of bytes that somebody else wrote, and remembers the first thing that was wrong with them.

namespace mitogen::inline MITOGEN_ABI {

/// A position in received bytes. Failure is sticky: the first one is kept, and nothing can be taken afterwards.
///
/// Views that were decoded point into the bytes or into memory that the reader owns: both must outlive them.
/// Threads: one at a time. Blocks: never. Throws: nothing but std::bad_alloc.
class reader {
    using signature_function = void (*)(signature_sink&);

    struct held {
        held* next;
        void* memory;
        std::size_t count = 0;
        std::size_t align;
        void (*destroy)(void*, std::size_t);
    };

    // Elements that take no bytes cost the sender nothing, and memory here: few of them are enough for every honest use.
    static constexpr std::uint32_t most_empty = 1u << 16;

    static constexpr std::byte nothing{}; // so that taking no bytes from no bytes is not the null of a failure

    const std::byte* at_;
    const std::byte* end_;
    const std::byte* begin_;
    std::size_t size_;
    std::uint32_t depth_left_;
    std::uint32_t elements_;
    std::uint32_t empty_left_;
    void* environment_;
    held* held_ = nullptr;
    const char* what_ = nullptr;
    std::uint64_t value_ = 0;
    std::size_t offset_ = 0;
    bool has_value_ = false;
    signature_function expected_ = nullptr;

    MITOGEN_COLD bool fail_at(const char* what, std::uint64_t value, bool has_value, std::size_t offset) noexcept {
        if (what_) return false;
        what_ = what;
        value_ = value;
        has_value_ = has_value;
        offset_ = offset;
        end_ = at_; // nothing remains
        return false;
    }

    MITOGEN_COLD const std::byte* short_of(std::size_t wanted) noexcept {
        fail_at("the bytes end too early, missing", wanted - remaining(), true, offset());
        return nullptr;
    }

    MITOGEN_COLD bool bad_count(std::size_t count, std::size_t least) noexcept {
        return count > elements_ ? fail_at("more elements than limits::elements allows:", count, true, offset() - 4)
               : least == 0 ? fail_at("more elements that take no bytes than one message may have:", count, true, offset() - 4)
                            : fail_at("more elements than the bytes that follow can hold:", count, true, offset() - 4);
    }

public:
    /// Reads `bytes` under `bounds` (nesting, elements). `environment` is for types that need the place where they are decoded.
    explicit reader(std::span<const std::byte> bytes, const limits& bounds = {}, void* environment = nullptr) noexcept
        : at_(bytes.data() ? bytes.data() : &nothing), end_(at_ + bytes.size()), begin_(at_), size_(bytes.size()),
          depth_left_(bounds.nesting), elements_(bounds.elements),
          empty_left_(bounds.elements < most_empty ? bounds.elements : most_empty), environment_(environment) {}

    reader(reader&&) = delete;

    ~reader() {
        while (held_) {
            held* next = held_->next;
            if (held_->destroy) held_->destroy(held_->memory, held_->count);
            ::operator delete(held_->memory, std::align_val_t{held_->align});
            delete held_;
            held_ = next;
        }
    }

    /// False once something was wrong.
    bool ok() const noexcept { return what_ == nullptr; }

    /// Bytes that were not taken yet; 0 after a failure.
    std::size_t remaining() const noexcept { return static_cast<std::size_t>(end_ - at_); }

    /// Bytes taken so far.
    std::size_t offset() const noexcept { return static_cast<std::size_t>(at_ - begin_); }

    /// The byte that take() would return next.
    const std::byte* here() const noexcept { return at_; }

    /// What the constructor was given.
    void* environment() const noexcept { return environment_; }

    /// The next `size` bytes, or null (and a failure) where fewer remain.
    const std::byte* take(std::size_t size) noexcept {
        if (size > remaining()) [[unlikely]] return short_of(size);
        const std::byte* here = at_;
        at_ += size;
        return here;
    }

    /// A scalar in its own width.
    template <class T>
    bool take_scalar(T& value) noexcept {
        const std::byte* from = take(sizeof(T));
        if (!from) [[unlikely]] return false;
        wire::load(from, value);
        return true;
    }

    /// A length: of elements that take at least `least` bytes each on the wire. A length that the remaining bytes cannot back is
    /// a failure, so that whatever is reserved for it is paid for by the sender. Elements that take none are counted over the
    /// whole message: at most 65,536 (and limits::elements).
    bool take_count(std::size_t& count, std::size_t least) noexcept {
        std::uint32_t wire_count = 0;
        if (!take_scalar(wire_count)) [[unlikely]] return false;
        count = wire_count;
        if (wire_count > elements_ || std::uint64_t{wire_count} * least > remaining()) [[unlikely]]
            return bad_count(wire_count, least);
        if (least == 0) {
            if (wire_count > empty_left_) [[unlikely]] return bad_count(wire_count, least);
            empty_left_ -= wire_count;
        }
        return true;
    }

    /// A number of bits, eight to a byte, that the remaining bytes hold; a failure otherwise.
    bool take_bit_count(std::size_t& count) noexcept {
        std::uint32_t wire_count = 0;
        if (!take_scalar(wire_count)) [[unlikely]] return false;
        count = wire_count;
        if (count > elements_) [[unlikely]] return bad_count(count, 1);
        if ((count + 7) / 8 > remaining()) [[unlikely]] return short_of((count + 7) / 8) != nullptr;
        return true;
    }

    /// Goes one level deeper; false (and a failure) where that is deeper than limits::nesting. Pair it with leave().
    bool enter() noexcept {
        if (depth_left_ == 0) [[unlikely]] return fail("nested deeper than limits::nesting allows");
        --depth_left_;
        return true;
    }

    void leave() noexcept { ++depth_left_; }

    /// Records the failure `what` (a literal) at the current position. Always returns false.
    MITOGEN_COLD bool fail(const char* what) noexcept { return fail_at(what, 0, false, offset()); }

    /// Records the failure `what` (a literal) and the offending value, which began `back` bytes ago. Always returns false.
    MITOGEN_COLD bool fail(const char* what, std::uint64_t value, std::size_t back) noexcept {
        return fail_at(what, value, true, offset() - back);
    }

    /// Adds to a failure which type was expected there; the innermost one is kept. Always returns false.
    MITOGEN_COLD bool expected(signature_function type) noexcept {
        if (!expected_) expected_ = type;
        return false;
    }

    /// True if all went well and no byte is left over; otherwise there is a failure afterwards.
    bool finish() noexcept {
        if (!ok()) return false;
        return remaining() == 0 || fail("bytes left over:", remaining(), 0);
    }

    /// The failure in words: what was wrong, at which byte, and what was expected. `whole` writes the type that was to be
    /// decoded: &wire::write_signature<T>.
    MITOGEN_COLD std::string failure_text(signature_function whole = nullptr) const {
        signature_sink out;
        signature_sink outer;
        out.put("cannot decode");
        if (whole) {
            whole(outer);
            out.put(' ').put(outer.text());
        }
        out.put(": ").put(what_ ? what_ : "no failure");
        if (has_value_) out.put(' ').put_number(value_);
        out.put(" at byte ").put_number(offset_).put(" of ").put_number(size_);
        if (expected_) {
            signature_sink inner;
            expected_(inner);
            if (inner.text() != outer.text()) out.put(", expected ").put(inner.text());
        }
        return out.take();
    }

    /// The failure as an error with reason::codec.
    MITOGEN_COLD error failure(signature_function whole = nullptr) const { return error(reason::codec, failure_text(whole)); }

    /// `count` value-initialised objects that live as long as the reader. The caller has checked that the payload justifies them.
    template <class T>
    T* hold(std::size_t count) {
        if (count == 0) return nullptr;
        void* memory = ::operator new(count * sizeof(T), std::align_val_t{alignof(T)});
        T* first = static_cast<T*>(memory);
        held_ = new held{held_, memory, 0, alignof(T), nullptr};
        if constexpr (std::is_trivially_default_constructible_v<T> && std::is_trivially_destructible_v<T>) {
            return first; // the caller fills it
        } else {
            held_->destroy = [](void* from, std::size_t n) { std::destroy_n(static_cast<T*>(from), n); };
            for (; held_->count < count; ++held_->count) ::new (static_cast<void*>(first + held_->count)) T();
            return first;
        }
    }
};

/// Goes one level deeper for a scope; test it before going on.
class depth_guard {
    reader& reader_;
    bool entered_;

public:
    explicit depth_guard(reader& r) noexcept : reader_(r), entered_(r.enter()) {}
    depth_guard(depth_guard&&) = delete;
    ~depth_guard() {
        if (entered_) reader_.leave();
    }
    explicit operator bool() const noexcept { return entered_; }
};

} // namespace mitogen::inline MITOGEN_ABI

// ---- mitogen/wire/shapes.hpp ----
// shapes.hpp: tells what kind of type one is by what it offers, so that no heavy standard header need be included to recognise
// its types.

#if MITOGEN_HAS_PFR
#include <boost/pfr/core.hpp>
#endif
#if MITOGEN_HAS_DESCRIBE
#include <boost/describe/bases.hpp>
#include <boost/describe/enumerators.hpp>
#include <boost/describe/members.hpp>
#endif

namespace mitogen::inline MITOGEN_ABI {
namespace wire {

/// The kinds of types that are recognised by their shape. Templates of light headers (vector, string, tuple, …) have codecs of
/// their own.
enum class shape : std::uint8_t {
    none,          // has no codec
    boolean,
    scalar,        // fixed width, any bits valid
    enumeration,
    described,     // a class described with Boost.Describe
    path,          // std::filesystem::path
    duration,      // std::chrono::duration
    time_point,    // std::chrono::time_point
    complex,       // std::complex
    expected,      // std::expected
    adaptor,       // std::stack, queue, priority_queue
    map,           // ordered or not, unique keys or not
    set,
    sequence,      // push_back, and a size
    forward_list,
    aggregate,     // through Boost.PFR
};

template <class T>
concept described_class =
#if MITOGEN_HAS_DESCRIBE
    std::is_class_v<T> && boost::describe::has_describe_members<T>::value;
#else
    false;
#endif

template <class T>
concept described_enum =
#if MITOGEN_HAS_DESCRIBE
    std::is_enum_v<T> && boost::describe::has_describe_enumerators<T>::value;
#else
    false;
#endif

template <class T>
concept range_shape = requires(T& t, const T& c) {
    typename T::value_type;
    c.begin() != c.end();
    t.clear();
};

template <class T>
concept sequence_shape = range_shape<T> && requires(T& t, const T& c) {
    c.size();
    t.push_back(std::declval<typename T::value_type>());
    t.back();
};

template <class T>
concept forward_list_shape = range_shape<T> && requires(T& t, const T& c) {
    t.insert_after(c.before_begin(), std::declval<typename T::value_type>());
};

template <class T>
concept keyed_shape = range_shape<T> && requires(T& t, const T& c) {
    typename T::key_type;
    c.size();
    t.emplace_hint(c.end(), std::declval<typename T::value_type>());
};

template <class T>
concept map_shape = keyed_shape<T> && requires { typename T::mapped_type; };

template <class T>
concept adaptor_shape = requires(T& t, const T& c) {
    typename T::container_type;
    typename T::value_type;
    c.size();
    t.push(std::declval<typename T::value_type>());
    t.pop();
};

template <class T>
concept path_shape = requires(const T& c) {
    typename T::string_type;
    typename T::format;
    { c.native() } -> std::same_as<const typename T::string_type&>;
    c.root_directory();
};

template <class T>
concept duration_shape = requires(const T& c) {
    typename T::rep;
    T::period::num;
    T::period::den;
    { c.count() } -> std::same_as<typename T::rep>;
    T(std::declval<typename T::rep>());
} && std::is_arithmetic_v<typename T::rep> && !std::is_same_v<typename T::rep, long double>;

template <class T>
concept time_point_shape = requires(const T& c) {
    typename T::clock;
    { c.time_since_epoch() } -> std::same_as<typename T::duration>;
} && duration_shape<typename T::duration>;

template <class T>
concept complex_shape = requires(T& t, const T& c, typename T::value_type v) {
    { c.real() } -> std::same_as<typename T::value_type>;
    { c.imag() } -> std::same_as<typename T::value_type>;
    t.real(v);
    t.imag(v);
    T(v, v);
} && std::is_floating_point_v<typename T::value_type> && !std::is_same_v<typename T::value_type, long double>;

template <class T>
concept expected_shape = requires(const T& c) {
    typename T::value_type;
    typename T::error_type;
    typename T::unexpected_type;
    { c.has_value() } -> std::same_as<bool>;
    c.error();
};

// Converts to the bases of T and to nothing else: initialises an aggregate only where that begins with a base.
template <class T>
struct any_base {
    template <class Base>
        requires(std::is_base_of_v<Base, T> && !std::is_same_v<Base, T>)
    operator Base() const;
};

/// Aggregates that Boost.PFR takes apart: those without base classes.
template <class T>
concept plain_aggregate = std::is_aggregate_v<T> && std::is_class_v<T> && !requires { T{any_base<T>{}}; };

template <class T>
consteval shape class_shape() {
    if constexpr (!std::is_default_constructible_v<T>) return shape::none;
    else if constexpr (described_class<T>) return shape::described;
    else if constexpr (path_shape<T>) return shape::path;
    else if constexpr (duration_shape<T>) return shape::duration;
    else if constexpr (time_point_shape<T>) return shape::time_point;
    else if constexpr (complex_shape<T>) return shape::complex;
    else if constexpr (expected_shape<T>) return shape::expected;
    else if constexpr (adaptor_shape<T>) return shape::adaptor;
    else if constexpr (map_shape<T>) return shape::map;
    else if constexpr (keyed_shape<T>) return shape::set;
    else if constexpr (sequence_shape<T>) return shape::sequence;
    else if constexpr (forward_list_shape<T>) return shape::forward_list;
    else if constexpr (MITOGEN_HAS_PFR && plain_aggregate<T>) return shape::aggregate;
    else return shape::none;
}

template <class T>
consteval shape shape_of() {
    if constexpr (std::is_const_v<T> || std::is_volatile_v<T>) return shape::none;
    else if constexpr (std::is_same_v<T, bool>) return shape::boolean;
    else if constexpr (std::is_same_v<T, long double>) return shape::none;
    else if constexpr (std::is_arithmetic_v<T> || std::is_same_v<T, std::byte>) return shape::scalar;
    else if constexpr (std::is_enum_v<T>) return shape::enumeration;
    else if constexpr (std::is_class_v<T>) return class_shape<T>();
    else return shape::none;
}

/// The wire form of a `T` that has the shape `S`.
template <class T, shape S>
struct shaped;

/// The types that a codec passes its work on to; what is looked into when a type without a codec is searched for.
template <class... Ts>
struct parts {};

} // namespace wire

/// How a `T` travels. Specialise it for a type of your own that is neither an aggregate nor described:
/// ```
/// template <> struct mitogen::codec<celsius> {
///     static std::size_t size(const celsius& t) { return mitogen::encoded_size(t.degrees()); }
///     static void encode(mitogen::writer& w, const celsius& t) { mitogen::encode(w, t.degrees()); }
///     static bool decode(mitogen::reader& r, celsius& t) { double d; return mitogen::decode(r, d) && (t = celsius(d), true); }
///     static void signature(mitogen::signature_sink& s) { s.put("celsius"); }
/// };
/// ```
/// encode() must write exactly size() bytes. decode() gets a default-constructed object and returns false after r.fail("why").
/// Optional members: `static constexpr std::size_t least`, the fewest bytes that one can take (default 1; a type that may take
/// none must say 0, and then one message may hold 65,536 elements of it), and `static constexpr bool is_fixed` (all take exactly
/// `least`; size() is then not used).
template <class T>
struct codec : wire::shaped<T, wire::shape_of<T>()> {};

namespace wire {

/// The fewest bytes that a `T` takes.
template <class T>
consteval std::size_t least_of() {
    if constexpr (requires { codec<T>::least; }) return codec<T>::least;
    else return 1;
}

/// True where every `T` takes least_of<T>() bytes.
template <class T>
consteval bool fixed_of() {
    if constexpr (requires { codec<T>::is_fixed; }) return codec<T>::is_fixed;
    else return false;
}

/// True where the bytes of a `T` in memory are its wire form on this host, and any bytes are a valid `T`.
template <class T>
consteval bool bulk_of() {
    if constexpr (requires { codec<T>::is_bulk; }) return codec<T>::is_bulk;
    else return false;
}

/// True where `T` has no codec.
template <class T>
consteval bool missing() {
    return requires { codec<T>::is_missing; };
}

template <class T>
inline std::size_t size_of(const T& value) {
    if constexpr (fixed_of<T>()) return least_of<T>();
    else return codec<T>::size(value);
}

} // namespace wire
} // namespace mitogen::inline MITOGEN_ABI

// ---- mitogen/wire/scalars.hpp ----
// scalars.hpp: the wire forms of numbers, characters, bool, enums and std::byte.

namespace mitogen::inline MITOGEN_ABI {
namespace wire {

// The name says the width, not the C++ type: `long` is i64 in one program and i32 in another, and those two must not understand
// each other.
template <class T>
consteval std::string_view scalar_name() {
    if constexpr (std::is_same_v<T, std::byte>) return "byte";
    else if constexpr (std::is_same_v<T, char>) return "char";
    else if constexpr (std::is_same_v<T, char8_t>) return "char8";
    else if constexpr (std::is_same_v<T, char16_t>) return "char16";
    else if constexpr (std::is_same_v<T, char32_t>) return "char32";
    else if constexpr (std::is_same_v<T, wchar_t>) return sizeof(T) == 2 ? "char16" : "char32";
    else if constexpr (std::is_floating_point_v<T>) return sizeof(T) == 4 ? "f32" : "f64";
    else if constexpr (std::is_signed_v<T>)
        return sizeof(T) == 1 ? "i8" : sizeof(T) == 2 ? "i16" : sizeof(T) == 4 ? "i32" : sizeof(T) == 8 ? "i64" : "i128";
    else return sizeof(T) == 1 ? "u8" : sizeof(T) == 2 ? "u16" : sizeof(T) == 4 ? "u32" : sizeof(T) == 8 ? "u64" : "u128";
}

template <class T>
struct shaped<T, shape::scalar> {
    static_assert(!std::is_floating_point_v<T> || (std::numeric_limits<T>::is_iec559 && (sizeof(T) == 4 || sizeof(T) == 8)),
                  "mitogen: floating point travels as IEEE 754 binary32 and binary64; this host has another format");

    static constexpr bool is_fixed = true;
    static constexpr std::size_t least = sizeof(T);
    static constexpr bool is_bulk = little || sizeof(T) == 1;

    static void encode(writer& w, const T& value) noexcept { w.put_scalar(value); }
    static bool decode(reader& r, T& value) noexcept {
        if (!r.take_scalar(value)) [[unlikely]] return r.expected(&signature);
        return true;
    }
    static void signature(signature_sink& s) { s.put(scalar_name<T>()); }
};

template <class T>
struct shaped<T, shape::boolean> {
    static constexpr bool is_fixed = true;
    static constexpr std::size_t least = 1;

    static void encode(writer& w, bool value) noexcept { w.put_u8(value); }
    static bool decode(reader& r, bool& value) noexcept {
        std::uint8_t byte = 0;
        if (!r.take_scalar(byte)) [[unlikely]] return r.expected(&signature);
        if (byte > 1) [[unlikely]] return r.fail("a bool that is neither 0 nor 1:", byte, 1) || r.expected(&signature);
        value = byte != 0;
        return true;
    }
    static void signature(signature_sink& s) { s.put("bool"); }
};

#if MITOGEN_HAS_DESCRIBE
template <class T, template <class...> class List, class... Enumerators>
constexpr bool is_enumerator(T value, List<Enumerators...>*) noexcept {
    return (... || (value == Enumerators::value));
}
#endif

// An enum travels as its underlying type. One that is described with Boost.Describe must be one of its enumerators on arrival, so
// an enum whose values are combined as flags must not be described.
template <class T>
struct shaped<T, shape::enumeration> {
    using number = std::underlying_type_t<T>;

    static constexpr bool is_fixed = true;
    static constexpr std::size_t least = codec<number>::least;
    static constexpr bool is_bulk = bulk_of<number>() && !described_enum<T>;

    static void encode(writer& w, const T& value) noexcept { codec<number>::encode(w, static_cast<number>(value)); }
    static bool decode(reader& r, T& value) noexcept {
        number n{};
        if (!codec<number>::decode(r, n)) [[unlikely]] return false;
        value = static_cast<T>(n);
#if MITOGEN_HAS_DESCRIBE
        if constexpr (described_enum<T>) {
            if (!is_enumerator(value, static_cast<boost::describe::describe_enumerators<T>*>(nullptr))) [[unlikely]]
                return r.fail("not an enumerator of the described enum:", static_cast<std::uint64_t>(n), least) ||
                       r.expected(&signature);
        }
#endif
        return true;
    }
    static void signature(signature_sink& s) { codec<number>::signature(s); }
};

} // namespace wire
} // namespace mitogen::inline MITOGEN_ABI

// ---- mitogen/wire/text.hpp ----
// text.hpp: the wire forms of strings, and of views into the bytes that were received.

namespace mitogen::inline MITOGEN_ABI {
namespace wire {

// Elements that lie side by side: `count` is known to be backed by remaining bytes where T is fixed.
template <class T>
inline void encode_elements(writer& w, const T* first, std::size_t count) {
    if constexpr (bulk_of<T>()) {
        w.put(first, count * sizeof(T));
    } else {
        for (const T* last = first + count; first != last; ++first) codec<T>::encode(w, *first);
    }
}

template <class T>
inline bool decode_elements(reader& r, T* first, std::size_t count) {
    if constexpr (bulk_of<T>()) {
        const std::byte* from = r.take(count * sizeof(T));
        if (!from) [[unlikely]] return r.expected(&codec<T>::signature);
        if (count != 0) std::memcpy(static_cast<void*>(first), from, count * sizeof(T));
    } else {
        for (T* last = first + count; first != last; ++first) {
            if (!codec<T>::decode(r, *first)) [[unlikely]] return false;
        }
    }
    return true;
}

template <class T>
inline std::size_t size_elements(const T* first, std::size_t count) {
    if constexpr (fixed_of<T>()) {
        return count * least_of<T>();
    } else {
        std::size_t size = 0;
        for (const T* last = first + count; first != last; ++first) size += codec<T>::size(*first);
        return size;
    }
}

template <class C>
inline void text_signature(signature_sink& s) {
    if constexpr (std::is_same_v<C, char>) s.put("string");
    else s.put('[').template add<C>().put(']');
}

// Bytes that no alignment can spoil may be looked at where they are; others only by luck.
template <class T>
inline const T* view_in_place(const std::byte* from) noexcept {
    if constexpr (bulk_of<T>()) {
        if (alignof(T) == 1 || reinterpret_cast<std::uintptr_t>(from) % alignof(T) == 0) return reinterpret_cast<const T*>(from);
    }
    return nullptr;
}

template <class T>
inline bool decode_view(reader& r, const T*& first, std::size_t& count, void (*signature)(signature_sink&)) {
    first = nullptr;
    if (!r.take_count(count, least_of<T>())) [[unlikely]] return r.expected(signature);
    if (count == 0) return true;
    if constexpr (bulk_of<T>()) {
        first = view_in_place<T>(r.here());
        if (first) return r.take(count * sizeof(T)) != nullptr;
    }
    T* copy = r.template hold<T>(count);
    first = copy;
    return decode_elements(r, copy, count);
}

} // namespace wire

template <class C, class Traits, class Allocator>
struct codec<std::basic_string<C, Traits, Allocator>> {
    using type = std::basic_string<C, Traits, Allocator>;

    static constexpr std::size_t least = 4;

    static std::size_t size(const type& text) noexcept { return 4 + text.size() * sizeof(C); }
    static void encode(writer& w, const type& text) noexcept {
        w.put_count(text.size());
        if constexpr (sizeof(C) == 1) w.put_text(text.data(), text.size());
        else wire::encode_elements(w, text.data(), text.size());
    }
    static bool decode(reader& r, type& text) {
        std::size_t count = 0;
        if (!r.take_count(count, sizeof(C))) [[unlikely]] return r.expected(&signature);
        if constexpr (sizeof(C) == 1) {
            const C* const first = reinterpret_cast<const C*>(r.take(count));
            if (count > text.capacity()) text = type(first, count, text.get_allocator()); // the old bytes need not be moved
            else text.assign(first, count);
            return true;
        } else {
            text.resize(count);
            return wire::decode_elements(r, text.data(), count);
        }
    }
    static void signature(signature_sink& s) { wire::text_signature<C>(s); }
};

/// Decodes to a view of the received bytes (of char16_t and wider: of a copy that the reader owns, where they are not aligned).
template <class C, class Traits>
struct codec<std::basic_string_view<C, Traits>> {
    using type = std::basic_string_view<C, Traits>;

    static constexpr std::size_t least = 4;
    static constexpr bool may_hold = sizeof(C) != 1;

    static std::size_t size(type text) noexcept { return 4 + text.size() * sizeof(C); }
    static void encode(writer& w, type text) noexcept {
        w.put_count(text.size());
        if constexpr (sizeof(C) == 1) w.put_text(text.data(), text.size());
        else wire::encode_elements(w, text.data(), text.size());
    }
    static bool decode(reader& r, type& text) {
        const C* first = nullptr;
        std::size_t count = 0;
        if (!wire::decode_view(r, first, count, &signature)) [[unlikely]] return false;
        text = type(first, count);
        return true;
    }
    static void signature(signature_sink& s) { wire::text_signature<C>(s); }
};

/// Decodes to a view of the received bytes where `T` is copied as it is and they are aligned for it; else of a copy that the
/// reader owns.
template <class T>
struct codec<std::span<const T>> {
    using parts = wire::parts<T>;

    static constexpr std::size_t least = 4;
    static constexpr bool may_hold = !wire::bulk_of<T>() || alignof(T) != 1;

    static std::size_t size(std::span<const T> view) { return 4 + wire::size_elements(view.data(), view.size()); }
    static void encode(writer& w, std::span<const T> view) {
        w.put_count(view.size());
        wire::encode_elements(w, view.data(), view.size());
    }
    static bool decode(reader& r, std::span<const T>& view) {
        const T* first = nullptr;
        std::size_t count = 0;
        const depth_guard depth(r);
        if (!depth || !wire::decode_view(r, first, count, &signature)) [[unlikely]] return false;
        view = std::span<const T>(first, count);
        return true;
    }
    static void signature(signature_sink& s) { s.put('[').template add<T>().put(']'); }
};

} // namespace mitogen::inline MITOGEN_ABI

// ---- mitogen/wire/secret.hpp ----
// secret.hpp: a string that is not printed and is not left behind in memory.

namespace mitogen::inline MITOGEN_ABI {

/// A password or a key. Nothing prints it and nothing converts it back but reveal(); its memory is overwritten when it is
/// destroyed or assigned to. It cannot answer for the string that it was made from, nor for the messages that carried it.
class secret {
    std::unique_ptr<char[]> text_; // not a std::string: moving one would leave short texts behind
    std::size_t size_ = 0;

    void wipe() noexcept {
        if (!text_) return;
        std::memset(text_.get(), 0, size_);
        asm volatile("" : : "r"(text_.get()) : "memory"); // somebody might look: the stores are not dead
    }

public:
    secret() = default;
    secret(std::string_view text) : text_(text.empty() ? nullptr : new char[text.size()]), size_(text.size()) {
        if (size_ != 0) std::memcpy(text_.get(), text.data(), size_);
    }
    secret(const char* text) : secret(std::string_view(text)) {}
    secret(const std::string& text) : secret(std::string_view(text)) {}
    secret(const secret& other) : secret(other.reveal()) {}
    secret(secret&& other) noexcept : text_(std::move(other.text_)), size_(std::exchange(other.size_, 0)) {}
    secret& operator=(secret other) noexcept {
        std::swap(text_, other.text_);
        std::swap(size_, other.size_);
        return *this;
    }
    ~secret() { wipe(); }

    bool empty() const noexcept { return size_ == 0; }
    std::size_t size() const noexcept { return size_; }

    /// The text, valid as long as this object.
    std::string_view reveal() const noexcept { return {text_.get(), size_}; }

    /// Takes as long for texts that begin alike as for others.
    friend bool operator==(const secret& a, const secret& b) noexcept {
        if (a.size_ != b.size_) return false;
        unsigned difference = 0;
        for (std::size_t i = 0; i < a.size_; ++i) difference |= static_cast<unsigned char>(a.text_[i] ^ b.text_[i]);
        return difference == 0;
    }
};

template <>
struct codec<secret> {
    static constexpr std::size_t least = 4;

    static std::size_t size(const secret& text) noexcept { return 4 + text.size(); }
    static void encode(writer& w, const secret& text) noexcept { codec<std::string_view>::encode(w, text.reveal()); }
    static bool decode(reader& r, secret& text) {
        std::string_view view;
        if (!codec<std::string_view>::decode(r, view)) [[unlikely]] return r.expected(&signature);
        text = secret(view);
        return true;
    }
    static void signature(signature_sink& s) { s.put("secret"); }
};

static_assert(!std::is_convertible_v<secret, std::string_view> && !std::is_convertible_v<secret, std::string>);

} // namespace mitogen::inline MITOGEN_ABI

// ---- mitogen/connect/prompter.hpp ----
// prompter.hpp: the questions that a tool asks before it lets anybody in, and who answers them with what.

namespace mitogen::inline MITOGEN_ABI {

/// What a line asks for that a tool has printed and not ended.
enum class prompt_kind : std::uint8_t {
    none,       ///< it is no question, or not yet
    password,   ///< the password
    passphrase, ///< that of a key, which is not the password: answered with nothing, so that the tool goes on without the key
    host_key,   ///< whether a host is the right one
    other,      ///< anything else: the password in another language, or what only a person can answer, a code that is used once
};

/// Answers a tool's questions with a password, at most once. Bytes in, answers out: it reads and writes nothing itself.
class prompter {
public:
    /// Knows the questions of one tool. Gets what stands on a line so far, up to a kilobyte.
    using recogniser = prompt_kind (*)(std::string_view line);

    /// Where the tool reads the answer.
    enum class reads : std::uint8_t {
        terminal, ///< at its terminal
        input,    ///< on its stdin where that is a pipe: byte by byte, up to the end of the line
    };

    /// What is to be done about bytes that were heard.
    enum class reaction : std::uint8_t {
        nothing,
        answer,  ///< type password() and a newline
        decline, ///< type a newline
        give_up, ///< why() and trouble() say why
    };

private:
    recogniser recognise_ = nullptr;
    secret password_;
    reads where_ = reads::terminal;
    std::string answered_line_; // the question
    enum reason why_ = reason::none;
    std::string trouble_;
    std::string line_;

    static constexpr std::size_t longest_line = 1024;

public:
    prompter(recogniser recognise, secret password, reads where)
        : recognise_(recognise), password_(std::move(password)), where_(where) {}

    /// Adds what the tool has printed. After a reaction other than `nothing` the line counts as ended.
    reaction hear(std::string_view bytes) {
        for (const char c : bytes) {
            if (c == '\n' || c == '\r') {
                line_.clear();
            } else if (line_.size() < longest_line) {
                line_ += c;
            }
        }
        const prompt_kind asked = recognise_(line_);
        if (asked == prompt_kind::none) return reaction::nothing;
        const std::string line = std::exchange(line_, {});
        switch (asked) {
        case prompt_kind::none: break;
        case prompt_kind::passphrase: return reaction::decline;
        case prompt_kind::host_key: return give_up(reason::host_key, "the host key is unknown");
        case prompt_kind::password:
        case prompt_kind::other:
            if (password_.empty()) return give_up(reason::auth_required, "a password is required; set .password");
            if (!answered()) {
                answered_line_ = line;
                return reaction::answer;
            }
            if (asked == prompt_kind::password || line == answered_line_)
                return give_up(reason::auth_incorrect, "the password is incorrect");
            return give_up(reason::auth_required, "it asks \"" + line + "\" as well, which a password does not answer");
        }
        return reaction::nothing;
    }

    /// The password.
    const secret& password() const noexcept { return password_; }
    /// Where answers go.
    reads where() const noexcept { return where_; }
    /// True once the password was asked for, and there was one.
    bool answered() const noexcept { return !answered_line_.empty(); }
    /// Of `give_up`: the reason.
    enum reason why() const noexcept { return why_; }
    /// Of `give_up`: in words.
    const std::string& trouble() const noexcept { return trouble_; }

private:
    reaction give_up(enum reason why, std::string text) {
        why_ = why;
        trouble_ = std::move(text);
        return reaction::give_up;
    }
};

namespace detail {

/// Why nobody can type that password, if so: what the line editor of a terminal would take for a key.
inline std::optional<error> untypable(const secret& password, std::string_view method) {
    for (const char c : password.reveal())
        if (static_cast<unsigned char>(c) < 0x20 || c == 0x7f)
            return error(reason::misuse, std::string(method) + ": the password contains a control character");
    return std::nullopt;
}

/// True for a line that ends as questions do: with a colon, and blanks perhaps.
inline bool ends_as_question(std::string_view line) noexcept {
    const std::size_t last = line.find_last_not_of(' ');
    return last != std::string_view::npos && line[last] == ':';
}

/// True where `line` contains `word`, whatever the case of its letters. `word` is in small letters.
inline bool mentions(std::string_view line, std::string_view word) noexcept {
    const auto small = [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c; };
    for (std::size_t at = 0; at + word.size() <= line.size(); ++at) {
        std::size_t same = 0;
        while (same < word.size() && small(line[at + same]) == word[same]) ++same;
        if (same == word.size()) return true;
    }
    return false;
}

/// Knows "Password: ", and whatever PAM makes of it, of a tool that speaks English.
inline prompt_kind ask_for_password(std::string_view line) noexcept {
    return ends_as_question(line) && mentions(line, "password") ? prompt_kind::password : prompt_kind::none;
}

/// Overwrites every `word` in `text` with asterisks.
inline void mask(std::string& text, std::string_view word) {
    if (word.empty()) return;
    for (std::size_t at = 0; (at = text.find(word, at)) != std::string::npos;) text.replace(at, word.size(), "***"), at += 3;
}

} // namespace detail
} // namespace mitogen::inline MITOGEN_ABI

// ---- mitogen/sys/kqueue.hpp ----
// kqueue.hpp: the kqueue system calls; empty where there is no kqueue. MITOGEN_USE_LIBKQUEUE takes them from libkqueue on Linux.

#if (!defined(__linux__) || defined(MITOGEN_USE_LIBKQUEUE)) && __has_include(<sys/event.h>)
#define MITOGEN_HAS_KQUEUE 1
#include <sys/event.h>
#elif defined(MITOGEN_USE_LIBKQUEUE)
#define MITOGEN_HAS_KQUEUE 1
#include <kqueue/sys/event.h>
#else
#define MITOGEN_HAS_KQUEUE 0
#endif

#if MITOGEN_HAS_KQUEUE
#include <cerrno>
#include <cstdint>

#include <sys/types.h>
#include <time.h>

namespace mitogen::inline MITOGEN_ABI {
namespace sys {

/// kqueue(2), close-on-exec. It is not inherited by fork(), except from libkqueue.
inline long kqueue_create() {
    const long fd = checked("kqueue_create", -1, [] { return ::kqueue(); });
    if (fd >= 0) static_cast<void>(set_cloexec(static_cast<int>(fd), true));
    return fd;
}

/// One change to a kqueue: `ident` is a descriptor or a process, by `filter` (EVFILT_…); `flags` is EV_ADD or EV_DELETE. 0 or
/// -errno.
inline long kqueue_change(int queue, std::intptr_t ident, int filter, unsigned flags, unsigned details, std::intptr_t user_data) {
    return checked("kqueue_change", queue, [=] {
        struct ::kevent change {};
        change.ident = static_cast<decltype(change.ident)>(ident);
        change.filter = static_cast<decltype(change.filter)>(filter);
        change.flags = static_cast<decltype(change.flags)>(flags);
        change.fflags = static_cast<decltype(change.fflags)>(details);
        change.udata = reinterpret_cast<decltype(change.udata)>(user_data);
        return ::kevent(queue, &change, 1, nullptr, 0, nullptr);
    });
}

/// Waits for events: their number, 0 on timeout, -errno. `timeout` in ns, < 0: no limit.
/// A signal ends a wait that has a limit early, with 0: the caller knows its deadline.
inline long kqueue_wait(int queue, struct ::kevent* out, int capacity, duration_ns timeout) {
    // macOS refuses spans above some years: wake up every 11 days
    constexpr duration_ns longest = 1'000'000 * duration_ns{1'000'000'000};
#if defined(LIBKQUEUE)
    // it cuts to milliseconds: too early, and again and again
    if (timeout > 0) timeout = duration_ns{to_poll_ms(timeout)} * 1'000'000;
#endif
    for (;;) {
        const ::timespec span = to_timespec(timeout < longest ? timeout : longest);
        const long rc = checked_once("kqueue_wait", queue, [&] {
            return ::kevent(queue, nullptr, 0, out, capacity, timeout < 0 ? nullptr : &span);
        });
        if (rc != -EINTR) return rc;
        if (timeout > 0) return 0;
    }
}

} // namespace sys
} // namespace mitogen::inline MITOGEN_ABI
#endif

// ---- mitogen/sys/owned_process.hpp ----
// owned_process.hpp: a child process as a value: watched without a signal handler, always reaped.

#if defined(__linux__)
#include <sys/syscall.h>
#endif

namespace mitogen::inline MITOGEN_ABI {
namespace sys {

namespace detail {
// A descriptor that becomes readable when `pid`, a child of ours, has ended; negative where the system has none.
inline long open_exit_watch(::pid_t pid) {
#if defined(__linux__) && defined(SYS_pidfd_open)
    // close-on-exec by itself
    unique_fd fd(static_cast<int>(checked("pidfd_open", -1, [=] { return ::syscall(SYS_pidfd_open, pid, 0); })));
    static_cast<void>(move_above_stdio(fd));
    return fd ? fd.release() : -ENOSYS;
#elif !defined(__linux__) && MITOGEN_HAS_KQUEUE
    unique_fd queue(static_cast<int>(kqueue_create())); // a kqueue can itself be polled
    const long rc = queue ? kqueue_change(queue.get(), pid, EVFILT_PROC, EV_ADD, NOTE_EXIT, 0) : -ENOSYS;
    return rc < 0 ? rc : queue.release();
#else
    static_cast<void>(pid);
    return -ENOSYS;
#endif
}
} // namespace detail

/// Owns one child process. While it is owned and not reaped its process id can't be reused, so that signal() never hits a
/// stranger.
///
/// The destructor kills (SIGKILL) and reaps a child that still runs: no zombie and no orphan is left behind by any path.
/// No SIGCHLD handler is installed. Where the program ignores SIGCHLD (init() undoes it where it was started so), or reaps
/// children that are not its own, the status is lost: the code is then -1.
/// Threads: distinct objects: safe; shared objects: unsafe.
class process {
    ::pid_t pid_ = -1;
    unique_fd watch_;
    std::optional<exit_status> status_;

    std::optional<exit_status> reap(int options) {
        if (status_ || pid_ < 0) return status_;
        int raw = 0;
        const long rc = checked("waitpid", -1, [&] { return ::waitpid(pid_, &raw, options); });
        if (rc == 0) return std::nullopt;
        if (rc > 0 && WIFEXITED(raw)) {
            status_ = exit_status{.code = WEXITSTATUS(raw), .signal = 0};
        } else if (rc > 0 && WIFSIGNALED(raw)) {
            status_ = exit_status{.code = 0, .signal = WTERMSIG(raw)};
        } else {
            status_ = exit_status{.code = -1, .signal = 0}; // ECHILD: somebody else has reaped it
        }
        watch_.reset();
        return status_;
    }

public:
    process() = default;
    /// Takes ownership of a child of this process that nobody has waited for (fork). Never fails: poll_fd() may be -1.
    explicit process(::pid_t pid) : pid_(pid) {
        if (pid_ >= 0) watch_.reset(static_cast<int>(detail::open_exit_watch(pid_)));
    }
    process(process&& other) noexcept
        : pid_(std::exchange(other.pid_, -1)), watch_(std::move(other.watch_)),
          status_(std::exchange(other.status_, std::nullopt)) {}
    process& operator=(process&& other) noexcept {
        if (this != &other) {
            stop();
            pid_ = std::exchange(other.pid_, -1);
            watch_ = std::move(other.watch_);
            status_ = std::exchange(other.status_, std::nullopt);
        }
        return *this;
    }
    ~process() { stop(); }

    /// The process id, also after the end; -1 for an empty object.
    ::pid_t pid() const noexcept { return pid_; }

    /// A descriptor, owned by this object, that is readable once the process has ended: a pidfd on Linux, a kqueue on BSD and
    /// macOS.
    /// -1 where the system has neither or is out of descriptors, and after the process has been reaped: remove it from pollers
    /// before.
    int poll_fd() const noexcept { return watch_.get(); }

    /// True from the start until try_wait() or wait() has returned a status.
    bool running() const noexcept { return pid_ >= 0 && !status_; }

    /// How it ended, or nothing while it runs. Remembers: may be called again. Blocks: never.
    std::optional<exit_status> try_wait() { return reap(WNOHANG); }

    /// Waits for the end. Blocks: until then. An empty object has the code -1.
    exit_status wait() { return reap(0).value_or(exit_status{.code = -1, .signal = 0}); }

    /// Sends a signal. 0, also where the process is already reaped; else -errno.
    long signal(int number) {
        if (!running()) return 0;
        return checked("kill", -1, [&] {
#if defined(__linux__) && defined(SYS_pidfd_send_signal)
            // Exact even where somebody else has reaped it and its number is in use again.
            if (watch_) return static_cast<long>(::syscall(SYS_pidfd_send_signal, watch_.get(), number, nullptr, 0));
#endif
            return static_cast<long>(::kill(pid_, number));
        });
    }

    /// Sends a signal to its process group, of which it must be the leader (spawn_options::new_process_group).
    long signal_group(int number) {
        if (!running()) return 0;
        return checked("kill", -1, [&] { return ::kill(-pid_, number); });
    }

    /// Gives up ownership: the process is neither killed nor waited for. The object is empty afterwards.
    void forget() noexcept {
        pid_ = -1;
        watch_.reset();
        status_.reset();
    }

    /// Kills and reaps it if it still runs, which waits for the kernel to end it (microseconds).
    void stop() noexcept {
        if (!running()) return;
        static_cast<void>(signal(SIGKILL));
        static_cast<void>(wait());
    }
};

static_assert(!std::is_copy_constructible_v<process> && std::is_nothrow_move_assignable_v<process>);

} // namespace sys
} // namespace mitogen::inline MITOGEN_ABI

// ---- mitogen/sys/process.hpp ----
// process.hpp: starts a program as a child process, in the 300 µs that posix_spawn takes whatever the size of this process.

#if defined(__APPLE__) || defined(__FreeBSD__) || defined(__OpenBSD__) || defined(__NetBSD__) || defined(__DragonFly__)
extern "C" char** environ; // glibc and musl declare it; the BSDs want the program to
#endif

namespace mitogen::inline MITOGEN_ABI {
namespace sys {

/// What to start, and with what.
struct spawn_options {
    /// the program as an open file (a binary, no script); before `path` where it is not -1
    int executable_fd = -1;
    std::string path{};                     ///< the program; searched for in PATH where it contains no slash
    std::vector<std::string> argv{};        ///< all arguments, the zeroth included; empty: { path }
    std::vector<std::string> environment{}; ///< on top of this process's own: "NAME=VALUE" sets, "NAME" removes
    int in = -1;                            ///< becomes descriptor 0; -1: /dev/null
    int out = -1;                           ///< becomes descriptor 1; -1: inherited (/dev/null where this process has none)
    int err = -1;                           ///< becomes descriptor 2; -1: as `out`
    bool new_process_group = true;          ///< so that a terminal's SIGINT reaches only the root of the tree
    /// path of a terminal that nobody has: becomes descriptor 2 in place of `err`, and the terminal of a session of its own
    std::string terminal{};
};

namespace detail {

class spawn_actions {
    ::posix_spawn_file_actions_t actions_;
    int rc_;

public:
    spawn_actions() noexcept : rc_(::posix_spawn_file_actions_init(&actions_)) {}
    spawn_actions(const spawn_actions&) = delete;
    spawn_actions& operator=(const spawn_actions&) = delete;
    ~spawn_actions() { static_cast<void>(::posix_spawn_file_actions_destroy(&actions_)); }

    void dup(int from, int to) {
        if (rc_ == 0) rc_ = ::posix_spawn_file_actions_adddup2(&actions_, from, to);
    }
    void open_null(int to) {
        if (rc_ == 0) rc_ = ::posix_spawn_file_actions_addopen(&actions_, to, "/dev/null", to == 0 ? O_RDONLY : O_WRONLY, 0);
    }
    // By a session's leader without a terminal: makes it the session's.
    void open_terminal(const char* path, int to) {
        if (rc_ == 0) rc_ = ::posix_spawn_file_actions_addopen(&actions_, to, path, O_RDWR, 0);
    }
    int rc() const noexcept { return rc_; }
    const ::posix_spawn_file_actions_t* get() const noexcept { return &actions_; }
};

class spawn_attributes {
    ::posix_spawnattr_t attributes_;
    int rc_;

public:
    explicit spawn_attributes(const spawn_options& options) noexcept : rc_(::posix_spawnattr_init(&attributes_)) {
        ::sigset_t none;
        ::sigset_t defaults;
        ::sigemptyset(&none);
        ::sigemptyset(&defaults);
        ::sigaddset(&defaults, SIGPIPE);
        ::sigaddset(&defaults, SIGCHLD);
        int flags = POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF;
        if (options.terminal.empty()) {
            if (options.new_process_group) flags |= POSIX_SPAWN_SETPGROUP; // group 0: its own
        } else {
#if defined(POSIX_SPAWN_SETSID)
            flags |= POSIX_SPAWN_SETSID; // which is a new group as well
#else
            if (rc_ == 0) rc_ = ENOTSUP;
#endif
        }
        if (rc_ == 0) rc_ = ::posix_spawnattr_setsigmask(&attributes_, &none);
        if (rc_ == 0) rc_ = ::posix_spawnattr_setsigdefault(&attributes_, &defaults);
        if (rc_ == 0) rc_ = ::posix_spawnattr_setpgroup(&attributes_, 0);
        if (rc_ == 0) rc_ = ::posix_spawnattr_setflags(&attributes_, static_cast<short>(flags));
    }
    spawn_attributes(const spawn_attributes&) = delete;
    spawn_attributes& operator=(const spawn_attributes&) = delete;
    ~spawn_attributes() { static_cast<void>(::posix_spawnattr_destroy(&attributes_)); }

    int rc() const noexcept { return rc_; }
    const ::posix_spawnattr_t* get() const noexcept { return &attributes_; }
};

// A path under which an open file can be executed.
inline std::string path_of_descriptor(int fd) {
#if defined(__APPLE__) && defined(F_GETPATH)
    char path[1024] = {}; // MAXPATHLEN, which F_GETPATH demands
    return ::fcntl(fd, F_GETPATH, path) < 0 ? "/dev/fd/" + std::to_string(fd) : std::string(path);
#elif defined(__linux__)
    return "/proc/self/fd/" + std::to_string(fd); // resolved by the child, before its close-on-exec sweep
#else
    return "/dev/fd/" + std::to_string(fd); // needs fdescfs for numbers above 2
#endif
}

inline std::string_view name_of_variable(std::string_view entry) { return entry.substr(0, entry.find('=')); }

inline std::vector<char*> merged_environment(const std::vector<std::string>& changes) {
    std::vector<char*> out;
    for (char** e = environ; e && *e; ++e) {
        bool changed = false;
        for (const auto& c : changes) changed = changed || name_of_variable(c) == name_of_variable(*e);
        if (!changed) out.push_back(*e);
    }
    for (const auto& c : changes) {
        if (c.find('=') != std::string::npos) out.push_back(const_cast<char*>(c.c_str()));
    }
    out.push_back(nullptr);
    return out;
}

// Plans what becomes 0, 1 and 2. Whatever lies at 0 to 2 now is duplicated above first (into `kept`): the child's dup2() calls
// run one after the other, so that in=1, out=0 would otherwise lose one of them. Returns what failed, or an empty text.
inline std::string plan_stdio(const spawn_options& options, spawn_actions& actions, std::array<unique_fd, 4>& kept, long& rc) {
    static constexpr const char* names[3] = {"standard input", "standard output", "standard error"};
    const int wanted[3] = {options.in, options.out, options.err};
    for (int to = 0; to < 3; ++to) {
        int from = wanted[to];
        if (to == 2 && !options.terminal.empty()) {
            actions.open_terminal(options.terminal.c_str(), to);
            continue;
        }
        if (from < 0 && to == 0) {
            actions.open_null(0);
            continue;
        }
        const long flags = descriptor_flags(from < 0 ? to : from);
        if (from < 0) {
            if (flags == -EBADF) actions.open_null(to); // else the first file that the child opens would become its stdout
            if (flags != FD_CLOEXEC) continue;          // inherited as it is
            from = to;
        }
        rc = flags;
        if (rc >= 0 && from <= 2) rc = dup_above(from, 3);
        if (rc < 0) return std::string(names[to]) + " from descriptor " + std::to_string(from);
        if (from <= 2) {
            kept[static_cast<std::size_t>(to)].reset(static_cast<int>(rc));
            from = static_cast<int>(rc);
        }
        actions.dup(from, to);
    }
    return {};
}

} // namespace detail

/// Starts a program. It begins with an empty signal mask, SIGPIPE and SIGCHLD at their defaults, and every descriptor of ours
/// that is not close-on-exec; the descriptors named in the options may be any, 0 to 2 and each other's targets included.
///
/// Errors: reason::system (or overloaded: out of descriptors or memory); the text names the program and says why it can't run.
/// Threads: any; not while another thread changes the environment.   Blocks: until the child has executed the program (about 300
/// µs).
inline result<process> spawn(const spawn_options& options) {
    std::array<unique_fd, 4> kept;
    const std::string shown = !options.path.empty() ? options.path : options.argv.empty() ? "a descriptor" : options.argv[0];
    std::string path = options.path;
    if (options.executable_fd >= 0) {
        int fd = options.executable_fd;
        if (fd <= 2) { // would be overwritten by the child's own 0, 1 or 2
            const long rc = dup_above(fd, 3);
            if (rc < 0) return failure("spawn(" + shown + "), executable", rc, fd);
            kept[3].reset(fd = static_cast<int>(rc));
        }
        path = detail::path_of_descriptor(fd);
    }
    detail::spawn_actions actions;
    const detail::spawn_attributes attributes(options);
    long rc = 0;
    if (const std::string what = detail::plan_stdio(options, actions, kept, rc); !what.empty()) {
        return failure("spawn(" + shown + "), " + what, rc);
    }
    const int prepared = actions.rc() != 0 ? actions.rc() : attributes.rc();
    if (prepared != 0) return failure("spawn(" + shown + ")", -prepared);

    std::vector<char*> argv;
    for (const auto& a : options.argv) argv.push_back(const_cast<char*>(a.c_str()));
    if (argv.empty()) argv.push_back(const_cast<char*>(shown.c_str())); // hardened kernels refuse an empty argument list
    argv.push_back(nullptr);
    std::vector<char*> changed;
    if (!options.environment.empty()) changed = detail::merged_environment(options.environment);
    char** const variables = changed.empty() ? environ : changed.data();

    ::pid_t pid = -1;
    rc = checked("posix_spawn", options.executable_fd, [&] {
        errno = ::posix_spawnp(&pid, path.c_str(), actions.get(), attributes.get(), argv.data(), variables);
        return errno == 0 ? 0 : -1;
    });
    if (rc < 0) return failure("spawn(" + shown + ")", rc);
    return process(pid);
}

} // namespace sys
} // namespace mitogen::inline MITOGEN_ABI

// ---- mitogen/connect/boot_plan.hpp ----
// boot_plan.hpp: what a connection method has to say about how its child is started, and what its failures mean.

namespace mitogen::inline MITOGEN_ABI {

/// Everything that is known when a child did not come up.
struct boot_failure {
    enum class how : std::uint8_t { ended, timed_out, confused };

    how what = how::ended;               ///< the connection ended; the deadline passed; what it said makes no sense
    bool stage_seen = false;             ///< the shell on the target has spoken
    std::string detail{};                ///< of `confused`: in words
    std::string words{};                 ///< last lines of stderr and stdout, most telling first; may be empty
    std::optional<exit_status> status{}; ///< of the process that was started here, where it has ended
};

/// One way to start one child. Made by a connection method; executed by basic_child.
struct boot_plan {
    std::string what{};                         ///< for messages: "local child", "ssh web1"
    std::string name{};                         ///< of the context, where the caller gave none
    sys::spawn_options start{};                 ///< descriptors are filled in later
    bool staged = false;                        ///< a POSIX shell speaks first and is then sent the program
    std::shared_ptr<sys::unique_fd> program{};  ///< what it is sent
    std::string program_path{};                 ///< where that was opened; empty: this program's own
    std::vector<detail::payload_file> others{}; ///< what is sent to machines that the program was not built for
    bool keep_program = true;                   ///< it may stay in a cache there, for the next time
    error (*explain)(const boot_plan&, const boot_failure&) = nullptr; ///< the error that a failure means
    std::string if_missing{};                                          ///< what to do where `start` cannot be started
    std::optional<prompter> prompts{};                                 ///< of a tool that may ask questions at its terminal
    duration_ns timeout = 30'000'000'000;                              ///< from start to hello
    limits bounds{};
    std::shared_ptr<void> held{}; ///< let go of when the process is reaped, or was never made
};

namespace detail {

inline std::string quoted_words(const boot_failure& f) { return f.words.empty() ? std::string() : "; it said:\n  " + f.words; }

inline std::string status_text(const boot_failure& f) { return f.status ? " (" + f.status->text() + ")" : std::string(); }

/// True if a shell ended so because it could not execute the program. POSIX says 126 for a program that is there; zsh says 127.
inline bool not_executed(const exit_status& s) noexcept { return s.signal == 0 && (s.code == 126 || s.code == 127); }

/// What a failure means where nothing more special is known.
inline error explain_boot(const boot_plan& plan, const boot_failure& f) {
    const std::string ms = std::to_string(plan.timeout / 1'000'000);
    switch (f.what) {
    case boot_failure::how::timed_out:
        return error(reason::connect_timeout, plan.what + ": no hello within " + ms +
                                                  " ms (connect_timeout): the program was started, but main() did not call "
                                                  "mitogen::init, or something before it hangs" +
                                                  quoted_words(f));
    case boot_failure::how::confused: return error(reason::connect, plan.what + ": " + f.detail + quoted_words(f));
    case boot_failure::how::ended: break;
    }
    error_detail d;
    d.has_status = f.status.has_value();
    if (d.has_status) d.status = *f.status;
    if (f.status && f.status->signal) {
        d.why = reason::end_of_file;
        d.text = plan.what + ": died before it said hello" + quoted_words(f);
    } else if (f.stage_seen && f.status && not_executed(*f.status)) {
        d.why = reason::payload;
        d.text = plan.what + ": the target cannot execute the program that it was sent" + quoted_words(f);
    } else {
        d.why = reason::no_init;
        d.text =
            plan.what +
            ": the program was started, but main() did not call mitogen::init; call it first thing in main, or use mitogen::run" +
            quoted_words(f);
    }
    return error(std::move(d));
}

} // namespace detail
} // namespace mitogen::inline MITOGEN_ABI

// ---- mitogen/wire/block_cache.hpp ----
// block_cache.hpp: keeps a few large blocks of memory for the next large message.

namespace mitogen::inline MITOGEN_ABI {
namespace wire {

/// One thread's spare blocks.
///
/// A fresh block of 1 MiB costs 256 page faults, together about 350 µs: more than carrying its contents to another process and
/// back. malloc gives such blocks back to the system each time, so the library keeps a few. At most `most_bytes` for each thread
/// that has sent or received large messages; freed when the thread ends.
class block_cache {
    struct block {
        void* memory;
        std::size_t capacity;
    };

    static constexpr std::size_t most_blocks = 4;
    static constexpr std::size_t most_bytes = 8u << 20;

    struct store {
        block blocks[most_blocks];
        std::size_t count;
        std::size_t bytes;
        bool closed; // the thread is at its end
    };
    struct closer {
        ~closer() {
            store& s = here();
            while (s.count) std::free(s.blocks[--s.count].memory);
            s.closed = true;
        }
    };

    static store& here() noexcept {
        static thread_local constinit store s{};
        return s;
    }

public:
    /// Blocks below this are left to malloc alone.
    static constexpr std::size_t least = 256 * 1024;

    /// A spare block of at least `capacity` bytes, which is set to its size; or null.
    static void* take(std::size_t& capacity) noexcept {
        store& s = here();
        for (std::size_t i = 0; i < s.count; ++i) {
            const block b = s.blocks[i];
            if (b.capacity < capacity || b.capacity / 4 > capacity) continue;
            s.blocks[i] = s.blocks[--s.count];
            s.bytes -= b.capacity;
            capacity = b.capacity;
            return b.memory;
        }
        return nullptr;
    }

    /// Keeps a block, or frees it.
    static void give(void* memory, std::size_t capacity) noexcept {
        static thread_local closer at_exit;
        (void)&at_exit;
        store& s = here();
        if (s.closed || s.count == most_blocks || s.bytes + capacity > most_bytes) return std::free(memory);
        s.blocks[s.count++] = {memory, capacity};
        s.bytes += capacity;
    }
};

} // namespace wire
} // namespace mitogen::inline MITOGEN_ABI

// ---- mitogen/wire/buffer.hpp ----
// buffer.hpp: bytes that grow without being zeroed and without being copied twice.

namespace mitogen::inline MITOGEN_ABI {

/// Owning bytes. Unlike std::vector<std::byte> it never zeroes what it is about to overwrite, and grows by realloc (which moves
/// pages instead of bytes where it can). New bytes have no defined value. As a contiguous range it converts to std::span.
///
/// Errors: out of memory is std::bad_alloc, or the end of the process without exceptions. Threads: as any value.
class buffer {
    std::byte* data_ = nullptr;
    std::size_t size_ = 0;
    std::size_t capacity_ = 0;

    [[noreturn]] MITOGEN_COLD static void out_of_memory() {
#if MITOGEN_HAS_EXCEPTIONS
        throw std::bad_alloc();
#else
        std::abort();
#endif
    }

    MITOGEN_COLD void reallocate(std::size_t capacity) {
        if (!data_ && capacity >= wire::block_cache::least) {
            if (void* spare = wire::block_cache::take(capacity)) {
                data_ = static_cast<std::byte*>(spare);
                capacity_ = capacity;
                return;
            }
        }
        auto* moved = static_cast<std::byte*>(std::realloc(data_, capacity));
        if (!moved) out_of_memory();
        data_ = moved;
        capacity_ = capacity;
    }

    void release() noexcept {
        if (capacity_ >= wire::block_cache::least) {
            wire::block_cache::give(data_, capacity_);
        } else {
            std::free(data_);
        }
    }

    void grow(std::size_t least) {
        if (least < size_) out_of_memory(); // the sum has wrapped
        std::size_t capacity = capacity_ + capacity_ / 2;
        if (capacity < least) capacity = least;
        reallocate(capacity < 64 ? 64 : capacity);
    }

public:
    using value_type = std::byte;

    buffer() = default;

    /// `size` bytes of no defined value.
    explicit buffer(std::size_t size) { resize(size); }

    /// A copy of `bytes`.
    explicit buffer(std::span<const std::byte> bytes) { append(bytes.data(), bytes.size()); }

    buffer(buffer&& other) noexcept
        : data_(std::exchange(other.data_, nullptr)), size_(std::exchange(other.size_, 0)),
          capacity_(std::exchange(other.capacity_, 0)) {}

    buffer& operator=(buffer&& other) noexcept {
        std::swap(data_, other.data_);
        std::swap(size_, other.size_);
        std::swap(capacity_, other.capacity_);
        other.reset();
        return *this;
    }

    ~buffer() { release(); }

    std::byte* data() noexcept { return data_; }
    const std::byte* data() const noexcept { return data_; }
    std::size_t size() const noexcept { return size_; }
    std::size_t capacity() const noexcept { return capacity_; }
    bool empty() const noexcept { return size_ == 0; }
    std::byte* begin() noexcept { return data_; }
    std::byte* end() noexcept { return data_ + size_; }
    const std::byte* begin() const noexcept { return data_; }
    const std::byte* end() const noexcept { return data_ + size_; }
    std::byte& operator[](std::size_t i) noexcept { return data_[i]; }
    const std::byte& operator[](std::size_t i) const noexcept { return data_[i]; }

    /// Makes the size `size`; bytes that are added have no defined value.
    void resize(std::size_t size) {
        if (size > capacity_) grow(size);
        size_ = size;
    }

    /// Makes room for `capacity` bytes in all.
    void reserve(std::size_t capacity) {
        if (capacity > capacity_) reallocate(capacity);
    }

    /// Adds `size` bytes of no defined value and returns where they begin.
    std::byte* extend(std::size_t size) {
        const std::size_t old = size_;
        if (size > capacity_ - size_) grow(size_ + size);
        size_ = old + size;
        return data_ + old;
    }

    /// Adds a copy of `size` bytes; they must not be this buffer's own.
    void append(const void* bytes, std::size_t size) {
        if (size != 0) std::memcpy(extend(size), bytes, size);
    }

    /// Forgets the bytes and keeps the memory.
    void clear() noexcept { size_ = 0; }

    /// Gives the memory back.
    void reset() noexcept {
        release();
        data_ = nullptr;
        size_ = capacity_ = 0;
    }
};

static_assert(std::is_convertible_v<const buffer&, std::span<const std::byte>> &&
              std::is_convertible_v<buffer&, std::span<std::byte>>);

} // namespace mitogen::inline MITOGEN_ABI

// ---- mitogen/wire/fields.hpp ----
// fields.hpp: the members of an aggregate as a tuple of references, from Boost.PFR.

namespace mitogen::inline MITOGEN_ABI {
#if MITOGEN_HAS_PFR
namespace wire {

// The members are counted here and only bound by PFR, whose own count tries references too: that is an error
// inside a vector of unique_ptr (clang 14), and an internal error of g++ 12 (check_noexcept_r) where there is a
// std::array<std::string, 2>.
template <class T>
struct any_but {
    template <class U>
        requires(!std::is_same_v<U, T>)
    operator U() const;
};

template <class T, std::size_t... I>
concept takes = requires { T{(void(I), any_but<T>{})...}; };

// PFR binds at most that many.
inline constexpr std::size_t most_fields = 100;

template <class T, std::size_t... I>
consteval std::size_t count_fields(std::index_sequence<I...>) {
    if constexpr (sizeof...(I) <= most_fields && takes<T, I..., 0>) return count_fields<T>(std::index_sequence<I..., 0>{});
    else return sizeof...(I);
}

// {} initialises one whole member, and a C array takes several of the values that were counted: then too many are left.
template <class T, std::size_t... Before, std::size_t... After>
consteval bool one_member(std::index_sequence<Before...>, std::index_sequence<After...>) {
    return !requires { T{(void(Before), any_but<T>{})..., {}}; } ||
           requires { T{(void(Before), any_but<T>{})..., {}, (void(After), any_but<T>{})...}; };
}

template <class T, std::size_t... I>
consteval bool no_arrays(std::index_sequence<I...>) {
    return (... && one_member<T>(std::make_index_sequence<I>{}, std::make_index_sequence<sizeof...(I) - 1 - I>{}));
}

template <class T>
struct field_count {
    static constexpr std::size_t counted = count_fields<T>(std::index_sequence<>{});
    static_assert(counted <= most_fields,
                  "mitogen: an aggregate of more than 100 members (an array of n elements counts n times) is too large for "
                  "Boost.PFR; nest it, use std::array, or describe it with BOOST_DESCRIBE_STRUCT");
    static constexpr bool plain = counted > most_fields || no_arrays<T>(std::make_index_sequence<counted>{});
    static_assert(
        plain,
        "mitogen: Boost.PFR cannot see C arrays in an aggregate; use std::array, or describe it with BOOST_DESCRIBE_STRUCT "
        "(T, named beside this message, is the aggregate)");
    static constexpr std::size_t value = counted <= most_fields && plain ? counted : 0;
};

template <template <class...> class Tuple, class... References>
constexpr auto to_std(const Tuple<References...>& bound) noexcept {
    return [&bound]<std::size_t... I>(std::index_sequence<I...>) {
        return std::tuple<References...>(boost::pfr::detail::sequence_tuple::get<I>(bound)...);
    }(std::index_sequence_for<References...>{});
}

/// A std::tuple of references to the members of `value`.
template <class T>
constexpr auto tie_fields(T& value) noexcept {
    using count = std::integral_constant<std::size_t, field_count<std::remove_cv_t<T>>::value>;
    if constexpr (count::value == 0) return std::tuple<>();
    else if constexpr (requires { boost::pfr::detail::tie_as_tuple(value, count{}); })
        return to_std(boost::pfr::detail::tie_as_tuple(value, count{}));
    else return boost::pfr::structure_tie(value); // where PFR uses the language's own packs, it has nothing to count
}

template <class>
struct referred;
template <class... Ts>
struct referred<std::tuple<Ts&...>> {
    using type = parts<Ts...>;
};

/// The types of the members of `T`, in order.
template <class T>
using fields_of = typename referred<decltype(tie_fields(std::declval<T&>()))>::type;

} // namespace wire
#endif
} // namespace mitogen::inline MITOGEN_ABI

// ---- mitogen/wire/record.hpp ----
// record.hpp: several values one after another: the common part of tuples, pairs, aggregates and described classes.

namespace mitogen::inline MITOGEN_ABI {
namespace wire {

/// Values of the types `Ts` in this order. Neighbours whose bytes are their wire form, and that lie side by side in memory, are
/// copied at once.
template <class... Ts>
struct record {
    static constexpr std::size_t count = sizeof...(Ts);
    static constexpr bool is_fixed = (... && fixed_of<Ts>());
    static constexpr std::size_t least = (std::size_t{0} + ... + least_of<Ts>());

    template <std::size_t I>
    using type_at = std::tuple_element_t<I, std::tuple<Ts...>>;

    // run[i]: how many fields from i on are bulk; 0 within a run that began before i.
    static constexpr auto runs = [] {
        std::array<std::size_t, count + 1> run{};
        constexpr std::array<bool, count + 1> bulk{bulk_of<Ts>()..., false};
        for (std::size_t i = 0; i < count;) {
            std::size_t end = i + 1;
            while (bulk[i] && bulk[end]) ++end;
            run[i] = end - i;
            i = end;
        }
        return run;
    }();

    // Bytes of the fields [I, I + N).
    template <std::size_t I, std::size_t N>
    static constexpr std::size_t run_bytes = []<std::size_t... J>(std::index_sequence<J...>) {
        return (std::size_t{0} + ... + least_of<type_at<I + J>>());
    }(std::make_index_sequence<N>{});

    static std::size_t size(const Ts&... values) {
        return (std::size_t{0} + ... + size_of<Ts>(values));
    }

    /// `fields` is a tuple of references into the object at `base`.
    template <class Fields>
    [[gnu::always_inline]] static inline void encode(writer& w, const void* base, const Fields& fields) {
        [&]<std::size_t... I>(std::index_sequence<I...>) __attribute__((always_inline)) {
            (encode_at<I>(w, static_cast<const std::byte*>(base), fields), ...);
        }(std::make_index_sequence<count>{});
    }

    template <class Fields>
    [[gnu::always_inline]] static inline bool decode(reader& r, void* base, Fields&& fields) {
        return [&]<std::size_t... I>(std::index_sequence<I...>) __attribute__((always_inline)) {
            return (... && decode_at<I>(r, static_cast<std::byte*>(base), fields));
        }(std::make_index_sequence<count>{});
    }

private:
    // Where field I begins and whether the run from I lies side by side: constants, once the optimiser has seen the addresses.
    template <std::size_t I, class Fields>
    [[gnu::always_inline]] static inline std::size_t offset(const std::byte* base, const Fields& fields) noexcept {
        return static_cast<std::size_t>(reinterpret_cast<const std::byte*>(&std::get<I>(fields)) - base);
    }

    template <std::size_t I, class Fields>
    [[gnu::always_inline]] static inline bool adjacent(const std::byte* base, const Fields& fields) noexcept {
        return [&]<std::size_t... J>(std::index_sequence<J...>) __attribute__((always_inline)) {
            return (... && (offset<I + J>(base, fields) + least_of<type_at<I + J>>() == offset<I + J + 1>(base, fields)));
        }(std::make_index_sequence<runs[I] - 1>{});
    }

    template <std::size_t I, class Fields>
    [[gnu::always_inline]] static inline void encode_at(writer& w, const std::byte* base, const Fields& fields) {
        if constexpr (runs[I] == 1) {
            codec<type_at<I>>::encode(w, std::get<I>(fields));
        } else if constexpr (runs[I] > 1) {
            if (adjacent<I>(base, fields)) {
                w.put(base + offset<I>(base, fields), run_bytes<I, runs[I]>);
            } else {
                [&]<std::size_t... J>(std::index_sequence<J...>) {
                    (codec<type_at<I + J>>::encode(w, std::get<I + J>(fields)), ...);
                }(std::make_index_sequence<runs[I]>{});
            }
        }
    }

    template <std::size_t I, class Fields>
    [[gnu::always_inline]] static inline bool decode_at(reader& r, std::byte* base, Fields& fields) {
        if constexpr (runs[I] == 1) {
            return codec<type_at<I>>::decode(r, std::get<I>(fields));
        } else if constexpr (runs[I] > 1) {
            if (r.remaining() >= run_bytes<I, runs[I]> && adjacent<I>(base, fields)) {
                constexpr std::size_t bytes = run_bytes<I, runs[I]>;
                std::memcpy(base + offset<I>(base, fields), r.take(bytes), bytes);
                return true;
            }
            return [&]<std::size_t... J>(std::index_sequence<J...>) {
                return (... && codec<type_at<I + J>>::decode(r, std::get<I + J>(fields)));
            }(std::make_index_sequence<runs[I]>{});
        } else {
            return true; // copied with the run that it belongs to
        }
    }
};

} // namespace wire
} // namespace mitogen::inline MITOGEN_ABI

// ---- mitogen/wire/aggregate.hpp ----
// aggregate.hpp: the wire form of plain structs, member after member, through Boost.PFR.

namespace mitogen::inline MITOGEN_ABI {
#if MITOGEN_HAS_PFR
namespace wire {

template <class T, class Fields>
struct aggregate_members;

template <class T, class... Fields>
struct aggregate_members<T, wire::parts<Fields...>> {
    using record = wire::record<Fields...>;

    // No byte belongs to no member: the whole may be copied.
    static constexpr bool is_bulk =
        sizeof...(Fields) != 0 && std::is_trivially_copyable_v<T> && (... && bulk_of<Fields>()) && record::least == sizeof(T);

    static void signature(signature_sink& s) { s.put('{').list<Fields...>(',').put('}'); }
};

template <class T>
struct shaped<T, shape::aggregate> {
    using parts = fields_of<T>;
    using members = aggregate_members<T, parts>;
    using record = typename members::record;

    static constexpr bool is_fixed = record::is_fixed;
    static constexpr std::size_t least = record::least;
    static constexpr bool is_bulk = members::is_bulk;

    static std::size_t size(const T& value) {
        return std::apply([](const auto&... member) { return record::size(member...); }, tie_fields(value));
    }
    static void encode(writer& w, const T& value) {
        if constexpr (is_bulk) w.put(&value, sizeof(T));
        else record::encode(w, &value, tie_fields(value));
    }
    static bool decode(reader& r, T& value) {
        if constexpr (is_bulk) {
            const std::byte* from = r.take(sizeof(T));
            if (!from) [[unlikely]] return r.expected(&signature);
            std::memcpy(static_cast<void*>(&value), from, sizeof(T));
            return true;
        } else {
            return record::decode(r, &value, tie_fields(value));
        }
    }
    static void signature(signature_sink& s) { members::signature(s); }
};

} // namespace wire
#endif
} // namespace mitogen::inline MITOGEN_ABI

// ---- mitogen/wire/blob.hpp ----
// blob.hpp: owning bytes as an argument or a result.

namespace mitogen::inline MITOGEN_ABI {

/// Bytes of any content: a file, an image, another program's message. A value; moving is cheap, copying copies.
///
/// Unlike std::vector<std::byte> it is never zeroed before it is filled. Threads: as any value.
class blob {
    buffer bytes_;

public:
    using value_type = std::byte;

    blob() = default;

    /// Takes the bytes over.
    blob(buffer bytes) noexcept : bytes_(std::move(bytes)) {}

    /// `size` bytes of no defined value.
    explicit blob(std::size_t size) : bytes_(size) {}

    /// Copies of `bytes`.
    explicit blob(std::span<const std::byte> bytes) : bytes_(bytes) {}
    explicit blob(std::string_view bytes) { bytes_.append(bytes.data(), bytes.size()); }
    blob(const void* bytes, std::size_t size) { bytes_.append(bytes, size); }

    blob(const blob& other) : bytes_(std::span<const std::byte>(other.bytes_)) {}
    blob(blob&&) noexcept = default;
    blob& operator=(const blob& other) {
        if (this != &other) {
            bytes_.clear();
            bytes_.append(other.data(), other.size());
        }
        return *this;
    }
    blob& operator=(blob&&) noexcept = default;
    ~blob() = default;

    std::byte* data() noexcept { return bytes_.data(); }
    const std::byte* data() const noexcept { return bytes_.data(); }
    std::size_t size() const noexcept { return bytes_.size(); }
    bool empty() const noexcept { return bytes_.empty(); }
    std::byte* begin() noexcept { return bytes_.begin(); }
    std::byte* end() noexcept { return bytes_.end(); }
    const std::byte* begin() const noexcept { return bytes_.begin(); }
    const std::byte* end() const noexcept { return bytes_.end(); }
    std::byte& operator[](std::size_t i) noexcept { return bytes_[i]; }
    const std::byte& operator[](std::size_t i) const noexcept { return bytes_[i]; }

    /// Makes the size `size`; bytes that are added have no defined value.
    void resize(std::size_t size) { bytes_.resize(size); }

    /// The same bytes, seen as characters.
    std::string_view text() const noexcept { return {reinterpret_cast<const char*>(data()), size()}; }

    /// Gives the bytes away; the blob is empty afterwards.
    buffer take() noexcept { return std::move(bytes_); }

    friend bool operator==(const blob& a, const blob& b) noexcept { return a.text() == b.text(); }
};

template <>
struct codec<blob> {
    static constexpr std::size_t least = 4;

    static std::size_t size(const blob& bytes) noexcept { return 4 + bytes.size(); }
    static void encode(writer& w, const blob& bytes) noexcept {
        w.put_count(bytes.size());
        w.put(bytes.data(), bytes.size());
    }
    static bool decode(reader& r, blob& bytes) {
        std::size_t count = 0;
        if (!r.take_count(count, 1)) [[unlikely]] return r.expected(&signature);
        bytes.resize(count);
        if (count != 0) std::memcpy(bytes.data(), r.take(count), count);
        return true;
    }
    static void signature(signature_sink& s) { s.put("blob"); }
};

} // namespace mitogen::inline MITOGEN_ABI

// ---- mitogen/wire/check.hpp ----
// check.hpp: finds the type that cannot travel, however deep it is, and says what to do about it in one line.

namespace mitogen::inline MITOGEN_ABI {
namespace wire {

/// A step on the way to the type that has no codec: the part of `Whole` (element, member, alternative) with that index, from 0.
template <class Whole, std::size_t Index>
struct part_of;

template <class>
inline constexpr bool never_true = false;

/// Fails to compile. Compilers print `T`, and `Reached` as the way from the type that was to travel.
template <class T, class... Reached>
constexpr void no_codec() {
    if constexpr (std::is_pointer_v<T> || std::is_member_pointer_v<T> || std::is_null_pointer_v<T>)
        static_assert(never_true<T>,
                      "mitogen: a pointer means nothing in another process; send the value itself, a std::optional or a "
                      "std::unique_ptr (T, named beside this message, is the type)");
    else if constexpr (std::is_const_v<T> || std::is_volatile_v<T> || std::is_reference_v<T>)
        static_assert(never_true<T>,
                      "mitogen: nothing can be decoded into a const, volatile or reference member; make it an ordinary one "
                      "(T, named beside this message, is its type)");
    else if constexpr (std::is_same_v<T, long double>)
        static_assert(never_true<T>, "mitogen: long double has another format on every kind of machine; send a double");
    else if constexpr (std::is_class_v<T> && !std::is_default_constructible_v<T>)
        static_assert(never_true<T>,
                      "mitogen: T, named beside this message, has no default constructor, which decoding needs; give it one or "
                      "specialise mitogen::codec<T>");
    else if constexpr (!MITOGEN_HAS_PFR && plain_aggregate<T>)
        static_assert(never_true<T>,
                      "mitogen: the aggregate T, named beside this message, travels through Boost.PFR, which is not on the "
                      "include path; install Boost 1.81 or newer (Debian: libboost-dev) or specialise mitogen::codec<T>");
    else if constexpr (std::is_aggregate_v<T> && std::is_class_v<T>)
        static_assert(never_true<T>,
                      "mitogen: the aggregate T, named beside this message, has base classes, which Boost.PFR cannot see; "
                      "describe it with BOOST_DESCRIBE_STRUCT (Boost 1.81 or newer; Debian: libboost-dev)");
    else
        static_assert(never_true<T>,
                      "mitogen: T, named beside this message, has no codec; make it an aggregate, describe it with "
                      "BOOST_DESCRIBE_CLASS (Boost 1.81 or newer; Debian: libboost-dev) or specialise mitogen::codec<T>");
}

/// A type without a codec: whoever uses one all the same gets the message of no_codec(), once.
template <class T>
struct shaped<T, shape::none> {
    static constexpr bool is_missing = true;

    static std::size_t size(const T&) { return no_codec<T>(), std::size_t{0}; }
    static void encode(writer&, const T&) { no_codec<T>(); }
    static bool decode(reader&, T&) { return no_codec<T>(), false; }
    static void signature(signature_sink&) { no_codec<T>(); }
};

template <class T, class... Outer>
consteval bool travels();

template <class... Outer, class... Ts>
consteval bool all_travel(parts<Ts...>) {
    return (... && travels<Ts, Outer...>());
}

// Outer are the types that we are inside of: a type that contains itself is looked at once.
template <class T, class... Outer>
consteval bool travels() {
    if constexpr (missing<T>()) return false;
    else if constexpr ((... || std::is_same_v<T, Outer>)) return true;
    else if constexpr (requires { typename codec<T>::parts; }) return all_travel<T, Outer...>(typename codec<T>::parts{});
    else return true;
}

template <class T, class... Outer>
consteval bool may_hold();

template <class... Outer, class... Ts>
consteval bool any_may_hold(parts<Ts...>) {
    return (... || may_hold<Ts, Outer...>());
}

// True where decoding may leave memory with the reader that the value points into.
template <class T, class... Outer>
consteval bool may_hold() {
    if constexpr ((... || std::is_same_v<T, Outer>)) return false;
    else if constexpr (requires { requires codec<T>::may_hold; }) return true;
    else if constexpr (requires { typename codec<T>::parts; }) return any_may_hold<T, Outer...>(typename codec<T>::parts{});
    else return false;
}

template <class T, class... Reached>
constexpr void blame();

template <class Whole, class... Reached, class... Ts, std::size_t... I>
constexpr void blame_first(parts<Ts...>, std::index_sequence<I...>) {
    constexpr bool fine[] = {travels<Ts>()..., false};
    constexpr std::size_t culprit = [&fine] {
        std::size_t i = 0;
        while (fine[i]) ++i;
        return i;
    }();
    ([] { if constexpr (I == culprit) blame<Ts, Reached..., part_of<Whole, I>>(); }(), ...);
}

// Walks to the first type without a codec.
template <class T, class... Reached>
constexpr void blame() {
    if constexpr (missing<T>()) {
        no_codec<T, Reached...>();
    } else if constexpr (requires { typename codec<T>::parts; }) {
        []<class... Ts>(parts<Ts...> p) {
            blame_first<T, Reached...>(p, std::index_sequence_for<Ts...>{});
        }(typename codec<T>::parts{});
    }
}

/// Fails to compile with the reason why `T` does not travel, where it does not.
template <class T>
constexpr void require() {
    if constexpr (!travels<T>()) blame<T>();
}

} // namespace wire

/// Types that can be arguments and results: all that they consist of has a codec.
template <class T>
concept wire_type = wire::travels<T>();

} // namespace mitogen::inline MITOGEN_ABI

// ---- mitogen/wire/containers.hpp ----
// containers.hpp: the wire forms of sequences and of the adaptors over them: a count, then the elements.

namespace mitogen::inline MITOGEN_ABI {
namespace wire {

template <class Container>
inline std::size_t size_range(const Container& values) {
    using element = typename Container::value_type;
    if constexpr (fixed_of<element>()) {
        return values.size() * least_of<element>();
    } else {
        std::size_t size = 0;
        for (const element& value : values) size += codec<element>::size(value);
        return size;
    }
}

template <class Container>
inline void encode_range(writer& w, const Container& values) {
    using element = typename Container::value_type;
    for (const element& value : values) codec<element>::encode(w, value);
}

// Elements may hold containers in their turn, of this very type too: only those count as a level.
template <class Element>
struct level {
    bool entered;
    reader& r;
    explicit level(reader& from) noexcept : entered(fixed_of<Element>() || from.enter()), r(from) {}
    level(level&&) = delete;
    ~level() {
        if (!fixed_of<Element>() && entered) r.leave();
    }
    explicit operator bool() const noexcept { return entered; }
};

template <class Bits>
inline void encode_bits(writer& w, const Bits& bits) {
    for (std::size_t i = 0; i < bits.size(); i += 8) {
        unsigned byte = 0;
        for (std::size_t j = 0; j < 8 && i + j < bits.size(); ++j) byte |= unsigned{bits[i + j]} << j;
        w.put_u8(static_cast<std::uint8_t>(byte));
    }
}

// Into bits that are all false.
template <class Bits>
inline bool decode_bits(reader& r, Bits& bits) {
    for (std::size_t i = 0; i < bits.size(); i += 8) {
        std::uint8_t byte = 0;
        if (!r.take_scalar(byte)) [[unlikely]] return false;
        for (std::size_t j = 0; j < 8 && i + j < bits.size(); ++j) {
            if (byte >> j & 1) bits[i + j] = true;
        }
        if (bits.size() - i < 8 && byte >> (bits.size() - i) != 0) [[unlikely]]
            return r.fail("bits after the last one:", byte, 1);
    }
    return true;
}

/// Reads unaligned elements one at a time: lets a vector be filled from received bytes without first being filled with zeros.
template <class T>
struct packed_iterator {
    using iterator_category = std::random_access_iterator_tag;
    using value_type = T;
    using difference_type = std::ptrdiff_t;
    using pointer = const T*;
    using reference = T;

    const std::byte* at;

    T operator*() const noexcept {
        T value;
        std::memcpy(static_cast<void*>(&value), at, sizeof(T));
        return value;
    }
    packed_iterator& operator++() noexcept {
        at += sizeof(T);
        return *this;
    }
    packed_iterator operator++(int) noexcept {
        packed_iterator old = *this;
        at += sizeof(T);
        return old;
    }
    packed_iterator& operator--() noexcept {
        at -= sizeof(T);
        return *this;
    }
    packed_iterator& operator+=(difference_type n) noexcept {
        at += n * static_cast<difference_type>(sizeof(T));
        return *this;
    }
    friend packed_iterator operator+(packed_iterator i, difference_type n) noexcept { return i += n; }
    friend difference_type operator-(packed_iterator a, packed_iterator b) noexcept {
        return (a.at - b.at) / static_cast<difference_type>(sizeof(T));
    }
    friend bool operator==(packed_iterator, packed_iterator) = default;
};

} // namespace wire

/// Bits, eight to a byte, the first one lowest; those after the last are zero.
template <class Allocator>
struct codec<std::vector<bool, Allocator>> {
    using type = std::vector<bool, Allocator>;

    static constexpr std::size_t least = 4;

    static std::size_t size(const type& bits) noexcept { return 4 + (bits.size() + 7) / 8; }
    static void encode(writer& w, const type& bits) {
        w.put_count(bits.size());
        wire::encode_bits(w, bits);
    }
    static bool decode(reader& r, type& bits) {
        std::size_t count = 0;
        if (!r.take_bit_count(count)) [[unlikely]] return r.expected(&signature);
        bits.assign(count, false);
        return wire::decode_bits(r, bits) || r.expected(&signature);
    }
    static void signature(signature_sink& s) { s.put("[bit]"); }
};

namespace wire {

// A vector cannot grow without writing something into the new elements: a page at a time, so that what is then copied over it
// finds it cached.
template <class Vector>
inline void fill_by_pages(Vector& values, const std::byte* from, std::size_t count) {
    using element = typename Vector::value_type;
    constexpr std::size_t page = sizeof(element) < 4096 ? 4096 / sizeof(element) : 1;
    if (values.size() > count) values.resize(count);
    values.reserve(count);
    std::size_t done = 0;
    while (done < count) {
        if (done == values.size()) values.resize(count - done < page ? count : done + page);
        const std::size_t step = values.size() - done;
        std::memcpy(static_cast<void*>(values.data() + done), from + done * sizeof(element), step * sizeof(element));
        done += step;
    }
}

template <class Vector>
inline void fill(Vector& values, const std::byte* from, std::size_t count) {
    using element = typename Vector::value_type;
    const std::size_t bytes = count * sizeof(element);
    if (const element* aligned = view_in_place<element>(from)) values.assign(aligned, aligned + count);
    else if (bytes <= 1024) values.assign(packed_iterator<element>{from}, packed_iterator<element>{from + bytes});
    else fill_by_pages(values, from, count);
}

} // namespace wire

template <class T, class Allocator>
struct codec<std::vector<T, Allocator>> {
    using type = std::vector<T, Allocator>;
    using parts = wire::parts<T>;

    static constexpr std::size_t least = 4;

    static std::size_t size(const type& values) { return 4 + wire::size_elements(values.data(), values.size()); }
    static void encode(writer& w, const type& values) {
        w.put_count(values.size());
        wire::encode_elements(w, values.data(), values.size());
    }
    static bool decode(reader& r, type& values) {
        std::size_t count = 0;
        if (!r.take_count(count, wire::least_of<T>())) [[unlikely]] return r.expected(&signature);
        if constexpr (wire::bulk_of<T>()) {
            wire::fill(values, r.take(count * sizeof(T)), count);
            return true;
        } else {
            const wire::level<T> depth(r);
            if (!depth) [[unlikely]] return false;
            values.clear();
            values.resize(count);
            return wire::decode_elements(r, values.data(), count);
        }
    }
    static void signature(signature_sink& s) { s.put('[').template add<T>().put(']'); }
};

namespace wire {

/// std::deque, std::list and whatever else has push_back(): the same wire form as a vector.
template <class T>
struct shaped<T, shape::sequence> {
    using element = typename T::value_type;
    using parts = wire::parts<element>;

    static constexpr std::size_t least = 4;

    static std::size_t size(const T& values) { return 4 + size_range(values); }
    static void encode(writer& w, const T& values) {
        w.put_count(values.size());
        encode_range(w, values);
    }
    static bool decode(reader& r, T& values) {
        std::size_t count = 0;
        if (!r.take_count(count, least_of<element>())) [[unlikely]] return r.expected(&signature);
        const level<element> depth(r);
        if (!depth) [[unlikely]] return false;
        values.clear();
        if constexpr (requires { values.reserve(count); }) values.reserve(count);
        for (; count != 0; --count) {
            values.push_back(element());
            if (!codec<element>::decode(r, values.back())) [[unlikely]] return false;
        }
        return true;
    }
    static void signature(signature_sink& s) { s.put('[').template add<element>().put(']'); }
};

template <class T>
struct shaped<T, shape::forward_list> {
    using element = typename T::value_type;
    using parts = wire::parts<element>;

    static constexpr std::size_t least = 4;

    static std::size_t size(const T& values) {
        std::size_t size = 4;
        for (const element& value : values) size += size_of<element>(value);
        return size;
    }
    static void encode(writer& w, const T& values) {
        std::byte* const count_at = w.skip(4); // the list does not know its length
        std::uint32_t count = 0;
        for (const element& value : values) {
            codec<element>::encode(w, value);
            ++count;
        }
        store(count_at, count);
    }
    static bool decode(reader& r, T& values) {
        std::size_t count = 0;
        if (!r.take_count(count, least_of<element>())) [[unlikely]] return r.expected(&signature);
        const level<element> depth(r);
        if (!depth) [[unlikely]] return false;
        values.clear();
        for (auto last = values.before_begin(); count != 0; --count) {
            last = values.insert_after(last, element());
            if (!codec<element>::decode(r, *last)) [[unlikely]] return false;
        }
        return true;
    }
    static void signature(signature_sink& s) { s.put('[').template add<element>().put(']'); }
};

// The container of an adaptor is a protected member by the standard's own wording, so that derived classes may use it.
template <class T>
struct adaptor_access : T {
    using container_type = typename T::container_type;
    static container_type& container(T& adaptor) noexcept { return adaptor.*(&adaptor_access::c); }
    static const container_type& container(const T& adaptor) noexcept { return adaptor.*(&adaptor_access::c); }
    static auto& compare(T& adaptor) noexcept { return adaptor.*(&adaptor_access::comp); }
};

/// std::stack, std::queue and std::priority_queue: the wire form of the container inside.
template <class T>
struct shaped<T, shape::adaptor> {
    using container = typename T::container_type;
    using access = adaptor_access<T>;
    using parts = wire::parts<container>;

    static constexpr std::size_t least = 4;

    static std::size_t size(const T& values) { return codec<container>::size(access::container(values)); }
    static void encode(writer& w, const T& values) { codec<container>::encode(w, access::container(values)); }
    static bool decode(reader& r, T& values) {
        if (!codec<container>::decode(r, access::container(values))) [[unlikely]] return false;
        if constexpr (requires { typename T::value_compare; }) {
            // Nobody promised that what arrived is a heap: build one.
            values = T(access::compare(values), std::move(access::container(values)));
        }
        return true;
    }
    static void signature(signature_sink& s) { codec<container>::signature(s); }
};

} // namespace wire
} // namespace mitogen::inline MITOGEN_ABI

// ---- mitogen/wire/compounds.hpp ----
// compounds.hpp: the wire forms of arrays, pairs, tuples, optionals, variants, owning pointers, bitsets and std::expected.

namespace mitogen::inline MITOGEN_ABI {
namespace wire {

/// A number of elements that both sides know: no count travels.
template <class T, std::size_t N>
struct array_codec {
    using parts = wire::parts<T>;

    static constexpr bool is_fixed = fixed_of<T>();
    static constexpr std::size_t least = N * least_of<T>();
    static constexpr bool is_bulk = bulk_of<T>() && N != 0;

    static std::size_t size_elements(const T* first) { return wire::size_elements(first, N); }
    static void signature(signature_sink& s) { s.put('[').template add<T>().put(';').put_number(N).put(']'); }
};

// A byte that says whether something follows: a bool with a message of its own.
inline bool decode_flag(reader& r, bool& present, void (*signature)(signature_sink&)) noexcept {
    std::uint8_t byte = 0;
    if (!r.take_scalar(byte)) [[unlikely]] return r.expected(signature);
    if (byte > 1) [[unlikely]] return r.fail("a presence flag that is neither 0 nor 1:", byte, 1) || r.expected(signature);
    present = byte != 0;
    return true;
}

} // namespace wire

template <class T, std::size_t N>
struct codec<std::array<T, N>> : wire::array_codec<T, N> {
    static std::size_t size(const std::array<T, N>& values) { return wire::size_elements(values.data(), N); }
    static void encode(writer& w, const std::array<T, N>& values) { wire::encode_elements(w, values.data(), N); }
    static bool decode(reader& r, std::array<T, N>& values) { return wire::decode_elements(r, values.data(), N); }
};

template <class T, std::size_t N>
struct codec<T[N]> : wire::array_codec<T, N> {
    static std::size_t size(const T (&values)[N]) { return wire::size_elements(values, N); }
    static void encode(writer& w, const T (&values)[N]) { wire::encode_elements(w, values, N); }
    static bool decode(reader& r, T (&values)[N]) { return wire::decode_elements(r, values, N); }
};

template <class... Ts>
struct codec<std::tuple<Ts...>> {
    using type = std::tuple<Ts...>;
    using record = wire::record<Ts...>;
    using parts = wire::parts<Ts...>;

    static constexpr bool is_fixed = record::is_fixed;
    static constexpr std::size_t least = record::least;

    static std::size_t size(const type& values) { return std::apply(&record::size, values); }
    static void encode(writer& w, const type& values) { record::encode(w, &values, values); }
    static bool decode(reader& r, type& values) { return record::decode(r, &values, values); }
    static void signature(signature_sink& s) { s.put('(').template list<Ts...>(',').put(')'); }
};

template <class A, class B>
struct codec<std::pair<A, B>> {
    using type = std::pair<A, B>;
    using record = wire::record<A, B>;
    using parts = wire::parts<A, B>;

    static constexpr bool is_fixed = record::is_fixed;
    static constexpr std::size_t least = record::least;

    static std::size_t size(const type& values) { return record::size(values.first, values.second); }
    static void encode(writer& w, const type& values) { record::encode(w, &values, values); }
    static bool decode(reader& r, type& values) { return record::decode(r, &values, values); }
    static void signature(signature_sink& s) { s.put('(').template list<A, B>(',').put(')'); }
};

template <>
struct codec<std::monostate> {
    static constexpr bool is_fixed = true;
    static constexpr std::size_t least = 0;

    static void encode(writer&, std::monostate) noexcept {}
    static bool decode(reader&, std::monostate&) noexcept { return true; }
    static void signature(signature_sink& s) { s.put("()"); }
};

/// A byte 0, or a byte 1 and the value.
template <class T>
struct codec<std::optional<T>> {
    using parts = wire::parts<T>;

    static constexpr std::size_t least = 1;

    static std::size_t size(const std::optional<T>& value) { return value ? 1 + wire::size_of<T>(*value) : 1; }
    static void encode(writer& w, const std::optional<T>& value) {
        w.put_u8(value.has_value());
        if (value) codec<T>::encode(w, *value);
    }
    static bool decode(reader& r, std::optional<T>& value) {
        bool present = false;
        if (!wire::decode_flag(r, present, &signature)) [[unlikely]] return false;
        if (present) return codec<T>::decode(r, value.emplace());
        value.reset();
        return true;
    }
    static void signature(signature_sink& s) { s.put('?').template add<T>(); }
};

/// As an optional; null where it holds nothing. Sharing, cycles and derived classes do not travel.
template <class T>
    requires(!std::is_array_v<T> && (!std::is_polymorphic_v<T> || std::is_final_v<T>))
struct codec<std::unique_ptr<T>> {
    using parts = wire::parts<T>;

    static constexpr std::size_t least = 1;

    static std::size_t size(const std::unique_ptr<T>& value) { return value ? 1 + wire::size_of<T>(*value) : 1; }
    static void encode(writer& w, const std::unique_ptr<T>& value) {
        w.put_u8(value != nullptr);
        if (value) codec<T>::encode(w, *value);
    }
    static bool decode(reader& r, std::unique_ptr<T>& value) {
        bool present = false;
        if (!wire::decode_flag(r, present, &signature)) [[unlikely]] return false;
        value.reset();
        if (!present) return true;
        const depth_guard depth(r);
        if (!depth) [[unlikely]] return false;
        value = std::make_unique<T>();
        return codec<T>::decode(r, *value);
    }
    static void signature(signature_sink& s) { s.put('?').template add<T>(); }
};

/// The index of the alternative in a byte, then the alternative. One that is valueless by exception arrives nowhere: it is
/// refused.
template <class... Ts>
struct codec<std::variant<Ts...>> {
    static_assert(sizeof...(Ts) < 255, "mitogen: a variant of at most 254 alternatives can travel: its index is one byte");

    using type = std::variant<Ts...>;
    using parts = wire::parts<Ts...>;

    static constexpr std::size_t least = [] {
        std::size_t smallest = static_cast<std::size_t>(-2);
        ((smallest = wire::least_of<Ts>() < smallest ? wire::least_of<Ts>() : smallest), ...);
        return 1 + smallest;
    }();

    static std::size_t size(const type& value) {
        std::size_t size = 1;
        [&]<std::size_t... I>(std::index_sequence<I...>) {
            ((value.index() == I ? void(size += wire::size_of<Ts>(*std::get_if<I>(&value))) : void()), ...);
        }(std::index_sequence_for<Ts...>{});
        return size;
    }
    static void encode(writer& w, const type& value) {
        w.put_u8(static_cast<std::uint8_t>(value.index())); // 255 where valueless
        [&]<std::size_t... I>(std::index_sequence<I...>) {
            ((value.index() == I ? codec<Ts>::encode(w, *std::get_if<I>(&value)) : void()), ...);
        }(std::index_sequence_for<Ts...>{});
    }
    static bool decode(reader& r, type& value) {
        std::uint8_t index = 0;
        if (!r.take_scalar(index)) [[unlikely]] return r.expected(&signature);
        if (index >= sizeof...(Ts)) [[unlikely]]
            return r.fail("an index that the variant does not have:", index, 1) || r.expected(&signature);
        bool decoded = false;
        [&]<std::size_t... I>(std::index_sequence<I...>) {
            ((index == I ? void(decoded = codec<Ts>::decode(r, value.template emplace<I>())) : void()), ...);
        }(std::index_sequence_for<Ts...>{});
        return decoded;
    }
    static void signature(signature_sink& s) { s.put('(').template list<Ts...>('|').put(')'); }
};

/// As std::vector<bool>, without the count.
template <std::size_t N>
struct codec<std::bitset<N>> {
    static constexpr bool is_fixed = true;
    static constexpr std::size_t least = (N + 7) / 8;

    static void encode(writer& w, const std::bitset<N>& bits) { wire::encode_bits(w, bits); }
    static bool decode(reader& r, std::bitset<N>& bits) {
        bits.reset();
        return wire::decode_bits(r, bits) || r.expected(&signature);
    }
    static void signature(signature_sink& s) { s.put("[bit;").put_number(N).put(']'); }
};

namespace wire {

/// std::expected: a byte 1 and the value, or a byte 0 and the error.
template <class T>
struct shaped<T, shape::expected> {
    using value_type = typename T::value_type;
    using error_type = typename T::error_type;
    using sent_value = std::conditional_t<std::is_void_v<value_type>, std::monostate, value_type>;
    using parts = wire::parts<sent_value, error_type>;

    static constexpr std::size_t least =
        1 + (least_of<sent_value>() < least_of<error_type>() ? least_of<sent_value>() : least_of<error_type>());

    static std::size_t size(const T& value) {
        if (!value.has_value()) return 1 + size_of<error_type>(value.error());
        if constexpr (std::is_void_v<value_type>) return 1;
        else return 1 + size_of<value_type>(*value);
    }
    static void encode(writer& w, const T& value) {
        w.put_u8(value.has_value());
        if (!value.has_value()) codec<error_type>::encode(w, value.error());
        else if constexpr (!std::is_void_v<value_type>) codec<value_type>::encode(w, *value);
    }
    static bool decode(reader& r, T& value) {
        bool present = false;
        if (!decode_flag(r, present, &signature)) [[unlikely]] return false;
        if (!present) {
            error_type error{};
            if (!codec<error_type>::decode(r, error)) [[unlikely]] return false;
            value = typename T::unexpected_type(std::move(error));
        } else if constexpr (std::is_void_v<value_type>) {
            value = T();
        } else {
            value_type decoded{};
            if (!codec<value_type>::decode(r, decoded)) [[unlikely]] return false;
            value = std::move(decoded);
        }
        return true;
    }
    static void signature(signature_sink& s) {
        s.put('(').template add<sent_value>().put('!').template add<error_type>().put(')');
    }
};

} // namespace wire
} // namespace mitogen::inline MITOGEN_ABI

// ---- mitogen/wire/describe.hpp ----
// describe.hpp: the wire form of classes described with Boost.Describe: bases, then members, private ones too, by name in the
// signature.

namespace mitogen::inline MITOGEN_ABI {
#if MITOGEN_HAS_DESCRIBE
namespace wire {

template <class>
struct pointee;
template <class C, class M>
struct pointee<M C::*> {
    using type = M;
};
template <class Member>
using described_type = typename pointee<std::remove_cv_t<decltype(Member::pointer)>>::type;

// Holds an object that is never made: only the addresses of its members are looked at.
template <class T>
union layout_probe {
    char none;
    T object;
    constexpr layout_probe() noexcept : none() {}
    constexpr ~layout_probe() {}
};
template <class T>
inline constexpr layout_probe<T> layout_of{};

// Compilers order the addresses of two members at compile time only where the members have one type.
template <class T, class First, class... Rest>
consteval bool ascending() {
    if constexpr (!(... && std::is_same_v<described_type<First>, described_type<Rest>>)) {
        return false;
    } else {
        auto* last = &(layout_of<T>.object.*First::pointer);
        bool sorted = true;
        ((sorted = sorted && last < &(layout_of<T>.object.*Rest::pointer), last = &(layout_of<T>.object.*Rest::pointer)), ...);
        return sorted;
    }
}

template <class T, class Bases, class Members>
struct description;

template <class T, template <class...> class L, class... Bases, template <class...> class M, class... Members>
struct description<T, L<Bases...>, M<Members...>> {
    using record = wire::record<typename Bases::type..., described_type<Members>...>;
    using parts = wire::parts<typename Bases::type..., described_type<Members>...>;

    // The wire has the order of the description, memory that of the declarations: the whole may be copied only where they agree.
    static consteval bool is_image() {
        if constexpr (sizeof...(Members) == 0 || sizeof...(Bases) != 0 || !std::is_trivially_copyable_v<T>) return false;
        else if constexpr (!(... && bulk_of<described_type<Members>>()) || record::least != sizeof(T)) return false;
        else return ascending<T, Members...>();
    }

    // The C casts reach bases that are private, as the pointers reach members that are.
    static auto tie(T& t) noexcept {
        return std::tuple<typename Bases::type&..., described_type<Members>&...>((typename Bases::type&)(t)...,
                                                                                 t.*Members::pointer...);
    }
    static auto tie(const T& t) noexcept {
        return std::tuple<const typename Bases::type&..., const described_type<Members>&...>((const typename Bases::type&)(t)...,
                                                                                            t.*Members::pointer...);
    }

    static void signature(signature_sink& s) {
        s.put('{').template list<typename Bases::type...>(',');
        [[maybe_unused]] bool first = sizeof...(Bases) == 0;
        ((first ? void(first = false) : void(s.put(',')), s.put(Members::name).put(':').template add<described_type<Members>>()),
         ...);
        s.put('}');
    }
};

template <class T>
struct shaped<T, shape::described> {
    using members = description<T, boost::describe::describe_bases<T, boost::describe::mod_any_access>,
                                boost::describe::describe_members<T, boost::describe::mod_any_access>>;
    using record = typename members::record;
    using parts = typename members::parts;

    static constexpr bool is_fixed = record::is_fixed;
    static constexpr std::size_t least = record::least;
    static constexpr bool is_bulk = members::is_image();

    static std::size_t size(const T& value) {
        return std::apply([](const auto&... member) { return record::size(member...); }, members::tie(value));
    }
    static void encode(writer& w, const T& value) {
        if constexpr (is_bulk) w.put(&value, sizeof(T));
        else record::encode(w, &value, members::tie(value));
    }
    static bool decode(reader& r, T& value) {
        if constexpr (is_bulk) {
            const std::byte* from = r.take(sizeof(T));
            if (!from) [[unlikely]] return r.expected(&signature);
            std::memcpy(static_cast<void*>(&value), from, sizeof(T));
            return true;
        } else {
            return record::decode(r, &value, members::tie(value));
        }
    }
    static void signature(signature_sink& s) { members::signature(s); }
};

} // namespace wire
#endif
} // namespace mitogen::inline MITOGEN_ABI

// ---- mitogen/wire/keyed.hpp ----
// keyed.hpp: the wire forms of sets and maps: a count, then the keys, each with its value.

namespace mitogen::inline MITOGEN_ABI {
namespace wire {

template <class T>
inline constexpr bool is_text = false;
template <class Traits, class Allocator>
inline constexpr bool is_text<std::basic_string<char, Traits, Allocator>> = true;

// Ordered containers travel last key first: each key then goes in front of all others, which takes one comparison where the other
// end takes two. What arrives in another order is accepted.
template <class Container, class Visit>
inline void for_each_key(const Container& values, Visit visit) {
    if constexpr (requires { --values.end(); }) {
        for (auto at = values.end(); at != values.begin();) visit(*--at);
    } else {
        for (const auto& value : values) visit(value);
    }
}

// Sorted vectors: inserting in front would move everything each time.
template <class T>
concept flat = requires(const T& c) { c.end() - c.begin(); };

/// Sets, ordered or not. A key that occurs twice is refused, except by multisets.
template <class T>
struct shaped<T, shape::set> {
    using key = typename T::key_type;
    using parts = wire::parts<key>;

    static constexpr std::size_t least = 4;

    static std::size_t size(const T& values) { return 4 + size_range(values); }
    static void encode(writer& w, const T& values) {
        w.put_count(values.size());
        for_each_key(values, [&w](const key& k) { codec<key>::encode(w, k); });
    }
    static bool decode(reader& r, T& values) {
        std::size_t count = 0;
        if (!r.take_count(count, least_of<key>())) [[unlikely]] return r.expected(&signature);
        const level<key> depth(r);
        if (!depth) [[unlikely]] return false;
        values.clear();
        if constexpr (requires { values.reserve(count); }) values.reserve(count);
        std::vector<key> sorted_later;
        for (std::size_t i = 1; i <= count; ++i) {
            key k{};
            if (!codec<key>::decode(r, k)) [[unlikely]] return false;
            if constexpr (flat<T>) {
                sorted_later.push_back(std::move(k));
            } else {
                values.emplace_hint(values.begin(), std::move(k));
                if (values.size() != i) [[unlikely]] return twice(r);
            }
        }
        if constexpr (flat<T>) values.insert(sorted_later.begin(), sorted_later.end());
        return values.size() == count || twice(r);
    }
    static void signature(signature_sink& s) { s.put('<').template add<key>().put('>'); }

private:
    MITOGEN_COLD static bool twice(reader& r) noexcept { return r.fail("a key occurs twice") || r.expected(&signature); }
};

/// Maps, ordered or not. A key that occurs twice is refused, except by multimaps.
template <class T>
struct shaped<T, shape::map> {
    using key = typename T::key_type;
    using mapped = typename T::mapped_type;
    using parts = wire::parts<key, mapped>;

    static constexpr std::size_t least = 4;
    static constexpr bool is_flat = fixed_of<key>() && fixed_of<mapped>();

    static std::size_t size(const T& values) {
        std::size_t size =
            4 + values.size() * ((fixed_of<key>() ? least_of<key>() : 0) + (fixed_of<mapped>() ? least_of<mapped>() : 0));
        if constexpr (!is_flat) {
            for (const auto& [k, v] : values) {
                if constexpr (!fixed_of<key>()) size += codec<key>::size(k);
                if constexpr (!fixed_of<mapped>()) size += codec<mapped>::size(v);
            }
        }
        return size;
    }
    static void encode(writer& w, const T& values) {
        w.put_count(values.size());
        for_each_key(values, [&w](const auto& value) {
            codec<key>::encode(w, value.first);
            codec<mapped>::encode(w, value.second);
        });
    }
    static bool decode(reader& r, T& values) {
        std::size_t count = 0;
        if (!r.take_count(count, least_of<key>() + least_of<mapped>())) [[unlikely]] return r.expected(&signature);
        const level<std::conditional_t<is_flat, key, T>> depth(r);
        if (!depth) [[unlikely]] return false;
        values.clear();
        if constexpr (flat<T>) {
            std::vector<std::pair<key, mapped>> sorted_later(count);
            for (auto& [k, v] : sorted_later) {
                if (!codec<key>::decode(r, k) || !codec<mapped>::decode(r, v)) [[unlikely]] return false;
            }
            values.insert(std::make_move_iterator(sorted_later.begin()), std::make_move_iterator(sorted_later.end()));
            return values.size() == count || twice(r);
        } else {
            if constexpr (requires { values.reserve(count); }) values.reserve(count);
            for (std::size_t i = 1; i <= count; ++i) {
                typename T::iterator at;
                if (!decode_key(r, values, at)) [[unlikely]] return false;
                if (values.size() != i) [[unlikely]] return twice(r);
                if (!codec<mapped>::decode(r, at->second)) [[unlikely]] return false;
            }
            return true;
        }
    }
    static void signature(signature_sink& s) { s.put('{').template add<key>().put("=>").template add<mapped>().put('}'); }

private:
    MITOGEN_COLD static bool twice(reader& r) noexcept { return r.fail("a key occurs twice") || r.expected(&signature); }

    static bool decode_key(reader& r, T& values, typename T::iterator& at) {
        if constexpr (is_text<key>) {
            std::string_view k; // the key is made in its node
            if (!codec<std::string_view>::decode(r, k)) [[unlikely]] return false;
            at = values.emplace_hint(values.begin(), std::piecewise_construct, std::forward_as_tuple(k.data(), k.size()),
                                     std::tuple<>());
        } else {
            key k{};
            if (!codec<key>::decode(r, k)) [[unlikely]] return false;
            at = values.emplace_hint(values.begin(), std::piecewise_construct, std::forward_as_tuple(std::move(k)),
                                     std::tuple<>());
        }
        return true;
    }
};

} // namespace wire
} // namespace mitogen::inline MITOGEN_ABI

// ---- mitogen/wire/values.hpp ----
// values.hpp: the wire forms of durations, time points, paths, complex numbers and error codes; their headers are not included
// here.

namespace mitogen::inline MITOGEN_ABI {
namespace wire {

/// A count of ticks: i64, or f64 where the count is floating point, whatever the width here. The period is part of the signature.
template <class T>
struct shaped<T, shape::duration> {
    using rep = typename T::rep;
    using number = std::conditional_t<std::is_floating_point_v<rep>, double, std::int64_t>;

    static constexpr bool is_fixed = true;
    static constexpr std::size_t least = 8;
    static constexpr bool is_bulk = little && sizeof(T) == 8 && sizeof(rep) == 8 && std::is_trivially_copyable_v<T>;

    static void encode(writer& w, const T& span) noexcept { w.put_scalar(static_cast<number>(span.count())); }
    static bool decode(reader& r, T& span) noexcept {
        number ticks{};
        if (!r.take_scalar(ticks)) [[unlikely]] return r.expected(&signature);
        const rep count = static_cast<rep>(ticks);
        if constexpr (std::is_integral_v<rep>) {
            if (static_cast<number>(count) != ticks) [[unlikely]]
                return r.fail("a duration that does not fit:", static_cast<std::uint64_t>(ticks), 8) || r.expected(&signature);
        }
        span = T(count);
        return true;
    }
    static void ticks_signature(signature_sink& s) {
        s.put(scalar_name<number>()).put(',').put_number(static_cast<std::uint64_t>(T::period::num)).put('/');
        s.put_number(static_cast<std::uint64_t>(T::period::den)).put(')');
    }
    static void signature(signature_sink& s) { ticks_signature(s.put("duration(")); }
};

/// The time since the clock's epoch. A steady clock's epoch is meaningless on another machine; nobody can check that here.
template <class T>
struct shaped<T, shape::time_point> {
    using duration = typename T::duration;

    static constexpr bool is_fixed = true;
    static constexpr std::size_t least = 8;
    static constexpr bool is_bulk = bulk_of<duration>() && sizeof(T) == 8 && std::is_trivially_copyable_v<T>;

    static void encode(writer& w, const T& moment) noexcept { codec<duration>::encode(w, moment.time_since_epoch()); }
    static bool decode(reader& r, T& moment) noexcept {
        duration since{};
        if (!codec<duration>::decode(r, since)) [[unlikely]] return false;
        moment = T(since);
        return true;
    }
    static void signature(signature_sink& s) {
        s.put(T::clock::is_steady ? "steady(" : "time(");
        codec<duration>::ticks_signature(s);
    }
};

/// The bytes of the native form: no conversion, since the names of files are bytes.
template <class T>
struct shaped<T, shape::path> {
    using text = typename T::string_type;

    static constexpr std::size_t least = 4;

    static std::size_t size(const T& path) noexcept { return codec<text>::size(path.native()); }
    static void encode(writer& w, const T& path) noexcept { codec<text>::encode(w, path.native()); }
    static bool decode(reader& r, T& path) {
        text native;
        if (!codec<text>::decode(r, native)) [[unlikely]] return r.expected(&signature);
        path = std::move(native);
        return true;
    }
    static void signature(signature_sink& s) { s.put("path"); }
};

/// The real part, then the imaginary one.
template <class T>
struct shaped<T, shape::complex> {
    using part = typename T::value_type;

    static constexpr bool is_fixed = true;
    static constexpr std::size_t least = 2 * sizeof(part);
    static constexpr bool is_bulk = bulk_of<part>() && sizeof(T) == 2 * sizeof(part) && std::is_trivially_copyable_v<T>;

    static void encode(writer& w, const T& value) noexcept {
        w.put_scalar(part(value.real()));
        w.put_scalar(part(value.imag()));
    }
    static bool decode(reader& r, T& value) noexcept {
        part real{};
        part imaginary{};
        if (!r.take_scalar(real) || !r.take_scalar(imaginary)) [[unlikely]] return r.expected(&signature);
        value = T(real, imaginary);
        return true;
    }
    static void signature(signature_sink& s) { s.put("complex(").put(scalar_name<part>()).put(')'); }
};

inline constinit std::atomic<const std::error_category*> known_categories[16]{};

inline const std::error_category* find_category(std::string_view name) noexcept {
    if (name == std::generic_category().name()) return &std::generic_category();
    if (name == std::system_category().name()) return &std::system_category();
    for (const auto& slot : known_categories) {
        const std::error_category* known = slot.load(std::memory_order_acquire);
        if (!known) return nullptr;
        if (name == known->name()) return known;
    }
    return nullptr;
}

} // namespace wire

/// Lets error codes of `category` be received: one arrives as a number and the category's name, and only `generic` and `system`
/// are known beforehand. `category` must live as long as the program. False where 16 are known already. Threads: any.
inline bool know_error_category(const std::error_category& category) noexcept {
    for (auto& slot : wire::known_categories) {
        const std::error_category* known = nullptr;
        if (slot.compare_exchange_strong(known, &category, std::memory_order_acq_rel) || known == &category) return true;
    }
    return false;
}

/// The value, then the category's name.
template <>
struct codec<std::error_code> {
    static constexpr std::size_t least = 8;

    static std::size_t size(const std::error_code& code) noexcept { return 8 + std::strlen(code.category().name()); }
    static void encode(writer& w, const std::error_code& code) noexcept {
        const std::string_view name = code.category().name();
        w.put_scalar(static_cast<std::int32_t>(code.value()));
        codec<std::string_view>::encode(w, name);
    }
    static bool decode(reader& r, std::error_code& code) {
        std::int32_t value = 0;
        std::string_view name;
        if (!r.take_scalar(value) || !codec<std::string_view>::decode(r, name)) [[unlikely]] return r.expected(&signature);
        const std::error_category* category = wire::find_category(name);
        if (!category) [[unlikely]] {
            return r.fail("an error_code of a category that was not given to mitogen::know_error_category()") ||
                   r.expected(&signature);
        }
        code.assign(value, *category);
        return true;
    }
    static void signature(signature_sink& s) { s.put("error_code"); }
};

} // namespace mitogen::inline MITOGEN_ABI

// ---- mitogen/wire/codec.hpp ----
// codec.hpp: turns values into bytes and back.

namespace mitogen::inline MITOGEN_ABI {

/// Bytes that `values` take on the wire, one after another.
template <class... Ts>
std::size_t encoded_size(const Ts&... values) {
    (wire::require<Ts>(), ...);
    if constexpr ((... && wire_type<Ts>)) return (std::size_t{0} + ... + wire::size_of<Ts>(values));
    else return 0;
}

/// Writes `values` one after another. There must be room for encoded_size(values...) bytes.
template <class... Ts>
void encode(writer& w, const Ts&... values) {
    (wire::require<Ts>(), ...);
    if constexpr ((... && wire_type<Ts>)) (codec<Ts>::encode(w, values), ...);
}

/// The bytes of `values`, in a buffer of exactly that size.
template <class... Ts>
buffer encode(const Ts&... values) {
    buffer bytes(encoded_size(values...));
    writer w(bytes.data());
    encode(w, values...);
    return bytes;
}

/// Reads `values` one after another; false at the first that does not decode: see reader::failure().
template <class... Ts>
bool decode(reader& r, Ts&... values) {
    (wire::require<Ts>(), ...);
    if constexpr ((... && wire_type<Ts>)) return (... && codec<Ts>::decode(r, values));
    else return false;
}

/// As decode(), into an object that exists: it keeps its capacity, and has an unspecified value after an error.
template <class T>
result<void> decode_into(std::span<const std::byte> bytes, T& value, const limits& bounds = {}) {
    static_assert(!wire::may_hold<T>(),
                  "mitogen: a view in T may point into memory of the reader that decodes it; make a mitogen::reader that "
                  "lives as long as the value and use decode(reader, value)");
    reader r(bytes, bounds);
    if (decode(r, value) && r.finish()) return {};
    return r.failure(&wire::write_signature<T>);
}

/// The value that `bytes` hold, and nothing else; or an error with reason::codec that says what is wrong with them, and where.
/// String views in it point into `bytes`.
template <class T>
result<T> decode(std::span<const std::byte> bytes, const limits& bounds = {}) {
    wire::require<T>();
    if constexpr (wire_type<T>) {
        T value{};
        if (auto done = decode_into(bytes, value, bounds); !done) return done.error();
        return result<T>(std::move(value));
    } else {
        return error(reason::codec, {});
    }
}

/// The canonical text of `T`: equal in two programs exactly where their wire forms are.
template <class T>
std::string signature_of() {
    wire::require<T>();
    signature_sink sink;
    if constexpr (wire_type<T>) sink.add<T>();
    return sink.take();
}

} // namespace mitogen::inline MITOGEN_ABI

// ---- mitogen/wire/inherited.hpp ----
// inherited.hpp: the wire forms of what a context takes over from the one above it: limits and the rules of the tree.

namespace mitogen::inline MITOGEN_ABI {

/// The members in order.
template <>
struct codec<limits> {
    static constexpr bool is_fixed = true;
    static constexpr std::size_t least = 8 + 8 + 4 + 4 + 4;

    static void encode(writer& w, const limits& l) noexcept {
        w.put_scalar(l.message_bytes);
        w.put_scalar(l.queue_bytes);
        w.put_scalar(l.nesting);
        w.put_scalar(l.elements);
        w.put_scalar(l.open_calls);
    }
    static bool decode(reader& r, limits& l) {
        return r.take_scalar(l.message_bytes) && r.take_scalar(l.queue_bytes) && r.take_scalar(l.nesting) &&
               r.take_scalar(l.elements) && r.take_scalar(l.open_calls);
    }
    static void signature(signature_sink& s) { s.put("limits"); }
};

/// The members in order; the heartbeat is its interval and its limit.
template <>
struct codec<tree_rules> {
    static constexpr bool is_fixed = true;
    static constexpr std::size_t least = 8 + 8 + 1;

    static void encode(writer& w, const tree_rules& t) noexcept {
        w.put_scalar(t.heartbeat.interval);
        w.put_scalar(t.heartbeat.limit);
        codec<bool>::encode(w, t.unidirectional);
    }
    static bool decode(reader& r, tree_rules& t) {
        return r.take_scalar(t.heartbeat.interval) && r.take_scalar(t.heartbeat.limit) &&
               codec<bool>::decode(r, t.unidirectional);
    }
    static void signature(signature_sink& s) { s.put("tree_rules"); }
};

/// The members in order.
template <>
struct codec<log::bounds> {
    static constexpr bool is_fixed = true;
    static constexpr std::size_t least = 8 + 8 + 4 + 8;

    static void encode(writer& w, const log::bounds& b) noexcept {
        w.put_scalar(b.lines_per_second);
        w.put_scalar(b.bytes_per_second);
        w.put_scalar(b.seconds_at_once);
        w.put_scalar(b.queue_bytes);
    }
    static bool decode(reader& r, log::bounds& b) {
        return r.take_scalar(b.lines_per_second) && r.take_scalar(b.bytes_per_second) && r.take_scalar(b.seconds_at_once) &&
               r.take_scalar(b.queue_bytes);
    }
    static void signature(signature_sink& s) { s.put("log_bounds"); }
};

} // namespace mitogen::inline MITOGEN_ABI

// ---- mitogen/connect/handshake.hpp ----
// handshake.hpp: the first words between a child and its parent: the child's hello, and the parent's answer that makes it a
// context.

namespace mitogen::inline MITOGEN_ABI {

/// The argument that tells a program that it was started as a child; mitogen::init looks for it.
inline constexpr std::string_view child_argument = "--mitogen-child";

namespace handshake {

/// Stands before everything a child says, so that it is found behind whatever login shells and programs print. Not valid UTF-8,
/// and no text.
inline constexpr std::string_view mark = "\xF5\xA6mitogen\xA6\xF5";

/// What follows the mark: who speaks.
enum class speaker : std::uint8_t {
    shell = '1',   ///< the first stage: "1 SYSTEM MACHINE\n" in text, then it reads the program
    program = '2', ///< the program, or its parent: u8 protocol version, u32 length, hello or welcome
    joiner = 'j',  ///< who joins a tree, or who admits it, in the same form: see joining.hpp
};

inline constexpr std::uint8_t protocol = 1;

/// Most that a child may print before the mark.
inline constexpr std::size_t noise_limit = 1 << 20;

/// Most bytes of a hello or its answer.
inline constexpr std::size_t size_limit = 1 << 20;

/// What a child says of itself.
struct hello {
    std::string build{};   ///< build id
    std::string machine{}; ///< "Linux x86_64"
    std::uint32_t pid = 0;
};

/// What its parent makes of it.
struct welcome {
    context_id id = no_context;
    std::vector<context_id> ancestors{};
    std::string name{};
    std::string title{};
    std::string build{}; ///< the parent's
    std::uint8_t log_level = 0;
    std::uint32_t pool_threads = 0;
    std::int64_t grace_ns = 0; ///< how long its functions may take to stop
    limits bounds{};
    tree_rules rules{};
    log::bounds logs{};
};

/// Mark, speaker, protocol, length and payload.
inline buffer marked(speaker who, const buffer& payload) {
    std::byte front[6];
    writer w(front);
    w.put_u8(static_cast<std::uint8_t>(who));
    w.put_u8(protocol);
    w.put_count(payload.size());
    buffer out;
    out.append(mark.data(), mark.size());
    out.append(front, sizeof front);
    out.append(payload.data(), payload.size());
    return out;
}

inline buffer encode_hello(const hello& h) {
    return marked(speaker::program, mitogen::encode(h.build, h.machine, h.pid));
}

inline buffer encode_welcome(const welcome& w) {
    return marked(speaker::program, mitogen::encode(w.id, w.ancestors, w.name, w.title, w.build, w.log_level, w.pool_threads,
                                                    w.grace_ns, w.bounds, w.rules, w.logs));
}

inline bool decode_hello(std::span<const std::byte> bytes, hello& h) {
    reader r(bytes);
    return mitogen::decode(r, h.build, h.machine, h.pid) && r.finish();
}

inline bool decode_welcome(std::span<const std::byte> bytes, welcome& w) {
    reader r(bytes);
    return mitogen::decode(r, w.id, w.ancestors, w.name, w.title, w.build, w.log_level, w.pool_threads, w.grace_ns,
                           w.bounds, w.rules, w.logs) &&
           r.finish();
}

/// Finds what a child says among what else it prints. Bytes in, findings out.
class listener {
    std::string bytes_; // from the last mark on, or what might be the beginning of one
    std::string noise_; // what came before it; the first kilobytes are kept for messages
    std::size_t noise_size_ = 0;

    void skip(std::size_t count) {
        noise_size_ += count;
        noise_.append(bytes_, 0, std::min(count, noise_kept - std::min(noise_kept, noise_.size())));
        bytes_.erase(0, count);
    }

    static constexpr std::size_t noise_kept = 4096;

public:
    enum class finding : std::uint8_t { nothing, stage, hello, wrong };

    /// Adds bytes that arrived.
    void feed(std::span<const std::byte> bytes) { bytes_.append(reinterpret_cast<const char*>(bytes.data()), bytes.size()); }

    /// Looks for the next message. `stage`: text() is what the shell said. `hello`: payload() is the hello, and rest() is what
    /// came behind it.
    finding look() {
        const std::size_t at = bytes_.find(mark);
        if (at == std::string::npos) {
            // Keep a tail that may be the mark's beginning.
            const std::size_t keep = std::min(bytes_.size(), mark.size() - 1);
            skip(bytes_.size() - keep);
            return noise_size_ > noise_limit ? finding::wrong : finding::nothing;
        }
        skip(at);
        const std::string_view said = std::string_view(bytes_).substr(mark.size());
        if (said.empty()) return finding::nothing;
        if (said[0] == static_cast<char>(speaker::shell)) {
            const std::size_t end = said.find('\n');
            if (end == std::string_view::npos) return said.size() > 1024 ? finding::wrong : finding::nothing;
            text_ = std::string(said.substr(1, end - 1));
            bytes_.erase(0, mark.size() + end + 1);
            return finding::stage;
        }
        if (said[0] != static_cast<char>(speaker::program)) return finding::wrong;
        if (said.size() < 6) return finding::nothing;
        if (static_cast<std::uint8_t>(said[1]) != protocol) {
            wrong_protocol_ = true;
            return finding::wrong;
        }
        std::uint32_t length;
        wire::load(reinterpret_cast<const std::byte*>(said.data() + 2), length);
        if (length > size_limit) return finding::wrong;
        if (said.size() < 6 + std::size_t{length}) return finding::nothing;
        payload_begin_ = mark.size() + 6;
        payload_size_ = length;
        return finding::hello;
    }

    /// The shell's words after a `stage`: " SYSTEM MACHINE".
    const std::string& text() const noexcept { return text_; }
    /// After `hello`.
    std::span<const std::byte> payload() const noexcept {
        return {reinterpret_cast<const std::byte*>(bytes_.data()) + payload_begin_, payload_size_};
    }
    /// After `hello`: bytes that belong to the frames behind it.
    std::span<const std::byte> rest() const noexcept {
        return {reinterpret_cast<const std::byte*>(bytes_.data()) + payload_begin_ + payload_size_,
                bytes_.size() - payload_begin_ - payload_size_};
    }
    /// What was printed before the mark, or instead of it; cut to some kilobytes.
    std::string noise() const { return noise_ + bytes_.substr(0, noise_kept - std::min(noise_kept, noise_.size())); }
    bool wrong_protocol() const noexcept { return wrong_protocol_; }

private:
    std::string text_;
    std::size_t payload_begin_ = 0;
    std::size_t payload_size_ = 0;
    bool wrong_protocol_ = false;
};

} // namespace handshake
} // namespace mitogen::inline MITOGEN_ABI

// ---- mitogen/connect/outgoing.hpp ----
// outgoing.hpp: what a starting child must hear before the link carries frames, written as the descriptor takes it.

namespace mitogen::inline MITOGEN_ABI {
namespace detail {

/// Bytes, or a file with a line in front. One at a time: the next when everything is written.
class outgoing {
    buffer bytes_;
    std::size_t done_ = 0;
    int program_ = -1;
    std::int64_t at_ = 0;   // of the program: how much was taken
    std::int64_t left_ = 0; // still to be taken
    std::string trouble_;

public:
    enum class progress : std::uint8_t {
        written,    ///< everything
        waiting,    ///< the descriptor takes no more at the moment
        closed,     ///< nobody hears it any more
        unreadable, ///< the program cannot be read; see trouble()
    };

    /// Says these bytes.
    void say(buffer bytes) {
        bytes_ = std::move(bytes);
        done_ = 0;
        left_ = 0;
    }

    /// Says `front` and then the program, which stays open until it is written. It is read piece by piece: it may be larger than
    /// what anybody wants to keep in memory.
    void send_program(int file, std::string_view front) {
        program_ = file;
        at_ = 0;
        left_ = sys::file_size(file);
        done_ = 0;
        bytes_.clear();
        if (left_ >= 0) bytes_.append(front.data(), front.size());
    }

    /// In words, after `unreadable`.
    const std::string& trouble() const noexcept { return trouble_; }

    /// Writes as much as `fd` takes.
    template <class Io>
    progress write(Io& io, int fd) {
        for (;;) {
            if (done_ == bytes_.size()) {
                if (left_ == 0) return progress::written;
                if (!refill()) return progress::unreadable;
            }
            const long n = io.write(fd, bytes_.data() + done_, bytes_.size() - done_);
            if (n == -EAGAIN || n == -EWOULDBLOCK) return progress::waiting;
            if (n < 0) return progress::closed;
            done_ += static_cast<std::size_t>(n);
        }
    }

private:
    bool refill() {
        constexpr std::int64_t chunk = 64 * 1024;
        done_ = 0;
        bytes_.clear();
        long n = static_cast<long>(left_); // negative: its size could not be found out
        if (left_ > 0) {
            bytes_.resize(static_cast<std::size_t>(std::min(left_, chunk)));
            n = sys::pread(program_, bytes_.data(), bytes_.size(), at_);
        }
        if (n <= 0) {
            trouble_ = n < 0 ? sys::errno_text(static_cast<int>(-n)) : "it has become shorter";
            return false;
        }
        bytes_.resize(static_cast<std::size_t>(n));
        at_ += n;
        left_ -= n;
        return true;
    }
};

} // namespace detail
} // namespace mitogen::inline MITOGEN_ABI

// ---- mitogen/sys/executable.hpp ----
// executable.hpp: this program's own file, held open because the one on disk may be replaced while it runs, and the build's
// identity.

#if __has_include(<link.h>)
#include <link.h>
#endif
#if !defined(__linux__) && __has_include(<sys/sysctl.h>)
#include <sys/sysctl.h>
#include <sys/types.h>
#endif
#if defined(__APPLE__) && __has_include(<mach-o/dyld.h>)
#include <mach-o/dyld.h>
#endif

namespace mitogen::inline MITOGEN_ABI {
namespace sys {

namespace detail {

inline std::string own_path() {
#if defined(__APPLE__) && __has_include(<mach-o/dyld.h>)
    std::uint32_t size = 0;
    static_cast<void>(::_NSGetExecutablePath(nullptr, &size));
    std::string path(size, '\0');
    return size > 0 && ::_NSGetExecutablePath(path.data(), &size) == 0 ? std::string(path.c_str()) : std::string();
#elif !defined(__linux__) && defined(KERN_PROC_PATHNAME)
    int name[4] = {CTL_KERN, KERN_PROC, KERN_PROC_PATHNAME, -1};
    char path[4096] = {};
    std::size_t size = sizeof path - 1;
    return ::sysctl(name, 4, path, &size, nullptr, 0) == 0 ? std::string(path) : std::string();
#elif defined(__linux__)
    return "/proc/self/exe";
#else
    return "/proc/curproc/file";
#endif
}

inline unique_fd open_self() {
    unique_fd fd(static_cast<int>(sys::open(own_path().c_str(), O_RDONLY)));
    static_cast<void>(move_above_stdio(fd));
    return fd;
}

inline std::string hex(const unsigned char* bytes, std::size_t size) {
    static constexpr char digits[] = "0123456789abcdef";
    std::string out;
    for (std::size_t i = 0; i < size; ++i) out.append({digits[bytes[i] >> 4], digits[bytes[i] & 15]});
    return out;
}

// The descriptor of the GNU build-id note among the notes at `at`, as hex; empty if there is none.
inline std::string find_build_id(const unsigned char* at, std::size_t size) {
    struct note {
        std::uint32_t name_size, data_size, type;
    };
    constexpr std::uint32_t build_id_type = 3; // NT_GNU_BUILD_ID, elf(5)
    while (size >= sizeof(note)) {
        note n;
        std::memcpy(&n, at, sizeof n);
        const std::size_t name = (std::size_t{n.name_size} + 3) & ~std::size_t{3};
        const std::size_t data = (std::size_t{n.data_size} + 3) & ~std::size_t{3};
        if (name > size || data > size || sizeof n + name + data > size) return {};
        if (n.type == build_id_type && n.name_size == 4 && std::memcmp(at + sizeof n, "GNU", 4) == 0) {
            return hex(at + sizeof n + name, n.data_size);
        }
        at += sizeof n + name + data;
        size -= sizeof n + name + data;
    }
    return {};
}

#if __has_include(<link.h>) && defined(PT_NOTE)
inline std::string note_build_id() {
    std::string out;
    static_cast<void>(::dl_iterate_phdr(
        [](::dl_phdr_info* object, std::size_t, void* to) {
            for (int i = 0; i < object->dlpi_phnum; ++i) {
                const auto& segment = object->dlpi_phdr[i];
                if (segment.p_type != PT_NOTE) continue;
                // where it is mapped
                const auto* at = reinterpret_cast<const unsigned char*>(object->dlpi_addr + segment.p_vaddr);
                auto& found = *static_cast<std::string*>(to);
                found = find_build_id(at, static_cast<std::size_t>(segment.p_filesz));
                if (!found.empty()) break;
            }
            return 1; // the first object is the program itself; the others are libraries
        },
        &out));
    return out;
}
#else
inline std::string note_build_id() { return {}; }
#endif

// 64 bits over the contents of a file: multiply and fold per 8-byte word, the mixer of MurmurHash3 (A. Appleby, public domain) at
// the end.
inline std::uint64_t content_hash(int fd) {
    constexpr std::size_t chunk = 1 << 16;
    const std::unique_ptr<unsigned char[]> bytes(new unsigned char[chunk]);
    std::uint64_t h = 0x9e37'79b9'7f4a'7c15;
    ::off_t offset = 0;
    for (;;) {
        const long n = sys::pread(fd, bytes.get(), chunk, offset);
        if (n <= 0) break;
        for (std::size_t i = 0; i < static_cast<std::size_t>(n); i += 8) {
            std::uint64_t word = 0;
            const std::size_t left = static_cast<std::size_t>(n) - i;
            std::memcpy(&word, bytes.get() + i, left < 8 ? left : 8);
            h = (h ^ word) * 0xff51'afd7'ed55'8ccd;
            h ^= h >> 32;
        }
        offset += n;
    }
    h ^= static_cast<std::uint64_t>(offset);
    h = (h ^ (h >> 33)) * 0xc4ce'b9fe'1a85'ec53;
    return h ^ (h >> 33);
}

} // namespace detail

/// This program's executable, open for reading, above 2 and close-on-exec. Opened by the first call, which should therefore come
/// early; empty where the system can't tell (no /proc). Never closed.   Threads: any.
inline unique_fd& self_executable() {
    static unique_fd fd = detail::open_self();
    return fd;
}

/// Where this program's executable lay when it was started; empty where the system can't tell, or where it has been removed.
/// Threads: any.
inline std::string self_path() {
    std::string path = detail::own_path();
#if defined(__linux__)
    std::string target(4096, '\0'); // PATH_MAX
    const long n = ::readlink(path.c_str(), target.data(), target.size());
    path = n > 0 ? target.substr(0, static_cast<std::size_t>(n)) : std::string();
    if (path.ends_with(" (deleted)")) path.clear();
#endif
    return path;
}

/// Identifies this build: the linker's GNU build id in hex (usually 40 digits), else 16 hex digits that hash the executable's
/// contents.
/// Equal ids mean equal code. Computed by the first call.   Threads: any.
inline const std::string& build_id() {
    static const std::string id = [] {
        std::string found = detail::note_build_id();
        if (!found.empty()) return found;
        const std::uint64_t h = detail::content_hash(self_executable().get());
        unsigned char bytes[8];
        for (int i = 0; i < 8; ++i) bytes[i] = static_cast<unsigned char>(h >> (56 - 8 * i));
        return detail::hex(bytes, sizeof bytes);
    }();
    return id;
}

} // namespace sys
} // namespace mitogen::inline MITOGEN_ABI

// ---- mitogen/sys/poll.hpp ----
// poll.hpp: the poll system call.

namespace mitogen::inline MITOGEN_ABI {
namespace sys {

/// poll(2): the number of entries whose revents are set, 0 on timeout, -errno. `timeout` in ns, < 0: no limit; rounded up to
/// milliseconds where the system lacks ppoll(). A signal ends a wait that has a limit early, with 0: the caller knows its
/// deadline.
inline long poll(::pollfd* entries, std::size_t count, duration_ns timeout) {
    for (;;) {
        const long rc = checked_once("poll", -1, [=] {
#if defined(__linux__) || defined(__FreeBSD__) || defined(__OpenBSD__) || defined(__DragonFly__)
            const ::timespec span = to_timespec(timeout);
            return ::ppoll(entries, static_cast<::nfds_t>(count), timeout < 0 ? nullptr : &span, nullptr);
#else
            return ::poll(entries, static_cast<::nfds_t>(count), to_poll_ms(timeout));
#endif
        });
        if (rc != -EINTR) return rc;
        if (timeout > 0) return 0;
    }
}

} // namespace sys
} // namespace mitogen::inline MITOGEN_ABI

// ---- mitogen/sys/stdio.hpp ----
// stdio.hpp: descriptors 0, 1 and 2 of a child: the link is taken away from them before the program can write into it.

namespace mitogen::inline MITOGEN_ABI {
namespace sys {

/// Puts /dev/null where `fd` (0 to 2) is: for reading at 0, else for writing.
inline void put_null(int fd) {
    const int flags = fd == 0 ? O_RDONLY : O_WRONLY;
    unique_fd null(static_cast<int>(open("/dev/null", flags)));
    if (null && null.get() != fd) static_cast<void>(dup_to(null.get(), fd));
    if (null.get() == fd) static_cast<void>(set_cloexec(null.release(), false));
}

/// Moves descriptor `fd` (0 or 1) above 2 and close-on-exec, and leaves /dev/null in its place. Empty on failure.
inline unique_fd take_stdio(int fd) {
    unique_fd moved(static_cast<int>(dup_above(fd, 3)));
    put_null(fd);
    return moved;
}

/// Makes stdout a pipe, line-buffered and blocking, and returns its read end; empty where that fails: stdout stays /dev/null.
inline unique_fd pipe_stdout() {
    unique_fd read_end;
    unique_fd write_end;
    if (pipe(read_end, write_end) < 0) return {};
    static_cast<void>(move_above_stdio(read_end));
    std::fflush(stdout);
    static_cast<void>(dup_to(write_end.get(), 1));
    static_cast<void>(std::setvbuf(stdout, nullptr, _IOLBF, BUFSIZ));
    return read_end;
}

/// Puts /dev/null where stdout is.
inline void null_stdout() { put_null(1); }

/// Writes all of it, also to a nonblocking descriptor. False on failure.
inline bool write_all(int fd, const void* from, std::size_t size) {
    const char* at = static_cast<const char*>(from);
    while (size > 0) {
        const long n = write(fd, at, size);
        if (n == -EAGAIN || n == -EWOULDBLOCK) {
            ::pollfd ready{fd, POLLOUT, 0};
            static_cast<void>(poll(&ready, 1, -1));
            continue;
        }
        if (n < 0) return false;
        at += n;
        size -= static_cast<std::size_t>(n);
    }
    return true;
}

/// As read(), but waits also where the descriptor is nonblocking.
inline long read_waiting(int fd, void* to, std::size_t size) {
    for (;;) {
        const long n = read(fd, to, size);
        if (n != -EAGAIN && n != -EWOULDBLOCK) return n;
        ::pollfd ready{fd, POLLIN, 0};
        static_cast<void>(poll(&ready, 1, -1));
    }
}

/// This process's id.
inline int own_pid() noexcept { return ::getpid(); }

/// Makes this process the leader of a session of its own, with /dev/null for standard error. One that leads a session already,
/// because it was given a terminal (spawn_options::terminal), ignores from now on that the terminal hangs up.
inline void leave_session() {
    put_null(2);
    if (::setsid() < 0) static_cast<void>(::signal(SIGHUP, SIG_IGN));
}

/// Sends a signal to this process.
inline void signal_self(int number) noexcept { static_cast<void>(::kill(::getpid(), number)); }

} // namespace sys
} // namespace mitogen::inline MITOGEN_ABI

// ---- mitogen/connect/first_stage.hpp ----
// first_stage.hpp: the line of shell that is executed on a machine where nothing of ours runs, and becomes the program.

namespace mitogen::inline MITOGEN_ABI {
namespace detail {

/// The descriptor through which the program is executed.
inline constexpr int program_descriptor = 9;

/// Stands in the first stage for the identity of the program, until that is known: see name_program(). What it says itself is
/// that of no program.
inline constexpr std::string_view no_program = "h=none;k=none;";

/// What the first stage says behind the machine where it has the program; else the names of what it can decompress with.
inline constexpr std::string_view kept_word = "kept";

/// The first stage: POSIX sh, one line without single quotes, for `sh -c`.
///
/// It looks whether the program is in one of its caches, directories that are this user's own: the file's name is its SHA-256,
/// and its contents are checked. So that they cannot change any more, it is checked and executed through one descriptor, where
/// there is a /proc. The empty program `x` beside it tells whether programs may be executed there: `[ -x ]` does not know of
/// noexec in every shell. Then the first stage says the mark, the machine, and that it has the program or what it can decompress
/// with. If it has it, it becomes the program, without waiting for anything; else it reads a line of further shell (see
/// receiving_stage.hpp), which is followed by the program. Nothing is sent to it before the mark, and `read` takes a line byte
/// by byte: nothing behind it is lost. At the end of its input it exits: it never waits for a parent that is gone.
inline std::string first_stage_script() {
    // The command line must not contain the mark, lest an echo of it be taken for the child's voice: octal escapes for what is no
    // text, and an empty argument in the middle, because some shells' echo undoes escapes.
    std::string mark;
    for (const char c : handshake::mark) {
        const auto byte = static_cast<unsigned char>(c);
        if (byte < 0x80) {
            mark += c;
        } else {
            mark += {'\\', static_cast<char>('0' + (byte >> 6)), static_cast<char>('0' + ((byte >> 3) & 7)),
                     static_cast<char>('0' + (byte & 7))};
        }
    }
    mark.insert(mark.size() / 2, "%s");
    std::string s = "umask 077;m=$(uname -sm);u=mitogen.$LOGNAME;z=;" + std::string(no_program);
    s += "v(){ case \"$( (sha256sum||cksum)2>/dev/null)\" in $h?*|$k*);;*)return 1;esac;};";
    s += "set -- \"${XDG_CACHE_HOME:+$XDG_CACHE_HOME/mitogen}\" \"${HOME:+$HOME/.cache/mitogen}\" \"/var/tmp/$u\" \"/tmp/$u\" "
         "\"/dev/shm/$u\";";
    s += "for c do p=$c/$h;[ -h \"$c\" ]||{ [ -O \"$c\" ]&&[ -x \"$p\" ]&&[ -r \"$p\" ]&&\"$c/x\" </dev/null 2>/dev/null&&"
         "exec 9<\"$p\"&&v <&9&&z=" + std::string(kept_word) + "&&break;};done;";
    s += "[ $z ]||for t in zstd gzip;do command -v $t >/dev/null&&z=\"$z $t\";done;";
    s += "printf \"" + mark + "1 %s;%s\\n\" \"\" \"$m\" \"$z\";";
    s += "[ \"$z\" = " + std::string(kept_word) + " ]&&{ [ -r /proc/self/fd/9 ]&&p=/proc/self/fd/9;exec \"$p\" " +
         std::string(child_argument) + ";};";
    s += "read -r s||exit 1;eval \"$s\"";
    return s;
}

/// The same as one command for a login shell of any kind: tcsh and fish see only `exec sh -c '…'`.
inline std::string first_stage_command() { return "exec sh -c '" + first_stage_script() + "'"; }

/// In a child, at its start: closes and removes what the first stage could not, being itself replaced by this program.
inline void leave_first_stage(const char* path) {
    const int own = sys::self_executable().get();
    if (own != program_descriptor && sys::same_file(own, program_descriptor)) sys::unique_fd(program_descriptor).reset();
    const std::string directory = "/mitogen-" + std::to_string(sys::own_pid()); // exec keeps the shell's number
    const std::string_view shown = path ? std::string_view(path) : std::string_view();
    if (!shown.ends_with(directory + "/m")) return;
    (void)sys::remove_file(path);
    (void)sys::remove_directory(std::string(shown.substr(0, shown.size() - 2)).c_str());
}

} // namespace detail
} // namespace mitogen::inline MITOGEN_ABI

// ---- mitogen/sys/machine.hpp ----
// machine.hpp: what kind of machine this is, and who runs here.

namespace mitogen::inline MITOGEN_ABI {
namespace sys {

/// "Linux x86_64": what `uname -sm` prints.
inline std::string machine_text() {
    ::utsname u{};
    if (::uname(&u) < 0) return "unknown";
    return std::string(u.sysname) + " " + u.machine;
}

/// "user@host:pid" of this process: the default name by which its children show whose they are.
inline std::string identity_text() {
    ::utsname u{};
    static_cast<void>(::uname(&u));
    // Not getpwuid(): in a statically linked program glibc would load the shared libraries of another glibc for it.
    const char* user = std::getenv("USER");
    if (!user || !*user) user = std::getenv("LOGNAME");
    const std::string name = user && *user ? std::string(user) : "uid" + std::to_string(::getuid());
    return name + "@" + u.nodename + ":" + std::to_string(::getpid());
}

} // namespace sys
} // namespace mitogen::inline MITOGEN_ABI

// ---- mitogen/sys/program_kind.hpp ----
// program_kind.hpp: what machine an executable file is for, and whether a machine can run it, before it is sent there.

namespace mitogen::inline MITOGEN_ABI {
namespace sys {

namespace detail {

/// A machine by its number in an ELF header, and its names by word size and byte order.
struct elf_machine {
    unsigned number;
    const char* narrow_little;
    const char* narrow_big;
    const char* wide_little;
    const char* wide_big;
};
inline constexpr elf_machine elf_machines[] = {
    {3, "i686", "", "", ""},
    {4, "", "m68k", "", ""},
    {8, "mips", "mips", "mips64", "mips64"},
    {20, "", "ppc", "", ""},
    {21, "", "", "ppc64le", "ppc64"},
    {22, "", "s390", "", "s390x"},
    {40, "arm", "armeb", "", ""},
    {43, "", "", "", "sparc64"},
    {62, "", "", "x86_64", ""},
    {183, "", "", "aarch64", "aarch64_be"},
    {243, "riscv32", "", "riscv64", ""},
    {258, "loongarch32", "", "loongarch64", ""},
};

} // namespace detail

/// A file's system and machine as `uname -sm` says them, "Linux x86_64"; empty for what is no ELF file or for an unknown machine.
/// Numbers from elf(5) and the gABI's list of machines; system V's OSABI (0) is taken for Linux.
inline std::string program_kind(int fd) {
    unsigned char h[20];
    if (sys::pread(fd, h, sizeof h, 0) != static_cast<long>(sizeof h)) return {};
    if (std::string_view(reinterpret_cast<const char*>(h), 4) != "\x7f"
                                                                 "ELF")
        return {};
    const bool wide = h[4] == 2;
    const bool big = h[5] == 2;
    const unsigned machine = big ? h[18] * 256u + h[19] : h[19] * 256u + h[18];
    const char* system = h[7] == 9 ? "FreeBSD " : h[7] == 2 ? "NetBSD " : h[7] == 12 ? "OpenBSD " : "Linux ";
    for (const detail::elf_machine& k : detail::elf_machines) {
        if (k.number != machine) continue;
        const char* name = wide ? (big ? k.wide_big : k.wide_little) : (big ? k.narrow_big : k.narrow_little);
        return *name ? std::string(system) + name : std::string();
    }
    return {};
}

/// True if a machine that says `there` of itself runs programs of `kind`; both as `uname -sm` spells it.
inline bool machine_runs(std::string_view there, std::string_view kind) {
    if (there == kind) return true;
    const auto machine_of = [](std::string_view text) { return text.substr(text.find(' ') + 1); };
    if (there.substr(0, there.find(' ')) != kind.substr(0, kind.find(' '))) return false;
    const std::string_view machine = machine_of(there);
    const std::string_view wanted = machine_of(kind);
    if (wanted == "i686") return machine == "x86_64" || (machine.size() == 4 && machine[0] == 'i' && machine.substr(2) == "86");
    if (wanted == "arm") return machine.substr(0, 3) == "arm" || machine == "aarch64"; // armv6l, armv7l, armv8l
    if (wanted == "mips") return machine == "mips64";
    if (wanted == "x86_64") return machine == "amd64"; // the BSDs' names
    if (wanted == "aarch64") return machine == "arm64" || machine == "evbarm";
    return false;
}

/// A shell's pattern for what `uname -sm` prints on machines that run programs of `kind`: at most what machine_runs() says, and
/// at least `kind` itself. No character of it needs quotes in a `case`.
inline std::string machine_pattern(std::string_view kind) {
    std::string pattern;
    for (const char c : kind) {
        const bool plain = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' || c == '.';
        pattern += plain ? c : '?';
    }
    const std::size_t blank = kind.find(' ');
    if (blank == std::string_view::npos) return pattern;
    const std::string system = pattern.substr(0, blank + 1);
    const std::string_view machine = kind.substr(blank + 1);
    const auto or_else = [&](std::string_view other) { pattern += "|" + system + std::string(other); };
    if (machine == "i686") or_else("i?86"), or_else("x86_64");
    if (machine == "arm") or_else("armv*"), or_else("aarch64");
    if (machine == "mips") or_else("mips64");
    if (machine == "x86_64") or_else("amd64");
    if (machine == "aarch64") or_else("arm64"), or_else("evbarm");
    return pattern;
}

/// What machines a program may be for, as `uname -m` spells them: those of program_kind().
inline std::vector<std::string> known_machines() {
    std::vector<std::string> all;
    for (const detail::elf_machine& m : detail::elf_machines) {
        for (const char* const name : {m.narrow_little, m.narrow_big, m.wide_little, m.wide_big})
            if (*name && (all.empty() || all.back() != name)) all.emplace_back(name);
    }
    return all;
}

} // namespace sys
} // namespace mitogen::inline MITOGEN_ABI

// ---- mitogen/connect/program_choice.hpp ----
// program_choice.hpp: which program a target is sent: the one that is asked for, or, where that cannot run there, another build.

namespace mitogen::inline MITOGEN_ABI {
namespace detail {

/// What a first stage says of its machine, behind the mark: " Linux x86_64;kept", or " Linux x86_64; zstd gzip".
struct stage_words {
    std::string_view machine{};
    std::string_view tools{};
    bool kept = false;

    explicit stage_words(std::string_view said) {
        if (said.starts_with(' ')) said.remove_prefix(1);
        const std::size_t end = said.rfind(';');
        machine = said.substr(0, end);
        if (end == std::string_view::npos) return;
        tools = said.substr(end + 1);
        kept = tools == kept_word;
    }

    /// True if it can undo what `tool` has compressed.
    bool has(std::string_view tool) const noexcept {
        return (std::string(tools) + " ").find(" " + std::string(tool) + " ") != std::string::npos;
    }
};

/// What machines a program is for, as `uname -sm` says it; empty where that cannot be told.
inline std::string kind_of(const sys::unique_fd& program) {
    std::string kind = sys::program_kind(program.get());
    if (kind.empty() && sys::same_file(program.get(), sys::self_executable().get())) kind = sys::machine_text();
    return kind;
}

/// A program, or why there is none.
struct choice {
    const sys::unique_fd* file = nullptr;
    std::string trouble{};
};

/// The program for the target, which says `there` of itself ("Linux aarch64"). A shell that cannot execute a program may take it
/// for a script, so that it is better not to try.
inline choice choose_program(const boot_plan& plan, std::string_view there) {
    const std::string kind = kind_of(*plan.program);
    if (kind.empty() || sys::machine_runs(there, kind)) return {plan.program.get()};
    for (const payload_file& other : plan.others) {
        if (!sys::machine_runs(there, other.what.machine)) continue;
        if (!other.file) return {nullptr, other.trouble};
        const std::string other_kind = kind_of(*other.file);
        if (other_kind.empty() || sys::machine_runs(there, other_kind)) return {other.file.get()};
        return {nullptr, "the target is " + std::string(there) + ", and the payload for " + other.what.machine + ", " +
                             other.what.path + ", was built for " + other_kind};
    }
    std::string known;
    for (const payload_file& other : plan.others) known += (known.empty() ? "" : ", ") + other.what.machine;
    return {nullptr, "the target is " + (there.empty() ? "of an unknown kind" : std::string(there)) +
                         ", and this program was built for " + kind +
                         (known.empty() ? "" : "; there are others for " + known) +
                         "; build it for such machines too (mitogen_payload in CMake, or router_options::payloads), or give "
                         "`.executable` a program that runs there"};
}

/// Opens the builds of a plan's program for other machines: those of `payloads`, which are of no use where the plan is for
/// another program than this one; and those that lie beside it, "tool.Linux-aarch64" beside "tool".
inline void open_payloads(boot_plan& plan, const std::vector<payload>& payloads) {
    const auto open = [&plan](const payload& p, bool wanted) {
        const long rc = sys::open_to_read(p.path.c_str());
        if (rc < 0 && !wanted) return;
        payload_file& added = plan.others.emplace_back(payload_file{p, nullptr, {}});
        if (rc < 0)
            added.trouble = std::string(sys::failure("cannot open the payload for " + p.machine + ", " + p.path, rc).message());
        else added.file = std::make_shared<sys::unique_fd>(static_cast<int>(rc));
    };
    if (sys::same_file(plan.program->get(), sys::self_executable().get()))
        for (const payload& p : payloads) open(p, true);
    const std::string path = plan.program_path.empty() ? sys::self_path() : plan.program_path;
    if (path.empty()) return;
    for (const std::string& machine : sys::known_machines()) open({"Linux " + machine, path + ".Linux-" + machine}, false);
}

/// Tells the first stage of a plan what program it will become, so that it can look for it there. Reads programs that it sees for
/// the first time.
inline void name_program(boot_plan& plan) {
    if (!plan.keep_program) return;
    std::string arms;
    const auto add = [&arms](const std::string& pattern, const sys::unique_fd& file) {
        if (const program_identity* program = identity_of(file.get())) arms += pattern + ")" + program->settings() + ";";
    };
    const std::string kind = kind_of(*plan.program);
    add(kind.empty() ? "*" : sys::machine_pattern(kind), *plan.program);
    for (const payload_file& other : plan.others)
        if (other.file) add(sys::machine_pattern(other.what.machine), *other.file);
    if (arms.empty()) return;
    const std::string named = std::string(no_program) + "case $m in " + arms + "esac;";
    for (std::string& argument : plan.start.argv)
        if (const std::size_t at = argument.find(no_program); at != std::string::npos)
            argument.replace(at, no_program.size(), named);
}

} // namespace detail
} // namespace mitogen::inline MITOGEN_ABI

// ---- mitogen/connect/receiving_stage.hpp ----
// receiving_stage.hpp: the line of shell that a first stage without the program is sent, to receive it.

namespace mitogen::inline MITOGEN_ABI {
namespace detail {

/// What the stages say on stderr when they must give up.
inline constexpr std::string_view no_place_text = "mitogen: no directory for programs";
inline constexpr std::string_view no_room_text = "mitogen: no room for the program";
inline constexpr std::string_view short_program_text = "mitogen: incomplete program";

/// How a program is sent.
struct transfer {
    std::int64_t size = 0;   ///< bytes that are sent
    std::string_view tool{}; ///< what undoes their compression, "gzip" or "zstd"; empty: they are the program
    bool keep = true;        ///< it may stay in a cache
};

/// What a first stage does to receive `program`; one line, executed by the first stage's own shell, and followed by the program.
///
/// A file for it is made before anything is read. In the first cache that can be used: under a name of its own, from which it is
/// moved into place once it is complete. Else, or where it shall not be kept, in a fresh directory, which is removed with it
/// before the first byte arrives, where there is a /proc; it is executed through its descriptor then, and nothing is left behind
/// whoever dies. Without a /proc it is executed by name, and removes itself (leave_first_stage); until then a trap does. A
/// directory will do when an empty file can be executed there, which shells do without starting anything, and when there is
/// room: zeros are written first. So a program that has been sent finds its place.
///
/// Only `head`, or what decompresses, has the file open for writing, because nothing can be executed that is open for writing,
/// and the shell must not open it so for itself: mksh 59c keeps a copy of what `exec 8>&-` closes (c_exec in funcs.c, when the
/// copy is descriptor 10). What is executed has been read back and checked. The caches keep the eight programs that were used
/// last, as far as the file system notes reading; what was left there by a shell that was killed goes after a day.
inline std::string receiving_stage(const program_identity& program, const transfer& how) {
    const auto give_up = [](std::string_view text) { return "{ echo \"" + std::string(text) + "\" >&2;exit 1;};"; };
    const std::string tool = how.tool.empty() ? std::string() : "|" + std::string(how.tool) + " -dc";
    std::string s = program.settings() + "s=" + std::to_string(program.size) + ";n=" + std::to_string(how.size) + ";";
    s += "g(){ if command -v head >/dev/null;then head -c $1;else dd ibs=1 obs=65536 count=$1 2>/dev/null;fi;};";
    // f: makes the file $p. w: what was wrong with the last place.
    s += "w=\"" + std::string(no_place_text) + "\";";
    s += "f(){ (set -C;:>\"$p\")2>/dev/null&&chmod 700 \"$p\"&&[ -x \"$p\" ]&&\"$p\" </dev/null 2>/dev/null||return 1;";
    s += "(g $s </dev/zero >\"$p\")2>/dev/null&&return 0;w=\"" + std::string(no_room_text) + "\";return 1;};";
    s += "p=;d=;";
    if (how.keep) {
        s += "for c do [ -n \"$c\" ]||continue;d=${c%/*};[ -d \"$d\" ]||mkdir \"$d\";[ -d \"$c\" ]||mkdir \"$c\";";
        s += "[ ! -h \"$c\" ]&&[ -O \"$c\" ]&&chmod 700 \"$c\"||continue;";
        s += "p=$c/.$h.$(uname -n).$$;f&&break;rm -f \"$p\";rmdir \"$c\";p=;done 2>/dev/null;d=;";
    }
    s += "[ -n \"$p\" ]||for d in \"$XDG_RUNTIME_DIR\" \"$HOME/.cache\" \"$TMPDIR\" /tmp /var/tmp /dev/shm \"$HOME\";do ";
    s += "[ -n \"$d\" ]&&d=$d/mitogen-$$&&mkdir \"$d\" 2>/dev/null||continue;p=$d/m;f&&break;rm -rf \"$d\";p=;done;";
    s += "[ -n \"$p\" ]||" + give_up("$w");
    s += "trap \"rm -rf \\\"\\${d:-\\$p}\\\"\" 0;trap \"exit 1\" 1 2 13 15;exec 9<\"$p\";q=$p;";
    s += "[ -r /proc/self/fd/9 ]&&{ q=/proc/self/fd/9;[ -n \"$d\" ]&&p=$q&&rm -rf \"$d\";};";
    s += "(g $n" + tool + " >\"$p\");";
    s += "v <&9||{ ! command -v sha256sum&&! command -v cksum&&[ $(($(wc -c <&9))) = $s ];}>/dev/null||" +
         give_up(short_program_text);
    if (how.keep) {
        s += "[ -n \"$d\" ]||if mv -f \"$p\" \"$c/$h\";then [ \"$q\" = \"$p\" ]&&q=$c/$h;p=$c/$h;";
        s += "[ -f \"$c/x\" ]||{ (:>\"$c/x\");chmod 700 \"$c/x\";};";
        s += "(cd \"$c\"&&{ ls -tu|grep -v x|tail -n +9|while read -r f;do rm -f \"$f\";done;";
        s += "find . -name \".?*\" -type f -mtime +0 -exec rm -f {} \\;;})</dev/null >/dev/null 2>&1;";
        s += "else [ \"$q\" = \"$p\" ]||rm -f \"$p\";fi;";
    }
    s += "exec \"$q\" " + std::string(child_argument) + "\n";
    return s;
}

} // namespace detail
} // namespace mitogen::inline MITOGEN_ABI

// ---- mitogen/connect/boot_dialogue.hpp ----
// boot_dialogue.hpp: what a parent and the child that it has started say to each other before the link carries frames.

namespace mitogen::inline MITOGEN_ABI {
namespace detail {

/// The parent's half. A staged child begins with a shell that is sent the program; then, or at once, comes the child's hello,
/// which is answered with the welcome. Bytes in, turns out; writes to whatever descriptor it is given.
class boot_dialogue {
    const boot_plan& plan_;
    handshake::listener listener_;
    handshake::hello said_;
    outgoing out_;
    bool stage_seen_ = false;
    bool hello_seen_ = false;
    std::string trouble_;

public:
    enum class turn : std::uint8_t {
        listen,   ///< nothing more is said
        write,    ///< the program is to be sent: write()
        hello,    ///< the child has introduced itself: welcome(), then write()
        confused, ///< what it says makes no sense; see trouble()
        unfit,    ///< the program cannot run on that machine; see trouble()
    };

    explicit boot_dialogue(const boot_plan& plan) : plan_(plan) {}

    /// Adds bytes that arrived.
    void feed(std::span<const std::byte> bytes) { listener_.feed(bytes); }

    /// What to do about them; asked until it is `listen`, or the dialogue is over.
    turn next() {
        using finding = handshake::listener::finding;
        if (hello_seen_) return turn::listen;
        switch (listener_.look()) {
        case finding::nothing: break;
        case finding::wrong:
            return confused(listener_.wrong_protocol() ? "the program there speaks another version of this library's protocol; "
                                                         "build both sides with the same version"
                                                       : "it printed too much that makes no sense here before its hello");
        case finding::stage: {
            const turn t = meet_stage();
            return t == turn::listen ? next() : t; // it has become the program, whose hello may have come with its words
        }
        case finding::hello:
            hello_seen_ = true;
            if (!handshake::decode_hello(listener_.payload(), said_)) return confused("its hello does not decode");
            return turn::hello;
        }
        return turn::listen;
    }

    /// Answers the hello.
    void welcome(const handshake::welcome& w) { out_.say(handshake::encode_welcome(w)); }

    /// Writes what there is to say, as far as `fd` takes it.
    template <class Io>
    outgoing::progress write(Io& io, int fd) {
        const outgoing::progress p = out_.write(io, fd);
        if (p == outgoing::progress::unreadable) trouble_ = "cannot read the program that shall be sent: " + out_.trouble();
        return p;
    }

    /// What is wrong, in words.
    const std::string& trouble() const noexcept { return trouble_; }
    /// What the child has said of itself.
    const handshake::hello& said() const noexcept { return said_; }
    /// True once the shell has spoken.
    bool stage_seen() const noexcept { return stage_seen_; }
    /// True once the child has spoken.
    bool hello_seen() const noexcept { return hello_seen_; }
    /// What else was printed; cut to some kilobytes.
    std::string noise() const { return listener_.noise(); }
    /// Bytes that came behind the hello: frames.
    std::span<const std::byte> rest() const noexcept { return listener_.rest(); }

private:
    turn confused(std::string_view what) {
        trouble_ = what;
        return turn::confused;
    }

    /// The shell on the target is ready for the program.
    turn meet_stage() {
        if (!plan_.staged || stage_seen_) return confused("a shell spoke where none was expected");
        stage_seen_ = true;
        const stage_words said(listener_.text());
        const choice chosen = choose_program(plan_, said.machine);
        trouble_ = chosen.trouble;
        if (!chosen.file) return turn::unfit;
        if (said.kept) return turn::listen; // it becomes the program by itself
        const program_identity* program = identity_of(chosen.file->get());
        if (program) {
            const transfer how{.size = program->size, .keep = plan_.keep_program};
            out_.send_program(chosen.file->get(), receiving_stage(*program, how));
        } else {
            out_.send_program(chosen.file->get(), {}); // which cannot be read
        }
        return turn::write;
    }
};

} // namespace detail
} // namespace mitogen::inline MITOGEN_ABI

// ---- mitogen/io/policy.hpp ----
// policy.hpp: what the library needs from the world: time, threads, blocking and readiness, as one bag that can be exchanged.
//
// The bag is an object: cheap to copy, empty for the native ones, a handle to its world for the simulated one. Everything above
// sys/ and io/ takes it as a template parameter `Io` and gets these things from nowhere else; that is why a whole tree of
// contexts can run in one process under virtual time. The concept is made of named parts, so that a diagnostic names the part
// that is missing.

namespace mitogen::inline MITOGEN_ABI {
namespace io {

/// What a poller should report about a descriptor.
enum class interest : std::uint8_t { none = 0, read = 1, write = 2, both = 3 };

/// True if `set` contains reading.
constexpr bool wants_read(interest set) noexcept { return (static_cast<unsigned>(set) & 1u) != 0; }
/// True if `set` contains writing.
constexpr bool wants_write(interest set) noexcept { return (static_cast<unsigned>(set) & 2u) != 0; }
/// The interest that consists of these two.
constexpr interest make_interest(bool read, bool write) noexcept {
    return static_cast<interest>((read ? 1u : 0u) | (write ? 2u : 0u));
}

/// One descriptor is ready: a read or write there will not block (it may fail, or report the end).
struct event {
    std::uint64_t token = 0; ///< what the descriptor was registered with
    bool readable = false;
    bool writable = false;
};

/// Descriptors: `Io::descriptor` owns one; move-only, empty when get() is -1.
template <class Io>
concept has_descriptor = std::movable<typename Io::descriptor> &&
                         requires(typename Io::descriptor d, const typename Io::descriptor c) {
                             { c.get() } -> std::same_as<int>;
                             { d.release() } -> std::same_as<int>;
                             d.reset();
                             static_cast<bool>(c);
                         };

/// Child processes: `Io::process`, as sys::process describes.
template <class Io>
concept has_process = std::movable<typename Io::process> &&
                      requires(typename Io::process p, const typename Io::process c, int n) {
                          c.pid();
                          { c.poll_fd() } -> std::same_as<int>;
                          { c.running() } -> std::same_as<bool>;
                          { p.try_wait() } -> std::same_as<std::optional<exit_status>>;
                          { p.wait() } -> std::same_as<exit_status>;
                          { p.signal(n) } -> std::same_as<long>;
                          p.forget();
                      };

/// Starting them: `io.spawn(options)` as sys::spawn describes.
template <class Io>
concept has_spawn = requires(Io io, const sys::spawn_options& options) {
    { io.spawn(options) } -> std::same_as<result<typename Io::process>>;
};

/// Time: `io.now()`, monotonic nanoseconds from an arbitrary start; any thread.
template <class Io>
concept has_clock = requires(Io io) {
    { io.now() } -> std::same_as<instant>;
};

/// Who is running: `io.self()`, different for every two threads that exist at the same time. `io.relax()`: a pause inside a spin.
template <class Io>
concept has_identity = requires(Io io) {
    { io.self() } -> std::same_as<const void*>;
    io.relax();
};

/// Bytes: read, readv, write, writev with the results of sys::read and its siblings: a count, or -errno.
template <class Io>
concept has_transfer = requires(Io io, int fd, void* to, const void* from, std::size_t size, const ::iovec* parts, int count) {
    { io.read(fd, to, size) } -> std::same_as<long>;
    { io.readv(fd, parts, count) } -> std::same_as<long>;
    { io.write(fd, from, size) } -> std::same_as<long>;
    { io.writev(fd, parts, count) } -> std::same_as<long>;
};

/// The same for who has nothing else to do: `io.read_waiting(fd, to, size)` sleeps until there is something, also where the
/// descriptor is nonblocking: a count, 0 at the end, or -errno. `io.write_all(fd, from, size)` sleeps until everything is
/// written; false on failure. Only the calling thread sleeps.
template <class Io>
concept has_blocking_transfer = requires(Io io, int fd, void* to, const void* from, std::size_t size) {
    { io.read_waiting(fd, to, size) } -> std::same_as<long>;
    { io.write_all(fd, from, size) } -> std::same_as<bool>;
};

/// Pipes: `io.pipe(read_end, write_end)` makes one: both ends blocking, close-on-exec, and above 2, where standard input, output
/// and error cannot be mistaken for them; where it fails (-errno) both are empty. `io.set_nonblocking(fd, on)`: 0 or -errno.
/// `io.enlarge(fd)`: a hint that a pipe should hold more; never fails.
template <class Io>
concept has_pipe = requires(Io io, typename Io::descriptor& read_end, typename Io::descriptor& write_end, int fd) {
    { io.pipe(read_end, write_end) } -> std::same_as<long>;
    { io.set_nonblocking(fd, true) } -> std::same_as<long>;
    io.enlarge(fd);
};

/// The process that this runs in. `io.own_pid()`: its number. `io.own_name()`: who and where it is, for people: "user@host:pid".
/// `io.can_spawn_self()`: true if this program, started once more, knows that it is a child: once it has called mitogen::init.
/// `io.signal_self(signal)`. `io.set_title(title)`: what ps and top show; once, on the main thread. `io.leave_session()`: leaves
/// the terminal and the standard error of whoever started it.
template <class Io>
concept has_own_process = requires(Io io, int signal, const std::string& title) {
    { io.own_pid() } -> std::same_as<int>;
    { io.own_name() } -> std::same_as<std::string>;
    { io.can_spawn_self() } -> std::same_as<bool>;
    io.signal_self(signal);
    io.set_title(title);
    io.leave_session();
};

/// What this process prints. `io.capture_stdout()`: from now on it goes into a pipe; returns the end to read from, or nothing,
/// then nothing is captured. `io.release_stdout()`: flushes what is buffered and closes this process's end of that pipe.
template <class Io>
concept has_stdout = requires(Io io) {
    { io.capture_stdout() } -> std::same_as<typename Io::descriptor>;
    io.release_stdout();
};

/// True for policies whose processes can be copied by fork(2): `Io::can_fork` is true, and `Io::process(pid)` takes the copy
/// over. Only such routers have fork(). No part of what every policy must have.
template <class Io>
concept can_fork = Io::can_fork && std::constructible_from<typename Io::process, int>;

/// True for policies whose descriptors are the kernel's, so that programs can join through its sockets: only such routers have
/// listen(). No part of what every policy must have.
template <class Io>
concept has_local_sockets = Io::has_local_sockets && std::constructible_from<typename Io::descriptor, int>;

/// True for policies whose processes can be started at a terminal: `io.open_pty(pty&)`, as sys::open_pty. With others a program
/// that asks questions at its terminal is started without one. No part of what every policy must have.
template <class Io>
concept has_terminals = Io::has_terminals && std::constructible_from<typename Io::descriptor, int>;

/// Readiness: `Io::poller`. One descriptor, one registration; level-triggered.
///
/// add, modify: 0 or -errno. `interest::none` keeps a descriptor registered and reports nothing about it, not even a failure.
/// A descriptor that has failed or hung up is reported ready for whatever was asked, and may be for what was not: ignore that.
/// remove: before the descriptor is closed; unknown ones are ignored. wait: see there. recreate: in the child after fork; nothing
/// is registered afterwards. wait and recreate belong to one thread at a time; `Io::poller::any_thread_registers` says whether
/// add, modify and remove may run beside a wait.
/// wait(out, capacity, timeout): number of events written; 0 on timeout (ns; negative: no limit; a signal may end it early);
/// -errno only where the poller itself is broken.
template <class Io>
concept has_poller = std::constructible_from<typename Io::poller, Io&> &&
                     requires(typename Io::poller p, int fd, std::uint64_t token, interest i, event* out, duration_ns timeout) {
                         { Io::poller::has_gate } -> std::convertible_to<bool>;
                         { p.add(fd, token, i) } -> std::same_as<long>;
                         { p.modify(fd, token, i) } -> std::same_as<long>;
                         p.remove(fd);
                         { p.wait(out, fd, timeout) } -> std::same_as<int>;
                         p.recreate();
                     };

/// The gate, of pollers whose `has_gate` is true: lets one thread (the home thread) sleep undisturbed while another drives the
/// poller.
///
/// wait_gate(timeout) sleeps until the gate is open and the poller has something ready (true), until kick_gate() (true, even
/// though the gate is closed; one kick is one return), or until the timeout (false). Another thread may be in wait() meanwhile.
/// open_gate, close_gate and kick_gate: any thread, no effect on each other's threads but the home thread's wake-up. A new
/// poller's gate is open; recreate() opens it.
template <class Io>
concept has_usable_gate = !Io::poller::has_gate || requires(typename Io::poller p, duration_ns timeout) {
    p.open_gate();
    p.close_gate();
    p.kick_gate();
    { p.wait_gate(timeout) } -> std::same_as<bool>;
};

/// Not part of a policy, but of pollers with a gate that some other loop may drive: fd() is a descriptor that is readable while
/// wait() would not sleep, and from the moment on that set_alarm() was given last. open_alarm(), once, before that: 0 or -errno.
template <class Io>
concept has_outer_loop = Io::poller::has_gate && requires(typename Io::poller p, instant at) {
    { p.open_alarm() } -> std::same_as<long>;
    p.set_alarm(at);
    { p.fd() } -> std::same_as<int>;
};

/// Interrupting a poller: `Io::waker`. fd() is readable from the first wake() until drain(); wakes in between coalesce.
/// wake() may be called by any thread and never blocks. recreate(): in the child after fork, which would otherwise share it.
template <class Io>
concept has_waker = std::constructible_from<typename Io::waker, Io&> && requires(typename Io::waker w) {
    { w.fd() } -> std::same_as<int>;
    { w.wake() } noexcept;
    { w.drain() } noexcept;
    w.recreate();
};

/// How a thread sleeps: `Io::parker`, holding at most one token. unpark() puts it there, from any thread; park() and park_until()
/// take it, on one thread, and sleep until it is there. park_until(deadline): false if the deadline came first. Holds no
/// descriptor.
template <class Io>
concept has_parker = std::constructible_from<typename Io::parker, Io&> && requires(typename Io::parker p, instant deadline) {
    p.park();
    { p.park_until(deadline) } -> std::same_as<bool>;
    { p.unpark() } noexcept;
};

/// Mutual exclusion: `Io::mutex`, not recursive; usable with std::lock_guard.
template <class Io>
concept has_mutex = std::constructible_from<typename Io::mutex, Io&> && requires(typename Io::mutex m) {
    m.lock();
    { m.try_lock() } -> std::same_as<bool>;
    m.unlock();
};

/// Threads: `Io::thread(io, name, body)` starts one with all signals blocked; the destructor joins.
template <class Io>
concept has_thread = std::default_initializable<typename Io::thread> && std::movable<typename Io::thread> &&
                     std::constructible_from<typename Io::thread, Io&, const char*, unique_function<void()>> &&
                     requires(typename Io::thread t, const typename Io::thread c) {
                         t.join();
                         { c.joinable() } -> std::same_as<bool>;
                     };

/// The whole bag.
template <class Io>
concept policy = std::copyable<Io> && has_descriptor<Io> && has_process<Io> && has_spawn<Io> && has_clock<Io> &&
                 has_identity<Io> && has_transfer<Io> && has_blocking_transfer<Io> && has_pipe<Io> && has_own_process<Io> &&
                 has_stdout<Io> && has_poller<Io> && has_usable_gate<Io> && has_waker<Io> && has_parker<Io> && has_mutex<Io> &&
                 has_thread<Io>;

} // namespace io
} // namespace mitogen::inline MITOGEN_ABI

// ---- mitogen/loop/watch_table.hpp ----
// watch_table.hpp: the descriptors that the loop watches, and which of them an event is about.

namespace mitogen::inline MITOGEN_ABI {

/// A descriptor that the loop watches. Lives inside whatever owns the descriptor; unwatch it before it dies.
struct event_source {
    void (*ready)(event_source& self, bool readable, bool writable) = nullptr; ///< called on the loop
    int fd = -1;
    std::uint32_t slot = 0; ///< maintained by the loop
    io::interest interest = io::interest::none;
    bool watched = false;
};

/// Watched descriptors by slot. A token is a slot and how often it was used: events of a descriptor that is watched no longer
/// find nothing. Slot 0 belongs to the waker. Threads: loop.
template <class Io>
class basic_watch_table {
    struct slot {
        event_source* source = nullptr;
        std::uint32_t generation = 0;
    };

    typename Io::poller& poller_;
    std::vector<slot> slots_{std::vector<slot>(1)};
    std::vector<std::uint32_t> free_;

    std::uint64_t token(std::uint32_t index) const noexcept {
        return static_cast<std::uint64_t>(slots_[index].generation) << 32 | index;
    }

public:
    explicit basic_watch_table(typename Io::poller& poller) : poller_(poller) {}

    /// Begins to watch. 0 or -errno.
    long add(event_source& source, io::interest what) {
        std::uint32_t index;
        if (free_.empty()) {
            index = static_cast<std::uint32_t>(slots_.size());
            slots_.push_back({});
        } else {
            index = free_.back();
            free_.pop_back();
        }
        source.slot = index;
        slots_[index].source = &source;
        if (const long rc = poller_.add(source.fd, token(index), what); rc < 0) {
            slots_[index].source = nullptr;
            free_.push_back(index);
            return rc;
        }
        source.interest = what;
        source.watched = true;
        return 0;
    }

    /// Changes what a watched descriptor is watched for. 0, or -errno with nothing changed.
    long change(event_source& source, io::interest what) {
        if (!source.watched || source.interest == what) return 0;
        const long rc = poller_.modify(source.fd, token(source.slot), what);
        if (rc < 0) return rc;
        source.interest = what;
        return 0;
    }

    /// Stops watching. Nothing happens where it is not watched.
    void remove(event_source& source) noexcept {
        if (!source.watched) return;
        source.watched = false;
        poller_.remove(source.fd);
        slot& s = slots_[source.slot];
        s.source = nullptr;
        ++s.generation;
        free_.push_back(source.slot);
    }

    /// Whom an event is about; null where that is watched no longer.
    event_source* find(std::uint64_t token) const noexcept {
        const auto index = static_cast<std::uint32_t>(token);
        if (index >= slots_.size()) return nullptr;
        const slot& s = slots_[index];
        return s.generation == static_cast<std::uint32_t>(token >> 32) ? s.source : nullptr;
    }
};

} // namespace mitogen::inline MITOGEN_ABI

// ---- mitogen/loop/bound_source.hpp ----
// bound_source.hpp: a watched descriptor that calls a member of the object that it lives in.

namespace mitogen::inline MITOGEN_ABI {

/// Made useful by on_ready(). Moving it, or its owner, breaks it.
template <class Owner>
struct bound_source : event_source {
    Owner* owner = nullptr;
};

/// Has `Member` of `owner` called, on the loop, when `fd` is ready: with what it is ready for (readable, writable) where it takes
/// two bools, else with nothing. The caller watches it.
template <auto Member, class Owner>
void on_ready(bound_source<Owner>& source, Owner& owner, int fd) noexcept {
    source.owner = &owner;
    source.fd = fd;
    source.ready = [](event_source& s, bool readable, bool writable) {
        Owner& self = *static_cast<bound_source<Owner>&>(s).owner;
        if constexpr (std::is_invocable_v<decltype(Member), Owner&, bool, bool>) (self.*Member)(readable, writable);
        else (self.*Member)();
    };
}

} // namespace mitogen::inline MITOGEN_ABI

// ---- mitogen/io/main_arguments.hpp ----
// main_arguments.hpp: what mitogen::init learnt from main(), for the policies that run in real processes.

namespace mitogen::inline MITOGEN_ABI {
namespace io {

/// The arguments of main(). A fact of the operating system's process: simulated processes have none.
struct main_arguments_type {
    int argc = 0;
    char** argv = nullptr;
    bool known = false; ///< mitogen::init was called
};
inline constinit main_arguments_type main_arguments{};

} // namespace io
} // namespace mitogen::inline MITOGEN_ABI

// ---- mitogen/sys/futex.hpp ----
// futex.hpp: sleeping on a word of memory, where the kernel offers it; empty elsewhere.

#if defined(__linux__)
#include <atomic>
#include <cstdint>

#include <linux/futex.h>
#include <sys/syscall.h>
#include <unistd.h>

namespace mitogen::inline MITOGEN_ABI {
namespace sys {

namespace detail {
#if defined(SYS_futex)
inline constexpr long futex_number = SYS_futex;
using futex_field = long; // two longs; monotonic seconds fit 32 bits for 68 years of uptime
#else
inline constexpr long futex_number = SYS_futex_time64; // the only one on 32-bit architectures younger than 2020
using futex_field = std::int64_t;
#endif
} // namespace detail

/// Sleeps while `word` is `expected`, until futex_wake() or `deadline` (CLOCK_MONOTONIC; `never`: no limit).
/// 0 when woken, -EAGAIN when the word differs, -ETIMEDOUT, -EINTR; may also wake for no reason. futex(2), private to the
/// process.
inline long futex_wait(const std::atomic<std::uint32_t>& word, std::uint32_t expected, instant deadline) {
    return checked_once("futex_wait", -1, [&] {
        using field = detail::futex_field;
        struct {
            field seconds, nanoseconds;
        } t{};
        const bool limited = deadline != never;
        if (limited && deadline > 0) {
            t = {static_cast<field>(deadline / 1'000'000'000), static_cast<field>(deadline % 1'000'000'000)};
        }
        return ::syscall(detail::futex_number, &word, FUTEX_WAIT_BITSET | FUTEX_PRIVATE_FLAG, expected,
                         limited ? &t : nullptr, nullptr, FUTEX_BITSET_MATCH_ANY);
    });
}

/// Wakes up to `count` threads that sleep on `word`; the number of those woken. Safe on memory that has been freed meanwhile.
inline long futex_wake(const std::atomic<std::uint32_t>& word, int count) {
    return checked("futex_wake", -1, [&] {
        return ::syscall(detail::futex_number, &word, FUTEX_WAKE | FUTEX_PRIVATE_FLAG, count, nullptr, nullptr, 0);
    });
}

} // namespace sys
} // namespace mitogen::inline MITOGEN_ABI
#endif

// ---- mitogen/io/parker.hpp ----
// parker.hpp: how one thread sleeps until another has something for it, without a descriptor.

#if defined(__linux__)
#include <atomic>
#include <cstdint>
#else
#include <pthread.h>
#endif

namespace mitogen::inline MITOGEN_ABI {
namespace io {

#if defined(__linux__)

/// One token, given by unpark() and taken by park().
///
/// A system call is made only to sleep, and by unpark() only where somebody sleeps. What unpark() published before is visible to
/// the thread that takes the token. The object may be destroyed as soon as the token has been taken.
/// Threads: unpark() any; park(), park_until() one at a time.
class posix_parker {
    static constexpr std::uint32_t empty = 0;
    static constexpr std::uint32_t token = 1;
    static constexpr std::uint32_t asleep = 2;

    std::atomic<std::uint32_t> state_{empty};

public:
    template <class Io>
    explicit posix_parker(Io&) noexcept {}
    posix_parker(posix_parker&&) = delete;

    /// Takes the token; sleeps until it is there.
    void park() { static_cast<void>(park_until(never)); }

    /// As park(), until `deadline` at the latest: true if the token was taken. A deadline in the past takes a token that is
    /// there.
    bool park_until(instant deadline) {
        std::uint32_t seen = token;
        if (state_.compare_exchange_strong(seen, empty, std::memory_order_acquire)) return true;
        seen = empty;
        state_.compare_exchange_strong(seen, asleep, std::memory_order_relaxed);
        for (;;) {
            const long rc = sys::futex_wait(state_, asleep, deadline);
            seen = token;
            if (state_.compare_exchange_strong(seen, empty, std::memory_order_acquire)) return true;
            // may have come in this instant
            if (rc == -ETIMEDOUT) return state_.exchange(empty, std::memory_order_acquire) == token;
        }
    }

    /// Puts the token there; wakes the thread that sleeps for it.
    void unpark() noexcept {
        // After the exchange the parker may already be gone: the wake-up needs its address only, and a stranger at that address
        // would wake for no reason, which every user of a futex expects.
        if (state_.exchange(token, std::memory_order_release) == asleep) static_cast<void>(sys::futex_wake(state_, 1));
    }
};

#else

/// One token, given by unpark() and taken by park(): the same as on Linux, with a condition variable in the place of the futex.
class posix_parker {
    ::pthread_mutex_t mutex_ = PTHREAD_MUTEX_INITIALIZER;
    ::pthread_cond_t changed_;
    bool token_ = false;

public:
    template <class Io>
    explicit posix_parker(Io&) noexcept {
#if defined(__APPLE__)
        static_cast<void>(::pthread_cond_init(&changed_, nullptr));
#else
        ::pthread_condattr_t monotonic;
        ::pthread_condattr_init(&monotonic);
        ::pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
        static_cast<void>(::pthread_cond_init(&changed_, &monotonic));
        ::pthread_condattr_destroy(&monotonic);
#endif
    }
    posix_parker(posix_parker&&) = delete;
    ~posix_parker() {
        ::pthread_mutex_lock(&mutex_); // unpark() may still be inside
        ::pthread_mutex_unlock(&mutex_);
        ::pthread_cond_destroy(&changed_);
        ::pthread_mutex_destroy(&mutex_);
    }

    /// Takes the token; sleeps until it is there.
    void park() { static_cast<void>(park_until(never)); }

    /// As park(), until `deadline` at the latest: true if the token was taken.
    bool park_until(instant deadline) {
        ::pthread_mutex_lock(&mutex_);
        int rc = 0;
        while (!token_ && rc != ETIMEDOUT) {
            if (deadline == never) {
                rc = ::pthread_cond_wait(&changed_, &mutex_);
            } else {
#if defined(__APPLE__) && defined(__MACH__) && __has_include(<mach/mach.h>)
                const ::timespec span = sys::to_timespec(deadline - sys::monotonic_now()); // macOS can't choose the clock
                rc = ::pthread_cond_timedwait_relative_np(&changed_, &mutex_, &span);
#else
                const ::timespec until = sys::to_timespec(deadline);
                rc = ::pthread_cond_timedwait(&changed_, &mutex_, &until);
#endif
            }
        }
        const bool taken = token_;
        token_ = false;
        ::pthread_mutex_unlock(&mutex_);
        return taken;
    }

    /// Puts the token there; wakes the thread that sleeps for it.
    void unpark() noexcept {
        ::pthread_mutex_lock(&mutex_);
        token_ = true;
        ::pthread_cond_signal(&changed_); // under the mutex: the sleeper may destroy this object as soon as it has the token
        ::pthread_mutex_unlock(&mutex_);
    }
};

#endif

static_assert(!std::is_move_constructible_v<posix_parker>);

} // namespace io
} // namespace mitogen::inline MITOGEN_ABI

// ---- mitogen/sys/signal.hpp ----
// signal.hpp: what the library does about signals: survive SIGPIPE, let children's ends be known, keep handlers off its threads.

namespace mitogen::inline MITOGEN_ABI {
namespace sys {

/// Ignores SIGPIPE in this process, unless the program has already decided about it: a write to a link whose far end has gone
/// must be an error (EPIPE) and not the end of the process. Children that spawn() starts get the default back.
inline void ignore_sigpipe() noexcept {
    struct ::sigaction now {};
    if (::sigaction(SIGPIPE, nullptr, &now) != 0 || (now.sa_flags & SA_SIGINFO) || now.sa_handler != SIG_DFL) return;
    now.sa_handler = SIG_IGN;
    static_cast<void>(::sigaction(SIGPIPE, &now, nullptr));
}

/// Sets SIGCHLD back to its default where it is ignored (SA_NOCLDWAIT included): some programs start others that way, and the
/// system then throws away how a child ended before anybody can ask. Handlers stay what they are.
inline void keep_exit_statuses() noexcept {
    struct ::sigaction now {};
    if (::sigaction(SIGCHLD, nullptr, &now) != 0) return;
    const bool ignored = !(now.sa_flags & SA_SIGINFO) && now.sa_handler == SIG_IGN;
    if (!ignored && !(now.sa_flags & SA_NOCLDWAIT)) return;
    if (ignored) now.sa_handler = SIG_DFL;
    now.sa_flags &= ~SA_NOCLDWAIT;
    static_cast<void>(::sigaction(SIGCHLD, &now, nullptr));
}

/// All signals but those that report a fault of the thread itself: were these blocked, a crash would bypass the handlers that
/// debuggers, sanitizers and crash reporters install.
inline ::sigset_t blockable_signals() noexcept {
    ::sigset_t set;
    ::sigfillset(&set);
    for (const int s : {SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGTRAP, SIGABRT, SIGSYS}) ::sigdelset(&set, s);
    return set;
}

/// Blocks every blockable signal for the calling thread, and for threads that it starts meanwhile; restores the mask at the end.
class block_all_signals {
    ::sigset_t before_;

public:
    block_all_signals() noexcept {
        const ::sigset_t all = blockable_signals();
        static_cast<void>(::pthread_sigmask(SIG_BLOCK, &all, &before_));
    }
    block_all_signals(const block_all_signals&) = delete;
    block_all_signals& operator=(const block_all_signals&) = delete;
    ~block_all_signals() { static_cast<void>(::pthread_sigmask(SIG_SETMASK, &before_, nullptr)); }
};

} // namespace sys
} // namespace mitogen::inline MITOGEN_ABI

// ---- mitogen/io/thread.hpp ----
// thread.hpp: the mutex and the thread that the native policies share.

#if defined(__FreeBSD__) && __has_include(<pthread_np.h>)
#include <pthread_np.h>
#endif

namespace mitogen::inline MITOGEN_ABI {
namespace io {

/// A mutex; not recursive. No system call while nobody competes for it.   Threads: any.
class posix_mutex {
    ::pthread_mutex_t mutex_ = PTHREAD_MUTEX_INITIALIZER;

public:
    template <class Io>
    explicit posix_mutex(Io&) noexcept {}
    posix_mutex(posix_mutex&&) = delete;
    ~posix_mutex() { static_cast<void>(::pthread_mutex_destroy(&mutex_)); }

    /// Acquires it; sleeps while another thread holds it.
    void lock() noexcept { static_cast<void>(::pthread_mutex_lock(&mutex_)); }
    /// Releases it.
    void unlock() noexcept { static_cast<void>(::pthread_mutex_unlock(&mutex_)); }
    /// Acquires it if that needs no waiting.
    bool try_lock() noexcept { return ::pthread_mutex_trylock(&mutex_) == 0; }
};

/// A thread of the library. It runs with all signals blocked, so that the program's handlers run on the program's threads.
///
/// An exception that leaves the body ends the program. The destructor joins.
/// Throws: error(kind::overloaded) where the machine allows no further thread.
class posix_thread {
    ::pthread_t handle_{};
    bool joinable_ = false;

    struct start {
        char name[16];
        unique_function<void()> body;
    };

    static void* run(void* argument) noexcept {
        const std::unique_ptr<start> s(static_cast<start*>(argument));
        // Each system names the calling thread in its own way; the ones that are missing here leave it unnamed.
#if defined(__APPLE__) && __has_include(<mach/mach.h>)
        static_cast<void>(::pthread_setname_np(s->name));
#elif defined(__linux__) || (defined(__FreeBSD__) && __has_include(<pthread_np.h>))
        static_cast<void>(::pthread_setname_np(::pthread_self(), s->name));
#endif
        s->body();
        return nullptr;
    }

public:
    /// No thread.
    posix_thread() = default;
    /// Starts one that runs `body`. `name`, cut to 15 bytes, is what debuggers and ps show.
    template <class Io>
    posix_thread(Io&, const char* name, unique_function<void()> body) {
        auto s = std::make_unique<start>();
        std::strncpy(s->name, name, sizeof s->name - 1);
        s->name[sizeof s->name - 1] = '\0';
        s->body = std::move(body);
        const sys::block_all_signals inherited;
        const long rc = sys::checked("pthread_create", -1, [&] {
            errno = ::pthread_create(&handle_, nullptr, &run, s.get());
            return errno == 0 ? 0 : -1;
        });
        if (rc == -EAGAIN) raise(error(reason::overloaded, "pthread_create: " + sys::errno_text(EAGAIN))); // no further thread
        if (rc < 0) raise(sys::failure("pthread_create", rc));
        static_cast<void>(s.release());
        joinable_ = true;
    }
    posix_thread(posix_thread&& other) noexcept : handle_(other.handle_), joinable_(std::exchange(other.joinable_, false)) {}
    posix_thread& operator=(posix_thread&& other) noexcept {
        if (this != &other) {
            join();
            handle_ = other.handle_;
            joinable_ = std::exchange(other.joinable_, false);
        }
        return *this;
    }
    ~posix_thread() { join(); }

    /// Waits for its end; at once where there is no thread.
    void join() noexcept {
        if (std::exchange(joinable_, false)) static_cast<void>(::pthread_join(handle_, nullptr));
    }

    /// True while it has been neither joined nor forgotten.
    bool joinable() const noexcept { return joinable_; }

    /// In the child after fork, where the thread does not exist: nothing is left to join.
    void forget() noexcept { joinable_ = false; }
};

static_assert(std::is_nothrow_move_assignable_v<posix_thread> && !std::is_copy_constructible_v<posix_thread>);

} // namespace io
} // namespace mitogen::inline MITOGEN_ABI

// ---- mitogen/io/waker.hpp ----
// waker.hpp: lets any thread interrupt a poller that is blocked in wait().

namespace mitogen::inline MITOGEN_ABI {
namespace io {

/// Interrupts a poller from another thread, by a pipe.
///
/// Wakes are level-triggered and coalesce: N wake()s before one drain() are one event. Each wake() is one system call: who wakes
/// often remembers that a wake is already pending.
/// After fork() the child must call recreate(): both processes would otherwise read one kernel object.
/// Threads: wake() any; the rest the poller's.   Blocks: never.   Throws: error(kind::overloaded) when out of descriptors.
class pipe_waker {
    sys::unique_fd read_end_;
    sys::unique_fd write_end_;

    void open() {
        long rc = sys::pipe(read_end_, write_end_);
        if (rc >= 0) rc = sys::set_nonblocking(read_end_.get(), true);
        if (rc >= 0) rc = sys::set_nonblocking(write_end_.get(), true); // a full pipe is a pending wake: no reason to block
        if (rc >= 0) rc = sys::move_above_stdio(read_end_); // else whoever prints would wake us
        if (rc >= 0) rc = sys::move_above_stdio(write_end_);
        if (rc < 0) raise(sys::failure("pipe", rc));
    }

public:
    template <class Io>
    explicit pipe_waker(Io&) {
        open();
    }
    pipe_waker(pipe_waker&&) = delete;

    /// What to register with a poller, for reading.
    int fd() const noexcept { return read_end_.get(); }

    /// Makes fd() readable until the next drain().
    void wake() noexcept { static_cast<void>(sys::write(write_end_.get(), "", 1)); }

    /// Makes fd() unreadable until the next wake().
    void drain() noexcept {
        char bytes[256];
        while (sys::read(read_end_.get(), bytes, sizeof bytes) == static_cast<long>(sizeof bytes)) {}
    }

    /// In the child after fork: a kernel object of its own, with no wake pending.
    void recreate() {
        read_end_.reset();
        write_end_.reset();
        open();
    }
};

static_assert(!std::is_move_constructible_v<pipe_waker>);

#if defined(__linux__)

/// As pipe_waker, with one descriptor instead of two.
class eventfd_waker {
    sys::unique_fd fd_;

    void open() {
        const long rc = sys::eventfd(0);
        if (rc < 0) raise(sys::failure("eventfd", rc));
        fd_.reset(static_cast<int>(rc));
        const long moved = sys::move_above_stdio(fd_); // else whoever prints would wake us
        if (moved < 0) raise(sys::failure("dup", moved, fd_.get()));
    }

public:
    template <class Io>
    explicit eventfd_waker(Io&) {
        open();
    }
    eventfd_waker(eventfd_waker&&) = delete;

    /// What to register with a poller, for reading.
    int fd() const noexcept { return fd_.get(); }

    /// Makes fd() readable until the next drain().
    void wake() noexcept {
        const std::uint64_t one = 1;
        static_cast<void>(sys::write(fd_.get(), &one, sizeof one)); // -EAGAIN: 2^64 wakes are pending
    }

    /// Makes fd() unreadable until the next wake().
    void drain() noexcept {
        std::uint64_t count = 0;
        static_cast<void>(sys::read(fd_.get(), &count, sizeof count)); // one read takes them all
    }

    /// In the child after fork: a kernel object of its own, with no wake pending.
    void recreate() {
        fd_.reset();
        open();
    }
};

static_assert(!std::is_move_constructible_v<eventfd_waker>);

/// What the native policies use.
using posix_waker = eventfd_waker;
#else
/// What the native policies use.
using posix_waker = pipe_waker;
#endif

} // namespace io
} // namespace mitogen::inline MITOGEN_ABI

// ---- mitogen/sys/pipe_size.hpp ----
// pipe_size.hpp: makes a pipe hold more, where the system lets us.

namespace mitogen::inline MITOGEN_ABI {
namespace sys {

/// Raises a pipe's capacity from 64 KiB, so that large messages need fewer hand-overs: to two fragments, of which one is read
/// while the other is written. Not more: what is in the pipe delays every small message behind it. Linux allows an unprivileged
/// process
/// 1 MiB for each and 64 MiB in all (pipe(7), pipe-max-size and pipe-user-pages-soft); where it refuses, the pipe stays as it is.
inline void enlarge_pipe([[maybe_unused]] int fd, [[maybe_unused]] std::size_t bytes = 256u << 10) noexcept {
#if defined(F_SETPIPE_SZ)
    static_cast<void>(::fcntl(fd, F_SETPIPE_SZ, static_cast<int>(bytes)));
#endif
}

} // namespace sys
} // namespace mitogen::inline MITOGEN_ABI

// ---- mitogen/sys/pty.hpp ----
// pty.hpp: pseudo terminals, for programs that ask their questions at a terminal and nowhere else.

namespace mitogen::inline MITOGEN_ABI {
namespace sys {

/// A pseudo terminal that echoes nothing and passes on what is printed as it is. As long as `held` is open, `master` sees no end.
struct pty {
    unique_fd master; ///< this side: reads what is printed there, writes what is typed. Its close hangs the terminal up
    unique_fd held;   ///< the terminal itself; not this process's controlling one
    std::string path; ///< of the terminal, for whoever opens it: spawn_options::terminal
};

/// Opens one, with both descriptors above 2, blocking and close-on-exec. 0 or -errno; then `p` is as it was.
inline long open_pty(pty& p) {
    pty made;
#if defined(__linux__)
    constexpr int flags = O_RDWR | O_NOCTTY | O_CLOEXEC;
#else
    constexpr int flags = O_RDWR | O_NOCTTY;
#endif
    long rc = checked("posix_openpt", -1, [] { return ::posix_openpt(flags); });
    if (rc < 0) return rc;
    made.master.reset(static_cast<int>(rc));
    rc = set_cloexec(made.master.get(), true);
    if (rc >= 0) rc = move_above_stdio(made.master);
    if (rc >= 0) rc = checked("grantpt", made.master.get(), [&] { return ::grantpt(made.master.get()); });
    if (rc >= 0) rc = checked("unlockpt", made.master.get(), [&] { return ::unlockpt(made.master.get()); });
    if (rc < 0) return rc;
    char path[128] = {};
#if defined(__linux__)
    const int named = ::ptsname_r(made.master.get(), path, sizeof path);
    if (named != 0) return named < 0 ? -errno : -named;
    made.path = path;
#else
    static_cast<void>(path);
    const char* const name = ::ptsname(made.master.get());
    if (!name) return -ENOTTY;
    made.path = name;
#endif
    rc = open(made.path.c_str(), O_RDWR | O_NOCTTY);
    if (rc < 0) return rc;
    made.held.reset(static_cast<int>(rc));
    rc = move_above_stdio(made.held);
    ::termios mode{};
    if (rc >= 0) rc = checked("tcgetattr", made.held.get(), [&] { return ::tcgetattr(made.held.get(), &mode); });
    if (rc < 0) return rc;
    mode.c_lflag &= ~static_cast<::tcflag_t>(ECHO | ECHOE | ECHOK | ECHONL);
    mode.c_oflag &= ~static_cast<::tcflag_t>(OPOST);
    rc = checked("tcsetattr", made.held.get(), [&] { return ::tcsetattr(made.held.get(), TCSANOW, &mode); });
    if (rc < 0) return rc;
    p = std::move(made);
    return 0;
}

} // namespace sys
} // namespace mitogen::inline MITOGEN_ABI

// ---- mitogen/sys/title.hpp ----
// title.hpp: what ps and top show for this process.

#if defined(__linux__)
#include <sys/prctl.h>
#endif

namespace mitogen::inline MITOGEN_ABI {
namespace sys {

/// Shows `title` as this process's command line and, cut to 15 bytes, as the calling thread's name (the process's, on the main
/// thread).
///
/// Overwrites the memory that argv's strings occupy, and stays within it: `argv` must be the one that main() was given, and the
/// arguments can't be read afterwards. A title that is longer is cut.
/// Threads: the main thread, while no other reads argv.   Blocks: never.
inline void set_process_title(int argc, char** argv, std::string_view title) {
#if defined(__linux__)
    const std::string name(title.substr(0, 15)); // TASK_COMM_LEN - 1
    static_cast<void>(::prctl(PR_SET_NAME, name.c_str(), 0, 0, 0));
#endif
    if (argc <= 0 || argv == nullptr || argv[0] == nullptr) return;
    // The kernel lays the strings out back to back; a program may have replaced some by others, which are not ours to overwrite.
    char* const begin = argv[0];
    char* end = begin + std::strlen(begin) + 1;
    for (int i = 1; i < argc && argv[i] == end; ++i) end += std::strlen(argv[i]) + 1;
    // the last byte stays 0: else Linux reads on into the environment
    const std::size_t room = static_cast<std::size_t>(end - begin) - 1;
    const std::size_t used = title.size() < room ? title.size() : room;
    if (used > 0) std::memmove(begin, title.data(), used);
    std::memset(begin + used, 0, room + 1 - used);
}

} // namespace sys
} // namespace mitogen::inline MITOGEN_ABI

// ---- mitogen/io/posix.hpp ----
// posix.hpp: what the epoll, poll and kqueue policies share: everything but the poller.

namespace mitogen::inline MITOGEN_ABI {
namespace io {

/// The common part of the native policies. Empty; every copy is equal.   Threads: any.
struct posix {
    using descriptor = sys::unique_fd;
    using process = sys::process;
    using waker = posix_waker;
    using parker = posix_parker;
    using mutex = posix_mutex;
    using thread = posix_thread;

    /// Nanoseconds on CLOCK_MONOTONIC; about 20 ns.
    instant now() const noexcept { return sys::monotonic_now(); }

    /// An address that belongs to the calling thread as long as it lives.
    const void* self() const noexcept {
        static thread_local constinit char here = 0;
        return &here;
    }

    /// A pause of a few cycles inside a spin: saves power, and lets the other hyperthread run.
    void relax() const noexcept {
#if defined(__x86_64__) || defined(__i386__)
        __builtin_ia32_pause();
#elif defined(__aarch64__) || (defined(__arm__) && __ARM_ARCH >= 7)
        __asm__ __volatile__("yield");
#else
        __asm__ __volatile__("" ::: "memory");
#endif
    }

    /// As sys::read.
    long read(int fd, void* to, std::size_t size) const { return sys::read(fd, to, size); }
    /// As sys::readv.
    long readv(int fd, const ::iovec* parts, int count) const { return sys::readv(fd, parts, count); }
    /// As sys::write.
    long write(int fd, const void* from, std::size_t size) const { return sys::write(fd, from, size); }
    /// As sys::writev.
    long writev(int fd, const ::iovec* parts, int count) const { return sys::writev(fd, parts, count); }
    /// As sys::read_waiting.
    long read_waiting(int fd, void* to, std::size_t size) const { return sys::read_waiting(fd, to, size); }
    /// As sys::write_all.
    bool write_all(int fd, const void* from, std::size_t size) const { return sys::write_all(fd, from, size); }

    /// As sys::pipe, with both ends above 2, also where this process runs with 0, 1 or 2 closed.
    long pipe(descriptor& read_end, descriptor& write_end) const {
        long rc = sys::pipe(read_end, write_end);
        if (rc >= 0) rc = sys::move_above_stdio(read_end);
        if (rc >= 0) rc = sys::move_above_stdio(write_end);
        if (rc >= 0) return 0;
        read_end.reset();
        write_end.reset();
        return rc;
    }
    /// As sys::set_nonblocking.
    long set_nonblocking(int fd, bool on) const { return sys::set_nonblocking(fd, on); }
    /// As sys::enlarge_pipe.
    void enlarge(int fd) const { sys::enlarge_pipe(fd); }

    /// Copies by fork(2) can be made.
    static constexpr bool can_fork = true;
    /// Other programs can join through sockets.
    static constexpr bool has_local_sockets = true;

    int own_pid() const noexcept { return sys::own_pid(); }
    /// As sys::identity_text.
    std::string own_name() const { return sys::identity_text(); }
    bool can_spawn_self() const noexcept { return main_arguments.known; }
    void signal_self(int signal) const noexcept { sys::signal_self(signal); }
    void leave_session() const { sys::leave_session(); }
    /// Does nothing before mitogen::init.
    void set_title(const std::string& title) const {
        if (main_arguments.argv) sys::set_process_title(main_arguments.argc, main_arguments.argv, title);
    }

    descriptor capture_stdout() const { return sys::pipe_stdout(); }
    void release_stdout() const {
        std::fflush(nullptr);
        sys::null_stdout();
    }

    /// Programs can be started at a terminal of their own.
    static constexpr bool has_terminals = true;
    /// As sys::open_pty.
    long open_pty(sys::pty& p) const { return sys::open_pty(p); }

    /// As sys::spawn.
    result<sys::process> spawn(const sys::spawn_options& options) const { return sys::spawn(options); }
};

} // namespace io
} // namespace mitogen::inline MITOGEN_ABI

// ---- mitogen/sys/epoll.hpp ----
// epoll.hpp: the epoll system calls; empty where there is no epoll.

#if defined(__linux__)
#include <atomic>
#include <cerrno>
#include <cstdint>

#include <sys/epoll.h>
#include <sys/syscall.h>
#include <sys/timerfd.h>
#include <unistd.h>

namespace mitogen::inline MITOGEN_ABI {
namespace sys {

/// epoll_create1(2), close-on-exec.
inline long epoll_create() {
    return checked("epoll_create", -1, [] { return ::epoll_create1(EPOLL_CLOEXEC); });
}

/// epoll_ctl(2): `operation` is EPOLL_CTL_ADD, MOD or DEL.
inline long epoll_ctl(int epoll, int operation, int fd, std::uint32_t events, std::uint64_t token) {
    return checked("epoll_ctl", fd, [=] {
        ::epoll_event e{};
        e.events = events;
        e.data.u64 = token;
        return ::epoll_ctl(epoll, operation, fd, &e);
    });
}

/// timerfd_create(2) on the monotonic clock, close-on-exec, non-blocking.
inline long timerfd() {
    return checked("timerfd_create", -1, [] { return ::timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK); });
}

/// timerfd_settime(2): readable from that moment on until it is set again; `never`: not at all.
inline long timerfd_set(int fd, instant at) {
    return checked("timerfd_settime", fd, [=] {
        ::itimerspec when{};
        if (at != never) when.it_value = to_timespec(at > 0 ? at : 1); // 0 would stop it
        return ::timerfd_settime(fd, TFD_TIMER_ABSTIME, &when, nullptr);
    });
}

namespace detail {
// False once the kernel has said that it has no epoll_pwait2: asked once per process, and only if somebody needs it.
// EPERM is how container runtimes older than the call refuse it.
inline constinit std::atomic<bool> epoll_pwait2_exists{true};

#if defined(SYS_epoll_pwait2)
inline long epoll_pwait2(int epoll, ::epoll_event* out, int capacity, duration_ns timeout) {
    return checked_once("epoll_pwait2", epoll, [=] {
        const ::timespec t = to_timespec(timeout);
        struct {
            std::int64_t seconds, nanoseconds; // what the kernel reads on every architecture, whatever time_t is
        } const span{t.tv_sec, t.tv_nsec};
        return ::syscall(SYS_epoll_pwait2, epoll, out, capacity, &span, nullptr, std::size_t{0});
    });
}
#else
inline long epoll_pwait2(int, ::epoll_event*, int, duration_ns) { return -ENOSYS; }
#endif
} // namespace detail

/// Waits for events: their number, 0 on timeout, -errno. `timeout` < 0: no limit. One system call.
/// Timeouts below 10 ms are exact where the kernel has epoll_pwait2 (5.11); others are rounded up to milliseconds, because the
/// finer call costs 0.1 µs more even if it does not sleep.
/// A signal ends a wait that has a limit early, with 0: the caller knows its deadline.
inline long epoll_wait(int epoll, ::epoll_event* out, int capacity, duration_ns timeout) {
    const bool fine = timeout > 0 && timeout < 10'000'000 && timeout % 1'000'000 != 0;
    for (;;) {
        long rc = -ENOSYS;
        if (fine && detail::epoll_pwait2_exists.load(std::memory_order_relaxed)) {
            rc = detail::epoll_pwait2(epoll, out, capacity, timeout);
            if (rc == -ENOSYS || rc == -EPERM) {
                detail::epoll_pwait2_exists.store(false, std::memory_order_relaxed);
                rc = -ENOSYS;
            }
        }
        if (rc == -ENOSYS) {
            rc = checked_once("epoll_wait", epoll, [=] { return ::epoll_wait(epoll, out, capacity, to_poll_ms(timeout)); });
        }
        if (rc != -EINTR) return rc;
        if (timeout > 0) return 0;
    }
}

} // namespace sys
} // namespace mitogen::inline MITOGEN_ABI
#endif

// ---- mitogen/io/epoll.hpp ----
// epoll.hpp: the policy for Linux; empty elsewhere.

namespace mitogen::inline MITOGEN_ABI {
namespace io {

#if defined(__linux__)

/// Readiness by epoll(7), with a gate.
///
/// The gate is a second epoll object that holds the first one: events = EPOLLIN while open, 0 while closed. An epoll object
/// inside another wakes the outer one's sleepers only for what the mask allows, and EPOLL_CTL_MOD looks at the readiness there
/// is, so that opening can't miss an event. Each is one system call that wakes nobody by itself.
/// Threads: wait() and wait_gate() one each at a time; recreate() alone; the rest any.
/// Throws: error(kind::overloaded) when out of descriptors (it needs three).
class epoll_poller {
    static constexpr std::uint64_t inner_token = 0;
    static constexpr std::uint64_t kick_token = 1;
    static constexpr std::uint64_t alarm_token = UINT64_MAX; // nobody's: its event only ends a wait

    sys::unique_fd inner_; // holds what is registered
    sys::unique_fd outer_; // holds inner_ and kick_
    sys::unique_fd kick_;  // an eventfd that is written and never read: each write is one edge
    sys::unique_fd alarm_; // a timerfd in inner_, for those who sleep elsewhere

    static sys::unique_fd checked_fd(const char* what, long rc) {
        if (rc < 0) raise(sys::failure(what, rc));
        sys::unique_fd fd(static_cast<int>(rc));
        static_cast<void>(sys::move_above_stdio(fd));
        return fd;
    }

    void open() {
        inner_ = checked_fd("epoll_create1", sys::epoll_create());
        outer_ = checked_fd("epoll_create1", sys::epoll_create());
        kick_ = checked_fd("eventfd", sys::eventfd(0));
        long rc = sys::epoll_ctl(outer_.get(), EPOLL_CTL_ADD, kick_.get(), EPOLLIN | EPOLLET, kick_token);
        if (rc >= 0) rc = sys::epoll_ctl(outer_.get(), EPOLL_CTL_ADD, inner_.get(), EPOLLIN, inner_token);
        if (rc < 0) raise(sys::failure("epoll_ctl", rc, outer_.get()));
    }

    static std::uint32_t mask(interest i) noexcept {
        return (wants_read(i) ? std::uint32_t{EPOLLIN} : 0u) | (wants_write(i) ? std::uint32_t{EPOLLOUT} : 0u);
    }

    void set_gate(std::uint32_t events) noexcept {
        static_cast<void>(sys::epoll_ctl(outer_.get(), EPOLL_CTL_MOD, inner_.get(), events, inner_token));
    }

public:
    static constexpr bool has_gate = true;
    static constexpr bool any_thread_registers = true;

    template <class Io>
    explicit epoll_poller(Io&) {
        open();
    }
    epoll_poller(epoll_poller&&) = delete;

    /// Registers a descriptor. 0 or -errno: -EEXIST where it is registered, -EPERM where it is a file that is always ready.
    long add(int fd, std::uint64_t token, interest i) {
        return i == interest::none ? 0 : sys::epoll_ctl(inner_.get(), EPOLL_CTL_ADD, fd, mask(i), token);
    }

    /// Changes the token and the interest of a registered descriptor. 0 or -errno.
    long modify(int fd, std::uint64_t token, interest i) {
        // epoll reports EPOLLHUP and EPOLLERR even with an empty mask, and would spin: no interest is no membership.
        if (i == interest::none) {
            remove(fd);
            return 0;
        }
        const long rc = sys::epoll_ctl(inner_.get(), EPOLL_CTL_MOD, fd, mask(i), token);
        return rc == -ENOENT ? sys::epoll_ctl(inner_.get(), EPOLL_CTL_ADD, fd, mask(i), token) : rc;
    }

    /// Forgets a descriptor, which must still be open.
    void remove(int fd) { static_cast<void>(sys::epoll_ctl(inner_.get(), EPOLL_CTL_DEL, fd, 0, 0)); }

    /// Waits for events; see io::has_poller. One system call; as exact as sys::epoll_wait.
    int wait(event* out, int capacity, duration_ns timeout) {
        constexpr int most = 128;
        ::epoll_event ready[most];
        const long n = sys::epoll_wait(inner_.get(), ready, capacity < most ? capacity : most, timeout);
        for (long i = 0; i < n; ++i) {
            const std::uint32_t e = ready[i].events;
            const bool over = (e & (std::uint32_t{EPOLLERR} | EPOLLHUP)) != 0;
            out[i] = {ready[i].data.u64, over || (e & EPOLLIN) != 0, over || (e & EPOLLOUT) != 0};
        }
        return static_cast<int>(n);
    }

    /// In the child after fork: kernel objects of its own, with nothing registered and the gate open.
    void recreate() {
        alarm_.reset();
        kick_.reset();
        outer_.reset();
        inner_.reset();
        open();
    }

    /// For a loop that sleeps on fd(): makes set_alarm() possible. 0 or -errno.
    long open_alarm() {
        const long made = sys::timerfd();
        if (made < 0) return made;
        alarm_ = sys::unique_fd(static_cast<int>(made));
        static_cast<void>(sys::move_above_stdio(alarm_));
        return add(alarm_.get(), alarm_token, interest::read);
    }

    /// From that moment on fd() is readable, and wait() returns at once, until the alarm is set anew.
    void set_alarm(instant at) noexcept { static_cast<void>(sys::timerfd_set(alarm_.get(), at)); }

    /// Readable while wait() would not sleep.
    int fd() const noexcept { return inner_.get(); }

    /// Lets wait_gate() see what is ready; wakes it at once if something is.
    void open_gate() noexcept { set_gate(EPOLLIN); }

    /// Hides what is ready from wait_gate().
    void close_gate() noexcept { set_gate(0); }

    /// Makes wait_gate() return once, now or at its next call, whatever the gate's state.
    void kick_gate() noexcept {
        const std::uint64_t one = 1;
        static_cast<void>(sys::write(kick_.get(), &one, sizeof one));
    }

    /// Sleeps until the gate is open and something is ready, or until a kick: true. False on timeout (ns; negative: no limit).
    bool wait_gate(duration_ns timeout) {
        ::epoll_event ready[2];
        return sys::epoll_wait(outer_.get(), ready, 2, timeout) > 0;
    }
};

/// The policy that uses epoll(7), eventfd(2), futex(2) and pidfd_open(2).
struct epoll : posix {
    using poller = epoll_poller;
};

static_assert(policy<epoll>);
static_assert(std::is_empty_v<epoll>);

#endif

} // namespace io
} // namespace mitogen::inline MITOGEN_ABI

// ---- mitogen/io/kqueue.hpp ----
// kqueue.hpp: the policy for BSD and macOS; empty elsewhere.

#if MITOGEN_HAS_KQUEUE
#include <mutex>
#endif

namespace mitogen::inline MITOGEN_ABI {
namespace io {

#if MITOGEN_HAS_KQUEUE

/// Readiness by kqueue(2), level-triggered.
///
/// A descriptor that is ready both ways is two kernel events; they become one where they arrive together, else two.
/// Threads: wait() one at a time; recreate() alone; the rest any.   Throws: error(kind::overloaded) when out of descriptors.
class kqueue_poller {
    struct registration {
        std::uint64_t token = 0;
        interest wanted = interest::none;
        bool known = false;
        sys::unique_fd writing; // only for libkqueue, see write_ident()
    };

    sys::unique_fd queue_;
    posix_mutex mutex_;
    std::vector<registration> known_; // by descriptor: an event's user data has no room for 64 bits everywhere

    void open() {
        const long rc = sys::kqueue_create();
        if (rc < 0) raise(sys::failure("kqueue", rc));
        queue_.reset(static_cast<int>(rc));
    }

    long change(int fd, int ident, int filter, unsigned flags) {
        return sys::kqueue_change(queue_.get(), ident, filter, flags, 0, fd);
    }

    // The descriptor to register for writing: libkqueue refuses reading and writing on one, so there it is a duplicate.
    static long write_ident([[maybe_unused]] registration& r, int fd) {
#if defined(LIBKQUEUE)
        if (r.writing) return r.writing.get();
        const long copy = sys::dup_above(fd, 3);
        if (copy >= 0) r.writing.reset(static_cast<int>(copy));
        return copy;
#else
        return fd;
#endif
    }

    // Makes the kernel's registrations those of `wanted`; on failure the ones that were there stay.
    long apply(registration& r, int fd, interest wanted) {
        long rc = 0;
        if (wants_read(wanted) != wants_read(r.wanted)) {
            rc = change(fd, fd, EVFILT_READ, wants_read(wanted) ? EV_ADD : EV_DELETE);
            if (rc < 0) return rc;
        }
        if (wants_write(wanted) && !wants_write(r.wanted)) {
            rc = write_ident(r, fd);
            if (rc >= 0) rc = change(fd, static_cast<int>(rc), EVFILT_WRITE, EV_ADD);
            if (rc < 0 && wants_read(wanted) && !wants_read(r.wanted)) static_cast<void>(change(fd, fd, EVFILT_READ, EV_DELETE));
            if (rc < 0) return rc;
        } else if (!wants_write(wanted) && wants_write(r.wanted)) {
            // before the duplicate is closed
            static_cast<void>(change(fd, r.writing ? r.writing.get() : fd, EVFILT_WRITE, EV_DELETE));
            r.writing.reset();
        }
        r.wanted = wanted;
        return 0;
    }

    registration* find(int fd) noexcept {
        const auto i = static_cast<std::size_t>(fd);
        return fd >= 0 && i < known_.size() && known_[i].known ? &known_[i] : nullptr;
    }

public:
    static constexpr bool has_gate = false;
    static constexpr bool any_thread_registers = true;

    template <class Io>
    explicit kqueue_poller(Io& io) : mutex_(io) {
        open();
    }
    kqueue_poller(kqueue_poller&&) = delete;

    /// Registers a descriptor. 0 or -errno: -EEXIST where it is registered, -EBADF where it is not open.
    long add(int fd, std::uint64_t token, interest i) {
        if (fd < 0) return -EBADF;
        const std::lock_guard lock(mutex_);
        if (find(fd)) return -EEXIST;
        if (static_cast<std::size_t>(fd) >= known_.size()) known_.resize(static_cast<std::size_t>(fd) + 1);
        registration& r = known_[static_cast<std::size_t>(fd)];
        const long rc = apply(r, fd, i);
        r.known = rc >= 0;
        r.token = token;
        return rc;
    }

    /// Changes the token and the interest of a registered descriptor. 0 or -errno.
    long modify(int fd, std::uint64_t token, interest i) {
        const std::lock_guard lock(mutex_);
        registration* r = find(fd);
        if (!r) return -ENOENT;
        r->token = token;
        return apply(*r, fd, i);
    }

    /// Forgets a descriptor, which must still be open.
    void remove(int fd) {
        const std::lock_guard lock(mutex_);
        registration* r = find(fd);
        if (!r) return;
        static_cast<void>(apply(*r, fd, interest::none));
        *r = {};
    }

    /// Waits for events; see io::has_poller. One system call.
    int wait(event* out, int capacity, duration_ns timeout) {
        constexpr int most = 128;
        struct ::kevent ready[most];
        const long n = sys::kqueue_wait(queue_.get(), ready, capacity < most ? capacity : most, timeout);
        if (n <= 0) return static_cast<int>(n);
        int made = 0;
        const std::lock_guard lock(mutex_);
        for (long i = 0; i < n; ++i) {
            const registration* r = find(static_cast<int>(reinterpret_cast<std::intptr_t>(ready[i].udata)));
            if (!r) continue; // removed by another thread meanwhile
            if (made == 0 || out[made - 1].token != r->token) out[made++] = {r->token, false, false};
            (ready[i].filter == EVFILT_READ ? out[made - 1].readable : out[made - 1].writable) = true;
        }
        return made;
    }

    /// In the child after fork: a kqueue of its own, with nothing registered.
    void recreate() {
        known_.clear();
#if !defined(LIBKQUEUE)
        static_cast<void>(queue_.release()); // the kernel has closed it: the number may already belong to something else
#endif
        queue_.reset();
        open();
    }
};

#if defined(LIBKQUEUE)
/// libkqueue accepts pipes, sockets and terminals, but neither pidfd nor eventfd: processes are as on a system that has no such
/// thing.
class unwatched_process : public sys::process {
public:
    using sys::process::process;
    explicit unwatched_process(sys::process&& p) noexcept : sys::process(std::move(p)) {}

    /// None: always -1.
    int poll_fd() const noexcept { return -1; }
};
#endif

/// The policy that uses kqueue(2).
struct kqueue : posix {
    using poller = kqueue_poller;
    using waker = pipe_waker;
#if defined(LIBKQUEUE)
    using process = unwatched_process;

    /// As sys::spawn.
    result<process> spawn(const sys::spawn_options& options) const {
        auto made = sys::spawn(options);
        if (!made) return made.error();
        return process(std::move(*made));
    }
#endif
};

static_assert(policy<kqueue>);
static_assert(std::is_empty_v<kqueue>);

#endif

} // namespace io
} // namespace mitogen::inline MITOGEN_ABI

// ---- mitogen/io/poll.hpp ----
// poll.hpp: the policy that every POSIX system can run.

namespace mitogen::inline MITOGEN_ABI {
namespace io {

/// Readiness by poll(2): no kernel object, no descriptor; each wait costs time in proportion to the number of descriptors.
///
/// Threads: one, the one that waits, for everything.   Throws: std::bad_alloc.
class poll_poller {
    static constexpr std::size_t nowhere = static_cast<std::size_t>(-1);

    struct owner {
        std::uint64_t token;
        int fd;
    };

    std::vector<::pollfd> entries_;
    std::vector<owner> owners_;      // of the entries with the same index
    std::vector<std::size_t> index_; // by descriptor: where its entry is
    std::size_t next_ = 0;           // where the scan for ready entries begins, so that low ones don't starve high ones

    std::size_t find(int fd) const noexcept {
        const auto i = static_cast<std::size_t>(fd);
        return fd >= 0 && i < index_.size() ? index_[i] : nowhere;
    }

    static void set(::pollfd& entry, int fd, interest i) noexcept {
        // poll() reports failures even where nothing was asked for; a negative descriptor is the way to be left alone.
        entry.fd = i == interest::none ? -1 : fd;
        entry.events = static_cast<short>((wants_read(i) ? POLLIN : 0) | (wants_write(i) ? POLLOUT : 0));
        entry.revents = 0;
    }

public:
    static constexpr bool has_gate = false;
    static constexpr bool any_thread_registers = false;

    template <class Io>
    explicit poll_poller(Io&) noexcept {}
    poll_poller(poll_poller&&) = delete;

    /// Registers a descriptor. 0 or -errno: -EEXIST where it is registered, -EBADF where it is negative.
    long add(int fd, std::uint64_t token, interest i) {
        if (fd < 0) return -EBADF;
        if (find(fd) != nowhere) return -EEXIST;
        const auto slot = static_cast<std::size_t>(fd);
        if (slot >= index_.size()) index_.resize(slot + 1, nowhere);
        index_[slot] = entries_.size();
        set(entries_.emplace_back(), fd, i);
        owners_.push_back({token, fd});
        return 0;
    }

    /// Changes the token and the interest of a registered descriptor. 0, or -ENOENT.
    long modify(int fd, std::uint64_t token, interest i) {
        const std::size_t at = find(fd);
        if (at == nowhere) return -ENOENT;
        set(entries_[at], fd, i);
        owners_[at].token = token;
        return 0;
    }

    /// Forgets a descriptor.
    void remove(int fd) {
        const std::size_t at = find(fd);
        if (at == nowhere) return;
        const std::size_t last = entries_.size() - 1;
        if (at != last) {
            entries_[at] = entries_[last];
            owners_[at] = owners_[last];
            index_[static_cast<std::size_t>(owners_[at].fd)] = at;
        }
        index_[static_cast<std::size_t>(fd)] = nowhere;
        entries_.pop_back();
        owners_.pop_back();
    }

    /// Waits for events; see io::has_poller.
    int wait(event* out, int capacity, duration_ns timeout) {
        const long ready = sys::poll(entries_.data(), entries_.size(), timeout);
        if (ready <= 0) return static_cast<int>(ready);
        int n = 0;
        const std::size_t size = entries_.size();
        std::size_t at = next_ < size ? next_ : 0;
        for (std::size_t seen = 0; seen < size && n < capacity && n < ready; ++seen, at = at + 1 < size ? at + 1 : 0) {
            const short e = entries_[at].revents;
            if (e == 0) continue;
            const bool over = (e & (POLLERR | POLLHUP | POLLNVAL)) != 0;
            out[n++] = {owners_[at].token, over || (e & POLLIN) != 0, over || (e & POLLOUT) != 0};
        }
        next_ = at;
        return n;
    }

    /// In the child after fork: nothing is registered.
    void recreate() {
        entries_.clear();
        owners_.clear();
        index_.clear();
        next_ = 0;
    }
};

/// The policy that uses poll(2).
struct poll : posix {
    using poller = poll_poller;
};

static_assert(policy<poll>);
static_assert(std::is_empty_v<poll>);

} // namespace io
} // namespace mitogen::inline MITOGEN_ABI

// ---- mitogen/io/native.hpp ----
// native.hpp: the best policy that this system has.

namespace mitogen::inline MITOGEN_ABI {
namespace io {

/// The policy behind the short names (broker, router, latch, …): epoll on Linux, kqueue on BSD and macOS, else poll.
#if defined(__linux__)
using native = epoll;
#elif MITOGEN_HAS_KQUEUE
using native = kqueue;
#else
using native = poll;
#endif

static_assert(policy<native>);

} // namespace io
} // namespace mitogen::inline MITOGEN_ABI

// ---- mitogen/sync/waiter.hpp ----
// waiter.hpp: one thread's sleep until something happens, whether it sleeps on its own or inside the poller while it drives the
// loop.

namespace mitogen::inline MITOGEN_ABI {

/// Connects one sleeping thread with those that may wake it.
///
/// A thread that waits for an answer may drive the loop itself meanwhile (see basic_broker::wait). Then it sleeps in the poller,
/// not on its parker, and a wake-up has to go through the poller's waker. Which of the two applies can change at any moment;
/// notify() finds out.
///
/// Threads: notify() any; the rest the one that waits. The object must outlive every notify(): keep it in memory that is shared
/// with the notifier, or notify under the lock that the waiting thread takes before it leaves.
template <class Io>
class waiter {
    Io& io_;
    typename Io::parker parker_;
    std::atomic<typename Io::waker*> driving_{nullptr};
    std::atomic<const void*> driver_{nullptr};
    std::atomic<unsigned> meeting_{0};

public:
    explicit waiter(Io& io) : io_(io), parker_(io) {}
    waiter(waiter&&) = delete;

    /// Wakes the thread, or lets its next sleep return at once. What it waits for must be visible before. Never blocks.
    void notify() noexcept {
        // One of the two increments comes second and sees what happened before the first: either the driver sees what was done
        // before notify(), or we see that it drives.
        meeting_.fetch_add(1, std::memory_order_acq_rel);
        if (auto* poller_waker = driving_.load(std::memory_order_relaxed)) {
            if (driver_.load(std::memory_order_relaxed) != io_.self()) poller_waker->wake();
        } else {
            parker_.unpark();
        }
    }

    /// From now on this thread sleeps in the poller that `poller_waker` interrupts. Check the condition after this, before
    /// sleeping.
    void begin_driving(typename Io::waker& poller_waker) noexcept {
        driver_.store(io_.self(), std::memory_order_relaxed);
        driving_.store(&poller_waker, std::memory_order_relaxed);
        meeting_.fetch_add(1, std::memory_order_acq_rel);
    }

    /// From now on this thread sleeps in sleep_until() again.
    void end_driving() noexcept {
        driving_.store(nullptr, std::memory_order_relaxed);
        meeting_.fetch_add(1, std::memory_order_acq_rel);
    }

    /// Sleeps until notify() or the deadline. Returns false at the deadline; true may be spurious: check the condition again.
    bool sleep_until(instant deadline) {
        if (deadline == never) {
            parker_.park();
            return true;
        }
        return parker_.park_until(deadline);
    }
};

} // namespace mitogen::inline MITOGEN_ABI

// ---- mitogen/loop/event_flag.hpp ----
// event_flag.hpp: something that happens once, and that one thread may wait for.

namespace mitogen::inline MITOGEN_ABI {

/// Share it: the other thread may still be raising it when the one that waited goes on. Threads: sleep() and `wake` the one that
/// waits, the rest any.
template <class Io>
struct basic_event_flag {
    waiter<Io> wake;

    explicit basic_event_flag(Io& io) : wake(io) {}

    bool raised() const noexcept { return raised_.load(std::memory_order_acquire); }
    void raise() noexcept {
        raised_.store(true, std::memory_order_release);
        wake.notify();
    }
    /// Blocks until it is raised, and drives nothing meanwhile.
    void sleep() {
        while (!raised()) wake.sleep_until(never);
    }

    /// Raises it at the end of a scope, also when that ends by an exception.
    struct at_end {
        basic_event_flag& flag;
        ~at_end() { flag.raise(); }
    };

private:
    std::atomic<bool> raised_{false};
};

} // namespace mitogen::inline MITOGEN_ABI

// ---- mitogen/loop/timers.hpp ----
// timers.hpp: what shall happen at a given moment, earliest first.

namespace mitogen::inline MITOGEN_ABI {

/// One moment. Lives inside whatever waits for it, so that setting it allocates nothing; must not move or die while set.
struct timer {
    instant at = never;
    std::size_t place = not_set; ///< index in the heap; maintained by `timers`
    unique_function<void()> fire{};

    static constexpr std::size_t not_set = static_cast<std::size_t>(-1);
    bool is_set() const noexcept { return place != not_set; }

    timer() = default;
    timer(timer&&) = delete;
};

/// A binary heap of timers in which each knows its place: set and cancel cost O(log n). Threads: the loop's only.
class timers {
    std::vector<timer*> heap_;

    void put(std::size_t place, timer* t) noexcept {
        heap_[place] = t;
        t->place = place;
    }

    void up(std::size_t place) noexcept {
        timer* t = heap_[place];
        for (; place && t->at < heap_[(place - 1) / 2]->at; place = (place - 1) / 2) put(place, heap_[(place - 1) / 2]);
        put(place, t);
    }

    void down(std::size_t place) noexcept {
        timer* t = heap_[place];
        for (;;) {
            std::size_t child = 2 * place + 1;
            if (child >= heap_.size()) break;
            if (child + 1 < heap_.size() && heap_[child + 1]->at < heap_[child]->at) ++child;
            if (heap_[child]->at >= t->at) break;
            put(place, heap_[child]);
            place = child;
        }
        put(place, t);
    }

public:
    /// Sets `t`, or moves it if it is set.
    void set(timer& t, instant at) {
        if (t.is_set()) cancel(t);
        t.at = at;
        heap_.push_back(&t);
        t.place = heap_.size() - 1;
        up(t.place);
    }

    /// Afterwards `t` does not fire. Nothing happens if it was not set.
    void cancel(timer& t) noexcept {
        if (!t.is_set()) return;
        const std::size_t place = std::exchange(t.place, timer::not_set);
        timer* moved = heap_.back();
        heap_.pop_back();
        if (moved == &t) return;
        put(place, moved);
        up(place);
        down(moved->place);
    }

    /// The earliest moment, or `never`.
    instant next() const noexcept { return heap_.empty() ? never : heap_.front()->at; }

    /// Takes the earliest timer that is due, or returns null.
    timer* take_due(instant now) noexcept {
        if (heap_.empty() || heap_.front()->at > now) return nullptr;
        timer* due = heap_.front();
        cancel(*due);
        return due;
    }

    std::size_t size() const noexcept { return heap_.size(); }
};

} // namespace mitogen::inline MITOGEN_ABI

// ---- mitogen/loop/lead.hpp ----
// lead.hpp: which thread leads, that is, drives the loop and owns what is on it; and the gate that keeps the others asleep.

namespace mitogen::inline MITOGEN_ABI {

/// The lead of one loop. The broker's own thread, at home, takes it when the poller's gate lets it through; any other thread
/// closes the gate while it has the lead. With pollers that have no gate only the broker's thread ever leads. Threads: as marked.
template <class Io>
class basic_lead {
    static constexpr bool gated = Io::poller::has_gate;

    Io& io_;
    typename Io::poller& poller_;
    typename Io::mutex mutex_;
    std::atomic<const void*> leader_{nullptr}; // written under mutex_
    bool ahead_ = false;                       // the leader has it for a wait that is still to come; its own
    instant home_wakes_ = never;               // when the broker's thread will look at the timers by itself

public:
    basic_lead(Io& io, typename Io::poller& poller) : io_(io), poller_(poller), mutex_(io) {}

    /// True on the thread that leads at this moment. Threads: any.
    bool here() const noexcept { return leader_.load(std::memory_order_relaxed) == io_.self(); }

    /// True while some thread leads. Threads: any.
    bool taken() noexcept {
        const std::lock_guard lock(mutex_);
        return leader_.load(std::memory_order_relaxed) != nullptr;
    }

    /// Takes the lead and closes the gate. False where somebody leads already, or there is no gate. Threads: any but the
    /// broker's.
    bool take() noexcept {
        if constexpr (!gated) {
            return false;
        } else {
            const std::lock_guard lock(mutex_);
            if (leader_.load(std::memory_order_relaxed)) return false;
            leader_.store(io_.self(), std::memory_order_relaxed);
            poller_.close_gate();
            return true;
        }
    }

    /// Gives back what take() took: the gate opens, and wakes the broker's thread where it would sleep too long for `kept`, or at
    /// once with `kick`. Threads: the one that leads.
    void release(const timers& kept, bool kick) noexcept {
        if constexpr (gated) {
            const std::lock_guard lock(mutex_);
            leader_.store(nullptr, std::memory_order_relaxed);
            poller_.open_gate();
            if (kick || kept.next() < home_wakes_) poller_.kick_gate();
        }
    }

    /// True while the thread that leads has not begun the wait that it leads for. Threads: the one that leads.
    bool ahead() const noexcept { return ahead_; }
    /// Marks what take() took as meant for the wait that this thread makes next; see basic_broker::lead_ahead.
    void set_ahead(bool ahead) noexcept { ahead_ = ahead; }
    /// True, once, for the thread that has the lead ahead.
    bool claim_ahead() noexcept { return here() && std::exchange(ahead_, false); }

    /// How long the broker's thread may sleep at the gate: whoever leads keeps the time as well. Threads: the broker's.
    instant home_sleeps_until(const timers& kept) noexcept {
        const std::lock_guard lock(mutex_);
        home_wakes_ = leader_.load(std::memory_order_relaxed) ? never : kept.next();
        return home_wakes_;
    }

    /// The broker's thread takes the lead, and gives it back. False where another thread leads. Threads: the broker's.
    bool take_home() noexcept {
        const std::lock_guard lock(mutex_);
        const void* leader = leader_.load(std::memory_order_relaxed);
        if (leader && leader != io_.self()) return false;
        leader_.store(io_.self(), std::memory_order_relaxed);
        return true;
    }
    void leave_home() noexcept {
        const std::lock_guard lock(mutex_);
        leader_.store(nullptr, std::memory_order_relaxed);
    }
};

} // namespace mitogen::inline MITOGEN_ABI

// ---- mitogen/loop/slow_timers.hpp ----
// slow_timers.hpp: timers that no turn of the loop looks at the clock for: the broker's thread, which sleeps anyway, does.

namespace mitogen::inline MITOGEN_ABI {

/// Timers for what is seconds away. One thread, the broker's or, where there is none, whoever leads, looks at the clock now and
/// then; what is due then fires in the next turn, whoever makes that. Threads: as marked.
template <class Io>
class basic_slow_timers {
    Io& io_;
    typename Io::poller& poller_;
    timers kept_;
    std::atomic<instant> look_at_{never}; // when somebody has to look
    std::atomic<bool> due_{false};        // whoever leads shall fire what is due

public:
    basic_slow_timers(Io& io, typename Io::poller& poller) : io_(io), poller_(poller) {}

    /// Sets a timer, or moves it. Threads: loop.
    void set(timer& t, instant at) {
        kept_.set(t, at);
        plan();
    }

    /// Afterwards the timer does not fire. Threads: loop.
    void cancel(timer& t) noexcept { kept_.cancel(t); }

    /// The earliest moment, or `never`. Threads: loop.
    instant next() const noexcept { return kept_.next(); }

    /// When the broker's thread has to look(). Threads: any.
    instant look_at() const noexcept { return look_at_.load(std::memory_order_acquire); }

    /// Looks at the clock. True where something has become due: the next turn fires it. Threads: the one that looks.
    bool look() noexcept {
        const instant next = look_at();
        if (next == never || io_.now() < next) return false;
        look_at_.store(never, std::memory_order_release); // until fire_due() plans anew
        due_.store(true, std::memory_order_release);
        return true;
    }

    /// True where look() has found something that has not been fired. Threads: loop.
    bool due() const noexcept { return due_.load(std::memory_order_acquire); }

    /// Fires what is due, each through `guarded(callable)`. Threads: loop.
    template <class Guarded>
    void fire_due(Guarded&& guarded) {
        due_.store(false, std::memory_order_relaxed);
        const instant now = io_.now();
        while (timer* t = kept_.take_due(now)) guarded([t] { t->fire(); });
        plan();
    }

private:
    /// Tells the broker's thread when to look.
    void plan() noexcept {
        const instant next = kept_.next();
        const bool earlier = next < look_at_.exchange(next, std::memory_order_acq_rel);
        if constexpr (Io::poller::has_gate) {
            if (earlier) poller_.kick_gate();
        }
    }
};

} // namespace mitogen::inline MITOGEN_ABI

// ---- mitogen/loop/work_queue.hpp ----
// work_queue.hpp: what other threads hand to the loop, in the order in which it runs, and the moment from which it takes no more.

namespace mitogen::inline MITOGEN_ABI {

/// Work for the loop that is posted again and again: posting allocates nothing, and posting it twice before it ran runs it once.
struct loop_task {
    void (*run)(loop_task& self) = nullptr;
    loop_task* next = nullptr;
    bool posted = false;
};

/// Posted tasks and deferred functions. Tasks run first, in the order of posting, then functions. Wakes nobody: that is left to
/// whoever adds. Threads: as marked.
template <class Io>
class basic_work_queue {
    typename Io::mutex mutex_;
    loop_task* first_ = nullptr;
    loop_task* last_ = nullptr;
    std::vector<unique_function<void()>> deferred_;
    std::vector<unique_function<void()>> running_; // deferred_ of the turn that is under way; the loop's
    bool refusing_ = false;                        // no more work is accepted
    std::atomic<bool> pending_{false};

public:
    explicit basic_work_queue(Io& io) : mutex_(io) {}

    /// True if there is something to run. Threads: any.
    bool pending() const noexcept { return pending_.load(std::memory_order_acquire); }

    /// Adds a task, unless it waits already. False once the queue is closed. Threads: any.
    bool post(loop_task& task) {
        const std::lock_guard lock(mutex_);
        if (refusing_) return false;
        if (task.posted) return true;
        task.posted = true;
        task.next = nullptr;
        (last_ ? last_->next : first_) = &task;
        last_ = &task;
        pending_.store(true, std::memory_order_release);
        return true;
    }

    /// Adds a function. False, without keeping it, once the queue is closed. Threads: any.
    bool add(unique_function<void()>&& work) {
        const std::lock_guard lock(mutex_);
        if (refusing_) return false;
        deferred_.push_back(std::move(work));
        pending_.store(true, std::memory_order_release);
        return true;
    }

    /// Takes back a task that has not run. Threads: loop.
    void withdraw(loop_task& task) noexcept {
        const std::lock_guard lock(mutex_);
        if (!task.posted) return;
        loop_task* before = nullptr;
        for (loop_task* t = first_; t; before = t, t = t->next) {
            if (t != &task) continue;
            (before ? before->next : first_) = t->next;
            if (last_ == t) last_ = before;
            break;
        }
        task.posted = false;
    }

    /// Runs one task, or all functions that are deferred at this moment, each through `guarded(callable)`. Threads: loop.
    template <class Guarded>
    void run_some(Guarded&& guarded) {
        loop_task* task;
        {
            const std::lock_guard lock(mutex_);
            // One at a time: a task that runs may post, withdraw or destroy the ones behind it.
            task = first_;
            if (task) {
                first_ = task->next;
                if (!first_) last_ = nullptr;
                task->posted = false;
            } else {
                running_.swap(deferred_);
            }
            pending_.store(first_ || !deferred_.empty(), std::memory_order_relaxed);
        }
        if (task) return guarded([task] { task->run(*task); });
        for (auto& work : running_) guarded(work);
        running_.clear();
    }

    /// Takes no more if nothing waits, or `anyway`. Returns true where it takes no more. Threads: loop.
    bool close(bool anyway) {
        const std::lock_guard lock(mutex_);
        refusing_ = refusing_ || anyway || (!first_ && deferred_.empty());
        return refusing_;
    }
};

} // namespace mitogen::inline MITOGEN_ABI

// ---- mitogen/loop/turns.hpp ----
// turns.hpp: what a turn of the loop does: events of watched descriptors, timers that are due, work that was handed over.

namespace mitogen::inline MITOGEN_ABI {

/// A base of basic_broker, which says whose turn it is. Threads: the one that leads.
template <class Io>
class basic_turns {
    static_assert(io::policy<Io>,
                  "mitogen: Io does not model mitogen::io::policy; see docs/policies.md for what a policy provides");

protected:
    [[no_unique_address]] Io io_;
    typename Io::poller poller_;
    typename Io::waker waker_;
    basic_watch_table<Io> watched_;
    timers timers_;
    basic_slow_timers<Io> slow_;
    basic_work_queue<Io> work_;
    std::atomic<bool> wake_pending_{false}; // a wake-up is on its way: another one would be wasted

private:
    static constexpr int batch = 64;
    io::event events_[batch]; // of the turn that is under way: kept, because zeroing them costs more than the rest of a turn

protected:
    static constexpr int most_rounds = 64; // of work, between two looks at the poller

    explicit basic_turns(Io&& io)
        : io_(std::move(io)), poller_(io_), waker_(io_), watched_(poller_), slow_(io_, poller_), work_(io_) {
        if (const long rc = poller_.add(waker_.fd(), 0, io::interest::read); rc < 0)
            raise(sys::failure("poller add", rc, waker_.fd()));
    }
    basic_turns(basic_turns&&) = delete;
    ~basic_turns() = default;

    /// In a child made by fork(): closes what this holds. It is never destroyed there: fork children leave by _exit.
    void close_descriptors() noexcept {
        std::destroy_at(&poller_);
        std::destroy_at(&waker_);
    }

public:
    Io& io() noexcept { return io_; }

    /// Begins to watch a descriptor. 0 or -errno. Threads: loop.
    long watch(event_source& source, io::interest what) { return watched_.add(source, what); }

    /// Changes what a watched descriptor is watched for. 0, or -errno with nothing changed. Threads: loop.
    long change(event_source& source, io::interest what) { return watched_.change(source, what); }

    /// Stops watching. Events of this descriptor that the current turn still holds are dropped. Threads: loop.
    void unwatch(event_source& source) noexcept { watched_.remove(source); }

    /// Sets a timer, or moves it. Threads: loop.
    void set_timer(timer& t, instant at) { timers_.set(t, at); }

    /// Afterwards the timer does not fire. Threads: loop.
    void cancel_timer(timer& t) noexcept { timers_.cancel(t); }

    /// Sets a timer for something that is seconds away, or moves it. No turn of the loop looks at the clock for it: the broker's
    /// thread, which sleeps anyway, does. Threads: loop.
    void set_slow_timer(timer& t, instant at) { slow_.set(t, at); }

    /// Afterwards the slow timer does not fire. Threads: loop.
    void cancel_slow_timer(timer& t) noexcept { slow_.cancel(t); }

protected:
    duration_ns remaining(instant until) const {
        const instant now = io_.now();
        return until > now ? until - now : 0;
    }

    /// One turn: sleeps for events until something happens, a timer is due or `until` passes; then handles all of it.
    void turn(instant until) {
        const instant next = timers_.next() < until ? timers_.next() : until;
        duration_ns timeout = -1;
        if (work_.pending()) {
            timeout = 0;
        } else if (next != never) {
            timeout = next == 0 ? 0 : remaining(next);
        }
        const int n = poller_.wait(events_, batch, timeout);
        for (int i = 0; i < n; ++i) dispatch(events_[i]);
        if (timers_.next() != never) {
            const instant now = io_.now();
            while (timer* due = timers_.take_due(now)) guarded([due] { due->fire(); });
        }
        if (slow_.due()) [[unlikely]] // after the events: what is on its way to a link must count before its silence does
            slow_.fire_due([this](auto&& fire) { this->guarded(fire); });
        run_work();
    }

    /// Runs what was handed over. What it adds runs in the same go, as long as that is not without end: work that makes work must
    /// not keep the loop from its descriptors and timers.
    void run_work() {
        for (int round = 0; work_.pending(); ++round) {
            if (round == most_rounds) return waker_.wake(); // whoever leads next goes on at once
            work_.run_some([this](auto&& work) { this->guarded(work); });
        }
    }

    /// An exception in one callback must not hurt the others.
    template <class Work>
    void guarded(Work&& work) {
#if MITOGEN_HAS_EXCEPTIONS
        try {
            work();
        } catch (const std::exception& e) {
            log::write(log::level::error, std::string("exception on the loop: ") + e.what());
        } catch (...) {
            log::write(log::level::error, "exception on the loop, not a std::exception");
        }
#else
        work();
#endif
    }

private:
    void dispatch(const io::event& e) {
        if (e.token == 0) {
            waker_.drain();
            wake_pending_.exchange(false, std::memory_order_acq_rel); // an exchange: sees the work of whoever found it still true
            return;
        }
        if (event_source* source = watched_.find(e.token)) guarded([&] { source->ready(*source, e.readable, e.writable); });
    }
};

} // namespace mitogen::inline MITOGEN_ABI

// ---- mitogen/loop/waiting_line.hpp ----
// waiting_line.hpp: of a broker without a thread: those who wait until they may lead, one after the other.

namespace mitogen::inline MITOGEN_ABI {

/// Threads that want to lead while another one does, first come first woken. Threads: any.
template <class Io>
class basic_waiting_line {
    typename Io::mutex mutex_;
    std::vector<waiter<Io>*> waiting_;

public:
    explicit basic_waiting_line(Io& io) : mutex_(io) {}

    /// A thread stands in the line as long as this lives.
    class place {
        basic_waiting_line& line_;
        waiter<Io>& mine_;

    public:
        place(basic_waiting_line& line, waiter<Io>& mine) : line_(line), mine_(mine) {
            const std::lock_guard lock(line_.mutex_);
            line_.waiting_.push_back(&mine_);
        }
        place(place&&) = delete;
        ~place() {
            const std::lock_guard lock(line_.mutex_);
            std::erase(line_.waiting_, &mine_);
        }
    };

    /// Somebody may lead now.
    void wake_first() noexcept {
        const std::lock_guard lock(mutex_);
        if (!waiting_.empty()) waiting_.front()->notify();
    }
};

} // namespace mitogen::inline MITOGEN_ABI

// ---- mitogen/loop/broker.hpp ----
// broker.hpp: the loop. Watches descriptors, keeps time, and runs what other threads hand to it.

namespace mitogen::inline MITOGEN_ABI {

/// How a loop is driven.
struct broker_options {
    bool thread = true; ///< false: it has no thread of its own; a program's other loop drives it: see basic_broker::process
};

/// Runs the loop that every stream, timer and route of a program belongs to.
///
/// Exactly one thread at a time leads, that is, drives the loop and so owns everything on it. Normally that is the broker's own
/// thread, which sleeps at the poller's gate. A thread that has to wait for an answer anyway may lead instead (wait()): the
/// answer then reaches it without a hand-over between threads, which costs more than the rest of a call together. When it leaves,
/// the gate opens and the broker's thread takes over. With policies whose poller has no gate the broker's thread always leads.
///
/// Threads: as marked. "Loop": only the thread that leads. The destructor ends the loop and joins its thread.
template <class Io = io::native>
class basic_broker : public basic_turns<Io> {
    using turns = basic_turns<Io>;
    using flag = basic_event_flag<Io>;
    using turns::guarded;
    using turns::io_;
    using turns::most_rounds;
    using turns::poller_;
    using turns::remaining;
    using turns::run_work;
    using turns::slow_;
    using turns::timers_;
    using turns::turn;
    using turns::wake_pending_;
    using turns::waker_;
    using turns::work_;

    basic_lead<Io> lead_;
    std::atomic<bool> stopping_{false};
    std::atomic<std::uint32_t> waiting_{0}; // threads inside wait() that would lead
    const bool own_thread_;
    std::atomic<bool> finished_{false}; // where there is no thread: finish() has been called
    basic_waiting_line<Io> line_;       // where there is no thread: those who wait until they may lead
    typename Io::thread thread_;

public:
    using policy = Io;

    explicit basic_broker(Io io = {}) : basic_broker(broker_options{}, std::move(io)) {}
    explicit basic_broker(broker_options how, Io io = {})
        : turns(std::move(io)), lead_(io_, poller_), own_thread_(how.thread), line_(io_) {
        if (own_thread_) {
            thread_ = typename Io::thread(io_, "mitogen-broker", [this] { home(); });
        } else if constexpr (io::has_outer_loop<Io>) {
            if (const long rc = poller_.open_alarm(); rc < 0) raise(sys::failure("timerfd", rc));
        } else {
            raise(error(reason::misuse, "a broker without a thread needs a poller with a descriptor and a gate: io::epoll"));
        }
    }

    basic_broker(basic_broker&&) = delete;

    ~basic_broker() {
        shutdown();
        join();
    }

    /// Ends the loop once everything that was accepted has run. From now on only the loop itself may add work, so that what it
    /// has begun can end. Threads: any. Never blocks.
    void shutdown() noexcept {
        stopping_.store(true);
        waker_.wake();
        if constexpr (Io::poller::has_gate) poller_.kick_gate();
    }

    /// Waits for the loop's thread to end. Threads: any but the loop.
    void join() {
        if (thread_.joinable()) thread_.join();
        if (!own_thread_ && stopping()) finish_once();
    }

    /// Of a broker without a thread: a descriptor that is readable when process() has something to do.
    int fd() const noexcept
        requires io::has_outer_loop<Io>
    {
        return poller_.fd();
    }

    /// Of a broker without a thread: does what there is to do on the loop, and does not wait. To be called when fd() is readable:
    /// by the loop that the program has anyway, which watches fd() as it watches others. Where a thread waits for something
    /// meanwhile, it drives the loop, and process() does nothing. Threads: any.
    void process()
        requires io::has_outer_loop<Io>
    {
        if (own_thread_ || on_loop() || stopping() || !lead_.take()) return;
        (void)slow_.look();
        turn(0);
        give_back();
    }

    /// True once shutdown() was called.
    bool stopping() const noexcept { return stopping_.load(std::memory_order_acquire); }

    /// True on the thread that leads at this moment.
    bool on_loop() const noexcept { return lead_.here(); }

    /// Whose messages keep their order: those that this thread sends or, on the loop, those of the loop, whichever threads lead
    /// it one after the other. Threads: any.
    const void* lane() const noexcept { return on_loop() && !lead_.ahead() ? static_cast<const void*>(this) : io_.self(); }

    /// Runs `work` on the loop, soon and in order. Returns false, without keeping it, once the loop is ending.
    /// Threads: any. Wake-ups coalesce: thousands of calls cost a few turns of the loop.
    bool defer(unique_function<void()> work) { return (!stopping() || on_loop()) && add(std::move(work)); }

    /// Runs `task` on the loop. Returns false once the loop is ending. Threads: any.
    bool post(loop_task& task) {
        if ((stopping() && !on_loop()) || !work_.post(task)) return false;
        wake();
        return true;
    }

    /// As defer() and post(), but also while the loop is ending: for those who wait until it is done, and so cannot add work
    /// without end. Threads: any.
    bool add(unique_function<void()> work) {
        if (!work_.add(std::move(work))) return false;
        wake();
        return true;
    }
    bool post_to_end(loop_task& task) {
        if (!work_.post(task)) return false;
        wake();
        return true;
    }

    /// Takes back a task that has not run. Threads: loop.
    void withdraw(loop_task& task) noexcept { work_.withdraw(task); }

    /// Interrupts whoever sleeps in the poller. Threads: any. Elided where the caller is on the loop, or a wake-up is on its way.
    void wake() noexcept {
        if (on_loop()) return;
        if (!wake_pending_.exchange(true, std::memory_order_acq_rel)) waker_.wake();
    }

    /// Sleeps until `ready()` holds or the deadline passes; returns what ready() says at the end. `ready` must become true
    /// through something that then notifies `wake`.
    ///
    /// With `lead`, this thread drives the loop while it waits, if nobody else does and it is the only one that waits so: with
    /// several callers the broker's thread serves all of them with fewer system calls. Threads: any but the loop, where it would
    /// wait for itself: callers check on_loop() first.
    template <class Ready>
    bool wait(waiter<Io>& wake, instant deadline, bool lead, Ready&& ready) {
        if (!own_thread_) [[unlikely]]
            return wait_in_turn(wake, deadline, ready);
        bool leads = lead_.claim_ahead();
        if (!leads && ready()) return true;
        const bool alone = waiting_.fetch_add(1, std::memory_order_relaxed) == 0;
        while (!ready()) {
            if (std::exchange(leads, false) || (lead && alone && !stopping() && lead_.take())) {
                if (!drive(wake, deadline, ready)) break;
            } else if (!wake.sleep_until(deadline)) {
                break;
            }
        }
        waiting_.fetch_sub(1, std::memory_order_relaxed);
        if (leads) end_lead_ahead(); // it was ready before there was anything to wait for
        return ready();
    }

    /// Takes the lead for a wait() that this thread makes next, without blocking in between: before it sends something that
    /// others may answer at once. Otherwise the answer finds the gate open and wakes the broker's thread, for nothing. What
    /// happens in between happens on the loop. False, with nothing changed, where somebody leads or waits already. Threads: any
    /// but the loop.
    bool lead_ahead() noexcept {
        if (waiting_.load(std::memory_order_relaxed) != 0 || stopping() || !lead_.take()) return false;
        lead_.set_ahead(true);
        return true;
    }

    /// Gives back what lead_ahead() took, where no wait() follows after all. Threads: the one that leads.
    void end_lead_ahead() {
        lead_.set_ahead(false);
        run_work(); // nobody was woken for what this thread has posted
        give_back();
    }

    /// Runs `work` on the loop and returns when it has run: at once on the loop itself. False, without having run it, once the
    /// loop has ended. An exception of `work` is logged, as every callback's, and does not come back.
    template <class Work>
    bool run(Work&& work) {
        if (on_loop()) {
            guarded(work);
            return true;
        }
        const auto done = std::make_shared<flag>(io_);
        if (!add([this, &work, done] {
                guarded(work);
                done->raise();
            })) {
            return false;
        }
        wait(done->wake, never, true, [&] { return done->raised(); });
        return true;
    }

    /// Holds the loop still while `work` runs on this thread: for fork(), whose child must not find what the loop owns half
    /// changed. Threads: any. Blocks until the loop has finished what it is at.
    template <class Work>
    void paused(Work&& work) {
        if (on_loop()) return work();
        if (!own_thread_ && lead_.take()) {
            struct at_end {
                basic_broker& self;
                ~at_end() { self.give_back(); }
            } const end{*this};
            return work();
        }
        const auto stands = std::make_shared<flag>(io_);
        const auto go_on = std::make_shared<flag>(io_);
        const bool running = add([stands, go_on] {
            stands->raise();
            go_on->sleep();
        });
        const typename flag::at_end end{*go_on};
        if (running) stands->sleep();
        work();
    }

    /// In a child made by fork(): closes what the loop holds. Its thread does not exist here, and nothing else may be called.
    void abandon() noexcept {
        thread_.forget();
        this->close_descriptors();
    }

private:
    /// Leads until it is ready, and gives the lead back. False at the deadline.
    template <class Ready>
    bool drive(waiter<Io>& wake, instant deadline, Ready&& ready) {
        wake.begin_driving(waker_);
        lead_until(deadline, ready);
        wake.end_driving();
        give_back();
        return ready() || stopping(); // only the deadline ends lead_until otherwise
    }

    template <class Ready>
    void lead_until(instant deadline, Ready&& ready) {
        run_work();
        while (!ready() && !stopping()) {
            if (deadline != never && io_.now() >= deadline) return;
            if (own_thread_) [[likely]] {
                turn(deadline);
            } else {
                (void)slow_.look();
                turn(std::min(deadline, slow_.next()));
            }
        }
    }

    /// Gives back the lead that take() gave.
    void give_back() {
        if constexpr (io::has_outer_loop<Io>) {
            if (!own_thread_) {
                poller_.set_alarm(std::min(timers_.next(), slow_.next()));
                lead_.release(timers_, false);
                line_.wake_first();
                return;
            }
        }
        lead_.release(timers_, stopping());
    }

    /// wait() where there is no thread at home: whoever waits leads, one after the other.
    template <class Ready>
    bool wait_in_turn(waiter<Io>& wake, instant deadline, Ready&& ready) {
        bool leads = lead_.claim_ahead();
        while (!ready()) {
            if (std::exchange(leads, false) || (!stopping() && lead_.take())) {
                if (!drive(wake, deadline, ready)) break;
                continue;
            }
            if (stopping() && finish_once()) continue;
            const typename basic_waiting_line<Io>::place here(line_, wake);
            if (!stopping() && !lead_.taken()) continue; // it was given back before this thread stood in the queue
            if (!wake.sleep_until(deadline)) break;
        }
        if (leads) end_lead_ahead();
        return ready();
    }

    /// Where there is no thread: what it would do at last. False where somebody does or has done it.
    bool finish_once() {
        if (finished_.exchange(true)) return false;
        finish();
        return true;
    }

    /// The broker's own thread.
    void home() {
        while (!stopping()) {
            if constexpr (Io::poller::has_gate) {
                const instant until = std::min(lead_.home_sleeps_until(timers_), slow_.look_at());
                poller_.wait_gate(until == never ? -1 : remaining(until));
                const bool leads = lead_.take_home();
                if (slow_.look() && !leads) waker_.wake();
                if (!leads) continue;
                turn(0);
                lead_.leave_home();
            } else {
                (void)lead_.take_home();
                (void)slow_.look();
                turn(slow_.next());
            }
        }
        finish();
    }

    /// After shutdown(): whoever leads leaves, what was accepted runs, and no more is accepted.
    void finish() {
        while (!lead_.take_home()) {
            waker_.wake(); // whoever leads sees stopping() and leaves
            if constexpr (Io::poller::has_gate) poller_.wait_gate(1'000'000);
        }
        int rounds = 0;
        do {
            run_work();
        } while (!work_.close(rounds++ == most_rounds)); // work that makes work may have no end
        while (work_.pending()) run_work();
        lead_.leave_home();
    }
};

/// The loop with this platform's best poller.
using broker = basic_broker<>;

} // namespace mitogen::inline MITOGEN_ABI

// ---- mitogen/connect/boot_channel.hpp ----
// boot_channel.hpp: the descriptors on which parent and child talk before they are a link.

namespace mitogen::inline MITOGEN_ABI {
namespace detail {

/// Carries a boot_dialogue over this side's ends of the child's pipes, and says when it is over.
///
/// Threads: loop.
template <class Io>
class boot_channel {
public:
    enum class outcome : std::uint8_t {
        open,       ///< not over
        up,         ///< hello and welcome are exchanged
        ended,      ///< the far end has closed it
        confused,   ///< what the child says makes no sense: dialogue().trouble()
        impossible, ///< the program cannot be sent: dialogue().trouble()
    };

private:
    basic_broker<Io>& loop_;
    typename Io::descriptor in_;
    typename Io::descriptor out_;
    const handshake::welcome& welcome_;
    boot_dialogue talk_;
    unique_function<void(outcome)> over_;
    bound_source<boot_channel> in_source_{};
    bound_source<boot_channel> out_source_{};

public:
    /// `over` is called at most once, may close or destroy this, and is never called with `open`. Plan and welcome outlive it.
    boot_channel(basic_broker<Io>& loop, typename Io::descriptor in, typename Io::descriptor out, const boot_plan& plan,
                 const handshake::welcome& welcome, unique_function<void(outcome)> over)
        : loop_(loop), in_(std::move(in)), out_(std::move(out)), welcome_(welcome), talk_(plan), over_(std::move(over)) {
        on_ready<&boot_channel::readable>(in_source_, *this, in_.get());
        on_ready<&boot_channel::writable>(out_source_, *this, out_.get());
    }

    boot_channel(boot_channel&&) = delete;

    /// Begins to listen. 0 or -errno.
    long begin() { return loop_.watch(in_source_, io::interest::read); }

    /// What was said.
    const boot_dialogue& dialogue() const noexcept { return talk_; }

    /// Says something that is no part of the dialogue, to a tool that comes before it.
    void type(std::string_view answer) {
        static_cast<void>(loop_.io().write(out_.get(), answer.data(), answer.size())); // nothing else is in the pipe
    }

    /// Stops listening, and gives the descriptors away: what the child says, and what it hears.
    std::pair<typename Io::descriptor, typename Io::descriptor> take() {
        loop_.unwatch(in_source_);
        loop_.unwatch(out_source_);
        return {std::move(in_), std::move(out_)};
    }

    /// Stops listening, and closes the descriptors: the child sees the end, should it still live.
    void close() { (void)take(); }

    /// In a child made by fork(): closes the descriptors.
    void abandon() noexcept {
        in_.reset();
        out_.reset();
    }

private:
    void readable() { go_on(read()); }
    void writable() { go_on(write()); }

    void go_on(outcome o) {
        if (o != outcome::open) over_(o); // the last that is done here
    }

    outcome read() {
        std::byte bytes[16 * 1024];
        const long n = loop_.io().read(in_.get(), bytes, sizeof bytes);
        if (n == -EAGAIN || n == -EWOULDBLOCK) return outcome::open;
        if (n <= 0) return outcome::ended;
        talk_.feed({bytes, static_cast<std::size_t>(n)});
        for (;;) {
            switch (talk_.next()) {
            case boot_dialogue::turn::listen: return outcome::open;
            case boot_dialogue::turn::confused: return outcome::confused;
            case boot_dialogue::turn::unfit: return outcome::impossible;
            case boot_dialogue::turn::hello: talk_.welcome(welcome_); break;
            case boot_dialogue::turn::write: break;
            }
            if (const outcome o = write(); o != outcome::open) return o;
        }
    }

    /// Writes the welcome, or the program, as the descriptor takes it.
    outcome write() {
        switch (talk_.write(loop_.io(), out_.get())) {
        case outgoing::progress::waiting:
            if (!out_source_.watched) {
                loop_.watch(out_source_, io::interest::write);
            } else {
                loop_.change(out_source_, io::interest::write);
            }
            return outcome::open;
        case outgoing::progress::closed: return outcome::ended; // what it said on stderr tells why
        case outgoing::progress::unreadable: return outcome::impossible;
        case outgoing::progress::written: break;
        }
        loop_.change(out_source_, io::interest::none);
        return talk_.hello_seen() ? outcome::up : outcome::open;
    }
};

} // namespace detail
} // namespace mitogen::inline MITOGEN_ABI

// ---- mitogen/route/route_table.hpp ----
// route_table.hpp: which link leads to which context, and what is known about it.

namespace mitogen::inline MITOGEN_ABI {

/// Hash of a build, as programs compare each other's: equal builds call functions by index. 0: not known.
using build_hash = std::uint64_t;

/// One context below this one.
template <class Link>
struct route {
    context_id id = no_context;
    context_id parent = no_context; ///< who made it
    std::string name{};
    build_hash build = 0;
    std::shared_ptr<Link> via{}; ///< the link to it, or to whoever leads to it
};

/// All contexts below this one. Sorted by id: children get ascending ids, so that adding is appending.
/// Threads: any; the lock is held for a binary search.
template <class Link, class Io>
class basic_route_table {
    typename Io::mutex mutex_;
    std::vector<route<Link>> routes_;

    auto lower(context_id id) {
        return std::lower_bound(routes_.begin(), routes_.end(), id,
                                [](const route<Link>& r, context_id wanted) { return r.id < wanted; });
    }

public:
    explicit basic_route_table(Io& io) : mutex_(io) {}

    /// False where the id is taken.
    bool add(route<Link> r) {
        const std::lock_guard lock(mutex_);
        const auto at = lower(r.id);
        if (at != routes_.end() && at->id == r.id) return false;
        routes_.insert(at, std::move(r));
        return true;
    }

    /// The link to `id`, or null.
    std::shared_ptr<Link> find(context_id id) {
        const std::lock_guard lock(mutex_);
        const auto at = lower(id);
        return at != routes_.end() && at->id == id ? at->via : nullptr;
    }

    /// True if `id` is reached through `via`.
    bool leads(context_id id, const Link* via) {
        const std::lock_guard lock(mutex_);
        const auto at = lower(id);
        return at != routes_.end() && at->id == id && at->via.get() == via;
    }

    /// The build of `id`, or 0.
    build_hash build_of(context_id id) {
        const std::lock_guard lock(mutex_);
        const auto at = lower(id);
        return at != routes_.end() && at->id == id ? at->build : 0;
    }

    /// Everything about `id`; its `id` is no_context where nothing is known.
    route<Link> get(context_id id) {
        const std::lock_guard lock(mutex_);
        const auto at = lower(id);
        return at != routes_.end() && at->id == id ? *at : route<Link>{};
    }

    /// Removes one; false where it was not there, or is reached through another link.
    bool remove(context_id id, const Link* via) {
        const std::lock_guard lock(mutex_);
        const auto at = lower(id);
        if (at == routes_.end() || at->id != id || at->via.get() != via) return false;
        routes_.erase(at);
        return true;
    }

    /// Removes all that are reached through `via`, and returns their ids.
    std::vector<context_id> remove_via(const Link* via) {
        const std::lock_guard lock(mutex_);
        std::vector<context_id> gone;
        std::erase_if(routes_, [&](const route<Link>& r) {
            if (r.via.get() != via) return false;
            gone.push_back(r.id);
            return true;
        });
        return gone;
    }

    /// How many contexts lie between this one and `id`, one below the other.
    std::uint32_t depth_of(context_id id) {
        const std::lock_guard lock(mutex_);
        std::uint32_t depth = 0;
        for (auto at = lower(id); at != routes_.end() && at->id == id && depth < routes_.size(); at = lower(id)) {
            id = at->parent;
            ++depth;
        }
        return depth > 0 ? depth - 1 : 0;
    }

    /// A copy of all.
    std::vector<route<Link>> all() {
        const std::lock_guard lock(mutex_);
        return routes_;
    }
};

} // namespace mitogen::inline MITOGEN_ABI

// ---- mitogen/connect/build_hash.hpp ----
// build_hash.hpp: the short form of a build id, by which two contexts know on every call whether they run the same program.

namespace mitogen::inline MITOGEN_ABI {

/// Hash by which builds are compared on the hot path. FNV-1a, 64 bit; never 0.
inline build_hash hash_build(std::string_view id) noexcept {
    std::uint64_t h = 0xCBF2'9CE4'8422'2325u;
    for (const char c : id) h = (h ^ static_cast<unsigned char>(c)) * 0x0000'0100'0000'01B3u;
    return h ? h : 1;
}

} // namespace mitogen::inline MITOGEN_ABI

// ---- mitogen/wire/message.hpp ----
// message.hpp: the header that every message on a link begins with, and how it is laid out in bytes.

namespace mitogen::inline MITOGEN_ABI {

/// Routing information of one message, or of one fragment of it. Routing looks at nothing else.
struct header {
    context_id dst = 0;   ///< who shall receive it
    context_id src = 0;   ///< who sent it
    context_id auth = 0;  ///< on whose authority: a context at or above `src`
    handle_id handle = 0; ///< which receiver inside `dst`
    handle_id reply_to =
        0; ///< handle inside `src` that an answer goes to; 0: none wanted; is_dead: this reports a failed delivery
    std::uint32_t length = 0; ///< payload bytes that follow this header
    std::uint32_t stream = 0; ///< lane of the sender (see lane_numbers); of a fragment also which of its messages it belongs to
    std::uint8_t flags = 0;   ///< `message_flags`

    bool dead() const noexcept { return reply_to == is_dead; }
    bool wants_reply() const noexcept { return reply_to != 0 && reply_to != is_dead; }
};

/// Bits of header::flags; the others must be zero.
struct message_flags {
    static constexpr std::uint8_t fragment = 1; ///< part of a message that is larger than one frame
    static constexpr std::uint8_t first = 2;    ///< with `fragment`: announces the message; the payload is its total size as u64
    static constexpr std::uint8_t last = 4;     ///< with `fragment`: the final part
    static constexpr std::uint8_t failed = 8;   ///< an answer whose payload is an error, not a value
    static constexpr std::uint8_t all = 15;
};

/// One received message. The payload is valid only while the receiver runs.
struct message {
    header head{};
    std::span<const std::byte> payload{};
    buffer* whole = nullptr; ///< the payload's own memory, for the receiver to take over, where it has one

    context_id src() const noexcept { return head.src; }
    bool dead() const noexcept { return head.dead(); }
};

/// Byte layout of a header, little-endian:
/// 0 magic · 1 version · 2 flags · 3 check · 4 length u32 · 8 dst u32 · 12 src u32 · 16 auth u32 · 20 stream u32 · 24 handle u64
/// · 32 reply_to u64
///
/// `check` is a byte mixed from all the others, so that a reader which has lost its place notices within a frame or two.
struct header_layout {
    static constexpr std::size_t size = 40;
    static constexpr std::byte magic{0xA6};
    static constexpr std::byte version{1};
};

namespace detail {

template <class T>
inline T load_le(const std::byte* from) noexcept {
    T value;
    wire::load(from, value);
    return value;
}

/// Folds the 36 bytes after `check` and the flags into one byte. Multiplier: 2^64 divided by the golden ratio (Knuth, TAOCP
/// 3, 6.4).
inline std::byte header_check(const std::byte* h) noexcept {
    std::uint64_t mix = load_le<std::uint32_t>(h + 4) ^ (std::uint64_t{load_le<std::uint8_t>(h + 2)} << 40);
    for (std::size_t at = 8; at < header_layout::size; at += 8)
        mix = (mix ^ load_le<std::uint64_t>(h + at)) * 0x9E37'79B9'7F4A'7C15u;
    return static_cast<std::byte>(mix >> 56);
}

} // namespace detail

/// Writes header_layout::size bytes.
inline void write_header(std::byte* to, const header& h) noexcept {
    to[0] = header_layout::magic;
    to[1] = header_layout::version;
    to[2] = static_cast<std::byte>(h.flags);
    wire::store(to + 4, h.length);
    wire::store(to + 8, h.dst);
    wire::store(to + 12, h.src);
    wire::store(to + 16, h.auth);
    wire::store(to + 20, h.stream);
    wire::store(to + 24, h.handle);
    wire::store(to + 32, h.reply_to);
    to[3] = detail::header_check(to);
}

/// Reads header_layout::size bytes. Returns null on success, else what is wrong with them.
inline const char* read_header(const std::byte* from, header& h) noexcept {
    if (from[0] != header_layout::magic) return "not a frame (wrong first byte)";
    if (from[1] != header_layout::version) return "frame of another protocol version";
    if (from[3] != detail::header_check(from)) return "corrupt frame header (check byte differs)";
    h.flags = static_cast<std::uint8_t>(from[2]);
    h.length = detail::load_le<std::uint32_t>(from + 4);
    h.dst = detail::load_le<std::uint32_t>(from + 8);
    h.src = detail::load_le<std::uint32_t>(from + 12);
    h.auth = detail::load_le<std::uint32_t>(from + 16);
    h.stream = detail::load_le<std::uint32_t>(from + 20);
    h.handle = detail::load_le<std::uint64_t>(from + 24);
    h.reply_to = detail::load_le<std::uint64_t>(from + 32);
    if (h.flags & ~message_flags::all) return "frame with unknown flags";
    constexpr std::uint8_t ends = message_flags::first | message_flags::last;
    if ((h.flags & ends) == ends || ((h.flags & ends) && !(h.flags & message_flags::fragment)))
        return "frame with contradictory flags";
    return nullptr;
}

} // namespace mitogen::inline MITOGEN_ABI

// ---- mitogen/wire/frame_reader.hpp ----
// frame_reader.hpp: turns the bytes that arrive on a link into frames. Does no I/O: the link asks where bytes should go and says
// how many came.

namespace mitogen::inline MITOGEN_ABI {

/// Largest payload of one frame, in bytes; longer messages travel as fragments of this size. At 3 GB/s one fragment holds up a
/// small message behind it for 40 µs, and its header is 0.03 % of it.
inline constexpr std::size_t fragment_bytes = 128 * 1024;

/// A place for bytes that are about to be read.
struct read_target {
    std::byte* data;
    std::size_t size;
};

/// Splits a byte stream into frames.
///
/// `Sink` offers:
///   void frame(const header&, std::span<const std::byte>)   one whole frame; the span is valid during the call
///   std::byte* reserve(const header&)             room for the payload of a frame that has not arrived whole; null: buffer it
///   void reserved_complete(const header&)         the payload that was reserved is there
///   bool stopped() const                          true: deliver no more
class frame_reader {
    static constexpr std::size_t direct_threshold = 8 * 1024; // below this a second read() costs more than the copy that it saves

    buffer in_;
    std::size_t begin_ = 0;
    std::size_t end_ = 0;
    std::byte* body_ = nullptr; // where the rest of a reserved payload goes
    std::size_t body_left_ = 0;
    header body_head_{};

public:
    /// Bytes of input that are held; also the largest single read.
    static constexpr std::size_t capacity = header_layout::size + fragment_bytes + 64 * 1024;

    /// Where the next bytes belong: fills one or two targets and returns how many. To be followed by commit().
    int prepare(read_target (&targets)[2]) {
        if (in_.size() == 0) in_.resize(capacity); // at first use: an idle link holds no buffer
        int n = 0;
        if (body_left_) targets[n++] = {body_, body_left_};
        targets[n++] = {in_.data() + end_, capacity - end_};
        return n;
    }

    /// `count` bytes have arrived in the targets. Delivers every frame that is complete. Returns null, or why these bytes cannot
    /// be frames; the link is then of no further use.
    template <class Sink>
    const char* commit(std::size_t count, Sink& sink) {
        if (body_left_) {
            const std::size_t part = std::min(count, body_left_);
            body_ += part;
            body_left_ -= part;
            count -= part;
            if (body_left_) return nullptr;
            sink.reserved_complete(body_head_);
        }
        end_ += count;
        return deliver(sink);
    }

private:
    template <class Sink>
    const char* deliver(Sink& sink) {
        while (end_ - begin_ >= header_layout::size && !sink.stopped()) {
            const std::byte* at = in_.data() + begin_;
            header h;
            if (const char* wrong = read_header(at, h)) return wrong;
            if (h.length > fragment_bytes) return "frame longer than a fragment may be";
            const std::size_t available = end_ - begin_ - header_layout::size;
            if (available >= h.length) {
                begin_ += header_layout::size + h.length;
                sink.frame(h, {at + header_layout::size, h.length});
                continue;
            }
            if (h.length >= direct_threshold) {
                if (std::byte* to = sink.reserve(h)) {
                    std::memcpy(to, at + header_layout::size, available);
                    body_ = to + available;
                    body_left_ = h.length - available;
                    body_head_ = h;
                    begin_ = end_ = 0;
                    return nullptr;
                }
            }
            break;
        }
        if (begin_ == end_) {
            begin_ = end_ = 0;
        } else if (capacity - begin_ < header_layout::size + fragment_bytes) {
            std::memmove(in_.data(), in_.data() + begin_, end_ - begin_);
            end_ -= begin_;
            begin_ = 0;
        }
        return nullptr;
    }
};

} // namespace mitogen::inline MITOGEN_ABI

// ---- mitogen/wire/lane_numbers.hpp ----
// lane_numbers.hpp: by which number the hops between know a thread of the program that sends.

namespace mitogen::inline MITOGEN_ABI {

/// Numbers for the lanes of a send_queue. They travel in the upper bits of header::stream, below which are the bits that tell a
/// source's large messages apart. A hop keeps the order of what has one source, one destination and one lane.
///
/// A lane keeps its number for ever. There are few numbers: the first lanes have one each, all further ones share 0, and are then
/// one lane to the hops, which costs waiting, not order.
class lane_numbers {
    std::vector<const void*> known_; // the lane of number n at n - 1

public:
    static constexpr unsigned shift = 26;
    static constexpr std::uint32_t stream_mask = (std::uint32_t{1} << shift) - 1;
    static constexpr std::size_t most = (std::size_t{1} << (32 - shift)) - 1;

    /// The number of `lane`, in the bits where it travels.
    std::uint32_t number(const void* lane) {
        for (std::size_t i = 0; i < known_.size(); ++i)
            if (known_[i] == lane) return static_cast<std::uint32_t>(i + 1) << shift;
        if (known_.size() == most) return 0;
        known_.push_back(lane);
        return static_cast<std::uint32_t>(known_.size()) << shift;
    }

    /// The lane's bits of a header::stream.
    static constexpr std::uint32_t lane_of(std::uint32_t stream) noexcept { return stream & ~stream_mask; }
};

} // namespace mitogen::inline MITOGEN_ABI

// ---- mitogen/wire/send_queue.hpp ----
// send_queue.hpp: what a link still has to send, in the order in which it will. Does no I/O and takes no lock.

namespace mitogen::inline MITOGEN_ABI {

/// A run of bytes that one write takes from a send_queue. Whoever holds it may write without a lock.
class send_batch {
    friend class send_queue;
    struct part {
        const std::byte* data;
        std::size_t size;
    };

    buffer frames_;                               // whole frames
    std::byte head_[2 * header_layout::size + 8]; // header of one fragment, before it where needed the announcement
    std::size_t head_size_ = 0;
    std::span<const std::byte> fragment_{}; // inside the large message's payload
    std::size_t done_ = 0;                  // bytes that are written

public:
    bool empty() const noexcept { return done_ == size(); }
    std::size_t size() const noexcept { return frames_.size() + head_size_ + fragment_.size(); }
    std::size_t left() const noexcept { return size() - done_; }

    /// Calls `add(data, size)` for each piece that is still to be written, at most three times.
    template <class Add>
    void pieces(Add&& add) const {
        std::size_t skip = done_;
        for (const part& p :
             {part{frames_.data(), frames_.size()}, part{head_, head_size_}, part{fragment_.data(), fragment_.size()}}) {
            if (skip < p.size) add(p.data + skip, p.size - skip);
            skip -= skip < p.size ? skip : p.size;
        }
    }

    /// `count` more bytes are written.
    void consume(std::size_t count) noexcept { done_ += count; }
};

/// The unsent messages of one link.
///
/// Messages up to fragment_bytes go out whole, in order. A larger one goes out a fragment at a time, and between two of its
/// fragments goes whatever else is ready; several large ones take turns. What must not overtake a large message, that is all that
/// the same lane sends to the same destination, is held behind it. A lane is one thread of the sending program: two threads have
/// no order between them.
///
/// Fragments that are passed on take turns as well, one at a time. Everything that is passed on says which lane of its source it
/// is of (see lane_numbers), and overtakes whatever is of another lane. It also overtakes fragments of a message that is still
/// coming in: were it of the same lane, it would come behind the last of them.
class send_queue {
    static constexpr std::size_t kept_bytes = 1u << 20; // capacity of an empty batch

    struct item {
        header head;
        buffer payload;
    };
    struct bulk {
        item message;
        const void* lane;
        std::size_t sent = 0;
        bool announced = false;
        std::vector<item> held{};
    };

    /// What keeps its order when it is passed on.
    struct flow {
        context_id src;
        context_id dst;
        std::uint32_t lane;
        bool operator==(const flow&) const = default;
    };
    struct flow_hash {
        std::size_t operator()(const flow& f) const noexcept {
            return static_cast<std::size_t>(((std::uint64_t{f.src} << 32 | f.dst) ^ f.lane) * 0x9E37'79B9'7F4A'7C15u >> 16);
        }
    };

    buffer ready_;
    std::deque<item> passing_;                                  // fragments, and what must not overtake them
    std::unordered_map<flow, std::uint32_t, flow_hash> barred_; // how many in passing_ nothing of that flow may overtake
    lane_numbers lanes_;
    item passed_;                                             // its payload may still be in a batch
    bool own_turn_ = false;                                   // where both have fragments
    std::vector<std::unique_ptr<bulk>> bulks_;
    std::size_t turn_ = 0;       // which of bulks_ sends next
    std::unique_ptr<bulk> last_; // fully taken; its payload may still be in a batch
    std::uint32_t next_stream_ = 1;
    std::uint64_t queued_ = 0; // payload and header bytes not yet taken

    static void append_frame(buffer& to, const header& h, std::span<const std::byte> payload) {
        const std::size_t at = to.size();
        to.resize(at + header_layout::size + payload.size());
        write_header(to.data() + at, h);
        if (!payload.empty()) std::memcpy(to.data() + at + header_layout::size, payload.data(), payload.size());
    }

    static flow flow_of(const header& h) noexcept { return {h.src, h.dst, lane_numbers::lane_of(h.stream)}; }

    /// True for what everything behind it waits for: the last part of a message, and whole messages.
    static bool bars(const header& h) noexcept {
        return !(h.flags & message_flags::fragment) || (h.flags & message_flags::last);
    }

    /// As take_fragment, of what is passed on.
    std::size_t take_passing(send_batch& batch) {
        passed_ = std::move(passing_.front());
        passing_.pop_front();
        const header& h = passed_.head;
        if (bars(h)) {
            const auto at = barred_.find(flow_of(h));
            if (--at->second == 0) barred_.erase(at);
        }
        write_header(batch.head_, h);
        batch.head_size_ = header_layout::size;
        batch.fragment_ = {passed_.payload.data(), passed_.payload.size()};
        return header_layout::size + passed_.payload.size();
    }

    bulk* barrier(const header& h, const void* lane) noexcept {
        for (auto& b : bulks_)
            if (b->lane == lane && b->message.head.dst == h.dst) return b.get();
        return nullptr;
    }

    void start_bulk(item&& message, const void* lane, std::vector<item>&& held = {}) {
        message.head.stream |= next_stream_++ & lane_numbers::stream_mask;
        bulks_.push_back(std::make_unique<bulk>(bulk{std::move(message), lane, 0, false, std::move(held)}));
    }

    void release_held(bulk& b) {
        for (std::size_t i = 0; i < b.held.size(); ++i) {
            item& next = b.held[i];
            if (next.payload.size() > fragment_bytes) {
                std::vector<item> rest(std::make_move_iterator(b.held.begin() + static_cast<std::ptrdiff_t>(i) + 1),
                                       std::make_move_iterator(b.held.end()));
                start_bulk(std::move(next), b.lane, std::move(rest));
                return;
            }
            append_frame(ready_, next.head, next.payload);
        }
    }

    /// Returns how much of what is queued it takes: of a large message, the payload and one header.
    std::size_t take_fragment(send_batch& batch) {
        if (turn_ >= bulks_.size()) turn_ = 0;
        bulk& b = *bulks_[turn_];
        const buffer& payload = b.message.payload;
        std::byte* at = batch.head_;
        header h = b.message.head;
        const auto keep = static_cast<std::uint8_t>(h.flags & message_flags::failed);
        std::size_t taken = 0;
        if (!b.announced) {
            b.announced = true;
            taken = header_layout::size;
            h.length = 8;
            h.flags = static_cast<std::uint8_t>(message_flags::fragment | message_flags::first | keep);
            write_header(at, h);
            wire::store(at + header_layout::size, static_cast<std::uint64_t>(payload.size()));
            at += header_layout::size + 8;
        }
        const std::size_t part = payload.size() - b.sent < fragment_bytes ? payload.size() - b.sent : fragment_bytes;
        const bool final_part = b.sent + part == payload.size();
        h.length = static_cast<std::uint32_t>(part);
        h.flags = static_cast<std::uint8_t>(message_flags::fragment | (final_part ? message_flags::last : 0) | keep);
        write_header(at, h);
        at += header_layout::size;
        batch.head_size_ = static_cast<std::size_t>(at - batch.head_);
        batch.fragment_ = {payload.data() + b.sent, part};
        b.sent += part;
        if (final_part) {
            last_ = std::move(bulks_[turn_]);
            bulks_.erase(bulks_.begin() + static_cast<std::ptrdiff_t>(turn_));
            release_held(*last_);
        } else {
            ++turn_;
        }
        return taken + part;
    }

public:
    /// Appends a message whose bytes are copied. Up to fragment_bytes.
    void push(header h, std::span<const std::byte> payload, const void* lane) {
        h.length = static_cast<std::uint32_t>(payload.size());
        h.stream = lanes_.number(lane);
        queued_ += header_layout::size + payload.size();
        if (!bulks_.empty()) {
            if (bulk* b = barrier(h, lane)) {
                buffer copy;
                copy.append(payload.data(), payload.size());
                b->held.push_back({h, std::move(copy)});
                return;
            }
        }
        append_frame(ready_, h, payload);
    }

    /// Appends a message of any size and takes the bytes over.
    void push(header h, buffer&& payload, const void* lane) {
        if (payload.size() <= fragment_bytes) return push(h, std::span<const std::byte>(payload.data(), payload.size()), lane);
        h.length = 0;
        h.stream = lanes_.number(lane);
        queued_ += header_layout::size + payload.size();
        if (bulk* b = barrier(h, lane)) {
            b->held.push_back({h, std::move(payload)});
        } else {
            start_bulk({h, std::move(payload)}, lane);
        }
    }

    /// Appends a frame that is passed on as it came, fragments included.
    void forward(const header& h, std::span<const std::byte> payload) {
        queued_ += header_layout::size + payload.size();
        if (!(h.flags & message_flags::fragment) && (barred_.empty() || !barred_.contains(flow_of(h))))
            return append_frame(ready_, h, payload);
        if (bars(h)) ++barred_[flow_of(h)];
        passing_.push_back({h, buffer(payload)});
    }

    /// Refills an empty batch with what goes out next. False if there is nothing.
    bool take(send_batch& batch) {
        batch.frames_.clear();
        if (batch.frames_.capacity() > kept_bytes) batch.frames_.reset(); // one burst must not cost memory for ever
        batch.head_size_ = 0;
        batch.fragment_ = {};
        batch.done_ = 0;
        last_.reset();
        passed_.payload.clear();
        std::swap(batch.frames_, ready_);
        queued_ -= batch.frames_.size();
        own_turn_ = !bulks_.empty() && (passing_.empty() || !own_turn_);
        if (own_turn_) {
            queued_ -= take_fragment(batch);
        } else if (!passing_.empty()) {
            queued_ -= take_passing(batch);
        }
        return !batch.empty();
    }

    bool empty() const noexcept { return ready_.size() == 0 && bulks_.empty() && passing_.empty(); }

    /// Bytes that no batch has taken yet.
    std::uint64_t queued() const noexcept { return queued_; }
};

} // namespace mitogen::inline MITOGEN_ABI

// ---- mitogen/loop/sending_side.hpp ----
// sending_side.hpp: the half of a link that writes: any thread queues, one at a time writes, and room is waited for here.

namespace mitogen::inline MITOGEN_ABI {

template <class Io>
class basic_stream;

/// When a message leaves.
enum class urgency : std::uint8_t {
    now,  ///< the caller is about to wait for the answer: written by the calling thread if nobody else is writing
    soon, ///< more may follow: gathered, and written by the loop
};

/// Part of a basic_stream, which says what its functions do, and lives as long.
///
/// Whoever finds the side free writes; others leave their bytes with the one that does (flat combining). Nobody ever blocks in a
/// write: what the descriptor does not take is written by the loop when it does. (Two ends that block in write() against each
/// other hang: a UNIX socket is full after 278 small writes, whatever SO_SNDBUF says.)
///
/// Threads: push(), queued() and bytes_out() any; the waits any but the loop; the rest the loop.
template <class Io>
class basic_sending_side {
    using stream = basic_stream<Io>;

    struct source : event_source {
        basic_sending_side* self;
    };
    struct task : loop_task {
        basic_sending_side* self;
    };

    stream& stream_;
    basic_broker<Io>& broker_;
    typename Io::descriptor out_;
    source source_{};

    typename Io::mutex mutex_; // guards what follows
    send_queue queue_;
    send_batch batch_;           // in the hands of whoever set writing_
    std::uint64_t in_batch_ = 0; // its size when it was taken
    bool writing_ = false;
    bool refusing_ = false; // nothing more is taken
    long write_error_ = 0;
    std::uint64_t queue_limit_;
    std::vector<waiter<Io>*> room_waiters_;
    std::vector<std::weak_ptr<stream>> held_; // whose readers wait for room here
    std::atomic<std::uint64_t> room_epoch_{0};
    task task_{};
    std::shared_ptr<stream> posted_; // keeps this alive while task_ is posted
    enum class errand : std::uint8_t { flush, await_writable, fail } errand_ = errand::flush;

    std::atomic<std::uint64_t> bytes_out_{0};

    static constexpr int max_rounds = 16;

public:
    basic_sending_side(stream& whole, basic_broker<Io>& loop, typename Io::descriptor out, const limits& bounds)
        : stream_(whole), broker_(loop), out_(std::move(out)), mutex_(loop.io()), queue_limit_(bounds.queue_bytes) {
        source_.fd = out_.get();
        source_.self = this;
        source_.ready = [](event_source& s, bool, bool) {
            basic_sending_side& side = *static_cast<source&>(s).self;
            const auto keep = side.stream_.shared_from_this();
            side.writable();
        };
        task_.self = this;
        task_.run = [](loop_task& t) { static_cast<task&>(t).self->run_errand(); };
    }

    basic_sending_side(basic_sending_side&&) = delete;

    /// Calls `add(queue)` and, if `when` says so, writes. False where nothing more is taken.
    template <class Add>
    bool push(Add&& add, urgency when) {
        std::unique_lock lock(mutex_);
        if (refusing_) return false;
        add(queue_);
        if (writing_) return true; // whoever writes takes it along
        writing_ = true;
        if (when == urgency::now) {
            lock.unlock();
            drain();
        } else {
            post(errand::flush); // writing_ stays set for the loop
            return !refusing_;
        }
        return true;
    }

    /// Passes on a frame; `crowded`: more waits now than limits::queue_bytes.
    bool forward(const header& h, std::span<const std::byte> payload, bool& crowded) {
        return push(
            [&](send_queue& queue) {
                queue.forward(h, payload);
                crowded = backlog() > queue_limit_;
            },
            urgency::soon);
    }

    void hold(stream& sender) {
        const std::lock_guard lock(mutex_);
        if (refusing_ || &sender == &stream_) return;
        for (const auto& held : held_)
            if (held.lock().get() == &sender) return;
        held_.push_back(sender.weak_from_this());
        sender.pause();
    }

    bool wait_for_room(instant deadline) {
        waiter<Io> wake(broker_.io());
        std::unique_lock lock(mutex_);
        return refusing_ || backlog() < queue_limit_ || sleep(wake, lock, deadline);
    }

    bool wait_written(instant deadline) {
        for (;;) {
            waiter<Io> wake(broker_.io());
            std::unique_lock lock(mutex_);
            if (refusing_ || (!writing_ && queue_.empty())) return true;
            if (!sleep(wake, lock, deadline)) return false;
        }
    }

    /// Bytes that wait to be written; those of a write that is under way are counted until all of it is done.
    std::uint64_t queued() {
        const std::lock_guard lock(mutex_);
        return backlog();
    }
    std::uint64_t bytes_out() const noexcept { return bytes_out_.load(std::memory_order_relaxed); }

    /// From now on nothing is taken, and nobody waits.
    void refuse() {
        const std::lock_guard lock(mutex_);
        refusing_ = true;
        wake_room_waiters();
    }

    /// Behind refuse().
    void close() {
        broker_.unwatch(source_);
        const std::lock_guard lock(mutex_);
        if (!writing_ || source_.interest == io::interest::write) out_.reset(); // else the thread that writes closes it
    }

    void abandon() noexcept { out_.reset(); }

private:
    std::uint64_t backlog() const noexcept { return queue_.queued() + in_batch_; } // under mutex_

    /// Sleeps until room is made; false at the deadline. `lock` is given up meanwhile.
    bool sleep(waiter<Io>& wake, std::unique_lock<typename Io::mutex>& lock, instant deadline) {
        room_waiters_.push_back(&wake);
        const std::uint64_t epoch = room_epoch_.load(std::memory_order_relaxed);
        lock.unlock();
        const bool room =
            broker_.wait(wake, deadline, false, [&] { return room_epoch_.load(std::memory_order_acquire) != epoch; });
        lock.lock();
        std::erase(room_waiters_, &wake);
        return room;
    }

    /// Asks the loop to go on, in the place of the caller, who holds writing_. Under mutex_.
    void post(errand what) {
        errand_ = what;
        if (posted_) return;
        posted_ = stream_.shared_from_this();
        if (broker_.post(task_)) return;
        posted_.reset(); // the loop has ended: nothing will be written any more
        refusing_ = true;
        wake_room_waiters();
    }

    void run_errand() {
        std::unique_lock lock(mutex_);
        const auto keep = std::move(posted_);
        posted_ = nullptr;
        const errand what = errand_;
        const long failure = write_error_;
        lock.unlock();
        if (stream_.is_closed()) return out_.reset();
        switch (what) {
        case errand::flush: drain(); break;
        case errand::await_writable: await_writable(); break;
        case errand::fail: stream_.cannot_write(failure); break;
        }
    }

    void await_writable() {
        const long rc =
            source_.watched ? broker_.change(source_, io::interest::write) : broker_.watch(source_, io::interest::write);
        if (rc < 0) cannot_watch(rc);
    }

    void writable() {
        if (const long rc = broker_.change(source_, io::interest::none); rc < 0) return cannot_watch(rc);
        drain();
    }

    /// Nobody will ever go on: the caller holds writing_.
    void cannot_watch(long rc) {
        stream_.cannot_watch(rc);
        out_.reset();
    }

    /// Writes until nothing is left or the descriptor is full. The caller holds writing_.
    void drain() {
        for (int rounds = 0;; ++rounds) {
            if (batch_.empty()) {
                const std::lock_guard lock(mutex_);
                if (refusing_) return drop_output();
                const bool more = queue_.take(batch_);
                in_batch_ = batch_.size();
                if (!more) {
                    writing_ = false;
                    if (somebody_waits()) wake_room_waiters();
                    return;
                }
                if (rounds == max_rounds) return post(errand::flush); // others keep adding: let the loop go on with it
                if (somebody_waits() && backlog() < queue_limit_ / 2) wake_room_waiters();
            }
            ::iovec pieces[3];
            int count = 0;
            batch_.pieces([&](const std::byte* data, std::size_t size) {
                pieces[count++] = {const_cast<std::byte*>(data), size};
            });
            const long n = broker_.io().writev(out_.get(), pieces, count);
            if (n < 0) {
                const std::lock_guard lock(mutex_);
                if (n == -EAGAIN || n == -EWOULDBLOCK) return post(errand::await_writable);
                write_error_ = n;
                return post(errand::fail);
            }
            batch_.consume(static_cast<std::size_t>(n));
            bytes_out_.fetch_add(static_cast<std::uint64_t>(n), std::memory_order_relaxed);
        }
    }

    /// The stream was closed while this thread was writing. Under mutex_.
    void drop_output() {
        writing_ = false;
        out_.reset();
    }

    bool somebody_waits() const noexcept { return !room_waiters_.empty() || !held_.empty(); }

    /// Under mutex_. Those who wait for room on the loop go on there.
    void wake_room_waiters() {
        for (const auto& held : std::exchange(held_, {})) {
            broker_.defer([held] {
                if (const auto sender = held.lock()) sender->resume();
            });
        }
        room_epoch_.fetch_add(1, std::memory_order_release);
        for (waiter<Io>* w : room_waiters_) w->notify();
        room_waiters_.clear();
    }
};

} // namespace mitogen::inline MITOGEN_ABI

// ---- mitogen/loop/silence.hpp ----
// silence.hpp: for how long a link's other side has said nothing at all. Counts bytes at intervals: no message costs anything.

namespace mitogen::inline MITOGEN_ABI {

/// One link's silence. Knows only times and how many bytes there were: no clock, no descriptor.
class silence {
    duration_ns step_ = 0; // 0: off
    duration_ns limit_ = 0;
    duration_ns lasts_ = 0; // at least so long nothing was heard
    instant last_look_ = 0;
    std::uint64_t in_ = 0;
    std::uint64_t out_ = 0;

public:
    struct finding {
        bool heard; ///< something, in the step before this look
        bool sent;
        bool lost; ///< the silence has reached its limit
    };

    explicit silence(const heartbeat& beat) noexcept : step_(beat.on() ? beat.step() : 0), limit_(beat.limit) {}

    bool on() const noexcept { return step_ != 0; }
    /// Returns when to look first.
    instant begin(instant now) noexcept {
        last_look_ = now;
        return next_look(now);
    }

    /// All links look at the same moments: a process wakes once for all of them.
    instant next_look(instant now) const noexcept { return (now / step_ + 1) * step_; }

    /// `in` and `out`: all bytes so far. Between two looks lies one step; where it was much more, this process itself stood
    /// still, and the other side gets two fresh steps to be heard.
    finding look(instant now, std::uint64_t in, std::uint64_t out) noexcept {
        const duration_ns gap = now - std::exchange(last_look_, now);
        finding f{std::exchange(in_, in) != in, std::exchange(out_, out) != out, false};
        if (f.heard) {
            lasts_ = 0;
        } else if (gap <= 2 * step_) {
            lasts_ += gap;
        } else {
            lasts_ = std::min(lasts_, limit_ - 3 * step_);
        }
        // What was heard last may have come at any time in the step before the silence began to count.
        f.lost = lasts_ > limit_ - step_ - step_ / 2;
        if (gap < step_) f.heard = f.sent = true; // the first look comes early: nothing needs to be said yet
        return f;
    }

    /// How long it has lasted at least.
    duration_ns lasts() const noexcept { return lasts_; }

    /// The next look counts as if something had been heard: this side does not read.
    void excuse() noexcept { lasts_ = 0; }
};

} // namespace mitogen::inline MITOGEN_ABI

// ---- mitogen/loop/stream.hpp ----
// stream.hpp: one link to another context: reads and takes frames apart, writes by way of its sending side, and ends once.

namespace mitogen::inline MITOGEN_ABI {

/// One link. Created unstarted; start() on the loop begins to read.
///
/// Threads: send() and wait_for_room() any; the rest the loop. Owned by shared_ptr: callers may hold it while the loop lets go.
template <class Io>
class basic_stream : public std::enable_shared_from_this<basic_stream<Io>> {
public:
    /// What a stream tells its owner, on the loop. Also the sink of its frame_reader.
    struct owner {
        virtual void frame(basic_stream& from, const header& h, std::span<const std::byte> payload) = 0;
        virtual std::byte* reserve(basic_stream& from, const header& h) = 0;
        virtual void reserved_complete(basic_stream& from, const header& h) = 0;
        /// The link is closed; `why` is text for people, `cause` the reason for those who wait.
        virtual void closed(basic_stream& from, reason cause, const std::string& why) = 0;
        /// Nothing was sent for a while or, with `answer`, nothing was heard: send something small; see heartbeat.
        virtual void quiet(basic_stream& from, bool answer) { (void)from, (void)answer; }

    protected:
        ~owner() = default;
    };

private:
    friend class basic_sending_side<Io>;
    using descriptor = typename Io::descriptor;

    struct source : event_source {
        basic_stream* self;
    };
    /// Adapts `owner` to what frame_reader wants.
    struct sink {
        basic_stream& self;
        void frame(const header& h, std::span<const std::byte> payload) { self.owner_->frame(self, h, payload); }
        std::byte* reserve(const header& h) { return self.owner_->reserve(self, h); }
        void reserved_complete(const header& h) { self.owner_->reserved_complete(self, h); }
        bool stopped() const { return self.closed_; }
    };

    basic_broker<Io>& broker_;
    owner* owner_;
    descriptor in_;
    source in_source_{};
    frame_reader reader_;
    bool closed_ = false;
    int pauses_ = 0; // streams that are too full to take what is read here
    silence silence_;
    timer look_{}; // at whether the other side shows signs of life

    std::atomic<std::uint64_t> bytes_in_{0};
    basic_sending_side<Io> sending_;

    static constexpr int last_reads = 16;
    static constexpr std::size_t most_in_a_turn = 2 * fragment_bytes; // what is passed on leaves at the end of the turn

public:
    basic_stream(basic_broker<Io>& loop, owner& to, descriptor in, descriptor out, const limits& bounds,
                 const heartbeat& beat = {0, 0})
        : broker_(loop), owner_(&to), in_(std::move(in)), silence_(beat), sending_(*this, loop, std::move(out), bounds) {
        look_.fire = [this] {
            const auto keep = this->shared_from_this();
            look();
        };
        in_source_.fd = in_.get();
        in_source_.self = this;
        in_source_.ready = [](event_source& s, bool, bool) {
            const auto keep = static_cast<source&>(s).self->shared_from_this(); // a frame may make the owner let go
            keep->readable();
        };
    }

    basic_stream(basic_stream&&) = delete;

    /// Begins to read; closes itself where it cannot. Threads: loop.
    void start() {
        if (silence_.on()) broker_.set_slow_timer(look_, silence_.begin(broker_.io().now()));
        if (const long rc = broker_.watch(in_source_, io::interest::read); rc < 0) cannot_watch(rc);
    }

    /// Hands bytes that were read before the stream took over (behind a handshake) to the framing. Threads: loop.
    void inject(std::span<const std::byte> bytes) {
        const auto keep = this->shared_from_this();
        while (!bytes.empty() && !closed_) {
            read_target targets[2];
            const int n = reader_.prepare(targets);
            std::size_t used = 0;
            for (int i = 0; i < n; ++i) {
                const std::size_t part = std::min(bytes.size(), targets[i].size);
                std::memcpy(targets[i].data, bytes.data(), part);
                bytes = bytes.subspan(part);
                used += part;
            }
            received(used);
        }
    }

    /// Queues a message and, if `when` says so, writes it. Returns false where the stream is closed: nothing was taken.
    /// `lane`: see send_queue. Threads: any. Never blocks.
    bool send(const header& h, std::span<const std::byte> payload, const void* lane, urgency when) {
        return sending_.push([&](send_queue& queue) { queue.push(h, payload, lane); }, when);
    }
    bool send(const header& h, buffer&& payload, const void* lane, urgency when) {
        return sending_.push([&](send_queue& queue) { queue.push(h, std::move(payload), lane); }, when);
    }
    /// Passes on a frame of somebody else's.
    bool forward(const header& h, std::span<const std::byte> payload) {
        bool crowded = false;
        return forward(h, payload, crowded);
    }
    /// As well; `crowded`: more waits now than limits::queue_bytes, and whoever it comes from should be held.
    bool forward(const header& h, std::span<const std::byte> payload, bool& crowded) {
        return sending_.forward(h, payload, crowded);
    }

    /// Nothing more is read from `sender` until half of the limit is free again here, or this is closed. Threads: loop.
    void hold(basic_stream& sender) { sending_.hold(sender); }

    /// Sleeps until the queue is below its limit; at once where it is. False at the deadline. Threads: any but the loop.
    bool wait_for_room(instant deadline) { return sending_.wait_for_room(deadline); }

    /// Sleeps until everything is written; false at the deadline, true also where the stream is closed. Threads: any but the
    /// loop.
    bool wait_written(instant deadline) { return sending_.wait_written(deadline); }

    /// Bytes that wait to be written; those of a write that is under way are counted until all of it is done.
    std::uint64_t queued() { return sending_.queued(); }
    std::uint64_t bytes_in() const noexcept { return bytes_in_.load(std::memory_order_relaxed); }
    std::uint64_t bytes_out() const noexcept { return sending_.bytes_out(); }
    /// Threads: loop.
    bool is_closed() const noexcept { return closed_; }

    /// Closes both sides and tells the owner, once. Threads: loop.
    void close(reason cause, const std::string& why) {
        if (closed_) return;
        closed_ = true;
        const auto keep = this->shared_from_this();
        sending_.refuse();
        broker_.cancel_slow_timer(look_);
        broker_.unwatch(in_source_);
        in_.reset();
        sending_.close();
        owner_->closed(*this, cause, why);
    }

    /// In a child made by fork(): closes the descriptors and nothing else.
    void abandon() noexcept {
        in_.reset();
        sending_.abandon();
    }

private:
    /// Once in a heartbeat's interval: is the other side there, and does it know that this one is?
    void look() {
        const instant now = broker_.io().now();
        if (pauses_) silence_.excuse();
        const silence::finding f = silence_.look(now, bytes_in(), bytes_out());
        if (f.lost)
            return close(reason::respondent_lost, "no sign of life for " + std::to_string(silence_.lasts() / 1'000'000) + " ms");
        if ((!f.heard || !f.sent) && queued() == 0) owner_->quiet(*this, !f.heard); // else it would only wait in the queue
        if (!closed_) broker_.set_slow_timer(look_, silence_.next_look(now));
    }

    void cannot_watch(long rc) {
        close(reason::respondent_lost, "cannot watch the link: " + sys::errno_text(static_cast<int>(-rc)));
    }

    void cannot_write(long rc) {
        // What the peer said before it went is still there to be read: the answer that somebody waits for may be among it.
        for (int go = 0; go < last_reads && in_source_.watched && readable(); ++go) {}
        close(reason::respondent_lost, "cannot write: " + sys::errno_text(static_cast<int>(-rc)));
    }

    void pause() {
        if (pauses_++ == 0 && in_source_.watched) static_cast<void>(broker_.change(in_source_, io::interest::none));
    }

    void resume() {
        if (--pauses_ != 0 || closed_ || !in_source_.watched) return;
        if (const long rc = broker_.change(in_source_, io::interest::read); rc < 0) cannot_watch(rc);
    }

    /// True if there may be more to read.
    bool readable() {
        // One read for each readiness: asking again would be a system call for nothing, unless the descriptor has shown that it
        // has plenty.
        for (std::size_t taken = 0; taken < most_in_a_turn && !closed_ && !pauses_;) {
            read_target targets[2];
            const int n = reader_.prepare(targets);
            ::iovec pieces[2];
            std::size_t room = 0;
            for (int i = 0; i < n; ++i) {
                pieces[i] = {targets[i].data, targets[i].size};
                room += targets[i].size;
            }
            const long got = n == 1 ? broker_.io().read(in_.get(), targets[0].data, targets[0].size)
                                    : broker_.io().readv(in_.get(), pieces, n);
            if (got == -EAGAIN || got == -EWOULDBLOCK) return false;
            if (got <= 0) {
                close(reason::respondent_lost,
                      got == 0 ? "the link ended" : "cannot read: " + sys::errno_text(static_cast<int>(-got)));
                return false;
            }
            const bool full = static_cast<std::size_t>(got) == room || n == 2;
            received(static_cast<std::size_t>(got));
            taken += static_cast<std::size_t>(got);
            if (!full) return false;
        }
        return !closed_ && !pauses_;
    }

    void received(std::size_t count) {
        bytes_in_.fetch_add(count, std::memory_order_relaxed);
        sink to{*this};
        if (const char* wrong = reader_.commit(count, to))
            close(reason::link_corrupt, std::string("the link is corrupt: ") + wrong);
    }
};

} // namespace mitogen::inline MITOGEN_ABI

// ---- mitogen/route/awaited.hpp ----
// awaited.hpp: one awaited answer, as whoever waits for it sees it. The same under every I/O policy.

namespace mitogen::inline MITOGEN_ABI {

class awaited;

/// What keeps awaited answers, and completes each of them once.
class awaited_keeper {
public:
    /// Completes with an error; false if somebody else completes it.
    virtual bool fail(awaited& answer, error why) = 0;
    /// Runs `go` after completion: now, if it is completed already.
    virtual void then(awaited& answer, unique_function<void()> go) = 0;
    /// Nobody refers to it any more.
    virtual void recycle(awaited& answer) noexcept = 0;

protected:
    ~awaited_keeper() = default;
};

/// One awaited answer. Completed exactly once: by the answer, by an error, or by whoever gave up waiting.
///
/// Reference-counted by hand: one for its keeper while it is open, one for each future. Outlives the router. Threads: any.
class awaited {
protected:
    awaited_keeper* keeper_ = nullptr;
    std::atomic<std::uint32_t> references_{0};
    std::uint32_t slot_ = 0;
    std::uint32_t generation_ = 0;
    std::atomic<bool> done_{false};
    bool open_ = false; // under the keeper's lock: the answer may still come
    context_id respondent_ = no_context;
    std::optional<error> failure_;
    buffer payload_;

    awaited() = default;
    ~awaited() = default;

public:
    bool explained = false;        ///< for the layer above: a second question was asked about a failure
    const void* subject = nullptr; ///< for the layer above: which function was called

    awaited(awaited&&) = delete;

    /// The handle that the answer comes to. Never the same twice.
    handle_id handle() const noexcept { return static_cast<handle_id>(generation_) << 32 | slot_; }
    context_id respondent() const noexcept { return respondent_; }

    /// True once completed; failure() and payload() are then fixed.
    bool done() const noexcept { return done_.load(std::memory_order_acquire); }

    /// After done(): the error, or null.
    const error* failure() const noexcept { return failure_ ? &*failure_ : nullptr; }
    /// After done() without error: the bytes of the value.
    buffer& payload() noexcept { return payload_; }

    /// As awaited_keeper's.
    bool fail(error why) { return keeper_->fail(*this, std::move(why)); }
    void then(unique_function<void()> go) { keeper_->then(*this, std::move(go)); }

    void retain() noexcept { references_.fetch_add(1, std::memory_order_relaxed); }
    void release() noexcept {
        if (references_.fetch_sub(1, std::memory_order_acq_rel) == 1) keeper_->recycle(*this);
    }
};

} // namespace mitogen::inline MITOGEN_ABI

// ---- mitogen/wire/flow.hpp ----
// flow.hpp: items that travel from one context to another without ever filling its memory: their messages, and the credit for
// them.

namespace mitogen::inline MITOGEN_ABI {

/// Where items are to be sent, and how many bytes of them may be under way.
struct flow_address {
    handle_id port = 0; ///< registered by the receiving end; 0: none
    std::uint32_t window = 0;
};

namespace wire {

/// The first byte of a message of a flow: what it is. The rest is the value.
enum class flow_frame : std::uint8_t {
    item = 0,
    end = 1,   ///< the sending end sends no more; u64: how many items it has sent
    done = 2,  ///< as end, because the function has ended: its answer says how
    begun = 3, ///< of a dialog: where its items are to go, and the value of started()
    lost = 4,  ///< in the place of an item: somebody whose items are passed on is lost, and why
    // What the receiving end says.
    credit = 16, ///< u64: that many bytes more may be sent
    stop = 17,   ///< nobody takes items any more
};

/// What an item costs besides its bytes: what it takes in a queue.
inline constexpr std::uint64_t item_overhead = 64;

/// Bytes of items that may be under way on one flow at first. A pipe holds 64 KiB, and a message is cut into fragments of 128
/// KiB: with twice that, a sender on the same machine rarely waits.
inline constexpr std::uint32_t flow_window = 256 * 1024;

/// What a window grows to at most, and so what a receiver that stops may hold of one flow, besides one item.
inline constexpr std::uint32_t flow_window_limit = 4 * 1024 * 1024;

/// The sending end's account. The last item may be larger than what is left: no item is too large for a window.
class flow_credit {
    std::int64_t left_;

public:
    explicit flow_credit(std::uint32_t window) noexcept : left_(window) {}

    bool may_send() const noexcept { return left_ > 0; }
    void spend(std::size_t bytes) noexcept { left_ -= static_cast<std::int64_t>(bytes + item_overhead); }
    /// No window is as large as what a peer may claim to grant: it gives without limit then, and no more than that.
    void grant(std::uint64_t bytes) noexcept {
        constexpr std::int64_t most = std::int64_t{1} << 40;
        left_ = bytes < static_cast<std::uint64_t>(most) && left_ < most ? left_ + static_cast<std::int64_t>(bytes) : most;
    }
};

/// The receiving end's account.
class flow_ledger {
    std::uint64_t window_;
    std::int64_t allowed_;   // what the sender may still send, as this end knows it
    std::uint64_t owed_ = 0; // consumed, and not granted again yet
    std::uint64_t received_ = 0;
    std::uint64_t announced_ = UINT64_MAX; // how many items there are, once that is known

public:
    explicit flow_ledger(std::uint32_t window) noexcept : window_(window), allowed_(window) {}

    std::uint64_t window() const noexcept { return window_; }

    /// An item has arrived. False where the sender had no credit for it, or has announced fewer.
    bool receive(std::size_t bytes) noexcept {
        if (allowed_ <= 0 || received_ == announced_) return false;
        allowed_ -= static_cast<std::int64_t>(bytes + item_overhead);
        ++received_;
        return true;
    }

    /// The sender has said how many items it has sent: those of its threads may arrive behind that. False where it lies.
    bool announce(std::uint64_t items) noexcept {
        if (announced_ != UINT64_MAX || items < received_ || items == UINT64_MAX) return false;
        announced_ = items;
        return true;
    }

    /// Everything that was announced is here.
    bool complete() const noexcept { return received_ == announced_; }

    /// An item has left the queue. How much credit to grant for it now: nothing until half a window is owed, so that grants are
    /// few.
    /// `starved`: it was the last one there. Where the sender has used up its credit then, only the window holds it back, because
    /// more than that fits on the way between them: the window doubles.
    std::uint64_t consume(std::size_t bytes, bool starved = false) noexcept {
        owed_ += bytes + item_overhead;
        if (starved && allowed_ <= 0 && window_ < flow_window_limit) {
            owed_ += window_;
            window_ *= 2;
        }
        if (owed_ < window_ / 2) return 0;
        const std::uint64_t granted = owed_;
        allowed_ += static_cast<std::int64_t>(granted);
        owed_ = 0;
        return granted;
    }
};

} // namespace wire
} // namespace mitogen::inline MITOGEN_ABI

// ---- mitogen/route/call_port.hpp ----
// call_port.hpp: all that a call needs of the router, behind virtual functions: a file that only makes calls compiles no router.

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

/// A message that wants an answer.
struct question {
    enum class manner : std::uint8_t {
        wait,   ///< the caller waits for the answer next; refused on the loop, which it would stop
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

// ---- mitogen/route/pending.hpp ----
// pending.hpp: answers that are awaited. Each has a slot whose number is part of the handle that the answer comes to.

namespace mitogen::inline MITOGEN_ABI {

template <class Io>
class basic_pending_table;

/// An awaited answer, and what wakes the thread that waits for it. Kept in memory that the table reuses, never frees while it
/// lives: a late notification of a finished wait is harmless. Threads: see members.
template <class Io>
class basic_pending final : public awaited {
    friend class basic_pending_table<Io>;

public:
    waiter<Io> wake;
    unique_function<void()> continuation; ///< run once after completion, on the completing thread; set with then()
    timer deadline;                       ///< loop's

    explicit basic_pending(Io& io) : wake(io) {}
};

/// All awaited answers of one router. Threads: any.
template <class Io>
class basic_pending_table final : public awaited_keeper {
    using pending = basic_pending<Io>;

    Io io_;
    typename Io::mutex mutex_;
    std::deque<pending> slots_; // stable addresses; grows to the largest number ever open at once
    std::vector<pending*> free_;
    std::size_t open_ = 0;
    bool refusing_ = false;
    std::uint32_t limit_;
    std::atomic<std::uint64_t> live_{1}; // slots in use, and one for the owner: the last to go frees the table

    void drop() noexcept {
        if (live_.fetch_sub(1, std::memory_order_acq_rel) == 1) delete this;
    }

    void finish(pending& p) {
        p.done_.store(true, std::memory_order_release);
        p.wake.notify();
        unique_function<void()> go;
        {
            const std::lock_guard lock(mutex_);
            go = std::move(p.continuation);
        }
        if (go) go();
        p.release(); // the table's reference
    }

    pending* take_slot(context_id respondent) { // under mutex_
        pending* p;
        if (free_.empty()) {
            p = &slots_.emplace_back(io_);
            p->keeper_ = this;
            p->slot_ = static_cast<std::uint32_t>(slots_.size() - 1);
        } else {
            p = free_.back();
            free_.pop_back();
        }
        ++p->generation_;
        p->respondent_ = respondent;
        p->references_.store(2, std::memory_order_relaxed);
        p->open_ = true;
        ++open_;
        live_.fetch_add(1, std::memory_order_relaxed);
        return p;
    }

    bool close_slot(pending& p) noexcept { // under mutex_
        if (!p.open_) return false;
        p.open_ = false;
        --open_;
        return true;
    }

    ~basic_pending_table() = default;

public:
    /// Frees a table when its router is done with it; futures may outlive the router.
    struct closer {
        void operator()(basic_pending_table* t) const noexcept { t->drop(); }
    };
    using owner = std::unique_ptr<basic_pending_table, closer>;

    static owner make(Io& io, std::uint32_t limit) { return owner(new basic_pending_table(io, limit)); }
    basic_pending_table(Io& io, std::uint32_t limit) : io_(io), mutex_(io_), limit_(limit) {}

    /// Opens a slot for an answer from `respondent`. The caller holds one reference. Null with `why` set where the limit is
    /// reached or the router has closed.
    pending* open(context_id respondent, std::optional<error>& why) {
        const std::lock_guard lock(mutex_);
        if (refusing_) {
            why.emplace(reason::broker_exited, "the router has been shut down");
            return nullptr;
        }
        if (open_ >= limit_) {
            why.emplace(reason::overloaded,
                        "too many calls are waiting for an answer (limits::open_calls is " + std::to_string(limit_) + ")");
            return nullptr;
        }
        return take_slot(respondent);
    }

    /// A slot that no message can complete, which is never refused. The caller holds one reference.
    pending& open_event(context_id here) {
        const std::lock_guard lock(mutex_);
        return *take_slot(here);
    }

    /// A slot that is completed already, with an error: never refused, since nothing is awaited. The caller holds one reference.
    pending* open_failed(context_id respondent, error why) {
        pending* p;
        {
            const std::lock_guard lock(mutex_);
            p = take_slot(respondent);
        }
        fail(*p, std::move(why));
        return p;
    }

    /// The open slot behind a handle that an answer came to, or null: too late, or never asked. `from` must be who was asked,
    /// else null and `stranger` is set. The caller holds a reference: whoever else completes it meanwhile, the slot is not used
    /// again before release().
    pending* find(handle_id handle, context_id from, bool& stranger) {
        const std::lock_guard lock(mutex_);
        const auto slot = static_cast<std::uint32_t>(handle);
        if (slot >= slots_.size()) return nullptr;
        pending& p = slots_[slot];
        if (!p.open_ || p.generation_ != static_cast<std::uint32_t>(handle >> 32)) return nullptr;
        if (p.respondent_ != from) {
            stranger = true;
            return nullptr;
        }
        p.retain();
        return &p;
    }

    /// Who was asked for the answer that comes to `handle`; no_context where nobody waits for it.
    context_id respondent_of(handle_id handle) {
        const std::lock_guard lock(mutex_);
        const auto slot = static_cast<std::uint32_t>(handle);
        if (slot >= slots_.size()) return no_context;
        const pending& p = slots_[slot];
        return p.open_ && p.generation_ == static_cast<std::uint32_t>(handle >> 32) ? p.respondent_ : no_context;
    }

    /// Completes with a value. `whole`: the payload's own buffer, taken over, or null: the bytes are copied. False if somebody
    /// else completes it: done() then follows at once, if it does not hold yet.
    bool complete(pending& p, std::span<const std::byte> payload, buffer* whole) {
        {
            const std::lock_guard lock(mutex_);
            if (!close_slot(p)) return false;
        }
        if (whole) {
            p.payload_ = std::move(*whole);
        } else {
            p.payload_.append(payload.data(), payload.size());
        }
        finish(p);
        return true;
    }

    /// Completes with an error. False as for complete().
    bool fail(awaited& answer, error why) final {
        pending& p = static_cast<pending&>(answer);
        {
            const std::lock_guard lock(mutex_);
            if (!close_slot(p)) return false;
        }
        p.failure_.emplace(std::move(why));
        finish(p);
        return true;
    }

    /// Fails everything that is awaited from `respondent`; with no_context, from anyone.
    void fail_all(context_id respondent, const error& why) {
        for (;;) {
            std::vector<pending*> hit;
            {
                const std::lock_guard lock(mutex_);
                for (pending& p : slots_) {
                    if (!p.open_ || (respondent != no_context && p.respondent_ != respondent)) continue;
                    close_slot(p);
                    hit.push_back(&p);
                }
            }
            if (hit.empty()) return;
            for (pending* p : hit) {
                p->failure_.emplace(why);
                finish(*p);
            }
        }
    }

    /// Runs `go` after completion: now, if it is completed already.
    void then(awaited& answer, unique_function<void()> go) final {
        pending& p = static_cast<pending&>(answer);
        {
            const std::lock_guard lock(mutex_);
            if (!p.done()) {
                if (p.continuation) {
                    p.continuation = [first = std::move(p.continuation), second = std::move(go)]() mutable {
                        first();
                        second();
                    };
                } else {
                    p.continuation = std::move(go);
                }
                return;
            }
        }
        go();
    }

    /// From now on open() fails.
    void refuse() {
        const std::lock_guard lock(mutex_);
        refusing_ = true;
    }

    /// Answers that are awaited now.
    std::size_t open_count() {
        const std::lock_guard lock(mutex_);
        return open_;
    }

    /// Answers that are awaited from one context.
    std::size_t open_count_of(context_id respondent) {
        const std::lock_guard lock(mutex_);
        std::size_t count = 0;
        for (const pending& p : slots_) count += p.open_ && p.respondent_ == respondent;
        return count;
    }

    void recycle(awaited& answer) noexcept final {
        pending& p = static_cast<pending&>(answer);
        {
            const std::lock_guard lock(mutex_);
            p.done_.store(false, std::memory_order_relaxed);
            p.failure_.reset();
            if (p.payload_.capacity() > 4096) p.payload_ = buffer{};
            p.payload_.clear();
            p.continuation.reset();
            p.subject = nullptr;
            p.explained = false;
            if (p.generation_ != UINT32_MAX) free_.push_back(&p); // else its numbers are used up
        }
        drop();
    }
};

} // namespace mitogen::inline MITOGEN_ABI

// ---- mitogen/wire/handle.hpp ----
// handle.hpp: numbers with the types of what may be sent to them, and the library's own.

namespace mitogen::inline MITOGEN_ABI {

/// A receiver of messages whose payload is `Args...`. Declare one as `inline constexpr mitogen::handle<std::string, int>
/// progress{2001};`.
///
/// Sender and receiver use the same declaration, so that the compiler checks both. The program's own numbers begin at 1000.
template <class... Args>
struct handle {
    handle_id number;
};

/// The library's own handles. The names and numbers below 112 follow Mitogen's protocol (mitogen/core.py) where the meaning is
/// the same.
namespace handles {
inline constexpr handle_id call_function = 101; ///< run a function; payload: see rpc/call_frame.hpp
inline constexpr handle_id forward_log = 102;   ///< a log record of a child
inline constexpr handle_id add_route = 103;
inline constexpr handle_id del_route = 104;
inline constexpr handle_id allocate_id = 105;
inline constexpr handle_id shutdown = 106;     ///< end this context and everything below it
inline constexpr handle_id detaching = 109;    ///< a child asks its parent to let it go; answered
inline constexpr handle_id forget_chain = 110; ///< a call chain begins anew, or has ended
inline constexpr handle_id cancel_call = 111;  ///< the sender no longer waits for one of its calls
inline constexpr handle_id explain_call = 112; ///< say why a function key is unknown
inline constexpr handle_id ping = 113;         ///< answered at once, by the loop
inline constexpr handle_id connect = 114;      ///< make a child there; payload: see connect/travelling.hpp
inline constexpr handle_id heartbeat = 115;    ///< between neighbours: a sign of life; answered where it asks for that
inline constexpr handle_id end_child = 116;    ///< end a child of that context, or cut its link; answered with its exit status
inline constexpr handle_id admitted = 119;     ///< to a program that joins: it is a context of the tree now
} // namespace handles

} // namespace mitogen::inline MITOGEN_ABI

// ---- mitogen/route/asking.hpp ----
// asking.hpp: the half of a router that asks: opens answers, waits for them, and gives them up in time. What call_port promises.

#if defined(__cpp_lib_jthread)
#include <stop_token>
#endif

namespace mitogen::inline MITOGEN_ABI {

/// The base of `Core`, basic_router_core, which sends. Threads: any.
template <class Core, class Io>
class basic_asking : public call_port {
    using pending = basic_pending<Io>;

protected:
    basic_broker<Io>& broker_;
    typename basic_pending_table<Io>::owner pending_;

    basic_asking(basic_broker<Io>& loop, const limits& bounds)
        : call_port(bounds), broker_(loop), pending_(basic_pending_table<Io>::make(loop.io(), bounds.open_calls)) {}
    ~basic_asking() = default;

public:
    basic_broker<Io>& loop() noexcept { return broker_; }
    basic_pending_table<Io>& answers() noexcept { return *pending_; }

    /// An answer from `from` that is an error already.
    pending* failed_answer(context_id from, error why) { return pending_->open_failed(from, std::move(why)); }

    /// Fails an awaited answer at a given moment, and tells whoever was asked. Threads: any.
    void expire(awaited& answer, instant at, error why) {
        pending& p = static_cast<pending&>(answer);
        p.retain(); // until the timer is out of the way
        const bool accepted = broker_.defer([this, &p, at, why = std::move(why)] {
            if (p.done()) return;
            p.deadline.fire = [this, &p, why] { give_up(p, why); };
            broker_.set_timer(p.deadline, at);
        });
        pending_->then(p, [this, &p, accepted] {
            if (!accepted || !broker_.defer([this, &p] {
                    broker_.cancel_timer(p.deadline);
                    p.release();
                })) {
                p.release();
            }
        });
    }

    awaited& ask(const question& what) final {
        using manner = question::manner;
        if (what.how == manner::wait && on_loop()) return *failed_answer(what.to, waits_on_loop());
        if (what.how == manner::gather) core().wait_for_room(what.to);
        std::optional<error> why;
        pending* p = pending_->open(what.to, why);
        if (!p) return *failed_answer(what.to, std::move(*why));
        p->subject = what.subject;
        const result<void> sent = core().send(core().address(what.to, what.handle, p->handle()), what.payload,
                                              what.how == manner::wait ? urgency::now : urgency::soon);
        if (!sent) pending_->fail(*p, sent.error());
        if (what.options) guard(*p, *what.options);
        return *p;
    }

    bool await(awaited& answer, instant deadline) final {
        return broker_.wait(static_cast<pending&>(answer).wake, deadline, true, [&answer] { return answer.done(); });
    }

    void await_call(awaited& answer, const call_options& options) final {
        const instant deadline = options.within == never ? never : after(now(), options.within);
#if defined(__cpp_lib_jthread)
        if (options.stop.stop_possible()) {
            const std::stop_callback on_stop(options.stop, [&] { give_up(answer, stopped()); });
            return await_until(answer, deadline, options);
        }
#endif
        await_until(answer, deadline, options);
    }

    awaited& open_event() final { return pending_->open_event(id_); }

    awaited& refuse_call(context_id from, error why) final { return *failed_answer(from, std::move(why)); }

    void cancel_call(awaited& p) final {
        (void)core().send(core().address(p.respondent(), handles::cancel_call), encode(p.handle()), urgency::soon);
    }

    bool on_loop() const noexcept final { return broker_.on_loop(); }
    instant now() const noexcept final { return broker_.io().now(); }

private:
    Core& core() noexcept { return static_cast<Core&>(*this); }

    static error waits_on_loop() {
        return error(reason::misuse, "a function that runs on the loop makes a call and waits for it, which would stop the "
                                     "loop; run it on::main or on::pool, or co_await call_async");
    }
    static error out_of_time(const call_options& options) {
        return error(reason::timeout, "no answer within " + std::to_string(options.within / 1'000'000) + " ms");
    }
    error stopped() const { return cancelled_by(id_, cancel_radius::call, "cancelled by its caller's stop token"); }

    void give_up(awaited& p, error why) {
        if (pending_->fail(p, std::move(why))) cancel_call(p);
    }

    void await_until(awaited& answer, instant deadline, const call_options& options) {
        if (await(answer, deadline)) return;
        give_up(answer, out_of_time(options));
        if (!answer.done()) (void)await(answer, never); // the answer has come at this very moment, and is being stored
    }

    /// Deadline and stop token of a call that nobody waits for yet.
    void guard(pending& p, const call_options& options) {
        if (options.within != never) expire(p, after(now(), options.within), out_of_time(options));
#if defined(__cpp_lib_jthread)
        if (!options.stop.stop_possible()) return;
        p.retain();
        const auto on_stop = [this, &p] {
            basic_asking& node = *this; // failing the call destroys this object
            pending& call = p;
            call.retain();
            node.give_up(call, stopped());
            call.release();
        };
        auto callback = std::make_unique<std::stop_callback<decltype(on_stop)>>(options.stop, on_stop);
        pending_->then(p, [callback = std::move(callback), &p]() mutable {
            callback.reset();
            p.release();
        });
#endif
    }
};

} // namespace mitogen::inline MITOGEN_ABI

// ---- mitogen/route/departures.hpp ----
// departures.hpp: which contexts are lost and why, and who wants to be told.

namespace mitogen::inline MITOGEN_ABI {

/// The contexts that one router has lost. Calls nobody. Threads: any.
template <class Io>
class basic_departures {
public:
    using watcher = unique_function<void(const error&)>;

private:
    struct watch_entry {
        context_id id;
        watcher call;
    };

    typename Io::mutex mutex_;
    std::vector<watch_entry> watches_;
    std::vector<std::pair<context_id, error>> lost_; // oldest first
    std::optional<error> parent_lost_;

    std::optional<error> remembered(context_id id) const { // under mutex_
        for (const auto& [gone, why] : lost_)
            if (gone == id) return why;
        return std::nullopt;
    }

public:
    /// Contexts whose end is remembered, to say later why a call to them fails.
    static constexpr std::size_t kept = 1024;

    explicit basic_departures(Io& io) : mutex_(io) {}

    /// Enters `call`, to be called when `id` is lost. Where it is lost already: returns why, and leaves `call` alone.
    std::optional<error> watch(context_id id, watcher& call) {
        const std::lock_guard lock(mutex_); // for both: it may be lost between the question and the entry
        std::optional<error> already = remembered(id);
        if (!already) watches_.push_back({id, std::move(call)});
        return already;
    }

    /// Why `id` is gone, as far as it is remembered.
    std::optional<error> why_lost(context_id id) {
        const std::lock_guard lock(mutex_);
        return remembered(id);
    }

    /// Remembers that `id` is lost, and hands out who wants to be told.
    std::vector<watcher> lose(context_id id, const error& why) {
        std::vector<watcher> told;
        const std::lock_guard lock(mutex_);
        if (lost_.size() == kept) lost_.erase(lost_.begin());
        lost_.emplace_back(id, why);
        std::erase_if(watches_, [&](watch_entry& w) {
            if (w.id != id) return false;
            told.push_back(std::move(w.call));
            return true;
        });
        return told;
    }

    void lose_parent(const error& why) {
        const std::lock_guard lock(mutex_);
        parent_lost_ = why;
    }

    /// Why the parent is gone, if it is.
    std::optional<error> why_parent_lost() {
        const std::lock_guard lock(mutex_);
        return parent_lost_;
    }

    /// Forgets who wants to be told.
    void close() {
        std::vector<watch_entry> dropped; // destroyed without the lock: what they hold may come back here
        const std::lock_guard lock(mutex_);
        dropped.swap(watches_);
    }
};

} // namespace mitogen::inline MITOGEN_ABI

// ---- mitogen/route/error_notice.hpp ----
// error_notice.hpp: errors on the wire: the payload of dead messages and of answers that are errors.

namespace mitogen::inline MITOGEN_ABI {

/// Longest text of an error that travels, in bytes; the rest is cut off and the cut is marked.
inline constexpr std::size_t error_text_bytes = 64 * 1024;

/// Most bytes of an encoded error. Errors pass where a message of that size would not: somebody waits for them.
inline constexpr std::size_t error_notice_bytes = 4 * error_text_bytes + 1024;

/// The bytes of an error.
inline buffer encode_error(const error& e) {
    const error_detail& d = e.detail();
    std::string text = d.text;
    if (text.size() > error_text_bytes) {
        std::size_t end = error_text_bytes;
        while (end > error_text_bytes - 4 && (static_cast<unsigned char>(text[end]) & 0xC0) == 0x80)
            --end; // not inside a character
        text.resize(end);
        text += " […cut]";
    }
    const auto cut = [](const std::string& s) { return std::string_view(s).substr(0, error_text_bytes); };
    return encode(static_cast<std::uint16_t>(d.why), text, cut(d.type), cut(d.place), cut(d.backtrace), d.context, d.canceller,
                  static_cast<std::uint8_t>(d.radius), d.has_status, static_cast<std::int32_t>(d.status.code),
                  static_cast<std::int32_t>(d.status.signal));
}

/// The error that the bytes hold; where they hold none, an error that says so.
inline error decode_error(std::span<const std::byte> bytes) {
    reader r(bytes);
    std::uint16_t why{};
    std::uint8_t radius{};
    std::int32_t code{};
    std::int32_t signal{};
    error_detail d;
    if (!decode(r, why, d.text, d.type, d.place, d.backtrace, d.context, d.canceller, radius, d.has_status, code,
                signal) ||
        !r.finish()) {
        return error(reason::bad_arguments, "an error arrived that does not decode: " + r.failure_text());
    }
    d.why = static_cast<reason>(why);
    d.radius = static_cast<cancel_radius>(radius);
    d.status = {code, signal};
    return error(std::move(d));
}

} // namespace mitogen::inline MITOGEN_ABI

// ---- mitogen/route/handler_table.hpp ----
// handler_table.hpp: what is registered under which handle, whose messages it takes, and which handlers go with a context.

namespace mitogen::inline MITOGEN_ABI {

/// Whose messages a handler takes.
enum class accept : std::uint8_t {
    parents, ///< only messages sent on the authority of this context or one above it
    anyone,  ///< every context of the tree
};

/// How a handler is registered.
struct handler_options {
    accept from = accept::parents;
    bool persist = true;                ///< false: removed before its one message
    context_id respondent = no_context; ///< only this context's messages; gets a dead message when that context is lost
};

/// The handlers of one router, sorted by number. Calls none of them. Threads: any.
template <class Io>
class basic_handler_table {
public:
    using raw_handler = unique_function<void(const message&)>;

    struct registration {
        handle_id number;
        handler_options options;
        std::shared_ptr<raw_handler> call; ///< shared with the call that is under way
    };

    /// What becomes of a message.
    struct verdict {
        std::shared_ptr<raw_handler> call{}; ///< who takes it; null: nobody
        const char* refusal = nullptr;       ///< why not, where somebody is registered
        bool closed = false;                 ///< there are no handlers any more
    };

private:
    typename Io::mutex mutex_;
    std::vector<registration> handlers_; // those without a call are removed: to close the gap each time would be quadratic
    std::size_t removed_ = 0;
    handle_id next_handle_ = first_dynamic_handle;
    bool closed_ = false;

    auto find(handle_id number) { // under mutex_
        return std::lower_bound(handlers_.begin(), handlers_.end(), number,
                                [](const registration& r, handle_id wanted) { return r.number < wanted; });
    }
    bool is_at(typename std::vector<registration>::const_iterator at, handle_id number) const {
        return at != handlers_.end() && at->number == number && at->call;
    }

    /// Takes one out, and returns its call. Under mutex_.
    std::shared_ptr<raw_handler> take(typename std::vector<registration>::iterator at) {
        std::shared_ptr<raw_handler> call = std::move(at->call);
        if (++removed_ < 32 || removed_ < handlers_.size() / 2) return call;
        std::erase_if(handlers_, [](const registration& r) { return !r.call; });
        removed_ = 0;
        return call;
    }

public:
    explicit basic_handler_table(Io& io) : mutex_(io) {}

    /// An error where the number is taken or too large, or the table is closed.
    result<void> add(handle_id number, handler_options options, raw_handler call) {
        if (number > UINT32_MAX)
            return error(reason::misuse, "handle " + std::to_string(number) + " is too large: from 2^32 they belong to answers");
        const std::lock_guard lock(mutex_);
        if (closed_) return error(reason::broker_exited, "the router has been shut down");
        const auto at = find(number);
        if (is_at(at, number)) return error(reason::misuse, "handle " + std::to_string(number) + " has a handler already");
        registration added{number, options, std::make_shared<raw_handler>(std::move(call))};
        if (at != handlers_.end() && at->number == number) { // it was removed
            *at = std::move(added);
            --removed_;
        } else {
            handlers_.insert(at, std::move(added));
        }
        return {};
    }

    /// A number that no handler of this run has had.
    handle_id new_handle() {
        const std::lock_guard lock(mutex_);
        for (;; ++next_handle_) { // the program chooses numbers from the same range
            const auto at = find(next_handle_);
            if (at == handlers_.end() || at->number != next_handle_) return next_handle_++;
        }
    }

    /// A call of the handler that is under way ends undisturbed.
    void remove(handle_id number) {
        std::shared_ptr<raw_handler> gone; // destroyed without the lock: what it holds may come back here
        const std::lock_guard lock(mutex_);
        const auto at = find(number);
        if (is_at(at, number)) gone = take(at);
    }

    /// Who takes a message. `authorised()` says whether it comes from this context or one above it; asked only where that
    /// matters. A dead message comes from the hop where delivery failed: `on_the_way(id)` says whether that may be on the way to
    /// a respondent.
    template <class Authorised, class OnTheWay>
    verdict select(const header& h, Authorised&& authorised, OnTheWay&& on_the_way) {
        const std::lock_guard lock(mutex_);
        const auto at = find(h.handle);
        if (!is_at(at, h.handle)) return {.closed = closed_};
        const context_id respondent = at->options.respondent;
        if (respondent != no_context && respondent != h.src && !(h.dead() && on_the_way(respondent)))
            return {.refusal = "it takes messages from another context only"};
        if (at->options.from == accept::parents && !authorised()) return {.refusal = "it takes messages from parents only"};
        return {.call = at->options.persist ? at->call : take(at)};
    }

    template <class Authorised>
    verdict select(const header& h, Authorised&& authorised) {
        return select(h, authorised, [](context_id) { return false; });
    }

    /// Takes out the handlers that were for messages of `respondent` only.
    std::vector<registration> take_bound(context_id respondent) {
        return take_bound_if([&](context_id id) { return id == respondent; });
    }

    /// Takes out the handlers that were for messages of one context only, where `lost(id)` holds.
    template <class Lost>
    std::vector<registration> take_bound_if(Lost&& lost) {
        std::vector<registration> bound;
        const std::lock_guard lock(mutex_);
        std::erase_if(handlers_, [&](registration& r) {
            if (r.call && (r.options.respondent == no_context || !lost(r.options.respondent))) return false;
            if (r.call) bound.push_back(std::move(r));
            return true;
        });
        removed_ = 0;
        return bound;
    }

    /// Takes out all handlers; from now on add() fails. `first` is false where it was closed already.
    std::vector<registration> close(bool& first) {
        std::vector<registration> all;
        const std::lock_guard lock(mutex_);
        first = !std::exchange(closed_, true);
        all.swap(handlers_);
        std::erase_if(all, [](const registration& r) { return !r.call; });
        return all;
    }
};

} // namespace mitogen::inline MITOGEN_ABI

// ---- mitogen/route/conversations.hpp ----
// conversations.hpp: which links have sent to which contexts, so that they are told when such a context is lost.

namespace mitogen::inline MITOGEN_ABI {

/// Who below has sent through this context to whom. A link that sends to more contexts than are remembered counts as one that has
/// sent to all: memory stays bounded, and nobody is forgotten. Threads: loop.
template <class Link>
class basic_conversations {
    std::unordered_map<context_id, std::vector<std::weak_ptr<Link>>> by_id_;
    std::vector<std::weak_ptr<Link>> with_all_;

    static void add(std::vector<std::weak_ptr<Link>>& to, Link& who) {
        std::erase_if(to, [](const std::weak_ptr<Link>& held) { return held.expired(); });
        if (std::none_of(to.begin(), to.end(), [&](const auto& held) { return held.lock().get() == &who; }))
            to.push_back(who.weak_from_this());
    }

public:
    static constexpr std::size_t most_partners = 1024; ///< that are remembered of one link

    /// What a link keeps of it: the usual next message goes where the last one went.
    struct partners {
        context_id last = no_context;
        std::size_t count = 0;
    };

    /// `from` has sent something to `to`.
    void note(Link& from, context_id to) {
        if (from.talks.last == to) return;
        from.talks.last = to;
        if (from.talks.count >= most_partners) return add(with_all_, from);
        std::vector<std::weak_ptr<Link>>& who = by_id_[to];
        const std::size_t before = who.size();
        add(who, from);
        if (who.size() > before) ++from.talks.count;
    }

    /// Who has sent to a context that is lost. Forgets about it.
    std::vector<std::shared_ptr<Link>> end(context_id gone) {
        std::vector<std::shared_ptr<Link>> told;
        const auto tell = [&](const std::weak_ptr<Link>& held) {
            if (auto link = held.lock()) told.push_back(std::move(link));
        };
        for (const auto& held : with_all_) tell(held);
        if (const auto found = by_id_.find(gone); found != by_id_.end()) {
            for (const auto& held : found->second)
                if (const auto link = held.lock(); link && link->talks.count > 0) --link->talks.count;
            for (const auto& held : found->second) tell(held);
            by_id_.erase(found);
        }
        for (const auto& link : told)
            if (link->talks.last == gone) link->talks.last = no_context;
        return told;
    }
};

} // namespace mitogen::inline MITOGEN_ABI

// ---- mitogen/wire/assembler.hpp ----
// assembler.hpp: puts the fragments of large messages together again, at their destination only.

namespace mitogen::inline MITOGEN_ABI {

/// A large message that has arrived whole.
struct assembled {
    header head{};
    buffer payload{};
};

/// Collects fragments by sender and stream number. Holds no more memory than twice what has arrived, whatever a sender announces.
class assembler {
    struct partial {
        header head;
        std::uint64_t total;
        buffer payload;
        bool refused; // too large: swallow the rest
    };

    std::uint64_t stored_ = 0;      // bytes of all of them
    std::vector<partial> partials_; // a handful at a time: a linear search beats a table

    partial* find(const header& h) noexcept {
        for (partial& p : partials_)
            if (p.head.src == h.src && p.head.stream == h.stream) return &p;
        return nullptr;
    }

    /// True if `more` bytes for `p` would be too many: it is not alone, and together they would hold more than `most_bytes`.
    bool too_much(const partial& p, std::uint64_t more, std::uint64_t most_bytes) const noexcept {
        return stored_ > p.payload.size() && stored_ + more > most_bytes;
    }

    template <class Which>
    void drop_where(Which&& which) noexcept {
        std::erase_if(partials_, [&](const partial& p) {
            if (!which(p.head)) return false;
            stored_ -= p.payload.size();
            return true;
        });
    }

public:
    /// Messages that may be under way at once: an honest link has as many as its sender has threads.
    static constexpr std::size_t most_messages = 4096;

    /// What became of a fragment.
    enum class outcome : std::uint8_t {
        stored,    ///< more are to come
        complete,  ///< take() has the message
        too_large, ///< the announced size is over the limit; the rest will be swallowed. To be answered dead
        too_many,  ///< too many are under way already, or too many bytes of them; the rest is dropped. To be answered dead
        stray,     ///< belongs to no announced message, or exceeds what was announced; dropped
    };

    /// The first fragment: its payload is the total size.
    outcome announce(const header& h, std::span<const std::byte> payload, std::uint64_t limit) {
        if (payload.size() != 8 || find(h)) return outcome::stray;
        if (partials_.size() == most_messages) return outcome::too_many;
        const auto total = detail::load_le<std::uint64_t>(payload.data());
        partials_.push_back({h, total, buffer{}, total > limit});
        return total > limit ? outcome::too_large : outcome::stored;
    }

    /// Room for the payload of a later fragment, or null where it is not wanted: add() says why. Valid until the next call.
    /// `most_bytes`: what all messages together may hold; one alone may be larger.
    std::byte* reserve(const header& h, std::uint64_t most_bytes = UINT64_MAX) {
        partial* p = find(h);
        if (!p || p->refused || p->payload.size() + h.length > p->total || too_much(*p, h.length, most_bytes)) return nullptr;
        const std::size_t at = p->payload.size();
        if (p->payload.capacity() < at + h.length) {
            p->payload.reserve(static_cast<std::size_t>(
                std::min<std::uint64_t>(p->total, std::max<std::uint64_t>(2 * (at + h.length), 1u << 20))));
        }
        p->payload.resize(at + h.length);
        stored_ += h.length;
        return p->payload.data() + at;
    }

    /// The payload asked for by reserve() is there.
    outcome complete(const header& h) {
        partial* p = find(h);
        if (!p) return outcome::stray;
        if (!(h.flags & message_flags::last)) return outcome::stored;
        return !p->refused && p->payload.size() == p->total ? outcome::complete : outcome::stray;
    }

    /// A later fragment that arrived whole.
    outcome add(const header& h, std::span<const std::byte> payload, std::uint64_t most_bytes = UINT64_MAX) {
        partial* p = find(h);
        if (p && p->refused) {
            if (h.flags & message_flags::last) drop(h);
            return outcome::stored;
        }
        if (p && too_much(*p, payload.size(), most_bytes)) {
            stored_ -= p->payload.size();
            p->payload.reset();
            p->refused = true;
            if (h.flags & message_flags::last) drop(h);
            return outcome::too_many;
        }
        if (!payload.empty()) {
            std::byte* to = reserve(h, most_bytes);
            if (!to) {
                drop(h);
                return outcome::stray;
            }
            std::memcpy(to, payload.data(), payload.size());
        }
        return complete(h);
    }

    /// The message whose last fragment was just reported `complete`.
    assembled take(const header& h) {
        partial* p = find(h);
        stored_ -= p->payload.size();
        assembled whole{p->head, std::move(p->payload)};
        whole.head.flags = static_cast<std::uint8_t>(h.flags & message_flags::failed);
        whole.head.length = static_cast<std::uint32_t>(whole.payload.size());
        whole.head.stream = 0;
        drop(h);
        return whole;
    }

    /// Forgets one message.
    void drop(const header& h) noexcept {
        drop_where([&](const header& one) { return one.src == h.src && one.stream == h.stream; });
    }

    /// Forgets everything of a sender that is gone.
    void drop_sender(context_id src) noexcept {
        drop_where([&](const header& one) { return one.src == src; });
    }

    /// Messages that are not yet whole.
    std::size_t pending() const noexcept { return partials_.size(); }
    /// Bytes that they hold.
    std::uint64_t stored() const noexcept { return stored_; }
};

} // namespace mitogen::inline MITOGEN_ABI

// ---- mitogen/route/link.hpp ----
// link.hpp: one edge of the tree: the stream to a neighbour, and what this side knows about that neighbour.

namespace mitogen::inline MITOGEN_ABI {

template <class Io>
class basic_router_core;

/// One edge. Receives the stream's frames, puts fragments that end here together, and hands messages to the router.
///
/// Threads: loop, but for `stream`, whose send() any thread may call.
template <class Io>
class basic_link final : public basic_stream<Io>::owner, public std::enable_shared_from_this<basic_link<Io>> {
    using stream_type = basic_stream<Io>;

    basic_router_core<Io>& router_;
    assembler parts_;
    instant asked_at_ = never; // the last heartbeat

public:
    std::shared_ptr<stream_type> stream;
    context_id peer = no_context;                               ///< the context at the far end
    bool up = false;                                            ///< leads to this context's parent
    build_hash build = 0;                                       ///< of the program at the far end
    std::uint32_t levels = 0;                                   ///< of contexts below the far end: the most there have been
    instant since = 0;                                          ///< when it was made
    duration_ns round_trip = never;                             ///< of the last heartbeat that was answered
    context_id authority = no_context;                          ///< what comes from there has it; no_context: only its own
    typename basic_conversations<basic_link>::partners talks{}; ///< to whom it sends through here
    unique_function<void(basic_link&, enum reason, const std::string&)> on_closed; ///< the stream has ended; called once

    explicit basic_link(basic_router_core<Io>& node) : router_(node) {}

    /// Makes the stream; start() it on the loop.
    void open(basic_broker<Io>& loop, typename Io::descriptor in, typename Io::descriptor out, const limits& bounds) {
        since = loop.io().now();
        stream = std::make_shared<stream_type>(loop, *this, std::move(in), std::move(out), bounds, router_.rules().heartbeat);
    }

    void frame(stream_type&, const header& h, std::span<const std::byte> payload) override {
        if (authority == no_context || !router_.may_come_from(*this, h)) [[likely]]
            return take(h, payload);
        header granted = h;
        granted.auth = authority;
        take(granted, payload);
    }

    std::byte* reserve(stream_type&, const header& h) override {
        constexpr std::uint8_t part = message_flags::fragment;
        if (h.dst != router_.id() || (h.flags & (part | message_flags::first)) != part || !router_.may_come_from(*this, h))
            return nullptr;
        return parts_.reserve(h, router_.bounds().queue_bytes);
    }

    void reserved_complete(stream_type&, const header& h) override { fragment(h, parts_.complete(h)); }

    void closed(stream_type&, enum reason cause, const std::string& why) override {
        if (on_closed) on_closed(*this, cause, why);
    }

    void quiet(stream_type& to, bool answer) override {
        if (answer) asked_at_ = router_.loop().io().now();
        to.send(router_.address(peer, handles::heartbeat, answer ? handles::heartbeat : 0), std::span<const std::byte>(), nullptr,
                urgency::soon);
    }

    /// The neighbour has answered a heartbeat.
    void heartbeat_answered() {
        if (asked_at_ != never) round_trip = router_.loop().io().now() - std::exchange(asked_at_, never);
    }

    /// Forgets the half-received messages of a context that is gone.
    void drop_sender(context_id src) noexcept { parts_.drop_sender(src); }

private:
    void take(const header& h, std::span<const std::byte> payload) {
        if (h.dst != router_.id()) return router_.forward(*this, h, payload);
        if (!router_.may_come_from(*this, h)) return router_.refuse_source(*this, h);
        if (!(h.flags & message_flags::fragment)) {
            if (h.length > router_.most_bytes(h)) return router_.refuse_size(*this, h);
            return router_.deliver(this, message{h, payload, nullptr});
        }
        if (h.flags & message_flags::first) {
            fragment(h, parts_.announce(h, payload, router_.most_bytes(h)));
        } else {
            fragment(h, parts_.add(h, payload, router_.bounds().queue_bytes));
        }
    }

    void fragment(const header& h, assembler::outcome what) {
        switch (what) {
        case assembler::outcome::stored: break;
        case assembler::outcome::complete: {
            assembled whole = parts_.take(h);
            router_.deliver(this, message{whole.head, whole.payload, &whole.payload});
            break;
        }
        case assembler::outcome::too_large: router_.refuse_size(*this, h); break;
        case assembler::outcome::too_many: router_.refuse_number(*this, h); break;
        case assembler::outcome::stray:
            parts_.drop(h);
            log::write(log::level::warning, "dropped a stray fragment from context " + std::to_string(h.src));
            break;
        }
    }
};

} // namespace mitogen::inline MITOGEN_ABI

// ---- mitogen/route/refusals.hpp ----
// refusals.hpp: the words in which a router refuses a message, for its sender and, where nobody should have sent it, for the log.

namespace mitogen::inline MITOGEN_ABI {
/// Each returns what the sender is told; `here` is the context that refuses.
namespace refusal {

MITOGEN_COLD inline error no_route(context_id to, context_id here) {
    return error(reason::no_route, "no route to context " + std::to_string(to) + ", my id is " + std::to_string(here));
}

MITOGEN_COLD inline error between_siblings(const header& h, context_id here) {
    return error(reason::unidirectional, "routing mode prevents forward from context " + std::to_string(h.src) + " to context " +
                                             std::to_string(h.dst) + " via context " + std::to_string(here));
}

/// Its sender or authority does not lie where it came from. Logged.
MITOGEN_COLD inline error false_source(const header& h, context_id neighbour) {
    const std::string claim = std::to_string(h.src) + " on the authority of context " + std::to_string(h.auth);
    const std::string who = "context " + std::to_string(neighbour);
    log::write(log::level::warning, who + " sent a message as context " + claim + ": refused");
    return error(reason::unauthorised, who + " may not send as context " + claim);
}

/// This context does not send it.
MITOGEN_COLD inline error too_large_to_send(std::size_t size, std::uint64_t most) {
    return error(reason::message_too_large, "the message has " + std::to_string(size) +
                                                " bytes, more than limits::message_bytes (" + std::to_string(most) +
                                                ") allows; send it in parts");
}

/// It has arrived, or begins to.
MITOGEN_COLD inline error too_large(std::uint64_t most, context_id here) {
    return error(reason::message_too_large, "the message is larger than the " + std::to_string(most) + " bytes that context " +
                                                std::to_string(here) + " accepts");
}

MITOGEN_COLD inline error too_many(context_id here) {
    return error(reason::overloaded, "context " + std::to_string(here) + " receives too many large messages at once");
}

MITOGEN_COLD inline error no_handler(const header& h, context_id here) {
    return error(reason::invalid_handle,
                 "nothing is registered under handle " + std::to_string(h.handle) + " of context " + std::to_string(here));
}

/// This context is at its end.
MITOGEN_COLD inline error closed(context_id here) {
    return error(reason::broker_exited, "context " + std::to_string(here) + " is shutting down");
}

/// There is a handler, which does not take it. Logged.
MITOGEN_COLD inline error not_taken(const header& h, context_id here, const char* why) {
    const std::string handle = "handle " + std::to_string(h.handle) + " of context " + std::to_string(here);
    log::write(log::level::warning, "refused a message from context " + std::to_string(h.src) + " to " + handle + ": " + why);
    return error(reason::refused_by_policy, handle + " refused the message: " + why);
}

/// Functions are called from above only, whether a context has any or not. Logged.
MITOGEN_COLD inline error upward_call(const header& h, context_id callee) {
    const std::string here = "context " + std::to_string(callee);
    const std::string caller = "context " + std::to_string(h.src);
    log::write(log::level::warning, "refused a call from " + caller);
    return error(reason::refused_by_policy,
                 caller + " may not call functions of " + here + ": only contexts above " + here + " may");
}

/// An answer of somebody who was not asked. Logged.
MITOGEN_COLD inline error unexpected_answer(const header& h) {
    log::write(log::level::warning, "refused an answer from context " + std::to_string(h.src) + ", which was not asked");
    return error(reason::unexpected_reply, "this context was not asked");
}

/// Nobody waits any more: normal after a timeout.
MITOGEN_COLD inline error late_answer() { return error(reason::invalid_handle, "nobody waits for this answer any more"); }

/// Logged.
MITOGEN_COLD inline error handler_threw(const std::string& what) {
    log::write(log::level::error, "a message handler threw: " + what);
    return error(reason::remote_exception, "the handler threw: " + what);
}

} // namespace refusal
} // namespace mitogen::inline MITOGEN_ABI

// ---- mitogen/route/receiving.hpp ----
// receiving.hpp: the half of a router that receives: a message is delivered here, passed on, or answered with the reason why not.

namespace mitogen::inline MITOGEN_ABI {

/// A base of `Core`, basic_router_core, which knows the tree and sends. Threads: loop, unless marked.
template <class Core, class Io>
class basic_receiving {
    using pending = basic_pending<Io>;

public:
    using link = basic_link<Io>;
    using raw_handler = typename basic_handler_table<Io>::raw_handler;

protected:
    using registration = typename basic_handler_table<Io>::registration;

    basic_handler_table<Io> handlers_;
    basic_conversations<link> conversations_;
    std::uint64_t late_frames_ = 0;

    explicit basic_receiving(Io& io) : handlers_(io) {}
    ~basic_receiving() = default;

public:
    /// Asked before an answer that is an error completes its call; true: it is not the last word, go on waiting.
    unique_function<bool(pending&, const error&)> on_failure;

    // ---- handlers

    /// Registers `call` for raw messages. An error where the number is taken, or the router is closed. Threads: any. `call` runs
    /// on the loop.
    result<void> add_raw_handler(handle_id number, handler_options options, raw_handler call) {
        return handlers_.add(number, options, std::move(call));
    }

    /// A number that no handler of this run has had. Threads: any.
    handle_id new_handle() { return handlers_.new_handle(); }

    /// Removes a handler; a call of it that is under way ends undisturbed. Threads: any.
    void remove_handler(handle_id number) { handlers_.remove(number); }

    // ---- what a link brings

    /// True if `h` may have come on `from`: both who sent it and on whose authority must lie in that direction.
    bool may_come_from(const link& from, const header& h) {
        if (from.up) return h.src != core().id();
        auto& routes = core().routes();
        return (h.src == from.peer || routes.leads(h.src, &from)) &&
               (h.auth == h.src || h.auth == from.peer || (h.auth == from.authority && h.auth != no_context) ||
                routes.leads(h.auth, &from));
    }

    /// A message or fragment for another context.
    void forward(link& from, const header& h, std::span<const std::byte> payload) {
        if (!may_come_from(from, h)) return refuse_source(from, h);
        std::shared_ptr<link> to = core().routes().find(h.dst);
        if (!to && !from.up) to = core().parent();
        if (to && core().rules().unidirectional && between_siblings(from, *to)) {
            if (answers_once(h)) send_dead_on(from, h, refusal::between_siblings(h, core().id()));
            return;
        }
        bool crowded = false;
        if (to && to.get() != &from && to->stream->forward(h, payload, crowded)) {
            if (crowded) to->stream->hold(*from.stream);
            if (!from.up) conversations_.note(from, h.dst);
            return;
        }
        if (answers_once(h)) send_dead_on(from, h, refusal::no_route(h.dst, core().id()));
    }

    /// A message that arrived whole for this context. `from` is null where this context sent it.
    void deliver(link* from, const message& m) {
        if (m.head.handle > UINT32_MAX) return answer(from, m);
        // What comes down from the parent is no exception: it passes on what siblings send.
        const auto authorised = [&] { return !from || core().has_authority(m.head.auth); };
        const auto on_the_way = [&](context_id respondent) { return from && core().towards(respondent).get() == from; };
        const auto taker = handlers_.select(m.head, authorised, on_the_way);
        if (taker.call) return guarded(m, [&] { (*taker.call)(m); });
        const context_id here = core().id();
        if (m.head.handle == handles::call_function && !authorised())
            return core().reply_dead(m.head, refusal::upward_call(m.head, here));
        if (m.head.handle >= first_dynamic_handle && !taker.refusal) count_late_frame();
        if (taker.closed) return core().reply_dead(m.head, refusal::closed(here));
        core().reply_dead(m.head,
                          taker.refusal ? refusal::not_taken(m.head, here, taker.refusal) : refusal::no_handler(m.head, here));
    }

    /// A message whose sender or authority does not lie where it came from.
    void refuse_source(link& from, const header& h) {
        if (answers_once(h)) send_dead_on(from, h, refusal::false_source(h, from.peer));
    }

    /// A message whose announced size is over the limit.
    void refuse_size(link& from, const header& h) {
        refuse(from, h, refusal::too_large(core().bounds().message_bytes, core().id()));
    }

    /// A large message that begins while too many others are under way on that link.
    void refuse_number(link& from, const header& h) { refuse(from, h, refusal::too_many(core().id())); }

    /// How many messages have come for a call, dialog or flow that had ended here. They are dropped.
    std::uint64_t late_frames() const noexcept { return late_frames_; }
    void count_late_frame() noexcept { ++late_frames_; }

    /// The links below that have sent to a context which is lost: they are to be told.
    std::vector<std::shared_ptr<link>> partners_of(context_id gone) { return conversations_.end(gone); }

protected:
    /// A handler that throws hurts nobody else: it is logged, and the sender is told.
    template <class Work>
    void guarded(const message& m, Work&& work) {
#if MITOGEN_HAS_EXCEPTIONS
        std::string what;
        try {
            return work();
        } catch (const std::exception& e) {
            what = e.what();
        } catch (...) {
            what = "not a std::exception";
        }
        core().reply_dead(m.head, refusal::handler_threw(what));
#else
        (void)m;
        work();
#endif
    }

    /// Tells a handler that there will be no more messages for it.
    void deliver_dead(const registration& r, const error& why) {
        const context_id here = core().id();
        const buffer notice = encode_error(why);
        message m;
        m.head = {.dst = here,
                  .src = r.options.respondent == no_context ? here : r.options.respondent,
                  .auth = here,
                  .handle = r.number,
                  .reply_to = is_dead};
        m.payload = notice;
        guarded(m, [&] { (*r.call)(m); });
    }

private:
    Core& core() noexcept { return static_cast<Core&>(*this); }

    /// True where both lead down, and neither was given an authority of its own.
    static bool between_siblings(const link& from, const link& to) noexcept {
        return !from.up && !to.up && from.authority == no_context && to.authority == no_context;
    }

    /// Of a fragmented message only the first part is answered.
    static bool answers_once(const header& h) noexcept {
        return !(h.flags & message_flags::fragment) || (h.flags & message_flags::first);
    }

    /// Back to whoever sent a frame that is refused: the true sender is the neighbour, whatever the frame says.
    void send_dead_on(link& from, const header& h, const error& why) {
        if (!h.wants_reply()) return;
        const context_id to = from.up || core().routes().leads(h.src, &from) ? h.src : from.peer;
        from.stream->send(core().address(to, h.reply_to, is_dead), encode_error(why), core().loop().lane(), urgency::soon);
    }

    /// A message that this context does not take: its sender is told or, where it is an answer, whoever waits for it here.
    void refuse(link& from, const header& h, const error& why) {
        if (h.handle <= UINT32_MAX) return send_dead_on(from, h, why);
        const buffer notice = encode_error(why);
        header in_its_place = h;
        in_its_place.flags = message_flags::failed;
        answer(&from, message{in_its_place, notice, nullptr});
    }

    /// A message to a pending answer's handle.
    void answer(link* from, const message& m) {
        basic_pending_table<Io>& answers = core().answers();
        bool stranger = false;
        context_id source = m.head.src;
        if (m.head.dead() && from) {
            // A dead message comes from the hop where delivery failed: it must lie on the way to whoever was asked.
            source = answers.respondent_of(m.head.handle);
            if (source == no_context) return count_late_frame();
            if (core().towards(source).get() != from) stranger = true;
        }
        pending* p = stranger ? nullptr : answers.find(m.head.handle, source, stranger);
        if (!p && !stranger) count_late_frame();
        if (!p) return core().reply_dead(m.head, stranger ? refusal::unexpected_answer(m.head) : refusal::late_answer());
        if (m.head.dead() || (m.head.flags & message_flags::failed)) {
            error why = decode_error(m.payload);
            if (!on_failure || !on_failure(*p, why)) answers.fail(*p, std::move(why));
        } else {
            answers.complete(*p, m.payload, m.whole);
        }
        p->release();
    }
};

} // namespace mitogen::inline MITOGEN_ABI

// ---- mitogen/route/router_core.hpp ----
// router_core.hpp: the tree as one context sees it: who is where, what leaves this context, and who is lost.

namespace mitogen::inline MITOGEN_ABI {

/// Knows that contexts form a tree; creates no process and no descriptor. What it asks and what it receives is in its two bases.
///
/// Threads: send(), reply(), handlers and queries any; what takes a link, the loop.
template <class Io>
class basic_router_core : public basic_asking<basic_router_core<Io>, Io>, public basic_receiving<basic_router_core<Io>, Io> {
    using asking = basic_asking<basic_router_core<Io>, Io>;
    using receiving = basic_receiving<basic_router_core<Io>, Io>;

public:
    using link = basic_link<Io>;
    using pending = basic_pending<Io>;

private:
    using asking::broker_;
    using asking::id_;
    using asking::limits_;
    using asking::pending_;
    using receiving::deliver_dead;
    using receiving::guarded;
    using receiving::handlers_;
    using typename receiving::registration;

    std::vector<context_id> ancestors_; // parent first, root last
    build_hash own_build_ = 0;
    tree_rules rules_;
    basic_route_table<link, Io> routes_;
    std::shared_ptr<link> parent_;
    basic_departures<Io> departures_;

public:
    basic_router_core(basic_broker<Io>& loop, const limits& bounds, const tree_rules& rules = {.heartbeat = {0, 0}})
        : asking(loop, bounds), receiving(loop.io()), rules_(rules), routes_(loop.io()), departures_(loop.io()) {
        (void)handlers_.add(handles::ping, {}, [this](const message& m) { reply(m.head, {}, 0); });
        (void)handlers_.add(handles::heartbeat, {.from = accept::anyone}, [this](const message& m) { on_heartbeat(m); });
    }

    basic_router_core(basic_router_core&&) = delete;

    /// The contexts above this one: parent first, root last.
    const std::vector<context_id>& ancestors() const noexcept { return ancestors_; }
    /// This context and those above it: the ancestors of a context directly below.
    std::vector<context_id> path() const {
        std::vector<context_id> all{id_};
        all.insert(all.end(), ancestors_.begin(), ancestors_.end());
        return all;
    }
    basic_route_table<link, Io>& routes() noexcept { return routes_; }
    /// The contexts below, and what is known about them.
    std::vector<route<link>> below() { return routes_.all(); }
    /// The link to the parent; null in a root.
    const std::shared_ptr<link>& parent() const noexcept { return parent_; }

    /// Makes this the context `id` below `ancestors`. Before any message. Threads: loop.
    void become(context_id id, std::vector<context_id> ancestors, std::shared_ptr<link> parent, const limits& bounds) {
        id_ = id;
        ancestors_ = std::move(ancestors);
        parent_ = std::move(parent);
        limits_ = bounds;
    }

    /// What holds for the whole tree.
    const tree_rules& rules() const noexcept { return rules_; }

    /// True if `auth` is this context or one above it.
    bool has_authority(context_id auth) const noexcept {
        return auth == id_ || std::find(ancestors_.begin(), ancestors_.end(), auth) != ancestors_.end();
    }

    /// Hash of this program's build; 0 until it is known.
    build_hash own_build() const noexcept { return own_build_; }
    void set_own_build(build_hash build) noexcept { own_build_ = build; }

    bool same_build(context_id id) final {
        build_hash theirs = routes_.build_of(id);
        if (theirs == 0 && parent_ && id == parent_->peer) theirs = parent_->build;
        if (theirs == 0) return id == id_ || why_lost(id) || !towards(id);
        return theirs == own_build_;
    }

    // ---- sending

    /// The header of a message from this context, on its own authority.
    header address(context_id dst, handle_id handle, handle_id reply_to = 0) const noexcept {
        return {.dst = dst, .src = id_, .auth = id_, .handle = handle, .reply_to = reply_to};
    }

    /// Sends a message. On failure the error says why; nothing was sent. Threads: any. Never blocks.
    result<void> send(const header& h, outgoing_bytes payload, urgency when) {
        if (payload.size() > most_bytes(h)) return refusal::too_large_to_send(payload.size(), limits_.message_bytes);
        if (h.dst == id_) return send_to_self(h, payload);
        const std::shared_ptr<link> via = towards(h.dst);
        if (!via) return unreachable(h.dst);
        const void* lane = broker_.lane();
        const bool taken = payload.whole ? via->stream->send(h, std::move(*payload.whole), lane, when)
                                         : via->stream->send(h, payload.bytes, lane, when);
        if (taken) return {};
        // A link that has just closed takes nothing; whoever waits is told when its end is looked into. The parent's may have
        // been already, and is still where everything unknown goes.
        if (via->up) {
            if (std::optional<error> lost = departures_.why_parent_lost()) return std::move(*lost);
        }
        return {};
    }

    /// Largest payload of a message with that header.
    std::uint64_t most_bytes(const header& h) const noexcept {
        const bool is_error = h.dead() || (h.flags & message_flags::failed);
        return is_error ? std::max<std::uint64_t>(limits_.message_bytes, error_notice_bytes) : limits_.message_bytes;
    }

    /// The link that messages to `dst` leave on, or null.
    std::shared_ptr<link> towards(context_id dst) {
        if (auto below = routes_.find(dst)) return below;
        return parent_;
    }

    /// True if it is this context, or there is a way to it as far as is known here. Threads: any.
    bool reaches(context_id id) {
        if (id == id_ || routes_.find(id)) return true;
        return parent_ && !departures_.why_parent_lost() && !departures_.why_lost(id);
    }

    /// Answers a message. Threads: any.
    void reply(const header& request, outgoing_bytes payload, std::uint8_t flags, urgency when = urgency::soon) {
        if (!request.wants_reply()) return;
        (void)send(header{.dst = request.src, .src = id_, .auth = id_, .handle = request.reply_to, .reply_to = 0, .flags = flags},
                   payload, when);
    }

    /// Answers a message with a dead message. Nothing happens where no answer is wanted.
    void reply_dead(const header& request, const error& why) {
        if (request.wants_reply()) send_dead(request.src, request.reply_to, why);
    }

    /// Sleeps while the link to `dst` holds more unsent bytes than limits::queue_bytes. Not on the loop, where it returns at
    /// once.
    void wait_for_room(context_id dst) {
        if (broker_.on_loop()) return;
        if (const auto via = towards(dst)) via->stream->wait_for_room(never);
    }

    result<void> tell(context_id to, handle_id handle, outgoing_bytes payload, bool for_room) final {
        if (for_room) wait_for_room(to);
        return send(address(to, handle), payload, urgency::soon);
    }

    // ---- losing

    /// Runs `call` on the loop when `id` is lost; at once where it is lost already. Threads: any.
    void on_disconnect(context_id id, unique_function<void(const error&)> call) {
        if (std::optional<error> already = departures_.watch(id, call))
            broker_.defer([call = std::move(call), why = std::move(*already)]() mutable { call(why); });
    }

    /// Why `id` is gone, as far as it is remembered.
    std::optional<error> why_lost(context_id id) { return departures_.why_lost(id); }

    /// The neighbour behind `gone`, and everything behind it, is lost: whoever waits for any of it is told why.
    /// Returns the ids that are lost.
    std::vector<context_id> link_lost(link& gone, const error& why) {
        std::vector<context_id> ids = routes_.remove_via(&gone);
        for (const context_id id : ids) forget(id, why);
        if (gone.up) {
            departures_.lose_parent(why);
            pending_->fail_all(no_context, why);
            const auto beyond = [&](context_id id) { return id != id_ && !routes_.find(id); };
            for (const registration& r : handlers_.take_bound_if(beyond)) deliver_dead(r, why);
        }
        return ids;
    }

    /// One context, whose route is removed already, is lost.
    void forget(context_id id, const error& why) {
        std::vector<typename basic_departures<Io>::watcher> watchers = departures_.lose(id, why);
        pending_->fail_all(id, why);
        for (const registration& r : handlers_.take_bound(id)) deliver_dead(r, why);
        for (auto& call : watchers) guarded({}, [&] { call(why); });
    }

    /// Everything that waits is told that the router is at its end; every handler gets a dead message. Threads: any but the loop.
    void close() {
        const error why(reason::broker_exited, "the router has been shut down");
        pending_->refuse();
        pending_->fail_all(no_context, why);
        bool first = false;
        const std::vector<registration> handlers = handlers_.close(first);
        if (!first) return;
        departures_.close();
        // On the loop, as every call of a handler. It is also the last that the loop does for this router: what was deferred
        // before has then run.
        const auto tell = [&] {
            for (const registration& r : handlers)
                if (r.number >= first_dynamic_handle) deliver_dead(r, why);
        };
        if (!broker_.run(tell)) tell();
    }

private:
    /// A sign of life; its answer has a byte in it.
    void on_heartbeat(const message& m) {
        static constexpr std::byte here[1]{};
        if (m.head.wants_reply()) return reply(m.head, std::span<const std::byte>(here), 0);
        const std::shared_ptr<link> from = towards(m.src());
        if (!m.payload.empty() && from && from->peer == m.src()) from->heartbeat_answered();
    }

    result<void> unreachable(context_id dst) {
        if (auto why = why_lost(dst)) return std::move(*why);
        return refusal::no_route(dst, id_);
    }

    result<void> send_to_self(const header& h, outgoing_bytes payload) {
        auto copy = payload.whole ? std::make_unique<buffer>(std::move(*payload.whole)) : std::make_unique<buffer>(payload.bytes);
        const bool accepted = broker_.defer([this, h, copy = std::move(copy)] {
            this->deliver(nullptr, message{h, *copy, copy.get()});
        });
        if (!accepted) return error(reason::broker_exited, "the broker has exited");
        return {};
    }

    void send_dead(context_id dst, handle_id to, const error& why) {
        (void)send(address(dst, to, is_dead), encode_error(why), urgency::soon);
    }
};

} // namespace mitogen::inline MITOGEN_ABI

// ---- mitogen/rpc/call_frame.hpp ----
// call_frame.hpp: what stands before the arguments in a message to CALL_FUNCTION.

namespace mitogen::inline MITOGEN_ABI {

/// Which function, by when, and in which chain.
///
/// Layout, little-endian: flags u8, then the function's index u32 (equal builds) or key u64, then where flagged the time that is
/// left u64 in nanoseconds, the chain's number u64, and where the caller takes items: port u64 and window u32. Time that is left,
/// not a moment: two machines' clocks need not agree.
struct call_frame {
    enum flag : std::uint8_t { by_key = 1, has_deadline = 2, has_chain = 4, has_flow = 8 };

    static constexpr std::size_t max_size = 1 + 8 + 8 + 8 + 12;

    std::uint8_t flags = 0;
    std::uint64_t function = 0;
    duration_ns time_left = 0;
    std::uint64_t chain = 0;
    flow_address flow{};

    std::size_t size() const noexcept {
        return 1u + (flags & by_key ? 8u : 4u) + (flags & has_deadline ? 8u : 0u) + (flags & has_chain ? 8u : 0u) +
               (flags & has_flow ? 12u : 0u);
    }

    void write(writer& w) const noexcept {
        w.put_u8(flags);
        if (flags & by_key) {
            w.put_scalar(function);
        } else {
            w.put_scalar(static_cast<std::uint32_t>(function));
        }
        if (flags & has_deadline) w.put_scalar(time_left);
        if (flags & has_chain) w.put_scalar(chain);
        if (flags & has_flow) {
            w.put_scalar(flow.port);
            w.put_scalar(flow.window);
        }
    }

    bool read(reader& r) noexcept {
        if (!r.take_scalar(flags)) return false;
        if (flags & ~(by_key | has_deadline | has_chain | has_flow)) return r.fail("a call with unknown flags");
        if (flags & by_key) {
            if (!r.take_scalar(function)) return false;
        } else {
            std::uint32_t index;
            if (!r.take_scalar(index)) return false;
            function = index;
        }
        return (!(flags & has_deadline) || r.take_scalar(time_left)) && (!(flags & has_chain) || r.take_scalar(chain)) &&
               (!(flags & has_flow) || (r.take_scalar(flow.port) && r.take_scalar(flow.window)));
    }
};

} // namespace mitogen::inline MITOGEN_ABI

// ---- mitogen/rpc/exception_info.hpp ----
// exception_info.hpp: what can be said about the exception that is being handled, for the one who waits in another process.

#if MITOGEN_HAS_EXCEPTIONS
#include <cxxabi.h>

#include <typeinfo>
#endif

namespace mitogen::inline MITOGEN_ABI {

#if MITOGEN_HAS_EXCEPTIONS

namespace rpc::detail {

inline void erase_all(std::string& text, std::string_view what) {
    for (std::size_t at; (at = text.find(what)) != std::string::npos;) text.erase(at, what.size());
}

/// The demangled name of a type, without the inline namespaces of standard libraries and of this one.
inline std::string readable_type(const char* mangled) {
    int status = 0;
    char* plain = abi::__cxa_demangle(mangled, nullptr, nullptr, &status);
    std::string text = status == 0 && plain ? plain : mangled;
    std::free(plain);
    for (const std::string_view hidden : {"__cxx11::", "__1::"}) erase_all(text, hidden);
    const std::string_view ours = "mitogen::v";
    if (const std::size_t at = text.find(ours); at != std::string::npos) {
        const std::size_t end = text.find("::", at + ours.size());
        if (end != std::string::npos) text.erase(at + 9, end + 2 - (at + 9));
    }
    return text;
}

} // namespace rpc::detail

/// The exception that is being handled, as an error to send to the caller. Call it inside a catch block.
/// `place`, `where`: name and id of the context where it was thrown.
inline error current_exception_as_error(std::string_view place, context_id where) {
    error_detail d;
    d.why = reason::remote_exception;
    d.context = where;
    d.place = place;
    if (const std::type_info* type = abi::__cxa_current_exception_type()) d.type = rpc::detail::readable_type(type->name());
    try {
        throw;
    } catch (const cancelled_error& e) {
        d = e.detail();
    } catch (const error& e) {
        d.text = e.what();
        d.backtrace = e.detail().backtrace;
    } catch (const std::exception& e) {
        d.text = e.what();
    } catch (const char* text) {
        d.text = text;
    } catch (const std::string& text) {
        d.text = text;
    } catch (...) {
        d.text = "not a std::exception";
    }
    return error(std::move(d));
}

#endif

} // namespace mitogen::inline MITOGEN_ABI

// ---- mitogen/rpc/detail/edit_distance.hpp ----
// edit_distance.hpp: how far apart two names are, for "did you mean".

namespace mitogen::inline MITOGEN_ABI {
namespace rpc::detail {

/// Least number of characters to insert, delete or replace (Levenshtein; computed as Wagner and Fischer 1974, one row at a time).
/// Only the first 512 characters of either count: one of the two may come from a peer.
inline std::size_t edit_distance(std::string_view a, std::string_view b) {
    constexpr std::size_t longest = 512;
    a = a.substr(0, longest);
    b = b.substr(0, longest);
    std::vector<std::size_t> row(b.size() + 1);
    for (std::size_t j = 0; j <= b.size(); ++j) row[j] = j;
    for (std::size_t i = 0; i < a.size(); ++i) {
        std::size_t diagonal = row[0]; // the previous row, one column to the left
        row[0] = i + 1;
        for (std::size_t j = 0; j < b.size(); ++j) {
            const std::size_t above = row[j + 1];
            const std::size_t shorter = (above < row[j] ? above : row[j]) + 1;
            const std::size_t replaced = diagonal + (a[i] == b[j] ? 0 : 1);
            row[j + 1] = shorter < replaced ? shorter : replaced;
            diagonal = above;
        }
    }
    return row[b.size()];
}

} // namespace rpc::detail
} // namespace mitogen::inline MITOGEN_ABI

// ---- mitogen/rpc/detail/canonical_name.hpp ----
// canonical_name.hpp: turns what compilers and demanglers print for a function into one spelling.
//
// Three dialects are read: the demangler of libstdc++ (GNU libiberty), that of libc++abi (LLVM), and the __PRETTY_FUNCTION__ text
// of gcc and clang. They differ in `&`, parentheses and return types around names, the order of `const`, names of integers,
// suffixes of literals, default template arguments, inline and anonymous namespaces. All texts come from this program, none from
// a peer.

namespace mitogen::inline MITOGEN_ABI {
namespace rpc::detail {

constexpr bool is_digit(char c) noexcept { return c >= '0' && c <= '9'; }
constexpr bool is_word(char c) noexcept {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || is_digit(c) || c == '_' || c == '$' || (c & 0x80) != 0;
}

inline constexpr std::string_view anonymous = "(anonymous namespace)";

inline std::string_view trimmed(std::string_view text) noexcept {
    while (text.starts_with(' ')) text.remove_prefix(1);
    while (text.ends_with(' ')) text.remove_suffix(1);
    return text;
}

// Where the word at `at` is `operator`: the end of the operator's name; else `at`.
inline std::size_t operator_end(std::string_view text, std::size_t at) noexcept {
    constexpr std::string_view word = "operator";
    if (!text.substr(at).starts_with(word) || (at > 0 && is_word(text[at - 1]))) return at;
    std::size_t end = at + word.size();
    if (end == text.size() || is_word(text[end]) || text[end] == ' ') return at;
    const auto symbol = text.substr(end, 2);
    if (symbol == "()" || symbol == "[]") return end + 2;
    while (end < text.size() && std::string_view("+-*/%^&|~!=<>,\"").find(text[end]) != std::string_view::npos) ++end;
    return end;
}

// The index behind the unit that begins at `at`: a bracketed group, a character literal, an operator's name, or one character.
inline std::size_t unit_end(std::string_view text, std::size_t at) noexcept {
    const std::size_t after_operator = operator_end(text, at);
    if (after_operator != at) return after_operator;
    if (text[at] == '\'' && at + 2 < text.size() && (text[at + 1] == '\\' || text[at + 2] == '\'')) {
        const std::size_t close = text.find('\'', at + 1 + (text[at + 1] == '\\' ? 2u : 1u));
        return close == std::string_view::npos ? text.size() : close + 1;
    }
    const std::size_t kind = std::string_view("(<[{").find(text[at]);
    if (kind == std::string_view::npos) return at + 1;
    const char close = ")>]}"[kind];
    for (std::size_t i = at + 1; i < text.size();) {
        if (text[i] == close) return i + 1;
        i = unit_end(text, i);
    }
    return text.size();
}

// True if `text` is one group from its first character to its last.
inline bool is_group(std::string_view text) noexcept { return text.starts_with('(') && unit_end(text, 0) == text.size(); }

inline std::vector<std::string_view> split_at_commas(std::string_view text) {
    std::vector<std::string_view> parts;
    std::size_t begin = 0;
    for (std::size_t i = 0; i < text.size();) {
        if (text[i] == ',') {
            parts.push_back(trimmed(text.substr(begin, i - begin)));
            begin = i + 1;
        }
        i = unit_end(text, i);
    }
    if (const auto last = trimmed(text.substr(begin)); !last.empty()) parts.push_back(last);
    return parts;
}

// The qualified name in the declaration of a function: `int ns::f<1>(int) const` gives `ns::f<1>`.
inline std::string_view declared_name(std::string_view text) noexcept {
    std::size_t begin = 0;
    for (std::size_t i = 0; i < text.size();) {
        const std::size_t end = unit_end(text, i);
        if (text[i] == ' ') {
            begin = end;
        } else if (text[i] == '(' && text.substr(i, anonymous.size()) != anonymous) {
            std::string_view rest = text.substr(end);
            if (rest.starts_with('(')) { // a function that returns a pointer to a function
                std::string_view inner = text.substr(i + 1, end - i - 2);
                while (inner.starts_with('*') || inner.starts_with('&') || inner.starts_with(' ')) inner.remove_prefix(1);
                return declared_name(inner);
            }
            if (rest.starts_with(" const")) rest.remove_prefix(6);
            const bool enclosing = rest.starts_with("::"); // the function that a local class is in
            const bool in_result = rest.starts_with(' ') && rest.size() > 1 && (is_word(rest[1]) || rest[1] == '(') &&
                                   !rest.starts_with(" volatile") && !rest.starts_with(" noexcept") &&
                                   !rest.starts_with(" requires");
            if (!enclosing && !in_result) return text.substr(begin, i - begin);
        } else if (end != i + 1 && text[i] == 'o' && text.substr(end).starts_with(" <")) {
            i = end + 1; // `operator< <int>`
            continue;
        }
        i = end;
    }
    return text.substr(begin);
}

std::string canonical_type(std::string_view text);
std::string canonical_name(std::string_view text);

// A character literal as its number, an integer without its suffix, anything else unchanged.
inline std::string canonical_literal(std::string_view text) {
    if (text.size() >= 3 && text.starts_with('\'')) {
        if (text[1] != '\\') return std::to_string(static_cast<int>(static_cast<signed char>(text[1])));
        int octal = 0;
        for (std::size_t i = 2; i + 1 < text.size() && is_digit(text[i]); ++i) octal = octal * 8 + (text[i] - '0');
        constexpr std::string_view escapes = "abtnvfr"; // in the order of their codes, from 7 on; gcc also writes \' and \\.
        if (const auto at = escapes.find(text[2]); at != std::string_view::npos) return std::to_string(at + 7);
        return std::to_string(is_digit(text[2]) ? octal : static_cast<int>(text[2]));
    }
    while (!text.empty() && std::string_view("uUlL").find(text.back()) != std::string_view::npos) text.remove_suffix(1);
    return std::string(text);
}

inline std::string canonical_argument(std::string_view text) {
    if (text.starts_with('&')) { // the address of a function or an object
        text = trimmed(text.substr(1));
        if (is_group(text) && text != anonymous) text = text.substr(1, text.size() - 2);
        return canonical_name(declared_name(text));
    }
    const bool negative = text.starts_with('-');
    if (text.starts_with('\'') || is_digit(text[negative ? 1 : 0])) return canonical_literal(text);
    if (text.starts_with('(') && !text.starts_with(anonymous)) { // a literal with its type: only an enumeration keeps it
        const std::size_t end = unit_end(text, 0);
        const auto type = canonical_type(text.substr(1, end - 2));
        if (end == text.size()) return "(" + type + ")";
        const auto value = canonical_literal(text.substr(end));
        const bool is_integer =
            (type.starts_with('i') || type.starts_with('u')) && type.find_first_not_of("0123456789", 1) == std::string::npos;
        return is_integer || type == "char" ? value : "(" + type + ")" + value;
    }
    return canonical_type(text);
}

// True for what the standard gives as the default where `first` is the first argument: gcc does not always print those.
inline bool is_default(std::string_view argument, std::string_view first) noexcept {
    if (argument.starts_with("std::allocator<")) return true;
    for (const std::string_view name : {"char_traits", "less", "hash", "equal_to", "default_delete"}) {
        const std::string_view rest = argument.substr(argument.starts_with("std::") ? 5 : 0);
        if (rest.size() == name.size() + first.size() + 2 && rest.starts_with(name) &&
            rest.substr(name.size() + 1, first.size()) == first) {
            return true;
        }
    }
    return false;
}

inline std::string canonical_arguments(std::string_view inside, bool of_std) {
    std::vector<std::string> arguments;
    for (const auto part : split_at_commas(inside)) arguments.push_back(canonical_argument(part));
    while (of_std && arguments.size() > 1 && is_default(arguments.back(), arguments.front())) arguments.pop_back();
    std::string out = "<";
    for (const auto& argument : arguments) {
        if (out.size() > 1) out += ',';
        out += argument;
    }
    return out + ">";
}

// True for namespaces that say how a library was built, not what the thing is: our own inline namespace, std::__cxx11, std::__1,
// ….
inline bool is_hidden_namespace(std::string_view component, std::string_view before) noexcept {
    if (before == "mitogen::") return component.size() > 2 && component[0] == 'v' && is_digit(component[1]);
    return before.starts_with("std::") && (component.starts_with("__") || component == "_V2");
}

inline std::string canonical_name(std::string_view text) {
    std::string out;
    for (std::size_t i = text.starts_with("::") ? 2 : 0; i < text.size();) {
        std::size_t end = i;
        std::string component;
        while (end < text.size() && !text.substr(end).starts_with("::") && !(text[end] == '<' && end > i)) {
            const std::size_t next = unit_end(text, end);
            if (text[end] == '(' && end > i)
                component += "()"; // an enclosing function: its parameters tell nothing here
            else if (text[end] != '[' && text[end] != ' ')
                component += text.substr(end, next - end); // `[abi:cxx11]` goes
            else if (end == i || text[end] != '[')
                component += text[end];
            end = next;
        }
        if (component == "{anonymous}") component = anonymous;
        if (i == 0 && component == "main" && text.substr(end).starts_with("::"))
            component = "main()"; // it has no mangled parameters
        const bool last = end >= text.size() || text[end] == '<';
        if (last || !is_hidden_namespace(component, out)) {
            out += component;
            if (end < text.size() && text[end] == '<') {
                const std::size_t close = unit_end(text, end);
                out += canonical_arguments(text.substr(end + 1, close - end - 2), out.starts_with("std::"));
                end = close;
            }
            if (out == "std::basic_string<char>") out = "std::string";
            if (out == "std::basic_string_view<char>") out = "std::string_view";
            if (text.substr(end).starts_with("::")) out += "::";
        }
        i = end + (text.substr(end).starts_with("::") ? 2 : (end < text.size() && end == i) ? 1 : 0);
    }
    return out;
}

// The words of an arithmetic type, in any order: `long unsigned int` is u64 or u32, by the width of long here.
struct arithmetic_words {
    int longs = 0, shorts = 0, chars = 0, ints = 0, doubles = 0, wides = 0, is_signed = 0, is_unsigned = 0;

    bool take(std::string_view word) noexcept {
        const struct {
            std::string_view name;
            int& count;
        } words[] = {{"long", longs},     {"short", shorts},   {"char", chars},       {"int", ints},
                     {"double", doubles}, {"__int128", wides}, {"signed", is_signed}, {"unsigned", is_unsigned}};
        for (const auto& known : words) {
            if (word == known.name) return ++known.count, true;
        }
        return false;
    }

    bool any() const noexcept { return longs || shorts || chars || ints || doubles || wides || is_signed || is_unsigned; }

    std::string name() const {
        if (doubles) return longs ? "long double" : "f64";
        if (chars && !is_signed && !is_unsigned) return "char";
        const std::size_t bytes = chars       ? 1
                                  : shorts    ? sizeof(short)
                                  : wides     ? 16
                                  : longs > 1 ? sizeof(long long)
                                  : longs     ? sizeof(long)
                                              : sizeof(int);
        return (is_unsigned ? "u" : "i") + std::to_string(bytes * 8);
    }
};

// What follows the name in a type: pointers, references, arrays, parameter lists.
inline std::string canonical_declarator(std::string_view text) {
    std::string out;
    for (std::size_t i = 0; i < text.size();) {
        const std::size_t end = unit_end(text, i);
        if (text[i] == '(') {
            const auto inside = trimmed(text.substr(i + 1, end - i - 2));
            out += '(';
            if (inside.starts_with('*') || inside.starts_with('&') || inside.ends_with("::*")) {
                out += canonical_declarator(inside);
            } else {
                for (const auto part : split_at_commas(inside)) {
                    if (out.back() != '(') out += ',';
                    out += canonical_type(part);
                }
            }
            out += ')';
        } else if (text[i] == '[') {
            out += "[" + canonical_literal(text.substr(i + 1, end - i - 2)) + "]";
        } else if (text[i] != ' ') {
            if (i > 0 && text[i - 1] == ' ' && is_word(text[i]) && !out.empty()) out += ' ';
            out += text.substr(i, end - i);
        }
        i = end;
    }
    return out;
}

inline std::string canonical_type(std::string_view text) {
    arithmetic_words arithmetic;
    bool is_const = false;
    bool is_volatile = false;
    std::string name;
    std::size_t i = 0;
    while (i < text.size()) {
        const bool special =
            text.substr(i).starts_with(anonymous) || text[i] == '{' || text[i] == '<' || text[i] == ':' || text[i] == '\'';
        if (text[i] == ' ') {
            ++i;
            continue;
        }
        if (!is_word(text[i]) && !special) break;
        std::size_t end = i;
        while (end < text.size() && text[end] != ' ') { // one word: a keyword or a qualified name
            const bool open = text[end] == '(';
            const std::size_t next = unit_end(text, end);
            if (open && !text.substr(end).starts_with(anonymous) && !text.substr(next).starts_with("::")) break;
            if (text[end] == '*' || text[end] == '&' || (text[end] == '[' && !text.substr(end).starts_with("[abi:"))) break;
            end = next;
        }
        const auto word = text.substr(i, end - i);
        if (word == "const")
            is_const = true;
        else if (word == "volatile")
            is_volatile = true;
        else if (word == "float")
            name = "f32";
        else if (!arithmetic.take(word))
            name += (name.empty() ? "" : " ") + canonical_name(word);
        i = end;
    }
    if (arithmetic.any()) name = arithmetic.name() + name;
    return name + (is_const ? " const" : "") + (is_volatile ? " volatile" : "") + canonical_declarator(text.substr(i));
}

// The name of a function, or of the class of a function object, that was printed as a template argument.
inline std::string canonical_function(std::string_view text) {
    constexpr std::string_view closure = "<lambda closure object>"; // gcc
    if (text.starts_with(closure)) {
        text.remove_prefix(closure.size());
        if (text.ends_with("()")) text.remove_suffix(2);
        return canonical_name(text);
    }
    if (text.starts_with("(lambda")) return std::string(text); // clang: the place in the source
    if (text.starts_with('&')) text.remove_prefix(1);
    if (is_group(text)) text = text.substr(1, text.size() - 2);
    if (text.ends_with("{}")) return canonical_name(text.substr(0, text.size() - 2));
    return canonical_name(declared_name(text));
}

// True if the same source may give this text another meaning, or this function another text, in another build: closures,
// anonymous namespaces, what is declared inside a function.
inline bool names_within_one_build(std::string_view name) noexcept {
    for (const std::string_view sign :
         {")::", "$_", "{lambda", "<lambda", "'lambda", "(lambda", "{unnamed", "<unnamed", "'unnamed"}) {
        if (name.find(sign) != std::string_view::npos) return true;
    }
    return false;
}

} // namespace rpc::detail
} // namespace mitogen::inline MITOGEN_ABI

// ---- mitogen/rpc/traits.hpp ----
// traits.hpp: what a remote function takes and returns, and which of its parameters travel.

namespace mitogen::inline MITOGEN_ABI {

/// A list of types; nothing is ever stored in one.
template <class... Ts>
struct type_list {
    static constexpr std::size_t size = sizeof...(Ts);
};

/// True for parameters that are supplied where the function runs and are not sent (`router&`, `caller&`, …).
///
/// Specialise it for the parameter type exactly as functions spell it (`is_injected<router&>`), or for the plain type
/// (`is_injected<std::stop_token>`): then any spelling counts, by value or by reference.
template <class Parameter>
inline constexpr bool is_injected = false;

/// True for parameters that are supplied where the function runs and through which it exchanges items with its caller, such as
/// `dialog<…>&`. They are part of the signature; the function is opened, not called.
template <class Parameter>
inline constexpr bool is_dialog = false;

/// True for results that arrive item by item, such as `generator<T>`: the function is streamed, not called.
template <class R>
inline constexpr bool is_item_range = false;

/// True for results of coroutines that run on the loop, `task<T>`: the function is called, and answers when it has ended.
template <class R>
inline constexpr bool is_task = false;

/// What the caller gets of a result of type `R`. Specialise it for types that stand for another, as `task<T>` does for `T`.
template <class R>
struct wire_result {
    using type = std::remove_cvref_t<R>;
};

namespace rpc::detail {

template <class Parameter>
inline constexpr bool injected = is_injected<Parameter> || is_injected<std::remove_cvref_t<Parameter>>;

template <class List, class... Ts>
struct append;
template <class... Listed, class... Ts>
struct append<type_list<Listed...>, Ts...> {
    using type = type_list<Listed..., Ts...>;
};

// Folds the parameters into those that travel and, `WithDialogs`, those that are dialogs; without const and references.
template <bool WithDialogs, class Kept, class... Parameters>
struct kept_parameters {
    using type = Kept;
};
template <bool WithDialogs, class Kept, class First, class... Rest>
struct kept_parameters<WithDialogs, Kept, First, Rest...>
    : std::conditional_t<injected<First> && !(WithDialogs && is_dialog<std::remove_cvref_t<First>>),
                         kept_parameters<WithDialogs, Kept, Rest...>,
                         kept_parameters<WithDialogs, typename append<Kept, std::remove_cvref_t<First>>::type, Rest...>> {};

// Why something is no remote function. Reported by check_function(), because a class that fails to compile causes more errors
// where it is used.
enum class fault : unsigned char { none, not_a_function, not_const };

template <bool Noexcept, class R, class... Parameters>
struct callable {
    static constexpr fault what_is_wrong = fault::none;
    using result = R;
    using parameters = type_list<Parameters...>;
    using wire_parameters = typename kept_parameters<false, type_list<>, Parameters...>::type;
    using signature_parameters = typename kept_parameters<true, type_list<>, Parameters...>::type;
    static constexpr std::size_t dialogs = (std::size_t{0} + ... + is_dialog<std::remove_cvref_t<Parameters>>);
    static constexpr bool is_noexcept = Noexcept;
};

template <class>
inline constexpr bool never_true = false;

template <class Operator>
struct call_operator : callable<false, void> {
    static constexpr fault what_is_wrong = fault::not_const;
};
template <class C, class R, class... Ps>
struct call_operator<R (C::*)(Ps...) const> : callable<false, R, Ps...> {};
template <class C, class R, class... Ps>
struct call_operator<R (C::*)(Ps...) const noexcept> : callable<true, R, Ps...> {};

template <class T>
concept has_one_call_operator = requires {
    &T::operator();
};

} // namespace rpc::detail

/// Result, parameters and exception specification of a function pointer or of a captureless closure.
///
/// `result` and every member of `parameters` are as declared; `wire_parameters` are those that travel, without const and
/// references (`const T&` is `T`; views stay views); `signature_parameters` are these and the dialogs.
template <class F>
struct callable_traits : rpc::detail::callable<false, void> {
    static constexpr auto what_is_wrong = rpc::detail::fault::not_a_function;
};
template <class R, class... Ps>
struct callable_traits<R (*)(Ps...)> : rpc::detail::callable<false, R, Ps...> {};
template <class R, class... Ps>
struct callable_traits<R (*)(Ps...) noexcept> : rpc::detail::callable<true, R, Ps...> {};
template <rpc::detail::has_one_call_operator F>
struct callable_traits<F> : rpc::detail::call_operator<decltype(&F::operator())> {};

/// callable_traits of the function `F`.
template <auto F>
struct function_traits : callable_traits<std::remove_cv_t<decltype(F)>> {
    static constexpr std::size_t arity = callable_traits<std::remove_cv_t<decltype(F)>>::parameters::size;
    static constexpr bool is_closure = std::is_class_v<std::remove_cv_t<decltype(F)>>;
};

namespace rpc::detail {

// Fail to compile where something cannot travel. Compilers print the template arguments above the message: function, position,
// type.
template <auto Function, std::size_t Position, class Parameter>
void check_parameter() {
    using referred = std::remove_reference_t<Parameter>;
    if constexpr (!injected<Parameter>) {
        if constexpr (std::is_lvalue_reference_v<Parameter> && !std::is_const_v<referred>) {
            static_assert(
                never_true<Parameter>,
                "mitogen: this Parameter of Function (counted from 1 by Position) is a reference to non-const: what the function "
                "writes there would stay in the other process; take it by value or by const&, and return what changes");
        } else {
            wire::require<std::remove_cvref_t<Parameter>>();
        }
    }
}

template <auto Function, class Result>
void check_result() {
    if constexpr (!std::is_void_v<Result>) wire::require<Result>();
}

template <auto F, class... Ps, std::size_t... Is>
void check_parameters(type_list<Ps...>, std::index_sequence<Is...>) {
    (check_parameter<F, Is + 1, Ps>(), ...);
}

// Never called: to take its address is to have it compiled, and its failure does not spoil the constant that does so.
template <auto F>
void check_function() {
    using traits = function_traits<F>;
    static_assert(traits::what_is_wrong != fault::not_a_function,
                  "mitogen: a remote function is a function, a static member function, or a captureless lambda without `auto` "
                  "parameters; a member function needs an object, which lives in one process only: see call_service");
    static_assert(traits::what_is_wrong != fault::not_const,
                  "mitogen: the operator() of a remote function object must be const: drop `mutable`");
    check_parameters<F>(typename traits::parameters{}, std::make_index_sequence<traits::arity>{});
    check_result<F, typename wire_result<typename traits::result>::type>();
}

} // namespace rpc::detail

} // namespace mitogen::inline MITOGEN_ABI

// ---- mitogen/rpc/identity.hpp ----
// identity.hpp: the text that names a remote function in every program that has it: qualified name and wire signature.
//
// Everything here is made at run time, when somebody asks; before that a function costs a few words of constant data.
//
// Where the name comes from, and what it is worth between two builds:
//   with RTTI              complete: templates, default arguments, inline namespaces; the same from gcc and clang
//   gcc without RTTI       the same, but default arguments of the program's own class templates are missing, and enumerators and
//                          functions as template arguments are spelt differently
//   clang without RTTI     the arguments of function templates and the program's inline namespaces are missing: see `exact`

#if MITOGEN_HAS_RTTI
#include <cxxabi.h>
#include <typeinfo>
#endif

namespace mitogen::inline MITOGEN_ABI {

/// The name by which `F` is known in other programs, in place of its qualified name:
/// `template <> inline constexpr std::string_view mitogen::name_of<&fn> = "db.count";` (before the first use of `fn`).
/// Needed for lambdas and functions in anonymous namespaces that two different builds call in each other.
template <auto F>
inline constexpr std::string_view name_of{};

namespace rpc::detail {

/// What is known of a function's name. Made once per function, when first asked for.
struct function_texts {
    std::string name;      ///< canonical qualified name, or what name_of says
    std::string signature; ///< `(i32,string)->[u64]`
    std::string identity;  ///< name and signature
    std::uint64_t key = 0; ///< hash of `identity`
    bool is_stable = true; ///< false: the name means something within one build only
    bool is_exact = true;  ///< false: other functions may have printed the same name (clang without RTTI)
};

// The pieces of a signature, shared by all functions that have it.
struct signature_parts {
    using writer = void (*)(signature_sink&);
    const writer* parameters;
    std::size_t count;
    writer result;
};

template <class T>
void write_type(signature_sink& sink) {
    if constexpr (std::is_void_v<T>) {
        sink.put("void");
    } else if constexpr (wire::travels<T>()) { // else check_function() says so, with the function and the position
        sink.add<T>();
    }
}

template <class Result, class Parameters>
struct parts_of;
template <class Result, class... Ps>
struct parts_of<Result, type_list<Ps...>> {
    static constexpr signature_parts::writer parameters[sizeof...(Ps) + 1] = {&write_type<Ps>..., nullptr};
    static constexpr signature_parts value{parameters, sizeof...(Ps), &write_type<Result>};
};

// Where the texts of one function come from: constant data only. A null `read_name` stands for the usual way, which need not be
// compiled where a function is only called.
struct function_source {
    void (*read_name)(const void* raw, function_texts& to);
    const void* raw;
    const signature_parts* signature;
};

template <auto F>
inline constexpr std::string_view given_name = name_of<F>;

inline void name_from_given(const void* raw, function_texts& to) { to.name = *static_cast<const std::string_view*>(raw); }

#if MITOGEN_HAS_RTTI
template <auto F>
struct name_tag {};

// The mangled name of name_tag<F> contains F's own with everything in it; no other place does in both compilers.
inline void name_from_type(const void* raw, function_texts& to) {
    const char* const mangled = static_cast<const std::type_info*>(raw)->name();
    int status = 0;
    char* const demangled = abi::__cxa_demangle(mangled, nullptr, nullptr, &status);
    if (demangled) {
        constexpr std::string_view tag = "name_tag<";
        std::string_view text = demangled;
        text.remove_prefix(text.find(tag) + tag.size());
        text.remove_suffix(1);
        to.name = canonical_function(text);
        to.is_stable = !names_within_one_build(to.name);
        std::free(demangled);
    } else { // mangled in a way that is newer than the demangler: unique, but unreadable and this compiler's alone
        to.name = mangled;
        to.is_stable = false;
    }
}
#endif

#if !MITOGEN_HAS_RTTI
// A function of its own: gcc replaces the macro too early where it initialises a constant.
template <auto F>
consteval const char* printed_value() noexcept {
    return __PRETTY_FUNCTION__;
}
template <class F>
consteval const char* printed_type() noexcept {
    return __PRETTY_FUNCTION__;
}

// gcc: `… [with auto F = ns::f<1>]`; clang: `… [F = &ns::f]`.
template <auto F>
consteval std::string_view printed_name() noexcept {
    using function = std::remove_cv_t<decltype(F)>;
    std::string_view text;
    if constexpr (std::is_empty_v<function>)
        text = printed_type<function>(); // clang prints a closure as `{}`, but its type with its place
    else
        text = printed_value<F>();
    const std::size_t begin = text.find("F = ") + 4;
    return text.substr(begin, text.size() - begin - 1);
}

// The name alone, without what the compiler prints around it: that would be most of the bytes that a function costs.
template <auto F>
inline constexpr auto name_bytes = [] {
    constexpr std::string_view text = printed_name<F>();
    std::array<char, text.size() + 1> bytes{};
    for (std::size_t i = 0; i < text.size(); ++i) bytes[i] = text[i];
    return bytes;
}();

inline void name_from_print(const void* raw, function_texts& to) {
#if defined(__clang__)
    to.is_exact = false;
#endif
    to.name = canonical_function(static_cast<const char*>(raw));
    to.is_stable = !names_within_one_build(to.name);
}
#endif

template <auto F>
consteval function_source source_of() noexcept {
    using traits = function_traits<F>;
    constexpr void (*check)() = &check_function<F>;
    static_cast<void>(check);
    constexpr const signature_parts* signature =
        &parts_of<typename wire_result<typename traits::result>::type, typename traits::signature_parameters>::value;
    if constexpr (!given_name<F>.empty()) {
        return {&name_from_given, &given_name<F>, signature};
    } else {
#if MITOGEN_HAS_RTTI
        return {nullptr, &typeid(name_tag<F>), signature};
#else
        return {nullptr, name_bytes<F>.data(), signature};
#endif
    }
}

// One per function; a local constant would be laid out again by each that asks.
template <auto F>
inline constexpr function_source source = source_of<F>();

/// FNV-1a, 64 bits (Fowler, Noll, Vo; RFC 9923): the key of an identity. Its inputs are the program's own names, not an
/// attacker's.
constexpr std::uint64_t identity_hash(std::string_view text) noexcept {
    std::uint64_t hash = 0xcbf29ce484222325;
    for (const char c : text) hash = (hash ^ static_cast<unsigned char>(c)) * 0x100000001b3;
    return hash;
}

MITOGEN_COLD inline function_texts read_texts(const function_source& from) {
    function_texts texts;
    if (from.read_name) {
        from.read_name(from.raw, texts);
    } else {
#if MITOGEN_HAS_RTTI
        name_from_type(from.raw, texts);
#else
        name_from_print(from.raw, texts);
#endif
    }
    signature_sink sink;
    sink.put('(');
    for (std::size_t i = 0; i < from.signature->count; ++i) {
        if (i > 0) sink.put(',');
        from.signature->parameters[i](sink);
    }
    sink.put(")->");
    from.signature->result(sink);
    texts.signature = sink.take();
    texts.identity = texts.name + texts.signature;
    texts.key = identity_hash(texts.identity);
    return texts;
}

MITOGEN_COLD inline std::string read_text(const function_source& from, std::string function_texts::*which) {
    function_texts texts = read_texts(from);
    return std::move(texts.*which);
}

} // namespace rpc::detail

/// The canonical qualified name of `F`, for instance `app::scale<i32>`; or what `name_of<F>` says. Composed at each call: keep
/// it.
template <auto F>
std::string function_name() {
    return rpc::detail::read_text(rpc::detail::source<F>, &rpc::detail::function_texts::name);
}

/// The wire signature of `F`, for instance `(i32,string)->[u64]`. Parameters that are injected where the function runs are not in
/// it, except dialogs.
template <auto F>
std::string function_signature() {
    return rpc::detail::read_text(rpc::detail::source<F>, &rpc::detail::function_texts::signature);
}

/// Name and signature: equal in two programs where one may call the other's `F`.
template <auto F>
std::string function_identity() {
    return rpc::detail::read_text(rpc::detail::source<F>, &rpc::detail::function_texts::identity);
}

} // namespace mitogen::inline MITOGEN_ABI

// ---- mitogen/rpc/function_entry.hpp ----
// function_entry.hpp: what one function that other contexts may call is, and how it gets into the list of them.

namespace mitogen::inline MITOGEN_ABI {

/// Where a function runs in the context that is called.
enum class on : std::uint8_t {
    main, ///< on the context's main thread, one after another
    pool, ///< on any of the context's worker threads, concurrently
    loop, ///< on the I/O thread, in place: for functions that never block
    task, ///< on the I/O thread, as a coroutine: every function that returns task<T>, and no other
};

/// Where `F` runs: `template <> inline constexpr auto mitogen::run_on<&fn> = mitogen::on::pool;` (before the first use of `fn`).
template <auto F>
inline constexpr on run_on = on::main;

struct invocation;
class function_entry;

/// Decodes the arguments of one call, runs `F`, encodes the result.
template <auto F>
void invoke_thunk(invocation&);

namespace rpc::detail {
struct registration;

// The part of an entry that changes and that no call looks at. Apart from it, so that the entry is half a cache line.
struct entry_state {
    const function_entry* before = nullptr;            // the one that was registered before this one
    std::atomic<const function_texts*> texts{nullptr}; // made by whoever asks first, then kept
};
} // namespace rpc::detail

/// One function that can be called from other contexts. There is exactly one entry per function, and it lives as long as the
/// process.
///
/// Threads: any.   Blocks: never.
class function_entry {
    friend struct rpc::detail::registration;

    std::uint32_t index_ = unregistered;

public:
    /// index() of an entry whose static initialiser has not run yet.
    static constexpr std::uint32_t unregistered = 0xffff'ffff;

    /// Where it runs.
    const on where;
    /// Executes one call.
    void (*const invoke)(invocation&);

private:
    const rpc::detail::function_source* source_;
    rpc::detail::entry_state* state_; // to name it is what makes the object exist whose constructor registers the entry

    MITOGEN_COLD const rpc::detail::function_texts& describe() const {
        const auto* made = new rpc::detail::function_texts(rpc::detail::read_texts(*source_));
        const rpc::detail::function_texts* other = nullptr;
        if (state_->texts.compare_exchange_strong(other, made, std::memory_order_acq_rel)) return *made;
        delete made;
        return *other;
    }

public:
    constexpr function_entry(const rpc::detail::function_source* source, on runs, void (*call)(invocation&),
                             rpc::detail::entry_state* state) noexcept
        : where(runs), invoke(call), source_(source), state_(state) {}
    function_entry(const function_entry&) = delete;

    /// Dense, from 0; the same in every process that runs the same binary.
    std::uint32_t index() const noexcept { return index_; }

    /// Canonical qualified name, or what name_of says.
    const std::string& name() const { return texts().name; }
    /// Wire signature, for instance `(i32,string)->[u64]`.
    const std::string& signature() const { return texts().signature; }
    /// Name and signature.
    const std::string& identity() const { return texts().identity; }
    /// The 64-bit hash of the identity, by which programs of different builds refer to the function.
    std::uint64_t key() const { return texts().key; }

    /// False if only programs of this very build can call it: lambdas, anonymous namespaces, what is declared inside a function;
    /// and what this program cannot tell from another of its functions. `name_of` makes it true.
    bool stable_name() const;

    /// All that is known of the name.
    const rpc::detail::function_texts& texts() const {
        const auto* known = state_->texts.load(std::memory_order_acquire);
        return known ? *known : describe();
    }

    /// The entry that was registered before this one; null for the first.
    const function_entry* before() const noexcept { return state_->before; }
};

namespace rpc::detail {

// The entry that was registered last; each leads to the one before it.
inline constinit std::atomic<const function_entry*> newest{nullptr};

// A static object of this type puts its entry into the list. One binary runs its static initialisers in one order: the numbers
// never change.
struct registration : entry_state {
    MITOGEN_COLD explicit registration(function_entry& entry) noexcept {
        before = newest.load(std::memory_order_acquire);
        do {
            entry.index_ = before ? before->index_ + 1 : 0;
        } while (!newest.compare_exchange_weak(before, &entry, std::memory_order_acq_rel));
    }
};

// Where `F` runs, whatever run_on says of a task.
template <auto F>
constexpr on place_of() noexcept {
    constexpr bool coroutine = is_task<typename function_traits<F>::result>;
    static_assert(coroutine ? run_on<F> == on::main || run_on<F> == on::loop || run_on<F> == on::task : run_on<F> != on::task,
                  "mitogen: a function that returns task<T> runs on the loop, and nothing else is a task: drop its run_on");
    return coroutine ? on::task : run_on<F>;
}

template <auto F>
struct slot {
    static function_entry entry;
    static registration link;
};
template <auto F>
constinit function_entry slot<F>::entry{&source<F>, place_of<F>(), &invoke_thunk<F>, &slot<F>::link};
template <auto F>
registration slot<F>::link{slot<F>::entry};

} // namespace rpc::detail

/// The entry of `F`. To name it is to register `F`.
template <auto F>
const function_entry& entry_of() noexcept {
    return rpc::detail::slot<F>::entry;
}

/// Exports a function that this program itself never calls. Any mention that is compiled suffices, at any scope and whether or
/// not it is ever executed: `[[maybe_unused]] constexpr auto& exported = mitogen::remote<&fn>;`. (Inside sizeof or decltype it is
/// no mention.)
template <auto F>
inline constexpr const function_entry& remote = rpc::detail::slot<F>::entry;

} // namespace mitogen::inline MITOGEN_ABI

// ---- mitogen/rpc/detail/key_table.hpp ----
// key_table.hpp: finds functions by the hash of their identity, and those that cannot be told apart by it.

namespace mitogen::inline MITOGEN_ABI {
namespace rpc::detail {

// A hash table with open addressing, at most half full. Filled by one thread, then only read.
class key_table {
    struct place {
        const function_entry* entry = nullptr;
        bool is_ambiguous = false; // several functions have this key: none of them can be called by it
    };
    std::vector<place> places_{place{}};
    std::vector<std::string> duplicates_;
    std::size_t count_ = 0;

    std::size_t find_place(std::uint64_t key) const {
        std::size_t at = static_cast<std::size_t>(key) & (places_.size() - 1);
        while (places_[at].entry && places_[at].entry->key() != key) at = (at + 1) & (places_.size() - 1);
        return at;
    }

    void add(const function_entry& entry) {
        const function_texts& texts = entry.texts();
        if (!texts.is_stable) return;
        place& to = places_[find_place(texts.key)];
        if (!to.entry) {
            to.entry = &entry;
            return;
        }
        const function_texts& other = to.entry->texts();
        to.is_ambiguous = true;
        if (other.identity != texts.identity)
            duplicates_.push_back(other.identity + " and " + texts.identity + " (equal keys)");
        else if (other.is_exact && texts.is_exact)
            duplicates_.push_back(texts.identity);
    }

public:
    const key_table* superseded = nullptr; // the table in whose place this one came; somebody may still be reading it

    explicit key_table(const std::vector<const function_entry*>& entries) : count_(entries.size()) {
        std::size_t places = 2;
        while (places < 2 * entries.size()) places *= 2;
        places_.resize(places);
        for (const function_entry* entry : entries) add(*entry);
    }

    const function_entry* find(std::uint64_t key) const {
        const place& found = places_[find_place(key)];
        return found.is_ambiguous ? nullptr : found.entry;
    }

    std::size_t size() const noexcept { return count_; } // entries that it was made from
    const std::vector<std::string>& duplicates() const noexcept { return duplicates_; }
};

} // namespace rpc::detail
} // namespace mitogen::inline MITOGEN_ABI

// ---- mitogen/rpc/registry.hpp ----
// registry.hpp: the functions of this program that other contexts may call. The only process-wide state of the library.
//
// A function is in the list because the program names it: in a call, or through mitogen::remote. Its entry is
// constant-initialised; a static initialiser links it into the list, without allocation or lock. Texts and tables are made when
// first asked for, and kept.

namespace mitogen::inline MITOGEN_ABI {
namespace rpc::detail {

// Entries by index. A library that is loaded later makes the table grow: a new one takes its place, and the old one is kept for
// its readers.
struct index_table {
    std::vector<const function_entry*> entries{};
    const index_table* superseded = nullptr;

    std::size_t size() const noexcept { return entries.size(); }
};

inline constinit std::atomic<const index_table*> indexed{nullptr};
inline constinit std::atomic<const key_table*> keyed{nullptr};

// Makes `made` the current table, or leaves one in place that knows as much. Replaced tables stay reachable and are never freed.
template <class Table>
const Table& publish(std::atomic<const Table*>& current, Table* made) {
    const Table* seen = current.load(std::memory_order_acquire);
    do {
        if (seen && seen->size() >= made->size()) {
            delete made;
            return *seen;
        }
        made->superseded = seen;
    } while (!current.compare_exchange_weak(seen, made, std::memory_order_acq_rel));
    return *made;
}

MITOGEN_COLD inline const index_table& make_index_table() {
    auto* made = new index_table;
    const function_entry* entry = newest.load(std::memory_order_acquire);
    made->entries.resize(entry ? entry->index() + 1 : 0);
    for (; entry; entry = entry->before()) made->entries[entry->index()] = entry;
    return publish(indexed, made);
}

} // namespace rpc::detail

/// The functions of this program that other contexts may call.
///
/// Threads: any.   Blocks: never.   A library that is loaded later adds its functions behind the others; it must not be unloaded.
namespace registry {

/// How many functions are registered. Indices are below this.
inline std::uint32_t count() noexcept {
    const function_entry* last = rpc::detail::newest.load(std::memory_order_acquire);
    return last ? last->index() + 1 : 0;
}

/// All functions, by index: in the order in which they were registered. The reference stays valid.
inline const std::vector<const function_entry*>& entries() {
    const auto* table = rpc::detail::indexed.load(std::memory_order_acquire);
    if (table && table->size() >= count()) return table->entries;
    return rpc::detail::make_index_table().entries;
}

/// The function with that index; null if there is none. Constant time.
inline const function_entry* by_index(std::uint32_t index) {
    const auto* table = rpc::detail::indexed.load(std::memory_order_acquire);
    if (table && index < table->size()) [[likely]]
        return table->entries[index];
    return index < count() ? entries()[index] : nullptr;
}

/// Makes the tables that by_index() and by_key() read; otherwise the first who asks does. Some microseconds per function, because
/// all names are composed.
MITOGEN_COLD inline const rpc::detail::key_table& freeze() {
    const auto& all = entries();
    if (const auto* table = rpc::detail::keyed.load(std::memory_order_acquire); table && table->size() >= all.size())
        return *table;
    return rpc::detail::publish(rpc::detail::keyed, new rpc::detail::key_table(all));
}

/// The function with that key. Null if there is none, if several have it (see duplicates()), or if its name means something
/// within one build only. Constant time once the table is made.
inline const function_entry* by_key(std::uint64_t key) { return freeze().find(key); }

/// One text for each function that cannot be told from another: the identity that both have, or two identities with equal keys.
/// `mitogen::name_of` resolves either. A program should refuse to start unless this is empty.
///
/// Where clang compiles without RTTI, instances of one function template print the same name. They are not listed; they can be
/// called within one build, and function_entry::stable_name() is false for them.
inline const std::vector<std::string>& duplicates() { return freeze().duplicates(); }

/// The identity that is nearest to `wanted` by edit distance, for messages; empty if no function has a stable name.
/// `wanted` is a name or a whole identity, of this program or a peer's. Linear time.
MITOGEN_COLD inline std::string nearest(std::string_view wanted) {
    const bool is_identity = wanted.find(")->") != std::string_view::npos;
    const function_entry* best = nullptr;
    std::size_t least = 0;
    for (const function_entry* entry : entries()) {
        if (!entry->texts().is_stable) continue;
        const std::size_t distance = rpc::detail::edit_distance(wanted, is_identity ? entry->identity() : entry->name());
        if (best && distance >= least) continue;
        best = entry;
        least = distance;
    }
    return best ? best->identity() : std::string();
}

/// Why by_key() has nothing for a function of that name and signature, which a program of another build wants to call. An error
/// with reason signature_mismatch (it prints both signatures) or unknown_function (it names the nearest that there is).
MITOGEN_COLD inline error why_unknown(std::string_view name, std::string_view signature) {
    constexpr std::size_t longest = 1000; // both come from a peer
    const std::string wanted = std::string(name.substr(0, longest)) + std::string(signature.substr(0, longest));
    std::string others;
    for (const function_entry* entry : entries()) {
        if (entry->name() != name) continue;
        if (entry->signature() != signature) {
            others += (others.empty() ? "" : " and ") + entry->identity();
            continue;
        }
        if (entry->stable_name()) continue; // it can be called, by its key: the caller computed another
        return error(reason::unknown_function,
                     wanted +
                         (entry->texts().is_stable
                              ? " cannot be told from another function of that program"
                              : " can be named only within one build, and caller and callee are different ones") +
                         "; name it in both: template <> inline constexpr std::string_view mitogen::name_of<&f> = \"...\";");
    }
    if (!others.empty())
        return error(reason::signature_mismatch, "the caller wants " + wanted + ", the program that it calls has " + others);
    const std::string near = nearest(wanted);
    return error(reason::unknown_function,
                 "no remote function " + wanted +
                     (near.empty() ? "; that program exports none by name" : "; the nearest that there is: " + near));
}

} // namespace registry

inline bool function_entry::stable_name() const { return registry::by_key(key()) == this; }

} // namespace mitogen::inline MITOGEN_ABI

// ---- mitogen/rpc/incoming_calls.hpp ----
// incoming_calls.hpp: the calls that a context has accepted and not yet answered, and the chains that have failed.

#if defined(__cpp_lib_jthread)
#include <stop_token>
#endif

namespace mitogen::inline MITOGEN_ABI {

class task_scope;

/// One call that was accepted. Its memory is reused for later ones.
struct incoming_call {
    enum class phase : std::uint8_t { queued, running, answering };

    header head{};
    const function_entry* entry = nullptr;
    buffer payload{}; ///< the whole message: call_frame and arguments
    std::size_t arguments_at = 0;
    std::uint64_t chain = 0; ///< 0: none
    flow_address flow{};     ///< where the caller takes items
    instant deadline = never;
    phase state = phase::queued;
    cancel_radius cancelled = cancel_radius::none; ///< by its caller, with how much else
    bool due = false; ///< begins although it is cancelled: see cancel()
    incoming_call* next_in_bucket = nullptr;
    incoming_call* previous = nullptr; ///< in the main thread's queue
    incoming_call* next = nullptr;
    void* owner = nullptr; ///< the incoming_calls<Io> it belongs to
    task_scope* task = nullptr; ///< that executes it
#if defined(__cpp_lib_jthread)
    std::optional<std::stop_source> stop{}; ///< made when the function asks for it: it costs an allocation
#endif
};

/// Accepted calls, found by caller and reply handle in constant time: a hundred thousand that are cancelled one by one cost no
/// more each than one does. Threads: any.
template <class Io>
class incoming_calls {
    typename Io::mutex mutex_;
    std::deque<incoming_call> memory_;
    std::vector<incoming_call*> free_;
    std::vector<incoming_call*> buckets_{std::vector<incoming_call*>(64)};
    std::size_t size_ = 0;
    std::uint64_t bytes_ = 0;        // of the payloads of all of them
    incoming_call* first_ = nullptr; // the main thread's queue
    incoming_call* last_ = nullptr;
    bool main_runs_ = false; // the main thread executes calls
    bool stopping_ = false;

    struct chain_key {
        context_id src;
        std::uint64_t number;
        friend bool operator==(const chain_key&, const chain_key&) = default;
    };
    struct chain_hash {
        std::size_t operator()(const chain_key& k) const noexcept {
            return static_cast<std::size_t>(k.number ^ (std::uint64_t{k.src} << 40));
        }
    };
    struct chain_state {
        std::uint32_t open = 0;     // calls of it that are accepted and not finished
        bool forgotten = false;     // goes with its last call
        std::optional<error> why{}; // its first failure
    };
    std::unordered_map<chain_key, chain_state, chain_hash> chains_; // those with open calls or a failure
    std::deque<chain_key> failed_chains_;                           // oldest first

    static constexpr std::size_t most_calls = 1u << 20;
    static constexpr std::size_t most_chains = 4096; // failed and never forgotten by their callers: the oldest go

    /// A call without reply is never looked up. It goes where its address says: otherwise all of them would share one bucket, and
    /// each that finishes would have to be found among them.
    std::size_t bucket(const incoming_call& c) const noexcept {
        return bucket(c.head.src,
                      c.head.reply_to ? c.head.reply_to : static_cast<handle_id>(reinterpret_cast<std::uintptr_t>(&c)));
    }
    std::size_t bucket(context_id src, handle_id reply_to) const noexcept {
        // 2^64 over the golden ratio: spreads consecutive handles (Knuth, TAOCP 3, 6.4).
        return static_cast<std::size_t>(((reply_to ^ (std::uint64_t{src} << 20)) * 0x9E37'79B9'7F4A'7C15u) >> 32) &
               (buckets_.size() - 1);
    }

    void insert(incoming_call& c) noexcept {
        incoming_call*& head = buckets_[bucket(c)];
        c.next_in_bucket = head;
        head = &c;
    }

    void grow() {
        std::vector<incoming_call*> old(buckets_.size() * 2);
        old.swap(buckets_);
        for (incoming_call* c : old) {
            while (c) {
                incoming_call* next = c->next_in_bucket;
                insert(*c);
                c = next;
            }
        }
    }

    incoming_call* lookup(context_id src, handle_id reply_to) noexcept {
        for (incoming_call* c = buckets_[bucket(src, reply_to)]; c; c = c->next_in_bucket)
            if (c->head.reply_to == reply_to && c->head.src == src) return c;
        return nullptr;
    }

    void unqueue(incoming_call& c) noexcept {
        (c.previous ? c.previous->next : first_) = c.next;
        (c.next ? c.next->previous : last_) = c.previous;
        c.previous = c.next = nullptr;
    }

    const error* find_chain(context_id src, std::uint64_t chain) noexcept {
        const auto at = chains_.find({src, chain});
        return at != chains_.end() && at->second.why ? &*at->second.why : nullptr;
    }

    void leave_chain(context_id src, std::uint64_t chain) noexcept {
        const auto at = chains_.find({src, chain});
        if (at == chains_.end() || --at->second.open > 0) return;
        if (at->second.forgotten || !at->second.why) chains_.erase(at);
    }

public:
    explicit incoming_calls(Io& io) : mutex_(io) {}

    /// Accepts a call; null where there are too many, or they hold more than `most_bytes` together. One alone may be larger.
    incoming_call* add(const message& m, const function_entry& entry, const call_frame& frame, std::size_t arguments_at,
                       instant now, std::uint64_t most_bytes) {
        const std::lock_guard lock(mutex_);
        if (size_ >= most_calls || (size_ > 0 && bytes_ + m.payload.size() > most_bytes)) return nullptr;
        bytes_ += m.payload.size();
        incoming_call* c;
        if (free_.empty()) {
            c = &memory_.emplace_back();
            c->owner = this;
        } else {
            c = free_.back();
            free_.pop_back();
        }
        c->head = m.head;
        c->entry = &entry;
        c->arguments_at = arguments_at;
        c->chain = frame.flags & call_frame::has_chain ? frame.chain : 0;
        c->flow = frame.flow;
        c->deadline = frame.flags & call_frame::has_deadline ? after(now, frame.time_left) : never;
        c->state = incoming_call::phase::queued;
        c->cancelled = cancel_radius::none;
        c->due = false;
        if (m.whole) {
            c->payload = std::move(*m.whole);
        } else {
            c->payload.clear();
            c->payload.append(m.payload.data(), m.payload.size());
        }
        if (c->chain) ++chains_[{c->head.src, c->chain}].open;
        if (++size_ > buckets_.size()) grow();
        insert(*c);
        return c;
    }

    /// Appends a call to the main thread's queue.
    void put_main(incoming_call& c) {
        const std::lock_guard lock(mutex_);
        c.previous = last_;
        c.next = nullptr;
        (last_ ? last_->next : first_) = &c;
        last_ = &c;
    }

    bool main_waiting() {
        const std::lock_guard lock(mutex_);
        return first_ != nullptr;
    }

    /// The main thread's next call, or null.
    incoming_call* take_main() {
        const std::lock_guard lock(mutex_);
        incoming_call* c = first_;
        main_runs_ = c != nullptr;
        if (c) {
            unqueue(*c);
            c->state = incoming_call::phase::running;
        }
        return c;
    }

    /// About to run a call: why it shall not run after all, or nothing.
    std::optional<error> begin(incoming_call& c, instant now) {
        const std::lock_guard lock(mutex_);
        c.state = incoming_call::phase::running;
        if (stopping_) return error(reason::broker_exited, "the context is shutting down");
        if (c.cancelled != cancel_radius::none && !c.due)
            return cancelled_by_caller(c.head.src, c.cancelled, " before it began");
        if (c.deadline != never && now >= c.deadline) return error(reason::timeout, "the call's deadline passed before it began");
        if (c.chain) {
            if (const error* broken = find_chain(c.head.src, c.chain)) return *broken;
        }
        return std::nullopt;
    }

    /// The function has returned: cancelling the call has no effect any more.
    void end(incoming_call& c) {
        const std::lock_guard lock(mutex_);
        c.state = incoming_call::phase::answering;
    }

    /// The task that executes a call, until it ends. Threads: the loop.
    void set_task(incoming_call& c, task_scope* task) {
        const std::lock_guard lock(mutex_);
        c.task = task;
    }
    task_scope* task_of(context_id src, handle_id reply_to) {
        const std::lock_guard lock(mutex_);
        const incoming_call* c = lookup(src, reply_to);
        return c ? c->task : nullptr;
    }

    /// The call is answered; its memory is free.
    void finish(incoming_call& c) {
        const std::lock_guard lock(mutex_);
        incoming_call** at = &buckets_[bucket(c)];
        while (*at != &c) at = &(*at)->next_in_bucket;
        *at = c.next_in_bucket;
        c.next_in_bucket = nullptr;
        if (c.chain) leave_chain(c.head.src, c.chain);
#if defined(__cpp_lib_jthread)
        c.stop.reset();
#endif
        bytes_ -= c.payload.size();
        if (c.payload.capacity() > 64 * 1024) c.payload = buffer{};
        free_.push_back(&c);
        --size_;
    }

    /// The caller does not wait any more. Fires the stop token of a call that runs. A call that still stands in the main thread's
    /// queue is taken out and returned: the caller of this answers and finishes it. With `begins`, one that nothing keeps from
    /// running counts as running, although it may not have got there yet; `pool_free`: so do those of the pool.
    incoming_call* cancel(context_id src, handle_id reply_to, cancel_radius what, bool begins = false, bool pool_free = false) {
#if defined(__cpp_lib_jthread)
        std::stop_source source(std::nostopstate);
#endif
        {
            const std::lock_guard lock(mutex_);
            incoming_call* c = lookup(src, reply_to);
            if (!c) return nullptr;
            c->cancelled = what;
            if (c->state == incoming_call::phase::queued) {
                const bool in_main_queue = c == first_ || c->previous;
                c->due = begins && (in_main_queue ? c == first_ && !main_runs_ : pool_free);
                if (c->due) return nullptr;
                if (!in_main_queue) return nullptr; // in the pool's queue: refused when its turn comes
                unqueue(*c);
                c->state = incoming_call::phase::answering;
                return c;
            }
#if defined(__cpp_lib_jthread)
            if (c->state == incoming_call::phase::running && c->stop) source = *c->stop;
#endif
        }
#if defined(__cpp_lib_jthread)
        source.request_stop(); // outside the lock: it runs the program's stop callbacks
#endif
        return nullptr;
    }

    /// Not none where its caller does not want the call any more.
    cancel_radius cancelled(incoming_call& c) {
        const std::lock_guard lock(mutex_);
        return c.cancelled;
    }

#if defined(__cpp_lib_jthread)
    /// The stop token of a call that runs.
    std::stop_token token(incoming_call& c) {
        const std::lock_guard lock(mutex_);
        if (!c.stop) c.stop.emplace();
        if (c.cancelled != cancel_radius::none || stopping_) c.stop->request_stop(); // nobody can have registered a callback yet
        return c.stop->get_token();
    }
#endif

    /// From now on no call begins. Fires the stop token of each that runs, and returns those of the main thread's queue.
    std::vector<incoming_call*> stop_all() {
        std::vector<incoming_call*> queued;
#if defined(__cpp_lib_jthread)
        std::vector<std::stop_source> running;
#endif
        {
            const std::lock_guard lock(mutex_);
            stopping_ = true;
            while (first_) {
                queued.push_back(first_);
                unqueue(*first_);
            }
#if defined(__cpp_lib_jthread)
            for (incoming_call* c : buckets_)
                for (; c; c = c->next_in_bucket)
                    if (c->state == incoming_call::phase::running && c->stop) running.push_back(*c->stop);
#endif
        }
#if defined(__cpp_lib_jthread)
        for (std::stop_source& s : running) s.request_stop();
#endif
        return queued;
    }

    std::size_t size() {
        const std::lock_guard lock(mutex_);
        return size_;
    }

    // ---- chains

    /// Why the calls of a chain fail, where they do.
    std::optional<error> chain_error(context_id src, std::uint64_t chain) {
        const std::lock_guard lock(mutex_);
        const error* why = find_chain(src, chain);
        return why ? std::optional<error>(*why) : std::nullopt;
    }

    /// A call of a chain has failed; only its first failure counts.
    void break_chain(context_id src, std::uint64_t chain, const error& why) {
        const std::lock_guard lock(mutex_);
        chain_state& state = chains_[{src, chain}];
        if (state.why) return;
        state.why = why;
        failed_chains_.push_back({src, chain});
        if (failed_chains_.size() <= most_chains) return;
        const auto oldest = chains_.find(failed_chains_.front());
        failed_chains_.pop_front();
        if (oldest != chains_.end() && oldest->second.open == 0) chains_.erase(oldest);
    }

    /// The chain has ended. Its calls that still wait fail as those before them: its failure is forgotten behind the last.
    void forget_chain(context_id src, std::uint64_t chain) {
        const std::lock_guard lock(mutex_);
        const auto at = chains_.find({src, chain});
        if (at == chains_.end()) return;
        if (at->second.open > 0) {
            at->second.forgotten = true;
        } else {
            chains_.erase(at);
        }
    }
};

} // namespace mitogen::inline MITOGEN_ABI

// ---- mitogen/rpc/fwd.hpp ----
// fwd.hpp: the names of the call layer and their default arguments, once.

namespace mitogen::inline MITOGEN_ABI {

template <class Io = io::native>
class basic_router;
template <class Io = io::native>
class basic_context;
template <class T, class Io = io::native>
class basic_future;
template <class Io = io::native>
class basic_chain;

template <class T, class Io = io::native>
class basic_sender;
template <class T, class Io = io::native>
class basic_receiver;
template <class Shape, class Io = io::native>
class basic_dialog;
template <class T, class Io = io::native>
class basic_remote_range;

/// One node of the tree, with the means to make children.
using router = basic_router<>;
/// Some node of the tree, as seen from this one.
using context = basic_context<>;
/// The answer to a call that is under way.
template <class T>
using future = basic_future<T>;
/// The end of a channel that sends: an argument or a result like any other.
template <class T>
using sender = basic_sender<T>;
/// The end of a channel that receives.
template <class T>
using receiver = basic_receiver<T>;
/// The callee's end of a dialog, `dialog<Started(Received, Sent)>`.
template <class Shape>
using dialog = basic_dialog<Shape>;

} // namespace mitogen::inline MITOGEN_ABI

// ---- mitogen/rpc/invocation.hpp ----
// invocation.hpp: one execution of a remote function: its arguments come in as bytes, its result leaves as bytes.

#if defined(__cpp_lib_jthread)
#include <stop_token>
#endif

namespace mitogen::inline MITOGEN_ABI {

/// Who calls. Take it as a parameter (`caller&`) to be told.
struct caller {
    context_id id = no_context;   ///< the calling context
    context_id auth = no_context; ///< on whose authority: `id` or a context above it
};

/// A type whose address tells I/O policies apart at run time.
template <class Io>
inline constexpr char policy_tag = 0;

/// Where values are decoded that mean something only inside one context, such as `context`.
struct decode_environment {
    call_port* router = nullptr;  ///< a basic_router<Io>
    const void* policy = nullptr; ///< &policy_tag<Io>
};

/// Where a function that yields items puts them: see call_frame::flow.
class item_sink {
public:
    virtual ~item_sink() = default;
    /// Sends an item's message; waits for credit. An error where the caller takes no more, is lost, or has cancelled.
    virtual result<void> send(buffer item) = 0;
};

/// Everything that an invoke thunk needs. Lives on the stack of the thread that executes the call.
struct invocation {
    reader& arguments;
    buffer& result;
    decode_environment& environment;
    caller who{};
    flow_address flow{}; ///< where the caller takes items
    std::optional<error> failure{};
#if defined(__cpp_lib_jthread)
    std::stop_token (*stop)(invocation&) = nullptr; ///< the call's stop token, made when first asked for
#endif
    cancel_radius (*cancelled)(invocation&) = [](invocation&) { return cancel_radius::none; }; ///< by its caller
    void* call = nullptr; ///< for `stop` and `cancelled`
    std::unique_ptr<item_sink> (*sink)(invocation&) = nullptr; ///< opens `flow`

    /// What an invoke thunk has found wrong, for whoever knows the function's name: fault_of_call().
    enum class fault : std::uint8_t { none, argument, policy, no_flow };
    fault wrong = fault::none;
    std::size_t position = 0; ///< of the argument that does not decode, from 0

    bool bad_argument(std::size_t at) noexcept {
        wrong = fault::argument;
        position = at;
        return false;
    }

    /// The error that `wrong` stands for. `function`: the name of the one that was called.
    MITOGEN_COLD error fault_of_call(const std::string& function) const {
        if (wrong == fault::no_flow)
            return error(reason::bad_arguments, function + " exchanges items with its caller: open it, or stream it");
        return error(reason::bad_arguments,
                     wrong == fault::policy
                         ? function + " takes a router of another I/O policy than the one that runs here"
                         : "argument " + std::to_string(position + 1) + " of " + function + ": " + arguments.failure_text());
    }
};

namespace rpc::detail {

template <class T>
inline constexpr const void* router_policy = nullptr;
template <class Io>
inline constexpr const void* router_policy<basic_router<Io>> = &policy_tag<Io>;
// Not `router_policy<T> != nullptr`, which g++ with -fsanitize=undefined does not take for a constant.
template <class T>
inline constexpr bool tied_to_policy = false;
template <class Io>
inline constexpr bool tied_to_policy<basic_router<Io>> = true;

/// Makes, for the time of one call, the object that a parameter of type `Parameter&` refers to: it is constructible from
/// `invocation&` and converts to that reference. Specialised for dialogs.
template <class Parameter>
struct injected_object;

/// Runs a function's result that is a range of items: sends each. Specialised for generators.
template <class R>
struct item_range_result;

/// Begins a function whose result comes later. Specialised for tasks.
template <auto F, class R, class Parameters, class Is, class Ws>
struct suspended_result;

/// What a function gets for a parameter that is not sent.
template <class Parameter>
decltype(auto) supply(invocation& inv) {
    using plain = std::remove_cvref_t<Parameter>;
    if constexpr (std::is_same_v<plain, caller>) {
        return (inv.who);
    } else if constexpr (std::is_same_v<plain, log::sink>) {
        return log::current();
#if defined(__cpp_lib_jthread)
    } else if constexpr (std::is_same_v<plain, std::stop_token>) {
        return inv.stop(inv);
#endif
    } else {
        return (static_cast<plain&>(*inv.environment.router));
    }
}

/// False, with a fault, where a function wants the router of another I/O policy than the one that executes it.
template <class Parameter>
bool suppliable(invocation& inv) noexcept {
    using plain = std::remove_cvref_t<Parameter>;
    if constexpr (tied_to_policy<plain>) {
        if (inv.environment.policy != router_policy<plain>) {
            inv.wrong = invocation::fault::policy;
            return false;
        }
    }
    (void)inv;
    return true;
}

template <class Parameter, std::size_t Next>
decltype(auto) argument(invocation& inv, auto& values) {
    if constexpr (is_dialog<std::remove_cvref_t<Parameter>>) {
        return injected_object<std::remove_cvref_t<Parameter>>(inv);
    } else if constexpr (injected<Parameter>) {
        return supply<Parameter>(inv);
    } else {
        return static_cast<
            std::conditional_t<std::is_lvalue_reference_v<Parameter>, Parameter, std::remove_cvref_t<Parameter>&&>>(
            std::get<Next>(values));
    }
}

/// For each parameter: how many before it travel, that is, its place among the decoded values.
template <class List>
struct places;
template <class... Ps>
struct places<type_list<Ps...>> {
    static constexpr auto table = [] {
        struct {
            std::size_t at[sizeof...(Ps) + 1];
        } t{};
        std::size_t i = 0;
        [[maybe_unused]] std::size_t next = 0;
        ((t.at[i++] = next, next += injected<Ps> ? 0 : 1), ...);
        return t;
    }();
};

template <class List>
struct value_tuple;
template <class... Ts>
struct value_tuple<type_list<Ts...>> {
    using type = std::tuple<Ts...>;
};

/// The arguments from the message. False, with a fault, where `F` cannot be run with what has come.
template <auto F, class... Ps, std::size_t... Ws, class Values>
bool take_arguments(invocation& inv, type_list<Ps...>, std::index_sequence<Ws...>, Values& values) {
    using traits = function_traits<F>;
    if (!(... && (codec<std::tuple_element_t<Ws, Values>>::decode(inv.arguments, std::get<Ws>(values)) || inv.bad_argument(Ws))))
        return false;
    if (!inv.arguments.finish()) return inv.bad_argument(sizeof...(Ws));
    if constexpr ((... || tied_to_policy<std::remove_cvref_t<Ps>>)) {
        if (!(... && suppliable<Ps>(inv))) return false;
    }
    if constexpr (traits::dialogs > 0 || is_item_range<typename traits::result>) {
        if (!inv.flow.port) {
            inv.wrong = invocation::fault::no_flow;
            return false;
        }
    }
    return true;
}

template <auto F, class... Ps, std::size_t... Is, std::size_t... Ws>
void invoke(invocation& inv, type_list<Ps...>, std::index_sequence<Is...>, std::index_sequence<Ws...>) {
    using traits = function_traits<F>;
    typename value_tuple<typename traits::wire_parameters>::type values{};
    if (!take_arguments<F>(inv, type_list<Ps...>{}, std::index_sequence<Ws...>{}, values)) return;
    using wire = typename wire_result<typename traits::result>::type;
    if constexpr (is_item_range<typename traits::result>) {
        item_range_result<typename traits::result>::run(inv,
                                                        F(argument<Ps, places<type_list<Ps...>>::table.at[Is]>(inv, values)...));
    } else if constexpr (std::is_void_v<wire>) {
        F(argument<Ps, places<type_list<Ps...>>::table.at[Is]>(inv, values)...);
    } else {
        const wire& value = F(argument<Ps, places<type_list<Ps...>>::table.at[Is]>(inv, values)...);
        inv.result.resize(encoded_size(value));
        writer w(inv.result.data(), inv.who.id);
        encode(w, value);
    }
}

} // namespace rpc::detail

template <>
inline constexpr bool is_injected<caller> = true;
template <>
inline constexpr bool is_injected<log::sink> = true;
template <class Io>
inline constexpr bool is_injected<basic_router<Io>> = true;
#if defined(__cpp_lib_jthread)
template <>
inline constexpr bool is_injected<std::stop_token> = true;
#endif

/// Decodes the arguments, calls `F`, encodes what it returns. One instance for each remote function; all else is shared.
template <auto F>
void invoke_thunk(invocation& inv) {
    using traits = function_traits<F>;
    using parameters = std::make_index_sequence<traits::arity>;
    using values = std::make_index_sequence<traits::wire_parameters::size>;
    if constexpr (is_task<typename traits::result>) {
        rpc::detail::suspended_result<F, typename traits::result, typename traits::parameters, parameters, values>::begin(inv);
    } else {
        rpc::detail::invoke<F>(inv, typename traits::parameters{}, parameters{}, values{});
    }
}

} // namespace mitogen::inline MITOGEN_ABI

// ---- mitogen/loop/condition.hpp ----
// condition.hpp: a condition variable whose sleepers may drive the loop.

namespace mitogen::inline MITOGEN_ABI {

/// Threads sleep on it until something holds that `mutex` protects: see basic_broker::wait, which does the sleeping.
///
/// Threads: any but the loop. Destroy it only when no thread is inside.
template <class Io>
class basic_condition {
    struct sleeper {
        waiter<Io> wake;
        sleeper* next = nullptr;

        explicit sleeper(Io& io) : wake(io) {}
    };

    sleeper* first_ = nullptr; // under the mutex

    void unlink(sleeper* gone) noexcept {
        sleeper** at = &first_;
        while (*at != gone) at = &(*at)->next;
        *at = gone->next;
    }

public:
    basic_condition() = default;
    basic_condition(basic_condition&&) = delete;

    /// Sleeps until `ready()` holds, which is asked with the mutex locked, or the deadline passes. Returns what ready() says at
    /// the end. `lock` holds the mutex before and after. The end of the loop alone wakes nobody: ready() must become true by it.
    template <class Ready>
    bool wait(std::unique_lock<typename Io::mutex>& lock, basic_broker<Io>& loop, instant deadline, Ready ready) {
        if (ready()) return true;
        sleeper self(loop.io());
        self.next = first_;
        first_ = &self;
        typename Io::mutex& mutex = *lock.mutex();
        do { // again where another thread has taken away what this one was woken for
            lock.unlock();
            loop.wait(self.wake, deadline, true, [&] {
                const std::lock_guard held(mutex);
                return ready();
            });
            lock.lock();
        } while (!ready() && (deadline == never || loop.io().now() < deadline));
        unlink(&self);
        return ready();
    }

    /// Wakes everyone who sleeps on it. With the mutex locked: a sleeper is gone once it has it.
    void notify_all() noexcept {
        for (sleeper* s = first_; s; s = s->next) s->wake.notify();
    }
};

} // namespace mitogen::inline MITOGEN_ABI

// ---- mitogen/rpc/watchers.hpp ----
// watchers.hpp: what is to run at the next change of something, each once.

namespace mitogen::inline MITOGEN_ABI {
namespace rpc::detail {

/// Callbacks that wait, each with the key under which it can be taken back. They are run and destroyed without the owner's mutex:
/// what a callback holds may be the last reference to its owner. Threads: all under the owner's mutex, but for run().
class watchers {
    struct watcher {
        const void* key;
        unique_function<void()> go;
    };
    std::vector<watcher> waiting_;

public:
    void add(const void* key, unique_function<void()> go) { waiting_.push_back({key, std::move(go)}); }

    /// All of them, to be run.
    watchers take() noexcept { return std::exchange(*this, {}); }

    /// Those of this key, to be dropped.
    watchers take(const void* key) {
        watchers taken;
        const auto first =
            std::stable_partition(waiting_.begin(), waiting_.end(), [&](const watcher& w) { return w.key != key; });
        std::move(first, waiting_.end(), std::back_inserter(taken.waiting_));
        waiting_.erase(first, waiting_.end());
        return taken;
    }

    bool empty() const noexcept { return waiting_.empty(); }

    void run() {
        for (watcher& w : waiting_) w.go();
    }
};

} // namespace rpc::detail
} // namespace mitogen::inline MITOGEN_ABI

// ---- mitogen/rpc/outbox.hpp ----
// outbox.hpp: the sending end of a flow.

namespace mitogen::inline MITOGEN_ABI {
namespace rpc::detail {

/// Sends items as the receiving end gives credit for them. Its own handle is bound to that end's context: of credit, of the
/// receiver's end and of the loss of its context it hears from nobody else.
///
/// Threads: any; what one thread sends arrives in order.
template <class Io>
class basic_outbox : public std::enable_shared_from_this<basic_outbox<Io>> {
    using core = basic_router_core<Io>;

    core& node_;
    context_id peer_;
    handle_id port_; // there
    handle_id own_;  // here
    typename Io::mutex mutex_;
    basic_condition<Io> changed_;
    wire::flow_credit credit_;
    std::uint64_t sent_ = 0;             // items
    std::optional<error> closed_;        // why nothing can be sent any more
    bool told_ = false;                  // the other end knows of it, or is gone
    watchers watchers_;                  // run when there is credit or nothing can be sent any more

    basic_outbox(core& node, context_id peer, flow_address to)
        : node_(node), peer_(peer), port_(to.port), own_(node.new_handle()), mutex_(node.loop().io()), credit_(to.window) {}

public:
    static std::shared_ptr<basic_outbox> open(core& node, context_id peer, flow_address to) {
        std::shared_ptr<basic_outbox> made(new basic_outbox(node, peer, to));
        const result<void> added = node.add_raw_handler(made->own_, {.from = accept::anyone, .respondent = peer},
                                                        [made](const message& m) { made->hear(m); });
        if (!added) made->lose(added.error());
        if (const std::optional<error> lost = node.why_lost(peer)) made->lose(*lost); // before the handler could be told
        return made;
    }

    context_id peer() const noexcept { return peer_; }

    /// Sends an item's message, which begins with its kind, when there is credit; waits for it until `deadline`. Errors: why the
    /// flow has ended; timeout; overloaded on the loop, which must not wait; message_too_large.
    result<void> send(buffer frame, instant deadline) {
        if (frame.size() > node_.bounds().message_bytes)
            return refusal::too_large_to_send(frame.size(), node_.bounds().message_bytes);
        if (!wait_for_room(deadline)) return error(reason::timeout, "the link took no more before the deadline");
        {
            std::unique_lock lock(mutex_);
            const auto ready = [this] { return closed_ || credit_.may_send(); };
            if (!ready() && (node_.on_loop() || !changed_.wait(lock, node_.loop(), deadline, ready))) return no_credit();
            if (closed_) return *closed_;
            enter(frame);
        }
        return post(std::move(frame));
    }

    /// Sends a message that somebody else has composed, where there is credit now. False where there is none; `frame` is then as
    /// it was.
    bool pass_on(buffer& frame) {
        {
            const std::lock_guard lock(mutex_);
            if (closed_ || !credit_.may_send()) return false;
            enter(frame);
        }
        (void)post(std::move(frame));
        return true;
    }

    core& node() noexcept { return node_; }

    /// True where there is credit, or nothing can be sent any more.
    bool ready() {
        const std::lock_guard lock(mutex_);
        return closed_ || credit_.may_send();
    }

    /// Runs `go` once, when ready(): now, where that is so.
    void then(unique_function<void()> go, const void* key = nullptr) {
        {
            const std::lock_guard lock(mutex_);
            if (!closed_ && !credit_.may_send()) return watchers_.add(key, std::move(go));
        }
        go();
    }

    /// Takes back what was given to then() with this key. False where there is nothing: it has run, or is about to.
    bool forget(const void* key) {
        watchers gone; // destroyed without the lock
        const std::lock_guard lock(mutex_);
        gone = watchers_.take(key);
        return !gone.empty();
    }

    /// Sends what needs no credit.
    result<void> tell(buffer frame) {
        if (const std::optional<error> why = closed()) return *why;
        return post(std::move(frame));
    }

    /// Says that nothing more follows, once; send() fails from now on.
    void end(wire::flow_frame how = wire::flow_frame::end) {
        std::uint64_t items = 0;
        {
            const std::lock_guard lock(mutex_);
            if (std::exchange(told_, true)) return;
            items = sent_;
        }
        close(error(reason::sender_closed, "this end has been closed"));
        (void)post(encode(static_cast<std::uint8_t>(how), items));
    }

    /// From now on send() fails with `why`; the other end hears of it at end().
    void close(error why) {
        watchers tell;
        {
            const std::lock_guard lock(mutex_);
            if (closed_) return;
            closed_.emplace(std::move(why));
            changed_.notify_all();
            tell = watchers_.take();
        }
        node_.remove_handler(own_);
        tell.run();
    }

    /// The other end is gone: nothing needs to be said.
    void lose(error why) {
        {
            const std::lock_guard lock(mutex_);
            told_ = true;
        }
        close(std::move(why));
    }

    /// Why nothing can be sent any more; nothing while it can.
    std::optional<error> closed() {
        const std::lock_guard lock(mutex_);
        return closed_;
    }

private:
    result<void> post(buffer frame) {
        result<void> sent = node_.send(node_.address(peer_, port_, own_), std::move(frame), urgency::soon);
        if (!sent) lose(sent.error());
        return sent;
    }

    /// Under the mutex.
    void enter(const buffer& frame) noexcept {
        credit_.spend(frame.size());
        ++sent_;
    }

    bool wait_for_room(instant deadline) {
        if (node_.on_loop()) return true;
        const auto via = node_.towards(peer_);
        return !via || via->stream->wait_for_room(deadline);
    }

    error no_credit() const {
        if (node_.on_loop())
            return error(reason::overloaded, "the receiver takes no more now, and the loop must not wait for it");
        return error(reason::timeout, "the receiver took no more before the deadline");
    }

    /// On the loop.
    void hear(const message& m) {
        if (m.dead()) return lose(receiver_gone(m));
        reader r(m.payload);
        std::uint8_t kind{};
        std::uint64_t bytes{};
        if (!decode(r, kind)) return;
        if (kind == static_cast<std::uint8_t>(wire::flow_frame::stop))
            return lose(error(reason::sender_closed, "the receiver has been closed"));
        if (kind != static_cast<std::uint8_t>(wire::flow_frame::credit) || !decode(r, bytes) || !r.finish()) return;
        watchers tell;
        {
            const std::lock_guard lock(mutex_);
            credit_.grant(bytes);
            changed_.notify_all();
            if (credit_.may_send()) tell = watchers_.take();
        }
        tell.run();
    }

    static error receiver_gone(const message& m) {
        error why = decode_error(m.payload);
        if (why.reason() == reason::invalid_handle) return error(reason::sender_closed, "the receiver has been closed");
        return why;
    }
};

} // namespace rpc::detail
} // namespace mitogen::inline MITOGEN_ABI

// ---- mitogen/rpc/item_sink.hpp ----
// item_sink.hpp: where a running function sends items to its caller, until it is cancelled.

#if defined(__cpp_lib_jthread)
#include <stop_token>
#endif

namespace mitogen::inline MITOGEN_ABI {

namespace rpc::detail {

/// Runs `go` with the reason when the call that runs is told to stop; while it lives. Once, on any thread.
class cancel_watch {
    struct work {
        unique_function<void(const error&)> go;
        context_id caller;
    };
    struct fire {
        std::shared_ptr<work> what;
        invocation* inv;
        void operator()() const {
            // Where threads are simulated the function may leave meanwhile: std::stop_callback knows the real ones only.
            const std::shared_ptr<work> kept = what;
            const cancel_radius what_is_cancelled = inv->cancelled(*inv);
            if (what_is_cancelled == cancel_radius::none)
                return kept->go(error(reason::broker_exited, "the context that executes the call is ending"));
            kept->go(cancelled_by_caller(kept->caller, what_is_cancelled));
        }
    };
#if defined(__cpp_lib_jthread)
    std::stop_callback<fire> callback_;

public:
    cancel_watch(invocation& inv, unique_function<void(const error&)> go)
        : callback_(inv.stop(inv), fire{std::make_shared<work>(work{std::move(go), inv.who.id}), &inv}) {}
#else
public:
    cancel_watch(invocation&, unique_function<void(const error&)>) {} // without stop tokens a function runs to its end
#endif
};

} // namespace rpc::detail

/// The sink of one call.
template <class Io>
class basic_item_sink final : public item_sink {
    std::shared_ptr<rpc::detail::basic_outbox<Io>> out_;
    rpc::detail::cancel_watch on_cancel_;

public:
    explicit basic_item_sink(invocation& inv)
        : out_(rpc::detail::basic_outbox<Io>::open(static_cast<basic_router_core<Io>&>(*inv.environment.router), inv.who.id,
                                                   inv.flow)),
          on_cancel_(inv, [out = out_](const error& why) { out->close(why); }) {}
    ~basic_item_sink() override { out_->end(wire::flow_frame::done); }

    static std::unique_ptr<item_sink> open(invocation& inv) { return std::make_unique<basic_item_sink>(inv); }

    result<void> send(buffer item) override { return out_->send(std::move(item), never); }
};

} // namespace mitogen::inline MITOGEN_ABI

// ---- mitogen/rpc/future.hpp ----
// future.hpp: the answer to a call that is under way.

namespace mitogen::inline MITOGEN_ABI {

/// What the caller holds of a result of type `T`: views become the containers that own what they show.
template <class T>
struct owned_result {
    using type = T;
};
template <>
struct owned_result<std::string_view> {
    using type = std::string;
};
template <class T, std::size_t N>
struct owned_result<std::span<T, N>> {
    using type = std::vector<std::remove_cv_t<T>>;
};

/// What does not depend on the type of the value; see basic_future.
class future_base {
protected:
    awaited* pending_ = nullptr;
    call_port* router_ = nullptr;
    decode_environment environment_{};
    limits bounds_{}; // copies: the answer may be decoded when the router is gone

    static error would_stop_the_loop() {
        return error(reason::misuse, "a function that runs on the loop waits for an answer, which only the loop could bring; "
                                     "run it on::main or on::pool, or co_await");
    }
    bool may_wait() const noexcept { return pending_->done() || !router_->on_loop(); }

    future_base() = default;
    future_base(awaited* p, call_port& node, decode_environment environment) noexcept
        : pending_(p), router_(&node), environment_(environment), bounds_(node.bounds()) {}
    future_base(future_base&& other) noexcept
        : pending_(std::exchange(other.pending_, nullptr)), router_(other.router_), environment_(other.environment_),
          bounds_(other.bounds_) {}
    future_base& operator=(future_base&& other) noexcept {
        if (this != &other) {
            drop();
            pending_ = std::exchange(other.pending_, nullptr);
            router_ = other.router_;
            environment_ = other.environment_;
            bounds_ = other.bounds_;
        }
        return *this;
    }
    ~future_base() { drop(); }

    void drop() noexcept {
        if (!pending_) return;
        if (!pending_->done()) cancel();
        std::exchange(pending_, nullptr)->release();
    }

    /// Waits as long as it takes, or `span`. An error where that may not or did not happen.
    std::optional<error> wait_for(duration_ns span) {
        if (pending_->done()) return std::nullopt;
        if (router_->on_loop()) return would_stop_the_loop();
        if (router_->await(*pending_, span == never ? never : after(router_->now(), span))) return std::nullopt;
        return error(reason::timeout, "no answer within the time given to get_for()");
    }

public:
    /// False for one that was default-constructed or moved from; nothing else may then be called.
    bool valid() const noexcept { return pending_ != nullptr; }

    /// True once there is a value or an error. Never blocks.
    bool done() const noexcept { return pending_->done(); }

    /// Waits until done() or the deadline; returns done(). Not on the loop, where nothing could arrive meanwhile.
    bool wait_until(instant deadline) {
        if (pending_->done()) return true;
        if (!may_wait()) raise(would_stop_the_loop());
        return router_->await(*pending_, deadline);
    }

    /// Gives the call up: this future is done, with an error of reason::cancelled, and the callee is told: a call that waits
    /// there is removed, the stop token of one that runs fires. Nothing happens where it is done already.
    void cancel() {
        if (done()) return; // the router may be gone
        abandon(cancelled_by_caller(router_->id(), cancel_radius::call));
    }

    /// As cancel(), with another error.
    void abandon(error why) {
        if (pending_->fail(std::move(why))) router_->cancel_call(*pending_);
    }

    /// Runs `go` once this is done: at once, or on the thread that completes it, which is normally the loop. Never blocks there.
    void then(unique_function<void()> go) { pending_->then(std::move(go)); }

    /// The router that brings the answer.
    call_port& port() const noexcept { return *router_; }

    /// For select and the like.
    awaited* state() const noexcept { return pending_; }

    // ---- co_await: resumes on the thread that completes the call, normally the loop

    bool await_ready() const noexcept { return done(); }
    void await_suspend(std::coroutine_handle<> waiting) {
        then([waiting] { waiting.resume(); });
    }
};

/// The answer to a call. Moves; does not copy. Dropping it abandons the call: the callee is told, and a late answer is dropped.
///
/// Threads: one at a time. Blocks: get() and get_for(). May outlive the router; the answer is then the error broker_exited.
template <class T, class Io>
class [[nodiscard]] basic_future : public future_base {
public:
    using value_type = T;

    basic_future() = default;
    /// Takes over one reference to `p`.
    basic_future(awaited* p, call_port& node, decode_environment environment) noexcept : future_base(p, node, environment) {}

    /// Waits and returns the value or the error.
    result<T> try_get() {
        if (std::optional<error> why = wait_for(never)) return std::move(*why);
        return outcome();
    }

    /// Waits and returns the value; throws the error.
    T get() { return try_get().value(); }

    /// As get(), but waits at most `span`: then it throws timeout_error, and the call goes on.
    template <class Rep, class Period>
    T get_for(std::chrono::duration<Rep, Period> span) {
        return try_get_for(span).value();
    }

    /// As try_get(), but waits at most `span`: then it returns an error with reason::timeout, and the call goes on.
    template <class Rep, class Period>
    result<T> try_get_for(std::chrono::duration<Rep, Period> span) {
        if (std::optional<error> why = wait_for(to_ns(span))) return std::move(*why);
        return outcome();
    }

    /// The value or the error of a future that is done().
    result<T> outcome() {
        if (const error* why = pending_->failure()) return *why;
        reader r(std::span<const std::byte>(pending_->payload()), bounds_, &environment_);
        if constexpr (std::is_void_v<T>) {
            if (r.finish()) return {};
            return r.failure();
        } else {
            T value{};
            if (mitogen::decode(r, value) && r.finish()) return result<T>(std::move(value));
            return r.failure(&codec<T>::signature);
        }
    }

    T await_resume() { return outcome().value(); }
};

} // namespace mitogen::inline MITOGEN_ABI

// ---- mitogen/rpc/task_scope.hpp ----
// task_scope.hpp: where a task runs: on which loop, and until when; and what it waits for there.

namespace mitogen::inline MITOGEN_ABI {

class task_wait;

/// One task that was started, with all that it awaits: they wait for one thing at a time. Lives until the outermost coroutine has
/// ended, and says so by ended(). Threads: as marked; "loop" is the one that it runs on.
class task_scope {
    friend class task_wait;

    task_wait* waiting_ = nullptr; // the wait that is under way
    std::optional<error> cancelled_{};
    bool running_ = false;
    bool finished_ = false;
    loop_task* later_ = nullptr; // where no loop runs it
    struct last_step : loop_task {
        task_scope* scope = nullptr;
    } last_{};

public:
    task_scope() {
        last_.scope = this;
        last_.run = [](loop_task& t) { static_cast<last_step&>(t).scope->ended(); };
    }
    task_scope(task_scope&&) = delete;

    /// Why everything that the task waits for from now on ends; null while it is not cancelled. Loop.
    const error* cancelled() const noexcept { return cancelled_ ? &*cancelled_ : nullptr; }

    /// Ends the wait that is under way, and every later one, with `why`. Only the first counts. Loop.
    void cancel(const error& why);

    /// Goes on with the coroutine. Loop.
    void resume(std::coroutine_handle<> at) {
        running_ = true;
        at.resume();
        running_ = false;
        if (finished_) return ended();
        if (loop_task* next = std::exchange(later_, nullptr)) next->run(*next);
    }

    /// For the outermost coroutine, which has ended. Any: something foreign that it awaited may have resumed it.
    void finish() {
        finished_ = true;
        if (!running_) post(last_);
    }

    /// Runs a task on the loop; where that has ended, on this thread. Any.
    virtual void post(loop_task& step) = 0;
    virtual void set_timer(timer& t, instant at) = 0;
    virtual void cancel_timer(timer& t) noexcept = 0;
    /// The router that the task runs beside. Any.
    virtual call_port& port() noexcept = 0;

protected:
    ~task_scope() = default;
    /// For post(), where the loop has ended.
    void post_here(loop_task& step) {
        if (running_) {
            later_ = &step;
        } else {
            step.run(step);
        }
    }
    /// The outermost coroutine has ended, and nothing of it runs any more. Loop.
    virtual void ended() = 0;
};

/// One wait of a task: lives in the coroutine's frame. What is waited for calls wake(), exactly once after each arm(): so nothing
/// refers to the frame when it goes on. Whoever cancels only makes that happen earlier.
class task_wait : loop_task {
    friend class task_scope;

    task_scope* scope_ = nullptr;
    std::coroutine_handle<> waiting_{};
    bool begun_ = false;
    bool armed_ = false;

    void step() {
        armed_ = false;
        if (!std::exchange(begun_, true)) return start(); // something foreign had resumed the task elsewhere
        if (!happened() && !scope_->cancelled()) return start();
        scope_->waiting_ = nullptr;
        scope_->resume(waiting_);
    }

    void start() {
        scope_->waiting_ = this;
        if (const error* why = scope_->cancelled()) {
            give_up(*why, false);
            return scope_->post(*this); // also a task that does not heed it leaves the loop to others
        }
        armed_ = true;
        arm();
    }

protected:
    task_wait() {
        run = [](loop_task& t) { static_cast<task_wait&>(t).step(); };
    }
    task_wait(task_wait&&) = delete;
    ~task_wait() = default;

    /// The one that waits, from begin() on.
    task_scope& scope() const noexcept { return *scope_; }

    /// Throws why the task is cancelled, where what it waited for has not happened.
    void check() {
        if (!happened()) raise(*scope_->cancelled());
    }

    /// True where there is nothing to wait for. Where it is false after wake(), the wait begins again.
    virtual bool happened() = 0;
    /// Has wake() called when it may have happened: soon, if it has. On the loop.
    virtual void arm() = 0;
    /// It is not waited for any more; if it is `armed`, wake() shall follow at once. On the loop.
    virtual void give_up(const error& why, bool armed) = 0;

    void begin(task_scope& scope, std::coroutine_handle<> waiting) {
        scope_ = &scope;
        waiting_ = waiting;
        begun_ = scope.port().on_loop();
        begun_ ? start() : scope.post(*this);
    }

public:
    /// The task looks whether it can go on. Any.
    void wake() { scope_->post(*this); }
};

inline void task_scope::cancel(const error& why) {
    if (cancelled_) return;
    cancelled_.emplace(why);
    if (waiting_ && waiting_->armed_) waiting_->give_up(*cancelled_, true);
}

} // namespace mitogen::inline MITOGEN_ABI

// ---- mitogen/rpc/task.hpp ----
// task.hpp: a coroutine with one result, which runs on a loop and waits there without stopping it.

namespace mitogen::inline MITOGEN_ABI {

template <class T>
class task;

namespace rpc::detail {

/// A task waits for the answer to a call. A task that is cancelled gives the call up.
template <class Future>
class future_wait final : task_wait {
    Future& future_;

    bool happened() override { return future_.done(); }
    void arm() override {
        future_.then([this] { wake(); });
    }
    void give_up(const error& why, bool) override { future_.abandon(why); }

public:
    explicit future_wait(Future& f) noexcept : future_(f) {}

    bool await_ready() const noexcept { return future_.done(); }
    template <class Promise>
    void await_suspend(std::coroutine_handle<Promise> waiting) {
        begin(*waiting.promise().scope, waiting);
    }
    decltype(auto) await_resume() { return future_.await_resume(); }
};

struct task_promise_base {
    task_scope* scope = nullptr;            // set by whoever starts or awaits it
    std::coroutine_handle<> awaited_by{};   // none: it is the outermost
#if MITOGEN_HAS_EXCEPTIONS
    std::exception_ptr failure{};
#endif

    struct last {
        bool await_ready() const noexcept { return false; }
        template <class Promise>
        std::coroutine_handle<> await_suspend(std::coroutine_handle<Promise> ended) const noexcept {
            task_promise_base& p = ended.promise();
            if (p.awaited_by) return p.awaited_by;
            p.scope->finish();
            return std::noop_coroutine();
        }
        void await_resume() const noexcept {}
    };

    std::suspend_always initial_suspend() const noexcept { return {}; }
    last final_suspend() const noexcept { return {}; }
    void unhandled_exception() noexcept {
#if MITOGEN_HAS_EXCEPTIONS
        failure = std::current_exception();
#endif
    }
    void rethrow() {
#if MITOGEN_HAS_EXCEPTIONS
        if (failure) std::rethrow_exception(std::exchange(failure, nullptr));
#endif
    }

    template <class Future>
        requires std::derived_from<std::remove_cvref_t<Future>, future_base>
    future_wait<std::remove_reference_t<Future>> await_transform(Future&& answer) noexcept {
        return future_wait<std::remove_reference_t<Future>>(answer);
    }
    /// Anything else that can be awaited. It may resume the task on any thread; from its next wait on it is on its loop again.
    template <class Other>
        requires(!std::derived_from<std::remove_cvref_t<Other>, future_base>)
    Other&& await_transform(Other&& other) noexcept {
        return static_cast<Other&&>(other);
    }
};

template <class T>
struct task_promise : task_promise_base {
    std::optional<T> value{};

    task<T> get_return_object();
    template <class From = T>
    void return_value(From&& from) {
        value.emplace(std::forward<From>(from));
    }
    T take() {
        rethrow();
        return std::move(*value);
    }
};
template <>
struct task_promise<void> : task_promise_base {
    task<void> get_return_object();
    void return_void() const noexcept {}
    void take() { rethrow(); }
};

} // namespace rpc::detail

/// What a coroutine returns that uses co_await and has one result. It begins when it is awaited, by another task, or started: as
/// a remote function, which is called like any other, or by spawn() and block_on().
///
/// It runs on the loop, in turn with thousands of others: it must not block. It may co_await futures, other tasks, sleep_for(),
/// and the async_ members of dialogs, channels and streams. When it is cancelled, what it waits for ends with cancelled_error, at
/// once and every time. As in every coroutine, parameters by reference must outlive it: those of a remote function live until its
/// answer. Moves; does not copy. One that has begun must not be destroyed before it has ended.
template <class T = void>
class [[nodiscard]] task {
    static_assert(std::is_void_v<T> || std::is_object_v<T>, "mitogen: the result of a task is a value or nothing, no reference");

public:
    using promise_type = rpc::detail::task_promise<T>;
    using value_type = T;

private:
    friend promise_type;
    std::coroutine_handle<promise_type> coroutine_;

    explicit task(promise_type& made) noexcept : coroutine_(std::coroutine_handle<promise_type>::from_promise(made)) {}

    struct awaiter {
        std::coroutine_handle<promise_type> inner;

        bool await_ready() const noexcept { return false; }
        template <class Promise>
        std::coroutine_handle<> await_suspend(std::coroutine_handle<Promise> outer) noexcept {
            static_assert(std::derived_from<Promise, rpc::detail::task_promise_base>,
                          "mitogen: a task is awaited by another task; start the outermost one with spawn() or block_on()");
            inner.promise().scope = outer.promise().scope;
            inner.promise().awaited_by = outer;
            return inner;
        }
        T await_resume() { return inner.promise().take(); }
    };

public:
    task(task&& other) noexcept : coroutine_(std::exchange(other.coroutine_, nullptr)) {}
    task& operator=(task other) noexcept {
        std::swap(coroutine_, other.coroutine_);
        return *this;
    }
    ~task() {
        if (coroutine_) coroutine_.destroy();
    }

    /// Runs it to its end; its result, or what it threw. Once.
    awaiter operator co_await() && noexcept { return awaiter{coroutine_}; }

    /// For whoever starts it: runs it as the outermost one, up to its first wait or to its end. On the loop.
    void start(task_scope& scope) {
        coroutine_.promise().scope = &scope;
        scope.resume(coroutine_);
    }
    /// After its end: the result, or what it threw. Once.
    T take() { return coroutine_.promise().take(); }
};

template <class T>
task<T> rpc::detail::task_promise<T>::get_return_object() {
    return task<T>(*this);
}
inline task<void> rpc::detail::task_promise<void>::get_return_object() { return task<void>(*this); }

template <class T>
inline constexpr bool is_task<task<T>> = true;
template <class T>
struct wire_result<task<T>> {
    using type = T;
};

namespace rpc::detail {

/// A task sleeps.
class sleep_wait final : task_wait {
    duration_ns span_;
    instant until_ = 0;
    bool over_ = false;
    timer timer_{};

    bool happened() override { return over_; }
    void arm() override {
        if (until_ == 0) until_ = after(scope().port().now(), span_);
        timer_.fire = [this] {
            over_ = true;
            wake();
        };
        scope().set_timer(timer_, until_);
    }
    void give_up(const error&, bool armed) override {
        if (!armed || !timer_.is_set()) return;
        scope().cancel_timer(timer_);
        wake();
    }

public:
    explicit sleep_wait(duration_ns span) noexcept : span_(span) {}

    bool await_ready() const noexcept { return false; }
    template <class Promise>
    void await_suspend(std::coroutine_handle<Promise> waiting) {
        begin(*waiting.promise().scope, waiting);
    }
    void await_resume() { check(); }
};

/// Movable, as g++ wants what is awaited; the wait itself is not.
struct sleep_time {
    duration_ns span;
    sleep_wait operator co_await() const noexcept { return sleep_wait(span); }
};

} // namespace rpc::detail

/// `co_await mitogen::sleep_for(100ms)`: the task goes on after that time, by the clock of its I/O policy. A span of 0 lets the
/// loop do what else there is. Throws cancelled_error where the task is cancelled.
template <class Rep, class Period>
rpc::detail::sleep_time sleep_for(std::chrono::duration<Rep, Period> span) noexcept {
    return {to_ns(span)};
}

} // namespace mitogen::inline MITOGEN_ABI

// ---- mitogen/rpc/task_invocation.hpp ----
// task_invocation.hpp: one execution of a remote function that returns task<T>: what must live until its answer.

#if defined(__cpp_lib_jthread)
#include <stop_token>
#endif

namespace mitogen::inline MITOGEN_ABI {

/// The arguments of a task, and its coroutine.
class suspended_call {
public:
    virtual ~suspended_call() = default;
    /// Runs it to its first wait, or to its end.
    virtual void start(task_scope& scope) = 0;
    /// After its end: its result becomes that of the invocation. Throws what it threw.
    virtual void take(invocation& inv) = 0;
};

/// What the thunk of such a function is called with; for the others it is an invocation like any other.
struct task_invocation : invocation {
    std::unique_ptr<suspended_call> body{}; ///< where nothing was wrong
};

namespace rpc::detail {

/// What a parameter that is not sent refers to, where nothing else keeps it.
template <class Plain>
struct kept_parameter {
    explicit kept_parameter(invocation&) noexcept {}
    template <class Parameter, std::size_t Next>
    decltype(auto) get(invocation& inv, auto& values) {
        return argument<Parameter, Next>(inv, values);
    }
};
template <class Plain>
    requires is_dialog<Plain>
struct kept_parameter<Plain> {
    injected_object<Plain> made;

    explicit kept_parameter(invocation& inv) : made(inv) {}
    template <class Parameter, std::size_t Next>
    Plain& get(invocation&, auto&) {
        return made;
    }
};
#if defined(__cpp_lib_jthread)
template <>
struct kept_parameter<std::stop_token> {
    std::stop_token made;

    explicit kept_parameter(invocation& inv) : made(inv.stop(inv)) {}
    template <class Parameter, std::size_t Next>
    std::stop_token& get(invocation&, auto&) {
        return made;
    }
};
#endif

template <auto F, class T, class... Ps, std::size_t... Is, std::size_t... Ws>
struct suspended_result<F, task<T>, type_list<Ps...>, std::index_sequence<Is...>, std::index_sequence<Ws...>> final
    : suspended_call {
    typename value_tuple<typename function_traits<F>::wire_parameters>::type values{};
    std::tuple<std::optional<kept_parameter<std::remove_cvref_t<Ps>>>...> kept{};
    std::optional<task<T>> coroutine{};

    static void begin(invocation& inv) {
        auto self = std::make_unique<suspended_result>();
        if (!take_arguments<F>(inv, type_list<Ps...>{}, std::index_sequence<Ws...>{}, self->values)) return;
        (std::get<Is>(self->kept).emplace(inv), ...);
        [[maybe_unused]] constexpr auto place = places<type_list<Ps...>>::table;
        self->coroutine.emplace(F(std::get<Is>(self->kept)->template get<Ps, place.at[Is]>(inv, self->values)...));
        static_cast<task_invocation&>(inv).body = std::move(self);
    }

    void start(task_scope& scope) override { coroutine->start(scope); }

    void take(invocation& inv) override {
        if constexpr (std::is_void_v<T>) {
            coroutine->take();
        } else {
            const T& value = coroutine->take();
            inv.result.resize(encoded_size(value));
            writer w(inv.result.data(), inv.who.id);
            encode(w, value);
        }
    }
};

} // namespace rpc::detail
} // namespace mitogen::inline MITOGEN_ABI

// ---- mitogen/rpc/task_calls.hpp ----
// task_calls.hpp: the tasks that other contexts have called and that have not ended yet.

namespace mitogen::inline MITOGEN_ABI {

/// A task's way to its loop.
template <class Io>
class basic_task_scope : public task_scope {
    basic_router_core<Io>& node_;

public:
    explicit basic_task_scope(basic_router_core<Io>& node) : node_(node) {}

    void post(loop_task& step) final {
        if (!node_.loop().post_to_end(step)) this->post_here(step);
    }
    void set_timer(timer& t, instant at) final { node_.loop().set_timer(t, at); }
    void cancel_timer(timer& t) noexcept final { node_.loop().cancel_timer(t); }
    call_port& port() noexcept final { return node_; }

protected:
    ~basic_task_scope() = default;
};

/// Runs calls as tasks for a dispatcher, `Owner`: it has attach(invocation, call); invoke(entry, invocation), which catches, as
/// its guarded(invocation, work) does; and finish(header, invocation, chain, urgency). Calls of one chain run one after the
/// other. Threads: loop, but for join().
template <class Owner, class Io>
class basic_task_calls {
    using call = incoming_call;
    using chain = std::pair<context_id, std::uint64_t>;

    /// One of them.
    struct running final : basic_task_scope<Io> {
        basic_task_calls& calls;
        call& request;
        reader arguments;
        buffer result{};
        task_invocation inv;
        running* previous = nullptr;
        running* next = nullptr;

        running(basic_task_calls& all, call& c, decode_environment& environment)
            : basic_task_scope<Io>(all.node_), calls(all), request(c),
              arguments(std::span<const std::byte>(c.payload).subspan(c.arguments_at), all.node_.bounds(), &environment),
              inv{{arguments, result, environment, {c.head.src, c.head.auth}, c.flow}, {}} {}
        void ended() override { calls.end(*this); }
    };

    basic_router_core<Io>& node_;
    Owner& owner_;
    incoming_calls<Io>& calls_;
    running* first_ = nullptr;
    std::map<chain, std::deque<call*>> chains_; // those of which a task runs, with what waits behind it
    std::atomic<std::size_t> open_{0};          // that run, or wait for their chain
    waiter<Io> all_ended_;

public:
    basic_task_calls(basic_router_core<Io>& node, Owner& owner, incoming_calls<Io>& calls)
        : node_(node), owner_(owner), calls_(calls), all_ended_(node.loop().io()) {}
    basic_task_calls(basic_task_calls&&) = delete;

    /// Runs a call up to its first wait.
    void add(call& c, decode_environment& environment) {
        open_.fetch_add(1, std::memory_order_relaxed);
        if (c.chain) {
            const auto [at, first] = chains_.try_emplace({c.head.src, c.chain});
            if (!first) return at->second.push_back(&c);
        }
        start(c, environment);
    }

    /// The caller of one of them does not wait any more.
    void cancel(context_id src, handle_id reply_to, cancel_radius what) {
        if (task_scope* scope = calls_.task_of(src, reply_to)) scope->cancel(cancelled_by_caller(src, what));
    }

    /// What they wait for ends.
    void cancel_all(const error& why) {
        for (running* r = first_; r;) {
            running* next = r->next;
            r->cancel(why); // ends none: it goes on later
            r = next;
        }
    }

    /// Cancels all and waits until they have ended. Threads: any but the loop.
    void join(const error& why) {
        const auto cancel = [&] { cancel_all(why); };
        const auto none = [this] { return open_.load(std::memory_order_acquire) == 0; };
        if (!node_.loop().run(cancel)) cancel(); // nobody else runs them any more
        if (none()) return;
        node_.loop().wait(all_ended_, never, true, none);
        node_.loop().run([] {}); // what has notified is through
    }

private:
    void start(call& c, decode_environment& environment) {
        auto* r = new running(*this, c, environment);
        if (r->next = first_; r->next) r->next->previous = r;
        first_ = r;
        Owner::attach(r->inv, c);
        if (std::optional<error> refusal = calls_.begin(c, node_.loop().io().now())) {
            r->inv.failure = std::move(refusal);
            return end(*r);
        }
        owner_.invoke(*c.entry, r->inv);
        if (!r->inv.body) return end(*r);
        calls_.set_task(c, r);
        if (c.cancelled != cancel_radius::none) r->cancel(cancelled_by_caller(c.head.src, c.cancelled));
        r->inv.body->start(*r);
    }

    void end(running& r) {
        call& c = r.request;
        if (const std::unique_ptr<suspended_call> body = std::move(r.inv.body))
            owner_.guarded(r.inv, [&] { body->take(r.inv); });
        calls_.set_task(c, nullptr);
        calls_.end(c);
        owner_.finish(c.head, r.inv, c.chain, urgency::soon);
        const chain of{c.head.src, c.chain};
        decode_environment& environment = r.inv.environment;
        calls_.finish(c);
        (r.previous ? r.previous->next : first_) = r.next;
        if (r.next) r.next->previous = r.previous;
        delete &r;
        if (of.second && chains_.at(of).empty()) {
            chains_.erase(of);
        } else if (of.second) {
            // Not from here: it may end at once, and so may the next.
            node_.loop().defer([this, of, &environment] { go_on(of, environment); });
        }
        if (open_.fetch_sub(1, std::memory_order_acq_rel) == 1) all_ended_.notify();
    }

    void go_on(const chain& of, decode_environment& environment) {
        std::deque<call*>& waiting = chains_.at(of);
        call& next = *waiting.front();
        waiting.pop_front();
        start(next, environment);
    }
};

} // namespace mitogen::inline MITOGEN_ABI

// ---- mitogen/sync/latch.hpp ----
// latch.hpp: a queue that threads sleep on. First come, first served, for items and for sleepers.

namespace mitogen::inline MITOGEN_ABI {

/// Hands each item to exactly one thread.
///
/// An item that is put while threads sleep goes to the one that has slept longest, at once and by name: a thread that comes later
/// cannot take it, and a sleeper whose deadline passes in the same moment still gets it. close() wakes everyone with an error,
/// also when items are left. Sleeping holds no descriptor. (What this replaces: Mitogen's Latch, whose history is four bugs in
/// exactly these places.)
///
/// Threads: any. Blocks: get() and get_until(). Destroy it only when no thread is inside.
template <class T, class Io>
class basic_latch {
    struct sleeper {
        waiter<Io> wake;
        std::optional<T> item{};
        std::atomic<bool> served{false}; // an item or the end has come; written under the lock
        sleeper* next = nullptr;

        explicit sleeper(Io& io) : wake(io) {}
    };

    Io& io_;
    typename Io::mutex mutex_;
    std::deque<T> items_;      // not empty only while nobody sleeps
    sleeper* first_ = nullptr; // longest asleep
    sleeper* last_ = nullptr;
    bool closed_ = false;

    static error closed_error() { return error(reason::sender_closed, "the latch is closed"); }

    void unlink(sleeper* gone) noexcept {
        sleeper* before = nullptr;
        for (sleeper* s = first_; s; before = s, s = s->next) {
            if (s != gone) continue;
            (before ? before->next : first_) = s->next;
            if (last_ == s) last_ = before;
            return;
        }
    }

public:
    explicit basic_latch(Io& io) : io_(io), mutex_(io) {}
    basic_latch(basic_latch&&) = delete;

    /// Adds an item, or hands it to the thread that has slept longest. False, with the item untouched, once closed.
    bool put(T&& item) {
        const std::lock_guard lock(mutex_);
        if (closed_) return false;
        if (sleeper* s = first_) {
            first_ = s->next;
            if (!first_) last_ = nullptr;
            s->item.emplace(std::move(item));
            s->served.store(true, std::memory_order_release);
            s->wake.notify(); // under the lock: the sleeper takes it before its stack frame goes
        } else {
            items_.push_back(std::move(item));
        }
        return true;
    }

    /// An item if there is one now.
    std::optional<T> try_get() {
        const std::lock_guard lock(mutex_);
        if (closed_ || items_.empty()) return std::nullopt;
        std::optional<T> item(std::move(items_.front()));
        items_.pop_front();
        return item;
    }

    /// The next item. Sleeps at most until `deadline`; a deadline in the past still takes an item that is there.
    /// Errors: timeout; sender_closed. `sleep(waiter, deadline, ready)` does the sleeping; it returns when ready() or at the
    /// deadline.
    template <class Sleep>
    result<T> get_until(instant deadline, Sleep&& sleep) {
        sleeper self(io_);
        {
            const std::lock_guard lock(mutex_);
            if (closed_) return closed_error();
            if (!items_.empty()) {
                T item(std::move(items_.front()));
                items_.pop_front();
                return item;
            }
            (last_ ? last_->next : first_) = &self;
            last_ = &self;
        }
        sleep(self.wake, deadline, [&self] { return self.served.load(std::memory_order_acquire); });
        const std::lock_guard lock(mutex_);
        if (self.item) return std::move(*self.item);
        if (closed_) return closed_error();
        unlink(&self);
        return error(reason::timeout, "no item came before the deadline");
    }

    /// The same, sleeping on a parker of this thread.
    result<T> get_until(instant deadline) {
        return get_until(deadline, [](waiter<Io>& wake, instant until, auto&& ready) {
            while (!ready() && wake.sleep_until(until)) {}
        });
    }

    /// The next item; sleeps as long as it takes.
    result<T> get() { return get_until(never); }

    /// Wakes every sleeper with an error; every later get and put fails. Items that are left are dropped with the latch.
    void close() {
        const std::lock_guard lock(mutex_);
        closed_ = true;
        for (sleeper* s = first_; s;) {
            sleeper* next = s->next; // before notify: afterwards the sleeper may be gone once the lock is free
            s->served.store(true, std::memory_order_release);
            s->wake.notify();
            s = next;
        }
        first_ = last_ = nullptr;
    }

    /// Items that wait for a thread.
    std::size_t size() {
        const std::lock_guard lock(mutex_);
        return items_.size();
    }

    bool closed() {
        const std::lock_guard lock(mutex_);
        return closed_;
    }
};

} // namespace mitogen::inline MITOGEN_ABI

// ---- mitogen/rpc/dispatcher.hpp ----
// dispatcher.hpp: takes calls from the loop to where they run, and their results back.

namespace mitogen::inline MITOGEN_ABI {

/// Executes the calls that one context receives: on the loop at once or as tasks, on the main thread in order, or on a pool.
///
/// The main thread drives the loop while it has nothing to execute, so that a call reaches it without waking anybody; before it
/// executes it leaves the loop to the broker's thread. That thread therefore answers, routes, cancels and shuts down whatever the
/// function does. Threads: as marked. The router outlives it.
template <class Io>
class basic_dispatcher {
    using core = basic_router_core<Io>;
    using call = incoming_call;

    core& router_;
    decode_environment environment_;
    std::string name_;
    incoming_calls<Io> calls_;
    waiter<Io> main_wake_;
    std::atomic<bool> stopping_{false};
    std::atomic<bool> retired_{false};
    basic_latch<call*, Io> pool_queue_;
    std::vector<typename Io::thread> pool_;
    std::size_t pool_limit_;
    std::atomic<std::size_t> pool_busy_{0};
    friend class basic_task_calls<basic_dispatcher, Io>;
    basic_task_calls<basic_dispatcher, Io> tasks_{router_, *this, calls_};
    buffer loop_result_; // reused by functions that run on the loop

public:
    /// Told of cancelled requests that are no calls known here: who asked, and where the answer was to go. On the loop.
    unique_function<void(context_id, handle_id)> on_other_cancelled;

    basic_dispatcher(core& node, decode_environment environment, std::string name, std::size_t pool_threads)
        : router_(node), environment_(environment), name_(std::move(name)), calls_(node.loop().io()),
          main_wake_(node.loop().io()), pool_queue_(node.loop().io()), pool_limit_(pool_threads) {
        (void)router_.add_raw_handler(handles::call_function, {}, [this](const message& m) { receive(m); });
        (void)router_.add_raw_handler(handles::cancel_call, {}, [this](const message& m) { cancel(m); });
        (void)router_.add_raw_handler(handles::explain_call, {}, [this](const message& m) { explain(m); });
        (void)router_.add_raw_handler(handles::forget_chain, {}, [this](const message& m) { forget_chain(m); });
    }

    basic_dispatcher(basic_dispatcher&&) = delete;

    /// Executes main-thread calls on the calling thread until stop(). Threads: the main one.
    void serve() {
        basic_broker<Io>& loop = router_.loop();
        for (;;) {
            loop.wait(main_wake_, never, true, [this] { return stopping() || retired() || calls_.main_waiting(); });
            if (stopping()) return;
            if (retired()) return;
            while (call* next = retired() ? nullptr : calls_.take_main()) {
                if (loop.on_loop()) loop.end_lead_ahead(); // it came just before
                const bool last = !calls_.main_waiting();
                execute(*next, last ? urgency::now : urgency::soon, last);
            }
        }
    }

    /// Ends serve(); fires the stop token of every call that runs, and answers those that do not run yet. Threads: any.
    void stop(const error& why) {
        stopping_.store(true, std::memory_order_release);
        for (call* c : calls_.stop_all()) {
            router_.reply_dead(c->head, why);
            calls_.finish(*c);
        }
        if (router_.loop().on_loop()) {
            tasks_.cancel_all(shutting_down());
        } else {
            router_.loop().defer([this] { tasks_.cancel_all(shutting_down()); });
        }
        main_wake_.notify();
    }

    /// Ends the pool's threads and waits for what they execute, and for tasks. Threads: any but those and the loop.
    void join_pool() {
        tasks_.join(shutting_down());
        // What still waits is answered, not dropped: begin() refuses it.
        while (std::optional<call*> left = pool_queue_.try_get()) execute(**left, urgency::soon);
        pool_queue_.close();
        for (auto& t : pool_) t.join();
        pool_.clear();
    }

    /// serve() returns after the call that runs; what waits is not run. Nobody is told: nobody hears it. Threads: any.
    void retire() {
        retired_.store(true, std::memory_order_release);
        main_wake_.notify();
    }

    bool stopping() const noexcept { return stopping_.load(std::memory_order_acquire); }

    /// Calls that are queued or running.
    std::size_t open_calls() { return calls_.size(); }

private:
    bool retired() const noexcept { return retired_.load(std::memory_order_acquire); }

    error shutting_down() const {
        return cancelled_by(router_.id(), cancel_radius::context, "context " + name_ + " is shutting down");
    }

    /// A call has arrived. On the loop.
    void receive(const message& m) {
        reader r(m.payload, router_.bounds());
        call_frame frame;
        if (!frame.read(r)) return router_.reply_dead(m.head, error(reason::bad_arguments, "not a call: " + r.failure_text()));
        const function_entry* entry = frame.flags & call_frame::by_key
                                          ? registry::by_key(frame.function)
                                          : registry::by_index(static_cast<std::uint32_t>(frame.function));
        if (!entry) {
            return router_.reply_dead(
                m.head, error(reason::unknown_function, "this program has no remote function of " +
                                                            std::string(frame.flags & call_frame::by_key ? "key " : "number ") +
                                                            std::to_string(frame.function)));
        }
        if (stopping()) return router_.reply_dead(m.head, error(reason::broker_exited, "context " + name_ + " is shutting down"));
        if (entry->where == on::loop) return run_on_loop(m, *entry, r.offset(), frame);
        call* c = calls_.add(m, *entry, frame, r.offset(), router_.loop().io().now(), router_.bounds().queue_bytes);
        if (!c)
            return router_.reply_dead(
                m.head, error(reason::overloaded, "context " + name_ + " has too many calls waiting, or too many bytes of them"));
        if (entry->where == on::pool) {
            enqueue_pool(c);
        } else if (entry->where == on::task) {
            tasks_.add(*c, environment_);
        } else {
            calls_.put_main(*c);
            main_wake_.notify();
        }
    }

    void run_on_loop(const message& m, const function_entry& entry, std::size_t arguments_at, const call_frame& frame) {
        if (frame.flags & call_frame::has_chain) {
            if (const auto broken = calls_.chain_error(m.head.src, frame.chain))
                return answer_error(m.head, *broken, urgency::soon);
        }
        reader arguments(m.payload.subspan(arguments_at), router_.bounds(), &environment_);
        loop_result_.clear();
        invocation inv{arguments, loop_result_, environment_, {m.head.src, m.head.auth}, frame.flow};
        inv.sink = &basic_item_sink<Io>::open;
#if defined(__cpp_lib_jthread)
        inv.stop = [](invocation&) { return std::stop_token(); };
#endif
        invoke(entry, inv);
        finish(m.head, inv, frame.flags & call_frame::has_chain ? frame.chain : 0, urgency::soon);
    }

    /// Runs a queued call on this thread and answers it. `waits_next`: this thread is about to wait for the next call, and so
    /// leads before the answer makes the caller send it.
    void execute(call& c, urgency when, bool waits_next = false) {
        if (std::optional<error> refusal = calls_.begin(c, router_.loop().io().now())) {
            answer_error(c.head, *refusal, when);
            return calls_.finish(c);
        }
        reader arguments(std::span<const std::byte>(c.payload).subspan(c.arguments_at), router_.bounds(), &environment_);
        buffer result;
        invocation inv{arguments, result, environment_, {c.head.src, c.head.auth}, c.flow};
        attach(inv, c);
        invoke(*c.entry, inv);
        // Cancelling finds the call no longer: from here on it is answered.
        calls_.end(c);
        if (waits_next && !calls_.main_waiting()) (void)router_.loop().lead_ahead();
        finish(c.head, inv, c.chain, when);
        calls_.finish(c);
    }

    /// Gives the function of a call its way to those who cancel it, and to where its items go.
    static void attach(invocation& inv, call& c) noexcept {
        inv.call = &c;
        inv.cancelled = [](invocation& i) {
            call& running = *static_cast<call*>(i.call);
            return static_cast<incoming_calls<Io>*>(running.owner)->cancelled(running);
        };
        inv.sink = &basic_item_sink<Io>::open;
#if defined(__cpp_lib_jthread)
        inv.stop = [](invocation& i) {
            call& running = *static_cast<call*>(i.call);
            return static_cast<incoming_calls<Io>*>(running.owner)->token(running);
        };
#endif
    }

    /// What `work` throws becomes the failure of the call.
    template <class Work>
    void guarded([[maybe_unused]] invocation& inv, Work&& work) {
#if MITOGEN_HAS_EXCEPTIONS
        try {
            work();
        } catch (...) {
            inv.failure.emplace(current_exception_as_error(name_, router_.id()));
        }
#else
        work();
#endif
    }

    void invoke(const function_entry& entry, invocation& inv) {
        guarded(inv, [&] { entry.invoke(inv); });
        if (inv.wrong != invocation::fault::none && !inv.failure) inv.failure.emplace(inv.fault_of_call(entry.name()));
    }

    void finish(const header& request, invocation& inv, std::uint64_t chain, urgency when) {
        if (inv.failure) {
            if (chain) calls_.break_chain(request.src, chain, *inv.failure);
            answer_error(request, *inv.failure, when);
            if (!request.wants_reply())
                log::write(log::level::warning, std::string("a call without reply failed: ") + inv.failure->what());
            return;
        }
        if (inv.result.size() > router_.bounds().message_bytes) {
            return answer_error(request,
                                error(reason::message_too_large, "the result has " + std::to_string(inv.result.size()) +
                                                                     " bytes, more than limits::message_bytes allows"),
                                when);
        }
        if (inv.result.size() > fragment_bytes) {
            router_.reply(request, std::move(inv.result), 0, when);
        } else {
            router_.reply(request, std::span<const std::byte>(inv.result), 0, when);
        }
    }

    void answer_error(const header& request, const error& why, urgency when) {
        router_.reply(request, encode_error(why), message_flags::failed, when);
    }

    /// The caller of one of its calls does not wait any more. On the loop.
    void cancel(const message& m) {
        reader r(m.payload, router_.bounds());
        handle_id which = 0;
        bool begins = false;    // what nothing keeps from beginning shall begin
        std::uint8_t radius = 0; // a cancel_radius
        if (!mitogen::decode(r, which) || (r.remaining() > 0 && !mitogen::decode(r, begins, radius)) || !r.finish()) return;
        const cancel_radius what =
            radius == static_cast<std::uint8_t>(cancel_radius::nursery) ? cancel_radius::nursery : cancel_radius::call;
        if (call* c = calls_.cancel(m.head.src, which, what, begins, pool_busy_.load() <= pool_limit_)) {
            answer_error(c->head, cancelled_by_caller(m.head.src, what, " before it began"), urgency::soon);
            calls_.finish(*c);
        } else {
            tasks_.cancel(m.head.src, which, what);
            if (on_other_cancelled) on_other_cancelled(m.head.src, which);
        }
    }

    /// A caller of another build asks what is wrong with a key. The payload is the name and the signature of the function.
    void explain(const message& m) {
        reader r(m.payload, router_.bounds());
        std::string_view name;
        std::string_view signature;
        if (!mitogen::decode(r, name, signature) || !r.finish())
            return router_.reply_dead(m.head, error(reason::bad_arguments, r.failure_text()));
        router_.reply_dead(m.head, registry::why_unknown(name, signature));
    }

    void forget_chain(const message& m) {
        if (const result<std::uint64_t> which = decode<std::uint64_t>(m.payload)) calls_.forget_chain(m.head.src, *which);
    }

    void enqueue_pool(call* c) {
        // Threads are made as they are needed, up to the limit. On the loop, so only one at a time.
        if (pool_busy_.fetch_add(1) >= pool_.size() && pool_.size() < pool_limit_) {
            pool_.emplace_back(router_.loop().io(), "mitogen-pool", [this] {
                while (result<call*> next = pool_queue_.get()) {
                    execute(**next, urgency::now);
                    pool_busy_.fetch_sub(1);
                }
            });
        }
        pool_queue_.put(std::move(c));
    }
};

} // namespace mitogen::inline MITOGEN_ABI

// ---- mitogen/connect/call_server.hpp ----
// call_server.hpp: executes calls in a program whose main thread has something else to do.

namespace mitogen::inline MITOGEN_ABI {

template <class Io>
class basic_router;

namespace detail {

/// A dispatcher with a thread of its own in the place of the main thread. Threads: any.
template <class Io>
class call_server {
    /// Its handlers go with it, also where the thread cannot be started.
    struct registered {
        basic_router<Io>& node;
        ~registered() {
            for (const handle_id h : {handles::call_function, handles::cancel_call, handles::explain_call, handles::forget_chain})
                node.remove_handler(h);
        }
    };

    basic_dispatcher<Io> dispatcher_;
    registered handlers_;
    typename Io::thread main_;

public:
    call_server(basic_router<Io>& node, std::string name, std::size_t pool_threads)
        : dispatcher_(node, {&node, &policy_tag<Io>}, std::move(name), pool_threads), handlers_{node},
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

// ---- mitogen/connect/log_meter.hpp ----
// log_meter.hpp: decides which log records pass and which are dropped, and counts those. Has no clock and no link.

namespace mitogen::inline MITOGEN_ABI {
namespace detail {

/// Two token buckets, for lines and for bytes; both begin full, so that the earliest lines pass.
///
/// Where one line is dropped, so is all that follows within `pause`: what is lost lies together and can be told in one record,
/// once in a pause at most, at the place where it is missing.
///
/// A bucket is kept as the moment at which it will be full again (the generic cell rate algorithm, ITU-T I.371).
class log_meter {
    instant lines_full_ = -never;
    instant bytes_full_ = -never;
    std::uint64_t dropped_ = 0; // and not told
    instant resumes_ = 0;       // where something was
    std::string why_;           // of the latest that began a pause

    static bool empty(instant full, instant now, duration_ns most) noexcept { return full > now && full - now >= most; }
    static void take(instant& full, instant now, std::uint64_t count, std::uint64_t per_second) noexcept {
        if (per_second) full = after(std::max(full, now), static_cast<duration_ns>(count * 1'000'000'000 / per_second));
    }

    bool drop(instant now, std::string why, std::uint64_t count = 1) {
        dropped_ += count;
        resumes_ = after(now, pause);
        why_ = std::move(why);
        return false;
    }

public:
    static constexpr duration_ns pause = 1'000'000'000;
    static constexpr std::size_t line_cost = 64; ///< bytes that a record has on its way beside its text, about

    /// True if a line of so many bytes, less than 2^32, passes. `obstacle`: what hinders all lines at the moment, or null.
    bool admit(instant now, std::size_t bytes, const char* obstacle, const log::bounds& b) {
        if (!pass(now, obstacle)) return false;
        const duration_ns most = std::int64_t{std::max(b.seconds_at_once, 1u)} * 1'000'000'000;
        if (empty(lines_full_, now, most) || empty(bytes_full_, now, most)) {
            return drop(now, "more than " + std::to_string(b.lines_per_second) + " lines or " +
                                 std::to_string(b.bytes_per_second) + " bytes per second");
        }
        take(lines_full_, now, 1, b.lines_per_second);
        take(bytes_full_, now, bytes + line_cost, b.bytes_per_second);
        return true;
    }

    /// True within a pause: the line is dropped.
    bool drops(instant now, std::uint64_t count = 1) noexcept {
        if (!dropped_ || now >= resumes_) return false;
        dropped_ += count;
        return true;
    }

    /// The same for what was measured elsewhere: only the obstacle counts. `count`: for how many lines it stands.
    bool pass(instant now, const char* obstacle, std::uint64_t count = 1) {
        if (drops(now, count)) return false;
        return obstacle ? drop(now, obstacle, count) : true;
    }

    /// How many were dropped, and not told.
    std::uint64_t dropped() const noexcept { return dropped_; }

    /// When to say what was dropped; never, where nothing was.
    instant tell_at() const noexcept { return dropped_ ? resumes_ : never; }

    /// It cannot be said now: not before another pause.
    void postpone(instant now) noexcept { resumes_ = after(now, pause); }

    /// Text that says how much was dropped, and why; it counts as told. `one`, `many`: of what, as in "line of stdout".
    std::string tell(std::string_view one, std::string_view many) {
        const std::uint64_t count = std::exchange(dropped_, 0);
        std::string text = std::to_string(count) + " ";
        text.append(count == 1 ? one : many).append(count == 1 ? " was dropped (" : " were dropped (").append(why_).append(")");
        return text;
    }
};

/// Estimates how many bytes of log records wait in a link's queue, from how much the link has written and how much waits in all.
/// Never less than there is; up to twice as much, where other messages wait too.
class log_backlog {
    std::uint64_t older_ = 0;       // will have been written at older_end_
    std::uint64_t newer_ = 0;       // was added since
    std::uint64_t older_end_ = 0;   // in bytes written
    bool full_ = false;

public:
    /// False from when `limit` is reached until half of it is free. `written`: bytes so far; `waiting`: all that is queued.
    bool has_room(std::uint64_t written, std::uint64_t waiting, std::uint64_t limit) noexcept {
        if (waiting == 0) older_ = newer_ = 0;
        if (written >= older_end_) {
            older_ = std::exchange(newer_, 0);
            older_end_ = written + waiting;
        }
        full_ = bytes() >= (full_ ? limit / 2 : limit);
        return !full_;
    }

    /// So many bytes were queued.
    void add(std::uint64_t count) noexcept { newer_ += count; }

    std::uint64_t bytes() const noexcept { return older_ + newer_; }
};

} // namespace detail
} // namespace mitogen::inline MITOGEN_ABI

// ---- mitogen/connect/text_tail.hpp ----
// text_tail.hpp: splits what a process prints into lines, and remembers the last of them for error messages.

namespace mitogen::inline MITOGEN_ABI {

/// Bytes in, lines out. A line longer than `line_limit` is given out in pieces. Control characters but tabs become '?': what a
/// stranger's program prints must not reprogram the terminal of whoever reads the error.
class text_tail {
    std::string partial_;
    std::deque<std::string> last_;
    std::size_t kept_bytes_ = 0;

    static constexpr std::size_t line_limit = 8192;
    static constexpr std::size_t tail_lines = 20;
    static constexpr std::size_t tail_bytes = 4096;

    static void defuse(std::string& text) noexcept {
        for (char& c : text)
            if ((static_cast<unsigned char>(c) < 0x20 && c != '\t') || c == 0x7f) c = '?';
    }

    template <class Line>
    void give(Line&& line) {
        defuse(partial_);
        line(std::string_view(partial_));
        kept_bytes_ += partial_.size();
        last_.push_back(std::exchange(partial_, {}));
        while (last_.size() > tail_lines || (kept_bytes_ > tail_bytes && last_.size() > 1)) { // the very last stays whole
            kept_bytes_ -= last_.front().size();
            last_.pop_front();
        }
    }

public:
    /// Adds bytes; calls `line(std::string_view)` for each line that is complete.
    template <class Line>
    void feed(std::string_view bytes, Line&& line) {
        for (const char c : bytes) {
            if (c == '\n') {
                if (!partial_.empty() && partial_.back() == '\r') partial_.pop_back();
                give(line);
            } else {
                partial_.push_back(c);
                if (partial_.size() == line_limit) give(line);
            }
        }
    }

    /// The end has come: a last line without newline is a line too.
    template <class Line>
    void finish(Line&& line) {
        if (!partial_.empty()) give(line);
    }

    /// Forgets a line that has not ended.
    void drop_unfinished() noexcept { partial_.clear(); }

    /// Calls `change(std::string&)` for every line that is remembered.
    template <class Change>
    void revise(Change&& change) {
        kept_bytes_ = 0;
        for (std::string& l : last_) {
            change(l);
            kept_bytes_ += l.size();
        }
        change(partial_);
    }

    /// The last lines, one below the other.
    std::string text() const {
        std::string out;
        for (const std::string& l : last_) out.append(out.empty() ? "" : "\n  ").append(l);
        if (!partial_.empty()) {
            std::string unfinished = partial_;
            defuse(unfinished);
            out.append(out.empty() ? "" : "\n  ").append(unfinished);
        }
        return out;
    }
};

} // namespace mitogen::inline MITOGEN_ABI

// ---- mitogen/connect/child_stderr.hpp ----
// child_stderr.hpp: what a child says on stderr, as its parent reads it: to the log, or into the error that its failure becomes.

namespace mitogen::inline MITOGEN_ABI {
namespace detail {

/// Lines are kept while the child starts. Once it is up they go to the log, those that were kept first; where it does not come up
/// its error quotes the last of them, and the log shows none. Those that come too fast are dropped and counted: see log::bounds.
/// It may be a terminal, at which the child asks questions before it is up.
///
/// Threads: loop.
template <class Io>
class child_stderr {
    struct source : event_source {
        child_stderr* self;
    };

    enum class use : std::uint8_t { keep, show, drop };

    basic_broker<Io>& loop_;
    typename Io::descriptor end_;
    typename Io::descriptor terminal_; // so that it has no end while a tool may close and open it
    unique_function<void(std::string_view)> heard_;
    bool answer_ends_line_ = false; // at which nobody looks
    context_id id_;
    std::string name_;
    source source_{};
    text_tail tail_;
    std::vector<std::string> kept_;
    std::size_t kept_bytes_ = 0;
    use use_ = use::keep;
    log_meter meter_;
    timer tell_{}; // what was dropped

    static constexpr int most_reads = 64; // in one go
    static constexpr std::size_t most_kept = 1u << 20;

public:
    /// `end` may be empty. `terminal`: the child's side, where it is one. The context's name and number are for the log.
    child_stderr(basic_broker<Io>& loop, typename Io::descriptor end, context_id id, std::string name,
                 typename Io::descriptor terminal = typename Io::descriptor())
        : loop_(loop), end_(std::move(end)), terminal_(std::move(terminal)), id_(id), name_(std::move(name)) {
        source_.fd = end_.get();
        source_.self = this;
        source_.ready = [](event_source& s, bool, bool) { static_cast<source&>(s).self->read(); };
        tell_.fire = [this] {
            if (meter_.tell_at() <= loop_.io().now()) tell();
            plan();
        };
    }

    child_stderr(child_stderr&&) = delete;

    /// Begins to listen. 0 or -errno.
    long begin() { return end_ ? loop_.watch(source_, io::interest::read) : 0; }

    /// Who hears what it says, so as to answer; may hang up, but not end this.
    void listen(unique_function<void(std::string_view)> heard) { heard_ = std::move(heard); }

    /// Types an answer at its terminal. The question is not shown: it is forgotten, and so is the end of its line.
    void type(std::string_view answer) {
        static_cast<void>(loop_.io().write(end_.get(), answer.data(), answer.size())); // an empty terminal takes 4 KiB
    }
    void question_answered() {
        tail_.drop_unfinished();
        answer_ends_line_ = true;
    }

    /// Masks a word in all that is kept.
    void mask(std::string_view word) {
        const auto change = [word](std::string& line) { detail::mask(line, word); };
        tail_.revise(change);
        for (std::string& line : kept_) change(line);
    }

    /// Closes a terminal: whoever runs there is told with SIGHUP, and reads no more.
    void hang_up() {
        if (!terminal_) return;
        drain();
        loop_.unwatch(source_);
        end_.reset();
        terminal_.reset();
    }

    /// From now on the log shows what it says, and shows now what was kept.
    void show() {
        if (use_ != use::keep) return;
        use_ = use::show;
        for (const std::string& line : std::exchange(kept_, {})) emit(line);
        plan();
    }

    /// From now on nobody is told what it says.
    void drop() {
        use_ = use::drop;
        kept_.clear();
        loop_.cancel_slow_timer(tell_);
    }

    /// The last lines. Takes what is in the pipe now, so that an error has the last words.
    std::string last_words() {
        drain();
        return tail_.text();
    }

    /// Stops listening; what is in the pipe now, a last line without newline included, is the last.
    void finish() {
        drain();
        loop_.unwatch(source_);
        show();
        tail_.finish([this](std::string_view line) { say(line); });
        loop_.cancel_slow_timer(tell_);
        tell();
    }

    /// In a child made by fork(): closes the descriptor.
    void abandon() noexcept {
        end_.reset();
        terminal_.reset();
    }

private:
    /// Reads once. False where there is nothing more now.
    bool read() {
        char bytes[4096];
        const long n = loop_.io().read(end_.get(), bytes, sizeof bytes);
        if (n > 0) {
            hear({bytes, static_cast<std::size_t>(n)});
            return true;
        }
        if (n != -EAGAIN && n != -EWOULDBLOCK) {
            loop_.unwatch(source_);
            if (!terminal_) end_.reset(); // else who still has it would be hung up on
        }
        return false;
    }

    void hear(std::string_view bytes) {
        if (std::exchange(answer_ends_line_, false)) bytes.remove_prefix(std::min(bytes.find_first_not_of("\r\n"), bytes.size()));
        tail_.feed(bytes, [this](std::string_view line) { say(line); });
        if (heard_) heard_(bytes);
    }

    void drain() {
        for (int reads = 0; reads < most_reads && source_.watched && read(); ++reads) {}
    }

    void say(std::string_view line) {
        if (use_ == use::drop) return;
        const instant now = loop_.io().now();
        if (use_ == use::show && meter_.tell_at() <= now) tell();
        const char* obstacle = kept_bytes_ < most_kept ? nullptr : "more than is kept until it is up";
        if (!meter_.admit(now, line.size(), use_ == use::keep ? obstacle : nullptr, log::current_bounds())) return plan();
        if (use_ == use::show) return emit(line);
        kept_bytes_ += line.size() + log_meter::line_cost;
        kept_.emplace_back(line);
    }

    void emit(std::string_view line) { log::emit({log::level::info, id_, name_, "stderr", line}); }

    /// Has what was dropped told in time.
    void plan() {
        if (use_ == use::show && meter_.tell_at() != never && !tell_.is_set()) loop_.set_slow_timer(tell_, meter_.tell_at());
    }

    void tell() {
        if (use_ != use::show || meter_.tell_at() == never) return;
        log::emit({log::level::warning, id_, name_, "mitogen", meter_.tell("line of stderr", "lines of stderr")});
    }
};

} // namespace detail
} // namespace mitogen::inline MITOGEN_ABI

// ---- mitogen/connect/ending.hpp ----
// ending.hpp: how long the end of a child may take, and what is due at a moment of it. Knows only the time: no process, no link.

namespace mitogen::inline MITOGEN_ABI {

/// How long the end of a child may take, step by step.
struct ending_patience {
    duration_ns grace = 3'000'000'000;      ///< from being asked to end, to SIGTERM
    duration_ns after_term = 1'000'000'000; ///< from SIGTERM to SIGKILL
    duration_ns for_status = 500'000'000;   ///< from the link's end, until its loss is reported without exit status
    duration_ns for_link = 500'000'000;     ///< from the process's end, until a link that somebody else keeps open is closed
};

namespace detail {

/// The ladder from being asked to end, over SIGTERM, to SIGKILL.
class ending {
    ending_patience patience_;
    instant asked_at_ = never;
    duration_ns for_levels_ = 0;
    instant exited_at_ = never;
    int signals_sent_ = 0;

    instant term_at() const noexcept { return after(after(asked_at_, patience_.grace), for_levels_); }
    instant kill_at() const noexcept { return after(term_at(), patience_.after_term); }

public:
    static constexpr int no_signal = 0;
    static constexpr int term = 15;
    static constexpr int kill = 9;

    /// What each level of contexts below it adds to its time: it is to see the end of its children, from their SIGTERM to their
    /// SIGKILL, before it goes itself. Nobody else could end one that is stopped.
    static constexpr duration_ns for_each_level = 1'500'000'000;

    explicit ending(ending_patience patience) noexcept : patience_(patience) {}

    /// It was asked to end, or its link has ended. `levels`: how deep the tree below it is.
    void begin(instant now, std::uint32_t levels = 0) noexcept {
        asked_at_ = now;
        for_levels_ = levels * for_each_level;
    }

    /// From now on it has little time but what the levels below it need.
    void hurry(instant now) noexcept {
        constexpr duration_ns orderly = 300'000'000; // with SIGTERM and SIGKILL less than a level's
        asked_at_ = now;
        patience_.grace = std::min(patience_.grace, orderly);
    }

    /// Its process has ended. Only the first time counts.
    void exited(instant now) noexcept {
        if (exited_at_ == never) exited_at_ = now;
    }

    /// It was killed: no further signal is due.
    void killed() noexcept { signals_sent_ = 2; }

    /// The signal to send now; counts as sent.
    int due_signal(instant now) noexcept {
        if (signals_sent_ <= 1 && now >= kill_at()) {
            signals_sent_ = 2;
            return kill;
        }
        if (signals_sent_ == 0 && now >= term_at()) {
            signals_sent_ = 1;
            return term;
        }
        return no_signal;
    }

    /// True if its loss should be reported although there is no exit status yet.
    bool report_due(instant now) const noexcept { return now >= after(asked_at_, patience_.for_status); }

    /// When the link of a process that has ended is closed: until then answers may still be in the pipe.
    instant link_end() const noexcept { return after(exited_at_, patience_.for_link); }

    /// When to look again at a process that has not ended. `watched`: its end is reported by the poller, else it must be asked
    /// for. `reported`: report_due() does not matter any more.
    instant next_look(instant now, bool watched, bool reported) const noexcept {
        constexpr duration_ns poll_interval = 5'000'000;
        instant next = watched ? never : after(now, poll_interval);
        if (!reported) next = std::min(next, after(asked_at_, patience_.for_status));
        if (signals_sent_ == 0) next = std::min(next, term_at());
        if (signals_sent_ == 1) next = std::min(next, kill_at());
        if (next == never) next = after(now, patience_.after_term);
        return std::max(next, now);
    }
};

} // namespace detail
} // namespace mitogen::inline MITOGEN_ABI

// ---- mitogen/connect/interview.hpp ----
// interview.hpp: carries what a prompter says to where the tool that asks will read it.

namespace mitogen::inline MITOGEN_ABI {
namespace detail {

/// Answers the questions of the tool that comes before the first stage, where the plan foresees any.
///
/// Threads: loop.
template <class Io>
class interview {
    std::optional<prompter>& tool_;
    child_stderr<Io>& err_;
    boot_channel<Io>& channel_;

    void type(std::string_view text) {
        if (tool_->where() == prompter::reads::input) return channel_.type(text);
        err_.type(text);
    }

public:
    /// All outlive this.
    interview(std::optional<prompter>& tool, child_stderr<Io>& err, boot_channel<Io>& channel)
        : tool_(tool), err_(err), channel_(channel) {}

    /// The tool has printed something. False where there is no answer: the prompter knows why.
    bool answer(std::string_view heard) {
        if (channel_.dialogue().stage_seen() || channel_.dialogue().hello_seen()) return true; // it asks no more
        switch (tool_->hear(heard)) {
        case prompter::reaction::nothing: return true;
        case prompter::reaction::answer: type(tool_->password().reveal()); [[fallthrough]];
        case prompter::reaction::decline: type("\n"); break;
        case prompter::reaction::give_up: return false;
        }
        err_.question_answered();
        return true;
    }

    /// Masks the password in `words` and in all that is kept of stderr: a tool may repeat what it was told.
    void mask(std::string& words) {
        if (!tool_) return;
        err_.mask(tool_->password().reveal());
        detail::mask(words, tool_->password().reveal());
    }

    /// No more questions. Wipes the password.
    void finish() {
        std::string none;
        mask(none);
        err_.listen({});
        tool_.reset();
    }
};

} // namespace detail
} // namespace mitogen::inline MITOGEN_ABI

// ---- mitogen/connect/child.hpp ----
// child.hpp: one child process from its start to its funeral, as its parent sees it.

namespace mitogen::inline MITOGEN_ABI {

/// Starts, watches, and buries one child.
///
/// Owned by the router, all on the loop. Life: starting (waits for the hello) → up → ending (asked to end, or the link has ended)
/// → gone. It is gone when the link is closed and the process is reaped, whatever that takes; only then does the router let it
/// go.
template <class Io>
class basic_child : public std::enable_shared_from_this<basic_child<Io>> {
public:
    using core = basic_router_core<Io>;
    using link = basic_link<Io>;

    /// What the router does when a child reaches a stage. Called on the loop.
    struct events {
        virtual void child_up(basic_child& child) = 0;
        virtual void child_lost(basic_child& child, const error& why) = 0;
        virtual void child_gone(basic_child& child) = 0;
        /// It lives on without its parent. When its process ends, child_gone follows.
        virtual void child_detached(basic_child& child) = 0;

    protected:
        ~events() = default;
    };

    /// The descriptors of this side.
    struct plumbing {
        typename Io::descriptor in;  ///< what the child says
        typename Io::descriptor out; ///< what it hears
        typename Io::descriptor err; ///< its stderr; may be empty
        typename Io::descriptor terminal; ///< the child's side of `err`, where it is a terminal
    };

private:
    using channel = detail::boot_channel<Io>;

    enum class stage : std::uint8_t { starting, up, ending, detached, gone };

    core& router_;
    events& events_;
    boot_plan plan_;
    handshake::welcome welcome_;
    typename Io::process process_;
    channel channel_; // until it is up
    detail::child_stderr<Io> err_;
    detail::interview<Io> interview_{plan_.prompts, err_, channel_};
    detail::ending ending_;
    stage stage_ = stage::starting;
    bound_source<basic_child> exit_source_{};
    timer timer_;
    bool reported_ = false;
    bool link_open_ = false;
    bool let_go_ = false;
    bool hurried_ = false;
    std::optional<exit_status> status_;
    reason lost_cause_ = reason::respondent_lost;
    std::string lost_text_;

    basic_pending<Io>* connecting_;                 // answered once up, or failed
    std::vector<basic_pending<Io>*> awaiting_exit_; // answered with the exit status

public:
    std::shared_ptr<link> edge; ///< the link, once up

    /// Takes over a process that was started, and one reference to `connecting`.
    basic_child(core& node, events& to, boot_plan plan, handshake::welcome welcome, ending_patience patience,
                typename Io::process process, plumbing ends, basic_pending<Io>* connecting)
        : router_(node), events_(to), plan_(std::move(plan)), welcome_(std::move(welcome)), process_(std::move(process)),
          channel_(node.loop(), std::move(ends.in), std::move(ends.out), plan_, welcome_,
                   [this](typename channel::outcome o) { talked(o); }),
          err_(node.loop(), std::move(ends.err), welcome_.id, welcome_.name, std::move(ends.terminal)), ending_(patience),
          connecting_(connecting) {
        if (plan_.prompts) err_.listen([this](std::string_view heard) { converse(heard); });
        timer_.fire = [this] { on_timer(); };
        on_ready<&basic_child::on_exit>(exit_source_, *this, process_.poll_fd());
    }

    basic_child(basic_child&&) = delete;

    context_id id() const noexcept { return welcome_.id; }
    const std::string& name() const noexcept { return welcome_.name; }
    auto pid() const noexcept { return process_.pid(); }
    bool up() const noexcept { return stage_ == stage::up; }
    bool detached() const noexcept { return stage_ == stage::detached; }

    /// Begins to listen. Threads: loop.
    void begin() {
        basic_broker<Io>& loop = router_.loop();
        long rc = channel_.begin();
        if (rc >= 0) rc = err_.begin();
        if (rc >= 0 && exit_source_.fd >= 0) rc = loop.watch(exit_source_, io::interest::read);
        loop.set_timer(timer_, after(loop.io().now(), plan_.timeout));
        if (rc < 0)
            return fail(error(reason::system, plan_.what + ": cannot watch it: " + sys::errno_text(static_cast<int>(-rc))));
        router_.answers().then(*connecting_, [&loop, weak = this->weak_from_this()] {
            loop.defer([weak] {
                if (const auto self = weak.lock()) self->answered();
            });
        });
    }

    /// The end of its link is not its end any more. What was started here for it and runs here, a client of ssh, ends then.
    /// Threads: loop.
    void let_go() {
        let_go_ = true;
        lost_text_ = "it has detached";
    }

    /// Asks it to end; kills it if it does not. Threads: loop.
    void shut_down(const error& why) {
        if (stage_ == stage::starting) return fail(why);
        if (stage_ != stage::up) return;
        if (let_go_) return cut("its parent ends");
        edge->stream->send(router_.address(id(), handles::shutdown), std::span<const std::byte>(), nullptr, urgency::soon);
        lost_text_ = "it was shut down";
        begin_ending();
    }

    /// Its parent is about to go, and has no more time for it than the levels below it need, each to end the next one. Nobody
    /// else could end a process that is stopped. Threads: loop.
    void hurry(const error& why) {
        const auto keep = this->shared_from_this();
        if (stage_ == stage::ending && !link_open_ && (!edge || edge->levels == 0)) kill(); // lost some time ago
        shut_down(why);
        if (stage_ != stage::ending || std::exchange(hurried_, true)) return;
        static constexpr std::byte at_once[1]{};
        if (link_open_) edge->stream->send(router_.address(id(), handles::shutdown), at_once, nullptr, urgency::soon);
        ending_.hurry(router_.loop().io().now());
        look_after_ending();
    }

    /// Cuts the link. Threads: loop.
    void cut(const std::string& why) {
        if (stage_ == stage::starting) return fail(given_up(why));
        if (link_open_) edge->stream->close(reason::respondent_lost, why);
    }

    /// Answers `p` with the exit status once it is gone. Takes over one reference. Threads: loop.
    void await_exit(basic_pending<Io>* p) { awaiting_exit_.push_back(p); }

    /// Nobody waits for its process any more. Threads: loop.
    void forget() {
        router_.loop().unwatch(exit_source_);
        process_.forget();
    }

    /// Kills it at once. Threads: loop.
    void kill() {
        send_signal(detail::ending::kill);
        ending_.killed();
    }

    /// In a child made by fork(): closes what this holds and forgets the process, which is a sibling here.
    void abandon() noexcept
        requires io::can_fork<Io>
    {
        process_.forget();
        channel_.abandon();
        err_.abandon();
        if (edge) edge->stream->abandon();
    }

private:
    // ---- starting

    error given_up(const std::string& why) const {
        return cancelled_by(router_.id(), cancel_radius::context, plan_.what + ": " + why);
    }

    /// Somebody has completed the answer. Where it was not this, nobody wants the child any more.
    void answered() {
        if (stage_ == stage::starting && connecting_ && connecting_->done())
            fail(given_up("given up"));
    }

    void talked(typename channel::outcome o) {
        const auto keep = this->shared_from_this();
        switch (o) {
        case channel::outcome::open: return;
        case channel::outcome::up: return come_up();
        case channel::outcome::ended: return ended_early();
        case channel::outcome::confused: return fail_boot(boot_failure::how::confused, talk().trouble());
        case channel::outcome::impossible: return fail(error(reason::payload, plan_.what + ": " + talk().trouble()));
        }
    }

    const detail::boot_dialogue& talk() const noexcept { return channel_.dialogue(); }

    /// What the tool that comes before the first stage has printed.
    void converse(std::string_view heard) {
        if (stage_ != stage::starting || interview_.answer(heard)) return;
        const auto keep = this->shared_from_this();
        err_.drop(); // the question says no more than the error
        fail(error(plan_.prompts->why(), plan_.what + ": " + plan_.prompts->trouble()));
    }

    /// The hello and the welcome are exchanged: from here on the link carries frames.
    void come_up() {
        basic_broker<Io>& loop = router_.loop();
        loop.cancel_timer(timer_);
        interview_.finish();
        stage_ = stage::up;
        plan_.program.reset();
        plan_.others.clear();
        edge = std::make_shared<link>(router_);
        edge->peer = id();
        edge->build = hash_build(talk().said().build);
        auto [in, out] = channel_.take();
        edge->open(loop, std::move(in), std::move(out), router_.bounds());
        edge->on_closed = [this](link&, enum reason cause, const std::string& why) { link_closed(cause, why); };
        link_open_ = true;
        events_.child_up(*this);
        const buffer value = encode(id());
        const bool wanted = router_.answers().complete(*connecting_, value, nullptr);
        std::exchange(connecting_, nullptr)->release();
        err_.show();
        edge->stream->start();
        edge->stream->inject(talk().rest());
        if (!wanted) shut_down(given_up("given up"));
    }

    /// The connection ended before it was up. The exit status and the last words tell why: they are on their way.
    void ended_early() {
        if (stage_ != stage::starting) return;
        channel_.close();
        stage_ = stage::ending;
        ending_.begin(router_.loop().io().now());
        look_after_ending();
    }

    void fail_boot(boot_failure::how how, std::string detail) {
        boot_failure f;
        f.what = how;
        f.detail = std::move(detail);
        fail(explain(std::move(f)));
    }

    error explain(boot_failure f) {
        f.stage_seen = talk().stage_seen();
        f.status = status_;
        f.words = err_.last_words();
        err_.drop(); // said once is enough
        text_tail printed;
        printed.feed(talk().noise(), [](std::string_view) {});
        if (const std::string noise = printed.text(); !noise.empty()) f.words += (f.words.empty() ? "" : "\n  ") + noise;
        interview_.mask(f.words);
        return plan_.explain ? plan_.explain(plan_, f) : detail::explain_boot(plan_, f);
    }

    /// The connection attempt is over.
    void fail(const error& why) {
        refuse(why);
        if (stage_ == stage::starting) {
            channel_.close();
            stage_ = stage::ending;
            kill();
        }
        look_after_ending();
    }

    void refuse(const error& why) {
        reported_ = true;
        if (!connecting_) return;
        err_.show();
        router_.answers().fail(*connecting_, why);
        std::exchange(connecting_, nullptr)->release();
    }

    // ---- ending

    void link_closed(enum reason cause, const std::string& why) {
        link_open_ = false;
        lost_cause_ = cause;
        if (lost_text_.empty()) lost_text_ = why;
        if (cause == reason::link_corrupt) process_.signal(detail::ending::term); // what it sends is worthless
        begin_ending();
    }

    void begin_ending() {
        if (stage_ == stage::up && let_go_ && static_cast<int>(process_.pid()) == static_cast<int>(talk().said().pid))
            return part();
        if (stage_ == stage::up) {
            stage_ = stage::ending;
            ending_.begin(router_.loop().io().now(), edge->levels);
        }
        look_after_ending();
    }

    /// It goes on alone; all that is left here is to reap it, should it end before this program does.
    void part() {
        const auto keep = this->shared_from_this();
        stage_ = stage::detached;
        router_.loop().cancel_timer(timer_);
        report();
        err_.finish();
        for (basic_pending<Io>* p : std::exchange(awaiting_exit_, {})) {
            router_.answers().fail(*p, error(reason::respondent_lost, "context " + std::to_string(id()) + " has detached"));
            p->release();
        }
        events_.child_detached(*this);
    }

    void on_exit() {
        const auto keep = this->shared_from_this();
        status_ = process_.try_wait();
        if (!status_) return;
        router_.loop().unwatch(exit_source_);
        if (stage_ == stage::detached) return events_.child_gone(*this);
        if (stage_ == stage::up) {
            stage_ = stage::ending;
            ending_.begin(router_.loop().io().now());
        } else if (stage_ == stage::starting) {
            // What it wrote before it ended may still be on its way: the end of the pipe tells. Unless somebody else holds it.
            ending_.exited(router_.loop().io().now());
            router_.loop().set_timer(timer_, ending_.link_end());
            return;
        }
        look_after_ending();
    }

    /// Programs of other users cannot be sent any; they end when their terminal hangs up.
    void send_signal(int number) {
        process_.signal(number);
        if (number == detail::ending::kill) err_.hang_up();
    }

    /// The one place that decides what happens next on the way out. Called whenever something has changed.
    void look_after_ending() {
        if (stage_ != stage::ending) return;
        const auto keep = this->shared_from_this();
        basic_broker<Io>& loop = router_.loop();
        if (!status_) status_ = process_.try_wait();
        const instant now = loop.io().now();
        if (status_) {
            loop.unwatch(exit_source_);
            ending_.exited(now);
            if (link_open_ && now >= ending_.link_end()) edge->stream->close(reason::respondent_lost, "the process has ended");
            if (link_open_) return loop.set_timer(timer_, ending_.link_end()); // answers may still be in the pipe
            if (stage_ == stage::gone) return;
            report();
            return bury();
        }
        if (!link_open_ && !reported_ && ending_.report_due(now)) report();
        if (const int signal = ending_.due_signal(now); signal != detail::ending::no_signal) send_signal(signal);
        loop.set_timer(timer_, ending_.next_look(now, exit_source_.watched, link_open_ || reported_));
    }

    void on_timer() {
        const auto keep = this->shared_from_this();
        if (stage_ != stage::starting) return look_after_ending();
        if (status_) return ended_early();
        fail_boot(boot_failure::how::timed_out, {});
    }

    /// Tells everyone who waits for it that it is lost, once.
    void report() {
        if (std::exchange(reported_, true)) return;
        if (connecting_) {
            boot_failure f;
            f.what = boot_failure::how::ended;
            return refuse(explain(std::move(f)));
        }
        error_detail d;
        d.why = lost_cause_;
        d.context = id();
        d.place = welcome_.name;
        d.text = "context " + std::to_string(id()) + " is lost: " + lost_text_;
        if (const std::string words = err_.last_words(); !words.empty()) d.text += "; its last lines on stderr:\n  " + words;
        d.has_status = status_.has_value();
        if (status_) d.status = *status_;
        events_.child_lost(*this, error(std::move(d)));
    }

    void bury() {
        basic_broker<Io>& loop = router_.loop();
        stage_ = stage::gone;
        loop.cancel_timer(timer_);
        err_.finish();
        const buffer value = encode(status_->code, status_->signal);
        for (basic_pending<Io>* p : std::exchange(awaiting_exit_, {})) {
            router_.answers().complete(*p, value, nullptr);
            p->release();
        }
        events_.child_gone(*this);
    }
};

} // namespace mitogen::inline MITOGEN_ABI

// ---- mitogen/connect/child_pipes.hpp ----
// child_pipes.hpp: the pipes between a parent and a child that is about to be started.

namespace mitogen::inline MITOGEN_ABI {
namespace detail {

/// A child's ends of the pipes to its parent, as the child holds them once it runs.
template <class Io>
struct child_ends {
    typename Io::descriptor in;  ///< what it hears
    typename Io::descriptor out; ///< what it says
};

/// Both ends of a child's stdin, stdout and stderr, all close-on-exec; this side's are nonblocking.
///
/// Pipes, not a socket: they cost a third per small message (0.47 µs against 1.3 to 1.5 µs for 64 bytes written and read).
template <class Io>
struct child_pipes {
    using descriptor = typename Io::descriptor;

    descriptor in;  ///< what the child says
    descriptor out; ///< what it hears
    descriptor err;
    descriptor child_in;
    descriptor child_out;
    descriptor child_err;
    std::string terminal{}; ///< where `err` and `child_err` are one: its path
};

/// `at_terminal`: its stderr is a terminal, where the policy has any.
template <class Io>
result<child_pipes<Io>> make_child_pipes(Io& io, bool at_terminal = false) {
    child_pipes<Io> p;
    long rc = io.pipe(p.child_in, p.out);
    if (rc >= 0) rc = io.pipe(p.in, p.child_out);
    if constexpr (io::has_terminals<Io>) {
        if (rc >= 0 && at_terminal) {
            sys::pty made;
            rc = io.open_pty(made);
            if (rc < 0) return sys::failure("pseudo terminal", rc);
            p.err = std::move(made.master);
            p.child_err = std::move(made.held);
            p.terminal = std::move(made.path);
        }
    }
    if (rc >= 0 && p.terminal.empty()) rc = io.pipe(p.err, p.child_err);
    for (const auto* ours : {&p.in, &p.out, &p.err})
        if (rc >= 0) rc = io.set_nonblocking(ours->get(), true);
    if (rc < 0) return sys::failure("pipe", rc);
    io.enlarge(p.out.get());
    io.enlarge(p.in.get());
    return p;
}

} // namespace detail
} // namespace mitogen::inline MITOGEN_ABI

// ---- mitogen/connect/methods/method.hpp ----
// method.hpp: what every connection method has in common.

namespace mitogen::inline MITOGEN_ABI {

/// A way to start a child: an options struct with the members that all have, and plan(), which turns it into what is to be
/// executed.
template <class Method>
concept connection_method = requires(const Method& m) {
    { m.name } -> std::convertible_to<std::string>;
    { m.executable } -> std::convertible_to<std::string>;
    m.connect_timeout;
    m.limits;
    { m.plan() } -> std::same_as<result<boot_plan>>;
};

namespace detail {

/// The program that a child shall run: this one's own file as it was at the start, which stays open anyway, or another.
inline result<std::shared_ptr<sys::unique_fd>> open_program(const std::string& executable) {
    if (executable.empty()) {
        sys::unique_fd& own = sys::self_executable();
        if (!own) return error(reason::payload, "cannot open this program's own executable");
        return std::shared_ptr<sys::unique_fd>(std::shared_ptr<void>(), &own);
    }
    const long rc = sys::open_to_read(executable.c_str());
    if (rc < 0) {
        const error why = sys::failure("cannot open the executable " + executable, rc);
        return error(why.kind() == kind::overloaded ? reason::overloaded : reason::payload, std::string(why.message()));
    }
    return std::make_shared<sys::unique_fd>(static_cast<int>(rc));
}

/// What is to be executed, by what `method` says. `inherited`: the limits, where it says nothing of them.
template <class Method>
result<boot_plan> plan_of(const Method& method, const limits& inherited) {
    result<boot_plan> plan = method.plan();
    if (plan && !method.limits) plan->bounds = inherited;
    return plan;
}

inline error waits_for_child() {
    return error(reason::misuse, "a function that runs on the loop makes a child and waits for it; run it on::main or on::pool, "
                                 "or use connect_async");
}

/// What the members that all methods have say about a plan.
template <class Method>
void apply_common(const Method& method, boot_plan& plan) {
    if (!method.name.empty()) plan.name = method.name;
    plan.timeout = to_ns(method.connect_timeout);
    plan.program_path = method.executable;
    if (method.limits) plan.bounds = *method.limits;
    if constexpr (requires { method.keep_program; }) plan.keep_program = method.keep_program;
}

} // namespace detail
} // namespace mitogen::inline MITOGEN_ABI

// ---- mitogen/connect/methods/local.hpp ----
// local.hpp: a child on this machine, by executing this program again.

namespace mitogen::inline MITOGEN_ABI {

/// A new process on this machine that executes this program from the file it was started from, although that may have been
/// replaced since.
struct local {
    std::string name{};                                ///< of the context; empty: "local.<id>"
    std::chrono::milliseconds connect_timeout{30'000}; ///< from start to hello
    std::string executable{};                          ///< another program to run, by path; it must call mitogen::init as well
    std::optional<mitogen::limits> limits{};           ///< for it and all below it; empty: this context's own

    static constexpr std::string_view method_name = "local";
    template <class Self>
    static constexpr auto fields(Self& self) {
        return std::tie(self.name, self.connect_timeout, self.executable, self.limits);
    }

    /// What is to be executed.
    result<boot_plan> plan() const {
        boot_plan p;
        p.what = "local child";
        p.name = "local";
        detail::apply_common(*this, p);
        auto program = detail::open_program(executable);
        if (!program) return program.error();
        p.program = std::move(*program);
        p.start.executable_fd = p.program->get();
        p.start.path = executable;
        p.start.argv = {"mitogen:" + p.name, std::string(child_argument)};
        return p;
    }
};

/// The options of basic_router::local().
using local_options = local;

} // namespace mitogen::inline MITOGEN_ABI

// ---- mitogen/connect/methods/symptoms.hpp ----
// symptoms.hpp: what is printed when a child does not come up, and what it means.

namespace mitogen::inline MITOGEN_ABI {
namespace detail {

/// Words that tell why a child did not come up, and what they mean.
struct symptom {
    std::string_view text;
    reason why;
    std::string_view meaning;
};

/// What the first stage, the shell that runs it, or the dynamic loader says. The path is the one by which the program is
/// executed.
inline constexpr symptom symptoms_of_stage[] = {
    {no_place_text, reason::payload, "no directory there may hold programs that can be run"},
    {no_room_text, reason::payload, "no directory there has room for the program: is a disk full, or the size of files limited?"},
    {short_program_text, reason::payload, "the program did not arrive whole: is the disk full?"},
    {"Exec format error", reason::payload, "the program cannot run there: wrong architecture"},
    {"GLIBC", reason::payload,
     "the program cannot run there: the C library is older than the one it was built for; link it statically (-static)"},
    {"error while loading shared libraries", reason::payload,
     "the program cannot run there: a shared library is missing; link it statically (-static)"},
    {"/proc/self/fd/9: not found", reason::payload,
     "the program cannot run there: its dynamic loader is missing (another C library?); link it statically (-static)"},
    {"/proc/self/fd/9: No such file", reason::payload,
     "the program cannot run there: its dynamic loader is missing (another C library?); link it statically (-static)"},
    {"/proc/self/fd/9: ", reason::payload, "the program cannot run there"},
    {"No space left on device", reason::payload, "the program did not arrive whole: the disk is full"},
};

inline constexpr std::string_view no_hello_text = "the connection ended before the child said hello";

/// The first of them that was printed, or null.
template <std::size_t N>
const symptom* known_symptom(const symptom (&symptoms)[N], const boot_failure& f) {
    for (const symptom& s : symptoms)
        if (f.words.find(s.text) != std::string::npos) return &s;
    return nullptr;
}

/// The error, with what was printed and the exit status.
inline error because(const boot_plan& plan, const boot_failure& f, reason why, std::string_view meaning) {
    error_detail d;
    d.why = why;
    d.text = plan.what + ": " + std::string(meaning) + quoted_words(f);
    d.has_status = f.status.has_value();
    if (f.status) d.status = *f.status;
    return error(std::move(d));
}

/// What went wrong after the first stage has spoken. `tool_failed`: the exit status by which the tool that was started here says
/// that it failed itself; with any other it passes on that of the command.
inline error explain_stage(const boot_plan& plan, const boot_failure& f, int tool_failed = -1) {
    if (const symptom* s = known_symptom(symptoms_of_stage, f)) return because(plan, f, s->why, s->meaning);
    if (f.status && !f.status->signal && f.status->code != tool_failed) return explain_boot(plan, f);
    return because(plan, f, reason::end_of_file, no_hello_text);
}

} // namespace detail
} // namespace mitogen::inline MITOGEN_ABI

// ---- mitogen/connect/methods/ssh.hpp ----
// ssh.hpp: a child on another machine, through the system's ssh.

namespace mitogen::inline MITOGEN_ABI {

/// What to do about host keys that are not known.
enum class host_keys : std::uint8_t {
    enforce, ///< refuse unknown and changed ones
    accept,  ///< remember unknown ones, refuse changed ones
    ignore,  ///< accept any, remember none: for machines that are made anew all the time
};

/// A process on another machine. Uses the system's ssh with the user's keys, agent and configuration; never asks anything. Where
/// a password is given, ssh is started at a terminal of its own, and told the password when it asks.
struct ssh {
    std::string hostname{};      ///< as ssh takes it: a name, an address, or an alias from its configuration
    std::string username{};      ///< empty: as ssh decides
    std::uint16_t port = 0;      ///< 0: as ssh decides
    std::string identity_file{}; ///< private key; empty: as ssh decides
    secret password{};           ///< empty: keys and the like only
    host_keys check_host_keys = host_keys::enforce;
    std::string ssh_path = "ssh";        ///< the client to run
    std::vector<std::string> ssh_args{}; ///< further arguments, before the host name
    bool compression = false;
    std::chrono::seconds keepalive_interval{15}; ///< 0: none
    int keepalive_count = 3;                     ///< intervals without answer until ssh gives up

    std::string name{};                                ///< of the context; empty: "ssh.<hostname>"
    std::chrono::milliseconds connect_timeout{30'000}; ///< from start to hello, login and transfer included
    std::string executable{};                          ///< the program to run there, by path here; empty: this one
    std::optional<mitogen::limits> limits{};           ///< for it and all below it; empty: this context's own
    bool keep_program = true;                          ///< there, in a cache: the next connection sends none

    static constexpr std::string_view method_name = "ssh";
    template <class Self>
    static constexpr auto fields(Self& self) {
        return std::tie(self.hostname, self.username, self.port, self.identity_file, self.password, self.check_host_keys,
                        self.ssh_path, self.ssh_args, self.compression, self.keepalive_interval, self.keepalive_count, self.name,
                        self.connect_timeout, self.executable, self.limits, self.keep_program);
    }

    /// What is to be executed.
    result<boot_plan> plan() const {
        if (hostname.empty()) return error(reason::misuse, "ssh: hostname is empty");
        if (hostname[0] == '-')
            return error(reason::misuse,
                         "ssh: the hostname \"" + hostname + "\" begins with a dash, which ssh would take for an option");
        if (auto why = detail::untypable(password, method_name)) return std::move(*why);
        boot_plan p;
        p.what = "ssh " + hostname;
        p.name = "ssh." + hostname + (port && port != 22 ? ":" + std::to_string(port) : std::string());
        detail::apply_common(*this, p);
        auto program = detail::open_program(executable);
        if (!program) return program.error();
        p.program = std::move(*program);
        p.staged = true;
        p.start.path = ssh_path;
        p.start.argv = arguments();
        if (!password.empty()) {
            p.prompts.emplace(&recognise, password, prompter::reads::terminal);
            p.start.environment = {"SSH_ASKPASS_REQUIRE"}; // it shall ask here
        }
        p.explain = &explain;
        return p;
    }

    /// The command that is executed, first stage included.
    std::vector<std::string> arguments() const {
        std::vector<std::string> a{ssh_path, "-o", "LogLevel ERROR"};
        const auto option = [&a](std::string text) {
            a.push_back("-o");
            a.push_back(std::move(text));
        };
        option(password.empty() ? "BatchMode yes" : "BatchMode no");
        if (!password.empty()) option("NumberOfPasswordPrompts 1");
        if (!username.empty()) a.insert(a.end(), {"-l", username});
        if (port) a.insert(a.end(), {"-p", std::to_string(port)});
        if (!identity_file.empty()) {
            option("IdentitiesOnly yes");
            a.insert(a.end(), {"-i", identity_file});
        }
        option(compression ? "Compression yes" : "Compression no");
        if (keepalive_interval.count() > 0) {
            option("ServerAliveInterval " + std::to_string(keepalive_interval.count()));
            option("ServerAliveCountMax " + std::to_string(keepalive_count));
        }
        switch (check_host_keys) {
        case host_keys::enforce: option("StrictHostKeyChecking yes"); break;
        case host_keys::accept: option("StrictHostKeyChecking accept-new"); break;
        case host_keys::ignore:
            option("StrictHostKeyChecking no");
            option("UserKnownHostsFile /dev/null");
            option("GlobalKnownHostsFile /dev/null");
            break;
        }
        a.push_back("-T"); // a terminal would mangle bytes
        a.insert(a.end(), ssh_args.begin(), ssh_args.end());
        a.push_back(hostname);
        a.push_back(detail::first_stage_command());
        return a;
    }

private:
    /// What it asks; its own questions are not translated. Those of the server, which may be in any language, have "(user@host) "
    /// before them (sshconnect2.c, since OpenSSH 8.5).
    static prompt_kind recognise(std::string_view line) {
        if (detail::mentions(line, "(yes/no")) return prompt_kind::host_key;
        if (!detail::ends_as_question(line)) return prompt_kind::none;
        if (line.starts_with("Enter passphrase for")) return prompt_kind::passphrase;
        if (detail::mentions(line, "password")) return prompt_kind::password;
        const std::size_t shut = line.find(") ");
        return line[0] == '(' && line.find('@') < shut && shut != std::string_view::npos ? prompt_kind::other : prompt_kind::none;
    }

    /// What ssh says before it has run our command. The messages are part of OpenSSH's source (sshconnect*.c, readconf.c, misc.c)
    /// and not translated.
    static constexpr detail::symptom symptoms_of_ssh[] = {
        {"REMOTE HOST IDENTIFICATION HAS CHANGED", reason::host_key,
         "the host key is another one than it was; where that is right, remove the old one with ssh-keygen -R"},
        {"Host key verification failed", reason::host_key, "the host key is unknown; see ssh-keyscan(1), or set check_host_keys"},
        {"Permission denied", reason::auth_required,
         "authentication failed: no key was accepted, and none of the other methods may ask"},
        {"Too many authentication failures", reason::auth_incorrect,
         "authentication failed: too many keys were tried; set identity_file"},
        {"Could not resolve hostname", reason::resolve, "the host name has no address"},
        {"Connection refused", reason::connection_refused, "nothing listens there"},
        {"timed out", reason::connect_timeout, "the host does not answer"},
        {"No route to host", reason::connect, "the network does not reach it"},
        {"Network is unreachable", reason::connect, "the network does not reach it"},
    };

    /// What ssh and the first stage said, as one of the errors that a caller can act on.
    static error explain(const boot_plan& plan, const boot_failure& f) {
        using how = boot_failure::how;
        if (f.what == how::timed_out) {
            const std::string ms = std::to_string(plan.timeout / 1'000'000) + " ms (connect_timeout): ";
            return detail::because(plan, f, reason::connect_timeout,
                           "no hello within " + ms +
                               (f.stage_seen ? "the login went well; sending the program, or its start, takes longer than that"
                                             : "the host does not answer, or the login takes longer than that"));
        }
        if (f.what == how::confused) return detail::explain_boot(plan, f);
        constexpr int connection_failed = 255; // ssh(1), EXIT STATUS; everything else is the remote command's
        if (f.stage_seen) return detail::explain_stage(plan, f, connection_failed);
        if (const detail::symptom* s = detail::known_symptom(symptoms_of_ssh, f)) {
            if (s->why == reason::auth_required && plan.prompts)
                return detail::because(plan, f, reason::auth_incorrect,
                                       plan.prompts->answered() ? "authentication failed: the password is incorrect"
                                                                : "authentication failed: nobody asked for the password");
            const auto& argv = plan.start.argv;
            const bool key_given = std::find(argv.begin(), argv.end(), "-i") != argv.end();
            if (s->why != reason::auth_required || !key_given) return detail::because(plan, f, s->why, s->meaning);
            return detail::because(plan, f, reason::auth_incorrect,
                                   "authentication failed: the key of identity_file is not accepted there");
        }
        return detail::because(plan, f, reason::end_of_file,
                               f.status && !f.status->signal && f.status->code != connection_failed
                                   ? "the login shell there ended before it ran our command"
                                   : detail::no_hello_text);
    }
};

/// The options of basic_router::ssh().
using ssh_options = ssh;

} // namespace mitogen::inline MITOGEN_ABI

// ---- mitogen/route/id_allocator.hpp ----
// id_allocator.hpp: numbers for new contexts, in blocks from the root.

namespace mitogen::inline MITOGEN_ABI {

/// Gives out context ids. The root counts. Every other context asks the root for a block of them: for the first one when it needs
/// an id, so that it costs nothing to have no children; for the next one before the present one is used up, so that nobody waits.
/// Ids are unique in the tree and never given out twice; when they are used up it is an error.
///
/// Threads: any. Blocks: next() alone, outside the root.
template <class Io>
class basic_id_allocator {
    using core = basic_router_core<Io>;
    using taker = unique_function<void(result<context_id>)>;

    struct block {
        context_id next = 0;
        context_id end = 0;

        context_id left() const noexcept { return end - next; }
    };
    struct serving {
        taker use;
        result<context_id> id;
    };

    core& router_;
    typename Io::mutex mutex_;
    block now_{root_id + 1, root_id + 1}; // empty; the root takes from it nevertheless
    block spare_{};             // empty, or a whole one
    std::deque<taker> waiting_; // while nothing is at hand
    bool asked_ = false;        // the root, for a block
    bool refused_ = false;      // by the root: asked again when somebody waits
    std::optional<error> closed_{};

    static constexpr context_id block_size = 1000;
    static constexpr context_id low = 100; // where fewer are left, the next block is asked for

    static error exhausted() { return error(reason::overloaded, "all context ids of this tree are used up"); }

    void on_request(const message& m) {
        if (router_.parent()) return router_.reply_dead(m.head, error(reason::invalid_handle, "ids are allocated by the root"));
        context_id first;
        {
            const std::lock_guard lock(mutex_);
            if (now_.next > no_context - block_size) return router_.reply_dead(m.head, exhausted());
            first = now_.next;
            now_.next += block_size;
        }
        router_.reply(m.head, encode(first), 0);
    }

    /// An id that is at hand; nothing where the root must be asked. Under mutex_.
    std::optional<result<context_id>> at_hand() {
        if (!router_.parent()) return now_.next != no_context ? result<context_id>(now_.next++) : result<context_id>(exhausted());
        if (now_.left() == 0) now_ = std::exchange(spare_, {});
        if (now_.left() == 0) return std::nullopt;
        return now_.next++;
    }

    /// True where the root is to be asked, by whoever hears it. Under mutex_.
    bool shall_ask() {
        if (!router_.parent() || asked_ || closed_) return false;
        asked_ = !waiting_.empty() || (!refused_ && now_.left() + spare_.left() < low);
        return asked_;
    }

    /// An id that is at hand, or why there is none. Else nothing: `use`, where given, waits. Sees to it that more come in time.
    std::optional<result<context_id>> take(taker* use) {
        std::optional<result<context_id>> id;
        bool ask = false;
        {
            const std::lock_guard lock(mutex_);
            if (closed_) id.emplace(*closed_);
            else id = at_hand();
            if (!id && use) waiting_.push_back(std::move(*use));
            ask = shall_ask();
        }
        if (ask) ask_root();
        return id;
    }

    void ask_root() {
        awaited& p = router_.ask({.to = root_id, .handle = handles::allocate_id, .how = question::manner::pass});
        p.then([this, &p] {
            const result<block> got = p.failure() ? result<block>(*p.failure()) : block_from(p.payload());
            p.release();
            arrive(got);
        });
    }

    static result<block> block_from(const buffer& payload) {
        const result<context_id> first = decode<context_id>(payload);
        if (!first) return first.error();
        if (*first == root_id || *first > no_context - block_size)
            return error(reason::codec, "what the root answered is no block of context ids");
        return block{*first, *first + block_size};
    }

    /// The root has answered: those who wait get theirs. Where they are more than a block has ids, it is asked again.
    void arrive(const result<block>& got) {
        std::vector<serving> served;
        bool ask = false;
        {
            const std::lock_guard lock(mutex_);
            asked_ = false;
            refused_ = !got;
            if (got) (now_.left() ? spare_ : now_) = *got;
            while (!waiting_.empty()) {
                std::optional<result<context_id>> id = at_hand();
                if (!id && got) break;
                served.push_back({std::move(waiting_.front()), id ? std::move(*id) : result<context_id>(got.error())});
                waiting_.pop_front();
            }
            ask = shall_ask();
        }
        if (ask) ask_root();
        for (serving& s : served) s.use(std::move(s.id));
    }

public:
    explicit basic_id_allocator(core& node) : router_(node), mutex_(node.loop().io()) {
        (void)router_.add_raw_handler(handles::allocate_id, {.from = accept::anyone},
                                      [this](const message& m) { on_request(m); });
    }

    /// An id that no context of this tree has had. On the loop it is an error where the root must be asked first.
    result<context_id> next() {
        if (std::optional<result<context_id>> id = take(nullptr)) return std::move(*id);
        if (router_.loop().on_loop())
            return error(
                reason::misuse,
                "a function that runs on the loop makes a child and would have to wait for an id; run it on::main or on::pool");
        std::optional<error> why;
        basic_pending<Io>* p = router_.answers().open(router_.id(), why);
        if (!p) return std::move(*why);
        p->retain();
        next([this, p](const result<context_id>& id) {
            if (id) router_.answers().complete(*p, encode(*id), nullptr);
            else p->fail(id.error());
            p->release();
        });
        router_.await(*p, never);
        result<context_id> id = p->failure() ? result<context_id>(*p->failure()) : decode<context_id>(p->payload());
        p->release();
        return id;
    }

    /// As next(), without waiting: calls `use` at once or, where the root must be asked, when it has answered, normally on the
    /// loop.
    void next(taker use) {
        if (std::optional<result<context_id>> id = take(&use)) use(std::move(*id));
    }

    /// From now on there are no more ids, nor for those who wait.
    void close(const error& why) {
        std::deque<taker> waiting;
        {
            const std::lock_guard lock(mutex_);
            closed_ = why;
            waiting.swap(waiting_);
        }
        for (taker& use : waiting) use(why);
    }
};

} // namespace mitogen::inline MITOGEN_ABI

// ---- mitogen/route/route_monitor.hpp ----
// route_monitor.hpp: keeps every context's knowledge of what is below it true, as contexts come and go.

namespace mitogen::inline MITOGEN_ABI {

/// Routes are announced upwards only: the parent that makes a context tells its own parent, which tells its own. Links are first
/// in, first out, so that no context above sees a message from a new context before it knows it. That a context is lost is told
/// upwards, and downwards to those who have sent to it: they may be waiting for it. Threads: loop, but for the
/// constructor.
template <class Io>
class basic_route_monitor {
    using core = basic_router_core<Io>;

    core& router_;

    template <class... Values>
    void tell_parent(handle_id handle, const Values&... values) {
        const auto& parent = router_.parent();
        if (!parent) return;
        (void)router_.send(router_.address(parent->peer, handle), mitogen::encode(values...), urgency::soon);
    }

    void on_add(const message& m) {
        reader r(m.payload);
        route<basic_link<Io>> added;
        if (!mitogen::decode(r, added.id, added.parent, added.name, added.build) || !r.finish()) return;
        added.via = router_.routes().find(m.head.src);
        // Only from the neighbour itself. The ids of this context and those above are known: whoever claims one wants their
        // authority.
        if (!added.via || added.via->peer != m.head.src || router_.has_authority(added.id) ||
            (added.parent != m.head.src && !router_.routes().leads(added.parent, added.via.get()))) {
            return log::write(log::level::warning, "refused a route to context " + std::to_string(added.id) + " from context " +
                                                       std::to_string(m.head.src));
        }
        const route<basic_link<Io>> copy = added;
        if (!router_.routes().add(std::move(added))) {
            return log::write(log::level::warning, "refused a second route to context " + std::to_string(copy.id) +
                                                       " from context " + std::to_string(m.head.src));
        }
        copy.via->levels = std::max(copy.via->levels, router_.routes().depth_of(copy.id));
        announce(copy);
    }

    /// A context elsewhere in the tree is lost, to which this one or somebody below it has sent. Nobody but the parent can send
    /// as the parent.
    void on_del_elsewhere(context_id gone, std::span<const std::byte> notice) {
        if (router_.has_authority(gone) || router_.routes().find(gone)) {
            return log::write(log::level::warning, "the parent wants to forget the route to context " + std::to_string(gone) +
                                                       ", which is known better here");
        }
        const error why = decode_error(notice);
        router_.forget(gone, why);
        tell_partners(gone, notice);
    }

    /// Those below who have sent to it may be waiting for it.
    void tell_partners(context_id gone, std::span<const std::byte> notice) {
        for (const auto& link : router_.partners_of(gone)) {
            link->stream->send(router_.address(link->peer, handles::del_route), mitogen::encode(gone, notice),
                               router_.loop().lane(), urgency::soon);
        }
    }

    void on_del(const message& m) {
        reader r(m.payload);
        context_id gone{};
        std::span<const std::byte> notice;
        if (!mitogen::decode(r, gone, notice) || !r.finish()) return;
        if (const auto& parent = router_.parent(); parent && m.head.src == parent->peer) return on_del_elsewhere(gone, notice);
        const auto via = router_.routes().find(m.head.src);
        if (!via || via->peer != m.head.src || gone == m.head.src || !router_.routes().remove(gone, via.get())) {
            return log::write(log::level::warning, "refused to forget the route to context " + std::to_string(gone) +
                                                       " for context " + std::to_string(m.head.src));
        }
        via->drop_sender(gone);
        const error why = decode_error(notice);
        router_.forget(gone, why);
        withdraw(gone, why);
    }

public:
    explicit basic_route_monitor(core& node) : router_(node) {
        (void)router_.add_raw_handler(handles::add_route, {.from = accept::anyone}, [this](const message& m) { on_add(m); });
        (void)router_.add_raw_handler(handles::del_route, {.from = accept::anyone}, [this](const message& m) { on_del(m); });
    }

    /// A context below is reachable from now on.
    void announce(const route<basic_link<Io>>& r) { tell_parent(handles::add_route, r.id, r.parent, r.name, r.build); }

    /// A context below is lost.
    void withdraw(context_id gone, const error& why) {
        const buffer notice = encode_error(why);
        tell_parent(handles::del_route, gone, std::span<const std::byte>(notice));
        tell_partners(gone, notice);
    }
};

} // namespace mitogen::inline MITOGEN_ABI

// ---- mitogen/connect/children.hpp ----
// children.hpp: the children of one context: numbers and processes for new ones, and who is there.

namespace mitogen::inline MITOGEN_ABI {
namespace detail {

/// What a router has below it: makes children, announces and withdraws them, and ends them.
///
/// make() is all that most need: a slot for the answer, a number, a process, and then the loop takes over. A fork child is made
/// in two steps: prepare(), and adopt() when its process exists. Threads: any but where marked.
template <class Io>
class children : private basic_child<Io>::events {
    using core = basic_router_core<Io>;
    using child = basic_child<Io>;
    using pending = basic_pending<Io>;

    core& node_;
    ending_patience patience_;
    std::uint32_t pool_threads_;
    basic_route_monitor<Io> monitor_;
    basic_id_allocator<Io> ids_;
    std::vector<std::shared_ptr<child>> all_; // loop's
    std::atomic<std::size_t> child_count_{0}; // those that are only being made as well
    waiter<Io> all_gone_;
    std::atomic<bool> closed_{false};

public:
    /// Everything but the process: numbers, names, and one reference to what the child will answer. Ends in adopt() or
    /// miscarry().
    struct birth {
        handshake::welcome welcome;
        pending* answer;
    };

    children(core& node, ending_patience patience, std::uint32_t pool_threads)
        : node_(node), patience_(patience), pool_threads_(pool_threads), monitor_(node), ids_(node), all_gone_(node.loop().io()) {
        (void)node.add_raw_handler(handles::detaching, {.from = accept::anyone}, [this](const message& m) { let_go(m); });
    }

    children(children&&) = delete;

    /// Makes a child by starting a process as the plan says. The caller holds one reference to the answer: its id, or why it did
    /// not come up. Where nobody waits for the answer any more, the child ends. Never blocks.
    pending& make(boot_plan plan) {
        std::optional<error> why;
        pending* answer = begin(why);
        if (!answer) return *node_.failed_answer(node_.id(), std::move(*why));
        ids_.next([this, answer, plan = std::move(plan)](const result<context_id>& id) mutable {
            birth b{{}, answer};
            if (!id) return miscarry(b, id.error());
            if (answer->done()) return end_birth(b); // given up
            b.welcome = welcome_for(*id, plan);
            launch(std::move(plan), std::move(b));
        });
        return *answer;
    }

    /// Number and answer for a child whose process the caller makes. The caller holds one reference more to the answer. Blocks
    /// while the root is asked for numbers.
    result<birth> prepare(const boot_plan& plan) {
        std::optional<error> why;
        birth b{{}, begin(why)};
        if (!b.answer) return std::move(*why);
        const result<context_id> id = ids_.next();
        if (!id) {
            pending* answer = b.answer;
            miscarry(b, id.error());
            answer->release();
            return id.error();
        }
        b.welcome = welcome_for(*id, plan);
        return b;
    }

    /// There will be no such child.
    void miscarry(const birth& b, const error& why) {
        node_.answers().fail(*b.answer, why);
        end_birth(b);
    }

    /// The loop takes over a process that was started.
    void adopt(boot_plan plan, birth b, typename Io::process process, child_pipes<Io> pipes) {
        typename child::plumbing ends{std::move(pipes.in), std::move(pipes.out), std::move(pipes.err), {}};
        if (!pipes.terminal.empty()) ends.terminal = std::move(pipes.child_err);
        auto c = std::make_shared<child>(node_, static_cast<typename child::events&>(*this), std::move(plan),
                                         std::move(b.welcome), patience_, std::move(process), std::move(ends), b.answer);
        node_.loop().defer([this, c = std::move(c)] {
            all_.push_back(c);
            c->begin();
            if (closed_) c->shut_down(closing());
        });
    }

    // For those who come by themselves, too.
    basic_id_allocator<Io>& ids() noexcept { return ids_; }
    const ending_patience& patience() const noexcept { return patience_; }
    std::uint32_t pool_threads() const noexcept { return pool_threads_; }
    bool closed() const noexcept { return closed_; }
    static error closing() { return error(reason::broker_exited, "the router is shutting down"); }

    /// A context directly below is reachable from now on. Threads: loop.
    void neighbour_up(const std::string& name, const std::shared_ptr<basic_link<Io>>& edge) {
        const route<basic_link<Io>> added{edge->peer, node_.id(), name, edge->build, edge};
        node_.routes().add(added);
        monitor_.announce(added);
    }

    /// It is lost, with all that are below it. Threads: loop.
    void neighbour_lost(basic_link<Io>& edge, const error& why) {
        for (const context_id gone : node_.link_lost(edge, why)) monitor_.withdraw(gone, why);
    }

    /// The child of that number, or null. Threads: loop.
    child* find(context_id id) {
        for (const auto& c : all_)
            if (c->id() == id && !c->detached()) return c.get();
        return nullptr;
    }

    /// Ends all of them and waits until they are gone; makes no more. False where that was done before.
    bool close() {
        if (closed_.exchange(true)) return false;
        ids_.close(closing());
        node_.loop().defer([this] {
            const auto all = all_; // a child that goes removes itself
            for (const auto& c : all) c->shut_down(closing());
        });
        node_.loop().wait(all_gone_, never, true, [this] { return child_count_.load() == 0; });
        node_.loop().run([this] { // the loop has left the callback that woke us
            for (const auto& c : std::exchange(all_, {})) c->forget(); // what has detached
        });
        return true;
    }

    /// Ends all of them as fast as may be, and says how many levels of contexts that are. Threads: loop.
    std::uint32_t hurry() {
        const auto all = all_; // a child that goes removes itself
        std::uint32_t levels = 0;
        for (const auto& c : all) {
            c->hurry(closing());
            levels = std::max(levels, 1 + (c->edge ? c->edge->levels : 0));
        }
        return levels;
    }

    /// In a child made by fork(): closes their descriptors and forgets their processes.
    void abandon() noexcept
        requires io::can_fork<Io>
    {
        for (const auto& c : all_) c->abandon();
    }

private:
    /// Counts one more and opens its answer, with a reference for the caller and one for its birth. Null with `why` where there
    /// can be no more.
    pending* begin(std::optional<error>& why) {
        child_count_.fetch_add(1); // first: close() waits for whoever has not seen that it is closed
        pending* answer = nullptr;
        if (closed_) {
            why.emplace(closing());
        } else if ((answer = node_.answers().open(node_.id(), why))) {
            answer->retain();
            return answer;
        }
        uncount();
        return nullptr;
    }

    void end_birth(const birth& b) {
        b.answer->release();
        uncount();
    }

    void uncount() {
        if (child_count_.fetch_sub(1) == 1) all_gone_.notify();
    }

    handshake::welcome welcome_for(context_id id, const boot_plan& plan) {
        handshake::welcome w;
        w.id = id;
        w.ancestors = node_.path();
        w.name = plan.name;
        w.title = "mitogen:" + plan.name + " (" + node_.loop().io().own_name() + ")";
        w.build = sys::build_id();
        w.log_level = static_cast<std::uint8_t>(log::threshold());
        w.pool_threads = pool_threads_;
        w.grace_ns = patience_.grace;
        w.bounds = plan.bounds;
        w.rules = node_.rules();
        w.logs = log::current_bounds();
        return w;
    }

    /// Starts the process of a child that has its numbers. Where that fails, its answer says so.
    void launch(boot_plan plan, birth b) {
        result<child_pipes<Io>> pipes = make_child_pipes(node_.loop().io(), plan.prompts.has_value());
        if (!pipes) return miscarry(b, pipes.error());
        plan.start.in = pipes->child_in.get();
        plan.start.out = pipes->child_out.get();
        plan.start.err = pipes->child_err.get();
        plan.start.terminal = pipes->terminal;
        result<typename Io::process> process = node_.loop().io().spawn(plan.start);
        if (process) return adopt(std::move(plan), std::move(b), std::move(*process), std::move(*pipes));
        // out of descriptors
        miscarry(b, error(process.error().kind() == kind::overloaded ? reason::overloaded
                          : plan.staged ? reason::connect // the client here is missing
                                        : reason::payload,
                          plan.what + ": cannot start: " + std::string(process.error().message()) +
                              (plan.if_missing.empty() ? "" : "; " + plan.if_missing)));
    }

    void child_up(child& c) override { neighbour_up(c.name(), c.edge); }

    void child_lost(child& c, const error& why) override { neighbour_lost(*c.edge, why); }

    void child_gone(child& c) override {
        std::erase_if(all_, [&](const auto& held) { return held.get() == &c; });
        if (!c.detached()) uncount();
    }

    void child_detached(child&) override { uncount(); }

    /// A child wants to go on alone.
    void let_go(const message& m) {
        child* c = find(m.src());
        if (!c || !c->up()) {
            return node_.reply_dead(
                m.head, error(reason::refused_by_policy,
                              "context " + std::to_string(m.src()) + " is not a child of context " + std::to_string(node_.id())));
        }
        c->let_go();
        node_.reply(m.head, {}, 0);
    }
};

} // namespace detail
} // namespace mitogen::inline MITOGEN_ABI

// ---- mitogen/connect/explain_plan.hpp ----
// explain_plan.hpp: what a connection method would run, as text for people.

namespace mitogen::inline MITOGEN_ABI {
namespace detail {

/// An argument as a POSIX shell reads it: as it is where that is safe, else in single quotes.
inline std::string quoted_for_shell(std::string_view argument) {
    constexpr std::string_view plain = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789@%+=:,./-_";
    if (!argument.empty() && argument.find_first_not_of(plain) == std::string_view::npos) return std::string(argument);
    std::string out = "'";
    for (const char c : argument) c == '\'' ? out += "'\\''" : out += c;
    return out + "'";
}

inline std::string quoted_for_shell(const std::vector<std::string>& arguments) {
    std::string line;
    for (const std::string& a : arguments) line += (line.empty() ? "" : " ") + quoted_for_shell(a);
    return line;
}

/// Four lines. The first can be pasted into a shell; there it waits for the program as the first stage does.
template <class Method>
result<std::string> explain_plan(const Method& method) {
    const result<boot_plan> plan = method.plan();
    if (!plan) return plan.error();
    const std::string program = method.executable.empty() ? "this one" : method.executable;
    const std::string size = plan->program ? ", " + std::to_string(sys::file_size(plan->program->get())) + " bytes" : "";
    return "run: " + quoted_for_shell(plan->start.argv) + "\nname: " + plan->name + "\nprogram: " + program + size +
           (plan->staged ? ", sent when the shell there has spoken" : ", executed here") +
           "\ntimeout: " + std::to_string(plan->timeout / 1'000'000) + " ms\n";
}

} // namespace detail
} // namespace mitogen::inline MITOGEN_ABI

// ---- mitogen/connect/log_uplink.hpp ----
// log_uplink.hpp: what a context sends its parent of its log and of the logs below: within bounds, and the rest counted.

namespace mitogen::inline MITOGEN_ABI {
namespace detail {

/// One context's way up for log records. Stdout's lines and the context's own records each have a rate. All together, and what
/// comes from below, stand back where the parent does not read.
///
/// Threads: any, unless said otherwise. Never blocks.
template <class Io>
class log_uplink {
    basic_router_core<Io>& node_;
    typename Io::mutex mutex_; // guards what follows
    log_meter lines_;
    log_meter records_;
    std::map<context_id, log_meter> below_; // of which something was dropped here
    log_backlog backlog_;
    timer look_{}; // at what was dropped
    bool planned_ = false;
    bool closed_ = false;

    static constexpr std::size_t most_text = 64u << 10;
    static constexpr std::size_t most_logger = 256;

public:
    explicit log_uplink(basic_router_core<Io>& node) : node_(node), mutex_(node.loop().io()) {
        look_.fire = [this] {
            const std::lock_guard lock(mutex_);
            planned_ = false;
            tell(false);
        };
    }

    log_uplink(log_uplink&&) = delete;

    /// A line of this context's stdout.
    void line(std::string_view text) {
        const std::lock_guard lock(mutex_);
        const instant now = node_.loop().io().now();
        if (admit(lines_, now, text.size(), one_line, lines)) send(node_.id(), log::level::info, "stdout", text);
        plan(lines_);
    }

    /// A record that was made in this process, of this context or of one below.
    void record(const log::record& r) {
        if (r.context != no_context && r.context != node_.id()) return pass(r.context, r.level, r.logger, r.text);
        const std::string_view text = r.text.substr(0, most_text);
        const std::lock_guard lock(mutex_);
        const instant now = node_.loop().io().now();
        if (admit(records_, now, text.size(), one_record, records))
            send(node_.id(), r.level, r.logger.substr(0, most_logger), text);
        plan(records_);
    }

    /// A record of a context below, which was measured where it was made. `lost`: how many it says were dropped there.
    void pass(context_id origin, log::level level, std::string_view logger, std::string_view text, std::uint64_t lost = 0) {
        const std::lock_guard lock(mutex_);
        const instant now = node_.loop().io().now();
        const char* no_way = obstacle();
        auto dropped = below_.find(origin);
        if (dropped == below_.end()) {
            if (!no_way) return send(origin, level, logger, text, lost);
            dropped = below_.try_emplace(origin).first;
        } else if (!no_way && dropped->second.tell_at() <= now) {
            say(origin, dropped->second, one_record, records);
            below_.erase(dropped);
            return send(origin, level, logger, text, lost);
        }
        (void)dropped->second.pass(now, no_way, std::max<std::uint64_t>(lost, 1));
        plan(dropped->second);
    }

    /// Says at once what was dropped: the end is near.
    void tell_all() {
        const std::lock_guard lock(mutex_);
        tell(true);
    }

    /// What was dropped is said now; what is dropped from now on only by tell_all(). Blocks until the loop has done it.
    void close() {
        if (!node_.parent()) return; // a root
        const auto work = [this] {
            const std::lock_guard lock(mutex_);
            closed_ = true;
            node_.loop().cancel_slow_timer(look_);
            tell(true);
        };
        if (node_.loop().run(work)) return;
        const std::lock_guard lock(mutex_);
        closed_ = true;
    }

private:
    static constexpr const char* one_line = "line of stdout";
    static constexpr const char* lines = "lines of stdout";
    static constexpr const char* one_record = "log record";
    static constexpr const char* records = "log records";

    // All that follows: under mutex_.

    /// What hinders every record at the moment; null where nothing does.
    const char* obstacle() {
        const auto& parent = node_.parent();
        if (!parent) return "there is no parent";
        const std::uint64_t limit = std::min(log::current_bounds().queue_bytes, node_.bounds().queue_bytes / 2);
        auto& stream = *parent->stream;
        const bool room = backlog_.has_room(stream.bytes_out(), stream.queued(), limit);
        return room ? nullptr : "more than the link to the parent takes";
    }

    bool admit(log_meter& meter, instant now, std::size_t bytes, const char* one, const char* many) {
        if (meter.drops(now)) return false; // thousands in a moment
        const char* no_way = obstacle();
        if (!no_way && meter.tell_at() <= now) say(node_.id(), meter, one, many);
        return meter.admit(now, bytes, no_way, log::current_bounds());
    }

    void say(context_id origin, log_meter& meter, const char* one, const char* many) {
        const std::uint64_t lost = meter.dropped();
        send(origin, log::level::warning, "mitogen", meter.tell(one, many), lost);
    }

    void send(context_id origin, log::level level, std::string_view logger, std::string_view text, std::uint64_t lost = 0) {
        const auto& parent = node_.parent();
        if (!parent) return;
        buffer payload = encode(origin, static_cast<std::uint8_t>(level), logger, text, lost);
        backlog_.add(header_layout::size + payload.size());
        // A lane of its own: a record does not wait behind a large message of the thread that logs.
        (void)parent->stream->send(node_.address(parent->peer, handles::forward_log), std::move(payload), this, urgency::soon);
    }

    /// Says what is due, or what there is.
    void tell(bool all) {
        const instant now = node_.loop().io().now();
        const bool hindered = !all && obstacle();
        const auto look_at = [&](context_id origin, log_meter& meter, const char* one, const char* many) {
            const instant due = meter.tell_at();
            if (due == never) return true;
            if (all || (due <= now && !hindered)) {
                say(origin, meter, one, many);
                return true;
            }
            if (due <= now) meter.postpone(now);
            plan(meter);
            return false;
        };
        (void)look_at(node_.id(), lines_, one_line, lines);
        (void)look_at(node_.id(), records_, one_record, records);
        for (auto i = below_.begin(); i != below_.end();)
            i = look_at(i->first, i->second, one_record, records) ? below_.erase(i) : std::next(i);
    }

    /// Has what was dropped said in time.
    void plan(const log_meter& meter) {
        const instant at = meter.tell_at();
        if (at == never || planned_ || closed_) return;
        planned_ = node_.loop().defer([this, at] {
            const std::lock_guard lock(mutex_);
            if (!closed_) node_.loop().set_slow_timer(look_, at);
        });
    }
};

} // namespace detail
} // namespace mitogen::inline MITOGEN_ABI

// ---- mitogen/connect/forwarded_log.hpp ----
// forwarded_log.hpp: log records of the contexts below, as they arrive.

namespace mitogen::inline MITOGEN_ABI {
namespace detail {

/// Receives the records of the contexts below: shows them here in a root, passes them on elsewhere.
template <class Io>
void receive_forwarded_logs(basic_router_core<Io>& node, log_uplink<Io>& up) {
    (void)node.add_raw_handler(handles::forward_log, {.from = accept::anyone}, [&node, &up](const message& m) {
        reader r(m.payload);
        context_id origin{};
        std::uint8_t level{};
        std::string_view logger;
        std::string_view text;
        std::uint64_t lost{};
        if (!decode(r, origin, level, logger, text, lost) || !r.finish() || level > static_cast<std::uint8_t>(log::level::error))
            return;
        if (origin != m.head.src && !node.routes().find(origin)) return; // nobody speaks for a context that is not below it
        const auto severity = static_cast<log::level>(level);
        if (node.parent()) return up.pass(origin, severity, logger, text, lost);
        const auto known = node.routes().get(origin);
        log::emit({severity, origin, known.name, logger, text});
    });
}

} // namespace detail
} // namespace mitogen::inline MITOGEN_ABI

// ---- mitogen/connect/listening.hpp ----
// listening.hpp: what a router knows of the programs that join it; the rest is compiled where listen() is called.

namespace mitogen::inline MITOGEN_ABI {

template <class Io>
class basic_pending;
template <class Io>
class basic_listener;

/// What a program that joins may do.
enum class authority : std::uint8_t {
    none,   ///< it may be called, and use the handles that take messages from anyone
    parent, ///< as the context that listens: it may also call that, and whatever is below that
};

/// How a context listens for programs that join it.
struct listen_options {
    mitogen::authority authority = mitogen::authority::none;
    std::chrono::milliseconds handshake_timeout{5'000}; ///< from connecting to being a context
    std::uint32_t most_waiting = 32;                    ///< connected and no context yet; others wait for one of them to go on
    std::optional<mitogen::limits> limits{};            ///< for those who join; empty: this context's own
};

namespace detail {

/// Who listens, and who has joined. Threads: loop, but for close() and finish().
template <class Io>
class listening {
public:
    virtual ~listening() = default;
    /// Listens no more, asks everybody to leave, and waits until they have. Before the router closes. Not on the loop.
    virtual void close() = 0;
    /// Waits for the functions that were called. After the router has closed.
    virtual void finish() = 0;
    /// Cuts the link of a context that has joined; false where there is none of that id.
    virtual bool cut(context_id id, const std::string& why) = 0;
    /// Asks it to leave, and answers `left` when it has, taking over one reference; false where there is none of that id.
    virtual bool shut_down(context_id id, basic_pending<Io>* left) = 0;
    /// In a child made by fork(): closes all descriptors.
    virtual void abandon() noexcept = 0;
};

} // namespace detail
} // namespace mitogen::inline MITOGEN_ABI

// ---- mitogen/sys/interrupt.hpp ----
// interrupt.hpp: SIGINT as bytes in a pipe, for as long as somebody wants to hear of it.

namespace mitogen::inline MITOGEN_ABI {
namespace sys {

/// The one handler of SIGINT and whom it tells. One for the process, as signals are.
class interrupts {
    static constexpr int most = 64; // watches at once
    struct ends {
        std::atomic<int> read{-1};
        std::atomic<int> write{-1}; // -1: the place is free
    };
    std::array<ends, most> places_{};
    std::atomic<int> owner_{0};  // the process whose watches these are; a copy made by fork() has none
    std::atomic<int> holder_{0}; // the process one of whose threads adds or removes one
    std::atomic<int> inside_{0}; // handlers that look at places_
    std::atomic<int> heard_{0};  // signals since the handler was installed
    int watches_ = 0;            // held
    struct ::sigaction former_ {};

    /// Held while watches are added or removed. A fork may have copied it in the hands of a thread that does not exist there.
    class held {
        std::atomic<int>& holder_;

    public:
        explicit held(interrupts& all) noexcept : holder_(all.holder_) {
            const int me = ::getpid();
            for (int other = holder_.load(); other == me || !holder_.compare_exchange_weak(other, me); other = holder_.load())
                static_cast<void>(::sched_yield());
        }
        held(held&&) = delete;
        ~held() { holder_.store(0); }
    };

    static bool is_own(const struct ::sigaction& action) noexcept {
        return (action.sa_flags & SA_SIGINFO) && action.sa_sigaction == &interrupts::handle;
    }

    static void handle(int number, ::siginfo_t* info, void* where);

    void install() noexcept {
        heard_.store(0);
        struct ::sigaction now {};
        static_cast<void>(::sigaction(SIGINT, nullptr, &now));
        if (is_own(now)) return; // a copy made by fork()
        former_ = now;
        if (!(now.sa_flags & SA_SIGINFO) && now.sa_handler == SIG_IGN) return;
        struct ::sigaction ours {};
        ours.sa_sigaction = &interrupts::handle;
        ours.sa_flags = SA_SIGINFO | SA_RESTART | (now.sa_flags & SA_ONSTACK);
        ours.sa_mask = now.sa_mask;
        static_cast<void>(::sigaction(SIGINT, &ours, nullptr));
    }

    void restore() noexcept {
        struct ::sigaction now {};
        if (::sigaction(SIGINT, nullptr, &now) == 0 && is_own(now)) static_cast<void>(::sigaction(SIGINT, &former_, nullptr));
    }

public:
    /// True where there was room.
    bool add(int read_end, int write_end) noexcept {
        const held lock(*this);
        if (const int me = ::getpid(); owner_.load() != me) { // the first, or a copy that somebody else has made by fork(2)
            for (ends& place : places_) place.write.store(-1);
            inside_.store(0);
            watches_ = 0;
            owner_.store(me);
        }
        for (ends& place : places_) {
            if (place.write.load() >= 0) continue;
            place.read.store(read_end);
            place.write.store(write_end);
            if (watches_++ == 0) install();
            return true;
        }
        return false;
    }

    /// Afterwards no handler writes there.
    void remove(int write_end) noexcept {
        const held lock(*this);
        for (ends& place : places_)
            if (place.write.load() == write_end) place.write.store(-1);
        if (--watches_ == 0) restore();
        while (inside_.load() != 0) static_cast<void>(::sched_yield());
    }

    /// In a child made by fork(): the parent's watches are none of its own.
    void forget() noexcept {
        const held lock(*this);
        for (ends& place : places_) {
            const int write_end = place.write.exchange(-1);
            if (write_end < 0) continue;
            static_cast<void>(::close(write_end));
            static_cast<void>(::close(place.read.load()));
        }
        inside_.store(0);
        if (std::exchange(watches_, 0) > 0) restore();
    }
};

inline constinit interrupts all_interrupts{};

// Only what POSIX allows in a handler (signal-safety(7)).
inline void interrupts::handle(int number, ::siginfo_t* info, void* where) {
    interrupts& all = all_interrupts;
    const int before = errno;
    all.inside_.fetch_add(1);
    const bool ours = all.owner_.load() == ::getpid();
    for (ends& place : all.places_) {
        const int to = ours ? place.write.load() : -1;
        if (to >= 0 && ::write(to, "", 1) < 0) continue; // it is full of them
    }
    const struct ::sigaction former = all.former_;
    all.inside_.fetch_sub(1);
    if (former.sa_flags & SA_SIGINFO) {
        former.sa_sigaction(number, info, where);
    } else if (former.sa_handler != SIG_DFL && former.sa_handler != SIG_IGN) {
        former.sa_handler(number);
    } else if (!ours || all.heard_.fetch_add(1) >= 2) {
        static_cast<void>(::sigaction(number, &former, nullptr));
        static_cast<void>(::raise(number)); // comes when this handler returns
    }
    errno = before;
}

/// While it exists, each SIGINT that this process gets becomes a byte that can be read from fd(). A handler that the program has
/// is called as well. Where it has none, the third signal ends the process as ever, so that one that hangs can be ended. Where
/// the signal is ignored it stays so. The last watch to go restores what was there before, unless the program has changed it
/// since.
///
/// Threads: any. Throws: error with reason::system without descriptors; overloaded_error with 64 others.
class interrupt_watch {
    unique_fd read_end_;
    unique_fd write_end_;

public:
    interrupt_watch() {
        long rc = pipe(read_end_, write_end_);
        if (rc >= 0) rc = move_above_stdio(read_end_);
        if (rc >= 0) rc = move_above_stdio(write_end_);
        if (rc >= 0) rc = set_nonblocking(read_end_.get(), true);
        if (rc >= 0) rc = set_nonblocking(write_end_.get(), true);
        if (rc < 0) raise(failure("a pipe for SIGINT", rc));
        if (!all_interrupts.add(read_end_.get(), write_end_.get()))
            raise(error(reason::overloaded, "too many watch for SIGINT at once"));
    }
    interrupt_watch(interrupt_watch&&) = delete;
    ~interrupt_watch() { all_interrupts.remove(write_end_.get()); }

    /// Readable after a signal; nonblocking.
    int fd() const noexcept { return read_end_.get(); }

    /// How many signals there were since the last time.
    int take() noexcept {
        char bytes[64];
        int count = 0;
        for (long n = 0; (n = read(read_end_.get(), bytes, sizeof bytes)) > 0;) count += static_cast<int>(n);
        return count;
    }
};

} // namespace sys
} // namespace mitogen::inline MITOGEN_ABI

// ---- mitogen/sys/fork.hpp ----
// fork.hpp: fork(2), and what its child has to put right before anything else.

namespace mitogen::inline MITOGEN_ABI {
namespace sys {

/// Forks. 0 in the child, which has its own process group, all signals unblocked, SIGPIPE at its default and nobody who
/// watches for SIGINT; the child's id in the parent.
inline result<int> fork_process() {
    const long rc = checked("fork", -1, [] { return ::fork(); });
    if (rc < 0) return failure("fork", rc);
    if (rc == 0) {
        static_cast<void>(::setpgid(0, 0));
        ::sigset_t none;
        ::sigemptyset(&none);
        static_cast<void>(::pthread_sigmask(SIG_SETMASK, &none, nullptr));
        static_cast<void>(::signal(SIGPIPE, SIG_DFL));
        all_interrupts.forget();
    }
    return static_cast<int>(rc);
}

/// Ends this process at once: no destructors, no exit handlers.
[[noreturn]] inline void exit_now(int code) noexcept { ::_exit(code); }

} // namespace sys
} // namespace mitogen::inline MITOGEN_ABI

// ---- mitogen/connect/methods/fork.hpp ----
// fork.hpp: a child that is a copy of this process.

namespace mitogen::inline MITOGEN_ABI {

/// A copy of this process: its memory as it is now, one thread, the program's own descriptors, none of the library's.
struct fork_options {
    std::string name{};                                ///< of the context; empty: "fork"
    std::chrono::milliseconds connect_timeout{30'000}; ///< from start to hello
    std::optional<mitogen::limits> limits{};           ///< for it and all below it; empty: this context's own
    void (*on_start)() = nullptr;                      ///< called first in the child: re-seed generators, drop caches
};

namespace detail {

/// Runs a child whose link is ready; defined with the rest of what a child does.
template <class Io>
void serve_as_child(Io io, child_ends<Io> ends);
template <class Io>
    requires io::can_fork<Io>
[[noreturn]] void enter_fork_child(Io io, child_pipes<Io>& pipes, const fork_options& options);

/// Forks. Returns the child's process id in the parent; never returns in the child. `abandon` closes what the child must not
/// have.
template <class Io, class Abandon>
    requires io::can_fork<Io>
result<int> fork_child(Io& io, child_pipes<Io>& pipes, const fork_options& options, Abandon&& abandon) {
    std::fflush(nullptr); // else what is in the buffers now would be written twice
    const result<int> pid = sys::fork_process();
    if (!pid || *pid != 0) return pid;
    abandon();
    enter_fork_child<Io>(io, pipes, options);
}

} // namespace detail
} // namespace mitogen::inline MITOGEN_ABI

// ---- mitogen/route/status.hpp ----
// status.hpp: the tree as one context sees it, as data and as text.

namespace mitogen::inline MITOGEN_ABI {

/// What one context knows of another. Times and bytes are of the link between the two, and known only where there is one.
struct context_status {
    /// How the other one stands to this context.
    enum class place : std::uint8_t {
        self,   ///< it is this context
        parent, ///< above it, at the other end of a link
        child,  ///< below it, at the other end of a link
        below,  ///< reached through a child
    };

    context_id id = no_context;
    context_id parent = no_context; ///< who made it; no_context: not known here
    std::string name{};             ///< empty: not known here
    place where = place::below;
    std::size_t pending_calls = 0;  ///< of this context, that it has not answered
    std::uint64_t queue_bytes = 0;  ///< that wait to be written to it
    std::uint64_t bytes_in = 0;     ///< ever read from it
    std::uint64_t bytes_out = 0;    ///< ever written to it
    duration_ns uptime = 0;         ///< of the link
    duration_ns round_trip = never; ///< of the last heartbeat that was answered; never: there was none
    std::uint64_t late_frames = 0;  ///< of place::self: messages that came for a call or flow that had ended, and were dropped

    /// One line of text, without its end.
    std::string text() const {
        static constexpr const char* places[] = {"self", "parent", "child", "below"};
        std::string line = "context " + std::to_string(id) + (name.empty() ? "" : " \"" + name + "\"") + ": " +
                           places[static_cast<std::size_t>(where)];
        if (where == place::below) line += parent == no_context ? "" : " context " + std::to_string(parent);
        if (pending_calls) line += ", " + std::to_string(pending_calls) + " pending calls";
        if (late_frames) line += ", " + std::to_string(late_frames) + " late frames";
        if (where != place::parent && where != place::child) return line;
        line += ", " + std::to_string(queue_bytes) + " bytes queued, up for " + std::to_string(uptime / 1'000'000) + " ms";
        if (round_trip != never) line += ", round trip " + std::to_string(round_trip / 1'000) + " us";
        return line;
    }
};

namespace detail {

template <class Io>
void add_link_status(basic_link<Io>& link, instant now, context_status& to) {
    to.queue_bytes = link.stream->queued();
    to.bytes_in = link.stream->bytes_in();
    to.bytes_out = link.stream->bytes_out();
    to.uptime = now - link.since;
    to.round_trip = link.round_trip;
}

/// This context first, then its parent, then all below by id. Empty once the loop has ended. Threads: any.
template <class Io>
std::vector<context_status> status_of(basic_router_core<Io>& node) {
    using place = context_status::place;
    std::vector<context_status> all;
    node.loop().run([&] {
        const instant now = node.loop().io().now();
        const auto add = [&](context_id id, context_id parent, const std::string& name, place where) -> context_status& {
            context_status s;
            s.id = id;
            s.parent = parent;
            s.name = name;
            s.where = where;
            s.pending_calls = node.answers().open_count_of(id);
            return all.emplace_back(std::move(s));
        };
        const auto& parent = node.parent();
        add(node.id(), parent ? parent->peer : no_context, {}, place::self).late_frames = node.late_frames();
        if (parent) add_link_status(*parent, now, add(parent->peer, no_context, {}, place::parent));
        for (const auto& r : node.below()) {
            const bool direct = r.via->peer == r.id;
            context_status& s = add(r.id, r.parent, r.name, direct ? place::child : place::below);
            if (direct) add_link_status(*r.via, now, s);
        }
    });
    return all;
}

} // namespace detail
} // namespace mitogen::inline MITOGEN_ABI

// ---- mitogen/rpc/call.hpp ----
// call.hpp: turns `ctx.call<&fn>(args…)` into a message and its answer into a value.

namespace mitogen::inline MITOGEN_ABI {

namespace rpc::detail {

/// What a call of `F` gives its caller.
template <auto F>
using result_of = typename owned_result<typename wire_result<typename function_traits<F>::result>::type>::type;

// The names of these templates and their arguments are what the compiler prints above the messages.
template <auto Function, std::size_t Given, std::size_t Expected>
struct argument_count {
    static_assert(Given == Expected,
                  "mitogen: wrong number of arguments for this remote Function (Given, Expected); parameters that are "
                  "supplied where it runs (router&, caller&, std::stop_token) are not passed");
    static constexpr bool checked = Given == Expected;
};

template <auto Function, std::size_t Position, class Given, class Parameter>
struct argument_of {
    static_assert(std::is_convertible_v<Given, Parameter>,
                  "mitogen: this argument (counted from 1 by Position) does not convert to the Parameter of the remote Function; "
                  "it would not compile as a local call either");
    static constexpr bool checked = std::is_convertible_v<Given, Parameter>;
};

/// What is wrong with a call on a default-constructed context.
MITOGEN_COLD inline error empty_target() {
    return error(reason::misuse, "this mitogen::context is empty: it was default-constructed, and refers to no context");
}

/// The argument as the parameter's type: itself where it is that already, else converted as for a local call.
template <class Parameter, class Given>
decltype(auto) as_parameter(Given&& given) {
    if constexpr (std::is_same_v<std::remove_cvref_t<Given>, Parameter>) {
        return static_cast<const Parameter&>(given);
    } else {
        return static_cast<Parameter>(std::forward<Given>(given));
    }
}

/// How a function is used; what it takes and returns decides how it can be.
enum class verb : unsigned char { call, stream, open };

template <auto Function, verb Used>
struct wanted_verb {
    using traits = function_traits<Function>;
    static constexpr bool opened = traits::dialogs > 0;
    static constexpr bool streamed = is_item_range<typename traits::result>;
    static_assert(!(Used == verb::call && opened), "mitogen: this Function takes a dialog: open<&fn>(args…) it");
    static_assert(!(Used == verb::call && streamed), "mitogen: this Function returns a generator: stream<&fn>(args…) it");
    static_assert(Used != verb::stream || streamed,
                  "mitogen: only a Function that returns generator<T> can be streamed: call it");
    static_assert(Used != verb::open || opened,
                  "mitogen: only a Function that takes a dialog can be opened: call it, or stream it");
    static_assert(traits::dialogs <= 1 && !(opened && streamed),
                  "mitogen: a Function has one dialog, or returns a generator, or neither");
    static constexpr bool checked = true;
};

/// The encoded arguments of a call and the frame in front of them: small ones on the stack, so that a small call allocates
/// nothing.
class call_message {
    alignas(16) std::byte small_[512];
    buffer large_;
    std::size_t size_ = 0;

public:
    /// Room for `size` bytes.
    std::byte* reserve(std::size_t size) {
        size_ = size;
        if (size <= sizeof small_) return small_;
        large_.resize(size);
        return large_.data();
    }

    /// All of them, to send.
    outgoing_bytes bytes() {
        if (size_ <= sizeof small_) return std::span<const std::byte>(small_, size_);
        return std::move(large_);
    }
};

/// The frame for a call of `function` in `to`. False with `why` where it cannot be called there.
inline bool frame_for(call_port& port, context_id to, const function_entry& function, const call_options& options,
                      call_frame& frame, std::optional<error>& why) {
    frame.function = function.index();
    if (!port.same_build(to)) {
        const result<std::uint64_t> key = port.key_of ? port.key_of(&function, to) : error(reason::no_route, "no router");
        if (!key) {
            why.emplace(key.error());
            return false;
        }
        frame.flags |= call_frame::by_key;
        frame.function = *key;
    }
    if (options.within != never) {
        frame.flags |= call_frame::has_deadline;
        frame.time_left = options.within;
    }
    if (options.chain) {
        frame.flags |= call_frame::has_chain;
        frame.chain = options.chain;
    }
    if (options.flow.port) {
        frame.flags |= call_frame::has_flow;
        frame.flow = options.flow;
    }
    return true;
}

/// Encodes a call of `F` into `message`.
template <auto F, class... Args>
bool compose(call_message& message, std::optional<error>& why, call_port& port, context_id to, const call_options& options,
             const Args&... args) {
    call_frame frame;
    if (!frame_for(port, to, entry_of<F>(), options, frame, why)) return false;
    const std::size_t front = frame.size();
    writer w(message.reserve(front + encoded_size(args...)), to);
    frame.write(w);
    encode(w, args...);
    return true;
}

template <auto F, class... Ws, class... Args>
bool convert_and_compose(type_list<Ws...>, call_message& message, std::optional<error>& why, call_port& port, context_id to,
                         const call_options& options, Args&&... args) {
    return compose<F>(message, why, port, to, options, as_parameter<Ws>(std::forward<Args>(args))...);
}

template <auto F, class Wire, class Given>
struct check_arguments;
template <auto F, class... Ws, class... Gs>
struct check_arguments<F, type_list<Ws...>, type_list<Gs...>> {
    template <std::size_t... Is>
    static constexpr bool each(std::index_sequence<Is...>) {
        return (argument_of<F, Is + 1, Gs, Ws>::checked && ... && true);
    }
    static constexpr bool checked = [] {
        if constexpr (argument_count<F, sizeof...(Gs), sizeof...(Ws)>::checked) return each(std::index_sequence_for<Ws...>{});
        return false;
    }();
};

} // namespace rpc::detail

/// The ways to call a function, shared by contexts, deadlines and chains. `Target` offers valid(), port(), id(), options() and
/// environment().
template <class Target, class Io>
class call_methods {
    const Target& self() const noexcept { return static_cast<const Target&>(*this); }

    /// Encodes a call. False with `why` where it cannot be made.
    template <auto F, rpc::detail::verb Verb = rpc::detail::verb::call, class... Args>
    bool compose(rpc::detail::call_message& message, std::optional<error>& why, const call_options& options,
                 Args&&... args) const {
        static_cast<void>(rpc::detail::wanted_verb<F, Verb>::checked);
        using wire = typename function_traits<F>::wire_parameters;
        if constexpr (function_traits<F>::what_is_wrong != rpc::detail::fault::none) {
            rpc::detail::check_function<F>(); // says what is wrong; the arguments are beside the point
            return false;
        } else if constexpr (rpc::detail::check_arguments<F, wire, type_list<Args...>>::checked) {
            return rpc::detail::convert_and_compose<F>(wire{}, message, why, self().port(), self().id(), options,
                                                       std::forward<Args>(args)...);
        } else {
            return false;
        }
    }

    /// Begins a call whose items come through `flow`.
    template <auto F, rpc::detail::verb Verb, class... Args>
    awaited& begin_flow(flow_address flow, Args&&... args) const {
        rpc::detail::call_message message;
        std::optional<error> why;
        call_options options = self().options();
        options.flow = flow;
        if (!compose<F, Verb>(message, why, options, std::forward<Args>(args)...))
            return self().port().refuse_call(self().id(), std::move(*why));
        return submit(message, entry_of<F>(), question::manner::gather, &options);
    }

    /// Begins a call that has a dialog; `begin` makes what the caller gets of it. See kit/open_dialog.hpp.
    template <auto F, class Begin, class... Args>
    auto open_as(Begin begin, Args&&... args) const;

    /// Sends a call that wants an answer.
    awaited& submit(rpc::detail::call_message& message, const function_entry& function, question::manner how,
                    const call_options* guards) const {
        return self().port().ask({.to = self().id(),
                                  .handle = handles::call_function,
                                  .how = how,
                                  .payload = message.bytes(),
                                  .subject = &function,
                                  .options = guards});
    }

public:
    /// Calls `F(args…)` in the other context and waits for its result.
    /// Errors, thrown: call_error where the function threw; channel_error where the context is lost; timeout_error,
    /// cancelled_error; codec_error; signature_error; overloaded_error. Not from a function that runs on::loop.
    template <auto F, class... Args>
    rpc::detail::result_of<F> call(Args&&... args) const {
        return try_call<F>(std::forward<Args>(args)...).value();
    }

    /// The same, with the error as a value.
    template <auto F, class... Args>
    result<rpc::detail::result_of<F>> try_call(Args&&... args) const {
        if (!self().valid()) return rpc::detail::empty_target();
        rpc::detail::call_message message;
        std::optional<error> why;
        if (!compose<F>(message, why, self().options(), std::forward<Args>(args)...)) return std::move(*why);
        call_port& port = self().port();
        awaited& p = submit(message, entry_of<F>(), question::manner::wait, nullptr);
        basic_future<rpc::detail::result_of<F>, Io> answer(&p, port, self().environment());
        port.await_call(p, self().options());
        return answer.outcome();
    }

    /// Starts a call and returns its answer-to-be. Calls that are started one after the other travel together. Blocks only while
    /// the link's queue is full.
    template <auto F, class... Args>
    basic_future<rpc::detail::result_of<F>, Io> call_async(Args&&... args) const {
        rpc::detail::call_message message;
        std::optional<error> why;
        call_port& port = self().port();
        awaited& p = compose<F>(message, why, self().options(), std::forward<Args>(args)...)
                         ? submit(message, entry_of<F>(), question::manner::gather, &self().options())
                         : port.refuse_call(self().id(), std::move(*why));
        return basic_future<rpc::detail::result_of<F>, Io>(&p, port, self().environment());
    }

    /// Calls without an answer: what the function returns or throws is dropped there (an exception is logged). Throws where the
    /// context is known to be lost.
    template <auto F, class... Args>
    void call_no_reply(Args&&... args) const {
        rpc::detail::call_message message;
        std::optional<error> why;
        if (!compose<F>(message, why, self().options(), std::forward<Args>(args)...)) raise(*why);
        self().port().tell(self().id(), handles::call_function, message.bytes(), true).value();
    }

    /// Starts a function that returns generator<T> and returns what it yields as a range, basic_remote_range<T>: see
    /// kit/remote_range.hpp.
    template <auto F, class... Args>
    auto stream(Args&&... args) const;

    /// Starts a function that takes a dialog and returns the other end of it when the function has called started(): see
    /// kit/open_dialog.hpp. Errors, thrown: as call's, of a function that ends before.
    template <auto F, class... Args>
    auto open(Args&&... args) const;
    /// The same, with the error as a value.
    template <auto F, class... Args>
    auto try_open(Args&&... args) const;
    /// For tasks: `auto d = co_await ctx.open_async<&fn>(args…)`. The function is started at once.
    template <auto F, class... Args>
    auto open_async(Args&&... args) const;
};

} // namespace mitogen::inline MITOGEN_ABI

// ---- mitogen/rpc/making.hpp ----
// making.hpp: the members that make a child by one of the methods that run a tool, once for all who make children.

namespace mitogen::inline MITOGEN_ABI {

struct sudo;
struct su;
struct doas;
struct docker;
struct podman;
struct buildah;
struct kubectl;
struct lxc;
struct lxd;
struct incus;
struct jail;
struct chroot;
struct nsenter;
struct slurm;
struct command;

using sudo_options = sudo;
using su_options = su;
using doas_options = doas;
using docker_options = docker;
using podman_options = podman;
using buildah_options = buildah;
using kubectl_options = kubectl;
using lxc_options = lxc;
using lxd_options = lxd;
using incus_options = incus;
using jail_options = jail;
using chroot_options = chroot;
using nsenter_options = nsenter;
using slurm_options = slurm;
using command_options = command;

/// A base of whoever has connect(method) and try_connect(method): a router, a context, a nursery. `Maker` is const where those
/// are; `Context` is what they return. Each method is a struct of options in mitogen/connect/methods/.
///
/// To call one takes its header, which the umbrella has. All block until the child is up. The try_ forms return the error that
/// the others throw. Threads: as those of `Maker`.
template <class Maker, class Context>
class making {
    Maker& maker() const noexcept { return const_cast<Maker&>(static_cast<const Maker&>(*this)); }

public:
    /// A process of another user of the same machine, root where none is named: `sudo({.username = "postgres"})`.
    Context sudo(const sudo_options& options) const { return maker().connect(options); }
    result<Context> try_sudo(const sudo_options& options) const { return maker().try_connect(options); }

    /// The same by su, which wants that user's password.
    Context su(const su_options& options) const { return maker().connect(options); }
    result<Context> try_su(const su_options& options) const { return maker().try_connect(options); }

    /// The same by OpenBSD's doas.
    Context doas(const doas_options& options) const { return maker().connect(options); }
    result<Context> try_doas(const doas_options& options) const { return maker().try_connect(options); }

    /// A process in a Docker container that runs, or in a new one: `docker({.container = "web"})`, `docker({.image = "debian"})`.
    Context docker(const docker_options& options) const { return maker().connect(options); }
    result<Context> try_docker(const docker_options& options) const { return maker().try_connect(options); }

    /// A process in a Podman container that runs.
    Context podman(const podman_options& options) const { return maker().connect(options); }
    result<Context> try_podman(const podman_options& options) const { return maker().try_connect(options); }

    /// A process in a working container of Buildah.
    Context buildah(const buildah_options& options) const { return maker().connect(options); }
    result<Context> try_buildah(const buildah_options& options) const { return maker().try_connect(options); }

    /// A process in a pod of a Kubernetes cluster.
    Context kubectl(const kubectl_options& options) const { return maker().connect(options); }
    result<Context> try_kubectl(const kubectl_options& options) const { return maker().try_connect(options); }

    /// A process in an LXC container that runs.
    Context lxc(const lxc_options& options) const { return maker().connect(options); }
    result<Context> try_lxc(const lxc_options& options) const { return maker().try_connect(options); }

    /// A process in an instance of LXD that runs.
    Context lxd(const lxd_options& options) const { return maker().connect(options); }
    result<Context> try_lxd(const lxd_options& options) const { return maker().try_connect(options); }

    /// A process in an instance of Incus that runs.
    Context incus(const incus_options& options) const { return maker().connect(options); }
    result<Context> try_incus(const incus_options& options) const { return maker().try_connect(options); }

    /// A process in a FreeBSD jail.
    Context jail(const jail_options& options) const { return maker().connect(options); }
    result<Context> try_jail(const jail_options& options) const { return maker().try_connect(options); }

    /// A process with another root directory.
    Context chroot(const chroot_options& options) const { return maker().connect(options); }
    result<Context> try_chroot(const chroot_options& options) const { return maker().try_connect(options); }

    /// A process in the namespaces of another one: `nsenter({.pid = 4711})`, `nsenter({.container = "web", .kind =
    /// container_kind::docker})`.
    Context nsenter(const nsenter_options& options) const { return maker().connect(options); }
    result<Context> try_nsenter(const nsenter_options& options) const { return maker().try_connect(options); }

    /// A process on a node of a Slurm cluster.
    Context slurm(const slurm_options& options) const { return maker().connect(options); }
    result<Context> try_slurm(const slurm_options& options) const { return maker().try_connect(options); }

    /// A process by any program that runs a command elsewhere and passes its stdin and stdout on: `command({.argv = {"env",
    /// "-i"}})`.
    Context command(const command_options& options) const { return maker().connect(options); }
    result<Context> try_command(const command_options& options) const { return maker().try_connect(options); }
};

} // namespace mitogen::inline MITOGEN_ABI

// ---- mitogen/rpc/context.hpp ----
// context.hpp: one node of the tree, as a value.

#if defined(__cpp_lib_jthread)
#include <stop_token>
#endif

namespace mitogen::inline MITOGEN_ABI {

struct local;
struct ssh;
using local_options = local;
using ssh_options = ssh;

/// A context together with how its calls are made: what within(), with() and chain() return.
template <class Io>
class basic_call_target : public call_methods<basic_call_target<Io>, Io> {
    call_port* router_;
    context_id id_;
    call_options options_;

public:
    basic_call_target(call_port& node, context_id id, call_options options)
        : router_(&node), id_(id), options_(std::move(options)) {}

    bool valid() const noexcept { return true; }
    context_id id() const noexcept { return id_; }
    const call_options& options() const noexcept { return options_; }
    call_port& port() const noexcept { return *router_; }
    decode_environment environment() const noexcept { return {router_, &policy_tag<Io>}; }

    /// As basic_context::within.
    template <class Rep, class Period>
    basic_call_target within(std::chrono::duration<Rep, Period> span) const {
        basic_call_target copy(*this);
        copy.options_.within = to_ns(span);
        return copy;
    }

#if defined(__cpp_lib_jthread)
    /// As basic_context::with.
    basic_call_target with(std::stop_token stop) const {
        basic_call_target copy(*this);
        copy.options_.stop = std::move(stop);
        return copy;
    }
#endif
};

/// Some node of the tree. A cheap value: copy it, send it to other contexts as an argument, get it as a result. Knows its router,
/// which must outlive it.
///
/// Threads: any. A default-constructed one refers to nothing; every call on it is a logic_error.
template <class Io>
class basic_context : public call_methods<basic_context<Io>, Io>, public making<const basic_context<Io>, basic_context<Io>> {
    call_port* router_ = nullptr;
    context_id id_ = no_context;

public:
    basic_context() = default;
    basic_context(basic_router<Io>& node, context_id id) noexcept : router_(&node), id_(id) {}

    /// False for one that was default-constructed.
    bool valid() const noexcept { return router_ != nullptr; }

    /// Its number in the tree.
    context_id id() const noexcept { return id_; }

    /// Its names from below the root down to itself, as far as this context knows them.
    std::vector<std::string> path() const {
        std::vector<std::string> names;
        for (context_id at = id_; at != no_context && at != port().id();) {
            const auto known = node().routes().get(at);
            if (known.id == no_context) break;
            names.insert(names.begin(), known.name);
            at = known.parent;
        }
        return names;
    }

    /// Its path joined by dots: "bastion.web1".
    std::string name() const {
        std::string text;
        for (const std::string& part : path()) text.append(text.empty() ? "" : ".").append(part);
        return text;
    }

    /// True while there is a route to it.
    bool alive() const { return node().reaches(id_); }

    /// One line of text about it: see basic_router::describe.
    std::string describe() const {
        for (const auto& s : node().status())
            if (s.id == id_) return s.text();
        const std::optional<error> lost = node().why_lost(id_);
        return "context " + std::to_string(id_) + ": " + (lost ? "lost: " + std::string(lost->message()) : "not known here");
    }

    /// Runs `call(error)` on the loop when it is lost; soon where it is lost already.
    void on_disconnect(unique_function<void(const error&)> call) const { node().on_disconnect(id_, std::move(call)); }

    // ---- making children of it: as the members of basic_router, done there, while its functions run, with the files and the ssh
    // of its machine. Only for this context and those below it. To drop the future before the child is up is to end the child.
    // Defined in connect/context_connect.hpp.

    /// A new process there, running the program that runs there.
    basic_context local() const;
    basic_context local(const local_options& options) const;
    result<basic_context> try_local() const;
    result<basic_context> try_local(const local_options& options) const;

    /// A process that is reached from there with ssh.
    basic_context ssh(const ssh_options& options) const;
    result<basic_context> try_ssh(const ssh_options& options) const;

    // Those that run a tool, docker() and the like, are members of `making`.

    /// Any method that can travel, by its options: `context.connect(mitogen::ssh{.hostname = "web1"})`.
    template <class Method>
    basic_context connect(const Method& method) const;
    template <class Method>
    result<basic_context> try_connect(const Method& method) const;

    /// Begins to connect and returns at once. Errors come out of the future; those of the other context name it as their place.
    template <class Method>
    basic_future<basic_context, Io> connect_async(const Method& method) const;

    /// What connect(method) would run there, as text: see basic_router::explain. Said by this context, of its own program and
    /// with its own files, whatever machine that one is on.
    template <class Method>
    std::string explain(const Method& method) const;

    /// Asks its loop for a sign of life; done when it has come. Answered although its functions are busy.
    basic_future<void, Io> ping() const {
        call_port& to = port();
        awaited& p = to.ask({.to = id_, .handle = handles::ping, .how = question::manner::pass});
        return basic_future<void, Io>(&p, to, environment());
    }

    /// Calls made through the result fail with timeout_error after `span`; the callee is told how much of it is left, and of the
    /// failure.
    template <class Rep, class Period>
    basic_call_target<Io> within(std::chrono::duration<Rep, Period> span) const {
        return target(call_options{}).within(span);
    }

#if defined(__cpp_lib_jthread)
    /// Calls made through the result are cancelled when `stop` is requested.
    basic_call_target<Io> with(std::stop_token stop) const { return target(call_options{}).with(std::move(stop)); }
#endif

    /// Calls made through the result form a chain: sent without waiting for one another; after one has failed the later ones fail
    /// with the same error and do not run.
    basic_chain<Io> chain() const { return basic_chain<Io>(port(), id_); }

    /// Sends a message to a handle there. Blocks only while the link's queue is full.
    template <class... Args>
    void send(handle<Args...> to, const std::type_identity_t<Args>&... args) const {
        port().tell(id_, to.number, encode(args...), true).value();
    }

    /// Ends it and everything below it: its running functions are told to stop, and it exits. Does not block; the future has the
    /// exit status. One that does not end by itself is killed, see basic_router.
    basic_future<exit_status, Io> shutdown() const { return node().shutdown_child(id_); }

    /// Cuts the link to it at once: calls to it fail, and it ends.
    void disconnect() const { node().disconnect_child(id_); }

    /// For call_methods.
    const call_options& options() const noexcept {
        static const call_options none{};
        return none;
    }
    call_port& port() const {
        if (!router_) raise(rpc::detail::empty_target());
        return *router_;
    }
    decode_environment environment() const noexcept { return {router_, &policy_tag<Io>}; }

    friend bool operator==(const basic_context& a, const basic_context& b) noexcept { return a.id_ == b.id_; }
    friend bool operator==(const basic_context& a, context_id b) noexcept { return a.id_ == b; }

private:
    basic_call_target<Io> target(call_options options) const { return basic_call_target<Io>(port(), id_, std::move(options)); }
    basic_router<Io>& node() const { return static_cast<basic_router<Io>&>(port()); }
};

/// Calls that are pipelined and fail together. Moves; its end forgets the failure on the other side.
/// Threads: one at a time.
template <class Io>
class basic_chain : public call_methods<basic_chain<Io>, Io> {
    call_port* router_;
    context_id id_;
    call_options options_;

    static std::uint64_t next_number() noexcept {
        static std::atomic<std::uint64_t> last{0};
        return last.fetch_add(1, std::memory_order_relaxed) + 1;
    }

public:
    basic_chain(call_port& node, context_id id) : router_(&node), id_(id) { options_.chain = next_number(); }
    basic_chain(basic_chain&& other) noexcept
        : router_(std::exchange(other.router_, nullptr)), id_(other.id_), options_(std::move(other.options_)) {}
    basic_chain& operator=(basic_chain&&) = delete;
    ~basic_chain() {
        if (router_) reset();
    }

    /// Forgets a failure: later calls run again. Takes effect in order with the calls.
    void reset() noexcept {
        (void)router_->tell(id_, handles::forget_chain, encode(options_.chain), false);
        options_.chain = next_number(); // not the old number: calls of it may still be waiting there
    }

    bool valid() const noexcept { return router_ != nullptr; }
    context_id id() const noexcept { return id_; }
    const call_options& options() const noexcept { return options_; }
    call_port& port() const noexcept { return *router_; }
    decode_environment environment() const noexcept { return {router_, &policy_tag<Io>}; }
};

/// How a process ended, on the wire: two i32.
template <>
struct codec<exit_status> {
    static constexpr bool is_fixed = true;
    static constexpr std::size_t fixed_size = 8;
    static constexpr std::size_t least = 8;
    static std::size_t size(const exit_status&) noexcept { return fixed_size; }
    static void encode(writer& w, const exit_status& s) noexcept {
        w.put_scalar(static_cast<std::int32_t>(s.code));
        w.put_scalar(static_cast<std::int32_t>(s.signal));
    }
    static bool decode(reader& r, exit_status& s) {
        std::int32_t code;
        std::int32_t signal;
        if (!r.take_scalar(code) || !r.take_scalar(signal)) return false;
        s = {code, signal};
        return true;
    }
    static void signature(signature_sink& out) { out.put("exit_status"); }
};

/// A context travels as its id, and belongs to the router of whoever decodes it.
template <class Io>
struct codec<basic_context<Io>> {
    static constexpr bool is_fixed = true;
    static constexpr std::size_t fixed_size = 4;
    static constexpr std::size_t least = 4;
    static std::size_t size(const basic_context<Io>&) noexcept { return fixed_size; }
    static void encode(writer& w, const basic_context<Io>& c) noexcept { w.put_scalar(c.id()); }
    static bool decode(reader& r, basic_context<Io>& c) {
        context_id id;
        if (!r.take_scalar(id)) return false;
        const auto* place = static_cast<const decode_environment*>(r.environment());
        if (id == no_context) {
            c = {};
            return true;
        }
        if (!place || place->policy != &policy_tag<Io>)
            return r.fail("a context can be decoded only as an argument or a result of a call, under the same I/O policy");
        c = basic_context<Io>(*static_cast<basic_router<Io>*>(place->router), id);
        return true;
    }
    static void signature(signature_sink& out) { out.put("context"); }
};

} // namespace mitogen::inline MITOGEN_ABI

// ---- mitogen/rpc/explain.hpp ----
// explain.hpp: asks the other side what is wrong with a function key, so that the error can print names and signatures.

namespace mitogen::inline MITOGEN_ABI {

/// What calls between different builds need: a function's key, and an explanation where the callee does not know it.
///
/// Between different builds a call carries only a 64-bit key. Where the callee does not know it, the caller sends the function's
/// name and signature after it, once, and the answer to that, which says what is different, becomes the call's error.
template <class Io>
void explain_unknown_functions(basic_router_core<Io>& node) {
    node.key_of = [](const void* subject, context_id to) -> result<std::uint64_t> {
        const auto& function = *static_cast<const function_entry*>(subject);
        if (function.stable_name()) return function.key();
        return error(reason::unknown_function, function.name() + " can be named only within one build, and context " +
                                                   std::to_string(to) +
                                                   " runs another; give it a name that both know: template <> inline constexpr "
                                                   "std::string_view mitogen::name_of<&f> = \"…\";");
    };
    node.on_failure = [&node](basic_pending<Io>& p, const error& why) {
        if (why.reason() != reason::unknown_function || !p.subject || p.explained) return false;
        p.explained = true;
        const auto& function = *static_cast<const function_entry*>(p.subject);
        const header question{
            .dst = p.respondent(), .src = node.id(), .auth = node.id(), .handle = handles::explain_call, .reply_to = p.handle()};
        return node.send(question, encode(function.name(), function.signature()), urgency::soon).has_value();
    };
}

} // namespace mitogen::inline MITOGEN_ABI

// ---- mitogen/rpc/typed_handler.hpp ----
// typed_handler.hpp: decodes a message for a handler that wants values.

namespace mitogen::inline MITOGEN_ABI {

/// Wraps `call(const message&, Args...)` for raw messages. One that does not decode is logged and handed to
/// `refuse(message, why)`, which tells the sender. A dead message (the handler's respondent is lost, or the router is at its end)
/// reaches the handler only where it can be called with the message alone.
template <class... Args, class F, class Refuse>
auto typed_handler(F call, Refuse refuse, const limits& bounds, decode_environment environment) {
    static_assert(std::is_invocable_v<F&, const message&, Args&&...>,
                  "mitogen: the handler must be callable as f(const message&, Args...) with the Args of its handle");
    return [call = std::move(call), refuse = std::move(refuse), bounds, environment](const message& m) mutable {
        if (m.dead()) {
            if constexpr (sizeof...(Args) > 0 && std::is_invocable_v<F&, const message&>) call(m);
            return;
        }
        std::tuple<Args...> values{};
        reader r(m.payload, bounds, &environment);
        const bool decoded = std::apply([&](auto&... v) { return mitogen::decode(r, v...); }, values) && r.finish();
        if (!decoded) {
            const std::string what =
                "a message to handle " + std::to_string(m.head.handle) + " does not decode: " + r.failure_text();
            log::write(log::level::warning, what);
            return refuse(m, error(reason::bad_arguments, what));
        }
        std::apply([&](auto&... v) { call(m, std::move(v)...); }, values);
    };
}

} // namespace mitogen::inline MITOGEN_ABI

// ---- mitogen/connect/router.hpp ----
// router.hpp: one context's place in the tree, and its means to make children.

namespace mitogen::inline MITOGEN_ABI {

/// How a router is made.
struct router_options {
    mitogen::limits limits{};       ///< for this context and all below it
    ending_patience patience{};     ///< how long children may take to end
    std::uint32_t pool_threads = 4; ///< most threads that a child gives to on::pool functions
    tree_rules rules{};             ///< for the whole tree
    std::vector<payload> payloads{}; ///< this program, built for machines of other kinds
};

/// One context's place in the tree. Every way to make a child is a member. The destructor ends all children and waits for them.
///
/// Threads: any, but for the destructor. Blocking members must not be called from functions that run on the loop.
template <class Io>
class basic_router final : public basic_router_core<Io>, public making<basic_router<Io>, basic_context<Io>> {
    using core = basic_router_core<Io>;
    using child = basic_child<Io>;
    using pending = basic_pending<Io>;

    detail::children<Io> children_;
    std::vector<payload> payloads_;
    std::unique_ptr<detail::listening<Io>> listening_; // once listen() was called
    detail::log_uplink<Io> logs_{*this};

public:
    using policy = Io;
    using context = basic_context<Io>;

    explicit basic_router(basic_broker<Io>& loop, router_options options = {})
        : core(loop, options.limits, options.rules), children_(*this, options.patience, options.pool_threads),
          payloads_(std::move(options.payloads)) {
        sys::ignore_sigpipe();
        this->set_own_build(hash_build(sys::build_id()));
        detail::receive_forwarded_logs(*this, logs_);
        explain_unknown_functions(*this);
    }

    ~basic_router() { close(); }

    // ---- making children. The try_ forms return the error that the others throw; connect_async returns at once.

    /// A new process on this machine, running this program.
    context local(local_options options = {}) { return try_local(std::move(options)).value(); }
    result<context> try_local(local_options options = {}) { return try_connect(options); }

    /// A copy of this process, made by fork(): has its memory, but none of its threads. Cheaper to start than local() for small
    /// processes.
    context fork(fork_options options = {})
        requires io::can_fork<Io>
    {
        return try_fork(std::move(options)).value();
    }
    result<context> try_fork(fork_options options = {})
        requires io::can_fork<Io>
    {
        if (this->loop().on_loop()) return detail::waits_for_child();
        return begin_fork(std::move(options)).try_get();
    }
    /// The same, but does not wait until the child is up. `held`: as boot_plan::held.
    basic_future<context, Io> begin_fork(fork_options options, std::shared_ptr<void> held = {})
        requires io::can_fork<Io>
    {
        return start_fork(std::move(options), std::move(held));
    }

    /// A process on another machine, reached with the system's ssh; nothing of ours needs to be there.
    context ssh(ssh_options options) { return try_ssh(std::move(options)).value(); }
    result<context> try_ssh(ssh_options options) { return try_connect(options); }

    // Those that run a tool, docker() and the like, are members of `making`.

    /// Any method, by its options: `router.connect(mitogen::ssh{.hostname = "web1"})`.
    template <connection_method Method>
    context connect(const Method& method) {
        return try_connect(method).value();
    }
    template <connection_method Method>
    result<context> try_connect(const Method& method) {
        if (this->loop().on_loop()) return detail::waits_for_child();
        return connect_async(method).try_get();
    }

    /// Begins to connect and returns at once: start hundreds, then wait for each. Errors come out of the future. To drop it
    /// before the child is up is to end the child.
    template <connection_method Method>
    basic_future<context, Io> connect_async(const Method& method) {
        return connect_by(detail::plan_of(method, this->bounds()));
    }

    /// The same, where the method is not known by its type any more.
    basic_future<context, Io> connect_by(result<boot_plan> plan) {
        if (!plan) return failed<context>(plan.error());
        if (!this->loop().io().can_spawn_self() && !plan->staged && plan->start.path.empty()) {
            return failed<context>(error(reason::misuse,
                                         "call mitogen::init(argc, argv) first thing in main (or use mitogen::run): a child "
                                         "executes this program again, and would not know that it is one"));
        }
        if (plan->staged) {
            detail::open_payloads(*plan, payloads_);
            detail::name_program(*plan);
        }
        return basic_future<context, Io>(&children_.make(std::move(*plan)), *this, environment());
    }

    /// What connect(method) would run, as text: the command quoted for a shell, the context's name, the program and its size, the
    /// time that it may take. Runs nothing. Errors: those of the options.
    template <connection_method Method>
    std::string explain(const Method& method) {
        return try_explain(method).value();
    }
    template <connection_method Method>
    result<std::string> try_explain(const Method& method) {
        return detail::explain_plan(method);
    }

    // ---- programs that join: see listener.hpp

    /// Lets programs of this user join the tree, through a socket at `path`: see mitogen::join. Its directory must be 0700 and
    /// this user's, and is made where it is missing. It stays open until it is closed, or the router is. A root executes calls
    /// from then on, for those who have the authority.
    basic_listener<Io> listen(const std::string& path, listen_options options = {})
        requires io::has_local_sockets<Io>;
    result<basic_listener<Io>> try_listen(const std::string& path, listen_options options = {})
        requires io::has_local_sockets<Io>;

    // ---- the tree

    /// This context.
    context myself() noexcept { return context(*this, this->id()); }

    /// The context of that id, known or not.
    context context_by_id(context_id id) noexcept { return context(*this, id); }

    /// All contexts below this one.
    std::vector<context> contexts() {
        std::vector<context> all;
        for (const auto& r : this->below()) all.push_back(context(*this, r.id));
        return all;
    }

    /// This context, its parent and all below it, with how their links fare. Empty once the loop has ended.
    std::vector<context_status> status() { return detail::status_of(*this); }

    /// The same as text: a line for each.
    std::string describe() {
        std::string all;
        for (const context_status& s : status()) all += s.text() + "\n";
        return all;
    }

    // ---- messages

    /// Registers `call(const message&, Args...)` for a typed handle; it runs on the loop and must not block. A logic_error where
    /// the number is taken.
    template <class... Args, class F>
    void add_handler(handle<Args...> number, F call, handler_options options = {}) {
        this->add_raw_handler(number.number, options,
                              typed_handler<Args...>(
                                  std::move(call), [this](const message& m, const error& why) { this->reply_dead(m.head, why); },
                                  this->bounds(), environment()))
            .value();
    }

    /// The way up of log records. Of use where there is a parent.
    detail::log_uplink<Io>& logs() noexcept { return logs_; }

    decode_environment environment() noexcept { return {this, &policy_tag<Io>}; }

    // ---- for a loop that the program has anyway: see basic_broker::process

    /// Of a router whose broker has no thread: a descriptor that is readable when process() has something to do.
    int fd() noexcept
        requires io::has_outer_loop<Io>
    {
        return this->loop().fd();
    }
    /// Does what there is to do, and does not wait.
    void process()
        requires io::has_outer_loop<Io>
    {
        this->loop().process();
    }

    // ---- the end

    /// Ends every child and waits until all are gone, by force where they do not go; fails everything that waits. The destructor
    /// does it too.
    void close() {
        if (listening_) listening_->close();
        if (!children_.close()) return;
        logs_.close();
        core::close();
        if (listening_) listening_->finish();
    }

    /// Leaves the tree: this process goes on without its parent, which neither waits for it nor ends it. Its own children stay
    /// its own. It loses its standard error and its session, sends no logs any more, and ends when the functions that run now
    /// have returned: what they return reaches nobody, and whoever waits for it is told that this context has detached, so let it
    /// be called with call_no_reply. Its former parent reaps it as long as it has a router; later, its process stays to be waited
    /// for until that program ends. Blocks until the parent has agreed. Errors, thrown: logic_error in a root, in a program that
    /// has joined, and on the loop; channel_error where the parent is lost.
    void detach() { try_detach().value(); }
    /// The same, with the error as a value.
    result<void> try_detach() {
        if (!on_detached) return error(reason::misuse, "only a context that its parent has started can detach");
        if (this->loop().on_loop()) return detail::waits_for_child();
        awaited& p = this->ask({.to = this->parent()->peer, .handle = handles::detaching, .how = question::manner::wait});
        const result<void> agreed = basic_future<void, Io>(&p, *this, environment()).try_get();
        if (agreed) on_detached();
        return agreed;
    }

    /// What detach() does once the parent has agreed; for whoever runs a child. Threads: any but the loop.
    unique_function<void()> on_detached;

    /// Begins to end one context below; see basic_context::shutdown.
    basic_future<exit_status, Io> shutdown_child(context_id id) {
        if (const context_id parent = far_parent_of(id); parent != no_context) {
            awaited& p = this->ask(
                {.to = parent, .handle = handles::end_child, .how = question::manner::pass, .payload = encode(id, false)});
            return basic_future<exit_status, Io>(&p, *this, environment());
        }
        return with_child<exit_status>(id, [this](child& c, pending* p) {
            c.await_exit(p);
            c.shut_down(cancelled_by(this->id(), cancel_radius::context, "it was shut down"));
        });
    }

    /// See basic_context::disconnect.
    void disconnect_child(context_id id) {
        if (const context_id parent = far_parent_of(id); parent != no_context)
            return (void)this->tell(parent, handles::end_child, encode(id, true), false);
        this->loop().defer([this, id] {
            constexpr const char* why = "disconnected by its parent";
            if (child* c = children_.find(id)) return c->cut(why);
            if (listening_) listening_->cut(id, why);
        });
    }

    /// Ends a direct child that nobody wants; does nothing where there is none of that id. Threads: loop.
    void discard_child(context_id id) {
        if (child* c = children_.find(id))
            c->shut_down(cancelled_by(this->id(), cancel_radius::context, "nobody wants it any more"));
    }

    /// The same, without the time that it would have to end by itself. Threads: loop.
    void hurry_child(context_id id) {
        if (child* c = children_.find(id)) c->hurry(cancelled_by(this->id(), cancel_radius::context, "it did not stop in time"));
    }

    /// Ends all children as fast as may be; says how many levels of contexts that are. Threads: loop.
    std::uint32_t hurry_children() { return children_.hurry(); }

    /// Process id of a direct child; -1 where there is none of that id.
    int child_pid(context_id id) {
        int pid = -1;
        this->loop().run([&] {
            if (child* c = children_.find(id)) pid = static_cast<int>(c->pid());
        });
        return pid;
    }

    /// In a child made by fork(): closes every descriptor of the library and forgets every process.
    void abandon() noexcept
        requires io::can_fork<Io>
    {
        children_.abandon();
        if (listening_) listening_->abandon();
        if (this->parent()) this->parent()->stream->abandon();
        this->loop().abandon();
    }

private:
    /// The parent of a context further down; no_context of any other.
    context_id far_parent_of(context_id id) {
        const auto known = this->routes().get(id);
        return known.id == id && known.parent != this->id() ? known.parent : no_context;
    }

    template <class T>
    basic_future<T, Io> failed(error why) {
        return basic_future<T, Io>(this->failed_answer(this->id(), std::move(why)), *this, environment());
    }

    basic_future<context, Io> start_fork(fork_options options, std::shared_ptr<void> held)
        requires io::can_fork<Io>
    {
        boot_plan plan;
        plan.what = "fork child";
        plan.name = "fork";
        plan.bounds = this->bounds();
        detail::apply_common(options, plan);
        plan.held = std::move(held);
        Io& io = this->loop().io();
        auto pipes = detail::make_child_pipes(io);
        if (!pipes) return failed<context>(pipes.error());
        auto b = children_.prepare(plan);
        if (!b) return failed<context>(b.error());
        basic_future<context, Io> up(b->answer, *this, environment());
        result<int> pid = error(reason::system, "");
        this->loop().paused([&] { pid = detail::fork_child(io, *pipes, options, [this] { abandon(); }); });
        if (!pid) {
            children_.miscarry(*b, pid.error());
            return up;
        }
        children_.adopt(std::move(plan), std::move(*b), typename Io::process(*pid), std::move(*pipes));
        return up;
    }

    /// Hands the direct child `id` and a future's slot to `work`, on the loop.
    template <class T, class Work>
    basic_future<T, Io> with_child(context_id id, Work work) {
        std::optional<error> why;
        pending* p = this->answers().open(this->id(), why);
        if (!p) raise(*why);
        p->retain();
        const bool accepted = this->loop().defer([this, id, p, work] {
            if (child* c = children_.find(id)) return work(*c, p);
            if (listening_ && listening_->shut_down(id, p)) return;
            const std::optional<error> lost = this->why_lost(id);
            this->answers().fail(
                *p, lost ? *lost : error(reason::no_route, "context " + std::to_string(id) + " is not a child of this context"));
            p->release();
        });
        if (!accepted) {
            this->answers().fail(*p, error(reason::broker_exited, "the broker has exited"));
            p->release();
        }
        return basic_future<T, Io>(p, *this, environment());
    }
};

} // namespace mitogen::inline MITOGEN_ABI

// ---- mitogen/connect/travelling.hpp ----
// travelling.hpp: connection methods on their way to the context that shall use them.

namespace mitogen::inline MITOGEN_ABI {

/// A method that one context may ask another one to use: `context.connect(method)`. It has a name that both programs know,
/// `static constexpr std::string_view method_name`, and says what travels: `fields(m)` is a std::tie of members with codecs.
template <class Method>
concept travelling_method = connection_method<Method> && requires(Method& m, const Method& sent) {
    { Method::method_name } -> std::convertible_to<std::string_view>;
    std::tuple_size<decltype(Method::fields(m))>::value;
    std::tuple_size<decltype(Method::fields(sent))>::value;
};

namespace detail {

/// A method that this program can be asked for. Process-wide, as the remote functions are: a static initialiser links it into the
/// list where the program names the method.
struct known_method {
    std::string_view name;
    result<boot_plan> (*plan)(reader&, const limits& inherited); ///< what an encoded one wants executed
    const known_method* before = nullptr;

    inline static constinit std::atomic<const known_method*> newest{nullptr};

    known_method(std::string_view called, result<boot_plan> (*make)(reader&, const limits&)) noexcept
        : name(called), plan(make), before(newest.load(std::memory_order_acquire)) {
        while (!newest.compare_exchange_weak(before, this, std::memory_order_acq_rel)) {}
    }
    known_method(const known_method&) = delete;

    static const known_method* find(std::string_view name) noexcept {
        const known_method* at = newest.load(std::memory_order_acquire);
        while (at && at->name != name) at = at->before;
        return at;
    }
};

template <class Method>
result<boot_plan> plan_encoded(reader& r, const limits& inherited) {
    Method method{};
    const bool decoded = std::apply([&](auto&... members) { return mitogen::decode(r, members...); }, Method::fields(method));
    if (!decoded || !r.finish())
        return error(reason::bad_arguments, "the options of the connection method \"" + std::string(Method::method_name) +
                                                "\" do not decode: " + r.failure_text() +
                                                "; the two programs are of different versions");
    return plan_of(method, inherited);
}

/// To name it is to make the program know the method.
template <class Method>
inline const known_method knows{Method::method_name, &plan_encoded<Method>};

/// The payload of a message to handles::connect: the method's name and its fields.
template <class Method>
buffer encode_method(const Method& method) {
    (void)&knows<Method>; // the same program runs there
    return std::apply([](const auto&... members) { return encode(std::string_view(Method::method_name), members...); },
                      Method::fields(method));
}

/// What such a message wants executed.
inline result<boot_plan> plan_from(std::span<const std::byte> payload, const limits& inherited) {
    reader r(payload, inherited);
    std::string_view name;
    if (!decode(r, name)) return error(reason::bad_arguments, "not a connection method: " + r.failure_text());
    if (const known_method* method = known_method::find(name)) return method->plan(r, inherited);
    return error(reason::unknown_function,
                 "this program does not know the connection method \"" + std::string(name.substr(0, 100)) +
                     "\": it is another build than the one that asks, and does not use the method itself");
}

} // namespace detail
} // namespace mitogen::inline MITOGEN_ABI

// ---- mitogen/connect/connect_server.hpp ----
// connect_server.hpp: makes children of this context because a context above asks for them.

namespace mitogen::inline MITOGEN_ABI {
namespace detail {

/// Serves messages to handles::connect, on the loop, whatever the functions of this context do. Many at once; each is answered
/// when its child is up, or has failed. The route is announced before: who hears the answer can reach the child.
///
/// Threads: loop, but for the constructor. The router outlives it.
template <class Io>
class connect_server {
    struct order {
        header request;
        basic_future<basic_context<Io>, Io> child;
    };
    struct delivery {
        context_id to;
        handle_id reply_to;
        context_id child;
    };

    basic_router<Io>& router_;
    std::string name_;
    std::vector<order> open_;
    std::deque<delivery> delivered_; // the latest: one may have been cancelled while the answer was on its way

    static constexpr std::size_t most_deliveries = 1024;

    auto find(context_id from, handle_id reply_to) {
        return std::find_if(open_.begin(), open_.end(), [&](const order& o) {
            return o.request.src == from && o.request.reply_to == reply_to;
        });
    }

    void serve(const message& m) {
        if (!m.head.wants_reply()) return; // nobody would know the child
        open_.push_back({m.head, router_.connect_by(plan_from(m.payload, router_.bounds()))});
        open_.back().child.then([this, from = m.head.src, reply_to = m.head.reply_to] {
            router_.loop().defer([this, from, reply_to] { answer(from, reply_to); });
        });
    }

    void answer(context_id from, handle_id reply_to) {
        const auto at = find(from, reply_to);
        if (at == open_.end()) return;
        order done = std::move(*at);
        open_.erase(at);
        const result<basic_context<Io>> child = done.child.outcome();
        if (!child) return router_.reply(done.request, encode_error(with_place(child.error())), message_flags::failed);
        delivered_.push_back({from, reply_to, child->id()});
        if (delivered_.size() > most_deliveries) delivered_.pop_front();
        router_.reply(done.request, encode(child->id()), 0);
    }

    /// A context above ends a child of this one, or cuts its link.
    void end_child(const message& m) {
        reader r(m.payload);
        context_id which{};
        bool cut{};
        if (!decode(r, which, cut) || !r.finish())
            return router_.reply_dead(m.head, error(reason::bad_arguments, r.failure_text()));
        if (cut) return router_.disconnect_child(which);
        const auto gone = std::make_shared<basic_future<exit_status, Io>>(router_.shutdown_child(which));
        gone->then([&node = router_, gone, head = m.head] {
            const result<exit_status> status = gone->outcome();
            if (status) return node.reply(head, encode(*status), 0);
            node.reply(head, encode_error(status.error()), message_flags::failed);
        });
    }

    error with_place(const error& why) const {
        error_detail d = why.detail();
        if (!d.place.empty()) return why;
        d.place = name_;
        d.context = router_.id();
        d.what.clear(); // composed anew
        return error(std::move(d));
    }

public:
    /// `name`: of this context.
    connect_server(basic_router<Io>& node, std::string name) : router_(node), name_(std::move(name)) {
        // What another program may ask for, although this one never does. All others are known where the program names them: it
        // is to be sent over connections, and each costs it some kilobytes.
        (void)&knows<mitogen::local>;
        (void)&knows<mitogen::ssh>;
        (void)router_.add_raw_handler(handles::connect, {}, [this](const message& m) { serve(m); });
        (void)router_.add_raw_handler(handles::end_child, {}, [this](const message& m) { end_child(m); });
    }

    connect_server(connect_server&&) = delete;

    /// `from` does not wait any more for what it asked for: the child ends, whether it is up or not.
    void cancel(context_id from, handle_id reply_to) {
        if (const auto at = find(from, reply_to); at != open_.end()) {
            if (!at->child.done())
                return at->child.abandon(
                    cancelled_by(from, cancel_radius::context, "cancelled by context " + std::to_string(from)));
            if (const auto up = at->child.outcome()) router_.discard_child(up->id()); // its answer is about to leave
            return;
        }
        const auto late = std::find_if(delivered_.begin(), delivered_.end(), [&](const delivery& d) {
            return d.to == from && d.reply_to == reply_to;
        });
        if (late != delivered_.end()) router_.discard_child(late->child);
    }
};

} // namespace detail
} // namespace mitogen::inline MITOGEN_ABI

// ---- mitogen/connect/stdout_forwarder.hpp ----
// stdout_forwarder.hpp: what a child's functions print, on its way up the tree.

namespace mitogen::inline MITOGEN_ABI {
namespace detail {

/// A child's own stdout: a pipe that its loop reads, whose lines go up the tree as log records.
template <class Io>
class stdout_forwarder {
    struct source : event_source {
        stdout_forwarder* self;
    };

    basic_broker<Io>& loop_;
    log_uplink<Io>& up_;
    typename Io::descriptor end_;
    source source_{};
    text_tail lines_;

    static constexpr int reads_in_turn = 1;  // thousands of lines already: what else the loop has to do comes in between
    static constexpr int reads_at_end = 128; // twice what a pipe holds at most; whoever else prints there may never end

    /// Reads so often, at most.
    void read(int times) {
        while (times-- > 0) {
            char bytes[16 * 1024];
            const long n = loop_.io().read(end_.get(), bytes, sizeof bytes);
            if (n == -EAGAIN || n == -EWOULDBLOCK) return;
            if (n <= 0) return loop_.unwatch(source_);
            lines_.feed({bytes, static_cast<std::size_t>(n)}, [this](std::string_view line) { up_.line(line); });
            if (static_cast<std::size_t>(n) < sizeof bytes) return;
        }
    }

public:
    /// `read_end` is nonblocking; empty where nothing is captured.
    stdout_forwarder(basic_broker<Io>& loop, log_uplink<Io>& up, typename Io::descriptor read_end)
        : loop_(loop), up_(up), end_(std::move(read_end)) {
        source_.fd = end_.get();
        source_.self = this;
        source_.ready = [](event_source& s, bool, bool) { static_cast<source&>(s).self->read(reads_in_turn); };
    }

    /// Threads: loop.
    void start() {
        if (end_) loop_.watch(source_, io::interest::read);
    }

    /// Forwards what is in the pipe now, a last line without newline included. Threads: loop.
    void finish() {
        if (source_.watched) read(reads_at_end);
        lines_.finish([this](std::string_view line) { up_.line(line); });
        loop_.unwatch(source_);
    }
};

} // namespace detail
} // namespace mitogen::inline MITOGEN_ABI

// ---- mitogen/connect/child_main.hpp ----
// child_main.hpp: what a child does from its start to its exit, as the child sees it.

namespace mitogen::inline MITOGEN_ABI {
namespace detail {

/// Says hello and reads the parent's answer, with blocking calls: nothing else runs yet. Empty where the parent is gone or makes
/// no sense.
template <class Io>
std::optional<handshake::welcome> shake_hands(Io& io, const child_ends<Io>& ends, handshake::listener& listener) {
    const buffer hello =
        handshake::encode_hello({sys::build_id(), sys::machine_text(), static_cast<std::uint32_t>(io.own_pid())});
    if (!io.write_all(ends.out.get(), hello.data(), hello.size())) return std::nullopt;
    for (;;) {
        std::byte bytes[4096];
        const long n = io.read_waiting(ends.in.get(), bytes, sizeof bytes);
        if (n <= 0) return std::nullopt;
        listener.feed({bytes, static_cast<std::size_t>(n)});
        switch (listener.look()) {
        case handshake::listener::finding::nothing: continue;
        case handshake::listener::finding::hello: {
            handshake::welcome w;
            if (!handshake::decode_welcome(listener.payload(), w)) return std::nullopt;
            return w;
        }
        default: return std::nullopt;
        }
    }
}

/// A child that has said hello: its loop, its router and what runs its calls.
template <class Io>
class child_process {
    handshake::welcome welcome_;
    basic_broker<Io> broker_;
    basic_router<Io> router_;
    basic_dispatcher<Io> dispatcher_;
    connect_server<Io> connects_;
    std::shared_ptr<basic_link<Io>> parent_;
    stdout_forwarder<Io> stdout_;
    timer overdue_;
    instant stop_at_ = never;
    instant hurried_until_ = never;
    int signals_ = 0;
    bool ending_ = false;
    bool detached_ = false;

public:
    child_process(Io& io, handshake::welcome welcome, typename Io::descriptor stdout_end)
        : welcome_(std::move(welcome)), broker_(io),
          router_(broker_,
                  {.limits = welcome_.bounds, .pool_threads = welcome_.pool_threads, .rules = welcome_.rules}),
          dispatcher_(router_, {&router_, &policy_tag<Io>}, welcome_.name, welcome_.pool_threads),
          connects_(router_, welcome_.name), stdout_(broker_, router_.logs(), std::move(stdout_end)) {
        dispatcher_.on_other_cancelled = [this](context_id from, handle_id reply_to) { connects_.cancel(from, reply_to); };
        overdue_.fire = [this] { overdue(); };
    }

    /// Serves the parent until it is gone or asks to end. `rest`: bytes that came behind the welcome.
    void run(child_ends<Io> ends, std::span<const std::byte> rest) {
        parent_ = std::make_shared<basic_link<Io>>(router_);
        parent_->peer = welcome_.ancestors.front();
        parent_->up = true;
        parent_->build = hash_build(welcome_.build);
        parent_->open(broker_, std::move(ends.in), std::move(ends.out), welcome_.bounds);
        parent_->on_closed = [this](basic_link<Io>& link, enum reason cause, const std::string& why) {
            if (detached_) return (void)router_.link_lost(link, error(reason::broker_exited, "this context has detached"));
            router_.link_lost(link, error(cause, "the parent is lost: " + why));
            end("the parent is lost");
        };
        router_.on_detached = [this] { detach(); };
        log::set_level(static_cast<log::level>(welcome_.log_level));
        log::set_bounds(welcome_.logs);
        log::set_sink([this](const log::record& r) { router_.logs().record(r); });
        (void)router_.add_raw_handler(handles::shutdown, {}, [this](const message& m) {
            end("context " + welcome_.name + " is shutting down");
            if (!m.payload.empty()) (void)router_.hurry_children();
        });
        broker_.defer([this, rest] {
            router_.become(welcome_.id, welcome_.ancestors, parent_, welcome_.bounds);
            stdout_.start();
            parent_->stream->start();
            parent_->stream->inject(rest);
        });
        dispatcher_.serve();
        leave();
    }

private:
    /// The parent has let this process go. On the thread that asked for it.
    void detach() {
        parent_->stream->wait_written(after(broker_.io().now(), 1'000'000'000));
        log::set_sink({});
        broker_.run([this] {
            detached_ = true;
            parent_->stream->close(reason::broker_exited, "this context has detached");
        });
        broker_.io().leave_session();
        dispatcher_.retire();
    }

    /// No more calls; those that run are told to stop. On the loop.
    void end(const std::string& why) {
        if (std::exchange(ending_, true)) return;
        dispatcher_.stop(error(reason::broker_exited, why));
        const instant now = broker_.io().now();
        stop_at_ = after(now, welcome_.grace_ns);
        broker_.set_timer(overdue_, after(now, welcome_.grace_ns - welcome_.grace_ns / 6));
    }

    /// A function does not stop although it was told to: nobody may be left to end this process but itself. Its children go
    /// first: one that is stopped would never notice. On the loop.
    void overdue() {
        const instant now = broker_.io().now();
        if (signals_ == 0) {
            const std::uint32_t levels = router_.hurry_children();
            if (now < stop_at_) return broker_.set_timer(overdue_, stop_at_);
            if (hurried_until_ == never) hurried_until_ = after(now, levels * ending::for_each_level);
            constexpr duration_ns look_again = 20'000'000;
            if (levels > 0 && now < hurried_until_) return broker_.set_timer(overdue_, after(now, look_again));
        }
        broker_.io().signal_self(signals_++ == 0 ? 15 : 9);
        broker_.set_timer(overdue_, after(now, 1'000'000'000));
    }

    /// On the main thread, after the last call.
    void leave() {
        dispatcher_.join_pool();
        router_.close();
        broker_.io().release_stdout();
        flush();
        log::set_sink({}); // the router is about to go
    }

    /// Sends what is queued, unless the parent is gone or it takes too long; then closes the link.
    void flush() {
        broker_.run([this] {
            stdout_.finish();
            router_.logs().tell_all();
        });
        parent_->stream->wait_written(after(broker_.io().now(), 1'000'000'000));
        broker_.run([this] {
            ending_ = true;
            broker_.cancel_timer(overdue_);
            parent_->stream->close(reason::broker_exited, "this context has ended");
        });
    }
};

/// Runs a child whose link is ready. Returns when it has ended. On the main thread of its process, real or simulated.
template <class Io>
void serve_as_child(Io io, child_ends<Io> ends) {
    sys::ignore_sigpipe();
    handshake::listener listener;
    std::optional<handshake::welcome> welcome = shake_hands(io, ends, listener);
    if (!welcome || welcome->ancestors.empty()) return;
    io.set_title(welcome->title);
    typename Io::descriptor stdout_end = io.capture_stdout();
    for (const auto* end : {&ends.in, &ends.out, &stdout_end})
        if (*end) (void)io.set_nonblocking(end->get(), true);
    child_process<Io> child(io, std::move(*welcome), std::move(stdout_end));
    child.run(std::move(ends), listener.rest());
}

/// What a fork child does instead of returning from fork().
template <class Io>
    requires io::can_fork<Io>
[[noreturn]] void enter_fork_child(Io io, child_pipes<Io>& pipes, const fork_options& options) {
    sys::put_null(0);
    sys::put_null(1);
    (void)sys::dup_to(pipes.child_err.get(), 2);
    child_ends<Io> ends{std::move(pipes.child_in), std::move(pipes.child_out)};
    pipes = {};
    if (options.on_start) options.on_start();
    serve_as_child<Io>(std::move(io), std::move(ends));
    sys::exit_now(0);
}

} // namespace detail
} // namespace mitogen::inline MITOGEN_ABI

// ---- mitogen/connect/joining.hpp ----
// joining.hpp: the first words between a program that joins a tree and the context that listens for it.

namespace mitogen::inline MITOGEN_ABI {
namespace joining {

/// Most bytes of a request to join, and of its answer.
inline constexpr std::size_t request_limit = 4096;
inline constexpr std::size_t answer_limit = 1 << 20;

/// Longest name that a program may give itself, in bytes.
inline constexpr std::size_t name_limit = 256;

/// What a program that wants to join says of itself.
struct request {
    std::string build{}; ///< build id
    std::uint32_t pid = 0;
    std::string name{}; ///< empty: the listener chooses
};

/// What becomes of it.
struct answer {
    std::vector<std::byte> refusal{}; ///< an encoded error; empty: it is admitted, and the rest holds
    context_id id = no_context;
    std::vector<context_id> ancestors{}; ///< the listener first, the root last
    std::string name{};
    std::string build{}; ///< the listener's
    limits bounds{};
    tree_rules rules{};
};

inline buffer encode_request(const request& r) {
    return handshake::marked(handshake::speaker::joiner, mitogen::encode(r.build, r.pid, r.name));
}

inline bool decode_request(std::span<const std::byte> bytes, request& out) {
    reader r(bytes);
    return mitogen::decode(r, out.build, out.pid, out.name) && r.finish() && out.name.size() <= name_limit;
}

inline buffer encode_answer(const answer& a) {
    return handshake::marked(handshake::speaker::joiner,
                             mitogen::encode(a.refusal, a.id, a.ancestors, a.name, a.build, a.bounds, a.rules));
}

inline bool decode_answer(std::span<const std::byte> bytes, answer& a) {
    reader r(bytes);
    return mitogen::decode(r, a.refusal, a.id, a.ancestors, a.name, a.build, a.bounds, a.rules) && r.finish() &&
           (!a.refusal.empty() || (a.id != no_context && !a.ancestors.empty()));
}

/// Puts together what the other side says. Unlike a child it says nothing else: the first wrong byte is noticed.
class listening_ear {
    std::string bytes_;
    std::size_t limit_;

    static constexpr std::size_t front = handshake::mark.size() + 6;

public:
    enum class finding : std::uint8_t {
        incomplete,
        whole,         ///< payload() is there
        wrong_version, ///< the program there was built with a library that speaks otherwise
        wrong,         ///< not what is said here
    };

    explicit listening_ear(std::size_t limit) : limit_(limit) {}

    /// Adds bytes that arrived, and says what they are.
    finding hear(std::span<const std::byte> bytes) {
        bytes_.append(reinterpret_cast<const char*>(bytes.data()), bytes.size());
        const std::string_view all = bytes_;
        const std::size_t compared = std::min(all.size(), handshake::mark.size());
        if (all.substr(0, compared) != handshake::mark.substr(0, compared)) return finding::wrong;
        if (all.size() > compared && all[compared] != static_cast<char>(handshake::speaker::joiner)) return finding::wrong;
        if (all.size() > compared + 1 && static_cast<std::uint8_t>(all[compared + 1]) != handshake::protocol)
            return finding::wrong_version;
        if (all.size() < front) return finding::incomplete;
        if (size() > limit_) return finding::wrong;
        return all.size() < front + size() ? finding::incomplete : finding::whole;
    }

    /// After `whole`.
    std::span<const std::byte> payload() const noexcept { return {data() + front, size()}; }
    /// After `whole`: what came behind it.
    std::span<const std::byte> rest() const noexcept { return {data() + front + size(), bytes_.size() - front - size()}; }

private:
    const std::byte* data() const noexcept { return reinterpret_cast<const std::byte*>(bytes_.data()); }
    std::size_t size() const noexcept {
        std::uint32_t n;
        wire::load(data() + handshake::mark.size() + 2, n);
        return n;
    }
};

} // namespace joining
} // namespace mitogen::inline MITOGEN_ABI

// ---- mitogen/connect/client.hpp ----
// client.hpp: one program that has connected to a listener, from its first byte to its end, as the listening context sees it.

namespace mitogen::inline MITOGEN_ABI {
namespace detail {

/// A program that joins. There is no process to start or to wait for: it is there while its link is.
///
/// Life: asking (its request is read) → numbered (it waits for an id) → answered (the answer is written) → up → gone.
/// Threads: loop.
template <class Io>
class client {
public:
    using core = basic_router_core<Io>;
    using link = basic_link<Io>;

    /// What the listener does when a client reaches a stage.
    struct events {
        virtual void client_asks(client& c) = 0; ///< wants an id: admit() or refuse() it, now or later
        virtual void client_up(client& c) = 0;
        virtual void client_lost(client& c, const error& why) = 0; ///< one that was up
        virtual void client_gone(client& c) = 0;                   ///< the last: it may be destroyed, but not at once

    protected:
        ~events() = default;
    };

private:
    enum class stage : std::uint8_t { asking, numbered, answered, refused, up, gone };

    core& router_;
    events& events_;
    const listen_options terms_;
    duration_ns grace_;
    typename Io::descriptor socket_; // until it is up
    bound_source<client> source_{};
    timer timer_;
    stage stage_ = stage::asking;
    joining::listening_ear ear_{joining::request_limit};
    joining::request asked_;
    joining::answer answer_;
    outgoing out_;
    std::vector<basic_pending<Io>*> awaiting_end_;

public:
    const std::uint32_t listener; ///< number of the one that it came to
    std::shared_ptr<link> edge;   ///< once up

    client(core& node, events& to, std::uint32_t number, const listen_options& terms, duration_ns grace,
           typename Io::descriptor socket)
        : router_(node), events_(to), terms_(terms), grace_(grace), socket_(std::move(socket)), listener(number) {
        on_ready<&client::ready>(source_, *this, socket_.get());
        timer_.fire = [this] { overdue(); };
    }

    client(client&&) = delete;

    context_id id() const noexcept { return answer_.id; }
    const std::string& name() const noexcept { return answer_.name; }
    bool up() const noexcept { return stage_ == stage::up; }
    /// True for one whose handshake is under way.
    bool waiting() const noexcept { return stage_ < stage::up; }

    /// Begins to listen to it.
    void begin() {
        router_.loop().set_timer(timer_, after(router_.loop().io().now(), to_ns(terms_.handshake_timeout)));
        if (const long rc = router_.loop().watch(source_, io::interest::read); rc < 0)
            drop("cannot watch it: " + sys::errno_text(static_cast<int>(-rc)));
    }

    /// Makes it the context `id`.
    void admit(context_id id) {
        if (stage_ != stage::numbered) return;
        answer_.id = id;
        answer_.ancestors = router_.path();
        answer_.name = asked_.name.empty() ? "client." + std::to_string(asked_.pid) : asked_.name;
        answer_.build = sys::build_id();
        answer_.bounds = terms_.limits.value_or(router_.bounds());
        answer_.rules = router_.rules();
        say(stage::answered);
    }

    /// Tells it why not.
    void refuse(const error& why) {
        if (stage_ >= stage::answered) return;
        log::write(log::level::warning, "refused a program that wants to join: " + std::string(why.message()));
        const buffer notice = encode_error(why);
        answer_.refusal.assign(notice.data(), notice.data() + notice.size());
        say(stage::refused);
    }

    /// Asks it to leave; after some time cuts its link.
    void shut_down(const error& why) {
        if (waiting()) return refuse(why);
        if (!up()) return;
        edge->stream->send(router_.address(id(), handles::shutdown), std::span<const std::byte>(), nullptr, urgency::soon);
        router_.loop().set_timer(timer_, after(router_.loop().io().now(), grace_));
    }

    /// Cuts its link.
    void cut(const std::string& why) {
        if (waiting()) return drop(why);
        if (up()) edge->stream->close(reason::respondent_lost, why);
    }

    /// Answers `p` when it is gone. Takes over one reference.
    void await_end(basic_pending<Io>* p) { awaiting_end_.push_back(p); }

    /// In a child made by fork(): closes what this holds.
    void abandon() noexcept {
        socket_.reset();
        if (edge) edge->stream->abandon();
    }

private:
    void ready() {
        if (stage_ == stage::asking) return read();
        if (stage_ == stage::answered || stage_ == stage::refused) write();
    }

    void read() {
        std::byte bytes[1024];
        const long n = router_.loop().io().read(socket_.get(), bytes, sizeof bytes);
        if (n == -EAGAIN || n == -EWOULDBLOCK) return;
        if (n <= 0) return drop(n == 0 ? "it closed the connection" : sys::errno_text(static_cast<int>(-n)));
        using finding = joining::listening_ear::finding;
        switch (ear_.hear({bytes, static_cast<std::size_t>(n)})) {
        case finding::incomplete: return;
        case finding::wrong: return drop("what it sent is no request to join");
        case finding::wrong_version: return drop("it speaks another version of this library's protocol");
        case finding::whole: break;
        }
        // More than the request can only be a mistake: it has no id yet.
        if (!joining::decode_request(ear_.payload(), asked_) || !ear_.rest().empty())
            return drop("its request to join does not decode");
        stage_ = stage::numbered;
        router_.loop().change(source_, io::interest::none);
        events_.client_asks(*this);
    }

    void say(stage next) {
        stage_ = next;
        out_.say(joining::encode_answer(answer_));
        write();
    }

    void write() {
        switch (out_.write(router_.loop().io(), socket_.get())) {
        case outgoing::progress::waiting:
            if (const long rc = router_.loop().change(source_, io::interest::write); rc < 0)
                drop("cannot watch it: " + sys::errno_text(static_cast<int>(-rc)));
            return;
        case outgoing::progress::closed:
        case outgoing::progress::unreadable: return drop("it closed the connection");
        case outgoing::progress::written: break;
        }
        if (stage_ == stage::refused) return end();
        come_up();
    }

    /// From here on the link carries frames.
    void come_up() {
        const long second = sys::dup_above(socket_.get(), 3); // a link has a descriptor for each direction
        if (second < 0) return drop("dup: " + sys::errno_text(static_cast<int>(-second)));
        basic_broker<Io>& loop = router_.loop();
        loop.cancel_timer(timer_);
        loop.unwatch(source_);
        edge = std::make_shared<link>(router_);
        edge->peer = id();
        edge->build = hash_build(asked_.build);
        if (terms_.authority == mitogen::authority::parent) edge->authority = router_.id();
        edge->open(loop, std::move(socket_), typename Io::descriptor(static_cast<int>(second)), router_.bounds());
        edge->on_closed = [this](link&, enum reason cause, const std::string& why) { link_closed(cause, why); };
        stage_ = stage::up;
        events_.client_up(*this);
        edge->stream->start();
        // It waits for this: only now is it known here.
        edge->stream->send(router_.address(id(), handles::admitted), std::span<const std::byte>(), nullptr, urgency::soon);
    }

    void link_closed(enum reason cause, const std::string& why) {
        error_detail d;
        d.why = cause;
        d.context = id();
        d.place = name();
        d.text = "context " + std::to_string(id()) + " has left: " + why;
        events_.client_lost(*this, error(std::move(d)));
        end();
    }

    void overdue() {
        if (up()) return edge->stream->close(reason::respondent_lost, "it was asked to leave, and did not");
        drop("no whole request to join within " + std::to_string(to_ns(terms_.handshake_timeout) / 1'000'000) +
             " ms (handshake_timeout)");
    }

    /// The handshake is over.
    void drop(const std::string& why) {
        if (stage_ == stage::gone) return;
        log::write(log::level::warning, "dropped a program that connected to join: " + why);
        end();
    }

    void end() {
        if (std::exchange(stage_, stage::gone) == stage::gone) return;
        router_.loop().cancel_timer(timer_);
        router_.loop().unwatch(source_);
        socket_.reset();
        for (basic_pending<Io>* p : std::exchange(awaiting_end_, {})) {
            router_.answers().complete(*p, encode(std::int32_t{0}, std::int32_t{0}), nullptr); // an exit_status
            p->release();
        }
        events_.client_gone(*this);
    }
};

} // namespace detail
} // namespace mitogen::inline MITOGEN_ABI

// ---- mitogen/connect/context_connect.hpp ----
// context_connect.hpp: the members of context that make children of it, wherever in the tree it is.

namespace mitogen::inline MITOGEN_ABI {

template <class Io>
template <class Method>
basic_future<basic_context<Io>, Io> basic_context<Io>::connect_async(const Method& method) const {
    static_assert(travelling_method<Method>,
                  "mitogen: this connection Method cannot be used in another context: it must be a connection_method that has "
                  "method_name and fields(), as travelling_method says (mitogen/connect/travelling.hpp)");
    if constexpr (travelling_method<Method>) {
        call_port& at = port();
        if (id_ == at.id()) return node().connect_async(method);
        awaited& p = at.ask({.to = id_, .handle = handles::connect, .payload = detail::encode_method(method)});
        return basic_future<basic_context, Io>(&p, at, environment());
    } else {
        return {};
    }
}

template <class Io>
template <class Method>
result<basic_context<Io>> basic_context<Io>::try_connect(const Method& method) const {
    if (!valid()) return rpc::detail::empty_target();
    if (port().on_loop()) return detail::waits_for_child();
    return connect_async(method).try_get();
}

template <class Io>
template <class Method>
basic_context<Io> basic_context<Io>::connect(const Method& method) const {
    return try_connect(method).value();
}

template <class Io>
template <class Method>
std::string basic_context<Io>::explain(const Method& method) const {
    return node().explain(method);
}

template <class Io>
basic_context<Io> basic_context<Io>::local() const {
    return try_connect(local_options{}).value();
}

template <class Io>
basic_context<Io> basic_context<Io>::local(const local_options& options) const {
    return try_connect(options).value();
}

template <class Io>
result<basic_context<Io>> basic_context<Io>::try_local() const {
    return try_connect(local_options{});
}

template <class Io>
result<basic_context<Io>> basic_context<Io>::try_local(const local_options& options) const {
    return try_connect(options);
}

template <class Io>
basic_context<Io> basic_context<Io>::ssh(const ssh_options& options) const {
    return try_connect(options).value();
}

template <class Io>
result<basic_context<Io>> basic_context<Io>::try_ssh(const ssh_options& options) const {
    return try_connect(options);
}

} // namespace mitogen::inline MITOGEN_ABI

// ---- mitogen/connect/init.hpp ----
// init.hpp: where a program says that it is one; and the whole of a simple program in one call.

namespace mitogen::inline MITOGEN_ABI {

/// Call it first thing in main(). Returns at once in the program that a user started; never returns in one that was started as a
/// child: that one serves its parent and exits, with its static objects destroyed and its exit handlers run. A child finds out by
/// its first argument, and runs under the I/O policy `Io`, a native one.
///
/// A program may have been started with SIGCHLD ignored, which would lose how its children end: that is undone. One that ignores
/// it later has decided so itself.
template <class Io = io::native>
void init(int argc, char** argv) {
    io::main_arguments = {.argc = argc, .argv = argv, .known = true};
    sys::keep_exit_statuses();
    sys::self_executable(); // opened now: the file may be replaced while we run
    if (argc < 2 || std::string_view(argv[1]) != child_argument) {
        for (const std::string& same : registry::duplicates()) {
            log::write(log::level::warning,
                       "two remote functions cannot be told apart between different builds: " + same +
                           "; name one: template <> inline constexpr std::string_view mitogen::name_of<&f> = \"…\";");
        }
        return;
    }
    detail::leave_first_stage(argv[0]);
    detail::child_ends<Io> ends{sys::take_stdio(0), sys::take_stdio(1)};
    if (ends.in && ends.out) detail::serve_as_child<Io>(Io{}, std::move(ends));
    std::exit(0);
}

/// init(), a broker, a router, and `body(router)`; then the end of all children. Returns the exit status for main(): what the
/// body returns if that is an int, else 0. An exception of the body leaves run() after everything is shut down.
template <class Body>
int run(int argc, char** argv, Body&& body) {
    init(argc, argv);
    broker loop;
    router root(loop);
    if constexpr (std::is_convertible_v<std::invoke_result_t<Body, router&>, int>) {
        return std::forward<Body>(body)(root);
    } else {
        std::forward<Body>(body)(root);
        return 0;
    }
}

} // namespace mitogen::inline MITOGEN_ABI

// ---- mitogen/sys/local_socket.hpp ----
// local_socket.hpp: stream sockets with a name in the file system, for the processes of one user.

namespace mitogen::inline MITOGEN_ABI {
namespace sys {

namespace detail {

/// The path as an address; -ENAMETOOLONG or -EINVAL where it cannot be one.
inline long local_address(const std::string& path, ::sockaddr_un& address) {
    address = {};
    address.sun_family = AF_UNIX;
    if (path.empty() || path.find('\0') != std::string::npos) return -EINVAL;
    if (path.size() >= sizeof address.sun_path) return -ENAMETOOLONG; // 108 bytes on Linux, 104 on the BSDs
    std::memcpy(address.sun_path, path.data(), path.size());
    return 0;
}

/// A new stream socket above 2, blocking and close-on-exec.
inline long local_socket(unique_fd& fd) {
#if defined(SOCK_CLOEXEC)
    const long rc = checked("local_socket", -1, [] { return ::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0); });
#else
    const long rc = checked("local_socket", -1, [] { return ::socket(AF_UNIX, SOCK_STREAM, 0); });
#endif
    if (rc < 0) return rc;
    fd.reset(static_cast<int>(rc));
#if !defined(SOCK_CLOEXEC)
    static_cast<void>(set_cloexec(fd.get(), true));
#endif
    return move_above_stdio(fd);
}

inline long connect_to(int fd, const ::sockaddr_un& address) {
    return checked("connect_local", fd, [&] {
        return ::connect(fd, reinterpret_cast<const ::sockaddr*>(&address), sizeof address);
    });
}

inline std::string directory_of(const std::string& path) {
    const std::size_t slash = path.rfind('/');
    return slash == std::string::npos ? "." : slash == 0 ? "/" : path.substr(0, slash);
}

/// Opens the directory that `path` lies in, made where it is missing. Nobody but this user may get into it: then nobody else can
/// reach what is in it, or put something else in its place.
inline result<unique_fd> open_private_directory(const std::string& path) {
    const std::string name = directory_of(path);
    if (const long rc = checked("mkdir", -1, [&] { return ::mkdir(name.c_str(), 0700); }); rc < 0 && rc != -EEXIST)
        return failure("mkdir(" + name + ")", rc);
    const long fd = open(name.c_str(), O_RDONLY | O_DIRECTORY | O_NOFOLLOW);
    if (fd < 0) return failure("open(" + name + ")", fd);
    unique_fd directory(static_cast<int>(fd));
    struct ::stat s {};
    if (const long rc = checked("fstat", directory.get(), [&] { return ::fstat(directory.get(), &s); }); rc < 0)
        return failure("fstat(" + name + ")", rc);
    if (s.st_uid != ::geteuid())
        return error(reason::system, "the directory " + name + " belongs to another user (id " + std::to_string(s.st_uid) +
                                         "): a socket that only this user may use needs one of its own");
    if ((s.st_mode & 07777) != 0700) {
        constexpr char digits[] = "01234567";
        const std::string mode{digits[s.st_mode >> 9 & 7], digits[s.st_mode >> 6 & 7], digits[s.st_mode >> 3 & 7],
                               digits[s.st_mode & 7]};
        return error(reason::system, "the directory " + name + " has mode " + mode +
                                         ", it must be 0700: nobody else may get at the socket in it");
    }
    return directory;
}

/// Removes the socket that a process has left behind. An error where one is in use, or something else is there.
inline result<void> remove_stale(const std::string& path, const ::sockaddr_un& address) {
    struct ::stat s {};
    const long there = checked("lstat", -1, [&] { return ::lstat(path.c_str(), &s); });
    if (there == -ENOENT) return {};
    if (there < 0) return failure("lstat(" + path + ")", there);
    if (!S_ISSOCK(s.st_mode)) return error(reason::system, path + " exists, and is no socket");
    unique_fd probe;
    long rc = local_socket(probe);
    if (rc >= 0) rc = set_nonblocking(probe.get(), true); // a full queue is an answer as well
    if (rc >= 0) rc = connect_to(probe.get(), address);
    if (rc != -ECONNREFUSED) {
        if (rc >= 0 || rc == -EAGAIN || rc == -EWOULDBLOCK || rc == -EINPROGRESS)
            return error(reason::system, path + " is in use: another process listens there");
        return failure("connect(" + path + ")", rc);
    }
    rc = checked("unlink", -1, [&] { return ::unlink(path.c_str()); });
    return rc < 0 && rc != -ENOENT ? result<void>(failure("unlink(" + path + ")", rc)) : result<void>();
}

} // namespace detail

/// A socket that others of the same user can connect to, under a path. Removes its file at its end, if it is still its own.
///
/// Threads: distinct objects: safe; shared objects: unsafe.
class local_listener {
    unique_fd fd_;
    std::string path_;
    ::dev_t device_{};
    ::ino_t number_{};

    bool owns_file() const {
        struct ::stat s {};
        // The kernel keeps the file's number while the socket is open: nothing else can have it by chance.
        return ::lstat(path_.c_str(), &s) == 0 && s.st_dev == device_ && s.st_ino == number_;
    }

public:
    local_listener() = default;
    local_listener(local_listener&&) noexcept = default;
    local_listener& operator=(local_listener&& other) noexcept {
        if (this != &other) {
            close();
            fd_ = std::move(other.fd_);
            path_ = std::move(other.path_);
            device_ = other.device_;
            number_ = other.number_;
        }
        return *this;
    }
    ~local_listener() { close(); }

    /// Begins to listen at `path`, in a directory of mode 0700 that is this user's, made where it is missing. What a process that
    /// is gone has left there is replaced. Two that try at the same time take turns: the directory is locked meanwhile.
    static result<local_listener> open(const std::string& path) {
        ::sockaddr_un address;
        if (const long rc = detail::local_address(path, address); rc < 0) return failure("socket path \"" + path + "\"", rc);
        result<unique_fd> directory = detail::open_private_directory(path);
        if (!directory) return directory.error();
        long rc = checked("flock", directory->get(), [&] { return ::flock(directory->get(), LOCK_EX); });
        if (rc < 0) return failure("flock(" + detail::directory_of(path) + ")", rc);
        if (result<void> free = detail::remove_stale(path, address); !free) return free.error();
        local_listener made;
        rc = detail::local_socket(made.fd_);
        const int fd = made.fd_.get();
        if (rc >= 0) rc = set_nonblocking(fd, true);
        if (rc >= 0) rc = checked("bind", fd, [&] {
            return ::bind(fd, reinterpret_cast<const ::sockaddr*>(&address), sizeof address);
        });
        if (rc < 0) return failure("bind(" + path + ")", rc);
        struct ::stat s {};
        rc = checked("lstat", -1, [&] { return ::lstat(path.c_str(), &s); });
        if (rc < 0) return failure("lstat(" + path + ")", rc);
        made.path_ = path;
        made.device_ = s.st_dev;
        made.number_ = s.st_ino;
        // Nobody can connect before listen(), so that it does not matter what the mode was until here.
        rc = checked("chmod", -1, [&] { return ::chmod(path.c_str(), 0600); });
        if (rc < 0) return failure("chmod(" + path + ")", rc);
        rc = checked("listen", fd, [&] { return ::listen(fd, 128); });
        if (rc < 0) return failure("listen(" + path + ")", rc);
        return made;
    }

    /// Becomes readable when somebody connects; -1 when closed.
    int fd() const noexcept { return fd_.get(); }
    const std::string& path() const noexcept { return path_; }

    /// Takes one that has connected: nonblocking, close-on-exec, above 2. 0, or -errno: -EAGAIN where nobody waits.
    long accept(unique_fd& taken) const {
#if defined(SOCK_CLOEXEC) && !defined(__APPLE__)
        const long rc =
            checked("accept", fd(), [this] { return ::accept4(fd(), nullptr, nullptr, SOCK_CLOEXEC | SOCK_NONBLOCK); });
#else
        const long rc = checked("accept", fd(), [this] { return ::accept(fd(), nullptr, nullptr); });
#endif
        if (rc < 0) return rc;
        taken.reset(static_cast<int>(rc));
#if !defined(SOCK_CLOEXEC) || defined(__APPLE__)
        static_cast<void>(set_cloexec(taken.get(), true));
        static_cast<void>(set_nonblocking(taken.get(), true));
#endif
        return move_above_stdio(taken);
    }

    /// Removes the file, unless it is another's by now, and listens no more.
    void close() noexcept {
        if (!fd_) return;
        if (!path_.empty() && owns_file()) static_cast<void>(::unlink(path_.c_str()));
        fd_.reset();
    }

    /// In a child made by fork(): closes the descriptor; the file is the parent's.
    void abandon() noexcept { fd_.reset(); }
};

/// Bounds how long one read or write of a blocking socket sleeps; it then returns -EAGAIN. 0 or -errno.
inline long set_patience(int fd, duration_ns span) {
    ::timeval t{};
    if (span < 1000) span = 1000; // zero would mean for ever
    t.tv_sec = static_cast<decltype(t.tv_sec)>(span / 1'000'000'000);
    t.tv_usec = static_cast<decltype(t.tv_usec)>(span % 1'000'000'000 / 1000);
    return checked("set_patience", fd, [&] {
        const int rc = ::setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &t, sizeof t);
        return rc < 0 ? rc : ::setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &t, sizeof t);
    });
}

/// Connects to the one that listens at `path`: blocking, close-on-exec, above 2. 0 or -errno; -EAGAIN after `patience`.
inline long connect_local(const std::string& path, duration_ns patience, unique_fd& fd) {
    ::sockaddr_un address;
    long rc = detail::local_address(path, address);
    if (rc >= 0) rc = detail::local_socket(fd);
    if (rc >= 0) rc = set_patience(fd.get(), patience);
    if (rc >= 0) rc = detail::connect_to(fd.get(), address);
    return rc;
}

/// The effective user id of the process at the other end when it connected or began to listen; or -errno.
inline std::int64_t peer_user(int fd) {
    ::uid_t user{};
#if defined(SO_PEERCRED) && defined(__linux__)
    ::ucred who{};
    ::socklen_t size = sizeof who;
    const long rc = checked("peer_user", fd, [&] { return ::getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &who, &size); });
    user = who.uid;
#else
    ::gid_t group{};
    const long rc = checked("peer_user", fd, [&] { return ::getpeereid(fd, &user, &group); });
#endif
    return rc < 0 ? rc : static_cast<std::int64_t>(user);
}

/// True if that user may do whatever this process may: it is the same, or root.
inline bool is_trusted_user(std::int64_t user) noexcept {
    return user == 0 || user == static_cast<std::int64_t>(::geteuid());
}

} // namespace sys
} // namespace mitogen::inline MITOGEN_ABI

// ---- mitogen/connect/join.hpp ----
// join.hpp: makes this program a context of a tree that is running already.

namespace mitogen::inline MITOGEN_ABI {

/// How a program joins a tree.
struct join_options {
    std::string name{};                                ///< of the context; empty: "client.<pid>"
    std::chrono::milliseconds connect_timeout{30'000}; ///< until it is a context
    std::uint32_t pool_threads = 4;                    ///< most threads that on::pool functions get here
};

namespace detail {

/// A program that has joined: its loop, its router, its link, and what runs its calls.
template <class Io>
class membership {
    basic_broker<Io> broker_;
    basic_router<Io> router_;
    std::shared_ptr<basic_link<Io>> parent_;
    call_server<Io> server_;
    std::atomic<bool> lost_{false};
    std::atomic<bool> admitted_{false};
    waiter<Io> settled_; // either of them has changed

public:
    membership(Io io, joining::answer said, const join_options& options)
        : broker_(io),
          router_(broker_, {.limits = said.bounds, .pool_threads = options.pool_threads, .rules = said.rules}),
          parent_(std::make_shared<basic_link<Io>>(router_)),
          server_(router_, said.name, options.pool_threads), settled_(broker_.io()) {
        parent_->peer = said.ancestors.front();
        parent_->up = true;
        parent_->build = hash_build(said.build);
        parent_->on_closed = [this](basic_link<Io>& link, enum reason cause, const std::string& why) {
            lost(link, error(cause, "the tree is lost: " + why));
        };
        (void)router_.add_raw_handler(handles::shutdown, {}, [this](const message&) {
            parent_->stream->close(reason::broker_exited, "the context that was joined has ended, or wants this one to leave");
        });
        (void)router_.add_raw_handler(handles::admitted, {}, [this](const message&) {
            admitted_.store(true, std::memory_order_release);
            settled_.notify();
        });
        broker_.run([&] { router_.become(said.id, said.ancestors, parent_, said.bounds); });
    }

    membership(membership&&) = delete;

    ~membership() {
        server_.stop(error(reason::broker_exited, "this context is leaving the tree"));
        router_.close();
        server_.join();
        // What it has said last still goes out.
        parent_->stream->wait_written(after(broker_.io().now(), 1'000'000'000));
        broker_.run([this] { parent_->stream->close(reason::broker_exited, "this context has left the tree"); });
    }

    /// From here on the link carries frames; `rest` are those that have arrived. Waits until the tree knows this context; false
    /// where that does not come, or not in time. Once.
    bool begin(typename Io::descriptor in, typename Io::descriptor out, std::span<const std::byte> rest, instant deadline) {
        parent_->open(broker_, std::move(in), std::move(out), router_.bounds());
        broker_.run([&] {
            parent_->stream->start();
            parent_->stream->inject(rest);
        });
        const auto admitted = [this] { return admitted_.load(std::memory_order_acquire); };
        return broker_.wait(settled_, deadline, true, [&] { return admitted() || !alive(); }) && admitted();
    }

    basic_router<Io>& router() noexcept { return router_; }
    context_id parent() const noexcept { return parent_->peer; }
    bool alive() const noexcept { return !lost_.load(std::memory_order_acquire); }

private:
    /// On the loop, once.
    void lost(basic_link<Io>& link, const error& why) {
        lost_.store(true, std::memory_order_release);
        settled_.notify();
        router_.link_lost(link, why);
        for (const context_id above : router_.ancestors()) router_.forget(above, why);
        server_.stop(error(reason::broker_exited, "the tree is lost"));
    }
};

/// The error that a failed connect() means.
MITOGEN_COLD inline error cannot_join(const std::string& path, long rc) {
    const reason why = rc == -ENOENT || rc == -ECONNREFUSED            ? reason::connection_refused
                       : rc == -EAGAIN || rc == -EWOULDBLOCK           ? reason::connect_timeout
                       : rc == -EMFILE || rc == -ENFILE || rc == -ENOMEM ? reason::overloaded
                                                                       : reason::connect;
    return error(why, "cannot join at " + path + ": " + sys::errno_text(static_cast<int>(-rc)));
}

MITOGEN_COLD inline error too_late(const std::string& path) {
    return error(reason::connect_timeout, "cannot join at " + path + ": no answer in time (connect_timeout)");
}

/// Reads the listener's answer, until the deadline.
template <class Io>
result<joining::answer> hear_answer(Io& io, int fd, instant deadline, const std::string& path, joining::listening_ear& ear) {
    using finding = joining::listening_ear::finding;
    for (;;) {
        const instant now = io.now();
        std::byte bytes[4096];
        long n = -EAGAIN;
        if (now < deadline) {
            n = sys::set_patience(fd, deadline - now);
            if (n >= 0) n = io.read(fd, bytes, sizeof bytes);
        }
        if (n == -EAGAIN || n == -EWOULDBLOCK)
            return too_late(path);
        if (n == 0 || n == -ECONNRESET)
            return error(reason::end_of_file, "cannot join at " + path + ": who listens there has closed the connection");
        if (n < 0) return cannot_join(path, n);
        switch (ear.hear({bytes, static_cast<std::size_t>(n)})) {
        case finding::incomplete: continue;
        case finding::wrong_version:
            return error(reason::connect, "cannot join at " + path +
                                              ": the program there speaks another version of this library's protocol; build both "
                                              "with the same version");
        case finding::wrong: return error(reason::connect, "cannot join at " + path + ": what answers there is no listener");
        case finding::whole: break;
        }
        joining::answer said;
        if (!joining::decode_answer(ear.payload(), said))
            return error(reason::connect, "cannot join at " + path + ": the answer does not decode");
        if (said.refusal.empty()) return said;
        return error(reason::connect, "refused at " + path + ": " + std::string(decode_error(said.refusal).message()));
    }
}

} // namespace detail

/// A program's place in a tree that it has joined. Moves. Its end leaves the tree: what it makes below itself ends first, and
/// functions that run here for others are told to stop, and waited for.
///
/// Functions that others call here run on a thread of their own (on::main), on a pool, or on the loop. Losing the tree fails
/// everything that waits for it with a channel_error; so do later calls.
template <class Io>
class basic_joined {
    std::unique_ptr<detail::membership<Io>> in_;

public:
    explicit basic_joined(std::unique_ptr<detail::membership<Io>> in) : in_(std::move(in)) {}

    /// This context: makes children, finds contexts by their ids.
    basic_router<Io>& router() noexcept { return in_->router(); }

    /// The context that listens. It can be called where the listener grants authority::parent.
    basic_context<Io> parent() noexcept { return router().context_by_id(in_->parent()); }

    /// False once the tree is lost. Threads: any.
    bool alive() const noexcept { return in_->alive(); }
};

/// Joins the tree that listens at `path` (see basic_router::listen), and so becomes a context of it, below the one that listens.
/// Needs no init(): it starts nothing. Both may be different programs: functions are then found by name.
/// Blocks: up to connect_timeout.
template <class Io = io::native>
    requires io::has_local_sockets<Io>
result<basic_joined<Io>> try_join(const std::string& path, const join_options& options = {}, Io io = {}) {
    if (options.name.size() > joining::name_limit)
        return error(reason::misuse,
                     "the name of a context that joins has at most " + std::to_string(joining::name_limit) + " bytes");
    sys::ignore_sigpipe();
    const instant deadline = after(io.now(), to_ns(options.connect_timeout));
    typename Io::descriptor socket;
    if (const long rc = sys::connect_local(path, to_ns(options.connect_timeout), socket); rc < 0)
        return detail::cannot_join(path, rc);
    if (const std::int64_t user = sys::peer_user(socket.get()); !sys::is_trusted_user(user))
        return error(reason::connect, "cannot join at " + path + ": another user listens there");
    const buffer request = joining::encode_request({sys::build_id(), static_cast<std::uint32_t>(io.own_pid()), options.name});
    // A refusal may have been sent before the request was read.
    (void)io.write(socket.get(), request.data(), request.size());
    joining::listening_ear ear(joining::answer_limit);
    result<joining::answer> said = detail::hear_answer(io, socket.get(), deadline, path, ear);
    if (!said) return said.error();
    const long second = sys::dup_above(socket.get(), 3); // a link has a descriptor for each direction
    if (second < 0) return detail::cannot_join(path, second);
    typename Io::descriptor out(static_cast<int>(second));
    if (const long rc = io.set_nonblocking(out.get(), true); rc < 0) return detail::cannot_join(path, rc);
    auto in = std::make_unique<detail::membership<Io>>(io, std::move(*said), options);
    if (!in->begin(std::move(socket), std::move(out), ear.rest(), deadline)) {
        return in->alive() ? detail::too_late(path)
                           : error(reason::end_of_file, "cannot join at " + path + ": the tree was lost at once");
    }
    return basic_joined<Io>(std::move(in));
}

/// The same; throws where it fails.
template <class Io = io::native>
    requires io::has_local_sockets<Io>
basic_joined<Io> join(const std::string& path, const join_options& options = {}, Io io = {}) {
    return try_join<Io>(path, options, io).value();
}

/// A place in a tree under this platform's best policy.
using joined = basic_joined<io::native>;

} // namespace mitogen::inline MITOGEN_ABI

// ---- mitogen/connect/listener.hpp ----
// listener.hpp: lets other programs of the same user join the tree, through a socket in the file system.

namespace mitogen::inline MITOGEN_ABI {
namespace detail {

/// The listening sockets of one router, and the programs that have come through them.
template <class Io>
class listeners final : public listening<Io>, private client<Io>::events {
    using client_type = client<Io>;

    struct open_socket {
        listeners& owner;
        std::uint32_t number;
        sys::local_listener file;
        listen_options options;
        bound_source<open_socket> ready{};
        timer resume{};

        void on_client() { owner.accept(*this); }
    };

    basic_router<Io>& node_;
    children<Io>& children_;
    std::optional<call_server<Io>> server_; // in a root, which executes no calls otherwise
    std::vector<std::unique_ptr<open_socket>> sockets_;
    std::vector<std::shared_ptr<client_type>> clients_;
    std::uint32_t last_number_ = 0;
    std::atomic<std::size_t> client_count_{0};
    waiter<Io> all_gone_;
    bool closing_ = false;

    static constexpr duration_ns pause = 100'000'000; // before accept() is tried again that found no descriptor
    static constexpr int most_at_once = 16;           // accepted in one turn of the loop

public:
    listeners(basic_router<Io>& node, children<Io>& below)
        : node_(node), children_(below), all_gone_(node.loop().io()) {
        if (!node.parent()) server_.emplace(node, "root", below.pool_threads());
    }

    /// Listens on one more socket. Returns its number. Threads: loop.
    result<std::uint32_t> add(sys::local_listener file, const listen_options& options) {
        if (closing_) return closing();
        std::unique_ptr<open_socket> s(new open_socket{*this, ++last_number_, std::move(file), options});
        on_ready<&open_socket::on_client>(s->ready, *s, s->file.fd());
        s->resume.fire = [from = s.get()] { from->owner.look_after(*from); };
        if (const long rc = node_.loop().watch(s->ready, io::interest::read); rc < 0)
            return sys::failure("watch(" + s->file.path() + ")", rc);
        sockets_.push_back(std::move(s));
        return last_number_;
    }

    /// Closes one socket; who is still in the handshake is refused. Threads: loop.
    void remove(std::uint32_t number) {
        std::erase_if(sockets_, [&](const auto& s) {
            if (s->number != number) return false;
            node_.loop().unwatch(s->ready);
            node_.loop().cancel_timer(s->resume);
            return true;
        });
        const auto all = clients_; // one that goes removes itself
        for (const auto& c : all)
            if (c->listener == number && c->waiting()) c->refuse(error(reason::connect, "the listener has been closed"));
    }

    void close() override {
        if (server_) server_->stop(closing());
        const auto end = [this] {
            closing_ = true;
            while (!sockets_.empty()) remove(sockets_.back()->number);
            const auto all = clients_;
            for (const auto& c : all) c->shut_down(closing());
        };
        if (!node_.loop().run(end)) {
            sockets_.clear(); // the loop has ended: nobody can say goodbye any more
            return;
        }
        node_.loop().wait(all_gone_, never, true, [this] { return client_count_.load(std::memory_order_acquire) == 0; });
        node_.loop().run([] {}); // the loop has left the callback that woke us
    }

    void finish() override {
        if (server_) server_->join();
        node_.loop().run([] {}); // what the last functions have deferred
    }

    bool cut(context_id id, const std::string& why) override {
        client_type* c = find(id);
        if (c) c->cut(why);
        return c != nullptr;
    }

    bool shut_down(context_id id, basic_pending<Io>* left) override {
        client_type* c = find(id);
        if (!c) return false;
        c->await_end(left);
        c->shut_down(cancelled_by(node_.id(), cancel_radius::context, "it was shut down"));
        return true;
    }

    void abandon() noexcept override {
        for (const auto& s : sockets_) s->file.abandon();
        for (const auto& c : clients_) c->abandon();
    }

private:
    static error closing() { return children<Io>::closing(); }

    client_type* find(context_id id) {
        for (const auto& c : clients_)
            if (c->up() && c->id() == id) return c.get();
        return nullptr;
    }

    std::size_t waiting_at(const open_socket& s) const {
        return static_cast<std::size_t>(std::count_if(
            clients_.begin(), clients_.end(), [&](const auto& c) { return c->listener == s.number && c->waiting(); }));
    }

    /// Accepts no more than may wait: the kernel keeps the others until there is room.
    void look_after(open_socket& s) {
        const bool room = waiting_at(s) < s.options.most_waiting && !s.resume.is_set();
        node_.loop().change(s.ready, room ? io::interest::read : io::interest::none);
    }

    void accept(open_socket& from) {
        for (int i = 0; i < most_at_once && waiting_at(from) < from.options.most_waiting; ++i) {
            sys::unique_fd socket;
            const long rc = from.file.accept(socket);
            if (rc == -EAGAIN || rc == -EWOULDBLOCK) break;
            if (rc == -ECONNABORTED) continue; // it went before we came
            if (rc < 0) {
                log::write(log::level::warning, sys::failure("accept", rc, from.file.fd()).what());
                node_.loop().set_timer(from.resume, after(node_.loop().io().now(), pause));
                break;
            }
            welcome(from, std::move(socket));
        }
        look_after(from);
    }

    void welcome(open_socket& from, sys::unique_fd socket) {
        const std::int64_t user = sys::peer_user(socket.get());
        if (!sys::is_trusted_user(user)) {
            return log::write(log::level::warning, "refused a connection to " + from.file.path() + " by " +
                                                       (user < 0 ? "an unknown user" : "user " + std::to_string(user)));
        }
        auto c = std::make_shared<client_type>(node_, static_cast<typename client_type::events&>(*this), from.number,
                                               from.options, children_.patience().grace, std::move(socket));
        client_count_.fetch_add(1, std::memory_order_relaxed);
        clients_.push_back(c);
        c->begin();
    }

    // ---- what happens to them

    void client_asks(client_type& c) override {
        const auto at = std::find_if(clients_.begin(), clients_.end(), [&](const auto& held) { return held.get() == &c; });
        children_.ids().next([this, keep = *at](result<context_id> id) {
            node_.loop().defer([keep, id = std::move(id)] { id ? keep->admit(*id) : keep->refuse(id.error()); });
        });
    }

    void client_up(client_type& c) override {
        children_.neighbour_up(c.name(), c.edge);
        for (const auto& s : sockets_)
            if (s->number == c.listener) look_after(*s);
    }

    void client_lost(client_type& c, const error& why) override {
        children_.neighbour_lost(*c.edge, why);
    }

    void client_gone(client_type& c) override {
        const auto at = std::find_if(clients_.begin(), clients_.end(), [&](const auto& held) { return held.get() == &c; });
        node_.loop().defer([keep = std::move(*at)] {}); // it is destroyed when it has returned from what it is at
        clients_.erase(at);
        for (const auto& s : sockets_)
            if (s->number == c.listener) look_after(*s);
        if (client_count_.fetch_sub(1, std::memory_order_acq_rel) == 1) all_gone_.notify();
    }
};

} // namespace detail

/// A socket that programs can join through. A cheap copyable value; the socket stays open until close(), or the router's end,
/// whatever becomes of this.
///
/// Threads: any. The router outlives it.
template <class Io>
class basic_listener {
    detail::listeners<Io>* all_;
    basic_router<Io>* node_;
    std::uint32_t number_;
    std::string path_;

public:
    basic_listener(detail::listeners<Io>& all, basic_router<Io>& node, std::uint32_t number, std::string path)
        : all_(&all), node_(&node), number_(number), path_(std::move(path)) {}

    const std::string& path() const noexcept { return path_; }

    /// Listens no more, and removes the socket. Who has joined stays.
    void close() {
        node_->loop().run([this] { all_->remove(number_); });
    }
};

template <class Io>
basic_listener<Io> basic_router<Io>::listen(const std::string& path, listen_options options)
    requires io::has_local_sockets<Io>
{
    return try_listen(path, std::move(options)).value();
}

template <class Io>
result<basic_listener<Io>> basic_router<Io>::try_listen(const std::string& path, listen_options options)
    requires io::has_local_sockets<Io>
{
    result<sys::local_listener> file = sys::local_listener::open(path);
    if (!file) return file.error();
    detail::listeners<Io>* all = nullptr;
    result<std::uint32_t> number = detail::children<Io>::closing();
    this->loop().run([&] {
        if (children_.closed()) return;
        if (!listening_) listening_ = std::make_unique<detail::listeners<Io>>(*this, children_);
        all = static_cast<detail::listeners<Io>*>(listening_.get());
        number = all->add(std::move(*file), options);
    });
    if (!number) return number.error();
    return basic_listener<Io>(*all, *this, *number, path);
}

/// The listener of this platform's best policy.
using listener = basic_listener<io::native>;

} // namespace mitogen::inline MITOGEN_ABI

// ---- mitogen/connect/methods/tool_symptoms.hpp ----
// tool_symptoms.hpp: what tools that run a command in a container, a pod or a jail say when they cannot, and what to do about it.

namespace mitogen::inline MITOGEN_ABI {
namespace detail {

inline constexpr std::string_view no_such_target_text =
    "there is none of that name; is it spelt right, and may this user see it?";
inline constexpr std::string_view not_running_text = "it is not running; start it first";
inline constexpr std::string_view no_service_text =
    "the tool does not reach its service; does that run, and at the address that the tool uses?";
inline constexpr std::string_view no_shell_text = "there is no sh that can be executed there, which the first stage needs";
inline constexpr std::string_view no_user_text = "it has no such user";
inline constexpr std::string_view not_allowed_text =
    "this user may not do that here; connect from a context that may, for instance by sudo";

/// What the first stage's own side of nsenter says of a container without a process.
inline constexpr std::string_view no_leader_text = "mitogen: the container has no process";

/// The first that fits counts, so that words which may be part of other messages come late. What is said of the user and of the
/// shell within comes before what is said of the tool's service: docker says both in one line.
inline constexpr symptom symptoms_of_tools[] = {
    // docker, podman, buildah
    {"Cannot connect to the Docker daemon", reason::connection_refused, no_service_text},
    {"Cannot connect to Podman", reason::connection_refused, no_service_text},
    {"permission denied while trying to connect", reason::auth_required, not_allowed_text},
    {"unable to find user", reason::resolve, no_user_text},
    {"nknown user", reason::resolve, no_user_text}, // su, in its several shapes
    {"does not exist or the user entry", reason::resolve, no_user_text},
    {"no matching entries in passwd file", reason::resolve, no_user_text},
    {"executable file not found", reason::payload, no_shell_text},
    {"executable file `sh` not found", reason::payload, no_shell_text},
    {"exec: \"sh\":", reason::payload, no_shell_text},
    {"pull access denied", reason::resolve, "there is no image of that name, or only for who is logged in to its registry"},
    {"manifest unknown", reason::resolve, "the registry has no image of that name and tag"},
    {"Unable to find image", reason::resolve, "the image is not here, and cannot be fetched"},
    {"o such image", reason::resolve, "there is no image of that name"},
    {"o such container", reason::resolve, no_such_target_text},
    {"o such object", reason::resolve, no_such_target_text},
    {"o container with name or ID", reason::resolve, no_such_target_text},
    {"container not known", reason::resolve, no_such_target_text},
    {"is not running", reason::connection_refused, not_running_text},
    {"is paused", reason::connection_refused, "it is paused; unpause it first"},
    {"container state improper", reason::connection_refused, not_running_text},
    // kubectl
    {"You must be logged in to the server", reason::auth_required, "the cluster does not know this user; see `kubectl config`"},
    {"(Unauthorized)", reason::auth_required, "the cluster does not know this user; see `kubectl config`"},
    {"(Forbidden)", reason::auth_required, "the cluster does not let this user do that; it takes the verb create on pods/exec"},
    {"(NotFound)", reason::resolve, "there is no such pod, or no such namespace; see .ns"},
    {"is not valid for pod", reason::resolve, "the pod has no container of that name; see .container"},
    {"container not found", reason::connection_refused, "the pod has no such container, or it does not run yet"},
    {"completed pod", reason::connection_refused, not_running_text},
    {"ontainerCreating", reason::connection_refused, "it is not running yet"},
    {"did you specify the right host or port", reason::connection_refused, no_service_text},
    {"Unable to connect to the server", reason::connection_refused, no_service_text},
    // lxc-attach, lxc-info, lxc, incus, machinectl
    {"Failed to get init pid", reason::connection_refused, "there is none of that name, or it is not running"},
    {"Failed to get attach context", reason::connection_refused, "there is none of that name, or it is not running"},
    {"doesn't exist", reason::resolve, no_such_target_text},
    {"nstance not found", reason::resolve, no_such_target_text},
    {"Error: not found", reason::resolve, no_such_target_text},
    {"No machine ", reason::resolve, no_such_target_text},
    {"unix.socket", reason::connection_refused, no_service_text},
    {no_leader_text, reason::connection_refused, not_running_text},
    // jexec, chroot, nsenter
    {"Operation not permitted", reason::auth_required, not_allowed_text},
    {"jail \"", reason::resolve, no_such_target_text}, // jexec: jail "x" not found
    {"cannot change root directory", reason::resolve, "the root is no directory that this user may change to"},
    {"can't change root directory", reason::resolve, "the root is no directory that this user may change to"}, // busybox
    {"stat of /proc/", reason::resolve, "there is no process of that number, or this user may not look into it"},
    {"cannot open /proc/", reason::resolve, "there is no process of that number, or this user may not look into it"},
    {"can't open '/proc/", reason::resolve, "there is no process of that number, or this user may not look into it"}, // busybox
    {"failed to run command", reason::payload, no_shell_text},
    {"failed to execute sh", reason::payload, no_shell_text},
    // srun
    {"invalid partition", reason::resolve, "there is no such partition; see `sinfo`"},
    {"Unable to contact slurm controller", reason::connection_refused, no_service_text},
    {"Unable to allocate resources", reason::connect, "slurm gives no resources for it"},
    // what several of them say
    {"ermission denied", reason::auth_required, not_allowed_text},
};

/// What such a tool and the first stage said, as one of the errors that a caller can act on.
inline error explain_tool(const boot_plan& plan, const boot_failure& f) {
    using how = boot_failure::how;
    if (f.what == how::timed_out) {
        const std::string ms = std::to_string(plan.timeout / 1'000'000) + " ms (connect_timeout): ";
        return because(plan, f, reason::connect_timeout,
                       "no hello within " + ms +
                           (f.stage_seen ? "our shell runs there; sending the program, or its start, takes longer than that"
                                         : "our shell did not speak: " + plan.start.path + " hangs, or waits for something"));
    }
    if (f.what == how::confused) return explain_boot(plan, f);
    constexpr int tool_failed = 125; // as docker, podman, chroot, env and others say that they failed themselves
    if (f.stage_seen) return explain_stage(plan, f, tool_failed);
    if (const symptom* s = known_symptom(symptoms_of_tools, f)) return because(plan, f, s->why, s->meaning);
    if (f.status && not_executed(*f.status))
        return because(plan, f, reason::payload,
                       "a program was not found or could not be executed: sh there, or one that " + plan.start.path + " runs");
    return because(plan, f, reason::end_of_file, plan.start.path + " ended before it ran our shell");
}

} // namespace detail
} // namespace mitogen::inline MITOGEN_ABI

// ---- mitogen/connect/methods/exec_style.hpp ----
// exec_style.hpp: what methods share that run a tool here, which runs a command elsewhere and passes its stdin and stdout on
// unchanged.

namespace mitogen::inline MITOGEN_ABI {
namespace detail {

/// Puts together the command line of such a tool, and refuses what the tool would misunderstand. The names that it says in errors
/// are those of the options.
class exec_style {
    std::string method_;
    std::vector<std::string> argv_;
    std::optional<error> trouble_;

    void refuse(const std::string& why) {
        if (!trouble_) trouble_.emplace(reason::misuse, method_ + ": " + why);
    }

    /// Where a value begins with a dash, many tools take it for an option, whatever stands before it.
    bool fits(const std::string& option, const std::string& value) {
        if (value.starts_with('-')) {
            refuse(option + " is \"" + value + "\", which begins with a dash: " + argv_[0] + " would take it for an option");
            return false;
        }
        return true;
    }

public:
    /// `tool` is the value of the option `path_option`.
    exec_style(std::string_view method, const std::string& tool, std::string_view path_option) : method_(method), argv_{tool} {
        if (tool.empty()) refuse(std::string(path_option) + " is empty");
    }

    /// Arguments as they are: ours, and those that the user wrote as arguments.
    exec_style& add(const std::vector<std::string>& arguments) {
        argv_.insert(argv_.end(), arguments.begin(), arguments.end());
        return *this;
    }

    /// The value of an option that must be given, behind `prefix` in one argument.
    exec_style& add_required(const std::string& option, const std::string& value, const std::string& prefix = {}) {
        if (value.empty()) refuse(option + " is empty");
        if (fits(option, value)) argv_.push_back(prefix + value);
        return *this;
    }

    /// The value of one that may be empty, and is left out then. A prefix that ends with a blank is an argument of its own.
    exec_style& add_optional(const std::string& option, const std::string& value, const std::string& prefix) {
        if (value.empty() || !fits(option, value)) return *this;
        if (!prefix.ends_with(' ')) return add({prefix + value});
        return add({prefix.substr(0, prefix.size() - 1), value});
    }

    /// The rest of the command: `sh -c` and the first stage.
    exec_style& add_stage() { return add({"sh", "-c", first_stage_script()}); }

    /// What is to be executed. `target`: of messages and of the context's name; may be empty.
    template <class Method>
    result<boot_plan> plan(const Method& method, const std::string& target) {
        for (const std::string& argument : argv_)
            if (argument.find('\0') != std::string::npos) refuse("an argument contains a zero byte, where it would end");
        if (trouble_) return *trouble_;
        boot_plan p;
        p.what = method_ + (target.empty() ? "" : " " + target);
        p.name = method_ + (target.empty() ? "" : "." + target);
        apply_common(method, p);
        auto program = open_program(method.executable);
        if (!program) return program.error();
        p.program = std::move(*program);
        p.staged = true;
        p.start.path = argv_[0];
        p.start.argv = argv_;
        p.explain = &explain_tool;
        p.if_missing = "is " + argv_[0] + " installed here? The options say where to look for it";
        return p;
    }
};

} // namespace detail
} // namespace mitogen::inline MITOGEN_ABI

// ---- mitogen/connect/methods/buildah.hpp ----
// buildah.hpp: a child in a working container of Buildah.

namespace mitogen::inline MITOGEN_ABI {

/// A process in a working container of Buildah (`buildah from`).
struct buildah {
    std::string container{};              ///< name or id
    std::string username{};               ///< or "user:group"; empty: as the container says
    std::string buildah_path = "buildah"; ///< the client to run

    std::string name{};                                ///< of the context; empty: "buildah.<container>"
    std::chrono::milliseconds connect_timeout{30'000}; ///< from start to hello, transfer included
    std::string executable{};                          ///< the program to run there, by path here; empty: this one
    std::optional<mitogen::limits> limits{};           ///< for it and all below it; empty: this context's own

    static constexpr std::string_view method_name = "buildah";
    template <class Self>
    static constexpr auto fields(Self& self) {
        return std::tie(self.container, self.username, self.buildah_path, self.name, self.connect_timeout,
                        self.executable, self.limits);
    }

    /// What is to be executed.
    result<boot_plan> plan() const {
        detail::exec_style tool(method_name, buildah_path, "buildah_path");
        tool.add({"run"}).add_optional("username", username, "--user=").add({"--"});
        return tool.add_required("container", container).add_stage().plan(*this, container);
    }
};

/// The options of basic_router::buildah().
using buildah_options = buildah;

} // namespace mitogen::inline MITOGEN_ABI

// ---- mitogen/connect/methods/chroot.hpp ----
// chroot.hpp: a child on this machine with another root directory.

namespace mitogen::inline MITOGEN_ABI {

/// A process on this machine for which another directory is the root. There must be a POSIX sh in it, and what the first stage
/// uses: uname, mkdir, chmod, head, wc, rm. Takes root, or what else chroot(8) asks for.
struct chroot {
    std::string root{};                 ///< the directory
    std::string username{};             ///< "user" or "user:group" as known in there; empty: this one. Not every chroot has it
    std::string chroot_path = "chroot"; ///< the tool to run

    std::string name{};                                ///< of the context; empty: "chroot.<root>"
    std::chrono::milliseconds connect_timeout{30'000}; ///< from start to hello, transfer included
    std::string executable{};                          ///< the program to run there, by path here; empty: this one
    std::optional<mitogen::limits> limits{};           ///< for it and all below it; empty: this context's own

    static constexpr std::string_view method_name = "chroot";
    template <class Self>
    static constexpr auto fields(Self& self) {
        return std::tie(self.root, self.username, self.chroot_path, self.name, self.connect_timeout,
                        self.executable, self.limits);
    }

    /// What is to be executed.
    result<boot_plan> plan() const {
        detail::exec_style tool(method_name, chroot_path, "chroot_path");
        tool.add_optional("username", username, "--userspec=").add_required("root", root);
        return tool.add_stage().plan(*this, root);
    }
};

/// The options of basic_router::chroot().
using chroot_options = chroot;

} // namespace mitogen::inline MITOGEN_ABI

// ---- mitogen/connect/methods/command.hpp ----
// command.hpp: a child by any program that runs a command elsewhere.

namespace mitogen::inline MITOGEN_ABI {

/// A process by whatever runs a command given as arguments, with stdin and stdout that pass all bytes unchanged: {"env", "-i"},
/// {"docker", "--context", "prod", "exec", "-i", "web"}. `sh -c` and the first stage are appended.
struct command {
    std::vector<std::string> argv{}; ///< the program, searched for in PATH, and its arguments

    std::string name{};                                ///< of the context; empty: "command.<program>"
    std::chrono::milliseconds connect_timeout{30'000}; ///< from start to hello, transfer included
    std::string executable{};                          ///< the program to run there, by path here; empty: this one
    std::optional<mitogen::limits> limits{};           ///< for it and all below it; empty: this context's own

    static constexpr std::string_view method_name = "command";
    template <class Self>
    static constexpr auto fields(Self& self) {
        return std::tie(self.argv, self.name, self.connect_timeout, self.executable, self.limits);
    }

    /// What is to be executed.
    result<boot_plan> plan() const {
        if (argv.empty()) return error(reason::misuse, "command: argv is empty");
        detail::exec_style tool(method_name, argv[0], "argv[0]");
        tool.add({argv.begin() + 1, argv.end()});
        return tool.add_stage().plan(*this, argv[0].substr(argv[0].rfind('/') + 1));
    }
};

/// The options of basic_router::command().
using command_options = command;

} // namespace mitogen::inline MITOGEN_ABI

// ---- mitogen/connect/methods/privilege.hpp ----
// privilege.hpp: what sudo, su and doas have in common: a tool that asks for a password and then becomes another user here.

namespace mitogen::inline MITOGEN_ABI {
namespace detail {

inline constexpr std::string_view incorrect_text = "the password is incorrect";

/// The first stage behind a tool that was made to speak English: in the language that was there before.
inline std::string first_stage_in_own_language() {
    const char* const was = std::getenv("LC_ALL");
    const std::string_view language = was ? was : "";
    for (const char c : language)
        if (!((c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || c == '_' || c == '.' || c == '-' ||
              c == '@'))
            return "unset LC_ALL;" + first_stage_script();
    if (language.empty()) return "unset LC_ALL;" + first_stage_script();
    return "LC_ALL=" + std::string(language) + ";export LC_ALL;" + first_stage_script();
}

/// The same script without a dollar sign, which `sudo -i` leaves open to the shell that it starts first.
inline std::string without_dollars(std::string_view script) {
    std::string text;
    for (const char c : script) { // backquotes and printf undo each one layer of backslashes: octal for everything special
        if (c == '%') {
            text += "%%";
        } else if (c == '$' || c == '\\' || c == '"' || c == '`') {
            const auto digit = [c](int shift) { return static_cast<char>('0' + ((c >> shift) & 7)); };
            text += {'\\', digit(6), digit(3), digit(0)};
        } else {
            text += c;
        }
    }
    return "eval \"`printf '" + text + "'`\"";
}

/// What the plans of all three have. `program`: the tool's path; arguments and `explain` come later.
template <class Method>
result<boot_plan> privileged_plan(const Method& method, const std::string& program, prompter::recogniser recognise,
                                  prompter::reads where) {
    const std::string tool(Method::method_name);
    if (method.username.empty()) return error(reason::misuse, tool + ": username is empty");
    if (method.username[0] == '-')
        return error(reason::misuse,
                     tool + ": the username \"" + method.username + "\" begins with a dash, which " + tool +
                         " would take for an option");
    if (auto why = untypable(method.password, tool)) return std::move(*why);
    boot_plan p;
    p.what = tool + " " + method.username;
    p.name = tool + "." + method.username;
    apply_common(method, p);
    auto file = open_program(method.executable);
    if (!file) return file.error();
    p.program = std::move(*file);
    p.staged = true;
    p.prompts.emplace(recognise, method.password, where);
    p.start.path = program;
    p.start.environment = {"LC_ALL=C"}; // the questions and complaints that are known are English
    return p;
}

/// What a tool and the first stage said, as one of the errors that a caller can act on.
template <std::size_t N>
error explain_privilege(const symptom (&symptoms)[N], const boot_plan& plan, const boot_failure& f) {
    using how = boot_failure::how;
    if (f.what == how::timed_out) {
        const std::string ms = std::to_string(plan.timeout / 1'000'000) + " ms (connect_timeout): ";
        return because(plan, f, reason::connect_timeout,
                       "no hello within " + ms +
                           (f.stage_seen ? "sending the program, or its start, takes longer than that"
                                         : "it asks something that nobody answers, or takes longer than that"));
    }
    if (f.what == how::confused) return explain_boot(plan, f);
    if (f.stage_seen) return explain_stage(plan, f);
    const bool answered = plan.prompts && plan.prompts->answered();
    if (const symptom* s = known_symptom(symptoms, f)) {
        if (s->why != reason::auth_incorrect || answered || s->meaning != incorrect_text)
            return because(plan, f, s->why, s->meaning);
        return because(plan, f, reason::auth_required, "authentication failed, and no password was asked for");
    }
    return because(plan, f, reason::end_of_file, no_hello_text);
}

} // namespace detail
} // namespace mitogen::inline MITOGEN_ABI

// ---- mitogen/connect/methods/doas.hpp ----
// doas.hpp: a child on this machine that runs as another user, through doas.

namespace mitogen::inline MITOGEN_ABI {

/// A process of another user of this machine, by doas.
struct doas {
    std::string username = "root";
    secret password{};              ///< of the user who calls; empty: doas must not ask for one
    std::string doas_path = "doas"; ///< the tool to run

    std::string name{};                                ///< of the context; empty: "doas.<username>"
    std::chrono::milliseconds connect_timeout{30'000}; ///< from start to hello
    std::string executable{};                          ///< the program to run there, by path here; empty: this one
    std::optional<mitogen::limits> limits{};           ///< for it and all below it; empty: this context's own

    static constexpr std::string_view method_name = "doas";
    template <class Self>
    static constexpr auto fields(Self& self) {
        return std::tie(self.username, self.password, self.doas_path, self.name, self.connect_timeout, self.executable,
                        self.limits);
    }

    /// What is to be executed.
    result<boot_plan> plan() const {
        auto p = detail::privileged_plan(*this, doas_path, &detail::ask_for_password, prompter::reads::terminal);
        if (!p) return p;
        p->start.argv = arguments();
        p->explain = &explain;
        return p;
    }

    /// The command that is executed, first stage included.
    std::vector<std::string> arguments() const {
        return {doas_path, "-u", username, "--", "sh", "-c", detail::first_stage_in_own_language()};
    }

private:
    static constexpr detail::symptom symptoms_of_doas[] = {
        {"nknown user", reason::resolve, "there is no such user"},
        {"uthentication fail", reason::auth_incorrect, detail::incorrect_text},
        {"uthorization fail", reason::auth_incorrect, detail::incorrect_text},
        {"uthentication required", reason::auth_required, "a password is required; set .password"},
        {"a tty is required", reason::auth_required, "a password is required, and there is no terminal to type it"},
        {"not enabled", reason::auth_required, "doas has no configuration there, and lets nobody in"},
        {"not permitted", reason::auth_required, "this user may not become that one, or not run sh"},
        {"command not found", reason::payload, "there is no sh"},
    };

    static error explain(const boot_plan& plan, const boot_failure& f) {
        return detail::explain_privilege(symptoms_of_doas, plan, f);
    }
};

/// The options of basic_router::doas().
using doas_options = doas;

} // namespace mitogen::inline MITOGEN_ABI

// ---- mitogen/connect/methods/docker.hpp ----
// docker.hpp: a child in a Docker container.

namespace mitogen::inline MITOGEN_ABI {

/// A process in a Docker container: one that runs (`docker exec`), or a new one of an image (`docker run --rm`), which goes when
/// the child does. Exactly one of the two. An image with an entrypoint of its own must execute what it is given.
struct docker {
    std::string container{};            ///< name or id of a container that runs
    std::string image{};                ///< name of an image, to run in a new container
    std::string username{};             ///< or "user:group"; empty: as the container says
    std::string docker_path = "docker"; ///< the client to run

    std::string name{};                                ///< of the context; empty: "docker.<container or image>"
    std::chrono::milliseconds connect_timeout{30'000}; ///< from start to hello, transfer included
    std::string executable{};                          ///< the program to run there, by path here; empty: this one
    std::optional<mitogen::limits> limits{};           ///< for it and all below it; empty: this context's own

    static constexpr std::string_view method_name = "docker";
    template <class Self>
    static constexpr auto fields(Self& self) {
        return std::tie(self.container, self.image, self.username, self.docker_path, self.name,
                        self.connect_timeout, self.executable, self.limits);
    }

    /// What is to be executed.
    result<boot_plan> plan() const {
        if (container.empty() == image.empty())
            return error(reason::misuse, "docker: give either .container, which runs, or .image, for a new one");
        detail::exec_style tool(method_name, docker_path, "docker_path");
        if (image.empty()) {
            tool.add({"exec", "--interactive"})
                .add_optional("username", username, "--user=")
                .add_required("container", container);
        } else {
            tool.add({"run", "--interactive"})
                .add_optional("username", username, "--user=")
                .add({"--rm"})
                .add_required("image", image);
        }
        return tool.add_stage().plan(*this, container + image);
    }
};

/// The options of basic_router::docker().
using docker_options = docker;

} // namespace mitogen::inline MITOGEN_ABI

// ---- mitogen/connect/methods/incus.hpp ----
// incus.hpp: a child in an instance of Incus.

namespace mitogen::inline MITOGEN_ABI {

/// A process in an instance of Incus that runs: a container, or a virtual machine with its agent.
struct incus {
    std::string container{};        ///< its name, or "remote:name"
    std::string incus_path = "incus"; ///< the client to run

    std::string name{};                                ///< of the context; empty: "incus.<container>"
    std::chrono::milliseconds connect_timeout{30'000}; ///< from start to hello, transfer included
    std::string executable{};                          ///< the program to run there, by path here; empty: this one
    std::optional<mitogen::limits> limits{};           ///< for it and all below it; empty: this context's own

    static constexpr std::string_view method_name = "incus";
    template <class Self>
    static constexpr auto fields(Self& self) {
        return std::tie(self.container, self.incus_path, self.name, self.connect_timeout, self.executable, self.limits);
    }

    /// What is to be executed.
    result<boot_plan> plan() const {
        detail::exec_style tool(method_name, incus_path, "incus_path");
        tool.add({"exec", "--mode=non-interactive"}).add_required("container", container).add({"--"});
        return tool.add_stage().plan(*this, container);
    }
};

/// The options of basic_router::incus().
using incus_options = incus;

} // namespace mitogen::inline MITOGEN_ABI

// ---- mitogen/connect/methods/jail.hpp ----
// jail.hpp: a child in a FreeBSD jail.

namespace mitogen::inline MITOGEN_ABI {

/// A process in a FreeBSD jail that runs.
struct jail {
    std::string container{};                   ///< name or number of the jail
    std::string username{};                    ///< as the jail knows it; empty: root
    std::string jexec_path = "/usr/sbin/jexec"; ///< the tool to run

    std::string name{};                                ///< of the context; empty: "jail.<container>"
    std::chrono::milliseconds connect_timeout{30'000}; ///< from start to hello, transfer included
    std::string executable{};                          ///< the program to run there, by path here; empty: this one
    std::optional<mitogen::limits> limits{};           ///< for it and all below it; empty: this context's own

    static constexpr std::string_view method_name = "jail";
    template <class Self>
    static constexpr auto fields(Self& self) {
        return std::tie(self.container, self.username, self.jexec_path, self.name, self.connect_timeout,
                        self.executable, self.limits);
    }

    /// What is to be executed.
    result<boot_plan> plan() const {
        detail::exec_style tool(method_name, jexec_path, "jexec_path");
        tool.add_optional("username", username, "-U ").add_required("container", container);
        return tool.add_stage().plan(*this, container);
    }
};

/// The options of basic_router::jail().
using jail_options = jail;

} // namespace mitogen::inline MITOGEN_ABI

// ---- mitogen/connect/methods/kubectl.hpp ----
// kubectl.hpp: a child in a pod of a Kubernetes cluster.

namespace mitogen::inline MITOGEN_ABI {

/// A process in a pod of a Kubernetes cluster.
struct kubectl {
    std::string pod{};                        ///< its name, or "kind/name" as kubectl takes it ("deploy/web")
    std::string container{};                  ///< of the pod; empty: its first, or the one that it marks as default
    std::string ns{};                         ///< the namespace; empty: as kubectl decides
    std::vector<std::string> kubectl_args{};  ///< further arguments, before `exec`: {"--context=prod"}
    std::string kubectl_path = "kubectl";     ///< the client to run

    std::string name{};                                ///< of the context; empty: "kubectl.<pod>"
    std::chrono::milliseconds connect_timeout{30'000}; ///< from start to hello, transfer included
    std::string executable{};                          ///< the program to run there, by path here; empty: this one
    std::optional<mitogen::limits> limits{};           ///< for it and all below it; empty: this context's own

    static constexpr std::string_view method_name = "kubectl";
    template <class Self>
    static constexpr auto fields(Self& self) {
        return std::tie(self.pod, self.container, self.ns, self.kubectl_args, self.kubectl_path,
                        self.name, self.connect_timeout, self.executable, self.limits);
    }

    /// What is to be executed.
    result<boot_plan> plan() const {
        detail::exec_style tool(method_name, kubectl_path, "kubectl_path");
        tool.add(kubectl_args).add_optional("ns", ns, "--namespace=").add({"exec", "--stdin"});
        tool.add_optional("container", container, "--container=").add_required("pod", pod).add({"--"});
        return tool.add_stage().plan(*this, pod);
    }
};

/// The options of basic_router::kubectl().
using kubectl_options = kubectl;

} // namespace mitogen::inline MITOGEN_ABI

// ---- mitogen/connect/methods/lxc.hpp ----
// lxc.hpp: a child in an LXC container.

namespace mitogen::inline MITOGEN_ABI {

/// A process in an LXC container that runs, by lxc-attach: with an environment of its own, as the container's root.
struct lxc {
    std::string container{};                    ///< its name
    std::string lxc_attach_path = "lxc-attach"; ///< the tool to run

    std::string name{};                                ///< of the context; empty: "lxc.<container>"
    std::chrono::milliseconds connect_timeout{30'000}; ///< from start to hello, transfer included
    std::string executable{};                          ///< the program to run there, by path here; empty: this one
    std::optional<mitogen::limits> limits{};           ///< for it and all below it; empty: this context's own

    static constexpr std::string_view method_name = "lxc";
    template <class Self>
    static constexpr auto fields(Self& self) {
        return std::tie(self.container, self.lxc_attach_path, self.name, self.connect_timeout, self.executable, self.limits);
    }

    /// What is to be executed.
    result<boot_plan> plan() const {
        detail::exec_style tool(method_name, lxc_attach_path, "lxc_attach_path");
        tool.add({"--clear-env", "--name"}).add_required("container", container).add({"--"});
        return tool.add_stage().plan(*this, container);
    }
};

/// The options of basic_router::lxc().
using lxc_options = lxc;

} // namespace mitogen::inline MITOGEN_ABI

// ---- mitogen/connect/methods/lxd.hpp ----
// lxd.hpp: a child in an instance of LXD.

namespace mitogen::inline MITOGEN_ABI {

/// A process in an instance of LXD that runs: a container, or a virtual machine with its agent.
struct lxd {
    std::string container{};        ///< its name, or "remote:name"
    std::string lxc_path = "lxc"; ///< LXD's client; it is called lxc

    std::string name{};                                ///< of the context; empty: "lxd.<container>"
    std::chrono::milliseconds connect_timeout{30'000}; ///< from start to hello, transfer included
    std::string executable{};                          ///< the program to run there, by path here; empty: this one
    std::optional<mitogen::limits> limits{};           ///< for it and all below it; empty: this context's own

    static constexpr std::string_view method_name = "lxd";
    template <class Self>
    static constexpr auto fields(Self& self) {
        return std::tie(self.container, self.lxc_path, self.name, self.connect_timeout, self.executable, self.limits);
    }

    /// What is to be executed.
    result<boot_plan> plan() const {
        detail::exec_style tool(method_name, lxc_path, "lxc_path");
        tool.add({"exec", "--mode=non-interactive"}).add_required("container", container).add({"--"});
        return tool.add_stage().plan(*this, container);
    }
};

/// The options of basic_router::lxd().
using lxd_options = lxd;

} // namespace mitogen::inline MITOGEN_ABI

// ---- mitogen/connect/methods/nsenter.hpp ----
// nsenter.hpp: a child in the namespaces of a process on this machine.

namespace mitogen::inline MITOGEN_ABI {

/// What a container is, whose first process nsenter shall find.
enum class container_kind : std::uint8_t { none, docker, podman, lxc, lxd, incus, machinectl };

namespace detail {

/// How the first process of a container is found: by a tool, and the line of shell that has it print the number.
struct leader_lookup {
    std::string tool;
    std::string_view ask; ///< "$1" is the tool, "$2" the container

    /// For `sh -c SCRIPT sh TOOL CONTAINER NSENTER ARGUMENTS…`: becomes nsenter, with that process as its target. In a process of
    /// its own, because a tool may take its time.
    std::string script() const {
        return "p=$(" + std::string(ask) + ")||exit $?;case $p in \"\"|0|*[!0-9]*)echo \"" + std::string(no_leader_text) +
               "\" >&2;exit 1;;esac;n=$3;shift 3;exec \"$n\" --target \"$p\" \"$@\"";
    }
};

inline leader_lookup leader_lookup_of(container_kind kind) {
    constexpr std::string_view inspect = "\"$1\" inspect \"--format={{.State.Pid}}\" \"$2\"";
    constexpr std::string_view info = "\"$1\" info \"$2\"|sed -n \"s/^ *[Pp][Ii][Dd]: *//p\"";
    switch (kind) {
    case container_kind::podman: return {"podman", inspect};
    case container_kind::lxc: return {"lxc-info", "\"$1\" --name \"$2\" --pid --no-humanize"};
    case container_kind::lxd: return {"lxc", info};
    case container_kind::incus: return {"incus", info};
    case container_kind::machinectl: return {"machinectl", "\"$1\" show --property=Leader \"$2\"|sed \"s/^Leader=//\""};
    default: return {"docker", inspect};
    }
}

inline bool is_namespace(std::string_view text) noexcept {
    constexpr std::string_view known[] = {"mount", "uts", "ipc", "net", "pid", "user", "cgroup", "time"};
    for (const std::string_view one : known)
        if (one == text) return true;
    return false;
}

} // namespace detail

/// A process in the namespaces of another one on this machine, by the nsenter of util-linux. That one is given by its number, or
/// as a container, whose first process a tool is asked for. Exactly one of the two. Takes root, or a user namespace of one's own.
struct nsenter {
    int pid = 0;                                ///< a process
    std::string container{};                    ///< or a container that runs
    container_kind kind = container_kind::none; ///< what kind of container
    std::string tool_path{};                    ///< the tool that tells its first process; empty: the usual one of its kind
    std::vector<std::string> namespaces{};      ///< some of "mount", "uts", "ipc", "net", "pid", "user", "cgroup", "time";
                                                ///< empty: all, and the root directory as well
    std::string username{};                     ///< as known in there, by the su that is there; empty: none is changed
    std::string nsenter_path = "nsenter";       ///< the tool to run

    std::string name{};                                ///< of the context; empty: "nsenter.<container or pid>"
    std::chrono::milliseconds connect_timeout{30'000}; ///< from start to hello, transfer included
    std::string executable{};                          ///< the program to run there, by path here; empty: this one
    std::optional<mitogen::limits> limits{};           ///< for it and all below it; empty: this context's own

    static constexpr std::string_view method_name = "nsenter";
    template <class Self>
    static constexpr auto fields(Self& self) {
        return std::tie(self.pid, self.container, self.kind, self.tool_path, self.namespaces, self.username, self.nsenter_path,
                        self.name, self.connect_timeout, self.executable, self.limits);
    }

    /// What is to be executed.
    result<boot_plan> plan() const {
        if ((pid != 0) == !container.empty())
            return error(reason::misuse, "nsenter: give either .pid, or .container and its .kind");
        if (pid < 0) return error(reason::misuse, "nsenter: pid is negative");
        if (container.empty() != (kind == container_kind::none))
            return error(reason::misuse, "nsenter: .container and .kind go together");
        detail::exec_style tool(method_name, container.empty() ? nsenter_path : "sh", "nsenter_path");
        if (container.empty()) {
            tool.add({"--target", std::to_string(pid)});
        } else {
            const detail::leader_lookup how = detail::leader_lookup_of(kind);
            tool.add({"-c", how.script(), "sh"}).add_required("tool_path", tool_path.empty() ? how.tool : tool_path);
            tool.add_required("container", container).add_required("nsenter_path", nsenter_path);
        }
        if (namespaces.empty()) tool.add({"--all", "--root"});
        for (const std::string& n : namespaces) {
            if (!detail::is_namespace(n))
                return error(reason::misuse, "nsenter: there is no kind of namespace called \"" + n + "\"");
            tool.add({"--" + n});
        }
        tool.add({"--"});
        if (username.empty()) {
            tool.add_stage();
        } else {
            tool.add({"su", "-s", "/bin/sh", "-c", detail::first_stage_script()}).add_required("username", username);
        }
        return tool.plan(*this, container.empty() ? std::to_string(pid) : container);
    }
};

/// The options of basic_router::nsenter().
using nsenter_options = nsenter;

} // namespace mitogen::inline MITOGEN_ABI

// ---- mitogen/connect/methods/podman.hpp ----
// podman.hpp: a child in a Podman container.

namespace mitogen::inline MITOGEN_ABI {

/// A process in a Podman container that runs.
struct podman {
    std::string container{};            ///< name or id
    std::string username{};             ///< or "user:group"; empty: as the container says
    std::string podman_path = "podman"; ///< the client to run

    std::string name{};                                ///< of the context; empty: "podman.<container>"
    std::chrono::milliseconds connect_timeout{30'000}; ///< from start to hello, transfer included
    std::string executable{};                          ///< the program to run there, by path here; empty: this one
    std::optional<mitogen::limits> limits{};           ///< for it and all below it; empty: this context's own

    static constexpr std::string_view method_name = "podman";
    template <class Self>
    static constexpr auto fields(Self& self) {
        return std::tie(self.container, self.username, self.podman_path, self.name, self.connect_timeout,
                        self.executable, self.limits);
    }

    /// What is to be executed.
    result<boot_plan> plan() const {
        detail::exec_style tool(method_name, podman_path, "podman_path");
        tool.add({"exec"}).add_optional("username", username, "--user=").add({"--interactive", "--"});
        return tool.add_required("container", container).add_stage().plan(*this, container);
    }
};

/// The options of basic_router::podman().
using podman_options = podman;

} // namespace mitogen::inline MITOGEN_ABI

// ---- mitogen/connect/methods/slurm.hpp ----
// slurm.hpp: a child on a node of a Slurm cluster.

namespace mitogen::inline MITOGEN_ABI {

/// A process on a node of a Slurm cluster, as a job step of one task. Ends when its allocation does.
struct slurm {
    std::vector<std::string> args{}; ///< further arguments of srun: {"--partition=debug", "--time=10"}
    std::string srun_path = "srun";  ///< the tool to run

    std::string name{};                                ///< of the context; empty: "slurm"
    std::chrono::milliseconds connect_timeout{30'000}; ///< from start to hello, transfer included
    std::string executable{};                          ///< the program to run there, by path here; empty: this one
    std::optional<mitogen::limits> limits{};           ///< for it and all below it; empty: this context's own

    static constexpr std::string_view method_name = "slurm";
    template <class Self>
    static constexpr auto fields(Self& self) {
        return std::tie(self.args, self.srun_path, self.name, self.connect_timeout, self.executable, self.limits);
    }

    /// What is to be executed.
    result<boot_plan> plan() const {
        detail::exec_style tool(method_name, srun_path, "srun_path");
        return tool.add({"--unbuffered", "--ntasks=1"}).add(args).add_stage().plan(*this, {});
    }
};

/// The options of basic_router::slurm().
using slurm_options = slurm;

} // namespace mitogen::inline MITOGEN_ABI

// ---- mitogen/connect/methods/su.hpp ----
// su.hpp: a child on this machine that runs as another user, through su.

namespace mitogen::inline MITOGEN_ABI {

/// A process of another user of this machine, by su, through that user's login shell. Fits implementations that read the password
/// from stdin where that is no terminal, byte by byte, as those with PAM do.
struct su {
    std::string username = "root";
    secret password{};          ///< of that user; empty: su must not ask for one
    std::string su_path = "su"; ///< the tool to run

    std::string name{};                                ///< of the context; empty: "su.<username>"
    std::chrono::milliseconds connect_timeout{30'000}; ///< from start to hello
    std::string executable{};                          ///< the program to run there, by path here; empty: this one
    std::optional<mitogen::limits> limits{};           ///< for it and all below it; empty: this context's own

    static constexpr std::string_view method_name = "su";
    template <class Self>
    static constexpr auto fields(Self& self) {
        return std::tie(self.username, self.password, self.su_path, self.name, self.connect_timeout, self.executable,
                        self.limits);
    }

    /// What is to be executed.
    result<boot_plan> plan() const {
        auto p = detail::privileged_plan(*this, su_path, &detail::ask_for_password, prompter::reads::input);
        if (!p) return p;
        p->start.argv = arguments();
        p->explain = &explain;
        return p;
    }

    /// The command that is executed, first stage included. The order is that of the BSDs, which the others take as well.
    std::vector<std::string> arguments() const {
        return {su_path, username, "-c", "exec sh -c '" + detail::first_stage_in_own_language() + "'"};
    }

private:
    /// Of util-linux, shadow and busybox, and what PAM says.
    static constexpr detail::symptom symptoms_of_su[] = {
        {"does not exist", reason::resolve, "there is no such user"},
        {"nknown user", reason::resolve, "there is no such user"},
        {"No passwd entry", reason::resolve, "there is no such user"},
        {"not available", reason::end_of_file, "that user's login shell lets nobody in"},
        {"must be run from a terminal", reason::connect, "this su wants a terminal on its stdin"},
        {"uthentication fail", reason::auth_incorrect, detail::incorrect_text},
        {"incorrect password", reason::auth_incorrect, detail::incorrect_text},
        {"Sorry", reason::auth_incorrect, detail::incorrect_text},
        {"ermission denied", reason::auth_required, "this user may not become that one"},
    };

    static error explain(const boot_plan& plan, const boot_failure& f) {
        return detail::explain_privilege(symptoms_of_su, plan, f);
    }
};

/// The options of basic_router::su().
using su_options = su;

} // namespace mitogen::inline MITOGEN_ABI

// ---- mitogen/connect/methods/sudo.hpp ----
// sudo.hpp: a child on this machine that runs as another user, through sudo.

namespace mitogen::inline MITOGEN_ABI {

/// A process of another user of this machine, by sudo. It has a terminal of its own, so that `requiretty` is no obstacle.
struct sudo {
    std::string username = "root";
    secret password{};                    ///< of the user who calls; empty: sudo must not ask for one
    std::string sudo_path = "sudo";       ///< the tool to run
    bool preserve_env = false;            ///< -E
    bool set_home = false;                ///< -H
    bool login = false;                   ///< -i: through that user's login shell
    std::string selinux_role{};           ///< -r
    std::string selinux_type{};           ///< -t
    std::vector<std::string> sudo_args{}; ///< further options

    std::string name{};                                ///< of the context; empty: "sudo.<username>"
    std::chrono::milliseconds connect_timeout{30'000}; ///< from start to hello
    std::string executable{};                          ///< the program to run there, by path here; empty: this one
    std::optional<mitogen::limits> limits{};           ///< for it and all below it; empty: this context's own

    static constexpr std::string_view method_name = "sudo";
    template <class Self>
    static constexpr auto fields(Self& self) {
        return std::tie(self.username, self.password, self.sudo_path, self.preserve_env, self.set_home, self.login,
                        self.selinux_role, self.selinux_type, self.sudo_args, self.name, self.connect_timeout, self.executable,
                        self.limits);
    }

    /// What is to be executed.
    result<boot_plan> plan() const {
        auto p = detail::privileged_plan(*this, sudo_path, &recognise, prompter::reads::terminal);
        if (!p) return p;
        p->start.argv = arguments();
        p->explain = &explain;
        return p;
    }

    /// The command that is executed, first stage included.
    std::vector<std::string> arguments() const {
        std::vector<std::string> a{sudo_path, "-p", std::string(prompt), "-u", username};
        if (preserve_env) a.push_back("-E");
        if (set_home) a.push_back("-H");
        if (login) a.push_back("-i");
        if (!selinux_role.empty()) a.insert(a.end(), {"-r", selinux_role});
        if (!selinux_type.empty()) a.insert(a.end(), {"-t", selinux_type});
        a.insert(a.end(), sudo_args.begin(), sudo_args.end());
        const std::string script = detail::first_stage_in_own_language();
        a.insert(a.end(), {"--", "sh", "-c", login ? detail::without_dollars(script) : script});
        return a;
    }

private:
    /// What sudo asks with, whatever the language. sudo-rs puts it in brackets: "[sudo: …] Password: ".
    static constexpr std::string_view prompt = "mitogen asks for the password:";

    static prompt_kind recognise(std::string_view line) {
        return line.find(prompt.substr(0, prompt.size() - 1)) == std::string_view::npos || !detail::ends_as_question(line)
                   ? prompt_kind::none
                   : prompt_kind::password;
    }

    /// What sudo says, and sudo-rs, which is younger and has other words.
    static constexpr detail::symptom symptoms_of_sudo[] = {
        {"unknown user", reason::resolve, "there is no such user"},
        {"in the sudoers file", reason::auth_required, "this user may not use sudo"},
        {"may not run sudo", reason::auth_required, "this user may not use sudo"},
        {"is not allowed to", reason::auth_required, "this user may not become that one, or not run sh"},
        {"I'm sorry", reason::auth_required, "this user may not use sudo"},
        {"incorrect password attempt", reason::auth_incorrect, detail::incorrect_text},
        {"Sorry, try again", reason::auth_incorrect, detail::incorrect_text},
        {"Authentication fail", reason::auth_incorrect, detail::incorrect_text},
        {"authentication fail", reason::auth_incorrect, detail::incorrect_text},
        {"password is required", reason::auth_required, "a password is required; set .password"},
        {"terminal is required", reason::auth_required, "a password is required, and there is no terminal to type it"},
        {"must have a tty", reason::connect, "it wants a terminal, and there is none"},
        {"command not found", reason::payload, "there is no sh"},
    };

    static error explain(const boot_plan& plan, const boot_failure& f) {
        return detail::explain_privilege(symptoms_of_sudo, plan, f);
    }
};

/// The options of basic_router::sudo().
using sudo_options = sudo;

} // namespace mitogen::inline MITOGEN_ABI

// ---- mitogen/rpc/item_range.hpp ----
// item_range.hpp: iterates what arrives, to its end.

namespace mitogen::inline MITOGEN_ABI {

/// Input iterator over a `Source` with try_get() -> result<value_type>: ends at reason::end_of_stream, throws any other error. To
/// advance it is to wait.
template <class Source>
class item_iterator {
    Source* source_ = nullptr;
    std::optional<typename Source::value_type> item_{};

    void next() {
        auto item = source_->try_get();
        if (item) {
            item_.emplace(std::move(*item));
        } else {
            item_.reset();
            if (item.error().reason() != reason::end_of_stream) raise(item.error());
        }
    }

public:
    using value_type = typename Source::value_type;
    using difference_type = std::ptrdiff_t;
    using reference = value_type&;
    using pointer = value_type*;
    using iterator_category = std::input_iterator_tag;

    item_iterator() = default;
    explicit item_iterator(Source& source) : source_(&source) { next(); }

    value_type& operator*() const noexcept { return const_cast<value_type&>(*item_); }
    item_iterator& operator++() {
        next();
        return *this;
    }
    void operator++(int) { next(); }
    friend bool operator==(const item_iterator& i, std::default_sentinel_t) noexcept { return !i.item_; }
};

} // namespace mitogen::inline MITOGEN_ABI

// ---- mitogen/kit/broadcast.hpp ----
// broadcast.hpp: one stream of items for many readers in this context, none of whom holds up the others.

namespace mitogen::inline MITOGEN_ABI {

/// Gives each item of a `Source` (a receiver, a remote range, a dialog) to every subscriber. The last items are kept in a ring: a
/// subscriber that is so slow that the ring has gone on is told how many items it has missed, and goes on with the oldest that is
/// there. The fastest misses nothing: items are taken from the source only when somebody wants the next, so that the source is
/// throttled as it would be by one reader.
///
/// There is no thread of its own: whichever subscriber needs the next item first takes it from the source, for all of them.
/// Threads: subscribers from any, each by one at a time. The source is this object's from now on, and goes with it.
template <class Source>
class broadcast {
public:
    using value_type = typename Source::value_type;
    using policy = typename Source::policy;

private:
    struct shared {
        Source source;
        std::size_t capacity;
        basic_router<policy>& node;
        typename policy::mutex mutex;
        basic_condition<policy> changed{};
        std::deque<value_type> ring{};
        std::uint64_t first = 0;     // number of ring.front()
        bool taking = false;         // somebody waits for the source
        std::optional<error> end{}; // what follows the last item

        shared(basic_router<policy>& here, Source from, std::size_t most)
            : source(std::move(from)), capacity(most), node(here), mutex(here.loop().io()) {}

        std::uint64_t next() const noexcept { return first + ring.size(); }
        bool has(std::uint64_t number) const noexcept { return number < next() || end; }

        /// Waits until item `wanted`, or the end, is there. False at the deadline.
        bool await(std::unique_lock<typename policy::mutex>& lock, std::uint64_t wanted, instant deadline) {
            while (!has(wanted)) {
                const auto ready = [&] { return has(wanted) || !taking; };
                if (!ready()) {
                    if (node.on_loop() || !changed.wait(lock, node.loop(), deadline, ready)) return false;
                    continue;
                }
                taking = true;
                lock.unlock();
                result<value_type> item = take(deadline);
                lock.lock();
                taking = false;
                changed.notify_all();
                if (item) {
                    if (ring.size() == capacity) {
                        ring.pop_front();
                        ++first;
                    }
                    ring.push_back(std::move(*item));
                } else if (item.error().reason() == reason::timeout) {
                    return false;
                } else {
                    end = item.error();
                }
            }
            return true;
        }

        result<value_type> take(instant deadline) {
            if (deadline == never) return source.try_get();
            const instant now = node.now();
            return source.try_get_for(std::chrono::nanoseconds(deadline > now ? deadline - now : 0));
        }
    };

    std::shared_ptr<shared> shared_;

public:
    /// `capacity`: items that are kept for those who are slower than the fastest.
    broadcast(basic_router<policy>& node, Source source, std::size_t capacity)
        : shared_(std::make_shared<shared>(node, std::move(source), std::max<std::size_t>(capacity, 1))) {}

    /// One reader, who begins with the next item that is taken from the source. Copies read on their own from where they are.
    class subscriber {
        friend class broadcast;
        std::shared_ptr<shared> shared_;
        std::uint64_t next_;
        std::uint64_t missed_ = 0;

        explicit subscriber(std::shared_ptr<shared> from) : shared_(std::move(from)) {
            const std::lock_guard lock(shared_->mutex);
            next_ = shared_->next();
        }

        result<typename broadcast::value_type> get_until(instant deadline) {
            std::unique_lock lock(shared_->mutex);
            if (!shared_->await(lock, next_, deadline)) {
                if (shared_->node.on_loop()) return error(reason::misuse, "a function that runs on the loop waits for an item");
                return error(reason::timeout, "no item came before the deadline");
            }
            if (next_ < shared_->first) {
                missed_ += shared_->first - next_;
                next_ = shared_->first;
            }
            if (next_ == shared_->next()) return *shared_->end;
            return shared_->ring[static_cast<std::size_t>(next_++ - shared_->first)];
        }

    public:
        using value_type = typename broadcast::value_type;

        /// The next item; waits for it. Errors: as the source's, every time.
        value_type get() { return try_get().value(); }
        /// The same, with the error as a value.
        result<value_type> try_get() { return get_until(never); }
        /// The same, waiting for `span` at most: reason::timeout.
        template <class Rep, class Period>
        result<value_type> try_get_for(std::chrono::duration<Rep, Period> span) {
            return get_until(after(shared_->node.now(), to_ns(span)));
        }

        /// How many items this one has missed since it was last asked: they lie before the item that was got last.
        std::uint64_t missed() noexcept { return std::exchange(missed_, 0); }

        /// Iterates to the end; an error is thrown.
        item_iterator<subscriber> begin() { return item_iterator<subscriber>(*this); }
        std::default_sentinel_t end() const noexcept { return {}; }
    };

    subscriber subscribe() const { return subscriber(shared_); }
};

template <class Source>
broadcast(basic_router<typename Source::policy>&, Source, std::size_t) -> broadcast<Source>;

} // namespace mitogen::inline MITOGEN_ABI

// ---- mitogen/rpc/inbox.hpp ----
// inbox.hpp: the receiving end of flows: a queue that several may fill, each within its credit.

namespace mitogen::inline MITOGEN_ABI {
namespace rpc::detail {

/// One thing that has arrived. The value's bytes follow the kind.
struct flow_item {
    wire::flow_frame kind = wire::flow_frame::item;
    buffer bytes{};

    std::span<const std::byte> value() const noexcept { return std::span<const std::byte>(bytes).subspan(1); }
};

/// What an inbox is for.
enum class inbox_use : std::uint8_t {
    channel, ///< any number of senders: the loss of each is told once, and the end comes when all are gone
    callee,  ///< of a function's dialog: its opener sends
    stream,  ///< the items of one call: they have ended when all are here and the answer is, and an error of the answer wins
    opener,  ///< a stream that begins with flow_frame::begun
};

/// Receives from any number of sending ends. Each gets a port: a handle of its own, bound to the context that it was given to, so
/// that nobody else can send there and the loss of that context ends it.
///
/// Threads: any.
template <class Io>
class basic_inbox : public std::enable_shared_from_this<basic_inbox<Io>> {
    using core = basic_router_core<Io>;

    struct port {
        handle_id number;
        context_id peer;
        wire::flow_ledger ledger; // this and all below under the mutex
        handle_id back = 0;       // where its credit goes, once it has sent something
        bool open = true;
        bool awaits_answer = false; // flow_frame::done has come

        port(handle_id handle, context_id from, std::uint32_t window) : number(handle), peer(from), ledger(window) {}
    };
    using port_ptr = std::shared_ptr<port>;
    struct arrival {
        flow_item item{};
        port_ptr from{};
        std::optional<error> failure{}; // instead of an item: a sender is lost
    };
    struct credit { // to be granted, once the mutex is free
        port_ptr to{};
        std::uint64_t bytes = 0;
        handle_id back = 0;
    };

    core& node_;
    inbox_use use_;
    std::uint32_t window_;
    typename Io::mutex mutex_;
    basic_condition<Io> changed_;
    std::vector<port_ptr> open_;
    std::deque<arrival> items_;
    std::optional<error> end_; // what follows the last item
    std::size_t holds_ = 0;    // senders that have no port yet
    handle_id own_ = 0;        // is told when the router closes
    bool closed_ = false;      // by this end: nothing can change the end any more
    bool answered_ = false;    // of a stream
    bool begun_ = false;       // of an opener's
    bool discarding_ = false;
    watchers watchers_; // run at the next change

    struct secret {};

public:
    basic_inbox(secret, core& node, inbox_use use, std::uint32_t window)
        : node_(node), use_(use), window_(window), mutex_(node.loop().io()) {}

    static std::shared_ptr<basic_inbox> make(core& node, inbox_use use, std::uint32_t window = wire::flow_window) {
        auto made = std::make_shared<basic_inbox>(secret{}, node, use, window);
        if (use == inbox_use::channel) made->await_close();
        return made;
    }

    core& node() noexcept { return node_; }

    /// Where a sending end in `peer` sends to. Port 0 where this end is closed.
    flow_address open_port(context_id peer) {
        const auto p = std::make_shared<port>(node_.new_handle(), peer, window_);
        {
            const std::lock_guard lock(mutex_);
            if (closed_ || (end_ && use_ != inbox_use::channel)) return {};
            end_.reset();
            open_.push_back(p);
        }
        const result<void> added =
            node_.add_raw_handler(p->number, {.from = accept::anyone, .respondent = peer},
                                  [self = this->shared_from_this(), p](const message& m) { self->arrive(p, m); });
        if (!added) end_port(*p, added.error());
        if (const std::optional<error> lost = node_.why_lost(peer)) { // before the handler could be told
            end_port(*p, *lost);
        } else if (peer != node_.id() && !node_.towards(peer)) {
            end_port(*p, refusal::no_route(peer, node_.id()));
        }
        {
            const std::lock_guard lock(mutex_);
            if (p->open) return {p->number, window_};
        }
        node_.remove_handler(p->number); // it was closed before it was added
        return {p->number, window_};
    }

    /// There is a sender that has no port yet: the end does not come before release().
    void hold() {
        const std::lock_guard lock(mutex_);
        ++holds_;
        if (!closed_) end_.reset();
    }
    void release() {
        {
            const std::lock_guard lock(mutex_);
            --holds_;
            end_where_all_are_gone();
        }
        changed();
    }

    /// The next item, or why there is none: the end, the loss of a sender, timeout. Not on the loop.
    result<flow_item> get(instant deadline) {
        arrival next;
        credit due;
        {
            std::unique_lock lock(mutex_);
            const auto ready = [this] { return has_news(); };
            if (!ready()) {
                if (node_.on_loop()) return waits_on_loop();
                if (!changed_.wait(lock, node_.loop(), deadline, ready))
                    return error(reason::timeout, "no item came before the deadline");
            }
            if (items_.empty()) return *end_;
            next = take(due);
        }
        grant(due);
        if (next.failure) return std::move(*next.failure);
        if (next.item.kind == wire::flow_frame::lost) return decode_error(next.item.value());
        return std::move(next.item);
    }

    /// The next item where there is one, or flow_frame::lost. Never waits.
    std::optional<flow_item> take_now() {
        arrival next;
        credit due;
        {
            const std::lock_guard lock(mutex_);
            if (items_.empty()) return std::nullopt;
            next = take(due);
        }
        grant(due);
        if (!next.failure) return std::move(next.item);
        buffer told = encode(static_cast<std::uint8_t>(wire::flow_frame::lost));
        const buffer why = encode_error(*next.failure);
        told.append(why.data(), why.size());
        return flow_item{wire::flow_frame::lost, std::move(told)};
    }

    /// True where get() would not wait.
    bool ready() {
        const std::lock_guard lock(mutex_);
        return has_news();
    }

    /// True where get() says that nothing follows.
    bool ended() {
        const std::lock_guard lock(mutex_);
        return items_.empty() && end_;
    }

    /// Runs `go` at the next change: now, if there is something already. On the thread that brings it, normally the loop.
    void then(unique_function<void()> go, const void* key = nullptr) {
        {
            const std::lock_guard lock(mutex_);
            if (!has_news()) return watchers_.add(key, std::move(go));
        }
        go();
    }

    /// Takes back what was given to then() with this key. False where there is nothing: it has run, or is about to.
    bool forget(const void* key) {
        watchers gone; // destroyed without the lock
        const std::lock_guard lock(mutex_);
        gone = watchers_.take(key);
        return !gone.empty();
    }

    /// This end takes nothing any more. What has arrived stays; `why` follows it. With `tell`, whoever sends there is told.
    void close(const error& why, bool tell = true) { finish(why, tell, true); }

    /// The call whose items these are is answered; null: with a value.
    void answered(const error* failure) {
        if (failure) return finish(*failure, false, false);
        {
            const std::lock_guard lock(mutex_);
            answered_ = true;
            if (open_.empty() && !end_) end_.emplace(reason::end_of_stream, "the function has ended");
        }
        changed();
    }

    /// From now on what arrives is taken and dropped, so that nobody waits for credit.
    void discard() {
        std::deque<arrival> dropped;
        std::vector<credit> due;
        {
            const std::lock_guard lock(mutex_);
            discarding_ = true;
            while (!items_.empty()) {
                credit one;
                dropped.push_back(take(one));
                if (one.bytes) due.push_back(std::move(one));
            }
        }
        for (const credit& one : due) grant(one);
    }

private:
    bool has_news() const noexcept { return !items_.empty() || end_; } // under the mutex

    /// Takes the first out. Under the mutex.
    arrival take(credit& due) {
        arrival next = std::move(items_.front());
        items_.pop_front();
        if (next.item.kind == wire::flow_frame::begun || !next.from) return next;
        const std::uint64_t bytes = next.from->ledger.consume(next.item.bytes.size(), items_.empty());
        if (bytes && next.from->open) due = {next.from, bytes, next.from->back};
        return next;
    }

    static error waits_on_loop() {
        return error(reason::misuse,
                     "a function that runs on the loop waits for an item, which only the loop could bring; run it "
                     "on::main or on::pool");
    }

    /// Of a channel: there may be no port whose end the router's end would bring.
    void await_close() {
        own_ = node_.new_handle();
        const auto told = [self = this->shared_from_this()](const message& m) {
            if (m.dead()) self->finish(decode_error(m.payload), false, true);
        };
        if (const auto added = node_.add_raw_handler(own_, {.from = accept::anyone, .respondent = node_.id()}, told); !added)
            finish(added.error(), false, true);
    }

    void finish(const error& why, bool tell, bool close) {
        std::vector<port_ptr> ending;
        {
            const std::lock_guard lock(mutex_);
            ending.swap(open_);
            for (const port_ptr& p : ending) p->open = false;
            const bool wins =
                !closed_ && end_ && end_->reason() == reason::end_of_stream && why.reason() != reason::end_of_stream;
            if (!end_ || wins) end_ = why;
            closed_ = closed_ || close;
        }
        for (const port_ptr& p : ending) {
            node_.remove_handler(p->number);
            if (tell && p->back) say(p->peer, p->back, encode(static_cast<std::uint8_t>(wire::flow_frame::stop)));
        }
        if (close && own_) node_.remove_handler(own_);
        changed();
    }

    /// On the loop.
    void arrive(const port_ptr& p, const message& m) {
        if (m.dead()) return end_port(*p, decode_error(m.payload));
        const auto kind = m.payload.empty() ? wire::flow_frame::stop : static_cast<wire::flow_frame>(m.payload.front());
        const char* wrong = nullptr;
        bool complete = false;
        credit due;
        {
            const std::lock_guard lock(mutex_);
            if (!p->open) return node_.count_late_frame();
            p->back = m.head.reply_to;
            wrong = accept_frame(p, kind, m, due);
            complete = !wrong && p->ledger.complete();
        }
        if (wrong) return violated(*p, m, wrong);
        grant(due);
        if (complete) return end_port(*p, error(reason::end_of_stream, "everything that was sent has been received"));
        changed();
    }

    /// Enters what has arrived; returns what is wrong with it, or null. Under the mutex.
    const char* accept_frame(const port_ptr& p, wire::flow_frame kind, const message& m, credit& due) {
        const auto keep = [&] { items_.push_back({{kind, m.whole ? std::move(*m.whole) : buffer(m.payload)}, p}); };
        switch (kind) {
        case wire::flow_frame::item:
        case wire::flow_frame::lost: {
            const std::size_t size = m.payload.size();
            if (!p->ledger.receive(size)) return "more than it had credit for";
            if (!discarding_) return keep(), nullptr;
            if (const std::uint64_t bytes = p->ledger.consume(size, true)) due = {p, bytes, p->back};
            return nullptr;
        }
        case wire::flow_frame::begun:
            if (use_ != inbox_use::opener || std::exchange(begun_, true)) return "the beginning of a dialog where there is none";
            return keep(), nullptr;
        case wire::flow_frame::end:
        case wire::flow_frame::done: {
            reader r(m.payload.subspan(1));
            std::uint64_t items{};
            if (!decode(r, items) || !r.finish() || !p->ledger.announce(items)) return "an end that is none";
            p->awaits_answer = kind == wire::flow_frame::done;
            return nullptr;
        }
        default: return "what is no part of a flow";
        }
    }

    /// A sender that does not keep to the rules: only it is ended.
    void violated(port& p, const message& m, const char* what) {
        const error why(reason::refused_by_policy, "context " + std::to_string(p.peer) + " sent " + what);
        log::write(log::level::warning, "closed a flow: " + std::string(why.message()));
        node_.reply_dead(m.head, why);
        end_port(p, why);
    }

    /// Nothing more comes through this port.
    void end_port(port& p, const error& why) {
        {
            const std::lock_guard lock(mutex_);
            if (!std::exchange(p.open, false)) return;
            std::erase_if(open_, [&](const port_ptr& o) { return o.get() == &p; });
            const bool failed = why.reason() != reason::end_of_stream;
            if (use_ == inbox_use::channel) {
                if (failed) items_.push_back({.failure = why});
                end_where_all_are_gone();
            } else if (!end_ && (failed || !p.awaits_answer || answered_ || use_ == inbox_use::callee)) {
                end_ = why;
            }
        }
        node_.remove_handler(p.number);
        changed();
    }

    /// Under the mutex.
    void end_where_all_are_gone() {
        if (open_.empty() && holds_ == 0 && !end_) end_.emplace(reason::end_of_stream, "every sender is closed");
    }

    void grant(const credit& due) {
        if (due.bytes) say(due.to->peer, due.back, encode(static_cast<std::uint8_t>(wire::flow_frame::credit), due.bytes));
    }

    void say(context_id peer, handle_id back, buffer frame) {
        (void)node_.send(node_.address(peer, back), std::move(frame), urgency::soon);
    }

    void changed() {
        watchers tell;
        {
            const std::lock_guard lock(mutex_);
            if (has_news()) tell = watchers_.take();
            changed_.notify_all();
        }
        tell.run();
    }
};

} // namespace rpc::detail
} // namespace mitogen::inline MITOGEN_ABI

// ---- mitogen/rpc/item_codec.hpp ----
// item_codec.hpp: an item of a flow as a message, and back.

namespace mitogen::inline MITOGEN_ABI {
namespace rpc::detail {

template <class T>
inline constexpr bool is_view = false;
template <class C, class Traits>
inline constexpr bool is_view<std::basic_string_view<C, Traits>> = true;
template <class T, std::size_t N>
inline constexpr bool is_view<std::span<T, N>> = true;

template <class T, class... Outer>
consteval bool shows_bytes();
template <class... Outer, class... Ts>
consteval bool any_shows_bytes(wire::parts<Ts...>) {
    return (... || shows_bytes<Ts, Outer...>());
}
// True where a value of type T, or a part of it, is a view of the message that brought it.
template <class T, class... Outer>
consteval bool shows_bytes() {
    if constexpr (is_view<T>) return true;
    else if constexpr ((... || std::is_same_v<T, Outer>)) return false;
    else if constexpr (requires { typename codec<T>::parts; }) return any_shows_bytes<T, Outer...>(typename codec<T>::parts{});
    else return false;
}

/// What the receiving end holds of items of type `T`: what owns its memory, since the message is gone.
template <class T>
struct received_item {
    using type = typename owned_result<T>::type;
    static_assert(!shows_bytes<type>(),
                  "mitogen: an item outlives the message that brings it, so what is inside of it must own its "
                  "memory: std::string, std::vector instead of std::string_view, std::span");
};

/// The message of one item for context `to`.
template <class T>
buffer item_frame(context_id to, const T& value) {
    constexpr auto kind = static_cast<std::uint8_t>(wire::flow_frame::item);
    buffer bytes(encoded_size(kind, value));
    writer w(bytes.data(), to);
    encode(w, kind, value);
    return bytes;
}

/// The value of one item.
template <class T>
result<T> item_value(const flow_item& item, const limits& bounds, decode_environment environment) {
    reader r(item.value(), bounds, &environment);
    T value{};
    if (mitogen::decode(r, value) && r.finish()) return result<T>(std::move(value));
    return r.failure(&codec<T>::signature);
}

/// The next item of an inbox, as a value.
template <class T, class Io>
result<T> next_item(basic_inbox<Io>& items, instant deadline) {
    const result<flow_item> item = items.get(deadline);
    if (!item) return item.error();
    return item_value<T>(*item, items.node().bounds(), {&items.node(), &policy_tag<Io>});
}

/// Ends the items of a call with its answer, or its error.
template <class Io>
void end_with(const std::shared_ptr<basic_inbox<Io>>& items, future_base& answer) {
    awaited* p = answer.state();
    answer.then([items, p] { items->answered(p->failure()); });
}

} // namespace rpc::detail
} // namespace mitogen::inline MITOGEN_ABI

// ---- mitogen/rpc/flow_wait.hpp ----
// flow_wait.hpp: how a task waits for an item, or for room for one.

namespace mitogen::inline MITOGEN_ABI {
namespace rpc::detail {

/// A wait for an end of a flow, an inbox or an outbox. Whoever refers to the end must stay until then.
template <class End>
class flow_wait : protected task_wait {
    End& end_;

    bool happened() override { return end_.ready(); }
    void arm() final {
        end_.then([this] { wake(); }, this);
    }
    void give_up(const error&, bool armed) final {
        if (armed && end_.forget(this)) wake(); // else it is on its way
    }

protected:
    explicit flow_wait(End& end) noexcept : end_(end) {}
    ~flow_wait() = default;

    End& end() const noexcept { return end_; }

public:
    bool await_ready() { return happened(); }
    template <class Promise>
    void await_suspend(std::coroutine_handle<Promise> waiting) {
        this->begin(*waiting.promise().scope, waiting);
    }
};

/// For the next item; with `Value` void, only until there is one, or the end. Without `Throws` its error is a value.
template <class Value, class Io, bool Throws>
class item_wait final : public flow_wait<basic_inbox<Io>> {
public:
    explicit item_wait(basic_inbox<Io>& in) noexcept : flow_wait<basic_inbox<Io>>(in) {}

    auto await_resume() {
        if constexpr (std::is_void_v<Value>) {
            this->check();
        } else if constexpr (Throws) {
            this->check();
            return next_item<Value>(this->end(), 0).value();
        } else {
            if (!this->end().ready()) return result<Value>(*this->scope().cancelled());
            return next_item<Value>(this->end(), 0);
        }
    }
};

/// Until there is credit for an item, with which it is sent at once.
template <class Io, bool Throws>
class room_wait final : public flow_wait<basic_outbox<Io>> {
    buffer frame_;
    bool sent_ = false;

    bool happened() override {
        basic_outbox<Io>& out = this->end();
        if (sent_ || frame_.size() > out.node().bounds().message_bytes) return true;
        sent_ = out.pass_on(frame_);
        return sent_ || out.closed();
    }

    result<void> outcome() {
        if (sent_) return {};
        if (!happened()) return *this->scope().cancelled();
        return sent_ ? result<void>() : this->end().send(std::move(frame_), 0); // says what is wrong
    }

public:
    room_wait(basic_outbox<Io>& out, buffer frame) noexcept : flow_wait<basic_outbox<Io>>(out), frame_(std::move(frame)) {}

    auto await_resume() {
        if constexpr (Throws) {
            outcome().value();
        } else {
            return outcome();
        }
    }
};

/// What the async_ members return: movable, as g++ wants what is awaited; the wait itself is not.
template <class Value, class Io, bool Throws = true>
struct next_item_of {
    basic_inbox<Io>& in;
    item_wait<Value, Io, Throws> operator co_await() const noexcept { return item_wait<Value, Io, Throws>(in); }
};
template <class Io, bool Throws = true>
struct sending {
    basic_outbox<Io>& out;
    buffer frame;
    room_wait<Io, Throws> operator co_await() && noexcept { return room_wait<Io, Throws>(out, std::move(frame)); }
};

/// Until a future is done, with a value or an error. A task that is cancelled gives the call up.
class answer_wait final : task_wait {
    future_base& answer_;

    bool happened() override { return answer_.done(); }
    void arm() override {
        answer_.then([this] { wake(); });
    }
    void give_up(const error& why, bool) override { answer_.abandon(why); }

public:
    explicit answer_wait(future_base& answer) noexcept : answer_(answer) {}

    bool await_ready() const noexcept { return answer_.done(); }
    template <class Promise>
    void await_suspend(std::coroutine_handle<Promise> waiting) {
        begin(*waiting.promise().scope, waiting);
    }
    void await_resume() const noexcept {}
};
struct completion_of {
    future_base& answer;
    answer_wait operator co_await() const noexcept { return answer_wait(answer); }
};

} // namespace rpc::detail
} // namespace mitogen::inline MITOGEN_ABI

// ---- mitogen/kit/dialog.hpp ----
// dialog.hpp: the callee's end of a conversation with one result.

namespace mitogen::inline MITOGEN_ABI {

/// The types of a dialog, as its callee sees them.
template <class Shape>
struct dialog_shape {
    static_assert(rpc::detail::never_true<Shape>,
                  "mitogen: a dialog's shape is Started(Received, Sent), for instance dialog<std::string(int, double)>");
};
template <class Started, class Received, class Sent>
struct dialog_shape<Started(Received, Sent)> {
    using started = Started;
    using received = Received;
    using sent = Sent;
};

/// A parameter of a remote function, `dialog<Started(Received, Sent)>&`: it exchanges items with whoever opened the function,
/// both ways and at any moment, from started() until the function returns its result. Exists as long as the function runs.
///
/// When the other end cancels, is lost, or the call's deadline passes, every wait here ends with cancelled_error or
/// channel_error.
/// Threads: any; the function waits for those that it has started. Blocks: as marked; not on the loop.
template <class Shape, class Io>
class basic_dialog {
    using shape = dialog_shape<Shape>;
    using inbox = rpc::detail::basic_inbox<Io>;
    using outbox = rpc::detail::basic_outbox<Io>;

    context_id peer_;
    std::shared_ptr<inbox> in_;
    std::shared_ptr<outbox> out_;
    bool started_ = false;
    rpc::detail::cancel_watch on_cancel_;

    static basic_router_core<Io>& node_of(invocation& inv) {
        return static_cast<basic_router_core<Io>&>(*inv.environment.router);
    }

public:
    using value_type = typename rpc::detail::received_item<typename shape::received>::type;
    using policy = Io;

    /// For whoever executes the call.
    explicit basic_dialog(invocation& inv)
        : peer_(inv.who.id), in_(inbox::make(node_of(inv), rpc::detail::inbox_use::callee)),
          out_(outbox::open(node_of(inv), inv.who.id, inv.flow)), on_cancel_(inv, [in = in_, out = out_](const error& why) {
              out->close(why);
              in->close(why, false);
          }) {}
    basic_dialog(basic_dialog&&) = delete;
    ~basic_dialog() {
        out_->end(wire::flow_frame::done);
        // The function's answer, which comes next, tells the other end that nothing is received any more.
        in_->close(error(reason::end_of_stream, "the function has ended"), false);
    }

    /// Says that the dialog has begun, with a value for whoever opens it: open() returns there. Once, before anything is sent or
    /// received: else logic_error.
    template <class... Value>
    void started(const Value&... value) {
        try_started(value...).value();
    }
    /// The same, with the error as a value.
    template <class... Value>
    result<void> try_started(const Value&... value) {
        static_assert(std::is_void_v<typename shape::started> ? sizeof...(Value) == 0 : sizeof...(Value) == 1,
                      "mitogen: started() takes one value of the dialog's Started type, and none where it is void");
        if (started_) return error(reason::misuse, "started() was called before");
        started_ = true;
        const flow_address here = in_->open_port(peer_);
        constexpr auto kind = static_cast<std::uint8_t>(wire::flow_frame::begun);
        if constexpr (std::is_void_v<typename shape::started>) {
            return out_->tell(encode(kind, here.port, here.window));
        } else {
            const typename shape::started& first = (value, ...);
            buffer frame(encoded_size(kind, here.port, here.window, first));
            writer w(frame.data(), peer_);
            encode(w, kind, here.port, here.window, first);
            return out_->tell(std::move(frame));
        }
    }

    /// Sends an item; waits while the other end takes no more. Errors, thrown: channel_error where it takes nothing any more or
    /// is lost, cancelled_error, logic_error before started().
    void send(const typename shape::sent& item) { try_send(item).value(); }
    /// The same, with the error as a value.
    result<void> try_send(const typename shape::sent& item) { return send_until(item, never); }
    /// The same, waiting for `span` at most: reason::timeout.
    template <class Rep, class Period>
    result<void> try_send_for(const typename shape::sent& item, std::chrono::duration<Rep, Period> span) {
        return send_until(item, after(in_->node().now(), to_ns(span)));
    }

    /// The next item from the other end. Errors, thrown: channel_error with reason::end_of_stream once it has closed and
    /// everything is received, at once and every time; cancelled_error; channel_error where it is lost; logic_error before
    /// started().
    value_type receive() { return try_receive().value(); }
    /// The same, with the error as a value.
    result<value_type> try_receive() { return receive_until(never); }
    /// The same, waiting for `span` at most: reason::timeout. No item is lost by that.
    template <class Rep, class Period>
    result<value_type> try_receive_for(std::chrono::duration<Rep, Period> span) {
        return receive_until(after(in_->node().now(), to_ns(span)));
    }

    /// For functions that are tasks: `co_await d.async_receive()`, as receive(), and so on.
    rpc::detail::next_item_of<value_type, Io> async_receive() { return {begun(*in_)}; }
    rpc::detail::next_item_of<value_type, Io, false> async_try_receive() { return {begun(*in_)}; }
    rpc::detail::sending<Io> async_send(const typename shape::sent& item) {
        return {begun(*out_), rpc::detail::item_frame(peer_, item)};
    }

    /// Sends no more: the other end's receive() ends. Receiving goes on.
    void close() { out_->end(); }

    /// Iterates what is received, to the end; an error is thrown.
    item_iterator<basic_dialog> begin() { return item_iterator<basic_dialog>(*this); }
    std::default_sentinel_t end() const noexcept { return {}; }
    /// For iteration.
    result<value_type> try_get() { return try_receive(); }

private:
    static error too_early() { return error(reason::misuse, "a dialog begins with started()"); }
    template <class End>
    End& begun(End& end) const {
        if (!started_) raise(too_early());
        return end;
    }

    result<void> send_until(const typename shape::sent& item, instant deadline) {
        if (!started_) return too_early();
        return out_->send(rpc::detail::item_frame(peer_, item), deadline);
    }

    result<value_type> receive_until(instant deadline) {
        if (!started_) return too_early();
        return rpc::detail::next_item<value_type>(*in_, deadline);
    }
};

template <class Shape, class Io>
inline constexpr bool is_dialog<basic_dialog<Shape, Io>> = true;
template <class Shape, class Io>
inline constexpr bool is_injected<basic_dialog<Shape, Io>> = true;

namespace rpc::detail {

template <class Shape, class Io>
inline constexpr bool tied_to_policy<basic_dialog<Shape, Io>> = true;
template <class Shape, class Io>
inline constexpr const void* router_policy<basic_dialog<Shape, Io>> = &policy_tag<Io>;

template <class Shape, class Io>
struct injected_object<basic_dialog<Shape, Io>> {
    basic_dialog<Shape, Io> made;

    explicit injected_object(invocation& inv) : made(inv) {}
    operator basic_dialog<Shape, Io>&() noexcept { return made; }
};

// The dialog among a function's parameters.
template <class... Ps>
struct dialog_among;
template <class First, class... Rest>
struct dialog_among<First, Rest...> : std::conditional_t<is_dialog<std::remove_cvref_t<First>>,
                                                         std::type_identity<std::remove_cvref_t<First>>, dialog_among<Rest...>> {
};

} // namespace rpc::detail

/// Only for signatures: a dialog does not travel.
template <class Shape, class Io>
struct codec<basic_dialog<Shape, Io>> {
    static void signature(signature_sink& out) {
        using shape = dialog_shape<Shape>;
        out.put("dialog<");
        if constexpr (std::is_void_v<typename shape::started>) {
            out.put("void");
        } else {
            codec<typename shape::started>::signature(out);
        }
        out.put('(');
        codec<typename shape::received>::signature(out);
        out.put(',');
        codec<typename shape::sent>::signature(out);
        out.put(")>");
    }
};

} // namespace mitogen::inline MITOGEN_ABI

// ---- mitogen/kit/executor.hpp ----
// executor.hpp: runs tasks of this program beside its router: spawn() and block_on().

namespace mitogen::inline MITOGEN_ABI {

namespace detail {

/// A task that was spawned. Keeps itself until it has ended.
template <class T, class Io>
class spawned_state final : public basic_task_scope<Io> {
    task<T> body_;
    std::shared_ptr<spawned_state> self_{};
    std::atomic<bool> ended_{false};
    waiter<Io> wake_;
    task_wait* awaited_by_ = nullptr; // loop's

    void ended() override {
        const auto keep = std::move(self_);
        ended_.store(true, std::memory_order_release);
        wake_.notify();
        if (awaited_by_) awaited_by_->wake();
    }

public:
    basic_broker<Io>& loop;
    const context_id here;

    spawned_state(basic_router_core<Io>& node, task<T> body)
        : basic_task_scope<Io>(node), body_(std::move(body)), wake_(node.loop().io()), loop(node.loop()), here(node.id()) {}

    /// False where the loop takes nothing any more.
    static bool begin(const std::shared_ptr<spawned_state>& s) {
        return s->loop.defer([s] {
            s->self_ = s;
            s->body_.start(*s);
        });
    }

    static void cancel(const std::shared_ptr<spawned_state>& s, const error& why) {
        if (!s->loop.add([s, why] { s->task_scope::cancel(why); })) s->task_scope::cancel(why); // nobody else runs it any more
    }

    bool done() const noexcept { return ended_.load(std::memory_order_acquire); }
    bool wait(instant deadline) {
        return loop.wait(wake_, deadline, true, [this] { return done(); });
    }
    void tell(task_wait* who) noexcept { awaited_by_ = who; }
    T take() { return body_.take(); }
};

/// A task waits for another one that was spawned. Where it is cancelled, so is that one.
template <class T, class Io>
class spawned_wait final : task_wait {
    std::shared_ptr<spawned_state<T, Io>> other_;

    bool happened() override { return other_->done(); }
    void arm() override { happened() ? wake() : other_->tell(this); }
    void give_up(const error& why, bool) override { other_->task_scope::cancel(why); }

public:
    explicit spawned_wait(std::shared_ptr<spawned_state<T, Io>> other) noexcept : other_(std::move(other)) {}

    bool await_ready() const noexcept { return other_->done(); }
    template <class Promise>
    void await_suspend(std::coroutine_handle<Promise> waiting) {
        begin(*waiting.promise().scope, waiting);
    }
    T await_resume() {
        check();
        return other_->take();
    }
};

} // namespace detail

/// A task that runs beside a router, and its result-to-be: see spawn(). Its destructor cancels the task and waits for its end; on
/// the loop, where it cannot wait, it only cancels.
///
/// Moves; does not copy. Threads: one at a time. Blocks: get() and the destructor; another task says `co_await std::move(s)`
/// instead. The router must outlive it.
template <class T, class Io>
class [[nodiscard]] basic_spawned {
    using state = detail::spawned_state<T, Io>;

    std::shared_ptr<state> state_;
    bool refused_ = false;

    error cancelled_here(const char* why) const { return cancelled_by(state_->here, cancel_radius::call, why); }

    std::optional<error> wait_until(instant deadline) {
        if (refused_) return error(reason::broker_exited, "the loop has ended");
        if (state_->done()) return std::nullopt;
        if (state_->loop.on_loop()) return error(reason::misuse, "waiting for a task on the loop, on which it runs: co_await it");
        if (!state_->wait(deadline)) return error(reason::timeout, "the task did not end within the time given to get_for()");
        return std::nullopt;
    }

public:
    using value_type = T;

    /// For spawn().
    explicit basic_spawned(std::shared_ptr<state> made) : state_(std::move(made)), refused_(!state::begin(state_)) {}
    basic_spawned(basic_spawned&&) noexcept = default;
    basic_spawned& operator=(basic_spawned&&) = delete;
    ~basic_spawned() {
        if (!state_ || refused_ || state_->done()) return;
        state::cancel(state_, cancelled_here("nobody wants the result of the task any more"));
        if (!state_->loop.on_loop()) (void)state_->wait(never);
    }

    bool done() const noexcept { return state_->done(); }

    /// Waits for the end of the task; its result, or what it has thrown. Once.
    T get() {
        if (const std::optional<error> why = wait_until(never)) raise(*why);
        return state_->take();
    }

    /// As get(), but waits at most `span`: then it throws timeout_error, and the task goes on.
    template <class Rep, class Period>
    T get_for(std::chrono::duration<Rep, Period> span) {
        if (const std::optional<error> why = wait_until(after(state_->loop.io().now(), to_ns(span)))) raise(*why);
        return state_->take();
    }

    /// What the task waits for ends with cancelled_error, from now on. Threads: any.
    void cancel() { state::cancel(state_, cancelled_here("the task has been cancelled")); }

    /// Its result, or what it has thrown. Once.
    detail::spawned_wait<T, Io> operator co_await() && {
        if (refused_) raise(error(reason::broker_exited, "the loop has ended"));
        return detail::spawned_wait<T, Io>(state_);
    }
};

/// What spawn() returns.
template <class T>
using spawned = basic_spawned<T, io::native>;

/// Runs a task on the loop of `node`, beside everything else. Threads: any. Never blocks.
template <class T, class Io>
basic_spawned<T, Io> spawn(basic_router<Io>& node, task<T> body) {
    return basic_spawned<T, Io>(std::make_shared<detail::spawned_state<T, Io>>(node, std::move(body)));
}

/// The same, and waits for its end: its result, or what it has thrown. Not on the loop.
template <class T, class Io>
T block_on(basic_router<Io>& node, task<T> body) {
    return spawn(node, std::move(body)).get();
}

} // namespace mitogen::inline MITOGEN_ABI

// ---- mitogen/kit/generator.hpp ----
// generator.hpp: a coroutine that yields values, one each time somebody asks for the next.

namespace mitogen::inline MITOGEN_ABI {

/// What a coroutine returns that says `co_yield` any number of times. A remote function that returns one is called with
/// `context.stream<&fn>(args…)`: it runs as its caller takes what it yields. Parameters by reference live as long as the
/// generator there; elsewhere, as in every coroutine, they must be taken by value.
///
/// Moves; does not copy. Iterate it once. Its end destroys the coroutine where it stands. Threads: one at a time.
template <class T>
class [[nodiscard]] generator {
public:
    using value_type = std::remove_cvref_t<T>;

    class promise_type {
        friend class generator;
        const value_type* value_ = nullptr; // in the coroutine's frame, or in the expression that it yields
#if MITOGEN_HAS_EXCEPTIONS
        std::exception_ptr failure_;
#endif

    public:
        generator get_return_object() { return generator(std::coroutine_handle<promise_type>::from_promise(*this)); }
        std::suspend_always initial_suspend() const noexcept { return {}; }
        std::suspend_always final_suspend() const noexcept { return {}; }
        std::suspend_always yield_value(const value_type& value) noexcept {
            value_ = std::addressof(value);
            return {};
        }
        void return_void() const noexcept {}
        void unhandled_exception() noexcept {
#if MITOGEN_HAS_EXCEPTIONS
            failure_ = std::current_exception();
#endif
        }
        void await_transform() = delete; // a generator waits for nothing
    };

    /// Throws what the coroutine throws.
    class iterator {
        std::coroutine_handle<promise_type> at_{};

    public:
        using value_type = generator::value_type;
        using difference_type = std::ptrdiff_t;
        using iterator_category = std::input_iterator_tag;

        iterator() = default;
        explicit iterator(std::coroutine_handle<promise_type> at) : at_(at) { ++*this; }

        const value_type& operator*() const noexcept { return *at_.promise().value_; }
        iterator& operator++() {
            at_.resume();
#if MITOGEN_HAS_EXCEPTIONS
            if (at_.done() && at_.promise().failure_) std::rethrow_exception(std::exchange(at_.promise().failure_, nullptr));
#endif
            return *this;
        }
        void operator++(int) { ++*this; }
        friend bool operator==(const iterator& i, std::default_sentinel_t) noexcept { return i.at_.done(); }
    };

    generator(generator&& other) noexcept : coroutine_(std::exchange(other.coroutine_, nullptr)) {}
    generator& operator=(generator other) noexcept {
        std::swap(coroutine_, other.coroutine_);
        return *this;
    }
    ~generator() {
        if (coroutine_) coroutine_.destroy();
    }

    iterator begin() { return iterator(coroutine_); }
    std::default_sentinel_t end() const noexcept { return {}; }

private:
    std::coroutine_handle<promise_type> coroutine_;

    explicit generator(std::coroutine_handle<promise_type> made) noexcept : coroutine_(made) {}
};

template <class T>
inline constexpr bool is_item_range<generator<T>> = true;

/// Items of type `T`, in a signature. No value has this type.
template <class T>
struct item_stream {};

template <class T>
struct wire_result<generator<T>> {
    using type = item_stream<std::remove_cvref_t<T>>;
};

template <class T>
struct codec<item_stream<T>> {
    static constexpr bool is_fixed = true;
    static constexpr std::size_t fixed_size = 0;
    static constexpr std::size_t least = 0;
    static std::size_t size(const item_stream<T>&) noexcept { return 0; }
    static void encode(writer&, const item_stream<T>&) noexcept {}
    static bool decode(reader&, item_stream<T>&) noexcept { return true; }
    static void signature(signature_sink& out) {
        out.put("stream<");
        codec<T>::signature(out);
        out.put('>');
    }
};

namespace rpc::detail {

template <class T>
struct item_range_result<generator<T>> {
    static void run(invocation& inv, generator<T> items) {
        const std::unique_ptr<item_sink> sink = inv.sink(inv);
        for (const auto& item : items) {
            const result<void> sent = sink->send(item_frame(inv.who.id, item));
            if (sent) continue;
            inv.failure = sent.error();
            return;
        }
    }
};

} // namespace rpc::detail
} // namespace mitogen::inline MITOGEN_ABI

// ---- mitogen/kit/interrupt.hpp ----
// interrupt.hpp: SIGINT, which a terminal sends to the root alone, as a call on the loop.

namespace mitogen::inline MITOGEN_ABI {

/// While it exists, each SIGINT of this process is a call of `go` on the loop, with how many there have been: 1, 2, … The first
/// is the request to end what is under way, for instance by firing a stop token; the second, to take no more time for it.
/// Children have process groups of their own, so that Ctrl-C at the terminal reaches nobody but the root.
///
/// A handler that the program has is called as well. Where it has none, the third signal ends the process. Where SIGINT is
/// ignored it stays so. What was there before is restored at the end. Nurseries have it built in: nursery_options::interrupt.
/// Threads: any. `go` runs on the loop, and must not block. Errors, thrown: without descriptors. The router must outlive it.
template <class Io = io::native>
    requires io::has_local_sockets<Io>
class basic_on_interrupt {
    basic_broker<Io>& loop_;
    unique_function<void(int)> go_;
    int count_ = 0; // loop
    sys::interrupt_watch signals_;
    bound_source<basic_on_interrupt> ready_;

    void on_signal() {
        for (int news = signals_.take(); news > 0; --news) go_(++count_);
    }

public:
    basic_on_interrupt(basic_router<Io>& node, unique_function<void(int)> go) : loop_(node.loop()), go_(std::move(go)) {
        on_ready<&basic_on_interrupt::on_signal>(ready_, *this, signals_.fd());
        long rc = 0;
        loop_.run([&] { rc = loop_.watch(ready_, io::interest::read); });
        if (rc < 0) raise(sys::failure("watch for SIGINT", rc));
    }
    basic_on_interrupt(basic_on_interrupt&&) = delete;
    ~basic_on_interrupt() {
        loop_.run([&] { loop_.unwatch(ready_); });
    }
};

namespace detail {

/// basic_on_interrupt<Io>, named without being formed: for policies that have none.
template <class Io>
struct lazy_on_interrupt {
    using type = basic_on_interrupt<Io>;
};

} // namespace detail

/// On the router with this platform's best poller.
using on_interrupt = basic_on_interrupt<>;

} // namespace mitogen::inline MITOGEN_ABI

// ---- mitogen/kit/nursery_member.hpp ----
// nursery_member.hpp: a task as its nursery sees it, whatever it calls.

namespace mitogen::inline MITOGEN_ABI {
namespace detail {

template <class Io>
class nursery_state;

/// Ends once: with a value, an error, or because it was given up.
template <class Io>
class nursery_member : public std::enable_shared_from_this<nursery_member<Io>> {
    friend class nursery_state<Io>;

    static constexpr std::size_t nowhere = SIZE_MAX;
    std::size_t place_ = nowhere; // under the nursery's lock: among those that have not ended
    waiter<Io> wake_;             // whoever waits for this one task
    std::atomic<bool> ended_{false};
    bool spared_ = false;          // under the nursery's lock: its own side has cancelled it
    std::optional<error> failure_; // fixed once it has ended

protected:
    std::shared_ptr<nursery_state<Io>> nursery_;

    explicit nursery_member(std::shared_ptr<nursery_state<Io>> nursery)
        : wake_(nursery->router().loop().io()), nursery_(std::move(nursery)) {}
    ~nursery_member() = default;

public:
    nursery_member(nursery_member&&) = delete;

    /// Tells what executes it to stop, and goes on waiting for its end. Never blocks. Not under a lock.
    virtual void ask_to_stop(const error& why) = 0;
    /// Waits no longer for its end. Not under a lock.
    virtual void give_up(const error& why) = 0;
    /// Where it runs; no_context where that is not connected yet.
    virtual context_id where() = 0;

    bool ended() const noexcept { return ended_.load(std::memory_order_acquire); }
    const error* failure() const noexcept { return failure_ ? &*failure_ : nullptr; }

    /// The moment after such a span, from now.
    instant until(duration_ns span) const {
        return span == never || ended() ? never : after(nursery_->router().loop().io().now(), span);
    }

    /// Sleeps until it has ended or the deadline passes; returns ended(). Not on the loop.
    bool wait_until(instant deadline) {
        if (ended()) return true; // the router may be gone
        return nursery_->router().loop().wait(wake_, deadline, true, [this] { return ended(); });
    }

    /// Cancelled by whoever holds it: that is no failure of the nursery.
    void cancel() { nursery_->cancel_one(*this); }

    /// False where it has ended already and there is nothing to wait for.
    bool may_wait() const { return ended() || !nursery_->router().on_loop(); }
};

} // namespace detail
} // namespace mitogen::inline MITOGEN_ABI

// ---- mitogen/kit/nursery_state.hpp ----
// nursery_state.hpp: what a nursery owns, what went wrong in it, and how all of it is brought to an end.

namespace mitogen::inline MITOGEN_ABI {
namespace detail {

/// The owner of contexts and tasks. Shared with what is under way: whatever becomes of the nursery's thread, that ends.
///
/// Stages: open; stopping, once something has failed or it was cancelled: tasks are asked to stop; closing: contexts are asked to
/// end; over, when every task has ended and every process of its own is reaped. Threads: any, but for wait() and finish().
template <class Io>
class nursery_state : public std::enable_shared_from_this<nursery_state<Io>> {
    using task = nursery_member<Io>;
    using arrival = basic_future<basic_context<Io>, Io>;

    basic_router<Io>& router_;
    duration_ns grace_;
    typename Io::mutex mutex_;
    waiter<Io> wake_;                                // whoever waits for all
    std::vector<std::shared_ptr<task>> tasks_;       // that have not ended
    std::vector<std::shared_ptr<arrival>> arriving_; // contexts that are not up yet
    std::vector<context_id> contexts_;               // that are up, or were
    std::size_t processes_ = 0;                      // not reaped yet, those that are only being made as well
    std::vector<error> failures_;                    // in the order in which they came
    std::optional<error> cancelled_;                 // why, where nothing has failed before
    bool reports_cancelling_ = false;                // it is an error of the nursery
    bool hurried_ = false;                           // there is no grace
    bool closing_ = false;
    bool over_ = false;

    bool stopping() const noexcept { return !failures_.empty() || cancelled_.has_value(); } // under mutex_

    /// What everything is stopped for. Under mutex_, when stopping().
    error cause() const { return failures_.empty() ? *cancelled_ : failures_.front(); }

    bool known(const error& why) const noexcept { // under mutex_
        return std::any_of(failures_.begin(), failures_.end(), [&](const error& e) { return &e.detail() == &why.detail(); });
    }

    /// Why nothing can be added any more, or nothing. Under mutex_.
    std::optional<error> refused() const {
        if (cancelled_ || (closing_ && stopping())) return cause();
        if (closing_) return error(reason::misuse, "this nursery has ended: join() was called");
        return std::nullopt;
    }

    /// True where the error of a task is only what the nursery itself has brought about. Under mutex_.
    bool is_consequence(const task& t, const error& why) const {
        if (why.reason() == reason::cancelled) return t.spared_ || stopping();
        return closing_ && (!stopping() || why.kind() == kind::disconnected); // not stopping: it came too late
    }

    void remove(task& t) { // under mutex_, which is not the last to hold it
        if (t.place_ == task::nowhere) return;
        tasks_.back()->place_ = t.place_;
        std::swap(tasks_[t.place_], tasks_.back());
        tasks_.pop_back();
        t.place_ = task::nowhere;
    }

    /// Everything that has not ended is asked to stop. Not under the lock.
    void ask_all() {
        std::vector<std::shared_ptr<task>> all;
        std::optional<error> why;
        {
            const std::lock_guard lock(mutex_);
            all = tasks_;
            why = cause();
        }
        for (const auto& t : all) t->ask_to_stop(*why);
    }

    void discard(context_id id, bool hurried) {
        router_.loop().defer([&router = router_, id, hurried] { hurried ? router.hurry_child(id) : router.discard_child(id); });
    }

public:
    nursery_state(basic_router<Io>& node, duration_ns grace)
        : router_(node), grace_(grace), mutex_(node.loop().io()), wake_(node.loop().io()) {}
    nursery_state(nursery_state&&) = delete;

    basic_router<Io>& router() const noexcept { return router_; }

    /// The error of what was cancelled with this nursery.
    error cancelled_here(const char* by) const {
        return cancelled_by(router_.id(), cancel_radius::nursery,
                            "cancelled with its nursery, in context " + std::to_string(router_.id()) + ", by " + by);
    }

    /// Why nothing can be added any more, or nothing.
    std::optional<error> refusal() {
        const std::lock_guard lock(mutex_);
        return refused();
    }

    // ---- contexts

    /// A process of this nursery: until what is returned is let go of, the nursery is not over.
    std::shared_ptr<void> hold() {
        const std::lock_guard lock(mutex_);
        ++processes_;
        return std::shared_ptr<void>(nullptr, [self = this->shared_from_this()](void*) {
            const std::lock_guard gone(self->mutex_);
            if (--self->processes_ == 0) self->wake_.notify();
        });
    }

    /// A context that is being connected, and will be this nursery's. `coming` stays the caller's.
    void expect(const arrival& coming) {
        coming.state()->retain();
        const auto mine = std::make_shared<arrival>(coming.state(), router_, router_.environment());
        std::optional<error> too_late;
        {
            const std::lock_guard lock(mutex_);
            arriving_.push_back(mine);
            if (closing_ || cancelled_) too_late = cancelled_ ? cause() : cancelled_here("its end");
        }
        mine->then([self = this->shared_from_this(), mine] { self->arrived(mine); });
        if (too_late) mine->abandon(*too_late);
    }

private:
    void arrived(const std::shared_ptr<arrival>& coming) {
        const result<basic_context<Io>> up = coming->outcome();
        bool unwanted;
        {
            const std::lock_guard lock(mutex_);
            std::erase(arriving_, coming);
            unwanted = closing_;
            if (up && !unwanted) contexts_.push_back(up->id());
        }
        if (!up) return;
        if (unwanted) return discard(up->id(), false);
        up->on_disconnect([weak = this->weak_from_this(), id = up->id()](const error& why) {
            if (const auto self = weak.lock()) self->context_lost(id, why);
        });
    }

    /// A context that ends by itself, and says that all is well, has only ended early.
    void context_lost(context_id id, const error& why) {
        {
            const std::lock_guard lock(mutex_);
            std::erase(contexts_, id);
            if (closing_ || known(why) || (why.detail().has_status && why.detail().status.success())) return;
            failures_.push_back(why);
            wake_.notify();
        }
        ask_all();
    }

public:
    // ---- tasks

    /// Before it is begun. False with `why` where it must not be.
    bool add(std::shared_ptr<task> t, std::optional<error>& why) {
        const std::lock_guard lock(mutex_);
        why = refused();
        if (why) return false;
        t->place_ = tasks_.size();
        tasks_.push_back(std::move(t));
        return true;
    }

    /// It was not begun after all.
    void forget(task& t) {
        const std::shared_ptr<task> keep = t.shared_from_this();
        const std::lock_guard lock(mutex_);
        remove(t);
        if (tasks_.empty()) wake_.notify();
    }

    /// After it was begun: where something has failed meanwhile, it is the next to stop.
    void begun(task& t) {
        std::optional<error> why;
        {
            const std::lock_guard lock(mutex_);
            if (stopping()) why = cause();
        }
        if (why) t.ask_to_stop(*why);
    }

    /// It has ended; `failure` is null where that is well. Once for each.
    void ended(task& t, const error* failure) {
        const std::shared_ptr<task> keep = t.shared_from_this();
        bool first = false;
        {
            const std::lock_guard lock(mutex_);
            if (failure && is_consequence(t, *failure)) {
                t.failure_ = !t.spared_ && stopping() ? cause() : *failure;
            } else if (failure) {
                t.failure_ = *failure;
                first = !stopping();
                if (!known(*failure)) failures_.push_back(*failure); // one that was lost fails all its tasks
            }
            remove(t);
            t.ended_.store(true, std::memory_order_release);
            t.wake_.notify();
            if (tasks_.empty() || first) wake_.notify();
        }
        if (first) ask_all();
    }

    void cancel_one(task& t) {
        {
            const std::lock_guard lock(mutex_);
            if (t.ended()) return;
            t.spared_ = true;
        }
        t.ask_to_stop(cancelled_by_caller(router_.id(), cancel_radius::call));
    }

    // ---- the end

    bool stopped() {
        const std::lock_guard lock(mutex_);
        return stopping();
    }
    bool over() {
        const std::lock_guard lock(mutex_);
        return over_;
    }

    /// Stops everything; nothing can be added any more. `reported`: join() says so.
    void cancel(error why, bool reported) {
        std::vector<std::shared_ptr<arrival>> coming;
        {
            const std::lock_guard lock(mutex_);
            if (cancelled_ || closing_) return;
            reports_cancelling_ = reported;
            cancelled_ = std::move(why);
            coming = arriving_;
            wake_.notify();
        }
        for (const auto& c : coming) c->abandon(*cancelled_);
        ask_all();
    }

    /// From now on nothing is given time: what has not ended is ended by force. After cancel(). Never blocks.
    void hurry() {
        std::vector<context_id> ending;
        {
            const std::lock_guard lock(mutex_);
            if (std::exchange(hurried_, true)) return;
            if (closing_) ending = contexts_;
            wake_.notify();
        }
        for (const context_id id : ending) discard(id, true);
    }

    /// Asks every context to end. Tasks that have not ended by now end with their contexts, or are given up.
    void close() {
        std::vector<std::shared_ptr<task>> stubborn;
        std::vector<std::shared_ptr<arrival>> coming;
        std::vector<context_id> up;
        std::optional<error> why;
        bool all = false;
        {
            const std::lock_guard lock(mutex_);
            closing_ = true;
            all = hurried_;
            stubborn = tasks_;
            coming = arriving_;
            up = contexts_;
            why = stopping() ? cause() : cancelled_here("its end");
        }
        std::vector<context_id> hurried; // they have had their time
        for (const auto& t : stubborn) {
            const context_id where = t->where();
            if (std::find(up.begin(), up.end(), where) == up.end()) {
                t->give_up(*why);
            } else {
                hurried.push_back(where);
            }
        }
        for (const auto& c : coming) c->abandon(*why);
        for (const context_id id : up) discard(id, all || std::find(hurried.begin(), hurried.end(), id) != hurried.end());
    }

    /// Waits for the tasks, then closes, then waits until all is over. Not on the loop.
    void finish() {
        wait(never, [this] { return tasks_.empty() || stopping(); });
        if (stopped()) wait(after(router_.loop().io().now(), grace_), [this] { return tasks_.empty() || hurried_; });
        close();
        wait(never, [this] { return tasks_.empty() && processes_ == 0; });
        const std::lock_guard lock(mutex_);
        over_ = true;
    }

    /// What the nursery ends with, when it is over.
    result<void> verdict() {
        const std::lock_guard lock(mutex_);
        if (!failures_.empty()) return group_errors(failures_);
        if (cancelled_ && reports_cancelling_) return *cancelled_;
        return {};
    }

private:
    template <class Condition>
    void wait(instant deadline, Condition condition) {
        router_.loop().wait(wake_, deadline, true, [&] {
            const std::lock_guard lock(mutex_);
            return condition();
        });
    }
};

} // namespace detail
} // namespace mitogen::inline MITOGEN_ABI

// ---- mitogen/kit/nursery_task.hpp ----
// nursery_task.hpp: a call that belongs to a nursery.

namespace mitogen::inline MITOGEN_ABI {
namespace detail {

/// A call: of a context that is there, or of one that is being connected for it.
template <class T, class Io>
class nursery_task final : public nursery_member<Io> {
    using base = nursery_member<Io>;
    using context = basic_context<Io>;

    typename Io::mutex mutex_;
    context_id where_ = no_context;
    basic_future<context, Io> coming_; // its context, while that is being connected
    basic_future<T, Io> answer_;
    bool calls_ = false;         // answer_ is there
    std::optional<error> asked_; // to stop, and why
    std::optional<error> given_up_;

    /// Where an exception comes in between, there is no such task.
    struct unless_begun {
        nursery_task& self;
        bool begun = false;
        ~unless_begun() {
            if (!begun) self.nursery_->forget(self);
        }
    };

    std::shared_ptr<nursery_task> self() { return std::static_pointer_cast<nursery_task>(this->shared_from_this()); }

    /// Where something has failed: a call that nothing keeps from running runs, and what it says for itself is heard. Otherwise
    /// which of several errors are seen would be a matter of luck.
    void tell_callee(const error& why) {
        basic_router<Io>& node = this->nursery_->router();
        const awaited& p = *answer_.state();
        const bool begins = why.reason() != reason::cancelled;
        const auto what = why.detail().radius == cancel_radius::call ? cancel_radius::call : cancel_radius::nursery;
        static_cast<void>(node.tell(p.respondent(), handles::cancel_call,
                                    encode(p.handle(), begins, static_cast<std::uint8_t>(what)), false));
    }

    template <class Send>
    void send(context_id to, Send&& call) {
        unless_begun guard{*this};
        basic_future<T, Io> answer = call();
        guard.begun = true;
        std::optional<error> unwanted;
        std::optional<error> stop;
        {
            const std::lock_guard lock(mutex_);
            where_ = to;
            answer_ = std::move(answer);
            calls_ = true;
            stop = asked_;
            unwanted = given_up_;
        }
        answer_.then([me = self()] { me->nursery_->ended(*me, me->answer_.state()->failure()); });
        if (unwanted) return answer_.abandon(*unwanted);
        if (stop) tell_callee(*stop);
    }

    /// Its context is there, or is not.
    template <auto F, class Given>
    void connected(Given& given) {
        const result<context> up = coming_.outcome();
        std::optional<error> failure;
        if (!up) {
            failure = up.error();
        } else {
            const std::lock_guard lock(mutex_);
            failure = asked_;
        }
        if (failure) return this->nursery_->ended(*this, &*failure);
        send(up->id(),
             [&] { return std::apply([&](auto&... each) { return up->template call_async<F>(std::move(each)...); }, given); });
    }

public:
    explicit nursery_task(std::shared_ptr<nursery_state<Io>> nursery)
        : base(std::move(nursery)), mutex_(this->nursery_->router().loop().io()) {}

    // ---- how it begins: one of them, once

    template <class Send>
    void call(context_id to, Send&& send_it) {
        std::optional<error> why;
        if (!this->nursery_->add(self(), why)) return this->nursery_->ended(*this, &*why);
        send(to, std::forward<Send>(send_it));
        this->nursery_->begun(*this);
    }

    template <auto F, class Connect, class... Args>
    void connect_and_call(Connect&& connect, Args&&... args) {
        std::optional<error> why;
        if (!this->nursery_->add(self(), why)) return this->nursery_->ended(*this, &*why);
        unless_begun guard{*this};
        basic_future<context, Io> coming = connect();
        std::tuple<std::decay_t<Args>...> given(std::forward<Args>(args)...);
        guard.begun = true;
        {
            const std::lock_guard lock(mutex_);
            coming_ = std::move(coming);
            why = asked_;
        }
        coming_.then([me = self(), given = std::move(given)]() mutable { me->template connected<F>(given); });
        if (why) return coming_.abandon(*why);
        this->nursery_->begun(*this);
    }

    // ---- how it ends

    void ask_to_stop(const error& why) override {
        bool calls;
        bool connects;
        {
            const std::lock_guard lock(mutex_);
            if (asked_) return;
            asked_ = why;
            calls = calls_;
            connects = coming_.valid();
        }
        if (calls) {
            tell_callee(why);
        } else if (connects) {
            coming_.abandon(why);
        }
    }

    void give_up(const error& why) override {
        {
            const std::lock_guard lock(mutex_);
            given_up_ = why;
            if (!calls_) return; // about to begin
        }
        answer_.abandon(why);
    }

    context_id where() override {
        const std::lock_guard lock(mutex_);
        return where_;
    }

    result<T> outcome() {
        if (const error* why = this->failure()) return *why;
        return answer_.outcome();
    }
};

} // namespace detail

/// A call that belongs to a nursery: a cheap value, which may outlive it. To drop it changes nothing.
///
/// Threads: one at a time waits; the rest any. Not on the loop.
template <class T, class Io = io::native>
class basic_nursery_task {
    std::shared_ptr<detail::nursery_task<T, Io>> state_;

public:
    using value_type = T;

    explicit basic_nursery_task(std::shared_ptr<detail::nursery_task<T, Io>> state) noexcept : state_(std::move(state)) {}

    /// True once there is a value or an error. Never blocks.
    bool done() const noexcept { return state_->ended(); }

    /// Waits for the value; throws the error. That of a task that was cancelled because another one failed is the other's.
    T get() const { return try_get().value(); }
    result<T> try_get() const { return try_get_until(never); }

    /// As get(), but waits at most `span`: then it throws timeout_error, and the call goes on.
    template <class Rep, class Period>
    T get_for(std::chrono::duration<Rep, Period> span) const {
        return try_get_for(span).value();
    }
    template <class Rep, class Period>
    result<T> try_get_for(std::chrono::duration<Rep, Period> span) const {
        return try_get_until(state_->until(to_ns(span)));
    }

    /// Tells the callee to stop; where it has not begun it does not begin. That is no failure of the nursery. Does not wait.
    void cancel() const { state_->cancel(); }

private:
    result<T> try_get_until(instant deadline) const {
        if (!state_->may_wait())
            return error(reason::misuse, "a function that runs on the loop waits for a task; run it on::main or on::pool");
        if (!state_->wait_until(deadline)) return error(reason::timeout, "the task has not ended within the time given");
        return state_->outcome();
    }
};

/// As basic_nursery_task, of a nursery.
template <class T>
using nursery_task = basic_nursery_task<T>;

} // namespace mitogen::inline MITOGEN_ABI

// ---- mitogen/kit/nursery.hpp ----
// nursery.hpp: a scope that owns contexts and calls: none of them outlives it, and none of their errors is lost.

#if defined(__cpp_lib_jthread)
#include <stop_token>
#endif

namespace mitogen::inline MITOGEN_ABI {

/// How a nursery is made.
struct nursery_options {
    /// from asking tasks to stop, to ending the contexts in which they do not
    std::chrono::milliseconds grace{3'000};
    /// SIGINT (Ctrl-C) cancels the nursery, whose join() then says so; a second one skips the grace: see basic_on_interrupt
    bool interrupt = false;
#if defined(__cpp_lib_jthread)
    std::stop_token stop{}; ///< cancels the nursery, whose join() then says so: that of a function that has one, for instance
#endif
};

/// Owns contexts and tasks. When join() returns, every task has ended and every process that it has started is reaped, whatever
/// happened meanwhile.
///
/// The first task that fails cancels the others, at once: their stop tokens fire, those that are still being connected are given
/// up. So does a context that is lost. The body of the scope is not interrupted: it goes on to join(), which ends the contexts
/// and throws what went wrong: one error as it was, several as error_group. What came only of being cancelled is not among them.
/// Where the body leaves by an exception, the destructor cancels, waits, and says nothing.
///
/// A task that does not stop within the grace is ended with its context, by force where it must be; one that runs in a context
/// that is not this nursery's is given up. Threads: any; join() and the destructor one. It blocks, and must not be used on the
/// loop. The router must outlive it.
template <class Io = io::native>
class basic_nursery : public making<basic_nursery<Io>, basic_context<Io>> {
    std::shared_ptr<detail::nursery_state<Io>> state_;
    int exceptions_ = std::uncaught_exceptions();
#if defined(__cpp_lib_jthread)
    struct canceller {
        detail::nursery_state<Io>* state;
        void operator()() const { state->cancel(state->cancelled_here("its stop token"), true); }
    };
    std::optional<std::stop_callback<canceller>> on_stop_;
#endif
    struct no_signals {};
    using interrupt_hook = typename std::conditional_t<io::has_local_sockets<Io>, detail::lazy_on_interrupt<Io>,
                                                       std::type_identity<no_signals>>::type;
    std::optional<interrupt_hook> on_interrupt_;

    void heed_interrupts() {
        if constexpr (io::has_local_sockets<Io>) {
            on_interrupt_.emplace(router(), [state = state_.get()](int count) {
                if (count == 1) return state->cancel(state->cancelled_here("SIGINT"), true);
                state->hurry();
            });
        } else {
            raise(error(reason::misuse, "this I/O policy knows no signals: nursery_options::interrupt cannot be set"));
        }
    }

    basic_router<Io>& router() const noexcept { return state_->router(); }

    basic_future<basic_context<Io>, Io> own(result<boot_plan> plan) {
        if (const std::optional<error> why = state_->refusal()) plan = *why;
        if (plan) plan->held = state_->hold();
        auto coming = router().connect_by(std::move(plan));
        state_->expect(coming);
        return coming;
    }

public:
    using context = basic_context<Io>;

    explicit basic_nursery(basic_router<Io>& node, nursery_options options = {})
        : state_(std::make_shared<detail::nursery_state<Io>>(node, to_ns(options.grace))) {
#if defined(__cpp_lib_jthread)
        if (options.stop.stop_possible()) on_stop_.emplace(std::move(options.stop), canceller{state_.get()});
#endif
        if (options.interrupt) heed_interrupts();
    }

    basic_nursery(basic_nursery&&) = delete;

    ~basic_nursery() {
        if (state_->over()) return;
        if (std::uncaught_exceptions() > exceptions_) cancel();
        if (router().on_loop()) { // where it cannot wait; all of it ends nevertheless
            cancel();
            state_->close();
        } else if (const result<void> ended = try_join(); !ended) {
            log::write(log::level::error, std::string("a nursery ended without join(), and with: ") + ended.error().what());
        }
    }

    // ---- contexts: as the members of basic_router. They end with the nursery.

    /// A new process on this machine, running this program.
    context local(local_options options = {}) { return connect(options); }
    result<context> try_local(local_options options = {}) { return try_connect(options); }

    /// A copy of this process, made by fork().
    context fork(fork_options options = {}) requires io::can_fork<Io> { return try_fork(std::move(options)).value(); }
    result<context> try_fork(fork_options options = {}) requires io::can_fork<Io> {
        if (router().on_loop()) return detail::waits_for_child();
        if (const std::optional<error> why = state_->refusal()) return *why;
        auto coming = router().begin_fork(std::move(options), state_->hold());
        state_->expect(coming);
        return coming.try_get();
    }

    /// A process on another machine, reached with the system's ssh.
    context ssh(ssh_options options) { return connect(options); }
    result<context> try_ssh(ssh_options options) { return try_connect(options); }

    // Those that run a tool, docker() and the like, are members of `making`.

    /// Any method, by its options.
    template <connection_method Method>
    context connect(const Method& method) {
        return try_connect(method).value();
    }
    template <connection_method Method>
    result<context> try_connect(const Method& method) {
        if (router().on_loop()) return detail::waits_for_child();
        return connect_async(method).try_get();
    }

    /// Begins to connect and returns at once. What has not come up when the nursery ends is given up, and reaped as well. An
    /// error is the future's, and no failure of the nursery.
    template <connection_method Method>
    basic_future<context, Io> connect_async(const Method& method) {
        return own(detail::plan_of(method, router().bounds()));
    }

    // ---- tasks

    /// Begins to call `F(args…)` in a context, or with how the calls of a context are made (within(), with()), of this nursery
    /// or not. Blocks only while the link's queue is full.
    template <auto F, class Target, class... Args>
        requires(!connection_method<std::remove_cvref_t<Target>>)
    basic_nursery_task<rpc::detail::result_of<F>, Io> start(const Target& target, Args&&... args) {
        auto t = std::make_shared<detail::nursery_task<rpc::detail::result_of<F>, Io>>(state_);
        t->call(target.id(), [&] { return target.template call_async<F>(std::forward<Args>(args)...); });
        return basic_nursery_task<rpc::detail::result_of<F>, Io>(std::move(t));
    }

    /// The same in a context that is made for it, by that method. It belongs to the nursery. Where it does not come up, that is
    /// how the task fails. Never blocks.
    template <auto F, connection_method Method, class... Args>
    basic_nursery_task<rpc::detail::result_of<F>, Io> start(const Method& method, Args&&... args) {
        auto t = std::make_shared<detail::nursery_task<rpc::detail::result_of<F>, Io>>(state_);
        t->template connect_and_call<F>([&] { return connect_async(method); }, std::forward<Args>(args)...);
        return basic_nursery_task<rpc::detail::result_of<F>, Io>(std::move(t));
    }

    // ---- the end

    /// Waits until every task has ended; ends all contexts; throws what went wrong. Nothing can be added afterwards.
    void join() { try_join().value(); }

    /// The same, with the error as a value: members() of it are the single ones, where there are several.
    result<void> try_join() {
        if (!state_->over()) {
            if (router().on_loop())
                return error(reason::misuse, "a function that runs on the loop joins a nursery; run it on::main or on::pool");
            state_->finish();
        }
        return state_->verdict();
    }

    /// Asks everything to stop, and gives up what is being connected; nothing can be added afterwards. Does not wait: join() and
    /// the destructor do. That it was cancelled so is no error of join().
    void cancel() { state_->cancel(state_->cancelled_here("cancel()"), false); }

    /// True once something has failed or it was cancelled: the body of the scope may as well go to join().
    bool stopping() const { return state_->stopped(); }
};

/// A nursery on the router with this platform's best poller.
using nursery = basic_nursery<>;

} // namespace mitogen::inline MITOGEN_ABI

// ---- mitogen/kit/open_dialog.hpp ----
// open_dialog.hpp: the opener's end of a dialog.

namespace mitogen::inline MITOGEN_ABI {

/// What context.open<&fn>(args…) returns: the other end of the dialog that fn takes. `Shape` is the callee's.
///
/// Its destructor closes and waits for the function's end; while an exception leaves its scope, or after cancel_on_exit(), it
/// cancels and waits. A function that does not heed its cancellation is waited for as long as its context lives.
/// Moves; does not copy. Threads: send() and receive() any; the rest one at a time. Blocks: as marked; not on the loop.
template <class Shape, class Result, class Io>
class [[nodiscard]] basic_open_dialog {
    using shape = dialog_shape<Shape>;
    using inbox = rpc::detail::basic_inbox<Io>;
    using outbox = rpc::detail::basic_outbox<Io>;
    using started_type =
        typename std::conditional_t<std::is_void_v<typename shape::started>, std::type_identity<std::monostate>,
                                    owned_result<typename shape::started>>::type;

    std::shared_ptr<inbox> in_;
    std::shared_ptr<outbox> out_;
    basic_future<Result, Io> answer_;
    started_type started_{};
    std::optional<mitogen::result<Result>> outcome_;
    bool final_ = false; // outcome_ is the answer
    bool cancel_on_exit_ = false;
    int exceptions_ = std::uncaught_exceptions();

    basic_open_dialog(std::shared_ptr<inbox> items, basic_future<Result, Io> answer)
        : in_(std::move(items)), answer_(std::move(answer)) {}

public:
    /// What is received here is what the callee sends.
    using value_type = typename rpc::detail::received_item<typename shape::sent>::type;
    using policy = Io;

    /// For call_methods::try_open: waits until the function has called started(), and fails where it ends before.
    static mitogen::result<basic_open_dialog> begin(std::shared_ptr<inbox> items, basic_future<Result, Io> answer,
                                                    const std::string& function) {
        basic_open_dialog d(std::move(items), std::move(answer));
        rpc::detail::end_with(d.in_, d.answer_);
        return join(std::move(d), never, function);
    }

    /// For call_methods::open_async: the same in a task.
    static task<basic_open_dialog> begin_later(std::shared_ptr<inbox> items, basic_future<Result, Io> answer,
                                               const function_entry& function) {
        basic_open_dialog d(std::move(items), std::move(answer));
        rpc::detail::end_with(d.in_, d.answer_);
        co_await rpc::detail::next_item_of<void, Io>{*d.in_};
        co_return join(std::move(d), 0, function.name()).value();
    }

    /// The callee's started() makes the dialog whole.
    static mitogen::result<basic_open_dialog> join(basic_open_dialog d, instant deadline, const std::string& function) {
        const mitogen::result<rpc::detail::flow_item> first = d.in_->get(deadline);
        if (!first) return d.give_up(first.error(), function);
        decode_environment environment{&d.in_->node(), &policy_tag<Io>};
        reader r(first->value(), d.in_->node().bounds(), &environment);
        flow_address there;
        bool good = first->kind == wire::flow_frame::begun && decode(r, there.port, there.window);
        if constexpr (!std::is_void_v<typename shape::started>) good = good && decode(r, d.started_);
        if (!good || !r.finish())
            return d.give_up(error(reason::codec, "what started() of " + function + " says does not decode: " + r.failure_text()),
                             function);
        d.out_ = outbox::open(d.in_->node(), d.answer_.state()->respondent(), there);
        d.answer_.then([out = d.out_, p = d.answer_.state()] {
            out->lose(p->failure() ? *p->failure() : error(reason::sender_closed, "the function has ended"));
        });
        return d;
    }

    basic_open_dialog(basic_open_dialog&&) noexcept = default;
    basic_open_dialog& operator=(basic_open_dialog&&) = delete;
    ~basic_open_dialog() {
        if (!answer_.valid()) return;
        if (cancel_on_exit_ || std::uncaught_exceptions() > exceptions_ || (!answer_.done() && in_->node().on_loop())) {
            cancel();
            return;
        }
        const bool seen = outcome_.has_value();
        close();
        if (const mitogen::result<Result>& end = outcome(); !end && !seen)
            log::write(log::level::warning,
                       "a dialog ended with an error that nobody looked at: " + std::string(end.error().what()));
    }

    /// The destructor cancels the function where it has not ended, instead of waiting for it.
    void cancel_on_exit() noexcept { cancel_on_exit_ = true; }

    /// What the callee passed to started().
    const started_type& started() const noexcept { return started_; }

    /// As the callee's: see basic_dialog.
    void send(const typename shape::received& item) { try_send(item).value(); }
    mitogen::result<void> try_send(const typename shape::received& item) { return send_until(item, never); }
    template <class Rep, class Period>
    mitogen::result<void> try_send_for(const typename shape::received& item, std::chrono::duration<Rep, Period> span) {
        return send_until(item, after(in_->node().now(), to_ns(span)));
    }

    /// The next item. Errors, thrown: channel_error with reason::end_of_stream once the callee has closed or returned and
    /// everything is received, at once and every time; where it has failed, its error instead.
    value_type receive() { return try_receive().value(); }
    /// The same, with the error as a value.
    mitogen::result<value_type> try_receive() { return receive_until(never); }
    /// The same, waiting for `span` at most: reason::timeout. No item is lost by that.
    template <class Rep, class Period>
    mitogen::result<value_type> try_receive_for(std::chrono::duration<Rep, Period> span) {
        return receive_until(after(in_->node().now(), to_ns(span)));
    }

    /// Sends no more: the callee's receive() ends. Receiving goes on, and the result still comes. Once is enough.
    void close() {
        if (out_) out_->end();
    }

    /// Waits for the function's end and returns its result, or throws its error; what arrives meanwhile is dropped. The same
    /// object every time. A callee that still waits for items waits for close().
    decltype(auto) result() & { return std::as_const(outcome()).value(); }
    Result result() && { return std::move(settled()).value(); }
    /// The same, with the error as a value.
    const mitogen::result<Result>& outcome() { return settled(); }

    /// Cancels the function, and nothing else: waits until it has left its scope. Nothing happens where it has returned: its
    /// value stands.
    void cancel() {
        if (answer_.done()) return;
        in_->node().cancel_call(*answer_.state());
        (void)settled();
    }

    /// For tasks: `co_await d.async_receive()`, as receive(), and so on. A task must co_await async_result() or async_cancel()
    /// before it leaves the dialog: the destructor cannot wait on the loop, and cancels.
    rpc::detail::next_item_of<value_type, Io> async_receive() { return {*in_}; }
    rpc::detail::next_item_of<value_type, Io, false> async_try_receive() { return {*in_}; }
    rpc::detail::sending<Io> async_send(const typename shape::received& item) {
        return {*out_, rpc::detail::item_frame(out_->peer(), item)};
    }
    task<Result> async_result() {
        in_->discard();
        co_await rpc::detail::completion_of{answer_};
        if constexpr (std::is_void_v<Result>) {
            settled().value();
        } else if constexpr (std::is_copy_constructible_v<Result>) {
            co_return settled().value();
        } else {
            co_return std::move(settled()).value();
        }
    }
    task<void> async_cancel() {
        in_->discard();
        if (!answer_.done()) in_->node().cancel_call(*answer_.state());
        co_await rpc::detail::completion_of{answer_};
        (void)settled();
    }

    /// As basic_receiver's.
    bool ready() const { return in_->ready(); }
    bool ended() const { return in_->ended(); }
    void then(unique_function<void()> go, const void* key = nullptr) const { in_->then(std::move(go), key); }
    void forget(const void* key) const { in_->forget(key); }
    call_port& port() const noexcept { return in_->node(); }

    /// Iterates what is received, to the end; an error is thrown.
    item_iterator<basic_open_dialog> begin() { return item_iterator<basic_open_dialog>(*this); }
    std::default_sentinel_t end() const noexcept { return {}; }
    /// For iteration.
    mitogen::result<value_type> try_get() { return try_receive(); }

private:
    mitogen::result<void> send_until(const typename shape::received& item, instant deadline) {
        return out_->send(rpc::detail::item_frame(out_->peer(), item), deadline);
    }

    mitogen::result<value_type> receive_until(instant deadline) { return rpc::detail::next_item<value_type>(*in_, deadline); }

    /// Waits for the answer. On the loop there is only an error, and the answer may still come.
    mitogen::result<Result>& settled() {
        if (final_) return *outcome_;
        if (answer_.done() || !in_->node().on_loop()) in_->discard();
        outcome_.emplace(answer_.try_get());
        final_ = answer_.done();
        if (final_) in_->answered(answer_.state()->failure()); // whoever completed it may not have come to that yet
        return *outcome_;
    }

    /// The dialog does not begin. What the function itself says counts most.
    error give_up(error why, const std::string& function) {
        if (!answer_.done()) {
            if (!in_->node().on_loop()) cancel();
            answer_ = {};
            return why;
        }
        const mitogen::result<Result> end = std::move(settled());
        answer_ = {};
        if (!end) return end.error();
        if (why.reason() == reason::codec) return why;
        return error(reason::misuse, function + " returned without having called started() of its dialog");
    }
};

namespace rpc::detail {

template <class List>
struct dialog_in;
template <class... Ps>
struct dialog_in<type_list<Ps...>> : dialog_among<Ps...> {};

template <class Dialog>
struct dialog_types;
template <class Shape, class Io>
struct dialog_types<basic_dialog<Shape, Io>> {
    using shape = Shape;
    using policy = Io;
};

} // namespace rpc::detail

template <class Target, class Io>
template <auto F, class Begin, class... Args>
auto call_methods<Target, Io>::open_as(Begin begin, Args&&... args) const {
    using types = rpc::detail::dialog_types<typename rpc::detail::dialog_in<typename function_traits<F>::parameters>::type>;
    static_assert(std::is_same_v<typename types::policy, Io>,
                  "mitogen: the Function's dialog is of another I/O policy than this context");
    using result_type = rpc::detail::result_of<F>;
    using dialog = basic_open_dialog<typename types::shape, result_type, Io>;
    const auto items =
        rpc::detail::basic_inbox<Io>::make(static_cast<basic_router<Io>&>(self().port()), rpc::detail::inbox_use::opener);
    awaited& p = begin_flow<F, rpc::detail::verb::open>(items->open_port(self().id()), std::forward<Args>(args)...);
    return begin(std::type_identity<dialog>{}, items,
                 basic_future<result_type, Io>(&p, self().port(), self().environment()));
}

template <class Target, class Io>
template <auto F, class... Args>
auto call_methods<Target, Io>::try_open(Args&&... args) const {
    return open_as<F>(
        []<class Dialog>(std::type_identity<Dialog>, auto items, auto answer) {
            return Dialog::begin(std::move(items), std::move(answer), entry_of<F>().name());
        },
        std::forward<Args>(args)...);
}

template <class Target, class Io>
template <auto F, class... Args>
auto call_methods<Target, Io>::open_async(Args&&... args) const {
    return open_as<F>(
        []<class Dialog>(std::type_identity<Dialog>, auto items, auto answer) {
            return Dialog::begin_later(std::move(items), std::move(answer), entry_of<F>());
        },
        std::forward<Args>(args)...);
}

template <class Target, class Io>
template <auto F, class... Args>
auto call_methods<Target, Io>::open(Args&&... args) const {
    return try_open<F>(std::forward<Args>(args)...).value();
}

} // namespace mitogen::inline MITOGEN_ABI

// ---- mitogen/rpc/item_reader.hpp ----
// item_reader.hpp: how items are taken from an inbox, by threads and by tasks: what receivers and remote ranges share.

namespace mitogen::inline MITOGEN_ABI {
namespace rpc::detail {

/// The end of a flow at which items of type `T` come out. Moves; does not copy.
///
/// Threads: one at a time. Blocks: get(), and iteration; not from functions that run on the loop.
template <class T, class Io>
class item_reader {
protected:
    using inbox = basic_inbox<Io>;

    std::shared_ptr<inbox> inbox_; // null in one that was moved from

    explicit item_reader(std::shared_ptr<inbox> items) noexcept : inbox_(std::move(items)) {}
    item_reader(item_reader&&) noexcept = default;
    item_reader& operator=(item_reader&&) = delete;
    ~item_reader() = default;

public:
    using value_type = typename received_item<T>::type;
    using policy = Io;

    /// The next item; waits for it. Errors, thrown: channel_error with reason::end_of_stream at the end; channel_error where a
    /// context that sends is lost; codec_error; what a generator threw, as call_error.
    value_type get() { return try_get().value(); }
    /// The same, with the error as a value.
    result<value_type> try_get() { return next_item<value_type>(*inbox_, never); }

    /// As get(), but waits at most `span`: timeout_error.
    template <class Rep, class Period>
    value_type get_for(std::chrono::duration<Rep, Period> span) {
        return try_get_for(span).value();
    }
    /// As try_get(), but waits at most `span`, 0 for what is there now: reason::timeout.
    template <class Rep, class Period>
    result<value_type> try_get_for(std::chrono::duration<Rep, Period> span) {
        return next_item<value_type>(*inbox_, after(inbox_->node().now(), to_ns(span)));
    }

    /// For tasks: `co_await r.async_get()`, as get(); async_try_get() with the error as a value.
    next_item_of<value_type, Io> async_get() { return {*inbox_}; }
    next_item_of<value_type, Io, false> async_try_get() { return {*inbox_}; }

    /// True where get() would not wait.
    bool ready() const { return inbox_->ready(); }

    /// True once there is nothing more to get.
    bool ended() const { return inbox_->ended(); }

    /// Runs `go` as soon as there is an item or the end: now, or on the thread that brings it, normally the loop. With a `key`,
    /// until forget(key).
    void then(unique_function<void()> go, const void* key = nullptr) const { inbox_->then(std::move(go), key); }
    void forget(const void* key) const { inbox_->forget(key); }

    call_port& port() const noexcept { return inbox_->node(); }

    /// Iterates to the end; an error is thrown.
    item_iterator<item_reader> begin() { return item_iterator<item_reader>(*this); }
    std::default_sentinel_t end() const noexcept { return {}; }
};

} // namespace rpc::detail
} // namespace mitogen::inline MITOGEN_ABI

// ---- mitogen/kit/remote_range.hpp ----
// remote_range.hpp: what a remote generator yields, as a range.

namespace mitogen::inline MITOGEN_ABI {

/// The items of one call of a function that returns generator<T>. The function runs ahead by a window (wire::flow_window) of what
/// is taken here. Leaving the range cancels it: the generator is destroyed where it stands, at its next co_yield.
///
/// Moves; does not copy. Threads: one at a time. Blocks: get() and iteration, not from functions that run on the loop.
template <class T, class Io>
class [[nodiscard]] basic_remote_range : public rpc::detail::item_reader<T, Io> {
    using inbox = rpc::detail::basic_inbox<Io>;
    using rpc::detail::item_reader<T, Io>::inbox_;

    basic_future<void, Io> end_;

public:
    /// For call_methods::stream: `end` is the answer to the call that fills `items`.
    basic_remote_range(std::shared_ptr<inbox> items, basic_future<void, Io> end)
        : rpc::detail::item_reader<T, Io>(std::move(items)), end_(std::move(end)) {
        rpc::detail::end_with(inbox_, end_);
    }
    basic_remote_range(basic_remote_range&&) noexcept = default;
    basic_remote_range& operator=(basic_remote_range&&) = delete;
    ~basic_remote_range() {
        if (inbox_) cancel();
    }

    /// Stops the function. What has arrived can still be taken, and is followed by the end.
    void cancel() {
        inbox_->close(error(reason::end_of_stream, "the stream has been left"), false);
        end_.cancel();
    }
};

template <class Target, class Io>
template <auto F, class... Args>
auto call_methods<Target, Io>::stream(Args&&... args) const {
    using item = typename function_traits<F>::result::value_type;
    const auto items =
        rpc::detail::basic_inbox<Io>::make(static_cast<basic_router<Io>&>(self().port()), rpc::detail::inbox_use::stream);
    awaited& p = begin_flow<F, rpc::detail::verb::stream>(items->open_port(self().id()), std::forward<Args>(args)...);
    return basic_remote_range<item, Io>(items, basic_future<void, Io>(&p, self().port(), self().environment()));
}

} // namespace mitogen::inline MITOGEN_ABI

// ---- mitogen/rpc/relay.hpp ----
// relay.hpp: passes items on: what a sender becomes that was received and is sent on.

namespace mitogen::inline MITOGEN_ABI {
namespace rpc::detail {

/// Passes the items of one inbox on to an outbox, undecoded, as that has credit for them. `owner` keeps the outbox open and is
/// let go at the end. Runs where items and credit arrive, normally on the loop; never waits.
template <class Io>
class relay : public std::enable_shared_from_this<relay<Io>> {
    std::shared_ptr<basic_inbox<Io>> from_;
    std::shared_ptr<basic_outbox<Io>> to_;
    std::shared_ptr<void> owner_;
    std::optional<flow_item> next_{}; // taken, and not passed on yet

public:
    relay(std::shared_ptr<basic_inbox<Io>> from, std::shared_ptr<basic_outbox<Io>> to, std::shared_ptr<void> owner)
        : from_(std::move(from)), to_(std::move(to)), owner_(std::move(owner)) {}

    void run() {
        for (;;) {
            if (std::optional<error> why = to_->closed()) return end(*why);
            if (!next_) next_ = from_->take_now();
            if (!next_) {
                if (from_->ended()) return end(error(reason::end_of_stream, "every sender is closed"));
                if (!from_->ready()) return from_->then([self = this->shared_from_this()] { self->run(); });
                continue;
            }
            if (!to_->pass_on(next_->bytes)) return to_->then([self = this->shared_from_this()] { self->run(); });
            next_.reset();
        }
    }

private:
    void end(const error& why) {
        from_->close(why);
        owner_.reset(); // the last use of the sender says its end
    }
};

} // namespace rpc::detail
} // namespace mitogen::inline MITOGEN_ABI

// ---- mitogen/rpc/channel.hpp ----
// channel.hpp: a typed queue in one context that others fill: receiver<T>, and sender<T>, which travels to them.

namespace mitogen::inline MITOGEN_ABI {

namespace rpc::detail {

/// What copies of one sender share. Its last copy closes it.
template <class Io>
class sender_state : public std::enable_shared_from_this<sender_state<Io>> {
    using inbox = basic_inbox<Io>;
    using outbox = basic_outbox<Io>;

    std::shared_ptr<inbox> made_by_; // in the context of the receiver; else null
    basic_router_core<Io>& node_;
    context_id receiver_;
    flow_address to_{};
    typename Io::mutex mutex_;
    std::shared_ptr<outbox> out_{}; // opened by the first use
    bool holds_ = false;            // the receiver waits for this: it was neither used nor sent yet

public:
    /// Of `made_by`'s receiver.
    explicit sender_state(std::shared_ptr<inbox> made_by)
        : made_by_(std::move(made_by)), node_(made_by_->node()), receiver_(node_.id()), mutex_(node_.loop().io()), holds_(true) {
        made_by_->hold();
    }
    /// One that was received.
    sender_state(basic_router_core<Io>& here, context_id receiver, flow_address to)
        : node_(here), receiver_(receiver), to_(to), mutex_(here.loop().io()) {}
    sender_state(sender_state&&) = delete;
    ~sender_state() {
        if (out_ || to_.port) use()->end();
        let_go();
    }

    basic_router_core<Io>& node() noexcept { return node_; }

    const std::shared_ptr<outbox>& use() {
        {
            const std::lock_guard lock(mutex_);
            if (out_) return out_;
            if (made_by_) to_ = made_by_->open_port(node_.id());
            out_ = outbox::open(node_, receiver_, to_);
            if (!to_.port) out_->lose(error(reason::sender_closed, "the receiver has been closed"));
        }
        let_go();
        return out_;
    }

    /// Where `user` is to send to, and in which context that is.
    std::pair<context_id, flow_address> address_for(context_id user) {
        if (made_by_) {
            const flow_address to = made_by_->open_port(user);
            let_go();
            return {receiver_, to};
        }
        // The receiver knows of this context only: what comes here is passed on.
        const auto from = inbox::make(node_, inbox_use::channel);
        const flow_address here = from->open_port(user);
        std::make_shared<relay<Io>>(from, use(), this->shared_from_this())->run();
        return {node_.id(), here};
    }

private:
    void let_go() {
        {
            const std::lock_guard lock(mutex_);
            if (!std::exchange(holds_, false)) return;
        }
        made_by_->release();
    }
};

} // namespace rpc::detail

/// The end of a channel that sends. Travels in the arguments and the result of a call, and in items; it then belongs to whoever
/// received it. Where that sends it on, its context passes the items on. Copies in one context are one sender: it closes when it
/// is told to, or its last copy goes.
///
/// Threads: any. Blocks: send(), while the receiver has all that it takes (wire::flow_window bytes under way for each sender,
/// more where the way is long).
template <class T, class Io>
class basic_sender {
    using state = rpc::detail::sender_state<Io>;

    std::shared_ptr<state> state_;

    template <class>
    friend struct codec;

public:
    using value_type = T;
    using policy = Io;

    /// One that is closed.
    basic_sender() = default;
    explicit basic_sender(std::shared_ptr<state> shared) noexcept : state_(std::move(shared)) {}

    /// Sends an item; waits while the receiver takes no more. Errors, thrown: channel_error where the channel is closed or the
    /// receiver's context is lost; overloaded_error on the loop, where it must not wait.
    void send(const T& item) const { try_send_until(item, never).value(); }

    /// The same, with the error as a value.
    result<void> try_send(const T& item) const { return try_send_until(item, never); }

    /// The same, waiting for `span` at most: 0 where it must not wait. Error: timeout.
    template <class Rep, class Period>
    result<void> try_send_for(const T& item, std::chrono::duration<Rep, Period> span) const {
        if (!state_) return nowhere();
        return try_send_until(item, after(state_->node().now(), to_ns(span)));
    }

    /// For tasks: `co_await s.async_send(item)`. The item is encoded at once. The sender must stay until then.
    rpc::detail::sending<Io> async_send(const T& item) const {
        if (!state_) raise(nowhere());
        const auto& out = state_->use();
        return {*out, rpc::detail::item_frame(out->peer(), item)};
    }

    /// Says that nothing more follows. Once the receiver has taken what was sent, and every other sender is closed too, it has
    /// reached its end.
    void close() const {
        if (state_) state_->use()->end();
    }

private:
    static error nowhere() { return error(reason::sender_closed, "this sender is connected to nothing"); }

    result<void> try_send_until(const T& item, instant deadline) const {
        if (!state_) return nowhere();
        const auto& out = state_->use();
        return out->send(rpc::detail::item_frame(out->peer(), item), deadline);
    }
};

/// The end of a channel that receives: a queue in this context. Make it, send to_sender() to those who shall fill it, and iterate
/// it.
///
/// It has reached its end when every sender that was made is closed, or gone without having been sent or used; then, at once and
/// every time, it says end_of_stream, unless a new sender is made. A sender whose context is lost is told once, as an error in
/// the place of an item, and the others go on. One that was sent with a call which did not run is never closed: close the
/// receiver.
/// Threads: one at a time. Blocks: get(), and iteration; not from functions that run on the loop.
template <class T, class Io>
class basic_receiver : public rpc::detail::item_reader<T, Io> {
    using inbox = rpc::detail::basic_inbox<Io>;
    using rpc::detail::item_reader<T, Io>::inbox_;

public:
    /// The router must outlive it.
    explicit basic_receiver(basic_router<Io>& node)
        : rpc::detail::item_reader<T, Io>(inbox::make(node, rpc::detail::inbox_use::channel)) {}
    basic_receiver(basic_receiver&&) noexcept = default;
    basic_receiver& operator=(basic_receiver&&) = delete;
    ~basic_receiver() {
        if (inbox_) close();
    }

    /// A new sender. Each has a window of its own.
    basic_sender<T, Io> to_sender() const {
        return basic_sender<T, Io>(std::make_shared<rpc::detail::sender_state<Io>>(inbox_));
    }

    /// Takes nothing any more: whoever sends is told. What has arrived can still be taken.
    void close() { inbox_->close(error(reason::end_of_stream, "the receiver has been closed")); }
};

/// A sender travels as the context, the handle and the window that it sends to. To encode it for a context opens a port for that
/// context; encoded for nobody it is closed.
template <class T, class Io>
struct codec<basic_sender<T, Io>> {
    static constexpr bool is_fixed = true;
    static constexpr std::size_t fixed_size = 16;
    static constexpr std::size_t least = 16;
    static std::size_t size(const basic_sender<T, Io>&) noexcept { return fixed_size; }
    static void encode(writer& w, const basic_sender<T, Io>& s) {
        std::pair<context_id, flow_address> where{no_context, {}};
        if (s.state_ && w.destination() != no_context) where = s.state_->address_for(w.destination());
        w.put_scalar(where.second.port ? where.first : no_context);
        w.put_scalar(where.second.port);
        w.put_scalar(where.second.window);
    }
    static bool decode(reader& r, basic_sender<T, Io>& s) {
        context_id where;
        flow_address to;
        if (!r.take_scalar(where) || !r.take_scalar(to.port) || !r.take_scalar(to.window)) return false;
        s = {};
        if (where == no_context) return true;
        const auto* place = static_cast<const decode_environment*>(r.environment());
        if (!place || place->policy != &policy_tag<Io>)
            return r.fail(
                "a sender can be decoded only where a call, its answer or an item brings it, under the same I/O policy");
        using state = rpc::detail::sender_state<Io>;
        s = basic_sender<T, Io>(std::make_shared<state>(*static_cast<basic_router<Io>*>(place->router), where, to));
        return true;
    }
    static void signature(signature_sink& out) {
        out.put("sender<");
        codec<T>::signature(out);
        out.put('>');
    }
};

} // namespace mitogen::inline MITOGEN_ABI

// ---- mitogen/rpc/select.hpp ----
// select.hpp: waits for whichever of several things is ready first.

namespace mitogen::inline MITOGEN_ABI {

/// Futures, receivers, streams and dialogs, of which some thread wants to know which is ready. A future is told once; the others
/// each time that there is an item to take, and once when they have ended. Refers to them: they must outlive it and stay where
/// they are.
///
/// Fair: what was told last comes last when several are ready. Threads: one at a time. Blocks: next() and iteration, not on the
/// loop.
class select {
    // What a source's callback reaches, which may come when the select is gone.
    struct signal {
        std::atomic<awaited*> event{nullptr}; // who waits, with a reference

        void fire() {
            if (awaited* e = event.exchange(nullptr)) {
                e->fail(error(reason::none, "ready"));
                e->release();
            }
        }
    };

public:
    /// One of the sources.
    class source {
        friend class select;
        void* object_;
        bool (*ready_)(void*);
        bool (*over_)(void*); // it will not be ready again after this
        void (*then_)(void*, unique_function<void()>, const void* key);
        void (*forget_)(void*, const void* key);
        std::shared_ptr<std::atomic<bool>> armed_ = std::make_shared<std::atomic<bool>>(false);

        template <class Source>
        explicit source(Source& from)
            : object_(&from), ready_([](void* s) { return is_ready(*static_cast<Source*>(s)); }),
              over_([](void* s) { return is_over(*static_cast<Source*>(s)); }),
              then_([](void* s, unique_function<void()> go, const void* key) {
                  arm(*static_cast<Source*>(s), std::move(go), key);
              }),
              forget_([](void* s, const void* key) { disarm(*static_cast<Source*>(s), key); }) {}

    public:
        /// True if it is `other`.
        template <class Source>
        bool is(const Source& other) const noexcept {
            return object_ == static_cast<const void*>(&other);
        }
    };

    template <class First, class... Rest>
    explicit select(First& first, Rest&... rest) : port_(&first.port()) {
        add(first);
        (add(rest), ...);
    }
    select(select&&) = delete;
    ~select() {
        for (source& s : sources_)
            if (*s.armed_) s.forget_(s.object_, signal_.get());
    }

    /// One more.
    template <class Source>
    void add(Source& from) {
        sources_.push_back(source(from));
    }

    /// How many may still become ready.
    std::size_t size() const noexcept { return sources_.size(); }

    /// Which is ready; waits for one. Its value, or its error, is then to be had from the object itself, without waiting. Errors,
    /// thrown: channel_error with reason::end_of_stream where none is left.
    source& next() { return *try_next_until(never).value(); }

    /// The same, waiting for `span` at most, with the error as a value: reason::timeout.
    template <class Rep, class Period>
    result<source*> try_next_for(std::chrono::duration<Rep, Period> span) {
        return try_next_until(after(port_->now(), to_ns(span)));
    }

    /// next() until none is left.
    class iterator {
        select* from_ = nullptr;
        source* at_ = nullptr;

    public:
        using value_type = source;
        using difference_type = std::ptrdiff_t;
        using iterator_category = std::input_iterator_tag;

        iterator() = default;
        explicit iterator(select& from) : from_(&from) { ++*this; }
        source& operator*() const noexcept { return *at_; }
        iterator& operator++() {
            const auto next = from_->try_next_until(never);
            if (!next && next.error().reason() != reason::end_of_stream) raise(next.error());
            at_ = next ? *next : nullptr;
            return *this;
        }
        void operator++(int) { ++*this; }
        friend bool operator==(const iterator& i, std::default_sentinel_t) noexcept { return i.at_ == nullptr; }
    };
    iterator begin() { return iterator(*this); }
    std::default_sentinel_t end() const noexcept { return {}; }

private:
    call_port* port_;
    std::deque<source> sources_; // the one that was told last is the last
    std::optional<source> told_; // and will not be ready again
    std::shared_ptr<signal> signal_ = std::make_shared<signal>();

    template <class Source>
    static bool is_ready(Source& s) {
        if constexpr (std::is_base_of_v<future_base, Source>) {
            return s.done();
        } else {
            return s.ready();
        }
    }
    template <class Source>
    static bool is_over(Source& s) {
        if constexpr (std::is_base_of_v<future_base, Source>) {
            return s.done();
        } else {
            return s.ended();
        }
    }

    template <class Source>
    static void arm(Source& s, unique_function<void()> go, const void* key) {
        if constexpr (std::is_base_of_v<future_base, Source>) {
            s.then(std::move(go)); // comes once, and the future keeps it until then
        } else {
            s.then(std::move(go), key);
        }
    }
    template <class Source>
    static void disarm(Source& s, const void* key) {
        if constexpr (!std::is_base_of_v<future_base, Source>) s.forget(key);
    }

    /// A source that is ready, or null.
    source* find() {
        for (auto at = sources_.begin(); at != sources_.end(); ++at) {
            if (!at->ready_(at->object_)) continue;
            source found = std::move(*at);
            sources_.erase(at);
            if (found.over_(found.object_)) return &told_.emplace(std::move(found));
            return &sources_.emplace_back(std::move(found));
        }
        return nullptr;
    }

    void arm_all() {
        for (source& s : sources_) {
            if (s.armed_->exchange(true)) continue;
            const auto go = [armed = s.armed_, wake = signal_] {
                armed->store(false);
                wake->fire();
            };
            s.then_(s.object_, go, signal_.get());
        }
    }

    result<source*> try_next_until(instant deadline) {
        for (;;) {
            if (source* ready = find()) return ready;
            if (sources_.empty()) return error(reason::end_of_stream, "nothing is left to wait for");
            if (port_->on_loop())
                return error(reason::misuse, "a function that runs on the loop waits for what only the loop could bring");
            awaited& event = port_->open_event();
            event.retain();
            signal_->event.store(&event);
            arm_all();
            const bool in_time = port_->await(event, deadline);
            if (awaited* unused = signal_->event.exchange(nullptr)) unused->release();
            if (!in_time) event.fail(error(reason::timeout, ""));
            event.release();
            if (!in_time) return error(reason::timeout, "nothing was ready before the deadline");
        }
    }
};

} // namespace mitogen::inline MITOGEN_ABI

// ---- mitogen/base/undef.hpp ----
// undef.hpp: removes the library's own macros; the umbrellas include it last. Written by tools/amalgamate.

#undef MITOGEN_ABI
#undef MITOGEN_ASAN
#undef MITOGEN_COLD
#undef MITOGEN_HAS_DESCRIBE
#undef MITOGEN_HAS_EXCEPTIONS
#undef MITOGEN_HAS_KQUEUE
#undef MITOGEN_HAS_PFR
#undef MITOGEN_HAS_RTTI
#undef MITOGEN_TSAN
