// SPDX-License-Identifier: BSL-1.0
#pragma once
// name_set.hpp: an ordered set of names, written as a pattern such as web[1-40],db.

#include <mitogen/base/config.hpp>
#include <mitogen/base/result.hpp>
#include <mitogen/group/names/unique_names.hpp>

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace mitogen::inline MITOGEN_ABI {

/// A stretch of a set: see name_set::slice.
struct name_slice {
    std::size_t first = 0;                            ///< rank of its first name, from 0
    std::size_t count = static_cast<std::size_t>(-1); ///< names at most
};

/// An ordered set of names. A name's text is its identity: `web1` is not `web01`. Each stands in
/// the set once, at the place where it came first; its rank is that place, from 0.
///
/// As text: names, separated by commas, white space (blank, tab, newline), or both. A text without
/// a name is the empty set. A name may have any number of brackets with numbers, which stand for
/// many names, the last bracket being counted through first:
///
///     web[1-40]  web[1,3,5-7]  web[1-40/2]  rack[1-2]n[1-3]  web[01-12]
///
/// A range whose first number begins with a zero is padded to that number's width, whatever the
/// width of its last (`[08-100]` is 08, 09, 10 … 100), as in ClusterShell and pdsh. One whose last
/// number is padded in another way (`[1-010]`, `[01-002]`) is refused. Numbers have at most 18
/// digits. White space in a bracket is refused, and so are named dimensions (`host[gpu=0-3]`):
/// a bracket for each dimension (`host[0-7]gpu[0-3]`) says the same of names.
///
/// A bracket with a colon is no list of numbers: it must hold an IPv6 address (RFC 4291, 2.2; a
/// percent sign and a zone may follow), and is part of the name as it stands: `[::1]`,
/// `user@[fe80::1]:22`.
/// All other characters stand for themselves, but names do not begin with a dash, and have no
/// control character in them (below U+0020, U+007F to U+009F).
///
/// Errors are of reason::bad_arguments (thrown: codec_error) and say the column: bytes from the
/// beginning of the text, from 1. A text is refused before anything of it is expanded.
///
/// Threads: distinct objects: safe; shared ones: if all only read. Blocks: never.
template <class T = void> // so that files without sets do not compile what it does
class basic_name_set {
    detail::unique_names<T> names_;

    bool fits(std::size_t names, std::uint64_t bytes) const noexcept;

public:
    using value_type = std::string;
    using const_iterator = const std::string*;
    using iterator = const_iterator;

    /// Names in one set; of a text: before those that stand there twice collapse.
    static constexpr std::size_t most_names = 1'000'000;
    /// The sum of their lengths (256 MiB), in the same way.
    static constexpr std::uint64_t most_bytes = std::uint64_t{1} << 28;

    /// The empty set.
    basic_name_set() = default;
    /// The names of a text. Throws codec_error.
    explicit basic_name_set(std::string_view text);
    /// The same, with the error as a value.
    static result<basic_name_set> parse(std::string_view text);

    /// How many names there are.
    std::size_t size() const noexcept { return names_.all().size(); }
    /// True if there is none.
    bool empty() const noexcept { return names_.all().empty(); }
    /// The names by rank. Iterators are valid until the set changes.
    const_iterator begin() const noexcept { return names_.all().data(); }
    const_iterator end() const noexcept { return begin() + size(); }
    /// The name of that rank, which is less than size().
    const std::string& operator[](std::size_t rank) const noexcept { return names_.all()[rank]; }
    /// All of them, by rank.
    const std::vector<std::string>& names() const noexcept { return names_.all(); }
    /// True if the name is there: this text, not a pattern.
    bool contains(std::string_view name) const noexcept;

    /// Adds one name at the end; false if it is there already. Brackets with numbers, commas and
    /// white space are refused: this is a name and no pattern. Throws codec_error.
    bool insert(std::string_view name);
    /// The same, with the error as a value.
    result<bool> try_insert(std::string_view name);

    /// These names, then those of the other set that are not among them. Throws codec_error if they
    /// are too many for one set.
    basic_name_set unite(const basic_name_set& other) const;
    /// The same, with the error as a value.
    result<basic_name_set> try_unite(const basic_name_set& other) const;
    /// The names that are not in the other set, in this one's order.
    basic_name_set subtract(const basic_name_set& other) const;
    /// The names that are in both, in this one's order.
    basic_name_set intersect(const basic_name_set& other) const;
    /// Those of some ranks, as far as there are any.
    basic_name_set slice(name_slice which) const;
    /// Those of the ranks that a text lists, as between brackets: `0-3,7,10-20/2`; in its order.
    /// Nothing for an empty text. Throws codec_error, also for a rank that is not there.
    basic_name_set pick(std::string_view ranks) const;
    /// The same, with the error as a value.
    result<basic_name_set> try_pick(std::string_view ranks) const;

    /// The set as a short text: parse(fold()) equals it. Names that differ only in numbers become
    /// one name with brackets, at the place of the first of them, its numbers in ascending order
    /// and without steps, as by ClusterShell's `nodeset -f`: `web[1-3,5],db`. Of names with several
    /// numbers the last 8 are looked at. Numbers of more than one bracket are put together from the
    /// last to the first: a grid becomes one name; other shapes few, not always the fewest.
    std::string fold() const;

    /// True if both have the same names, in whatever order.
    friend bool operator==(const basic_name_set& a, const basic_name_set& b) noexcept {
        return a.equals(b);
    }

private:
    bool equals(const basic_name_set& other) const noexcept;
};

using name_set = basic_name_set<>;

} // namespace mitogen::inline MITOGEN_ABI
