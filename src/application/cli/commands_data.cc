// Commands about data: datasets, artifacts, experiment runs, models, lineage.
#include "application/cli/catalog.h"
#include "application/cli/session.h"
#include "application/cli/transfer.h"

namespace bessemer::cli {
namespace {

using Times = Operand::Times;

const Noun dataset = {"dataset", "name|id",
                      {{"NAME", "name"}, {"PROJECT", "project_path|project"},
                       {"VERSIONS", "version_count|versions", Show::number},
                       {"BYTES", "bytes", Show::bytes}, {"LICENCE", "licence"},
                       {"AGE", "created_at", Show::age}, {"ID", "id"}}};
const Noun artifact = {"artifact", "digest",
                       {{"DIGEST", "digest"}, {"KIND", "kind"}, {"BYTES", "bytes", Show::bytes},
                        {"FILES", "files", Show::number}, {"AGE", "created_at", Show::age}}};
const Noun run = {"run", "id",
                  {{"ID", "id"}, {"EXPERIMENT", "experiment"}, {"NAME", "name"},
                   {"STATUS", "status"}, {"METRICS", "metrics", Show::words},
                   {"AGE", "started_at", Show::age}}};
const Noun model = {"model", "name|id",
                    {{"NAME", "name"}, {"PROJECT", "project_path|project"},
                     {"VERSIONS", "version_count|versions", Show::number},
                     {"ALIASES", "aliases", Show::words}, {"AGE", "created_at", Show::age},
                     {"ID", "id"}}};

const Operand dataset_operand = {.name = "DATASET", .help = "an id or a name",
                                 .lookup = "/api/v1/datasets"};
const Operand model_operand = {.name = "MODEL", .help = "an id or a name",
                               .lookup = "/api/v1/models"};
const Operand experiment_operand = {.name = "RUN", .help = "an id, or a name: its last run",
                                    .lookup = "/api/v1/runs"};

std::vector<Command> stored_commands() {
  return {
      {.path = "dataset list", .summary = "datasets", .method = "GET",
       .target = "/api/v1/datasets", .noun = &dataset, .project = "?project"},
      {.path = "dataset get", .summary = "one dataset: versions, schema, rows, how they fit",
       .operands = {{"DATASET", "an id or a name"}}, .run = &show_dataset},
      {.path = "dataset push", .summary = "upload a folder as a new version",
       .operands = {{"DATASET", "its name; made when there is none"}, {"FOLDER", "what to upload"}},
       .options = {{"licence", 0, "TEXT", "such as CC-BY-4.0"},
                   {"source", 0, "TEXT", "where it comes from"},
                   {"schema", 0, "FILE", "what the rows must be, as YAML: the push fails when "
                                         "they are not"},
                   {"description", 0, "TEXT", "of a new dataset"}},
       .run = &push_dataset,
       .details = "  bessemer dataset push prices data/ -p acme/vision --schema prices.yaml\n\n"
                  "  format: csv\n"
                  "  columns: [{name: item, type: text}, {name: price, type: number}]\n"
                  "  min_rows: 1"},
      {.path = "dataset pull", .summary = "download a version",
       .operands = {{"DATASET", "mnist or mnist@3"}, {"FOLDER", "where to put it"}},
       .run = &pull_dataset},
      {.path = "dataset inspect", .summary = "have bytes that could not be read read again",
       .operands = {{"DATASET", "mnist or mnist@3"}}, .run = &inspect_dataset,
       .details = "  bessemer dataset inspect prices@2 -p acme/vision\n\n"
                  "Waits, and shows how they fit. What was read already is only shown."},
      {.path = "dataset delete", .summary = "remove a dataset", .method = "DELETE",
       .target = "/api/v1/datasets/{DATASET}", .operands = {dataset_operand}},
      {.path = "dataset delete-version", .summary = "give up the bytes of one version",
       .method = "DELETE", .target = "/api/v1/datasets/{DATASET}/versions/{VERSION}",
       .operands = {dataset_operand, {"VERSION", "its number"}},
       .details = "  bessemer dataset delete-version prices 2 -p acme/vision\n"
                  "  Its record stays, for lineage; the same bytes may be pushed again, under "
                  "another schema."},
      {.path = "artifact list", .summary = "what a project keeps, by digest", .method = "GET",
       .target = "/api/v1/artifacts", .noun = &artifact, .project = "?project"},
      {.path = "artifact push", .summary = "upload a folder; prints its digest",
       .operands = {{"FOLDER", "what to upload"}}, .run = &push_artifact},
      {.path = "artifact pull", .summary = "download a tree by its digest",
       .operands = {{"DIGEST", "SHA-256 of the tree"}, {"FOLDER", "where to put it"}},
       .run = &pull_artifact},
      {.path = "artifact abandon", .summary = "give up an upload: what has arrived is dropped",
       .method = "DELETE", .target = "/api/v1/uploads/{UPLOAD}",
       .operands = {{"UPLOAD", "upl_..., as the API named it when it was begun"}}},
  };
}

std::vector<Command> model_commands() {
  return {
      {.path = "model list", .summary = "models", .method = "GET", .target = "/api/v1/models",
       .noun = &model, .project = "?project"},
      {.path = "model get", .summary = "one model with versions, metrics and aliases",
       .operands = {{"MODEL", "an id or a name"}}, .run = &show_model},
      {.path = "model import", .summary = "register an existing model, so that serving needs no "
                                          "training",
       .operands = {{"MODEL", "its name"}, {"FOLDER", "its files"}},
       .options = {{"format", 0, "WORD", "safetensors, gguf, onnx, ...; the files tell, when "
                                         "left out"},
                   {"source", 0, "TEXT", "where it comes from"},
                   {"alias", 0, "WORD", "point this alias at it"},
                   {"description", 0, "TEXT", "of a new model"}},
       .run = &import_model,
       .details = "  bessemer model import llama weights/ -p acme/vision --alias champion"},
      {.path = "model alias", .summary = "point an alias at a version", .method = "PUT",
       .target = "/api/v1/models/{MODEL}/aliases/{ALIAS}", .noun = &model,
       .operands = {model_operand, {"ALIAS", "champion"},
                    {"VERSION", "its number", Times::once, As::number, "version"}}},
      {.path = "model delete", .summary = "remove a model", .method = "DELETE",
       .target = "/api/v1/models/{MODEL}", .operands = {model_operand}},
      {.path = "experiment list", .summary = "experiment runs", .method = "GET",
       .target = "/api/v1/runs", .noun = &run, .project = "?project",
       .options = {{"experiment", 0, "NAME", "only this experiment", As::text, "?experiment"}}},
      {.path = "experiment get", .summary = "one run: parameters, metrics, inputs, outputs",
       .method = "GET", .target = "/api/v1/runs/{RUN}", .operands = {experiment_operand}},
      {.path = "experiment metrics", .summary = "a run's metrics over its steps",
       .method = "GET", .target = "/api/v1/runs/{RUN}/metrics", .operands = {experiment_operand},
       .options = {{"name", 'n', "METRIC", "only this one", As::text, "?name"}}},
      {.path = "experiment delete", .summary = "forget a run and give up its outputs",
       .method = "DELETE", .target = "/api/v1/runs/{RUN}", .operands = {experiment_operand},
       .details = "  bessemer experiment delete run_... -p acme/vision\n"
                  "  Refused while a model was made or measured by it. What is used elsewhere "
                  "stays."},
      {.path = "lineage", .summary = "what a thing came from, and what came of it",
       .operands = {{"THING", "a name or id; model:digits@2, dataset:mnist@1, endpoint:digits"}},
       .options = {{"down", 0, "", "only what came of it"},
                   {"up", 0, "", "only where it came from"}},
       .run = &show_lineage, .details = "  bessemer lineage model:digits@champion -p acme/vision"},
  };
}

}  // namespace

std::vector<Command> data_commands() {
  std::vector<Command> all = stored_commands();
  for (Command& command : model_commands()) all.push_back(std::move(command));
  return all;
}

}  // namespace bessemer::cli
