// SPDX-License-Identifier: BSL-1.0
#pragma once
// terminal_server.hpp: lends the root's terminal to one thread of the tree at a time.

#include <mitogen/base/config.hpp>
#include <mitogen/base/log.hpp>
#include <mitogen/debug/errand_thread.hpp>
#include <mitogen/debug/frames/frame_text.hpp>
#include <mitogen/debug/terminal/prompt_session.hpp>
#include <mitogen/debug/terminal/prompt_terminal.hpp>
#include <mitogen/debug/terminal/stop_session.hpp>
#include <mitogen/debug/terminal/tree_stops.hpp>
#include <mitogen/node/router_core.hpp>

#include <memory>
#include <mutex>
#include <string>
#include <utility>

namespace mitogen::inline MITOGEN_ABI {
namespace detail {

/// A thread of its own, which is there while somebody waits, runs one session after the other.
///
/// Threads: as marked. The router outlives it, and close() comes before its end.
template <class Io>
class terminal_server {
    using core = basic_router_core<Io>;

    core& node_;
    const terminal_opener open_terminal_;
    tree_stops<Io> stops_;
    attendant by_{nullptr, "the root's terminal"};
    // all that follows: under the mutex of stops_
    std::unique_ptr<prompt_terminal> terminal_; // while a session runs
    std::string awaited_;  // where a second terminal may come from, if that is waited for
    bool in_vain_ = false; // there is no terminal here, and a second one is waited for
    errand_thread<Io> thread_;

public:
    terminal_server(core& node, terminal_opener open_terminal)
        : node_(node), open_terminal_(open_terminal), stops_(node, [this] { return begin(); }) {}
    terminal_server(terminal_server&&) = delete;

    tree_stops<Io>& stops() noexcept { return stops_; }

    /// Where there is no terminal, who stops waits for a second one that comes through that socket.
    /// Threads: any.
    void await_client(const std::string& socket) {
        const std::lock_guard lock(stops_.access());
        awaited_ = socket;
    }

    /// Waits until nobody stands here or waits to. Threads: any but the loop.
    void close() {
        std::unique_lock lock(stops_.access());
        (void)stops_.changed().wait(lock, node_, never,
                                    [this] { return stops_.empty() && !thread_.running(); });
        lock.unlock();
        thread_.join();
    }

    /// In a copy of the process made by fork().
    void abandon() noexcept {
        thread_.abandon();
        if (terminal_) terminal_->abandon();
    }

private:
    bool begin() {
        if (in_vain_) return true;
        return thread_.begin(node_.loop().io(), "mitogen-debug", [this] { work(); });
    }

    void work() {
        std::unique_lock lock(stops_.access());
        while (!in_vain_) {
            const auto s = stops_.grant(by_);
            if (!s) break;
            lock.unlock();
            const session_end how = run(*s);
            lock.lock();
            in_vain_ = how == session_end::detached;
            (void)stops_.finish(*s, by_, how);
        }
        thread_.ended();
        stops_.changed().notify_all();
    }

    session_end run(tree_stop& s) {
        auto terminal = open_terminal_();
        const bool usable = terminal && terminal->begin();
        if (!usable) return without_terminal(s);
        prompt_terminal& here = *terminal;
        {
            const std::lock_guard lock(stops_.access());
            terminal_ = std::move(terminal);
            by_.terminal = &here;
        }
        const session_end how = run_session(stops_, s, by_, here, false);
        here.end();
        {
            const std::lock_guard lock(stops_.access());
            terminal = std::move(terminal_);
            by_.terminal = nullptr;
        }
        if (how == session_end::broken) here.interrupt_program();
        return how;
    }

    /// Detached: it waits for a second one.
    session_end without_terminal(tree_stop& s) {
        std::string awaited;
        {
            const std::lock_guard lock(stops_.access());
            awaited = awaited_;
        }
        stop_view view(s.report);
        log::write(log::level::warning,
                   with_stack(s.place + ": " + view.text() +
                                  (awaited.empty()
                                       ? "; it goes on, as this program has no terminal where it "
                                         "could stop"
                                       : "; it waits for `mitogen-debug " + awaited + "`"),
                              view.program_frames()));
        return awaited.empty() ? session_end::go_on : session_end::detached;
    }
};

} // namespace detail
} // namespace mitogen::inline MITOGEN_ABI
