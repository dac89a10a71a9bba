// SPDX-License-Identifier: BSL-1.0
// expect: mitogen: the list of members of T, named beside this message, names a member twice; one value cannot be decoded into the other's place
// expect: {with T = disk|no_codec<disk}
#include <mitogen/codec/codec.hpp>

class disk {
    std::string mount_{};
    std::string label_{};

public:
#ifdef FIXED
    static constexpr auto mitogen_members() { return mitogen::list(&disk::mount_, &disk::label_); }
#else
    static constexpr auto mitogen_members() { return mitogen::list(&disk::mount_, &disk::mount_); }
#endif
};

mitogen::buffer send(const std::vector<disk>& all) { return mitogen::encode(all); }
