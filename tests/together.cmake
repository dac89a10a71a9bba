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
mitogen_compile_together(boot bootstrap_protocol first_stage_unit)
mitogen_compile_together(call call errors future identity registry)
mitogen_compile_together(child rate_limiter shutdown_ladder text_tail)
mitogen_compile_together(io policy waker)
mitogen_compile_together(link correspondents heartbeat_monitor peer visible_text)
mitogen_compile_together(loop leadership loop_watch timers watch_table work_queue)
mitogen_compile_together(node id_allocator route_monitor)
mitogen_compile_together(node dead_messages lost_peers route_table)
mitogen_compile_together(node flow_budget handler_table)
mitogen_compile_together(os call epoll executable failure fault fd)
mitogen_compile_together(os file futex kqueue local_socket)
mitogen_compile_together(os poll process pty signal signal_watch stderr title user_file)
mitogen_compile_together(protocol assembler error_notice handshake)
mitogen_compile_together(protocol flow handle hello_reader send_queue)
mitogen_compile_together(serve blocked_loop cycle)
mitogen_compile_together(serve dispatcher ended_context executor typed_handler)
mitogen_compile_together(simulation broker_explore command nursery queue_limit scheduler two_worlds)
mitogen_compile_together(simulation dialog heartbeat ids)
mitogen_compile_together(simulation deadline world)
mitogen_compile_together(simulation kill_points restart task)
mitogen_compile_together(simulation latch_explore logs)
mitogen_compile_together(sync event wait_group waiter)
