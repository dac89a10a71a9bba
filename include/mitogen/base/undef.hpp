// SPDX-License-Identifier: BSL-1.0
// undef.hpp: removes the library's own macros, last in the umbrellas. Written by tools/amalgamate.

#undef MITOGEN_ABI
#undef MITOGEN_ASAN
#undef MITOGEN_COLD
#undef MITOGEN_HAS_DESCRIBE
#undef MITOGEN_HAS_EXCEPTIONS
#undef MITOGEN_HAS_KQUEUE
#undef MITOGEN_HAS_PFR
#undef MITOGEN_HAS_RTTI
#undef MITOGEN_INLINE
#undef MITOGEN_NATIVE_KQUEUE
#undef MITOGEN_PASTE
#undef MITOGEN_TAG
#undef MITOGEN_TAG_CONTAINERS
#undef MITOGEN_TAG_DESCRIBE
#undef MITOGEN_TAG_MODE
#undef MITOGEN_TAG_PFR
#undef MITOGEN_TAG_STOP
#undef MITOGEN_TAG_TSAN
#undef MITOGEN_TSAN
