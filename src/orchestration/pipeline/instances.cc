// Fan-out: matrices multiplied, chains of `each` bound to the instances they go along with.
#include "orchestration/pipeline/instances.h"

#include <fmt/format.h>

#include <algorithm>
#include <set>

#include "base/check.h"
#include "orchestration/pipeline/expression.h"

namespace bessemer::pipeline {

namespace {

using Matrix = std::map<std::string, json::Raw>;

// "[seed=1,width=64]"; "" without a matrix. Texts stand without their quotes.
std::string suffix_of(const Matrix& point) {
  std::string out;
  for (const auto& [name, value] : point) {
    std::string_view text = value.text;
    if (text.size() >= 2 && text.front() == '"') text = text.substr(1, text.size() - 2);
    out += fmt::format("{}{}={}", out.empty() ? "[" : ",", name, text);
  }
  return out.empty() ? out : out + "]";
}

// Every point of a matrix, the last dimension running fastest.
std::vector<Matrix> points_of(const Step& step) {
  std::vector<Matrix> points(1);
  for (const auto& [name, values] : step.matrix) {
    std::vector<Matrix> longer;
    for (const Matrix& point : points) {
      for (const json::Raw& value : values) {
        longer.push_back(point);
        longer.back()[name] = value;
      }
    }
    points = std::move(longer);
  }
  return points;
}

}  // namespace

Result<std::vector<Instance>> instances_of(const Definition& definition) {
  TRY_ASSIGN(const auto order, order_of(definition));
  std::map<std::string, std::vector<Instance>> made;  // by step
  std::vector<Instance> all;
  for (const std::string& name : order) {
    const Step& step = *find_step(definition, name);
    TRY_ASSIGN(const auto needs, needs_of(step));
    std::vector<Instance> instances;
    if (step.each) {
      for (const Instance& along : made[*step.each]) {
        instances.push_back({"", name, along.matrix, {}, along.bindings});
        instances.back().bindings[along.step] = along.name;
      }
    } else {
      for (const Matrix& point : points_of(step)) instances.push_back({"", name, point, {}, {}});
    }
    for (Instance& instance : instances) {
      instance.name = name + suffix_of(instance.matrix);
      std::set<std::string> waits_for;
      for (const std::string& need : needs) {
        if (const auto bound = instance.bindings.find(need); bound != instance.bindings.end()) {
          waits_for.insert(bound->second);
          continue;
        }
        for (const Instance& other : made[need]) waits_for.insert(other.name);
        if (!is_fanned_out(*find_step(definition, need))) instance.bindings[need] = need;
      }
      instance.needs.assign(waits_for.begin(), waits_for.end());
      all.push_back(instance);
      if (all.size() > max_instances) {
        return invalid("the matrices give more than 1000 instances").at("steps");
      }
    }
    made[name] = std::move(instances);
  }
  std::set<std::string> names;
  for (const Instance& instance : all) {
    check(names.insert(instance.name).second, "pipeline: two instances have one name");
  }
  return all;
}

}  // namespace bessemer::pipeline
