// SPDX-License-Identifier: BSL-1.0
// expect: mitogen: this Function takes a dialog: open<&fn>(args...) it
// expect: session
#include <mitogen/mitogen.hpp>

int session(mitogen::dialog<void(int, int)>& peer, int start);

#ifdef FIXED
void use(mitogen::context c) { auto d = c.open<&session>(1); }
#else
void use(mitogen::context c) { auto d = c.call<&session>(1); }
#endif
