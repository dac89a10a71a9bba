# SPDX-License-Identifier: BSL-1.0
# The program goes dozens of times through a pipe and a checksum: without its symbols it is half as long. Who debugs keeps them.
if(NOT CMAKE_CXX_FLAGS MATCHES "-g" AND CMAKE_BUILD_TYPE STREQUAL "")
    target_link_options(${target} PRIVATE -s)
endif()

# The loader, where it looks up a function at its first call, leaves vector registers on the stack, and in them perhaps what
# secrets_test searches for.
if(CMAKE_SYSTEM_NAME STREQUAL "Linux")
    target_link_options(${target} PRIVATE -Wl,-z,now)
endif()

# What takes minutes, hidden from the test: connect_test "[long]".
add_custom_target(connect_long COMMAND ${target} "[long]" --durations yes USES_TERMINAL)

set_tests_properties(${module} PROPERTIES COST 100) # the longest ones begin first
