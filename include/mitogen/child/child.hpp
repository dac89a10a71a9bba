// SPDX-License-Identifier: BSL-1.0
#pragma once
// child.hpp: one child process from its start to its funeral, as its parent sees it.

#include <mitogen/base/config.hpp>
#include <mitogen/base/error.hpp>
#include <mitogen/base/time.hpp>
#include <mitogen/boot/boot_plan.hpp>
#include <mitogen/boot/bootstrap.hpp>
#include <mitogen/child/child_stderr.hpp>
#include <mitogen/child/shutdown_ladder.hpp>
#include <mitogen/io/policy.hpp>
#include <mitogen/link/build_hash.hpp>
#include <mitogen/link/peer.hpp>
#include <mitogen/loop/bound_source.hpp>
#include <mitogen/loop/broker_engine.hpp>
#include <mitogen/node/router_core.hpp>
#include <mitogen/os/failure.hpp>
#include <mitogen/protocol/error_notice.hpp>
#include <mitogen/protocol/handle.hpp>
#include <mitogen/protocol/handshake.hpp>
#include <mitogen/protocol/shutdown_notice.hpp>

#include <algorithm>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace mitogen::inline MITOGEN_ABI {

namespace detail {

/// Starts, watches, and buries one child.
///
/// Owned by the router, all on the loop. Life: starting (waits for the hello) → up → ending (asked
/// to end, or the link has ended) → gone. It is gone when the link is closed and the process is
/// reaped, whatever that takes; only then does the router let it go.
template <class Io>
class basic_child final : public std::enable_shared_from_this<basic_child<Io>>,
                          private basic_peer<Io>::events {
public:
    using core = basic_router_core<Io>;
    using peer = basic_peer<Io>;

    /// What the router does when a child reaches a stage. Called on the loop.
    struct events {
        virtual void child_up(basic_child& child) = 0;
        virtual void child_lost(basic_child& child, const error& why) = 0;
        virtual void child_gone(basic_child& child) = 0;
        /// It lives on without its parent. When its process ends, child_gone follows.
        virtual void child_detached(basic_child& child) = 0;

    protected:
        ~events() = default;
    };

    /// The descriptors of this side.
    struct plumbing {
        typename Io::descriptor in;       ///< what the child says
        typename Io::descriptor out;      ///< what it hears
        typename Io::descriptor err;      ///< its stderr; may be empty
        typename Io::descriptor terminal; ///< the child's side of `err`, if it is a terminal
    };

private:
    using attempt = bootstrap<Io>;

    enum class stage : std::uint8_t { starting, up, stopping, detached, gone };

    core& router_;
    events& events_;
    const std::unique_ptr<boot_plan> plan_;
    handshake::welcome welcome_;
    typename Io::process process_;
    child_stderr<Io> err_;
    attempt boot_; // until it is up
    shutdown_ladder ladder_;
    stage stage_ = stage::starting;
    bound_source<basic_child> exit_source_{};
    timer timer_;
    bool reported_ = false;
    bool link_open_ = false;
    bool let_go_ = false;
    bool expedited_ = false;
    bool client_ended_ = false; // from here: its exit status is not the child's
    std::optional<exit_status> status_;
    reason lost_cause_ = reason::respondent_lost;
    std::string lost_text_;
    context_id lost_by_ = no_context; // who has ended it
    std::uint32_t held_ = 0; // how many stand in a debugger, there or below
    std::optional<error> end_later_; // it was asked to end meanwhile
    bool expedite_later_ = false;

    std::vector<basic_outstanding_call<Io>*> awaiting_exit_; // answered with the exit status

public:
    std::shared_ptr<peer> link; ///< once up

    /// Takes over a process that was started, and one reference to `connecting`.
    basic_child(core& node, events& to, std::unique_ptr<boot_plan> plan, handshake::welcome welcome,
                shutdown_timeouts timeouts, typename Io::process process, plumbing ends,
                basic_outstanding_call<Io>* connecting)
        : router_(node), events_(to), plan_(std::move(plan)), welcome_(std::move(welcome)),
          process_(std::move(process)), err_(node.loop(), std::move(ends.err), welcome_.id,
                                             welcome_.name, std::move(ends.terminal)),
          boot_(
              node, *plan_, welcome_, err_, std::move(ends.in), std::move(ends.out), connecting,
              [this](typename attempt::outcome o) { talked(o); },
              [this](const error& why) { question_unanswered(why); }),
          ladder_(timeouts) {
        timer_.fire = [this] { on_timer(); };
        on_ready<&basic_child::on_exit>(exit_source_, *this, process_.poll_fd());
    }

    basic_child(basic_child&&) = delete;

    context_id id() const noexcept { return welcome_.id; }
    const std::string& name() const noexcept { return welcome_.name; }
    auto pid() const noexcept { return process_.pid(); }
    boot_info info() const { return boot_.protocol().info(); }
    bool up() const noexcept { return stage_ == stage::up; }
    bool detached() const noexcept { return stage_ == stage::detached; }
    bool may_detach() const noexcept { return plan_->may_detach; }
    bool runs_this_program() const noexcept { return plan_->runs_this_program(); }

    /// Begins to listen. Threads: loop.
    MITOGEN_COLD void begin() {
        broker_engine<Io>& loop = router_.loop();
        long rc = boot_.begin();
        if (rc >= 0) rc = err_.begin();
        if (rc >= 0 && exit_source_.fd >= 0) rc = loop.watch(exit_source_, io::interest::read);
        loop.set_timer(timer_, after(loop.io().now(), plan_->timeout));
        if (rc < 0)
            return fail(error(reason::system, plan_->what + ": cannot watch it: " +
                                                  os::errno_text(static_cast<int>(-rc))));
        boot_.when_answered([&loop, weak = this->weak_from_this()] {
            loop.defer([weak] {
                if (const auto self = weak.lock()) self->answered();
            });
        });
    }

    /// The end of its link is not its end any more. What was started here for it and runs here, a
    /// client of ssh, ends then. Threads: loop.
    void let_go() {
        let_go_ = true;
        lost_text_ = "it has detached";
    }

    /// It has nothing more to say, and ends with status 0. What it has started there may hold the
    /// connection open for as long as it likes: a client is then not waited for. Threads: loop.
    MITOGEN_COLD void farewell() {
        if (!plan_->is_client) return;
        const auto keep = this->shared_from_this();
        ladder_.served(router_.loop().io().now());
        begin_ending();
    }

    /// A context, it or one below it, stands in a debugger, or does no more: until then it is not
    /// ended, nor lost because it says nothing. Counted. Threads: loop.
    MITOGEN_COLD void hold(bool stands) {
        if (!stands && held_ == 0) return; // its link has ended since
        held_ = stands ? held_ + 1 : held_ - 1;
        if (held_ > 0) return ladder_.hold();
        let_end();
    }
    bool held() const noexcept { return held_ > 0; }
    /// Nobody does, whatever was said. Threads: loop.
    void release() {
        if (held_ > 0) let_end();
    }

    /// Asks it to end; kills it if it does not. Threads: loop.
    void shut_down(const error& why) {
        if (held_ > 0) {
            if (!end_later_) end_later_.emplace(why);
            return;
        }
        if (stage_ == stage::starting) return fail(why);
        if (stage_ != stage::up) return;
        if (let_go_) return disconnect("its parent ends");
        lost_by_ = why.canceller();
        link->tell(handles::shutdown, wire::shutdown_notice{.by = lost_by_}.encoded());
        lost_text_ = "it was shut down";
        begin_ending();
    }

    /// Its parent is about to go, and has no more time for it than the levels below it need, each
    /// to end the next one. Nobody else could end a process that is stopped. Threads: loop.
    MITOGEN_COLD void expedite(const error& why) {
        const auto keep = this->shared_from_this();
        if (stage_ == stage::stopping && !link_open_ && (!link || link->levels == 0))
            kill(); // lost some time ago
        shut_down(why);
        expedite_later_ = held_ > 0;
        if (expedite_later_ || stage_ != stage::stopping || std::exchange(expedited_, true)) return;
        const wire::shutdown_notice at_once{.at_once = true, .by = lost_by_};
        if (link_open_) link->tell(handles::shutdown, at_once.encoded());
        ladder_.expedite(router_.loop().io().now());
        advance_shutdown();
    }

    /// Cuts the link. `by`: who has asked for it. Threads: loop.
    void disconnect(const std::string& why, context_id by = no_context) {
        if (stage_ == stage::starting) return fail(given_up(why));
        if (stage_ == stage::up) lost_by_ = by;
        if (link_open_) link->close(reason::respondent_lost, why);
    }

    /// Answers `p` with the exit status once it is gone. Takes over one reference. Threads: loop.
    void await_exit(basic_outstanding_call<Io>* p) { awaiting_exit_.push_back(p); }

    /// Nobody waits for its process any more. Threads: loop.
    void forget() {
        router_.loop().unwatch(exit_source_);
        if constexpr (requires { process_.leave(); })
            process_.leave();
        else
            process_.forget();
    }

    /// Kills it at once. Threads: loop.
    void kill() {
        send_signal(shutdown_ladder::kill);
        ladder_.killed();
    }

    /// In a child made by fork(): closes what this holds and forgets the process, which is a
    /// sibling here.
    void abandon() noexcept
        requires io::can_fork<Io>
    {
        process_.forget();
        boot_.abandon();
        err_.abandon();
        if (link) link->abandon();
    }

private:
    // ---- starting

    error given_up(const std::string& why) const {
        return cancelled_by(router_.id(), cancel_radius::context, plan_->what + ": " + why);
    }

    /// Somebody has completed the answer. If it was not this, nobody wants the child any more.
    void answered() {
        if (stage_ == stage::starting && boot_.given_up()) fail(given_up("given up"));
    }

    MITOGEN_COLD void talked(typename attempt::outcome o) {
        const auto keep = this->shared_from_this();
        switch (o) {
        case attempt::outcome::open: return;
        case attempt::outcome::up: return come_up();
        case attempt::outcome::ended: return ended_early();
        case attempt::outcome::confused:
            return fail(
                boot_.explain(boot_failure::how::confused, status_, boot_.protocol().trouble()));
        case attempt::outcome::impossible:
            return fail(error(reason::payload, plan_->what + ": " + boot_.protocol().trouble()));
        }
    }

    void question_unanswered(const error& why) {
        const auto keep = this->shared_from_this();
        err_.drop(); // the question says no more than the error
        fail(why);
    }

    /// The hello and the welcome are exchanged: from here on the link carries frames.
    MITOGEN_COLD void come_up() {
        router_.loop().cancel_timer(timer_);
        stage_ = stage::up;
        auto [in, out] = boot_.take();
        const peer_facts who{.id = id(), .build = hash_build(boot_.protocol().said().build)};
        link = peer::make(router_, *this, who, std::move(in), std::move(out));
        link_open_ = true;
        events_.child_up(*this);
        const bool wanted = boot_.accept(id());
        link->start(boot_.protocol().rest());
        if (!wanted) shut_down(given_up("given up"));
    }

    /// The connection ended before it was up. The exit status and the last words tell why: they are
    /// on their way.
    void ended_early() {
        if (stage_ != stage::starting) return;
        boot_.end();
        stage_ = stage::stopping;
        ladder_.begin(router_.loop().io().now());
        advance_shutdown();
    }

    /// The connection attempt is over.
    MITOGEN_COLD void fail(const error& why) {
        boot_.end();
        reported_ = true;
        boot_.refuse(why);
        if (stage_ == stage::starting) {
            stage_ = stage::stopping;
            if (plan_->clears_up)
                terminate();
            else
                kill();
        }
        advance_shutdown();
    }

    void terminate() {
        send_signal(shutdown_ladder::term);
        ladder_.terminated(router_.loop().io().now());
    }

    // ---- ending

    /// Nobody looks at it any more: what it was asked meanwhile happens now.
    MITOGEN_COLD void let_end() {
        const auto keep = this->shared_from_this();
        forget_hold();
        const std::optional<error> why = std::exchange(end_later_, std::nullopt);
        if (why && std::exchange(expedite_later_, false)) return expedite(*why);
        if (why) return shut_down(*why);
        advance_shutdown();
    }

    void forget_hold() {
        held_ = 0;
        ladder_.release(router_.loop().io().now());
    }

    void link_closed(peer&, reason cause, const std::string& why) override {
        link_open_ = false;
        forget_hold(); // a debugger sees nothing of it any more
        lost_cause_ = cause;
        if (lost_text_.empty()) lost_text_ = why;
        // what it sends is worthless
        if (cause == reason::link_corrupt) send_signal(shutdown_ladder::term);
        begin_ending();
    }

    bool ask_held() override {
        if (held_ > 0) return true;
        if constexpr (io::knows_held<Io>) // it, or what has started it: sudo
            return router_.loop().io().is_held(static_cast<int>(boot_.protocol().said().pid),
                                               static_cast<int>(process_.pid()));
        else
            return false;
    }

    /// True if the context itself was started here, and not a client that connects to it.
    bool runs_here() const noexcept {
        return static_cast<int>(process_.pid()) == static_cast<int>(boot_.protocol().said().pid);
    }

    void begin_ending() {
        if (stage_ == stage::up && let_go_ && runs_here()) return part();
        if (stage_ == stage::up) {
            stage_ = stage::stopping;
            ladder_.begin(router_.loop().io().now(), link->levels);
        }
        advance_shutdown();
    }

    /// It goes on alone; all that is left here is to reap it, should it end before this program
    /// does.
    MITOGEN_COLD void part() {
        const auto keep = this->shared_from_this();
        stage_ = stage::detached;
        router_.loop().cancel_timer(timer_);
        report();
        err_.finish();
        plan_->keep_alive.reset(); // nobody owns it any more
        for (basic_outstanding_call<Io>* p : std::exchange(awaiting_exit_, {})) {
            router_.outstanding().fail(*p,
                                       error(reason::respondent_lost,
                                             "context " + std::to_string(id()) + " has detached"));
            p->release();
        }
        events_.child_detached(*this);
    }

    MITOGEN_COLD void on_exit() {
        const auto keep = this->shared_from_this();
        status_ = look_for_status();
        if (!status_) return;
        router_.loop().unwatch(exit_source_);
        if (stage_ == stage::detached) return events_.child_gone(*this);
        if (stage_ == stage::up) {
            stage_ = stage::stopping;
            ladder_.begin(router_.loop().io().now());
        } else if (stage_ == stage::starting) {
            // What it wrote before it ended may still be on its way: the end of the pipe tells.
            // Unless somebody else holds it.
            ladder_.exited(router_.loop().io().now());
            router_.loop().set_timer(timer_, ladder_.link_end());
            return;
        }
        advance_shutdown();
    }

    /// Programs of other users cannot be sent any; they end when their terminal hangs up.
    void send_signal(int number) {
        signal_all(number);
        if (number == shutdown_ladder::kill) err_.hang_up();
    }

    /// To a tool with all that it has started.
    void signal_all(int number) {
        if constexpr (requires { process_.signal_group(number); }) {
            if (!runs_here()) return void(process_.signal_group(number));
        }
        process_.signal(number);
    }

    /// The one place that decides what happens next on the way out. Called whenever something has
    /// changed.
    MITOGEN_COLD void advance_shutdown() {
        if (stage_ != stage::stopping) return;
        const auto keep = this->shared_from_this();
        broker_engine<Io>& loop = router_.loop();
        if (!status_) status_ = look_for_status();
        const instant now = loop.io().now();
        if (status_) {
            loop.unwatch(exit_source_);
            ladder_.exited(now);
            if (link_open_ && now >= ladder_.link_end())
                link->close(reason::respondent_lost, "the process has ended");
            // answers may still be in the pipe
            if (link_open_) return loop.set_timer(timer_, ladder_.link_end());
            if (stage_ == stage::gone) return;
            report();
            return finish();
        }
        if (!client_ended_ && now >= ladder_.client_end()) {
            client_ended_ = true;
            terminate();
        }
        if (!link_open_ && !reported_ && ladder_.report_due(now)) report();
        if (const int signal = ladder_.due_signal(now);
            signal != shutdown_ladder::no_signal) {
            send_signal(signal);
            // all that can be done from here
            if (plan_->attached && signal == shutdown_ladder::kill)
                return link->close(reason::respondent_lost, "it was asked to end, and did not");
        }
        loop.set_timer(timer_, ladder_.next_look(now, exit_source_.watched || plan_->attached,
                                                 link_open_ || reported_));
    }

    /// How its process has ended, if it has. One that was attached has none here: it is there while
    /// its link is.
    std::optional<exit_status> look_for_status() {
        if (!plan_->attached) {
            std::optional<exit_status> found = look_for_end();
            if (found && client_ended_) found = exit_status{};
            return found;
        }
        return link_open_ ? std::nullopt : std::optional<exit_status>(exit_status{});
    }

    /// Of a connection that failed nothing stays.
    std::optional<exit_status> look_for_end() {
        if constexpr (requires { process_.try_wait_group(); }) {
            if (!link) return process_.try_wait_group();
        }
        return process_.try_wait();
    }

    void on_timer() {
        const auto keep = this->shared_from_this();
        if (stage_ != stage::starting) return advance_shutdown();
        if (status_) return ended_early();
        fail(boot_.explain(boot_failure::how::timed_out, status_));
    }

    /// Tells everyone who waits for it that it is lost, once.
    MITOGEN_COLD void report() {
        if (std::exchange(reported_, true)) return;
        if (boot_.unanswered())
            return boot_.refuse(boot_.explain(boot_failure::how::ended, status_));
        error_detail d;
        d.why = lost_cause_;
        d.context = id();
        d.place = router_.place_of(id());
        if (d.place.empty()) d.place = welcome_.name;
        d.text = "context " + std::to_string(id()) + " is lost: " + lost_text_;
        if (const std::string words = err_.last_words(); !words.empty())
            d.text.append(last_words_mark).append(words);
        if (const std::string crash = err_.crash_report(); !crash.empty())
            (void)router_.tell(router_.root(), handles::crash, encode(id(), welcome_.name, crash),
                               false);
        d.canceller = lost_by_;
        if (lost_by_ != no_context) d.radius = cancel_radius::context;
        d.has_status = status_.has_value() && !plan_->attached;
        if (d.has_status) d.status = *status_;
        events_.child_lost(*this, error(std::move(d)));
    }

    MITOGEN_COLD void finish() {
        broker_engine<Io>& loop = router_.loop();
        stage_ = stage::gone;
        loop.cancel_timer(timer_);
        err_.finish();
        const buffer value = encode(status_->code, status_->signal);
        for (basic_outstanding_call<Io>* p : std::exchange(awaiting_exit_, {})) {
            router_.outstanding().complete(*p, value, nullptr);
            p->release();
        }
        events_.child_gone(*this);
    }
};

} // namespace detail
} // namespace mitogen::inline MITOGEN_ABI
