// Checks what a tenant asks for and fills in what is meant.
#include "orchestration/workload/spec.h"

#include <algorithm>

#include "base/text.h"

namespace bessemer::workload {
namespace {

// "env" + "[3]" as the path of a field.
std::string element(std::string_view list, std::size_t index) {
  return std::string(list) + "[" + std::to_string(index) + "]";
}

Result<void> within(std::size_t count, std::size_t most, std::string_view field) {
  if (count <= most) return {};
  return invalid("must have at most " + std::to_string(most) + " elements")
      .at(std::string(field));
}

// Names that become file names or words of a protocol: each fit and none twice.
Result<void> check_names(const std::vector<std::string>& names, std::string_view field,
                         std::size_t most) {
  TRY(within(names.size(), most, field));
  std::set<std::string_view> seen;
  for (std::size_t i = 0; i < names.size(); ++i) {
    if (auto fit = check_name(names[i]); !fit) return std::move(fit).error().at(element(field, i));
    if (!seen.insert(names[i]).second) return invalid("is given twice").at(element(field, i));
  }
  return {};
}

Result<void> check_command(const Spec& spec) {
  if (spec.command.empty()) {
    return invalid("must not be empty").at("command").fix("give the program and its arguments");
  }
  if (auto fit = within(spec.command.size(), limit::arguments, "command"); !fit) {
    return std::move(fit).error().fix("put them into a file, and push it as code or an input");
  }
  std::size_t bytes = 0;
  for (std::size_t i = 0; i < spec.command.size(); ++i) {
    const std::string& word = spec.command[i];
    if (word.find('\0') != std::string::npos) {
      return invalid("must not hold a NUL character").at(element("command", i));
    }
    bytes += word.size() + 1;
  }
  if (spec.command.front().empty()) return invalid("must name a program").at("command[0]");
  if (bytes > limit::argument_bytes) {
    return invalid("must be at most " + std::to_string(limit::argument_bytes) + " bytes together")
        .at("command")
        .fix("pass long text as an input or as parameters");
  }
  return {};
}

bool is_variable_name(std::string_view name) {
  const auto letter = [](char c) {
    return c == '_' || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
  };
  if (name.empty() || name.size() > 255 || !letter(name.front())) return false;
  return std::all_of(name.begin(), name.end(),
                     [&](char c) { return letter(c) || (c >= '0' && c <= '9'); });
}

Result<void> check_env(const Spec& spec) {
  TRY(within(spec.env.size(), limit::variables, "env"));
  std::size_t bytes = 0;
  for (const auto& [name, value] : spec.env) {
    if (!is_variable_name(name)) {
      return invalid("must be a name of letters, digits and _, not starting with a digit")
          .at("env." + name);
    }
    if (name.starts_with("BESSEMER_")) {
      return invalid("names that start with BESSEMER_ are the factory's").at("env." + name);
    }
    if (value.find('\0') != std::string::npos) {
      return invalid("must not hold a NUL character").at("env." + name);
    }
    bytes += name.size() + value.size() + 2;
  }
  if (bytes > limit::argument_bytes) {
    return invalid("must be at most " + std::to_string(limit::argument_bytes) + " bytes together")
        .at("env");
  }
  return {};
}

Result<void> check_inputs(const Spec& spec) {
  std::vector<std::string> names;
  for (const auto& input : spec.inputs) names.push_back(input.name);
  TRY(check_names(names, "inputs", limit::inputs));
  for (std::size_t i = 0; i < spec.inputs.size(); ++i) {
    const Input& input = spec.inputs[i];
    const int sources = (input.artifact ? 1 : 0) + (input.dataset ? 1 : 0) + (input.model ? 1 : 0);
    // The factory adds the artifact that a dataset or a model was resolved to.
    const bool resolved = sources == 2 && input.artifact;
    if (sources != 1 && !resolved) {
      return invalid("must have one of: artifact, dataset, model").at(element("inputs", i));
    }
    for (const auto& text : {input.dataset, input.model}) {
      if (text && (text->empty() || text->size() > 2 * limits::name + 1)) {
        return invalid("must be a name, or name@version").at(element("inputs", i));
      }
    }
  }
  return {};
}

Result<void> check_parameters(const Spec& spec) {
  if (!spec.parameters) return {};
  if (spec.parameters->text.size() > limit::parameters_bytes) {
    return invalid("must be at most " + std::to_string(limit::parameters_bytes) + " bytes")
        .at("parameters")
        .fix("push larger things as a dataset");
  }
  auto object = json::parse(spec.parameters->text, [](json::Value& root) -> Result<void> {
    return root.object([](std::string_view, json::Value& value) -> Result<void> {
      TRY(value.raw());
      return {};
    });
  });
  if (!object) return std::move(object).error().within("parameters");
  return {};
}

template <class T>
Result<void> between(const std::optional<T>& value, T least, T most, std::string_view field) {
  if (!value || (*value >= least && *value <= most)) return {};
  return invalid("must be between " + std::to_string(least) + " and " + std::to_string(most))
      .at(std::string(field));
}

Result<void> between(const std::optional<Duration>& value, Duration least, Duration most,
                     std::string_view field) {
  if (!value || (*value >= least && *value <= most)) return {};
  return invalid("must be between " + to_text(least) + " and " + to_text(most))
      .at(std::string(field));
}

// Outputs and checkpoints lie on the disk of the journal: there is always a limit to them.
constexpr std::uint64_t default_storage_bytes = 16ull << 30;

Result<void> complete_resources(Spec& spec) {
  Resources& asked = spec.resources ? *spec.resources : spec.resources.emplace();
  if (asked.gpus.value_or(0) > 0 && asked.gpu_milli) {
    return invalid("cannot be given together with gpus")
        .at("resources.gpu_milli")
        .fix("ask for whole accelerators or for a part of one");
  }
  TRY(between(asked.gpus, 0u, limit::gpus, "resources.gpus"));
  TRY(between(asked.gpu_milli, 1u, 999u, "resources.gpu_milli"));
  if (asked.gpu_model) {
    if (asked.gpus.value_or(0) == 0 && !asked.gpu_milli) {
      return invalid("means nothing without gpus or gpu_milli").at("resources.gpu_model");
    }
    if (asked.gpu_model->empty() || asked.gpu_model->size() > limits::name) {
      return invalid("must be 1 to 63 characters").at("resources.gpu_model");
    }
  }
  if (!asked.cpu_millis) asked.cpu_millis = defaults::cpu_millis;
  if (!asked.memory_bytes) asked.memory_bytes = defaults::memory_bytes;
  if (!asked.scratch_bytes) {
    asked.scratch_bytes = std::min(defaults::scratch_bytes, *asked.memory_bytes);
  }
  if (!asked.storage_bytes) asked.storage_bytes = default_storage_bytes;
  TRY(between<std::uint64_t>(asked.cpu_millis, 1, limit::cpu_millis, "resources.cpu_millis"));
  TRY(between<std::uint64_t>(asked.memory_bytes, limit::min_memory_bytes, limit::memory_bytes,
                             "resources.memory_bytes"));
  if (*asked.scratch_bytes > *asked.memory_bytes) {
    return invalid("must be at most memory_bytes, which it is counted in")
        .at("resources.scratch_bytes");
  }
  return between<std::uint64_t>(asked.storage_bytes, 1, limit::memory_bytes,
                                "resources.storage_bytes");
}

Result<void> complete_service(Spec& spec) {
  const bool is_service = *spec.kind == Kind::service;
  if (is_service != spec.service.has_value()) {
    return is_service ? invalid("is required for a service").at("service")
                      : invalid("is only for workloads of kind service").at("service");
  }
  if (!is_service) return {};
  if (spec.service->port == 0) return invalid("must be 1 to 65535").at("service.port");
  if (*spec.tasks != 1) {
    return invalid("a service has one task").at("tasks").fix("declare replicas of an endpoint");
  }
  if (!spec.service->health_path) spec.service->health_path = "/health";
  const std::string& path = *spec.service->health_path;
  const bool printable = std::all_of(path.begin(), path.end(),
                                     [](char c) { return c > ' ' && c < '\x7f'; });
  if (!path.starts_with('/') || path.size() > 256 || !printable) {
    return invalid("must start with / and be at most 256 printable characters")
        .at("service.health_path");
  }
  return {};
}

Result<void> complete_retries(Spec& spec) {
  Retries& retries = spec.retries ? *spec.retries : spec.retries.emplace();
  const bool is_service = *spec.kind == Kind::service;
  if (!retries.max) retries.max = is_service ? 0 : defaults::retries;
  if (retries.on.empty()) retries.on = {Reason::lost, Reason::start_failed};
  for (const Reason reason : retries.on) {
    using enum Reason;
    for (const Reason never : {completed, deadline, preempted, unpaid, drained, cancelled, gang}) {
      if (reason == never) {
        return invalid(std::string(enum_text(reason)) + " is never a reason to retry")
            .at("retries.on");
      }
    }
  }
  if (!retries.backoff) retries.backoff = defaults::backoff;
  if (!retries.max_backoff) {
    retries.max_backoff = std::max(defaults::max_backoff, *retries.backoff);
  }
  TRY(between(retries.max, 0u, limit::retries, "retries.max"));
  TRY(between(retries.backoff, Duration{}, days(1), "retries.backoff"));
  return between(retries.max_backoff, *retries.backoff, days(1), "retries.max_backoff");
}

Result<void> check_spans(const Spec& spec) {
  TRY(between(spec.max_run_time, seconds(1), limit::span, "max_run_time"));
  TRY(between(spec.no_progress, seconds(1), limit::span, "no_progress"));
  return between(spec.grace, Duration{}, hours(1), "grace");
}

Result<void> check_labels(const Spec& spec) {
  TRY(within(spec.labels.size(), limit::labels, "labels"));
  for (const auto& [name, value] : spec.labels) {
    if (auto fit = check_name(name); !fit) return std::move(fit).error().at("labels." + name);
    if (value.size() > 256) {
      return invalid("must be at most 256 characters").at("labels." + name);
    }
  }
  return {};
}

void fill_defaults(Spec& spec) {
  if (!spec.kind) spec.kind = Kind::job;
  const bool is_service = *spec.kind == Kind::service;
  if (!spec.name) spec.name = std::string(enum_text(*spec.kind));
  if (!spec.tasks) spec.tasks = 1;
  if (!spec.priority) spec.priority = 0;
  if (!spec.preemptible) spec.preemptible = !is_service;
  if (!spec.grace) spec.grace = defaults::grace;
  if (!spec.network) spec.network = Network::none;
  if (!spec.environment) spec.environment = "host";
  if (!spec.keep_on_failure) spec.keep_on_failure = false;
}

}  // namespace

Result<Spec> complete(Spec spec) {
  if (!spec.project) return invalid("is required").at("project");
  fill_defaults(spec);
  if (auto fit = check_name(*spec.name); !fit) return std::move(fit).error().at("name");
  TRY(check_command(spec));
  TRY(check_env(spec));
  TRY(check_inputs(spec));
  TRY(check_names(spec.outputs, "outputs", limit::outputs));
  TRY(check_parameters(spec));
  TRY(between(spec.tasks, 1u, limit::tasks, "tasks"));
  TRY(complete_resources(spec));
  TRY(check_names(spec.pools, "pools", limit::pools));
  TRY(between(spec.priority, -limit::priority, limit::priority, "priority"));
  TRY(complete_service(spec));
  TRY(complete_retries(spec));
  TRY(check_spans(spec));
  if (*spec.environment != "host") {
    return invalid("is not an environment of this factory").at("environment").fix("use \"host\"");
  }
  TRY(check_names(spec.secrets, "secrets", limit::secrets));
  TRY(check_labels(spec));
  return spec;
}

Shape shape_of(const Spec& spec) {
  const Resources& asked = spec.resources.value();
  return {asked.gpus.value_or(0), asked.gpu_milli.value_or(0), asked.gpu_model.value_or(""),
          asked.cpu_millis.value(), asked.memory_bytes.value()};
}

}  // namespace bessemer::workload
