# SPDX-License-Identifier: BSL-1.0
# Install rules: the headers, and a package that find_package(mitogen) finds.
include(CMakePackageConfigHelpers)
include(GNUInstallDirs)

set(package_dir ${CMAKE_INSTALL_DATADIR}/cmake/mitogen) # share/, not lib/: nothing in it depends on the architecture

install(TARGETS mitogen EXPORT mitogen-targets FILE_SET HEADERS DESTINATION ${CMAKE_INSTALL_INCLUDEDIR})
install(EXPORT mitogen-targets NAMESPACE mitogen:: DESTINATION ${package_dir})
write_basic_package_version_file(${CMAKE_CURRENT_BINARY_DIR}/mitogen-config-version.cmake
    COMPATIBILITY SameMinorVersion ARCH_INDEPENDENT)
install(FILES ${CMAKE_CURRENT_LIST_DIR}/mitogen-config.cmake ${CMAKE_CURRENT_LIST_DIR}/payload.cmake
    ${CMAKE_CURRENT_BINARY_DIR}/mitogen-config-version.cmake
    DESTINATION ${package_dir})
