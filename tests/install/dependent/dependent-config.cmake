# SPDX-License-Identifier: BSL-1.0
include(CMakeFindDependencyMacro)
find_dependency(mitogen COMPONENTS compiled)
include(${CMAKE_CURRENT_LIST_DIR}/dependent-targets.cmake)
