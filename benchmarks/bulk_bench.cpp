// SPDX-License-Identifier: BSL-1.0
// bulk_bench.cpp: large arguments and results beside the same bytes through a raw pipe and a raw
// socket.
//
//   ./bulk_bench [--rounds=7] [--calls=200] [--bytes=1048576] [--json[=file]] [--smoke]
//   ./bulk_bench --count=N [view|vector|blob]      N echoes and nothing else, for profilers
//
// Everything on one CPU; a second is one of CPU time, of both processes together. An echo is
// counted once: its bytes travel there and back.

#include "support/raw.hpp"
#include "support/report.hpp"

#include <mitogen/mitogen.hpp>

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

std::string_view echo_view(std::string_view bytes) { return bytes; }
std::vector<unsigned char> echo_vector(std::vector<unsigned char> bytes) { return bytes; }
mitogen::blob echo_blob(mitogen::blob bytes) { return bytes; }
std::size_t take_view(std::string_view bytes) { return bytes.size(); }

namespace {

using namespace bench;

void check(bool right) {
    if (!right) std::abort();
}

template <class Work>
void rate(rounds& all, const std::string& name, ::pid_t other, std::size_t calls, std::size_t bytes,
          Work&& work) {
    work(); // touches the memory that is used again
    const cpu_meter used(other);
    for (std::size_t i = 0; i < calls; ++i) work();
    all.add(name, static_cast<double>(calls * bytes) / used.seconds() / (1 << 20));
}

void raw_echo(raw::ends link, std::vector<char>& from, std::vector<char>& to) {
    if (!raw::write_all(link.out, from.data(), from.size()) ||
        !raw::read_all(link.in, to.data(), to.size()))
        die("echo");
}

void run(report& out) {
    const std::size_t count = out.count("rounds", 7, 1);
    const std::size_t calls = out.count("calls", 200, 3);
    const std::size_t bytes = out.count("bytes", 1 << 20, 1 << 20);
    constexpr std::size_t train = 16; // one way: so many, then an answer
    raw::peer pipe_echo(raw::channel::big_pipe,
                        [bytes](raw::ends link) { raw::serve_echo(link, bytes); });
    raw::peer socket_echo(raw::channel::socket,
                          [bytes](raw::ends link) { raw::serve_echo(link, bytes); });
    raw::peer pipe_sink(raw::channel::big_pipe,
                        [bytes](raw::ends link) { raw::serve_sink(link, bytes); });
    raw::peer pipe_train(raw::channel::big_pipe,
                         [bytes](raw::ends link) { raw::serve_sink(link, bytes * train); });
    mitogen::broker loop;
    mitogen::router root(loop);
    const auto child = root.local();
    const ::pid_t other = root.child_pid(child.id());

    std::vector<char> from(bytes, 'x');
    std::vector<char> to(bytes);
    const std::string_view view(from.data(), bytes);
    const std::vector<unsigned char> vector(bytes, 'x');
    const mitogen::blob blob(view);
    rounds all;
    for (std::size_t r = 0; r < count; ++r) {
        rate(all, "raw pipe echo", pipe_echo.pid(), calls, bytes,
             [&] { raw_echo(pipe_echo.here, from, to); });
        rate(all, "raw socketpair echo", socket_echo.pid(), calls, bytes,
             [&] { raw_echo(socket_echo.here, from, to); });
        rate(all, "echo of a string_view", other, calls, bytes,
             [&] { check(child.call<&echo_view>(view).size() == bytes); });
        rate(all, "echo of a vector", other, calls, bytes,
             [&] { check(child.call<&echo_vector>(vector).size() == bytes); });
        rate(all, "echo of a blob", other, calls, bytes,
             [&] { check(child.call<&echo_blob>(blob).size() == bytes); });
        rate(all, "raw pipe, one way, answered each", pipe_sink.pid(), calls, bytes, [&] {
            char done;
            check(raw::write_all(pipe_sink.here.out, from.data(), bytes) &&
                  raw::read_all(pipe_sink.here.in, &done, 1));
        });
        rate(all, "string_view one way, answered each", other, calls, bytes,
             [&] { check(child.call<&take_view>(view) == bytes); });
        rate(all, "raw pipe, one way", pipe_train.pid(), calls / train + 1, bytes * train, [&] {
            char done;
            for (std::size_t i = 0; i < train; ++i)
                check(raw::write_all(pipe_train.here.out, from.data(), bytes));
            check(raw::read_all(pipe_train.here.in, &done, 1));
        });
        rate(all, "string_view one way, call_no_reply", other, calls / train + 1, bytes * train,
             [&] {
                 for (std::size_t i = 1; i < train; ++i) child.call_no_reply<&take_view>(view);
                 check(child.call<&take_view>(view) == bytes);
             });
    }
    for (const char* what : {"echo of a string_view", "echo of a vector", "echo of a blob"})
        out.add(all, what, "raw pipe echo", "MiB/s", ratio_at_least(0.5, 0.95));
    for (const char* what : {"echo of a string_view", "echo of a vector", "echo of a blob"})
        out.add(all, what, "raw socketpair echo", "MiB/s");
    out.add(all, "string_view one way, answered each", "raw pipe, one way, answered each", "MiB/s");
    out.add(all, "string_view one way, call_no_reply", "raw pipe, one way", "MiB/s");
}

/// Echoes and nothing else.
int count_only(const report& out) {
    const std::size_t calls = out.count("count", 0, 0);
    const std::string kind = out.words().empty() ? "view" : out.words().front();
    mitogen::broker loop;
    mitogen::router root(loop);
    const auto child = root.local();
    const std::string text(1 << 20, 'x');
    const std::vector<unsigned char> vector(1 << 20, 'x');
    const mitogen::blob blob(text);
    for (std::size_t i = 0; i < calls; ++i) {
        if (kind == "view") check(child.call<&echo_view>(text).size() == text.size());
        if (kind == "vector") check(child.call<&echo_vector>(vector).size() == text.size());
        if (kind == "blob") check(child.call<&echo_blob>(blob).size() == text.size());
    }
    return 0;
}

} // namespace

int main(int argc, char** argv) {
    mitogen::init(argc, argv);
    report out(argc, argv);
    placement().pin(true);
    if (out.has("count")) return count_only(out);
    run(out);
    return out.finish();
}
