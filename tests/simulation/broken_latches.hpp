// SPDX-License-Identifier: BSL-1.0
#pragma once
// broken_latches.hpp: latches with the four bugs that Mitogen's Latch once had, one each: what a
// test that is worth something must find.

#include <mitogen/base/error.hpp>
#include <mitogen/base/result.hpp>
#include <mitogen/base/time.hpp>
#include <mitogen/sync/waiter.hpp>

#include <cstddef>
#include <deque>
#include <mutex>
#include <optional>
#include <utility>

namespace broken {

using mitogen::instant;
using mitogen::reason;

/// What they have in common; all of it is right.
template <class Io>
class latch_parts {
public:
    explicit latch_parts(Io& io) : io_(io), mutex_(io) {}

    void close() {
        const std::lock_guard lock(mutex_);
        closed_ = true;
        for (sleeper* s : std::exchange(queue_, {})) {
            s->served = true;
            s->wake.notify();
        }
    }
    std::size_t size() {
        const std::lock_guard lock(mutex_);
        return items_.size();
    }

protected:
    struct sleeper {
        mitogen::detail::waiter<Io> wake;
        std::optional<int> item{};
        bool served = false;

        explicit sleeper(Io& io) : wake(io) {}
    };

    Io& io_;
    typename Io::mutex mutex_;
    std::deque<int> items_;
    std::deque<sleeper*> queue_;
    bool closed_ = false;

    sleeper* take_sleeper() {
        if (queue_.empty()) return nullptr;
        sleeper* s = queue_.front();
        queue_.pop_front();
        return s;
    }
    std::optional<int> take_item() {
        if (items_.empty()) return std::nullopt;
        const int item = items_.front();
        items_.pop_front();
        return item;
    }
    void serve(sleeper& s, int item) {
        s.item = item;
        s.served = true;
        s.wake.notify();
    }
    bool put_or_serve(int item) {
        const std::lock_guard lock(mutex_);
        if (closed_) return false;
        if (sleeper* s = take_sleeper()) {
            serve(*s, item);
        } else {
            items_.push_back(item);
        }
        return true;
    }
    mitogen::result<int> nothing(sleeper& self) {
        if (closed_) return mitogen::error(reason::sender_closed, "closed");
        std::erase(queue_, &self);
        return mitogen::error(reason::timeout, "timeout");
    }
};

/// (a) An item that is put while another one waits for its sleeper to come wakes nobody: it is left
/// over, and so is a sleeper.
template <class Io>
class surplus_item : public latch_parts<Io> {
    using base = latch_parts<Io>;
    using typename base::sleeper;

public:
    using base::base;

    bool put(int&& item) {
        const std::lock_guard lock(this->mutex_);
        if (this->closed_) return false;
        this->items_.push_back(item);
        // wrong: one sleeper is woken, and there are two items
        if (this->items_.size() > 1) return true;
        if (sleeper* s = this->take_sleeper()) {
            s->served = true;
            s->wake.notify();
        }
        return true;
    }

    template <class Sleep>
    mitogen::result<int> try_get_until(instant deadline, Sleep&& sleep) {
        sleeper self(this->io_);
        {
            const std::lock_guard lock(this->mutex_);
            if (this->closed_) return mitogen::error(reason::sender_closed, "closed");
            if (this->queue_.empty())
                if (const auto item = this->take_item()) return *item;
            this->queue_.push_back(&self);
        }
        sleep(self.wake, deadline, [&self] { return self.served; });
        const std::lock_guard lock(this->mutex_);
        if (!this->closed_ && self.served)
            if (const auto item = this->take_item()) return *item;
        return this->nothing(self);
    }
};

/// (b) A sleeper that is woken before it sleeps throws the wake-up away as an old one.
template <class Io>
class lost_wake : public latch_parts<Io> {
    using base = latch_parts<Io>;
    using typename base::sleeper;

public:
    using base::base;

    bool put(int&& item) { return this->put_or_serve(item); }

    template <class Sleep>
    mitogen::result<int> try_get_until(instant deadline, Sleep&& sleep) {
        sleeper self(this->io_);
        {
            const std::lock_guard lock(this->mutex_);
            if (this->closed_) return mitogen::error(reason::sender_closed, "closed");
            if (const auto item = this->take_item()) return *item;
            this->queue_.push_back(&self);
        }
        // wrong: what is there already is meant for this sleep
        static_cast<void>(self.wake.sleep_until(0));
        bool slept = false;
        sleep(self.wake, deadline, [&] { return std::exchange(slept, true) && self.served; });
        const std::lock_guard lock(this->mutex_);
        if (self.item) return *self.item;
        return this->nothing(self);
    }
};

/// (c) A sleeper whose deadline passes does not look whether an item has just been handed to it.
template <class Io>
class lost_item : public latch_parts<Io> {
    using base = latch_parts<Io>;
    using typename base::sleeper;

public:
    using base::base;

    bool put(int&& item) { return this->put_or_serve(item); }

    template <class Sleep>
    mitogen::result<int> try_get_until(instant deadline, Sleep&& sleep) {
        sleeper self(this->io_);
        {
            const std::lock_guard lock(this->mutex_);
            if (this->closed_) return mitogen::error(reason::sender_closed, "closed");
            if (const auto item = this->take_item()) return *item;
            this->queue_.push_back(&self);
        }
        sleep(self.wake, deadline, [&self] { return self.served; });
        const bool late = !self.served;
        const std::lock_guard lock(this->mutex_);
        if (self.item && !late) return *self.item; // wrong: it may have come since
        return this->nothing(self);
    }
};

/// (d) A sleeper is woken for an item that anybody may take meanwhile: whoever comes next does.
template <class Io>
class late_comer_first : public latch_parts<Io> {
    using base = latch_parts<Io>;
    using typename base::sleeper;

public:
    using base::base;

    bool put(int&& item) {
        const std::lock_guard lock(this->mutex_);
        if (this->closed_) return false;
        this->items_.push_back(item); // wrong: it belongs to the one who is woken
        if (sleeper* s = this->take_sleeper()) {
            s->served = true;
            s->wake.notify();
        }
        return true;
    }

    template <class Sleep>
    mitogen::result<int> try_get_until(instant deadline, Sleep&& sleep) {
        sleeper self(this->io_);
        std::unique_lock lock(this->mutex_);
        while (!this->closed_) {
            if (const auto item = this->take_item()) return *item;
            if (self.served) {
                self.served = false;
                this->queue_.push_front(&self);
            } else {
                this->queue_.push_back(&self);
            }
            lock.unlock();
            sleep(self.wake, deadline, [&self] { return self.served; });
            lock.lock();
            if (!self.served) break;
        }
        return this->nothing(self);
    }
};

} // namespace broken
