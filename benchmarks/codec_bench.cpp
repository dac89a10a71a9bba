// SPDX-License-Identifier: BSL-1.0
// codec_bench.cpp: what encoding and decoding cost beside the memory traffic and the allocations
// that nobody can avoid.
//
//   taskset -c 0 ./codec_bench --benchmark_repetitions=7 --benchmark_report_aggregates_only=true
//
// The last lines are ratios of medians, in one run; absolute times are facts about one machine.

#include <mitogen/codec/codec.hpp>

#include <benchmark/benchmark.h>

#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <map>
#include <string>
#include <utility>
#include <vector>

namespace {

struct vec3 {
    float x, y, z;
};

struct weapon {
    std::string name;
    std::int32_t damage;
};

// Strings, small structs, bytes and a map: 865 bytes on the wire.
struct monster {
    vec3 position;
    std::int16_t mana, health;
    std::string name;
    std::vector<std::uint8_t> inventory;
    std::uint8_t colour;
    std::vector<weapon> weapons;
    weapon equipped;
    std::vector<vec3> path;
    std::map<std::string, std::int32_t> tags;
};

monster sample() {
    monster m{{1, 2, 3}, 150, 80, "Orc of the northern reaches",
              {},        2,   {}, {"Axe of the second age", 5},
              {},        {}};
    for (int i = 0; i < 100; ++i) m.inventory.push_back(static_cast<std::uint8_t>(i));
    for (int i = 0; i < 8; ++i) m.weapons.push_back({"weapon number " + std::to_string(i), i * 3});
    for (int i = 0; i < 32; ++i)
        m.path.push_back(
            {static_cast<float>(i), static_cast<float>(i + 1), static_cast<float>(i + 2)});
    for (int i = 0; i < 8; ++i) m.tags["tag-" + std::to_string(i)] = i;
    return m;
}

template <class T>
void encode_into(mitogen::buffer& out, const T& value) {
    out.resize(mitogen::encoded_size(value));
    mitogen::writer w(out.data());
    mitogen::encode(w, value);
}

template <class T>
void run_encode(benchmark::State& state, const T& value) {
    mitogen::buffer out;
    for (auto _ : state) {
        benchmark::DoNotOptimize(&value);
        encode_into(out, value);
        benchmark::ClobberMemory();
    }
    state.SetBytesProcessed(state.iterations() * static_cast<std::int64_t>(out.size()));
}

template <class T>
void run_decode(benchmark::State& state, const T& original) {
    const mitogen::buffer bytes = mitogen::encode(original);
    for (auto _ : state) {
        benchmark::ClobberMemory();
        T value;
        mitogen::reader r(bytes);
        if (!mitogen::decode(r, value) || !r.finish()) std::abort();
        benchmark::DoNotOptimize(&value);
    }
    state.SetBytesProcessed(state.iterations() * static_cast<std::int64_t>(bytes.size()));
}

void monster_encode(benchmark::State& state) { run_encode(state, sample()); }
void monster_decode(benchmark::State& state) { run_decode(state, sample()); }

void monster_memcpy(benchmark::State& state) {
    const mitogen::buffer bytes = mitogen::encode(sample());
    mitogen::buffer out;
    for (auto _ : state) {
        benchmark::ClobberMemory();
        out.resize(bytes.size());
        std::memcpy(out.data(), bytes.data(), bytes.size());
        benchmark::DoNotOptimize(out.data());
    }
}

// What any decoder must do: the copy, and the allocations of the five strings and vectors that do
// not fit in place and of eight map nodes.
void monster_memcpy_and_allocations(benchmark::State& state) {
    const mitogen::buffer bytes = mitogen::encode(sample());
    mitogen::buffer out;
    const std::size_t sizes[] = {
        28, 100, 8 * sizeof(weapon), 22, 32 * sizeof(vec3), 72, 72, 72, 72, 72, 72, 72, 72};
    void* blocks[std::size(sizes)];
    for (auto _ : state) {
        out.resize(bytes.size());
        std::memcpy(out.data(), bytes.data(), bytes.size());
        benchmark::DoNotOptimize(out.data());
        for (std::size_t i = 0; i < std::size(sizes); ++i)
            benchmark::DoNotOptimize(blocks[i] = ::operator new(sizes[i]));
        for (std::size_t i = 0; i < std::size(sizes); ++i) ::operator delete(blocks[i]);
    }
}

// The copy constructor: the same allocations, nodes and bytes, without a check.
void monster_copy(benchmark::State& state) {
    const monster original = sample();
    for (auto _ : state) {
        benchmark::DoNotOptimize(&original);
        monster copy = original;
        benchmark::DoNotOptimize(&copy);
    }
}

std::vector<double> numbers(benchmark::State& state) {
    return std::vector<double>(static_cast<std::size_t>(state.range(0)) / 8, 1.5);
}

void doubles_encode(benchmark::State& state) { run_encode(state, numbers(state)); }

void doubles_decode(benchmark::State& state) {
    const mitogen::buffer bytes = mitogen::encode(numbers(state));
    std::vector<double> value; // keeps its memory, as the baseline does
    for (auto _ : state) {
        benchmark::ClobberMemory();
        mitogen::reader r(bytes);
        if (!mitogen::decode(r, value) || !r.finish()) std::abort();
        benchmark::DoNotOptimize(value.data());
    }
    state.SetBytesProcessed(state.iterations() * static_cast<std::int64_t>(bytes.size()));
}

void doubles_memcpy(benchmark::State& state) {
    const std::vector<double> from = numbers(state);
    std::vector<double> to(from.size());
    for (auto _ : state) {
        benchmark::ClobberMemory();
        std::memcpy(to.data(), from.data(), from.size() * sizeof(double));
        benchmark::DoNotOptimize(to.data());
    }
    state.SetBytesProcessed(state.iterations() *
                            static_cast<std::int64_t>(from.size() * sizeof(double)));
}

BENCHMARK(monster_memcpy);
BENCHMARK(monster_memcpy_and_allocations);
BENCHMARK(monster_copy);
BENCHMARK(monster_encode);
BENCHMARK(monster_decode);
BENCHMARK(doubles_memcpy)->Arg(16 << 10)->Arg(1 << 20);
BENCHMARK(doubles_encode)->Arg(16 << 10)->Arg(1 << 20);
BENCHMARK(doubles_decode)->Arg(16 << 10)->Arg(1 << 20);

// Prints as usual and keeps the medians (or the single run) by name.
class keeping_reporter : public benchmark::ConsoleReporter {
    std::map<std::string, double> times_;

public:
    void ReportRuns(const std::vector<Run>& runs) override {
        for (const Run& run : runs) {
            if (run.run_type == Run::RT_Iteration || run.aggregate_name == "median") {
                times_[run.run_name.str()] = run.GetAdjustedCPUTime();
            }
        }
        ConsoleReporter::ReportRuns(runs);
    }

    void print_ratio(const char* what, const char* against) const {
        const auto a = times_.find(what);
        const auto b = times_.find(against);
        if (a != times_.end() && b != times_.end())
            std::printf("ratio %s / %s = %.2f\n", what, against, a->second / b->second);
    }
};

} // namespace

int main(int argc, char** argv) {
    benchmark::Initialize(&argc, argv);
    if (benchmark::ReportUnrecognizedArguments(argc, argv)) return 1;
    keeping_reporter reporter;
    benchmark::RunSpecifiedBenchmarks(&reporter);
    reporter.print_ratio("monster_encode", "monster_memcpy");
    reporter.print_ratio("monster_decode", "monster_memcpy_and_allocations");
    reporter.print_ratio("monster_decode", "monster_copy");
    reporter.print_ratio("doubles_encode/16384", "doubles_memcpy/16384");
    reporter.print_ratio("doubles_decode/16384", "doubles_memcpy/16384");
    reporter.print_ratio("doubles_encode/1048576", "doubles_memcpy/1048576");
    reporter.print_ratio("doubles_decode/1048576", "doubles_memcpy/1048576");
    return 0;
}
