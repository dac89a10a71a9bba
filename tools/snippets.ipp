// SPDX-License-Identifier: BSL-1.0
// snippets.ipp: what the examples of the documentation may use without declaring it; see
// tools/check_snippets.

#include <mitogen/mitogen.hpp>
#include <mitogen/simulation.hpp>

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <iostream>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <stdexcept>
#include <stop_token>
#include <string>
#include <string_view>
#include <thread>
#include <tuple>
#include <utility>
#include <vector>

namespace snippets {

using namespace std::chrono_literals;

extern mitogen::broker& loop;
extern mitogen::router& router;
extern mitogen::context ctx, child, web, a, b;
extern std::vector<std::string> hosts;
extern std::stop_token stop;
extern int fd_in, fd_out;

struct disk {
    std::string mount;
    std::uint64_t free = 0;
    std::uint64_t free_bytes = 0;
};
struct label {
    std::string text_;
};
int add(int a, int b);
std::string kernel();

} // namespace snippets
