// SPDX-License-Identifier: BSL-1.0
#pragma once
// codec.hpp: turns values into bytes and back.

#include <mitogen/base/config.hpp>
#include <mitogen/base/limits.hpp>
#include <mitogen/base/result.hpp>
#include <mitogen/codec/blob.hpp>
#include <mitogen/codec/buffer.hpp>
#include <mitogen/codec/check.hpp>
#include <mitogen/codec/reader.hpp>
#include <mitogen/codec/record.hpp>
#include <mitogen/codec/reflect/aggregate.hpp>
#include <mitogen/codec/reflect/describe.hpp>
#include <mitogen/codec/reflect/listed.hpp>
#include <mitogen/codec/reflect/members.hpp>
#include <mitogen/codec/scalars.hpp>
#include <mitogen/codec/secret.hpp>
#include <mitogen/codec/shapes.hpp>
#include <mitogen/codec/signature.hpp>
#include <mitogen/codec/standard/compounds.hpp>
#include <mitogen/codec/standard/containers.hpp>
#include <mitogen/codec/standard/keyed.hpp>
#include <mitogen/codec/standard/values.hpp>
#include <mitogen/codec/text.hpp>
#include <mitogen/codec/writer.hpp>

#include <cstddef>
#include <span>
#include <string>
#include <utility>

namespace mitogen::inline MITOGEN_ABI {

/// Bytes that `values` take on the wire, one after another.
template <class... Ts>
std::size_t encoded_size(const Ts&... values) {
    (wire::require<Ts>(), ...);
    if constexpr ((... && wire_type<Ts>))
        return (std::size_t{0} + ... + wire::size_of<Ts>(values));
    else
        return 0;
}

/// Writes `values` one after another. There must be room for encoded_size(values...) bytes.
template <class... Ts>
void encode(writer& w, const Ts&... values) {
    (wire::require<Ts>(), ...);
    if constexpr ((... && wire_type<Ts>)) (codec<Ts>::encode(w, values), ...);
}

namespace wire {
// Makes `bytes` those of `values`, which `router` sends to the context `to`. Returns why that
// cannot be, or null: see writer::failure().
template <class... Ts>
const char* encode_from(const void* router, buffer& bytes, context_id to, const Ts&... values) {
    bytes.resize(encoded_size(values...));
    writer w(bytes.data(), to, router);
    mitogen::encode(w, values...);
    if (w.has_secret()) [[unlikely]]
        bytes.keep_secret();
    return w.failure();
}
} // namespace wire

/// Makes `bytes` those of `values`, for the context `to`. A buffer in which there is a secret then
/// keeps it. Throws logic_error if a codec refuses a value: see writer::fail.
template <class... Ts>
void encode_into(buffer& bytes, context_id to, const Ts&... values) {
    if (const char* why = wire::encode_from(nullptr, bytes, to, values...)) [[unlikely]]
        raise(error(reason::misuse, why));
}

/// The bytes of `values`, in a buffer of exactly that size.
template <class... Ts>
buffer encode(const Ts&... values) {
    buffer bytes;
    encode_into(bytes, no_context, values...);
    return bytes;
}

/// Reads `values` one after another; false at the first that does not decode: see
/// reader::failure().
template <class... Ts>
bool decode(reader& r, Ts&... values) {
    (wire::require<Ts>(), ...);
    if constexpr ((... && wire_type<Ts>))
        return (... && codec<Ts>::decode(r, values));
    else
        return false;
}

/// As decode(), into an object that exists: it keeps its capacity, and has an unspecified value
/// after an error.
template <class T>
result<void> decode_into(std::span<const std::byte> bytes, T& value, const limits& bounds = {}) {
    static_assert(!wire::may_hold<T>(), "mitogen: a view in T may point into memory of the reader "
                                        "that decodes it; make a mitogen::reader that "
                                        "lives as long as the value and use decode(reader, value)");
    reader r(bytes, bounds);
    if (decode(r, value) && r.finish()) return {};
    return r.failure(&wire::write_signature<T>);
}

/// The value that `bytes` hold, and nothing else; or an error with reason::codec that says what is
/// wrong with them, and where. String views in it point into `bytes`.
template <class T>
result<T> decode(std::span<const std::byte> bytes, const limits& bounds = {}) {
    wire::require<T>();
    if constexpr (wire_type<T>) {
        T value{};
        if (auto done = decode_into(bytes, value, bounds); !done) return done.error();
        return result<T>(std::move(value));
    } else {
        return error(reason::codec, {});
    }
}

/// The canonical text of `T`: equal in two programs exactly where their wire forms are.
template <class T>
std::string signature_of() {
    wire::require<T>();
    signature_sink sink;
    if constexpr (wire_type<T>) sink.add<T>();
    return sink.take();
}

} // namespace mitogen::inline MITOGEN_ABI
