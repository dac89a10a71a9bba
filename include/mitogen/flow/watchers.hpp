// SPDX-License-Identifier: BSL-1.0
#pragma once
// watchers.hpp: what is to run at the next change of something, each once.

#include <mitogen/base/config.hpp>
#include <mitogen/base/function.hpp>

#include <utility>
#include <vector>

namespace mitogen::inline MITOGEN_ABI {
namespace detail {

/// Callbacks that wait, each with the key under which it can be taken back. They are run and
/// destroyed without the owner's mutex: what a callback holds may be the last reference to its
/// owner. Threads: all under the owner's mutex, but for run().
class watchers {
    struct watcher {
        const void* key;
        unique_function<void()> go;
    };
    std::vector<watcher> waiting_;

public:
    void add(const void* key, unique_function<void()> go) {
        waiting_.push_back({key, std::move(go)});
    }

    /// All of them, to be run.
    watchers take() noexcept { return std::exchange(*this, {}); }

    /// Those of this key, to be dropped.
    watchers take(const void* key) {
        watchers taken;
        // std::stable_partition() uses what C++17 deprecates, and clang says so
        std::vector<watcher> kept;
        for (watcher& w : waiting_) (w.key == key ? taken.waiting_ : kept).push_back(std::move(w));
        waiting_ = std::move(kept);
        return taken;
    }

    bool empty() const noexcept { return waiting_.empty(); }

    void run() {
        for (watcher& w : waiting_) w.go();
    }
};

} // namespace detail
} // namespace mitogen::inline MITOGEN_ABI
