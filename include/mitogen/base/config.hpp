// SPDX-License-Identifier: BSL-1.0
// config.hpp: what the compiler, the platform and the optional libraries offer, decided once.
//
// Macros set here are internal and are undefined again by the umbrella headers; that is why this
// file has no guard. A user may set, for the whole program:
//   MITOGEN_NO_PFR, MITOGEN_NO_DESCRIBE   do without Boost.PFR or Boost.Describe although they are
//                                         on the include path
// The choice is part of the inline namespace: two translation units that disagree do not link into
// one silent mixture.

#include <mitogen/base/version.hpp>

#include <version>

#if !defined(__cplusplus) || __cplusplus < 202002L
#error "mitogen: needs C++20; compile with -std=c++20"
#endif

#if defined(__cpp_exceptions)
#define MITOGEN_HAS_EXCEPTIONS 1
#else
#define MITOGEN_HAS_EXCEPTIONS 0
#endif

#if defined(__cpp_rtti)
#define MITOGEN_HAS_RTTI 1
#else
#define MITOGEN_HAS_RTTI 0
#endif

#if !defined(MITOGEN_NO_PFR) && __has_include(<boost/pfr/core.hpp>)
#define MITOGEN_HAS_PFR 1
#else
#define MITOGEN_HAS_PFR 0
#endif

#if !defined(MITOGEN_NO_DESCRIBE) && __has_include(<boost/describe/members.hpp>)
#define MITOGEN_HAS_DESCRIBE 1
#else
#define MITOGEN_HAS_DESCRIBE 0
#endif

// Which sanitizer watches: GCC says so in macros of its own, clang by __has_feature.
#if defined(__SANITIZE_ADDRESS__)
#define MITOGEN_ASAN 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define MITOGEN_ASAN 1
#endif
#endif
#ifndef MITOGEN_ASAN
#define MITOGEN_ASAN 0
#endif
#if defined(__SANITIZE_THREAD__)
#define MITOGEN_TSAN 1
#elif defined(__has_feature)
#if __has_feature(thread_sanitizer)
#define MITOGEN_TSAN 1
#endif
#endif
#ifndef MITOGEN_TSAN
#define MITOGEN_TSAN 0
#endif

// The inline namespace: v<major>_<minor>_ and a letter for each choice that changes what a class
// holds or a function takes: p (PFR), d (Describe), t (ThreadSanitizer, under which a mutex is
// another), g (the containers of the standard library that check), n (a standard library without
// stop tokens), s (the core is compiled in a file of its own).
#if MITOGEN_HAS_PFR
#define MITOGEN_TAG_PFR p
#else
#define MITOGEN_TAG_PFR
#endif
#if MITOGEN_HAS_DESCRIBE
#define MITOGEN_TAG_DESCRIBE d
#else
#define MITOGEN_TAG_DESCRIBE
#endif
#if MITOGEN_TSAN
#define MITOGEN_TAG_TSAN t
#else
#define MITOGEN_TAG_TSAN
#endif
#if defined(_GLIBCXX_DEBUG)
#define MITOGEN_TAG_CONTAINERS g
#else
#define MITOGEN_TAG_CONTAINERS
#endif
#if defined(__cpp_lib_jthread)
#define MITOGEN_TAG_STOP
#else
#define MITOGEN_TAG_STOP n
#endif
#if defined(MITOGEN_SOURCE) || defined(MITOGEN_SEPARATE)
#define MITOGEN_TAG_MODE s
#else
#define MITOGEN_TAG_MODE
#endif
#define MITOGEN_PASTE(a, b, c, d, e, f) v0_1_##a##b##c##d##e##f
#define MITOGEN_TAG(...) MITOGEN_PASTE(__VA_ARGS__) // the letters in the place of their macros
#define MITOGEN_ABI                                                                                \
    MITOGEN_TAG(MITOGEN_TAG_PFR, MITOGEN_TAG_DESCRIBE, MITOGEN_TAG_TSAN, MITOGEN_TAG_CONTAINERS,   \
                MITOGEN_TAG_STOP, MITOGEN_TAG_MODE)

#define MITOGEN_COLD [[gnu::cold, gnu::noinline]]

// Functions of the core that the fronts declare. MITOGEN_SOURCE and MITOGEN_SEPARATE are for the
// whole program: one file of it holds the core (MITOGEN_SOURCE, or it links mitogen::compiled), all
// others only call (MITOGEN_SEPARATE). Part of the inline namespace too.
#if defined(MITOGEN_SOURCE) && defined(MITOGEN_SEPARATE)
#error "mitogen: MITOGEN_SOURCE is for the one file with the core, MITOGEN_SEPARATE for the others"
#endif
#if defined(MITOGEN_SOURCE)
#define MITOGEN_INLINE
#else
#define MITOGEN_INLINE inline
#endif
