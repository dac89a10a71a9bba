// SPDX-License-Identifier: BSL-1.0
#include <mitogen/io/kqueue.hpp>

#if defined(LIBKQUEUE)
// libkqueue keeps what belongs to a closed kqueue until its number is used again, and closes some of it on a thread of its own.
extern "C" [[gnu::weak]] const char* __lsan_default_suppressions();
extern "C" const char* __lsan_default_suppressions() { return "leak:libkqueue"; }
extern "C" [[gnu::weak]] const char* __tsan_default_suppressions();
extern "C" const char* __tsan_default_suppressions() { return "race:libkqueue\ncalled_from_lib:libkqueue"; }
#endif

#define MITOGEN_TEST_IO mitogen::io::kqueue
#define MITOGEN_TEST_NAME "kqueue"
#include "../generic/broker.ipp"
#include "../generic/stream.ipp"
