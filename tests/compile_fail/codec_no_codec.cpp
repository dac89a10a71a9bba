// SPDX-License-Identifier: BSL-1.0
// expect: mitogen: T, named beside this message, has no codec; make it an aggregate
// expect: {part_of<outer, 1>|part_of<outer, 1ul>|part_of<outer, 1UL>}
// expect: {with T = handle_like|no_codec<handle_like}
// A class without a codec, reached through a vector in the second member of an aggregate.
#include <mitogen/codec/codec.hpp>

class handle_like {
    int number_ = 0;

public:
    handle_like() {}
    int number() const { return number_; }
};

#ifdef FIXED
template <>
struct mitogen::codec<handle_like> {
    static std::size_t size(const handle_like& h) { return mitogen::encoded_size(h.number()); }
    static void encode(writer& w, const handle_like& h) { mitogen::encode(w, h.number()); }
    static bool decode(reader&, handle_like&) { return true; }
    static void signature(signature_sink& s) { s.put("handle_like"); }
};
#endif

struct outer {
    int first = 0;
    std::vector<handle_like> second{};
};

mitogen::buffer send(const outer& value) { return mitogen::encode(value); }
