// SPDX-License-Identifier: BSL-1.0
#pragma once
// stopped_threads.hpp: the threads and tasks of one context that stand at the debugger of the root,
// or wait for it.

#include <mitogen/base/config.hpp>
#include <mitogen/base/error.hpp>
#include <mitogen/base/log.hpp>
#include <mitogen/base/result.hpp>
#include <mitogen/codec/codec.hpp>
#include <mitogen/debug/entry_stops.hpp>
#include <mitogen/debug/stop_report.hpp>
#include <mitogen/debug/tree_dump.hpp>
#include <mitogen/debug/watched.hpp>
#include <mitogen/io/policy.hpp>
#include <mitogen/node/router_core.hpp>
#include <mitogen/os/machine.hpp>
#include <mitogen/protocol/handle.hpp>
#include <mitogen/protocol/message.hpp>
#include <mitogen/scope/scope.hpp>
#include <mitogen/task/task.hpp>
#include <mitogen/task/task_condition.hpp>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace mitogen::inline MITOGEN_ABI {
namespace detail {

/// Asks the root for its terminal, and waits until whoever stands there says how to go on.
///
/// A stop waits for its turn → is granted the terminal → is over. Until it is granted a scope of
/// its thread can end it; from then on only the terminal does, or the end of this context. Threads:
/// as marked. The router outlives it, and close() comes before its end.
template <class Io>
class stopped_threads {
    using core = basic_router_core<Io>;

    enum class stage : std::uint8_t {
        waiting,
        granted,
        leaving, // waits no more, and must not be granted it
        over,
    };

    struct one {
        stop_report report;
        stage at = stage::waiting;        // under mutex_
        result<std::uint8_t> said{std::uint8_t{0}}; // a stop_outcome, once it is over
        outstanding_call* answer = nullptr;
    };
    using stop_ptr = std::shared_ptr<one>;

    core& node_;
    mutex mutex_{node_};
    task_condition changed_;
    std::vector<stop_ptr> all_; // under mutex_
    std::uint64_t last_ticket_ = 0;
    bool closed_ = false;

    static constexpr std::chrono::hours as_long_as_it_takes{24 * 365};

    /// Asks for the terminal. Null if this context ends.
    stop_ptr begin(stop_report report) {
        auto s = std::make_shared<one>();
        s->report = std::move(report);
        s->report.process = static_cast<std::uint64_t>(node_.loop().io().own_pid());
        if constexpr (io::has_local_sockets<Io>) s->report.host = os::host_name();
        {
            const std::lock_guard lock(mutex_);
            if (closed_) return nullptr;
            s->report.ticket = ++last_ticket_;
            all_.push_back(s);
        }
        outstanding_call& answer = node_.ask({.to = node_.root(),
                                              .handle = handles::stop,
                                              .how = question::manner::pass,
                                              .payload = encode(s->report)});
        bool ends = false;
        {
            const std::lock_guard lock(mutex_);
            s->answer = &answer;
            ends = closed_;
        }
        answer.then([this, s] { answered(s); });
        if (ends) answer.fail(ending());
        return s;
    }

    static error ending() { return error(reason::broker_exited, "this context ends"); }

    /// On whatever thread completes the answer.
    void answered(const stop_ptr& s) {
        const std::lock_guard lock(mutex_);
        s->at = stage::over;
        if (const error* why = s->answer->failure())
            s->said = *why;
        else
            s->said = decode<std::uint8_t>(s->answer->payload());
        changed_.notify_all();
    }

    /// A scope of whoever has stopped there has ended, or this context does. True if it was still
    /// waiting for its turn, and does not any more.
    bool give_up(const stop_ptr& s) {
        {
            const std::lock_guard lock(mutex_);
            if (s->at != stage::waiting) return false;
            s->at = stage::leaving;
        }
        if (!s->answer->fail(error(reason::cancelled, "it waits no more"))) return false;
        (void)node_.tell(node_.root(), handles::stop, encode(s->report.ticket), false);
        return true;
    }

    /// It is over. An error if it does not go on as if nothing had been there.
    result<void> end(const stop_ptr& s) {
        result<std::uint8_t> said = std::uint8_t{0};
        {
            const std::lock_guard lock(mutex_);
            std::erase(all_, s);
            said = std::move(s->said);
            changed_.notify_all();
        }
        s->answer->release();
        if (!said) return unheard(said.error());
        if (*said == static_cast<std::uint8_t>(stop_outcome::quit))
            return error(reason::debugger_quit, "ended by \"quit\" at the debugger's prompt");
        return {};
    }

    /// The root has no debugger, does not want this one, or is gone.
    static result<void> unheard(const error& why) {
        if (why.reason() == reason::overloaded || why.reason() == reason::refused_by_policy)
            log::write(log::level::warning, std::string("goes on, not stopped: ") + why.what());
        return {};
    }

    wait_subject subject() const { return {"the debugger's terminal", node_.root()}; }

public:
    explicit stopped_threads(core& node) : node_(node) {
        (void)node.add_raw_handler(handles::ask_stopped, {},
                                   [this](const message& m) { serve(m); });
    }
    stopped_threads(stopped_threads&&) = delete;

    /// Stops the calling thread. Threads: any but the loop.
    result<void> stop(stop_report report) {
        const stop_ptr s = begin(std::move(report));
        if (!s) return {};
        const auto over = [&s] { return s->at == stage::over; };
        std::optional<shield> shielded;
        std::optional<error> ended;
        std::unique_lock lock(mutex_);
        while (!changed_.wait(lock, node_, never, over, subject())) {
            lock.unlock();
            ended = why_interrupted(node_.now());
            if (ended && !give_up(s)) {
                ended.reset();
                shielded.emplace(as_long_as_it_takes);
            }
            lock.lock();
        }
        lock.unlock();
        const result<void> outcome = end(s);
        return ended ? result<void>(std::move(*ended)) : outcome;
    }

    /// Stops the task that awaits it.
    task<void> stop_task(stop_report report) {
        report.is_task = true;
        const stop_ptr s = begin(std::move(report));
        if (!s) co_return;
        // g++ 12 destroys twice what a temporary in a co_await holds: this holds nothing
        const auto over = [p = s.get()] { return p->at == stage::over; };
        std::optional<error> ended =
            co_await task_condition::until{changed_, mutex_, over};
        if (ended && !give_up(s)) {
            const shield shielded(as_long_as_it_takes);
            (void)co_await task_condition::until{changed_, mutex_, over};
            ended.reset();
        }
        const result<void> outcome = end(s);
        if (ended) raise(*ended);
        if (!outcome) raise(outcome.error());
    }

    /// All that stand here go on, and all that will stop here. Threads: any.
    void context_ends() {
        std::vector<stop_ptr> all;
        {
            const std::lock_guard lock(mutex_);
            closed_ = true;
            all = all_;
        }
        for (const stop_ptr& s : all)
            if (s->answer) s->answer->fail(ending());
    }

    /// Waits until nobody stands here. Threads: any but the loop.
    void close() {
        context_ends();
        std::unique_lock lock(mutex_);
        const shield shielded(as_long_as_it_takes);
        (void)changed_.wait(lock, node_, never, [this] { return all_.empty(); }, subject());
    }

private:
    /// The root's debugger asks something: the ticket, and what.
    void serve(const message& m) {
        reader r(m.payload);
        std::uint64_t ticket{};
        std::string line;
        if (!decode(r, ticket, line) || !r.finish())
            return node_.reply_dead(m.head, error(reason::bad_arguments, r.failure_text()));
        if (ticket == 0 && line == tree_dump_wanted)
            return node_.reply(m.head, encode(node_.status_text()), 0);
        std::uint64_t thread = 0;
        {
            const std::lock_guard lock(mutex_);
            const auto at = std::find_if(all_.begin(), all_.end(), [&](const stop_ptr& s) {
                return s->report.ticket == ticket &&
                       (s->at == stage::waiting || s->at == stage::granted);
            });
            // who begins just now may not know that this context ends
            if (closed_ || at == all_.end())
                return node_.reply_dead(m.head, error(reason::cancelled, "it waits no more"));
            if (line == terminal_granted) (*at)->at = stage::granted;
            thread = (*at)->report.thread;
        }
        node_.reply(m.head, encode(answer_to(line, thread)), 0);
    }

    /// To a line that was typed. The thread stands, so that its variables do too.
    std::string answer_to(std::string_view line, std::uint64_t thread) {
        const auto word = [&line] {
            const std::size_t end = std::min(line.find(' '), line.size());
            const std::string_view first = line.substr(0, end);
            line.remove_prefix(std::min(line.find_first_not_of(' ', end), line.size()));
            return first;
        };
        const std::string_view verb = word();
        if (verb == "print") return process_wide<watched_variables>().print(thread, line);
        if (verb == "set") {
            const std::string_view name = word();
            return process_wide<watched_variables>().set(thread, name, line);
        }
        if (verb == "break") return process_wide<entry_stops>().add(line);
        if (verb == "delete") return process_wide<entry_stops>().remove(line);
        if (verb == "threads") {
            std::string text;
            for (const activity& a : node_.activities()) text += a.text() + "\n";
            return text.substr(0, text.find_last_not_of('\n') + 1);
        }
        return {};
    }
};

} // namespace detail
} // namespace mitogen::inline MITOGEN_ABI
