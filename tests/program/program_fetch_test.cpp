// SPDX-License-Identifier: BSL-1.0
// Contexts that make children on machines of another kind, for which only a context further up has
// a program.
#include <catch2/catch.hpp>
#include <cstdint>
#include <cstdio>
#include <fcntl.h>
#include <filesystem>
#include <fstream>
#include <mitogen/mitogen.hpp>
#ifdef MITOGEN_SEPARATE // else the umbrella has it
#include <mitogen/os/program/executable.hpp>
#endif
#include <string>
#include <unistd.h>
#include <utility>
#include <vector>

namespace {

int add(int a, int b) { return a + b; }
int open_descriptors() {
    int n = 0;
    for (int fd = 0; fd < 1000; ++fd) n += ::fcntl(fd, F_GETFD) >= 0;
    return n;
}
/// Those of a fork child of the context that is asked.
int open_in_fork(mitogen::router& here) { return here.fork().call<&open_descriptors>(); }

/// A machine of another kind, as far as anybody can tell: uname says so. Its programs are scripts
/// that start this one.
struct other_machine {
    std::string path;
    // more than fits on the way at once, and no round number of pieces
    static constexpr std::uint64_t program_size = 700'000;

    other_machine() {
        char name[] = "/tmp/mitogen-test-other-XXXXXX";
        REQUIRE(::mkdtemp(name) != nullptr);
        path = name;
        write("uname", "#!/bin/sh\necho Linux riscv64\n");
        std::string program = "#!/bin/sh\nexec " + mitogen::os::self_path() + " \"$@\"\n";
        for (unsigned i = 0; program.size() < 2 * program_size; ++i)
            program += "# " + std::to_string(i * 2654435761u) + "\n";
        program.resize(program_size);
        write("program", program);
        REQUIRE(std::filesystem::create_directory(path + "/home"));
    }
    other_machine(other_machine&&) = delete;
    ~other_machine() { std::filesystem::remove_all(path); }

    void write(const std::string& file, const std::string& text) const {
        std::ofstream(path + "/" + file, std::ios::binary) << text;
        std::filesystem::permissions(path + "/" + file, std::filesystem::perms::owner_all);
    }

    mitogen::router_options payloads() const {
        return {.payloads = {{"Linux riscv64", path + "/program"}}};
    }

    /// Its LOGNAME names the caches in shared directories.
    mitogen::command method(bool keep = false) const {
        return {.argv = {"env", "-i", "PATH=" + path + ":/usr/bin:/bin", "HOME=" + path + "/home",
                         "LOGNAME=" + path.substr(path.rfind('/') + 1)},
                .keep_program = keep};
    }
};

/// Bytes that this context has sent to `c`, which is directly below.
std::uint64_t sent_to(mitogen::router& router, const mitogen::context& c) {
    for (const mitogen::context_status& s : router.status())
        if (s.id == c.id()) return s.bytes_out;
    return 0;
}

std::string message_of(const mitogen::result<mitogen::context>& refused) {
    REQUIRE_FALSE(refused);
    CHECK(refused.error().reason() == mitogen::reason::payload);
    return std::string(refused.error().message());
}

TEST_CASE(
    "a hundred children of another kind behind one context cost one program on the way there") {
    const other_machine there;
    mitogen::broker broker;
    mitogen::router router(broker, there.payloads());
    const mitogen::context relay = router.local();
    std::vector<mitogen::future<mitogen::context>> coming;
    for (int i = 0; i < 100; ++i) coming.push_back(relay.connect_async(there.method()));
    std::vector<mitogen::context> children;
    for (auto& c : coming) children.push_back(c.get());
    int total = 0;
    for (const mitogen::context& c : children) total += c.call<&add>(c.id() > 0, 1);
    CHECK(total == 200);
    const std::uint64_t sent = sent_to(router, relay);
    CHECK(sent > there.program_size);
    CHECK(sent < there.program_size + 150'000); // the requests to connect and the calls as well
}

TEST_CASE("what a target has already is fetched from nowhere") {
    const other_machine there;
    mitogen::broker broker;
    for (const bool first : {true, false}) {
        mitogen::router router(broker, there.payloads());
        const mitogen::context relay = router.local();
        CHECK(relay.command(there.method(true)).call<&add>(1, 2) == 3);
        CHECK((sent_to(router, relay) > there.program_size) == first);
    }
}

TEST_CASE("a program comes from the nearest context that has it, through those between") {
    const other_machine there;
    mitogen::broker broker;
    mitogen::router router(broker, there.payloads());
    const mitogen::context near = router.local();
    const mitogen::context far = near.local();
    const mitogen::context further = far.local();
    for (const mitogen::context& from : {further, near, far})
        CHECK(from.command(there.method()).call<&add>(1, 2) == 3);
    CHECK(sent_to(router, near) < there.program_size + 20'000);
}

TEST_CASE("a program is fetched in messages as small as they must be") {
    const other_machine there;
    mitogen::broker broker;
    mitogen::router_options options = there.payloads();
    options.limits.message_bytes = 40'000;
    mitogen::router router(broker, options);
    CHECK(router.local().command(there.method()).call<&add>(1, 2) == 3);
}

TEST_CASE("where no context has a program, the error says what there is") {
    const other_machine there;
    mitogen::broker broker;
    mitogen::router router(broker, {.payloads = {{"Linux m68k", there.path + "/program"}}});
    const std::string why = message_of(router.local().try_command(there.method()));
    CHECK(why.find("the target is Linux riscv64") != std::string::npos);
    CHECK(why.find("there are others for Linux m68k") != std::string::npos);
}

TEST_CASE("a program that cannot be read any more is an error, and can be had again afterwards") {
    const other_machine there;
    mitogen::broker broker;
    mitogen::router router(broker, there.payloads());
    const mitogen::context relay = router.local();
    std::filesystem::rename(there.path + "/uname", there.path + "/not-uname");
    CHECK(relay.command(there.method()).call<&add>(1, 2) == 3); // now it knows what is offered
    std::filesystem::rename(there.path + "/not-uname", there.path + "/uname");
    std::string whole;
    {
        std::ifstream file(there.path + "/program", std::ios::binary);
        whole.assign(std::istreambuf_iterator<char>(file), {});
    }
    std::filesystem::resize_file(there.path + "/program", 300'000);
    CHECK(message_of(relay.try_command(there.method())).find("cannot fetch") != std::string::npos);
    std::fstream(there.path + "/program", std::ios::in | std::ios::out | std::ios::binary) << whole;
    CHECK(relay.command(there.method()).call<&add>(1, 2) == 3);
}

TEST_CASE("children that run another program are offered nothing") {
    const other_machine there;
    mitogen::broker broker;
    mitogen::router router(broker, there.payloads());
    const mitogen::context relay = router.local({.executable = mitogen::os::self_path()});
    CHECK(message_of(relay.try_command(there.method())).find("Linux riscv64") != std::string::npos);
}

TEST_CASE("fork children hold none of the programs that their parent has open for others") {
    const other_machine there;
    mitogen::broker broker;
    mitogen::router router(broker, there.payloads());
    const mitogen::context relay = router.local();
    const int above = open_in_fork(router);
    const int below = relay.call<&open_in_fork>();
    CHECK(relay.command(there.method()).call<&add>(1, 2) == 3);
    CHECK(open_in_fork(router) == above);
    CHECK(relay.call<&open_in_fork>() == below);
}

TEST_CASE("a context that ends while it fetches leaves nothing behind") {
    const other_machine there;
    mitogen::broker broker;
    mitogen::router router(broker, there.payloads());
    const mitogen::context relay = router.local();
    std::vector<mitogen::future<mitogen::context>> coming;
    for (int i = 0; i < 5; ++i) coming.push_back(relay.connect_async(there.method()));
    (void)relay.shutdown();
    for (auto& c : coming) {
        const mitogen::result<mitogen::context> child = c.try_get();
        if (child) continue; // it was fast
        const mitogen::reason why = child.error().reason();
        CHECK((why == mitogen::reason::cancelled || why == mitogen::reason::broker_exited ||
               why == mitogen::reason::respondent_lost));
    }
}

} // namespace
