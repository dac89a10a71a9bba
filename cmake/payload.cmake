# SPDX-License-Identifier: BSL-1.0
# mitogen_payload(TARGET ARCHS s390x aarch64 ...): builds TARGET's program for other machines as well, statically linked, and puts
# each beside it under the name by which the program finds it when a target says that it is such a machine:
#
#     add_executable(tool main.cpp)
#     target_link_libraries(tool PRIVATE mitogen::mitogen)
#     mitogen_payload(tool ARCHS aarch64 s390x)      # tool.Linux-aarch64, tool.Linux-s390x
#
# ARCHS: as `uname -m` says them. Compilers: <arch>-linux-gnu-g++ from PATH (Debian: g++-<arch>-linux-gnu), or what the variable
# MITOGEN_CXX_<arch> names. OPTIONS: further arguments for the compilers; default -Os. The target's sources, include directories and
# definitions are taken over; libraries that it links are not, give what is needed with OPTIONS. Call it in the directory of the
# target, after its properties are set. Works with CMake 3.16.
include_guard()

function(mitogen_payload target)
    cmake_parse_arguments(PARSE_ARGV 1 payload "" "" "ARCHS;OPTIONS")
    if(NOT TARGET ${target})
        message(FATAL_ERROR "mitogen_payload: no target called \"${target}\"; the first argument is an executable's target.")
    endif()
    if(NOT payload_ARCHS OR payload_UNPARSED_ARGUMENTS)
        message(FATAL_ERROR "mitogen_payload(${target}): say for which machines, mitogen_payload(${target} ARCHS aarch64 s390x).")
    endif()
    if(NOT payload_OPTIONS)
        set(payload_OPTIONS -Os)
    endif()

    get_target_property(sources ${target} SOURCES)
    list(FILTER sources EXCLUDE REGEX "\\.(h|hh|hpp|ipp|inl)$")
    list(TRANSFORM sources PREPEND "${CMAKE_CURRENT_SOURCE_DIR}/" REGEX "^[^/$]")
    get_target_property(folder ${target} RUNTIME_OUTPUT_DIRECTORY)
    if(NOT folder)
        set(folder ${CMAKE_CURRENT_BINARY_DIR})
    endif()
    get_target_property(name ${target} OUTPUT_NAME)
    if(NOT name)
        set(name ${target})
    endif()
    set(includes "$<TARGET_PROPERTY:${target},INCLUDE_DIRECTORIES>")
    # The other programs have no compiled library to link.
    set(definitions "$<FILTER:$<TARGET_PROPERTY:${target},COMPILE_DEFINITIONS>,EXCLUDE,^MITOGEN_SEPARATE$>")

    # They are built again if one of the library's headers changes.
    get_target_property(roots mitogen::mitogen INTERFACE_INCLUDE_DIRECTORIES)
    string(REGEX REPLACE "\\$<INSTALL_INTERFACE:[^>]*>" "" roots "${roots}")
    string(REGEX REPLACE "\\$<BUILD_INTERFACE:([^>]*)>" "\\1" roots "${roots}")
    set(headers "")
    foreach(root IN LISTS roots)
        file(GLOB_RECURSE found ${root}/mitogen/*.hpp)
        list(APPEND headers ${found})
    endforeach()

    set(programs "")
    foreach(arch IN LISTS payload_ARCHS)
        set(triplet ${arch}-linux-gnu)
        if(arch MATCHES "^arm")
            set(triplet arm-linux-gnueabihf)
        elseif(arch STREQUAL "ppc64le")
            set(triplet powerpc64le-linux-gnu)
        elseif(arch STREQUAL "ppc64")
            set(triplet powerpc64-linux-gnu)
        elseif(arch STREQUAL "x86_64")
            set(triplet x86_64-linux-gnu)
        endif()
        find_program(MITOGEN_CXX_${arch} ${triplet}-g++ DOC "The compiler that builds programs for ${arch}")
        if(NOT MITOGEN_CXX_${arch})
            message(FATAL_ERROR "mitogen_payload(${target}): no compiler for ${arch}: ${triplet}-g++ is not in PATH (Debian: g++-${triplet}), "
                                "and MITOGEN_CXX_${arch} is not set.")
        endif()
        set(program ${folder}/${name}.Linux-${arch})
        add_custom_command(OUTPUT ${program}
            COMMAND ${MITOGEN_CXX_${arch}} -std=c++20 ${payload_OPTIONS} "$<$<BOOL:${includes}>:-I$<JOIN:${includes},;-I>>"
                "$<$<BOOL:${definitions}>:-D$<JOIN:${definitions},;-D>>" ${sources} -o ${program} -static -s -pthread
            DEPENDS ${sources} ${headers}
            COMMENT "Building ${name} for ${arch}" COMMAND_EXPAND_LISTS VERBATIM)
        list(APPEND programs ${program})
    endforeach()
    add_custom_target(${target}_payloads ALL DEPENDS ${programs})
    add_dependencies(${target} ${target}_payloads)
endfunction()
