// SPDX-License-Identifier: BSL-1.0
#pragma once
// error_notice.hpp: errors on the wire: the payload of dead messages and of answers that are
// errors.

#include <mitogen/base/config.hpp>
#include <mitogen/base/error.hpp>
#include <mitogen/codec/buffer.hpp>
#include <mitogen/codec/codec.hpp>

#include <algorithm>
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

/// Longest text of an error that travels, in bytes; the rest is cut off and the cut is marked.
inline constexpr std::size_t error_text_bytes = 64 * 1024;

/// Most bytes of all texts of an error, its members and causes.
inline constexpr std::size_t error_texts_bytes = 4 * error_text_bytes;

/// Most errors in one: itself, its members and causes, and theirs. How deep they go.
inline constexpr std::size_t error_tree_nodes = 1024;
inline constexpr unsigned error_tree_depth = 8;

/// Most functions that an error says it has left.
inline constexpr std::size_t error_tree_hops = 64;

/// Most bytes of an encoded error. Errors pass if a message of that size would not: somebody waits
/// for them. Besides texts: an error takes less than 128 bytes.
inline constexpr std::size_t error_notice_bytes = error_texts_bytes + error_tree_nodes * 128;

/// What follows the version: more than this program knows may stand at the end of each error.
inline constexpr std::uint8_t error_notice_version = 1;

/// Writes an error and all that belongs to it.
class error_tree_writer {
    std::size_t texts_ = error_texts_bytes; // bytes that are left for them
    std::size_t nodes_ = error_tree_nodes;

    std::string cut(std::string_view text, std::size_t most) {
        most = std::min(most, texts_);
        std::string kept(text.substr(0, most));
        if (text.size() > most) {
            constexpr std::string_view mark = " […cut]";
            std::size_t end = most > mark.size() ? most - mark.size() : 0;
            while (end > 0 && (static_cast<unsigned char>(text[end]) & 0xC0) == 0x80)
                --end; // not inside a character
            kept.resize(end);
            if (most > mark.size()) kept += mark;
        }
        texts_ -= kept.size();
        return kept;
    }

    void add(buffer& to, const buffer& part) { to.append(part.data(), part.size()); }

    /// `most`: bytes for each text of one of them, if all are about as long.
    void add_list(buffer& to, const std::vector<error>& all, unsigned depth) {
        std::size_t count = depth < error_tree_depth ? std::min(all.size(), nodes_) : 0;
        const bool left_out = count < all.size() && count > 0;
        nodes_ -= count;
        add(to, encode(static_cast<std::uint32_t>(count)));
        if (left_out) --count;
        const std::size_t most = count ? std::max<std::size_t>(texts_ / (2 * count), 128) : 0;
        for (std::size_t i = 0; i < count; ++i) add_one(to, all[i], most, depth + 1);
        if (left_out)
            add_one(to,
                    error(all[count].reason(),
                          std::to_string(all.size() - count) + " more errors, which are left out"),
                    128, depth + 1);
    }

    void add_one(buffer& to, const error& e, std::size_t most, unsigned depth) {
        const error_detail& d = e.detail();
        most = std::min(most, error_text_bytes);
        const std::string_view name =
            d.unknown_reason.empty() ? reason_name(d.why) : std::string_view(d.unknown_reason);
        // In this order they take what is left. What a group says is made of its members again.
        const std::string text =
            d.members && depth < error_tree_depth ? std::string() : cut(d.text, most);
        const std::string type = cut(d.type, most);
        const std::string place = cut(d.place, most);
        const std::string function = cut(d.function, most);
        const std::string backtrace = cut(d.backtrace, most);
        buffer one = encode(
            static_cast<std::uint16_t>(d.why), static_cast<std::uint8_t>(e.kind()), cut(name, 64),
            text, type, place, function, backtrace, d.context, d.canceller,
            static_cast<std::uint8_t>(d.radius), d.has_status,
            static_cast<std::int32_t>(d.status.code), static_cast<std::int32_t>(d.status.signal));
        const std::size_t hops = std::min({d.hops.size(), error_tree_hops, texts_ / 256});
        add(one, encode(static_cast<std::uint32_t>(hops)));
        for (std::size_t i = 0; i < hops; ++i) {
            texts_ -= 12;
            add(one, encode(d.hops[i].context, cut(d.hops[i].path, 4096),
                            cut(d.hops[i].function, 4096)));
        }
        add_list(one, e.members(), depth);
        add_list(one, e.causes(), depth);
        add(to, encode(static_cast<std::uint32_t>(one.size()))); // as a span of bytes
        add(to, one);
    }

public:
    buffer write(const error& e) {
        buffer all = encode(error_notice_version);
        --nodes_;
        add_one(all, e, error_text_bytes, 0);
        return all;
    }
};

/// Who knows the paths of contexts better than an error that comes from below: they are replaced.
struct path_finder {
    std::string (*find)(void* of, context_id id) = nullptr; ///< empty: not known
    void* of = nullptr;

    void mend(std::string& path, context_id id) const {
        if (!find || id == no_context) return;
        if (std::string known = find(of, id); known.size() > path.size()) path = std::move(known);
    }
};

/// Reads one.
class error_tree_reader {
    const path_finder& paths_;
    std::uint8_t version_ = error_notice_version;
    std::size_t nodes_ = error_tree_nodes;

    bool read_list(reader& r, std::shared_ptr<const std::vector<error>>& to, unsigned depth) {
        std::uint32_t count{};
        if (!decode(r, count)) return false;
        if (count == 0) return true;
        if (count > nodes_ || depth == error_tree_depth)
            return r.fail("an error with too many members or causes");
        nodes_ -= count;
        auto all = std::make_shared<std::vector<error>>();
        for (std::uint32_t i = 0; i < count; ++i) {
            error_detail one;
            if (!read_one(r, one, depth + 1)) return false;
            all->push_back(error(std::move(one)));
        }
        to = std::move(all);
        return true;
    }

    bool read_fields(reader& r, error_detail& d, unsigned depth) {
        std::uint16_t why{};
        std::uint8_t what_to_do{};
        std::uint8_t radius{};
        std::int32_t code{};
        std::int32_t signal{};
        std::uint32_t hops{};
        std::string name;
        if (!decode(r, why, what_to_do, name, d.text, d.type, d.place, d.function, d.backtrace,
                    d.context, d.canceller, radius, d.has_status, code, signal, hops))
            return false;
        if (hops > error_tree_hops) return r.fail("an error that has left too many functions");
        for (std::uint32_t i = 0; i < hops; ++i) {
            error_hop& hop = d.hops.emplace_back();
            if (!decode(r, hop.context, hop.path, hop.function)) return false;
            paths_.mend(hop.path, hop.context);
        }
        paths_.mend(d.place, d.context);
        d.why = static_cast<reason>(why);
        if (reason_name(d.why).empty()) {
            d.unknown_reason = name.empty() ? "reason " + std::to_string(why) : std::move(name);
            if (what_to_do <= static_cast<std::uint8_t>(kind::unimplemented))
                d.unknown_kind = static_cast<kind>(what_to_do);
        }
        d.radius = static_cast<cancel_radius>(radius);
        d.status = {code, signal};
        return read_list(r, d.members, depth) && read_list(r, d.causes, depth) &&
               (version_ > error_notice_version || r.finish());
    }

    bool read_one(reader& r, error_detail& d, unsigned depth) {
        std::span<const std::byte> bytes;
        if (!decode(r, bytes)) return false;
        reader inner(bytes);
        return read_fields(inner, d, depth) || r.fail("an error that is none");
    }

public:
    explicit error_tree_reader(const path_finder& paths) noexcept : paths_(paths) {}

    bool read(reader& r, error_detail& d) {
        if (!decode(r, version_) || version_ == 0) return r.fail("an error of no version");
        return read_one(r, d, 0) && r.finish();
    }
};

} // namespace detail

namespace detail {

/// What stands in the message of a loss before the last lines that the lost context has written to
/// stderr.
inline constexpr std::string_view last_words_mark = "; its last lines on stderr:\n  ";

/// The same error without these lines: they are for those above the lost context, and may hold what
/// is nobody else's business.
MITOGEN_COLD inline error without_last_words(const error& e) {
    const std::size_t at = e.message().find(last_words_mark);
    if (at == std::string_view::npos) return e;
    error_detail d = e.detail();
    d.text.resize(at);
    d.what.clear(); // composed anew
    d.original.reset();
    return error(std::move(d));
}

} // namespace detail

/// The bytes of an error.
MITOGEN_COLD inline buffer encode_error(const error& e) {
    return detail::error_tree_writer().write(e);
}

/// The error that the bytes hold; if they hold none, an error that says so.
MITOGEN_COLD inline error decode_error(std::span<const std::byte> bytes,
                                       const detail::path_finder& paths = {}) {
    reader r(bytes);
    error_detail d;
    if (!detail::error_tree_reader(paths).read(r, d))
        return error(reason::bad_arguments,
                     "an error arrived that does not decode: " + r.failure_text());
    return error(std::move(d));
}

} // namespace mitogen::inline MITOGEN_ABI
