// SPDX-License-Identifier: BSL-1.0
#pragma once
// crash_report.hpp: has a process that a fault or abort() ends say on stderr where it was.

#include <mitogen/base/config.hpp>
#include <mitogen/base/error_detail.hpp>
#include <mitogen/os/process/backtrace.hpp>
#include <mitogen/os/process/crash.hpp>
#include <mitogen/os/process/signal.hpp>
#include <mitogen/os/program/loaded_modules.hpp>
#include <mitogen/os/thread/thread_number.hpp>

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <string_view>
#include <vector>

#include <signal.h>
#include <sys/mman.h>
#include <unistd.h>

namespace mitogen::inline MITOGEN_ABI {
namespace os {

/// What a report begins with: "mitogen crash: signal 11, SIGSEGV, address 0x10, thread 4711".
inline constexpr std::string_view crash_mark = "mitogen crash: signal ";
/// Each of its frames: "mitogen frame: 0x12ab r BUILD-ID PATH". "r" if it is what a call returns
/// to, else "i"; "-" for an id that there is not; no path: the program itself.
inline constexpr std::string_view crash_frame_mark = "mitogen frame: ";
/// So many at most.
inline constexpr std::size_t most_crash_frames = 64;

namespace detail {

/// One line, made where nothing may be allocated; what is too long is cut off.
class crash_line {
    char text_[512]; // PIPE_BUF at least, by POSIX: such lines arrive whole
    std::size_t size_ = 0;

public:
    crash_line& operator<<(std::string_view more) noexcept {
        for (const char c : more)
            if (size_ < sizeof text_ - 1) text_[size_++] = c;
        return *this;
    }
    crash_line& number(std::uint64_t n, unsigned base) noexcept {
        char digits[20];
        std::size_t at = sizeof digits;
        do digits[--at] = "0123456789abcdef"[n % base];
        while ((n /= base) != 0);
        return *this << std::string_view(digits + at, sizeof digits - at);
    }
    /// False if nobody takes it.
    bool write() noexcept {
        constexpr int patience = 1000; // ms
        text_[size_++] = '\n';
        return wait_in_handler(2, POLLOUT, patience) && ::write(2, text_, size_) > 0;
    }
};

/// The signal that ends the process if a report takes too long. Written by a signal handler.
inline constinit std::atomic<int> crash_signal{0};
inline constinit std::atomic<bool> crash_told{false};
/// As it was when this process began to report. Read by a signal handler, so never destroyed.
inline constinit std::atomic<const std::vector<loaded_module>*> crash_modules{nullptr};

/// The report hangs: the unwinder may wait for a lock that the dead thread has.
inline void end_report(int) noexcept { raise_default(crash_signal.load()); }

inline void limit_report(int number) noexcept {
    constexpr unsigned most_seconds = 2;
    crash_signal.store(number);
    struct ::sigaction limit {};
    limit.sa_handler = &end_report;
    ::sigemptyset(&limit.sa_mask);
    limit.sa_flags = static_cast<int>(SA_ONSTACK);
    static_cast<void>(::sigaction(SIGALRM, &limit, nullptr));
    unblock_signal(SIGALRM);
    static_cast<void>(::alarm(most_seconds));
}

inline bool write_crash_frame(const code_address& where) noexcept {
    const std::uintptr_t code = where.value - (where.is_return ? 1 : 0);
    const loaded_module* const found = module_of(*crash_modules.load(), code);
    crash_line line;
    (line << crash_frame_mark << "0x").number(where.value - (found ? found->base : 0), 16);
    line << (where.is_return ? " r " : " i ");
    line << (found && !found->build_id.empty() ? std::string_view(found->build_id) : "-") << " "
         << (found ? std::string_view(found->path) : "[unknown]");
    return line.write();
}

/// In a signal handler. Allocates nothing, and takes no lock of the program.
inline void report_crash(int number, const ::siginfo_t* info) noexcept {
    constexpr int patience = 2000; // of a millisecond, while another thread reports
    static constinit std::atomic<bool> begun{false};
    if (begun.exchange(true)) {
        for (int i = 0; i < patience && !crash_told.load(); ++i)
            static_cast<void>(wait_in_handler(-1, 0, 1));
        return;
    }
    limit_report(number);
    crash_line head;
    (head << crash_mark).number(static_cast<unsigned>(number), 10);
    head << mitogen::detail::signal_suffix(number);
    // of SI_KERNEL, as at addresses that no pointer can be, it is not known
    if (info && info->si_code > 0 && info->si_code < 0x80 && number != SIGABRT)
        (head << ", address 0x").number(reinterpret_cast<std::uintptr_t>(info->si_addr), 16);
    (head << ", thread ").number(thread_number(), 10);
    bool heard = head.write();

    constexpr std::size_t most_of_handler = 8;
    code_address all[most_crash_frames + most_of_handler];
    const std::size_t count = walk_stack(all);
    std::size_t first = 0; // what a signal came at is no return address: before it is the handler
    while (first < count && all[first].is_return) ++first;
    if (first == count) first = 0;
    for (std::size_t i = first; heard && i < count && i - first < most_crash_frames; ++i)
        heard = write_crash_frame(all[i]);
    static_cast<void>(::alarm(0));
    crash_told.store(true);
}

/// The stack on which a thread's handlers run when its own is used up.
class alternate_stack {
    void* memory_ = nullptr;
    std::size_t size_ = 128 * 1024; // more than kernels ask for the registers of any processor

public:
    alternate_stack() noexcept {
        ::stack_t now{};
        if (::sigaltstack(nullptr, &now) != 0 || !(now.ss_flags & SS_DISABLE)) return; // another's
        void* const made = ::mmap(nullptr, size_, PROT_READ | PROT_WRITE,
                                  MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        if (made == MAP_FAILED) return;
        memory_ = made;
        now.ss_sp = memory_;
        now.ss_size = size_;
        now.ss_flags = 0;
        static_cast<void>(::sigaltstack(&now, nullptr));
    }
    alternate_stack(const alternate_stack&) = delete;
    ~alternate_stack() {
        if (!memory_) return;
        ::stack_t now{};
        if (::sigaltstack(nullptr, &now) != 0 || now.ss_sp != memory_) return;
        now.ss_flags = static_cast<int>(SS_DISABLE);
        if (::sigaltstack(&now, nullptr) == 0) static_cast<void>(::munmap(memory_, size_));
    }
};

} // namespace detail

/// Has the calling thread report the end of its stack too, which handlers can't run on. Until it
/// ends. Threads: any.
inline void give_alternate_stack() noexcept {
    static thread_local const detail::alternate_stack mine;
    static_cast<void>(mine);
}

/// From now on a fault or abort() in any thread of this process is reported on stderr, unless the
/// program has a handler of its own or a sanitizer reports it; then it ends as it would have.
/// Libraries that are loaded later have no names there. Threads: one at a time.
template <class = void> // compiled where it is used
MITOGEN_COLD void report_crashes() {
    if (MITOGEN_ASAN || MITOGEN_TSAN) return;
    if (!detail::crash_modules.load())
        detail::crash_modules.store(new std::vector<loaded_module>(loaded_modules()));
    code_address loads_the_unwinder[1];
    static_cast<void>(walk_stack(loads_the_unwinder));
    give_alternate_stack();
    detail::at_thread_begin.store(&give_alternate_stack);
    detail::at_crash.report.store(&detail::report_crash);
    if (!detail::at_crash.handled.exchange(true)) detail::handle_crashes();
}

} // namespace os
} // namespace mitogen::inline MITOGEN_ABI
