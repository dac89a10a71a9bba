// SPDX-License-Identifier: BSL-1.0
// prepared.cpp: what prepared.hpp promises.
#include "prepared.hpp"

MITOGEN_TEST_PREPARE(template)
