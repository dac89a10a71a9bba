// SPDX-License-Identifier: BSL-1.0
// A hostile child that says well-formed frames with arbitrary ids, handles, flags and payloads, for
// as many seconds as it is told (HOSTILE_SECONDS, else 3), and at once another one that does so
// behind a context in between. An honest sibling is called all the while. HOSTILE_SEED: one of the
// runs again, as far as threads allow.
#include "trust/raw.hpp"

#include <atomic>
#include <memory>
#include <random>
#include <string>

// What a frame may be made of: ids that there are, that the child was given, and any others.
class babble {
    std::mt19937_64 any_;
    raw& out_;
    std::vector<context_id> ids_;
    std::uint32_t streams_ = 0;

    std::uint64_t below(std::uint64_t n) { return any_() % n; }
    template <class T>
    T one_of(std::initializer_list<T> all) {
        return all.begin()[below(all.size())];
    }
    context_id id() {
        if (below(8) == 0) return static_cast<context_id>(any_());
        return ids_[below(ids_.size())];
    }
    handle_id handle() {
        switch (below(6)) {
        case 0: return any_();
        case 1: return (any_() << 32) | below(64);                            // an answer's
        case 2: return (any_() << 32) | mitogen::detail::flow_bit | below(8); // a flow's
        case 3: return 1000 + below(4);
        default: return 100 + below(24);
        }
    }
    handle_id reply() {
        return one_of<handle_id>({0, 0, mitogen::is_dead, 77, (handle_id{7} << 32) | 1, any_()});
    }
    std::uint8_t flags() {
        using f = message_flags;
        if (below(100'000) == 0) return static_cast<std::uint8_t>(below(256)); // ends the link
        const int part = below(2) ? 0
                                  : f::fragment | one_of<int>({0, 0, f::first, f::first, f::last});
        const int more = one_of<int>({0, 0, 0, f::failed, f::secret});
        return static_cast<std::uint8_t>(part | more);
    }
    mitogen::buffer payload() {
        std::string noise(below(below(16) ? 64 : 4096), 'x');
        for (char& c : noise) c = static_cast<char>(any_());
        const mitogen::error why(static_cast<mitogen::reason>(below(90)), noise);
        switch (below(9)) {
        case 0: return {};
        case 1: return mitogen::buffer(std::as_bytes(std::span(noise)));
        case 2: return mitogen::encode(id());
        case 3: return mitogen::encode(id(), id(), noise, any_());
        case 4: return mitogen::encode_error(why);
        case 5: {
            const mitogen::buffer e = mitogen::encode_error(why);
            return mitogen::encode(id(), std::span<const std::byte>(e.data(), e.size()));
        }
        case 6: return mitogen::encode(id(), handle(), static_cast<std::uint32_t>(any_()));
        case 7:
            return mitogen::encode(id(), static_cast<std::uint8_t>(below(8)), noise, noise, any_());
        default:
            return mitogen::encode(static_cast<std::uint8_t>(below(32)),
                                   static_cast<std::uint32_t>(below(100)), any_(), noise);
        }
    }

public:
    babble(std::uint64_t seed, raw& out)
        : any_(seed), out_(out), ids_{0, 1, 2, 3, out.id, out.id, out.id + 1, 1000, 2000, 999'999} {
    }

    bool say() {
        header h = out_.to(below(4) ? 0 : id(), handle(), reply());
        if (below(4) == 0) h.src = id();
        if (below(4) == 0) h.auth = id();
        h.flags = flags();
        h.stream = below(2) ? streams_ : streams_++;
        const mitogen::buffer p =
            h.flags & message_flags::first
                ? mitogen::encode(std::uint64_t{below(8) ? below(1 << 20) : any_()})
                : payload();
        return out_.put(h, p);
    }
};

static std::uint64_t number(const char* name, std::uint64_t otherwise) {
    const char* const text = std::getenv(name);
    return text ? std::strtoull(text, nullptr, 10) : otherwise;
}

static std::atomic<long> said_in_all{0};

static void attack(raw& h, std::uint64_t seed) {
    std::thread([fd = h.fd] { // all that comes is thrown away
        char some[1 << 16];
        while (::read(fd, some, sizeof some) > 0) continue;
    }).detach(); // the program ends by _exit
    babble words(seed, h);
    while (words.say()) ++said_in_all;
}

static std::vector<std::unique_ptr<hostile>>& below_here() {
    static std::vector<std::unique_ptr<hostile>> all;
    return all;
}
// As a context in between: its children are links of threads of its own.
void host_another(mitogen::router& r, std::uint64_t seed) {
    for (const std::uint64_t next : {seed + 1, seed + 2, seed + 3})
        below_here().push_back(
            std::make_unique<hostile>(r, [next](raw& h) { attack(h, next); }));
}
int sum_of(int a, int b) { return a + b; }

int main(int argc, char** argv) {
    mitogen::init(argc, argv);
    mitogen::log::set_sink([](const mitogen::log::record&) {});
    const std::uint64_t seed = number("HOSTILE_SEED", std::random_device()());
    std::printf("HOSTILE_SEED=%llu\n", static_cast<unsigned long long>(seed));
    std::fflush(stdout);
    mitogen::broker loop;
    mitogen::router_options o;
    o.limits.queue_bytes = 8 << 20;
    o.limits.message_bytes = 1 << 20;
    mitogen::router root(loop, o);
    const auto honest = root.local({.name = "honest"});   // 1
    const auto between = root.local({.name = "between"}); // 2
    between.call_no_reply<&host_another>(seed);
    const long before = rss_mib();
    const double end = now_s() + static_cast<double>(number("HOSTILE_SECONDS", 3));
    long calls = 0, links = 0;
    while (now_s() < end) {
        ++links; // it is cut off now and then, for what it says
        hostile bad(root, [&](raw& h) { attack(h, seed * 31 + static_cast<unsigned>(links)); });
        for (const double next = now_s() + 0.5; now_s() < end && now_s() < next; ++calls)
            if (const auto said = honest.within(10s).try_call<&sum_of>(1, 2); !said || *said != 3)
                unsafe(std::string("a call of the honest child: ") +
                       (said ? "a wrong value" : said.error().what()));
        if (rss_mib() > before + 300)
            unsafe("the parent holds " + std::to_string(rss_mib() - before) + " MiB");
    }
    const auto alive = between.within(10s).try_call<&sum_of>(3, 4);
    if (!alive) unsafe(std::string("a call of the context between: ") + alive.error().what());
    return safe(std::to_string(calls) + " calls of the honest child, " +
                std::to_string(said_in_all) + " frames over " + std::to_string(links) + " links");
}
