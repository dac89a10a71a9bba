// SPDX-License-Identifier: BSL-1.0
#pragma once
// explain.hpp: asks the other side what is wrong with a function key, so that the error can print names and signatures.

#include <mitogen/base/config.hpp>
#include <mitogen/base/error.hpp>
#include <mitogen/route/router_core.hpp>
#include <mitogen/rpc/registry.hpp>
#include <mitogen/wire/codec.hpp>
#include <mitogen/wire/handle.hpp>

#include <cstdint>
#include <string>

namespace mitogen::inline MITOGEN_ABI {

/// What calls between different builds need: a function's key, and an explanation where the callee does not know it.
///
/// Between different builds a call carries only a 64-bit key. Where the callee does not know it, the caller sends the function's
/// name and signature after it, once, and the answer to that, which says what is different, becomes the call's error.
template <class Io>
void explain_unknown_functions(basic_router_core<Io>& node) {
    node.key_of = [](const void* subject, context_id to) -> result<std::uint64_t> {
        const auto& function = *static_cast<const function_entry*>(subject);
        if (function.stable_name()) return function.key();
        return error(reason::unknown_function, function.name() + " can be named only within one build, and context " +
                                                   std::to_string(to) +
                                                   " runs another; give it a name that both know: template <> inline constexpr "
                                                   "std::string_view mitogen::name_of<&f> = \"…\";");
    };
    node.on_failure = [&node](basic_pending<Io>& p, const error& why) {
        if (why.reason() != reason::unknown_function || !p.subject || p.subject == &connect_request || p.explained)
            return false;
        p.explained = true;
        const auto& function = *static_cast<const function_entry*>(p.subject);
        const header question{
            .dst = p.respondent(), .src = node.id(), .auth = node.id(), .handle = handles::explain_call, .reply_to = p.handle()};
        return node.send(question, encode(function.name(), function.signature()), urgency::soon).has_value();
    };
}

} // namespace mitogen::inline MITOGEN_ABI
