# tests/gpu/run: what only a machine with an NVIDIA GPU can prove.
if(TARGET m_compute_executor_local)
  add_executable(gpu_check ${CMAKE_SOURCE_DIR}/tests/gpu/gpu_check.cc)
  target_link_libraries(gpu_check PRIVATE m_compute_executor_local Threads::Threads)
  add_dependencies(gpu_check bessemer-supervisor)
  add_test(NAME gpu COMMAND gpu_check ${CMAKE_SOURCE_DIR}/tests/gpu/train.py)
endif()
