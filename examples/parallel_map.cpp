// SPDX-License-Identifier: BSL-1.0
// Spreads work over processes: one call per piece, all under way at once, results in the order of
// the pieces.
// expect: 8 pieces, 78498 primes below a million
#include <mitogen/mitogen.hpp>

#include <algorithm>
#include <cstdio>
#include <numeric>
#include <thread>
#include <vector>

static int count_primes(int from, int to) {
    int count = 0;
    for (int n = std::max(from, 2); n < to; ++n) {
        bool prime = true;
        for (int d = 2; d * d <= n && prime; ++d) prime = n % d != 0;
        count += prime;
    }
    return count;
}

int main(int argc, char** argv) {
    return mitogen::run(argc, argv, [](mitogen::router& router) {
        // Children come up side by side; hosts work the same way, with mitogen::ssh instead of
        // mitogen::local.
        const unsigned processes = std::max(2u, std::thread::hardware_concurrency());
        std::vector<mitogen::future<mitogen::context>> coming;
        for (unsigned i = 0; i < processes; ++i)
            coming.push_back(router.connect_async(mitogen::local{}));
        std::vector<mitogen::context> workers;
        for (auto& worker : coming) workers.push_back(worker.get());

        // A worker runs its calls one after the other, and has the next one at hand when it is done
        // with one.
        constexpr int pieces = 8;
        constexpr int width = 1'000'000 / pieces;
        std::vector<mitogen::future<int>> answers;
        for (int i = 0; i < pieces; ++i) {
            const mitogen::context& worker = workers[static_cast<std::size_t>(i) % workers.size()];
            answers.push_back(worker.call_async<&count_primes>(i * width, (i + 1) * width));
        }
        const int primes = std::accumulate(answers.begin(), answers.end(), 0,
                                           [](int sum, auto& piece) { return sum + piece.get(); });
        std::printf("%d pieces, %d primes below a million\n", pieces, primes);
    });
}
