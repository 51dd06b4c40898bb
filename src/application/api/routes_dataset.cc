// Datasets and their versions.
#include <algorithm>

#include "application/api/lookup.h"
#include "application/api/page.h"
#include "application/api/tables.h"

namespace bessemer::api {
namespace {

using access::Action;
using access::Resource;
using http::Method;

struct DatasetView {
  DatasetId id;
  std::string project_path;
  std::string name;
  std::string description;
  std::uint64_t version_count = 0;
  std::uint64_t bytes = 0;    // of the latest version
  std::string licence;        // of the latest version
  std::vector<dataset::Version> versions;
  std::map<std::string, std::uint32_t> aliases;
  Instant created_at;
};
DESCRIBE(DatasetView, id, project_path, name, description, version_count, bytes, licence, versions,
         aliases, created_at)

DatasetView view_of(const factory::State& state, const dataset::Dataset& found) {
  DatasetView view;
  view.id = found.id;
  view.project_path = tenant::path_of(state.tenant, found.project);
  view.name = found.name;
  view.description = found.description;
  view.version_count = found.versions.size();
  if (const dataset::Version* latest = dataset::latest(found)) {
    view.bytes = latest->bytes;
    view.licence = latest->licence;
  }
  for (const auto& [number, version] : found.versions) view.versions.push_back(version);
  view.aliases = found.aliases;
  view.created_at = found.created_at;
  return view;
}

Result<const dataset::Dataset*> named_dataset(Call& call) {
  return named_thing<DatasetId>(
      call, "dataset", "dataset",
      [&](DatasetId id) { return dataset::find(call.state().dataset, id); },
      [](const dataset::Dataset& found) { return found.project; });
}

struct CreateDataset {
  std::string name;
  std::optional<std::string> description;
};
DESCRIBE(CreateDataset, name, description)

Result<DatasetView> create_dataset(Call& call, const InProject<CreateDataset>& body) {
  TRY_ASSIGN(const OrgId project, placed(call, body.project, "project"));
  TRY(tenant::open_node(call.state().tenant, project));
  const DatasetId id = call.draw<DatasetId>();
  call.makes("/api/v1/datasets/" + to_text(id));
  TRY(call.submit(dataset::Command(
      dataset::Create{id, project, body.rest.name, body.rest.description.value_or("")})));
  return view_of(call.state(), *dataset::find(call.state().dataset, id));
}

Result<Page<DatasetView>> list_datasets(Call& call) {
  TRY_ASSIGN(const OrgId project, queried_org(call, "project"));
  auto all = dataset::list(call.state().dataset, project);
  std::ranges::sort(all, {}, &dataset::Dataset::id);
  return paginate<DatasetView>(
      call, all, [](const dataset::Dataset* one) { return to_text(one->id); },
      [&](const dataset::Dataset* one) { return view_of(call.state(), *one); });
}

Result<DatasetView> get_dataset(Call& call) {
  TRY_ASSIGN(const dataset::Dataset* const found, named_dataset(call));
  return view_of(call.state(), *found);
}

struct AddVersion {
  Digest tree;
  std::optional<dataset::Schema> schema;
  std::optional<std::string> licence;
  std::optional<std::string> source;
};
DESCRIBE(AddVersion, tree, schema, licence, source)

Result<dataset::Version> add_version(Call& call, const AddVersion& body) {
  TRY_ASSIGN(const dataset::Dataset* const found, named_dataset(call));
  const artifact::Artifact* const bytes =
      artifact::find(call.state().artifact, found->project, body.tree);
  if (bytes == nullptr) {
    return not_found("the project has no such artifact").at("tree").fix("push the folder first");
  }
  dataset::AddVersion add;
  add.dataset = found->id;
  add.tree = body.tree;
  add.bytes = bytes->bytes;
  add.files = bytes->files;
  add.schema = body.schema.value_or(dataset::Schema{});
  add.licence = body.licence.value_or("");
  add.source = body.source.value_or("");
  const DatasetId id = found->id;
  const dataset::Schema schema = add.schema;
  TRY(call.submit(dataset::Command(std::move(add))));
  return *dataset::find_tree(*dataset::find(call.state().dataset, id), body.tree, schema);
}

Result<dataset::Version> inspect_version(Call& call) {
  TRY_ASSIGN(const dataset::Dataset* const found, named_dataset(call));
  const DatasetId id = found->id;
  TRY_ASSIGN(const std::uint32_t number, dataset::resolve(*found, call.part("version")));
  TRY(call.submit(dataset::Command(dataset::Inspect{id, number})));
  return *dataset::find_version(call.state().dataset, id, number);
}

// The record stays, for lineage; the bytes are given up and may be registered again.
Result<Nothing> delete_version(Call& call) {
  TRY_ASSIGN(const dataset::Dataset* const found, named_dataset(call));
  const auto number = parse_unsigned(call.part("version"));
  if (!number || *number == 0 || *number > dataset::max_versions ||
      !found->versions.contains(static_cast<std::uint32_t>(*number))) {
    return not_found("the dataset has no such version")
        .at("version")
        .fix("name one by its number: bessemer dataset get " + found->name);
  }
  TRY(call.submit(dataset::Command(
      dataset::DeleteVersion{found->id, static_cast<std::uint32_t>(*number)})));
  return Nothing{};
}

Result<Nothing> delete_dataset(Call& call) {
  TRY_ASSIGN(const dataset::Dataset* const found, named_dataset(call));
  TRY(call.submit(factory::OwnCommand(factory::DeleteDataset{found->id})));
  return Nothing{};
}

}  // namespace

Table dataset_routes() {
  return {
      route<&create_dataset>(Method::post, "/api/v1/datasets", "create_dataset",
                             "Create a dataset", Resource::dataset, Action::create),
      route<&list_datasets>(Method::get, "/api/v1/datasets", "list_datasets",
                            "Datasets of a project", Resource::dataset, Action::list,
                            with_page({{"project", "path or id of the project"}})),
      route<&get_dataset>(Method::get, "/api/v1/datasets/{dataset}", "get_dataset",
                          "One dataset with its versions", Resource::dataset, Action::read),
      route<&add_version>(Method::post, "/api/v1/datasets/{dataset}/versions",
                          "add_dataset_version", "Make a tree its next version",
                          Resource::dataset, Action::create),
      route<&delete_version>(Method::del, "/api/v1/datasets/{dataset}/versions/{version}",
                             "delete_dataset_version",
                             "Give up the bytes of one version; its record stays",
                             Resource::dataset, Action::remove),
      route<&inspect_version>(Method::post,
                              "/api/v1/datasets/{dataset}/versions/{version}/inspect",
                              "inspect_dataset_version",
                              "Have bytes that could not be read inspected again",
                              Resource::dataset, Action::update),
      route<&delete_dataset>(Method::del, "/api/v1/datasets/{dataset}", "delete_dataset",
                             "Remove a dataset and give up its bytes", Resource::dataset,
                             Action::remove),
  };
}

}  // namespace bessemer::api
