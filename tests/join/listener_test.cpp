// SPDX-License-Identifier: BSL-1.0
// Programs that join a tree through a socket. Other processes are children of a second tree, whose
// functions join the first.
#include "../generic/context_functions.hpp"
#include "../generic/tree.hpp"
#include "support/scratch.hpp"

#include <catch2/catch.hpp>
#include <csignal>
#include <cstring>
#include <fcntl.h>
#include <future>
#include <memory>
#include <mitogen/mitogen.hpp>
#ifdef MITOGEN_SEPARATE // else the umbrella has it
#include <mitogen/join/join_peer.hpp>
#include <mitogen/protocol/error_notice.hpp>
#include <mitogen/protocol/handshake.hpp>
#include <mitogen/protocol/join_handshake.hpp>
#endif
#include <optional>
#include <random>
#include <string>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>
#include <utility>
#include <vector>

namespace listener_test {

std::pair<mitogen::context_id, mitogen::context_id> who_calls(mitogen::caller& who) {
    return {who.id, who.auth};
}

/// Joins, calls whom it has joined `count` times, and leaves.
int visit(const std::string& path, const std::string& name, int count) {
    mitogen::joined me = mitogen::join(path, {.name = name});
    int sum = 0;
    for (int i = 0; i < count; ++i) sum = me.parent().call<&generic::add>(sum, 1);
    return sum;
}
/// Joins, says so, and stays until it is told to leave or is killed.
int stay(const std::string& path, int joined, int leave) {
    mitogen::joined me = mitogen::join(path);
    generic::shared_pipe::post(joined);
    generic::shared_pipe::wait(leave);
    return static_cast<int>(me.router().id());
}
/// A tree of its own that can be joined, until it is killed.
void be_joined(const std::string& path, int listening, int never) {
    mitogen::broker loop;
    mitogen::router root(loop);
    root.listen(path, {.authority = mitogen::authority::parent});
    generic::shared_pipe::post(listening);
    generic::shared_pipe::wait(never);
}
void listen_here(mitogen::router& here, const std::string& path) {
    here.listen(path, {.authority = mitogen::authority::parent});
}
/// How many descriptors are open, sockets and others.
std::pair<int, int> open_descriptors() {
    std::pair<int, int> count{};
    for (int fd = 3; fd < 1024; ++fd) {
        struct ::stat what {};
        if (::fstat(fd, &what) == 0) ++(S_ISSOCK(what.st_mode) ? count.first : count.second);
    }
    return count;
}

} // namespace listener_test

namespace {
using namespace listener_test;
using namespace std::chrono_literals;
using generic::contains;
using generic::shared_pipe;
using generic::tree;
using mitogen::authority;
using mitogen::reason;

/// The path of a socket in a directory of its own.
struct folder : support::scratch {
    std::string socket() const { return *this / "socket"; }
};

bool exists(const std::string& path) {
    struct ::stat s {};
    return ::lstat(path.c_str(), &s) == 0;
}
::mode_t mode_of(const std::string& path) {
    struct ::stat s {};
    return ::lstat(path.c_str(), &s) == 0 ? s.st_mode & 07777 : 0;
}

/// A socket in the hands of the test.
class raw_socket {
    int fd_;

    static ::sockaddr_un address(const std::string& path) {
        ::sockaddr_un a{};
        a.sun_family = AF_UNIX;
        std::strncpy(a.sun_path, path.c_str(), sizeof a.sun_path - 1);
        return a;
    }

public:
    explicit raw_socket(int fd = ::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0)) : fd_(fd) {}
    raw_socket(raw_socket&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}
    ~raw_socket() {
        if (fd_ >= 0) ::close(fd_);
    }

    static raw_socket connected(const std::string& path) {
        raw_socket s;
        const ::sockaddr_un a = address(path);
        if (::connect(s.fd_, reinterpret_cast<const ::sockaddr*>(&a), sizeof a) != 0)
            throw std::runtime_error("connect");
        return s;
    }
    static raw_socket bound(const std::string& path, bool listening) {
        raw_socket s;
        const ::sockaddr_un a = address(path);
        if (::bind(s.fd_, reinterpret_cast<const ::sockaddr*>(&a), sizeof a) != 0)
            throw std::runtime_error("bind");
        if (listening && ::listen(s.fd_, 8) != 0) throw std::runtime_error("listen");
        return s;
    }
    raw_socket accept() const { return raw_socket(::accept4(fd_, nullptr, nullptr, SOCK_CLOEXEC)); }
    void say(std::string_view text) const {
        (void)!::send(fd_, text.data(), text.size(), MSG_NOSIGNAL);
    }
    /// Waits until the other side has closed it. What it says before is dropped.
    bool closed() const {
        char bytes[256];
        for (;;) {
            ::pollfd p{fd_, POLLIN, 0};
            if (::poll(&p, 1, 60'000) != 1) return false;
            if (::recv(fd_, bytes, sizeof bytes, 0) <= 0) return true;
        }
    }
    bool open() const {
        ::pollfd p{fd_, POLLIN, 0};
        return ::poll(&p, 1, 0) == 0;
    }
};

std::string as_text(const mitogen::buffer& b) {
    return {reinterpret_cast<const char*>(b.data()), b.size()};
}
std::string good_request() {
    return as_text(mitogen::joining::encode_request({"build", 1, "by hand"}));
}

/// Something that happens once, on another thread.
class event {
    std::promise<std::string> said_;
    std::future<std::string> heard_ = said_.get_future();

public:
    auto call() {
        return [this](const mitogen::error& why) { said_.set_value(why.what()); };
    }
    bool happened() const { return heard_.wait_for(generic::plenty) == std::future_status::ready; }
    std::string text() { return happened() ? heard_.get() : "nothing happened"; }
};

// ---- joining

TEST_CASE("two programs that have joined call and are called at the same time") {
    folder f;
    tree t;
    t.root.listen(f.socket(), {.authority = authority::parent});
    mitogen::joined one = mitogen::join(f.socket(), {.name = "one"});
    mitogen::joined two = mitogen::join(f.socket(), {.name = "two"});
    CHECK(t.root.contexts().size() == 2);
    CHECK(t.root.context_by_id(two.router().id()).name() == "two");
    std::vector<mitogen::future<int>> answers;
    for (int i = 0; i < 100; ++i) {
        answers.push_back(one.parent().call_async<&generic::add>(i, 0));
        answers.push_back(two.parent().call_async<&generic::add>(i, 0));
        for (mitogen::context c : t.root.contexts())
            answers.push_back(c.call_async<&generic::add_on_loop>(i, 0));
    }
    for (std::size_t i = 0; i < answers.size(); ++i)
        CHECK(answers[i].get() == static_cast<int>(i / 4));
    for (mitogen::context c : t.root.contexts()) CHECK(c.call<&generic::add>(1, 1) == 2);
}

TEST_CASE("other processes join, by as many threads as they like") {
    folder f;
    tree t;
    tree others;
    t.root.listen(f.socket(), {.authority = authority::parent});
    std::vector<mitogen::future<int>> visits;
    for (int i = 0; i < 4; ++i)
        visits.push_back(others.root.local().call_async<&visit>(
            f.socket(), "visitor " + std::to_string(i), 200));
    for (auto& v : visits) CHECK(v.get() == 200);
}

TEST_CASE("a context that has joined has its process, a name, and a path") {
    folder f;
    tree t;
    tree others;
    shared_pipe joined;
    shared_pipe leave;
    t.root.listen(f.socket());
    mitogen::context process = others.root.local();
    const int pid = process.call<&generic::process_id>();
    auto visit = process.call_async<&stay>(f.socket(), joined.write_end(), leave.read_end());
    REQUIRE(joined.wait());
    REQUIRE(t.root.contexts().size() == 1);
    mitogen::context client = t.root.contexts().front();
    CHECK(client.name() == "client." + std::to_string(pid));
    CHECK(client.call<&generic::process_id>() == pid);
    CHECK(client.alive());
    event left;
    client.on_disconnect(left.call());
    leave.post();
    CHECK(visit.get() == static_cast<int>(client.id()));
    CHECK(contains(left.text(), "has left"));
    CHECK(t.root.contexts().empty());
    CHECK_FALSE(client.alive());
}

TEST_CASE("a program joins below a context that is not the root, and the root knows it") {
    folder f;
    tree t;
    mitogen::context server = t.root.connect(mitogen::local{.name = "server"});
    server.call<&listen_here>(f.socket());
    mitogen::joined me = mitogen::join(f.socket(), {.name = "tool"});
    CHECK(me.parent().id() == server.id());
    CHECK(me.router().ancestors() == std::vector<mitogen::context_id>{server.id(), 0});
    CHECK(me.parent().call<&generic::process_id>() == server.call<&generic::process_id>());
    CHECK(me.parent().call<&who_calls>() == std::pair{me.router().id(), server.id()});
    // Its authority ends where that of the listener does.
    const auto above = me.router().context_by_id(0).try_call<&generic::add>(1, 1);
    REQUIRE_FALSE(above.has_value());
    mitogen::context seen = t.root.context_by_id(me.router().id());
    CHECK(seen.name() == "server.tool");
    CHECK(seen.call<&generic::process_id>() == ::getpid());
}

TEST_CASE("a program that has joined makes children of its own, which the tree can call") {
    folder f;
    tree t;
    t.root.listen(f.socket());
    mitogen::joined me = mitogen::join(f.socket(), {.name = "tool"});
    mitogen::context child = me.router().connect(mitogen::local{.name = "helper"});
    // its answer comes behind what it says of its child
    CHECK(t.root.contexts().front().call<&generic::add>(1, 1) == 2);
    mitogen::context seen = t.root.context_by_id(child.id());
    CHECK(seen.name() == "tool.helper");
    CHECK(seen.call<&generic::process_id>() == child.call<&generic::process_id>());
}

// ---- authority

TEST_CASE("without authority a program is called, but may not call") {
    folder f;
    tree t;
    mitogen::context child = t.root.local();
    t.root.listen(f.socket());
    mitogen::joined me = mitogen::join(f.socket());
    CHECK(t.root.contexts().back().call<&generic::add>(1, 1) == 2);
    for (mitogen::context to : {me.parent(), me.router().context_by_id(child.id())}) {
        const auto r = to.try_call<&generic::add>(1, 1);
        REQUIRE_FALSE(r.has_value());
        CHECK(r.error().reason() == reason::refused_by_policy);
        CHECK(contains(r.error().what(), "may not call"));
    }
    CHECK(me.parent().ping().try_get().error().reason() == reason::refused_by_policy);
}

TEST_CASE("with a parent's authority a program calls as the one that it has joined") {
    folder f;
    tree t;
    mitogen::context child = t.root.local();
    t.root.listen(f.socket(), {.authority = authority::parent});
    mitogen::joined me = mitogen::join(f.socket());
    mitogen::context sibling = me.router().context_by_id(child.id());
    CHECK(me.parent().call<&who_calls>() == std::pair{me.router().id(), mitogen::context_id{0}});
    CHECK(sibling.call<&who_calls>() == std::pair{me.router().id(), mitogen::context_id{0}});
    CHECK(sibling.call<&generic::process_id>() == child.call<&generic::process_id>());
    const std::string large(1'000'000, 'x'); // in fragments
    CHECK(me.parent().call<&generic::length>(large) == large.size());
    CHECK(sibling.call<&generic::length>(large) == large.size());
    CHECK(sibling.call<&generic::repeat>("0123456789", 50'000u).size() == 500'000);
    me.parent().ping().get();
}

TEST_CASE("nobody speaks for others, whatever authority they have") {
    folder f;
    tree t;
    t.root.listen(f.socket(), {.authority = authority::parent});
    mitogen::joined me = mitogen::join(f.socket());
    mitogen::header h = me.router().node().address(0, mitogen::handles::ping);
    h.src = 77;
    generic::log_capture log;
    (void)me.router().node().send(h, std::span<const std::byte>(),
                                  mitogen::detail::flush_mode::now);
    CHECK(log.wait_for("may not send as context 77"));
    CHECK(me.parent().call<&generic::add>(1, 1) == 2);
}

// ---- programs that do not behave

TEST_CASE("one that says nothing is dropped at the deadline, and disturbs nobody") {
    folder f;
    generic::log_capture log;
    tree t;
    t.root.listen(f.socket(), {.authority = authority::parent, .handshake_timeout = 2s});
    const raw_socket silent = raw_socket::connected(f.socket());
    const raw_socket slow = raw_socket::connected(f.socket());
    slow.say(good_request().substr(0, 12));
    mitogen::joined me = mitogen::join(f.socket());
    CHECK(me.parent().call<&generic::add>(1, 1) == 2);
    CHECK(t.root.local().call<&generic::add>(1, 1) == 2);
    CHECK(silent.closed());
    CHECK(slow.closed());
    CHECK(log.wait_for("handshake_timeout"));
    CHECK(t.root.contexts().size() == 2);
}

TEST_CASE("as many as may wait do; the others get their turn") {
    folder f;
    tree t;
    t.root.listen(f.socket(),
                  {.authority = authority::parent, .handshake_timeout = 1s, .most_waiting = 2});
    std::vector<raw_socket> silent;
    for (int i = 0; i < 5; ++i) silent.push_back(raw_socket::connected(f.socket()));
    mitogen::joined me = mitogen::join(f.socket()); // behind all of them
    CHECK(me.parent().call<&generic::add>(1, 1) == 2);
    for (const raw_socket& s : silent) CHECK(s.closed());
}

TEST_CASE("who says nothing gives way to who comes later, the longest there first") {
    folder f;
    generic::log_capture log;
    tree t;
    t.root.listen(f.socket(),
                  {.authority = authority::parent, .handshake_timeout = 60s, .most_waiting = 2});
    std::vector<raw_socket> silent;
    for (int i = 0; i < 8; ++i) silent.push_back(raw_socket::connected(f.socket()));
    mitogen::joined me = mitogen::join(f.socket());
    CHECK(me.parent().call<&generic::add>(1, 1) == 2);
    for (std::size_t i = 0; i < 7; ++i) CHECK(silent[i].closed());
    CHECK(log.wait_for("most_waiting"));
    CHECK(silent[7].open()); // nobody has come after it that had to wait
}

TEST_CASE("what is no request to join ends the connection at once") {
    folder f;
    generic::log_capture log; // hundreds of records
    tree t;
    t.root.listen(f.socket(), {.authority = authority::parent, .handshake_timeout = 60s});
    const std::string good = good_request();
    const std::size_t front = mitogen::handshake::mark.size();
    std::string version = good;
    version[front + 1] = 99;
    std::string length = good;
    std::memset(length.data() + front + 2, 0x7f, 4);
    std::string child = good;
    child[front] = '2'; // who should have been started by a parent
    std::string content = good;
    std::memset(content.data() + front + 6, 0xee, content.size() - front - 6);
    const std::string name =
        as_text(mitogen::joining::encode_request({"build", 1, std::string(1000, 'n')}));
    for (const std::string& bad :
         {std::string("GET / HTTP/1.1\r\n\r\n"), std::string("x"), std::string("\0\0", 2), version,
          length, child, content, name, good + "more"}) {
        const raw_socket s = raw_socket::connected(f.socket());
        s.say(bad);
        CHECK(s.closed());
    }
    const unsigned seed = 20260103;
    INFO("seed " << seed);
    std::mt19937 random(seed);
    for (int round = 0; round < 200; ++round) {
        std::string bytes = good;
        bytes[random() % front] ^= static_cast<char>(1 + random() % 255);
        const raw_socket s = raw_socket::connected(f.socket());
        s.say(bytes);
        CHECK(s.closed());
    }
    for (std::size_t part = 0; part < good.size(); part += 5) {
        const raw_socket s = raw_socket::connected(f.socket());
        s.say(good.substr(0, part)); // and it goes
    }
    CHECK(mitogen::join(f.socket()).parent().call<&generic::add>(1, 1) == 2);
}

TEST_CASE("one that sends garbage once it has joined is lost, with the reason") {
    folder f;
    tree t;
    t.root.listen(f.socket());
    const raw_socket s = raw_socket::connected(f.socket());
    event lost;
    s.say(good_request());
    mitogen::joined other = mitogen::join(f.socket());
    t.root.context_by_id(1).on_disconnect(lost.call());
    s.say(std::string(1000, 'g'));
    CHECK(s.closed());
    CHECK(contains(lost.text(), "corrupt"));
    CHECK(other.alive());
}

// ---- the socket

TEST_CASE("the socket is for this user alone, in a directory that is made where it is missing") {
    const folder f;
    const std::string inner = f.path() + "/made";
    {
        tree t;
        const mitogen::listener l = t.root.listen(inner + "/socket");
        CHECK(l.path() == inner + "/socket");
        CHECK(mode_of(inner) == 0700);
        CHECK(mode_of(inner + "/socket") == 0600);
        CHECK(mitogen::join(l.path()).alive());
    }
    CHECK_FALSE(exists(inner + "/socket"));
    ::rmdir(inner.c_str());
}

TEST_CASE("a directory that others can get into is refused") {
    const folder f;
    tree t;
    for (const ::mode_t mode : {0755u, 0701u, 0770u, 01777u}) {
        ::chmod(f.path().c_str(), mode);
        const auto r = t.root.try_listen(f.socket());
        REQUIRE_FALSE(r.has_value());
        CHECK(contains(r.error().what(), "0700"));
        CHECK(contains(r.error().what(), f.path()));
    }
    ::chmod(f.path().c_str(), 0700);
    if (::geteuid() == 0) {
        REQUIRE(::chown(f.path().c_str(), 12345, 12345) == 0);
        const auto r = t.root.try_listen(f.socket());
        REQUIRE_FALSE(r.has_value());
        CHECK(contains(r.error().what(), "another user"));
        REQUIRE(::chown(f.path().c_str(), 0, 0) == 0);
    }
    CHECK_FALSE(t.root.try_listen(f.path() + "/no/such/socket").has_value());
    CHECK(contains(t.root.try_listen(f.path() + "/" + std::string(200, 'l')).error().what(),
                   "ENAMETOOLONG"));
    CHECK_FALSE(t.root.try_listen("").has_value());
    CHECK(t.root.try_listen(f.socket()).has_value());
}

TEST_CASE("a socket that somebody left behind is replaced; one in use, and other files, are not") {
    const folder f;
    { const raw_socket gone = raw_socket::bound(f.socket(), true); }
    REQUIRE(exists(f.socket()));
    {
        tree t;
        t.root.listen(f.socket(), {.authority = authority::parent});
        tree second;
        const auto r = second.root.try_listen(f.socket());
        REQUIRE_FALSE(r.has_value());
        CHECK(contains(r.error().what(), "in use"));
        CHECK(mitogen::join(f.socket()).parent().call<&generic::add>(1, 1) == 2); // undisturbed
    }
    CHECK_FALSE(exists(f.socket()));
    const int file = ::open(f.socket().c_str(), O_CREAT | O_WRONLY | O_CLOEXEC, 0600);
    REQUIRE(file >= 0);
    ::close(file);
    tree t;
    const auto r = t.root.try_listen(f.socket());
    REQUIRE_FALSE(r.has_value());
    CHECK(contains(r.error().what(), "no socket"));
    CHECK(exists(f.socket()));
}

TEST_CASE("a socket that was replaced is not removed") {
    const folder f;
    std::optional<raw_socket> others;
    {
        tree t;
        t.root.listen(f.socket());
        ::unlink(f.socket().c_str());
        others.emplace(raw_socket::bound(f.socket(), true));
    }
    CHECK(exists(f.socket()));
}

TEST_CASE("a listener that is closed lets nobody in; who is in stays") {
    folder f;
    tree t;
    mitogen::listener door = t.root.listen(f.socket(), {.authority = authority::parent});
    const raw_socket silent = raw_socket::connected(f.socket());
    mitogen::joined me = mitogen::join(f.socket());
    door.close();
    door.close(); // once more: nothing happens
    CHECK_FALSE(exists(f.socket()));
    CHECK(silent.closed());
    CHECK(mitogen::try_join(f.socket()).error().reason() == reason::connection_refused);
    CHECK(me.parent().call<&generic::add>(1, 1) == 2);
    t.root.listen(f.socket());
    CHECK(mitogen::join(f.socket()).alive());
    t.root.close();
    CHECK(t.root.try_listen(f.socket()).error().reason() == reason::broker_exited);
}

TEST_CASE("a fork child holds neither the socket nor the links of those who have joined") {
    folder f;
    tree t;
    const mitogen::context first = t.root.fork();
    const auto alone = first.call<&open_descriptors>();
    const auto at_first = open_descriptors();
    t.root.listen(f.socket());
    tree others;
    shared_pipe joined;
    shared_pipe leave;
    auto visit =
        others.root.local().call_async<&stay>(f.socket(), joined.write_end(), leave.read_end());
    REQUIRE(joined.wait());
    mitogen::context client = t.root.contexts().back();
    const auto before = open_descriptors();
    mitogen::context copy = t.root.fork();
    // The pipes and the other tree are the program's own, as far as this router knows.
    const auto theirs = copy.call<&open_descriptors>();
    CHECK(before.first > at_first.first);
    CHECK(theirs.first == alone.first);
    CHECK(theirs.second - alone.second == before.second - at_first.second);
    event left;
    client.on_disconnect(left.call());
    leave.post();
    visit.get();
    CHECK(left.happened()); // although the copy still lives
    CHECK(copy.call<&generic::add>(1, 1) == 2);
}

// ---- the end

TEST_CASE("a client that is killed is noticed, and what waits for it fails") {
    folder f;
    tree t;
    tree others;
    shared_pipe joined;
    shared_pipe started;
    shared_pipe never;
    t.root.listen(f.socket());
    mitogen::context process = others.root.local();
    const int pid = process.call<&generic::process_id>();
    auto visit = process.call_async<&stay>(f.socket(), joined.write_end(), never.read_end());
    REQUIRE(joined.wait());
    mitogen::context client = t.root.contexts().front();
    event lost;
    client.on_disconnect(lost.call());
    auto waiting = client.call_async<&generic::hold>(started.write_end(), never.read_end(), 1);
    REQUIRE(started.wait());
    ::kill(pid, SIGKILL);
    const auto r = waiting.try_get();
    REQUIRE_FALSE(r.has_value());
    CHECK(r.error().kind() == mitogen::kind::disconnected);
    CHECK(lost.happened());
    CHECK(t.root.contexts().empty());
    CHECK(client.try_call<&generic::add>(1, 1).error().kind() == mitogen::kind::disconnected);
    CHECK_FALSE(visit.try_get().has_value());
}

TEST_CASE("when the tree is killed, what a client waits for fails, and later calls too") {
    folder f;
    tree others;
    shared_pipe listening;
    shared_pipe started;
    shared_pipe never;
    mitogen::context process = others.root.local();
    const int pid = process.call<&generic::process_id>();
    auto server =
        process.call_async<&be_joined>(f.socket(), listening.write_end(), never.read_end());
    REQUIRE(listening.wait());
    mitogen::joined me = mitogen::join(f.socket());
    event lost;
    me.parent().on_disconnect(lost.call());
    auto waiting = me.parent().call_async<&generic::hold>(started.write_end(), never.read_end(), 1);
    REQUIRE(started.wait());
    CHECK(me.parent().alive());
    ::kill(pid, SIGKILL);
    CHECK_THROWS_AS(waiting.get(), mitogen::channel_error);
    CHECK(contains(lost.text(), "the tree is lost"));
    CHECK_FALSE(me.alive());
    CHECK_FALSE(me.parent().alive());
    CHECK(me.router().myself().alive());
    CHECK_THROWS_AS(me.parent().call<&generic::add>(1, 1), mitogen::channel_error);
    CHECK_FALSE(server.try_get().has_value());
    // What it left behind is no obstacle.
    CHECK(exists(f.socket()));
    CHECK(mitogen::try_join(f.socket()).error().reason() == reason::connection_refused);
    tree t;
    CHECK(t.root.try_listen(f.socket()).has_value());
}

TEST_CASE("a tree that ends asks those who have joined to leave; what they have asked before is "
          "answered") {
    folder f;
    std::optional<mitogen::joined> me;
    std::vector<mitogen::future<int>> asked;
    event lost;
    {
        tree t;
        t.root.listen(f.socket(), {.authority = authority::parent});
        me.emplace(mitogen::join(f.socket()));
        me->parent().on_disconnect(lost.call());
        for (int i = 0; i < 50; ++i)
            asked.push_back(me->parent().call_async<&generic::add_on_loop>(i, 1));
        me->parent().call<&generic::add_on_loop>(0, 0);
    }
    for (int i = 0; i < 50; ++i) CHECK(asked[static_cast<std::size_t>(i)].get() == i + 1);
    CHECK(lost.happened());
    CHECK_FALSE(me->alive());
    CHECK_FALSE(exists(f.socket()));
    me.reset();
}

TEST_CASE("functions that run for others are told to stop when either side goes") {
    folder f;
    shared_pipe started;
    shared_pipe stopped;
    tree t;
    t.root.listen(f.socket(), {.authority = authority::parent});
    std::optional<mitogen::joined> me(mitogen::join(f.socket()));
    auto there = t.root.contexts().front().call_async<&generic::until_stopped>(started.write_end(),
                                                                               stopped.write_end());
    REQUIRE(started.wait());
    auto here =
        me->parent().call_async<&generic::until_stopped>(started.write_end(), stopped.write_end());
    REQUIRE(started.wait());
    SECTION("the client") {
        here.cancel();
        REQUIRE(stopped.wait());
        me.reset();
        REQUIRE(stopped.wait());
    }
    SECTION("the tree") {
        t.root.close();
        REQUIRE(stopped.wait());
        REQUIRE(stopped.wait());
    }
}

TEST_CASE("a client can be told to leave, or be cut off") {
    folder f;
    tree t;
    t.root.listen(f.socket());
    mitogen::joined me = mitogen::join(f.socket());
    mitogen::context client = t.root.contexts().front();
    event lost;
    me.parent().on_disconnect(lost.call());
    event gone;
    client.on_disconnect(gone.call());
    SECTION("told") { CHECK(client.shutdown().get().success()); }
    SECTION("cut off") { client.disconnect(); }
    CHECK(lost.happened());
    CHECK(gone.happened());
    CHECK_FALSE(me.alive());
    CHECK(t.root.contexts().empty());
}

// ---- what a program that joins may find

TEST_CASE("joining where nobody listens, or something else does, fails with the reason") {
    folder f;
    const mitogen::error nothing = mitogen::try_join(f.socket()).error();
    CHECK(nothing.reason() == reason::connection_refused);
    CHECK(contains(nothing.what(), f.socket()));
    CHECK_THROWS_AS(mitogen::join(f.socket()), mitogen::connect_error);
    CHECK(mitogen::try_join("/" + std::string(200, 'l')).error().reason() == reason::connect);
    CHECK(mitogen::try_join(f.socket(), {.name = std::string(300, 'n')}).error().reason() ==
          reason::misuse);

    const raw_socket other = raw_socket::bound(f.socket(), true);
    const mitogen::error late = mitogen::try_join(f.socket(), {.connect_timeout = 100ms}).error();
    CHECK(late.reason() == reason::connect_timeout);
    (void)other.accept();
    const auto against = [&](std::string_view said) {
        std::thread talker([&] { other.accept().say(said); });
        const auto r = mitogen::try_join(f.socket());
        talker.join();
        return r ? mitogen::error(reason::none, "it joined") : r.error();
    };
    CHECK(against("").reason() == reason::end_of_file);
    CHECK(against("220 mail ready\r\n").reason() == reason::connect);
    std::string version = good_request();
    version[mitogen::handshake::mark.size() + 1] = 99;
    CHECK(contains(against(version).what(), "version"));
    CHECK(contains(against(good_request()).what(), "does not decode"));
    mitogen::joining::answer refusal;
    const mitogen::buffer notice =
        mitogen::encode_error(mitogen::error(reason::overloaded, "too many"));
    refusal.refusal.assign(notice.data(), notice.data() + notice.size());
    CHECK(contains(against(as_text(mitogen::joining::encode_answer(refusal))).what(), "too many"));
}

} // namespace
