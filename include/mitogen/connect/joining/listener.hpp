// SPDX-License-Identifier: BSL-1.0
#pragma once
// listener.hpp: lets other programs of the same user join the tree, through a socket in the file system.

#include <mitogen/base/config.hpp>
#include <mitogen/base/error.hpp>
#include <mitogen/base/log.hpp>
#include <mitogen/base/result.hpp>
#include <mitogen/base/time.hpp>
#include <mitogen/connect/children.hpp>
#include <mitogen/connect/joining/call_server.hpp>
#include <mitogen/connect/joining/client.hpp>
#include <mitogen/connect/joining/listener_value.hpp>
#include <mitogen/connect/joining/listening.hpp>
#include <mitogen/connect/router_engine.hpp>
#include <mitogen/io/native.hpp>
#include <mitogen/io/policy.hpp>
#include <mitogen/loop/bound_source.hpp>
#include <mitogen/loop/broker_engine.hpp>
#include <mitogen/sync/wait_group.hpp>
#include <mitogen/sys/failure.hpp>
#include <mitogen/sys/local_socket.hpp>

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
class listeners final : public listening<Io>, private client<Io>::events {
    using client_type = client<Io>;

    struct open_socket {
        listeners& owner;
        std::uint32_t number;
        sys::local_listener file;
        listen_options options;
        bound_source<open_socket> ready{};
        timer resume{};

        void on_client() { owner.accept(*this); }
    };

    router_engine<Io>& node_;
    children<Io>& children_;
    std::optional<call_server<Io>> server_; // in a root, which executes no calls otherwise
    std::vector<std::unique_ptr<open_socket>> sockets_;
    std::vector<std::shared_ptr<client_type>> clients_;
    std::uint32_t last_number_ = 0;
    basic_wait_group<Io> alive_; // clients
    bool closing_ = false;

    static constexpr duration_ns pause = 100'000'000; // before accept() is tried again that found no descriptor
    static constexpr int most_at_once = 16;           // accepted in one turn of the loop

public:
    listeners(router_engine<Io>& node, children<Io>& below)
        : node_(node), children_(below), alive_(node.loop().io()) {
        if (!node.parent()) server_.emplace(node, "root", below.pool_threads());
    }

    /// Listens on one more socket. Returns its number. Threads: loop.
    result<std::uint32_t> add(sys::local_listener file, const listen_options& options) {
        if (closing_) return closing();
        std::unique_ptr<open_socket> s(new open_socket{*this, ++last_number_, std::move(file), options});
        on_ready<&open_socket::on_client>(s->ready, *s, s->file.fd());
        s->resume.fire = [from = s.get()] { from->owner.look_after(*from); };
        if (const long rc = node_.loop().watch(s->ready, io::interest::read); rc < 0)
            return sys::failure("watch(" + s->file.path() + ")", rc);
        sockets_.push_back(std::move(s));
        return last_number_;
    }

    /// Closes one socket; who is still in the handshake is refused. Threads: loop.
    MITOGEN_COLD void remove(std::uint32_t number) {
        std::erase_if(sockets_, [&](const auto& s) {
            if (s->number != number) return false;
            node_.loop().unwatch(s->ready);
            node_.loop().cancel_timer(s->resume);
            return true;
        });
        const auto all = clients_; // one that goes removes itself
        for (const auto& c : all)
            if (c->listener == number && c->waiting()) c->refuse(error(reason::connect, "the listener has been closed"));
    }

    MITOGEN_COLD void close() override {
        if (server_) server_->stop(closing());
        const auto end = [this] {
            closing_ = true;
            while (!sockets_.empty()) remove(sockets_.back()->number);
            const auto all = clients_;
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

    bool cut(context_id id, const std::string& why) override {
        client_type* c = find(id);
        if (c) c->cut(why);
        return c != nullptr;
    }

    bool shut_down(context_id id, basic_pending<Io>* left) override {
        client_type* c = find(id);
        if (!c) return false;
        c->await_end(left);
        c->shut_down(cancelled_by(node_.id(), cancel_radius::context, "it was shut down"));
        return true;
    }

    void abandon() noexcept override {
        for (const auto& s : sockets_) s->file.abandon();
        for (const auto& c : clients_) c->abandon();
    }

private:
    static error closing() { return children<Io>::closing(); }

    client_type* find(context_id id) {
        for (const auto& c : clients_)
            if (c->up() && c->id() == id) return c.get();
        return nullptr;
    }

    std::size_t waiting_at(const open_socket& s) const {
        return static_cast<std::size_t>(std::count_if(
            clients_.begin(), clients_.end(), [&](const auto& c) { return c->listener == s.number && c->waiting(); }));
    }

    /// Accepts no more than may wait: the kernel keeps the others until there is room.
    void look_after(open_socket& s) {
        const bool room = waiting_at(s) < s.options.most_waiting && !s.resume.is_set();
        node_.loop().change(s.ready, room ? io::interest::read : io::interest::none);
    }

    MITOGEN_COLD void accept(open_socket& from) {
        for (int i = 0; i < most_at_once && waiting_at(from) < from.options.most_waiting; ++i) {
            sys::unique_fd socket;
            const long rc = from.file.accept(socket);
            if (rc == -EAGAIN || rc == -EWOULDBLOCK) break;
            if (rc == -ECONNABORTED) continue; // it went before we came
            if (rc < 0) {
                log::write(log::level::warning, sys::failure("accept", rc, from.file.fd()).what());
                node_.loop().set_timer(from.resume, after(node_.loop().io().now(), pause));
                break;
            }
            welcome(from, std::move(socket));
        }
        look_after(from);
    }

    MITOGEN_COLD void welcome(open_socket& from, sys::unique_fd socket) {
        const std::int64_t user = sys::peer_user(socket.get());
        if (!sys::is_trusted_user(user)) {
            return log::write(log::level::warning, "refused a connection to " + from.file.path() + " by " +
                                                       (user < 0 ? "an unknown user" : "user " + std::to_string(user)));
        }
        auto c = std::make_shared<client_type>(node_, static_cast<typename client_type::events&>(*this), from.number,
                                               from.options, children_.patience().grace, std::move(socket));
        alive_.add();
        clients_.push_back(c);
        c->begin();
    }

    // ---- what happens to them

    void client_asks(client_type& c) override {
        const auto at = std::find_if(clients_.begin(), clients_.end(), [&](const auto& held) { return held.get() == &c; });
        children_.ids().next([this, keep = *at](result<context_id> id) {
            node_.loop().defer([keep, id = std::move(id)] { id ? keep->admit(*id) : keep->refuse(id.error()); });
        });
    }

    void client_up(client_type& c) override {
        children_.neighbour_up(c.name(), c.link);
        for (const auto& s : sockets_)
            if (s->number == c.listener) look_after(*s);
    }

    void client_lost(client_type& c, const error& why) override {
        children_.neighbour_lost(*c.link, why);
    }

    void client_gone(client_type& c) override {
        const auto at = std::find_if(clients_.begin(), clients_.end(), [&](const auto& held) { return held.get() == &c; });
        node_.loop().defer([keep = std::move(*at)] {}); // it is destroyed when it has returned from what it is at
        clients_.erase(at);
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
    listener_of(listeners<Io>& all, router_engine<Io>& node, std::uint32_t number) : all_(all), node_(node), number_(number) {}
    void close() override {
        node_.loop().run([this] { all_.remove(number_); });
    }
};

/// Listens for programs that join a node under `Io`.
template <class Io>
MITOGEN_COLD result<listener> listen_on(router_engine<Io>& node, const std::string& path, const listen_options& options) {
    result<sys::local_listener> file = sys::local_listener::open(path);
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
bool try_listen_on(call_port& node, const std::string& path, const listen_options& options, std::optional<result<listener>>& made) {
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
    if (detail::try_listen_on<Io>(*node_, path, options, made) || detail::try_listen_on<io::poll>(*node_, path, options, made))
        return std::move(*made);
    return error(reason::misuse, "this I/O policy has no sockets that programs could join through");
}

} // namespace mitogen::inline MITOGEN_ABI
