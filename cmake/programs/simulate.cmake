# The simulator: histories by seed; and the simulator with one bug planted in each, which it must
# find. A planted program compiles one source file anew, with the bug's flag; everything else is
# the libraries that ship.
bessemer_program(simulate sim bessemer-simulate)

function(bessemer_plant bug source)
  string(TOUPPER ${bug} flag)
  add_executable(simulate_${bug} EXCLUDE_FROM_ALL ${CMAKE_SOURCE_DIR}/sim/simulate_main.cc
                                 ${CMAKE_SOURCE_DIR}/src/${source})
  target_compile_definitions(simulate_${bug} PRIVATE BESSEMER_PLANT_${flag})
  target_link_libraries(simulate_${bug} PRIVATE m_sim Threads::Threads)
  set_property(GLOBAL APPEND PROPERTY BESSEMER_PLANTED simulate_${bug})
endfunction()

if(TARGET m_sim)
  bessemer_plant(answer_before_sync application/engine/engine.cc)
  bessemer_plant(stale_state application/engine/engine.cc)
  bessemer_plant(torn_tail_kept journal/recover.cc)
  bessemer_plant(lease_returned_by_time governance/lease/lease.cc)
  bessemer_plant(double_allocation compute/site/site.cc)
  get_property(planted GLOBAL PROPERTY BESSEMER_PLANTED)
  add_custom_target(planted DEPENDS ${planted})
endif()
