# Outside libraries, under the short names that LAYERS uses.
#
# Where the package holds an archive, it is linked in: each shared library costs every start of the
# client about 0.1 ms (bench/start.py). simdjson and fmt come only as shared libraries.
set(OPENSSL_USE_STATIC_LIBS TRUE)
find_package(Threads REQUIRED)
find_package(OpenSSL 3.0 REQUIRED COMPONENTS Crypto)
find_package(fmt 9 REQUIRED)
find_package(simdjson 3 REQUIRED)
find_package(yaml-cpp 0.7 REQUIRED)
find_package(GTest REQUIRED)
find_path(BESSEMER_BOOST boost/describe.hpp REQUIRED)
find_library(BESSEMER_YAML libyaml-cpp.a REQUIRED)
find_library(BESSEMER_ZSTD libzstd.a REQUIRED)

add_library(lib_boost INTERFACE)
target_include_directories(lib_boost SYSTEM INTERFACE ${BESSEMER_BOOST})
add_library(lib_fmt ALIAS fmt::fmt)
add_library(lib_simdjson ALIAS simdjson::simdjson)
add_library(lib_crypto ALIAS OpenSSL::Crypto)
add_library(lib_yaml INTERFACE)
target_link_libraries(lib_yaml INTERFACE ${BESSEMER_YAML})
add_library(lib_zstd INTERFACE)
target_link_libraries(lib_zstd INTERFACE ${BESSEMER_ZSTD})
add_library(lib_seccomp INTERFACE)
target_link_libraries(lib_seccomp INTERFACE seccomp)
add_library(lib_cli11 INTERFACE)
