// SPDX-License-Identifier: BSL-1.0
#pragma once
// join_peer.hpp: one program that has connected to a listener, from its first byte to its end, as
// the listening context sees it.

#include <mitogen/base/config.hpp>
#include <mitogen/base/error.hpp>
#include <mitogen/base/log.hpp>
#include <mitogen/base/result.hpp>
#include <mitogen/base/time.hpp>
#include <mitogen/boot/outgoing.hpp>
#include <mitogen/io/policy.hpp>
#include <mitogen/link/build_hash.hpp>
#include <mitogen/link/peer.hpp>
#include <mitogen/link/visible_text.hpp>
#include <mitogen/loop/bound_source.hpp>
#include <mitogen/loop/broker_engine.hpp>
#include <mitogen/node/router_core.hpp>
#include <mitogen/os/call.hpp>
#include <mitogen/os/failure.hpp>
#include <mitogen/protocol/error_notice.hpp>
#include <mitogen/protocol/handle.hpp>
#include <mitogen/protocol/hello_reader.hpp>
#include <mitogen/protocol/join_handshake.hpp>
#include <mitogen/protocol/shutdown_notice.hpp>
#include <mitogen/router/listener_handle.hpp>
#include <mitogen/serve/program_id.hpp>

#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <vector>

namespace mitogen::inline MITOGEN_ABI {
namespace detail {

/// A program that joins. There is no process to start or to wait for: it is there while its link
/// is.
///
/// Life: asking (its request is read) → numbered (it waits for an id) → answered (the answer is
/// written) → up → gone. Threads: loop.
template <class Io>
class join_peer final : private basic_peer<Io>::events {
public:
    using core = basic_router_core<Io>;
    using peer = basic_peer<Io>;

    /// What the listener does when a client reaches a stage.
    struct events {
        /// wants an id: admit() or refuse() it, now or later
        virtual void peer_asks(join_peer& c) = 0;
        virtual void peer_up(join_peer& c) = 0;
        virtual void peer_lost(join_peer& c, const error& why) = 0; ///< one that was up
        /// the last: it may be destroyed, but not at once
        virtual void peer_gone(join_peer& c) = 0;

    protected:
        ~events() = default;
    };

private:
    enum class stage : std::uint8_t { asking, numbered, answered, refused, up, gone };

    core& router_;
    events& events_;
    const listen_options terms_;
    duration_ns grace_;
    typename Io::descriptor socket_; // until it is up
    bound_source<join_peer> source_{};
    timer timer_;
    instant since_ = 0; // it has been listened to
    context_id lost_by_ = no_context; // who has asked it to leave
    stage stage_ = stage::asking;
    handshake::hello_reader reader_{joining::request_rules};
    joining::request asked_;
    joining::answer answer_;
    outgoing out_;
    std::vector<basic_outstanding_call<Io>*> awaiting_end_;

public:
    const std::uint32_t listener; ///< number of the one that it came to
    std::shared_ptr<peer> link;   ///< once up

    join_peer(core& node, events& to, std::uint32_t number, const listen_options& terms,
              duration_ns grace, typename Io::descriptor socket)
        : router_(node), events_(to), terms_(terms), grace_(grace), socket_(std::move(socket)),
          listener(number) {
        on_ready<&join_peer::ready>(source_, *this, socket_.get());
        timer_.fire = [this] { overdue(); };
    }

    join_peer(join_peer&&) = delete;

    context_id id() const noexcept { return answer_.id; }
    const std::string& name() const noexcept { return answer_.name; }
    bool up() const noexcept { return stage_ == stage::up; }
    /// True for one whose handshake is under way.
    bool waiting() const noexcept { return stage_ < stage::up; }
    /// True until it has said what it wants.
    bool asking() const noexcept { return stage_ == stage::asking; }
    /// When it was first listened to.
    instant since() const noexcept { return since_; }

    /// Begins to listen to it.
    void begin() {
        since_ = router_.loop().io().now();
        router_.loop().set_timer(timer_, after(since_, to_ns(terms_.handshake_timeout)));
        if (const long rc = router_.loop().watch(source_, io::interest::read); rc < 0)
            drop("cannot watch it: " + os::errno_text(static_cast<int>(-rc)));
    }

    /// Makes it the context `id`.
    MITOGEN_COLD void admit(context_id id) {
        if (stage_ != stage::numbered) return;
        answer_.id = id;
        answer_.ancestors = router_.path();
        answer_.above = router_.own_path();
        answer_.name = asked_.name.empty() ? "client." + std::to_string(asked_.pid)
                                            : visible_name(asked_.name);
        answer_.build = program_id::own().text();
        answer_.bounds = terms_.limits.value_or(router_.bounds());
        answer_.rules = router_.rules();
        say(stage::answered);
    }

    /// Tells it why not.
    void refuse(const error& why) {
        if (stage_ >= stage::answered) return;
        log::write(log::level::warning,
                   "refused a program that wants to join: " + std::string(why.message()));
        const buffer notice = encode_error(why);
        answer_.refusal.assign(notice.data(), notice.data() + notice.size());
        say(stage::refused);
    }

    /// Others come after it: unless it says now what it wants, it is dropped.
    void give_way() {
        read();
        if (asking()) drop("it has not asked to join while others wait (most_waiting)");
    }

    /// Asks it to leave; after some time cuts its link.
    void shut_down(const error& why) {
        if (waiting()) return refuse(why);
        if (!up()) return;
        lost_by_ = why.canceller();
        link->tell(handles::shutdown, wire::shutdown_notice{.by = lost_by_}.encoded());
        router_.loop().set_timer(timer_, after(router_.loop().io().now(), grace_));
    }

    /// Cuts its link.
    void disconnect(const std::string& why) {
        if (waiting()) return drop(why);
        if (up()) link->close(reason::respondent_lost, why);
    }

    /// Answers `p` when it is gone. Takes over one reference.
    void await_end(basic_outstanding_call<Io>* p) { awaiting_end_.push_back(p); }

    /// In a child made by fork(): closes what this holds.
    void abandon() noexcept {
        socket_.reset();
        if (link) link->abandon();
    }

private:
    void ready() {
        if (stage_ == stage::asking) return read();
        if (stage_ == stage::answered || stage_ == stage::refused) write();
    }

    MITOGEN_COLD void read() {
        std::byte bytes[1024];
        const long n = router_.loop().io().read(socket_.get(), bytes, sizeof bytes);
        if (n == -EAGAIN || n == -EWOULDBLOCK) return;
        if (n <= 0)
            return drop(n == 0 ? "it closed the connection" : os::errno_text(static_cast<int>(-n)));
        reader_.feed({bytes, static_cast<std::size_t>(n)});
        using finding = handshake::hello_reader::finding;
        switch (reader_.look()) {
        case finding::nothing: return;
        case finding::stage:
        case finding::wrong: return drop("what it sent is no request to join");
        case finding::wrong_version:
            return drop("it speaks another version of this library's protocol");
        case finding::hello: break;
        }
        // More than the request can only be a mistake: it has no id yet.
        if (!joining::decode_request(reader_.payload(), asked_) || !reader_.rest().empty())
            return drop("its request to join does not decode");
        stage_ = stage::numbered;
        router_.loop().change(source_, io::interest::none);
        events_.peer_asks(*this);
    }

    void say(stage next) {
        stage_ = next;
        out_.say(joining::encode_answer(answer_));
        write();
    }

    MITOGEN_COLD void write() {
        switch (out_.write(router_.loop().io(), socket_.get())) {
        case outgoing::progress::waiting:
            if (const long rc = router_.loop().change(source_, io::interest::write); rc < 0)
                drop("cannot watch it: " + os::errno_text(static_cast<int>(-rc)));
            return;
        case outgoing::progress::closed:
        case outgoing::progress::unreadable: return drop("it closed the connection");
        case outgoing::progress::written: break;
        }
        if (stage_ == stage::refused) return end();
        come_up();
    }

    /// From here on the link carries frames.
    MITOGEN_COLD void come_up() {
        // a link has a descriptor for each direction
        const long second = os::dup_above(socket_.get(), 3);
        if (second < 0) return drop("dup: " + os::errno_text(static_cast<int>(-second)));
        router_.loop().cancel_timer(timer_);
        router_.loop().unwatch(source_);
        const bool may_call = terms_.authority == mitogen::authority::parent;
        const peer_facts who{.id = id(),
                             .build = hash_build(asked_.build),
                             .authority = may_call ? router_.id() : no_context};
        link = peer::make(router_, *this, who, std::move(socket_),
                          typename Io::descriptor(static_cast<int>(second)));
        stage_ = stage::up;
        events_.peer_up(*this);
        link->start();
        link->tell(handles::admitted); // it waits for this: only now is it known here
    }

    void link_closed(peer&, reason cause, const std::string& why) override {
        error_detail d;
        d.why = cause;
        d.context = id();
        d.place = name();
        d.canceller = lost_by_;
        if (lost_by_ != no_context) d.radius = cancel_radius::context;
        d.text = "context " + std::to_string(id()) + " has left: " + why;
        events_.peer_lost(*this, error(std::move(d)));
        end();
    }

    void overdue() {
        if (up()) return link->close(reason::respondent_lost, "it was asked to leave, and did not");
        drop("no whole request to join within " +
             std::to_string(to_ns(terms_.handshake_timeout) / 1'000'000) +
             " ms (handshake_timeout)");
    }

    /// The handshake is over.
    void drop(const std::string& why) {
        if (stage_ == stage::gone) return;
        log::write(log::level::warning, "dropped a program that connected to join: " + why);
        end();
    }

    MITOGEN_COLD void end() {
        if (std::exchange(stage_, stage::gone) == stage::gone) return;
        router_.loop().cancel_timer(timer_);
        router_.loop().unwatch(source_);
        socket_.reset();
        for (basic_outstanding_call<Io>* p : std::exchange(awaiting_end_, {})) {
            // an exit_status
            router_.outstanding().complete(*p, encode(std::int32_t{0}, std::int32_t{0}), nullptr);
            p->release();
        }
        events_.peer_gone(*this);
    }
};

} // namespace detail
} // namespace mitogen::inline MITOGEN_ABI
