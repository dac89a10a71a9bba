// SPDX-License-Identifier: BSL-1.0
#pragma once
// command.hpp: commands that run in a context, and children behind any program that passes stdin
// and stdout on.

#include <mitogen/base/config.hpp>
#include <mitogen/base/separate.hpp>
#include <mitogen/command/commands.hpp>
#include <mitogen/method/command_options.hpp>
#include <mitogen/router/router.hpp>

#include <mitogen/core.hpp>

#include <mitogen/base/undef.hpp>
