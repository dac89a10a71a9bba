// SPDX-License-Identifier: BSL-1.0
#pragma once
// local.hpp: a child on this machine, by executing this program again.

#include <mitogen/base/config.hpp>
#include <mitogen/base/limits.hpp>
#include <mitogen/base/on.hpp>
#include <mitogen/base/result.hpp>
#include <mitogen/base/time.hpp>
#include <mitogen/boot/boot_plan.hpp>
#include <mitogen/method/local_options.hpp>
#include <mitogen/method/method.hpp>
#include <mitogen/protocol/handshake.hpp>

#include <optional>
#include <string>
#include <string_view>
#include <tuple>
#include <utility>

namespace mitogen::inline MITOGEN_ABI {

namespace detail {

/// Plans what the options say.
struct planned_local : local {
    explicit planned_local(const local& options) : local(options) {}

    /// What is to be executed.
    MITOGEN_COLD result<boot_plan> plan() const {
        boot_plan p;
        p.what = "local child";
        p.name = "local";
        p.name_takes_id = true;
        detail::apply_common(*this, p);
        auto program = detail::open_program(executable);
        if (!program) return program.error();
        p.program = std::move(*program);
        p.start.executable_fd = p.program->get();
        p.start.path = executable;
        p.start.argv = {"mitogen:" + p.name, std::string(child_argument)};
        return p;
    }
};

} // namespace detail

MITOGEN_INLINE result<boot_plan> local::plan() const { return detail::planned_local(*this).plan(); }

} // namespace mitogen::inline MITOGEN_ABI
