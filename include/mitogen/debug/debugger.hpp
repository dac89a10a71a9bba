// SPDX-License-Identifier: BSL-1.0
#pragma once
// debugger.hpp: a router's debugger: where its threads stop, and, in the root, who lends them the
// terminal.

#include <mitogen/base/config.hpp>
#include <mitogen/base/error.hpp>
#include <mitogen/base/log.hpp>
#include <mitogen/base/result.hpp>
#include <mitogen/base/time.hpp>
#include <mitogen/child/child_stderr.hpp>
#include <mitogen/debug/breakpoint.hpp>
#include <mitogen/debug/clients/client_server.hpp>
#include <mitogen/debug/code_place.hpp>
#include <mitogen/debug/crashes/crash_log.hpp>
#include <mitogen/debug/crashes/crash_text.hpp>
#include <mitogen/debug/debugging.hpp>
#include <mitogen/debug/dump_signal.hpp>
#include <mitogen/debug/entry_stops.hpp>
#include <mitogen/debug/frames/own_frames.hpp>
#include <mitogen/debug/stop_report.hpp>
#include <mitogen/debug/stopped_threads.hpp>
#include <mitogen/debug/terminal/prompt_terminal.hpp>
#include <mitogen/debug/terminal/terminal_server.hpp>
#include <mitogen/debug/terminal/tree_stops.hpp>
#include <mitogen/debug/tree_dump.hpp>
#include <mitogen/debug/watched.hpp>
#include <mitogen/io/policy.hpp>
#include <mitogen/node/router_core.hpp>
#include <mitogen/os/call.hpp>
#include <mitogen/os/crash/crash_report.hpp>
#include <mitogen/os/process/debugger.hpp>
#include <mitogen/os/thread/thread_number.hpp>
#include <mitogen/serve/uncaught.hpp>
#include <mitogen/task/task.hpp>

#include <atomic>
#include <cstdlib>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>

namespace mitogen::inline MITOGEN_ABI {
namespace detail {

/// See debugging, and stopping_place.
template <class Io>
class debugger final : public debugging<Io> {
    basic_router_core<Io>& node_;
    stopped_threads<Io> stopped_;
    std::optional<terminal_server<Io>> terminal_; // of a root
    struct nothing {};
    // of a root that is debugged, where there are sockets
    std::unique_ptr<std::conditional_t<io::has_local_sockets<Io>, client_server<Io>, nothing>>
        clients_;
    std::optional<crash_log<Io>> crashes_;        // of a root that is debugged
    std::unique_ptr<std::conditional_t<io::has_local_sockets<Io>, dump_signal<Io>, nothing>>
        dumps_; // the same
    mutex mutex_{node_};
    condition left_;
    std::size_t inside_ = 0; // under mutex_
    bool closed_ = false;    // under mutex_

    static std::unique_ptr<prompt_terminal> no_terminal() { return nullptr; }
    static constexpr terminal_opener terminal() {
        if constexpr (io::has_local_sockets<Io>)
            return &own_terminal::open;
        else
            return &no_terminal;
    }

    /// Where the environment names a socket, who stops waits for a client if there is no terminal.
    void let_clients_come() {
        const char* const named = std::getenv("MITOGEN_DEBUG_SOCKET");
        const std::string path = named ? named : "";
        clients_ = std::make_unique<client_server<Io>>(node_, stops_of_tree());
        if (const result<void> open = clients_->open(path); !open)
            return log::write(log::level::warning,
                              std::string("no second terminal can come: ") + open.error().what());
        if (!path.empty()) terminal_->await_client(path);
    }

    /// While it is inside, the router is there.
    bool enter() {
        const std::lock_guard lock(mutex_);
        if (closed_) return false;
        ++inside_;
        return true;
    }
    void leave() {
        const std::lock_guard lock(mutex_);
        --inside_;
        left_.notify_all();
    }
    struct leaving {
        debugger& of;
        ~leaving() { of.leave(); }
    };

public:
    /// `open_terminal`: what the prompt of a root stands on; by default what there is under `Io`.
    explicit debugger(basic_router_core<Io>& node, bool is_root,
                      terminal_opener open_terminal = terminal())
        : node_(node), stopped_(node) {
        if (is_root) terminal_.emplace(node, open_terminal);
        if (is_root && armed()) crashes_.emplace(node);
        if constexpr (io::has_local_sockets<Io>)
            if (is_root && armed()) {
                let_clients_come();
                dumps_ = std::make_unique<dump_signal<Io>>(node);
                dumps_->begin();
            }
    }

    /// Of a root: what has stopped in its tree.
    tree_stops<Io>& stops_of_tree() noexcept { return terminal_->stops(); }

    bool armed() const noexcept override { return node_.rules().debug; }

    result<void> stop(stop_report report) override {
        if (!armed() || !enter()) return {};
        const leaving at_end{*this};
        if (node_.on_loop()) {
            log::write(log::level::error,
                       "breakpoint() in " + report.function +
                           " was called on the loop, which must not stop: let the function run "
                           "on::main or on::pool (mitogen::run_on), or be a task that does "
                           "co_await mitogen::async_breakpoint()");
            return {};
        }
        process_wide<watched_variables>().stops(__builtin_frame_address(0));
        return stopped_.stop(std::move(report));
    }

    task<void> stop_task(stop_report report) override {
        if (!armed() || !enter()) co_return;
        const leaving at_end{*this};
        task<void> stop = stopped_.stop_task(std::move(report));
        co_await std::move(stop);
    }

    void context_ends() override {
        if (terminal_) return stops_of_tree().tell_who_stands();
        stopped_.context_ends();
    }

    void close() override {
        {
            const std::lock_guard lock(mutex_);
            closed_ = true;
        }
        if (terminal_) terminal_->close(); // what stands here goes on as somebody says
        if constexpr (io::has_local_sockets<Io>) {
            if (clients_) clients_->close();
            if (dumps_) dumps_->close();
        }
        if (crashes_) crashes_->close();
        stopped_.close();
        std::unique_lock lock(mutex_);
        (void)left_.wait(lock, node_, never, [this] { return inside_ == 0; });
        lock.unlock();
        process_wide<stopping_places>().remove(this);
    }

    void abandon() noexcept override {
        if (terminal_) terminal_->abandon();
        if constexpr (io::has_local_sockets<Io>) {
            if (clients_) clients_->abandon();
            if (dumps_) dumps_->abandon();
        }
        if (crashes_) crashes_->abandon();
        process_wide<stopping_places>().forget();
        process_wide<watched_variables>().forget();
        process_wide<entry_stops>().forget();
    }
};

/// Where a thread stops; null if nobody debugs, as far as is known here. Costs a load then.
template <class = void>
MITOGEN_COLD std::shared_ptr<stopping_place> armed_place() {
    if (!on_uncaught.load(std::memory_order_acquire)) return nullptr;
    auto place = process_wide<stopping_places>().newest();
    return place && place->armed() ? place : nullptr;
}

/// What the calling thread says of itself where it stops.
template <class Io>
MITOGEN_COLD stop_report report_of(stop_cause cause, const code_place& where,
                                   std::string_view text = {}) {
    stop_report r;
    r.cause = static_cast<std::uint8_t>(cause);
    r.thread = os::thread_number();
    r.function = std::string_view(where.function).substr(0, stop_report::longest_text);
    r.file = std::string_view(where.file).substr(0, stop_report::longest_text);
    r.line = where.line;
    r.text = text.substr(0, stop_report::longest_text);
    r.frames = own_frames();
    return r;
}

/// Stops there, and goes on as somebody says: without exceptions in any case.
template <class Io>
MITOGEN_COLD void stop_at(stopping_place& place, const code_place& where) {
    const result<void> outcome = place.stop(report_of<Io>(stop_cause::breakpoint, where));
#if MITOGEN_HAS_EXCEPTIONS
    if (!outcome) raise(outcome.error());
#else
    static_cast<void>(outcome);
#endif
}

/// Stops where an exception has left a function; not for what only says that somebody has ended it.
template <class Io>
MITOGEN_COLD void stop_uncaught(const std::string& function, const error& why) {
    if (why.reason() == reason::cancelled || why.reason() == reason::debugger_quit) return;
    if (const auto place = armed_place())
        static_cast<void>(place->stop(report_of<Io>(
            stop_cause::exception, {function.c_str(), "", 0}, why.what())));
}

/// Stops where a call begins.
template <class Io>
MITOGEN_COLD void stop_at_entry(const std::string& function) {
    if (const auto place = armed_place()) stop_at<Io>(*place, {function.c_str(), "", 0});
}

template <class Io>
MITOGEN_COLD std::shared_ptr<debugging<Io>> make_debugger(basic_router_core<Io>& node,
                                                          bool is_root) {
    auto made = std::make_shared<debugger<Io>>(node, is_root);
    process_wide<stopping_places>().add(made);
    process_wide<entry_stops>().stop_thread = &stop_at_entry<Io>;
    if (!made->armed()) return made;
    on_uncaught.store(&stop_uncaught<Io>, std::memory_order_release);
    crash_part_reader.store(&crash_part_of, std::memory_order_relaxed);
    if constexpr (io::has_local_sockets<Io>) os::report_crashes(); // in a process of its own
    return made;
}

/// See breakpoint.hpp: called by what the program's own files hold.
template <class Io>
MITOGEN_COLD void name_debugger() noexcept {
    static constexpr debugger_maker<Io> maker{&make_debugger<Io>};
    debugger_maker<Io>::named.store(&maker, std::memory_order_release);
}

/// What a breakpoint is where nobody debugs. Whether a native debugger is there is looked at now
/// and then: there are programs that pass a breakpoint a million times a second.
MITOGEN_COLD inline void pass_breakpoint() {
    static constinit std::atomic<instant> next_look{0};
    constexpr duration_ns between = 200'000'000;
    const instant now = os::monotonic_now();
    if (now < next_look.load(std::memory_order_relaxed)) return;
    if (!os::trap_if_traced()) next_look.store(now + between, std::memory_order_relaxed);
}

template <class Io>
MITOGEN_COLD void stop_here(const code_place& where) {
    const auto place = armed_place();
    if (!place) return pass_breakpoint();
    os::give_alternate_stack();
    stop_at<Io>(*place, where);
}

template <class Io>
MITOGEN_COLD std::string dump_below(mitogen::node& from) {
    return dump_tree(static_cast<basic_router_core<Io>&>(from));
}

template <class Io>
MITOGEN_COLD task<void> stop_task_here(code_place where) {
    const auto place = armed_place();
    if (!place) {
        pass_breakpoint();
        co_return;
    }
    task<void> stop = place->stop_task(report_of<Io>(stop_cause::breakpoint, where));
    co_await std::move(stop);
}

} // namespace detail
} // namespace mitogen::inline MITOGEN_ABI
