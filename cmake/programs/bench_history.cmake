# A long history for bench/recovery.py: bench/history.cc.
if(TARGET m_application_engine)
  add_executable(bench_history ${CMAKE_SOURCE_DIR}/bench/history.cc)
  target_link_libraries(bench_history PRIVATE m_application_engine m_world_real Threads::Threads)
endif()
