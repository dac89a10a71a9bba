# SPDX-License-Identifier: BSL-1.0
# Install rules: the headers, a package that find_package(mitogen) finds, and files for pkg-config. Works with CMake 3.16.
include(CMakePackageConfigHelpers)
include(GNUInstallDirs)

# share/, not lib/, as long as nothing in it depends on the architecture.
set(targets mitogen)
set(shared_dir ${CMAKE_INSTALL_DATADIR})
set(independent ARCH_INDEPENDENT)
if(MITOGEN_COMPILED)
    list(APPEND targets mitogen_compiled)
endif()
if(MITOGEN_PROGRAMS)
    list(APPEND targets mitogen_debug)
endif()
if(MITOGEN_COMPILED OR MITOGEN_PROGRAMS)
    set(shared_dir ${CMAKE_INSTALL_LIBDIR})
    set(independent "")
endif()
set(package_dir ${shared_dir}/cmake/mitogen)

# ---- headers, library, package ---------------------------------------------------------------------------------------------------

target_include_directories(mitogen INTERFACE $<INSTALL_INTERFACE:${CMAKE_INSTALL_INCLUDEDIR}>)
install(DIRECTORY ${PROJECT_SOURCE_DIR}/include/mitogen DESTINATION ${CMAKE_INSTALL_INCLUDEDIR}
    FILES_MATCHING PATTERN *.hpp)
install(TARGETS ${targets} EXPORT mitogen-targets ARCHIVE DESTINATION ${CMAKE_INSTALL_LIBDIR}
    RUNTIME DESTINATION ${CMAKE_INSTALL_BINDIR})
install(EXPORT mitogen-targets NAMESPACE mitogen:: DESTINATION ${package_dir})

set(package_files ${CMAKE_CURRENT_BINARY_DIR}/mitogen-config.cmake ${CMAKE_CURRENT_BINARY_DIR}/mitogen-config-version.cmake
    ${CMAKE_CURRENT_BINARY_DIR}/payload.cmake)
configure_package_config_file(${CMAKE_CURRENT_LIST_DIR}/mitogen-config.cmake.in
    ${CMAKE_CURRENT_BINARY_DIR}/mitogen-config.cmake INSTALL_DESTINATION ${package_dir})
write_basic_package_version_file(${CMAKE_CURRENT_BINARY_DIR}/mitogen-config-version.cmake
    COMPATIBILITY SameMinorVersion ${independent})
configure_file(${CMAKE_CURRENT_LIST_DIR}/payload.cmake ${CMAKE_CURRENT_BINARY_DIR}/payload.cmake COPYONLY)
install(FILES ${package_files} DESTINATION ${package_dir})

# The build tree is a package too: find_package(mitogen) with mitogen_DIR set to it.
export(EXPORT mitogen-targets NAMESPACE mitogen:: FILE ${CMAKE_CURRENT_BINARY_DIR}/mitogen-targets.cmake)

# ---- pkg-config: mitogen and mitogen-compiled ------------------------------------------------------------------------------------

# A directory as such a file names it: from the file's own place, so that the tree can be moved.
function(mitogen_pc_directory result pc_dir dir)
    if(IS_ABSOLUTE "${dir}" OR IS_ABSOLUTE "${pc_dir}")
        get_filename_component(dir "${dir}" ABSOLUTE BASE_DIR "${CMAKE_INSTALL_PREFIX}")
        set(${result} "${dir}" PARENT_SCOPE)
    else()
        file(RELATIVE_PATH relative "/prefix/${pc_dir}" "/prefix/${dir}")
        set(${result} "\${pcfiledir}/${relative}" PARENT_SCOPE)
    endif()
endfunction()

function(mitogen_install_pc name pc_dir)
    mitogen_pc_directory(includedir "${pc_dir}" "${CMAKE_INSTALL_INCLUDEDIR}")
    mitogen_pc_directory(libdir "${pc_dir}" "${CMAKE_INSTALL_LIBDIR}")
    string(REPLACE ";" " -D" pc_definitions ";${mitogen_definitions}")
    string(REPLACE ";" " " pc_link_options ";${mitogen_link_options}")
    configure_file(${PROJECT_SOURCE_DIR}/cmake/${name}.pc.in ${CMAKE_CURRENT_BINARY_DIR}/${name}.pc @ONLY)
    install(FILES ${CMAKE_CURRENT_BINARY_DIR}/${name}.pc DESTINATION ${pc_dir})
endfunction()

mitogen_install_pc(mitogen ${CMAKE_INSTALL_DATADIR}/pkgconfig)
if(MITOGEN_COMPILED)
    mitogen_install_pc(mitogen-compiled ${CMAKE_INSTALL_LIBDIR}/pkgconfig)
endif()
