// SPDX-License-Identifier: BSL-1.0
#pragma once
// group_call.hpp: the ways to call a function in all members of a group.

#include <mitogen/base/config.hpp>
#include <mitogen/base/error.hpp>
#include <mitogen/base/result.hpp>
#include <mitogen/base/time.hpp>
#include <mitogen/call/call.hpp>
#include <mitogen/call/traits.hpp>
#include <mitogen/fwd.hpp>
#include <mitogen/group/group_results.hpp>
#include <mitogen/group/group_settings.hpp>

#include <cstddef>
#include <string>
#include <tuple>
#include <type_traits>
#include <utility>
#include <vector>

#if defined(__cpp_lib_jthread)
#include <stop_token>
#endif

namespace mitogen::inline MITOGEN_ABI {

class group_target;
class paced_group;
template <class T>
class group_future;
template <class T>
class group_stream;
template <class T>
struct group_kind;

namespace detail {

/// A call whose arguments stand beside it, to be made in one context after the other. `Arguments`
/// is a tuple of values, or of references.
template <auto F, class Arguments>
struct repeated_call {
    Arguments arguments;

    template <class Target>
    auto operator()(const Target& to) const {
        return made_in(to, std::make_index_sequence<std::tuple_size_v<Arguments>>{});
    }

private:
    template <class Target, std::size_t... Is>
    auto made_in(const Target& to, std::index_sequence<Is...>) const {
        return to.template call_async<F>(std::get<Is>(arguments)...);
    }
};

/// The arguments of `F` as they are kept for later: as the parameters' types, and what is only
/// shown by one as what owns it.
template <auto F, class Wire = typename function_traits<F>::wire_parameters>
struct kept_arguments;
template <auto F, class... Ws>
struct kept_arguments<F, type_list<Ws...>> {
    using type = std::tuple<typename owned_result<Ws>::type...>;

    template <class... Args>
    static type from(Args&&... args) {
        return type{static_cast<typename owned_result<Ws>::type>(std::forward<Args>(args))...};
    }
};

/// reduce<Merge>() of some group: its calls.
template <auto Merge, class Target>
class group_reduction {
    Target of_;

public:
    explicit group_reduction(Target of) : of_(std::move(of)) {}

    /// Calls `F(args…)` in each member and merges the values in the order of the group:
    /// `Merge(Merge(first, second), third)`. What Merge throws leaves this. Blocks; an error for
    /// the whole if the group is empty.
    template <auto F, class... Args>
    group_total<result_of<F>> call(Args&&... args) const;
};

} // namespace detail

/// The ways to call a function in all members of a group: those of a group itself, with a deadline,
/// and by batches. `Target` offers whole() and settings().
///
/// Each member is called as if by itself, in the order of the group; see group. What is called is
/// waited for by the thread that calls.
template <class Target>
class group_calls {
    const Target& self() const noexcept { return static_cast<const Target&>(*this); }

    template <class Other>
    Other changed(detail::group_settings settings) const;

public:
    /// Calls `F(args…)` in each member, and waits until each has answered or failed. Throws
    /// nothing that concerns a member: that is its result.
    template <auto F, class... Args>
    group_results<detail::result_of<F>> call(Args&&... args) const;

    /// The same, as a range of group_result that gives each when it is there:
    /// `for (auto&& [who, value] : web.stream<&f>(args…))`. Leaving the loop cancels the rest.
    template <auto F, class... Args>
    group_stream<detail::result_of<F>> stream(Args&&... args) const;

    /// The same; equal results once, each with the members that gave it, in the order of the first
    /// of them. Values are equal if their encodings are, byte for byte; errors if reason, type and
    /// message are.
    template <auto F, class... Args>
    std::vector<group_kind<detail::result_of<F>>> gather(Args&&... args) const;

    /// The same, with the values merged to one by `Merge(a, b)`, which runs here:
    /// `web.reduce<&plus>().call<&free_bytes>("/").value()`.
    template <auto Merge>
    detail::group_reduction<Merge, Target> reduce() const {
        return detail::group_reduction<Merge, Target>(self());
    }

    /// Runs a command line in each member, as context::run; include <mitogen/command.hpp>. A
    /// callback for lines is told the member, too: `[](const mitogen::context& who,
    /// std::string_view line) { … }`. To budgets a command is a failure whose status is not 0, or
    /// that has reached its time limit. The root of a tree executes no calls, and as a member of a
    /// group no commands.
    template <class Options = run_options>
    group_results<command_result> run(std::string text,
                                      std::type_identity_t<Options> options = {}) const;
    /// Runs a program with these arguments in each member, as context::exec.
    template <class Options = run_options>
    group_results<command_result> exec(std::string program, std::vector<std::string> arguments = {},
                                       std::type_identity_t<Options> options = {}) const;

    /// `span` from then on calls made through the result are over: members that have not answered
    /// fail with timeout_error, and so do those that have not begun.
    template <class Rep, class Period>
    auto within(std::chrono::duration<Rep, Period> span) const {
        detail::group_settings settings = self().settings();
        settings.options.within = detail::to_ns(span);
        return changed<typename Target::guarded>(std::move(settings));
    }

#if defined(__cpp_lib_jthread)
    /// Calls made through the result are cancelled when `stop` is requested.
    auto with(std::stop_token stop) const {
        detail::group_settings settings = self().settings();
        settings.options.stop = std::move(stop);
        return changed<typename Target::guarded>(std::move(settings));
    }
#endif

    /// At most `members` run at a time: when one has ended the next begins. At least one.
    paced_group at_once(std::size_t members) const;

    /// So many begin together; when all of them have ended, the next. Percentages are rounded up.
    /// A batch that fails altogether is nothing special: see allow_failures().
    paced_group in_batches(group_share members) const;

    /// When more than so many have failed, in whatever way, no further one begins: its result is a
    /// withheld_error. Those that run go on. Percentages are rounded down.
    paced_group allow_failures(group_share members) const;

    /// What runs when allow_failures() is exceeded is cancelled.
    paced_group cancel_running() const;

    /// The `values` that come first, in that order; then the rest is cancelled, and not among the
    /// results. If there are not so many: all that there are, and behind them all failures.
    paced_group first(std::size_t values) const;
};

/// What only those can do whose members are all called at once.
template <class Target>
class group_calls_at_once : public group_calls<Target> {
    const Target& self() const noexcept { return static_cast<const Target&>(*this); }

public:
    /// Calls `F(args…)` in each member and returns their answers-to-be. Blocks only while a link's
    /// queue is full.
    template <auto F, class... Args>
    group_future<detail::result_of<F>> call_async(Args&&... args) const;

    /// Calls without an answer, as context::call_no_reply. The results say of each member whether
    /// its message could be sent.
    template <auto F, class... Args>
    group_results<void> call_no_reply(Args&&... args) const;
};

} // namespace mitogen::inline MITOGEN_ABI
