// SPDX-License-Identifier: BSL-1.0
// Logs in to a host, and asks whoever sits at the terminal for what ssh wants to know: a password,
// a passphrase, a one-time code.
// expect: usage: ask_a_person HOST...
#include <mitogen/mitogen.hpp>

#include <chrono>
#include <cstdio>
#include <string>
#include <termios.h>
#include <unistd.h>
#include <vector>

static std::string greeting() {
    char name[256] = {};
    ::gethostname(name, sizeof name - 1);
    return std::string("hello from ") + name;
}

/// Shows the question, and reads the answer without echo. Nothing typed (the end of the input) is
/// no answer.
static void ask(mitogen::prompt question) {
    std::fprintf(stderr, "%s: %s", question.what().c_str(), question.text().c_str());
    ::termios before{};
    const bool terminal = ::tcgetattr(0, &before) == 0;
    ::termios silent = before;
    silent.c_lflag &= ~static_cast<::tcflag_t>(ECHO);
    if (terminal) ::tcsetattr(0, TCSAFLUSH, &silent);
    std::string typed;
    int c = 0;
    while ((c = std::getchar()) != EOF && c != '\n') typed += static_cast<char>(c);
    if (terminal) ::tcsetattr(0, TCSAFLUSH, &before);
    std::fputs("\n", stderr);
    if (c != EOF) question.answer(typed); // else it is dropped, which declines
}

int main(int argc, char** argv) {
    mitogen::init(argc, argv);
    if (argc < 2) return std::puts("usage: ask_a_person HOST...") < 0;
    mitogen::broker loop;
    mitogen::latch<mitogen::prompt> questions;
    // The callable runs on the loop, which must not wait for a person: the main thread does.
    mitogen::router router(
        loop, {.on_prompt = [&](mitogen::prompt question) { questions.put(std::move(question)); }});

    // all at once; the questions come one by one
    std::vector<mitogen::future<mitogen::context>> coming;
    std::size_t left = static_cast<std::size_t>(argc) - 1;
    for (int i = 1; i < argc; ++i) {
        mitogen::ssh how{.hostname = argv[i], .interactive = true};
        how.connect_timeout = std::chrono::minutes(2); // what a person takes, included
        coming.push_back(router.connect_async(how));
        coming.back().then([&] { loop.defer([&] { --left == 0 ? questions.close() : void(); }); });
    }
    while (mitogen::result<mitogen::prompt> next = questions.try_get()) ask(std::move(*next));
    for (auto& c : coming) {
        const mitogen::result<mitogen::context> host = c.try_get();
        std::printf("%s\n", host ? host->call<&greeting>().c_str() : host.error().what());
    }
}
