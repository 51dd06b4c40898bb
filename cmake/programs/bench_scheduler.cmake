# The scheduler's figures: bench/scheduler.cc, one thread.
if(TARGET m_orchestration_scheduler)
  add_executable(bench_scheduler ${CMAKE_SOURCE_DIR}/bench/scheduler.cc)
  target_link_libraries(bench_scheduler PRIVATE m_orchestration_scheduler Threads::Threads)
endif()
