// SPDX-License-Identifier: BSL-1.0
#pragma once
// group.hpp: sets of contexts as one value, and sets of names by pattern.

#include <mitogen/base/config.hpp>
#include <mitogen/base/separate.hpp>
#include <mitogen/group/group.hpp>
#include <mitogen/group/group_body.hpp>
#include <mitogen/group/name_set.hpp>

#include <mitogen/core.hpp>

#include <mitogen/base/undef.hpp>
