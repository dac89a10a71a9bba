// SPDX-License-Identifier: BSL-1.0
#pragma once
// inbox.hpp: the receiving end of flows: a queue that several may fill, each within its credit.

#include <mitogen/base/config.hpp>
#include <mitogen/base/error.hpp>
#include <mitogen/base/function.hpp>
#include <mitogen/base/ids.hpp>
#include <mitogen/base/log.hpp>
#include <mitogen/base/result.hpp>
#include <mitogen/base/time.hpp>
#include <mitogen/codec/buffer.hpp>
#include <mitogen/codec/codec.hpp>
#include <mitogen/flow/flow_end.hpp>
#include <mitogen/flow/watchers.hpp>
#include <mitogen/node/dead_messages.hpp>
#include <mitogen/node/flow_budget.hpp>
#include <mitogen/node/node.hpp>
#include <mitogen/node/outstanding_call.hpp>
#include <mitogen/protocol/error_notice.hpp>
#include <mitogen/protocol/flow.hpp>
#include <mitogen/scope/interrupted.hpp>
#include <mitogen/sync/host.hpp>

#include <algorithm>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <memory>
#include <mutex>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <vector>

namespace mitogen::inline MITOGEN_ABI {
namespace detail {

/// Receives from any number of sending ends. Each gets a port: a handle of its own, bound to the
/// context that it was given to, so that nobody else can send there and the loss of that context
/// ends it.
///
/// Threads: any.
class node_inbox final : public inbox, public std::enable_shared_from_this<node_inbox> {
    struct port {
        handle_id number;
        context_id peer;
        wire::flow_ledger ledger; // this and all below under the mutex
        handle_id back = 0;       // where its credit goes, once it has sent something
        bool open = true;
        bool awaits_answer = false;     // flow_frame::done has come
        std::optional<error> failure{}; // the sender is lost: told by an arrival without bytes
        flow_budget& budget;            // the inbox keeps it

        port(handle_id handle, context_id from, std::uint32_t window, std::uint32_t most,
             flow_budget& from_all)
            : number(handle), peer(from), ledger(window, most), budget(from_all) {}
        port(port&&) = delete;
        ~port() { budget.release(ledger.window()); } // what it has brought is taken
    };
    using port_ptr = std::shared_ptr<port>;
    // what an item costs is counted: wire::item_overhead
    struct arrival {
        flow_item item{};
        port_ptr from{};

        const error* failure() const noexcept {
            return item.bytes.empty() ? &*from->failure : nullptr;
        }
    };
    struct credit { // to be granted, once the mutex is free
        port_ptr to{};
        std::uint64_t bytes = 0;
        handle_id back = 0;
    };

    inbox_use use_;
    std::uint32_t most_;
    std::uint32_t window_;
    mitogen::detail::mutex mutex_;
    mitogen::detail::condition changed_;
    std::shared_ptr<flow_budget> budget_; // outlives the ports
    std::vector<port_ptr> open_;
    std::deque<arrival> items_;
    std::optional<error> end_; // what follows the last item
    std::size_t holds_ = 0;    // senders that have no port yet
    handle_id own_ = 0;        // is told when the router closes
    bool end_told_ = false;    // get() has said so
    bool closed_ = false;      // by this end: nothing can change the end any more
    bool answered_ = false;    // of a stream
    bool begun_ = false;       // of an opener's
    bool discarding_ = false;
    std::atomic<outstanding_call*> own_call_{nullptr}; // whose items they are: one to this context
    watchers watchers_; // run at the next change

    struct secret {};

public:
    node_inbox(secret, mitogen::node& node, inbox_use use)
        : inbox(node), use_(use), most_(std::max(node.bounds().window_bytes, 1u)),
          window_(std::min(most_, wire::flow_window)), mutex_(node), budget_(node.flow_budget()) {}

    static std::shared_ptr<node_inbox> make(mitogen::node& node, inbox_use use) {
        auto made = std::make_shared<node_inbox>(secret{}, node, use);
        if (use == inbox_use::channel) made->await_close();
        return made;
    }

    result<flow_address> open_port(context_id peer) override {
        const std::uint64_t limit = node_.bounds().flow_bytes;
        const std::uint32_t window = budget_->open(window_, limit);
        const auto p = std::make_shared<port>(node_.new_port(), peer, window, most_, *budget_);
        if (!window) return refused(p, flow_budget::refusal(limit));
        {
            const std::lock_guard lock(mutex_);
            if (closed_ || (end_ && use_ != inbox_use::channel)) return *end_;
            end_.reset();
            open_.push_back(p);
        }
        const result<void> added = node_.add_raw_handler(
            p->number, {.from = senders::anyone, .respondent = peer},
            [self = this->shared_from_this(), p](const message& m) { self->arrive(p, m); });
        if (!added) end_port(p, added.error());
        // before the handler could be told
        if (const std::optional<error> lost = node_.why_lost(peer)) {
            end_port(p, *lost);
        } else if (!node_.reaches(peer)) {
            end_port(p, dead_message::no_route(peer, node_.id()));
        }
        {
            const std::lock_guard lock(mutex_);
            if (p->open) return flow_address{p->number, window};
        }
        node_.remove_handler(p->number); // it was closed before it was added
        return flow_address{p->number, window};
    }

    /// There is a sender that has no port yet: the end does not come before release().
    void hold() override {
        const std::lock_guard lock(mutex_);
        ++holds_;
        if (!closed_) end_.reset();
    }
    void release() override {
        {
            const std::lock_guard lock(mutex_);
            --holds_;
            end_where_all_are_gone();
        }
        changed();
    }

    /// The next item, or why there is none: the end, the loss of a sender, timeout. Not on the
    /// loop.
    result<flow_item> get(instant deadline) override {
        arrival next;
        credit due;
        const self_wait here(*this, deadline);
        {
            std::unique_lock lock(mutex_);
            const auto ready = [this] { return has_news(); };
            if (!ready()) {
                if (node_.on_loop()) return waits_on_loop();
                if (!changed_.wait(
                        lock, node_, deadline, ready,
                        {"an item", open_.empty() ? no_context : open_.back()->peer, "from"}))
                    return wait_ended(node_.now(), deadline, "no item came before the deadline");
            }
            if (items_.empty()) {
                end_told_ = true;
                return *end_;
            }
            next = take(due);
        }
        grant(due);
        if (const error* why = next.failure()) return *why;
        if (next.item.kind == wire::flow_frame::lost) return decode_error(next.item.value());
        return std::move(next.item);
    }

    /// The next item if there is one, or flow_frame::lost. Never waits.
    std::optional<flow_item> take_now() override {
        arrival next;
        credit due;
        {
            const std::lock_guard lock(mutex_);
            if (items_.empty()) return std::nullopt;
            next = take(due);
        }
        grant(due);
        if (!next.failure()) return std::move(next.item);
        buffer told = encode(static_cast<std::uint8_t>(wire::flow_frame::lost));
        const buffer why = encode_error(*next.failure());
        told.append(why.data(), why.size());
        return flow_item{wire::flow_frame::lost, std::move(told)};
    }

    /// True if get() would not wait.
    bool ready() override {
        const std::lock_guard lock(mutex_);
        return has_news();
    }

    /// True if get() says that nothing follows.
    bool ended() override {
        const std::lock_guard lock(mutex_);
        return items_.empty() && end_;
    }

    /// Runs `go` at the next change: now, if there is something already. On the thread that brings
    /// it, normally the loop.
    void then(unique_function<void()> go, const void* key) override {
        {
            const std::lock_guard lock(mutex_);
            if (!has_news()) return watchers_.add(key, std::move(go));
        }
        go();
    }

    /// Takes back what was given to then() with this key. False if there is nothing: it has run, or
    /// is about to.
    bool forget(const void* key) override {
        watchers gone; // destroyed without the lock
        const std::lock_guard lock(mutex_);
        gone = watchers_.take(key);
        return !gone.empty();
    }

    /// This end takes nothing any more. What has arrived stays; `why` follows it. With `tell`,
    /// whoever sends there is told.
    void close(const error& why, bool tell) override { finish(why, tell, true); }

    void comes_from_here(outstanding_call& p) override {
        own_call_.store(&p, std::memory_order_relaxed);
    }

    /// The call whose items these are is answered; null: with a value.
    void answered(const error* failure) override {
        own_call_.store(nullptr, std::memory_order_relaxed);
        if (failure) return finish(*failure, false, false);
        {
            const std::lock_guard lock(mutex_);
            answered_ = true;
            if (open_.empty() && !end_)
                end_.emplace(reason::end_of_stream, "the function has ended");
        }
        changed();
    }

    /// From now on what arrives is taken and dropped, so that nobody waits for credit.
    void discard() override {
        std::deque<arrival> dropped;
        std::vector<credit> due;
        {
            const std::lock_guard lock(mutex_);
            discarding_ = true;
            while (!items_.empty()) {
                credit one;
                dropped.push_back(take(one));
                if (one.bytes) due.push_back(std::move(one));
            }
        }
        for (const credit& one : due) grant(one);
    }

    bool has_told(const error& why) override {
        const std::lock_guard lock(mutex_);
        return end_told_ && end_ && end_->same_as(why);
    }

private:
    bool has_news() const noexcept { return !items_.empty() || end_; } // under the mutex

    /// Takes the first out. Under the mutex.
    arrival take(credit& due) {
        arrival next = std::move(items_.front());
        items_.pop_front();
        if (next.item.kind == wire::flow_frame::begun || next.failure()) return next;
        const std::uint64_t bytes = consume(*next.from, next.item.bytes.size(), items_.empty());
        if (bytes && next.from->open) due = {next.from, bytes, next.from->back};
        return next;
    }

    /// An item has left the queue; returns the credit for it. Under the mutex.
    std::uint64_t consume(port& p, std::size_t bytes, bool starved) noexcept {
        const std::uint64_t wanted = starved ? p.ledger.growth() : 0;
        const std::uint64_t room = wanted ? budget_->grow(wanted, node_.bounds().flow_bytes) : 0;
        return p.ledger.consume(bytes, starved, room);
    }

    /// There is no window for a sender. The receiver of a channel would wait for it.
    MITOGEN_COLD error refused(const port_ptr& p, error why) {
        if (use_ == inbox_use::channel) {
            {
                const std::lock_guard lock(mutex_);
                add_failure(p, why);
            }
            changed();
        }
        return why;
    }

    /// In the place of an item. Under the mutex.
    void add_failure(const port_ptr& p, const error& why) {
        p->failure = why;
        items_.push_back({flow_item{.kind = wire::flow_frame::lost}, p});
    }

    /// While get() waits for items of this context itself: that a function on the main thread waits
    /// for another one there is an error at once.
    class self_wait {
        outstanding_call* call_;

    public:
        self_wait(node_inbox& items, instant deadline) : call_(items.own_call_to_wait_for()) {
            if (!call_) [[likely]]
                return;
            call_->set_awaited_by(this_worker);
            items.node_.waits_for_self(*call_, deadline == never);
        }
        self_wait(self_wait&&) = delete;
        ~self_wait() {
            if (!call_) [[likely]]
                return;
            call_->set_for_ever(false);
            call_->set_awaited_by(nullptr);
        }
    };

    outstanding_call* own_call_to_wait_for() {
        outstanding_call* const call = own_call_.load(std::memory_order_relaxed);
        return call && !node_.on_loop() && !ready() ? call : nullptr;
    }

    static error waits_on_loop() {
        return error(reason::misuse, "a function that runs on the loop waits for an item, which "
                                     "only the loop could bring; run it "
                                     "on::main or on::pool");
    }

    /// Of a channel: there may be no port whose end the router's end would bring.
    void await_close() {
        own_ = node_.new_port();
        const auto told = [self = this->shared_from_this()](const message& m) {
            if (m.dead()) self->finish(decode_error(m.payload), false, true);
        };
        if (const auto added = node_.add_raw_handler(
                own_, {.from = senders::anyone, .respondent = node_.id()}, told);
            !added)
            finish(added.error(), false, true);
    }

    void finish(const error& why, bool tell, bool close) {
        std::vector<port_ptr> ending;
        {
            const std::lock_guard lock(mutex_);
            ending.swap(open_);
            for (const port_ptr& p : ending) p->open = false;
            const bool wins = !closed_ && end_ && is_end(*end_) && !is_end(why);
            if (!end_ || wins) {
                end_ = why;
                end_told_ = false;
            }
            closed_ = closed_ || close;
        }
        for (const port_ptr& p : ending) {
            node_.remove_handler(p->number);
            if (tell && p->back)
                say(p->peer, p->back, encode(static_cast<std::uint8_t>(wire::flow_frame::stop)));
        }
        if (close && own_) node_.remove_handler(own_);
        changed();
    }

    /// On the loop.
    void arrive(const port_ptr& p, const message& m) {
        if (m.dead()) return end_port(p, decode_error(m.payload));
        const auto kind = m.payload.empty() ? wire::flow_frame::stop
                                            : static_cast<wire::flow_frame>(m.payload.front());
        const char* wrong = nullptr;
        bool complete = false;
        credit due;
        {
            const std::lock_guard lock(mutex_);
            if (!p->open) return node_.count_late_frame();
            p->back = is_port(m.head.reply_to) ? m.head.reply_to : 0;
            wrong = accept_frame(p, kind, m, due);
            complete = !wrong && p->ledger.complete();
        }
        if (wrong) return violated(p, m, wrong);
        grant(due);
        if (complete)
            return end_port(
                p, error(reason::end_of_stream, "everything that was sent has been received"));
        changed();
    }

    /// Enters what has arrived; returns what is wrong with it, or null. Under the mutex.
    const char* accept_frame(const port_ptr& p, wire::flow_frame kind, const message& m,
                             credit& due) {
        const auto keep = [&] {
            items_.push_back(
                {{kind, m.whole ? std::move(*m.whole) : buffer(m.payload), m.head.src}, p});
        };
        switch (kind) {
        case wire::flow_frame::item:
        case wire::flow_frame::lost: {
            const std::size_t size = m.payload.size();
            if (!p->ledger.receive(size)) return "more than it had credit for";
            if (!discarding_) return keep(), nullptr;
            if (const std::uint64_t bytes = consume(*p, size, true))
                due = {p, bytes, p->back};
            return nullptr;
        }
        case wire::flow_frame::begun:
            if (use_ != inbox_use::opener || std::exchange(begun_, true))
                return "the beginning of a dialog where there is none";
            return keep(), nullptr;
        case wire::flow_frame::end:
        case wire::flow_frame::done: {
            reader r(m.payload.subspan(1));
            std::uint64_t items{};
            if (!decode(r, items) || !r.finish() || !p->ledger.announce(items))
                return "an end that is none";
            p->awaits_answer = kind == wire::flow_frame::done;
            return nullptr;
        }
        default: return "what is no part of a flow";
        }
    }

    /// A sender that does not keep to the rules: only it is ended.
    void violated(const port_ptr& p, const message& m, const char* what) {
        const error why(reason::refused_by_policy,
                        "context " + std::to_string(p->peer) + " sent " + what);
        log::write(log::level::warning, "closed a flow: " + std::string(why.message()));
        node_.reply_dead(m.head, why);
        end_port(p, why);
    }

    /// Nothing more comes through this port.
    void end_port(const port_ptr& p, const error& why) {
        {
            const std::lock_guard lock(mutex_);
            if (!std::exchange(p->open, false)) return;
            std::erase(open_, p);
            const bool failed = !is_end(why);
            if (use_ == inbox_use::channel) {
                if (failed) add_failure(p, why);
                end_where_all_are_gone();
            } else if (!end_ &&
                       (failed || !p->awaits_answer || answered_ || use_ == inbox_use::callee)) {
                end_ = why;
            }
        }
        node_.remove_handler(p->number);
        changed();
    }

    /// Under the mutex.
    void end_where_all_are_gone() {
        if (open_.empty() && holds_ == 0 && !end_)
            end_.emplace(reason::end_of_stream, "every sender is closed");
    }

    void grant(const credit& due) {
        if (due.bytes && due.back)
            say(due.to->peer, due.back,
                encode(static_cast<std::uint8_t>(wire::flow_frame::credit), due.bytes));
    }

    void say(context_id peer, handle_id back, buffer frame) {
        (void)node_.send(node_.address(peer, back), std::move(frame), flush_mode::soon);
    }

    void changed() {
        watchers tell;
        {
            const std::lock_guard lock(mutex_);
            if (has_news()) tell = watchers_.take();
            changed_.notify_all();
        }
        tell.run();
    }
};

MITOGEN_INLINE std::shared_ptr<inbox> inbox::make(mitogen::node& node, inbox_use use) {
    return node_inbox::make(node, use);
}

} // namespace detail
} // namespace mitogen::inline MITOGEN_ABI
