// SPDX-License-Identifier: BSL-1.0
#pragma once
// ssh.hpp: children on other machines.

#include <mitogen/base/config.hpp>
#include <mitogen/base/separate.hpp>
#include <mitogen/method/ssh_options.hpp>
#include <mitogen/router/router.hpp>

#include <mitogen/core.hpp>

#include <mitogen/base/undef.hpp>
