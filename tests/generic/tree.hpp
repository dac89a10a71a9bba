// SPDX-License-Identifier: BSL-1.0
#pragma once
// tree.hpp: what tests with real processes share: a tree, pipes that children inherit, and what is
// logged.

#include <mitogen/mitogen.hpp>

#include <cerrno>
#include <chrono>
#include <condition_variable>
#include <memory>
#include <mutex>
#include <poll.h>
#include <stdexcept>
#include <string>
#include <unistd.h>
#include <utility>
#include <vector>

namespace generic {

/// How long something may take that takes milliseconds: a bound for what hangs, not a measure.
inline constexpr std::chrono::seconds plenty{60};

/// A loop and a root.
template <class Io>
struct basic_tree {
    mitogen::basic_broker<Io> loop;
    mitogen::basic_router<Io> root;

    explicit basic_tree(mitogen::router_options options = {}) : root(loop, options) {}
};
using tree = basic_tree<mitogen::io::native>;

/// A pipe that children inherit under the same numbers; they are passed as arguments.
class shared_pipe {
    int ends_[2] = {-1, -1};

public:
    shared_pipe() {
        if (::pipe(ends_) != 0) throw std::runtime_error("pipe");
    }
    shared_pipe(const shared_pipe&) = delete;
    shared_pipe& operator=(const shared_pipe&) = delete;
    ~shared_pipe() {
        ::close(ends_[0]);
        close_write_end();
    }

    int read_end() const { return ends_[0]; }
    int write_end() const { return ends_[1]; }
    void close_write_end() {
        if (ends_[1] >= 0) ::close(ends_[1]);
        ends_[1] = -1;
    }

    /// Lets one wait() return, here or in a child.
    void post() const { post(ends_[1]); }
    static void post(int fd) {
        if (::write(fd, "x", 1) != 1) throw std::runtime_error("cannot post");
    }

    /// Waits for one post(). False at the end of the pipe.
    bool wait() const { return wait(ends_[0]); }
    static bool wait(int fd) {
        for (;;) {
            char byte;
            const ssize_t n = ::read(fd, &byte, 1);
            if (n < 0 && errno == EINTR) continue;
            if (n < 0) throw std::runtime_error("cannot wait");
            return n == 1;
        }
    }

    /// True if nobody has posted.
    bool empty() const {
        ::pollfd p{ends_[0], POLLIN, 0};
        return ::poll(&p, 1, 0) == 0;
    }
};

/// A record that was logged.
struct logged {
    mitogen::log::level level;
    mitogen::context_id context;
    std::string place;
    std::string logger;
    std::string text;
};

/// Keeps what is logged while it lives.
class log_capture {
    struct state {
        std::mutex mutex;
        std::condition_variable more;
        std::vector<logged> records;
    };
    std::shared_ptr<state> state_ = std::make_shared<state>();

public:
    log_capture() {
        mitogen::log::set_sink([s = state_](const mitogen::log::record& r) {
            const std::lock_guard lock(s->mutex);
            s->records.push_back({r.level, r.context, std::string(r.place), std::string(r.logger),
                                  std::string(r.text)});
            s->more.notify_all();
        });
    }
    log_capture(const log_capture&) = delete;
    log_capture& operator=(const log_capture&) = delete;
    ~log_capture() { mitogen::log::set_sink({}); }

    std::vector<logged> records() const {
        const std::lock_guard lock(state_->mutex);
        return state_->records;
    }

    /// Waits until `enough(records)`; false if that never comes.
    template <class Enough>
    bool wait_until(Enough enough) const {
        std::unique_lock lock(state_->mutex);
        return state_->more.wait_for(lock, plenty, [&] { return enough(state_->records); });
    }

    /// Waits for a record whose text contains `part`.
    bool wait_for(const std::string& part) const {
        return wait_until([&](const std::vector<logged>& all) {
            for (const logged& r : all)
                if (r.text.find(part) != std::string::npos) return true;
            return false;
        });
    }
};

/// The reason and the text of the error that `work` throws; reason none where it throws none.
template <class Work>
mitogen::error thrown_by(Work work) {
    try {
        work();
    } catch (const mitogen::error& e) {
        return e;
    }
    return {mitogen::reason::none, "nothing was thrown"};
}

inline bool contains(std::string_view text, std::string_view part) {
    return text.find(part) != std::string_view::npos;
}

} // namespace generic
