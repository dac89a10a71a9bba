// SPDX-License-Identifier: BSL-1.0
// Stops in a context two levels below, at the terminal of this program:
//   MITOGEN_DEBUG=1 ./breakpoint
// `where`, `print sum`, `set sum 30`, `continue`. Without MITOGEN_DEBUG it just runs.
#include <iostream>
#include <mitogen/mitogen.hpp>
#include <vector>

namespace {

mitogen::context below(mitogen::router& here) { return here.local(); }

int average(const std::vector<int>& values) {
    int sum = 0;
    for (const int v : values) sum += v;
    mitogen::watch("sum", sum);
    mitogen::watch("values", values);
    mitogen::breakpoint();
    return sum / static_cast<int>(values.size());
}

} // namespace

int main(int argc, char** argv) {
    return mitogen::run(argc, argv, [](mitogen::router& router) {
        const mitogen::context far = router.local().call<&below>();
        std::cout << far.call<&average>(std::vector{10, 12, 20}) << '\n';
    });
}
// expect: 14
