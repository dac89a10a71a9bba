// SPDX-License-Identifier: BSL-1.0
#pragma once
// shutdown_notice.hpp: what handles::shutdown brings to a context that is to end.

#include <mitogen/base/config.hpp>
#include <mitogen/base/ids.hpp>
#include <mitogen/codec/buffer.hpp>
#include <mitogen/codec/codec.hpp>
#include <mitogen/protocol/message.hpp>

namespace mitogen::inline MITOGEN_ABI {
namespace wire {

/// A request to end: the flag, then the id.
struct shutdown_notice {
    bool at_once = false;       ///< there is no time for what runs
    context_id by = no_context; ///< who has asked for it; the parent passes it on

    buffer encoded() const { return encode(at_once, by); }

    /// What does not decode is a request of the one that sends it.
    static shutdown_notice read(const message& m) {
        shutdown_notice n{.by = m.head.src};
        reader r(m.payload);
        shutdown_notice said;
        if (decode(r, said.at_once, said.by) && r.finish()) n = said;
        return n;
    }
};

} // namespace wire
} // namespace mitogen::inline MITOGEN_ABI
