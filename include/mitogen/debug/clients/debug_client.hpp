// SPDX-License-Identifier: BSL-1.0
#pragma once
// debug_client.hpp: makes this program's terminal the second terminal of a tree that is debugged.

#include <mitogen/base/config.hpp>
#include <mitogen/base/result.hpp>
#include <mitogen/io/native_name.hpp>

#include <string>

namespace mitogen::inline MITOGEN_ABI {

/// Makes standard input and output of this program the second terminal of a tree that is debugged:
/// lists what has stopped there, and attends to it; `help` says how. `socket`: the path where its
/// root listens (MITOGEN_DEBUG_SOCKET); empty: the only tree of this user on this host that is
/// debugged. What mitogen-debug does. Returns when its user leaves, or the tree ends; nothing there
/// depends on it. Threads: any. Blocks: yes. Errors: connect_error, if nobody listens there, or
/// another user does; misuse, if it is not clear which tree is meant.
template <class Io = io::native> // so that files without it do not compile what it does
result<void> try_debug_client(const std::string& socket = {});
/// The same; throws if it fails.
template <class Io = io::native>
void debug_client(const std::string& socket = {}) {
    try_debug_client<Io>(socket).value();
}

} // namespace mitogen::inline MITOGEN_ABI
