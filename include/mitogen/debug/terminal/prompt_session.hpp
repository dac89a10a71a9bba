// SPDX-License-Identifier: BSL-1.0
#pragma once
// prompt_session.hpp: one thread of the tree that stands at a terminal: what is shown of it and
// asked of it, until somebody says how it goes on.

#include <mitogen/base/config.hpp>
#include <mitogen/base/function.hpp>
#include <mitogen/base/time.hpp>
#include <mitogen/debug/frames/frame_names.hpp>
#include <mitogen/debug/frames/frame_text.hpp>
#include <mitogen/debug/stop_report.hpp>
#include <mitogen/debug/terminal/prompt_line.hpp>
#include <mitogen/debug/terminal/prompt_terminal.hpp>
#include <mitogen/link/visible_text.hpp>

#include <algorithm>
#include <charconv>
#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace mitogen::inline MITOGEN_ABI {
namespace detail {

/// What a session asks the tree. Threads: the session's.
struct prompt_source {
    unique_function<std::string(std::string_view line)> ask; ///< the thread that stands there
    unique_function<std::string()> contexts;                 ///< of the tree, a line each
    unique_function<std::string()> dump;                     ///< what each of them is at
    unique_function<std::optional<std::string>()> gone; ///< why it does not stand there any more
    unique_function<instant()> now;
    /// At a second terminal: whoever leaves that leaves the thread as it stands.
    bool may_detach = false;
    /// What the terminal shows now of this thread, for who comes to it later.
    unique_function<void(const std::string&)> remember{};
};

/// How a session has ended.
enum class session_end : std::uint8_t {
    go_on,
    quit,
    gone,     ///< it stands there no more
    broken,   ///< by a second Ctrl-C
    detached, ///< it stands as it stood, and waits
};

/// Shows where a thread has stopped, as one line and, if it is asked for, as a stack. The names
/// come from this program's own symbols.
template <class = void> // compiled where it is used
class basic_stop_view {
    const stop_report& stop_;
    std::vector<named_frame> frames_;
    std::vector<named_frame> program_;
    bool named_ = false;

public:
    /// The report outlives it.
    explicit basic_stop_view(const stop_report& stop) : stop_(stop) {}

    /// "breakpoint in count at tables.cpp:12, thread 4711".
    std::string text() const {
        std::string line = stop_.cause == static_cast<std::uint8_t>(stop_cause::exception)
                               ? "an exception left "
                               : "breakpoint in ";
        line += stop_.function.empty() ? "a function" : visible(stop_.function);
        if (!stop_.file.empty()) line += " at " + visible(stop_.file);
        if (!stop_.file.empty() && stop_.line > 0) line += ":" + std::to_string(stop_.line);
        if (stop_.thread != 0) line += ", thread " + std::to_string(stop_.thread);
        if (!stop_.text.empty()) line += ": " + visible(stop_.text);
        return line;
    }

    /// The stack, from the program's own line on. Blocks: for the tools that name it.
    const std::vector<named_frame>& frames() {
        if (!std::exchange(named_, true)) {
            frames_ = frames_to_show(name_frames(stop_.frames));
            if (frames_.empty() && !stop_.function.empty())
                frames_.push_back(
                    {visible(stop_.function), visible(stop_.file), stop_.line, false});
            program_ = frames_;
            std::erase_if(program_, is_library_frame);
        }
        return frames_;
    }
    /// The same without the library's own functions; with them if there is nothing else.
    const std::vector<named_frame>& program_frames() {
        const std::vector<named_frame>& all = frames();
        return program_.empty() ? all : program_;
    }

private:
    static std::string visible(std::string_view text) {
        return visible_name(text, stop_report::longest_text);
    }
};

using stop_view = basic_stop_view<>;

/// Runs one session. Threads: one. Blocks: until it is over.
template <class = void> // compiled where it is used
class basic_prompt_session {
    prompt_terminal& terminal_;
    prompt_source& from_;
    stop_view view_;
    const std::string prompt_;
    const std::string header_;
    std::string shown_; // since the last command
    std::size_t frame_ = 0;
    instant interrupted_ = 0;

    /// Two Ctrl-C within this time end the program.
    static constexpr duration_ns both = 2'000'000'000;

    void say(std::string text) {
        if (text.empty()) return;
        if (text.back() != '\n') text += '\n';
        (void)terminal_.write(text);
        shown_ += text;
    }

    /// For who comes later: where it stands, and the last command with what was shown.
    void remember(std::string_view typed) {
        if (from_.remember && !shown_.empty())
            from_.remember(header_ + "\n" + prompt_ + visible_name(typed, 80) + "\n" + shown_);
    }

    std::string frame_line(std::size_t number) {
        const auto& all = view_.program_frames();
        if (all.empty()) return "no stack is known";
        frame_ = std::min(number, all.size() - 1);
        return "#" + std::to_string(frame_) + "  " + frame_text(all[frame_]);
    }

    std::string numbered_frame(std::string_view text) {
        std::size_t number = frame_;
        const auto read = std::from_chars(text.data(), text.data() + text.size(), number);
        const bool whole = read.ptr == text.data() + text.size();
        if (!text.empty() &&
            (read.ec != std::errc() || !whole || number >= view_.program_frames().size()))
            return "no frame \"" + std::string(text) + "\": there are " +
                   std::to_string(view_.program_frames().size());
        return frame_line(number);
    }

    std::string ask(std::string_view verb, std::string_view rest, const char* usage) {
        if (rest.empty()) return usage;
        return from_.ask(std::string(verb) + " " + std::string(rest));
    }

    static std::string stack(const std::vector<named_frame>& frames) {
        const std::string all = frame_list_text(frames);
        return all.empty() ? "no stack is known" : all;
    }

    /// What a line is answered with; or how it ends the session.
    std::optional<session_end> obey(std::string_view text) {
        const prompt_line line = prompt_line::read(text);
        switch (line.verb) {
        case prompt_verb::nothing: break;
        case prompt_verb::where: say(stack(view_.program_frames())); break;
        case prompt_verb::frames: say(stack(view_.frames())); break;
        case prompt_verb::up: say(frame_line(frame_ + 1)); break;
        case prompt_verb::down: say(frame_line(frame_ == 0 ? 0 : frame_ - 1)); break;
        case prompt_verb::frame: say(numbered_frame(line.rest)); break;
        case prompt_verb::contexts: say(from_.contexts()); break;
        case prompt_verb::dump: say(from_.dump()); break;
        case prompt_verb::threads: say(from_.ask("threads")); break;
        case prompt_verb::print: say(ask("print", line.rest, "print NAME")); break;
        case prompt_verb::set: say(ask("set", line.rest, "set NAME VALUE")); break;
        case prompt_verb::break_at: say(from_.ask("break " + std::string(line.rest))); break;
        case prompt_verb::remove_break: say(ask("delete", line.rest, "delete FUNCTION")); break;
        case prompt_verb::detach:
            if (from_.may_detach) return session_end::detached;
            say("only a second terminal can be left: see mitogen-debug");
            break;
        case prompt_verb::go_on: return session_end::go_on;
        case prompt_verb::quit: return session_end::quit;
        case prompt_verb::help: say(std::string(prompt_help)); break;
        case prompt_verb::unknown:
            say("\"" + visible_name(prompt_line::trim(text), 80) +
                "\" is no command; `help` lists them");
            break;
        }
        return std::nullopt;
    }

    /// The terminal says something else than a line.
    std::optional<session_end> notice(prompt_terminal::event what) {
        switch (what) {
        case prompt_terminal::event::line:
        case prompt_terminal::event::went_on: break;
        case prompt_terminal::event::hung_up:
            return from_.may_detach ? session_end::detached : session_end::go_on;
        case prompt_terminal::event::end_of_file:
            say(from_.may_detach ? "detach" : "continue");
            return from_.may_detach ? session_end::detached : session_end::go_on;
        case prompt_terminal::event::interrupt: {
            (void)terminal_.write("\n");
            const instant now = from_.now();
            if (interrupted_ != 0 && now - interrupted_ < both) return session_end::broken;
            interrupted_ = now;
            break;
        }
        case prompt_terminal::event::woken:
            if (const auto why = from_.gone()) {
                say("\n" + *why);
                return session_end::gone;
            }
            break;
        }
        return std::nullopt;
    }

public:
    /// `place`: the path of the context. All outlive it.
    basic_prompt_session(prompt_terminal& terminal, prompt_source& from, const stop_report& stop,
                         const std::string& place)
        : terminal_(terminal), from_(from), view_(stop), prompt_("(mitogen " + place + ") "),
          header_("\n" + place + ": " + view_.text()) {}

    /// `screen`: what was shown of it the last time, if there was one.
    session_end run(const std::string& screen = {}) {
        say(screen.empty() ? header_ : screen);
        for (;;) {
            if (const auto why = from_.gone()) {
                say(*why);
                return session_end::gone;
            }
            (void)terminal_.write(prompt_);
            std::string text;
            const prompt_terminal::event what = terminal_.read(text);
            const bool line = what == prompt_terminal::event::line;
            shown_.clear();
            const std::optional<session_end> end = line ? obey(text) : notice(what);
            if (end) return *end;
            if (line) remember(text);
        }
    }
};
using prompt_session = basic_prompt_session<>;

} // namespace detail
} // namespace mitogen::inline MITOGEN_ABI
