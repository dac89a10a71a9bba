// SPDX-License-Identifier: BSL-1.0
#pragma once
// leak_check.hpp: what a process holds (descriptors, threads, children), and what one moment has
// more of than another.

#include <map>
#include <string>
#include <sys/types.h>
#include <vector>

namespace support {

/// What the process holds at one moment. The texts are for people: link target, thread name,
/// command line.
struct census {
    std::map<int, std::string> descriptors;
    std::map<pid_t, std::string> threads;
    std::map<pid_t, std::string> children; // zombies too

    friend bool operator==(const census&, const census&) = default;
};

/// Counts. Reads /proc; if there is none, only descriptors are found, without a text.
census take_census();

/// One line for each thing that `after` has and `before` has not, and for each descriptor that is
/// gone.
std::vector<std::string> differences(const census& before, const census& after);

/// As differences(before, take_census()), but gives what is just ending up to `limit_ms` to be
/// gone: a thread that has been joined, or a child that has been waited for, may be visible for a
/// moment longer.
std::vector<std::string> settled_differences(const census& before, int limit_ms = 10'000);

/// Kills and reaps the children that `before` did not have, so that one bad test does not hold up
/// the whole run.
void end_children_since(const census& before);

} // namespace support
