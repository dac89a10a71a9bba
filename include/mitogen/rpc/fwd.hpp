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

template <class T, class Io = io::native>
class basic_sender;
template <class T, class Io = io::native>
class basic_receiver;
template <class Shape, class Io = io::native>
class basic_dialog;
template <class T, class Io = io::native>
class basic_remote_range;

/// One node of the tree, with the means to make children.
using router = basic_router<>;
/// Some node of the tree, as seen from this one.
using context = basic_context<>;
/// The answer to a call that is under way.
template <class T>
using future = basic_future<T>;
/// The end of a channel that sends: an argument or a result like any other.
template <class T>
using sender = basic_sender<T>;
/// The end of a channel that receives.
template <class T>
using receiver = basic_receiver<T>;
/// The callee's end of a dialog, `dialog<Started(Received, Sent)>`.
template <class Shape>
using dialog = basic_dialog<Shape>;

} // namespace mitogen::inline MITOGEN_ABI
