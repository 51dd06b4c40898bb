# bessemer-supervisor: static, with nothing but the C and C++ runtime, so that a task starts in
# a fraction of a millisecond and keeps running when libraries are upgraded under it.
file(GLOB supervisor_sources CONFIGURE_DEPENDS
     ${CMAKE_SOURCE_DIR}/src/compute/executor/supervisor/*.cc)
list(FILTER supervisor_sources EXCLUDE REGEX "_test\\.cc$")
add_executable(bessemer-supervisor ${supervisor_sources}
  ${CMAKE_SOURCE_DIR}/src/compute/executor/channel.cc
  ${CMAKE_SOURCE_DIR}/src/compute/executor/copy.cc
  ${CMAKE_SOURCE_DIR}/src/compute/executor/lines.cc
  ${CMAKE_SOURCE_DIR}/src/compute/executor/wire.cc
  ${CMAKE_SOURCE_DIR}/src/base/check.cc
  ${CMAKE_SOURCE_DIR}/src/base/crc32c.cc
  ${CMAKE_SOURCE_DIR}/src/base/id.cc
  ${CMAKE_SOURCE_DIR}/src/base/result.cc)
target_include_directories(bessemer-supervisor PRIVATE ${CMAKE_SOURCE_DIR}/src)
target_link_libraries(bessemer-supervisor PRIVATE lib_boost)
# Sanitizers cannot be linked statically; the same sources are under them in the module's test.
foreach(property COMPILE_OPTIONS LINK_OPTIONS)
  get_target_property(options bessemer-supervisor ${property})
  list(FILTER options EXCLUDE REGEX "sanitize|mold")
  set_target_properties(bessemer-supervisor PROPERTIES ${property} "${options}")
endforeach()
target_compile_options(bessemer-supervisor PRIVATE -ffunction-sections -fdata-sections)
target_link_options(bessemer-supervisor PRIVATE -static -Wl,--gc-sections)
set_target_properties(bessemer-supervisor PROPERTIES POSITION_INDEPENDENT_CODE OFF)

# Whoever starts tasks in a test needs the program beside it.
foreach(test m_compute_executor_local_test m_compute_executor_supervisor_test)
  if(TARGET ${test})
    add_dependencies(${test} bessemer-supervisor)
  endif()
endforeach()
