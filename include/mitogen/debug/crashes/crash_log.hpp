// SPDX-License-Identifier: BSL-1.0
#pragma once
// crash_log.hpp: the root's record of each context that has crashed: with the lines of its stack.

#include <mitogen/base/config.hpp>
#include <mitogen/base/ids.hpp>
#include <mitogen/base/log.hpp>
#include <mitogen/codec/codec.hpp>
#include <mitogen/debug/crashes/crash_text.hpp>
#include <mitogen/debug/errand_thread.hpp>
#include <mitogen/debug/frames/frame_names.hpp>
#include <mitogen/debug/frames/frame_text.hpp>
#include <mitogen/node/router_core.hpp>
#include <mitogen/protocol/handle.hpp>
#include <mitogen/protocol/message.hpp>

#include <cstddef>
#include <deque>
#include <mutex>
#include <string>
#include <utility>

namespace mitogen::inline MITOGEN_ABI {
namespace detail {

/// A context's parent sends what that has said of its crash, before it tells of the loss. The tools
/// that name frames are waited for on a thread of its own.
///
/// Threads: as marked. The router outlives it, and close() comes before its end.
template <class Io>
class crash_log {
    using core = basic_router_core<Io>;

    struct entry {
        std::string name;
        std::string text;
    };

    core& node_;
    mutex mutex_{node_};
    condition changed_;
    std::deque<entry> waiting_; // under mutex_
    errand_thread<Io> thread_;

    static constexpr std::size_t most_waiting = 64; // a tree may crash as a whole
    static constexpr std::size_t longest_text = 1u << 17;

public:
    explicit crash_log(core& node) : node_(node) {
        (void)node.add_raw_handler(handles::crash, {.from = senders::anyone},
                                   [this](const message& m) { serve(m); });
    }
    crash_log(crash_log&&) = delete;

    /// Waits until all that has come is in the log. Threads: any but the loop.
    void close() { thread_.finish(mutex_, changed_, node_); }

    /// In a copy of the process made by fork().
    void abandon() noexcept { thread_.abandon(); }

private:
    /// On the loop.
    void serve(const message& m) {
        reader r(m.payload);
        context_id id{};
        std::string name;
        std::string text;
        if (!decode(r, id, name, text) || !r.finish() || text.size() > longest_text) return;
        if (m.src() != node_.id()) { // else the route has ended already
            const auto known = node_.routes().get(id);
            if (known.id != id || known.parent != m.src()) return; // none of its children
            name = node_.called(id);
        }
        const std::lock_guard lock(mutex_);
        if (waiting_.size() >= most_waiting) return;
        waiting_.push_back({std::move(name), std::move(text)});
        if (!thread_.begin(node_.loop().io(), "mitogen-crash", [this] { work(); }))
            waiting_.clear();
    }

    void work() {
        std::unique_lock lock(mutex_);
        while (!waiting_.empty()) {
            const entry e = std::move(waiting_.front());
            waiting_.pop_front();
            lock.unlock();
            tell(e);
            lock.lock();
        }
        thread_.ended();
        changed_.notify_all();
    }

    static void tell(const entry& e) {
        const crash_text crash = read_crash(e.text);
        log::write(log::level::error,
                   with_stack(e.name + " crashed: " +
                                  (crash.signal.empty() ? std::string("unknown signal")
                                                        : crash.signal),
                              frames_to_show(name_frames(crash.frames))));
    }
};

} // namespace detail
} // namespace mitogen::inline MITOGEN_ABI
