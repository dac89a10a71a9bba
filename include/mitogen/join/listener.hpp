// SPDX-License-Identifier: BSL-1.0
#pragma once
// listener.hpp: lets other programs of the same user join the tree, through a socket in the file
// system.

#include <mitogen/base/config.hpp>
#include <mitogen/base/error.hpp>
#include <mitogen/base/log.hpp>
#include <mitogen/base/result.hpp>
#include <mitogen/base/time.hpp>
#include <mitogen/child/children.hpp>
#include <mitogen/child/listening.hpp>
#include <mitogen/io/native.hpp>
#include <mitogen/io/policy.hpp>
#include <mitogen/join/call_server.hpp>
#include <mitogen/join/join_peer.hpp>
#include <mitogen/loop/bound_source.hpp>
#include <mitogen/loop/broker_engine.hpp>
#include <mitogen/os/failure.hpp>
#include <mitogen/os/local_socket.hpp>
#include <mitogen/router/listener_handle.hpp>
#include <mitogen/router/router_engine.hpp>
#include <mitogen/sync/wait_group.hpp>

#include <algorithm>
#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace mitogen::inline MITOGEN_ABI {
namespace detail {

/// The listening sockets of one router, and the programs that have come through them.
template <class Io>
class listeners final : public listening<Io>, private join_peer<Io>::events {
    using peer_type = join_peer<Io>;

    struct open_socket {
        listeners& owner;
        std::uint32_t number;
        os::local_listener file;
        listen_options options;
        bound_source<open_socket> ready{};
        timer resume{};   // after a pause
        timer give_way{}; // somebody may be old enough

        void on_client() { owner.accept(*this); }
    };

    router_engine<Io>& node_;
    children<Io>& children_;
    std::optional<call_server<Io>> server_; // in a root, which executes no calls otherwise
    std::vector<std::unique_ptr<open_socket>> sockets_;
    std::vector<std::shared_ptr<peer_type>> peers_;
    std::uint32_t last_number_ = 0;
    basic_wait_group<Io> alive_; // clients
    bool closing_ = false;

    // before accept() is tried again that found no descriptor
    static constexpr duration_ns pause = 100'000'000;
    static constexpr int most_at_once = 16; // accepted in one turn of the loop
    // what a client asks is there when it connects, or soon
    static constexpr duration_ns least_patience = 50'000'000;

public:
    listeners(router_engine<Io>& node, children<Io>& below)
        : node_(node), children_(below), alive_(node.loop().io()) {
        if (!node.parent()) server_.emplace(node, "root", below.pool_threads());
    }

    /// Listens on one more socket. Returns its number. Threads: loop.
    result<std::uint32_t> add(os::local_listener file, const listen_options& options) {
        if (closing_) return closing();
        std::unique_ptr<open_socket> s(
            new open_socket{*this, ++last_number_, std::move(file), options});
        on_ready<&open_socket::on_client>(s->ready, *s, s->file.fd());
        s->resume.fire = [from = s.get()] { from->owner.look_after(*from); };
        s->give_way.fire = [from = s.get()] { from->owner.look_after(*from); };
        if (const long rc = node_.loop().watch(s->ready, io::interest::read); rc < 0)
            return os::failure("watch(" + s->file.path() + ")", rc);
        sockets_.push_back(std::move(s));
        return last_number_;
    }

    /// Closes one socket; who is still in the handshake is refused. Threads: loop.
    MITOGEN_COLD void remove(std::uint32_t number) {
        std::erase_if(sockets_, [&](const auto& s) {
            if (s->number != number) return false;
            node_.loop().unwatch(s->ready);
            node_.loop().cancel_timer(s->resume);
            node_.loop().cancel_timer(s->give_way);
            return true;
        });
        const auto all = peers_; // one that goes removes itself
        for (const auto& c : all)
            if (c->listener == number && c->waiting())
                c->refuse(error(reason::connect, "the listener has been closed"));
    }

    MITOGEN_COLD void close() override {
        if (server_) server_->stop(closing());
        const auto end = [this] {
            closing_ = true;
            while (!sockets_.empty()) remove(sockets_.back()->number);
            const auto all = peers_;
            for (const auto& c : all) c->shut_down(closing());
        };
        if (!node_.loop().run(end)) {
            sockets_.clear(); // the loop has ended: nobody can say goodbye any more
            return;
        }
        alive_.wait(node_.loop());
    }

    void finish() override {
        if (server_) server_->join();
        node_.loop().run([] {}); // what the last functions have deferred
    }

    bool disconnect(context_id id, const std::string& why) override {
        peer_type* c = find(id);
        if (c) c->disconnect(why);
        return c != nullptr;
    }

    bool shut_down(context_id id, const error& why,
                   basic_outstanding_call<Io>* left) override {
        peer_type* c = find(id);
        if (!c) return false;
        c->await_end(left);
        c->shut_down(why);
        return true;
    }

    void abandon() noexcept override {
        for (const auto& s : sockets_) s->file.abandon();
        for (const auto& c : peers_) c->abandon();
    }

private:
    static error closing() { return children<Io>::closing(); }

    peer_type* find(context_id id) {
        for (const auto& c : peers_)
            if (c->up() && c->id() == id) return c.get();
        return nullptr;
    }

    std::size_t waiting_at(const open_socket& s) const {
        return static_cast<std::size_t>(
            std::count_if(peers_.begin(), peers_.end(),
                          [&](const auto& c) { return c->listener == s.number && c->waiting(); }));
    }

    bool is_full(const open_socket& s) const { return waiting_at(s) >= s.options.most_waiting; }

    /// Who has waited longest there without saying what it wants. May be null.
    std::shared_ptr<peer_type> longest_silent(const open_socket& s) const {
        for (const auto& c : peers_) // in the order in which they came
            if (c->listener == s.number && c->asking()) return c;
        return nullptr;
    }

    bool may_give_way(const std::shared_ptr<peer_type>& c) const {
        return c && node_.loop().io().now() >= after(c->since(), least_patience);
    }

    /// Accepts no more than may wait: the kernel keeps the others until there is room, or until one
    /// that says nothing has to give way.
    void look_after(open_socket& s) {
        const bool full = is_full(s);
        const auto silent = full ? longest_silent(s) : nullptr;
        const bool room = (!full || may_give_way(silent)) && !s.resume.is_set();
        node_.loop().change(s.ready, room ? io::interest::read : io::interest::none);
        node_.loop().cancel_timer(s.give_way);
        if (silent && !room)
            node_.loop().set_timer(s.give_way, after(silent->since(), least_patience));
    }

    /// For one more.
    void make_room(open_socket& s) {
        while (is_full(s)) {
            const auto silent = longest_silent(s);
            if (!may_give_way(silent)) return;
            silent->give_way();
        }
    }

    MITOGEN_COLD void accept(open_socket& from) {
        for (int i = 0; i < most_at_once; ++i) {
            if (is_full(from) && !may_give_way(longest_silent(from))) break;
            os::unique_fd socket;
            const long rc = from.file.accept(socket);
            if (rc == -EAGAIN || rc == -EWOULDBLOCK) break;
            if (rc == -ECONNABORTED) continue; // it went before we came
            if (rc < 0) {
                log::write(log::level::warning, os::failure("accept", rc, from.file.fd()).what());
                node_.loop().set_timer(from.resume, after(node_.loop().io().now(), pause));
                break;
            }
            make_room(from);
            welcome(from, std::move(socket));
        }
        look_after(from);
    }

    MITOGEN_COLD void welcome(open_socket& from, os::unique_fd socket) {
        const std::int64_t user = os::peer_user(socket.get());
        if (!os::is_trusted_user(user)) {
            return log::write(log::level::warning,
                              "refused a connection to " + from.file.path() + " by " +
                                  (user < 0 ? "an unknown user" : "user " + std::to_string(user)));
        }
        auto c = std::make_shared<peer_type>(node_, static_cast<typename peer_type::events&>(*this),
                                             from.number, from.options, children_.timeouts().grace,
                                             std::move(socket));
        alive_.add();
        peers_.push_back(c);
        c->begin();
    }

    // ---- what happens to them

    void peer_asks(peer_type& c) override {
        const auto at = std::find_if(peers_.begin(), peers_.end(),
                                     [&](const auto& entry) { return entry.get() == &c; });
        children_.ids().next([this, keep = *at](result<context_id> id) {
            node_.loop().defer(
                [keep, id = std::move(id)] { id ? keep->admit(*id) : keep->refuse(id.error()); });
        });
    }

    void peer_up(peer_type& c) override {
        children_.neighbour_up(c.name(), c.link);
        for (const auto& s : sockets_)
            if (s->number == c.listener) look_after(*s);
    }

    void peer_lost(peer_type& c, const error& why) override {
        children_.neighbour_lost(*c.link, why);
    }

    void peer_gone(peer_type& c) override {
        const auto at = std::find_if(peers_.begin(), peers_.end(),
                                     [&](const auto& entry) { return entry.get() == &c; });
        // it is destroyed when it has returned from what it is at
        node_.loop().defer([keep = std::move(*at)] {});
        peers_.erase(at);
        for (const auto& s : sockets_)
            if (s->number == c.listener) look_after(*s);
        alive_.done();
    }
};

/// What a listener refers to.
template <class Io>
class listener_of final : public open_listener {
    listeners<Io>& all_;
    router_engine<Io>& node_;
    std::uint32_t number_;

public:
    listener_of(listeners<Io>& all, router_engine<Io>& node, std::uint32_t number)
        : all_(all), node_(node), number_(number) {}
    void close() override {
        node_.loop().run([this] { all_.remove(number_); });
    }
};

/// Listens for programs that join a node under `Io`.
template <class Io>
MITOGEN_COLD result<listener> listen_on(router_engine<Io>& node, const std::string& path,
                                        const listen_options& options) {
    result<os::local_listener> file = os::local_listener::open(path);
    if (!file) return file.error();
    listeners<Io>* all = nullptr;
    result<std::uint32_t> number = children<Io>::closing();
    node.loop().run([&] {
        all = node.template listening_by<listeners<Io>>();
        if (all) number = all->add(std::move(*file), options);
    });
    if (!number) return number.error();
    return listener(std::make_shared<listener_of<Io>>(*all, node, *number), path);
}

/// The same, if the node runs under `Io`.
template <class Io>
bool try_listen_on(mitogen::node& node, const std::string& path, const listen_options& options,
                   std::optional<result<listener>>& made) {
    if constexpr (io::policy<Io> && io::has_local_sockets<Io>) {
        if (node.policy_tag() != &policy_tag<Io>) return false;
        made.emplace(listen_on(engine_of<Io>(node), path, options));
        return true;
    } else {
        return false;
    }
}

} // namespace detail

template <class Io>
result<listener> router::try_listen(const std::string& path, listen_options options) {
    std::optional<result<listener>> made;
    if (detail::try_listen_on<Io>(*node_, path, options, made) ||
        detail::try_listen_on<io::poll>(*node_, path, options, made))
        return std::move(*made);
    return error(reason::misuse, "this I/O policy has no sockets that programs could join through");
}

} // namespace mitogen::inline MITOGEN_ABI
