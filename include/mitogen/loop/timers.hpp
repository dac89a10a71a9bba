// SPDX-License-Identifier: BSL-1.0
#pragma once
// timers.hpp: what shall happen at a given moment, earliest first.

#include <mitogen/base/config.hpp>
#include <mitogen/base/function.hpp>
#include <mitogen/base/time.hpp>
#include <mitogen/loop/timer.hpp>

#include <cstddef>
#include <utility>
#include <vector>

namespace mitogen::inline MITOGEN_ABI {

namespace detail {

/// A binary heap of timers in which each knows its place: set and cancel cost O(log n). Threads:
/// the loop's only.
class timers {
    std::vector<timer*> heap_;

    void put(std::size_t place, timer* t) noexcept {
        heap_[place] = t;
        t->place = place;
    }

    void up(std::size_t place) noexcept {
        timer* t = heap_[place];
        for (; place && t->at < heap_[(place - 1) / 2]->at; place = (place - 1) / 2)
            put(place, heap_[(place - 1) / 2]);
        put(place, t);
    }

    void down(std::size_t place) noexcept {
        timer* t = heap_[place];
        for (;;) {
            std::size_t child = 2 * place + 1;
            if (child >= heap_.size()) break;
            if (child + 1 < heap_.size() && heap_[child + 1]->at < heap_[child]->at) ++child;
            if (heap_[child]->at >= t->at) break;
            put(place, heap_[child]);
            place = child;
        }
        put(place, t);
    }

public:
    /// Sets `t`, or moves it if it is set.
    void set(timer& t, instant at) {
        if (t.is_set()) cancel(t);
        t.at = at;
        heap_.push_back(&t);
        t.place = heap_.size() - 1;
        up(t.place);
    }

    /// Afterwards `t` does not fire. Nothing happens if it was not set.
    void cancel(timer& t) noexcept {
        if (!t.is_set()) return;
        const std::size_t place = std::exchange(t.place, timer::not_set);
        timer* moved = heap_.back();
        heap_.pop_back();
        if (moved == &t) return;
        put(place, moved);
        up(place);
        down(moved->place);
    }

    /// The earliest moment, or `never`.
    instant next() const noexcept { return heap_.empty() ? never : heap_.front()->at; }

    /// Takes the earliest timer that is due, or returns null.
    timer* take_due(instant now) noexcept {
        if (heap_.empty() || heap_.front()->at > now) return nullptr;
        timer* due = heap_.front();
        cancel(*due);
        return due;
    }

    std::size_t size() const noexcept { return heap_.size(); }
};

} // namespace detail
} // namespace mitogen::inline MITOGEN_ABI
