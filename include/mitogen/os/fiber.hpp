// SPDX-License-Identifier: BSL-1.0
#pragma once
// fiber.hpp: stacks that one thread switches between by hand.

#include <mitogen/base/config.hpp>
#include <mitogen/base/error.hpp>
#include <mitogen/base/function.hpp>
#include <mitogen/os/failure.hpp>

#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <utility>

#include <cxxabi.h>
#include <sys/mman.h>
#include <ucontext.h>

#if MITOGEN_ASAN
#include <sanitizer/asan_interface.h>
#include <sanitizer/common_interface_defs.h>
#include <sanitizer/lsan_interface.h>
#endif
#if MITOGEN_TSAN
#include <sanitizer/tsan_interface.h>
#endif

namespace mitogen::inline MITOGEN_ABI {
namespace os {

/// Memory for one fiber's stack, with a page below it that must not be touched. Pages are taken
/// from the system as they are used. Throws: error(kind::overloaded) if there is no address space
/// or mapping left.
class fiber_stack {
    static constexpr std::size_t guard = 4096 * 4; // a page on every common machine

    void* base_ = nullptr;
    std::size_t size_ = 0; // without the guard

public:
    fiber_stack() = default;
    // delegating: if the rest throws, the destructor runs
    explicit fiber_stack(std::size_t size) : fiber_stack() {
        void* const got = ::mmap(nullptr, guard + size, PROT_READ | PROT_WRITE,
                                 MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
        if (got == MAP_FAILED) raise(failure("mmap of a fiber's stack", -errno));
        base_ = got;
        size_ = size;
        if (::mprotect(base_, guard, PROT_NONE) < 0)
            raise(failure("mprotect of a fiber's stack", -errno));
    }
    fiber_stack(fiber_stack&& other) noexcept
        : base_(std::exchange(other.base_, nullptr)), size_(std::exchange(other.size_, 0)) {}
    fiber_stack& operator=(fiber_stack&& other) noexcept {
        std::swap(base_, other.base_);
        std::swap(size_, other.size_);
        return *this;
    }
    ~fiber_stack() {
        if (base_) static_cast<void>(::munmap(base_, guard + size_));
    }

    void* low() const noexcept { return static_cast<char*>(base_) + guard; }
    std::size_t size() const noexcept { return size_; }
};

/// A function with a stack of its own, which runs while resume() does and stops where it says
/// suspend(). By ucontext(3), whose switch costs two system calls (about 0.4 µs).
///
/// What the C++ runtime keeps per thread about exceptions is kept per fiber: a fiber may be
/// suspended inside a catch block. AddressSanitizer and ThreadSanitizer are told of every switch.
/// Threads: all on one, always the same. An exception must not leave the body. A fiber that is
/// destroyed before its body has ended is dropped: neither the body nor anything on its stack is
/// destroyed, as if its process had been killed. LeakSanitizer does not report what such a stack
/// refers to.
class fiber {
    struct exceptions { // __cxa_eh_globals of the Itanium C++ ABI, 2.2.2
        void* caught = nullptr;
        unsigned int uncaught = 0;
    };

    ::ucontext_t inside_;
    ::ucontext_t outside_;
    fiber_stack stack_;
    unique_function<void()> body_;
    exceptions kept_;
    bool finished_ = false;
#if MITOGEN_ASAN
    void* fake_inside_ = nullptr;
    void* fake_outside_ = nullptr;
    const void* outside_low_ = nullptr;
    std::size_t outside_size_ = 0;
#endif
#if MITOGEN_TSAN
    void* tsan_inside_ = ::__tsan_create_fiber(0);
    void* tsan_outside_ = nullptr;
#endif

    void swap_exceptions() noexcept {
        void* const current = ::abi::__cxa_get_globals();
        exceptions theirs;
        std::memcpy(&theirs, current, sizeof theirs);
        std::memcpy(current, &kept_, sizeof kept_);
        kept_ = theirs;
    }

    static void enter(unsigned high, unsigned low) {
        auto* const self = reinterpret_cast<fiber*>(
            static_cast<std::uintptr_t>(static_cast<std::uint64_t>(high) << 32 | low));
        self->entered();
        self->body_();
        self->body_.reset(); // what it holds may say suspend() in a destructor
        self->finished_ = true;
        self->leave(true);
    }

    void entered() noexcept {
#if MITOGEN_ASAN
        ::__sanitizer_finish_switch_fiber(fake_inside_, &outside_low_, &outside_size_);
#endif
    }

    void leave([[maybe_unused]] bool for_ever) noexcept {
        swap_exceptions();
#if MITOGEN_TSAN
        ::__tsan_switch_to_fiber(tsan_outside_, 0);
#endif
#if MITOGEN_ASAN
        ::__sanitizer_start_switch_fiber(for_ever ? nullptr : &fake_inside_, outside_low_,
                                         outside_size_);
#endif
        static_cast<void>(::swapcontext(&inside_, &outside_));
        entered();
    }

    void drop() {
        finished_ = true;
        auto* const left = new unique_function<void()>(std::move(body_));
        static_cast<void>(left);
#if MITOGEN_ASAN
        ::__lsan_ignore_object(left);
        forgive(left, sizeof *left);
        forgive(&inside_, sizeof inside_); // registers
        if (!stack_.size()) return;
        const char* const top = static_cast<const char*>(stack_.low()) + stack_.size();
        const auto* const end = reinterpret_cast<const char*>(stack_pointer());
        forgive(end, static_cast<std::size_t>(top - end));
        ::__asan_unpoison_memory_region(stack_.low(), stack_.size()); // it may be used again
#endif
    }

#if MITOGEN_ASAN
    /// The end of the suspended stack: the lowest word of the registers that points into it.
    std::uintptr_t stack_pointer() const noexcept {
        const auto low = reinterpret_cast<std::uintptr_t>(stack_.low());
        std::uintptr_t found = low + stack_.size();
        for (std::size_t at = 0; at + sizeof(std::uintptr_t) <= sizeof inside_.uc_mcontext;
             at += sizeof(std::uintptr_t)) {
            std::uintptr_t word = 0;
            std::memcpy(&word, reinterpret_cast<const char*>(&inside_.uc_mcontext) + at,
                        sizeof word);
            if (word >= low && word < found) found = word;
        }
        return found & ~std::uintptr_t{15};
    }

    /// Everything that these bytes point to is left in place on purpose, also by way of frames
    /// that AddressSanitizer keeps elsewhere.
    __attribute__((no_sanitize("address"))) void forgive(const void* from, std::size_t size,
                                                         int depth = 0) const {
        for (std::size_t at = 0; at + sizeof(void*) <= size; at += sizeof(void*)) {
            const void* const word =
                *reinterpret_cast<const void* const*>(static_cast<const char*>(from) + at);
            if (reinterpret_cast<std::uintptr_t>(word) < 4096) continue;
            void* begin = nullptr;
            void* end = nullptr;
            if (depth == 0 && fake_inside_ &&
                ::__asan_addr_is_in_fake_stack(fake_inside_, const_cast<void*>(word), &begin,
                                               &end)) {
                forgive(
                    begin,
                    static_cast<std::size_t>(static_cast<char*>(end) - static_cast<char*>(begin)),
                    1);
            } else {
                ::__lsan_ignore_object(word);
            }
        }
    }
#endif

public:
    fiber(fiber_stack stack, unique_function<void()> body)
        : stack_(std::move(stack)), body_(std::move(body)) {
        static_cast<void>(::getcontext(&inside_));
        inside_.uc_stack.ss_sp = stack_.low();
        inside_.uc_stack.ss_size = stack_.size();
        inside_.uc_link = nullptr;
        // makecontext() passes ints only
        const auto self = static_cast<std::uint64_t>(reinterpret_cast<std::uintptr_t>(this));
        ::makecontext(&inside_, reinterpret_cast<void (*)()>(&enter), 2,
                      static_cast<unsigned>(self >> 32), static_cast<unsigned>(self));
    }
    fiber(fiber&&) = delete;
    ~fiber() {
        if (!finished_) drop();
#if MITOGEN_TSAN
        ::__tsan_destroy_fiber(tsan_inside_);
#endif
    }

    /// Runs it until its next suspend(), or its end.
    void resume() {
        swap_exceptions();
#if MITOGEN_TSAN
        tsan_outside_ = ::__tsan_get_current_fiber();
        ::__tsan_switch_to_fiber(tsan_inside_, 0);
#endif
#if MITOGEN_ASAN
        ::__sanitizer_start_switch_fiber(&fake_outside_, stack_.low(), stack_.size());
#endif
        static_cast<void>(::swapcontext(&outside_, &inside_));
#if MITOGEN_ASAN
        ::__sanitizer_finish_switch_fiber(fake_outside_, nullptr, nullptr);
#endif
    }

    /// Inside the fiber: goes back to whoever resumed it.
    void suspend() { leave(false); }

    /// True once the body has returned.
    bool finished() const noexcept { return finished_; }

    /// The stack of a fiber that is not needed any more, for another one. A fiber that has not
    /// ended is dropped.
    fiber_stack take_stack() noexcept {
        if (!finished_) drop();
        return std::move(stack_);
    }
};

} // namespace os
} // namespace mitogen::inline MITOGEN_ABI
