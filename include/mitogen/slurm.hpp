// SPDX-License-Identifier: BSL-1.0
#pragma once
// slurm.hpp: children on the nodes of a Slurm cluster.

#include <mitogen/base/config.hpp>
#include <mitogen/base/separate.hpp>
#include <mitogen/method/slurm_options.hpp>
#include <mitogen/router/router.hpp>

#include <mitogen/core.hpp>

#include <mitogen/base/undef.hpp>
