// The model registry.
#include <algorithm>

#include "application/api/lookup.h"
#include "application/api/page.h"
#include "application/api/tables.h"

namespace bessemer::api {
namespace {

using access::Action;
using access::Resource;
using http::Method;

struct ModelView {
  ModelId id;
  std::string project_path;
  std::string name;
  std::string description;
  std::uint64_t version_count = 0;
  std::map<std::string, std::uint32_t> aliases;  // where each points now
  std::vector<registry::Version> versions;
  Instant created_at;
};
DESCRIBE(ModelView, id, project_path, name, description, version_count, aliases, versions,
         created_at)

ModelView view_of(const factory::State& state, const registry::Model& found) {
  ModelView view;
  view.id = found.id;
  view.project_path = tenant::path_of(state.tenant, found.project);
  view.name = found.name;
  view.description = found.description;
  view.version_count = found.versions.size();
  for (const auto& [alias, moves] : found.aliases) {
    if (!moves.empty() && moves.back().version != 0) view.aliases[alias] = moves.back().version;
  }
  for (const auto& [number, version] : found.versions) view.versions.push_back(version);
  view.created_at = found.created_at;
  return view;
}

Result<const registry::Model*> named_model(Call& call) {
  return named_thing<ModelId>(
      call, "model", "model", [&](ModelId id) { return registry::find(call.state().registry, id); },
      [](const registry::Model& found) { return found.project; });
}

struct CreateModel {
  std::string name;
  std::optional<std::string> description;
};
DESCRIBE(CreateModel, name, description)

Result<ModelView> create_model(Call& call, const InProject<CreateModel>& body) {
  TRY_ASSIGN(const OrgId project, placed(call, body.project, "project"));
  TRY(tenant::open_node(call.state().tenant, project));
  const ModelId id = call.draw<ModelId>();
  call.makes("/api/v1/models/" + to_text(id));
  TRY(call.submit(registry::Command(
      registry::Create{id, project, body.rest.name, body.rest.description.value_or("")})));
  return view_of(call.state(), *registry::find(call.state().registry, id));
}

Result<Page<ModelView>> list_models(Call& call) {
  TRY_ASSIGN(const OrgId project, queried_org(call, "project"));
  std::vector<const registry::Model*> all;
  for (const auto& [id, model] : call.state().registry.models) {
    if (model.project == project && !model.deleted) all.push_back(&model);
  }
  return paginate<ModelView>(
      call, all, [](const registry::Model* one) { return to_text(one->id); },
      [&](const registry::Model* one) { return view_of(call.state(), *one); });
}

Result<ModelView> get_model(Call& call) {
  TRY_ASSIGN(const registry::Model* const found, named_model(call));
  return view_of(call.state(), *found);
}

struct ImportVersion {
  Digest tree;
  std::optional<std::string> format;
  std::optional<std::string> source;
};
DESCRIBE(ImportVersion, tree, format, source)

Result<registry::Version> import_version(Call& call, const ImportVersion& body) {
  TRY_ASSIGN(const registry::Model* const found, named_model(call));
  const artifact::Artifact* const bytes =
      artifact::find(call.state().artifact, found->project, body.tree);
  if (bytes == nullptr) {
    return not_found("the project has no such artifact").at("tree").fix("push the folder first");
  }
  registry::AddVersion add;
  add.model = found->id;
  add.artifact = body.tree;
  add.bytes = bytes->bytes;
  add.format = body.format.value_or("");
  add.origin = registry::Origin::imported;
  add.source = body.source.value_or("");
  const ModelId id = found->id;
  TRY(call.submit(registry::Command(std::move(add))));
  return *registry::find_artifact(*registry::find(call.state().registry, id), body.tree);
}

struct AliasBody {
  std::uint32_t version = 0;
};
DESCRIBE(AliasBody, version)

Result<ModelView> set_alias(Call& call, const AliasBody& body) {
  TRY_ASSIGN(const registry::Model* const found, named_model(call));
  const ModelId id = found->id;
  TRY(call.submit(registry::Command(registry::SetAlias{id, call.part("alias"), body.version})));
  return view_of(call.state(), *registry::find(call.state().registry, id));
}

Result<Nothing> delete_model(Call& call) {
  TRY_ASSIGN(const registry::Model* const found, named_model(call));
  TRY(call.submit(factory::OwnCommand(factory::DeleteModel{found->id})));
  return Nothing{};
}

}  // namespace

Table model_routes() {
  return {
      route<&create_model>(Method::post, "/api/v1/models", "create_model", "Create a model",
                           Resource::model, Action::create),
      route<&list_models>(Method::get, "/api/v1/models", "list_models", "Models of a project",
                          Resource::model, Action::list,
                          with_page({{"project", "path or id of the project"}})),
      route<&get_model>(Method::get, "/api/v1/models/{model}", "get_model",
                        "One model with versions, metrics and aliases", Resource::model,
                        Action::read),
      route<&import_version>(Method::post, "/api/v1/models/{model}/versions",
                             "import_model_version", "Register a tree as its next version",
                             Resource::model, Action::create),
      route<&set_alias>(Method::put, "/api/v1/models/{model}/aliases/{alias}", "set_model_alias",
                        "Point an alias at a version; 0 removes it", Resource::model,
                        Action::update),
      route<&delete_model>(Method::del, "/api/v1/models/{model}", "delete_model",
                           "Remove a model", Resource::model, Action::remove),
  };
}

}  // namespace bessemer::api
