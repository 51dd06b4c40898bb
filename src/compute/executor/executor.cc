// What no executor can start is refused here, once for all of them.
#include "compute/executor/executor.h"

#include <set>
#include <string>
#include <string_view>

#include "base/text.h"

namespace bessemer::executor {
namespace {

bool has_nul(std::string_view text) { return text.find('\0') != std::string_view::npos; }

Result<void> check_host_path(std::string_view path, std::string field) {
  if (path.empty() || path.front() != '/' || has_nul(path)) {
    return invalid("must be an absolute path on this machine").at(std::move(field));
  }
  return {};
}

Result<void> check_command(const TaskSpec& spec) {
  if (spec.argv.empty() || spec.argv.front().empty()) {
    return invalid("must name a program").at("argv").fix("give the command to run");
  }
  if (spec.argv.size() > limits::arguments) {
    return invalid("must be at most 1024 words").at("argv");
  }
  std::size_t bytes = 0;
  for (const auto& word : spec.argv) {
    if (has_nul(word)) return invalid("must not hold a NUL").at("argv");
    bytes += word.size() + 1;
  }
  if (spec.environment.size() > limits::variables) {
    return invalid("must be at most 512 variables").at("environment");
  }
  for (const auto& [name, value] : spec.environment) {
    if (name.empty() || name.find('=') != std::string::npos || has_nul(name) || has_nul(value)) {
      return invalid("a variable's name must not be empty nor hold '=' or NUL").at("environment");
    }
    bytes += name.size() + value.size() + 2;
  }
  if (bytes > limits::argument_bytes) {
    return invalid("command and environment together must be at most 256 KiB").at("argv");
  }
  return {};
}

Result<void> check_names(const TaskSpec& spec) {
  std::set<std::string_view> seen;
  if (spec.inputs.size() > limits::inputs) return invalid("must be at most 256").at("inputs");
  for (const auto& input : spec.inputs) {
    auto named = check_name(input.name);
    if (!named) return std::move(named).error().within("inputs");
    if (!seen.insert(input.name).second) {
      return invalid("'" + input.name + "' is given twice").at("inputs");
    }
    TRY(check_host_path(input.host_path, "inputs"));
  }
  if (spec.output_names.size() > limits::inputs) {
    return invalid("must be at most 256").at("output_names");
  }
  for (const auto& name : spec.output_names) {
    auto named = check_name(name);
    if (!named) return std::move(named).error().within("output_names");
  }
  return {};
}

Result<void> check_secrets(std::span<const TaskSecret> secrets) {
  std::set<std::string_view> seen;
  if (secrets.size() > limits::secrets) return invalid("must be at most 64").at("secrets");
  for (const auto& secret : secrets) {
    auto named = check_name(secret.name);
    if (!named) return std::move(named).error().within("secrets");
    if (!seen.insert(secret.name).second) {
      return invalid("'" + secret.name + "' is given twice").at("secrets");
    }
    if (secret.value.reveal().size() > limits::secret_bytes) {
      return invalid("'" + secret.name + "' must be at most 64 KiB").at("secrets");
    }
  }
  return {};
}

Result<void> check_amounts(const TaskSpec& spec) {
  if (spec.resources.gpus.size() > limits::gpus) {
    return invalid("must be at most 64 on one machine").at("resources.gpus");
  }
  if (spec.grace < Duration{} || spec.grace > hours(1)) {
    return invalid("must be between 0s and 1h").at("grace");
  }
  if (spec.service_port && *spec.service_port == 0) {
    return invalid("must be between 1 and 65535").at("service_port");
  }
  if (spec.parameters.text.size() > limits::parameters_bytes) {
    return invalid("must be at most 1 MiB").at("parameters");
  }
  if (spec.resources.log_bytes < 4096) {
    return invalid("must be at least 4096").at("resources.log_bytes");
  }
  return {};
}

}  // namespace

Result<void> check_spec(const TaskSpec& spec, std::span<const TaskSecret> secrets) {
  if (!spec.key.task) return invalid("must not be empty").at("key.task");
  if (spec.key.generation == 0) return invalid("must be at least 1").at("key.generation");
  TRY(check_command(spec));
  TRY(check_names(spec));
  if (!spec.code.empty()) TRY(check_host_path(spec.code, "code"));
  if (!spec.outputs.empty()) TRY(check_host_path(spec.outputs, "outputs"));
  if (!spec.checkpoints.empty()) TRY(check_host_path(spec.checkpoints, "checkpoints"));
  if (!spec.working_directory.empty()) {
    TRY(check_host_path(spec.working_directory, "working_directory"));
  }
  TRY(check_amounts(spec));
  return check_secrets(secrets);
}

}  // namespace bessemer::executor
