// SPDX-License-Identifier: BSL-1.0
// expect: mitogen: T, named beside this message, has no codec; make it an aggregate, list its members in mitogen::members<T> (private ones inside it, in a static mitogen_members()), describe it with BOOST_DESCRIBE_CLASS (Boost 1.81 or newer; Debian 12: libboost1.81-dev) or specialise mitogen::codec<T>
// expect: {with T = opaque|no_codec<opaque}
// expect: {part_of<label, 1>|part_of<label, 1ul>|part_of<label, 1UL>}
// A class without a codec, reached through the second member in a list.
#include <mitogen/codec/codec.hpp>

class opaque {
    int value_ = 0;

public:
    int value() const { return value_; }
#ifdef FIXED
    static constexpr auto mitogen_members() { return mitogen::list(&opaque::value_); }
#endif
};

class label {
    std::string text_{};
    std::vector<opaque> more_{};

public:
    static constexpr auto mitogen_members() { return mitogen::list(&label::text_, &label::more_); }
};

mitogen::buffer send(const label& value) { return mitogen::encode(value); }
