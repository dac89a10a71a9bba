// SPDX-License-Identifier: BSL-1.0
#pragma once
// bootstrap_io.hpp: the descriptors on which parent and child talk before they are a link.

#include <mitogen/base/config.hpp>
#include <mitogen/base/function.hpp>
#include <mitogen/base/result.hpp>
#include <mitogen/boot/boot_plan.hpp>
#include <mitogen/boot/bootstrap_protocol.hpp>
#include <mitogen/boot/outgoing.hpp>
#include <mitogen/io/policy.hpp>
#include <mitogen/loop/bound_source.hpp>
#include <mitogen/loop/broker_engine.hpp>
#include <mitogen/os/fd.hpp>
#include <mitogen/program/compressor.hpp>
#include <mitogen/protocol/handshake.hpp>

#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string_view>
#include <utility>

namespace mitogen::inline MITOGEN_ABI {
namespace detail {

/// Carries a bootstrap_protocol over this side's ends of the child's pipes, and says when it is
/// over.
///
/// Threads: loop.
template <class Io>
class bootstrap_io {
public:
    enum class outcome : std::uint8_t {
        open,       ///< not over
        up,         ///< hello and welcome are exchanged
        ended,      ///< the far end has closed it
        confused,   ///< what the child says makes no sense: protocol().trouble()
        impossible, ///< the program cannot be sent: protocol().trouble()
    };

private:
    detail::broker_engine<Io>& loop_;
    typename Io::descriptor in_;
    typename Io::descriptor out_;
    const handshake::welcome& welcome_;
    bootstrap_protocol protocol_;
    unique_function<void(outcome)> over_;
    unique_function<void(std::string_view)> heard_;
    std::shared_ptr<char> open_ = std::make_shared<char>(); // as long as it is listened
    bound_source<bootstrap_io> in_source_{};
    bound_source<bootstrap_io> out_source_{};

public:
    /// `over` is called at most once, may close or destroy this, and is never called with `open`.
    /// Plan and welcome outlive it.
    bootstrap_io(detail::broker_engine<Io>& loop, typename Io::descriptor in,
                 typename Io::descriptor out, boot_plan& plan, const handshake::welcome& welcome,
                 unique_function<void(outcome)> over)
        : loop_(loop), in_(std::move(in)), out_(std::move(out)), welcome_(welcome), protocol_(plan),
          over_(std::move(over)) {
        on_ready<&bootstrap_io::readable>(in_source_, *this, in_.get());
        on_ready<&bootstrap_io::writable>(out_source_, *this, out_.get());
    }

    bootstrap_io(bootstrap_io&&) = delete;

    /// Begins to listen. 0 or -errno.
    long begin() {
        protocol_.tell(connect_progress::phase::login);
        return loop_.watch(in_source_, io::interest::read);
    }

    /// What was said.
    const bootstrap_protocol& protocol() const noexcept { return protocol_; }

    /// Who hears what is no part of the dialogue, before it begins. May close or destroy this.
    void listen(unique_function<void(std::string_view)> heard) { heard_ = std::move(heard); }

    /// Says something that is no part of the dialogue, to a tool that comes before it.
    void type(std::string_view answer) {
        // nothing else is in the pipe
        static_cast<void>(loop_.io().write(out_.get(), answer.data(), answer.size()));
    }

    /// Stops listening, and gives the descriptors away: what the child says, and what it hears.
    std::pair<typename Io::descriptor, typename Io::descriptor> take() {
        open_.reset();
        loop_.unwatch(in_source_);
        loop_.unwatch(out_source_);
        return {std::move(in_), std::move(out_)};
    }

    /// Stops listening, and closes the descriptors: the child sees the end, should it still live.
    void close() { (void)take(); }

    /// In a child made by fork(): closes the descriptors.
    void abandon() noexcept {
        in_.reset();
        out_.reset();
    }

private:
    void readable() { go_on(read()); }
    void writable() { go_on(write()); }

    void go_on(outcome o) {
        if (o != outcome::open) over_(o); // the last that is done here
    }

    MITOGEN_COLD outcome read() {
        std::byte bytes[16 * 1024];
        const long n = loop_.io().read(in_.get(), bytes, sizeof bytes);
        if (n == -EAGAIN || n == -EWOULDBLOCK) return outcome::open;
        if (n <= 0) return outcome::ended;
        protocol_.feed({bytes, static_cast<std::size_t>(n)});
        for (;;) {
            switch (protocol_.next()) {
            case bootstrap_protocol::turn::listen:
                if (heard_ && !protocol_.stage_seen())
                    heard_({reinterpret_cast<const char*>(bytes), static_cast<std::size_t>(n)});
                return outcome::open;
            case bootstrap_protocol::turn::confused: return outcome::confused;
            case bootstrap_protocol::turn::unfit: return outcome::impossible;
            case bootstrap_protocol::turn::hello: protocol_.welcome(welcome_); break;
            case bootstrap_protocol::turn::fetch: return fetch();
            case bootstrap_protocol::turn::compress: return compress();
            case bootstrap_protocol::turn::write: break;
            }
            if (const outcome o = write(); o != outcome::open) return o;
        }
    }

    /// The program comes from above first. If it is here already, at once.
    MITOGEN_COLD outcome fetch() {
        protocol_.fetch_program([this, open = std::weak_ptr<char>(open_)](
                                    const result<std::shared_ptr<os::unique_fd>>& got) {
            if (open.expired()) return;
            switch (protocol_.take_program(got)) {
            case bootstrap_protocol::turn::unfit: return go_on(outcome::impossible);
            case bootstrap_protocol::turn::compress: return go_on(compress());
            default: return go_on(write());
            }
        });
        return outcome::open;
    }

    /// The program is compressed, and then sent; meanwhile there is nothing to say. If it is done
    /// already, at once.
    outcome compress() {
        protocol_.compress_program(
            [this, open = std::weak_ptr<char>(open_)](const compressed_program& how) {
                if (open.expired()) return;
                protocol_.send(how);
                go_on(write());
            });
        return outcome::open;
    }

    /// Writes the welcome, or the program, as the descriptor takes it.
    MITOGEN_COLD outcome write() {
        switch (protocol_.write(loop_.io(), out_.get())) {
        case outgoing::progress::waiting:
            if (!out_source_.watched) {
                loop_.watch(out_source_, io::interest::write);
            } else {
                loop_.change(out_source_, io::interest::write);
            }
            return outcome::open;
        case outgoing::progress::closed: return outcome::ended; // what it said on stderr tells why
        case outgoing::progress::unreadable: return outcome::impossible;
        case outgoing::progress::written: break;
        }
        loop_.change(out_source_, io::interest::none);
        return protocol_.hello_seen() ? outcome::up : outcome::open;
    }
};

} // namespace detail
} // namespace mitogen::inline MITOGEN_ABI
