// SPDX-License-Identifier: BSL-1.0
// `using namespace mitogen` beside the usual headers of POSIX: each name still means one thing, and
// their functions can be called without `::`. Not among them: select, error, log and group, which
// few programs use of both.
#include <mitogen/mitogen.hpp>

#include <arpa/inet.h>
#include <cerrno>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <ctime>
#include <dirent.h>
#include <dlfcn.h>
#include <fcntl.h>
#include <grp.h>
#include <netdb.h>
#include <netinet/in.h>
#include <poll.h>
#include <pthread.h>
#include <pwd.h>
#include <sched.h>
#include <semaphore.h>
#include <signal.h>
#include <spawn.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/select.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <sys/types.h>
#include <sys/uio.h>
#include <sys/un.h>
#include <sys/utsname.h>
#include <sys/wait.h>
#include <syslog.h>
#include <termios.h>
#include <time.h>
#include <unistd.h>
#include <wchar.h>
#if defined(__linux__)
#include <error.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/timerfd.h>
#endif

using namespace mitogen;

static int add(int a, int b) { return a + b; }
static int sum(sender<int> out) {
    out.send(2);
    return 1;
}
static int half(int n) { return n / 2; }
static task<int> later(int n) { co_return n; }
static generator<int> items() { co_yield 3; }
static int talk(dialog<void(int, int)>& peer) {
    peer.started();
    return peer.receive();
}
static result<int> refuses(int) { return mitogen::error(reason::misuse, "no"); }

// What mitogen has, without the name of the namespace.
static int ours(router& r) {
    context child = r.local(local_options{});
    future<int> coming = child.call_async<&add>(1, 2);
    receiver<int> in{r};
    future<int> one = child.call_async<&sum>(in.to_sender());
    const int two = in.get();
    secret word{"x"};
    latch<int> slot;
    slot.put(4);
    chain order = child.chain();
    const any_method how = local_options{};
    const handle<int> number{2001};
    nursery_options options{.grace = std::chrono::seconds(1)};
    nursery crew{r, options};
    nursery_task<int> begun = crew.start<&half>(crew.connect(how), 8);
    remote_range<int> stream = child.stream<&items>();
    open_dialog<void(int, int), int> speaking = child.open<&talk>();
    speaking.send(5);
    const bool refused = !child.try_call<&refuses>(1);
    try {
        child.call<&half>(7);
        child.call<&later>(7);
    } catch (const call_error& e) {
        std::puts(e.what());
    } catch (const channel_error& e) { std::puts(e.what()); }
    crew.join();
    return coming.get() + one.get() + two + slot.get() + begun.get() + stream.get() +
           speaking.result() + (refused ? 0 : 100) +
           (number.number == 2001 && word.reveal() == "x" ? 0 : 100);
}

// What POSIX has, without `::`.
static int sockets() {
    int ends[2];
    if (socketpair(AF_UNIX, SOCK_STREAM, 0, ends) != 0) return 1;
    char text[8] = "ab";
    if (send(ends[0], text, 2, MSG_NOSIGNAL) != 2 || recv(ends[1], text, sizeof text, 0) != 2)
        return 2;
    iovec part{text, 2};
    msghdr head{};
    head.msg_iov = &part;
    head.msg_iovlen = 1;
    if (sendmsg(ends[0], &head, 0) != 2 || recvmsg(ends[1], &head, 0) != 2) return 3;
    if (write(ends[0], text, 1) != 1 || read(ends[1], text, 1) != 1) return 4;
    pollfd watched{ends[1], POLLIN, 0};
    if (poll(&watched, 1, 0) != 0 || shutdown(ends[0], SHUT_RDWR) != 0) return 5;
    const int end = socket(AF_UNIX, SOCK_STREAM, 0);
    sockaddr_un nowhere{};
    nowhere.sun_family = AF_UNIX;
    const auto* const address = reinterpret_cast<const sockaddr*>(&nowhere);
    if (connect(end, address, 1) == 0 || bind(end, address, 1) == 0) return 6;
    if (accept(end, nullptr, nullptr) >= 0 || listen(-1, 1) == 0) return 7;
    close(end);
    close(ends[0]);
    close(ends[1]);
    return 0;
}

static int processes() {
    struct sigaction former {};
    if (sigaction(SIGUSR1, nullptr, &former) != 0 || kill(getpid(), 0) != 0) return 1;
    sigset_t signals;
    sigemptyset(&signals);
    sigaddset(&signals, SIGUSR1);
    if (pthread_sigmask(SIG_UNBLOCK, &signals, nullptr) != 0 || signal(SIGUSR1, SIG_IGN) == SIG_ERR)
        return 2;
    raise(SIGUSR1);
    signal(SIGUSR1, SIG_DFL);
    if (chdir("/") != 0 || access("/", R_OK) != 0 || (getuid() == 77 && chroot("/") != 0)) return 3;
    int ends[2];
    if (pipe(ends) != 0 || dup2(ends[0], ends[0]) != ends[0]) return 4;
    close(ends[0]);
    close(ends[1]);
    const pid_t child = fork();
    if (child == 0) _exit(3);
    int status = 0;
    if (waitpid(child, &status, 0) != child || WEXITSTATUS(status) != 3) return 5;
    // not really: the child that mitogen has made would be waited for
    if (getuid() == 4242 && wait(&status) >= 0) return 6;
    if (nice(0) == 77 || system(nullptr) == 0) return 6;
    const timespec none{};
    if (nanosleep(&none, nullptr) != 0 || time(nullptr) == 0 || clock() == -1 || alarm(0) != 0)
        return 7;
    struct stat about {};
    if (stat("/", &about) != 0 || link("", "") == 0 || unlink("") == 0 || truncate("", 0) == 0)
        return 8;
    return index("ab", 'b') == nullptr || strlen(strerror(EINTR)) == 0 || abs(-1) != 1 ? 9 : 0;
}

int main(int argc, char** argv) {
    return run(argc, argv, [](router& r) {
        std::printf("%d\n", ours(r));
        std::printf("sockets: %d\n", sockets());
        std::printf("processes: %d\n", processes());
    });
}
// expect: 22
// expect: sockets: 0
// expect: processes: 0
