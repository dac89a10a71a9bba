// SPDX-License-Identifier: BSL-1.0
#pragma once
// simulation.hpp: simulated worlds, for tests. Written by tools/amalgamate.

#include <mitogen/mitogen.hpp>

#include <mitogen/base/config.hpp> // its macros again, which the umbrella has removed
#include <mitogen/os/fiber.hpp>
#include <mitogen/simulation/chooser.hpp>
#include <mitogen/simulation/explore.hpp>
#include <mitogen/simulation/fault_injector.hpp>
#include <mitogen/simulation/faults.hpp>
#include <mitogen/simulation/file.hpp>
#include <mitogen/simulation/fleet.hpp>
#include <mitogen/simulation/kernel.hpp>
#include <mitogen/simulation/owned.hpp>
#include <mitogen/simulation/poller.hpp>
#include <mitogen/simulation/primitives.hpp>
#include <mitogen/simulation/scheduler.hpp>
#include <mitogen/simulation/simulated.hpp>
#include <mitogen/simulation/trace.hpp>
#include <mitogen/simulation/world.hpp>

#include <mitogen/base/undef.hpp>
