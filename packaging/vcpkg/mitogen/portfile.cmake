# SPDX-License-Identifier: BSL-1.0
# An overlay port of the tree in which it lies: vcpkg install mitogen --overlay-ports=packaging/vcpkg
# In a registry the first line is a vcpkg_from_github() instead.
get_filename_component(SOURCE_PATH "${CMAKE_CURRENT_LIST_DIR}/../../.." ABSOLUTE)

vcpkg_check_features(OUT_FEATURE_OPTIONS features FEATURES boost MITOGEN_BOOST compiled MITOGEN_COMPILED)
if(NOT MITOGEN_COMPILED)
    set(VCPKG_BUILD_TYPE release) # headers only
endif()

vcpkg_cmake_configure(
    SOURCE_PATH "${SOURCE_PATH}"
    OPTIONS ${features} "-DMITOGEN_BOOST_INCLUDE=${CURRENT_INSTALLED_DIR}/include" -DMITOGEN_TESTS=OFF -DMITOGEN_EXAMPLES=OFF -DMITOGEN_PROGRAMS=OFF)
vcpkg_cmake_install()

if(MITOGEN_COMPILED)
    vcpkg_cmake_config_fixup(CONFIG_PATH lib/cmake/mitogen)
else()
    vcpkg_cmake_config_fixup(CONFIG_PATH share/cmake/mitogen)
endif()
vcpkg_fixup_pkgconfig()
file(REMOVE_RECURSE "${CURRENT_PACKAGES_DIR}/debug/include" "${CURRENT_PACKAGES_DIR}/debug/share")

file(INSTALL "${CMAKE_CURRENT_LIST_DIR}/usage" DESTINATION "${CURRENT_PACKAGES_DIR}/share/${PORT}")
vcpkg_install_copyright(FILE_LIST "${SOURCE_PATH}/LICENSE")
