// SPDX-License-Identifier: BSL-1.0
#pragma once
// item_range.hpp: iterates what arrives, to its end.

#include <mitogen/base/config.hpp>
#include <mitogen/base/error.hpp>
#include <mitogen/base/result.hpp>

#include <cstddef>
#include <iterator>
#include <optional>
#include <utility>

namespace mitogen::inline MITOGEN_ABI {

namespace detail {

/// Input iterator over a `Source` with try_get() -> result<value_type>: ends at
/// reason::end_of_stream, throws any other error. To advance it is to wait.
template <class Source>
class item_iterator {
    Source* source_ = nullptr;
    std::optional<typename Source::value_type> item_{};

    void next() {
        auto item = source_->try_get();
        if (item) {
            item_.emplace(std::move(*item));
        } else {
            item_.reset();
            if (!is_end(item.error())) raise(item.error());
        }
    }

public:
    using value_type = typename Source::value_type;
    using difference_type = std::ptrdiff_t;
    using reference = value_type&;
    using pointer = value_type*;
    using iterator_category = std::input_iterator_tag;

    item_iterator() = default;
    explicit item_iterator(Source& source) : source_(&source) { next(); }

    value_type& operator*() const noexcept { return const_cast<value_type&>(*item_); }
    item_iterator& operator++() {
        next();
        return *this;
    }
    void operator++(int) { next(); }
    friend bool operator==(const item_iterator& i, std::default_sentinel_t) noexcept {
        return !i.item_;
    }
};

} // namespace detail
} // namespace mitogen::inline MITOGEN_ABI
