// SPDX-License-Identifier: BSL-1.0
#pragma once
// nursery_result.hpp: a task of a nursery that ends with a value.

#include <mitogen/base/config.hpp>
#include <mitogen/base/result.hpp>
#include <mitogen/nursery/nursery_member.hpp>

namespace mitogen::inline MITOGEN_ABI {
namespace detail {

/// What nursery_task refers to.
template <class T>
class nursery_result : public nursery_member {
protected:
    using nursery_member::nursery_member;
    ~nursery_result() = default;

public:
    /// Its value, or why it has none. Once it has ended.
    virtual result<T> outcome() = 0;
};

} // namespace detail
} // namespace mitogen::inline MITOGEN_ABI
