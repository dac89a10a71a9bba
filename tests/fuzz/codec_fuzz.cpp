// SPDX-License-Identifier: BSL-1.0
// Decodes whatever arrives as every kind of type. What is accepted must encode to as many bytes and
// decode to the same bytes again, and a refusal must say something. The sanitizers watch the rest.
#include "codec/codec_samples.hpp"

#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <queue>
#include <span>

namespace {

void require(bool condition, const char* what) {
    if (condition) return;
    std::fprintf(stderr, "codec_fuzz: %s\n", what);
    std::abort();
}

template <class T>
void try_as(std::span<const std::byte> bytes) {
    const mitogen::buffer exact(bytes); // a block of its own, so that a byte too many is noticed
    mitogen::reader r(exact);
    T value{};
    if (!mitogen::decode(r, value) || !r.finish()) {
        require(!r.failure_text(&mitogen::wire::write_signature<T>).empty(),
                "a refusal without a reason");
        require(!r.ok(), "refused without a failure");
        return;
    }
    const mitogen::buffer again = mitogen::encode(value);
    require(again.size() == bytes.size(), "the size has changed");
    mitogen::reader second(again);
    T copy{};
    require(mitogen::decode(second, copy) && second.finish(), "an encoded value does not decode");
    const mitogen::buffer last = mitogen::encode(copy);
    require(last.size() == again.size(), "the size has changed the second time");
}

// Types whose encoding is unique: the bytes themselves must come back.
template <class T>
void try_exactly(std::span<const std::byte> bytes) {
    try_as<T>(bytes);
    if (const auto value = mitogen::decode<T>(bytes)) {
        const mitogen::buffer again = mitogen::encode(*value);
        require(again.size() == bytes.size() &&
                    (bytes.empty() || std::memcmp(again.data(), bytes.data(), bytes.size()) == 0),
                "the bytes have changed");
    }
}

} // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    if (size == 0) return 0;
    const std::span<const std::byte> bytes(reinterpret_cast<const std::byte*>(data) + 1, size - 1);
    switch (data[0] % 12) {
    case 0: try_as<samples::everything>(bytes); break;
    case 1: try_exactly<samples::node>(bytes); break;
    case 2: try_exactly<samples::chain>(bytes); break;
    case 3: try_as<std::span<const std::string>>(bytes); break;
    case 4: try_as<std::pair<std::u16string_view, std::span<const double>>>(bytes); break;
    case 5:
        try_exactly<std::vector<std::variant<std::monostate, bool, std::string, samples::padded>>>(
            bytes);
        break;
    case 6:
        try_exactly<std::tuple<std::vector<bool>, std::bitset<13>,
                               std::optional<std::vector<samples::mode>>>>(bytes);
        break;
    case 7:
        try_as<std::map<std::string, std::unordered_map<std::int16_t, std::set<std::string>>>>(
            bytes);
        break;
    case 8: try_as<std::priority_queue<std::string>>(bytes); break;
    case 9: try_exactly<std::vector<std::vector<std::monostate>>>(bytes); break;
    case 10:
        try_exactly<std::pair<std::vector<double>, std::vector<samples::straight>>>(bytes);
        break;
    case 11:
        try_as<std::tuple<std::error_code, std::filesystem::path, std::chrono::duration<short>,
                          std::list<samples::savings>>>(bytes);
        break;
    default: break;
    }
    return 0;
}
