// SPDX-License-Identifier: BSL-1.0
// A tree of which one branch is another machine: 64 bits, most significant byte first. Everything
// that is sent there and back is what it was, and a child there has children of its own.
// expect: the other machine is big-endian: 1
// expect: 72623859790382856 2.5 [1 2 3] {left: -1, right: 70000} "text" none
// expect: failed there: not there
// expect: a child of the child: 3628800
// expect: 5 items from there, their sum 15
// expect: 1048576 bytes there and back, unchanged: 1
#include <mitogen/mitogen.hpp>

#include <bit>
#include <cstdint>
#include <cstdio>
#include <map>
#include <numeric>
#include <optional>
#include <stdexcept>
#include <string>
#include <tuple>
#include <vector>

namespace big_endian { // unnamed ones are the same in one build only

bool is_big_endian() { return std::endian::native == std::endian::big; }

using values = std::tuple<std::uint64_t, double, std::vector<std::uint16_t>,
                          std::map<std::string, std::int32_t>, std::string, std::optional<int>>;

/// What arrives is checked here, so that two mistakes do not make up for each other.
values returned(const values& v) {
    const auto& [number, fraction, list, map, text, nothing] = v;
    if (number != 0x0102'0304'0506'0708 || fraction != 2.5 || list[2] != 3 ||
        map.at("left") != -1 || text != "text" || nothing)
        throw std::runtime_error("these are other values");
    return v;
}

void fail() { throw std::runtime_error("not there"); }
int product(int n) { return n < 2 ? 1 : n * product(n - 1); }
int product_in_a_child(mitogen::router& here, int n) { return here.local().call<&product>(n); }
mitogen::generator<int> count(int n) {
    for (int i = 1; i <= n; ++i) co_yield i;
}
std::vector<std::uint32_t> same(std::vector<std::uint32_t> v) { return v; }

} // namespace big_endian

using namespace big_endian;

int main(int argc, char** argv) {
    return mitogen::run(argc, argv, [](mitogen::router& router) {
        std::string here = __FILE__;
        here.resize(here.rfind('/') + 1);
        auto far = router.command({.argv = {here + "on_s390x"}, .keep_program = false});
        std::printf("the other machine is big-endian: %d\n", far.call<&is_big_endian>());

        const values sent{
            0x0102'0304'0506'0708, 2.5, {1, 2, 3}, {{"left", -1}, {"right", 70'000}}, "text", {}};
        const auto [number, fraction, list, map, text, nothing] = far.call<&returned>(sent);
        std::printf("%llu %.1f [%d %d %d] {left: %d, right: %d} \"%s\" %s\n",
                    static_cast<unsigned long long>(number), fraction, list[0], list[1], list[2],
                    map.at("left"), map.at("right"), text.c_str(), nothing ? "some" : "none");

        try {
            far.call<&fail>();
        } catch (const mitogen::call_error& e) {
            std::printf("failed there: %s\n", std::string(e.message()).c_str());
        }
        std::printf("a child of the child: %d\n", far.call<&product_in_a_child>(10));

        int items = 0;
        int sum = 0;
        for (const int x : far.stream<&count>(5)) {
            ++items;
            sum += x;
        }
        std::printf("%d items from there, their sum %d\n", items, sum);

        std::vector<std::uint32_t> much(256 * 1024);
        std::iota(much.begin(), much.end(), 0x01020304);
        const auto back = far.call<&same>(much);
        std::printf("%zu bytes there and back, unchanged: %d\n", back.size() * sizeof back[0],
                    back == much);
    });
}
