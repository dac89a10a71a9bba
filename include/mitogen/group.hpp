// SPDX-License-Identifier: BSL-1.0
#pragma once
// group.hpp: sets of contexts as one value, work shared by them, and sets of names by pattern.

#include <mitogen/base/config.hpp>
#include <mitogen/base/separate.hpp>
#include <mitogen/group/connect_all.hpp>
#include <mitogen/group/group.hpp>
#include <mitogen/group/group_body.hpp>
#include <mitogen/group/names/name_set.hpp>
#include <mitogen/group/pool.hpp>

#include <mitogen/core.hpp>

#include <mitogen/base/undef.hpp>
