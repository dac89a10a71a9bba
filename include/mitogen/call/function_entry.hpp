// SPDX-License-Identifier: BSL-1.0
#pragma once
// function_entry.hpp: what one function that other contexts may call is, and how it gets into the
// list of them.

#include <mitogen/base/config.hpp>
#include <mitogen/base/on.hpp>
#include <mitogen/base/static_registry.hpp>
#include <mitogen/call/identity.hpp>
#include <mitogen/call/traits.hpp>
#include <mitogen/loop/activity/activity.hpp>

#include <atomic>
#include <cstdint>
#include <string>

namespace mitogen::inline MITOGEN_ABI {

/// Where `F` runs: `template <> inline constexpr auto mitogen::run_on<&fn> = mitogen::on::pool;`
/// (before the first use of `fn`). A function that takes a dialog or returns a generator has a
/// thread of its own, on::thread, unless this names on::main or on::loop.
template <auto F>
inline constexpr on run_on = on::context;

namespace detail {

struct invocation;
class function_entry;

/// Decodes the arguments of one call, runs `F`, encodes the result.
template <auto F>
void invoke_thunk(invocation&);

struct registration;

// The part of an entry that changes and that no call looks at. Apart from it, so that the entry is
// half a cache line.
struct entry_state {
    // the one that was registered before this one
    const function_entry* before = nullptr;
    std::atomic<const function_texts*> texts{nullptr}; // made by whoever asks first, then kept
};

/// One function that can be called from other contexts. There is exactly one entry per function,
/// and it lives as long as the process.
///
/// Threads: any.   Blocks: never.
class function_entry {
    friend struct registration;

    std::uint32_t index_ = unregistered;

public:
    /// index() of an entry whose static initialiser has not run yet.
    static constexpr std::uint32_t unregistered = 0xffff'ffff;

    /// The place that it runs in.
    const on where;

private:
    // a debugger's, while it stops at the function; else invoke_thunk's
    mutable std::atomic<void (*)(invocation&)> call_;
    const function_source* source_;
    // to name it is what makes the object exist whose constructor registers the entry
    entry_state* state_;

    MITOGEN_COLD const function_texts& describe() const {
        const auto* made = new function_texts(read_texts(*source_));
        const function_texts* other = nullptr;
        if (state_->texts.compare_exchange_strong(other, made, std::memory_order_acq_rel))
            return *made;
        delete made;
        return *other;
    }

public:
    constexpr function_entry(const function_source* source, on runs,
                             void (*call)(invocation&), entry_state* state) noexcept
        : where(runs), call_(call), source_(source), state_(state) {}
    function_entry(const function_entry&) = delete;

    /// Executes one call.
    void invoke(invocation& inv) const { call_.load(std::memory_order_relaxed)(inv); }
    /// From now on `call` does that; returns what did it before.
    void (*replace(void (*call)(invocation&)) const noexcept)(invocation&) {
        return call_.exchange(call);
    }

    /// Dense, from 0; the same in every process that runs the same binary.
    std::uint32_t index() const noexcept { return index_; }

    /// Canonical qualified name, or what name_of says.
    const std::string& name() const { return texts().name; }
    /// Wire signature, for instance `(i32,string)->[u64]`.
    const std::string& signature() const { return texts().signature; }
    /// Name and signature.
    const std::string& identity() const { return texts().identity; }
    /// The 64-bit hash of the identity, by which programs of different builds refer to the
    /// function.
    std::uint64_t key() const { return texts().key; }

    /// False if only programs of this very build can call it: lambdas, anonymous namespaces, what
    /// is declared inside a function; and what this program cannot tell from another of its
    /// functions. `name_of` makes it true.
    bool stable_name() const;

    /// All that is known of the name.
    const function_texts& texts() const {
        const auto* known = state_->texts.load(std::memory_order_acquire);
        return known ? *known : describe();
    }

    /// The entry that was registered before this one; null for the first.
    const function_entry* before() const noexcept { return state_->before; }
};

// All entries that were registered.
inline constinit static_registry<function_entry> all_functions;

// A static object of this type puts its entry into the list. One binary runs its static
// initialisers in one order: the numbers never change.
struct registration : entry_state {
    MITOGEN_COLD explicit registration(function_entry& entry) noexcept {
        all_functions.add(entry, [&](const function_entry* last) {
            before = last;
            entry.index_ = last ? last->index_ + 1 : 0;
        });
    }
};

// Where `F` runs, whatever run_on says of a task.
template <auto F>
constexpr on place_of() noexcept {
    constexpr bool coroutine = is_task<typename function_traits<F>::result>;
    static_assert(coroutine ? run_on<F> != on::pool : run_on<F> != on::task,
                  "mitogen: a function that returns task<T> runs on the loop, and nothing else is "
                  "a task: drop its run_on");
    // What waits for its caller again and again must not keep others from running, in silence.
    constexpr bool holds_thread = function_traits<F>::dialogs > 0 ||
                                  is_item_range<typename function_traits<F>::result>;
    constexpr bool anywhere = run_on<F> == on::context || run_on<F> == on::pool;
    return coroutine ? on::task : holds_thread && anywhere ? on::thread : run_on<F>;
}

/// Work of a loop: a function_entry's, and a task that began as one; 0: of which only its program
/// knows the name.
inline constexpr loop_work function_work{[](std::uintptr_t of) {
    return "the function " + reinterpret_cast<const function_entry*>(of)->name();
}};
inline constexpr loop_work task_work{[](std::uintptr_t of) {
    return of ? "the task " + reinterpret_cast<const function_entry*>(of)->name()
              : std::string("a task of this program");
}};

template <auto F>
struct slot {
    static function_entry entry;
    static registration link;
};
template <auto F>
constinit function_entry slot<F>::entry{&source<F>, place_of<F>(), &invoke_thunk<F>,
                                        &slot<F>::link};
template <auto F>
registration slot<F>::link{slot<F>::entry};

/// The entry of `F`. To name it is to register `F`.
template <auto F>
const function_entry& entry_of() noexcept {
    return slot<F>::entry;
}

} // namespace detail

/// Exports a function that this program itself never calls. Any mention that is compiled suffices,
/// at any scope and whether or not it is ever executed:
/// `[[maybe_unused]] constexpr auto& exported = mitogen::remote<&fn>;`. (Inside sizeof or decltype
/// it is no mention.)
template <auto F>
inline constexpr const detail::function_entry& remote = detail::slot<F>::entry;

} // namespace mitogen::inline MITOGEN_ABI
