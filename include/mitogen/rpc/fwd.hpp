// SPDX-License-Identifier: BSL-1.0
#pragma once
// fwd.hpp: the names of the call layer and their default arguments, once.

#include <mitogen/base/config.hpp>
#include <mitogen/io/native.hpp>

namespace mitogen::inline MITOGEN_ABI {

template <class Io = io::native>
class basic_router;
template <class Io = io::native>
class basic_context;
template <class T, class Io = io::native>
class basic_future;
template <class Io = io::native>
class basic_chain;

/// One node of the tree, with the means to make children.
using router = basic_router<>;
/// Some node of the tree, as seen from this one.
using context = basic_context<>;
/// The answer to a call that is under way.
template <class T>
using future = basic_future<T>;

} // namespace mitogen::inline MITOGEN_ABI
