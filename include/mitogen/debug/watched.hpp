// SPDX-License-Identifier: BSL-1.0
#pragma once
// watched.hpp: what threads of this process watch, and how a prompt prints and sets it.

#include <mitogen/base/config.hpp>
#include <mitogen/debug/process_wide.hpp>
#include <mitogen/debug/watch.hpp>
#include <mitogen/os/mutex.hpp>
#include <mitogen/os/thread/thread_number.hpp>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <mutex>
#include <string>
#include <string_view>
#include <vector>

namespace mitogen::inline MITOGEN_ABI {
namespace detail {

/// All of this process.
template <class = void> // compiled where it is used
class basic_watched_variables {
    struct variable {
        std::uint64_t thread;
        std::string name;
        void* value;
        bool of_function; // and not static, or on the heap
        watched_type type;
    };
    static constexpr std::uintptr_t stack = 8u << 20; // bytes of one: setrlimit(2)
    io::posix_mutex mutex_;
    std::vector<variable> all_;

    static std::uintptr_t number(const void* address) noexcept {
        return reinterpret_cast<std::uintptr_t>(address);
    }

    static bool near(const void* value, const void* here) noexcept {
        const std::uintptr_t a = number(value);
        const std::uintptr_t b = number(here);
        return (a < b ? b - a : a - b) < stack;
    }

    /// Variables of functions of this thread that have returned: they were nearer to the end of its
    /// stack than `here`, which is in one that has not. Stacks grow down wherever this runs.
    void forget_returned(std::uint64_t thread, const void* here) {
        std::erase_if(all_, [&](const variable& v) {
            return v.thread == thread && v.of_function && number(v.value) < number(here);
        });
    }

    /// The one of that thread, else one that is no function's; null if there is none.
    const variable* find(std::uint64_t thread, std::string_view name) const {
        const variable* found = nullptr;
        for (const variable& v : all_)
            if (v.name == name && (v.thread == thread || (!v.of_function && !found))) found = &v;
        return found;
    }

    std::string names(std::uint64_t thread) const {
        std::string text;
        for (const variable& v : all_)
            if (v.thread == thread || !v.of_function) text += (text.empty() ? "" : ", ") + v.name;
        return text.empty() ? "nothing is watched here; mitogen::watch(\"name\", variable) does"
                            : "watched here: " + text;
    }

public:
    void add(std::string_view name, void* value, const watched_type& type, const void* here) {
        const std::uint64_t thread = os::thread_number();
        const std::lock_guard lock(mutex_);
        forget_returned(thread, here);
        std::erase_if(all_,
                      [&](const variable& v) { return v.thread == thread && v.name == name; });
        all_.push_back({thread, std::string(name), value, near(value, here), type});
    }

    void remove(std::string_view name) {
        const std::uint64_t thread = os::thread_number();
        const std::lock_guard lock(mutex_);
        std::erase_if(all_,
                      [&](const variable& v) { return v.thread == thread && v.name == name; });
    }

    /// The calling thread is about to stop.
    void stops(const void* here) {
        const std::lock_guard lock(mutex_);
        forget_returned(os::thread_number(), here);
    }

    /// "name = value", or what there is if there is none of that name.
    std::string print(std::uint64_t thread, std::string_view name) {
        const std::lock_guard lock(mutex_);
        const variable* v = find(thread, name);
        if (!v) return "no variable \"" + std::string(name) + "\": " + names(thread);
        shown_text text;
        v->type.show(text, v->value);
        return std::string(name) + " = " + text.take();
    }

    std::string set(std::uint64_t thread, std::string_view name, std::string_view typed) {
        const std::lock_guard lock(mutex_);
        const variable* v = find(thread, name);
        if (!v) return "no variable \"" + std::string(name) + "\": " + names(thread);
        if (!v->type.set)
            return std::string(name) + " cannot be set: only numbers, enumerations and strings can "
                                       "that are not const";
        if (!v->type.set(typed, v->value))
            return "\"" + std::string(typed) + "\" is no value of " + std::string(name);
        shown_text text;
        v->type.show(text, v->value);
        return std::string(name) + " = " + text.take();
    }

    /// In a copy of the process made by fork(): the other threads are not there, and one of them
    /// may have held the lock.
    void forget() noexcept {
        mutex_.renew();
        all_.clear();
    }
};

using watched_variables = basic_watched_variables<>;

template <class T>
[[gnu::noinline]] void add_watched(std::string_view name, void* value, const watched_type& type) {
    process_wide<watched_variables>().add(name, value, type, __builtin_frame_address(0));
}
template <class T>
void remove_watched(std::string_view name) noexcept {
    process_wide<watched_variables>().remove(name);
}

} // namespace detail
} // namespace mitogen::inline MITOGEN_ABI
