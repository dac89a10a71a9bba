// SPDX-License-Identifier: BSL-1.0
#pragma once
// bootstrap_protocol.hpp: what a parent and the child that it has started say to each other before
// the link carries frames.

#include <mitogen/base/config.hpp>
#include <mitogen/base/result.hpp>
#include <mitogen/boot/boot_plan.hpp>
#include <mitogen/boot/outgoing.hpp>
#include <mitogen/boot/program_choice.hpp>
#include <mitogen/boot/staged_boot.hpp>
#include <mitogen/os/fd.hpp>
#include <mitogen/os/file.hpp>
#include <mitogen/program/compressor.hpp>
#include <mitogen/program/payload.hpp>
#include <mitogen/protocol/handshake.hpp>
#include <mitogen/protocol/hello_reader.hpp>

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace mitogen::inline MITOGEN_ABI {
namespace detail {

/// The parent's half. A staged child begins with a shell that is sent the program; then, or at
/// once, comes the child's hello, which is answered with the welcome. Bytes in, turns out; writes
/// to whatever descriptor it is given.
class bootstrap_protocol {
    boot_plan& plan_;
    handshake::hello_reader reader_;
    handshake::hello said_;
    outgoing out_;
    const os::unique_fd* program_ = nullptr;    // what is sent
    std::string wanted_;                        // what is to be fetched for that, by its SHA-256
    std::shared_ptr<os::unique_fd> fetched_;    // it
    std::vector<std::string_view> tools_;       // with which it may be compressed
    std::shared_ptr<os::unique_fd> compressed_; // it, compressed
    connect_progress told_;
    std::uint64_t unsaid_ = 0; // bytes sent since then
    std::string machine_;      // what the shell there says of it
    bool stage_seen_ = false;
    bool hello_seen_ = false;
    std::string trouble_;

public:
    enum class turn : std::uint8_t {
        listen, ///< nothing more is said
        write,  ///< the program is to be sent: write()
        hello,  ///< the child has introduced itself: welcome(), then write()
        /// the program is to be fetched: fetch_program(), then take_program(), which says what is
        /// next
        fetch,
        /// the program is to be compressed: compress_program(), then send(), then write()
        compress,
        confused, ///< what it says makes no sense; see trouble()
        unfit,    ///< the program cannot run on that machine; see trouble()
    };

    explicit bootstrap_protocol(boot_plan& plan) : plan_(plan) {}

    /// Adds bytes that arrived.
    void feed(std::span<const std::byte> bytes) { reader_.feed(bytes); }

    /// What to do about them; asked until it is `listen`, or the dialogue is over.
    MITOGEN_COLD turn next() {
        using finding = handshake::hello_reader::finding;
        if (hello_seen_) return turn::listen;
        switch (reader_.look()) {
        case finding::nothing: break;
        case finding::wrong_version:
            return confused("the program there speaks another version of this library's protocol; "
                            "build both sides with the same version");
        case finding::wrong:
            return confused("it printed too much that makes no sense here before its hello");
        case finding::stage: {
            const turn t = meet_stage();
            // it has become the program, whose hello may have come with its words
            return t == turn::listen ? next() : t;
        }
        case finding::hello:
            hello_seen_ = true;
            if (!handshake::decode_hello(reader_.payload(), said_))
                return confused("its hello does not decode");
            return turn::hello;
        }
        return turn::listen;
    }

    /// Tells whoever wants to know how far it is.
    void tell(connect_progress::phase now) {
        told_.now = now;
        if (plan_.on_progress) plan_.on_progress(told_);
    }

    /// Answers the hello.
    void welcome(const handshake::welcome& w) {
        out_.say(handshake::encode_welcome(w));
        tell(connect_progress::phase::up);
    }

    /// After `fetch`: has `done` called with the program, or why there is none, at once or later.
    template <class Done>
    void fetch_program(Done done) {
        plan_.source->fetch(wanted_, std::move(done));
    }

    /// What was fetched is what shall be sent.
    turn take_program(const result<std::shared_ptr<os::unique_fd>>& got) {
        if (!got) {
            trouble_ = got.error().message();
            return turn::unfit;
        }
        fetched_ = *got;
        program_ = fetched_.get();
        return prepare();
    }

    /// After `press`: has `done` called with the compressed program, at once or later.
    template <class Done>
    void compress_program(Done done) {
        plan_.compressor->make(*program_, tools_, std::move(done));
    }

    /// Says the program, compressed or, without that, as it is.
    MITOGEN_COLD void send(const compressed_program& how) {
        compressed_ = how.file;
        const int file = (how.file ? *how.file : *program_).get();
        const transfer t{.size = os::file_size(file),
                         .tool = how.tool,
                         .keep = plan_.keep_program,
                         .patience_s = patience_for(plan_.timeout),
                         .machine = machine_};
        const std::string line = plan_.staged->receive(*program_, t);
        out_.send_program(line.empty() ? -1 : file, line);
        told_.total = out_.program_size();
        tell(connect_progress::phase::upload);
    }

    /// Writes what there is to say, as far as `fd` takes it.
    template <class Io>
    MITOGEN_COLD outgoing::progress write(Io& io, int fd) {
        const outgoing::progress p = out_.write(io, fd);
        if (told_.now == connect_progress::phase::upload) {
            const bool done = p == outgoing::progress::written;
            const std::uint64_t news =
                out_.program_sent() - std::exchange(told_.sent, out_.program_sent());
            if ((unsaid_ += news) * 100 >= told_.total || done) { // a hundred times at most
                unsaid_ = 0;
                tell(connect_progress::phase::upload);
            }
            if (done) tell(connect_progress::phase::start);
        }
        if (p == outgoing::progress::unreadable)
            trouble_ = "cannot read the program that shall be sent: " + out_.trouble();
        return p;
    }

    /// What is wrong, in words.
    const std::string& trouble() const noexcept { return trouble_; }
    /// What the child has said of itself.
    const handshake::hello& said() const noexcept { return said_; }
    /// What it took so far.
    boot_info info() const { return {said_.machine, told_.sent}; }
    /// True once the shell has spoken.
    bool stage_seen() const noexcept { return stage_seen_; }
    /// True once the program is there, or all of it on its way.
    bool program_sent() const noexcept { return told_.now >= connect_progress::phase::start; }
    /// True once the child has spoken.
    bool hello_seen() const noexcept { return hello_seen_; }
    /// What else was printed; cut to some kilobytes.
    std::string noise() const { return reader_.noise(); }
    /// A part of the hello has come.
    bool hello_begun() const noexcept { return reader_.begun(); }
    /// Bytes that came behind the hello: frames.
    std::span<const std::byte> rest() const noexcept { return reader_.rest(); }

private:
    turn confused(std::string_view what) {
        trouble_ = what;
        return turn::confused;
    }

    /// The shell on the target is ready for the program.
    MITOGEN_COLD turn meet_stage() {
        if (!plan_.staged || stage_seen_) return confused("a shell spoke where none was expected");
        stage_seen_ = true;
        const stage_words said(reader_.text());
        const choice chosen = plan_.staged->choose(plan_, said.machine);
        trouble_ = chosen.trouble;
        if (!chosen.file && !chosen.above) return turn::unfit;
        if (said.kept) { // it becomes the program by itself
            tell(connect_progress::phase::start);
            return turn::listen;
        }
        program_ = chosen.file;
        machine_ = said.machine;
        tools_ = plan_.staged->tools(said);
        if (program_) return prepare();
        wanted_ = chosen.above->sha256;
        return turn::fetch;
    }

    /// The program is here.
    turn prepare() {
        if (plan_.compressor && plan_.compress_program && !tools_.empty()) return turn::compress;
        send({});
        return turn::write;
    }
};

} // namespace detail
} // namespace mitogen::inline MITOGEN_ABI
