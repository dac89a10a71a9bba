// SPDX-License-Identifier: BSL-1.0
#include <mitogen/io/kqueue.hpp>

#define MITOGEN_TEST_IO mitogen::io::kqueue
#define MITOGEN_TEST_NAME "kqueue contexts"
#include "../generic/context.ipp"
