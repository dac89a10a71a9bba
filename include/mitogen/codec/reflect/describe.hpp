// SPDX-License-Identifier: BSL-1.0
#pragma once
// describe.hpp: the wire form of classes described with Boost.Describe: bases, then members,
// private ones too.

#include <mitogen/base/config.hpp>
#include <mitogen/codec/reflect/member_codec.hpp>
#include <mitogen/codec/shapes.hpp>

#if MITOGEN_HAS_DESCRIBE
#include <boost/describe/bases.hpp>
#include <boost/describe/members.hpp>
#endif

namespace mitogen::inline MITOGEN_ABI {
#if MITOGEN_HAS_DESCRIBE
namespace wire {

template <class T, class Bases, class Members>
struct description;

template <class T, template <class...> class L, class... Bases, template <class...> class M,
          class... Members>
struct description<T, L<Bases...>, M<Members...>>
    : pointed_members<T, parts<typename Bases::type...>, Members...> {};

template <class T>
using described_bases = boost::describe::describe_bases<T, boost::describe::mod_any_access>;
template <class T>
using described_members = boost::describe::describe_members<T, boost::describe::mod_any_access>;

template <class T>
struct shaped<T, shape::described>
    : member_codec<T, description<T, described_bases<T>, described_members<T>>> {};

} // namespace wire
#endif
} // namespace mitogen::inline MITOGEN_ABI
