# SPDX-License-Identifier: BSL-1.0
# Configures, builds and runs the project in this directory: cmake -D way=find_package|add_subdirectory -D ... -P run.cmake
function(run)
    execute_process(COMMAND ${ARGV} COMMAND_ERROR_IS_FATAL ANY)
endfunction()

file(REMOVE_RECURSE ${work})
if(way STREQUAL "find_package")
    run(${CMAKE_COMMAND} --install ${library_build} --prefix ${work}/prefix)
    set(where -D CMAKE_PREFIX_PATH=${work}/prefix)
else()
    set(where -D MITOGEN_SOURCE=${library_source})
endif()
run(${CMAKE_COMMAND} -S ${CMAKE_CURRENT_LIST_DIR} -B ${work}/build -G ${generator} -D CMAKE_CXX_COMPILER=${compiler} ${where})
run(${CMAKE_COMMAND} --build ${work}/build)
run(${work}/build/consumer)
