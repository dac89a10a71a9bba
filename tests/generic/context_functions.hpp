// SPDX-License-Identifier: BSL-1.0
#pragma once
// context_functions.hpp: what the tests of several policies and kinds of children call.

#include "tree.hpp"

#include <csignal>
#include <mitogen/mitogen.hpp>
#include <stdexcept>
#include <stop_token>
#include <string>
#include <unistd.h>

namespace generic {

inline int add(int a, int b) { return a + b; }
inline std::string repeat(std::string_view text, std::uint32_t times) {
    std::string out;
    for (std::uint32_t i = 0; i < times; ++i) out += text;
    return out;
}
inline std::size_t length(std::string_view text) { return text.size(); }
inline void refuse(int code) { throw std::out_of_range("no element " + std::to_string(code)); }
inline int process_id() { return ::getpid(); }
inline int add_on_loop(int a, int b) { return a + b; }

/// Posts to one pipe and waits for another.
inline int meet(int mine, int theirs, int value) {
    shared_pipe::post(mine);
    return shared_pipe::wait(theirs) ? value : -1;
}
inline int hold(int started, int go_on, int value) { return meet(started, go_on, value); }
inline int meet_on_pool(int mine, int theirs, int value) { return meet(mine, theirs, value); }

/// Waits for its stop token, in a way that nothing else ends.
inline int wait_for_stop(std::stop_token stop) {
    shared_pipe woken;
    const std::stop_callback wake(stop, [&] { woken.post(); });
    woken.wait();
    return 1;
}

/// Says that it runs, then waits for its stop token; says that it fired.
inline int until_stopped(int started, int stopped, std::stop_token stop) {
    shared_pipe::post(started);
    wait_for_stop(stop);
    shared_pipe::post(stopped);
    return 1;
}

/// Of another context, by its number, as the one that runs this sees it.
inline std::string name_seen(mitogen::router& here, mitogen::context_id id) {
    return here.context_by_id(id).name();
}

inline void end_by_signal(int number) {
    ::signal(number, SIG_DFL); // a sanitizer may have its own handler
    ::raise(number);
}
inline void end_by_exit(int code) { ::_exit(code); }

} // namespace generic

template <>
inline constexpr auto mitogen::run_on<&generic::meet_on_pool> = mitogen::on::pool;
template <>
inline constexpr auto mitogen::run_on<&generic::add_on_loop> = mitogen::on::loop;
