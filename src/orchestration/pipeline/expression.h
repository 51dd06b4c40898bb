// The two small languages of a pipeline: ${...} in its texts, and the requirements of its gates.
//
//   text        = { any character | "${" reference "}" | "$${" (a literal "${") }
//   reference   = "params." NAME | "matrix." NAME
//               | "steps." STEP ".outputs." NAME | "steps." STEP ".metrics." NAME
//   requirement = sum (">=" | ">" | "<=" | "<" | "==" | "!=") sum
//   sum         = product { ("+" | "-") product }
//   product     = factor { ("*" | "/") factor }
//   factor      = NUMBER | "-" factor | "(" sum ")" | operand
//   operand     = METRIC | STEP "." METRIC | "champion." METRIC | "params." NAME | "matrix." NAME
//               | "${" reference "}"
// A name in a requirement is of a-z A-Z 0-9 _ @ % and begins with no digit; any other stands in
// back quotes: `held-back`.`top/1`.
#pragma once
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/json.h"
#include "base/result.h"

namespace bessemer::pipeline {

constexpr std::size_t max_expression = 4096;       // bytes of one text
constexpr std::size_t max_references = 64;         // in one text
constexpr std::size_t max_requirement_depth = 32;  // of parentheses and signs

enum class Scope : std::uint8_t { params, matrix, outputs, metrics };

// What ${...} names.
struct Reference {
  Scope scope = Scope::params;
  std::string step;  // of outputs and metrics
  std::string name;
  friend bool operator==(const Reference&, const Reference&) = default;
};
std::string to_text(const Reference& reference);  // "steps.train.outputs.model"

// A piece of a text: plain characters, or a reference.
struct Piece {
  std::string text;
  std::optional<Reference> reference;
  friend bool operator==(const Piece&, const Piece&) = default;
};
// Errors: invalid, quoting what is wrong and where.
Result<std::vector<Piece>> parse_text(std::string_view text);

// Where references get their values: JSON ("3", "\"adam\"", "0.01").
struct Lookup {
  virtual ~Lookup() = default;
  virtual Result<json::Raw> value(const Reference& reference) const = 0;
};
// The text with every reference replaced; strings without their quotes.
Result<std::string> expand(std::string_view text, const Lookup& lookup);
// A JSON value in which every string is expanded; a string that is one reference alone becomes
// the referenced value with its type. Object members keep their order.
Result<json::Raw> expand(const json::Raw& value, const Lookup& lookup);
// Every reference in the text; of a JSON value, in each of its strings.
Result<std::vector<Reference>> references_in(std::string_view text);
Result<std::vector<Reference>> references_in(const json::Raw& value);

// Names of parameters and of matrix dimensions: 1 to 63 of a-z A-Z 0-9 _, no digit first.
Result<void> check_parameter_name(std::string_view name);

// ---- requirements

enum class Comparison : std::uint8_t { at_least, above, at_most, below, equal, not_equal };
std::string_view to_text(Comparison comparison);  // ">="

// What a requirement compares, in postfix order: a stack machine needs no recursion.
struct Term {
  enum class Kind : std::uint8_t { number, operand, add, subtract, multiply, divide, negate };
  Kind kind = Kind::number;
  double number = 0;
  std::string of;    // of an operand: a step, champion, params, matrix; empty: the gate's own step
  std::string name;  // of an operand
  friend bool operator==(const Term&, const Term&) = default;
};

struct Requirement {
  std::string left_text, right_text;  // as written
  std::vector<Term> left, right;
  Comparison comparison = Comparison::at_least;
  friend bool operator==(const Requirement&, const Requirement&) = default;
};
// Errors: invalid, quoting what is wrong and where.
Result<Requirement> parse_requirement(std::string_view text);

// Where operands get their values.
struct Operands {
  virtual ~Operands() = default;
  // Errors: not_found (no such metric). Nothing: there is no champion yet.
  virtual Result<std::optional<double>> value(std::string_view of, std::string_view name) const = 0;
};

// What came of a requirement.
struct Verdict {
  bool passed = false;
  bool without_champion = false;  // could not be compared: there is none
  double left = 0, right = 0;
  std::string says;  // "accuracy is 0.87, below 0.9 by 0.03"
};
// Errors: not_found (an operand), invalid (a value that is not a finite number).
Result<Verdict> judge_requirement(const Requirement& requirement, const Operands& operands);

}  // namespace bessemer::pipeline
