// SPDX-License-Identifier: BSL-1.0
#pragma once
// error_group.hpp: makes one error of several.

#include <mitogen/base/config.hpp>
#include <mitogen/base/error.hpp>

#include <cstddef>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace mitogen::inline MITOGEN_ABI {

/// One error for several. The members of a group among them become members themselves; one that is
/// there already, as the same object, is not added again. A group of one is that one. `errors` is
/// not empty.
///
/// The result has reason::several and members(), and is thrown as error_group. A result<T> can hold
/// it as any other error.
inline error group_errors(const std::vector<error>& errors) {
    auto members = std::make_shared<std::vector<error>>();
    const auto add = [&](const error& one) {
        for (const error& there : *members)
            if (&there.detail() == &one.detail()) return;
        members->push_back(one);
    };
    for (const error& e : errors) {
        if (e.members().empty()) {
            add(e);
        } else {
            for (const error& one : e.members()) add(one);
        }
    }
    if (members->size() == 1) return members->front();
    error_detail d;
    d.why = reason::several;
    d.text = std::to_string(members->size()) + " errors:";
    std::size_t number = 0;
    for (const error& one : *members) {
        d.text += "\n  " + std::to_string(++number) + ". ";
        for (const char c : std::string_view(one.what()))
            d.text.append(c == '\n' ? "\n     " : std::string(1, c));
    }
    d.members = std::move(members);
    return error(std::move(d));
}

} // namespace mitogen::inline MITOGEN_ABI
