// SPDX-License-Identifier: BSL-1.0
#pragma once
// umbrella.hpp: where MITOGEN_TEST_PCH is on, included in front of every test that links the core:
// what a program sees of the library, and Catch2, parsed once for all of them.

#include <mitogen/mitogen.hpp>

#define CATCH_CONFIG_EXTERNAL_INTERFACES // for main.cpp
#include <catch2/catch.hpp>
