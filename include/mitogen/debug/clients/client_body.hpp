// SPDX-License-Identifier: BSL-1.0
#pragma once
// client_body.hpp: what debug_client() does.

#include <mitogen/base/config.hpp>
#include <mitogen/base/error.hpp>
#include <mitogen/base/result.hpp>
#include <mitogen/debug/clients/debug_client.hpp>
#include <mitogen/os/call.hpp>
#include <mitogen/os/failure.hpp>
#include <mitogen/os/fd.hpp>
#include <mitogen/os/local/line_socket.hpp>
#include <mitogen/os/local/runtime_directory.hpp>
#include <mitogen/os/local_socket.hpp>
#include <mitogen/os/poll.hpp>

#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace mitogen::inline MITOGEN_ABI {
namespace detail {

/// What the names of the sockets of debugged trees begin with; the number of the process follows.
inline constexpr std::string_view debug_socket_name = "debug.";
/// The first line that a client says.
inline constexpr std::string_view debug_client_greeting = "mitogen-debug";

/// Those where somebody listens now.
template <class = void> // compiled where it is used
MITOGEN_COLD std::vector<std::string> live_debug_sockets() {
    constexpr duration_ns patience = 1'000'000'000;
    std::vector<std::string> found;
    for (const std::string& directory : os::runtime_directories())
        for (const std::string& path : os::files_in(directory, debug_socket_name)) {
            os::unique_fd probe;
            if (os::connect_local(path, patience, probe) >= 0) found.push_back(path);
        }
    return found;
}

/// The only tree of this user that is debugged.
template <class = void> // compiled where it is used
MITOGEN_COLD result<std::string> only_debug_socket() {
    const std::vector<std::string> all = live_debug_sockets();
    if (all.size() == 1) return all.front();
    std::string text = all.empty() ? "no tree of yours is debugged here (MITOGEN_DEBUG=1)"
                                   : "several trees are debugged; name one of their sockets:";
    for (const std::string& path : all) text += " " + path;
    return error(reason::misuse, text);
}

/// What is typed goes to the socket, and what comes from there is shown; until that ends. Ctrl-D is
/// said as such; the end of a file twice, as it leads out of wherever that stands.
template <class = void> // compiled where it is used
MITOGEN_COLD void copy_terminal(int in, int out, int socket) {
    bool more = true;
    bool at_line = true; // nothing stands before the end
    for (;;) {
        ::pollfd ready[2] = {{socket, POLLIN, 0}, {more ? in : -1, POLLIN, 0}};
        if (os::poll(ready, 2, -1) < 0) return;
        char bytes[4096];
        if (ready[0].revents != 0) {
            const long n = os::read(socket, bytes, sizeof bytes);
            if (n <= 0) return;
            std::string_view text(bytes, static_cast<std::size_t>(n));
            while (!text.empty()) {
                const long written = os::write(out, text.data(), text.size());
                if (written <= 0) return;
                text.remove_prefix(static_cast<std::size_t>(written));
            }
        }
        if (ready[1].revents == 0) continue;
        const long n = os::read(in, bytes, sizeof bytes);
        std::string typed(bytes, static_cast<std::size_t>(n > 0 ? n : 0));
        if (n <= 0) {
            more = os::is_terminal(in);
            const std::string end = std::string(os::end_of_file_line) + "\n";
            typed = (at_line ? "" : "\n") + end + (more ? "" : end);
        }
        at_line = typed.ends_with('\n');
        for (std::string_view text = typed; !text.empty();) {
            const long sent = os::send_some(socket, text);
            if (sent == -EAGAIN) continue; // it has taken nothing for a while
            if (sent <= 0) return;
            text.remove_prefix(static_cast<std::size_t>(sent));
        }
    }
}

} // namespace detail

template <class Io>
MITOGEN_COLD result<void> try_debug_client(const std::string& socket) {
    std::string path = socket;
    if (path.empty()) {
        result<std::string> only = detail::only_debug_socket();
        if (!only) return only.error();
        path = *only;
    }
    constexpr duration_ns patience = 10'000'000'000;
    os::unique_fd fd;
    if (const long rc = os::connect_local(path, patience, fd); rc < 0)
        return error(reason::connect,
                     "nothing is debugged at " + path + ": " +
                         os::errno_text(static_cast<int>(-rc)));
    if (!os::is_trusted_user(os::peer_user(fd.get())))
        return error(reason::connect, "another user listens at " + path);
    if (os::send_some(fd.get(), std::string(detail::debug_client_greeting) + "\n") < 0)
        return error(reason::connect, "who listens at " + path + " has closed the connection");
    detail::copy_terminal(0, 1, fd.get());
    return {};
}

} // namespace mitogen::inline MITOGEN_ABI
