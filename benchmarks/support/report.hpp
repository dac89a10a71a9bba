// SPDX-License-Identifier: BSL-1.0
#pragma once
// report.hpp: what every benchmark here shares: the clock, options, samples, and rows that hold a
// figure against its baseline.

#include <algorithm>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <map>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <sched.h>
#include <time.h>

namespace bench {

/// Monotonic time, ns.
inline std::uint64_t now() noexcept {
    ::timespec t;
    ::clock_gettime(CLOCK_MONOTONIC, &t);
    return static_cast<std::uint64_t>(t.tv_sec) * 1'000'000'000u +
           static_cast<std::uint64_t>(t.tv_nsec);
}

/// Since a moment, ms.
inline double ms_since(std::uint64_t begin) noexcept {
    return static_cast<double>(now() - begin) / 1e6;
}

[[noreturn]] inline void die(const char* what) {
    std::perror(what);
    std::exit(1);
}

/// CPU time of this process and another one, ns. With everything on one CPU it is what the work
/// takes when nothing else runs there, also if something does: throughput is held against it.
class cpu_meter {
    ::clockid_t other_;
    std::uint64_t begin_;

    static std::uint64_t read(::clockid_t clock) {
        ::timespec t;
        if (::clock_gettime(clock, &t) != 0) die("clock_gettime");
        return static_cast<std::uint64_t>(t.tv_sec) * 1'000'000'000u +
               static_cast<std::uint64_t>(t.tv_nsec);
    }

public:
    explicit cpu_meter(::pid_t other) {
        if (::clock_getcpuclockid(other, &other_) != 0) die("clock_getcpuclockid");
        begin_ = now();
    }
    std::uint64_t now() const { return read(CLOCK_PROCESS_CPUTIME_ID) + read(other_); }
    double seconds() const { return static_cast<double>(now() - begin_) / 1e9; }
};

inline double median(std::vector<double> values) {
    if (values.empty()) return 0;
    const auto middle = values.begin() + static_cast<std::ptrdiff_t>(values.size() / 2);
    std::nth_element(values.begin(), middle, values.end());
    return *middle;
}

/// One time for each operation, ns.
class samples {
    std::vector<std::uint32_t> ns_;

public:
    void clear(std::size_t expected) {
        ns_.clear();
        ns_.reserve(expected);
    }
    void add(std::uint64_t ns) {
        ns_.push_back(static_cast<std::uint32_t>(std::min<std::uint64_t>(ns, UINT32_MAX)));
    }
    /// The value below which `share` of all lie, in µs.
    double quantile_us(double share) {
        if (ns_.empty()) return 0;
        const auto at = std::min(ns_.size() - 1,
                                 static_cast<std::size_t>(share * static_cast<double>(ns_.size())));
        std::nth_element(ns_.begin(), ns_.begin() + static_cast<std::ptrdiff_t>(at), ns_.end());
        return ns_[at] / 1e3;
    }
};

/// Which CPUs this process and its children may use: the first of those it had, or all of them.
class placement {
    ::cpu_set_t all_;

public:
    placement() {
        if (::sched_getaffinity(0, sizeof all_, &all_) != 0) die("sched_getaffinity");
    }
    /// To be called while the process has one thread: the threads and processes that it makes later
    /// follow.
    void pin(bool one) const {
        ::cpu_set_t set = all_;
        if (one) {
            int first = 0;
            while (!CPU_ISSET(first, &all_)) ++first;
            CPU_ZERO(&set);
            CPU_SET(first, &set);
        }
        if (::sched_setaffinity(0, sizeof set, &set) != 0) die("sched_setaffinity");
    }
    int count() const { return CPU_COUNT(&all_); }
};

/// Figures of several rounds, by name. Baseline and candidate are measured in turn within each
/// round, so that whatever else the machine does hits both; a ratio is the median of the rounds'
/// ratios.
class rounds {
    std::map<std::string, std::vector<double>> values_;

public:
    void add(const std::string& name, double value) { values_[name].push_back(value); }
    bool has(const std::string& name) const { return values_.count(name) != 0; }
    double middle(const std::string& name) const { return median(values_.at(name)); }
    double ratio(const std::string& name, const std::string& baseline) const {
        const auto& a = values_.at(name);
        const auto& b = values_.at(baseline);
        std::vector<double> each;
        for (std::size_t i = 0; i < std::min(a.size(), b.size()); ++i)
            each.push_back(b[i] > 0 ? a[i] / b[i] : 0);
        return median(std::move(each));
    }
};

/// How long each of `calls` calls takes, after some that do not count.
template <class Call>
void measure_each(samples& times, std::size_t calls, Call&& call) {
    for (std::size_t i = 0; i < calls / 10 + 1; ++i) call();
    times.clear(calls);
    for (std::size_t i = 0; i < calls; ++i) {
        const std::uint64_t begin = now();
        call();
        times.add(now() - begin);
    }
}

/// What a row is to reach: first with the first working version, then at last.
struct target {
    enum class on : std::uint8_t { nothing, ratio, value };
    on what = on::nothing;
    bool at_most = true;
    double first = 0; ///< 0: none yet
    double goal = 0;  ///< 0: none
};
inline target ratio_at_most(double first, double goal) {
    return {target::on::ratio, true, first, goal};
}
inline target ratio_at_least(double first, double goal) {
    return {target::on::ratio, false, first, goal};
}
inline target value_at_most(double first, double goal) {
    return {target::on::value, true, first, goal};
}
inline target value_at_least(double first, double goal) {
    return {target::on::value, false, first, goal};
}

/// The command line and the rows.
class report {
    struct row {
        std::string what, unit, baseline;
        double value, baseline_value, ratio;
        target wanted;
    };

    std::string program_;
    std::string command_;
    std::map<std::string, std::string> options_;
    std::vector<std::string> words_;
    std::vector<row> rows_;

    static std::string number(double v) {
        char text[32];
        std::snprintf(text, sizeof text, v >= 1000 ? "%.0f" : v >= 10 ? "%.1f" : "%.2f", v);
        return text;
    }

    static bool reached(const row& r, double limit) {
        const double v = r.wanted.what == target::on::ratio ? r.ratio : r.value;
        return r.wanted.at_most ? v <= limit : v >= limit;
    }

    static std::string limit_text(const row& r, double limit) {
        if (r.wanted.what == target::on::nothing || limit == 0) return "";
        return (r.wanted.at_most ? "<= " : ">= ") + number(limit) +
               (r.wanted.what == target::on::ratio ? " x" : "");
    }

    static const char* verdict(const row& r) {
        if (r.wanted.what == target::on::nothing) return "";
        if (r.wanted.goal != 0 && reached(r, r.wanted.goal)) return "goal";
        return r.wanted.first == 0 ? "" : reached(r, r.wanted.first) ? "ok" : "missed";
    }

    static std::string quoted(const std::string& text) {
        std::string out = "\"";
        for (const char c : text) {
            if (c == '"' || c == '\\') out += '\\';
            out += c;
        }
        return out + '"';
    }

    static std::string exact(double v) {
        char text[32];
        std::snprintf(text, sizeof text, "%.6g", v);
        return text;
    }

public:
    /// Options are --name or --name=value.
    report(int argc, char** argv) : program_(argv[0]) {
        if (const auto slash = program_.rfind('/'); slash != std::string::npos)
            program_.erase(0, slash + 1);
        for (int i = 0; i < argc; ++i)
            command_ += (i ? " " : "") + std::string(i ? argv[i] : program_.c_str());
        for (int i = 1; i < argc; ++i) {
            const std::string_view word = argv[i];
            if (word.substr(0, 2) != "--") {
                words_.emplace_back(word);
                continue;
            }
            const auto equals = word.find('=');
            options_[std::string(word.substr(2, equals == word.npos ? word.npos : equals - 2))] =
                equals == word.npos ? "" : word.substr(equals + 1);
        }
    }

    bool has(const char* option) const { return options_.count(option) != 0; }
    const std::vector<std::string>& words() const { return words_; }
    /// True if the figures are worthless and only running matters.
    bool smoke() const { return has("smoke"); }
    /// A count: from the command line, else `usual`, or `tiny` in a smoke run.
    std::size_t count(const char* option, std::size_t usual, std::size_t tiny) const {
        const auto given = options_.find(option);
        if (given != options_.end()) return std::strtoul(given->second.c_str(), nullptr, 10);
        return smoke() ? tiny : usual;
    }

    void add(std::string what, double value, std::string unit, target wanted = {}) {
        rows_.push_back({std::move(what), std::move(unit), "", value, 0, 0, wanted});
    }
    /// A figure and what it is held against, both in `unit`.
    void add(const rounds& all, const std::string& name, const std::string& baseline,
             std::string unit, target wanted = {}) {
        rows_.push_back({name, std::move(unit), baseline, all.middle(name), all.middle(baseline),
                         all.ratio(name, baseline), wanted});
    }

    /// Prints the table, and the JSON where --json[=file] asks for it. The exit status of the
    /// program.
    int finish() const {
        std::FILE* table = has("json") && options_.at("json").empty() ? stderr : stdout;
        std::fprintf(table, "%-44s %10s %-8s  %-38s %10s %8s  %-10s %-10s %s\n", program_.c_str(),
                     "measured", "unit", "against", "baseline", "ratio", "first", "goal", "");
        for (const row& r : rows_) {
            std::fprintf(table, "%-44s %10s %-8s  %-38s %10s %8s  %-10s %-10s %s\n", r.what.c_str(),
                         number(r.value).c_str(), r.unit.c_str(), r.baseline.c_str(),
                         r.baseline.empty() ? "" : number(r.baseline_value).c_str(),
                         r.baseline.empty() ? "" : number(r.ratio).c_str(),
                         limit_text(r, r.wanted.first).c_str(),
                         limit_text(r, r.wanted.goal).c_str(), verdict(r));
        }
        std::fprintf(table, "\n");
        if (!has("json")) return 0;
        std::string json = "{\"program\": " + quoted(program_) +
                           ", \"command\": " + quoted(command_) + ", \"rows\": [";
        for (const row& r : rows_) {
            json += (&r == rows_.data() ? "\n" : ",\n") + ("  {\"what\": " + quoted(r.what)) +
                    ", \"value\": " + exact(r.value) + ", \"unit\": " + quoted(r.unit);
            if (!r.baseline.empty()) {
                json += ", \"baseline\": " + quoted(r.baseline) +
                        ", \"baseline_value\": " + exact(r.baseline_value) +
                        ", \"ratio\": " + exact(r.ratio);
            }
            if (r.wanted.what != target::on::nothing) {
                if (r.wanted.first != 0)
                    json += ", \"first\": " + quoted(limit_text(r, r.wanted.first));
                if (r.wanted.goal != 0)
                    json += ", \"goal\": " + quoted(limit_text(r, r.wanted.goal));
                json += ", \"verdict\": " + quoted(verdict(r));
            }
            json += "}";
        }
        json += "\n]}\n";
        const std::string& file = options_.at("json");
        std::FILE* out = file.empty() ? stdout : std::fopen(file.c_str(), "w");
        if (!out) die(file.c_str());
        std::fputs(json.c_str(), out);
        if (out != stdout) std::fclose(out);
        return 0;
    }
};

} // namespace bench
