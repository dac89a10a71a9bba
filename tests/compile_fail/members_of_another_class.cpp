// SPDX-License-Identifier: BSL-1.0
// expect: mitogen: the list of members of T, named beside this message, holds something else than pointers to data members of T and of its base classes
// expect: {with T = disk|no_codec<disk}
#include <mitogen/codec/codec.hpp>

struct partition {
    std::string label{};
};

struct disk {
    std::string mount{};
    std::string label{};
};

template <>
#ifdef FIXED
inline constexpr auto mitogen::members<disk> = mitogen::list(&disk::mount, &disk::label);
#else
inline constexpr auto mitogen::members<disk> = mitogen::list(&disk::mount, &partition::label);
#endif

mitogen::buffer send(const disk& value) { return mitogen::encode(value); }
