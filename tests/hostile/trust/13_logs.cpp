// SPDX-License-Identifier: BSL-1.0
// Log records: of a sibling, as the root's own, with control characters, of 20 MiB, and a million
// of them.
#include "raw.hpp"
int main(int argc, char** argv) {
    mitogen::init(argc, argv);
    std::atomic<int> sibling{0}, root_like{0}, control{0}, big{0};
    std::atomic<long> many{0};
    mitogen::log::set_sink([&](const mitogen::log::record& r) {
        if (r.text == "forged" && r.context == 1) ++sibling;
        if (r.text == "as the root" && r.place.empty()) ++root_like;
        for (const auto part : {r.text, r.place, r.logger})
            for (const char c : part)
                if (static_cast<unsigned char>(c) < 0x20 && c != '\t') {
                    ++control;
                    break;
                }
        if (r.text.size() > 64 * 1024) ++big;
        if (r.text == "many") ++many;
    });
    mitogen::broker loop;
    mitogen::router root(loop);
    [[maybe_unused]] const auto honest = root.local({.name = "honest"}); // 1
    hostile bad(root, [](raw& h) {
        std::thread([&h] { h.listen(); }).detach();
        const auto say = [&](context_id from, const std::string& text) {
            h.message(h.to(0, H::forward_log),
                      mitogen::encode(from, std::uint8_t{3}, std::string("mitogen"), text,
                                      std::uint64_t{0}));
        };
        say(1, "forged");
        h.add_route(1'000'000, h.id, "");
        say(1'000'000, "as the root");
        say(h.id, "\x1b[2J\nanother line");
        say(h.id, std::string(20 << 20, 'x'));
        for (int i = 0; i < part(1'000'000); ++i) say(h.id, "many");
        h.flush();
        std::this_thread::sleep_for(part(2s));
    });
    for (int i = 0; i < part(100) && many < 1'000'000; ++i) std::this_thread::sleep_for(50ms);
    const std::string text = "of the sibling " + std::to_string(sibling) + ", as the root's own " +
                             std::to_string(root_like) + ", with control characters " +
                             std::to_string(control) + ", over 64 KiB " + std::to_string(big) +
                             ", of a million " + std::to_string(many);
    if (sibling || root_like || control || big || many > std::min(200'000, part(1'000'000) / 4 * 3))
        unsafe(text);
    return safe(text);
}
