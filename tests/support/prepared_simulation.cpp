// SPDX-License-Identifier: BSL-1.0
// prepared_simulation.cpp: what prepared.hpp promises, under the simulated policy.
#define MITOGEN_PREPARE_SIMULATION
#include "prepared.hpp"

MITOGEN_TEST_PREPARE(template, mitogen::io::simulated)
