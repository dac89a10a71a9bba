// SPDX-License-Identifier: BSL-1.0
#include <mitogen/child/text_tail.hpp>

#include <catch2/catch.hpp>
#include <string>
#include <string_view>
#include <vector>

namespace {

struct collector {
    mitogen::detail::text_tail tail;
    std::vector<std::string> lines;

    void feed(std::string_view bytes) {
        tail.feed(bytes, [this](std::string_view line) { lines.emplace_back(line); });
    }
    void finish() {
        tail.finish([this](std::string_view line) { lines.emplace_back(line); });
    }
};

TEST_CASE("lines come out whole, however the bytes arrive") {
    collector whole, bytewise;
    const std::string_view text = "one\ntwo\r\n\nlast";
    whole.feed(text);
    for (const char c : text) bytewise.feed({&c, 1});
    const std::vector<std::string> expected{"one", "two", ""};
    CHECK(whole.lines == expected);
    CHECK(bytewise.lines == expected);
    CHECK(whole.tail.text() == "one\n  two\n  \n  last");
    whole.finish();
    CHECK(whole.lines.back() == "last");
    whole.finish();
    CHECK(whole.lines.size() == 4);
}

TEST_CASE("a line without end comes out in pieces") {
    collector c;
    c.feed(std::string(20'000, 'x'));
    REQUIRE(c.lines.size() == 2);
    CHECK(c.lines[0].size() == 8192);
    c.finish();
    CHECK(c.lines[2].size() == 20'000 - 2 * 8192);
}

TEST_CASE("only the last lines are kept") {
    collector c;
    for (int i = 0; i < 1000; ++i) c.feed("line " + std::to_string(i) + "\n");
    const std::string text = c.tail.text();
    CHECK(text.ends_with("line 999"));
    CHECK(text.find("line 980") != std::string::npos);
    CHECK(text.find("line 979") == std::string::npos);
    const std::string long_line(1000, 'y');
    for (int i = 0; i < 20; ++i) c.feed(long_line + "\n");
    CHECK(c.tail.text().size() < 4096 + 20 * 3);
}

TEST_CASE("the last line is kept although it is long") {
    collector c;
    c.feed("before\n" + std::string(6000, 'z') + "\n");
    CHECK(c.tail.text() == std::string(6000, 'z'));
}

TEST_CASE("control characters are made harmless, also in a line without end") {
    collector c;
    c.feed("a\x1b[2Jb\tc\x7f\n\x1b]0;title");
    CHECK(c.lines[0] == "a?[2Jb\tc?");
    CHECK(c.tail.text() == "a?[2Jb\tc?\n  ?]0;title");
}

TEST_CASE("text that is no ASCII stays") {
    collector c;
    c.feed("grün\n");
    CHECK(c.lines[0] == "grün");
}

} // namespace
