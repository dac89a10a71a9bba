// SPDX-License-Identifier: BSL-1.0
#pragma once
// stream.hpp: remote functions that yield items: generator, and the range that its caller gets.

#include <mitogen/base/config.hpp>
#include <mitogen/base/separate.hpp>
#include <mitogen/flow/generator.hpp>
#include <mitogen/flow/remote_range.hpp>

#include <mitogen/core.hpp>

#include <mitogen/base/undef.hpp>
