# Compiler flags: one place, both compilers.
set(CMAKE_CXX_FLAGS_DEV "-O1 -g1")
set(CMAKE_C_FLAGS_DEV "-O1 -g1")
set(CMAKE_CXX_FLAGS_RELEASE "-O2 -g1")
set(CMAKE_C_FLAGS_RELEASE "-O2 -g1")

add_compile_options(-Wall -Wextra -Wpedantic -Wshadow -Wconversion -Wsign-conversion
                    -Wnon-virtual-dtor -Wold-style-cast -Werror -fno-math-errno)
if(CMAKE_CXX_COMPILER_ID STREQUAL "GNU")
  # g++ 12 raises these falsely in optimised builds of correct code.
  add_compile_options(-Wno-restrict -Wno-stringop-overflow -Wno-maybe-uninitialized
                      -Wno-dangling-pointer -Wno-array-bounds -Wno-stringop-overread)
else()
  add_compile_options(-Wno-unused-command-line-argument -Wno-missing-designated-field-initializers
                      -Wno-missing-field-initializers)
endif()
add_compile_options($<$<COMPILE_LANGUAGE:CXX>:-Wno-missing-field-initializers>)

set(BESSEMER_SANITIZE "" CACHE STRING "comma-separated sanitizers")
option(BESSEMER_FUZZ "build the libFuzzer targets" OFF)
if(BESSEMER_SANITIZE)
  add_compile_options(-fsanitize=${BESSEMER_SANITIZE} -fno-sanitize-recover=all -fno-omit-frame-pointer)
  add_link_options(-fsanitize=${BESSEMER_SANITIZE})
endif()
if(BESSEMER_FUZZ)
  add_compile_options(-fsanitize=fuzzer-no-link)
endif()

find_program(BESSEMER_CCACHE ccache)
if(BESSEMER_CCACHE)
  # With precompiled headers ccache asks to be told that their macros and times may be trusted; and
  # g++ knows a header of theirs again by all its bytes: one with other comments is another.
  set(BESSEMER_CCACHE ${CMAKE_COMMAND} -E env
      CCACHE_SLOPPINESS=pch_defines,time_macros,include_file_mtime,include_file_ctime
      CCACHE_COMMENTS=true
      ${BESSEMER_CCACHE})
  set(CMAKE_CXX_COMPILER_LAUNCHER ${BESSEMER_CCACHE})
  set(CMAKE_C_COMPILER_LAUNCHER ${BESSEMER_CCACHE})
endif()
add_compile_options($<$<AND:$<COMPILE_LANGUAGE:CXX>,$<CXX_COMPILER_ID:GNU>>:-fpch-preprocess>)
find_program(BESSEMER_MOLD mold)
if(BESSEMER_MOLD)
  add_link_options(-fuse-ld=mold)
endif()
