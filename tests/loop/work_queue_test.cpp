// SPDX-License-Identifier: BSL-1.0
#include <mitogen/io/native.hpp>
#include <mitogen/loop/work_queue.hpp>

#include <catch2/catch.hpp>
#include <string>

namespace {

using io_type = mitogen::io::native;
using queue = mitogen::detail::basic_work_queue<io_type>;

struct noting : mitogen::detail::loop_task {
    std::string& text;
    char letter;
    noting(std::string& to, char c) : text(to), letter(c) {
        run = [](mitogen::detail::loop_task& t) {
            auto& self = static_cast<noting&>(t);
            self.text += self.letter;
        };
    }
};

void run_all(queue& q) {
    while (q.pending()) q.run_some([](auto&& work) { work(); });
}

TEST_CASE("tasks run before functions, each in the order in which they came, a task once") {
    io_type io;
    queue q(io);
    std::string ran;
    noting a(ran, 'a'), b(ran, 'b');
    CHECK_FALSE(q.pending());
    CHECK(q.add([&] { ran += '1'; }));
    CHECK(q.add([&] { ran += '2'; }));
    CHECK(q.post(a));
    CHECK(q.post(b));
    CHECK(q.post(a));
    run_all(q);
    CHECK(ran == "ab12");
    CHECK(q.post(a));
    run_all(q);
    CHECK(ran == "ab12a");
}

TEST_CASE("a task that is taken back does not run, wherever it stands") {
    for (int gone = 0; gone < 3; ++gone) {
        io_type io;
        queue q(io);
        std::string ran;
        noting all[] = {{ran, 'a'}, {ran, 'b'}, {ran, 'c'}};
        for (noting& t : all) q.post(t);
        q.withdraw(all[gone]);
        q.withdraw(all[gone]);
        run_all(q);
        CHECK(ran == std::string("abc").erase(static_cast<std::size_t>(gone), 1));
        CHECK(q.post(all[gone])); // the end of the list is still found
        run_all(q);
        CHECK(ran.back() == all[gone].letter);
    }
}

TEST_CASE("a queue closes when nothing waits, or at once, and then takes nothing") {
    io_type io;
    queue q(io);
    std::string ran;
    noting task(ran, 't');
    CHECK(q.add([&] { ran += 'f'; }));
    CHECK_FALSE(q.close(false));
    CHECK(q.close(true));
    CHECK_FALSE(q.add([&] { ran += 'x'; }));
    CHECK_FALSE(q.post(task));
    run_all(q); // what it had taken runs
    CHECK(ran == "f");
    queue empty(io);
    CHECK(empty.close(false));
    CHECK_FALSE(empty.post(task));
}

} // namespace
