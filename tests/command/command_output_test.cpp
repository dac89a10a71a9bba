// SPDX-License-Identifier: BSL-1.0
#include <catch2/catch.hpp>
#include <mitogen/command/command_output.hpp>
#include <mitogen/command/command_pump.hpp>
#include <string>
#include <string_view>
#include <vector>

namespace command_output_test {

using mitogen::line_end;
using mitogen::detail::kept_text;
using mitogen::detail::line_cutter;

TEST_CASE("of a text that is too long its beginning and its end are kept") {
    std::string all;
    kept_text kept(11);
    const std::size_t length = GENERATE(0u, 5u, 11u, 12u, 500u);
    CAPTURE(length);
    for (std::size_t i = 0; all.size() < length; ++i) {
        const std::string piece = std::to_string(i).substr(0, length - all.size());
        all += piece;
        kept.append(piece);
    }
    std::uint64_t cut = 99;
    const std::string got = kept.take(cut);
    if (length <= 11) {
        CHECK(got == all);
        CHECK(cut == 0);
    } else {
        CHECK(got == all.substr(0, 6) + all.substr(length - 5));
        CHECK(cut == length - 11);
    }
}

TEST_CASE("nothing of a text is kept if none is wanted") {
    kept_text kept(0);
    kept.append("text");
    std::uint64_t cut = 0;
    CHECK(kept.take(cut).empty());
    CHECK(cut == 4);
}

TEST_CASE("lines are the same however their bytes come") {
    std::vector<std::string> lines;
    std::vector<line_end> ends;
    mitogen::line_callback call = [&](std::string_view text, line_end why) {
        lines.emplace_back(text);
        ends.push_back(why);
    };
    line_cutter cut(call, {});
    const std::string text = "one\n\ntwo three\n" + std::string(65536, 'x') + "\n" +
                             std::string(65537, 'y') + "\nrest";
    const std::size_t step = GENERATE(1u, 3u, 1000u, 1u << 20);
    for (std::size_t at = 0; at < text.size(); at += step)
        cut.append(std::string_view(text).substr(at, step), 1);
    cut.end();
    CHECK(lines == std::vector<std::string>{"one", "", "two three", std::string(65536, 'x'),
                                            std::string(65536, 'y'), "y", "rest"});
    CHECK(ends == std::vector{line_end::newline, line_end::newline, line_end::newline,
                              line_end::newline, line_end::limit, line_end::newline,
                              line_end::end});
}

TEST_CASE("an unfinished line is shown after half a second, once") {
    std::vector<std::string> lines;
    mitogen::line_callback call = [&](std::string_view text) { lines.emplace_back(text); };
    line_cutter cut(call, {});
    constexpr mitogen::instant begin = 1'000'000'000;
    CHECK(cut.due() == mitogen::never);
    cut.append("name? ", begin);
    CHECK(cut.due() == begin + 500'000'000);
    cut.show(begin + 499'999'999);
    CHECK(lines.empty());
    cut.show(begin + 500'000'000);
    cut.show(begin + 900'000'000);
    CHECK(lines == std::vector<std::string>{"name? "});
    cut.append("\nnext\n", begin); // the newline ends what was shown
    cut.end();
    CHECK(lines == std::vector<std::string>{"name? ", "next"});
}

TEST_CASE("a text is one argument of the shell as long as that may be") {
    CHECK(mitogen::detail::shell_words("echo") ==
          std::vector<std::string>{"/bin/sh", "-c", "echo"});
    std::string all;
    const auto words = mitogen::detail::shell_words(std::string(300'000, 'x'));
    REQUIRE(words.size() == 8);
    for (std::size_t i = 4; i < words.size(); ++i) {
        CHECK(words[i].size() <= 98304);
        all += words[i];
    }
    CHECK(all.size() == 300'000);
}

} // namespace command_output_test
