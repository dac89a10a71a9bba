// SPDX-License-Identifier: BSL-1.0
#pragma once
// log.hpp: the log, and where it goes.

#include <mitogen/base/config.hpp>
#include <mitogen/base/log.hpp>
#include <mitogen/base/separate.hpp>

#include <mitogen/core.hpp>

#include <mitogen/base/undef.hpp>
