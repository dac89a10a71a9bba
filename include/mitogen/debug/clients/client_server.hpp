// SPDX-License-Identifier: BSL-1.0
#pragma once
// client_server.hpp: the root's socket, through which second terminals of the same user come.

#include <mitogen/base/config.hpp>
#include <mitogen/base/log.hpp>
#include <mitogen/base/result.hpp>
#include <mitogen/base/time.hpp>
#include <mitogen/debug/clients/client_body.hpp>
#include <mitogen/debug/clients/client_session.hpp>
#include <mitogen/debug/terminal/prompt_terminal.hpp>
#include <mitogen/debug/terminal/tree_stops.hpp>
#include <mitogen/io/policy.hpp>
#include <mitogen/loop/bound_source.hpp>
#include <mitogen/node/router_core.hpp>
#include <mitogen/os/failure.hpp>
#include <mitogen/os/fd.hpp>
#include <mitogen/os/local/line_socket.hpp>
#include <mitogen/os/local/runtime_directory.hpp>
#include <mitogen/os/local_socket.hpp>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace mitogen::inline MITOGEN_ABI {
namespace detail {

/// A client's terminal.
class client_terminal final : public prompt_terminal {
    os::line_socket socket_;

public:
    explicit client_terminal(os::unique_fd fd) : socket_(std::move(fd)) {}
    bool begin() override { return socket_.begin() >= 0; }
    void end() override {}
    event read(std::string& line) override { return socket_.read(line); }
    bool write(std::string_view text) override { return socket_.write(text); }
    void wake() noexcept override { socket_.wake(); }
    void interrupt_program() noexcept override {}
    void abandon() noexcept override { socket_.abandon(); }
    /// The other end sees that nobody is here any more. Threads: the one that reads.
    void hang_up() noexcept { socket_.hang_up(); }
};

/// Each client has a thread of its own, and no queue: who does not read stops that thread alone.
///
/// Threads: as marked. The router and the stops outlive it.
template <class Io>
class client_server {
    using core = basic_router_core<Io>;

    struct client {
        client_terminal terminal;
        std::atomic<bool> gone{false};
        typename Io::thread thread{};

        explicit client(os::unique_fd fd) : terminal(std::move(fd)) {}
    };

    core& node_;
    tree_stops<Io>& stops_;
    os::local_listener file_;
    bound_source<client_server> ready_{};
    timer resume_{};
    std::vector<std::unique_ptr<client>> clients_; // loop; behind close(): its caller
    std::atomic<bool> ends_{false};

    static constexpr std::size_t most = 16; // clients
    // before accept() is tried again that found no descriptor
    static constexpr duration_ns pause = 100'000'000;

public:
    client_server(core& node, tree_stops<Io>& stops) : node_(node), stops_(stops) {}
    client_server(client_server&&) = delete;

    /// Listens at `path`, or, if that is empty, where clients look. Threads: any. Once.
    result<void> open(const std::string& path) {
        result<os::local_listener> file =
            path.empty() ? open_default() : os::local_listener::open(path);
        if (!file) return file.error();
        file_ = std::move(*file);
        on_ready<&client_server::accept>(ready_, *this, file_.fd());
        resume_.fire = [this] { node_.loop().change(ready_, io::interest::read); };
        long rc = 0;
        node_.loop().run([&] { rc = node_.loop().watch(ready_, io::interest::read); });
        if (rc >= 0) return {};
        error why = os::failure("watch(" + file_.path() + ")", rc);
        file_.close();
        return why;
    }

    /// Clients are told that the program ends. Threads: any but the loop.
    void close() {
        node_.loop().run([this] {
            if (file_.fd() >= 0) node_.loop().unwatch(ready_);
            node_.loop().cancel_timer(resume_);
            file_.close();
        });
        ends_.store(true);
        for (const auto& c : clients_) c->terminal.wake();
        clients_.clear(); // joins them
    }

    /// In a copy of the process made by fork().
    void abandon() noexcept {
        file_.abandon();
        for (const auto& c : clients_) {
            c->thread.forget();
            c->terminal.abandon();
        }
    }

private:
    /// A process may have several roots.
    static result<os::local_listener> open_default() {
        constexpr int most_roots = 8;
        result<os::local_listener> made = error(reason::system, "no directory for it");
        for (const std::string& directory : os::runtime_directories()) {
            os::remove_dead_sockets(directory, debug_socket_name);
            for (int root = 1; root <= most_roots; ++root) {
                const std::string name = directory + "/" + std::string(debug_socket_name) +
                                         std::to_string(os::own_process());
                made = os::local_listener::open(root == 1 ? name
                                                          : name + "-" + std::to_string(root));
                if (made) return made;
            }
        }
        return made;
    }

    /// On the loop.
    void accept() {
        std::erase_if(clients_, [](const auto& c) { return c->gone.load(); });
        os::unique_fd socket;
        if (const long rc = file_.accept(socket); rc < 0) {
            if (rc == -EAGAIN || rc == -EWOULDBLOCK || rc == -ECONNABORTED) return; // it has gone
            log::write(log::level::warning, os::failure("accept", rc, file_.fd()).what());
            node_.loop().change(ready_, io::interest::none);
            return node_.loop().set_timer(resume_, after(node_.loop().io().now(), pause));
        }
        const std::int64_t user = os::peer_user(socket.get());
        if (!os::is_trusted_user(user))
            return log::write(log::level::warning,
                              "refused a debugger's terminal at " + file_.path() + " of " +
                                  (user < 0 ? "an unknown user" : "user " + std::to_string(user)));
        if (clients_.size() >= most) {
            static_cast<void>(os::send_some(socket.get(), "too many terminals are here\n"));
            return;
        }
        auto made = std::make_unique<client>(std::move(socket));
        if (!made->terminal.begin()) return;
        client& c = *made;
        clients_.push_back(std::move(made));
#if MITOGEN_HAS_EXCEPTIONS
        try {
#endif
            c.thread = typename Io::thread(node_.loop().io(), "mitogen-client",
                                           [this, &c] { serve(c); });
#if MITOGEN_HAS_EXCEPTIONS
        } catch (const error& why) {
            log::write(log::level::error, std::string("mitogen-client: ") + why.what());
            clients_.pop_back();
        }
#endif
    }

    void serve(client& c) {
        std::string first;
        const prompt_terminal::event what = c.terminal.read(first);
        // who only looks whether somebody listens here says nothing
        if (what == prompt_terminal::event::line && first == debug_client_greeting)
            client_session<Io>(stops_, c.terminal, ends_).run();
        c.terminal.hang_up();
        c.gone.store(true);
    }
};

} // namespace detail
} // namespace mitogen::inline MITOGEN_ABI
