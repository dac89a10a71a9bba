// SPDX-License-Identifier: BSL-1.0
#pragma once
// raw.hpp: a hostile child in the hands of a thread of this program: the far end of a socketpair
// that is attached as a child. It says hello as every child does, and then whatever it likes, by
// the bytes of docs/protocol.md.

#include <mitogen/mitogen.hpp>

#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <functional>
#include <poll.h>
#include <sys/socket.h>
#include <thread>
#include <unistd.h>
#include <vector>

namespace H = mitogen::handles;
using mitogen::context_id, mitogen::handle_id, mitogen::header, mitogen::detail::message_flags;
using namespace std::chrono_literals;

struct raw {
    int fd;
    context_id id = 0;
    std::vector<std::byte> out{};

    bool write(const void* p, std::size_t n) {
        for (auto* at = static_cast<const char*>(p); n;) {
            const ssize_t k = ::send(fd, at, n, MSG_NOSIGNAL);
            if (k <= 0) return false;
            at += k, n -= static_cast<std::size_t>(k);
        }
        return true;
    }
    bool read(void* p, std::size_t n) {
        for (auto* at = static_cast<char*>(p); n;) {
            const ssize_t k = ::read(fd, at, n);
            if (k <= 0) return false;
            at += k, n -= static_cast<std::size_t>(k);
        }
        return true;
    }
    void hello() {
        const auto h = mitogen::handshake::encode_hello(
            {mitogen::os::build_id(), mitogen::os::machine_text(), 1});
        write(h.data(), h.size());
        mitogen::handshake::hello_reader l;
        mitogen::handshake::welcome w;
        for (std::byte b; read(&b, 1);) {
            l.feed({&b, 1});
            if (l.look() == mitogen::handshake::hello_reader::finding::hello &&
                mitogen::handshake::decode_welcome(l.payload(), w))
                break;
        }
        id = w.id;
    }
    header to(context_id dst, handle_id handle, handle_id reply = 0) const {
        return {.dst = dst, .src = id, .auth = id, .handle = handle, .reply_to = reply};
    }
    // Queues a frame; false once the link is closed.
    bool put(header h, std::span<const std::byte> p = {}) {
        h.length = static_cast<std::uint32_t>(p.size());
        const std::size_t at = out.size();
        out.resize(at + mitogen::detail::header_layout::size + p.size());
        mitogen::detail::write_header(out.data() + at, h);
        if (!p.empty())
            std::memcpy(out.data() + at + mitogen::detail::header_layout::size, p.data(), p.size());
        return out.size() < 64 * 1024 || flush();
    }
    bool flush() {
        const bool ok = write(out.data(), out.size());
        out.clear();
        return ok;
    }
    // A message of any size.
    bool message(header h, std::span<const std::byte> p) {
        if (p.size() <= mitogen::detail::fragment_bytes) return put(h, p);
        h.stream = 1;
        h.flags = message_flags::fragment | message_flags::first;
        bool ok = put(h, mitogen::encode(std::uint64_t{p.size()}));
        for (std::size_t at = 0; ok && at < p.size();) {
            const std::size_t n = std::min(mitogen::detail::fragment_bytes, p.size() - at);
            h.flags = static_cast<std::uint8_t>(message_flags::fragment |
                                                (at + n == p.size() ? message_flags::last : 0));
            ok = put(h, p.subspan(at, n));
            at += n;
        }
        return ok;
    }
    // Begins that many messages, and sends empty fragments of the last one until the link is
    // closed.
    void begin_messages(std::uint32_t count) {
        header f = to(0, 5'000'000);
        for (std::uint32_t i = 0; i < count; ++i) {
            f.stream = 100 + i;
            f.flags = message_flags::fragment | message_flags::first;
            put(f, mitogen::encode(std::uint64_t{100 << 20}));
        }
        f.flags = message_flags::fragment;
        while (put(f)) {}
    }
    bool add_route(context_id which, context_id above, const std::string& name = "") {
        const auto b = mitogen::encode(which, above, name,
                                       mitogen::detail::hash_build(mitogen::os::build_id()));
        return message(to(0, H::add_route), b);
    }
    bool del_route(context_id which, std::size_t text = 1) {
        const mitogen::buffer e = mitogen::encode(
            std::uint16_t{13}, std::string(text, 'x'), std::string(), std::string(), std::string(),
            which, mitogen::no_context, std::uint8_t{0}, false, 0, 0);
        const mitogen::buffer b =
            mitogen::encode(which, std::span<const std::byte>(e.data(), e.size()));
        return message(to(0, H::del_route), b);
    }
    struct frame { header head; std::vector<std::byte> payload; };
    bool receive(frame& f) {
        std::byte h[mitogen::detail::header_layout::size];
        if (!read(h, sizeof h) || mitogen::detail::read_header(h, f.head)) return false;
        f.payload.resize(f.head.length);
        return read(f.payload.data(), f.payload.size());
    }
    // Calls look(frame) for all that comes, to the end.
    void listen(const std::function<void(frame&)>& look = {}) {
        for (frame f; receive(f);) if (look) look(f);
    }
};

class hostile {
    int fd_;
    std::thread t_;

public:
    mitogen::context context;
    hostile(mitogen::router& r, std::function<void(raw&)> life) {
        int sv[2];
        if (::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, sv)) std::abort();
        fd_ = sv[1];
        t_ = std::thread([this, life] { raw x{fd_}; x.hello(); life(x); });
        context = r.attach(sv[0], sv[0], {.name = "hostile"});
    }
    ~hostile() {
        ::shutdown(fd_, SHUT_RDWR);
        t_.join();
        ::close(fd_);
    }
};

// A part of `whole`: as a test of the project a flood is a fifth as long (HOSTILE_PART=5).
template <class N>
N part(N whole) {
    const char* const text = std::getenv("HOSTILE_PART");
    return text ? whole / std::atoi(text) : whole;
}
inline long rss_mib() {
    long a = 0, b = 0;
    if (FILE* f = std::fopen("/proc/self/statm", "r")) {
        if (std::fscanf(f, "%ld %ld", &a, &b) != 2) b = 0;
        std::fclose(f);
    }
    return b / 256;
}
inline double now_s() {
    return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch())
        .count();
}
// Ends the program with "unsafe".
[[noreturn]] inline void unsafe(const std::string& what) {
    std::printf("UNSAFE: %s\n", what.c_str());
    std::fflush(stdout);
    ::_exit(1);
}
inline int safe(const std::string& what) {
    std::printf("safe: %s\n", what.c_str());
    std::fflush(stdout);
    ::_exit(0);
}
