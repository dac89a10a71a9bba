// SPDX-License-Identifier: BSL-1.0
#pragma once
// sudo.hpp: children of other users: sudo, su, doas.

#include <mitogen/base/config.hpp>
#include <mitogen/base/separate.hpp>
#include <mitogen/method/privilege/doas_options.hpp>
#include <mitogen/method/privilege/su_options.hpp>
#include <mitogen/method/privilege/sudo_options.hpp>
#include <mitogen/router/router.hpp>

#include <mitogen/core.hpp>

#include <mitogen/base/undef.hpp>
