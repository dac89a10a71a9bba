// SPDX-License-Identifier: BSL-1.0
#pragma once
// program_fetch.hpp: asks the parent for programs, piece by piece.

#include <mitogen/base/config.hpp>
#include <mitogen/base/error.hpp>
#include <mitogen/base/result.hpp>
#include <mitogen/boot/boot_plan.hpp>
#include <mitogen/boot/staged_boot.hpp>
#include <mitogen/codec/codec.hpp>
#include <mitogen/node/node.hpp>
#include <mitogen/node/outstanding_call.hpp>
#include <mitogen/node/router_core.hpp>
#include <mitogen/os/call.hpp>
#include <mitogen/os/failure.hpp>
#include <mitogen/os/fd.hpp>
#include <mitogen/os/file.hpp>
#include <mitogen/program/payload.hpp>
#include <mitogen/program/program_source.hpp>
#include <mitogen/protocol/handle.hpp>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <tuple>
#include <utility>
#include <vector>

namespace mitogen::inline MITOGEN_ABI {
namespace detail {

/// A program that a parent offers, as it travels: machine, SHA-256, CRC of cksum, size.
using offered_program = std::tuple<std::string, std::string, std::uint32_t, std::int64_t>;

/// Most that one message of a program holds, in bytes.
inline constexpr std::int64_t program_piece = 256 * 1024;

/// Programs from the parent, which gets them from its own if it has to. What was fetched stays in a
/// file without a name as long as the router: all further children need nothing from above.
///
/// Threads: loop, but for the constructor.
template <class Io>
class program_fetch final : public program_source,
                            public std::enable_shared_from_this<program_fetch<Io>> {
    using core = basic_router_core<Io>;
    using file = std::shared_ptr<os::unique_fd>;

    /// One program: on its way, and then here.
    struct job {
        program_identity wanted;
        file into{};
        std::int64_t asked = 0;   // bytes
        std::int64_t arrived = 0; // of them
        std::vector<fetched> waiting{};

        bool whole() const noexcept { return arrived == wanted.size; }
    };

    core& node_;
    std::optional<std::vector<payload_file>> offers_; // once they are known
    std::vector<found> waiting_;                      // until then
    std::vector<std::shared_ptr<job>> jobs_;
    bool closed_ = false;

    static constexpr std::int64_t most_on_the_way = 4 * program_piece;

public:
    explicit program_fetch(core& node) : node_(node) {}
    program_fetch(program_fetch&&) = delete;

    MITOGEN_COLD void complete(boot_plan& plan, unique_function<void()> done) override {
        if (!node_.parent() || !plan.runs_this_program()) {
            plan.staged->prepare(plan, {});
            return done();
        }
        node_.loop().defer([this, &plan, done = std::move(done)]() mutable {
            look_up(
                [&plan, done = std::move(done)](const std::vector<payload_file>& further) mutable {
                    plan.staged->prepare(plan, further);
                    done();
                });
        });
    }

    MITOGEN_COLD void look_up(found done) override {
        if (offers_) return done(*offers_);
        if (closed_ || !node_.parent()) return done({});
        waiting_.push_back(std::move(done));
        if (waiting_.size() > 1) return;
        ask(handles::list_programs, {}, [this](outstanding_call& answer) {
            if (!answer.failure()) take_offers(answer.payload());
            tell_offers();
        });
    }

    MITOGEN_COLD void fetch(const std::string& sha256, fetched done) override {
        const std::shared_ptr<job> j = job_for(sha256);
        if (!j)
            return done(error(reason::payload, "no context above offers that program any more"));
        if (j->whole()) return done(j->into);
        if (!j->into) {
            j->into = std::make_shared<os::unique_fd>(static_cast<int>(os::nameless_file()));
            if (!*j->into)
                return give_up(j, error(reason::payload, "there is no room for it"),
                               std::move(done));
        }
        j->waiting.push_back(std::move(done));
        ask_more(j);
    }

    /// Nobody waits any more.
    void close() {
        closed_ = true;
        jobs_.clear();
        tell_offers();
    }

    /// In a child made by fork(): closes the files.
    void abandon() noexcept {
        for (const auto& j : jobs_)
            if (j->into) j->into->reset();
    }

private:
    /// Puts a question to the parent. `then` hears the answer on the loop, unless this is gone by
    /// then.
    template <class Then>
    MITOGEN_COLD void ask(handle_id what, const buffer& question, Then then) {
        outstanding_call& p = node_.ask({.to = node_.parent()->id,
                                         .handle = what,
                                         .how = question::manner::pass,
                                         .payload = question});
        p.then([&loop = node_.loop(), weak = this->weak_from_this(), &p,
                then = std::move(then)]() mutable {
            const bool accepted = loop.defer([weak, &p, then = std::move(then)]() mutable {
                if (const auto self = weak.lock(); self && !self->closed_) then(p);
                p.release();
            });
            if (!accepted) p.release();
        });
    }

    void take_offers(const buffer& list) {
        const auto offers = decode<std::vector<offered_program>>(list);
        if (!offers) return;
        offers_.emplace();
        for (const auto& [machine, sha256, crc, size] : *offers)
            if (size > 0)
                offers_->push_back({{machine, "that of a context above"},
                                    nullptr,
                                    {},
                                    program_identity{sha256, crc, size}});
    }

    void tell_offers() {
        for (found& done : std::exchange(waiting_, {}))
            done(offers_ ? *offers_ : std::vector<payload_file>());
    }

    std::shared_ptr<job> job_for(const std::string& sha256) {
        for (const auto& j : jobs_)
            if (j->wanted.sha256 == sha256) return j;
        if (!offers_) return nullptr;
        for (const payload_file& offer : *offers_)
            if (offer.above->sha256 == sha256)
                return jobs_.emplace_back(std::make_shared<job>(job{*offer.above}));
        return nullptr;
    }

    void ask_more(const std::shared_ptr<job>& j) {
        while (j->asked < j->wanted.size && j->asked - j->arrived < most_on_the_way) {
            const std::int64_t size = std::min(program_piece, j->wanted.size - j->asked);
            ask_piece(j, j->asked, size);
            j->asked += size;
        }
    }

    MITOGEN_COLD void ask_piece(const std::shared_ptr<job>& j, std::int64_t at, std::int64_t size) {
        ask(handles::read_program, encode(j->wanted.sha256, at, size),
            [this, j, at, size](outstanding_call& answer) {
                if (std::find(jobs_.begin(), jobs_.end(), j) == jobs_.end()) return; // given up
                if (answer.failure()) return give_up(j, *answer.failure());
                const buffer& piece = answer.payload();
                const auto arrived = static_cast<std::int64_t>(piece.size());
                if (arrived == 0 || arrived > size)
                    return give_up(j, error(reason::payload, "the parent sent something else"));
                if (!write(*j->into, piece, at))
                    return give_up(j, error(reason::payload, "there is no room for it"));
                j->arrived += arrived;
                // the parent sends smaller messages
                if (arrived < size)
                    ask_piece(j, at + arrived, size - arrived);
                else
                    ask_more(j);
                if (j->whole()) finish(*j);
            });
    }

    static bool write(const os::unique_fd& to, const buffer& piece, std::int64_t at) {
        for (std::size_t done = 0; done < piece.size();) {
            const long n = os::pwrite(to.get(), piece.data() + done, piece.size() - done,
                                      at + static_cast<std::int64_t>(done));
            if (n <= 0) return false;
            done += static_cast<std::size_t>(n);
        }
        return true;
    }

    void finish(job& j) {
        // It need not be read for that: if it is executed its checksum is compared.
        if (os::file_stamp stamp; os::stamp_file(j.into->get(), stamp) >= 0)
            known_program::add(stamp, j.wanted);
        for (fetched& done : std::exchange(j.waiting, {})) done(j.into);
    }

    /// Whoever asks next begins anew.
    void give_up(const std::shared_ptr<job>& j, const error& why, fetched also = {}) {
        std::erase(jobs_, j);
        const result<file> none =
            error(why.reason(), "cannot fetch the program for such machines from above: " +
                                    std::string(why.message()));
        for (fetched& done : std::exchange(j->waiting, {})) done(none);
        if (also) also(none);
    }
};

} // namespace detail
} // namespace mitogen::inline MITOGEN_ABI
