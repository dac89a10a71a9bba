// SPDX-License-Identifier: BSL-1.0
#pragma once
// namespace.hpp: children under another root, and in other processes' namespaces: chroot, nsenter.

#include <mitogen/base/config.hpp>
#include <mitogen/base/separate.hpp>
#include <mitogen/connect/methods/options/chroot.hpp>
#include <mitogen/connect/methods/options/nsenter.hpp>
#include <mitogen/connect/router.hpp>

#include <mitogen/core.hpp>

#include <mitogen/base/undef.hpp>
