// SPDX-License-Identifier: BSL-1.0
#pragma once
// tree_dump.hpp: what every context of a tree is at, as one text.

#include <mitogen/base/config.hpp>
#include <mitogen/base/error.hpp>
#include <mitogen/base/time.hpp>
#include <mitogen/call/future.hpp>
#include <mitogen/codec/codec.hpp>
#include <mitogen/debug/stop_report.hpp>
#include <mitogen/link/visible_text.hpp>
#include <mitogen/node/router_core.hpp>
#include <mitogen/protocol/handle.hpp>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace mitogen::inline MITOGEN_ABI {
namespace detail {

/// What another context wants to be shown: lines of text, each behind `margin`, and no more of them
/// than a person reads.
template <class = void> // compiled where it is used
MITOGEN_COLD std::string shown_lines(std::string_view text, std::string_view margin = {}) {
    constexpr std::size_t most_text = 64u << 10;
    std::string lines;
    for (text = text.substr(0, most_text); !text.empty();) {
        const std::size_t end = std::min(text.find('\n'), text.size());
        lines.append(margin) += visible_text(text.substr(0, end)) + "\n";
        text.remove_prefix(std::min(end + 1, text.size()));
    }
    return lines;
}

/// Of this context and all below it, each behind the one that has made it. All are asked at once;
/// who has not answered after `patience`, or has no debugger, is named. Not on the loop.
template <class Io>
std::string dump_tree(basic_router_core<Io>& node, duration_ns patience = 1'000'000'000) {
    struct line {
        std::vector<std::string> path;
        context_id id;
        future<std::string> said;
    };
    std::vector<line> all;
    for (const context_id id : node.ids_below())
        all.push_back({node.path_of(id), id,
                       future<std::string>(
                           &node.ask({.to = id,
                                      .handle = handles::ask_stopped,
                                      .how = question::manner::pass,
                                      .payload = encode(std::uint64_t{0}, tree_dump_wanted)}),
                           node, decode_environment{})});
    std::sort(all.begin(), all.end(), [](const line& a, const line& b) { return a.path < b.path; });
    const instant until = after(node.now(), patience);
    std::string text = "this context\n" + shown_lines(node.status_text(), "    ");
    for (line& l : all) {
        const result<std::string> said = l.said.try_get_until(until);
        text += node.called(l.id) + " (context " + std::to_string(l.id) + ")\n";
        text += said ? shown_lines(*said, "    ")
                     : "    does not say: " + std::string(said.error().message()) + "\n";
    }
    return text;
}

} // namespace detail
} // namespace mitogen::inline MITOGEN_ABI
