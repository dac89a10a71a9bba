// SPDX-License-Identifier: BSL-1.0
#pragma once
// terminal_server.hpp: the root's half of the debugger: lends its terminal to one thread of the
// tree at a time.

#include <mitogen/base/config.hpp>
#include <mitogen/base/error.hpp>
#include <mitogen/base/ids.hpp>
#include <mitogen/base/log.hpp>
#include <mitogen/call/future.hpp>
#include <mitogen/codec/codec.hpp>
#include <mitogen/debug/errand_thread.hpp>
#include <mitogen/debug/stop_report.hpp>
#include <mitogen/debug/terminal/prompt_session.hpp>
#include <mitogen/debug/terminal/prompt_terminal.hpp>
#include <mitogen/debug/terminal/terminal_queue.hpp>
#include <mitogen/debug/tree_dump.hpp>
#include <mitogen/node/router_core.hpp>
#include <mitogen/protocol/handle.hpp>
#include <mitogen/protocol/message.hpp>

#include <algorithm>
#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace mitogen::inline MITOGEN_ABI {
namespace detail {

/// Who has stopped is held (see handles::hold) and waits in a queue; a thread of its own runs one
/// session after the other. A context that is lost leaves the queue, or its session, at once.
///
/// Threads: as marked. The router outlives it, and close() comes before its end.
template <class Io>
class terminal_server {
    using core = basic_router_core<Io>;

    /// One that waits, or has the terminal.
    struct entry {
        header request;
        stop_report report;
        /// the way from here: of each context who made it, and itself
        std::vector<std::pair<context_id, context_id>> way;
        std::optional<std::string> gone{}; // why it waits no more, if it has the terminal
    };

    core& node_;
    const terminal_opener open_terminal_;
    mutex mutex_{node_};
    condition changed_;
    // all that follows: under mutex_
    terminal_queue queue_;
    std::map<stop_ticket, entry> entries_;
    std::set<context_id> watched_; // their loss is told here
    std::unique_ptr<prompt_terminal> terminal_; // while a session runs
    errand_thread<Io> thread_;

    /// How long a context may take to say that it still waits, or to answer what was typed.
    static constexpr std::chrono::seconds patience{10};

public:
    terminal_server(core& node, terminal_opener open_terminal)
        : node_(node), open_terminal_(open_terminal) {
        (void)node.add_raw_handler(handles::stop, {.from = senders::anyone},
                                   [this](const message& m) { serve(m); });
    }
    terminal_server(terminal_server&&) = delete;

    /// The end of this context will wait for them. Threads: any.
    void tell_who_stands() {
        const std::lock_guard lock(mutex_);
        if (queue_.empty()) return;
        log::write(log::level::warning,
                   "the end of this program waits for " + name_of(holder_or_next().context) +
                       ", which has stopped at a breakpoint");
    }

    /// Waits until nobody stands here or waits to. Threads: any but the loop.
    void close() {
        std::unique_lock lock(mutex_);
        (void)changed_.wait(lock, node_, never,
                            [this] { return queue_.empty() && !thread_.running(); });
        lock.unlock();
        thread_.join();
    }

    /// In a copy of the process made by fork().
    void abandon() noexcept {
        thread_.abandon();
        if (terminal_) terminal_->abandon();
    }

private:
    std::string name_of(context_id id) {
        return id == node_.id() ? std::string("root") : node_.called(id);
    }
    /// Under mutex_, if somebody is there.
    stop_ticket holder_or_next() const {
        return queue_.holder() ? *queue_.holder() : queue_.waiting().front();
    }

    // ---- on the loop

    void serve(const message& m) {
        reader r(m.payload);
        if (!m.head.wants_reply()) {
            std::uint64_t ticket{};
            if (decode(r, ticket) && r.finish()) leave({m.src(), ticket}, "it waits no more");
            return;
        }
        stop_report report;
        if (!decode(r, report) || !r.finish() || report.frames.size() > most_frames)
            return node_.reply_dead(m.head, error(reason::bad_arguments, r.failure_text()));
        add({m.src(), report.ticket}, entry{m.head, std::move(report), way_to(m.src()), {}});
    }

    std::vector<std::pair<context_id, context_id>> way_to(context_id id) {
        std::vector<std::pair<context_id, context_id>> way;
        while (id != node_.id() && way.size() < most_depth) {
            const auto known = node_.routes().get(id);
            if (known.id != id) break;
            way.emplace_back(known.parent, id);
            id = known.parent;
        }
        std::reverse(way.begin(), way.end());
        return way;
    }

    /// Nobody ends what is on its way, or stops. Elsewhere that is known before the terminal is
    /// granted, as it is said first; here at once, for the same reason.
    void hold(const entry& e, bool stands) {
        for (const auto& [parent, child] : e.way) {
            buffer what = encode(child, stands);
            if (stands && parent == node_.id())
                node_.deliver(nullptr, message{node_.address(parent, handles::hold), what});
            else
                (void)node_.tell(parent, handles::hold, std::move(what), false);
        }
    }

    /// What has failed must not wait: others are to be told of it, and ended.
    void pass_by(const entry& e, context_id from) {
        log::write(log::level::warning, name_of(from) + ": " + stop_view(e.report).text() +
                                            "; it goes on, as somebody else has stopped");
        answer(e, session_end::go_on);
    }

    void add(stop_ticket t, entry e) {
        const std::lock_guard lock(mutex_);
        const bool failed = e.report.cause == static_cast<std::uint8_t>(stop_cause::exception);
        if (failed && !queue_.empty()) return pass_by(e, t.context);
        const terminal_queue::refusal no = queue_.add(t);
        if (no == terminal_queue::refusal::there)
            return node_.reply_dead(e.request,
                                    error(reason::misuse, "a stop of that number waits"));
        if (no != terminal_queue::refusal::none)
            return node_.reply_dead(
                e.request, error(reason::overloaded, "too many threads wait for the debugger"));
        hold(e, true);
        entries_.emplace(t, std::move(e));
        if (watched_.insert(t.context).second)
            node_.on_disconnect(t.context, [this, id = t.context](const error& why) {
                lost(id, why.what());
            });
        if (!thread_.begin(node_.loop().io(), "mitogen-debug", [this] { work(); })) {
            answer(entries_.at(t), session_end::go_on);
            remove(t);
        }
        changed_.notify_all();
    }

    void lost(context_id id, const std::string& why) {
        std::vector<stop_ticket> all;
        {
            const std::lock_guard lock(mutex_);
            watched_.erase(id);
            all = queue_.of(id);
        }
        for (const stop_ticket t : all) leave(t, why);
    }

    /// It waits no more. If it has the terminal, its session ends.
    void leave(stop_ticket t, const std::string& why) {
        const std::lock_guard lock(mutex_);
        const auto at = entries_.find(t);
        if (at == entries_.end()) return;
        if (queue_.holder() == t) {
            at->second.gone = why;
            if (terminal_) terminal_->wake();
            return;
        }
        remove(t);
    }

    /// Under mutex_.
    void remove(stop_ticket t) {
        const auto at = entries_.find(t);
        hold(at->second, false);
        entries_.erase(at);
        (void)queue_.remove(t);
        changed_.notify_all();
    }

    // ---- on the thread

    void work() {
        std::unique_lock lock(mutex_);
        while (const std::optional<stop_ticket> t = queue_.grant()) {
            const entry& e = entries_.at(*t); // it stays: only this thread removes a holder
            lock.unlock();
            const session_end how = run(*t, e);
            lock.lock();
            answer(e, how);
            remove(*t);
        }
        thread_.ended();
        changed_.notify_all();
    }

    void answer(const entry& e, session_end how) {
        if (how == session_end::gone) return;
        const bool on = how == session_end::go_on;
        node_.reply(
            e.request,
            encode(static_cast<std::uint8_t>(on ? stop_outcome::go_on : stop_outcome::quit)), 0);
    }

    session_end run(stop_ticket t, const entry& e) {
        const std::string place = name_of(t.context);
        auto terminal = open_terminal_();
        const bool usable = terminal && terminal->begin();
        if (!usable) {
            report(e, place);
            return session_end::go_on;
        }
        prompt_terminal& here = *terminal;
        {
            const std::lock_guard lock(mutex_);
            terminal_ = std::move(terminal);
        }
        const session_end how = talk(t, e, here, place);
        here.end();
        {
            const std::lock_guard lock(mutex_);
            terminal = std::move(terminal_);
        }
        if (how == session_end::broken) here.interrupt_program();
        return how;
    }

    session_end talk(stop_ticket t, const entry& e, prompt_terminal& here,
                     const std::string& place) {
        prompt_source from{
            [&](std::string_view line) {
                const result<std::string> said = ask(t, line);
                return said ? shown_lines(*said) : std::string(said.error().what());
            },
            [&] { return contexts(); },
            [&] { return dump_tree(node_); },
            [&]() -> std::optional<std::string> {
                const std::lock_guard lock(mutex_);
                return e.gone;
            },
            [&] { return node_.now(); },
        };
        const result<std::string> stands = ask(t, terminal_granted);
        if (!stands && stands.error().reason() == reason::timeout) {
            // it may be told so later, and must not wait for what is said here then
            log::write(log::level::warning, place + ": " + stop_view(e.report).text() +
                                                "; it goes on, as its context does not answer");
            return session_end::go_on;
        }
        if (!stands) return session_end::gone;
        return prompt_session(here, from, e.report, place).run();
    }

    result<std::string> ask(stop_ticket t, std::string_view line) {
        future<std::string> said(&node_.ask({.to = t.context,
                                             .handle = handles::ask_stopped,
                                             .how = question::manner::pass,
                                             .payload = encode(t.number, line)}),
                                 node_, decode_environment{});
        return said.try_get_for(patience);
    }

    /// Of a program without a terminal.
    void report(const entry& e, const std::string& place) {
        stop_view view(e.report);
        log::write(log::level::warning,
                   with_stack(place + ": " + view.text() +
                                  "; it goes on, as this program has no terminal where it could "
                                  "stop",
                              view.program_frames()));
    }

    std::string contexts() {
        std::vector<context_id> ids = node_.ids_below();
        ids.insert(ids.begin(), node_.id());
        std::string text;
        const std::lock_guard lock(mutex_);
        for (const context_id id : ids) {
            text += std::to_string(id) + "  " + name_of(id);
            const std::size_t waiting = queue_.of(id).size();
            const bool holds = queue_.holder() && queue_.holder()->context == id;
            if (holds) text += "  at this prompt";
            if (waiting > std::size_t{holds})
                text += "  " + std::to_string(waiting - holds) + " waiting";
            text += "\n";
        }
        return text;
    }

    /// Levels of contexts on a way.
    static constexpr std::size_t most_depth = 64;
};

} // namespace detail
} // namespace mitogen::inline MITOGEN_ABI
