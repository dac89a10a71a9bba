// SPDX-License-Identifier: BSL-1.0
#include "../generic/forked.hpp"

#include <mitogen/base/log.hpp>
#include <mitogen/os/stdio/stderr.hpp>

#include <catch2/catch.hpp>
#include <cstdlib>
#include <fcntl.h>
#include <string>
#include <sys/socket.h>
#include <termios.h>
#include <unistd.h>

namespace {

namespace os = mitogen::os;
namespace log = mitogen::log;

/// What standard error may be: at [1] it is written, at [0] read.
enum class kind { pipe, socket, terminal };

bool make(kind k, int (&ends)[2]) {
    if (k == kind::pipe) return ::pipe(ends) == 0;
    if (k == kind::socket) return ::socketpair(AF_UNIX, SOCK_STREAM, 0, ends) == 0;
    ends[0] = ::posix_openpt(O_RDWR | O_NOCTTY);
    if (ends[0] < 0 || ::grantpt(ends[0]) != 0 || ::unlockpt(ends[0]) != 0) return false;
    ends[1] = ::open(::ptsname(ends[0]), O_RDWR | O_NOCTTY);
    ::termios as_it_is{};
    if (ends[1] < 0 || ::tcgetattr(ends[1], &as_it_is) != 0) return false;
    ::cfmakeraw(&as_it_is);
    return ::tcsetattr(ends[1], TCSANOW, &as_it_is) == 0;
}

/// All that is there now.
std::string take(int fd) {
    ::fcntl(fd, F_SETFL, O_NONBLOCK);
    std::string got;
    char bytes[4096];
    for (ssize_t n; (n = ::read(fd, bytes, sizeof bytes)) > 0;)
        got.append(bytes, static_cast<std::size_t>(n));
    return got;
}

bool contains(const std::string& text, const char* part) {
    return text.find(part) != std::string::npos;
}

/// In a copy of this process, whose standard error nobody reads: logs until a line is lost, and
/// then until what is read says so.
int log_until_lost(kind k) {
    int ends[2];
    if (!make(k, ends) || ::dup2(ends[1], 2) != 2) return 1;
    const std::string line(100, 'l');
    while (log::unread_lines() == 0) log::write(log::level::error, line);
    log::write(log::level::error, line);
    if (log::unread_lines() != 2) return 2;
    if (::fcntl(2, F_GETFL) & O_NONBLOCK) return 3; // others write there too
    // A terminal gives what it has bit by bit.
    std::string got;
    for (int i = 0; i < 1000 && !contains(got, "the last one"); ++i) {
        got += take(ends[0]);
        if (i > 0) log::write(log::level::error, "the last one");
    }
    if (!contains(got, " lines of the log are missing here: standard error was not read\n"))
        return 4;
    return contains(got, "\nmitogen: the last one\n") ? 0 : 5;
}

TEST_CASE("the log waits for nobody who should read standard error, and says what is missing") {
    CHECK(generic::forked([] { return log_until_lost(kind::pipe); }) == 0);
    CHECK(generic::forked([] { return log_until_lost(kind::socket); }) == 0);
    CHECK(generic::forked([] { return log_until_lost(kind::terminal); }) == 0);
}

TEST_CASE("what nobody will ever see counts as written") {
    CHECK(generic::forked([] {
              ::close(2);
              if (os::write_stderr_now("abc", 3) != 3) return 1;
              const int null = ::open("/dev/null", O_WRONLY);
              if (::dup2(null, 2) != 2) return 2;
              return os::write_stderr_now("abc", 3) == 3 ? 0 : 3;
          }) == 0);
}

TEST_CASE("a file takes all of it") {
    CHECK(generic::forked([] {
              char path[] = "/tmp/stderr_test.XXXXXX";
              const int file = ::mkstemp(path);
              ::unlink(path);
              if (file < 0 || ::dup2(file, 2) != 2) return 1;
              log::write(log::level::error, "one");
              log::write(log::level::error, "two");
              char bytes[64];
              const ssize_t n = ::pread(file, bytes, sizeof bytes, 0);
              const std::string got(bytes, n > 0 ? static_cast<std::size_t>(n) : 0);
              return got == "mitogen: one\nmitogen: two\n" ? 0 : 2;
          }) == 0);
}

} // namespace
