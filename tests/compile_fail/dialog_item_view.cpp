// SPDX-License-Identifier: BSL-1.0
// expect: mitogen: an item outlives the message that brings it, so what is inside of it must own its memory
#include <mitogen/mitogen.hpp>

#include <string_view>
#include <vector>

#ifdef FIXED
int listen(mitogen::dialog<void(std::string_view, int)>& peer) { // a whole view becomes a string
#else
int listen(mitogen::dialog<void(std::vector<std::string_view>, int)>& peer) {
#endif
    peer.started();
    return static_cast<int>(peer.receive().size());
}
