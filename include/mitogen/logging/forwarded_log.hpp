// SPDX-License-Identifier: BSL-1.0
#pragma once
// forwarded_log.hpp: log records of the contexts below, where they enter from a link: whose they
// are, how many, and what is in them is looked at here.

#include <mitogen/base/config.hpp>
#include <mitogen/base/ids.hpp>
#include <mitogen/base/log.hpp>
#include <mitogen/base/time.hpp>
#include <mitogen/child/rate_limiter.hpp>
#include <mitogen/codec/codec.hpp>
#include <mitogen/link/peer.hpp>
#include <mitogen/link/visible_text.hpp>
#include <mitogen/logging/log_forwarder.hpp>
#include <mitogen/loop/activity/activity.hpp>
#include <mitogen/node/router_core.hpp>
#include <mitogen/protocol/handle.hpp>

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <string_view>

namespace mitogen::inline MITOGEN_ABI {
namespace detail {

/// Receives the records of the contexts below: shows them here in a root, passes them on elsewhere.
///
/// Each honest context keeps to log::bounds itself. Here they are kept to for those that do not:
/// with a quarter more, because what was delayed on its way comes at once.
///
/// Threads: loop, but for the constructor and close().
template <class Io>
class forwarded_log {
    using link = basic_peer<Io>;
    // a neighbour's stdout, its other records, and all that come from further down
    using meters = std::array<rate_limiter, 3>;

    basic_router_core<Io>& node_;
    log_forwarder<Io>& up_;
    std::map<context_id, meters> meters_; // by the neighbour
    timer look_{};                        // at what was dropped

    static constexpr std::size_t most_text = 64u << 10;
    static constexpr std::size_t most_logger = 256;
    static constexpr std::size_t below = 2;
    static constexpr std::uint64_t most_contexts = 4; // that may log as much as they may, at once
    static constexpr std::size_t kept = 64;           // meters, whether they are needed or not

public:
    forwarded_log(basic_router_core<Io>& node, log_forwarder<Io>& up) : node_(node), up_(up) {
        look_.fire = [this] { tell(false); };
        (void)node.add_raw_handler(handles::forward_log, {.from = senders::anyone},
                                   [this](const message& m) { receive(m); });
    }

    forwarded_log(forwarded_log&&) = delete;

    /// Says what was dropped, and takes no more.
    void close() {
        node_.remove_handler(handles::forward_log);
        node_.loop().run([this] {
            node_.loop().cancel_slow_timer(look_);
            tell(true);
            meters_.clear();
        });
    }

private:
    void receive(const message& m) {
        const std::shared_ptr<link> from = node_.routes().find(m.head.src);
        if (!from) return; // this context, or one above
        reader r(m.payload);
        context_id origin{};
        std::uint8_t level{};
        std::string_view logger;
        std::string_view text;
        std::uint64_t lost{};
        if (!decode(r, origin, level, logger, text, lost) || !r.finish() ||
            level > static_cast<std::uint8_t>(log::level::error)) {
            return node_.note_refusal(
                *from, [] { return std::string("a log record that does not decode"); });
        }
        // nobody speaks for a context that is not below it
        if (!node_.routes().leads(origin, from.get())) {
            return node_.note_refusal(*from, [origin] {
                return "a log record of context " + std::to_string(origin);
            });
        }
        text = text.substr(0, most_text);
        if (!admit(*from, origin, logger == "stdout", text.size(),
                   std::max<std::uint64_t>(lost, 1)))
            return;
        const auto severity = static_cast<log::level>(level);
        if (is_visible(logger) && is_visible(text)) [[likely]]
            return hand_on(origin, severity, logger.substr(0, most_logger), text, lost);
        hand_on(origin, severity,
                visible_text(logger.substr(0, most_logger)).substr(0, most_logger),
                visible_text(text).substr(0, most_text), lost);
    }

    void hand_on(context_id origin, log::level level, std::string_view logger,
                 std::string_view text, std::uint64_t lost) {
        if (node_.parent()) return up_.pass(origin, level, logger, text, lost);
        const std::string place = node_.dotted_path_of(origin);
        const at_work here(named_work, "the log's sink");
        log::emit({level, origin, place, logger, text});
    }

    /// False if it is one too many of those that come on that link; it is counted, for `lines`.
    bool admit(const link& from, context_id origin, bool is_stdout, std::size_t bytes,
               std::uint64_t lines) {
        const std::size_t kind = origin != from.id ? below : is_stdout ? 0 : 1;
        rate_limiter& meter = meters_of(from.id)[kind];
        const instant now = node_.loop().io().now();
        if (meter.tell_at() <= now) say(from.id, meter);
        if (meter.drops(now, lines)) return false;
        log::bounds most = log::current_bounds();
        const std::uint64_t times = kind == below ? most_contexts : 1;
        most.lines_per_second = (most.lines_per_second + most.lines_per_second / 4) * times;
        most.bytes_per_second = (most.bytes_per_second + most.bytes_per_second / 4) * times;
        if (meter.admit(now, bytes, nullptr, most)) return true;
        plan(meter);
        return false;
    }

    meters& meters_of(context_id neighbour) {
        const auto at = meters_.find(neighbour);
        if (at != meters_.end()) return at->second;
        if (meters_.size() >= kept) {
            tell(false);
            std::erase_if(meters_, [this](const auto& entry) {
                return !node_.routes().find(entry.first) && told(entry.second);
            });
        }
        return meters_[neighbour];
    }

    static bool told(const meters& all) noexcept {
        return std::all_of(all.begin(), all.end(),
                           [](const rate_limiter& m) { return m.dropped() == 0; });
    }

    void say(context_id neighbour, rate_limiter& meter) {
        const std::uint64_t lost = meter.dropped();
        hand_on(neighbour, log::level::warning, "mitogen",
                meter.tell("log record of it, or of those below it,",
                           "log records of it, or of those below it,"),
                lost);
    }

    /// Says what is due, or all.
    void tell(bool all) {
        const instant now = node_.loop().io().now();
        for (auto& [neighbour, its] : meters_) {
            for (rate_limiter& meter : its) {
                if (meter.tell_at() == never) continue;
                if (all || meter.tell_at() <= now)
                    say(neighbour, meter);
                else
                    plan(meter);
            }
        }
    }

    /// Has what was dropped said in time.
    void plan(const rate_limiter& meter) {
        if (!look_.is_set()) node_.loop().set_slow_timer(look_, meter.tell_at());
    }
};

} // namespace detail
} // namespace mitogen::inline MITOGEN_ABI
