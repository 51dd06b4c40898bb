// What a task sees where no namespace can be had: its things at paths of the host.
#include <fcntl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "compute/executor/supervisor/files.h"
#include "compute/executor/supervisor/mounts.h"
#include "compute/executor/supervisor/sandbox.h"

namespace bessemer::executor {

Result<Built> build_bare(const Ground& ground, const std::string& directory_path,
                         Places& places) {
  const TaskSpec& spec = *ground.spec;
  if (!ground.secrets->empty()) {
    return unavailable("secrets need a mount namespace of the task's own, which is missing here")
        .at("secrets");
  }
  const int here = ground.directory;
  for (const char* name : {"view", "view/inputs", "view/outputs", "view/tmp", "view/tmp/home"}) {
    TRY(make_below(here, name, 0700));
  }
  for (const auto& input : spec.inputs) {
    if (::symlinkat(input.host_path.c_str(), here, ("view/inputs/" + input.name).c_str()) != 0) {
      return os_error("linking input " + input.name);
    }
  }
  if (spec.outputs.empty()) {
    for (const auto& name : spec.output_names) TRY(make_below(here, "view/outputs/" + name, 0700));
  }
  TRY(write_new(here, "view/parameters.json", spec.parameters.text, 0600));
  const std::string view = directory_path + "/view";
  places.code = spec.code;
  places.inputs = view + "/inputs";
  places.outputs = spec.outputs.empty() ? view + "/outputs" : spec.outputs;
  places.checkpoints = spec.checkpoints;
  places.parameters = view + "/parameters.json";
  places.metrics = view + "/metrics.jsonl";
  places.secrets = view + "/secrets";
  places.socket = view + "/bessemer.sock";
  places.scratch = view + "/tmp";
  places.home = view + "/tmp/home";
  Built built;
  built.metrics = Fd(::openat(here, "view/metrics.jsonl",
                              O_RDWR | O_CREAT | O_APPEND | O_CLOEXEC, 0600));
  if (!built.metrics) return os_error("making metrics.jsonl");
  TRY_ASSIGN(built.socket, listen_at(here, "view/bessemer.sock", SOCK_STREAM | SOCK_NONBLOCK));
  return built;
}

}  // namespace bessemer::executor
