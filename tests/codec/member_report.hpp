// SPDX-License-Identifier: BSL-1.0
#pragma once
// member_report.hpp: what member_samples.ipp says of its types, once with Boost and once without.

#include <string>
#include <vector>

struct member_report {
    std::string type;
    std::string signature;
    std::string bytes;     // of one value, in hexadecimal digits
    bool survives = false; // that value is itself again when it has been decoded
};

std::vector<member_report> report_with_boost();
std::vector<member_report> report_without_boost();
