// SPDX-License-Identifier: BSL-1.0
#include "leak_check.hpp"

#include <algorithm>
#include <cerrno>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <ctime>
#include <dirent.h>
#include <fcntl.h>
#include <poll.h>
#include <sys/wait.h>
#include <unistd.h>

namespace support {
namespace {

/// The numbers that name the entries of a directory; empty if it cannot be read. Leaves out the
/// descriptor that reads it.
std::vector<int> numbers_in(const std::string& path) {
    std::vector<int> out;
    DIR* folder = ::opendir(path.c_str());
    if (!folder) return out;
    const bool of_descriptors = path.ends_with("/fd");
    while (const dirent* entry = ::readdir(folder)) {
        char* end = nullptr;
        const long number = std::strtol(entry->d_name, &end, 10);
        if (end == entry->d_name || *end != 0) continue;
        if (of_descriptors && number == ::dirfd(folder)) continue;
        out.push_back(static_cast<int>(number));
    }
    ::closedir(folder);
    return out;
}

/// A small file, up to 4 KiB; NULs become spaces.
std::string text_of(const std::string& path) {
    const int fd = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
    if (fd < 0) return {};
    char bytes[4096];
    const ssize_t got = ::read(fd, bytes, sizeof bytes);
    ::close(fd);
    std::string out(bytes, got > 0 ? static_cast<std::size_t>(got) : 0);
    std::replace(out.begin(), out.end(), '\0', ' ');
    while (!out.empty() && (out.back() == '\n' || out.back() == ' ')) out.pop_back();
    return out;
}

std::string target_of(int fd) {
    char bytes[512];
    const ssize_t got =
        ::readlink(("/proc/self/fd/" + std::to_string(fd)).c_str(), bytes, sizeof bytes);
    return got > 0 ? std::string(bytes, static_cast<std::size_t>(got)) : "unknown";
}

/// "1234 (name) S 1 …": the state and the parent stand after the last parenthesis, the name may
/// hold anything.
struct process_line {
    std::string name = "?";
    char state = '?';
    pid_t parent = -1;
};

process_line line_of(pid_t pid) {
    process_line out;
    const std::string line = text_of("/proc/" + std::to_string(pid) + "/stat");
    const auto open = line.find('(');
    const auto close = line.rfind(')');
    if (open == std::string::npos || close == std::string::npos || close + 4 >= line.size())
        return out;
    out.name = line.substr(open + 1, close - open - 1);
    out.state = line[close + 2];
    out.parent = static_cast<pid_t>(std::strtol(line.c_str() + close + 4, nullptr, 10));
    return out;
}

std::string description_of(pid_t child) {
    const process_line line = line_of(child);
    if (line.state == 'Z') return line.name + " (zombie: nobody has waited for it)";
    const std::string command = text_of("/proc/" + std::to_string(child) + "/cmdline");
    return (command.empty() ? line.name : command) + " (running)";
}

std::vector<pid_t> children_of_threads(const std::vector<int>& threads) {
    std::vector<pid_t> out;
    for (const int thread : threads) {
        const std::string list = text_of("/proc/self/task/" + std::to_string(thread) + "/children");
        const char* at = list.c_str();
        for (char* end = nullptr;; at = end) {
            const long pid = std::strtol(at, &end, 10);
            if (end == at) break;
            out.push_back(static_cast<pid_t>(pid));
        }
    }
    return out;
}

std::vector<pid_t> children(const std::vector<int>& threads) {
    std::vector<pid_t> out;
    if (::access("/proc/thread-self/children", R_OK) == 0) {
        out = children_of_threads(threads);
    } else { // a kernel without CONFIG_PROC_CHILDREN
        for (const int pid : numbers_in("/proc")) {
            if (line_of(pid).parent == ::getpid()) out.push_back(pid);
        }
    }
    siginfo_t ended{};
    if (::waitid(P_ALL, 0, &ended, WEXITED | WNOHANG | WNOWAIT) == 0 && ended.si_pid != 0)
        out.push_back(ended.si_pid);
    return out;
}

long now_ms() {
    timespec now{};
    ::clock_gettime(CLOCK_MONOTONIC, &now);
    return now.tv_sec * 1000L + now.tv_nsec / 1'000'000;
}

} // namespace

census take_census() {
    census out;
    std::vector<int> descriptors = numbers_in("/proc/self/fd");
    if (descriptors.empty()) descriptors = numbers_in("/dev/fd");
    for (const int fd : descriptors) out.descriptors.emplace(fd, target_of(fd));
    const std::vector<int> threads = numbers_in("/proc/self/task");
    for (const int thread : threads) {
        out.threads.emplace(thread, text_of("/proc/self/task/" + std::to_string(thread) + "/comm"));
    }
    for (const pid_t child : children(threads)) out.children.emplace(child, description_of(child));
    return out;
}

std::vector<std::string> differences(const census& before, const census& after) {
    std::vector<std::string> out;
    for (const auto& [fd, target] : after.descriptors) {
        const auto old = before.descriptors.find(fd);
        if (old == before.descriptors.end()) {
            out.push_back("descriptor " + std::to_string(fd) + " is open: " + target);
        } else if (old->second != target) {
            out.push_back("descriptor " + std::to_string(fd) + " was " + old->second +
                          " and is now " + target);
        }
    }
    for (const auto& [fd, target] : before.descriptors) {
        if (!after.descriptors.contains(fd))
            out.push_back("descriptor " + std::to_string(fd) + " is closed, and was " + target);
    }
    for (const auto& [thread, name] : after.threads) {
        if (!before.threads.contains(thread))
            out.push_back("thread " + std::to_string(thread) + " is running: " + name);
    }
    for (const auto& [child, text] : after.children) {
        if (!before.children.contains(child))
            out.push_back("child process " + std::to_string(child) + " is left: " + text);
    }
    return out;
}

std::vector<std::string> settled_differences(const census& before, int limit_ms) {
    const long deadline = now_ms() + limit_ms;
    for (int pause_ms = 1;; pause_ms = std::min(pause_ms * 2, 20)) {
        std::vector<std::string> found = differences(before, take_census());
        if (found.empty() || now_ms() >= deadline) return found;
        ::poll(nullptr, 0, pause_ms);
    }
}

void end_children_since(const census& before) {
    for (const auto& [child, text] : take_census().children) {
        if (before.children.contains(child)) continue;
        ::kill(child, SIGKILL);
        while (::waitpid(child, nullptr, 0) < 0 && errno == EINTR) {}
    }
}

} // namespace support
