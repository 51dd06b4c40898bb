// What a definition says about itself: kinds, needs, order.
#include "orchestration/pipeline/definition.h"

#include <algorithm>
#include <set>

#include "orchestration/pipeline/expression.h"

namespace bessemer::pipeline {

namespace {

// Follows needs from `name` until it comes back: the cycle as "a -> b -> a", or nothing.
class CycleSearch {
 public:
  using Needs = std::map<std::string, std::vector<std::string>>;
  explicit CycleSearch(const Needs& needs) : needs_(needs) {}

  std::string from(const std::string& name) {
    if (done_.contains(name)) return {};
    const auto again = std::find(path_.begin(), path_.end(), name);
    if (again != path_.end()) {
      std::string cycle;
      for (auto at = again; at != path_.end(); ++at) cycle += *at + " -> ";
      return cycle + name;
    }
    path_.push_back(name);
    if (const auto needs = needs_.find(name); needs != needs_.end()) {
      for (const std::string& need : needs->second) {
        if (std::string cycle = from(need); !cycle.empty()) return cycle;
      }
    }
    path_.pop_back();
    done_.insert(name);
    return {};
  }

 private:
  const Needs& needs_;
  std::vector<std::string> path_;  // at most max_steps deep
  std::set<std::string> done_;
};

}  // namespace

std::string_view kind_of(const Step& step) {
  if (step.ingest) return "ingest";
  if (step.job) return "job";
  if (step.gate) return "gate";
  if (step.choose) return "choose";
  if (step.register_) return "register";
  if (step.deploy) return "deploy";
  return "";
}

bool is_fanned_out(const Step& step) { return !step.matrix.empty() || step.each.has_value(); }

const Step* find_step(const Definition& definition, std::string_view name) {
  const auto at = std::find_if(definition.steps.begin(), definition.steps.end(),
                               [&](const Step& step) { return step.name == name; });
  return at == definition.steps.end() ? nullptr : &*at;
}

Result<std::vector<std::string>> needs_of(const Step& step) {
  std::set<std::string> names(step.needs.begin(), step.needs.end());
  // Every text of the step, wherever it stands, in one pass over its JSON.
  TRY_ASSIGN(const auto references, references_in(json::Raw{json::write(step)}));
  for (const Reference& reference : references) {
    if (!reference.step.empty()) names.insert(reference.step);
  }
  if (step.each) names.insert(*step.each);
  if (step.choose) names.insert(step.choose->from);
  if (step.register_) {
    names.insert(step.register_->evaluations.begin(), step.register_->evaluations.end());
  }
  if (step.gate) {
    if (step.gate->of) names.insert(*step.gate->of);
    for (const std::string& text : step.gate->require) {
      TRY_ASSIGN(const Requirement requirement, parse_requirement(text));
      for (const auto* side : {&requirement.left, &requirement.right}) {
        for (const Term& term : *side) {
          const bool names_a_step = term.kind == Term::Kind::operand && !term.of.empty() &&
                                    term.of != "champion" && term.of != "params" &&
                                    term.of != "matrix";
          if (names_a_step) names.insert(term.of);
        }
      }
    }
  }
  return std::vector<std::string>(names.begin(), names.end());
}

Result<std::vector<std::string>> order_of(const Definition& definition) {
  CycleSearch::Needs needs;
  for (const Step& step : definition.steps) {
    TRY_ASSIGN(needs[step.name], needs_of(step));
  }
  CycleSearch search(needs);
  for (const Step& step : definition.steps) {
    if (const std::string cycle = search.from(step.name); !cycle.empty()) {
      return invalid("the steps wait for each other: " + cycle).at("steps");
    }
  }
  std::vector<std::string> order;
  std::set<std::string> placed;
  while (order.size() < definition.steps.size()) {
    const std::size_t before = order.size();
    for (const Step& step : definition.steps) {
      if (placed.contains(step.name)) continue;
      const auto& waits_for = needs[step.name];
      const bool ready = std::all_of(waits_for.begin(), waits_for.end(), [&](const auto& need) {
        return placed.contains(need) || find_step(definition, need) == nullptr;
      });
      if (!ready) continue;
      order.push_back(step.name);
      placed.insert(step.name);
    }
    if (order.size() == before) return invalid("two steps have the same name").at("steps");
  }
  return order;
}

}  // namespace bessemer::pipeline
