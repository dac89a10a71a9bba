// SPDX-License-Identifier: BSL-1.0
#pragma once
// client_session.hpp: a second terminal, from its greeting to its end: lists what has stopped, and
// attends to one after the other.

#include <mitogen/base/config.hpp>
#include <mitogen/base/result.hpp>
#include <mitogen/base/time.hpp>
#include <mitogen/call/future.hpp>
#include <mitogen/debug/clients/client_line.hpp>
#include <mitogen/debug/frames/frame_text.hpp>
#include <mitogen/debug/stop_report.hpp>
#include <mitogen/debug/terminal/prompt_session.hpp>
#include <mitogen/debug/terminal/prompt_terminal.hpp>
#include <mitogen/debug/terminal/stop_session.hpp>
#include <mitogen/debug/terminal/tree_stops.hpp>
#include <mitogen/debug/tree_dump.hpp>
#include <mitogen/link/visible_text.hpp>

#include <algorithm>
#include <atomic>
#include <cstddef>
#include <mutex>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace mitogen::inline MITOGEN_ABI {
namespace detail {

/// A line of `list`, about one that stands there at `now`.
template <class = void> // compiled where it is used
std::string list_line(const tree_stop& s, instant now, std::string_view by) {
    const auto shown = [](std::string_view text) { return visible_name(text, 80); };
    std::string line = std::to_string(s.number) + "  " + s.place;
    if (!s.report.host.empty()) line += "  " + shown(s.report.host);
    line += "  pid " + std::to_string(s.report.process);
    if (s.report.is_task) line += "  a task";
    line += "  " + stop_view(s.report).text();
    line += "  " + std::to_string((now - s.since) / 1'000'000'000) + " s";
    if (!by.empty()) line += "  (" + std::string(by) + ")";
    return line + "\n";
}

/// Threads: one, none of the loop. The stops outlive it.
template <class Io>
class client_session {
    using stop_ptr = typename tree_stops<Io>::stop_ptr;

    tree_stops<Io>& stops_;
    prompt_terminal& here_;
    const std::atomic<bool>& ends_;
    attendant by_;

    /// Contexts that are asked at once.
    static constexpr std::size_t most_at_once = 256;

public:
    /// `ends`: the tree does; then wake() the terminal.
    client_session(tree_stops<Io>& stops, prompt_terminal& here, const std::atomic<bool>& ends)
        : stops_(stops), here_(here), ends_(ends), by_{&here, "another terminal"} {}

    /// Blocks: until that terminal leaves, or the tree ends.
    void run() {
        stops_.client_comes();
        say(list());
        bool stays = true;
        while (stays && !ends_.load()) {
            if (!here_.write("(mitogen) ")) break;
            std::string text;
            const prompt_terminal::event what = here_.read(text);
            if (what == prompt_terminal::event::line)
                stays = obey(text);
            else
                stays = what != prompt_terminal::event::end_of_file &&
                        what != prompt_terminal::event::hung_up;
        }
        if (ends_.load()) say("\nthe program ends\n");
        stops_.client_goes();
    }

private:
    void say(std::string_view text) { (void)here_.write(text); }

    /// False if it leaves.
    bool obey(std::string_view text) {
        const result<client_line> line = client_line::read(text);
        if (!line) {
            say(std::string(line.error().message()) + "\n");
            return true;
        }
        switch (line->verb) {
        case client_verb::nothing: break;
        case client_verb::list: say(list()); break;
        case client_verb::attach: attend(line->number); break;
        case client_verb::cast: cast(*line); break;
        case client_verb::contexts: say(stops_.contexts()); break;
        case client_verb::dump: say(dump_tree(stops_.node())); break;
        case client_verb::help: say(client_help); break;
        case client_verb::quit: return false;
        }
        return true;
    }

    std::string list() {
        std::string text;
        for (const stop_ptr& s : stops_.all()) {
            std::string by;
            {
                const std::lock_guard lock(stops_.access());
                if (s->by) by = s->by->called;
            }
            text += list_line(*s, stops_.node().now(), by);
        }
        return text.empty() ? "nothing has stopped\n" : text;
    }

    void attend(std::uint64_t number) {
        const result<stop_ptr> s = stops_.attend(number, by_);
        if (!s) return say(std::string(s.error().message()) + "\n");
        const session_end how = run_session(stops_, **s, by_, here_, true);
        const std::lock_guard lock(stops_.access());
        (void)stops_.finish(**s, by_, how);
    }

    /// To all that stand in those contexts.
    void cast(const client_line& line) {
        std::vector<stop_ptr> all = stops_.all();
        std::erase_if(all, [&](const stop_ptr& s) { return !line.to.has(s->place); });
        if (all.empty()) return say("nothing has stopped there\n");
        switch (line.command.verb) {
        case prompt_verb::go_on:
        case prompt_verb::quit: return go_on(all, line.command.verb);
        case prompt_verb::where:
        case prompt_verb::frames:
            for (const stop_ptr& s : all) {
                stop_view view(s->report);
                const bool whole = line.command.verb == prompt_verb::frames;
                show(*s, frame_list_text(whole ? view.frames() : view.program_frames()));
            }
            return;
        default:
            for (std::size_t from = 0; from < all.size(); from += most_at_once)
                ask(all, from, std::min(all.size(), from + most_at_once), whole_word(line));
        }
    }

    void show(const tree_stop& s, const std::string& text) {
        say(std::to_string(s.number) + "  " + s.place + "\n" + text +
            (text.ends_with('\n') || text.empty() ? "" : "\n"));
    }

    void go_on(const std::vector<stop_ptr>& all, prompt_verb how) {
        std::size_t count = 0;
        for (const stop_ptr& s : all)
            count += stops_.go_on(*s, how == prompt_verb::quit ? session_end::quit
                                                               : session_end::go_on);
        say(std::to_string(count) + (count == 1 ? " goes on\n" : " go on\n"));
    }

    /// The command as its context knows it, whichever form was typed.
    static std::string whole_word(const client_line& line) {
        std::string text;
        for (const prompt_word& w : prompt_words) // the long form is the first
            if (text.empty() && w.verb == line.command.verb) text = w.name;
        if (!line.command.rest.empty()) text.append(" ") += line.command.rest;
        return text;
    }

    /// Each stands as at a prompt, from then on, so that its variables do not change meanwhile.
    void ask(const std::vector<stop_ptr>& all, std::size_t from, std::size_t to,
             const std::string& command) {
        std::vector<future<std::string>> stand;
        std::vector<future<std::string>> said;
        for (std::size_t i = from; i < to; ++i) {
            stand.push_back(stops_.asked(*all[i], terminal_granted));
            said.push_back(stops_.asked(*all[i], command));
        }
        const instant until = after(stops_.node().now(), stops_.patience);
        for (std::size_t i = from; i < to; ++i) {
            const result<std::string> stands = stand[i - from].try_get_until(until);
            const result<std::string> text = said[i - from].try_get_until(until);
            show(*all[i], stands && text ? shown_lines(*text)
                                         : std::string((stands ? text : stands).error().what()));
        }
    }
};

} // namespace detail
} // namespace mitogen::inline MITOGEN_ABI
