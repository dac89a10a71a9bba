// SPDX-License-Identifier: BSL-1.0
#pragma once
// kernel.hpp: processes, descriptors and pipes of a simulated world, and what goes wrong with them.

#include <mitogen/base/config.hpp>
#include <mitogen/base/error.hpp>
#include <mitogen/base/log.hpp>
#include <mitogen/base/result.hpp>
#include <mitogen/base/time.hpp>
#include <mitogen/os/process/process.hpp>
#include <mitogen/simulation/chooser.hpp>
#include <mitogen/simulation/faults.hpp>
#include <mitogen/simulation/file.hpp>
#include <mitogen/simulation/scheduler.hpp>

#include <algorithm>
#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

namespace mitogen::inline MITOGEN_ABI {
namespace simulation {

/// Numbers of a simulated process's three standard descriptors; -1: none.
struct stdio {
    int in = -1;
    int out = -1;
    int err = -1;
};

/// One simulated process.
struct process_state {
    std::uint32_t pid = 0;
    std::uint32_t parent = 0;
    std::shared_ptr<thread_group> group = std::make_shared<thread_group>();
    log::detail::owned_state logs;
    std::set<int> descriptors;             ///< that are open
    std::vector<std::uint32_t> children{}; ///< that it has started
    std::optional<exit_status> ended;
    bool reaped = false;
    std::shared_ptr<flag> exit_watch = std::make_shared<flag>();
};

class kernel;

/// One end of a simulated pipe.
class pipe_end final : public file {
    kernel& world_;
    std::shared_ptr<pipe_state> pipe_;
    bool writes_;

public:
    pipe_end(kernel& world, std::shared_ptr<pipe_state> pipe, bool writes);
    pipe_end(pipe_end&&) = delete;
    // also if it never got a descriptor
    ~pipe_end() override { (writes_ ? pipe_->writer : pipe_->reader) = nullptr; }
    bool readable() const override { return !writes_ && (pipe_->arrived() > 0 || pipe_->at_end()); }
    bool writable() const override {
        return writes_ && (!pipe_->open_for_reading || pipe_->silent || pipe_->room() > 0);
    }
    inline long read(void* to, std::size_t size) override;
    inline long write(const void* from, std::size_t size) override;
    inline void closed() override;
    const std::shared_ptr<pipe_state>& pipe() const noexcept { return pipe_; }
    bool writes() const noexcept { return writes_; }
};

/// Everything that a simulated machine is. Used through the policy io::simulated; world makes and
/// runs it.
class kernel {
    struct descriptor {
        std::shared_ptr<simulation::file> file;
        process_state* owner;
    };

    scheduler& threads_;
    simulation::faults faults_;
    random numbers_;
    random secrets_; // of the processes: apart, so that who asks for some changes nothing else
    std::map<int, descriptor> descriptors_;
    int next_descriptor_ = 100;
    std::map<std::uint32_t, std::unique_ptr<process_state>> processes_;
    std::uint32_t next_pid_ = 1;
    std::uint32_t next_pipe_ = 1;
    std::vector<std::weak_ptr<pipe_state>> pipes_; // of links: their faults
    process_state* current_process_ = nullptr;

    void close_all(process_state& of) {
        while (!of.descriptors.empty()) close(*of.descriptors.begin());
    }

    void end(process_state& p, exit_status how) {
        if (p.ended) return;
        threads_.log().step(threads_.now(), 0, 'x', p.pid);
        if (threads_.log().verbose())
            threads_.log().say(threads_.now(), p.group->name, "ends: " + how.text());
        p.ended = how;
        threads_.drop(*p.group);
        close_all(p);
        for (const std::uint32_t child : p.children) {
            process_state& orphan = *processes_.at(child);
            orphan.parent = 0;
            if (orphan.ended) orphan.reaped = true;
        }
        p.exit_watch->raise(threads_);
        if (p.parent == 0) p.reaped = true; // nobody is left to ask
    }

public:
    /// What a new process does; its result is its exit code. Called on its main thread.
    unique_function<int(const os::spawn_options&, stdio)> program;
    /// May be null.
    write_observer* observer = nullptr;

    kernel(scheduler& threads, const simulation::faults& what, std::uint64_t seed)
        : threads_(threads), faults_(what), numbers_(seed ^ 0xF417'5EED'0000'0001u),
          secrets_(seed ^ 0xF417'5EED'0000'0002u) {
        threads_.on_switch = [this](thread_group* to) {
            current_process_ = to ? static_cast<process_state*>(to->ambient) : nullptr;
            log::detail::ambient = current_process_ ? &current_process_->logs : nullptr;
            here() = to ? this : nullptr;
        };
    }
    kernel(kernel&&) = delete;

    /// The kernel whose fiber runs on this thread, or null.
    static kernel*& here() noexcept {
        static thread_local constinit kernel* current = nullptr;
        return current;
    }

    scheduler& threads() noexcept { return threads_; }
    simulation::faults& faults() noexcept { return faults_; }
    random& numbers() noexcept { return numbers_; }
    random& secrets() noexcept { return secrets_; }
    process_state& self() noexcept { return *current_process_; }
    auto& processes() noexcept { return processes_; }
    std::size_t open_descriptors() const noexcept { return descriptors_.size(); }

    void say(std::string_view what) {
        if (threads_.log().verbose())
            threads_.log().say(
                threads_.now(),
                current_process_ ? std::string_view(current_process_->group->name) : "world", what);
    }

    // ---- descriptors

    /// A new descriptor of the current process, or -EMFILE.
    int open(std::shared_ptr<simulation::file> f, process_state* owner = nullptr) {
        process_state& p = owner ? *owner : self();
        if (p.descriptors.size() >= faults_.most_descriptors) return -EMFILE;
        const int fd = next_descriptor_++;
        p.descriptors.insert(fd);
        ++f->descriptors;
        descriptors_.emplace(fd, descriptor{std::move(f), &p});
        return fd;
    }

    simulation::file* at(int fd) noexcept {
        const auto found = descriptors_.find(fd);
        return found == descriptors_.end() ? nullptr : found->second.file.get();
    }

    void close(int fd) {
        const auto found = descriptors_.find(fd);
        if (found == descriptors_.end()) return;
        const std::shared_ptr<simulation::file> f = std::move(found->second.file);
        found->second.owner->descriptors.erase(fd);
        descriptors_.erase(found);
        if (--f->descriptors == 0) f->closed();
    }

    /// 0 or -errno.
    long pipe(int& read_end, int& write_end) {
        threads_.point('p');
        if (numbers_.chance(faults_.out_of_descriptors)) return -EMFILE;
        auto state = std::make_shared<pipe_state>();
        state->number = next_pipe_++;
        state->capacity = faults_.pipe_bytes;
        state->latency = numbers_.between(faults_.least_latency, faults_.most_latency);
        state->bytes_per_second = faults_.bytes_per_second;
        state->from_process = state->to_process = self().pid;
        const int in = open(std::make_shared<pipe_end>(*this, state, false));
        if (in < 0) return in;
        const int out = open(std::make_shared<pipe_end>(*this, state, true));
        if (out < 0) {
            close(in);
            return out;
        }
        pipes_.push_back(state);
        read_end = in;
        write_end = out;
        return 0;
    }

    long set_nonblocking(int fd, bool on) {
        simulation::file* f = at(fd);
        if (!f) return -EBADF;
        f->nonblocking = on;
        return 0;
    }

    /// The current thread sleeps until the file says that it has changed. `waits_for`: for reports.
    void sleep_until_changed(simulation::file& f, const char* waits_for) {
        thread& self = *threads_.current();
        f.sleep_on(self);
        threads_.block(waits_for);
        f.awake(self);
    }

    /// As read(2); `wait`: sleeps until there is something, whatever the descriptor's mode.
    long read(int fd, void* to, std::size_t size, bool wait = false) {
        threads_.point('R', static_cast<std::uint64_t>(fd));
        return blocking(fd, wait, [&](simulation::file& f) { return f.read(to, size); });
    }

    /// As write(2).
    long write(int fd, const void* from, std::size_t size, bool wait = false) {
        threads_.point('W', static_cast<std::uint64_t>(fd));
        return blocking(fd, wait, [&](simulation::file& f) { return f.write(from, size); });
    }

    // ---- processes

    /// The first process of the world. Its exit ends the run.
    process_state& boot(std::string name, unique_function<void()> body) {
        process_state& p = add(std::move(name), 0);
        threads_.start(p.group, "main", [this, &p, body = std::move(body)]() mutable {
            body();
            body.reset();
            end(p, {0, 0});
        });
        return p;
    }

    result<std::uint32_t> spawn(const os::spawn_options& options) {
        threads_.point('s');
        if (numbers_.chance(faults_.spawn_failure))
            return error(reason::system, "simulated: the process can't be started");
        process_state& parent = self();
        process_state& p = add(options.argv.empty() ? "process " + std::to_string(next_pid_)
                                                    : options.argv.front(),
                               parent.pid);
        parent.children.push_back(p.pid);
        stdio ends;
        int* const to[3] = {&ends.in, &ends.out, &ends.err};
        const int from[3] = {options.in, options.out, options.err};
        for (int i = 0; i < 3; ++i) {
            const auto found = descriptors_.find(from[i]);
            if (found == descriptors_.end()) continue;
            *to[i] = open(found->second.file, &p);
            if (auto* end = dynamic_cast<pipe_end*>(found->second.file.get()))
                (end->writes() ? end->pipe()->from_process : end->pipe()->to_process) = p.pid;
        }
        threads_.start(p.group, "main", [this, &p, options, ends] {
            const int code = program ? program(options, ends) : 127;
            end(p, {code, 0});
        });
        if (threads_.log().verbose()) say("starts process " + std::to_string(p.pid));
        return p.pid;
    }

    process_state* find(std::uint32_t pid) noexcept {
        const auto found = processes_.find(pid);
        return found == processes_.end() ? nullptr : found->second.get();
    }

    /// 9 and 15 kill, 19 stops, 18 lets it go on; the rest does nothing.
    long signal(std::uint32_t pid, int number) {
        process_state* p = find(pid);
        if (!p || p->ended) return 0;
        if (number == 9 || number == 15) {
            end(*p, {0, number});
        } else if (number == 19) {
            threads_.halt(*p->group);
        } else if (number == 18) {
            threads_.resume(*p->group);
        }
        if (threads_.current() && p == current_process_)
            threads_.point('k', static_cast<std::uint64_t>(number));
        return 0;
    }

    /// How a child has ended; frees it. Nothing while it runs.
    std::optional<exit_status> reap(std::uint32_t pid) {
        process_state* p = find(pid);
        if (!p) return exit_status{-1, 0};
        if (p->ended) p->reaped = true;
        return p->ended;
    }

    // ---- faults

    /// Kills a process, as signal 9 does.
    void kill(process_state& p) { end(p, {0, 9}); }

    /// The processes that run, but the first.
    std::vector<process_state*> running() {
        std::vector<process_state*> found;
        for (const auto& [pid, p] : processes_)
            if (pid != 1 && !p->ended) found.push_back(p.get());
        return found;
    }

    /// The pipes that connect two processes.
    std::vector<std::shared_ptr<pipe_state>> links() {
        std::erase_if(pipes_, [](const auto& entry) { return entry.expired(); });
        std::vector<std::shared_ptr<pipe_state>> found;
        for (const auto& entry : pipes_)
            if (auto p = entry.lock(); p && p->from_process != p->to_process)
                found.push_back(std::move(p));
        return found;
    }

    /// Ends a pipe for both sides.
    void cut(pipe_state& p) {
        p.open_for_writing = p.open_for_reading = false;
        if (p.reader) p.reader->changed(threads_);
        if (p.writer) p.writer->changed(threads_);
    }

    /// All pipes that lead from or to a process.
    std::vector<std::shared_ptr<pipe_state>> pipes_of(std::uint32_t pid) {
        std::vector<std::shared_ptr<pipe_state>> found;
        for (const auto& entry : pipes_)
            if (auto p = entry.lock(); p && (p->from_process == pid || p->to_process == pid))
                found.push_back(std::move(p));
        return found;
    }

private:
    process_state& add(std::string name, std::uint32_t parent) {
        auto p = std::make_unique<process_state>();
        p->pid = next_pid_++;
        p->parent = parent;
        p->group->name = std::move(name);
        p->group->ambient = p.get();
        return *processes_.emplace(p->pid, std::move(p)).first->second;
    }

    template <class Transfer>
    long blocking(int fd, bool wait, Transfer&& transfer) {
        for (;;) {
            const auto found = descriptors_.find(fd);
            if (found == descriptors_.end()) return -EBADF;
            const std::shared_ptr<simulation::file> f = found->second.file;
            const long n = transfer(*f);
            if (n != -EAGAIN || (f->nonblocking && !wait)) return n;
            sleep_until_changed(*f, "a transfer");
        }
    }
};

inline pipe_end::pipe_end(kernel& world, std::shared_ptr<pipe_state> pipe, bool writes)
    : world_(world), pipe_(std::move(pipe)), writes_(writes) {
    (writes_ ? pipe_->writer : pipe_->reader) = this;
}

inline long pipe_end::read(void* to, std::size_t size) {
    if (writes_) return -EBADF;
    // what is on its way still arrives
    if (pipe_->arrived() == 0) return pipe_->at_end() ? 0 : -EAGAIN;
    std::size_t n = std::min(size, pipe_->arrived());
    if (n > 1 && world_.numbers().chance(world_.faults().partial_transfer))
        n = 1 + world_.numbers().below(n - 1);
    pipe_->take(to, n);
    if (pipe_->writer) pipe_->writer->changed(world_.threads());
    return static_cast<long>(n);
}

inline long pipe_end::write(const void* from, std::size_t size) {
    if (!writes_) return -EBADF;
    if (!pipe_->open_for_reading) return -EPIPE;
    if (size == 0) return 0;
    if (pipe_->silent) return static_cast<long>(size);
    std::size_t n = std::min(size, pipe_->room());
    if (n == 0) return -EAGAIN;
    if (n > 1 && world_.numbers().chance(world_.faults().partial_transfer))
        n = 1 + world_.numbers().below(n - 1);
    if (world_.observer) n = std::min(n, world_.observer->most(*pipe_, n));
    bool cut = false;
    if (pipe_->cut_after && n >= *pipe_->cut_after) {
        n = static_cast<std::size_t>(*pipe_->cut_after);
        cut = true;
    }
    if (pipe_->cut_after) *pipe_->cut_after -= n;
    const instant arrives =
        n ? pipe_->put(from, n, world_.threads().now()) : world_.threads().now();
    if (!pipe_->delayed()) {
        if (pipe_->reader) pipe_->reader->changed(world_.threads());
    } else if (n) {
        world_.threads().at(arrives, [&world = world_, pipe = pipe_] {
            pipe->arrive(world.threads().now());
            if (pipe->reader) pipe->reader->changed(world.threads());
        });
    }
    if (n && world_.observer) world_.observer->written(*pipe_, from, n);
    if (cut) world_.cut(*pipe_);
    return n ? static_cast<long>(n) : -EPIPE;
}

inline void pipe_end::closed() {
    if (writes_) {
        pipe_->writer = nullptr;
        pipe_->open_for_writing = false;
        if (pipe_->reader) pipe_->reader->changed(world_.threads());
    } else {
        pipe_->reader = nullptr;
        pipe_->open_for_reading = false;
        if (pipe_->writer) pipe_->writer->changed(world_.threads());
    }
}

} // namespace simulation
} // namespace mitogen::inline MITOGEN_ABI
