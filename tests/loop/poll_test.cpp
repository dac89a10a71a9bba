// SPDX-License-Identifier: BSL-1.0
#include <mitogen/io/poll.hpp>

#define MITOGEN_TEST_IO mitogen::io::poll
#define MITOGEN_TEST_NAME "poll"
#include "../generic/broker.ipp"
#include "../generic/transport.ipp"
