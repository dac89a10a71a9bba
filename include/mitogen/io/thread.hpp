// SPDX-License-Identifier: BSL-1.0
#pragma once
// thread.hpp: the thread that the native policies share.

#include <mitogen/base/config.hpp>
#include <mitogen/base/error.hpp>
#include <mitogen/base/function.hpp>
#include <mitogen/io/construction.hpp>
#include <mitogen/os/failure.hpp>
#include <mitogen/os/fault.hpp>
#include <mitogen/os/process/crash.hpp>
#include <mitogen/os/process/signal.hpp>

#include <cerrno>
#include <cstring>
#include <memory>
#include <type_traits>
#include <utility>

#include <pthread.h>
#if defined(__FreeBSD__) && __has_include(<pthread_np.h>)
#include <pthread_np.h>
#endif

namespace mitogen::inline MITOGEN_ABI {
namespace io {

/// A thread of the library. It runs with all signals blocked, so that the program's handlers run on
/// the program's threads.
///
/// An exception that leaves the body ends the program. The destructor joins.
/// Throws: error(kind::overloaded) if the machine allows no further thread.
class posix_thread {
    ::pthread_t handle_{};
    bool joinable_ = false;

    struct start {
        char name[16];
        unique_function<void()> body;
    };

    static void* run(void* argument) noexcept {
        const std::unique_ptr<start> s(static_cast<start*>(argument));
        // Each system names the calling thread in its own way; the ones that are missing here leave
        // it unnamed.
#if defined(__APPLE__) && __has_include(<mach/mach.h>)
        static_cast<void>(::pthread_setname_np(s->name));
#elif defined(__linux__) || (defined(__FreeBSD__) && __has_include(<pthread_np.h>))
        static_cast<void>(::pthread_setname_np(::pthread_self(), s->name));
#endif
        if (const auto begin = os::detail::at_thread_begin.load()) begin();
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
        const os::block_all_signals inherited;
        const long rc = os::checked("pthread_create", -1, [&] {
            errno = ::pthread_create(&handle_, nullptr, &run, s.get());
            return errno == 0 ? 0 : -1;
        });
        if (rc < 0) { // EAGAIN: no further thread
            mitogen::detail::construction::fail(
                rc == -EAGAIN
                    ? error(reason::overloaded, "pthread_create: " + os::errno_text(EAGAIN))
                    : os::failure("pthread_create", rc));
            return;
        }
        static_cast<void>(s.release());
        joinable_ = true;
    }
    posix_thread(posix_thread&& other) noexcept
        : handle_(other.handle_), joinable_(std::exchange(other.joinable_, false)) {}
    posix_thread& operator=(posix_thread&& other) noexcept {
        if (this != &other) {
            join();
            handle_ = other.handle_;
            joinable_ = std::exchange(other.joinable_, false);
        }
        return *this;
    }
    ~posix_thread() { join(); }

    /// Waits for its end; at once if there is no thread.
    void join() noexcept {
        if (std::exchange(joinable_, false)) static_cast<void>(::pthread_join(handle_, nullptr));
    }

    /// True while it has been neither joined nor forgotten.
    bool joinable() const noexcept { return joinable_; }

    /// In the child after fork, if the thread does not exist: nothing is left to join.
    void forget() noexcept { joinable_ = false; }
};

static_assert(std::is_nothrow_move_assignable_v<posix_thread> &&
              !std::is_copy_constructible_v<posix_thread>);

} // namespace io
} // namespace mitogen::inline MITOGEN_ABI
