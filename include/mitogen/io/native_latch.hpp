// SPDX-License-Identifier: BSL-1.0
#pragma once
// native_latch.hpp: the latch of a program's own threads.

#include <mitogen/base/config.hpp>
#include <mitogen/base/time.hpp>
#include <mitogen/os/call.hpp>
#include <mitogen/os/mutex.hpp>
#include <mitogen/os/thread/parker.hpp>
#include <mitogen/sync/latch.hpp>

namespace mitogen::inline MITOGEN_ABI {
namespace io {

/// How a program's threads exclude and put to sleep one another, without a loop.
struct native_threads {
    using mutex = posix_mutex;
    using parker = posix_parker;
    struct waker {
        void wake() noexcept {}
    };

    const void* self() const noexcept {
        static thread_local char here;
        return &here;
    }
    instant now() const noexcept { return os::monotonic_now(); }
    void relax() const noexcept {}
};

/// The one that every latch refers to.
inline native_threads threads_of_this_program;

} // namespace io

/// A queue that hands each item to exactly one thread: see basic_latch.
template <class T>
class latch : public basic_latch<T, io::native_threads> {
public:
    latch() : basic_latch<T, io::native_threads>(io::threads_of_this_program) {}
};

} // namespace mitogen::inline MITOGEN_ABI
