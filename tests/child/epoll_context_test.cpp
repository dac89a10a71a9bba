// SPDX-License-Identifier: BSL-1.0
#include <mitogen/io/epoll.hpp>

#define MITOGEN_TEST_IO mitogen::io::epoll
#define MITOGEN_TEST_NAME "epoll contexts"
#include "../generic/context.ipp"
