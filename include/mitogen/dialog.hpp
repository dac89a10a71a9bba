// SPDX-License-Identifier: BSL-1.0
#pragma once
// dialog.hpp: conversations with one result: dialog, and its other end.

#include <mitogen/base/config.hpp>
#include <mitogen/base/separate.hpp>
#include <mitogen/flow/dialog.hpp>
#include <mitogen/flow/open_dialog.hpp>

#include <mitogen/core.hpp>

#include <mitogen/base/undef.hpp>
