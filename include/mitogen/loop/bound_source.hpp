// SPDX-License-Identifier: BSL-1.0
#pragma once
// bound_source.hpp: a watched descriptor that calls a member of the object that it lives in.

#include <mitogen/base/config.hpp>
#include <mitogen/loop/watch_table.hpp>

#include <type_traits>

namespace mitogen::inline MITOGEN_ABI {

namespace detail {

/// Made useful by on_ready(). Moving it, or its owner, breaks it.
template <class Owner>
struct bound_source : event_source {
    Owner* owner = nullptr;
};

/// Has `Member` of `owner` called, on the loop, when `fd` is ready: with what it is ready for
/// (readable, writable) if it takes two bools, else with nothing. The caller watches it.
template <auto Member, class Owner>
void on_ready(bound_source<Owner>& source, Owner& owner, int fd) noexcept {
    source.owner = &owner;
    source.fd = fd;
    source.ready = [](event_source& s, bool readable, bool writable) {
        Owner& self = *static_cast<bound_source<Owner>&>(s).owner;
        if constexpr (std::is_invocable_v<decltype(Member), Owner&, bool, bool>)
            (self.*Member)(readable, writable);
        else
            (self.*Member)();
    };
}

} // namespace detail
} // namespace mitogen::inline MITOGEN_ABI
