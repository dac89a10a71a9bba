// SPDX-License-Identifier: BSL-1.0
// Arbitrary bytes in arbitrary pieces, given to all that reads what a stranger says on a link:
// frame_reader with assembler, the reader of hellos, and the decoder of errors. Must hold: no
// crash, memory in proportion to what came, and what comes out as a frame is, written again, the
// bytes that went in.
#include <mitogen/mitogen.hpp>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <span>
#include <string>
#include <utility>
#include <vector>

namespace {

void hold(bool condition) {
    if (!condition) std::abort();
}

/// A link's receiving side.
struct receiver {
    mitogen::detail::assembler parts;
    std::vector<std::byte> again; // every frame, written once more
    std::size_t reserved_at = 0;
    std::byte* reserved = nullptr;
    std::size_t assembled_bytes = 0;

    void write(const mitogen::header& h, const std::byte* payload) {
        const std::size_t at = again.size();
        again.resize(at + mitogen::detail::header_layout::size + h.length);
        mitogen::detail::write_header(again.data() + at, h);
        if (h.length)
            std::memcpy(again.data() + at + mitogen::detail::header_layout::size, payload,
                        h.length);
    }

    void look_at(const mitogen::header& h, mitogen::detail::assembler::outcome what) {
        using outcome = mitogen::detail::assembler::outcome;
        if (what == outcome::complete) {
            const mitogen::detail::assembled whole = parts.take(h);
            hold(whole.payload.size() == whole.head.length);
            assembled_bytes += whole.payload.size();
        } else if (what == outcome::stray) {
            parts.drop(h);
        }
    }

    void frame(const mitogen::header& h, std::span<const std::byte> payload) {
        hold(payload.size() == h.length);
        write(h, payload.data());
        if (h.dead()) (void)mitogen::decode_error(payload).kind();
        if (!(h.flags & mitogen::detail::message_flags::fragment)) return;
        if (h.flags & mitogen::detail::message_flags::first) {
            look_at(h, parts.announce(h, payload, 1u << 30));
        } else {
            look_at(h, parts.add(h, payload));
        }
    }
    std::byte* reserve(const mitogen::header& h) {
        constexpr auto ends =
            mitogen::detail::message_flags::fragment | mitogen::detail::message_flags::first;
        if ((h.flags & ends) != mitogen::detail::message_flags::fragment) return nullptr;
        return reserved = parts.reserve(h);
    }
    void reserved_complete(const mitogen::header& h) {
        write(h, reserved);
        look_at(h, parts.complete(h));
    }
    bool stopped() const { return false; }
};

/// Sizes of the pieces: 0 bytes of the input are spent on them.
struct pieces {
    std::uint64_t state;
    std::size_t next() {
        state = state * 6364136223846793005u + 1442695040888963407u;
        const auto r = static_cast<std::size_t>(state >> 33);
        return 1 + (r % 4 == 0 ? r % 100'000 : r % 100);
    }
};

void read_frames(std::span<const std::byte> input, pieces cut) {
    mitogen::detail::frame_reader reader;
    receiver to;
    std::span<const std::byte> left = input;
    while (!left.empty()) {
        mitogen::detail::read_target targets[2];
        const int n = reader.prepare(targets);
        std::size_t budget = std::min(cut.next(), left.size());
        std::size_t given = 0;
        for (int i = 0; i < n && budget; ++i) {
            hold(targets[i].size > 0);
            const std::size_t part = std::min(budget, targets[i].size);
            std::memcpy(targets[i].data, left.data(), part);
            left = left.subspan(part);
            budget -= part;
            given += part;
        }
        if (reader.commit(given, to)) break;
    }
    hold(to.again.size() <= input.size());
    hold(to.again.empty() || std::memcmp(to.again.data(), input.data(), to.again.size()) == 0);
    hold(to.assembled_bytes <= input.size());
    hold(to.parts.pending() <= input.size() / mitogen::detail::header_layout::size);
}

void listen(std::span<const std::byte> input, pieces cut) {
    using finding = mitogen::handshake::hello_reader::finding;
    mitogen::handshake::hello_reader l;
    while (!input.empty()) {
        const std::size_t part = std::min(cut.next(), input.size());
        l.feed(input.first(part));
        input = input.subspan(part);
        finding what;
        while ((what = l.look()) == finding::stage) hold(l.text().size() <= 100'000 + 1024);
        hold(l.noise().size() <= 4096);
        if (what == finding::wrong || what == finding::wrong_version) return;
        if (what != finding::hello) continue;
        mitogen::handshake::hello h;
        mitogen::handshake::welcome w;
        (void)mitogen::handshake::decode_hello(l.payload(), h);
        (void)mitogen::handshake::decode_welcome(l.payload(), w);
        hold(l.rest().size() <= part);
        return;
    }
}

/// Makes the checks of headers succeed, which chance hardly does: every 0xA6 begins one.
std::vector<std::byte> with_valid_headers(std::span<const std::byte> input) {
    std::vector<std::byte> out(input.begin(), input.end());
    for (std::size_t at = 0; at + mitogen::detail::header_layout::size <= out.size();) {
        std::byte* h = out.data() + at;
        h[0] = mitogen::detail::header_layout::magic;
        h[1] = mitogen::detail::header_layout::version;
        h[2] &= std::byte{mitogen::detail::message_flags::all};
        h[5] = static_cast<std::byte>(static_cast<unsigned>(h[5]) & 0x7f);
        h[6] = h[7] = std::byte{0}; // a length below 32 KiB
        // few senders, few streams: they shall meet
        for (int i : {13, 14, 15, 21, 22, 23}) h[i] = std::byte{0};
        h[3] = mitogen::detail::header_check(h);
        at += mitogen::detail::header_layout::size +
              (static_cast<std::size_t>(h[4]) | static_cast<std::size_t>(h[5]) << 8);
    }
    return out;
}

} // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    if (size < 2) return 0;
    const auto input = std::as_bytes(std::span(data, size));
    const pieces cut{static_cast<std::uint64_t>(data[0]) << 8 | data[1]};
    const auto body = input.subspan(2);
    read_frames(body, cut);
    read_frames(with_valid_headers(body), cut);
    listen(body, cut);
    std::string marked(mitogen::handshake::mark); // chance does not find the mark either
    marked.append(reinterpret_cast<const char*>(body.data()), body.size());
    listen(std::as_bytes(std::span(marked)), cut);
    (void)mitogen::decode_error(body).kind();
    mitogen::detail::text_tail tail;
    tail.feed({reinterpret_cast<const char*>(body.data()), body.size()},
              [](std::string_view line) { hold(line.size() <= 8192); });
    hold(tail.text().size() <= 8192 + 8192 + 4096 + 100);
    return 0;
}
