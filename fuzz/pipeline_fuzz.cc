// Texts with ${...}, requirements of gates and whole definitions from strangers: no crash, and
// what is accepted means the same when it is read again.
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "base/check.h"
#include "base/json.h"
#include "orchestration/pipeline/definition.h"
#include "orchestration/pipeline/expression.h"
#include "orchestration/pipeline/instances.h"

namespace {

using namespace bessemer;
using namespace bessemer::pipeline;

struct Echo final : Lookup {
  Result<json::Raw> value(const Reference& reference) const override {
    if (reference.name.size() % 2 == 0) return json::Raw{"42"};
    std::string text;
    json::quote(text, to_text(reference));
    return json::Raw{text};
  }
};

struct Ones final : Operands {
  Result<std::optional<double>> value(std::string_view of, std::string_view) const override {
    if (of == "champion") return std::optional<double>{};
    return std::optional<double>(1.0);
  }
};

void read_text(std::string_view text) {
  if (const auto pieces = parse_text(text)) {
    std::string again;
    for (const Piece& piece : *pieces) {
      if (piece.reference) {
        again += "${" + to_text(*piece.reference) + "}";
        continue;
      }
      for (std::size_t at = 0; at < piece.text.size(); ++at) {
        if (std::string_view(piece.text).substr(at).starts_with("${")) again += '$';
        again += piece.text[at];
      }
    }
    if (again.size() <= max_expression) {
      const auto second = parse_text(again);
      check(second && *second == *pieces, "a text means something else when it is read again");
    }
  }
  static_cast<void>(expand(text, Echo()));
  if (const auto filled = expand(json::Raw{std::string(text)}, Echo())) {
    const auto again = json::parse("[" + filled->text + "]", [](json::Value& list) {
      return list.array([](json::Value& only) -> Result<void> {
        TRY(only.raw());
        return {};
      });
    });
    check(again.has_value(), "what was filled in is no JSON");
  }
}

void read_requirement(std::string_view text) {
  const auto requirement = parse_requirement(text);
  if (!requirement) return;
  static_cast<void>(judge_requirement(*requirement, Ones()));
  const auto again = parse_requirement(requirement->left_text +
                                       std::string(to_text(requirement->comparison)) +
                                       requirement->right_text);
  if (again) check(*again == *requirement, "a requirement means something else when read again");
}

void read_definition(std::string_view text) {
  const auto definition = json::read<Definition>(text);
  if (!definition || !check_definition(*definition)) return;
  const auto instances = instances_of(*definition);
  check(!instances || instances->size() >= definition->steps.size(), "a step has no instance");
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  read_text(text);
  read_requirement(text);
  read_definition(text);
  return 0;
}
