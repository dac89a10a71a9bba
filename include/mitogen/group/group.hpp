// SPDX-License-Identifier: BSL-1.0
#pragma once
// group.hpp: an ordered set of contexts as one value.

#include <mitogen/base/config.hpp>
#include <mitogen/base/error.hpp>
#include <mitogen/base/result.hpp>
#include <mitogen/call/context.hpp>
#include <mitogen/codec/codec.hpp>
#include <mitogen/group/group_call.hpp>
#include <mitogen/group/group_settings.hpp>
#include <mitogen/group/names/name_set.hpp>

#include <algorithm>
#include <concepts>
#include <cstddef>
#include <initializer_list>
#include <iterator>
#include <memory>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

namespace mitogen::inline MITOGEN_ABI {

namespace detail {

/// One member of a group: a context, or one that could not be made.
struct group_member {
    context who;
    std::shared_ptr<const error> unconnected{}; ///< why there is no such context; null: there is
    std::string name{};                         ///< of one that is not connected

    friend bool operator==(const group_member& a, const group_member& b) noexcept {
        return a.who == b.who && a.unconnected == b.unconnected;
    }
    friend bool operator<(const group_member& a, const group_member& b) noexcept {
        return a.who.id() != b.who.id() ? a.who.id() < b.who.id()
                                        : a.unconnected < b.unconnected;
    }
};

/// Can be walked through, and has contexts.
template <class Range>
concept range_of_contexts = requires(const Range& range) {
    { *std::begin(range) } -> std::convertible_to<const context&>;
    std::end(range);
};

} // namespace detail

/// An ordered set of contexts of one router. A cheap value: copies share the members, which never
/// change. What could not be connected is a member too, see connect_all().
///
/// A call of a group means: each member is called as if by itself, by the same caller, in the order
/// of the group. Each living member executes it exactly once, in order with whatever else this
/// thread has called there; what becomes of one member (it is lost, throws, is too late) is the
/// result of that one, and nobody else's. One cancellation, or one deadline, reaches all.
///
/// An empty group is allowed, and means nobody. As an argument or a result it is the list of its
/// contexts; what was never connected cannot be sent. Threads: distinct objects: safe; shared ones:
/// if all only read.
class group : public group_calls_at_once<group> {
    std::shared_ptr<const std::vector<context>> contexts_;
    std::shared_ptr<const std::vector<detail::group_member>> unusual_; // null: all are connected

    static const std::vector<context>& none() noexcept {
        static const std::vector<context> empty;
        return empty;
    }
    const std::vector<context>& contexts() const noexcept {
        return contexts_ ? *contexts_ : none();
    }

    template <class Keep>
    group filtered(Keep keep) const {
        std::vector<detail::group_member> kept;
        for (std::size_t rank = 0; rank < size(); ++rank)
            if (keep(rank)) kept.push_back(member(rank));
        return *of(std::move(kept));
    }
    std::vector<detail::group_member> members() const {
        std::vector<detail::group_member> all;
        all.reserve(size());
        for (std::size_t rank = 0; rank < size(); ++rank) all.push_back(member(rank));
        return all;
    }
    std::vector<detail::group_member> in_order_of_ids() const {
        std::vector<detail::group_member> all = members();
        std::sort(all.begin(), all.end());
        return all;
    }

public:
    /// How its calls with a deadline are written down.
    using guarded = group_target;
    using value_type = context;
    using const_iterator = const context*;
    using iterator = const_iterator;

    /// Nobody.
    group() = default;
    /// These; who is there twice is a member once, at the first place. Throws logic_error if they
    /// are of several routers, or one is empty (default-constructed).
    group(std::initializer_list<context> all) : group(try_make(all).value()) {}
    template <detail::range_of_contexts Range>
        requires(!std::derived_from<Range, group>)
    explicit group(const Range& all) : group(try_make(all).value()) {}
    /// The same, with the error as a value.
    template <detail::range_of_contexts Range>
    static result<group> try_make(const Range& all) {
        std::vector<detail::group_member> members;
        for (const context& who : all) members.push_back({who});
        return of(std::move(members));
    }
    static result<group> try_make(std::initializer_list<context> all) {
        return try_make<std::initializer_list<context>>(all);
    }
    /// For those who make groups in their own way.
    static result<group> of(std::vector<detail::group_member> members);

    std::size_t size() const noexcept { return contexts().size(); }
    bool empty() const noexcept { return size() == 0; }
    /// The contexts by rank. In the place of what was never connected: one that does not exist.
    const_iterator begin() const noexcept { return contexts().data(); }
    const_iterator end() const noexcept { return begin() + size(); }
    /// That of one rank, which is less than size().
    const context& operator[](std::size_t rank) const noexcept { return contexts()[rank]; }
    bool contains(const context& who) const noexcept {
        return std::find(begin(), end(), who) != end();
    }

    /// The members, and those of the other group that are not among them. Throws logic_error if
    /// they are of several routers.
    group unite(const group& other) const { return try_unite(other).value(); }
    /// The same, with the error as a value.
    result<group> try_unite(const group& other) const {
        std::vector<detail::group_member> all = members();
        for (std::size_t rank = 0; rank < other.size(); ++rank) all.push_back(other.member(rank));
        return of(std::move(all));
    }
    /// The members that are not in the other group, in this one's order.
    group subtract(const group& other) const { return compared(other, false); }
    /// Those that are in both, in this one's order.
    group intersect(const group& other) const { return compared(other, true); }
    /// Those of some ranks, as far as there are any.
    group slice(name_slice which) const {
        return filtered([&](std::size_t rank) {
            return rank >= which.first && rank - which.first < which.count;
        });
    }
    /// Those whose name, or whole path ("bastion.web1"), is in a set, in this one's order.
    group named(const name_set& names) const;
    /// The same, of a pattern such as `web[1-40]`. Throws codec_error if it is none.
    group named(std::string_view pattern) const { return named(name_set(pattern)); }
    /// The same, with the error as a value.
    result<group> try_named(std::string_view pattern) const;
    /// Those that were connected, whether they are there still or not.
    group connected() const {
        return filtered([&](std::size_t rank) { return !member(rank).unconnected; });
    }

    /// The paths of the members. Of those that are lost: nothing.
    name_set names() const;
    /// The same as a short text, to be read by people: "web[1-3],db".
    std::string fold() const;

    /// True if both have the same members, in whatever order.
    friend bool operator==(const group& a, const group& b) {
        return a.size() == b.size() && a.in_order_of_ids() == b.in_order_of_ids();
    }

    /// For group_calls.
    const group& whole() const noexcept { return *this; }
    detail::group_settings settings() const { return {}; }
    /// The member of a rank, with why it was never connected.
    detail::group_member member(std::size_t rank) const {
        return unusual_ ? (*unusual_)[rank] : detail::group_member{contexts()[rank]};
    }

private:
    group compared(const group& other, bool in_both) const {
        const std::vector<detail::group_member> theirs = other.in_order_of_ids();
        return filtered([&](std::size_t rank) {
            return std::binary_search(theirs.begin(), theirs.end(), member(rank)) == in_both;
        });
    }
};

/// A group together with a deadline or a stop token of its calls: what within() and with() return.
class group_target : public group_calls_at_once<group_target> {
    group whole_;
    detail::group_settings settings_;

public:
    using guarded = group_target;
    group_target(group whole, detail::group_settings settings)
        : whole_(std::move(whole)), settings_(std::move(settings)) {}
    const group& whole() const noexcept { return whole_; }
    const detail::group_settings& settings() const noexcept { return settings_; }
};

/// A group together with how many of its members are called at once, and when to stop: what
/// at_once(), in_batches(), allow_failures() and first() return.
class paced_group : public group_calls<paced_group> {
    group whole_;
    detail::group_settings settings_;

public:
    using guarded = paced_group;
    paced_group(group whole, detail::group_settings settings)
        : whole_(std::move(whole)), settings_(std::move(settings)) {}
    const group& whole() const noexcept { return whole_; }
    const detail::group_settings& settings() const noexcept { return settings_; }
};

inline result<group> group::of(std::vector<detail::group_member> members) {
    bool unusual = false;
    for (const detail::group_member& one : members) {
        if (!one.who.valid()) return detail::empty_target();
        if (&one.who.port() != &members.front().who.port())
            return error(reason::misuse,
                         "a group has contexts of one router, and these are of several");
        unusual = unusual || one.unconnected;
    }
    std::vector<std::size_t> ranks(members.size());
    for (std::size_t i = 0; i < ranks.size(); ++i) ranks[i] = i;
    std::sort(ranks.begin(), ranks.end(), [&](std::size_t a, std::size_t b) {
        return members[a] == members[b] ? a < b : members[a] < members[b];
    });
    std::vector<bool> again(members.size());
    for (std::size_t i = 1; i < ranks.size(); ++i)
        again[ranks[i]] = members[ranks[i]] == members[ranks[i - 1]];
    auto contexts = std::make_shared<std::vector<context>>();
    auto kept = std::make_shared<std::vector<detail::group_member>>();
    for (std::size_t i = 0; i < members.size(); ++i) {
        if (again[i]) continue;
        contexts->push_back(members[i].who);
        if (unusual) kept->push_back(std::move(members[i]));
    }
    group made;
    made.contexts_ = std::move(contexts);
    if (unusual) made.unusual_ = std::move(kept);
    return made;
}

inline group group::named(const name_set& names) const {
    return filtered([&](std::size_t rank) {
        const detail::group_member one = member(rank);
        const std::vector<std::string> path = one.who.path();
        return path.empty() ? names.contains(one.name)
                            : names.contains(path.back()) ||
                                  names.contains(mitogen::node::dotted(path));
    });
}

inline result<group> group::try_named(std::string_view pattern) const {
    const result<name_set> names = name_set::parse(pattern);
    if (!names) return names.error();
    return named(*names);
}

inline name_set group::names() const {
    name_set all;
    for (std::size_t rank = 0; rank < size(); ++rank) {
        const detail::group_member one = member(rank);
        const std::string path = one.who.name();
        // what cannot be written in a pattern is left out
        static_cast<void>(all.try_insert(path.empty() ? one.name : path));
    }
    return all;
}

inline std::string group::fold() const { return names().fold(); }

template <class Target>
template <class Other>
Other group_calls<Target>::changed(detail::group_settings settings) const {
    return Other(self().whole(), std::move(settings));
}
template <class Target>
paced_group group_calls<Target>::at_once(std::size_t members) const {
    detail::group_settings settings = self().settings();
    settings.at_once = std::max<std::size_t>(1, members);
    return changed<paced_group>(std::move(settings));
}
template <class Target>
paced_group group_calls<Target>::in_batches(group_share members) const {
    detail::group_settings settings = self().settings();
    settings.batch = members;
    return changed<paced_group>(std::move(settings));
}
template <class Target>
paced_group group_calls<Target>::allow_failures(group_share members) const {
    detail::group_settings settings = self().settings();
    settings.allowed = members;
    return changed<paced_group>(std::move(settings));
}
template <class Target>
paced_group group_calls<Target>::cancel_running() const {
    detail::group_settings settings = self().settings();
    settings.cancel_running = true;
    return changed<paced_group>(std::move(settings));
}
template <class Target>
paced_group group_calls<Target>::first(std::size_t values) const {
    detail::group_settings settings = self().settings();
    settings.enough = values;
    return changed<paced_group>(std::move(settings));
}

/// A group travels as the list of its contexts.
template <>
struct codec<group> {
    using list = codec<std::vector<context>>;
    static constexpr bool is_fixed = false;
    static constexpr std::size_t least = list::least;
    static std::size_t size(const group& g) {
        return list::size(std::vector<context>(g.begin(), g.end()));
    }
    static void encode(writer& w, const group& g) {
        if (g.connected().size() != g.size())
            w.fail("a group with a member that was never connected cannot be sent: send its "
                   "connected()");
        list::encode(w, std::vector<context>(g.begin(), g.end()));
    }
    static bool decode(reader& r, group& g) {
        std::vector<context> all;
        if (!list::decode(r, all)) return false;
        result<group> made = group::try_make(all);
        if (!made) return r.fail("a group with an empty context");
        g = std::move(*made);
        return true;
    }
    static void signature(signature_sink& out) { list::signature(out); }
};

} // namespace mitogen::inline MITOGEN_ABI
