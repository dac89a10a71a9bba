# SPDX-License-Identifier: BSL-1.0
include(${CMAKE_CURRENT_SOURCE_DIR}/support/sends_itself.cmake)
