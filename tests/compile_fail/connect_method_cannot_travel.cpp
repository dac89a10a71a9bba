// SPDX-License-Identifier: BSL-1.0
// expect: mitogen: this connection Method cannot be used in another context
// expect: teleport
#include <mitogen/boot/boot_plan.hpp>
#include <mitogen/mitogen.hpp>

struct teleport {
    std::string name{};
    std::chrono::milliseconds connect_timeout{1000};
    std::string executable{};
    std::optional<mitogen::limits> limits{};
#ifdef FIXED
    static constexpr std::string_view method_name = "teleport";
    template <class Self>
    static constexpr auto fields(Self& self) {
        return std::tie(self.name, self.connect_timeout, self.executable, self.limits);
    }
#endif
    mitogen::result<mitogen::boot_plan> plan() const { return mitogen::local{}.plan(); }
};

mitogen::context use(mitogen::context c) { return c.connect(teleport{}); }
