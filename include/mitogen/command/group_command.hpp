// SPDX-License-Identifier: BSL-1.0
#pragma once
// group_command.hpp: the two sides of a command that all members of a group run.

#include <mitogen/base/config.hpp>
#include <mitogen/base/error.hpp>
#include <mitogen/base/on.hpp>
#include <mitogen/base/result.hpp>
#include <mitogen/base/time.hpp>
#include <mitogen/call/identity.hpp>
#include <mitogen/command/command_order.hpp>
#include <mitogen/command/command_output.hpp>
#include <mitogen/command/command_pump.hpp>
#include <mitogen/command/commands.hpp>
#include <mitogen/command/run_command.hpp>
#include <mitogen/command/run_options.hpp>
#include <mitogen/flow/channel.hpp>
#include <mitogen/group/arrivals.hpp>
#include <mitogen/group/group_body.hpp>
#include <mitogen/group/group_run.hpp>
#include <mitogen/node/node.hpp>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace mitogen::inline MITOGEN_ABI {
namespace detail {

/// A command whose output goes into a channel.
class told_command final : public command_port {
    const sender<command_said>& to_;
    std::string input_;

public:
    told_command(const sender<command_said>& to, std::string input)
        : to_(to), input_(std::move(input)) {}

    result<void> say(std::uint8_t what, std::string_view bytes, instant until) override {
        const command_said item{what, std::string(bytes)};
        if (until == never) return to_.try_send(item);
        const instant now = os::monotonic_now();
        return to_.try_send_for(item, std::chrono::nanoseconds(until > now ? until - now : 0));
    }
    result<std::optional<std::string>> input(bool& last, instant) override {
        last = true;
        return std::optional(std::move(input_));
    }
};

/// The function that is called in each member.
template <class T = void> // compiled where it is used
result<command_ended> serve_group_command(mitogen::router& here, const command_order& order,
                                          const std::string& input, sender<command_said> said) {
    mitogen::node& node = node_of(here);
    if (order.words.empty()) return error(reason::bad_arguments, "a command without words");
    result<std::shared_ptr<poll_waker>> waker = make_poll_waker(node);
    if (!waker) return waker.error();
    told_command port(said, input);
    return command_pump(node, order, port, **waker).run();
}

} // namespace detail

template <>
inline constexpr std::string_view name_of<&detail::serve_group_command<>> =
    "mitogen.group_command";
template <>
inline constexpr auto run_on<&detail::serve_group_command<>> = on::thread;

namespace detail {

/// What the members of a group say, on the side of whoever has asked.
class group_output final : public group_company<command_ended> {
    struct member {
        receiver<command_said> said;
        command_output output;

        member(const context& who, run_options& options)
            : said(who.port()), output(options, who) {}
        void take(const command_said& item, instant now) {
            output.append(item.what == command_said::err, item.bytes, now);
        }
    };

    run_options& options_;
    std::shared_ptr<arrivals> news_;
    std::vector<std::unique_ptr<member>> members_; // by rank; null: it has ended
    // for what may be under way when members have answered: of those that lie, for all together
    duration_ns patience_ = 5'000'000'000;

public:
    explicit group_output(run_options& options) : options_(options) {}
    group_output(group_output&&) = delete;
    ~group_output() {
        for (const auto& m : members_)
            if (m) (void)m->said.forget(this);
    }

    /// Before a member begins.
    void expect(std::size_t size, std::shared_ptr<arrivals> news) {
        members_.resize(size);
        news_ = std::move(news);
    }

    /// Where the member of a rank sends what its command says.
    sender<command_said> begin(std::size_t rank, const context& who) {
        members_[rank] = std::make_unique<member>(who, options_);
        listen(rank);
        return members_[rank]->said.to_sender();
    }

    /// What became of that member.
    result<command_result> end(std::size_t rank, result<command_ended> ended) {
        const std::unique_ptr<member> m = std::move(members_[rank]);
        if (!m) return ended.error(); // it has not begun
        (void)m->said.forget(this);
        mitogen::node& here = m->said.port();
        for (;;) { // to the end of what a living one says, and what is there of a lost one
            const instant now = here.now();
            const result<command_said> item =
                m->said.try_receive_for(std::chrono::nanoseconds(ended ? patience_ : 0));
            patience_ = std::max<duration_ns>(patience_ - (here.now() - now), 0);
            if (!item) break;
            m->take(*item, now);
        }
        return result_of_command(std::move(ended), m->output);
    }

    instant due() const noexcept override {
        instant first = never;
        for (const auto& m : members_)
            if (m) first = std::min(first, m->output.due());
        return first;
    }
    void show(instant now) override {
        for (const auto& m : members_)
            if (m) m->output.show(now);
    }
    void news(std::size_t rank) override {
        const std::unique_ptr<member>& m = members_[rank];
        if (!m) return;
        const instant now = m->said.port().now();
        while (const result<command_said> item =
                   m->said.try_receive_for(std::chrono::nanoseconds(0)))
            m->take(*item, now);
        if (!m->said.ended()) listen(rank);
    }
    bool is_failure(const command_ended& how) const override {
        return how.timed_out || !how.status.success();
    }

private:
    void listen(std::size_t rank) {
        members_[rank]->said.then(arrival_notice{news_, members_.size() + rank}, this);
    }
};

template <class T>
group_results<command_result> run_group_command(const group& whole, const group_settings& how,
                                                command_words what, run_options& options) {
    const result<command_order> order = order_of(std::move(what), options);
    group_output output(options);
    const group_progress* progress = nullptr;
    group_run<command_ended> run(
        whole, how, [&](const call_target& to) -> future<command_ended> {
            if (!order) return future<command_ended>(&to.port().refuse_call(to.id(), order.error()),
                                                     to.port(), to.environment());
            return to.call_async<&serve_group_command<T>>(
                *order, options.input,
                output.begin(progress->begun(), context(to.port(), to.id())));
        });
    progress = &run.progress();
    output.expect(run.size(), run.news());
    run.accompany(output);
    std::vector<std::pair<std::size_t, group_result<command_result>>> ended;
    while (const std::optional<std::size_t> rank = run.next(false)) {
        group_result<command_ended> one = run.take(*rank);
        ended.emplace_back(*rank, group_result<command_result>{
                                      one.who, output.end(*rank, std::move(one.value)), one.phase,
                                      one.unconnected});
    }
    return group_results<command_result>(
        in_order(std::move(ended), run.progress(), how.enough.has_value()));
}

} // namespace detail
} // namespace mitogen::inline MITOGEN_ABI
