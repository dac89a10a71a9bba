// SPDX-License-Identifier: BSL-1.0
#pragma once
// namespace.hpp: children under another root, and in other processes' namespaces: chroot, nsenter.

#include <mitogen/base/config.hpp>
#include <mitogen/base/separate.hpp>
#include <mitogen/method/namespace/chroot_options.hpp>
#include <mitogen/method/namespace/nsenter_options.hpp>
#include <mitogen/router/router.hpp>

#include <mitogen/core.hpp>

#include <mitogen/base/undef.hpp>
