// bessemer-supervisor: `launch` serves a daemon, `run` supervises one task.
#include <cstdio>
#include <string_view>

#include "compute/executor/supervisor/launch.h"
#include "compute/executor/supervisor/supervise.h"

int main(int argc, char** argv) {
  using namespace bessemer::executor;
  const std::string_view role = argc > 1 ? argv[1] : "";
  if (role == "run") return supervise();
  if (role == "launch") {
    Without without;
    for (int i = 2; i < argc; ++i) {
      const std::string_view option = argv[i];
      if (option == "--without=namespaces") without.namespaces = true;
      if (option == "--without=cgroups") without.cgroups = true;
      if (option == "--without=id_maps") without.id_maps = true;
    }
    return launch(without);
  }
  std::fputs("bessemer-supervisor is started by the daemon: it runs and watches one task.\n",
             stderr);
  return 2;
}
