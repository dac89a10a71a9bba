// SPDX-License-Identifier: BSL-1.0
// What can go wrong, as what it arrives, and what its kind() advises to do.
// expect: call_error std::invalid_argument: negative (failed)
// expect: overloaded_error (overloaded)
// expect: channel_error: signal 9 (disconnected)
// expect: channel_error: signal 9 (disconnected)
// expect: payload_error (failed)
// expect: connect_error (failed)
// expect: logic_error (failed)
#include <mitogen/mitogen.hpp>

#include <cmath>
#include <csignal>
#include <cstdio>
#include <stdexcept>
#include <string>

static double root(double x) {
    return x < 0 ? throw std::invalid_argument("negative") : std::sqrt(x);
}
static std::size_t length(std::string text) { return text.size(); }
static void die() { std::raise(SIGKILL); }

static const char* advice(const mitogen::error& e) {
    // Repeating it will not help; later perhaps; over a new connection; the program there does not
    // know what was asked.
    static constexpr const char* texts[] = {"failed", "overloaded", "disconnected",
                                            "unimplemented"};
    return texts[static_cast<int>(e.kind())];
}

template <class Act>
static void attempt(Act act) {
    try {
        act();
    } catch (const mitogen::call_error& e) { // the function threw
        std::printf("call_error %s: %s (%s)\n", std::string(e.type()).c_str(),
                    std::string(e.message()).c_str(), advice(e));
    } catch (const mitogen::channel_error& e) { // whoever should have answered is lost
        std::printf("channel_error: %s (%s)\n",
                    e.status() ? e.status()->text().c_str() : "status unknown", advice(e));
    } catch (const mitogen::overloaded_error& e) { // a limit was reached
        std::printf("overloaded_error (%s)\n", advice(e));
        // a kind of connect_error, as auth_error and host_key_error
    } catch (const mitogen::payload_error& e) {
        std::printf("payload_error (%s)\n", advice(e));
    } catch (const mitogen::connect_error& e) {
        std::printf("connect_error (%s)\n", advice(e));
    } catch (const mitogen::logic_error& e) { // a mistake of this program
        std::printf("logic_error (%s)\n", advice(e));
    } // all of them are a mitogen::error, and what() tells the whole story
}

int main(int argc, char** argv) {
    return mitogen::run(argc, argv, [](mitogen::router& router) {
        mitogen::limits small;
        small.message_bytes = 1 << 20;
        mitogen::context child = router.local({.limits = small});
        attempt([&] { child.call<&root>(-1); });
        attempt([&] { child.call<&length>(std::string(2 << 20, 'x')); });
        attempt([&] { child.call<&die>(); });
        attempt([&] { child.call<&root>(2); }); // says again why it is lost
        attempt([&] { router.local({.executable = "/usr/nowhere/program"}); });
        attempt([&] { router.ssh({.hostname = "web1", .ssh_path = "/usr/nowhere/ssh"}); });
        attempt([&] { mitogen::context().call<&root>(2); });
    });
}
