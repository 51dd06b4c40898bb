# The local executor's figures: bench/spawn.cc.
if(TARGET m_compute_executor_local)
  add_executable(bench_spawn ${CMAKE_SOURCE_DIR}/bench/spawn.cc)
  target_link_libraries(bench_spawn PRIVATE m_compute_executor_local Threads::Threads)
  add_dependencies(bench_spawn bessemer-supervisor)
endif()
