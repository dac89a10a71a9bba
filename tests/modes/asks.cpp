// SPDX-License-Identifier: BSL-1.0
// A function whose parameter is one of the library's types: its name says in which mode it was
// compiled.
#include <mitogen/mitogen.hpp>

int twice(int n);
int ask_one(mitogen::context& c);
int ask_one(mitogen::context& c) { return c.try_call<&twice>(1).value_or(0); }
