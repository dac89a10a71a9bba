// SPDX-License-Identifier: BSL-1.0
#pragma once
// log_forwarder.hpp: what a context sends its parent of its log and of the logs below: within
// bounds, and the rest counted.

#include <mitogen/base/config.hpp>
#include <mitogen/base/ids.hpp>
#include <mitogen/base/log.hpp>
#include <mitogen/base/time.hpp>
#include <mitogen/child/rate_limiter.hpp>
#include <mitogen/codec/buffer.hpp>
#include <mitogen/codec/codec.hpp>
#include <mitogen/link/transport.hpp>
#include <mitogen/loop/broker_engine.hpp>
#include <mitogen/node/router_core.hpp>
#include <mitogen/protocol/handle.hpp>
#include <mitogen/protocol/message.hpp>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <iterator>
#include <map>
#include <mutex>
#include <string>
#include <string_view>
#include <utility>

namespace mitogen::inline MITOGEN_ABI {
namespace detail {

/// One context's way up for log records. Stdout's lines and the context's own records each have a
/// rate. All together, and what comes from below, stand back if the parent does not read.
///
/// Threads: any, unless said otherwise. Never blocks.
template <class Io>
class log_forwarder {
    basic_router_core<Io>& node_;
    typename Io::mutex mutex_; // guards what follows
    rate_limiter lines_;
    rate_limiter records_;
    std::map<context_id, rate_limiter> below_; // of which something was dropped here
    log_backlog backlog_;
    timer look_{}; // at what was dropped
    bool planned_ = false;
    bool closed_ = false;

    static constexpr std::size_t most_text = 64u << 10;
    static constexpr std::size_t most_logger = 256;

public:
    explicit log_forwarder(basic_router_core<Io>& node) : node_(node), mutex_(node.loop().io()) {
        look_.fire = [this] {
            const std::lock_guard lock(mutex_);
            planned_ = false;
            tell(false);
        };
    }

    log_forwarder(log_forwarder&&) = delete;

    /// Writes what was handed over, if nothing hinders that: whoever calls knows of nothing more.
    void write_now() {
        const std::lock_guard lock(mutex_);
        write();
    }

    /// A line of this context's stdout.
    void line(std::string_view text) {
        const std::lock_guard lock(mutex_);
        const instant now = node_.loop().io().now();
        if (admit(lines_, now, text.size(), one_line, lines))
            send(node_.id(), log::level::info, "stdout", text);
        plan(lines_);
    }

    /// A record that was made in this process, of this context or of one below.
    void record(const log::record& r) {
        if (r.context != no_context && r.context != node_.id())
            return pass(r.context, r.level, r.logger, r.text);
        const std::string_view text = r.text.substr(0, most_text);
        const std::lock_guard lock(mutex_);
        const instant now = node_.loop().io().now();
        if (admit(records_, now, text.size(), one_record, records))
            send(node_.id(), r.level, r.logger.substr(0, most_logger), text);
        plan(records_);
        // it may be the last that this process does
        if (r.level >= log::level::warning) write();
    }

    /// A record of a context below, which was measured if it was made. `lost`: how many it says
    /// were dropped there.
    void pass(context_id origin, log::level level, std::string_view logger, std::string_view text,
              std::uint64_t lost = 0) {
        const std::lock_guard lock(mutex_);
        const instant now = node_.loop().io().now();
        const char* no_way = obstacle();
        auto dropped = below_.find(origin);
        if (dropped == below_.end()) {
            if (!no_way) return send(origin, level, logger, text, lost);
            dropped = below_.try_emplace(origin).first;
        } else if (!no_way && dropped->second.tell_at() <= now) {
            say(origin, dropped->second, one_record, records);
            below_.erase(dropped);
            return send(origin, level, logger, text, lost);
        }
        (void)dropped->second.pass(now, no_way, std::max<std::uint64_t>(lost, 1));
        plan(dropped->second);
    }

    /// Says at once what was dropped: the end is near.
    void tell_all() {
        const std::lock_guard lock(mutex_);
        tell(true);
    }

    /// What was dropped is said now; what is dropped from now on only by tell_all(). Blocks until
    /// the loop has done it.
    void close() {
        if (!node_.parent()) return; // a root
        const auto work = [this] {
            const std::lock_guard lock(mutex_);
            closed_ = true;
            node_.loop().cancel_slow_timer(look_);
            tell(true);
        };
        if (node_.loop().run(work)) return;
        const std::lock_guard lock(mutex_);
        closed_ = true;
    }

private:
    static constexpr const char* one_line = "line of stdout";
    static constexpr const char* lines = "lines of stdout";
    static constexpr const char* one_record = "log record";
    static constexpr const char* records = "log records";

    // All that follows: under mutex_.

    /// What was handed over, in the loop's place.
    void write() {
        if (const auto& parent = node_.parent()) parent->transport->write_instead();
    }

    /// What hinders every record at the moment; null if nothing does.
    const char* obstacle() {
        const auto& parent = node_.parent();
        if (!parent) return "there is no parent";
        const std::uint64_t limit =
            std::min(log::current_bounds().queue_bytes, node_.bounds().queue_bytes / 2);
        auto& stream = *parent->transport;
        const bool room = backlog_.has_room(stream.bytes_out(), stream.queued(), limit);
        return room ? nullptr : "more than the link to the parent takes";
    }

    bool admit(rate_limiter& meter, instant now, std::size_t bytes, const char* one,
               const char* many) {
        if (meter.drops(now)) return false; // thousands in a moment
        const char* no_way = obstacle();
        if (!no_way && meter.tell_at() <= now) say(node_.id(), meter, one, many);
        return meter.admit(now, bytes, no_way, log::current_bounds());
    }

    void say(context_id origin, rate_limiter& meter, const char* one, const char* many) {
        const std::uint64_t lost = meter.dropped();
        send(origin, log::level::warning, "mitogen", meter.tell(one, many), lost);
    }

    void send(context_id origin, log::level level, std::string_view logger, std::string_view text,
              std::uint64_t lost = 0) {
        const auto& parent = node_.parent();
        if (!parent) return;
        buffer payload = encode(origin, static_cast<std::uint8_t>(level), logger, text, lost);
        backlog_.add(header_layout::size + payload.size());
        // A lane of its own: a record does not wait behind a large message of the thread that logs.
        (void)parent->transport->send(node_.address(parent->id, handles::forward_log),
                                      std::move(payload), this, flush_mode::soon);
        // why nothing goes on there is to be read while that is so
        if (node_.loop().blocked()) [[unlikely]]
            write();
    }

    /// Says what is due, or what there is.
    void tell(bool all) {
        const instant now = node_.loop().io().now();
        const bool hindered = !all && obstacle();
        const auto look_at = [&](context_id origin, rate_limiter& meter, const char* one,
                                 const char* many) {
            const instant due = meter.tell_at();
            if (due == never) return true;
            if (all || (due <= now && !hindered)) {
                say(origin, meter, one, many);
                return true;
            }
            if (due <= now) meter.postpone(now);
            plan(meter);
            return false;
        };
        (void)look_at(node_.id(), lines_, one_line, lines);
        (void)look_at(node_.id(), records_, one_record, records);
        for (auto i = below_.begin(); i != below_.end();)
            i = look_at(i->first, i->second, one_record, records) ? below_.erase(i) : std::next(i);
    }

    /// Has what was dropped said in time.
    void plan(const rate_limiter& meter) {
        const instant at = meter.tell_at();
        if (at == never || planned_ || closed_) return;
        planned_ = node_.loop().defer([this, at] {
            const std::lock_guard lock(mutex_);
            if (!closed_) node_.loop().set_slow_timer(look_, at);
        });
    }
};

} // namespace detail
} // namespace mitogen::inline MITOGEN_ABI
