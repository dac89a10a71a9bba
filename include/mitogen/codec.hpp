// SPDX-License-Identifier: BSL-1.0
#pragma once
// codec.hpp: what travels, and how: every type that the library can encode.

#include <mitogen/base/config.hpp>
#include <mitogen/base/separate.hpp>
#include <mitogen/call/function_entry.hpp>
#include <mitogen/codec/blob.hpp>
#include <mitogen/codec/codec.hpp>
#include <mitogen/codec/reflect/describe.hpp>
#include <mitogen/codec/secret.hpp>
#include <mitogen/codec/standard/compounds.hpp>
#include <mitogen/codec/standard/containers.hpp>
#include <mitogen/codec/standard/keyed.hpp>
#include <mitogen/codec/standard/values.hpp>
#include <mitogen/codec/text.hpp>
#include <mitogen/protocol/inherited.hpp>

#include <mitogen/core.hpp>

#include <mitogen/base/undef.hpp>
