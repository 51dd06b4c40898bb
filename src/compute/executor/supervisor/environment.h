// What a task finds in its environment: paths and names, and nothing inherited.
#pragma once
#include <string>
#include <vector>

#include "compute/executor/executor.h"

namespace bessemer::executor {

// Where the task sees its things. In a sandbox these are the paths of docs/task.md.
struct Places {
  std::string code = "/bessemer/code";
  std::string inputs = "/bessemer/inputs";
  std::string outputs = "/bessemer/outputs";
  std::string checkpoints = "/bessemer/checkpoints";
  std::string parameters = "/bessemer/parameters.json";
  std::string metrics = "/bessemer/metrics.jsonl";
  std::string secrets = "/run/secrets";
  std::string socket = "/run/bessemer.sock";
  std::string scratch = "/tmp";
  std::string home = "/tmp/home";
};

// "NAME=value", sorted by name. Declared variables may change PATH and the like, but none of
// those that say who the task is and what it was given.
std::vector<std::string> task_environment(const TaskSpec& spec, const Places& places);

// Where the task begins: as declared, else its code, else its scratch.
std::string task_directory(const TaskSpec& spec, const Places& places);

}  // namespace bessemer::executor
