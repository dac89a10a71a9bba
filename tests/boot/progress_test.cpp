// SPDX-License-Identifier: BSL-1.0
#include "support/internals.hpp"
#include "support/scratch.hpp"

#include <catch2/catch.hpp>
#include <cstdint>
#include <filesystem>
#include <mitogen/mitogen.hpp>
#include <string>
#include <unistd.h>
#include <vector>

namespace {

using phase = mitogen::connect_progress::phase;

int add(int a, int b) { return a + b; }

/// A home of its own, with nothing in it.
struct home : support::scratch {
    /// Its LOGNAME names the caches in shared directories, where others may have left the program.
    mitogen::command as_command() const {
        return {.argv = {"env", "-i", "PATH=/usr/bin:/bin", "HOME=" + path(),
                         "LOGNAME=" + path().substr(path().rfind('/') + 1)}};
    }
};

TEST_CASE("whoever connects hears how far it is, and afterwards what it took") {
    const home there;
    mitogen::broker broker;
    mitogen::router router(broker);
    std::vector<mitogen::connect_progress> heard; // on the loop, until the future is ready
    const auto listen = [&heard](const mitogen::connect_progress& p) { heard.push_back(p); };

    const auto first = router.connect_async(there.as_command(), listen).get();
    CHECK(first.call<&add>(2, 3) == 5);
    REQUIRE(heard.size() >= 5);
    CHECK(heard.size() < 120);
    CHECK(heard[0].now == phase::login);
    CHECK(heard[1].now == phase::upload);
    CHECK(heard[1].sent == 0);
    const std::uint64_t size = heard[1].total;
    CHECK(size ==
          static_cast<std::uint64_t>(mitogen::os::file_size(mitogen::os::self_executable().get())));
    for (std::size_t i = 2; i < heard.size(); ++i) {
        CHECK(heard[i].now >= heard[i - 1].now);
        CHECK(heard[i].sent >= heard[i - 1].sent);
        CHECK(heard[i].total == size);
    }
    CHECK(heard[heard.size() - 2].now == phase::start);
    CHECK(heard.back().now == phase::up);
    CHECK(heard.back().sent == size);
    CHECK(first.boot_info().payload_bytes_sent == size);
    CHECK(first.boot_info().machine == mitogen::os::machine_text());

    heard.clear();
    const auto second = router.connect_async(there.as_command(), listen).get();
    REQUIRE(heard.size() == 3); // it has the program
    CHECK(heard[1].now == phase::start);
    CHECK(heard[2].now == phase::up);
    CHECK(heard[2].total == 0);
    CHECK(second.boot_info().payload_bytes_sent == 0);

    CHECK(router.local().boot_info().payload_bytes_sent == 0);
    CHECK_THROWS_AS(router.myself().boot_info(), mitogen::logic_error);
}

} // namespace
