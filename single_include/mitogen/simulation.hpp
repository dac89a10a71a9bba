// SPDX-License-Identifier: BSL-1.0
#pragma once
// mitogen 0.1.0, simulated worlds in one file. Written by tools/amalgamate from include/; do not edit.

#include <mitogen/mitogen.hpp>

#include <algorithm>
#include <cerrno>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <deque>
#include <exception>
#include <iterator>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <tuple>
#include <utility>
#include <vector>
#include <version>

#include <cxxabi.h>
#include <sys/mman.h>
#include <ucontext.h>

// ---- mitogen/base/config.hpp ----
// config.hpp: what the compiler, the platform and the optional libraries offer, decided once.
//
// Macros set here are internal and are undefined again by the umbrella headers; that is why this
// file has no guard. A user may set, for the whole program:
//   MITOGEN_NO_PFR, MITOGEN_NO_DESCRIBE   do without Boost.PFR or Boost.Describe although they are
//                                         on the include path
// The choice is part of the inline namespace: two translation units that disagree do not link into
// one silent mixture.

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

// The inline namespace: v<major>_<minor>_ and a letter for each choice that changes what a class
// holds or a function takes: p (PFR), d (Describe), t (ThreadSanitizer, under which a mutex is
// another), g (the containers of the standard library that check), n (a standard library without
// stop tokens), s (the core is compiled in a file of its own).
#if MITOGEN_HAS_PFR
#define MITOGEN_TAG_PFR p
#else
#define MITOGEN_TAG_PFR
#endif
#if MITOGEN_HAS_DESCRIBE
#define MITOGEN_TAG_DESCRIBE d
#else
#define MITOGEN_TAG_DESCRIBE
#endif
#if MITOGEN_TSAN
#define MITOGEN_TAG_TSAN t
#else
#define MITOGEN_TAG_TSAN
#endif
#if defined(_GLIBCXX_DEBUG)
#define MITOGEN_TAG_CONTAINERS g
#else
#define MITOGEN_TAG_CONTAINERS
#endif
#if defined(__cpp_lib_jthread)
#define MITOGEN_TAG_STOP
#else
#define MITOGEN_TAG_STOP n
#endif
#if defined(MITOGEN_SOURCE) || defined(MITOGEN_SEPARATE)
#define MITOGEN_TAG_MODE s
#else
#define MITOGEN_TAG_MODE
#endif
#define MITOGEN_PASTE(a, b, c, d, e, f) v0_1_##a##b##c##d##e##f
#define MITOGEN_TAG(...) MITOGEN_PASTE(__VA_ARGS__) // the letters in the place of their macros
#define MITOGEN_ABI                                                                                \
    MITOGEN_TAG(MITOGEN_TAG_PFR, MITOGEN_TAG_DESCRIBE, MITOGEN_TAG_TSAN, MITOGEN_TAG_CONTAINERS,   \
                MITOGEN_TAG_STOP, MITOGEN_TAG_MODE)

#define MITOGEN_COLD [[gnu::cold, gnu::noinline]]

// Functions of the core that the fronts declare. MITOGEN_SOURCE and MITOGEN_SEPARATE are for the
// whole program: one file of it holds the core (MITOGEN_SOURCE, or it links mitogen::compiled), all
// others only call (MITOGEN_SEPARATE). Part of the inline namespace too.
#if defined(MITOGEN_SOURCE) && defined(MITOGEN_SEPARATE)
#error "mitogen: MITOGEN_SOURCE is for the one file with the core, MITOGEN_SEPARATE for the others"
#endif
#if defined(MITOGEN_SOURCE)
#define MITOGEN_INLINE
#else
#define MITOGEN_INLINE inline
#endif

// ---- mitogen/os/fiber.hpp ----
// fiber.hpp: stacks that one thread switches between by hand.

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

// ---- mitogen/simulation/chooser.hpp ----
// chooser.hpp: who decides, if a simulated world can go on in more than one way.

namespace mitogen::inline MITOGEN_ABI {
namespace simulation {

/// Numbers that look random and follow from a seed: SplitMix64 (Steele, Lea, Flood: "Fast
/// splittable pseudorandom number generators", OOPSLA 2014). The same on every machine. Threads:
/// one.
class random {
    std::uint64_t state_;

public:
    explicit random(std::uint64_t seed) noexcept : state_(seed) {}

    std::uint64_t next() noexcept {
        std::uint64_t z = (state_ += 0x9E37'79B9'7F4A'7C15u);
        z = (z ^ (z >> 30)) * 0xBF58'476D'1CE4'E5B9u;
        z = (z ^ (z >> 27)) * 0x94D0'49BB'1331'11EBu;
        return z ^ (z >> 31);
    }

    /// 0 to count - 1; `count` must not be 0.
    std::uint64_t below(std::uint64_t count) noexcept { return next() % count; }

    /// True with probability `p`.
    bool chance(double p) noexcept {
        return p > 0 && static_cast<double>(next() >> 11) * 0x1p-53 < p;
    }

    /// Between `least` and `most`, both included.
    std::int64_t between(std::int64_t least, std::int64_t most) noexcept {
        return most <= least ? least
                             : least + static_cast<std::int64_t>(
                                           below(static_cast<std::uint64_t>(most - least) + 1));
    }
};

/// Decides which thread of a world runs next.
class chooser {
public:
    virtual ~chooser() = default;

    /// One of `count` (at least 2) threads that can run, by its place in the list of those that
    /// can, oldest first. `threads` are their numbers. `staying`: the first of them runs now, could
    /// go on, and is only interrupted if another is chosen.
    virtual std::size_t choose(const std::uint32_t* threads, std::size_t count, bool staying) = 0;
};

/// Any thread, with the same probability; one that could go on is interrupted with a given one.
class random_chooser final : public chooser {
    random numbers_;
    double interrupt_;

public:
    explicit random_chooser(std::uint64_t seed, double interrupt = 0.1) noexcept
        : numbers_(seed), interrupt_(interrupt) {}

    std::size_t choose(const std::uint32_t*, std::size_t count, bool staying) override {
        if (staying) return numbers_.chance(interrupt_) ? 1 + numbers_.below(count - 1) : 0;
        return numbers_.below(count);
    }
};

/// Threads have random priorities; the highest runs, and at a few random steps the one that runs
/// becomes the lowest. Finds a bug that needs `depth` ordered events with a known least probability
/// (Burckhardt, Kothari, Musuvathi, Nagarakatte: "A randomized scheduler with probabilistic
/// guarantees of finding bugs", ASPLOS 2010).
class priority_chooser final : public chooser {
    random numbers_;
    std::vector<std::uint64_t> priorities_; // by thread number
    std::vector<std::uint64_t> changes_;    // steps, in any order
    std::uint64_t step_ = 0;
    std::uint64_t lowest_ = 1u << 16;

    std::uint64_t& priority(std::uint32_t thread) {
        while (priorities_.size() <= thread)
            priorities_.push_back((1u << 16) + 1 + (numbers_.next() >> 16));
        return priorities_[thread];
    }

    std::size_t highest(const std::uint32_t* threads, std::size_t count) {
        std::size_t best = 0;
        for (std::size_t i = 1; i < count; ++i)
            if (priority(threads[i]) > priority(threads[best])) best = i;
        return best;
    }

public:
    /// `steps`: about how many choices a run has.
    priority_chooser(std::uint64_t seed, unsigned depth, std::uint64_t steps) : numbers_(seed) {
        for (unsigned i = 1; i < depth; ++i) changes_.push_back(numbers_.below(steps ? steps : 1));
    }

    std::size_t choose(const std::uint32_t* threads, std::size_t count, bool) override {
        const std::uint64_t step = step_++;
        const std::size_t best = highest(threads, count);
        for (const std::uint64_t change : changes_) {
            if (change != step) continue;
            priority(threads[best]) = --lowest_;
            return highest(threads, count);
        }
        return best;
    }
};

/// Goes through all orders of a small program, one per run, depth first. Between runs call
/// next_run(), until it says false.
///
/// With `most_interruptions` only those runs are made in which at most so many threads are
/// interrupted that could have gone on: most bugs need two (Musuvathi, Qadeer: "Iterative context
/// bounding for systematic testing of multithreaded programs", PLDI 2007).
class exhaustive_chooser final : public chooser {
    struct decision {
        std::uint32_t taken;
        std::uint32_t count;
    };

    std::vector<decision> path_;
    std::size_t at_ = 0;
    unsigned most_interruptions_;
    unsigned interruptions_ = 0;
    bool diverged_ = false;

public:
    explicit exhaustive_chooser(unsigned most_interruptions = 1'000'000) noexcept
        : most_interruptions_(most_interruptions) {}

    std::size_t choose(const std::uint32_t*, std::size_t count, bool staying) override {
        if (staying && interruptions_ == most_interruptions_) return 0;
        if (at_ == path_.size()) path_.push_back({0, static_cast<std::uint32_t>(count)});
        if (path_[at_].count != count) diverged_ = true;
        const auto taken =
            static_cast<std::uint32_t>(std::min<std::size_t>(path_[at_++].taken, count - 1));
        if (staying && taken != 0) ++interruptions_;
        return taken;
    }

    /// True if a run came to other choices than the one before it, up to where the two should
    /// differ: something in it does not follow from the choices.
    bool diverged() const noexcept { return diverged_; }

    /// Prepares the next run. False once all have been made.
    bool next_run() noexcept {
        at_ = 0;
        interruptions_ = 0;
        while (!path_.empty() && path_.back().taken + 1 == path_.back().count) path_.pop_back();
        if (path_.empty()) return false;
        ++path_.back().taken;
        return true;
    }
};

} // namespace simulation
} // namespace mitogen::inline MITOGEN_ABI

// ---- mitogen/simulation/faults.hpp ----
// faults.hpp: what goes wrong in a simulated world, and how often.

namespace mitogen::inline MITOGEN_ABI {
namespace simulation {

/// How likely things go wrong by themselves. All off by default. Probabilities are per operation,
/// from 0 to 1; times are nanoseconds. What should happen at a certain moment is planned with
/// world::at().
struct faults {
    double interrupt = 0.1;      ///< another thread goes on at a synchronisation point
    double partial_transfer = 0; ///< a read or write moves fewer bytes than it could
    /// a poller reports a descriptor that has nothing (the read says EAGAIN)
    double spurious_readiness = 0;
    double early_wait = 0;              ///< a poller's wait ends before its time, as with EINTR
    duration_ns least_latency = 0;      ///< of bytes on a link
    duration_ns most_latency = 0;       ///< drawn once per link
    std::uint64_t bytes_per_second = 0; ///< of a link; 0: no limit
    std::size_t pipe_bytes = 64 * 1024; ///< what a link takes before its reader reads
    double spawn_failure = 0;           ///< a process can't be started
    std::size_t most_descriptors = 1'000'000; ///< of one process: more is EMFILE
    double out_of_descriptors = 0;            ///< making a pipe fails with EMFILE
    // What happens to running processes and their links, as Poisson processes over the whole world:
    double kills_per_second = 0;   ///< of virtual time: a process that is not the root is killed
    double freezes_per_second = 0; ///< a process is stopped, for a time drawn from the next two
    duration_ns least_freeze = 1'000'000;
    duration_ns most_freeze = 500'000'000;
    double cuts_per_second = 0;  ///< a link is cut within its next few kilobytes
    double jumps_per_second = 0; ///< the clock leaps forward, as when a machine was suspended
    duration_ns most_jump = 2'000'000'000;
    double silences_per_second = 0; ///< a link swallows everything from now on, and says nothing
};

} // namespace simulation
} // namespace mitogen::inline MITOGEN_ABI

// ---- mitogen/simulation/trace.hpp ----
// trace.hpp: what happened in a simulated world: a number that two equal runs share, and, on
// request, the words.

namespace mitogen::inline MITOGEN_ABI {
namespace simulation {

/// Every step of a run, condensed. Words are kept only if somebody wants to read them: they cost
/// more than the run.
class trace {
    std::uint64_t hash_ = 0xCBF2'9CE4'8422'2325u;
    std::uint64_t steps_ = 0;
    std::size_t kept_;
    std::deque<std::string> lines_;

public:
    /// Keeps the last `lines` lines.
    explicit trace(std::size_t lines = 0) noexcept : kept_(lines) {}

    /// Equal for equal runs, on every machine and with every compiler. FNV-1a over 64-bit words.
    std::uint64_t hash() const noexcept { return hash_; }
    /// Steps so far.
    std::uint64_t steps() const noexcept { return steps_; }
    /// True if words are kept.
    bool verbose() const noexcept { return kept_ != 0; }
    /// The last lines.
    const std::deque<std::string>& lines() const noexcept { return lines_; }

    /// One step: when, of which thread, which, and about what.
    void step(instant at, std::uint32_t thread, char what, std::uint64_t subject) noexcept {
        ++steps_;
        for (const std::uint64_t word :
             {static_cast<std::uint64_t>(at),
              std::uint64_t{thread} << 8 | static_cast<unsigned char>(what), subject})
            hash_ = (hash_ ^ word) * 0x0000'0100'0000'01B3u;
    }

    /// A line for people. Ask verbose() before composing it.
    void say(instant at, std::string_view who, std::string_view what) {
        if (!verbose()) return;
        std::string line = std::to_string(at / 1000);
        line.insert(0, line.size() < 12 ? 12 - line.size() : 0, ' ');
        line.append(" us  ").append(who).append("  ").append(what);
        lines_.push_back(std::move(line));
        if (lines_.size() > kept_) lines_.pop_front();
    }
};

} // namespace simulation
} // namespace mitogen::inline MITOGEN_ABI

// ---- mitogen/simulation/scheduler.hpp ----
// scheduler.hpp: threads of a simulated world: one runs at a time, and time moves only while all
// wait.

namespace mitogen::inline MITOGEN_ABI {
namespace simulation {

/// Threads that live and stop together: those of one simulated process.
struct thread_group {
    std::string name;
    bool halted = false;     ///< none of its threads runs: stopped, killed or ended
    bool ended = false;      ///< and none ever will
    void* ambient = nullptr; ///< for whoever wants to switch more along with the threads
};

class scheduler;
struct thread;

/// A simulated thread that works for scopes.
class worker final : public detail::thread_worker {
    scheduler& threads_;

    struct own_sleep final : detail::wakeable {
        scheduler& threads;
        simulation::thread* self;
        bool woken = false;

        own_sleep(scheduler& all, simulation::thread* sleeper) noexcept
            : threads(all), self(sleeper) {}
        inline void notify() noexcept override;
    };

public:
    explicit worker(scheduler& threads) noexcept : threads_(threads) {}
    inline instant now() const noexcept override;
    inline void sleep_until(instant deadline) override;

    struct drop {
        void operator()(worker* w) const noexcept { w->release(); }
    };
};

/// One simulated thread.
struct thread {
    std::uint32_t number = 0;
    std::string name;
    std::shared_ptr<thread_group> group;
    std::unique_ptr<os::fiber> run;
    std::unique_ptr<worker, worker::drop> scopes;
    detail::scope_worker* working = nullptr; ///< what works on it, while another thread runs
    const char* waits_for = nullptr; ///< null while it could run
    instant deadline = never;
    std::uint64_t alarm = 0; ///< of the event that the deadline is
    bool timed_out = false;

    bool finished() const noexcept { return run->finished(); }
};

/// What the clock of every world shows when it starts: not 0, so that a moment before it can be
/// written.
inline constexpr instant start_of_time = 1'000'000'000;

/// Runs fibers, one at a time, in an order that a chooser decides at each synchronisation point.
///
/// Everything but the constructor and loop() is called from inside fibers (or from events).
/// Threads: one real thread.
class scheduler {
    static constexpr std::size_t stack_bytes = 256 * 1024;

    struct event {
        instant at;
        std::uint64_t number; // among those of one moment: first planned, first done
        std::shared_ptr<unique_function<void()>> call;
        thread* sleeper; // if `call` is null

        bool operator<(const event& other) const noexcept {
            return at != other.at ? at < other.at : number < other.number;
        }
    };

    chooser* choose_;
    trace& trace_;
    instant now_ = start_of_time;
    std::vector<thread*> runnable_; // oldest first
    std::vector<std::uint32_t> numbers_;
    std::set<event> events_;
    std::uint64_t next_event_ = 0;
    std::vector<std::unique_ptr<thread>> threads_;
    std::vector<std::unique_ptr<thread>> dead_; // somebody may still hold a pointer, to wake it
    std::uint32_t next_thread_ = 0;
    // of worlds before this one
    std::vector<os::fiber_stack> stacks_ = std::exchange(spare_stacks(), {});
    thread* current_ = nullptr;
    thread* next_ = nullptr; // chosen at the last point()
    std::exception_ptr failure_;
    std::size_t alive_ = 0;
    std::uint64_t limit_ = 0; // steps, after which loop() returns

    static std::vector<os::fiber_stack>& spare_stacks() noexcept {
        static thread_local std::vector<os::fiber_stack> spare;
        return spare;
    }

    void step(const thread& t, char what, std::uint64_t subject) {
        trace_.step(now_, t.number, what, subject);
        if (!trace_.verbose()) return;
        trace_.say(now_, t.group->name + ", " + t.name,
                   std::string(1, what) + ' ' + std::to_string(subject));
    }

    void remove_runnable(thread& t) noexcept { std::erase(runnable_, &t); }

    thread* pick(bool staying) {
        std::size_t chosen = 0;
        if (runnable_.size() > 1) {
            numbers_.clear();
            for (const thread* t : runnable_) numbers_.push_back(t->number);
            chosen = choose_->choose(numbers_.data(), numbers_.size(), staying);
        }
        return runnable_[chosen];
    }

    void forget_deadline(thread& t) noexcept {
        if (t.deadline == never) return;
        events_.erase(event{t.deadline, t.alarm, nullptr, nullptr});
        t.deadline = never;
    }

    void remove(std::unique_ptr<thread>& t) {
        remove_runnable(*t);
        forget_deadline(*t);
        --alive_;
        stacks_.push_back(t->run->take_stack());
        t->run.reset();
        dead_.push_back(std::move(t));
    }

    void end(thread& t) {
        const auto own = std::find_if(threads_.begin(), threads_.end(),
                                      [&](const auto& entry) { return entry.get() == &t; });
        remove(*own);
        threads_.erase(own);
    }

    void next_moment() {
        const instant at = events_.begin()->at;
        now_ = std::max(now_, at);
        while (!events_.empty() && events_.begin()->at == at) {
            const event e = *events_.begin();
            events_.erase(events_.begin());
            if (e.call) {
                (*e.call)();
            } else {
                e.sleeper->deadline = never;
                e.sleeper->timed_out = true;
                wake(*e.sleeper);
            }
        }
    }

public:
    /// Called on each switch, with the group whose thread runs next, or null.
    unique_function<void(thread_group*)> on_switch = [](thread_group*) {};

    scheduler(chooser& choose, trace& to) noexcept : choose_(&choose), trace_(to) {}
    scheduler(scheduler&&) = delete;
    ~scheduler() {
        if (spare_stacks().empty()) spare_stacks() = std::move(stacks_);
    }

    instant now() const noexcept { return now_; }
    thread* current() const noexcept { return current_; }
    /// Threads that have begun and not ended.
    std::size_t alive() const noexcept { return alive_; }
    const std::vector<std::unique_ptr<thread>>& threads() const noexcept { return threads_; }
    /// The first exception that left a thread.
    std::exception_ptr failure() const noexcept { return failure_; }
    simulation::trace& log() noexcept { return trace_; }

    /// A new thread, which runs when it is chosen.
    thread& start(std::shared_ptr<thread_group> group, std::string name,
                  unique_function<void()> body) {
        os::fiber_stack stack;
        if (stacks_.empty()) {
            stack = os::fiber_stack(stack_bytes);
        } else {
            stack = std::move(stacks_.back());
            stacks_.pop_back();
        }
        auto t = std::make_unique<thread>();
        t->scopes.reset(new worker(*this));
        t->working = t->scopes.get();
        thread& made = *t;
        made.number = next_thread_++;
        made.name = std::move(name);
        made.group = std::move(group);
        made.run =
            std::make_unique<os::fiber>(std::move(stack), [this, body = std::move(body)]() mutable {
                unique_function<void()> own = std::move(body);
#if MITOGEN_HAS_EXCEPTIONS
                try {
                    own();
                    own.reset();
                } catch (...) {
                    if (!failure_) failure_ = std::current_exception();
                }
#else
            own();
#endif
            });
        threads_.push_back(std::move(t));
        ++alive_;
        runnable_.push_back(&made);
        return made;
    }

    /// The current thread may be interrupted here. `what` and `subject` go into the trace.
    void point(char what, std::uint64_t subject = 0) {
        step(*current_, what, subject);
        if (!current_->group->halted && trace_.steps() < limit_) {
            if (runnable_.size() < 2) return;
            // The one that runs is the first of the choices.
            const auto own = std::find(runnable_.begin(), runnable_.end(), current_);
            std::rotate(runnable_.begin(), own, own + 1);
            next_ = pick(true);
            // and the last of the next ones
            std::rotate(runnable_.begin(), runnable_.begin() + 1, runnable_.end());
            if (next_ == current_) return;
        }
        current_->run->suspend();
    }

    /// Sleeps until wake() or the deadline. False if the deadline came first. `waits_for`: for
    /// reports.
    bool block(const char* waits_for, instant deadline = never) {
        thread& self = *current_;
        trace_.step(now_, self.number, 'b', static_cast<std::uint64_t>(deadline));
        if (trace_.verbose())
            trace_.say(now_, self.group->name + ", " + self.name,
                       std::string("waits for ") + waits_for);
        self.waits_for = waits_for;
        self.timed_out = false;
        remove_runnable(self);
        if (deadline != never) {
            self.deadline = std::max(deadline, now_);
            self.alarm = next_event_++;
            events_.insert(event{self.deadline, self.alarm, nullptr, &self});
        }
        self.run->suspend();
        return !self.timed_out;
    }

    /// Lets a thread that sleeps run again; nothing if it does not sleep.
    void wake(thread& t) {
        if (!t.waits_for || t.group->ended) return;
        t.waits_for = nullptr;
        forget_deadline(t);
        if (!t.group->halted) runnable_.push_back(&t);
    }

    /// Calls `what` at a moment, outside of all threads.
    void at(instant when, unique_function<void()> what) {
        auto call = std::make_shared<unique_function<void()>>(std::move(what));
        events_.insert(event{std::max(when, now_), next_event_++, std::move(call), nullptr});
    }

    /// The clock leaps forward; whoever had a deadline in between is late.
    void clock_jump(duration_ns span) noexcept { now_ = detail::after(now_, span); }

    /// None of a group's threads runs from now on. Called by one of them, it stops at its next
    /// point().
    void halt(thread_group& group) {
        group.halted = true;
        std::erase_if(runnable_, [&](const thread* t) { return t->group.get() == &group; });
    }

    /// They run again.
    void resume(thread_group& group) {
        if (!group.halted || group.ended) return;
        group.halted = false;
        for (const auto& t : threads_)
            if (t->group.get() == &group && !t->waits_for) runnable_.push_back(t.get());
    }

    /// Drops the threads of a group that has ended: their stacks are used again, and nothing on
    /// them is destroyed.
    void drop(thread_group& group) {
        group.ended = true;
        halt(group);
        std::erase_if(threads_, [&](std::unique_ptr<thread>& t) {
            if (t->group.get() != &group || t.get() == current_) return false;
            remove(t);
            return true;
        });
    }

    /// Runs until `done()`, or until nothing is left to happen (false), or at most so many steps
    /// more (false).
    template <class Done>
    bool loop(std::uint64_t most_steps, Done&& done) {
        limit_ = trace_.steps() + most_steps;
        while (!done()) {
            if (trace_.steps() >= limit_) return false;
            if (runnable_.empty()) {
                if (events_.empty()) return false;
                next_moment();
                continue;
            }
            thread* const chosen = std::exchange(next_, nullptr);
            current_ =
                chosen && std::find(runnable_.begin(), runnable_.end(), chosen) != runnable_.end()
                    ? chosen
                    : pick(false);
            step(*current_, 'r', 0);
            on_switch(current_->group.get());
            thread& ran = *current_;
            {
                const detail::with_worker here(ran.working);
                ran.run->resume();
                ran.working = detail::this_worker;
            }
            current_ = nullptr;
            if (ran.finished() || ran.group->ended) end(ran);
        }
        on_switch(nullptr);
        return true;
    }
};

inline instant worker::now() const noexcept { return threads_.now(); }

inline void worker::own_sleep::notify() noexcept {
    woken = true;
    threads.wake(*self);
}

inline void worker::sleep_until(instant deadline) {
    own_sleep self(threads_, threads_.current());
    this->begin_sleep(self);
    const instant then = threads_.now();
    while (!self.woken && !detail::scope_stack(this->innermost).any_cancelled(then) &&
           (deadline == never || threads_.now() < deadline))
        threads_.block("a sleep", deadline);
    this->end_sleep(self, [this] { threads_.point('y'); });
}

} // namespace simulation
} // namespace mitogen::inline MITOGEN_ABI

// ---- mitogen/simulation/file.hpp ----
// file.hpp: what a simulated descriptor can stand for.

namespace mitogen::inline MITOGEN_ABI {
namespace simulation {

/// Somebody who wants to know that a file may have become ready.
class observer {
public:
    virtual void changed(int fd) = 0;

protected:
    ~observer() = default;
};

/// Something that can be ready for reading or writing.
class file {
    struct observation {
        observer* who;
        int fd;
        const thread_group* group; // once it has ended, `who` may be gone without a word
    };

    std::vector<observation> observers_;
    std::vector<thread*> sleepers_; // in blocking calls

public:
    virtual ~file() = default;
    virtual bool readable() const = 0;
    virtual bool writable() const = 0;
    /// A count, 0 at the end, or -errno; never blocks.
    virtual long read(void*, std::size_t) { return -EBADF; }
    virtual long write(const void*, std::size_t) { return -EBADF; }
    /// The last descriptor is closed.
    virtual void closed() {}

    bool nonblocking = false;
    /// of all processes; a thread that was killed in a transfer still refers to the file
    std::uint32_t descriptors = 0;

    void observe(observer& who, int fd, const thread_group& group) {
        observers_.push_back({&who, fd, &group});
    }
    void forget(observer& who, int fd) noexcept {
        std::erase_if(observers_,
                      [&](const observation& o) { return o.who == &who && o.fd == fd; });
    }
    void sleep_on(thread& t) { sleepers_.push_back(&t); }
    void awake(thread& t) noexcept { std::erase(sleepers_, &t); }

    /// Tells everyone who waits for it.
    void changed(scheduler& threads) {
        for (const observation& o : observers_)
            if (!o.group->ended) o.who->changed(o.fd);
        for (thread* t : sleepers_) threads.wake(*t);
    }
};

/// Becomes readable at some moment: a waker, or the end of a process.
class flag final : public file {
    bool up_ = false;

public:
    bool readable() const override { return up_; }
    bool writable() const override { return false; }
    bool up() const noexcept { return up_; }
    void lower() noexcept { up_ = false; }
    void raise(scheduler& threads) {
        if (!std::exchange(up_, true)) changed(threads);
    }
};

/// The bytes of one direction of a link, on their way and arrived.
class pipe_state {
    struct flight {
        instant arrives;
        std::size_t bytes;
    };

    std::vector<char> bytes_;
    std::size_t head_ = 0;
    std::size_t arrived_ = 0; // of bytes_ from head_ on
    std::vector<flight> flying_;
    instant last_arrival_ = 0;

public:
    std::uint32_t number = 0;
    std::size_t capacity = 64 * 1024;
    duration_ns latency = 0;
    std::uint64_t bytes_per_second = 0;
    std::optional<std::uint64_t> cut_after; ///< bytes until it is cut
    /// everything written is lost, the end as well, and nothing says so
    bool silent = false;
    bool open_for_reading = true;
    bool open_for_writing = true;
    file* reader = nullptr;
    file* writer = nullptr;
    std::uint32_t from_process = 0; ///< whose output it is
    std::uint32_t to_process = 0;

    std::size_t buffered() const noexcept { return bytes_.size() - head_; }
    /// What a write could take: nothing before a page is free, as in Linux; else every byte that is
    /// read would be one write.
    std::size_t room() const noexcept {
        const std::size_t free = buffered() < capacity ? capacity - buffered() : 0;
        return free >= std::min<std::size_t>(capacity, 4096) ? free : 0;
    }
    std::size_t arrived() const noexcept { return arrived_; }
    bool at_end() const noexcept { return !open_for_writing && !silent && buffered() == 0; }
    bool delayed() const noexcept { return latency != 0 || bytes_per_second != 0; }

    /// Appends; returns when they arrive.
    instant put(const void* from, std::size_t size, instant now) {
        if (head_ > 64 * 1024 && head_ > bytes_.size() / 2) {
            bytes_.erase(bytes_.begin(), bytes_.begin() + static_cast<std::ptrdiff_t>(head_));
            head_ = 0;
        }
        const auto* p = static_cast<const char*>(from);
        bytes_.insert(bytes_.end(), p, p + size);
        if (!delayed()) {
            arrived_ += size;
            return now;
        }
        const duration_ns span =
            bytes_per_second ? static_cast<duration_ns>(size * 1'000'000'000ull / bytes_per_second)
                             : 0;
        last_arrival_ = std::max({last_arrival_ + span, now + latency + span, now + 1});
        flying_.push_back({last_arrival_, size});
        return last_arrival_;
    }

    /// What has arrived by now.
    void arrive(instant now) {
        std::size_t landed = 0;
        for (; landed < flying_.size() && flying_[landed].arrives <= now; ++landed)
            arrived_ += flying_[landed].bytes;
        flying_.erase(flying_.begin(), flying_.begin() + static_cast<std::ptrdiff_t>(landed));
    }

    void take(void* to, std::size_t size) noexcept {
        std::memcpy(to, bytes_.data() + head_, size);
        head_ += size;
        arrived_ -= size;
        if (head_ == bytes_.size()) {
            bytes_.clear();
            head_ = 0;
        }
    }
};

/// Sees all that is written to pipes: for faults at an exact place in what two processes say.
class write_observer {
public:
    /// How many of the `size` bytes that come next the pipe takes in this write: 1 at least.
    virtual std::size_t most(const pipe_state& to, std::size_t size) = 0;
    /// They are in the pipe now, or on their way. May kill and cut; called by the thread that
    /// writes, which does not return if its own process is killed by kernel::signal().
    virtual void written(pipe_state& to, const void* from, std::size_t size) = 0;

protected:
    ~write_observer() = default;
};

} // namespace simulation
} // namespace mitogen::inline MITOGEN_ABI

// ---- mitogen/simulation/kernel.hpp ----
// kernel.hpp: processes, descriptors and pipes of a simulated world, and what goes wrong with them.

namespace mitogen::inline MITOGEN_ABI {
namespace simulation {

/// Numbers of a simulated process's three standard descriptors; -1: none.
struct stdio {
    int in = -1;
    int out = -1;
    int err = -1;
};

/// One simulated process.
struct process_state {
    std::uint32_t pid = 0;
    std::uint32_t parent = 0;
    std::shared_ptr<thread_group> group = std::make_shared<thread_group>();
    log::detail::owned_state logs;
    std::set<int> descriptors;             ///< that are open
    std::vector<std::uint32_t> children{}; ///< that it has started
    std::optional<exit_status> ended;
    bool reaped = false;
    std::shared_ptr<flag> exit_watch = std::make_shared<flag>();
};

class kernel;

/// One end of a simulated pipe.
class pipe_end final : public file {
    kernel& world_;
    std::shared_ptr<pipe_state> pipe_;
    bool writes_;

public:
    pipe_end(kernel& world, std::shared_ptr<pipe_state> pipe, bool writes);
    pipe_end(pipe_end&&) = delete;
    // also if it never got a descriptor
    ~pipe_end() override { (writes_ ? pipe_->writer : pipe_->reader) = nullptr; }
    bool readable() const override { return !writes_ && (pipe_->arrived() > 0 || pipe_->at_end()); }
    bool writable() const override {
        return writes_ && (!pipe_->open_for_reading || pipe_->silent || pipe_->room() > 0);
    }
    inline long read(void* to, std::size_t size) override;
    inline long write(const void* from, std::size_t size) override;
    inline void closed() override;
    const std::shared_ptr<pipe_state>& pipe() const noexcept { return pipe_; }
    bool writes() const noexcept { return writes_; }
};

/// Everything that a simulated machine is. Used through the policy io::simulated; world makes and
/// runs it.
class kernel {
    struct descriptor {
        std::shared_ptr<simulation::file> file;
        process_state* owner;
    };

    scheduler& threads_;
    simulation::faults faults_;
    random numbers_;
    random secrets_; // of the processes: apart, so that who asks for some changes nothing else
    std::map<int, descriptor> descriptors_;
    int next_descriptor_ = 100;
    std::map<std::uint32_t, std::unique_ptr<process_state>> processes_;
    std::uint32_t next_pid_ = 1;
    std::uint32_t next_pipe_ = 1;
    std::vector<std::weak_ptr<pipe_state>> pipes_; // of links: their faults
    process_state* current_process_ = nullptr;

    void close_all(process_state& of) {
        while (!of.descriptors.empty()) close(*of.descriptors.begin());
    }

    void end(process_state& p, exit_status how) {
        if (p.ended) return;
        threads_.log().step(threads_.now(), 0, 'x', p.pid);
        if (threads_.log().verbose())
            threads_.log().say(threads_.now(), p.group->name, "ends: " + how.text());
        p.ended = how;
        threads_.drop(*p.group);
        close_all(p);
        for (const std::uint32_t child : p.children) {
            process_state& orphan = *processes_.at(child);
            orphan.parent = 0;
            if (orphan.ended) orphan.reaped = true;
        }
        p.exit_watch->raise(threads_);
        if (p.parent == 0) p.reaped = true; // nobody is left to ask
    }

public:
    /// What a new process does; its result is its exit code. Called on its main thread.
    unique_function<int(const os::spawn_options&, stdio)> program;
    /// May be null.
    write_observer* observer = nullptr;

    kernel(scheduler& threads, const simulation::faults& what, std::uint64_t seed)
        : threads_(threads), faults_(what), numbers_(seed ^ 0xF417'5EED'0000'0001u),
          secrets_(seed ^ 0xF417'5EED'0000'0002u) {
        threads_.on_switch = [this](thread_group* to) {
            current_process_ = to ? static_cast<process_state*>(to->ambient) : nullptr;
            log::detail::ambient = current_process_ ? &current_process_->logs : nullptr;
            here() = to ? this : nullptr;
        };
    }
    kernel(kernel&&) = delete;

    /// The kernel whose fiber runs on this thread, or null.
    static kernel*& here() noexcept {
        static thread_local constinit kernel* current = nullptr;
        return current;
    }

    scheduler& threads() noexcept { return threads_; }
    simulation::faults& faults() noexcept { return faults_; }
    random& numbers() noexcept { return numbers_; }
    random& secrets() noexcept { return secrets_; }
    process_state& self() noexcept { return *current_process_; }
    auto& processes() noexcept { return processes_; }
    std::size_t open_descriptors() const noexcept { return descriptors_.size(); }

    void say(std::string_view what) {
        if (threads_.log().verbose())
            threads_.log().say(
                threads_.now(),
                current_process_ ? std::string_view(current_process_->group->name) : "world", what);
    }

    // ---- descriptors

    /// A new descriptor of the current process, or -EMFILE.
    int open(std::shared_ptr<simulation::file> f, process_state* owner = nullptr) {
        process_state& p = owner ? *owner : self();
        if (p.descriptors.size() >= faults_.most_descriptors) return -EMFILE;
        const int fd = next_descriptor_++;
        p.descriptors.insert(fd);
        ++f->descriptors;
        descriptors_.emplace(fd, descriptor{std::move(f), &p});
        return fd;
    }

    simulation::file* at(int fd) noexcept {
        const auto found = descriptors_.find(fd);
        return found == descriptors_.end() ? nullptr : found->second.file.get();
    }

    void close(int fd) {
        const auto found = descriptors_.find(fd);
        if (found == descriptors_.end()) return;
        const std::shared_ptr<simulation::file> f = std::move(found->second.file);
        found->second.owner->descriptors.erase(fd);
        descriptors_.erase(found);
        if (--f->descriptors == 0) f->closed();
    }

    /// 0 or -errno.
    long pipe(int& read_end, int& write_end) {
        threads_.point('p');
        if (numbers_.chance(faults_.out_of_descriptors)) return -EMFILE;
        auto state = std::make_shared<pipe_state>();
        state->number = next_pipe_++;
        state->capacity = faults_.pipe_bytes;
        state->latency = numbers_.between(faults_.least_latency, faults_.most_latency);
        state->bytes_per_second = faults_.bytes_per_second;
        state->from_process = state->to_process = self().pid;
        const int in = open(std::make_shared<pipe_end>(*this, state, false));
        if (in < 0) return in;
        const int out = open(std::make_shared<pipe_end>(*this, state, true));
        if (out < 0) {
            close(in);
            return out;
        }
        pipes_.push_back(state);
        read_end = in;
        write_end = out;
        return 0;
    }

    long set_nonblocking(int fd, bool on) {
        simulation::file* f = at(fd);
        if (!f) return -EBADF;
        f->nonblocking = on;
        return 0;
    }

    /// The current thread sleeps until the file says that it has changed. `waits_for`: for reports.
    void sleep_until_changed(simulation::file& f, const char* waits_for) {
        thread& self = *threads_.current();
        f.sleep_on(self);
        threads_.block(waits_for);
        f.awake(self);
    }

    /// As read(2); `wait`: sleeps until there is something, whatever the descriptor's mode.
    long read(int fd, void* to, std::size_t size, bool wait = false) {
        threads_.point('R', static_cast<std::uint64_t>(fd));
        return blocking(fd, wait, [&](simulation::file& f) { return f.read(to, size); });
    }

    /// As write(2).
    long write(int fd, const void* from, std::size_t size, bool wait = false) {
        threads_.point('W', static_cast<std::uint64_t>(fd));
        return blocking(fd, wait, [&](simulation::file& f) { return f.write(from, size); });
    }

    // ---- processes

    /// The first process of the world. Its exit ends the run.
    process_state& boot(std::string name, unique_function<void()> body) {
        process_state& p = add(std::move(name), 0);
        threads_.start(p.group, "main", [this, &p, body = std::move(body)]() mutable {
            body();
            body.reset();
            end(p, {0, 0});
        });
        return p;
    }

    result<std::uint32_t> spawn(const os::spawn_options& options) {
        threads_.point('s');
        if (numbers_.chance(faults_.spawn_failure))
            return error(reason::system, "simulated: the process can't be started");
        process_state& parent = self();
        process_state& p = add(options.argv.empty() ? "process " + std::to_string(next_pid_)
                                                    : options.argv.front(),
                               parent.pid);
        parent.children.push_back(p.pid);
        stdio ends;
        int* const to[3] = {&ends.in, &ends.out, &ends.err};
        const int from[3] = {options.in, options.out, options.err};
        for (int i = 0; i < 3; ++i) {
            const auto found = descriptors_.find(from[i]);
            if (found == descriptors_.end()) continue;
            *to[i] = open(found->second.file, &p);
            if (auto* end = dynamic_cast<pipe_end*>(found->second.file.get()))
                (end->writes() ? end->pipe()->from_process : end->pipe()->to_process) = p.pid;
        }
        threads_.start(p.group, "main", [this, &p, options, ends] {
            const int code = program ? program(options, ends) : 127;
            end(p, {code, 0});
        });
        if (threads_.log().verbose()) say("starts process " + std::to_string(p.pid));
        return p.pid;
    }

    process_state* find(std::uint32_t pid) noexcept {
        const auto found = processes_.find(pid);
        return found == processes_.end() ? nullptr : found->second.get();
    }

    /// 9 and 15 kill, 19 stops, 18 lets it go on; the rest does nothing.
    long signal(std::uint32_t pid, int number) {
        process_state* p = find(pid);
        if (!p || p->ended) return 0;
        if (number == 9 || number == 15) {
            end(*p, {0, number});
        } else if (number == 19) {
            threads_.halt(*p->group);
        } else if (number == 18) {
            threads_.resume(*p->group);
        }
        if (threads_.current() && p == current_process_)
            threads_.point('k', static_cast<std::uint64_t>(number));
        return 0;
    }

    /// How a child has ended; frees it. Nothing while it runs.
    std::optional<exit_status> reap(std::uint32_t pid) {
        process_state* p = find(pid);
        if (!p) return exit_status{-1, 0};
        if (p->ended) p->reaped = true;
        return p->ended;
    }

    // ---- faults

    /// Kills a process, as signal 9 does.
    void kill(process_state& p) { end(p, {0, 9}); }

    /// The processes that run, but the first.
    std::vector<process_state*> running() {
        std::vector<process_state*> found;
        for (const auto& [pid, p] : processes_)
            if (pid != 1 && !p->ended) found.push_back(p.get());
        return found;
    }

    /// The pipes that connect two processes.
    std::vector<std::shared_ptr<pipe_state>> links() {
        std::erase_if(pipes_, [](const auto& entry) { return entry.expired(); });
        std::vector<std::shared_ptr<pipe_state>> found;
        for (const auto& entry : pipes_)
            if (auto p = entry.lock(); p && p->from_process != p->to_process)
                found.push_back(std::move(p));
        return found;
    }

    /// Ends a pipe for both sides.
    void cut(pipe_state& p) {
        p.open_for_writing = p.open_for_reading = false;
        if (p.reader) p.reader->changed(threads_);
        if (p.writer) p.writer->changed(threads_);
    }

    /// All pipes that lead from or to a process.
    std::vector<std::shared_ptr<pipe_state>> pipes_of(std::uint32_t pid) {
        std::vector<std::shared_ptr<pipe_state>> found;
        for (const auto& entry : pipes_)
            if (auto p = entry.lock(); p && (p->from_process == pid || p->to_process == pid))
                found.push_back(std::move(p));
        return found;
    }

private:
    process_state& add(std::string name, std::uint32_t parent) {
        auto p = std::make_unique<process_state>();
        p->pid = next_pid_++;
        p->parent = parent;
        p->group->name = std::move(name);
        p->group->ambient = p.get();
        return *processes_.emplace(p->pid, std::move(p)).first->second;
    }

    template <class Transfer>
    long blocking(int fd, bool wait, Transfer&& transfer) {
        for (;;) {
            const auto found = descriptors_.find(fd);
            if (found == descriptors_.end()) return -EBADF;
            const std::shared_ptr<simulation::file> f = found->second.file;
            const long n = transfer(*f);
            if (n != -EAGAIN || (f->nonblocking && !wait)) return n;
            sleep_until_changed(*f, "a transfer");
        }
    }
};

inline pipe_end::pipe_end(kernel& world, std::shared_ptr<pipe_state> pipe, bool writes)
    : world_(world), pipe_(std::move(pipe)), writes_(writes) {
    (writes_ ? pipe_->writer : pipe_->reader) = this;
}

inline long pipe_end::read(void* to, std::size_t size) {
    if (writes_) return -EBADF;
    // what is on its way still arrives
    if (pipe_->arrived() == 0) return pipe_->at_end() ? 0 : -EAGAIN;
    std::size_t n = std::min(size, pipe_->arrived());
    if (n > 1 && world_.numbers().chance(world_.faults().partial_transfer))
        n = 1 + world_.numbers().below(n - 1);
    pipe_->take(to, n);
    if (pipe_->writer) pipe_->writer->changed(world_.threads());
    return static_cast<long>(n);
}

inline long pipe_end::write(const void* from, std::size_t size) {
    if (!writes_) return -EBADF;
    if (!pipe_->open_for_reading) return -EPIPE;
    if (size == 0) return 0;
    if (pipe_->silent) return static_cast<long>(size);
    std::size_t n = std::min(size, pipe_->room());
    if (n == 0) return -EAGAIN;
    if (n > 1 && world_.numbers().chance(world_.faults().partial_transfer))
        n = 1 + world_.numbers().below(n - 1);
    if (world_.observer) n = std::min(n, world_.observer->most(*pipe_, n));
    bool cut = false;
    if (pipe_->cut_after && n >= *pipe_->cut_after) {
        n = static_cast<std::size_t>(*pipe_->cut_after);
        cut = true;
    }
    if (pipe_->cut_after) *pipe_->cut_after -= n;
    const instant arrives =
        n ? pipe_->put(from, n, world_.threads().now()) : world_.threads().now();
    if (!pipe_->delayed()) {
        if (pipe_->reader) pipe_->reader->changed(world_.threads());
    } else if (n) {
        world_.threads().at(arrives, [&world = world_, pipe = pipe_] {
            pipe->arrive(world.threads().now());
            if (pipe->reader) pipe->reader->changed(world.threads());
        });
    }
    if (n && world_.observer) world_.observer->written(*pipe_, from, n);
    if (cut) world_.cut(*pipe_);
    return n ? static_cast<long>(n) : -EPIPE;
}

inline void pipe_end::closed() {
    if (writes_) {
        pipe_->writer = nullptr;
        pipe_->open_for_writing = false;
        if (pipe_->reader) pipe_->reader->changed(world_.threads());
    } else {
        pipe_->reader = nullptr;
        pipe_->open_for_reading = false;
        if (pipe_->writer) pipe_->writer->changed(world_.threads());
    }
}

} // namespace simulation
} // namespace mitogen::inline MITOGEN_ABI

// ---- mitogen/simulation/fault_injector.hpp ----
// fault_injector.hpp: faults that come over a simulated world by chance.

namespace mitogen::inline MITOGEN_ABI {
namespace simulation {

/// Kills, stops, cuts and silences at random moments, as the world's faults say.
class fault_injector {
    kernel& world_;
    bool armed_ = false;
    std::uint64_t kills_ = 0;
    std::uint64_t cuts_ = 0;

    /// Calls `what` again and again, at the moments of a Poisson process.
    void strike(double per_second, unique_function<void()> what) {
        if (per_second <= 0) return;
        const double uniform = static_cast<double>(world_.numbers().next() >> 11) * 0x1p-53;
        const auto span = static_cast<duration_ns>(-std::log(1.0 - uniform) / per_second * 1e9);
        world_.threads().at(detail::after(world_.threads().now(), span),
                            [this, per_second, what = std::move(what)]() mutable {
                                if (!armed_) return;
                                what();
                                strike(per_second, std::move(what));
                            });
    }

    template <class Found>
    auto one_of(const Found& found) {
        return found.empty() ? typename Found::value_type()
                             : found[world_.numbers().below(found.size())];
    }

    void kill() {
        process_state* const p = one_of(world_.running());
        if (!p) return;
        ++kills_;
        world_.say("fault: kills " + p->group->name);
        world_.kill(*p);
    }

    void freeze() {
        process_state* const p = one_of(world_.running());
        if (!p || p->group->halted) return;
        world_.say("fault: stops " + p->group->name);
        scheduler& threads = world_.threads();
        threads.halt(*p->group);
        const duration_ns span =
            world_.numbers().between(world_.faults().least_freeze, world_.faults().most_freeze);
        threads.at(detail::after(threads.now(), span), [&world = world_, pid = p->pid] {
            if (process_state* again = world.find(pid)) world.threads().resume(*again->group);
        });
    }

    void cut() {
        const auto pipe = one_of(world_.links());
        if (!pipe || pipe->cut_after) return;
        ++cuts_;
        pipe->cut_after = world_.numbers().below(4096);
        world_.say("fault: will cut pipe " + std::to_string(pipe->number) + " after " +
                   std::to_string(*pipe->cut_after) + " bytes");
        if (*pipe->cut_after == 0) world_.cut(*pipe);
    }

    void clock_jump() {
        const duration_ns span = world_.numbers().between(0, world_.faults().most_jump);
        world_.say("fault: the clock leaps " + std::to_string(span / 1000) + " us");
        world_.threads().clock_jump(span);
    }

    void silence() {
        const auto pipe = one_of(world_.links());
        if (!pipe) return;
        world_.say("fault: pipe " + std::to_string(pipe->number) + " loses everything");
        pipe->silent = true;
        if (pipe->writer) pipe->writer->changed(world_.threads());
    }

public:
    explicit fault_injector(kernel& world) noexcept : world_(world) {}
    fault_injector(fault_injector&&) = delete;

    /// From now on they strike.
    void enable() {
        armed_ = true;
        const faults& f = world_.faults();
        strike(f.kills_per_second, [this] { kill(); });
        strike(f.freezes_per_second, [this] { freeze(); });
        strike(f.cuts_per_second, [this] { cut(); });
        strike(f.jumps_per_second, [this] { clock_jump(); });
        strike(f.silences_per_second, [this] { silence(); });
    }

    /// Nothing strikes any more. A cut that has not come to its byte yet does not happen.
    void disable() {
        armed_ = false;
        for (const auto& pipe : world_.links()) pipe->cut_after.reset();
    }

    std::uint64_t kills() const noexcept { return kills_; }
    std::uint64_t cuts() const noexcept { return cuts_; }
};

} // namespace simulation
} // namespace mitogen::inline MITOGEN_ABI

// ---- mitogen/simulation/owned.hpp ----
// owned.hpp: descriptors and processes of a simulated world, as values.

namespace mitogen::inline MITOGEN_ABI {
namespace io {

/// A descriptor of the process in which it was made.
class simulated_descriptor {
    simulation::kernel* kernel_ = nullptr;
    int fd_ = -1;

public:
    simulated_descriptor() = default;
    simulated_descriptor(simulation::kernel& k, int fd) noexcept : kernel_(&k), fd_(fd) {}
    simulated_descriptor(simulated_descriptor&& other) noexcept
        : kernel_(other.kernel_), fd_(std::exchange(other.fd_, -1)) {}
    simulated_descriptor& operator=(simulated_descriptor&& other) noexcept {
        if (this != &other) {
            reset();
            kernel_ = other.kernel_;
            fd_ = std::exchange(other.fd_, -1);
        }
        return *this;
    }
    ~simulated_descriptor() { reset(); }

    int get() const noexcept { return fd_; }
    explicit operator bool() const noexcept { return fd_ >= 0; }
    int release() noexcept { return std::exchange(fd_, -1); }
    void reset() noexcept {
        if (const int fd = std::exchange(fd_, -1); fd >= 0) kernel_->close(fd);
    }
};

/// A simulated child process; as os::kill_on_destroy_process.
class simulated_process {
    simulation::kernel* kernel_ = nullptr;
    std::uint32_t pid_ = 0;
    simulated_descriptor watch_;
    std::optional<exit_status> status_;

public:
    simulated_process() = default;
    simulated_process(simulation::kernel& k, std::uint32_t pid) : kernel_(&k), pid_(pid) {
        const int fd = k.open(k.find(pid)->exit_watch);
        if (fd >= 0) watch_ = simulated_descriptor(k, fd);
    }
    simulated_process(simulated_process&& other) noexcept
        : kernel_(other.kernel_), pid_(std::exchange(other.pid_, 0)),
          watch_(std::move(other.watch_)), status_(std::exchange(other.status_, std::nullopt)) {}
    simulated_process& operator=(simulated_process&& other) noexcept {
        if (this != &other) {
            stop();
            kernel_ = other.kernel_;
            pid_ = std::exchange(other.pid_, 0);
            watch_ = std::move(other.watch_);
            status_ = std::exchange(other.status_, std::nullopt);
        }
        return *this;
    }
    ~simulated_process() { stop(); }

    int pid() const noexcept { return pid_ ? static_cast<int>(pid_) : -1; }
    int poll_fd() const noexcept { return watch_.get(); }
    bool running() const noexcept { return pid_ && !status_; }
    std::optional<exit_status> try_wait() {
        if (running()) {
            status_ = kernel_->reap(pid_);
            if (status_) watch_.reset();
        }
        return status_;
    }
    exit_status wait() {
        while (running() && !try_wait())
            kernel_->sleep_until_changed(*kernel_->find(pid_)->exit_watch, "the end of a process");
        return status_.value_or(exit_status{-1, 0});
    }
    long signal(int number) { return running() ? kernel_->signal(pid_, number) : 0; }
    void forget() noexcept {
        pid_ = 0;
        watch_.reset();
        status_.reset();
    }
    void stop() noexcept {
        if (!running()) return;
        static_cast<void>(signal(9));
        static_cast<void>(wait());
    }
};

} // namespace io
} // namespace mitogen::inline MITOGEN_ABI

// ---- mitogen/simulation/poller.hpp ----
// poller.hpp: readiness of simulated descriptors.

namespace mitogen::inline MITOGEN_ABI {
namespace io {

/// As epoll_poller, with a gate.
class simulated_poller final : simulation::observer {
    struct registration {
        std::uint64_t token;
        interest what;
    };

    simulation::kernel* kernel_;
    simulated_descriptor reserved_[3]; // what an epoll poller holds
    std::map<int, registration> registered_;
    std::set<int> hot_; // may be ready: to be looked at
    int last_ = -1;     // the last one reported
    simulation::thread* waiting_ = nullptr;
    simulation::thread* at_gate_ = nullptr;
    bool gate_open_ = true;
    bool kicked_ = false;

    void changed(int fd) override {
        hot_.insert(fd);
        if (waiting_) kernel_->threads().wake(*waiting_);
        if (gate_open_ && at_gate_) kernel_->threads().wake(*at_gate_);
    }

    bool is_ready(int fd, const registration& r) const {
        const simulation::file* f = kernel_->at(fd);
        return f &&
               ((wants_read(r.what) && f->readable()) || (wants_write(r.what) && f->writable()));
    }

    bool any_ready() {
        for (auto at = hot_.begin(); at != hot_.end();) {
            const auto r = registered_.find(*at);
            if (r != registered_.end() && is_ready(r->first, r->second)) return true;
            at = hot_.erase(at);
        }
        return false;
    }

    int collect(event* out, int capacity) {
        int n = 0;
        auto at = hot_.upper_bound(last_); // where the last wait stopped: each has its turn
        for (std::size_t left = hot_.size(); left != 0 && n < capacity; --left) {
            if (at == hot_.end()) at = hot_.begin();
            const auto r = registered_.find(*at);
            if (r == registered_.end() || !is_ready(r->first, r->second)) {
                at = hot_.erase(at);
                continue;
            }
            const simulation::file* f = kernel_->at(r->first);
            out[n++] = {r->second.token, f->readable(), f->writable()};
            last_ = *at++;
        }
        if (n == 0 && !registered_.empty() &&
            kernel_->numbers().chance(kernel_->faults().spurious_readiness)) {
            auto r = registered_.begin();
            std::advance(r,
                         static_cast<std::ptrdiff_t>(kernel_->numbers().below(registered_.size())));
            if (r->second.what != interest::none)
                out[n++] = {r->second.token, wants_read(r->second.what),
                            wants_write(r->second.what)};
        }
        for (int i = n - 1; i > 0; --i)
            std::swap(out[i], out[kernel_->numbers().below(static_cast<std::uint64_t>(i) + 1)]);
        return n;
    }

    instant deadline_of(duration_ns timeout) const {
        return timeout < 0 ? never : detail::after(kernel_->threads().now(), timeout);
    }

public:
    static constexpr bool has_gate = true;
    static constexpr bool any_thread_registers = true;

    template <class Io>
    explicit simulated_poller(Io& io) : kernel_(&io.kernel()) {
        for (simulated_descriptor& d : reserved_) {
            const int fd = kernel_->open(std::make_shared<simulation::flag>());
            if (fd < 0)
                raise(error(reason::overloaded, "simulated: no descriptor left for a poller"));
            d = simulated_descriptor(*kernel_, fd);
        }
    }
    simulated_poller(simulated_poller&&) = delete;
    ~simulated_poller() {
        for (const auto& [fd, r] : registered_)
            if (simulation::file* f = kernel_->at(fd)) f->forget(*this, fd);
    }

    long add(int fd, std::uint64_t token, interest i) {
        simulation::file* f = kernel_->at(fd);
        if (!f) return -EBADF;
        if (!registered_.emplace(fd, registration{token, i}).second) return -EEXIST;
        f->observe(*this, fd, *kernel_->self().group);
        changed(fd);
        return 0;
    }
    long modify(int fd, std::uint64_t token, interest i) {
        const auto r = registered_.find(fd);
        if (r == registered_.end()) return -ENOENT;
        r->second = {token, i};
        changed(fd);
        return 0;
    }
    void remove(int fd) {
        if (registered_.erase(fd) == 0) return;
        hot_.erase(fd);
        if (simulation::file* f = kernel_->at(fd)) f->forget(*this, fd);
    }
    int wait(event* out, int capacity, duration_ns timeout) {
        simulation::scheduler& threads = kernel_->threads();
        threads.point('e');
        const instant deadline = deadline_of(timeout);
        for (;;) {
            if (const int n = collect(out, capacity); n != 0) return n;
            if (timeout == 0 || threads.now() >= deadline) return 0;
            if (kernel_->numbers().chance(kernel_->faults().early_wait)) return 0;
            waiting_ = threads.current();
            threads.block("a poller", deadline);
            waiting_ = nullptr;
        }
    }
    void recreate() {}

    void open_gate() noexcept {
        gate_open_ = true;
        if (at_gate_ && any_ready()) kernel_->threads().wake(*at_gate_);
        kernel_->threads().point('g');
    }
    void close_gate() noexcept { gate_open_ = false; }
    void kick_gate() noexcept {
        kicked_ = true;
        if (at_gate_) kernel_->threads().wake(*at_gate_);
        kernel_->threads().point('K');
    }
    bool wait_gate(duration_ns timeout) {
        simulation::scheduler& threads = kernel_->threads();
        threads.point('G');
        const instant deadline = deadline_of(timeout);
        for (;;) {
            if (std::exchange(kicked_, false)) return true;
            if (gate_open_ && any_ready()) return true;
            if (threads.now() >= deadline) return false;
            at_gate_ = threads.current();
            threads.block("a poller's gate", deadline);
            at_gate_ = nullptr;
        }
    }
};

} // namespace io
} // namespace mitogen::inline MITOGEN_ABI

// ---- mitogen/simulation/primitives.hpp ----
// primitives.hpp: how simulated threads exclude, put to sleep, interrupt and start one another.

namespace mitogen::inline MITOGEN_ABI {
namespace io {

/// As posix_mutex. Whoever finds it free takes it: no order among those who wait.
class simulated_mutex {
    simulation::kernel* kernel_;
    bool locked_ = false;
    std::vector<simulation::thread*> waiting_;

public:
    template <class Io>
    explicit simulated_mutex(Io& io) noexcept : kernel_(&io.kernel()) {}
    simulated_mutex(simulated_mutex&&) = delete;

    void lock() {
        kernel_->threads().point('l');
        while (locked_) {
            waiting_.push_back(kernel_->threads().current());
            kernel_->threads().block("a mutex");
        }
        locked_ = true;
    }
    bool try_lock() {
        kernel_->threads().point('l');
        return !std::exchange(locked_, true);
    }
    void unlock() {
        locked_ = false;
        for (simulation::thread* t : std::exchange(waiting_, {})) kernel_->threads().wake(*t);
        kernel_->threads().point('u');
    }
};

/// As posix_parker.
class simulated_parker {
    simulation::kernel* kernel_;
    bool token_ = false;
    simulation::thread* asleep_ = nullptr;

public:
    template <class Io>
    explicit simulated_parker(Io& io) noexcept : kernel_(&io.kernel()) {}
    simulated_parker(simulated_parker&&) = delete;

    void park() { static_cast<void>(park_until(never)); }
    bool park_until(instant deadline) {
        simulation::scheduler& threads = kernel_->threads();
        threads.point('P');
        while (!token_ && (deadline == never || threads.now() < deadline)) {
            asleep_ = threads.current();
            threads.block("a parker", deadline);
            asleep_ = nullptr;
        }
        return std::exchange(token_, false);
    }
    void unpark() noexcept {
        token_ = true;
        if (asleep_) kernel_->threads().wake(*asleep_);
        kernel_->threads().point('U');
    }
};

/// As eventfd_waker.
class simulated_waker {
    simulation::kernel* kernel_;
    std::shared_ptr<simulation::flag> flag_ = std::make_shared<simulation::flag>();
    simulated_descriptor fd_;

public:
    template <class Io>
    explicit simulated_waker(Io& io) : kernel_(&io.kernel()) {
        const int fd = kernel_->open(flag_);
        if (fd < 0) raise(error(reason::overloaded, "simulated: no descriptor left for a waker"));
        fd_ = simulated_descriptor(*kernel_, fd);
    }
    simulated_waker(simulated_waker&&) = delete;

    int fd() const noexcept { return fd_.get(); }
    void wake() noexcept {
        flag_->raise(kernel_->threads());
        kernel_->threads().point('w');
    }
    void drain() noexcept {
        kernel_->threads().point('d');
        flag_->lower();
    }
    void recreate() {}
};

/// As posix_thread.
class simulated_thread {
    struct link {
        bool finished = false;
        simulation::thread* joiner = nullptr;
    };

    simulation::kernel* kernel_ = nullptr;
    std::shared_ptr<link> link_;

public:
    simulated_thread() = default;
    template <class Io>
    simulated_thread(Io& io, const char* name, unique_function<void()> body)
        : kernel_(&io.kernel()), link_(std::make_shared<link>()) {
        simulation::scheduler& threads = kernel_->threads();
        threads.start(kernel_->self().group, name,
                      [&threads, link = link_, body = std::move(body)]() mutable {
                          body();
                          body.reset();
                          link->finished = true;
                          if (link->joiner) threads.wake(*link->joiner);
                      });
        threads.point('t');
    }
    simulated_thread(simulated_thread&& other) noexcept = default;
    simulated_thread& operator=(simulated_thread&& other) noexcept {
        if (this != &other) {
            join();
            kernel_ = other.kernel_;
            link_ = std::move(other.link_);
        }
        return *this;
    }
    ~simulated_thread() { join(); }

    void join() noexcept {
        const auto joined = std::exchange(link_, nullptr);
        while (joined && !joined->finished) {
            joined->joiner = kernel_->threads().current();
            kernel_->threads().block("the end of a thread");
        }
    }
    bool joinable() const noexcept { return link_ != nullptr; }
    void forget() noexcept { link_.reset(); }
};

} // namespace io
} // namespace mitogen::inline MITOGEN_ABI

// ---- mitogen/simulation/simulated.hpp ----
// simulated.hpp: the I/O policy of a simulated world.

namespace mitogen::inline MITOGEN_ABI {
namespace io {

/// The policy of a simulated world: virtual time, threads that are fibers of one real thread, pipes
/// and processes that exist in memory only, and faults. A handle; every copy is equal. Made by
/// simulation::world.
///
/// Threads: the world's only.
class simulated {
    simulation::kernel* kernel_;

    /// One transfer of several parts: only the first may sleep, and nobody comes in between.
    template <class First, class Rest>
    static long in_parts(const ::iovec* parts, int count, First&& first, Rest&& rest) {
        long done = 0;
        for (int i = 0; i < count; ++i) {
            if (parts[i].iov_len == 0) continue;
            const long n = done == 0 ? first(parts[i]) : rest(parts[i]);
            if (n <= 0) return done ? done : n;
            done += n;
            if (static_cast<std::size_t>(n) < parts[i].iov_len) break;
        }
        return done;
    }

public:
    using descriptor = simulated_descriptor;
    using process = simulated_process;
    using poller = simulated_poller;
    using waker = simulated_waker;
    using parker = simulated_parker;
    using mutex = simulated_mutex;
    using thread = simulated_thread;

    /// A simulated process has no fork().
    static constexpr bool can_fork = false;

    /// The world in which this is called: only inside of one.
    simulated() noexcept : kernel_(simulation::kernel::here()) {}
    explicit simulated(simulation::kernel& k) noexcept : kernel_(&k) {}

    simulation::kernel& kernel() const noexcept { return *kernel_; }

    instant now() const noexcept { return kernel_->threads().now(); }
    const void* self() const noexcept { return kernel_->threads().current(); }
    std::uint64_t random_number() const { return kernel_->secrets().next(); }
    void relax() const { kernel_->threads().point('y'); }

    long read(int fd, void* to, std::size_t size) const { return kernel_->read(fd, to, size); }
    long write(int fd, const void* from, std::size_t size) const {
        return kernel_->write(fd, from, size);
    }
    long readv(int fd, const ::iovec* parts, int count) const {
        return in_parts(
            parts, count,
            [&](const ::iovec& part) { return kernel_->read(fd, part.iov_base, part.iov_len); },
            [&](const ::iovec& part) {
                return kernel_->at(fd)->read(part.iov_base, part.iov_len);
            });
    }
    long writev(int fd, const ::iovec* parts, int count) const {
        return in_parts(
            parts, count,
            [&](const ::iovec& part) { return kernel_->write(fd, part.iov_base, part.iov_len); },
            [&](const ::iovec& part) {
                return kernel_->at(fd)->write(part.iov_base, part.iov_len);
            });
    }
    result<process> spawn(const os::spawn_options& options) const {
        result<std::uint32_t> pid = kernel_->spawn(options);
        if (!pid) return pid.error();
        return process(*kernel_, *pid);
    }

    long pipe(descriptor& read_end, descriptor& write_end) const {
        int in = -1;
        int out = -1;
        const long rc = kernel_->pipe(in, out);
        if (rc < 0) return rc;
        read_end = descriptor(*kernel_, in);
        write_end = descriptor(*kernel_, out);
        return 0;
    }
    long set_nonblocking(int fd, bool on) const { return kernel_->set_nonblocking(fd, on); }
    void enlarge(int) const noexcept {}
    long read_waiting(int fd, void* to, std::size_t size) const {
        return kernel_->read(fd, to, size, true);
    }
    bool write_all(int fd, const void* from, std::size_t size) const {
        const auto* p = static_cast<const char*>(from);
        while (size != 0) {
            const long n = kernel_->write(fd, p, size, true);
            if (n <= 0) return false;
            p += n;
            size -= static_cast<std::size_t>(n);
        }
        return true;
    }
    int own_pid() const noexcept { return static_cast<int>(kernel_->self().pid); }
    std::string own_name() const { return "simulated:" + std::to_string(kernel_->self().pid); }
    bool can_spawn_self() const noexcept { return true; }
    void signal_self(int number) const {
        static_cast<void>(kernel_->signal(kernel_->self().pid, number));
    }
    void set_title(const std::string& title) const { kernel_->self().group->name = title; }
    descriptor capture_stdout() const { return {}; }
    void release_stdout() const noexcept {}
    void leave_session() const noexcept {}

    /// Sleeps, in virtual time: for functions that take a while.
    void sleep_for(duration_ns span) const {
        static_cast<void>(kernel_->threads().block("sleep_for", detail::after(now(), span)));
    }
    /// Never returns: for functions that hang.
    [[noreturn]] void hang() const {
        for (;;) static_cast<void>(kernel_->threads().block("hang"));
    }
    /// Ends this simulated process as by SIGKILL: for functions that crash.
    [[noreturn]] void crash() const {
        signal_self(9);
        hang();
    }
};

static_assert(policy<simulated>);

} // namespace io
} // namespace mitogen::inline MITOGEN_ABI

// ---- mitogen/simulation/world.hpp ----
// world.hpp: one simulated world, from its seed to its verdict.

namespace mitogen::inline MITOGEN_ABI {
namespace simulation {

/// How a world is made.
struct world_options {
    std::uint64_t seed = 1;
    simulation::faults faults{};
    chooser* scheduling = nullptr;          ///< null: random_chooser, from the seed
    std::size_t trace_lines = 0;            ///< how many lines of what happened are kept
    std::uint64_t most_steps = 200'000'000; ///< after which a run is taken for endless
};

/// How a run went.
struct outcome {
    bool completed = false; ///< the body returned, and everything that it had started has ended
    std::string trouble{};  ///< else: what did not end, and what it waits for
    std::uint64_t hash = 0; ///< equal for equal runs
    std::uint64_t steps = 0;
    duration_ns elapsed = 0; ///< virtual
    std::uint64_t kills = 0; ///< faults that struck
    std::uint64_t cuts = 0;
};

/// A world in which programs run whose I/O policy is io::simulated: one thread at a time, in an
/// order that follows from a seed, in virtual time, with faults. The same seed gives the same run,
/// to the last step.
///
/// Threads: one real thread, from construction to destruction; several worlds may exist on several
/// threads.
class world {
    world_options options_;
    std::unique_ptr<chooser> own_chooser_;
    trace trace_;
    scheduler threads_;
    simulation::kernel kernel_;
    simulation::fault_injector injector_{kernel_};

    std::string who_waits() const {
        std::string text;
        int shown = 0;
        for (const auto& t : threads_.threads()) {
            if (++shown > 20) return text + "\n  ...";
            text += "\n  " + t->group->name + ", thread " + t->name + ": " +
                    (t->group->halted ? "stopped"
                     : t->waits_for   ? std::string("waits for ") + t->waits_for
                                      : "runs");
        }
        return text;
    }

    std::string left_behind() {
        std::string text;
        for (const auto& [pid, p] : kernel_.processes()) {
            if (!p->ended) text += "\n  " + p->group->name + " runs";
            if (p->ended && !p->reaped) text += "\n  " + p->group->name + " is a zombie";
        }
        if (const std::size_t open = kernel_.open_descriptors())
            text += "\n  " + std::to_string(open) + " descriptors are open";
        if (threads_.alive() != 0)
            text += "\n  " + std::to_string(threads_.alive()) + " threads:" + who_waits();
        return text;
    }

public:
    explicit world(world_options options)
        : options_(options),
          own_chooser_(options.scheduling ? nullptr
                                          : std::make_unique<random_chooser>(
                                                options.seed, options.faults.interrupt)),
          trace_(options.trace_lines),
          threads_(options.scheduling ? *options.scheduling : *own_chooser_, trace_),
          kernel_(threads_, options.faults, options.seed) {}
    explicit world(std::uint64_t seed) : world(world_options{.seed = seed}) {}
    world(world&&) = delete;

    /// What every process that is started does; see kernel::program.
    void set_program(unique_function<int(const os::spawn_options&, stdio)> program) {
        kernel_.program = std::move(program);
    }

    /// Runs `body` as the main thread of the world's first process, until it has returned and all
    /// it has started has ended. An exception that leaves a thread ends the run and comes out. May
    /// be called once.
    template <class Body>
    outcome run(Body body) {
        process_state& root = kernel_.boot(
            "root", [this, body = std::move(body)]() mutable { body(io::simulated(kernel_)); });
        injector_.enable();
        const bool returned = threads_.loop(
            options_.most_steps, [&] { return root.ended.has_value() || threads_.failure(); });
        outcome o;
        if (returned && !threads_.failure()) {
            injector_.disable();
            static_cast<void>(
                threads_.loop(options_.most_steps, [this] { return threads_.alive() == 0; }));
            o.trouble = left_behind();
            if (!o.trouble.empty()) o.trouble.insert(0, "left behind:");
        } else if (!returned) {
            o.trouble =
                (trace_.steps() >= options_.most_steps ? "it does not end:" : "everything waits:") +
                who_waits();
        }
        threads_.on_switch(nullptr);
        o.completed = o.trouble.empty();
        o.hash = trace_.hash();
        o.steps = trace_.steps();
        o.elapsed = threads_.now() - start_of_time;
        o.kills = injector_.kills();
        o.cuts = injector_.cuts();
        if (threads_.failure()) rethrow(threads_.failure());
        return o;
    }

    /// Calls `what` at a moment of virtual time, counted from the start of the run: for faults that
    /// are planned.
    void at(duration_ns since_start, unique_function<void()> what) {
        threads_.at(start_of_time + since_start, std::move(what));
    }

    /// From now on nothing goes wrong by chance, but for what is slow or partial anyway.
    void disable() { injector_.disable(); }

    simulation::kernel& kernel() noexcept { return kernel_; }
    const simulation::trace& log() const noexcept { return trace_; }

private:
    static void rethrow(std::exception_ptr e) { std::rethrow_exception(std::move(e)); }
};

} // namespace simulation
} // namespace mitogen::inline MITOGEN_ABI

// ---- mitogen/simulation/explore.hpp ----
// explore.hpp: runs a small program in all orders of its threads, or in many, and tells how the
// first bad one goes.

namespace mitogen::inline MITOGEN_ABI {
namespace simulation {

/// What a chooser said, one number per choice: the place that was taken. Zeros at the end are left
/// out.
using decisions = std::vector<std::uint32_t>;

/// Asks another chooser, and remembers what it said.   Threads: one.
class recording_chooser final : public chooser {
    chooser& inner_;
    decisions taken_;

public:
    explicit recording_chooser(chooser& inner) noexcept : inner_(inner) {}

    std::size_t choose(const std::uint32_t* threads, std::size_t count, bool staying) override {
        const std::size_t taken = inner_.choose(threads, count, staying);
        taken_.push_back(static_cast<std::uint32_t>(taken));
        return taken;
    }

    /// All choices so far.
    const decisions& taken() const noexcept { return taken_; }
};

/// Says what was said before, then always the first.   Threads: one.
class replaying_chooser final : public chooser {
    decisions said_;
    std::size_t at_ = 0;

public:
    explicit replaying_chooser(decisions said) noexcept : said_(std::move(said)) {}

    std::size_t choose(const std::uint32_t*, std::size_t count, bool) override {
        const std::size_t said = at_ < said_.size() ? said_[at_] : 0;
        ++at_;
        return std::min(said, count - 1);
    }
};

/// Which orders are tried.
struct exploration {
    enum class kind {
        exhaustive, ///< all orders with at most `most_interruptions`, depth first
        random,     ///< one with random_chooser for each seed
        priority,   ///< one with priority_chooser for each seed
    };
    kind how = kind::exhaustive;
    unsigned most_interruptions = 2; ///< of threads that could have gone on; exhaustive
    double interrupt = 0.2;          ///< how likely at each point; random
    unsigned depth = 3;              ///< of the bug, in ordered events; priority
    std::uint64_t choices = 200;     ///< about how many a run has; priority
    /// random and priority; exhaustive uses only this one, for faults
    std::uint64_t first_seed = 1;
    std::uint64_t last_seed = 100;
    std::uint64_t most_runs = 1'000'000;
    std::uint64_t most_steps = 1'000'000; ///< of one run, after which it is taken for endless
    simulation::faults faults{};
};

/// What was found.
struct findings {
    std::uint64_t runs = 0;
    /// everything was tried that should have been, and nothing was found
    bool complete = false;
    std::uint64_t most_choices = 0; ///< that one run had
    std::string failure{};          ///< of the first bad run; empty: there was none
    std::uint64_t seed = 0;         ///< its seed
    decisions how{};                ///< its choices

    /// True if a run was bad.
    bool failed() const noexcept { return !failure.empty(); }

    /// For people: how many runs, the failure, and how to see it again.
    std::string text() const {
        std::string out = std::to_string(runs) + (runs == 1 ? " run, " : " runs, ") +
                          (complete ? "complete" : "not complete");
        if (!failed()) return out;
        out += ": " + failure + "\nreplay: seed " + std::to_string(seed) + ", decisions {";
        for (std::size_t i = 0; i < how.size(); ++i)
            out += (i ? ", " : "") + std::to_string(how[i]);
        return out + "}";
    }
};

namespace detail {

/// One run; the failure's text, or nothing. `lines`: what happened, or null.
template <class Body>
std::string explore_once(const exploration& options, std::uint64_t seed, chooser& by, Body& body,
                         std::string* lines) {
    world w({.seed = seed,
             .faults = options.faults,
             .scheduling = &by,
             .trace_lines = lines ? std::size_t{1000} : 0,
             .most_steps = options.most_steps});
    std::string failure;
#if MITOGEN_HAS_EXCEPTIONS
    try {
        failure = w.run([&body](io::simulated io) { body(io); }).trouble;
    } catch (const std::exception& e) {
        failure = std::string("exception: ") + e.what();
    } catch (...) {
        failure = "exception that is no std::exception";
    }
#else
    failure = w.run([&body](io::simulated io) { body(io); }).trouble;
#endif
    if (lines)
        for (const std::string& line : w.log().lines()) *lines += line + '\n';
    return failure;
}

} // namespace detail

/// Runs `body(io::simulated)` in a fresh world per order, until all orders that `options` asks for
/// have been tried, or one is bad: an exception leaves a thread, or the world does not come to its
/// end (everything waits; something is left behind).
///
/// The body is called many times: it makes everything that it uses, and whatever differs between
/// runs must follow from the policy. Threads: one real thread. Blocks: as long as it takes; about
/// 0.1 ms per run of a few dozen steps.
template <class Body>
findings explore(const exploration& options, Body body) {
    findings found;
    exhaustive_chooser all(options.most_interruptions);
    for (std::uint64_t seed = options.first_seed; found.runs < options.most_runs;) {
        random_chooser any(seed, options.interrupt);
        priority_chooser prioritised(seed, options.depth, options.choices);
        chooser& by = options.how == exploration::kind::exhaustive ? static_cast<chooser&>(all)
                      : options.how == exploration::kind::random
                          ? static_cast<chooser&>(any)
                          : static_cast<chooser&>(prioritised);
        recording_chooser recorder(by);
        found.failure = detail::explore_once(options, seed, recorder, body, nullptr);
        ++found.runs;
        found.most_choices = std::max<std::uint64_t>(found.most_choices, recorder.taken().size());
        if (found.failure.empty() && all.diverged())
            found.failure = "the same choices led to another run";
        if (found.failed()) {
            found.seed = seed;
            found.how = recorder.taken();
            while (!found.how.empty() && found.how.back() == 0) found.how.pop_back();
            return found;
        }
        const bool more = options.how == exploration::kind::exhaustive ? all.next_run()
                                                                       : seed++ < options.last_seed;
        if (more) continue;
        found.complete = true;
        break;
    }
    return found;
}

/// Makes the run again that failed. Returns its failure, and before it the last lines of what
/// happened.
template <class Body>
std::string replay(const exploration& options, std::uint64_t seed, decisions how, Body body) {
    replaying_chooser by(std::move(how));
    std::string lines;
    const std::string failure = detail::explore_once(options, seed, by, body, &lines);
    return lines + failure;
}

} // namespace simulation
} // namespace mitogen::inline MITOGEN_ABI

// ---- mitogen/simulation/fleet.hpp ----
// fleet.hpp: whole trees of contexts in one simulated world, on hosts whose fate is known
// beforehand.

namespace mitogen::inline MITOGEN_ABI {
namespace simulation {

/// The loop under the policy io::simulated; everything else that a program uses is the same under
/// every policy.
using broker = basic_broker<io::simulated>;

/// The connection method of simulated worlds: `router.connect(simulation::host{.name = "web1"})`.
/// What becomes of a host of that name is decided by the fleet; one that it does not know is in
/// good health.
struct host {
    std::string name{};                                ///< of the host and of the context
    std::chrono::milliseconds connect_timeout{30'000}; ///< from start to hello, in virtual time
    std::string executable{};                          ///< has no meaning here
    /// of functions there that have no run_on of their own
    on executor = on::main;
    /// for it and all below it; empty: this context's own
    std::optional<mitogen::limits> limits{};

    static constexpr std::string_view method_name = "simulated host";
    template <class Self>
    static constexpr auto fields(Self& self) {
        return std::tie(self.name, self.connect_timeout, self.executable, self.executor,
                        self.limits);
    }

    result<boot_plan> plan() const {
        boot_plan p;
        p.what = "host " + name;
        p.name = "host";
        mitogen::detail::apply_common(*this, p);
        p.start.path = name;
        p.start.argv = {name};
        return p;
    }
};

/// Simulated machines, and a program that runs on one of them and calls its functions on the
/// others.
///
/// Threads: one real thread.
class fleet {
    struct fate {
        enum class kind : std::uint8_t { refuses, silent, dies, hangs } what = kind::silent;
        duration_ns when = 0;
        std::string words{};
        int code = 0;
    };

    simulation::world world_;
    std::map<std::string, fate> fates_;

    int live(const std::string& name, stdio ends) {
        io::simulated io;
        const auto found = fates_.find(name);
        if (found != fates_.end()) {
            const fate& f = found->second;
            switch (f.what) {
            case fate::kind::refuses:
                static_cast<void>(io.write_all(ends.err, f.words.data(), f.words.size()));
                return f.code;
            case fate::kind::silent: io.hang();
            case fate::kind::dies: later(f.when, 9); break;
            case fate::kind::hangs: later(f.when, 19); break;
            }
        }
        kernel& k = io.kernel();
        mitogen::detail::serve_as_child<io::simulated>(
            io, {io::simulated_descriptor(k, ends.in), io::simulated_descriptor(k, ends.out)});
        return 0;
    }

    void later(duration_ns when, int signal) {
        kernel& k = world_.kernel();
        k.threads().at(k.threads().now() + when, [&k, pid = k.self().pid, signal] {
            static_cast<void>(k.signal(pid, signal));
        });
    }

public:
    explicit fleet(world_options options) : world_(options) {
        world_.set_program([this](const os::spawn_options& start, stdio ends) {
            return live(start.argv.empty() ? std::string() : start.argv.front(), ends);
        });
    }
    explicit fleet(std::uint64_t seed) : fleet(world_options{.seed = seed}) {}

    /// Whoever connects to that host gets no further than this: what the client says on stderr, and
    /// its exit code.
    void refuses(const std::string& host, std::string words = "Connection refused\n",
                 int code = 255) {
        fates_[host] = {fate::kind::refuses, 0, std::move(words), code};
    }
    /// It takes the connection and never says a word.
    void never_answers(const std::string& host) { fates_[host] = {fate::kind::silent, 0, {}, 0}; }
    /// Its process is killed so long after it was started.
    void dies_after(const std::string& host, duration_ns span) {
        fates_[host] = {fate::kind::dies, span, {}, 0};
    }
    /// Its process stops, as by SIGSTOP, so long after it was started.
    void hangs_after(const std::string& host, duration_ns span) {
        fates_[host] = {fate::kind::hangs, span, {}, 0};
    }

    /// Runs `body(mitogen::router&)` as the program that owns the tree. May be called once. Throws
    /// what the body throws.
    template <class Body>
    outcome run(Body&& body, router_options options = {}) {
        return world_.run([&](io::simulated io) {
            simulation::broker loop(io);
            router root(loop, options);
            body(root);
        });
    }

    /// For faults that are planned, and for the trace.
    simulation::world& world() noexcept { return world_; }
};

/// Sleeps in virtual time. For functions that a simulated context runs.
inline void sleep_for(duration_ns span) { io::simulated().sleep_for(span); }

} // namespace simulation
} // namespace mitogen::inline MITOGEN_ABI

// ---- mitogen/base/undef.hpp ----
// undef.hpp: removes the library's own macros, last in the umbrellas. Written by tools/amalgamate.

#undef MITOGEN_ABI
#undef MITOGEN_ASAN
#undef MITOGEN_COLD
#undef MITOGEN_HAS_DESCRIBE
#undef MITOGEN_HAS_EXCEPTIONS
#undef MITOGEN_HAS_KQUEUE
#undef MITOGEN_HAS_PFR
#undef MITOGEN_HAS_RTTI
#undef MITOGEN_INLINE
#undef MITOGEN_NATIVE_KQUEUE
#undef MITOGEN_PASTE
#undef MITOGEN_TAG
#undef MITOGEN_TAG_CONTAINERS
#undef MITOGEN_TAG_DESCRIBE
#undef MITOGEN_TAG_MODE
#undef MITOGEN_TAG_PFR
#undef MITOGEN_TAG_STOP
#undef MITOGEN_TAG_TSAN
#undef MITOGEN_TSAN
