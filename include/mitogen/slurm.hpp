// SPDX-License-Identifier: BSL-1.0
#pragma once
// slurm.hpp: children on the nodes of a Slurm cluster.

#include <mitogen/base/config.hpp>
#include <mitogen/base/separate.hpp>
#include <mitogen/connect/methods/options/slurm.hpp>
#include <mitogen/connect/router.hpp>

#include <mitogen/core.hpp>

#include <mitogen/base/undef.hpp>
