// SPDX-License-Identifier: BSL-1.0
#pragma once
// tree_stops.hpp: all threads and tasks of the tree that have stopped, as the root knows them, and
// who attends to each.

#include <mitogen/base/config.hpp>
#include <mitogen/base/error.hpp>
#include <mitogen/base/function.hpp>
#include <mitogen/base/ids.hpp>
#include <mitogen/base/log.hpp>
#include <mitogen/base/result.hpp>
#include <mitogen/base/time.hpp>
#include <mitogen/call/future.hpp>
#include <mitogen/codec/codec.hpp>
#include <mitogen/debug/stop_report.hpp>
#include <mitogen/debug/terminal/prompt_session.hpp>
#include <mitogen/debug/terminal/prompt_terminal.hpp>
#include <mitogen/debug/terminal/terminal_queue.hpp>
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

/// A terminal that attends to stops: one at a time.
struct attendant {
    prompt_terminal* terminal = nullptr; ///< while there is something to wake
    const char* called;                  ///< "the root's terminal"
};

/// One thread or task that has stopped. But for what is marked it stays as it was made.
struct tree_stop {
    stop_ticket ticket;
    header request;
    stop_report report;
    std::vector<std::pair<context_id, context_id>> way; ///< from here: who made whom
    std::string place;                                  ///< the path of its context
    instant since = 0;
    std::uint64_t number = 0; ///< by which people name it; never the same twice
    // under the mutex of all stops:
    const attendant* by = nullptr;     ///< who attends to it; null: it waits
    std::optional<std::string> gone{}; ///< why it stands there no more
    std::string screen{};              ///< what was shown of it last
};

/// Who has stopped is held (see handles::hold) until it goes on. A context that is lost leaves at
/// once.
///
/// Threads: as marked. The router outlives it, and close() comes before its end.
template <class Io>
class tree_stops {
    using core = basic_router_core<Io>;

public:
    using stop_ptr = std::shared_ptr<tree_stop>;

    /// How long a context may take to say that it still waits, or to answer what was typed.
    static constexpr duration_ns patience = 10'000'000'000;

private:
    core& node_;
    unique_function<bool()> lend_; // to who waits: under mutex_
    mutex mutex_{node_};
    condition changed_;
    // all that follows: under mutex_
    terminal_queue queue_;
    std::map<stop_ticket, stop_ptr> stops_;
    std::set<context_id> watched_; // their loss is told here
    std::uint64_t last_number_ = 0;
    std::size_t clients_ = 0;

    /// Levels of contexts on a way.
    static constexpr std::size_t most_depth = 64;

public:
    /// `lend`: somebody waits for the root's terminal, which is free; false if nobody can stand
    /// there. On the loop or a client's thread, under the mutex.
    tree_stops(core& node, unique_function<bool()> lend) : node_(node), lend_(std::move(lend)) {
        (void)node.add_raw_handler(handles::stop, {.from = senders::anyone},
                                   [this](const message& m) { serve(m); });
    }
    tree_stops(tree_stops&&) = delete;

    core& node() noexcept { return node_; }
    mutex& access() noexcept { return mutex_; }
    /// Notified when what is under the mutex changes.
    condition& changed() noexcept { return changed_; }

    // ---- under the mutex

    bool empty() const noexcept { return queue_.empty(); }

    /// The next one that the root's terminal attends to; null while clients do.
    stop_ptr grant(const attendant& to) {
        if (clients_ > 0) return nullptr;
        const std::optional<stop_ticket> t = queue_.grant();
        if (!t) return nullptr;
        const stop_ptr s = stops_.at(*t);
        s->by = &to;
        return s;
    }

    /// Nobody attends to it any more, and it waits.
    void put_back(tree_stop& s) {
        s.by = nullptr;
        (void)queue_.put_back(s.ticket);
        if (s.gone) remove(s);
    }

    /// Whoever attends to it says how it goes on. False if that is another by now.
    bool finish(tree_stop& s, const attendant& by, session_end how) {
        if (s.by != &by) return false;
        if (how == session_end::detached && !s.gone) {
            put_back(s);
            return true;
        }
        if (!s.gone) answer(s, how);
        remove(s);
        return true;
    }

    // ---- threads: any

    /// The end of this context will wait for them.
    void tell_who_stands() {
        const std::lock_guard lock(mutex_);
        if (stops_.empty()) return;
        const stop_ticket first =
            queue_.holder()            ? *queue_.holder()
            : queue_.waiting().empty() ? stops_.begin()->first
                                       : queue_.waiting().front();
        log::write(log::level::warning,
                   "the end of this program waits for " + stops_.at(first)->place +
                       ", which has stopped at a breakpoint");
    }

    /// Why `by` attends to it no more.
    std::optional<std::string> over(const tree_stop& s, const attendant& by) {
        const std::lock_guard lock(mutex_);
        if (s.by == &by) return s.gone;
        if (s.by) return std::string(s.by->called) + " attends to it now";
        return stops_.contains(s.ticket) ? "it is left to the second terminal" : "it goes on";
    }

    /// A client attends to it, whoever did before. An error if there is none of that number.
    result<stop_ptr> attend(std::uint64_t number, const attendant& by) {
        const std::lock_guard lock(mutex_);
        for (const auto& [ticket, s] : stops_) {
            if (s->number != number || s->gone) continue;
            const attendant* const former = std::exchange(s->by, &by);
            (void)queue_.attend(ticket);
            if (former && former->terminal) former->terminal->wake();
            return s;
        }
        return error(reason::misuse, "nothing of number " + std::to_string(number) +
                                         " has stopped; `list` shows what has");
    }

    /// All of them, sorted by the paths of their contexts.
    std::vector<stop_ptr> all() {
        std::vector<stop_ptr> found;
        {
            const std::lock_guard lock(mutex_);
            for (const auto& [ticket, s] : stops_)
                if (!s->gone) found.push_back(s);
        }
        std::sort(found.begin(), found.end(), [](const stop_ptr& a, const stop_ptr& b) {
            return a->place != b->place ? a->place < b->place : a->number < b->number;
        });
        return found;
    }

    /// It goes on, whoever attends to it, who is told. False if it did already.
    bool go_on(tree_stop& s, session_end how) {
        const std::lock_guard lock(mutex_);
        if (!stops_.contains(s.ticket) || s.gone) return false;
        answer(s, how);
        const attendant* const former = std::exchange(s.by, nullptr);
        remove(s);
        if (former && former->terminal) former->terminal->wake();
        return true;
    }

    /// A client has come: the root's terminal is left alone.
    void client_comes() {
        const std::lock_guard lock(mutex_);
        if (++clients_ > 1 || !queue_.holder()) return;
        tree_stop& s = *stops_.at(*queue_.holder());
        const attendant* const former = s.by;
        put_back(s);
        if (former && former->terminal) former->terminal->wake();
    }
    /// One has gone; the last one's terminal was.
    void client_goes() {
        const std::lock_guard lock(mutex_);
        if (--clients_ == 0 && !queue_.waiting().empty()) (void)lend_();
        changed_.notify_all();
    }

    /// What is asked of a stop's context, which answers within `patience`.
    result<std::string> ask(const tree_stop& s, std::string_view line) {
        return asked(s, line).try_get_until(after(node_.now(), patience));
    }
    /// The same, not waited for.
    future<std::string> asked(const tree_stop& s, std::string_view line) {
        return future<std::string>(&node_.ask({.to = s.ticket.context,
                                               .handle = handles::ask_stopped,
                                               .how = question::manner::pass,
                                               .payload = encode(s.ticket.number, line)}),
                                   node_, decode_environment{});
    }

    /// The contexts of the tree, a line each.
    std::string contexts() {
        std::vector<context_id> ids = node_.ids_below();
        ids.insert(ids.begin(), node_.id());
        std::string text;
        const std::lock_guard lock(mutex_);
        for (const context_id id : ids) {
            text += std::to_string(id) + "  " + name_of(id);
            const std::size_t standing = queue_.of(id).size();
            const bool holds = queue_.holder() && queue_.holder()->context == id;
            if (holds) text += "  at this prompt";
            if (standing > std::size_t{holds})
                text += "  " + std::to_string(standing - holds) + " waiting";
            text += "\n";
        }
        return text;
    }

private:
    std::string name_of(context_id id) {
        return id == node_.id() ? std::string("root") : node_.called(id);
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
        auto s = std::make_shared<tree_stop>();
        s->ticket = {m.src(), report.ticket};
        s->request = m.head;
        s->report = std::move(report);
        s->way = way_to(m.src());
        s->place = name_of(m.src());
        s->since = node_.now();
        add(s);
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
    void hold(const tree_stop& s, bool stands) {
        for (const auto& [parent, child] : s.way) {
            buffer what = encode(child, stands);
            if (stands && parent == node_.id())
                node_.deliver(nullptr, message{node_.address(parent, handles::hold), what});
            else
                (void)node_.tell(parent, handles::hold, std::move(what), false);
        }
    }

    void add(const stop_ptr& s) {
        const std::lock_guard lock(mutex_);
        // what has failed must not wait: others are to be told of it, and ended
        if (s->report.cause == static_cast<std::uint8_t>(stop_cause::exception) && !empty()) {
            log::write(log::level::warning, s->place + ": " + stop_view(s->report).text() +
                                                "; it goes on, as somebody else has stopped");
            return answer(*s, session_end::go_on);
        }
        const terminal_queue::refusal no = queue_.add(s->ticket);
        if (no == terminal_queue::refusal::there)
            return node_.reply_dead(s->request,
                                    error(reason::misuse, "a stop of that number waits"));
        if (no != terminal_queue::refusal::none)
            return node_.reply_dead(
                s->request, error(reason::overloaded, "too many threads wait for the debugger"));
        hold(*s, true);
        s->number = ++last_number_;
        stops_.emplace(s->ticket, s);
        if (watched_.insert(s->ticket.context).second)
            node_.on_disconnect(s->ticket.context, [this, id = s->ticket.context](
                                                       const error& why) { lost(id, why.what()); });
        if (clients_ == 0 && !lend_()) {
            answer(*s, session_end::go_on);
            remove(*s);
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

    /// It waits no more. Whoever attends to it is told, and ends that.
    void leave(stop_ticket t, const std::string& why) {
        const std::lock_guard lock(mutex_);
        const auto at = stops_.find(t);
        if (at == stops_.end()) return;
        if (!at->second->by) return remove(*at->second);
        at->second->gone = why;
        if (at->second->by->terminal) at->second->by->terminal->wake();
    }

    /// Under mutex_.
    void remove(tree_stop& s) {
        hold(s, false);
        const stop_ticket t = s.ticket;
        (void)queue_.remove(t);
        stops_.erase(t); // whoever attends to it keeps it
        changed_.notify_all();
    }

    void answer(const tree_stop& s, session_end how) {
        if (how == session_end::gone) return;
        const bool on = how == session_end::go_on;
        node_.reply(
            s.request,
            encode(static_cast<std::uint8_t>(on ? stop_outcome::go_on : stop_outcome::quit)), 0);
    }
};

} // namespace detail
} // namespace mitogen::inline MITOGEN_ABI
