// SPDX-License-Identifier: BSL-1.0
// Linked into every test executable: a second translation unit with the whole library in it. A
// function that is not inline, or an object that exists once per file, shows up as an error of the
// linker.
#include <mitogen/mitogen.hpp>
#include <mitogen/mitogen.hpp> // and it may be included twice

#if defined(MITOGEN_ABI) || !defined(MITOGEN_VERSION_MAJOR)
#error "the umbrella must undefine its own macros and keep the version"
#endif
