// SPDX-License-Identifier: BSL-1.0
#pragma once
// inject.hpp: makes system calls fail on purpose, for the length of a scope.

#include <mitogen/os/fault.hpp>

#include <atomic>
#include <cstring>

#if !defined(MITOGEN_FAULTS)
#error "the tests need MITOGEN_FAULTS"
#endif

namespace generic {

/// While it lives, `times` calls of the wrapper `name` (null: of any) fail with `rc` after `skip`
/// that don't. One at a time.
class inject {
    static inline std::atomic<const char*> name_{nullptr};
    static inline std::atomic<long> rc_{0};
    static inline std::atomic<int> skip_{0};
    static inline std::atomic<int> left_{0};
    static inline std::atomic<int> seen_{0};

    static long decide(const char* name, int) {
        const char* wanted = name_.load();
        if (wanted && std::strcmp(wanted, name) != 0) return 0;
        seen_.fetch_add(1);
        if (skip_.fetch_sub(1) > 0) return 0;
        return left_.fetch_sub(1) > 0 ? rc_.load() : 0;
    }

public:
    static constexpr int always = 1 << 20;

    inject(const char* name, long rc, int skip = 0, int times = always) {
        name_ = name;
        rc_ = rc;
        skip_ = skip;
        left_ = times;
        seen_ = 0;
        mitogen::os::fault = &decide;
    }
    inject(const inject&) = delete;
    inject& operator=(const inject&) = delete;
    ~inject() { mitogen::os::fault = nullptr; }

    /// Calls of that name so far, whether they failed or not.
    int seen() const { return seen_.load(); }
    /// True once as many have failed as were to fail at least once.
    bool hit() const { return left_.load() < always && skip_.load() < 0; }
};

} // namespace generic
