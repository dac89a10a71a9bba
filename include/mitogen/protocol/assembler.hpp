// SPDX-License-Identifier: BSL-1.0
#pragma once
// assembler.hpp: puts the fragments of large messages together again, at their destination only.

#include <mitogen/base/config.hpp>
#include <mitogen/base/ids.hpp>
#include <mitogen/codec/buffer.hpp>
#include <mitogen/protocol/message.hpp>

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <optional>
#include <span>
#include <unordered_map>
#include <utility>

namespace mitogen::inline MITOGEN_ABI {

namespace detail {

/// A large message that has arrived whole.
struct assembled {
    header head{};
    buffer payload{};
};

/// Collects fragments by sender and stream number. Holds no more memory than twice what has
/// arrived, whatever a sender announces.
class assembler {
    struct partial {
        header head;
        std::uint64_t total;
        buffer payload;
        bool refused; // too large: swallow the rest
    };

    std::uint64_t stored_ = 0;                            // bytes of all of them
    std::unordered_map<std::uint64_t, partial> partials_; // by key()

    static std::uint64_t key(const header& h) noexcept {
        return std::uint64_t{h.src} << 32 | h.stream;
    }

    partial* find(const header& h) noexcept {
        const auto found = partials_.find(key(h));
        return found == partials_.end() ? nullptr : &found->second;
    }

    /// True if `more` bytes for `p` would be too many: it is not alone, and together they would
    /// hold more than `most_bytes`.
    bool too_much(const partial& p, std::uint64_t more, std::uint64_t most_bytes) const noexcept {
        return stored_ > p.payload.size() && stored_ + more > most_bytes;
    }

public:
    /// Messages that may be under way at once: an honest link has as many as its sender has
    /// threads.
    static constexpr std::size_t most_messages = 4096;

    /// What became of a fragment.
    enum class outcome : std::uint8_t {
        stored,   ///< more are to come
        complete, ///< take() has the message
        /// the announced size is over the limit; the rest will be swallowed. To be answered dead
        too_large,
        /// too many are under way already, or too many bytes of them; the rest is dropped. To be
        /// answered dead
        too_many,
        stray, ///< belongs to no announced message, or exceeds what was announced; dropped
    };

    /// The first fragment: its payload is the total size.
    outcome announce(const header& h, std::span<const std::byte> payload, std::uint64_t limit) {
        if (payload.size() != 8 || find(h)) return outcome::stray;
        if (partials_.size() == most_messages) return outcome::too_many;
        const auto total = load_le<std::uint64_t>(payload.data());
        partial& p = partials_.emplace(key(h), partial{h, total, buffer{}, total > limit})
                         .first->second;
        if (h.flags & message_flags::secret) p.payload.keep_secret();
        return total > limit ? outcome::too_large : outcome::stored;
    }

    /// Room for the payload of a later fragment, or null if it is not wanted: add() says why. Valid
    /// until the next call. `most_bytes`: what all messages together may hold; one alone may be
    /// larger.
    std::byte* reserve(const header& h, std::uint64_t most_bytes = UINT64_MAX) {
        partial* p = find(h);
        if (!p || p->refused || p->payload.size() + h.length > p->total ||
            too_much(*p, h.length, most_bytes))
            return nullptr;
        const std::size_t at = p->payload.size();
        if (p->payload.capacity() < at + h.length) {
            p->payload.reserve(static_cast<std::size_t>(std::min<std::uint64_t>(
                p->total, std::max<std::uint64_t>(2 * (at + h.length), 1u << 20))));
        }
        p->payload.resize(at + h.length);
        stored_ += h.length;
        return p->payload.data() + at;
    }

    /// The payload asked for by reserve() is there.
    outcome complete(const header& h) {
        partial* p = find(h);
        if (!p) return outcome::stray;
        if (!(h.flags & message_flags::last)) return outcome::stored;
        return !p->refused && p->payload.size() == p->total ? outcome::complete : outcome::stray;
    }

    /// A later fragment that arrived whole.
    outcome add(const header& h, std::span<const std::byte> payload,
                std::uint64_t most_bytes = UINT64_MAX) {
        partial* p = find(h);
        if (p && p->refused) {
            if (h.flags & message_flags::last) drop(h);
            return outcome::stored;
        }
        if (p && too_much(*p, payload.size(), most_bytes)) {
            stored_ -= p->payload.size();
            p->payload.reset();
            p->refused = true;
            if (h.flags & message_flags::last) drop(h);
            return outcome::too_many;
        }
        if (!payload.empty()) {
            std::byte* to = reserve(h, most_bytes);
            if (!to) {
                drop(h);
                return outcome::stray;
            }
            std::memcpy(to, payload.data(), payload.size());
        }
        return complete(h);
    }

    /// The message whose last fragment was just reported `complete`.
    assembled take(const header& h) {
        partial* p = find(h);
        stored_ -= p->payload.size();
        assembled whole{p->head, std::move(p->payload)};
        whole.head.flags = static_cast<std::uint8_t>(h.flags & message_flags::failed);
        whole.head.length = static_cast<std::uint32_t>(whole.payload.size());
        whole.head.stream = 0;
        drop(h);
        return whole;
    }

    /// Forgets one message.
    void drop(const header& h) noexcept {
        const auto found = partials_.find(key(h));
        if (found == partials_.end()) return;
        stored_ -= found->second.payload.size();
        partials_.erase(found);
    }

    /// Forgets everything of a sender that is gone.
    void drop_sender(context_id src) noexcept {
        std::erase_if(partials_, [&](const auto& entry) {
            const partial& p = entry.second;
            if (p.head.src != src) return false;
            stored_ -= p.payload.size();
            return true;
        });
    }

    /// Messages that are not yet whole.
    std::size_t pending() const noexcept { return partials_.size(); }
    /// Bytes that they hold.
    std::uint64_t stored() const noexcept { return stored_; }
};

} // namespace detail
} // namespace mitogen::inline MITOGEN_ABI
