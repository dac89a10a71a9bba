# SPDX-License-Identifier: BSL-1.0
# The program goes dozens of times through a pipe and a checksum: without its symbols it is half as long. Who debugs keeps them.
if(NOT CMAKE_CXX_FLAGS MATCHES "-g" AND CMAKE_BUILD_TYPE STREQUAL "")
    target_link_options(${target} PRIVATE -s)
endif()

# What takes minutes, hidden from the test: connect_test "[long]".
add_custom_target(connect_long COMMAND ${target} "[long]" --durations yes USES_TERMINAL)
