// SPDX-License-Identifier: BSL-1.0
// prepared.cpp: what prepared.hpp promises, under the native policy.
#include "prepared.hpp"

MITOGEN_TEST_PREPARE_NATIVE(template)
