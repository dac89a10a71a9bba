// SPDX-License-Identifier: BSL-1.0
#pragma once
// kubectl.hpp: a child in a pod of a Kubernetes cluster.

#include <mitogen/base/config.hpp>
#include <mitogen/base/limits.hpp>
#include <mitogen/base/on.hpp>
#include <mitogen/base/result.hpp>
#include <mitogen/base/time.hpp>
#include <mitogen/boot/boot_plan.hpp>
#include <mitogen/method/container/kubectl_options.hpp>
#include <mitogen/method/exec_style.hpp>

#include <optional>
#include <string>
#include <string_view>
#include <tuple>
#include <vector>

namespace mitogen::inline MITOGEN_ABI {

namespace detail {

/// Plans what the options say.
struct planned_kubectl : kubectl {
    explicit planned_kubectl(const kubectl& options) : kubectl(options) {}

    /// What is to be executed.
    result<boot_plan> plan() const {
        detail::exec_style tool(method_name, kubectl_path, "kubectl_path");
        tool.add(kubectl_args).add_optional("ns", ns, "--namespace=").add({"exec", "--stdin"});
        tool.add_optional("container", container, "--container=")
            .add_required("pod", pod)
            .add({"--"});
        return tool.add_stage(connect_timeout).plan(*this, pod);
    }
};

} // namespace detail

MITOGEN_INLINE result<boot_plan> kubectl::plan() const {
    return detail::planned_kubectl(*this).plan();
}

} // namespace mitogen::inline MITOGEN_ABI
