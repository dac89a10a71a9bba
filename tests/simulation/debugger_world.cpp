// SPDX-License-Identifier: BSL-1.0
#include "debugger_world.hpp"

#include "../support/engine.hpp"
#include "stop_book.hpp"

#include <algorithm>
#include <atomic>
#include <charconv>
#include <chrono>
#include <map>
#include <memory>
#include <mitogen/debug/debugger.hpp>
#include <mitogen/protocol/handle.hpp>
#include <optional>
#include <stdexcept>
#include <string_view>
#include <utility>
#include <vector>

namespace debugger_world {

namespace sim = mitogen::simulation;
using namespace std::chrono_literals;
using sim_io = mitogen::io::simulated;
using stops::book;
using stops::ms;
using stops::record;
using stops::second;
using stops::typed;
using node_core = mitogen::detail::basic_router_core<sim_io>;
using std::chrono::nanoseconds;

// ---- the terminal

/// Types what it likes, when it likes.
class scripted_terminal final : public mitogen::detail::prompt_terminal {
    book& book_ = *book::here();
    sim_io io_{};
    sim_io::parker woken_{io_};
    sim::random dice_{io_.kernel().secrets().next()};
    mitogen::instant interrupted_ = 0;
    bool begun_ = false;

    event types(const char* text, std::string& line, typed what = typed::nothing) {
        line = text;
        book_.types(what);
        return event::line;
    }
    event says(event e, typed what = typed::nothing) {
        book_.types(what);
        return e;
    }

public:
    static std::unique_ptr<prompt_terminal> open() {
        if (book::here()->without_terminal && book::kernel().secrets().chance(0.3)) return nullptr;
        return std::make_unique<scripted_terminal>();
    }
    ~scripted_terminal() override {
        if (begun_) book_.fail("a terminal goes, and was not ended");
    }

    bool begin() override {
        if (book_.without_terminal && dice_.chance(0.3)) return false;
        if (book_.begun != book_.ended) book_.fail("two terminals are begun");
        ++book_.begun;
        begun_ = true;
        return true;
    }
    void end() override {
        if (!std::exchange(begun_, false)) book_.fail("a terminal is ended that was not begun");
        ++book_.ended;
        book_.ends_session();
    }

    event read(std::string& line) override {
        if (!begun_) book_.fail("somebody reads, and the terminal was not begun");
        const std::int64_t span = dice_.chance(0.7) ? dice_.between(0, 40 * ms)
                                                    : dice_.between(0, 2500 * ms);
        if (woken_.park_until(io_.now() + span)) return event::woken;
        switch (dice_.below(30)) {
        case 0: return types("where", line);
        case 1: return types("print x", line);
        case 2: return types("threads", line);
        case 3: return types("contexts", line);
        case 4: return types("set x 5", line);
        case 5: return types(dice_.chance(0.5) ? "up" : "frame 7", line);
        case 6: return types(dice_.chance(0.5) ? "" : "nonsense", line);
        case 7: return says(event::went_on);
        case 8:
        case 9:
        case 10: {
            const mitogen::instant before = std::exchange(interrupted_, io_.now());
            const bool twice = before != 0 && io_.now() - before < 2 * second;
            return says(event::interrupt, twice ? typed::quit : typed::nothing);
        }
        case 11: return says(event::hung_up, typed::go_on);
        case 12:
        case 13: return says(event::end_of_file, typed::go_on);
        case 14:
        case 15:
        case 16:
        case 17: return types("quit", line, typed::quit);
        default: return types(dice_.chance(0.5) ? "continue" : "c", line, typed::go_on);
        }
    }
    bool write(std::string_view text) override {
        if (!begun_) book_.fail("something is shown, and the terminal was not begun");
        constexpr std::string_view mark = ": breakpoint in stop";
        if (const std::size_t at = text.find(mark); at != text.npos) {
            std::size_t number = 0;
            std::from_chars(text.data() + at + mark.size(), text.data() + text.size(), number);
            book_.begins(number);
        }
        io_.relax();
        return !dice_.chance(0.01);
    }
    void wake() noexcept override { woken_.unpark(); }
    void interrupt_program() noexcept override {
        if (begun_) book_.fail("the program is interrupted, and the terminal not put back");
    }
    void abandon() noexcept override {}
};

/// A second terminal, which attends to what it likes, and leaves after a while.
class scripted_client final : public mitogen::detail::prompt_terminal {
    book& book_ = *book::here();
    sim_io io_{};
    sim_io::parker woken_{io_};
    sim::random dice_;
    std::vector<std::uint64_t> listed_{};
    std::optional<std::size_t> attends_{}; // to that stop
    std::uint64_t lines_;                  // until it leaves

    event types(const char* text, std::string& line, typed what = typed::nothing) {
        line = text;
        if (attends_) book_.client_types(*attends_, what);
        return event::line;
    }
    event types_at_stop(std::string& line) {
        switch (dice_.below(12)) {
        case 0: return types("where", line);
        case 1: return types("print x", line);
        case 2: return types("nonsense", line);
        case 3:
        case 4: return types("detach", line);
        case 5: return event::end_of_file;
        case 6: return event::hung_up;
        case 7: return types("quit", line, typed::quit);
        default: return types("continue", line, typed::go_on);
        }
    }
    event types_at_top(std::string& line) {
        switch (dice_.below(16)) {
        case 0: return types("contexts", line);
        case 1: return types("nonsense", line);
        case 2: return types("cast all print x", line);
        case 3: {
            const bool quits = dice_.chance(0.3);
            book_.client_casts(quits ? typed::quit : typed::go_on);
            return types(quits ? "cast all quit" : "continue all", line);
        }
        case 4: return event::end_of_file;
        case 5:
        case 6:
        case 7: return types("list", line);
        default:
            if (listed_.empty()) return types("list", line);
            line = "attach " + std::to_string(listed_[dice_.below(listed_.size())]);
            return event::line;
        }
    }

public:
    explicit scripted_client(std::uint64_t seed) : dice_(seed), lines_(1 + dice_.below(25)) {}

    bool begin() override { return true; }
    void end() override {}
    event read(std::string& line) override {
        if (woken_.park_until(io_.now() + dice_.between(0, 200 * ms))) return event::woken;
        if (lines_ == 0 || --lines_ == 0) return event::hung_up;
        return attends_ ? types_at_stop(line) : types_at_top(line);
    }
    bool write(std::string_view text) override {
        constexpr std::string_view mark = ": breakpoint in stop";
        const std::size_t at = text.find(mark);
        if (text == "(mitogen) ") {
            attends_.reset();
        } else if (text.find("  pid ") != text.npos) {
            read_list(text);
        } else if (at != text.npos) {
            std::size_t number = 0;
            std::from_chars(text.data() + at + mark.size(), text.data() + text.size(), number);
            attends_ = number;
            book_.client_attends(number);
        }
        io_.relax();
        return !dice_.chance(0.01);
    }
    void read_list(std::string_view text) {
        listed_.clear();
        for (; !text.empty(); text.remove_prefix(std::min(text.find('\n'), text.size() - 1) + 1)) {
            std::uint64_t number = 0;
            std::from_chars(text.data(), text.data() + text.size(), number);
            listed_.push_back(number);
        }
    }
    void wake() noexcept override { woken_.unpark(); }
    void interrupt_program() noexcept override {}
    void abandon() noexcept override {}
};

/// Second terminals, one after the other.
void run_clients(mitogen::detail::tree_stops<sim_io>& stops, std::uint64_t seed) {
    sim::random dice(seed);
    sim_io io;
    const std::atomic<bool> ends{false};
    for (std::uint64_t n = 1 + dice.below(4); n > 0; --n) {
        io.sleep_for(dice.between(0, 500 * ms));
        scripted_client client(dice.next());
        mitogen::detail::client_session<sim_io>(stops, client, ends).run();
    }
}

// ---- the debuggers

/// Where second terminals come to.
mitogen::detail::tree_stops<sim_io>*& stops_of_root() {
    static thread_local mitogen::detail::tree_stops<sim_io>* of = nullptr;
    return of;
}

/// By process: those of other worlds have gone.
std::map<std::uint32_t, std::weak_ptr<mitogen::detail::stopping_place>>& places() {
    static thread_local std::map<std::uint32_t, std::weak_ptr<mitogen::detail::stopping_place>> all;
    return all;
}
std::shared_ptr<mitogen::detail::stopping_place> place_here() {
    return places()[book::kernel().self().pid].lock();
}

/// Its handlers, to be told of what comes before it is served.
struct handlers_of final : mitogen::detail::basic_delivery<node_core, sim_io> {
    static auto& get(node_core& node) { return node.*&handlers_of::handlers_; }
};

/// The number of a stop, by its context and ticket there.
using tickets = std::map<std::pair<mitogen::context_id, std::uint64_t>, std::size_t>;

void note(const mitogen::message& m, tickets& known) {
    mitogen::reader r(m.payload);
    if (!m.head.wants_reply()) {
        std::uint64_t ticket{};
        if (!mitogen::decode(r, ticket)) return book::here()->fail("no ticket");
        return book::here()->leaves(known.at({m.src(), ticket}));
    }
    mitogen::detail::stop_report report;
    if (!mitogen::decode(r, report)) return book::here()->fail("no report");
    const std::size_t number = std::stoul(report.function.substr(4));
    known[{m.src(), report.ticket}] = number;
    book::here()->arrives(number);
}

std::shared_ptr<mitogen::detail::debugging<sim_io>> make_debugger(node_core& node, bool is_root) {
    auto made = std::make_shared<mitogen::detail::debugger<sim_io>>(node, is_root,
                                                                    &scripted_terminal::open);
    places()[book::kernel().self().pid] = made;
    if (!is_root) return made;
    stops_of_root() = &made->stops_of_tree();
    auto& handlers = handlers_of::get(node);
    const auto serve =
        handlers.select(mitogen::header{.handle = mitogen::handles::stop}, [] { return true; })
            .call;
    handlers.remove(mitogen::handles::stop);
    (void)node.add_raw_handler(mitogen::handles::stop, {.from = mitogen::senders::anyone},
                               [serve, known = tickets()](const mitogen::message& m) mutable {
                                   note(m, known);
                                   (*serve)(m);
                               });
    return made;
}

// ---- what contexts do

mitogen::detail::stop_report report_of(const record& r) {
    mitogen::detail::stop_report report;
    report.function = "stop" + std::to_string(r.number);
    report.file = "world.cpp";
    report.line = 1;
    return report;
}

void stop_once(std::optional<std::int64_t> within = std::nullopt) {
    const auto place = place_here();
    if (!place) return;
    book& b = *book::here();
    record& r = b.open();
    if (within) r.deadline = book::now() + *within;
    const mitogen::result<void> how = place->stop(report_of(r));
    b.returns(r, how);
    if (!how) mitogen::raise(how.error());
}

mitogen::task<void> stop_once_in_task() {
    const auto place = place_here();
    if (!place) co_return;
    book& b = *book::here();
    record& r = b.open();
    std::optional<mitogen::error> why;
    try {
        co_await place->stop_task(report_of(r));
    } catch (const mitogen::error& e) {
        why = e;
    }
    b.returns(r, why ? mitogen::result<void>(*why) : mitogen::result<void>());
    if (why) mitogen::raise(*why);
}

/// A thread that no scope is around.
void stop_beside(std::uint64_t seed) {
    sim::random dice(seed);
    try {
        for (std::uint64_t n = 1 + dice.below(2); n > 0; --n) stop_once();
    } catch (const mitogen::error&) {} // quit
}

void stop_often(std::uint64_t seed) {
    sim::random dice(seed);
    sim_io io;
    for (std::uint64_t n = 1 + dice.below(3); n > 0; --n) {
        if (dice.chance(0.5)) io.sleep_for(dice.between(0, 300 * ms));
        switch (dice.below(5)) {
        case 0: {
            const std::int64_t span = dice.between(1, 1500 * ms);
            const mitogen::scope bounded{nanoseconds(span)};
            try {
                stop_once(span);
            } catch (const mitogen::timeout_error&) {}
            break;
        }
        case 1: {
            const sim_io::thread other(io, "other", [seed = dice.next()] { stop_beside(seed); });
            stop_once();
            break;
        }
        default: stop_once();
        }
    }
}

int work(std::uint64_t seed) {
    stop_often(seed);
    return 1;
}
int work_in_pool(std::uint64_t seed) { return work(seed); }
mitogen::task<int> work_in_task(std::uint64_t seed) {
    sim::random dice(seed);
    for (std::uint64_t n = 1 + dice.below(3); n > 0; --n) {
        if (dice.chance(0.5)) co_await mitogen::sleep_for(nanoseconds(dice.between(0, 300 * ms)));
        co_await stop_once_in_task();
    }
    co_return 1;
}
int fails(std::int64_t when) {
    sim::sleep_for(when);
    throw std::runtime_error("boom");
}

// ---- what goes wrong

/// Strikes after so many writes on links: at a message of the lock, mostly.
class striker final : public sim::write_observer {
    sim::kernel& world_;
    book& book_;
    sim::random dice_;
    std::vector<std::uint64_t> left_{}; // writes until the next ones
    bool armed_ = false;

    void strike(sim::pipe_state& at) {
        const std::uint32_t child = std::max(at.from_process, at.to_process);
        const auto ends = std::minmax(at.from_process, at.to_process);
        if (dice_.chance(0.5)) {
            const sim::process_state* const p = world_.find(child);
            if (!p || p->ended) return;
            book_.strike(child);
            world_.say("strikes process " + std::to_string(child));
            (void)world_.signal(child, 9);
            ++kills;
            return;
        }
        book_.strike(child);
        world_.say("cuts the link of process " + std::to_string(child));
        for (const auto& pipe : world_.links())
            if (std::minmax(pipe->from_process, pipe->to_process) == ends) world_.cut(*pipe);
        ++cuts;
    }

public:
    std::uint64_t kills = 0;
    std::uint64_t cuts = 0;

    striker(sim::kernel& world, book& b, std::uint64_t seed)
        : world_(world), book_(b), dice_(seed ^ 0x57'41'4Bu) {
        if (dice_.chance(0.3)) return; // a calm world
        for (std::uint64_t n = 1 + dice_.below(3); n > 0; --n)
            left_.push_back(dice_.below(dice_.chance(0.5) ? 60 : 400));
    }
    void arm(bool on) { armed_ = on; }

    std::size_t most(const sim::pipe_state&, std::size_t size) override { return size; }
    void written(sim::pipe_state& to, const void*, std::size_t) override {
        if (!armed_ || left_.empty() || to.from_process == to.to_process) return;
        if (left_.back()-- > 0) return;
        left_.pop_back();
        strike(to);
    }
};

// ---- one world

class program {
    mitogen::router& root_;
    book& book_;
    sim::random dice_;
    sim_io io_{};
    std::vector<std::pair<mitogen::context, std::size_t>> up_{}; // with its depth
    std::vector<mitogen::future<int>> calls_{};
    std::vector<sim_io::thread> clients_{};

    const mitogen::context& somebody() { return up_[dice_.below(up_.size())].first; }

    void look(const mitogen::error& e) {
        switch (e.kind()) {
        case mitogen::kind::disconnected:
        case mitogen::kind::overloaded: return;
        default: break;
        }
        if (e.reason() == mitogen::reason::cancelled ||
            e.reason() == mitogen::reason::debugger_quit ||
            e.reason() == mitogen::reason::timeout ||
            e.message().find("boom") != std::string_view::npos)
            return;
        book_.fail(std::string("an odd error: ") + e.what());
    }

    void start_one() {
        const std::uint64_t seed = dice_.next();
        const mitogen::context to = somebody();
        const nanoseconds span(dice_.between(1 * ms, 3000 * ms));
        switch (dice_.below(12)) {
        case 0: calls_.push_back(to.within(span).call_async<&work>(seed)); break;
        case 1: calls_.push_back(to.within(span).call_async<&work_in_task>(seed)); break;
        case 2:
            calls_.push_back(to.call_async<&work_in_pool>(seed));
            io_.sleep_for(dice_.between(0, 300 * ms));
            calls_.back().cancel();
            break;
        case 3: { // nobody wants it
            auto dropped = to.call_async<&work>(seed);
            io_.sleep_for(dice_.between(0, 100 * ms));
            break;
        }
        case 4: try {
                stop_often(seed);
            } catch (const mitogen::error& e) {
                look(e);
            }
            break;
        case 5:
            if (dice_.chance(0.5)) return run_nursery();
            break;
        case 6:
            if (dice_.chance(0.3)) {
                book_.ends_contexts = true;
                (void)to.shutdown();
            }
            break;
        case 7:
        case 8: calls_.push_back(to.call_async<&work_in_task>(seed)); break;
        case 9: calls_.push_back(to.call_async<&work_in_pool>(seed)); break;
        default: calls_.push_back(to.call_async<&work>(seed)); break;
        }
    }

    void run_nursery() {
        book_.ends_contexts = true;
        mitogen::nursery n{root_, {.grace = 500ms}};
        for (std::uint64_t i = 1 + dice_.below(3); i > 0; --i) {
            const sim::host method{.name = "n" + std::to_string(i)};
            if (dice_.chance(0.5))
                n.start<&work>(method, dice_.next());
            else
                n.start<&work_in_task>(method, dice_.next());
        }
        if (dice_.chance(0.3)) n.start<&work>(somebody(), dice_.next());
        if (dice_.chance(0.7))
            n.start<&fails>(sim::host{.name = "bad"}, dice_.between(0, 1000 * ms));
        (void)n.try_join(); // whatever has failed
    }

public:
    program(mitogen::router& root, book& b, std::uint64_t seed)
        : root_(root), book_(b), dice_(seed ^ 0xDEB6u) {}

    void build() {
        const std::uint64_t count = 1 + dice_.below(6);
        for (std::uint64_t i = 0; i < count; ++i) {
            const sim::host method{.name = "h" + std::to_string(i)};
            const std::size_t at = dice_.below(up_.size() + 1);
            const bool below = at < up_.size() && up_[at].second < 4;
            up_.emplace_back(below ? up_[at].first.connect(method) : root_.connect(method),
                             below ? up_[at].second + 1 : 1);
        }
    }

    void use() {
        if (book_.has_clients)
            for (std::uint64_t n = 1 + dice_.below(3); n > 0; --n)
                clients_.emplace_back(io_, "client", [seed = dice_.next()] {
                    run_clients(*stops_of_root(), seed);
                });
        for (std::uint64_t n = 1 + dice_.below(10); n > 0; --n) {
            start_one();
            if (dice_.chance(0.4)) io_.sleep_for(dice_.between(0, 400 * ms));
        }
    }

    /// True: the root ends now, whoever stands there.
    bool leaves_early() {
        if (!dice_.chance(0.2)) return false;
        book_.ends_contexts = true;
        return true;
    }

    void finish() {
        for (auto& call : calls_)
            if (const auto r = call.try_get(); !r) look(r.error());
    }

    /// Nothing goes wrong any more: everybody goes on, and every context can be ended.
    void settle() {
        for (int i = 0; !book_.standing().empty(); ++i) {
            if (i == 6000) return book_.fail(*book_.standing().front(), "never goes on");
            io_.sleep_for(100 * ms);
        }
        io_.sleep_for(10 * second + book_.slowness); // whoever was cut off ends, or stopped goes on
        if (const std::size_t open = support::open_answers<sim_io>(root_))
            book_.fail(std::to_string(open) + " answers are still awaited");
        for (auto& [context, depth] : up_) {
            if (!context.alive()) continue;
            const mitogen::instant begin = io_.now();
            const auto ended = context.shutdown().try_get_for(60s);
            if (!ended && ended.error().kind() != mitogen::kind::disconnected)
                book_.fail("context " + std::to_string(context.id()) +
                           " cannot be ended: " + ended.error().what());
            if (io_.now() - begin > second)
                book_.fail("context " + std::to_string(context.id()) + " takes " +
                           std::to_string((io_.now() - begin) / ms) + " ms to end");
        }
    }
};

sim::outcome run(std::uint64_t seed, std::size_t trace_lines, std::string* trace) {
    static constexpr mitogen::detail::debugger_maker<sim_io> maker{&make_debugger};
    mitogen::detail::debugger_maker<sim_io>::named.store(&maker);
    book notes;
    book::here() = &notes;
    places().clear();
    sim::random dice(seed ^ 0x5EEDu);
    sim::faults f;
    if (dice.chance(0.8)) f.most_latency = 5 * ms;
    if (dice.chance(0.5)) f.partial_transfer = 0.3, f.spurious_readiness = 0.1, f.early_wait = 0.05;
    if (dice.chance(0.2)) f.freezes_per_second = 4, notes.slowness = 5 * second;
    if (dice.chance(0.05)) { // for longer than the root waits for an answer
        f.freezes_per_second = 1, f.most_freeze = 20 * second;
        notes.slowness = 120 * second; // one after the other, on all of a way
        notes.passes_by = true;
    }
    notes.without_terminal = dice.chance(0.05);
    notes.has_clients = dice.chance(0.3);
    sim::fleet fleet({.seed = seed, .faults = f, .trace_lines = trace_lines});
    striker strikes(fleet.world().kernel(), notes, seed);
    fleet.world().kernel().observer = &strikes;
    sim::outcome o;
    std::string thrown;
    try {
        o = fleet.run(
            [&](mitogen::router& root) {
                mitogen::log::set_sink([](const mitogen::log::record&) {});
                program p(root, notes, seed);
                p.build();
                strikes.arm(true);
                p.use();
                if (p.leaves_early()) return;
                p.finish();
                strikes.arm(false);
                fleet.world().disable();
                p.settle();
            },
            {.rules = {.heartbeat = {0, 0}, .debug = true}});
    } catch (const std::exception& e) {
        o.trouble = e.what();
    }
    if (trace)
        for (const std::string& line : fleet.world().log().lines()) *trace += line + "\n";
    notes.close(fleet.world().kernel());
    if (!notes.wrong().empty()) o.trouble = notes.wrong();
    o.kills = strikes.kills;
    o.cuts = strikes.cuts;
    book::here() = nullptr;
    mitogen::detail::debugger_maker<sim_io>::named.store(nullptr);
    return o;
}

} // namespace debugger_world

template <>
inline constexpr auto mitogen::run_on<&debugger_world::work_in_pool> = mitogen::on::pool;
