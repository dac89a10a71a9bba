// SPDX-License-Identifier: BSL-1.0
#pragma once
// refusal.hpp: for tests of connections that fail: the error, and a tree that keeps quiet about it.

#include <catch2/catch.hpp>
#include <cstdlib>
#include <exception>
#include <mitogen/mitogen.hpp>

namespace support {

/// The error with which `from` (a router or a context) does not connect; fails the test if it does.
template <class From, class Method>
mitogen::error refusal(From& from, const Method& how) {
    const auto made = from.try_connect(how);
    if (made) FAIL("it connects");
    return made.error();
}

/// The same as it is thrown; fails the test if it is no `Error`.
template <class Error, class Method>
mitogen::error thrown_refusal(mitogen::router& router, const Method& how) {
    try {
        (void)router.connect(how);
    } catch (const Error& e) {
        return e;
    } catch (const std::exception& e) {
        FAIL("another error than expected: " << e.what());
    }
    FAIL("it connects");
    std::abort();
}

/// A tree whose logs nobody wants to read: they repeat what the errors say.
struct quiet_tree {
    mitogen::broker broker;
    mitogen::router router;

    /// `patience`: how long its children may take to end.
    explicit quiet_tree(mitogen::shutdown_timeouts patience = {})
        : router(broker, {.timeouts = patience}) {
        mitogen::log::set_sink([](const mitogen::log::record&) {});
    }
    quiet_tree(quiet_tree&&) = delete;
    ~quiet_tree() {
        router.close();
        mitogen::log::set_sink({});
    }
};

} // namespace support
