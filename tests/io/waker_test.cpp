// SPDX-License-Identifier: BSL-1.0
#include <mitogen/io/poll.hpp>
#include <mitogen/io/waker.hpp>

namespace {
/// A policy with the waker of systems that have no eventfd.
struct with_pipe_waker : mitogen::io::poll {
    using waker = mitogen::io::pipe_waker;
};
} // namespace

#define MITOGEN_TEST_IO with_pipe_waker
#define MITOGEN_TEST_NAME "pipe waker"
#include "../generic/waker.ipp"
