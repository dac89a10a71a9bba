// SPDX-License-Identifier: BSL-1.0
#pragma once
// construction.hpp: what constructors cannot do, as a value for whoever wants one.

#include <mitogen/base/config.hpp>
#include <mitogen/base/error.hpp>

#include <optional>
#include <utility>

namespace mitogen::inline MITOGEN_ABI {
namespace detail {

/// While it exists, constructors that fail on this thread leave their error here, instead of
/// throwing it, and go on: so that an object that holds kernel objects can be made if there are no
/// exceptions. The first error counts; what was made is then only good for being destroyed.
/// Threads: one.
class construction {
    std::optional<error> failed_{};

    static construction*& current() noexcept {
        static thread_local construction* innermost = nullptr;
        return innermost;
    }

public:
    construction() noexcept { current() = this; }
    construction(construction&&) = delete;
    ~construction() { current() = nullptr; }

    /// What has failed; null if nothing has.
    const error* failure() const noexcept { return failed_ ? &*failed_ : nullptr; }

    /// Of a constructor that cannot go on as it should.
    MITOGEN_COLD static void fail(error why) {
        construction* const here = current();
        if (!here) raise(why);
        if (!here->failed_) here->failed_.emplace(std::move(why));
    }
    /// True if something has failed before: what comes next need not be made.
    static bool failed() noexcept { return current() && current()->failed_; }
};

} // namespace detail
} // namespace mitogen::inline MITOGEN_ABI
