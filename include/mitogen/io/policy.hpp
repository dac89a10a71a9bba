// SPDX-License-Identifier: BSL-1.0
#pragma once
// policy.hpp: what the library needs from the world: time, threads, blocking and readiness, as one
// bag that can be exchanged.
//
// The bag is an object: cheap to copy, empty for the native ones, a handle to its world for the
// simulated one. Everything above os/ and io/ takes it as a template parameter `Io` and gets these
// things from nowhere else; that is why a whole tree of contexts can run in one process under
// virtual time. The concept is made of named parts, so that a diagnostic names the part that is
// missing.

#include <mitogen/base/config.hpp>
#include <mitogen/base/error.hpp>
#include <mitogen/base/function.hpp>
#include <mitogen/base/result.hpp>
#include <mitogen/base/time.hpp>
#include <mitogen/os/process/process.hpp>

#include <concepts>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <type_traits>

#include <sys/uio.h>

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

/// Child processes: `Io::process`, as os::kill_on_destroy_process describes.
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

/// Starting them: `io.spawn(options)` as os::spawn describes.
template <class Io>
concept has_spawn = requires(Io io, const os::spawn_options& options) {
    { io.spawn(options) } -> std::same_as<result<typename Io::process>>;
};

/// Time: `io.now()`, monotonic nanoseconds from an arbitrary start; any thread.
template <class Io>
concept has_clock = requires(Io io) {
    { io.now() } -> std::same_as<instant>;
};

/// Who is running: `io.self()`, different for every two threads that exist at the same time.
/// `io.relax()`: a pause inside a spin.
template <class Io>
concept has_identity = requires(Io io) {
    { io.self() } -> std::same_as<const void*>;
    io.relax();
};

/// Bytes: read, readv, write, writev with the results of os::read and its siblings: a count, or
/// -errno.
template <class Io>
concept has_transfer = requires(Io io, int fd, void* to, const void* from, std::size_t size,
                                const ::iovec* parts, int count) {
    { io.read(fd, to, size) } -> std::same_as<long>;
    { io.readv(fd, parts, count) } -> std::same_as<long>;
    { io.write(fd, from, size) } -> std::same_as<long>;
    { io.writev(fd, parts, count) } -> std::same_as<long>;
};

/// May be left out. `io.unread(fd)`: bytes that were written to a descriptor and that the other end
/// has not read yet, 0 if that is not known: what one child sends to another one is then kept back
/// while much of it lies unread.
template <class Io>
concept has_unread = requires(Io io, int fd) {
    { io.unread(fd) } -> std::same_as<std::size_t>;
};

/// The same for who has nothing else to do: `io.read_waiting(fd, to, size)` sleeps until there is
/// something, also if the descriptor is nonblocking: a count, 0 at the end, or -errno.
/// `io.write_all(fd, from, size)` sleeps until everything is written; false on failure. Only the
/// calling thread sleeps.
template <class Io>
concept has_blocking_transfer = requires(Io io, int fd, void* to, const void* from,
                                         std::size_t size) {
    { io.read_waiting(fd, to, size) } -> std::same_as<long>;
    { io.write_all(fd, from, size) } -> std::same_as<bool>;
};

/// Pipes: `io.pipe(read_end, write_end)` makes one: both ends blocking, close-on-exec, and above 2,
/// where standard input, output and error cannot be mistaken for them; if it fails (-errno) both
/// are empty. `io.set_nonblocking(fd, on)`: 0 or -errno. `io.enlarge(fd)`: a hint that a pipe
/// should hold more; never fails.
template <class Io>
concept has_pipe = requires(Io io, typename Io::descriptor& read_end,
                            typename Io::descriptor& write_end, int fd) {
    { io.pipe(read_end, write_end) } -> std::same_as<long>;
    { io.set_nonblocking(fd, true) } -> std::same_as<long>;
    io.enlarge(fd);
};

/// May be left out. `io.copies()`: as os::copies.
template <class Io>
concept counts_copies = requires(Io io) {
    { io.copies() } -> std::same_as<unsigned>;
};

/// The process that this runs in. `io.own_pid()`: its number. `io.own_name()`: who and where it is,
/// for people: "user@host:pid". `io.can_spawn_self()`: true if this program, started once more,
/// knows that it is a child: once it has called mitogen::init. `io.signal_self(signal)`.
/// `io.set_title(title)`: what ps and top show; once, on the main thread. `io.leave_session()`:
/// leaves the terminal and the standard error of whoever started it.
template <class Io>
concept has_own_process = requires(Io io, int signal, const std::string& title) {
    { io.own_pid() } -> std::same_as<int>;
    { io.own_name() } -> std::same_as<std::string>;
    { io.can_spawn_self() } -> std::same_as<bool>;
    io.signal_self(signal);
    io.set_title(title);
    io.leave_session();
};

/// What this process prints. `io.capture_stdout()`: from now on it goes into a pipe; returns the
/// end to read from, or nothing, then nothing is captured. `io.release_stdout()`: flushes what is
/// buffered and closes this process's end of that pipe; what is printed from now on goes to stderr.
template <class Io>
concept has_stdout = requires(Io io) {
    { io.capture_stdout() } -> std::same_as<typename Io::descriptor>;
    io.release_stdout();
};

/// True for policies whose processes can be copied by fork(2): `Io::can_fork` is true, and
/// `Io::process(pid)` takes the copy over. Only such routers have fork(). No part of what every
/// policy must have.
template <class Io>
concept can_fork = Io::can_fork && std::constructible_from<typename Io::process, int>;

/// True for policies whose descriptors are the kernel's, so that programs can join through its
/// sockets: only such routers have listen(). No part of what every policy must have.
template <class Io>
concept has_local_sockets =
    Io::has_local_sockets && std::constructible_from<typename Io::descriptor, int>;

/// True for policies whose processes can be started at a terminal: `io.open_pty(pty&)`, as
/// os::open_pty. With others a program that asks questions at its terminal is started without one.
/// No part of what every policy must have.
template <class Io>
concept has_terminals = Io::has_terminals && std::constructible_from<typename Io::descriptor, int>;

/// True for policies that know whether another process is held, by a debugger or because it was
/// stopped, and which process has started this one: `io.is_held(pid, top)` as os::is_held,
/// `io.parent_pid()`. A link to one that is held does not count as silent. No part of what every
/// policy must have.
template <class Io>
concept knows_held = requires(const Io io, int pid) {
    { io.is_held(pid, pid) } -> std::same_as<bool>;
    { io.parent_pid() } -> std::same_as<int>;
};

/// True for policies that have numbers which nobody can guess: `io.random_number()`, 64 bits. It
/// may be slow; a router asks a few times. Of others the clock is taken. No part of what every
/// policy must have.
template <class Io>
concept has_random_numbers = requires(const Io io) {
    { io.random_number() } -> std::same_as<std::uint64_t>;
};

/// Readiness: `Io::poller`. One descriptor, one registration; level-triggered.
///
/// add, modify: 0 or -errno. `interest::none` keeps a descriptor registered and reports nothing
/// about it, not even a failure. A descriptor that has failed or hung up is reported ready for
/// whatever was asked, and may be for what was not: ignore that. remove: before the descriptor is
/// closed; unknown ones are ignored. wait: see there. recreate: in the child after fork; nothing is
/// registered afterwards. wait and recreate belong to one thread at a time;
/// `Io::poller::any_thread_registers` says whether add, modify and remove may run beside a wait.
/// wait(out, capacity, timeout): number of events written; 0 on timeout (ns; negative: no limit; a
/// signal may end it early); -errno only if the poller itself is broken.
template <class Io>
concept has_poller = std::constructible_from<typename Io::poller, Io&> &&
    requires(typename Io::poller p, int fd, std::uint64_t token, interest i, event* out,
             duration_ns timeout) {
    { Io::poller::has_gate } -> std::convertible_to<bool>;
    { p.add(fd, token, i) } -> std::same_as<long>;
    { p.modify(fd, token, i) } -> std::same_as<long>;
    p.remove(fd);
    { p.wait(out, fd, timeout) } -> std::same_as<int>;
    p.recreate();
};

/// The gate, of pollers whose `has_gate` is true: lets one thread (the I/O thread) sleep
/// undisturbed while another drives the poller.
///
/// wait_gate(timeout) sleeps until the gate is open and the poller has something ready (true),
/// until kick_gate() (true, even though the gate is closed; one kick is one return), or until the
/// timeout (false). Another thread may be in wait() meanwhile. open_gate, close_gate and kick_gate:
/// any thread, no effect on each other's threads but the I/O thread's wake-up. A new poller's gate
/// is open; recreate() opens it.
template <class Io>
concept has_usable_gate =
    !Io::poller::has_gate || requires(typename Io::poller p, duration_ns timeout) {
    p.open_gate();
    p.close_gate();
    p.kick_gate();
    { p.wait_gate(timeout) } -> std::same_as<bool>;
};

/// Not part of a policy, but of pollers with a gate that some other loop may drive: fd() is a
/// descriptor that is readable while wait() would not sleep, and from the moment on that
/// set_alarm() was given last. open_alarm(), once, before that: 0 or -errno.
template <class Io>
concept has_outer_loop = Io::poller::has_gate && requires(typename Io::poller p, instant at) {
    { p.open_alarm() } -> std::same_as<long>;
    p.set_alarm(at);
    { p.fd() } -> std::same_as<int>;
};

/// Interrupting a poller: `Io::waker`. fd() is readable from the first wake() until drain(); wakes
/// in between coalesce. wake() may be called by any thread and never blocks. recreate(): in the
/// child after fork, which would otherwise share it.
template <class Io>
concept has_waker = std::constructible_from<typename Io::waker, Io&> &&
    requires(typename Io::waker w) {
    { w.fd() } -> std::same_as<int>;
    { w.wake() }
    noexcept;
    { w.drain() }
    noexcept;
    w.recreate();
};

/// How a thread sleeps: `Io::parker`, holding at most one token. unpark() puts it there, from any
/// thread; park() and park_until() take it, on one thread, and sleep until it is there.
/// park_until(deadline): false if the deadline came first. Holds no descriptor.
template <class Io>
concept has_parker = std::constructible_from<typename Io::parker, Io&> &&
    requires(typename Io::parker p, instant deadline) {
    p.park();
    { p.park_until(deadline) } -> std::same_as<bool>;
    { p.unpark() }
    noexcept;
};

/// Mutual exclusion: `Io::mutex`, not recursive; usable with std::lock_guard.
template <class Io>
concept has_mutex = std::constructible_from<typename Io::mutex, Io&> &&
    requires(typename Io::mutex m) {
    m.lock();
    { m.try_lock() } -> std::same_as<bool>;
    m.unlock();
};

/// Threads: `Io::thread(io, name, body)` starts one with all signals blocked; the destructor joins.
template <class Io>
concept has_thread = std::default_initializable<typename Io::thread> &&
    std::movable<typename Io::thread> &&
    std::constructible_from<typename Io::thread, Io&, const char*, unique_function<void()>> &&
    requires(typename Io::thread t, const typename Io::thread c) {
    t.join();
    { c.joinable() } -> std::same_as<bool>;
};

/// The whole bag.
template <class Io>
concept policy = std::copyable<Io> && has_descriptor<Io> && has_process<Io> && has_spawn<Io> &&
    has_clock<Io> && has_identity<Io> && has_transfer<Io> && has_blocking_transfer<Io> &&
    has_pipe<Io> && has_own_process<Io> && has_stdout<Io> && has_poller<Io> &&
    has_usable_gate<Io> && has_waker<Io> && has_parker<Io> && has_mutex<Io> && has_thread<Io>;

} // namespace io
} // namespace mitogen::inline MITOGEN_ABI
