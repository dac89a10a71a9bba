// SPDX-License-Identifier: BSL-1.0
#pragma once
// item_range.hpp: iterates what arrives, to its end.

#include <mitogen/base/config.hpp>

#include <cstddef>
#include <iterator>
#include <optional>
#include <utility>

namespace mitogen::inline MITOGEN_ABI {

namespace detail {

/// Input iterator over a `Source` with next() -> std::optional<value_type>, which is empty at the
/// end and throws errors. To advance it is to wait.
template <class Source>
class item_iterator {
    Source* source_ = nullptr;
    std::optional<typename Source::value_type> item_{};

    void next() {
        item_.reset();
        if (auto item = source_->next()) item_.emplace(std::move(*item));
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
    value_type* operator->() const noexcept { return &**this; }
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
