// SPDX-License-Identifier: BSL-1.0
#include "registry_functions.hpp"

#include <atomic>
#include <catch2/catch.hpp>
#include <mitogen/mitogen.hpp>
#ifdef MITOGEN_SEPARATE // else the umbrella has it
#include <mitogen/call/edit_distance.hpp>
#include <mitogen/call/key_table.hpp>
#include <mitogen/call/registry.hpp>
#endif
#include <set>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

namespace registry_test {

int called(int x) { return x; }
int exported_only(std::string_view text) { return static_cast<int>(text.size()); }
template <int N>
int instance(int x) {
    return x + N;
}
namespace {
int hidden(int x) { return x; }
int hidden_but_named(int x) { return x; }
} // namespace

[[maybe_unused]] constexpr auto& exported = mitogen::remote<&exported_only>;

} // namespace registry_test

template <>
inline constexpr std::string_view mitogen::name_of<&registry_test::hidden_but_named> =
    "registry_test.named";
template <>
inline constexpr auto mitogen::run_on<&registry_test::called> = mitogen::on::loop;

namespace {

using mitogen::detail::entry_of;
using mitogen::detail::function_entry;
using mitogen::detail::function_source;
using mitogen::detail::function_texts;
using mitogen::detail::identity_hash;
using mitogen::detail::key_table;
namespace registry = mitogen::registry;

constexpr mitogen::detail::signature_parts::writer no_parameters[] = {nullptr};
constexpr mitogen::detail::signature_parts no_signature{
    no_parameters, 0, [](mitogen::signature_sink& s) { s.put("void"); }};

/// An entry that is not in the list.
struct unlisted {
    std::string_view name;
    function_source source;
    mitogen::detail::entry_state state{};
    function_entry entry{&source, mitogen::on::main, nullptr, &state};

    explicit unlisted(std::string_view n)
        : name(n), source{&mitogen::detail::name_from_given, &name, &no_signature} {}
    explicit unlisted(void (*read)(const void*, function_texts&))
        : source{read, nullptr, &no_signature} {}
    unlisted(const unlisted&) = delete;
    ~unlisted() { delete &entry.texts(); } // real entries live as long as the process
};

} // namespace

TEST_CASE("a function has one entry, whichever file names it") {
    const registry_functions::seen other = registry_functions::from_the_other_file();
    CHECK(other.plain == &entry_of<&registry_functions::in_two_files>());
    CHECK(other.instance == &entry_of<&registry_functions::added<3>>());
    CHECK(other.closure == &entry_of<registry_functions::doubled>());
    CHECK(other.instance != &entry_of<&registry_functions::added<4>>());
    CHECK(other.plain == &mitogen::remote<&registry_functions::in_two_files>);
}

TEST_CASE("indices are dense and lead back to their entries") {
    REQUIRE(registry::count() > 0);
    CHECK(registry::entries().size() == registry::count());
    std::set<const function_entry*> seen;
    for (std::uint32_t i = 0; i < registry::count(); ++i) {
        const function_entry* entry = registry::by_index(i);
        REQUIRE(entry);
        CHECK(entry->index() == i);
        seen.insert(entry);
    }
    CHECK(seen.size() == registry::count());
    CHECK(registry::by_index(registry::count()) == nullptr);
    CHECK(registry::by_index(function_entry::unregistered) == nullptr);
    const function_entry& called = entry_of<&registry_test::called>();
    CHECK(registry::by_index(called.index()) == &called);
}

TEST_CASE("a function is found by the hash of its identity") {
    CHECK(identity_hash("") == 0xcbf29ce484222325); // the published test vectors of FNV-1a
    CHECK(identity_hash("a") == 0xaf63dc4c8601ec8c);
    CHECK(identity_hash("foobar") == 0x85944171f73967e8);
    const function_entry& called = entry_of<&registry_test::called>();
    CHECK(called.identity() == "registry_test::called(i32)->i32");
    CHECK(called.key() == identity_hash(called.identity()));
    CHECK(registry::by_key(called.key()) == &called);
    CHECK(called.stable_name());
    CHECK(registry::by_key(identity_hash("registry_test::not_there(i32)->i32")) == nullptr);
}

TEST_CASE("an exported function is there although nobody calls it") {
    const function_entry* entry =
        registry::by_key(identity_hash("registry_test::exported_only(string)->i32"));
    REQUIRE(entry);
    CHECK(entry == &registry_test::exported);
    CHECK(registry::by_index(entry->index()) == entry);
}

TEST_CASE("an entry says where its function runs") {
    CHECK(entry_of<&registry_test::called>().where == mitogen::on::loop);
    CHECK(entry_of<&registry_test::exported_only>().where == mitogen::on::context);
    CHECK(entry_of<&registry_functions::in_two_files>().where == mitogen::on::pool);
}

TEST_CASE("lambdas have entries of their own, without stable names") {
    const function_entry& one = entry_of<[](int x) { return x + 1; }>();
    const function_entry& two = entry_of<[](int x) { return x + 2; }>();
    CHECK(&one != &two);
    CHECK(one.index() != two.index());
    for (const function_entry* entry : {&one, &two}) {
        INFO(entry->identity());
        CHECK_FALSE(entry->stable_name());
        CHECK(registry::by_key(entry->key()) != entry);
    }
}

TEST_CASE("functions in anonymous namespaces need a name") {
    CHECK(entry_of<&registry_test::hidden>().identity() ==
          "registry_test::(anonymous namespace)::hidden(i32)->i32");
    CHECK_FALSE(entry_of<&registry_test::hidden>().stable_name());
    CHECK(entry_of<&registry_test::hidden_but_named>().identity() ==
          "registry_test.named(i32)->i32");
    CHECK(entry_of<&registry_test::hidden_but_named>().stable_name());
}

TEST_CASE("instances of a function template do not keep a program from starting") {
    const function_entry& one = entry_of<&registry_test::instance<1>>();
    const function_entry& two = entry_of<&registry_test::instance<2>>();
    CHECK(&one != &two);
    CHECK(registry::duplicates() == std::vector<std::string>{});
#if defined(__cpp_rtti) || !defined(__clang__)
    const bool told_apart = true;
#else
    const bool told_apart = false; // both print the same name: neither can be called by it
#endif
    CHECK(one.stable_name() == told_apart);
    CHECK(two.stable_name() == told_apart);
    CHECK(registry::by_key(one.key()) == (told_apart ? &one : nullptr));
}

TEST_CASE("duplicate identities are found, and neither function is called by name") {
    const unlisted a{"same"}, b{"other"}, c{"same"};
    const key_table table({&a.entry, &b.entry, &c.entry});
    CHECK(table.duplicates() == std::vector<std::string>{"same()->void"});
    CHECK(table.find(a.entry.key()) == nullptr);
    CHECK(table.find(b.entry.key()) == &b.entry);
}

TEST_CASE("different identities with equal keys are found") {
    // a published collision of FNV-1a
    const unlisted a{"8yn0iYCKYHlIj4-BwPqk"}, b{"GReLUrM4wMqfg9yzV3KQ"};
    REQUIRE(a.entry.key() == b.entry.key());
    const key_table table({&a.entry, &b.entry});
    CHECK(table.duplicates() == std::vector<std::string>{a.entry.identity() + " and " +
                                                         b.entry.identity() + " (equal keys)"});
    CHECK(table.find(a.entry.key()) == nullptr);
}

TEST_CASE("names that are not exact may repeat, and names within one build are not in the table") {
    const auto inexact = [](const void*, function_texts& to) {
        to.name = "instance";
        to.is_exact = false;
    };
    const auto hidden = [](const void*, function_texts& to) {
        to.name = "(anonymous namespace)::f";
        to.is_stable = false;
    };
    const unlisted a{+inexact}, b{+inexact}, c{+hidden}, d{+hidden};
    const key_table table({&a.entry, &b.entry, &c.entry, &d.entry});
    CHECK(table.duplicates() == std::vector<std::string>{});
    CHECK(table.find(a.entry.key()) == nullptr);
    CHECK(table.find(c.entry.key()) == nullptr);
}

TEST_CASE("an empty table finds nothing") {
    const key_table table(std::vector<const function_entry*>{});
    CHECK(table.find(0) == nullptr);
    CHECK(table.size() == 0);
}

TEST_CASE("the nearest name is proposed") {
    (void)entry_of<&registry_test::called>();
    CHECK(registry::nearest("registry_test::caled") == "registry_test::called(i32)->i32");
    CHECK(registry::nearest("registry_test::exported_onyl(string)->i32") ==
          "registry_test::exported_only(string)->i32");
    CHECK_FALSE(registry::nearest("").empty());
    using mitogen::detail::edit_distance;
    CHECK(edit_distance("", "abc") == 3);
    CHECK(edit_distance("abc", "") == 3);
    CHECK(edit_distance("kitten", "sitting") == 3);
    CHECK(edit_distance("same", "same") == 0);
    // only so much of a peer's text counts
    CHECK(edit_distance(std::string(100000, 'a'), "a") == 511);
}

TEST_CASE("why a function is not known") {
    using mitogen::reason;
    (void)entry_of<&registry_test::called>();
    const mitogen::error other_signature =
        registry::why_unknown("registry_test::called", "(i64)->i32");
    CHECK(other_signature.reason() == reason::signature_mismatch);
    CHECK(other_signature.message().find("registry_test::called(i64)->i32") !=
          std::string_view::npos);
    CHECK(other_signature.message().find("registry_test::called(i32)->i32") !=
          std::string_view::npos);

    const mitogen::error misspelt = registry::why_unknown("registry_test::calld", "(i32)->i32");
    CHECK(misspelt.reason() == reason::unknown_function);
    CHECK(misspelt.message().find("registry_test::called(i32)->i32") != std::string_view::npos);

    const function_entry& hidden = entry_of<&registry_test::hidden>();
    const mitogen::error unnamed = registry::why_unknown(hidden.name(), hidden.signature());
    CHECK(unnamed.reason() == reason::unknown_function);
    CHECK(unnamed.message().find("mitogen::name_of<&f>") != std::string_view::npos);
}

TEST_CASE("threads that ask at once get the same texts and tables") {
    for (int round = 0; round < 20; ++round) {
        const unlisted fresh{"fresh"};
        std::atomic<const std::string*> first{nullptr};
        std::atomic<int> differ{0};
        std::vector<std::thread> threads;
        for (int i = 0; i < 4; ++i) {
            threads.emplace_back([&] {
                const std::string* mine = &fresh.entry.identity();
                const std::string* expected = nullptr;
                if (!first.compare_exchange_strong(expected, mine) && expected != mine) ++differ;
                if (registry::by_index(0) != registry::entries()[0] ||
                    &registry::freeze() != &registry::freeze())
                    ++differ;
            });
        }
        for (std::thread& t : threads) t.join();
        CHECK(differ == 0);
        CHECK(fresh.entry.identity() == "fresh()->void");
    }
}
