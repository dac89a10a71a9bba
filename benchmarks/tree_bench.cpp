// SPDX-License-Identifier: BSL-1.0
// tree_bench.cpp: large trees of real processes: a thousand children of one parent, and three
// levels of 10, 100 and 1,000 contexts. Each is made, every context called once, and ended; what it
// takes, what it holds, and whether anything is left.
//
//   ./tree_bench [--children=1000] [--wide=10] [--json[=file]] [--smoke]
//
// On all CPUs. Memory is a process's own (Private_Dirty and Private_Clean of
// /proc/<pid>/smaps_rollup).

#include "support/holding.hpp"
#include "support/report.hpp"

#include <mitogen/mitogen.hpp>

#include <algorithm>
#include <array>
#include <string>
#include <vector>

#include <poll.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

namespace tree_scale {

int add(int a, int b) { return a + b; }

/// What one context's process holds.
struct holding {
    double private_kib = 0;
    double descriptors = 0;
    double threads = 0;
};

holding holding_of_this() {
    return {bench::private_kib(::getpid()), bench::open_descriptors(),
            static_cast<double>(bench::entries("/proc/self/task"))};
}

/// The same for the wire: private memory in KiB, descriptors, threads.
std::array<double, 3> holding_as_array() {
    const holding h = holding_of_this();
    return {h.private_kib, h.descriptors, h.threads};
}

} // namespace tree_scale

namespace {

using namespace bench;
using namespace tree_scale;

void use_all_descriptors() {
    ::rlimit files;
    ::getrlimit(RLIMIT_NOFILE, &files);
    files.rlim_cur = files.rlim_max;
    ::setrlimit(RLIMIT_NOFILE, &files);
}

/// The processes that are left. Those whose parent has gone are this process's since it asked for
/// them; it gives them a while.
std::size_t left_over(double& took_ms) {
    const std::uint64_t begin = now();
    for (;;) {
        std::size_t left = 0;
        siginfo_t ended{};
        while (::waitid(P_ALL, 0, &ended, WEXITED | WNOHANG) == 0 && ended.si_pid != 0) ended = {};
        const std::string path = "/proc/self/task/" + std::to_string(::getpid()) + "/children";
        if (std::FILE* f = std::fopen(path.c_str(), "r")) {
            int pid = 0;
            while (std::fscanf(f, "%d", &pid) == 1) ++left;
            std::fclose(f);
        }
        took_ms = ms_since(begin);
        if (left == 0 || took_ms > 10'000) return left;
        ::poll(nullptr, 0, 5);
    }
}

/// One tree and its figures, under the name of its shape.
class measured_tree {
    report& out_;
    std::string name_;
    holding before_ = holding_of_this();
    mitogen::broker loop_;
    mitogen::router root_{loop_};
    std::vector<mitogen::context> all_;
    std::uint64_t begin_ = now();

    void row(const std::string& what, double value, const char* unit, target wanted = {}) {
        out_.add(name_ + ": " + what, value, unit, wanted);
    }

public:
    measured_tree(report& out, std::string name) : out_(out), name_(std::move(name)) {}

    /// Adds one level: `each` children of every one of `parents`, all at once; none: of the root.
    std::vector<mitogen::context> level(const std::vector<mitogen::context>& parents,
                                        std::size_t each) {
        std::vector<mitogen::future<mitogen::context>> coming;
        for (std::size_t i = 0; i < each; ++i) {
            if (parents.empty()) coming.push_back(root_.connect_async(mitogen::local{}));
            for (const mitogen::context& p : parents)
                coming.push_back(p.connect_async(mitogen::local{}));
        }
        std::vector<mitogen::context> up;
        for (auto& c : coming) up.push_back(c.get());
        all_.insert(all_.end(), up.begin(), up.end());
        return up;
    }

    void built() const {
        out_.add(name_ + ": processes", static_cast<double>(all_.size() + 1), "");
        out_.add(name_ + ": build", ms_since(begin_), "ms");
    }

    /// Calls each; then the figures of what all of them hold. `direct`: how many of them are the
    /// root's own children.
    void call_each(std::size_t direct) {
        std::uint64_t begin = now();
        for (const mitogen::context& c : all_)
            if (c.call<&add>(2, 3) != 5) std::abort();
        row("call each, one after the other", ms_since(begin), "ms");
        begin = now();
        std::vector<mitogen::future<int>> sums;
        for (const mitogen::context& c : all_) sums.push_back(c.call_async<&add>(2, 3));
        for (auto& s : sums)
            if (s.get() != 5) std::abort();
        row("call each, all at once", ms_since(begin), "ms");
        const holding after = holding_of_this();
        const auto each = static_cast<double>(direct);
        row("private memory of the root for each child",
            (after.private_kib - before_.private_kib) / each, "KiB", value_at_most(0, 1024));
        row("descriptors of the root for each child",
            (after.descriptors - before_.descriptors) / each, "", value_at_most(0, 3));
        std::vector<double> kib;
        std::vector<double> descriptors;
        double threads = 0;
        for (const mitogen::context& c : all_) {
            const std::array<double, 3> h = c.call<&holding_as_array>();
            kib.push_back(h[0]);
            descriptors.push_back(h[1]);
            threads = std::max(threads, h[2]);
        }
        row("private memory of a context, median", median(kib), "KiB");
        row("private memory of a context, most", *std::max_element(kib.begin(), kib.end()), "KiB");
        row("descriptors of a context, median", median(descriptors), "");
        row("threads of a context, most", threads, "");
    }

    void end() {
        const std::uint64_t begin = now();
        root_.close();
        row("end", ms_since(begin), "ms");
    }
};

/// Nothing may be left; the program fails where something is.
bool nothing_left(report& out, const std::string& name, const holding& before) {
    double took_ms = 0;
    const std::size_t processes = left_over(took_ms);
    const holding after = holding_of_this();
    out.add(name + ": processes that are left", static_cast<double>(processes), "");
    out.add(name + ": descriptors that are left", after.descriptors - before.descriptors, "");
    out.add(name + ": threads that are left", after.threads - before.threads, "");
    out.add(name + ": private memory that is left", after.private_kib - before.private_kib, "KiB");
    return processes == 0 && after.descriptors <= before.descriptors &&
           after.threads <= before.threads;
}

} // namespace

int main(int argc, char** argv) {
    mitogen::init(argc, argv);
    report out(argc, argv);
    use_all_descriptors();
    // who loses its parent becomes a child of this process: nothing is left unseen
    ::prctl(PR_SET_CHILD_SUBREAPER, 1);
    mitogen::os::self_executable();
    const std::size_t children = out.count("children", 1000, 4);
    const std::size_t wide = out.count("wide", 10, 2);
    bool clean = true;
    {
        const holding before = holding_of_this();
        {
            measured_tree t(out, "flat");
            t.level({}, children);
            t.built();
            t.call_each(children);
            t.end();
        }
        clean = nothing_left(out, "flat", before) && clean;
    }
    {
        const holding before = holding_of_this();
        {
            measured_tree t(out, "3 levels");
            t.level(t.level(t.level({}, wide), wide), wide);
            t.built();
            t.call_each(wide);
            t.end();
        }
        clean = nothing_left(out, "3 levels", before) && clean;
    }
    const int status = out.finish();
    return clean ? status : 1;
}
