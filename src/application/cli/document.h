// Any JSON value as a tree: what the API answers, before it is shown.
#pragma once
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/result.h"

namespace bessemer::cli {

// Members keep their order. Numbers keep their text, so that no digit is lost.
struct Document {
  enum class Kind : std::uint8_t { null, boolean, number, text, list, object };
  Kind kind = Kind::null;
  std::string scalar;  // "true", the number's digits, or the text
  std::vector<std::pair<std::string, Document>> members;  // of an object; of a list, unnamed

  static Document of(std::string text);
  static Document object() { return {Kind::object, {}, {}}; }
  static Document list() { return {Kind::list, {}, {}}; }
  bool is(Kind wanted) const { return kind == wanted; }

  // "spec.resources.gpus", "attempts.0.id", "attempts.-1" for the last; null when there is none.
  const Document* find(std::string_view path) const;
  // The scalar at a path; empty when there is none.
  std::string text(std::string_view path) const;
  // Sets a member of an object, at the end when it is new.
  void set(std::string_view name, Document value);
  friend bool operator==(const Document&, const Document&) = default;
};

// Errors: invalid.
Result<Document> parse_document(std::string_view json);

enum class Layout : std::uint8_t { compact, indented };
std::string to_json(const Document& document, Layout layout = Layout::indented);
// Block style; texts are quoted where YAML would read them as something else.
std::string to_yaml(const Document& document);

// One line per difference, "  path: old -> new"; fields that only `now` has are left out when
// `declared_only`, because the server fills in defaults. Equal sets in another order are equal.
enum class Compare : std::uint8_t { whole, declared_only };
std::vector<std::string> differences(const Document& now, const Document& wanted, Compare how);

}  // namespace bessemer::cli
