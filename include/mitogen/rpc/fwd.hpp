// SPDX-License-Identifier: BSL-1.0
#pragma once
// fwd.hpp: the names of the call layer.

#include <mitogen/base/config.hpp>

namespace mitogen::inline MITOGEN_ABI {

struct boot_info;
struct boot_plan;
struct connect_progress;

class any_method;
class call_port;
class chain;
class context;
class router;

template <class T>
class future;
template <class T>
class sender;
template <class T>
class receiver;
template <class T>
class remote_range;
template <class Shape>
class dialog;
template <class Shape, class Result>
class open_dialog;

/// The node behind a router.
inline call_port& node_of(router& of) noexcept;

namespace rpc::detail {

class inbox;
class outbox;

} // namespace rpc::detail
} // namespace mitogen::inline MITOGEN_ABI
