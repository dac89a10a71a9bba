// SPDX-License-Identifier: BSL-1.0
#pragma once
// program_server.hpp: gives children this program's builds for other machines, so that they can
// make children of other kinds.

#include <mitogen/base/config.hpp>
#include <mitogen/base/error.hpp>
#include <mitogen/base/function.hpp>
#include <mitogen/base/ids.hpp>
#include <mitogen/base/result.hpp>
#include <mitogen/codec/codec.hpp>
#include <mitogen/node/router_core.hpp>
#include <mitogen/os/call.hpp>
#include <mitogen/os/failure.hpp>
#include <mitogen/os/fd.hpp>
#include <mitogen/os/program/executable.hpp>
#include <mitogen/program/payload.hpp>
#include <mitogen/program/program_fetch.hpp>
#include <mitogen/program/program_files.hpp>
#include <mitogen/program/program_source.hpp>
#include <mitogen/protocol/handle.hpp>
#include <mitogen/protocol/message.hpp>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <utility>
#include <vector>

namespace mitogen::inline MITOGEN_ABI {
namespace detail {

/// Answers list_programs and read_program: with this program's own file, its payloads, and those of
/// the contexts above, which are fetched first. Only children that run this program are told of
/// any.
///
/// Threads: loop, but for the constructor. Reads files on the loop: all of one when it is offered
/// for the first time.
template <class Io>
class program_server {
    using core = basic_router_core<Io>;

    /// A program that was offered. It stays open: what was offered can be had.
    struct offered {
        std::string machine;
        const program_identity* identity;
        std::shared_ptr<os::unique_fd> file;
    };

    core& node_;
    program_source& above_;
    const std::vector<payload>& payloads_;
    unique_function<bool(context_id)> serves_;
    std::vector<offered> offered_;

public:
    /// `serves` says whether a context is a child that runs this program. All outlive this.
    program_server(core& node, program_source& above, const std::vector<payload>& payloads,
                   unique_function<bool(context_id)> serves)
        : node_(node), above_(above), payloads_(payloads), serves_(std::move(serves)) {
        (void)node_.add_raw_handler(handles::list_programs, {.from = senders::anyone},
                                    [this](const message& m) { list(m); });
        (void)node_.add_raw_handler(handles::read_program, {.from = senders::anyone},
                                    [this](const message& m) { read(m); });
    }

    program_server(program_server&&) = delete;

    /// In a child made by fork(): closes the files.
    void abandon() noexcept { offered_.clear(); }

private:
    MITOGEN_COLD void list(const message& m) {
        if (!serves_(m.src()))
            return node_.reply(m.head, encode(std::vector<offered_program>()), 0);
        const std::shared_ptr<os::unique_fd> own(std::shared_ptr<void>(), &os::self_executable());
        const std::vector<payload_file> others = open_payloads(*own, {}, payloads_);
        for (auto p = others.rbegin(); p != others.rend(); ++p) offer(p->what.machine, p->file);
        offer(kind_of(*own), own);
        above_.look_up([this, head = m.head](const std::vector<payload_file>& further) {
            std::vector<offered_program> all;
            const auto add = [&all](const std::string& machine, const program_identity& p) {
                const auto same = [&](const offered_program& o) {
                    return std::get<0>(o) == machine;
                };
                if (std::none_of(all.begin(), all.end(), same))
                    all.emplace_back(machine, p.sha256, p.crc, p.size);
            };
            for (const offered& o : offered_) add(o.machine, *o.identity);
            for (const payload_file& f : further) add(f.what.machine, *f.above);
            node_.reply(head, encode(all), 0);
        });
    }

    /// If there are two for a machine, the one that comes last is offered.
    void offer(const std::string& machine, const std::shared_ptr<os::unique_fd>& file) {
        const program_identity* program =
            file && *file && !machine.empty() ? identity_of(file->get()) : nullptr;
        if (program && !find(program->sha256))
            offered_.insert(offered_.begin(), {machine, program, file});
    }

    const offered* find(const std::string& sha256) const {
        for (const offered& o : offered_)
            if (o.identity->sha256 == sha256) return &o;
        return nullptr;
    }

    MITOGEN_COLD void read(const message& m) {
        reader r(m.payload);
        std::string sha256;
        std::int64_t at{};
        std::int64_t size{};
        if (!decode(r, sha256, at, size) || !r.finish())
            return node_.reply_dead(m.head, error(reason::bad_arguments, r.failure_text()));
        if (!serves_(m.src()))
            return node_.reply_dead(m.head, error(reason::refused_by_policy,
                                                  "programs are for children that run this one"));
        if (const offered* here = find(sha256)) return answer(m.head, *here->file, at, size);
        above_.fetch(sha256, [this, head = m.head, at,
                              size](const result<std::shared_ptr<os::unique_fd>>& got) {
            if (!got) return node_.reply_dead(head, got.error());
            answer(head, **got, at, size);
        });
    }

    MITOGEN_COLD
    void answer(const header& request, const os::unique_fd& file, std::int64_t at,
                std::int64_t size) {
        const auto most = static_cast<std::int64_t>(
            std::min<std::uint64_t>(program_piece, node_.bounds().message_bytes));
        buffer piece;
        piece.resize(static_cast<std::size_t>(std::clamp<std::int64_t>(size, 0, most)));
        const long n =
            os::pread(file.get(), piece.data(), piece.size(), std::max<std::int64_t>(at, 0));
        if (n < 0)
            return node_.reply_dead(
                request,
                error(reason::payload, std::string(os::failure("cannot read it", n).message())));
        if (n == 0 && size > 0)
            return node_.reply_dead(request, error(reason::payload, "it has become shorter"));
        piece.resize(static_cast<std::size_t>(n));
        node_.reply(request, std::move(piece), 0);
    }
};

} // namespace detail
} // namespace mitogen::inline MITOGEN_ABI
