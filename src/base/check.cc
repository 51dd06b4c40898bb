// Assertions that stay on in every build.
#include "base/check.h"

#include <cstdio>
#include <cstdlib>

namespace bessemer {

void check_failed(const char* what, const std::source_location& at) {
  std::fprintf(stderr, "%s:%u: check failed in %s: %s\n", at.file_name(),
               static_cast<unsigned>(at.line()), at.function_name(), what);
  std::abort();
}

}  // namespace bessemer
