// SPDX-License-Identifier: BSL-1.0
// flags: -DMITOGEN_NO_DESCRIBE
// expect: mitogen: the aggregate T, named beside this message, travels through Boost.PFR, which is not on the include path; install Boost 1.81 or newer (Debian: libboost-dev) or specialise mitogen::codec<T>
// expect: {with T = disk|no_codec<disk}
#ifndef FIXED
#define MITOGEN_NO_PFR
#endif
#include <mitogen/wire/codec.hpp>

struct disk {
    std::string mount{};
    std::uint64_t free_bytes = 0;
};

mitogen::buffer send(const std::vector<disk>& disks) { return mitogen::encode(disks); }
