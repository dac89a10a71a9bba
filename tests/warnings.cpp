// SPDX-License-Identifier: BSL-1.0
// A user's file that uses a little of everything, compiled with a user's warnings while the library
// is on his include path as his own headers are: with no warning, whatever the compiler, the
// optimiser, and whether there are exceptions.
#include <chrono>
#include <cstdint>
#include <map>
#include <mitogen/mitogen.hpp>
#include <optional>
#include <stop_token>
#include <string>
#include <variant>
#include <vector>

namespace user {

struct point {
    std::int8_t x = 0;
    double y = 0;
};

int narrow(std::int8_t a, std::uint16_t b, bool c, char d) { return a + b + c + d; }
std::map<std::string, std::vector<std::uint8_t>> wide(std::optional<point> where,
                                                      std::variant<int, std::string> what) {
    return {
        {what.index() == 0 ? "number" : "text", {static_cast<std::uint8_t>(where ? where->x : 0)}}};
}
void endless(std::stop_token stop) {
    while (!stop.stop_requested()) {}
}
mitogen::generator<std::string> lines() { co_yield "one"; }
mitogen::task<int> later(int n) { co_return n; }
int session(mitogen::dialog<int(point, int)>& peer, std::string name) {
    for (const point& one : peer) peer.send(one.x);
    return static_cast<int>(name.size());
}
void produce(mitogen::sender<point> to) { to.send({1, 2}); }

int values(mitogen::router& router) {
    mitogen::result<mitogen::context> child = router.try_local({.name = "one"});
    if (!child) return 1;
    auto coming = child->call_async<&wide>(point{1, 2}, std::string("x"));
    const auto expedited = child->within(std::chrono::seconds(1));
    const mitogen::result<int> sum =
        expedited.try_call<&narrow>(std::int8_t{1}, std::uint16_t{2}, true, 'c');
    const auto all = coming.try_get();
    child->call_no_reply<&endless>();
    const auto twice = child->try_call<[](int n) { return 2 * n; }>(21);
    const auto square = child->try_call<&later>(3);
    return sum && all && twice && square ? *sum : 1;
}

#ifdef __cpp_exceptions
int exceptions(mitogen::router& router) {
    const mitogen::context child = router.connect(mitogen::local{});
    for (const std::string& line : child.stream<&lines>())
        if (line.empty()) break;
    auto talk = child.open<&session>("talk");
    talk.send({1, 2});
    mitogen::receiver<point> in{router};
    child.call_no_reply<&produce>(in.to_sender());
    mitogen::nursery crew{router};
    const auto one = crew.start<&narrow>(child, std::int8_t{1}, std::uint16_t{2}, false, 'd');
    crew.join();
    router.ssh({.hostname = "web1"}).call<&wide>(std::nullopt, 1);
    for (const point& item : in)
        if (item.x > 0) return item.x;
    return talk.receive() + one.get();
}
#else
int exceptions(mitogen::router&) { return 0; }
#endif

} // namespace user

int main(int argc, char** argv) {
    return mitogen::run(argc, argv, [](mitogen::router& router) {
        return user::values(router) + user::exceptions(router);
    });
}
