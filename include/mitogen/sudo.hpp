// SPDX-License-Identifier: BSL-1.0
#pragma once
// sudo.hpp: children of other users: sudo, su, doas.

#include <mitogen/base/config.hpp>
#include <mitogen/base/separate.hpp>
#include <mitogen/connect/methods/options/doas.hpp>
#include <mitogen/connect/methods/options/su.hpp>
#include <mitogen/connect/methods/options/sudo.hpp>
#include <mitogen/connect/router.hpp>

#include <mitogen/core.hpp>

#include <mitogen/base/undef.hpp>
