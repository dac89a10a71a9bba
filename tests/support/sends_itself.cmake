# SPDX-License-Identifier: BSL-1.0
# For modules whose tests send this program to places: included from their module.cmake, which has what else is special about them.

# The program goes dozens of times through a pipe and a checksum: without its symbols it is half as long. Who debugs keeps them.
if(NOT CMAKE_CXX_FLAGS MATCHES "-g" AND CMAKE_BUILD_TYPE STREQUAL "")
    foreach(program IN LISTS targets)
        target_link_options(${program} PRIVATE -s)
    endforeach()
endif()

# The loader, when it looks up a function at its first call, leaves vector registers on the stack, and in them perhaps what
# secrets_test searches for.
if(CMAKE_SYSTEM_NAME STREQUAL "Linux")
    foreach(program IN LISTS targets)
        target_link_options(${program} PRIVATE -Wl,-z,now)
    endforeach()
endif()

set_tests_properties(${module} PROPERTIES COST 100) # the longest ones begin first
