// SPDX-License-Identifier: BSL-1.0
#include <mitogen/io/poll.hpp>

#define MITOGEN_TEST_IO mitogen::io::poll
#define MITOGEN_TEST_NAME "poll"
#include "../generic/own_process.ipp"
#include "../generic/parker.ipp"
#include "../generic/pipe.ipp"
#include "../generic/poller.ipp"
#include "../generic/thread.ipp"
#include "../generic/waker.ipp"
