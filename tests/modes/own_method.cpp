// SPDX-License-Identifier: BSL-1.0
// A connection method of the program's own, in a file that only calls the core.
#include <mitogen/mitogen.hpp>
#include <mitogen/remote/serializable_method.hpp>

namespace {

struct next_door {
    std::string name{};
    std::chrono::milliseconds connect_timeout{30'000};
    std::string executable{};
    std::optional<mitogen::limits> limits{};

    static constexpr std::string_view method_name = "next_door";
    template <class Self>
    static constexpr auto fields(Self& self) {
        return std::tie(self.name, self.connect_timeout, self.executable, self.limits);
    }
    mitogen::result<mitogen::boot_plan> plan() const { return mitogen::local{}.plan(); }
};

int add(int a, int b) { return a + b; }

} // namespace

int main(int argc, char** argv) {
    mitogen::init(argc, argv);
    mitogen::broker broker;
    mitogen::router router(broker);
    const mitogen::context here = router.connect(next_door{});
    const mitogen::context there = here.connect(next_door{}); // it travels
    return there.call<&add>(40, 2) == 42 ? 0 : 1;
}
