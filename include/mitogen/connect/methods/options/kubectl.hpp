// SPDX-License-Identifier: BSL-1.0
#pragma once
// kubectl.hpp: a child in a pod of a Kubernetes cluster.

#include <mitogen/base/config.hpp>
#include <mitogen/base/limits.hpp>
#include <mitogen/base/result.hpp>
#include <mitogen/base/time.hpp>
#include <mitogen/connect/methods/any_method.hpp>
#include <mitogen/rpc/function_entry.hpp>

#include <optional>
#include <string>
#include <string_view>
#include <tuple>
#include <vector>

namespace mitogen::inline MITOGEN_ABI {

/// A process in a pod of a Kubernetes cluster.
struct kubectl {
    std::string pod{};                       ///< its name, or "kind/name" as kubectl takes it ("deploy/web")
    std::string container{};                 ///< of the pod; empty: its first, or the one that it marks as default
    std::string ns{};                        ///< the namespace; empty: as kubectl decides
    std::vector<std::string> kubectl_args{}; ///< further arguments, before `exec`: {"--context=prod"}
    std::string kubectl_path = "kubectl";    ///< the client to run

    std::string name{};                                ///< of the context; empty: "kubectl.<pod>"
    std::chrono::milliseconds connect_timeout{30'000}; ///< from start to hello, transfer included
    std::string executable{};                          ///< the program to run there, by path here; empty: this one
    on executor = on::main;                            ///< of functions there that do not say where they run: see run_on
    std::optional<mitogen::limits> limits{};           ///< for it and all below it; empty: this context's own
    bool keep_program = true;                          ///< in a cache there: the next connection sends none

    static constexpr std::string_view method_name = "kubectl";
    template <class Self>
    static constexpr auto fields(Self& self) {
        return std::tie(self.pod, self.container, self.ns, self.kubectl_args, self.kubectl_path,
                        self.name, self.connect_timeout, self.executable, self.executor, self.limits, self.keep_program);
    }

    /// What is to be executed.
    result<boot_plan> plan() const;
};

/// The options of router::kubectl().
using kubectl_options = kubectl;

} // namespace mitogen::inline MITOGEN_ABI
