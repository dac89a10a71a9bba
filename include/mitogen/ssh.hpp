// SPDX-License-Identifier: BSL-1.0
#pragma once
// ssh.hpp: children on other machines.

#include <mitogen/base/config.hpp>
#include <mitogen/base/separate.hpp>
#include <mitogen/connect/methods/options/ssh.hpp>
#include <mitogen/connect/router.hpp>

#include <mitogen/core.hpp>

#include <mitogen/base/undef.hpp>
