// SPDX-License-Identifier: BSL-1.0
#include <mitogen/io/epoll.hpp>

#define MITOGEN_TEST_IO mitogen::io::epoll
#define MITOGEN_TEST_NAME "epoll"
#include "../generic/gate.ipp"
#include "../generic/own_process.ipp"
#include "../generic/parker.ipp"
#include "../generic/pipe.ipp"
#include "../generic/poller.ipp"
#include "../generic/thread.ipp"
#include "../generic/waker.ipp"
