// SPDX-License-Identifier: BSL-1.0
#pragma once
// child.hpp: one child process from its start to its funeral, as its parent sees it.

#include <mitogen/base/config.hpp>
#include <mitogen/base/error.hpp>
#include <mitogen/base/log.hpp>
#include <mitogen/base/time.hpp>
#include <mitogen/connect/boot_plan.hpp>
#include <mitogen/connect/first_stage.hpp>
#include <mitogen/connect/handshake.hpp>
#include <mitogen/connect/text_tail.hpp>
#include <mitogen/loop/broker.hpp>
#include <mitogen/route/router_core.hpp>
#include <mitogen/sys/call.hpp>
#include <mitogen/sys/file.hpp>
#include <mitogen/wire/handle.hpp>

#include <algorithm>
#include <cerrno>
#include <cstddef>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace mitogen::inline MITOGEN_ABI {

/// Hash by which builds are compared on the hot path. FNV-1a, 64 bit; never 0.
inline build_hash hash_build(std::string_view id) noexcept {
    std::uint64_t h = 0xCBF2'9CE4'8422'2325u;
    for (const char c : id) h = (h ^ static_cast<unsigned char>(c)) * 0x0000'0100'0000'01B3u;
    return h ? h : 1;
}

/// How long the end of a child may take, step by step.
struct ending_patience {
    duration_ns grace = 3'000'000'000;      ///< from being asked to end, to SIGTERM
    duration_ns after_term = 1'000'000'000; ///< from SIGTERM to SIGKILL
    duration_ns for_status = 500'000'000;   ///< from the link's end, until its loss is reported without exit status
    duration_ns for_link = 500'000'000;     ///< from the process's end, until a link that somebody else keeps open is closed
};

/// Starts, watches, and buries one child.
///
/// Owned by the router, all on the loop. Life: starting (waits for the hello) → up → ending (asked to end, or the link has ended)
/// → gone. It is gone when the link is closed and the process is reaped, whatever that takes; only then does the router let it
/// go.
template <class Io>
class basic_child : public std::enable_shared_from_this<basic_child<Io>> {
public:
    using core = basic_router_core<Io>;
    using link = basic_link<Io>;

    /// What the router does when a child reaches a stage. Called on the loop.
    struct events {
        virtual void child_up(basic_child& child) = 0;
        virtual void child_lost(basic_child& child, const error& why) = 0;
        virtual void child_gone(basic_child& child) = 0;
        /// Its program could not be executed at the moment: start another process in its place. Takes over one reference.
        virtual void child_again(boot_plan plan, handshake::welcome welcome, basic_pending<Io>* connecting) = 0;

    protected:
        ~events() = default;
    };

    /// The descriptors of this side.
    struct plumbing {
        typename Io::descriptor in;  ///< what the child says
        typename Io::descriptor out; ///< what it hears
        typename Io::descriptor err; ///< its stderr; may be empty
    };

private:
    enum class stage : std::uint8_t { starting, up, ending, gone };

    struct source : event_source {
        basic_child* self;
    };


    core& router_;
    events& events_;
    boot_plan plan_;
    handshake::welcome welcome_;
    ending_patience patience_;
    typename Io::process process_;
    plumbing ends_;
    stage stage_ = stage::starting;
    handshake::listener listener_;
    bool stage_seen_ = false;
    bool hello_seen_ = false;
    buffer outgoing_; // what the child must hear before frames
    std::size_t outgoing_done_ = 0;
    std::int64_t program_left_ = 0; // of the program, still to be sent
    std::int64_t program_at_ = 0;

    source in_source_{};
    source out_source_{};
    source err_source_{};
    source exit_source_{};
    text_tail err_;
    std::vector<std::string> early_lines_; // stderr before the context has a name that logs could show
    timer timer_;
    instant timer_end_ = never; // of the whole start
    instant killed_at_ = never;
    int signals_sent_ = 0;
    instant asked_at_ = never;
    bool reported_ = false;
    bool link_open_ = false;
    std::optional<exit_status> status_;
    reason lost_cause_ = reason::respondent_lost;
    std::string lost_text_;

    basic_pending<Io>* connecting_;                 // answered once up, or failed
    std::vector<basic_pending<Io>*> awaiting_exit_; // answered with the exit status

public:
    std::shared_ptr<link> edge; ///< the link, once up

    /// Takes over a process that was started, and one reference to `connecting`.
    basic_child(core& node, events& to, boot_plan plan, handshake::welcome welcome, ending_patience patience,
                typename Io::process process, plumbing ends, basic_pending<Io>* connecting)
        : router_(node), events_(to), plan_(std::move(plan)), welcome_(std::move(welcome)), patience_(patience),
          process_(std::move(process)), ends_(std::move(ends)), connecting_(connecting) {
        timer_.fire = [this] { on_timer(); };
        prepare(in_source_, ends_.in.get(), [](event_source& s, bool, bool) { static_cast<source&>(s).self->on_hello_bytes(); });
        prepare(out_source_, ends_.out.get(),
                [](event_source& s, bool, bool) { static_cast<source&>(s).self->write_outgoing(); });
        prepare(err_source_, ends_.err.get(), [](event_source& s, bool, bool) { static_cast<source&>(s).self->read_err(); });
        prepare(exit_source_, process_.poll_fd(), [](event_source& s, bool, bool) { static_cast<source&>(s).self->on_exit(); });
    }

    basic_child(basic_child&&) = delete;

    context_id id() const noexcept { return welcome_.id; }
    const std::string& name() const noexcept { return welcome_.name; }
    auto pid() const noexcept { return process_.pid(); }
    bool up() const noexcept { return stage_ == stage::up; }

    /// Begins to listen. Threads: loop.
    void begin() {
        basic_broker<Io>& loop = router_.loop();
        long rc = loop.watch(in_source_, io::interest::read);
        if (rc >= 0 && ends_.err) rc = loop.watch(err_source_, io::interest::read);
        if (rc >= 0 && exit_source_.fd >= 0) rc = loop.watch(exit_source_, io::interest::read);
        timer_end_ = after(loop.io().now(), plan_.timeout);
        loop.set_timer(timer_, timer_end_);
        if (rc < 0) fail(error(reason::system, plan_.what + ": cannot watch it: " + sys::errno_text(static_cast<int>(-rc))));
    }

    /// Asks it to end; kills it if it does not. Threads: loop.
    void shut_down(const error& why) {
        if (stage_ == stage::starting) return fail(why);
        if (stage_ != stage::up) return;
        edge->stream->send(router_.address(id(), handles::shutdown), std::span<const std::byte>(), nullptr, urgency::soon);
        lost_text_ = "it was shut down";
        begin_ending();
    }

    /// Cuts the link. Threads: loop.
    void cut(const std::string& why) {
        if (stage_ == stage::starting) return fail(error(reason::cancelled, plan_.what + ": " + why));
        if (link_open_) edge->stream->close(reason::respondent_lost, why);
    }

    /// Answers `p` with the exit status once it is gone. Takes over one reference. Threads: loop.
    void await_exit(basic_pending<Io>* p) { awaiting_exit_.push_back(p); }

    /// Kills it at once. Threads: loop.
    void kill() {
        process_.signal(9);
        signals_sent_ = 2;
    }

    /// In a child made by fork(): closes what this holds and forgets the process, which is a sibling here.
    void abandon() noexcept {
        process_.forget();
        ends_.in.reset();
        ends_.out.reset();
        ends_.err.reset();
        if (edge) edge->stream->abandon();
    }

private:
    void prepare(source& s, int fd, void (*ready)(event_source&, bool, bool)) {
        s.fd = fd;
        s.self = this;
        s.ready = ready;
    }

    // ---- starting

    void on_hello_bytes() {
        const auto keep = this->shared_from_this();
        std::byte bytes[16 * 1024];
        const long n = router_.loop().io().read(ends_.in.get(), bytes, sizeof bytes);
        if (n == -EAGAIN || n == -EWOULDBLOCK) return;
        if (n <= 0) return ended_early();
        listener_.feed({bytes, static_cast<std::size_t>(n)});
        examine();
    }

    void examine() {
        using finding = handshake::listener::finding;
        for (;;) {
            switch (listener_.look()) {
            case finding::nothing: return;
            case finding::wrong:
                return fail_boot(boot_failure::how::confused,
                                 listener_.wrong_protocol() ? "the program there speaks another version of this library's "
                                                              "protocol; build both sides with the same version"
                                                            : "it printed too much that makes no sense here before its hello");
            case finding::stage:
                if (!plan_.staged || stage_seen_)
                    return fail_boot(boot_failure::how::confused, "a shell spoke where none was expected");
                stage_seen_ = true;
                if (!send_program()) return;
                break;
            case finding::hello:
                if (hello_seen_) return;
                hello_seen_ = true;
                return greet();
            }
        }
    }

    /// The shell on the target is ready for the program.
    bool send_program() {
        const std::string_view said = listener_.text();
        const std::string unfit = detail::why_unfit(*plan_.program, said.substr(said.empty() ? 0 : 1)); // after the blank
        if (!unfit.empty()) {
            fail(error(reason::payload, plan_.what + ": " + unfit));
            return false;
        }
        program_left_ = sys::file_size(plan_.program->get());
        const std::string size = std::to_string(program_left_) + "\n";
        outgoing_.append(size.data(), size.size());
        write_outgoing();
        return true;
    }

    void greet() {
        handshake::hello said;
        if (!handshake::decode_hello(listener_.payload(), said))
            return fail_boot(boot_failure::how::confused, "its hello does not decode");
        edge = std::make_shared<link>(router_);
        edge->peer = id();
        edge->build = hash_build(said.build);
        outgoing_ = handshake::encode_welcome(welcome_);
        outgoing_done_ = 0;
        program_left_ = 0;
        write_outgoing();
    }

    /// Writes the welcome, or the program, as the descriptor takes it.
    void write_outgoing() {
        const auto keep = this->shared_from_this();
        basic_broker<Io>& loop = router_.loop();
        for (;;) {
            if (outgoing_done_ == outgoing_.size()) {
                if (program_left_ == 0) break;
                if (!refill()) return;
            }
            const long n = loop.io().write(ends_.out.get(), outgoing_.data() + outgoing_done_, outgoing_.size() - outgoing_done_);
            if (n == -EAGAIN || n == -EWOULDBLOCK) {
                if (!out_source_.watched) {
                    loop.watch(out_source_, io::interest::write);
                } else {
                    loop.change(out_source_, io::interest::write);
                }
                return;
            }
            if (n < 0) return ended_early(); // what it said on stderr tells why
            outgoing_done_ += static_cast<std::size_t>(n);
        }
        loop.change(out_source_, io::interest::none);
        if (hello_seen_) come_up();
    }

    bool refill() {
        constexpr std::int64_t chunk = 64 * 1024;
        outgoing_.resize(static_cast<std::size_t>(std::min(program_left_, chunk)));
        outgoing_done_ = 0;
        const long n = sys::pread(plan_.program->get(), outgoing_.data(), outgoing_.size(), program_at_);
        if (n <= 0) {
            fail(error(reason::payload, plan_.what + ": cannot read the program that shall be sent: " +
                                            (n < 0 ? sys::errno_text(static_cast<int>(-n)) : "it has become shorter")));
            return false;
        }
        outgoing_.resize(static_cast<std::size_t>(n));
        program_at_ += n;
        program_left_ -= n;
        return true;
    }

    /// The hello and the welcome are exchanged: from here on the link carries frames.
    void come_up() {
        basic_broker<Io>& loop = router_.loop();
        loop.unwatch(in_source_);
        loop.unwatch(out_source_);
        loop.cancel_timer(timer_);
        stage_ = stage::up;
        const auto keep = this->shared_from_this();
        edge->open(loop, std::move(ends_.in), std::move(ends_.out), router_.bounds());
        edge->on_closed = [this](link&, enum reason cause, const std::string& why) { link_closed(cause, why); };
        link_open_ = true;
        events_.child_up(*this);
        const buffer value = encode(id());
        router_.answers().complete(*connecting_, value, nullptr);
        std::exchange(connecting_, nullptr)->release();
        for (const std::string& line : std::exchange(early_lines_, {})) say(line);
        if (const long rc = edge->stream->start(); rc < 0)
            return edge->stream->close(reason::respondent_lost,
                                       "cannot watch the link: " + sys::errno_text(static_cast<int>(-rc)));
        edge->stream->inject(listener_.rest());
        listener_ = {};
    }

    /// The connection ended before it was up. The exit status and the last words tell why: they are on their way.
    void ended_early() {
        if (stage_ != stage::starting) return;
        router_.loop().unwatch(in_source_);
        router_.loop().unwatch(out_source_);
        ends_.in.reset();
        ends_.out.reset(); // the child sees the end, should it still live
        stage_ = stage::ending;
        asked_at_ = router_.loop().io().now();
        look_after_ending();
    }

    void fail_boot(boot_failure::how how, std::string detail) {
        boot_failure f;
        f.what = how;
        f.detail = std::move(detail);
        fail(explain(std::move(f)));
    }

    error explain(boot_failure f) {
        drain_err();
        f.stage_seen = stage_seen_;
        f.status = status_;
        f.words = err_.text();
        text_tail printed;
        printed.feed(listener_.noise(), [](std::string_view) {});
        if (const std::string noise = printed.text(); !noise.empty()) f.words += (f.words.empty() ? "" : "\n  ") + noise;
        return plan_.explain ? plan_.explain(plan_, f) : detail::explain_boot(plan_, f);
    }

    /// The connection attempt is over.
    void fail(const error& why) {
        refuse(why);
        if (stage_ == stage::starting) {
            router_.loop().unwatch(in_source_);
            router_.loop().unwatch(out_source_);
            ends_.in.reset();
            ends_.out.reset();
            stage_ = stage::ending;
            kill();
        }
        look_after_ending();
    }

    void refuse(const error& why) {
        reported_ = true;
        if (!connecting_) return;
        router_.answers().fail(*connecting_, why);
        std::exchange(connecting_, nullptr)->release();
    }

    // ---- ending

    void link_closed(enum reason cause, const std::string& why) {
        link_open_ = false;
        lost_cause_ = cause;
        if (lost_text_.empty()) lost_text_ = why;
        if (cause == reason::link_corrupt) process_.signal(15); // what it sends is worthless
        begin_ending();
    }

    void begin_ending() {
        if (stage_ == stage::up) {
            stage_ = stage::ending;
            asked_at_ = router_.loop().io().now();
        }
        look_after_ending();
    }

    void on_exit() {
        const auto keep = this->shared_from_this();
        status_ = process_.try_wait();
        if (!status_) return;
        router_.loop().unwatch(exit_source_);
        if (stage_ == stage::up) {
            stage_ = stage::ending;
            asked_at_ = router_.loop().io().now();
        } else if (stage_ == stage::starting) {
            // What it wrote before it ended may still be on its way: the end of the pipe tells. Unless somebody else holds it.
            killed_at_ = router_.loop().io().now();
            router_.loop().set_timer(timer_, after(killed_at_, patience_.for_link));
            return;
        }
        look_after_ending();
    }

    /// The one place that decides what happens next on the way out. Called whenever something has changed.
    void look_after_ending() {
        if (stage_ != stage::ending) return;
        const auto keep = this->shared_from_this();
        basic_broker<Io>& loop = router_.loop();
        if (!status_) status_ = process_.try_wait();
        const instant now = loop.io().now();
        if (status_) {
            loop.unwatch(exit_source_);
            if (killed_at_ == never) killed_at_ = now;
            if (link_open_ && now >= after(killed_at_, patience_.for_link))
                edge->stream->close(reason::respondent_lost, "the process has ended");
            if (link_open_)
                return loop.set_timer(timer_, after(killed_at_, patience_.for_link)); // answers may still be in the pipe
            if (stage_ == stage::gone) return;
            report();
            return bury();
        }
        if (!link_open_ && !reported_ && now >= after(asked_at_, patience_.for_status)) report();
        if (signals_sent_ == 0 && now >= after(asked_at_, patience_.grace)) {
            process_.signal(15);
            ++signals_sent_;
        }
        if (signals_sent_ == 1 && now >= after(asked_at_, patience_.grace + patience_.after_term)) kill();
        loop.set_timer(timer_, next_look(now));
    }

    instant next_look(instant now) const {
        constexpr duration_ns poll_interval = 5'000'000; // where the system cannot tell that a process has ended
        instant next = exit_source_.watched ? never : after(now, poll_interval);
        if (!link_open_ && !reported_) next = std::min(next, after(asked_at_, patience_.for_status));
        if (signals_sent_ == 0) next = std::min(next, after(asked_at_, patience_.grace));
        if (signals_sent_ == 1) next = std::min(next, after(asked_at_, patience_.grace + patience_.after_term));
        if (next == never) next = after(now, patience_.after_term);
        return std::max(next, now);
    }

    void on_timer() {
        const auto keep = this->shared_from_this();
        if (stage_ != stage::starting) return look_after_ending();
        if (status_) return ended_early();
        fail_boot(boot_failure::how::timed_out, {});
    }

    /// Tells everyone who waits for it that it is lost, once.
    void report() {
        if (std::exchange(reported_, true)) return;
        drain_err();
        if (connecting_) {
            if (try_again()) return;
            boot_failure f;
            f.what = boot_failure::how::ended;
            return refuse(explain(std::move(f)));
        }
        error_detail d;
        d.why = lost_cause_;
        d.context = id();
        d.place = welcome_.name;
        d.text = "context " + std::to_string(id()) + " is lost: " + lost_text_;
        if (const std::string words = err_.text(); !words.empty()) d.text += "; its last lines on stderr:\n  " + words;
        d.has_status = status_.has_value();
        if (status_) d.status = *status_;
        events_.child_lost(*this, error(std::move(d)));
    }

    /// True if another attempt is under way. A target that looks through its processes' descriptors keeps each open for a moment,
    /// the one through which the program was written as well, and the kernel executes no file that is open for writing.
    bool try_again() {
        const bool program_sent = status_ && program_at_ > 0 && program_left_ == 0;
        if (!program_sent || hello_seen_ || !detail::not_executed(*status_) || plan_.attempts <= 1) return false;
        --plan_.attempts;
        plan_.timeout = std::max<duration_ns>(timer_end_ - router_.loop().io().now(), 0);
        early_lines_.clear();
        err_ = {};
        events_.child_again(std::move(plan_), std::move(welcome_), std::exchange(connecting_, nullptr));
        return true;
    }

    void bury() {
        basic_broker<Io>& loop = router_.loop();
        stage_ = stage::gone;
        loop.cancel_timer(timer_);
        drain_err();
        loop.unwatch(err_source_);
        for (const std::string& line : std::exchange(early_lines_, {})) say(line);
        err_.finish([this](std::string_view line) { say(line); });
        const buffer value = encode(status_->code, status_->signal);
        for (basic_pending<Io>* p : std::exchange(awaiting_exit_, {})) {
            router_.answers().complete(*p, value, nullptr);
            p->release();
        }
        events_.child_gone(*this);
    }

    // ---- stderr

    void read_err() {
        char bytes[4096];
        const long n = router_.loop().io().read(ends_.err.get(), bytes, sizeof bytes);
        if (n == -EAGAIN || n == -EWOULDBLOCK) return;
        if (n <= 0) {
            router_.loop().unwatch(err_source_);
            ends_.err.reset();
            return;
        }
        err_.feed({bytes, static_cast<std::size_t>(n)}, [this](std::string_view line) { say(line); });
    }

    /// Takes what is in the pipe now, so that an error has the last words.
    void drain_err() {
        for (int reads = 0; reads < 64 && err_source_.watched; ++reads) {
            char bytes[4096];
            const long n = router_.loop().io().read(ends_.err.get(), bytes, sizeof bytes);
            if (n <= 0) return;
            err_.feed({bytes, static_cast<std::size_t>(n)}, [this](std::string_view line) { say(line); });
        }
    }

    void say(std::string_view line) {
        if (stage_ == stage::starting || connecting_) {
            early_lines_.emplace_back(line);
        } else {
            log::emit({log::level::info, id(), welcome_.name, "stderr", line});
        }
    }
};

} // namespace mitogen::inline MITOGEN_ABI
