// SPDX-License-Identifier: BSL-1.0
#include <mitogen/simulation/simulated.hpp>

#define MITOGEN_TEST_IO mitogen::io::simulated
#define MITOGEN_TEST_NAME "simulated"
#define MITOGEN_TEST_SIMULATED
#include "../generic/gate.ipp"
#include "../generic/parker.ipp"
#include "../generic/poller.ipp"
#include "../generic/thread.ipp"
#include "../generic/waker.ipp"
