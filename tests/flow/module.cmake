# SPDX-License-Identifier: BSL-1.0
# Calls that are cancelled in the middle of a large message: fifty times as a test, a thousand times as the target `cancel_long`.

add_custom_target(cancel_long COMMAND ${CMAKE_COMMAND} -E env MITOGEN_TEST_MANY=1000 $<TARGET_FILE:flow_test>
    "a function that is cancelled in the middle of a large item leaves its link in order" USES_TERMINAL)
add_dependencies(cancel_long flow_test)
