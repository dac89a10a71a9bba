# SPDX-License-Identifier: BSL-1.0
# The library as targets. Works with CMake 3.16.
#   mitogen::mitogen    headers only: each program compiles what it uses
#   mitogen::compiled   the same interface, and the library itself compiled once, as a static library
# A program links one of them. The second is built only if something links it, or with MITOGEN_COMPILED.
include(CheckCXXSourceCompiles)

find_package(Threads REQUIRED)

file(GLOB_RECURSE mitogen_headers CONFIGURE_DEPENDS ${PROJECT_SOURCE_DIR}/include/mitogen/*.hpp)

add_library(mitogen INTERFACE)
add_library(mitogen::mitogen ALIAS mitogen)
target_include_directories(mitogen INTERFACE $<BUILD_INTERFACE:${PROJECT_SOURCE_DIR}/include>)
target_compile_features(mitogen INTERFACE cxx_std_20)
target_link_libraries(mitogen INTERFACE Threads::Threads)

add_library(mitogen_compiled STATIC ${PROJECT_SOURCE_DIR}/src/mitogen.cpp)
add_library(mitogen::compiled ALIAS mitogen_compiled)
target_link_libraries(mitogen_compiled PUBLIC mitogen)
target_compile_definitions(mitogen_compiled INTERFACE MITOGEN_SEPARATE)
set_target_properties(mitogen_compiled PROPERTIES
    OUTPUT_NAME mitogen EXPORT_NAME compiled CXX_EXTENSIONS OFF POSITION_INDEPENDENT_CODE ON)
if(NOT MITOGEN_COMPILED)
    set_target_properties(mitogen_compiled PROPERTIES EXCLUDE_FROM_ALL ON)
endif()

# A program gets those parts of it that it uses: the linker drops the other sections.
set(mitogen_link_options "")
if(CMAKE_CXX_COMPILER_ID MATCHES "GNU|Clang")
    target_compile_options(mitogen_compiled PRIVATE -ffunction-sections -fdata-sections)
    set(CMAKE_REQUIRED_LINK_OPTIONS -Wl,--gc-sections)
    check_cxx_source_compiles("int main() { return 0; }" MITOGEN_LINKER_DROPS_SECTIONS)
    unset(CMAKE_REQUIRED_LINK_OPTIONS)
    if(MITOGEN_LINKER_DROPS_SECTIONS)
        set(mitogen_link_options -Wl,--gc-sections)
        target_link_options(mitogen_compiled INTERFACE ${mitogen_link_options})
    endif()
endif()

# Whether Boost is used is a part of the library's ABI. Who links the compiled one has to be of the same mind, also if Boost is on
# his include path and was not on that of the library.
option(MITOGEN_BOOST "Let mitogen::compiled use Boost.PFR and Boost.Describe, if they are found" ON)
set(MITOGEN_BOOST_INCLUDE "" CACHE PATH "Where mitogen::compiled finds Boost's headers, if the compiler does not by itself")
set(mitogen_definitions MITOGEN_SEPARATE)
set(CMAKE_REQUIRED_INCLUDES ${MITOGEN_BOOST_INCLUDE})
if(MITOGEN_BOOST_INCLUDE)
    target_include_directories(mitogen_compiled SYSTEM PRIVATE ${MITOGEN_BOOST_INCLUDE})
endif()
foreach(part "PFR:boost/pfr/core.hpp" "DESCRIBE:boost/describe/members.hpp")
    string(REGEX REPLACE ":.*" "" name ${part})
    string(REGEX REPLACE ".*:" "" header ${part})
    if(MITOGEN_BOOST)
        check_cxx_source_compiles("#if !__has_include(<${header}>)\n#error\n#endif\nint main() { return 0; }"
            MITOGEN_FOUND_${name})
    endif()
    if(NOT MITOGEN_BOOST OR NOT MITOGEN_FOUND_${name})
        list(APPEND mitogen_definitions MITOGEN_NO_${name})
        target_compile_definitions(mitogen_compiled PUBLIC MITOGEN_NO_${name})
    endif()
endforeach()
unset(CMAKE_REQUIRED_INCLUDES)
