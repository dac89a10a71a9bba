// SPDX-License-Identifier: BSL-1.0
#pragma once
// dump_signal.hpp: a signal that has the root of a debugged tree say what every context is at.

#include <mitogen/base/config.hpp>
#include <mitogen/base/log.hpp>
#include <mitogen/base/result.hpp>
#include <mitogen/debug/errand_thread.hpp>
#include <mitogen/debug/tree_dump.hpp>
#include <mitogen/io/policy.hpp>
#include <mitogen/loop/bound_source.hpp>
#include <mitogen/node/router_core.hpp>
#include <mitogen/os/call.hpp>
#include <mitogen/os/process/signal_watch.hpp>

#include <mutex>
#include <string>
#include <string_view>

namespace mitogen::inline MITOGEN_ABI {
namespace detail {

/// SIGUSR1, if the program has not said itself what becomes of it. Threads: as marked. The router
/// outlives it, and close() comes before its end.
template <class Io>
class dump_signal {
    using core = basic_router_core<Io>;

    core& node_;
    os::signal_watch signals_{os::last_resort::third_unread};
    bound_source<dump_signal> ready_{};
    mutex mutex_{node_};
    condition changed_;
    bool wanted_ = false; // under mutex_
    errand_thread<Io> thread_;

public:
    explicit dump_signal(core& node) : node_(node) {}
    dump_signal(dump_signal&&) = delete;

    /// Threads: any. Once.
    void begin() {
        if (!os::is_default(os::dump_number)) return;
        if (const result<void> on = signals_.begin({os::dump_number}); !on)
            return log::write(log::level::warning, on.error().what());
        on_ready<&dump_signal::hear>(ready_, *this, signals_.fd());
        node_.loop().run([this] { (void)node_.loop().watch(ready_, io::interest::read); });
    }

    /// Waits for a dump that is under way. Threads: any but the loop.
    void close() {
        node_.loop().run([this] {
            if (signals_.fd() >= 0) node_.loop().unwatch(ready_);
        });
        thread_.finish(mutex_, changed_, node_);
    }

    /// In a copy of the process made by fork().
    void abandon() noexcept { thread_.abandon(); }

private:
    /// On the loop.
    void hear() {
        unsigned char numbers[64];
        if (signals_.take(numbers) == 0) return;
        const std::lock_guard lock(mutex_);
        wanted_ = true;
        (void)thread_.begin(node_.loop().io(), "mitogen-dump", [this] { work(); });
    }

    void work() {
        std::unique_lock lock(mutex_);
        while (wanted_) {
            wanted_ = false;
            lock.unlock();
            const std::string dump = dump_tree(node_);
            for (std::string_view text = dump; !text.empty();) {
                const long n = os::write(2, text.data(), text.size());
                if (n <= 0) break; // nobody reads there
                text.remove_prefix(static_cast<std::size_t>(n));
            }
            lock.lock();
        }
        thread_.ended();
        changed_.notify_all();
    }
};

} // namespace detail
} // namespace mitogen::inline MITOGEN_ABI
