// SPDX-License-Identifier: BSL-1.0
#pragma once
// init.hpp: what init() does, and what run() holds.

#include <mitogen/base/config.hpp>
#include <mitogen/base/log.hpp>
#include <mitogen/boot/first_stage.hpp>
#include <mitogen/call/registry.hpp>
#include <mitogen/child/child_pipes.hpp>
#include <mitogen/io/main_arguments.hpp>
#include <mitogen/io/native.hpp>
#include <mitogen/loop/broker_body.hpp>
#include <mitogen/method/namespace/nsenter_main.hpp>
#include <mitogen/method/namespace/nsenter_options.hpp>
#include <mitogen/os/process/signal.hpp>
#include <mitogen/os/program/executable.hpp>
#include <mitogen/os/stdio/stdio.hpp>
#include <mitogen/protocol/handshake.hpp>
#include <mitogen/router/child_main.hpp>
#include <mitogen/router/router_body.hpp>
#include <mitogen/router/run.hpp>
#include <mitogen/serve/exception_info.hpp>
#include <mitogen/serve/uncaught.hpp>

#include <cstdlib>
#include <memory>
#include <string>
#include <string_view>
#include <utility>

namespace mitogen::inline MITOGEN_ABI {

template <class Io>
MITOGEN_COLD void init(int argc, char** argv) {
    const std::string_view first = argc < 2 ? std::string_view() : std::string_view(argv[1]);
    if (const auto enter = detail::enter_main.load(); enter && first == detail::enter_argument)
        enter(argc, argv);
    io::main_arguments = {.argc = argc, .argv = argv, .known = true};
    os::keep_exit_statuses();
    os::self_executable(); // opened now: the file may be replaced while we run
    if (first != child_argument) {
        for (const std::string& same : registry::duplicates()) {
            log::write(
                log::level::warning,
                "two remote functions cannot be told apart between different builds: " + same +
                    "; name one: template <> inline constexpr std::string_view "
                    "mitogen::name_of<&f> = \"...\";");
        }
        return;
    }
    detail::leave_first_stage(argv[0]);
    detail::child_ends<Io> ends{os::take_stdio(0), os::take_stdio(1)};
    if (!ends.in || !ends.out) std::exit(0);
    std::exit(detail::serve_as_child<Io>(Io{}, std::move(ends)));
}

namespace detail {

template <class Io>
struct whole_program<Io>::parts {
    std::unique_ptr<basic_broker<Io>> loop;
    mitogen::router root;

    explicit parts(std::unique_ptr<basic_broker<Io>> made) : loop(std::move(made)), root(*loop) {}
};

template <class Io>
whole_program<Io>::whole_program() {
    auto loop = basic_broker<Io>::make();
    if (loop) {
        parts_ = std::make_unique<parts>(std::move(*loop));
        return;
    }
#if MITOGEN_HAS_EXCEPTIONS
    raise(loop.error());
#else
    log::write(log::level::error, loop.error().what());
#endif
}
template <class Io>
whole_program<Io>::~whole_program() = default;
template <class Io>
router& whole_program<Io>::root() noexcept {
    return parts_->root;
}
template <class Io>
bool whole_program<Io>::debugged() noexcept {
    return on_uncaught.load(std::memory_order_acquire) != nullptr;
}
template <class Io>
void whole_program<Io>::show() noexcept {
#if MITOGEN_HAS_EXCEPTIONS
    const error why(describe_current_exception(0));
    show_uncaught("the body of mitogen::run", why);
#endif
}

} // namespace detail

} // namespace mitogen::inline MITOGEN_ABI
