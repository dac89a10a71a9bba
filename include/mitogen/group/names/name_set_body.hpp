// SPDX-License-Identifier: BSL-1.0
#pragma once
// name_set_body.hpp: what sets of names do.

#include <mitogen/base/config.hpp>
#include <mitogen/base/error.hpp>
#include <mitogen/base/result.hpp>
#include <mitogen/group/names/name_fold.hpp>
#include <mitogen/group/names/name_pattern.hpp>
#include <mitogen/group/names/name_set.hpp>
#include <mitogen/group/names/number_ranges.hpp>
#include <mitogen/group/names/unique_names.hpp>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace mitogen::inline MITOGEN_ABI {
namespace detail {

template <class T>
std::size_t unique_names<T>::slot_of(std::string_view name) const noexcept {
    const std::size_t mask = slots_.size() - 1;
    std::size_t slot = std::hash<std::string_view>{}(name)&mask;
    while (slots_[slot] != 0 && names_[slots_[slot] - 1] != name) slot = (slot + 1) & mask;
    return slot;
}

template <class T>
void unique_names<T>::grow() {
    slots_.assign(std::max<std::size_t>(16, slots_.size() * 2), 0);
    for (std::size_t i = 0; i < names_.size(); ++i)
        slots_[slot_of(names_[i])] = static_cast<std::uint32_t>(i + 1);
}

template <class T>
std::size_t unique_names<T>::find(std::string_view name) const noexcept {
    if (names_.empty()) return nowhere;
    const std::uint32_t found = slots_[slot_of(name)];
    return found == 0 ? nowhere : found - 1;
}

template <class T>
std::size_t unique_names<T>::add(std::string name) {
    bytes_ = bytes();
    if (slots_.size() < 2 * (names_.size() + 1)) grow();
    const std::size_t slot = slot_of(name);
    if (slots_[slot] != 0) return slots_[slot] - 1;
    const std::uint64_t length = name.size();
    names_.push_back(std::move(name));
    bytes_ += length;
    slots_[slot] = static_cast<std::uint32_t>(names_.size());
    return names_.size() - 1;
}

} // namespace detail

template <class T>
basic_name_set<T>::basic_name_set(std::string_view text) : basic_name_set(parse(text).value()) {}

template <class T>
bool basic_name_set<T>::fits(std::size_t names, std::uint64_t bytes) const noexcept {
    return names <= most_names - size() && bytes <= most_bytes - names_.bytes();
}

template <class T>
result<basic_name_set<T>> basic_name_set<T>::parse(std::string_view text) {
    std::uint64_t count = 0;
    std::uint64_t bytes = 0;
    detail::name_pattern<T> checked(text);
    for (;;) {
        const result<bool> more = checked.next(most_names);
        if (!more) return more.error();
        if (!*more) break;
        count += checked.count();
        if (count > most_names) return detail::too_many_names(checked.begin(), most_names);
        bytes += checked.bytes();
        if (bytes > most_bytes)
            return detail::bad_names(checked.begin(), "names of more than " +
                                                          std::to_string(most_bytes >> 20) +
                                                          " MiB in all");
    }
    basic_name_set out;
    out.names_.reserve(static_cast<std::size_t>(count));
    detail::name_pattern<T> names(text);
    while (*names.next(most_names))
        names.expand([&](std::string name) { out.names_.add(std::move(name)); });
    return out;
}

template <class T>
bool basic_name_set<T>::contains(std::string_view name) const noexcept {
    return names_.find(name) != detail::unique_names<T>::nowhere;
}

template <class T>
result<bool> basic_name_set<T>::try_insert(std::string_view name) {
    detail::name_pattern<T> pattern(name);
    const result<bool> any = pattern.next(most_names);
    if (!any) return any.error();
    if (!*any) return detail::bad_names(0, "a name is missing");
    if (pattern.has_numbers()) return detail::bad_names(0, "a pattern, where one name must stand");
    if (pattern.bytes() != name.size())
        return detail::bad_names(0, "white space or a comma in a name");
    if (contains(name)) return false;
    if (!fits(1, name.size())) return detail::too_many_names(0, most_names);
    names_.add(std::string(name));
    return true;
}

template <class T>
bool basic_name_set<T>::insert(std::string_view name) { return try_insert(name).value(); }

template <class T>
result<basic_name_set<T>> basic_name_set<T>::try_unite(const basic_name_set& other) const {
    basic_name_set out = *this;
    for (const std::string& name : other) {
        if (out.contains(name)) continue;
        if (!out.fits(1, name.size()))
            return error(reason::bad_arguments, "names: more than one set holds");
        out.names_.add(name);
    }
    return out;
}

template <class T>
basic_name_set<T> basic_name_set<T>::unite(const basic_name_set& other) const {
    return try_unite(other).value();
}

template <class T>
basic_name_set<T> basic_name_set<T>::subtract(const basic_name_set& other) const {
    basic_name_set out;
    for (const std::string& name : *this)
        if (!other.contains(name)) out.names_.add(name);
    return out;
}

template <class T>
basic_name_set<T> basic_name_set<T>::intersect(const basic_name_set& other) const {
    basic_name_set out;
    for (const std::string& name : *this)
        if (other.contains(name)) out.names_.add(name);
    return out;
}

template <class T>
basic_name_set<T> basic_name_set<T>::slice(name_slice which) const {
    basic_name_set out;
    const std::size_t first = std::min(which.first, size());
    const std::size_t count = std::min(which.count, size() - first);
    for (std::size_t i = 0; i < count; ++i) out.names_.add(names_.all()[first + i]);
    return out;
}

template <class T>
result<basic_name_set<T>> basic_name_set<T>::try_pick(std::string_view ranks) const {
    basic_name_set out;
    if (ranks.empty()) return out;
    const result<std::vector<detail::number_range<T>>> ranges =
        detail::range_reader<T>(ranks, 0, ranks.size()).read(most_names);
    if (!ranges) return ranges.error();
    for (const detail::number_range<T>& range : *ranges) {
        const std::uint64_t last = range.first + (range.count() - 1) * range.step;
        if (last >= size())
            return detail::bad_names(range.at, "rank " + std::to_string(last) + " in a set of " +
                                                   std::to_string(size()) + " names");
    }
    for (const detail::number_range<T>& range : *ranges)
        for (std::uint64_t rank = range.first; rank <= range.last; rank += range.step)
            out.names_.add(names_.all()[static_cast<std::size_t>(rank)]);
    return out;
}

template <class T>
basic_name_set<T> basic_name_set<T>::pick(std::string_view ranks) const {
    return try_pick(ranks).value();
}

template <class T>
std::string basic_name_set<T>::fold() const {
    detail::name_folder<T> folder;
    for (const std::string& name : *this) folder.add(name);
    return folder.text();
}

template <class T>
bool basic_name_set<T>::equals(const basic_name_set& other) const noexcept {
    return size() == other.size() && std::all_of(begin(), end(), [&](const std::string& name) {
               return other.contains(name);
           });
}

} // namespace mitogen::inline MITOGEN_ABI
