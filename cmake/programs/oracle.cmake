# Three independent totals: streaming rating, batch rating, and exact fractions in Python.
if(TARGET m_governance_billing)
  find_package(Python3 COMPONENTS Interpreter REQUIRED)
  set(oracle ${CMAKE_SOURCE_DIR}/tests/oracle)
  add_executable(oracle_cases ${oracle}/cases.cc)
  target_link_libraries(oracle_cases PRIVATE m_governance_billing Threads::Threads)
  add_test(NAME oracle COMMAND ${Python3_EXECUTABLE} ${oracle}/rate.py --cases
                               $<TARGET_FILE:oracle_cases> --count 10000)
  add_test(NAME oracle_export
           COMMAND sh -c "mkdir -p oracle_export && '$<TARGET_FILE:oracle_cases>' export \
oracle_export 7 && '${Python3_EXECUTABLE}' '${oracle}/rate.py' --statement \
oracle_export/statement.csv --prices oracle_export/prices.csv"
           WORKING_DIRECTORY ${CMAKE_BINARY_DIR})
endif()
