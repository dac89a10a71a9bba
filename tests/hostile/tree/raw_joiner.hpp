// SPDX-License-Identifier: BSL-1.0
#pragma once
// raw_joiner.hpp: a program that joins a tree by hand, and then says what it likes.
#include <mitogen/mitogen.hpp>

#include <cstring>
#include <string>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

class raw_joiner {
    static void get(int fd, void* p, std::size_t n) {
        for (char* at = static_cast<char*>(p); n;) {
            const ssize_t k = read(fd, at, n);
            if (k <= 0) _exit(9);
            at += k;
            n -= static_cast<std::size_t>(k);
        }
    }

public:
    const int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    mitogen::context_id id = 0; ///< as it was told

    /// Ends the program with 9 if it is not let in.
    raw_joiner(const std::string& path, const std::string& name) {
        sockaddr_un a{};
        a.sun_family = AF_UNIX;
        strcpy(a.sun_path, path.c_str());
        if (connect(fd, reinterpret_cast<sockaddr*>(&a), sizeof a)) _exit(9);
        const mitogen::buffer q =
            mitogen::joining::encode_request({mitogen::os::build_id(), 1, name});
        put(q.data(), q.size());
        std::string front(mitogen::handshake::mark.size() + 6, 0);
        get(fd, front.data(), front.size());
        std::uint32_t n;
        memcpy(&n, front.data() + front.size() - 4, 4);
        std::string p(n, 0);
        get(fd, p.data(), n);
        mitogen::joining::answer w;
        if (!mitogen::joining::decode_answer(
                {reinterpret_cast<const std::byte*>(p.data()), p.size()}, w))
            _exit(9);
        id = w.id;
    }
    raw_joiner(raw_joiner&&) = delete;
    ~raw_joiner() { close(fd); }

    void put(const void* p, std::size_t n) const {
        for (const char* at = static_cast<const char*>(p); n;) {
            const ssize_t k = send(fd, at, n, MSG_NOSIGNAL);
            if (k <= 0) return;
            at += k;
            n -= static_cast<std::size_t>(k);
        }
    }
    void put(const std::string& bytes) const { put(bytes.data(), bytes.size()); }

    /// A message to the root, as bytes.
    std::string message(mitogen::handle_id handle, mitogen::handle_id reply,
                        const mitogen::buffer& payload) const {
        mitogen::header h{.dst = 0, .src = id, .auth = id, .handle = handle, .reply_to = reply};
        h.length = static_cast<std::uint32_t>(payload.size());
        std::string all(40, 0);
        mitogen::detail::write_header(reinterpret_cast<std::byte*>(all.data()), h);
        all.append(reinterpret_cast<const char*>(payload.data()), payload.size());
        return all;
    }
};
