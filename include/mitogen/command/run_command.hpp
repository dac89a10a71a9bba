// SPDX-License-Identifier: BSL-1.0
#pragma once
// run_command.hpp: the two sides of context::run and context::exec.

#include <mitogen/base/config.hpp>
#include <mitogen/base/error.hpp>
#include <mitogen/base/result.hpp>
#include <mitogen/base/time.hpp>
#include <mitogen/call/context.hpp>
#include <mitogen/call/identity.hpp>
#include <mitogen/command/command_order.hpp>
#include <mitogen/command/command_output.hpp>
#include <mitogen/command/command_pump.hpp>
#include <mitogen/command/commands.hpp>
#include <mitogen/command/run_options.hpp>
#include <mitogen/flow/dialog.hpp>
#include <mitogen/flow/open_dialog.hpp>
#include <mitogen/io/construction.hpp>
#include <mitogen/link/visible_text.hpp>
#include <mitogen/node/node.hpp>
#include <mitogen/scope/scope.hpp>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace mitogen::inline MITOGEN_ABI {
namespace detail {

/// A command that another context has asked for.
class asked_command final : public command_port {
    command_dialog& asker_;
    std::shared_ptr<poll_waker> waker_;
    bool asked_ = false;

    result<void> send(const command_said& item, instant until) {
        if (until == never) return asker_.try_send(item);
        const instant now = os::monotonic_now();
        return asker_.try_send_for(item, std::chrono::nanoseconds(until > now ? until - now : 0));
    }

    /// True once the asker knows that another piece is wanted.
    result<bool> ask(instant until) {
        if (asked_) return true;
        if (result<void> sent = send({command_said::wants_input, {}}, until); !sent) {
            if (sent.error() == reason::timeout) return false;
            return sent.error();
        }
        return asked_ = true;
    }

public:
    asked_command(command_dialog& asker, std::shared_ptr<poll_waker> waker)
        : asker_(asker), waker_(std::move(waker)) {}
    asked_command(asked_command&&) = delete;
    ~asked_command() { (void)asker_.forget(this); }

    result<void> say(std::uint8_t what, std::string_view bytes, instant until) override {
        return send({what, std::string(bytes)}, until);
    }

    result<std::optional<std::string>> input(bool& last, instant until) override {
        result<bool> asked = ask(until);
        if (!asked) return asked.error();
        if (!*asked) return std::optional<std::string>();
        if (!asker_.ready()) {
            (void)asker_.forget(this);
            asker_.then([wake = waker_] { wake->notify(); }, this);
            return std::optional<std::string>();
        }
        result<command_input> piece = asker_.try_receive();
        if (!piece) {
            if (!is_end(piece.error())) return piece.error();
            piece = command_input{{}, true};
        }
        last = piece->last;
        asked_ = false;
        if (!last) asked = ask(until);
        if (!asked) return asked.error();
        return std::optional(std::move(piece->bytes));
    }
};

/// A command that this context runs for itself.
class own_command final : public command_port {
    mitogen::node& node_;
    command_output& output_;
    std::string& input_;

public:
    own_command(mitogen::node& node, command_output& output, std::string& input)
        : node_(node), output_(output), input_(input) {}

    result<void> say(std::uint8_t what, std::string_view bytes, instant) override {
        output_.append(what == command_said::err, bytes, node_.now());
        return {};
    }
    result<std::optional<std::string>> input(bool& last, instant) override {
        last = true;
        return std::optional(std::move(input_));
    }
    instant due() const noexcept override { return output_.due(); }
    void show(instant now) override { output_.show(now); }
};

/// For a command that runs in this context.
inline result<std::shared_ptr<poll_waker>> make_poll_waker(const mitogen::node& here) {
    if (!here.watches_descriptors())
        return error(reason::misuse, "this I/O policy has no processes: no command runs there");
    const construction made;
    auto waker = std::make_shared<poll_waker>();
    if (made.failure()) return *made.failure();
    return waker;
}

/// The function that is called in the context where the command runs.
template <class T = void> // compiled where it is used
result<command_ended> serve_command(mitogen::router& here, command_dialog& asker,
                                    const command_order& order) {
    mitogen::node& node = node_of(here);
    if (order.words.empty()) return error(reason::bad_arguments, "a command without words");
    result<std::shared_ptr<poll_waker>> waker = make_poll_waker(node);
    if (!waker) return waker.error();
    if (result<void> begun = asker.try_started(); !begun) return begun.error();
    asked_command port(asker, *waker);
    return command_pump(node, order, port, **waker).run();
}

} // namespace detail

template <>
inline constexpr std::string_view name_of<&detail::serve_command<>> = "mitogen.command";

namespace detail {

/// An error of a command that was stopped tells what it had said.
MITOGEN_COLD inline error with_said(const error& why, command_output& output) {
    constexpr std::size_t most = 4096;
    command_result said;
    output.take(said);
    error_detail d = why.detail();
    for (const auto& [name, text] :
         {std::pair("output", &said.out), std::pair("error", &said.err)}) {
        if (text->empty()) continue;
        const std::size_t from = text->size() > most ? text->size() - most : 0;
        d.text += std::string("; its standard ") + name + (from ? " ended with: " : " was: ") +
                  visible_text(std::string_view(*text).substr(from));
    }
    if (!d.original) d.original = std::make_shared<const error>(why);
    d.what.clear(); // composed anew
    return error(std::move(d));
}

/// The asker's side of a dialog with serve_command().
template <class Dialog>
result<command_ended> follow_command(mitogen::node& node, Dialog& command, command_output& output,
                                     const std::string& input) {
    std::size_t sent = 0;
    for (;;) {
        const instant due = output.due();
        result<command_said> item =
            due == never ? command.try_receive()
                         : command.try_receive_for(std::chrono::nanoseconds(
                               std::max<duration_ns>(due - node.now(), 0)));
        const instant now = node.now();
        if (!item) {
            if (is_end(item.error())) break;
            if (item.error() != reason::timeout || now < due) return item.error();
            output.show(now);
        } else if (item->what != command_said::wants_input) {
            output.append(item->what == command_said::err, item->bytes, now);
            output.show(now);
        } else if (sent <= input.size()) {
            command_input piece{input.substr(sent, command_piece), false};
            piece.last = sent + piece.bytes.size() == input.size();
            sent += piece.bytes.size() + piece.last;
            // what is lost on the way to a command that has ended is no error
            (void)command.try_send(piece);
        }
    }
    return command.try_result();
}

/// What is to be run, if it can be said.
MITOGEN_COLD inline result<command_order> order_of(command_words what, const run_options& how) {
    const auto whole = [](const std::string& text) { return text.find('\0') == std::string::npos; };
    bool good = whole(how.directory);
    for (const std::string& w : what.words) good = good && whole(w);
    for (const std::string& v : how.environment) good = good && whole(v);
    if (!good)
        return error(reason::misuse, "a command's text, arguments, variables and directory have no "
                                     "zero byte in them");
    return command_order{.words = std::move(what.words),
                         .shell = what.shell,
                         .directory = how.directory,
                         .environment = how.environment,
                         .inherit_environment = how.inherit_environment,
                         .pty = how.pty,
                         .leave_running = how.leave_running,
                         .has_input = !how.input.empty(),
                         .time_limit = to_ns(how.time_limit)};
}

/// What has become of it, with all that it has said.
MITOGEN_COLD inline result<command_result> result_of_command(result<command_ended> ended,
                                                             command_output& output) {
    if (!ended) return with_said(ended.error(), output);
    output.end();
    command_result done{.status = ended->status, .timed_out = ended->timed_out,
                        .left = std::move(ended->left)};
    output.take(done);
    return done;
}

/// Of the calling context itself: on the calling thread.
MITOGEN_COLD inline result<command_ended> run_here(mitogen::node& node, const call_options& options,
                                                   const command_order& order,
                                                   command_output& output, std::string& input) {
    result<std::shared_ptr<poll_waker>> waker = make_poll_waker(node);
    if (!waker) return waker.error();
#if defined(__cpp_lib_jthread)
    const scope stopped(options.stop);
#endif
    std::optional<scope> timed;
    if (options.within != never) timed.emplace(std::chrono::nanoseconds(options.within));
    own_command port(node, output, input);
    return command_pump(node, order, port, **waker).run();
}

template <class T>
result<command_result> run_command(mitogen::node& node, context_id where,
                                   const call_options& options, command_words what,
                                   run_options& how) {
    if (node.on_loop())
        return error(reason::misuse, "a function that runs on the loop waits for a command; run it "
                                     "on::main or on::pool");
    const result<command_order> order = order_of(std::move(what), how);
    if (!order) return order.error();
    command_output output(how, context(node, where));
    result<command_ended> ended = [&]() -> result<command_ended> {
        if (where == node.id()) return run_here(node, options, *order, output, how.input);
        auto command =
            call_target(node, where, options).template try_open<&serve_command<T>>(*order);
        if (!command) return command.error();
        return follow_command(node, *command, output, how.input);
    }();
    return result_of_command(std::move(ended), output);
}

} // namespace detail
} // namespace mitogen::inline MITOGEN_ABI
