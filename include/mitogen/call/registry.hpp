// SPDX-License-Identifier: BSL-1.0
#pragma once
// registry.hpp: the functions of this program that other contexts may call. The only process-wide
// state of the library.
//
// A function is in the list because the program names it: in a call, or through mitogen::remote.
// Its entry is constant-initialised; a static initialiser links it into the list, without
// allocation or lock. Texts and tables are made when first asked for, and kept.

#include <mitogen/base/config.hpp>
#include <mitogen/base/error.hpp>
#include <mitogen/call/edit_distance.hpp>
#include <mitogen/call/function_entry.hpp>
#include <mitogen/call/key_table.hpp>

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace mitogen::inline MITOGEN_ABI {

namespace detail {

// Entries by index. A library that is loaded later makes the table grow: a new one takes its place,
// and the old one is kept for its readers.
struct index_table {
    std::vector<const function_entry*> entries{};
    const index_table* superseded = nullptr;

    std::size_t size() const noexcept { return entries.size(); }
};

inline constinit std::atomic<const index_table*> indexed{nullptr};
inline constinit std::atomic<const key_table*> keyed{nullptr};

// Makes `made` the current table, or leaves one in place that knows as much. Replaced tables stay
// reachable and are never freed.
template <class Table>
const Table& publish(std::atomic<const Table*>& current, Table* made) {
    const Table* seen = current.load(std::memory_order_acquire);
    do {
        if (seen && seen->size() >= made->size()) {
            delete made;
            return *seen;
        }
        made->superseded = seen;
    } while (!current.compare_exchange_weak(seen, made, std::memory_order_acq_rel));
    return *made;
}

MITOGEN_COLD inline const index_table& make_index_table() {
    auto* made = new index_table;
    const function_entry* entry = all_functions.newest();
    made->entries.resize(entry ? entry->index() + 1 : 0);
    for (; entry; entry = entry->before()) made->entries[entry->index()] = entry;
    return publish(indexed, made);
}

} // namespace detail

/// The functions of this program that other contexts may call.
///
/// Threads: any. Blocks: never. A library that is loaded later adds its functions behind the
/// others; it must not be unloaded.
namespace registry {

/// How many functions are registered. Indices are below this.
inline std::uint32_t count() noexcept {
    const detail::function_entry* last = detail::all_functions.newest();
    return last ? last->index() + 1 : 0;
}

/// All functions, by index: in the order in which they were registered. The reference stays valid.
inline const std::vector<const detail::function_entry*>& entries() {
    const auto* table = detail::indexed.load(std::memory_order_acquire);
    if (table && table->size() >= count()) return table->entries;
    return detail::make_index_table().entries;
}

/// The function with that index; null if there is none. Constant time.
inline const detail::function_entry* by_index(std::uint32_t index) {
    const auto* table = detail::indexed.load(std::memory_order_acquire);
    if (table && index < table->size()) [[likely]]
        return table->entries[index];
    return index < count() ? entries()[index] : nullptr;
}

/// Makes the tables that by_index() and by_key() read; otherwise the first who asks does. Some
/// microseconds per function, because all names are composed.
MITOGEN_COLD inline const detail::key_table& freeze() {
    const auto& all = entries();
    if (const auto* table = detail::keyed.load(std::memory_order_acquire);
        table && table->size() >= all.size())
        return *table;
    return detail::publish(detail::keyed, new detail::key_table(all));
}

/// The function with that key. Null if there is none, if several have it (see duplicates()), or if
/// its name means something within one build only. Constant time once the table is made.
inline const detail::function_entry* by_key(std::uint64_t key) { return freeze().find(key); }

/// One text for each function that cannot be told from another: the identity that both have, or two
/// identities with equal keys. `mitogen::name_of` resolves either. A program should refuse to start
/// unless this is empty.
///
/// Where clang compiles without RTTI, instances of one function template print the same name. They
/// are not listed; they can be called within one build, and function_entry::stable_name() is false
/// for them.
inline const std::vector<std::string>& duplicates() { return freeze().duplicates(); }

/// The identity that is nearest to `wanted` by edit distance, for messages; empty if no function
/// has a stable name. `wanted` is a name or a whole identity, of this program or a peer's. Linear
/// time.
MITOGEN_COLD inline std::string nearest(std::string_view wanted) {
    const bool is_identity = wanted.find(")->") != std::string_view::npos;
    const detail::function_entry* best = nullptr;
    std::size_t least = 0;
    for (const detail::function_entry* entry : entries()) {
        if (!entry->texts().is_stable) continue;
        const std::size_t distance =
            detail::edit_distance(wanted, is_identity ? entry->identity() : entry->name());
        if (best && distance >= least) continue;
        best = entry;
        least = distance;
    }
    return best ? best->identity() : std::string();
}

/// Why by_key() has nothing for a function of that name and signature, which a program of another
/// build wants to call. An error with reason signature_mismatch (it prints both signatures) or
/// unknown_function (it names the nearest that there is).
MITOGEN_COLD inline error why_unknown(std::string_view name, std::string_view signature) {
    constexpr std::size_t longest = 1000; // both come from a peer
    const std::string wanted =
        std::string(name.substr(0, longest)) + std::string(signature.substr(0, longest));
    std::string others;
    for (const detail::function_entry* entry : entries()) {
        if (entry->name() != name) continue;
        if (entry->signature() != signature) {
            others += (others.empty() ? "" : " and ") + entry->identity();
            continue;
        }
        // it can be called, by its key: the caller computed another
        if (entry->stable_name()) continue;
        return error(reason::unknown_function,
                     wanted +
                         (entry->texts().is_stable
                              ? " cannot be told from another function of that program"
                              : " can be named only within one build, and caller and callee are "
                                "different ones") +
                         "; name it in both: template <> inline constexpr std::string_view "
                         "mitogen::name_of<&f> = \"...\";");
    }
    if (!others.empty())
        return error(reason::signature_mismatch,
                     "the caller wants " + wanted + ", the program that it calls has " + others);
    const std::string near = nearest(wanted);
    return error(reason::unknown_function,
                 "no remote function " + wanted +
                     (near.empty() ? "; that program exports none by name"
                                   : "; the nearest that there is: " + near));
}

} // namespace registry

namespace detail {

inline bool function_entry::stable_name() const { return registry::by_key(key()) == this; }

} // namespace detail
} // namespace mitogen::inline MITOGEN_ABI
