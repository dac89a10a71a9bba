// SPDX-License-Identifier: BSL-1.0
// simulated.cpp: holds nothing: the precompiled header of the tests of the simulation belongs to a
// target with a file.
