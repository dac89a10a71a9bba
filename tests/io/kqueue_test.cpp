// SPDX-License-Identifier: BSL-1.0
#include <mitogen/io/kqueue.hpp>

#define MITOGEN_TEST_IO mitogen::io::kqueue
#define MITOGEN_TEST_NAME "kqueue"
#include "../generic/own_process.ipp"
#include "../generic/parker.ipp"
#include "../generic/pipe.ipp"
#include "../generic/poller.ipp"
#include "../generic/thread.ipp"
#include "../generic/waker.ipp"
