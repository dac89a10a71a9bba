// SPDX-License-Identifier: BSL-1.0
#include <mitogen/link/visible_text.hpp>

#include <catch2/catch.hpp>
#include <string>
#include <utility>

namespace {

using mitogen::detail::is_visible;
using mitogen::detail::visible_name;
using mitogen::detail::visible_text;

TEST_CASE("what can be shown stays as it is") {
    for (const std::string text : {"", "plain\twith a tab",
                                   "Gr\xC3\xB6\xC3\x9F"
                                   "e \xE2\x82\xAC \xF0\x9F\x98\x80",
                                   "\\n is no newline"}) {
        CHECK(is_visible(text));
        CHECK(visible_text(text) == text);
    }
}

TEST_CASE("what moves a cursor, ends a line or turns the direction of writing is written out") {
    const std::pair<std::string, std::string> changed[] = {
        {"a\nb", "a\\nb"},
        {"\x1b[2J\r", "\\x1b[2J\\x0d"},
        {std::string("\0", 1), "\\x00"},
        {"\x7f", "\\x7f"},
        {"\xC2\x9B", "\\u009b"},         // a control sequence in one character
        {"\xE2\x80\xAE", "\\u202e"},     // right to left
        {"\xE2\x81\xA6", "\\u2066"},     // the same, isolated
        {"\xE2\x80\xA8", "\\u2028"},     // a line separator
        {"\xC3", "\\xc3"},               // cut
        {"\xC0\xAF", "\\xc0\\xaf"},      // longer than it need be
        {"\xED\xA0\x80", "\\xed\\xa0\\x80"}, // half of a pair of UTF-16
        {"\xF4\x90\x80\x80", "\\xf4\\x90\\x80\\x80"},
        {"\xFF", "\\xff"},
    };
    for (const auto& [text, shown] : changed) {
        CAPTURE(shown);
        CHECK_FALSE(is_visible(text));
        CHECK(visible_text(text) == shown);
        CHECK(visible_text(shown) == shown);
    }
}

TEST_CASE("a name is cut between two characters") {
    CHECK(visible_name("web1") == "web1");
    CHECK(visible_name(std::string(300, 'n')).size() == 256);
    std::string accents;
    while (accents.size() < 301) accents += accents.empty() ? "n" : "\xC3\xA9";
    CHECK(visible_name(accents).size() == 255);
    CHECK(is_visible(visible_name(accents)));
    CHECK(visible_name("abc", 2) == "ab");
}

} // namespace
