// SPDX-License-Identifier: BSL-1.0
// expect: mitogen: the aggregate T, named beside this message, has base classes, which Boost.PFR cannot see; describe it
// expect: {with T = derived|no_codec<derived}
#include <mitogen/wire/codec.hpp>

#include <boost/describe.hpp>

struct base {
    int number = 0;
};

struct derived : base {
    std::string text{};
};

#ifdef FIXED
BOOST_DESCRIBE_STRUCT(derived, (base), (text))
#endif

mitogen::buffer send(const derived& value) { return mitogen::encode(value); }
