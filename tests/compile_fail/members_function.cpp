// SPDX-License-Identifier: BSL-1.0
// expect: mitogen: the list of members of T, named beside this message, holds something else than pointers to data members of T and of its base classes
// expect: {with T = label|no_codec<label}
#include <mitogen/codec/codec.hpp>

class label {
    std::string text_{};

public:
    const std::string& text() const { return text_; }
#ifdef FIXED
    static constexpr auto mitogen_members() { return mitogen::list(&label::text_); }
#else
    static constexpr auto mitogen_members() { return mitogen::list(&label::text); }
#endif
};

mitogen::buffer send(const label& value) { return mitogen::encode(value); }
