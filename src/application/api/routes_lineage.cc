// Lineage: what a thing came from, and what came of it.
#include "application/api/lookup.h"
#include "application/api/tables.h"
#include "base/text.h"
#include "data/lineage/lineage.h"

namespace bessemer::api {
namespace {

using access::Action;
using access::Resource;
using http::Method;

// "digits@2" -> ("digits", "2"); without '@' the second part is empty: the newest.
std::pair<std::string, std::string> name_and_version(std::string_view text) {
  const std::size_t at = text.find('@');
  if (at == std::string_view::npos) return {std::string(text), ""};
  return {std::string(text.substr(0, at)), std::string(text.substr(at + 1))};
}

Error unknown(std::string_view what) {
  return not_found("no such " + std::string(what) + " in the project").at("of");
}

// Of a dataset or model, by id or name: the version that `text` means.
template <class Id, class Answer, class State>
Result<lineage::Subject> versioned(const State& state, OrgId project, std::string_view what,
                                   std::string_view text) {
  const auto [name, which] = name_and_version(text);
  const auto id = from_text(std::type_identity<Id>{}, name);
  const auto* const found = id ? find(state, *id) : find(state, project, name);
  if (found == nullptr || found->project != project) return unknown(what);
  auto version = resolve(*found, which);
  if (!version) return std::move(version).error().at("of");
  return Answer{found->id, *version};
}

// "digits@2" alone: whichever kind of thing has that name, if only one has.
Result<std::string> kind_of(const factory::State& state, OrgId project, std::string_view text) {
  const std::string name = name_and_version(text).first;
  std::vector<std::string> kinds;
  if (registry::find(state.registry, project, name) != nullptr) kinds.emplace_back("model");
  if (dataset::find(state.dataset, project, name) != nullptr) kinds.emplace_back("dataset");
  if (deployment::find_by_name(state.deployment, project, name) != nullptr) {
    kinds.emplace_back("endpoint");
  }
  if (kinds.size() == 1) return kinds.front();
  if (kinds.empty()) {
    return not_found("no model, dataset or endpoint of that name in the project")
        .at("of")
        .fix("say model:NAME@VERSION, dataset:NAME@VERSION, endpoint:NAME or an id");
  }
  return conflict("is a " + join(kinds, " and a ") + " in the project").at("of").fix(
      "say " + kinds.front() + ":" + name);
}

// "model:digits@2", "dataset:mnist@1", "endpoint:digits", a name that only one thing has, or an id.
Result<lineage::Subject> subject_of(const factory::State& state, OrgId project,
                                    std::string_view text) {
  const std::size_t colon = text.find(':');
  const std::string_view kind = text.substr(0, colon == std::string_view::npos ? 0 : colon);
  const std::string_view rest = colon == std::string_view::npos ? text : text.substr(colon + 1);
  if (kind == "dataset" || (kind.empty() && rest.starts_with("ds_"))) {
    return versioned<DatasetId, lineage::DatasetVersion>(state.dataset, project, "dataset", rest);
  }
  if (kind == "model" || (kind.empty() && rest.starts_with("mdl_"))) {
    return versioned<ModelId, lineage::ModelVersion>(state.registry, project, "model", rest);
  }
  if (kind == "endpoint" || (kind.empty() && rest.starts_with("ep_"))) {
    const auto id = from_text(std::type_identity<EndpointId>{}, rest);
    const auto* const found = id ? deployment::find(state.deployment, *id)
                                 : deployment::find_by_name(state.deployment, project, rest);
    if (found == nullptr || found->project != project) return unknown("endpoint");
    return lineage::Endpoint{found->id};
  }
  if (kind == "run" || (kind.empty() && rest.starts_with("run_"))) {
    const auto id = from_text(std::type_identity<RunId>{}, rest);
    const auto found = id ? state.run.runs.find(*id) : state.run.runs.end();
    if (found == state.run.runs.end() || found->second.project != project) return unknown("run");
    return lineage::ExperimentRun{*id};
  }
  if (!kind.empty()) {
    return invalid("names no thing with a lineage").at("of")
        .fix("say model:NAME@VERSION, dataset:NAME@VERSION, endpoint:NAME or an id");
  }
  TRY_ASSIGN(const std::string found, kind_of(state, project, rest));
  return subject_of(state, project, found + ":" + std::string(rest));
}

lineage::Sources sources_of(const Call& call) {
  const factory::State& state = call.state();
  lineage::Sources sources{state.dataset, state.run, state.registry, {}, {}, {}};
  for (const auto& [id, endpoint] : state.deployment.endpoints) {
    for (const deployment::Revision& revision : endpoint.revisions) {
      if (!revision.runs.model_id || !revision.runs.version) continue;
      sources.served.push_back({id, endpoint.project, endpoint.name, *revision.runs.model_id,
                                *revision.runs.version});
    }
  }
  for (const tenant::Node* node : tenant::list(state.tenant, tenant::root)) {
    if (node->kind == tenant::Kind::project && call.may(node->id, Resource::run, Action::read)) {
      sources.visible.insert(node->id);
    }
  }
  return sources;
}

Result<lineage::Branch> get_lineage(Call& call) {
  TRY_ASSIGN(const OrgId project, queried_org(call, "project"));
  const auto of = call.query("of");
  if (!of) return invalid("is required").at("of");
  const std::string_view direction = call.query("direction").value_or("up");
  if (direction != "up" && direction != "down") {
    return invalid("must be up (where it came from) or down (what came of it)").at("direction");
  }
  TRY_ASSIGN(const lineage::Subject subject, subject_of(call.state(), project, *of));
  const lineage::Sources sources = sources_of(call);
  return direction == "up" ? lineage::origins(sources, subject)
                           : lineage::products(sources, subject);
}

// A branch holds branches; json::schema writes types out in full, so it cannot say that.
std::string branch_schema() {
  return R"({"type":"object","additionalProperties":false,"properties":{)"
         R"("relation":{"type":"string"},"kind":{"type":"string"},"id":{"type":"string"},)"
         R"("label":{"type":"string"},"detail":{"type":"string"},"repeated":{"type":"boolean"},)"
         R"("branches":{"type":"array","items":{"type":"object"}}}})";
}

}  // namespace

Table lineage_routes() {
  Route lineage = route<&get_lineage>(
      Method::get, "/api/v1/lineage", "get_lineage", "What a thing came from, or what came of it",
      Resource::run, Action::read,
      {{"of", "model:NAME@VERSION, dataset:NAME@VERSION, endpoint:NAME, a name or an id"},
       {"direction", "up or down"},
       {"project", "path or id of the project"}});
  lineage.answer_schema = &branch_schema;
  return {lineage};
}

}  // namespace bessemer::api
