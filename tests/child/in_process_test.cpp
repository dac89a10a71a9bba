// SPDX-License-Identifier: BSL-1.0
// Whole contexts that are no processes of the operating system: each child runs on a thread of this
// one, under a policy with its own kind of process. What takes something from elsewhere than its
// policy shows here.
#include "../generic/context_functions.hpp"
#include "../generic/tree.hpp"
#include "../support/engine.hpp"

#include <algorithm>
#include <atomic>
#include <catch2/catch.hpp>
#include <memory>
#include <mitogen/mitogen.hpp>
#ifdef MITOGEN_SEPARATE // else the umbrella has it
#include <mitogen/child/staged_children.hpp>
#include <mitogen/router/child_main.hpp>
#include <mitogen/router/router_body.hpp>
#endif
#include <mutex>
#include <optional>
#include <poll.h>
#include <string>
#include <thread>
#include <unistd.h>
#include <utility>
#include <vector>

namespace in_process_test {

namespace os = mitogen::os;
namespace log = mitogen::log;

/// What the processes did to themselves.
struct notes {
    std::mutex mutex;
    std::vector<std::string> titles;
    std::atomic<int> started{0};
    std::atomic<int> releases{0};

    void add_title(const std::string& title) {
        const std::lock_guard lock(mutex);
        titles.push_back(title);
    }
};

/// A policy whose processes are threads.
struct in_process : mitogen::io::poll {
    static constexpr bool can_fork = false;

    std::shared_ptr<notes> world = std::make_shared<notes>();
    int number = 1;

    /// A thread of the library belongs to the process that it was started in.
    struct thread : mitogen::io::posix_thread {
        thread() = default;
        thread(in_process& io, const char* name, mitogen::unique_function<void()> body)
            : posix_thread(io, name,
                           [here = log::detail::ambient, body = std::move(body)]() mutable {
                               log::detail::ambient = here;
                               body();
                           }) {}
    };

    /// A thread that serves a parent as a child's main thread does.
    class process {
        int pid_ = -1;
        os::unique_fd ended_;
        std::thread main_;
        std::optional<mitogen::exit_status> status_;

    public:
        process() = default;
        process(int pid, os::unique_fd ended, std::thread main)
            : pid_(pid), ended_(std::move(ended)), main_(std::move(main)) {}
        process(process&&) = default;
        process& operator=(process&&) = default;
        ~process() {
            if (main_.joinable()) main_.join();
        }
        int pid() const { return pid_; }
        int poll_fd() const { return ended_.get(); }
        bool running() const { return pid_ >= 0 && !status_; }
        std::optional<mitogen::exit_status> try_wait() {
            ::pollfd p{ended_.get(), POLLIN, 0};
            if (running() && ::poll(&p, 1, 0) == 1) wait();
            return status_;
        }
        mitogen::exit_status wait() {
            if (main_.joinable()) main_.join();
            status_.emplace();
            return *status_;
        }
        long signal(int) { return 0; }
        void forget() {}
    };

    int own_pid() const { return number; }
    bool can_spawn_self() const { return true; }
    void signal_self(int) const {}
    void set_title(const std::string& title) const { world->add_title(title); }
    descriptor capture_stdout() const { return {}; }
    void release_stdout() const { ++world->releases; }

    mitogen::result<process> spawn(const os::spawn_options& options) const {
        os::unique_fd ended, at_end;
        if (const long rc = pipe(ended, at_end); rc < 0) return os::failure("pipe", rc);
        const auto copy = [](int fd) {
            return os::unique_fd(static_cast<int>(os::dup_above(fd, 3)));
        };
        in_process inside = *this;
        inside.number = ++world->started + 1;
        std::thread main([inside, at_end = std::move(at_end), in = copy(options.in),
                          out = copy(options.out), err = copy(options.err)]() mutable {
            log::detail::owned_state own;
            log::detail::ambient = &own;
            const std::string words = "words of process " + std::to_string(inside.number) + "\n";
            inside.write_all(err.get(), words.data(), words.size());
            mitogen::detail::serve_as_child<in_process>(inside, {std::move(in), std::move(out)});
            log::detail::ambient = nullptr;
        });
        return process(inside.number, std::move(ended), std::move(main));
    }
};
static_assert(mitogen::io::policy<in_process>);

using mitogen::context;
using mitogen::router;

int below(router& here, int depth) {
    return depth == 0 ? 1 : 1 + here.local().call<&below>(depth - 1);
}
int number_of(router& here) { return support::engine<in_process>(here).loop().io().own_pid(); }
int set_level(int level) {
    const log::level before = log::threshold();
    log::set_level(static_cast<log::level>(level));
    return static_cast<int>(before);
}
void warn(std::string_view text) { log::write(log::level::warning, text); }

} // namespace in_process_test

namespace {
using namespace in_process_test;

TEST_CASE("a tree of contexts lives inside of one process") {
    const generic::log_capture quiet;
    in_process io;
    {
        mitogen::basic_broker<in_process> loop(io);
        mitogen::basic_router<in_process> root(loop);
        context one = root.local({.name = "one"});
        context two = root.local({.name = "two"});
        CHECK(one.call<&generic::add>(1, 2) == 3);
        CHECK(one.call<&number_of>() == 2);
        CHECK(two.call<&number_of>() == 3);
        CHECK(root.child_pid(two.id()) == 3);
        CHECK(one.call<&generic::process_id>() == ::getpid());
        CHECK(two.call<&below>(3) == 4);
        const std::string big(3u << 20, 'b');
        CHECK(one.call<&generic::length>(big) == big.size());
        CHECK(generic::thrown_by([&] { two.call<&generic::refuse>(5); }).detail().type ==
              "std::out_of_range");
        CHECK(one.shutdown().get().success());
    }
    CHECK(io.world->started == 5);
    CHECK(io.world->releases == 5);
    REQUIRE(io.world->titles.size() == 5);
    // Each sets its own when it has been welcomed, which its parent does not wait for.
    const auto of_one = [](const std::string& title) { return title.starts_with("mitogen:one ("); };
    CHECK(std::count_if(io.world->titles.begin(), io.world->titles.end(), of_one) == 1);
}

TEST_CASE("each of them has its own level and sink, and what it logs and says comes up") {
    const log::level before = log::threshold();
    generic::log_capture log;
    {
        mitogen::basic_broker<in_process> loop;
        mitogen::basic_router<in_process> root(loop);
        context one = root.local({.name = "one"});
        context two = root.local({.name = "two"});
        CHECK(one.call<&set_level>(3) == static_cast<int>(before));
        CHECK(two.call<&set_level>(0) == static_cast<int>(before));
        CHECK(log::threshold() == before);
        one.call<&warn>("not made");
        two.call<&warn>("made");
        CHECK(log.wait_for("made"));
        CHECK(log.wait_for("words of process 2"));
        CHECK(log.wait_for("words of process 3"));
    }
    for (const generic::logged& r : log.records()) {
        CHECK(r.text != "not made");
        if (r.text == "made") CHECK(r.place == "two");
        if (r.text == "words of process 2") CHECK((r.place == "one" && r.logger == "stderr"));
    }
}

} // namespace
