// SPDX-License-Identifier: BSL-1.0
#include <mitogen/os/program/executable.hpp>

#include <catch2/catch.hpp>
#include <cstdio>
#include <cstring>
#include <vector>

#include <sys/stat.h>

namespace os = mitogen::os;

namespace {

TEST_CASE("this program's executable is open above 2, close-on-exec, and is the file that runs") {
    const int fd = os::self_executable().get();
    REQUIRE(fd > 2);
    CHECK(os::descriptor_flags(fd) == FD_CLOEXEC);
    CHECK(&os::self_executable() == &os::self_executable());
    char magic[4] = {};
    REQUIRE(os::pread(fd, magic, 4, 0) == 4);
#if defined(__linux__)
    CHECK(std::memcmp(magic, "\177ELF", 4) == 0);
    struct ::stat ours {
    }, running{};
    REQUIRE(::fstat(fd, &ours) == 0);
    REQUIRE(::stat("/proc/self/exe", &running) == 0);
    CHECK(ours.st_ino == running.st_ino);
#endif
}

TEST_CASE("the build id is hex and does not change") {
    const std::string& id = os::build_id();
    CHECK(id.size() >= 16);
    CHECK(id.find_first_not_of("0123456789abcdef") == std::string::npos);
    CHECK(&id == &os::build_id());
}

/// One ELF note.
std::string note(std::uint32_t type, const std::string& name, const std::string& data) {
    const std::uint32_t head[3] = {static_cast<std::uint32_t>(name.size()),
                                   static_cast<std::uint32_t>(data.size()), type};
    std::string out(reinterpret_cast<const char*>(head), sizeof head);
    out += name;
    out.resize((out.size() + 3) / 4 * 4);
    out += data;
    out.resize((out.size() + 3) / 4 * 4);
    return out;
}

std::string found_in(const std::string& notes) {
    return os::detail::find_build_id(reinterpret_cast<const unsigned char*>(notes.data()),
                                     notes.size());
}

TEST_CASE("the build id is found among other notes, and broken notes are left alone") {
    const std::string gnu("GNU", 4);
    const std::string id = note(3, gnu, "\x01\xab\xff");
    CHECK(found_in(id) == "01abff");
    CHECK(found_in(note(1, gnu, "abcd") + note(3, std::string("XYZ", 4), "z") + id) == "01abff");
    CHECK(found_in(note(1, gnu, "abcd")).empty());
    CHECK(found_in("").empty());
    CHECK(found_in(id.substr(0, id.size() - 1)).empty()); // cut off
    // a length beyond the end
    CHECK(found_in(note(5, gnu, "x").replace(4, 4, "\xff\xff\xff\xff") + id).empty());
}

TEST_CASE("the content hash depends on every byte and on the length") {
    const auto hash_of = [](const std::string& contents) {
        std::FILE* file = std::tmpfile();
        REQUIRE(file);
        REQUIRE(std::fwrite(contents.data(), 1, contents.size(), file) == contents.size());
        std::fflush(file);
        const std::uint64_t h = os::detail::content_hash(::fileno(file));
        std::fclose(file);
        return h;
    };
    const std::string text(100'003, 'a');
    std::vector<std::uint64_t> hashes{hash_of(text), hash_of(text + '\0'), hash_of(text.substr(1)),
                                      hash_of("")};
    for (const std::size_t at :
         {std::size_t{0}, std::size_t{7}, std::size_t{65'536}, text.size() - 1}) {
        std::string other = text;
        other[at] = 'b';
        hashes.push_back(hash_of(other));
    }
    CHECK(hash_of(text) == hashes[0]);
    for (std::size_t i = 0; i < hashes.size(); ++i) {
        for (std::size_t j = 0; j < i; ++j) CHECK(hashes[i] != hashes[j]);
    }
}

} // namespace
