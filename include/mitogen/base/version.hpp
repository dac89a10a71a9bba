// SPDX-License-Identifier: BSL-1.0
#pragma once
// version.hpp: the one place that has the version.

#define MITOGEN_VERSION_MAJOR 0
#define MITOGEN_VERSION_MINOR 1
#define MITOGEN_VERSION_PATCH 0
