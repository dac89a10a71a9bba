// SPDX-License-Identifier: BSL-1.0
#pragma once
// internals.hpp: what tests use of the library that no program sees. The umbrella has it, unless
// the core is elsewhere.

#include <mitogen/mitogen.hpp>

#ifdef MITOGEN_SEPARATE
#include <mitogen/boot/boot_plan.hpp>
#include <mitogen/boot/first_stage.hpp>
#include <mitogen/boot/program_choice.hpp>
#include <mitogen/boot/prompts/prompt_matcher.hpp>
#include <mitogen/boot/receiving_stage.hpp>
#include <mitogen/method/exec_style.hpp>
#include <mitogen/os/file.hpp>
#include <mitogen/os/machine.hpp>
#include <mitogen/os/process/kill_on_destroy_process.hpp>
#include <mitogen/os/process/process.hpp>
#include <mitogen/os/program/executable.hpp>
#include <mitogen/os/program/program_kind.hpp>
#include <mitogen/os/program/program_words.hpp>
#include <mitogen/remote/serializable_method.hpp>
#endif
