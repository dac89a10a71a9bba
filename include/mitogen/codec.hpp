// SPDX-License-Identifier: BSL-1.0
#pragma once
// codec.hpp: what travels, and how: every type that the library can encode.

#include <mitogen/base/config.hpp>
#include <mitogen/base/separate.hpp>
#include <mitogen/rpc/function_entry.hpp>
#include <mitogen/wire/blob.hpp>
#include <mitogen/wire/codec.hpp>
#include <mitogen/wire/compounds.hpp>
#include <mitogen/wire/containers.hpp>
#include <mitogen/wire/describe.hpp>
#include <mitogen/wire/inherited.hpp>
#include <mitogen/wire/keyed.hpp>
#include <mitogen/wire/secret.hpp>
#include <mitogen/wire/text.hpp>
#include <mitogen/wire/values.hpp>

#include <mitogen/core.hpp>

#include <mitogen/base/undef.hpp>
