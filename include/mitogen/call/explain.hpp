// SPDX-License-Identifier: BSL-1.0
#pragma once
// explain.hpp: asks the other side what is wrong with a function key, so that the error can print
// names and signatures.

#include <mitogen/base/config.hpp>
#include <mitogen/base/error.hpp>
#include <mitogen/call/registry.hpp>
#include <mitogen/codec/codec.hpp>
#include <mitogen/node/node.hpp>
#include <mitogen/protocol/handle.hpp>

#include <cstdint>
#include <string>

namespace mitogen::inline MITOGEN_ABI {

namespace detail {

/// The key by which `subject`, a function_entry, is called in `to`, which does not know its number.
MITOGEN_COLD inline result<std::uint64_t> key_across_builds(const void* subject, context_id to) {
    const auto& function = *static_cast<const function_entry*>(subject);
    // what a library has registered in a list of its own may be known elsewhere; that says so
    const bool is_listed = registry::by_index(function.index()) == &function;
    if (is_listed ? function.stable_name() : function.texts().is_stable) return function.key();
    return error(reason::unknown_function,
                 function.name() + " can be named only within one build, and context " +
                     std::to_string(to) +
                     " runs another; give it a name that both know: template <> inline constexpr "
                     "std::string_view mitogen::name_of<&f> = \"...\";");
}

/// Between different builds a call carries only a 64-bit key. If the callee does not know it, the
/// caller sends the function's name and signature after it, once, and the answer to that, which
/// says what is different, becomes the call's error. True if that was done for `answer`, which has
/// failed with `why`.
inline bool ask_what_is_wrong(mitogen::node& node, outstanding_call& answer, const error& why) {
    if (why.reason() != reason::unknown_function || !why.hops().empty() || !answer.subject ||
        answer.subject == &connect_request || answer.explained)
        return false;
    answer.explained = true;
    const auto& function = *static_cast<const function_entry*>(answer.subject);
    return node
        .send(node.address(answer.respondent(), handles::explain_call, answer.handle()),
              encode(function.name(), function.signature()), flush_mode::soon)
        .has_value();
}

/// The name of what was asked, for errors about it; empty if it is no function.
MITOGEN_COLD inline std::string name_of_subject(const void* subject) {
    if (!subject || subject == &connect_request) return {};
    return static_cast<const function_entry*>(subject)->name();
}

} // namespace detail
} // namespace mitogen::inline MITOGEN_ABI
