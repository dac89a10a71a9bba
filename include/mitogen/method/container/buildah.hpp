// SPDX-License-Identifier: BSL-1.0
#pragma once
// buildah.hpp: a child in a working container of Buildah.

#include <mitogen/base/config.hpp>
#include <mitogen/base/limits.hpp>
#include <mitogen/base/on.hpp>
#include <mitogen/base/result.hpp>
#include <mitogen/base/time.hpp>
#include <mitogen/boot/boot_plan.hpp>
#include <mitogen/method/container/buildah_options.hpp>
#include <mitogen/method/exec_style.hpp>

#include <optional>
#include <string>
#include <string_view>
#include <tuple>

namespace mitogen::inline MITOGEN_ABI {

namespace detail {

/// Plans what the options say.
struct planned_buildah : buildah {
    explicit planned_buildah(const buildah& options) : buildah(options) {}

    /// What is to be executed.
    result<boot_plan> plan() const {
        detail::exec_style tool(method_name, buildah_path, "buildah_path");
        tool.add({"run"}).add_optional("username", username, "--user=").add({"--"});
        auto p = tool.add_required("container", container)
                     .add_stage(connect_timeout)
                     .plan(*this, container);
        // with --isolation=chroot buildah passes on 64 KiB in 100 ms, if they are not read at once
        if (p) p->compress_program = true;
        return p;
    }
};

} // namespace detail

MITOGEN_INLINE result<boot_plan> buildah::plan() const {
    return detail::planned_buildah(*this).plan();
}

} // namespace mitogen::inline MITOGEN_ABI
