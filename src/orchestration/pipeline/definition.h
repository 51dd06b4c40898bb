// A pipeline as a person writes it: one YAML file, read as JSON into these structs.
//
// Text fields may hold ${...} (expression.h): params.NAME, matrix.NAME, steps.STEP.outputs.NAME,
// steps.STEP.metrics.NAME. Whatever a step names, it waits for.
#pragma once
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/describe.h"
#include "base/json.h"
#include "base/result.h"

namespace bessemer::pipeline {

constexpr std::size_t max_steps = 200;             // written
constexpr std::size_t max_instances = 1'000;       // after fan-out
constexpr std::size_t max_parameters = 200;
constexpr std::size_t max_parameter_bytes = 4096;  // of one value's JSON
constexpr std::size_t max_command_words = 200;
constexpr std::size_t max_inputs = 64;             // of one step
constexpr std::size_t max_outputs = 64;
constexpr std::size_t max_requirements = 32;       // of one gate
constexpr std::size_t max_definition_bytes = 256 << 10;

// A folder becomes a version of a dataset. Output: `dataset`.
struct Ingest {
  std::string dataset;                // created when there is none of this name
  std::optional<std::string> from;    // a folder beside the file: the CLI pushes it and puts `tree`
  std::optional<std::string> tree;    // a digest, or ${steps.STEP.outputs.NAME}
  std::optional<std::string> licence;
  std::optional<std::string> source;
  std::optional<std::string> description;
  std::optional<json::Raw> schema;    // see dataset::Schema
  friend bool operator==(const Ingest&, const Ingest&) = default;
};
DESCRIBE(Ingest, dataset, from, tree, licence, source, description, schema)

// A program that runs to its end in a sandbox: training, evaluation, anything. What a workload
// specification calls by the same name is passed on to it as it stands.
struct Job {
  std::vector<std::string> command;
  std::optional<std::string> code;         // digest of a tree; left out: the pipeline's
  std::optional<std::string> environment;  // left out: the pipeline's
  std::map<std::string, std::string> inputs;    // name -> digest or ${steps.…}
  std::map<std::string, json::Raw> parameters;  // what /bessemer/parameters.json holds
  std::map<std::string, std::string> env;       // environment variables
  std::vector<std::string> outputs;        // names below /bessemer/outputs that must be there
  std::vector<std::string> secrets;
  std::optional<bool> cache;               // left out: true
  std::optional<std::string> experiment;   // left out: the pipeline's name
  std::map<std::string, std::string> goals;  // metric -> minimise | maximise
  // Of a workload; no part of the cache key:
  std::optional<json::Raw> resources;
  std::optional<json::Raw> retries;
  std::vector<std::string> pools;
  std::optional<std::int32_t> priority;
  std::optional<bool> preemptible;
  std::optional<std::uint32_t> tasks;
  std::optional<std::string> max_run_time;
  std::optional<std::string> no_progress;
  std::optional<std::string> grace;
  std::optional<std::string> network;
  std::optional<std::string> isolation;
  std::optional<bool> keep_on_failure;
  friend bool operator==(const Job&, const Job&) = default;
};
DESCRIBE(Job, command, code, environment, inputs, parameters, env, outputs, secrets, cache,
         experiment, goals, resources, retries, pools, priority, preemptible, tasks, max_run_time,
         no_progress, grace, network, isolation, keep_on_failure)

// Stops the line unless every requirement holds: "accuracy >= 0.9", "loss < champion.loss".
struct Gate {
  std::vector<std::string> require;
  std::optional<std::string> of;         // the step whose metrics bare names are
  std::optional<std::string> champion;   // the model whose alias `champion` is compared with
  std::optional<bool> without_champion;  // does it pass when there is none? Left out: true
  friend bool operator==(const Gate&, const Gate&) = default;
};
DESCRIBE(Gate, require, of, champion, without_champion)

// Of the instances of a fanned-out step, takes the one with the best metric. Its outputs and
// metrics, and those of the steps it came through, become this step's.
struct Choose {
  std::string from;
  std::optional<std::string> highest;  // a metric; exactly one of the two
  std::optional<std::string> lowest;
  friend bool operator==(const Choose&, const Choose&) = default;
};
DESCRIBE(Choose, from, highest, lowest)

// An output becomes a model version. Output: `model`.
struct Register {
  std::string model;                     // created when there is none of this name
  std::string from;                      // ${steps.STEP.outputs.NAME}
  std::string format;                    // "gguf", "onnx", …
  std::vector<std::string> evaluations;  // steps whose metrics are attached
  std::vector<std::string> aliases;      // moved to the new version: [champion]
  std::optional<std::string> description;
  friend bool operator==(const Register&, const Register&) = default;
};
DESCRIBE(Register, model, from, format, evaluations, aliases, description)

// A model version goes behind an endpoint, as a deployment declares it. Output: `endpoint`.
struct Deploy {
  std::string endpoint;
  std::string model;                      // ${steps.STEP.outputs.model}
  json::Raw workload{"{}"};               // of each replica; without `code`: the pipeline's
  std::vector<std::string> aliases;
  std::optional<std::string> protocol;    // openai | v2
  std::optional<std::string> billing;     // dedicated | shared | published
  std::optional<std::uint32_t> replicas;
  std::optional<json::Raw> health;
  friend bool operator==(const Deploy&, const Deploy&) = default;
};
DESCRIBE(Deploy, endpoint, model, workload, aliases, protocol, billing, replicas, health)

// One step: a name and exactly one of the kinds.
struct Step {
  std::string name;
  std::vector<std::string> needs;  // steps to wait for that no ${…} names, such as gates
  // Fan-out: one instance per combination; ${matrix.NAME} is its value.
  std::map<std::string, std::vector<json::Raw>> matrix;
  std::optional<std::string> each;  // one instance for each instance of that step
  std::optional<Ingest> ingest;
  std::optional<Job> job;
  std::optional<Gate> gate;
  std::optional<Choose> choose;
  std::optional<Register> register_;
  std::optional<Deploy> deploy;
  friend bool operator==(const Step&, const Step&) = default;
};
DESCRIBE(Step, name, needs, matrix, each, ingest, job, gate, choose, register_, deploy)

struct Definition {
  std::string name;
  std::optional<std::string> description;
  std::map<std::string, json::Raw> parameters;  // with their defaults
  std::optional<std::string> code;              // digest of a tree; in the file, a folder to push
  std::optional<std::string> environment;       // left out: host
  std::vector<Step> steps;
  friend bool operator==(const Definition&, const Definition&) = default;
};
DESCRIBE(Definition, name, description, parameters, code, environment, steps)

// "job", "gate", …; "" when the step has none.
std::string_view kind_of(const Step& step);

// The step has one instance for each point of a matrix.
bool is_fanned_out(const Step& step);

// The steps that a step waits for, each once, by name.
Result<std::vector<std::string>> needs_of(const Step& step);

// Everything that can be known before a run: names, limits, exactly one kind, every ${…} and
// requirement parses and names something that is there, no cycle ("a -> b -> a").
// Errors: invalid, with the path of the field.
Result<void> check_definition(const Definition& definition);

// Every step after those it needs; otherwise in the order written. Errors: invalid (a cycle).
Result<std::vector<std::string>> order_of(const Definition& definition);

// Nothing when there is none.
const Step* find_step(const Definition& definition, std::string_view name);

}  // namespace bessemer::pipeline
