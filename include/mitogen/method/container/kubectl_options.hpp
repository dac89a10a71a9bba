// SPDX-License-Identifier: BSL-1.0
#pragma once
// kubectl_options.hpp: a child in a pod of a Kubernetes cluster.

#include <mitogen/base/config.hpp>
#include <mitogen/base/limits.hpp>
#include <mitogen/base/result.hpp>
#include <mitogen/base/time.hpp>
#include <mitogen/call/any_method.hpp>
#include <mitogen/call/function_entry.hpp>

#include <optional>
#include <string>
#include <string_view>
#include <tuple>
#include <vector>

namespace mitogen::inline MITOGEN_ABI {

/// A process in a pod of a Kubernetes cluster.
struct kubectl {
    /// its name, or "kind/name" as kubectl takes it ("deploy/web")
    std::string pod{};
    /// of the pod; empty: its first, or the one that it marks as default
    std::string container{};
    std::string ns{}; ///< the namespace; empty: as kubectl decides
    /// further arguments, before `exec`: {"--context=prod"}
    std::vector<std::string> kubectl_args{};
    std::string kubectl_path = "kubectl"; ///< the client to run

    std::string name{};                                ///< of the context; empty: "kubectl.<pod>"
    std::chrono::milliseconds connect_timeout{30'000}; ///< from start to hello, transfer included
    /// the program to run there, by path here; empty: this one
    std::string executable{};
    /// of functions there that have no run_on of their own
    on executor = on::main;
    /// for it and all below it; empty: this context's own
    std::optional<mitogen::limits> limits{};
    bool may_detach = false; ///< it may leave the tree and go on alone: router::detach()
    /// in a cache there: the next connection sends none
    bool keep_program = true;

    static constexpr std::string_view method_name = "kubectl";
    template <class Self>
    static constexpr auto fields(Self& self) {
        return std::tie(self.pod, self.container, self.ns, self.kubectl_args, self.kubectl_path,
                        self.name, self.connect_timeout, self.executable, self.executor,
                        self.limits, self.may_detach, self.keep_program);
    }

    /// What is to be executed.
    result<boot_plan> plan() const;
};

/// The options of router::kubectl().
using kubectl_options = kubectl;

} // namespace mitogen::inline MITOGEN_ABI
