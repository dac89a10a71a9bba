# SPDX-License-Identifier: BSL-1.0
# Which test files g++ compiles as one, where MITOGEN_TEST_TOGETHER is on: it instantiates the library again for each file that it
# is given, however small. What is not named here is compiled by itself, and so is everything with clang++, which shows that a
# file needs nothing of its neighbours. If two files get the same name in their unnamed namespaces, take one off its line.
# Included from tests/CMakeLists.txt.

# mitogen_compile_together(MODULE NAME...): tests/<module>/<name>_test.cpp of each name, as one translation unit.
function(mitogen_compile_together module first)
    foreach(name IN ITEMS ${first} ${ARGN})
        set_source_files_properties(${CMAKE_CURRENT_SOURCE_DIR}/${module}/${name}_test.cpp PROPERTIES UNITY_GROUP ${module}_${first})
    endforeach()
endfunction()

mitogen_compile_together(base checksum error_group error function log result static_registry time)
mitogen_compile_together(boot bad_input bootstrap_protocol)
mitogen_compile_together(boot first_stage first_stage_unit)
mitogen_compile_together(call identity registry)
mitogen_compile_together(child debugger subtree detach shutdown_ladder)
mitogen_compile_together(child in_process rate_limiter)
mitogen_compile_together(codec block_cache buffer codec_reject)
mitogen_compile_together(flow broadcast channel)
mitogen_compile_together(io policy simulated)
mitogen_compile_together(join listener listener_faults)
mitogen_compile_together(loop leadership timers watch_table work_queue)
mitogen_compile_together(node lost_peers handler_table id_allocator)
mitogen_compile_together(node route_monitor route_table)
mitogen_compile_together(os call epoll executable failure fault fd)
mitogen_compile_together(os file futex kqueue local_socket)
mitogen_compile_together(os poll process pty signal signal_watch title user_file)
mitogen_compile_together(protocol assembler flow)
mitogen_compile_together(protocol frame_reader handle message)
mitogen_compile_together(protocol handshake hello_reader)
mitogen_compile_together(simulation broker_explore dialog heartbeat ids)
mitogen_compile_together(simulation kernel latch_explore logs)
mitogen_compile_together(simulation nursery queue_limit scheduler two_worlds)
mitogen_compile_together(simulation restart task trust)
mitogen_compile_together(sync condition event simulated wait_group waiter)
mitogen_compile_together(tree abandoned stopped)
