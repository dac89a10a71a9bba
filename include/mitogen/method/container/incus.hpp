// SPDX-License-Identifier: BSL-1.0
#pragma once
// incus.hpp: a child in an instance of Incus.

#include <mitogen/base/config.hpp>
#include <mitogen/base/limits.hpp>
#include <mitogen/base/on.hpp>
#include <mitogen/base/result.hpp>
#include <mitogen/base/time.hpp>
#include <mitogen/boot/boot_plan.hpp>
#include <mitogen/method/container/incus_options.hpp>
#include <mitogen/method/exec_style.hpp>

#include <optional>
#include <string>
#include <string_view>
#include <tuple>

namespace mitogen::inline MITOGEN_ABI {

namespace detail {

/// Plans what the options say.
struct planned_incus : incus {
    explicit planned_incus(const incus& options) : incus(options) {}

    /// What is to be executed.
    result<boot_plan> plan() const {
        detail::exec_style tool(method_name, incus_path, "incus_path");
        tool.add({"exec", "--mode=non-interactive"})
            .add_required("container", container)
            .add({"--"});
        return tool.add_stage(connect_timeout).plan(*this, container);
    }
};

} // namespace detail

MITOGEN_INLINE result<boot_plan> incus::plan() const { return detail::planned_incus(*this).plan(); }

} // namespace mitogen::inline MITOGEN_ABI
