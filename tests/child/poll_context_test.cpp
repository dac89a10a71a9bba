// SPDX-License-Identifier: BSL-1.0
#include <mitogen/io/poll.hpp>

#define MITOGEN_TEST_IO mitogen::io::poll
#define MITOGEN_TEST_NAME "poll contexts"
#include "../generic/context.ipp"
