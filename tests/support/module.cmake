# SPDX-License-Identifier: BSL-1.0
# The harness itself: tests find the same around them in whatever environment they are started.
add_test(NAME ${module}.oddly COMMAND ${CMAKE_CURRENT_SOURCE_DIR}/support/oddly $<TARGET_FILE:${target}>)
set_tests_properties(${module}.oddly PROPERTIES TIMEOUT 120)
