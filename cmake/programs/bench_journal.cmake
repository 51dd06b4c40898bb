# The journal's figures: bench/journal.cc on this machine's disk.
if(TARGET m_journal AND TARGET m_world_real)
  add_executable(bench_journal ${CMAKE_SOURCE_DIR}/bench/journal.cc)
  target_link_libraries(bench_journal PRIVATE m_journal m_world_real Threads::Threads)
endif()
